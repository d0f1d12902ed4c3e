/* SPDX-License-Identifier: Apache-2.0 */
/* From the model and this host's ports to filled maps. */
#ifndef XGW_LOADER_APPLY_H
#define XGW_LOADER_APPLY_H

#include "control/plan.h"
#include "datapath/datapath.h"
#include "loader/attach.h"

/* Finds the device of every port of the model. Both arrays have model.host.n_ports entries. */
int must_check apply_find_ports(struct netlink *n, const struct model *m, struct attach_port *ports,
				struct plan_port *facts, struct fault *f);
/* What of the device's MTU can be used: at most DATAPATH_MTU_LARGE, or DATAPATH_MTU_MAX where the
 * kernel's AF_XDP takes packets of one buffer alone. */
uint32_t apply_mtu(const struct netlink_link *l);
/* What a plan is told of a port's device. */
struct plan_port apply_fact(const struct netlink_link *l);
/* Routes that something else than the plan decides about (loader/routing.h) stay as they are. */
struct apply_keep {
	bool (*holds)(const void *owner, uint32_t table, const struct ip_prefix *prefix);
	const void *owner;
};
/* Brings the maps from one plan (NULL: empty maps) to another, in an order that opens no hole.
 * keep: NULL for none. */
int must_check apply_plan(const struct maps *m, const struct plan *have, const struct plan *want,
			  const struct apply_keep *keep, struct fault *f);
/*
 * The changes from *at on, at most about `most` of them; *at is moved behind what is done. On
 * failure it stands at what could not be done; changes may be repeated.
 */
int must_check apply_some(const struct maps *m, const struct plan_changes *changes, size_t *at,
			  size_t most, const struct apply_keep *keep, struct fault *f);
/* Takes away what apply_addresses() put on a device and the model has no more. */
void apply_addresses_gone(struct attach *a, struct netlink *n, const struct model *m,
			  const struct attach_port *ports);
/* What devices must be for their attachments: the gateway's own addresses on those of plain ones,
 * VLAN tags left in the frames of the others. */
int must_check apply_addresses(struct attach *a, struct netlink *n, const struct model *m,
			       const struct attach_port *ports, struct fault *f);

#endif
