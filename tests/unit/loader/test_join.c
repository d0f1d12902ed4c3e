/* SPDX-License-Identifier: Apache-2.0 */
/* Forwarding database and neighbours joined: cases one by one, and random changes against a plain
 * model of both tables. */
#include "loader/join.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define DIRECTORIES 2u
#define ADDRESSES   40u
#define MACS	    24u
#define VTEPS	    4u

/* What the host has been told, by the last byte of the address. */
struct told {
	bool there;
	uint8_t mac;
	uint8_t vtep;
};
static struct told told[DIRECTORIES][ADDRESSES];
static int behind[DIRECTORIES][VTEPS];
static bool refuse;

static struct ip_addr address(uint8_t n)
{
	return (struct ip_addr){IP_V4, {10, 11, 0, n}};
}

static struct ip_addr vtep(uint8_t n)
{
	return (struct ip_addr){IP_V4, {192, 0, 2, n}};
}

static bool put(void *owner, uint32_t d, const struct ip_addr *a, const uint8_t mac[6],
		const struct ip_addr *v)
{
	(void)owner;
	if (refuse)
		return false;
	told[d][a->b[3]] = (struct told){true, mac[5], v->b[3]};
	behind[d][v->b[3]]++;
	return true;
}

static void take_away(void *owner, uint32_t d, const struct ip_addr *a)
{
	(void)owner;
	assert_true(told[d][a->b[3]].there);
	told[d][a->b[3]].there = false;
}

static void left(void *owner, uint32_t d, const struct ip_addr *v)
{
	(void)owner;
	assert_true(behind[d][v->b[3]] > 0);
	behind[d][v->b[3]]--;
}

static struct join *new_join(uint32_t limit)
{
	const struct join_host h = {put, take_away, left, NULL};
	struct join *j = join_new(&h, DIRECTORIES);
	assert_non_null(j);
	memset(told, 0, sizeof told);
	memset(behind, 0, sizeof behind);
	refuse = false;
	for (uint32_t d = 0; d < DIRECTORIES; d++)
		join_limit(j, d, limit);
	return j;
}

static void fdb(struct join *j, uint32_t d, uint8_t mac, uint8_t v)
{
	const uint8_t m[6] = {2, 0, 0, 0, 0, mac};
	struct ip_addr to = vtep(v);
	join_fdb(j, d, m, v ? &to : NULL);
}

static void neighbour(struct join *j, uint32_t d, uint8_t a, uint8_t mac)
{
	const uint8_t m[6] = {2, 0, 0, 0, 0, mac};
	struct ip_addr who = address(a);
	join_neighbour(j, d, &who, mac ? m : NULL);
}

static void both_orders(void **state)
{
	(void)state;
	struct join *j = new_join(100);
	fdb(j, 0, 1, 1);
	assert_false(told[0][7].there);
	neighbour(j, 0, 7, 1);
	assert_true(told[0][7].there && told[0][7].vtep == 1);
	neighbour(j, 0, 8, 2);
	assert_false(told[0][8].there);
	fdb(j, 0, 2, 3);
	assert_true(told[0][8].there && told[0][8].vtep == 3);
	assert_int_equal(join_count(j), 2);
	/* the other directory has the same addresses, and knows nothing of these */
	assert_false(told[1][7].there);
	neighbour(j, 1, 7, 1);
	assert_false(told[1][7].there);
	join_free(j);
}

static void moves_and_withdrawals(void **state)
{
	(void)state;
	struct join *j = new_join(100);
	fdb(j, 0, 1, 1);
	neighbour(j, 0, 7, 1);
	neighbour(j, 0, 9, 1);
	fdb(j, 0, 1, 2); /* the host moved: both addresses with it */
	assert_int_equal(told[0][7].vtep, 2);
	assert_int_equal(told[0][9].vtep, 2);
	assert_int_equal(behind[0][1], 0);
	assert_int_equal(behind[0][2], 2);
	fdb(j, 0, 3, 3);
	neighbour(j, 0, 9, 3); /* the address moved to another MAC */
	assert_true(told[0][9].mac == 3 && told[0][9].vtep == 3);
	fdb(j, 0, 1, 0);
	assert_false(told[0][7].there);
	fdb(j, 0, 1, 1);
	assert_true(told[0][7].there);
	neighbour(j, 0, 7, 0);
	assert_false(told[0][7].there);
	assert_int_equal(behind[0][1], 0);
	assert_int_equal(join_count(j), 1);
	join_free(j);
}

static void nonsense(void **state)
{
	(void)state;
	static const uint8_t group[6] = {1, 0, 0x5e, 0, 0, 1}, zero[6] = {0};
	struct join *j = new_join(100);
	struct ip_addr a = address(7), v = vtep(1);
	join_fdb(j, 0, group, &v);
	join_fdb(j, 0, zero, &v);
	join_neighbour(j, 0, &a, group);
	join_neighbour(j, 0, &a, zero);
	assert_int_equal(join_count(j), 0);
	fdb(j, DIRECTORIES, 1, 1);
	neighbour(j, DIRECTORIES, 1, 1);
	fdb(j, 0, 5, 0);
	neighbour(j, 0, 5, 0);
	assert_int_equal(join_refused(j), 0);
	/* what the host does not take is not there, until it changes */
	refuse = true;
	fdb(j, 0, 1, 1);
	neighbour(j, 0, 7, 1);
	assert_int_equal(join_count(j), 0);
	refuse = false;
	fdb(j, 0, 1, 2);
	assert_true(told[0][7].there);
	refuse = true;
	fdb(j, 0, 1, 3);
	assert_false(told[0][7].there);
	assert_int_equal(behind[0][2], 0);
	join_free(j);
}

static void limits(void **state)
{
	(void)state;
	struct join *j = new_join(3);
	for (uint8_t i = 1; i <= 5; i++) {
		fdb(j, 0, i, 1);
		neighbour(j, 0, i, i);
	}
	assert_int_equal(join_count(j), 3);
	assert_int_equal(join_refused(j), 4);
	assert_int_equal(join_refused(j), 0);
	fdb(j, 1, 1, 1); /* each has a limit of its own */
	neighbour(j, 1, 1, 1);
	assert_true(told[1][1].there);
	neighbour(j, 0, 1, 0);
	fdb(j, 0, 1, 0);
	fdb(j, 0, 5, 1);
	neighbour(j, 0, 5, 5);
	assert_true(told[0][5].there);
	join_free(j);
}

static void read_anew(void **state)
{
	(void)state;
	struct join *j = new_join(100);
	for (uint8_t i = 1; i <= 6; i++) {
		fdb(j, 0, i, 1);
		neighbour(j, 0, i, i);
		fdb(j, 1, i, 1);
		neighbour(j, 1, i, i);
	}
	join_begin(j);
	fdb(j, 0, 1, 1);
	fdb(j, 0, 2, 2);
	join_end(j, 0, JOIN_FDB);
	assert_int_equal(join_count(j), 2 + 6);
	assert_true(told[0][2].vtep == 2 && told[0][1].there && !told[0][3].there);
	fdb(j, 0, 3, 1); /* its neighbour was not forgotten */
	assert_true(told[0][3].there);
	join_begin(j);
	neighbour(j, 1, 4, 4);
	join_end(j, JOIN_ALL, JOIN_FDB | JOIN_NEIGHBOURS);
	assert_int_equal(join_count(j), 0);
	join_free(j);
}

static void as_a_model_says(void **state)
{
	(void)state;
	static uint8_t macs[DIRECTORIES][MACS], neighbours[DIRECTORIES][ADDRESSES];
	struct join *j = new_join(1000);
	srand(11);
	for (int i = 0; i < 50000; i++) {
		uint32_t d = (uint32_t)rand() % DIRECTORIES;
		uint8_t m = (uint8_t)(1 + rand() % (int)(MACS - 1));
		if (rand() % 2) {
			macs[d][m] = (uint8_t)(rand() % (int)VTEPS);
			fdb(j, d, m, macs[d][m]);
		} else {
			uint8_t a = (uint8_t)(rand() % (int)ADDRESSES);
			neighbours[d][a] = rand() % 4 ? m : 0;
			neighbour(j, d, a, neighbours[d][a]);
		}
		if (i % 50)
			continue;
		int count[DIRECTORIES][VTEPS] = {0};
		for (d = 0; d < DIRECTORIES; d++)
			for (uint8_t a = 0; a < ADDRESSES; a++) {
				uint8_t v = neighbours[d][a] ? macs[d][neighbours[d][a]] : 0;
				assert_int_equal(told[d][a].there, v != 0);
				if (!v)
					continue;
				assert_int_equal(told[d][a].vtep, v);
				assert_int_equal(told[d][a].mac, neighbours[d][a]);
				count[d][v]++;
			}
		assert_memory_equal(count, behind, sizeof count);
	}
	join_free(j);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_orders), cmocka_unit_test(moves_and_withdrawals),
		cmocka_unit_test(nonsense),    cmocka_unit_test(limits),
		cmocka_unit_test(read_anew),   cmocka_unit_test(as_a_model_says),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
