/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A diagnosis for a person: what failed, where, what was expected, what came, what to do. Fixed
 * size, on the caller's stack; a function that fills one also returns a negative errno.
 */
#ifndef XGW_BASE_FAULT_H
#define XGW_BASE_FAULT_H

#include <stdarg.h>

struct fault {
	int code;	  /* negative errno, 0 = none */
	char place[160];  /* FILE:LINE:COLUMN, a payload and offset, a device */
	char text[320];	  /* what failed; callers prefix it on the way up */
	char advice[200]; /* what to do, may be empty */
};

#define must_check __attribute__((warn_unused_result))

/* Fills f (may be NULL) and returns code, so that `return fault_set(…)` reads well. */
int fault_set(struct fault *f, int code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* Appends to the advice. Returns f->code. */
int fault_advise(struct fault *f, const char *format, ...) __attribute__((format(printf, 2, 3)));
int fault_place(struct fault *f, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Puts "context: " in front of the text. Returns f->code. */
int fault_prefix(struct fault *f, const char *format, ...) __attribute__((format(printf, 2, 3)));
#define FAULT_TEXT 720
/* "PLACE: TEXT; ADVICE" in one line. */
const char *fault_format(const struct fault *f, char out[FAULT_TEXT]);

#endif
