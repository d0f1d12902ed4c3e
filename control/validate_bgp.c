/* SPDX-License-Identifier: Apache-2.0 */
/* Rules of BGP: AS numbers that may be had, addresses that speak it, both ends willing. */
#include "control/validate_internal.h"

#include <stdlib.h>
#include <string.h>

const char *validate_asn(uint32_t asn, bool azure)
{
	static const uint32_t of_azure[] = {8074, 8075, 8076, 12076};
	for (unsigned i = 0; i < sizeof of_azure / sizeof *of_azure; i++) {
		if (asn == of_azure[i])
			return "is reserved for Azure itself";
	}
	if ((asn == 65515 && !azure) || (asn >= 65517 && asn <= 65520))
		return "is reserved for Azure's gateways";
	/* RFC 4893, RFC 5398, RFC 7300 */
	if (asn == 23456 || (asn >= 64496 && asn <= 64511) || (asn >= 65535 && asn <= 65551) ||
	    asn == 4294967295u)
		return "is reserved by IANA";
	return NULL;
}

static void check_asn(struct judge *j, const struct model_bgp *b, bool azure)
{
	const char *why = b->asn ? validate_asn(b->asn, azure) : NULL;
	if (why)
		findings_error(
			j->findings, b->asn_at,
			"asn: %u %s; private ones are 64512 to 65514, 65516 and 65521 to 65534",
			b->asn, why);
}

/* 169.254.21.0 to 169.254.22.255: what a gateway may have of RFC 3927's addresses. */
static bool is_apipa_of_gateways(const struct ip_addr *a)
{
	return model_is_apipa(a) && (a->b[2] == 21 || a->b[2] == 22);
}

/* At the links there are addresses already. */
static void check_express_route(struct judge *j, const struct model_gateway *g)
{
	if (g->bgp.address.family)
		findings_warn(
			j->findings, g->bgp.address_at,
			"bgpPeeringAddress: a gateway of gatewayType ExpressRoute speaks from "
			"the addresses of its circuits' links; this one has no effect");
	for (uint32_t i = 0; i < g->bgp.n_custom; i++)
		findings_error(j->findings, g->bgp.custom_at[i],
			       "customBgpIpAddresses: does not belong to gatewayType ExpressRoute");
}

static void check_custom(struct judge *j, const struct model_gateway *g)
{
	char text[IP_TEXT];
	if (g->bgp.n_custom > MODEL_BGP_CUSTOM)
		findings_error(j->findings, g->bgp.custom_at[MODEL_BGP_CUSTOM],
			       "customBgpIpAddresses: expected at most %u addresses, came %u",
			       MODEL_BGP_CUSTOM, g->bgp.n_custom);
	for (uint32_t i = 0; i < g->bgp.n_custom; i++) {
		const struct ip_addr *a = &g->bgp.custom[i];
		bool twice = ip_addr_equal(a, &g->bgp.address);
		for (uint32_t k = 0; k < i; k++)
			twice = twice || ip_addr_equal(a, &g->bgp.custom[k]);
		if (!is_apipa_of_gateways(a))
			findings_error(j->findings, g->bgp.custom_at[i],
				       "customBgpIpAddresses: a gateway may have 169.254.21.0 to "
				       "169.254.22.255, came %s",
				       ip_addr_format(a, text));
		else if (twice)
			findings_error(j->findings, g->bgp.custom_at[i],
				       "customBgpIpAddresses: %s has it already, %s", g->name,
				       ip_addr_format(a, text));
	}
}

static void check_address(struct judge *j, const struct model_gateway *g,
			  const struct model_vnet *v)
{
	char text[IP_TEXT];
	const struct ip_addr *a = &g->bgp.address;
	struct model_place at = g->bgp.address_at.line ? g->bgp.address_at : g->bgp_at;
	bool known = !v->incomplete, found = false;
	for (uint32_t i = 0; i < v->n_subnets; i++) {
		known = known && !v->subnets[i].incomplete;
		found = found || (!strcmp(v->subnets[i].name, MODEL_GATEWAY_SUBNET) &&
				  ip_prefix_contains(&v->subnets[i].prefix, a));
	}
	if (known && !found)
		findings_error(j->findings, at,
			       "bgpPeeringAddress: %s is not inside GatewaySubnet of %s",
			       ip_addr_format(a, text), v->name);
	else if (model_is_own_address(v, a))
		findings_error(j->findings, at,
			       "bgpPeeringAddress: %s is the gateway's address at an attachment of "
			       "%s; take another one of GatewaySubnet",
			       ip_addr_format(a, text), v->name);
}

static void check_gateway(struct judge *j, const struct model_gateway *g)
{
	char text[IP_TEXT];
	const struct ip_addr *a = &g->bgp.address;
	check_asn(j, &g->bgp, true);
	if (g->express_route) {
		check_express_route(j, g);
		return;
	}
	check_custom(j, g);
	if (!a->family || g->vnet == MODEL_NONE || is_apipa_of_gateways(a))
		return;
	if (model_is_apipa(a))
		findings_error(j->findings, g->bgp.address_at,
			       "bgpPeeringAddress: of 169.254.0.0/16 a gateway may have "
			       "169.254.21.0 to 169.254.22.255, came %s",
			       ip_addr_format(a, text));
	else
		check_address(j, g, &j->m->vnets[g->vnet]);
}

static void check_site(struct judge *j, const struct model_site *s)
{
	check_asn(j, &s->bgp, s->is_remote_gateway);
	if (s->bgp.n_custom)
		findings_error(
			j->findings, s->bgp.custom_at[0],
			"customBgpIpAddresses: only a virtual network gateway has them; give "
			"the one that %s speaks from as bgpPeeringAddress",
			s->name);
	if (s->bgp.address.family && ip_addr_equal(&s->bgp.address, &s->address))
		findings_error(j->findings, s->bgp.address_at,
			       "bgpPeeringAddress: it is the outer address of %s, which the tunnel "
			       "itself goes to; take one behind it",
			       s->name);
}

static const char *far_name(const struct model *m, const struct model_connection *c)
{
	return c->site != MODEL_NONE ? m->sites[c->site].name : m->gateways[c->peer_gateway].name;
}

static void check_far_address(struct judge *j, const struct model_connection *c,
			      const struct model_bgp *far)
{
	const struct model_gateway *g = &j->m->gateways[c->gateway];
	const struct model_vnet *v = &j->m->vnets[g->vnet];
	const struct ip_addr near = model_connection_bgp_local(j->m, c);
	char text[IP_TEXT];
	if (model_is_apipa(&far->address) && !near.family)
		findings_error(j->findings, c->bgp_at,
			       "enableBgp: the bgpPeeringAddress of %s is of 169.254.0.0/16, so %s "
			       "needs one of 169.254.21.0 to 169.254.22.255",
			       far_name(j->m, c), g->name);
	else if (!near.family)
		findings_error(j->findings, c->bgp_at,
			       "enableBgp: %s has no bgpPeeringAddress, nor an IPv4 GatewaySubnet "
			       "to take one from",
			       g->name);
	else if (near.family != far->address.family)
		findings_error(j->findings, c->bgp_at,
			       "enableBgp: the bgpPeeringAddress of %s is of IPv%d, that of %s of "
			       "IPv%d; both must be of one family",
			       far_name(j->m, c), far->address.family, g->name, near.family);
	else if (ip_addr_equal(&near, &far->address))
		findings_error(j->findings, far->address_at,
			       "bgpPeeringAddress: %s is the one of %s at this side of the tunnel",
			       ip_addr_format(&near, text), g->name);
	for (uint32_t i = 0; i < v->n_address_space; i++) {
		if (ip_prefix_contains(&v->address_space[i], &far->address))
			findings_error(
				j->findings, far->address_at,
				"bgpPeeringAddress: %s is inside the address space of %s, at "
				"this side of the tunnel",
				ip_addr_format(&far->address, text), v->name);
	}
}

static void check_far_end(struct judge *j, const struct model_connection *c,
			  const struct model_bgp *far)
{
	const struct model_gateway *g = &j->m->gateways[c->gateway];
	check_far_address(j, c, far);
	if (far->asn == g->bgp.asn)
		findings_error(j->findings, c->bgp_at,
			       "enableBgp: %s and %s have one AS number, %u; each needs its own",
			       g->name, far_name(j->m, c), far->asn);
}

/* What a connection says of the address that its gateway speaks from. */
static void check_local(struct judge *j, const struct model_connection *c)
{
	char text[IP_TEXT];
	if (!c->bgp_local.family || !validate_is_known(j->m, c) || c->express_route)
		return;
	const struct model_bgp *b = &j->m->gateways[c->gateway].bgp;
	bool found = ip_addr_equal(&c->bgp_local, &b->address);
	for (uint32_t i = 0; !found && i < b->n_custom; i++)
		found = ip_addr_equal(&c->bgp_local, &b->custom[i]);
	if (!c->enable_bgp)
		findings_error(j->findings, c->bgp_local_at,
			       "gatewayCustomBgpIpAddress: %s has no enableBgp", c->name);
	else if (!found)
		findings_error(j->findings, c->bgp_local_at,
			       "gatewayCustomBgpIpAddress: %s is none of the addresses of %s; give "
			       "it in its customBgpIpAddresses too",
			       ip_addr_format(&c->bgp_local, text),
			       j->m->gateways[c->gateway].name);
}

static void check_connection(struct judge *j, const struct model_connection *c)
{
	const struct model_gateway *g = &j->m->gateways[c->gateway];
	const struct model_bgp *far = model_far_bgp(j->m, c);
	if (!g->enable_bgp)
		findings_error(j->findings, c->bgp_at, "enableBgp: %s has no enableBgp itself",
			       g->name);
	if (c->policy_based_selectors)
		findings_error(j->findings, c->bgp_at,
			       "enableBgp: does not go with usePolicyBasedTrafficSelectors, whose "
			       "selectors routes cannot change");
	if (!g->enable_bgp)
		return;
	if (c->peer_gateway != MODEL_NONE && !j->m->gateways[c->peer_gateway].enable_bgp)
		findings_error(j->findings, c->bgp_at,
			       "enableBgp: %s, the other side, has no enableBgp",
			       far_name(j->m, c));
	else if (!far->asn || !far->address.family)
		findings_error(j->findings, c->bgp_at,
			       "enableBgp: %s has no bgpSettings with asn and bgpPeeringAddress",
			       far_name(j->m, c));
	else
		check_far_end(j, c, far);
}

static void check_next_hop6(struct judge *j, const struct model_gateway *g)
{
	const struct model_vnet *v = g->vnet == MODEL_NONE ? NULL : &j->m->vnets[g->vnet];
	if (v && g->enable_bgp && !g->express_route && !v->incomplete && model_vnet_has_v6(v) &&
	    !model_own_address6(v).family)
		findings_warn(j->findings, g->bgp_at,
			      "enableBgp: %s has IPv6 prefixes, but no attachment with an IPv6 "
			      "address to be their next hop in a BGP session over IPv4; common "
			      "routers refuse them so",
			      v->name);
}

/* Gateways with a session over IPv4: in a tunnel, or with the other instance. */
static void check_next_hops(struct judge *j)
{
	bool *over_v4 = calloc(j->m->n_gateways + 1, sizeof *over_v4);
	j->no_memory |= !over_v4;
	for (uint32_t i = 0; over_v4 && i < j->m->n_connections; i++) {
		const struct model_connection *c = &j->m->connections[i];
		if (c->enable_bgp && !c->express_route && validate_is_known(j->m, c))
			over_v4[c->gateway] |= model_connection_bgp_local(j->m, c).family == IP_V4;
	}
	for (uint32_t i = 0; over_v4 && i < j->m->n_gateways; i++) {
		const struct model_gateway *g = &j->m->gateways[i];
		if (over_v4[i] || g->other.bgp_address.family == IP_V4)
			check_next_hop6(j, g);
	}
	free(over_v4);
}

void validate_bgp(struct judge *j)
{
	for (uint32_t i = 0; i < j->m->n_gateways; i++)
		check_gateway(j, &j->m->gateways[i]);
	check_next_hops(j);
	for (uint32_t i = 0; i < j->m->n_sites; i++)
		check_site(j, &j->m->sites[i]);
	for (uint32_t i = 0; i < j->m->n_connections; i++) {
		const struct model_connection *c = &j->m->connections[i];
		check_local(j, c);
		if (c->enable_bgp && !c->express_route && validate_is_known(j->m, c))
			check_connection(j, c);
	}
}
