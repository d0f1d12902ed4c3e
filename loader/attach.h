/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Loading, pinning and attaching the XDP programs, and taking them away. One set of maps; each port
 * gets an object of its own that shares them, since libxdp loads a program for the dispatcher of
 * one device (and falls back to a single program where the kernel has no freplace).
 */
#ifndef XGW_LOADER_ATTACH_H
#define XGW_LOADER_ATTACH_H

#include "control/model.h"
#include "loader/instance.h"
#include "loader/netlink.h"
#include "loader/state.h"
#include "maps/maps.h"

#include <jansson.h>

struct attach;

struct attach_port {
	struct netlink_link link;
	enum xgw_role role;
	bool generic; /* filled in */
};

/*
 * Loads programs with maps of their own, and attaches them. When programs of the same instance are
 * attached already (of a dead daemon, one that handed over, `xgw attach`) they forward on, and the
 * new ones take their place by attach_succeed(), when the maps are filled: of any version, since
 * nothing of them is read here. Other leftovers are cleared first. The caller holds the instance's
 * lock. On failure it is as it was before.
 */
int must_check attach_start(struct attach **out, const struct instance *i, struct netlink *n,
			    struct attach_port *ports, unsigned n_ports, enum model_xdp_mode mode,
			    struct fault *f);
/* Programs that were attached before still forward: nothing on the host is changed until
 * attach_succeed(), and attach_end() leaves all as it is. */
bool attach_succeeds(const struct attach *a);
/*
 * Puts the new programs where the old ones are, device by device in one step each, then the new
 * pins; what only the old ones used is let go. The same ports as attach_start() had; wires are
 * those of attach_wire(). Nothing to do when attach_succeeds() is false. On an error what is
 * attached forwards on, whichever of the two it is.
 */
int must_check attach_succeed(struct attach *a, struct netlink *n, struct attach_port *ports,
			      unsigned n_ports, enum model_xdp_mode mode, struct fault *f);
/*
 * The port's device is another one by the same name (p->link): attached to that. What was on the
 * old one ended with it.
 */
int must_check attach_again(struct attach *a, struct attach_port *p, enum model_xdp_mode mode,
			    struct fault *f);
const struct maps *attach_maps(const struct attach *a);
/* Puts an address on a device when it is not there, and remembers to take it away. */
int must_check attach_address(struct attach *a, struct netlink *n, const struct netlink_link *l,
			      const struct ip_prefix *p, struct fault *f);
/* Takes those away again that were put there and are not wanted any more. */
void attach_addresses_keep(struct attach *a, struct netlink *n,
			   bool (*wanted)(void *owner, uint32_t ifindex, const struct ip_prefix *p),
			   void *owner);
/* Makes the device leave VLAN tags in the frames, and remembers to undo it. */
int must_check attach_vlan(struct attach *a, struct netlink *n, const struct netlink_link *l,
			   struct fault *f);
/*
 * A router's wire to a circuit's link: all frames that come out of the veth whose end on the host
 * is `l` go out of the attachment with its tags, by the program xgw_link in native mode, which the
 * device holds: it works on without the daemon. Other veths may come and go at any time. Again for
 * the same device: another attachment. That frames for the router find the device is the
 * attachment's `local_ifindex`, which is the caller's to write, after this. -ENOSPC: there are
 * XGW_MAX_LINKS already.
 */
int must_check attach_wire(struct attach *a, const struct netlink_link *l, uint32_t attachment,
			   struct fault *f);
/* Takes it off again; the device may be gone already. Before that nothing may name it as
 * `local_ifindex` any more, lest frames for the router count as lost. */
void attach_unwire(struct attach *a, uint32_t ifindex);
/* Detaches, unpins, takes added addresses away. */
void attach_end(struct attach *a, struct netlink *n);
/* Frees what this process holds and leaves programs, pins and maps working. */
void attach_leave(struct attach *a);

/*
 * Finds and removes all that an instance which no longer runs left behind: programs on the devices
 * of this network namespace, pins, addresses, socket. Each thing removed is added to `removed`
 * (array of texts, may be NULL). `dry`: only says.
 */
int sweep(const struct instance *i, struct netlink *n, bool dry, json_t *removed, struct fault *f);

/* Takes our programs off devices when no instance's record names them. */
int sweep_unrecorded(struct netlink *n, struct fault *f);

/* "xgw_uplink" and so on. */
const char *attach_program_name(enum xgw_role role);

#endif
