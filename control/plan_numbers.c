/* SPDX-License-Identifier: Apache-2.0 */
/* Which number everything of a model has: by name from the plan before, or new. */
#include "control/plan_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct numbering {
	struct plan *p;
	const struct model *m;
	const struct plan *previous;
	struct fault *f;
};

static int take(struct numbering *k, enum plan_id_kind kind, const char *key, uint32_t of,
		uint32_t *id)
{
	return plan_ids_take(k->p->ids, kind, key, of, id, k->f);
}

static int number_ports(struct numbering *k)
{
	int err = 0;
	for (uint32_t i = 0; !err && i < k->m->host.n_ports; i++)
		err = take(k, PLAN_ID_PORT, k->m->host.ports[i].name, i, &k->p->port_ids[i]);
	return err;
}

/* Of another VNet it is another gateway, and its connections are others. */
static int number_gateways(struct numbering *k)
{
	char key[192];
	int err = 0;
	for (uint32_t i = 0; !err && i < k->m->n_gateways; i++) {
		const struct model_gateway *g = &k->m->gateways[i];
		snprintf(key, sizeof key, "%s/%u", g->name, k->m->vnets[g->vnet].id);
		err = take(k, PLAN_ID_GATEWAY, key, i, &k->p->gateways[i].slot);
		snprintf(key, sizeof key, "instance of %u", k->p->gateways[i].slot);
		if (!err && g->active_active)
			err = take(k, PLAN_ID_APPLIANCE, key, i, &k->p->gateways[i].other);
	}
	return err;
}

static int number_connections(struct numbering *k)
{
	char key[192];
	int err = 0;
	for (uint32_t i = 0; !err && i < k->m->n_connections; i++) {
		const struct model_connection *c = &k->m->connections[i];
		k->p->tunnels[i] = MODEL_NONE;
		if (c->express_route)
			continue;
		uint32_t n = k->p->tunnels[i] = k->p->n_connections++;
		struct plan_connection *to = &k->p->connections[n];
		to->model = i;
		to->vnet = k->m->vnets[k->m->gateways[c->gateway].vnet].id;
		snprintf(key, sizeof key, "%s/%u", c->name, k->p->gateways[c->gateway].slot);
		err = take(k, PLAN_ID_CONNECTION, key, n, &to->id);
	}
	return err;
}

static int by_vnet(const void *a, const void *b)
{
	const struct plan_vnet *x = a, *y = b;
	return x->id < y->id ? -1 : x->id > y->id;
}

static int number_attachments(struct numbering *k)
{
	char key[64];
	int err = 0;
	for (uint32_t i = 0, n = 0; i < k->m->n_vnets; i++) {
		const struct model_vnet *v = &k->m->vnets[i];
		k->p->vnets[i] = (struct plan_vnet){v->id, i, n};
		for (uint32_t j = 0; !err && j < v->n_attachments; j++, n++) {
			const struct model_attachment *a = &v->attachments[j];
			struct plan_attachment *to = &k->p->places[n];
			to->vnet = i;
			to->index = j;
			snprintf(key, sizeof key, "%u/%u/%u/%u", v->id, k->p->port_ids[a->port],
				 a->kind, a->tag);
			err = take(k, PLAN_ID_ATTACHMENT, key, n, &to->id);
		}
	}
	qsort(k->p->vnets, k->p->n_vnets, sizeof *k->p->vnets, by_vnet);
	return err;
}

/* ---- ranges of clients ---- */

static uint32_t clients_of(const struct model_gateway *g)
{
	return g->clients.n_pool ? g->clients.most : 0;
}

static int by_first(const void *a, const void *b)
{
	const struct plan_gateway *x = a, *y = b;
	return x->first_client < y->first_client ? -1 : x->first_client > y->first_client;
}

/* The first gap that is large enough, or the largest one. `taken` is in order. */
static void find_gap(const struct plan_gateway *taken, uint32_t n, struct plan_gateway *g,
		     uint32_t wanted)
{
	uint32_t at = PLAN_FIRST_CLIENT;
	for (uint32_t i = 0; i <= n && g->n_clients < wanted; i++) {
		uint32_t end = i < n ? taken[i].first_client : PLAN_FIRST_TUN;
		uint32_t room = end > at ? end - at : 0;
		if (room > g->n_clients) {
			g->first_client = at;
			g->n_clients = room < wanted ? room : wanted;
		}
		if (i < n && taken[i].first_client + taken[i].n_clients > at)
			at = taken[i].first_client + taken[i].n_clients;
	}
}

/* A range stays where it is unless it has to grow and there is a larger one. */
static void find_range(const struct numbering *k, const struct plan_gateway *taken, uint32_t n,
		       struct plan_gateway *g, uint32_t wanted)
{
	uint32_t was = k->previous ? plan_gateway_index(k->previous, g->slot) : MODEL_NONE;
	const struct plan_gateway *had = was == MODEL_NONE ? NULL : &k->previous->gateways[was];
	if (!had || had->n_clients < wanted)
		find_gap(taken, n, g, wanted);
	if (!had || had->n_clients < g->n_clients)
		return;
	g->first_client = had->first_client;
	g->n_clients = had->n_clients < wanted ? had->n_clients : wanted;
}

static int number_clients(struct numbering *k)
{
	uint32_t had = k->previous ? k->previous->n_gateways : 0, n = 0;
	struct plan_gateway *taken = calloc(had + k->m->n_gateways + 1u, sizeof *taken);
	if (!taken)
		return fault_set(k->f, -ENOMEM, "not enough memory for the plan");
	for (uint32_t i = 0; i < had; i++)
		if (k->previous->gateways[i].n_clients)
			taken[n++] = k->previous->gateways[i];
	qsort(taken, n, sizeof *taken, by_first);
	for (uint32_t i = 0; i < k->m->n_gateways; i++) {
		uint32_t wanted = clients_of(&k->m->gateways[i]);
		struct plan_gateway *g = &k->p->gateways[i];
		if (!wanted)
			continue;
		find_range(k, taken, n, g, wanted);
		taken[n++] = *g;
		qsort(taken, n, sizeof *taken, by_first);
	}
	free(taken);
	return 0;
}

/* ---- all ---- */

static void *zeroed(uint32_t n, size_t size)
{
	return calloc(n + 1u, size);
}

static int make_room(struct plan *p, const struct model *m, const struct plan *previous)
{
	for (uint32_t i = 0; i < m->n_vnets; i++)
		p->n_places += m->vnets[i].n_attachments;
	p->n_gateways = m->n_gateways;
	p->ids = plan_ids_new(previous ? previous->ids : NULL);
	p->port_ids = zeroed(m->host.n_ports, sizeof *p->port_ids);
	p->gateways = zeroed(m->n_gateways, sizeof *p->gateways);
	p->connections = zeroed(m->n_connections, sizeof *p->connections);
	p->tunnels = zeroed(m->n_connections, sizeof *p->tunnels);
	p->places = zeroed(p->n_places, sizeof *p->places);
	p->vnets = zeroed(m->n_vnets, sizeof *p->vnets);
	p->n_vnets = m->n_vnets;
	return p->ids && p->port_ids && p->gateways && p->connections && p->tunnels && p->places &&
			       p->vnets
		       ? 0
		       : -ENOMEM;
}

int plan_number(struct plan *p, const struct model *m, const struct plan *previous, struct fault *f)
{
	struct numbering k = {p, m, previous, f};
	if (make_room(p, m, previous))
		return fault_set(f, -ENOMEM, "not enough memory for the plan");
	int err = number_ports(&k);
	if (!err)
		err = number_gateways(&k);
	if (!err)
		err = number_clients(&k);
	if (!err)
		err = number_connections(&k);
	if (!err)
		err = number_attachments(&k);
	return err ? err : plan_number_circuits(p, m, f);
}

void plan_numbers_free(struct plan *p)
{
	plan_ids_free(p->ids);
	free(p->port_ids);
	free(p->gateways);
	free(p->connections);
	free(p->tunnels);
	free(p->domains);
	free(p->routers);
	free(p->router_gateways);
	free(p->links);
	free(p->peers);
	free(p->members);
	free(p->statics);
	free(p->announced);
	free(p->follows);
	free(p->places);
	free(p->vnets);
}

const struct plan_connection *plan_connection(const struct plan *p, uint32_t id)
{
	uint32_t i = plan_ids_of(p->ids, PLAN_ID_CONNECTION, id);
	return i == MODEL_NONE ? NULL : &p->connections[i];
}

const struct plan_attachment *plan_attachment(const struct plan *p, uint32_t id)
{
	uint32_t i = plan_ids_of(p->ids, PLAN_ID_ATTACHMENT, id);
	return i < p->n_places ? &p->places[i] : NULL;
}

const struct plan_link *plan_link(const struct plan *p, uint32_t id)
{
	uint32_t i = plan_ids_of(p->ids, PLAN_ID_ATTACHMENT, id);
	return i >= p->n_places && i - p->n_places < p->n_links ? &p->links[i - p->n_places] : NULL;
}

const struct plan_peer *plan_peer(const struct plan *p, uint32_t no)
{
	uint32_t i = plan_ids_of(p->ids, PLAN_ID_PEER, no);
	return i < p->n_peers ? &p->peers[i] : NULL;
}

const struct plan_vnet *plan_vnet(const struct plan *p, uint32_t id)
{
	const struct plan_vnet wanted = {.id = id};
	return bsearch(&wanted, p->vnets, p->n_vnets, sizeof wanted, by_vnet);
}

static int by_tag(const void *a, const void *b)
{
	return plan_compare(PLAN_TAGS, a, b);
}

const struct plan_attachment *plan_attachment_at(const struct plan *p,
						 const struct xgw_tag_key *key)
{
	const struct plan_entry_tag wanted = {.key = *key}, *found = NULL;
	if (p->n_tags)
		found = bsearch(&wanted, p->tags, p->n_tags, sizeof wanted, by_tag);
	return found ? plan_attachment(p, found->attachment) : NULL;
}

uint32_t plan_port_index(const struct plan *p, uint32_t id)
{
	return plan_ids_of(p->ids, PLAN_ID_PORT, id);
}

uint32_t plan_gateway_index(const struct plan *p, uint32_t slot)
{
	return plan_ids_of(p->ids, PLAN_ID_GATEWAY, slot);
}
