/* SPDX-License-Identifier: Apache-2.0 */
/* Rules of connections: what goes with their gateway, peers that can be told apart, two sides that
 * agree. */
#include "control/validate_internal.h"

#include "control/offer.h"

#include <string.h>

/* The far end's outer address; family IP_NONE: any. */
static struct ip_addr peer_address(const struct model *m, const struct model_connection *c)
{
	return c->site != MODEL_NONE ? m->sites[c->site].address
				     : m->gateways[c->peer_gateway].public_address;
}

/* Nothing that the rules look at was refused. */
bool validate_is_known(const struct model *m, const struct model_connection *c)
{
	if (c->incomplete || m->gateways[c->gateway].incomplete ||
	    m->vnets[m->gateways[c->gateway].vnet].incomplete)
		return false;
	if (c->site != MODEL_NONE)
		return !m->sites[c->site].incomplete;
	if (c->express_route)
		return !m->circuits[c->circuit].incomplete;
	return !m->gateways[c->peer_gateway].incomplete &&
	       !m->vnets[m->gateways[c->peer_gateway].vnet].incomplete;
}

static void check_any_peer(struct judge *j, const struct model_connection *c)
{
	if (c->mode == MODEL_MODE_INITIATOR)
		findings_error(j->findings, c->mode_at,
			       "connectionMode: InitiatorOnly needs the peer's address, "
			       "gatewayIpAddress of %s is any; take ResponderOnly",
			       j->m->sites[c->site].name);
	else if (c->mode == MODEL_MODE_DEFAULT)
		findings_warn(
			j->findings, c->place,
			"connectionMode: gatewayIpAddress of %s is any, so this side can only "
			"answer; say ResponderOnly",
			j->m->sites[c->site].name);
}

/* One name, one address. */
static void check_name(struct judge *j, const struct model_connection *c)
{
	const struct model_gateway *g = &j->m->gateways[c->gateway];
	for (const struct model_connection *o = j->m->connections; o < c; o++) {
		const struct model_gateway *other = &j->m->gateways[o->gateway];
		if (o->site != c->site || o->incomplete || other->incomplete ||
		    other->public_address.family == g->public_address.family)
			continue;
		findings_error(
			j->findings, c->peer_at,
			"localNetworkGateway2: the address of %s's fqdn is IPv%d, as %s has it; "
			"that of %s is IPv%d; give each family a site of its own",
			j->m->sites[c->site].name, other->public_address.family, other->name,
			g->name, g->public_address.family);
		return;
	}
}

static void check_peer(struct judge *j, const struct model_connection *c)
{
	const struct model_gateway *g = &j->m->gateways[c->gateway];
	struct ip_addr peer = peer_address(j->m, c);
	if (c->site != MODEL_NONE && j->m->sites[c->site].fqdn) {
		check_name(j, c);
		return;
	}
	if (!peer.family) {
		check_any_peer(j, c);
		return;
	}
	if (peer.family != g->public_address.family)
		findings_error(j->findings, c->peer_at,
			       "%s: the peer's address is IPv%d, that of %s is IPv%d; both must be "
			       "of one family",
			       c->vnet2vnet ? "virtualNetworkGateway2" : "localNetworkGateway2",
			       peer.family, g->name, g->public_address.family);
	else if (c->site != MODEL_NONE && ip_addr_equal(&peer, &g->public_address))
		findings_error(
			j->findings, c->peer_at, "%s: the peer's address is that of %s itself",
			c->vnet2vnet ? "virtualNetworkGateway2" : "localNetworkGateway2", g->name);
}

static const struct model_connection *way_back(const struct judge *j,
					       const struct model_connection *c)
{
	for (uint32_t i = j->first[c->peer_gateway]; i < j->first[c->peer_gateway + 1]; i++) {
		const struct model_connection *back = &j->m->connections[j->by_gateway[i]];
		if (back->vnet2vnet && back->peer_gateway == c->gateway)
			return back;
	}
	return NULL;
}

/* Lifetimes are each side's own. */
static bool same_algorithms(const struct model_connection *a, const struct model_connection *b)
{
	return a->n_policies == b->n_policies &&
	       (!a->n_policies || (!memcmp(a->policies, b->policies,
					   offsetof(struct model_policy, lifetime_seconds)) &&
				   a->policies->n_additional == b->policies->n_additional &&
				   !memcmp(a->policies->additional, b->policies->additional,
					   sizeof a->policies->additional)));
}

static void compare_sides(struct judge *j, const struct model_connection *c,
			  const struct model_connection *back)
{
	if (c->by_certificate != back->by_certificate)
		findings_error(j->findings, back->place,
			       "authenticationType: it differs from that of %s, the other side of "
			       "this connection",
			       c->name);
	else if (!secret_equal(c->psk.b, c->psk.len, back->psk.b, back->psk.len))
		findings_error(j->findings, back->psk_at,
			       "sharedKey: it differs from that of %s, the other side of this "
			       "connection",
			       c->name);
	if (!c->ppk_id != !back->ppk_id || (c->ppk_id && strcmp(c->ppk_id, back->ppk_id) != 0) ||
	    !secret_equal(c->ppk.b, c->ppk.len, back->ppk.b, back->ppk.len))
		findings_error(j->findings, back->ppk_at,
			       "postQuantumPreSharedKey: it differs from that of %s, the other "
			       "side of this connection",
			       c->name);
	if (c->enable_bgp != back->enable_bgp)
		findings_error(j->findings, back->bgp_at,
			       "enableBgp: it differs from that of %s, the other side of this "
			       "connection",
			       c->name);
	if (!same_algorithms(c, back))
		findings_error(j->findings, back->policies_at,
			       "ipsecPolicies: the algorithms differ from those of %s, the other "
			       "side of this connection",
			       c->name);
}

static void check_both_sides(struct judge *j, const struct model_connection *c)
{
	const struct model *m = j->m;
	if (c->peer_gateway == c->gateway) {
		findings_error(j->findings, c->peer_at,
			       "virtualNetworkGateway2: expected another gateway, came %s itself",
			       m->gateways[c->gateway].name);
		return;
	}
	const struct model_connection *back = way_back(j, c);
	if (!back)
		findings_error(j->findings, c->peer_at,
			       "virtualNetworkGateway2: %s is a gateway of this file and has no "
			       "connection back to %s; each side needs its own",
			       m->gateways[c->peer_gateway].name, m->gateways[c->gateway].name);
	else if (!back->incomplete && back > c)
		compare_sides(j, c, back);
}

static bool same_ranges(const struct ip_range *a, uint32_t n, const struct ip_range *b, uint32_t m)
{
	return n == m && !memcmp(a, b, n * sizeof *a);
}

static void warn_of_outside(struct judge *j, const struct model_ts_policy *t,
			    const struct ip_range *range, uint32_t n, const struct ip_prefix *space,
			    uint32_t n_space, const char *whose, const char *what)
{
	char text[RANGE_TEXT];
	for (uint32_t i = 0; i < n; i++) {
		bool meets = false;
		for (uint32_t k = 0; k < n_space && !meets; k++) {
			struct ip_range of = ip_prefix_range(&space[k]), both;
			meets = ip_range_intersect(&of, &range[i], &both);
		}
		if (!meets)
			findings_warn(j->findings, t->place,
				      "trafficSelectorPolicies: %s is no part of %.64s, %s; it "
				      "carries nothing",
				      ip_range_format(&range[i], text), whose, what);
	}
}

/* A tunnel that comes up and carries nothing is found late. */
static void check_reach(struct judge *j, const struct model_connection *c)
{
	uint32_t n;
	const struct ip_prefix *far = offer_remote_space(j->m, c, &n);
	const struct model_vnet *v = &j->m->vnets[j->m->gateways[c->gateway].vnet];
	const char *site = c->site != MODEL_NONE ? j->m->sites[c->site].name
						 : j->m->gateways[c->peer_gateway].name;
	for (uint32_t i = 0; i < c->n_ts_policies; i++) {
		const struct model_ts_policy *t = &c->ts_policies[i];
		warn_of_outside(j, t, t->local, t->n_local, v->address_space, v->n_address_space,
				v->name, "so no host of ours sends from there");
		warn_of_outside(j, t, t->remote, t->n_remote, far, n, site,
				"so nothing is routed there");
	}
}

/*
 * One child SA carries every local selector with every remote one. Several policies mean exactly
 * that only when they differ on one side at most.
 */
static void check_selectors(struct judge *j, uint32_t connection)
{
	const struct model_connection *c = &j->m->connections[connection];
	bool same_local = true, same_remote = true;
	struct offer offer;
	for (uint32_t i = 1; i < c->n_ts_policies; i++) {
		const struct model_ts_policy *a = &c->ts_policies[0], *b = &c->ts_policies[i];
		same_local &= same_ranges(a->local, a->n_local, b->local, b->n_local);
		same_remote &= same_ranges(a->remote, a->n_remote, b->remote, b->n_remote);
	}
	if (!same_local && !same_remote)
		findings_error(j->findings, c->ts_policies[1].place,
			       "trafficSelectorPolicies: policies that differ on both sides: not "
			       "supported yet");
	for (uint32_t i = 0; i < c->n_ts_policies; i++) {
		if (!c->ts_policies[i].n_local || !c->ts_policies[i].n_remote)
			findings_error(j->findings, c->ts_policies[i].place,
				       "trafficSelectorPolicies: expected at least one range on "
				       "each side, came none");
	}
	if (offer_of(j->m, connection, &offer))
		findings_error(j->findings, c->place,
			       "traffic selectors: expected at most %d on each side, came more",
			       CHILD_SA_MAX_TS);
	else if (!offer.n_local_ts || !offer.n_remote_ts)
		findings_error(j->findings, c->place,
			       "traffic selectors: usePolicyBasedTrafficSelectors needs prefixes "
			       "on both sides");
	check_reach(j, c);
}

/*
 * The first child SA of IKEv2 takes its keys from the IKE SA's own exchange (RFC 7296
 * section 1.3.1), so a peer without the group is found out at the first rekey only.
 */
static void check_pfs(struct judge *j, const struct model_connection *c)
{
	for (uint32_t i = 0; !c->ikev1 && i < c->n_policies; i++) {
		const struct model_policy *p = &c->policies[i];
		if (p->dh_group != DH_NONE && p->pfs_group != DH_NONE &&
		    p->pfs_group != p->dh_group)
			findings_warn(
				j->findings, p->place,
				"pfsGroup: %s is another group than dhGroup's %s and is needed "
				"from the first rekey on; a peer without it fails only then, "
				"after at most %u seconds; make sure that it has both",
				group_of(p->pfs_group)->pfs_name,
				group_of(p->dh_group)->contract_name, p->lifetime_seconds);
	}
}

/* What IKEv1 has no numbers for. */
static void check_ikev1(struct judge *j, const struct model_connection *c)
{
	if (c->ikev1 && c->ppk_id)
		findings_error(j->findings, c->ppk_at,
			       "postQuantumPreSharedKey: it does not go with connectionProtocol "
			       "IKEv1; take IKEv2");
	const char *only_v2 = c->mobike			    ? "mobike"
			      : c->reauthentication_seconds ? "reauthenticationSeconds"
			      : c->childless		    ? "childlessInitiation"
			      : c->allow_redirect	    ? "allowRedirect"
							    : NULL;
	if (c->ikev1 && only_v2)
		findings_error(j->findings, c->place,
			       "%s: does not go with connectionProtocol IKEv1; take IKEv2",
			       only_v2);
	for (uint32_t i = 0; c->ikev1 && i < c->n_policies; i++) {
		const struct model_policy *p = &c->policies[i];
		const struct encryption *ike = encryption_of(p->ike_encryption);
		if (ike->aead)
			findings_error(j->findings, p->place,
				       "ikeEncryption: %s does not go with connectionProtocol "
				       "IKEv1; take AES256 and an ikeIntegrity of SHA256",
				       ike->contract_name);
		if (p->n_additional)
			findings_error(j->findings, p->place,
				       "additionalKeyExchanges: they do not go with "
				       "connectionProtocol IKEv1; take IKEv2");
		if (p->ipsec_encryption == ENCR_CHACHA20_POLY1305)
			findings_error(j->findings, p->place,
				       "ipsecEncryption: CHACHA20POLY1305 does not go with "
				       "connectionProtocol IKEv1; take GCMAES256");
	}
}

/* MOBIKE would carry a tunnel to an address that stays on this host when the gateway goes. */
static void check_standby(struct judge *j, const struct model_connection *c)
{
	const struct model_gateway *g = &j->m->gateways[c->gateway];
	if (g->active_standby && c->mobike)
		findings_error(j->findings, c->place,
			       "mobike: %s has activeStandby, its tunnels go from host to host "
			       "with publicIPAddress and to no other address",
			       g->name);
}

/*
 * Azure has the switch together with a policy. It works without one, but who has policies on his
 * device mostly has one proposal, and names it.
 */
static void check_selectors_policy(struct judge *j, const struct model_connection *c)
{
	const struct model_gateway *g = &j->m->gateways[c->gateway];
	if (c->policy_based_selectors && !c->n_policies && !g->policy_based &&
	    g->size != MODEL_SKU_BASIC)
		findings_warn(j->findings, c->selectors_at,
			      "usePolicyBasedTrafficSelectors: Azure asks for ipsecPolicies with "
			      "it, and %s has none; the default offer is made",
			      c->name);
}

/* One tunnel, to a site (vpn-gateway-about-vpntypes). */
static void check_policy_based(struct judge *j, const struct model_connection *c)
{
	const struct model_gateway *g = &j->m->gateways[c->gateway];
	const struct model_connection *first =
		&j->m->connections[j->by_gateway[j->first[c->gateway]]];
	if (!g->policy_based)
		return;
	if (first != c)
		findings_error(j->findings, c->gateway_at,
			       "virtualNetworkGateway1: %s is PolicyBased and has one connection, "
			       "%s; several need a RouteBased gateway",
			       g->name, first->name);
	if (c->vnet2vnet)
		findings_error(j->findings, c->gateway_at,
			       "virtualNetworkGateway1: %s is PolicyBased; connectionType "
			       "Vnet2Vnet needs a RouteBased gateway",
			       g->name);
	if (c->policy_based_selectors)
		findings_error(j->findings, c->selectors_at,
			       "usePolicyBasedTrafficSelectors: %s is PolicyBased and has such "
			       "selectors anyway; the switch is for a RouteBased gateway",
			       g->name);
}

/* What sku Basic leaves out (vpn-gateway-about-compliance-crypto). */
static void check_basic(struct judge *j, const struct model_connection *c)
{
	const struct model_gateway *g = &j->m->gateways[c->gateway];
	if (g->size != MODEL_SKU_BASIC)
		return;
	if (c->n_policies)
		findings_error(
			j->findings, c->policies_at,
			"ipsecPolicies: %s is of sku Basic, which has the default offer alone",
			g->name);
	if (c->policy_based_selectors)
		findings_error(j->findings, c->selectors_at,
			       "usePolicyBasedTrafficSelectors: %s is of sku Basic, which has none",
			       g->name);
	if (c->ikev1 != g->policy_based)
		findings_error(
			j->findings, c->protocol_at,
			"connectionProtocol: %s is of sku Basic and %s, which speaks %s alone",
			g->name, g->policy_based ? "PolicyBased" : "RouteBased",
			g->policy_based ? "IKEv1" : "IKEv2");
}

/* A circuit by a gateway for circuits, a tunnel by one for tunnels. */
static bool check_kind(struct judge *j, const struct model_connection *c)
{
	const struct model_gateway *g = &j->m->gateways[c->gateway];
	if (c->express_route == g->express_route)
		return true;
	findings_error(
		j->findings, c->gateway_at,
		"virtualNetworkGateway1: %s is of gatewayType %s; connectionType %s needs one "
		"of gatewayType %s",
		g->name, g->express_route ? "ExpressRoute" : "Vpn",
		c->express_route ? "ExpressRoute"
		: c->vnet2vnet	 ? "Vnet2Vnet"
				 : "IPsec",
		c->express_route ? "ExpressRoute" : "Vpn");
	return false;
}

/* The gateway at the other side of a Vnet2Vnet connection has tunnels too. */
static bool check_far_kind(struct judge *j, const struct model_connection *c)
{
	if (c->peer_gateway == MODEL_NONE || !j->m->gateways[c->peer_gateway].express_route)
		return true;
	findings_error(j->findings, c->peer_at,
		       "virtualNetworkGateway2: %s is of gatewayType ExpressRoute; connectionType "
		       "Vnet2Vnet needs one of gatewayType Vpn",
		       j->m->gateways[c->peer_gateway].name);
	return false;
}

struct peer_key {
	uint32_t gateway;
	struct ip_addr address;
	char identity[128];
	char fqdn[254]; /* in place of the address */
};

static void peer_twice(struct judge *j, const struct unique_item *item,
		       const struct unique_item *first)
{
	findings_error(j->findings, item->place,
		       "connection: %s goes to the same peer with the same identity, in line %u; "
		       "the peer could not be told apart",
		       first->name, first->place.line);
}

static void add_peer(struct judge *j, struct unique *u, const struct model_connection *c)
{
	struct peer_key key;
	const char *identity = c->site != MODEL_NONE ? j->m->sites[c->site].identity
						     : j->m->gateways[c->peer_gateway].identity;
	memset(&key, 0, sizeof key);
	key.gateway = c->gateway;
	key.address = peer_address(j->m, c);
	if (identity)
		memcpy(key.identity, identity, strnlen(identity, sizeof key.identity));
	const char *fqdn = c->site != MODEL_NONE ? j->m->sites[c->site].fqdn : NULL;
	for (size_t i = 0; fqdn && fqdn[i] && i < sizeof key.fqdn; i++)
		key.fqdn[i] =
			(char)(fqdn[i] >= 'A' && fqdn[i] <= 'Z' ? fqdn[i] - 'A' + 'a' : fqdn[i]);
	unique_add(j, u, &key, sizeof key, c->place, c->name);
}

void validate_connections(struct judge *j)
{
	struct unique peers = {0};
	for (uint32_t i = 0; i < j->m->n_connections; i++) {
		const struct model_connection *c = &j->m->connections[i];
		if (!validate_is_known(j->m, c) || !check_kind(j, c) || c->express_route ||
		    !check_far_kind(j, c))
			continue;
		check_peer(j, c);
		check_selectors(j, i);
		check_ikev1(j, c);
		check_standby(j, c);
		check_pfs(j, c);
		validate_overlap(j, c);
		validate_sequence_numbers(j, c);
		check_policy_based(j, c);
		check_basic(j, c);
		check_selectors_policy(j, c);
		if (c->peer_gateway != MODEL_NONE)
			check_both_sides(j, c);
		add_peer(j, &peers, c);
	}
	unique_report(j, &peers, peer_twice);
}
