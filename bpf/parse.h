/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * IP headers into struct ip. Every length is checked against the header around it: a packet that
 * claims more than there is is truncated, one whose fields contradict each other malformed.
 */
#ifndef XGW_BPF_PARSE_H
#define XGW_BPF_PARSE_H

#include "packet.h"

#define MAX_EXTENSIONS 6

static __always_inline int parse_ipv4(const struct packet *p, __u32 l3, struct ip *ip)
{
	const struct iphdr *h = HEADER(p, l3, struct iphdr);
	__u32 header, total;

	if (!h)
		return XGW_DROP_TRUNCATED;
	header = h->ihl * 4;
	total = bpf_ntohs(h->tot_len);
	if (h->version != 4 || header < sizeof(*h) || total < header)
		return XGW_DROP_MALFORMED;
	if (l3 + total > p->limit)
		return XGW_DROP_TRUNCATED;
	ip->source[0] = ip->source[1] = ip->destination[0] = ip->destination[1] = 0;
	ip->source[2] = ip->destination[2] = bpf_htonl(0xffff);
	ip->source[3] = h->saddr;
	ip->destination[3] = h->daddr;
	ip->l4 = l3 + header;
	ip->end = l3 + total;
	ip->family = 4;
	ip->protocol = h->protocol;
	ip->ttl = h->ttl;
	ip->fragment = h->frag_off & bpf_htons(0x3fff);
	ip->headless = h->frag_off & bpf_htons(0x1fff);
	return 0;
}

static __always_inline int parse_ipv6(const struct packet *p, __u32 l3, struct ip *ip)
{
	const struct ipv6hdr *h = HEADER(p, l3, struct ipv6hdr);
	__u32 total;

	if (!h)
		return XGW_DROP_TRUNCATED;
	if (h->version != 6)
		return XGW_DROP_MALFORMED;
	total = sizeof(*h) + bpf_ntohs(h->payload_len);
	if (l3 + total > p->limit)
		return XGW_DROP_TRUNCATED;
	copy_addr(ip->source, &h->saddr);
	copy_addr(ip->destination, &h->daddr);
	ip->l4 = l3 + sizeof(*h);
	ip->end = l3 + total;
	ip->family = 6;
	ip->protocol = h->nexthdr;
	ip->ttl = h->hop_limit;
	ip->fragment = ip->headless = false;
	return 0;
}

/* IPv6: moves protocol and l4 behind the extension headers (RFC 8200 section 4). */
static __always_inline int parse_extensions(const struct packet *p, struct ip *ip)
{
	for (int i = 0; i < MAX_EXTENSIONS; i++) {
		const __u8 *h;

		/* hop-by-hop, routing, fragment, destination options */
		if (ip->protocol != 0 && ip->protocol != 43 && ip->protocol != 44 &&
		    ip->protocol != 60)
			return 0;
		h = packet_at(p, ip->l4, 8);
		if (!h || ip->l4 + 8 > ip->end)
			return XGW_DROP_TRUNCATED;
		if (ip->protocol == 44) {
			__u32 field = (__u32)h[2] << 8 | h[3];

			ip->fragment |= (field & 0xfff9) != 0;
			ip->headless |= (field & 0xfff8) != 0;
			ip->l4 += 8;
		} else {
			ip->l4 += (h[1] + 1u) * 8;
		}
		ip->protocol = h[0];
		/* what follows the header of a later fragment is no header */
		if (ip->headless)
			return 0;
	}
	return XGW_DROP_MALFORMED;
}

/* proto: of the Ethernet header. */
static __always_inline int parse_ip(const struct packet *p, __be16 proto, __u32 l3, struct ip *ip)
{
	if (proto == ETH_IPV4)
		return parse_ipv4(p, l3, ip);
	if (proto == ETH_IPV6)
		return parse_ipv6(p, l3, ip);
	return XGW_DROP_NOT_IP;
}

#endif
