/* SPDX-License-Identifier: Apache-2.0 */
/* Getters over a checked tree, and references by name. */
#include "control/read_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const struct tree_node *scalar(const struct tree_node *map, enum schema_property p)
{
	const struct tree_node *v = schema_value(map, p);
	return v && v->type == TREE_SCALAR ? v : NULL;
}

const char *read_text(const struct tree_node *map, enum schema_property p)
{
	const struct tree_node *v = scalar(map, p);
	const char *fallback = schema_row(p)->fallback;
	return v ? v->text : *fallback ? fallback : NULL;
}

uint32_t read_number(const struct tree_node *map, enum schema_property p)
{
	const char *text = read_text(map, p);
	uint32_t v;
	return text && schema_number(text, &v) ? v : 0;
}

bool read_boolean(const struct tree_node *map, enum schema_property p)
{
	const char *text = read_text(map, p);
	return text && !strcasecmp(text, "true");
}

int read_choice(const struct tree_node *map, enum schema_property p)
{
	const char *text = read_text(map, p);
	int i = text ? schema_word(schema_row(p)->detail, text, NULL) : 0;
	return i < 0 ? 0 : i;
}

struct ip_addr read_address(const struct tree_node *map, enum schema_property p)
{
	const char *text = read_text(map, p);
	struct ip_addr a = {0};
	if (!text || ip_addr_parse(&a, text))
		return (struct ip_addr){0};
	return a;
}

struct model_place read_place(const struct tree_node *map, enum schema_property p)
{
	const struct tree_node *v = schema_value(map, p);
	return v ? v->place : map->place;
}

uint32_t read_length(const struct tree_node *map, enum schema_property p)
{
	const struct tree_node *v = schema_value(map, p);
	return v && v->type == TREE_LIST ? v->n : 0;
}

const struct tree_node *read_item(const struct tree_node *map, enum schema_property p, uint32_t i)
{
	return schema_value(map, p)->items[i].value;
}

char *read_copy(struct read *r, const char *text)
{
	char *copy = strdup(text ? text : "");
	if (!copy)
		r->no_memory = true;
	return copy;
}

void *read_array(struct read *r, uint32_t n, size_t size)
{
	void *p = n ? calloc(n, size) : NULL;
	if (n && !p)
		r->no_memory = true;
	return p;
}

uint32_t read_prefixes(struct read *r, const struct tree_node *map, enum schema_property p,
		       struct ip_prefix **out, struct model_place **places)
{
	uint32_t n = read_length(map, p), kept = 0;
	*out = read_array(r, n, sizeof **out);
	*places = read_array(r, n, sizeof **places);
	if (!*out || !*places)
		return 0;
	for (uint32_t i = 0; i < n; i++) {
		const struct tree_node *v = read_item(map, p, i);
		if (v->is_bad || v->type != TREE_SCALAR || ip_prefix_parse(&(*out)[kept], v->text))
			continue;
		(*places)[kept++] = v->place;
	}
	return kept;
}

static int by_name(const void *a, const void *b)
{
	const struct read_name *x = a, *y = b;
	int c = strcmp(x->name, y->name);
	return c ? c : x->index < y->index ? -1 : x->index > y->index;
}

int read_index_names(struct read *r, enum schema_property list, enum schema_property name,
		     uint32_t base, struct read_names *out)
{
	const struct tree_node *owner = r->tree->root;
	if (schema_row(list)->kind == K_host)
		owner = schema_value(owner, P_configuration_host);
	uint32_t n = read_length(owner, list);
	out->n = 0;
	out->at = tree_alloc(r->tree, n * sizeof *out->at);
	if (!out->at)
		return -ENOMEM;
	for (uint32_t i = 0; i < n; i++) {
		const char *text = read_text(read_item(owner, list, i), name);
		if (text)
			out->at[out->n++] = (struct read_name){text, base + i};
	}
	qsort(out->at, out->n, sizeof *out->at, by_name);
	return 0;
}

uint32_t read_find(const struct read_names *names, const char *name)
{
	uint32_t low = 0, high = names->n;
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		if (strcmp(names->at[middle].name, name) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low < names->n && !strcmp(names->at[low].name, name) ? names->at[low].index
								    : MODEL_NONE;
}

/* Beyond this many names, a hint would cost more than it helps. */
#define HINT_NAMES 4096u

uint32_t read_reference(struct read *r, const struct tree_node *map, enum schema_property p,
			const struct read_names *names, const char *kind)
{
	const char *text = read_text(map, p);
	char shown[SHOWN_TEXT], hint[HINT_TEXT];
	struct nearest near;
	if (!text)
		return MODEL_NONE;
	uint32_t found = read_find(names, text);
	if (found != MODEL_NONE)
		return found;
	nearest_init(&near, text);
	for (uint32_t i = 0; i < names->n && i < HINT_NAMES; i++)
		nearest_offer(&near, names->at[i].name);
	findings_error(r->findings, read_place(map, p), "%s: no %s has the name '%s'%s",
		       schema_row(p)->name, kind, findings_show(text, shown),
		       nearest_hint(&near, hint));
	return MODEL_NONE;
}
