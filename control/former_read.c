/* SPDX-License-Identifier: Apache-2.0 */
/* The model of a text of which most was read before: copies, and what is parsed anew among them. */
#include "control/former_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct merge {
	struct read *r;
	struct former_change *c;
	const struct model *was;
	struct former_shift shift;
	uint32_t *now[FORMER_LISTS]; /* index of before -> index in the list, MODEL_NONE: gone */
	uint32_t count[FORMER_LISTS], had[FORMER_LISTS];
};

static const enum schema_property names[FORMER_LISTS] = {
	[FORMER_TABLES] = P_routeTable_name,
	[FORMER_VNETS] = P_virtualNetwork_name,
	[FORMER_GATEWAYS] = P_virtualNetworkGateway_name,
	[FORMER_SITES] = P_localNetworkGateway_name,
	[FORMER_REMOTES] = P_remoteGateway_name,
	[FORMER_CONNECTIONS] = P_connection_name,
};

static void count_before(struct merge *k)
{
	const struct model *m = k->was;
	uint32_t sites = 0;
	while (sites < m->n_sites && !m->sites[sites].is_remote_gateway)
		sites++;
	k->had[FORMER_TABLES] = m->n_tables;
	k->had[FORMER_VNETS] = m->n_vnets;
	k->had[FORMER_GATEWAYS] = m->n_gateways;
	k->had[FORMER_SITES] = sites;
	k->had[FORMER_REMOTES] = m->n_sites - sites;
	k->had[FORMER_CONNECTIONS] = m->n_connections;
}

/* Whether item j of a list is one of before; *of: which one of those, or of the new ones. */
static bool is_kept(const struct former_edit *e, uint32_t j, uint32_t *of)
{
	bool in_front = j < e->first;
	*of = in_front ? j : j - e->first;
	if (in_front || *of >= e->n) {
		*of = in_front ? j : *of - e->n + e->behind;
		return true;
	}
	return false;
}

static const char *name_before(const struct merge *k, uint32_t id, uint32_t i)
{
	const struct model *m = k->was;
	switch (id) {
	case FORMER_TABLES: return m->tables[i].name;
	case FORMER_VNETS: return m->vnets[i].name;
	case FORMER_GATEWAYS: return m->gateways[i].name;
	case FORMER_SITES: return m->sites[i].name;
	case FORMER_REMOTES: return m->sites[k->had[FORMER_SITES] + i].name;
	default: return m->connections[i].name;
	}
}

static int by_name(const void *a, const void *b)
{
	const struct read_name *x = a, *y = b;
	int c = strcmp(x->name, y->name);
	return c ? c : x->index < y->index ? -1 : x->index > y->index;
}

/* The names of a list as it is now, from `base` on. */
static bool index_names(struct merge *k, uint32_t id, uint32_t base, struct read_names *out)
{
	const struct former_edit *e = &k->c->edits[id];
	out->n = 0;
	out->at = reallocarray(NULL, k->count[id] + 1u, sizeof *out->at);
	if (!out->at)
		return false;
	for (uint32_t j = 0; j < k->count[id]; j++) {
		uint32_t i;
		const char *name = is_kept(e, j, &i) ? name_before(k, id, i)
						     : read_text(e->items[i], names[id]);
		if (name)
			out->at[out->n++] = (struct read_name){name, base + j};
	}
	qsort(out->at, out->n, sizeof *out->at, by_name);
	return true;
}

static bool index_ports(struct merge *k, struct read_names *out)
{
	const struct model_host *h = &k->was->host;
	out->at = reallocarray(NULL, h->n_ports + 1u, sizeof *out->at);
	if (!out->at)
		return false;
	for (out->n = 0; out->n < h->n_ports; out->n++)
		out->at[out->n] = (struct read_name){h->ports[out->n].name, out->n};
	qsort(out->at, out->n, sizeof *out->at, by_name);
	return true;
}

/* Lists that new items name resources of, and those of which items have been replaced. */
static bool index_all(struct merge *k)
{
	struct read *r = k->r;
	const struct former_edit *e = k->c->edits;
	bool vnets = e[FORMER_VNETS].changed, gateways = e[FORMER_GATEWAYS].changed,
	     connections = e[FORMER_CONNECTIONS].changed;
	return (!vnets || index_ports(k, &r->ports)) &&
	       (!(vnets || e[FORMER_TABLES].changed) ||
		index_names(k, FORMER_TABLES, 0, &r->tables)) &&
	       (!(vnets || gateways) || index_names(k, FORMER_VNETS, 0, &r->vnets)) &&
	       (!(gateways || connections) || index_names(k, FORMER_GATEWAYS, 0, &r->gateways)) &&
	       (!(gateways || connections || e[FORMER_SITES].changed) ||
		index_names(k, FORMER_SITES, 0, &r->sites)) &&
	       (!(connections || e[FORMER_REMOTES].changed) ||
		index_names(k, FORMER_REMOTES, k->count[FORMER_SITES], &r->remotes));
}

static void free_names(struct read *r)
{
	struct read_names *const all[] = {&r->ports,	&r->tables, &r->vnets,
					  &r->gateways, &r->sites,  &r->remotes};
	for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
		free(all[i]->at);
		*all[i] = (struct read_names){0};
	}
}

/* What was replaced is found by its name, as who names it does. */
static bool find_now(struct merge *k, uint32_t id, uint32_t base, const struct read_names *all)
{
	const struct former_edit *e = &k->c->edits[id];
	uint32_t *now = k->now[id] = reallocarray(NULL, k->had[id] + 1u, sizeof *now);
	if (!now)
		return false;
	for (uint32_t i = 0; i < k->had[id]; i++) {
		now[i] = i < e->first ? i : i - e->behind + e->first + e->n;
		if (i < e->first || i >= e->behind)
			continue;
		uint32_t found = all ? read_find(all, name_before(k, id, i)) : MODEL_NONE;
		now[i] = found == MODEL_NONE ? found : found - base;
	}
	return true;
}

static bool find_all_now(struct merge *k)
{
	const struct read *r = k->r;
	return find_now(k, FORMER_TABLES, 0, &r->tables) &&
	       find_now(k, FORMER_VNETS, 0, &r->vnets) &&
	       find_now(k, FORMER_GATEWAYS, 0, &r->gateways) &&
	       find_now(k, FORMER_SITES, 0, &r->sites) &&
	       find_now(k, FORMER_REMOTES, k->count[FORMER_SITES], &r->remotes) &&
	       find_now(k, FORMER_CONNECTIONS, 0, NULL);
}

/* ---- the lists ---- */

static struct former_shift *shift(struct merge *k, struct model_place at)
{
	k->shift.lines = (int64_t)former_line(k->c, at.line) - at.line;
	return &k->shift;
}

/* For items of list `id` that are read: their tree. */
static const struct tree_node *item(struct merge *k, uint32_t id, uint32_t i)
{
	k->r->tree = &k->c->edits[id].tree;
	return k->c->edits[id].items[i];
}

static void merge_tables(struct merge *k)
{
	struct model *m = k->r->model;
	uint32_t i;
	m->tables = read_array(k->r, k->count[FORMER_TABLES], sizeof *m->tables);
	for (uint32_t j = 0; m->tables && j < k->count[FORMER_TABLES]; j++) {
		struct model_route_table *to = &m->tables[m->n_tables++];
		if (is_kept(&k->c->edits[FORMER_TABLES], j, &i))
			former_copy_table(shift(k, k->was->tables[i].place), to,
					  &k->was->tables[i]);
		else
			read_table(k->r, item(k, FORMER_TABLES, i), to);
	}
}

static void merge_vnets(struct merge *k)
{
	struct model *m = k->r->model;
	uint32_t i;
	m->vnets = read_array(k->r, k->count[FORMER_VNETS], sizeof *m->vnets);
	for (uint32_t j = 0; m->vnets && j < k->count[FORMER_VNETS]; j++) {
		struct model_vnet *to = &m->vnets[m->n_vnets++];
		if (is_kept(&k->c->edits[FORMER_VNETS], j, &i))
			former_copy_vnet(shift(k, k->was->vnets[i].place), to, &k->was->vnets[i]);
		else
			read_vnet(k->r, item(k, FORMER_VNETS, i), to);
	}
}

static void merge_sites(struct merge *k, uint32_t id, uint32_t had)
{
	struct model *m = k->r->model;
	uint32_t i;
	for (uint32_t j = 0; m->sites && j < k->count[id]; j++) {
		struct model_site *to = &m->sites[m->n_sites++];
		if (is_kept(&k->c->edits[id], j, &i))
			former_copy_site(shift(k, k->was->sites[had + i].place), to,
					 &k->was->sites[had + i]);
		else if (id == FORMER_SITES)
			read_site(k->r, item(k, id, i), to);
		else
			read_remote(k->r, item(k, id, i), to);
	}
}

static void merge_far_ends(struct merge *k)
{
	struct model *m = k->r->model;
	m->sites = read_array(k->r, k->count[FORMER_SITES] + k->count[FORMER_REMOTES],
			      sizeof *m->sites);
	merge_sites(k, FORMER_SITES, 0);
	merge_sites(k, FORMER_REMOTES, k->had[FORMER_SITES]);
}

static void merge_gateways(struct merge *k)
{
	struct model *m = k->r->model;
	uint32_t i;
	m->gateways = read_array(k->r, k->count[FORMER_GATEWAYS], sizeof *m->gateways);
	for (uint32_t j = 0; m->gateways && j < k->count[FORMER_GATEWAYS]; j++) {
		struct model_gateway *to = &m->gateways[m->n_gateways++];
		if (is_kept(&k->c->edits[FORMER_GATEWAYS], j, &i))
			former_copy_gateway(shift(k, k->was->gateways[i].place), to,
					    &k->was->gateways[i]);
		else
			read_gateway(k->r, item(k, FORMER_GATEWAYS, i), to);
	}
}

/* A file may hold another key than before: then all is read. */
static bool same_secret(struct merge *k, const char *path, const struct secret *was)
{
	const struct config_files *files = k->r->files;
	struct secret now = {0};
	struct fault fault = {0};
	if (!path)
		return true;
	if (!files || !files->read_secret)
		return false;
	k->r->secrets++;
	bool same = !files->read_secret(files->owner, path, &now, &fault) && now.len == was->len &&
		    !memcmp(now.b, was->b, was->len);
	secret_wipe(&now);
	return same;
}

/* Many connections share a file: those behind each other have it read once. */
static bool same_psk(struct merge *k, const struct model_connection *c,
		     const struct model_connection **last)
{
	const struct model_connection *l = *last;
	*last = c->psk_file ? c : l;
	if (!c->psk_file || !l || strcmp(l->psk_file, c->psk_file) != 0)
		return same_secret(k, c->psk_file, &c->psk);
	k->r->secrets++;
	return l->psk.len == c->psk.len && !memcmp(l->psk.b, c->psk.b, c->psk.len);
}

static bool merge_connections(struct merge *k)
{
	struct model *m = k->r->model;
	const struct model_connection *last = NULL;
	uint32_t i;
	m->connections = read_array(k->r, k->count[FORMER_CONNECTIONS], sizeof *m->connections);
	for (uint32_t j = 0; m->connections && j < k->count[FORMER_CONNECTIONS]; j++) {
		struct model_connection *to = &m->connections[m->n_connections++];
		if (!is_kept(&k->c->edits[FORMER_CONNECTIONS], j, &i)) {
			read_connection(k->r, item(k, FORMER_CONNECTIONS, i), to);
			continue;
		}
		const struct model_connection *from = &k->was->connections[i];
		former_copy_connection(shift(k, from->place), to, from);
		if (!same_psk(k, from, &last) || !same_secret(k, from->ppk_file, &from->ppk))
			return false;
	}
	return true;
}

/* ---- what they name, and what that means for them ---- */

/* Of one that was copied: false when what it names is gone. */
static bool follow(uint32_t *ref, const uint32_t *now)
{
	if (*ref == MODEL_NONE)
		return true;
	*ref = now[*ref];
	return *ref != MODEL_NONE;
}

/* Far ends of both kinds are in one array. */
static bool follow_site(const struct merge *k, uint32_t *ref)
{
	uint32_t sites = k->had[FORMER_SITES];
	if (*ref == MODEL_NONE || *ref < sites)
		return follow(ref, k->now[FORMER_SITES]);
	*ref = k->now[FORMER_REMOTES][*ref - sites];
	if (*ref == MODEL_NONE)
		return false;
	*ref += k->count[FORMER_SITES];
	return true;
}

static bool follow_vnets(struct merge *k)
{
	struct model *m = k->r->model;
	bool good = true;
	uint32_t i;
	for (uint32_t j = 0; j < m->n_vnets; j++) {
		struct model_vnet *v = &m->vnets[j];
		if (!is_kept(&k->c->edits[FORMER_VNETS], j, &i))
			continue;
		for (uint32_t n = 0; n < v->n_subnets; n++)
			good &= follow(&v->subnets[n].route_table, k->now[FORMER_TABLES]);
		for (uint32_t n = 0; n < v->n_peerings; n++)
			good &= follow(&v->peerings[n].remote, k->now[FORMER_VNETS]);
	}
	return good;
}

/* What a gateway says nothing of comes from its network. */
static bool follow_gateways(struct merge *k)
{
	struct model *m = k->r->model;
	bool good = true;
	uint32_t i;
	for (uint32_t j = 0; j < m->n_gateways; j++) {
		struct model_gateway *g = &m->gateways[j];
		if (!is_kept(&k->c->edits[FORMER_GATEWAYS], j, &i))
			continue;
		const struct ip_addr was = read_bgp_address(&k->was->vnets[g->vnet]);
		good &= follow(&g->vnet, k->now[FORMER_VNETS]);
		good &= follow_site(k, &g->default_site);
		if (!good)
			return false;
		const struct ip_addr now = read_bgp_address(&m->vnets[g->vnet]);
		good = !g->enable_bgp || ip_addr_equal(&was, &now);
	}
	return good;
}

/* What a connection says nothing of comes from its gateway. */
static bool follow_connections(struct merge *k)
{
	struct model *m = k->r->model;
	bool good = true;
	uint32_t i;
	for (uint32_t j = 0; j < m->n_connections; j++) {
		struct model_connection *c = &m->connections[j];
		if (!is_kept(&k->c->edits[FORMER_CONNECTIONS], j, &i))
			continue;
		bool policy_based = k->was->gateways[c->gateway].policy_based;
		good &= follow(&c->gateway, k->now[FORMER_GATEWAYS]);
		good &= follow_site(k, &c->site);
		good &= follow(&c->peer_gateway, k->now[FORMER_GATEWAYS]);
		good = good && m->gateways[c->gateway].policy_based == policy_based;
	}
	return good;
}

/* ---- all ---- */

static int check_items(struct merge *k)
{
	for (uint32_t id = 0; id < FORMER_LISTS; id++) {
		struct former_edit *e = &k->c->edits[id];
		k->count[id] = k->had[id] - (e->behind - e->first) + e->n;
		/* numbers of items are numbers of the model */
		if (k->c->was->lists[id].n && k->c->was->lists[id].n != k->had[id])
			return -EAGAIN;
		if (!k->c->was->lists[id].n)
			e->first = e->behind = k->had[id];
		for (uint32_t i = 0; i < e->n; i++)
			schema_check_item(&e->tree, former_property(id), e->items[i],
					  k->r->findings);
		if (e->tree.no_memory)
			return -ENOMEM;
	}
	return k->r->findings->errors ? -EAGAIN : 0;
}

/* Networks about which there was nothing to tell, and is nothing now. */
static bool find_quiet(struct merge *k)
{
	const bool *noisy = k->c->was->noisy;
	bool *quiet = k->c->quiet = calloc(k->count[FORMER_VNETS] + 1u, sizeof *quiet);
	uint32_t i;
	for (uint32_t j = 0; quiet && noisy && j < k->count[FORMER_VNETS]; j++)
		quiet[j] = is_kept(&k->c->edits[FORMER_VNETS], j, &i) && !noisy[i] &&
			   !k->c->changed[j];
	return quiet;
}

static int merge(struct merge *k)
{
	struct read *r = k->r;
	const struct model_host *h = &k->was->host;
	int err = check_items(k);
	if (err)
		return err;
	if (!index_all(k) || !find_all_now(k))
		return -ENOMEM;
	former_copy_host(shift(k, h->n_ports ? h->ports[0].place : (struct model_place){0}),
			 &r->model->host, h);
	merge_tables(k);
	merge_vnets(k);
	merge_far_ends(k);
	merge_gateways(k);
	if (!merge_connections(k))
		return -EAGAIN;
	if (r->no_memory || k->shift.no_memory)
		return -ENOMEM;
	if (r->findings->errors || !follow_vnets(k) || !follow_gateways(k) ||
	    !follow_connections(k))
		return -EAGAIN;
	read_note_gateways(r->model);
	k->c->changed = former_scope(k->c, k->was, r->model, k->now, k->count[FORMER_SITES]);
	return k->c->changed && find_quiet(k) ? read_match_peerings(r->model) : -ENOMEM;
}

int former_read(struct read *r, struct former_change *c, const struct model *was)
{
	struct merge k = {.r = r, .c = c, .was = was};
	count_before(&k);
	int err = merge(&k);
	for (uint32_t id = 0; id < FORMER_LISTS; id++)
		free(k.now[id]);
	free_names(r);
	return err;
}
