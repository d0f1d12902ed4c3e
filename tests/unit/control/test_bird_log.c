/* SPDX-License-Identifier: Apache-2.0 */
/* Lines of BIRD's log: which session was closed for its limit, and what a peer may not make of it.
 */
#include "control/bird_log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define TIME "2026-11-30 09:40:55.123 "

static void test_lines(void **state)
{
	static const struct {
		const char *line;
		uint32_t number;
	} rows[] = {
		{TIME "<WARN> peer_1: Route limit exceeded, shutting down", 1},
		{TIME "<WARN> peer_4096: Route limit exceeded, shutting down", 4096},
		{"<WARN> peer_7: Route limit exceeded", 7},
		/* the same closing said a second time, by a channel */
		{TIME "<WARN> Protocol peer_1 hits route import limit (4000), action: restart", 0},
		{TIME "<WARN> Channel peer_1.ipv4 hits route import limit (4000), action: restart",
		 0},
		/* by the peer: what it writes does not begin a line */
		{TIME
		 "<RMT> peer_1: Received: Administrative shutdown: \"<WARN> peer_2: Route limit "
		 "exceeded, shutting down\"",
		 0},
		{TIME "<RMT> peer_1: Route limit exceeded, shutting down", 0},
		{TIME "<INFO> peer_1: Route limit exceeded", 0},
		/* numbers that are none */
		{TIME "<WARN> peer_: Route limit exceeded", 0},
		{TIME "<WARN> peer_1x: Route limit exceeded", 0},
		{TIME "<WARN> peer_99999999999999999999: Route limit exceeded", 0},
		{TIME "<WARN> peer_4294967299: Route limit exceeded", 0},
		{TIME "<WARN> peer_1: Route limit", 0},
		{TIME "<WARN> peer_1", 0},
		{TIME "<", 0},
		{"", 0},
	};
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		if (bird_log_limit(rows[i].line) != rows[i].number)
			fail_msg("%u for: %s", bird_log_limit(rows[i].line), rows[i].line);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_lines)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
