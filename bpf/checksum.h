/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Internet checksums (RFC 1071, RFC 1624): all on values as they stand in the packet. */
#ifndef XGW_BPF_CHECKSUM_H
#define XGW_BPF_CHECKSUM_H

#include "packet.h"

static __always_inline __u16 checksum_fold(__u64 sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (__u16)sum;
}

/* One 16-bit word changed (RFC 1624 equation 3). */
static __always_inline void checksum_replace(__sum16 *check, __u16 from, __u16 to)
{
	*check = (__u16)~checksum_fold((__u64)(__u16) ~*check + (__u16)~from + to);
}

static __always_inline __sum16 checksum_ipv4(const struct iphdr *h)
{
	const __u16 *w = (const __u16 *)h;
	__u64 sum = 0;

	for (int i = 0; i < 10; i++)
		sum += w[i];
	return (__u16)~checksum_fold(sum);
}

/* Sum of the pseudo-header (RFC 9293 section 3.1, RFC 8200 section 8.1), not folded. */
static __always_inline __u64 checksum_pseudo(const struct ip *ip)
{
	__u64 sum = bpf_htons((__u16)(ip->end - ip->l4)) + bpf_htons(ip->protocol);

	/* the two constant words of mapped IPv4 addresses are no part of it */
	sum += (__u64)ip->source[3] + ip->destination[3];
	if (ip->family == 6) {
		for (int i = 0; i < 3; i++)
			sum += (__u64)ip->source[i] + ip->destination[i];
	}
	return sum;
}

/*
 * A sender on a veth leaves the sum to the "NIC": the field holds the pseudo-header's sum alone. A
 * finished sum is equal to it once in 65 536 packets; completing it anew does no harm then.
 */
static __always_inline bool checksum_is_partial(const struct packet *p)
{
	const struct ip *ip = &p->ip;
	const __u16 *check;

	if (ip->fragment)
		return false;
	if (ip->protocol == PROTO_TCP)
		check = packet_at(p, ip->l4 + __builtin_offsetof(struct tcphdr, check), 2);
	else if (ip->protocol == PROTO_UDP)
		check = packet_at(p, ip->l4 + __builtin_offsetof(struct udphdr, check), 2);
	else
		return false;
	return check && *check == checksum_fold(checksum_pseudo(ip));
}

#endif
