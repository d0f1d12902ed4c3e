/* SPDX-License-Identifier: Apache-2.0 */
/* Vectors as RFCs print them: hexadecimal text to bytes. */
#ifndef XGW_TESTS_UNIT_IKE_HEX_H
#define XGW_TESTS_UNIT_IKE_HEX_H

#include "base/bytes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define HEX_MAX 1024

struct hex {
	size_t len;
	uint8_t b[HEX_MAX];
};

static inline struct hex hex(const char *text)
{
	struct hex h = {0};
	for (unsigned v; sscanf(text, "%2x", &v) == 1; text += 2) {
		assert_true(h.len < HEX_MAX);
		h.b[h.len++] = (uint8_t)v;
	}
	return h;
}

static inline struct bytes hex_bytes(const struct hex *h)
{
	return (struct bytes){h->b, h->len};
}

#endif
