/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Configuration text (YAML 1.2, JSON) -> model. Parses, resolves and validates in one call; every
 * mistake is found, not only the first. Reads no file but through the caller's function (secrets by
 * `{file: PATH}`).
 */
#ifndef XGW_CONTROL_CONFIG_H
#define XGW_CONTROL_CONFIG_H

#include "base/fault.h"
#include "control/model.h"

enum config_severity { CONFIG_ERROR, CONFIG_WARNING };

struct config_finding {
	enum config_severity severity;
	struct model_place place;
	char text[320]; /* without FILE:LINE:COLUMN and "error:" */
};

struct config_findings {
	struct config_finding *at; /* in the order of their places */
	size_t n, room, errors;
	bool truncated; /* more than CONFIG_MAX_FINDINGS */
};
#define CONFIG_MAX_FINDINGS 1000

/*
 * How the parser gets a secret's file: fills out and returns 0, or -errno with a fault (missing,
 * readable by others). The loader's implementation checks owner and mode.
 */
struct config_files {
	int (*read_secret)(void *owner, const char *path, struct secret *out, struct fault *f);
	/*
	 * Any other file, whole; `secret`: others may not read it (a private key). *out is the
	 * parser's, from malloc. NULL: there are no files here.
	 */
	int (*read_file)(void *owner, const char *path, bool secret, uint8_t **out, size_t *len,
			 struct fault *f);
	void *owner;
};

/*
 * 0 when the model may be run (warnings are possible), -EINVAL with at least one error finding,
 * -ENOMEM. The model is to be freed in every case; findings with config_findings_free.
 */
int config_parse(struct model *out, const char *text, size_t len, const struct config_files *files,
		 struct config_findings *findings);
void config_findings_free(struct config_findings *f);

/*
 * The same, and what is wanted of the text for the next one, with the text itself: then only what
 * differs is parsed, if it is as plain as that (resources of the lists at the top, in block style,
 * one beside the other; no anchors, circuits or files of certificates), else all as before. The
 * result is the same either way. The text, from malloc, is taken over. `former` is what was kept of
 * the text that `was` comes from, NULL: nothing; *kept is NULL when this one is not of that kind.
 */
struct config_former;
int config_parse_kept(struct model *out, char *text, size_t len, const struct config_files *files,
		      struct config_findings *findings, const struct config_former *former,
		      const struct model *was, struct config_former **kept);
/* By VNet of the model, whether its routes, or the connections of its gateways, may be others than
 * in the model of before; NULL: all of them. */
const bool *config_former_changed(const struct config_former *f);
void config_former_free(struct config_former *f); /* wipes the text: it may hold keys */
/* Of who looks closer than the parser does; keeps the order of places. */
void config_findings_add(struct config_findings *f, enum config_severity severity,
			 struct model_place at, const char *text);
/* "FILE:LINE:COLUMN: error: TEXT" */
#define CONFIG_FINDING_TEXT 600
const char *config_finding_format(const struct config_finding *f, const char *file,
				  char out[CONFIG_FINDING_TEXT]);

/* Rules between resources (config_parse calls it): adds findings. */
void validate(const struct model *m, struct config_findings *findings);

#endif
