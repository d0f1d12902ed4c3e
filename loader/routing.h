/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Circuits and BGP of the instance: routers (loader/router.h) are started and followed, what they
 * learn is judged (control/rib.h) and carried into the maps, a link's signs (control/link_state.h)
 * become the flag of its next hops. All of it in the daemon's loop.
 */
#ifndef XGW_LOADER_ROUTING_H
#define XGW_LOADER_ROUTING_H

#include "control/plan.h"
#include "control/standby.h"
#include "datapath/datapath.h"
#include "loader/attach.h"
#include "loader/instance.h"

#include <event2/event.h>
#include <jansson.h>

struct routing;

/* All outlive it. */
struct routing_host {
	struct event_base *base;
	const struct instance *instance;
	const struct maps *maps;
	struct attach *attach;
	struct netlink *netlink;
	struct datapath *datapath;
	const struct model *model;
	const struct plan *plan;
	const struct standby *standby;	 /* which gateways work */
	const struct attach_port *ports; /* as in the model */
	bool succeeds; /* what an earlier daemon left still forwards: a start that fails leaves it
			* so
			*/
	/* Links have got their wires (routing_veths), so the plan is another. -EBUSY: not now; it
	 * is asked again a second later. */
	int (*plan_again)(void *owner, struct fault *f);
	void *owner;
};

/* Starts the routers that the plan has, or takes over those that still run. Without one it is
 * cheap, and ready for a reload that brings one. On failure nothing is left. */
int must_check routing_start(struct routing **out, const struct routing_host *h, struct fault *f);
/* Before the tunnels go: peers behind them are told that their sessions end. Runs the loop for at
 * most half a second. */
void routing_dismiss(struct routing *r);
/* The instance ends: routers, devices and learnt routes go. */
void routing_end(struct routing *r);

/*
 * The daemon ends, but what forwards without it goes on: links, routers and their sessions, for the
 * next routing_start(). only_adopted: routers that this one started itself end.
 */
void routing_leave(struct routing *r, bool only_adopted);
/*
 * Runs the loop until all that the routers which were taken over know is in the maps, which is what
 * makes a succession lossless; for at most two seconds.
 */
void routing_settle(struct routing *r);

/* Others of the gateways than before work here: sessions in tunnels of those that stand by end. */
void routing_stand_by(struct routing *r);
/* Once a second: hold-downs, what the ports' devices say, next hops that nobody needs. */
void routing_second(struct routing *r);
/* A port's device went up or down. */
void routing_ports(struct routing *r);
/*
 * ---- another configuration while it runs ----
 *
 * From routing_hold() to routing_follow() or routing_abandon() what is learnt is kept, but changes
 * no route in the maps, so that the caller can change those that are not held.
 */
void routing_hold(struct routing *r);
/* Whether what is learnt decides about a prefix of a table, so that no plan does. */
bool routing_holds(const struct routing *r, uint32_t table, const struct ip_prefix *prefix);
/* The wires of links, for a plan; out: XGW_MAX_LINKS. Returns how many. May be called in the thread
 * that compares plans. */
uint32_t routing_veths(const struct routing *r, struct plan_veth *out);
/* What a plan needs that routing_follow() could not start: changes nothing. 0 or -errno. */
int must_check routing_prepare(struct routing *r, const struct plan *next, struct fault *f);
/* Model and plan that the host points to are the new ones. */
int must_check routing_follow(struct routing *r, struct fault *f);
void routing_abandon(struct routing *r);

/* `down` takes the links of a connection's circuit out of use (for everybody on it), `up` back.
 * -ENOENT: no connection to a circuit has that name. */
int must_check routing_order(struct routing *r, const char *verb, const char *name,
			     struct fault *f);

/* ---- what it says ---- */

/* Connections to circuits, behind those of IPsec. */
void routing_connections(struct routing *r, json_t *list);
/* Arrays: of circuits with their links; of BGP sessions. */
json_t *routing_circuits(struct routing *r);
json_t *routing_peers(struct routing *r);
/* How many routes are learnt, and what became of them. */
json_t *routing_learnt(struct routing *r);
/* {"routes": [...]}: everything that is learnt or stands beside it, with the reason for each. */
json_t *routing_candidates(struct routing *r);

#endif
