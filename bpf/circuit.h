/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The way of a frame from a circuit: the link by its tags, then what is for the gateway's router
 * there (the link's own protocols and addresses: ARP, neighbour discovery, BGP, BFD) to the
 * router's end of the wire, untagged, and all else by the circuit's domain. And the other end of
 * that wire: what the router sends goes out of the link as it is, with the link's tags.
 */
#ifndef XGW_BPF_CIRCUIT_H
#define XGW_BPF_CIRCUIT_H

#include "verdict.h"
#include "vnet.h"

/* Tags of a link: none, 802.1Q, or 802.1ad with 802.1Q inside; to be asked for as a kind and a tag.
 */
static __always_inline int untag_link(struct packet *p, __u32 *kind, __u32 *tag)
{
	const struct ethhdr *eth = HEADER(p, 0, struct ethhdr);
	const struct vlan_hdr *outer;
	int rc;

	if (!eth)
		return XGW_DROP_TRUNCATED;
	if (eth->h_proto != ETH_QINQ) {
		rc = untag(p, tag);
		*kind = *tag ? XGW_TAG_VLAN : XGW_TAG_NONE;
		return rc;
	}
	outer = packet_at(p, sizeof(*eth), 2 * sizeof(*outer));
	if (!outer)
		return XGW_DROP_TRUNCATED;
	if (outer->h_vlan_encapsulated_proto != ETH_VLAN)
		return XGW_DROP_NO_ATTACHMENT;
	*kind = XGW_TAG_QINQ;
	*tag = XGW_QINQ(bpf_ntohs(outer[0].h_vlan_TCI) & 0xfff,
			bpf_ntohs(outer[1].h_vlan_TCI) & 0xfff);
	p->proto = outer[1].h_vlan_encapsulated_proto;
	p->l3 = sizeof(*eth) + 2 * sizeof(*outer);
	return 0;
}

/* 0 when p->hop says where. */
static __always_inline int find_way_of_link(struct packet *p)
{
	bool known;
	struct known_decision *k = decision_of(p, &known);
	int rc;

	if (!k)
		return XGW_DROP_MAP_FULL;
	p->route = &k->route;
	p->hop = &k->hop;
	if (!known) {
		memory_begin(p);
		decision_ask(p, k);
		rc = decide_of_link(k);
		if (rc)
			return (__u32)rc < XGW_DROP_COUNT ? rc : VERDICT_ROUTER;
		k->generation = p->generation;
	}
	if (p->hop->kind == XGW_HOP_CHOICE)
		p->hop = take_member(p, p->hop);
	return p->hop ? 0 : XGW_DROP_NO_NEXT_HOP;
}

static __always_inline int follow_from_link(struct packet *p)
{
	int rc;

	switch (p->hop->kind) {
	case XGW_HOP_DROP: return XGW_DROP_ROUTE_NONE;
	case XGW_HOP_TUNNEL:
	case XGW_HOP_CLIENT: p->meta_kind = XGW_META_ENCRYPT; return VERDICT_WORKER;
	case XGW_HOP_LOCAL:
	case XGW_HOP_APPLIANCE:
	case XGW_HOP_CIRCUIT:
		rc = forward_decide(p);
		return rc >= VERDICT_PASS && p->out->id == p->in->id ? XGW_DROP_LOOP : rc;
	case XGW_HOP_GATEWAY: return VERDICT_ROUTER;
	case XGW_HOP_INTERNET: return XGW_DROP_INTERNET;
	}
	return XGW_DROP_NO_NEXT_HOP;
}

static __always_inline int circuit_decide(struct packet *p)
{
	const struct ethhdr *eth;
	__u32 kind, tag;
	int rc = untag_link(p, &kind, &tag);

	if (rc)
		return rc;
	p->in = attachment_find(p, kind, tag);
	if (!p->in)
		return tag ? XGW_DROP_NO_ATTACHMENT : VERDICT_PASS;
	if (!(p->in->flags & XGW_ATTACHMENT_LINK))
		return XGW_DROP_NO_ATTACHMENT;
	if (p->proto == ETH_ARP)
		return VERDICT_ROUTER;
	rc = parse_ip(p, p->proto, p->l3, &p->ip);
	eth = HEADER(p, 0, struct ethhdr);
	if (!eth)
		return XGW_DROP_TRUNCATED;
	/* of the port's own protocols the kernel knows more than the router does */
	if (rc == XGW_DROP_NOT_IP)
		return not_ip(p, eth);
	if (rc)
		return rc;
	if (eth->h_dest[0] & 1)
		return VERDICT_ROUTER;
	if (!same_mac(eth->h_dest, p->in->mac))
		return XGW_DROP_UNANSWERED;
	if (is_link_scope(&p->ip))
		return VERDICT_ROUTER;
	rc = find_way_of_link(p);
	return rc ? rc : follow_from_link(p);
}

/* Of the frame's start the addresses stay; bytes: how much longer it becomes. */
static __always_inline struct ethhdr *move_head(struct packet *p, int bytes)
{
	struct ethhdr *eth = HEADER(p, 0, struct ethhdr), was;

	if (!eth)
		return NULL;
	was = *eth;
	p->shift = -bytes;
	if (bytes && bpf_xdp_adjust_head(p->xdp, -bytes))
		return NULL;
	packet_refresh(p);
	eth = HEADER(p, 0, struct ethhdr);
	if (eth)
		*eth = was;
	return eth;
}

static __always_inline int send_to_router(struct packet *p)
{
	__u32 ifindex = p->in->local_ifindex;
	struct ethhdr *eth;

	if (!packet_is_linear(p))
		return XGW_DROP_FRAGMENT;
	eth = move_head(p, (int)sizeof(*eth) - (int)p->l3);
	if (!eth)
		return XGW_DROP_ENCAP_ROOM;
	eth->h_proto = p->proto;
	return bpf_redirect_map(&tx_ports, ifindex, XDP_DROP) == XDP_REDIRECT ? VERDICT_PASS
									      : XGW_DROP_NO_ROUTER;
}

static __always_inline int circuit_finish(struct packet *p, int verdict)
{
	if (verdict >= VERDICT_PASS)
		capture_link(p, p->in, XGW_CAPTURED_IN);
	if (verdict == VERDICT_ROUTER && !p->tracing)
		return conclude(p, send_to_router(p), XDP_REDIRECT);
	return finish(p, verdict);
}

/* ---- the router's end of the wire ---- */

static __always_inline int link_decide(struct packet *p)
{
	p->out = attachment_by_id(p->port->wire);
	if (!p->out || !(p->out->flags & XGW_ATTACHMENT_LINK))
		return XGW_DROP_NO_ATTACHMENT;
	if (p->len <= sizeof(struct ethhdr))
		return XGW_DROP_TRUNCATED;
	if (p->len - sizeof(struct ethhdr) > p->out->mtu)
		return XGW_DROP_TOO_BIG;
	return packet_is_linear(p) ? VERDICT_FORWARD : XGW_DROP_FRAGMENT;
}

static __always_inline int send_on_wire(struct packet *p)
{
	bool is_double = p->out->kind == XGW_TAG_QINQ, is_single = p->out->kind == XGW_TAG_VLAN;
	__u32 bytes = (is_double ? 2 : is_single) * sizeof(struct vlan_hdr), tag = p->out->tag;
	struct ethhdr *eth = move_head(p, (int)bytes);
	struct vlan_hdr *vlan;
	__be16 proto;

	if (!eth)
		return XGW_DROP_ENCAP_ROOM;
	proto = eth->h_proto;
	if (bytes) {
		eth = packet_at(p, 0, ENCAP_VLAN);
		if (!eth)
			return XGW_DROP_ENCAP_ROOM;
		eth->h_proto = is_double ? ETH_QINQ : ETH_VLAN;
		write_tag((void *)(eth + 1), is_double ? tag >> 12 : tag,
			  is_double ? ETH_VLAN : proto);
	}
	if (is_double) {
		vlan = packet_at(p, ENCAP_VLAN, sizeof(*vlan));
		if (!vlan)
			return XGW_DROP_ENCAP_ROOM;
		write_tag(vlan, tag, proto);
	}
	return bpf_redirect_map(&tx_ports, p->out->ifindex, XDP_DROP) == XDP_REDIRECT
		       ? VERDICT_FORWARD
		       : XGW_DROP_REDIRECT;
}

static __always_inline int link_finish(struct packet *p, int verdict)
{
	if (p->tracing)
		return explain(p, verdict);
	if (verdict >= VERDICT_PASS)
		verdict = send_on_wire(p);
	return conclude(p, verdict, XDP_REDIRECT);
}

#endif
