/* SPDX-License-Identifier: Apache-2.0 */
/* Virtual networks and their peerings in the status document. */
#include "loader/status.h"

static json_t *prefixes(const struct ip_prefix *p, uint32_t n)
{
	char text[PREFIX_TEXT];
	json_t *list = json_array();
	for (uint32_t i = 0; i < n; i++)
		json_array_append_new(list, json_string(ip_prefix_format(&p[i], text)));
	return list;
}

static json_t *peering(const struct model *m, const struct model_peering *p)
{
	enum model_peering_state state = model_peering_state(p);
	return json_pack("{s:s,s:s,s:s,s:b,s:b,s:b,s:b}", "name", p->name, "peeringState",
			 model_peering_state_text(state), "remoteVirtualNetwork",
			 m->vnets[p->remote].name, "allowVirtualNetworkAccess", p->access,
			 "allowForwardedTraffic", p->forwarded, "allowGatewayTransit",
			 p->gateway_transit, "useRemoteGateways", p->remote_gateways);
}

static json_t *network(const struct model *m, uint32_t i)
{
	const struct model_vnet *v = &m->vnets[i];
	uint32_t gateway = model_gateway_of(m, i);
	json_t *o = json_pack("{s:s,s:i,s:s}", "name", v->name, "id", (int)v->id, "deploymentModel",
			      v->classic ? "classic" : "resourceManager");
	json_t *peerings = json_array();
	for (uint32_t k = 0; k < v->n_peerings; k++)
		json_array_append_new(peerings, peering(m, &v->peerings[k]));
	json_object_set_new(o, "addressSpace", prefixes(v->address_space, v->n_address_space));
	/* the one that its traffic uses, its own or a peer's */
	json_object_set_new(o, "gateway",
			    gateway != MODEL_NONE ? json_string(m->gateways[gateway].name)
						  : json_null());
	json_object_set_new(o, "attachments", json_integer(v->n_attachments));
	json_object_set_new(o, "endpoints", json_integer(v->n_endpoints));
	json_object_set_new(o, "peerings", peerings);
	return o;
}

json_t *status_networks(const struct model *m)
{
	json_t *list = json_array();
	for (uint32_t i = 0; i < m->n_vnets; i++)
		json_array_append_new(list, network(m, i));
	return list;
}
