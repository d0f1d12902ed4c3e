/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the stages know of the packet in hand, and what they answer: GO_ON, or a verdict that ends the way. Verdicts
 * below XGW_DROP_SLOTS are drop reasons (maps/drops.def).
 */
#ifndef XGW_BPF_PACKET_H
#define XGW_BPF_PACKET_H

#include "maps/maps_bpf.h"
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define GO_ON		  (-1)
#define VERDICT_PASS	  100 /* to the kernel */
#define VERDICT_FORWARDED 101 /* sent on by XDP: packet.action */
#define VERDICT_WORKER	  102 /* to an AF_XDP socket: packet.action */
#define VERDICT_ANSWERED  103 /* ARP, neighbour discovery, echo: packet.action */

#define ETH_HLEN	14
#define VLAN_HLEN	4
#define VXLAN_HLEN	8
#define ETH_P_IP	0x0800
#define ETH_P_ARP	0x0806
#define ETH_P_8021Q	0x8100
#define ETH_P_8021AD	0x88a8
#define ETH_P_IPV6	0x86dd
#define IPPROTO_ICMP	1
#define IPPROTO_TCP	6
#define IPPROTO_UDP	17
#define IPPROTO_ESP	50
#define IPPROTO_ICMPV6	58
#define NATT_PORT	4500
#define IP_MF		0x2000
#define IP_OFFSET	0x1fff
#define MAX_OFFSET	0x1ff /* every header we look at starts within the first 512 bytes */

/* Where the headers are. Numbers only, so that a function of its own, verified once, can fill it in. */
struct headers {
	__u32 len;	   /* of the frame as it came */
	__u16 l2, l3, l4;  /* offsets of the (inner) Ethernet, IP and transport headers */
	__u16 proto;	   /* ethertype of what stands at l3, host order */
	__u8 family;	   /* 4 or 6, once it is known to be IP */
	__u8 l4proto;
	__u8 fragment; /* 1: first, 2: behind the first */
	__u8 reserved;
	__u8 source[16], destination[16]; /* of the IP header at l3, IPv4 mapped */
};

struct packet {
	struct xdp_md *ctx;
	const struct xgw_port *port;
	const struct xgw_attachment *in; /* where it came in, once known */
	__u32 action;			 /* XDP action of the verdicts that have one */
	bool tracing;
	struct headers h;
	struct xgw_trace trace;
};

/*
 * The context's fields are 32 bits wide in its type and pointers in the verifier's eyes. The compiler may keep a 32-bit
 * copy of such a value, which is no pointer any more; loads it can't look into prevent that.
 */
static __always_inline void *start(struct xdp_md *ctx)
{
	void *v;
	asm volatile("%0 = *(u32 *)(%1 + 0)" : "=r"(v) : "r"(ctx));
	return v;
}

static __always_inline void *end(struct xdp_md *ctx)
{
	void *v;
	asm volatile("%0 = *(u32 *)(%1 + 4)" : "=r"(v) : "r"(ctx));
	return v;
}

/* The bound is said in a way that the compiler can't drop as known already: the verifier needs to see it. */
static __always_inline void *at(struct xdp_md *ctx, __u64 offset)
{
	asm volatile("%0 &= %1" : "+r"(offset) : "i"(MAX_OFFSET));
	return start(ctx) + offset;
}

static __always_inline __u32 frame_len(struct xdp_md *ctx)
{
	return (__u32)(end(ctx) - start(ctx));
}

/* True when n bytes stand at `from`: the form of check that every verifier since 6.1 follows. */
#define HAS(ctx, from, n) ((void *)(from) + (n) <= end(ctx))

static __always_inline bool same_mac(const __u8 *a, const __u8 *b)
{
	return *(const __u16 *)a == *(const __u16 *)b && *(const __u16 *)(a + 2) == *(const __u16 *)(b + 2) &&
	       *(const __u16 *)(a + 4) == *(const __u16 *)(b + 4);
}

static __always_inline bool same_addr(const __u8 *a, const __u8 *b)
{
	const __u32 *x = (const __u32 *)a, *y = (const __u32 *)b;
	return x[0] == y[0] && x[1] == y[1] && x[2] == y[2] && x[3] == y[3];
}

static __always_inline void map_v4(__u8 out[16], __be32 addr)
{
	__u32 *w = (__u32 *)out;
	w[0] = 0;
	w[1] = 0;
	w[2] = bpf_htonl(0xffff);
	w[3] = addr;
}

#endif
