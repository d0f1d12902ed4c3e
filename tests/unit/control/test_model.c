/* SPDX-License-Identifier: Apache-2.0 */
/* Good configurations: the values of the model, and what IKE is told to offer. */
#include "control_test.h"

#include "control/offer.h"

#include <glob.h>

static void load(struct model *m, const char *path)
{
	char *text = test_file(path);
	test_model(m, text);
	free(text);
}

static void assert_address(const struct ip_addr *a, const char *text)
{
	char came[IP_TEXT];
	assert_string_equal(ip_addr_format(a, came), text);
}

static void assert_prefix(const struct ip_prefix *p, const char *text)
{
	char came[PREFIX_TEXT];
	assert_string_equal(ip_prefix_format(p, came), text);
}

static void host_and_vnet(void **state)
{
	(void)state;
	struct model m;
	load(&m, "docs/examples/multi-site.yaml");
	assert_int_equal(m.host.n_ports, 2);
	assert_string_equal(m.host.ports[0].device, "eth0");
	assert_int_equal(m.host.ports[0].role, XGW_ROLE_UPLINK);
	assert_int_equal(m.host.ports[1].role, XGW_ROLE_VNET);
	assert_int_equal(m.host.workers, 2);
	assert_int_equal(m.host.xdp_mode, MODEL_XDP_AUTO);
	assert_string_equal(m.host.crypto_backend, "auto");
	assert_null(m.host.metrics);
	const struct model_vnet *v = &m.vnets[0];
	assert_int_equal(v->id, 1001);
	assert_int_equal(v->n_address_space, 2);
	assert_prefix(&v->address_space[1], "fd00:11::/48");
	assert_int_equal(v->address_space_at[1].line, 13);
	assert_int_equal(v->address_space_at[1].column, 34);
	assert_prefix(&v->subnets[1].prefix, "10.11.255.0/27");
	const struct model_attachment *a = v->attachments;
	assert_int_equal(a[0].kind, XGW_TAG_VLAN);
	assert_int_equal(a[0].tag, 11);
	assert_true(a[0].has_address && a[0].has_address6);
	assert_prefix(&a[0].address, "10.11.0.1/24");
	assert_prefix(&a[0].address6, "fd00:11::1/64");
	assert_int_equal(a[1].kind, XGW_TAG_VXLAN);
	assert_int_equal(a[1].udp_port, 4789);
	assert_address(&a[1].local_vtep, "192.0.2.1");
	assert_int_equal(v->endpoints[0].attachment, 1);
	assert_address(&v->endpoints[0].host, "192.0.2.11");
	assert_int_equal(v->endpoints[0].mac[5], 4);
	model_free(&m);
}

static void gateways_and_connections(void **state)
{
	(void)state;
	struct model m;
	load(&m, "docs/examples/multi-site.yaml");
	assert_string_equal(m.gateways[0].identity, "vnet1gw.example");
	assert_address(&m.gateways[0].public_address, "203.0.113.1");
	assert_string_equal(m.sites[0].identity, "198.51.100.5");
	assert_int_equal(m.sites[1].address.family, IP_NONE);
	assert_string_equal(m.sites[1].identity, "bergen.example");
	const struct model_connection *c = m.connections;
	assert_int_equal(m.n_connections, 3);
	assert_int_equal(c[0].gateway, 0);
	assert_int_equal(c[0].site, 0);
	assert_int_equal(c[0].peer_gateway, MODEL_NONE);
	assert_int_equal(c[0].dpd_timeout_seconds, 30);
	assert_true(c[0].always_encapsulate);
	assert_int_equal(c[0].psk.len, strlen(TEST_KEY));
	assert_memory_equal(c[0].psk.b, TEST_KEY, strlen(TEST_KEY));
	assert_int_equal(c[1].mode, MODEL_MODE_RESPONDER);
	assert_int_equal(c[1].dpd_timeout_seconds, 45);
	assert_int_equal(c[1].routing_weight, 10);
	assert_false(c[1].always_encapsulate);
	assert_true(c[2].policy_based_selectors);
	model_free(&m);
}

static void vnet_to_vnet(void **state)
{
	(void)state;
	struct model m;
	load(&m, "docs/examples/two-hosts.yaml");
	assert_true(m.connections[0].vnet2vnet);
	assert_true(m.sites[m.connections[0].site].is_remote_gateway);
	assert_string_equal(m.sites[0].identity, "2001:db8::2");
	model_free(&m);
	load(&m, "docs/examples/vnet-to-vnet.yaml");
	assert_int_equal(m.connections[0].site, MODEL_NONE);
	assert_int_equal(m.connections[0].peer_gateway, 1);
	assert_int_equal(m.connections[1].peer_gateway, 0);
	model_free(&m);
}

/* Each of the two says where the other one is. */
static void active_active(void **state)
{
	(void)state;
	struct model m[2];
	load(&m[0], "docs/examples/active-active-1.yaml");
	load(&m[1], "docs/examples/active-active-2.yaml");
	for (int i = 0; i < 2; i++) {
		const struct model_gateway *g = &m[i].gateways[0], *other = &m[!i].gateways[0];
		assert_true(g->active_active);
		assert_true(ip_addr_equal(&g->other.address,
					  &m[!i].vnets[0].attachments[0].address.addr));
		assert_string_equal(g->name, other->name);
		assert_false(ip_addr_equal(&g->public_address, &other->public_address));
		assert_int_equal(model_attachment_of(&m[i].vnets[0], &g->other.address), 0);
	}
	model_free(&m[0]);
	model_free(&m[1]);
}

/* Each example of the manual is accepted without so much as a warning, and can be planned. */
static void every_example(void **state)
{
	(void)state;
	glob_t found;
	assert_int_equal(glob("docs/examples/*.yaml", 0, NULL, &found), 0);
	for (size_t i = 0; i < found.gl_pathc; i++) {
		struct model m;
		struct plan p;
		struct config_findings findings;
		char *text = test_file(found.gl_pathv[i]);
		test_parse(&m, text, &findings);
		if (findings.n)
			fail_msg("%s:%u: %s", found.gl_pathv[i], findings.at[0].place.line,
				 findings.at[0].text);
		test_plan(&p, &m);
		plan_free(&p);
		config_findings_free(&findings);
		model_free(&m);
		free(text);
	}
	globfree(&found);
}

static void default_offer(void **state)
{
	(void)state;
	struct model m;
	struct offer o;
	load(&m, "docs/examples/first.yaml");
	assert_int_equal(offer_of(&m, 0, &o), 0);
	assert_int_equal(o.n_ike, 3);
	assert_int_equal(o.ike[0].encryption[0], ENCR_AES_GCM16_256);
	assert_int_equal(o.ike[0].n_integrity, 0);
	assert_int_equal(o.ike[0].n_prf, 2);
	assert_int_equal(o.ike[1].integrity[0], AUTH_HMAC_SHA2_384_192);
	assert_int_equal(o.ike[2].prf[0], PRF_HMAC_SHA2_256);
	for (int i = 0; i < 3; i++) {
		static const uint8_t groups[] = {DH_CURVE25519, DH_ECP_384, DH_ECP_256,
						 DH_MODP_2048};
		assert_int_equal(o.ike[i].n_group, 4);
		assert_memory_equal(o.ike[i].group, groups, sizeof groups);
	}
	assert_int_equal(o.n_child, 2);
	assert_int_equal(o.child[0].n_encryption, 2);
	assert_int_equal(o.child[0].encryption[1], ENCR_AES_GCM16_128);
	assert_int_equal(o.child[1].integrity[0], AUTH_HMAC_SHA2_256_128);
	assert_int_equal(o.child[0].n_group + o.child[1].n_group, 0);
	assert_true(o.child[0].esn);
	assert_int_equal(o.ike_lifetime_seconds, 28800);
	assert_int_equal(o.child_lifetime_seconds, 27000);
	assert_int_equal(o.child_lifetime_bytes, 0);
	assert_int_equal(o.child_lifetime_packets, 0);
	/* any to any, of IPv4 alone */
	assert_int_equal(o.n_local_ts, 1);
	assert_int_equal(o.n_remote_ts, 1);
	assert_address(&o.local_ts[0].range.first, "0.0.0.0");
	assert_address(&o.remote_ts[0].range.last, "255.255.255.255");
	assert_int_equal(o.local_ts[0].protocol, 0);
	assert_int_equal(o.local_ts[0].port_first, 0);
	assert_int_equal(o.local_ts[0].port_last, 65535);
	model_free(&m);
}

/* A policy-based gateway: IKEv1 without a word, the prefixes of both sides, nothing weak. */
static void policy_based_offer(void **state)
{
	(void)state;
	struct model m;
	struct offer o;
	load(&m, "docs/examples/policy-based.yaml");
	assert_true(m.gateways[0].policy_based);
	assert_true(m.connections[0].ikev1);
	assert_int_equal(offer_of(&m, 0, &o), 0);
	assert_int_equal(o.n_ike, 2);
	assert_int_equal(o.ike[0].encryption[0], ENCR_AES_CBC_256);
	assert_int_equal(o.ike[1].encryption[0], ENCR_AES_CBC_128);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(o.ike[i].n_integrity, 2);
		assert_int_equal(o.ike[i].integrity[0], AUTH_HMAC_SHA2_256_128);
		assert_int_equal(o.ike[i].integrity[1], AUTH_HMAC_SHA1_96);
		for (int k = 0; k < o.ike[i].n_group; k++)
			assert_false(group_of(o.ike[i].group[k])->weak);
	}
	assert_int_equal(o.child[0].n_group, 0);
	assert_true(o.child[1].n_group > 0);
	assert_int_equal(o.child_lifetime_seconds, 3600);
	assert_int_equal(o.child_lifetime_bytes, 102400000ull * 1024);
	assert_int_equal(o.n_local_ts, 2);
	assert_int_equal(o.n_remote_ts, 2);
	assert_address(&o.local_ts[1].range.first, "10.12.0.0");
	assert_address(&o.remote_ts[1].range.last, "192.168.6.255");
	/* by IKEv1 on a route-based gateway: any to any, GCM first */
	m.gateways[0].policy_based = false;
	assert_int_equal(offer_of(&m, 0, &o), 0);
	assert_int_equal(o.n_local_ts + o.n_remote_ts, 2);
	assert_int_equal(o.child[0].encryption[0], ENCR_AES_GCM16_256);
	assert_int_equal(o.child_lifetime_seconds, 27000);
	model_free(&m);
}

static void custom_offer(void **state)
{
	(void)state;
	struct model m;
	struct offer o;
	load(&m, "docs/examples/multi-site.yaml");
	assert_int_equal(offer_of(&m, 0, &o), 0);
	assert_int_equal(o.n_ike, 1);
	assert_int_equal(o.n_child, 1);
	assert_int_equal(o.ike[0].encryption[0], ENCR_AES_CBC_256);
	assert_int_equal(o.ike[0].integrity[0], AUTH_HMAC_SHA2_256_128);
	assert_int_equal(o.ike[0].prf[0], PRF_HMAC_SHA2_256);
	assert_int_equal(o.ike[0].n_prf, 1);
	assert_int_equal(o.ike[0].group[0], DH_MODP_2048);
	assert_int_equal(o.child[0].encryption[0], ENCR_AES_GCM16_256);
	assert_int_equal(o.child[0].n_integrity, 0);
	assert_int_equal(o.child[0].group[0], DH_MODP_2048); /* PFSMM */
	assert_int_equal(o.child_lifetime_seconds, 3600);
	assert_int_equal(o.child_lifetime_bytes, 102400000ull * 1024);
	assert_int_equal(o.child_lifetime_packets, 2000000000);
	/* the VNet has IPv6, so any-to-any has it too */
	assert_int_equal(o.n_local_ts, 2);
	assert_int_equal(o.n_remote_ts, 2);
	assert_address(&o.remote_ts[1].range.last, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff");
	/* prefixes of both sides */
	assert_int_equal(offer_of(&m, 2, &o), 0);
	assert_int_equal(o.n_local_ts, 2);
	assert_int_equal(o.n_remote_ts, 2);
	assert_address(&o.local_ts[0].range.first, "10.11.0.0");
	assert_address(&o.local_ts[0].range.last, "10.11.255.255");
	assert_address(&o.remote_ts[1].range.first, "192.168.8.0");
	model_free(&m);
}

/* A file that several connections name is read once; an inline key is kept as it stands. */
static void certificates(void **state)
{
	(void)state;
	struct model m;
	test_model(
		&m,
		"host: {ports: [{name: w, device: e0, role: uplink}, {name: l, device: e1, role: vnet}]}\n"
		"virtualNetworks: [{name: V, id: 1, addressSpace: [10.1.0.0/16], subnets: [{name: GatewaySubnet, "
		"addressPrefix: 10.1.255.0/29}], attachments: [{port: l}]}]\n"
		"virtualNetworkGateways: [{name: G, virtualNetwork: V, publicIPAddress: 203.0.113.1, "
		"certificate: {chain: gw.pem, key: \"-----BEGIN\", rsaPadding: pkcs1}}]\n"
		"localNetworkGateways: [{name: A, gatewayIpAddress: 198.51.100.1, addressSpace: [10.2.0.0/16]},\n"
		"  {name: B, gatewayIpAddress: 198.51.100.2, addressSpace: [10.3.0.0/16]}]\n"
		"connections:\n"
		"  - &c {name: ToA, connectionType: IPsec, virtualNetworkGateway1: G, localNetworkGateway2: A, "
		"authenticationType: Certificate, peerCertificateAuthority: ca.pem, "
		"certificateRevocationLists: [a.crl, b.crl], ocspResponses: [o.der], "
		"requireRevocationStatus: true, sha1Signatures: true}\n"
		"  - {name: ToB, connectionType: IPsec, virtualNetworkGateway1: G, localNetworkGateway2: B, "
		"authenticationType: Certificate, peerCertificateAuthority: ca.pem, "
		"certificateRevocationLists: [b.crl]}\n");
	const struct model_certificate *own = &m.gateways[0].certificate;
	const struct model_connection *a = &m.connections[0], *b = &m.connections[1];
	assert_int_equal(m.n_files, 6);
	assert_string_equal(m.files[own->chain].path, "gw.pem");
	assert_int_equal(m.files[own->key].len, 10);
	assert_memory_equal(m.files[own->key].at, "-----BEGIN", 10);
	assert_true(own->rsa_pkcs1 && a->by_certificate && b->by_certificate);
	assert_true(a->trust.need_status && a->sha1_signatures);
	assert_false(b->trust.need_status || b->sha1_signatures);
	assert_int_equal(a->trust.n_crls, 2);
	assert_int_equal(a->trust.n_ocsp, 1);
	assert_int_equal(a->trust.authority, b->trust.authority);
	assert_int_equal(a->trust.crls[1], b->trust.crls[0]);
	assert_memory_equal(m.files[a->trust.crls[1]].at, "b.crl", 5);
	assert_int_equal(a->psk.len, 0);
	model_free(&m);
}

/* A connection with a policy and what it means; the rest of the file does not matter. */
static void policy(struct model *m, const char *policy_text, const char *selectors)
{
	char text[2048];
	snprintf(text, sizeof text,
		 "host: {ports: [{name: w, device: e0, role: uplink}, {name: l, device: e1, role: "
		 "vnet}]}\n"
		 "virtualNetworks: [{name: V, id: 1, addressSpace: [10.1.0.0/16], subnets: [{name: "
		 "GatewaySubnet, addressPrefix: 10.1.255.0/29}], attachments: [{port: l}]}]\n"
		 "virtualNetworkGateways: [{name: G, virtualNetwork: V, publicIPAddress: "
		 "203.0.113.1}]\n"
		 "localNetworkGateways: [{name: S, gatewayIpAddress: 198.51.100.1, addressSpace: "
		 "[192.168.0.0/16]}]\n"
		 "connections:\n"
		 "  - name: C\n"
		 "    connectionType: IPsec\n"
		 "    virtualNetworkGateway1: G\n"
		 "    localNetworkGateway2: S\n"
		 "    sharedKey: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n"
		 "    ipsecPolicies: [%s]\n"
		 "    trafficSelectorPolicies: [%s]\n",
		 policy_text, selectors);
	test_model(m, text);
}

static const struct {
	const char *ike, *ipsec;
	struct model_policy wanted;
} policy_rows[] = {
	{"GCMAES256, ikeIntegrity: GCMAES256, dhGroup: CURVE25519",
	 "GCMAES128, ipsecIntegrity: GCMAES128",
	 {ENCR_AES_GCM16_256,
	  AUTH_NONE,
	  {PRF_HMAC_SHA2_384, PRF_HMAC_SHA2_256},
	  DH_CURVE25519,
	  ENCR_AES_GCM16_128,
	  AUTH_NONE,
	  DH_NONE}},
	{"GCMAES128, ikeIntegrity: SHA512, dhGroup: ECP384",
	 "AES192, ipsecIntegrity: SHA384, pfsGroup: ECP256",
	 {ENCR_AES_GCM16_128,
	  AUTH_NONE,
	  {PRF_HMAC_SHA2_512},
	  DH_ECP_384,
	  ENCR_AES_CBC_192,
	  AUTH_HMAC_SHA2_384_192,
	  DH_ECP_256}},
	{"AES128, ikeIntegrity: SHA1, dhGroup: DHGroup2048",
	 "CHACHA20POLY1305, ipsecIntegrity: CHACHA20POLY1305, pfsGroup: PFS2048",
	 {ENCR_AES_CBC_128,
	  AUTH_HMAC_SHA1_96,
	  {PRF_HMAC_SHA1},
	  DH_MODP_2048,
	  ENCR_CHACHA20_POLY1305,
	  AUTH_NONE,
	  DH_MODP_2048}},
	{"AES256, ikeIntegrity: SHA512, dhGroup: DHGroup14",
	 "AES256, ipsecIntegrity: SHA1, pfsGroup: PFSMM",
	 {ENCR_AES_CBC_256,
	  AUTH_HMAC_SHA2_512_256,
	  {PRF_HMAC_SHA2_512},
	  DH_MODP_2048,
	  ENCR_AES_CBC_256,
	  AUTH_HMAC_SHA1_96,
	  DH_MODP_2048}},
	{"DES3, ikeIntegrity: SHA1, dhGroup: DHGroup14",
	 "DES3, ipsecIntegrity: SHA1",
	 {ENCR_3DES,
	  AUTH_HMAC_SHA1_96,
	  {PRF_HMAC_SHA1},
	  DH_MODP_2048,
	  ENCR_3DES,
	  AUTH_HMAC_SHA1_96,
	  DH_NONE}},
	{"CHACHA20POLY1305, ikeIntegrity: SHA512, dhGroup: CURVE25519",
	 "None, ipsecIntegrity: SHA256",
	 {ENCR_CHACHA20_POLY1305,
	  AUTH_NONE,
	  {PRF_HMAC_SHA2_512},
	  DH_CURVE25519,
	  ENCR_NULL,
	  AUTH_HMAC_SHA2_256_128,
	  DH_NONE}},
	{"AES192, ikeIntegrity: SHA384, dhGroup: ECP256",
	 "None, ipsecIntegrity: SHA512",
	 {ENCR_AES_CBC_192,
	  AUTH_HMAC_SHA2_384_192,
	  {PRF_HMAC_SHA2_384},
	  DH_ECP_256,
	  ENCR_NULL,
	  AUTH_HMAC_SHA2_512_256,
	  DH_NONE}},
};

static void algorithms_of_policies(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof policy_rows / sizeof *policy_rows; i++) {
		struct model m;
		char text[256];
		snprintf(text, sizeof text, "{ikeEncryption: %s, ipsecEncryption: %s}",
			 policy_rows[i].ike, policy_rows[i].ipsec);
		policy(&m, text, "");
		const struct model_policy *p = m.connections[0].policies;
		assert_int_equal(p->ike_encryption, policy_rows[i].wanted.ike_encryption);
		assert_int_equal(p->ike_integrity, policy_rows[i].wanted.ike_integrity);
		assert_int_equal(p->ike_prf[0], policy_rows[i].wanted.ike_prf[0]);
		assert_int_equal(p->ike_prf[1], policy_rows[i].wanted.ike_prf[1]);
		assert_int_equal(p->dh_group, policy_rows[i].wanted.dh_group);
		assert_int_equal(p->ipsec_encryption, policy_rows[i].wanted.ipsec_encryption);
		assert_int_equal(p->ipsec_integrity, policy_rows[i].wanted.ipsec_integrity);
		assert_int_equal(p->pfs_group, policy_rows[i].wanted.pfs_group);
		assert_int_equal(p->lifetime_seconds, 27000);
		assert_int_equal(p->lifetime_kilobytes, 102400000);
		model_free(&m);
	}
}

static void is_strong(const struct offer *o)
{
	for (unsigned i = 0; i < o->n_ike; i++) {
		const struct offer_ike *p = &o->ike[i];
		for (unsigned k = 0; k < p->n_encryption; k++)
			assert_false(encryption_of(p->encryption[k])->weak);
		for (unsigned k = 0; k < p->n_group; k++)
			assert_false(group_of(p->group[k])->weak);
		assert_true(p->n_group && p->n_prf);
		assert_true(p->n_integrity || encryption_of(p->encryption[0])->aead);
	}
	for (unsigned i = 0; i < o->n_child; i++) {
		const struct offer_child *p = &o->child[i];
		for (unsigned k = 0; k < p->n_encryption; k++) {
			assert_false(encryption_of(p->encryption[k])->weak);
			assert_true(p->n_integrity || encryption_of(p->encryption[k])->aead);
		}
		for (unsigned k = 0; k < p->n_group; k++)
			assert_false(group_of(p->group[k])->weak);
	}
}

/* SECURITY C18 (CVE-2015-4000, CVE-2015-7575): what nobody named is not offered, of either version
 * and to clients; what was named stands alone. SECURITY C21: nothing is offered without integrity.
 */
static void nothing_weak_by_itself(void **state)
{
	struct model m;
	struct offer o;
	(void)state;
	policy(&m, "", "");
	for (unsigned i = 0; i < 4; i++) {
		m.connections[0].ikev1 = i & 1;
		m.gateways[0].policy_based = i & 2;
		assert_int_equal(offer_of(&m, 0, &o), 0);
		is_strong(&o);
	}
	assert_int_equal(offer_of_clients(&m, 0, &o), 0);
	is_strong(&o);
	model_free(&m);
	policy(&m,
	       "{ikeEncryption: AES256, ikeIntegrity: SHA256, dhGroup: DHGroup2, ipsecEncryption: "
	       "AES256, ipsecIntegrity: SHA256, pfsGroup: PFS1}",
	       "");
	assert_int_equal(offer_of(&m, 0, &o), 0);
	assert_int_equal(o.n_ike + o.ike[0].n_group + o.n_child + o.child[0].n_group, 4);
	assert_int_equal(o.ike[0].group[0], DH_MODP_1024);
	assert_int_equal(o.child[0].group[0], DH_MODP_768);
	model_free(&m);
}

static void exact_selectors(void **state)
{
	(void)state;
	struct model m;
	struct offer o;
	policy(&m, "",
	       "{localAddressRanges: [10.1.0.0/24, 10.1.5.5-10.1.5.9], remoteAddressRanges: "
	       "[192.168.1.0/24]}, {localAddressRanges: [10.1.0.0/24, 10.1.5.5-10.1.5.9], "
	       "remoteAddressRanges: [192.168.2.7]}");
	assert_int_equal(offer_of(&m, 0, &o), 0);
	assert_int_equal(o.n_local_ts, 2);
	assert_int_equal(o.n_remote_ts, 2);
	assert_address(&o.local_ts[1].range.first, "10.1.5.5");
	assert_address(&o.local_ts[1].range.last, "10.1.5.9");
	assert_address(&o.remote_ts[1].range.first, "192.168.2.7");
	assert_address(&o.remote_ts[1].range.last, "192.168.2.7");
	model_free(&m);
}

static bool has_local(const struct offer *o, const char *first)
{
	char text[IP_TEXT];
	for (int i = 0; i < o->n_local_ts; i++) {
		if (!strcmp(ip_addr_format(&o->local_ts[i].range.first, text), first))
			return true;
	}
	return false;
}

/* Selectors by prefixes take in the peered networks that use the gateway, and no others. */
static void spokes_in_selectors(void **state)
{
	(void)state;
	struct model m;
	struct offer o;
	load(&m, "docs/examples/hub-and-spoke.yaml");
	assert_int_equal(offer_of(&m, 0, &o), 0);
	/* any to any, of IPv6 for a spoke that has it */
	assert_int_equal(o.n_local_ts, 2);
	m.connections[0].policy_based_selectors = true;
	assert_int_equal(offer_of(&m, 0, &o), 0);
	assert_int_equal(o.n_local_ts, 4);
	assert_true(has_local(&o, "10.1.0.0") && has_local(&o, "10.2.0.0") &&
		    has_local(&o, "fd00:2::") && has_local(&o, "10.3.0.0"));
	assert_int_equal(o.n_remote_ts, 1);
	/* clients are told the same */
	assert_int_equal(offer_of_clients(&m, 0, &o), 0);
	assert_int_equal(o.n_local_ts, 4);
	m.vnets[0].peerings[1].gateway_transit = false;
	assert_int_equal(offer_of(&m, 0, &o), 0);
	assert_int_equal(o.n_local_ts, 3);
	assert_false(has_local(&o, "10.3.0.0"));
	model_free(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(certificates),
		cmocka_unit_test(host_and_vnet),
		cmocka_unit_test(gateways_and_connections),
		cmocka_unit_test(vnet_to_vnet),
		cmocka_unit_test(active_active),
		cmocka_unit_test(every_example),
		cmocka_unit_test(default_offer),
		cmocka_unit_test(policy_based_offer),
		cmocka_unit_test(custom_offer),
		cmocka_unit_test(nothing_weak_by_itself),
		cmocka_unit_test(exact_selectors),
		cmocka_unit_test(algorithms_of_policies),
		cmocka_unit_test(spokes_in_selectors),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
