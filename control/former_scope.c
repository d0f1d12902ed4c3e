/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How far changed items reach: what a network's routes and the rules about them depend on is in the
 * networks that peerings and connections of this file join with it. A set of joined networks of
 * which nothing changed is as it was. Route tables are no part of it: theirs are routes of their
 * own.
 */
#include "control/former_internal.h"

#include <stdlib.h>

struct scope {
	const struct former_change *c;
	const struct model *was, *m;
	uint32_t *const *now;
	uint32_t *set; /* by VNet: another one of its set, or itself */
	bool *changed; /* by VNet */
	bool *named;   /* by site: it, or what has its name */
};

static uint32_t first_of(uint32_t *set, uint32_t i)
{
	while (set[i] != i)
		i = set[i] = set[set[i]];
	return i;
}

static void join(struct scope *s, uint32_t a, uint32_t b)
{
	if (a != MODEL_NONE && b != MODEL_NONE)
		s->set[first_of(s->set, a)] = first_of(s->set, b);
}

static uint32_t vnet_of(const struct model *m, uint32_t gateway)
{
	return gateway == MODEL_NONE ? MODEL_NONE : m->gateways[gateway].vnet;
}

static void join_all(struct scope *s)
{
	for (uint32_t i = 0; i < s->m->n_vnets; i++)
		s->set[i] = i;
	for (uint32_t i = 0; i < s->m->n_vnets; i++) {
		const struct model_vnet *v = &s->m->vnets[i];
		for (uint32_t k = 0; k < v->n_peerings; k++)
			join(s, i, v->peerings[k].remote);
	}
	for (uint32_t i = 0; i < s->m->n_connections; i++) {
		const struct model_connection *c = &s->m->connections[i];
		join(s, vnet_of(s->m, c->gateway), vnet_of(s->m, c->peer_gateway));
	}
}

static void mark(struct scope *s, uint32_t vnet)
{
	if (vnet != MODEL_NONE)
		s->changed[vnet] = true;
}

/* A network of before, if it is still there. */
static void mark_former(struct scope *s, uint32_t vnet)
{
	if (vnet != MODEL_NONE)
		mark(s, s->now[FORMER_VNETS][vnet]);
}

static void mark_vnets(struct scope *s)
{
	const struct former_edit *e = &s->c->edits[FORMER_VNETS];
	for (uint32_t i = 0; i < e->n; i++)
		mark(s, e->first + i);
	for (uint32_t i = e->first; i < e->behind; i++)
		mark_former(s, i);
}

static void mark_gateways(struct scope *s)
{
	const struct former_edit *e = &s->c->edits[FORMER_GATEWAYS];
	for (uint32_t i = 0; i < e->n; i++)
		mark(s, vnet_of(s->m, e->first + i));
	for (uint32_t i = e->first; i < e->behind; i++)
		mark_former(s, vnet_of(s->was, i));
}

static void mark_connections(struct scope *s)
{
	const struct former_edit *e = &s->c->edits[FORMER_CONNECTIONS];
	for (uint32_t i = 0; i < e->n; i++) {
		const struct model_connection *c = &s->m->connections[e->first + i];
		mark(s, vnet_of(s->m, c->gateway));
		mark(s, vnet_of(s->m, c->peer_gateway));
	}
	for (uint32_t i = e->first; i < e->behind; i++) {
		const struct model_connection *c = &s->was->connections[i];
		mark_former(s, vnet_of(s->was, c->gateway));
		mark_former(s, vnet_of(s->was, c->peer_gateway));
	}
}

/* New items of a list, and those that have taken the name of one that was replaced. */
static void name_changed(struct scope *s, enum former_list_id id, uint32_t base)
{
	const struct former_edit *e = &s->c->edits[id];
	for (uint32_t i = 0; i < e->n; i++)
		s->named[base + e->first + i] = true;
	for (uint32_t i = e->first; i < e->behind; i++) {
		if (s->now[id][i] != MODEL_NONE)
			s->named[base + s->now[id][i]] = true;
	}
}

static void mark_sites(struct scope *s, uint32_t n_sites)
{
	name_changed(s, FORMER_SITES, 0);
	name_changed(s, FORMER_REMOTES, n_sites);
	for (uint32_t i = 0; i < s->m->n_connections; i++) {
		const struct model_connection *c = &s->m->connections[i];
		if (c->site != MODEL_NONE && s->named[c->site])
			mark(s, vnet_of(s->m, c->gateway));
	}
}

bool *former_scope(const struct former_change *c, const struct model *was, const struct model *m,
		   uint32_t *const now[FORMER_LISTS], uint32_t n_sites)
{
	bool *out = calloc(m->n_vnets + 1u, sizeof *out);
	struct scope s = {.c = c,
			  .was = was,
			  .m = m,
			  .now = now,
			  .set = calloc(m->n_vnets + 1u, sizeof *s.set),
			  .changed = calloc(m->n_vnets + 1u, sizeof *s.changed),
			  .named = calloc(m->n_sites + 1u, sizeof *s.named)};
	bool good = out && s.set && s.changed && s.named;
	if (good) {
		join_all(&s);
		mark_vnets(&s);
		mark_gateways(&s);
		mark_connections(&s);
		mark_sites(&s, n_sites);
		for (uint32_t i = 0; i < m->n_vnets; i++)
			out[first_of(s.set, i)] |= s.changed[i];
		for (uint32_t i = 0; i < m->n_vnets; i++)
			out[i] = out[first_of(s.set, i)];
	}
	free(s.set);
	free(s.changed);
	free(s.named);
	if (good)
		return out;
	free(out);
	return NULL;
}
