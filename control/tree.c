/* SPDX-License-Identifier: Apache-2.0 */
/* YAML 1.2 events (libfyaml) -> tree. JSON is YAML. */
#include "control/tree_internal.h"

#include "control/findings_internal.h"

#include <errno.h>
#include <libfyaml.h>
#include <stdlib.h>
#include <string.h>

struct tree_chunk {
	struct tree_chunk *next;
	size_t used, room;
	_Alignas(max_align_t) uint8_t at[];
};

#define CHUNK_BYTES 16384u

void *tree_alloc(struct tree *t, size_t n)
{
	n = (n + sizeof(max_align_t) - 1) / sizeof(max_align_t) * sizeof(max_align_t);
	struct tree_chunk *c = t->chunks;
	if (!c || c->room - c->used < n) {
		size_t room = n > CHUNK_BYTES ? n : CHUNK_BYTES;
		c = calloc(1, sizeof *c + room);
		if (!c) {
			t->no_memory = true;
			return NULL;
		}
		c->room = room;
		c->next = t->chunks;
		t->chunks = c;
	}
	void *p = c->at + c->used;
	c->used += n;
	return p;
}

void tree_free(struct tree *t)
{
	for (struct tree_chunk *c = t->chunks, *next; c; c = next) {
		next = c->next;
		wipe(c->at, c->used);
		free(c);
	}
	*t = (struct tree){0};
}

bool tree_is_null(const struct tree_node *n)
{
	static const char *const words[] = {"", "~", "null", "Null", "NULL"};
	if (n->type != TREE_SCALAR || !n->is_plain)
		return false;
	for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
		if (!strcmp(n->text, words[i]))
			return true;
	}
	return false;
}

/* An anchor, for the aliases behind it. */
struct anchor {
	struct anchor *next;
	const char *name;
	struct tree_node *node;
	bool is_open; /* its end has not come: an alias would contain itself */
};

/* A list or mapping whose end has not come. */
struct level {
	struct tree_node *node, *key;
	struct anchor *anchor;
	uint32_t room;
};

struct builder {
	struct tree *tree;
	struct config_findings *findings;
	struct level levels[TREE_MAX_DEPTH];
	unsigned depth;
	struct anchor *anchors;
	unsigned documents;
};

#define MAX_ANCHORS 1000u

static struct model_place place_of(struct fy_event *event)
{
	const struct fy_mark *m = fy_event_start_mark(event);
	struct model_place at = {1, 1};
	if (m && m->line >= 0 && m->column >= 0)
		at = (struct model_place){(uint32_t)m->line + 1, (uint32_t)m->column + 1};
	return at;
}

/* The library marks what is behind a quote or an asterisk; a person counts from it. */
static struct model_place one_before(struct model_place at)
{
	at.column -= at.column > 1;
	return at;
}

/* An empty value has no place of its own: its property's. */
static struct model_place place_of_scalar(const struct builder *b, struct fy_event *event)
{
	struct fy_token *token = event->scalar.value;
	if (!token && b->depth && b->levels[b->depth - 1].key)
		return b->levels[b->depth - 1].key->place;
	struct model_place at = place_of(event);
	enum fy_scalar_style style = token ? fy_scalar_token_get_style(token) : FYSS_PLAIN;
	return style == FYSS_SINGLE_QUOTED || style == FYSS_DOUBLE_QUOTED ? one_before(at) : at;
}

static struct tree_node *new_node(struct builder *b, enum tree_type type, struct model_place at)
{
	if (b->tree->nodes >= TREE_MAX_NODES) {
		findings_error(b->findings, at, "too large: more than %u values", TREE_MAX_NODES);
		return NULL;
	}
	struct tree_node *n = tree_alloc(b->tree, sizeof *n);
	if (n) {
		b->tree->nodes++;
		n->type = type;
		n->place = at;
	}
	return n;
}

/* Room for one more item; grows by copies inside the arena. */
static int grow(struct builder *b, struct level *l)
{
	if (l->node->n < l->room)
		return 0;
	uint32_t room = l->room ? l->room * 2 : 4;
	struct tree_item *items = tree_alloc(b->tree, room * sizeof *items);
	if (!items)
		return -ENOMEM;
	if (l->node->n)
		memcpy(items, l->node->items, l->node->n * sizeof *items);
	l->node->items = items;
	l->room = room;
	return 0;
}

/* Puts a finished or begun node where it belongs. */
static int place_node(struct builder *b, struct tree_node *n)
{
	if (!b->depth) {
		b->tree->root = n;
		return 0;
	}
	struct level *l = &b->levels[b->depth - 1];
	if (l->node->type == TREE_MAP && !l->key) {
		if (n->type != TREE_SCALAR) {
			findings_error(b->findings, n->place,
				       "expected a property's name, came a %s",
				       n->type == TREE_LIST ? "list" : "mapping");
			return -EINVAL;
		}
		l->key = n;
		return 0;
	}
	int err = grow(b, l);
	if (err)
		return err;
	l->node->items[l->node->n++] = (struct tree_item){l->key, n};
	l->key = NULL;
	return 0;
}

static char *copy_text(struct builder *b, const char *text, size_t len, struct model_place at)
{
	if (text && memchr(text, 0, len)) {
		findings_error(b->findings, at, "expected a text, came one with a NUL byte");
		return NULL;
	}
	char *copy = tree_alloc(b->tree, len + 1);
	if (copy && len)
		memcpy(copy, text, len);
	return copy;
}

static int note_anchor(struct builder *b, struct fy_token *token, struct tree_node *n,
		       struct anchor **out)
{
	*out = NULL;
	if (!token)
		return 0;
	if (b->tree->anchors++ == MAX_ANCHORS) {
		findings_error(b->findings, n->place, "more than %u anchors", MAX_ANCHORS);
		return -EINVAL;
	}
	size_t len = 0;
	const char *text = fy_token_get_text(token, &len);
	struct anchor *a = tree_alloc(b->tree, sizeof *a);
	char *name = text ? copy_text(b, text, len, n->place) : NULL;
	if (!a || !name)
		return b->tree->no_memory ? -ENOMEM : -EINVAL;
	*a = (struct anchor){b->anchors, name, n, n->type != TREE_SCALAR};
	b->anchors = a;
	*out = a;
	return 0;
}

static int refuse_tag(struct builder *b, struct fy_token *tag, struct model_place at)
{
	if (!tag)
		return 0;
	findings_error(b->findings, at,
		       "expected a plain value, came one with a YAML tag; leave the tag out");
	return -EINVAL;
}

static int scalar(struct builder *b, struct fy_event *event)
{
	struct model_place at = place_of_scalar(b, event);
	struct fy_token *token = event->scalar.value;
	size_t len = 0;
	const char *text = token ? fy_token_get_text(token, &len) : "";
	int err = refuse_tag(b, event->scalar.tag, at);
	struct tree_node *n = err ? NULL : new_node(b, TREE_SCALAR, at);
	if (n)
		n->text = copy_text(b, text ? text : "", text ? len : 0, at);
	if (!n || !n->text)
		return b->tree->no_memory ? -ENOMEM : -EINVAL;
	n->is_plain = !token || fy_scalar_token_get_style(token) == FYSS_PLAIN;
	struct anchor *anchor;
	err = note_anchor(b, event->scalar.anchor, n, &anchor);
	return err ? err : place_node(b, n);
}

static int begin(struct builder *b, struct fy_event *event, enum tree_type type)
{
	struct model_place at = place_of(event);
	bool is_list = type == TREE_LIST;
	int err = refuse_tag(b, is_list ? event->sequence_start.tag : event->mapping_start.tag, at);
	if (err)
		return err;
	if (b->depth == TREE_MAX_DEPTH) {
		findings_error(b->findings, at, "nested deeper than %u levels", TREE_MAX_DEPTH);
		return -EINVAL;
	}
	struct tree_node *n = new_node(b, type, at);
	if (!n)
		return b->tree->no_memory ? -ENOMEM : -EINVAL;
	err = place_node(b, n);
	if (err)
		return err;
	struct level *l = &b->levels[b->depth++];
	*l = (struct level){.node = n};
	return note_anchor(b, is_list ? event->sequence_start.anchor : event->mapping_start.anchor,
			   n, &l->anchor);
}

static struct tree_node *copy_node(struct builder *b, const struct tree_node *from, unsigned depth)
{
	if (depth > TREE_MAX_DEPTH) {
		findings_error(b->findings, from->place, "nested deeper than %u levels",
			       TREE_MAX_DEPTH);
		return NULL;
	}
	struct tree_node *n = new_node(b, from->type, from->place);
	if (!n)
		return NULL;
	n->is_plain = from->is_plain;
	n->text = from->text;
	n->items = from->n ? tree_alloc(b->tree, from->n * sizeof *n->items) : NULL;
	if (from->n && !n->items)
		return NULL;
	for (; n->n < from->n; n->n++) {
		n->items[n->n].key = from->items[n->n].key;
		n->items[n->n].value = copy_node(b, from->items[n->n].value, depth + 1);
		if (!n->items[n->n].value)
			return NULL;
	}
	return n;
}

static int alias(struct builder *b, struct fy_event *event)
{
	struct model_place at = one_before(place_of(event));
	size_t len = 0;
	const char *text = fy_token_get_text(event->alias.anchor, &len);
	const struct anchor *a = b->anchors;
	while (a && !(text && strlen(a->name) == len && !memcmp(a->name, text, len)))
		a = a->next;
	if (!a || a->is_open) {
		findings_error(b->findings, at,
			       a ? "an alias inside what it stands for"
				 : "expected the name of an anchor above, came an unknown one");
		return -EINVAL;
	}
	struct tree_node *n = copy_node(b, a->node, b->depth);
	if (!n)
		return b->tree->no_memory ? -ENOMEM : -EINVAL;
	return place_node(b, n);
}

static int take(struct builder *b, struct fy_event *event)
{
	switch (event->type) {
	case FYET_DOCUMENT_START:
		if (++b->documents > 1) {
			findings_error(b->findings, place_of(event),
				       "expected one YAML document, came a second one");
			return -EINVAL;
		}
		return 0;
	case FYET_SCALAR: return scalar(b, event);
	case FYET_ALIAS: return alias(b, event);
	case FYET_MAPPING_START: return begin(b, event, TREE_MAP);
	case FYET_SEQUENCE_START: return begin(b, event, TREE_LIST);
	case FYET_MAPPING_END:
	case FYET_SEQUENCE_END:
		b->depth--;
		if (b->levels[b->depth].anchor)
			b->levels[b->depth].anchor->is_open = false;
		return 0;
	default: return 0;
	}
}

/* What libfyaml has to say of a text that is no YAML. */
static void report_syntax(struct fy_diag *diag, struct config_findings *findings)
{
	void *walk = NULL;
	const struct fy_diag_error *e = fy_diag_errors_iterate(diag, &walk);
	struct model_place at = {1, 1};
	char shown[SHOWN_TEXT];
	if (e && e->line > 0 && e->column > 0)
		at = (struct model_place){(uint32_t)e->line, (uint32_t)e->column};
	findings_error(findings, at, "not YAML: %s",
		       e && e->msg ? findings_show(e->msg, shown) : "it cannot be parsed");
}

/* Nothing of a configuration is printed by the library: it may hold keys. */
static void print_nothing(struct fy_diag *diag, void *user, const char *buf, size_t len)
{
	(void)diag;
	(void)user;
	(void)buf;
	(void)len;
}

static struct fy_diag *new_diag(void)
{
	struct fy_diag_cfg cfg;
	fy_diag_cfg_default(&cfg);
	cfg.fp = NULL;
	cfg.output_fn = print_nothing;
	struct fy_diag *diag = fy_diag_create(&cfg);
	if (diag)
		fy_diag_set_collect_errors(diag, true);
	return diag;
}

static int run(struct builder *b, struct fy_parser *parser, struct fy_diag *diag)
{
	int err = 0;
	bool ended = false;
	while (!err && !ended) {
		struct fy_event *event = fy_parser_parse(parser);
		if (!event)
			break;
		ended = event->type == FYET_STREAM_END;
		err = take(b, event);
		fy_parser_event_free(parser, event);
	}
	if (!err && !ended) {
		report_syntax(diag, b->findings);
		err = -EINVAL;
	}
	return err;
}

/* Bytes of the well-formed UTF-8 character at p (RFC 3629 section 4), 0 when there is none. */
static size_t utf8_bytes(const uint8_t *p, size_t left)
{
	size_t n = p[0] < 0x80 ? 1 : p[0] < 0xc2 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
	if (!n || n > left || p[0] > 0xf4)
		return 0;
	for (size_t i = 1; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	}
	bool overlong = (p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xf0 && p[1] < 0x90);
	bool outside = (p[0] == 0xed && p[1] > 0x9f) || (p[0] == 0xf4 && p[1] > 0x8f);
	return overlong || outside ? 0 : n;
}

/* YAML is UTF-8 without control characters; the library does not end on an unfinished character. */
static int check_characters(const char *text, size_t len, struct config_findings *findings)
{
	struct model_place at = {1, 1};
	for (size_t i = 0; i < len;) {
		const uint8_t *p = (const uint8_t *)text + i;
		size_t n = utf8_bytes(p, len - i);
		if (!n || (*p < 0x20 && !strchr("\t\n\r", *p)) || !*p || *p == 0x7f) {
			findings_error(findings, at,
				       "not YAML: expected UTF-8 text, came byte 0x%02x", *p);
			return -EINVAL;
		}
		i += n;
		at.column++;
		if (*p == '\n')
			at = (struct model_place){at.line + 1, 1};
	}
	return 0;
}

static int parse(struct builder *b, const char *text, size_t len)
{
	struct fy_diag *diag = new_diag();
	const struct fy_parse_cfg cfg = {.flags = FYPCF_QUIET | FYPCF_DEFAULT_VERSION_1_2,
					 .diag = diag};
	struct fy_parser *parser = diag ? fy_parser_create(&cfg) : NULL;
	int err = -ENOMEM;
	if (parser && !fy_parser_set_string(parser, text, len))
		err = run(b, parser, diag);
	if (parser)
		fy_parser_destroy(parser);
	if (diag)
		fy_diag_destroy(diag);
	return err;
}

int tree_parse(struct tree *out, const char *text, size_t len, struct config_findings *findings)
{
	struct builder b = {.tree = out, .findings = findings};
	*out = (struct tree){0};
	if (len > TREE_MAX_TEXT) {
		findings_error(findings, (struct model_place){1, 1}, "larger than %u bytes",
			       TREE_MAX_TEXT);
		return -EINVAL;
	}
	int err = check_characters(text, len, findings);
	if (!err && len)
		err = parse(&b, text, len);
	if (!err && (!out->root || tree_is_null(out->root))) {
		findings_error(findings, (struct model_place){1, 1}, "the configuration is empty");
		err = -EINVAL;
	}
	return err;
}
