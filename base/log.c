/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"
#include "base/instant.h"

#include <stdio.h>
#include <stddef.h>

/* Process-wide by intent: where lines go is a property of the program, not of a core. */
static log_sink *the_sink;
static enum log_level level_of[LOG_GROUPS] = {
	[0 ... LOG_GROUPS - 1] = LOG_LEVEL_INFO,
};

static const char *const group_names[LOG_GROUPS] = {
	[LOG_IKE] = "ike", [LOG_ENC] = "enc", [LOG_NET] = "net",
	[LOG_MAP] = "map", [LOG_XDP] = "xdp", [LOG_ESP] = "esp",
	[LOG_P2S] = "p2s", [LOG_CFG] = "cfg", [LOG_RUN] = "run",
};
static const char *const level_names[] = {"error", "warn", "info", "debug", "trace"};

void log_set_sink(log_sink *sink)
{
	the_sink = sink;
}

void log_set_level(enum log_group group, enum log_level level)
{
	level_of[group] = level;
}

void log_set_levels(enum log_level level)
{
	for (int g = 0; g < LOG_GROUPS; g++)
		level_of[g] = level;
}

bool log_wants(enum log_group group, enum log_level level)
{
	return the_sink && level <= level_of[group];
}

const char *log_group_name(enum log_group group)
{
	return group_names[group];
}

const char *log_level_name(enum log_level level)
{
	return level_names[level];
}

void log_write(enum log_group group, enum log_level level, const char *format, ...)
{
	if (!log_wants(group, level))
		return;
	char line[1024];
	va_list ap;
	va_start(ap, format);
	vsnprintf(line, sizeof line, format, ap);
	va_end(ap);
	for (char *c = line; *c; c++)
		if ((unsigned char)*c < 0x20 || *c == 0x7f)
			*c = '?';
	the_sink(group, level, line);
}

bool log_limit_pass(struct log_limit *l, uint64_t now_ns, uint32_t per_second)
{
	uint64_t second = now_ns / NS_PER_S;
	if (second != l->second) {
		l->second = second;
		l->used = 0;
	}
	if (l->used >= per_second) {
		l->suppressed++;
		return false;
	}
	l->used++;
	return true;
}
