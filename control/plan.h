/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Model -> wanted contents of the maps, as plain data. What only the running host knows (interface
 * indices, MACs, MTUs, neighbours) comes in; what the maps should hold comes out. plan_diff
 * compares two plans into ordered changes that never open a hole: new things are added before what
 * refers to them, and taken away after.
 */
#ifndef XGW_CONTROL_PLAN_H
#define XGW_CONTROL_PLAN_H

#include "base/fault.h"
#include "control/model.h"
#include "maps/layout.h"

/* What the host says of a port of the model (same index). */
struct plan_port {
	uint32_t ifindex, mtu;
	uint8_t mac[6];
};

/*
 * And of the veth that is the router's wire to a circuit's link, which is made only when a plan
 * says which links there are: the first plan of all has none, and the next one keeps its numbers.
 */
struct plan_veth {
	uint32_t link;	  /* its attachment id */
	uint32_t ifindex; /* of the end on the host */
	uint8_t mac[6];	  /* of the other end: the link's own; zeros: the port's */
};

struct plan_facts {
	const struct plan_port *ports; /* as many as model.host.ports */
	const struct plan_veth *veths; /* by link; those of links that are not there are ignored */
	uint32_t n_veths;
};

/* Of `limiters`: its clocks are the data path's. */
struct plan_entry_limiter {
	uint32_t id, mbps;
};

struct plan_entry_tag {
	struct xgw_tag_key key;
	uint32_t attachment;
};
struct plan_entry_address {
	struct xgw_address_key key;
	struct xgw_address value;
};
struct plan_entry_endpoint {
	struct xgw_endpoint_key key;
	struct xgw_endpoint value;
};
struct plan_entry_vtep {
	uint32_t attachment;
	struct ip_prefix prefix;
	struct xgw_vtep value;
};
struct plan_entry_route {
	uint32_t vnet;
	struct ip_prefix prefix;
	struct xgw_route value;
};
struct plan_entry_hop {
	uint32_t id;
	struct xgw_next_hop value;
};
struct plan_entry_name {
	struct xgw_name_key key;
	struct xgw_name value;
};

/*
 * A tunnel's ids and effective settings, for the host of IKE; connections to circuits have none.
 */
struct plan_connection {
	uint32_t id;	/* = next hop; kept while the connection's name and gateway stay */
	uint32_t model; /* index in model.connections */
	uint32_t table; /* of user routes that what comes out of it asks too, 0 = none */
	uint32_t vnet;	/* id of the VNet whose gateway it is */
	/* this side of the connection; a Vnet2Vnet connection of two gateways of one file gives one
	 * entry for each connection resource, as each side has its own */
};
#define PLAN_FIRST_CONNECTION 1024u /* below: next hops that are no connections */

#define PLAN_GATEWAYS_BEHIND	65536u
#define PLAN_ATTACHMENTS_BEHIND 16384u

/*
 * A gateway's numbers, kept while its name and VNet stay: its slot in the data path, and, when it
 * has clients (point-to-site), the ids of connections that come and go: a range of n_clients, 0:
 * none.
 */
struct plan_gateway {
	uint32_t slot, first_client, n_clients;
	uint32_t table; /* of user routes that what comes out of its tunnels asks too, 0 = none */
	/*
	 * A Vpn gateway that speaks BGP: the id of the connection that its TUN device is in the
	 * data path, and its next hop (kind CLIENT, no UP until the device is there); 0: none.
	 * What is for one of the addresses that it speaks from (model_gateway.bgp) goes there.
	 */
	uint32_t tun;
	uint32_t router; /* index in routers, MODEL_NONE: it belongs to none */
	/* next hop, of kind APPLIANCE, to the other instance (activeActive); 0: there is none */
	uint32_t other;
};
#define PLAN_FIRST_CLIENT   32768u
#define PLAN_CLIENTS_BEHIND 65536u
/* The last of them are TUN devices of gateways, which the data path takes for clients. */
#define PLAN_FIRST_TUN 64512u
/* Ids of their templates, which are no connections: this and the gateway's slot. */
#define PLAN_FIRST_TEMPLATE 0x20000000u

/* An attachment's id, and where the model has it. */
struct plan_attachment {
	uint32_t id, vnet, index; /* vnet: index in model.vnets; index: among its attachments */
};

/* Next hops with fixed ids: PLAN_HOP_NONE (route type None), PLAN_HOP_GATEWAY, PLAN_HOP_INTERNET;
 * local ones are PLAN_HOP_LOCAL + n. */
#define PLAN_HOP_NONE	  1u
#define PLAN_HOP_GATEWAY  2u
#define PLAN_HOP_INTERNET 3u
#define PLAN_HOP_LOCAL	  0x1000000u /* + VNet id */
/* Choices of connections, and appliances. */
#define PLAN_FIRST_CHOICE      0x3000000u
#define PLAN_CHOICES_BEHIND    0x3010000u
#define PLAN_FIRST_APPLIANCE   0x4000000u
#define PLAN_APPLIANCES_BEHIND 0x4010000u
/* Tables of user routes begin at XGW_FIRST_TABLE. */
#define PLAN_TABLES_BEHIND 0x1100000u
/* Next hops of kind CIRCUIT, one for each family of a link. */
#define PLAN_FIRST_LINK_HOP   0x5000000u
#define PLAN_LINK_HOPS_BEHIND 0x5010000u
#define PLAN_PEERS_BEHIND     65536u

/* A VNet by its id. */
struct plan_vnet {
	uint32_t id, index, first_place; /* index in model.vnets; of its attachments in places */
};

/* ---- circuits and BGP ---- */

/*
 * One family of a link: of the peering's prefix the first usable address is the provider's router,
 * the second ours (of a /126 too).
 */
struct plan_link_end {
	uint32_t hop;  /* next hop of kind CIRCUIT, without UP; 0: not of this family */
	uint32_t peer; /* the number of its BGP peer */
	struct ip_addr local, remote;
	uint8_t len; /* of the prefix that both are in */
};

/*
 * The primary or secondary link of a circuit's peering, which is an attachment of the circuit's
 * domain. Links of circuits that no connection leads to are not there. What else it has (BFD, MD5,
 * hold-down) is said in model.circuits[circuit].peerings[peering].
 */
struct plan_link {
	uint32_t id; /* = attachment; kept while circuit, port and tags stay */
	uint32_t domain, router;
	uint32_t circuit, peering, which; /* in the model; which: 0 primary, 1 secondary */
	uint32_t port;			  /* index in model.host.ports */
	uint32_t mtu;			  /* of IP packets */
	struct plan_link_end end[2];	  /* IPv4, IPv6 */
};

/* INSTANCE: the other instance of a gateway, by iBGP over the VNet. */
enum plan_peer_kind { PLAN_PEER_LINK, PLAN_PEER_TUNNEL, PLAN_PEER_INSTANCE };

/* A BGP session of a router. */
struct plan_peer {
	uint32_t no; /* 1 ...; kept: by link and family, by connection, by gateway */
	enum plan_peer_kind kind;
	uint32_t router;  /* index in routers */
	uint32_t of;	  /* LINK: index in links; TUNNEL: index in connections (the plan's) */
	uint32_t gateway; /* in the model: whose AS it speaks for; else whose TUN it is behind */
	uint32_t local_asn, peer_asn;
	struct ip_addr local, remote;
	bool ipv4, ipv6; /* which routes are exchanged */
	uint32_t max_prefixes;
	/*
	 * Whose routes it is told: of a tunnel its gateway's VNet, of a link the circuit's domain.
	 * These are the plan's announced prefixes of this table, and the learnt routes of every
	 * other peer that has a member of this table with `announced`; never the default route.
	 */
	uint32_t table;
};

/* BIRD in a namespace of its own, for the gateways of one VNet and those that share a circuit. */
struct plan_router {
	uint32_t id;	     /* of its first gateway's slot; kept while that one stays */
	char name[XGW_NAME]; /* of that gateway; cut when it is longer */
	uint32_t first_gateway, n_gateways; /* in router_gateways */
	uint32_t first_link, n_links;	    /* in links */
	uint32_t first_peer, n_peers;	    /* in peers */
};

/* In order of preference for equal prefixes. */
enum plan_class { PLAN_CLASS_CIRCUIT, PLAN_CLASS_TUNNEL, PLAN_CLASS_INSTANCE };

/* That the routes of a peer go into a table. */
struct plan_member {
	uint32_t peer, table; /* a VNet's id or a domain */
	uint32_t hop;	      /* of the link, of the connection, to the other instance */
	uint32_t weight; /* routingWeight of the connection that makes it, and peerWeight; larger
			    first */
	uint8_t class;	 /* enum plan_class */
	bool announced;	 /* to the other peers whose table this is, see plan_peer.table */
};

/*
 * A static route of a tunnel as a candidate, in tables that may have members, and behind all of one
 * prefix the other instance; plan.routes has the choice of them. The same preference counts, and
 * BGP goes before of the same weight.
 */
struct plan_static {
	uint32_t table;
	struct ip_prefix prefix;
	uint32_t weight, order; /* larger first; order: among those of one weight */
	uint32_t hop;		/* of the connection, or to the other instance */
	uint8_t class;		/* enum plan_class */
};

/* A user's route to the gateway: where it leads stands in plan.routes as far as the plan knows, and
 * what is learnt in the gateway's table may know better. */
struct plan_follow {
	uint32_t table; /* of user routes */
	struct ip_prefix prefix;
	uint32_t of;   /* the id of the gateway's VNet */
	uint8_t least; /* 1: a default route there does not count, gatewayDefaultSite does */
};

/* What the peers of a table are told whether or not anything is learnt; never a default route. */
struct plan_announced {
	uint32_t table;
	struct ip_prefix prefix;
	uint32_t hop; /* of a static route: not told to the peer behind it; 0: to all */
};

struct plan {
	struct xgw_port *ports; /* without the wires of links, which attach.h writes */
	uint32_t n_ports;
	struct plan_entry_limiter *limiters;
	uint32_t n_limiters;
	struct plan_entry_tag *tags;
	uint32_t n_tags;
	struct xgw_attachment *attachments;
	uint32_t n_attachments; /* ids from 1 */
	/* each is a route to PLAN_HOP_GATEWAY too */
	struct plan_entry_address *addresses;
	uint32_t n_addresses;
	struct plan_entry_endpoint *endpoints;
	uint32_t n_endpoints;
	struct plan_entry_vtep *vteps;
	uint32_t n_vteps;
	/* of VNets, from XGW_FIRST_TABLE on of tables of user routes, from XGW_FIRST_DOMAIN on of
	 * circuits */
	struct plan_entry_route *routes;
	uint32_t n_routes;
	struct plan_entry_hop *hops;
	uint32_t n_hops;
	/* ids: of VNets their own, of a gateway its VNet's (of a Vpn and an ExpressRoute gateway
	 * side by side the Vpn one), of ports, attachments and connections the maps' */
	struct plan_entry_name *names;
	uint32_t n_names;
	struct plan_connection *connections; /* as in the model, without those to circuits */
	uint32_t n_connections;
	uint32_t *tunnels;  /* by connection of the model: index in connections, MODEL_NONE */
	uint32_t *port_ids; /* as in the model's host */
	struct plan_gateway *gateways; /* as in the model */
	uint32_t n_gateways;
	struct plan_attachment *places; /* of attachments, as in the model's VNets */
	uint32_t n_places;
	struct plan_vnet *vnets; /* by id */
	uint32_t n_vnets;
	uint32_t *domains; /* as in the model's circuits; 0: no connection leads there */
	uint32_t n_domains;
	struct plan_router *routers; /* by id */
	uint32_t n_routers;
	uint32_t *router_gateways; /* indices in model.gateways, by router, then by slot */
	uint32_t n_router_gateways;
	struct plan_link *links; /* by router, then in the order of the model */
	uint32_t n_links;
	/* by router, then those of links, of connections, of other instances */
	struct plan_peer *peers;
	uint32_t n_peers;
	struct plan_member *members; /* by (peer, table) */
	uint32_t n_members;
	struct plan_static *statics; /* by (table, prefix), the preferred first */
	uint32_t n_statics;
	struct plan_follow *follows; /* by (table, prefix) */
	uint32_t n_follows;
	struct plan_announced *announced; /* by (table, prefix, hop) */
	uint32_t n_announced;
	struct plan_ids *ids;
};

/*
 * 0, -ENOMEM, -EINVAL, -ENOSPC with a fault. Every array is sorted by its key and its keys are
 * unique, which plan_diff relies on. What IKE offers for a connection is in offer.h. previous: the
 * plan in force, whose numbers are kept; NULL: none.
 */
int must_check plan_make(struct plan *out, const struct model *m, const struct plan_facts *facts,
			 const struct plan *previous, struct fault *f);
/* The same. changed: by VNet of the model, whether its routes may be others than in the plan in
 * force; NULL: all may. */
int must_check plan_make_changed(struct plan *out, const struct model *m,
				 const struct plan_facts *facts, const struct plan *previous,
				 const bool *changed, struct fault *f);
void plan_free(struct plan *p);

/* From a number to what has it, in constant time; NULL: nobody. */
const struct plan_connection *plan_connection(const struct plan *p, uint32_t id);
const struct plan_attachment *plan_attachment(const struct plan *p, uint32_t id);
/* As it is in the map; NULL. */
const struct xgw_attachment *plan_attachment_entry(const struct plan *p, uint32_t id);
/* To the index in model.host.ports, in model.gateways; MODEL_NONE: nobody. */
uint32_t plan_port_index(const struct plan *p, uint32_t id);
uint32_t plan_gateway_index(const struct plan *p, uint32_t slot);
/* A link by its attachment id, a peer by its number; NULL: nobody. */
const struct plan_link *plan_link(const struct plan *p, uint32_t id);
const struct plan_peer *plan_peer(const struct plan *p, uint32_t no);
/* By a VNet's id, and by a device and tag; NULL: nobody. */
const struct plan_vnet *plan_vnet(const struct plan *p, uint32_t id);
const struct plan_attachment *plan_attachment_at(const struct plan *p,
						 const struct xgw_tag_key *key);

/* One change of one map. `key` and `value` point into the plans, which must outlive it. */
enum plan_map {
	PLAN_NAMES,
	PLAN_PORTS,
	PLAN_LIMITERS,
	PLAN_ATTACHMENTS,
	PLAN_TAGS,
	PLAN_ADDRESSES,
	PLAN_ENDPOINTS,
	PLAN_HOPS,
	PLAN_ROUTES,
	PLAN_VTEPS
};
struct plan_change {
	enum plan_map map;
	bool removal;
	const void *entry; /* the plan_entry_* (or xgw_port, xgw_attachment) to put, or to remove */
	const void *was;   /* what a put replaces; NULL: nothing */
};
struct plan_changes {
	struct plan_change *at;
	size_t n;
};
/*
 * have may be NULL (nothing is there). 0 or -ENOMEM. A change may withdraw an entry that a later
 * one puts again: when an id that it refers to gets another meaning. Entries that are not in plans
 * (learnt endpoints) are the caller's to flush when their attachment is removed or put.
 */
int must_check plan_diff(struct plan_changes *out, const struct plan *have,
			 const struct plan *want);
void plan_changes_free(struct plan_changes *c);

#endif
