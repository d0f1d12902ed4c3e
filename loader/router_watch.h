/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What netlink tells of a router's namespace: the kernel tables that BIRD writes peers' routes and
 * canaries into, and neighbours. One socket for changes and for reading all anew, so that what
 * comes last is what counts.
 */
#ifndef XGW_LOADER_ROUTER_WATCH_H
#define XGW_LOADER_ROUTER_WATCH_H

#include "base/addr.h"
#include "base/fault.h"

#include <stdbool.h>
#include <stdint.h>

struct event_base;
struct router_watch;

struct router_watch_host {
	struct event_base *base;
	void *owner;
	uint32_t queue_bytes; /* 0: as much as is good */
	void (*route)(void *owner, uint32_t peer, const struct ip_prefix *prefix, uint32_t metric,
		      bool withdrawn);
	/* By the address that is watched. */
	void (*canary)(void *owner, const struct ip_addr *peer, bool up);
	/* mac NULL: it has none, or is gone. Also what is known already comes again. */
	void (*neighbour)(void *owner, uint32_t ifindex, const struct ip_addr *a,
			  const uint8_t *mac);
	void (*settled)(void *owner); /* the end of a burst of routes */
	void (*synced)(void *owner);  /* all was read */
};

/* The calling thread is in the router's namespace. All that is there is told from the event loop
 * on. 0, or -errno with a fault. */
int must_check router_watch_open(struct router_watch **out, const struct router_watch_host *h,
				 struct fault *f);
void router_watch_close(struct router_watch *w);
uint32_t router_watch_routes(const struct router_watch *w);
/* Times that netlink had no room; routes for which there was none here. */
uint64_t router_watch_lost(const struct router_watch *w);
uint64_t router_watch_refused(const struct router_watch *w);

#endif
