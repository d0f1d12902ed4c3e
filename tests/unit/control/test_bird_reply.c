/* SPDX-License-Identifier: Apache-2.0 */
/* Answers of BIRD's control socket: as 2.0.12 gives them, cut anywhere, and what is none. */
#include "control/bird_reply.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char answer[] =
	"2002-Name       Proto      Table      State  Since         Info\n"
	"1002-peer_1     BGP        ---        up     1796000987    Established   \n"
	"1006-  BGP state:          Established\n"
	"     Neighbor address: 192.168.16.253\n"
	"     Neighbor AS:      65010\n"
	"   Channel ipv4\n"
	"     State:          UP\n"
	"     Import limit:   4000\n"
	"       Action:       restart\n"
	"     Routes:         3 imported, 2 exported, 1 preferred\n"
	"     Route change stats:     received   rejected   filtered    ignored   accepted\n"
	"       Import updates:              9          2          4          0          3\n"
	"       Import withdraws:            9          9        ---          0          2\n"
	"   Channel ipv6\n"
	"     Routes:         4000000000 imported, 1 filtered, 7 exported, 3 preferred\n"
	"       Import updates:              5          1 4294967292          0          3\n"
	"   Channel mpls\n"
	"     Routes:         33 imported, 33 exported\n"
	" \n"
	"1002-device1    Device     ---        up     1796000987    \n"
	"1006-  BGP state:          Nonsense\n"
	" \n"
	"1002-peer_4096  BGP        ---        start  1796000990    Active        Socket: refused\n"
	"1006-  BGP state:          Active\n"
	"     Neighbor address: 10.52.0.254\n"
	"     Last error:       Socket: \x01"
	"Connection refused  \n"
	" \n"
	"0000 \n";

static struct bird_session seen[4];
static unsigned n_seen, n_done, last_code;
static char last_text[64];

static void on_session(void *owner, const struct bird_session *s)
{
	(void)owner;
	assert_true(n_seen < 4);
	seen[n_seen++] = *s;
}

static void on_done(void *owner, unsigned code, const char *text)
{
	(void)owner;
	n_done++;
	last_code = code;
	snprintf(last_text, sizeof last_text, "%s", text);
}

static struct bird_reply *fresh(void)
{
	static struct bird_reply r;
	n_seen = n_done = last_code = 0;
	*last_text = 0;
	bird_reply_init(&r, NULL, on_session, on_done);
	return &r;
}

static bool feed(struct bird_reply *r, const char *text)
{
	return bird_reply_feed(r, text, strlen(text));
}

static void check_answer(void)
{
	assert_int_equal(n_done, 1);
	assert_int_equal(last_code, 0);
	assert_int_equal(n_seen, 2);
	assert_int_equal(seen[0].number, 1);
	assert_true(seen[0].up);
	assert_string_equal(seen[0].state, "Established");
	assert_int_equal(seen[0].since, 1796000987);
	assert_int_equal(seen[0].imported[0], 3);
	assert_int_equal(seen[0].exported[0], 2);
	assert_int_equal(seen[0].imported[1], 4000000000);
	assert_int_equal(seen[0].exported[1], 7);
	assert_int_equal(seen[0].rejected, 3);
	/* their sum is more than there can be */
	assert_int_equal(seen[0].filtered, UINT32_MAX);
	assert_string_equal(seen[0].last_error, "");
	assert_int_equal(seen[1].number, 4096);
	assert_false(seen[1].up);
	assert_string_equal(seen[1].state, "Active");
	assert_int_equal(seen[1].imported[0], 0);
	assert_string_equal(seen[1].last_error, "Socket: .Connection refused");
}

static void test_sessions(void **state)
{
	(void)state;
	assert_true(feed(fresh(), answer));
	check_answer();
}

static void test_cut_anywhere(void **state)
{
	(void)state;
	for (size_t cut = 1; cut < sizeof answer - 1; cut++) {
		struct bird_reply *r = fresh();
		assert_true(bird_reply_feed(r, answer, cut));
		assert_int_equal(n_done, 0);
		assert_true(bird_reply_feed(r, answer + cut, sizeof answer - 1 - cut));
		check_answer();
	}
}

static void test_outcomes(void **state)
{
	(void)state;
	struct bird_reply *r = fresh();
	assert_true(feed(r, "0001 BIRD 2.0.12 ready.\n"));
	assert_int_equal(last_code, 1);
	assert_true(feed(r, "0002-Reading configuration from /x\n0003 Reconfigured\n"));
	assert_int_equal(n_done, 2);
	assert_int_equal(last_code, 3);
	assert_true(feed(r, "8002 /x:3:1 syntax error\n"));
	assert_int_equal(last_code, 8002);
	assert_string_equal(last_text, "/x:3:1 syntax error");
	assert_true(feed(r, "8003 No protocols match\n"));
	assert_int_equal(n_seen, 0);
}

static void test_others(void **state)
{
	static const char *const none[] = {"\n",      "hello\n",       "12\n",
					   "000x \n", "1002+peer_1\n", "123456\n"};
	(void)state;
	for (size_t i = 0; i < sizeof none / sizeof *none; i++)
		assert_false(feed(fresh(), none[i]));
	/* names that are not ours, numbers that are none */
	assert_true(feed(fresh(), "1002-peer_ BGP\n1002-peer_1x BGP\n1002-peer1 BGP\n0000 \n"));
	assert_int_equal(n_seen, 0);
	assert_true(feed(fresh(), "1002-peer_99999999999999999999 BGP\n1002-peer_2\n0000 \n"));
	assert_int_equal(n_seen, 2);
	assert_int_equal(seen[0].number, UINT32_MAX);
	assert_int_equal(seen[1].number, 2);
	assert_string_equal(seen[1].state, "");
	/* a line without end is cut, not kept */
	struct bird_reply *r = fresh();
	for (int i = 0; i < 10000; i++)
		assert_true(feed(r, "1002-aaaa"));
	assert_true(feed(r, "\n0000 \n"));
	assert_int_equal(n_done, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sessions),
		cmocka_unit_test(test_cut_anywhere),
		cmocka_unit_test(test_outcomes),
		cmocka_unit_test(test_others),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
