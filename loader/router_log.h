/* SPDX-License-Identifier: Apache-2.0 */
/*
 * BIRD's log, followed from where it ends now. BIRD moves a full one to a second name and begins
 * another; what is left of the first is read before.
 */
#ifndef XGW_LOADER_ROUTER_LOG_H
#define XGW_LOADER_ROUTER_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ROUTER_LOG_LINE 160 /* longer ones are cut */

struct router_log {
	const char *path; /* borrowed */
	int fd;		  /* -1: it is not there yet, and will be read from its start */
	size_t len;	  /* of a line that is not whole yet */
	char line[ROUTER_LOG_LINE];
};

void router_log_open(struct router_log *l, const char *path);
void router_log_close(struct router_log *l);
/*
 * Tells each whole line that has come, without its end, of a megabyte at most; the rest is for the
 * next time.
 */
void router_log_read(struct router_log *l, void *owner,
		     void (*line)(void *owner, const char *text));

#endif
