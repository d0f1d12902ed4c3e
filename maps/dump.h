/* SPDX-License-Identifier: Apache-2.0 */
/* Every map as text and as JSON, decoded with names. Works on pins alone. */
#ifndef XGW_MAPS_DUMP_H
#define XGW_MAPS_DUMP_H

#include "maps/maps.h"

#include <jansson.h>
#include <stdio.h>

/* All entries of a map by its name (`xgw dump MAP`); `*out` is the caller's. -ENOENT when no map
 * has the name: the fault lists those there are. `drops` leaves out rows that are zero.
 * {"map":…,"entries":[{…}]} */
int must_check dump_map(const struct maps *m, const char *name, json_t **out, struct fault *f);
/* The list of maps: {"maps":[{"name","type","entries","maxEntries","bytes","meaning"}]} */
int must_check dump_list(const struct maps *m, json_t **out, struct fault *f);
/* The same documents as a table for people. */
void dump_print(FILE *to, const json_t *document);

#endif
