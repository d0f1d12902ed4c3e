/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Time as a value: nanoseconds of a monotonic clock that the shell reads and passes in. 0 means
 * "not set", INSTANT_NEVER "no deadline". Wall-clock times appear only in what is printed.
 */
#ifndef XGW_BASE_INSTANT_H
#define XGW_BASE_INSTANT_H

#include <stdint.h>

#define INSTANT_NEVER UINT64_MAX
#define NS_PER_MS     1000000ull
#define NS_PER_S      1000000000ull

static inline uint64_t instant_earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}
/* now + span, INSTANT_NEVER instead of overflow. */
static inline uint64_t instant_after(uint64_t now_ns, uint64_t span_ns)
{
	return now_ns > INSTANT_NEVER - span_ns ? INSTANT_NEVER : now_ns + span_ns;
}

#endif
