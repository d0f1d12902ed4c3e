/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Routes of virtual networks, as Azure has them: the network's own prefixes, those of its direct
 * peers (a peering is not transitive), and what is behind its gateway or the one that it uses by
 * useRemoteGateways. Tables of user routes stand in plan_tables.c.
 */
#include "control/offer.h"
#include "control/plan_internal.h"
#include "control/sort.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- a network's own, and its peers' ---- */

static uint32_t table_of(const struct plan_maker *k, uint32_t vnet, uint32_t table)
{
	uint32_t low = 0, high = k->n_pairs;
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		const struct plan_pair *p = &k->pairs[middle];
		if (p->vnet < vnet || (p->vnet == vnet && p->table < table))
			low = middle + 1;
		else
			high = middle;
	}
	return low < k->n_pairs && k->pairs[low].vnet == vnet && k->pairs[low].table == table
		       ? k->pairs[low].id
		       : 0;
}

/*
 * Two rules that the data path asks of a peering's route: FORWARDED when the far side takes what
 * did not begin in this network, TRANSIT when only what comes out of the gateway's tunnels may go
 * there. Without access and without transit nothing may.
 */
static void add_peering_routes(struct plan_maker *k, uint32_t vnet, const struct model_peering *p)
{
	const struct model_peering *back = model_peering_back(k->m, p);
	const struct model_vnet *far = &k->m->vnets[p->remote];
	uint32_t hop = plan_local_id(k, p->remote);
	uint8_t flags = 0;
	if (!back)
		return;
	if (back->forwarded)
		flags |= XGW_ROUTE_FORWARDED;
	if (!p->access) {
		flags |= XGW_ROUTE_TRANSIT;
		if (!model_peering_gives_transit(k->m, p))
			hop = PLAN_HOP_NONE;
	}
	for (uint32_t i = 0; i < far->n_address_space; i++)
		plan_add_route(k, k->m->vnets[vnet].id, &far->address_space[i], hop,
			       XGW_ROUTE_PEERING, flags);
}

void plan_make_vnet_routes(struct plan_maker *k, uint32_t vnet)
{
	const struct model_vnet *v = &k->m->vnets[vnet];
	uint32_t hop = plan_local_id(k, vnet);
	for (uint32_t i = 0; i < v->n_address_space; i++)
		plan_add_route(k, v->id, &v->address_space[i], hop, XGW_ROUTE_SYSTEM,
			       XGW_ROUTE_LOCAL);
	for (uint32_t i = 0; i < v->n_subnets; i++) {
		const struct model_subnet *s = &v->subnets[i];
		if (s->route_table == MODEL_NONE)
			continue;
		struct plan_entry_route *r = plan_add_route(k, v->id, &s->prefix, hop,
							    XGW_ROUTE_SYSTEM, XGW_ROUTE_LOCAL);
		if (!r)
			continue;
		r->value.table = table_of(k, vnet, s->route_table);
		if (k->m->tables[s->route_table].withholds)
			r->value.flags |= XGW_ROUTE_WITHHELD;
	}
	for (uint32_t i = 0; i < v->n_peerings; i++)
		add_peering_routes(k, vnet, &v->peerings[i]);
}

/* ---- behind gateways ---- */

/* Where frames of the other instance come in. */
static void note_instance(struct plan_maker *k, const struct model_gateway *g, uint32_t id)
{
	const struct model_vnet *v = &k->m->vnets[g->vnet];
	uint32_t at = model_attachment_of(v, &g->other.address);
	for (uint32_t i = 0; at != MODEL_NONE && i < k->p->n_places; i++) {
		const struct plan_attachment *a = &k->p->places[i];
		for (uint32_t j = 0;
		     a->vnet == g->vnet && a->index == at && j < k->p->n_attachments; j++) {
			if (k->p->attachments[j].id == a->id)
				k->p->attachments[j].instance = id;
		}
	}
}

/* In the gateway's network and in those that use it. */
static void add_behind(struct plan_maker *k, uint32_t vnet, const struct ip_prefix *prefix,
		       uint32_t hop, enum xgw_route_source source)
{
	const struct model_vnet *v = &k->m->vnets[vnet];
	plan_add_route(k, v->id, prefix, hop, source, 0);
	for (uint32_t i = 0; i < v->n_peerings; i++) {
		if (model_peering_gives_transit(k->m, &v->peerings[i]))
			plan_add_route(k, k->m->vnets[v->peerings[i].remote].id, prefix, hop,
				       source, 0);
	}
}

void plan_add_instance(struct plan_maker *k, uint32_t gateway)
{
	const struct model_gateway *g = &k->m->gateways[gateway];
	const struct model_vnet *v = &k->m->vnets[g->vnet];
	uint32_t id = k->p->gateways[gateway].other;
	struct xgw_next_hop hop = {.kind = XGW_HOP_APPLIANCE,
				   .vnet = v->id,
				   .table = k->gateway_tables[g->vnet],
				   .flags = XGW_HOP_UP | XGW_HOP_INSTANCE |
					    (v->branch_to_branch ? XGW_HOP_BRANCHES : 0)};
	char text[XGW_NAME], shown[IP_TEXT];
	if (!id)
		return;
	ip_addr_to_mapped(&g->other.address, hop.address);
	plan_add_hop(k, id, hop);
	snprintf(text, sizeof text, "instance %s", ip_addr_format(&g->other.address, shown));
	plan_add_name(k, XGW_NAME_HOP, id, text);
	note_instance(k, g, id);
	for (uint32_t i = 0; i < g->other.n_pool; i++)
		add_behind(k, g->vnet, &g->other.pool[i], id, XGW_ROUTE_CLIENT);
}

static void name_choice(struct plan_maker *k, uint32_t id, const uint32_t *connections, uint32_t n,
			bool other)
{
	char text[XGW_NAME] = "";
	for (uint32_t i = 0; i < n; i++) {
		size_t at = strlen(text);
		snprintf(text + at, sizeof text - at, "%s%s", i ? "|" : "",
			 k->m->connections[connections[i]].name);
	}
	size_t at = strlen(text);
	if (other)
		snprintf(text + at, sizeof text - at, "|other instance");
	plan_add_name(k, XGW_NAME_HOP, id, text);
}

/* An open hash table, never more than half full: many prefixes, few choices. */
static struct plan_choice *slot_of(struct plan_choice *at, uint32_t room, const uint32_t *member)
{
	uint32_t hash = 2166136261u;
	for (uint32_t i = 0; i < XGW_HOP_MEMBERS; i++)
		hash = (hash ^ member[i]) * 16777619u;
	hash ^= hash >> 15;
	while (at[hash & (room - 1)].id &&
	       memcmp(at[hash & (room - 1)].member, member, sizeof at->member) != 0)
		hash++;
	return &at[hash & (room - 1)];
}

static bool reserve_choice(struct plan_maker *k)
{
	if (k->n_choices * 2 < k->room_choices)
		return true;
	uint32_t room = k->room_choices ? k->room_choices * 2 : 64;
	struct plan_choice *at = calloc(room, sizeof *at);
	if (!at) {
		k->no_memory = true;
		return false;
	}
	for (uint32_t i = 0; i < k->room_choices; i++) {
		if (k->choices[i].id)
			*slot_of(at, room, k->choices[i].member) = k->choices[i];
	}
	free(k->choices);
	k->choices = at;
	k->room_choices = room;
	return true;
}

/*
 * Connections of one weight share the flows, those of less weight stand by, and behind all of them
 * the other instance. With that one it is chosen for each packet, since what takes a tunnel's
 * place may be wanted before anybody can say that the tunnel is down: when the workers are gone.
 */
static struct xgw_next_hop choice_of(const struct plan_maker *k, const uint32_t *connections,
				     uint32_t n, const uint32_t member[XGW_HOP_MEMBERS])
{
	const struct model_connection *c = k->m->connections;
	struct xgw_next_hop hop = {
		.kind = XGW_HOP_CHOICE,
		.vnet = k->m->vnets[k->m->gateways[c[connections[0]].gateway].vnet].id};
	bool shared = false;
	memcpy(hop.member, member, sizeof hop.member);
	for (uint32_t i = 1; i < XGW_HOP_MEMBERS && member[i]; i++) {
		bool same = i < n && c[connections[i]].routing_weight ==
					     c[connections[i - 1]].routing_weight;
		shared |= same || i == n;
		hop.groups |= same ? 0 : 1u << i;
	}
	hop.flags = shared ? XGW_HOP_SPREAD : 0;
	hop.groups = shared ? hop.groups : 0;
	return hop;
}

bool plan_add_choice(struct plan_maker *k, const uint32_t member[XGW_HOP_MEMBERS],
		     struct xgw_next_hop hop)
{
	char key[XGW_HOP_MEMBERS * 11 + 1];
	if (!reserve_choice(k))
		return false;
	struct plan_choice *c = slot_of(k->choices, k->room_choices, member);
	memcpy(c->member, member, sizeof c->member);
	snprintf(key, sizeof key, "%u/%u/%u/%u", member[0], member[1], member[2], member[3]);
	c->id = plan_take_id(k, PLAN_ID_CHOICE, key, k->n_choices++);
	if (c->id)
		plan_add_hop(k, c->id, hop);
	return c->id != 0;
}

uint32_t plan_hop_of(struct plan_maker *k, const uint32_t *connections, uint32_t n)
{
	uint32_t member[XGW_HOP_MEMBERS] = {0};
	uint32_t gateway = k->m->connections[connections[0]].gateway;
	uint32_t other = k->p->gateways[gateway].other;
	uint32_t most = XGW_HOP_MEMBERS - !!other;
	if (n == 1 && !other)
		return plan_connection_id(k, connections[0]);
	n = n < most ? n : most;
	for (uint32_t i = 0; i < n; i++)
		member[i] = plan_connection_id(k, connections[i]);
	if (other)
		member[n] = other;
	if (!reserve_choice(k))
		return PLAN_HOP_NONE;
	struct plan_choice *c = slot_of(k->choices, k->room_choices, member);
	if (c->id)
		return c->id;
	if (!plan_add_choice(k, member, choice_of(k, connections, n, member)))
		return PLAN_HOP_NONE;
	name_choice(k, c->id, connections, n, other);
	return c->id;
}

struct reach {
	struct ip_prefix prefix;
	uint32_t gateway, connection, order;
};

static int by_preference(const void *a, const void *b, void *maker)
{
	const struct model *m = ((const struct plan_maker *)maker)->m;
	uint32_t i = *(const uint32_t *)a, j = *(const uint32_t *)b;
	const struct model_connection *x = &m->connections[i], *y = &m->connections[j];
	if (x->routing_weight != y->routing_weight)
		return x->routing_weight > y->routing_weight ? -1 : 1;
	return strcmp(x->name, y->name);
}

uint32_t *plan_orders(struct plan_maker *k)
{
	uint32_t n = k->m->n_connections;
	uint32_t *sorted = calloc(n + 1, sizeof *sorted), *order = calloc(n + 1, sizeof *order);
	for (uint32_t i = 0; sorted && i < n; i++)
		sorted[i] = i;
	if (sorted && order) {
		qsort_r(sorted, n, sizeof *sorted, by_preference, k);
		for (uint32_t i = 0; i < n; i++)
			order[sorted[i]] = i;
	}
	if (!sorted || !order) {
		k->no_memory = true;
		free(order);
		order = NULL;
	}
	free(sorted);
	return order;
}

static int by_reach(const void *a, const void *b)
{
	const struct reach *x = a, *y = b;
	if (x->gateway != y->gateway)
		return x->gateway < y->gateway ? -1 : 1;
	int c = memcmp(&x->prefix, &y->prefix, sizeof x->prefix);
	return c ? c : x->order < y->order ? -1 : x->order > y->order;
}

/* Of all connections, or how many they are. */
static uint32_t collect(const struct plan_maker *k, const uint32_t *order, struct reach *out)
{
	const struct model *m = k->m;
	uint32_t total = 0, n;
	for (uint32_t i = 0; i < m->n_connections; i++) {
		const struct model_connection *c = &m->connections[i];
		const struct ip_prefix *far = offer_remote_space(m, c, &n);
		if (plan_is_kept(k, m->gateways[c->gateway].vnet))
			continue;
		for (uint32_t j = 0; j < n; j++, total++)
			if (out)
				out[total] = (struct reach){ip_prefix_canonical(far[j]), c->gateway,
							    i, order[i]};
	}
	return total;
}

/* In the gateway's network, in those that use it, and for what may come out of circuits. */
static void add_everywhere(struct plan_maker *k, uint32_t gateway, const struct ip_prefix *prefix,
			   const uint32_t *connections, uint32_t n_connections)
{
	uint32_t vnet = k->m->gateways[gateway].vnet, n;
	const struct model_vnet *v = &k->m->vnets[vnet];
	const struct plan_way *ways = plan_ways_of(k, vnet, &n);
	uint32_t hop = plan_hop_of(k, connections, n_connections);
	plan_add_other_candidate(k, gateway, prefix);
	add_behind(k, vnet, prefix, hop, XGW_ROUTE_STATIC);
	for (uint32_t i = 0; v->branch_to_branch && prefix->len && i < n; i++)
		plan_add_route(k, ways[i].domain, prefix, hop, XGW_ROUTE_STATIC, 0);
}

/* In order of gateways, prefixes and preference. */
static struct reach *sort_reach(struct plan_maker *k, uint32_t *n)
{
	uint32_t *order = plan_orders(k);
	*n = order ? collect(k, order, NULL) : 0;
	struct reach *at = *n ? reallocarray(NULL, *n, sizeof *at) : NULL;
	uint32_t *gateway = *n ? reallocarray(NULL, *n, sizeof *gateway) : NULL;
	if (at)
		collect(k, order, at);
	for (uint32_t i = 0; at && gateway && i < *n; i++)
		gateway[i] = at[i].gateway;
	if (!at || !gateway ||
	    !sort_groups((void **)&at, *n, sizeof *at, gateway, k->m->n_gateways, by_reach)) {
		k->no_memory |= *n != 0;
		*n = 0;
	}
	free(gateway);
	free(order);
	return at;
}

void plan_make_gateway_routes(struct plan_maker *k)
{
	uint32_t n, last = 0;
	struct reach *at = sort_reach(k, &n);
	for (uint32_t i = 0; i < n; i = last) {
		uint32_t connections[XGW_HOP_MEMBERS] = {at[i].connection}, members = 1;
		plan_add_candidate(k, at[i].connection, at[i].order, &at[i].prefix);
		for (last = i + 1; last < n && at[last].gateway == at[i].gateway &&
				   ip_prefix_equal(&at[last].prefix, &at[i].prefix);
		     last++) {
			/* a site may say a prefix twice */
			if (at[last].connection == at[last - 1].connection)
				continue;
			plan_add_candidate(k, at[last].connection, at[last].order,
					   &at[last].prefix);
			if (members < XGW_HOP_MEMBERS)
				connections[members++] = at[last].connection;
		}
		add_everywhere(k, at[i].gateway, &at[i].prefix, connections, members);
	}
	free(at);
}

/* ---- the preferred ones ---- */

/* What a longer prefix does not settle: the gateway itself, the network, its peers, its gateway. */
static int rank(const struct xgw_route *r)
{
	if (r->next_hop == PLAN_HOP_GATEWAY)
		return 0;
	switch (r->source) {
	case XGW_ROUTE_SYSTEM: return r->table ? 1 : 2;
	case XGW_ROUTE_PEERING: return 3;
	default: return 4;
	}
}

static bool is_preferred(const struct xgw_route *a, const struct xgw_route *b)
{
	int x = rank(a), y = rank(b);
	return x != y ? x < y : a->next_hop < b->next_hop;
}

static int by_route(const void *a, const void *b)
{
	return plan_compare(PLAN_ROUTES, a, b);
}

static int by_number(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	return x < y ? -1 : x > y;
}

/* The tables that routes may be of so far, in order. */
static uint32_t find_tables(const struct plan *p, uint32_t *out)
{
	uint32_t n = 0;
	for (uint32_t i = 0; i < p->n_vnets; i++)
		out[n++] = p->vnets[i].id;
	for (uint32_t i = 0; i < p->n_domains; i++) {
		if (p->domains[i])
			out[n++] = p->domains[i];
	}
	qsort(out, n, sizeof *out, by_number);
	return n;
}

#define CACHED 1024u /* of tables that take turns */

/* By route the place of its table among them. */
static void find_groups(const struct plan *p, const uint32_t *tables, uint32_t n, uint32_t *group)
{
	uint32_t at[CACHED] = {0};
	for (uint32_t i = 0; i < p->n_routes; i++) {
		uint32_t *known = &at[p->routes[i].vnet % CACHED];
		if (tables[*known] != p->routes[i].vnet)
			*known = (uint32_t)((const uint32_t *)bsearch(&p->routes[i].vnet, tables, n,
								      sizeof *tables, by_number) -
					    tables);
		group[i] = *known;
	}
}

static bool sort_routes(struct plan *p)
{
	uint32_t *tables = calloc(p->n_vnets + p->n_domains + 1u, sizeof *tables);
	uint32_t *group = reallocarray(NULL, p->n_routes + 1u, sizeof *group);
	bool good = tables && group;
	if (good && p->n_routes) {
		uint32_t n = find_tables(p, tables);
		find_groups(p, tables, n, group);
		good = sort_groups((void **)&p->routes, p->n_routes, sizeof *p->routes, group, n,
				   by_route);
	}
	free(tables);
	free(group);
	return good;
}

void plan_choose_routes(struct plan_maker *k)
{
	struct plan *p = k->p;
	uint32_t kept = 0;
	if (!sort_routes(p)) {
		k->no_memory = true;
		return;
	}
	k->room[PLAN_ROUTES] = p->n_routes;
	for (uint32_t i = 0; i < p->n_routes; i++) {
		struct plan_entry_route *last = kept ? &p->routes[kept - 1] : NULL;
		if (!last || by_route(last, &p->routes[i]) != 0)
			p->routes[kept++] = p->routes[i];
		else if (is_preferred(&p->routes[i].value, &last->value))
			*last = p->routes[i];
	}
	p->n_routes = kept;
}
