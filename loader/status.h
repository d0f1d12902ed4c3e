/* SPDX-License-Identifier: Apache-2.0 */
/* The status document: made by the daemon, read by people and programs. */
#ifndef XGW_LOADER_STATUS_H
#define XGW_LOADER_STATUS_H

#include "loader/daemon.h"

#include <jansson.h>
#include <stdio.h>

/* The caller's; NULL when memory ran out. */
json_t *status_document(struct daemon *d);
/* Id of a connection by its name. -ENOENT with a fault that names the nearest. */
/* The answer to `keys`: Wireshark's tables of one connection or client, or of all (name NULL). The
 * caller drops the reference as soon as it can: it holds keys. */
json_t *key_export(struct daemon *d, const char *name);

int must_check status_find(const struct daemon *d, const char *name, uint32_t *id, struct fault *f);

/* What the pins alone tell when no daemon runs. The caller's. */
json_t *status_of_pins(const struct maps *m, const char *instance);
/* Ports with their traffic and drops, as in `ports`. */
json_t *status_traffic(const struct maps *m, uint32_t port_id);
json_t *status_drops(const struct maps *m);

/* Virtual networks with their peerings, of the model alone. The caller's. */
json_t *status_networks(const struct model *m);

/* For people: everything, or one connection in detail (`only`, as found in the document). */
void status_print(FILE *to, const json_t *document);
void status_print_connection(FILE *to, const json_t *connection);

#endif
