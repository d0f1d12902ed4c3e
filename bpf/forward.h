/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Next hop -> action: to the worker, to a host of a VNet on this gateway, to the kernel, or a drop. */
#ifndef XGW_BPF_FORWARD_H
#define XGW_BPF_FORWARD_H

#include "bpf/encap.h"
#include "bpf/handoff.h"
#include "bpf/route.h"

/*
 * A sender on a veth leaves the transport checksum to the NIC: the field then holds the folded sum of the pseudo
 * header. Such a packet would arrive broken after a redirect, so a worker completes it first.
 */
static __always_inline bool checksum_is_partial(const struct packet *p)
{
	if (p->h.fragment || (p->h.l4proto != IPPROTO_TCP && p->h.l4proto != IPPROTO_UDP))
		return false;
	__u8 *l4 = at(p->ctx, p->h.l4);
	__u32 field = p->h.l4proto == IPPROTO_TCP ? 16 : 6;
	if (!HAS(p->ctx, l4, 18) && !(field == 6 && HAS(p->ctx, l4, 8)))
		return false;
	__u32 words[11] = {0};
	__builtin_memcpy(words, p->h.source, 16);
	__builtin_memcpy(words + 4, p->h.destination, 16);
	if (p->h.family == 4)
		words[2] = words[6] = 0; /* not the ffff of the mapped form */
	__u32 length = p->h.len - p->h.l4;
	void *ip = at(p->ctx, p->h.l3);
	if (!HAS(p->ctx, ip, 20))
		return false;
	if (p->h.family == 4)
		length = p->h.l3 + bpf_ntohs(((struct iphdr *)ip)->tot_len) - p->h.l4;
	else
		length = p->h.l3 + 40 + bpf_ntohs(((struct ipv6hdr *)ip)->payload_len) - p->h.l4;
	words[8] = bpf_htonl(length);
	words[9] = bpf_htonl(p->h.l4proto);
	__u64 sum = bpf_csum_diff(NULL, 0, words, 40, 0);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	__u16 check;
	l4 = at(p->ctx, p->h.l4);
	if (field == 16) {
		if (!HAS(p->ctx, l4, 18))
			return false;
		check = *(__u16 *)(l4 + 16);
	} else {
		if (!HAS(p->ctx, l4, 8))
			return false;
		check = *(__u16 *)(l4 + 6);
	}
	return check == (__u16)sum;
}

static __always_inline int to_worker_for_checksum(struct packet *p, __u32 vnet)
{
	struct xgw_meta m = {.kind = XGW_META_CHECKSUM, .vnet = vnet, .attachment = p->in->id};
	return hand_off(p, &m);
}

static __always_inline int forward_local(struct packet *p, __u32 vnet)
{
	struct xgw_endpoint_key key = {.vnet = vnet};
	__builtin_memcpy(key.addr, p->h.destination, 16);
	struct xgw_endpoint *to = bpf_map_lookup_elem(&endpoints, &key);
	if (!to) {
		if (!p->tracing)
			tell(XGW_EVENT_RESOLVE, vnet, 0, 0, p->h.destination);
		return XGW_DROP_NO_ENDPOINT;
	}
	__u32 id = to->attachment;
	struct xgw_attachment *out = bpf_map_lookup_elem(&attachments, &id);
	if (!out || !out->id)
		return XGW_DROP_NO_ENDPOINT;
	p->trace.attachment = id;
	if (frame_len(p->ctx) - p->h.l3 > out->mtu)
		return XGW_DROP_TOO_BIG;
	if (checksum_is_partial(p))
		return to_worker_for_checksum(p, vnet);
	int v = decrement_ttl(p);
	if (v != GO_ON)
		return v;
	if (p->tracing)
		return VERDICT_FORWARDED;
	if (out->kind == XGW_TAG_VXLAN)
		v = put_vxlan(p, out, to);
	else if (out->kind == XGW_TAG_VLAN)
		v = put_vlan(p, out, to);
	else
		v = put_plain(p, out, to);
	if (v != GO_ON)
		return v;
	p->action = bpf_redirect_map(&tx_ports, out->ifindex, XDP_DROP);
	return p->action == XDP_REDIRECT ? VERDICT_FORWARDED : XGW_DROP_REDIRECT;
}

static __always_inline int forward(struct packet *p)
{
	struct xgw_route *route = route_of(p->h.family, p->in->vnet, p->h.destination);
	if (!route)
		return XGW_DROP_NO_ROUTE;
	p->trace.plen = route->plen;
	p->trace.source = route->source;
	p->trace.family = route->family;
	p->trace.flags = route->flags;
	p->trace.next_hop = route->next_hop;
	__u32 id = route->next_hop;
	struct xgw_next_hop *hop = bpf_map_lookup_elem(&next_hops, &id);
	if (!hop)
		return XGW_DROP_NO_NEXT_HOP;
	p->trace.verdict = hop->kind;
	p->trace.connection = hop->connection;
	switch (hop->kind) {
	case XGW_HOP_LOCAL:
		return forward_local(p, hop->vnet);
	case XGW_HOP_TUNNEL: {
		struct xgw_meta m = {.kind = XGW_META_ENCRYPT,
				     .vnet = p->in->vnet,
				     .connection = hop->connection,
				     .attachment = p->in->id};
		return hand_off(p, &m);
	}
	case XGW_HOP_GATEWAY:
		return p->in->kind == XGW_TAG_NONE ? VERDICT_PASS : XGW_DROP_NO_ROUTE;
	case XGW_HOP_DROP:
		return XGW_DROP_ROUTE_NONE;
	default:
		return XGW_DROP_NO_NEXT_HOP;
	}
}

#endif
