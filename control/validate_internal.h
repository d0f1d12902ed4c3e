/* SPDX-License-Identifier: Apache-2.0 */
/* What the rules between resources share: sorted copies, so that no rule is quadratic in a list
 * that may be long. */
#ifndef XGW_CONTROL_VALIDATE_INTERNAL_H
#define XGW_CONTROL_VALIDATE_INTERNAL_H

#include "control/findings_internal.h"

struct judge {
	const struct model *m;
	struct config_findings *findings;
	/* Connections of each gateway, in the order of the file: by_gateway[first[g]] up to,
	 * without, by_gateway[first[g + 1]]. */
	uint32_t *by_gateway, *first;
	/* By VNet; may be NULL. Of what is behind the gateways of these nothing has to be told; of
	 * those something was. */
	const bool *quiet;
	bool *told;
	bool no_memory;
};

/* Something that should be unique: equal keys (memcmp) are reported in the order of their places.
 */
struct unique_item {
	uint8_t key[160];
	struct model_place place;
	const char *name; /* for the message */
};
struct unique {
	struct unique_item *at;
	uint32_t n, room;
};
void unique_add(struct judge *j, struct unique *u, const void *key, size_t len,
		struct model_place place, const char *name);
/* Reports each item whose key an earlier one has, with `twice` (item first) and frees. */
void unique_report(struct judge *j, struct unique *u,
		   void (*twice)(struct judge *j, const struct unique_item *item,
				 const struct unique_item *first));

/* Prefixes in order of address; those of an address space that is disjoint can be searched. */
struct placed_prefix {
	struct ip_prefix prefix;
	struct model_place place;
	const char *name; /* of what it belongs to; NULL */
	const void *of;	  /* what it belongs to, for who collected it */
};
struct prefix_set {
	struct placed_prefix *at;
	uint32_t n;
};
void prefix_set_sort(struct prefix_set *s);
/* Leaves out what another one covers, so that the set is disjoint. */
void prefix_set_reduce(struct prefix_set *s);
/* Sorted copy of a VNet's address space; freed with free(s.at). */
struct prefix_set prefix_set_of_vnet(struct judge *j, const struct model_vnet *v);
/* One of a disjoint set that covers p, or shares addresses with it; NULL. */
const struct placed_prefix *prefix_set_cover(const struct prefix_set *s, const struct ip_prefix *p);
const struct placed_prefix *prefix_set_overlap(const struct prefix_set *s,
					       const struct ip_prefix *p);

/* 4 or 6: the length of the smallest subnet that still has this many bits for hosts. */
static inline int length_of(const struct ip_prefix *p, int host_bits)
{
	return (int)ip_addr_bits(&p->addr) - host_bits;
}

/* Whether what is behind a gateway is to be judged. */
static inline bool is_judged(const struct judge *j, uint32_t gateway)
{
	uint32_t vnet = j->m->gateways[gateway].vnet;
	return !j->quiet || vnet == MODEL_NONE || !j->quiet[vnet];
}

/* The rules of all, as config.h has them. */
void validate_but(const struct model *m, struct config_findings *findings, const bool *quiet,
		  bool *told);
void validate_names(struct judge *j);
void validate_ports(struct judge *j);
void validate_vnets(struct judge *j);
void validate_peerings(struct judge *j);
void validate_tables(struct judge *j);
/* How many user routes of a family (0: IPv4, 1: IPv6) the tables make, counted in each network that
 * uses them. */
uint64_t validate_user_routes(const struct judge *j, int v6);
void validate_gateways(struct judge *j);
void validate_instances(struct judge *j);
void validate_circuits(struct judge *j);
void validate_routers(struct judge *j);
void validate_connections(struct judge *j);
void validate_bgp(struct judge *j);
void validate_spaces(struct judge *j);
void validate_clients(struct judge *j);

/* Why an AS number may not be had, or NULL (validate_bgp.c). `azure`: one of Azure's own is no
 * mistake there. */
const char *validate_asn(uint32_t asn, bool azure);

/* validate_connections.c: nothing of it that the rules look at was refused. */
bool validate_is_known(const struct model *m, const struct model_connection *c);
/* validate_selectors.c: of a connection that is known; and of all of them together. */
void validate_overlap(struct judge *j, const struct model_connection *c);
void validate_sequence_numbers(struct judge *j, const struct model_connection *c);

#endif
