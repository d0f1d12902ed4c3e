/* SPDX-License-Identifier: Apache-2.0 */
/* Model -> plan, and the changes between two plans: applied step by step, no reference ever
 * dangles. */
#include "control_test.h"

#include "control/plan_internal.h"

#include <arpa/inet.h>

static const char two_vnets[] =
	"host: {ports: [{name: wan0, device: eth0, role: uplink}, {name: lan0, device: eth1, role: vnet}]}\n"
	"virtualNetworks:\n"
	"  - name: VNet1\n"
	"    id: 1001\n"
	"    addressSpace: [10.11.0.0/16, \"fd00:11::/48\"]\n"
	"    subnets: [{name: GatewaySubnet, addressPrefix: 10.11.255.0/27}]\n"
	"    attachments:\n"
	"      - {port: lan0, address: [10.11.0.1/24, \"fd00:11::1/64\"]}\n"
	"      - {port: lan0, encapsulation: vxlan, vni: 77, localAddress: \"2001:db8::1\", udpPort: 8472}\n"
	"    endpoints:\n"
	"      - {address: 10.11.0.4, mac: \"02:00:00:00:00:04\", host: \"2001:db8::11\"}\n"
	"  - name: VNet2\n"
	"    id: 7\n"
	"    addressSpace: [10.22.0.0/16]\n"
	"    attachments:\n"
	"      - {port: lan0, encapsulation: vlan, vlanId: 11, address: 10.22.0.1/24}\n"
	"      - {port: lan0, encapsulation: vxlan, vni: 78, localAddress: 192.0.2.1}\n"
	"virtualNetworkGateways: [{name: GW1, virtualNetwork: VNet1, publicIPAddress: 203.0.113.1}]\n"
	"localNetworkGateways:\n"
	"  - {name: A, gatewayIpAddress: 198.51.100.1, addressSpace: [192.168.0.0/16, 192.168.5.0/24]}\n"
	"  - {name: B, gatewayIpAddress: 198.51.100.2, addressSpace: [192.168.0.0/16, 0.0.0.0/0]}\n"
	"connections:\n"
	"  - {name: ToA, connectionType: IPsec, virtualNetworkGateway1: GW1, localNetworkGateway2: A, sharedKey: {file: /k}}\n"
	"  - {name: ToB, connectionType: IPsec, virtualNetworkGateway1: GW1, localNetworkGateway2: B, sharedKey: {file: /k}, routingWeight: 20}\n";

static const struct plan_entry_route *route(const struct plan *p, uint32_t vnet, const char *text)
{
	struct ip_prefix prefix;
	assert_int_equal(ip_prefix_parse(&prefix, text), 0);
	for (uint32_t i = 0; i < p->n_routes; i++) {
		if (p->routes[i].vnet == vnet && ip_prefix_equal(&p->routes[i].prefix, &prefix))
			return &p->routes[i];
	}
	return NULL;
}

static void assert_route(const struct plan *p, uint32_t vnet, const char *prefix, uint32_t hop,
			 enum xgw_route_source source, uint8_t flags)
{
	const struct plan_entry_route *r = route(p, vnet, prefix);
	if (!r)
		fail_msg("no route for %s", prefix);
	assert_int_equal(r->value.next_hop, hop);
	assert_int_equal(r->value.source, source);
	assert_int_equal(r->value.flags, flags);
	assert_int_equal(r->value.plen, r->prefix.len);
	assert_int_equal(r->value.family, r->prefix.addr.family);
}

/* A choice of two connections, the preferred one first. */
static void assert_members(const struct plan *p, uint32_t choice, uint32_t first, uint32_t second)
{
	const uint32_t member[XGW_HOP_MEMBERS] = {first, second};
	uint32_t i = 0;
	while (i < p->n_hops && p->hops[i].id != choice)
		i++;
	assert_true(i < p->n_hops);
	assert_int_equal(p->hops[i].value.kind, XGW_HOP_CHOICE);
	assert_memory_equal(p->hops[i].value.member, member, sizeof member);
}

static void routes_and_hops(void **state)
{
	(void)state;
	struct model m;
	struct plan p;
	test_model(&m, two_vnets);
	test_plan(&p, &m);
	assert_int_equal(p.n_routes, 9);
	assert_route(&p, 1001, "10.11.0.0/16", PLAN_HOP_LOCAL + 1001, XGW_ROUTE_SYSTEM,
		     XGW_ROUTE_LOCAL);
	assert_route(&p, 1001, "fd00:11::/48", PLAN_HOP_LOCAL + 1001, XGW_ROUTE_SYSTEM,
		     XGW_ROUTE_LOCAL);
	assert_route(&p, 1001, "10.11.0.1/32", PLAN_HOP_GATEWAY, XGW_ROUTE_SYSTEM, 0);
	assert_route(&p, 1001, "fd00:11::1/128", PLAN_HOP_GATEWAY, XGW_ROUTE_SYSTEM, 0);
	/* of the common prefix the larger weight comes first, the longer prefix stays with its own
	 * connection */
	assert_route(&p, 1001, "192.168.0.0/16", PLAN_FIRST_CHOICE, XGW_ROUTE_STATIC, 0);
	assert_members(&p, PLAN_FIRST_CHOICE, PLAN_FIRST_CONNECTION + 1, PLAN_FIRST_CONNECTION);
	assert_route(&p, 1001, "192.168.5.0/24", PLAN_FIRST_CONNECTION, XGW_ROUTE_STATIC, 0);
	assert_route(&p, 1001, "0.0.0.0/0", PLAN_FIRST_CONNECTION + 1, XGW_ROUTE_STATIC, 0);
	assert_route(&p, 7, "10.22.0.0/16", PLAN_HOP_LOCAL + 7, XGW_ROUTE_SYSTEM, XGW_ROUTE_LOCAL);
	assert_null(route(&p, 7, "192.168.0.0/16"));
	assert_int_equal(p.n_hops, 8);
	const struct plan_entry_hop *tunnel = &p.hops[3];
	assert_int_equal(tunnel->id, PLAN_FIRST_CONNECTION);
	assert_int_equal(tunnel->value.kind, XGW_HOP_TUNNEL);
	assert_int_equal(tunnel->value.connection, PLAN_FIRST_CONNECTION);
	assert_int_equal(tunnel->value.vnet, 1001);
	assert_int_equal(p.n_connections, 2);
	assert_int_equal(p.connections[1].id, PLAN_FIRST_CONNECTION + 1);
	assert_int_equal(p.connections[1].model, 1);
	assert_int_equal(p.connections[1].vnet, 1001);
	plan_free(&p);
	model_free(&m);
}

/* Equal weights: the name that comes first is the first choice. */
static void tie_by_name(void **state)
{
	(void)state;
	struct model m;
	struct plan p;
	char *text = strdup(two_vnets);
	assert_non_null(text);
	memcpy(strstr(text, "routingWeight: 20"), "routingWeight: 10", 17);
	struct config_findings findings;
	assert_int_equal(test_parse(&m, text, &findings), 0);
	assert_int_equal(findings.n, 1); /* the warning */
	config_findings_free(&findings);
	test_plan(&p, &m);
	assert_route(&p, 1001, "192.168.0.0/16", PLAN_FIRST_CHOICE, XGW_ROUTE_STATIC, 0);
	assert_members(&p, PLAN_FIRST_CHOICE, PLAN_FIRST_CONNECTION, PLAN_FIRST_CONNECTION + 1);
	plan_free(&p);
	model_free(&m);
	free(text);
}

static void attachments(void **state)
{
	(void)state;
	/* {vnet, kind, tag, mtu, flags} of the ids 1 to 4 */
	static const uint32_t wanted[4][5] = {
		{1001, XGW_TAG_NONE, 0, 1500, 0},
		{1001, XGW_TAG_VXLAN, 77, 1430, XGW_ATTACHMENT_ANSWERS},
		{7, XGW_TAG_VLAN, 11, 1500, XGW_ATTACHMENT_ANSWERS},
		{7, XGW_TAG_VXLAN, 78, 1450, XGW_ATTACHMENT_ANSWERS},
	};
	struct model m;
	struct plan p;
	test_model(&m, two_vnets);
	test_plan(&p, &m);
	assert_int_equal(p.n_attachments, 4);
	assert_int_equal(p.n_tags, 4);
	for (uint32_t i = 0; i < 4; i++) {
		const struct xgw_attachment *a = &p.attachments[i];
		const uint32_t came[5] = {a->vnet, a->kind, a->tag, a->mtu, a->flags};
		assert_int_equal(a->id, i + 1);
		assert_int_equal(a->ifindex, 11);
		assert_int_equal(a->port_id, 1);
		assert_int_equal(a->mac[5], 2);
		assert_memory_equal(came, wanted[i], sizeof came);
		for (uint32_t k = 0; k < p.n_tags; k++) {
			if (p.tags[k].attachment == i + 1)
				assert_true(p.tags[k].key.ifindex == 11 &&
					    p.tags[k].key.kind == a->kind &&
					    p.tags[k].key.tag == a->tag);
		}
	}
	assert_int_equal(p.attachments[1].vxlan_port_be, htons(8472));
	assert_int_equal(p.attachments[3].vxlan_port_be, htons(4789));
	assert_int_equal(p.attachments[3].local_vtep[10], 0xff);
	assert_int_equal(p.attachments[3].local_vtep[12], 192);
	plan_free(&p);
	model_free(&m);
}

static void addresses_endpoints_names(void **state)
{
	(void)state;
	struct model m;
	struct plan p;
	struct xgw_address_key own = {.vnet = 1001, .addr = {[10] = 0xff, 0xff, 10, 11, 0, 1}};
	struct xgw_endpoint_key host = {.vnet = 1001, .addr = {[10] = 0xff, 0xff, 10, 11, 0, 4}};
	test_model(&m, two_vnets);
	test_plan(&p, &m);
	assert_int_equal(p.n_addresses, 3);
	assert_int_equal(p.addresses[0].key.vnet, 7);
	assert_memory_equal(&p.addresses[1].key, &own, sizeof own);
	assert_int_equal(p.addresses[1].value.attachment, 1);
	assert_int_equal(p.n_endpoints, 1);
	assert_memory_equal(&p.endpoints[0].key, &host, sizeof host);
	assert_int_equal(p.endpoints[0].value.attachment, 2);
	assert_int_equal(p.endpoints[0].value.flags, XGW_ENDPOINT_STATIC);
	assert_int_equal(p.endpoints[0].value.mac[5], 4);
	assert_int_equal(p.endpoints[0].value.vtep[15], 0x11);
	static const struct {
		uint32_t kind, id;
		const char *text;
	} names[] = {
		{XGW_NAME_VNET, 7, "VNet2"},
		{XGW_NAME_VNET, 1001, "VNet1"},
		{XGW_NAME_CONNECTION, PLAN_FIRST_CONNECTION, "ToA"},
		{XGW_NAME_CONNECTION, PLAN_FIRST_CONNECTION + 1, "ToB"},
		{XGW_NAME_PORT, 0, "wan0"},
		{XGW_NAME_PORT, 1, "lan0"},
		{XGW_NAME_ATTACHMENT, 1, "lan0"},
		{XGW_NAME_ATTACHMENT, 2, "lan0/vxlan77"},
		{XGW_NAME_ATTACHMENT, 3, "lan0/vlan11"},
		{XGW_NAME_ATTACHMENT, 4, "lan0/vxlan78"},
		{XGW_NAME_GATEWAY, 1001, "GW1"},
		{XGW_NAME_HOP, PLAN_FIRST_CHOICE, "ToB|ToA"},
	};
	assert_int_equal(p.n_names, sizeof names / sizeof *names);
	for (uint32_t i = 0; i < p.n_names; i++) {
		assert_int_equal(p.names[i].key.kind, names[i].kind);
		assert_int_equal(p.names[i].key.id, names[i].id);
		assert_string_equal(p.names[i].value.text, names[i].text);
	}
	plan_free(&p);
	model_free(&m);
}

/* Two names of one device cannot be seen in the text; the interface index tells. */
static void one_device_twice(void **state)
{
	(void)state;
	struct model m;
	struct plan p;
	struct fault fault = {0};
	struct plan_port ports[2];
	const struct plan_facts facts = {.ports = ports};
	test_model(&m, two_vnets);
	test_ports(ports, 2);
	ports[1].ifindex = ports[0].ifindex;
	assert_int_equal(plan_make(&p, &m, &facts, NULL, &fault), -EINVAL);
	assert_non_null(strstr(fault.text, "'ports'"));
	model_free(&m);
}

static void vnet_to_vnet_of_one_file(void **state)
{
	(void)state;
	struct model m;
	struct plan p;
	char *text = test_file("docs/examples/vnet-to-vnet.yaml");
	test_model(&m, text);
	test_plan(&p, &m);
	assert_int_equal(p.n_connections, 2);
	assert_route(&p, 1001, "10.22.0.0/16", PLAN_FIRST_CONNECTION, XGW_ROUTE_STATIC, 0);
	assert_route(&p, 1002, "10.11.0.0/16", PLAN_FIRST_CONNECTION + 1, XGW_ROUTE_STATIC, 0);
	plan_free(&p);
	model_free(&m);
	free(text);
}

/* ---- changes ---- */

static uint32_t seed;

static uint32_t pick(uint32_t below)
{
	seed = seed * 1664525u + 1013904223u;
	return (seed >> 8) % below;
}

struct scene {
	bool there[6], gateway[6], peered[6], uses[6], circuits[6], bgp[6];
};

static size_t random_vnet(char *out, size_t size, const struct scene *s, unsigned i)
{
	size_t n = (size_t)snprintf(
		out, size,
		"  - {name: V%u, id: %u, addressSpace: [10.%u.0.0/16], subnets: "
		"[{name: GatewaySubnet, addressPrefix: 10.%u.255.0/27%s}, {name: A, addressPrefix: "
		"10.%u.0.0/24%s}],\n"
		"     attachments: [{port: l, encapsulation: vxlan, vni: %u, "
		"localAddress: 192.0.2.%u, address: 10.%u.0.%u/24}%s",
		i, i + 10 * pick(2), i, i, pick(2) ? ", routeTable: U" : "", i,
		pick(2)		 ? ""
		: s->circuits[i] ? ", routeTable: U"
				 : ", routeTable: T",
		i + 100 * pick(2), 1 + pick(2), i, 1 + pick(3),
		pick(2) ? ", {port: l, encapsulation: vlan" : "]");
	if (out[n - 1] == 'n')
		n += (size_t)snprintf(out + n, size - n, ", vlanId: %u}]", i);
	n += (size_t)snprintf(out + n, size - n, ",\n     endpoints: [");
	for (unsigned k = 10; k < 13; k++) {
		if (pick(2))
			n += (size_t)snprintf(out + n, size - n,
					      "{address: 10.%u.0.%u, mac: "
					      "'02:00:00:00:00:%02u', host: 192.0.2.9},",
					      i, k, 1 + pick(4));
	}
	n += (size_t)snprintf(out + n, size - n, "], allowBranchToBranchTraffic: %s, peerings: [",
			      s->circuits[i] && pick(2) ? "true" : "false");
	for (unsigned k = 2; k <= 5; k++) {
		if (i == 1 && s->peered[k])
			n += (size_t)snprintf(out + n, size - n,
					      "{name: p%u, remoteVirtualNetwork: V%u, "
					      "allowGatewayTransit: true, "
					      "allowVirtualNetworkAccess: %s}, ",
					      k, k, pick(3) ? "true" : "false");
	}
	if (s->peered[i])
		n += (size_t)snprintf(out + n, size - n,
				      "{name: p, remoteVirtualNetwork: V1, useRemoteGateways: %s}",
				      s->uses[i] ? "true" : "false");
	return n + (size_t)snprintf(out + n, size - n, "]}\n");
}

static void random_scene(struct scene *s)
{
	*s = (struct scene){.there = {[1] = true}, .gateway = {[1] = true}};
	for (unsigned i = 2; i <= 5; i++) {
		s->there[i] = pick(3);
		s->gateway[i] = s->there[i] && pick(2);
		s->peered[i] = s->there[i] && pick(2);
		s->uses[i] = s->peered[i] && !s->gateway[i] && pick(3);
	}
	for (unsigned i = 1; i <= 5; i++) {
		s->circuits[i] = s->gateway[i] && pick(2);
		s->bgp[i] = s->gateway[i] && pick(2);
	}
}

/* Gateways of circuits, sites with BGP, and two circuits whose links may have other tags. */
static size_t random_circuits(char *out, size_t size, const struct scene *s)
{
	static const char *const tags[] = {"", ", vlanId: 5", ", vlanId: 5, outerVlanId: 6"};
	unsigned tag = pick(3);
	size_t n = (size_t)snprintf(out, size, "expressRouteCircuits:\n");
	for (unsigned k = 0; k < 2; k++) {
		n += (size_t)snprintf(out + n, size - n,
				      "  - {name: K%u%s, peerings: [{port: %s%s, peerASN: 6501%u, "
				      "primaryPeerAddressPrefix: 192.168.3%u.%u/30",
				      k, pick(2) ? ", bandwidthInMbps: 100" : "", k ? "c" : "d",
				      tags[(tag + k) % 3], k, k, 4 * pick(2));
		if (pick(2))
			n += (size_t)snprintf(out + n, size - n,
					      ", ipv6PeeringConfig: {primaryPeerAddressPrefix: "
					      "'fd99:%u::/126'}",
					      k);
		n += (size_t)snprintf(out + n, size - n, "}]}\n");
	}
	n += (size_t)snprintf(out + n, size - n, "connections:\n");
	for (unsigned i = 1; i <= 5; i++) {
		for (unsigned k = 0; s->circuits[i] && k < 2; k++) {
			if (pick(3))
				n += (size_t)snprintf(out + n, size - n,
						      "  - {name: X%u%u, connectionType: "
						      "ExpressRoute, virtualNetworkGateway1: E%u, "
						      "expressRouteCircuit: K%u}\n",
						      i, k, i, k);
		}
		if (s->bgp[i])
			n += (size_t)snprintf(out + n, size - n,
					      "  - {name: B%u, connectionType: IPsec, "
					      "virtualNetworkGateway1: G%u, localNetworkGateway2: "
					      "P%u, sharedKey: {file: /k}, enableBgp: true}\n",
					      i, i, i);
	}
	return n;
}

/* A good configuration of some of five VNets, in some order of ids, with some of their parts. */
static void random_text(char *out, size_t size)
{
	struct scene s;
	size_t n = (size_t)snprintf(out, size,
				    "host: {ports: [{name: w, device: e0, role: uplink}, "
				    "{name: l, device: e1, role: vnet}, {name: c, device: e2, "
				    "role: circuit}, {name: d, device: e3, role: circuit}]}\n"
				    "virtualNetworks:\n");
	random_scene(&s);
	for (unsigned i = 1; i <= 5; i++) {
		if (s.there[i])
			n += random_vnet(out + n, size - n, &s, i);
	}
	n += (size_t)snprintf(out + n, size - n,
			      "routeTables:\n"
			      "  - {name: T, routes: [{name: d, addressPrefix: 0.0.0.0/0, "
			      "nextHopType: VirtualNetworkGateway}, {name: a, addressPrefix: "
			      "10.%u.0.0/16, nextHopType: VirtualAppliance, nextHopIpAddress: "
			      "10.1.0.%u}]}\n"
			      "  - {name: U, routes: [{name: n, addressPrefix: 10.%u.0.0/16, "
			      "nextHopType: %s}, {name: i, addressPrefix: 10.1.9.0/24, "
			      "nextHopType: None}]}\nvirtualNetworkGateways:\n",
			      40 + pick(2), 9 + pick(2), 40 + pick(2),
			      pick(2) ? "None" : "Internet");
	for (unsigned i = 1; i <= 5; i++) {
		if (s.gateway[i])
			n += (size_t)snprintf(out + n, size - n,
					      "  - {name: G%u, virtualNetwork: V%u, "
					      "publicIPAddress: 203.0.113.%u%s%s}\n",
					      i, i, i, pick(2) ? ", gatewayDefaultSite: S" : "",
					      s.bgp[i] ? ", enableBgp: true" : "");
		if (s.circuits[i])
			n += (size_t)snprintf(out + n, size - n,
					      "  - {name: E%u, virtualNetwork: V%u, gatewayType: "
					      "ExpressRoute}\n",
					      i, i);
	}
	n += (size_t)snprintf(out + n, size - n,
			      "localNetworkGateways:\n"
			      "  - {name: S, gatewayIpAddress: 198.51.100.1, addressSpace: "
			      "[192.168.0.0/16, 172.16.%u.0/24]}\n"
			      "  - {name: R, gatewayIpAddress: 198.51.100.2, addressSpace: "
			      "[192.168.0.0/16]}\n",
			      pick(3));
	for (unsigned i = 1; i <= 5; i++)
		n += (size_t)snprintf(
			out + n, size - n,
			"  - {name: P%u, gatewayIpAddress: 198.51.100.1%u, "
			"bgpSettings: {asn: 65050, bgpPeeringAddress: 172.30.0.%u}}\n",
			i, i, i);
	n += random_circuits(out + n, size - n, &s);
	for (unsigned i = 1; i <= 5; i++) {
		for (unsigned k = 0; s.gateway[i] && k < 2; k++) {
			if ((i == 1 && !k) || pick(2))
				n += (size_t)snprintf(out + n, size - n,
						      "  - {name: %c%u, connectionType: IPsec, "
						      "virtualNetworkGateway1: G%u, "
						      "localNetworkGateway2: %c, routingWeight: "
						      "%u, sharedKey: {file: /k}}\n",
						      k ? 'D' : 'C', i, i, k ? 'R' : 'S', pick(2));
		}
	}
}

/* A copy of the maps that changes are applied to: entries of each map in no order. */
struct mirror {
	struct plan p;
	bool kept; /* the second plan keeps the numbers of the first */
};

static uint32_t find(const struct mirror *w, enum plan_map map, const void *entry)
{
	const uint8_t *at = *plan_array_const(&w->p, map);
	uint32_t i = 0, n = *plan_count_const(&w->p, map);
	while (i < n && plan_compare(map, at + i * plan_table(map)->size, entry) != 0)
		i++;
	return i;
}

static void apply(struct mirror *w, const struct plan_change *c)
{
	size_t size = plan_table(c->map)->size;
	void **at = plan_array(&w->p, c->map);
	uint32_t *n = plan_count(&w->p, c->map), i = find(w, c->map, c->entry);
	if (c->removal) {
		assert_true(i < *n);
		memmove((uint8_t *)*at + i * size, (uint8_t *)*at + (i + 1) * size,
			(*n - i - 1) * size);
		(*n)--;
		return;
	}
	if (i == *n) {
		*at = reallocarray(*at, *n + 1, size);
		assert_non_null(*at);
		(*n)++;
	} else {
		/* minimal: what is put differs from what is there */
		assert_false(plan_same_value(c->map, (uint8_t *)*at + i * size, c->entry));
	}
	memcpy((uint8_t *)*at + i * size, c->entry, size);
}

static const struct xgw_attachment *attachment(const struct mirror *w, uint32_t id)
{
	const struct xgw_attachment key = {.id = id};
	uint32_t i = find(w, PLAN_ATTACHMENTS, &key);
	assert_true(i < w->p.n_attachments);
	return &w->p.attachments[i];
}

static const struct xgw_next_hop *hop_in(const struct plan *p, uint32_t id)
{
	for (uint32_t i = 0; i < p->n_hops; i++) {
		if (p->hops[i].id == id)
			return &p->hops[i].value;
	}
	return NULL;
}

/* Whether a plan has this route, and means by it what the hop says. */
static bool says(const struct plan *p, const struct plan_entry_route *r,
		 const struct xgw_next_hop *h)
{
	for (uint32_t i = 0; p && i < p->n_routes; i++) {
		const struct xgw_next_hop *x = hop_in(p, p->routes[i].value.next_hop);
		if (plan_compare(PLAN_ROUTES, &p->routes[i], r) == 0 && x && x->kind == h->kind &&
		    x->vnet == h->vnet && x->connection == h->connection &&
		    !memcmp(x->member, h->member, sizeof h->member))
			return true;
	}
	return false;
}

static bool has_routes(const struct plan *p, uint32_t table)
{
	for (uint32_t i = 0; i < p->n_routes; i++) {
		if (p->routes[i].vnet == table)
			return true;
	}
	return false;
}

/*
 * It leads where one of the plans says, whoever may be chosen is there, and so is its table. Of
 * plans that number apart, choices and appliances may be those of either.
 */
static void check_route(const struct mirror *w, const struct plan_entry_route *r,
			const struct plan *have, const struct plan *want)
{
	bool apart = have && have->ids && want->ids && !w->kept;
	const struct xgw_next_hop *h = hop_in(&w->p, r->value.next_hop);
	assert_non_null(h);
	assert_true((apart && h->kind >= XGW_HOP_CHOICE) || says(have, r, h) || says(want, r, h));
	for (unsigned i = 0; h->kind == XGW_HOP_CHOICE && i < XGW_HOP_MEMBERS; i++)
		assert_true(!h->member[i] || hop_in(&w->p, h->member[i]));
	assert_true(apart || !r->value.table || has_routes(&w->p, r->value.table));
}

/* What refers to something finds it, and of the VNet it belongs to. */
static void check_references(const struct mirror *w, const struct plan *have,
			     const struct plan *want)
{
	for (uint32_t i = 0; i < w->p.n_attachments; i++) {
		const struct plan_entry_limiter l = {.id = w->p.attachments[i].limiter};
		assert_true(!l.id || find(w, PLAN_LIMITERS, &l) < w->p.n_limiters);
	}
	for (uint32_t i = 0; i < w->p.n_tags; i++) {
		const struct xgw_attachment *a = attachment(w, w->p.tags[i].attachment);
		assert_true(a->kind == w->p.tags[i].key.kind && a->tag == w->p.tags[i].key.tag);
	}
	for (uint32_t i = 0; i < w->p.n_addresses; i++)
		assert_int_equal(attachment(w, w->p.addresses[i].value.attachment)->vnet,
				 w->p.addresses[i].key.vnet);
	for (uint32_t i = 0; i < w->p.n_endpoints; i++)
		assert_int_equal(attachment(w, w->p.endpoints[i].value.attachment)->vnet,
				 w->p.endpoints[i].key.vnet);
	for (uint32_t i = 0; i < w->p.n_routes; i++)
		check_route(w, &w->p.routes[i], have, want);
}

static bool same_plans(const struct plan *a, const struct plan *b)
{
	struct plan_changes c;
	assert_int_equal(plan_diff(&c, a, b), 0);
	size_t n = c.n;
	plan_changes_free(&c);
	return n == 0;
}

static void walk(const struct plan *have, const struct plan *want, struct mirror *w)
{
	struct plan_changes changes;
	assert_int_equal(plan_diff(&changes, have, want), 0);
	for (size_t i = 0; i < changes.n; i++) {
		apply(w, &changes.at[i]);
		check_references(w, have, want);
	}
	plan_changes_free(&changes);
	plan_sort(&w->p, false);
	assert_true(same_plans(&w->p, want));
	assert_true(same_plans(want, &w->p));
}

/* Of any link there may be a veth. */
static void random_plan(struct plan *p, struct model *m, const struct plan *previous)
{
	char text[16384];
	struct plan_port ports[4];
	struct plan_veth veths[100];
	struct plan_facts facts = {ports, veths, 0};
	struct fault fault = {0};
	random_text(text, sizeof text);
	test_model(m, text);
	test_ports(ports, 4);
	for (uint32_t id = 1; id <= 100; id++) {
		if (pick(2))
			veths[facts.n_veths++] =
				(struct plan_veth){id, 100 + id, {2, 0, 0, 0, 1, (uint8_t)id}};
	}
	if (plan_make(p, m, &facts, previous, &fault))
		fail_msg("%s", fault.text);
}

static void changes_lead_from_plan_to_plan(void **state)
{
	(void)state;
	static const struct plan nothing;
	for (uint32_t round = 0; round < 500; round++) {
		struct mirror w = {.kept = round % 2};
		struct plan a, b;
		struct model m;
		seed = round;
		random_plan(&a, &m, NULL);
		model_free(&m);
		random_plan(&b, &m, round % 2 ? &a : NULL);
		model_free(&m);
		walk(NULL, &a, &w);
		walk(&a, &b, &w);
		walk(&b, &nothing, &w);
		plan_free(&w.p);
		plan_free(&a);
		plan_free(&b);
	}
}

/* ---- numbers ---- */

struct numbered {
	struct model m;
	struct plan p;
};

#define OWNER_PEER ((enum xgw_name_kind)1000)

/* The name of whatever has a number, and of which VNet it is; empty: nobody has it. */
static void owner_of(const struct numbered *x, enum xgw_name_kind kind, uint32_t id, char out[160])
{
	const struct plan_connection *c = plan_connection(&x->p, id);
	const struct plan_attachment *a = plan_attachment(&x->p, id);
	uint32_t g = plan_gateway_index(&x->p, id);
	out[0] = 0;
	if (kind == XGW_NAME_CONNECTION && c)
		snprintf(out, 160, "%s of %u", x->m.connections[c->model].name, c->vnet);
	if (kind == XGW_NAME_GATEWAY && g != MODEL_NONE)
		snprintf(out, 160, "%s of %u", x->m.gateways[g].name,
			 x->m.vnets[x->m.gateways[g].vnet].id);
	const struct plan_link *l = plan_link(&x->p, id);
	const struct plan_peer *r = plan_peer(&x->p, id);
	if (kind == XGW_NAME_ATTACHMENT && l)
		snprintf(out, 160, "%s: %u/%x", x->m.circuits[l->circuit].name, l->port,
			 plan_attachment_entry(&x->p, id)->tag);
	if (kind == OWNER_PEER && r && r->kind == PLAN_PEER_LINK)
		snprintf(out, 160, "%s %u: %x %d", x->m.circuits[x->p.links[r->of].circuit].name,
			 x->p.links[r->of].which,
			 plan_attachment_entry(&x->p, x->p.links[r->of].id)->tag, r->ipv6);
	if (kind == OWNER_PEER && r && r->kind == PLAN_PEER_TUNNEL)
		snprintf(out, 160, "%s of %u", x->m.connections[x->p.connections[r->of].model].name,
			 r->table);
	if (kind == XGW_NAME_ATTACHMENT && a) {
		const struct model_attachment *at = &x->m.vnets[a->vnet].attachments[a->index];
		snprintf(out, 160, "%u: %u/%u/%u", x->m.vnets[a->vnet].id, at->port, at->kind,
			 at->tag);
	}
}

/* Nothing is known by two numbers, no number is known to have been another's a step before. */
static void compare_numbers(const struct numbered *was, const struct numbered *now,
			    enum xgw_name_kind kind, uint32_t first, unsigned *kept)
{
	char old[160], new[160], other[160];
	for (uint32_t id = first; id < first + 200; id++) {
		owner_of(was, kind, id, old);
		owner_of(now, kind, id, new);
		if (!old[0])
			continue;
		assert_true(!new[0] || strcmp(old, new) == 0);
		*kept += new[0] != 0;
		for (uint32_t k = first; !new[0] && k < first + 200; k++) {
			owner_of(now, kind, k, other);
			assert_string_not_equal(old, other);
		}
	}
}

/* What both have is written by no change. */
static void spares_connections(const struct numbered *was, const struct numbered *now)
{
	struct plan_changes changes;
	assert_int_equal(plan_diff(&changes, &was->p, &now->p), 0);
	for (size_t i = 0; i < changes.n; i++) {
		const struct plan_change *c = &changes.at[i];
		uint32_t id =
			c->map == PLAN_HOPS ? ((const struct plan_entry_hop *)c->entry)->id : 0;
		/* but what comes out of it may ask another table, and go elsewhere */
		if (!plan_connection(&was->p, id) || !plan_connection(&now->p, id))
			continue;
		assert_non_null(c->was);
		const struct xgw_next_hop *old = &((const struct plan_entry_hop *)c->was)->value,
					  *new = &((const struct plan_entry_hop *)c->entry)->value;
		assert_true(old->table != new->table || old->flags != new->flags);
	}
	plan_changes_free(&changes);
}

static void names_keep_their_numbers(void **state)
{
	(void)state;
	unsigned kept[4] = {0};
	for (uint32_t round = 0; round < 50; round++) {
		struct numbered x[2] = {0};
		seed = 7000 + round;
		random_plan(&x[0].p, &x[0].m, NULL);
		for (unsigned step = 1; step < 20; step++) {
			struct numbered *was = &x[(step - 1) % 2], *now = &x[step % 2];
			random_plan(&now->p, &now->m, &was->p);
			compare_numbers(was, now, XGW_NAME_CONNECTION, PLAN_FIRST_CONNECTION,
					&kept[0]);
			compare_numbers(was, now, XGW_NAME_GATEWAY, 0, &kept[1]);
			compare_numbers(was, now, XGW_NAME_ATTACHMENT, 1, &kept[2]);
			compare_numbers(was, now, OWNER_PEER, 1, &kept[3]);
			spares_connections(was, now);
			for (uint32_t i = 0; i < now->p.n_vnets; i++) {
				const struct plan_vnet *v = plan_vnet(&now->p, now->m.vnets[i].id);
				assert_int_equal(v->index, i);
			}
			plan_free(&was->p);
			model_free(&was->m);
		}
		plan_free(&x[1].p);
		model_free(&x[1].m);
	}
	assert_true(kept[0] > 500 && kept[1] > 500 && kept[2] > 500 && kept[3] > 100);
}

/* Three ports among two: their number is that of the name, wherever it stands. */
static void ports_may_change_places(void **state)
{
	(void)state;
	struct numbered was = {0}, now = {0};
	test_model(&was.m, two_vnets);
	test_plan(&was.p, &was.m);
	char *text = strdup(two_vnets);
	assert_non_null(text);
	char *at = strstr(text, "{name: wan0");
	memcpy(at,
	       "{name: lan0, device: eth1, role: vnet}, {name: wan0, device: eth0, role: uplink}",
	       strlen("{name: wan0, device: eth0, role: uplink}, {name: lan0, device: eth1, role: vnet}"));
	test_model(&now.m, text);
	test_plan_after(&now.p, &now.m, &was.p);
	assert_int_equal(now.p.port_ids[0], 1);
	assert_int_equal(now.p.port_ids[1], 0);
	assert_int_equal(plan_port_index(&now.p, 0), 1);
	plan_free(&was.p);
	plan_free(&now.p);
	model_free(&was.m);
	model_free(&now.m);
	free(text);
}

/* Clients' ranges: kept when they need not grow, found anew beside the others when they do. */
static void ranges_of_clients(void **state)
{
	(void)state;
	struct model_vnet vnets[3] = {{.name = (char *)"A", .id = 1},
				      {.name = (char *)"B", .id = 2},
				      {.name = (char *)"C", .id = 3}};
	struct model_gateway gateways[3] = {0};
	struct model m = {.vnets = vnets, .n_vnets = 3, .gateways = gateways, .n_gateways = 3};
	struct plan a, b;
	static const char *const names[] = {"GA", "GB", "GC"};
	static const uint32_t most[] = {100, 50, 200};
	for (uint32_t i = 0; i < 3; i++) {
		gateways[i].name = (char *)(uintptr_t)names[i];
		gateways[i].vnet = i;
		gateways[i].clients.n_pool = 1;
		gateways[i].clients.most = most[i];
	}
	test_plan(&a, &m);
	for (uint32_t i = 0, at = PLAN_FIRST_CLIENT; i < 3; at += most[i++]) {
		assert_int_equal(a.gateways[i].first_client, at);
		assert_int_equal(a.gateways[i].n_clients, most[i]);
	}
	gateways[0].clients.most = 20;
	gateways[1].clients.most = 60;
	test_plan_after(&b, &m, &a);
	assert_int_equal(b.gateways[0].first_client, PLAN_FIRST_CLIENT);
	assert_int_equal(b.gateways[0].n_clients, 20);
	assert_int_equal(b.gateways[1].first_client, PLAN_FIRST_CLIENT + 350);
	assert_int_equal(b.gateways[1].n_clients, 60);
	assert_int_equal(b.gateways[2].first_client, PLAN_FIRST_CLIENT + 150);
	plan_free(&a);
	/* more than there is room for: what it has stays */
	gateways[2].clients.most = 40000;
	test_plan_after(&a, &m, &b);
	assert_int_equal(a.gateways[2].first_client, PLAN_FIRST_CLIENT + 410);
	assert_int_equal(a.gateways[2].n_clients, PLAN_FIRST_TUN - PLAN_FIRST_CLIENT - 410);
	plan_free(&b);
	test_plan_after(&b, &m, &a);
	assert_memory_equal(a.gateways, b.gateways, 3 * sizeof *a.gateways);
	plan_free(&a);
	plan_free(&b);
}

static void nothing_to_change(void **state)
{
	(void)state;
	struct model m;
	struct plan a, b;
	test_model(&m, two_vnets);
	test_plan(&a, &m);
	test_plan(&b, &m);
	assert_true(same_plans(&a, &b));
	plan_free(&a);
	plan_free(&b);
	model_free(&m);
}

/* One more prefix of a site is one change. */
static void minimal(void **state)
{
	(void)state;
	struct model m;
	struct plan a, b;
	struct plan_changes c;
	char *text = strdup(two_vnets);
	assert_non_null(text);
	test_model(&m, text);
	test_plan(&a, &m);
	model_free(&m);
	memcpy(strstr(text, "192.168.5.0"), "192.168.6.0", 11);
	test_model(&m, text);
	test_plan(&b, &m);
	model_free(&m);
	assert_int_equal(plan_diff(&c, &a, &b), 0);
	assert_int_equal(c.n, 2);
	assert_true(c.at[0].map == PLAN_ROUTES && !c.at[0].removal);
	assert_true(c.at[1].map == PLAN_ROUTES && c.at[1].removal);
	plan_changes_free(&c);
	plan_free(&a);
	plan_free(&b);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(routes_and_hops),
		cmocka_unit_test(tie_by_name),
		cmocka_unit_test(attachments),
		cmocka_unit_test(addresses_endpoints_names),
		cmocka_unit_test(one_device_twice),
		cmocka_unit_test(vnet_to_vnet_of_one_file),
		cmocka_unit_test(changes_lead_from_plan_to_plan),
		cmocka_unit_test(nothing_to_change),
		cmocka_unit_test(names_keep_their_numbers),
		cmocka_unit_test(ports_may_change_places),
		cmocka_unit_test(ranges_of_clients),
		cmocka_unit_test(minimal),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
