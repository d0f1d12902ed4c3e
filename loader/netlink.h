/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the kernel knows of links, neighbours, routes and addresses: asked (synchronously, bounded
 * in time) and watched. All functions return 0 or -errno unless they say otherwise.
 */
#ifndef XGW_LOADER_NETLINK_H
#define XGW_LOADER_NETLINK_H

#include "base/addr.h"
#include "base/fault.h"

#include <stdbool.h>
#include <stdint.h>

struct netlink;

struct netlink_link {
	uint32_t ifindex, mtu;
	bool up; /* administratively, and with carrier */
	bool gone;
	uint8_t mac[6];
	bool ethernet;
	char name[16], kind[16], driver[32];
	uint32_t rx_queues;
	bool strips_vlan; /* the device takes VLAN tags off before XDP sees the frame */
	uint32_t xdp_mode,
		xdp_id; /* of IFLA_XDP: 0 = none, 1 driver, 2 generic, 3 offload, 4 several */
};

struct netlink_neighbour {
	uint32_t ifindex;
	struct ip_addr addr;
	uint8_t mac[6];
	bool usable; /* false: gone, failed or not resolved */
};

/* An entry of a VXLAN device's forwarding database that names a VTEP. */
struct netlink_fdb {
	uint32_t ifindex;
	uint8_t mac[6];
	struct ip_addr vtep;
	uint32_t vni;	     /* of a device of many networks, else 0 */
	uint32_t remote_vni; /* to be sent with, when it is another than the device's, else 0 */
	bool present;	     /* false: withdrawn */
};

struct netlink_route {
	uint32_t ifindex, mtu;	/* mtu 0 = the device's */
	struct ip_addr gateway; /* IP_NONE: on the link */
	bool local;		/* an address of this host */
};

int must_check netlink_open(struct netlink **out, struct fault *f);
void netlink_close(struct netlink *n);

int must_check netlink_link_by_name(struct netlink *n, const char *name, struct netlink_link *out);
int must_check netlink_link_by_index(struct netlink *n, uint32_t ifindex, struct netlink_link *out);
int netlink_links(struct netlink *n, void (*each)(void *owner, const struct netlink_link *l),
		  void *owner);
int netlink_neighbours(struct netlink *n,
		       void (*each)(void *owner, const struct netlink_neighbour *x), void *owner);
/* Those of one device, and entries of forwarding databases: of one VXLAN device, or 0 for all. */
int netlink_neighbours_of(struct netlink *n, uint32_t ifindex,
			  void (*each)(void *owner, const struct netlink_neighbour *x),
			  void *owner);
int netlink_fdb(struct netlink *n, uint32_t ifindex,
		void (*each)(void *owner, const struct netlink_fdb *x), void *owner);
/* -ENOENT when there is no entry; `usable` says whether it has a link-layer address. */
int must_check netlink_neighbour(struct netlink *n, uint32_t ifindex, const struct ip_addr *addr,
				 struct netlink_neighbour *out);
/* Asks the kernel to find the neighbour's link-layer address, or to confirm it. */
int netlink_resolve(struct netlink *n, uint32_t ifindex, const struct ip_addr *addr);
/* The way to an address; `from` may be NULL. -ENETUNREACH and the like. */
int must_check netlink_route_to(struct netlink *n, const struct ip_addr *to,
				const struct ip_addr *from, struct netlink_route *out);
/* -EEXIST when the device has it already. */
int must_check netlink_address_add(struct netlink *n, uint32_t ifindex, const struct ip_prefix *p);
int netlink_address_remove(struct netlink *n, uint32_t ifindex, const struct ip_prefix *p);
/* Whether the device takes VLAN tags off; -EOPNOTSUPP when it will not change. */
int must_check netlink_strip_vlan(const struct netlink *n, const char *device, bool on);
/* True when some device of this host has the address. */
bool netlink_has_address(struct netlink *n, const struct ip_addr *a);

/* Every global address of this host that is ready to be used. */
int netlink_addresses(struct netlink *n,
		      void (*each)(void *owner, uint32_t ifindex, const struct ip_addr *a),
		      void *owner);

/* Every address of this host that packets can come to, whatever its scope; `deprecated` ones too,
 * which VRRP makes of IPv6 addresses so that nobody takes them as a source unasked. */
int netlink_own_addresses(struct netlink *n,
			  void (*each)(void *owner, uint32_t ifindex, const struct ip_addr *a),
			  void *owner);

/* Changes, as they come. `lost`: some were missed; everything is to be read again. */
struct netlink_watcher {
	void (*neighbour)(void *owner, const struct netlink_neighbour *x);
	void (*fdb)(void *owner, const struct netlink_fdb *x);
	void (*link)(void *owner, const struct netlink_link *l);
	void (*route)(void *owner);   /* or an address */
	void (*address)(void *owner); /* told before that */
	void (*lost)(void *owner);
	void *owner;
};
int netlink_watch_fd(const struct netlink *n);
/* Reads what waits, at most a bounded amount. */
void netlink_watch(struct netlink *n, const struct netlink_watcher *w);

#endif
