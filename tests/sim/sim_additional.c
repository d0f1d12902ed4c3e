/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Additional key exchanges (RFC 9370) in IKE_INTERMEDIATE (RFC 9242) between two engines: how many
 * messages, what refuses whom, that every secret counts, and any of it on a bad network.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "sim.h"

static void add(struct ike_connection *c, unsigned n, const uint8_t *groups)
{
	c->ike[0].n_additional = (uint8_t)n;
	for (unsigned i = 0; i < n; i++)
		c->ike[0].additional[i] = groups[i];
}

static const uint8_t seven[] = {DH_ECP_256,	  DH_ECP_384,	DH_ECP_521,  DH_MODP_2048,
				DH_MODP_2048_256, DH_MODP_3072, DH_MODP_4096};

static struct sim *start(uint64_t seed, unsigned n0, const uint8_t *g0, unsigned n1,
			 const uint8_t *g1)
{
	struct sim *s = sim_new(seed, 2, NULL);
	struct ike_connection c[2] = {sim_connection(s, 0, 1), sim_connection(s, 1, 0)};
	c[1].start = IKE_START_RESPOND;
	add(&c[0], n0, g0);
	add(&c[1], n1, g1);
	sim_add(s, 0, &c[0]);
	sim_add(s, 1, &c[1]);
	return s;
}

static void after(struct sim *s, double seconds)
{
	sim_run(s, s->now_ns + (uint64_t)(seconds * 1e9));
	if (s->broken)
		fail_msg("%s", s->why);
}

static bool agree(struct sim *s)
{
	return s->node[0].up && s->node[1].up && sim_agrees(&s->node[0], &s->node[1]) &&
	       sim_agrees(&s->node[1], &s->node[0]);
}

/* IKE_SA_INIT, one exchange for each, IKE_AUTH; then both kinds of rekeying. */
static void test_one_to_seven(void **state)
{
	(void)state;
	for (unsigned n = 0; n <= 7; n++) {
		struct sim *s = start(3, n, seven, n, seven);
		struct ike_status st;
		sim_up(s, 0);
		after(s, 1);
		assert_true(agree(s));
		assert_int_equal(s->datagrams, 4 + 2 * n);
		assert_int_equal(ike_status(s->node[1].ike, 1, &st), 0);
		assert_int_equal(strstr(st.proposal, "CURVE25519-ECP256") != NULL, n > 0);
		for (unsigned by = 0; by < 2; by++) {
			sim_rekey(s, by);
			after(s, 20);
			assert_true(agree(s));
			assert_int_equal(ike_count(s->node[0].ike, IKE_COUNT_REKEYS_IKE), by + 1);
		}
		assert_int_equal(s->node[0].downs + s->node[1].downs, 0);
		sim_free(s);
	}
}

/* Ends that want different ones, or another order, have no proposal in common, and say so. */
static void test_different(void **state)
{
	static const uint8_t other[] = {DH_ECP_384, DH_ECP_256};
	static const struct {
		unsigned n[2];
		const uint8_t *groups[2];
		const char *says;
	} rows[] = {
		{{1, 0}, {seven, seven}, "additional key exchange 1: ours none, theirs ECP256"},
		{{0, 1}, {seven, seven}, "additional key exchange 1: ours ECP256, theirs none"},
		{{2, 1}, {seven, seven}, "additional key exchange 2"},
		{{2, 2}, {seven, other}, "additional key exchange 1: ours ECP384, theirs ECP256"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct sim *s =
			start(5, rows[i].n[0], rows[i].groups[0], rows[i].n[1], rows[i].groups[1]);
		struct ike_status st;
		sim_up(s, 0);
		after(s, 1);
		assert_false(s->node[0].up || s->node[1].up);
		assert_int_equal(ike_status(s->node[1].ike, 1, &st), 0);
		if (!strstr(st.last_error.text, rows[i].says))
			fail_msg("row %zu: %s", i, st.last_error.text);
		sim_free(s);
	}
}

/* A bit of a public value changed by who has the keys is a signature away: here the datagram is
 * changed on the way, and is dropped; the repetition goes through. */
static void test_changed_on_the_way(void **state)
{
	(void)state;
	for (unsigned which = 2; which < 6; which++) {
		struct sim *s = start(9, 2, seven, 2, seven);
		s->hold = true;
		sim_up(s, 0);
		for (unsigned i = 0; i <= which; i++) {
			assert_int_equal(s->n_queue, 1);
			if (i == which)
				s->queue[0].bytes[60] ^= 1;
			sim_deliver(s, 0);
		}
		assert_int_equal(s->n_queue, 0);
		s->hold = false;
		after(s, 10);
		assert_true(agree(s));
		assert_int_equal(ike_count(s->node[0].ike, IKE_COUNT_INTEGRITY) +
					 ike_count(s->node[1].ike, IKE_COUNT_INTEGRITY),
				 1);
		sim_free(s);
	}
}

/* Loss, doubling and reordering of all messages, fragments among them. */
static void test_bad_network(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 200; seed++) {
		static const uint8_t groups[] = {DH_ECP_256, DH_ECP_384, DH_ECP_521};
		struct sim *s = start(seed, 1 + seed % 3, groups, 1 + seed % 3, groups);
		s->loss = (unsigned)sim_below(&s->random, 300);
		s->duplicate = (unsigned)sim_below(&s->random, 300);
		s->delay_max_ns = (10 + sim_below(&s->random, 1000)) * NS_PER_MS;
		sim_up(s, 0);
		after(s, 60);
		sim_rekey(s, seed & 1);
		after(s, 60);
		s->loss = s->duplicate = 0;
		s->delay_max_ns = s->delay_min_ns;
		sim_up(s, 0);
		after(s, 300);
		if (!agree(s))
			fail_msg("seed %" PRIu64 ": %s", seed, s->node[0].last_fault.text);
		sim_free(s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_to_seven),
		cmocka_unit_test(test_different),
		cmocka_unit_test(test_changed_on_the_way),
		cmocka_unit_test(test_bad_network),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
