// SPDX-License-Identifier: Apache-2.0
/*
 * What the kernel's verifier says of each program. It differs from kernel to kernel, so it is
 * printed, and a program that comes near the limit on one of them is refused here first.
 */
#include "world.h"

/* bpftool's text, not ours to be strict about */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wcast-qual"
#include "bpf/transmit.skel.h"
#pragma GCC diagnostic pop

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum { LOG_STATISTICS = 4, LOG_SIZE = 1 << 16, PROGRAMS_MAX = 8 };
/* the kernel gives up after a million; a compiler's next version must still have room */
enum { INSTRUCTIONS_MAX = 500000 };

static void judge(struct bpf_program *p, const char *log)
{
	const char *name = bpf_program__name(p);
	const char *processed = strstr(log, "processed "), *stack = strstr(log, "stack depth ");
	unsigned instructions = 0;

	if (!processed || !stack || sscanf(processed, "processed %u insns", &instructions) != 1)
		fail_msg("%s: no statistics in the verifier's log: %s", name, log);
	printf("verifier %s: %u instructions, %.*s\n", name, instructions,
	       (int)strcspn(stack, "\n"), stack);
	if (instructions > INSTRUCTIONS_MAX)
		fail_msg("%s: %u instructions, more than %d", name, instructions, INSTRUCTIONS_MAX);
}

static void judge_each(struct bpf_object *o, unsigned n_programs)
{
	char *logs[PROGRAMS_MAX] = {0};
	struct bpf_program *p;
	unsigned n = 0;

	bpf_object__for_each_program(p, o)
	{
		assert_true(n < PROGRAMS_MAX);
		logs[n] = calloc(1, LOG_SIZE);
		must(logs[n]);
		must(bpf_program__set_log_buf(p, logs[n], LOG_SIZE) == 0);
		must(bpf_program__set_log_level(p, LOG_STATISTICS) == 0);
		n++;
	}
	assert_int_equal(n, n_programs);
	int err = bpf_object__load(o);
	for (unsigned i = 0; err && i < n; i++)
		printf("%s\n", logs[i]);
	assert_int_equal(err, 0);
	n = 0;
	bpf_object__for_each_program(p, o) judge(p, logs[n++]);
	for (unsigned i = 0; i < n; i++)
		free(logs[i]);
}

static void test_gateway(void **state)
{
	struct xgw_bpf *skel = xgw_bpf__open();

	(void)state;
	must(skel);
	judge_each(skel->obj, 4);
	xgw_bpf__destroy(skel);
}

static void test_transmit(void **state)
{
	struct transmit_bpf *skel = transmit_bpf__open();

	(void)state;
	must(skel);
	judge_each(skel->obj, 3);
	transmit_bpf__destroy(skel);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_gateway),
		cmocka_unit_test(test_transmit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
