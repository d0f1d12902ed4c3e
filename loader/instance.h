/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An instance: its name, its paths, and who holds it. The lock is held for as long as a daemon (or
 * a command that changes the programs) lives; the kernel drops it with the process, so a dead
 * daemon never blocks a new one.
 */
#ifndef XGW_LOADER_INSTANCE_H
#define XGW_LOADER_INSTANCE_H

#include "base/fault.h"

#include <sys/types.h>

#define INSTANCE_NAME 32
#define RUN_DIRECTORY "/run/xgw"

struct instance {
	char name[INSTANCE_NAME + 1];
	char pins[96];	 /* directory of the pinned maps and programs */
	char socket[64]; /* control socket */
	char lock[64], state[64];
};

/* Letters, digits, '-', '_' and '.', at most INSTANCE_NAME, not starting with '.'. -EINVAL with a
 * fault. */
int must_check instance_init(struct instance *out, const char *name, struct fault *f);
/* Takes the lock: fd in *out. -EBUSY with a fault that names the holder's pid. Makes RUN_DIRECTORY.
 */
int must_check instance_lock(const struct instance *i, int *out, struct fault *f);
/* Process that holds the lock, 0 when none. */
pid_t instance_holder(const struct instance *i);
/* Gives the lock up and removes its file. */
void instance_unlock(const struct instance *i, int fd);

#endif
