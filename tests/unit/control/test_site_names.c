/* SPDX-License-Identifier: Apache-2.0 */
/* Sites by name: which answers are taken, which never, and what another model keeps. */
#include "control/site_names.h"

#include "control_test.h"

static const char text[] =
	"host: {ports: [{name: wan0, device: eth0, role: uplink}, {name: lan0, device: eth1, role: vnet}]}\n"
	"virtualNetworks:\n"
	"  - {name: V1, id: 1, addressSpace: [10.1.0.0/16], attachments: [{port: lan0, encapsulation: vlan, vlanId: 1}],\n"
	"     subnets: [{name: GatewaySubnet, addressPrefix: 10.1.255.0/27}]}\n"
	"  - {name: V2, id: 2, addressSpace: [10.2.0.0/16], attachments: [{port: lan0, encapsulation: vlan, vlanId: 2}],\n"
	"     subnets: [{name: GatewaySubnet, addressPrefix: 10.2.255.0/27}]}\n"
	"virtualNetworkGateways:\n"
	"  - {name: G1, virtualNetwork: V1, publicIPAddress: 203.0.113.1}\n"
	"  - {name: G2, virtualNetwork: V2, publicIPAddress: '2001:db8::1'}\n"
	"localNetworkGateways:\n"
	"  - {name: A, fqdn: a.example, addressSpace: [192.168.1.0/24]}\n"
	"  - {name: B, fqdn: b.example, addressSpace: [192.168.2.0/24]}\n"
	"  - {name: C, gatewayIpAddress: 198.51.100.3, addressSpace: [192.168.3.0/24]}\n"
	"  - {name: D, fqdn: d.example, addressSpace: [192.168.4.0/24]}\n"
	"  - {name: E, fqdn: e.example, identity: branch-e.example, addressSpace: [192.168.5.0/24]}\n"
	"connections:\n"
	"  - {name: c1, connectionType: IPsec, virtualNetworkGateway1: G1, localNetworkGateway2: A, sharedKey: abcdefghijklmnopqrstuvwxyz}\n"
	"  - {name: c2, connectionType: IPsec, virtualNetworkGateway1: G2, localNetworkGateway2: B, sharedKey: abcdefghijklmnopqrstuvwxyz}\n"
	"  - {name: c3, connectionType: IPsec, virtualNetworkGateway1: G1, localNetworkGateway2: C, sharedKey: abcdefghijklmnopqrstuvwxyz}\n"
	"  - {name: c5, connectionType: IPsec, virtualNetworkGateway1: G1, localNetworkGateway2: E, sharedKey: abcdefghijklmnopqrstuvwxyz}\n";

static struct model parsed(void)
{
	struct model m;
	struct config_findings findings;
	assert_int_equal(test_parse(&m, text, &findings), 0);
	config_findings_free(&findings);
	return m;
}

static struct ip_addr addr(const char *t)
{
	struct ip_addr a;
	assert_int_equal(ip_addr_parse(&a, t), 0);
	return a;
}

static void families(void **state)
{
	(void)state;
	struct model m = parsed();
	uint8_t f[5];
	site_name_families(&m, f);
	assert_int_equal(f[0], IP_V4);
	assert_int_equal(f[1], IP_V6);
	assert_int_equal(f[2], IP_NONE); /* has no name */
	assert_int_equal(f[3], IP_NONE); /* nobody asks */
	assert_true(site_name_is_open(&m, 0));
	assert_false(site_name_is_open(&m, 2));
	assert_false(site_name_is_open(&m, MODEL_NONE));
	m.sites[0].address = addr("198.51.100.1");
	assert_false(site_name_is_open(&m, 0));
	model_free(&m);
}

static void bad_answers(void **state)
{
	static const char *const bad[] = {
		"0.0.0.0",   "0.1.2.3",	  "127.0.0.1", "127.255.0.9",	  "169.254.1.1",
		"224.0.0.1", "239.1.1.1", "240.0.0.1", "255.255.255.255", "::",
		"::1",	     "fe80::1",	  "febf::1",   "ff02::1",
	};
	static const char *const good[] = {"1.0.0.1",	  "126.1.1.1", "128.0.0.1",
					   "169.253.1.1", "10.0.0.1",  "223.255.255.254",
					   "2001:db8::1", "fec0::1",   "::2"};
	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct ip_addr a = addr(bad[i]);
		if (!site_name_fault(&a))
			fail_msg("%s", bad[i]);
	}
	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		struct ip_addr a = addr(good[i]);
		assert_null(site_name_fault(&a));
	}
	const uint8_t mapped[16] = {[10] = 0xff, [11] = 0xff, [12] = 203, [15] = 1};
	struct ip_addr a = ip_addr_from_bytes(IP_V6, mapped);
	assert_string_equal(site_name_fault(&a), "an IPv4-mapped address");
}

static void choice(void **state)
{
	(void)state;
	struct ip_addr answers[] = {addr("198.51.100.1"), addr("198.51.100.2")};
	struct ip_addr none = {0}, gone = addr("198.51.100.9");
	assert_int_equal(site_name_choose(&none, answers, 2), 0);
	assert_int_equal(site_name_choose(&gone, answers, 2), 0);
	assert_int_equal(site_name_choose(&answers[1], answers, 2), 1);
	assert_int_equal(site_name_seconds(0), 30);
	assert_int_equal(site_name_seconds(300), 300);
	assert_int_equal(site_name_seconds(UINT32_MAX), 3600);
}

static void rivals(void **state)
{
	(void)state;
	struct model m = parsed();
	struct ip_addr c = addr("198.51.100.3"), other = addr("198.51.100.4");
	assert_string_equal(site_name_rival(&m, 0, &c), "c3");
	assert_null(site_name_rival(&m, 0, &other));
	assert_null(site_name_rival(&m, 1, &c)); /* at another gateway */
	assert_null(site_name_rival(&m, 4, &c)); /* told apart by its identity */
	m.sites[4].address = other;
	assert_null(site_name_rival(&m, 0, &other));
	model_free(&m);
}

static void another_model(void **state)
{
	(void)state;
	struct model before = parsed(), now = parsed();
	before.sites[0].address = addr("198.51.100.1");
	before.sites[1].address = addr("2001:db8::9");
	assert_int_equal(site_names_follow_model(&now, &before), 0);
	assert_true(ip_addr_equal(&now.sites[0].address, &before.sites[0].address));
	assert_true(ip_addr_equal(&now.sites[1].address, &before.sites[1].address));
	assert_int_equal(now.sites[3].address.family, IP_NONE);
	model_free(&now);
	/* of the other family, and of another's peer */
	now = parsed();
	before.sites[1].address = addr("198.51.100.1");
	before.sites[0].address = addr("198.51.100.3");
	assert_int_equal(site_names_follow_model(&now, &before), 0);
	assert_int_equal(now.sites[0].address.family, IP_NONE);
	assert_int_equal(now.sites[1].address.family, IP_NONE);
	model_free(&now);
	model_free(&before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(families),	 cmocka_unit_test(bad_answers),
		cmocka_unit_test(choice),	 cmocka_unit_test(rivals),
		cmocka_unit_test(another_model),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
