/* SPDX-License-Identifier: Apache-2.0 */
/* Models with circuits and BGP, which may be judged and planned before all of it is carried out. */
#ifndef XGW_TESTS_CIRCUIT_TEST_H
#define XGW_TESTS_CIRCUIT_TEST_H

#include "control_test.h"

/* Takes "not supported yet" out of the findings. */
static inline void test_leave_out_later(struct config_findings *f)
{
	static const char later[] = ": not supported yet";
	size_t kept = 0;
	f->errors = 0;
	for (size_t i = 0; i < f->n; i++) {
		const char *tail = strstr(f->at[i].text, later);
		if (tail && strlen(tail) == strlen(later))
			continue;
		f->errors += f->at[i].severity == CONFIG_ERROR;
		f->at[kept++] = f->at[i];
	}
	f->n = kept;
}

/* A model of a text whose only mistakes are of that kind. */
static inline void test_circuits(struct model *m, const char *text)
{
	struct config_findings findings;
	test_parse(m, text, &findings);
	test_leave_out_later(&findings);
	char *said = test_findings_text(&findings);
	if (findings.errors)
		fail_msg("not accepted:\n%s", said);
	free(said);
	config_findings_free(&findings);
}

#endif
