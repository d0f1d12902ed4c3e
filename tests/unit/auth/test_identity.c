/* SPDX-License-Identifier: Apache-2.0 */
/* Identities: text, wire, and whether one matches another. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "auth/identity.h"

#include <errno.h>
#include <string.h>

static void text_there_and_back(void **state)
{
	static const struct {
		const char *text;
		enum identity_kind kind;
		const char *shown;
	} rows[] = {
		{"203.0.113.1", IDENTITY_IPV4, "203.0.113.1"},
		{"fd00::1", IDENTITY_IPV6, "fd00::1"},
		{"gw.example.org", IDENTITY_FQDN, "gw.example.org"},
		{"@gw.example.org", IDENTITY_FQDN, "gw.example.org"},
		{"@10.0.0.1", IDENTITY_FQDN, "10.0.0.1"},
		{"alice@example.org", IDENTITY_EMAIL, "alice@example.org"},
		{"@@alice", IDENTITY_EMAIL, "alice"},
		{"@#0aFF", IDENTITY_KEY_ID, "keyid:0aff"},
		{"keyid:0aff", IDENTITY_KEY_ID, "keyid:0aff"},
		{"dns:10.0.0.1", IDENTITY_FQDN, "10.0.0.1"},
		{"rfc822:a@b", IDENTITY_EMAIL, "a@b"},
		{"ipv6:fd00::1", IDENTITY_IPV6, "fd00::1"},
		{"C=DE, O=Example Ltd, CN=gw 1", IDENTITY_DN, "C=DE, O=Example Ltd, CN=gw 1"},
		{"/C=DE/CN=gw", IDENTITY_DN, "C=DE, CN=gw"},
		{"asn1dn:O=\"a, b\",CN=x\\,y", IDENTITY_DN, "O=a\\, b, CN=x\\,y"},
		{"a=b@example.org", IDENTITY_EMAIL, "a=b@example.org"},
		{"*.example.org", IDENTITY_FQDN, "*.example.org"},
		{"%any", IDENTITY_ANY, "%any"},
	};
	(void)state;
	for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct identity id;
		char out[IDENTITY_TEXT];
		assert_int_equal(identity_parse(&id, rows[i].text), 0);
		assert_int_equal(id.kind, rows[i].kind);
		assert_string_equal(identity_format(&id, out), rows[i].shown);
	}
}

static void text_that_is_none(void **state)
{
	struct identity id;
	char long_name[IDENTITY_MAX + 2];
	(void)state;
	assert_int_equal(identity_parse(&id, ""), -EINVAL);
	assert_int_equal(identity_parse(&id, "@"), -EINVAL);
	assert_int_equal(identity_parse(&id, "two words"), -EINVAL);
	assert_int_equal(identity_parse(&id, "line\nbreak"), -EINVAL);
	assert_int_equal(identity_parse(&id, "@#0"), -EINVAL);
	assert_int_equal(identity_parse(&id, "@#0g"), -EINVAL);
	assert_int_equal(identity_parse(&id, "keyid:"), -EINVAL);
	assert_int_equal(identity_parse(&id, "ipv4:fd00::1"), -EINVAL);
	assert_int_equal(identity_parse(&id, "asn1dn:gw"), -EINVAL);
	assert_int_equal(identity_parse(&id, "asn1dn:NOSUCHTYPE=x"), -EINVAL);
	memset(long_name, 'a', sizeof long_name);
	long_name[IDENTITY_MAX + 1] = 0;
	assert_int_equal(identity_parse(&id, long_name), -EINVAL);
	long_name[IDENTITY_MAX] = 0;
	assert_int_equal(identity_parse(&id, long_name), 0);
	assert_int_equal(id.len, IDENTITY_MAX);
}

/* SECURITY A7 (CVE-2025-14733): an identity from the wire is no longer than what holds it. */
static void wire_lengths(void **state)
{
	uint8_t b[IDENTITY_MAX + 1] = {192, 0, 2, 1};
	struct identity id;
	(void)state;
	assert_int_equal(identity_from_wire(&id, IDENTITY_IPV4, b, 4), 0);
	assert_int_equal(identity_from_wire(&id, IDENTITY_IPV4, b, 3), -EINVAL);
	assert_int_equal(identity_from_wire(&id, IDENTITY_IPV4, b, 5), -EINVAL);
	assert_int_equal(identity_from_wire(&id, IDENTITY_IPV6, b, 16), 0);
	assert_int_equal(identity_from_wire(&id, IDENTITY_IPV6, b, 4), -EINVAL);
	assert_int_equal(identity_from_wire(&id, IDENTITY_FQDN, b, 0), -EINVAL);
	assert_int_equal(identity_from_wire(&id, IDENTITY_FQDN, b, IDENTITY_MAX), 0);
	assert_int_equal(identity_from_wire(&id, IDENTITY_FQDN, b, IDENTITY_MAX + 1), -EINVAL);
	assert_int_equal(identity_from_wire(&id, IDENTITY_ANY, b, 4), -EINVAL);
}

/* SECURITY A7 (CVE-2023-28771): a peer's name goes into log lines: no control character, no line
 * break, nothing longer than the buffer. */
static void hostile_names_print_as_one_line(void **state)
{
	uint8_t b[IDENTITY_MAX];
	char out[IDENTITY_TEXT];
	struct identity id;
	(void)state;
	for (unsigned kind = 1; kind < 256; kind++) {
		for (unsigned i = 0; i < sizeof b; i++)
			b[i] = (uint8_t)(i + kind);
		size_t len = kind == IDENTITY_IPV4 ? 4 : kind == IDENTITY_IPV6 ? 16 : sizeof b;
		assert_int_equal(identity_from_wire(&id, (uint8_t)kind, b, len), 0);
		identity_format(&id, out);
		assert_in_range(strlen(out), 1, IDENTITY_TEXT - 1);
		for (const char *p = out; *p; p++)
			assert_in_range(*p, ' ' + 1, 0x7e);
	}
}

static bool matches(const char *wanted, const char *came)
{
	struct identity a, b;
	assert_int_equal(identity_parse(&a, wanted), 0);
	assert_int_equal(identity_parse(&b, came), 0);
	return identity_matches(&a, &b);
}

static void matching(void **state)
{
	(void)state;
	assert_true(matches("%any", "203.0.113.1"));
	assert_true(matches("%any", "gw.example.org"));
	assert_false(matches("203.0.113.1", "%any"));
	assert_true(matches("203.0.113.1", "203.0.113.1"));
	assert_false(matches("203.0.113.1", "203.0.113.2"));
	assert_false(matches("203.0.113.1", "@203.0.113.1"));
	assert_true(matches("GW.example.org", "gw.EXAMPLE.org"));
	assert_false(matches("gw.example.org", "gw.example.or"));
	assert_false(matches("gw.example.org", "gw.example.org.evil"));
	assert_true(matches("alice@Example.org", "alice@example.ORG"));
	assert_false(matches("alice@example.org", "Alice@example.org"));
	assert_false(matches("a@b.example", "ab@.example"));
}

/* A zero byte inside a name ends nothing (RFC 7296 names are counted). */
static void patterns(void **state)
{
	static const struct {
		const char *wanted, *came;
		bool matches;
	} rows[] = {
		{"%any", "gw.example.org", true},
		{"*.example.org", "gw.example.org", true},
		{"*.example.org", "a.b.EXAMPLE.org", true},
		{"*.example.org", "example.org", false},
		{"*.example.org", "gw.example.org.evil.net", false},
		{"*.example.org", "*.example.org", false},
		{"*.example.org", "alice@gw.example.org", false},
		{"*@example.org", "alice@example.org", true},
		{"*@example.org", "alice@sub.example.org", false},
		{"gw.example.org", "*.example.org", false},
		{"C=DE, O=Example, CN=*", "C=DE, O=example, CN=gw", true},
		{"C=DE, O=Example, CN=*", "C=DE, O=Other, CN=gw", false},
		{"C=DE, O=Example, CN=*", "C=DE, O=Example, CN=gw, OU=x", false},
		{"C=DE, O=Example, CN=*", "C=DE, O=Example, OU=gw", false},
		{"C=DE, O=Example, CN=*", "C=DE, O=Example, CN=*", false},
		{"CN=*", "O=x, CN=gw", false},
		{"CN=gw", "CN=*", false},
		{"@#0aff", "@#0aff", true},
		{"@#0aff", "@#0afe", false},
	};
	(void)state;
	for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct identity wanted, came;
		assert_int_equal(identity_parse(&wanted, rows[i].wanted), 0);
		assert_int_equal(identity_parse(&came, rows[i].came), 0);
		if (identity_matches(&wanted, &came) != rows[i].matches)
			fail_msg("%s, %s: expected %d", rows[i].wanted, rows[i].came,
				 rows[i].matches);
		assert_int_equal(identity_is_pattern(&wanted),
				 rows[i].wanted[0] == '%' || strchr(rows[i].wanted, '*') != NULL);
	}
}

static void zero_byte_inside_a_name(void **state)
{
	struct identity a, b;
	(void)state;
	assert_int_equal(identity_parse(&a, "gw.example.org"), 0);
	assert_int_equal(
		identity_from_wire(&b, IDENTITY_FQDN, (const uint8_t *)"gw.exa\0le.org", 14), 0);
	assert_false(identity_matches(&a, &b));
	assert_int_equal(identity_from_wire(&a, IDENTITY_FQDN, (const uint8_t *)"gw\0.one", 7), 0);
	assert_int_equal(identity_from_wire(&b, IDENTITY_FQDN, (const uint8_t *)"gw\0.two", 7), 0);
	assert_false(identity_matches(&a, &b));
	assert_false(identity_equal(&a, &b));
	assert_true(identity_equal(&a, &a));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_there_and_back),
		cmocka_unit_test(text_that_is_none),
		cmocka_unit_test(wire_lengths),
		cmocka_unit_test(hostile_names_print_as_one_line),
		cmocka_unit_test(matching),
		cmocka_unit_test(patterns),
		cmocka_unit_test(zero_byte_inside_a_name),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
