/* SPDX-License-Identifier: Apache-2.0 */
/* Rules of active-active gateways: two instances, each of which knows where the other one is. */
#include "control/validate_internal.h"

static void check_kind(struct judge *j, const struct model_gateway *g)
{
	if (g->express_route)
		findings_error(j->findings, g->active_at,
			       "activeActive: does not belong to gatewayType ExpressRoute, whose "
			       "circuits have two links each");
	else if (g->policy_based)
		findings_error(j->findings, g->active_at,
			       "activeActive: %s is PolicyBased; two instances need a RouteBased "
			       "gateway",
			       g->name);
	else if (g->size == MODEL_SKU_BASIC || g->size == MODEL_SKU_STANDARD)
		findings_error(
			j->findings, g->active_at,
			"activeActive: sku %s has one instance; take HighPerformance, VpnGw1 "
			"or a larger one",
			g->sku);
	else if (g->active_standby)
		findings_error(j->findings, g->standby_at,
			       "activeStandby: %s is activeActive, both instances work; give one "
			       "of the two",
			       g->name);
}

static bool is_known(const struct model_vnet *v)
{
	bool known = !v->incomplete;
	for (uint32_t i = 0; i < v->n_attachments; i++)
		known = known && !v->attachments[i].incomplete;
	return known;
}

static void check_address(struct judge *j, const struct model_gateway *g,
			  const struct model_vnet *v)
{
	char text[IP_TEXT];
	const struct ip_addr *a = &g->other.address;
	ip_addr_format(a, text);
	if (model_is_own_address(v, a))
		findings_error(j->findings, g->other.address_at,
			       "address: %s is this instance's own address at an attachment of %s; "
			       "give the other one's",
			       text, v->name);
	else if (is_known(v) && model_attachment_of(v, a) == MODEL_NONE)
		findings_error(
			j->findings, g->other.address_at,
			"address: %s is on no link of %s; the other instance is reached at a "
			"plain or VLAN attachment with an address of the same prefix",
			text, v->name);
}

static bool is_inside(const struct model_vnet *v, const struct ip_addr *a)
{
	for (uint32_t i = 0; i < v->n_address_space; i++) {
		if (ip_prefix_contains(&v->address_space[i], a))
			return true;
	}
	return false;
}

static void check_bgp(struct judge *j, const struct model_gateway *g, const struct model_vnet *v)
{
	char text[IP_TEXT];
	const struct ip_addr *a = &g->other.bgp_address;
	ip_addr_format(a, text);
	if (!g->enable_bgp)
		findings_error(j->findings, g->other.bgp_at,
			       "bgpPeeringAddress: %s has no enableBgp itself", g->name);
	else if (ip_addr_equal(a, &g->bgp.address))
		findings_error(j->findings, g->other.bgp_at,
			       "bgpPeeringAddress: %s is this instance's own; each speaks from its "
			       "own address",
			       text);
	else if (a->family != g->bgp.address.family)
		findings_error(j->findings, g->other.bgp_at,
			       "bgpPeeringAddress: %s and that of this instance must be of one "
			       "family",
			       text);
	else if (ip_addr_equal(a, &g->other.address) || model_is_own_address(v, a) ||
		 (!v->incomplete && !is_inside(v, a)))
		findings_error(j->findings, g->other.bgp_at,
			       "bgpPeeringAddress: expected an address of %s that no attachment "
			       "has, came %s",
			       v->name, text);
}

void validate_instances(struct judge *j)
{
	for (uint32_t i = 0; i < j->m->n_gateways; i++) {
		const struct model_gateway *g = &j->m->gateways[i];
		if (g->active_active)
			check_kind(j, g);
		if (g->active_active && !g->other.address.family && !g->incomplete)
			findings_error(j->findings, g->active_at,
				       "activeActive: it needs otherInstance, with the address in "
				       "the virtual network where the other instance of %s is",
				       g->name);
		if (!g->active_active && g->other.place.line)
			findings_error(j->findings, g->other.place,
				       "otherInstance: %s has no activeActive, so it is the only "
				       "instance",
				       g->name);
		if (g->vnet == MODEL_NONE || !g->active_active)
			continue;
		if (g->other.address.family)
			check_address(j, g, &j->m->vnets[g->vnet]);
		if (g->other.bgp_address.family)
			check_bgp(j, g, &j->m->vnets[g->vnet]);
	}
}
