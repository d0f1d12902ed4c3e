/* SPDX-License-Identifier: Apache-2.0 */
/* The manual page knows every property and every value of schema.def, and its example is the first
 * example. */
#include "control_test.h"

#include "control/schema_internal.h"

#include <ctype.h>

static bool is_word_byte(char c)
{
	return isalnum((unsigned char)c) || c == '-' || c == '_';
}

/* Whether a word stands alone in a line that begins as one of a macro. */
static bool has_word(const char *page, const char *word, const char *macro)
{
	size_t n = strlen(word);
	for (const char *at = strstr(page, word); at; at = strstr(at + 1, word)) {
		const char *line = at;
		while (line > page && line[-1] != '\n')
			line--;
		const char *end = strchr(at, '\n');
		const char *found =
			memmem(line, (size_t)((end ? end : at + n) - line), macro, strlen(macro));
		if (found && found < at && *line == '.' && !is_word_byte(at[-1]) &&
		    !is_word_byte(at[n]))
			return true;
	}
	return false;
}

static void every_property(void **state)
{
	(void)state;
	char *page = test_file("docs/gateway.yaml.5");
	int missing = 0;
	for (int p = 0; p < SCHEMA_PROPERTIES; p++) {
		const struct schema_row *row = schema_row((enum schema_property)p);
		if (has_word(page, row->name, "Cm "))
			continue;
		print_error("docs/gateway.yaml.5: nothing about %s of a %s\n", row->name,
			    schema_kind_text(row->kind));
		missing++;
	}
	assert_int_equal(missing, 0);
	free(page);
}

static void every_value(void **state)
{
	(void)state;
	char *page = test_file("docs/gateway.yaml.5"), word[HINT_TEXT];
	int missing = 0;
	for (int p = 0; p < SCHEMA_PROPERTIES; p++) {
		const struct schema_row *row = schema_row((enum schema_property)p);
		/* of what is not supported yet and of long series the first is enough */
		if (row->type != SCHEMA_ENUM || row->kind == K_vpnClientConfiguration)
			continue;
		for (unsigned i = 0; schema_nth_word(row->detail, i, word); i++) {
			if (has_word(page, word, "Li ") || !strncmp(word, "VpnGw", 5))
				continue;
			print_error("docs/gateway.yaml.5: nothing about %s: %s\n", row->name, word);
			missing++;
		}
	}
	assert_int_equal(missing, 0);
	free(page);
}

static void first_example(void **state)
{
	(void)state;
	char *page = test_file("docs/gateway.yaml.5");
	char *example = test_file("docs/examples/first.yaml");
	const char *body = example;
	while (*body == '#')
		body = strchr(body, '\n') + 1;
	assert_non_null(strstr(page, body));
	free(example);
	free(page);
}

/* Rows of a kind stand together, defaults are values of their type, details name kinds. */
static void schema_is_sound(void **state)
{
	(void)state;
	for (int p = 0; p < SCHEMA_PROPERTIES; p++) {
		const struct schema_row *row = schema_row((enum schema_property)p);
		uint32_t n;
		enum schema_property first = schema_first(row->kind, &n);
		assert_true((int)first <= p && p < (int)(first + n));
		assert_true(*row->meaning != 0);
		if (!*row->fallback || !strcmp(row->fallback, "[]"))
			continue;
		char text[64];
		snprintf(text, sizeof text, "%s", row->fallback);
		struct tree_node value = {.type = TREE_SCALAR, .is_plain = true, .text = text};
		if (!schema_text_fits(row, &value))
			fail_msg("default of %s: %s", row->name, row->fallback);
		assert_int_equal(row->need, SCHEMA_OPTIONAL);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_property),
		cmocka_unit_test(every_value),
		cmocka_unit_test(first_example),
		cmocka_unit_test(schema_is_sound),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
