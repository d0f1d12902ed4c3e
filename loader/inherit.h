/* SPDX-License-Identifier: Apache-2.0 */
/* What traffic taught the programs that are attached, for those that will take their place. */
#ifndef XGW_LOADER_INHERIT_H
#define XGW_LOADER_INHERIT_H

#include "loader/instance.h"
#include "loader/underlay.h"
#include "maps/maps.h"

/*
 * Hosts that were learnt on attachments that are the same now (device, tag, VNet), as far as they
 * may be learnt there, and ways to VXLAN hosts, which are looked up again. Maps of another layout,
 * or none, are no error: traffic teaches it again.
 */
void inherit_learnt(const struct instance *i, const struct maps *to, struct underlay *u);

#endif
