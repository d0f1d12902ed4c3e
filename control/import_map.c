/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Resources -> configuration. First everything that is only referred to becomes a resource of
 * blanks, then every resource gets a name, then each is written down.
 */
#include "control/import_map_internal.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- values ---- */

void map_set(struct import *im, json_t *object, const char *name, json_t *value)
{
	if (!value || json_is_null(value)) {
		json_decref(value);
		return;
	}
	if (json_object_set_new(object, name, value))
		import_no_memory(im);
}

void map_append(struct import *im, json_t *list, json_t *value)
{
	if (value && json_array_append_new(list, value))
		import_no_memory(im);
}

json_t *map_object(struct import *im)
{
	json_t *v = json_object();
	return v ? v : import_no_memory(im);
}

json_t *map_list(struct import *im)
{
	json_t *v = json_array();
	return v ? v : import_no_memory(im);
}

/* A scalar; of anything else its text, which no property takes. */
static json_t *as_scalar(const json_t *v)
{
	if (!json_is_object(v) && !json_is_array(v))
		return json_incref((json_t *)(uintptr_t)v);
	char *shown = json_dumps(v, JSON_COMPACT);
	json_t *text = json_string(shown ? shown : "");
	free(shown);
	return text;
}

json_t *map_boolean(const json_t *v)
{
	const char *text = json_string_value(v);
	if (text && (!strcasecmp(text, "true") || !strcasecmp(text, "false")))
		return json_boolean(!strcasecmp(text, "true"));
	return json_is_null(v) ? NULL : as_scalar(v);
}

json_t *map_number(const json_t *v)
{
	const char *text = json_string_value(v);
	char *end = NULL;
	long long n = text && *text ? strtoll(text, &end, 10) : 0;
	if (end && !*end)
		return json_integer(n);
	if (json_is_real(v))
		return json_integer(json_real_value(v) > 0 && json_real_value(v) < 1e10
					    ? (json_int_t)json_real_value(v)
					    : 0);
	return (text && !*text) || json_is_null(v) ? NULL : as_scalar(v);
}

json_t *map_text(const json_t *v)
{
	return json_is_string(v) && json_string_length(v) ? json_incref((json_t *)(uintptr_t)v)
							  : NULL;
}

json_t *map_word(enum schema_property p, const json_t *v)
{
	char word[HINT_TEXT];
	const char *text = json_string_value(v);
	for (unsigned i = 0; text && schema_nth_word(schema_row(p)->detail, i, word); i++) {
		if (!strcasecmp(word, text))
			return json_string(word);
	}
	return map_text(v);
}

json_t *map_prefix(struct import *im, const struct import_resource *r, const json_t *v)
{
	struct ip_prefix p;
	char shown[PREFIX_TEXT];
	const char *text = json_string_value(v);
	if (!text || !*text || import_is_blank(im, v) || ip_prefix_parse(&p, text))
		return map_text(v);
	if (!ip_prefix_is_canonical(&p))
		import_note(im, "%.100s %.100s: prefix %.60s: taken without its host bits",
			    r->shown_type, r->name, text);
	p = ip_prefix_canonical(p);
	return json_string(ip_prefix_format(&p, shown));
}

json_t *map_prefixes(struct import *im, const struct import_resource *r, const json_t *list)
{
	size_t i;
	json_t *v, *out = map_list(im);
	if (json_is_string(list)) /* the whole list is not known */
		map_append(im, out, map_prefix(im, r, list));
	json_array_foreach((json_t *)(uintptr_t)list, i, v)
		map_append(im, out, map_prefix(im, r, v));
	return out;
}

/* Letters, digits, '.', '_', '-', at most 63, not '-' or '.' in front; NULL without memory. */
static char *plain_name(const struct import *im, const char *text)
{
	char *name = import_with_labels(im, text);
	size_t n = 0;
	for (char *p = name; p && *p && n < 63; p++) {
		bool good = isalnum((unsigned char)*p) || strchr("._-", *p);
		if (n || (good && *p != '-' && *p != '.'))
			name[n++] = good ? *p : '-';
	}
	if (name)
		name[n] = 0;
	return name && !n ? (free(name), strdup("unnamed")) : name;
}

json_t *map_name(struct import *im, const char *text)
{
	char *name = plain_name(im, text);
	json_t *v = name ? json_string(name) : NULL;
	free(name);
	return v ? v : import_no_memory(im);
}

/* ---- references ---- */

const char *map_id(const json_t *properties, const char *names)
{
	return json_string_value(import_dig(properties, names));
}

/* An id that names nothing of the type: the name that the referred resource gets. */
static char *name_in_id(const char *id, const char *type)
{
	char *name = import_id_name(id, type);
	if (name)
		return name;
	size_t n = strcspn(id, "/");
	return n ? strndup(id, n) : strdup("unnamed");
}

json_t *map_reference(struct import *im, const char *id, const char *type)
{
	char *name = id ? name_in_id(id, type) : NULL;
	const struct import_resource *r = name ? import_find(im, id, type) : NULL;
	/* of an id without a type only the name is known */
	if (!r && name)
		r = import_find(im, name, type);
	free(name);
	return r && r->out_name ? json_string(r->out_name) : NULL;
}

/* A resource for an id that no template deploys. */
static void want(struct import *im, const char *id, const char *type, const char *shown,
		 const char *file)
{
	if (!id || !*id || import_find(im, id, type))
		return;
	char *name = name_in_id(id, type), *group = import_id_name(id, "x/resourceGroups");
	json_t *properties = map_object(im);
	if (!name || im->err || import_find(im, name, type)) {
		free(name);
		free(group);
		json_decref(properties);
		return;
	}
	if (!strcmp(type, T_GATEWAY) && properties) {
		/* it is in some virtual network, of which as little is known */
		char subnet[256];
		snprintf(subnet, sizeof subnet,
			 "/virtualNetworks/%.150s-vnet/subnets/GatewaySubnet", name);
		map_set(im, properties, "ipConfigurations",
			json_pack("[{s:{s:{s:s}}}]", "properties", "subnet", "id", subnet));
	}
	struct import_resource *r =
		import_add(im, shown, name, group ? group : "elsewhere", file, properties, NULL);
	if (r)
		r->missing = true;
	free(name);
	free(group);
}

static void want_parent(struct import *im, unsigned i, const char *type, const char *shown)
{
	const struct import_resource *r = &im->resources[i];
	const char *slash = strchr(r->name, '/');
	char *name = strndup(r->name, slash ? (size_t)(slash - r->name) : strlen(r->name));
	if (!name)
		import_no_memory(im);
	else
		want(im, name, type, shown, r->file);
	free(name);
}

static void want_tables(struct import *im, const json_t *subnets, const char *file)
{
	size_t k;
	json_t *v;
	json_array_foreach((json_t *)(uintptr_t)subnets, k, v)
		want(im, map_id(v, "properties.routeTable.id"), T_TABLE,
		     "Microsoft.Network/routeTables", file);
}

static void want_peers(struct import *im, const json_t *peerings, const char *file)
{
	size_t k;
	json_t *v;
	json_array_foreach((json_t *)(uintptr_t)peerings, k, v)
		want(im, map_id(v, "properties.remoteVirtualNetwork.id"), T_VNET,
		     "Microsoft.Network/virtualNetworks", file);
}

static void want_of_gateway(struct import *im, const json_t *p, const char *file)
{
	size_t k;
	json_t *v;
	json_array_foreach(import_get(p, "ipConfigurations"), k, v)
		want(im, map_id(v, "properties.subnet.id"), T_VNET,
		     "Microsoft.Network/virtualNetworks", file);
	want(im, map_id(p, "gatewayDefaultSite.id"), T_SITE,
	     "Microsoft.Network/localNetworkGateways", file);
}

static void want_of_connection(struct import *im, const json_t *p, const char *file)
{
	static const char shown[] = "Microsoft.Network/virtualNetworkGateways";
	const char *type = map_id(p, "connectionType");
	const char *near = map_id(p, "virtualNetworkGateway1.id");
	bool is_new = near && !import_find(im, near, T_GATEWAY);
	want(im, near, T_GATEWAY, shown, file);
	/* want() adds at the end */
	if (is_new && !im->err && type && !strcasecmp(type, "ExpressRoute") &&
	    im->resources[im->n_resources - 1].missing)
		map_set(im, im->resources[im->n_resources - 1].properties, "gatewayType",
			json_string("ExpressRoute"));
	want(im, map_id(p, "virtualNetworkGateway2.id"), T_GATEWAY, shown, file);
	want(im, map_id(p, "localNetworkGateway2.id"), T_SITE,
	     "Microsoft.Network/localNetworkGateways", file);
	want(im, map_id(p, "peer.id"), T_CIRCUIT, "Microsoft.Network/expressRouteCircuits", file);
}

/* What resource i refers to; the array of resources may move. */
static void want_of(struct import *im, unsigned i)
{
	const char *type = im->resources[i].type, *file = im->resources[i].file;
	const json_t *p = im->resources[i].properties;
	if (!strcmp(type, T_SUBNET) || !strcmp(type, T_PEERING)) {
		want_parent(im, i, T_VNET, "Microsoft.Network/virtualNetworks");
		want(im, map_id(p, "routeTable.id"), T_TABLE, "Microsoft.Network/routeTables",
		     file);
		want(im, map_id(p, "remoteVirtualNetwork.id"), T_VNET,
		     "Microsoft.Network/virtualNetworks", file);
	} else if (!strcmp(type, T_ROUTE)) {
		want_parent(im, i, T_TABLE, "Microsoft.Network/routeTables");
	} else if (!strcmp(type, T_CIRCUIT_PEER)) {
		want_parent(im, i, T_CIRCUIT, "Microsoft.Network/expressRouteCircuits");
	} else if (!strcmp(type, T_VNET)) {
		want_tables(im, import_get(p, "subnets"), file);
		want_peers(im, import_get(p, "virtualNetworkPeerings"), file);
	} else if (!strcmp(type, T_GATEWAY)) {
		want_of_gateway(im, p, file);
	} else if (!strcmp(type, T_CONNECTION)) {
		want_of_connection(im, p, file);
	}
}

/* ---- names ---- */

static bool is_named_here(const char *type)
{
	return !strcmp(type, T_VNET) || !strcmp(type, T_TABLE) || !strcmp(type, T_GATEWAY) ||
	       !strcmp(type, T_SITE) || !strcmp(type, T_CONNECTION) || !strcmp(type, T_CIRCUIT);
}

/* Unique among its kind: a number behind the name of a later one. */
static void give_name(struct import *im, json_t *taken, struct import_resource *r)
{
	char *name = plain_name(im, r->name), *unique = NULL;
	json_t *of_type = json_object_get(taken, r->type);
	if (!of_type && !json_object_set_new(taken, r->type, json_object()))
		of_type = json_object_get(taken, r->type);
	if (name && of_type && !json_object_get(of_type, name))
		unique = strdup(name);
	for (unsigned k = 2; name && of_type && !unique && import_spend(im, 16); k++) {
		if (asprintf(&unique, "%.56s-%u", name, k) < 0)
			unique = NULL;
		if (!unique)
			break;
		if (json_object_get(of_type, unique)) {
			free(unique);
			unique = NULL;
		}
	}
	if (unique && import_blank_in(im, r->name))
		import_note(im, "%.100s %.100s: its name is not known; it is called %s here",
			    r->shown_type, r->name, unique);
	else if (unique && strcmp(unique, r->name) != 0)
		import_note(im, "%.100s %.100s: is called %s here", r->shown_type, r->name, unique);
	free(name);
	r->out_name = unique;
	if (!unique || json_object_set_new(of_type, unique, json_true()))
		import_no_memory(im);
}

/* ---- notes ---- */

void map_note(struct import *im, const struct import_resource *r, const char *property,
	      const char *why)
{
	import_note(im, "%.100s %.100s: %.100s: %s", r->shown_type, r->name, property, why);
}

static bool says_nothing(const json_t *v)
{
	const char *text = json_string_value(v);
	return json_is_null(v) || json_is_false(v) ||
	       (text && (!*text || !strcasecmp(text, "false") || !strcasecmp(text, "Disabled"))) ||
	       (json_is_array(v) && !json_array_size(v)) ||
	       (json_is_object(v) && !json_object_size(v));
}

static bool is_among(const char *words, const char *word)
{
	size_t len = strlen(word);
	for (; *words; words += strspn(words, " ")) {
		size_t n = strcspn(words, " ");
		if (n == len && !strncasecmp(words, word, n))
			return true;
		words += n;
	}
	return false;
}

void map_note_rest(struct import *im, const struct import_resource *r, const json_t *properties,
		   const char *known)
{
	const char *key;
	json_t *v;
	json_object_foreach((json_t *)(uintptr_t)properties, key, v)
	{
		if (!is_among(known, key) && !is_among("provisioningState resourceGuid", key) &&
		    !says_nothing(v))
			map_note(im, r, key, "not carried over: it has no meaning here");
	}
}

const struct import_resource *map_child(const struct import *im, const struct import_resource *of,
					const char *type, unsigned *i)
{
	size_t n = strlen(of->name);
	for (; *i < im->n_resources; ++*i) {
		const struct import_resource *r = &im->resources[*i];
		if (!strcmp(r->type, type) && !strncasecmp(r->name, of->name, n) &&
		    r->name[n] == '/')
			return &im->resources[(*i)++];
	}
	return NULL;
}

const char *map_own_name(const struct import_resource *r)
{
	const char *slash = strrchr(r->name, '/');
	return slash ? slash + 1 : r->name;
}

/* ---- the whole ---- */

static json_t *circuit_port(struct import *im, const char *name, const char *what)
{
	return json_pack("{s:s,s:o,s:s}", "name", name, "device",
			 import_blank(im, "device", "network device that %s comes in by", what),
			 "role", "circuit");
}

static json_t *host(struct import *im, bool circuits)
{
	json_t *ports = json_pack(
		"[{s:s,s:o,s:s},{s:s,s:o,s:s}]", "name", "wan0", "device",
		import_blank(im, "device", "network device on the Internet's side"), "role",
		"uplink", "name", "lan0", "device",
		import_blank(im, "device", "network device on the virtual networks' side"), "role",
		"vnet");
	if (circuits)
		map_append(im, ports, circuit_port(im, "er0", "the circuit"));
	if (circuits && map_has_second_link(im))
		map_append(im, ports, circuit_port(im, "er1", "the circuit's second link"));
	return json_pack("{s:s,s:o}", "#host", "this machine, of which no template tells", "ports",
			 ports);
}

static bool has_type(const struct import *im, const char *type)
{
	for (unsigned i = 0; i < im->n_resources; i++) {
		if (!strcmp(im->resources[i].type, type))
			return true;
	}
	return false;
}

/* Whether a gateway that is not here is the near end of a connection: then it is to be here. */
static bool is_near_end(struct import *im, const struct import_resource *gateway)
{
	for (unsigned i = 0; i < im->n_resources; i++) {
		const struct import_resource *c = &im->resources[i];
		if (!strcmp(c->type, T_CONNECTION) &&
		    import_find(im, map_id(c->properties, "virtualNetworkGateway1.id"),
				T_GATEWAY) == gateway)
			return true;
	}
	return false;
}

/* A public address is carried over as its gateway's. */
static void note_address(struct import *im, const struct import_resource *address)
{
	for (unsigned i = 0; i < im->n_resources; i++) {
		size_t k;
		json_t *v;
		if (strcmp(im->resources[i].type, T_GATEWAY) != 0)
			continue;
		json_array_foreach(import_get(im->resources[i].properties, "ipConfigurations"), k,
				   v)
		{
			const char *id = map_id(v, "properties.publicIPAddress.id");
			if (id && import_find(im, id, T_PUBLIC) == address)
				return;
		}
	}
	import_note(im, "%.100s %.100s: left out: no gateway has it", address->shown_type,
		    address->name);
}

static const char missing_note[] = "referred to, but not in the files: fill it in, or import its "
				   "template together with these";

static void place(struct import *im, json_t *root, const struct import_resource *r,
		  unsigned *next_id)
{
	const char *list = NULL;
	json_t *v = NULL;
	if (!strcmp(r->type, T_VNET)) {
		list = "virtualNetworks";
		v = map_vnet(im, r, (*next_id)++);
	} else if (!strcmp(r->type, T_TABLE)) {
		list = "routeTables";
		v = map_table(im, r);
	} else if (!strcmp(r->type, T_GATEWAY)) {
		bool near = !r->missing || is_near_end(im, r);
		list = near ? "virtualNetworkGateways" : "remoteGateways";
		v = near ? map_gateway(im, r) : map_remote(im, r);
	} else if (!strcmp(r->type, T_SITE)) {
		list = "localNetworkGateways";
		v = map_site(im, r);
	} else if (!strcmp(r->type, T_CIRCUIT)) {
		list = "expressRouteCircuits";
		v = map_circuit(im, r);
	} else if (!strcmp(r->type, T_CONNECTION)) {
		list = "connections";
		v = map_connection(im, r);
	} else if (!strcmp(r->type, T_PUBLIC)) {
		note_address(im, r);
	}
	if (!v)
		return;
	if (r->missing)
		map_set(im, v, "#missing", json_string(missing_note));
	map_append(im, json_object_get(root, list), v);
}

static json_t *empty_configuration(struct import *im)
{
	static const char *const lists[] = {
		"virtualNetworks",	"routeTables", "virtualNetworkGateways",
		"localNetworkGateways", "connections", "remoteGateways",
		"expressRouteCircuits"};
	json_t *root = map_object(im);
	map_set(im, root, "host", host(im, has_type(im, T_CIRCUIT)));
	for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
		map_set(im, root, lists[i], map_list(im));
	return root;
}

static const char *word(const json_t *of, const char *name)
{
	const char *text = json_string_value(json_object_get(of, name));
	return text ? text : "";
}

static bool is_pair(const json_t *a, const json_t *b)
{
	return !strcmp(word(b, "connectionType"), "Vnet2Vnet") &&
	       !strcmp(word(a, "virtualNetworkGateway1"), word(b, "virtualNetworkGateway2")) &&
	       !strcmp(word(a, "virtualNetworkGateway2"), word(b, "virtualNetworkGateway1"));
}

static bool has_named(struct import *im, const json_t *list, const char *name)
{
	size_t i;
	json_t *v;
	if (!import_spend(im, json_array_size(list)))
		return true;
	json_array_foreach((json_t *)(uintptr_t)list, i, v)
	{
		if (!strcmp(word(v, "name"), name))
			return true;
	}
	return false;
}

/* The same from the other side. */
static json_t *mirrored(struct import *im, const json_t *connections, const json_t *c)
{
	char name[80];
	json_t *back = json_deep_copy(c);
	snprintf(name, sizeof name, "%.50s-back", word(c, "name"));
	for (unsigned k = 2; has_named(im, connections, name) && !im->err; k++)
		snprintf(name, sizeof name, "%.50s-back-%u", word(c, "name"), k);
	map_set(im, back, "name", json_string(name));
	map_set(im, back, "virtualNetworkGateway1", json_string(word(c, "virtualNetworkGateway2")));
	map_set(im, back, "virtualNetworkGateway2", json_string(word(c, "virtualNetworkGateway1")));
	map_set(im, back, "#missing",
		json_string("in no template: the other side of the connection between two gateways "
			    "of this file"));
	import_note(im,
		    "Microsoft.Network/connections %s: the other side of %s is added: each of "
		    "the two gateways has its own",
		    name, word(c, "name"));
	return back;
}

/* Of a pair of gateways that are both here each needs its own connection. */
static void add_other_sides(struct import *im, json_t *root)
{
	json_t *all = json_object_get(root, "connections");
	const json_t *gateways = json_object_get(root, "virtualNetworkGateways");
	size_t n = json_array_size(all);
	for (size_t i = 0; i < n && import_spend(im, n); i++) {
		const json_t *c = json_array_get(all, i);
		bool found = strcmp(word(c, "connectionType"), "Vnet2Vnet") != 0 ||
			     !has_named(im, gateways, word(c, "virtualNetworkGateway2"));
		for (size_t k = 0; k < n && !found; k++)
			found = is_pair(c, json_array_get(all, k));
		if (!found && !im->err)
			map_append(im, all, mirrored(im, all, c));
	}
}

/* The VNet of a gateway that is far away is not one of this host. */
static bool is_far_vnet(struct import *im, const struct import_resource *vnet)
{
	bool used = false;
	for (unsigned i = 0; vnet->missing && i < im->n_resources; i++) {
		const struct import_resource *g = &im->resources[i];
		const json_t *first =
			json_array_get(import_get(g->properties, "ipConfigurations"), 0);
		if (strcmp(g->type, T_GATEWAY) != 0 ||
		    import_find(im, map_id(first, "properties.subnet.id"), T_VNET) != vnet)
			continue;
		if (!g->missing || is_near_end(im, g))
			return false;
		used = true;
	}
	return used;
}

json_t *import_map(struct import *im)
{
	unsigned next_id = 1001;
	json_t *taken = map_object(im);
	for (unsigned i = 0; i < im->n_resources && !im->err; i++)
		want_of(im, i);
	for (unsigned i = 0; i < im->n_resources && !im->err; i++) {
		if (is_named_here(im->resources[i].type))
			give_name(im, taken, &im->resources[i]);
	}
	json_decref(taken);
	if (im->err)
		return NULL;
	json_t *root = empty_configuration(im);
	for (unsigned i = 0; i < im->n_resources && !im->err; i++) {
		if (strcmp(im->resources[i].type, T_VNET) != 0 ||
		    !is_far_vnet(im, &im->resources[i]))
			place(im, root, &im->resources[i], &next_id);
	}
	add_other_sides(im, root);
	if (!im->err)
		return root;
	json_decref(root);
	return NULL;
}
