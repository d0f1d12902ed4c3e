/* SPDX-License-Identifier: Apache-2.0 */
/* The resources of an import: kept by type, group and name; found by the ids that others have. */
#include "control/import_internal.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

bool import_is_carried(const char *type)
{
	static const char *const types[] = {
		"virtualNetworks",
		"virtualNetworks/subnets",
		"virtualNetworks/virtualNetworkPeerings",
		"virtualNetworkGateways",
		"localNetworkGateways",
		"connections",
		"publicIPAddresses",
		"routeTables",
		"routeTables/routes",
		"expressRouteCircuits",
		"expressRouteCircuits/peerings",
	};
	static const char space[] = "microsoft.network/";
	if (strncasecmp(type, space, strlen(space)) != 0)
		return false;
	for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
		if (!strcasecmp(type + strlen(space), types[i]))
			return true;
	}
	return false;
}

/* "…/TYPE/NAME…" -> NAME behind the first TYPE at or behind `id`; NULL: there is none. */
static const char *segment(const char *id, const char *type, size_t type_len, size_t *len)
{
	for (const char *p = strchr(id, '/'); p; p = strchr(p + 1, '/')) {
		if (strncasecmp(p + 1, type, type_len) != 0 || p[1 + type_len] != '/')
			continue;
		const char *name = p + type_len + 2;
		*len = strcspn(name, "/");
		return *len ? name : NULL;
	}
	return NULL;
}

char *import_id_name(const char *id, const char *type)
{
	struct import_text out = {0};
	const char *rest = strchr(type, '/');
	while (rest && *rest && rest[1] && id) {
		size_t n = strcspn(rest + 1, "/"), len = 0;
		const char *name = segment(id, rest + 1, n, &len);
		if (name) {
			import_text_add(&out, "/", out.len ? 1 : 0);
			import_text_add(&out, name, len);
		}
		id = name;
		rest += n + 1;
	}
	if (id && out.at && !out.failed)
		return out.at;
	import_text_free(&out);
	return NULL;
}

/* Whether the id says another resource group than the resource's. */
static bool is_elsewhere(const char *id, const struct import_resource *r)
{
	size_t len = 0;
	const char *group = segment(id, "resourceGroups", strlen("resourceGroups"), &len);
	return group && (strlen(r->group) != len || strncasecmp(group, r->group, len) != 0);
}

/* The names that an id of the type has; of a text without slashes, itself. */
static char *wanted_name(const char *id, const char *type)
{
	return strchr(id, '/') ? import_id_name(id, type) : strdup(id);
}

static bool is_named(const struct import_resource *r, const char *id, const char *name)
{
	const char *last = strrchr(r->name, '/');
	return !strcasecmp(name, r->name) ||
	       (!strchr(id, '/') && last && !strcasecmp(name, last + 1));
}

/* The last one that came, but one of the same group before all others. */
static struct import_resource *better(const char *id, struct import_resource *found,
				      struct import_resource *r)
{
	return !found || (is_elsewhere(id, found) && !is_elsewhere(id, r)) ? r : found;
}

struct import_resource *import_find(struct import *im, const char *id, const char *type)
{
	struct import_resource *found = NULL;
	if (!id || !import_spend(im, im->n_resources + strlen(id)))
		return NULL;
	char *name = type ? wanted_name(id, type) : NULL;
	for (unsigned i = im->n_resources; i-- > 0 && (name || !type);) {
		struct import_resource *r = &im->resources[i];
		char *own = type ? NULL : wanted_name(id, r->type);
		const char *this = type ? name : own;
		if (this && (!type || !strcasecmp(type, r->type)) && is_named(r, id, this))
			found = better(id, found, r);
		free(own);
	}
	free(name);
	return found;
}

static bool is_same(const struct import_resource *r, const char *type, const char *name,
		    const char *group)
{
	return !strcasecmp(r->type, type) && !strcasecmp(r->name, name) &&
	       !strcasecmp(r->group, group);
}

/* As a second deployment does: what it says replaces what was said before. */
static struct import_resource *replace(struct import *im, struct import_resource *r,
				       const char *file, json_t *properties, json_t *sku)
{
	if (!json_equal(r->properties, properties))
		import_note(im, "%.100s %.100s: that of %.100s replaces that of %.100s",
			    r->shown_type, r->name, file, r->file);
	json_decref(r->properties);
	json_decref(r->sku);
	r->properties = properties;
	r->sku = sku;
	r->file = file;
	return r;
}

struct import_resource *import_add(struct import *im, const char *type, const char *name,
				   const char *group, const char *file, json_t *properties,
				   json_t *sku)
{
	import_spend(im, im->n_resources / 8 + 1);
	for (unsigned i = 0; i < im->n_resources; i++) {
		if (is_same(&im->resources[i], type, name, group))
			return replace(im, &im->resources[i], file, properties, sku);
	}
	if (im->n_resources >= IMPORT_MAX_RESOURCES)
		import_fail(im, -E2BIG, "more than %u resources", IMPORT_MAX_RESOURCES);
	if (im->n_resources == im->room_resources && !im->err) {
		unsigned room = im->room_resources ? im->room_resources * 2 : 32;
		struct import_resource *grown = reallocarray(im->resources, room, sizeof *grown);
		if (!grown)
			import_no_memory(im);
		im->resources = grown ? grown : im->resources;
		im->room_resources = grown ? room : im->room_resources;
	}
	if (im->err) {
		json_decref(properties);
		json_decref(sku);
		return NULL;
	}
	struct import_resource *r = &im->resources[im->n_resources++];
	*r = (struct import_resource){.type = strdup(type),
				      .shown_type = strdup(type),
				      .name = strdup(name),
				      .group = strdup(group),
				      .file = file,
				      .properties = properties,
				      .sku = sku};
	for (char *p = r->type; p && *p; p++)
		*p = (char)tolower((unsigned char)*p);
	if (!r->type || !r->shown_type || !r->name || !r->group)
		import_no_memory(im);
	return im->err ? NULL : r;
}
