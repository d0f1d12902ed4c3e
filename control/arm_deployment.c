/* SPDX-License-Identifier: Apache-2.0 */
/* What a template can ask of its deployment: parameters, variables, ids, state of resources. */
#include "control/arm_internal.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define SUBSCRIPTION "00000000-0000-0000-0000-000000000000"

/* ---- parameters and variables ---- */

static json_t *known(const struct arm_scope *s, char kind, const char *name)
{
	char key[200];
	snprintf(key, sizeof key, "%c:%.190s", kind, name);
	for (char *p = key + 2; *p; p++)
		*p = (char)tolower((unsigned char)*p);
	return json_incref(json_object_get(s->known, key));
}

/* Takes the reference; returns another one. */
static json_t *remember(const struct arm_eval *e, char kind, const char *name, json_t *v)
{
	char key[200];
	snprintf(key, sizeof key, "%c:%.190s", kind, name);
	for (char *p = key + 2; *p; p++)
		*p = (char)tolower((unsigned char)*p);
	if (!v || !arm_weigh(e, v)) {
		json_decref(v);
		return NULL;
	}
	json_object_set(e->scope->known, key, v);
	return v;
}

/* Values that a continuous integration fills in; what they are there is not known here. */
static bool is_placeholder(const char *text)
{
	static const char *const words[] = {"GEN-UNIQUE",     "GEN-PASSWORD",	"GEN-SSH-PUB-KEY",
					    "GEN-GUID",	      "GEN-KEYVAULT-",	"GEN-VHDSTORAGE-",
					    "GEN-PASSPHRASE", "GEN-SELFSIGNED-"};
	for (size_t i = 0; text && i < sizeof words / sizeof *words; i++) {
		if (!strncmp(text, words[i], strlen(words[i])))
			return true;
	}
	return false;
}

static json_t *parameter_blank(const struct arm_eval *e, const char *name, const json_t *declared)
{
	const char *says = json_string_value(import_dig(declared, "metadata.description"));
	size_t n = says ? strcspn(says, "\r\n") : 0;
	return import_blank(e->im, name, "parameter %.60s%s%.*s", name, n ? ": " : "",
			    n > 90 ? 90 : (int)n, says ? says : "");
}

/* GET-PREREQ-name: an output of a template that was imported before this one. */
static json_t *prerequisite(const struct arm_eval *e, const char *text, const json_t *declared)
{
	const char *name = text + strlen("GET-PREREQ-");
	json_t *v = import_get(e->im->outputs, name);
	return v ? json_incref(v) : parameter_blank(e, name, declared);
}

/* A given value; *v is borrowed. */
static json_t *given_value(const struct arm_eval *e, const char *name, json_t *v,
			   const json_t *declared)
{
	const char *text = json_string_value(v), *type;
	char *end = NULL;
	if (text && !strncmp(text, "GET-PREREQ-", strlen("GET-PREREQ-")))
		return prerequisite(e, text, declared);
	if (is_placeholder(text))
		return parameter_blank(e, name, declared);
	type = json_string_value(import_get(declared, "type"));
	if (type && text && *text && !strcasecmp(type, "int")) {
		long long n = strtoll(text, &end, 10);
		if (!*end)
			return json_integer(n);
	}
	return json_incref(v);
}

/* Its default, evaluated where it stands. */
static json_t *default_value(const struct arm_eval *e, const struct arm_scope *s, const char *name,
			     const json_t *declared)
{
	json_t *given = import_get(declared, "defaultValue");
	const struct import_path list = {.up = s->template, .key = "parameters"};
	const struct import_path one = {.up = &list, .key = name};
	const struct import_path at = {.up = &one, .key = "defaultValue"};
	struct arm_eval inner = *e;
	inner.path = &at;
	inner.scope = s;
	inner.copies = NULL;
	return given ? arm_evaluate(&inner, given) : parameter_blank(e, name, declared);
}

static void note_value(const struct arm_eval *e, const char *name, const json_t *v,
		       const json_t *declared)
{
	size_t i;
	json_t *one, *allowed = import_get(declared, "allowedValues");
	if (!json_array_size(allowed) || import_is_blank(e->im, v) || json_is_array(v))
		return;
	json_array_foreach(allowed, i, one)
	{
		const char *a = json_string_value(one), *b = json_string_value(v);
		if (a && b ? !strcasecmp(a, b) : json_equal(one, v))
			return;
	}
	import_note(e->im, "parameter %.80s: its value is not among the allowedValues of %.200s",
		    name, e->scope->source ? e->scope->source->name : "the template");
}

json_t *arm_parameter(const struct arm_eval *e, const char *name)
{
	/* a nested template of outer scope sees those around it, and then its own */
	for (const struct arm_scope *s = e->scope; s; s = s->outer) {
		json_t *declared = import_dig(s->json, "parameters");
		json_t *v = known(s, 'p', name), *given = import_get(s->parameters, name);
		declared = import_get(declared, name);
		if (v)
			return v;
		if (!declared && !given)
			continue;
		struct arm_eval at = *e;
		at.scope = s;
		v = given ? given_value(&at, name, given, declared)
			  : default_value(&at, s, name, declared);
		if (v)
			note_value(e, name, v, declared);
		return remember(&at, 'p', name, v);
	}
	return arm_fail(e, "parameters: no parameter has the name '%.80s'", name);
}

/* The element of variables.copy that makes the variable. */
static json_t *copied_variable(const struct arm_scope *s, const char *name)
{
	size_t i;
	json_t *loop, *loops = import_dig(s->json, "variables.copy");
	json_array_foreach(loops, i, loop)
	{
		const char *text = json_string_value(import_get(loop, "name"));
		if (text && !strcasecmp(text, name))
			return loop;
	}
	return NULL;
}

static json_t *one_variable(const struct arm_eval *e, const struct arm_scope *s, const char *name,
			    const json_t *value, json_t *loop)
{
	const struct import_path list = {.up = s->template, .key = "variables"};
	const struct import_path at = {.up = &list, .key = loop ? "copy" : name};
	struct arm_eval inner = *e;
	inner.path = &at;
	inner.scope = s;
	inner.copies = NULL;
	if (!loop)
		return arm_evaluate(&inner, value);
	json_t *object = json_pack("{s:[O]}", "copy", loop), *v;
	json_t *computed = object ? arm_evaluate(&inner, object) : NULL;
	v = json_incref(import_get(computed, name));
	json_decref(computed);
	json_decref(object);
	return v;
}

json_t *arm_variable(const struct arm_eval *e, const char *name)
{
	for (const struct arm_scope *s = e->scope; s; s = s->outer) {
		json_t *v = known(s, 'v', name);
		json_t *value = import_get(import_get(s->json, "variables"), name);
		json_t *loop = value ? NULL : copied_variable(s, name);
		if (v)
			return v;
		if (!value && !loop)
			continue;
		struct arm_eval at = *e;
		at.scope = s;
		return remember(&at, 'v', name, one_variable(e, s, name, value, loop));
	}
	return arm_fail(e, "variables: no variable has the name '%.80s'", name);
}

static json_t *f_parameters(const struct arm_call *c)
{
	const char *name;
	return arm_text(c, 0, &name) ? arm_parameter(c->e, name) : NULL;
}

static json_t *f_variables(const struct arm_call *c)
{
	const char *name;
	return arm_text(c, 0, &name) ? arm_variable(c->e, name) : NULL;
}

/* copyIndex(), copyIndex(offset), copyIndex('loop'), copyIndex('loop', offset) */
static json_t *f_copy_index(const struct arm_call *c)
{
	const struct arm_copy *round = c->e->copies;
	const char *name = c->n ? json_string_value(c->args[0]) : NULL;
	json_int_t offset = 0;
	if (c->n > (name ? 1u : 0u) && !arm_number(c, name ? 1 : 0, &offset))
		return NULL;
	while (name && round && strcasecmp(round->name, name) != 0)
		round = round->up;
	if (!round)
		return arm_fail(c->e, "%s: there is no such copy loop here", c->name);
	if (__builtin_add_overflow(round->index, offset, &offset))
		return arm_fail(c->e, "%s: the offset is too large", c->name);
	return json_integer(offset);
}

/* ---- where it is deployed ---- */

static json_t *location(const struct arm_eval *e)
{
	if (e->im->o->location)
		return json_string(e->im->o->location);
	return import_blank(e->im, "location", "location of the resource group");
}

static json_t *f_resource_group(const struct arm_call *c)
{
	char id[300];
	snprintf(id, sizeof id, "/subscriptions/%s/resourceGroups/%.200s", SUBSCRIPTION,
		 c->e->scope->group);
	return json_pack("{s:s,s:s,s:s,s:o,s:{},s:{s:s}}", "id", id, "name", c->e->scope->group,
			 "type", "Microsoft.Resources/resourceGroups", "location", location(c->e),
			 "tags", "properties", "provisioningState", "Succeeded");
}

static json_t *f_subscription(const struct arm_call *c)
{
	(void)c;
	return json_pack("{s:s,s:s,s:s,s:s}", "id", "/subscriptions/" SUBSCRIPTION,
			 "subscriptionId", SUBSCRIPTION, "tenantId", SUBSCRIPTION, "displayName",
			 "subscription");
}

static json_t *f_tenant(const struct arm_call *c)
{
	(void)c;
	return json_pack("{s:s,s:s}", "tenantId", SUBSCRIPTION, "displayName", "tenant");
}

static json_t *f_deployment(const struct arm_call *c)
{
	/* linked templates are looked for beside the file itself */
	const struct import_source *s = c->e->scope->source;
	return json_pack("{s:s,s:{s:{s:s},s:{s:s}}}", "name", c->e->scope->deployment, "properties",
			 "templateLink", "uri", s ? s->name : "", "template", "contentVersion",
			 "1.0.0.0");
}

static json_t *f_environment(const struct arm_call *c)
{
	json_t *blank = import_blank(c->e->im, "environment", "the cloud");
	return json_pack("{s:s,s:{s:s,s:O},s:{s:s,s:s,s:s,s:s,s:O},s:s,s:o}", "name", "AzureCloud",
			 "authentication", "loginEndpoint", "https://login.microsoftonline.com/",
			 ARM_RUNTIME, blank, "suffixes", "storage", "core.windows.net",
			 "sqlServerHostname", ".database.windows.net", "keyvaultDns",
			 ".vault.azure.net", "acrLoginServer", ".azurecr.io", ARM_RUNTIME, blank,
			 "resourceManager", "https://management.azure.com/", ARM_RUNTIME, blank);
}

/* ---- ids ---- */

/* "type/a/b" and names -> "/providers/type/name/a/name/b" behind what the text has. */
static bool put_id(const struct arm_call *c, unsigned first, struct import_text *out)
{
	const char *type;
	if (first >= c->n || !arm_text(c, first, &type))
		return false;
	const char *rest = strchr(type, '/');
	size_t space = rest ? (size_t)(rest - type) : strlen(type);
	import_text_put(out, "/providers/");
	import_text_add(out, type, space);
	for (unsigned i = first + 1; rest && rest[0] && rest[1]; i++) {
		const char *name;
		size_t n = 1 + strcspn(rest + 1, "/");
		if (i >= c->n) {
			arm_fail(c->e, "%s: expected a name for each part of the type %.100s",
				 c->name, type);
			return false;
		}
		if (!arm_text(c, i, &name))
			return false;
		import_text_add(out, rest, n);
		import_text_put(out, "/");
		import_text_put(out, name);
		rest += n;
	}
	return true;
}

static json_t *id_result(const struct arm_call *c, struct import_text *out, bool good)
{
	if (good)
		return arm_text_result(c->e, out);
	import_text_free(out);
	return arm_fail(c->e,
			"%s: expected a resource type such as "
			"'Microsoft.Network/virtualNetworks'",
			c->name);
}

/* resourceId([subscription], [group], type, name, …) */
static json_t *f_resource_id(const struct arm_call *c)
{
	struct import_text out = {0};
	unsigned first = 0;
	const char *text, *group = c->e->scope->group;
	while (first < c->n && first < 3 && (text = json_string_value(c->args[first])) &&
	       !strchr(text, '/'))
		first++;
	if (first)
		group = json_string_value(c->args[first - 1]);
	import_text_format(&out, "/subscriptions/%s/resourceGroups/",
			   first > 1 ? json_string_value(c->args[0]) : SUBSCRIPTION);
	import_text_put(&out, group);
	return id_result(c, &out, put_id(c, first, &out));
}

static json_t *f_subscription_resource_id(const struct arm_call *c)
{
	struct import_text out = {0};
	const char *text = json_string_value(c->args[0]);
	unsigned first = text && !strchr(text, '/') ? 1 : 0;
	import_text_put(&out, "/subscriptions/" SUBSCRIPTION);
	return id_result(c, &out, put_id(c, first, &out));
}

static json_t *f_tenant_resource_id(const struct arm_call *c)
{
	struct import_text out = {0};
	return id_result(c, &out, put_id(c, 0, &out));
}

static json_t *f_extension_resource_id(const struct arm_call *c)
{
	struct import_text out = {0};
	const char *of;
	if (!arm_text(c, 0, &of))
		return NULL;
	import_text_put(&out, of);
	return id_result(c, &out, put_id(c, 1, &out));
}

/* ---- state that only a cloud has ---- */

json_t *arm_runtime(const struct arm_eval *e, const json_t *v, json_t *blank)
{
	const char *key;
	json_t *one, *copy = json_object();
	json_object_foreach((json_t *)(uintptr_t)v, key, one)
	{
		if (!import_spend(e->im, 16) ||
		    json_object_set_new(copy, key,
					json_is_object(one) ? arm_runtime(e, one, blank)
							    : json_incref(one)))
			break;
	}
	json_object_set(copy, ARM_RUNTIME, blank);
	return copy;
}

/* The last name of an id or of "type/name". */
static const char *last_name(const char *id)
{
	const char *slash = strrchr(id, '/');
	return slash && slash[1] ? slash + 1 : id;
}

static json_t *deployment_state(const struct arm_call *c, const char *id)
{
	char *name = import_id_name(id, "microsoft.resources/deployments");
	json_t *outputs = import_get(c->e->im->deployments, name ? name : id);
	free(name);
	return outputs ? json_pack("{s:O}", "outputs", outputs) : NULL;
}

/* reference(id or name, [version], ['Full']) */
static json_t *f_reference(const struct arm_call *c)
{
	const char *id, *full = c->n > 2 ? json_string_value(c->args[2]) : NULL;
	if (!arm_text(c, 0, &id))
		return NULL;
	json_t *v = deployment_state(c, id);
	if (v)
		return v;
	json_t *blank =
		import_blank(c->e->im, last_name(id), "%s as it is deployed", last_name(id));
	const struct import_resource *r = import_find(c->e->im, id, NULL);
	if (!r || !blank || !arm_weigh(c->e, r->properties))
		return blank;
	v = arm_runtime(c->e, r->properties, blank);
	if (full && !strcasecmp(full, "Full")) {
		json_t *whole = json_pack("{s:o,s:O}", "properties", v, ARM_RUNTIME, blank);
		v = whole;
	}
	json_decref(blank);
	return v;
}

static json_t *f_list(const struct arm_call *c)
{
	const char *id = json_string_value(c->args[0]);
	return import_blank(c->e->im, c->name, "%s of %s", c->name,
			    last_name(id ? id : "a resource"));
}

static json_t *f_unknown(const struct arm_call *c)
{
	return import_blank(c->e->im, c->name, "what %s gives in a deployment", c->name);
}

const struct arm_function arm_deployment_functions[] = {
	{"parameters", 1, 1, true, f_parameters},
	{"variables", 1, 1, true, f_variables},
	{"copyIndex", 0, 2, false, f_copy_index},
	{"resourceGroup", 0, 0, true, f_resource_group},
	{"subscription", 0, 0, true, f_subscription},
	{"tenant", 0, 0, true, f_tenant},
	{"managementGroup", 0, 0, true, f_unknown},
	{"deployment", 0, 0, true, f_deployment},
	{"environment", 0, 0, true, f_environment},
	{"deployer", 0, 0, true, f_unknown},
	{"resourceId", 1, 100, true, f_resource_id},
	{"subscriptionResourceId", 1, 100, true, f_subscription_resource_id},
	{"tenantResourceId", 1, 100, true, f_tenant_resource_id},
	{"extensionResourceId", 2, 100, true, f_extension_resource_id},
	{"reference", 1, 3, true, f_reference},
	{"list*", 1, 3, true, f_list},
	{"providers", 1, 2, true, f_unknown},
	{"pickZones", 3, 5, true, f_unknown},
	{"newGuid", 0, 0, true, f_unknown},
	{"utcNow", 0, 1, true, f_unknown},
	{"dateTimeAdd", 2, 3, true, f_unknown},
	{0},
};
