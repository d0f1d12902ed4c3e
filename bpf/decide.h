/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Source, route and next hop by the maps: from the question in a place of the memory to the answer
 * there. Both functions see no packet and are verified once each, apart from their callers, for
 * whom the answer is plain data: that keeps the programs far from the verifier's limit.
 */
#ifndef XGW_BPF_DECIDE_H
#define XGW_BPF_DECIDE_H

#include "route.h"

static __always_inline bool is_mapped(const void *addr)
{
	const __u32 *w = addr;

	return !(w[0] | w[1]) && w[2] == bpf_htonl(0xffff);
}

/* A function of its own for its stack: what a key needs is free again when it returns. */
static __noinline const struct xgw_route *route_ask(__u32 vnet, __u8 family, const __u32 *addr)
{
	return route_find(vnet, family, addr);
}

/*
 * Of a choice's members (four, 0 ends) the id of the one that takes a flow: in the first group that
 * has one that is up, the one of those that weighs most; none is up: the first. 0: none is there.
 * by_tunnel: else as if no tunnel were there.
 */
__noinline __u32 choose_member(const struct xgw_next_hop *choice, __u32 flow, bool by_tunnel)
{
	__u32 best = 0, most = 0;
	bool is_up = false;

	if (!choice)
		return 0;
	for (unsigned i = 0; i < XGW_HOP_MEMBERS; i++) {
		__u32 id = choice->member[i], weight = routing_weight(flow, id);
		const struct xgw_next_hop *h;

		if (!id || (is_up && routing_begins_group(choice, i)))
			break;
		h = bpf_map_lookup_elem(&next_hops, &id);
		if (!h || h->kind == XGW_HOP_CHOICE || (h->kind == XGW_HOP_TUNNEL && !by_tunnel))
			continue;
		if (!(h->flags & XGW_HOP_UP)) {
			best = i ? best : id;
			continue;
		}
		if (!is_up || weight > most) {
			best = id;
			most = weight;
		}
		is_up = true;
	}
	return best;
}

/*
 * Who sends: a host of the VNet, or somebody for others. The table of user routes that the sender's
 * subnet asks too, 0: none; an appliance sends by its own subnet's, not by the one that led to it.
 */
static __always_inline __u32 find_sender(struct known_decision *k)
{
	const struct xgw_route *r = route_ask(k->vnet, k->family, k->source);

	k->forwarded = !r || !(r->flags & XGW_ROUTE_LOCAL);
	if (k->returned)
		r = route_ask(k->vnet, is_mapped(k->appliance) ? 4 : 6, k->appliance);
	k->withheld = !k->forwarded && r && r->flags & XGW_ROUTE_WITHHELD;
	return k->forwarded || !r ? 0 : r->table;
}

/* The kernel is asked for its own address there; elsewhere the gateway answers. */
static __noinline int find_own_address(const struct known_decision *k)
{
	const struct xgw_address *a = address_find(k->vnet, k->destination);

	if (!a)
		return 0;
	return k->is_kernels && a->attachment == k->attachment ? VERDICT_PASS : VERDICT_ANSWER_ECHO;
}

static __always_inline bool hop_copy(struct known_decision *k, __u32 id)
{
	const struct xgw_next_hop *h = bpf_map_lookup_elem(&next_hops, &id);

	if (h)
		k->hop = *h;
	else
		k->hop.kind = XGW_HOP_NONE;
	return h;
}

/* What is forwarded for others must not pretend to be of the network that it goes into. */
static __always_inline int check_forwarded(const struct known_decision *k)
{
	const struct xgw_route *r;

	if (k->hop.kind != XGW_HOP_LOCAL)
		return XGW_DROP_SOURCE;
	r = route_ask(k->hop.vnet, k->family, k->source);
	return r && r->flags & XGW_ROUTE_LOCAL ? XGW_DROP_SOURCE : 0;
}

/* A choice stays one where each packet has to choose. */
static __always_inline int find_member(struct known_decision *k)
{
	if (k->hop.kind != XGW_HOP_CHOICE || k->hop.flags & XGW_HOP_SPREAD)
		return 0;
	return hop_copy(k, choose_member(&k->hop, 0, true)) ? 0 : XGW_DROP_NO_NEXT_HOP;
}

/* The route that counts goes into the answer. */
static __always_inline void keep_route(struct known_decision *k, const struct xgw_route *own,
				       const struct xgw_route *user)
{
	const struct xgw_route *r = routing_prefer(own, user);

	k->from_table = user && r == user;
	if (r)
		k->route = *r;
}

/* For the gateway itself, whatever a user's route says. */
static __always_inline int take_own(struct known_decision *k, const struct xgw_route *own)
{
	int rc = find_own_address(k);

	if (rc) {
		keep_route(k, own, NULL);
		k->hop.kind = XGW_HOP_GATEWAY;
		k->hop.connection = 0;
	}
	return rc;
}

/*
 * A tunnel's route decides alone, without asking for our own addresses: the plan gives each of
 * those a route of full length to the gateway, so no tunnel can take them. A user's route could.
 */
static __always_inline int find_route(struct known_decision *k, __u32 table)
{
	const struct xgw_route *own = route_ask(k->vnet, k->family, k->destination), *user = NULL;
	bool has_hop;
	int rc;

	if (table)
		user = route_ask(table, k->family, k->destination);
	own = routing_propagated(own, user, k->withheld);
	keep_route(k, own, user);
	rc = routing_refusal(k->forwarded ? ROUTING_FORWARDER : ROUTING_HOST,
			     own || user ? &k->route : NULL);
	if (rc)
		return rc;
	has_hop = (own || user) && hop_copy(k, k->route.next_hop);
	if (k->forwarded)
		return has_hop ? check_forwarded(k) : XGW_DROP_NO_NEXT_HOP;
	if (!has_hop || table || k->hop.kind != XGW_HOP_TUNNEL) {
		rc = take_own(k, own);
		if (rc)
			return rc;
	}
	if (!own && !user)
		return XGW_DROP_NO_ROUTE;
	return has_hop ? find_member(k) : XGW_DROP_NO_NEXT_HOP;
}

/* 0, a drop reason, VERDICT_PASS, or VERDICT_ANSWER_ECHO: it is for the gateway itself. */
__noinline int decide_by_maps(struct known_decision *k)
{
	__u32 table;

	if (!k)
		return XGW_DROP_MAP_FULL;
	table = find_sender(k);
	/* the kernel judges by its own rules what is for itself */
	if (k->forwarded && k->is_kernels && find_own_address(k) == VERDICT_PASS)
		return VERDICT_PASS;
	return find_route(k, table);
}

/*
 * Nobody behind a circuit has an address of the networks that it leads to, or of the gateway: the
 * way to them would be the domain's own.
 */
static __noinline bool is_inside(const struct known_decision *k)
{
	const struct xgw_route *r = route_ask(k->vnet, k->family, k->source);
	const struct xgw_next_hop *h;
	__u32 id;

	if (!r)
		return false;
	id = r->next_hop;
	h = bpf_map_lookup_elem(&next_hops, &id);
	return r->flags & XGW_ROUTE_LOCAL ||
	       (h && (h->kind == XGW_HOP_LOCAL || h->kind == XGW_HOP_GATEWAY));
}

/*
 * Of what comes out of a circuit's link, by its domain alone: 0, a drop reason, or VERDICT_PASS: it
 * is for the gateway's router. What it passes it passes as a tunnel's packets do, peerings
 * included.
 */
__noinline int decide_of_link(struct known_decision *k)
{
	const struct xgw_route *r;

	if (!k)
		return XGW_DROP_MAP_FULL;
	if (address_find(k->vnet, k->destination))
		return VERDICT_PASS;
	if (is_inside(k))
		return XGW_DROP_CIRCUIT_SOURCE;
	r = route_ask(k->vnet, k->family, k->destination);
	if (!r)
		return XGW_DROP_NO_ROUTE;
	keep_route(k, r, NULL);
	return hop_copy(k, k->route.next_hop) ? find_member(k) : XGW_DROP_NO_NEXT_HOP;
}

#endif
