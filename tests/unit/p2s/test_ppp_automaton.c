/* SPDX-License-Identifier: Apache-2.0 */
/* The automaton against RFC 1661 section 4.1: the RFC's table as text, read back cell by cell. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "p2s/ppp_automaton.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Rows in the order of enum ppp_event, columns by state; "-" cannot happen; [r], [x] and [p] are
 * remarks. */
static const char *const rfc[PPP_EVENTS] = {
	/* Up    */ "2 irc,scr/6 - - - - - - - -",
	/* Down  */ "- - 0 tls/1 0 1 1 1 1 tld/1",
	/* Open  */ "tls/1 1 irc,scr/6 3r 5r 5r 6 7 8 9r",
	/* Close */ "0 tlf/0 2 2 4 4 irc,str/4 irc,str/4 irc,str/4 tld,irc,str/4",
	/* TO+   */ "- - - - str/4 str/5 scr/6 scr/6 scr/8 -",
	/* TO-   */ "- - - - tlf/2 tlf/3 tlf/3p tlf/3p tlf/3p -",
	/* RCR+  */ "- - sta/2 irc,scr,sca/8 4 5 sca/8 sca,tlu/9 sca/8 tld,scr,sca/8",
	/* RCR-  */ "- - sta/2 irc,scr,scn/6 4 5 scn/6 scn/7 scn/6 tld,scr,scn/6",
	/* RCA   */ "- - sta/2 sta/3 4 5 irc/7 scr/6x irc,tlu/9 tld,scr/6x",
	/* RCN   */ "- - sta/2 sta/3 4 5 irc,scr/6 scr/6x irc,scr/8 tld,scr/6x",
	/* RTR   */ "- - sta/2 sta/3 sta/4 sta/5 sta/6 sta/6 sta/6 tld,zrc,sta/5",
	/* RTA   */ "- - 2 3 tlf/2 tlf/3 6 6 8 tld,scr/6",
	/* RUC   */ "- - scj/2 scj/3 scj/4 scj/5 scj/6 scj/7 scj/8 scj/9",
	/* RXJ+  */ "- - 2 3 4 5 6 6 8 9",
	/* RXJ-  */ "- - tlf/2 tlf/3 tlf/2 tlf/3 tlf/3 tlf/3 tlf/3 tld,irc,str/5",
	/* RXR   */ "- - 2 3 4 5 6 7 8 ser/9",
};

static const struct {
	const char *name;
	unsigned action;
} actions[] = {
	{"tlu", PPP_TLU}, {"tld", PPP_TLD}, {"tls", PPP_TLS}, {"tlf", PPP_TLF}, {"irc", PPP_IRC},
	{"zrc", PPP_ZRC}, {"scr", PPP_SCR}, {"sca", PPP_SCA}, {"scn", PPP_SCN}, {"str", PPP_STR},
	{"sta", PPP_STA}, {"scj", PPP_SCJ}, {"ser", PPP_SER},
};

static struct ppp_transition parse(const char *cell, size_t n)
{
	struct ppp_transition t = {0, PPP_NO_STATE};
	const char *end = cell + n;
	if (n == 1 && *cell == '-')
		return t;
	while (cell < end && (*cell < '0' || *cell > '9')) {
		unsigned found = 0;
		for (unsigned i = 0; i < sizeof actions / sizeof *actions; i++)
			if (!strncmp(cell, actions[i].name, 3))
				found = actions[i].action;
		assert_int_not_equal(found, 0);
		t.actions |= (uint16_t)found;
		cell += 4;
	}
	assert_true(cell < end);
	t.next = (uint8_t)(*cell - '0');
	return t;
}

static void every_cell(void **state)
{
	(void)state;
	for (int event = 0; event < PPP_EVENTS; event++) {
		const char *at = rfc[event];
		for (int s = 0; s < PPP_STATES; s++) {
			size_t n = strcspn(at, " ");
			const struct ppp_transition want = parse(at, n);
			const struct ppp_transition is = ppp_transition(s, event);
			if (is.actions != want.actions || is.next != want.next)
				fail_msg("event %d, state %d: actions %x next %u, expected %x %u",
					 event, s, is.actions, is.next, want.actions, want.next);
			at += n;
			at += *at == ' ';
		}
		assert_int_equal(*at, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(every_cell)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
