/* SPDX-License-Identifier: Apache-2.0 */
/* Functions of templates over texts, numbers and truth values; how any function is called. */
#include "control/arm_internal.h"

#include "base/addr.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

const struct arm_function *arm_function_find(const char *name, size_t len)
{
	const struct arm_function *const tables[] = {arm_value_functions, arm_list_functions,
						     arm_deployment_functions};
	for (size_t t = 0; t < sizeof tables / sizeof *tables; t++) {
		for (const struct arm_function *f = tables[t]; f->name; f++) {
			/* "list*": whatever begins so */
			size_t n = strlen(f->name);
			bool open = f->name[n - 1] == '*';
			if ((open ? len >= n - 1 : len == n) &&
			    !strncasecmp(f->name, name, open ? n - 1 : n))
				return f;
		}
	}
	return NULL;
}

json_t *arm_call(const struct arm_function *f, const struct arm_call *c)
{
	for (unsigned i = 0; i < c->n && !f->takes_blanks; i++) {
		if (import_is_blank(c->e->im, c->args[i]))
			return json_incref(c->args[i]);
	}
	json_t *v = import_spend(c->e->im, 16) ? f->call(c) : NULL;
	return v ? v : import_no_memory(c->e->im);
}

bool arm_text(const struct arm_call *c, unsigned i, const char **out)
{
	*out = json_string_value(c->args[i]);
	if (!*out)
		arm_fail(c->e, "%s: expected a text as argument %u", c->name, i + 1);
	return *out != NULL;
}

bool arm_number(const struct arm_call *c, unsigned i, json_int_t *out)
{
	const char *text = json_string_value(c->args[i]);
	char *end = NULL;
	if (json_is_number(c->args[i])) {
		double v = json_number_value(c->args[i]);
		*out = json_is_integer(c->args[i]) ? json_integer_value(c->args[i])
		       : v > -1e18 && v < 1e18	   ? (json_int_t)v
						   : 0;
		return true;
	}
	if (text && *text) {
		*out = strtoll(text, &end, 10);
		if (!*end)
			return true;
	}
	arm_fail(c->e, "%s: expected a number as argument %u", c->name, i + 1);
	return false;
}

json_t *arm_text_result(const struct arm_eval *e, struct import_text *t)
{
	json_t *v = NULL;
	if (t->failed)
		arm_fail(e, "a computed text has more than %u bytes", IMPORT_MAX_STRING);
	else if (import_spend(e->im, t->len + 1)) {
		v = json_stringn(t->at ? t->at : "", t->len);
		if (!v)
			arm_fail(e, "a computed text ends inside a character");
	}
	import_text_free(t);
	return v;
}

static size_t weigh(const struct arm_eval *e, const json_t *v, unsigned depth)
{
	size_t n = 1, i;
	json_t *one;
	const char *key;
	json_t *value = (json_t *)(uintptr_t)v;
	if (depth > 2 * IMPORT_MAX_DEPTH) {
		arm_fail(e, "a value is nested deeper than %u levels", 2 * IMPORT_MAX_DEPTH);
		return 0;
	}
	if (!import_spend(e->im, 16))
		return 0;
	json_array_foreach(value, i, one)
	{
		size_t more = weigh(e, one, depth + 1);
		if (!more)
			return 0;
		n += more;
	}
	json_object_foreach(value, key, one)
	{
		size_t more = weigh(e, one, depth + 1);
		if (!more)
			return 0;
		n += more;
	}
	return n;
}

size_t arm_weigh(const struct arm_eval *e, const json_t *v)
{
	return weigh(e, v, 0);
}

bool arm_put_text(const struct arm_eval *e, struct import_text *t, const json_t *v)
{
	if (json_is_string(v)) {
		import_text_add(t, json_string_value(v), json_string_length(v));
		return !t->failed;
	}
	if (json_is_boolean(v)) {
		import_text_put(t, json_is_true(v) ? "True" : "False");
		return !t->failed;
	}
	char *text = arm_weigh(e, v) ? json_dumps(v, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
	if (!text) {
		import_no_memory(e->im);
		return false;
	}
	import_text_put(t, text);
	free(text);
	return !t->failed;
}

/* ---- texts ---- */

static json_t *change_case(const struct arm_call *c, int (*to)(int))
{
	const char *text;
	struct import_text out = {0};
	if (!arm_text(c, 0, &text))
		return NULL;
	for (; *text; text++) {
		char byte = (unsigned char)*text < 0x80 ? (char)to((unsigned char)*text) : *text;
		import_text_add(&out, &byte, 1);
	}
	return arm_text_result(c->e, &out);
}

static json_t *f_to_lower(const struct arm_call *c)
{
	return change_case(c, tolower);
}

static json_t *f_to_upper(const struct arm_call *c)
{
	return change_case(c, toupper);
}

static json_t *f_trim(const struct arm_call *c)
{
	const char *text;
	struct import_text out = {0};
	if (!arm_text(c, 0, &text))
		return NULL;
	text += strspn(text, " \t\r\n");
	size_t n = strlen(text);
	while (n && strchr(" \t\r\n", text[n - 1]))
		n--;
	import_text_add(&out, text, n);
	return arm_text_result(c->e, &out);
}

static json_t *f_replace(const struct arm_call *c)
{
	const char *text, *old, *new;
	struct import_text out = {0};
	if (!arm_text(c, 0, &text) || !arm_text(c, 1, &old) || !arm_text(c, 2, &new))
		return NULL;
	size_t n = strlen(old);
	if (!n)
		return arm_fail(c->e, "%s: expected something to replace", c->name);
	for (const char *at; !out.failed && (at = strstr(text, old)); text = at + n) {
		import_text_add(&out, text, (size_t)(at - text));
		import_text_put(&out, new);
	}
	import_text_put(&out, text);
	return arm_text_result(c->e, &out);
}

static json_t *f_substring(const struct arm_call *c)
{
	const char *text;
	struct import_text out = {0};
	json_int_t from, n = 0;
	if (!arm_text(c, 0, &text) || !arm_number(c, 1, &from))
		return NULL;
	json_int_t len = (json_int_t)strlen(text);
	if (c->n > 2 && !arm_number(c, 2, &n))
		return NULL;
	if (from < 0 || from > len || n < 0 || n > len - from)
		return arm_fail(c->e, "%s: the text has %lld characters", c->name, (long long)len);
	import_text_add(&out, text + from, (size_t)(c->n > 2 ? n : len - from));
	return arm_text_result(c->e, &out);
}

static json_t *f_pad_left(const struct arm_call *c)
{
	struct import_text text = {0}, out = {0};
	const char *pad = " ";
	json_int_t width;
	if (!arm_number(c, 1, &width) || (c->n > 2 && !arm_text(c, 2, &pad)))
		return NULL;
	if (width < 0 || width > IMPORT_MAX_RANGE)
		return arm_fail(c->e, "%s: expected a width up to %u", c->name, IMPORT_MAX_RANGE);
	arm_put_text(c->e, &text, c->args[0]);
	for (size_t n = text.len; n < (size_t)width; n++)
		import_text_add(&out, *pad ? pad : " ", 1);
	if (text.len)
		import_text_add(&out, text.at, text.len);
	import_text_free(&text);
	return arm_text_result(c->e, &out);
}

static json_t *f_starts_with(const struct arm_call *c)
{
	const char *text, *part;
	if (!arm_text(c, 0, &text) || !arm_text(c, 1, &part))
		return NULL;
	return json_boolean(!strncasecmp(text, part, strlen(part)));
}

static json_t *f_ends_with(const struct arm_call *c)
{
	const char *text, *part;
	if (!arm_text(c, 0, &text) || !arm_text(c, 1, &part))
		return NULL;
	size_t n = strlen(text), m = strlen(part);
	return json_boolean(n >= m && !strcasecmp(text + n - m, part));
}

static json_t *find_text(const struct arm_call *c, bool last)
{
	const char *text, *part, *found = NULL;
	if (!arm_text(c, 0, &text) || !arm_text(c, 1, &part))
		return NULL;
	for (const char *p = strcasestr(text, part); p; p = *p ? strcasestr(p + 1, part) : NULL) {
		found = p;
		if (!last || !import_spend(c->e->im, strlen(part) + 1))
			break;
	}
	return json_integer(found ? found - text : -1);
}

static json_t *f_index_of(const struct arm_call *c)
{
	return find_text(c, false);
}

static json_t *f_last_index_of(const struct arm_call *c)
{
	return find_text(c, true);
}

static json_t *f_string(const struct arm_call *c)
{
	struct import_text out = {0};
	arm_put_text(c->e, &out, c->args[0]);
	return arm_text_result(c->e, &out);
}

/* "D3", "000": a number with leading zeros. */
static unsigned zeros(const char *spec, size_t len)
{
	unsigned n = 0;
	if (len && strspn(spec, "0") >= len)
		return len > 20 ? 20 : (unsigned)len;
	for (size_t i = 1; i < len && isdigit((unsigned char)spec[i]) && n < 20; i++)
		n = n * 10 + (unsigned)(spec[i] - '0');
	return n > 20 ? 20 : n;
}

/* "{0}", "{1:D2}" at *at. */
static bool format_item(const struct arm_call *c, const char **at, struct import_text *out)
{
	char *end;
	unsigned long i = strtoul(*at + 1, &end, 10);
	const char *close = strchr(*at, '}');
	if (end == *at + 1 || !close || (*end != ':' && *end != '}')) {
		arm_fail(c->e, "%s: expected {0}, {1}, ... in braces", c->name);
		return false;
	}
	if (i + 1 >= c->n) {
		arm_fail(c->e, "%s: there is no argument for {%lu}", c->name, i);
		return false;
	}
	*at = close + 1;
	const json_t *v = c->args[i + 1];
	if (*end != ':' || !json_is_integer(v))
		return arm_put_text(c->e, out, v);
	import_text_format(out, "%0*lld", (int)zeros(end + 1, (size_t)(close - end - 1)),
			   (long long)json_integer_value(v));
	return true;
}

static json_t *f_format(const struct arm_call *c)
{
	const char *text;
	struct import_text out = {0};
	if (!arm_text(c, 0, &text))
		return NULL;
	while (*text && !out.failed) {
		if ((*text == '{' || *text == '}') && text[1] == *text) {
			import_text_add(&out, text, 1);
			text += 2;
		} else if (*text != '{') {
			import_text_add(&out, text++, 1);
		} else if (!format_item(c, &text, &out) && !out.failed) {
			import_text_free(&out);
			return NULL;
		}
	}
	return arm_text_result(c->e, &out);
}

/* FNV-1a over the arguments with labels in place of blanks: the same each time, on each host. */
static uint64_t hash(const struct arm_call *c, uint64_t h)
{
	for (unsigned i = 0; i < c->n; i++) {
		struct import_text text = {0};
		arm_put_text(c->e, &text, c->args[i]);
		char *plain = import_with_labels(c->e->im, text.at ? text.at : "");
		for (const char *p = plain ? plain : ""; *p; p++)
			h = (h ^ (unsigned char)*p) * 0x100000001b3u;
		h = (h ^ 0xff) * 0x100000001b3u;
		free(plain);
		import_text_free(&text);
	}
	h ^= h >> 32;
	return h * 0x9e3779b97f4a7c15u;
}

static json_t *f_unique_string(const struct arm_call *c)
{
	uint64_t h = hash(c, 0xcbf29ce484222325u);
	char out[14];
	for (unsigned i = 0; i < 13; i++, h = h >> 5 | h << 59)
		out[i] = "abcdefghijklmnopqrstuvwxyz234567"[h & 31];
	out[13] = 0;
	return json_string(out);
}

static json_t *f_guid(const struct arm_call *c)
{
	uint64_t a = hash(c, 0xcbf29ce484222325u), b = hash(c, a);
	char out[37];
	snprintf(out, sizeof out, "%08x-%04x-5%03x-8%03x-%012llx", (unsigned)(a >> 32),
		 (unsigned)(a >> 16 & 0xffff), (unsigned)(a & 0xfff), (unsigned)(b >> 52),
		 (unsigned long long)(b & 0xffffffffffff));
	return json_string(out);
}

static json_t *f_uri(const struct arm_call *c)
{
	const char *base, *relative;
	struct import_text out = {0};
	if (!arm_text(c, 0, &base) || !arm_text(c, 1, &relative))
		return NULL;
	/* what is behind the last slash is replaced, but for a base that is all blank */
	const char *slash = strrchr(base, '/');
	if (!strstr(relative, "://"))
		import_text_add(&out, base, slash ? (size_t)(slash + 1 - base) : strlen(base));
	if (!slash && *base && *relative != '/')
		import_text_put(&out, "/");
	import_text_put(&out, slash && *relative == '/' ? relative + 1 : relative);
	return arm_text_result(c->e, &out);
}

static json_t *f_uri_component(const struct arm_call *c)
{
	const char *text;
	struct import_text out = {0};
	if (!arm_text(c, 0, &text))
		return NULL;
	for (; *text; text++) {
		if (isalnum((unsigned char)*text) || strchr("-_.~", *text))
			import_text_add(&out, text, 1);
		else
			import_text_format(&out, "%%%02X", (unsigned char)*text);
	}
	return arm_text_result(c->e, &out);
}

static json_t *f_base64(const struct arm_call *c)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *text;
	struct import_text out = {0};
	if (!arm_text(c, 0, &text))
		return NULL;
	size_t len = strlen(text);
	for (size_t i = 0; i < len; i += 3) {
		uint32_t v = 0;
		for (size_t k = 0; k < 3; k++)
			v = v << 8 | (i + k < len ? (unsigned char)text[i + k] : 0);
		const char four[4] = {digits[v >> 18], digits[v >> 12 & 63],
				      i + 1 < len ? digits[v >> 6 & 63] : '=',
				      i + 2 < len ? digits[v & 63] : '='};
		import_text_add(&out, four, 4);
	}
	return arm_text_result(c->e, &out);
}

/* ---- numbers ---- */

static json_t *arithmetic(const struct arm_call *c, char operator)
{
	json_int_t a, b, v = 0;
	bool bad = false;
	if (!arm_number(c, 0, &a) || !arm_number(c, 1, &b))
		return NULL;
	switch (operator) {
	case '+': bad = __builtin_add_overflow(a, b, &v); break;
	case '-': bad = __builtin_sub_overflow(a, b, &v); break;
	case '*': bad = __builtin_mul_overflow(a, b, &v); break;
	default:
		/* the smallest number has no positive twin */
		bad = !b || (b == -1 && a < -INT64_MAX);
		if (!bad)
			v = operator== '/' ? a / b : a % b;
	}
	return bad ? arm_fail(c->e, "%s: no number of 64 bits comes of %lld and %lld", c->name,
			      (long long)a, (long long)b)
		   : json_integer(v);
}

static json_t *f_add(const struct arm_call *c)
{
	return arithmetic(c, '+');
}

static json_t *f_sub(const struct arm_call *c)
{
	return arithmetic(c, '-');
}

static json_t *f_mul(const struct arm_call *c)
{
	return arithmetic(c, '*');
}

static json_t *f_div(const struct arm_call *c)
{
	return arithmetic(c, '/');
}

static json_t *f_mod(const struct arm_call *c)
{
	return arithmetic(c, '%');
}

static json_t *f_int(const struct arm_call *c)
{
	json_int_t v;
	return arm_number(c, 0, &v) ? json_integer(v) : NULL;
}

/* ---- truth ---- */

static bool truth(const struct arm_call *c, unsigned i, bool *out)
{
	const char *text = json_string_value(c->args[i]);
	*out = json_is_true(c->args[i]) || (text && !strcasecmp(text, "true")) ||
	       (json_is_integer(c->args[i]) && json_integer_value(c->args[i]));
	if (json_is_boolean(c->args[i]) || json_is_integer(c->args[i]) ||
	    (text && (!strcasecmp(text, "true") || !strcasecmp(text, "false"))))
		return true;
	arm_fail(c->e, "%s: expected true or false as argument %u", c->name, i + 1);
	return false;
}

static json_t *f_bool(const struct arm_call *c)
{
	bool v;
	return truth(c, 0, &v) ? json_boolean(v) : NULL;
}

static json_t *f_not(const struct arm_call *c)
{
	bool v;
	return truth(c, 0, &v) ? json_boolean(!v) : NULL;
}

/* A known argument that decides makes the unknown ones not matter. */
static json_t *all_or_any(const struct arm_call *c, bool decides)
{
	json_t *unknown = NULL;
	for (unsigned i = 0; i < c->n; i++) {
		bool v;
		if (import_is_blank(c->e->im, c->args[i]))
			unknown = c->args[i];
		else if (!truth(c, i, &v))
			return NULL;
		else if (v == decides)
			return json_boolean(decides);
	}
	return unknown ? json_incref(unknown) : json_boolean(!decides);
}

static json_t *f_and(const struct arm_call *c)
{
	return all_or_any(c, false);
}

static json_t *f_or(const struct arm_call *c)
{
	return all_or_any(c, true);
}

/* What was not chosen has not been computed and is null. */
static json_t *f_if(const struct arm_call *c)
{
	bool v;
	if (import_is_blank(c->e->im, c->args[0]))
		return json_incref(c->args[0]);
	if (!truth(c, 0, &v))
		return NULL;
	return json_incref(c->args[v ? 1 : 2]);
}

static json_t *f_equals(const struct arm_call *c)
{
	if (json_is_number(c->args[0]) && json_is_number(c->args[1])) {
		double d = json_number_value(c->args[0]) - json_number_value(c->args[1]);
		return json_boolean(d >= 0 && d <= 0);
	}
	if (!arm_weigh(c->e, c->args[0]))
		return NULL;
	return json_boolean(json_equal(c->args[0], c->args[1]));
}

/* -1, 0, 1; false with a failure. */
static bool compare(const struct arm_call *c, int *out)
{
	const char *a = json_string_value(c->args[0]), *b = json_string_value(c->args[1]);
	json_int_t x, y;
	if (a && b) {
		*out = strcmp(a, b);
		return true;
	}
	if (!arm_number(c, 0, &x) || !arm_number(c, 1, &y))
		return false;
	*out = x < y ? -1 : x > y;
	return true;
}

static json_t *f_less(const struct arm_call *c)
{
	int d;
	return compare(c, &d) ? json_boolean(d < 0) : NULL;
}

static json_t *f_less_or_equals(const struct arm_call *c)
{
	int d;
	return compare(c, &d) ? json_boolean(d <= 0) : NULL;
}

static json_t *f_greater(const struct arm_call *c)
{
	int d;
	return compare(c, &d) ? json_boolean(d > 0) : NULL;
}

static json_t *f_greater_or_equals(const struct arm_call *c)
{
	int d;
	return compare(c, &d) ? json_boolean(d >= 0) : NULL;
}

static json_t *f_true(const struct arm_call *c)
{
	(void)c;
	return json_true();
}

static json_t *f_false(const struct arm_call *c)
{
	(void)c;
	return json_false();
}

static json_t *f_null(const struct arm_call *c)
{
	(void)c;
	return json_null();
}

/* ---- prefixes ---- */

/* The n-th piece of `bits` of an address that begins at `base`; false when it is outside. */
static bool nth_piece(struct ip_addr *a, unsigned outer, unsigned bits, uint64_t n)
{
	if (bits - outer < 64 && n >> (bits - outer))
		return false;
	for (unsigned bit = bits; n && bit-- > outer; n >>= 1) {
		if (n & 1)
			a->b[bit / 8] |= (uint8_t)(0x80 >> bit % 8);
	}
	return true;
}

static bool take_prefix(const struct arm_call *c, struct ip_prefix *p)
{
	const char *text;
	if (!arm_text(c, 0, &text))
		return false;
	if (!ip_prefix_parse(p, text)) {
		*p = ip_prefix_canonical(*p);
		return true;
	}
	arm_fail(c->e, "%s: expected a prefix such as 10.0.0.0/16, came '%.60s'", c->name, text);
	return false;
}

/* cidrSubnet(prefix, length, index) */
static json_t *f_cidr_subnet(const struct arm_call *c)
{
	struct ip_prefix p;
	json_int_t len, n;
	char text[PREFIX_TEXT];
	if (!take_prefix(c, &p) || !arm_number(c, 1, &len) || !arm_number(c, 2, &n))
		return NULL;
	if (len < p.len || len > ip_addr_bits(&p.addr) || n < 0 ||
	    !nth_piece(&p.addr, p.len, (unsigned)len, (uint64_t)n))
		return arm_fail(c->e, "%s: the prefix has no such subnet", c->name);
	p.len = (uint8_t)len;
	return json_string(ip_prefix_format(&p, text));
}

/* cidrHost(prefix, index): the first host has index 0 */
static json_t *f_cidr_host(const struct arm_call *c)
{
	struct ip_prefix p;
	json_int_t n;
	char text[IP_TEXT];
	if (!take_prefix(c, &p) || !arm_number(c, 1, &n))
		return NULL;
	if (n < 0 || n == INT64_MAX ||
	    !nth_piece(&p.addr, p.len, ip_addr_bits(&p.addr), (uint64_t)n + 1))
		return arm_fail(c->e, "%s: the prefix has no such host", c->name);
	return json_string(ip_addr_format(&p.addr, text));
}

const struct arm_function arm_value_functions[] = {
	{"toLower", 1, 1, false, f_to_lower},
	{"toUpper", 1, 1, false, f_to_upper},
	{"trim", 1, 1, false, f_trim},
	{"replace", 3, 3, false, f_replace},
	{"substring", 2, 3, false, f_substring},
	{"padLeft", 2, 3, false, f_pad_left},
	{"startsWith", 2, 2, false, f_starts_with},
	{"endsWith", 2, 2, false, f_ends_with},
	{"indexOf", 2, 2, false, f_index_of},
	{"lastIndexOf", 2, 2, false, f_last_index_of},
	{"string", 1, 1, true, f_string},
	{"format", 1, 1000, true, f_format},
	{"uniqueString", 1, 1000, true, f_unique_string},
	{"guid", 1, 1000, true, f_guid},
	{"uri", 2, 2, true, f_uri},
	{"uriComponent", 1, 1, false, f_uri_component},
	{"base64", 1, 1, false, f_base64},
	{"add", 2, 2, false, f_add},
	{"sub", 2, 2, false, f_sub},
	{"mul", 2, 2, false, f_mul},
	{"div", 2, 2, false, f_div},
	{"mod", 2, 2, false, f_mod},
	{"int", 1, 1, false, f_int},
	{"bool", 1, 1, false, f_bool},
	{"not", 1, 1, false, f_not},
	{"and", 1, 1000, true, f_and},
	{"or", 1, 1000, true, f_or},
	{"if", 3, 3, true, f_if},
	{"equals", 2, 2, false, f_equals},
	{"less", 2, 2, false, f_less},
	{"lessOrEquals", 2, 2, false, f_less_or_equals},
	{"greater", 2, 2, false, f_greater},
	{"greaterOrEquals", 2, 2, false, f_greater_or_equals},
	{"true", 0, 0, true, f_true},
	{"false", 0, 0, true, f_false},
	{"null", 0, 0, true, f_null},
	{"cidrSubnet", 3, 3, false, f_cidr_subnet},
	{"cidrHost", 2, 2, false, f_cidr_host},
	{0},
};
