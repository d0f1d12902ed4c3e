/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Headers, outermost first. Each step checks its bounds and leaves the offset of what follows in the packet. */
#ifndef XGW_BPF_PARSE_H
#define XGW_BPF_PARSE_H

#include "bpf/packet.h"

/* Ethernet at l2: what follows is at l3. */
static __always_inline int parse_ethernet(struct xdp_md *ctx, struct headers *h, __u16 l2)
{
	struct ethhdr *eth = at(ctx, l2);
	if (!HAS(ctx, eth, sizeof *eth))
		return XGW_DROP_TRUNCATED;
	h->l2 = l2;
	h->l3 = l2 + ETH_HLEN;
	h->proto = bpf_ntohs(eth->h_proto);
	return GO_ON;
}

static __always_inline int parse_ipv4(struct xdp_md *ctx, struct headers *h)
{
	struct iphdr *ip = at(ctx, h->l3);
	if (!HAS(ctx, ip, sizeof *ip))
		return XGW_DROP_TRUNCATED;
	__u32 header = ip->ihl * 4, total = bpf_ntohs(ip->tot_len);
	if (ip->version != 4 || header < sizeof *ip || total < header)
		return XGW_DROP_MALFORMED;
	if (h->l3 + total > h->len)
		return XGW_DROP_TRUNCATED;
	__u16 frag = bpf_ntohs(ip->frag_off);
	h->fragment = frag & IP_OFFSET ? 2 : frag & IP_MF ? 1 : 0;
	h->family = 4;
	h->l4proto = ip->protocol;
	h->l4 = h->l3 + header;
	map_v4(h->source, ip->saddr);
	map_v4(h->destination, ip->daddr);
	return GO_ON;
}

/* IPv6 extension headers (RFC 8200 section 4) up to the transport header; a longer chain than this is malformed. */
#define MAX_EXTENSIONS 6
static __always_inline int parse_extensions(struct xdp_md *ctx, struct headers *h, __u8 next)
{
	__u16 l4 = h->l3 + sizeof(struct ipv6hdr);
	for (int i = 0; i < MAX_EXTENSIONS; i++) {
		if (next != 0 && next != 43 && next != 44 && next != 60)
			break;
		if (l4 > MAX_OFFSET - 8)
			return XGW_DROP_MALFORMED;
		__u8 *x = at(ctx, l4);
		if (!HAS(ctx, x, 8))
			return XGW_DROP_TRUNCATED;
		if (next == 44) {
			__u16 frag = x[2] << 8 | x[3];
			h->fragment = frag & 0xfff8 ? 2 : frag & 1 ? 1 : 0;
		}
		l4 += next == 44 ? 8 : (x[1] + 1) * 8;
		next = x[0];
		if (h->fragment == 2)
			break;
	}
	h->l4proto = next;
	h->l4 = l4;
	return l4 > MAX_OFFSET ? XGW_DROP_MALFORMED : GO_ON;
}

static __always_inline int parse_ipv6(struct xdp_md *ctx, struct headers *h)
{
	struct ipv6hdr *ip = at(ctx, h->l3);
	if (!HAS(ctx, ip, sizeof *ip))
		return XGW_DROP_TRUNCATED;
	if (ip->version != 6)
		return XGW_DROP_MALFORMED;
	if (h->l3 + sizeof *ip + bpf_ntohs(ip->payload_len) > h->len)
		return XGW_DROP_TRUNCATED;
	h->family = 6;
	h->fragment = 0;
	__builtin_memcpy(h->source, &ip->saddr, 16);
	__builtin_memcpy(h->destination, &ip->daddr, 16);
	return parse_extensions(ctx, h, ip->nexthdr);
}

/*
 * IP at l3 by its ethertype; NOT_IP for what is neither. A global function: the verifier looks into it once, not at each
 * of its calls.
 */
__attribute__((noinline)) int parse_ip(struct xdp_md *ctx, struct headers *h)
{
	if (!h)
		return XGW_DROP_MALFORMED;
	if (h->proto == ETH_P_IP)
		return parse_ipv4(ctx, h);
	if (h->proto == ETH_P_IPV6)
		return parse_ipv6(ctx, h);
	return XGW_DROP_NOT_IP;
}

#endif
