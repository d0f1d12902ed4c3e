/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* From outside: ESP (RFC 4303, RFC 3948) of child SAs of ours to the worker, the rest to the kernel. */
#ifndef XGW_BPF_UPLINK_H
#define XGW_BPF_UPLINK_H

#include "bpf/vnet.h"

static __always_inline int esp(struct packet *p, __u32 offset)
{
	__be32 *spi = at(p->ctx, offset);
	if (!HAS(p->ctx, spi, 8))
		return XGW_DROP_TRUNCATED;
	if (p->h.fragment)
		return XGW_DROP_FRAGMENT;
	struct xgw_sa_key key = {.spi_be = *spi};
	__builtin_memcpy(key.destination, p->h.destination, 16);
	struct xgw_sa_in *sa = bpf_map_lookup_elem(&sas_in, &key);
	if (!sa)
		return XGW_DROP_UNKNOWN_SPI;
	struct xgw_meta m = {.kind = XGW_META_DECRYPT,
			     .esp = offset,
			     .vnet = sa->vnet,
			     .connection = sa->connection,
			     .slot = sa->slot};
	p->trace.connection = sa->connection;
	return hand_off(p, &m);
}

/* UDP: ESP on port 4500 unless the non-ESP marker says IKE (RFC 3948 section 2.2). */
static __always_inline int udp_from_outside(struct packet *p)
{
	struct udphdr *udp = at(p->ctx, p->h.l4);
	if (p->h.fragment == 2) /* no ports to see: the kernel reassembles what is for its sockets */
		return VERDICT_PASS;
	if (!HAS(p->ctx, udp, sizeof *udp))
		return XGW_DROP_TRUNCATED;
	if (udp->dest != bpf_htons(NATT_PORT))
		return GO_ON;
	__u32 length = bpf_ntohs(udp->len);
	__u8 *body = (void *)(udp + 1);
	if (length == sizeof *udp + 1 && HAS(p->ctx, body, 1) && *body == 0xff)
		return XGW_DROP_NATT_KEEPALIVE;
	if (!HAS(p->ctx, body, 4))
		return XGW_DROP_TRUNCATED;
	if (*(__be32 *)body == 0)
		return VERDICT_PASS;
	return esp(p, p->h.l4 + sizeof *udp);
}

static __always_inline int from_outside(struct packet *p)
{
	int v = parse_ethernet(p->ctx, &p->h, 0);
	if (v != GO_ON)
		return v;
	if (p->h.proto != ETH_P_IP && p->h.proto != ETH_P_IPV6)
		return VERDICT_PASS;
	v = parse_ip(p->ctx, &p->h);
	if (v != GO_ON)
		return v;
	if (p->h.l4proto == IPPROTO_ESP)
		return esp(p, p->h.l4);
	if (p->h.l4proto != IPPROTO_UDP)
		return VERDICT_PASS;
	v = udp_from_outside(p);
	if (v == GO_ON)
		v = enter_vxlan(p);
	if (v != GO_ON)
		return v;
	return p->in ? routed(p) : VERDICT_PASS;
}

#endif
