/* SPDX-License-Identifier: Apache-2.0 */
/* A configuration as YAML that a person goes on with: one resource a block, small things in one
 * line, comments where something is to be added. */
#include "control/import_internal.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define FLOW_WIDTH 110u

/* What YAML would not take as a text is quoted. */
static bool is_plain(const char *text)
{
	static const char *const words[] = {"true", "false", "null", "yes", "no", "on", "off", "."};
	if (!isalpha((unsigned char)*text) && !isdigit((unsigned char)*text) && *text != '/')
		return false;
	for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
		if (!strcasecmp(text, words[i]))
			return false;
	}
	size_t digits = strspn(text, "0123456789");
	if (!text[digits] || (strspn(text, "0123456789.eExXoO_+-") == strlen(text) &&
			      strchr(text, '.') == strrchr(text, '.')))
		return false;
	for (; *text; text++) {
		if (!isalnum((unsigned char)*text) && !strchr("._-/", *text))
			return false;
	}
	return true;
}

static void quoted(struct import_text *out, const char *text)
{
	import_text_put(out, "\"");
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			import_text_format(out, "\\%c", *text);
		else if (*text == '\n')
			import_text_put(out, "\\n");
		else if ((unsigned char)*text < 0x20 || *text == 0x7f)
			import_text_format(out, "\\x%02x", (unsigned char)*text);
		else
			import_text_add(out, text, 1);
	}
	import_text_put(out, "\"");
}

static void scalar(const struct import *im, struct import_text *out, const json_t *v)
{
	const char *text = json_string_value(v);
	const struct import_blank *b = text ? import_blank_in(im, text) : NULL;
	if (b) {
		import_text_put(out, "\"" IMPORT_BLANK_BEGIN);
		import_text_put(out, b->text);
		import_text_put(out, IMPORT_BLANK_END "\"");
	} else if (text && is_plain(text)) {
		import_text_put(out, text);
	} else if (text) {
		quoted(out, text);
	} else if (json_is_boolean(v)) {
		import_text_put(out, json_is_true(v) ? "true" : "false");
	} else if (json_is_integer(v)) {
		import_text_format(out, "%lld", (long long)json_integer_value(v));
	} else { /* nothing that the configuration takes: it says so */
		char *shown = json_dumps(v, JSON_COMPACT | JSON_ENCODE_ANY);
		quoted(out, shown ? shown : "");
		free(shown);
	}
}

static bool is_scalar(const json_t *v)
{
	return !json_is_object(v) && !json_is_array(v);
}

static void flow(const struct import *im, struct import_text *out, const json_t *v)
{
	const char *key, *between = "";
	json_t *one;
	size_t i;
	if (is_scalar(v)) {
		scalar(im, out, v);
		return;
	}
	import_text_put(out, json_is_object(v) ? "{" : "[");
	json_array_foreach((json_t *)(uintptr_t)v, i, one)
	{
		import_text_put(out, between);
		flow(im, out, one);
		between = ", ";
	}
	json_object_foreach((json_t *)(uintptr_t)v, key, one)
	{
		if (*key == '#')
			continue;
		import_text_put(out, between);
		import_text_format(out, "%s: ", key);
		flow(im, out, one);
		between = ", ";
	}
	import_text_put(out, json_is_object(v) ? "}" : "]");
}

/* A value that fits behind its name. */
static bool fits(const struct import *im, const json_t *v)
{
	struct import_text trial = {.cap = 1u << 16};
	const char *key;
	json_t *one;
	json_object_foreach((json_t *)(uintptr_t)v, key, one)
	{
		if (*key == '#')
			return false;
	}
	flow(im, &trial, v);
	bool good = !trial.failed && trial.len <= FLOW_WIDTH;
	import_text_free(&trial);
	return good;
}

static void indent(struct import_text *out, unsigned depth)
{
	for (unsigned i = 0; i < depth; i++)
		import_text_put(out, "  ");
}

static void comment(struct import_text *out, const char *text, unsigned depth)
{
	while (*text) {
		size_t n = strcspn(text, "\n");
		indent(out, depth);
		import_text_put(out, "# ");
		import_text_add(out, text, n);
		import_text_put(out, "\n");
		text += n + (text[n] == '\n');
	}
}

static void block(const struct import *im, struct import_text *out, const json_t *v,
		  unsigned depth);

static void member(const struct import *im, struct import_text *out, const char *key,
		   const json_t *v, unsigned depth)
{
	import_text_put(out, key);
	import_text_put(out, ":");
	if (is_scalar(v) || (depth && !json_is_object(json_array_get(v, 0)) && fits(im, v)) ||
	    (json_is_array(v) && !json_array_size(v))) {
		import_text_put(out, " ");
		flow(im, out, v);
		import_text_put(out, "\n");
		return;
	}
	import_text_put(out, "\n");
	block(im, out, v, depth + 1);
}

/* "- " and what stands behind it; a resource at the top always has lines of its own. */
static void item(const struct import *im, struct import_text *out, const json_t *v, unsigned depth)
{
	const char *key;
	json_t *one;
	bool first = true;
	json_object_foreach((json_t *)(uintptr_t)v, key, one)
	{
		if (*key == '#' && !strcmp(key, "#missing"))
			comment(out, json_string_value(one), depth);
	}
	indent(out, depth);
	import_text_put(out, "- ");
	if (!json_is_object(v) || (depth > 1 && fits(im, v))) {
		flow(im, out, v);
		import_text_put(out, "\n");
		return;
	}
	json_object_foreach((json_t *)(uintptr_t)v, key, one)
	{
		if (!strcmp(key, "#missing"))
			continue;
		if (*key == '#') {
			comment(out, json_string_value(one), depth + 1);
			continue;
		}
		if (!first)
			indent(out, depth + 1);
		first = false;
		member(im, out, key, one, depth + 1);
	}
}

static void block(const struct import *im, struct import_text *out, const json_t *v, unsigned depth)
{
	const char *key;
	json_t *one;
	size_t i;
	json_array_foreach((json_t *)(uintptr_t)v, i, one) item(im, out, one, depth);
	json_object_foreach((json_t *)(uintptr_t)v, key, one)
	{
		if (*key == '#') {
			comment(out, json_string_value(one), depth);
		} else if (depth || json_array_size(one) || json_is_object(one)) {
			indent(out, depth);
			member(im, out, key, one, depth);
		}
	}
}

void import_write(const struct import *im, struct import_text *out, const json_t *configuration)
{
	block(im, out, configuration, 0);
}
