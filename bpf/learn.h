/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Endpoints learnt from traffic. What the configuration says is never overwritten, only addresses
 * of the VNet are taken, and the map's size is the bound.
 */
#ifndef XGW_BPF_LEARN_H
#define XGW_BPF_LEARN_H

#include "route.h"

/* A new sign of life is written this often only: the entry is shared by all CPUs. */
#define LEARN_REFRESH_NS 1000000000ull

static __always_inline bool is_unicast_mac(const __u8 *mac)
{
	return !(mac[0] & 1) && (mac[0] | mac[1] | mac[2] | mac[3] | mac[4] | mac[5]);
}

/* addr is reached by mac through the attachment (and VTEP) that p came from. 0 or MAP_FULL. */
static __always_inline int learn(const struct packet *p, const __u32 *addr, const __u8 *mac)
{
	struct xgw_endpoint *had = endpoint_find(p->in->vnet, addr);
	struct xgw_endpoint_key key = {.vnet = p->in->vnet};
	struct xgw_endpoint e = {.attachment = p->in->id, .flags = XGW_ENDPOINT_LEARNT};

	if (p->tracing || (had && had->flags & XGW_ENDPOINT_STATIC))
		return 0;
	e.seen_ns = bpf_ktime_get_ns();
	if (had && had->attachment == p->in->id && same_mac(had->mac, mac) &&
	    same_addr(had->vtep, p->vtep)) {
		if (e.seen_ns - had->seen_ns > LEARN_REFRESH_NS)
			had->seen_ns = e.seen_ns;
		return 0;
	}
	__builtin_memcpy(key.addr, addr, 16);
	__builtin_memcpy(e.mac, mac, 6);
	__builtin_memcpy(e.vtep, p->vtep, 16);
	/* without an entry before, one that the daemon puts meanwhile stays */
	if (bpf_map_update_elem(&endpoints, &key, &e, had ? BPF_EXIST : BPF_NOEXIST) && !had)
		return endpoint_find(p->in->vnet, addr) ? 0 : XGW_DROP_MAP_FULL;
	event_send(p, XGW_EVENT_LEARNT, p->in->vnet, p->in->id, p->port->ifindex, addr);
	return 0;
}

/*
 * A VXLAN packet is taken only from the host that its inner source lives on: the one that the
 * configuration names, or, where learning is on, any host of the underlay that the kernel knows.
 */
static __always_inline int learn_vtep(const struct packet *p, const __u32 *addr, const __u8 *mac)
{
	const struct xgw_endpoint *e = endpoint_find(p->in->vnet, addr);

	if (e && e->attachment == p->in->id && same_addr(e->vtep, p->vtep) &&
	    (e->flags & XGW_ENDPOINT_STATIC))
		return 0;
	if ((e && e->flags & XGW_ENDPOINT_STATIC) || !(p->in->flags & XGW_ATTACHMENT_LEARN))
		return XGW_DROP_VTEP;
	if (!neighbour_find(p->in->ifindex, p->vtep)) {
		event_send(p, XGW_EVENT_NEIGHBOUR, p->in->vnet, p->in->id, p->in->ifindex, p->vtep);
		return XGW_DROP_VTEP;
	}
	return learn(p, addr, mac);
}

#endif
