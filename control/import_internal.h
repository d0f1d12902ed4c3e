/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of the importer share: its state, JSON with places, blanks, notes, resources. */
#ifndef XGW_CONTROL_IMPORT_INTERNAL_H
#define XGW_CONTROL_IMPORT_INTERNAL_H

#include "control/import.h"

#include <jansson.h>
#include <stdint.h>

/* Against hostile templates: each is far above what a real one has. */
#define IMPORT_MAX_FILE	     (8u << 20)	 /* bytes of one file */
#define IMPORT_MAX_FILES     2000u	 /* looked for in one import */
#define IMPORT_MAX_DEPTH     100u	 /* of nesting: values, calls, variables, together */
#define IMPORT_MAX_STRING    (1u << 20)	 /* bytes of a computed text */
#define IMPORT_MAX_WORK	     (32u << 20) /* bytes and steps of all that is computed */
#define IMPORT_MAX_COPIES    800u	 /* of one loop, as in Azure */
#define IMPORT_MAX_RANGE     10000u	 /* numbers of range() */
#define IMPORT_MAX_NESTED    8u		 /* deployments within deployments */
#define IMPORT_MAX_RESOURCES 5000u
#define IMPORT_MAX_BLANKS    20000u
#define IMPORT_MAX_NOTES     20000u

/* A text that grows up to a cap. */
struct import_text {
	char *at; /* ends with NUL when len or room is not 0 */
	size_t len, room, cap;
	bool failed; /* no memory, or above the cap: nothing more is added */
};
void import_text_add(struct import_text *t, const char *text, size_t len);
void import_text_put(struct import_text *t, const char *text);
void import_text_format(struct import_text *t, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
void import_text_free(struct import_text *t); /* wipes */

/* A JSON file: its text as jansson took it, and where bytes were put in for that. */
struct import_source {
	struct import_source *next;
	char *name; /* path as the reader took it */
	char *text;
	size_t len;
	size_t *added; /* offsets in `text` of bytes that the file does not have, ascending */
	size_t n_added;
	json_t *json;
};

/* A place in a document: keys and indices from the leaf up; the root names the source. */
struct import_path {
	const struct import_path *up;
	const char *key; /* NULL: index */
	size_t index;
	const struct import_source *source; /* of a root */
};

/* Something that is not known: `label` can stand in names, `text` tells a person. */
struct import_blank {
	char *label, *text;
};

/* A resource as the templates deploy it, evaluated. */
struct import_resource {
	char *type; /* lower case, "microsoft.network/virtualnetworks" */
	char *shown_type;
	char *name; /* "VNet1/GatewaySubnet", may hold blanks */
	char *group;
	const char *file;
	bool classic, missing; /* missing: only referred to */
	json_t *properties, *sku;
	char *out_name; /* in the configuration */
};

struct import {
	const struct import_options *o;
	struct fault *fault;
	int err; /* of the first failure */
	struct import_source *sources;
	unsigned n_sources;
	uint64_t work;
	struct import_blank *blanks;
	unsigned n_blanks, room_blanks;
	struct import_resource *resources;
	unsigned n_resources, room_resources;
	char **notes;
	unsigned n_notes, room_notes;
	json_t *outputs;	 /* of templates, lower-case name -> value */
	json_t *deployments;	 /* lower-case name -> outputs */
	json_t *used_parameters; /* lower-case names that some template declares */
};

/* Records the first failure; returns NULL, so that `return import_fail(…)` reads well. */
json_t *import_fail(struct import *im, int err, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
json_t *import_no_memory(struct import *im);
/* Counts work; false (and the import fails) when there is too much of it. */
bool import_spend(struct import *im, size_t amount);
void import_note(struct import *im, const char *format, ...) __attribute__((format(printf, 2, 3)));

/*
 * Blanks inside texts are BLANK_OPEN, a decimal index, BLANK_CLOSE: characters that JSON texts of
 * people do not have.
 */
#define BLANK_OPEN  '\x01'
#define BLANK_CLOSE '\x02'
/* A text that is one blank; new reference, NULL when the import failed. */
json_t *import_blank(struct import *im, const char *label, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* The first blank in a text, or NULL. */
const struct import_blank *import_blank_in(const struct import *im, const char *text);
bool import_is_blank(const struct import *im, const json_t *v); /* a text with a blank in it */
/* A text with labels in place of its blanks, from malloc; NULL without memory. */
char *import_with_labels(const struct import *im, const char *text);

/* JSON as people write it (comments, line ends in texts, commas at the end) -> source. The source
 * stays the import's. NULL when the import failed. */
struct import_source *import_json_read(struct import *im, const char *path);
/* The same of a text, which it takes over. */
struct import_source *import_json_parse(struct import *im, const char *path, char *text,
					size_t len);
/* Line and column, from 1, of a value of the source. */
void import_json_place(const struct import_path *path, size_t inside, uint32_t *line,
		       uint32_t *column);
void import_source_free(struct import_source *s);
/* A member by its name in any case; borrowed. */
json_t *import_get(const json_t *object, const char *name);
json_t *import_get_n(const json_t *object, const char *name, size_t len);
/* "a.b.c" down through objects, names in any case; borrowed, NULL when it is not there. */
json_t *import_dig(const json_t *object, const char *names);

/* Reads a file by the caller's function; the text ends with NUL. NULL when the import failed. */
char *import_read(struct import *im, const char *path, size_t *len);

/* A resource that was found; takes the references of the JSON values (they may be NULL). */
struct import_resource *import_add(struct import *im, const char *type, const char *name,
				   const char *group, const char *file, json_t *properties,
				   json_t *sku);
/* Whether resources of the type become part of the configuration. */
bool import_is_carried(const char *type);
/* The resource that an id or a "type/name" means; NULL: not in the import, or no such type. */
struct import_resource *import_find(struct import *im, const char *id, const char *type);
/* The names of an id of the type, "VNet1/GatewaySubnet", from malloc; NULL when it is of another
 * type. */
char *import_id_name(const char *id, const char *type);

/* The front ends: what the file deploys is added to the resources. 0, or im->err. */
int import_arm(struct import *im, struct import_source *template,
	       const json_t *const parameters[2]);
int import_netcfg(struct import *im, const char *path, const char *text, size_t len);
/* Resources -> the configuration as a JSON value in its order; NULL when the import failed. */
json_t *import_map(struct import *im);
/* The JSON value as YAML. Members whose name begins with '#' are comments. */
void import_write(const struct import *im, struct import_text *out, const json_t *configuration);

#endif
