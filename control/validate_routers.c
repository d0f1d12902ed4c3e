/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rules between what one router serves: the gateways of one virtual network and those that a
 * circuit joins share its addresses and its table of routes.
 */
#include "control/validate_internal.h"

#include <stdlib.h>
#include <string.h>

struct routers {
	struct judge *j;
	uint32_t *set;			       /* by gateway, see model_join_gateways */
	const struct model_connection **first; /* by circuit: its first connection, or NULL */
};

static bool is_circuit(const struct model *m, const struct model_connection *c)
{
	return c->express_route && validate_is_known(m, c) && m->gateways[c->gateway].express_route;
}

/* ---- autonomous systems ---- */

static void check_asns(const struct routers *r, const struct model_connection *c)
{
	const struct model *m = r->j->m;
	const struct model_circuit *circuit = &m->circuits[c->circuit];
	const struct model_gateway *g = &m->gateways[c->gateway];
	const struct model_gateway *first = &m->gateways[r->first[c->circuit]->gateway];
	if (first->bgp.asn != g->bgp.asn)
		findings_error(r->j->findings, c->gateway_at,
			       "virtualNetworkGateway1: the AS number of %s is %u and that of %s "
			       "%u; gateways that share a circuit, here %s, have one",
			       g->name, g->bgp.asn, first->name, first->bgp.asn, circuit->name);
	for (uint32_t i = 0; i < circuit->n_peerings; i++) {
		if (circuit->peerings[i].peer_asn == g->bgp.asn)
			findings_error(r->j->findings, circuit->peerings[i].asn_at,
				       "peerASN: %u is the AS number of %s; each side needs its "
				       "own",
				       g->bgp.asn, g->name);
	}
}

/* ---- prefixes that must be apart ---- */

struct apart {
	uint32_t where; /* a set of gateways, or a circuit */
	struct ip_prefix prefix;
	struct model_place place;
	uint32_t of; /* the circuit, the network */
};

static int by_prefix(const void *a, const void *b)
{
	const struct apart *x = a, *y = b;
	if (x->where != y->where)
		return x->where < y->where ? -1 : 1;
	int c = ip_addr_cmp(&x->prefix.addr, &y->prefix.addr);
	if (!c && x->prefix.len != y->prefix.len)
		return x->prefix.len < y->prefix.len ? -1 : 1;
	return c ? c : x->of < y->of ? -1 : x->of > y->of;
}

/* The prefixes of each place in order: what covers the next ones is remembered. */
static void check_apart(const struct routers *r, struct apart *at, uint32_t n,
			void (*overlap)(const struct routers *r, const struct apart *inner,
					const struct apart *outer))
{
	const struct apart *outer = NULL;
	if (n)
		qsort(at, n, sizeof *at, by_prefix);
	for (uint32_t i = 0; i < n; i++) {
		if (!outer || outer->where != at[i].where ||
		    !ip_prefix_covers(&outer->prefix, &at[i].prefix))
			outer = &at[i];
		else if (outer->of != at[i].of)
			overlap(r, &at[i], outer);
	}
}

static void links_overlap(const struct routers *r, const struct apart *inner,
			  const struct apart *outer)
{
	char a[PREFIX_TEXT], b[PREFIX_TEXT];
	findings_error(r->j->findings, inner->place,
		       "peerings: %s overlaps %s of %s, in line %u; the links of circuits that "
		       "gateways join need prefixes of their own",
		       ip_prefix_format(&inner->prefix, a), ip_prefix_format(&outer->prefix, b),
		       r->j->m->circuits[outer->of].name, outer->place.line);
}

static uint32_t collect_links(const struct routers *r, struct apart *out)
{
	const struct model *m = r->j->m;
	uint32_t n = 0;
	for (uint32_t i = 0; i < m->n_circuits; i++) {
		for (uint32_t k = 0; r->first[i] && k < m->circuits[i].n_peerings * 4; k++) {
			const struct model_circuit_link *l =
				&m->circuits[i].peerings[k / 4].link[k / 2 % 2];
			if (!l->prefix[k % 2].addr.family)
				continue;
			if (out)
				out[n] = (struct apart){r->set[r->first[i]->gateway],
							l->prefix[k % 2], l->prefix_at[k % 2], i};
			n++;
		}
	}
	return n;
}

static void networks_overlap(const struct routers *r, const struct apart *inner,
			     const struct apart *outer)
{
	const struct model *m = r->j->m;
	char a[PREFIX_TEXT], b[PREFIX_TEXT];
	findings_error(r->j->findings, inner->place,
		       "expressRouteCircuit: %s of %s overlaps %s of %s, and %s leads to both; "
		       "networks on one circuit need address spaces of their own",
		       ip_prefix_format(&inner->prefix, a), m->vnets[inner->of].name,
		       ip_prefix_format(&outer->prefix, b), m->vnets[outer->of].name,
		       m->circuits[inner->where].name);
}

static uint32_t add_network(const struct routers *r, const struct model_connection *c,
			    uint32_t vnet, struct apart *out)
{
	const struct model_vnet *v = &r->j->m->vnets[vnet];
	for (uint32_t i = 0; out && i < v->n_address_space; i++)
		out[i] = (struct apart){c->circuit, v->address_space[i], c->peer_at, vnet};
	return v->n_address_space;
}

/* The gateway's network, and those that use it. */
static uint32_t collect_networks(const struct routers *r, struct apart *out)
{
	const struct model *m = r->j->m;
	uint32_t n = 0;
	for (uint32_t i = 0; i < m->n_connections; i++) {
		const struct model_connection *c = &m->connections[i];
		if (!is_circuit(m, c))
			continue;
		uint32_t vnet = m->gateways[c->gateway].vnet;
		n += add_network(r, c, vnet, out ? out + n : NULL);
		for (uint32_t k = 0; k < m->vnets[vnet].n_peerings; k++) {
			const struct model_peering *p = &m->vnets[vnet].peerings[k];
			if (!p->incomplete && model_peering_gives_transit(m, p))
				n += add_network(r, c, p->remote, out ? out + n : NULL);
		}
	}
	return n;
}

static void check_prefixes(const struct routers *r,
			   uint32_t (*collect)(const struct routers *r, struct apart *out),
			   void (*overlap)(const struct routers *r, const struct apart *inner,
					   const struct apart *outer))
{
	uint32_t n = collect(r, NULL);
	struct apart *at = n ? calloc(n, sizeof *at) : NULL;
	r->j->no_memory |= n && !at;
	n = at ? collect(r, at) : 0;
	check_apart(r, at, n, overlap);
	free(at);
}

/* ---- addresses that speak BGP ---- */

static void local_twice(struct judge *j, const struct unique_item *item,
			const struct unique_item *first)
{
	findings_error(j->findings, item->place,
		       "bgpSettings: %s, in line %u, has that address; gateways that a circuit "
		       "joins need addresses of their own",
		       first->name, first->place.line);
}

static void peer_twice(struct judge *j, const struct unique_item *item,
		       const struct unique_item *first)
{
	findings_error(
		j->findings, item->place,
		"enableBgp: the peer has the bgpPeeringAddress of that of %s, in line %u; each "
		"needs its own",
		first->name, first->place.line);
}

static void add_address(const struct routers *r, struct unique *u, uint32_t gateway,
			const struct ip_addr *address, struct model_place at, const char *name)
{
	struct {
		uint32_t set;
		struct ip_addr address;
	} key;
	memset(&key, 0, sizeof key);
	key.set = r->set[gateway];
	key.address = *address;
	if (address->family)
		unique_add(r->j, u, &key, sizeof key, at, name);
}

static void check_addresses(const struct routers *r)
{
	const struct model *m = r->j->m;
	struct unique locals = {0}, peers = {0};
	for (uint32_t i = 0; i < m->n_gateways; i++) {
		const struct model_gateway *g = &m->gateways[i];
		const struct model_bgp *b = &g->bgp;
		if (g->express_route || !g->enable_bgp)
			continue;
		add_address(r, &locals, i, &b->address,
			    b->address_at.line ? b->address_at : g->bgp_at, g->name);
		/* doubles of one gateway are told where it is judged */
		for (uint32_t k = 0; k < b->n_custom; k++) {
			bool again = ip_addr_equal(&b->custom[k], &b->address);
			for (uint32_t l = 0; l < k; l++)
				again = again || ip_addr_equal(&b->custom[l], &b->custom[k]);
			if (!again)
				add_address(r, &locals, i, &b->custom[k], b->custom_at[k], g->name);
		}
	}
	for (uint32_t i = 0; i < m->n_connections; i++) {
		const struct model_connection *c = &m->connections[i];
		if (c->enable_bgp && !c->express_route && validate_is_known(m, c))
			add_address(r, &peers, c->gateway, &model_far_bgp(m, c)->address, c->bgp_at,
				    c->name);
	}
	unique_report(r->j, &locals, local_twice);
	unique_report(r->j, &peers, peer_twice);
}

/* A router does not speak with itself. */
static void check_inside(const struct routers *r, const struct model_connection *c)
{
	const struct model *m = r->j->m;
	if (c->peer_gateway == MODEL_NONE || c->peer_gateway == c->gateway || !c->enable_bgp ||
	    r->set[c->peer_gateway] != r->set[c->gateway])
		return;
	findings_error(r->j->findings, c->bgp_at,
		       "enableBgp: %s and %s are joined by a circuit, and a router does not speak "
		       "with itself; say false",
		       m->gateways[c->gateway].name, m->gateways[c->peer_gateway].name);
}

static void check_connections(const struct routers *r)
{
	const struct model *m = r->j->m;
	for (uint32_t i = 0; i < m->n_connections; i++) {
		const struct model_connection *c = &m->connections[i];
		if (!validate_is_known(m, c))
			continue;
		if (is_circuit(m, c)) {
			if (!r->first[c->circuit])
				r->first[c->circuit] = c;
			check_asns(r, c);
		} else if (!c->express_route) {
			check_inside(r, c);
		}
	}
}

/* Each has a wire of its own (maps/layout.h). */
static void check_number(struct judge *j, const bool *used)
{
	uint32_t n = 0;
	for (uint32_t i = 0; used && i < j->m->n_circuits; i++) {
		const struct model_circuit *c = &j->m->circuits[i];
		for (uint32_t k = 0; used[i] && k < c->n_peerings * 2; k++) {
			n += c->peerings[k / 2].link[k % 2].port != MODEL_NONE;
			if (n == XGW_MAX_LINKS + 1 &&
			    c->peerings[k / 2].link[k % 2].port != MODEL_NONE)
				findings_error(
					j->findings, c->peerings[k / 2].place,
					"peerings: expected at most %u links of all circuits, "
					"came more",
					XGW_MAX_LINKS);
		}
	}
}

static void check_used(struct judge *j)
{
	bool *used = calloc(j->m->n_circuits + 1, sizeof *used);
	bool unknown = false; /* one leads to a circuit that is not there */
	j->no_memory |= !used;
	for (uint32_t i = 0; used && i < j->m->n_connections; i++) {
		const struct model_connection *c = &j->m->connections[i];
		if (c->circuit != MODEL_NONE)
			used[c->circuit] = true;
		unknown = unknown || (c->express_route && c->circuit == MODEL_NONE);
	}
	for (uint32_t i = 0; used && !unknown && i < j->m->n_circuits; i++) {
		if (!used[i] && !j->m->circuits[i].incomplete)
			findings_warn(j->findings, j->m->circuits[i].place,
				      "expressRouteCircuits: no connection leads to %s; its links "
				      "are not used",
				      j->m->circuits[i].name);
	}
	check_number(j, used);
	free(used);
}

void validate_routers(struct judge *j)
{
	struct routers r = {.j = j};
	check_used(j);
	r.set = calloc(j->m->n_gateways + 1, sizeof *r.set);
	r.first = (const struct model_connection **)calloc(j->m->n_circuits + 1, sizeof *r.first);
	if (!r.set || !r.first || model_join_gateways(j->m, r.set)) {
		j->no_memory = true;
	} else {
		check_connections(&r);
		check_prefixes(&r, collect_links, links_overlap);
		check_prefixes(&r, collect_networks, networks_overlap);
		check_addresses(&r);
	}
	free((void *)r.first);
	free(r.set);
}
