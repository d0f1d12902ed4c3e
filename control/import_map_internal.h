/* SPDX-License-Identifier: Apache-2.0 */
/* From resources to the configuration: what the kinds of resources share. */
#ifndef XGW_CONTROL_IMPORT_MAP_INTERNAL_H
#define XGW_CONTROL_IMPORT_MAP_INTERNAL_H

#include "control/import_internal.h"
#include "control/schema_internal.h"

#define T_VNET	       "microsoft.network/virtualnetworks"
#define T_SUBNET       "microsoft.network/virtualnetworks/subnets"
#define T_PEERING      "microsoft.network/virtualnetworks/virtualnetworkpeerings"
#define T_GATEWAY      "microsoft.network/virtualnetworkgateways"
#define T_SITE	       "microsoft.network/localnetworkgateways"
#define T_CONNECTION   "microsoft.network/connections"
#define T_PUBLIC       "microsoft.network/publicipaddresses"
#define T_TABLE	       "microsoft.network/routetables"
#define T_ROUTE	       "microsoft.network/routetables/routes"
#define T_CIRCUIT      "microsoft.network/expressroutecircuits"
#define T_CIRCUIT_PEER "microsoft.network/expressroutecircuits/peerings"

/* Sets a member unless the value is NULL or null; takes the reference. */
void map_set(struct import *im, json_t *object, const char *name, json_t *value);
void map_append(struct import *im, json_t *list, json_t *value);
json_t *map_object(struct import *im);
json_t *map_list(struct import *im);

/* Values of a template as the configuration has them: new references, NULL when there are none. */
json_t *map_boolean(const json_t *v);			   /* also "true" */
json_t *map_number(const json_t *v);			   /* also "10" */
json_t *map_text(const json_t *v);			   /* NULL when it is empty */
json_t *map_word(enum schema_property p, const json_t *v); /* in the spelling of the schema */
json_t *map_prefix(struct import *im, const struct import_resource *r, const json_t *v);
json_t *map_prefixes(struct import *im, const struct import_resource *r, const json_t *list);
/* A text that can be a name here. */
json_t *map_name(struct import *im, const char *text);

/* The name in the configuration of the resource that an id means, NULL when there is none. */
json_t *map_reference(struct import *im, const char *id, const char *type);
const char *map_id(const json_t *properties, const char *names);

/* A note for every member but those named (words between blanks) and those that say nothing. */
void map_note_rest(struct import *im, const struct import_resource *r, const json_t *properties,
		   const char *known);
void map_note(struct import *im, const struct import_resource *r, const char *property,
	      const char *why);

/* The children of a resource: those whose name is "NAME/…"; NULL at the end. */
const struct import_resource *map_child(const struct import *im, const struct import_resource *of,
					const char *type, unsigned *i);
const char *map_own_name(const struct import_resource *r); /* behind the last slash */

/* Kinds (import_map_vnets.c, import_map_gateways.c). */
json_t *map_vnet(struct import *im, const struct import_resource *r, unsigned id);
json_t *map_table(struct import *im, const struct import_resource *r);
json_t *map_circuit(struct import *im, const struct import_resource *r);
json_t *map_gateway(struct import *im, const struct import_resource *r);
json_t *map_site(struct import *im, const struct import_resource *r);
json_t *map_remote(struct import *im, const struct import_resource *r);
json_t *map_connection(struct import *im, const struct import_resource *r);
/* The virtual network whose GatewaySubnet a gateway has. */
json_t *map_gateway_vnet(struct import *im, const struct import_resource *r);
/* The prefix of its GatewaySubnet as the template has it, NULL when it has none; borrowed. */
const json_t *map_gateway_subnet(struct import *im, const struct import_resource *vnet);
/* Whether a circuit has a second link: then the host has a port for those. */
bool map_has_second_link(const struct import *im);
bool map_is_express_route(const struct import_resource *gateway);

#endif
