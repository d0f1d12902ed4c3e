/* SPDX-License-Identifier: Apache-2.0 */
/* A connection of the model in the engine's words. */
#include "base/instant.h"
#include "control/config.h"
#include "loader/ike_host.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const char head[] =
	"host: {ports: [{name: wan0, device: eth0, role: uplink}, {name: lan0, device: eth1, role: vnet}]}\n"
	"virtualNetworks:\n"
	"  - {name: V1, id: 1001, addressSpace: [10.11.0.0/16], subnets: [{name: GatewaySubnet, addressPrefix: "
	"10.11.255.0/27}],\n"
	"     attachments: [{port: lan0, address: 10.11.0.1/24}]}\n"
	"virtualNetworkGateways: [{name: G1, virtualNetwork: V1, publicIPAddress: 203.0.113.1, identity: "
	"gw.example.org}]\n";

/* Parses head and tail; the only connection, translated. */
static int translate(const char *tail, struct ike_connection *out, struct fault *f)
{
	char text[4096];
	struct model m;
	struct config_findings findings;
	const struct config_files none = {0};
	const struct plan_connection c = {PLAN_FIRST_CONNECTION, 0, 1001};
	int n = snprintf(text, sizeof text, "%s%s", head, tail);
	int err = config_parse(&m, text, (size_t)n, &none, &findings);
	for (size_t i = 0; i < findings.n; i++)
		if (findings.at[i].severity == CONFIG_ERROR)
			print_message("%s\n", findings.at[i].text);
	config_findings_free(&findings);
	assert_int_equal(err, 0);
	err = ike_host_translate(out, &m, &c, f);
	out->name = NULL; /* the model's */
	model_free(&m);
	return err;
}

static void test_site(void **state)
{
	static struct ike_connection c;
	struct fault f = {0};
	char id[IDENTITY_TEXT];
	(void)state;
	assert_int_equal(
		translate(
			"localNetworkGateways: [{name: S5, gatewayIpAddress: 198.51.100.5, "
			"addressSpace: [192.168.5.0/24]}]\n"
			"connections: [{name: C, connectionType: IPsec, virtualNetworkGateway1: G1,\n"
			" localNetworkGateway2: S5, sharedKey: a-shared-key-of-many-letters,\n"
			" connectionMode: InitiatorOnly, dpdTimeoutSeconds: 60}]\n",
			&c, &f),
		0);
	assert_int_equal(c.id, PLAN_FIRST_CONNECTION);
	assert_int_equal(c.start, IKE_START_INITIATE);
	assert_int_equal(c.dpd_timeout_ns, 60 * NS_PER_S);
	assert_false(c.port_entropy);
	assert_int_equal(c.fragment_mtu, 1280);
	assert_false(c.require_ppk || c.ppk.len || c.ppk_id_len);
	assert_int_equal(c.mobike, IKE_MOBIKE_OFF);
	assert_true(!c.reauth_ns && !c.childless && !c.allow_redirect);
	assert_string_equal(identity_format(&c.local_id, id), "gw.example.org");
	assert_string_equal(identity_format(&c.remote_id, id), "198.51.100.5");
	assert_int_equal(c.psk.len, 28);
	assert_true(c.n_ike > 0 && c.n_child > 0 && c.n_local_ts == 1 && c.n_remote_ts == 1);
	assert_true(c.ike[0].n_prf > 0 && c.ike[0].n_group > 0);
	assert_true(c.child_lifetime_ns > 0 && c.ike_lifetime_ns > 0);
	secret_wipe(&c.psk);
}

/* A peer whose address is not known can only be waited for. */
static void test_any_address(void **state)
{
	static struct ike_connection c;
	struct fault f = {0};
	(void)state;
	assert_int_equal(
		translate(
			"localNetworkGateways: [{name: S5, gatewayIpAddress: any, "
			"identity: branch.example.org, addressSpace: [192.168.5.0/24]}]\n"
			"connections: [{name: C, connectionType: IPsec, virtualNetworkGateway1: G1,\n"
			" localNetworkGateway2: S5, sharedKey: a-shared-key-of-many-letters,\n"
			" connectionMode: ResponderOnly, udpEncapsulation: always, udpPortEntropy: true,\n"
			" ikeFragmentSize: 576, requirePostQuantum: true,\n"
			" postQuantumPreSharedKey: {id: autumn, key: 0123456789abcdef0123456789abcdef},\n"
			" mobike: withoutNat, reauthenticationSeconds: 3600,\n"
			" childlessInitiation: true, allowRedirect: true,\n"
			" ipsecPolicies: [\n"
			"  {ikeEncryption: AES256, ikeIntegrity: SHA256, dhGroup: ECP256,\n"
			"   additionalKeyExchanges: [CURVE25519, DHGroup14],\n"
			"   ipsecEncryption: GCMAES256, ipsecIntegrity: GCMAES256, saLifeTimeSeconds: 300,\n"
			"   saDataSizeKilobytes: 1024, saLifeTimePackets: 1000}]}]\n",
			&c, &f),
		0);
	assert_int_equal(c.start, IKE_START_RESPOND);
	assert_int_equal(c.remote.family, IP_NONE);
	assert_int_equal(c.remote_id.kind, IDENTITY_FQDN);
	assert_true(c.always_encapsulate);
	assert_true(c.port_entropy);
	assert_int_equal(c.fragment_mtu, 576);
	assert_true(c.require_ppk);
	assert_int_equal(c.ike[0].n_additional, 2);
	assert_int_equal(c.ike[0].additional[0], DH_CURVE25519);
	assert_int_equal(c.ike[0].additional[1], DH_MODP_2048);
	assert_int_equal(c.ppk.len, 32);
	assert_int_equal(c.ppk_id_len, 6);
	assert_memory_equal(c.ppk_id, "autumn", 6);
	assert_int_equal(c.mobike, IKE_MOBIKE_WITHOUT_NAT);
	assert_int_equal(c.reauth_ns, 3600 * NS_PER_S);
	assert_true(c.childless && c.allow_redirect);
	assert_int_equal(c.child_lifetime_ns, 300 * NS_PER_S);
	assert_int_equal(c.child_lifetime_bytes, 1024 * 1024);
	assert_int_equal(c.child_lifetime_packets, 1000);
	secret_wipe(&c.psk);
}

/* Neither asked nor answered until its address is known, whatever it says it is. */
static void test_name(void **state)
{
	static struct ike_connection c;
	struct fault f = {0};
	(void)state;
	assert_int_equal(
		translate(
			"localNetworkGateways: [{name: S5, fqdn: s5.example, identity: s5.example, "
			"addressSpace: [192.168.5.0/24]}]\n"
			"connections: [{name: C, connectionType: IPsec, virtualNetworkGateway1: G1,\n"
			" localNetworkGateway2: S5, sharedKey: a-shared-key-of-many-letters}]\n",
			&c, &f),
		0);
	assert_int_equal(c.remote.family, IP_V4);
	assert_true(ip_addr_is_unspecified(&c.remote));
	assert_int_equal(c.remote_id.kind, IDENTITY_FQDN);
	assert_int_equal(c.start, IKE_START_RESPOND);
	secret_wipe(&c.psk);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_site),
		cmocka_unit_test(test_any_address),
		cmocka_unit_test(test_name),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
