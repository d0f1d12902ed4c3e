/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Templates: their resources in their copy loops and under their conditions, resources within
 * resources, deployments within deployments (inline or in files beside the template).
 */
#include "control/arm_internal.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define DEPLOYMENT "microsoft.resources/deployments"

/* The resource that another one stands in. */
struct parent {
	const char *type, *name; /* NULL at the top */
};

static bool resources_of(const struct arm_eval *e, const json_t *in, const struct parent *parent);

static struct arm_eval at(const struct arm_eval *e, struct import_path *path, const char *key)
{
	struct arm_eval inner = *e;
	*path = (struct import_path){.up = e->path, .key = key};
	inner.path = path;
	inner.inside = 0;
	return inner;
}

/* An evaluated member, null when it is not there. */
static json_t *member(const struct arm_eval *e, const json_t *of, const char *name)
{
	struct import_path path;
	struct arm_eval inner = at(e, &path, name);
	json_t *v = import_get(of, name);
	return v ? arm_evaluate(&inner, v) : json_null();
}

/* A text that must be there, from malloc. */
static char *text_member(const struct arm_eval *e, const json_t *of, const char *name)
{
	json_t *v = member(e, of, name);
	char *text = json_is_string(v) ? strdup(json_string_value(v)) : NULL;
	if (v && !text)
		arm_fail(e, "%s: expected a text", name);
	json_decref(v);
	return text;
}

/* ---- scopes ---- */

static bool begin_scope(struct arm_scope *s, struct import *im)
{
	s->parameters = json_object();
	s->known = json_object();
	if (s->parameters && s->known)
		return true;
	import_no_memory(im);
	return false;
}

static void end_scope(struct arm_scope *s)
{
	json_decref(s->parameters);
	json_decref(s->known);
}

/* {name: {value: …}} or {name: {reference: …}} of a parameters file; *from's values are final. */
static void give_parameters(struct import *im, struct arm_scope *s, const json_t *from, bool is_own)
{
	const char *name;
	json_t *given;
	json_t *declared = import_get(s->json, "parameters");
	json_object_foreach((json_t *)(uintptr_t)from, name, given)
	{
		json_t *value = import_get(given, "value");
		if (!import_get(declared, name)) {
			if (is_own)
				import_note(im, "parameter %.80s: %.200s has none of this name",
					    name, s->source->name);
			continue;
		}
		if (!value && import_get(given, "reference"))
			value = import_blank(im, name, "parameter %.60s: a secret in a key vault",
					     name);
		else
			json_incref(value);
		if (value)
			json_object_set_new(s->parameters, name, value);
	}
}

static void note_declared(struct import *im, const json_t *template)
{
	const char *name;
	json_t *declared;
	json_object_foreach(import_get(template, "parameters"), name, declared)
		json_object_set_new(im->used_parameters, name, json_true());
}

/* ---- outputs ---- */

/* What other templates may ask for; one that cannot be computed is not missed before that. */
static json_t *outputs_of(const struct arm_eval *e, const json_t *template)
{
	const char *name;
	json_t *output, *all = json_object();
	json_object_foreach(import_get(template, "outputs"), name, output)
	{
		struct fault unseen = {0}, *seen = e->im->fault;
		struct import_path list, one, path;
		struct arm_eval x = at(e, &list, "outputs");
		struct arm_eval y = at(&x, &one, name);
		struct arm_eval z = at(&y, &path, "value");
		json_t *value = import_get(output, "value");
		if (!value || e->im->err)
			continue;
		/* a failure stays in here, what was computed does not */
		e->im->fault = &unseen;
		json_t *v = arm_evaluate(&z, value);
		e->im->fault = seen;
		if (!v && e->im->err != -E2BIG && e->im->err != -ENOMEM)
			e->im->err = 0;
		if (e->im->err)
			*e->im->fault = unseen;
		if (!v && !e->im->err)
			v = import_blank(e->im, name, "output %.80s of a deployment", name);
		if (v && arm_weigh(e, v))
			json_object_set_new(all, name, json_pack("{s:o}", "value", v));
		else
			json_decref(v);
	}
	return all;
}

/* ---- nested deployments ---- */

/* The pieces of a path of a linked template: blanks, queries and "." are none. */
#define MAX_PIECES 32
struct pieces {
	char *at[MAX_PIECES];
	unsigned n;
};

static bool split_path(const struct import *im, char *path, struct pieces *out)
{
	char *rest = NULL;
	path[strcspn(path, "?#")] = 0;
	for (char *p = strtok_r(path, "/\\", &rest); p; p = strtok_r(NULL, "/\\", &rest)) {
		if (import_blank_in(im, p) || !strcmp(p, ".") || strchr(p, ':') ||
		    strchr(p, BLANK_OPEN))
			continue;
		if (!strcmp(p, "..")) {
			if (!out->n--)
				return false;
			continue;
		}
		if (out->n == MAX_PIECES)
			return false;
		out->at[out->n++] = p;
	}
	return out->n > 0;
}

static bool try_path(struct import *im, const char *directory, size_t directory_len,
		     const struct pieces *p, unsigned from, struct import_source **out)
{
	struct import_text path = {.cap = 4096};
	import_text_add(&path, directory, directory_len);
	for (unsigned i = from; i < p->n; i++) {
		import_text_put(&path, p->at[i]);
		import_text_put(&path, i + 1 < p->n ? "/" : "");
	}
	struct fault unseen = {0}, *seen = im->fault;
	size_t len = 0;
	im->fault = &unseen;
	char *text = path.failed ? NULL : import_read(im, path.at, &len);
	im->fault = seen;
	if (!text && im->err != -ENOMEM && im->err != -E2BIG)
		im->err = 0;
	if (im->err)
		*seen = unseen;
	*out = text ? import_json_parse(im, path.at, text, len) : NULL;
	import_text_free(&path);
	return text != NULL;
}

/*
 * A template that a text names (a path, or an address of the web whose end is one): it is taken
 * only from the directory of the file that names it and from below. NULL without a failure: not
 * there.
 */
static struct import_source *linked(const struct arm_eval *e, const char *text)
{
	struct import *im = e->im;
	const char *own = e->scope->source->name, *slash = strrchr(own, '/');
	size_t directory = slash ? (size_t)(slash + 1 - own) : 0;
	struct import_source *found = NULL;
	struct pieces p = {0};
	bool is_path = !strstr(text, "://");
	/* deployment().properties.templateLink.uri is the file's own path */
	if (directory && !strncmp(text, own, directory))
		text += directory;
	char *copy = strdup(text);
	if (copy && split_path(im, copy, &p)) {
		unsigned from = !is_path && p.n > 6 ? p.n - 6 : 0;
		for (; from < p.n && !im->err; from++) {
			if (try_path(im, own, directory, &p, from, &found))
				break;
		}
	}
	free(copy);
	return found;
}

/* Inline, or the file; *source and *path say where it stands. */
static json_t *template_of(const struct arm_eval *e, const json_t *properties, const char *name,
			   const struct import_source **source, struct import_path *path)
{
	struct import_path link_path;
	struct arm_eval link_at = at(e, &link_path, "templateLink");
	json_t *inline_one = import_get(properties, "template");
	json_t *link = import_get(properties, "templateLink");
	*source = e->scope->source;
	*path = (struct import_path){.up = e->path, .key = "template"};
	if (inline_one)
		return inline_one;
	json_t *where = member(&link_at, link, "relativePath");
	if (json_is_null(where))
		where = member(&link_at, link, "uri");
	const char *text = json_string_value(where);
	struct import_source *s = text ? linked(e, text) : NULL;
	if (!s && !e->im->err)
		import_note(e->im,
			    "Microsoft.Resources/deployments %.100s: left out: its template "
			    "%.200s is not beside %.200s",
			    name, text ? text : "(none)", e->scope->source->name);
	json_decref(where);
	*source = s;
	*path = (struct import_path){.source = s};
	return s ? s->json : NULL;
}

/* Values for a nested deployment are computed by the one around it. */
static bool pass_parameters(const struct arm_eval *e, const json_t *properties, struct arm_scope *s)
{
	const char *name;
	json_t *given;
	struct import_path list;
	struct arm_eval in_list = at(e, &list, "parameters");
	json_object_foreach(import_get(properties, "parameters"), name, given)
	{
		struct import_path one;
		struct arm_eval in_one = at(&in_list, &one, name);
		json_t *v =
			import_get(given, "value")
				? member(&in_one, given, "value")
				: import_blank(e->im, name,
					       "parameter %.60s: a secret in a key vault", name);
		if (!v || json_object_set_new(s->parameters, name, v))
			return false;
	}
	return true;
}

static bool run_template(const struct arm_eval *e, const json_t *template, json_t **outputs)
{
	const struct parent top = {NULL, NULL};
	note_declared(e->im, template);
	if (!resources_of(e, import_get(template, "resources"), &top))
		return false;
	*outputs = outputs_of(e, template);
	return *outputs != NULL && !e->im->err;
}

static bool remember_outputs(struct import *im, const char *name, json_t *outputs)
{
	const char *key;
	json_t *v;
	json_object_foreach(outputs, key, v)
		json_object_set(im->outputs, key, import_get(v, "value"));
	return !json_object_set_new(im->deployments, name, outputs);
}

static bool deploy(const struct arm_eval *e, const json_t *properties, const char *name,
		   const char *group)
{
	struct import *im = e->im;
	struct import_path path;
	const char *wanted =
		json_string_value(import_dig(properties, "expressionEvaluationOptions.scope"));
	struct arm_scope s = {.group = group, .deployment = name, .nested = e->scope->nested + 1};
	if (s.nested > IMPORT_MAX_NESTED) {
		arm_fail(e, "deployments are nested deeper than %u levels", IMPORT_MAX_NESTED);
		return false;
	}
	s.json = template_of(e, properties, name, &s.source, &path);
	if (!s.json)
		return !im->err;
	s.template = &path;
	bool inner = path.source || (wanted && !strcasecmp(wanted, "inner"));
	s.outer = inner ? NULL : e->scope;
	json_t *outputs = NULL;
	bool good = begin_scope(&s, im) && pass_parameters(e, properties, &s);
	struct arm_eval x = {im, &s, inner ? NULL : e->copies, &path, 0, e->depth};
	/* of outer scope nothing is looked up in the nested template first */
	struct arm_scope seen = s;
	if (!inner) {
		seen = *e->scope;
		seen.outer = &s;
		s.outer = e->scope->outer;
		seen.group = group;
		seen.deployment = name;
		seen.nested = s.nested;
		x.scope = &seen;
	}
	good = good && run_template(&x, s.json, &outputs) && remember_outputs(im, name, outputs);
	end_scope(&s);
	return good;
}

/* ---- resources ---- */

static unsigned slashes(const char *text)
{
	unsigned n = 0;
	for (; *text; text++)
		n += *text == '/';
	return n;
}

/* A type with a namespace in front. */
static bool is_whole(const char *type)
{
	size_t n = strcspn(type, "/.");
	return type[n] == '.';
}

/* "virtualNetworks" and "subnets", "VNet1" and "a": of a resource in another one. */
static char *joined(const char *parent, char *own)
{
	char *all = NULL;
	if (own && asprintf(&all, "%s/%s", parent, own) < 0)
		all = NULL;
	free(own);
	return all;
}

static bool carry(const struct arm_eval *e, const json_t *r, const char *type, const char *name)
{
	json_t *properties = member(e, r, "properties");
	json_t *sku = properties ? member(e, r, "sku") : NULL;
	if (!sku || !arm_weigh(e, properties)) {
		json_decref(properties);
		json_decref(sku);
		return false;
	}
	return import_add(e->im, type, name, e->scope->group, e->scope->source->name, properties,
			  sku) != NULL;
}

static bool nested_deployment(const struct arm_eval *e, const json_t *r, const char *name)
{
	json_t *group = member(e, r, "resourceGroup");
	struct import_path path;
	struct arm_eval in = at(e, &path, "properties");
	const char *text = json_string_value(group);
	bool good = group &&
		    deploy(&in, import_get(r, "properties"), name, text ? text : e->scope->group);
	json_decref(group);
	return good;
}

static void lower(char *text)
{
	for (; *text; text++)
		*text = (char)tolower((unsigned char)*text);
}

/* A gateway that a parameter switches off is missed by who does not know of the parameter. */
static bool switched_off(const struct arm_eval *e, const json_t *r)
{
	char *type = text_member(e, r, "type"), *name = type ? text_member(e, r, "name") : NULL;
	char *kind = name ? strdup(type) : NULL;
	bool good = kind != NULL;
	if (good)
		lower(kind);
	if (good && (import_is_carried(kind) || !strcmp(kind, DEPLOYMENT)))
		import_note(e->im, "%.100s %.100s: left out: its condition is false", type, name);
	free(kind);
	free(type);
	free(name);
	return good;
}

/* One round of its loop. */
static bool one_resource(const struct arm_eval *e, const json_t *r, const struct parent *parent)
{
	if (!import_spend(e->im, 1024))
		return false;
	json_t *condition = import_get(r, "condition") ? member(e, r, "condition") : json_true();
	const char *text = json_string_value(condition);
	bool unknown = import_is_blank(e->im, condition), good = condition != NULL;
	bool wanted = json_is_true(condition) || unknown || (text && !strcasecmp(text, "true"));
	json_decref(condition);
	if (!good || json_is_true(import_get(r, "existing")))
		return good;
	if (!wanted)
		return switched_off(e, r);
	char *type = text_member(e, r, "type"), *name = type ? text_member(e, r, "name") : NULL;
	if (parent->type && name) {
		bool whole = is_whole(type);
		if (!whole)
			type = joined(parent->type, type);
		if (!whole || (slashes(name) + 1 < slashes(type) &&
			       !strncasecmp(type, parent->type, strlen(parent->type))))
			name = joined(parent->name, name);
	}
	char *shown = type ? strdup(type) : NULL;
	struct parent self = {type, name};
	good = name && shown;
	if (good)
		lower(type);
	if (good && unknown)
		import_note(e->im, "%.100s %.100s: its condition is not known; it is taken", shown,
			    name);
	if (good && !strcmp(type, DEPLOYMENT))
		good = nested_deployment(e, r, name);
	else if (good && import_is_carried(type))
		good = carry(e, r, shown, name);
	else if (good)
		import_note(e->im, "%.100s %.100s: left out: it has no meaning here", shown, name);
	if (good && strcmp(type, DEPLOYMENT) != 0) {
		struct import_path path;
		struct arm_eval in = at(e, &path, "resources");
		self.type = shown;
		good = resources_of(&in, import_get(r, "resources"), &self);
	}
	free(shown);
	free(type);
	free(name);
	if (!good)
		import_no_memory(e->im);
	return good;
}

static bool looped_resource(const struct arm_eval *e, const json_t *r, const json_t *loop,
			    const struct parent *parent)
{
	struct import_path path;
	struct arm_eval in = at(e, &path, "copy");
	json_t *count = member(&in, loop, "count"),
	       *name = count ? member(&in, loop, "name") : NULL;
	json_int_t n = import_is_blank(e->im, count) ? 1 : json_integer_value(count);
	struct arm_copy round = {e->copies, json_is_string(name) ? json_string_value(name) : "", 0};
	bool good = name != NULL;
	if (good && import_is_blank(e->im, count))
		import_note(e->im, "copy loop %.80s: its count is not known; one is taken",
			    round.name);
	if (good && (n < 0 || n > IMPORT_MAX_COPIES)) {
		arm_fail(&in, "count: expected 0 to %u", IMPORT_MAX_COPIES);
		good = false;
	}
	struct arm_eval inner = *e;
	inner.copies = &round;
	for (; good && round.index < n; round.index++)
		good = one_resource(&inner, r, parent);
	json_decref(count);
	json_decref(name);
	return good;
}

static bool any_resource(const struct arm_eval *e, const json_t *r, const struct parent *parent)
{
	json_t *loop = import_get(r, "copy");
	if (!json_is_object(r)) {
		arm_fail(e, "expected a resource, an object");
		return false;
	}
	return json_is_object(loop) ? looped_resource(e, r, loop, parent)
				    : one_resource(e, r, parent);
}

/* An array, or an object whose names are symbols. */
static bool resources_of(const struct arm_eval *e, const json_t *in, const struct parent *parent)
{
	struct import_path list = {.up = e->path, .key = "resources"};
	struct import_path one = {.up = parent->type ? e->path : &list};
	struct arm_eval inner = *e;
	size_t i;
	json_t *r;
	inner.path = &one;
	if (++inner.depth > IMPORT_MAX_DEPTH) {
		arm_fail(e, "resources are nested deeper than %u levels", IMPORT_MAX_DEPTH);
		return false;
	}
	json_array_foreach((json_t *)(uintptr_t)in, i, r)
	{
		one.index = i;
		if (!any_resource(&inner, r, parent))
			return false;
	}
	json_object_foreach((json_t *)(uintptr_t)in, one.key, r)
	{
		if (!any_resource(&inner, r, parent))
			return false;
	}
	return true;
}

int import_arm(struct import *im, struct import_source *template, const json_t *const parameters[2])
{
	const struct import_path root = {.source = template};
	struct arm_scope s = {.source = template,
			      .template = &root,
			      .json = template->json,
			      .group = im->o->resource_group ? im->o->resource_group
							     : "resourceGroup",
			      .deployment = "deployment"};
	struct arm_eval e = {.im = im, .scope = &s, .path = &root};
	json_t *outputs = NULL;
	if (!import_get(s.json, "resources")) {
		arm_fail(&e, "resources: missing in this template");
		return im->err;
	}
	if (begin_scope(&s, im)) {
		give_parameters(im, &s, parameters[1], false);
		give_parameters(im, &s, parameters[0], true);
		if (run_template(&e, s.json, &outputs))
			remember_outputs(im, "deployment", outputs);
	}
	end_scope(&s);
	return im->err;
}
