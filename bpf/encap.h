/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The headers that a packet leaves with, written from scratch in front of its IP header: Ethernet,
 * VLAN tags or VXLAN over IPv4 or IPv6. The outer ECN field is Not-ECT (RFC 6040 section 4.1,
 * compatibility mode), so that nothing is lost when the far end does not copy marks inwards.
 */
#ifndef XGW_BPF_ENCAP_H
#define XGW_BPF_ENCAP_H

#include "checksum.h"
#include "decide.h"

#define ENCAP_PLAIN  (sizeof(struct ethhdr))
#define ENCAP_VLAN   (sizeof(struct ethhdr) + sizeof(struct vlan_hdr))
#define ENCAP_QINQ   (sizeof(struct ethhdr) + 2 * sizeof(struct vlan_hdr))
#define ENCAP_TUNNEL (sizeof(struct udphdr) + sizeof(struct vxlan_hdr) + sizeof(struct ethhdr))
#define ENCAP_VXLAN4 (sizeof(struct ethhdr) + sizeof(struct iphdr) + ENCAP_TUNNEL)
#define ENCAP_VXLAN6 (sizeof(struct ethhdr) + sizeof(struct ipv6hdr) + ENCAP_TUNNEL)

/* Packets of one flow keep one UDP source port, so that the underlay keeps their order. */
static __always_inline __be16 flow_port(const struct packet *p)
{
	return bpf_htons((__u16)(0xc000 | (flow_of(p) >> 18)));
}

static __always_inline void write_ether(struct ethhdr *eth, const __u8 *to, const __u8 *from,
					__be16 proto)
{
	__builtin_memcpy(eth->h_dest, to, 6);
	__builtin_memcpy(eth->h_source, from, 6);
	eth->h_proto = proto;
}

static __always_inline __be16 inner_proto(const struct packet *p)
{
	return p->ip.family == 4 ? ETH_IPV4 : ETH_IPV6;
}

/* UDP, VXLAN and the inner Ethernet header; ip_len bytes of IP follow. */
static __always_inline void write_vxlan(const struct packet *p, struct udphdr *udp, __be16 port,
					__u32 ip_len)
{
	struct vxlan_hdr *vxlan = (void *)(udp + 1);

	udp->source = port;
	udp->dest = p->out->vxlan_port_be;
	udp->len = bpf_htons((__u16)(ENCAP_TUNNEL + ip_len));
	/* RFC 7348 section 5; over IPv6 by RFC 6935 */
	udp->check = 0;
	vxlan->flags = bpf_htonl(0x08000000);
	vxlan->vni = bpf_htonl(p->out->tag << 8);
	write_ether((void *)(vxlan + 1), p->to->mac, p->out->mac, inner_proto(p));
}

static __always_inline void write_outer4(const struct packet *p, struct iphdr *h, __u32 ip_len)
{
	const __u32 *source = (const __u32 *)p->out->local_vtep;
	const __u32 *destination = (const __u32 *)p->to->vtep;

	__builtin_memset(h, 0, sizeof(*h));
	h->version = 4;
	h->ihl = 5;
	h->tot_len = bpf_htons((__u16)(sizeof(*h) + ENCAP_TUNNEL + ip_len));
	h->frag_off = bpf_htons(0x4000); /* don't fragment */
	h->ttl = 64;
	h->protocol = PROTO_UDP;
	h->saddr = source[3];
	h->daddr = destination[3];
	h->check = checksum_ipv4(h);
}

static __always_inline void write_outer6(const struct packet *p, struct ipv6hdr *h, __u32 ip_len)
{
	__builtin_memset(h, 0, sizeof(*h));
	h->version = 6;
	h->payload_len = bpf_htons((__u16)(ENCAP_TUNNEL + ip_len));
	h->nexthdr = PROTO_UDP;
	h->hop_limit = 64;
	__builtin_memcpy(&h->saddr, p->out->local_vtep, 16);
	__builtin_memcpy(&h->daddr, p->to->vtep, 16);
}

static __always_inline __u32 encap_bytes(const struct packet *p)
{
	if (p->out->kind == XGW_TAG_NONE)
		return ENCAP_PLAIN;
	if (p->out->kind == XGW_TAG_VLAN)
		return ENCAP_VLAN;
	if (p->out->kind == XGW_TAG_QINQ)
		return ENCAP_QINQ;
	return is_mapped(p->to->vtep) ? ENCAP_VXLAN4 : ENCAP_VXLAN6;
}

static __always_inline void write_tag(struct vlan_hdr *vlan, __u32 tag, __be16 proto)
{
	vlan->h_vlan_TCI = bpf_htons((__u16)(tag & 0xfff));
	vlan->h_vlan_encapsulated_proto = proto;
}

/* Writes encap_bytes() in front of the IP header, which stands right behind them. */
static __always_inline int encap_write(const struct packet *p, __be16 port, __u32 ip_len)
{
	struct ethhdr *eth;

	if (p->out->kind == XGW_TAG_NONE) {
		eth = packet_at(p, 0, ENCAP_PLAIN);
		if (!eth)
			return XGW_DROP_ENCAP_ROOM;
		write_ether(eth, p->to->mac, p->out->mac, inner_proto(p));
	} else if (p->out->kind == XGW_TAG_VLAN) {
		eth = packet_at(p, 0, ENCAP_VLAN);
		if (!eth)
			return XGW_DROP_ENCAP_ROOM;
		write_ether(eth, p->to->mac, p->out->mac, ETH_VLAN);
		write_tag((void *)(eth + 1), p->out->tag, inner_proto(p));
	} else if (p->out->kind == XGW_TAG_QINQ) {
		struct vlan_hdr *vlan;

		eth = packet_at(p, 0, ENCAP_QINQ);
		if (!eth)
			return XGW_DROP_ENCAP_ROOM;
		vlan = (void *)(eth + 1);
		write_ether(eth, p->to->mac, p->out->mac, ETH_QINQ);
		write_tag(vlan, p->out->tag >> 12, ETH_VLAN);
		write_tag(vlan + 1, p->out->tag, inner_proto(p));
	} else if (is_mapped(p->to->vtep)) {
		eth = packet_at(p, 0, ENCAP_VXLAN4);
		if (!eth || !p->neighbour || !p->out_port)
			return XGW_DROP_ENCAP_ROOM;
		write_ether(eth, p->neighbour->mac, p->out_port->mac, ETH_IPV4);
		write_outer4(p, (void *)(eth + 1), ip_len);
		write_vxlan(p, (void *)(eth + 1) + sizeof(struct iphdr), port, ip_len);
	} else {
		eth = packet_at(p, 0, ENCAP_VXLAN6);
		if (!eth || !p->neighbour || !p->out_port)
			return XGW_DROP_ENCAP_ROOM;
		write_ether(eth, p->neighbour->mac, p->out_port->mac, ETH_IPV6);
		write_outer6(p, (void *)(eth + 1), ip_len);
		write_vxlan(p, (void *)(eth + 1) + sizeof(struct ipv6hdr), port, ip_len);
	}
	return 0;
}

#endif
