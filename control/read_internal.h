/* SPDX-License-Identifier: Apache-2.0 */
/* From a checked tree to the model: getters that know the schema's defaults, and the two halves of
 * the reader. */
#ifndef XGW_CONTROL_READ_INTERNAL_H
#define XGW_CONTROL_READ_INTERNAL_H

#include "control/schema_internal.h"

/* A resource that others name. */
struct read_name {
	const char *name;
	uint32_t index;
};
struct read_names {
	struct read_name *at; /* sorted by name */
	uint32_t n;
};

struct read {
	struct tree *tree;
	struct model *model;
	struct config_findings *findings;
	const struct config_files *files;
	struct read_names ports, vnets, gateways, sites, remotes, tables, circuits; /* in the
							tree's memory */
	void *paths; /* files read so far, by path (read_certificates.c) */
	uint32_t room_files;
	uint32_t secrets; /* that came from files */
	bool no_memory;
};

/* Scalars of a checked mapping, or the schema's default. */
const char *read_text(const struct tree_node *map, enum schema_property p); /* NULL: none */
uint32_t read_number(const struct tree_node *map, enum schema_property p);  /* 0: none, or a word */
bool read_boolean(const struct tree_node *map, enum schema_property p);
/* Index of the value among the row's words, 0 when there is none. */
int read_choice(const struct tree_node *map, enum schema_property p);
/* family IP_NONE: none, or the word that stands instead. */
struct ip_addr read_address(const struct tree_node *map, enum schema_property p);
struct model_place read_place(const struct tree_node *map, enum schema_property p);
/* A list of mappings; n = 0 when there is none. */
uint32_t read_length(const struct tree_node *map, enum schema_property p);
const struct tree_node *read_item(const struct tree_node *map, enum schema_property p, uint32_t i);

/* Owned by the model; "" without a value, NULL only without memory. */
char *read_copy(struct read *r, const char *text);
/* n zeroed elements, or NULL (n = 0, or no memory). */
void *read_array(struct read *r, uint32_t n, size_t size);
/* The prefixes of a list, with their places (places may be NULL); returns their number. */
uint32_t read_prefixes(struct read *r, const struct tree_node *map, enum schema_property p,
		       struct ip_prefix **out, struct model_place **places);
/* Index of the resource that a property names, MODEL_NONE with a finding. */
uint32_t read_reference(struct read *r, const struct tree_node *map, enum schema_property p,
			const struct read_names *names, const char *kind);
/* bgpSettings as given; its md5 of a sharedKey (read_bgp.c). */
void read_bgp(struct read *r, const struct tree_node *map, enum schema_property p,
	      struct model_bgp *out);
void read_md5(struct read *r, const struct tree_node *map, enum schema_property p,
	      struct secret *out);
/* And what a gateway has that says none; its VNet has been read. */
void read_bgp_defaults(const struct model *m, struct model_gateway *g);
/* The last address but one of the IPv4 GatewaySubnet, as Azure gives it; family IP_NONE. */
struct ip_addr read_bgp_address(const struct model_vnet *v);
uint32_t read_find(const struct read_names *names, const char *name);

/* The halves: host and virtual networks; gateways, sites, connections. 0 or -ENOMEM. */
int read_host(struct read *r);
int read_tables(struct read *r); /* before the virtual networks, whose subnets name them */
int read_vnets(struct read *r);
int read_circuits(struct read *r); /* read_circuits.c; before the connections */
int read_far_ends(struct read *r);
int read_gateways(struct read *r);
int read_connections(struct read *r);
/* One resource; what it names is found by the names of r. */
void read_table(struct read *r, const struct tree_node *item, struct model_route_table *t);
void read_vnet(struct read *r, const struct tree_node *map, struct model_vnet *v);
void read_site(struct read *r, const struct tree_node *map, struct model_site *s);
void read_remote(struct read *r, const struct tree_node *map, struct model_site *s);
void read_gateway(struct read *r, const struct tree_node *item, struct model_gateway *g);
void read_connection(struct read *r, const struct tree_node *map, struct model_connection *c);
/* What networks know of their gateways, and peerings of their other side. */
void read_note_gateways(struct model *m);
int read_match_peerings(struct model *m);
/* Certificates, keys, what peers are judged by (read_certificates.c). */
/* One file of a list of objects, MODEL_NONE with a finding. */
uint32_t read_path(struct read *r, const struct tree_node *map, enum schema_property p);
/* Base64 of a certificate as a PEM file of the model; MODEL_NONE without memory. */
uint32_t read_inline_certificate(struct read *r, const char *base64);
/* The text itself, or the file that it names. 0 or -errno with a fault. */
int read_secret(struct read *r, const struct tree_node *v, struct secret *out, struct fault *fault);
/* Point-to-site (read_clients.c). */
void read_clients(struct read *r, const struct tree_node *gateway, struct model_gateway *g);
void read_certificate(struct read *r, const struct tree_node *gateway, struct model_gateway *g);
void read_trust(struct read *r, const struct tree_node *map, struct model_connection *c);
void read_files_done(struct read *r);
/* A list of custom policies (read_policy.c). */
void read_policies(struct read *r, const struct tree_node *map, struct model_connection *c);
int read_index_names(struct read *r, enum schema_property list, enum schema_property name,
		     uint32_t base, struct read_names *out);

#endif
