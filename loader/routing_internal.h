/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of routing share. */
#ifndef XGW_LOADER_ROUTING_INTERNAL_H
#define XGW_LOADER_ROUTING_INTERNAL_H

#include "control/link_state.h"
#include "control/rib.h"
#include "loader/router.h"
#include "loader/routing.h"

#define ROUTING_LINKS XGW_MAX_LINKS

/* One router; its index in `routers` may be another than the plan's. */
struct routing_router {
	struct routing *all;
	struct router *router; /* NULL: this place is free */
	uint32_t id;	       /* plan_router.id */
	bool bird_runs;
};

/* A link of the plan, for as long as it is there. */
struct routing_link {
	uint32_t id; /* plan_link.id; 0: this place is free */
	struct routing_router *of;
	struct link_state state;
	uint8_t sessions; /* bit 0: that of IPv4 is up; bit 1: of IPv6 */
	uint8_t canaries; /* the same of BFD */
	bool attached;
	struct plan_veth veth;
	struct {
		bool known;
		uint8_t mac[6];
	} neighbour[2];
};

struct routing_tun {
	uint32_t id; /* plan_gateway.tun; 0: this place is free */
	struct routing_router *of;
	char device[BIRD_DEVICE];
	struct event *readable;
	struct datapath_client is;
	struct routing *all;
	uint64_t lost; /* packets that the device or the workers had no room for */
};
#define ROUTING_TUNS 128u

struct routing {
	struct routing_host h;
	struct routing_router routers[BIRD_LINKS];
	struct routing_link links[ROUTING_LINKS];
	struct routing_tun tuns[ROUTING_TUNS];
	struct rib *rib;
	bool held;
	bool unwired; /* the plan does not know all wires yet */
	struct event *drain, *packets;
	uint32_t *idle_hops; /* choices that no route refers to, deleted a moment later */
	size_t n_idle_hops, room_idle_hops;
	uint64_t unplaced; /* routes that the maps had no room for */
};

/* ---- routing_spec.c: what a router of the plan is, in the router's words ---- */

struct routing_spec {
	struct router_spec spec;
	struct router_link *links;
	struct router_tun *tuns;
	struct bird_peer *peers;
	struct bird_network *networks;
};
int must_check routing_spec_make(struct routing_spec *out, const struct routing *r, uint32_t router,
				 struct fault *f);
void routing_spec_free(struct routing_spec *s);
void routing_link_device(char out[BIRD_DEVICE], uint32_t link);
/* Another BIRD than the distribution's, as tests have it; static. */
const char *routing_bird(void);
void routing_tun_device(char out[BIRD_DEVICE], uint32_t slot);

/* ---- routing_rib.c ---- */

/* Members, static routes and rules of the host's plan. */
int must_check routing_rib_follow(struct routing *r, struct fault *f);
/* Differences go into the maps from the next turn of the loop on. */
void routing_carry(struct routing *r);
void routing_drain(evutil_socket_t fd, short what, void *owner);
/* Choices that nobody has used for a second. */
void routing_forget_hops(struct routing *r);
void routing_forget_hops_now(struct routing *r);

/* ---- routing_links.c ---- */

struct routing_link *routing_link(struct routing *r, uint32_t id);
struct routing_link *routing_link_by_device(struct routing *r, const char *device);
/* Links of the plan that are new get a place, and all the devices of their wires; those that went
 * lose them. */
int must_check routing_links_follow(struct routing *r, struct fault *f);
/* The plan knows the wires: programs are attached to them. */
int must_check routing_links_wire(struct routing *r, struct fault *f);
void routing_links_end(struct routing *r);
void routing_link_sign(struct routing *r, struct routing_link *l, enum link_sign s, bool good);
void routing_link_order(struct routing *r, struct routing_link *l, bool up);
void routing_link_neighbour(struct routing *r, struct routing_link *l, const struct ip_addr *addr,
			    const uint8_t *mac);
void routing_links_second(struct routing *r);

/* A link's next hop, or a connection, by its name; "#ID" when it has none. */
const char *routing_hop_name(const struct routing *r, uint32_t hop, char out[XGW_NAME]);

/* ---- routing_tuns.c ---- */

int must_check routing_tuns_follow(struct routing *r, struct fault *f);
void routing_tuns_end(struct routing *r);

struct routing_router *routing_router(struct routing *r, uint32_t id);

#endif
