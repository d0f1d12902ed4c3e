/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the gateway itself answers on attachments that the kernel has no device for: ARP (RFC 826),
 * neighbour solicitations (RFC 4861) and echo requests. Judged here, written by answer_*() when the
 * verdict is carried out: in place, back to where it came from.
 */
#ifndef XGW_BPF_ANSWER_H
#define XGW_BPF_ANSWER_H

#include "checksum.h"
#include "learn.h"

#define ND_ROUTER_ASKED	 133
#define ND_ROUTER_TOLD	 134
#define ND_SOLICITATION	 135
#define ND_ADVERTISEMENT 136
#define ND_REDIRECT	 137

/* A solicitation or advertisement with its usual single option. */
struct nd_message {
	__u8 type;
	__u8 code;
	__sum16 check;
	__be32 flags;
	__u8 target[16];
	__u8 option, option_len;
	__u8 mac[6];
};
#define ND_BARE	 24 /* without the option */
#define ND_WHOLE 32

/* Sender's address: of the VNet, and on VXLAN from the host it lives on. */
static __always_inline int learn_sender(const struct packet *p, const __u32 *addr, __u8 family,
					const __u8 *mac)
{
	return route_is_local(p->in->vnet, family, addr) ? learn(p, addr, mac) : XGW_DROP_SOURCE;
}

/* Nothing can be learnt; on VXLAN the host that sent it must be one that may. */
static __always_inline int taught_by_nobody(const struct packet *p)
{
	return p->in->kind == XGW_TAG_VXLAN ? learn(p, NULL, NULL) : 0;
}

static __always_inline bool is_ours_here(const struct packet *p, const __u32 *addr)
{
	const struct xgw_address *a = address_find(p->in->vnet, addr);

	return a && a->attachment == p->in->id;
}

static __always_inline bool is_unspecified(const __u32 *addr)
{
	return !(addr[0] | addr[1] | addr[2] | addr[3]);
}

static __always_inline void map_ipv4(__u32 *to, const __u8 *from)
{
	to[0] = to[1] = 0;
	to[2] = bpf_htonl(0xffff);
	__builtin_memcpy(&to[3], from, 4);
}

static __always_inline int arp_decide(const struct packet *p)
{
	const struct arp_ether_ipv4 *arp = HEADER(p, p->l3, struct arp_ether_ipv4);
	__u32 sender[4], target[4];
	int rc;

	if (attachment_is_kernels(p->in))
		return VERDICT_PASS;
	if (!arp || p->l3 + sizeof(*arp) > p->limit)
		return XGW_DROP_TRUNCATED;
	if (arp->ar_hrd != bpf_htons(1) || arp->ar_pro != ETH_IPV4 || arp->ar_hln != 6 ||
	    arp->ar_pln != 4 || !is_unicast_mac(arp->ar_sha))
		return XGW_DROP_MALFORMED;
	map_ipv4(sender, arp->ar_sip);
	map_ipv4(target, arp->ar_tip);
	if (!is_ours_here(p, target))
		return XGW_DROP_UNANSWERED;
	/* a probe (RFC 5227 section 2.1.1) has no sender yet, and is told that the address is ours
	 */
	rc = sender[3] ? learn_sender(p, sender, 4, arp->ar_sha) : taught_by_nobody(p);
	if (rc)
		return rc;
	if (arp->ar_op == bpf_htons(1))
		return VERDICT_ANSWER_ARP;
	return arp->ar_op == bpf_htons(2) ? VERDICT_TAKEN : XGW_DROP_MALFORMED;
}

/* RFC 4861 section 7.1: hop limit 255, code 0, right sum. The length is one of the two. */
static __always_inline bool nd_is_valid(const struct packet *p, const struct nd_message *nd)
{
	__u32 len = p->ip.end - p->ip.l4;
	__s64 sum = bpf_csum_diff(NULL, 0, (__be32 *)nd, ND_BARE, 0);

	if (p->ip.ttl != 255 || nd->code)
		return false;
	if (len == ND_WHOLE) {
		const struct nd_message *whole = HEADER(p, p->ip.l4, struct nd_message);

		if (!whole)
			return false;
		sum = bpf_csum_diff(NULL, 0, (__be32 *)&whole->option, ND_WHOLE - ND_BARE,
				    (__wsum)sum);
	}
	return checksum_fold(checksum_pseudo(&p->ip) + (__u64)(__u32)sum) == 0xffff;
}

/*
 * Duplicate address detection for an address of ours (RFC 4862 section 5.4.3): who asks from nobody
 * asks the group, without a link-layer address (RFC 4861 section 7.1.1), and is told that it is
 * taken.
 */
static __always_inline bool nd_is_detection(const struct packet *p)
{
	const __u32 *to = p->ip.destination;

	return p->ip.end - p->ip.l4 == ND_BARE && to[0] == bpf_htonl(0xff020000) && !to[1] &&
	       to[2] == bpf_htonl(1) && (to[3] & bpf_htonl(0xff000000)) == bpf_htonl(0xff000000);
}

/* The sender's link-layer address, or NULL when there is nothing to learn; else a drop in *rc. */
static __always_inline const __u8 *nd_teacher(const struct packet *p, int *rc)
{
	const struct nd_message *whole;

	*rc = 0;
	if (p->ip.end - p->ip.l4 == ND_BARE)
		return NULL;
	whole = HEADER(p, p->ip.l4, struct nd_message);
	if (!whole || whole->option != 1 || whole->option_len != 1 || !is_unicast_mac(whole->mac)) {
		*rc = XGW_DROP_MALFORMED;
		return NULL;
	}
	/* link-local senders are answered, but are no hosts that anything is routed to */
	return p->ip.source[0] == bpf_htonl(0xfe800000) ? NULL : whole->mac;
}

static __always_inline int nd_solicited(const struct packet *p, const struct nd_message *nd)
{
	const __u8 *mac;
	__u32 target[4];
	int rc;

	copy_addr(target, nd->target);
	if (!is_ours_here(p, target))
		return XGW_DROP_UNANSWERED;
	if (is_unspecified(p->ip.source)) {
		if (!nd_is_detection(p))
			return XGW_DROP_MALFORMED;
	} else if (p->ip.end - p->ip.l4 == ND_BARE && !same_addr(target, p->ip.destination)) {
		return XGW_DROP_UNANSWERED;
	}
	mac = nd_teacher(p, &rc);
	if (!rc)
		rc = mac ? learn_sender(p, p->ip.source, 6, mac) : taught_by_nobody(p);
	return rc ? rc : VERDICT_ANSWER_ND;
}

static __always_inline int nd_advertised(const struct packet *p)
{
	const struct nd_message *nd = HEADER(p, p->ip.l4, struct nd_message);
	const struct ethhdr *eth = HEADER(p, p->l2, struct ethhdr);
	__u32 target[4];
	int rc;

	/* an advertisement without the option names no link-layer address */
	if (!nd || !eth || p->ip.end - p->ip.l4 != ND_WHOLE || nd->option != 2 ||
	    nd->option_len != 1 || !is_unicast_mac(nd->mac) || !same_mac(eth->h_dest, p->in->mac))
		return XGW_DROP_UNANSWERED;
	copy_addr(target, nd->target);
	rc = learn_sender(p, target, 6, nd->mac);
	return rc ? rc : VERDICT_TAKEN;
}

/* A neighbour message too short for its target. The router messages have none, and are shorter (RFC
 * 4861 4.1, 4.2). */
static __always_inline int nd_short(const struct packet *p)
{
	const __u8 *type = packet_at(p, p->ip.l4, 1);

	if (!type || (*type >= ND_SOLICITATION && *type <= ND_REDIRECT))
		return XGW_DROP_TRUNCATED;
	if (*type != ND_ROUTER_ASKED && *type != ND_ROUTER_TOLD)
		return 0;
	return attachment_is_kernels(p->in) ? VERDICT_PASS : XGW_DROP_UNANSWERED;
}

/* Router solicitations to redirects: 0 when the packet is none of them. */
static __always_inline int nd_decide(const struct packet *p)
{
	const struct nd_message *nd;
	__u32 len = p->ip.end - p->ip.l4;

	if (p->ip.family != 6 || p->ip.protocol != PROTO_ICMP6)
		return 0;
	nd = packet_at(p, p->ip.l4, ND_BARE);
	if (!nd || len < ND_BARE)
		return nd_short(p);
	if (nd->type < ND_ROUTER_ASKED || nd->type > ND_REDIRECT)
		return 0;
	if (attachment_is_kernels(p->in))
		return VERDICT_PASS;
	if ((nd->type != ND_SOLICITATION && nd->type != ND_ADVERTISEMENT) ||
	    (len != ND_BARE && len != ND_WHOLE))
		return XGW_DROP_UNANSWERED;
	if (!nd_is_valid(p, nd))
		return XGW_DROP_MALFORMED;
	return nd->type == ND_SOLICITATION ? nd_solicited(p, nd) : nd_advertised(p);
}

/* The destination is the gateway's own address, and the kernel does not have it there. */
static __always_inline int echo_decide(const struct packet *p)
{
	const struct icmphdr *icmp = HEADER(p, p->ip.l4, struct icmphdr);
	__u8 protocol = p->ip.family == 4 ? PROTO_ICMP : PROTO_ICMP6;
	__u8 request = p->ip.family == 4 ? 8 : 128;

	if (p->ip.protocol != protocol || p->ip.fragment)
		return XGW_DROP_UNANSWERED;
	if (!icmp || p->ip.l4 + sizeof(*icmp) > p->ip.end)
		return XGW_DROP_TRUNCATED;
	/* options would have to be answered too */
	if (icmp->type != request || icmp->code ||
	    (p->ip.family == 4 && p->ip.l4 != p->l3 + sizeof(struct iphdr)))
		return XGW_DROP_UNANSWERED;
	return VERDICT_ANSWER_ECHO;
}

/* ---- writing ---- */

static __always_inline void swap_macs(struct ethhdr *eth, const __u8 *ours)
{
	__builtin_memcpy(eth->h_dest, eth->h_source, 6);
	__builtin_memcpy(eth->h_source, ours, 6);
}

static __always_inline void swap_ipv4(struct iphdr *h)
{
	__be32 source = h->saddr;

	h->saddr = h->daddr;
	h->daddr = source;
	h->ttl = 64;
	h->check = 0;
	h->check = checksum_ipv4(h);
}

static __always_inline void swap_ipv6(struct ipv6hdr *h)
{
	struct in6_addr source = h->saddr;

	h->saddr = h->daddr;
	h->daddr = source;
	h->hop_limit = 64;
}

/* Outer headers of a VXLAN packet back to its sender; RFC 7348: the UDP sum is sent as zero. */
static __always_inline bool turn_outer(struct packet *p)
{
	__u8 ours[6];
	struct ethhdr *eth = HEADER(p, 0, struct ethhdr);
	struct udphdr *udp = HEADER(p, p->l2 - 16, struct udphdr);
	__u32 l3 = sizeof(*eth);
	__be16 proto;

	if (!eth || !udp)
		return false;
	__builtin_memcpy(ours, eth->h_dest, 6);
	swap_macs(eth, ours);
	udp->check = 0;
	proto = eth->h_proto;
	if (proto == ETH_VLAN) {
		const struct vlan_hdr *priority = HEADER(p, sizeof(*eth), struct vlan_hdr);

		if (!priority)
			return false;
		proto = priority->h_vlan_encapsulated_proto;
		l3 += sizeof(*priority);
	}
	if (proto == ETH_IPV4) {
		struct iphdr *h = HEADER(p, l3, struct iphdr);

		/* options: what they ask for would have to be done */
		if (!h || h->ihl != 5)
			return false;
		swap_ipv4(h);
	} else {
		struct ipv6hdr *h = HEADER(p, l3, struct ipv6hdr);

		if (!h)
			return false;
		swap_ipv6(h);
	}
	return true;
}

static __always_inline bool write_arp(struct packet *p)
{
	struct arp_ether_ipv4 *arp = HEADER(p, p->l3, struct arp_ether_ipv4);
	__u8 ours[4];

	if (!arp)
		return false;
	__builtin_memcpy(ours, arp->ar_tip, 4);
	arp->ar_op = bpf_htons(2);
	__builtin_memcpy(arp->ar_tha, arp->ar_sha, 6);
	__builtin_memcpy(arp->ar_tip, arp->ar_sip, 4);
	__builtin_memcpy(arp->ar_sha, p->in->mac, 6);
	__builtin_memcpy(arp->ar_sip, ours, 4);
	return true;
}

/* The group of all nodes, in both headers. */
static __always_inline void to_all_nodes(struct packet *p, struct ipv6hdr *h)
{
	__u32 *group = (__u32 *)&h->daddr;
	__u8 *mac = packet_at(p, p->l2, 6);

	group[0] = bpf_htonl(0xff020000);
	group[1] = group[2] = 0;
	group[3] = bpf_htonl(1);
	if (!mac)
		return;
	/* by bytes: the loader sets the object's constants, and there are to be no others */
	mac[0] = mac[1] = 0x33;
	mac[2] = mac[3] = mac[4] = 0;
	mac[5] = 1;
}

static __always_inline bool write_nd(struct packet *p)
{
	struct ipv6hdr *h = HEADER(p, p->l3, struct ipv6hdr);
	struct nd_message *nd = packet_at(p, p->ip.l4, ND_BARE);
	struct nd_message *whole = HEADER(p, p->ip.l4, struct nd_message);
	bool with_option = p->ip.end - p->ip.l4 == ND_WHOLE;
	__s64 sum;

	if (!h || !nd)
		return false;
	h->daddr = h->saddr;
	nd->flags = bpf_htonl(0xe0000000); /* router, solicited, override */
	if (is_unspecified(p->ip.source)) {
		to_all_nodes(p, h);
		nd->flags = bpf_htonl(0xa0000000); /* not solicited: RFC 4861 section 7.2.4 */
	}
	__builtin_memcpy(&h->saddr, nd->target, 16);
	h->hop_limit = 255;
	nd->type = ND_ADVERTISEMENT;
	nd->check = 0;
	copy_addr(p->ip.source, &h->saddr);
	copy_addr(p->ip.destination, &h->daddr);
	sum = bpf_csum_diff(NULL, 0, (__be32 *)nd, ND_BARE, 0);
	if (with_option) {
		if (!whole)
			return false;
		whole->option = 2;
		__builtin_memcpy(whole->mac, p->in->mac, 6);
		sum = bpf_csum_diff(NULL, 0, (__be32 *)&whole->option, ND_WHOLE - ND_BARE,
				    (__wsum)sum);
	}
	nd->check = (__u16)~checksum_fold(checksum_pseudo(&p->ip) + (__u64)(__u32)sum);
	return true;
}

static __always_inline bool write_echo(struct packet *p)
{
	struct icmphdr *icmp = HEADER(p, p->ip.l4, struct icmphdr);

	if (!icmp)
		return false;
	if (p->ip.family == 4) {
		struct iphdr *h = HEADER(p, p->l3, struct iphdr);

		if (!h)
			return false;
		swap_ipv4(h);
		icmp->type = 0;
		checksum_replace(&icmp->checksum, bpf_htons(0x0800), 0);
	} else {
		struct ipv6hdr *h = HEADER(p, p->l3, struct ipv6hdr);

		if (!h)
			return false;
		swap_ipv6(h);
		icmp->type = 129;
		checksum_replace(&icmp->checksum, bpf_htons(0x8000), bpf_htons(0x8100));
	}
	return true;
}

/* 0 when the answer stands in the frame. */
static __always_inline int answer_write(struct packet *p, int verdict)
{
	struct ethhdr *eth = HEADER(p, p->l2, struct ethhdr);
	bool is_written;

	if (!eth)
		return XGW_DROP_TRUNCATED;
	swap_macs(eth, p->in->mac);
	if (verdict == VERDICT_ANSWER_ARP)
		is_written = write_arp(p);
	else if (verdict == VERDICT_ANSWER_ND)
		is_written = write_nd(p);
	else
		is_written = write_echo(p);
	if (!is_written || (p->in->kind == XGW_TAG_VXLAN && !turn_outer(p)))
		return XGW_DROP_UNANSWERED;
	return 0;
}

#endif
