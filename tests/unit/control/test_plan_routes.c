/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random sets of networks, peerings, gateways, sites, circuits and route tables: for each packet a
 * plain reference says from the model alone where it goes, and the plan's contents, searched one by
 * one, must say the same.
 */
#include "control_test.h"

#include "control/offer.h"

static uint32_t seed;

static uint32_t pick(uint32_t below)
{
	seed = seed * 1664525u + 1013904223u;
	return (seed >> 8) % below;
}

/* ---- random configurations without mistakes ---- */

#define VNETS 5u

struct writer {
	char text[32768];
	size_t n;
	bool gateway[VNETS], uses[VNETS], peers[VNETS][VNETS], circuits[VNETS], bgp[VNETS];
};

__attribute__((format(printf, 2, 3))) static void put(struct writer *w, const char *format, ...)
{
	va_list ap;
	va_start(ap, format);
	w->n += (size_t)vsnprintf(w->text + w->n, sizeof w->text - w->n, format, ap);
	va_end(ap);
	assert_true(w->n < sizeof w->text);
}

static const char *word(bool b)
{
	return b ? "true" : "false";
}

/* Where there are gateways of both types no table sends to the gateway. */
static const char *table(bool both)
{
	static const char *const texts[] = {"", "", ", routeTable: T1", ", routeTable: T2"};
	uint32_t n = pick(4);
	return both && n > 1 ? ", routeTable: T4" : texts[n];
}

/* Who peers with whom, one side or both; who uses whose gateway. */
static void put_peerings(struct writer *w, uint32_t i)
{
	bool any = false;
	put(w, "    peerings:\n");
	for (uint32_t k = 0; k < VNETS; k++) {
		if (!w->peers[i][k])
			continue;
		bool both = w->peers[k][i], use = false;
		any = true;
		if (both && !w->gateway[i] && w->gateway[k] && !w->uses[i] && pick(2))
			use = w->uses[i] = true;
		/* the side of the gateway allows it always; without use it means nothing */
		put(w,
		    "      - {name: p%u, remoteVirtualNetwork: V%u, allowVirtualNetworkAccess: %s, "
		    "allowForwardedTraffic: %s, allowGatewayTransit: %s, useRemoteGateways: %s}\n",
		    k, k, word(pick(4)), word(pick(2)), word(w->gateway[i]), word(use));
	}
	if (!any)
		put(w, "      []\n");
}

static void put_vnets(struct writer *w)
{
	for (uint32_t i = 0; i < VNETS; i++) {
		w->gateway[i] = pick(2);
		w->circuits[i] = w->gateway[i] && pick(2);
		w->bgp[i] = w->gateway[i] && pick(2);
		for (uint32_t k = 0; k < VNETS; k++)
			w->peers[i][k] = false;
	}
	for (uint32_t i = 0; i < VNETS; i++)
		for (uint32_t k = i + 1; k < VNETS; k++) {
			uint32_t kind = pick(5);
			w->peers[i][k] = kind < 3;
			w->peers[k][i] = kind < 2;
		}
	put(w, "host: {ports: [{name: w, device: e0, role: uplink}, {name: l, device: e1, role: "
	       "vnet}, {name: c, device: e2, role: circuit}]}\nvirtualNetworks:\n");
	uint32_t branches = pick(VNETS);
	for (uint32_t i = 0; i < VNETS; i++) {
		put(w,
		    "  - name: V%u\n    id: %u\n    addressSpace: [10.%u.0.0/16%s%s]\n    subnets:\n",
		    i, 100 - i, i, !i && pick(2) ? ", 172.20.0.0/24" : "",
		    i == 2 && pick(2) ? ", 'fd00::/48'" : "");
		put(w, "      - {name: A, addressPrefix: 10.%u.0.0/24%s}\n", i,
		    table(w->circuits[i]));
		put(w, "      - {name: B, addressPrefix: 10.%u.1.0/24%s}\n", i,
		    table(w->circuits[i]));
		put(w, "      - {name: GatewaySubnet, addressPrefix: 10.%u.255.0/27%s}\n", i,
		    pick(2) ? w->circuits[i] ? ", routeTable: T4" : ", routeTable: T3" : "");
		if (i == branches && w->circuits[i])
			put(w, "    allowBranchToBranchTraffic: true\n");
		put(w,
		    "    attachments: [{port: l, encapsulation: vlan, vlanId: %u, address: "
		    "10.%u.0.1/24}]\n",
		    i + 1, i);
		put_peerings(w, i);
	}
}

static const char *const prefixes[] = {
	"192.168.0.0/16", "192.168.5.0/24", "192.168.5.128/25", "10.0.0.0/8",
	"0.0.0.0/0",	  "10.9.0.0/16",    "'fd11::/48'",	"192.168.5.7/32",
};
#define PREFIXES (sizeof prefixes / sizeof *prefixes)

static void put_tables(struct writer *w)
{
	static const char *const more[] = {"10.1.0.0/16", "10.2.0.0/24", "10.2.0.1/32",
					   "10.3.1.0/24", "10.0.0.0/15"};
	static const char *const hops[] = {"VnetLocal", "VirtualNetworkGateway",
					   "VirtualNetworkGateway", "Internet", "None"};
	put(w, "routeTables:\n");
	for (uint32_t t = 1; t <= 4; t++) {
		/* that of GatewaySubnet withholds nothing */
		put(w, "  - name: T%u\n    disableBgpRoutePropagation: %s\n    routes:\n", t,
		    word(t < 3 && pick(2)));
		for (uint32_t i = 0; i < PREFIXES + 5; i++) {
			const char *p = i < PREFIXES ? prefixes[i] : more[i - PREFIXES];
			bool is_default = !strcmp(p, "0.0.0.0/0"), v6 = strchr(p, ':');
			/* one at least; the gateway's subnet has no default route */
			if ((i && pick(2)) || (t >= 3 && is_default))
				continue;
			if (!v6 && pick(5) == 0)
				put(w,
				    "      - {name: r%u, addressPrefix: %s, nextHopType: "
				    "VirtualAppliance, nextHopIpAddress: 10.%u.0.%u}\n",
				    i, p, pick(7), 1 + pick(3));
			else
				put(w, "      - {name: r%u, addressPrefix: %s, nextHopType: %s}\n",
				    i, p, hops[t == 4 ? 3 * pick(2) : pick(5)]);
		}
	}
}

static void put_gateways(struct writer *w)
{
	bool any = false;
	put(w, "virtualNetworkGateways:\n");
	for (uint32_t i = 0; i < VNETS; i++) {
		if (!w->gateway[i])
			continue;
		any = true;
		put(w, "  - {name: G%u, virtualNetwork: V%u, publicIPAddress: 203.0.113.%u", i, i,
		    i + 1);
		if (pick(2))
			put(w, ", gatewayDefaultSite: S%u", pick(6));
		put(w, ", enableBgp: %s}\n", word(w->bgp[i]));
		if (w->circuits[i])
			put(w, "  - {name: E%u, virtualNetwork: V%u, gatewayType: ExpressRoute}\n",
			    i, i);
	}
	if (!any)
		put(w, "  []\n");
	put(w, "localNetworkGateways:\n");
	for (uint32_t s = 0; s < 6; s++) {
		put(w, "  - {name: S%u, gatewayIpAddress: 198.51.100.%u, addressSpace: [", s,
		    s + 1);
		for (uint32_t i = 0; i < PREFIXES; i++) {
			if (pick(3) == 0)
				put(w, "%s, ", prefixes[i]);
		}
		put(w, "]}\n");
	}
	for (uint32_t i = 0; i < VNETS; i++)
		put(w,
		    "  - {name: P%u, gatewayIpAddress: 198.51.100.1%u, bgpSettings: {asn: 65050, "
		    "bgpPeeringAddress: 172.31.0.%u}}\n",
		    i, i, i + 1);
}

/* Two circuits, each on some of the networks. */
static void put_circuits(struct writer *w, bool *any)
{
	for (uint32_t i = 0; i < VNETS; i++) {
		for (uint32_t k = 0; w->circuits[i] && k < 2; k++) {
			if (pick(3) == 0)
				continue;
			*any = true;
			put(w,
			    "  - {name: K%u-%u, connectionType: ExpressRoute, "
			    "virtualNetworkGateway1: E%u, expressRouteCircuit: K%u}\n",
			    i, k, i, k);
		}
		if (!w->bgp[i])
			continue;
		*any = true;
		put(w,
		    "  - {name: B%u, connectionType: IPsec, virtualNetworkGateway1: G%u, "
		    "localNetworkGateway2: P%u, sharedKey: {file: /k}, enableBgp: true}\n",
		    i, i, i);
	}
}

static void put_connections(struct writer *w)
{
	bool any = false;
	put(w, "connections:\n");
	for (uint32_t i = 0; i < VNETS; i++) {
		for (uint32_t s = 0; w->gateway[i] && s < 6; s++) {
			if (pick(3) == 0)
				continue;
			any = true;
			put(w,
			    "  - {name: C%u-%u, connectionType: IPsec, "
			    "virtualNetworkGateway1: G%u, localNetworkGateway2: S%u, "
			    "sharedKey: {file: /k}, routingWeight: %u}\n",
			    i, s, i, s, 10 * pick(3));
		}
		for (uint32_t k = i + 1; k < VNETS; k++) {
			if (!w->gateway[i] || !w->gateway[k] || pick(2))
				continue;
			any = true;
			for (int side = 0; side < 2; side++)
				put(w,
				    "  - {name: D%u-%u, connectionType: Vnet2Vnet, "
				    "virtualNetworkGateway1: G%u, virtualNetworkGateway2: G%u, "
				    "sharedKey: {file: /k}}\n",
				    side ? k : i, side ? i : k, side ? k : i, side ? i : k);
		}
	}
	put_circuits(w, &any);
	if (!any)
		put(w, "  []\n");
	put(w, "expressRouteCircuits:\n");
	for (uint32_t k = 0; k < 2; k++)
		put(w,
		    "  - {name: K%u, peerings: [{port: c, vlanId: %u, peerASN: 65010, "
		    "primaryPeerAddressPrefix: 192.168.3%u.0/30}]}\n",
		    k, k + 1, k);
}

/* ---- the reference ---- */

enum end {
	END_NOWHERE,
	END_GATEWAY,
	END_HOST,
	END_TUNNEL,
	END_INTERNET,
	END_APPLIANCE,
	END_ROUTER,
	END_NO_ROUTE
};

struct end_of {
	enum end kind;
	uint32_t vnet;			      /* HOST, APPLIANCE: index */
	struct ip_addr address;		      /* APPLIANCE */
	uint32_t connection[XGW_HOP_MEMBERS]; /* TUNNEL: indices, in order */
	uint32_t n;
	bool forwarded, transit;
	int len;   /* of the prefix that decided; -1: none */
	int class; /* 0 the gateway itself, 1 own, 2 peering, 3 behind the gateway */
};

static const struct end_of no_route = {.kind = END_NO_ROUTE, .len = -1, .class = 9};

static bool is_better(const struct end_of *a, const struct end_of *b)
{
	return a->len != b->len ? a->len > b->len : a->class < b->class;
}

static const struct model_peering *find_peering(const struct model *m, uint32_t from, uint32_t to)
{
	for (uint32_t i = 0; i < m->vnets[from].n_peerings; i++) {
		if (m->vnets[from].peerings[i].remote == to)
			return &m->vnets[from].peerings[i];
	}
	return NULL;
}

static bool uses_gateway(const struct model *m, uint32_t spoke, uint32_t hub)
{
	const struct model_peering *a = find_peering(m, spoke, hub),
				   *b = find_peering(m, hub, spoke);
	return a && b && a->remote_gateways && b->gateway_transit;
}

/* The gateway whose connections a network has, MODEL_NONE. */
static uint32_t gateway_of(const struct model *m, uint32_t vnet)
{
	for (uint32_t g = 0; g < m->n_gateways; g++) {
		if (m->gateways[g].vnet == vnet)
			return g;
	}
	for (uint32_t g = 0; g < m->n_gateways; g++) {
		if (uses_gateway(m, vnet, m->gateways[g].vnet))
			return g;
	}
	return MODEL_NONE;
}

/* Puts a connection where its weight and name say. */
static void insert(const struct model *m, struct end_of *e, uint32_t connection)
{
	const struct model_connection *c = &m->connections[connection];
	uint32_t at = 0;
	while (at < e->n) {
		const struct model_connection *x = &m->connections[e->connection[at]];
		if (c->routing_weight > x->routing_weight ||
		    (c->routing_weight == x->routing_weight && strcmp(c->name, x->name) < 0))
			break;
		at++;
	}
	for (uint32_t i = XGW_HOP_MEMBERS - 1; i > at; i--)
		e->connection[i] = e->connection[i - 1];
	if (at < XGW_HOP_MEMBERS)
		e->connection[at] = connection;
	e->n += e->n < XGW_HOP_MEMBERS;
}

/* Behind a gateway: the longest prefix, and every connection that has it. */
static struct end_of behind(const struct model *m, uint32_t gateway, const struct ip_addr *to)
{
	struct end_of best = no_route;
	for (uint32_t i = 0; gateway != MODEL_NONE && i < m->n_connections; i++) {
		uint32_t n;
		const struct ip_prefix *far = offer_remote_space(m, &m->connections[i], &n);
		for (uint32_t k = 0; m->connections[i].gateway == gateway && k < n; k++) {
			if (!ip_prefix_contains(&far[k], to) || far[k].len < best.len)
				continue;
			if (far[k].len > best.len)
				best = (struct end_of){
					.kind = END_TUNNEL, .len = far[k].len, .class = 3};
			insert(m, &best, i);
		}
	}
	return best;
}

static struct end_of by_peering(const struct model *m, uint32_t from, const struct ip_addr *to)
{
	struct end_of best = no_route;
	for (uint32_t b = 0; b < m->n_vnets; b++) {
		const struct model_peering *p = find_peering(m, from, b);
		const struct model_peering *back = find_peering(m, b, from);
		for (uint32_t i = 0; p && back && i < m->vnets[b].n_address_space; i++) {
			const struct ip_prefix *space = &m->vnets[b].address_space[i];
			if (!ip_prefix_contains(space, to))
				continue;
			best = (struct end_of){.kind = END_HOST,
					       .vnet = b,
					       .len = space->len,
					       .class = 2,
					       .forwarded = back->forwarded,
					       .transit = !p->access};
			if (!p->access && !uses_gateway(m, b, from))
				best.kind = END_NOWHERE;
		}
	}
	return best;
}

static struct end_of own(const struct model *m, uint32_t vnet, const struct ip_addr *to)
{
	const struct model_vnet *v = &m->vnets[vnet];
	struct end_of best = no_route;
	for (uint32_t i = 0; i < v->n_address_space; i++) {
		if (ip_prefix_contains(&v->address_space[i], to))
			best = (struct end_of){.kind = END_HOST,
					       .vnet = vnet,
					       .len = v->address_space[i].len,
					       .class = 1};
	}
	for (uint32_t i = 0; i < v->n_subnets; i++) {
		if (v->subnets[i].route_table != MODEL_NONE &&
		    ip_prefix_contains(&v->subnets[i].prefix, to))
			best.len = v->subnets[i].prefix.len;
	}
	for (uint32_t i = 0; i < v->n_attachments; i++) {
		if (v->attachments[i].has_address &&
		    ip_addr_equal(&v->attachments[i].address.addr, to))
			best = (struct end_of){.kind = END_GATEWAY, .len = 32, .class = 0};
	}
	/* whoever speaks BGP */
	for (uint32_t g = 0; g < m->n_gateways; g++) {
		if (m->gateways[g].vnet == vnet && m->gateways[g].enable_bgp &&
		    ip_addr_equal(&m->gateways[g].bgp.address, to))
			best = (struct end_of){.kind = END_ROUTER, .len = 32, .class = 0};
	}
	return best;
}

/* What a network's own routes say, with or without those behind its gateway. */
static struct end_of system_end_of(const struct model *m, uint32_t vnet, const struct ip_addr *to,
				   bool propagated)
{
	const struct end_of all[] = {own(m, vnet, to), by_peering(m, vnet, to),
				     behind(m, gateway_of(m, vnet), to)};
	struct end_of best = no_route;
	for (int i = 0; i < 2 + propagated; i++) {
		if (all[i].len >= 0 && is_better(&all[i], &best))
			best = all[i];
	}
	return best;
}

static struct end_of system_end(const struct model *m, uint32_t vnet, const struct ip_addr *to)
{
	return system_end_of(m, vnet, to, true);
}

/* Hands a packet to the gateway, which decides by where it itself would send it. */
static struct end_of to_gateway(const struct model *m, uint32_t vnet, const struct ip_addr *to)
{
	uint32_t gateway = gateway_of(m, vnet);
	struct end_of nowhere = {.kind = END_NOWHERE}, site = {.kind = END_TUNNEL};
	if (gateway == MODEL_NONE)
		return nowhere;
	uint32_t hub = m->gateways[gateway].vnet;
	struct end_of there = system_end(m, hub, to);
	if (m->gateways[gateway].default_site != MODEL_NONE && there.len <= 0) {
		for (uint32_t i = 0; i < m->n_connections; i++) {
			if (m->connections[i].gateway == gateway &&
			    m->connections[i].site == m->gateways[gateway].default_site)
				insert(m, &site, i);
		}
		return site.n ? site : nowhere;
	}
	if (there.len < 0)
		return nowhere;
	if (hub == vnet)
		return there;
	if (there.kind == END_HOST && there.vnet == vnet)
		return (struct end_of){.kind = END_HOST, .vnet = vnet};
	if (there.class <= 1)
		return by_peering(m, vnet, to);
	if (there.class == 2) {
		there.forwarded = there.transit = false;
		if (!uses_gateway(m, there.vnet, hub))
			there.kind = END_NOWHERE;
	}
	return there;
}

static struct end_of to_appliance(const struct model *m, uint32_t vnet, const struct ip_addr *a)
{
	struct end_of way = system_end(m, vnet, a);
	if (way.kind != END_HOST)
		return (struct end_of){.kind = END_NOWHERE};
	way.kind = END_APPLIANCE;
	way.address = *a;
	return way;
}

static const struct model_route *user_route(const struct model *m, uint32_t table,
					    const struct ip_addr *to)
{
	const struct model_route *best = NULL;
	for (uint32_t i = 0; table != MODEL_NONE && i < m->tables[table].n_routes; i++) {
		const struct model_route *r = &m->tables[table].routes[i];
		if (ip_prefix_contains(&r->prefix, to) &&
		    (!best || r->prefix.len > best->prefix.len))
			best = r;
	}
	return best;
}

static struct end_of user_end(const struct model *m, uint32_t vnet, uint32_t table,
			      const struct ip_addr *to)
{
	const struct model_route *best = user_route(m, table, to);
	struct end_of e = {.kind = END_NOWHERE};
	if (!best)
		return no_route;
	/* the data path asks no rights of a peering of such a route */
	if (best->hop == MODEL_HOP_GATEWAY)
		e = to_gateway(m, vnet, to);
	else if (best->hop == MODEL_HOP_APPLIANCE)
		e = to_appliance(m, vnet, &best->appliance);
	else if (best->hop == MODEL_HOP_INTERNET)
		e.kind = END_INTERNET;
	else if (best->hop == MODEL_HOP_VNET_LOCAL)
		e = (struct end_of){.kind = END_HOST, .vnet = vnet};
	if (e.transit)
		e.kind = END_NOWHERE;
	e.forwarded = e.transit = false;
	e.len = best->prefix.len;
	return e;
}

static struct end_of expected(const struct model *m, uint32_t vnet, uint32_t table,
			      const struct ip_addr *to)
{
	const struct model_route *user = user_route(m, table, to);
	bool withheld = table != MODEL_NONE && m->tables[table].withholds &&
			!(user && user->hop == MODEL_HOP_GATEWAY);
	struct end_of r = system_end_of(m, vnet, to, !withheld), u = user_end(m, vnet, table, to);
	return u.len >= 0 && u.len >= r.len ? u : r;
}

/* Out of a circuit into one of its networks; via is the network whose gateway does it. */
static struct end_of into(const struct model *m, uint32_t vnet, uint32_t via,
			  const struct ip_addr *to)
{
	struct end_of e = own(m, vnet, to), u;
	if (e.kind == END_ROUTER)
		e.kind = END_GATEWAY;
	if (e.kind != END_HOST)
		return e;
	for (uint32_t i = 0; i < m->vnets[vnet].n_address_space; i++) {
		if (ip_prefix_contains(&m->vnets[vnet].address_space[i], to))
			e.len = m->vnets[vnet].address_space[i].len;
	}
	u = user_end(m, via, m->vnets[via].subnets[2].route_table, to);
	return u.len >= e.len ? u : e;
}

static struct end_of out_of_circuit(const struct model *m, uint32_t circuit,
				    const struct ip_addr *to)
{
	struct end_of best = no_route, branch = no_route;
	for (uint32_t i = 0; i < m->n_connections; i++) {
		if (m->connections[i].circuit != circuit)
			continue;
		uint32_t via = m->gateways[m->connections[i].gateway].vnet;
		for (uint32_t v = 0; v < m->n_vnets; v++) {
			struct end_of e = v == via || uses_gateway(m, v, via) ? into(m, v, via, to)
									      : no_route;
			if (e.len > best.len)
				best = e;
		}
		struct end_of tunnel = behind(m, m->vnets[via].vpn_gateway, to);
		if (m->vnets[via].branch_to_branch && tunnel.len > 0)
			branch = tunnel;
	}
	struct ip_addr ours = m->circuits[circuit].peerings[0].link[0].prefix[0].addr;
	ours.b[3] += 2;
	if (ip_addr_equal(&ours, to))
		return (struct end_of){.kind = END_GATEWAY, .len = 32};
	return branch.len > best.len ? branch : best;
}

/* ---- the plan, searched naively ---- */

static const struct plan_entry_route *longest(const struct plan *p, uint32_t key,
					      const struct ip_addr *to)
{
	const struct plan_entry_route *best = NULL;
	for (uint32_t i = 0; i < p->n_routes; i++) {
		const struct plan_entry_route *r = &p->routes[i];
		if (r->vnet == key && ip_prefix_contains(&r->prefix, to) &&
		    (!best || r->prefix.len > best->prefix.len))
			best = r;
	}
	return best;
}

static const struct xgw_next_hop *hop(const struct plan *p, uint32_t id)
{
	for (uint32_t i = 0; i < p->n_hops; i++) {
		if (p->hops[i].id == id)
			return &p->hops[i].value;
	}
	fail_msg("no next hop %x", id);
	return NULL;
}

static const char *name_of(const struct plan *p, enum xgw_name_kind kind, uint32_t id)
{
	for (uint32_t i = 0; i < p->n_names; i++) {
		if (p->names[i].key.kind == kind && p->names[i].key.id == id)
			return p->names[i].value.text;
	}
	fail_msg("no name %u %x", kind, id);
	return NULL;
}

static uint32_t vnet_index(const struct model *m, uint32_t id)
{
	for (uint32_t i = 0; i < m->n_vnets; i++) {
		if (m->vnets[i].id == id)
			return i;
	}
	fail_msg("no network %u", id);
	return 0;
}

static uint32_t connection_index(const struct plan *p, uint32_t id)
{
	for (uint32_t i = 0; i < p->n_connections; i++) {
		if (p->connections[i].id == id)
			return p->connections[i].model;
	}
	fail_msg("no connection %u", id);
	return 0;
}

/* What has the weight of the member before it shares its flows, what has less stands by. */
static void check_group(const struct model *m, const struct xgw_next_hop *h, const struct end_of *e)
{
	uint32_t i = e->n;
	if (!i)
		return;
	bool same = m->connections[e->connection[i]].routing_weight ==
		    m->connections[e->connection[i - 1]].routing_weight;
	assert_int_equal(same, (h->flags & XGW_HOP_SPREAD) && !(h->groups >> i & 1));
}

static struct end_of planned(const struct model *m, const struct plan *p, uint32_t key,
			     const struct xgw_route *subnet, const struct ip_addr *to)
{
	const struct plan_entry_route *r = longest(p, key, to);
	const struct plan_entry_route *u =
		subnet && subnet->table ? longest(p, subnet->table, to) : NULL;
	struct end_of e = no_route;
	if (r && subnet && subnet->flags & XGW_ROUTE_WITHHELD &&
	    !(u && u->value.flags & XGW_ROUTE_GATEWAY) && r->value.source != XGW_ROUTE_SYSTEM &&
	    r->value.source != XGW_ROUTE_PEERING)
		r = NULL;
	if (u && (!r || u->prefix.len >= r->prefix.len))
		r = u;
	if (!r)
		return e;
	const struct xgw_next_hop *h = hop(p, r->value.next_hop);
	e = (struct end_of){.forwarded = r->value.flags & XGW_ROUTE_FORWARDED,
			    .transit = r->value.flags & XGW_ROUTE_TRANSIT};
	static const enum end kinds[] = {
		[XGW_HOP_DROP] = END_NOWHERE,	   [XGW_HOP_LOCAL] = END_HOST,
		[XGW_HOP_TUNNEL] = END_TUNNEL,	   [XGW_HOP_GATEWAY] = END_GATEWAY,
		[XGW_HOP_CHOICE] = END_TUNNEL,	   [XGW_HOP_APPLIANCE] = END_APPLIANCE,
		[XGW_HOP_INTERNET] = END_INTERNET, [XGW_HOP_CLIENT] = END_ROUTER,
	};
	e.kind = kinds[h->kind];
	if (e.kind == END_HOST || e.kind == END_APPLIANCE)
		e.vnet = vnet_index(m, h->vnet);
	if (h->kind == XGW_HOP_APPLIANCE)
		e.address = ip_addr_from_mapped(h->address);
	if (h->kind == XGW_HOP_TUNNEL)
		e.connection[e.n++] = connection_index(p, h->connection);
	for (; h->kind == XGW_HOP_CHOICE && e.n < XGW_HOP_MEMBERS && h->member[e.n]; e.n++) {
		e.connection[e.n] = connection_index(p, hop(p, h->member[e.n])->connection);
		check_group(m, h, &e);
	}
	return e;
}

static bool same_end(const struct end_of *a, const struct end_of *b)
{
	if (a->kind != b->kind)
		return false;
	if (a->kind == END_TUNNEL)
		return a->n == b->n &&
		       !memcmp(a->connection, b->connection, a->n * sizeof(uint32_t));
	if (a->kind == END_HOST || a->kind == END_APPLIANCE)
		return a->vnet == b->vnet && a->forwarded == b->forwarded &&
		       a->transit == b->transit &&
		       (a->kind == END_HOST || ip_addr_equal(&a->address, &b->address));
	return true;
}

static void show(const char *what, const struct end_of *e)
{
	print_error("%s: kind %d vnet %u n %u first %u forwarded %d transit %d len %d class %d\n",
		    what, e->kind, e->vnet, e->n, e->connection[0], e->forwarded, e->transit,
		    e->len, e->class);
}

static const char *const addresses[] = {
	"10.0.0.4",    "10.0.1.4",	"10.0.9.4",	"10.1.0.4",   "10.1.1.4",    "10.1.7.4",
	"10.2.0.1",    "10.2.0.4",	"10.2.1.4",	"10.2.255.9", "10.3.0.4",    "10.3.1.4",
	"10.4.0.4",    "10.4.0.1",	"10.9.0.4",	"10.77.0.4",  "192.168.1.1", "192.168.5.1",
	"192.168.5.7", "192.168.5.200", "172.20.0.9",	"8.8.8.8",    "fd00::4",     "fd11::4",
	"fd22::4",     "10.1.255.30",	"192.168.30.2",
};

/* From a host of each subnet, and out of the gateway's tunnels (GatewaySubnet's table). */
static void check_subnet(const struct model *m, const struct plan *p, uint32_t vnet,
			 const struct model_subnet *s)
{
	struct ip_addr from = s->prefix.addr;
	char name[64] = "";
	from.b[3] += 4;
	const struct plan_entry_route *r = longest(p, m->vnets[vnet].id, &from);
	assert_true(r && r->value.flags & XGW_ROUTE_LOCAL);
	if (s->route_table != MODEL_NONE)
		snprintf(name, sizeof name, "%s/%s", m->vnets[vnet].name,
			 m->tables[s->route_table].name);
	assert_int_equal(r->value.table != 0, *name != 0);
	if (r->value.table)
		assert_string_equal(name_of(p, XGW_NAME_TABLE, r->value.table), name);
	for (size_t i = 0; i < sizeof addresses / sizeof *addresses; i++) {
		struct ip_addr to;
		assert_int_equal(ip_addr_parse(&to, addresses[i]), 0);
		struct end_of want = expected(m, vnet, s->route_table, &to);
		struct end_of came = planned(m, p, m->vnets[vnet].id, &r->value, &to);
		if (same_end(&want, &came))
			continue;
		show("expected", &want);
		show("planned", &came);
		fail_msg("seed %u: from %s of V%u to %s", seed, s->name, vnet, addresses[i]);
	}
}

static void check_tunnels(const struct model *m, const struct plan *p)
{
	for (uint32_t i = 0; i < p->n_connections; i++) {
		const struct xgw_next_hop *h = hop(p, p->connections[i].id);
		const struct model_vnet *v =
			&m->vnets[m->gateways[m->connections[p->connections[i].model].gateway]
					  .vnet];
		struct ip_addr inside = v->subnets[2].prefix.addr;
		const struct plan_entry_route *r = longest(p, v->id, &inside);
		assert_int_equal(h->kind, XGW_HOP_TUNNEL);
		assert_int_equal(h->vnet, v->id);
		assert_int_equal(h->table,
				 v->subnets[2].route_table == MODEL_NONE ? 0 : r->value.table);
		assert_int_equal(p->connections[i].table, h->table);
	}
}

/* Where the tables of two networks' GatewaySubnets meet, each has its own networks alone. */
static uint32_t check_circuits(const struct model *m, const struct plan *p)
{
	uint32_t n = 0;
	for (uint32_t k = 0; k < m->n_circuits; k++) {
		for (size_t i = 0; p->domains[k] && i < sizeof addresses / sizeof *addresses; i++) {
			struct ip_addr to;
			assert_int_equal(ip_addr_parse(&to, addresses[i]), 0);
			struct end_of want = out_of_circuit(m, k, &to);
			struct end_of came = planned(m, p, p->domains[k], NULL, &to);
			n += want.kind == END_APPLIANCE || want.kind == END_TUNNEL;
			if (same_end(&want, &came))
				continue;
			show("expected", &want);
			show("planned", &came);
			fail_msg("seed %u: out of K%u to %s", seed, k, addresses[i]);
		}
	}
	return n;
}

/* A peer in a tunnel is reached by it, whatever else leads there. */
static void check_peers(const struct model *m, const struct plan *p)
{
	for (uint32_t i = 0; i < p->n_peers; i++) {
		const struct plan_peer *x = &p->peers[i];
		if (x->kind != PLAN_PEER_TUNNEL)
			continue;
		struct end_of came = planned(m, p, x->table, NULL, &x->remote);
		assert_true(came.kind == END_TUNNEL && came.n == 1 &&
			    came.connection[0] == p->connections[x->of].model);
	}
}

static const struct plan_follow *find_follow(const struct plan *p, uint32_t table,
					     const struct ip_prefix *prefix)
{
	for (uint32_t i = 0; i < p->n_follows; i++) {
		if (p->follows[i].table == table && ip_prefix_equal(&p->follows[i].prefix, prefix))
			return &p->follows[i];
	}
	return NULL;
}

/* Where somebody may announce something, each of a table's routes to the gateway follows that one's
 * network, but for a default route that the default site takes. Returns how many. */
static uint32_t check_table_follows(const struct model *m, const struct plan *p, uint32_t vnet,
				    uint32_t table, uint32_t id)
{
	uint32_t n = 0, gateway = gateway_of(m, vnet);
	for (uint32_t i = 0; i < m->tables[table].n_routes; i++) {
		const struct model_route *r = &m->tables[table].routes[i];
		const struct plan_follow *f = find_follow(p, id, &r->prefix);
		bool has_site =
			gateway != MODEL_NONE && m->gateways[gateway].default_site != MODEL_NONE;
		bool follows = p->n_peers && r->hop == MODEL_HOP_GATEWAY && gateway != MODEL_NONE &&
			       (!has_site || r->prefix.len);
		assert_int_equal(f != NULL, follows);
		n += follows;
		if (!f)
			continue;
		assert_int_equal(f->of, m->vnets[m->gateways[gateway].vnet].id);
		assert_int_equal(f->least, has_site);
	}
	return n;
}

static uint32_t check_follows(const struct model *m, const struct plan *p)
{
	uint32_t n = 0;
	for (uint32_t v = 0; v < m->n_vnets; v++) {
		for (uint32_t s = 0; s < m->vnets[v].n_subnets; s++) {
			const struct model_subnet *subnet = &m->vnets[v].subnets[s];
			if (subnet->route_table == MODEL_NONE)
				continue;
			const struct plan_entry_route *r =
				longest(p, m->vnets[v].id, &subnet->prefix.addr);
			n += check_table_follows(m, p, v, subnet->route_table, r->value.table);
		}
	}
	for (uint32_t i = 1; i < p->n_follows; i++) {
		const struct plan_follow *a = &p->follows[i - 1], *b = &p->follows[i];
		assert_true(a->table < b->table ||
			    (a->table == b->table &&
			     memcmp(&a->prefix, &b->prefix, sizeof a->prefix) < 0));
	}
	return n;
}

static void random_models(void **state)
{
	(void)state;
	uint32_t seldom = 0, follow = 0;
	for (uint32_t round = 0; round < 1500; round++) {
		struct writer w = {.n = 0};
		struct model m;
		struct plan p;
		seed = round * 7919;
		put_vnets(&w);
		put_tables(&w);
		put_gateways(&w);
		put_connections(&w);
		test_model(&m, w.text);
		test_plan(&p, &m);
		seed = round;
		for (uint32_t v = 0; v < m.n_vnets; v++)
			for (uint32_t s = 0; s < m.vnets[v].n_subnets; s++)
				check_subnet(&m, &p, v, &m.vnets[v].subnets[s]);
		check_tunnels(&m, &p);
		check_peers(&m, &p);
		seldom += check_circuits(&m, &p);
		follow += check_follows(&m, &p);
		plan_free(&p);
		model_free(&m);
	}
	assert_true(seldom > 100 && follow > 100);
}

/* One next hop for a set of connections, however many prefixes they share. */
static void choices_are_shared(void **state)
{
	(void)state;
	struct model m;
	struct plan p;
	uint32_t n = 0;
	test_model(
		&m,
		"host: {ports: [{name: w, device: e0, role: uplink}]}\n"
		"virtualNetworks: [{name: V, id: 1, addressSpace: [10.0.0.0/16], subnets: [{name: "
		"GatewaySubnet, addressPrefix: 10.0.255.0/27}]}]\n"
		"virtualNetworkGateways: [{name: G, virtualNetwork: V, publicIPAddress: "
		"203.0.113.1}]\n"
		"localNetworkGateways:\n"
		"  - {name: A, gatewayIpAddress: 198.51.100.1, addressSpace: [192.168.1.0/24, "
		"192.168.2.0/24, 192.168.3.0/24, 192.168.1.0/24]}\n"
		"  - {name: B, gatewayIpAddress: 198.51.100.2, addressSpace: [192.168.1.0/24, "
		"192.168.2.0/24]}\n"
		"connections:\n"
		"  - {name: CA, connectionType: IPsec, virtualNetworkGateway1: G, "
		"localNetworkGateway2: A, sharedKey: {file: /k}}\n"
		"  - {name: CB, connectionType: IPsec, virtualNetworkGateway1: G, "
		"localNetworkGateway2: B, sharedKey: {file: /k}, routingWeight: 5}\n");
	test_plan(&p, &m);
	for (uint32_t i = 0; i < p.n_hops; i++)
		n += p.hops[i].value.kind == XGW_HOP_CHOICE;
	assert_int_equal(n, 1);
	assert_string_equal(name_of(&p, XGW_NAME_HOP, PLAN_FIRST_CHOICE), "CA|CB");
	struct ip_addr to;
	assert_int_equal(ip_addr_parse(&to, "192.168.3.1"), 0);
	assert_int_equal(longest(&p, 1, &to)->value.next_hop, PLAN_FIRST_CONNECTION);
	plan_free(&p);
	model_free(&m);
}

/* How many rows of other instances a table has. */
static uint32_t others_in(const struct plan *p, uint32_t table)
{
	uint32_t n = 0;
	for (uint32_t i = 0; i < p->n_statics; i++)
		n += p->statics[i].table == table && p->statics[i].class == PLAN_CLASS_INSTANCE;
	return n;
}

/* A hub with two instances, four tunnels, a spoke, and a default site. */
static void two_instances(struct model *m)
{
	char text[8192] =
		"host: {ports: [{name: w, device: e0, role: uplink}, {name: l, device: e1, role: "
		"vnet}]}\n"
		"virtualNetworks:\n"
		"  - {name: V, id: 1, addressSpace: [10.0.0.0/16], subnets: [{name: GatewaySubnet, "
		"addressPrefix: 10.0.255.0/27, routeTable: U}, {name: F, addressPrefix: 10.0.7.0/24, "
		"routeTable: T}], attachments: [{port: l, encapsulation: vlan, vlanId: 5, address: "
		"10.0.9.1/24}, {port: l, address: 10.0.0.1/24}], "
		"peerings: [{name: s, remoteVirtualNetwork: S, allowGatewayTransit: true}]}\n"
		"  - {name: S, id: 2, addressSpace: [10.1.0.0/16], peerings: [{name: v, "
		"remoteVirtualNetwork: V, useRemoteGateways: true}]}\n"
		"virtualNetworkGateways: [{name: G, virtualNetwork: V, publicIPAddress: 203.0.113.1, "
		"gatewayDefaultSite: S4, activeActive: true, enableBgp: true, otherInstance: {address: "
		"10.0.0.2, bgpPeeringAddress: 10.0.255.29, vpnClientAddressPool: [172.16.2.0/24]}}]\n"
		"routeTables: [{name: T, routes: [{name: d, addressPrefix: 0.0.0.0/0, nextHopType: "
		"VirtualNetworkGateway}]}, {name: U, routes: [{name: d, addressPrefix: 10.9.0.0/16, "
		"nextHopType: None}]}]\n";
	strcat(text, "localNetworkGateways:\n");
	for (int i = 1; i <= 4; i++)
		sprintf(text + strlen(text),
			"  - {name: S%d, gatewayIpAddress: 198.51.100.%d, addressSpace: "
			"[192.168.1.0/24%s]}\n",
			i, i, i == 1 ? ", 192.168.9.0/24" : "");
	strcat(text, "connections:\n");
	for (int i = 1; i <= 4; i++)
		sprintf(text + strlen(text),
			"  - {name: C%d, connectionType: IPsec, virtualNetworkGateway1: G, "
			"localNetworkGateway2: S%d, sharedKey: {file: /k}, routingWeight: %d}\n",
			i, i, i == 3 ? 20 : 10);
	test_model(m, text);
}

/* The other one's clients are behind it, and the two speak iBGP over the network. */
static void check_other(const struct plan *p)
{
	struct ip_addr to;
	assert_int_equal(ip_addr_parse(&to, "172.16.2.9"), 0);
	for (uint32_t vnet = 1; vnet <= 2; vnet++) {
		assert_int_equal(longest(p, vnet, &to)->value.next_hop, p->gateways[0].other);
		assert_int_equal(longest(p, vnet, &to)->value.source, XGW_ROUTE_CLIENT);
	}
	assert_int_equal(p->n_peers, 1);
	assert_int_equal(p->peers[0].kind, PLAN_PEER_INSTANCE);
	assert_int_equal(p->peers[0].local_asn, p->peers[0].peer_asn);
	assert_int_equal(p->n_members, 2);
	for (uint32_t i = 0; i < 2; i++) {
		assert_int_equal(p->members[i].table, i + 1);
		assert_int_equal(p->members[i].hop, p->gateways[0].other);
		assert_int_equal(p->members[i].class, PLAN_CLASS_INSTANCE);
		assert_int_equal(p->members[i].announced, !i);
	}
	assert_int_equal(ip_addr_parse(&to, "10.0.255.29"), 0);
	assert_int_equal(longest(p, 1, &to)->value.next_hop, p->gateways[0].other);
	assert_int_equal(longest(p, 1, &to)->value.flags, XGW_ROUTE_LOCAL);
	assert_int_equal(others_in(p, 1), 2);
	assert_int_equal(others_in(p, 2), 2);
}

/* Behind its tunnels, in order of weight, the other one, for its own hosts, spokes and default
 * site; never more than three tunnels beside it. */
static void other_instance(void **state)
{
	(void)state;
	struct model m;
	struct plan p;
	struct ip_addr to, own;
	two_instances(&m);
	test_plan(&p, &m);
	assert_int_equal(ip_addr_parse(&to, "192.168.9.1"), 0);
	const struct xgw_next_hop *h = hop(&p, longest(&p, 1, &to)->value.next_hop);
	const struct xgw_next_hop *other = hop(&p, p.gateways[0].other);
	const uint32_t first = PLAN_FIRST_CONNECTION;
	assert_int_equal(h->kind, XGW_HOP_CHOICE);
	assert_int_equal(h->flags, XGW_HOP_SPREAD);
	assert_int_equal(h->groups, 2);
	assert_int_equal(h->member[0], first);
	assert_int_equal(h->member[1], p.gateways[0].other);
	assert_int_equal(h->member[2], 0);
	assert_int_equal(other->kind, XGW_HOP_APPLIANCE);
	assert_int_equal(other->flags, XGW_HOP_UP | XGW_HOP_INSTANCE);
	assert_int_equal(other->table, p.connections[0].table);
	assert_true(other->table >= XGW_FIRST_TABLE);
	for (uint32_t i = 0; i < p.n_attachments; i++)
		assert_int_equal(p.attachments[i].instance,
				 p.attachments[i].kind == XGW_TAG_NONE ? p.gateways[0].other : 0);
	assert_int_equal(other->vnet, 1);
	own = ip_addr_from_mapped(other->address);
	assert_int_equal(ip_addr_parse(&to, "10.0.0.2"), 0);
	assert_true(ip_addr_equal(&own, &to));
	assert_int_equal(ip_addr_parse(&to, "192.168.1.1"), 0);
	h = hop(&p, longest(&p, 1, &to)->value.next_hop);
	const uint32_t want[XGW_HOP_MEMBERS] = {first + 2, first, first + 1, p.gateways[0].other};
	assert_memory_equal(h->member, want, sizeof want);
	assert_int_equal(h->groups, 2 | 8);
	/* and so for who uses the gateway by a peering, and for what the default site takes */
	assert_int_equal(longest(&p, 2, &to)->value.next_hop, longest(&p, 1, &to)->value.next_hop);
	assert_int_equal(ip_addr_parse(&to, "10.0.7.1"), 0);
	uint32_t table = longest(&p, 1, &to)->value.table;
	assert_int_equal(ip_addr_parse(&to, "8.8.8.8"), 0);
	h = hop(&p, longest(&p, table, &to)->value.next_hop);
	assert_int_equal(h->member[0], first + 3);
	assert_int_equal(h->member[1], p.gateways[0].other);
	check_other(&p);
	plan_free(&p);
	model_free(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_models),
		cmocka_unit_test(choices_are_shared),
		cmocka_unit_test(other_instance),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
