/* SPDX-License-Identifier: Apache-2.0 */
/* Which items of a text are not those of the text before, and their trees. */
#include "control/former_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum schema_property former_property(enum former_list_id id)
{
	static const enum schema_property properties[FORMER_LISTS] = {
		[FORMER_TABLES] = P_configuration_routeTables,
		[FORMER_VNETS] = P_configuration_virtualNetworks,
		[FORMER_GATEWAYS] = P_configuration_virtualNetworkGateways,
		[FORMER_SITES] = P_configuration_localNetworkGateways,
		[FORMER_REMOTES] = P_configuration_remoteGateways,
		[FORMER_CONNECTIONS] = P_configuration_connections};
	return properties[id];
}

/* ---- where the items of a whole text are ---- */

/* Where lines begin; a text without line breaks at its end has one more. */
struct lines {
	size_t *at;
	size_t n;
};

static bool find_lines(struct lines *l, const char *text, size_t len)
{
	size_t n = 1;
	for (const char *p = text; (p = memchr(p, '\n', len - (size_t)(p - text))); p++)
		n++;
	l->at = reallocarray(NULL, n, sizeof *l->at);
	l->n = 0;
	if (!l->at)
		return false;
	l->at[l->n++] = 0;
	for (const char *p = text; (p = memchr(p, '\n', len - (size_t)(p - text))); p++)
		l->at[l->n++] = (size_t)(p - text) + 1;
	return true;
}

/* Bytes in front of the dash of a block item whose value begins in the same line; -1: it is not. */
static int dash_of(const char *text, size_t len, const struct lines *l, const struct tree_node *n)
{
	if (n->type != TREE_MAP || !n->place.line || n->place.line > l->n || n->place.column < 3)
		return -1;
	size_t at = l->at[n->place.line - 1], behind = at + n->place.column - 1, dash = at;
	while (dash < len && text[dash] == ' ')
		dash++;
	if (behind >= len || dash + 1 >= behind || text[dash] != '-')
		return -1;
	for (size_t i = dash + 1; i < behind; i++) {
		if (text[i] != ' ')
			return -1;
	}
	return (int)(dash - at);
}

static void free_list(struct former_list *l)
{
	free(l->at);
	free(l->line);
	*l = (struct former_list){0};
}

static bool new_list(struct former_list *l, uint32_t n)
{
	l->at = reallocarray(NULL, n + 1u, sizeof *l->at);
	l->line = reallocarray(NULL, n + 1u, sizeof *l->line);
	l->n = n;
	return l->at && l->line;
}

/* The items of a list node as lines; false: it has another style, or there is no memory. */
static bool find_items(struct former_list *out, struct tree_node *const *items, uint32_t n,
		       const char *text, size_t len, const struct lines *l)
{
	if (!n || !new_list(out, n))
		return false;
	for (uint32_t i = 0; i < n; i++) {
		int dash = dash_of(text, len, l, items[i]);
		if (dash < 0 || (i && (uint32_t)dash != out->dash))
			return false;
		out->dash = (uint32_t)dash;
		out->line[i] = items[i]->place.line;
		out->at[i] = l->at[out->line[i] - 1];
		if (i && out->line[i] <= out->line[i - 1])
			return false;
	}
	return true;
}

/* Up to the next property of the configuration. */
static bool find_end(struct former_list *out, const struct tree_node *root, uint32_t of, size_t len,
		     const struct lines *l)
{
	out->at[out->n] = len;
	out->line[out->n] = (uint32_t)l->n; /* an empty one */
	if (of + 1 == root->n)
		return true;
	const struct model_place at = root->items[of + 1].key->place;
	if (at.column != 1 || at.line > l->n || at.line <= out->line[out->n - 1])
		return false;
	out->line[out->n] = at.line;
	out->at[out->n] = l->at[at.line - 1];
	return true;
}

static bool find_list(struct former_list *out, const struct tree_node *root, uint32_t of,
		      const char *text, size_t len, const struct lines *l)
{
	const struct tree_node *list = root->items[of].value;
	struct tree_node **items = reallocarray(NULL, list->n + 1u, sizeof *items);
	for (uint32_t i = 0; items && i < list->n; i++)
		items[i] = list->items[i].value;
	bool good = items && find_items(out, items, list->n, text, len, l) &&
		    find_end(out, root, of, len, l);
	free(items);
	if (!good)
		free_list(out);
	return good;
}

/* Line breaks of other kinds, and what changes the meaning of text far away. */
static bool is_plain(const struct config_former *f, const struct tree *t)
{
	return !t->anchors && t->root->type == TREE_MAP && f->len && f->text[f->len - 1] == '\n' &&
	       *f->text != '%' && !memmem(f->text, f->len, "\n%", 2) &&
	       !memchr(f->text, '\r', f->len);
}

static bool index_lists(struct config_former *f, const struct tree *t)
{
	struct lines l;
	bool any = false;
	if (!is_plain(f, t) || !find_lines(&l, f->text, f->len))
		return false;
	for (uint32_t i = 0; i < t->root->n; i++) {
		const struct tree_item *item = &t->root->items[i];
		for (unsigned id = 0; id < FORMER_LISTS; id++) {
			const char *name = schema_row(former_property(id))->name;
			if (item->value->type == TREE_LIST && !strcmp(item->key->text, name))
				any |= find_list(&f->lists[id], t->root, i, f->text, f->len, &l);
		}
	}
	free(l.at);
	return any;
}

struct config_former *former_new(char *text, size_t len, const struct tree *t)
{
	struct config_former *f = calloc(1, sizeof *f);
	if (!f)
		return NULL;
	f->text = text;
	f->len = len;
	f->nodes = t->nodes;
	if (index_lists(f, t))
		return f;
	f->text = NULL;
	config_former_free(f);
	return NULL;
}

void config_former_free(struct config_former *f)
{
	if (!f)
		return;
	for (unsigned id = 0; id < FORMER_LISTS; id++)
		free_list(&f->lists[id]);
	if (f->text)
		wipe(f->text, f->len);
	free(f->text);
	config_findings_free(&f->told);
	free(f->noisy);
	free(f->changed);
	free(f);
}

/* ---- where two texts differ ---- */

static size_t common_front(const char *a, const char *b, size_t n)
{
	const size_t step = 4096;
	size_t i = 0;
	while (n - i >= step && !memcmp(a + i, b + i, step))
		i += step;
	while (i < n && a[i] == b[i])
		i++;
	return i;
}

/* The pointers are behind the texts. */
static size_t common_end(const char *a, const char *b, size_t n)
{
	const size_t step = 4096;
	size_t i = 0;
	while (n - i >= step && !memcmp(a - i - step, b - i - step, step))
		i += step;
	while (i < n && a[-1 - (ptrdiff_t)i] == b[-1 - (ptrdiff_t)i])
		i++;
	return i;
}

struct cut {
	struct former_change *c;
	const char *text;
	size_t len;
	size_t front, end; /* equal bytes at the beginning and at the end */
	size_t from[FORMER_LISTS], to[FORMER_LISTS]; /* of lists in the new text */
};

/* Where what is from..to of the text before is now; SIZE_MAX: nowhere. */
static size_t find_again(const struct cut *k, size_t from, size_t to, size_t behind)
{
	const struct config_former *was = k->c->was;
	if (to <= k->front)
		return from;
	if (from >= was->len - k->end)
		return from + k->len - was->len;
	const char *p = k->text + behind;
	while ((p = memmem(p, k->len - (size_t)(p - k->text), was->text + from, to - from))) {
		if (p > k->text && p[-1] == '\n')
			return (size_t)(p - k->text);
		p++;
	}
	return SIZE_MAX;
}

/* What stands in front of, between and behind the lists is as it was, in the same order. */
static bool find_list_ends(struct cut *k)
{
	const struct former_change *c = k->c;
	const struct former_list *l = c->was->lists;
	const uint32_t *order = c->order, n = c->n_order;
	if (l[order[0]].at[0] > k->front ||
	    c->was->len - l[order[n - 1]].at[l[order[n - 1]].n] > k->end)
		return false;
	k->from[0] = l[order[0]].at[0];
	for (uint32_t i = 0; i + 1 < n; i++) {
		size_t from = l[order[i]].at[l[order[i]].n], to = l[order[i + 1]].at[0];
		size_t at = find_again(k, from, to, k->from[i]);
		if (at == SIZE_MAX || at < k->from[i])
			return false;
		k->to[i] = at;
		k->from[i + 1] = at + to - from;
	}
	k->to[n - 1] = k->len - (c->was->len - l[order[n - 1]].at[l[order[n - 1]].n]);
	return k->to[n - 1] >= k->from[n - 1];
}

/* The last item that begins in front of an offset, the first one that does not. */
static uint32_t item_behind(const struct former_list *l, size_t at)
{
	uint32_t low = 0, high = l->n;
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		if (l->at[middle] < at)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/*
 * An item begins with its dash and what stands in front of it, after which nothing of the item
 * before goes on. So the first one that is parsed anew holds the byte in front of the difference.
 */
static bool cut_list(const struct cut *k, uint32_t i)
{
	const struct former_list *l = &k->c->was->lists[k->c->order[i]];
	struct former_edit *e = &k->c->edits[k->c->order[i]];
	const char *was = k->c->was->text + l->at[0], *now = k->text + k->from[i];
	size_t n = l->at[l->n] - l->at[0], m = k->to[i] - k->from[i], least = n < m ? n : m;
	size_t front = common_front(was, now, least);
	if (front == n && n == m)
		return true;
	size_t end = common_end(was + n, now + m, least - front);
	e->changed = true;
	e->first = item_behind(l, l->at[0] + front);
	e->first -= e->first > 0;
	e->behind = item_behind(l, l->at[l->n] - end);
	e->text = now + (l->at[e->first] - l->at[0]);
	e->len = (size_t)(now + m - (l->at[l->n] - l->at[e->behind]) - e->text);
	return true;
}

static void order_lists(struct former_change *c)
{
	const struct former_list *l = c->was->lists;
	for (uint32_t id = 0; id < FORMER_LISTS; id++) {
		c->edits[id].first = c->edits[id].behind = l[id].n;
		if (!l[id].n)
			continue;
		uint32_t i = c->n_order++;
		for (; i > 0 && l[c->order[i - 1]].at[0] > l[id].at[0]; i--)
			c->order[i] = c->order[i - 1];
		c->order[i] = id;
	}
}

static bool find_edits(struct former_change *c, const char *text, size_t len)
{
	struct cut k = {.c = c, .text = text, .len = len};
	size_t least = len < c->was->len ? len : c->was->len;
	k.front = common_front(c->was->text, text, least);
	k.end = common_end(c->was->text + c->was->len, text + len, least - k.front);
	order_lists(c);
	if (!find_list_ends(&k))
		return false;
	for (uint32_t i = 0; i < c->n_order; i++) {
		if (!cut_list(&k, i))
			return false;
	}
	return true;
}

/* ---- the new items ---- */

#define LEAST_TEXT 256u

/*
 * As a text of its own: the property, an item of ours, what is to be parsed, an item of ours. With
 * both of these found again, what is between them begins and ends where items do.
 */
static char *frame(const struct former_list *l, const struct former_edit *e, const char *name,
		   size_t *len)
{
	size_t room = e->len + l->dash * 2u + strlen(name) + 64;
	char *text = malloc(room < LEAST_TEXT ? LEAST_TEXT : room);
	if (!text)
		return NULL;
	int n = sprintf(text, "%s:\n", name);
	if (e->first)
		n += sprintf(text + n, "%*s- \"\"\n", (int)l->dash, "");
	memcpy(text + n, e->text, e->len);
	n += (int)e->len;
	n += sprintf(text + n, "%*s- \"\"\n", (int)l->dash, "");
	*len = (size_t)n;
	return text;
}

static bool is_ours(const struct tree_node *n)
{
	return n->type == TREE_SCALAR && !n->is_plain && !*n->text;
}

static bool begins_item(const struct former_list *l, const struct former_edit *e)
{
	if (e->len < l->dash + 2u || e->text[l->dash] != '-' || e->text[l->dash + 1] != ' ')
		return false;
	for (uint32_t i = 0; i < l->dash; i++) {
		if (e->text[i] != ' ')
			return false;
	}
	return e->text[e->len - 1] == '\n';
}

static void move_tree(struct tree_node *n, int64_t lines)
{
	n->place.line = (uint32_t)((int64_t)n->place.line + lines);
	for (uint32_t i = 0; i < n->n; i++) {
		if (n->items[i].key)
			n->items[i].key->place.line =
				(uint32_t)((int64_t)n->items[i].key->place.line + lines);
		move_tree(n->items[i].value, lines);
	}
}

/* The items between ours, and where they are in `text`; out->at and line are of this text. */
static bool take_items(struct former_edit *e, struct former_list *out, uint32_t dash,
		       const char *text, size_t len)
{
	struct tree_node *root = e->tree.root;
	struct lines l;
	if (e->tree.anchors || root->type != TREE_MAP || root->n != 1 ||
	    root->items[0].value->type != TREE_LIST)
		return false;
	struct tree_node *list = root->items[0].value;
	uint32_t front = e->first > 0, ours = front + 1;
	if (list->n <= ours || !is_ours(list->items[list->n - 1].value) ||
	    (front && !is_ours(list->items[0].value)) || !find_lines(&l, text, len))
		return false;
	e->n = list->n - ours;
	e->items = tree_alloc(&e->tree, e->n * sizeof *e->items);
	for (uint32_t i = 0; e->items && i < e->n; i++)
		e->items[i] = list->items[front + i].value;
	bool good = e->items && find_items(out, e->items, e->n, text, len, &l) && out->dash == dash;
	if (good) { /* the last line is empty, in front of it is ours */
		out->line[e->n] = (uint32_t)l.n - 1;
		out->at[e->n] = l.at[l.n - 2];
	}
	free(l.at);
	return good;
}

static int parse_edit(struct former_edit *e, const struct former_list *l, const char *name,
		      struct former_list *out)
{
	struct config_findings findings = {0};
	size_t len = 0;
	if (!e->len)
		return 0;
	if (!begins_item(l, e) || memchr(e->text, '\r', e->len))
		return -EAGAIN;
	char *text = frame(l, e, name, &len);
	int err = text ? tree_parse(&e->tree, text, len, &findings) : -ENOMEM;
	if (!err && !take_items(e, out, l->dash, text, len))
		err = -EAGAIN;
	config_findings_free(&findings);
	if (text)
		wipe(text, len);
	free(text);
	return err == -EINVAL ? -EAGAIN : err;
}

static void append(struct former_list *to, uint32_t *n, const struct former_list *from,
		   uint32_t first, uint32_t behind, int64_t bytes, int64_t lines)
{
	for (uint32_t i = first; i < behind; i++, ++*n) {
		to->at[*n] = (size_t)((int64_t)from->at[i] + bytes);
		to->line[*n] = (uint32_t)((int64_t)from->line[i] + lines);
	}
}

/* The list as it is in the new text; `bytes` and `lines` are what came in front of it, and after
 * it what came up to there. */
static int place_list(struct former_change *c, uint32_t id, struct former_list *parsed,
		      int64_t *bytes, int64_t *lines)
{
	const struct former_list *was = &c->was->lists[id];
	struct former_list *now = &c->lists[id];
	struct former_edit *e = &c->edits[id];
	uint32_t n = 0, total = was->n - (e->behind - e->first) + e->n;
	if (!total)
		return -EAGAIN;
	if (!new_list(now, total))
		return -ENOMEM;
	now->dash = was->dash;
	append(now, &n, was, 0, e->first, *bytes, *lines);
	if (e->n && parsed->at && parsed->line) {
		int64_t to_bytes = (int64_t)was->at[e->first] + *bytes - (int64_t)parsed->at[0],
			to_lines = (int64_t)was->line[e->first] + *lines - parsed->line[0];
		append(now, &n, parsed, 0, e->n, to_bytes, to_lines);
		for (uint32_t i = 0; i < e->n; i++)
			move_tree(e->items[i], to_lines);
		e->lines = (int64_t)parsed->line[e->n] - parsed->line[0];
	}
	e->lines -= (int64_t)was->line[e->behind] - was->line[e->first];
	*bytes += (int64_t)e->len - (int64_t)(was->at[e->behind] - was->at[e->first]);
	*lines += e->lines;
	append(now, &n, was, e->behind, was->n + 1, *bytes, *lines);
	return 0;
}

int former_find_change(struct former_change *c, const struct config_former *was, const char *text,
		       size_t len)
{
	int64_t bytes = 0, lines = 0;
	*c = (struct former_change){.was = was, .nodes = was->nodes};
	if (len > TREE_MAX_TEXT || !find_edits(c, text, len))
		return -EAGAIN;
	for (uint32_t i = 0; i < c->n_order; i++) {
		uint32_t id = c->order[i];
		struct former_list parsed = {0};
		int err = c->edits[id].changed
				  ? parse_edit(&c->edits[id], &was->lists[id],
					       schema_row(former_property(id))->name, &parsed)
				  : 0;
		if (!err)
			err = place_list(c, id, &parsed, &bytes, &lines);
		free_list(&parsed);
		if (err)
			return err;
		c->nodes += c->edits[id].tree.nodes;
	}
	return c->nodes > TREE_MAX_NODES ? -EAGAIN : 0;
}

void former_change_free(struct former_change *c)
{
	for (unsigned id = 0; id < FORMER_LISTS; id++) {
		tree_free(&c->edits[id].tree);
		free_list(&c->lists[id]);
	}
	free(c->changed);
	free(c->quiet);
}

uint32_t former_line(const struct former_change *c, uint32_t line)
{
	int64_t lines = 0;
	for (uint32_t i = 0; i < c->n_order; i++) {
		const struct former_list *was = &c->was->lists[c->order[i]];
		const struct former_edit *e = &c->edits[c->order[i]];
		if (e->changed && line >= was->line[e->behind])
			lines += e->lines;
	}
	return (uint32_t)((int64_t)line + lines);
}

struct config_former *former_next(struct former_change *c, char *text, size_t len)
{
	struct config_former *f = calloc(1, sizeof *f);
	if (!f)
		return NULL;
	f->text = text;
	f->len = len;
	f->nodes = c->nodes;
	memcpy(f->lists, c->lists, sizeof f->lists);
	memset(c->lists, 0, sizeof c->lists);
	f->changed = c->changed;
	c->changed = NULL;
	return f;
}
