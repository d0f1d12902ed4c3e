/* SPDX-License-Identifier: Apache-2.0 */
/* BIRD's log is read once and whole, however it is written and moved. */
#include "loader/router_log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

struct world {
	char directory[32], path[48], moved[48];
	struct router_log log;
	char seen[1024]; /* lines, each with '|' behind it */
};

static void make_world(struct world *w)
{
	memset(w, 0, sizeof *w);
	strcpy(w->directory, "/tmp/xgw-log-XXXXXX");
	assert_non_null(mkdtemp(w->directory));
	snprintf(w->path, sizeof w->path, "%s/log", w->directory);
	snprintf(w->moved, sizeof w->moved, "%s/log.1", w->directory);
}

static void end_world(struct world *w)
{
	router_log_close(&w->log);
	unlink(w->path);
	unlink(w->moved);
	assert_int_equal(rmdir(w->directory), 0);
}

static void say(const struct world *w, const char *text)
{
	FILE *f = fopen(w->path, "ae");
	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, strlen(text), f), strlen(text));
	assert_int_equal(fclose(f), 0);
}

static void on_line(void *owner, const char *text)
{
	struct world *w = owner;
	size_t n = strlen(w->seen);
	assert_true(n + strlen(text) + 2 < sizeof w->seen);
	snprintf(w->seen + n, sizeof w->seen - n, "%s|", text);
}

static void reads(struct world *w, const char *want)
{
	*w->seen = 0;
	router_log_read(&w->log, w, on_line);
	assert_string_equal(w->seen, want);
}

static void test_from_where_it_ends(void **state)
{
	struct world w;
	(void)state;
	make_world(&w);
	say(&w, "old\nolder\n");
	router_log_open(&w.log, w.path);
	reads(&w, "");
	say(&w, "a\nb\nhal");
	reads(&w, "a|b|");
	say(&w, "f\n\n");
	reads(&w, "half||");
	reads(&w, "");
	end_world(&w);
}

static void test_not_there_yet(void **state)
{
	struct world w;
	(void)state;
	make_world(&w);
	router_log_open(&w.log, w.path);
	reads(&w, "");
	say(&w, "first\n");
	reads(&w, "first|");
	end_world(&w);
}

static void test_moved(void **state)
{
	struct world w;
	(void)state;
	make_world(&w);
	router_log_open(&w.log, w.path);
	say(&w, "a\n");
	reads(&w, "a|");
	say(&w, "last of the first\n");
	assert_int_equal(rename(w.path, w.moved), 0);
	/* nobody writes in its place yet */
	reads(&w, "last of the first|");
	reads(&w, "");
	say(&w, "b\n");
	reads(&w, "b|");
	say(&w, "c\n");
	assert_int_equal(rename(w.path, w.moved), 0);
	say(&w, "d\n");
	reads(&w, "c|d|");
	end_world(&w);
}

static void test_a_line_without_end(void **state)
{
	struct world w;
	char want[ROUTER_LOG_LINE + 8];
	(void)state;
	make_world(&w);
	router_log_open(&w.log, w.path);
	for (int i = 0; i < 100; i++)
		say(&w, "0123456789");
	reads(&w, "");
	say(&w, "\nb\n");
	for (int i = 0; i < ROUTER_LOG_LINE - 1; i++)
		want[i] = (char)('0' + i % 10);
	strcpy(want + ROUTER_LOG_LINE - 1, "|b|");
	reads(&w, want);
	end_world(&w);
}

static unsigned n_lines;

static void count(void *owner, const char *text)
{
	(void)owner;
	assert_string_equal(text, "0123456789");
	n_lines++;
}

/* One reading takes a megabyte at most, and the next one the rest. */
static void test_much(void **state)
{
	struct world w;
	const unsigned all = 120000;
	(void)state;
	make_world(&w);
	router_log_open(&w.log, w.path);
	FILE *f = fopen(w.path, "we");
	assert_non_null(f);
	for (unsigned i = 0; i < all; i++)
		assert_true(fputs("0123456789\n", f) >= 0);
	assert_int_equal(fclose(f), 0);
	router_log_read(&w.log, NULL, count);
	assert_in_range(n_lines, 90000, all - 1);
	router_log_read(&w.log, NULL, count);
	assert_int_equal(n_lines, all);
	end_world(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_from_where_it_ends),
		cmocka_unit_test(test_not_there_yet),
		cmocka_unit_test(test_moved),
		cmocka_unit_test(test_a_line_without_end),
		cmocka_unit_test(test_much),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
