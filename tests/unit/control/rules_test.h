/* SPDX-License-Identifier: Apache-2.0 */
/* Rules of the configuration by rows: what is changed in a good one, and all findings that must
 * come. */
#ifndef XGW_TESTS_RULES_TEST_H
#define XGW_TESTS_RULES_TEST_H

#include "control_test.h"

/* Up to four replacements, then the findings. */
struct row {
	struct {
		const char *old, *new;
	} change[4];
	const char *findings;
};

static inline char *replaced(char *text, const char *old, const char *new)
{
	const char *at = strstr(text, old);
	if (!at) {
		fail_msg("'%s' is not in the configuration", old);
		abort();
	}
	char *out = calloc(1, strlen(text) + strlen(new) + 1);
	assert_non_null(out);
	memcpy(out, text, (size_t)(at - text));
	strcat(strcat(out, new), at + strlen(old));
	free(text);
	return out;
}

static inline bool matches(const char *good, const struct row *row)
{
	struct model m;
	struct config_findings findings;
	char *text = strdup(good);
	for (int i = 0; i < 4 && row->change[i].old; i++)
		text = replaced(text, row->change[i].old, row->change[i].new);
	int err = test_parse(&m, text, &findings);
	char *said = test_findings_text(&findings);
	bool same = !strcmp(said, row->findings) && err == (findings.errors ? -EINVAL : 0);
	if (!same)
		print_error("%s -> %s\nexpected:\n%scame (%d):\n%s", row->change[0].old,
			    row->change[0].new, row->findings, err, said);
	if (!err) {
		struct plan p;
		test_plan(&p, &m);
		plan_free(&p);
	}
	free(said);
	free(text);
	config_findings_free(&findings);
	model_free(&m);
	return same;
}

static inline void check_rules(const char *good, const struct row *rows, size_t n)
{
	size_t wrong = 0;
	for (size_t i = 0; i < n; i++)
		wrong += !matches(good, &rows[i]);
	assert_int_equal(wrong, 0);
}

#endif
