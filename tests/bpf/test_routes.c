// SPDX-License-Identifier: Apache-2.0
/*
 * Longest prefix: what the program says of random destinations, against a list searched from end to
 * end. Two VNets share address space, so that one must never see the other's routes.
 */
#include "world.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum { ROUTES = 3000, ASKED = 6000, FIRST = 5000, OTHER_TAG = 12 };

struct entry {
	uint32_t vnet, hop;
	struct ip_prefix prefix;
	bool there;
};

static struct world w;
static struct entry entries[ROUTES];
static uint64_t seed = 0x1234567887654321ull;

static uint32_t draw(void)
{
	seed ^= seed >> 12;
	seed ^= seed << 25;
	seed ^= seed >> 27;
	return (uint32_t)((seed * 0x2545f4914f6cdd1dull) >> 32);
}

/* Few distinct bits, so that prefixes nest deeply. */
static struct ip_addr draw_addr(enum ip_family family)
{
	struct ip_addr a = {.family = (uint8_t)family};

	a.b[0] = family == IP_V4 ? 20 : 0xfd;
	for (unsigned i = 1; i < ip_addr_bytes(&a); i++)
		a.b[i] = (uint8_t)(draw() % 4 ? 0 : draw() & 0x81);
	return a;
}

static const struct entry *best_of(uint32_t vnet, const struct ip_addr *to)
{
	const struct entry *best = NULL;

	for (unsigned i = 0; i < ROUTES; i++) {
		const struct entry *e = &entries[i];

		if (e->there && e->vnet == vnet && ip_prefix_contains(&e->prefix, to) &&
		    (!best || e->prefix.len > best->prefix.len))
			best = e;
	}
	return best;
}

static bool is_double(unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		if (entries[i].vnet == entries[n].vnet &&
		    ip_prefix_equal(&entries[i].prefix, &entries[n].prefix))
			return true;
	}
	return false;
}

static void make_routes(void)
{
	for (unsigned i = 0; i < ROUTES; i++) {
		struct entry *e = &entries[i];
		struct xgw_route r = {.next_hop = FIRST + i};

		e->vnet = draw() & 1 ? VNET : LEARNING;
		e->hop = FIRST + i;
		e->prefix.addr = draw_addr(draw() & 1 ? IP_V4 : IP_V6);
		e->prefix.len = (uint8_t)(draw() % (ip_addr_bits(&e->prefix.addr) - 8) + 9);
		e->prefix = ip_prefix_canonical(e->prefix);
		e->there = !is_double(i);
		if (!e->there)
			continue;
		r.plen = e->prefix.len;
		r.family = e->prefix.addr.family;
		assert_int_equal(maps_route_put(&w.maps, e->vnet, &e->prefix, &r), 0);
		world_hop(&w, e->hop, XGW_HOP_TUNNEL, e->vnet, e->hop);
	}
}

static void ask(uint32_t vnet, const struct ip_addr *to)
{
	const struct entry *want = best_of(vnet, to);
	static struct frame f;
	char text[IP_TEXT];
	struct xgw_route r;
	struct xgw_trace t;
	bool is_v4 = to->family == IP_V4;

	memset(&f, 0, sizeof(f));
	frame_eth(&f, LAN_MAC, HOST_MAC, is_v4 ? 0x0800 : 0x86dd);
	if (vnet == LEARNING)
		frame_vlan(&f, OTHER_TAG);
	ip_addr_format(to, text);
	if (vnet == VNET)
		frame_ip(&f, is_v4 ? "10.11.0.4" : "fd00:11::4", text, 6);
	else
		frame_ip(&f, is_v4 ? "10.12.0.4" : "fd00:12::4", text, 6);
	frame_fill(&f, 40);
	frame_close(&f);
	assert_int_equal(explain_run(bpf_program__fd(w.skel->progs.xgw_vnet), w.ifindex[LAN], f.b,
				     f.len, &t),
			 0);
	if (!want) {
		assert_int_equal(t.drop, XGW_DROP_NO_ROUTE);
		assert_int_equal(maps_route(&w.maps, vnet, to, &r), -ENOENT);
		return;
	}
	if (t.next_hop != want->hop)
		fail_msg("%s in VNet %u: expected a /%u, came a /%u", text, vnet, want->prefix.len,
			 t.plen);
	assert_int_equal(t.verdict, XGW_HOP_TUNNEL);
	assert_int_equal(t.plen, want->prefix.len);
	/* the worker's question has the same answer */
	assert_int_equal(maps_route(&w.maps, vnet, to, &r), 0);
	assert_int_equal(r.next_hop, want->hop);
}

static void ask_many(void)
{
	for (unsigned i = 0; i < ASKED; i++) {
		struct ip_addr to = draw_addr(draw() & 1 ? IP_V4 : IP_V6);

		ask(draw() & 1 ? VNET : LEARNING, &to);
	}
}

static void test_longest_prefix(void **state)
{
	(void)state;
	make_routes();
	ask_many();
	for (unsigned i = 0; i < ROUTES; i += 2) {
		if (entries[i].there)
			assert_int_equal(
				maps_route_delete(&w.maps, entries[i].vnet, &entries[i].prefix), 0);
		entries[i].there = false;
	}
	ask_many();
}

static int setup(void **state)
{
	struct xgw_attachment other = {.id = 9, .vnet = LEARNING, .kind = XGW_TAG_VLAN};

	(void)state;
	world_open(&w, true);
	world_attachment(&w, other, NULL, OTHER_TAG);
	world_route(&w, LEARNING, "fd00:12::/48", LOCAL + LEARNING, XGW_ROUTE_LOCAL);
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
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_longest_prefix)};

	return cmocka_run_group_tests(tests, setup, teardown);
}
