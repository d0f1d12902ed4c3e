/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A router: BIRD 2 in a network namespace of its own, with what connects it to the world. A link of
 * a circuit is a pair of veth devices, whose host end the XDP programs join with the circuit's
 * port; a gateway's tunnels are a TUN device, whose packets the caller carries.
 *
 * The daemon is not needed for sessions to stay: BIRD holds the namespace when the daemon is gone,
 * and router_start() takes over what it finds. Routes come by netlink out of the namespace, each
 * peer's from a kernel table of its own; which of them counts is the caller's to decide
 * (control/rib.h).
 *
 * All is done in the caller's event loop, nothing blocks in it but router_start(), router_follow()
 * where devices come or go, router_end() and router_sweep(): some milliseconds for each device.
 * Callbacks come out of the event loop alone, never out of a call of these functions; they may not
 * call router_leave() or router_end().
 */
#ifndef XGW_LOADER_ROUTER_H
#define XGW_LOADER_ROUTER_H

#include "base/addr.h"
#include "base/fault.h"
#include "control/bird_config.h"
#include "loader/instance.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct event_base;
struct router;

#define ROUTER_NAME   80 /* bytes at most */
#define ROUTER_TUNS   64 /* at most; links BIRD_LINKS, peers BIRD_PEERS */
#define ROUTER_BIRD   "/usr/sbin/bird"
#define ROUTER_ADVICE "install BIRD 2 (Debian: bird2)"

/* ---- what a router is: plain data, borrowed for the call alone ---- */

/*
 * Names of devices tell links and TUNs apart: the same name later is the same device, which then
 * stays as it is; other addresses, MTU or MAC are changed on it.
 */
struct router_link {
	char host_device[BIRD_DEVICE]; /* the end in the caller's namespace: any free name */
	char device[BIRD_DEVICE];      /* the end in the router's, "l" and a number */
	/* of that end: the circuit port's, so that the NIC takes what is sent to it; zeros: the
	 * kernel's choice */
	uint8_t mac[6];
	uint32_t mtu; /* 0: 1500 */
	/* IPv4, IPv6: ours with the prefix length, the provider's router; without a family: none */
	struct ip_prefix local[2];
	struct ip_addr peer[2];
	bool bfd;
	uint32_t interval_ms, multiplier; /* 0: 100 ms, 3 */
};

/* Whatever has one of its addresses as source leaves by it. */
struct router_tun {
	char device[BIRD_DEVICE]; /* "g" and a number */
	uint32_t mtu;		  /* 0: 1400 */
	struct ip_addr local[4];  /* bgpPeeringAddress and others; unique in the router */
	uint32_t n_local;
};

struct router_spec {
	char instance[INSTANCE_NAME + 1];
	char name[ROUTER_NAME + 1]; /* of its first gateway: unique in the instance, and kept */
	const char *bird;	    /* path of the program; NULL: ROUTER_BIRD */
	uint32_t router_id;	    /* host byte order, not 0 */
	const struct router_link *links;
	const struct router_tun *tuns;
	const struct bird_peer *peers; /* .device is NULL, or a link's; no two have one .peer */
	const struct bird_network *networks; /* own, spokes', typed ones of connections */
	uint32_t n_links, n_tuns, n_peers, n_networks;
};

/* ---- what it tells ---- */

struct router_host {
	struct event_base *base; /* outlives the router */
	void *owner;
	/* Memory that the kernel may use for what was not read yet; 0: 64 MiB, in which 100 000
	 * routes wait while the caller does something else. When it is full all is read again. */
	uint32_t queue_bytes;
	/*
	 * A peer announces a prefix, or (withdrawn) no longer does. metric: the length of its AS
	 * path, 1 or more; a route that is there may come again with another one. A peer that left
	 * the spec has its routes withdrawn.
	 */
	void (*route)(void *owner, uint32_t peer, const struct ip_prefix *prefix, uint32_t metric,
		      bool withdrawn);
	/* All that the peers announce now has been told: after a start or a take-over, and again
	 * whenever something was lost and read anew. */
	void (*synced)(void *owner);
	/* The end of a burst of routes: a good moment to carry them on. */
	void (*settled)(void *owner);
	/* BFD says that the link's peer is reachable; or is no longer. Never told before it was up
	 * the first time. By the link's device. When BIRD starts again it goes down and comes up,
	 * as it does for the peer. */
	void (*canary)(void *owner, const char *device, bool v6, bool up);
	/* The peer of a link has this link-layer address; mac NULL: it does not answer. */
	void (*neighbour)(void *owner, const char *device, const struct ip_addr *addr,
			  const uint8_t *mac);
	/* A session came up or went down (router_peer() says more). */
	void (*peer)(void *owner, uint32_t number, bool up);
	/* A session was closed since more than import_limit prefixes came; NULL: not asked for. */
	void (*limit)(void *owner, uint32_t number);
	/* BIRD died; runs (again). Its routes stay meanwhile. */
	void (*bird)(void *owner, bool runs);
};

/* ---- calls ---- */

/*
 * Makes the router, or takes over the one of that name whose BIRD still runs, whose sessions then
 * stay. 0, or a negative errno with a fault: nothing of it is left, but a BIRD that ran before.
 */
int must_check router_start(struct router **out, const struct router_spec *s,
			    const struct router_host *h, struct fault *f);
/*
 * The spec is another, of the same instance and name. What is the same stays: sessions are not
 * interrupted. On an error the former spec is in force, but for devices that were made already.
 */
int must_check router_follow(struct router *r, const struct router_spec *s, struct fault *f);
/* Forgets it: BIRD and its namespace go on, for the next router_start(). */
void router_leave(struct router *r);
/*
 * Before router_end(): BIRD ends its sessions in good order, for which packets of its TUNs have to
 * be carried meanwhile. To be called until it is true; router_end() does not need that.
 */
bool router_dismiss(struct router *r);
/* Ends it, with all sessions, devices and files. */
void router_end(struct router *r);
/*
 * Ends all routers of an instance that no daemon has: BIRD, namespaces, devices, files. Each thing
 * is a string of `removed`, which may be NULL; dry: only said. Twice is no error.
 */
int router_sweep(const struct instance *i, bool dry, json_t *removed, struct fault *f);

/* Of a link's host end, by the name of its device in the router. -ENOENT. */
struct router_device {
	uint32_t host_ifindex;
	uint8_t mac[6]; /* of the end in the router: what the provider's router sends to */
};
int router_device(const struct router *r, const char *device, struct router_device *out);
/* Of a TUN: whole IP packets, non-blocking. The router's; holds until the TUN leaves the spec or
 * the router ends. -ENOENT. */
int router_tun_fd(const struct router *r, const char *device);
/* The namespace; the router's. */
int router_netns(const struct router *r);

struct router_peer {
	bool up;
	char state[16]; /* as RFC 4271 names them: "Established", "Active" ...; "" not known yet */
	uint64_t since; /* of that state: seconds since 1970; 0 not known */
	uint32_t imported[2], exported[2]; /* prefixes, IPv4 and IPv6 */
	/* Updates since the router was started or taken over, of BIRD's later lives too: */
	uint64_t rejected; /* with a prefix that BIRD takes from nobody: 127.0.0.0/8 ... */
	uint64_t as_loops; /* with our own AS number in their path */
	char last_error[80];
	bool over_limit; /* it is not up because it announced more than import_limit */
	uint32_t n_over; /* how often that was, also between two answers of BIRD's */
};
/* As BIRD said within the last second or two. -ENOENT. */
int router_peer(const struct router *r, uint32_t number, struct router_peer *out);

/* All that its peers announce, and whether their sessions are up, has been told since it was
 * started or taken over. */
bool router_is_known(const struct router *r);

struct router_status {
	pid_t bird; /* 0: it does not run */
	bool adopted;
	uint32_t restarts, routes; /* routes: of all peers */
	uint64_t lost;		   /* times that netlink had no room and all was read again */
	uint64_t refused;	   /* routes for which there was no room: more than 1 048 576 */
	uint64_t md5_refused; /* segments without the right signature, in the namespace's life */
	char last_error[160]; /* of BIRD's start or its configuration; "" none */
};
void router_status(const struct router *r, struct router_status *out);

#endif
