/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON as the tools of Resource Manager take it: comments, texts over several lines, a comma behind
 * the last value. It is turned into what jansson takes, byte for byte but for line ends in texts,
 * so that places stay; and the place of a value is found by walking its path once more.
 */
#include "control/import_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct cleaner {
	const char *in;
	size_t len, at;
	struct import_text out;
	size_t *added;
	size_t n_added, room_added;
	size_t comma; /* offset in out of a comma that nothing has followed yet, plus 1 */
	bool failed;
};

static void put(struct cleaner *c, char byte)
{
	import_text_add(&c->out, &byte, 1);
}

static void put_escape(struct cleaner *c, char letter)
{
	put(c, '\\');
	if (c->n_added == c->room_added) {
		size_t room = c->room_added ? c->room_added * 2 : 64;
		size_t *added = reallocarray(c->added, room, sizeof *added);
		if (!added) {
			c->failed = true;
			return;
		}
		c->added = added;
		c->room_added = room;
	}
	c->added[c->n_added++] = c->out.len;
	put(c, letter);
}

static void clean_text(struct cleaner *c)
{
	put(c, c->in[c->at++]);
	while (c->at < c->len) {
		char byte = c->in[c->at++];
		if (byte == '\n' || byte == '\r' || byte == '\t') {
			put_escape(c, byte == '\n' ? 'n' : byte == '\r' ? 'r' : 't');
			continue;
		}
		put(c, byte);
		if (byte == '"')
			return;
		if (byte == '\\' && c->at < c->len)
			put(c, c->in[c->at++]);
	}
}

/* Blanks in place of a comment. */
static void clean_comment(struct cleaner *c)
{
	bool line = c->in[c->at + 1] == '/';
	size_t from = c->at;
	while (c->at < c->len) {
		char byte = c->in[c->at];
		if (line ? byte == '\n'
			 : c->at - from >= 3 && byte == '/' && c->in[c->at - 1] == '*')
			break;
		put(c, byte == '\n' || byte == '\r' ? byte : ' ');
		c->at++;
	}
	if (!line && c->at < c->len) {
		put(c, ' ');
		c->at++;
	}
}

static void clean(struct cleaner *c)
{
	static const char mark[] = "\xef\xbb\xbf"; /* byte order mark */
	if (c->len >= 3 && !memcmp(c->in, mark, 3)) {
		import_text_put(&c->out, "   ");
		c->at = 3;
	}
	while (c->at < c->len && !c->failed && !c->out.failed) {
		char byte = c->in[c->at];
		if (byte == '/' && c->at + 1 < c->len && strchr("/*", c->in[c->at + 1]) &&
		    c->in[c->at + 1]) {
			clean_comment(c);
			continue;
		}
		if (c->comma && (byte == ']' || byte == '}'))
			c->out.at[c->comma - 1] = ' ';
		if (!byte || !strchr(" \t\r\n", byte))
			c->comma = byte == ',' ? c->out.len + 1 : 0;
		if (byte == '"') {
			clean_text(c);
		} else {
			put(c, byte);
			c->at++;
		}
	}
}

/* Line and column of an offset in the text as jansson took it. */
static void place_of(const struct import_source *s, size_t offset, uint32_t *line, uint32_t *column)
{
	size_t added = 0;
	*line = *column = 1;
	for (size_t i = 0; i < offset && i < s->len; i++) {
		if (added < s->n_added && s->added[added] == i) {
			added++; /* an escaped line end: one line more in the file */
			if (s->text[i] == 'n') {
				++*line;
				*column = 1;
			}
			continue;
		}
		/* bytes in the middle of a character are no columns */
		*column += ((unsigned char)s->text[i] & 0xc0) != 0x80;
		if (s->text[i] == '\n') {
			++*line;
			*column = 1;
		}
	}
}

static void parse(struct import *im, struct import_source *s)
{
	json_error_t e;
	uint32_t line, column;
	s->json = json_loadb(s->text, s->len, 0, &e);
	if (s->json)
		return;
	size_t at = e.position > 0 ? (size_t)e.position - 1 : 0;
	place_of(s, at, &line, &column);
	if (!im->err)
		fault_place(im->fault, "%s:%u:%u", s->name, line, column);
	import_fail(im, -EINVAL, "not JSON: %s", e.text);
}

struct import_source *import_json_parse(struct import *im, const char *path, char *text, size_t len)
{
	struct cleaner c = {.in = text, .len = len, .out = {.cap = 2 * IMPORT_MAX_FILE + 1}};
	struct import_source *s = calloc(1, sizeof *s);
	clean(&c);
	if (s) {
		*s = (struct import_source){im->sources, strdup(path), c.out.at, c.out.len,
					    c.added,	 c.n_added,    NULL};
		im->sources = s;
	} else {
		import_text_free(&c.out);
		free(c.added);
	}
	free(text);
	if (!s || !s->name || c.failed || c.out.failed) {
		import_no_memory(im);
		return NULL;
	}
	if (!s->text && !(s->text = strdup(""))) {
		import_no_memory(im);
		return NULL;
	}
	parse(im, s);
	return s->json ? s : NULL;
}

struct import_source *import_json_read(struct import *im, const char *path)
{
	size_t len = 0;
	char *text = import_read(im, path, &len);
	return text ? import_json_parse(im, path, text, len) : NULL;
}

void import_source_free(struct import_source *s)
{
	json_decref(s->json);
	free(s->added);
	free(s->name);
	if (s->text)
		explicit_bzero(s->text, s->len);
	free(s->text);
	free(s);
}

/* ---- places: the text is JSON, jansson has seen it ---- */

static const char *skip_space(const char *p)
{
	return p + strspn(p, " \t\r\n");
}

static const char *skip_text(const char *p)
{
	for (p++; *p && *p != '"'; p++)
		p += *p == '\\' && p[1];
	return *p ? p + 1 : p;
}

static const char *skip_value(const char *p)
{
	unsigned depth = 0;
	do {
		p = skip_space(p);
		if (*p == '"') {
			p = skip_text(p);
		} else if (*p == '{' || *p == '[') {
			depth++;
			p++;
		} else if (*p == '}' || *p == ']') {
			depth--;
			p++;
		} else if (depth && (*p == ',' || *p == ':')) {
			p++;
		} else {
			size_t n = strcspn(p, ",:]}{[\" \t\r\n");
			p += n ? n : *p != 0;
		}
	} while (depth && *p);
	return p;
}

static bool is_key(const char *p, const char *key)
{
	size_t n = strlen(key);
	return !strncasecmp(p + 1, key, n) && p[1 + n] == '"';
}

/* The child's value, or NULL. */
static const char *child(const char *p, const struct import_path *path)
{
	const char close = path->key ? '}' : ']';
	size_t i = 0;
	p = skip_space(p);
	if (*p != (path->key ? '{' : '['))
		return NULL;
	p = skip_space(p + 1);
	while (*p && *p != close) {
		const char *name = p;
		if (path->key)
			p = skip_space(skip_space(skip_text(p)) + 1);
		if (path->key ? is_key(name, path->key) : i == path->index)
			return p;
		i++;
		p = skip_space(skip_value(p));
		p = *p == ',' ? skip_space(p + 1) : p;
	}
	return NULL;
}

void import_json_place(const struct import_path *path, size_t inside, uint32_t *line,
		       uint32_t *column)
{
	const struct import_path *steps[IMPORT_MAX_DEPTH * 2];
	size_t n = 0;
	for (; path->up && n < sizeof steps / sizeof *steps; path = path->up)
		steps[n++] = path;
	*line = *column = 1;
	const struct import_source *s = path->source;
	if (!s)
		return;
	const char *p = skip_space(s->text);
	while (n && p) {
		const char *next = child(p, steps[--n]);
		if (!next) {
			inside = 0;
			break;
		}
		p = next;
	}
	place_of(s, (size_t)(p - s->text) + (*p == '"' ? inside : 0), line, column);
}

json_t *import_get_n(const json_t *object, const char *name, size_t len)
{
	json_t *found = json_object_getn(object, name, len);
	const char *key;
	json_t *value;
	if (found)
		return found;
	/* the library's iteration takes no const object, and changes none */
	json_t *o = (json_t *)(uintptr_t)object;
	json_object_foreach(o, key, value)
	{
		if (strlen(key) == len && !strncasecmp(key, name, len))
			return value;
	}
	return NULL;
}

json_t *import_get(const json_t *object, const char *name)
{
	return import_get_n(object, name, strlen(name));
}

json_t *import_dig(const json_t *object, const char *names)
{
	const json_t *at = object;
	while (at) {
		size_t n = strcspn(names, ".");
		json_t *next = import_get_n(at, names, n);
		if (!names[n])
			return next;
		names += n + 1;
		at = next;
	}
	return NULL;
}
