/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Link-layer headers of an attachment: plain, 802.1Q, VXLAN (RFC 7348), written in front of an inner IP packet. */
#ifndef XGW_BPF_ENCAP_H
#define XGW_BPF_ENCAP_H

#include "bpf/events.h"

struct vxlanhdr {
	__be32 flags;
	__be32 vni;
};
#define VXLAN_FLAGS 0x08000000u

/* IPv4 header checksum of a 20-byte header (RFC 1071). */
static __always_inline __u16 header_checksum(const void *ip)
{
	__u64 sum = bpf_csum_diff(NULL, 0, (__be32 *)ip, 20, 0);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return ~sum;
}

/* TTL or hop limit of the IP header at l3 (RFC 1812 section 5.3.1; incremental checksum by RFC 1624). */
static __always_inline int decrement_ttl(struct packet *p)
{
	if (p->h.family == 4) {
		struct iphdr *ip = at(p->ctx, p->h.l3);
		if (!HAS(p->ctx, ip, sizeof *ip))
			return XGW_DROP_TRUNCATED;
		if (ip->ttl <= 1)
			return XGW_DROP_TTL;
		if (!p->tracing) {
			__u32 sum = ip->check + bpf_htons(0x0100);
			ip->check = sum + (sum >= 0xffff);
			ip->ttl--;
		}
		return GO_ON;
	}
	struct ipv6hdr *ip = at(p->ctx, p->h.l3);
	if (!HAS(p->ctx, ip, sizeof *ip))
		return XGW_DROP_TRUNCATED;
	if (ip->hop_limit <= 1)
		return XGW_DROP_TTL;
	if (!p->tracing)
		ip->hop_limit--;
	return GO_ON;
}

static __always_inline void put_ethernet(struct ethhdr *eth, const __u8 *to, const __u8 *from, __u16 proto)
{
	__builtin_memcpy(eth->h_dest, to, 6);
	__builtin_memcpy(eth->h_source, from, 6);
	eth->h_proto = bpf_htons(proto);
}

/* Source port by the inner flow, so that receive hashing spreads flows (RFC 7348 section 5). */
static __always_inline __be16 flow_port(const struct packet *p)
{
	const __u32 *s = (const __u32 *)p->h.source, *d = (const __u32 *)p->h.destination;
	__u32 h = s[0] ^ s[1] ^ s[2] ^ s[3] ^ ((d[0] ^ d[1] ^ d[2] ^ d[3]) * 0x9e3779b1u) ^ p->h.l4proto;
	h ^= h >> 16;
	h *= 0x85ebca6bu;
	h ^= h >> 13;
	return bpf_htons(49152 + (h & 0x3fff));
}

static __always_inline __u16 inner_proto(const struct packet *p)
{
	return p->h.family == 4 ? ETH_P_IP : ETH_P_IPV6;
}

static __always_inline int put_plain(struct packet *p, const struct xgw_attachment *out, const struct xgw_endpoint *to)
{
	if (bpf_xdp_adjust_head(p->ctx, (int)p->h.l3 - ETH_HLEN))
		return XGW_DROP_ENCAP_ROOM;
	struct ethhdr *eth = start(p->ctx);
	if (!HAS(p->ctx, eth, sizeof *eth))
		return XGW_DROP_ENCAP_ROOM;
	put_ethernet(eth, to->mac, out->mac, inner_proto(p));
	return GO_ON;
}

static __always_inline int put_vlan(struct packet *p, const struct xgw_attachment *out, const struct xgw_endpoint *to)
{
	if (bpf_xdp_adjust_head(p->ctx, (int)p->h.l3 - ETH_HLEN - VLAN_HLEN))
		return XGW_DROP_ENCAP_ROOM;
	struct ethhdr *eth = start(p->ctx);
	struct vlan_hdr *vlan = (void *)(eth + 1);
	if (!HAS(p->ctx, vlan, sizeof *vlan))
		return XGW_DROP_ENCAP_ROOM;
	put_ethernet(eth, to->mac, out->mac, ETH_P_8021Q);
	vlan->h_vlan_TCI = bpf_htons(out->tag);
	vlan->h_vlan_encapsulated_proto = bpf_htons(inner_proto(p));
	return GO_ON;
}

static __always_inline void put_vxlan_tail(const struct packet *p, struct udphdr *udp, __u32 udp_len,
					   const struct xgw_attachment *out, const struct xgw_endpoint *to)
{
	struct vxlanhdr *vx = (void *)(udp + 1);
	udp->source = flow_port(p);
	udp->dest = out->vxlan_port_be;
	udp->len = bpf_htons(udp_len);
	udp->check = 0; /* RFC 7348 section 4.1; over IPv6 by RFC 6935 */
	vx->flags = bpf_htonl(VXLAN_FLAGS);
	vx->vni = bpf_htonl(out->tag << 8);
	put_ethernet((void *)(vx + 1), to->mac, out->mac, inner_proto(p));
}

#define VXLAN4_ROOM (ETH_HLEN + 20 + 8 + VXLAN_HLEN + ETH_HLEN)
static __always_inline int put_vxlan4(struct packet *p, const struct xgw_attachment *out,
				      const struct xgw_endpoint *to, const struct xgw_neighbour *via)
{
	__u32 inner = frame_len(p->ctx) - p->h.l3;
	if (bpf_xdp_adjust_head(p->ctx, (int)p->h.l3 - VXLAN4_ROOM))
		return XGW_DROP_ENCAP_ROOM;
	struct ethhdr *eth = start(p->ctx);
	if (!HAS(p->ctx, eth, VXLAN4_ROOM))
		return XGW_DROP_ENCAP_ROOM;
	struct iphdr *ip = (void *)(eth + 1);
	put_ethernet(eth, via->mac, p->port->mac, ETH_P_IP);
	__builtin_memset(ip, 0, sizeof *ip);
	ip->version = 4;
	ip->ihl = 5;
	ip->tot_len = bpf_htons(inner + VXLAN4_ROOM - ETH_HLEN);
	ip->frag_off = bpf_htons(0x4000);
	ip->ttl = 64;
	ip->protocol = IPPROTO_UDP;
	__builtin_memcpy(&ip->saddr, out->local_vtep + 12, 4);
	__builtin_memcpy(&ip->daddr, to->vtep + 12, 4);
	ip->check = header_checksum(ip);
	put_vxlan_tail(p, (void *)(ip + 1), inner + VXLAN4_ROOM - ETH_HLEN - 20, out, to);
	return GO_ON;
}

#define VXLAN6_ROOM (ETH_HLEN + 40 + 8 + VXLAN_HLEN + ETH_HLEN)
static __always_inline int put_vxlan6(struct packet *p, const struct xgw_attachment *out,
				      const struct xgw_endpoint *to, const struct xgw_neighbour *via)
{
	__u32 inner = frame_len(p->ctx) - p->h.l3;
	if (bpf_xdp_adjust_head(p->ctx, (int)p->h.l3 - VXLAN6_ROOM))
		return XGW_DROP_ENCAP_ROOM;
	struct ethhdr *eth = start(p->ctx);
	if (!HAS(p->ctx, eth, VXLAN6_ROOM))
		return XGW_DROP_ENCAP_ROOM;
	struct ipv6hdr *ip = (void *)(eth + 1);
	put_ethernet(eth, via->mac, p->port->mac, ETH_P_IPV6);
	__builtin_memset(ip, 0, sizeof *ip);
	ip->version = 6;
	ip->payload_len = bpf_htons(inner + VXLAN6_ROOM - ETH_HLEN - 40);
	ip->nexthdr = IPPROTO_UDP;
	ip->hop_limit = 64;
	__builtin_memcpy(&ip->saddr, out->local_vtep, 16);
	__builtin_memcpy(&ip->daddr, to->vtep, 16);
	put_vxlan_tail(p, (void *)(ip + 1), inner + VXLAN6_ROOM - ETH_HLEN - 40, out, to);
	return GO_ON;
}

static __always_inline int put_vxlan(struct packet *p, const struct xgw_attachment *out, const struct xgw_endpoint *to)
{
	struct xgw_neighbour_key key = {.ifindex = out->ifindex};
	__builtin_memcpy(key.addr, to->vtep, 16);
	struct xgw_neighbour *via = bpf_map_lookup_elem(&neighbours, &key);
	if (!via) {
		tell(XGW_EVENT_NEIGHBOUR, out->vnet, out->id, out->ifindex, to->vtep);
		return XGW_DROP_NO_NEIGHBOUR;
	}
	const __u32 *w = (const __u32 *)to->vtep;
	bool v4 = w[0] == 0 && w[1] == 0 && w[2] == bpf_htonl(0xffff);
	return v4 ? put_vxlan4(p, out, to, via) : put_vxlan6(p, out, to, via);
}

#endif
