/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A text of which most was read before gives what reading all of it gives: the same model in every
 * value and place, the same findings; for changes by hand, of which is known whether they are
 * parsed alone, and for thousands of random ones.
 */
#include "control/former_internal.h"
#include "control_test.h"
#include "same_model.h"
#include "same_plan.h"

/* clang-format off */
static const char base[] =
"# a comment\n"
"host:\n"
"  ports:\n"
"    - {name: wan0, device: eth0, role: uplink}\n"
"    - {name: lan0, device: eth1, role: vnet}\n"
"virtualNetworks:\n"
"  - name: Hub\n"
"    id: 7\n"
"    addressSpace: [172.16.0.0/16]\n"
"    subnets:\n"
"      - {name: GatewaySubnet, addressPrefix: 172.16.255.0/27}\n"
"    attachments:\n"
"      - {port: lan0, encapsulation: vlan, vlanId: 7, address: 172.16.0.1/24}\n"
"    peerings:\n"
"      - {name: down, remoteVirtualNetwork: Spoke, allowGatewayTransit: true, allowForwardedTraffic: true}\n"
"  - name: Spoke\n"
"    id: 8\n"
"    addressSpace: [172.17.0.0/16, 172.18.0.0/16]\n"
"    subnets:\n"
"      - {name: a, addressPrefix: 172.17.0.0/24, routeTable: forced}\n"
"    attachments:\n"
"      - {port: lan0, encapsulation: vlan, vlanId: 8, address: 172.17.0.1/24}\n"
"    peerings:\n"
"      - {name: up, remoteVirtualNetwork: Hub, useRemoteGateways: true}\n"
"  - name: VNet1\n"
"    id: 1001\n"
"    addressSpace: [10.11.0.0/16]\n"
"    dhcpOptions: {dnsServers: [10.11.0.53]}\n"
"    subnets:\n"
"      - {name: FrontEnd, addressPrefix: 10.11.0.0/24, routeTable: out}\n"
"      - {name: GatewaySubnet, addressPrefix: 10.11.255.0/27}\n"
"    attachments:\n"
"      - {port: lan0, encapsulation: none, address: 10.11.0.1/24}\n"
"      - {port: lan0, encapsulation: vxlan, vni: 1001, localAddress: 192.0.2.1, remoteVteps: [192.0.2.0/24]}\n"
"    endpoints:\n"
"      - {address: 10.11.0.4, mac: \"02:00:00:00:00:04\", host: 192.0.2.11}\n"
"      - {address: 10.11.0.5, mac: \"02:00:00:00:00:05\", host: 192.0.2.11}\n"
"    peerings:\n"
"      - {name: to2, remoteVirtualNetwork: VNet2, allowGatewayTransit: true}\n"
"  # the second one\n"
"  - name: VNet2\n"
"    id: 1002\n"
"    addressSpace:\n"
"      - 10.22.0.0/16\n"
"    subnets:\n"
"      - name: GatewaySubnet\n"
"        addressPrefix: 10.22.255.0/27\n"
"    attachments:\n"
"      - {port: lan0, encapsulation: vlan, vlanId: 22, address: 10.22.0.1/24}\n"
"    peerings:\n"
"      - {name: to1, remoteVirtualNetwork: VNet1}\n"
"  - {name: VNet3, id: 1003, addressSpace: [10.33.0.0/16], subnets: [{name: GatewaySubnet, addressPrefix: 10.33.255.0/27}]}\n"
"routeTables:\n"
"  - name: forced\n"
"    routes:\n"
"      - {name: all, addressPrefix: 0.0.0.0/0, nextHopType: VirtualNetworkGateway}\n"
"      - {name: one, addressPrefix: 192.168.0.0/16, nextHopType: VirtualAppliance, nextHopIpAddress: 172.17.0.9}\n"
"  - name: out\n"
"    routes:\n"
"      - {name: r, addressPrefix: 0.0.0.0/0, nextHopType: VirtualNetworkGateway}\n"
"virtualNetworkGateways:\n"
"  - {name: HubGW, virtualNetwork: Hub, publicIPAddress: 203.0.113.7, gatewayDefaultSite: East}\n"
"  - name: GW1\n"
"    virtualNetwork: VNet1\n"
"    publicIPAddress: 203.0.113.1\n"
"    gatewayDefaultSite: Site6\n"
"    enableBgp: true\n"
"    bgpSettings: {asn: 65010}\n"
"  - name: GW3\n"
"    virtualNetwork: VNet3\n"
"    publicIPAddress: 203.0.113.3\n"
"localNetworkGateways:\n"
"  - {name: East, gatewayIpAddress: 198.51.100.81, addressSpace: [192.168.80.0/24, 192.168.0.0/20, 192.168.81.0/24]}\n"
"  - {name: West, gatewayIpAddress: 198.51.100.82, addressSpace: [192.168.80.0/24]}\n"
"  - {name: Site5, gatewayIpAddress: 198.51.100.5, addressSpace: [192.168.5.0/24, 192.168.55.0/24]}\n"
"  - {name: Site6, gatewayIpAddress: 198.51.100.6, addressSpace: [192.168.6.0/24]}\n"
"  - {name: Site7, fqdn: site7.example.net, addressSpace: [192.168.7.0/24], bgpSettings: {asn: 65007, bgpPeeringAddress: 192.168.7.1}}\n"
"\n"
"remoteGateways:\n"
"  - {name: GW2, publicIPAddress: 203.0.113.2, addressSpace: [10.44.0.0/16]}\n"
"connections:\n"
"  - {name: ToEast, connectionType: IPsec, virtualNetworkGateway1: HubGW, localNetworkGateway2: East, sharedKey: abcdefghijklmnopqrstuvwxyz}\n"
"  - {name: ToWest, connectionType: IPsec, virtualNetworkGateway1: HubGW, localNetworkGateway2: West, sharedKey: abcdefghijklmnopqrstuvwxyz, routingWeight: 5}\n"
"  - name: ToSite5\n"
"    connectionType: IPsec\n"
"    virtualNetworkGateway1: GW1\n"
"    localNetworkGateway2: Site5\n"
"    sharedKey: {file: /etc/xgw/site5.psk}\n"
"    ipsecPolicies:\n"
"      - {ikeEncryption: AES256, ikeIntegrity: SHA256, dhGroup: ECP256,\n"
"         ipsecEncryption: GCMAES256, ipsecIntegrity: GCMAES256, pfsGroup: ECP256}\n"
"  - name: ToSite6\n"
"    connectionType: IPsec\n"
"    virtualNetworkGateway1: GW1\n"
"    localNetworkGateway2: Site6\n"
"    sharedKey: short\n"
"    postQuantumPreSharedKey: {id: a, key: {file: /etc/xgw/ppk}}\n"
"  - {name: ToSite7, connectionType: IPsec, virtualNetworkGateway1: GW1, localNetworkGateway2: Site7, sharedKey: abcdefghijklmnopqrstuvwxyz, enableBgp: true}\n"
"  - name: ToVNet2\n"
"    connectionType: Vnet2Vnet\n"
"    virtualNetworkGateway1: GW1\n"
"    virtualNetworkGateway2: GW2\n"
"    sharedKey: abcdefghijklmnopqrstuvwxyz\n"
"  - name: ToVNet3\n"
"    connectionType: Vnet2Vnet\n"
"    virtualNetworkGateway1: GW1\n"
"    virtualNetworkGateway2: GW3\n"
"    sharedKey: abcdefghijklmnopqrstuvwxyz\n"
"  - name: ToVNet1\n"
"    connectionType: Vnet2Vnet\n"
"    virtualNetworkGateway1: GW3\n"
"    virtualNetworkGateway2: GW1\n"
"    sharedKey: abcdefghijklmnopqrstuvwxyz\n";

/* What of `base` becomes what, and whether that is parsed alone. */
struct row {
	const char *old, *new;
	bool alone;
};

static const struct row rows[] = {
	/* nothing, and values of every list */
	{"# a comment", "# a comment", true},
	{"192.168.5.0/24", "192.168.9.0/24", true},
	{"192.168.5.0/24, ", "", true},
	{"[192.168.80.0/24, ", "[", true},
	{", addressSpace: [192.168.80.0/24]", "", true},
	{", routingWeight: 5", "", true},
	{"172.18.0.0/16]", "172.18.0.0/16, 172.19.0.0/16]", true},
	{"allowGatewayTransit: true, ", "", false}, /* is a mistake */
	{"nextHopIpAddress: 172.17.0.9", "nextHopIpAddress: 172.17.0.8", true},
	{"gatewayDefaultSite: East", "gatewayDefaultSite: West", true},
	{"gatewayDefaultSite: East", "gatewayDefaultSite: East, activeActive: true, otherInstance: {address: 172.16.0.9}", true},
	{"192.168.5.0/24", "192.168.5.0/24,\n    192.168.77.0/24", true},
	{"10.11.0.5, mac", "10.11.0.9, mac", true},
	{"addressPrefix: 0.0.0.0/0", "addressPrefix: 192.169.0.0/16", true},
	{"203.0.113.3", "203.0.113.33", true},
	{"203.0.113.2,", "203.0.113.22,", true},
	{"localNetworkGateway2: Site5\n", "localNetworkGateway2: Site5\n    routingWeight: 7\n", true},
	{"{asn: 65007,", "{asn: 65008,", true},
	{"    sharedKey: short\n", "    sharedKey: abcdefghijklmnopqrstuvwxyz\n", true},
	{"role: vnet}\n", "role: vnet}\n  workers: 2\n", false},
	{"# a comment", "# another", false},
	/* lines come and go: all places behind */
	{"      - {address: 10.11.0.4, mac: \"02:00:00:00:00:04\", host: 192.0.2.11}\n", "", true},
	{"    peerings:\n      - {name: to1, remoteVirtualNetwork: VNet1}\n",
	 "    peerings:\n      - {name: to1, remoteVirtualNetwork: VNet1}\n\n    # more\n", true},
	{"  # the second one\n", "", true},
	/* resources come and go, at the beginning, between, at the end */
	{"localNetworkGateways:\n", "localNetworkGateways:\n  - {name: Site1, gatewayIpAddress: 198.51.100.1, addressSpace: [192.168.1.0/24]}\n", true},
	{"  - {name: Site6,", "  - {name: Site1, gatewayIpAddress: 198.51.100.1}\n  - {name: Site6,", true},
	{"65007, bgpPeeringAddress: 192.168.7.1}}\n", "65007, bgpPeeringAddress: 192.168.7.1}}\n  - {name: Site8, gatewayIpAddress: any}\n", true},
	{"  - {name: VNet3,", "  - {name: VNet4, id: 1004, addressSpace: [10.88.0.0/16]}\n  - {name: VNet3,", true},
	{"virtualNetworks:\n", "virtualNetworks:\n  - {name: VNet0, id: 1000, addressSpace: [10.77.0.0/16]}\n", true},
	{"remoteGateways:\n", "remoteGateways:\n  - {name: GW0, publicIPAddress: 203.0.113.99, addressSpace: [10.99.0.0/16]}\n", true},
	{"routeTables:\n", "routeTables:\n  - {name: none}\n", true},
	{"  - name: ToSite6\n    connectionType: IPsec\n    virtualNetworkGateway1: GW1\n    localNetworkGateway2: Site6\n    sharedKey: short\n"
	 "    postQuantumPreSharedKey: {id: a, key: {file: /etc/xgw/ppk}}\n", "", true},
	{"virtualNetworkGateway2: GW1\n    sharedKey: abcdefghijklmnopqrstuvwxyz\n",
	 "virtualNetworkGateway2: GW1\n    sharedKey: abcdefghijklmnopqrstuvwxyz\n  - {name: Last, connectionType: IPsec, virtualNetworkGateway1: GW3, localNetworkGateway2: Site5, sharedKey: abcdefghijklmnopqrstuvwxyz}\n", true},
	/* what others name */
	{"  - {name: Site5, ", "  - {name: Site55, ", false},
	{"name: VNet3,", "name: VNet33,", false},
	{"bgpSettings: {asn: 65010}\n", "bgpSettings: {asn: 65010}\n    vpnType: PolicyBased\n", false},
	{"10.11.255.0/27", "10.11.254.0/27", false}, /* BGP's address comes from there */
	/* the same line, with other meanings */
	{"  - {name: Site6,", "  - {name: Site5,", false},
	{"  - {name: Site6,", "   - {name: Site6,", false},
	{"  - {name: Site6,", " - {name: Site6,", false},
	{"  - {name: Site6,", "    more: text\n  - {name: Site6,", false},
	{"  - {name: Site6,", "# comment\n  - {name: Site6,", true},
	{"  - {name: Site6,", "---\n  - {name: Site6,", false},
	{"  - {name: Site6,", "...\n  - {name: Site6,", false},
	{"  - {name: Site6,", "connections:\n  - {name: Site6,", false},
	{"  - {name: Site6,", "  - &a {name: Site6,", false},
	{"[192.168.6.0/24]", "*a", false},
	{"[192.168.6.0/24]", "[192.168.6.0/24", false},
	{"name: ToVNet2\n", "name: |\n      ToVNet2\n  - name: x\n", false},
	{"name: ToVNet2\n", "name: \"ToVNet2\n  - name: x\n", false},
	{"name: ToVNet2\n", "name: >-\n      ToVNet2\n", true},
	{"name: ToVNet2\n", "name: 'ToVNet2'\n", true},
	{"name: ToVNet2\n", "name: ToVNet2\r\n", false},
	{"name: ToVNet2\n", "name: ToVNet2 # \xc3\xa4\n", true},
	{"name: ToVNet2\n", "name: ToVNet2 # \xc3\n", false},
	{"name: ToVNet2\n", "name: ToVNet2\n    nonsense: 1\n", false},
	{"      - {port: lan0, encapsulation: vlan", "      - {port: nowhere, encapsulation: vlan", false},
	{"GW1\n    sharedKey: abcdefghijklmnopqrstuvwxyz\n", "GW1\n    sharedKey: abcdefghijklmnopqrstuvwxyz", false},
	{"/etc/xgw/ppk", "/etc/xgw/open.psk", false},
	/* the list is no list of blocks any more, or none */
	{"  - {name: GW2, publicIPAddress: 203.0.113.2, addressSpace: [10.44.0.0/16]}\n", "", false},
	{"connections:\n", "connection:\n", false},
};
/* clang-format on */

static const struct config_files files = {.read_secret = test_read_secret,
					  .read_file = test_read_file};

static char *with(const char *text, const char *old, const char *new)
{
	const char *at = strstr(text, old);
	assert_non_null(at);
	size_t front = (size_t)(at - text), room = strlen(text) + strlen(new) + 1;
	char *out = malloc(room);
	assert_non_null(out);
	snprintf(out, room, "%.*s%s%s", (int)front, text, new, at + strlen(old));
	return out;
}

/* With BGP all of a plan is made, so there is one without. */
static char *without_bgp(void)
{
	char *a = with(base, "    enableBgp: true\n    bgpSettings: {asn: 65010}\n", "");
	char *b = with(a, ", enableBgp: true}", "}");
	free(a);
	return b;
}

/* How often a plan had something from the one before. */
static uint32_t reused;

static void note_reuse(const struct plan *p, const struct model *m, const bool *changed)
{
	bool any = false;
	for (uint32_t i = 0; changed && i < m->n_vnets; i++)
		any |= !changed[i];
	reused += any && !p->n_routers;
}

struct kept {
	struct model model;
	struct config_former *former;
	struct plan plan;
};

static void plan_it(struct plan *out, const struct model *m, const struct plan *previous,
		    const bool *changed)
{
	static const struct plan_port ports[XGW_MAX_PORTS] = {{1, 1500, {0}}, {2, 1500, {0}}};
	struct fault fault = {0};
	if (m->host.n_ports > 2 || plan_make_changed(out, m, &(struct plan_facts){.ports = ports},
						     previous, changed, &fault))
		fail_msg("no plan: %s", fault.text);
}

static void take(struct kept *k, const char *text)
{
	struct config_findings findings;
	int err = config_parse_kept(&k->model, strdup(text), strlen(text), &files, &findings, NULL,
				    NULL, &k->former);
	char *told = test_findings_text(&findings);
	if (err)
		fail_msg("%s", told);
	free(told);
	config_findings_free(&findings);
	plan_it(&k->plan, &k->model, NULL, NULL);
}

static void drop(struct kept *k)
{
	plan_free(&k->plan);
	config_former_free(k->former);
	model_free(&k->model);
}

static bool same_lists(const struct config_former *a, const struct config_former *b)
{
	for (unsigned id = 0; id < FORMER_LISTS; id++) {
		const struct former_list *x = &a->lists[id], *y = &b->lists[id];
		if (x->n != y->n ||
		    (x->n &&
		     (x->dash != y->dash || memcmp(x->at, y->at, (x->n + 1) * sizeof *x->at) ||
		      memcmp(x->line, y->line, (x->n + 1) * sizeof *x->line))))
			return false;
	}
	return true;
}

/*
 * Reads a text after another one and alone, and compares; k is then of the text, if it was accepted
 * and kept. Returns whether only what differs was parsed.
 */
static bool follow(struct kept *k, const char *text)
{
	struct kept now = {0}, whole = {0};
	struct config_findings findings, all;
	int err = config_parse_kept(&now.model, strdup(text), strlen(text), &files, &findings,
				    k->former, &k->model, &now.former);
	int wanted = config_parse_kept(&whole.model, strdup(text), strlen(text), &files, &all, NULL,
				       NULL, &whole.former);
	char *told = test_findings_text(&findings), *expected = test_findings_text(&all);
	if (err != wanted || strcmp(told, expected) != 0)
		fail_msg("%d, not %d, for\n%s\n%s\nnot\n%s", err, wanted, text, told, expected);
	if (!err && !whole.model.n_files && !whole.model.n_circuits &&
	    !same_model(&now.model, &whole.model))
		fail_msg("another model for\n%s", text);
	if (!err) {
		plan_it(&whole.plan, &whole.model, &k->plan, NULL);
		plan_it(&now.plan, &now.model, &k->plan, config_former_changed(now.former));
		note_reuse(&now.plan, &now.model, config_former_changed(now.former));
		if (!same_plan(&now.plan, &whole.plan))
			fail_msg("another plan for\n%s", text);
	}
	bool alone = now.former && whole.former && now.former->nodes != whole.former->nodes;
	if (now.former && whole.former && !same_lists(now.former, whole.former))
		fail_msg("other places of items for\n%s", text);
	free(told);
	free(expected);
	config_findings_free(&findings);
	config_findings_free(&all);
	drop(&whole);
	struct kept *out = now.former ? k : &now;
	if (now.former) {
		drop(k);
		*k = now;
	} else {
		drop(out);
	}
	return alone;
}

static void test_changes_are_read_as_the_whole_is(void **state)
{
	(void)state;
	char *plain = without_bgp();
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct kept k;
		if (!strstr(plain, rows[i].old))
			continue;
		char *text = with(plain, rows[i].old, rows[i].new);
		take(&k, plain);
		follow(&k, text);
		follow(&k, plain);
		free(text);
		drop(&k);
	}
	free(plain);
	assert_true(reused > sizeof rows / sizeof *rows / 2);
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct kept k;
		char *text = with(base, rows[i].old, rows[i].new);
		take(&k, base);
		assert_non_null(k.former);
		size_t nodes = k.former->nodes;
		bool alone = follow(&k, text);
		/* without any difference nothing is parsed */
		if ((alone || (!strcmp(text, base) && k.former->nodes == nodes)) != rows[i].alone)
			fail_msg("row %zu (%s) was %sparsed alone", i, rows[i].new,
				 alone ? "" : "not ");
		/* and back */
		follow(&k, base);
		free(text);
		drop(&k);
	}
}

/* Several changes at once, in different lists; after it the next one. */
static void test_changes_of_several_lists(void **state)
{
	(void)state;
	struct kept k;
	take(&k, base);
	char *a = with(base, "remoteGateways:\n",
		       "  - {name: Site8, gatewayIpAddress: 198.51.100.8, addressSpace: "
		       "[192.168.8.0/24]}\nremoteGateways:\n");
	char *b = with(a, "  - name: ToSite6\n",
		       "  - {name: ToSite8, connectionType: IPsec, virtualNetworkGateway1: GW1, "
		       "localNetworkGateway2: Site8,\n     sharedKey: x}\n  - name: ToSite6\n");
	char *c = with(b, "10.33.0.0/16", "10.34.0.0/16, 10.33.0.0/16");
	assert_true(follow(&k, b));
	assert_true(follow(&k, c));
	assert_true(follow(&k, base));
	free(a);
	free(b);
	free(c);
	drop(&k);
}

/* A file has another key: text and model of before do not know. */
static int other_secret(void *owner, const char *path, struct secret *out, struct fault *f)
{
	(void)f;
	if (strstr(path, owner))
		return secret_set(out, "another key, long enough for all", 32);
	return secret_set(out, TEST_KEY, strlen(TEST_KEY));
}

static void test_keys_in_files_are_read_again(void **state)
{
	(void)state;
	static char *const paths[] = {"site5.psk", "ppk"};
	for (int i = 0; i < 2; i++) {
		const struct config_files others = {other_secret, NULL, paths[i]};
		struct config_findings findings;
		struct config_former *former;
		struct model m;
		struct kept k;
		take(&k, base);
		assert_int_equal(config_parse_kept(&m, strdup(base), strlen(base), &others,
						   &findings, k.former, &k.model, &former),
				 0);
		assert_int_equal(i ? m.connections[3].ppk.len : m.connections[2].psk.len, 32);
		assert_int_equal(i ? m.connections[2].psk.len : m.connections[3].ppk.len,
				 strlen(TEST_KEY));
		config_findings_free(&findings);
		config_former_free(former);
		model_free(&m);
		drop(&k);
	}
}

/* ---- random ones ---- */

static uint64_t seed = 1;

static uint32_t below(uint32_t n)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(seed >> 33) % n;
}

static size_t line_at(const char *text, size_t len)
{
	size_t at = below((uint32_t)len);
	while (at && text[at - 1] != '\n')
		at--;
	return at;
}

static size_t line_end(const char *text, size_t at)
{
	const char *p = strchr(text + at, '\n');
	return p ? (size_t)(p - text) + 1 : strlen(text);
}

/* Takes out, doubles or moves some lines, or changes some bytes. */
static char *mutate(const char *text)
{
	static const char *const words[] = {" ", "  ",	  "\n", "-",  "- ",	    "#",
					    ":", "\"",	  "'",	"{",  "}",	    "[",
					    "]", "|",	  "&a", "*a", "0",	    "5",
					    ",", "---\n", "\t", "? ", "    x: y\n", "  - a\n"};
	size_t len = strlen(text), room = len * 2 + 64;
	char *out = calloc(1, room);
	assert_non_null(out);
	size_t from = line_at(text, len), to = from;
	for (uint32_t n = 1 + below(4); n; n--)
		to = line_end(text, to);
	size_t where = line_at(text, len);
	switch (below(5)) {
	case 0: snprintf(out, room, "%.*s%s", (int)from, text, text + to); break;
	case 1:
		snprintf(out, room, "%.*s%.*s%s", (int)where, text, (int)(to - from), text + from,
			 text + where);
		break;
	case 2:
		where = below((uint32_t)len);
		snprintf(out, room, "%.*s%s%s", (int)where, text,
			 words[below(sizeof words / sizeof *words)], text + where);
		break;
	case 3:
		where = below((uint32_t)len);
		snprintf(out, room, "%.*s%s", (int)where, text, text + where + 1);
		break;
	default:
		memcpy(out, text, len);
		for (size_t i = from; i < to; i++)
			out[i] = out[i] >= '0' && out[i] <= '9' && !below(8)
					 ? (char)('0' + below(10))
					 : out[i];
	}
	return out;
}

#define ROUNDS 4000

static void change_at_random(const char *from)
{
	struct kept k;
	char *text = strdup(from);
	uint32_t alone = 0;
	take(&k, from);
	for (int i = 0; i < ROUNDS; i++) {
		char *next = mutate(text);
		if (!below(3)) {
			char *once = next;
			next = mutate(once);
			free(once);
		}
		const struct config_former *was = k.former;
		alone += follow(&k, next);
		bool accepted = k.former != was;
		/* from what was accepted on, but not for ever */
		free(text);
		text = accepted && below(20) ? next : strdup(k.former->text);
		if (text != next)
			free(next);
		if (!below(100)) {
			free(text);
			text = strdup(from);
			follow(&k, from);
		}
	}
	assert_true(alone > ROUNDS / 20);
	free(text);
	drop(&k);
}

static void test_random_changes_are_read_as_the_whole_is(void **state)
{
	(void)state;
	char *plain = without_bgp();
	reused = 0;
	change_at_random(plain);
	assert_true(reused > ROUNDS / 40);
	change_at_random(base);
	free(plain);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_changes_are_read_as_the_whole_is),
		cmocka_unit_test(test_changes_of_several_lists),
		cmocka_unit_test(test_keys_in_files_are_read_again),
		cmocka_unit_test(test_random_changes_are_read_as_the_whole_is),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
