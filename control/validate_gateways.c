/* SPDX-License-Identifier: Apache-2.0 */
/* Rules of gateways: one of a kind for a VNet, what their type and their SKU have. */
#include "control/validate_internal.h"

#include <stdlib.h>
#include <string.h>

/* ---- SKUs (about-gateway-skus; the first three of 2016; expressroute-about-virtual-network-
 * gateways) ---- */

static const struct {
	uint32_t tunnels, circuits; /* 0 = no limit */
	uint32_t mbps;
} sizes[MODEL_SKUS] = {
	[MODEL_SKU_BASIC] = {10, 4, 100},
	[MODEL_SKU_STANDARD] = {10, 4, 100},
	[MODEL_SKU_HIGH_PERFORMANCE] = {30, 8, 200},
	[MODEL_SKU_VPN_GW1] = {30, 0, 650},
	[MODEL_SKU_VPN_GW2] = {30, 0, 1000},
	[MODEL_SKU_VPN_GW3] = {30, 0, 1250},
	[MODEL_SKU_VPN_GW4] = {100, 0, 5000},
	[MODEL_SKU_VPN_GW5] = {100, 0, 10000},
	[MODEL_SKU_ULTRA_PERFORMANCE] = {0, 16, 0},
	[MODEL_SKU_ER_GW1] = {0, 4, 0},
	[MODEL_SKU_ER_GW2] = {0, 8, 0},
	[MODEL_SKU_ER_GW3] = {0, 16, 0},
};

static void check_tunnels(struct judge *j, uint32_t gateway)
{
	const struct model_gateway *g = &j->m->gateways[gateway];
	uint32_t n = j->first[gateway + 1] - j->first[gateway];
	uint32_t most = g->express_route ? sizes[g->size].circuits : sizes[g->size].tunnels;
	if (!most || n <= most || g->policy_based)
		return;
	findings_error(j->findings,
		       j->m->connections[j->by_gateway[j->first[gateway] + most]].gateway_at,
		       "virtualNetworkGateway1: %s has %u connections, its sku %s takes %u",
		       g->name, n, g->sku, most);
}

static void check_size(struct judge *j, const struct model_gateway *g)
{
	if (g->express_route)
		return;
	if (g->size >= MODEL_SKU_ULTRA_PERFORMANCE)
		findings_error(j->findings, g->sku_at,
			       "sku: %s is a size of gatewayType ExpressRoute; Vpn has Unlimited, "
			       "Basic, Standard, HighPerformance and VpnGw1 to VpnGw5",
			       g->sku);
	if (sizes[g->size].mbps && g->own_bandwidth > sizes[g->size].mbps)
		findings_error(j->findings, g->bandwidth_at,
			       "bandwidthInMbps: %u is above the %u of sku %s", g->own_bandwidth,
			       sizes[g->size].mbps, g->sku);
	if (g->size == MODEL_SKU_BASIC && g->enable_bgp)
		findings_error(j->findings, g->bgp_at,
			       "enableBgp: sku Basic has no BGP; take Standard or a larger one");
	if (g->size == MODEL_SKU_BASIC && g->clients.ike)
		findings_error(
			j->findings, g->clients.protocols_at,
			"vpnClientProtocols: clients of sku Basic have SSTP alone; IkeV2 needs "
			"another sku");
}

/* ---- types ---- */

static void check_policy_based(struct judge *j, const struct model_gateway *g)
{
	if (g->size != MODEL_SKU_UNLIMITED && g->size != MODEL_SKU_BASIC &&
	    g->size < MODEL_SKU_ULTRA_PERFORMANCE)
		findings_error(j->findings, g->sku_at,
			       "sku: a PolicyBased gateway is of sku Basic, or Unlimited, came %s",
			       g->sku);
	if (g->enable_bgp)
		findings_error(j->findings, g->bgp_at,
			       "enableBgp: %s is PolicyBased; BGP needs a RouteBased gateway",
			       g->name);
	if (g->default_site != MODEL_NONE)
		findings_error(j->findings, g->default_site_at,
			       "gatewayDefaultSite: %s is PolicyBased; forced tunnelling needs a "
			       "RouteBased gateway",
			       g->name);
}

static void check_express_route(struct judge *j, const struct model_gateway *g)
{
	if (g->policy_based)
		findings_error(j->findings, g->vpn_type_at,
			       "vpnType: PolicyBased does not belong to gatewayType ExpressRoute");
	if (g->size >= MODEL_SKU_VPN_GW1 && g->size <= MODEL_SKU_VPN_GW5)
		findings_error(j->findings, g->sku_at,
			       "sku: %s is a size of gatewayType Vpn; ExpressRoute has Unlimited, "
			       "Basic, Standard, HighPerformance, UltraPerformance and ErGw1AZ to "
			       "ErGw3AZ",
			       g->sku);
	if (g->active_standby)
		findings_error(j->findings, g->standby_at,
			       "activeStandby: does not belong to gatewayType ExpressRoute; a "
			       "circuit has a primary and a secondary link");
	if (g->own_bandwidth)
		findings_error(j->findings, g->bandwidth_at,
			       "bandwidthInMbps: does not belong to gatewayType ExpressRoute; a "
			       "circuit has its own");
	if (g->clients.n_pool)
		findings_error(
			j->findings, g->clients.place,
			"vpnClientConfiguration: does not belong to gatewayType ExpressRoute; "
			"clients need a Vpn gateway");
	if (g->default_site != MODEL_NONE)
		findings_error(j->findings, g->default_site_at,
			       "gatewayDefaultSite: does not belong to gatewayType ExpressRoute; a "
			       "circuit's default route comes by BGP");
}

static void check_default_site(struct judge *j, uint32_t gateway)
{
	const struct model_gateway *g = &j->m->gateways[gateway];
	for (uint32_t i = j->first[gateway]; i < j->first[gateway + 1]; i++) {
		const struct model_connection *c = &j->m->connections[j->by_gateway[i]];
		if (c->site == g->default_site || c->incomplete)
			return;
	}
	findings_warn(j->findings, g->default_site_at,
		      "gatewayDefaultSite: no connection of %s leads to %s; what is sent there is "
		      "dropped",
		      g->name, j->m->sites[g->default_site].name);
}

/* ---- in their VNet ---- */

static const struct model_subnet *gateway_subnet(const struct model_vnet *v, bool *known)
{
	*known = !v->incomplete;
	for (uint32_t i = 0; i < v->n_subnets; i++) {
		*known = *known && !v->subnets[i].incomplete;
		if (!strcmp(v->subnets[i].name, MODEL_GATEWAY_SUBNET))
			return &v->subnets[i];
	}
	return NULL;
}

static void check_gateway_subnet(struct judge *j, const struct model_gateway *g)
{
	const struct model_vnet *v = &j->m->vnets[g->vnet];
	bool known;
	if (!gateway_subnet(v, &known) && known)
		findings_error(j->findings, g->vnet_at,
			       "virtualNetwork: %s has no subnet with the name GatewaySubnet, its "
			       "gateway %s needs one of /29 or larger",
			       v->name, g->name);
}

/* A Vpn and an ExpressRoute gateway side by side. */
static void check_coexistence(struct judge *j, const struct model_vnet *v)
{
	const struct model_gateway *vpn = &j->m->gateways[v->vpn_gateway];
	const struct model_gateway *er = &j->m->gateways[v->express_route_gateway];
	char text[PREFIX_TEXT];
	bool known;
	const struct model_subnet *s = gateway_subnet(v, &known);
	if (s && !s->incomplete && s->prefix.len > length_of(&s->prefix, 5))
		findings_error(j->findings, s->prefix_at,
			       "addressPrefix: a Vpn and an ExpressRoute gateway together need a "
			       "GatewaySubnet of /%d or larger, came %s",
			       length_of(&s->prefix, 5), ip_prefix_format(&s->prefix, text));
	if (vpn->policy_based)
		findings_error(j->findings, vpn->vpn_type_at,
			       "vpnType: beside the ExpressRoute gateway %s it must be RouteBased",
			       er->name);
	if (vpn->active_standby && v->branch_to_branch)
		findings_error(j->findings, vpn->standby_at,
			       "activeStandby: with allowBranchToBranchTraffic of %s the host that "
			       "stands by would announce the sites of %s in its circuits and drop "
			       "what comes for them",
			       v->name, vpn->name);
	if (vpn->size == MODEL_SKU_BASIC || er->size == MODEL_SKU_BASIC)
		findings_error(
			j->findings, vpn->size == MODEL_SKU_BASIC ? vpn->sku_at : er->sku_at,
			"sku: Basic does not go with a Vpn and an ExpressRoute gateway in one "
			"virtual network");
}

static void check_branches(struct judge *j, const struct model_vnet *v)
{
	if (v->branch_to_branch && !v->incomplete &&
	    (v->vpn_gateway == MODEL_NONE || v->express_route_gateway == MODEL_NONE))
		findings_warn(j->findings, v->branch_at,
			      "allowBranchToBranchTraffic: %s has not both a Vpn and an "
			      "ExpressRoute gateway, so there is nothing between them",
			      v->name);
}

static void vnet_twice(struct judge *j, const struct unique_item *item,
		       const struct unique_item *first)
{
	findings_error(j->findings, item->place,
		       "virtualNetwork: %s serves it already, in line %u; a virtual network has "
		       "one gateway of a type",
		       first->name, first->place.line);
}

static void public_address_twice(struct judge *j, const struct unique_item *item,
				 const struct unique_item *first)
{
	findings_error(j->findings, item->place,
		       "publicIPAddress: it is the address of %s already, in line %u; each gateway "
		       "has its own",
		       first->name, first->place.line);
}

static void check_unique(struct judge *j)
{
	struct unique vnets = {0}, addresses = {0};
	for (uint32_t i = 0; i < j->m->n_gateways; i++) {
		const struct model_gateway *g = &j->m->gateways[i];
		const uint32_t key[2] = {g->vnet, g->express_route};
		if (g->public_address.family)
			unique_add(j, &addresses, &g->public_address, sizeof g->public_address,
				   g->address_at, g->name);
		if (g->vnet != MODEL_NONE)
			unique_add(j, &vnets, key, sizeof key, g->vnet_at, g->name);
	}
	/* a remote gateway lives on another host */
	for (uint32_t i = 0; i < j->m->n_sites; i++) {
		const struct model_site *s = &j->m->sites[i];
		if (s->is_remote_gateway && s->address.family)
			unique_add(j, &addresses, &s->address, sizeof s->address, s->address_at,
				   s->name);
	}
	unique_report(j, &vnets, vnet_twice);
	unique_report(j, &addresses, public_address_twice);
}

void validate_gateways(struct judge *j)
{
	check_unique(j);
	for (uint32_t i = 0; i < j->m->n_gateways; i++) {
		const struct model_gateway *g = &j->m->gateways[i];
		if (g->vnet != MODEL_NONE)
			check_gateway_subnet(j, g);
		check_tunnels(j, i);
		check_size(j, g);
		if (g->express_route)
			check_express_route(j, g);
		else if (g->policy_based)
			check_policy_based(j, g);
		if (g->default_site != MODEL_NONE && !g->incomplete && !g->express_route)
			check_default_site(j, i);
	}
	for (uint32_t i = 0; i < j->m->n_vnets; i++) {
		const struct model_vnet *v = &j->m->vnets[i];
		if (v->vpn_gateway != MODEL_NONE && v->express_route_gateway != MODEL_NONE)
			check_coexistence(j, v);
		check_branches(j, v);
	}
}
