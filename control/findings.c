/* SPDX-License-Identifier: Apache-2.0 */
/* Findings of a configuration: kept in a capped list, ordered by place at the end; nearest names.
 */
#include "control/findings_internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static bool reserve(struct config_findings *f)
{
	if (f->n < f->room)
		return true;
	size_t room = f->room ? f->room * 2 : 16;
	struct config_finding *at = reallocarray(f->at, room, sizeof *at);
	if (!at)
		return false;
	f->at = at;
	f->room = room;
	return true;
}

static void add(struct config_findings *f, enum config_severity severity, struct model_place at,
		const char *format, va_list ap)
{
	if (severity == CONFIG_ERROR)
		f->errors++;
	if (f->n >= CONFIG_MAX_FINDINGS || !reserve(f)) {
		f->truncated = true;
		return;
	}
	struct config_finding *x = &f->at[f->n++];
	*x = (struct config_finding){.severity = severity, .place = at};
	vsnprintf(x->text, sizeof x->text, format, ap);
}

void findings_error(struct config_findings *f, struct model_place at, const char *format, ...)
{
	va_list ap;
	va_start(ap, format);
	add(f, CONFIG_ERROR, at, format, ap);
	va_end(ap);
}

void findings_warn(struct config_findings *f, struct model_place at, const char *format, ...)
{
	va_list ap;
	va_start(ap, format);
	add(f, CONFIG_WARNING, at, format, ap);
	va_end(ap);
}

static int by_place(const void *a, const void *b)
{
	const struct config_finding *x = a, *y = b;
	if (x->place.line != y->place.line)
		return x->place.line < y->place.line ? -1 : 1;
	if (x->place.column != y->place.column)
		return x->place.column < y->place.column ? -1 : 1;
	return strcmp(x->text, y->text);
}

void findings_sort(struct config_findings *f)
{
	if (f->n)
		qsort(f->at, f->n, sizeof *f->at, by_place);
}

void config_findings_add(struct config_findings *f, enum config_severity severity,
			 struct model_place at, const char *text)
{
	if (severity == CONFIG_ERROR)
		findings_error(f, at, "%s", text);
	else
		findings_warn(f, at, "%s", text);
	findings_sort(f);
}

void config_findings_free(struct config_findings *f)
{
	free(f->at);
	*f = (struct config_findings){0};
}

const char *config_finding_format(const struct config_finding *f, const char *file,
				  char out[CONFIG_FINDING_TEXT])
{
	snprintf(out, CONFIG_FINDING_TEXT, "%s:%u:%u: %s: %s", file, f->place.line, f->place.column,
		 f->severity == CONFIG_ERROR ? "error" : "warning", f->text);
	return out;
}

const char *findings_show(const char *text, char out[SHOWN_TEXT])
{
	size_t n = 0;
	for (; *text && n < SHOWN_TEXT - 4; text++)
		out[n++] = (unsigned char)*text < 0x20 || (unsigned char)*text > 0x7e ? '?' : *text;
	if (*text) {
		memcpy(out + n, "...", 3);
		n += 3;
	}
	out[n] = 0;
	return out;
}

/* Levenshtein distance, letters of either case equal. */
static unsigned distance(const char *a, const char *b)
{
	size_t n = strlen(a), m = strlen(b);
	unsigned row[NEAREST_NAME + 1];
	if (n > NEAREST_NAME || m > NEAREST_NAME)
		return UINT32_MAX;
	for (size_t j = 0; j <= m; j++)
		row[j] = (unsigned)j;
	for (size_t i = 1; i <= n; i++) {
		unsigned diagonal = row[0];
		row[0] = (unsigned)i;
		for (size_t j = 1; j <= m; j++) {
			unsigned change = diagonal + (strncasecmp(&a[i - 1], &b[j - 1], 1) != 0);
			diagonal = row[j];
			unsigned gap = 1 + (row[j] < row[j - 1] ? row[j] : row[j - 1]);
			row[j] = change < gap ? change : gap;
		}
	}
	return row[m];
}

void nearest_init(struct nearest *n, const char *to)
{
	unsigned third = (unsigned)strlen(to) / 3;
	*n = (struct nearest){.to = to, .distance = (third > 2 ? third : 2) + 1};
}

void nearest_offer(struct nearest *n, const char *candidate)
{
	unsigned d = distance(n->to, candidate);
	if (d < n->distance && d < strlen(candidate)) {
		n->distance = d;
		memcpy(n->name, candidate, strlen(candidate) + 1);
	}
}

const char *nearest_hint(const struct nearest *n, char out[HINT_TEXT])
{
	char shown[SHOWN_TEXT];
	out[0] = 0;
	if (*n->name)
		snprintf(out, HINT_TEXT, "; did you mean '%s'?", findings_show(n->name, shown));
	return out;
}
