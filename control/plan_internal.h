/* SPDX-License-Identifier: Apache-2.0 */
/* The arrays of a plan as one table, so that making, sorting and comparing need no code per map. */
#ifndef XGW_CONTROL_PLAN_INTERNAL_H
#define XGW_CONTROL_PLAN_INTERNAL_H

#include "control/plan.h"
#include "control/plan_ids.h"

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
/* routes_in_order: they are not looked at. */
void plan_sort(struct plan *p, bool routes_in_order);
/* plan_numbers.c: numbers of all that the model names, before anything is made of them; tables,
 * choices and appliances get theirs while routes are made, and then p->ids is to be closed. */
int plan_number(struct plan *p, const struct model *m, const struct plan *previous,
		struct fault *f);
void plan_numbers_free(struct plan *p);
/* plan_links.c: of circuits, their links, routers and BGP peers; part of plan_number. */
int plan_number_circuits(struct plan *p, const struct model *m, struct fault *f);
/* Of a link, without its device. */
struct xgw_tag_key plan_link_tag(const struct model_circuit_peering *p);

/* ---- making a plan (plan.c), and its routes (plan_routes.c, plan_tables.c) ---- */

struct plan_maker {
	const struct model *m;
	const struct plan_facts *facts;
	struct plan *p;
	/* By VNet of the model, whether its routes have to be made; NULL: all. The others are those
	 * of this plan. */
	const bool *changed;
	const struct plan *previous;
	bool routes_kept; /* of what is being made */
	struct fault *f;
	int err; /* that is in f */
	uint32_t room[PLAN_TABLES];
	/* by VNet of the model: the table of its GatewaySubnet, 0 = none */
	uint32_t *gateway_tables;
	struct plan_pair *pairs; /* tables in use, by VNet and table of the model */
	uint32_t n_pairs, n_choices;
	/* connections by site, in their order: the first one, and the next one; MODEL_NONE ends */
	uint32_t *site_first, *site_next;
	struct plan_choice *choices; /* in no order */
	uint32_t room_choices;
	struct plan_way *ways; /* by (vnet, domain) */
	uint32_t n_ways;
	uint32_t room_members, room_statics, room_announced, room_follows;
	bool no_memory;
};

/* A route table as one VNet uses it. */
struct plan_pair {
	uint32_t vnet, table; /* of the model */
	uint32_t id;
};

/* A connection to a circuit. */
struct plan_way {
	uint32_t vnet, domain;	      /* index in the model, id */
	uint32_t connection, circuit; /* of the model */
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

/* A zeroed entry at the end of a table of the maps, or NULL. */
void *plan_append(struct plan_maker *k, enum plan_map map);
/* An address of the gateway's own, where no host may send from. */
void plan_add_address(struct plan_maker *k, uint32_t vnet, uint32_t attachment,
		      const struct ip_addr *address);
/* What leads to one address alone. */
struct ip_prefix plan_alone(const struct ip_addr *a);

/* What ids stand for what, in one place each. Of a connection that is a tunnel. */
uint32_t plan_connection_id(const struct plan_maker *k, uint32_t connection);
uint32_t plan_local_id(const struct plan_maker *k, uint32_t vnet);
/* The number that goes with a key, new to this plan; 0 with k->err. */
uint32_t plan_take_id(struct plan_maker *k, enum plan_id_kind kind, const char *key, uint32_t of);

/* Of one VNet of the model: its own prefixes, those of its subnets with a table, its peers'. */
void plan_make_vnet_routes(struct plan_maker *k, uint32_t vnet);
/* What is behind every gateway, in its VNet and in those that use it. */
void plan_make_gateway_routes(struct plan_maker *k);
/* The next hop to the gateway's other instance, when it has one, where that is, and the way to its
 * clients. */
void plan_add_instance(struct plan_maker *k, uint32_t gateway);
/* The next hop of connections of a gateway that lead to one prefix, in order of preference; n > 0.
 * Behind them the other instance of the gateway, when it has one. */
uint32_t plan_hop_of(struct plan_maker *k, const uint32_t *connections, uint32_t n);
/* Such a choice, under its number. false with k->no_memory or k->err. */
bool plan_add_choice(struct plan_maker *k, const uint32_t member[XGW_HOP_MEMBERS],
		     struct xgw_next_hop hop);
/* plan_reuse.c: before anything is made, before routes of gateways are, and once routes are chosen.
 */
bool plan_may_keep(const struct plan_maker *k);
bool plan_is_kept(const struct plan_maker *k, uint32_t vnet);
void plan_keep_choices(struct plan_maker *k);
void plan_keep_routes(struct plan_maker *k);
/* The preferred first: place of each connection among all, the larger weight first, then by name.
 * To be freed; NULL without memory. */
uint32_t *plan_orders(struct plan_maker *k);
/* Sorts the routes, and keeps of those for one prefix the preferred one. */
void plan_choose_routes(struct plan_maker *k);
/* The tables in use get their ids: before routes are made. 0 or -errno. */
int plan_number_tables(struct plan_maker *k);
/* Their routes: after those of all VNets have been chosen. */
void plan_make_table_routes(struct plan_maker *k);
/* Of the first `chosen` routes, which are in order, the longest of a table that covers a prefix;
 * NULL. Until the next route is added. */
struct plan_entry_route *plan_cover(struct plan *p, uint32_t chosen, uint32_t table,
				    const struct ip_prefix *prefix);

/* ---- circuits (plan_circuits.c, plan_peers.c) ---- */

/* Finds the ways to circuits, before anything is made of them. */
void plan_find_ways(struct plan_maker *k);
/* Those of a network, of the model; *n of them. */
const struct plan_way *plan_ways_of(const struct plan_maker *k, uint32_t vnet, uint32_t *n);
/* Links as attachments, and the routes of domains but for the tables of GatewaySubnets. */
void plan_make_circuits(struct plan_maker *k);
/* Those: when all other routes are there, `chosen` of them before the tables'. */
void plan_make_domain_tables(struct plan_maker *k, uint32_t chosen);
/* What leads to BGP peers and to the gateways' own addresses, before routes are chosen; members and
 * announcements. */
void plan_make_peers(struct plan_maker *k);
/* A static route of a connection, of the model, for who chooses among it and what is learnt; order:
 * see plan_orders. */
void plan_add_candidate(struct plan_maker *k, uint32_t connection, uint32_t order,
			const struct ip_prefix *prefix);
/* And behind all of them, once for each prefix, the gateway's other instance. */
void plan_add_other_candidate(struct plan_maker *k, uint32_t gateway,
			      const struct ip_prefix *prefix);

#endif
