/* SPDX-License-Identifier: Apache-2.0 */
/* Configuration files on disk, and the secrets beside them. */
#include "loader/config_file.h"
#include "loader/credentials.h"
#include "tests/pki/pki.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static const char text[] =
	"host: {ports: [{name: wan0, device: eth0, role: uplink}, {name: lan0, device: eth1, role: vnet}]}\n"
	"virtualNetworks:\n"
	"  - {name: V1, id: 1001, addressSpace: [10.11.0.0/16], subnets: [{name: GatewaySubnet, addressPrefix: "
	"10.11.255.0/27}],\n"
	"     attachments: [{port: lan0, address: 10.11.0.1/24}]}\n"
	"virtualNetworkGateways: [{name: G1, virtualNetwork: V1, publicIPAddress: 203.0.113.1}]\n"
	"localNetworkGateways: [{name: S5, gatewayIpAddress: 198.51.100.5, addressSpace: [192.168.5.0/24]}]\n"
	"connections:\n"
	"  - {name: C, connectionType: IPsec, virtualNetworkGateway1: G1, localNetworkGateway2: S5,\n"
	"     sharedKey: {file: key}}\n";

struct fixture {
	char directory[32], config[64], key[64];
};

static void write_file(const char *path, const char *bytes, mode_t mode)
{
	FILE *f = fopen(path, "we");
	assert_non_null(f);
	fputs(bytes, f);
	fclose(f);
	assert_int_equal(chmod(path, mode), 0);
}

static void write_bytes(const struct fixture *x, const char *name, struct bytes b, mode_t mode)
{
	char path[128];
	snprintf(path, sizeof path, "%s/%s", x->directory, name);
	FILE *f = fopen(path, "we");
	assert_non_null(f);
	assert_int_equal(fwrite(b.at, 1, b.len, f), b.len);
	fclose(f);
	assert_int_equal(chmod(path, mode), 0);
	pki_drop(b);
}

static int setup(void **state)
{
	struct fixture *x = calloc(1, sizeof *x);
	snprintf(x->directory, sizeof x->directory, "/tmp/xgw-unit-XXXXXX");
	if (!mkdtemp(x->directory))
		return -1;
	snprintf(x->config, sizeof x->config, "%s/c.yaml", x->directory);
	snprintf(x->key, sizeof x->key, "%s/key", x->directory);
	write_file(x->config, text, 0644);
	*state = x;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *x = *state;
	static const char *const names[] = {"gw.pem", "gw.key", "ca.pem", "ca.crl"};
	char path[128];
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		snprintf(path, sizeof path, "%s/%s", x->directory, names[i]);
		unlink(path);
	}
	unlink(x->config);
	unlink(x->key);
	int left = rmdir(x->directory);
	free(x);
	return left;
}

/* Loads; the first error's text in out. */
static int load(const struct fixture *x, struct model *m, char out[320])
{
	struct config_findings findings;
	struct fault f = {0};
	int err = config_file_load(x->config, m, &findings, &f);
	*out = '\0';
	for (size_t i = findings.n; i-- > 0;) {
		if (findings.at[i].severity == CONFIG_ERROR)
			snprintf(out, 320, "%s", findings.at[i].text);
	}
	config_findings_free(&findings);
	return err;
}

static void test_secret_beside(void **state)
{
	struct fixture *x = *state;
	struct model m;
	char out[320];
	write_file(x->key, "correct horse battery staple\n", 0600);
	assert_int_equal(load(x, &m, out), 0);
	assert_int_equal(m.connections[0].psk.len, 28);
	assert_memory_equal(m.connections[0].psk.b, "correct horse battery staple", 28);
	model_free(&m);
}

static void test_secret_read_by_others(void **state)
{
	static const mode_t modes[] = {0644, 0640, 0604, 0666, 0620};
	struct fixture *x = *state;
	struct model m;
	char out[320];
	for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
		write_file(x->key, "correct horse battery staple\n", modes[i]);
		assert_int_equal(load(x, &m, out), -EINVAL);
		assert_non_null(strstr(out, "can be read or changed by others"));
		assert_null(strstr(out, "horse"));
		model_free(&m);
	}
}

static void test_secret_empty_missing_long(void **state)
{
	struct fixture *x = *state;
	struct model m;
	char out[320], *longer = malloc(SECRET_MAX + 2);
	assert_int_equal(load(x, &m, out), -EINVAL);
	assert_non_null(strstr(out, "No such file"));
	model_free(&m);
	write_file(x->key, "\n", 0600);
	assert_int_equal(load(x, &m, out), -EINVAL);
	assert_non_null(strstr(out, "is empty"));
	model_free(&m);
	memset(longer, 'k', SECRET_MAX + 1);
	longer[SECRET_MAX + 1] = '\0';
	write_file(x->key, longer, 0600);
	assert_int_equal(load(x, &m, out), -EINVAL);
	assert_non_null(strstr(out, "more than"));
	model_free(&m);
	free(longer);
}

static void test_no_file(void **state)
{
	struct fixture *x = *state;
	struct model m;
	struct config_findings findings;
	struct fault f = {0};
	assert_int_equal(config_file_load("/nonexistent/c.yaml", &m, &findings, &f), -ENOENT);
	assert_int_equal(f.code, -ENOENT);
	assert_int_equal(config_file_load(x->directory, &m, &findings, &f), -EISDIR);
	model_free(&m);
	config_findings_free(&findings);
}

/* The same text with certificates instead of the key. */
static void write_with_certificates(const struct fixture *x)
{
	char changed[4096];
	const char *gateway = strstr(text, ", publicIPAddress"), *key = strstr(text, "sharedKey");
	snprintf(
		changed, sizeof changed,
		"%.*s, identity: gw.example.org, certificate: {chain: gw.pem, key: {file: gw.key}}%.*s"
		"authenticationType: Certificate, peerCertificateAuthority: ca.pem, "
		"certificateRevocationLists: [ca.crl]}\n",
		(int)(gateway - text), text, (int)(key - gateway), gateway);
	write_file(x->config, changed, 0644);
}

/* Loads and judges as `xgw check` does, at PKI_NOW; all warnings in out. */
static void judge(const struct fixture *x, int64_t now, char out[1000])
{
	struct config_findings findings;
	struct credentials *c;
	struct fault f = {0};
	struct model m;
	assert_int_equal(config_file_load(x->config, &m, &findings, &f), 0);
	config_findings_free(&findings);
	assert_int_equal(credentials_new(&c, &m, NULL, &f), 0);
	static struct ike_connection lent;
	memset(&lent, 0, sizeof lent);
	credentials_give(c, &m, 0, &lent);
	assert_true(lent.credential && lent.trust);
	credentials_judge(c, &m, now, 30, &findings);
	*out = '\0';
	for (size_t i = 0; i < findings.n; i++) {
		assert_int_equal(findings.at[i].severity, CONFIG_WARNING);
		strncat(out, findings.at[i].text, 999 - strlen(out));
	}
	config_findings_free(&findings);
	credentials_free(c);
	model_free(&m);
}

static void test_certificates(void **state)
{
	struct fixture *x = *state;
	struct pki_entity ca = pki_root("ca", PKI_P256), other = pki_root("other", PKI_P256);
	struct pki_entity gw = pki_gateway(&ca, PKI_P256, "gw", "DNS:gw.example.org");
	struct pki_entity odd = pki_gateway(&ca, PKI_RSA1024, "odd", "DNS:odd.example.org");
	struct model m;
	char out[1000];
	write_with_certificates(x);
	write_bytes(x, "gw.pem", pki_pem(&gw, NULL, NULL), 0644);
	write_bytes(x, "gw.key", pki_key_pem(&gw, NULL), 0600);
	write_bytes(x, "ca.pem", pki_pem(&ca, NULL, NULL), 0644);
	write_bytes(x, "ca.crl", pki_crl(&ca, NULL, -PKI_DAY, PKI_DAY), 0644);
	judge(x, PKI_NOW, out);
	assert_string_equal(out, "");
	judge(x, PKI_NOW + 340 * PKI_DAY, out);
	assert_non_null(strstr(out, "CN=gw expires on 2028-01-15, in less than 30 days"));
	assert_non_null(strstr(out, "the authority C=DE, O=Example, CN=ca expires"));
	assert_non_null(strstr(out, "the CRL of C=DE, O=Example, CN=ca expired on 2027-01-16"));
	/* a key that others can read, of another certificate, no key at all */
	write_bytes(x, "gw.key", pki_key_pem(&gw, NULL), 0644);
	assert_int_equal(load(x, &m, out), -EINVAL);
	assert_non_null(strstr(out, "can be read or changed by others"));
	model_free(&m);
	write_bytes(x, "gw.key", pki_key_pem(&other, NULL), 0600);
	assert_int_equal(load(x, &m, out), -EINVAL);
	assert_non_null(strstr(out, "certificate: the key is not that of the first certificate"));
	model_free(&m);
	/* a certificate that is for someone else, with a weak key */
	write_bytes(x, "gw.pem", pki_pem(&odd, NULL, NULL), 0644);
	write_bytes(x, "gw.key", pki_key_pem(&odd, NULL), 0600);
	judge(x, PKI_NOW, out);
	assert_non_null(strstr(out, "key is weak: RSA of 1024 bits"));
	assert_non_null(strstr(out, "not for the gateway's identity gw.example.org but for "
				    "odd.example.org"));
	write_bytes(x, "ca.crl", pki_pem(&ca, NULL, NULL), 0644);
	assert_int_equal(load(x, &m, out), -EINVAL);
	assert_non_null(strstr(out, "certificateRevocationLists: CRL 1: expected a CRL"));
	model_free(&m);
	write_bytes(x, "ca.pem", pki_pem(&ca, NULL, NULL), 0666);
	assert_int_equal(load(x, &m, out), -EINVAL);
	assert_non_null(strstr(out, "can be changed by everybody"));
	model_free(&m);
	pki_free(&ca);
	pki_free(&other);
	pki_free(&gw);
	pki_free(&odd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_secret_beside, setup, teardown),
		cmocka_unit_test_setup_teardown(test_secret_read_by_others, setup, teardown),
		cmocka_unit_test_setup_teardown(test_secret_empty_missing_long, setup, teardown),
		cmocka_unit_test_setup_teardown(test_certificates, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_file, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
