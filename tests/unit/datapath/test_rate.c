/* SPDX-License-Identifier: Apache-2.0 */
/* A gateway's rate: exact, bounded in bursts, fair, from several threads. Time is made here. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "datapath/rate.h"

#define SECOND 1000000000ull
#define MS     1000000ull
#define START  (12345 * SECOND + 678)
#define BURSTS 64u

/* The next time of a source that sends bursts of n packets of `bytes` at `bps`. */
struct source {
	struct rate_connection c;
	uint64_t bps, next_ns, sent, passed;
	uint32_t bytes, n;
};

static void source_start(struct source *s, uint64_t bps, uint32_t bytes, uint32_t n, uint64_t at)
{
	*s = (struct source){.bps = bps, .next_ns = at, .bytes = bytes, .n = n};
	rate_connection_init(&s->c);
}

static void source_send(struct source *s, struct rate_gateway *g)
{
	uint32_t bytes[BURSTS];
	bool pass[BURSTS];
	unsigned counted = 0;
	for (unsigned i = 0; i < s->n; i++)
		bytes[i] = s->bytes;
	unsigned passed = rate_take(g, &s->c, s->next_ns, bytes, s->n, pass);
	for (unsigned i = 0; i < s->n && passed; i++)
		counted += pass[i];
	assert_int_equal(passed, counted);
	s->sent += (uint64_t)s->n * s->bytes;
	s->passed += (uint64_t)passed * s->bytes;
	s->next_ns += (uint64_t)s->n * s->bytes * 8 * SECOND / s->bps;
}

/* All of them in order of time, until `end`. */
static void run(struct rate_gateway *g, struct source *s, unsigned n, uint64_t end)
{
	for (;;) {
		struct source *first = &s[0];
		for (unsigned i = 1; i < n; i++)
			if (s[i].next_ns < first->next_ns)
				first = &s[i];
		if (first->next_ns >= end)
			return;
		source_send(first, g);
	}
}

static void assert_share(uint64_t bytes, uint64_t bps, uint64_t seconds, double least, double most)
{
	double got = (double)bytes * 8 / (double)seconds / (double)bps;
	if (got < least || got > most)
		fail_msg("expected %.3f to %.3f of %llu bit/s, came %.4f", least, most,
			 (unsigned long long)bps, got);
}

static void check_rate(uint64_t bps, uint32_t bytes, unsigned n)
{
	struct rate_gateway g;
	struct source s;
	/* the first burst is over before counting starts; fast ones are watched for less long */
	uint64_t lead = bps < 10000000	  ? 10 * SECOND
			: bps < 500000000 ? 100 * MS
					  : 10 * MS,
		 watch = bps < 1000000000 ? 20 : 1;
	rate_gateway_init(&g, bps, START);
	source_start(&s, bps * 3, bytes, n, START);
	run(&g, &s, 1, START + lead);
	s.passed = 0;
	run(&g, &s, 1, START + lead + watch * lead);
	assert_share(s.passed * SECOND / lead, bps, watch, 0.99, 1.01);
}

static void test_rate_is_exact(void **state)
{
	static const uint64_t mbps[] = {1, 100, 650, 10000, 100000};
	static const uint32_t sizes[] = {64, 577, 1400};
	(void)state;
	for (unsigned r = 0; r < 5; r++)
		for (unsigned z = 0; z < 3; z++)
			for (unsigned n = 1; n <= BURSTS; n *= 8)
				check_rate(mbps[r] * 1000000, sizes[z], n);
}

static void test_within_the_rate_nothing_is_lost(void **state)
{
	struct rate_gateway g;
	struct source s;
	(void)state;
	rate_gateway_init(&g, 100000000, START);
	source_start(&s, 99000000, 1400, 16, START);
	run(&g, &s, 1, START + 20 * SECOND);
	assert_int_equal(s.passed, s.sent);
}

/* In every stretch of time, not only on average: rate * T + 2 bursts + what the last may overdraw.
 */
static void test_burst_is_bounded(void **state)
{
	struct rate_gateway g;
	struct source s[3];
	static const uint64_t silence[] = {0, 5 * MS, 300 * MS, 10 * SECOND};
	(void)state;
	const uint64_t bps = 200000000, burst = RATE_BURST_BYTES;
	for (unsigned q = 0; q < 4; q++)
		for (uint64_t stretch = MS; stretch <= 1000 * MS; stretch *= 10) {
			rate_gateway_init(&g, bps, START);
			uint64_t at = START + silence[q], sum = 0;
			for (unsigned i = 0; i < 3; i++)
				source_start(&s[i], 3000000000ull, 1500, 32, at);
			run(&g, s, 3, at + stretch);
			for (unsigned i = 0; i < 3; i++)
				sum += s[i].passed;
			uint64_t most = bps / 8 * stretch / SECOND + 2 * burst + 3 * 1500;
			if (sum > most || sum < burst)
				fail_msg("expected %llu to %llu bytes in %llu ms, came %llu",
					 (unsigned long long)burst, (unsigned long long)most,
					 (unsigned long long)(stretch / MS),
					 (unsigned long long)sum);
		}
}

static void test_slow_rates_let_whole_windows_pass(void **state)
{
	struct rate_gateway g;
	struct source s;
	(void)state;
	rate_gateway_init(&g, 1000000, START);
	source_start(&s, 10000000000ull, 1000, 64, START);
	source_send(&s, &g);
	assert_int_equal(s.passed, 64000);
}

/* Who wants less than its share gets all of it, however much the others send. */
static void test_modest_ones_lose_nothing(void **state)
{
	struct rate_gateway g;
	struct source s[10];
	(void)state;
	rate_gateway_init(&g, 100000000, START);
	for (unsigned i = 0; i < 10; i++)
		source_start(&s[i], i < 3 ? 2000000000 : 9000000, i < 3 ? 1400 : 700,
			     i < 3 ? 64 : 8, START + i * 1000);
	run(&g, s, 10, START + 10 * SECOND);
	uint64_t sum = 0;
	for (unsigned i = 0; i < 10; i++) {
		sum += s[i].passed;
		if (i >= 3)
			assert_int_equal(s[i].passed, s[i].sent);
		else
			assert_share(s[i].passed, 10000000, 10, 0.99, 3.8);
	}
	assert_share(sum, 100000000, 10, 0.99, 1.01);
}

static void test_equal_ones_get_equal_shares(void **state)
{
	enum { N = 50 };
	struct rate_gateway g;
	struct source s[N];
	(void)state;
	rate_gateway_init(&g, 1000000000, START);
	for (unsigned i = 0; i < N; i++)
		source_start(&s[i], 100000000 + i * 1000000, 1000, 4, START + i * 777);
	run(&g, s, N, START + 5 * SECOND);
	for (unsigned i = 0; i < N; i++)
		assert_share(s[i].passed, 1000000000 / N, 5, 0.98, 1.05);
}

/* One alone has everything again soon after the others fell silent. */
static void test_what_others_leave_is_used(void **state)
{
	struct rate_gateway g;
	struct source s[2];
	(void)state;
	rate_gateway_init(&g, 100000000, START);
	source_start(&s[0], 1000000000, 1400, 32, START);
	source_start(&s[1], 1000000000, 1400, 32, START);
	run(&g, s, 2, START + SECOND);
	assert_int_equal(rate_active(&g, START + SECOND), 2);
	run(&g, s, 1, START + 2 * SECOND);
	assert_int_equal(rate_active(&g, START + 2 * SECOND), 1);
	s[0].passed = 0;
	run(&g, s, 1, START + 3 * SECOND);
	assert_share(s[0].passed, 100000000, 1, 0.99, 1.01);
	assert_int_equal(rate_active(&g, START + 60 * SECOND), 1);
}

/* Many that wake up at the same instant do not each take a whole burst. */
static void test_many_at_once(void **state)
{
	enum { N = 1000 };
	struct rate_gateway g;
	static struct source s[N];
	uint64_t sum = 0;
	(void)state;
	rate_gateway_init(&g, 100000000, START);
	for (unsigned i = 0; i < N; i++) {
		source_start(&s[i], 1000000000, 1400, 64, START + SECOND);
		source_send(&s[i], &g);
		sum += s[i].passed;
	}
	assert_true(sum <= 2 * RATE_BURST_BYTES + 1400);
}

/* ---- threads ---- */

struct thread {
	pthread_t id;
	struct rate_gateway *g;
	struct rate_connection *c;
	_Atomic uint64_t *now;
	uint64_t passed;
};

static void *take_much(void *argument)
{
	struct thread *t = argument;
	uint32_t bytes[16];
	bool pass[16];
	for (unsigned i = 0; i < 16; i++)
		bytes[i] = 1000;
	for (uint64_t now; (now = atomic_load(t->now)) < START + 4 * SECOND;) {
		t->passed += 1000ull * rate_take(t->g, t->c, now, bytes, 16, pass);
		atomic_fetch_add(t->now, 2 * 1000);
	}
	return NULL;
}

/* Four workers, two connections, each used by two of them: 64 Gbit/s wanted, 5 allowed. */
static void test_threads(void **state)
{
	struct rate_gateway g;
	struct rate_connection c[2];
	struct thread t[4];
	_Atomic uint64_t now = START;
	(void)state;
	rate_gateway_init(&g, 5000000000ull, START);
	rate_connection_init(&c[0]);
	rate_connection_init(&c[1]);
	for (unsigned i = 0; i < 4; i++) {
		t[i] = (struct thread){.g = &g, .c = &c[i / 2], .now = &now};
		assert_int_equal(pthread_create(&t[i].id, NULL, take_much, &t[i]), 0);
	}
	uint64_t sum = 0;
	for (unsigned i = 0; i < 4; i++) {
		pthread_join(t[i].id, NULL);
		sum += t[i].passed;
	}
	assert_share(sum, 5000000000ull, 4, 0.99, 1.01);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rate_is_exact),
		cmocka_unit_test(test_within_the_rate_nothing_is_lost),
		cmocka_unit_test(test_burst_is_bounded),
		cmocka_unit_test(test_slow_rates_let_whole_windows_pass),
		cmocka_unit_test(test_modest_ones_lose_nothing),
		cmocka_unit_test(test_equal_ones_get_equal_shares),
		cmocka_unit_test(test_what_others_leave_is_used),
		cmocka_unit_test(test_many_at_once),
		cmocka_unit_test(test_threads),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
