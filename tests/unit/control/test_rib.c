/* SPDX-License-Identifier: Apache-2.0 */
/* The routing information base: one row for each rule, then what no row thinks of (rib_model.h). */
#include "rib_model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define VNET	1001u
#define SPOKE	1002u
#define CIRCUIT 0x5000000u /* next hops: two links */
#define OTHER	0x5000001u
#define TUNNEL	1024u /* and tunnels from here on */

static const struct rib_limits ample = {
	.peers = 16, .learnt = 5000, .routes = 5000, .choices = 256, .seed = {1, 2}};

static struct ip_prefix prefix(const char *text)
{
	struct ip_prefix p;
	if (ip_prefix_parse(&p, text))
		fail_msg("%s is no prefix", text);
	return p;
}

static struct rib_static static_route(const char *text, uint32_t hop, enum rib_class class,
				      uint16_t weight)
{
	struct ip_prefix p = prefix(text);
	return (struct rib_static){.table = VNET,
				   .prefix = p,
				   .hop = hop,
				   .weight = weight,
				   .class = (uint8_t) class,
				   .value = {.next_hop = hop ? hop : 2,
					     .source = XGW_ROUTE_STATIC,
					     .plen = p.len,
					     .family = p.addr.family}};
}

static struct rib *rib_of(const struct rib_limits *limits, const struct rib_inputs *in)
{
	struct rib *r;
	struct fault f = {0};
	assert_int_equal(rib_create(&r, limits), 0);
	if (rib_follow(r, in, &f))
		fail_msg("%s", f.text);
	return r;
}

/* Learnt as good as anything by number: peer n has TUNNEL + n - 1, but for 1 and 2, the links. */
static const struct rib_peer six_peers[] = {{1, 0}, {2, 0}, {3, 0}, {4, 0}, {5, 0}, {6, 0}};
#define D RIB_MEMBER_DEFAULT
static const struct rib_member six_members[] = {
	{1, VNET, CIRCUIT, 10, RIB_CLASS_CIRCUIT, D},
	{2, VNET, OTHER, 10, RIB_CLASS_CIRCUIT, D},
	{3, VNET, TUNNEL, 10, RIB_CLASS_TUNNEL, D},
	{4, VNET, TUNNEL + 1, 10, RIB_CLASS_TUNNEL, D},
	{5, VNET, TUNNEL + 2, 20, RIB_CLASS_TUNNEL, D},
	{6, VNET, TUNNEL + 3, 10, RIB_CLASS_TUNNEL, 0},
};
#undef D
static const struct rib_inputs six = {
	.peers = six_peers, .members = six_members, .n_peers = 6, .n_members = 6};

/* The only difference that is pending. */
static struct rib_change only_change(struct rib *r)
{
	struct rib_change c, more;
	assert_int_equal(rib_next(r, &c, 1), 1);
	assert_int_equal(rib_next(r, &more, 1), 0);
	assert_true(rib_is_settled(r));
	return c;
}

static void nothing_changes(struct rib *r)
{
	struct rib_change c;
	do
		assert_int_equal(rib_next(r, &c, 1), 0);
	while (!rib_is_settled(r));
}

static size_t drain(struct rib *r, struct rib_change *out, size_t room)
{
	size_t n = 0;
	for (uint32_t calls = 0; !rib_is_settled(r); calls++) {
		assert_true(n < room && calls < 10000);
		n += rib_next(r, out + n, room - n);
	}
	return n;
}

/* ---- choice ---- */

struct choice_row {
	const char *name;
	struct {
		uint32_t peer, metric;
	} learnt[6]; /* peer 0 ends */
	struct {
		uint32_t hop;
		enum rib_class class;
		uint32_t weight, order;
	} statics[2]; /* hop 0 ends */
	uint32_t hop[XGW_HOP_MEMBERS];
	uint32_t groups;
	bool spreads;
};
static const struct choice_row choice_rows[] = {
	{"one route", {{3, 1}}, {{0}}, {TUNNEL}, 0, false},
	{"circuit before tunnel", {{3, 1}, {1, 5}}, {{0}}, {CIRCUIT, TUNNEL}, 2, false},
	{"two links share flows", {{2, 1}, {1, 1}}, {{0}}, {CIRCUIT, OTHER}, 0, true},
	{"larger weight first", {{3, 1}, {5, 4}}, {{0}}, {TUNNEL + 2, TUNNEL}, 2, false},
	{"shorter AS path first", {{3, 2}, {4, 1}}, {{0}}, {TUNNEL + 1, TUNNEL}, 2, false},
	{"equal tunnels share flows", {{4, 2}, {3, 2}}, {{0}}, {TUNNEL, TUNNEL + 1}, 0, true},
	{"learnt before static",
	 {{4, 9}},
	 {{TUNNEL, RIB_CLASS_TUNNEL, 10}},
	 {TUNNEL + 1, TUNNEL},
	 2,
	 false},
	{"weight before learnt",
	 {{4, 1}},
	 {{TUNNEL, RIB_CLASS_TUNNEL, 11}},
	 {TUNNEL, TUNNEL + 1},
	 2,
	 false},
	{"static by the same tunnel",
	 {{3, 7}},
	 {{TUNNEL, RIB_CLASS_TUNNEL, 10}},
	 {TUNNEL},
	 0,
	 false},
	{"static ones that share",
	 {{5, 1}},
	 {{TUNNEL, RIB_CLASS_TUNNEL, 10}, {TUNNEL + 1, RIB_CLASS_TUNNEL, 10}},
	 {TUNNEL + 2, TUNNEL, TUNNEL + 1},
	 2,
	 true},
	{"static ones in an order",
	 {{5, 1}},
	 {{TUNNEL, RIB_CLASS_TUNNEL, 10, 7}, {TUNNEL + 1, RIB_CLASS_TUNNEL, 10, 6}},
	 {TUNNEL + 2, TUNNEL + 1, TUNNEL},
	 6,
	 false},
	{"links, then tunnels that share",
	 {{1, 1}, {2, 1}, {3, 1}, {4, 1}},
	 {{0}},
	 {CIRCUIT, OTHER, TUNNEL, TUNNEL + 1},
	 4,
	 true},
	{"no more than four",
	 {{1, 1}, {2, 2}, {3, 1}, {4, 2}, {6, 3}},
	 {{0}},
	 {CIRCUIT, OTHER, TUNNEL, TUNNEL + 1},
	 14,
	 false},
	{"a tunnel has the last place",
	 {{1, 1}, {2, 1}, {3, 3}},
	 {{OTHER + 1, RIB_CLASS_CIRCUIT, 5}, {OTHER + 2, RIB_CLASS_CIRCUIT, 4}},
	 {CIRCUIT, OTHER, OTHER + 1, TUNNEL},
	 12,
	 true},
};

static void check_choice(const struct choice_row *row)
{
	struct rib_static statics[2];
	struct rib_inputs in = six;
	struct rib_change c[4];
	const struct ip_prefix p = prefix("10.20.0.0/16");
	in.statics = statics;
	for (; in.n_statics < 2 && row->statics[in.n_statics].hop; in.n_statics++) {
		statics[in.n_statics] = static_route("10.20.0.0/16", row->statics[in.n_statics].hop,
						     row->statics[in.n_statics].class,
						     row->statics[in.n_statics].weight);
		statics[in.n_statics].order = row->statics[in.n_statics].order;
		statics[in.n_statics].value.next_hop = 77;
	}
	struct rib *r = rib_of(&ample, &in);
	nothing_changes(r);
	for (uint32_t i = 0; i < 6 && row->learnt[i].peer; i++)
		assert_int_equal(rib_learn(r, row->learnt[i].peer, &p, row->learnt[i].metric), 0);
	size_t n = drain(r, c, 4);
	assert_int_equal(n, row->hop[1] ? 2 : 1);
	assert_int_equal(c[n - 1].kind, RIB_ROUTE_PUT);
	assert_int_equal(c[n - 1].table, VNET);
	assert_true(ip_prefix_equal(&c[n - 1].prefix, &p));
	assert_int_equal(c[n - 1].value.plen, 16);
	assert_int_equal(c[n - 1].value.family, 4);
	if (n == 1) {
		assert_int_equal(c[0].value.next_hop, row->hop[0]);
	} else {
		assert_int_equal(c[0].kind, RIB_HOP_PUT);
		assert_int_equal(c[0].id, c[1].value.next_hop);
		assert_in_range(c[0].id, RIB_FIRST_CHOICE, RIB_CHOICES_BEHIND - 1);
		assert_int_equal(c[0].hop.kind, XGW_HOP_CHOICE);
		assert_memory_equal(c[0].hop.member, row->hop, sizeof row->hop);
		assert_int_equal(c[0].hop.groups, row->groups);
		assert_int_equal(c[0].hop.flags, row->spreads ? XGW_HOP_SPREAD : 0);
	}
	rib_free(r);
}

static void preference(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof choice_rows / sizeof *choice_rows; i++) {
		print_message("%s\n", choice_rows[i].name);
		check_choice(&choice_rows[i]);
	}
}

/* The same prefix by circuit and by tunnel; then withdrawn here, then there. */
static void failover(void **state)
{
	(void)state;
	struct rib_static s = static_route("10.20.0.0/16", TUNNEL, RIB_CLASS_TUNNEL, 10);
	struct rib_inputs in = six;
	struct rib_change c[4];
	const struct ip_prefix p = s.prefix;
	in.statics = &s;
	in.n_statics = 1;
	struct rib *r = rib_of(&ample, &in);
	nothing_changes(r);
	assert_false(rib_holds(r, VNET, &p));
	rib_learn(r, 1, &p, 1);
	assert_int_equal(drain(r, c, 4), 2);
	assert_int_equal(c[0].hop.member[0], CIRCUIT);
	assert_int_equal(c[0].hop.member[1], TUNNEL);
	assert_true(rib_holds(r, VNET, &p));
	uint32_t id = c[0].id;
	/* gone and back between two looks: nothing to do */
	rib_withdraw(r, 1, &p);
	rib_learn(r, 1, &p, 1);
	nothing_changes(r);
	/* another length of the path changes nothing where nobody competes by it */
	rib_learn(r, 1, &p, 3);
	nothing_changes(r);
	rib_withdraw(r, 1, &p);
	assert_int_equal(drain(r, c, 4), 2);
	assert_int_equal(c[0].kind, RIB_ROUTE_PUT);
	assert_memory_equal(&c[0].value, &s.value, sizeof s.value);
	assert_int_equal(c[1].kind, RIB_HOP_REMOVE);
	assert_int_equal(c[1].id, id);
	assert_false(rib_holds(r, VNET, &p));
	/* an id that was given back is not the next one */
	rib_learn(r, 1, &p, 1);
	assert_int_equal(drain(r, c, 4), 2);
	assert_int_not_equal(c[0].id, id);
	/* the session goes, and the plan's route too: nothing is left */
	rib_forget(r, 1);
	struct fault f;
	assert_int_equal(rib_follow(r, &six, &f), 0);
	assert_int_equal(drain(r, c, 4), 2);
	assert_int_equal(c[0].kind, RIB_ROUTE_REMOVE);
	assert_int_equal(c[1].kind, RIB_HOP_REMOVE);
	rib_free(r);
}

/* Prefixes with the same next hops have one choice. */
static void choices_are_shared(void **state)
{
	(void)state;
	struct rib_change c[64];
	struct rib *r = rib_of(&ample, &six);
	uint32_t puts = 0;
	for (uint8_t i = 0; i < 20; i++) {
		struct ip_prefix p = {{IP_V4, {10, i}}, 16};
		rib_learn(r, 1, &p, 1);
		rib_learn(r, 2, &p, 1);
	}
	size_t n = drain(r, c, 64);
	for (size_t i = 0; i < n; i++)
		puts += c[i].kind == RIB_HOP_PUT;
	assert_int_equal(n, 21);
	assert_int_equal(puts, 1);
	struct rib_counts counts;
	rib_counts(r, &counts);
	assert_int_equal(counts.routes, 20);
	assert_int_equal(counts.choices, 1);
	rib_forget(r, 2);
	n = drain(r, c, 64);
	assert_int_equal(n, 21);
	assert_int_equal(c[20].kind, RIB_HOP_REMOVE);
	assert_int_equal(c[19].value.next_hop, CIRCUIT);
	rib_free(r);
}

/* ---- what is refused ---- */

struct refusal_row {
	const char *prefix;
	int reason; /* enum rib_reason; -1: it is taken */
};
static const struct refusal_row refusal_rows[] = {
	/* the network's own, and its peer's */
	{"10.11.0.0/16", RIB_REFUSED_OWN},
	{"10.12.0.0/16", RIB_REFUSED_OWN},
	{"10.11.5.0/24", RIB_REFUSED_INSIDE},
	{"10.11.0.1/32", RIB_REFUSED_INSIDE},
	{"10.12.128.0/17", RIB_REFUSED_INSIDE},
	{"fd00:11::/48", RIB_REFUSED_OWN},
	{"fd00:11:0:7::/64", RIB_REFUSED_INSIDE},
	{"10.0.0.0/8", -1},
	{"10.10.0.0/15", -1},
	{"10.13.0.0/16", -1},
	{"fd00::/16", -1},
	/* the default route, from who may not */
	{"0.0.0.0/0", RIB_REFUSED_DEFAULT},
	{"::/0", RIB_REFUSED_DEFAULT},
	{"0.0.0.0/1", -1},
	{"128.0.0.0/1", -1},
	/* addresses that tunnels end at */
	{"20.1.1.1/32", RIB_REFUSED_PUBLIC},
	{"20.1.1.0/24", -1},
	{"20.1.1.2/32", -1},
	{"40.1.1.1/32", RIB_REFUSED_OUTER},
	{"40.1.1.0/31", -1},
	{"2a00:5::1/128", RIB_REFUSED_OUTER},
	{"2a00:5::/64", -1},
	/* no destinations */
	{"0.0.0.0/8", RIB_REFUSED_BOGON},
	{"0.1.2.3/32", RIB_REFUSED_BOGON},
	{"127.0.0.0/8", RIB_REFUSED_BOGON},
	{"127.0.0.1/32", RIB_REFUSED_BOGON},
	{"169.254.0.0/16", RIB_REFUSED_BOGON},
	{"169.254.21.2/32", RIB_REFUSED_BOGON},
	{"192.0.0.0/24", RIB_REFUSED_BOGON},
	{"192.0.2.0/24", RIB_REFUSED_BOGON},
	{"198.51.100.128/25", RIB_REFUSED_BOGON},
	{"203.0.113.0/24", RIB_REFUSED_BOGON},
	{"224.0.0.0/4", RIB_REFUSED_BOGON},
	{"224.0.0.0/3", RIB_REFUSED_BOGON},
	{"239.1.1.1/32", RIB_REFUSED_BOGON},
	{"240.0.0.0/4", RIB_REFUSED_BOGON},
	{"255.255.255.255/32", RIB_REFUSED_BOGON},
	{"::/128", RIB_REFUSED_BOGON},
	{"::1/128", RIB_REFUSED_BOGON},
	{"::10.0.0.0/104", RIB_REFUSED_BOGON},
	{"::ffff:0:0/96", RIB_REFUSED_BOGON},
	{"::ffff:10.0.0.0/104", RIB_REFUSED_BOGON},
	{"2001:10::/28", RIB_REFUSED_BOGON},
	{"2001:db8:5::/48", RIB_REFUSED_BOGON},
	{"3fff:1::/32", RIB_REFUSED_BOGON},
	{"fe80::/10", RIB_REFUSED_BOGON},
	{"fe80::/64", RIB_REFUSED_BOGON},
	{"ff00::/8", RIB_REFUSED_BOGON},
	{"ff02::1/128", RIB_REFUSED_BOGON},
	/* that look like them */
	{"126.0.0.0/8", -1},
	{"169.253.0.0/16", -1},
	{"192.0.1.0/24", -1},
	{"223.0.0.0/8", -1},
	{"100.64.0.0/10", -1},
	{"172.16.0.0/12", -1},
	{"198.18.0.0/15", -1},
	{"::fffe:0:0/96", -1},
	{"64:ff9b::/96", -1},
	{"2001::/32", -1},
	{"2001:20::/28", -1},
	{"2002::/16", -1},
	{"fc00::/7", -1},
	{"fec0::/10", -1},
};

static void check_refusal(struct rib *r, const struct refusal_row *row)
{
	struct rib_change c;
	struct rib_candidate why;
	struct rib_peer_counts was, is;
	const struct ip_prefix p = prefix(row->prefix);
	bool is_refused = row->reason >= 0;
	print_message("%s\n", row->prefix);
	assert_int_equal(rib_peer_counts(r, 6, &was), 0);
	assert_int_equal(rib_learn(r, 6, &p, 1), 0);
	assert_int_equal(rib_peer_counts(r, 6, &is), 0);
	assert_int_equal(is.received, was.received + 1);
	assert_int_equal(is.accepted, was.accepted + !is_refused);
	assert_int_equal(rib_explain(r, VNET, &p, &why, 1), 1);
	assert_int_equal(why.peer, 6);
	if (!is_refused) {
		assert_int_equal(why.reason, RIB_BEST);
		c = only_change(r);
		assert_int_equal(c.kind, RIB_ROUTE_PUT);
		assert_int_equal(c.value.next_hop, TUNNEL + 3);
		return;
	}
	assert_int_equal(why.reason, row->reason);
	assert_int_equal(is.refused[row->reason], was.refused[row->reason] + 1);
	assert_int_equal(is.refusals[row->reason], was.refusals[row->reason] + 1);
	nothing_changes(r);
	assert_false(rib_holds(r, VNET, &p));
	rib_withdraw(r, 6, &p);
	assert_int_equal(rib_peer_counts(r, 6, &is), 0);
	assert_int_equal(is.refused[row->reason], was.refused[row->reason]);
	assert_int_equal(is.received, was.received);
}

static void refusals(void **state)
{
	(void)state;
	const struct rib_own own[] = {
		{0, prefix("20.1.1.1/32"), RIB_OWN_PUBLIC},
		{0, prefix("20.1.1.1/32"), RIB_OWN_OUTER},
		{0, prefix("40.1.1.1/32"), RIB_OWN_OUTER},
		{0, prefix("2a00:5::1/128"), RIB_OWN_OUTER},
		{VNET, prefix("10.11.0.0/16"), RIB_OWN_SPACE},
		{VNET, prefix("10.11.9.0/24"), RIB_OWN_SPACE},
		{VNET, prefix("10.12.0.0/16"), RIB_OWN_SPACE},
		{VNET, prefix("fd00:11::/48"), RIB_OWN_SPACE},
		{SPOKE, prefix("10.13.0.0/16"), RIB_OWN_SPACE},
	};
	struct rib_inputs in = six;
	in.own = own;
	in.n_own = sizeof own / sizeof *own;
	struct rib *r = rib_of(&ample, &in);
	nothing_changes(r);
	for (size_t i = 0; i < sizeof refusal_rows / sizeof *refusal_rows; i++)
		check_refusal(r, &refusal_rows[i]);
	/* who may announce the default route */
	const struct ip_prefix all = prefix("0.0.0.0/0");
	assert_int_equal(rib_learn(r, 3, &all, 2), 0);
	assert_int_equal(only_change(r).value.next_hop, TUNNEL);
	rib_free(r);
}

/* No prefix: counted, and nothing is kept of it. */
static void malformed(void **state)
{
	(void)state;
	const struct ip_prefix bad[] = {
		{{IP_V4, {10}}, 33}, {{IP_V6, {0xfd}}, 129}, {{IP_NONE, {0}}, 0},
		{{7, {10}}, 8},	     {{IP_V4, {10, 1}}, 8},  {{IP_V4, {10, 0, 0, 0, 1}}, 8},
	};
	struct rib_peer_counts counts;
	struct rib *r = rib_of(&ample, &six);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		assert_int_equal(rib_learn(r, 1, &bad[i], 1), -EINVAL);
		rib_withdraw(r, 1, &bad[i]);
		rib_lost(r, VNET, &bad[i]);
	}
	assert_int_equal(rib_peer_counts(r, 1, &counts), 0);
	assert_int_equal(counts.refusals[RIB_REFUSED_MALFORMED], 6);
	assert_int_equal(counts.received, 0);
	nothing_changes(r);
	const struct ip_prefix p = prefix("10.0.0.0/8");
	assert_int_equal(rib_learn(r, 99, &p, 1), -ENOENT);
	rib_withdraw(r, 99, &p);
	rib_forget(r, 99);
	rib_refresh_begin(r, 99);
	rib_refresh_end(r, 99);
	assert_int_equal(rib_peer_counts(r, 99, &counts), -ENOENT);
	struct rib_counts all;
	rib_counts(r, &all);
	assert_int_equal(all.strangers, 1);
	assert_int_equal(all.prefixes, 0);
	rib_free(r);
}

/* A prefix that a table takes and another does not; and one that a reload gives to a network. */
static void by_table(void **state)
{
	(void)state;
	const struct rib_peer peer = {1, 0};
	const struct rib_member members[] = {{1, VNET, TUNNEL, 0, RIB_CLASS_TUNNEL, 0},
					     {1, SPOKE, TUNNEL, 0, RIB_CLASS_TUNNEL, 0}};
	const struct rib_own own[] = {{VNET, prefix("10.1.0.0/16"), RIB_OWN_SPACE},
				      {SPOKE, prefix("10.1.0.0/16"), RIB_OWN_SPACE}};
	struct rib_inputs in = {.peers = &peer, .members = members, .n_peers = 1, .n_members = 2};
	const struct ip_prefix p = prefix("10.1.0.0/16");
	struct rib_peer_counts counts;
	struct rib_change c[4];
	struct fault f;
	in.own = own;
	in.n_own = 1;
	struct rib *r = rib_of(&ample, &in);
	rib_learn(r, 1, &p, 1);
	rib_peer_counts(r, 1, &counts);
	assert_int_equal(counts.accepted, 1);
	assert_int_equal(drain(r, c, 4), 1);
	assert_int_equal(c[0].table, SPOKE);
	in.n_own = 2;
	assert_int_equal(rib_follow(r, &in, &f), 0);
	assert_int_equal(drain(r, c, 4), 1);
	assert_int_equal(c[0].kind, RIB_ROUTE_REMOVE);
	rib_peer_counts(r, 1, &counts);
	assert_int_equal(counts.accepted, 0);
	assert_int_equal(counts.refused[RIB_REFUSED_OWN], 1);
	/* what was refused is taken when the rule goes, without being announced again */
	in.n_own = 0;
	assert_int_equal(rib_follow(r, &in, &f), 0);
	assert_int_equal(drain(r, c, 4), 2);
	in.n_members = 0;
	assert_int_equal(rib_follow(r, &in, &f), 0);
	assert_int_equal(drain(r, c, 4), 2);
	assert_int_equal(c[0].kind, RIB_ROUTE_REMOVE);
	rib_peer_counts(r, 1, &counts);
	assert_int_equal(counts.refused[RIB_REFUSED_NO_TABLE], 1);
	rib_free(r);
}

/* ---- limits ---- */

static struct ip_prefix nth(uint32_t i)
{
	return (struct ip_prefix){ip_addr_v4(0x0b000000u + (i << 8)), 24};
}

/* A million routes: Azure closes the session at the 4001st; nobody else notices. */
static void a_million_routes(void **state)
{
	(void)state;
	struct rib_peer_counts counts;
	struct rib_counts before, after;
	struct rib_change *c = calloc(10000, sizeof *c);
	const struct ip_prefix other = prefix("10.20.0.0/16");
	assert_non_null(c);
	struct rib *r = rib_of(&ample, &six);
	rib_learn(r, 2, &other, 1);
	struct ip_prefix p;
	for (uint32_t i = 0; i < 4000; i++) {
		p = nth(i);
		assert_int_equal(rib_learn(r, 1, &p, 1), 0);
	}
	assert_int_equal(drain(r, c, 10000), 4001);
	rib_counts(r, &before);
	p = nth(7);
	assert_int_equal(rib_learn(r, 1, &p, 2), 0); /* one that it has */
	for (uint32_t i = 4000; i < 1000000; i++) {
		p = nth(i);
		assert_int_equal(rib_learn(r, 1, &p, 1), i == 4000 ? -EDQUOT : -ESHUTDOWN);
	}
	p = nth(7);
	assert_int_equal(rib_learn(r, 1, &p, 2), -ESHUTDOWN);
	assert_int_equal(rib_peer_counts(r, 1, &counts), 0);
	assert_true(counts.is_over);
	assert_int_equal(counts.limit, 4000);
	assert_int_equal(counts.received, 0);
	assert_int_equal(counts.refusals[RIB_REFUSED_LIMIT], 996001);
	assert_int_equal(drain(r, c, 10000), 4000);
	rib_counts(r, &after);
	assert_int_equal(after.bytes, before.bytes);
	assert_int_equal(after.routes, 1);
	assert_true(rib_holds(r, VNET, &other));
	rib_forget(r, 1);
	assert_int_equal(rib_learn(r, 1, &p, 1), 0);
	assert_int_equal(only_change(r).kind, RIB_ROUTE_PUT);
	free(c);
	rib_free(r);
}

/* More than all peers may have together. */
static void no_room_in_total(void **state)
{
	(void)state;
	const struct rib_limits tight = {.peers = 6, .learnt = 10, .routes = 100, .choices = 4};
	struct rib_peer_counts counts;
	struct rib_change c[32];
	struct rib *r = rib_of(&tight, &six);
	for (uint32_t i = 0; i < 15; i++) {
		const struct ip_prefix p = nth(i);
		assert_int_equal(rib_learn(r, 1 + i % 2, &p, 1), i < 10 ? 0 : -ENOSPC);
	}
	const struct ip_prefix first = nth(0);
	assert_int_equal(rib_learn(r, 1, &first, 5), 0); /* a replacement needs no room */
	assert_int_equal(drain(r, c, 32), 10);
	rib_peer_counts(r, 1, &counts);
	assert_int_equal(counts.missing, 3);
	assert_int_equal(counts.refusals[RIB_REFUSED_TOTAL], 3);
	rib_forget(r, 2);
	rib_refresh_begin(r, 1);
	for (uint32_t i = 0; i < 15; i += 2) {
		const struct ip_prefix p = nth(i);
		assert_int_equal(rib_learn(r, 1, &p, 1), 0);
	}
	rib_refresh_end(r, 1);
	rib_peer_counts(r, 1, &counts);
	assert_int_equal(counts.received, 8);
	assert_int_equal(counts.missing, 0);
	rib_free(r);
}

/* No room for the routes of another table; when some go, the others come. */
static void no_room_in_maps(void **state)
{
	(void)state;
	const struct rib_limits tight = {.peers = 6, .learnt = 100, .routes = 10, .choices = 4};
	struct rib_counts counts;
	struct rib_change c[64];
	struct rib *r = rib_of(&tight, &six);
	nothing_changes(r);
	for (uint32_t i = 0; i < 20; i++) {
		const struct ip_prefix p = nth(i);
		assert_int_equal(rib_learn(r, 1, &p, 1), 0);
	}
	assert_int_equal(drain(r, c, 64), 10);
	rib_counts(r, &counts);
	assert_int_equal(counts.routes, 10);
	assert_int_equal(counts.wanting, 10);
	for (uint32_t i = 0; i < 8; i++) {
		const struct ip_prefix p = nth(i);
		rib_withdraw(r, 1, &p);
	}
	assert_int_equal(drain(r, c, 64), 16);
	rib_counts(r, &counts);
	assert_int_equal(counts.routes, 10);
	rib_forget(r, 1);
	drain(r, c, 64);
	rib_counts(r, &counts);
	assert_int_equal(counts.routes, 0);
	assert_int_equal(counts.prefixes, 0);
	rib_free(r);
}

/* What a fixed route keeps out takes nobody's place, and is not looked for again and again. */
static void fixed_takes_no_place(void **state)
{
	(void)state;
	const struct rib_limits tight = {.peers = 6, .learnt = 100, .routes = 10, .choices = 4};
	struct rib_static fixed[4];
	struct rib_inputs in = six;
	struct rib_change c[64];
	struct rib_counts counts;
	for (uint32_t i = 0; i < 4; i++) {
		fixed[i] = static_route("11.0.0.0/24", 0, RIB_CLASS_FIXED, 0);
		fixed[i].prefix = nth(i);
	}
	in.statics = fixed;
	in.n_statics = 4;
	struct rib *r = rib_of(&tight, &in);
	nothing_changes(r);
	for (uint32_t i = 0; i < 20; i++) {
		const struct ip_prefix p = nth(i);
		assert_int_equal(rib_learn(r, 1, &p, 1), 0);
	}
	assert_int_equal(drain(r, c, 64), 10);
	for (uint32_t i = 4; i < 6; i++) {
		const struct ip_prefix p = nth(i);
		rib_withdraw(r, 1, &p);
	}
	/* two go, two others come, four have no place still */
	for (uint32_t calls = 0; !rib_is_settled(r); calls++) {
		assert_true(calls < 100);
		rib_next(r, c, 64);
	}
	rib_counts(r, &counts);
	assert_int_equal(counts.routes, 10);
	assert_int_equal(counts.wanting, 4);
	rib_free(r);
}

/* No room for a choice: the best alone, and the choice as soon as there is room. */
static void no_room_for_choices(void **state)
{
	(void)state;
	const struct rib_limits tight = {.peers = 6, .learnt = 100, .routes = 100, .choices = 1};
	const struct ip_prefix a = nth(1), b = nth(2);
	struct rib_change c[16];
	struct rib *r = rib_of(&tight, &six);
	rib_learn(r, 1, &a, 1);
	rib_learn(r, 2, &a, 1);
	assert_int_equal(drain(r, c, 16), 2);
	rib_learn(r, 1, &b, 1);
	rib_learn(r, 3, &b, 1);
	assert_int_equal(drain(r, c, 16), 1);
	assert_int_equal(c[0].value.next_hop, CIRCUIT);
	rib_withdraw(r, 1, &a);
	rib_withdraw(r, 2, &a);
	size_t n = drain(r, c, 16);
	assert_int_equal(n, 4);
	assert_int_equal(c[0].kind, RIB_ROUTE_REMOVE);
	assert_int_equal(c[1].kind, RIB_HOP_REMOVE);
	assert_int_equal(c[2].kind, RIB_HOP_PUT);
	assert_int_equal(c[3].kind, RIB_ROUTE_PUT);
	assert_int_equal(c[3].value.next_hop, c[2].id);
	rib_free(r);
}

/* Who never stops announcing does not keep the withdrawals of others waiting for ever. */
static void removals_get_their_turn(void **state)
{
	(void)state;
	struct rib_change c[8];
	const struct ip_prefix gone = prefix("10.20.0.0/16");
	uint32_t others = 0, turn = 0;
	bool is_gone = false;
	struct rib *r = rib_of(&ample, &six);
	rib_learn(r, 2, &gone, 1);
	for (uint32_t i = 0; i < 100; i++) {
		const struct ip_prefix p = nth(i);
		rib_learn(r, 3, &p, 1);
	}
	while (!rib_is_settled(r))
		rib_next(r, c, 8);
	rib_withdraw(r, 2, &gone);
	/* before, beside and behind the other: whenever a prefix is looked at, it differs */
	for (uint32_t i = 0; !is_gone && i < 20000; i++) {
		for (uint32_t k = 0; k < 8; k++, turn++) {
			const struct ip_prefix p = nth(turn % 100);
			rib_learn(r, 4, &p, turn / 100 % 3);
		}
		size_t n = rib_next(r, c, 1);
		for (size_t k = 0; k < n; k++)
			is_gone |= c[k].kind == RIB_ROUTE_REMOVE;
		others += n && !is_gone;
	}
	assert_true(is_gone);
	assert_in_range(others, 4000, 5000);
	rib_free(r);
}

/* Choices that nobody uses go before the others run out of ids, and in calls of their own. */
static void hops_are_removed_alone(void **state)
{
	(void)state;
	const struct rib_limits tight = {.peers = 6, .learnt = 100, .routes = 100, .choices = 4};
	struct rib_change c[16];
	uint32_t removed = 0;
	struct rib *r = rib_of(&tight, &six);
	for (uint32_t i = 0; i < 4; i++) {
		const struct ip_prefix p = nth(i);
		rib_learn(r, 1, &p, 1);
		rib_learn(r, 3 + i, &p, 1);
	}
	assert_int_equal(drain(r, c, 16), 8);
	rib_forget(r, 1);
	for (uint32_t i = 4; i < 8; i++) {
		const struct ip_prefix p = nth(i);
		rib_learn(r, 1, &p, 1);
	}
	for (uint32_t calls = 0; !rib_is_settled(r); calls++) {
		size_t n = rib_next(r, c, 16), hops = 0;
		for (size_t k = 0; k < n; k++)
			hops += c[k].kind == RIB_HOP_REMOVE;
		assert_true(hops == 0 || hops == n);
		/* three wait: one goes, although there is more to do */
		if (calls == 0)
			assert_int_equal(n, 3);
		if (calls == 1)
			assert_int_equal(hops, 1);
		removed += (uint32_t)hops;
	}
	assert_int_equal(removed, 4);
	rib_free(r);
}

/* A call does no more than its share, however much there is to do. */
static void bounded_calls(void **state)
{
	(void)state;
	const struct rib_limits large = {
		.peers = 6, .learnt = 50000, .routes = 50000, .choices = 64};
	struct rib_peer peers[6];
	struct rib_inputs in = six;
	struct rib_change c[16];
	struct fault f;
	uint32_t calls = 0;
	memcpy(peers, six_peers, sizeof peers);
	peers[0].max_prefixes = 50000;
	in.peers = peers;
	struct rib *r = rib_of(&large, &in);
	for (uint32_t i = 0; i < 50000; i++) {
		const struct ip_prefix p = nth(i);
		assert_int_equal(rib_learn(r, 1, &p, 1), 0);
	}
	while (!rib_is_settled(r))
		rib_next(r, c, 16);
	peers[1].max_prefixes = 7; /* nothing that matters: all is looked at, nothing differs */
	assert_int_equal(rib_follow(r, &in, &f), 0);
	while (!rib_is_settled(r)) {
		assert_int_equal(rib_next(r, c, 16), 0);
		calls++;
	}
	assert_in_range(calls, 150000 / 320, 250000 / 320);
	/* the same once more costs nothing */
	assert_int_equal(rib_follow(r, &in, &f), 0);
	assert_true(rib_is_settled(r));
	rib_free(r);
}

/* ---- reloads, take-over, what is lost ---- */

static void a_smaller_limit(void **state)
{
	(void)state;
	struct rib_peer peer = {1, 5};
	struct rib_inputs in = {
		.peers = &peer, .members = six_members, .n_peers = 1, .n_members = 1};
	struct rib_peer_counts counts;
	struct rib_change c[16];
	struct fault f;
	struct rib *r = rib_of(&ample, &in);
	for (uint32_t i = 0; i < 5; i++) {
		const struct ip_prefix p = nth(i);
		assert_int_equal(rib_learn(r, 1, &p, 1), 0);
	}
	assert_int_equal(drain(r, c, 16), 5);
	peer.max_prefixes = 4;
	assert_int_equal(rib_follow(r, &in, &f), 0);
	rib_peer_counts(r, 1, &counts);
	assert_true(counts.is_over);
	assert_int_equal(drain(r, c, 16), 5);
	peer.max_prefixes = 6;
	assert_int_equal(rib_follow(r, &in, &f), 0);
	const struct ip_prefix p = nth(0);
	assert_int_equal(rib_learn(r, 1, &p, 1), 0);
	/* the peer goes, and its routes with it */
	in.n_peers = in.n_members = 0;
	assert_int_equal(rib_follow(r, &in, &f), 0);
	assert_int_equal(rib_learn(r, 1, &p, 1), -ENOENT);
	nothing_changes(r);
	rib_free(r);
}

static const char *wrong_input(struct rib *r, const struct rib_inputs *in)
{
	static struct fault f;
	assert_int_equal(rib_follow(r, in, &f), -EINVAL);
	assert_int_equal(f.code, -EINVAL);
	return f.text;
}

static void wrong_peers_and_members(void **state)
{
	(void)state;
	struct rib_peer peers[2] = {{1, 0}, {2, 0}};
	struct rib_member m[2] = {{1, VNET, 9, 0, RIB_CLASS_TUNNEL, 0},
				  {2, VNET, 9, 0, RIB_CLASS_TUNNEL, 0}};
	struct rib_inputs in = {.peers = peers, .members = m, .n_peers = 2, .n_members = 2};
	struct rib *r = rib_of(&ample, &in);
	peers[0].no = 0;
	assert_non_null(strstr(wrong_input(r, &in), "peers[0]"));
	peers[0].no = 2;
	assert_non_null(strstr(wrong_input(r, &in), "peers[1]"));
	peers[0].no = 1;
	m[1].peer = 3;
	assert_non_null(strstr(wrong_input(r, &in), "no such peer"));
	m[1].peer = 1;
	assert_non_null(strstr(wrong_input(r, &in), "out of order"));
	m[1].table = VNET - 1;
	assert_non_null(strstr(wrong_input(r, &in), "out of order"));
	m[1].table = VNET + 1;
	m[1].hop = 0;
	assert_non_null(strstr(wrong_input(r, &in), "members[1]"));
	m[1].hop = RIB_FIRST_CHOICE;
	assert_non_null(strstr(wrong_input(r, &in), "members[1]"));
	m[1].hop = 9;
	m[1].class = RIB_CLASS_FIXED;
	assert_non_null(strstr(wrong_input(r, &in), "class"));
	m[1].class = RIB_CLASS_TUNNEL;
	m[1].weight = RIB_MAX_WEIGHT + 1;
	assert_non_null(strstr(wrong_input(r, &in), "weight"));
	m[0].table = 0;
	assert_non_null(strstr(wrong_input(r, &in), "members[0]"));
	rib_free(r);
	struct rib_peer many[17];
	struct fault f;
	for (uint32_t i = 0; i < 17; i++)
		many[i] = (struct rib_peer){i + 1, 0};
	in = (struct rib_inputs){.peers = many, .n_peers = 17};
	assert_int_equal(rib_create(&r, &ample), 0);
	assert_int_equal(rib_follow(r, &in, &f), -ENOSPC);
	rib_free(r);
}

static void wrong_statics_and_own(void **state)
{
	(void)state;
	struct rib_static s[2] = {static_route("10.0.0.0/8", 5, RIB_CLASS_TUNNEL, 0),
				  static_route("10.0.0.0/8", 6, RIB_CLASS_TUNNEL, 0)};
	struct rib_own own[2] = {{0, prefix("20.0.0.1/32"), RIB_OWN_PUBLIC},
				 {7, prefix("10.0.0.0/8"), RIB_OWN_SPACE}};
	struct rib_inputs in = {.statics = s, .own = own, .n_statics = 2, .n_own = 2};
	struct rib *r;
	assert_int_equal(rib_create(&r, &ample), 0);
	assert_non_null(strstr(wrong_input(r, &in), "several values"));
	s[1].value = s[0].value;
	s[1].hop = 5;
	assert_non_null(strstr(wrong_input(r, &in), "out of order"));
	s[1].hop = RIB_FIRST_CHOICE;
	assert_non_null(strstr(wrong_input(r, &in), "next hop"));
	s[1].hop = 6;
	s[1].class = RIB_CLASS_FIXED;
	assert_non_null(strstr(wrong_input(r, &in), "fixed"));
	s[1].class = RIB_CLASS_INSTANCE + 1;
	assert_non_null(strstr(wrong_input(r, &in), "class"));
	s[1].class = RIB_CLASS_TUNNEL;
	s[0].value.table = s[1].value.table = 4;
	assert_non_null(strstr(wrong_input(r, &in), "value"));
	s[0].value.table = s[1].value.table = 0;
	s[1].prefix.addr.b[3] = 1;
	assert_non_null(strstr(wrong_input(r, &in), "no prefix"));
	in.n_statics = 1;
	own[0].prefix = prefix("20.0.0.0/24");
	assert_non_null(strstr(wrong_input(r, &in), "own[0]"));
	own[0] = (struct rib_own){7, prefix("20.0.0.1/32"), RIB_OWN_PUBLIC};
	assert_non_null(strstr(wrong_input(r, &in), "own[0]"));
	own[0] = own[1];
	assert_non_null(strstr(wrong_input(r, &in), "own[1]"));
	own[0].table = 6;
	own[1].prefix.len = 40;
	assert_non_null(strstr(wrong_input(r, &in), "no prefix"));
	rib_free(r);
	const struct rib_limits bad[] = {{.peers = 0, .choices = 1},
					 {.peers = RIB_MAX_PEERS + 1, .choices = 1},
					 {.peers = 1, .choices = 0},
					 {.peers = 1, .choices = RIB_MAX_CHOICES + 1},
					 {.peers = 1, .choices = 1, .learnt = UINT32_MAX}};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_int_equal(rib_create(&r, &bad[i]), -EINVAL);
}

static void wrong_followers_and_allowed(void **state)
{
	(void)state;
	struct rib_peer peer = {1, 0};
	struct rib_static s = static_route("10.0.0.0/8", 0, RIB_CLASS_FIXED, 0);
	struct rib_allowed a[2] = {{1, prefix("10.0.0.0/8")}, {1, prefix("10.1.0.0/16")}};
	struct rib_inputs in = {.peers = &peer, .statics = &s, .allowed = a, .n_peers = 1};
	struct rib *r;
	assert_int_equal(rib_create(&r, &ample), 0);
	in.n_statics = 1;
	s.of = VNET;
	assert_non_null(strstr(wrong_input(r, &in), "follows"));
	s.of = SPOKE;
	s.least = 9;
	assert_non_null(strstr(wrong_input(r, &in), "follows"));
	s.least = 0;
	s.class = RIB_CLASS_TUNNEL;
	s.hop = 7;
	assert_non_null(strstr(wrong_input(r, &in), "follows"));
	in.n_statics = 0;
	in.n_allowed = 2;
	assert_non_null(strstr(wrong_input(r, &in), "inside"));
	a[1].prefix = a[0].prefix;
	assert_non_null(strstr(wrong_input(r, &in), "allowed[1]"));
	a[1].peer = 2;
	assert_non_null(strstr(wrong_input(r, &in), "no such peer"));
	a[1] = (struct rib_allowed){1, prefix("11.0.0.0/8")};
	a[1].prefix.addr.b[3] = 1;
	assert_non_null(strstr(wrong_input(r, &in), "no prefix"));
	rib_free(r);
}

/* advertisedPrefixes, before and after a reload: routes that were learnt are judged anew. */
static void outside_of_what_is_allowed(void **state)
{
	(void)state;
	struct rib_allowed a = {3, prefix("10.0.0.0/8")};
	struct rib_inputs in = six;
	struct rib_peer_counts counts;
	struct rib_change c[8];
	struct fault f;
	const struct ip_prefix inside = prefix("10.9.0.0/16"), outside = prefix("11.0.0.0/8");
	in.allowed = &a;
	in.n_allowed = 1;
	struct rib *r = rib_of(&ample, &in);
	nothing_changes(r);
	rib_learn(r, 3, &inside, 1);
	rib_learn(r, 3, &outside, 1);
	assert_int_equal(drain(r, c, 8), 1);
	assert_true(ip_prefix_equal(&c[0].prefix, &inside));
	rib_peer_counts(r, 3, &counts);
	assert_int_equal(counts.accepted, 1);
	assert_int_equal(counts.refusals[RIB_REFUSED_NOT_ADVERTISED], 1);
	rib_learn(r, 4, &outside, 1); /* the others may */
	assert_int_equal(drain(r, c, 8), 1);
	a.prefix = outside;
	assert_int_equal(rib_follow(r, &in, &f), 0);
	size_t n = drain(r, c, 8);
	assert_int_equal(n, 3);
	assert_int_equal(c[0].kind, RIB_HOP_PUT);
	assert_int_equal(c[1].kind, RIB_ROUTE_PUT);
	assert_true(ip_prefix_equal(&c[1].prefix, &outside));
	assert_int_equal(c[2].kind, RIB_ROUTE_REMOVE);
	assert_true(ip_prefix_equal(&c[2].prefix, &inside));
	in.n_allowed = 0;
	assert_int_equal(rib_follow(r, &in, &f), 0);
	assert_int_equal(drain(r, c, 8), 1);
	rib_peer_counts(r, 3, &counts);
	assert_int_equal(counts.accepted, 2);
	rib_free(r);
}

struct follow_row {
	const char *name, *prefix; /* of the user's route */
	uint8_t least;
	const char *learnt[3]; /* by peer 3, then 4, then 5 */
	const char *fixed;     /* a route of the gateway's table against which nothing counts */
	uint32_t hop;	       /* 0: the plan's */
	const char *by;
};
static const struct follow_row follow_rows[] = {
	{"a default route", "0.0.0.0/0", 0, {"0.0.0.0/0"}, NULL, TUNNEL, "0.0.0.0/0"},
	{"the default site goes before", "10.2.0.0/16", 1, {"0.0.0.0/0"}, NULL, 0, NULL},
	{"what is equal", "10.2.0.0/16", 0, {"10.2.0.0/16"}, NULL, TUNNEL, "10.2.0.0/16"},
	{"the longest that covers",
	 "10.2.0.0/16",
	 1,
	 {"10.0.0.0/8", "10.2.0.0/15", "0.0.0.0/0"},
	 NULL,
	 TUNNEL + 1,
	 "10.2.0.0/15"},
	{"one inside is not its own", "10.2.0.0/16", 0, {"10.2.3.0/24"}, NULL, 0, NULL},
	{"the plan knows better", "10.2.0.0/16", 0, {"10.0.0.0/8"}, "10.2.0.0/15", 0, NULL},
	{"it knows less", "10.2.0.0/16", 0, {"10.2.0.0/15"}, "10.0.0.0/8", TUNNEL, "10.2.0.0/15"},
	{"IPv6", "fd00:1::/48", 0, {"fd00::/8", "10.0.0.0/8"}, NULL, TUNNEL, "fd00::/8"},
	{"refused ones say nothing", "0.0.0.0/0", 0, {NULL, NULL, "203.0.113.0/24"}, NULL, 0, NULL},
};

static const struct rib_change *put_in(const struct rib_change *c, size_t n, uint32_t table)
{
	const struct rib_change *found = NULL;
	for (size_t i = 0; i < n; i++) {
		if (c[i].kind == RIB_ROUTE_PUT && c[i].table == table)
			found = &c[i];
	}
	return found;
}

static void check_follow(const struct follow_row *row)
{
	struct rib_static s[2] = {static_route(row->prefix, 0, RIB_CLASS_FIXED, 0)};
	struct rib_inputs in = six;
	struct rib_change c[16];
	struct rib_followed f;
	const uint32_t table = XGW_FIRST_TABLE;
	uint32_t user = row->fixed != NULL;
	s[1] = s[0];
	if (user)
		s[0] = static_route(row->fixed, 0, RIB_CLASS_FIXED, 0);
	s[user].table = table;
	s[user].of = VNET;
	s[user].least = row->least;
	s[user].value.source = XGW_ROUTE_USER;
	in.statics = s;
	in.n_statics = user + 1;
	struct rib *r = rib_of(&ample, &in);
	nothing_changes(r);
	for (uint32_t i = 0; i < 3; i++) {
		const struct ip_prefix p = prefix(row->learnt[i] ? row->learnt[i] : "10.77.0.0/16");
		if (row->learnt[i])
			assert_int_equal(rib_learn(r, 3 + i, &p, 1), 0);
	}
	size_t n = drain(r, c, 16);
	const struct rib_change *put = put_in(c, n, table);
	assert_int_equal(put != NULL, row->hop != 0);
	assert_int_equal(rib_holds(r, table, &s[user].prefix), row->hop != 0);
	assert_true(rib_followed(r, 0, &f));
	assert_false(rib_followed(r, 1, &(struct rib_followed){0}));
	assert_int_equal(f.is_learnt, row->hop != 0);
	if (put) {
		const struct ip_prefix by = prefix(row->by);
		assert_int_equal(put->value.next_hop, row->hop);
		assert_int_equal(put->value.source, XGW_ROUTE_USER);
		assert_int_equal(put->value.plen, s[user].prefix.len);
		assert_true(ip_prefix_equal(&f.by, &by));
	}
	for (uint32_t no = 3; no < 6; no++)
		rib_forget(r, no);
	n = drain(r, c, 16);
	put = put_in(c, n, table);
	assert_int_equal(put != NULL, row->hop != 0);
	if (put)
		assert_memory_equal(&put->value, &s[user].value, sizeof put->value);
	assert_false(rib_holds(r, table, &s[user].prefix));
	rib_free(r);
}

/* Users' routes to the gateway go where its own table leads. */
static void users_routes_follow(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof follow_rows / sizeof *follow_rows; i++) {
		print_message("%s\n", follow_rows[i].name);
		check_follow(&follow_rows[i]);
	}
}

/* A route could not be put: it is tried again, and its choice is not taken away from anybody. */
static void what_is_lost(void **state)
{
	(void)state;
	struct rib_change c[16];
	const struct ip_prefix p = nth(1), q = nth(2);
	struct rib *r = rib_of(&ample, &six);
	rib_learn(r, 1, &p, 1);
	rib_learn(r, 2, &p, 1);
	assert_int_equal(drain(r, c, 16), 2);
	rib_lost(r, VNET, &p);
	rib_lost_choice(r, c[0].id);
	assert_false(rib_holds(r, VNET, &p));
	assert_true(rib_is_settled(r));
	/* when a route goes, what was lost is put, its choice before it */
	rib_learn(r, 3, &q, 1);
	assert_int_equal(drain(r, c, 16), 1);
	rib_withdraw(r, 3, &q);
	assert_int_equal(drain(r, c, 16), 3);
	assert_int_equal(c[0].kind, RIB_ROUTE_REMOVE);
	assert_int_equal(c[1].kind, RIB_HOP_PUT);
	assert_int_equal(c[2].kind, RIB_ROUTE_PUT);
	assert_true(rib_holds(r, VNET, &p));
	/* lost, and then nobody's: it is taken back although it may not be there */
	rib_lost(r, VNET, &p);
	rib_forget(r, 1);
	rib_forget(r, 2);
	assert_int_equal(drain(r, c, 16), 2);
	rib_free(r);
}

static void adopted(void **state)
{
	(void)state;
	struct rib_change c[16], more[16];
	const struct ip_prefix p = nth(1), q = nth(2);
	struct rib *r = rib_of(&ample, &six), *next = rib_of(&ample, &six);
	rib_learn(r, 1, &p, 1);
	rib_learn(r, 2, &p, 1);
	rib_learn(r, 3, &q, 1);
	assert_int_equal(drain(r, c, 16), 3);
	c[0].id = RIB_FIRST_CHOICE + 5;
	c[1].value.next_hop = c[0].id;
	/* not before its choice; not what no RIB makes; not twice */
	assert_int_equal(rib_adopt_route(next, VNET, &p, &c[1].value), -EINVAL);
	struct xgw_next_hop odd = c[0].hop;
	odd.member[1] = 0;
	assert_int_equal(rib_adopt_choice(next, c[0].id, &odd), -EINVAL);
	odd = c[0].hop;
	odd.groups = 16;
	assert_int_equal(rib_adopt_choice(next, c[0].id, &odd), -EINVAL);
	odd = c[0].hop;
	odd.flags = 0;
	assert_int_equal(rib_adopt_choice(next, c[0].id, &odd), -EINVAL);
	assert_int_equal(rib_adopt_choice(next, RIB_CHOICES_BEHIND, &c[0].hop), -EINVAL);
	assert_int_equal(rib_adopt_choice(next, RIB_CHOICES_BEHIND - 1, &c[0].hop), -ENOSPC);
	assert_int_equal(rib_adopt_choice(next, c[0].id, &c[0].hop), 0);
	assert_int_equal(rib_adopt_choice(next, c[0].id, &c[0].hop), -EEXIST);
	assert_int_equal(rib_adopt_choice(next, c[0].id + 1, &c[0].hop), -EEXIST);
	assert_int_equal(rib_adopt_route(next, VNET, &p, &c[1].value), 0);
	assert_int_equal(rib_adopt_route(next, VNET, &p, &c[1].value), -EEXIST);
	assert_int_equal(rib_adopt_route(next, VNET, &q, &c[2].value), 0);
	assert_true(rib_holds(next, VNET, &p));
	rib_learn(next, 1, &p, 1);
	rib_learn(next, 2, &p, 1);
	/* what was not said again goes; the rest makes no difference */
	assert_int_equal(drain(next, more, 16), 1);
	assert_int_equal(more[0].kind, RIB_ROUTE_REMOVE);
	assert_true(ip_prefix_equal(&more[0].prefix, &q));
	assert_int_equal(rib_adopt_choice(next, c[0].id + 1, &odd), -EINVAL);
	/* ids below are used as if they had been free all along */
	rib_learn(next, 3, &p, 1);
	assert_int_equal(drain(next, more, 16), 3);
	assert_int_equal(more[0].kind, RIB_HOP_PUT);
	assert_int_not_equal(more[0].id, c[0].id);
	rib_free(next);
	rib_free(r);
}

/* Ids that the process before did not use are there for this one. */
static void holes_are_filled(void **state)
{
	(void)state;
	const struct rib_limits tight = {.peers = 6, .learnt = 100, .routes = 100, .choices = 4};
	const struct xgw_next_hop hop = {
		.kind = XGW_HOP_CHOICE, .groups = 2, .member = {CIRCUIT, TUNNEL}};
	struct rib_change c[16];
	struct rib *r = rib_of(&tight, &six);
	assert_int_equal(rib_adopt_choice(r, RIB_FIRST_CHOICE + 3, &hop), 0);
	for (uint32_t i = 0; i < 4; i++) {
		const struct ip_prefix p = nth(i);
		rib_learn(r, 1, &p, 1);
		rib_learn(r, 3 + i, &p, 1);
	}
	/* three choices are new */
	assert_int_equal(drain(r, c, 16), 7);
	struct rib_counts counts;
	rib_counts(r, &counts);
	assert_int_equal(counts.choices, 4);
	assert_int_equal(counts.wanting, 0);
	rib_free(r);
}

/* Events were lost, a table is read again: what is not there any more goes, the rest stays. */
static void refresh(void **state)
{
	(void)state;
	struct rib_peer peer = {3, 3};
	struct rib_member m = {3, VNET, TUNNEL, 0, RIB_CLASS_TUNNEL, 0};
	const struct rib_inputs in = {.peers = &peer, .members = &m, .n_peers = 1, .n_members = 1};
	struct rib_change c[16];
	struct rib *r = rib_of(&ample, &in);
	const struct ip_prefix p[5] = {nth(0), nth(1), nth(2), nth(3), nth(4)};
	for (uint32_t i = 0; i < 3; i++)
		rib_learn(r, 3, &p[i], 1);
	assert_int_equal(drain(r, c, 16), 3);
	rib_refresh_begin(r, 3);
	/* its limit is not reached by what may be gone */
	for (uint32_t i = 2; i < 5; i++)
		assert_int_equal(rib_learn(r, 3, &p[i], 1), 0);
	rib_refresh_end(r, 3);
	assert_int_equal(drain(r, c, 16), 4);
	assert_int_equal(c[0].kind, RIB_ROUTE_PUT);
	assert_int_equal(c[3].kind, RIB_ROUTE_REMOVE);
	assert_true(rib_holds(r, VNET, &p[2]));
	assert_false(rib_holds(r, VNET, &p[0]));
	/* one that is begun again while it is under way */
	rib_refresh_begin(r, 3);
	rib_learn(r, 3, &p[2], 1);
	rib_refresh_begin(r, 3);
	rib_learn(r, 3, &p[3], 1);
	rib_refresh_end(r, 3);
	assert_int_equal(drain(r, c, 16), 2);
	assert_true(rib_holds(r, VNET, &p[3]));
	assert_false(rib_holds(r, VNET, &p[2]));
	rib_free(r);
}

/* ---- explanations ---- */

static void explained(void **state)
{
	(void)state;
	struct rib_static s[2] = {static_route("11.0.0.0/24", TUNNEL, RIB_CLASS_TUNNEL, 10),
				  static_route("11.0.1.0/24", 0, RIB_CLASS_FIXED, 0)};
	struct rib_inputs in = six;
	struct rib_candidate c[8];
	in.statics = s;
	in.n_statics = 2;
	struct rib *r = rib_of(&ample, &in);
	const struct ip_prefix p = nth(0), fixed = nth(1), none = nth(2);
	for (uint32_t peer = 1; peer <= 6; peer++)
		rib_learn(r, peer, &p, peer == 4 ? 2 : 1);
	rib_learn(r, 1, &fixed, 1);
	const struct {
		uint32_t peer;
		enum rib_reason reason;
		uint8_t group;
	} expected[] = {{1, RIB_BEST, 0},
			{2, RIB_SHARES, 0},
			{5, RIB_STANDS_BY_CLASS, 1},
			{3, RIB_STANDS_BY_CLASS, 2},
			{6, RIB_LOSES_ROOM, UINT8_MAX},
			{4, RIB_LOSES_ROOM, UINT8_MAX},
			{0, RIB_LOSES_SAME_HOP, UINT8_MAX}};
	assert_int_equal(rib_explain(r, VNET, &p, c, 8), 7);
	for (size_t i = 0; i < 7; i++) {
		assert_int_equal(c[i].peer, expected[i].peer);
		assert_int_equal(c[i].reason, expected[i].reason);
		assert_int_equal(c[i].group, expected[i].group);
	}
	/* less room: the best of them */
	memset(c, 0, sizeof c);
	assert_int_equal(rib_explain(r, VNET, &p, c, 2), 7);
	assert_int_equal(c[1].peer, 2);
	assert_int_equal(c[2].hop, 0);
	assert_int_equal(rib_explain(r, VNET, &p, NULL, 0), 7);
	assert_int_equal(rib_explain(r, VNET, &fixed, c, 8), 2);
	assert_int_equal(c[0].peer, 0);
	assert_int_equal(c[0].reason, RIB_BEST);
	assert_int_equal(c[1].reason, RIB_LOSES_FIXED);
	assert_int_equal(rib_explain(r, VNET, &none, c, 8), 0);
	assert_int_equal(rib_explain(r, SPOKE, &p, c, 8), 0);
	/* what stands by because of what */
	for (uint32_t peer = 1; peer <= 6; peer++)
		if (peer != 4 && peer != 3)
			rib_withdraw(r, peer, &p);
	assert_int_equal(rib_explain(r, VNET, &p, c, 8), 3);
	assert_int_equal(c[1].reason, RIB_STANDS_BY_PATH);
	rib_withdraw(r, 3, &p);
	assert_int_equal(rib_explain(r, VNET, &p, c, 8), 2);
	assert_int_equal(c[1].reason, RIB_STANDS_BY_STATIC);
	rib_learn(r, 5, &p, 1);
	rib_explain(r, VNET, &p, c, 8);
	assert_int_equal(c[1].reason, RIB_STANDS_BY_WEIGHT);
	rib_free(r);
}

static void reasons_have_words(void **state)
{
	(void)state;
	for (int i = 0; i < RIB_REASONS; i++) {
		assert_true(strlen(rib_reason_text(i)) > 10);
		assert_int_equal(rib_is_refusal(i), strncmp(rib_reason_key(i), "refused-", 8) == 0);
		for (int k = 0; k < i; k++)
			assert_string_not_equal(rib_reason_key(i), rib_reason_key(k));
	}
	assert_string_equal(rib_reason_key(RIB_REASONS), "unknown");
}

/* ---- what no row thinks of ---- */

static void against_the_reference(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 150; seed++) {
		struct model_script script = {.seed = seed, .state = seed * 0x9e3779b97f4a7c15ull};
		model_run(&script, 300);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(preference),
		cmocka_unit_test(failover),
		cmocka_unit_test(choices_are_shared),
		cmocka_unit_test(refusals),
		cmocka_unit_test(malformed),
		cmocka_unit_test(by_table),
		cmocka_unit_test(a_million_routes),
		cmocka_unit_test(no_room_in_total),
		cmocka_unit_test(no_room_in_maps),
		cmocka_unit_test(fixed_takes_no_place),
		cmocka_unit_test(no_room_for_choices),
		cmocka_unit_test(removals_get_their_turn),
		cmocka_unit_test(hops_are_removed_alone),
		cmocka_unit_test(bounded_calls),
		cmocka_unit_test(a_smaller_limit),
		cmocka_unit_test(wrong_peers_and_members),
		cmocka_unit_test(wrong_statics_and_own),
		cmocka_unit_test(wrong_followers_and_allowed),
		cmocka_unit_test(outside_of_what_is_allowed),
		cmocka_unit_test(users_routes_follow),
		cmocka_unit_test(what_is_lost),
		cmocka_unit_test(adopted),
		cmocka_unit_test(holes_are_filled),
		cmocka_unit_test(refresh),
		cmocka_unit_test(explained),
		cmocka_unit_test(reasons_have_words),
		cmocka_unit_test(against_the_reference),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
