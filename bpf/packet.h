/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A packet on its way through a program: where its headers are, what was found out, what was
 * decided. Stages return an int: 0 = go on, a drop reason (maps/drops.h), or one of enum verdict.
 * Nothing changes the packet or the maps before finish() (verdict.h) carries the verdict out, so
 * that the same stages serve an explanation.
 */
#ifndef XGW_BPF_PACKET_H
#define XGW_BPF_PACKET_H

#include "bounds.h"
#include "maps/maps_bpf.h"

#include <bpf/bpf_endian.h>

#define ETH_IPV4    bpf_htons(0x0800)
#define ETH_ARP	    bpf_htons(0x0806)
#define ETH_VLAN    bpf_htons(0x8100)
#define ETH_QINQ    bpf_htons(0x88a8)
#define ETH_IPV6    bpf_htons(0x86dd)
#define PROTO_ICMP  1
#define PROTO_TCP   6
#define PROTO_UDP   17
#define PROTO_ESP   50
#define PROTO_ICMP6 58

/* Farthest header a program looks at; what lies behind is not read. */
#define MAX_OFFSET 1000

enum verdict {
	VERDICT_PASS = XGW_DROP_SLOTS, /* to the kernel */
	VERDICT_WORKER,		       /* to the AF_XDP socket of this queue */
	VERDICT_FORWARD,	       /* out of `out` to `to` */
	VERDICT_ANSWER_ARP,
	VERDICT_ANSWER_ND,
	VERDICT_ANSWER_ECHO,
	VERDICT_TAKEN,	/* learnt from, and of no further use */
	VERDICT_ROUTER, /* out of a circuit's link, to the gateway's router there */
};

/* What matters of an IP header. Addresses as in the maps: IPv4 mapped. */
struct ip {
	__u32 source[4], destination[4];
	__u32 l4;  /* offset of what follows */
	__u32 end; /* offset of the first byte behind the IP packet */
	__u8 family;
	__u8 protocol;
	__u8 ttl;
	bool fragment; /* of a packet in more than one piece */
	bool headless; /* a fragment without the layer-4 header */
};

struct packet {
	struct xdp_md *xdp;
	void *data, *data_end;
	const struct xgw_port *port;
	__u32 len;   /* as it came, with fragments of the buffer */
	__u32 limit; /* offset behind the last byte that belongs to the frame looked at */
	bool tracing;
	__u32 capture;	  /* as in the configuration */
	__u64 generation; /* of the maps, read before any of them; 0: keep nothing (memory.h) */

	/* found */
	const struct xgw_attachment *in;
	__u32 l2; /* Ethernet header inside the VNet */
	__u32 l3; /* IP header inside the VNet; of the outer packet for ESP */
	__be16 proto;
	__u32 vtep[4]; /* VXLAN: outer source */
	struct ip ip;

	/* decided */
	bool forwarded;	 /* the source is none of the VNet's: its sender forwards for others */
	bool from_table; /* the route is a user's */
	bool barred;	 /* from circuits: a choice is as if it had none */
	/* it sends on what had been sent to it; NULL: the usual packet */
	const struct xgw_next_hop *appliance;
	const struct xgw_route *route;
	const struct xgw_next_hop *hop;
	const struct xgw_endpoint *to;
	const struct xgw_attachment *out;
	const struct xgw_neighbour *neighbour;
	const struct xgw_port *out_port;
	const struct xgw_sa_in *sa;
	__u32 esp;
	int shift; /* that the frame's head was moved by */
	__u8 meta_kind;
	__u32 refusal; /* the reason of its drop where no worker takes it; 0: that none does */
};

/* size bytes at an offset, or NULL when the frame is shorter. size is a constant. */
static __always_inline void *packet_at(const struct packet *p, __u32 offset, const __u32 size)
{
	__u64 forward = offset;
	void *at;

	opaque(forward);
	if (forward > MAX_OFFSET)
		return NULL;
	at = p->data + forward;
	if (at + size > p->data_end)
		return NULL;
	return at;
}
#define HEADER(packet, offset, type) ((type *)packet_at(packet, offset, sizeof(type)))

static __always_inline void packet_refresh(struct packet *p)
{
	p->data = (void *)(long)p->xdp->data;
	p->data_end = (void *)(long)p->xdp->data_end;
}

static __always_inline void packet_clear(struct packet *p, struct xdp_md *xdp)
{
	struct xgw_trace *trace = (void *)(long)xdp->data_meta;

	__builtin_memset(p, 0, sizeof(*p));
	p->xdp = xdp;
	packet_refresh(p);
	p->len = bpf_xdp_get_buff_len(xdp);
	p->limit = p->len;
	p->tracing = (void *)(trace + 1) <= p->data && trace->magic == XGW_TRACE_MAGIC;
}

/* Only packets in one piece can be rewritten here. */
static __always_inline bool packet_is_linear(const struct packet *p)
{
	return p->data + p->len <= p->data_end;
}

static __always_inline void copy_addr(__u32 *to, const void *from)
{
	__builtin_memcpy(to, from, 16);
}

static __always_inline bool same_addr(const void *a, const void *b)
{
	const __u32 *x = a, *y = b;

	return !((x[0] ^ y[0]) | (x[1] ^ y[1]) | (x[2] ^ y[2]) | (x[3] ^ y[3]));
}

static __always_inline bool same_mac(const __u8 *a, const __u8 *b)
{
	return a[0] == b[0] && a[1] == b[1] && a[2] == b[2] && a[3] == b[3] && a[4] == b[4] &&
	       a[5] == b[5];
}

#endif
