/* SPDX-License-Identifier: Apache-2.0 */
/* A link by rows of events, and its rules over random ones. */
#include "control/link_state.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
// cmocka needs those above
#include <cmocka.h>

#define S    1000000000ull
#define HOLD (10 * S)

enum event { CARRIER, BFD, BGP, TIME };
struct step {
	uint64_t at;
	enum event event;
	bool good, up;
	enum link_cause cause;
};

static bool carry_out(struct link_state *l, const struct step *s)
{
	if (s->event == TIME)
		return link_state_time(l, s->at);
	return link_state_sign(l, (enum link_sign)s->event, s->good, s->at);
}

static void run(const struct step *steps, size_t n)
{
	struct link_state l;
	link_state_init(&l, HOLD, 1);
	assert_false(l.up);
	assert_int_equal(link_state_cause(&l), LINK_CAUSE_CARRIER);
	for (size_t i = 0; i < n; i++) {
		bool was = l.up;
		assert_int_equal(carry_out(&l, &steps[i]), was != steps[i].up);
		assert_int_equal(l.up, steps[i].up);
		assert_int_equal(link_state_cause(&l), steps[i].cause);
	}
}
#define RUN(...)                                           \
	do {                                               \
		const struct step steps[] = {__VA_ARGS__}; \
		run(steps, sizeof steps / sizeof *steps);  \
	} while (0)

static void test_first_time_at_once(void **state)
{
	(void)state;
	RUN({1 * S, CARRIER, true, false, LINK_CAUSE_START},
	    {2 * S, BGP, true, true, LINK_CAUSE_NONE}, {3 * S, BFD, true, true, LINK_CAUSE_NONE});
}

static void test_each_sign_takes_it_down(void **state)
{
	(void)state;
	static const struct {
		enum event event;
		enum link_cause cause;
	} rows[] = {{CARRIER, LINK_CAUSE_CARRIER}, {BFD, LINK_CAUSE_BFD}, {BGP, LINK_CAUSE_BGP}};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		RUN({1 * S, CARRIER, true, false, LINK_CAUSE_START},
		    {1 * S, BGP, true, true, LINK_CAUSE_NONE},
		    {1 * S, BFD, true, true, LINK_CAUSE_NONE},
		    {5 * S, rows[i].event, false, false, rows[i].cause},
		    {6 * S, rows[i].event, true, false, LINK_CAUSE_HOLD},
		    {6 * S + HOLD - 1, TIME, false, false, LINK_CAUSE_HOLD},
		    {6 * S + HOLD, TIME, false, true, LINK_CAUSE_NONE});
}

/* A peer without BFD: the session alone speaks for the link. */
static void test_no_bfd_at_the_other_side(void **state)
{
	(void)state;
	RUN({1 * S, BFD, false, false, LINK_CAUSE_CARRIER},
	    {1 * S, CARRIER, true, false, LINK_CAUSE_START},
	    {1 * S, BGP, true, true, LINK_CAUSE_NONE}, {2 * S, BFD, false, true, LINK_CAUSE_NONE});
}

/* Each fall begins the hold-down anew; a link that flaps all the time is never used. */
static void test_flapping(void **state)
{
	struct link_state l;
	(void)state;
	link_state_init(&l, HOLD, 1);
	link_state_sign(&l, LINK_SIGN_CARRIER, true, S);
	assert_true(link_state_sign(&l, LINK_SIGN_BGP, true, S));
	assert_true(link_state_sign(&l, LINK_SIGN_CARRIER, false, 2 * S));
	for (uint64_t t = 3 * S; t < 1000 * S; t += HOLD / 2) {
		assert_false(link_state_sign(&l, LINK_SIGN_CARRIER, true, t));
		assert_int_equal(link_state_deadline(&l), t + HOLD);
		assert_false(link_state_sign(&l, LINK_SIGN_CARRIER, false, t + HOLD / 2 - 1));
		assert_int_equal(link_state_deadline(&l), UINT64_MAX);
	}
	assert_int_equal(l.n_switches, 2);
	assert_int_equal(l.last[0].cause, LINK_CAUSE_NONE);
	assert_int_equal(l.last[1].cause, LINK_CAUSE_CARRIER);
	assert_int_equal(l.last[1].at_ns, 2 * S);
}

/* By order it goes and comes at once, but never against a sign. */
static void test_order(void **state)
{
	struct link_state l;
	(void)state;
	link_state_init(&l, HOLD, 1);
	link_state_sign(&l, LINK_SIGN_CARRIER, true, S);
	assert_true(link_state_sign(&l, LINK_SIGN_BGP, true, S));
	assert_true(link_state_order(&l, false, 2 * S));
	assert_int_equal(link_state_cause(&l), LINK_CAUSE_ORDER);
	assert_false(link_state_time(&l, 100 * S));
	assert_false(link_state_order(&l, false, 101 * S));
	assert_true(link_state_order(&l, true, 102 * S));
	assert_true(link_state_order(&l, false, 103 * S));
	assert_false(link_state_sign(&l, LINK_SIGN_CARRIER, false, 104 * S));
	assert_false(link_state_order(&l, true, 105 * S));
	assert_int_equal(link_state_cause(&l), LINK_CAUSE_CARRIER);
	assert_false(link_state_sign(&l, LINK_SIGN_CARRIER, true, 106 * S));
	assert_int_equal(link_state_cause(&l), LINK_CAUSE_HOLD);
}

/* Up only when all signs are good, and, but for the first time, have been for the hold-down time;
 * down at once when one is bad. */
static void test_random(void **state)
{
	(void)state;
	for (unsigned seed = 1; seed <= 200; seed++) {
		struct link_state l;
		uint64_t now = 1, good_since = 0;
		bool sign[3] = {false}, seen = false, was_up = false;
		srand(seed);
		link_state_init(&l, HOLD, now);
		for (int i = 0; i < 500; i++) {
			now += (uint64_t)(rand() % 16) * S / (rand() % 2 ? 1 : 100);
			unsigned e = (unsigned)rand() % 4;
			bool before = l.up;
			if (e < 3) {
				sign[e] = rand() % 4 != 0;
				seen |= e == LINK_SIGN_BFD && sign[e];
				link_state_sign(&l, (enum link_sign)e, sign[e], now);
			} else {
				link_state_time(&l, now);
			}
			bool good = sign[LINK_SIGN_CARRIER] && sign[LINK_SIGN_BGP] &&
				    (sign[LINK_SIGN_BFD] || !seen);
			good_since = good ? good_since ? good_since : now : 0;
			bool up = good && (!was_up || before || now >= good_since + HOLD);
			assert_int_equal(l.up, up);
			assert_int_equal(link_state_cause(&l) == LINK_CAUSE_NONE, up);
			was_up |= up;
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_first_time_at_once),
		cmocka_unit_test(test_each_sign_takes_it_down),
		cmocka_unit_test(test_no_bfd_at_the_other_side),
		cmocka_unit_test(test_flapping),
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_random),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
