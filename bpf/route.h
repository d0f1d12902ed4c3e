/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Longest prefix within a VNet, next hop, and where a host of the VNet is. */
#ifndef XGW_BPF_ROUTE_H
#define XGW_BPF_ROUTE_H

#include "attachment.h"
#include "event.h"
#include "maps/routing.h"

static __always_inline const struct xgw_route *route_find(__u32 vnet, __u8 family,
							  const __u32 *addr)
{
	if (family == 4) {
		struct xgw_route4_key key = {.prefixlen = 64, .vnet_be = bpf_htonl(vnet)};

		__builtin_memcpy(key.addr, &addr[3], 4);
		return bpf_map_lookup_elem(&routes4, &key);
	}
	struct xgw_route6_key key = {.prefixlen = 160, .vnet_be = bpf_htonl(vnet)};

	__builtin_memcpy(key.addr, addr, 16);
	return bpf_map_lookup_elem(&routes6, &key);
}

/* The address is one that hosts of the VNet may have. */
static __always_inline bool route_is_local(__u32 vnet, __u8 family, const __u32 *addr)
{
	const struct xgw_route *r = route_find(vnet, family, addr);

	return r && r->flags & XGW_ROUTE_LOCAL;
}

static __always_inline struct xgw_endpoint *endpoint_find(__u32 vnet, const __u32 *addr)
{
	struct xgw_endpoint_key key = {.vnet = vnet};

	__builtin_memcpy(key.addr, addr, 16);
	return bpf_map_lookup_elem(&endpoints, &key);
}

static __always_inline const struct xgw_address *address_find(__u32 vnet, const __u32 *addr)
{
	struct xgw_address_key key = {.vnet = vnet};

	__builtin_memcpy(key.addr, addr, 16);
	return bpf_map_lookup_elem(&addresses, &key);
}

static __always_inline const struct xgw_neighbour *neighbour_find(__u32 ifindex, const void *addr)
{
	struct xgw_neighbour_key key = {.ifindex = ifindex};

	__builtin_memcpy(key.addr, addr, 16);
	return bpf_map_lookup_elem(&neighbours, &key);
}

static __always_inline __u32 flow_of(const struct packet *p)
{
	const struct ip *ip = &p->ip;
	const __u32 *ports_word = NULL;

	if (!ip->fragment && (ip->protocol == PROTO_TCP || ip->protocol == PROTO_UDP))
		ports_word = packet_at(p, ip->l4, 4);
	return routing_flow(ip->source, ip->destination, ip->protocol,
			    ports_word ? *ports_word : 0);
}

/* Link-local and multicast destinations end at the link they are on (RFC 4291, RFC 3927). */
static __always_inline bool is_link_scope(const struct ip *ip)
{
	const __u8 *b = (const __u8 *)ip->destination;

	if (ip->family == 6)
		return b[0] == 0xff || (b[0] == 0xfe && (b[1] & 0xc0) == 0x80);
	return b[12] >= 224 || b[12] == 127 || b[12] == 0 || (b[12] == 169 && b[13] == 254);
}

#endif
