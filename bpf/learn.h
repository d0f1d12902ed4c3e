/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Endpoints learnt from traffic. What the configuration or a directory says is never overwritten,
 * only addresses of the VNet are taken, as many as the VNet may have, and a host moves when it has
 * been silent for a while where it was.
 */
#ifndef XGW_BPF_LEARN_H
#define XGW_BPF_LEARN_H

#include "route.h"

/* A new sign of life is written this often only: the entry is shared by all CPUs. */
#define LEARN_REFRESH_NS 250000000ull
/* Above the time between two signs of life: who sends all the time is not taken away. */
#define LEARN_MOVE_NS 1000000000ull

static __always_inline bool is_unicast_mac(const __u8 *mac)
{
	return !(mac[0] & 1) && (mac[0] | mac[1] | mac[2] | mac[3] | mac[4] | mac[5]);
}

/*
 * What a packet says of a host, apart from the packet: so the verifier looks at what is made of it
 * once, and not with every way that leads here.
 */
struct lesson {
	__u32 attachment;
	__u32 addr[4], vtep[4]; /* vtep: zero but on VXLAN */
	__u8 mac[6];
	__u8 tracing;
	__u8 only_vtep; /* nothing is learnt: is this VTEP one of ours at all? */
};

/* Told by people or by the kernel's tables: traffic changes nothing there. */
static __always_inline bool is_told(const struct xgw_endpoint *e)
{
	const __u32 *vtep = (const __u32 *)e->vtep;

	return e->flags & XGW_ENDPOINT_STATIC ||
	       (e->flags & XGW_ENDPOINT_KERNEL && (vtep[0] | vtep[1] | vtep[2] | vtep[3]));
}

static __always_inline bool is_here(const struct lesson *l, const struct xgw_endpoint *e)
{
	return e->attachment == l->attachment && same_addr(e->vtep, l->vtep);
}

static __always_inline int learn_put(const struct lesson *l, const struct xgw_attachment *in,
				     __u64 now, __u64 how)
{
	struct xgw_endpoint_key key = {.vnet = in->vnet};
	struct xgw_endpoint e = {
		.attachment = l->attachment, .flags = XGW_ENDPOINT_LEARNT, .seen_ns = now};

	__builtin_memcpy(key.addr, l->addr, 16);
	__builtin_memcpy(e.mac, l->mac, 6);
	__builtin_memcpy(e.vtep, l->vtep, 16);
	if (bpf_map_update_elem(&endpoints, &key, &e, how))
		return XGW_DROP_MAP_FULL;
	event_emit(XGW_EVENT_LEARNT, in->vnet, in->id, in->ifindex, l->addr);
	return 0;
}

/* One that traffic has not taught yet, within the VNet's limit; without a limit there are none. */
static __always_inline int learn_new(const struct lesson *l, const struct xgw_attachment *in,
				     __u64 now, __u64 how)
{
	__u32 vnet = in->vnet;
	struct xgw_learnt *n = bpf_map_lookup_elem(&learnt, &vnet);
	int rc;

	if (!n)
		return XGW_DROP_LEARN_LIMIT;
	if (__sync_fetch_and_add(&n->count, 1) >= n->limit) {
		__sync_fetch_and_add(&n->count, -1);
		return XGW_DROP_LEARN_LIMIT;
	}
	/* without an entry before, one that the daemon or another CPU puts meanwhile stays */
	rc = learn_put(l, in, now, how);
	if (!rc)
		return 0;
	__sync_fetch_and_add(&n->count, -1);
	return endpoint_find(vnet, l->addr) ? 0 : rc;
}

/* had: what is known of the address, or NULL. 0 or a drop. */
static __always_inline int learn_host(const struct lesson *l, const struct xgw_attachment *in,
				      struct xgw_endpoint *had)
{
	__u64 now;

	if (l->tracing || (had && is_told(had)))
		return 0;
	/* a frame of our own that came back, or of somebody who says so */
	if (!is_unicast_mac(l->mac) || same_mac(l->mac, in->mac))
		return XGW_DROP_SOURCE;
	now = bpf_ktime_get_ns();
	if (!had || !(had->flags & XGW_ENDPOINT_LEARNT))
		return learn_new(l, in, now, had ? BPF_EXIST : BPF_NOEXIST);
	if (is_here(l, had) && same_mac(had->mac, l->mac)) {
		if (now - had->seen_ns > LEARN_REFRESH_NS)
			had->seen_ns = now;
		return 0;
	}
	/* another CPU may have written a later time than this one read */
	if (now < had->seen_ns + LEARN_MOVE_NS)
		return XGW_DROP_LEARN_MOVE;
	/* the daemon may have forgotten it meanwhile: the next packet is learnt anew */
	(void)learn_put(l, in, now, BPF_EXIST);
	return 0;
}

/* The configuration, or a directory, says that the attachment has hosts there. */
static __always_inline bool vtep_is_known(const struct lesson *l)
{
	struct xgw_vtep_key key = {.prefixlen = 160, .attachment_be = bpf_htonl(l->attachment)};

	__builtin_memcpy(key.addr, l->vtep, 16);
	return bpf_map_lookup_elem(&vteps, &key);
}

/*
 * A VXLAN packet is taken only from the host that its inner source lives on: the one that the
 * configuration or a directory names, or, where learning is on, any of those that may be. A global
 * function on purpose: see struct lesson.
 */
__noinline int learn_lesson(struct lesson *l)
{
	const struct xgw_attachment *in;
	struct xgw_endpoint *had;
	int rc;

	if (!l)
		return XGW_DROP_VTEP;
	if (l->only_vtep)
		return vtep_is_known(l) ? 0 : XGW_DROP_VTEP;
	in = attachment_by_id(l->attachment);
	if (!in)
		return XGW_DROP_NO_ATTACHMENT;
	had = endpoint_find(in->vnet, l->addr);
	if (in->kind != XGW_TAG_VXLAN)
		return learn_host(l, in, had);
	if (had && is_told(had))
		return is_here(l, had) ? 0 : XGW_DROP_VTEP;
	if (!(in->flags & XGW_ATTACHMENT_LEARN) || !vtep_is_known(l))
		return XGW_DROP_VTEP;
	rc = learn_host(l, in, had);
	/* the way back is looked for before there is something to send */
	if (!rc && !l->tracing && !neighbour_find(in->ifindex, l->vtep))
		event_emit(XGW_EVENT_NEIGHBOUR, in->vnet, in->id, in->ifindex, l->vtep);
	return rc;
}

/*
 * addr is reached by mac through the attachment (and VTEP) that p came from; addr NULL: of no
 * address that could be learnt. 0 or a drop.
 */
static __always_inline int learn(const struct packet *p, const __u32 *addr, const __u8 *mac)
{
	struct lesson l = {.attachment = p->in->id, .tracing = p->tracing, .only_vtep = !addr};
	int rc;

	copy_addr(l.vtep, p->vtep);
	if (addr) {
		copy_addr(l.addr, addr);
		__builtin_memcpy(l.mac, mac, 6);
	}
	rc = learn_lesson(&l);
	/* a drop and nothing else, as the verifier wants to see it too */
	return (__u32)rc < XGW_DROP_COUNT ? rc : XGW_DROP_VTEP;
}

#endif
