/* SPDX-License-Identifier: Apache-2.0 */
/* Faults, secrets, log lines and limits, the table of algorithms. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/algorithms.h"
#include "base/fault.h"
#include "base/instant.h"
#include "base/log.h"
#include "base/secret.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static void faults_are_read_as_one_line(void **state)
{
	(void)state;
	struct fault f;
	char line[FAULT_TEXT];
	assert_int_equal(fault_set(&f, -ENOENT, "expected %s, found %s", "a file", "nothing"),
			 -ENOENT);
	fault_place(&f, "%s:%d:%d", "x.yaml", 3, 4);
	fault_advise(&f, "make one");
	assert_int_equal(fault_prefix(&f, "connection %s", "c1"), -ENOENT);
	assert_string_equal(fault_format(&f, line),
			    "x.yaml:3:4: connection c1: expected a file, found nothing; make one");
	assert_int_equal(fault_set(NULL, -EINVAL, "nobody listens"), -EINVAL);
}

static void secrets_are_wiped_and_compared(void **state)
{
	(void)state;
	struct secret s = {0};
	assert_int_equal(secret_set(&s, "correct horse", 13), 0);
	assert_true(secret_equal(s.b, s.len, "correct horse", 13));
	assert_false(secret_equal(s.b, s.len, "correct hors", 12));
	assert_false(secret_equal(s.b, s.len, "Correct horse", 13));
	uint8_t big[SECRET_MAX + 1] = {0};
	assert_int_equal(secret_set(&s, big, sizeof big), -EMSGSIZE);
	secret_wipe(&s);
	static const struct secret zero;
	assert_memory_equal(&s, &zero, sizeof s);
}

static char last[1100];
static void keep(enum log_group group, enum log_level level, const char *line)
{
	(void)group;
	(void)level;
	snprintf(last, sizeof last, "%s", line);
}

/* SECURITY A7 (CVE-2023-28771): what came from the wire is one line of the log, whatever it says.
 */
static void log_lines_have_no_control_characters(void **state)
{
	(void)state;
	log_set_sink(keep);
	log_info(LOG_IKE, "from=%s", "evil\n\x1b[31mline");
	assert_string_equal(last, "from=evil??[31mline");
	last[0] = 0;
	log_debug(LOG_IKE, "unseen");
	assert_string_equal(last, "");
	log_set_level(LOG_IKE, LOG_LEVEL_DEBUG);
	log_debug(LOG_IKE, "seen");
	assert_string_equal(last, "seen");
	log_set_sink(NULL);
}

static void log_limit_lets_some_through_each_second(void **state)
{
	(void)state;
	struct log_limit l = {0};
	unsigned passed = 0;
	for (int i = 0; i < 100; i++)
		passed += log_limit_pass(&l, NS_PER_S, 5);
	assert_int_equal(passed, 5);
	assert_int_equal(l.suppressed, 95);
	assert_true(log_limit_pass(&l, 2 * NS_PER_S, 5));
}

static void algorithms_are_found_by_their_numbers(void **state)
{
	(void)state;
	for (int i = 1; i < ENCR_COUNT; i++) {
		const struct encryption *e = encryption_of((enum encryption_id)i);
		assert_int_equal(encryption_by_number(e->number, e->key_bits), i);
		assert_true(e->key_bits == 0 || e->key_bits == e->key_bytes * 8);
	}
	for (int i = 1; i < AUTH_COUNT; i++)
		assert_int_equal(integrity_by_number(integrity_of((enum integrity_id)i)->number),
				 i);
	for (int i = 1; i < PRF_COUNT; i++)
		assert_int_equal(prf_by_number(prf_of((enum prf_id)i)->number), i);
	for (int i = 1; i < DH_COUNT; i++)
		assert_int_equal(group_by_number(group_of((enum group_id)i)->number), i);
	assert_int_equal(encryption_by_number(20, 64), ENCR_NONE);
	assert_int_equal(group_by_number(1025), DH_NONE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(faults_are_read_as_one_line),
		cmocka_unit_test(secrets_are_wiped_and_compared),
		cmocka_unit_test(log_lines_have_no_control_characters),
		cmocka_unit_test(log_limit_lets_some_through_each_second),
		cmocka_unit_test(algorithms_are_found_by_their_numbers),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
