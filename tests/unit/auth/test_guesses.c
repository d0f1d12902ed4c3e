/* SPDX-License-Identifier: Apache-2.0 */
/* SECURITY E30. Who guesses passwords waits; who does not, does not; and memory is bounded. */
#include "auth/guesses.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const uint8_t salt[GUESSES_SALT] = "0123456789abcde";

static struct ip_addr addr(const char *text)
{
	struct ip_addr a;
	assert_int_equal(ip_addr_parse(&a, text), 0);
	return a;
}

static bool may(struct guesses *g, const char *source, const char *user, int64_t now)
{
	const struct ip_addr a = addr(source);
	struct fault f = {0};
	bool yes = guesses_may(g, &a, (struct bytes){(const uint8_t *)user, strlen(user)}, now, &f);
	assert_int_equal(f.code, yes ? 0 : -EACCES);
	return yes;
}

/* One attempt with a wrong password; whether it was looked at. */
static bool guess(struct guesses *g, const char *source, const char *user, int64_t now)
{
	const struct ip_addr a = addr(source);
	if (!may(g, source, user, now))
		return false;
	guesses_failed(g, &a, (struct bytes){(const uint8_t *)user, strlen(user)}, now);
	return true;
}

static void knows(struct guesses *g, const char *source, const char *user)
{
	const struct ip_addr a = addr(source);
	guesses_succeeded(g, &a, (struct bytes){(const uint8_t *)user, strlen(user)});
}

static int set_up(void **state)
{
	return guesses_new((struct guesses **)state, salt);
}

static int tear_down(void **state)
{
	guesses_free(*state);
	return 0;
}

static void a_guesser_waits(void **state)
{
	struct guesses *g = *state;
	int64_t now = 1000000, hold = GUESSES_HOLD;
	for (int round = 0; round < 8; round++) {
		for (int i = 0; i < GUESSES_PAIR; i++)
			assert_true(guess(g, "198.51.100.7", "bob", now));
		assert_false(guess(g, "198.51.100.7", "bob", now));
		assert_false(guess(g, "198.51.100.7", "bob", now + hold - 1));
		now += hold;
		hold = hold * 2 < GUESSES_LONGEST ? hold * 2 : GUESSES_LONGEST;
	}
	/* tries while it waits do not make it longer */
	assert_true(may(g, "198.51.100.7", "bob", now));
	assert_int_equal(guesses_count(g).failed, 8 * GUESSES_PAIR);
	assert_int_equal(guesses_count(g).held, 8 * 2);
}

static void others_do_not(void **state)
{
	struct guesses *g = *state;
	for (int i = 0; i < 1000; i++)
		guess(g, "198.51.100.7", "bob", 1000);
	assert_false(may(g, "198.51.100.7", "bob", 1000));
	/* the honest one elsewhere, and the neighbour of the guesser */
	assert_true(may(g, "198.51.100.8", "bob", 1000));
	assert_true(may(g, "198.51.100.7", "carol", 1000));
	/* in IPv6 a /64 is one */
	for (int i = 0; i < GUESSES_PAIR; i++)
		assert_true(guess(g, i & 1 ? "2001:db8::1" : "2001:db8::2", "bob", 1000));
	assert_false(may(g, "2001:db8::3", "bob", 1000));
	assert_true(may(g, "2001:db8:0:1::3", "bob", 1000));
}

static void mistakes_are_no_guesses(void **state)
{
	struct guesses *g = *state;
	/* the right one clears */
	for (int k = 0; k < 20; k++) {
		for (int i = 0; i < GUESSES_PAIR - 1; i++)
			assert_true(guess(g, "198.51.100.7", k & 1 ? "bob" : "ann",
					  1000 + k * GUESSES_WHILE * 2));
		knows(g, "198.51.100.7", k & 1 ? "bob" : "ann");
	}
	/* and so does time */
	for (int i = 0; i < 100; i++)
		assert_true(guess(g, "198.51.100.9", "bob", 1000 + i * GUESSES_WHILE));
	/* what was long ago does not make the next time longer */
	for (int i = 0; i < GUESSES_PAIR; i++)
		assert_true(guess(g, "198.51.100.10", "bob", 1000));
	for (int i = 0; i < GUESSES_PAIR; i++)
		assert_true(guess(g, "198.51.100.10", "bob", 1002 + GUESSES_FORGET));
	assert_true(may(g, "198.51.100.10", "bob", 1002 + GUESSES_FORGET + GUESSES_HOLD));
}

static void one_source_many_names(void **state)
{
	struct guesses *g = *state;
	char name[20];
	unsigned looked_at = 0;
	for (unsigned i = 0; i < 1000; i++) {
		snprintf(name, sizeof name, "user%u", i);
		looked_at += guess(g, "198.51.100.7", name, 1000);
	}
	assert_int_equal(looked_at, GUESSES_SOURCE);
	assert_true(may(g, "198.51.100.8", "user1", 1000));
	assert_true(may(g, "198.51.100.7", "user1", 1000 + GUESSES_HOLD));
}

/* A flood of others neither takes memory nor frees who waits for long. */
static void full(void **state)
{
	struct guesses *g = *state;
	char source[20], name[20];
	int64_t now = 1000;
	for (int round = 0; round < 3; round++, now += GUESSES_LONGEST)
		for (int i = 0; i < GUESSES_PAIR; i++)
			assert_true(guess(g, "198.51.100.7", "bob", now));
	now -= GUESSES_LONGEST;
	for (unsigned i = 0; i < 20000; i++) {
		snprintf(source, sizeof source, "10.%u.%u.1", i >> 8 & 255, i & 255);
		snprintf(name, sizeof name, "user%u", i);
		assert_true(guess(g, source, name, now));
	}
	assert_false(may(g, "198.51.100.7", "bob", now));
}

static void clocks_and_nothing(void **state)
{
	struct guesses *g = *state;
	const struct ip_addr none = {0};
	struct fault f = {0};
	const struct bytes name = {(const uint8_t *)"bob", 3};
	for (int i = 0; i < GUESSES_PAIR; i++)
		assert_true(guess(g, "198.51.100.7", "bob", 1000000));
	/* the clock is set back by a year: nobody waits for a year */
	assert_true(may(g, "198.51.100.7", "bob", 1000000 - 31536000));
	for (int i = 0; i < 100; i++)
		guesses_failed(g, &none, name, 1000);
	assert_true(guesses_may(g, &none, name, 1000, &f));
	assert_true(guesses_may(NULL, &none, name, 1000, &f));
	guesses_failed(NULL, &none, name, 1000);
	guesses_succeeded(NULL, &none, name);
	assert_int_equal(guesses_count(NULL).failed, 0);
	/* a name longer than any */
	static uint8_t huge[5000];
	const struct ip_addr a = addr("198.51.100.77");
	for (int i = 0; i < GUESSES_PAIR; i++)
		guesses_failed(g, &a, (struct bytes){huge, sizeof huge}, 1000);
	assert_false(guesses_may(g, &a, (struct bytes){huge, sizeof huge}, 1000, &f));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
		T(a_guesser_waits),	  T(others_do_not), T(mistakes_are_no_guesses),
		T(one_source_many_names), T(full),	    T(clocks_and_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
