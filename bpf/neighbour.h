/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The gateway's neighbour side on VLAN and VXLAN attachments, where no kernel interface exists: ARP (RFC 826) and
 * neighbour solicitations (RFC 4861) for its addresses are answered in place, senders are learnt, and echo requests
 * to its addresses are answered.
 */
#ifndef XGW_BPF_NEIGHBOUR_H
#define XGW_BPF_NEIGHBOUR_H

#include "bpf/encap.h"
#include "bpf/route.h"

struct arp {
	__be16 hardware, protocol;
	__u8 hardware_len, protocol_len;
	__be16 operation;
	__u8 sender_mac[6], sender_ip[4], target_mac[6], target_ip[4];
} __attribute__((packed));

/* Neighbour solicitation or advertisement with its one link-layer address option, as every host sends it. */
struct nd {
	__u8 type, code;
	__sum16 check;
	__u8 flags[4];
	__u8 target[16];
	__u8 option, option_len, mac[6];
} __attribute__((packed));
#define ND_SOLICITATION	 135
#define ND_ADVERTISEMENT 136

static __always_inline void swap_mac(struct ethhdr *eth, const __u8 *ours)
{
	__builtin_memcpy(eth->h_dest, eth->h_source, 6);
	__builtin_memcpy(eth->h_source, ours, 6);
}

/* Turns the frame round: the outer headers of VXLAN, and the Ethernet header that the host sees. */
static __always_inline int send_back(struct packet *p)
{
	struct ethhdr *eth = at(p->ctx, p->h.l2);
	if (!HAS(p->ctx, eth, sizeof *eth))
		return XGW_DROP_TRUNCATED;
	swap_mac(eth, p->in->mac);
	if (p->h.l2) { /* VXLAN: outer Ethernet, IP, UDP */
		eth = start(p->ctx);
		struct iphdr *ip = (void *)(eth + 1);
		if (!HAS(p->ctx, ip, 40 + sizeof(struct udphdr)))
			return XGW_DROP_TRUNCATED;
		swap_mac(eth, p->port->mac);
		if (eth->h_proto == bpf_htons(ETH_P_IP)) {
			__be32 a = ip->saddr;
			ip->saddr = ip->daddr;
			ip->daddr = a;
			*(__be16 *)((void *)(ip + 1) + 6) = 0; /* UDP checksum: content changes */
		} else {
			struct ipv6hdr *ip6 = (void *)ip;
			struct in6_addr a = ip6->saddr;
			ip6->saddr = ip6->daddr;
			ip6->daddr = a;
			*(__be16 *)((void *)(ip6 + 1) + 6) = 0;
		}
	}
	p->action = XDP_TX;
	return VERDICT_ANSWERED;
}

/* An address of the VNet was seen with this link-layer address. Configured endpoints are never overwritten. */
static __always_inline void learn(const struct packet *p, __u8 family, const __u8 *addr, const __u8 *mac)
{
	struct xgw_route *r = route_of(family, p->in->vnet, addr);
	if (!r || !(r->flags & XGW_ROUTE_LOCAL) || p->in->kind == XGW_TAG_VXLAN || own_address(p->in->vnet, addr))
		return;
	struct xgw_endpoint_key key = {.vnet = p->in->vnet};
	__builtin_memcpy(key.addr, addr, 16);
	struct xgw_endpoint *have = bpf_map_lookup_elem(&endpoints, &key);
	if (have && (have->flags & XGW_ENDPOINT_STATIC ||
		     (have->attachment == p->in->id && same_mac(have->mac, mac))))
		return;
	struct xgw_endpoint e = {.attachment = p->in->id, .flags = XGW_ENDPOINT_LEARNT, .seen_ns = bpf_ktime_get_ns()};
	__builtin_memcpy(e.mac, mac, 6);
	if (!bpf_map_update_elem(&endpoints, &key, &e, BPF_ANY))
		tell(XGW_EVENT_LEARNT, p->in->vnet, p->in->id, p->in->ifindex, addr);
}

static __always_inline int answer_arp(struct packet *p)
{
	struct arp *a = at(p->ctx, p->h.l3);
	if (!HAS(p->ctx, a, sizeof *a))
		return XGW_DROP_TRUNCATED;
	if (a->hardware != bpf_htons(1) || a->protocol != bpf_htons(ETH_P_IP) || a->hardware_len != 6 ||
	    a->protocol_len != 4)
		return XGW_DROP_MALFORMED;
	__u8 sender[16], target[16], mac[6];
	__be32 ip;
	__builtin_memcpy(&ip, a->sender_ip, 4);
	map_v4(sender, ip);
	__builtin_memcpy(&ip, a->target_ip, 4);
	map_v4(target, ip);
	__builtin_memcpy(mac, a->sender_mac, 6);
	if (p->tracing)
		return VERDICT_ANSWERED;
	if (!own_address(p->in->vnet, target))
		return XGW_DROP_UNANSWERED;
	learn(p, 4, sender, mac);
	a = at(p->ctx, p->h.l3);
	if (!HAS(p->ctx, a, sizeof *a))
		return XGW_DROP_TRUNCATED;
	if (a->operation != bpf_htons(1)) { /* a reply: learning it was all */
		p->action = XDP_DROP;
		return VERDICT_ANSWERED;
	}
	a->operation = bpf_htons(2);
	__builtin_memcpy(a->target_mac, mac, 6);
	__builtin_memcpy(a->target_ip, sender + 12, 4);
	__builtin_memcpy(a->sender_mac, p->in->mac, 6);
	__builtin_memcpy(a->sender_ip, target + 12, 4);
	return send_back(p);
}

/* ICMPv6 checksum over the pseudo header and 32 bytes of message (RFC 4443 section 2.3). */
static __always_inline __u16 nd_checksum(const struct ipv6hdr *ip, const struct nd *nd)
{
	__u32 tail[2] = {bpf_htonl(sizeof *nd), bpf_htonl(IPPROTO_ICMPV6)};
	__u64 sum = bpf_csum_diff(NULL, 0, (__be32 *)&ip->saddr, 32, 0);
	sum = bpf_csum_diff(NULL, 0, tail, 8, sum);
	sum = bpf_csum_diff(NULL, 0, (__be32 *)nd, sizeof *nd, sum);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return ~sum;
}

static __always_inline int answer_nd(struct packet *p)
{
	struct ipv6hdr *ip = at(p->ctx, p->h.l3);
	struct nd *nd = (void *)(ip + 1);
	if (!HAS(p->ctx, ip, sizeof *ip + sizeof *nd))
		return XGW_DROP_UNANSWERED; /* duplicate address detection and the like carry no option */
	if (ip->hop_limit != 255 || nd->code || nd->option_len != 1)
		return XGW_DROP_MALFORMED; /* RFC 4861 section 7.1: never from beyond the link */
	if (p->tracing)
		return VERDICT_ANSWERED;
	__u8 mac[6], target[16];
	__builtin_memcpy(mac, nd->mac, 6);
	__builtin_memcpy(target, nd->target, 16);
	if (nd->type == ND_ADVERTISEMENT) {
		learn(p, 6, target, mac);
		p->action = XDP_DROP;
		return VERDICT_ANSWERED;
	}
	if (!own_address(p->in->vnet, target))
		return XGW_DROP_UNANSWERED;
	learn(p, 6, p->h.source, mac);
	ip = at(p->ctx, p->h.l3);
	nd = (void *)(ip + 1);
	if (!HAS(p->ctx, ip, sizeof *ip + sizeof *nd))
		return XGW_DROP_TRUNCATED;
	__builtin_memcpy(&ip->daddr, p->h.source, 16);
	__builtin_memcpy(&ip->saddr, target, 16);
	nd->type = ND_ADVERTISEMENT;
	*(__u32 *)nd->flags = bpf_htonl(0xe0000000); /* router, solicited, override */
	nd->option = 2;
	__builtin_memcpy(nd->mac, p->in->mac, 6);
	nd->check = 0;
	nd->check = nd_checksum(ip, nd);
	return send_back(p);
}

/* Echo request to an address of ours: answered in place, checksum by RFC 1624. */
static __always_inline int answer_echo(struct packet *p)
{
	__u8 *icmp = at(p->ctx, p->h.l4);
	if (p->h.fragment || !HAS(p->ctx, icmp, 8))
		return XGW_DROP_NO_ROUTE;
	__u8 request = p->h.family == 4 ? 8 : 128, reply = p->h.family == 4 ? 0 : 129;
	if (p->h.l4proto != (p->h.family == 4 ? IPPROTO_ICMP : IPPROTO_ICMPV6) || icmp[0] != request)
		return XGW_DROP_NO_ROUTE;
	if (p->tracing)
		return VERDICT_ANSWERED;
	__u16 *check = (__u16 *)(icmp + 2);
	__u32 sum = (__u16)~*check + (__u16)~bpf_htons(request << 8) + bpf_htons(reply << 8);
	sum = (sum & 0xffff) + (sum >> 16);
	*check = ~((sum & 0xffff) + (sum >> 16));
	icmp[0] = reply;
	if (p->h.family == 4) {
		struct iphdr *ip = at(p->ctx, p->h.l3);
		if (!HAS(p->ctx, ip, sizeof *ip))
			return XGW_DROP_TRUNCATED;
		__be32 a = ip->saddr;
		ip->saddr = ip->daddr;
		ip->daddr = a;
	} else {
		struct ipv6hdr *ip = at(p->ctx, p->h.l3);
		if (!HAS(p->ctx, ip, sizeof *ip))
			return XGW_DROP_TRUNCATED;
		__builtin_memcpy(&ip->daddr, p->h.source, 16);
		__builtin_memcpy(&ip->saddr, p->h.destination, 16);
	}
	return send_back(p);
}

#endif
