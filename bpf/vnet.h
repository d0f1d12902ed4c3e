/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The way of a frame from a VNet: attachment, link-layer business, source, route, next hop. On
 * attachments that the kernel has a device for, what is not routed is the kernel's; on the others
 * (VLAN, VXLAN) the gateway answers what must be answered and drops the rest.
 */
#ifndef XGW_BPF_VNET_H
#define XGW_BPF_VNET_H

#include "answer.h"
#include "forward.h"

static __always_inline int not_routed(const struct packet *p)
{
	return attachment_is_kernels(p->in) ? VERDICT_PASS : XGW_DROP_UNANSWERED;
}

/* Neither IP nor ARP: the link's own protocols (LLDP, spanning tree) go by multicast. */
static __always_inline int not_ip(const struct packet *p, const struct ethhdr *eth)
{
	return attachment_is_kernels(p->in) && eth->h_dest[0] & 1 ? VERDICT_PASS : XGW_DROP_NOT_IP;
}

static __always_inline int check_source(const struct packet *p)
{
	return route_is_local(p->in->vnet, p->ip.family, p->ip.source) ? 0 : XGW_DROP_SOURCE;
}

static __always_inline int own_address(const struct packet *p)
{
	const struct xgw_address *a = address_find(p->in->vnet, p->ip.destination);

	if (!a)
		return 0;
	if (attachment_is_kernels(p->in) && a->attachment == p->in->id)
		return VERDICT_PASS;
	return echo_decide(p);
}

static __always_inline int follow(struct packet *p)
{
	switch (p->hop->kind) {
	case XGW_HOP_DROP: return XGW_DROP_ROUTE_NONE;
	case XGW_HOP_TUNNEL:
	case XGW_HOP_CLIENT: p->meta_kind = XGW_META_ENCRYPT; return VERDICT_WORKER;
	case XGW_HOP_LOCAL: return forward_decide(p);
	case XGW_HOP_GATEWAY: return not_routed(p);
	}
	return XGW_DROP_NO_NEXT_HOP;
}

/*
 * A tunnel's route decides alone, without asking for our own addresses: the plan gives each of
 * those a route of full length to the gateway, so no tunnel can take them.
 */
static __always_inline int find_route(struct packet *p)
{
	int rc;

	p->route = route_find(p->in->vnet, p->ip.family, p->ip.destination);
	if (p->route) {
		__u32 id = p->route->next_hop;

		p->hop = bpf_map_lookup_elem(&next_hops, &id);
	}
	if (!p->hop || p->hop->kind != XGW_HOP_TUNNEL) {
		rc = own_address(p);
		if (rc)
			return rc;
	}
	if (!p->route)
		return XGW_DROP_NO_ROUTE;
	return p->hop ? 0 : XGW_DROP_NO_NEXT_HOP;
}

/*
 * Source, route and next hop by the maps. A function of its own for its stack: what the keys need
 * is free again when it returns.
 */
static __noinline int decide_anew(struct packet *p, struct known_decision *k)
{
	int rc;

	memory_begin(p);
	rc = check_source(p);
	/* the kernel judges by its own rules what is for itself */
	if (rc && attachment_is_kernels(p->in) && own_address(p) == VERDICT_PASS)
		return VERDICT_PASS;
	if (!rc)
		rc = find_route(p);
	if (!rc && k)
		decision_keep(p, k);
	return rc;
}

/* A unicast packet to us that wants on: 0 when p->hop says where. */
static __always_inline int decide(struct packet *p)
{
	bool known;
	struct known_decision *k = decision_of(p, &known);

	if (!known)
		return decide_anew(p, k);
	p->route = &k->route;
	p->hop = &k->hop;
	return 0;
}

/* p->in, l2, l3 and proto are known; rc: of parsing p->ip. */
static __always_inline int vnet_packet(struct packet *p, int rc)
{
	const struct ethhdr *eth = HEADER(p, p->l2, struct ethhdr);

	if (!eth)
		return XGW_DROP_TRUNCATED;
	if (p->proto == ETH_ARP)
		return arp_decide(p);
	if (rc == XGW_DROP_NOT_IP)
		return not_ip(p, eth);
	if (rc)
		return rc;
	rc = nd_decide(p);
	if (rc)
		return rc;
	if (!same_mac(eth->h_dest, p->in->mac) || is_link_scope(&p->ip))
		return not_routed(p);
	rc = decide(p);
	if (p->in->kind == XGW_TAG_VXLAN && rc != XGW_DROP_SOURCE) {
		int learnt = learn_vtep(p, p->ip.source, eth->h_source);

		rc = learnt ? learnt : rc;
	}
	return rc ? rc : follow(p);
}

/* VLAN tag 0 is a priority alone (IEEE 802.1Q section 6.9.3): the frame counts as untagged. */
static __always_inline int untag(struct packet *p, __u32 *tag)
{
	const struct ethhdr *eth = HEADER(p, 0, struct ethhdr);
	const struct vlan_hdr *vlan;

	*tag = 0;
	if (!eth)
		return XGW_DROP_TRUNCATED;
	p->proto = eth->h_proto;
	p->l3 = sizeof(*eth);
	if (p->proto == ETH_QINQ)
		return XGW_DROP_NO_ATTACHMENT;
	if (p->proto != ETH_VLAN)
		return 0;
	vlan = HEADER(p, sizeof(*eth), struct vlan_hdr);
	if (!vlan)
		return XGW_DROP_TRUNCATED;
	*tag = bpf_ntohs(vlan->h_vlan_TCI) & 0xfff;
	p->proto = vlan->h_vlan_encapsulated_proto;
	p->l3 += sizeof(*vlan);
	return 0;
}

static __always_inline int vnet_decide(struct packet *p)
{
	__u32 tag;
	int rc = untag(p, &tag);

	if (rc)
		return rc;
	rc = parse_ip(p, p->proto, p->l3, &p->ip);
	if (!rc && !tag) {
		rc = vxlan_find(p, true);
		if (rc)
			return rc;
	}
	if (p->in) {
		rc = parse_ip(p, p->proto, p->l3, &p->ip);
		return vnet_packet(p, rc);
	}
	p->in = attachment_find(p, tag ? XGW_TAG_VLAN : XGW_TAG_NONE, tag);
	if (!p->in)
		return tag ? XGW_DROP_NO_ATTACHMENT : VERDICT_PASS;
	return vnet_packet(p, rc);
}

#endif
