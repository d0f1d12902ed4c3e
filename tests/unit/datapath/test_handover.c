/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cryptography handed over between real threads, for ThreadSanitizer (FLAVOUR=tsan), ASan and the
 * checks of mill.h: every packet once, every flow in order, every sequence number once and rising.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "mill.h"

#define PACKETS	    40000u /* of an owner, at least */
#define PACKETS_MAX 400000u
#define JOBS	    200u /* done by helpers for an owner, at least */

static void open_all(void)
{
	for (unsigned t = 0; t < MILL_TUNNELS; t++)
		mill_open(t, 0, &mill_mix[t % 4], 0);
}

/* Bursts of every size, now and then a stop until all is through. */
static void grind_some(struct mill_owner *o)
{
	unsigned turns = (unsigned)(mill_random(&o->random) % 60);
	for (unsigned i = 0; i < turns; i++) {
		unsigned n = (unsigned)(mill_random(&o->random) % 400);
		mill_turn(o, mill_inside(o) < 1500 ? n : 0);
	}
}

static void empty(struct mill_owner *o)
{
	while (mill_inside(o))
		mill_turn(o, 0);
	MUST(!handover_pending(o->w));
	mill_check_frames(o);
}

static _Atomic bool enough, on_and_on;

static void *grind(void *argument)
{
	struct mill_owner *o = argument;
	rcu_register_thread();
	while (!atomic_load(&enough) &&
	       (atomic_load(&on_and_on) || o->fed < PACKETS ||
		(o->w->status.jobs_helped < JOBS && o->fed < PACKETS_MAX))) {
		grind_some(o);
		empty(o);
	}
	rcu_unregister_thread();
	return NULL;
}

static void start_owners(pthread_t *thread)
{
	atomic_store(&enough, false);
	for (unsigned i = 0; i < mill.d.n_io; i++)
		MUST(!pthread_create(&thread[i], NULL, grind, &mill.owner[i]));
}

/* Joining must not hold up what waits for a grace period elsewhere. */
static void join(pthread_t *thread)
{
	rcu_thread_offline();
	for (unsigned i = 0; i < mill.d.n_io; i++)
		MUST(!pthread_join(thread[i], NULL));
	rcu_thread_online();
}

static uint64_t sum_out(void)
{
	uint64_t sum = 0;
	for (unsigned t = 0; t < MILL_TUNNELS; t++) {
		struct datapath_traffic traffic;
		MUST(!datapath_connection_traffic(&mill.d, 2 * t, &traffic));
		sum += traffic.packets_out;
	}
	return sum;
}

static void run(unsigned owners, unsigned helpers, const char *backend)
{
	pthread_t thread[MILL_OWNERS];
	mill_start(owners, helpers, backend);
	mill.duplicates = true;
	open_all();
	mill_start_helpers();
	start_owners(thread);
	join(thread);
	mill_stop_helpers();
	uint64_t fed = 0, helped = 0, did = 0;
	for (unsigned i = 0; i < owners; i++) {
		const struct mill_owner *o = &mill.owner[i];
		const struct datapath_worker_status *s = &o->w->status;
		assert_int_equal(o->fed, o->delivered);
		assert_int_equal(s->drops[XGW_DROP_REPLAY], o->twice);
		assert_int_equal(mill_dropped(o), o->twice);
		assert_true(s->jobs_helped >= JOBS && s->jobs_helped <= s->jobs);
		fed += o->fed;
		helped += s->jobs_helped;
	}
	for (unsigned i = 0; i < mill.d.n_workers; i++)
		did += mill.worker[i].status.jobs_for_others;
	assert_int_equal(helped, did);
	assert_int_equal(sum_out(), fed);
	mill_stop();
}

static void test_one_owner_one_helper(void **state)
{
	(void)state;
	run(1, 1, "openssl");
}

static void test_two_owners_three_helpers(void **state)
{
	(void)state;
	run(2, 3, "auto");
}

/* Helpers end while there are jobs: what they began they finish, the rest is the owner's. */
static void test_helpers_end_in_the_middle(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 10; i++) {
		struct mill_owner *o = &mill.owner[0];
		mill_start(1, 2, "openssl");
		open_all();
		mill_start_helpers();
		while (!handover_pending(o->w) || o->w->status.jobs_helped < i)
			mill_turn(o, mill_inside(o) < 1500 ? 256 : 0);
		mill_stop_helpers();
		for (unsigned j = 0; j < 20; j++)
			mill_turn(o, 256);
		empty(o);
		assert_int_equal(o->fed, o->delivered);
		mill_stop();
	}
}

/* The owner ends: no job outlives it, all its frames are accounted for. */
static void test_owner_ends_in_the_middle(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 10; i++) {
		struct mill_owner *o = &mill.owner[0];
		mill_start(1, 2, "openssl");
		open_all();
		mill_start_helpers();
		while (!handover_pending(o->w) || o->w->status.jobs_helped < i)
			mill_turn(o, mill_inside(o) < 1500 ? 256 : 0);
		handover_drain(o->w);
		assert_false(handover_pending(o->w));
		mill_check_frames(o);
		mill_stop_helpers();
		mill_stop();
	}
}

/*
 * Children and tunnels change under load, without a wait for their packets. What is freed is not
 * read by a job (ASan), the changes are not held up for ever, and all is delivered or counted.
 * liburcu's own accesses are no atomics to ThreadSanitizer.
 */
#ifndef __SANITIZE_THREAD__
static bool all_were_helped(void)
{
	for (unsigned i = 0; i < 2; i++)
		if (!__atomic_load_n(&mill.owner[i].w->status.jobs_helped, __ATOMIC_RELAXED))
			return false;
	return true;
}

static void test_children_come_and_go(void **state)
{
	pthread_t thread[MILL_OWNERS];
	(void)state;
	mill_start(2, 2, "auto");
	mill.lossy = true;
	open_all();
	mill_start_helpers();
	atomic_store(&on_and_on, true);
	start_owners(thread);
	for (unsigned round = 0; round < 16; round++)
		for (unsigned t = 0; t < MILL_TUNNELS; t++) {
			const struct mill_cipher *c = &mill_mix[(t + round) % 4];
			mill_open(t, round + 1, c, 0);
			const struct child_sa moved = mill_child(t, round + 1, c, true);
			MUST(!datapath_child_update(&mill.d, &moved));
			mill_shut(t, round, round & 1);
		}
	/* on a busy machine helpers may not have had a turn yet */
	for (unsigned ms = 0; ms < 20000 && !all_were_helped(); ms++)
		usleep(1000);
	atomic_store(&enough, true);
	join(thread);
	mill_stop_helpers();
	atomic_store(&on_and_on, false);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(mill_inside(&mill.owner[i]), 0);
		assert_true(mill.owner[i].delivered > 0);
		assert_true(mill.owner[i].w->status.jobs_helped > 0);
	}
	mill_stop();
}
#endif

/* RFC 9611: a worker's own child before the one for all, never another worker's; newest first. */
static void test_children_of_workers(void **state)
{
	(void)state;
	mill_start(2, 0, "openssl");
	const struct mill_cipher *c = &mill_mix[0];
	mill_open(0, 0, c, 0);
	mill_open(0, 1, c, 2);
	const struct {
		int shut;	   /* an age */
		int open, open_of; /* an age, and its worker */
		int sends[2];	   /* which age each worker sends on, -1: none */
	} steps[] = {
		{-1, -1, 0, {0, 1}},   {-1, 2, 1, {2, 1}},  {-1, 3, 0, {2, 1}},
		{2, -1, 0, {3, 1}},    {-1, 4, 2, {3, 4}},  {1, -1, 0, {3, 4}},
		{3, -1, 0, {0, 4}},    {0, -1, 0, {-1, 4}}, {4, -1, 0, {-1, -1}},
		{-1, 5, 64, {-1, -1}}, {-1, 6, 1, {6, -1}},
	};
	for (unsigned i = 0; i < sizeof steps / sizeof *steps; i++) {
		if (steps[i].shut >= 0)
			mill_shut(0, (unsigned)steps[i].shut, true);
		if (steps[i].open >= 0)
			mill_open(0, (unsigned)steps[i].open, c, (uint16_t)steps[i].open_of);
		for (unsigned who = 0; who < 2; who++) {
			struct mill_owner *o = &mill.owner[who];
			uint64_t before[MILL_SPIS], lost = mill_dropped(o);
			memcpy(before, o->sent_by, sizeof before);
			mill_feed(o, 0);
			o->next_out[0] = o->next_in[0] - 1;
			while (mill_inside(o))
				mill_turn(o, 0);
			int sends = steps[i].sends[who];
			assert_int_equal(mill_dropped(o), lost + (sends < 0));
			for (unsigned age = 0; age < MILL_AGES; age++) {
				uint32_t spi = mill_spi(0, age, false) - MILL_SPI;
				assert_int_equal(o->sent_by[spi],
						 before[spi] + ((int)age == sends));
			}
		}
	}
	mill_stop();
}

/* A peer's window of 32 must do: what is judged here is the wire, which mill.h watches. And a
 * small window of ours is no place for another core's order. */
static void test_small_window_decrypts_here(void **state)
{
	(void)state;
	struct mill_owner *o = &mill.owner[0];
	mill_start(1, 1, "openssl");
	mill.d.o.replay_window = 64;
	open_all();
	mill_start_helpers();
	while (o->w->status.jobs_helped < 20 && o->fed < PACKETS_MAX) {
		grind_some(o);
		empty(o);
	}
	mill_stop_helpers();
	assert_true(o->w->status.jobs_helped >= 20);
	assert_int_equal(atomic_load(&o->w->handover->lane[LANE_IN].head), 0);
	assert_int_equal(o->fed, o->delivered);
	assert_int_equal(mill_dropped(o), 0);
	mill_stop();
}

/* Alone there is nothing to hand over to, and nothing is made for it. */
static void test_alone(void **state)
{
	(void)state;
	struct mill_owner *o = &mill.owner[0];
	mill_start(1, 0, "openssl");
	open_all();
	assert_null(o->w->handover);
	for (unsigned i = 0; i < 50; i++)
		mill_turn(o, 256);
	empty(o);
	assert_int_equal(o->fed, o->delivered);
	assert_int_equal(o->w->status.jobs, 0);
	mill_stop();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_alone),
		cmocka_unit_test(test_children_of_workers),
		cmocka_unit_test(test_one_owner_one_helper),
		cmocka_unit_test(test_two_owners_three_helpers),
		cmocka_unit_test(test_helpers_end_in_the_middle),
		cmocka_unit_test(test_owner_ends_in_the_middle),
		cmocka_unit_test(test_small_window_decrypts_here),
#ifndef __SANITIZE_THREAD__
		cmocka_unit_test(test_children_come_and_go),
#endif
	};
	rcu_register_thread();
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	rcu_unregister_thread();
	return failed;
}
