/* SPDX-License-Identifier: Apache-2.0 */
/* The tables of schema.def, and the check of a configuration's tree against them. */
#include "control/schema_internal.h"

#include "control/import.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static const char *const kind_texts[] = {
#define KIND(id, text) text,
#define PROPERTY(...)
#include "control/schema.def"
#undef KIND
#undef PROPERTY
};

static const char *const kind_ids[] = {
#define KIND(id, text) #id,
#define PROPERTY(...)
#include "control/schema.def"
#undef KIND
#undef PROPERTY
};

static const struct schema_row rows[] = {
#define KIND(id, text)
#define PROPERTY(kind, name, type, detail, count, need, state, fallback, meaning) \
	{K_##kind,	#name,		SCHEMA_##type, detail, SCHEMA_##count,    \
	 SCHEMA_##need, SCHEMA_##state, fallback,      meaning},
#include "control/schema.def"
#undef KIND
#undef PROPERTY
};

const struct schema_row *schema_row(enum schema_property p)
{
	return &rows[p];
}

const char *schema_kind_text(enum schema_kind k)
{
	return kind_texts[k];
}

enum schema_property schema_first(enum schema_kind k, uint32_t *n)
{
	uint32_t first = 0;
	while (first < SCHEMA_PROPERTIES && rows[first].kind != k)
		first++;
	for (*n = 0; first + *n < SCHEMA_PROPERTIES && rows[first + *n].kind == k;)
		(*n)++;
	return (enum schema_property)first;
}

const struct tree_node *schema_value(const struct tree_node *map, enum schema_property p)
{
	if (!map || map->type != TREE_MAP || !map->values)
		return NULL;
	const struct tree_node *v = map->values[p - map->first];
	return v && (v->type != TREE_SCALAR || !v->is_bad) ? v : NULL;
}

struct checker {
	struct tree *tree;
	struct config_findings *findings;
	bool inside_later; /* what holds this is not supported: said once */
};

static bool check_map(struct checker *c, enum schema_kind kind, struct tree_node *map);

static const char *came(const struct tree_node *n, char shown[SHOWN_TEXT + 2])
{
	char text[SHOWN_TEXT];
	if (n->type != TREE_SCALAR)
		return n->type == TREE_LIST ? "a list" : "a mapping";
	if (tree_is_null(n))
		return "nothing";
	snprintf(shown, SHOWN_TEXT + 2, "'%s'", findings_show(n->text, text));
	return shown;
}

static enum schema_kind kind_by_id(const char *id)
{
	enum schema_kind k = 0;
	while (k < SCHEMA_KINDS - 1 && strcmp(kind_ids[k], id) != 0)
		k++;
	return k;
}

/* A value that an import left to be filled in: reported for what it is, nothing else of it. */
static bool is_blank(struct checker *c, const struct schema_row *row, const struct tree_node *n)
{
	const size_t begin = strlen(IMPORT_BLANK_BEGIN), end = strlen(IMPORT_BLANK_END);
	char what[200], expected[EXPECTED_TEXT];
	if (n->type != TREE_SCALAR || strncmp(n->text, IMPORT_BLANK_BEGIN, begin) != 0)
		return false;
	size_t len = strlen(n->text);
	if (strcmp(n->text + len - end, IMPORT_BLANK_END) != 0)
		return false;
	snprintf(what, sizeof what, "%.*s", (int)(len - begin - end), n->text + begin);
	for (char *p = what; *p; p++)
		*p = (unsigned char)*p < 0x20 || (unsigned char)*p > 0x7e ? '?' : *p;
	findings_error(c->findings, n->place, "%s: expected %s, came a blank; fill in: %s",
		       row->name, schema_expected(row, expected), what);
	return true;
}

/* A text, or a mapping with `file` alone. Its text never comes into a message. */
static bool check_secret(struct checker *c, const struct schema_row *row, struct tree_node *n)
{
	static const struct schema_row file = {.name = "file", .type = SCHEMA_PATH, .detail = ""};
	if (is_blank(c, row, n) ||
	    (n->type == TREE_MAP && n->n == 1 && is_blank(c, &file, n->items[0].value)))
		return false;
	const char *wrong = NULL;
	struct model_place at = n->place;
	if (n->type == TREE_LIST)
		wrong = "came a list";
	else if (n->type == TREE_SCALAR)
		wrong = tree_is_null(n) ? "came nothing" : NULL;
	else if (n->n != 1 || strcmp(n->items[0].key->text, "file") != 0)
		wrong = "came a mapping of other properties";
	else if (n->items[0].value->type != TREE_SCALAR ||
		 !schema_text_fits(&file, n->items[0].value)) {
		wrong = "the file is no path";
		at = n->items[0].value->place;
	}
	if (wrong)
		findings_error(c->findings, at, "%s: expected a text or {file: PATH}, %s",
			       row->name, wrong);
	return !wrong;
}

static void refuse_value(struct checker *c, const struct schema_row *row, const struct tree_node *n)
{
	char shown[SHOWN_TEXT + 2], expected[EXPECTED_TEXT], hint[HINT_TEXT], word[HINT_TEXT];
	struct nearest near;
	nearest_init(&near, n->type == TREE_SCALAR ? n->text : "");
	for (unsigned i = 0; row->type == SCHEMA_ENUM && schema_nth_word(row->detail, i, word); i++)
		nearest_offer(&near, word);
	findings_error(c->findings, n->place, "%s: expected %s, came %s%s", row->name,
		       schema_expected(row, expected), came(n, shown), nearest_hint(&near, hint));
}

static bool check_canonical(struct checker *c, const struct schema_row *row,
			    const struct tree_node *n)
{
	struct ip_prefix p, canonical;
	char a[PREFIX_TEXT], b[PREFIX_TEXT];
	if (ip_prefix_parse(&p, n->text) || ip_prefix_is_canonical(&p))
		return true;
	canonical = ip_prefix_canonical(p);
	findings_error(c->findings, n->place,
		       "%s: expected a prefix without host bits, came %s; write %s", row->name,
		       ip_prefix_format(&p, a), ip_prefix_format(&canonical, b));
	return false;
}

static bool check_one(struct checker *c, const struct schema_row *row, struct tree_node *n)
{
	bool later = false;
	if (row->type == SCHEMA_SECRET)
		return check_secret(c, row, n);
	if (is_blank(c, row, n))
		return false;
	if (row->type == SCHEMA_OBJECT && n->type == TREE_MAP)
		return check_map(c, kind_by_id(row->detail), n);
	if (n->type != TREE_SCALAR || tree_is_null(n) || !schema_text_fits(row, n)) {
		refuse_value(c, row, n);
		return false;
	}
	if (row->type == SCHEMA_PREFIX)
		return check_canonical(c, row, n);
	if (row->type == SCHEMA_ENUM && schema_word(row->detail, n->text, &later) >= 0 && later &&
	    !c->inside_later)
		/* taken all the same: its own rules are to be told too */
		findings_error(c->findings, n->place, "%s: %s: not supported yet", row->name,
			       n->text);
	return true;
}

/* What is wrong inside a resource of a list is that resource's, not its owner's. */
static bool check_list(struct checker *c, const struct schema_row *row, struct tree_node *list)
{
	bool good = true;
	for (uint32_t i = 0; i < list->n; i++) {
		struct tree_node *n = list->items[i].value;
		n->is_bad = !check_one(c, row, n);
		good = good && !n->is_bad;
	}
	return good || row->type == SCHEMA_OBJECT;
}

static bool check_value(struct checker *c, const struct schema_row *row, struct tree_node *n)
{
	char shown[SHOWN_TEXT + 2];
	if (row->count != SCHEMA_ONE && n->type == TREE_LIST)
		return check_list(c, row, n);
	if (row->count == SCHEMA_MANY) {
		findings_error(c->findings, n->place, "%s: expected a list, came %s", row->name,
			       row->type == SCHEMA_SECRET ? "none" : came(n, shown));
		return false;
	}
	return check_one(c, row, n);
}

/* Whether a value that is not acted on yet says what stands without it. */
static bool is_inert(const struct schema_row *row, const struct tree_node *n)
{
	if (!strcmp(row->fallback, "[]"))
		return n->type == TREE_LIST && !n->n;
	return *row->fallback && n->type == TREE_SCALAR && !strcasecmp(n->text, row->fallback);
}

static bool is_row_of(enum schema_kind kind, const char *name)
{
	uint32_t n;
	enum schema_property first = schema_first(kind, &n);
	for (uint32_t i = 0; i < n; i++) {
		if (!strcmp(rows[first + i].name, name))
			return true;
	}
	return false;
}

static void find_nearest(enum schema_kind kind, const char *name, struct nearest *out)
{
	uint32_t n;
	enum schema_property first = schema_first(kind, &n);
	nearest_init(out, name);
	for (uint32_t i = 0; i < n; i++)
		nearest_offer(out, rows[first + i].name);
}

static void unknown_property(struct checker *c, enum schema_kind kind, const struct tree_node *key)
{
	char shown[SHOWN_TEXT], hint[HINT_TEXT];
	struct nearest near;
	find_nearest(kind, key->text, &near);
	findings_error(c->findings, key->place, "%s: unknown property of this %s%s",
		       findings_show(key->text, shown), kind_texts[kind],
		       nearest_hint(&near, hint));
}

static bool check_property(struct checker *c, const struct schema_row *row, struct tree_item *item,
			   struct tree_node **slot)
{
	if (*slot) {
		findings_error(c->findings, item->key->place, "%s: given twice, first in line %u",
			       row->name, (*slot)->place.line);
		return false;
	}
	*slot = item->value;
	bool was_inside = c->inside_later;
	if (row->state == SCHEMA_LATER && !was_inside && !is_inert(row, item->value)) {
		findings_error(c->findings, item->key->place, "%s: not supported yet", row->name);
		c->inside_later = true;
	}
	item->value->is_bad = !check_value(c, row, item->value);
	c->inside_later = was_inside;
	return !item->value->is_bad;
}

/* A misspelt property has been reported; that the right one is missing is no second mistake. */
static bool was_misspelt(enum schema_kind kind, const struct tree_node *map, const char *name)
{
	struct nearest near;
	for (uint32_t i = 0; i < map->n; i++) {
		if (is_row_of(kind, map->items[i].key->text))
			continue;
		find_nearest(kind, map->items[i].key->text, &near);
		if (!strcmp(near.name, name))
			return true;
	}
	return false;
}

static bool check_required(struct checker *c, enum schema_kind kind, const struct tree_node *map)
{
	uint32_t n;
	bool good = true;
	enum schema_property first = schema_first(kind, &n);
	for (uint32_t i = 0; i < n; i++) {
		if (rows[first + i].need != SCHEMA_REQUIRED || map->values[i])
			continue;
		good = false;
		if (!was_misspelt(kind, map, rows[first + i].name))
			findings_error(c->findings, map->place, "%s: missing in this %s",
				       rows[first + i].name, kind_texts[kind]);
	}
	return good;
}

static bool check_map(struct checker *c, enum schema_kind kind, struct tree_node *map)
{
	uint32_t n;
	bool good = true;
	enum schema_property first = schema_first(kind, &n);
	map->values = tree_alloc(c->tree, n * sizeof *map->values);
	map->first = first;
	if (!map->values)
		return false;
	for (uint32_t i = 0; i < map->n; i++) {
		struct tree_item *item = &map->items[i];
		uint32_t k = 0;
		while (k < n && strcmp(rows[first + k].name, item->key->text) != 0)
			k++;
		if (k < n) {
			good &= check_property(c, &rows[first + k], item, &map->values[k]);
		} else {
			unknown_property(c, kind, item->key);
			good = false;
		}
	}
	return check_required(c, kind, map) && good;
}

int schema_check(struct tree *t, struct config_findings *findings)
{
	struct checker c = {.tree = t, .findings = findings};
	char shown[SHOWN_TEXT + 2];
	if (t->root->type != TREE_MAP) {
		findings_error(findings, t->root->place,
			       "expected a mapping with host, virtualNetworks, ..., came %s",
			       came(t->root, shown));
		t->root->is_bad = true;
		return 0;
	}
	t->root->is_bad = !check_map(&c, K_configuration, t->root);
	return t->no_memory ? -ENOMEM : 0;
}

void schema_check_item(struct tree *t, enum schema_property list, struct tree_node *item,
		       struct config_findings *findings)
{
	struct checker c = {.tree = t, .findings = findings};
	item->is_bad = !check_one(&c, &rows[list], item);
}
