/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Longest prefix within a VNet, and the next hop it names. */
#ifndef XGW_BPF_ROUTE_H
#define XGW_BPF_ROUTE_H

#include "bpf/packet.h"

static __always_inline struct xgw_route *route_of(__u8 family, __u32 vnet, const __u8 *addr)
{
	if (family == 4) {
		struct xgw_route4_key key = {.prefixlen = 64, .vnet_be = bpf_htonl(vnet)};
		__builtin_memcpy(key.addr, addr + 12, 4);
		return bpf_map_lookup_elem(&routes4, &key);
	}
	struct xgw_route6_key key = {.prefixlen = 160, .vnet_be = bpf_htonl(vnet)};
	__builtin_memcpy(key.addr, addr, 16);
	return bpf_map_lookup_elem(&routes6, &key);
}

/* A host of a VNet may only send from an address that lives there (RFC 2827). */
static __always_inline bool source_is_local(const struct packet *p)
{
	struct xgw_route *r = route_of(p->h.family, p->in->vnet, p->h.source);
	return r && r->flags & XGW_ROUTE_LOCAL;
}

static __always_inline struct xgw_address *own_address(__u32 vnet, const __u8 *addr)
{
	struct xgw_address_key key = {.vnet = vnet};
	__builtin_memcpy(key.addr, addr, 16);
	return bpf_map_lookup_elem(&addresses, &key);
}

#endif
