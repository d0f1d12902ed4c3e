/* SPDX-License-Identifier: Apache-2.0 */
/* The arrays of a plan as one table, so that making, sorting and comparing need no code per map. */
#ifndef XGW_CONTROL_PLAN_INTERNAL_H
#define XGW_CONTROL_PLAN_INTERNAL_H

#include "control/plan.h"
#include "control/plan_ids.h"

#define PLAN_TABLES (PLAN_ROUTES + 1)

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
/* plan_numbers.c: numbers of all that the model names, before anything is made of them; tables,
 * choices and appliances get theirs while routes are made, and then p->ids is to be closed. */
int plan_number(struct plan *p, const struct model *m, const struct plan *previous,
		struct fault *f);
void plan_numbers_free(struct plan *p);

/* ---- making a plan (plan.c), and its routes (plan_routes.c, plan_tables.c) ---- */

struct plan_maker {
	const struct model *m;
	const struct plan_port *ports;
	struct plan *p;
	struct fault *f;
	int err; /* that is in f */
	uint32_t room[PLAN_TABLES];
	/* by VNet of the model: the table of its GatewaySubnet, 0 = none */
	uint32_t *gateway_tables;
	struct plan_pair *pairs; /* tables in use, by VNet and table of the model */
	uint32_t n_pairs, n_choices;
	struct plan_choice *choices; /* in no order */
	uint32_t room_choices;
	bool no_memory;
};

/* A route table as one VNet uses it. */
struct plan_pair {
	uint32_t vnet, table; /* of the model */
	uint32_t id;
};

struct plan_choice {
	uint32_t member[XGW_HOP_MEMBERS];
	uint32_t id;
};

void plan_add_name(struct plan_maker *k, enum xgw_name_kind kind, uint32_t id, const char *text);
void plan_add_hop(struct plan_maker *k, uint32_t id, struct xgw_next_hop value);
/* The new route, or NULL. */
struct plan_entry_route *plan_add_route(struct plan_maker *k, uint32_t vnet,
					const struct ip_prefix *prefix, uint32_t next_hop,
					enum xgw_route_source source, uint8_t flags);

/* What ids stand for what, in one place each. */
uint32_t plan_connection_id(const struct plan_maker *k, uint32_t connection);
uint32_t plan_local_id(const struct plan_maker *k, uint32_t vnet);
/* The number that goes with a key, new to this plan; 0 with k->err. */
uint32_t plan_take_id(struct plan_maker *k, enum plan_id_kind kind, const char *key, uint32_t of);

/* Of one VNet of the model: its own prefixes, those of its subnets with a table, its peers'. */
void plan_make_vnet_routes(struct plan_maker *k, uint32_t vnet);
/* What is behind every gateway, in its VNet and in those that use it. */
void plan_make_gateway_routes(struct plan_maker *k);
/* The next hop of connections that lead to one prefix, in order of preference; n > 0. */
uint32_t plan_hop_of(struct plan_maker *k, const uint32_t *connections, uint32_t n);
/* Sorts the routes, and keeps of those for one prefix the preferred one. */
void plan_choose_routes(struct plan *p);
/* The tables in use get their ids: before routes are made. 0 or -errno. */
int plan_number_tables(struct plan_maker *k);
/* Their routes: after those of all VNets have been chosen. */
void plan_make_table_routes(struct plan_maker *k);

#endif
