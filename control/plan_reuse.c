/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Routes of networks of which nothing changed, and choices of their connections, from the plan of
 * before. All numbers are kept, so they are what would be made anew.
 */
#include "control/plan_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool plan_is_kept(const struct plan_maker *k, uint32_t vnet)
{
	return k->changed && !k->changed[vnet];
}

/* With routers the candidates of routes are in the plan as well, and with two instances ways to the
 * other one: then all is made. */
bool plan_may_keep(const struct plan_maker *k)
{
	const struct plan *was = k->previous;
	if (!was || !k->changed || was->n_routers || k->p->n_routers || was->n_domains ||
	    k->p->n_domains)
		return false;
	for (uint32_t i = 0; i < k->m->n_gateways; i++) {
		if (k->m->gateways[i].other.address.family)
			return false;
	}
	for (uint32_t i = 0; i < k->m->n_vnets; i++) {
		if (!k->changed[i] && !plan_vnet(was, k->m->vnets[i].id))
			return false;
	}
	return true;
}

static bool is_kept_id(const struct plan_maker *k, uint32_t id)
{
	const struct plan_vnet *v = plan_vnet(k->p, id);
	return v && plan_is_kept(k, v->index);
}

/* Of a hop; NULL. */
static const struct plan_entry_name *name_of(const struct plan *p, uint32_t id)
{
	const struct plan_entry_name key = {.key = {XGW_NAME_HOP, id}};
	uint32_t low = 0, high = p->n_names;
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		if (plan_compare(PLAN_NAMES, &p->names[middle], &key) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low < p->n_names && !plan_compare(PLAN_NAMES, &p->names[low], &key) ? &p->names[low]
										   : NULL;
}

void plan_keep_choices(struct plan_maker *k)
{
	const struct plan *was = k->previous;
	for (uint32_t i = 0; k->changed && i < was->n_hops; i++) {
		const struct plan_entry_hop *h = &was->hops[i];
		if (h->value.kind != XGW_HOP_CHOICE || !is_kept_id(k, h->value.vnet))
			continue;
		const struct plan_entry_name *name = name_of(was, h->id);
		if (!plan_add_choice(k, h->value.member, h->value) || !name)
			return;
		plan_add_name(k, XGW_NAME_HOP, h->id, name->value.text);
	}
}

/* The first route from `from` on, of those before `behind`, whose table's number is not below. */
static uint32_t table_begin(const struct plan *p, uint32_t from, uint32_t behind, uint32_t table)
{
	while (from < behind) {
		uint32_t middle = from + (behind - from) / 2;
		if (p->routes[middle].vnet < table)
			from = middle + 1;
		else
			behind = middle;
	}
	return from;
}

static void append(struct plan_entry_route *to, uint32_t *n, const struct plan *from,
		   uint32_t first, uint32_t behind)
{
	if (first < behind)
		memcpy(&to[*n], &from->routes[first], (behind - first) * sizeof *to);
	*n += behind - first;
}

/* Those of before of kept networks and the new ones of the others, both in order. */
static uint32_t unite(const struct plan_maker *k, struct plan_entry_route *to, uint32_t behind)
{
	const struct plan *was = k->previous, *p = k->p;
	uint32_t n = 0, i = 0, j = 0, end;
	while (i < behind) {
		uint32_t table = was->routes[i].vnet;
		end = table_begin(p, j, p->n_routes, table);
		append(to, &n, p, j, end);
		j = end;
		end = table_begin(was, i, behind, table + 1);
		if (is_kept_id(k, table))
			append(to, &n, was, i, end);
		i = end;
	}
	append(to, &n, p, j, p->n_routes);
	return n;
}

void plan_keep_routes(struct plan_maker *k)
{
	const struct plan *was = k->previous;
	struct plan *p = k->p;
	if (!k->changed || k->no_memory)
		return;
	uint32_t behind = table_begin(was, 0, was->n_routes, XGW_FIRST_TABLE);
	/* and room for those of tables */
	uint32_t room = was->n_routes + p->n_routes + 1024;
	struct plan_entry_route *at = reallocarray(NULL, room, sizeof *at);
	if (!at) {
		k->no_memory = true;
		return;
	}
	p->n_routes = unite(k, at, behind);
	free(p->routes);
	p->routes = at;
	k->room[PLAN_ROUTES] = room;
}
