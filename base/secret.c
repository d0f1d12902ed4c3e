/* SPDX-License-Identifier: Apache-2.0 */
#include "base/secret.h"

#include <errno.h>
#include <string.h>

int secret_set(struct secret *s, const void *bytes, size_t len)
{
	if (len > SECRET_MAX)
		return -EMSGSIZE;
	secret_wipe(s);
	memcpy(s->b, bytes, len);
	s->len = (uint16_t)len;
	return 0;
}

void wipe(void *p, size_t n)
{
	explicit_bzero(p, n);
}

void secret_wipe(struct secret *s)
{
	explicit_bzero(s, sizeof *s);
}

bool secret_equal(const void *a, size_t alen, const void *b, size_t blen)
{
	const volatile uint8_t *x = a, *y = b;
	uint8_t diff = 0;
	if (alen != blen)
		return false;
	for (size_t i = 0; i < alen; i++)
		diff |= x[i] ^ y[i];
	return diff == 0;
}
