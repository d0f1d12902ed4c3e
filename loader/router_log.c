/* SPDX-License-Identifier: Apache-2.0 */
#include "loader/router_log.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PIECES 256 /* at once; of 4096 bytes */

void router_log_open(struct router_log *l, const char *path)
{
	memset(l, 0, sizeof *l);
	l->path = path;
	l->fd = open(path, O_RDONLY | O_CLOEXEC);
	if (l->fd >= 0)
		lseek(l->fd, 0, SEEK_END);
}

void router_log_close(struct router_log *l)
{
	if (l->fd >= 0)
		close(l->fd);
	l->fd = -1;
}

static void take(struct router_log *l, const char *bytes, size_t n, void *owner,
		 void (*line)(void *owner, const char *text))
{
	for (size_t i = 0; i < n; i++) {
		if (bytes[i] != '\n') {
			if (l->len + 1 < sizeof l->line)
				l->line[l->len++] = bytes[i];
			continue;
		}
		l->line[l->len] = 0;
		l->len = 0;
		line(owner, l->line);
	}
}

/* Whether BIRD writes to another file than the one that is open. */
static bool has_moved(const struct router_log *l)
{
	struct stat open, named;
	return stat(l->path, &named) == 0 &&
	       (l->fd < 0 || fstat(l->fd, &open) != 0 || open.st_ino != named.st_ino ||
		open.st_dev != named.st_dev);
}

void router_log_read(struct router_log *l, void *owner, void (*line)(void *owner, const char *text))
{
	char piece[4096];
	bool moved = l->fd < 0 && has_moved(l);
	for (unsigned i = 0; i < PIECES; i++) {
		ssize_t n = l->fd < 0 ? 0 : read(l->fd, piece, sizeof piece);
		if (n > 0) {
			take(l, piece, (size_t)n, owner, line);
			continue;
		}
		/* what came between the last look and the move is read at the second look */
		if (!moved) {
			moved = has_moved(l);
			if (!moved)
				return;
			continue;
		}
		router_log_close(l);
		l->fd = open(l->path, O_RDONLY | O_CLOEXEC);
		l->len = 0;
		moved = false;
		if (l->fd < 0)
			return;
	}
}
