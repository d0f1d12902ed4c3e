/* SPDX-License-Identifier: Apache-2.0 */
#include "loader/learning.h"

#include "base/instant.h"
#include "base/log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SLICE	    8192u /* endpoints looked at in one second: a few milliseconds */
#define MOST_ASKED  4096u
#define ANSWER_NS   (3 * NS_PER_S)
#define ASKS_SECOND 512u

/* A host that was asked, and when first. */
struct asked {
	struct xgw_endpoint_key key;
	uint64_t at_ns;
};

/* What one walk through the map finds of a VNet. */
struct tally {
	uint32_t vnet;
	uint32_t found, forgotten;
	uint32_t began; /* the count in the map when the walk began */
};

struct learning {
	const struct maps *maps;
	learning_ask *ask;
	void *owner;
	struct hash asked, tallies;
	uint32_t cursor, asks;
	bool begun, swept; /* swept: a whole walk was made since the configuration changed */
	uint64_t rest_ns;  /* no walk begins before */
	struct xgw_endpoint_key keys[SLICE];
	struct xgw_endpoint values[SLICE];
};

static bool is_taught(const struct model_vnet *v)
{
	for (uint32_t i = 0; i < v->n_attachments; i++) {
		if (v->attachments[i].kind == XGW_TAG_VLAN ||
		    (v->attachments[i].kind == XGW_TAG_VXLAN && v->learning))
			return true;
	}
	return false;
}

int learning_limits(const struct maps *maps, const struct model *m, struct fault *f)
{
	for (uint32_t i = 0; i < m->n_vnets; i++) {
		const struct model_vnet *v = &m->vnets[i];
		struct xgw_learnt l = {0};
		if (!is_taught(v)) {
			maps_delete(maps, MAPS_learnt, &v->id);
			continue;
		}
		if (maps_get(maps, MAPS_learnt, &v->id, &l) == 0 && l.limit == v->learning_limit)
			continue;
		l.limit = v->learning_limit;
		int err = maps_put(maps, MAPS_learnt, &v->id, &l);
		if (err)
			return fault_set(f, err, "cannot write the map learnt: %s", strerror(-err));
	}
	return 0;
}

/*
 * XDP may count meanwhile, and what it counts between reading and writing is lost: the next walk
 * that finds nobody counting puts it right.
 */
void learning_let_go(const struct maps *maps, uint32_t vnet, uint32_t n)
{
	struct xgw_learnt l;
	if (!n || maps_get(maps, MAPS_learnt, &vnet, &l))
		return;
	l.count -= n < l.count ? n : l.count;
	maps_put(maps, MAPS_learnt, &vnet, &l);
}

struct learning *learning_new(const struct maps *maps, learning_ask *ask, void *owner)
{
	struct learning *l = calloc(1, sizeof *l);
	if (!l)
		return NULL;
	l->maps = maps;
	l->ask = ask;
	l->owner = owner;
	hash_init(&l->asked, sizeof(struct xgw_endpoint_key), sizeof(struct asked));
	hash_init(&l->tallies, sizeof(uint32_t), sizeof(struct tally));
	return l;
}

void learning_changed(struct learning *l)
{
	l->swept = false;
	l->rest_ns = 0;
}

void learning_free(struct learning *l)
{
	if (!l)
		return;
	hash_free(&l->asked);
	hash_free(&l->tallies);
	free(l);
}

/* The attachment is still there, of this VNet, and takes packets of this VTEP: as XDP asks. */
static bool may_teach(const struct learning *l, const struct place *p,
		      const struct xgw_endpoint_key *k, const struct xgw_endpoint *e)
{
	struct xgw_vtep found;
	if (!p || p->vnet->id != k->vnet || p->attachment->kind == XGW_TAG_NONE)
		return false;
	if (p->attachment->kind == XGW_TAG_VLAN)
		return true;
	struct ip_addr vtep = ip_addr_from_mapped(e->vtep);
	struct ip_prefix alone = {vtep, (uint8_t)ip_addr_bits(&vtep)};
	struct xgw_vtep_key key = maps_vtep_key(p->id, &alone);
	return p->vnet->learning && maps_get(l->maps, MAPS_vteps, &key, &found) == 0;
}

/* True when the host has not answered for long enough; asks it meanwhile. */
static bool is_dumb(struct learning *l, const struct place *p, const struct xgw_endpoint_key *k,
		    uint64_t now_ns)
{
	const struct asked *known = hash_find(&l->asked, k);
	struct ip_addr a = ip_addr_from_mapped(k->addr);
	if (known && now_ns - known->at_ns >= ANSWER_NS)
		return true;
	if (l->asks == ASKS_SECOND || (!known && l->asked.n >= MOST_ASKED))
		return false;
	if (!known) {
		struct asked *x = hash_put(&l->asked, k);
		if (!x)
			return false;
		x->at_ns = now_ns;
	}
	l->asks++;
	l->ask(l->owner, p, &a);
	return false;
}

/* True when the endpoint is to be forgotten. */
static bool judge(struct learning *l, const struct places *places, const struct xgw_endpoint_key *k,
		  const struct xgw_endpoint *e, uint64_t now_ns)
{
	const struct place *p = places_by_id(places, e->attachment);
	if (!may_teach(l, p, k, e))
		return true;
	uint64_t age_ns = p->vnet->learning_age_seconds * (uint64_t)NS_PER_S;
	if (now_ns <= e->seen_ns + age_ns) {
		if (l->asked.n)
			hash_remove(&l->asked, k);
		return false;
	}
	return p->attachment->kind != XGW_TAG_VLAN || is_dumb(l, p, k, now_ns);
}

/* A tenth of the shortest age, and not longer than ten seconds. */
static uint64_t pause_ns(const struct learning *l, const struct places *places)
{
	uint64_t seconds = 10;
	for (uint32_t i = 0; i < places->n; i++) {
		uint32_t tenth = places->at[i].vnet->learning_age_seconds / 10;
		if (hash_find(&l->tallies, &places->at[i].vnet->id) && tenth < seconds)
			seconds = tenth;
	}
	return l->asked.n ? 0 : seconds * NS_PER_S;
}

static void begin_walk(struct learning *l, const struct places *places)
{
	hash_free(&l->tallies);
	for (uint32_t i = 0; i < places->n; i++) {
		struct xgw_learnt had;
		struct tally *t = NULL;
		if ((!i || places->at[i].vnet != places->at[i - 1].vnet) &&
		    maps_get(l->maps, MAPS_learnt, &places->at[i].vnet->id, &had) == 0)
			t = hash_put(&l->tallies, &places->at[i].vnet->id);
		if (t)
			t->began = had.count;
	}
}

/* Where XDP has learnt nothing since the walk began, what it found is the truth. */
static void end_walk(struct learning *l)
{
	uint32_t at = 0;
	for (struct tally *t; (t = hash_next(&l->tallies, &at));) {
		struct xgw_learnt had;
		if (maps_get(l->maps, MAPS_learnt, &t->vnet, &had) || had.count != t->began ||
		    had.count == t->found)
			continue;
		had.count = t->found;
		maps_put(l->maps, MAPS_learnt, &t->vnet, &had);
	}
	l->begun = false;
	l->swept = true;
}

static void forget(struct learning *l, const struct xgw_endpoint_key *k, struct tally *t)
{
	char text[IP_TEXT];
	struct ip_addr a = ip_addr_from_mapped(k->addr);
	hash_remove(&l->asked, k);
	if (maps_delete(l->maps, MAPS_endpoints, k))
		return;
	if (t)
		t->forgotten++;
	log_debug(LOG_NET, "endpoint-forgotten vnet=%u address=%s", k->vnet,
		  ip_addr_format(&a, text));
}

static void settle(struct learning *l)
{
	uint32_t at = 0;
	for (struct tally *t; (t = hash_next(&l->tallies, &at));) {
		if (!t->forgotten)
			continue;
		learning_let_go(l->maps, t->vnet, t->forgotten);
		t->began -= t->forgotten < t->began ? t->forgotten : t->began;
		t->forgotten = 0;
	}
}

void learning_second(struct learning *l, const struct places *places, uint64_t now_ns)
{
	uint32_t n = SLICE, gone = 0;
	if (!l->begun) {
		if (now_ns < l->rest_ns)
			return;
		begin_walk(l, places);
		l->rest_ns = now_ns + pause_ns(l, places);
		if (!l->tallies.n && l->swept)
			return;
	}
	l->asks = 0;
	int err =
		maps_slice(l->maps, MAPS_endpoints, &l->cursor, &l->begun, l->keys, l->values, &n);
	for (uint32_t i = 0; i < n; i++) {
		const struct xgw_endpoint *e = &l->values[i];
		if (!(e->flags & XGW_ENDPOINT_LEARNT))
			continue;
		struct tally *t = hash_find(&l->tallies, &l->keys[i].vnet);
		if (judge(l, places, &l->keys[i], e, now_ns)) {
			forget(l, &l->keys[i], t);
			gone++;
		} else if (t) {
			t->found++;
		}
	}
	if (gone) {
		settle(l);
		maps_bump(l->maps);
	}
	if (err == -ENOENT)
		end_walk(l);
	else if (err)
		l->begun = false;
}
