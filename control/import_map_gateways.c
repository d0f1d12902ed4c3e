/* SPDX-License-Identifier: Apache-2.0 */
/* Gateways, sites, connections. */
#include "control/import_map_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- gateways ---- */

bool map_is_express_route(const struct import_resource *gateway)
{
	const char *type = map_id(gateway->properties, "gatewayType");
	return type && !strcasecmp(type, "ExpressRoute");
}

static const json_t *ip_configuration(const struct import_resource *r, size_t i)
{
	return import_get(json_array_get(import_get(r->properties, "ipConfigurations"), i),
			  "properties");
}

json_t *map_gateway_vnet(struct import *im, const struct import_resource *r)
{
	json_t *name = map_reference(im, map_id(ip_configuration(r, 0), "subnet.id"), T_VNET);
	return name ? name
		    : import_blank(im, r->name, "the virtual network of the gateway %.60s",
				   r->name);
}

/* An address that the template has, or a blank. */
static json_t *public_address(struct import *im, const struct import_resource *r)
{
	const json_t *first = ip_configuration(r, 0);
	const char *id = map_id(first, "publicIPAddress.id");
	const struct import_resource *address = id ? import_find(im, id, T_PUBLIC) : NULL;
	json_t *given = address ? map_text(import_get(address->properties, "ipAddress")) : NULL;
	char *name = id ? import_id_name(id, T_PUBLIC) : NULL;
	if (!given && name)
		given = import_blank(im, "address", "public address of %.60s (%.60s)", r->name,
				     name);
	free(name);
	return given ? given : import_blank(im, "address", "public address of %.60s", r->name);
}

/* Sizes that differ only in where a cloud puts them. */
static json_t *sku(struct import *im, const struct import_resource *r)
{
	char name[40];
	json_t *given = import_dig(r->properties, "sku.name");
	const char *text = json_string_value(given ? given : import_get(r->sku, "name"));
	bool later;
	if (!text || import_blank_in(im, text))
		return text ? json_string(text) : NULL;
	snprintf(name, sizeof name, "%s", text);
	size_t n = strlen(name);
	const char *known = schema_row(P_virtualNetworkGateway_sku)->detail;
	for (int without_zones = 0; without_zones < 2; without_zones++) {
		if (without_zones && n > 2 && !strcasecmp(name + n - 2, "AZ"))
			name[n - 2] = 0;
		json_t *plain = json_string(name);
		json_t *word = map_word(P_virtualNetworkGateway_sku, plain);
		json_decref(plain);
		if (word && schema_word(known, json_string_value(word), &later) >= 0)
			return word;
		json_decref(word);
	}
	map_note(im, r, "sku", "not carried over: there is no such size here, none is set");
	return NULL;
}

/* As Azure gives it: the last address but one of the GatewaySubnet. */
static json_t *default_bgp_address(struct import *im, const struct import_resource *r)
{
	const struct import_resource *vnet =
		import_find(im, map_id(ip_configuration(r, 0), "subnet.id"), T_VNET);
	const char *text = vnet ? json_string_value(map_gateway_subnet(im, vnet)) : NULL;
	struct ip_prefix p;
	char address[IP_TEXT];
	if (!text || ip_prefix_parse(&p, text) || p.len + 2u > ip_addr_bits(&p.addr))
		return import_blank(im, "address", "BGP peering address of %.60s", r->name);
	struct ip_addr last = ip_prefix_range(&p).last;
	last.b[ip_addr_bytes(&last) - 1] &= 0xfe;
	return json_string(ip_addr_format(&last, address));
}

/* Addresses of 169.254.0.0/16, of all instances of a gateway. */
static json_t *custom_addresses(struct import *im, const json_t *given)
{
	json_t *out = NULL, *instance, *v;
	size_t i, k;
	json_array_foreach((json_t *)(uintptr_t)given, i, instance)
	{
		json_array_foreach(import_get(instance, "customBgpIpAddresses"), k, v)
		{
			json_t *address = map_text(v);
			if (address && !out)
				out = map_list(im);
			if (address)
				map_append(im, out, address);
		}
	}
	return out;
}

#define TAKEN_OF_CONNECTION                                                        \
	"virtualNetworkGateway1 virtualNetworkGateway2 localNetworkGateway2 peer " \
	"connectionType connectionProtocol connectionMode authenticationType "     \
	"sharedKey usePolicyBasedTrafficSelectors trafficSelectorPolicies "        \
	"ipsecPolicies dpdTimeoutSeconds routingWeight enableBgp connectionStatus"

/* The one of a connection; a list is of several instances, which are gateways of their own here. */
static json_t *custom_address(const json_t *given)
{
	return json_array_size(given) == 1
		       ? map_text(import_get(json_array_get(given, 0), "customBgpIpAddress"))
		       : NULL;
}

/* What speaks at a circuit's links has their addresses. */
static json_t *bgp_of_circuits(struct import *im, const struct import_resource *r)
{
	json_t *out = NULL, *asn = map_number(import_dig(r->properties, "bgpSettings.asn"));
	if (asn) {
		out = map_object(im);
		map_set(im, out, "asn", asn);
	}
	return out;
}

/* asn and address; NULL when there is neither. */
static json_t *bgp_settings(struct import *im, const struct import_resource *r, bool is_gateway)
{
	const json_t *given = import_get(r->properties, "bgpSettings");
	json_t *asn = map_number(import_get(given, "asn"));
	json_t *address = map_text(import_get(given, "bgpPeeringAddress"));
	json_t *enabled = map_boolean(import_get(r->properties, "enableBgp"));
	json_t *weight = map_number(import_get(given, "peerWeight"));
	if (!address && is_gateway && json_is_true(enabled))
		address = default_bgp_address(im, r);
	json_decref(enabled);
	if (!asn && !address) {
		json_decref(weight);
		return NULL;
	}
	/* as in Azure, a gateway is in AS 65515 unless it says otherwise */
	if (!asn)
		asn = is_gateway ? json_integer(65515)
				 : import_blank(im, "asn", "AS of %.60s", r->name);
	json_t *out = map_object(im);
	map_set(im, out, "asn", asn);
	map_set(im, out, "bgpPeeringAddress", address);
	if (json_is_integer(weight) && !json_integer_value(weight)) { /* the default */
		json_decref(weight);
		weight = NULL;
	}
	map_set(im, out, "peerWeight", weight);
	if (is_gateway)
		map_set(im, out, "customBgpIpAddresses",
			custom_addresses(im, import_get(given, "bgpPeeringAddresses")));
	return out;
}

/* ---- point-to-site ---- */

static bool is_here(const char *protocol)
{
	const char *words = schema_row(P_vpnClientConfiguration_vpnClientProtocols)->detail;
	bool later = false;
	return schema_word(words, protocol, &later) >= 0 && !later;
}

/* What the template names, or its cloud's default: SSTP, and IkeV2 where the size is not Basic. */
static json_t *protocols(struct import *im, const struct import_resource *r, const json_t *given,
			 bool is_basic)
{
	json_t *out = map_list(im), *v;
	size_t i;
	bool is_default = !json_array_size(given);
	json_t *both = is_basic ? json_pack("[s]", "SSTP") : json_pack("[s,s]", "SSTP", "IkeV2");
	json_array_foreach(is_default ? both : (json_t *)(uintptr_t)given, i, v)
	{
		json_t *word = map_word(P_vpnClientConfiguration_vpnClientProtocols, v);
		const char *text = json_string_value(word);
		if (text && is_here(text)) {
			map_append(im, out, word);
			continue;
		}
		import_note(
			im,
			"%.100s %.100s: vpnClientProtocols: %.40s is not carried over: there is "
			"none here%s",
			r->shown_type, r->name, text ? text : "?",
			is_default ? " yet (no protocol is named, which means it)" : "");
		json_decref(word);
	}
	if (!json_array_size(out)) {
		map_append(im, out, json_string(is_basic && is_here("SSTP") ? "SSTP" : "IkeV2"));
		map_note(im, r, "vpnClientProtocols", "another one is set in its place");
	}
	json_decref(both);
	return out;
}

/* A size that has no clients of the protocols. */
static void judge_size(struct import *im, const struct import_resource *r, json_t *out,
		       const json_t *protocols)
{
	size_t i;
	json_t *v;
	const char *size = json_string_value(json_object_get(out, "sku"));
	if (!size || strcmp(size, "Basic") != 0)
		return;
	json_array_foreach((json_t *)(uintptr_t)protocols, i, v)
	{
		if (strcmp(json_string_value(v), "IkeV2") != 0)
			continue;
		json_object_del(out, "sku");
		map_note(
			im, r, "sku",
			"Basic is not carried over: its clients have SSTP alone, these have IkeV2");
		return;
	}
}

static json_t *roots(struct import *im, const json_t *given)
{
	json_t *out = map_list(im), *v;
	size_t i;
	json_array_foreach((json_t *)(uintptr_t)given, i, v)
	{
		const char *name = map_id(v, "name");
		json_t *data = map_text(import_dig(v, "properties.publicCertData"));
		json_t *one = map_object(im);
		map_set(im, one, "name", map_name(im, name ? name : "root"));
		map_set(im, one, "publicCertData",
			data ? data
			     : import_blank(im, "certificate", "certificate %.60s, base64",
					    name ? name : "of the root"));
		map_append(im, out, one);
	}
	if (!json_array_size(out))
		map_append(
			im, out,
			json_pack("{s:s,s:o}", "name", "root1", "file",
				  import_blank(im, "file",
					       "file of the certificate that certifies clients")));
	return out;
}

static json_t *revoked(struct import *im, const json_t *given)
{
	json_t *out = map_list(im), *v;
	size_t i;
	json_array_foreach((json_t *)(uintptr_t)given, i, v)
	{
		const char *name = map_id(v, "name");
		json_t *print = map_text(import_dig(v, "properties.thumbprint"));
		json_t *one = map_object(im);
		if (!print)
			print = import_blank(im, "thumbprint",
					     "SHA-1 of the revoked certificate %.60s",
					     name ? name : "");
		map_set(im, one, "name", map_name(im, name ? name : "revoked"));
		map_set(im, one, "thumbprint", print);
		map_append(im, out, one);
	}
	if (json_array_size(out))
		return out;
	json_decref(out);
	return NULL;
}

static void clients(struct import *im, const struct import_resource *r, json_t *out)
{
	const json_t *given = import_get(r->properties, "vpnClientConfiguration");
	json_t *pool = map_prefixes(im, r,
				    import_dig(given, "vpnClientAddressPool."
						      "addressPrefixes"));
	if (!json_array_size(pool)) {
		json_decref(pool);
		if (json_object_size(given))
			map_note(im, r, "vpnClientConfiguration",
				 "left out: it has no address pool");
		return;
	}
	json_t *c = map_object(im);
	map_set(im, c, "vpnClientAddressPool", pool);
	const char *size = json_string_value(json_object_get(out, "sku"));
	json_t *words = protocols(im, r, import_get(given, "vpnClientProtocols"),
				  size && !strcmp(size, "Basic"));
	judge_size(im, r, out, words);
	map_set(im, c, "vpnClientProtocols", words);
	map_set(im, c, "vpnClientRootCertificates",
		roots(im, import_get(given, "vpnClientRootCertificates")));
	map_set(im, c, "vpnClientRevokedCertificates",
		revoked(im, import_get(given, "vpnClientRevokedCertificates")));
	map_note_rest(im, r, given,
		      "vpnClientAddressPool vpnClientProtocols vpnClientRootCertificates "
		      "vpnClientRevokedCertificates");
	map_set(im, out, "certificate",
		json_pack("{s:o,s:{s:o}}", "chain",
			  import_blank(im, "file", "file of the certificate of %.60s", r->name),
			  "key", "file",
			  import_blank(im, "file", "file of the private key of %.60s", r->name)));
	map_set(im, out, "vpnClientConfiguration", c);
}

/* Without clients nobody would get them. */
static void custom_routes(struct import *im, const struct import_resource *r, json_t *out)
{
	json_t *list =
		map_prefixes(im, r, import_dig(r->properties, "customRoutes.addressPrefixes"));
	if (json_array_size(list) && json_object_get(out, "vpnClientConfiguration")) {
		json_t *routes = map_object(im);
		map_set(im, routes, "addressPrefixes", list);
		map_set(im, out, "customRoutes", routes);
		return;
	}
	if (import_get(r->properties, "customRoutes"))
		map_note(im, r, "customRoutes", "not carried over: there are no clients");
	json_decref(list);
}

/* A template has both instances in one; here each has a file, and a template knows of no place
 * where one would find the other. */
static void instances(struct import *im, const struct import_resource *r, json_t *out)
{
	json_t *active = map_boolean(import_get(r->properties, "activeActive"));
	bool two = json_is_true(active) || ip_configuration(r, 1);
	json_decref(active);
	if (!two)
		return;
	if (map_is_express_route(r)) {
		map_note(im, r, "activeActive",
			 "not carried over: a circuit has two links in one instance here");
		return;
	}
	json_t *other = map_object(im);
	map_set(im, other, "address",
		import_blank(im, "address",
			     "address of the other instance of %.60s in the virtual network",
			     r->name));
	map_set(im, out, "activeActive", json_true());
	map_set(im, out, "otherInstance", other);
	map_note(im, r, "activeActive",
		 "this is the first of two instances; the other one is a file like this one with "
		 "the second of the addresses, for another host");
}

json_t *map_gateway(struct import *im, const struct import_resource *r)
{
	const json_t *p = r->properties;
	json_t *out = map_object(im);
	bool policy_based =
		map_id(p, "vpnType") && !strcasecmp(map_id(p, "vpnType"), "PolicyBased");
	map_set(im, out, "name", json_string(r->out_name));
	map_set(im, out, "virtualNetwork", map_gateway_vnet(im, r));
	map_set(im, out, "gatewayType",
		map_word(P_virtualNetworkGateway_gatewayType, import_get(p, "gatewayType")));
	if (policy_based || !map_is_express_route(r))
		map_set(im, out, "vpnType",
			map_word(P_virtualNetworkGateway_vpnType, import_get(p, "vpnType")));
	map_set(im, out, "sku", sku(im, r));
	if (!map_is_express_route(r))
		map_set(im, out, "publicIPAddress", public_address(im, r));
	map_set(im, out, "enableBgp", map_boolean(import_get(p, "enableBgp")));
	map_set(im, out, "bgpSettings",
		map_is_express_route(r) ? bgp_of_circuits(im, r) : bgp_settings(im, r, true));
	map_set(im, out, "gatewayDefaultSite",
		map_reference(im, map_id(p, "gatewayDefaultSite.id"), T_SITE));
	clients(im, r, out);
	custom_routes(im, r, out);
	instances(im, r, out);
	map_note_rest(im, r, p,
		      "ipConfigurations gatewayType vpnType sku enableBgp bgpSettings "
		      "gatewayDefaultSite vpnClientConfiguration customRoutes activeActive active");
	return out;
}

json_t *map_remote(struct import *im, const struct import_resource *r)
{
	return json_pack("{s:s,s:o,s:[o]}", "name", r->out_name, "publicIPAddress",
			 import_blank(im, "address", "public address of %.60s", r->name),
			 "addressSpace",
			 import_blank(im, "prefixes",
				      "address space of the virtual network of %.60s", r->name));
}

json_t *map_site(struct import *im, const struct import_resource *r)
{
	const json_t *p = r->properties;
	json_t *out = map_object(im);
	json_t *address = map_text(import_get(p, "gatewayIpAddress"));
	json_t *fqdn = address ? NULL : map_text(import_get(p, "fqdn"));
	json_t *space = map_prefixes(im, r,
				     import_dig(p, "localNetworkAddressSpace."
						   "addressPrefixes"));
	json_t *bgp = bgp_settings(im, r, false);
	map_set(im, out, "name", json_string(r->out_name));
	if (!address && !fqdn)
		address =
			import_blank(im, "address",
				     "public address of the site %.60s, or the word any", r->name);
	map_set(im, out, "gatewayIpAddress", address);
	map_set(im, out, "fqdn", fqdn);
	/* with BGP its prefixes may come of that alone */
	if (!json_array_size(space) && !bgp)
		map_append(im, space,
			   import_blank(im, "prefixes", "prefixes behind the site %.60s", r->name));
	map_set(im, out, "addressSpace", space);
	map_set(im, out, "bgpSettings", bgp);
	if (address && import_get(p, "fqdn"))
		map_note(im, r, "fqdn", "not carried over: there is an address");
	map_note_rest(im, r, p, "gatewayIpAddress fqdn localNetworkAddressSpace bgpSettings");
	return out;
}

/* ---- connections ---- */

static json_t *policy(struct import *im, const json_t *given)
{
	static const struct {
		enum schema_property p;
		bool is_number;
	} rows[] = {
		{P_ipsecPolicy_ikeEncryption, false},	 {P_ipsecPolicy_ikeIntegrity, false},
		{P_ipsecPolicy_dhGroup, false},		 {P_ipsecPolicy_ipsecEncryption, false},
		{P_ipsecPolicy_ipsecIntegrity, false},	 {P_ipsecPolicy_pfsGroup, false},
		{P_ipsecPolicy_saLifeTimeSeconds, true}, {P_ipsecPolicy_saDataSizeKilobytes, true},
	};
	json_t *out = map_object(im);
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		const char *name = schema_row(rows[i].p)->name;
		const json_t *v = import_get(given, name);
		map_set(im, out, name, rows[i].is_number ? map_number(v) : map_word(rows[i].p, v));
	}
	return out;
}

static json_t *policies(struct import *im, const json_t *given)
{
	size_t i;
	json_t *v, *out = json_array_size(given) ? map_list(im) : NULL;
	json_array_foreach((json_t *)(uintptr_t)given, i, v) map_append(im, out, policy(im, v));
	return out;
}

static json_t *selectors(struct import *im, const struct import_resource *r, const json_t *given)
{
	size_t i;
	json_t *v, *out = json_array_size(given) ? map_list(im) : NULL;
	json_array_foreach((json_t *)(uintptr_t)given, i, v)
		map_append(im, out,
			   json_pack("{s:o,s:o}", "localAddressRanges",
				     map_prefixes(im, r, import_get(v, "localAddressRanges")),
				     "remoteAddressRanges",
				     map_prefixes(im, r, import_get(v, "remoteAddressRanges"))));
	return out;
}

/* The type, and the far end that belongs to it; false: it is no connection of this gateway. */
static bool far_end(struct import *im, const struct import_resource *r, json_t *out)
{
	const json_t *p = r->properties;
	json_t *type = map_word(P_connection_connectionType, import_get(p, "connectionType"));
	const char *text = json_string_value(type), *id = "localNetworkGateway2.id";
	const char *name = "localNetworkGateway2", *kind = T_SITE;
	if (text && !strcmp(text, "IPsec") && !map_id(p, id) &&
	    map_id(p, "virtualNetworkGateway2.id")) {
		map_note(im, r, "connectionType", "Vnet2Vnet is written: its far end is a gateway");
		json_decref(type);
		type = json_string("Vnet2Vnet");
		text = json_string_value(type);
	}
	if (text && !strcmp(text, "Vnet2Vnet")) {
		name = "virtualNetworkGateway2";
		id = "virtualNetworkGateway2.id";
		kind = T_GATEWAY;
	} else if (text && !strcmp(text, "ExpressRoute")) {
		name = "expressRouteCircuit";
		id = "peer.id";
		kind = T_CIRCUIT;
	} else if (text && !strcasecmp(text, "VPNClient")) {
		json_decref(type);
		return false;
	}
	json_t *near = map_reference(im, map_id(p, "virtualNetworkGateway1.id"), T_GATEWAY);
	json_t *far = map_reference(im, map_id(p, id), kind);
	map_set(im, out, "connectionType",
		type ? type : import_blank(im, "type", "connection type of %.60s", r->name));
	map_set(im, out, "virtualNetworkGateway1",
		near ? near : import_blank(im, "gateway", "gateway of %.60s", r->name));
	map_set(im, out, name, far ? far : import_blank(im, "peer", "far end of %.60s", r->name));
	return true;
}

static void shared_key(struct import *im, const struct import_resource *r, json_t *out)
{
	const char *type = json_string_value(json_object_get(out, "connectionType"));
	json_t *key = map_text(import_get(r->properties, "sharedKey"));
	if (type && !strcmp(type, "ExpressRoute")) {
		json_decref(key);
		return;
	}
	map_set(im, out, "sharedKey",
		key ? key
		    : import_blank(im, "key", "pre-shared key of %.60s, or {file: PATH}", r->name));
}

json_t *map_connection(struct import *im, const struct import_resource *r)
{
	const json_t *p = r->properties;
	json_t *out = map_object(im), *dpd = map_number(import_get(p, "dpdTimeoutSeconds"));
	map_set(im, out, "name", json_string(r->out_name));
	if (!far_end(im, r, out)) {
		map_note(im, r, "connectionType",
			 "left out: VPNClient is no connection, its gateway says it all");
		json_decref(out);
		json_decref(dpd);
		return NULL;
	}
	map_set(im, out, "connectionProtocol",
		map_word(P_connection_connectionProtocol, import_get(p, "connectionProtocol")));
	map_set(im, out, "connectionMode",
		map_word(P_connection_connectionMode, import_get(p, "connectionMode")));
	map_set(im, out, "authenticationType",
		map_word(P_connection_authenticationType, import_get(p, "authenticationType")));
	shared_key(im, r, out);
	map_set(im, out, "usePolicyBasedTrafficSelectors",
		map_boolean(import_get(p, "usePolicyBasedTrafficSelectors")));
	map_set(im, out, "trafficSelectorPolicies",
		selectors(im, r, import_get(p, "trafficSelectorPolicies")));
	map_set(im, out, "ipsecPolicies", policies(im, import_get(p, "ipsecPolicies")));
	if (json_is_integer(dpd) && !json_integer_value(dpd)) { /* 0: the default */
		json_decref(dpd);
		dpd = NULL;
	}
	map_set(im, out, "dpdTimeoutSeconds", dpd);
	map_set(im, out, "routingWeight", map_number(import_get(p, "routingWeight")));
	map_set(im, out, "enableBgp", map_boolean(import_get(p, "enableBgp")));
	const json_t *custom = import_get(p, "gatewayCustomBgpIpAddresses");
	map_set(im, out, "gatewayCustomBgpIpAddress", custom_address(custom));
	map_note_rest(im, r, p,
		      json_array_size(custom) == 1
			      ? "gatewayCustomBgpIpAddresses " TAKEN_OF_CONNECTION
			      : TAKEN_OF_CONNECTION);
	return out;
}
