/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any text as an identity of the configuration, any bytes as one from the wire: what is read prints
 * as one line and matches itself unless it is a pattern; a pattern from the wire matches nothing
 * but what is written alike.
 */
#include "auth/identity.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect(bool holds)
{
	if (!holds)
		abort();
}

static void one_line(const struct identity *id)
{
	char text[IDENTITY_TEXT];
	identity_format(id, text);
	expect(strlen(text) < IDENTITY_TEXT);
	for (const char *c = text; *c; c++)
		expect((unsigned char)*c >= ' ' && (unsigned char)*c < 0x7f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct identity wire, text, any = {.kind = IDENTITY_ANY};
	char copy[600];
	if (!size || size > sizeof copy)
		return 0;
	if (!identity_from_wire(&wire, data[0], data + 1, size - 1)) {
		one_line(&wire);
		expect(identity_equal(&wire, &wire) && identity_matches(&any, &wire));
		identity_is_pattern(&wire);
	} else {
		wire = any;
	}
	memcpy(copy, data, size - 1);
	copy[size - 1] = 0;
	if (identity_parse(&text, copy))
		return 0;
	one_line(&text);
	expect(identity_is_pattern(&text) || identity_matches(&text, &text));
	if (wire.kind && identity_matches(&text, &wire))
		expect(text.kind == wire.kind || text.kind == IDENTITY_ANY);
	return 0;
}
