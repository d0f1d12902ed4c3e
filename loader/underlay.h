/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the network around the gateway says, carried into the maps and the data path: the way to
 * each peer, link-layer addresses of VXLAN hosts, hosts of plain attachments out of the kernel's
 * neighbour table, and those of an overlay by its directory (loader/directory.h) or by learning
 * (loader/learning.h).
 */
#ifndef XGW_LOADER_UNDERLAY_H
#define XGW_LOADER_UNDERLAY_H

#include "control/plan.h"
#include "datapath/datapath.h"
#include "loader/attach.h"
#include "loader/netlink.h"

struct underlay;

struct underlay_host {
	struct netlink *netlink;
	const struct maps *maps;
	const struct model *model;
	const struct plan *plan;
	struct attach_port *ports; /* as in the model; link state is kept up to date */
	struct datapath *datapath; /* NULL: no tunnels (the loader alone) */
};

int must_check underlay_new(struct underlay **out, const struct underlay_host *h, struct fault *f);
void underlay_free(struct underlay *u);
/* The netlink socket is readable. */
void underlay_watch(struct underlay *u);
/* The outer addresses of a connection, at start and as IKE moves them. */
void underlay_peer(struct underlay *u, uint32_t connection, const struct ip_addr *local,
		   const struct ip_addr *remote);
/* The same of a client, which comes and goes. */
void underlay_client(struct underlay *u, uint32_t connection, const struct ip_addr *local,
		     const struct ip_addr *remote);
void underlay_forget(struct underlay *u, uint32_t connection);
/* One that is new, without addresses yet. 0, -ENOMEM. */
int must_check underlay_add(struct underlay *u, uint32_t connection);
/* The model and the plan that underlay_host points to are others; the plan differs from `was` by
 * these. 0 or -errno with a fault. */
int must_check underlay_changed(struct underlay *u, const struct plan *was,
				const struct plan_changes *changes, struct fault *f);
/* A port's device has another index now: all ways are looked up again. */
void underlay_moved(struct underlay *u, uint32_t was, uint32_t now);
/* The way to a VXLAN host that traffic will ask for soon. */
void underlay_ask(struct underlay *u, uint32_t ifindex, const struct ip_addr *addr);
/* XDP or a worker asks for an address. */
void underlay_event(struct underlay *u, const struct xgw_event *e, uint64_t now_ns);
/* True when the addresses of this host may be others than at the last call. */
bool underlay_readdressed(struct underlay *u);
/* The same of addresses alone, not of what may change their use: to be followed at once. */
bool underlay_moved_in(struct underlay *u);
/*
 * An IPv4 address came to this device: neighbours who know it elsewhere learn so (RFC 5227 section
 * 2.3) before the first packet that they are to answer. VRRP says the same, but maybe later; of
 * IPv6 addresses it alone does.
 */
void underlay_announce(struct underlay *u, uint32_t ifindex, const struct ip_addr *addr);
/* True when something changed and underlay_refresh has work. */
bool underlay_dirty(const struct underlay *u);
/* Some of it: there may be more. */
void underlay_refresh(struct underlay *u);
/* Every few seconds: keeps the kernel's entries of next hops in use alive. */
void underlay_confirm(struct underlay *u);
/* Each second: VTEPs in use are confirmed, learnt endpoints that are silent for long forgotten. */
void underlay_second(struct underlay *u, uint64_t now_ns);
/* A directory names a host behind a VTEP of this port, or (told false) no longer does. */
void underlay_vtep(struct underlay *u, uint32_t port, const struct ip_addr *addr, bool told);
/* Addresses of the uplink ports whose devices are up, at most `room`: how many, or -errno. */
int underlay_own(struct underlay *u, struct ip_addr *out, unsigned room);
/* Way to the peer: mtu, and whether there is one. */
bool underlay_path(const struct underlay *u, uint32_t connection, struct datapath_path *out);

#endif
