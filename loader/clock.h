/* SPDX-License-Identifier: Apache-2.0 */
/* The clocks: monotonic for all decisions, wall time for what is printed. */
#ifndef XGW_LOADER_CLOCK_H
#define XGW_LOADER_CLOCK_H

#include <stdint.h>

uint64_t clock_now_ns(void);
/* Seconds since 1970. */
int64_t clock_wall_seconds(void);
#define CLOCK_TEXT 32
/* Nanoseconds since 1970. */
int64_t clock_wall_ns(void);
/* A monotonic instant as wall time, RFC 3339 in UTC. */
const char *clock_format(uint64_t instant_ns, char out[CLOCK_TEXT]);

#endif
