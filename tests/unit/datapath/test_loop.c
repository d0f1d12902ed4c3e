/* SPDX-License-Identifier: Apache-2.0 */
/* Tunnels whose both ends are gateways of one instance: everything arrives, nothing leaves. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "mill.h"

enum { TURNS = 3000, FULL_TURNS = 200 };

static void start(unsigned owners, unsigned helpers)
{
	rcu_register_thread();
	mill_start(owners, helpers, "openssl");
	mill.loop = true;
	for (unsigned t = 0; t < MILL_TUNNELS; t++)
		mill_open(t, 0, &mill_mix[t % 4], 0);
	mill_start_helpers();
}

static void finish(void)
{
	rcu_thread_offline();
	mill_stop_helpers();
	rcu_thread_online();
	mill_stop();
	rcu_unregister_thread();
}

static void run(struct mill_owner *o, unsigned turns)
{
	for (unsigned i = 0; i < turns; i++)
		mill_turn(o, (unsigned)(mill_random(&o->random) % 200));
	for (unsigned i = 0; i < 100000 && mill_inside(o); i++)
		mill_turn(o, 0);
}

static void check_nothing_left(const struct mill_owner *o)
{
	assert_int_equal(o->tx[MILL_WAN].producer, 0);
	assert_int_equal(mill_inside(o), 0);
	assert_int_equal(o->w->n_looped, 0);
	mill_check_frames(o);
}

/* Each packet once, each flow in order (mill_collect), counted at both ends. */
static void carry(unsigned helpers)
{
	struct mill_owner *o = &mill.owner[0];
	struct datapath_traffic left, right;
	uint64_t sent = 0, received = 0;

	start(1, helpers);
	run(o, TURNS);
	assert_true(o->fed > 1000);
	assert_int_equal(o->delivered, o->fed);
	assert_int_equal(mill_dropped(o), 0);
	check_nothing_left(o);
	for (uint32_t t = 0; t < MILL_TUNNELS; t++) {
		assert_int_equal(datapath_connection_traffic(&mill.d, 2 * t, &left), 0);
		assert_int_equal(datapath_connection_traffic(&mill.d, 2 * t + 1, &right), 0);
		sent += left.packets_out;
		received += right.packets_in;
		assert_int_equal(left.bytes_out, right.bytes_in);
	}
	assert_int_equal(sent, o->fed);
	assert_int_equal(received, o->fed);
	finish();
}

static void test_one_worker(void **state)
{
	(void)state;
	carry(0);
}

static void test_with_helpers(void **state)
{
	(void)state;
	carry(2);
}

/* An SA that is gone is not the one that has its slot now; a new one is found. */
static void test_other_end_goes(void **state)
{
	struct mill_owner *o = &mill.owner[0];

	(void)state;
	start(1, 0);
	mill.lossy = true;
	run(o, 20);
	for (unsigned t = 0; t < MILL_TUNNELS; t++)
		MUST(!datapath_child_remove(&mill.d, mill_spi(t, 0, false)));
	uint64_t before = o->delivered, fed = o->fed;
	run(o, 20);
	assert_int_equal(o->delivered, before);
	assert_int_equal(o->w->status.drops[XGW_DROP_UNKNOWN_SPI], o->fed - fed);
	for (unsigned t = 0; t < MILL_TUNNELS; t++)
		mill_open(t, 1, &mill_mix[(t + 1) % 4], 0);
	before = o->delivered, fed = o->fed;
	run(o, 20);
	assert_int_equal(o->delivered - before, o->fed - fed);
	check_nothing_left(o);
	finish();
}

/* Routes in a circle: the time to live ends it, in rounds that end, and a full queue drops. */
static void test_circle(void **state)
{
	struct mill_owner *o = &mill.owner[0];
	uint64_t dropped;

	(void)state;
	start(1, 0);
	mill.circle = true;
	run(o, FULL_TURNS);
	assert_int_equal(o->delivered, 0);
	dropped = o->w->status.drops[XGW_DROP_TTL] + o->w->status.drops[XGW_DROP_NO_BUFFER];
	assert_int_equal(dropped, o->fed);
	assert_true(o->w->status.drops[XGW_DROP_TTL] > 0);
	check_nothing_left(o);
	finish();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_worker),
		cmocka_unit_test(test_with_helpers),
		cmocka_unit_test(test_other_end_goes),
		cmocka_unit_test(test_circle),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
