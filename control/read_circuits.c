/* SPDX-License-Identifier: Apache-2.0 */
/* expressRouteCircuits -> the model's circuits and their peerings. */
#include "control/read_internal.h"

#include <errno.h>

static void read_link(struct read *r, const struct tree_node *map, struct model_circuit_link *l,
		      enum schema_property port, enum schema_property prefix)
{
	const char *text = read_text(map, prefix);
	struct ip_prefix p;
	l->port = read_reference(r, map, port, &r->ports, "port");
	l->port_at = read_place(map, port);
	if (!text || ip_prefix_parse(&p, text))
		return;
	l->prefix[p.addr.family == IP_V6] = p;
	l->prefix_at[p.addr.family == IP_V6] = read_place(map, prefix);
}

static void read_peering(struct read *r, const struct tree_node *map,
			 struct model_circuit_peering *p)
{
	p->vlan = read_number(map, P_circuitPeering_vlanId);
	p->outer_vlan = read_number(map, P_circuitPeering_outerVlanId);
	read_link(r, map, &p->link[0], P_circuitPeering_port,
		  P_circuitPeering_primaryPeerAddressPrefix);
	read_link(r, map, &p->link[1], P_circuitPeering_secondaryPort,
		  P_circuitPeering_secondaryPeerAddressPrefix);
	p->peer_asn = read_number(map, P_circuitPeering_peerASN);
	p->bfd = read_boolean(map, P_circuitPeering_bfd);
	p->place = read_place(map, P_circuitPeering_port);
	p->asn_at = read_place(map, P_circuitPeering_peerASN);
	p->vlan_at = read_place(map, P_circuitPeering_vlanId);
	p->outer_at = read_place(map, P_circuitPeering_outerVlanId);
	p->n_advertised = read_prefixes(r, map, P_circuitPeering_advertisedPrefixes, &p->advertised,
					&p->advertised_at);
	bool lost =
		schema_value(map, P_circuitPeering_secondaryPort) && p->link[1].port == MODEL_NONE;
	p->incomplete = map->is_bad || p->link[0].port == MODEL_NONE || lost;
}

int read_circuits(struct read *r)
{
	const struct tree_node *root = r->tree->root;
	struct model *m = r->model;
	uint32_t n = read_length(root, P_configuration_expressRouteCircuits);
	m->circuits = read_array(r, n, sizeof *m->circuits);
	for (uint32_t i = 0; m->circuits && i < n; i++) {
		const struct tree_node *item =
			read_item(root, P_configuration_expressRouteCircuits, i);
		struct model_circuit *c = &m->circuits[m->n_circuits++];
		uint32_t peerings = read_length(item, P_expressRouteCircuit_peerings);
		c->name = read_copy(r, read_text(item, P_expressRouteCircuit_name));
		c->bandwidth_mbps = read_number(item, P_expressRouteCircuit_bandwidthInMbps);
		c->place = read_place(item, P_expressRouteCircuit_name);
		c->incomplete = item->is_bad;
		c->peerings = read_array(r, peerings, sizeof *c->peerings);
		for (uint32_t k = 0; c->peerings && k < peerings; k++)
			read_peering(r, read_item(item, P_expressRouteCircuit_peerings, k),
				     &c->peerings[c->n_peerings++]);
	}
	return r->no_memory ? -ENOMEM
			    : read_index_names(r, P_configuration_expressRouteCircuits,
					       P_expressRouteCircuit_name, 0, &r->circuits);
}
