/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Log events go to a sink that the program sets once at start; nothing here does I/O. A line is
 * an event name, then text with key=value; text is for people, tests match names and keys.
 */
#ifndef XGW_BASE_LOG_H
#define XGW_BASE_LOG_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>

enum log_level {
	LOG_LEVEL_ERROR,
	LOG_LEVEL_WARN,
	LOG_LEVEL_INFO,
	LOG_LEVEL_DEBUG,
	LOG_LEVEL_TRACE
};
enum log_group {
	LOG_IKE,
	LOG_ENC,
	LOG_NET,
	LOG_MAP,
	LOG_XDP,
	LOG_ESP,
	LOG_P2S,
	LOG_CFG,
	LOG_RUN,
	LOG_GROUPS
};

typedef void log_sink(enum log_group group, enum log_level level, const char *line);

void log_set_sink(log_sink *sink);
void log_set_level(enum log_group group, enum log_level level);
void log_set_levels(enum log_level level);
bool log_wants(enum log_group group, enum log_level level);
const char *log_group_name(enum log_group group);
const char *log_level_name(enum log_level level);
/* One line, no newline at the end. Control characters in it are replaced before it reaches the
 * sink. */
void log_write(enum log_group group, enum log_level level, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#define log_error(group, ...) log_write(group, LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warn(group, ...)  log_write(group, LOG_LEVEL_WARN, __VA_ARGS__)
#define log_info(group, ...)  log_write(group, LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(group, ...)                                           \
	do {                                                            \
		if (log_wants(group, LOG_LEVEL_DEBUG))                  \
			log_write(group, LOG_LEVEL_DEBUG, __VA_ARGS__); \
	} while (0)

/* A token bucket for what strangers can trigger: `per_second` lines, the rest counted. */
struct log_limit {
	uint64_t second; /* of now_ns, the last one seen */
	uint32_t used;
	uint32_t suppressed; /* since the last line let through; the caller prints and clears it */
};
bool log_limit_pass(struct log_limit *l, uint64_t now_ns, uint32_t per_second);

#endif
