/* SPDX-License-Identifier: Apache-2.0 */
/* The arrays of a plan as one table, so that making, sorting and comparing need no code per map. */
#ifndef XGW_CONTROL_PLAN_INTERNAL_H
#define XGW_CONTROL_PLAN_INTERNAL_H

#include "control/plan.h"

#define PLAN_TABLES (PLAN_VTEPS + 1)

struct plan_table {
	const char *name;
	size_t array, count; /* offsets in struct plan */
	size_t size;	     /* of an entry */
	size_t key;	     /* offset of its key: key_words of 32 bits, then key_bytes */
	size_t key_words, key_bytes;
	size_t value, value_size;     /* what a change means; the key's map value */
	size_t refers;		      /* offset of the id of what it refers to, 0 = nothing */
	enum plan_map to;	      /* where that is */
	size_t meaning, meaning_size; /* of what is referred to: what its id stands for */
};

const struct plan_table *plan_table(enum plan_map map);
void **plan_array(struct plan *p, enum plan_map map);
void *const *plan_array_const(const struct plan *p, enum plan_map map);
uint32_t *plan_count(struct plan *p, enum plan_map map);
const uint32_t *plan_count_const(const struct plan *p, enum plan_map map);
/* By key. */
int plan_compare(enum plan_map map, const void *a, const void *b);
bool plan_same_value(enum plan_map map, const void *a, const void *b);
void plan_sort(struct plan *p);

#endif
