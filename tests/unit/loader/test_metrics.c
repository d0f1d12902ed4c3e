/* SPDX-License-Identifier: Apache-2.0 */
#include "loader/metrics.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static char *text_of(const char *document)
{
	char *text = NULL;
	size_t size = 0;
	json_t *d = json_loads(document, 0, NULL);
	FILE *to = open_memstream(&text, &size);
	assert_non_null(d);
	assert_non_null(to);
	metrics_write(to, d);
	fclose(to);
	json_decref(d);
	return text;
}

static void must_have(const char *text, const char *line)
{
	if (!strstr(text, line))
		fail_msg("no line '%s' in:\n%s", line, text);
}

/* What the status tells once is told once, under its family's head. */
static void families(void **state)
{
	(void)state;
	char *t = text_of(
		"{\"instance\":\"a\",\"daemon\":{\"cryptoBackend\":\"openssl\"},\"connections\":["
		"{\"name\":\"c1\",\"virtualNetworkGateway\":\"g\",\"connectionStatus\":\"Connected\","
		"\"ingressBytes\":5,\"drops\":{\"no-sa\":7,\"replay\":1}},"
		"{\"name\":\"c2\",\"connectionStatus\":\"Connecting\"}],"
		"\"circuits\":[{\"name\":\"k\",\"links\":[{\"name\":\"primary\",\"port\":\"er0\",\"state\":"
		"\"up\",\"carrier\":true}]}],"
		"\"ports\":[{\"name\":\"wan\",\"queueImbalance\":1.5,\"traffic\":{\"received\":"
		"{\"packets\":3,\"bytes\":200}}}],\"drops\":{\"loop\":2},"
		"\"clients\":[{\"protocol\":\"SSTP\",\"connectionStatus\":\"Connected\"}]}");
	must_have(
		t,
		"# TYPE xgw_connection_up gauge\nxgw_connection_up{connection=\"c1\",gateway=\"g\"} 1\n"
		"xgw_connection_up{connection=\"c2\"} 0\n");
	must_have(
		t,
		"# TYPE xgw_connection_drops_total counter\n"
		"xgw_connection_drops_total{connection=\"c1\",gateway=\"g\",reason=\"no-sa\"} 7\n"
		"xgw_connection_drops_total{connection=\"c1\",gateway=\"g\",reason=\"replay\"} 1\n");
	must_have(t, "xgw_link_carrier{circuit=\"k\",link=\"primary\",port=\"er0\"} 1\n");
	must_have(t, "xgw_port_bytes_total{port=\"wan\",fate=\"received\"} 200\n");
	must_have(t, "xgw_port_queue_imbalance{port=\"wan\"} 1.5\n");
	must_have(t, "xgw_drops_total{reason=\"loop\"} 2\n");
	must_have(t, "xgw_clients{protocol=\"IkeV2\"} 0\nxgw_clients{protocol=\"SSTP\"} 1\n");
	must_have(t, "xgw_info{instance=\"a\",crypto_backend=\"openssl\",version=\"");
	assert_null(strstr(t, "xgw_bgp_"));
	free(t);
}

/* Names are people's: quotes, backslashes and line ends cannot end a label. */
static void names_are_escaped(void **state)
{
	(void)state;
	char *t = text_of("{\"connections\":[{\"name\":\"a\\\"} 1\\n\\\\b\",\"ingressBytes\":1}]}");
	must_have(t, "xgw_connection_ingress_bytes_total{connection=\"a\\\"} 1\\n\\\\b\"} 1\n");
	free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(families),
		cmocka_unit_test(names_are_escaped),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
