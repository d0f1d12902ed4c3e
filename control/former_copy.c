/* SPDX-License-Identifier: Apache-2.0 */
/* Copies of resources whose text did not change; it may stand in other lines. */
#include "control/former_internal.h"

#include <stdlib.h>
#include <string.h>

static void move(const struct former_shift *s, struct model_place *at, uint32_t n)
{
	for (uint32_t i = 0; s->lines && i < n; i++)
		at[i].line = at[i].line ? (uint32_t)((int64_t)at[i].line + s->lines) : 0;
}

#define MOVE(s, x) move(s, &(x), 1)

static void copy_text(struct former_shift *s, char **text)
{
	if (*text && !(*text = strdup(*text)))
		s->no_memory = true;
}

static void copy_bytes(struct former_shift *s, void **at, size_t n)
{
	void *copy = *at && n ? malloc(n) : NULL;
	s->no_memory |= *at && n && !copy;
	if (copy)
		memcpy(copy, *at, n);
	*at = copy;
}

/* Of which there are at least n; the pointer is of the copy from here on, NULL without memory. */
#define COPY(s, x, n) copy_bytes(s, (void **)&(x), (n) * sizeof *(x))

static void copy_places(struct former_shift *s, struct model_place **at, uint32_t n)
{
	COPY(s, *at, n);
	if (*at)
		move(s, *at, n);
}

static void copy_bgp(struct former_shift *s, struct model_bgp *b)
{
	COPY(s, b->custom, b->n_custom);
	copy_places(s, &b->custom_at, b->n_custom);
	MOVE(s, b->place);
	MOVE(s, b->asn_at);
	MOVE(s, b->address_at);
	MOVE(s, b->md5_at);
}

void former_copy_host(struct former_shift *s, struct model_host *to, const struct model_host *from)
{
	*to = *from;
	copy_text(s, &to->crypto_backend);
	copy_text(s, &to->metrics);
	COPY(s, to->ports, to->n_ports);
	to->n_ports = to->ports ? to->n_ports : 0;
	for (uint32_t i = 0; i < to->n_ports; i++) {
		struct model_port *p = &to->ports[i];
		copy_text(s, &p->name);
		copy_text(s, &p->device);
		MOVE(s, p->place);
		MOVE(s, p->device_at);
	}
}

static void copy_attachment(struct former_shift *s, struct model_attachment *a)
{
	COPY(s, a->remote_vteps, a->n_remote_vteps);
	copy_places(s, &a->remote_vteps_at, a->n_remote_vteps);
	copy_text(s, &a->fdb);
	copy_text(s, &a->neighbours);
	MOVE(s, a->place);
	MOVE(s, a->address_at);
}

static void copy_subnets(struct former_shift *s, struct model_vnet *v)
{
	COPY(s, v->subnets, v->n_subnets);
	v->n_subnets = v->subnets ? v->n_subnets : 0;
	for (uint32_t i = 0; i < v->n_subnets; i++) {
		copy_text(s, &v->subnets[i].name);
		MOVE(s, v->subnets[i].place);
		MOVE(s, v->subnets[i].prefix_at);
		MOVE(s, v->subnets[i].table_at);
	}
}

/* Which other side it has, and whether it had one, is found anew. */
static void copy_peerings(struct former_shift *s, struct model_vnet *v)
{
	COPY(s, v->peerings, v->n_peerings);
	v->n_peerings = v->peerings ? v->n_peerings : 0;
	for (uint32_t i = 0; i < v->n_peerings; i++) {
		struct model_peering *p = &v->peerings[i];
		copy_text(s, &p->name);
		p->back = MODEL_NONE;
		p->was_connected = false;
		MOVE(s, p->place);
		MOVE(s, p->remote_at);
		MOVE(s, p->transit_at);
		MOVE(s, p->gateways_at);
	}
}

static void copy_endpoints(struct former_shift *s, struct model_vnet *v)
{
	COPY(s, v->endpoints, v->n_endpoints);
	v->n_endpoints = v->endpoints ? v->n_endpoints : 0;
	for (uint32_t i = 0; s->lines && i < v->n_endpoints; i++)
		MOVE(s, v->endpoints[i].place);
}

/* Its gateways are found anew. */
void former_copy_vnet(struct former_shift *s, struct model_vnet *to, const struct model_vnet *from)
{
	*to = *from;
	to->vpn_gateway = to->express_route_gateway = MODEL_NONE;
	copy_text(s, &to->name);
	COPY(s, to->address_space, to->n_address_space);
	copy_places(s, &to->address_space_at, to->n_address_space);
	COPY(s, to->dns, to->n_dns);
	copy_places(s, &to->dns_at, to->n_dns);
	copy_subnets(s, to);
	COPY(s, to->attachments, to->n_attachments);
	to->n_attachments = to->attachments ? to->n_attachments : 0;
	for (uint32_t i = 0; i < to->n_attachments; i++)
		copy_attachment(s, &to->attachments[i]);
	copy_endpoints(s, to);
	copy_peerings(s, to);
	MOVE(s, to->place);
	MOVE(s, to->id_at);
	MOVE(s, to->branch_at);
}

static void move_certificate(struct former_shift *s, struct model_certificate *c)
{
	MOVE(s, c->place);
	MOVE(s, c->chain_at);
	MOVE(s, c->key_at);
}

static void copy_clients(struct former_shift *s, struct model_clients *c)
{
	COPY(s, c->pool, c->n_pool);
	copy_places(s, &c->pool_at, c->n_pool);
	COPY(s, c->routes, c->n_routes);
	copy_places(s, &c->routes_at, c->n_routes);
	COPY(s, c->roots, c->n_roots);
	COPY(s, c->revoked, c->n_revoked);
	COPY(s, c->users, c->n_users);
	c->n_users = c->users ? c->n_users : 0;
	for (uint32_t i = 0; i < c->n_users; i++) {
		copy_text(s, &c->users[i].name);
		MOVE(s, c->users[i].place);
	}
	MOVE(s, c->place);
	MOVE(s, c->protocols_at);
	MOVE(s, c->roots_at);
	MOVE(s, c->revoked_at);
	MOVE(s, c->custom_at);
}

static void move_gateway(struct former_shift *s, struct model_gateway *g)
{
	struct model_place *const places[] = {
		&g->place,
		&g->vnet_at,
		&g->address_at,
		&g->type_at,
		&g->vpn_type_at,
		&g->sku_at,
		&g->bandwidth_at,
		&g->bgp_at,
		&g->default_site_at,
		&g->standby_at,
		&g->active_at,
		&g->other.place,
		&g->other.address_at,
		&g->other.bgp_at,
	};
	for (size_t i = 0; i < sizeof places / sizeof *places; i++)
		move(s, places[i], 1);
}

void former_copy_gateway(struct former_shift *s, struct model_gateway *to,
			 const struct model_gateway *from)
{
	*to = *from;
	copy_text(s, &to->name);
	copy_text(s, &to->identity);
	copy_text(s, &to->sku);
	move_certificate(s, &to->certificate);
	copy_clients(s, &to->clients);
	copy_bgp(s, &to->bgp);
	COPY(s, to->other.pool, to->other.n_pool);
	copy_places(s, &to->other.pool_at, to->other.n_pool);
	move_gateway(s, to);
}

/* The address of a site by name is not the text's. */
void former_copy_site(struct former_shift *s, struct model_site *to, const struct model_site *from)
{
	*to = *from;
	copy_text(s, &to->name);
	copy_text(s, &to->fqdn);
	copy_text(s, &to->identity);
	if (to->fqdn)
		to->address = (struct ip_addr){0};
	copy_bgp(s, &to->bgp);
	COPY(s, to->address_space, to->n_address_space);
	copy_places(s, &to->address_space_at, to->n_address_space);
	MOVE(s, to->place);
	MOVE(s, to->address_at);
}

static void copy_trust(struct former_shift *s, struct model_trust *t)
{
	COPY(s, t->crls, t->n_crls);
	COPY(s, t->ocsp, t->n_ocsp);
	MOVE(s, t->place);
	MOVE(s, t->crls_at);
	MOVE(s, t->ocsp_at);
}

static void copy_selectors(struct former_shift *s, struct model_connection *c)
{
	COPY(s, c->ts_policies, c->n_ts_policies);
	c->n_ts_policies = c->ts_policies ? c->n_ts_policies : 0;
	for (uint32_t i = 0; i < c->n_ts_policies; i++) {
		COPY(s, c->ts_policies[i].local, c->ts_policies[i].n_local);
		COPY(s, c->ts_policies[i].remote, c->ts_policies[i].n_remote);
		MOVE(s, c->ts_policies[i].place);
	}
}

void former_copy_connection(struct former_shift *s, struct model_connection *to,
			    const struct model_connection *from)
{
	*to = *from;
	copy_text(s, &to->name);
	copy_text(s, &to->ppk_id);
	copy_text(s, &to->psk_file);
	copy_text(s, &to->ppk_file);
	copy_trust(s, &to->trust);
	COPY(s, to->policies, to->n_policies);
	for (uint32_t i = 0; to->policies && i < to->n_policies; i++)
		MOVE(s, to->policies[i].place);
	copy_selectors(s, to);
	struct model_place *const places[] = {&to->place,	 &to->gateway_at,  &to->peer_at,
					      &to->psk_at,	 &to->ppk_at,	   &to->mode_at,
					      &to->bgp_at,	 &to->policies_at, &to->protocol_at,
					      &to->selectors_at, &to->bgp_local_at};
	for (size_t i = 0; i < sizeof places / sizeof *places; i++)
		move(s, places[i], 1);
}

void former_copy_table(struct former_shift *s, struct model_route_table *to,
		       const struct model_route_table *from)
{
	*to = *from;
	copy_text(s, &to->name);
	COPY(s, to->routes, to->n_routes);
	to->n_routes = to->routes ? to->n_routes : 0;
	for (uint32_t i = 0; i < to->n_routes; i++) {
		copy_text(s, &to->routes[i].name);
		MOVE(s, to->routes[i].place);
		MOVE(s, to->routes[i].prefix_at);
		MOVE(s, to->routes[i].hop_at);
	}
	MOVE(s, to->place);
}
