// SPDX-License-Identifier: Apache-2.0
/*
 * Routes between and within virtual networks: tables of user routes, choices of next hops,
 * appliances, the Internet, and what peerings let pass. Each row by the maps alone, by what is kept
 * of them, and as an explanation.
 */
#include "world.h"

#include <linux/bpf.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum { TABLE = XGW_FIRST_TABLE + 1, OTHER_TABLE, HANDED_TABLE, PEERS_TABLE };
enum { PEER = 1003, PEER_VLAN = 20, SPOOFED = 1004 };
enum { A = 1100, B, C, CHOICE_UP, CHOICE_DOWN, CHOICE_GAP, CHOICE_NONE, CHOICE_NESTED, SPREAD };
enum { TO_APPLIANCE = 1200, TO_NOBODY, TO_APPLIANCE6, TO_PEERS_APPLIANCE, INTERNET, TO_INSTANCE };
enum { BOTH_DOWN = 1220, OWN_UP, TO_CIRCUIT, CIRCUIT_FIRST, CIRCUIT_SPREAD };
#define APPLIANCE_MAC "02:00:00:00:00:aa"
#define APPLIANCE     "10.11.40.4"

static struct world w;

struct row {
	const char *name;
	uint16_t vlan;
	const char *vtep; /* VXLAN with VNI 1001 from there */
	const char *mac;  /* source; NULL: of a host */
	const char *from, *to;
	enum xgw_drop drop;
	unsigned kind; /* of the next hop, without a drop */
	uint32_t connection, attachment;
	uint8_t flags; /* of the trace, those that are asked for */
	int action;    /* 0: XDP_DROP with a drop, else XDP_REDIRECT */
};

static void put_hop(uint32_t id, struct xgw_next_hop hop)
{
	must(maps_put(&w.maps, MAPS_next_hops, &id, &hop) == 0);
}

static struct xgw_next_hop tunnel(uint32_t id, uint32_t flags)
{
	return (struct xgw_next_hop){
		.kind = XGW_HOP_TUNNEL, .vnet = VNET, .connection = id, .flags = flags};
}

static void put_choice(uint32_t id, uint32_t flags, uint32_t a, uint32_t b, uint32_t c)
{
	put_hop(id,
		(struct xgw_next_hop){.kind = XGW_HOP_CHOICE, .flags = flags, .member = {a, b, c}});
}

static void put_appliance(uint32_t id, uint32_t vnet, const char *address)
{
	struct xgw_next_hop hop = {.kind = XGW_HOP_APPLIANCE, .vnet = vnet};

	world_mapped(hop.address, address);
	put_hop(id, hop);
}

static void put_route(uint32_t vnet, const char *prefix, uint32_t hop, struct xgw_route r)
{
	struct ip_prefix p;

	must(ip_prefix_parse(&p, prefix) == 0);
	r.next_hop = hop;
	r.plen = p.len;
	r.family = p.addr.family;
	must(maps_route_put(&w.maps, vnet, &p, &r) == 0);
}

static void user_route(const char *prefix, uint32_t hop)
{
	put_route(TABLE, prefix, hop, (struct xgw_route){.source = XGW_ROUTE_USER});
}

static void peering(const char *prefix, uint32_t hop, uint8_t flags)
{
	put_route(VNET, prefix, hop,
		  (struct xgw_route){.source = XGW_ROUTE_PEERING, .flags = flags});
}

static void put_endpoint(uint32_t vnet, const char *addr, uint32_t attachment, const char *mac,
			 const char *vtep)
{
	struct xgw_endpoint_key key = {.vnet = vnet};
	struct xgw_endpoint e = {.attachment = attachment, .flags = XGW_ENDPOINT_STATIC};

	world_mapped(key.addr, addr);
	frame_mac(e.mac, mac);
	if (vtep)
		world_mapped(e.vtep, vtep);
	must(maps_put(&w.maps, MAPS_endpoints, &key, &e) == 0);
}

/* Behind a tunnel that is down, or up, the other instance of the gateway: choices of each packet.
 */
static void put_instance(void)
{
	struct xgw_next_hop other = {.kind = XGW_HOP_APPLIANCE,
				     .vnet = VNET,
				     .table = HANDED_TABLE,
				     .flags = XGW_HOP_UP | XGW_HOP_INSTANCE};
	struct xgw_attachment at;
	uint32_t vlan = VLAN;
	struct xgw_next_hop choice = {.kind = XGW_HOP_CHOICE,
				      .flags = XGW_HOP_SPREAD,
				      .groups = 2,
				      .member = {A, TO_INSTANCE}};

	world_mapped(other.address, APPLIANCE);
	put_hop(TO_INSTANCE, other);
	put_hop(BOTH_DOWN, choice);
	choice.member[0] = B;
	put_hop(OWN_UP, choice);
	put_route(VNET, "10.90.0.0/16", BOTH_DOWN, (struct xgw_route){.source = XGW_ROUTE_STATIC});
	put_route(VNET, "10.91.0.0/16", OWN_UP, (struct xgw_route){.source = XGW_ROUTE_STATIC});
	must(maps_get(&w.maps, MAPS_attachments, &vlan, &at) == 0);
	at.instance = TO_INSTANCE;
	must(maps_put(&w.maps, MAPS_attachments, &vlan, &at) == 0);
}

/* Where what the other instance hands over may go and may not. */
static void put_handed(void)
{
	const struct xgw_route system = {.source = XGW_ROUTE_SYSTEM},
			       site = {.source = XGW_ROUTE_STATIC};

	put_hop(TO_CIRCUIT, (struct xgw_next_hop){.kind = XGW_HOP_CIRCUIT, .flags = XGW_HOP_UP});
	put_choice(CIRCUIT_FIRST, 0, TO_CIRCUIT, B, TO_INSTANCE);
	put_hop(CIRCUIT_SPREAD, (struct xgw_next_hop){.kind = XGW_HOP_CHOICE,
						      .flags = XGW_HOP_SPREAD,
						      .groups = 6,
						      .member = {TO_CIRCUIT, B, TO_INSTANCE}});
	put_route(VNET, "10.96.0.0/16", TO_CIRCUIT, site);
	put_route(VNET, "10.97.0.0/16", CIRCUIT_FIRST, site);
	put_route(VNET, "10.98.0.0/16", CIRCUIT_SPREAD, site);
	put_route(VNET, "172.18.0.0/16", TO_INSTANCE, site);
	put_route(VNET, "10.16.0.1/32", GATEWAY, system);
	put_route(HANDED_TABLE, "10.95.0.0/16", C, (struct xgw_route){.source = XGW_ROUTE_USER});
	put_route(PEER, "10.90.0.0/16", BOTH_DOWN, site);
	put_route(PEER, "10.91.0.0/16", OWN_UP, site);
	put_route(PEER, "10.13.16.0/24", LOCAL + PEER,
		  (struct xgw_route){.flags = XGW_ROUTE_LOCAL, .table = PEERS_TABLE});
	put_route(PEERS_TABLE, "0.0.0.0/0", C, (struct xgw_route){.source = XGW_ROUTE_USER});
}

static void make_hops(void)
{
	put_hop(A, tunnel(A, 0));
	put_hop(B, tunnel(B, XGW_HOP_UP));
	put_hop(C, tunnel(C, XGW_HOP_UP));
	put_choice(CHOICE_UP, 0, A, B, C);
	put_choice(CHOICE_DOWN, 0, A, TUNNEL, 0);
	put_choice(CHOICE_GAP, 0, MISSING, C, 0);
	put_choice(CHOICE_NONE, 0, MISSING, 0, 0);
	put_choice(CHOICE_NESTED, 0, CHOICE_UP, 0, 0);
	put_choice(SPREAD, XGW_HOP_SPREAD, A, B, C);
	put_appliance(TO_APPLIANCE, VNET, APPLIANCE);
	put_appliance(TO_APPLIANCE6, VNET, "fd00:11:0:40::4");
	put_appliance(TO_PEERS_APPLIANCE, PEER, "10.13.0.40");
	put_appliance(TO_NOBODY, VNET, "10.11.40.99");
	put_instance();
	put_handed();
	put_hop(INTERNET, (struct xgw_next_hop){.kind = XGW_HOP_INTERNET});
	put_hop(LOCAL + PEER, (struct xgw_next_hop){.kind = XGW_HOP_LOCAL, .vnet = PEER});
}

/* Subnets that have none of the gateway's routes: 10.11.60.0/24 with the table, 10.11.61.0/24 with
 * the other one, which hands some of them to the gateway. */
static void make_withheld(void)
{
	struct xgw_route local = {.flags = XGW_ROUTE_LOCAL | XGW_ROUTE_WITHHELD, .table = TABLE};

	put_route(VNET, "10.11.60.0/24", LOCAL + VNET, local);
	local.table = OTHER_TABLE;
	put_route(VNET, "10.11.61.0/24", LOCAL + VNET, local);
	put_route(VNET, "10.92.0.0/16", B, (struct xgw_route){.source = XGW_ROUTE_STATIC});
	put_route(VNET, "10.94.0.0/16", B, (struct xgw_route){.source = XGW_ROUTE_BGP});
	put_route(VNET, "10.95.0.0/16", B, (struct xgw_route){.source = XGW_ROUTE_CLIENT});
	put_route(VNET, "10.108.0.0/16", B, (struct xgw_route){.source = XGW_ROUTE_BGP});
	put_route(OTHER_TABLE, "10.108.0.0/15", A,
		  (struct xgw_route){.source = XGW_ROUTE_USER, .flags = XGW_ROUTE_GATEWAY});
}

/* Subnets 10.11.50.0/24 and fd00:11:0:50::/64 have the table, 10.11.40.0/24 another one. */
static void make_table(void)
{
	const struct xgw_route local = {.flags = XGW_ROUTE_LOCAL, .table = TABLE};
	struct xgw_route other = local;

	other.table = OTHER_TABLE;
	put_route(VNET, "10.11.50.0/24", LOCAL + VNET, local);
	put_route(VNET, "fd00:11:0:50::/64", LOCAL + VNET, local);
	put_route(VNET, "10.11.40.0/24", LOCAL + VNET, other);
	user_route("0.0.0.0/0", A);
	user_route("192.168.5.0/24", B);
	user_route("10.66.0.0/15", B);
	user_route("10.77.3.0/24", DROPPING);
	user_route("10.70.0.0/16", TO_APPLIANCE);
	user_route("10.71.0.0/16", TO_NOBODY);
	user_route("10.72.0.0/16", TO_PEERS_APPLIANCE);
	user_route("10.73.0.0/16", INTERNET);
	user_route("10.13.8.0/24", TO_APPLIANCE);
	user_route("10.11.2.0/24", DROPPING);
	user_route("10.11.0.1/32", B);
	user_route("fd00:71::/32", TO_APPLIANCE6);
	put_route(OTHER_TABLE, "10.70.1.0/24", C, (struct xgw_route){.source = XGW_ROUTE_USER});
	put_route(OTHER_TABLE, "10.70.2.0/24", TO_APPLIANCE,
		  (struct xgw_route){.source = XGW_ROUTE_USER});
}

static void make_peerings(void)
{
	struct xgw_attachment peer = {.id = PEER_VLAN,
				      .vnet = PEER,
				      .kind = XGW_TAG_VLAN,
				      .flags = XGW_ATTACHMENT_ANSWERS};

	world_attachment(&w, peer, NULL, 20);
	put_route(PEER, "10.13.0.0/16", LOCAL + PEER, (struct xgw_route){.flags = XGW_ROUTE_LOCAL});
	put_route(PEER, "fd00:13::/48", LOCAL + PEER, (struct xgw_route){.flags = XGW_ROUTE_LOCAL});
	peering("10.13.0.0/18", LOCAL + PEER, XGW_ROUTE_FORWARDED);
	peering("10.13.64.0/18", LOCAL + PEER, 0);
	peering("10.13.128.0/18", LOCAL + PEER, XGW_ROUTE_TRANSIT);
	peering("10.13.192.0/18", LOCAL + PEER, XGW_ROUTE_TRANSIT | XGW_ROUTE_FORWARDED);
	peering("10.14.0.0/16", TUNNEL, XGW_ROUTE_FORWARDED);
	peering("10.15.0.0/16", MISSING, XGW_ROUTE_FORWARDED);
	peering("fd00:13::/48", LOCAL + PEER, XGW_ROUTE_FORWARDED);
	for (unsigned i = 0; i < 4; i++) {
		char host[32];

		snprintf(host, sizeof(host), "10.13.%u.4", i * 64 + 8);
		put_endpoint(PEER, host, PEER_VLAN, HOST_MAC, NULL);
	}
	put_endpoint(PEER, "fd00:13::4", PEER_VLAN, HOST_MAC, NULL);
	put_endpoint(PEER, "10.13.0.40", PEER_VLAN, APPLIANCE_MAC, NULL);
	put_endpoint(VNET, APPLIANCE, VLAN, APPLIANCE_MAC, NULL);
	put_endpoint(VNET, "fd00:11:0:40::4", VXLAN, APPLIANCE_MAC, "192.0.2.11");
	put_endpoint(VNET, "fd00:11:0:50::4", VXLAN, HOST_MAC, "192.0.2.12");
}

#define DROPS(why)     .drop = XGW_DROP_##why
#define TUNNELS(id)    .kind = XGW_HOP_TUNNEL, .connection = id
#define REACHES(where) .kind = XGW_HOP_LOCAL, .attachment = where
#define BY_TABLE       .flags = XGW_TRACE_TABLE
#define HOST	       .from = "10.11.0.4"
#define TABLED	       .from = "10.11.50.4"
#define WITHHELD       .from = "10.11.60.4"
#define ALONE	       .from = "10.11.61.4"
#define STRANGER       .from = "172.16.9.9"
#define STRANGER6      .from = "fd00:77::9"
#define HANDED	       .vlan = 11, .mac = APPLIANCE_MAC
#define SPOKE	       .from = "10.13.72.9"
#define OUT_OF(vtep_)  .vtep = vtep_

static const struct row rows[] = {
	/* tables: the longer prefix, of equal ones the user's */
	{"no table", HOST, .to = "192.168.5.7", TUNNELS(TUNNEL)},
	{"no table, no route", HOST, .to = "172.16.0.1", DROPS(NO_ROUTE)},
	{"default of the table", TABLED, .to = "172.16.0.1", TUNNELS(A), BY_TABLE},
	{"equal prefixes", TABLED, .to = "192.168.5.7", TUNNELS(B), BY_TABLE},
	{"shorter in the table", TABLED, .to = "10.66.0.1", DROPS(ROUTE_NONE)},
	{"beside the VNet's", TABLED, .to = "10.67.0.1", TUNNELS(B), BY_TABLE},
	{"longer in the table", TABLED, .to = "10.77.3.1", DROPS(ROUTE_NONE), BY_TABLE},
	{"the VNet's hosts stay", TABLED, .to = "10.11.0.4", REACHES(PLAIN)},
	{"unless a longer prefix says so", TABLED, .to = "10.11.2.4", DROPS(ROUTE_NONE), BY_TABLE},
	{"the gateway's own address stays", TABLED, .to = "10.11.0.1", .action = XDP_PASS,
	 .kind = XGW_HOP_GATEWAY},
	/* disableBgpRoutePropagation */
	{"not withheld", TABLED, .to = "10.92.0.1", TUNNELS(B)},
	{"withheld, the table's default", WITHHELD, .to = "10.92.0.1", TUNNELS(A), BY_TABLE},
	{"withheld, no route in the table", ALONE, .to = "10.92.0.1", DROPS(NO_ROUTE)},
	{"withheld, what is learnt", ALONE, .to = "10.94.0.1", DROPS(NO_ROUTE)},
	{"withheld, clients", ALONE, .to = "10.95.0.1", DROPS(NO_ROUTE)},
	{"withheld, but the user leads there", ALONE, .to = "10.108.0.1", TUNNELS(B)},
	{"withheld, the user's alone", ALONE, .to = "10.109.0.1", TUNNELS(A), BY_TABLE},
	{"withheld, a peer", ALONE, .to = "10.13.8.4", REACHES(PEER_VLAN)},
	{"withheld, the network's own", ALONE, .to = APPLIANCE, REACHES(VLAN)},
	/* choices */
	{"first that is up", HOST, .to = "10.80.0.1", TUNNELS(B)},
	{"none is up", HOST, .to = "10.81.0.1", TUNNELS(A)},
	{"first is not there", HOST, .to = "10.82.0.1", TUNNELS(C)},
	{"none is there", HOST, .to = "10.83.0.1", DROPS(NO_NEXT_HOP)},
	{"choice of a choice", HOST, .to = "10.84.0.1", DROPS(NO_NEXT_HOP)},
	/* the other instance of a gateway */
	{"own tunnel up", HOST, .to = "10.91.0.1", TUNNELS(B)},
	{"own tunnel down", HOST, .to = "10.90.0.1", .kind = XGW_HOP_APPLIANCE, .attachment = VLAN},
	{"of the other one, own tunnel up", .vlan = 11, .mac = APPLIANCE_MAC, HOST,
	 .to = "10.91.0.1", TUNNELS(B)},
	{"of the other one, both down", .vlan = 11, .mac = APPLIANCE_MAC, HOST, .to = "10.90.0.1",
	 DROPS(LOOP)},
	{"handed over", HANDED, STRANGER, .to = "10.91.0.1", TUNNELS(B)},
	{"handed over, both down", HANDED, STRANGER, .to = "10.90.0.1", DROPS(LOOP)},
	{"handed over by another", .vlan = 11, STRANGER, .to = "10.91.0.1", DROPS(SOURCE)},
	{"handed over elsewhere", .mac = APPLIANCE_MAC, STRANGER, .to = "10.91.0.1", DROPS(SOURCE)},
	{"handed over, the gateway's table", HANDED, STRANGER, .to = "10.95.0.1", TUNNELS(C),
	 BY_TABLE},
	{"handed over, to nowhere", HANDED, STRANGER, .to = "172.16.0.1", DROPS(NO_ROUTE)},
	{"handed over, to a client", HANDED, STRANGER, .to = "172.16.201.3", .kind = XGW_HOP_CLIENT,
	 .connection = CLIENT},
	{"handed over, to a client of its own", HANDED, STRANGER, .to = "172.18.0.1", DROPS(LOOP)},
	{"of its client", HANDED, .from = "172.18.0.1", .to = "10.91.0.1", TUNNELS(B)},
	{"of our client", HANDED, .from = "172.16.201.3", .to = "10.91.0.1", DROPS(SOURCE)},
	{"of ourselves", HANDED, .from = "10.16.0.1", .to = "10.91.0.1", DROPS(SOURCE)},
	{"to its client", HOST, .to = "172.18.0.1", .kind = XGW_HOP_APPLIANCE, .attachment = VLAN},
	{"of another, for its client", STRANGER, .to = "172.18.0.1", DROPS(SOURCE)},
	{"of it, for its client", .vlan = 11, .mac = APPLIANCE_MAC, HOST, .to = "172.18.0.1",
	 DROPS(LOOP)},
	{"handed over, to a host", HANDED, STRANGER, .to = "10.11.0.4", DROPS(SOURCE)},
	{"handed over, into a peering", HANDED, STRANGER, .to = "10.13.72.4", DROPS(PEERING)},
	{"handed over, into a circuit", HANDED, STRANGER, .to = "10.96.0.1", DROPS(BRANCH)},
	{"handed over, circuit or tunnel", HANDED, STRANGER, .to = "10.97.0.1", TUNNELS(B)},
	{"handed over, flow by flow", HANDED, STRANGER, .to = "10.98.0.1", TUNNELS(B)},
	{"of a spoke", HANDED, SPOKE, .to = "10.91.0.1", TUNNELS(B)},
	{"of a spoke, both down", HANDED, SPOKE, .to = "10.90.0.1", DROPS(LOOP)},
	{"of a spoke, to what it has no way to", HANDED, SPOKE, .to = "10.95.0.1", DROPS(NO_ROUTE)},
	{"of a spoke, by its table", HANDED, .from = "10.13.16.9", .to = "10.99.0.1", TUNNELS(C),
	 BY_TABLE},
	{"of a spoke, not by the other one", .vlan = 11, SPOKE, .to = "10.91.0.1", DROPS(SOURCE)},
	/* appliances */
	{"appliance", TABLED, .to = "10.70.0.1", .kind = XGW_HOP_APPLIANCE, .attachment = VLAN,
	 BY_TABLE},
	{"appliance, ipv6 over vxlan", .from = "fd00:11:0:50::5", .to = "fd00:71::1",
	 .kind = XGW_HOP_APPLIANCE, .attachment = VXLAN, BY_TABLE},
	{"appliance that is not known", TABLED, .to = "10.71.0.1", DROPS(NO_ENDPOINT), BY_TABLE},
	{"appliance of a peer", TABLED, .to = "10.72.0.1", .kind = XGW_HOP_APPLIANCE,
	 .attachment = PEER_VLAN, BY_TABLE},
	{"instead of a peering", TABLED, .to = "10.13.8.4", .kind = XGW_HOP_APPLIANCE,
	 .attachment = VLAN, BY_TABLE},
	{"the appliance sends it on", .vlan = 11, .mac = APPLIANCE_MAC, TABLED, .to = "10.13.8.4",
	 REACHES(PEER_VLAN)},
	{"the appliance's own table", .vlan = 11, .mac = APPLIANCE_MAC, TABLED, .to = "10.70.1.1",
	 TUNNELS(C), BY_TABLE},
	{"the appliance's table leads to it", .vlan = 11, .mac = APPLIANCE_MAC, TABLED,
	 .to = "10.70.2.1", DROPS(LOOP), BY_TABLE},
	{"the appliance has no way on", .vlan = 11, .mac = APPLIANCE_MAC, TABLED, .to = "10.70.3.1",
	 DROPS(NO_ROUTE)},
	{"the appliance's MAC elsewhere", .mac = APPLIANCE_MAC, TABLED, .to = "10.70.1.1",
	 .kind = XGW_HOP_APPLIANCE, .attachment = VLAN, BY_TABLE},
	{"the appliance sends on by vxlan", OUT_OF("192.0.2.11"), .mac = APPLIANCE_MAC,
	 .from = "fd00:11:0:50::4", .to = "fd00:71::1", DROPS(NO_ROUTE)},
	{"its mac, another host's vtep", OUT_OF("192.0.2.12"), .mac = APPLIANCE_MAC,
	 .from = "fd00:11:0:50::4", .to = "fd00:71::1", .kind = XGW_HOP_APPLIANCE,
	 .attachment = VXLAN, BY_TABLE},
	/* the Internet */
	{"internet", TABLED, .to = "10.73.0.1", .kind = XGW_HOP_INTERNET, .action = XDP_PASS,
	 BY_TABLE},
	{"internet from a vlan", .vlan = 11, TABLED, .to = "10.73.0.1", .kind = XGW_HOP_INTERNET,
	 .action = XDP_PASS, BY_TABLE},
	{"internet out of vxlan", OUT_OF("192.0.2.11"), .from = "10.11.2.4", .to = "10.74.0.1",
	 DROPS(INTERNET)},
	/* peerings */
	{"peering", HOST, .to = "10.13.8.4", REACHES(PEER_VLAN)},
	{"peering, no forwarding", HOST, .to = "10.13.72.4", REACHES(PEER_VLAN)},
	{"peering, ipv6", .from = "fd00:11::5", .to = "fd00:13::4", REACHES(PEER_VLAN)},
	{"peering out of vxlan", OUT_OF("192.0.2.11"), .from = "10.11.2.4", .to = "10.13.8.4",
	 REACHES(PEER_VLAN)},
	{"transit alone", HOST, .to = "10.13.136.4", DROPS(PEERING)},
	{"transit with forwarding", HOST, .to = "10.13.200.4", DROPS(PEERING)},
	{"forwarded", STRANGER, .to = "10.13.8.4", REACHES(PEER_VLAN)},
	{"forwarded, ipv6", STRANGER6, .to = "fd00:13::4", REACHES(PEER_VLAN)},
	{"forwarded by a vlan", .vlan = 11, STRANGER, .to = "10.13.8.4", REACHES(PEER_VLAN)},
	{"forwarded out of vxlan", OUT_OF("192.0.2.11"), STRANGER, .to = "10.13.8.4",
	 REACHES(PEER_VLAN)},
	{"forwarded by an unknown vtep", OUT_OF("192.0.2.99"), STRANGER, .to = "10.13.8.4",
	 DROPS(VTEP)},
	{"forwarding not allowed", STRANGER, .to = "10.13.72.4", DROPS(PEERING)},
	{"forwarded, transit alone", STRANGER, .to = "10.13.136.4", DROPS(PEERING)},
	{"forwarded, with transit", STRANGER, .to = "10.13.200.4", DROPS(PEERING)},
	{"forwarded from the peer itself", .from = "10.13.8.9", .to = "10.13.8.4", DROPS(SOURCE)},
	{"forwarded to a tunnel by peering", STRANGER, .to = "10.14.0.1", DROPS(SOURCE)},
	{"forwarded to nothing", STRANGER, .to = "10.15.0.1", DROPS(NO_NEXT_HOP)},
	{"forwarded to a host", STRANGER, .to = "10.11.1.4", DROPS(SOURCE)},
	{"forwarded to a site", STRANGER, .to = "192.168.5.7", DROPS(SOURCE)},
	{"forwarded to nowhere", STRANGER, .to = "172.16.0.1", DROPS(SOURCE)},
	{"forwarded to the kernel's own", STRANGER, .to = "10.11.0.1", .kind = XGW_TRACE_PASS,
	 .action = XDP_PASS},
	{"forwarded to our own in a vlan", .vlan = 11, STRANGER, .to = "10.11.1.1", DROPS(SOURCE)},
};
#define N_ROWS (sizeof(rows) / sizeof(rows[0]))

static void build(const struct row *r, uint16_t port, struct frame *f)
{
	uint16_t proto = strchr(r->from, ':') ? 0x86dd : 0x0800;

	memset(f, 0, sizeof(*f));
	if (r->vtep) {
		frame_eth(f, LAN_MAC, VTEP_MAC, 0x0800);
		frame_ip(f, r->vtep, "192.0.2.1", 17);
		frame_udp(f, 50000, 4789);
		frame_vxlan(f, 1001);
	}
	frame_eth(f, LAN_MAC, r->mac ? r->mac : HOST_MAC, proto);
	if (r->vlan)
		frame_vlan(f, r->vlan);
	frame_ip(f, r->from, r->to, 17);
	frame_udp(f, port, 53);
	frame_fill(f, 64);
	frame_close(f);
}

static unsigned dropped(unsigned reason)
{
	struct xgw_count c = {0};

	must(maps_drop_count(&w.maps, LAN, reason, &c) == 0);
	return (unsigned)c.packets;
}

static int action_of(const struct row *r)
{
	return r->drop ? XDP_DROP : r->action ? r->action : XDP_REDIRECT;
}

static void check_row(const struct row *r)
{
	static struct frame in, out;
	unsigned before = dropped(r->drop);
	int action;

	build(r, 4000, &in);
	action = world_run(&w, LAN, &in, &out);
	if (action != action_of(r) || dropped(r->drop) != before + (r->drop != 0))
		fail_msg("%s: expected action %d, %s; came action %d", r->name, action_of(r),
			 maps_drop_name(r->drop), action);
	if (!r->drop && r->kind == XGW_HOP_TUNNEL && !r->action)
		assert_int_equal(((const struct xgw_meta *)(const void *)out.b)->connection,
				 r->connection);
}

/* By the maps alone, then by what is kept of them: at first while it is being kept. */
static void test_rows(void **state)
{
	(void)state;
	for (unsigned round = 0; round < 3; round++) {
		w.maps.config->generation = round > 0;
		for (size_t i = 0; i < N_ROWS; i++)
			check_row(&rows[i]);
	}
}

static void explain(const struct row *r, uint16_t port, struct xgw_trace *t)
{
	static struct frame in;

	build(r, port, &in);
	must(explain_run(bpf_program__fd(w.skel->progs.xgw_vnet), w.ifindex[LAN], in.b, in.len,
			 t) == 0);
}

static void test_explanations(void **state)
{
	struct xgw_trace t;

	(void)state;
	for (size_t i = 0; i < N_ROWS; i++) {
		const struct row *r = &rows[i];

		explain(r, 4000, &t);
		if (t.drop != r->drop)
			fail_msg("%s: expected %s, came %s", r->name, maps_drop_name(r->drop),
				 maps_drop_name(t.drop));
		if (!r->drop && t.verdict != r->kind)
			fail_msg("%s: expected kind %u, came %u", r->name, r->kind, t.verdict);
		if (r->connection)
			assert_int_equal(t.connection, r->connection);
		if (r->attachment && !r->drop)
			assert_int_equal(t.attachment, r->attachment);
		assert_int_equal(t.flags & XGW_TRACE_TABLE & r->flags, r->flags);
	}
}

/* Where the flow of a port goes. */
static uint32_t member_of(uint16_t port)
{
	const struct row r = {HOST, .to = "10.85.0.1"};
	static struct frame in, out;

	build(&r, port, &in);
	assert_int_equal(world_run(&w, LAN, &in, &out), XDP_REDIRECT);
	return ((const struct xgw_meta *)(const void *)out.b)->connection;
}

enum { FLOWS = 1000 };

static void take_members(uint32_t *of)
{
	for (uint16_t i = 0; i < FLOWS; i++)
		of[i] = member_of((uint16_t)(2000 + i));
}

/* Every flow keeps its member; one that goes down moves its own flows alone; one down takes none.
 */
static void test_spread(void **state)
{
	static uint32_t first[FLOWS], now[FLOWS];
	unsigned of_b = 0;

	(void)state;
	w.maps.config->generation = 7;
	take_members(first);
	take_members(now);
	assert_memory_equal(first, now, sizeof(first));
	for (unsigned i = 0; i < FLOWS; i++) {
		assert_true(first[i] == B || first[i] == C);
		of_b += first[i] == B;
	}
	assert_in_range(of_b, FLOWS * 4 / 10, FLOWS * 6 / 10);
	put_hop(A, tunnel(A, XGW_HOP_UP));
	maps_bump(&w.maps);
	take_members(now);
	for (unsigned i = 0, of_a = 0; i < FLOWS; i++) {
		assert_true(now[i] == first[i] || now[i] == A);
		of_a += now[i] == A;
		if (i == FLOWS - 1)
			assert_in_range(of_a, FLOWS * 2 / 10, FLOWS * 5 / 10);
	}
	put_hop(A, tunnel(A, 0));
	put_hop(C, tunnel(C, 0));
	maps_bump(&w.maps);
	take_members(now);
	for (unsigned i = 0; i < FLOWS; i++)
		assert_int_equal(now[i], B);
	put_hop(C, tunnel(C, XGW_HOP_UP));
	maps_bump(&w.maps);
}

/* What is kept of a choice is void when its members' state changed. */
static void test_change_of_members(void **state)
{
	const struct row r = {"choice", HOST, .to = "10.80.0.1", TUNNELS(B)};
	struct row moved = r;

	(void)state;
	maps_bump(&w.maps);
	check_row(&r);
	put_hop(B, tunnel(B, 0));
	maps_bump(&w.maps);
	moved.connection = C;
	check_row(&moved);
	put_hop(A, tunnel(A, XGW_HOP_UP));
	maps_bump(&w.maps);
	moved.connection = A;
	check_row(&moved);
	put_hop(A, tunnel(A, 0));
	put_hop(B, tunnel(B, XGW_HOP_UP));
	maps_bump(&w.maps);
	check_row(&r);
}

/* A forwarder's sources are never learnt as hosts of the network. */
static void test_not_learnt(void **state)
{
	const struct row r = {.vtep = "192.0.2.11", STRANGER, .to = "10.13.8.4"};
	static struct frame in, out;
	struct xgw_endpoint e;
	struct ip_addr a;

	(void)state;
	build(&r, 4000, &in);
	assert_int_equal(world_run(&w, LAN, &in, &out), XDP_REDIRECT);
	assert_int_equal(ip_addr_parse(&a, r.from), 0);
	assert_int_equal(maps_endpoint(&w.maps, VNET, &a, &e), -ENOENT);
}

static int setup(void **state)
{
	static const struct {
		const char *prefix;
		uint32_t hop;
	} more[] = {{"10.80.0.0/16", CHOICE_UP},     {"10.81.0.0/16", CHOICE_DOWN},
		    {"10.82.0.0/16", CHOICE_GAP},    {"10.83.0.0/16", CHOICE_NONE},
		    {"10.84.0.0/16", CHOICE_NESTED}, {"10.85.0.0/16", SPREAD},
		    {"10.74.0.0/16", INTERNET}};

	(void)state;
	world_open(&w, true);
	make_hops();
	make_table();
	make_withheld();
	make_peerings();
	world_neighbour(&w, "192.0.2.12");
	for (unsigned i = 0; i < sizeof(more) / sizeof(*more); i++)
		world_route(&w, VNET, more[i].prefix, more[i].hop, 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	world_close(&w);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),	   cmocka_unit_test(test_explanations),
		cmocka_unit_test(test_spread),	   cmocka_unit_test(test_change_of_members),
		cmocka_unit_test(test_not_learnt),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
