/* SPDX-License-Identifier: Apache-2.0 */
/* Rules of point-to-site: what a gateway with clients must have, and where its pool may not be. */
#include "control/offer.h"
#include "control/validate_internal.h"

#include <string.h>

/* A prefix of the pool, of this instance or of the other one. */
struct pooled {
	const struct ip_prefix *prefix;
	struct model_place at;
};

static void check_pool_against(struct judge *j, const struct pooled *p,
			       const struct ip_prefix *other, const char *whose)
{
	char a[PREFIX_TEXT], b[PREFIX_TEXT];
	if (ip_prefix_overlaps(p->prefix, other))
		findings_error(j->findings, p->at,
			       "vpnClientAddressPool: %s overlaps %s of %.64s; clients need "
			       "addresses that nobody else has",
			       ip_prefix_format(p->prefix, a), ip_prefix_format(other, b), whose);
}

/* Of a connection that has prefixes at its far end. */
static const char *far_name(const struct model *m, const struct model_connection *x)
{
	return x->site != MODEL_NONE ? m->sites[x->site].name
				     : m->vnets[m->gateways[x->peer_gateway].vnet].name;
}

static void check_pool(struct judge *j, const struct model_gateway *g, const struct pooled *pooled)
{
	const struct model *m = j->m;
	const struct model_vnet *v = &m->vnets[g->vnet];
	for (uint32_t k = 0; k < v->n_address_space; k++)
		check_pool_against(j, pooled, &v->address_space[k], v->name);
	for (uint32_t k = 0; k < v->n_peerings; k++) {
		const struct model_peering *p = &v->peerings[k];
		const struct model_vnet *far = p->incomplete ? NULL : &m->vnets[p->remote];
		for (uint32_t n = 0; far && n < far->n_address_space; n++)
			check_pool_against(j, pooled, &far->address_space[n], far->name);
	}
	uint32_t gateway = (uint32_t)(g - m->gateways);
	for (uint32_t n = j->first[gateway]; n < j->first[gateway + 1]; n++) {
		const struct model_connection *x = &m->connections[j->by_gateway[n]];
		uint32_t space;
		const struct ip_prefix *far = offer_remote_space(m, x, &space);
		for (uint32_t k = 0; k < space; k++)
			check_pool_against(j, pooled, &far[k], far_name(m, x));
	}
}

static void check_pools(struct judge *j, const struct model_gateway *g)
{
	const struct model_clients *c = &g->clients;
	for (uint32_t i = 0; i < c->n_pool; i++) {
		const struct pooled own = {&c->pool[i], c->pool_at[i]};
		for (uint32_t k = 0; k < i; k++)
			check_pool_against(j, &own, &c->pool[k], "the pool itself");
		check_pool(j, g, &own);
	}
	for (uint32_t i = 0; i < g->other.n_pool; i++) {
		const struct pooled other = {&g->other.pool[i], g->other.pool_at[i]};
		for (uint32_t k = 0; k < i; k++)
			check_pool_against(j, &other, &g->other.pool[k], "the pool itself");
		for (uint32_t k = 0; k < c->n_pool; k++)
			check_pool_against(j, &other, &c->pool[k], "this instance's own pool");
		check_pool(j, g, &other);
	}
}

static void check_own_in(struct judge *j, const struct model_gateway *g, const struct model_vnet *v)
{
	char own[IP_TEXT], text[PREFIX_TEXT];
	for (uint32_t i = 0; i < v->n_address_space; i++)
		if (ip_prefix_contains(&v->address_space[i], &g->public_address))
			findings_error(j->findings, g->address_at,
				       "publicIPAddress: %s is inside %s of %.64s; clients send "
				       "that through the tunnel, which itself goes there",
				       ip_addr_format(&g->public_address, own),
				       ip_prefix_format(&v->address_space[i], text), v->name);
}

/* Where the tunnel itself goes nothing else of a client may go, nor may a client be there: who
 * hands out such addresses on its network would get in the clear what goes to them. */
static void check_own_address(struct judge *j, const struct model_gateway *g)
{
	const struct model_clients *c = &g->clients;
	const struct model_vnet *v = &j->m->vnets[g->vnet];
	char own[IP_TEXT], text[PREFIX_TEXT];
	ip_addr_format(&g->public_address, own);
	for (uint32_t i = 0; i < c->n_pool; i++)
		if (ip_prefix_contains(&c->pool[i], &g->public_address))
			findings_error(j->findings, c->pool_at[i],
				       "vpnClientAddressPool: %s holds %s, the publicIPAddress of "
				       "%.64s itself",
				       ip_prefix_format(&c->pool[i], text), own, g->name);
	check_own_in(j, g, v);
	for (uint32_t i = 0; i < v->n_peerings; i++)
		if (!v->peerings[i].incomplete &&
		    model_peering_gives_transit(j->m, &v->peerings[i]))
			check_own_in(j, g, &j->m->vnets[v->peerings[i].remote]);
	for (uint32_t i = 0; i < c->n_routes; i++)
		if (ip_prefix_contains(&c->routes[i], &g->public_address))
			findings_error(j->findings, c->routes_at[i],
				       "addressPrefixes: %s holds %s, the publicIPAddress of "
				       "%.64s: the tunnel itself goes there",
				       ip_prefix_format(&c->routes[i], text), own, g->name);
}

static void check_routes(struct judge *j, const struct model_gateway *g)
{
	const struct model_clients *c = &g->clients;
	char a[PREFIX_TEXT], b[PREFIX_TEXT];
	for (uint32_t i = 0; i < c->n_routes; i++)
		for (uint32_t k = 0; k < c->n_pool; k++)
			if (ip_prefix_overlaps(&c->routes[i], &c->pool[k]))
				findings_error(j->findings, c->routes_at[i],
					       "addressPrefixes: %s overlaps %s of the pool; "
					       "allowClientToClient lets clients reach each other",
					       ip_prefix_format(&c->routes[i], a),
					       ip_prefix_format(&c->pool[k], b));
}

static void user_twice(struct judge *j, const struct unique_item *item,
		       const struct unique_item *first)
{
	findings_error(j->findings, item->place, "name: another user has the name '%s', in line %u",
		       item->name, first->place.line);
}

static void check_users(struct judge *j, const struct model_clients *c)
{
	struct unique names = {0};
	for (uint32_t i = 0; i < c->n_users; i++)
		unique_add(j, &names, c->users[i].name, strlen(c->users[i].name), c->users[i].place,
			   c->users[i].name);
	unique_report(j, &names, user_twice);
}

/* ---- how many ---- */

#define MOST_ROOTS   20u /* of one gateway in Azure, whatever its SKU */
#define MOST_REVOKED 300u

/* Addresses of a family that clients may have; at most 2^62. */
static uint64_t addresses_of(const struct model_clients *c, enum ip_family family)
{
	uint64_t n = 0;
	for (uint32_t i = 0; i < c->n_pool; i++) {
		unsigned bits = ip_addr_bits(&c->pool[i].addr) - c->pool[i].len;
		if (c->pool[i].addr.family == family && n < 1ull << 60)
			n += 1ull << (bits < 60 ? bits : 60);
	}
	return n;
}

/*
 * A pool is as large as the next power of two, so one that is up to twice as large as it need be
 * is no mistake. Whoever gave a larger one counts on more clients than the SKU takes. Of IPv6 a
 * /64 is usual for however few.
 */
static void check_pool_size(struct judge *j, const struct model_gateway *g)
{
	const struct model_clients *c = &g->clients;
	uint32_t most = c->ike ? c->most : c->most_sstp;
	uint64_t n = addresses_of(c, IP_V4);
	if ((c->ike || c->sstp) && !g->incomplete && most && n > 2ull * most)
		findings_warn(j->findings, c->pool_at[0],
			      "vpnClientAddressPool: it has %llu addresses, sku %s takes %u "
			      "clients at once%s; who comes beyond that is refused",
			      (unsigned long long)n, g->sku, most, c->ike ? "" : " by SSTP");
}

static void check_numbers(struct judge *j, const struct model_gateway *g)
{
	const struct model_clients *c = &g->clients;
	check_pool_size(j, g);
	if (c->n_roots > MOST_ROOTS)
		findings_error(j->findings, c->roots_at,
			       "vpnClientRootCertificates: a gateway takes %u, came %u", MOST_ROOTS,
			       c->n_roots);
	if (c->n_revoked > MOST_REVOKED)
		findings_warn(j->findings, c->revoked_at,
			      "vpnClientRevokedCertificates: %u are given, and Azure takes %u of a "
			      "gateway",
			      c->n_revoked, MOST_REVOKED);
}

static void check(struct judge *j, const struct model_gateway *g)
{
	const struct model_clients *c = &g->clients;
	if (g->policy_based)
		findings_error(j->findings, c->place,
			       "vpnClientConfiguration: a PolicyBased gateway has no "
			       "point-to-site; set vpnType: RouteBased");
	if (!c->ike && !c->sstp && !g->incomplete)
		findings_error(j->findings, c->place,
			       "vpnClientProtocols: missing, no client could connect; give [SSTP, "
			       "IkeV2]");
	if ((c->ike || c->sstp) && g->certificate.chain == MODEL_NONE && !g->incomplete)
		findings_error(j->findings, c->place,
			       "vpnClientConfiguration: clients know the gateway by its "
			       "certificate; give `certificate` of %s",
			       g->name);
	if (!c->n_roots && !c->n_users && !g->incomplete)
		findings_error(j->findings, c->place,
			       "vpnClientConfiguration: nobody could log in; give "
			       "vpnClientRootCertificates or users");
	if (c->n_users && !c->n_roots && c->n_revoked)
		findings_warn(j->findings, c->place,
			      "vpnClientRevokedCertificates: without vpnClientRootCertificates no "
			      "certificate is taken anyway");
	check_users(j, c);
	check_numbers(j, g);
	if (g->vnet == MODEL_NONE)
		return;
	struct offer offer;
	if (offer_of_clients(j->m, (uint32_t)(g - j->m->gateways), &offer))
		findings_error(j->findings, c->place,
			       "vpnClientConfiguration: clients can be told of %d prefixes, %s, "
			       "the networks that use its gateway and customRoutes have more",
			       CHILD_SA_MAX_TS, j->m->vnets[g->vnet].name);
	check_routes(j, g);
	if (g->active_active && !g->other.n_pool && !g->other.bgp_address.family)
		findings_warn(
			j->findings, c->place,
			"vpnClientConfiguration: what is for clients of the other instance of "
			"%s has no way from here; give its pool as vpnClientAddressPool of "
			"otherInstance",
			g->name);
	if (g->public_address.family)
		check_own_address(j, g);
}

/* One listens at an address, and the certificate is one gateway's. */
static void check_listener(struct judge *j, uint32_t i)
{
	const struct model_gateway *g = &j->m->gateways[i];
	for (uint32_t k = 0; k < i; k++) {
		const struct model_gateway *other = &j->m->gateways[k];
		if (g->clients.sstp && other->clients.sstp && g->public_address.family &&
		    ip_addr_equal(&g->public_address, &other->public_address))
			findings_error(j->findings, g->clients.place,
				       "vpnClientProtocols: SSTP of %.64s has the publicIPAddress "
				       "already, in line %u; take another address",
				       other->name, other->clients.place.line);
	}
}

void validate_clients(struct judge *j)
{
	for (uint32_t i = 0; i < j->m->n_gateways; i++)
		if (j->m->gateways[i].clients.n_pool)
			check_listener(j, i);
	for (uint32_t i = 0; i < j->m->n_gateways; i++) {
		const struct model_gateway *g = &j->m->gateways[i];
		if (g->vnet != MODEL_NONE)
			check_pools(j, g);
		if (g->clients.n_pool)
			check(j, g);
		else if (g->clients.custom_at.line && !g->incomplete)
			findings_error(j->findings, g->clients.custom_at,
				       "customRoutes: are for clients, and %.64s has no "
				       "vpnClientConfiguration",
				       g->name);
	}
}
