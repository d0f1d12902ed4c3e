/* SPDX-License-Identifier: Apache-2.0 */
/* Sorting by runs and by groups against a plain insertion, with all orders of what comes in. */
#include "control/sort.h"
#include "control_test.h"

struct item {
	uint32_t group, key, number;
};

static uint64_t seed = 1;

static uint32_t below(uint32_t n)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(seed >> 33) % n;
}

static int by_key(const void *a, const void *b)
{
	const struct item *x = a, *y = b;
	return x->key < y->key ? -1 : x->key > y->key;
}

static int by_all(const void *a, const void *b)
{
	const struct item *x = a, *y = b;
	if (x->group != y->group)
		return x->group < y->group ? -1 : 1;
	return by_key(a, b);
}

/* One behind the other, behind those that are equal. */
static void insert_all(struct item *to, const struct item *from, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		uint32_t k = i;
		for (; k > 0 && by_all(&to[k - 1], &from[i]) > 0; k--)
			to[k] = to[k - 1];
		to[k] = from[i];
	}
}

/* In order, the other way round, in runs, in none. */
static void fill(struct item *at, uint32_t n, uint32_t groups, uint32_t shape)
{
	for (uint32_t i = 0; i < n; i++)
		at[i] = (struct item){below(groups),
				      shape == 0   ? i
				      : shape == 1 ? n - i
				      : shape == 2 ? i % 17
						   : below(n),
				      i};
}

#define MOST 200u

static void test_order(void **state)
{
	(void)state;
	for (uint32_t round = 0; round < 4000; round++) {
		struct item from[MOST], expected[MOST];
		uint32_t n = below(MOST), groups = 1 + below(round % 2 ? 1 : 40), group[MOST];
		struct item *at = malloc((n + 1) * sizeof *at);
		assert_non_null(at);
		fill(from, n, groups, round % 4);
		insert_all(expected, from, n);
		memcpy(at, from, n * sizeof *at);
		for (uint32_t i = 0; i < n; i++)
			group[i] = from[i].group;
		assert_true(sort_groups((void **)&at, n, sizeof *at, group, groups, by_key));
		assert_memory_equal(at, expected, n * sizeof *at);
		memcpy(at, from, n * sizeof *at);
		assert_true(sort_runs(at, n, sizeof *at, by_all));
		assert_memory_equal(at, expected, n * sizeof *at);
		free(at);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_order)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
