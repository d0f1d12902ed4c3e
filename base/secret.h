/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Key bytes: a type without a printer, wiped when done. Bounded, so that it lives in the struct
 * that owns it and never on its own on the heap.
 */
#ifndef XGW_BASE_SECRET_H
#define XGW_BASE_SECRET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SECRET_MAX 256

struct secret {
	uint16_t len;
	uint8_t b[SECRET_MAX];
};

/* 0 or -EMSGSIZE. */
int secret_set(struct secret *s, const void *bytes, size_t len);
void secret_wipe(struct secret *s);
void wipe(void *p, size_t n);
/* Constant time in the length of the shorter; false when lengths differ. */
bool secret_equal(const void *a, size_t alen, const void *b, size_t blen);
static inline void secret_cleanup(struct secret *s)
{
	secret_wipe(s);
}
#define _cleanup_secret_ __attribute__((cleanup(secret_cleanup)))

#endif
