/* SPDX-License-Identifier: Apache-2.0 */
/* Configuration files on disk, and the secrets beside them. */
#include "loader/config_file.h"

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_secret_beside, setup, teardown),
		cmocka_unit_test_setup_teardown(test_secret_read_by_others, setup, teardown),
		cmocka_unit_test_setup_teardown(test_secret_empty_missing_long, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_file, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
