/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two plans -> ordered changes. Puts go in the order of enum plan_map (names, ports, attachments,
 * tags, addresses, endpoints, next hops, routes, VTEPs), so that what is referred to is there
 * first; removals go the other way, after them. An id may come to stand for something else (an
 * attachment of another VNet, say): what refers to it is withdrawn before all else and put again
 * afterwards, so that at no step a packet of one VNet is taken for one of another.
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

void plan_sort(struct plan *p)
{
	for (enum plan_map map = 0; map < PLAN_TABLES; map++) {
		if (*plan_count(p, map))
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

/* Whether what an entry refers to gets another meaning under the same id. */
static bool is_withdrawn(const struct plan *have, const struct plan *want, enum plan_map map,
			 const uint8_t *entry)
{
	const struct plan_table *t = &tables[map], *to = &tables[t->to];
	if (!t->refers)
		return false;
	uint32_t id = word_at(entry, t->refers);
	const uint8_t *old = by_id(have, t->to, id), *new = by_id(want, t->to, id);
	return old && new &&memcmp(old + to->meaning, new + to->meaning, to->meaning_size) != 0;
}

enum phase { WITHDRAW, PUT, REMOVE };

struct pair {
	const struct plan *have, *want;
};

/* Walks both arrays in the order of keys; counts only when out is NULL. */
static size_t compare_map(const struct pair *p, enum plan_map map, enum phase phase,
			  struct plan_change *out)
{
	size_t size = tables[map].size, n = 0, i = 0, j = 0;
	size_t had = *plan_count_const(p->have, map), wanted = *plan_count_const(p->want, map);
	const uint8_t *a = *plan_array_const(p->have, map), *b = *plan_array_const(p->want, map);
	while (i < had || j < wanted) {
		const uint8_t *old = i < had ? a + i * size : NULL;
		const uint8_t *new = j < wanted ? b + j *size : NULL;
		int c = !old ? 1 : !new ? -1 : plan_compare(map, old, new);
		bool withdrawn = c <= 0 && is_withdrawn(p->have, p->want, map, old);
		bool change =
			phase == WITHDRAW ? withdrawn
			: phase == REMOVE
				? c < 0 && !withdrawn
				: c > 0 || (!c && (withdrawn || !plan_same_value(map, old, new)));
		if (change && out)
			out[n] = (struct plan_change){map, phase != PUT, phase == PUT ? new : old};
		n += change;
		i += c <= 0;
		j += c >= 0;
	}
	return n;
}

static size_t compare(const struct pair *p, struct plan_change *out)
{
	size_t n = 0;
	for (int map = PLAN_TABLES; map-- > 0;)
		n += compare_map(p, (enum plan_map)map, WITHDRAW, out ? out + n : NULL);
	for (int map = 0; map < PLAN_TABLES; map++)
		n += compare_map(p, (enum plan_map)map, PUT, out ? out + n : NULL);
	for (int map = PLAN_TABLES; map-- > 0;)
		n += compare_map(p, (enum plan_map)map, REMOVE, out ? out + n : NULL);
	return n;
}

int plan_diff(struct plan_changes *out, const struct plan *have, const struct plan *want)
{
	static const struct plan nothing;
	const struct pair p = {have ? have : &nothing, want};
	*out = (struct plan_changes){.n = compare(&p, NULL)};
	if (!out->n)
		return 0;
	out->at = calloc(out->n, sizeof *out->at);
	if (!out->at) {
		out->n = 0;
		return -ENOMEM;
	}
	compare(&p, out->at);
	return 0;
}

void plan_changes_free(struct plan_changes *c)
{
	free(c->at);
	*c = (struct plan_changes){0};
}
