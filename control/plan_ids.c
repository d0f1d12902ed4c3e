/* SPDX-License-Identifier: Apache-2.0 */
#include "control/plan_ids.h"

#include "control/plan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define NOBODY UINT32_MAX

struct kind_row {
	uint32_t first, behind;
	const char *what;
};
static const struct kind_row rows[PLAN_ID_KINDS] = {
	[PLAN_ID_PORT] = {0, XGW_WORKER_PORT, "ports"},
	[PLAN_ID_GATEWAY] = {0, PLAN_GATEWAYS_BEHIND, "virtual network gateways"},
	[PLAN_ID_CONNECTION] = {PLAN_FIRST_CONNECTION, PLAN_FIRST_CLIENT, "connections"},
	[PLAN_ID_ATTACHMENT] = {1, PLAN_ATTACHMENTS_BEHIND, "attachments"},
	[PLAN_ID_TABLE] = {XGW_FIRST_TABLE, PLAN_TABLES_BEHIND, "route tables of virtual networks"},
	[PLAN_ID_CHOICE] = {PLAN_FIRST_CHOICE, PLAN_CHOICES_BEHIND, "choices of connections"},
	[PLAN_ID_APPLIANCE] = {PLAN_FIRST_APPLIANCE, PLAN_APPLIANCES_BEHIND, "appliances"},
	[PLAN_ID_TUN] = {PLAN_FIRST_TUN, PLAN_CLIENTS_BEHIND, "gateways with BGP"},
	[PLAN_ID_DOMAIN] = {XGW_FIRST_DOMAIN, XGW_DOMAINS_BEHIND, "circuits"},
	[PLAN_ID_LIMITER] = {1, XGW_MAX_LIMITERS, "bandwidths of circuits"},
	[PLAN_ID_LINK_HOP] = {PLAN_FIRST_LINK_HOP, PLAN_LINK_HOPS_BEHIND, "next hops of circuits"},
	[PLAN_ID_PEER] = {1, PLAN_PEERS_BEHIND, "BGP peers"},
};

struct taken {
	char *key;
	uint32_t id;
};

struct kind {
	struct taken *at; /* by key once it is closed */
	uint32_t n, room;
	uint32_t *of; /* by id, from the first; NOBODY */
	uint32_t n_of;
	uint32_t cursor; /* where the search for a free one goes on: the longest free one is next */
};

struct plan_ids {
	const struct plan_ids *previous;
	struct kind kinds[PLAN_ID_KINDS];
};

struct plan_ids *plan_ids_new(const struct plan_ids *previous)
{
	struct plan_ids *ids = calloc(1, sizeof *ids);
	if (!ids)
		return NULL;
	ids->previous = previous;
	for (int i = 0; i < PLAN_ID_KINDS; i++)
		ids->kinds[i].cursor = previous ? previous->kinds[i].cursor : rows[i].first;
	return ids;
}

void plan_ids_free(struct plan_ids *ids)
{
	for (int i = 0; ids && i < PLAN_ID_KINDS; i++) {
		for (uint32_t k = 0; k < ids->kinds[i].n; k++)
			free(ids->kinds[i].at[k].key);
		free(ids->kinds[i].at);
		free(ids->kinds[i].of);
	}
	free(ids);
}

static int by_key(const void *a, const void *b)
{
	return strcmp(((const struct taken *)a)->key, ((const struct taken *)b)->key);
}

void plan_ids_close(struct plan_ids *ids)
{
	ids->previous = NULL;
	for (int i = 0; i < PLAN_ID_KINDS; i++)
		if (ids->kinds[i].n)
			qsort(ids->kinds[i].at, ids->kinds[i].n, sizeof *ids->kinds[i].at, by_key);
}

uint32_t plan_ids_of(const struct plan_ids *ids, enum plan_id_kind kind, uint32_t id)
{
	if (!ids || id < rows[kind].first)
		return NOBODY;
	const struct kind *k = &ids->kinds[kind];
	uint32_t at = id - rows[kind].first;
	return at < k->n_of ? k->of[at] : NOBODY;
}

static const struct taken *find(const struct plan_ids *ids, enum plan_id_kind kind, char *key)
{
	const struct taken wanted = {.key = key};
	if (!ids || !ids->kinds[kind].n)
		return NULL;
	return bsearch(&wanted, ids->kinds[kind].at, ids->kinds[kind].n, sizeof wanted, by_key);
}

/* Room for one more, and for its number. */
static int widen(struct kind *k, uint32_t at)
{
	if (k->n == k->room) {
		uint32_t room = k->room ? k->room * 2 : 16;
		struct taken *grown = reallocarray(k->at, room, sizeof *grown);
		if (!grown)
			return -ENOMEM;
		k->at = grown;
		k->room = room;
	}
	if (at < k->n_of)
		return 0;
	uint32_t n = at * 2 + 16;
	uint32_t *grown = reallocarray(k->of, n, sizeof *grown);
	if (!grown)
		return -ENOMEM;
	memset(grown + k->n_of, 0xff, (n - k->n_of) * sizeof *grown);
	k->of = grown;
	k->n_of = n;
	return 0;
}

/* One that is nobody's in either plan; NOBODY. */
static uint32_t find_free(struct plan_ids *ids, enum plan_id_kind kind)
{
	const struct kind_row *r = &rows[kind];
	struct kind *k = &ids->kinds[kind];
	for (uint32_t i = r->first; i < r->behind; i++) {
		uint32_t id = k->cursor;
		k->cursor = id + 1 < r->behind ? id + 1 : r->first;
		if (plan_ids_of(ids, kind, id) == NOBODY &&
		    plan_ids_of(ids->previous, kind, id) == NOBODY)
			return id;
	}
	return NOBODY;
}

static int take(struct plan_ids *ids, enum plan_id_kind kind, char *key, uint32_t of)
{
	struct kind *k = &ids->kinds[kind];
	const struct taken *had = find(ids->previous, kind, key);
	uint32_t id = had ? had->id : find_free(ids, kind);
	if (id == NOBODY)
		return -ENOSPC;
	int err = widen(k, id - rows[kind].first);
	if (err)
		return err;
	k->of[id - rows[kind].first] = of;
	k->at[k->n++] = (struct taken){key, id};
	return 0;
}

int plan_ids_take(struct plan_ids *ids, enum plan_id_kind kind, const char *key, uint32_t of,
		  uint32_t *id, struct fault *f)
{
	char *copy = strdup(key);
	int err = copy ? take(ids, kind, copy, of) : -ENOMEM;
	if (!err) {
		*id = ids->kinds[kind].at[ids->kinds[kind].n - 1].id;
		return 0;
	}
	free(copy);
	if (err == -ENOMEM)
		return fault_set(f, err, "not enough memory for the plan");
	fault_set(f, err, "there are no more than %u numbers for %s",
		  rows[kind].behind - rows[kind].first, rows[kind].what);
	return ids->previous
		       ? fault_advise(f, "what goes and what comes need room side by side: make "
					 "the change in two steps")
		       : err;
}
