/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Endpoints of an overlay out of the kernel's tables, which a routing daemon fills (EVPN) or an
 * administrator: the forwarding database of a VXLAN device and the neighbours of the device on top,
 * joined (loader/join.h). Devices are found by name, whenever they come.
 */
#ifndef XGW_LOADER_DIRECTORY_H
#define XGW_LOADER_DIRECTORY_H

#include "control/plan.h"
#include "loader/netlink.h"
#include "loader/places.h"
#include "maps/maps.h"

struct directory;
struct underlay;

struct directory_host {
	struct netlink *netlink;
	const struct maps *maps;
	const struct plan *plan;
	const struct places *places;
	struct underlay *underlay; /* told which VTEPs are in use */
};

/* Nothing is read yet. NULL: no memory. */
struct directory *directory_new(const struct directory_host *h);
/* Leaves the maps as they are. */
void directory_free(struct directory *d);
/* The model and the plan say something else. 0 or -ENOMEM. */
int must_check directory_changed(struct directory *d);
/* Names all VTEPs in use again, to the map and to the underlay, which have forgotten them. */
void directory_tell(struct directory *d);
/* Everything is read, and what is no longer there withdrawn. */
void directory_read(struct directory *d);
/* Changes that netlink tells, of any device. */
void directory_fdb(struct directory *d, const struct netlink_fdb *x);
void directory_neighbour(struct directory *d, const struct netlink_neighbour *x);
void directory_link(struct directory *d, const struct netlink_link *l);
/* Each second: where there was no room for something, it is tried again now and then. */
void directory_second(struct directory *d);

#endif
