/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an instance has changed on this host, written to RUN_DIRECTORY as it changes it, so that it
 * can be taken back after a crash: attached programs, added addresses, VLAN stripping
 * turned off.
 */
#ifndef XGW_LOADER_STATE_H
#define XGW_LOADER_STATE_H

#include "base/addr.h"
#include "loader/instance.h"
#include "maps/layout.h"

#include <stdbool.h>

#define STATE_MAX_ADDRESSES 1024

struct state_port {
	uint32_t ifindex, program; /* kernel's program id */
	char device[16], program_name[16];
	bool generic;
	bool strips_vlan; /* was on, and is to be on again */
};
struct state_address {
	uint32_t ifindex;
	struct ip_prefix prefix;
};
struct state {
	uint64_t netns; /* inode of the network namespace that the indices belong to */
	uint32_t n_ports, n_addresses;
	uint32_t link_program; /* kernel's id of the one on all wires (attach_wire), 0: none yet */
	struct state_port ports[XGW_MAX_PORTS];
	struct state_address addresses[STATE_MAX_ADDRESSES];
};

uint64_t state_netns(void);
/* 0, -ENOENT, -EINVAL for a file that is not ours to understand. */
int state_read(const char *path, struct state *out);
int must_check state_write(const char *path, const struct state *s, struct fault *f);
/* Calls `each` with the state of every instance but `except` (may be NULL). */
void state_each(const char *except,
		void (*each)(void *owner, const char *name, const struct state *s), void *owner);

#endif
