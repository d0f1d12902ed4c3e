/* SPDX-License-Identifier: Apache-2.0 */
/* What a router may be asked for, and what of it gets into BIRD's configuration. */
#include "loader/router_internal.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct world {
	struct router_link links[2];
	struct router_tun tuns[2];
	struct bird_peer peers[2];
	struct router_spec s;
};

static struct ip_addr addr(const char *text)
{
	struct ip_addr a;
	assert_int_equal(ip_addr_parse(&a, text), 0);
	return a;
}

static struct ip_prefix on(const char *text)
{
	struct ip_prefix p;
	assert_int_equal(ip_prefix_parse(&p, text), 0);
	return p;
}

static void make_world(struct world *w)
{
	memset(w, 0, sizeof *w);
	w->links[0] = (struct router_link){.host_device = "xgw-l0",
					   .device = "l0",
					   .local = {on("192.168.16.254/30"), on("fd00::2/126")},
					   .peer = {addr("192.168.16.253"), addr("fd00::1")},
					   .bfd = true,
					   .interval_ms = 10};
	w->links[1] = (struct router_link){.host_device = "xgw-l1",
					   .device = "l1",
					   .local = {on("192.168.17.254/30")},
					   .peer = {addr("192.168.17.253")}};
	w->tuns[0] = (struct router_tun){
		.device = "g0", .local = {addr("10.1.255.30"), addr("169.254.21.2")}, .n_local = 2};
	w->tuns[1] =
		(struct router_tun){.device = "g1", .local = {addr("10.2.255.30")}, .n_local = 1};
	w->peers[0] = (struct bird_peer){.number = 1,
					 .local_asn = 12076,
					 .peer_asn = 65010,
					 .local = addr("192.168.16.254"),
					 .peer = addr("192.168.16.253"),
					 .device = "l0",
					 .v4 = true};
	w->peers[1] = (struct bird_peer){.number = 2,
					 .group = 1,
					 .local_asn = 65515,
					 .peer_asn = 65020,
					 .local = addr("169.254.21.2"),
					 .peer = addr("169.254.21.1"),
					 .v4 = true};
	w->s = (struct router_spec){.instance = "default",
				    .name = "GW",
				    .router_id = 1,
				    .links = w->links,
				    .tuns = w->tuns,
				    .peers = w->peers,
				    .n_links = 2,
				    .n_tuns = 2,
				    .n_peers = 2};
}

static void test_text(void **state)
{
	struct world w;
	struct fault f = {0};
	char *text = NULL;
	(void)state;
	make_world(&w);
	assert_int_equal(router_check(&w.s, &f), 0);
	assert_int_equal(router_text(&text, &w.s, "/run/x", &f), 0);
	assert_non_null(strstr(text, "interface \"l0\" {\n\t\tmin rx interval 10 ms;"));
	assert_non_null(strstr(text, "route fd00::1/128 via fd00::1%'l0' bfd;"));
	assert_non_null(strstr(text, "local 169.254.21.2 as 65515;"));
	router_text_free(text);
	router_text_free(NULL);
	/* a router without anything to do is one, too */
	w.s.n_links = w.s.n_tuns = w.s.n_peers = 0;
	assert_int_equal(router_check(&w.s, &f), 0);
	assert_int_equal(router_text(&text, &w.s, NULL, &f), 0);
	router_text_free(text);
}

static void refused(struct world *w, int code, const char *why)
{
	struct fault f = {0};
	assert_int_equal(router_check(&w->s, &f), code);
	if (!strstr(f.text, why))
		fail_msg("'%s' does not say '%s'", f.text, why);
}

#define REFUSED(change, code, why)      \
	do {                            \
		make_world(&w);         \
		change;                 \
		refused(&w, code, why); \
	} while (0)

static void test_refusals(void **state)
{
	struct world w;
	(void)state;
	REFUSED(*w.s.name = 0, -EINVAL, "needs a name");
	REFUSED(memset(w.s.name, 'x', sizeof w.s.name), -EINVAL, "needs a name");
	REFUSED(w.s.n_links = BIRD_LINKS + 1, -EINVAL, "more than");
	REFUSED(w.s.n_tuns = ROUTER_TUNS + 1, -EINVAL, "more than");
	REFUSED(w.s.n_peers = BIRD_PEERS + 1, -EINVAL, "more than");
	REFUSED(strcpy(w.links[0].device, "x0"), -EINVAL, "no names");
	REFUSED(strcpy(w.links[0].device, "l"), -EINVAL, "no names");
	REFUSED(memset(w.links[0].device, '1', BIRD_DEVICE), -EINVAL, "no names");
	REFUSED(*w.links[0].host_device = 0, -EINVAL, "no names");
	REFUSED(strcpy(w.links[0].host_device, "a/b"), -EINVAL, "no names");
	REFUSED(strcpy(w.links[0].host_device, "a\nb"), -EINVAL, "no names");
	REFUSED(strcpy(w.links[1].device, "l0"), -EINVAL, "twice");
	REFUSED(strcpy(w.links[1].host_device, "xgw-l0"), -EINVAL, "twice");
	REFUSED(w.links[0].local[1] = on("10.0.0.1/30"), -EINVAL, "other family");
	REFUSED(w.links[0].peer[0] = addr("192.168.16.1"), -EINVAL, "not on it");
	REFUSED(w.links[1].local[0] = w.links[0].local[0], -EINVAL, "not on it");
	REFUSED((w.links[1].local[0] = w.links[0].local[0],
		 w.links[1].peer[0] = addr("192.168.16.252")),
		-EADDRINUSE, "twice in one router");
	REFUSED(w.tuns[1].local[0] = w.links[0].local[0].addr, -EADDRINUSE, "twice in one router");
	REFUSED(w.tuns[1].local[0] = w.tuns[0].local[1], -EADDRINUSE, "twice in one router");
	REFUSED(strcpy(w.tuns[1].device, "l5"), -EINVAL, "no name of a device");
	REFUSED(strcpy(w.tuns[1].device, "g0"), -EINVAL, "twice");
	REFUSED(w.tuns[0].n_local = 0, -EINVAL, "no address");
	REFUSED(w.tuns[0].n_local = 5, -EINVAL, "too many");
	REFUSED(w.peers[1].local = addr("10.3.255.30"), -EINVAL, "of no TUN");
	REFUSED(w.peers[1].peer = w.peers[0].peer, -EADDRINUSE, "no two sessions");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_refusals),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
