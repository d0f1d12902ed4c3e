/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of control/ share: parsing a text with a made-up secret file, and the plan of a
 * text. */
#ifndef XGW_TESTS_CONTROL_TEST_H
#define XGW_TESTS_CONTROL_TEST_H

#include "control/config.h"
#include "control/plan.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define TEST_KEY "correct horse battery staple"

/* Files under /etc/xgw/ hold TEST_KEY, but for two that make trouble. */
static inline int test_read_secret(void *owner, const char *path, struct secret *out,
				   struct fault *f)
{
	(void)owner;
	if (strstr(path, "open.psk"))
		return fault_set(f, -EPERM, "%s can be read by others; chmod 600 %s", path, path);
	if (strstr(path, "empty.psk"))
		return secret_set(out, "", 0);
	return secret_set(out, TEST_KEY, strlen(TEST_KEY));
}

/* Files hold their own path; those of "open" are readable by others, those of "gone" are not there.
 */
static inline int test_read_file(void *owner, const char *path, bool secret, uint8_t **out,
				 size_t *len, struct fault *f)
{
	(void)owner;
	if (secret && strstr(path, "open"))
		return fault_set(f, -EPERM, "%s can be read by others; chmod 600 %s", path, path);
	if (strstr(path, "gone"))
		return fault_set(f, -ENOENT, "cannot read '%s': No such file or directory", path);
	*out = (uint8_t *)strdup(path);
	*len = strlen(path);
	return *out ? 0 : -ENOMEM;
}

static inline int test_parse(struct model *m, const char *text, struct config_findings *findings)
{
	static const struct config_files files = {.read_secret = test_read_secret,
						  .read_file = test_read_file};
	return config_parse(m, text, strlen(text), &files, findings);
}

/* All findings, one a line: "LINE:COLUMN: error: TEXT". The caller frees. */
static inline char *test_findings_text(const struct config_findings *f)
{
	char *out = calloc(f->n + 1, CONFIG_FINDING_TEXT), line[CONFIG_FINDING_TEXT];
	assert_non_null(out);
	for (size_t i = 0; i < f->n; i++) {
		config_finding_format(&f->at[i], "F", line);
		strcat(strcat(out, line + 2), "\n");
	}
	return out;
}

/* A file of the tree; the tests run at its top. The caller frees. */
static inline char *test_file(const char *path)
{
	FILE *f = fopen(path, "r");
	if (!f)
		fail_msg("%s: run the tests at the top of the tree", path);
	char *text = calloc(1, 1 << 20);
	assert_non_null(text);
	assert_true(fread(text, 1, (1 << 20) - 1, f) > 0);
	fclose(f);
	return text;
}

/* A model of a text without mistakes. */
static inline void test_model(struct model *m, const char *text)
{
	struct config_findings findings;
	int err = test_parse(m, text, &findings);
	char *said = test_findings_text(&findings);
	if (err)
		fail_msg("not accepted:\n%s", said);
	free(said);
	config_findings_free(&findings);
}

static inline void test_ports(struct plan_port *ports, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		ports[i] = (struct plan_port){10 + i, 1500, {2, 0, 0, 0, 0, (uint8_t)(i + 1)}};
}

static inline void test_plan_after(struct plan *p, const struct model *m,
				   const struct plan *previous)
{
	struct plan_port ports[64] = {0};
	const struct plan_facts facts = {.ports = ports};
	struct fault fault = {0};
	test_ports(ports, m->host.n_ports);
	if (plan_make(p, m, &facts, previous, &fault))
		fail_msg("%s", fault.text);
}

static inline void test_plan(struct plan *p, const struct model *m)
{
	test_plan_after(p, m, NULL);
}

#endif
