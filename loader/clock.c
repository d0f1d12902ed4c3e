/* SPDX-License-Identifier: Apache-2.0 */
#include "loader/clock.h"

#include "base/instant.h"

#include <time.h>

uint64_t clock_now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

int64_t clock_wall_seconds(void)
{
	struct timespec t;
	clock_gettime(CLOCK_REALTIME, &t);
	return t.tv_sec;
}

int64_t clock_wall_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t)t.tv_sec * (int64_t)NS_PER_S + t.tv_nsec;
}

const char *clock_format(uint64_t instant_ns, char out[CLOCK_TEXT])
{
	struct tm parts;
	int64_t ns = clock_wall_ns() + (int64_t)(instant_ns - clock_now_ns());
	time_t seconds = (time_t)(ns / (int64_t)NS_PER_S);
	gmtime_r(&seconds, &parts);
	strftime(out, CLOCK_TEXT, "%Y-%m-%dT%H:%M:%SZ", &parts);
	return out;
}
