/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses of clients: each only once, the same for who returns, none that is not an address. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "p2s/pool.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct pool *pool_of(const char *a, const char *b, uint32_t most)
{
	struct ip_prefix p[2];
	struct pool *out;
	struct fault f;
	assert_int_equal(ip_prefix_parse(&p[0], a), 0);
	if (b)
		assert_int_equal(ip_prefix_parse(&p[1], b), 0);
	assert_int_equal(pool_new(&out, p, b ? 2 : 1, most, &f), 0);
	return out;
}

static void gets(struct pool *p, const char *who, const char *v4, const char *v6)
{
	struct pool_lease l;
	struct fault f;
	char text[IP_TEXT];
	assert_int_equal(pool_take(p, who, true, true, NULL, &l, &f), 0);
	assert_string_equal(l.v4.family ? ip_addr_format(&l.v4, text) : "", v4 ? v4 : "");
	assert_string_equal(l.v6.family ? ip_addr_format(&l.v6, text) : "", v6 ? v6 : "");
}

static void ends_of_a_prefix(void **state)
{
	struct fault f;
	struct pool_lease l;
	(void)state;
	struct pool *p = pool_of("172.16.0.0/30", NULL, 100);
	assert_int_equal(pool_size(p), 2);
	gets(p, "a", "172.16.0.1", NULL);
	gets(p, "b", "172.16.0.2", NULL);
	assert_int_equal(pool_take(p, "c", true, false, NULL, &l, &f), -ENOSPC);
	assert_non_null(strstr(f.text, "all 2 addresses"));
	pool_free(p);
	p = pool_of("172.16.0.254/31", "10.0.0.255/32", 100);
	assert_int_equal(pool_size(p), 3);
	gets(p, "a", "172.16.0.254", NULL);
	gets(p, "b", "172.16.0.255", NULL);
	gets(p, "c", "10.0.0.255", NULL);
	pool_free(p);
	p = pool_of("10.0.254.0/23", "fd00::/120", 4096);
	assert_int_equal(pool_size(p), 255);
	gets(p, "a", "10.0.254.1", "fd00::1");
	pool_free(p);
	p = pool_of("10.0.0.0/8", NULL, 128);
	assert_int_equal(pool_size(p), 128);
	pool_free(p);
	p = pool_of("0.0.0.0/0", NULL, 7);
	assert_int_equal(pool_size(p), 7);
	pool_free(p);
	p = pool_of("fd00::/8", NULL, 9);
	assert_int_equal(pool_size(p), 9);
	assert_int_equal(pool_take(p, "a", true, false, NULL, &l, &f), -EAFNOSUPPORT);
	gets(p, "a", NULL, "fd00::1");
	pool_free(p);
}

static void who_returns_gets_the_same(void **state)
{
	struct pool_lease l, m;
	struct ip_addr wanted;
	struct fault f;
	(void)state;
	struct pool *p = pool_of("172.16.0.0/29", NULL, 100);
	gets(p, "a", "172.16.0.1", NULL);
	assert_int_equal(pool_take(p, "b", true, false, NULL, &l, &f), 0);
	gets(p, "c", "172.16.0.3", NULL);
	pool_give(p, l.slot);
	gets(p, "d", "172.16.0.4", NULL);
	assert_int_equal(pool_take(p, "b", true, false, NULL, &m, &f), 0);
	assert_int_equal(m.slot, l.slot);
	/* twice at once: another one */
	gets(p, "b", "172.16.0.5", NULL);
	/* a wish, when nobody has it */
	assert_int_equal(ip_addr_parse(&wanted, "172.16.0.6"), 0);
	assert_int_equal(pool_take(p, "e", true, false, &wanted, &l, &f), 0);
	assert_true(ip_addr_equal(&l.v4, &wanted));
	assert_int_equal(pool_used(p), 6);
	pool_give(p, l.slot);
	pool_give(p, l.slot);
	pool_give(p, 4711);
	assert_int_equal(pool_used(p), 5);
	pool_free(p);
}

/* Against a plain account of who has what. */
static void any_order(void **state)
{
	char who[16];
	struct fault f;
	(void)state;
	for (unsigned seed = 1; seed < 50; seed++) {
		struct pool *p = pool_of("10.0.0.0/27", "10.1.0.0/30", 40);
		struct pool_lease has[32];
		unsigned n = 0, size = pool_size(p), x = seed;
		for (unsigned i = 0; i < 2000; i++) {
			struct pool_lease l;
			x = x * 1103515245 + 12345;
			snprintf(who, sizeof who, "u%u", x >> 16 & 63);
			if (n && x >> 28 & 1) {
				unsigned k = (x >> 8) % n;
				pool_give(p, has[k].slot);
				has[k] = has[--n];
			} else if (pool_take(p, who, true, false, NULL, &l, &f)) {
				assert_int_equal(n, size);
			} else {
				for (unsigned k = 0; k < n; k++) {
					assert_int_not_equal(has[k].slot, l.slot);
					assert_false(ip_addr_equal(&has[k].v4, &l.v4));
				}
				has[n++] = l;
			}
			assert_int_equal(pool_used(p), n);
		}
		pool_free(p);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ends_of_a_prefix),
		cmocka_unit_test(who_returns_gets_the_same),
		cmocka_unit_test(any_order),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
