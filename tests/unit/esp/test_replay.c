/* SPDX-License-Identifier: Apache-2.0 */
/* The replay window against a plain model that remembers every number, over millions of random
 * steps. */
#include "rig.h"

#include "esp/replay.h"

#define MODEL_SPAN                                                                    \
	(1u << 20) /* numbers the model remembers below its top; more than any window \
		    */

/* Every number seen, in a ring far larger than the window. */
struct model {
	uint64_t top, lost;
	uint32_t window;
	uint8_t *seen;
};

static bool model_check(const struct model *m, uint64_t seq)
{
	if (!seq)
		return false;
	if (seq > m->top)
		return true;
	return m->top - seq < m->window && !m->seen[seq % MODEL_SPAN];
}

static bool model_advance(struct model *m, uint64_t seq)
{
	if (!model_check(m, seq))
		return false;
	while (m->top < seq) {
		m->top++;
		if (m->top > m->window && !m->seen[(m->top - m->window) % MODEL_SPAN])
			m->lost++;
		m->seen[m->top % MODEL_SPAN] = 0;
	}
	m->seen[seq % MODEL_SPAN] = 1;
	return true;
}

/* Mostly in order, some reordered, some old, seldom a jump. */
static uint64_t next_number(const struct model *m, uint64_t *state)
{
	uint64_t r = rig_random(state), kind = r % 100, far = (r >> 8) % (2ull * m->window + 70);
	if (kind < 50)
		return m->top + 1;
	if (kind < 60)
		return m->top + 1 + (r >> 8) % 70;
	if (kind < 61)
		return m->top + far;
	return m->top > far ? m->top - far : (r >> 8) % 3;
}

/* A run goes in one step where it is one: right above the top, no longer than word and window. */
static void run_against_model(struct replay *r, struct model *m, uint64_t *state)
{
	unsigned n = (unsigned)(rig_random(state) % 70);
	uint64_t first = rig_random(state) & 3 ? m->top + 1 : next_number(m, state);
	bool whole = first == m->top + 1 && n && n <= 64 && n <= m->window;
	assert_int_equal(replay_advance_run(r, first, n), whole);
	for (unsigned i = 0; whole && i < n; i++)
		assert_true(model_advance(m, first + i));
}

static void against_model(uint32_t window, unsigned steps, uint64_t start)
{
	struct replay r;
	struct model m = {.window = window, .seen = calloc(MODEL_SPAN, 1)};
	uint64_t state = window;
	assert_non_null(m.seen);
	assert_int_equal(replay_init(&r, window), 0);
	r.top = m.top = start;
	if (start) /* everything below the start counts as seen, for both */
		memset(m.seen, 1, MODEL_SPAN);
	for (uint32_t i = 0; start && i < r.words; i++)
		r.bits[i] =
			i == (start >> 6 & (r.words - 1)) ? ~0ull >> (63 - (start & 63)) : ~0ull;
	for (unsigned i = 0; i < steps; i++) {
		uint64_t seq = next_number(&m, &state);
		assert_int_equal(replay_check(&r, seq), model_check(&m, seq));
		if (rig_random(&state) & 7)
			assert_int_equal(replay_advance(&r, seq), model_advance(&m, seq));
		else
			run_against_model(&r, &m, &state);
		assert_int_equal(r.top, m.top);
		assert_int_equal(r.lost, m.lost);
	}
	replay_free(&r);
	free(m.seen);
}

static void test_model(void **state)
{
	static const uint32_t windows[] = {1, 2, 63, 64, 65, 128, 1000, 1024, 4096, 65536};
	(void)state;
	for (size_t i = 0; i < sizeof windows / sizeof *windows; i++) {
		against_model(windows[i], 400000, 0);
		against_model(windows[i], 100000, UINT32_MAX - 5000ull);
	}
}

static void test_edges(void **state)
{
	struct replay r;
	(void)state;
	assert_int_equal(replay_init(&r, REPLAY_MAX_WINDOW + 1), -22);
	assert_int_equal(replay_init(&r, 64), 0);
	assert_false(replay_check(&r, 0));
	assert_true(replay_advance(&r, 1));
	assert_false(replay_advance(&r, 1));
	assert_true(replay_advance(&r, 64));
	assert_true(replay_check(&r, 2));
	assert_true(replay_advance(&r, 66)); /* window is now 3 … 66 */
	assert_false(replay_check(&r, 2));
	assert_true(replay_check(&r, 3));
	assert_int_equal(r.lost, 1); /* 2 */
	assert_true(replay_advance(&r, UINT64_MAX));
	assert_false(replay_advance(&r, UINT64_MAX));
	assert_true(replay_advance(&r, UINT64_MAX - 63));
	assert_false(replay_advance(&r, UINT64_MAX - 64));
	replay_free(&r);
	assert_int_equal(replay_init(&r, 0), 0); /* no protection */
	assert_true(replay_advance(&r, 5));
	assert_true(replay_advance(&r, 5));
	assert_true(replay_advance(&r, 1));
	assert_true(replay_advance_run(&r, 6, 64));
	assert_false(replay_advance_run(&r, 6, 64));
	assert_int_equal(r.top, 69);
	replay_free(&r);
}

/* RFC 4303 appendix A2.2: the sender's number comes back whole when it is near the top. */
static void test_extend(void **state)
{
	struct replay r;
	uint64_t seed = 7;
	(void)state;
	assert_int_equal(replay_init(&r, 1024), 0);
	for (unsigned i = 0; i < 1000000; i++) {
		uint64_t near = (rig_random(&seed) % 4 + 1) << 32;
		r.top = near + rig_random(&seed) % 4096 - 2048;
		uint64_t seq = r.top + rig_random(&seed) % 5000 - 1023;
		assert_int_equal(replay_extend(&r, (uint32_t)seq, true), seq);
		assert_int_equal(replay_extend(&r, (uint32_t)seq, false), (uint32_t)seq);
	}
	r.top = 0; /* nothing before the first subspace */
	assert_int_equal(replay_extend(&r, UINT32_MAX, true), UINT32_MAX);
	assert_int_equal(replay_extend(&r, 1, true), 1);
	r.top = (1ull << 32) + 10;
	assert_int_equal(replay_extend(&r, UINT32_MAX, true), UINT32_MAX);
	assert_int_equal(replay_extend(&r, 11, true), (1ull << 32) + 11);
	r.top = UINT32_MAX;
	assert_int_equal(replay_extend(&r, 0, true), 1ull << 32);
	replay_free(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_model),
		cmocka_unit_test(test_edges),
		cmocka_unit_test(test_extend),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
