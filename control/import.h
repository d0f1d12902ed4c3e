/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Resource Manager templates (JSON) and classic network configurations (XML) -> one configuration
 * as YAML text. Reads no file but through the caller's function. What a template cannot tell (keys,
 * addresses that a cloud assigns) becomes a blank, a text that config_parse refuses by saying what
 * is to be filled in; what has no meaning here becomes a note.
 */
#ifndef XGW_CONTROL_IMPORT_H
#define XGW_CONTROL_IMPORT_H

#include "base/fault.h"

#include <stdbool.h>
#include <stddef.h>

enum import_from { IMPORT_AUTO, IMPORT_ARM, IMPORT_NETCFG };

/* A whole file: *out is the importer's, from malloc. 0, or -errno with a fault. */
struct import_files {
	int (*read_file)(void *owner, const char *path, char **out, size_t *len, struct fault *f);
	void *owner;
};

struct import_options {
	enum import_from from;
	/*
	 * Templates, network configurations, and parameters files (known by what is in them), which
	 * are for the template in front of them.
	 */
	const char *const *paths;
	size_t n_paths;
	const char *parameters;	    /* a parameters file for all templates, NULL: none */
	const char *resource_group; /* what resourceGroup().name is, NULL: a name made up */
	const char *location;	    /* what resourceGroup().location is, NULL: not known */
	struct import_files files;
};

struct import_result {
	char *text;   /* the configuration, ends with NUL; may hold keys */
	char **notes; /* what was not carried over, one line each: TYPE NAME: WHY */
	size_t n_notes;
};

/* 0; -EINVAL, -E2BIG or what the reader of files returned, with a fault; -ENOMEM. */
int must_check import_run(const struct import_options *o, struct import_result *out,
			  struct fault *f);
void import_result_free(struct import_result *r); /* wipes the text */

/*
 * A blank as it stands in a configuration: "<fill in: WHAT>". Returns whether `text` is one.
 */
#define IMPORT_BLANK_BEGIN "<fill in: "
#define IMPORT_BLANK_END   ">"

#endif
