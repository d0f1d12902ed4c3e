/* SPDX-License-Identifier: Apache-2.0 */
/* Rules of route tables, alone and in the virtual networks that use them. */
#include "control/validate_internal.h"

#include <stdlib.h>
#include <string.h>

static void name_twice(struct judge *j, const struct unique_item *item,
		       const struct unique_item *first)
{
	findings_error(j->findings, item->place,
		       "name: '%s' is the name of another route, in line %u; names are unique in "
		       "their route table",
		       item->name, first->place.line);
}

static void prefix_twice(struct judge *j, const struct unique_item *item,
			 const struct unique_item *first)
{
	struct ip_prefix p;
	char text[PREFIX_TEXT];
	memcpy(&p, item->key, sizeof p);
	findings_error(j->findings, item->place,
		       "addressPrefix: %s has a route in this table already, in line %u",
		       ip_prefix_format(&p, text), first->place.line);
}

static void check_table(struct judge *j, const struct model_route_table *t)
{
	struct unique names = {0}, prefixes = {0};
	for (uint32_t i = 0; i < t->n_routes; i++) {
		const struct model_route *r = &t->routes[i];
		if (*r->name)
			unique_add(j, &names, r->name, strlen(r->name), r->place, r->name);
		if (r->incomplete)
			continue;
		unique_add(j, &prefixes, &r->prefix, sizeof r->prefix, r->prefix_at, NULL);
		if (r->hop == MODEL_HOP_APPLIANCE && r->appliance.family != r->prefix.addr.family)
			findings_error(
				j->findings, r->hop_at,
				"nextHopIpAddress: an IPv%d address for an IPv%d prefix; both "
				"must be of one family",
				r->appliance.family, r->prefix.addr.family);
	}
	unique_report(j, &names, name_twice);
	unique_report(j, &prefixes, prefix_twice);
}

/* Once for each pair of network and table. */
struct use {
	uint32_t vnet, table;
	const struct model_subnet *subnet;
};

static bool sends_default(const struct model_route *r)
{
	return !r->incomplete && r->hop == MODEL_HOP_GATEWAY && !r->prefix.len;
}

static bool has_default_route(const struct judge *j, uint32_t gateway, uint8_t family)
{
	const struct model_gateway *g = &j->m->gateways[gateway];
	if (g->default_site != MODEL_NONE || g->enable_bgp || g->incomplete)
		return true;
	for (uint32_t i = j->first[gateway]; i < j->first[gateway + 1]; i++) {
		const struct model_connection *c = &j->m->connections[j->by_gateway[i]];
		const struct model_site *s = c->site != MODEL_NONE ? &j->m->sites[c->site] : NULL;
		for (uint32_t k = 0; s && k < s->n_address_space; k++) {
			if (!s->address_space[k].len && s->address_space[k].addr.family == family)
				return true;
		}
	}
	return false;
}

static void check_gateway_routes(struct judge *j, const struct use *u)
{
	const struct model_route_table *t = &j->m->tables[u->table];
	const struct model_vnet *v = &j->m->vnets[u->vnet];
	const struct model_route *to_gateway = NULL, *to_default = NULL;
	uint32_t gateway = model_gateway_of(j->m, u->vnet);
	for (uint32_t i = 0; i < t->n_routes; i++) {
		if (!t->routes[i].incomplete && t->routes[i].hop == MODEL_HOP_GATEWAY)
			to_gateway = &t->routes[i];
		if (sends_default(&t->routes[i]))
			to_default = &t->routes[i];
	}
	if (!to_gateway)
		return;
	if (v->vpn_gateway != MODEL_NONE && v->express_route_gateway != MODEL_NONE)
		findings_error(
			j->findings, u->subnet->table_at,
			"routeTable: %s sends to VirtualNetworkGateway, which is not possible "
			"in %s with a Vpn and an ExpressRoute gateway",
			t->name, v->name);
	else if (gateway == MODEL_NONE)
		findings_warn(j->findings, u->subnet->table_at,
			      "routeTable: %s sends to VirtualNetworkGateway, and %s has no Vpn "
			      "gateway, nor one by useRemoteGateways; that traffic is dropped",
			      t->name, v->name);
	else if (to_default && !has_default_route(j, gateway, to_default->prefix.addr.family))
		findings_warn(
			j->findings, u->subnet->table_at,
			"routeTable: %s sends the default route to VirtualNetworkGateway, and "
			"%s has no gatewayDefaultSite, nor a site with that prefix; that "
			"traffic is dropped",
			t->name, j->m->gateways[gateway].name);
}

static bool is_within(const struct model_vnet *v, const struct ip_addr *a)
{
	for (uint32_t i = 0; i < v->n_address_space; i++) {
		if (ip_prefix_contains(&v->address_space[i], a))
			return true;
	}
	return false;
}

static bool is_reachable(const struct model *m, const struct model_vnet *v, const struct ip_addr *a)
{
	bool found = is_within(v, a);
	for (uint32_t i = 0; !found && i < v->n_peerings; i++) {
		const struct model_peering *p = &v->peerings[i];
		found = p->incomplete || is_within(&m->vnets[p->remote], a);
	}
	return found;
}

static void check_appliances(struct judge *j, const struct use *u)
{
	char text[IP_TEXT];
	const struct model_route_table *t = &j->m->tables[u->table];
	const struct model_vnet *v = &j->m->vnets[u->vnet];
	for (uint32_t i = 0; i < t->n_routes; i++) {
		const struct model_route *r = &t->routes[i];
		if (!r->incomplete && r->hop == MODEL_HOP_APPLIANCE &&
		    !is_reachable(j->m, v, &r->appliance))
			findings_warn(
				j->findings, u->subnet->table_at,
				"routeTable: nextHopIpAddress %s of %s in %s is neither in %s "
				"nor in a network peered with it; that traffic is dropped",
				ip_addr_format(&r->appliance, text), r->name, t->name, v->name);
	}
}

/* The gateway's own way out is not the user's to bend. */
static void check_gateway_subnet(struct judge *j, const struct model_subnet *s)
{
	const struct model_route_table *t = &j->m->tables[s->route_table];
	if (strcmp(s->name, MODEL_GATEWAY_SUBNET) != 0)
		return;
	if (t->withholds)
		findings_error(j->findings, s->table_at,
			       "routeTable: %s has disableBgpRoutePropagation; the gateway itself "
			       "needs its routes, the table of GatewaySubnet may not have it",
			       t->name);
	for (uint32_t i = 0; i < t->n_routes; i++) {
		const struct model_route *r = &t->routes[i];
		if (!r->incomplete && !r->prefix.len)
			findings_error(
				j->findings, s->table_at,
				"routeTable: %s has a default route, %s in line %u; the table "
				"of GatewaySubnet may not have one",
				t->name, r->name, r->place.line);
	}
}

static int by_use(const void *a, const void *b)
{
	const struct use *x = a, *y = b;
	if (x->vnet != y->vnet)
		return x->vnet < y->vnet ? -1 : 1;
	if (x->table != y->table)
		return x->table < y->table ? -1 : 1;
	return x->subnet < y->subnet ? -1 : x->subnet > y->subnet;
}

static uint32_t collect(const struct model *m, struct use *out)
{
	uint32_t n = 0;
	for (uint32_t i = 0; i < m->n_vnets; i++) {
		const struct model_vnet *v = &m->vnets[i];
		for (uint32_t k = 0; !v->incomplete && k < v->n_subnets; k++) {
			if (v->subnets[k].incomplete || v->subnets[k].route_table == MODEL_NONE)
				continue;
			if (out)
				out[n] = (struct use){i, v->subnets[k].route_table, &v->subnets[k]};
			n++;
		}
	}
	return n;
}

static bool is_v6(const struct ip_prefix *p)
{
	return p->addr.family == IP_V6;
}

/* Networks peered with the hub: each of their prefixes may become one (plan_tables.c). */
static uint64_t count_by_hub(const struct judge *j, const struct model_vnet *hub, int v6)
{
	uint64_t n = 0;
	for (uint32_t i = 0; i < hub->n_peerings; i++) {
		const struct model_vnet *far =
			hub->peerings[i].incomplete ? NULL : &j->m->vnets[hub->peerings[i].remote];
		for (uint32_t k = 0; far && k < far->n_address_space; k++)
			n += is_v6(&far->address_space[k]) == (v6 != 0);
	}
	return n;
}

static uint64_t count_use(const struct judge *j, uint32_t vnet, uint32_t table, int v6)
{
	const struct model_route_table *t = &j->m->tables[table];
	uint32_t gateway = model_gateway_of(j->m, vnet);
	uint64_t n = 0;
	bool asks = false;
	for (uint32_t i = 0; i < t->n_routes; i++) {
		n += is_v6(&t->routes[i].prefix) == (v6 != 0);
		asks |= t->routes[i].hop == MODEL_HOP_GATEWAY;
	}
	if (asks && gateway != MODEL_NONE && j->m->gateways[gateway].vnet != vnet)
		n += count_by_hub(j, &j->m->vnets[j->m->gateways[gateway].vnet], v6);
	return n;
}

uint64_t validate_user_routes(const struct judge *j, int v6)
{
	uint64_t n = 0;
	for (uint32_t i = 0; i < j->m->n_vnets; i++) {
		const struct model_vnet *v = &j->m->vnets[i];
		uint32_t last = MODEL_NONE; /* a table of neighbours is one table */
		for (uint32_t k = 0; k < v->n_subnets; k++) {
			uint32_t table = v->subnets[k].route_table;
			if (table == MODEL_NONE || table == last)
				continue;
			n += count_use(j, i, table, v6);
			last = table;
		}
	}
	return n;
}

void validate_tables(struct judge *j)
{
	for (uint32_t i = 0; i < j->m->n_tables; i++)
		check_table(j, &j->m->tables[i]);
	uint32_t n = collect(j->m, NULL);
	struct use *at = n ? calloc(n, sizeof *at) : NULL;
	j->no_memory |= n && !at;
	n = at ? collect(j->m, at) : 0;
	if (n)
		qsort(at, n, sizeof *at, by_use);
	for (uint32_t i = 0; i < n; i++) {
		check_gateway_subnet(j, at[i].subnet);
		if (i && at[i].vnet == at[i - 1].vnet && at[i].table == at[i - 1].table)
			continue;
		check_gateway_routes(j, &at[i]);
		check_appliances(j, &at[i]);
	}
	free(at);
}
