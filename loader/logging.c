/* SPDX-License-Identifier: Apache-2.0 */
#include "loader/logging.h"

#include "base/log.h"

#include <bpf/libbpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <xdp/libxdp.h>

enum { LINES_MAX = 20 }; /* of one message of a library */

/* Process-wide by intent: where lines go is a property of the program. */
static bool with_stamp, with_colour, libraries_hushed;

static const char *colour_of(enum log_level level)
{
	return !with_colour		  ? ""
	       : level == LOG_LEVEL_ERROR ? "\033[31m"
	       : level == LOG_LEVEL_WARN  ? "\033[33m"
	       : level >= LOG_LEVEL_DEBUG ? "\033[2m"
					  : "";
}

static void sink(enum log_group group, enum log_level level, const char *line)
{
	char stamp[48] = "";
	struct timespec now;
	struct tm parts;
	const char *colour = colour_of(level);
	if (with_stamp) {
		clock_gettime(CLOCK_REALTIME, &now);
		gmtime_r(&now.tv_sec, &parts);
		size_t n = strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%S", &parts);
		snprintf(stamp + n, sizeof stamp - n, ".%03ldZ ", now.tv_nsec / 1000000);
	}
	fprintf(stderr, "%s%s%-5s %s: %s%s\n", colour, stamp, log_level_name(level),
		log_group_name(group), line, *colour ? "\033[0m" : "");
}

/* A verifier's log has thousands of lines: why it refused stands in the last ones. */
static char *last_lines(char *text, size_t n)
{
	char *from = text + n;
	for (unsigned lines = 0; from > text; from--) {
		if (from[-1] == '\n' && ++lines > LINES_MAX)
			break;
	}
	return from;
}

/* What a library calls a warning is one of our debug lines: whether it matters, our own text says.
 */
static int forward(enum log_level level, const char *format, va_list ap)
{
	char *text, *rest = NULL;
	if (libraries_hushed || !log_wants(LOG_XDP, level))
		return 0;
	int n = vasprintf(&text, format, ap);
	if (n < 0)
		return n;
	for (char *l = strtok_r(last_lines(text, (size_t)n), "\n", &rest); l;
	     l = strtok_r(NULL, "\n", &rest))
		log_write(LOG_XDP, level, "  %s", l);
	free(text);
	return n;
}

static int from_libbpf(enum libbpf_print_level level, const char *format, va_list ap)
{
	return forward(level == LIBBPF_WARN ? LOG_LEVEL_DEBUG : LOG_LEVEL_TRACE, format, ap);
}

static int from_libxdp(enum libxdp_print_level level, const char *format, va_list ap)
{
	return forward(level == LIBXDP_WARN ? LOG_LEVEL_DEBUG : LOG_LEVEL_TRACE, format, ap);
}

void logging_start(int verbosity, bool stamped)
{
	int level = (stamped ? LOG_LEVEL_INFO : LOG_LEVEL_WARN) + verbosity;
	level = level < LOG_LEVEL_ERROR ? LOG_LEVEL_ERROR : level;
	level = level > LOG_LEVEL_TRACE ? LOG_LEVEL_TRACE : level;
	with_stamp = stamped;
	with_colour = isatty(STDERR_FILENO) && !getenv("NO_COLOR");
	setvbuf(stderr, NULL, _IOLBF, 0);
	log_set_sink(sink);
	log_set_levels((enum log_level)level);
	libbpf_set_print(from_libbpf);
	libxdp_set_print(from_libxdp);
}

void logging_hush_libraries(bool hush)
{
	libraries_hushed = hush;
}
