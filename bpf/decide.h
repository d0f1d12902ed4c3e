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

#define BIT_OF(kind) (1u << (kind))

static __always_inline __u32 barred_kinds(bool barred)
{
	return barred ? BIT_OF(XGW_HOP_CIRCUIT) : 0;
}

/*
 * Of a choice's members (four, 0 ends) the id of the one that takes a flow: in the first group that
 * has one that is up, the one of those that weighs most; none is up: the first. 0: none is there.
 * barred: kinds of next hops, as bits, of which it is as if none were there.
 */
__noinline __u32 choose_member(const struct xgw_next_hop *choice, __u32 flow, __u32 barred)
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
		if (!h || h->kind >= 32 || (BIT_OF(XGW_HOP_CHOICE) | barred) & BIT_OF(h->kind))
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
	if (k->returned && !k->handed)
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
	return hop_copy(k, choose_member(&k->hop, 0, barred_kinds(k->barred)))
		       ? 0
		       : XGW_DROP_NO_NEXT_HOP;
}

/* The route that counts goes into the answer. False: there is none. */
static __always_inline bool keep_route(struct known_decision *k, const struct xgw_route *own,
				       const struct xgw_route *user)
{
	const struct xgw_route *r = routing_prefer(own, user);

	k->from_table = user && r == user;
	if (!r)
		return false;
	k->route = *r;
	return true;
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

/*
 * Whose a packet is that the other instance hands over and that no host of the VNet has sent. Of
 * hosts of a network that uses the gateway it is decided as if they had sent it here. False: the
 * source is the gateway's own, or one of its clients', or one that no other instance may speak for.
 */
static __always_inline bool find_beginning(struct known_decision *k)
{
	const struct xgw_route *r = route_ask(k->vnet, k->family, k->source);
	const struct xgw_next_hop *h;
	__u32 id;

	k->barred = !(k->flags & XGW_HOP_BRANCHES);
	if (!r)
		return true;
	id = r->next_hop;
	h = bpf_map_lookup_elem(&next_hops, &id);
	if (!h || h->kind == XGW_HOP_GATEWAY || h->kind == XGW_HOP_CLIENT)
		return false;
	if (h->kind != XGW_HOP_LOCAL)
		return true;
	r = route_ask(h->vnet, k->family, k->source);
	if (!r || !(r->flags & XGW_ROUTE_LOCAL))
		return false;
	k->vnet = h->vnet;
	k->table = r->table;
	k->barred = false;
	k->forwarded = false;
	return true;
}

/*
 * What it hands over goes into a tunnel, to a client, or into a circuit where tunnels' packets may;
 * to hosts it sends itself.
 */
static __always_inline int find_route_of_handed(struct known_decision *k)
{
	const struct xgw_route *own, *user = NULL;

	if (!find_beginning(k))
		return XGW_DROP_SOURCE;
	own = route_ask(k->vnet, k->family, k->destination);
	if (k->table)
		user = route_ask(k->table, k->family, k->destination);
	if (!keep_route(k, own, user))
		return XGW_DROP_NO_ROUTE;
	if (!hop_copy(k, k->route.next_hop))
		return XGW_DROP_NO_NEXT_HOP;
	switch (k->hop.kind) {
	case XGW_HOP_CIRCUIT: return k->barred ? XGW_DROP_BRANCH : 0;
	case XGW_HOP_TUNNEL:
	case XGW_HOP_CLIENT: return 0;
	case XGW_HOP_CHOICE: return find_member(k);
	/* back to the other instance: a loop, which who knows the sender finds (vnet.h) */
	case XGW_HOP_APPLIANCE: return k->hop.flags & XGW_HOP_INSTANCE ? 0 : XGW_DROP_SOURCE;
	}
	return XGW_DROP_SOURCE;
}

/* 0, a drop reason, VERDICT_PASS, or VERDICT_ANSWER_ECHO: it is for the gateway itself. */
__noinline int decide_by_maps(struct known_decision *k)
{
	__u32 table;
	int rc;

	if (!k)
		return XGW_DROP_MAP_FULL;
	table = find_sender(k);
	/* the kernel judges by its own rules what is for itself */
	if (k->forwarded && k->is_kernels && find_own_address(k) == VERDICT_PASS)
		return VERDICT_PASS;
	if (k->forwarded && k->handed)
		return find_route_of_handed(k);
	rc = find_route(k, table);
	/* whether that one has sent it the packet must tell (vnet.h) */
	return rc == XGW_DROP_SOURCE && k->instance && hop_copy(k, k->instance) ? 0 : rc;
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
