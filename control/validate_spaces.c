/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Address spaces that connections join: what longest prefix and routingWeight can tell apart is
 * allowed, and told where it surprises; what they cannot is refused. All prefixes behind all
 * gateways are sorted once.
 */
#include "control/offer.h"
#include "control/sort.h"
#include "control/validate_internal.h"

#include <stdlib.h>
#include <string.h>

/* ---- against the gateway's own network and its peers ---- */

static struct prefix_set peer_space(struct judge *j, const struct model_vnet *v)
{
	struct prefix_set s = {0};
	size_t n = 0;
	for (uint32_t i = 0; i < v->n_peerings; i++)
		n += v->peerings[i].incomplete ? 0
					       : j->m->vnets[v->peerings[i].remote].n_address_space;
	s.at = calloc(n + 1, sizeof *s.at);
	j->no_memory |= !s.at;
	for (uint32_t i = 0; s.at && i < v->n_peerings; i++) {
		const struct model_vnet *far =
			v->peerings[i].incomplete ? NULL : &j->m->vnets[v->peerings[i].remote];
		for (uint32_t k = 0; far && far != v && k < far->n_address_space; k++)
			s.at[s.n++] = (struct placed_prefix){
				far->address_space[k], far->address_space_at[k], far->name, far};
	}
	prefix_set_sort(&s);
	prefix_set_reduce(&s);
	return s;
}

static void check_own(struct judge *j, const struct model_connection *c, const struct ip_prefix *p,
		      const struct prefix_set *space, const struct model_vnet *v)
{
	char a[PREFIX_TEXT], b[PREFIX_TEXT];
	const struct placed_prefix *own = p->len ? prefix_set_overlap(space, p) : NULL;
	if (!own)
		return;
	ip_prefix_format(p, a);
	ip_prefix_format(&own->prefix, b);
	if (ip_prefix_covers(&own->prefix, p))
		findings_error(j->findings, c->peer_at,
			       "addressSpace: %s behind the peer overlaps %s of %s (line %u)", a, b,
			       v->name, own->place.line);
	else
		findings_warn(
			j->findings, c->peer_at,
			"addressSpace: %s behind the peer holds %s of %s (line %u), whose hosts "
			"stay here",
			a, b, v->name, own->place.line);
}

static void check_peer(struct judge *j, const struct model_connection *c, const struct ip_prefix *p,
		       const struct prefix_set *space, const struct model_vnet *v)
{
	char a[PREFIX_TEXT], b[PREFIX_TEXT];
	const struct placed_prefix *far = p->len ? prefix_set_cover(space, p) : NULL;
	if (!far)
		return;
	if (c->peer_gateway != MODEL_NONE &&
	    &j->m->vnets[j->m->gateways[c->peer_gateway].vnet] == far->of)
		findings_warn(
			j->findings, c->peer_at,
			"virtualNetworkGateway2: %s is peered with %s too; the peering carries "
			"its %s, not this connection",
			far->name, v->name, ip_prefix_format(p, a));
	else
		findings_error(
			j->findings, c->peer_at,
			"addressSpace: %s behind the peer overlaps %s of %s (line %u), which is "
			"peered with %s",
			ip_prefix_format(p, a), ip_prefix_format(&far->prefix, b), far->name,
			far->place.line, v->name);
}

static void check_gateway(struct judge *j, uint32_t gateway)
{
	const struct model *m = j->m;
	const struct model_vnet *v = &m->vnets[m->gateways[gateway].vnet];
	struct prefix_set own = prefix_set_of_vnet(j, v), peers = peer_space(j, v);
	prefix_set_reduce(&own);
	for (uint32_t i = j->first[gateway]; i < j->first[gateway + 1]; i++) {
		const struct model_connection *c = &m->connections[j->by_gateway[i]];
		uint32_t n;
		if (c->express_route || !validate_is_known(m, c))
			continue;
		const struct ip_prefix *far = offer_remote_space(m, c, &n);
		for (uint32_t k = 0; own.at && peers.at && k < n; k++) {
			check_own(j, c, &far[k], &own, v);
			check_peer(j, c, &far[k], &peers, v);
		}
		if (!n && !c->enable_bgp)
			findings_warn(j->findings, c->peer_at,
				      "addressSpace: the peer of %s has no prefixes, nothing is "
				      "routed to it",
				      c->name);
	}
	free(own.at);
	free(peers.at);
}

/* ---- against each other ---- */

struct reach {
	struct ip_prefix prefix;
	uint32_t gateway;
	const struct model_connection *c;
};

/* Outer prefixes come before those within them; of equal ones the larger weight. */
static int by_reach(const void *a, const void *b)
{
	const struct reach *x = a, *y = b;
	if (x->gateway != y->gateway)
		return x->gateway < y->gateway ? -1 : 1;
	int c = memcmp(&x->prefix, &y->prefix, sizeof x->prefix);
	if (c)
		return c;
	if (x->c->routing_weight != y->c->routing_weight)
		return x->c->routing_weight > y->c->routing_weight ? -1 : 1;
	return x->c < y->c ? -1 : x->c > y->c;
}

static uint32_t collect(const struct judge *j, struct reach *out)
{
	uint32_t total = 0, n;
	for (uint32_t i = 0; i < j->m->n_connections; i++) {
		const struct model_connection *c = &j->m->connections[i];
		if (c->express_route || !validate_is_known(j->m, c) || !is_judged(j, c->gateway))
			continue;
		const struct ip_prefix *remote = offer_remote_space(j->m, c, &n);
		for (uint32_t k = 0; k < n; k++, total++)
			if (out)
				out[total] = (struct reach){remote[k], c->gateway, c};
	}
	return total;
}

/* All that is behind gateways, in order. */
static struct reach *sort_reach(struct judge *j, uint32_t *n)
{
	*n = collect(j, NULL);
	struct reach *at = *n ? reallocarray(NULL, *n, sizeof *at) : NULL;
	uint32_t *gateway = *n ? reallocarray(NULL, *n, sizeof *gateway) : NULL;
	if (at)
		collect(j, at);
	for (uint32_t i = 0; at && gateway && i < *n; i++)
		gateway[i] = at[i].gateway;
	if (!at || !gateway ||
	    !sort_groups((void **)&at, *n, sizeof *at, gateway, j->m->n_gateways, by_reach)) {
		j->no_memory |= *n != 0;
		*n = 0;
	}
	free(gateway);
	return at;
}

static bool is_network(const struct model_connection *c)
{
	return c->peer_gateway != MODEL_NONE;
}

/* Two connections with one prefix; x stands before y. */
static void check_pair(struct judge *j, const struct reach *x, const struct reach *y)
{
	const struct model *m = j->m;
	char text[PREFIX_TEXT];
	ip_prefix_format(&y->prefix, text);
	if (is_network(x->c) && is_network(y->c) && x->c->peer_gateway != y->c->peer_gateway)
		findings_error(
			j->findings, y->c->peer_at,
			"addressSpace: %s and %s both have %s, and both are connected to %s; "
			"networks that are connected need address spaces of their own",
			m->vnets[m->gateways[x->c->peer_gateway].vnet].name,
			m->vnets[m->gateways[y->c->peer_gateway].vnet].name, text,
			m->gateways[y->gateway].name);
	else if (x->c->routing_weight == y->c->routing_weight)
		findings_warn(j->findings, y->c->place,
			      "routingWeight: %s leads to %s too, with the same weight; each flow "
			      "takes one of them",
			      text, x->c->name);
}

/* Connections of one prefix, from `first` on; returns how many entries. */
static uint32_t check_equal(struct judge *j, const struct reach *first, uint32_t left)
{
	char text[PREFIX_TEXT];
	/* the last place is the other instance's */
	uint32_t most = XGW_HOP_MEMBERS - j->m->gateways[first->gateway].active_active;
	const struct reach *same = first; /* first of its weight */
	uint32_t n = 1, members = 1;
	for (; n < left && first[n].gateway == first->gateway &&
	       ip_prefix_equal(&first[n].prefix, &first->prefix);
	     n++) {
		const struct reach *x = &first[n];
		if (x->c == x[-1].c)
			continue;
		check_pair(j,
			   is_network(x->c) && is_network(first->c)	     ? first
			   : x->c->routing_weight == same->c->routing_weight ? same
									     : &x[-1],
			   x);
		if (x->c->routing_weight != same->c->routing_weight)
			same = x;
		if (members++ == most)
			findings_warn(j->findings, x->c->place,
				      "routingWeight: %s is behind more than %u connections of %s; "
				      "%s and what has less weight is never taken",
				      ip_prefix_format(&x->prefix, text), most,
				      j->m->gateways[x->gateway].name, x->c->name);
	}
	return n;
}

static void warn_of_nested(struct judge *j, const struct reach *inner, const struct reach *outer)
{
	char a[PREFIX_TEXT], b[PREFIX_TEXT];
	findings_warn(j->findings, inner->c->place,
		      "addressSpace: %s behind %s lies within %s behind %s; the longer prefix "
		      "takes that traffic, also when its connection is down",
		      ip_prefix_format(&inner->prefix, a), inner->c->name,
		      ip_prefix_format(&outer->prefix, b), outer->c->name);
}

/*
 * Longest prefix decides, so it works, and surprises who looks for a packet in the other tunnel. A
 * default route is meant so. One walk over the sorted prefixes, with a chain of those around.
 */
static void check_nested(struct judge *j, const struct reach *at, uint32_t n)
{
	const struct reach *around[129];
	const struct model_connection *told = NULL;
	uint32_t depth = 0;
	for (uint32_t i = 0; i < n; i++) {
		const struct reach *x = &at[i];
		if (!x->prefix.len)
			continue;
		while (depth && (around[depth - 1]->gateway != x->gateway ||
				 !ip_prefix_covers(&around[depth - 1]->prefix, &x->prefix)))
			depth--;
		const struct reach *outer = depth ? around[depth - 1] : NULL;
		/* the same prefix twice is routingWeight's matter */
		if (outer && outer->prefix.len == x->prefix.len)
			continue;
		if (outer && outer->c != x->c && x->c != told) {
			warn_of_nested(j, x, outer);
			told = x->c;
		}
		around[depth++] = x;
	}
}

/* ---- how many routes that makes ---- */

static uint32_t users_of(const struct model *m, uint32_t gateway)
{
	const struct model_vnet *v = &m->vnets[m->gateways[gateway].vnet];
	uint32_t n = 1;
	for (uint32_t i = 0; i < v->n_peerings; i++)
		n += model_peering_gives_transit(m, &v->peerings[i]);
	return n;
}

static uint32_t count_v6(const struct ip_prefix *p, uint32_t n)
{
	uint32_t v6 = 0;
	for (uint32_t i = 0; i < n; i++)
		v6 += p[i].addr.family == IP_V6;
	return v6;
}

/* What the maps routes4 and routes6 take (maps.def). */
static void check_number(struct judge *j)
{
	static const uint32_t most[2] = {2097152, 1048576};
	const struct model *m = j->m;
	uint64_t count[2] = {0};
	uint32_t n;
	for (uint32_t i = 0; i < m->n_connections; i++) {
		const struct model_connection *c = &m->connections[i];
		if (c->express_route || !validate_is_known(m, c))
			continue;
		const struct ip_prefix *far = offer_remote_space(m, c, &n);
		uint64_t users = users_of(m, c->gateway), v6 = count_v6(far, n);
		count[0] += (n - v6) * users;
		count[1] += v6 * users;
	}
	for (int v6 = 0; v6 < 2; v6++) {
		count[v6] += validate_user_routes(j, v6);
		if (count[v6] > most[v6])
			findings_error(j->findings, (struct model_place){1, 1},
				       "too large: %llu IPv%d routes behind gateways and of route "
				       "tables, counted in each network that uses them; at most %u",
				       (unsigned long long)count[v6], v6 ? 6 : 4, most[v6]);
	}
}

/* What has been found since there were `before` is of this gateway. */
static void note_told(struct judge *j, uint32_t gateway, size_t before)
{
	uint32_t vnet = j->m->gateways[gateway].vnet;
	if (j->told && vnet != MODEL_NONE && j->findings->n + j->findings->truncated != before)
		j->told[vnet] = true;
}

static void check_reach(struct judge *j, const struct reach *at, uint32_t n)
{
	for (uint32_t i = 0, end; i < n; i = end) {
		size_t before = j->findings->n + j->findings->truncated;
		for (end = i; end < n && at[end].gateway == at[i].gateway;)
			end += check_equal(j, &at[end], n - end);
		check_nested(j, &at[i], end - i);
		note_told(j, at[i].gateway, before);
	}
}

void validate_spaces(struct judge *j)
{
	for (uint32_t i = 0; i < j->m->n_gateways; i++) {
		size_t before = j->findings->n + j->findings->truncated;
		if (j->first[i] != j->first[i + 1] && j->m->gateways[i].vnet != MODEL_NONE &&
		    is_judged(j, i))
			check_gateway(j, i);
		note_told(j, i, before);
	}
	uint32_t n;
	struct reach *at = sort_reach(j, &n);
	check_reach(j, at, n);
	check_number(j);
	free(at);
}
