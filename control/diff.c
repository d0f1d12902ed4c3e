/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two plans -> ordered changes. Puts go in the order of enum plan_map (names, ports, limiters,
 * attachments, tags, addresses, endpoints, next hops, routes, VTEPs), so that what is referred to
 * is there first; removals go the other way, after them. An id may come to stand for something else
 * (an attachment of another VNet, say): what refers to it is withdrawn before all else and put
 * again afterwards, so that at no step a packet of one VNet is taken for one of another.
 */
#include "control/plan_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ARRAY(member) \
	.array = offsetof(struct plan, member), .count = offsetof(struct plan, n_##member)
#define KEY(type, member, words, bytes)                                            \
	.size = sizeof(type), .key = offsetof(type, member), .key_words = (words), \
	.key_bytes = (bytes)
#define VALUE(type, member) \
	.value = offsetof(type, member), .value_size = sizeof(((type *)0)->member)
#define REFERS(type, member, map) .refers = offsetof(type, member), .to = (map)
#define MEANING(type, from, behind)      \
	.meaning = offsetof(type, from), \
	.meaning_size = offsetof(type, behind) - offsetof(type, from)

static const struct plan_table tables[PLAN_TABLES] = {
	[PLAN_NAMES] = {"names", ARRAY(names), KEY(struct plan_entry_name, key, 2, 0),
			VALUE(struct plan_entry_name, value)},
	[PLAN_PORTS] = {"ports", ARRAY(ports), KEY(struct xgw_port, ifindex, 1, 0),
			.value_size = sizeof(struct xgw_port)},
	[PLAN_LIMITERS] = {"limiters", ARRAY(limiters), KEY(struct plan_entry_limiter, id, 1, 0),
			   VALUE(struct plan_entry_limiter, mbps)},
	[PLAN_ATTACHMENTS] = {"attachments", ARRAY(attachments),
			      KEY(struct xgw_attachment, id, 1, 0),
			      .value_size = sizeof(struct xgw_attachment),
			      MEANING(struct xgw_attachment, vnet, local_vtep)},
	[PLAN_TAGS] = {"attachments_in", ARRAY(tags), KEY(struct plan_entry_tag, key, 3, 0),
		       VALUE(struct plan_entry_tag, attachment),
		       REFERS(struct plan_entry_tag, attachment, PLAN_ATTACHMENTS)},
	[PLAN_ADDRESSES] = {"addresses", ARRAY(addresses),
			    KEY(struct plan_entry_address, key, 1, 16),
			    VALUE(struct plan_entry_address, value),
			    REFERS(struct plan_entry_address, value.attachment, PLAN_ATTACHMENTS)},
	[PLAN_ENDPOINTS] = {"endpoints", ARRAY(endpoints),
			    KEY(struct plan_entry_endpoint, key, 1, 16),
			    VALUE(struct plan_entry_endpoint, value),
			    REFERS(struct plan_entry_endpoint, value.attachment, PLAN_ATTACHMENTS)},
	[PLAN_HOPS] = {"next_hops", ARRAY(hops), KEY(struct plan_entry_hop, id, 1, 0),
		       VALUE(struct plan_entry_hop, value),
		       MEANING(struct plan_entry_hop, value.kind, value.flags)},
	[PLAN_ROUTES] = {"routes", ARRAY(routes),
			 KEY(struct plan_entry_route, vnet, 1, sizeof(struct ip_prefix)),
			 VALUE(struct plan_entry_route, value),
			 REFERS(struct plan_entry_route, value.next_hop, PLAN_HOPS)},
	[PLAN_VTEPS] = {"vteps", ARRAY(vteps),
			KEY(struct plan_entry_vtep, attachment, 1, sizeof(struct ip_prefix)),
			VALUE(struct plan_entry_vtep, value),
			REFERS(struct plan_entry_vtep, attachment, PLAN_ATTACHMENTS)},
};
_Static_assert(offsetof(struct plan_entry_route, prefix) == sizeof(uint32_t), "key of a route");
_Static_assert(sizeof(struct ip_prefix) == 18, "no padding in the key of a route");

const struct plan_table *plan_table(enum plan_map map)
{
	return &tables[map];
}

void **plan_array(struct plan *p, enum plan_map map)
{
	return (void **)((uint8_t *)p + tables[map].array);
}

void *const *plan_array_const(const struct plan *p, enum plan_map map)
{
	return (void *const *)((const uint8_t *)p + tables[map].array);
}

uint32_t *plan_count(struct plan *p, enum plan_map map)
{
	return (uint32_t *)((uint8_t *)p + tables[map].count);
}

const uint32_t *plan_count_const(const struct plan *p, enum plan_map map)
{
	return (const uint32_t *)((const uint8_t *)p + tables[map].count);
}

int plan_compare(enum plan_map map, const void *a, const void *b)
{
	const struct plan_table *t = &tables[map];
	const uint8_t *x = (const uint8_t *)a + t->key, *y = (const uint8_t *)b + t->key;
	for (size_t i = 0; i < t->key_words; i++, x += 4, y += 4) {
		uint32_t v, w;
		memcpy(&v, x, 4);
		memcpy(&w, y, 4);
		if (v != w)
			return v < w ? -1 : 1;
	}
	return t->key_bytes ? memcmp(x, y, t->key_bytes) : 0;
}

bool plan_same_value(enum plan_map map, const void *a, const void *b)
{
	const struct plan_table *t = &tables[map];
	return !memcmp((const uint8_t *)a + t->value, (const uint8_t *)b + t->value, t->value_size);
}

static int by_key(const void *a, const void *b, void *map)
{
	return plan_compare(*(const enum plan_map *)map, a, b);
}

static bool is_sorted(const struct plan *p, enum plan_map map)
{
	const uint8_t *at = *plan_array_const(p, map);
	for (uint32_t i = 1; i < *plan_count_const(p, map); i++, at += tables[map].size) {
		if (plan_compare(map, at, at + tables[map].size) > 0)
			return false;
	}
	return true;
}

void plan_sort(struct plan *p, bool routes_in_order)
{
	for (enum plan_map map = 0; map < PLAN_TABLES; map++) {
		if (!(map == PLAN_ROUTES && routes_in_order) && !is_sorted(p, map))
			qsort_r(*plan_array(p, map), *plan_count(p, map), tables[map].size, by_key,
				&map);
	}
}

static uint32_t word_at(const uint8_t *entry, size_t offset)
{
	uint32_t v;
	memcpy(&v, entry + offset, sizeof v);
	return v;
}

/* Entry of a map whose key is an id; NULL. */
static const uint8_t *by_id(const struct plan *p, enum plan_map map, uint32_t id)
{
	const struct plan_table *t = &tables[map];
	const uint8_t *at = *plan_array_const(p, map);
	uint32_t low = 0, n = *plan_count_const(p, map), high = n;
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		if (word_at(at + middle * t->size, t->key) < id)
			low = middle + 1;
		else
			high = middle;
	}
	return low < n && word_at(at + low * t->size, t->key) == id ? at + low * t->size : NULL;
}

const struct xgw_attachment *plan_attachment_entry(const struct plan *p, uint32_t id)
{
	return (const struct xgw_attachment *)by_id(p, PLAN_ATTACHMENTS, id);
}

/* ---- what is compared ---- */

struct list {
	struct plan_change *at;
	size_t n, room;
};

struct comparison {
	const struct plan *have, *want;
	bool turned[PLAN_TABLES]; /* an id of this table stands for something else from now on */
	struct list withdrawn[PLAN_TABLES], put[PLAN_TABLES], removed[PLAN_TABLES];
	bool no_memory;
};

static void add(struct comparison *c, struct list *l, struct plan_change change)
{
	if (l->n == l->room) {
		size_t room = l->room ? l->room * 2 : 64;
		struct plan_change *grown = reallocarray(l->at, room, sizeof *grown);
		if (!grown) {
			c->no_memory = true;
			return;
		}
		l->at = grown;
		l->room = room;
	}
	l->at[l->n++] = change;
}

/* Whether what an entry refers to gets another meaning under the same id. */
static bool is_withdrawn(const struct comparison *c, enum plan_map map, const uint8_t *entry)
{
	const struct plan_table *t = &tables[map], *to = &tables[t->to];
	if (!t->refers || !c->turned[t->to])
		return false;
	uint32_t id = word_at(entry, t->refers);
	const uint8_t *old = by_id(c->have, t->to, id), *new = by_id(c->want, t->to, id);
	return old && new &&memcmp(old + to->meaning, new + to->meaning, to->meaning_size) != 0;
}

/* An entry of both plans, or of one. */
static void compare_entry(struct comparison *c, enum plan_map map, const uint8_t *old,
			  const uint8_t *new)
{
	const struct plan_table *t = &tables[map];
	bool withdrawn = old && is_withdrawn(c, map, old);
	if (withdrawn)
		add(c, &c->withdrawn[map], (struct plan_change){map, true, old, NULL});
	if (new && (!old || withdrawn || !plan_same_value(map, old, new)))
		add(c, &c->put[map], (struct plan_change){map, false, new, withdrawn ? NULL : old});
	if (old && !new && !withdrawn)
		add(c, &c->removed[map], (struct plan_change){map, true, old, NULL});
	if (old && new && t->meaning_size &&
	    memcmp(old + t->meaning, new + t->meaning, t->meaning_size) != 0)
		c->turned[map] = true;
}

/* Once through both arrays, in the order of keys. */
static void compare_map(struct comparison *c, enum plan_map map)
{
	size_t size = tables[map].size, i = 0, j = 0;
	size_t had = *plan_count_const(c->have, map), wanted = *plan_count_const(c->want, map);
	const uint8_t *a = *plan_array_const(c->have, map), *b = *plan_array_const(c->want, map);
	while (i < had || j < wanted) {
		const uint8_t *old = i < had ? a + i * size : NULL;
		const uint8_t *new = j < wanted ? b + j *size : NULL;
		int order = !old ? 1 : !new ? -1 : plan_compare(map, old, new);
		compare_entry(c, map, order <= 0 ? old : NULL, order >= 0 ? new : NULL);
		i += order <= 0;
		j += order >= 0;
	}
}

/* ---- in their order ---- */

static size_t count(const struct comparison *c)
{
	size_t n = 0;
	for (int map = 0; map < PLAN_TABLES; map++)
		n += c->withdrawn[map].n + c->put[map].n + c->removed[map].n;
	return n;
}

static void append(struct plan_changes *out, const struct list *l)
{
	if (l->n)
		memcpy(out->at + out->n, l->at, l->n * sizeof *l->at);
	out->n += l->n;
}

/* A table of user routes is whole before a network's route sends anybody there; a circuit's domain
 * is before other networks send anything into it. */
static void append_routes(struct plan_changes *out, const struct list *l)
{
	for (int tables_first = 1; tables_first >= 0; tables_first--) {
		for (size_t i = 0; i < l->n; i++) {
			const struct plan_entry_route *r = l->at[i].entry;
			if ((r->vnet >= XGW_FIRST_TABLE) == tables_first)
				out->at[out->n++] = l->at[i];
		}
	}
}

static void line_up(struct plan_changes *out, const struct comparison *c)
{
	for (int map = PLAN_TABLES; map-- > 0;)
		append(out, &c->withdrawn[map]);
	for (int map = 0; map < PLAN_TABLES; map++) {
		if (map == PLAN_ROUTES)
			append_routes(out, &c->put[map]);
		else
			append(out, &c->put[map]);
	}
	for (int map = PLAN_TABLES; map-- > 0;)
		append(out, &c->removed[map]);
}

int plan_diff(struct plan_changes *out, const struct plan *have, const struct plan *want)
{
	static const struct plan nothing;
	struct comparison *c = calloc(1, sizeof *c);
	*out = (struct plan_changes){0};
	if (!c)
		return -ENOMEM;
	c->have = have ? have : &nothing;
	c->want = want;
	/* what is referred to comes before what refers */
	compare_map(c, PLAN_ATTACHMENTS);
	compare_map(c, PLAN_HOPS);
	for (enum plan_map map = 0; map < PLAN_TABLES; map++)
		if (map != PLAN_ATTACHMENTS && map != PLAN_HOPS)
			compare_map(c, map);
	size_t n = count(c);
	out->at = n ? calloc(n, sizeof *out->at) : NULL;
	int err = c->no_memory || (n && !out->at) ? -ENOMEM : 0;
	if (err)
		plan_changes_free(out);
	else if (n)
		line_up(out, c);
	for (int map = 0; map < PLAN_TABLES; map++) {
		free(c->withdrawn[map].at);
		free(c->put[map].at);
		free(c->removed[map].at);
	}
	free(c);
	return err;
}

void plan_changes_free(struct plan_changes *c)
{
	free(c->at);
	*c = (struct plan_changes){0};
}
