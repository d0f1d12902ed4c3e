/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Addresses that others put on the device of a plain attachment beside the gateway's own, of the
 * network's address space: those that VRRP moves between two hosts, which hosts of the network have
 * as their router. Where such an address is, packets to it are for the kernel, as those to the
 * attachment's own address are.
 */
#ifndef XGW_LOADER_SHARED_H
#define XGW_LOADER_SHARED_H

#include "control/plan.h"
#include "maps/maps.h"

#define SHARED_MAX 256u

struct shared_address {
	uint32_t vnet, attachment; /* ids */
	struct ip_addr addr;
};

struct shared {
	struct shared_address at[SHARED_MAX];
	uint32_t n;
	bool full; /* said once */
};

/* An address of this host; out of a list of all. */
struct shared_own {
	uint32_t ifindex;
	struct ip_addr addr;
};

/* The host has these addresses now; `again`: the maps have been written by another plan meanwhile.
 */
void shared_follow(struct shared *s, const struct maps *maps, const struct model *m,
		   const struct plan *p, const struct shared_own *own, size_t n, bool again);

#endif
