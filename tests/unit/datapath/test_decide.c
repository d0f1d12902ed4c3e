/* SPDX-License-Identifier: Apache-2.0 */
/* What a worker makes of routes, tables of user routes, choices, appliances and peerings. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/instant.h"
#include "datapath/datapath_internal.h"

enum { HUB = 1001, SPOKE = 1002, TABLE = XGW_FIRST_TABLE, LAN = 1, AT_HUB = 1, AT_SPOKE };
enum { AT_LINK = 10, AT_LINK2, DOMAIN = XGW_FIRST_DOMAIN, DOMAIN2, LINK = 20, LINK2, GROUPS };
enum { NOWHERE = 1, KERNEL, HERE, THERE, APPLIANCE, INTERNET, MISSING, NESTED };
enum { T1 = 1024, T2, T3, TABLED, CLIENT, CHOICE, CHOICE_DOWN, SPREAD, SPREAD_DOWN };

/* ---- the maps ---- */

static const struct {
	uint32_t of;
	const char *prefix;
	uint32_t hop;
	uint8_t source, flags;
} routes[] = {
	{HUB, "10.1.0.0/16", HERE, XGW_ROUTE_SYSTEM, XGW_ROUTE_LOCAL},
	{HUB, "10.2.0.0/16", THERE, XGW_ROUTE_PEERING, 0},
	{HUB, "10.2.128.0/17", THERE, XGW_ROUTE_PEERING, XGW_ROUTE_TRANSIT},
	{HUB, "10.1.0.1/32", KERNEL, XGW_ROUTE_SYSTEM, 0},
	{HUB, "192.168.1.0/24", CHOICE, XGW_ROUTE_STATIC, 0},
	{HUB, "192.168.2.0/24", CHOICE_DOWN, XGW_ROUTE_STATIC, 0},
	{HUB, "192.168.3.0/24", SPREAD, XGW_ROUTE_STATIC, 0},
	{HUB, "192.168.4.0/24", SPREAD_DOWN, XGW_ROUTE_STATIC, 0},
	{HUB, "192.168.5.0/24", NESTED, XGW_ROUTE_STATIC, 0},
	{HUB, "192.168.6.0/24", MISSING, XGW_ROUTE_STATIC, 0},
	{HUB, "192.168.7.0/24", LINK, XGW_ROUTE_BGP, 0},
	{HUB, "192.168.8.0/24", GROUPS, XGW_ROUTE_BGP, 0},
	{HUB, "fd00:7::/64", LINK2, XGW_ROUTE_BGP, 0},
	{HUB, "fd00:1::/64", SPREAD, XGW_ROUTE_STATIC, 0},
	{TABLE, "10.2.0.0/17", APPLIANCE, XGW_ROUTE_USER, 0},
	{TABLE, "10.2.0.0/15", NOWHERE, XGW_ROUTE_USER, 0},
	{TABLE, "192.168.1.0/24", NOWHERE, XGW_ROUTE_USER, 0},
	{TABLE, "192.168.6.0/25", INTERNET, XGW_ROUTE_USER, 0},
	{TABLE, "172.16.0.0/12", T3, XGW_ROUTE_USER, 0},
};

static struct xgw_next_hop hops[2048];
static struct xgw_config config = {.generation = 1};
static unsigned asked;

int maps_get(const struct maps *m, enum maps_id id, const void *key, void *value)
{
	struct xgw_attachment a = {.mtu = 1500, .port_id = LAN};
	const struct xgw_address_key *own = key;
	struct ip_addr ours;
	uint32_t n;
	(void)m;
	asked++;
	memcpy(&n, key, sizeof n);
	if (id == MAPS_addresses) {
		struct ip_addr it = ip_addr_from_mapped(own->addr);
		assert_int_equal(ip_addr_parse(&ours, "10.1.0.1"), 0);
		return own->vnet == HUB && ip_addr_equal(&ours, &it) ? 0 : -ENOENT;
	}
	if (id == MAPS_attachments) {
		a.id = n;
		a.kind = n == AT_LINK ? XGW_TAG_QINQ : n == AT_LINK2 ? XGW_TAG_VLAN : 0;
		a.tag = n == AT_LINK ? XGW_QINQ(2, 3) : n == AT_LINK2 ? 5 : 0;
		a.limiter = n == AT_LINK ? 4 : n == AT_LINK2 ? XGW_MAX_LIMITERS : 0;
		a.mac[5] = (uint8_t)n;
		memcpy(value, &a, sizeof a);
		return 0;
	}
	assert_int_equal(id, MAPS_next_hops);
	if (n >= 2048 || !hops[n].kind)
		return -ENOENT;
	memcpy(value, &hops[n], sizeof hops[n]);
	return 0;
}

int maps_put(const struct maps *m, enum maps_id id, const void *key, const void *value)
{
	(void)m, (void)id, (void)key, (void)value;
	return -ENOENT;
}

int maps_delete(const struct maps *m, enum maps_id id, const void *key)
{
	(void)m, (void)id, (void)key;
	return -ENOENT;
}

int maps_walk(const struct maps *m, enum maps_id id,
	      int (*each)(void *owner, const void *key, const void *value), void *owner)
{
	(void)m, (void)id, (void)each, (void)owner;
	return 0;
}

int maps_route(const struct maps *m, uint32_t vnet, const struct ip_addr *to, struct xgw_route *out)
{
	int best = -1;
	(void)m;
	asked++;
	for (unsigned i = 0; i < sizeof routes / sizeof *routes; i++) {
		struct ip_prefix p;
		assert_int_equal(ip_prefix_parse(&p, routes[i].prefix), 0);
		if (routes[i].of != vnet || !ip_prefix_contains(&p, to) || p.len <= best)
			continue;
		best = p.len;
		*out = (struct xgw_route){.next_hop = routes[i].hop,
					  .source = routes[i].source,
					  .flags = routes[i].flags,
					  .plen = p.len};
	}
	return best < 0 ? -ENOENT : 0;
}

/* Every host is there; its link-layer address tells its own. */
int maps_endpoint(const struct maps *m, uint32_t vnet, const struct ip_addr *host,
		  struct xgw_endpoint *out)
{
	(void)m;
	*out = (struct xgw_endpoint){.attachment = vnet == HUB	    ? AT_HUB
						   : vnet == SPOKE  ? AT_SPOKE
						   : vnet == DOMAIN ? AT_LINK
								    : AT_LINK2};
	memcpy(out->mac + 2, host->b, 4);
	return 0;
}

int maps_neighbour(const struct maps *m, uint32_t ifindex, const struct ip_addr *host,
		   struct xgw_neighbour *out)
{
	(void)m, (void)ifindex, (void)host, (void)out;
	return -ENOENT;
}

/* ---- a worker and its packets ---- */

struct desk {
	struct maps maps;
	struct datapath d;
	struct worker w;
	uint8_t ip[64];
	struct child child;
};

static void put_tunnel(uint32_t id, uint32_t flags, uint32_t table)
{
	hops[id] = (struct xgw_next_hop){
		.kind = XGW_HOP_TUNNEL, .connection = id, .flags = flags, .table = table};
}

static void put_choice(uint32_t id, uint32_t flags, uint32_t a, uint32_t b, uint32_t c)
{
	hops[id] =
		(struct xgw_next_hop){.kind = XGW_HOP_CHOICE, .flags = flags, .member = {a, b, c}};
}

static void put_link(uint32_t id, uint32_t domain, const char *router, uint32_t flags)
{
	struct ip_addr a;
	assert_int_equal(ip_addr_parse(&a, router), 0);
	hops[id] = (struct xgw_next_hop){.kind = XGW_HOP_CIRCUIT, .vnet = domain, .flags = flags};
	ip_addr_to_mapped(&a, hops[id].address);
}

static int set_up(void **state)
{
	struct desk *k = calloc(1, sizeof *k);
	struct ip_addr appliance;
	assert_non_null(k);
	k->maps.config = &config;
	config.generation++;
	k->d.o.maps = &k->maps;
	k->d.o.n_ports = 1;
	k->d.o.port[0].id = LAN;
	k->w.d = &k->d;
	k->w.now_ns = 100 * NS_PER_S;
	k->w.cache = calloc(CACHE_SLOTS, sizeof *k->w.cache);
	assert_non_null(k->w.cache);
	memset(hops, 0, sizeof hops);
	hops[NOWHERE].kind = XGW_HOP_DROP;
	hops[KERNEL].kind = XGW_HOP_GATEWAY;
	hops[INTERNET].kind = XGW_HOP_INTERNET;
	hops[HERE] = (struct xgw_next_hop){.kind = XGW_HOP_LOCAL, .vnet = HUB};
	hops[THERE] = (struct xgw_next_hop){.kind = XGW_HOP_LOCAL, .vnet = SPOKE};
	hops[APPLIANCE] = (struct xgw_next_hop){.kind = XGW_HOP_APPLIANCE, .vnet = HUB};
	assert_int_equal(ip_addr_parse(&appliance, "10.1.9.9"), 0);
	ip_addr_to_mapped(&appliance, hops[APPLIANCE].address);
	put_tunnel(T1, 0, 0);
	put_tunnel(T2, XGW_HOP_UP, 0);
	put_tunnel(T3, XGW_HOP_UP, 0);
	put_tunnel(TABLED, XGW_HOP_UP, TABLE);
	hops[CLIENT] = hops[TABLED];
	hops[CLIENT].kind = XGW_HOP_CLIENT;
	hops[CLIENT].connection = CLIENT;
	put_choice(CHOICE, 0, T1, T2, T3);
	put_choice(CHOICE_DOWN, 0, T1, MISSING, 0);
	put_choice(SPREAD, XGW_HOP_SPREAD, T1, T2, T3);
	put_choice(SPREAD_DOWN, XGW_HOP_SPREAD, T1, MISSING, 0);
	put_choice(NESTED, 0, CHOICE, MISSING, 0);
	put_link(LINK, DOMAIN, "172.31.0.1", XGW_HOP_UP);
	put_link(LINK2, DOMAIN2, "fd00:e::1", XGW_HOP_UP);
	/* a link, then tunnels */
	put_choice(GROUPS, XGW_HOP_SPREAD, LINK, T2, T3);
	hops[GROUPS].groups = 1u << 1;
	*state = k;
	return 0;
}

static int tear_down(void **state)
{
	struct desk *k = *state;
	free(k->w.cache);
	free(k);
	return 0;
}

/* A UDP packet; tunnel: that it came out of, or the client that sent it; 0 for none. */
static const struct decision *ask(struct desk *k, const char *to, uint16_t port, uint32_t tunnel,
				  uint32_t hop)
{
	struct packet p = {.at = k->ip, .vnet = HUB, .connection = tunnel, .hop = hop};
	struct ip_addr from, a;
	bool v4 = !strchr(to, ':');
	assert_int_equal(ip_addr_parse(&from, v4 ? "10.9.9.9" : "fd09::9"), 0);
	assert_int_equal(ip_addr_parse(&a, to), 0);
	memset(k->ip, 0, sizeof k->ip);
	p.len = v4 ? 28 : 48;
	k->ip[0] = v4 ? 0x45 : 0x60;
	k->ip[v4 ? 9 : 6] = 17;
	memcpy(k->ip + (v4 ? 12 : 8), from.b, v4 ? 4 : 16);
	memcpy(k->ip + (v4 ? 16 : 24), a.b, v4 ? 4 : 16);
	store_be16(k->ip + (v4 ? 20 : 40), port);
	p.from_client = tunnel == CLIENT;
	if (tunnel && !p.from_client)
		p.child = &k->child;
	return decide(&k->w, &p);
}

static void test_rows(void **state)
{
	static const struct {
		const char *to;
		uint32_t tunnel, hop;
		enum decision_kind kind;
		uint32_t what; /* drop, or connection, or last byte of the host's address */
	} rows[] = {
		/* out of a tunnel of the hub, without a table */
		{"10.1.0.4", T2, 0, DECIDE_SEND, 4},
		{"10.1.0.1", T2, 0, DECIDE_OWN, 0},
		{"172.16.0.1", T2, 0, DECIDE_DROP, XGW_DROP_NO_ROUTE},
		{"192.168.6.1", T2, 0, DECIDE_DROP, XGW_DROP_NO_NEXT_HOP},
		/* every peering is open to what comes out of a tunnel */
		{"10.2.0.5", T2, 0, DECIDE_SEND, 5},
		{"10.2.200.6", T2, 0, DECIDE_SEND, 6},
		/* choices */
		{"192.168.1.1", T2, 0, DECIDE_TUNNEL, T2},
		{"192.168.2.1", T2, 0, DECIDE_TUNNEL, T1},
		{"192.168.4.1", T2, 0, DECIDE_TUNNEL, T1},
		{"192.168.5.1", T2, 0, DECIDE_DROP, XGW_DROP_NO_NEXT_HOP},
		/* with the table of the gateway's subnet: longer, equal, shorter than the VNet's */
		{"10.2.0.5", TABLED, 0, DECIDE_SEND, 9},
		{"192.168.1.1", TABLED, 0, DECIDE_DROP, XGW_DROP_ROUTE_NONE},
		{"10.2.200.6", TABLED, 0, DECIDE_SEND, 6},
		{"10.1.0.1", TABLED, 0, DECIDE_OWN, 0},
		{"172.16.0.1", TABLED, 0, DECIDE_TUNNEL, T3},
		{"192.168.6.1", TABLED, 0, DECIDE_DROP, XGW_DROP_INTERNET},
		{"192.168.6.200", TABLED, 0, DECIDE_DROP, XGW_DROP_NO_NEXT_HOP},
		/* a client asks the same, and is led to as tunnels are */
		{"10.1.0.4", CLIENT, 0, DECIDE_SEND, 4},
		{"10.2.0.5", CLIENT, 0, DECIDE_SEND, 9},
		{"192.168.1.1", CLIENT, 0, DECIDE_DROP, XGW_DROP_ROUTE_NONE},
		{"172.16.0.1", 0, CLIENT, DECIDE_TUNNEL, CLIENT},
		/* not out of a tunnel: the connection is the one that it goes to, if any */
		{"192.168.1.1", 0, 0, DECIDE_TUNNEL, T2},
		/* XDP has found the next hop already */
		{"172.16.0.1", 0, HERE, DECIDE_SEND, 1},
		{"10.2.0.5", 0, APPLIANCE, DECIDE_SEND, 9},
		{"10.1.0.1", 0, APPLIANCE, DECIDE_SEND, 9},
		{"172.16.0.1", 0, CHOICE, DECIDE_TUNNEL, T2},
		{"172.16.0.1", 0, LINK, DECIDE_SEND, 1},
		{"172.16.0.1", 0, MISSING, DECIDE_DROP, XGW_DROP_NO_NEXT_HOP},
	};
	/* once by the maps, once by what is kept of them */
	for (unsigned round = 0; round < 2; round++)
		for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
			const struct decision *d =
				ask(*state, rows[i].to, 1000, rows[i].tunnel, rows[i].hop);
			uint32_t what = d->kind == DECIDE_DROP	   ? d->drop
					: d->kind == DECIDE_TUNNEL ? d->connection
					: d->kind == DECIDE_SEND   ? d->l2[5]
								   : 0;
			if (d->kind != rows[i].kind || what != rows[i].what)
				fail_msg("row %u, to %s out of %u: kind %d, %u", i, rows[i].to,
					 rows[i].tunnel, d->kind, what);
		}
}

static void test_where_it_leaves(void **state)
{
	/* the source's link-layer address is the attachment's */
	assert_int_equal(ask(*state, "10.1.0.4", 1, T2, 0)->l2[11], AT_HUB);
	assert_int_equal(ask(*state, "10.2.0.4", 1, T2, 0)->l2[11], AT_SPOKE);
	assert_int_equal(ask(*state, "10.2.0.4", 1, TABLED, 0)->l2[11], AT_HUB);
}

/* Flows keep their tunnel, and only those of a tunnel that goes move. */
static void spread(struct desk *k, const char *to)
{
	enum { FLOWS = 500 };
	uint32_t first[FLOWS], n[2] = {0};
	for (uint16_t i = 0; i < FLOWS; i++) {
		first[i] = ask(k, to, i, T1, 0)->connection;
		assert_true(first[i] == T2 || first[i] == T3);
		n[first[i] == T3]++;
	}
	assert_in_range(n[0], FLOWS * 4 / 10, FLOWS * 6 / 10);
	asked = 0;
	for (uint16_t i = 0; i < FLOWS; i++)
		assert_int_equal(ask(k, to, i, T1, 0)->connection, first[i]);
	assert_int_equal(asked, 0);
	hops[T1].flags = XGW_HOP_UP;
	config.generation++;
	for (uint16_t i = 0; i < FLOWS; i++) {
		uint32_t now = ask(k, to, i, T2, 0)->connection;
		assert_true(now == first[i] || now == T1);
	}
	hops[T1].flags = 0;
	config.generation++;
}

static void test_spread(void **state)
{
	spread(*state, "192.168.3.1");
	spread(*state, "fd00:1::1");
}

/* To the router, by the link's tags, and within the circuit's bandwidth. */
static void test_circuits(void **state)
{
	static const uint8_t twice[] = {0, 0, 0,    0, 0, AT_LINK, 0x88, 0xa8,
					0, 2, 0x81, 0, 0, 3,	   8,	 0};
	static const uint8_t once[] = {0, 0, 0, 0, 0, AT_LINK2, 0x81, 0, 0, 5, 0x86, 0xdd};
	hops[T1].flags = XGW_HOP_BRANCHES;
	hops[T2].flags |= XGW_HOP_BRANCHES;
	const struct decision *d = ask(*state, "192.168.7.1", 1, T2, 0);
	assert_int_equal(d->kind, DECIDE_SEND);
	assert_int_equal(d->l2_len, 22);
	assert_memory_equal(d->l2 + 2, "\xac\x1f\x00\x01", 4);
	assert_memory_equal(d->l2 + 6, twice, sizeof twice);
	assert_int_equal(d->limiter, 4);
	d = ask(*state, "fd00:7::1", 1, T2, 0);
	assert_int_equal(d->kind, DECIDE_SEND);
	assert_int_equal(d->l2_len, 18);
	assert_memory_equal(d->l2 + 6, once, sizeof once);
	/* a number that is none is no limit */
	assert_int_equal(d->limiter, 0);
	/* all flows by the link; when it is down, over the tunnels; none is up: the first */
	for (uint16_t i = 0; i < 50; i++)
		assert_int_equal(ask(*state, "192.168.8.1", i, T1, 0)->kind, DECIDE_SEND);
	hops[LINK].flags = 0;
	config.generation++;
	unsigned n[2] = {0};
	for (uint16_t i = 0; i < 200; i++) {
		d = ask(*state, "192.168.8.1", i, T1, 0);
		assert_int_equal(d->kind, DECIDE_TUNNEL);
		n[d->connection == T3]++;
	}
	assert_true(n[0] > 50 && n[1] > 50);
	hops[T2].flags = hops[T3].flags = 0;
	config.generation++;
	assert_int_equal(ask(*state, "192.168.8.1", 1, T1, 0)->kind, DECIDE_SEND);
	hops[T3].flags = XGW_HOP_UP;
	config.generation++;
	assert_int_equal(ask(*state, "192.168.8.1", 1, T1, 0)->connection, T3);
}

/* Out of tunnels that may not go from branch to branch, and out of clients. */
static void test_barred(void **state)
{
	static const uint32_t from[] = {T1, CLIENT};
	for (int i = 0; i < 2; i++) {
		const struct decision *d = ask(*state, "192.168.7.1", 1, from[i], 0);
		assert_true(d->kind == DECIDE_DROP && d->drop == XGW_DROP_BRANCH);
		/* links are none of a choice's members, tunnels are */
		d = ask(*state, "192.168.8.1", 1, from[i], 0);
		assert_true(d->kind == DECIDE_TUNNEL &&
			    (d->connection == T2 || d->connection == T3));
	}
	/* none is up: a tunnel all the same, and of links alone nothing */
	hops[T2].flags = hops[T3].flags = 0;
	config.generation++;
	const struct decision *d = ask(*state, "192.168.8.1", 1, T1, 0);
	assert_true(d->kind == DECIDE_TUNNEL && d->connection == T2);
	put_choice(GROUPS, XGW_HOP_SPREAD, LINK, LINK2, 0);
	config.generation++;
	d = ask(*state, "192.168.8.1", 1, T1, 0);
	assert_true(d->kind == DECIDE_DROP && d->drop == XGW_DROP_BRANCH);
	/* not out of a tunnel */
	assert_int_equal(ask(*state, "192.168.8.1", 1, 0, 0)->kind, DECIDE_SEND);
}

static void test_change_of_members(void **state)
{
	assert_int_equal(ask(*state, "192.168.1.1", 1, T1, 0)->connection, T2);
	hops[T2].flags = 0;
	config.generation++;
	assert_int_equal(ask(*state, "192.168.1.1", 1, T1, 0)->connection, T3);
	hops[T1].flags = XGW_HOP_UP;
	config.generation++;
	assert_int_equal(ask(*state, "192.168.1.1", 1, T1, 0)->connection, T1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_rows, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_where_it_leaves, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_spread, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_circuits, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_barred, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_change_of_members, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
