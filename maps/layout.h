/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Keys and values of the BPF maps: one definition for kernel and userspace. Fixed width, explicit
 * padding that writers zero, sizes asserted. Addresses are 16 bytes, IPv4 as ::ffff:a.b.c.d, unless
 * a name says otherwise. `_be` = network order, all else host order. No keys of SAs ever stand
 * here. A change of anything in this file raises XGW_LAYOUT_VERSION and renews layout.abi.
 */
#ifndef XGW_MAPS_LAYOUT_H
#define XGW_MAPS_LAYOUT_H

#ifdef __bpf__
#include "vmlinux.h"
#else
#include <linux/types.h>
#endif
#include "maps/drops.h"

#define XGW_LAYOUT_VERSION     5u
#define XGW_LAYOUT(type, size) _Static_assert(sizeof(type) == (size), #type)

#define XGW_MAX_PORTS  64u
#define XGW_MAX_QUEUES 64u  /* per port */
#define XGW_MAX_LINKS  128u /* their ports' ids stand behind those of the others */
#define XGW_NAME       64u

/*
 * Whose routes a key of `routes4` and `routes6` means: a VNet's id (below), a table of user routes,
 * numbered from XGW_FIRST_TABLE, or a circuit's domain, from XGW_FIRST_DOMAIN. Of what a VNet's and
 * a user's say the longer prefix counts, of equal ones the user's. A domain is asked alone, for
 * what comes out of the circuit's links. Where its route leads to a local host or to the gateway,
 * no packet out of a link may claim to be from.
 */
#define XGW_FIRST_TABLE	   0x1000000u
#define XGW_FIRST_DOMAIN   0x1200000u
#define XGW_DOMAINS_BEHIND 0x1210000u

/* Roles of a port. A link is the host's end of a veth, which a router's wire to a circuit is. */
enum xgw_role { XGW_ROLE_NONE, XGW_ROLE_UPLINK, XGW_ROLE_VNET, XGW_ROLE_CIRCUIT, XGW_ROLE_LINK };

/* `config`: one entry, memory-mapped by the workers. */
struct xgw_config {
	__u32 layout_version;
	__u32 flags;
	__u64 generation;  /* bumped after every change that a cached decision may depend on */
	__u64 daemon_beat; /* CLOCK_MONOTONIC ns written by the daemon, 0 = none runs */
	__u32 capture;	   /* who goes to `captures`: drops of a connection, a circuit's domain,
			      XGW_CAPTURE_*,     0 = none */
	__u32 reserved;
};
XGW_LAYOUT(struct xgw_config, 32);
#define XGW_CAPTURE_ALL 0xffffffffu

/* `ports`: by interface index. */
struct xgw_port {
	__u32 id;   /* 0 … XGW_MAX_PORTS-1; a link's from there on, XGW_MAX_LINKS of them */
	__u32 role; /* enum xgw_role */
	__u32 ifindex;
	__u32 mtu;
	__u8 mac[6];
	__u16 flags;
	__u32 wire; /* link: the attachment that all frames go out of, with its tags */
};
XGW_LAYOUT(struct xgw_port, 28);

/* `attachments_in`: which VNet, or which circuit's link, a packet came into. */
enum xgw_tag {
	XGW_TAG_NONE,
	XGW_TAG_VLAN,
	XGW_TAG_VXLAN,
	XGW_TAG_QINQ /* 802.1ad, and 802.1Q inside */
};
struct xgw_tag_key {
	__u32 ifindex;
	__u32 kind; /* enum xgw_tag */
	__u32 tag;  /* VLAN id or VNI; 802.1ad: XGW_QINQ; 0 for none */
};
XGW_LAYOUT(struct xgw_tag_key, 12);
#define XGW_QINQ(outer, inner) ((__u32)(outer) << 12 | (inner))

/* `attachments`: by attachment id (array): how to send out there. */
struct xgw_attachment {
	__u32 id;   /* 0 is never used */
	__u32 vnet; /* of a link: its circuit's domain */
	__u32 ifindex;
	__u32 port_id;
	__u32 kind; /* enum xgw_tag */
	__u32 tag;
	__u8 local_vtep[16]; /* vxlan: outer source and our address for decapsulation */
	__be16 vxlan_port_be;
	__u8 mac[6];	     /* our link-layer address there */
	__u32 mtu;	     /* of the inner IP packet */
	__u32 flags;	     /* XGW_ATTACHMENT_* */
	__u32 local_ifindex; /* link: where what is for the gateway's router goes, untagged; 0: none
			      */
	__u32 limiter;	     /* link: whose bandwidth it uses, in `limiters`; 0: without a limit */
	__u32 instance; /* next hop to the other instance of the VNet's gateway, here; 0: none */
};
XGW_LAYOUT(struct xgw_attachment, 68);
#define XGW_ATTACHMENT_LEARN 1u /* vxlan: endpoints learnt from traffic */
#define XGW_ATTACHMENT_ANSWERS \
	2u		       /* ARP and neighbour discovery for our addresses answered by XDP */
#define XGW_ATTACHMENT_LINK 4u /* of a circuit */

/*
 * `limiters`: by number (array, 0 is never used), memory-mapped by the workers. maps/limiter.h
 * makes and uses them. A direction of its own cache line each.
 */
#define XGW_MAX_LIMITERS 1024u
struct xgw_limiter {
	__u32 per_byte; /* the time that a byte takes, 2^-16 ns; 0: there is no limit */
	__u32 burst_ns; /* as much as this passes at once after a pause */
	__u64 in;	/* out of the circuit: when all that passed is through, 2^-6 ns */
	__u8 apart[48];
	__u64 out; /* into the circuit */
	__u8 apart2[56];
};
XGW_LAYOUT(struct xgw_limiter, 128);

/* `addresses`: the gateway's own addresses inside VNets. */
struct xgw_address_key {
	__u32 vnet;
	__u8 addr[16];
};
XGW_LAYOUT(struct xgw_address_key, 20);
struct xgw_address {
	__u32 attachment;
	__u32 flags;
};
XGW_LAYOUT(struct xgw_address, 8);

/* `endpoints`: where a host of a VNet is. */
struct xgw_endpoint_key {
	__u32 vnet;
	__u8 addr[16];
};
XGW_LAYOUT(struct xgw_endpoint_key, 20);
struct xgw_endpoint {
	__u32 attachment;
	__u8 mac[6];
	__u16 flags;   /* XGW_ENDPOINT_* */
	__u8 vtep[16]; /* vxlan: the host's underlay address */
	__u32 reserved;
	__u64 seen_ns; /* CLOCK_MONOTONIC, learnt ones */
};
XGW_LAYOUT(struct xgw_endpoint, 40);
#define XGW_ENDPOINT_STATIC 1u
#define XGW_ENDPOINT_KERNEL 2u /* from the kernel's neighbour table */
#define XGW_ENDPOINT_LEARNT 4u /* by XDP, from ARP, ND or VXLAN traffic */

/* `learnt`: by VNet, how many endpoints traffic has taught, and how many it may. */
struct xgw_learnt {
	__u32 count; /* XDP counts up, the daemon down when it forgets one */
	__u32 limit;
};
XGW_LAYOUT(struct xgw_learnt, 8);

/* `neighbours`: link-layer addresses of the underlay (VXLAN hosts), by netlink. */
struct xgw_neighbour_key {
	__u32 ifindex;
	__u8 addr[16];
};
XGW_LAYOUT(struct xgw_neighbour_key, 20);
struct xgw_neighbour {
	__u8 mac[6]; /* next hop's */
	__u16 flags;
	__u32 ifindex;
};
XGW_LAYOUT(struct xgw_neighbour, 12);

/* `routes4`, `routes6`: longest prefix within a VNet. prefixlen counts the 32 bits of vnet too. */
struct xgw_route4_key {
	__u32 prefixlen;
	__be32 vnet_be;
	__u8 addr[4];
};
XGW_LAYOUT(struct xgw_route4_key, 12);
struct xgw_route6_key {
	__u32 prefixlen;
	__be32 vnet_be;
	__u8 addr[16];
};
XGW_LAYOUT(struct xgw_route6_key, 24);

enum xgw_route_source {
	XGW_ROUTE_SYSTEM,
	XGW_ROUTE_STATIC,
	XGW_ROUTE_USER,
	XGW_ROUTE_BGP,
	XGW_ROUTE_PEERING,
	XGW_ROUTE_CLIENT
};
struct xgw_route {
	__u32 next_hop; /* id in `next_hops` */
	__u8 source;	/* enum xgw_route_source */
	__u8 flags;	/* XGW_ROUTE_* */
	__u8 plen;	/* of the address alone, for explanations */
	__u8 family;	/* 4 or 6 */
	__u32 table; /* LOCAL: the table of user routes that packets from here ask too, 0 = none */
};
XGW_LAYOUT(struct xgw_route, 12);
#define XGW_ROUTE_LOCAL	    1u	/* hosts of this VNet live here (source check) */
#define XGW_ROUTE_FORWARDED 2u	/* peering: the other side takes what did not begin in this VNet */
#define XGW_ROUTE_TRANSIT   4u	/* peering: for what comes out of the gateway's tunnels alone */
#define XGW_ROUTE_WITHHELD  8u	/* LOCAL: hosts here have no routes of what is behind the gateway */
#define XGW_ROUTE_GATEWAY   16u /* user's: to the gateway, whose own routes count all the same */

/* `next_hops`: by id. Ids of connections are their next hops. */
enum xgw_hop_kind {
	XGW_HOP_NONE,	 /* not there */
	XGW_HOP_DROP,	 /* route type None */
	XGW_HOP_LOCAL,	 /* a host of `vnet`, found in `endpoints` */
	XGW_HOP_TUNNEL,	 /* a connection: to the worker, ESP */
	XGW_HOP_GATEWAY, /* the gateway itself: to the kernel */
	XGW_HOP_CIRCUIT, /* always the router `address` in the domain `vnet`, by its link */
	XGW_HOP_CLIENT,
	XGW_HOP_CHOICE,	   /* of the first group with one that is up; none: the first */
	XGW_HOP_APPLIANCE, /* always the host `address` of `vnet`, whoever the packet is for */
	XGW_HOP_INTERNET,  /* to the kernel, which routes it as its administrator says */
};
#define XGW_HOP_MEMBERS 4u
struct xgw_next_hop {
	__u32 kind; /* enum xgw_hop_kind */
	/* LOCAL, APPLIANCE, CIRCUIT: where the endpoint is looked up; TUNNEL, CLIENT: the gateway's
	 */
	__u32 vnet;
	__u32 connection; /* TUNNEL, CLIENT */
	__u32 flags;  /* XGW_HOP_UP: a tunnel has a child SA, a link works; an instance: always */
	__u32 table;  /* TUNNEL, CLIENT, INSTANCE: user routes that packets out of it ask too; or 0
		       */
	__u32 groups; /* CHOICE that spreads: bit i: member i begins another group; bit 0: ignored
		       */
	union {
		__u32 member[XGW_HOP_MEMBERS]; /* CHOICE: next hops that are no choices, 0 ends */
		__u8 address[16];	       /* APPLIANCE, CIRCUIT */
	};
};
XGW_LAYOUT(struct xgw_next_hop, 40);
#define XGW_HOP_UP 1u
/* CHOICE: over all members of a group that are up, a flow to one of them; else each member is a
 * group of its own */
#define XGW_HOP_SPREAD 2u
/* TUNNEL, CLIENT, INSTANCE: what comes out of it may go into circuits */
#define XGW_HOP_BRANCHES 4u
/* APPLIANCE: another instance of the gateway of `vnet`, which hands over what is for tunnels: of
 * hosts of networks that use the gateway, and of others what came out of tunnels and clients */
#define XGW_HOP_INSTANCE 8u

/* `sas_in`: inbound child SAs, by the outer destination and SPI. */
struct xgw_sa_key {
	__u8 destination[16];
	__be32 spi_be;
};
XGW_LAYOUT(struct xgw_sa_key, 20);
struct xgw_sa_in {
	__u32 slot; /* the worker's SA table */
	__u32 connection;
	__u32 vnet;
	__u32 flags; /* XGW_SA_UDP: expected in UDP */
};
XGW_LAYOUT(struct xgw_sa_in, 16);
#define XGW_SA_UDP 1u

/* `drops`: per CPU, index = port id * XGW_DROP_SLOTS + reason; workers' drops under port
 * XGW_WORKER_PORT. */
#define XGW_DROP_SLOTS	64u
#define XGW_WORKER_PORT (XGW_MAX_PORTS - 1u)
_Static_assert(XGW_DROP_COUNT <= XGW_DROP_SLOTS, "drop reasons");
struct xgw_count {
	__u64 packets;
	__u64 bytes;
};
XGW_LAYOUT(struct xgw_count, 16);

/* `traffic`: per CPU, by port id. */
struct xgw_traffic {
	struct xgw_count received;
	struct xgw_count passed;    /* to the kernel */
	struct xgw_count forwarded; /* by XDP alone */
	struct xgw_count to_worker;
	struct xgw_count dropped;
	struct xgw_count answered; /* ARP and neighbour discovery */
};
XGW_LAYOUT(struct xgw_traffic, 96);

/* `names`: so that dumps of pins are readable without the daemon. */
enum xgw_name_kind {
	XGW_NAME_VNET = 1,
	XGW_NAME_CONNECTION,
	XGW_NAME_PORT,
	XGW_NAME_ATTACHMENT,
	XGW_NAME_GATEWAY,
	XGW_NAME_TABLE,	 /* of user routes, by its number from XGW_FIRST_TABLE on */
	XGW_NAME_HOP,	 /* a choice, an appliance or a circuit's link */
	XGW_NAME_CIRCUIT /* by its domain */
};
struct xgw_name_key {
	__u32 kind;
	__u32 id;
};
XGW_LAYOUT(struct xgw_name_key, 8);
struct xgw_name {
	char text[XGW_NAME];
};
XGW_LAYOUT(struct xgw_name, 64);

/* `events`: ring buffer from XDP to the daemon; best effort. */
enum xgw_event_kind {
	XGW_EVENT_RESOLVE = 1, /* endpoint of vnet/addr unknown: ask for it on `attachment` (0 = any
				  of the VNet's) */
	XGW_EVENT_NEIGHBOUR,   /* underlay neighbour of ifindex/addr unknown */
	XGW_EVENT_LEARNT,      /* XDP learnt or moved an endpoint */
};
struct xgw_event {
	__u32 kind;
	__u32 vnet;
	__u32 attachment;
	__u32 ifindex;
	__u8 addr[16];
};
XGW_LAYOUT(struct xgw_event, 32);

/*
 * `captures`: a frame that XDP dropped while somebody captures, or one of a circuit's link; what is
 * behind `kept` is not set.
 */
#define XGW_CAPTURE_BYTES 256u
struct xgw_captured {
	__u64 at_ns; /* CLOCK_MONOTONIC */
	__u32 port_id;
	__u32 connection; /* 0: of none, or dropped before it was known */
	__u32 vnet;	  /* or the domain of the link that it came out of or was to go into */
	__u16 drop;	  /* enum xgw_drop; or XGW_CAPTURED_*: of a link, and not dropped here */
	__u16 l3;	  /* offset of the IP header, 0: not found */
	__u32 len;	  /* of the frame */
	__u32 kept;	  /* of it, in `bytes` */
	__u8 bytes[XGW_CAPTURE_BYTES];
};
XGW_LAYOUT(struct xgw_captured, 288);
#define XGW_CAPTURED_IN	 0x100u /* as it came out of the link */
#define XGW_CAPTURED_OUT 0x101u /* as it goes into the link */

/*
 * Explanation of a verdict: a test run whose packet has an xgw_trace with the magic as XDP metadata
 * in front of it gets it filled in, and the packet goes nowhere. Drivers never put that there.
 */
#define XGW_TRACE_MAGIC 0x7867777472616365ull /* "xgwtrace" */
struct xgw_trace {
	__u64 magic;
	__u16 verdict; /* enum xgw_hop_kind, or 0 with a drop, or XGW_TRACE_PASS */
	__u16 drop;    /* enum xgw_drop */
	__u32 vnet;
	__u32 next_hop;			  /* the route's: a choice, not its member */
	__u32 connection;		  /* of the member */
	__u32 attachment;		  /* local, circuit: where it leaves */
	__u8 plen, source, family, flags; /* of the route; and XGW_TRACE_TABLE */
};
XGW_LAYOUT(struct xgw_trace, 32); /* kernels before 6.9 take no more metadata than this */
#define XGW_TRACE_PASS	100u
#define XGW_TRACE_TABLE 0x80u /* the route stands in the table of the sender's subnet */

/*
 * `vteps`: whose VXLAN packets an attachment takes, longest prefix. prefixlen counts the 32 bits of
 * the attachment too, and IPv4 addresses are mapped (a /24 has 32 + 96 + 24).
 */
struct xgw_vtep_key {
	__u32 prefixlen;
	__be32 attachment_be;
	__u8 addr[16];
};
XGW_LAYOUT(struct xgw_vtep_key, 24);
struct xgw_vtep {
	__u32 flags; /* XGW_VTEP_* */
};
XGW_LAYOUT(struct xgw_vtep, 4);
#define XGW_VTEP_STATIC	   1u /* of the configuration */
#define XGW_VTEP_DIRECTORY 2u /* the kernel's tables name hosts there */

#endif
