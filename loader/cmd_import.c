/* SPDX-License-Identifier: Apache-2.0 */
/* xgw import: templates and classic network configurations to a configuration. Files are read here,
 * everything else is control/import.h's. */
#include "base/secret.h"
#include "control/import.h"
#include "loader/command.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_MAX_BYTES (16u << 20)

/* Grows with what comes, since a pipe has no size. */
static ssize_t read_whole(int fd, char **out)
{
	size_t n = 0, room = 0;
	char *text = NULL;
	for (;;) {
		if (n == room) {
			room = room ? room * 2 : 65536;
			char *grown = room > FILE_MAX_BYTES ? NULL : realloc(text, room);
			if (!grown) {
				free(text);
				return room > FILE_MAX_BYTES ? -EFBIG : -ENOMEM;
			}
			text = grown;
		}
		ssize_t got = read(fd, text + n, room - n);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0) {
			free(text);
			return -errno;
		}
		if (!got)
			break;
		n += (size_t)got;
	}
	*out = text;
	return (ssize_t)n;
}

static int read_file(void *owner, const char *path, char **out, size_t *len, struct fault *f)
{
	struct stat st;
	(void)owner;
	int fd = strcmp(path, "-") == 0 ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC);
	int err = fd < 0 || fstat(fd, &st) ? -errno : S_ISDIR(st.st_mode) ? -EISDIR : 0;
	ssize_t n = err ? err : read_whole(fd, out);
	if (fd >= 0)
		close(fd);
	if (n < 0)
		return fault_set(f, (int)n, "cannot read %s: %s", path, strerror((int)-n));
	*len = (size_t)n;
	return 0;
}

/* 0, or the exit status, told already. */
static int read_options(const struct command_options *o, struct import_options *out)
{
	*out = (struct import_options){.paths = (const char *const *)o->argv,
				       .n_paths = (size_t)o->argc,
				       .parameters = o->parameters,
				       .resource_group = o->resource_group,
				       .location = o->location,
				       .files = {.read_file = read_file}};
	if (!o->from)
		return EXIT_DONE;
	if (strcmp(o->from, "arm") == 0)
		out->from = IMPORT_ARM;
	else if (strcmp(o->from, "netcfg") == 0)
		out->from = IMPORT_NETCFG;
	else
		return command_say(EXIT_USAGE, "--from: expected arm or netcfg, came '%s'",
				   o->from);
	return EXIT_DONE;
}

int cmd_import(const struct command_options *o)
{
	struct import_options options;
	struct import_result result;
	struct fault f = {0};
	char text[FAULT_TEXT];
	int status = read_options(o, &options);
	if (status)
		return status;
	int err = import_run(&options, &result, &f);
	for (size_t i = 0; i < result.n_notes; i++)
		fprintf(stderr, "%s\n", result.notes[i]);
	if (err == -ENOMEM)
		status = command_fail(EXIT_FAILED, &f);
	else if (err && *f.place) { /* as `xgw check` says it */
		char place[sizeof f.place];
		snprintf(place, sizeof place, "%s", f.place);
		*f.place = 0;
		fprintf(stderr, "%s: error: %s\n", place, fault_format(&f, text));
		status = EXIT_USAGE;
	} else if (err)
		status = command_fail(EXIT_USAGE, &f);
	else if (fputs(result.text, stdout) == EOF || fflush(stdout))
		status = command_say(EXIT_FAILED,
				     "the configuration could not be written to standard output");
	import_result_free(&result);
	return status;
}
