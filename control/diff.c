/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two plans -> ordered changes. Puts go in the order of enum plan_map (names, ports, attachments,
 * tags, addresses, endpoints, next hops, routes), so that what is referred to is there first;
 * removals go the other way, after them.
 */
#include "control/plan_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ARRAY(member)  offsetof(struct plan, member), offsetof(struct plan, n_##member)
#define ENTRY(type, k) sizeof(type), offsetof(type, k)
#define VALUE(type, v) offsetof(type, v), sizeof(((type *)0)->v)

static const struct plan_table tables[PLAN_TABLES] = {
	[PLAN_NAMES] = {"names", ARRAY(names), ENTRY(struct plan_entry_name, key), 2, 0,
			VALUE(struct plan_entry_name, value)},
	[PLAN_PORTS] = {"ports", ARRAY(ports), ENTRY(struct xgw_port, ifindex), 1, 0, 0,
			sizeof(struct xgw_port)},
	[PLAN_ATTACHMENTS] = {"attachments", ARRAY(attachments), ENTRY(struct xgw_attachment, id),
			      1, 0, 0, sizeof(struct xgw_attachment)},
	[PLAN_TAGS] = {"attachments_in", ARRAY(tags), ENTRY(struct plan_entry_tag, key), 3, 0,
		       VALUE(struct plan_entry_tag, attachment)},
	[PLAN_ADDRESSES] = {"addresses", ARRAY(addresses), ENTRY(struct plan_entry_address, key), 1,
			    16, VALUE(struct plan_entry_address, value)},
	[PLAN_ENDPOINTS] = {"endpoints", ARRAY(endpoints), ENTRY(struct plan_entry_endpoint, key),
			    1, 16, VALUE(struct plan_entry_endpoint, value)},
	[PLAN_HOPS] = {"next_hops", ARRAY(hops), ENTRY(struct plan_entry_hop, id), 1, 0,
		       VALUE(struct plan_entry_hop, value)},
	[PLAN_ROUTES] = {"routes", ARRAY(routes), ENTRY(struct plan_entry_route, vnet), 1,
			 sizeof(struct ip_prefix), VALUE(struct plan_entry_route, value)},
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

void plan_sort(struct plan *p)
{
	for (enum plan_map map = 0; map < PLAN_TABLES; map++) {
		if (*plan_count(p, map))
			qsort_r(*plan_array(p, map), *plan_count(p, map), tables[map].size, by_key,
				&map);
	}
}

/* Walks both arrays in the order of keys; counts when out is NULL. */
static size_t compare_map(const struct plan *have, const struct plan *want, enum plan_map map,
			  bool removals, struct plan_change *out)
{
	size_t size = tables[map].size, n = 0, i = 0, j = 0;
	size_t had = *plan_count_const(have, map), wanted = *plan_count_const(want, map);
	const uint8_t *a = *plan_array_const(have, map), *b = *plan_array_const(want, map);
	while (i < had || j < wanted) {
		const uint8_t *old = i < had ? a + i * size : NULL;
		const uint8_t *new = j < wanted ? b + j *size : NULL;
		int c = !old ? 1 : !new ? -1 : plan_compare(map, old, new);
		bool change = removals ? c < 0 : c > 0 || (!c && !plan_same_value(map, old, new));
		if (change && out)
			out[n] = (struct plan_change){map, removals, removals ? old : new};
		n += change;
		i += c <= 0;
		j += c >= 0;
	}
	return n;
}

static size_t compare(const struct plan *have, const struct plan *want, struct plan_change *out)
{
	size_t n = 0;
	for (int map = 0; map < PLAN_TABLES; map++)
		n += compare_map(have, want, (enum plan_map)map, false, out ? out + n : NULL);
	for (int map = PLAN_TABLES; map-- > 0;)
		n += compare_map(have, want, (enum plan_map)map, true, out ? out + n : NULL);
	return n;
}

int plan_diff(struct plan_changes *out, const struct plan *have, const struct plan *want)
{
	static const struct plan nothing;
	have = have ? have : &nothing;
	*out = (struct plan_changes){.n = compare(have, want, NULL)};
	if (!out->n)
		return 0;
	out->at = calloc(out->n, sizeof *out->at);
	if (!out->at) {
		out->n = 0;
		return -ENOMEM;
	}
	compare(have, want, out->at);
	return 0;
}

void plan_changes_free(struct plan_changes *c)
{
	free(c->at);
	*c = (struct plan_changes){0};
}
