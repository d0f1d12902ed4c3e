/* SPDX-License-Identifier: Apache-2.0 */
#include "loader/clients.h"

#include "auth/eap.h"
#include "base/log.h"
#include "loader/ike_host.h"
#include "p2s/pool.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAME_BYTES 320

struct client {
	bool there;
	bool is_sstp, routed[2]; /* SSTP: by family, whether its route is in the maps */
	struct pool_lease lease;
	char name[NAME_BYTES];
};

struct client_gateway {
	struct clients *of;
	uint32_t index, first, vnet;
	struct users *users;
	struct trust *trust;
	struct eap_tls *tls;
	struct pool *pool;
	struct eap_rules eap;
	struct ike_clients ike;
	const struct credential *credential;
	struct client *client; /* by slot of the pool */
	uint32_t n_sstp, most_sstp;
};

struct clients {
	const struct model *m;
	struct client_gateway *at; /* as the model's gateways */
	uint32_t n;
	const struct maps *maps;
	struct datapath *datapath;
	struct underlay *underlay;
};

/* ---- rules, from the model ---- */

struct making {
	struct clients *c;
	struct credentials_faults faults;
};

static void make_users(struct making *k, struct client_gateway *g, const struct model_clients *m)
{
	struct fault f = {0};
	if (!m->n_users)
		return;
	if (users_new(&g->users, &f)) {
		credentials_wrong(&k->faults, m->place, "users", &f);
		return;
	}
	for (uint32_t i = 0; i < m->n_users; i++) {
		const struct model_user *u = &m->users[i];
		if (users_add(g->users, u->name, (struct bytes){u->password.b, u->password.len},
			      &f))
			credentials_wrong(&k->faults, u->place, "users", &f);
	}
}

static void make_trust(struct making *k, struct client_gateway *g, const struct model_clients *m)
{
	struct fault f = {0};
	if (!m->n_roots)
		return;
	struct bytes *roots = calloc(m->n_roots, sizeof *roots);
	for (uint32_t i = 0; roots && i < m->n_roots; i++) {
		const struct model_file *file = &k->c->m->files[m->roots[i]];
		roots[i] = (struct bytes){file->at, file->len};
	}
	const struct trust_files files = {.authorities = roots,
					  .n_authorities = m->n_roots,
					  .for_clients = true,
					  .revoked = (const uint8_t(*)[20])m->revoked,
					  .n_revoked = m->n_revoked};
	int err = roots ? trust_new(&g->trust, &files, &f)
			: fault_set(&f, -ENOMEM, "not enough memory for root certificates");
	if (!err && g->credential)
		err = eap_tls_new(&g->tls, g->credential, g->trust, &f);
	if (err)
		credentials_wrong(&k->faults, m->roots_at, "vpnClientRootCertificates", &f);
	free(roots);
}

static int lease(void *owner, const struct ike_client *who, struct ike_lease *out, struct fault *f);

static void make_gateway(struct making *k, struct client_gateway *g,
			 const struct credentials *credentials)
{
	const struct model *m = k->c->m;
	const struct model_gateway *from = &m->gateways[g->index];
	struct fault f = {0};
	uint32_t most = plan_clients(m, g->index, &g->first);
	g->credential = credentials_of_gateway(credentials, g->index);
	g->vnet = from->vnet;
	g->most_sstp = from->clients.most_sstp;
	make_users(k, g, &from->clients);
	make_trust(k, g, &from->clients);
	if (pool_new(&g->pool, from->clients.pool, from->clients.n_pool, most, &f)) {
		credentials_wrong(&k->faults, from->clients.place, "vpnClientAddressPool", &f);
		return;
	}
	g->client = calloc(pool_size(g->pool), sizeof *g->client);
	if (!g->client) {
		fault_set(&f, -ENOMEM, "not enough memory for clients");
		credentials_wrong(&k->faults, from->clients.place, "vpnClientAddressPool", &f);
	}
	g->eap = (struct eap_rules){.users = g->users, .tls = g->tls, .server = from->name};
	g->ike = (struct ike_clients){
		.eap = g->users || g->tls ? &g->eap : NULL, .lease = lease, .owner = g};
}

int clients_new(struct clients **out, const struct model *m, const struct credentials *credentials,
		struct config_findings *findings, struct fault *f)
{
	struct clients *c = calloc(1, sizeof *c);
	*out = NULL;
	if (c)
		c->at = calloc(m->n_gateways + 1u, sizeof *c->at);
	if (!c || !c->at) {
		free(c);
		return fault_set(f, -ENOMEM, "not enough memory for clients");
	}
	c->m = m;
	c->n = m->n_gateways;
	struct making k = {c, {findings, f, 0}};
	for (uint32_t i = 0; i < c->n; i++) {
		c->at[i].of = c;
		c->at[i].index = i;
		if (m->gateways[i].clients.n_pool)
			make_gateway(&k, &c->at[i], credentials);
	}
	if (k.faults.err) {
		clients_free(c);
		return k.faults.err;
	}
	*out = c;
	return 0;
}

void clients_free(struct clients *c)
{
	if (!c)
		return;
	for (uint32_t i = 0; i < c->n; i++) {
		eap_tls_free(c->at[i].tls);
		users_free(c->at[i].users);
		trust_free(c->at[i].trust);
		pool_free(c->at[i].pool);
		free(c->at[i].client);
	}
	free(c->at);
	free(c);
}

void clients_serve(struct clients *c, const struct maps *maps, struct datapath *datapath,
		   struct underlay *underlay)
{
	c->maps = maps;
	c->datapath = datapath;
	c->underlay = underlay;
}

void clients_template(const struct clients *c, uint32_t gateway, struct ike_connection *out)
{
	const struct client_gateway *g = &c->at[gateway];
	out->credential = g->credential;
	out->trust = g->trust;
	out->clients = &g->ike;
	credential_adopt_identity(out->credential, &out->local_id);
}

/* ---- those that are there ---- */

static struct client *by_connection(const struct clients *c, uint32_t connection,
				    struct client_gateway **gateway)
{
	for (uint32_t i = 0; i < c->n; i++) {
		struct client_gateway *g = &c->at[i];
		if (!g->pool || connection < g->first ||
		    connection - g->first >= pool_size(g->pool))
			continue;
		*gateway = g;
		struct client *x = &g->client[connection - g->first];
		return x->there ? x : NULL;
	}
	return NULL;
}

static void describe(const struct client_gateway *g, const struct client *x,
		     struct client_info *out)
{
	*out = (struct client_info){.connection = g->first + x->lease.slot,
				    .gateway = g->index,
				    .name = x->name,
				    .is_sstp = x->is_sstp,
				    .v4 = x->lease.v4,
				    .v6 = x->lease.v6};
}

int clients_find(const struct clients *c, uint32_t connection, struct client_info *out)
{
	struct client_gateway *g = NULL;
	const struct client *x = by_connection(c, connection, &g);
	if (!x)
		return -ENOENT;
	describe(g, x, out);
	return 0;
}

int clients_next(const struct clients *c, uint32_t after, struct client_info *out)
{
	for (uint32_t i = 0; i < c->n; i++) {
		const struct client_gateway *g = &c->at[i];
		uint32_t k = after < g->first ? 0 : after - g->first + 1;
		for (; g->pool && k < pool_size(g->pool); k++) {
			if (!g->client[k].there)
				continue;
			describe(g, &g->client[k], out);
			return 0;
		}
	}
	return -ENOENT;
}

int clients_find_name(const struct clients *c, const char *name, struct client_info *out)
{
	for (uint32_t after = 0; clients_next(c, after, out) == 0; after = out->connection)
		if (strcmp(out->name, name) == 0)
			return 0;
	return -ENOENT;
}

/* ---- in the maps ---- */

static uint32_t vnet_id(const struct client_gateway *g)
{
	return g->of->m->vnets[g->vnet].id;
}

static int put_route(const struct client_gateway *g, const struct ip_addr *a, uint32_t hop)
{
	struct ip_prefix p = {*a, (uint8_t)ip_addr_bits(a)};
	const struct xgw_route r = {
		.next_hop = hop, .source = XGW_ROUTE_CLIENT, .plen = p.len, .family = a->family};
	return a->family ? maps_route_put(g->of->maps, vnet_id(g), &p, &r) : 0;
}

static void delete_route(const struct client_gateway *g, const struct ip_addr *a)
{
	struct ip_prefix p = {*a, (uint8_t)ip_addr_bits(a)};
	if (a->family && maps_route_delete(g->of->maps, vnet_id(g), &p))
		log_warn(LOG_MAP, "client-route-not-removed gateway=%s",
			 g->of->m->gateways[g->index].name);
}

/* What refers to something comes after it, and goes before it. */
static int put(const struct client_gateway *g, const struct client *x)
{
	const struct maps *maps = g->of->maps;
	uint32_t id = g->first + x->lease.slot;
	const struct xgw_name_key key = {XGW_NAME_CONNECTION, id};
	const struct xgw_next_hop hop = {.kind = x->is_sstp ? XGW_HOP_CLIENT : XGW_HOP_TUNNEL,
					 .flags = x->is_sstp ? XGW_HOP_UP : 0,
					 .vnet = vnet_id(g),
					 .connection = id};
	struct xgw_name name = {{0}};
	memcpy(name.text, x->name, strnlen(x->name, sizeof name.text - 1));
	int err = maps_put(maps, MAPS_names, &key, &name);
	if (!err)
		err = maps_put(maps, MAPS_next_hops, &id, &hop);
	if (!err && !x->is_sstp)
		err = put_route(g, &x->lease.v4, id);
	if (!err && !x->is_sstp)
		err = put_route(g, &x->lease.v6, id);
	maps_bump(maps);
	return err;
}

static void withdraw(const struct client_gateway *g, const struct client *x)
{
	const struct maps *maps = g->of->maps;
	uint32_t id = g->first + x->lease.slot;
	const struct xgw_name_key key = {XGW_NAME_CONNECTION, id};
	if (!x->is_sstp || x->routed[0])
		delete_route(g, &x->lease.v4);
	if (!x->is_sstp || x->routed[1])
		delete_route(g, &x->lease.v6);
	maps_delete(maps, MAPS_next_hops, &id);
	maps_delete(maps, MAPS_names, &key);
	maps_bump(maps);
}

/* What it asks for of the pool, and in the maps; NULL: f says why not. */
static struct client *admit(struct client_gateway *g, const struct ike_client *who, bool is_sstp,
			    struct fault *f)
{
	struct pool_lease given;
	if (pool_take(g->pool, who->user, who->wants_v4, who->wants_v6, &who->wanted4, &given, f))
		return NULL;
	struct client *x = &g->client[given.slot];
	*x = (struct client){.there = true, .is_sstp = is_sstp, .lease = given};
	snprintf(x->name, sizeof x->name, "%.60s/%.250s", g->of->m->gateways[g->index].name,
		 who->user);
	int err = put(g, x);
	if (!err)
		return x;
	withdraw(g, x);
	x->there = false;
	pool_give(g->pool, given.slot);
	fault_set(f, err, "client %.100s: the maps take no more: %s", who->user, strerror(-err));
	return NULL;
}

static int lease(void *owner, const struct ike_client *who, struct ike_lease *out, struct fault *f)
{
	struct client_gateway *g = owner;
	const struct client *x = admit(g, who, false, f);
	if (!x)
		return f->code;
	*out = (struct ike_lease){g->first + x->lease.slot, x->name, x->lease.v4, x->lease.v6};
	underlay_client(g->of->underlay, out->connection,
			&g->of->m->gateways[g->index].public_address, &who->remote.addr);
	return 0;
}

/* ---- by SSTP ---- */

int clients_sstp(const struct clients *c, uint32_t gateway, struct clients_sstp *out)
{
	const struct client_gateway *g = &c->at[gateway];
	if (!g->pool || !c->m->gateways[gateway].clients.sstp || !g->credential)
		return -ENOENT;
	*out = (struct clients_sstp){.credential = g->credential, .eap = &g->eap};
	return 0;
}

int clients_admit(struct clients *c, uint32_t gateway, const char *user, struct client_info *out,
		  struct fault *f)
{
	struct client_gateway *g = &c->at[gateway];
	const struct model_clients *m = &c->m->gateways[gateway].clients;
	struct ike_client who = {.user = user, .wants_v4 = true};
	for (uint32_t i = 0; i < m->n_pool; i++)
		who.wants_v6 |= m->pool[i].addr.family == IP_V6;
	if (g->n_sstp >= g->most_sstp) {
		fault_set(f, -ENOSPC, "%u clients are connected by SSTP, %.100s is one too many",
			  g->n_sstp, user);
		return fault_advise(f, "take another sku, or IkeV2");
	}
	const struct client *x = admit(g, &who, true, f);
	if (!x)
		return f->code;
	g->n_sstp++;
	describe(g, x, out);
	return 0;
}

int clients_open(struct clients *c, uint32_t connection, uint32_t mtu, bool v4, bool v6)
{
	struct client_gateway *g = NULL;
	struct client *x = by_connection(c, connection, &g);
	if (!x || !x->is_sstp)
		return -ENOENT;
	const struct datapath_client d = {.connection = connection,
					  .vnet = vnet_id(g),
					  .mtu = mtu,
					  .v4 = v4 ? x->lease.v4 : (struct ip_addr){0},
					  .v6 = v6 ? x->lease.v6 : (struct ip_addr){0}};
	int err = datapath_client_set(c->datapath, &d);
	if (!err && v4 && !x->routed[0]) {
		x->routed[0] = true;
		err = put_route(g, &x->lease.v4, connection);
	}
	if (!err && v6 && !x->routed[1]) {
		x->routed[1] = true;
		err = put_route(g, &x->lease.v6, connection);
	}
	maps_bump(c->maps);
	return err;
}

void clients_gone(struct clients *c, uint32_t connection)
{
	struct client_gateway *g = NULL;
	struct client *x = by_connection(c, connection, &g);
	if (!x)
		return;
	withdraw(g, x);
	if (x->is_sstp) {
		datapath_client_remove(c->datapath, connection);
		g->n_sstp--;
	} else {
		datapath_tunnel_remove(c->datapath, connection);
		underlay_forget(c->underlay, connection);
	}
	x->there = false;
	pool_give(g->pool, x->lease.slot);
	log_info(x->is_sstp ? LOG_P2S : LOG_IKE, "client-gone name=%s", x->name);
}
