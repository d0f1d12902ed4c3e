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
#include "handoff.h"

static __always_inline int not_routed(const struct packet *p)
{
	return attachment_is_kernels(p->in) ? VERDICT_PASS : XGW_DROP_UNANSWERED;
}

/* Neither IP nor ARP: the link's own protocols (LLDP, spanning tree) go by multicast. */
static __always_inline int not_ip(const struct packet *p, const struct ethhdr *eth)
{
	return attachment_is_kernels(p->in) && eth->h_dest[0] & 1 ? VERDICT_PASS : XGW_DROP_NOT_IP;
}

static __always_inline int follow(struct packet *p)
{
	switch (p->hop->kind) {
	case XGW_HOP_DROP: return XGW_DROP_ROUTE_NONE;
	case XGW_HOP_TUNNEL:
	case XGW_HOP_CLIENT: p->meta_kind = XGW_META_ENCRYPT; return VERDICT_WORKER;
	case XGW_HOP_LOCAL:
	case XGW_HOP_APPLIANCE:
	case XGW_HOP_CIRCUIT: return forward_decide(p);
	case XGW_HOP_GATEWAY: return not_routed(p);
	/* the kernel cannot take what is inside VXLAN */
	case XGW_HOP_INTERNET:
		return p->in->kind == XGW_TAG_VXLAN ? XGW_DROP_INTERNET : VERDICT_PASS;
	}
	return XGW_DROP_NO_NEXT_HOP;
}

static __always_inline int decide_anew(struct packet *p, struct known_decision *k)
{
	int rc;

	memory_begin(p);
	decision_ask(p, k);
	rc = decide_by_maps(k);
	p->forwarded = k->forwarded;
	p->from_table = k->from_table;
	p->barred = k->barred;
	if (!rc)
		k->generation = p->generation;
	if (rc == VERDICT_ANSWER_ECHO)
		return echo_decide(p);
	/* the verifier knows of no more than this */
	return rc < 0 || rc > VERDICT_PASS ? VERDICT_PASS : rc;
}

/* A unicast packet to us that wants on: 0 when p->hop says where. */
static __always_inline int decide(struct packet *p)
{
	bool known;
	struct known_decision *k = decision_of(p, &known);

	if (!k)
		return XGW_DROP_MAP_FULL;
	p->route = &k->route;
	p->hop = &k->hop;
	if (!known)
		return decide_anew(p, k);
	p->forwarded = k->forwarded;
	p->barred = k->barred;
	return 0;
}

/* The appliance that p->hop names sent the frame itself. */
static __noinline bool is_of_appliance(const struct packet *p, const struct ethhdr *eth)
{
	const struct xgw_endpoint *e;

	if (p->hop->kind != XGW_HOP_APPLIANCE || p->hop->vnet != p->in->vnet)
		return false;
	e = endpoint_find(p->hop->vnet, p->hop->member /* = address */);
	return e && e->attachment == p->in->id && same_mac(e->mac, eth->h_source) &&
	       (p->in->kind != XGW_TAG_VXLAN || same_addr(e->vtep, p->vtep));
}

/* Where no worker takes what is for a tunnel, who else would take it: another instance. */
static __always_inline const struct xgw_next_hop *take_member(const struct packet *p,
							      const struct xgw_next_hop *choice)
{
	__u32 flow = flow_of(p), barred = barred_kinds(p->barred),
	      id = choose_member(choice, flow, barred);
	const struct xgw_next_hop *h = bpf_map_lookup_elem(&next_hops, &id), *other;

	if (!h || h->kind != XGW_HOP_TUNNEL || handoff_is_possible(p))
		return h;
	id = choose_member(choice, flow, barred | BIT_OF(XGW_HOP_TUNNEL));
	other = bpf_map_lookup_elem(&next_hops, &id);
	return other ? other : h;
}

/*
 * Where to: by source and destination, which the memory knows, then by what else next hops depend
 * on: whether an appliance has sent the frame, and the flow.
 */
static __always_inline int find_way(struct packet *p, const struct ethhdr *eth)
{
	int rc = decide(p);

	if (rc)
		return rc;
	if (p->hop->kind < XGW_HOP_CHOICE)
		return 0;
	/* no loop of two turns: the verifier of Linux 6.1 takes none with a call in it */
	if (is_of_appliance(p, eth)) {
		p->appliance = p->hop;
		rc = decide(p);
		if (rc)
			return rc;
		if (p->hop->kind < XGW_HOP_CHOICE)
			return 0;
		if (is_of_appliance(p, eth))
			return XGW_DROP_LOOP;
	} else if (p->hop->kind == XGW_HOP_APPLIANCE && p->forwarded) {
		/* only the other instance of the gateway may send that */
		return XGW_DROP_SOURCE;
	}
	if (p->hop->kind == XGW_HOP_CHOICE) {
		p->hop = take_member(p, p->hop);
		/* the other instance of the gateway, which has lost its tunnels too */
		if (p->hop && is_of_appliance(p, eth))
			return XGW_DROP_LOOP;
	}
	return p->hop ? 0 : XGW_DROP_NO_NEXT_HOP;
}

/*
 * VXLAN: the packet is from where its source lives. Of what is sent for others the source tells
 * nothing of that, and is not learnt: any host that the attachment may have can send it.
 */
static __always_inline int check_vtep(const struct packet *p, const struct ethhdr *eth)
{
	bool of_others = p->forwarded || p->appliance;

	return learn(p, of_others ? NULL : p->ip.source, eth->h_source);
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
	rc = find_way(p, eth);
	if (p->in->kind == XGW_TAG_VXLAN && rc != XGW_DROP_SOURCE) {
		int learnt = check_vtep(p, eth);

		/* not merged with rc: before Linux 6.8 the verifier would take that for zero */
		if (learnt)
			return learnt;
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
