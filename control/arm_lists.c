/* SPDX-License-Identifier: Apache-2.0 */
/* Functions of templates over lists and objects. */
#include "control/arm_internal.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Lists one behind the other, or texts. */
static json_t *f_concat(const struct arm_call *c)
{
	struct import_text out = {0};
	json_t *list = json_is_array(c->args[0]) ? json_array() : NULL;
	for (unsigned i = 0; i < c->n; i++) {
		if (list ? json_array_extend(list, c->args[i]) != 0
			 : !arm_put_text(c->e, &out, c->args[i])) {
			if (list)
				arm_fail(c->e, "%s: expected lists alone, or texts alone", c->name);
			json_decref(list);
			break;
		}
		if (list && !import_spend(c->e->im, 8 * json_array_size(list))) {
			json_decref(list);
			return NULL;
		}
	}
	if (json_is_array(c->args[0]))
		return c->e->im->err ? NULL : list;
	return arm_text_result(c->e, &out);
}

static json_t *f_create_array(const struct arm_call *c)
{
	json_t *list = json_array();
	for (unsigned i = 0; i < c->n; i++)
		json_array_append(list, c->args[i]);
	return list;
}

static json_t *f_array(const struct arm_call *c)
{
	return json_is_array(c->args[0]) ? json_incref(c->args[0]) : f_create_array(c);
}

static json_t *f_create_object(const struct arm_call *c)
{
	json_t *object = json_object();
	for (unsigned i = 0; i + 1 < c->n; i += 2) {
		const char *name;
		if (!arm_text(c, i, &name)) {
			json_decref(object);
			return NULL;
		}
		json_object_set(object, name, c->args[i + 1]);
	}
	return object;
}

static bool holds(const struct arm_call *c, const json_t *list, const json_t *v)
{
	size_t i;
	json_t *x;
	size_t weight = arm_weigh(c->e, v);
	if (!weight || !import_spend(c->e->im, weight * json_array_size(list)))
		return true;
	json_array_foreach((json_t *)(uintptr_t)list, i, x)
	{
		if (json_equal(x, v))
			return true;
	}
	return false;
}

static bool all_are(const struct arm_call *c, json_type type)
{
	for (unsigned i = 0; i < c->n; i++) {
		if (json_typeof(c->args[i]) == type)
			continue;
		arm_fail(c->e, "%s: expected lists alone, or objects alone", c->name);
		return false;
	}
	return true;
}

/* Objects are joined at every level, as Azure does. */
static int join_objects(const struct arm_call *c, json_t *into, const json_t *from, unsigned depth)
{
	const char *key;
	json_t *v;
	json_object_foreach((json_t *)(uintptr_t)from, key, v)
	{
		json_t *there = json_object_get(into, key);
		if (!import_spend(c->e->im, 8))
			return -1;
		if (json_is_object(there) && json_is_object(v) && depth < IMPORT_MAX_DEPTH) {
			json_t *joined = json_copy(there);
			if (!joined || join_objects(c, joined, v, depth + 1) ||
			    json_object_set(into, key, joined)) {
				json_decref(joined);
				return -1;
			}
			json_decref(joined);
		} else if (json_object_set(into, key, v)) {
			return -1;
		}
	}
	return 0;
}

static json_t *f_union(const struct arm_call *c)
{
	json_type type = json_typeof(c->args[0]);
	size_t k;
	json_t *v, *out;
	for (unsigned i = 0; i < c->n; i++) {
		if (import_is_blank(c->e->im, c->args[i]))
			return json_incref(c->args[i]);
	}
	if (type != JSON_ARRAY && type != JSON_OBJECT)
		return arm_fail(c->e, "%s: expected lists or objects", c->name);
	if (!all_are(c, type))
		return NULL;
	out = type == JSON_ARRAY ? json_array() : json_object();
	for (unsigned i = 0; i < c->n && out && !c->e->im->err; i++) {
		if (type == JSON_OBJECT)
			join_objects(c, out, c->args[i], 0);
		json_array_foreach(c->args[i], k, v)
		{
			if (!holds(c, out, v))
				json_array_append(out, v);
		}
	}
	if (!c->e->im->err)
		return out;
	json_decref(out);
	return NULL;
}

static json_t *f_intersection(const struct arm_call *c)
{
	json_type type = json_typeof(c->args[0]);
	size_t k;
	json_t *v, *out;
	if (type != JSON_ARRAY)
		return arm_fail(c->e, "%s: expected lists", c->name);
	if (!all_are(c, type))
		return NULL;
	out = json_array();
	json_array_foreach(c->args[0], k, v)
	{
		bool in_all = !holds(c, out, v);
		for (unsigned i = 1; i < c->n; i++)
			in_all = in_all && holds(c, c->args[i], v);
		if (in_all)
			json_array_append(out, v);
	}
	return out;
}

static json_t *f_length(const struct arm_call *c)
{
	const json_t *v = c->args[0];
	if (json_is_string(v))
		return json_integer((json_int_t)json_string_length(v));
	if (json_is_array(v))
		return json_integer((json_int_t)json_array_size(v));
	if (json_is_object(v))
		return json_integer((json_int_t)json_object_size(v));
	return arm_fail(c->e, "%s: expected a text, a list or an object", c->name);
}

static json_t *f_empty(const struct arm_call *c)
{
	const json_t *v = c->args[0];
	return json_boolean(json_is_null(v) || (json_is_string(v) && !json_string_length(v)) ||
			    (json_is_array(v) && !json_array_size(v)) ||
			    (json_is_object(v) && !json_object_size(v)));
}

static json_t *part(const struct arm_call *c, size_t from, size_t n)
{
	struct import_text out = {0};
	if (json_is_string(c->args[0])) {
		import_text_add(&out, json_string_value(c->args[0]) + from, n);
		return arm_text_result(c->e, &out);
	}
	json_t *list = json_array();
	for (size_t i = 0; i < n; i++)
		json_array_append(list, json_array_get(c->args[0], from + i));
	return list;
}

static bool sized(const struct arm_call *c, size_t *n)
{
	*n = json_is_string(c->args[0]) ? json_string_length(c->args[0])
					: json_array_size(c->args[0]);
	if (json_is_string(c->args[0]) || json_is_array(c->args[0]))
		return import_spend(c->e->im, *n);
	arm_fail(c->e, "%s: expected a text or a list", c->name);
	return false;
}

static json_t *end(const struct arm_call *c, bool last)
{
	size_t n;
	if (!sized(c, &n))
		return NULL;
	if (json_is_string(c->args[0]))
		return part(c, last && n ? n - 1 : 0, n ? 1 : 0);
	return n ? json_incref(json_array_get(c->args[0], last ? n - 1 : 0))
		 : arm_fail(c->e, "%s: the list is empty", c->name);
}

static json_t *f_first(const struct arm_call *c)
{
	return end(c, false);
}

static json_t *f_last(const struct arm_call *c)
{
	return end(c, true);
}

static bool sized_part(const struct arm_call *c, size_t *n, size_t *k)
{
	json_int_t wanted;
	if (!sized(c, n) || !arm_number(c, 1, &wanted))
		return false;
	*k = wanted < 0 ? 0 : (size_t)wanted > *n ? *n : (size_t)wanted;
	return true;
}

static json_t *f_skip(const struct arm_call *c)
{
	size_t n, k;
	return sized_part(c, &n, &k) ? part(c, k, n - k) : NULL;
}

static json_t *f_take(const struct arm_call *c)
{
	size_t n, k;
	return sized_part(c, &n, &k) ? part(c, 0, k) : NULL;
}

/* One of the separators, which are a text or a list of texts, at p; its length. */
static size_t separator(const json_t *separators, const char *p)
{
	const char *text = json_string_value(separators);
	size_t i, n;
	json_t *one;
	if (text)
		return *text && !strncmp(p, text, strlen(text)) ? strlen(text) : 0;
	json_array_foreach((json_t *)(uintptr_t)separators, i, one)
	{
		if (json_is_string(one) && (n = separator(one, p)))
			return n;
	}
	return 0;
}

static json_t *f_split(const struct arm_call *c)
{
	const char *text, *p;
	json_t *list = json_array();
	if (!arm_text(c, 0, &text) ||
	    !import_spend(c->e->im, strlen(text) * (1 + json_array_size(c->args[1])))) {
		json_decref(list);
		return NULL;
	}
	for (p = text; *p;) {
		size_t n = separator(c->args[1], p);
		if (n) {
			json_array_append_new(list, json_stringn(text, (size_t)(p - text)));
			text = p + n;
		}
		p += n ? n : 1;
	}
	json_array_append_new(list, json_string(text));
	return list;
}

static json_t *f_join(const struct arm_call *c)
{
	const char *between;
	struct import_text out = {0};
	size_t i;
	json_t *v;
	if (!json_is_array(c->args[0]))
		return arm_fail(c->e, "%s: expected a list", c->name);
	if (!arm_text(c, 1, &between))
		return NULL;
	json_array_foreach(c->args[0], i, v)
	{
		if (i)
			import_text_put(&out, between);
		arm_put_text(c->e, &out, v);
	}
	return arm_text_result(c->e, &out);
}

static json_t *f_range(const struct arm_call *c)
{
	json_int_t from, n;
	if (!arm_number(c, 0, &from) || !arm_number(c, 1, &n))
		return NULL;
	if (n < 0 || n > (json_int_t)IMPORT_MAX_RANGE || from > INT32_MAX || from < INT32_MIN)
		return arm_fail(c->e, "%s: expected at most %u numbers of 32 bits", c->name,
				IMPORT_MAX_RANGE);
	json_t *list = import_spend(c->e->im, (size_t)n * 8) ? json_array() : NULL;
	for (json_int_t i = 0; i < n; i++)
		json_array_append_new(list, json_integer(from + i));
	return list;
}

/* min and max, of numbers or of one list of them */
static json_t *extreme(const struct arm_call *c, bool largest)
{
	json_int_t v, best = 0;
	struct arm_call list = *c;
	if (c->n == 1 && json_is_array(c->args[0])) {
		json_t *one;
		list.args = &one;
		for (size_t i = 0; i < json_array_size(c->args[0]); i++) {
			one = json_array_get(c->args[0], i);
			if (!arm_number(&list, 0, &v))
				return NULL;
			best = !i || (largest ? v > best : v < best) ? v : best;
		}
		return json_integer(best);
	}
	for (unsigned i = 0; i < c->n; i++) {
		if (!arm_number(c, i, &v))
			return NULL;
		best = !i || (largest ? v > best : v < best) ? v : best;
	}
	return json_integer(best);
}

static json_t *f_min(const struct arm_call *c)
{
	return extreme(c, false);
}

static json_t *f_max(const struct arm_call *c)
{
	return extreme(c, true);
}

static json_t *f_contains(const struct arm_call *c)
{
	const json_t *in = c->args[0];
	const char *part = json_string_value(c->args[1]);
	if (json_is_string(in) && part)
		return json_boolean(strstr(json_string_value(in), part) != NULL);
	if (json_is_object(in) && part)
		return json_boolean(import_get(in, part) != NULL);
	if (json_is_array(in))
		return json_boolean(holds(c, in, c->args[1]));
	return arm_fail(c->e, "%s: expected a list, an object or a text", c->name);
}

static json_t *f_coalesce(const struct arm_call *c)
{
	for (unsigned i = 0; i < c->n; i++) {
		if (!json_is_null(c->args[i]))
			return json_incref(c->args[i]);
	}
	return json_null();
}

static json_t *f_json(const struct arm_call *c)
{
	const char *text;
	json_error_t error;
	if (!arm_text(c, 0, &text) || !import_spend(c->e->im, 16 * strlen(text)))
		return NULL;
	json_t *v = json_loads(text, JSON_DECODE_ANY, &error);
	/* 'null' in single quotes and the like: a text is what is left */
	return v ? v : arm_fail(c->e, "%s: not JSON: %s", c->name, error.text);
}

/* items(object): [{key, value}, …]; objectKeys(object) */
static json_t *members(const struct arm_call *c, bool keys_only)
{
	const char *key;
	json_t *v;
	if (!json_is_object(c->args[0]))
		return arm_fail(c->e, "%s: expected an object", c->name);
	json_t *list = json_array();
	json_object_foreach(c->args[0], key, v)
	{
		if (import_spend(c->e->im, 32))
			json_array_append_new(
				list, keys_only ? json_string(key)
						: json_pack("{s:s,s:O}", "key", key, "value", v));
	}
	return list;
}

static json_t *f_items(const struct arm_call *c)
{
	return members(c, false);
}

static json_t *f_object_keys(const struct arm_call *c)
{
	return members(c, true);
}

static json_t *f_flatten(const struct arm_call *c)
{
	size_t i;
	json_t *v, *list = json_array();
	json_array_foreach(c->args[0], i, v)
	{
		if (!import_spend(c->e->im, 8 + 8 * json_array_size(v)))
			break;
		if (json_is_array(v))
			json_array_extend(list, v);
		else
			json_array_append(list, v);
	}
	return list;
}

/* tryGet(value, key or index, …) */
static json_t *f_try_get(const struct arm_call *c)
{
	json_t *at = json_incref(c->args[0]);
	for (unsigned i = 1; i < c->n && at; i++) {
		json_t *next =
			json_is_null(at) ? json_null() : arm_element(c->e, at, c->args[i], true);
		json_decref(at);
		at = next;
	}
	return at;
}

const struct arm_function arm_list_functions[] = {
	{"concat", 1, 1000, true, f_concat},
	{"createArray", 0, 1000, true, f_create_array},
	{"array", 1, 1, true, f_array},
	{"createObject", 0, 1000, true, f_create_object},
	{"union", 1, 1000, true, f_union},
	{"intersection", 1, 1000, false, f_intersection},
	{"length", 1, 1, false, f_length},
	{"empty", 1, 1, false, f_empty},
	{"first", 1, 1, false, f_first},
	{"last", 1, 1, false, f_last},
	{"skip", 2, 2, false, f_skip},
	{"take", 2, 2, false, f_take},
	{"split", 2, 2, false, f_split},
	{"join", 2, 2, false, f_join},
	{"range", 2, 2, false, f_range},
	{"min", 1, 1000, false, f_min},
	{"max", 1, 1000, false, f_max},
	{"contains", 2, 2, false, f_contains},
	{"coalesce", 1, 1000, true, f_coalesce},
	{"json", 1, 1, false, f_json},
	{"items", 1, 1, false, f_items},
	{"objectKeys", 1, 1, false, f_object_keys},
	{"flatten", 1, 1, false, f_flatten},
	{"tryGet", 2, 1000, false, f_try_get},
	{0},
};
