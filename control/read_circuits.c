/* SPDX-License-Identifier: Apache-2.0 */
/* expressRouteCircuits -> the model's circuits and their peerings. */
#include "control/read_internal.h"

#include <errno.h>

/* A link's prefix of the family that it is of. */
static void read_link_prefix(const struct tree_node *map, enum schema_property p,
			     struct model_circuit_link *l)
{
	const char *text = read_text(map, p);
	struct ip_prefix prefix;
	if (!text || ip_prefix_parse(&prefix, text))
		return;
	bool v6 = prefix.addr.family == IP_V6;
	l->prefix[v6] = prefix;
	l->prefix_at[v6] = read_place(map, p);
}

static void read_link(struct read *r, const struct tree_node *map, struct model_circuit_link *l,
		      enum schema_property port, enum schema_property prefix)
{
	l->port = read_reference(r, map, port, &r->ports, "port");
	l->port_at = read_place(map, port);
	read_link_prefix(map, prefix, l);
}

/* Beside the prefixes of IPv4, not in their place. */
static void read_ipv6(struct read *r, const struct tree_node *map, struct model_circuit_peering *p)
{
	static const enum schema_property rows[2] = {P_ipv6Peering_primaryPeerAddressPrefix,
						     P_ipv6Peering_secondaryPeerAddressPrefix};
	const struct tree_node *v = schema_value(map, P_circuitPeering_ipv6PeeringConfig);
	if (!v || v->type != TREE_MAP || v->is_bad)
		return;
	for (unsigned i = 0; i < 2; i++) {
		struct model_circuit_link given = {0}, *l = &p->link[i];
		read_link_prefix(v, rows[i], &given);
		if (given.prefix[0].addr.family)
			findings_error(r->findings, given.prefix_at[0],
				       "%s: expected an IPv6 prefix, came one of IPv4",
				       schema_row(rows[i])->name);
		else if (given.prefix[1].addr.family && l->prefix[1].addr.family)
			findings_error(r->findings, given.prefix_at[1],
				       "%s: the link has an IPv6 prefix already, in line %u",
				       schema_row(rows[i])->name, l->prefix_at[1].line);
		if (!given.prefix[1].addr.family || l->prefix[1].addr.family)
			continue;
		l->prefix[1] = given.prefix[1];
		l->prefix_at[1] = given.prefix_at[1];
	}
}

static void read_bfd(const struct tree_node *map, struct model_circuit_peering *p)
{
	p->bfd = read_boolean(map, P_circuitPeering_bfd);
	p->bfd_interval_ms = read_number(map, P_circuitPeering_bfdIntervalMilliseconds);
	p->bfd_multiplier = read_number(map, P_circuitPeering_bfdMultiplier);
	p->bfd_at = read_place(map, P_circuitPeering_bfd);
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
	read_ipv6(r, map, p);
	p->peer_asn = read_number(map, P_circuitPeering_peerASN);
	read_bfd(map, p);
	p->max_prefixes = read_number(map, P_circuitPeering_maxPrefixes);
	p->hold_down_seconds = read_number(map, P_circuitPeering_holdDownSeconds);
	read_md5(r, map, P_circuitPeering_sharedKey, &p->md5);
	p->place = read_place(map, P_circuitPeering_port);
	p->asn_at = read_place(map, P_circuitPeering_peerASN);
	p->vlan_at = read_place(map, P_circuitPeering_vlanId);
	p->outer_at = read_place(map, P_circuitPeering_outerVlanId);
	p->md5_at = read_place(map, P_circuitPeering_sharedKey);
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
