/* SPDX-License-Identifier: Apache-2.0 */
/* Circuits and BGP in a plan: what each part of a configuration leads to, and which numbers stay.
 */
#include "control_test.h"

#include "control/plan_internal.h"

/* clang-format off */
static const char coexistence[] =
	"host:\n"
	"  ports:\n"
	"    - {name: wan0, device: eth0, role: uplink}\n"
	"    - {name: lan0, device: eth1, role: vnet}\n"
	"    - {name: er0, device: eth2, role: circuit}\n"
	"    - {name: er1, device: eth3, role: circuit}\n"
	"virtualNetworks:\n"
	"  - name: A\n"
	"    id: 1\n"
	"    addressSpace: [10.1.0.0/16, \"fd00:1::/48\"]\n"
	"    subnets: [{name: GatewaySubnet, addressPrefix: 10.1.255.0/27, routeTable: T}]\n"
	"    attachments: [{port: lan0, encapsulation: vlan, vlanId: 1, address: 10.1.0.1/24}]\n"
	"    allowBranchToBranchTraffic: false\n"
	"    peerings: [{name: s, remoteVirtualNetwork: S, allowGatewayTransit: true}]\n"
	"  - name: B\n"
	"    id: 2\n"
	"    addressSpace: [10.2.0.0/16]\n"
	"    subnets: [{name: GatewaySubnet, addressPrefix: 10.2.255.0/27}]\n"
	"    attachments: [{port: lan0, encapsulation: vlan, vlanId: 2}]\n"
	"  - name: S\n"
	"    id: 3\n"
	"    addressSpace: [10.3.0.0/16]\n"
	"    attachments: [{port: lan0, encapsulation: vlan, vlanId: 3}]\n"
	"    peerings: [{name: a, remoteVirtualNetwork: A, useRemoteGateways: true}]\n"
	"routeTables:\n"
	"  - name: T\n"
	"    routes:\n"
	"      - {name: nva, addressPrefix: 10.1.2.0/24, nextHopType: VirtualAppliance, nextHopIpAddress: 10.1.3.4}\n"
	"      - {name: spoke, addressPrefix: 10.3.0.0/16, nextHopType: None}\n"
	"      - {name: elsewhere, addressPrefix: 172.16.0.0/12, nextHopType: None}\n"
	"virtualNetworkGateways:\n"
	"  - {name: AE, virtualNetwork: A, gatewayType: ExpressRoute}\n"
	"  - {name: AV, virtualNetwork: A, publicIPAddress: 203.0.113.1, enableBgp: true, bgpSettings: {customBgpIpAddresses: [169.254.21.1]}}\n"
	"  - {name: BE, virtualNetwork: B, gatewayType: ExpressRoute}\n"
	"localNetworkGateways:\n"
	"  - {name: S5, gatewayIpAddress: 198.51.100.5, bgpSettings: {asn: 65050, bgpPeeringAddress: 192.168.5.254, peerWeight: 5, maxPrefixes: 100}}\n"
	"  - {name: S6, gatewayIpAddress: 198.51.100.6, addressSpace: [192.168.6.0/24, 0.0.0.0/0], bgpSettings: {asn: 65060, bgpPeeringAddress: 169.254.21.2}}\n"
	"  - {name: S7, gatewayIpAddress: 198.51.100.7, addressSpace: [192.168.6.0/24]}\n"
	"connections:\n"
	"  - {name: A-C, connectionType: ExpressRoute, virtualNetworkGateway1: AE, expressRouteCircuit: C}\n"
	"  - {name: A-S5, connectionType: IPsec, virtualNetworkGateway1: AV, localNetworkGateway2: S5, sharedKey: {file: /k}, enableBgp: true}\n"
	"  - {name: A-S6, connectionType: IPsec, virtualNetworkGateway1: AV, localNetworkGateway2: S6, sharedKey: {file: /k}, enableBgp: true}\n"
	"  - {name: A-S7, connectionType: IPsec, virtualNetworkGateway1: AV, localNetworkGateway2: S7, sharedKey: {file: /k}, routingWeight: 20}\n"
	"  - {name: B-C, connectionType: ExpressRoute, virtualNetworkGateway1: BE, expressRouteCircuit: C, routingWeight: 30}\n"
	"expressRouteCircuits:\n"
	"  - {name: Unused, peerings: [{port: er0, vlanId: 9, primaryPeerAddressPrefix: 192.168.19.0/30, peerASN: 65011}]}\n"
	"  - name: C\n"
	"    bandwidthInMbps: 1000\n"
	"    peerings:\n"
	"      - {port: er0, vlanId: 100, outerVlanId: 10, primaryPeerAddressPrefix: 192.168.16.252/30, peerASN: 65010,\n"
	"         secondaryPort: er1, secondaryPeerAddressPrefix: 192.168.17.252/30, ipv6PeeringConfig: {primaryPeerAddressPrefix: \"fd99::/126\"}}\n";
/* clang-format on */

struct planned {
	struct model m;
	struct plan p;
};

static void make(struct planned *x, const char *text, const struct plan *previous)
{
	test_model(&x->m, text);
	test_plan_after(&x->p, &x->m, previous);
}

static void done(struct planned *x)
{
	plan_free(&x->p);
	model_free(&x->m);
}

static char *replaced(const char *text, const char *old, const char *new)
{
	const char *at = strstr(text, old);
	char *out = calloc(1, strlen(text) + strlen(new) + 1);
	if (!at || !out) {
		fail_msg("'%s' is not in the configuration", old);
		abort();
	}
	memcpy(out, text, (size_t)(at - text));
	return strcat(strcat(out, new), at + strlen(old));
}

static const struct plan_entry_route *route(const struct plan *p, uint32_t table, const char *text)
{
	struct ip_prefix prefix;
	assert_int_equal(ip_prefix_parse(&prefix, text), 0);
	for (uint32_t i = 0; i < p->n_routes; i++) {
		if (p->routes[i].vnet == table && ip_prefix_equal(&p->routes[i].prefix, &prefix))
			return &p->routes[i];
	}
	return NULL;
}

static void assert_route(const struct plan *p, uint32_t table, const char *prefix, uint32_t hop,
			 enum xgw_route_source source, uint8_t flags)
{
	const struct plan_entry_route *r = route(p, table, prefix);
	if (!r)
		fail_msg("no route for %s in %x", prefix, table);
	if (r->value.next_hop != hop || r->value.source != source || r->value.flags != flags)
		fail_msg("%s in %x: hop %x source %u flags %u", prefix, table, r->value.next_hop,
			 r->value.source, r->value.flags);
}

static const struct xgw_next_hop *hop(const struct plan *p, uint32_t id)
{
	for (uint32_t i = 0; i < p->n_hops; i++) {
		if (p->hops[i].id == id)
			return &p->hops[i].value;
	}
	return NULL;
}

static void assert_name(const struct plan *p, enum xgw_name_kind kind, uint32_t id,
			const char *text)
{
	for (uint32_t i = 0; i < p->n_names; i++) {
		if (p->names[i].key.kind == kind && p->names[i].key.id == id) {
			assert_string_equal(p->names[i].value.text, text);
			return;
		}
	}
	fail_msg("no name %u %x: %s", kind, id, text);
}

static void assert_address(const struct ip_addr *a, const char *text)
{
	char shown[IP_TEXT];
	assert_string_equal(ip_addr_format(a, shown), text);
}

static void assert_same_address(const uint8_t mapped[16], const char *text)
{
	const struct ip_addr a = ip_addr_from_mapped(mapped);
	assert_address(&a, text);
}

/* ---- links ---- */

static void links(void **state)
{
	(void)state;
	struct planned x;
	make(&x, coexistence, NULL);
	const struct plan *p = &x.p;
	assert_int_equal(p->n_domains, 2);
	assert_int_equal(p->domains[0], 0);
	uint32_t domain = p->domains[1];
	assert_int_equal(domain, XGW_FIRST_DOMAIN);
	assert_name(p, XGW_NAME_CIRCUIT, domain, "C");
	assert_int_equal(p->n_links, 2);
	const struct plan_link *one = &p->links[0], *two = &p->links[1];
	assert_true(one->which == 0 && one->port == 2 && two->which == 1 && two->port == 3);
	assert_true(one->circuit == 1 && one->peering == 0 && one->domain == domain);
	/* the second tag of 802.1ad is at the cost of what is in the frame */
	assert_true(one->mtu == 1496 && one->router == 0);
	assert_address(&one->end[0].remote, "192.168.16.253");
	assert_address(&one->end[0].local, "192.168.16.254");
	assert_int_equal(one->end[0].len, 30);
	assert_address(&one->end[1].remote, "fd99::1");
	assert_address(&one->end[1].local, "fd99::2");
	assert_int_equal(one->end[1].len, 126);
	assert_true(one->end[0].hop == PLAN_FIRST_LINK_HOP &&
		    one->end[1].hop == PLAN_FIRST_LINK_HOP + 1 &&
		    two->end[0].hop == PLAN_FIRST_LINK_HOP + 2 && !two->end[1].hop);
	assert_ptr_equal(plan_link(p, one->id), one);
	assert_ptr_equal(plan_link(p, two->id), two);
	assert_null(plan_link(p, p->places[0].id));
	assert_null(plan_attachment(p, one->id));
	assert_null(plan_link(p, 0));
	const struct xgw_next_hop *h = hop(p, one->end[1].hop);
	assert_true(h->kind == XGW_HOP_CIRCUIT && h->vnet == domain && !h->flags);
	assert_same_address(h->address, "fd99::1");
	assert_name(p, XGW_NAME_HOP, one->end[0].hop, "C/primary");
	assert_name(p, XGW_NAME_HOP, one->end[1].hop, "C/primary/v6");
	assert_name(p, XGW_NAME_HOP, two->end[0].hop, "C/secondary");
	assert_name(p, XGW_NAME_ATTACHMENT, one->id, "er0/qinq10.100");
	done(&x);
}

static void attachments_of_links(void **state)
{
	(void)state;
	struct planned x;
	make(&x, coexistence, NULL);
	const struct plan *p = &x.p;
	const struct plan_link *one = &p->links[0];
	const struct xgw_attachment *a = plan_attachment_entry(p, one->id);
	assert_int_equal(a->vnet, one->domain);
	assert_int_equal(a->kind, XGW_TAG_QINQ);
	assert_int_equal(a->tag, XGW_QINQ(10, 100));
	assert_int_equal(a->flags, XGW_ATTACHMENT_LINK);
	assert_true(a->ifindex == 12 && a->port_id == p->port_ids[2] && a->mtu == 1496);
	assert_int_equal(a->mac[5], 3);
	assert_int_equal(a->local_ifindex, 0);
	const struct xgw_tag_key key = {12, XGW_TAG_QINQ, XGW_QINQ(10, 100)};
	bool found = false;
	for (uint32_t i = 0; i < p->n_tags; i++)
		found = found || (!memcmp(&p->tags[i].key, &key, sizeof key) &&
				  p->tags[i].attachment == one->id);
	assert_true(found);
	/* one bandwidth for both links */
	assert_int_equal(p->n_limiters, 1);
	assert_int_equal(p->limiters[0].mbps, 1000);
	assert_int_equal(a->limiter, p->limiters[0].id);
	assert_int_equal(plan_attachment_entry(p, p->links[1].id)->limiter, a->limiter);
	done(&x);
}

/* The second plan knows the veths of the first one's links, and changes what hangs on them. */
static void wires(void **state)
{
	(void)state;
	struct planned x;
	struct plan second;
	struct plan_changes c;
	struct plan_port ports[4];
	struct fault fault = {0};
	make(&x, coexistence, NULL);
	test_ports(ports, 4);
	const struct plan_veth veths[] = {
		{4711, 99, {2, 9}}, {x.p.links[1].id, 77, {2, 7}}, {x.p.links[0].id, 78, {0}}};
	const struct plan_facts facts = {ports, veths, 3};
	assert_int_equal(plan_make(&second, &x.m, &facts, &x.p, &fault), 0);
	assert_int_equal(second.n_ports, 4);
	const struct xgw_attachment *a = plan_attachment_entry(&second, second.links[1].id);
	assert_true(a->local_ifindex == 77 && a->mac[0] == 2 && a->mac[1] == 7);
	/* a veth without an address of its own has the port's */
	a = plan_attachment_entry(&second, second.links[0].id);
	assert_true(a->local_ifindex == 78 && a->mac[5] == 3);
	assert_int_equal(plan_diff(&c, &x.p, &second), 0);
	assert_int_equal(c.n, 2);
	for (size_t i = 0; i < c.n; i++)
		assert_true(!c.at[i].removal && c.at[i].was && c.at[i].map == PLAN_ATTACHMENTS);
	plan_changes_free(&c);
	plan_free(&second);
	done(&x);
}

/* ---- domains ---- */

static void domains(void **state)
{
	(void)state;
	struct planned x;
	make(&x, coexistence, NULL);
	const struct plan *p = &x.p;
	uint32_t d = p->domains[1];
	assert_route(p, d, "10.1.0.0/16", PLAN_HOP_LOCAL + 1, XGW_ROUTE_SYSTEM, XGW_ROUTE_LOCAL);
	assert_route(p, d, "fd00:1::/48", PLAN_HOP_LOCAL + 1, XGW_ROUTE_SYSTEM, XGW_ROUTE_LOCAL);
	assert_route(p, d, "10.2.0.0/16", PLAN_HOP_LOCAL + 2, XGW_ROUTE_SYSTEM, XGW_ROUTE_LOCAL);
	/* own addresses: of the links, at attachments, and what speaks BGP */
	assert_route(p, d, "192.168.16.254/32", PLAN_HOP_GATEWAY, XGW_ROUTE_SYSTEM, 0);
	assert_route(p, d, "192.168.17.254/32", PLAN_HOP_GATEWAY, XGW_ROUTE_SYSTEM, 0);
	assert_route(p, d, "fd99::2/128", PLAN_HOP_GATEWAY, XGW_ROUTE_SYSTEM, 0);
	assert_route(p, d, "10.1.0.1/32", PLAN_HOP_GATEWAY, XGW_ROUTE_SYSTEM, 0);
	assert_route(p, d, "10.1.255.30/32", PLAN_HOP_GATEWAY, XGW_ROUTE_SYSTEM, 0);
	assert_null(route(p, d, "169.254.21.1/32"));
	uint32_t n = 0;
	for (uint32_t i = 0; i < p->n_addresses; i++)
		n += p->addresses[i].key.vnet == d;
	assert_int_equal(n, 3);
	/* the table of A's GatewaySubnet: inside A, of the spoke, and what is elsewhere not */
	const struct plan_entry_route *nva = route(p, d, "10.1.2.0/24");
	assert_true(nva->value.source == XGW_ROUTE_USER && nva->value.flags == XGW_ROUTE_LOCAL);
	assert_int_equal(hop(p, nva->value.next_hop)->kind, XGW_HOP_APPLIANCE);
	assert_same_address(hop(p, nva->value.next_hop)->address, "10.1.3.4");
	assert_route(p, d, "10.3.0.0/16", PLAN_HOP_NONE, XGW_ROUTE_USER, XGW_ROUTE_LOCAL);
	assert_null(route(p, d, "172.16.0.0/12"));
	/* tunnels are not reached from the circuit, nor the circuit from them */
	assert_int_equal(hop(p, p->connections[0].id)->flags, 0);
	assert_null(route(p, d, "192.168.6.0/24"));
	n = 0;
	for (uint32_t i = 0; i < p->n_routes; i++)
		n += p->routes[i].vnet == d;
	assert_int_equal(n, 10);
	done(&x);
}

/* ---- routers and peers ---- */

static void routers(void **state)
{
	(void)state;
	struct planned x;
	make(&x, coexistence, NULL);
	const struct plan *p = &x.p;
	assert_int_equal(p->n_routers, 1);
	const struct plan_router *r = &p->routers[0];
	assert_string_equal(r->name, "AE");
	assert_int_equal(r->id, p->gateways[0].slot);
	assert_true(r->n_gateways == 3 && r->n_links == 2 && r->n_peers == 5);
	for (uint32_t i = 0; i < 3; i++) {
		assert_int_equal(p->router_gateways[i], i);
		assert_int_equal(p->gateways[i].router, 0);
	}
	assert_true(p->gateways[1].tun == PLAN_FIRST_TUN && !p->gateways[0].tun &&
		    !p->gateways[2].tun);
	done(&x);
	/* apart from the circuit: a router for each network, none where nobody speaks BGP */
	char *text = replaced(coexistence, "virtualNetworkGateway1: BE, expressRouteCircuit: C",
			      "virtualNetworkGateway1: BE, expressRouteCircuit: Unused");
	make(&x, text, NULL);
	assert_int_equal(x.p.n_routers, 2);
	assert_string_equal(x.p.routers[1].name, "BE");
	assert_true(x.p.routers[1].n_links == 1 && x.p.routers[1].first_link == 2 &&
		    x.p.routers[1].first_peer == 5 && x.p.routers[1].n_peers == 1);
	assert_int_equal(x.p.links[2].router, 1);
	done(&x);
	free(text);
	text = test_file("docs/examples/multi-site.yaml");
	make(&x, text, NULL);
	assert_true(!x.p.n_routers && !x.p.n_peers && !x.p.n_statics && !x.p.n_announced);
	assert_int_equal(x.p.gateways[0].router, MODEL_NONE);
	done(&x);
	free(text);
}

static void peers(void **state)
{
	(void)state;
	static const struct {
		enum plan_peer_kind kind;
		uint32_t of, peer_asn, max;
		const char *local, *remote;
		bool ipv4, ipv6;
	} rows[] = {
		{PLAN_PEER_LINK, 0, 65010, 4000, "192.168.16.254", "192.168.16.253", true, false},
		{PLAN_PEER_LINK, 0, 65010, 4000, "fd99::2", "fd99::1", false, true},
		{PLAN_PEER_LINK, 1, 65010, 4000, "192.168.17.254", "192.168.17.253", true, false},
		{PLAN_PEER_TUNNEL, 0, 65050, 100, "10.1.255.30", "192.168.5.254", true, true},
		{PLAN_PEER_TUNNEL, 1, 65060, 4000, "169.254.21.1", "169.254.21.2", true, true},
	};
	struct planned x;
	make(&x, coexistence, NULL);
	const struct plan *p = &x.p;
	assert_int_equal(p->n_peers, 5);
	for (uint32_t i = 0; i < 5; i++) {
		const struct plan_peer *at = &p->peers[i];
		assert_int_equal(at->no, i + 1);
		assert_ptr_equal(plan_peer(p, at->no), at);
		assert_true(at->kind == rows[i].kind && at->of == rows[i].of);
		assert_true(at->local_asn == 65515 && at->peer_asn == rows[i].peer_asn);
		assert_address(&at->local, rows[i].local);
		assert_address(&at->remote, rows[i].remote);
		assert_true(at->ipv4 == rows[i].ipv4 && at->ipv6 == rows[i].ipv6);
		assert_int_equal(at->max_prefixes, rows[i].max);
		assert_int_equal(at->table, i < 3 ? p->domains[1] : 1);
		assert_int_equal(at->gateway, i < 3 ? 0 : 1);
	}
	assert_null(plan_peer(p, 0));
	assert_null(plan_peer(p, 6));
	assert_int_equal(p->links[0].end[1].peer, 2);
	/* what leads to them, and to the gateway's own addresses */
	uint32_t tun = p->gateways[1].tun;
	const struct xgw_next_hop *h = hop(p, tun);
	assert_true(h->kind == XGW_HOP_CLIENT && h->vnet == 1 && h->connection == tun && !h->flags);
	assert_name(p, XGW_NAME_CONNECTION, tun, "AV/bgp");
	assert_route(p, 1, "10.1.255.30/32", tun, XGW_ROUTE_SYSTEM, 0);
	assert_route(p, 1, "169.254.21.1/32", tun, XGW_ROUTE_SYSTEM, 0);
	assert_route(p, 1, "192.168.5.254/32", p->connections[0].id, XGW_ROUTE_SYSTEM, 0);
	assert_route(p, 1, "169.254.21.2/32", p->connections[1].id, XGW_ROUTE_SYSTEM, 0);
	/* circuits are no tunnels */
	assert_int_equal(p->n_connections, 3);
	assert_true(p->tunnels[0] == MODEL_NONE && p->tunnels[1] == 0 &&
		    p->tunnels[4] == MODEL_NONE);
	done(&x);
}

/* ---- members, candidates, announcements ---- */

struct member_row {
	uint32_t peer, table, weight;
	enum plan_class class;
	bool announced;
};

static void assert_members(const struct plan *p, const struct member_row *rows, uint32_t n)
{
	assert_int_equal(p->n_members, n);
	for (uint32_t i = 0; i < n; i++) {
		const struct plan_member *m = &p->members[i];
		const struct plan_peer *peer = plan_peer(p, m->peer);
		if (m->peer != rows[i].peer || m->table != rows[i].table ||
		    m->weight != rows[i].weight || m->class != rows[i].class ||
		    m->announced != rows[i].announced)
			fail_msg("member %u: peer %u table %x weight %u class %u announced %d", i,
				 m->peer, m->table, m->weight, m->class, m->announced);
		assert_int_equal(m->hop, peer->kind == PLAN_PEER_TUNNEL
						 ? p->connections[peer->of].id
						 : p->links[peer->of].end[peer->ipv6].hop);
	}
}

static void members(void **state)
{
	(void)state;
	struct planned x;
	make(&x, coexistence, NULL);
	const struct member_row apart[] = {
		{1, 1, 10, PLAN_CLASS_CIRCUIT, false}, {1, 2, 30, PLAN_CLASS_CIRCUIT, false},
		{1, 3, 10, PLAN_CLASS_CIRCUIT, false}, {2, 1, 10, PLAN_CLASS_CIRCUIT, false},
		{2, 2, 30, PLAN_CLASS_CIRCUIT, false}, {2, 3, 10, PLAN_CLASS_CIRCUIT, false},
		{3, 1, 10, PLAN_CLASS_CIRCUIT, false}, {3, 2, 30, PLAN_CLASS_CIRCUIT, false},
		{3, 3, 10, PLAN_CLASS_CIRCUIT, false}, {4, 1, 15, PLAN_CLASS_TUNNEL, true},
		{4, 3, 15, PLAN_CLASS_TUNNEL, false},  {5, 1, 10, PLAN_CLASS_TUNNEL, true},
		{5, 3, 10, PLAN_CLASS_TUNNEL, false},
	};
	assert_members(&x.p, apart, sizeof apart / sizeof *apart);
	done(&x);
	/* with branches joined the circuit's routes are announced in A's tunnels, and tunnels'
	 * routes go into the domain */
	char *text = replaced(coexistence, "allowBranchToBranchTraffic: false",
			      "allowBranchToBranchTraffic: true");
	make(&x, text, NULL);
	uint32_t d = x.p.domains[1];
	const struct member_row joined[] = {
		{1, 1, 10, PLAN_CLASS_CIRCUIT, true},  {1, 2, 30, PLAN_CLASS_CIRCUIT, false},
		{1, 3, 10, PLAN_CLASS_CIRCUIT, false}, {2, 1, 10, PLAN_CLASS_CIRCUIT, true},
		{2, 2, 30, PLAN_CLASS_CIRCUIT, false}, {2, 3, 10, PLAN_CLASS_CIRCUIT, false},
		{3, 1, 10, PLAN_CLASS_CIRCUIT, true},  {3, 2, 30, PLAN_CLASS_CIRCUIT, false},
		{3, 3, 10, PLAN_CLASS_CIRCUIT, false}, {4, 1, 15, PLAN_CLASS_TUNNEL, true},
		{4, 3, 15, PLAN_CLASS_TUNNEL, false},  {4, d, 15, PLAN_CLASS_TUNNEL, true},
		{5, 1, 10, PLAN_CLASS_TUNNEL, true},   {5, 3, 10, PLAN_CLASS_TUNNEL, false},
		{5, d, 10, PLAN_CLASS_TUNNEL, true},
	};
	assert_members(&x.p, joined, sizeof joined / sizeof *joined);
	/* static routes of A's tunnels but for the default one */
	const struct plan_entry_route *r = route(&x.p, d, "192.168.6.0/24");
	assert_int_equal(hop(&x.p, r->value.next_hop)->kind, XGW_HOP_CHOICE);
	assert_int_equal(r->value.next_hop, route(&x.p, 1, "192.168.6.0/24")->value.next_hop);
	assert_null(route(&x.p, d, "0.0.0.0/0"));
	/* what comes out of them may go into the circuit */
	assert_int_equal(hop(&x.p, x.p.connections[0].id)->flags, XGW_HOP_BRANCHES);
	assert_non_null(route(&x.p, 1, "0.0.0.0/0"));
	done(&x);
	free(text);
}

static void assert_announced(const struct plan *p, uint32_t table, const char *prefix, uint32_t hop)
{
	char text[PREFIX_TEXT];
	for (uint32_t i = 0; i < p->n_announced; i++) {
		const struct plan_announced *a = &p->announced[i];
		if (a->table == table && a->hop == hop &&
		    !strcmp(ip_prefix_format(&a->prefix, text), prefix))
			return;
	}
	fail_msg("%s is not announced to those of %x", prefix, table);
}

static void announcements(void **state)
{
	(void)state;
	struct planned x;
	make(&x, coexistence, NULL);
	const struct plan *p = &x.p;
	uint32_t d = p->domains[1], s6 = p->connections[1].id, s7 = p->connections[2].id;
	assert_int_equal(p->n_announced, 9);
	assert_announced(p, 1, "10.1.0.0/16", 0);
	assert_announced(p, 1, "10.3.0.0/16", 0);
	assert_announced(p, 1, "fd00:1::/48", 0);
	assert_announced(p, 1, "192.168.6.0/24", s6);
	assert_announced(p, 1, "192.168.6.0/24", s7);
	assert_announced(p, d, "10.1.0.0/16", 0);
	assert_announced(p, d, "10.2.0.0/16", 0);
	assert_announced(p, d, "10.3.0.0/16", 0);
	assert_announced(p, d, "fd00:1::/48", 0);
	/* candidates of the network and its spoke; the larger weight stands first */
	assert_int_equal(p->n_statics, 6);
	for (uint32_t i = 0; i < 6; i++) {
		const struct plan_static *s = &p->statics[i];
		assert_int_equal(s->table, i < 3 ? 1 : 3);
		assert_int_equal(s->prefix.len, i % 3 ? 24 : 0);
		assert_int_equal(s->hop, i % 3 == 1 ? s7 : s6);
		assert_int_equal(s->weight, i % 3 == 1 ? 20 : 10);
	}
	done(&x);
	char *text = replaced(coexistence, "allowBranchToBranchTraffic: false",
			      "allowBranchToBranchTraffic: true");
	make(&x, text, NULL);
	assert_int_equal(x.p.n_announced, 11);
	assert_announced(&x.p, d, "192.168.6.0/24", s6);
	assert_int_equal(x.p.n_statics, 8);
	assert_int_equal(x.p.statics[7].table, d);
	done(&x);
	free(text);
}

/* ---- numbers ---- */

/* What stays by name keeps its numbers, wherever it stands. */
static void numbers_stay(void **state)
{
	(void)state;
	struct planned was, now;
	make(&was, coexistence, NULL);
	/* another circuit in front, a tunnel less, and another peer prefix of the same link */
	char *one = replaced(coexistence, "  - {name: Unused,",
			     "  - {name: D, bandwidthInMbps: 5, peerings: [{port: er1, "
			     "primaryPeerAddressPrefix: 192.168.20.0/30, peerASN: 65012}]}\n"
			     "  - {name: Unused,");
	char *two = replaced(one, "  - {name: A-C,",
			     "  - {name: A-D, connectionType: ExpressRoute, "
			     "virtualNetworkGateway1: AE, expressRouteCircuit: D}\n"
			     "  - {name: A-C,");
	char *three = replaced(two,
			       "  - {name: A-S5, connectionType: IPsec, "
			       "virtualNetworkGateway1: AV, localNetworkGateway2: S5, "
			       "sharedKey: {file: /k}, enableBgp: true}\n",
			       "");
	char *four = replaced(three, "192.168.17.252/30", "192.168.17.248/30");
	make(&now, four, &was.p);
	assert_int_equal(now.p.n_links, 3);
	assert_int_equal(now.p.domains[2], was.p.domains[1]);
	assert_int_not_equal(now.p.domains[0], was.p.domains[1]);
	for (int i = 0; i < 2; i++) {
		const struct plan_link *a = &was.p.links[i], *b = &now.p.links[i + 1];
		assert_int_equal(a->id, b->id);
		for (int e = 0; e < 2; e++) {
			assert_int_equal(a->end[e].hop, b->end[e].hop);
			assert_int_equal(a->end[e].peer, b->end[e].peer);
		}
		assert_ptr_equal(plan_link(&now.p, a->id), b);
	}
	assert_int_equal(now.p.links[0].id, was.p.links[1].id + 1);
	assert_int_equal(now.p.links[0].end[0].peer, 6);
	assert_int_equal(now.p.gateways[1].tun, was.p.gateways[1].tun);
	assert_int_equal(now.p.routers[0].id, was.p.routers[0].id);
	assert_int_equal(now.p.n_peers, 5);
	assert_int_equal(now.p.peers[4].no, 5);
	assert_null(plan_peer(&now.p, 4));
	assert_int_equal(now.p.n_limiters, 2);
	const struct xgw_attachment *a = plan_attachment_entry(&now.p, now.p.links[1].id);
	assert_int_equal(a->limiter, was.p.limiters[0].id);
	assert_int_equal(plan_attachment_entry(&now.p, now.p.links[0].id)->kind, XGW_TAG_NONE);
	done(&was);
	done(&now);
	free(one);
	free(two);
	free(three);
	free(four);
}

/* A gateway in front of the others makes no new router of theirs. */
static void routers_stay(void **state)
{
	(void)state;
	struct planned was, now;
	make(&was, coexistence, NULL);
	char *one = replaced(coexistence, "virtualNetworkGateways:\n",
			     "virtualNetworkGateways:\n  - {name: BV, virtualNetwork: B, "
			     "publicIPAddress: 203.0.113.2, enableBgp: true}\n");
	make(&now, one, &was.p);
	assert_int_equal(now.p.n_routers, 1);
	assert_int_equal(now.p.routers[0].id, was.p.routers[0].id);
	assert_string_equal(now.p.routers[0].name, "AE");
	assert_int_equal(now.p.routers[0].n_gateways, 4);
	assert_int_equal(now.p.router_gateways[3], 0);
	assert_int_equal(now.p.gateways[0].tun, was.p.gateways[1].tun + 1);
	done(&was);
	done(&now);
	free(one);
}

/* More links than there may be wires. */
static void too_many_links(void **state)
{
	(void)state;
	struct model m;
	struct config_findings findings;
	char *text = calloc(1, 1 << 16), *at = text;
	assert_non_null(text);
	at += sprintf(at, "%s", coexistence);
	for (int i = 0; i < 127; i++)
		at += sprintf(at,
			      "      - {port: er0, vlanId: %d, primaryPeerAddressPrefix: "
			      "192.168.%d.%d/30, peerASN: 65010}\n",
			      200 + i, 20 + i / 64, i * 4 % 256);
	assert_int_equal(test_parse(&m, text, &findings), -EINVAL);
	char *said = test_findings_text(&findings);
	assert_int_equal(findings.errors, 1);
	assert_non_null(strstr(said, "peerings: expected at most 128 links of all circuits"));
	free(said);
	config_findings_free(&findings);
	model_free(&m);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(links),	  cmocka_unit_test(attachments_of_links),
		cmocka_unit_test(wires),	  cmocka_unit_test(domains),
		cmocka_unit_test(routers),	  cmocka_unit_test(peers),
		cmocka_unit_test(members),	  cmocka_unit_test(announcements),
		cmocka_unit_test(numbers_stay),	  cmocka_unit_test(routers_stay),
		cmocka_unit_test(too_many_links),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
