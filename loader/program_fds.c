/* SPDX-License-Identifier: Apache-2.0 */
#include "loader/program_fds.h"

#include <dirent.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool is_program(int directory, const char *name)
{
	static const char program[] = "anon_inode:bpf-prog";
	char to[sizeof program + 1];
	ssize_t n = readlinkat(directory, name, to, sizeof to);
	return n == (ssize_t)sizeof program - 1 && !memcmp(to, program, (size_t)n);
}

static void each(void (*take)(void *owner, int fd), void *owner)
{
	const struct dirent *e;
	DIR *d = opendir("/proc/self/fd");
	while (d && (e = readdir(d)))
		if (e->d_name[0] != '.' && is_program(dirfd(d), e->d_name))
			take(owner, atoi(e->d_name));
	if (d)
		closedir(d);
}

void program_fds_keep(struct program_fds *known, int fd)
{
	if (fd >= 0 && known->n < PROGRAM_FDS)
		known->fd[known->n++] = fd;
}

static void keep(void *owner, int fd)
{
	program_fds_keep(owner, fd);
}

void program_fds_note(struct program_fds *known)
{
	known->n = 0;
	each(keep, known);
}

void program_fds_keep_object(struct program_fds *known, struct bpf_object *object)
{
	struct bpf_program *p;
	if (!object)
		return;
	bpf_object__for_each_program(p, object) program_fds_keep(known, bpf_program__fd(p));
}

static bool has(const struct program_fds *known, int fd)
{
	for (unsigned i = 0; i < known->n; i++)
		if (known->fd[i] == fd)
			return true;
	return false;
}

/* First all, then closed: the directory is not changed while it is read. */
unsigned program_fds_close_others(const struct program_fds *known)
{
	struct program_fds open;
	unsigned closed = 0;
	program_fds_note(&open);
	if (known->n == PROGRAM_FDS)
		return 0;
	for (unsigned i = 0; i < open.n; i++)
		if (!has(known, open.fd[i]) && !close(open.fd[i]))
			closed++;
	return closed;
}
