/* SPDX-License-Identifier: Apache-2.0 */
/* One import: its files in their order, what they have in common, and what came of them. */
#include "control/import_internal.h"

#include "base/secret.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- texts ---- */

static bool text_reserve(struct import_text *t, size_t more)
{
	size_t cap = t->cap ? t->cap : IMPORT_MAX_STRING;
	if (t->failed || more > cap || t->len + more > cap) {
		t->failed = true;
		return false;
	}
	if (t->len + more < t->room)
		return true;
	size_t room = t->room ? t->room : 64;
	while (room <= t->len + more)
		room *= 2;
	char *at = malloc(room);
	if (!at) {
		t->failed = true;
		return false;
	}
	if (t->len)
		memcpy(at, t->at, t->len);
	at[t->len] = 0;
	if (t->at)
		wipe(t->at, t->len);
	free(t->at);
	t->at = at;
	t->room = room;
	return true;
}

void import_text_add(struct import_text *t, const char *text, size_t len)
{
	if (!text_reserve(t, len))
		return;
	memcpy(t->at + t->len, text, len);
	t->len += len;
	t->at[t->len] = 0;
}

void import_text_put(struct import_text *t, const char *text)
{
	import_text_add(t, text, strlen(text));
}

void import_text_format(struct import_text *t, const char *format, ...)
{
	char line[512];
	va_list ap;
	va_start(ap, format);
	int n = vsnprintf(line, sizeof line, format, ap);
	va_end(ap);
	import_text_add(t, line, n < 0 ? 0 : (size_t)n < sizeof line ? (size_t)n : sizeof line - 1);
}

void import_text_free(struct import_text *t)
{
	if (t->at)
		wipe(t->at, t->len);
	free(t->at);
	*t = (struct import_text){0};
}

/* ---- failures, work, notes ---- */

json_t *import_fail(struct import *im, int err, const char *format, ...)
{
	char text[320];
	struct fault at = *im->fault; /* its place, where it is known */
	va_list ap;
	if (im->err)
		return NULL;
	va_start(ap, format);
	vsnprintf(text, sizeof text, format, ap);
	va_end(ap);
	im->err = err;
	fault_set(im->fault, err, "%s", text);
	fault_place(im->fault, "%s", at.place);
	return NULL;
}

json_t *import_no_memory(struct import *im)
{
	return import_fail(im, -ENOMEM, "not enough memory");
}

bool import_spend(struct import *im, size_t amount)
{
	im->work += amount;
	if (im->err)
		return false;
	if (im->work <= IMPORT_MAX_WORK)
		return true;
	import_fail(im, -E2BIG, "the templates compute too much: more than %u MiB of values",
		    IMPORT_MAX_WORK >> 20);
	return false;
}

/* One line of printable characters: blanks by their labels. */
static void print_line(const struct import *im, char *out, size_t size, const char *text)
{
	char *plain = import_with_labels(im, text);
	size_t n = 0;
	for (const char *p = plain ? plain : ""; *p && n < size - 1; p++)
		out[n++] = (unsigned char)*p < 0x20 || *p == 0x7f ? ' ' : *p;
	out[n] = 0;
	free(plain);
}

void import_note(struct import *im, const char *format, ...)
{
	char text[600], line[640];
	va_list ap;
	va_start(ap, format);
	vsnprintf(text, sizeof text, format, ap);
	va_end(ap);
	if (im->n_notes >= IMPORT_MAX_NOTES)
		return;
	print_line(im, line, sizeof line, im->n_notes == IMPORT_MAX_NOTES - 1 ? "(more)" : text);
	if (im->n_notes && !strcmp(im->notes[im->n_notes - 1], line))
		return;
	if (im->n_notes == im->room_notes) {
		unsigned room = im->room_notes ? im->room_notes * 2 : 32;
		char **notes = reallocarray(im->notes, room, sizeof *notes);
		if (!notes) {
			import_no_memory(im);
			return;
		}
		im->notes = notes;
		im->room_notes = room;
	}
	im->notes[im->n_notes] = strdup(line);
	if (!im->notes[im->n_notes])
		import_no_memory(im);
	else
		im->n_notes++;
}

/* ---- blanks ---- */

#define BLANK_TEXT 160

static json_t *blank_token(struct import *im, unsigned index)
{
	char token[16];
	snprintf(token, sizeof token, "%c%u%c", BLANK_OPEN, index, BLANK_CLOSE);
	json_t *v = json_string(token);
	return v ? v : import_no_memory(im);
}

/* What a person reads in one line of YAML: no quotes, no brackets that end the blank. */
static void tame(char *text)
{
	for (; *text; text++) {
		if ((unsigned char)*text < 0x20 || strchr("<>\"\\", *text) || *text == 0x7f)
			*text = ' ';
	}
}

json_t *import_blank(struct import *im, const char *label, const char *format, ...)
{
	char raw[BLANK_TEXT * 2], text[BLANK_TEXT], short_label[64];
	va_list ap;
	va_start(ap, format);
	vsnprintf(raw, sizeof raw, format, ap);
	va_end(ap);
	print_line(im, text, sizeof text, raw);
	print_line(im, short_label, sizeof short_label, label);
	tame(text);
	for (unsigned i = im->n_blanks; i-- > 0 && im->n_blanks - i < 64;) {
		if (!strcmp(im->blanks[i].text, text) && !strcmp(im->blanks[i].label, short_label))
			return blank_token(im, i);
	}
	if (im->n_blanks >= IMPORT_MAX_BLANKS)
		return import_fail(im, -E2BIG, "more than %u values are not known",
				   IMPORT_MAX_BLANKS);
	if (im->n_blanks == im->room_blanks) {
		unsigned room = im->room_blanks ? im->room_blanks * 2 : 32;
		struct import_blank *blanks = reallocarray(im->blanks, room, sizeof *blanks);
		if (!blanks)
			return import_no_memory(im);
		im->blanks = blanks;
		im->room_blanks = room;
	}
	struct import_blank *b = &im->blanks[im->n_blanks];
	*b = (struct import_blank){strdup(short_label), strdup(text)};
	if (!b->label || !b->text) {
		free(b->label);
		free(b->text);
		return import_no_memory(im);
	}
	return blank_token(im, im->n_blanks++);
}

/* The blank at a BLANK_OPEN; *end: behind it. NULL when it is none. */
static const struct import_blank *blank_at(const struct import *im, const char *p, const char **end)
{
	char *behind;
	if (!isdigit((unsigned char)p[1]))
		return NULL;
	unsigned long i = strtoul(p + 1, &behind, 10);
	if (*behind != BLANK_CLOSE || i >= im->n_blanks)
		return NULL;
	*end = behind + 1;
	return &im->blanks[i];
}

const struct import_blank *import_blank_in(const struct import *im, const char *text)
{
	const char *end;
	for (const char *p = strchr(text, BLANK_OPEN); p; p = strchr(p + 1, BLANK_OPEN)) {
		const struct import_blank *b = blank_at(im, p, &end);
		if (b)
			return b;
	}
	return NULL;
}

bool import_is_blank(const struct import *im, const json_t *v)
{
	return json_is_string(v) && import_blank_in(im, json_string_value(v));
}

char *import_with_labels(const struct import *im, const char *text)
{
	struct import_text out = {0};
	while (*text && !out.failed) {
		size_t n = strcspn(text, "\x01");
		const char *end = text + n + 1;
		import_text_add(&out, text, n);
		if (!text[n])
			break;
		const struct import_blank *b = blank_at(im, text + n, &end);
		if (b)
			import_text_put(&out, b->label);
		text = end;
	}
	return out.failed ? (import_text_free(&out), NULL) : out.at ? out.at : strdup("");
}

/* ---- files ---- */

char *import_read(struct import *im, const char *path, size_t *len)
{
	char *text = NULL;
	struct fault why = {0};
	if (++im->n_sources > IMPORT_MAX_FILES) {
		import_fail(im, -E2BIG, "more than %u files", IMPORT_MAX_FILES);
		return NULL;
	}
	int err = im->o->files.read_file(im->o->files.owner, path, &text, len, &why);
	if (err) {
		import_fail(im, err, "%s", *why.text ? why.text : strerror(-err));
		return NULL;
	}
	if (*len > IMPORT_MAX_FILE) {
		free(text);
		import_fail(im, -E2BIG, "%s has more than %u bytes", path, IMPORT_MAX_FILE);
		return NULL;
	}
	char *copy = realloc(text, *len + 1);
	if (!copy) {
		free(text);
		import_no_memory(im);
		return NULL;
	}
	copy[*len] = 0;
	return copy;
}

static bool is_xml(const char *text, size_t len)
{
	size_t i = len >= 3 && !memcmp(text, "\xef\xbb\xbf", 3) ? 3 : 0;
	while (i < len && isspace((unsigned char)text[i]))
		i++;
	/* UTF-16 as well, whose byte order mark no JSON has here */
	return i < len && (text[i] == '<' || (unsigned char)text[i] >= 0xfe);
}

static bool is_parameters(const json_t *file)
{
	const char *schema = json_string_value(import_get(file, "$schema"));
	return (schema && strcasestr(schema, "deploymentParameters")) ||
	       (!import_get(file, "resources") && import_get(file, "parameters"));
}

/* A template that waits for a parameters file behind it. */
struct queue {
	struct import_source *template;
	const json_t *all; /* parameters for every template */
};

static int flush(struct import *im, struct queue *q, const json_t *own)
{
	const json_t *const parameters[2] = {own, q->all};
	struct import_source *template = q->template;
	q->template = NULL;
	return template && !im->err ? import_arm(im, template, parameters) : im->err;
}

static void take_json(struct import *im, struct queue *q, const char *path, char *text, size_t len)
{
	struct import_source *s = import_json_parse(im, path, text, len);
	if (!s)
		return;
	if (!json_is_object(s->json)) {
		fault_place(im->fault, "%s:1:1", path);
		import_fail(im, -EINVAL, "expected a template, an object with resources");
	} else if (!is_parameters(s->json)) {
		if (!flush(im, q, NULL))
			q->template = s;
	} else if (q->template) {
		flush(im, q, import_get(s->json, "parameters"));
	} else {
		fault_place(im->fault, "%s:1:1", path);
		import_fail(im, -EINVAL,
			    "a parameters file stands behind its template, or is given by "
			    "--parameters");
	}
}

static void take_file(struct import *im, struct queue *q, const char *path)
{
	size_t len = 0;
	char *text = import_read(im, path, &len);
	if (!text)
		return;
	enum import_from from = im->o->from;
	if (from == IMPORT_AUTO)
		from = is_xml(text, len) ? IMPORT_NETCFG : IMPORT_ARM;
	if (from == IMPORT_ARM) {
		take_json(im, q, path, text, len);
		return;
	}
	if (!flush(im, q, NULL))
		import_netcfg(im, path, text, len);
	wipe(text, len);
	free(text);
}

/* A value that no template has is perhaps misspelt. */
static void note_unused(struct import *im, const json_t *parameters)
{
	const char *name;
	json_t *value;
	json_object_foreach((json_t *)(uintptr_t)parameters, name, value)
	{
		if (!import_get(im->used_parameters, name))
			import_note(im, "parameter %.80s: no template has it", name);
	}
}

static void take_all(struct import *im)
{
	struct queue q = {0};
	if (im->o->parameters) {
		struct import_source *s = import_json_read(im, im->o->parameters);
		if (!s)
			return;
		q.all = import_get(s->json, "parameters");
		if (!json_is_object(q.all)) {
			fault_place(im->fault, "%s:1:1", im->o->parameters);
			import_fail(im, -EINVAL,
				    "expected a parameters file, an object with "
				    "parameters");
			return;
		}
	}
	for (size_t i = 0; i < im->o->n_paths && !im->err; i++)
		take_file(im, &q, im->o->paths[i]);
	flush(im, &q, NULL);
	if (!im->err && q.all)
		note_unused(im, q.all);
}

static void write_result(struct import *im, struct import_result *out)
{
	struct import_text text = {.cap = IMPORT_MAX_WORK};
	json_t *configuration = import_map(im);
	if (!configuration)
		return;
	import_text_put(&text, "# Made by `xgw import`. What stands as <fill in: ...> is yours to "
			       "give; `xgw check` names each.\n");
	import_write(im, &text, configuration);
	json_decref(configuration);
	if (text.failed) {
		import_text_free(&text);
		import_no_memory(im);
		return;
	}
	out->text = text.at;
}

static void free_all(struct import *im)
{
	for (struct import_source *s = im->sources, *next; s; s = next) {
		next = s->next;
		import_source_free(s);
	}
	for (unsigned i = 0; i < im->n_resources; i++) {
		struct import_resource *r = &im->resources[i];
		free(r->type);
		free(r->shown_type);
		free(r->name);
		free(r->group);
		free(r->out_name);
		json_decref(r->properties);
		json_decref(r->sku);
	}
	for (unsigned i = 0; i < im->n_blanks; i++) {
		free(im->blanks[i].label);
		free(im->blanks[i].text);
	}
	free(im->resources);
	free(im->blanks);
	json_decref(im->outputs);
	json_decref(im->deployments);
	json_decref(im->used_parameters);
}

int import_run(const struct import_options *o, struct import_result *out, struct fault *f)
{
	struct fault unseen = {0};
	struct import im = {.o = o,
			    .fault = f ? f : &unseen,
			    .outputs = json_object(),
			    .deployments = json_object(),
			    .used_parameters = json_object()};
	*out = (struct import_result){0};
	*im.fault = (struct fault){0};
	if (im.outputs && im.deployments && im.used_parameters)
		take_all(&im);
	else
		import_no_memory(&im);
	if (!im.err && !im.n_resources)
		import_fail(&im, -EINVAL,
			    "there is nothing in %s that this gateway knows: no virtual network, "
			    "gateway, site, connection, route table or circuit",
			    o->n_paths == 1 ? o->paths[0] : "these files");
	if (!im.err)
		write_result(&im, out);
	out->notes = im.notes;
	out->n_notes = im.n_notes;
	free_all(&im);
	return im.err;
}

void import_result_free(struct import_result *r)
{
	if (r->text)
		wipe(r->text, strlen(r->text));
	free(r->text);
	for (size_t i = 0; i < r->n_notes; i++)
		free(r->notes[i]);
	free(r->notes);
	*r = (struct import_result){0};
}
