/* SPDX-License-Identifier: Apache-2.0 */
/*
 * BGP peers: what leads to them, whose routes go into which table, and what they are told. Between
 * tunnels and circuits nothing goes unless allowBranchToBranchTraffic says so.
 */
#include "control/plan_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A new zeroed element at the end of an array, or NULL. */
static void *grow(struct plan_maker *k, void **at, uint32_t *n, uint32_t *room, size_t size)
{
	if (*n == *room) {
		uint32_t more = *room ? *room * 2 : 16;
		void *grown = reallocarray(*at, more, size);
		if (!grown) {
			k->no_memory = true;
			return NULL;
		}
		*at = grown;
		*room = more;
	}
	return memset((uint8_t *)*at + (size_t)(*n)++ * size, 0, size);
}

#define GROW(k, member)                                                             \
	grow(k, (void **)&(k)->p->member, &(k)->p->n_##member, &(k)->room_##member, \
	     sizeof *(k)->p->member)

static void add_member(struct plan_maker *k, struct plan_member value)
{
	struct plan_member *to = GROW(k, members);
	if (to)
		*to = value;
}

static void add_announced(struct plan_maker *k, uint32_t table, const struct ip_prefix *prefix,
			  uint32_t hop)
{
	struct plan_announced *to = prefix->len ? GROW(k, announced) : NULL;
	if (to)
		*to = (struct plan_announced){table, ip_prefix_canonical(*prefix), hop};
}

static void add_static(struct plan_maker *k, struct plan_static value)
{
	struct plan_static *to = GROW(k, statics);
	if (to)
		*to = value;
}

/* ---- static routes of connections ---- */

/* Into the network and those that use its gateway, and for what may come out of circuits. */
static void add_statics(struct plan_maker *k, uint32_t vnet, struct plan_static s)
{
	const struct model_vnet *v = &k->m->vnets[vnet];
	uint32_t n;
	const struct plan_way *ways = plan_ways_of(k, vnet, &n);
	s.table = v->id;
	add_static(k, s);
	for (uint32_t i = 0; i < v->n_peerings; i++) {
		s.table = k->m->vnets[v->peerings[i].remote].id;
		if (model_peering_gives_transit(k->m, &v->peerings[i]))
			add_static(k, s);
	}
	for (uint32_t i = 0; v->branch_to_branch && s.prefix.len && i < n; i++) {
		s.table = ways[i].domain;
		add_static(k, s);
	}
}

void plan_add_candidate(struct plan_maker *k, uint32_t connection, uint32_t order,
			const struct ip_prefix *prefix)
{
	const struct model_connection *c = &k->m->connections[connection];
	uint32_t vnet = k->m->gateways[c->gateway].vnet, n;
	const struct model_vnet *v = &k->m->vnets[vnet];
	const struct plan_way *ways = plan_ways_of(k, vnet, &n);
	struct plan_static s = {.prefix = ip_prefix_canonical(*prefix),
				.weight = c->routing_weight,
				.order = order,
				.hop = plan_connection_id(k, connection),
				.class = PLAN_CLASS_TUNNEL};
	if (k->p->gateways[c->gateway].router == MODEL_NONE)
		return;
	add_statics(k, vnet, s);
	add_announced(k, v->id, prefix, s.hop);
	for (uint32_t i = 0; v->branch_to_branch && prefix->len && i < n; i++)
		add_announced(k, ways[i].domain, prefix, s.hop);
}

void plan_add_other_candidate(struct plan_maker *k, uint32_t gateway,
			      const struct ip_prefix *prefix)
{
	const struct plan_gateway *g = &k->p->gateways[gateway];
	if (g->other && g->router != MODEL_NONE)
		add_statics(k, k->m->gateways[gateway].vnet,
			    (struct plan_static){.prefix = ip_prefix_canonical(*prefix),
						 .order = UINT32_MAX,
						 .hop = g->other,
						 .class = PLAN_CLASS_INSTANCE});
}

/* ---- members ---- */

/* Into the network and those that use its gateway; only for the first somebody speaks. */
static void add_members(struct plan_maker *k, uint32_t vnet, struct plan_member value)
{
	const struct model_vnet *v = &k->m->vnets[vnet];
	value.table = v->id;
	add_member(k, value);
	value.announced = false;
	for (uint32_t i = 0; i < v->n_peerings; i++) {
		value.table = k->m->vnets[v->peerings[i].remote].id;
		if (model_peering_gives_transit(k->m, &v->peerings[i]))
			add_member(k, value);
	}
}

static void add_link_members(struct plan_maker *k, const struct plan_peer *p)
{
	const struct plan_link *l = &k->p->links[p->of];
	for (uint32_t i = 0; i < k->n_ways; i++) {
		const struct plan_way *w = &k->ways[i];
		if (w->domain != l->domain)
			continue;
		add_members(k, w->vnet,
			    (struct plan_member){
				    .peer = p->no,
				    .hop = l->end[p->ipv6].hop,
				    .weight = k->m->connections[w->connection].routing_weight,
				    .class = PLAN_CLASS_CIRCUIT,
				    .announced = k->m->vnets[w->vnet].branch_to_branch});
	}
}

/* And for what may come out of circuits. */
static void add_everywhere(struct plan_maker *k, uint32_t vnet, struct plan_member value)
{
	uint32_t n;
	const struct plan_way *ways = plan_ways_of(k, vnet, &n);
	add_members(k, vnet, value);
	for (uint32_t i = 0; k->m->vnets[vnet].branch_to_branch && i < n; i++) {
		value.table = ways[i].domain;
		add_member(k, value);
	}
}

static void add_tunnel_members(struct plan_maker *k, const struct plan_peer *p)
{
	const struct plan_connection *pc = &k->p->connections[p->of];
	const struct model_connection *c = &k->m->connections[pc->model];
	add_everywhere(k, k->m->gateways[c->gateway].vnet,
		       (struct plan_member){.peer = p->no,
					    .hop = pc->id,
					    .weight = c->routing_weight +
						      model_far_bgp(k->m, c)->peer_weight,
					    .class = PLAN_CLASS_TUNNEL,
					    .announced = true});
}

static void add_instance_members(struct plan_maker *k, const struct plan_peer *p)
{
	add_everywhere(k, k->m->gateways[p->gateway].vnet,
		       (struct plan_member){.peer = p->no,
					    .hop = k->p->gateways[p->gateway].other,
					    .class = PLAN_CLASS_INSTANCE,
					    .announced = true});
}

/* ---- what leads to those who speak BGP ---- */

static void add_tun(struct plan_maker *k, uint32_t gateway)
{
	const struct model_gateway *g = &k->m->gateways[gateway];
	const struct model_vnet *v = &k->m->vnets[g->vnet];
	uint32_t id = k->p->gateways[gateway].tun, n;
	const struct plan_way *ways = plan_ways_of(k, g->vnet, &n);
	char text[XGW_NAME];
	snprintf(text, sizeof text, "%.50s/bgp", g->name);
	plan_add_name(k, XGW_NAME_CONNECTION, id, text);
	plan_add_hop(
		k, id,
		(struct xgw_next_hop){.kind = XGW_HOP_CLIENT, .vnet = v->id, .connection = id});
	for (uint32_t i = 0; i <= g->bgp.n_custom; i++) {
		const struct ip_addr *a = i < g->bgp.n_custom ? &g->bgp.custom[i] : &g->bgp.address;
		const struct ip_prefix alone = plan_alone(a);
		if (!a->family)
			continue;
		plan_add_route(k, v->id, &alone, id, XGW_ROUTE_SYSTEM, 0);
		/* nobody behind a circuit has it, and no host */
		for (uint32_t w = 0; !model_is_apipa(a) && w < n; w++)
			plan_add_route(k, ways[w].domain, &alone, PLAN_HOP_GATEWAY,
				       XGW_ROUTE_SYSTEM, 0);
	}
}

static void add_peer_route(struct plan_maker *k, const struct plan_peer *p)
{
	const struct ip_prefix alone = plan_alone(&p->remote);
	plan_add_route(k, p->table, &alone, k->p->connections[p->of].id, XGW_ROUTE_SYSTEM, 0);
}

/* It is one of the network's addresses, and not asked for on the link: the other host has it. */
static void add_instance_route(struct plan_maker *k, const struct plan_peer *p)
{
	const struct ip_prefix alone = plan_alone(&p->remote);
	plan_add_route(k, p->table, &alone, k->p->gateways[p->gateway].other, XGW_ROUTE_SYSTEM,
		       XGW_ROUTE_LOCAL);
}

/* ---- announcements ---- */

static void announce_network(struct plan_maker *k, uint32_t table, uint32_t vnet)
{
	const struct model_vnet *v = &k->m->vnets[vnet];
	for (uint32_t i = 0; i < v->n_address_space; i++)
		add_announced(k, table, &v->address_space[i], 0);
	for (uint32_t i = 0; i < v->n_peerings; i++) {
		const struct model_vnet *far = &k->m->vnets[v->peerings[i].remote];
		if (!model_peering_gives_transit(k->m, &v->peerings[i]))
			continue;
		for (uint32_t j = 0; j < far->n_address_space; j++)
			add_announced(k, table, &far->address_space[j], 0);
	}
}

static void announce(struct plan_maker *k)
{
	for (uint32_t i = 0; i < k->n_ways; i++)
		announce_network(k, k->ways[i].domain, k->ways[i].vnet);
	for (uint32_t i = 0; i < k->m->n_gateways; i++) {
		const struct model_gateway *g = &k->m->gateways[i];
		if (!k->p->gateways[i].tun)
			continue;
		announce_network(k, k->m->vnets[g->vnet].id, g->vnet);
		for (uint32_t j = 0; j < g->clients.n_pool; j++)
			add_announced(k, k->m->vnets[g->vnet].id, &g->clients.pool[j], 0);
		/* with iBGP it says so itself */
		for (uint32_t j = 0; !g->other.bgp_address.family && j < g->other.n_pool; j++)
			add_announced(k, k->m->vnets[g->vnet].id, &g->other.pool[j], 0);
	}
}

/* ---- in order ---- */

static int order_of(uint32_t a, uint32_t b)
{
	return a < b ? -1 : a > b;
}

static int by_member(const void *a, const void *b)
{
	const struct plan_member *x = a, *y = b;
	int c = order_of(x->peer, y->peer);
	return c ? c : order_of(x->table, y->table);
}

static int by_static(const void *a, const void *b)
{
	const struct plan_static *x = a, *y = b;
	int c = order_of(x->table, y->table);
	if (!c)
		c = memcmp(&x->prefix, &y->prefix, sizeof x->prefix);
	if (!c)
		c = order_of(y->weight, x->weight);
	return c ? c : order_of(x->order, y->order);
}

static int by_announced(const void *a, const void *b)
{
	const struct plan_announced *x = a, *y = b;
	int c = order_of(x->table, y->table);
	if (!c)
		c = memcmp(&x->prefix, &y->prefix, sizeof x->prefix);
	return c ? c : order_of(x->hop, y->hop);
}

static void sort(struct plan *p)
{
	uint32_t kept = 0;
	if (p->n_members)
		qsort(p->members, p->n_members, sizeof *p->members, by_member);
	if (p->n_statics)
		qsort(p->statics, p->n_statics, sizeof *p->statics, by_static);
	if (p->n_announced)
		qsort(p->announced, p->n_announced, sizeof *p->announced, by_announced);
	for (uint32_t i = 0; i < p->n_announced; i++) {
		if (!kept || by_announced(&p->announced[kept - 1], &p->announced[i]) != 0)
			p->announced[kept++] = p->announced[i];
	}
	p->n_announced = kept;
}

void plan_make_peers(struct plan_maker *k)
{
	for (uint32_t i = 0; i < k->m->n_gateways; i++) {
		if (k->p->gateways[i].tun)
			add_tun(k, i);
	}
	for (uint32_t i = 0; i < k->p->n_peers; i++) {
		const struct plan_peer *p = &k->p->peers[i];
		if (p->kind == PLAN_PEER_LINK) {
			add_link_members(k, p);
			continue;
		}
		if (p->kind == PLAN_PEER_INSTANCE) {
			add_instance_route(k, p);
			add_instance_members(k, p);
			continue;
		}
		add_peer_route(k, p);
		add_tunnel_members(k, p);
	}
	announce(k);
	sort(k->p);
}
