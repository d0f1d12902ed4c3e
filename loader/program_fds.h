/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Descriptors of BPF programs that this process has. libxdp 1.3 forgets some of those that it opens
 * to look at what is attached; each would keep a replaced program, and with it all of its maps, for
 * as long as this process runs.
 */
#ifndef XGW_LOADER_PROGRAM_FDS_H
#define XGW_LOADER_PROGRAM_FDS_H

#include <bpf/libbpf.h>

#define PROGRAM_FDS 1024u

struct program_fds {
	unsigned n; /* PROGRAM_FDS: there may be more, and none is closed */
	int fd[PROGRAM_FDS];
};

/* Those that are open now. */
void program_fds_note(struct program_fds *known);
/* fd: of a program, or less than 0. */
void program_fds_keep(struct program_fds *known, int fd);
/* All programs of an object; NULL: nothing. */
void program_fds_keep_object(struct program_fds *known, struct bpf_object *object);
/* Closes what is not known. How many. */
unsigned program_fds_close_others(const struct program_fds *known);

#endif
