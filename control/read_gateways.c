/* SPDX-License-Identifier: Apache-2.0 */
/* Checked tree -> gateways, sites and connections of the model. */
#include "control/read_internal.h"

#include <errno.h>
#include <string.h>

/* The identity that was given, or the address as text; NULL when there is neither. */
static char *identity(struct read *r, const struct tree_node *map, enum schema_property p,
		      const struct ip_addr *address)
{
	char text[IP_TEXT];
	const char *given = read_text(map, p);
	if (!given && !address->family)
		return NULL;
	return read_copy(r, given ? given : ip_addr_format(address, text));
}

/* What its SKU has, unless it says otherwise; VpnGw2 and VpnGw3 those of Generation1. */
static uint32_t bandwidth(const struct tree_node *gateway)
{
	/* in the order of the schema's words */
	static const uint32_t mbps[MODEL_SKUS] = {0, 100, 100, 200, 650, 1000, 1250, 5000, 10000};
	uint32_t own = read_number(gateway, P_virtualNetworkGateway_bandwidthInMbps);
	return own ? own : mbps[read_choice(gateway, P_virtualNetworkGateway_sku)];
}

static void read_kind(struct read *r, const struct tree_node *map, struct model_gateway *g)
{
	g->express_route = read_choice(map, P_virtualNetworkGateway_gatewayType) == 1;
	g->policy_based = read_choice(map, P_virtualNetworkGateway_vpnType) == 1;
	g->size = (enum model_sku)read_choice(map, P_virtualNetworkGateway_sku);
	g->own_bandwidth = read_number(map, P_virtualNetworkGateway_bandwidthInMbps);
	g->bandwidth_mbps = bandwidth(map);
	g->type_at = read_place(map, P_virtualNetworkGateway_gatewayType);
	g->vpn_type_at = read_place(map, P_virtualNetworkGateway_vpnType);
	g->sku_at = read_place(map, P_virtualNetworkGateway_sku);
	g->bandwidth_at = read_place(map, P_virtualNetworkGateway_bandwidthInMbps);
	g->active_standby = read_boolean(map, P_virtualNetworkGateway_activeStandby);
	g->standby_at = read_place(map, P_virtualNetworkGateway_activeStandby);
	if (map->is_bad || g->express_route ||
	    schema_value(map, P_virtualNetworkGateway_publicIPAddress))
		return;
	g->incomplete = true;
	findings_error(r->findings, map->place,
		       "publicIPAddress: missing in this virtual network gateway");
}

static void read_gateway_bgp(struct read *r, const struct tree_node *map, struct model_gateway *g)
{
	g->enable_bgp = read_boolean(map, P_virtualNetworkGateway_enableBgp);
	g->bgp_at = read_place(map, P_virtualNetworkGateway_enableBgp);
	read_bgp(r, map, P_virtualNetworkGateway_bgpSettings, &g->bgp);
	read_bgp_defaults(r->model, g);
	g->default_site_at = read_place(map, P_virtualNetworkGateway_gatewayDefaultSite);
	g->default_site = read_reference(r, map, P_virtualNetworkGateway_gatewayDefaultSite,
					 &r->sites, "local network gateway");
}

static void read_instances(struct read *r, const struct tree_node *map, struct model_gateway *g)
{
	const struct tree_node *v = schema_value(map, P_virtualNetworkGateway_otherInstance);
	g->active_active = read_boolean(map, P_virtualNetworkGateway_activeActive);
	g->active_at = read_place(map, P_virtualNetworkGateway_activeActive);
	if (!v || v->type != TREE_MAP || v->is_bad)
		return;
	g->other.address = read_address(v, P_otherInstance_address);
	g->other.bgp_address = read_address(v, P_otherInstance_bgpPeeringAddress);
	g->other.n_pool = read_prefixes(r, v, P_otherInstance_vpnClientAddressPool, &g->other.pool,
					&g->other.pool_at);
	g->other.place = read_place(map, P_virtualNetworkGateway_otherInstance);
	g->other.address_at = read_place(v, P_otherInstance_address);
	g->other.bgp_at = read_place(v, P_otherInstance_bgpPeeringAddress);
}

/* The first of each kind is its VNet's; a second one is a mistake that is told. */
static void note_gateway(struct model *m, uint32_t i)
{
	const struct model_gateway *g = &m->gateways[i];
	if (g->vnet == MODEL_NONE)
		return;
	struct model_vnet *v = &m->vnets[g->vnet];
	uint32_t *at = g->express_route ? &v->express_route_gateway : &v->vpn_gateway;
	if (*at == MODEL_NONE)
		*at = i;
}

void read_note_gateways(struct model *m)
{
	for (uint32_t i = 0; m->gateways && i < m->n_gateways; i++)
		note_gateway(m, i);
}

void read_gateway(struct read *r, const struct tree_node *item, struct model_gateway *g)
{
	g->name = read_copy(r, read_text(item, P_virtualNetworkGateway_name));
	g->vnet = read_reference(r, item, P_virtualNetworkGateway_virtualNetwork, &r->vnets,
				 "virtual network");
	read_kind(r, item, g);
	read_gateway_bgp(r, item, g);
	read_instances(r, item, g);
	g->public_address = read_address(item, P_virtualNetworkGateway_publicIPAddress);
	g->identity = identity(r, item, P_virtualNetworkGateway_identity, &g->public_address);
	g->sku = read_copy(r, read_text(item, P_virtualNetworkGateway_sku));
	read_certificate(r, item, g);
	read_clients(r, item, g);
	g->incomplete = g->incomplete || item->is_bad || g->vnet == MODEL_NONE;
	g->place = read_place(item, P_virtualNetworkGateway_name);
	g->vnet_at = read_place(item, P_virtualNetworkGateway_virtualNetwork);
	g->address_at = read_place(item, P_virtualNetworkGateway_publicIPAddress);
}

int read_gateways(struct read *r)
{
	const struct tree_node *root = r->tree->root;
	struct model *m = r->model;
	uint32_t n = read_length(root, P_configuration_virtualNetworkGateways);
	m->gateways = read_array(r, n, sizeof *m->gateways);
	for (uint32_t i = 0; m->gateways && i < n; i++)
		read_gateway(r, read_item(root, P_configuration_virtualNetworkGateways, i),
			     &m->gateways[m->n_gateways++]);
	read_note_gateways(m);
	return r->no_memory ? -ENOMEM
			    : read_index_names(r, P_configuration_virtualNetworkGateways,
					       P_virtualNetworkGateway_name, 0, &r->gateways);
}

/* Labels of letters, digits and hyphens (RFC 1123 section 2.1). */
static bool is_host_name(const char *t)
{
	size_t label = 0;
	if (!*t || strlen(t) > 253)
		return false;
	for (const char *p = t; *p; p++) {
		bool alnum = (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') ||
			     (*p >= '0' && *p <= '9');
		if (*p == '.' ? !label || p[-1] == '-' : !alnum && (*p != '-' || !label))
			return false;
		label = *p == '.' ? 0 : label + 1;
		if (label > 63)
			return false;
	}
	return t[strlen(t) - 1] != '-';
}

static void read_fqdn(struct read *r, const struct tree_node *v, struct model_site *s)
{
	char shown[SHOWN_TEXT];
	s->fqdn = read_copy(r, v->text);
	if (is_host_name(v->text))
		return;
	s->incomplete = true;
	findings_error(r->findings, v->place,
		       "fqdn: expected a name such as site5.example.net, came '%s'",
		       findings_show(v->text, shown));
}

void read_site(struct read *r, const struct tree_node *map, struct model_site *s)
{
	s->name = read_copy(r, read_text(map, P_localNetworkGateway_name));
	s->address = read_address(map, P_localNetworkGateway_gatewayIpAddress);
	s->identity = identity(r, map, P_localNetworkGateway_identity, &s->address);
	s->incomplete = map->is_bad;
	s->place = read_place(map, P_localNetworkGateway_name);
	s->address_at = read_place(map, P_localNetworkGateway_gatewayIpAddress);
	s->n_address_space = read_prefixes(r, map, P_localNetworkGateway_addressSpace,
					   &s->address_space, &s->address_space_at);
	read_bgp(r, map, P_localNetworkGateway_bgpSettings, &s->bgp);
	const struct tree_node *address = schema_value(map, P_localNetworkGateway_gatewayIpAddress);
	const struct tree_node *fqdn = schema_value(map, P_localNetworkGateway_fqdn);
	if (fqdn && fqdn->type == TREE_SCALAR && !fqdn->is_bad)
		read_fqdn(r, fqdn, s);
	if (map->is_bad || (address != NULL) != (fqdn != NULL))
		return;
	s->incomplete = true;
	if (fqdn)
		findings_error(r->findings, fqdn->place,
			       "fqdn: the site has a gatewayIpAddress already; give one of them");
	else
		findings_error(r->findings, map->place,
			       "gatewayIpAddress: missing in this local network gateway; give the "
			       "site's address, or any when it is not known");
}

void read_remote(struct read *r, const struct tree_node *map, struct model_site *s)
{
	s->name = read_copy(r, read_text(map, P_remoteGateway_name));
	s->is_remote_gateway = true;
	s->address = read_address(map, P_remoteGateway_publicIPAddress);
	s->identity = identity(r, map, P_remoteGateway_identity, &s->address);
	s->incomplete = map->is_bad;
	s->place = read_place(map, P_remoteGateway_name);
	s->address_at = read_place(map, P_remoteGateway_publicIPAddress);
	s->n_address_space = read_prefixes(r, map, P_remoteGateway_addressSpace, &s->address_space,
					   &s->address_space_at);
	read_bgp(r, map, P_remoteGateway_bgpSettings, &s->bgp);
}

int read_far_ends(struct read *r)
{
	const struct tree_node *root = r->tree->root;
	struct model *m = r->model;
	uint32_t sites = read_length(root, P_configuration_localNetworkGateways);
	uint32_t remotes = read_length(root, P_configuration_remoteGateways);
	m->sites = read_array(r, sites + remotes, sizeof *m->sites);
	for (uint32_t i = 0; m->sites && i < sites; i++)
		read_site(r, read_item(root, P_configuration_localNetworkGateways, i),
			  &m->sites[m->n_sites++]);
	for (uint32_t i = 0; m->sites && i < remotes; i++)
		read_remote(r, read_item(root, P_configuration_remoteGateways, i),
			    &m->sites[m->n_sites++]);
	if (r->no_memory)
		return -ENOMEM;
	int err = read_index_names(r, P_configuration_localNetworkGateways,
				   P_localNetworkGateway_name, 0, &r->sites);
	return err ? err
		   : read_index_names(r, P_configuration_remoteGateways, P_remoteGateway_name,
				      sites, &r->remotes);
}

/* Below this many characters a key can be found by trying. */
#define WEAK_KEY 20u

int read_secret(struct read *r, const struct tree_node *v, struct secret *out, struct fault *fault)
{
	int err;
	if (v->type == TREE_SCALAR)
		err = secret_set(out, v->text, strlen(v->text));
	else if (r->files && r->files->read_secret && ++r->secrets)
		err = r->files->read_secret(r->files->owner, v->items[0].value->text, out, fault);
	else
		return fault_set(fault, -ENOTSUP, "secrets in files cannot be read here");
	if (err == -EMSGSIZE && !fault->code)
		return fault_set(fault, err,
				 "expected a key of at most %d bytes, came a longer one",
				 SECRET_MAX);
	if (!err && !out->len)
		return fault_set(fault, -EINVAL, "expected a key, came an empty one");
	return err && !fault->code ? fault_set(fault, err, "%s", strerror(-err)) : err;
}

/* Of a secret in a file; NULL: it stands in the text. */
static char *copy_path(struct read *r, const struct tree_node *v)
{
	return v && !v->is_bad && v->type == TREE_MAP ? read_copy(r, v->items[0].value->text)
						      : NULL;
}

static void read_key(struct read *r, const struct tree_node *map, struct model_connection *c)
{
	const struct tree_node *v = schema_value(map, P_connection_sharedKey);
	struct fault fault = {0};
	char text[FAULT_TEXT];
	c->psk_at = read_place(map, P_connection_sharedKey);
	c->psk_file = copy_path(r, v);
	if (!v || v->is_bad) {
		if (!map->is_bad)
			findings_error(r->findings, map->place,
				       "sharedKey: missing in this connection, authenticationType "
				       "PSK needs it");
		c->incomplete = true;
	} else if (read_secret(r, v, &c->psk, &fault)) {
		findings_error(r->findings, c->psk_at, "sharedKey: %.280s",
			       fault_format(&fault, text));
		c->incomplete = true;
	} else if (c->psk.len < WEAK_KEY) {
		findings_warn(r->findings, c->psk_at,
			      "sharedKey: weak, %u characters can be guessed from a recorded "
			      "handshake; take at least %u random ones",
			      c->psk.len, WEAK_KEY);
	}
}

#define WEAK_PPK   32u /* RFC 8784 section 6: 256 bits of entropy */
#define PPK_ID_MAX 64u

static int take_ppk(struct read *r, const struct tree_node *id, const struct tree_node *key,
		    struct model_connection *c, struct fault *fault)
{
	size_t n = strlen(id->text);
	if (!n || n > PPK_ID_MAX)
		return fault_set(fault, -EINVAL, "expected an id of 1 to %u bytes, came %zu",
				 PPK_ID_MAX, n);
	c->ppk_file = copy_path(r, key);
	int err = read_secret(r, key, &c->ppk, fault);
	if (!err)
		c->ppk_id = read_copy(r, id->text);
	return err;
}

static void read_ppk(struct read *r, const struct tree_node *map, struct model_connection *c)
{
	const struct tree_node *ppk = schema_value(map, P_connection_postQuantumPreSharedKey);
	struct fault fault = {0};
	char text[FAULT_TEXT];
	c->ppk_at = read_place(map, P_connection_postQuantumPreSharedKey);
	c->require_ppk = read_boolean(map, P_connection_requirePostQuantum);
	if (!ppk && c->require_ppk)
		findings_error(r->findings, read_place(map, P_connection_requirePostQuantum),
			       "requirePostQuantum: it needs a postQuantumPreSharedKey");
	if (!ppk || ppk->type != TREE_MAP || ppk->is_bad)
		return;
	const struct tree_node *id = schema_value(ppk, P_postQuantumPreSharedKey_id);
	const struct tree_node *key = schema_value(ppk, P_postQuantumPreSharedKey_key);
	if (!id || id->is_bad || id->type != TREE_SCALAR || !key || key->is_bad)
		return;
	if (take_ppk(r, id, key, c, &fault)) {
		findings_error(r->findings, c->ppk_at, "postQuantumPreSharedKey: %.280s",
			       fault_format(&fault, text));
		c->incomplete = true;
	} else if (c->ppk.len < WEAK_PPK) {
		findings_warn(
			r->findings, c->ppk_at,
			"postQuantumPreSharedKey: weak, %u bytes; take %u random ones, so that "
			"a quantum computer can't find it either",
			c->ppk.len, WEAK_PPK);
	}
}

static uint32_t ranges(struct read *r, const struct tree_node *map, enum schema_property p,
		       struct ip_range **out)
{
	uint32_t n = read_length(map, p), kept = 0;
	*out = read_array(r, n, sizeof **out);
	for (uint32_t i = 0; *out && i < n; i++) {
		const struct tree_node *v = read_item(map, p, i);
		if (!v->is_bad && v->type == TREE_SCALAR && !ip_range_parse(&(*out)[kept], v->text))
			kept++;
	}
	return kept;
}

static void read_selectors(struct read *r, const struct tree_node *map, struct model_connection *c)
{
	uint32_t n = read_length(map, P_connection_trafficSelectorPolicies);
	c->policy_based_selectors = read_boolean(map, P_connection_usePolicyBasedTrafficSelectors);
	c->ts_policies = read_array(r, n, sizeof *c->ts_policies);
	for (uint32_t i = 0; c->ts_policies && i < n; i++) {
		const struct tree_node *item =
			read_item(map, P_connection_trafficSelectorPolicies, i);
		struct model_ts_policy *t = &c->ts_policies[c->n_ts_policies++];
		t->place = item->place;
		t->n_local = ranges(r, item, P_trafficSelectorPolicy_localAddressRanges, &t->local);
		t->n_remote =
			ranges(r, item, P_trafficSelectorPolicy_remoteAddressRanges, &t->remote);
		c->incomplete = c->incomplete || item->is_bad;
	}
}

static const enum schema_property far_ends[] = {P_connection_localNetworkGateway2,
						P_connection_virtualNetworkGateway2,
						P_connection_expressRouteCircuit};

/* Exactly the far end that the type of the connection needs. */
static void check_far_end(struct read *r, const struct tree_node *map, unsigned type)
{
	static const char *const types[] = {"IPsec", "Vnet2Vnet", "ExpressRoute"};
	const char *needed = schema_row(far_ends[type])->name;
	if (map->is_bad)
		return;
	for (unsigned i = 0; i < 3; i++) {
		const struct tree_node *v = schema_value(map, far_ends[i]);
		if (v && i != type)
			findings_error(r->findings, v->place,
				       "%s: does not belong to connectionType %s, which has %s",
				       schema_row(far_ends[i])->name, types[type], needed);
	}
	if (!schema_value(map, far_ends[type]))
		findings_error(r->findings, map->place,
			       "%s: missing in this connection, connectionType %s needs it", needed,
			       types[type]);
}

static void read_peer_gateway(struct read *r, const struct tree_node *map,
			      struct model_connection *c)
{
	const char *name = read_text(map, P_connection_virtualNetworkGateway2);
	if (name)
		c->site = read_find(&r->remotes, name);
	if (c->site == MODEL_NONE)
		c->peer_gateway =
			read_reference(r, map, P_connection_virtualNetworkGateway2, &r->gateways,
				       "virtual network gateway or remote gateway");
}

static void read_far_end(struct read *r, const struct tree_node *map, struct model_connection *c)
{
	c->site = c->peer_gateway = c->circuit = MODEL_NONE;
	/* of a type that was refused only the type is told */
	if (!schema_value(map, P_connection_connectionType))
		return;
	unsigned type = (unsigned)read_choice(map, P_connection_connectionType);
	c->vnet2vnet = type == 1;
	c->express_route = type == 2;
	c->peer_at = read_place(map, far_ends[type]);
	check_far_end(r, map, type);
	if (c->express_route)
		c->circuit = read_reference(r, map, far_ends[2], &r->circuits, "circuit");
	else if (c->vnet2vnet)
		read_peer_gateway(r, map, c);
	else
		c->site = read_reference(r, map, far_ends[0], &r->sites, "local network gateway");
}

/* What only a tunnel has. */
static void refuse_tunnel_settings(struct read *r, const struct tree_node *map)
{
	static const enum schema_property of_tunnels[] = {
		P_connection_sharedKey,
		P_connection_ipsecPolicies,
		P_connection_trafficSelectorPolicies,
		P_connection_connectionProtocol,
		P_connection_peerCertificateAuthority,
		P_connection_gatewayCustomBgpIpAddress,
	};
	for (unsigned i = 0; i < sizeof of_tunnels / sizeof *of_tunnels; i++) {
		const struct tree_node *v = schema_value(map, of_tunnels[i]);
		if (v && (v->type != TREE_LIST || v->n))
			findings_error(r->findings, v->place,
				       "%s: does not belong to connectionType ExpressRoute, a "
				       "circuit has no tunnel",
				       schema_row(of_tunnels[i])->name);
	}
}

void read_connection(struct read *r, const struct tree_node *map, struct model_connection *c)
{
	c->name = read_copy(r, read_text(map, P_connection_name));
	c->incomplete = map->is_bad;
	c->place = read_place(map, P_connection_name);
	c->gateway = read_reference(r, map, P_connection_virtualNetworkGateway1, &r->gateways,
				    "virtual network gateway");
	c->gateway_at = read_place(map, P_connection_virtualNetworkGateway1);
	read_far_end(r, map, c);
	/* as in Azure, a policy-based gateway speaks IKEv1 unless it says otherwise */
	if (schema_value(map, P_connection_connectionProtocol))
		c->ikev1 = read_choice(map, P_connection_connectionProtocol) == 1;
	else
		c->ikev1 = c->gateway != MODEL_NONE && r->model->gateways[c->gateway].policy_based;
	c->mode = (enum model_mode)read_choice(map, P_connection_connectionMode);
	c->mode_at = read_place(map, P_connection_connectionMode);
	c->by_certificate = read_choice(map, P_connection_authenticationType) == 1;
	if (c->express_route)
		refuse_tunnel_settings(r, map);
	else if (c->by_certificate)
		read_trust(r, map, c);
	else
		read_key(r, map, c);
	read_ppk(r, map, c);
	read_selectors(r, map, c);
	read_policies(r, map, c);
	c->policies_at = read_place(map, P_connection_ipsecPolicies);
	c->protocol_at = read_place(map, P_connection_connectionProtocol);
	c->selectors_at = read_place(map, P_connection_usePolicyBasedTrafficSelectors);
	c->enable_bgp = read_boolean(map, P_connection_enableBgp);
	c->bgp_at = read_place(map, P_connection_enableBgp);
	c->bgp_local = read_address(map, P_connection_gatewayCustomBgpIpAddress);
	c->bgp_local_at = read_place(map, P_connection_gatewayCustomBgpIpAddress);
	c->dpd_timeout_seconds = read_number(map, P_connection_dpdTimeoutSeconds);
	c->ike_fragment_size = read_number(map, P_connection_ikeFragmentSize);
	c->routing_weight = read_number(map, P_connection_routingWeight);
	const char *dscp = read_text(map, P_connection_dscp);
	c->dscp_copy = !dscp || strcmp(dscp, "copy") == 0;
	c->dscp = (uint8_t)read_number(map, P_connection_dscp);
	c->dont_fragment = (enum model_dont_fragment)read_choice(map, P_connection_dontFragment);
	c->always_encapsulate = read_choice(map, P_connection_udpEncapsulation) == 1;
	c->port_entropy = read_boolean(map, P_connection_udpPortEntropy);
	c->mobike = (enum model_mobike)read_choice(map, P_connection_mobike);
	c->reauthentication_seconds = read_number(map, P_connection_reauthenticationSeconds);
	c->childless = read_boolean(map, P_connection_childlessInitiation);
	c->allow_redirect = read_boolean(map, P_connection_allowRedirect);
	c->incomplete = c->incomplete || c->gateway == MODEL_NONE ||
			(c->site == MODEL_NONE && c->peer_gateway == MODEL_NONE &&
			 c->circuit == MODEL_NONE);
}

int read_connections(struct read *r)
{
	const struct tree_node *root = r->tree->root;
	struct model *m = r->model;
	uint32_t n = read_length(root, P_configuration_connections);
	m->connections = read_array(r, n, sizeof *m->connections);
	for (uint32_t i = 0; m->connections && i < n; i++)
		read_connection(r, read_item(root, P_configuration_connections, i),
				&m->connections[m->n_connections++]);
	return r->no_memory ? -ENOMEM : 0;
}
