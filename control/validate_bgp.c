/* SPDX-License-Identifier: Apache-2.0 */
/* Rules of BGP: AS numbers that may be had, addresses that speak it, both ends willing. */
#include "control/validate_internal.h"

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

static bool is_link_local(const struct ip_addr *a)
{
	return a->family == IP_V4 && a->b[0] == 169 && a->b[1] == 254;
}

/* 169.254.21.0 to 169.254.22.255: what a gateway may have of RFC 3927's addresses. */
static bool is_apipa_of_gateways(const struct ip_addr *a)
{
	return is_link_local(a) && (a->b[2] == 21 || a->b[2] == 22);
}

static void check_gateway(struct judge *j, const struct model_gateway *g)
{
	char text[IP_TEXT];
	const struct ip_addr *a = &g->bgp.address;
	check_asn(j, &g->bgp, true);
	if (!a->family || g->vnet == MODEL_NONE || is_apipa_of_gateways(a))
		return;
	if (is_link_local(a)) {
		findings_error(j->findings, g->bgp.address_at,
			       "bgpPeeringAddress: of 169.254.0.0/16 a gateway may have "
			       "169.254.21.0 to 169.254.22.255, came %s",
			       ip_addr_format(a, text));
		return;
	}
	const struct model_vnet *v = &j->m->vnets[g->vnet];
	for (uint32_t i = 0; i < v->n_subnets; i++) {
		if (v->subnets[i].incomplete || v->incomplete ||
		    (!strcmp(v->subnets[i].name, MODEL_GATEWAY_SUBNET) &&
		     ip_prefix_contains(&v->subnets[i].prefix, a)))
			return;
	}
	findings_error(j->findings, g->bgp.address_at,
		       "bgpPeeringAddress: %s is not inside GatewaySubnet of %s",
		       ip_addr_format(a, text), v->name);
}

static void check_site(struct judge *j, const struct model_site *s)
{
	check_asn(j, &s->bgp, s->is_remote_gateway);
	if (s->bgp.address.family && ip_addr_equal(&s->bgp.address, &s->address))
		findings_error(j->findings, s->bgp.address_at,
			       "bgpPeeringAddress: it is the outer address of %s, which the tunnel "
			       "itself goes to; take one behind it",
			       s->name);
}

/* The far end's settings; asn 0: none. */
static const struct model_bgp *far_bgp(const struct model *m, const struct model_connection *c)
{
	return c->site != MODEL_NONE ? &m->sites[c->site].bgp : &m->gateways[c->peer_gateway].bgp;
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
	char text[IP_TEXT];
	if (is_link_local(&far->address) && !is_link_local(&g->bgp.address))
		findings_error(j->findings, c->bgp_at,
			       "enableBgp: the bgpPeeringAddress of %s is of 169.254.0.0/16, so %s "
			       "needs one of 169.254.21.0 to 169.254.22.255",
			       far_name(j->m, c), g->name);
	for (uint32_t i = 0; i < v->n_address_space; i++) {
		if (ip_prefix_contains(&v->address_space[i], &far->address))
			findings_error(
				j->findings, far->address_at,
				"bgpPeeringAddress: %s is inside the address space of %s, at "
				"this side of the tunnel",
				ip_addr_format(&far->address, text), v->name);
	}
}

static void check_connection(struct judge *j, const struct model_connection *c)
{
	const struct model_gateway *g = &j->m->gateways[c->gateway];
	const struct model_bgp *far = far_bgp(j->m, c);
	if (!g->enable_bgp)
		findings_error(j->findings, c->bgp_at, "enableBgp: %s has no enableBgp itself",
			       g->name);
	if (c->policy_based_selectors)
		findings_error(j->findings, c->bgp_at,
			       "enableBgp: does not go with usePolicyBasedTrafficSelectors, whose "
			       "selectors routes cannot change");
	if (c->peer_gateway != MODEL_NONE && !j->m->gateways[c->peer_gateway].enable_bgp)
		findings_error(j->findings, c->bgp_at,
			       "enableBgp: %s, the other side, has no enableBgp",
			       far_name(j->m, c));
	else if (!far->asn || !far->address.family)
		findings_error(j->findings, c->bgp_at,
			       "enableBgp: %s has no bgpSettings with asn and bgpPeeringAddress",
			       far_name(j->m, c));
	else
		check_far_address(j, c, far);
	/* without settings a gateway is 65515 */
	uint32_t own = g->bgp.asn ? g->bgp.asn : 65515;
	if (far->asn == own)
		findings_error(j->findings, c->bgp_at,
			       "enableBgp: %s and %s have one AS number, %u; each needs its own",
			       g->name, far_name(j->m, c), own);
}

static void peer_twice(struct judge *j, const struct unique_item *item,
		       const struct unique_item *first)
{
	findings_error(
		j->findings, item->place,
		"enableBgp: the peer has the bgpPeeringAddress of that of %s, in line %u; each "
		"needs its own",
		first->name, first->place.line);
}

void validate_bgp(struct judge *j)
{
	struct unique peers = {0};
	for (uint32_t i = 0; i < j->m->n_gateways; i++)
		check_gateway(j, &j->m->gateways[i]);
	for (uint32_t i = 0; i < j->m->n_sites; i++)
		check_site(j, &j->m->sites[i]);
	for (uint32_t i = 0; i < j->m->n_connections; i++) {
		const struct model_connection *c = &j->m->connections[i];
		if (!c->enable_bgp || c->express_route || !validate_is_known(j->m, c))
			continue;
		check_connection(j, c);
		struct {
			uint32_t gateway;
			struct ip_addr address;
		} key;
		memset(&key, 0, sizeof key);
		key.gateway = c->gateway;
		key.address = far_bgp(j->m, c)->address;
		if (key.address.family)
			unique_add(j, &peers, &key, sizeof key, c->bgp_at, c->name);
	}
	unique_report(j, &peers, peer_twice);
}
