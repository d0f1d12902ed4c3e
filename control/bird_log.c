/* SPDX-License-Identifier: Apache-2.0 */
#include "control/bird_log.h"

#include <string.h>

/*
 * "2026-11-30 09:40:55.123 <WARN> peer_1: Route limit exceeded, shutting down". No time has a '<',
 * and no peer can write lines of its own: what it says comes behind "<RMT>", on one line.
 */
uint32_t bird_log_limit(const char *line)
{
	static const char before[] = "<WARN> peer_", behind[] = ": Route limit exceeded";
	const char *at = strchr(line, '<');
	uint32_t n = 0;
	if (!at || strncmp(at, before, sizeof before - 1) != 0)
		return 0;
	for (at += sizeof before - 1; *at >= '0' && *at <= '9'; at++) {
		if (n > (UINT32_MAX - 9) / 10)
			return 0;
		n = n * 10 + (uint32_t)(*at - '0');
	}
	return strncmp(at, behind, sizeof behind - 1) == 0 ? n : 0;
}
