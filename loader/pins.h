/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pinned maps and programs of an instance: the BPF file system, the instance's directory, and
 * how another process finds them. `ip netns exec` gives every command a mount namespace of its own,
 * so the pins of a daemon are looked for through the daemon's root too, and those of a dead one
 * through the programs that are still attached.
 */
#ifndef XGW_LOADER_PINS_H
#define XGW_LOADER_PINS_H

#include "loader/instance.h"
#include "maps/maps.h"

#include <stdbool.h>

/* Mounts the BPF file system when it is not there, makes the instance's directory (mode 0700). */
int must_check pins_prepare(const struct instance *i, struct fault *f);
/* An empty directory beside it for the next ones, whose path goes to out; then both change places
 * at once, and what is in it is removed. */
int must_check pins_next(const struct instance *i, char *out, size_t room, struct fault *f);
int must_check pins_exchange(const struct instance *i, struct fault *f);
void pins_next_remove(const struct instance *i);
/* Unlinks all pins of the instance. Number of pins removed. */
unsigned pins_remove(const struct instance *i);
/* Number of pins of the instance that this mount namespace sees. */
unsigned pins_count(const struct instance *i);

/* As maps_open, with all ways to find the maps. -ENOENT when nothing is loaded. */
int must_check pins_open_maps(struct maps *out, const struct instance *i, struct fault *f);
/* A loaded program by its name ("xgw_vnet"): fd, or -errno with a fault. */
int must_check pins_open_program(const struct instance *i, const char *name, struct fault *f);

#endif
