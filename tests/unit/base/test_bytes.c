/* SPDX-License-Identifier: Apache-2.0 */
/* Cursors: a read or write that does not fit is refused, remembered, and touches nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/bytes.h"

#include <string.h>

static void reads_in_order(void **state)
{
	(void)state;
	const uint8_t in[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18};
	struct reader r;
	reader_init(&r, in, sizeof in);
	assert_int_equal(reader_u8(&r), 1);
	assert_int_equal(reader_u16(&r), 0x0203);
	assert_int_equal(reader_u24(&r), 0x040506);
	assert_int_equal(reader_u32(&r), 0x0708090a);
	assert_true(reader_u64(&r) == 0x0b0c0d0e0f101112ull);
	assert_true(reader_ok(&r));
	assert_false(reader_more(&r));
}

static void short_read_is_sticky(void **state)
{
	(void)state;
	const uint8_t in[] = {1, 2, 3};
	for (size_t n = 0; n <= sizeof in; n++) {
		struct reader r;
		reader_init(&r, in, n);
		assert_int_equal(reader_u32(&r), 0);
		assert_false(reader_ok(&r));
		assert_int_equal(reader_left(&r), 0);
		assert_int_equal(reader_u8(&r), 0);
		assert_null(reader_bytes(&r, 0).at);
	}
}

static void sub_reader_is_bounded_and_tells_its_parent(void **state)
{
	(void)state;
	const uint8_t in[] = {1, 2, 3, 4};
	struct reader r;
	reader_init(&r, in, sizeof in);
	struct reader sub = reader_sub(&r, 2);
	assert_int_equal(reader_u16(&sub), 0x0102);
	assert_int_equal(reader_u8(&sub), 0);
	assert_false(reader_ok(&sub));
	assert_false(reader_ok(&r));
}

static void tail_comes_off_the_end(void **state)
{
	(void)state;
	const uint8_t in[] = {1, 2, 3, 4, 5};
	struct reader r;
	reader_init(&r, in, sizeof in);
	struct bytes t = reader_tail(&r, 2);
	assert_int_equal(t.at[0], 4);
	assert_int_equal(reader_rest(&r).len, 3);
	assert_null(reader_tail(&r, 1).at);
	assert_false(reader_ok(&r));
}

static void writes_round_trip(void **state)
{
	(void)state;
	uint8_t out[32];
	struct writer w;
	writer_init(&w, out, sizeof out);
	writer_u8(&w, 0x11);
	struct writer_mark m = writer_begin_u16(&w);
	writer_u24(&w, 0x223344);
	writer_u64(&w, 0x5566778899aabbccull);
	writer_end_u16(&w, m, 1);
	writer_patch_u8(&w, 0, 0x99);
	assert_true(writer_ok(&w));
	assert_int_equal(writer_len(&w), 14);
	struct reader r;
	reader_init(&r, out, writer_len(&w));
	assert_int_equal(reader_u8(&r), 0x99);
	assert_int_equal(reader_u16(&r), 14);
	assert_int_equal(reader_u24(&r), 0x223344);
	assert_true(reader_u64(&r) == 0x5566778899aabbccull);
}

static void full_writer_writes_nothing(void **state)
{
	(void)state;
	uint8_t out[8];
	for (size_t room = 0; room < 4; room++) {
		memset(out, 0xee, sizeof out);
		struct writer w;
		writer_init(&w, out, room);
		writer_u32(&w, 0);
		assert_false(writer_ok(&w));
		writer_u8(&w, 0);
		assert_int_equal(writer_len(&w), 0);
		for (size_t i = 0; i < sizeof out; i++)
			assert_int_equal(out[i], 0xee);
	}
}

static void patches_stay_inside(void **state)
{
	(void)state;
	uint8_t out[8] = {0};
	struct writer w;
	writer_init(&w, out, sizeof out);
	writer_u32(&w, 1);
	writer_patch_u32(&w, 1, 0xffffffff);
	assert_false(writer_ok(&w));
	assert_int_equal(out[4], 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_in_order),
		cmocka_unit_test(short_read_is_sticky),
		cmocka_unit_test(sub_reader_is_bounded_and_tells_its_parent),
		cmocka_unit_test(tail_comes_off_the_end),
		cmocka_unit_test(writes_round_trip),
		cmocka_unit_test(full_writer_writes_nothing),
		cmocka_unit_test(patches_stay_inside),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
