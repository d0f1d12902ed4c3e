/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Out of a virtual network: which one, whether the sender may say what it says, and where to. */
#ifndef XGW_BPF_VNET_H
#define XGW_BPF_VNET_H

#include "bpf/forward.h"
#include "bpf/neighbour.h"
#include "bpf/parse.h"

static __always_inline const struct xgw_attachment *attachment_of(struct packet *p, __u32 kind, __u32 tag)
{
	struct xgw_tag_key key = {.ifindex = p->ctx->ingress_ifindex, .kind = kind, .tag = tag};
	__u32 *id = bpf_map_lookup_elem(&attachments_in, &key);
	if (!id)
		return NULL;
	__u32 i = *id;
	const struct xgw_attachment *a = bpf_map_lookup_elem(&attachments, &i);
	return a && a->id ? a : NULL;
}

/* 802.1Q tag behind the Ethernet header. Priority tags (id 0) count as untagged. */
static __always_inline int enter_vlan(struct packet *p)
{
	struct vlan_hdr *vlan = at(p->ctx, ETH_HLEN);
	if (!HAS(p->ctx, vlan, sizeof *vlan))
		return XGW_DROP_TRUNCATED;
	__u32 id = bpf_ntohs(vlan->h_vlan_TCI) & 0xfff;
	p->h.proto = bpf_ntohs(vlan->h_vlan_encapsulated_proto);
	p->h.l3 += VLAN_HLEN;
	p->in = attachment_of(p, id ? XGW_TAG_VLAN : XGW_TAG_NONE, id);
	return p->in ? GO_ON : XGW_DROP_NO_ATTACHMENT;
}

/* An endpoint that is known must come from the VTEP it is known behind. */
static __always_inline int check_vtep(struct packet *p, const __u8 *outer_source)
{
	struct xgw_endpoint_key key = {.vnet = p->in->vnet};
	int v = parse_ip(p->ctx, &p->h);
	if (v == XGW_DROP_NOT_IP) /* ARP: by its sender */
		return GO_ON;
	if (v != GO_ON)
		return v;
	__builtin_memcpy(key.addr, p->h.source, 16);
	struct xgw_endpoint *e = bpf_map_lookup_elem(&endpoints, &key);
	if (e)
		return same_addr(e->vtep, outer_source) ? GO_ON : XGW_DROP_VTEP;
	/* neighbour discovery from a link-local address; all else must be a configured endpoint */
	return p->h.family == 6 && p->h.source[0] == 0xfe && (p->h.source[1] & 0xc0) == 0x80 ? GO_ON : XGW_DROP_VTEP;
}

/*
 * VXLAN (RFC 7348) to a VTEP address of ours: the inner frame is entered. GO_ON with no attachment found when the
 * packet is no VXLAN of ours; it came here with IP parsed.
 */
static __always_inline int enter_vxlan(struct packet *p)
{
	struct udphdr *udp = at(p->ctx, p->h.l4);
	struct vxlanhdr *vx = (void *)(udp + 1);
	if (p->h.l4proto != IPPROTO_UDP || p->h.fragment || !HAS(p->ctx, udp, sizeof *udp + sizeof *vx))
		return GO_ON;
	const struct xgw_attachment *a = attachment_of(p, XGW_TAG_VXLAN, bpf_ntohl(vx->vni) >> 8);
	if (!a)
		/* towards a VXLAN port, but for no network of ours: the kernel may have VTEPs of its own */
		return GO_ON;
	if (a->vxlan_port_be != udp->dest || !same_addr(a->local_vtep, p->h.destination))
		return GO_ON;
	if (vx->flags != bpf_htonl(VXLAN_FLAGS))
		return XGW_DROP_MALFORMED;
	p->in = a;
	__u8 outer_source[16];
	__builtin_memcpy(outer_source, p->h.source, 16);
	int v = parse_ethernet(p->ctx, &p->h, p->h.l4 + sizeof *udp + sizeof *vx);
	if (v != GO_ON)
		return v;
	return check_vtep(p, outer_source);
}

/* Neighbour discovery messages, which are the gateway's own business. */
static __always_inline bool is_nd(struct packet *p)
{
	__u8 *icmp = at(p->ctx, p->h.l4);
	if (p->h.family != 6 || p->h.l4proto != IPPROTO_ICMPV6 || p->h.fragment || !HAS(p->ctx, icmp, 1))
		return false;
	return *icmp >= 133 && *icmp <= 137;
}

/* A frame on an attachment that the kernel serves (plain) or XDP does (VLAN, VXLAN). */
static __always_inline int routed(struct packet *p)
{
	bool plain = !(p->in->flags & XGW_ATTACHMENT_ANSWERS);
	if (p->h.proto == ETH_P_ARP)
		return plain ? VERDICT_PASS : answer_arp(p);
	struct ethhdr *eth = at(p->ctx, p->h.l2);
	if (!HAS(p->ctx, eth, sizeof *eth))
		return XGW_DROP_TRUNCATED;
	bool for_us = same_mac(eth->h_dest, p->in->mac);
	int v = parse_ip(p->ctx, &p->h);
	if (v == XGW_DROP_NOT_IP && plain)
		return VERDICT_PASS;
	if (v != GO_ON)
		return v;
	if (is_nd(p)) {
		if (plain)
			return VERDICT_PASS;
		__u8 *type = at(p->ctx, p->h.l4);
		if (!HAS(p->ctx, type, 1) || (*type != ND_SOLICITATION && *type != ND_ADVERTISEMENT))
			return XGW_DROP_UNANSWERED;
		return answer_nd(p);
	}
	if (!for_us)
		return plain ? VERDICT_PASS : XGW_DROP_UNANSWERED;
	if (own_address(p->in->vnet, p->h.destination))
		return plain ? VERDICT_PASS : answer_echo(p);
	if (!source_is_local(p))
		return XGW_DROP_SOURCE;
	return forward(p);
}

static __always_inline int from_vnet(struct packet *p)
{
	int v = parse_ethernet(p->ctx, &p->h, 0);
	if (v != GO_ON)
		return v;
	if (p->h.proto == ETH_P_8021Q) {
		v = enter_vlan(p);
		return v == GO_ON ? routed(p) : v;
	}
	if (p->h.proto == ETH_P_IP || p->h.proto == ETH_P_IPV6) {
		v = parse_ip(p->ctx, &p->h);
		if (v == GO_ON)
			v = enter_vxlan(p);
		if (v != GO_ON)
			return v;
		if (p->in)
			return routed(p);
	}
	p->in = attachment_of(p, XGW_TAG_NONE, 0);
	return p->in ? routed(p) : VERDICT_PASS;
}

#endif
