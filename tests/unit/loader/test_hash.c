/* SPDX-License-Identifier: Apache-2.0 */
/* The loader's table against an array that is searched. */
#include "loader/hash.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define KEYS 700u

struct item {
	uint32_t key, value;
};

static void same_as_array(const struct hash *h, const uint32_t *want)
{
	uint32_t at = 0, n = 0, there = 0;
	for (const struct item *e; (e = hash_next(h, &at)); n++) {
		assert_true(e->key < KEYS);
		assert_int_equal(e->value, want[e->key]);
	}
	for (uint32_t k = 0; k < KEYS; k++) {
		const struct item *e = hash_find(h, &k);
		there += want[k] != 0;
		assert_int_equal(e ? e->value : 0, want[k]);
	}
	assert_int_equal(n, there);
	assert_int_equal(h->n, there);
}

static void behaves_as_array(void **state)
{
	(void)state;
	uint32_t want[KEYS] = {0};
	struct hash h;
	srand(7);
	hash_init(&h, sizeof(uint32_t), sizeof(struct item));
	same_as_array(&h, want);
	for (uint32_t i = 0; i < 20000; i++) {
		uint32_t k = (uint32_t)rand() % KEYS;
		if (rand() % 5 < 2) {
			assert_int_equal(hash_remove(&h, &k), want[k] != 0);
			want[k] = 0;
		} else {
			struct item *e = hash_put(&h, &k);
			assert_non_null(e);
			assert_int_equal(e->value, want[k]);
			e->value = want[k] = i + 1;
		}
		if (i % 500 == 0)
			same_as_array(&h, want);
	}
	same_as_array(&h, want);
	hash_free(&h);
}

/* As its comment says: an entry just given may be removed, and none is missed. */
static void removed_while_walking(void **state)
{
	(void)state;
	struct hash h;
	hash_init(&h, sizeof(uint32_t), sizeof(struct item));
	for (uint32_t k = 0; k < KEYS; k++)
		((struct item *)hash_put(&h, &k))->value = k + 1;
	uint32_t at = 0;
	for (struct item *e; (e = hash_next(&h, &at));) {
		if (e->key % 3) {
			uint32_t k = e->key;
			hash_remove(&h, &k);
			at--;
		}
	}
	assert_int_equal(h.n, (KEYS + 2) / 3);
	for (uint32_t k = 0; k < KEYS; k++)
		assert_int_equal(hash_find(&h, &k) != NULL, k % 3 == 0);
	hash_free(&h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(behaves_as_array),
					   cmocka_unit_test(removed_while_walking)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
