/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Local forwarding, which goes on while no daemon runs: judged first, then carried out. */
#ifndef XGW_BPF_FORWARD_H
#define XGW_BPF_FORWARD_H

#include "encap.h"
#include "handoff.h"

/* VXLAN needs the outer link-layer addresses too. */
static __always_inline int forward_underlay(struct packet *p)
{
	__u32 ifindex = p->out->ifindex;

	p->out_port = bpf_map_lookup_elem(&ports, &ifindex);
	if (!p->out_port)
		return XGW_DROP_NO_ATTACHMENT;
	p->neighbour = neighbour_find(ifindex, p->to->vtep);
	if (p->neighbour)
		return 0;
	event_send(p, XGW_EVENT_NEIGHBOUR, p->out->vnet, p->out->id, ifindex, p->to->vtep);
	return XGW_DROP_NO_NEIGHBOUR;
}

/* Why it is dropped here, unless a worker takes it, who cuts it or tells its sender (RFC 1812
 * section 5.2.7). */
static __always_inline __u32 forward_refusal(const struct packet *p)
{
	if (p->ip.ttl <= 1)
		return XGW_DROP_TTL;
	return p->out->mtu && p->ip.end - p->l3 > p->out->mtu ? XGW_DROP_TOO_BIG : 0;
}

/* The next hop is a host of a VNet, the one whom the packet is for, or an appliance; or the router
 * at the other end of a circuit's link. */
static __always_inline int forward_decide(struct packet *p)
{
	const __u32 *host =
		p->hop->kind == XGW_HOP_LOCAL ? p->ip.destination : p->hop->member /* = address */;
	int rc;

	p->to = endpoint_find(p->hop->vnet, host);
	if (!p->to) {
		event_send(p, XGW_EVENT_RESOLVE, p->hop->vnet, 0, 0, host);
		return XGW_DROP_NO_ENDPOINT;
	}
	p->out = attachment_by_id(p->to->attachment);
	if (!p->out)
		return XGW_DROP_NO_ATTACHMENT;
	p->refusal = forward_refusal(p);
	if (p->out->kind == XGW_TAG_VXLAN) {
		rc = forward_underlay(p);
		if (rc)
			return rc;
	}
	/*
	 * One whole sum of 65 536 looks partial too: where no worker completes it, it leaves as it
	 * is. The receiver judges it, and only a sum that is partial indeed is lost.
	 */
	if (!p->refusal && !(checksum_is_partial(p) && handoff_is_possible(p)))
		return VERDICT_FORWARD;
	p->meta_kind = XGW_META_FORWARD;
	return VERDICT_WORKER;
}

static __always_inline bool decrement_ttl(const struct packet *p)
{
	if (p->ip.family == 4) {
		struct iphdr *h = HEADER(p, p->l3, struct iphdr);
		__u32 check;

		if (!h)
			return false;
		/* a wrong sum stays as wrong as it was: the host sees it */
		check = h->check + bpf_htons(0x0100);
		h->check = (__u16)(check + (check >= 0xffff));
		h->ttl--;
	} else {
		struct ipv6hdr *h = HEADER(p, p->l3, struct ipv6hdr);

		if (!h)
			return false;
		h->hop_limit--;
	}
	return true;
}

/* 0 when the frame stands as it leaves. */
static __always_inline int forward_write(struct packet *p)
{
	__u32 ip_len = p->ip.end - p->l3;
	__be16 port = 0;

	if (!decrement_ttl(p))
		return XGW_DROP_TRUNCATED;
	if (p->out->kind == XGW_TAG_VXLAN)
		port = flow_port(p);
	p->shift = (int)p->l3 - (int)encap_bytes(p);
	if (p->shift && bpf_xdp_adjust_head(p->xdp, p->shift))
		return XGW_DROP_ENCAP_ROOM;
	packet_refresh(p);
	return encap_write(p, port, ip_len);
}

#endif
