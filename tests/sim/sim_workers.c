/* SPDX-License-Identifier: Apache-2.0 */
/* A child SA for each worker (RFC 9611), beside the one for any. Node 0 begins. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "sim.h"

static void after(struct sim *s, double seconds)
{
	sim_run(s, s->now_ns + (uint64_t)(seconds * 1e9));
	if (s->broken)
		fail_msg("%s", s->why);
}

/* Two nodes with that many workers, of which node 0 was told to connect. */
static struct sim *begin(uint64_t seed, unsigned ours, unsigned theirs,
			 const struct ike_options *options)
{
	struct sim *s = sim_new(seed, 2, options);
	for (unsigned i = 0; i < 2; i++) {
		struct ike_connection c = sim_connection(s, i, 1 - i);
		c.workers = (uint16_t)(i ? theirs : ours);
		c.start = i ? IKE_START_RESPOND : IKE_START_BOTH;
		sim_add(s, i, &c);
	}
	sim_up(s, 0);
	return s;
}

static unsigned lanes(const struct sim_node *node)
{
	unsigned n = 0;
	for (unsigned worker = 1; worker <= IKE_MAX_WORKERS; worker++)
		n += node->lane[worker] != 0;
	return n;
}

static void all_agree(struct sim *s)
{
	for (unsigned worker = 0; worker <= IKE_MAX_WORKERS; worker++)
		for (unsigned i = 0; i < 2; i++)
			if (!sim_worker_agrees(&s->node[i], &s->node[1 - i], worker))
				fail_msg("what worker %u of node %u sends with, %08x, is not at "
					 "the other end",
					 worker, i, sim_outbound(&s->node[i], worker));
}

/* No two workers of an end send with the same SA, except with the one for all. */
static void all_differ(const struct sim_node *node, unsigned workers)
{
	for (unsigned a = 1; a <= workers; a++) {
		assert_int_not_equal(node->lane[a], 0);
		assert_int_not_equal(node->lane[a], node->current);
		for (unsigned b = a + 1; b <= workers; b++)
			assert_int_not_equal(node->lane[a], node->lane[b]);
	}
}

/* What any worker sends meets an installed inbound SA when it arrives. */
static void watch_traffic(struct sim *s, unsigned workers, double seconds)
{
	uint64_t until = s->now_ns + (uint64_t)(seconds * 1e9);
	while (s->now_ns < until) {
		uint32_t spi[2][IKE_MAX_WORKERS + 1];
		for (unsigned i = 0; i < 2; i++)
			for (unsigned worker = 0; worker <= workers; worker++) {
				struct sim_node *n = &s->node[i];
				struct sim_child *out = sim_child_find(n, sim_outbound(n, worker));
				assert_non_null(out);
				spi[i][worker] = out->spi_out;
			}
		after(s, 0.01);
		for (unsigned i = 0; i < 2; i++)
			for (unsigned worker = 0; worker <= workers; worker++)
				assert_non_null(sim_child_find(&s->node[1 - i], spi[i][worker]));
	}
}

/* SECURITY C21: neither workers nor a tunnel that starts anew use a key twice: GCM's IV begins at
 * the same number with each of them. No SA ever moves to another host, so there is no failover to
 * try.
 */
static void no_key_twice(const struct sim_node *node)
{
	for (unsigned a = 0; a < node->n_children; a++)
		for (unsigned b = 0; b < node->n_children; b++) {
			const struct child_sa *x = &node->children[a].sa,
					      *y = &node->children[b].sa;
			if (a != b)
				assert_memory_not_equal(x->key_out.b, y->key_out.b, x->key_out.len);
			assert_memory_not_equal(x->key_out.b, y->key_in.b, x->key_out.len);
		}
}

static void test_keys_are_used_once(void **state)
{
	(void)state;
	struct sim *s = begin(7, 4, 4, NULL);
	after(s, 1);
	for (unsigned i = 0; i < 3; i++) {
		sim_rekey(s, i % 2);
		after(s, 10);
		sim_down(s, i % 2);
		after(s, 10);
		sim_up(s, 0);
		(void)ike_up(s->node[1].ike, 1, s->now_ns, &s->node[1].effects);
		sim_apply(&s->node[1]);
		after(s, 10);
		assert_true(s->node[0].up && s->node[1].up);
	}
	assert_true(s->node[0].n_children > 20);
	no_key_twice(&s->node[0]);
	no_key_twice(&s->node[1]);
	sim_free(s);
}

/* IKE_SA_INIT and IKE_AUTH, a CREATE_CHILD_SA for each worker, and one message that proves the last
 * one. */
static void test_each_worker_has_a_child(void **state)
{
	(void)state;
	for (unsigned workers = 2; workers <= IKE_MAX_WORKERS; workers++) {
		struct sim *s = begin(7, workers, workers, NULL);
		struct ike_status st;
		after(s, 1);
		assert_int_equal(s->datagrams, 2 * (2 + workers + 1));
		for (unsigned i = 0; i < 2; i++) {
			struct sim_node *n = &s->node[i];
			assert_int_equal(n->ups, 1);
			assert_int_equal(sim_installed(n), 1 + workers);
			all_differ(n, workers);
			assert_int_equal(ike_status(n->ike, 1, &st), 0);
			assert_int_equal(st.n_children, 1 + workers);
			for (unsigned k = 0; k < st.n_children; k++)
				assert_int_equal(st.children[k].spi_in,
						 st.children[k].worker
							 ? n->lane[st.children[k].worker]
							 : n->current);
		}
		all_agree(s);
		sim_free(s);
	}
}

/* Both begin at once: of the two IKE SAs one goes, with the children of its workers, and nothing
 * that was on its way is lost. */
static void test_one_of_two_goes(void **state)
{
	(void)state;
	for (unsigned seed = 1; seed <= 60; seed++) {
		struct sim *s = begin(seed, 1 + seed % 4, 1 + seed / 4 % 4, NULL);
		unsigned workers = 5;
		s->delay_max_ns += seed * NS_PER_MS;
		after(s, 0.002 * (seed % 7));
		struct ike_connection again = sim_connection(s, 1, 0);
		again.workers = (uint16_t)(1 + seed / 4 % 4);
		ike_remove(s->node[1].ike, again.id, s->now_ns, &s->node[1].effects);
		sim_apply(&s->node[1]);
		sim_add(s, 1, &again);
		sim_up(s, 1);
		for (unsigned i = 0; i < 400 && !(s->node[0].up && s->node[1].up); i++)
			after(s, 0.01);
		after(s, 0.2); /* who answers IKE_AUTH sends before the other end has it */
		watch_traffic(s, workers - 1, 25);
		all_agree(s);
		sim_free(s);
	}
}

static void test_unequal_workers(void **state)
{
	(void)state;
	static const struct {
		unsigned ours, theirs, our_lanes, their_lanes;
	} rows[] = {{3, 2, 3, 2}, {2, 3, 2, 2}, {3, 1, 3, 1}, {1, 3, 0, 0}};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct sim *s = begin(7, rows[i].ours, rows[i].theirs, NULL);
		after(s, 1);
		assert_int_equal(lanes(&s->node[0]), rows[i].our_lanes);
		assert_int_equal(lanes(&s->node[1]), rows[i].their_lanes);
		all_agree(s);
		sim_free(s);
	}
}

/* It leaves the notify unanswered: one child, and not one message more. */
static void test_peer_without_support(void **state)
{
	(void)state;
	for (unsigned by = 0; by < 2; by++) {
		struct sim *s = begin(7, by ? 0 : 3, by ? 3 : 0, NULL);
		after(s, 5);
		assert_true(s->node[0].up && s->node[1].up);
		assert_int_equal(s->datagrams, 4);
		assert_int_equal(sim_installed(&s->node[0]), 1);
		assert_int_equal(sim_installed(&s->node[1]), 1);
		sim_rekey(s, 1 - by);
		watch_traffic(s, 3, 20);
		assert_int_equal(sim_installed(&s->node[0]), 1);
		all_agree(s);
		sim_free(s);
	}
}

/* SECURITY D26: children of workers have a cap. TS_MAX_QUEUE: those left share the child of all,
 * and it is not asked for again and again. */
static void test_peer_takes_no_more(void **state)
{
	(void)state;
	const struct ike_options o = {.max_workers = 2};
	struct sim *s = begin(7, 4, 4, &o);
	struct ike_status st;
	bool said = false;
	after(s, 1);
	assert_int_equal(lanes(&s->node[0]), 2);
	assert_int_equal(lanes(&s->node[1]), 2);
	assert_int_equal(sim_installed(&s->node[0]), 3);
	assert_int_equal(sim_installed(&s->node[1]), 3);
	assert_int_equal(s->datagrams, 2 * (2 + 2 + 1 + 1));
	all_agree(s);
	assert_int_equal(ike_status(s->node[0].ike, 1, &st), 0);
	for (unsigned i = 0; i < st.n_events; i++)
		said |= strstr(st.events[i].text, "TS_MAX_QUEUE") != NULL;
	assert_true(said);
	after(s, 60);
	assert_int_equal(s->datagrams, 2 * (2 + 2 + 1 + 1));
	sim_free(s);
}

/* Whatever is lost, in the end each worker has its child, on both sides. */
static void test_loss(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 200; seed++) {
		unsigned workers = 2 + seed % 2;
		struct sim *s = begin(seed, workers, workers, NULL);
		s->loss = 250;
		s->duplicate = 100;
		s->delay_max_ns = 300 * NS_PER_MS;
		after(s, 90);
		s->loss = 0;
		after(s, 60);
		assert_true(s->node[0].up && s->node[1].up);
		for (unsigned i = 0; i < 2; i++) {
			all_differ(&s->node[i], workers);
			assert_int_equal(sim_installed(&s->node[i]), 1 + workers);
		}
		all_agree(s);
		sim_free(s);
	}
}

/* The child of one worker reached a soft limit: that one alone is replaced, without a gap. */
static void test_rekey_of_one(void **state)
{
	(void)state;
	for (unsigned by = 0; by < 2; by++)
		for (unsigned worker = 0; worker <= 3; worker++) {
			struct sim *s = begin(7, 3, 3, NULL);
			struct sim_node *n = &s->node[by];
			uint32_t before[4];
			after(s, 1);
			for (unsigned w = 0; w <= 3; w++)
				before[w] = sim_outbound(n, w);
			ike_child_expiring(n->ike, before[worker], s->now_ns, &n->effects);
			sim_apply(n);
			watch_traffic(s, 3, 20);
			for (unsigned w = 0; w <= 3; w++)
				assert_int_equal(sim_outbound(n, w) == before[w], w != worker);
			assert_int_equal(sim_installed(&s->node[0]), 4);
			assert_int_equal(sim_installed(&s->node[1]), 4);
			all_differ(n, 3);
			all_agree(s);
			sim_free(s);
		}
}

/* Everything, by one end or by both at once. */
static void test_rekey_of_all(void **state)
{
	(void)state;
	for (unsigned who = 0; who < 3; who++) {
		struct sim *s = begin(11 + who, 3, 3, NULL);
		after(s, 1);
		for (unsigned round = 0; round < 3; round++) {
			if (who != 1)
				sim_rekey(s, 0);
			if (who != 0)
				sim_rekey(s, 1);
			watch_traffic(s, 3, 40);
			for (unsigned i = 0; i < 2; i++) {
				all_differ(&s->node[i], 3);
				assert_int_equal(sim_installed(&s->node[i]), 4);
			}
			all_agree(s);
		}
		sim_free(s);
	}
}

static void test_both_begin_at_once(void **state)
{
	(void)state;
	struct sim *s = sim_new(7, 2, NULL);
	for (unsigned i = 0; i < 2; i++) {
		struct ike_connection c = sim_connection(s, i, 1 - i);
		c.workers = 3;
		sim_add(s, i, &c);
	}
	sim_up(s, 0);
	sim_up(s, 1);
	after(s, 30);
	for (unsigned i = 0; i < 2; i++) {
		all_differ(&s->node[i], 3);
		assert_int_equal(sim_installed(&s->node[i]), 4);
	}
	all_agree(s);
	sim_free(s);
}

static void test_down(void **state)
{
	(void)state;
	for (unsigned by = 0; by < 2; by++) {
		struct sim *s = begin(7, 3, 3, NULL);
		after(s, 1);
		sim_down(s, by);
		after(s, 1);
		for (unsigned i = 0; i < 2; i++) {
			assert_false(s->node[i].up);
			assert_int_equal(s->node[i].downs, 1);
			assert_int_equal(sim_outbound(&s->node[i], 1), 0);
		}
		after(s, 30);
		sim_up(s, by);
		sim_up(s, 0);
		after(s, 90); /* the other end may wait for its next attempt */
		all_differ(&s->node[0], 3);
		all_agree(s);
		sim_free(s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_worker_has_a_child),
		cmocka_unit_test(test_keys_are_used_once),
		cmocka_unit_test(test_one_of_two_goes),
		cmocka_unit_test(test_unequal_workers),
		cmocka_unit_test(test_peer_without_support),
		cmocka_unit_test(test_peer_takes_no_more),
		cmocka_unit_test(test_loss),
		cmocka_unit_test(test_rekey_of_one),
		cmocka_unit_test(test_rekey_of_all),
		cmocka_unit_test(test_both_begin_at_once),
		cmocka_unit_test(test_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
