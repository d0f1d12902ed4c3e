/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tables of user routes. A table means something else in each virtual network that uses it, so each
 * pair has a number of its own. VirtualNetworkGateway is resolved here: the longest of the
 * gateway's own routes that covers the user's prefix, else gatewayDefaultSite; what the network's
 * own routes know better is longer, and goes before. A gateway with BGP may learn something longer:
 * that such a route follows it is said beside (plan.follows).
 */
#include "control/plan_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- numbers ---- */

static int by_pair(const void *a, const void *b)
{
	const struct plan_pair *x = a, *y = b;
	if (x->vnet != y->vnet)
		return x->vnet < y->vnet ? -1 : 1;
	return x->table < y->table ? -1 : x->table > y->table;
}

static uint32_t collect_pairs(const struct model *m, struct plan_pair *out)
{
	uint32_t n = 0;
	for (uint32_t i = 0; i < m->n_vnets; i++) {
		for (uint32_t j = 0; j < m->vnets[i].n_subnets; j++) {
			uint32_t table = m->vnets[i].subnets[j].route_table;
			if (table == MODEL_NONE)
				continue;
			if (out)
				out[n] = (struct plan_pair){i, table, 0};
			n++;
		}
	}
	return n;
}

static void note_gateway_table(struct plan_maker *k, const struct plan_pair *p)
{
	const struct model_vnet *v = &k->m->vnets[p->vnet];
	for (uint32_t i = 0; i < v->n_subnets; i++) {
		if (v->subnets[i].route_table == p->table &&
		    !strcmp(v->subnets[i].name, MODEL_GATEWAY_SUBNET))
			k->gateway_tables[p->vnet] = p->id;
	}
}

int plan_number_tables(struct plan_maker *k)
{
	char text[2 * XGW_NAME + 2];
	uint32_t n = collect_pairs(k->m, NULL);
	k->gateway_tables = calloc(k->m->n_vnets + 1, sizeof *k->gateway_tables);
	k->pairs = calloc(n + 1, sizeof *k->pairs);
	if (!k->gateway_tables || !k->pairs)
		return -ENOMEM;
	n = collect_pairs(k->m, k->pairs);
	qsort(k->pairs, n, sizeof *k->pairs, by_pair);
	for (uint32_t i = 0; i < n && !k->err; i++) {
		if (k->n_pairs && by_pair(&k->pairs[k->n_pairs - 1], &k->pairs[i]) == 0)
			continue;
		struct plan_pair *p = &k->pairs[k->n_pairs];
		*p = k->pairs[i];
		snprintf(text, sizeof text, "%u/%s", k->m->vnets[p->vnet].id,
			 k->m->tables[p->table].name);
		p->id = plan_take_id(k, PLAN_ID_TABLE, text, k->n_pairs++);
		note_gateway_table(k, p);
		snprintf(text, sizeof text, "%s/%s", k->m->vnets[p->vnet].name,
			 k->m->tables[p->table].name);
		plan_add_name(k, XGW_NAME_TABLE, p->id, text);
	}
	return k->err;
}

/* ---- what covers a prefix ---- */

/* Routes of one VNet among the chosen ones: positions, since the array moves as it grows. */
struct span {
	uint32_t first, n;
};

/* How many of them stand before a VNet and prefix. */
static uint32_t position(const struct plan *p, struct span s, const struct plan_entry_route *key)
{
	uint32_t low = 0, high = s.n;
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		if (plan_compare(PLAN_ROUTES, &p->routes[s.first + middle], key) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static struct span span_of(const struct plan *p, uint32_t chosen, uint32_t table)
{
	const struct span all = {0, chosen};
	const struct plan_entry_route first = {.vnet = table}, behind = {.vnet = table + 1};
	uint32_t at = position(p, all, &first);
	return (struct span){at, position(p, all, &behind) - at};
}

static struct span routes_of(const struct plan_maker *k, uint32_t chosen, uint32_t vnet)
{
	return span_of(k->p, chosen, k->m->vnets[vnet].id);
}

/* The longest that covers a prefix; NULL. Until the next route is added. */
static const struct plan_entry_route *cover(const struct plan *p, struct span s,
					    const struct ip_prefix *prefix)
{
	struct plan_entry_route key = {.vnet = s.n ? p->routes[s.first].vnet : 0};
	for (int len = prefix->len; s.n && len >= 0; len--) {
		struct ip_prefix shorter = *prefix;
		shorter.len = (uint8_t)len;
		key.prefix = ip_prefix_canonical(shorter);
		uint32_t i = position(p, s, &key);
		const struct plan_entry_route *r = &p->routes[s.first + i];
		if (i < s.n && ip_prefix_equal(&r->prefix, &key.prefix))
			return r;
	}
	return NULL;
}

struct plan_entry_route *plan_cover(struct plan *p, uint32_t chosen, uint32_t table,
				    const struct ip_prefix *prefix)
{
	const struct plan_entry_route *r = cover(p, span_of(p, chosen, table), prefix);
	return r ? &p->routes[r - p->routes] : NULL;
}

/* ---- next hops ---- */

/* One table of one network while its routes are made. */
struct tabling {
	struct plan_maker *k;
	uint32_t vnet, id, first_hop;
	const struct model_route_table *table;
	uint32_t gateway, hub; /* that its VirtualNetworkGateway is, MODEL_NONE */
	uint32_t default_hop;  /* to the gateway's default site */
	uint32_t chosen;       /* how many routes the networks have */
	struct span own, hubs; /* those of this one, and of the hub */
};

/* Once for all tables. */
static bool index_sites(struct plan_maker *k)
{
	const struct model *m = k->m;
	if (k->site_first)
		return true;
	k->site_first = reallocarray(NULL, m->n_sites + 1u, sizeof *k->site_first);
	k->site_next = reallocarray(NULL, m->n_connections + 1u, sizeof *k->site_next);
	if (!k->site_first || !k->site_next) {
		k->no_memory = true;
		return false;
	}
	for (uint32_t i = 0; i < m->n_sites; i++)
		k->site_first[i] = MODEL_NONE;
	for (uint32_t i = m->n_connections; i-- > 0;) {
		if (m->connections[i].site == MODEL_NONE)
			continue;
		k->site_next[i] = k->site_first[m->connections[i].site];
		k->site_first[m->connections[i].site] = i;
	}
	return true;
}

/* All connections of a gateway to its default site. */
static uint32_t default_site_hop(struct plan_maker *k, uint32_t gateway)
{
	const struct model *m = k->m;
	uint32_t found[XGW_HOP_MEMBERS], n = 0;
	if (!index_sites(k))
		return PLAN_HOP_NONE;
	for (uint32_t i = k->site_first[m->gateways[gateway].default_site]; i != MODEL_NONE;
	     i = k->site_next[i]) {
		const struct model_connection *c = &m->connections[i];
		if (c->gateway != gateway)
			continue;
		uint32_t at = n < XGW_HOP_MEMBERS ? n++ : XGW_HOP_MEMBERS;
		for (; at > 0; at--) {
			const struct model_connection *x = &m->connections[found[at - 1]];
			bool before = c->routing_weight != x->routing_weight
					      ? c->routing_weight > x->routing_weight
					      : strcmp(c->name, x->name) < 0;
			if (!before)
				break;
			if (at < XGW_HOP_MEMBERS)
				found[at] = found[at - 1];
		}
		if (at < XGW_HOP_MEMBERS)
			found[at] = i;
	}
	return n ? plan_hop_of(k, found, n) : PLAN_HOP_NONE;
}

/*
 * Where a route of a network's own leads its hosts. The data path asks a user's route for no rights
 * of a peering, so what is for tunnels alone leads nowhere.
 */
static uint32_t hop_for_hosts(const struct plan_entry_route *r)
{
	return r->value.flags & XGW_ROUTE_TRANSIT ? PLAN_HOP_NONE : r->value.next_hop;
}

static const struct model_peering *peering_to(const struct model *m, uint32_t from, uint32_t hop,
					      const struct plan_maker *k)
{
	const struct model_vnet *v = &m->vnets[from];
	for (uint32_t i = 0; i < v->n_peerings; i++) {
		if (plan_local_id(k, v->peerings[i].remote) == hop)
			return &v->peerings[i];
	}
	return NULL;
}

/*
 * What the hub's gateway does with a packet of a spoke that its route r covers. Another network
 * gets it only when that one uses the gateway too, and the hub's own hosts only as the peering
 * between the two says.
 */
static uint32_t through_hub(const struct tabling *t, const struct plan_entry_route *r,
			    const struct ip_prefix *prefix)
{
	const struct plan_maker *k = t->k;
	if (r->value.source == XGW_ROUTE_SYSTEM) {
		const struct plan_entry_route *own = cover(t->k->p, t->own, prefix);
		return own && own->value.source == XGW_ROUTE_PEERING ? hop_for_hosts(own)
								     : PLAN_HOP_NONE;
	}
	if (r->value.source != XGW_ROUTE_PEERING)
		return r->value.next_hop;
	const struct model_peering *p = peering_to(k->m, t->hub, r->value.next_hop, k);
	return p && model_peering_gives_transit(k->m, p) ? r->value.next_hop : PLAN_HOP_NONE;
}

static uint32_t to_gateway(const struct tabling *t, const struct ip_prefix *prefix)
{
	const struct model *m = t->k->m;
	if (t->gateway == MODEL_NONE)
		return PLAN_HOP_NONE;
	const struct plan_entry_route *r = cover(t->k->p, t->hubs, prefix);
	/* the default site is the gateway's default route, whatever sites say of 0.0.0.0/0 */
	if (m->gateways[t->gateway].default_site != MODEL_NONE && (!r || !r->prefix.len))
		return t->default_hop;
	if (!r)
		return PLAN_HOP_NONE;
	return t->hub == t->vnet ? hop_for_hosts(r) : through_hub(t, r, prefix);
}

/* One next hop for all routes of a table to the same appliance. */
static uint32_t appliance_hop(const struct tabling *t, uint32_t vnet, const struct ip_addr *address)
{
	struct plan_maker *k = t->k;
	struct xgw_next_hop hop = {.kind = XGW_HOP_APPLIANCE, .vnet = k->m->vnets[vnet].id};
	char text[XGW_NAME], shown[IP_TEXT];
	ip_addr_to_mapped(address, hop.address);
	for (uint32_t i = t->first_hop; i < k->p->n_hops; i++) {
		if (!memcmp(&k->p->hops[i].value, &hop, sizeof hop))
			return k->p->hops[i].id;
	}
	char key[IP_TEXT + 24];
	ip_addr_format(address, shown);
	snprintf(key, sizeof key, "%u/%u/%s", t->id, hop.vnet, shown);
	uint32_t id = plan_take_id(k, PLAN_ID_APPLIANCE, key, t->vnet);
	if (!id)
		return PLAN_HOP_NONE;
	plan_add_hop(k, id, hop);
	snprintf(text, sizeof text, "appliance %s", shown);
	plan_add_name(k, XGW_NAME_HOP, id, text);
	return id;
}

/* In this network or in one that is peered with it; elsewhere nothing can reach it. */
static uint32_t to_appliance(const struct tabling *t, const struct model_route *route)
{
	const struct plan_maker *k = t->k;
	struct ip_prefix alone = {route->appliance, (uint8_t)ip_addr_bits(&route->appliance)};
	const struct plan_entry_route *r = cover(t->k->p, t->own, &alone);
	if (!r || hop_for_hosts(r) < PLAN_HOP_LOCAL)
		return PLAN_HOP_NONE;
	if (r->value.source == XGW_ROUTE_SYSTEM)
		return appliance_hop(t, t->vnet, &route->appliance);
	const struct model_peering *p = r->value.source == XGW_ROUTE_PEERING
						? peering_to(k->m, t->vnet, r->value.next_hop, k)
						: NULL;
	return p ? appliance_hop(t, p->remote, &route->appliance) : PLAN_HOP_NONE;
}

static uint32_t resolve(const struct tabling *t, const struct model_route *route)
{
	switch (route->hop) {
	case MODEL_HOP_VNET_LOCAL: return plan_local_id(t->k, t->vnet);
	case MODEL_HOP_GATEWAY: return to_gateway(t, &route->prefix);
	case MODEL_HOP_INTERNET: return PLAN_HOP_INTERNET;
	case MODEL_HOP_APPLIANCE: return to_appliance(t, route);
	case MODEL_HOP_NONE: break;
	}
	return PLAN_HOP_NONE;
}

/* ---- networks that a spoke reaches through its hub's gateway alone ---- */

/* The longest of the table's own routes that covers a prefix. */
static const struct model_route *user_route(const struct model_route_table *table,
					    const struct ip_prefix *prefix)
{
	const struct model_route *best = NULL;
	for (uint32_t i = 0; i < table->n_routes; i++) {
		const struct model_route *r = &table->routes[i];
		if (ip_prefix_covers(&r->prefix, prefix) &&
		    (!best || r->prefix.len > best->prefix.len))
			best = r;
	}
	return best;
}

/*
 * A spoke's user route to the gateway covers other networks peered with the hub, which the spoke
 * itself has no routes to (a peering is not transitive): each of their prefixes gets a route, to
 * the spokes among them and to nowhere of the others, unless the spoke or its table knows better.
 */
static void add_spokes(const struct tabling *t)
{
	const struct model *m = t->k->m;
	const struct model_vnet *v = &m->vnets[t->hub];
	for (uint32_t i = 0; i < v->n_peerings; i++) {
		const struct model_peering *p = &v->peerings[i];
		if (p->remote == t->vnet || p->back == MODEL_NONE)
			continue;
		uint32_t hop = model_peering_gives_transit(m, p) ? plan_local_id(t->k, p->remote)
								 : PLAN_HOP_NONE;
		const struct model_vnet *far = &m->vnets[p->remote];
		for (uint32_t j = 0; j < far->n_address_space; j++) {
			const struct ip_prefix *prefix = &far->address_space[j];
			const struct model_route *u = user_route(t->table, prefix);
			if (!u || u->hop != MODEL_HOP_GATEWAY || u->prefix.len == prefix->len)
				continue;
			const struct plan_entry_route *own = cover(t->k->p, t->own, prefix);
			if (own && own->prefix.len > u->prefix.len)
				continue;
			plan_add_route(t->k, t->id, prefix, hop, XGW_ROUTE_USER, XGW_ROUTE_GATEWAY);
		}
	}
}

static bool asks_gateway(const struct model_route_table *t)
{
	for (uint32_t i = 0; i < t->n_routes; i++) {
		if (t->routes[i].hop == MODEL_HOP_GATEWAY)
			return true;
	}
	return false;
}

static void follow_gateway(const struct tabling *t, const struct ip_prefix *prefix)
{
	struct plan_maker *k = t->k;
	struct plan *p = k->p;
	if (t->gateway == MODEL_NONE || !p->n_peers)
		return;
	uint8_t least = k->m->gateways[t->gateway].default_site != MODEL_NONE;
	if (least > prefix->len)
		return;
	if (p->n_follows == k->room_follows) {
		uint32_t room = k->room_follows ? k->room_follows * 2 : 16;
		struct plan_follow *at = reallocarray(p->follows, room, sizeof *at);
		if (!at) {
			k->no_memory = true;
			return;
		}
		p->follows = at;
		k->room_follows = room;
	}
	struct plan_follow *f = &p->follows[p->n_follows++];
	memset(f, 0, sizeof *f);
	f->table = t->id;
	f->prefix = ip_prefix_canonical(*prefix);
	f->of = k->m->vnets[t->hub].id;
	f->least = least;
}

static void make_table(struct tabling *t)
{
	const struct model *m = t->k->m;
	t->gateway = asks_gateway(t->table) ? model_gateway_of(m, t->vnet) : MODEL_NONE;
	t->default_hop = PLAN_HOP_NONE;
	t->hub = t->vnet;
	t->own = routes_of(t->k, t->chosen, t->vnet);
	if (t->gateway != MODEL_NONE) {
		t->hub = m->gateways[t->gateway].vnet;
		t->hubs = routes_of(t->k, t->chosen, t->hub);
		if (m->gateways[t->gateway].default_site != MODEL_NONE)
			t->default_hop = default_site_hop(t->k, t->gateway);
	}
	for (uint32_t i = 0; i < t->table->n_routes; i++) {
		const struct model_route *route = &t->table->routes[i];
		plan_add_route(t->k, t->id, &route->prefix, resolve(t, route), XGW_ROUTE_USER,
			       route->hop == MODEL_HOP_GATEWAY ? XGW_ROUTE_GATEWAY : 0);
		if (route->hop == MODEL_HOP_GATEWAY)
			follow_gateway(t, &route->prefix);
	}
	if (t->hub != t->vnet)
		add_spokes(t);
}

static int by_route(const void *a, const void *b)
{
	return plan_compare(PLAN_ROUTES, a, b);
}

static int by_follow(const void *a, const void *b)
{
	const struct plan_follow *x = a, *y = b;
	if (x->table != y->table)
		return x->table < y->table ? -1 : 1;
	return memcmp(&x->prefix, &y->prefix, sizeof x->prefix);
}

void plan_make_table_routes(struct plan_maker *k)
{
	uint32_t chosen = k->p->n_routes;
	for (uint32_t i = 0; i < k->n_pairs; i++) {
		const struct plan_pair *p = &k->pairs[i];
		struct tabling t = {.k = k,
				    .vnet = p->vnet,
				    .id = p->id,
				    .first_hop = k->p->n_hops,
				    .table = &k->m->tables[p->table],
				    .chosen = chosen};
		make_table(&t);
	}
	/* numbers of tables are behind those of networks: with this the whole is in order */
	if (k->p->n_routes > chosen)
		qsort(k->p->routes + chosen, k->p->n_routes - chosen, sizeof *k->p->routes,
		      by_route);
	if (k->p->n_follows)
		qsort(k->p->follows, k->p->n_follows, sizeof *k->p->follows, by_follow);
}
