/* SPDX-License-Identifier: Apache-2.0 */
#include "loader/clients.h"

#include "auth/eap.h"
#include "base/instant.h"
#include "base/log.h"
#include "control/offer.h"
#include "loader/clock.h"
#include "loader/ike_host.h"
#include "p2s/pool.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define NAME_BYTES 320

struct client {
	bool there;
	bool is_sstp, routed[2]; /* SSTP: by family, whether its route is in the maps */
	bool replaced;		 /* by a newer session of its user */
	bool ends;		 /* that it is due was told */
	uint64_t order;		 /* of all that came to this gateway */
	uint64_t since_ns, active_ns, packets; /* IKE: as far as we looked */
	struct pool_lease lease;
	char name[NAME_BYTES];
};

struct client_gateway {
	struct clients *of;
	uint32_t index, first, vnet, table;
	struct users *users;
	struct trust *trust;
	struct eap_tls *tls;
	struct guesses *guesses;
	struct pool *pool;
	struct eap_rules eap;
	struct ike_clients ike;
	const struct credential *credential;
	struct client *client; /* by slot of the pool */
	uint32_t n_sstp, most_sstp;
	uint64_t n_came;
	struct datapath_reach *reach; /* of clients of SSTP; those of IKE have selectors */
	bool reach_given;
};

struct clients {
	const struct model *m;
	struct client_gateway **at; /* as the model's gateways; NULL: without clients */
	uint32_t n;
	const struct maps *maps;
	struct datapath *datapath;
	struct underlay *underlay;
};

/* ---- rules, from the model ---- */

struct making {
	struct clients *c;
	const struct plan *plan;
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

/* DNS servers of the virtual network, in its order: at most `most`, of the family, or of both
 * (IP_NONE). How many. */
static uint8_t take_dns(const struct model_vnet *v, enum ip_family family, struct ip_addr *out,
			uint8_t most)
{
	uint8_t n = 0;
	for (uint32_t i = 0; i < v->n_dns && n < most; i++)
		if (family == IP_NONE || v->dns[i].family == family)
			out[n++] = v->dns[i];
	return n;
}

static int make_guesses(struct client_gateway *g)
{
	uint8_t salt[GUESSES_SALT];
	size_t n = 0;
	while (n < sizeof salt) {
		ssize_t got = getrandom(salt + n, sizeof salt - n, 0);
		if (got > 0)
			n += (size_t)got;
		else if (errno != EINTR)
			return -errno;
	}
	return guesses_new(&g->guesses, salt);
}

static int make_reach(struct client_gateway *g, const struct model *m, struct fault *f)
{
	struct offer offer;
	int err = offer_of_clients(m, g->index, &offer);
	if (err)
		return fault_set(f, err, "clients can be told of %d prefixes", CHILD_SA_MAX_TS);
	g->reach = calloc(1, sizeof *g->reach);
	if (!g->reach)
		return fault_set(f, -ENOMEM, "not enough memory for clients");
	for (uint8_t i = 0; i < offer.n_local_ts; i++)
		if (ip_range_to_prefix(&offer.local_ts[i].range, &g->reach->prefix[g->reach->n]))
			g->reach->n++;
	return 0;
}

static int lease(void *owner, const struct ike_client *who, struct ike_lease *out, struct fault *f);

static void make_gateway(struct making *k, struct client_gateway *g,
			 const struct credentials *credentials)
{
	const struct model *m = k->c->m;
	const struct model_gateway *from = &m->gateways[g->index];
	struct fault f = {0};
	const struct plan_gateway *ids = k->plan ? &k->plan->gateways[g->index] : NULL;
	uint32_t most = ids ? ids->n_clients : from->clients.most;
	g->first = ids ? ids->first_client : PLAN_FIRST_CLIENT;
	g->credential = credentials_of_gateway(credentials, g->index);
	g->vnet = from->vnet;
	g->table = ids ? ids->table : 0;
	g->most_sstp = from->clients.most_sstp;
	if (make_guesses(g)) {
		fault_set(&f, -ENOMEM, "not enough memory for clients");
		credentials_wrong(&k->faults, from->clients.place, "vpnClientConfiguration", &f);
		return;
	}
	make_users(k, g, &from->clients);
	make_trust(k, g, &from->clients);
	if (pool_new(&g->pool, from->clients.pool, from->clients.n_pool, most, &f)) {
		credentials_wrong(&k->faults, from->clients.place, "vpnClientAddressPool", &f);
		return;
	}
	if (make_reach(g, m, &f)) {
		credentials_wrong(&k->faults, from->clients.place, "vpnClientConfiguration", &f);
		return;
	}
	g->client = calloc(pool_size(g->pool), sizeof *g->client);
	if (!g->client) {
		fault_set(&f, -ENOMEM, "not enough memory for clients");
		credentials_wrong(&k->faults, from->clients.place, "vpnClientAddressPool", &f);
	}
	g->eap = (struct eap_rules){
		.users = g->users, .tls = g->tls, .server = from->name, .guesses = g->guesses};
	g->ike = (struct ike_clients){
		.eap = g->users || g->tls ? &g->eap : NULL, .lease = lease, .owner = g};
	g->ike.n_dns = take_dns(&m->vnets[g->vnet], IP_NONE, g->ike.dns, IKE_MAX_DNS);
}

int clients_new(struct clients **out, const struct model *m, const struct plan *plan,
		const struct credentials *credentials, struct config_findings *findings,
		struct fault *f)
{
	struct clients *c = calloc(1, sizeof *c);
	*out = NULL;
	if (c)
		c->at = calloc(m->n_gateways + 1u, sizeof(struct client_gateway *));
	if (!c || !c->at) {
		free(c);
		return fault_set(f, -ENOMEM, "not enough memory for clients");
	}
	c->m = m;
	c->n = m->n_gateways;
	struct making k = {c, plan, {findings, f, 0}};
	for (uint32_t i = 0; i < c->n; i++) {
		if (!m->gateways[i].clients.n_pool)
			continue;
		c->at[i] = calloc(1, sizeof *c->at[i]);
		if (!c->at[i]) {
			fault_set(f, -ENOMEM, "not enough memory for clients");
			k.faults.err = -ENOMEM;
			break;
		}
		c->at[i]->of = c;
		c->at[i]->index = i;
		make_gateway(&k, c->at[i], credentials);
	}
	if (k.faults.err) {
		clients_free(c);
		return k.faults.err;
	}
	*out = c;
	return 0;
}

static void free_gateway(struct client_gateway *g)
{
	if (!g)
		return;
	eap_tls_free(g->tls);
	users_free(g->users);
	guesses_free(g->guesses);
	trust_free(g->trust);
	pool_free(g->pool);
	free(g->client);
	if (g->reach_given)
		datapath_reach_unused();
	free(g->reach);
	free(g);
}

void clients_free(struct clients *c)
{
	if (!c)
		return;
	for (uint32_t i = 0; i < c->n; i++)
		free_gateway(c->at[i]);
	free((void *)c->at);
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
	const struct client_gateway *g = c->at[gateway];
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
		struct client_gateway *g = c->at[i];
		if (!g || !g->pool || connection < g->first ||
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

struct guesses_count clients_guesses(const struct clients *c, uint32_t gateway)
{
	const struct client_gateway *g = c->at[gateway];
	return guesses_count(g ? g->guesses : NULL);
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
		const struct client_gateway *g = c->at[i];
		uint32_t k = !g || after < g->first ? 0 : after - g->first + 1;
		for (; g && g->pool && k < pool_size(g->pool); k++) {
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

/* ---- from one configuration to the next ---- */

static bool same_pool(const struct client_gateway *g, const struct model_clients *a,
		      const struct client_gateway *h, const struct model_clients *b)
{
	bool same = a->n_pool == b->n_pool && g->first == h->first && g->pool && h->pool &&
		    pool_size(g->pool) == pool_size(h->pool);
	for (uint32_t i = 0; same && i < a->n_pool; i++)
		same = ip_prefix_equal(&a->pool[i], &b->pool[i]);
	return same;
}

static const struct model_user *find_user(const struct model_clients *c, const char *name)
{
	for (uint32_t i = 0; i < c->n_users; i++)
		if (strcmp(c->users[i].name, name) == 0)
			return &c->users[i];
	return NULL;
}

/* Whether everybody of `a` is in `b`, by the same password. */
static bool has_users(const struct model_clients *a, const struct model_clients *b)
{
	for (uint32_t i = 0; i < a->n_users; i++) {
		const struct model_user *u = find_user(b, a->users[i].name);
		if (!u || u->password.len != a->users[i].password.len ||
		    memcmp(u->password.b, a->users[i].password.b, u->password.len) != 0)
			return false;
	}
	return true;
}

static bool has_roots(const struct model *m, const struct model_clients *a, const struct model *n,
		      const struct model_clients *b)
{
	for (uint32_t i = 0; i < a->n_roots; i++) {
		bool found = false;
		for (uint32_t k = 0; k < b->n_roots && !found; k++)
			found = credentials_same_file(m, a->roots[i], n, b->roots[k]);
		if (!found)
			return false;
	}
	return true;
}

static bool has_revoked(const struct model_clients *a, const struct model_clients *b)
{
	for (uint32_t i = 0; i < a->n_revoked; i++) {
		bool found = false;
		for (uint32_t k = 0; k < b->n_revoked && !found; k++)
			found = memcmp(a->revoked[i], b->revoked[k], sizeof a->revoked[i]) == 0;
		if (!found)
			return false;
	}
	return true;
}

static bool has_prefixes(const struct ip_prefix *a, uint32_t n_a, const struct ip_prefix *b,
			 uint32_t n_b)
{
	for (uint32_t i = 0; i < n_a; i++) {
		bool found = false;
		for (uint32_t k = 0; k < n_b && !found; k++)
			found = ip_prefix_equal(&a[i], &b[k]);
		if (!found)
			return false;
	}
	return true;
}

/* Whether clients are offered less than before, but for networks, whose routes went. */
static bool is_narrower(const struct model_clients *now, const struct model_clients *before)
{
	return (before->to_each_other && !now->to_each_other) ||
	       !has_prefixes(before->routes, before->n_routes, now->routes, now->n_routes);
}

static bool same_rules(const struct model *m, const struct model_clients *a, const struct model *n,
		       const struct model_clients *b)
{
	return has_users(a, b) && has_users(b, a) && has_roots(m, a, n, b) &&
	       has_roots(n, b, m, a) && has_revoked(a, b) && has_revoked(b, a);
}

enum clients_fate clients_compare(const struct clients *c, uint32_t gateway,
				  const struct clients *old, uint32_t was)
{
	const struct client_gateway *g = gateway == MODEL_NONE ? NULL : c->at[gateway];
	const struct client_gateway *h = was == MODEL_NONE ? NULL : old->at[was];
	if (!g || !h)
		return g ? CLIENTS_NEW : h ? CLIENTS_GONE : CLIENTS_NONE;
	const struct model_clients *a = &c->m->gateways[gateway].clients;
	const struct model_clients *b = &old->m->gateways[was].clients;
	if (!same_pool(g, a, h, b))
		return CLIENTS_REPLACED;
	return same_rules(c->m, a, old->m, b) ? CLIENTS_SAME : CLIENTS_CHANGED;
}

static bool is_by_password(const char *method)
{
	return strcmp(method, "EAP-MSCHAPv2") == 0 || strcmp(method, "MS-CHAPv2") == 0;
}

uint32_t clients_cut_off(const struct clients *c, uint32_t gateway, const struct clients *old,
			 uint32_t was, uint32_t after, bool is_sstp,
			 const char *(*method)(void *owner, uint32_t connection, const char **user),
			 void *owner)
{
	const struct model_clients *a = &c->m->gateways[gateway].clients;
	const struct model_clients *b = &old->m->gateways[was].clients;
	const struct client_gateway *h = old->at[was];
	/* SAs have their selectors for good; who comes by SSTP has other rules at once */
	bool narrower = !is_sstp && is_narrower(a, b);
	bool doubtful = !has_roots(old->m, b, c->m, a) || !has_revoked(a, b);
	for (uint32_t k = after < h->first ? 0 : after - h->first + 1; k < pool_size(h->pool);
	     k++) {
		const char *user = "";
		if (!h->client[k].there || h->client[k].is_sstp != is_sstp)
			continue;
		bool by_password = is_by_password(method(owner, h->first + k, &user));
		const struct model_user *then = find_user(b, user), *now = find_user(a, user);
		bool gone = by_password &&
			    (!now || !then || then->password.len != now->password.len ||
			     memcmp(then->password.b, now->password.b, now->password.len) != 0);
		if (gone || narrower || (!by_password && doubtful))
			return h->first + k;
	}
	return 0;
}

void clients_adopt(struct clients *c, uint32_t gateway, struct clients *old, uint32_t was,
		   bool whole)
{
	struct client_gateway *g = c->at[gateway], *h = old->at[was];
	if (whole) {
		c->at[gateway] = h;
		old->at[was] = g;
		h->of = c;
		g->of = old;
		h->index = g->index;
		h->vnet = g->vnet;
		h->table = g->table;
		h->most_sstp = g->most_sstp;
		h->eap.server = g->eap.server;
		h->ike.n_dns = g->ike.n_dns;
		memcpy(h->ike.dns, g->ike.dns, sizeof h->ike.dns);
		return;
	}
	struct pool *pool = g->pool;
	struct client *client = g->client;
	struct guesses *guesses = g->guesses;
	/* who guesses goes on to wait */
	g->guesses = g->eap.guesses = h->guesses;
	h->guesses = h->eap.guesses = guesses;
	g->pool = h->pool;
	g->client = h->client;
	h->pool = pool;
	h->client = client;
	g->n_came = h->n_came;
	g->n_sstp = h->n_sstp;
	h->n_sstp = 0;
}

void clients_rebase(struct clients *c, const struct model *m)
{
	c->m = m;
}

/* ---- in the maps ---- */

static uint32_t vnet_id(const struct client_gateway *g)
{
	return g->of->m->vnets[g->vnet].id;
}

static int put_route(const struct client_gateway *g, uint32_t vnet, const struct ip_addr *a,
		     uint32_t hop)
{
	struct ip_prefix p = {*a, (uint8_t)ip_addr_bits(a)};
	const struct xgw_route r = {
		.next_hop = hop, .source = XGW_ROUTE_CLIENT, .plen = p.len, .family = a->family};
	return a->family ? maps_route_put(g->of->maps, vnet, &p, &r) : 0;
}

static void delete_route(const struct client_gateway *g, uint32_t vnet, const struct ip_addr *a)
{
	struct ip_prefix p = {*a, (uint8_t)ip_addr_bits(a)};
	if (a->family && maps_route_delete(g->of->maps, vnet, &p))
		log_warn(LOG_MAP, "client-route-not-removed gateway=%s",
			 g->of->m->gateways[g->index].name);
}

/* The gateway's virtual network, then those that use it, by their ids; 0 behind the last. *at: 0 at
 * first. */
static uint32_t next_user(const struct client_gateway *g, uint32_t *at)
{
	const struct model *m = g->of->m;
	const struct model_vnet *v = &m->vnets[g->vnet];
	if (!*at) {
		*at = 1;
		return v->id;
	}
	while (*at <= v->n_peerings) {
		const struct model_peering *p = &v->peerings[(*at)++ - 1];
		if (model_peering_gives_transit(m, p))
			return m->vnets[p->remote].id;
	}
	return 0;
}

/* What is routed to it; IP_NONE: nothing of that family, or not yet. */
static struct ip_addr routed(const struct client *x, unsigned k)
{
	const struct ip_addr none = {0};
	return x->is_sstp && !x->routed[k] ? none : k ? x->lease.v6 : x->lease.v4;
}

static int put_routes(const struct client_gateway *g, const struct client *x, uint32_t hop)
{
	const struct ip_addr v4 = routed(x, 0), v6 = routed(x, 1);
	int err = 0;
	for (uint32_t at = 0, vnet; !err && (vnet = next_user(g, &at));) {
		err = put_route(g, vnet, &v4, hop);
		if (!err)
			err = put_route(g, vnet, &v6, hop);
	}
	return err;
}

static void delete_routes_in(const struct client_gateway *g, const struct client *x, uint32_t vnet)
{
	const struct ip_addr v4 = routed(x, 0), v6 = routed(x, 1);
	delete_route(g, vnet, &v4);
	delete_route(g, vnet, &v6);
}

static void delete_routes(const struct client_gateway *g, const struct client *x)
{
	for (uint32_t at = 0, vnet; (vnet = next_user(g, &at));)
		delete_routes_in(g, x, vnet);
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
					 .connection = id,
					 .table = g->table};
	struct xgw_name name = {{0}};
	memcpy(name.text, x->name, strnlen(x->name, sizeof name.text - 1));
	int err = maps_put(maps, MAPS_names, &key, &name);
	if (!err)
		err = maps_put(maps, MAPS_next_hops, &id, &hop);
	if (!err)
		err = put_routes(g, x, id);
	maps_bump(maps);
	return err;
}

static void withdraw(const struct client_gateway *g, const struct client *x)
{
	const struct maps *maps = g->of->maps;
	uint32_t id = g->first + x->lease.slot;
	const struct xgw_name_key key = {XGW_NAME_CONNECTION, id};
	delete_routes(g, x);
	maps_delete(maps, MAPS_next_hops, &id);
	maps_delete(maps, MAPS_names, &key);
	maps_bump(maps);
}

static bool is_user(const struct client_gateway *g, uint32_t vnet)
{
	for (uint32_t at = 0, user; (user = next_user(g, &at));)
		if (user == vnet)
			return true;
	return false;
}

void clients_leave_networks(const struct clients *c, uint32_t gateway, const struct clients *old,
			    uint32_t was)
{
	const struct client_gateway *g = c->at[gateway], *h = old->at[was];
	for (uint32_t at = 0, vnet; (vnet = next_user(h, &at));) {
		if (is_user(g, vnet))
			continue;
		for (uint32_t k = 0; h->pool && k < pool_size(h->pool); k++) {
			if (h->client[k].there)
				delete_routes_in(h, &h->client[k], vnet);
		}
	}
}

int clients_enter_networks(const struct clients *c, uint32_t gateway)
{
	struct client_gateway *g = c->at[gateway];
	int err = 0;
	g->reach_given = true;
	for (uint32_t k = 0; g->pool && k < pool_size(g->pool); k++) {
		int bad = g->client[k].there ? put(g, &g->client[k]) : 0;
		if (g->client[k].is_sstp && g->client[k].there)
			datapath_client_reach(c->datapath, g->first + k, g->reach);
		err = err ? err : bad;
	}
	return err;
}

/* ---- how long they stay ---- */

/* Beyond sessionsPerUser the oldest goes. */
static void limit_user(struct client_gateway *g, const struct client *newest)
{
	const uint32_t most = g->of->m->gateways[g->index].clients.per_user;
	struct client *oldest = NULL;
	uint32_t n = 0;
	for (uint32_t k = 0; most && k < pool_size(g->pool); k++) {
		struct client *x = &g->client[k];
		if (!x->there || x->replaced || x->ends || strcmp(x->name, newest->name) != 0)
			continue;
		n++;
		if (!oldest || x->order < oldest->order)
			oldest = x;
	}
	if (n > most && oldest)
		oldest->replaced = true;
}

static const char *overstayed(const struct client_gateway *g, struct client *x, uint64_t now_ns)
{
	const struct model_clients *m = &g->of->m->gateways[g->index].clients;
	struct datapath_traffic t;
	if (x->replaced)
		return "a newer session of the user took its place (sessionsPerUser)";
	if (x->is_sstp)
		return NULL;
	if (m->idle_minutes &&
	    !datapath_connection_traffic(g->of->datapath, g->first + x->lease.slot, &t)) {
		if (t.packets_in + t.packets_out != x->packets)
			x->active_ns = now_ns;
		x->packets = t.packets_in + t.packets_out;
	}
	if (m->idle_minutes && now_ns - x->active_ns >= m->idle_minutes * 60 * NS_PER_S)
		return "the session was idle for too long (sessionIdleMinutes)";
	if (m->session_minutes && now_ns - x->since_ns >= m->session_minutes * 60 * NS_PER_S)
		return "the session's time is up (sessionMinutes)";
	return NULL;
}

int clients_next_due(struct clients *c, uint32_t after, uint64_t now_ns, struct client_due *out)
{
	for (uint32_t i = 0; i < c->n; i++) {
		struct client_gateway *g = c->at[i];
		uint32_t k = !g || after < g->first ? 0 : after - g->first + 1;
		for (; g && g->pool && k < pool_size(g->pool); k++) {
			struct client *x = &g->client[k];
			out->why = x->there && !x->ends ? overstayed(g, x, now_ns) : NULL;
			if (!out->why)
				continue;
			x->ends = true;
			describe(g, x, &out->is);
			return 0;
		}
	}
	return -ENOENT;
}

/* What it asks for of the pool, and in the maps; NULL: f says why not. */
static struct client *admit(struct client_gateway *g, const struct ike_client *who, bool is_sstp,
			    struct fault *f)
{
	struct pool_lease given;
	if (pool_take(g->pool, who->user, who->wants_v4, who->wants_v6, &who->wanted4, &given, f))
		return NULL;
	struct client *x = &g->client[given.slot];
	const uint64_t now = clock_now_ns();
	*x = (struct client){.there = true,
			     .is_sstp = is_sstp,
			     .order = g->n_came++,
			     .since_ns = now,
			     .active_ns = now,
			     .lease = given};
	snprintf(x->name, sizeof x->name, "%.60s/%.250s", g->of->m->gateways[g->index].name,
		 who->user);
	int err = put(g, x);
	if (!err) {
		limit_user(g, x);
		return x;
	}
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

static void tell(const struct clients *c, uint32_t gateway, struct ppp_told *out)
{
	const struct model_vnet *v = &c->m->vnets[c->m->gateways[gateway].vnet];
	struct offer offer;
	struct ip_prefix p;
	take_dns(v, IP_V4, out->dns, PPP_MAX_DNS);
	take_dns(v, IP_V6, out->dns6, PPP_MAX_DNS);
	if (offer_of_clients(c->m, gateway, &offer)) /* which check says */
		return;
	for (uint8_t i = 0; i < offer.n_local_ts && out->n_routes6 < PPP_MAX_ROUTES; i++)
		if (ip_range_to_prefix(&offer.local_ts[i].range, &p) && p.addr.family == IP_V6)
			out->routes6[out->n_routes6++] = p;
}

int clients_sstp(const struct clients *c, uint32_t gateway, struct clients_sstp *out)
{
	const struct client_gateway *g = c->at[gateway];
	if (!g || !g->pool || !c->m->gateways[gateway].clients.sstp || !g->credential)
		return -ENOENT;
	*out = (struct clients_sstp){.credential = g->credential, .eap = &g->eap};
	tell(c, gateway, &out->told);
	return 0;
}

int clients_admit(struct clients *c, uint32_t gateway, const char *user, struct client_info *out,
		  struct fault *f)
{
	struct client_gateway *g = c->at[gateway];
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
					  .v6 = v6 ? x->lease.v6 : (struct ip_addr){0},
					  .reach = g->reach};
	g->reach_given = true;
	int err = datapath_client_set(c->datapath, &d);
	if (!err) {
		x->routed[0] |= v4;
		x->routed[1] |= v6;
		err = put_routes(g, x, connection);
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
