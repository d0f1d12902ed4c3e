/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses, prefixes and ranges by tables. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/addr.h"

#include <string.h>

static struct ip_addr addr(const char *text)
{
	struct ip_addr a;
	assert_int_equal(ip_addr_parse(&a, text), 0);
	return a;
}

static struct ip_prefix prefix(const char *text)
{
	struct ip_prefix p;
	assert_int_equal(ip_prefix_parse(&p, text), 0);
	return p;
}

static struct ip_range range(const char *text)
{
	struct ip_range r;
	assert_int_equal(ip_range_parse(&r, text), 0);
	return r;
}

static void bad_texts_are_refused(void **state)
{
	(void)state;
	static const char *const rows[] = {"",
					   "10.0.0",
					   "10.0.0.0/33",
					   "10.0.0.0/",
					   "10.0.0.0/-1",
					   "10.0.0.0/+8",
					   "10.0.0.0/ 8",
					   "fd00::/129",
					   "10.0.0.0/8x",
					   "1.2.3.4.5",
					   "::1::",
					   "a",
					   "10.0.0.0/0008",
					   "300.1.1.1"};
	struct ip_prefix p;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		assert_int_not_equal(ip_prefix_parse(&p, rows[i]), 0);
	struct ip_range r;
	assert_int_not_equal(ip_range_parse(&r, "10.0.0.2-10.0.0.1"), 0);
	assert_int_not_equal(ip_range_parse(&r, "10.0.0.2-fd00::1"), 0);
	assert_int_not_equal(ip_range_parse(&r, "-"), 0);
}

static void prefixes_contain_and_overlap(void **state)
{
	(void)state;
	static const struct {
		const char *outer, *inner;
		int covers, overlaps;
	} rows[] = {
		{"10.0.0.0/8", "10.1.0.0/16", 1, 1},  {"10.1.0.0/16", "10.0.0.0/8", 0, 1},
		{"10.1.0.0/16", "10.2.0.0/16", 0, 0}, {"0.0.0.0/0", "255.255.255.255/32", 1, 1},
		{"0.0.0.0/0", "::/0", 0, 0},	      {"fd00::/9", "fd80::/9", 0, 0},
		{"fd00::/8", "fdff::1/128", 1, 1},    {"10.0.0.128/25", "10.0.0.127/32", 0, 0},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct ip_prefix a = prefix(rows[i].outer), b = prefix(rows[i].inner);
		assert_int_equal(ip_prefix_covers(&a, &b), rows[i].covers);
		assert_int_equal(ip_prefix_overlaps(&a, &b), rows[i].overlaps);
		assert_int_equal(ip_prefix_overlaps(&b, &a), rows[i].overlaps);
	}
}

static void ranges_print_as_prefixes_where_they_are(void **state)
{
	(void)state;
	static const struct {
		const char *in, *out;
	} rows[] = {
		{"10.0.0.0-10.0.0.255", "10.0.0.0/24"},
		{"10.0.0.1-10.0.0.255", "10.0.0.1-10.0.0.255"},
		{"0.0.0.0-255.255.255.255", "0.0.0.0/0"},
		{"::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "::/0"},
		{"10.0.0.7", "10.0.0.7/32"},
		{"fd00::/8", "fd00::/8"},
	};
	char text[RANGE_TEXT];
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct ip_range r = range(rows[i].in);
		assert_string_equal(ip_range_format(&r, text), rows[i].out);
	}
}

static void ranges_intersect(void **state)
{
	(void)state;
	struct ip_range a = range("10.0.0.0/24"), b = range("10.0.0.128-10.0.1.5"),
			c = range("10.0.2.0/24"), out;
	char text[RANGE_TEXT];
	assert_true(ip_range_intersect(&a, &b, &out));
	assert_string_equal(ip_range_format(&out, text), "10.0.0.128/25");
	assert_false(ip_range_intersect(&a, &c, &out));
	assert_true(ip_range_covers(&a, &out));
}

static void canonical_prefixes(void **state)
{
	(void)state;
	struct ip_prefix p = prefix("10.1.2.3/20"), c = ip_prefix_canonical(p);
	char text[PREFIX_TEXT];
	assert_false(ip_prefix_is_canonical(&p));
	assert_string_equal(ip_prefix_format(&c, text), "10.1.0.0/20");
	p = prefix("fd00::1/64");
	c = ip_prefix_canonical(p);
	assert_string_equal(ip_prefix_format(&c, text), "fd00::/64");
}

static void mapped_addresses_come_back(void **state)
{
	(void)state;
	static const char *const rows[] = {"10.1.2.3", "fd00::1", "::1", "0.0.0.0"};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct ip_addr a = addr(rows[i]), back;
		uint8_t m[16];
		ip_addr_to_mapped(&a, m);
		back = ip_addr_from_mapped(m);
		assert_true(ip_addr_equal(&a, &back));
	}
}

static void macs(void **state)
{
	(void)state;
	uint8_t m[6];
	char text[MAC_TEXT];
	assert_int_equal(mac_parse(m, "02:00:00:00:00:0A"), 0);
	assert_string_equal(mac_format(m, text), "02:00:00:00:00:0a");
	static const char *const bad[] = {"",
					  "02:00:00:00:00",
					  "02:00:00:00:00:0",
					  "02:00:00:00:00:0g",
					  "02.00.00.00.00.00",
					  "+2:00:00:00:00:00",
					  "02:00:00:00:00:000"};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_int_not_equal(mac_parse(m, bad[i]), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bad_texts_are_refused),
		cmocka_unit_test(prefixes_contain_and_overlap),
		cmocka_unit_test(ranges_print_as_prefixes_where_they_are),
		cmocka_unit_test(ranges_intersect),
		cmocka_unit_test(canonical_prefixes),
		cmocka_unit_test(mapped_addresses_come_back),
		cmocka_unit_test(macs),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
