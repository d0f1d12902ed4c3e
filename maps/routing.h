/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What routes mean, the same for XDP and the workers: functions of what the maps said, without a
 * look at any.
 */
#ifndef XGW_MAPS_ROUTING_H
#define XGW_MAPS_ROUTING_H

#include "maps/layout.h"

#define ROUTING static inline __attribute__((always_inline))

/* Who sends a packet that is to be routed. */
enum routing_origin {
	ROUTING_HOST,	   /* a host of the VNet: the address is local there */
	ROUTING_FORWARDER, /* somebody in the VNet, for others */
	ROUTING_TUNNEL,
};

/*
 * Which route counts: the longer prefix, of equal ones the user's. Either may be NULL: the VNet's
 * own, that of the table of user routes.
 */
ROUTING const struct xgw_route *routing_prefer(const struct xgw_route *own,
					       const struct xgw_route *user)
{
	if (!own || !user)
		return own ? own : user;
	return user->plen >= own->plen ? user : own;
}

/*
 * The VNet's own route as a sender's subnet has it: where the gateway's routes are withheld only
 * what is the network's, or a peer's, unless the user's route leads to the gateway anyway.
 */
ROUTING const struct xgw_route *routing_propagated(const struct xgw_route *own,
						   const struct xgw_route *user, bool is_withheld)
{
	if (!own || !is_withheld || (user && user->flags & XGW_ROUTE_GATEWAY))
		return own;
	return own->source == XGW_ROUTE_SYSTEM || own->source == XGW_ROUTE_PEERING ? own : NULL;
}

/*
 * 0, or the reason for which this route (NULL: there is none) is not for a packet of such origin.
 * Who forwards for others gets no farther than into a peered VNet that takes that.
 */
ROUTING int routing_refusal(enum routing_origin origin, const struct xgw_route *r)
{
	if (origin == ROUTING_TUNNEL || (origin == ROUTING_HOST && !r))
		return 0;
	if (!r || r->source != XGW_ROUTE_PEERING)
		return origin == ROUTING_FORWARDER ? XGW_DROP_SOURCE : 0;
	if (r->flags & XGW_ROUTE_TRANSIT)
		return XGW_DROP_PEERING;
	return origin == ROUTING_FORWARDER && !(r->flags & XGW_ROUTE_FORWARDED) ? XGW_DROP_PEERING
										: 0;
}

/*
 * Member i of a choice, from 1 on, begins another group: it is asked when none before it is up.
 */
ROUTING int routing_begins_group(const struct xgw_next_hop *choice, unsigned i)
{
	return !(choice->flags & XGW_HOP_SPREAD) || choice->groups >> i & 1;
}

/*
 * Spread of flows over the members of a group: the one that is up and weighs most for the flow
 * takes it. When another goes or comes, only the flows that it takes move.
 */
ROUTING __u32 routing_weight(__u32 flow, __u32 member)
{
	__u32 h = (flow ^ member * 0x9e3779b1u) * 0x85ebca6bu;

	h = (h ^ h >> 15) * 0xc2b2ae35u;
	return h ^ h >> 13;
}

/*
 * A flow's number. Addresses as in the maps, 16 bytes, as four words of the machine's; ports: the
 * first word behind the IP header of TCP and UDP that are not fragments, else 0.
 */
ROUTING __u32 routing_flow(const __u32 *source, const __u32 *destination, __u8 protocol,
			   __u32 ports)
{
	__u32 hash = protocol;

	for (int i = 0; i < 4; i++)
		hash = (hash ^ source[i]) * 0x9e3779b1u ^ destination[i];
	return (hash ^ ports) * 0x85ebca6bu;
}

#endif
