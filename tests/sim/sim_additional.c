/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Additional key exchanges (RFC 9370) in IKE_INTERMEDIATE (RFC 9242) and IKE_FOLLOWUP_KE between
 * two engines: how many messages, what refuses whom, that every secret counts, and any of it on a
 * bad network.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "ike/dh.h"
#include "sim.h"

static void add(struct ike_connection *c, unsigned n, const uint8_t *groups)
{
	c->ike[0].n_additional = (uint8_t)n;
	for (unsigned i = 0; i < n; i++)
		c->ike[0].additional[i] = groups[i];
	/* one end is lost when all of a request's repetitions are */
	c->dpd_timeout_ns = 60 * NS_PER_S;
}

#define NO_PFS (-1)

/* Children with a key exchange of their own, and these behind it. */
static void add_to_child(struct ike_connection *c, int n, const uint8_t *groups)
{
	if (n == NO_PFS)
		return;
	c->child[0].n_group = 1;
	c->child[0].group[0] = DH_CURVE25519;
	c->child[0].n_additional = (uint8_t)n;
	for (int i = 0; i < n; i++)
		c->child[0].additional[i] = groups[i];
}

static const uint8_t seven[] = {DH_ECP_256,	  DH_ECP_384,	DH_ECP_521,  DH_MODP_2048,
				DH_MODP_2048_256, DH_MODP_3072, DH_MODP_4096};

static struct sim *start_with(uint64_t seed, unsigned n0, const uint8_t *g0, unsigned n1,
			      const uint8_t *g1, int child0, int child1)
{
	struct sim *s = sim_new(seed, 2, NULL);
	struct ike_connection c[2] = {sim_connection(s, 0, 1), sim_connection(s, 1, 0)};
	c[1].start = IKE_START_RESPOND;
	add(&c[0], n0, g0);
	add(&c[1], n1, g1);
	add_to_child(&c[0], child0, g0);
	add_to_child(&c[1], child1, g1);
	sim_add(s, 0, &c[0]);
	sim_add(s, 1, &c[1]);
	return s;
}

static struct sim *start(uint64_t seed, unsigned n0, const uint8_t *g0, unsigned n1,
			 const uint8_t *g1)
{
	return start_with(seed, n0, g0, n1, g1, NO_PFS, NO_PFS);
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

/* The answer to a key exchange in fragments is lost: the responder has new keys by then, and knows
 * the repeated request by its old ones all the same. */
static void test_fragments_repeated(void **state)
{
	static const uint8_t groups[] = {DH_MODP_4096};
	struct sim *s = sim_new(11, 2, NULL);
	struct ike_connection c[2] = {sim_connection(s, 0, 1), sim_connection(s, 1, 0)};
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		add(&c[i], 1, groups);
		c[i].fragment_mtu = 576;
		sim_add(s, i, &c[i]);
	}
	s->hold = true;
	sim_up(s, 0);
	for (unsigned i = 0; i < 4; i++) /* IKE_SA_INIT, and the request in two fragments */
		sim_deliver(s, 0);
	assert_int_equal(s->n_queue, 1);
	sim_drop(s, 0);
	s->hold = false;
	after(s, 3);
	assert_true(agree(s));
	assert_int_equal(ike_count(s->node[1].ike, IKE_COUNT_FRAGMENT_INTEGRITY), 0);
	sim_free(s);
}

/* Loss, doubling and reordering of all messages, fragments among them. */
static void test_bad_network(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 200; seed++) {
		static const uint8_t groups[] = {DH_ECP_256, DH_ECP_384, DH_ECP_521};
		unsigned n = 1 + seed % 3;
		struct sim *s = start_with(seed, n, groups, n, groups, (int)(seed % 2 * n), (int)n);
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

/* ---- IKE_FOLLOWUP_KE (RFC 9370 section 2.2.4) ---- */

static uint64_t rekeyed(const struct sim *s, unsigned node, enum ike_counter what)
{
	return ike_count(s->node[node].ike, what);
}

/* Both kinds of rekeying, from both sides, with one to seven exchanges behind each. */
static void test_followed(void **state)
{
	(void)state;
	for (unsigned n = 1; n <= 7; n++) {
		struct sim *s = start_with(3, n, seven, n, seven, (int)n, (int)n);
		sim_up(s, 0);
		after(s, 1);
		assert_true(agree(s));
		for (unsigned by = 0; by < 2; by++) {
			unsigned before = s->datagrams;
			sim_rekey(s, by);
			after(s, 20);
			assert_true(agree(s));
			/* two of CREATE_CHILD_SA with n behind each, and two deletes, each with its
			 * answer */
			assert_int_equal(s->datagrams - before, 2 * (2 + 2 * n + 2));
			assert_int_equal(rekeyed(s, 0, IKE_COUNT_REKEYS_IKE), by + 1);
			assert_int_equal(rekeyed(s, 1, IKE_COUNT_REKEYS_CHILD), by + 1);
		}
		assert_int_equal(s->node[0].downs + s->node[1].downs, 0);
		sim_free(s);
	}
}

/* A peer that goes without them later on is taken: SK_d has what the first ones gave in it. */
static void test_optional_later(void **state)
{
	(void)state;
	for (unsigned case_ = 0; case_ < 4; case_++) {
		unsigned by = case_ & 1, with = case_ >> 1;
		struct sim *s = start_with(4, 1, seven, 1, seven, with ? 1 : 0, with ? 0 : 1);
		sim_up(s, 0);
		after(s, 1);
		unsigned before = s->datagrams;
		sim_rekey(s, by);
		after(s, 20);
		assert_true(agree(s));
		/* the child's: two and two; the IKE SA's: two, two and two */
		assert_int_equal(s->datagrams - before, 10);
		assert_int_equal(rekeyed(s, by, IKE_COUNT_REKEYS_CHILD), 1);
		sim_free(s);
	}
}

/* Both at once: nobody's nonces are compared, one of them comes later. No packet is lost. */
static void test_followed_by_both(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 60; seed++) {
		struct sim *s = start_with(seed, 2, seven, 2, seven, 2, 2);
		s->delay_max_ns = (5 + sim_below(&s->random, 100)) * NS_PER_MS;
		sim_up(s, 0);
		after(s, 3);
		sim_rekey(s, 0);
		after(s, (double)sim_below(&s->random, 200) / 1000);
		sim_rekey(s, 1);
		after(s, 100);
		assert_true(agree(s));
		assert_true(rekeyed(s, 0, IKE_COUNT_REKEYS_CHILD) >= 1 &&
			    rekeyed(s, 0, IKE_COUNT_REKEYS_IKE) >= 1);
		assert_int_equal(s->node[0].downs + s->node[1].downs, 0);
		sim_free(s);
	}
}

/* Delivers all until a message of this exchange type is about to go out. */
static void deliver_until(struct sim *s, uint8_t type)
{
	for (unsigned i = 0; i < 40; i++) {
		assert_int_equal(s->n_queue, 1);
		if (s->queue[0].bytes[18] == type)
			return;
		sim_deliver(s, 0);
	}
	fail_msg("no message of exchange %u", type);
}

/* The responder waits 20 s for the next exchange; then it knows of nothing, and all begins anew. */
static void test_state_not_found(void **state)
{
	(void)state;
	for (int child = NO_PFS; child <= 1; child++) {
		struct sim *s = start_with(6, 1, seven, 1, seven, child, child);
		sim_up(s, 0);
		after(s, 1);
		s->hold = true;
		sim_rekey(s, 0);
		deliver_until(s, 44);
		sim_drop(s, 0);
		s->hold = false;
		s->loss = 1000;
		after(s, 21); /* and one repetition comes behind that */
		s->loss = 0;
		after(s, 100);
		assert_true(agree(s));
		assert_true(rekeyed(s, 1, IKE_COUNT_REKEYS_IKE) >= 1);
		assert_true(rekeyed(s, 1, IKE_COUNT_REKEYS_CHILD) >= 1);
		assert_int_equal(s->node[0].downs + s->node[1].downs, 0);
		sim_free(s);
	}
}

/* ML-KEM (draft-ietf-ipsecme-ikev2-mlkem), where the library that runs has it: a KEM's two ends do
 * not do the same, so either end begins each kind of exchange, and on a bad network. */
static void test_mlkem(void **state)
{
	static const uint8_t kems[] = {DH_ML_KEM_768, DH_ECP_384, DH_ML_KEM_1024, DH_ML_KEM_512};
	(void)state;
	if (!dh_supports(DH_ML_KEM_768)) {
		print_message("this library has no ML-KEM\n");
		return;
	}
	for (unsigned n = 1; n <= 40; n++) {
		unsigned groups = 1 + n % 4;
		struct sim *s = start_with(n, groups, kems, groups, kems, (int)groups, (int)groups);
		struct ike_status st;
		s->loss = n > 4 ? 100 : 0;
		s->delay_max_ns = n > 4 ? 50 * NS_PER_MS : s->delay_min_ns;
		sim_up(s, 0);
		after(s, 60);
		s->loss = 0;
		sim_up(s, 0);
		after(s, 10);
		if (!agree(s))
			fail_msg("seed %u: %s", n, s->node[0].last_fault.text);
		assert_int_equal(ike_status(s->node[1].ike, 1, &st), 0);
		assert_non_null(strstr(st.proposal, "CURVE25519-MLKEM768"));
		for (unsigned by = 0; by < 2; by++) {
			sim_rekey(s, by);
			after(s, 60);
			assert_true(agree(s));
			assert_true(rekeyed(s, by, IKE_COUNT_REKEYS_IKE) > by);
			assert_true(rekeyed(s, by, IKE_COUNT_REKEYS_CHILD) > by);
		}
		sim_free(s);
	}
	print_message("ML-KEM ran\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_to_seven),
		cmocka_unit_test(test_different),
		cmocka_unit_test(test_changed_on_the_way),
		cmocka_unit_test(test_fragments_repeated),
		cmocka_unit_test(test_bad_network),
		cmocka_unit_test(test_followed),
		cmocka_unit_test(test_optional_later),
		cmocka_unit_test(test_followed_by_both),
		cmocka_unit_test(test_state_not_found),
		cmocka_unit_test(test_mlkem),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
