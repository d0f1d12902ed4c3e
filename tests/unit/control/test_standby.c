/* SPDX-License-Identifier: Apache-2.0 */
/* Which gateways work, by rows of addresses of the host, and what a reload keeps of it. */
#include "control_test.h"

#include "control/standby.h"

#define S 1000000000ull

static const char text[] =
	"host: {ports: [{name: wan0, device: eth0, role: uplink}, {name: lan0, device: eth1, role: "
	"vnet}, {name: lan1, device: eth2, role: vnet}, {name: lan2, device: eth3, role: vnet}]}\n"
	"virtualNetworks:\n"
	"  - {name: V1, id: 1001, addressSpace: [10.1.0.0/16], subnets: [{name: GatewaySubnet, "
	"addressPrefix: 10.1.255.0/27}], attachments: [{port: lan0, address: 10.1.0.1/24}]}\n"
	"  - {name: V2, id: 1002, addressSpace: [10.2.0.0/16], subnets: [{name: GatewaySubnet, "
	"addressPrefix: 10.2.255.0/27}], attachments: [{port: lan1, address: 10.2.0.1/24}]}\n"
	"  - {name: V3, id: 1003, addressSpace: [10.3.0.0/16], subnets: [{name: GatewaySubnet, "
	"addressPrefix: 10.3.255.0/27}], attachments: [{port: lan2, address: 10.3.0.1/24}]}\n"
	"virtualNetworkGateways:\n"
	"  - {name: G1, virtualNetwork: V1, publicIPAddress: 203.0.113.1, activeStandby: true}\n"
	"  - {name: G2, virtualNetwork: V2, publicIPAddress: 203.0.113.2}\n"
	"  - {name: G3, virtualNetwork: V3, publicIPAddress: '2001:db8::3', activeStandby: true}\n";

struct world {
	struct model m;
	struct plan p;
	struct standby s;
};

static struct ip_addr addr(const char *a)
{
	struct ip_addr out;
	assert_int_equal(ip_addr_parse(&out, a), 0);
	return out;
}

/* Another text, planned behind the one of before. */
static void read(struct world *w, const char *from, const char *to, const struct ip_addr *own,
		 size_t n, uint64_t now)
{
	struct config_findings findings;
	struct plan p;
	struct fault f = {0};
	const struct plan_port ports[4] = {
		{.ifindex = 1}, {.ifindex = 2}, {.ifindex = 3}, {.ifindex = 4}};
	const struct plan_facts facts = {.ports = ports};
	char *changed = calloc(1, sizeof text + 64);
	const char *at = strstr(text, from);
	assert_non_null(changed);
	assert_non_null(at);
	snprintf(changed, sizeof text + 64, "%.*s%s%s", (int)(at - text), text, to,
		 at + strlen(from));
	model_free(&w->m);
	assert_int_equal(test_parse(&w->m, changed, &findings), 0);
	config_findings_free(&findings);
	assert_int_equal(plan_make(&p, &w->m, &facts, w->p.n_gateways ? &w->p : NULL, &f), 0);
	plan_free(&w->p);
	w->p = p;
	assert_int_equal(standby_follow(&w->s, &w->m, &w->p, own, n, now), 0);
	free(changed);
}

static void end(struct world *w)
{
	standby_free(&w->s);
	plan_free(&w->p);
	model_free(&w->m);
}

/* "+1-3": gateways that the next calls of standby_next() tell of, and as what. */
static void assert_told(struct world *w, const char *want)
{
	char got[32] = "";
	uint32_t slot;
	while (standby_next(&w->s, &slot)) {
		uint32_t g = plan_gateway_index(&w->p, slot);
		assert_true(g < 3 && strlen(got) < 20);
		snprintf(got + strlen(got), 8, "%c%u", standby_is_active(&w->s, slot) ? '+' : '-',
			 g + 1);
	}
	assert_string_equal(got, want);
}

static void see(struct world *w, const char *a, const char *b, uint64_t now)
{
	struct ip_addr own[3] = {addr("192.0.2.7")};
	size_t n = 1;
	if (a)
		own[n++] = addr(a);
	if (b)
		own[n++] = addr(b);
	standby_sort(own, n);
	standby_look(&w->s, own, n, now);
}

static void test_follows_addresses(void **state)
{
	(void)state;
	struct world w = {0};
	char text_of[STANDBY_TEXT];
	read(&w, "host", "host", NULL, 0, 1 * S);
	assert_told(&w, "-1-3");
	uint32_t first = w.p.gateways[0].slot, second = w.p.gateways[1].slot;
	assert_string_equal(standby_text(&w.s, first, text_of),
			    "standby: 203.0.113.1 is not on this host");
	assert_string_equal(standby_text(&w.s, second, text_of), "");
	assert_int_equal(w.s.at[first].switches, 0);
	see(&w, "203.0.113.1", NULL, 2 * S);
	assert_told(&w, "+1");
	see(&w, "203.0.113.1", "2001:db8::3", 3 * S);
	assert_told(&w, "+3");
	see(&w, "2001:db8::3", NULL, 4 * S);
	assert_told(&w, "-1");
	assert_int_equal(w.s.at[first].since_ns, 4 * S);
	assert_int_equal(w.s.at[first].switches, 2);
	/* there and away before anybody looked: nobody is told */
	see(&w, "203.0.113.1", "2001:db8::3", 5 * S);
	see(&w, "2001:db8::3", NULL, 6 * S);
	assert_told(&w, "");
	/* whoever did not ask works without an address, and what is no gateway's slot, too */
	see(&w, NULL, NULL, 7 * S);
	assert_told(&w, "-3");
	assert_true(standby_is_active(&w.s, second));
	assert_true(standby_is_active(&w.s, 4711));
	end(&w);
}

static void test_reload_keeps_and_changes(void **state)
{
	(void)state;
	struct world w = {0};
	struct ip_addr own[2] = {addr("2001:db8::3"), addr("203.0.113.1")};
	standby_sort(own, 2);
	read(&w, "host", "host", own, 2, 1 * S);
	assert_told(&w, "");
	see(&w, "203.0.113.1", NULL, 2 * S);
	assert_told(&w, "-3");
	/* state and time go on, whatever the addresses that come along */
	read(&w, "10.1.0.1", "10.1.0.2", own, 2, 3 * S);
	assert_told(&w, "");
	assert_int_equal(w.s.at[w.p.gateways[2].slot].since_ns, 2 * S);
	assert_false(standby_is_active(&w.s, w.p.gateways[2].slot));
	/* without activeStandby it works again; with another address it is judged anew */
	read(&w, "'2001:db8::3', activeStandby: true", "'2001:db8::3'", NULL, 0, 4 * S);
	assert_told(&w, "+3");
	read(&w, "203.0.113.1,", "203.0.113.9,", NULL, 0, 5 * S);
	assert_told(&w, "-1-3");
	read(&w,
	     "  - {name: G1, virtualNetwork: V1, publicIPAddress: 203.0.113.1, activeStandby: true}\n",
	     "", own, 2, 6 * S);
	assert_told(&w, "");
	end(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_follows_addresses),
		cmocka_unit_test(test_reload_keeps_and_changes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
