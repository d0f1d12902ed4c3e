/* SPDX-License-Identifier: Apache-2.0 */
/* Virtual networks with subnets and peerings, route tables, circuits. */
#include "control/import_map_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static json_t *subnet(struct import *im, const struct import_resource *r, const char *name,
		      const json_t *properties)
{
	json_t *out = map_object(im);
	json_t *prefix = import_get(properties, "addressPrefix");
	const json_t *many = import_get(properties, "addressPrefixes");
	char what[120];
	snprintf(what, sizeof what, "subnet %.100s", name);
	if (json_array_size(many) > 1)
		map_note(im, r, what, "its second address prefix is not carried over");
	if (!prefix)
		prefix = json_array_get(many, 0);
	map_set(im, out, "name", map_name(im, name));
	prefix = map_prefix(im, r, prefix);
	if (!prefix)
		prefix = import_blank(im, name, "address prefix of the subnet %.60s", name);
	map_set(im, out, "addressPrefix", prefix);
	map_set(im, out, "routeTable",
		map_reference(im, map_id(properties, "routeTable.id"), T_TABLE));
	if (import_get(properties, "networkSecurityGroup"))
		map_note(im, r, what, "its networkSecurityGroup is not carried over");
	map_note_rest(im, r, properties,
		      "addressPrefix addressPrefixes routeTable networkSecurityGroup "
		      "privateEndpointNetworkPolicies privateLinkServiceNetworkPolicies "
		      "defaultOutboundAccess");
	return out;
}

static bool has_subnet(struct import *im, const json_t *subnets, const char *name)
{
	size_t i;
	bool found = false;
	json_t *v, *wanted = map_name(im, name);
	const char *text = json_string_value(wanted);
	json_array_foreach((json_t *)(uintptr_t)subnets, i, v)
	{
		const char *there = json_string_value(json_object_get(v, "name"));
		found = found || (text && there && !strcasecmp(text, there));
	}
	json_decref(wanted);
	return found;
}

/* Azure's name is known in any case of letters, here it is written one way. */
static const char *subnet_name(const char *name)
{
	return !strcasecmp(name, "GatewaySubnet") ? "GatewaySubnet" : name;
}

const json_t *map_gateway_subnet(struct import *im, const struct import_resource *vnet)
{
	const json_t *p = NULL;
	const struct import_resource *child;
	size_t k;
	unsigned i = 0;
	json_t *v;
	json_array_foreach(import_get(vnet->properties, "subnets"), k, v)
	{
		const char *name = map_id(v, "name");
		if (name && !strcasecmp(name, "GatewaySubnet"))
			p = import_get(v, "properties");
	}
	while (!p && (child = map_child(im, vnet, T_SUBNET, &i))) {
		if (!strcasecmp(map_own_name(child), "GatewaySubnet"))
			p = child->properties;
	}
	const json_t *prefix = import_get(p, "addressPrefix");
	return prefix ? prefix : json_array_get(import_get(p, "addressPrefixes"), 0);
}

static bool has_gateway(struct import *im, const struct import_resource *vnet)
{
	for (unsigned i = 0; i < im->n_resources; i++) {
		size_t k;
		json_t *v;
		if (strcmp(im->resources[i].type, T_GATEWAY) != 0)
			continue;
		json_array_foreach(import_get(im->resources[i].properties, "ipConfigurations"), k,
				   v)
		{
			const char *id = map_id(v, "properties.subnet.id");
			char *name = id ? import_id_name(id, T_VNET) : NULL;
			bool same = name && !strcasecmp(name, vnet->name);
			free(name);
			/* another one of the name may be in another group */
			if ((same || !name) && import_find(im, id, T_VNET) == vnet)
				return true;
		}
	}
	return false;
}

static json_t *subnets(struct import *im, const struct import_resource *r)
{
	json_t *list = map_list(im), *v;
	const struct import_resource *child;
	size_t k;
	unsigned i = 0;
	json_array_foreach(import_get(r->properties, "subnets"), k, v)
	{
		const char *name = map_id(v, "name");
		if (name)
			map_append(im, list,
				   subnet(im, r, subnet_name(name), import_get(v, "properties")));
	}
	while ((child = map_child(im, r, T_SUBNET, &i))) {
		/* as a child of its own it is the same subnet once more */
		if (!has_subnet(im, list, map_own_name(child)))
			map_append(im, list,
				   subnet(im, child, subnet_name(map_own_name(child)),
					  child->properties));
	}
	if (!has_subnet(im, list, "GatewaySubnet") && has_gateway(im, r))
		map_append(im, list,
			   json_pack("{s:s,s:o}", "name", "GatewaySubnet", "addressPrefix",
				     import_blank(im, "GatewaySubnet",
						  "address prefix of the GatewaySubnet of %.60s",
						  r->name)));
	return list;
}

static json_t *peering(struct import *im, const struct import_resource *r, const char *name,
		       const json_t *p)
{
	json_t *out = map_object(im);
	json_t *remote = map_reference(im, map_id(p, "remoteVirtualNetwork.id"), T_VNET);
	static const char *const flags[] = {"allowVirtualNetworkAccess", "allowForwardedTraffic",
					    "allowGatewayTransit", "useRemoteGateways"};
	if (!remote)
		remote = import_blank(im, name, "the virtual network that %.60s peers with", name);
	map_set(im, out, "name", map_name(im, name));
	map_set(im, out, "remoteVirtualNetwork", remote);
	for (size_t i = 0; i < sizeof flags / sizeof *flags; i++)
		map_set(im, out, flags[i], map_boolean(import_get(p, flags[i])));
	map_note_rest(im, r, p,
		      "remoteVirtualNetwork allowVirtualNetworkAccess allowForwardedTraffic "
		      "allowGatewayTransit useRemoteGateways peeringState peeringSyncLevel "
		      "remoteAddressSpace remoteVirtualNetworkAddressSpace");
	return out;
}

static json_t *peerings(struct import *im, const struct import_resource *r)
{
	json_t *list = map_list(im), *v;
	const struct import_resource *child;
	size_t k;
	unsigned i = 0;
	json_array_foreach(import_get(r->properties, "virtualNetworkPeerings"), k, v)
	{
		const char *name = map_id(v, "name");
		map_append(im, list,
			   peering(im, r, name ? name : "peering", import_get(v, "properties")));
	}
	while ((child = map_child(im, r, T_PEERING, &i)))
		map_append(im, list, peering(im, child, map_own_name(child), child->properties));
	if (json_array_size(list))
		return list;
	json_decref(list);
	return NULL;
}

/* At this address Azure answers its own machines; nobody does elsewhere. */
#define AZURE_DNS "168.63.129.16"

static json_t *dns(struct import *im, const struct import_resource *r)
{
	const json_t *given = import_dig(r->properties, "dhcpOptions.dnsServers");
	json_t *list = map_list(im), *out = NULL, *v;
	size_t k;
	if (json_is_string(given)) /* the whole list is not known */
		map_append(im, list, map_text(given));
	json_array_foreach((json_t *)(uintptr_t)given, k, v)
	{
		const char *text = json_string_value(v);
		if (text && !strcmp(text, AZURE_DNS))
			map_note(im, r, "dhcpOptions.dnsServers",
				 AZURE_DNS " is left out: it answers in Azure alone");
		else
			map_append(im, list, map_text(v));
	}
	if (json_array_size(list)) {
		out = map_object(im);
		map_set(im, out, "dnsServers", list);
		return out;
	}
	json_decref(list);
	return NULL;
}

json_t *map_vnet(struct import *im, const struct import_resource *r, unsigned id)
{
	json_t *out = map_object(im), *many;
	json_t *space =
		map_prefixes(im, r, import_dig(r->properties, "addressSpace.addressPrefixes"));
	map_set(im, out, "name", json_string(r->out_name));
	map_set(im, out, "id", json_integer(id));
	if (r->classic)
		map_set(im, out, "deploymentModel", json_string("classic"));
	if (!json_array_size(space))
		map_append(im, space,
			   import_blank(im, r->name, "address space of the virtual network %.60s",
					r->name));
	map_set(im, out, "addressSpace", space);
	map_set(im, out, "dhcpOptions", dns(im, r));
	many = subnets(im, r);
	map_set(im, out, "subnets", many);
	map_set(im, out, "#attachments",
		json_string("attachments: where its hosts are reached, for example\n"
			    "  - {port: lan0, encapsulation: vlan, vlanId: 11, address: "
			    "ADDRESS/LENGTH}"));
	map_set(im, out, "peerings", peerings(im, r));
	map_note_rest(im, r, r->properties,
		      "addressSpace subnets virtualNetworkPeerings dhcpOptions");
	return out;
}

/* ---- route tables ---- */

static bool is_appliance(const json_t *hop)
{
	return hop && !strcmp(json_string_value(hop), "VirtualAppliance");
}

static json_t *route(struct import *im, const struct import_resource *r, const char *name,
		     const json_t *p)
{
	json_t *out = map_object(im), *prefix = map_prefix(im, r, import_get(p, "addressPrefix"));
	json_t *hop = map_word(P_route_nextHopType, import_get(p, "nextHopType"));
	json_t *appliance = is_appliance(hop) ? map_text(import_get(p, "nextHopIpAddress")) : NULL;
	map_set(im, out, "name", map_name(im, name));
	map_set(im, out, "addressPrefix",
		prefix ? prefix
		       : import_blank(im, name, "address prefix of the route %.60s", name));
	map_set(im, out, "nextHopType",
		hop ? hop : import_blank(im, name, "next hop type of the route %.60s", name));
	if (is_appliance(hop))
		map_set(im, out, "nextHopIpAddress",
			appliance ? appliance
				  : import_blank(im, name,
						 "address of the appliance of the route %.60s",
						 name));
	return out;
}

json_t *map_table(struct import *im, const struct import_resource *r)
{
	json_t *out = map_object(im), *list = map_list(im), *v;
	const struct import_resource *child;
	size_t k;
	unsigned i = 0;
	json_array_foreach(import_get(r->properties, "routes"), k, v)
	{
		const char *name = map_id(v, "name");
		map_append(im, list,
			   route(im, r, name ? name : "route", import_get(v, "properties")));
	}
	while ((child = map_child(im, r, T_ROUTE, &i)))
		map_append(im, list, route(im, child, map_own_name(child), child->properties));
	map_set(im, out, "name", json_string(r->out_name));
	map_set(im, out, "routes", list);
	map_set(im, out, "disableBgpRoutePropagation",
		map_boolean(import_get(r->properties, "disableBgpRoutePropagation")));
	map_note_rest(im, r, r->properties, "routes disableBgpRoutePropagation");
	return out;
}

/* ---- circuits ---- */

static json_t *link_prefix(struct import *im, const struct import_resource *r, const json_t *p,
			   const char *which)
{
	char name[64];
	snprintf(name, sizeof name, "%sPeerAddressPrefix", which);
	json_t *prefix = map_prefix(im, r, import_get(p, name));
	return prefix ? prefix
		      : import_blank(im, which, "%s link of the circuit %.60s, a /30", which,
				     r->name);
}

/* IPv6 on the same links; NULL without. */
static json_t *ipv6_peering(struct import *im, const struct import_resource *r, const json_t *p)
{
	static const char *const names[] = {"primaryPeerAddressPrefix",
					    "secondaryPeerAddressPrefix"};
	json_t *out = NULL;
	for (unsigned i = 0; i < 2; i++) {
		json_t *prefix = map_prefix(im, r, import_get(p, names[i]));
		if (prefix && !out)
			out = map_object(im);
		map_set(im, out, names[i], prefix);
	}
	return out;
}

static bool is_private(const char *name, const json_t *p)
{
	const char *type = map_id(p, "peeringType");
	return name && !strcasecmp(type ? type : name, "AzurePrivatePeering");
}

static json_t *circuit_peering(struct import *im, const struct import_resource *r, const char *name,
			       const json_t *p)
{
	char what[120];
	snprintf(what, sizeof what, "peering %.100s", name);
	if (!is_private(name, p)) {
		map_note(im, r, what, "left out: a circuit has private peering here");
		return NULL;
	}
	json_t *out = map_object(im), *asn = map_number(import_get(p, "peerASN"));
	map_set(im, out, "port", json_string("er0"));
	map_set(im, out, "vlanId", map_number(import_get(p, "vlanId")));
	map_set(im, out, "primaryPeerAddressPrefix", link_prefix(im, r, p, "primary"));
	if (import_get(p, "secondaryPeerAddressPrefix")) {
		map_set(im, out, "secondaryPort", json_string("er1"));
		map_set(im, out, "secondaryPeerAddressPrefix", link_prefix(im, r, p, "secondary"));
	}
	map_set(im, out, "peerASN",
		asn ? asn : import_blank(im, "asn", "customer's AS of the circuit %.60s", r->name));
	map_set(im, out, "sharedKey", map_text(import_get(p, "sharedKey")));
	map_set(im, out, "ipv6PeeringConfig",
		ipv6_peering(im, r, import_get(p, "ipv6PeeringConfig")));
	map_note_rest(im, r, p,
		      "peeringType vlanId primaryPeerAddressPrefix secondaryPeerAddressPrefix "
		      "peerASN azureASN state primaryAzurePort secondaryAzurePort sharedKey "
		      "ipv6PeeringConfig");
	return out;
}

/* A link that is left out needs no port. */
static bool has_second(const char *name, const json_t *p)
{
	return is_private(name, p) && import_get(p, "secondaryPeerAddressPrefix");
}

bool map_has_second_link(const struct import *im)
{
	for (unsigned i = 0; i < im->n_resources; i++) {
		const struct import_resource *r = &im->resources[i];
		size_t k;
		json_t *v;
		if (!strcmp(r->type, T_CIRCUIT_PEER) && has_second(map_own_name(r), r->properties))
			return true;
		json_array_foreach(
			!strcmp(r->type, T_CIRCUIT) ? import_get(r->properties, "peerings") : NULL,
			k, v)
		{
			const char *name = map_id(v, "name");
			if (has_second(name ? name : "peering", import_get(v, "properties")))
				return true;
		}
	}
	return false;
}

static json_t *bandwidth(const json_t *p)
{
	json_t *mbps = map_number(import_dig(p, "serviceProviderProperties.bandwidthInMbps"));
	json_t *gbps = mbps ? NULL : map_number(import_get(p, "bandwidthInGbps"));
	json_int_t n = json_integer_value(gbps);
	json_decref(gbps);
	return mbps ? mbps : n > 0 && n <= 1000 ? json_integer(n * 1000) : NULL;
}

json_t *map_circuit(struct import *im, const struct import_resource *r)
{
	json_t *out = map_object(im), *list = map_list(im), *v;
	const struct import_resource *child;
	size_t k;
	unsigned i = 0;
	json_array_foreach(import_get(r->properties, "peerings"), k, v)
	{
		const char *name = map_id(v, "name");
		map_append(im, list,
			   circuit_peering(im, r, name ? name : "peering",
					   import_get(v, "properties")));
	}
	while ((child = map_child(im, r, T_CIRCUIT_PEER, &i)))
		map_append(im, list,
			   circuit_peering(im, child, map_own_name(child), child->properties));
	if (!json_array_size(list))
		map_append(im, list, circuit_peering(im, r, "AzurePrivatePeering", NULL));
	map_set(im, out, "name", json_string(r->out_name));
	map_set(im, out, "bandwidthInMbps", bandwidth(r->properties));
	map_set(im, out, "peerings", list);
	v = import_get(r->properties, "serviceProviderProperties");
	if (v)
		map_note(im, r, "serviceProviderProperties",
			 "but for bandwidthInMbps not carried over: the circuit ends at a port");
	if (r->sku)
		map_note(im, r, "sku", "not carried over: a circuit has no sizes here");
	map_note_rest(im, r, r->properties,
		      "peerings serviceProviderProperties bandwidthInGbps serviceKey "
		      "circuitProvisioningState serviceProviderProvisioningState");
	return out;
}
