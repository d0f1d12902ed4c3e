/* SPDX-License-Identifier: Apache-2.0 */
/* Rules of private circuits: two links of their own, tags that no other peering has. */
#include "control/validate_internal.h"

static const char *const port_names[] = {"port", "secondaryPort"};
static const char *const prefix_names[] = {"primaryPeerAddressPrefix",
					   "secondaryPeerAddressPrefix"};

static void check_link(struct judge *j, const struct model_circuit_link *l, unsigned i)
{
	char text[PREFIX_TEXT];
	if (l->port != MODEL_NONE) {
		const struct model_port *p = &j->m->host.ports[l->port];
		if (!p->incomplete && p->role != XGW_ROLE_CIRCUIT)
			findings_error(
				j->findings, l->port_at,
				"%s: %s has role %s, a circuit needs a port with role circuit",
				port_names[i], p->name,
				p->role == XGW_ROLE_UPLINK ? "uplink" : "vnet");
	}
	for (unsigned v6 = 0; v6 < 2; v6++) {
		const struct ip_prefix *p = &l->prefix[v6];
		if (p->addr.family && p->len != length_of(p, 2))
			findings_error(j->findings, l->prefix_at[v6],
				       "%s: expected a prefix of two hosts, /%d, came %s",
				       prefix_names[i], length_of(p, 2), ip_prefix_format(p, text));
	}
}

static void check_links(struct judge *j, const struct model_circuit_peering *p)
{
	const struct model_circuit_link *one = &p->link[0], *two = &p->link[1];
	char a[PREFIX_TEXT], b[PREFIX_TEXT];
	bool has_port = two->port != MODEL_NONE;
	bool has_prefix = two->prefix[0].addr.family || two->prefix[1].addr.family;
	check_link(j, one, 0);
	check_link(j, two, 1);
	if (has_port != has_prefix)
		findings_error(j->findings,
			       has_port ? two->port_at
					: two->prefix_at[!two->prefix[0].addr.family],
			       "%s: the secondary link needs %s too",
			       has_port ? port_names[1] : prefix_names[1],
			       has_port ? prefix_names[1] : port_names[1]);
	for (unsigned v6 = 0; v6 < 2; v6++) {
		const struct ip_prefix *x = &one->prefix[v6], *y = &two->prefix[v6];
		if (x->addr.family && y->addr.family && ip_prefix_overlaps(x, y))
			findings_error(
				j->findings, two->prefix_at[v6],
				"secondaryPeerAddressPrefix: %s overlaps %s of the primary link",
				ip_prefix_format(y, b), ip_prefix_format(x, a));
	}
}

static void check_peering(struct judge *j, const struct model_circuit_peering *p)
{
	const char *why = validate_asn(p->peer_asn, false);
	check_links(j, p);
	if (p->outer_vlan && !p->vlan)
		findings_error(j->findings, p->outer_at,
			       "outerVlanId: it goes around a vlanId, which is missing");
	if (why)
		findings_error(j->findings, p->asn_at, "peerASN: %u %s; it is the customer's own",
			       p->peer_asn, why);
}

static void tag_twice(struct judge *j, const struct unique_item *item,
		      const struct unique_item *first)
{
	findings_error(j->findings, item->place,
		       "port: a peering of %s has the same port and VLANs already, in line %u; a "
		       "frame must belong to one",
		       first->name, first->place.line);
}

static void check_tags(struct judge *j)
{
	struct unique u = {0};
	for (uint32_t i = 0; i < j->m->n_circuits; i++) {
		const struct model_circuit *c = &j->m->circuits[i];
		for (uint32_t k = 0; k < c->n_peerings; k++) {
			const struct model_circuit_peering *p = &c->peerings[k];
			for (unsigned l = 0; !p->incomplete && l < 2; l++) {
				const uint32_t key[3] = {p->link[l].port, p->outer_vlan, p->vlan};
				if (p->link[l].port != MODEL_NONE)
					unique_add(j, &u, key, sizeof key, p->link[l].port_at,
						   c->name);
			}
		}
	}
	unique_report(j, &u, tag_twice);
}

/* ---- connections to circuits ---- */

static void overlap(struct judge *j, const struct model_vnet *v, const struct ip_prefix *p,
		    struct model_place at, const char *property)
{
	char a[PREFIX_TEXT], b[PREFIX_TEXT];
	for (uint32_t i = 0; p->addr.family && i < v->n_address_space; i++) {
		if (ip_prefix_covers(&v->address_space[i], p))
			findings_error(j->findings, at,
				       "%s: %s lies within %s of %s, which is connected to this "
				       "circuit",
				       property, ip_prefix_format(p, a),
				       ip_prefix_format(&v->address_space[i], b), v->name);
	}
}

static void check_connection(struct judge *j, const struct model_connection *c)
{
	const struct model_gateway *g = &j->m->gateways[c->gateway];
	const struct model_circuit *circuit = &j->m->circuits[c->circuit];
	if (!circuit->n_peerings && !circuit->incomplete)
		findings_error(j->findings, c->peer_at,
			       "expressRouteCircuit: %s has no peerings, nothing could pass",
			       circuit->name);
	for (uint32_t i = 0; g->vnet != MODEL_NONE && i < circuit->n_peerings; i++) {
		const struct model_circuit_peering *p = &circuit->peerings[i];
		const struct model_vnet *v = &j->m->vnets[g->vnet];
		for (unsigned l = 0; l < 4; l++)
			overlap(j, v, &p->link[l / 2].prefix[l % 2],
				p->link[l / 2].prefix_at[l % 2], prefix_names[l / 2]);
		for (uint32_t k = 0; k < p->n_advertised; k++)
			overlap(j, v, &p->advertised[k], p->advertised_at[k], "advertisedPrefixes");
	}
}

static void circuit_twice(struct judge *j, const struct unique_item *item,
			  const struct unique_item *first)
{
	findings_error(j->findings, item->place,
		       "expressRouteCircuit: %s, in line %u, connects the same gateway to it",
		       first->name, first->place.line);
}

void validate_circuits(struct judge *j)
{
	struct unique u = {0};
	for (uint32_t i = 0; i < j->m->n_circuits; i++) {
		for (uint32_t k = 0; k < j->m->circuits[i].n_peerings; k++) {
			if (!j->m->circuits[i].peerings[k].incomplete)
				check_peering(j, &j->m->circuits[i].peerings[k]);
		}
	}
	check_tags(j);
	for (uint32_t i = 0; i < j->m->n_connections; i++) {
		const struct model_connection *c = &j->m->connections[i];
		const uint32_t key[2] = {c->gateway, c->circuit};
		if (!c->express_route || c->incomplete)
			continue;
		unique_add(j, &u, key, sizeof key, c->peer_at, c->name);
		check_connection(j, c);
	}
	unique_report(j, &u, circuit_twice);
}
