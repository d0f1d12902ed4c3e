/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Post-quantum pre-shared keys (RFC 8784) between two engines: every case of the RFC's tables, both
 * roles; the keys of the children and of what rekeying makes hang on the key.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "sim.h"

static const char winter[] = "0123456789abcdef0123456789abcdef";
static const char summer[] = "another one of thirty-two octets";

struct side {
	const char *id, *key; /* NULL: none */
	bool required;
};

static struct sim *start(const struct side side[2])
{
	struct sim *s = sim_new(11, 2, NULL);
	for (unsigned i = 0; i < 2; i++) {
		struct ike_connection c = sim_connection(s, i, 1 - i);
		c.start = i ? IKE_START_RESPOND : IKE_START_BOTH;
		c.require_ppk = side[i].required;
		if (side[i].id) {
			c.ppk_id_len = (uint8_t)strlen(side[i].id);
			memcpy(c.ppk_id, side[i].id, c.ppk_id_len);
			assert_int_equal(secret_set(&c.ppk, side[i].key, strlen(side[i].key)), 0);
		}
		sim_add(s, i, &c);
	}
	sim_up(s, 0);
	sim_run(s, s->now_ns + 2 * NS_PER_S);
	assert_false(s->broken);
	return s;
}

static bool has_event(struct sim *s, unsigned i, const char *text)
{
	struct ike_status st;
	assert_int_equal(ike_status(s->node[i].ike, 1, &st), 0);
	for (unsigned k = 0; k < st.n_events; k++)
		if (strstr(st.events[k].text, text))
			return true;
	return false;
}

static bool agree(struct sim *s)
{
	return s->node[0].up && s->node[1].up && sim_agrees(&s->node[0], &s->node[1]) &&
	       sim_agrees(&s->node[1], &s->node[0]);
}

/* RFC 8784 section 3, table 1 and section 4: what comes of what each end has and wants. */
static void test_every_case(void **state)
{
	static const struct {
		struct side side[2];
		bool up, used;
		const char *says; /* the responder, or the initiator when it is the first to know */
		unsigned who;
	} rows[] = {
		{{{"w", winter, 0}, {"w", winter, 0}}, true, true, "\"w\" in use", 1},
		{{{"w", winter, 1}, {"w", winter, 1}}, true, true, "\"w\" in use", 1},
		{{{"w", winter, 1}, {"w", winter, 0}}, true, true, "\"w\" in use", 0},
		{{{"w", winter, 0}, {"w", winter, 1}}, true, true, "\"w\" in use", 0},
		{{{"w", winter, 0}, {NULL, NULL, 0}}, true, false, "does not have", 0},
		{{{NULL, NULL, 0}, {"w", winter, 0}}, true, false, "does not use any", 1},
		{{{"w", winter, 0}, {"x", winter, 0}}, true, false, "names another", 1},
		{{{"w", winter, 1}, {NULL, NULL, 0}}, false, false, "requirePostQuantum", 0},
		{{{NULL, NULL, 0}, {"w", winter, 1}}, false, false, "uses no post-quantum", 1},
		{{{"w", winter, 1}, {"x", winter, 0}}, false, false, "not here by that id", 1},
		{{{"w", winter, 0}, {"x", winter, 1}}, false, false, "uses another", 1},
		{{{"w", winter, 0}, {"w", summer, 0}}, false, false, "post-quantum", 1},
		{{{"w", winter, 1}, {"w", summer, 1}}, false, false, "post-quantum", 1},
	};
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct sim *s = start(rows[i].side);
		struct ike_status st;
		if (agree(s) != rows[i].up)
			fail_msg("row %zu: %s", i, s->node[0].last_fault.text);
		assert_int_equal(ike_status(s->node[rows[i].who].ike, 1, &st), 0);
		if (rows[i].up)
			assert_true(has_event(s, rows[i].who, rows[i].says));
		else if (!strstr(st.last_error.text, rows[i].says) &&
			 !strstr(st.last_error.advice, rows[i].says))
			fail_msg("row %zu, %u says: %s (%s)", i, rows[i].who, st.last_error.text,
				 st.last_error.advice);
		assert_int_equal(has_event(s, 0, "in use"), rows[i].used);
		assert_int_equal(has_event(s, 1, "in use"), rows[i].used);
		sim_free(s);
	}
}

/* The same random numbers with and without: no key is the same; rekeying of both kinds goes on. */
static void test_keys_hang_on_it(void **state)
{
	static const struct side with[2] = {{"w", winter, 0}, {"w", winter, 0}};
	static const struct side others[2] = {{"w", summer, 0}, {"w", summer, 0}};
	static const struct side without[2] = {{NULL, NULL, 0}, {NULL, NULL, 0}};
	struct sim *s[3] = {start(with), start(others), start(without)};
	(void)state;
	for (unsigned round = 0; round < 3; round++) {
		for (unsigned i = 0; i < 3; i++) {
			struct sim *a = s[i], *b = s[(i + 1) % 3];
			assert_true(agree(a));
			const struct secret *x =
				&sim_child_find(&a->node[0], a->node[0].current)->sa.key_out;
			const struct secret *y =
				&sim_child_find(&b->node[0], b->node[0].current)->sa.key_out;
			assert_false(secret_equal(x->b, x->len, y->b, y->len));
		}
		for (unsigned i = 0; i < 3; i++) {
			sim_rekey(s[i], round & 1);
			sim_run(s[i], s[i]->now_ns + 30 * NS_PER_S);
			assert_false(s[i]->broken);
		}
	}
	for (unsigned i = 0; i < 3; i++)
		sim_free(s[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_case),
		cmocka_unit_test(test_keys_hang_on_it),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
