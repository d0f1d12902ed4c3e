/* SPDX-License-Identifier: Apache-2.0 */
/* BIRD's configuration: what is in it, what does not get in, and that BIRD itself reads it. */
#include "control/bird_config.h"

#include "base/secret.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static const char *const birds[] = {"build-peers/bird2/usr/sbin/bird", "/usr/sbin/bird"};

static struct ip_addr addr(const char *text)
{
	struct ip_addr a;
	assert_int_equal(ip_addr_parse(&a, text), 0);
	return a;
}

static struct ip_prefix prefix(const char *text)
{
	struct ip_prefix p;
	assert_int_equal(ip_prefix_parse(&p, text), 0);
	return p;
}

/* Two links of a circuit and a tunnel, in three groups. */
struct world {
	struct bird_link links[2];
	struct bird_peer peers[4];
	struct bird_network networks[4];
	struct bird_config_in in;
	struct fault f;
};

static void make_world(struct world *w)
{
	memset(w, 0, sizeof *w);
	w->links[0] =
		(struct bird_link){"l0", {addr("192.168.16.253"), addr("fd00:16::1")}, true, 10, 3};
	w->links[1] = (struct bird_link){"l1", {addr("192.168.17.253")}, false, 0, 0};
	w->peers[0] = (struct bird_peer){.number = 1,
					 .group = 0,
					 .hears = 2,
					 .local_asn = 12076,
					 .peer_asn = 65010,
					 .local = addr("192.168.16.254"),
					 .peer = addr("192.168.16.253"),
					 .device = "l0",
					 .v4 = true,
					 .import_limit = 4000,
					 .bfd = true};
	w->peers[1] = (struct bird_peer){.number = 2,
					 .group = 0,
					 .hears = 2,
					 .local_asn = 12076,
					 .peer_asn = 65010,
					 .local = addr("fd00:16::2"),
					 .peer = addr("fd00:16::1"),
					 .device = "l0",
					 .v6 = true};
	w->peers[2] = (struct bird_peer){.number = 4096,
					 .group = 1,
					 .hears = 3,
					 .local_asn = 65515,
					 .peer_asn = 4200000000,
					 .local = addr("10.1.255.30"),
					 .peer = addr("10.52.0.254"),
					 .v4 = true,
					 .v6 = true,
					 .hold_seconds = 30,
					 .secret = (const uint8_t *)"s3cret; \\x }",
					 .secret_len = 12};
	w->peers[3] = (struct bird_peer){.number = 17,
					 .group = 63,
					 .local_asn = 65515,
					 .peer_asn = 65020,
					 .local = addr("fd00:1::30"),
					 .peer = addr("fd00:52::254"),
					 .v4 = true,
					 .v6 = true,
					 .disabled = true};
	w->networks[0] = (struct bird_network){prefix("10.1.0.0/16"), 3, false};
	w->networks[1] = (struct bird_network){prefix("10.60.0.7/32"), 1, true};
	w->networks[2] = (struct bird_network){prefix("fd00:1::/48"), 2, false};
	w->networks[3] = (struct bird_network){prefix("10.1.0.0/16"), (uint64_t)1 << 63, true};
	w->in = (struct bird_config_in){.router_id = 0x0a01ff1e,
					.log = "/run/a b.log",
					.links = w->links,
					.peers = w->peers,
					.networks = w->networks,
					.n_links = 2,
					.n_peers = 4,
					.n_networks = 4};
}

static char *make(struct world *w)
{
	char *text = NULL;
	assert_int_equal(bird_config(&text, &w->in, &w->f), 0);
	assert_non_null(text);
	return text;
}

static void refused(struct world *w, const char *why)
{
	char *text = NULL;
	memset(&w->f, 0, sizeof w->f);
	assert_int_equal(bird_config(&text, &w->in, &w->f), -EINVAL);
	assert_null(text);
	if (!strstr(w->f.text, why))
		fail_msg("'%s' does not say '%s'", w->f.text, why);
}

static void has(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("'%s' is not in\n%s", part, text);
}

/* What BIRD says of it: its exit status, its message in `said`. */
static int parse(const char *text, char said[256])
{
	char path[] = "/tmp/xgw-bird-XXXXXX", command[256];
	const char *bird = access(birds[0], X_OK) ? birds[1] : birds[0];
	if (access(bird, X_OK)) {
		print_message("no BIRD here: run scripts/dependencies.sh\n");
		skip();
	}
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	snprintf(command, sizeof command, "%s -p -c %s 2>&1", bird, path);
	FILE *p = popen(command, "r");
	assert_non_null(p);
	said[fread(said, 1, 255, p)] = 0;
	int status = pclose(p);
	unlink(path);
	return status;
}

static void accepted(struct world *w)
{
	char said[256], *text = make(w);
	if (parse(text, said))
		fail_msg("BIRD says: %s\nof\n%s", said, text);
	free(text);
}

static void test_contents(void **state)
{
	struct world w;
	(void)state;
	make_world(&w);
	char *t = make(&w);
	has(t, "router id 10.1.255.30;\n");
	has(t, "log \"/run/a b.log\" 1000000");
	has(t, "interface \"l0\" {\n\t\tmin rx interval 10 ms;\n\t\tmin tx interval 10 ms;");
	has(t, "interface \"l1\" {\n\t\tmin rx interval 100 ms;");
	has(t, "route 192.168.16.253/32 via 192.168.16.253%'l0' bfd;");
	has(t, "route fd00:16::1/128 via fd00:16::1%'l0' bfd;");
	assert_null(strstr(t, "192.168.17.253/32"));
	has(t, "kernel table 100001;");
	has(t, "kernel table 104096;");
	has(t, "local 10.1.255.30 as 65515;\n\tneighbor 10.52.0.254 as 4200000000;\n\tmultihop;\n"
	       "\tpassword \"s3cret; \\x }\";\n\thold time 30;");
	has(t, "import limit 4000 action restart;");
	/* routes with our own AS get as far as the filter, which is what counts them */
	has(t, "allow local as;");
	has(t, "if 12076 ~ bgp_path then reject;");
	has(t, "if 65515 ~ bgp_path then reject;");
	has(t, "neighbor fd00:52::254 as 65020;\n\tdisabled on;\n\tmultihop;\n");
	assert_null(strstr(strstr(t, "disabled on;") + 1, "disabled on;"));
	/* once, as the VNet's own, to those of groups 0, 1 and 63; typed ones say so */
	has(t, "\troute 10.1.0.0/16 blackhole;\n\troute 10.60.0.7/32 blackhole { bgp_origin = "
	       "ORIGIN_INCOMPLETE; };\n}");
	has(t, "define own4_0 = [ 10.1.0.0/16,\n\t10.60.0.7/32 ];");
	has(t, "define own4_1 = [ 10.1.0.0/16 ];");
	has(t, "define own6_1 = [ fd00:1::/48 ];");
	has(t, "define own4_63 = [ 10.1.0.0/16 ];");
	assert_null(strstr(t, "own6_0"));
	has(t, "if defined(told_by) then if told_by ~ [ 0, 1 ] then accept;");
	has(t, "next hop address ::ffff:10.1.255.30;");
	has(t, "extended next hop on;");
	free(t);
}

static void test_order_is_no_difference(void **state)
{
	struct world w;
	(void)state;
	make_world(&w);
	char *one = make(&w);
	struct bird_network n = w.networks[0];
	w.networks[0] = w.networks[3];
	w.networks[3] = n;
	char *other = make(&w);
	assert_string_equal(one, other);
	free(one);
	free(other);
}

static void test_bird_reads_it(void **state)
{
	struct world w;
	char said[256];
	(void)state;
	make_world(&w);
	accepted(&w);
	w.peers[2].next_hop = addr("fd00:1::5");
	w.peers[3].next_hop = addr("10.1.255.31");
	w.in.log = NULL;
	accepted(&w);
	w.in.n_peers = w.in.n_links = w.in.n_networks = 0;
	accepted(&w);
	/* a test that could not fail would be none */
	assert_int_not_equal(parse("router id 10.0.0.1; nonsense;\n", said), 0);
}

/* Whatever a secret has, it is a string of BIRD's or refused. */
static void test_secrets(void **state)
{
	struct world w;
	uint8_t secret[BIRD_SECRET + 1];
	char said[256], want[16];
	(void)state;
	make_world(&w);
	w.peers[2].secret = secret;
	for (int c = 0; c < 256; c++) {
		memcpy(secret, "a?b", 3);
		secret[1] = (uint8_t)c;
		w.peers[2].secret_len = 3;
		if (c == 0 || c == '"' || c == '\n' || c == '\r') {
			refused(&w, "takes no secret");
			continue;
		}
		char *t = make(&w);
		snprintf(want, sizeof want, "\"a%cb\";\n", c);
		has(t, want);
		/* each is parsed once by BIRD: some seconds for all would be too long */
		if ((strchr("\\;{}#'*/%$\t ", c) || c == 0x80 || c == 0xff || c == 1) &&
		    parse(t, said))
			fail_msg("byte %d: BIRD says %s", c, said);
		free(t);
	}
	memset(secret, 'x', sizeof secret);
	w.peers[2].secret_len = BIRD_SECRET;
	accepted(&w);
	w.peers[2].secret_len = BIRD_SECRET + 1;
	refused(&w, "1 to 80 bytes");
	w.peers[2].secret_len = 0;
	refused(&w, "1 to 80 bytes");
}

#define REFUSED(change, why)      \
	do {                      \
		make_world(&w);   \
		change;           \
		refused(&w, why); \
	} while (0)

/* The same AS at both ends of a tunnel's session: a path may have no AS at all. */
static void test_ibgp(void **state)
{
	struct world w;
	(void)state;
	make_world(&w);
	w.peers[2].peer_asn = w.peers[2].local_asn;
	char *text = make(&w);
	const char *peer = strstr(text, "protocol bgp peer_4096 ");
	assert_non_null(peer);
	assert_non_null(strstr(peer, "enforce first as off"));
	free(text);
	accepted(&w);
}

static void test_refusals(void **state)
{
	struct world w;
	(void)state;
	REFUSED(w.in.router_id = 0, "needs an id");
	REFUSED(w.in.log = "/run/a\";\n", "no path");
	REFUSED(w.links[1].device = "l0", "twice");
	REFUSED(w.links[1].device = "l1\"; include \"/x", "no name of a device");
	REFUSED(w.links[1].device = "l234567890123456", "no name of a device");
	REFUSED(w.links[0].peer[0] = addr("fd00::1"), "other families");
	REFUSED(w.links[0].multiplier = 256, "BFD takes");
	REFUSED(w.peers[1].number = 1, "there twice");
	REFUSED(w.peers[1].number = 0, "is not 1 to");
	REFUSED(w.peers[1].number = BIRD_PEERS + 1, "is not 1 to");
	REFUSED(w.peers[1].group = 64, "is not below");
	REFUSED(w.peers[1].peer_asn = 12076, "not those of eBGP");
	REFUSED(w.peers[1].local_asn = 0, "not those of eBGP");
	REFUSED(w.peers[1].local = addr("10.0.0.1"), "not of one family");
	REFUSED(w.peers[1].v6 = false, "no address family");
	REFUSED(w.peers[2].next_hop = addr("10.0.0.1"), "of its session's family");
	REFUSED(w.peers[0].device = "l7", "on no link");
	REFUSED(w.peers[0].hold_seconds = 2, "hold time");
	REFUSED(w.networks[0].prefix.addr.b[3] = 1, "no prefix");
	REFUSED(w.networks[0].prefix.addr.family = IP_NONE, "no prefix");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_contents),      cmocka_unit_test(test_order_is_no_difference),
		cmocka_unit_test(test_bird_reads_it), cmocka_unit_test(test_secrets),
		cmocka_unit_test(test_ibgp),	      cmocka_unit_test(test_refusals),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
