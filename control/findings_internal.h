/* SPDX-License-Identifier: Apache-2.0 */
/* Adding to the findings of a configuration; safe texts of what a user wrote. */
#ifndef XGW_CONTROL_FINDINGS_INTERNAL_H
#define XGW_CONTROL_FINDINGS_INTERNAL_H

#include "control/config.h"

/* Without memory or beyond the cap the finding is counted, not kept. */
void findings_error(struct config_findings *f, struct model_place at, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void findings_warn(struct config_findings *f, struct model_place at, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void findings_sort(struct config_findings *f);

/* A user's text for a message: what is not printable ASCII replaced, shortened. Returns out. */
#define SHOWN_TEXT 72
const char *findings_show(const char *text, char out[SHOWN_TEXT]);

/* Nearest of several names. */
#define NEAREST_NAME 64
struct nearest {
	const char *to;
	char name[NEAREST_NAME + 1]; /* empty when none was near enough */
	unsigned distance;
};
void nearest_init(struct nearest *n, const char *to);
void nearest_offer(struct nearest *n, const char *candidate);
/* "; did you mean 'NAME'?", or an empty text. */
#define HINT_TEXT 96
const char *nearest_hint(const struct nearest *n, char out[HINT_TEXT]);

#endif
