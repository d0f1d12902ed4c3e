/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Expressions of templates: "[concat(parameters('a'), '-', variables('b').c[0])]". Parsed and
 * evaluated in one pass by recursive descent; what `if` does not choose is parsed only.
 *
 *   expression = (text | number | call) { "." name | "[" expression "]" | ".?" … | "[?" … }
 *   call       = [ name "." ] name "(" [ expression { "," expression } ] ")"
 */
#include "control/arm_internal.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define MAX_ARGUMENTS 1000u

struct parser {
	struct arm_eval e;
	const char *text, *end, *p;
	bool dry; /* parse only */
};

json_t *arm_fail(const struct arm_eval *e, const char *format, ...)
{
	char text[320];
	uint32_t line = 1, column = 1;
	va_list ap;
	if (e->im->err)
		return NULL;
	va_start(ap, format);
	vsnprintf(text, sizeof text, format, ap);
	va_end(ap);
	char *plain = import_with_labels(e->im, text);
	const struct import_path *root = e->path;
	while (root && root->up)
		root = root->up;
	if (root && root->source) {
		import_json_place(e->path, e->inside, &line, &column);
		fault_place(e->im->fault, "%s:%u:%u", root->source->name, line, column);
	}
	import_fail(e->im, -EINVAL, "%s", plain ? plain : text);
	free(plain);
	return NULL;
}

static json_t *syntax(struct parser *s, const char *expected)
{
	s->e.inside = (size_t)(s->p - s->text) + 1;
	if (s->p >= s->end)
		return arm_fail(&s->e, "expected %s, came the end of the expression", expected);
	return arm_fail(&s->e, "expected %s, came '%.*s'", expected,
			s->end - s->p > 20 ? 20 : (int)(s->end - s->p), s->p);
}

static void skip_space(struct parser *s)
{
	while (s->p < s->end && isspace((unsigned char)*s->p))
		s->p++;
}

static bool take(struct parser *s, char c)
{
	skip_space(s);
	if (s->p >= s->end || *s->p != c)
		return false;
	s->p++;
	return true;
}

static bool is_name_byte(char c)
{
	return isalnum((unsigned char)c) || c == '_';
}

static size_t name_length(struct parser *s)
{
	size_t n = 0;
	skip_space(s);
	while (s->p + n < s->end && is_name_byte(s->p[n]))
		n++;
	return n;
}

static json_t *expression(struct parser *s);

/* 'it''s' */
static json_t *literal(struct parser *s)
{
	struct import_text out = {0};
	const char *begin = s->p++;
	for (;; s->p++) {
		if (s->p >= s->end) {
			import_text_free(&out);
			s->p = begin;
			return syntax(s, "a text that ends with '");
		}
		if (*s->p == '\'' && !(s->p + 1 < s->end && s->p[1] == '\''))
			break;
		s->p += *s->p == '\'';
		import_text_add(&out, s->p, 1);
	}
	s->p++;
	return arm_text_result(&s->e, &out);
}

static json_t *number(struct parser *s)
{
	char digits[24] = "", *end;
	size_t n = 0;
	if (*s->p == '-' || *s->p == '+')
		digits[n++] = *s->p++;
	while (s->p < s->end && isdigit((unsigned char)*s->p) && n < sizeof digits - 1)
		digits[n++] = *s->p++;
	digits[n] = 0;
	errno = 0;
	long long v = strtoll(digits, &end, 10);
	if (errno || end == digits || (s->p < s->end && isdigit((unsigned char)*s->p)))
		return syntax(s, "a number of 64 bits");
	return json_integer(v);
}

/* ---- calls ---- */

struct arguments {
	json_t **at;
	unsigned n, room;
};

static bool keep(struct parser *s, struct arguments *a, json_t *v)
{
	if (a->n == a->room) {
		unsigned room = a->room ? a->room * 2 : 4;
		json_t **at =
			a->n < MAX_ARGUMENTS ? reallocarray(a->at, room, sizeof(json_t *)) : NULL;
		if (!at) {
			json_decref(v);
			arm_fail(&s->e, "more than %u arguments", MAX_ARGUMENTS);
			return false;
		}
		a->at = at;
		a->room = room;
	}
	a->at[a->n++] = v;
	return true;
}

static void release(struct arguments *a)
{
	for (unsigned i = 0; i < a->n; i++)
		json_decref(a->at[i]);
	free(a->at);
}

/* The condition of `if` decides which of the others is computed; an unknown one: neither. */
static bool is_dry(const struct parser *s, const struct arguments *a, bool is_if)
{
	if (!is_if || !a->n || s->dry)
		return s->dry;
	bool chosen = json_is_true(a->at[0]) || (json_is_string(a->at[0]) &&
						 !strcasecmp(json_string_value(a->at[0]), "true"));
	return import_is_blank(s->e.im, a->at[0]) || (a->n == 1) != chosen;
}

/* From behind "(" to behind ")". */
static bool arguments(struct parser *s, struct arguments *a, bool is_if)
{
	if (take(s, ')'))
		return true;
	do {
		bool was_dry = s->dry;
		s->dry = is_dry(s, a, is_if);
		json_t *v = expression(s);
		s->dry = was_dry;
		if (!v || !keep(s, a, v))
			return false;
	} while (take(s, ','));
	if (take(s, ')'))
		return true;
	syntax(s, "',' or ')'");
	return false;
}

static json_t *user_function(struct parser *s, const char *space, size_t space_len,
			     const char *name, size_t len, const struct arguments *a);

static json_t *invoke(struct parser *s, const char *begin, const char *name, size_t len,
		      const struct arguments *a)
{
	char shown[64];
	const struct arm_function *f = arm_function_find(name, len);
	snprintf(shown, sizeof shown, "%.*s", (int)len, name);
	s->e.inside = (size_t)(begin - s->text) + 1;
	if (!f)
		return arm_fail(&s->e, "%s: there is no such function", shown);
	if (a->n < f->least || a->n > f->most)
		return arm_fail(&s->e, "%s: expected %s%u argument%s, came %u", shown,
				f->least == f->most ? ""
				: a->n < f->least   ? "at least "
						    : "at most ",
				a->n < f->least ? f->least : f->most,
				(a->n < f->least ? f->least : f->most) == 1 ? "" : "s", a->n);
	struct arm_call c = {&s->e, shown, a->at, a->n};
	return arm_call(f, &c);
}

static json_t *call(struct parser *s)
{
	const char *begin = s->p, *space = NULL;
	size_t len = name_length(s), space_len = 0;
	struct arguments a = {0};
	s->p += len;
	if (s->p < s->end && *s->p == '.') { /* a function of the template's own */
		space = begin;
		space_len = len;
		s->p++;
		begin = s->p;
		len = name_length(s);
		s->p += len;
	}
	if (!take(s, '('))
		return syntax(s, "'('");
	bool is_if = !space && len == 2 && !strncasecmp(begin, "if", 2);
	json_t *v = NULL;
	if (arguments(s, &a, is_if)) {
		if (s->dry)
			v = json_null();
		else if (space)
			v = user_function(s, space, space_len, begin, len, &a);
		else
			v = invoke(s, begin, begin, len, &a);
	}
	release(&a);
	return v;
}

static json_t *primary(struct parser *s)
{
	skip_space(s);
	if (s->p >= s->end)
		return syntax(s, "a value");
	if (*s->p == '\'')
		return literal(s);
	if (isdigit((unsigned char)*s->p) || *s->p == '-' || *s->p == '+')
		return number(s);
	if (is_name_byte(*s->p))
		return call(s);
	return syntax(s, "a text, a number or a function");
}

static json_t *member(struct parser *s, json_t *of)
{
	bool safe = s->p < s->end && *s->p == '?' && s->p++;
	size_t len = name_length(s);
	const char *name = s->p;
	json_t *v = NULL;
	s->p += len;
	s->e.inside = (size_t)(name - s->text) + 1;
	if (!len)
		syntax(s, "the name of a property");
	else
		v = s->dry ? json_null() : arm_member(&s->e, of, name, len, safe);
	json_decref(of);
	return v;
}

static json_t *element(struct parser *s, json_t *of)
{
	bool safe = s->p < s->end && *s->p == '?' && s->p++;
	const char *begin = s->p;
	json_t *index = expression(s), *v = NULL;
	s->e.inside = (size_t)(begin - s->text) + 1;
	if (index && !take(s, ']'))
		syntax(s, "']'");
	else if (index)
		v = s->dry ? json_null() : arm_element(&s->e, of, index, safe);
	json_decref(index);
	json_decref(of);
	return v;
}

static json_t *expression(struct parser *s)
{
	if (++s->e.depth > IMPORT_MAX_DEPTH)
		return arm_fail(&s->e, "nested deeper than %u levels", IMPORT_MAX_DEPTH);
	json_t *v = import_spend(s->e.im, 1) ? primary(s) : NULL;
	while (v) {
		if (take(s, '.'))
			v = member(s, v);
		else if (take(s, '['))
			v = element(s, v);
		else
			break;
	}
	s->e.depth--;
	return v;
}

json_t *arm_evaluate_text(const struct arm_eval *e, const char *text)
{
	size_t len = strlen(text);
	if (!import_spend(e->im, len + 1))
		return NULL;
	if (len < 2 || text[0] != '[' || text[len - 1] != ']')
		return json_string(text);
	if (text[1] == '[')
		return json_string(text + 1);
	struct parser s = {.e = *e, .text = text, .end = text + len - 1, .p = text + 1};
	json_t *v = expression(&s);
	skip_space(&s);
	if (v && s.p < s.end) {
		json_decref(v);
		return syntax(&s, "the end of the expression");
	}
	return v;
}

/* ---- members ---- */

/* Of something unknown something is unknown as well. */
static json_t *blank_member(const struct arm_eval *e, const char *of, const char *name, int len)
{
	const struct import_blank *b = import_blank_in(e->im, of);
	char label[160];
	/* copies: the table of blanks moves when it grows */
	char text[200];
	snprintf(label, sizeof label, "%s-%.*s", b->label, len, name);
	snprintf(text, sizeof text, "%.*s of %s", len, name, b->text);
	return import_blank(e->im, label, "%s", text);
}

json_t *arm_member(const struct arm_eval *e, json_t *of, const char *name, size_t len, bool safe)
{
	json_t *v = json_is_object(of) ? import_get_n(of, name, len) : NULL;
	const char *runtime = json_string_value(json_object_get(of, ARM_RUNTIME));
	if (v)
		return json_incref(v);
	if (import_is_blank(e->im, of))
		return blank_member(e, json_string_value(of), name, (int)len);
	if (runtime)
		return blank_member(e, runtime, name, (int)len);
	if (safe)
		return json_null();
	if (!json_is_object(of))
		return arm_fail(e, "%.*s: expected an object with such a property", (int)len, name);
	return arm_fail(e, "%.*s: the object has no such property", (int)len, name);
}

json_t *arm_element(const struct arm_eval *e, json_t *of, json_t *index, bool safe)
{
	if (import_is_blank(e->im, index))
		return json_incref(index);
	if (import_is_blank(e->im, of) && !json_is_string(index))
		return json_incref(of);
	if (json_is_string(index))
		return arm_member(e, of, json_string_value(index), json_string_length(index), safe);
	if (!json_is_array(of) || !json_is_integer(index))
		return arm_fail(e, "expected an array and a number, or an object and a name");
	json_int_t i = json_integer_value(index);
	json_t *v = i >= 0 ? json_array_get(of, (size_t)i) : NULL;
	if (v || safe)
		return v ? json_incref(v) : json_null();
	return arm_fail(e, "%lld: the array has %zu elements", (long long)i, json_array_size(of));
}

/* ---- values ---- */

/* [{name, count, input}, …] -> a member for each, an array of as many values. */
static json_t *copy_loop(const struct arm_eval *e, const json_t *loop, const char *name)
{
	struct import_path at = {.up = e->path, .key = "count"};
	struct arm_eval inner = *e;
	inner.path = &at;
	json_t *given = import_get(loop, "count"), *input = import_get(loop, "input");
	json_t *count = given ? arm_evaluate(&inner, given) : NULL;
	json_t *out = json_array();
	if (!count || !input || !out) {
		arm_fail(e, "copy: expected name, count and input");
		goto fail;
	}
	json_int_t n = import_is_blank(e->im, count) ? 1 : json_integer_value(count);
	if (n < 0 || n > IMPORT_MAX_COPIES) {
		arm_fail(e, "count: expected 0 to %u", IMPORT_MAX_COPIES);
		goto fail;
	}
	struct arm_copy round = {e->copies, name, 0};
	at.key = "input";
	inner.copies = &round;
	for (; round.index < n; round.index++) {
		json_t *v = arm_evaluate(&inner, input);
		if (!v || json_array_append_new(out, v))
			goto fail;
	}
	json_decref(count);
	return out;
fail:
	json_decref(count);
	json_decref(out);
	return NULL;
}

static bool copy_members(const struct arm_eval *e, const json_t *loops, json_t *out)
{
	size_t i;
	json_t *loop;
	json_array_foreach((json_t *)(uintptr_t)loops, i, loop)
	{
		struct import_path list = {.up = e->path, .key = "copy"};
		struct import_path at = {.up = &list, .index = i};
		struct arm_eval inner = *e;
		inner.path = &at;
		json_t *given = import_get(loop, "name");
		json_t *name = given ? arm_evaluate(&inner, given) : NULL;
		json_t *v = json_is_string(name) ? copy_loop(&inner, loop, json_string_value(name))
						 : arm_fail(&inner, "copy: expected a name");
		int err = !v || json_object_set_new(out, json_string_value(name), v);
		json_decref(name);
		if (err)
			return false;
	}
	return true;
}

static json_t *object(const struct arm_eval *e, const json_t *value)
{
	json_t *out = json_object(), *v;
	const char *key;
	json_object_foreach((json_t *)(uintptr_t)value, key, v)
	{
		struct import_path at = {.up = e->path, .key = key};
		struct arm_eval inner = *e;
		inner.path = &at;
		if (!strcasecmp(key, "copy") && json_is_array(v)) {
			if (copy_members(e, v, out))
				continue;
			json_decref(out);
			return NULL;
		}
		json_t *name = arm_evaluate_text(&inner, key);
		json_t *computed = name ? arm_evaluate(&inner, v) : NULL;
		const char *text = json_string_value(name);
		int err = !computed || json_object_set_new(out, text ? text : key, computed);
		json_decref(name);
		if (!err)
			continue;
		json_decref(out);
		return NULL;
	}
	return out;
}

static json_t *array(const struct arm_eval *e, const json_t *value)
{
	json_t *out = json_array(), *v;
	size_t i;
	json_array_foreach((json_t *)(uintptr_t)value, i, v)
	{
		struct import_path at = {.up = e->path, .index = i};
		struct arm_eval inner = *e;
		inner.path = &at;
		json_t *computed = arm_evaluate(&inner, v);
		if (computed && !json_array_append_new(out, computed))
			continue;
		json_decref(out);
		return NULL;
	}
	return out;
}

json_t *arm_evaluate(const struct arm_eval *e, const json_t *value)
{
	struct arm_eval inner = *e;
	inner.inside = 0;
	if (++inner.depth > IMPORT_MAX_DEPTH)
		return arm_fail(e, "nested deeper than %u levels", IMPORT_MAX_DEPTH);
	if (json_is_string(value))
		return arm_evaluate_text(&inner, json_string_value(value));
	if (!import_spend(e->im, 16))
		return NULL;
	if (json_is_object(value))
		return object(&inner, value);
	if (json_is_array(value))
		return array(&inner, value);
	return json_copy((json_t *)(uintptr_t)value);
}

/* ---- functions of the template's own ---- */

static const json_t *find_user_function(const struct parser *s, const char *space, size_t space_len,
					const char *name, size_t len)
{
	size_t i;
	json_t *group, *all = import_get(s->e.scope->json, "functions");
	json_array_foreach(all, i, group)
	{
		const char *text = json_string_value(import_get(group, "namespace"));
		if (text && strlen(text) == space_len && !strncasecmp(text, space, space_len))
			return import_get_n(import_get(group, "members"), name, len);
	}
	return NULL;
}

static json_t *user_function(struct parser *s, const char *space, size_t space_len,
			     const char *name, size_t len, const struct arguments *a)
{
	const json_t *f = find_user_function(s, space, space_len, name, len);
	const json_t *output = import_dig(f, "output.value");
	s->e.inside = (size_t)(space - s->text) + 1;
	if (!output)
		return arm_fail(&s->e, "%.*s.%.*s: there is no such function", (int)space_len,
				space, (int)len, name);
	struct arm_scope scope = {.source = s->e.scope->source,
				  .template = s->e.scope->template,
				  .json = f,
				  .group = s->e.scope->group,
				  .deployment = s->e.scope->deployment,
				  .parameters = json_object(),
				  .known = json_object()};
	size_t i;
	json_t *declared, *v = NULL;
	json_array_foreach(import_get(f, "parameters"), i, declared)
	{
		const char *parameter = json_string_value(import_get(declared, "name"));
		if (parameter && i < a->n)
			json_object_set(scope.parameters, parameter, a->at[i]);
	}
	struct arm_eval inner = s->e;
	inner.scope = &scope;
	if (scope.parameters && scope.known)
		v = arm_evaluate(&inner, output);
	json_decref(scope.parameters);
	json_decref(scope.known);
	return v;
}
