/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The classic network configuration (XML, namespace …/ServiceHosting/2011/07/NetworkConfiguration):
 * sites and virtual networks with their gateways become the resources that a template would have.
 * Elements are taken in any order, since published files have all of them. Nothing but the text is
 * read: no entities, no document type, no network.
 */
#include "control/import_internal.h"

#include <errno.h>
#include <libxml/parser.h>
#include <libxml/tree.h>
#include <libxml/xmlerror.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define GROUP "classic"

struct netcfg {
	struct import *im;
	const char *file;
	const xmlNode *vnets; /* VirtualNetworkSites */
	const xmlNode *dns;   /* DnsServers */
};

static const char *name_of(const xmlNode *n)
{
	return (const char *)n->name;
}

static bool is_element(const xmlNode *n, const char *name)
{
	return n->type == XML_ELEMENT_NODE && !strcasecmp(name_of(n), name);
}

static const xmlNode *child(const xmlNode *of, const char *name)
{
	for (const xmlNode *n = of ? of->children : NULL; n; n = n->next) {
		if (is_element(n, name))
			return n;
	}
	return NULL;
}

/* NULL: there is none. From malloc. */
static char *attribute(const xmlNode *n, const char *name)
{
	for (const xmlAttr *a = n ? n->properties : NULL; a; a = a->next) {
		const xmlNode *text = a->children;
		if (!strcasecmp((const char *)a->name, name) && text && text->content)
			return strdup((const char *)text->content);
	}
	return NULL;
}

static json_t *content(const xmlNode *n)
{
	const char *text = n && n->children && n->children->type == XML_TEXT_NODE
				   ? (const char *)n->children->content
				   : NULL;
	if (!text)
		return NULL;
	text += strspn(text, " \t\r\n");
	size_t len = strlen(text);
	while (len && strchr(" \t\r\n", text[len - 1]))
		len--;
	return json_stringn(text, len);
}

/* The prefixes of AddressSpace, VPNClientAddressPool, Subnet. */
static json_t *prefixes(const xmlNode *of)
{
	json_t *list = json_array();
	for (const xmlNode *n = of ? of->children : NULL; n; n = n->next) {
		json_t *v = is_element(n, "AddressPrefix") ? content(n) : NULL;
		if (v)
			json_array_append_new(list, v);
	}
	return list;
}

static void note(const struct netcfg *c, const xmlNode *n, const char *what, const char *why)
{
	import_note(c->im, "%.80s %.100s: %s (%.100s:%ld)", name_of(n), what, why, c->file,
		    xmlGetLineNo(n));
}

static void note_others(const struct netcfg *c, const xmlNode *of, const char *what,
			const char *const *known)
{
	for (const xmlNode *n = of ? of->children : NULL; n; n = n->next) {
		const char *const *k = known;
		if (n->type != XML_ELEMENT_NODE)
			continue;
		while (*k && strcasecmp(*k, name_of(n)) != 0)
			k++;
		if (!*k)
			note(c, n, what, "left out: it has no meaning here");
	}
}

static void add(const struct netcfg *c, const char *type, const char *name, json_t *properties)
{
	if (!properties) {
		import_no_memory(c->im);
		return;
	}
	struct import_resource *r = import_add(c->im, type, name, GROUP, c->file, properties, NULL);
	if (r)
		r->classic = true;
}

/* A name in an id: no slash. */
static char *plain(char *name)
{
	for (char *p = name; p && *p; p++)
		*p = *p == '/' || (unsigned char)*p < 0x20 ? '-' : *p;
	return name;
}

static char *id_of(const char *type, const char *name, const char *rest)
{
	char *id;
	return asprintf(&id, "/resourceGroups/" GROUP "/%s/%s%s", type, name, rest) < 0 ? NULL : id;
}

static json_t *reference(const char *type, const char *name, const char *rest)
{
	char *id = id_of(type, name, rest);
	json_t *v = id ? json_pack("{s:s}", "id", id) : NULL;
	free(id);
	return v;
}

/* ---- sites ---- */

static bool refers_to_circuit(const xmlNode *vnet, const char *name)
{
	const xmlNode *list = child(child(vnet, "Gateway"), "ConnectionsToLocalNetwork");
	for (const xmlNode *n = list ? list->children : NULL; n; n = n->next) {
		char *own =
			is_element(n, "LocalNetworkSiteRef") ? plain(attribute(n, "name")) : NULL;
		char *type = own ? attribute(child(n, "Connection"), "type") : NULL;
		bool found = own && type && !strcmp(own, name) && !strcasecmp(type, "Dedicated");
		free(own);
		free(type);
		if (found)
			return true;
	}
	return false;
}

/* A site behind a circuit: no tunnel goes there. */
static bool is_behind_circuit(const struct netcfg *c, const char *name)
{
	for (const xmlNode *n = c->vnets ? c->vnets->children : NULL; n; n = n->next) {
		if (import_spend(c->im, 64) && refers_to_circuit(n, name))
			return true;
	}
	return false;
}

static void site(const struct netcfg *c, const xmlNode *n)
{
	static const char *const known[] = {"AddressSpace", "VPNGatewayAddress", NULL};
	char *name = plain(attribute(n, "name"));
	if (!name) {
		note(c, n, "", "left out: it has no name");
		return;
	}
	if (is_behind_circuit(c, name)) {
		note(c, n, name,
		     "is a circuit here; its prefixes are not carried over, BGP tells them");
		free(name);
		return;
	}
	json_t *address = content(child(n, "VPNGatewayAddress"));
	add(c, "Microsoft.Network/localNetworkGateways", name,
	    json_pack("{s:o,s:{s:o}}", "gatewayIpAddress", address ? address : json_null(),
		      "localNetworkAddressSpace", "addressPrefixes",
		      prefixes(child(n, "AddressSpace"))));
	note_others(c, n, name, known);
	free(name);
}

/* ---- virtual networks ---- */

static json_t *subnets(const struct netcfg *c, const xmlNode *of)
{
	json_t *list = json_array();
	for (const xmlNode *n = of ? of->children : NULL; n; n = n->next) {
		char *name = is_element(n, "Subnet") ? plain(attribute(n, "name")) : NULL;
		json_t *all = name ? prefixes(n) : NULL;
		if (name)
			json_array_append_new(list,
					      json_pack("{s:s,s:{s:o}}", "name", name, "properties",
							"addressPrefixes", all));
		else if (is_element(n, "Subnet"))
			note(c, n, "", "left out: it has no name");
		free(name);
	}
	return list;
}

static void circuit_connection(const struct netcfg *c, const char *name, const char *gateway,
			       const char *site_name)
{
	add(c, "Microsoft.Network/connections", name,
	    json_pack("{s:s,s:o,s:o}", "connectionType", "ExpressRoute", "virtualNetworkGateway1",
		      reference("virtualNetworkGateways", gateway, ""), "peer",
		      reference("expressRouteCircuits", site_name, "")));
}

static void connection(const struct netcfg *c, const xmlNode *n, const char *vnet,
		       const char *gateway)
{
	char *site_name = plain(attribute(n, "name")), *name = NULL;
	char *type = attribute(child(n, "Connection"), "type");
	if (!site_name || asprintf(&name, "%s-%s", vnet, site_name) < 0)
		note(c, n, vnet, "left out: it has no name");
	else if (type && !strcasecmp(type, "Dedicated"))
		circuit_connection(c, name, gateway, site_name);
	else
		add(c, "Microsoft.Network/connections", name,
		    json_pack("{s:s,s:o,s:o}", "connectionType", "IPsec", "virtualNetworkGateway1",
			      reference("virtualNetworkGateways", gateway, ""),
			      "localNetworkGateway2",
			      reference("localNetworkGateways", site_name, "")));
	free(site_name);
	free(type);
	if (name)
		free(name);
}

/* Whether the only connections are those of a circuit. */
static bool is_dedicated(const xmlNode *connections)
{
	bool any = false;
	for (const xmlNode *n = connections ? connections->children : NULL; n; n = n->next) {
		char *type = is_element(n, "LocalNetworkSiteRef")
				     ? attribute(child(n, "Connection"), "type")
				     : NULL;
		bool dedicated = type && !strcasecmp(type, "Dedicated");
		free(type);
		if (is_element(n, "LocalNetworkSiteRef") && !dedicated)
			return false;
		any = any || dedicated;
	}
	return any;
}

/* profile: sizes before there were SKUs */
static const char *sku_of(const struct netcfg *c, const xmlNode *n, const char *vnet)
{
	char *profile = attribute(n, "profile");
	const char *sku = NULL;
	if (profile && strcasecmp(profile, "Small") != 0 && strcasecmp(profile, "ExtraLarge") != 0)
		note(c, n, vnet, "its profile is not carried over: there are no such sizes here");
	else if (profile)
		sku = !strcasecmp(profile, "Small") ? "Basic" : "HighPerformance";
	free(profile);
	return sku;
}

static json_t *gateway_properties(const struct netcfg *c, const xmlNode *n, const char *vnet)
{
	const xmlNode *connections = child(n, "ConnectionsToLocalNetwork");
	const char *sku = sku_of(c, n, vnet);
	json_t *pool = prefixes(child(n, "VPNClientAddressPool"));
	json_t *p = json_pack("{s:[{s:{s:o}}],s:s}", "ipConfigurations", "properties", "subnet",
			      reference("virtualNetworks", vnet, "/subnets/GatewaySubnet"),
			      "gatewayType", is_dedicated(connections) ? "ExpressRoute" : "Vpn");
	if (sku && p)
		json_object_set_new(p, "sku", json_pack("{s:s}", "name", sku));
	if (json_array_size(pool) && p)
		json_object_set_new(
			p, "vpnClientConfiguration",
			json_pack("{s:{s:O}}", "vpnClientAddressPool", "addressPrefixes", pool));
	json_decref(pool);
	return p;
}

static void gateway(const struct netcfg *c, const xmlNode *n, const char *vnet)
{
	static const char *const known[] = {"VPNClientAddressPool", "ConnectionsToLocalNetwork",
					    NULL};
	const xmlNode *connections = child(n, "ConnectionsToLocalNetwork");
	char *name;
	if (asprintf(&name, "%sGW", vnet) < 0) {
		import_no_memory(c->im);
		return;
	}
	add(c, "Microsoft.Network/virtualNetworkGateways", name, gateway_properties(c, n, vnet));
	for (const xmlNode *k = connections ? connections->children : NULL; k; k = k->next) {
		if (is_element(k, "LocalNetworkSiteRef"))
			connection(c, k, vnet, name);
	}
	note(c, n, vnet,
	     "whether its routing is static or dynamic is not in such a file; RouteBased is taken");
	note_others(c, n, vnet, known);
	free(name);
}

/* The address that Dns gives a name; NULL: none. */
static json_t *dns_address(const struct netcfg *c, const char *name)
{
	json_t *found = NULL;
	for (const xmlNode *n = c->dns ? c->dns->children : NULL; n && name && !found;
	     n = n->next) {
		char *own = is_element(n, "DnsServer") && import_spend(c->im, 64)
				    ? attribute(n, "name")
				    : NULL;
		char *address = own && !strcasecmp(own, name) ? attribute(n, "IPAddress") : NULL;
		found = address ? json_string(address) : NULL;
		free(own);
		free(address);
	}
	return found;
}

static json_t *dns_servers(const struct netcfg *c, const xmlNode *of, const char *vnet)
{
	json_t *list = json_array();
	for (const xmlNode *n = of ? of->children : NULL; n; n = n->next) {
		if (!is_element(n, "DnsServerRef"))
			continue;
		char *name = attribute(n, "name");
		json_t *address = dns_address(c, name);
		if (address)
			json_array_append_new(list, address);
		else
			note(c, n, vnet, "left out: Dns names no address for it");
		free(name);
	}
	return list;
}

static void virtual_network(const struct netcfg *c, const xmlNode *n)
{
	static const char *const known[] = {"AddressSpace", "Subnets",	     "Gateway",
					    "Label",	    "DnsServersRef", NULL};
	char *name = plain(attribute(n, "name"));
	if (!name) {
		note(c, n, "", "left out: it has no name");
		return;
	}
	add(c, "Microsoft.Network/virtualNetworks", name,
	    json_pack("{s:{s:o},s:o,s:{s:o}}", "addressSpace", "addressPrefixes",
		      prefixes(child(n, "AddressSpace")), "subnets",
		      subnets(c, child(n, "Subnets")), "dhcpOptions", "dnsServers",
		      dns_servers(c, child(n, "DnsServersRef"), name)));
	if (child(n, "Gateway"))
		gateway(c, child(n, "Gateway"), name);
	note_others(c, n, name, known);
	free(name);
}

/* ---- the document ---- */

static void walk(const struct netcfg *c, const xmlNode *list, const char *name,
		 void (*each)(const struct netcfg *c, const xmlNode *n))
{
	for (const xmlNode *n = list ? list->children : NULL; n && !c->im->err; n = n->next) {
		if (is_element(n, name) && import_spend(c->im, 256))
			each(c, n);
	}
}

static void document(struct import *im, const char *path, const xmlNode *root)
{
	static const char *const known[] = {"Dns", "LocalNetworkSites", "VirtualNetworkSites",
					    NULL};
	const xmlNode *all = child(root, "VirtualNetworkConfiguration");
	const struct netcfg netcfg = {im, path, child(all, "VirtualNetworkSites"),
				      child(child(all, "Dns"), "DnsServers")},
			    *c = &netcfg;
	if (!is_element(root, "NetworkConfiguration") || !all) {
		fault_place(im->fault, "%s:%ld:1", path, xmlGetLineNo(root));
		import_fail(im, -EINVAL,
			    "expected NetworkConfiguration with VirtualNetworkConfiguration, came "
			    "'%.60s'",
			    name_of(root));
		return;
	}
	walk(c, child(all, "LocalNetworkSites"), "LocalNetworkSite", site);
	walk(c, c->vnets, "VirtualNetworkSite", virtual_network);
	note_others(c, all, "", known);
}

static void refuse(struct import *im, const char *path, const xmlParserCtxt *parser)
{
	char text[200];
	const xmlError *e = &parser->lastError;
	int line = e->line > 0 ? e->line : 1, column = e->int2 > 0 ? e->int2 : 1;
	snprintf(text, sizeof text, "%s", e->message ? e->message : "it cannot be parsed");
	text[strcspn(text, "\r\n")] = 0;
	fault_place(im->fault, "%s:%d:%d", path, line, column);
	import_fail(im, -EINVAL, "not XML: %s", text);
}

int import_netcfg(struct import *im, const char *path, const char *text, size_t len)
{
	/* what a document type could declare is all that would make a small file large */
	if (memmem(text, len, "<!DOCTYPE", 9) || memmem(text, len, "<!ENTITY", 8)) {
		fault_place(im->fault, "%s:1:1", path);
		import_fail(im, -EINVAL, "a document type and entities are not taken");
		return im->err;
	}
	xmlParserCtxtPtr parser = xmlNewParserCtxt();
	/* whatever it declares, it is UTF-8 unless a byte order mark says UTF-16: no other decoder
	 * runs */
	const char *encoding = len && (unsigned char)text[0] >= 0xfe ? NULL : "UTF-8";
	const int how = XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING |
			XML_PARSE_NOCDATA | XML_PARSE_NOBLANKS;
	xmlDocPtr doc = parser && len <= INT_MAX
				? xmlCtxtReadMemory(parser, text, (int)len, NULL, encoding, how)
				: NULL;
	const xmlNode *root = doc ? xmlDocGetRootElement(doc) : NULL;
	if (!parser)
		import_no_memory(im);
	else if (!root)
		refuse(im, path, parser);
	else if (doc->intSubset)
		import_fail(im, -EINVAL, "%s: a document type is not taken", path);
	else
		document(im, path, root);
	xmlFreeDoc(doc);
	xmlFreeParserCtxt(parser);
	return im->err;
}
