/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The peers of many tunnels start anew and come back all at once, while other tunnels are up: does
 * the hub's one thread still answer those in time? Its time is virtual: each datagram costs what it
 * costs a slow core, and they are worked off as loader/ike_host.c and the event loop do, so many of
 * one socket, then of the next, then timers. What finds a socket's buffer full is lost.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "ike/ike_internal.h"
#include "sim.h"

#define STEADY	    100	 /* tunnels that are up and stay so */
#define RESTARTED   2000 /* whose peers start anew */
#define ANYBODY	    (STEADY + RESTARTED)
#define STEP_NS	    NS_PER_MS
#define LATENCY_NS  (20 * NS_PER_MS)
#define READS	    64	/* of one socket in a row */
#define SOCKET_ROOM 480 /* 2 MiB of datagrams that hold more than a page each */
#define FLYING	    32768

/* Rather more than the daemon and its data path take (docs/PERFORMANCE.md). */
#define COST_REFUSED_NS 20000  /* a first message that gets a cookie, or nothing */
#define COST_BEGUN_NS	200000 /* one that gets an answer: a key exchange */
#define COST_AUTH_NS	250000 /* IKE_AUTH, and a child for the data path */
#define COST_OTHER_NS	30000  /* liveness, a DELETE, a repetition */
#define COST_SENT_NS	30000  /* by a timer */
#define STRANGERS	20     /* a step: what XDP lets pass, 20 000 a second (bpf/ike_rate.h) */
#define STRANGERS_NS	(10 * NS_PER_S)

/* Dead after three seconds: much less than anybody configures. */
#define STEADY_DPD_NS (3 * NS_PER_S)

enum end { HUB, PEERS, RESTARTING, ENDS };
enum { SOCKET_500, SOCKET_4500, SOCKETS };

struct packet {
	uint64_t at_ns; /* on the way: when it is there; in a socket: since when */
	struct ip_endpoint from, to;
	size_t len;
	uint8_t *b;
};

struct ring {
	struct packet *at;
	unsigned room, first, n;
};

struct world {
	struct ike *ike[ENDS];
	struct ike_effects effects[ENDS];
	uint64_t random, now_ns, hub_ns; /* until when the hub is busy */
	struct ring flying, socket[SOCKETS];
	unsigned turn, reads; /* which socket is being read, how many in a row */
	uint8_t first[1024];  /* of a stranger */
	size_t first_len;
	bool strangers;
	/* what was seen */
	uint64_t worst_ns[SOCKETS]; /* that a datagram of a steady tunnel waited */
	unsigned answered[SOCKETS], lost, lost_steady, steady_downs;
	uint32_t most_half_open;
};

/* ---- who is who ---- */

static struct ip_addr hub_addr(void)
{
	return sim_addr("203.0.113.1");
}

static bool is_steady(unsigned i)
{
	return i < STEADY;
}

static struct ip_addr peer_addr(unsigned i)
{
	struct ip_addr a = {.family = IP_V4};
	store_be32(a.b, (is_steady(i) ? 0x64400000u : 0x64500000u) + i);
	return a;
}

static enum end end_of(const struct ip_addr *a)
{
	if (a->b[0] == 203)
		return HUB;
	return a->b[1] == 0x40 ? PEERS : a->b[1] == 0x50 ? RESTARTING : ENDS;
}

/* Tunnel `i`; at the hub, ANYBODY is whoever comes from anywhere and has the key. */
static void add(struct world *w, enum end end, unsigned i)
{
	struct fault f;
	char text[64];
	struct ip_addr hub = hub_addr(), peer = peer_addr(i);
	struct ike_connection c = {
		.id = i + 1,
		.name = "tunnel",
		.local = end == HUB ? hub : peer,
		.remote = end == HUB ? peer : hub,
		.start = end == HUB ? IKE_START_RESPOND : IKE_START_INITIATE,
		.n_ike = 1,
		.n_child = 1,
		.ike[0] = {.n_encryption = 1,
			   .n_prf = 1,
			   .n_group = 1,
			   .encryption = {ENCR_AES_GCM16_256},
			   .prf = {PRF_HMAC_SHA2_256},
			   .group = {DH_CURVE25519}},
		.child[0] = {.n_encryption = 1, .encryption = {ENCR_AES_GCM16_256}},
		.n_local_ts = 1,
		.n_remote_ts = 1,
		.local_ts[0] = sim_ts("0.0.0.0/0"),
		.remote_ts[0] = sim_ts("0.0.0.0/0"),
		.dpd_timeout_ns = is_steady(i) ? STEADY_DPD_NS : 60 * NS_PER_S,
		.always_encapsulate = is_steady(i) && i % 2, /* by port 4500 */
	};
	assert_int_equal(identity_parse(&c.local_id, ip_addr_format(&c.local, text)), 0);
	assert_int_equal(identity_parse(&c.remote_id, ip_addr_format(&c.remote, text)), 0);
	if (i == ANYBODY)
		c.remote = (struct ip_addr){0};
	snprintf(text, sizeof text, "the pre-shared key of tunnel number %u", i);
	assert_int_equal(secret_set(&c.psk, text, strlen(text)), 0);
	assert_int_equal(ike_add(w->ike[end], &c, &f), 0);
}

/* ---- the network ---- */

static struct packet *ring_push(struct ring *r)
{
	return r->n < r->room ? &r->at[(r->first + r->n++) % r->room] : NULL;
}

static struct packet ring_pop(struct ring *r)
{
	struct packet p = r->at[r->first];
	r->first = (r->first + 1) % r->room;
	r->n--;
	return p;
}

static void ring_new(struct ring *r, unsigned room)
{
	*r = (struct ring){.at = calloc(room, sizeof *r->at), .room = room};
	assert_non_null(r->at);
}

static void ring_free(struct ring *r)
{
	while (r->n)
		free(ring_pop(r).b);
	free(r->at);
}

static void carry_out(struct world *w, enum end end, uint64_t at_ns)
{
	struct ike_effects *e = &w->effects[end];
	assert_false(e->lost);
	for (size_t i = 0; i < e->n; i++) {
		const struct ike_effect *x = &e->at[i];
		if (x->kind == IKE_DOWN && is_steady(x->connection - 1))
			w->steady_downs++;
		if (x->kind != IKE_SEND || end_of(&x->remote.addr) == ENDS)
			continue;
		struct packet *p = ring_push(&w->flying);
		assert_non_null(p);
		*p = (struct packet){at_ns + LATENCY_NS, x->local, x->remote, x->datagram.len,
				     malloc(x->datagram.len)};
		assert_non_null(p->b);
		memcpy(p->b, x->datagram.at, p->len);
	}
	ike_effects_clear(e);
}

static void to_socket(struct world *w, struct packet p)
{
	struct packet *slot =
		ring_push(&w->socket[p.to.port == IKE_NATT_PORT ? SOCKET_4500 : SOCKET_500]);
	if (slot) {
		p.at_ns = w->now_ns;
		*slot = p;
		return;
	}
	w->lost++;
	w->lost_steady += end_of(&p.from.addr) == PEERS;
	free(p.b);
}

static void arrive(struct world *w)
{
	while (w->flying.n && w->flying.at[w->flying.first].at_ns <= w->now_ns) {
		struct packet p = ring_pop(&w->flying);
		enum end end = end_of(&p.to.addr);
		if (end == HUB) {
			to_socket(w, p);
			continue;
		}
		ike_receive(w->ike[end], &p.to, &p.from, (struct bytes){p.b, p.len}, w->now_ns,
			    &w->effects[end]);
		carry_out(w, end, w->now_ns);
		free(p.b);
	}
}

/* First messages of IKE_SA_INIT from addresses that can't hear the answer. */
static void strangers_come(struct world *w)
{
	for (unsigned i = 0; w->strangers && i < STRANGERS; i++) {
		struct packet p = {.from = {.addr.family = IP_V4, .port = IKE_PORT},
				   .to = {hub_addr(), IKE_PORT},
				   .len = w->first_len,
				   .b = malloc(w->first_len)};
		assert_non_null(p.b);
		store_be32(p.from.addr.b, 0x0a000000u | (uint32_t)sim_below(&w->random, 1 << 24));
		memcpy(p.b, w->first, p.len);
		store_be64(p.b, sim_draw(&w->random) | 1);
		to_socket(w, p);
	}
}

/* ---- the hub's one thread ---- */

static uint64_t cost_of(const struct packet *p, bool begun)
{
	const uint8_t *header = p->b + (p->to.port == IKE_NATT_PORT ? 4 : 0);
	switch (header[18]) {
	case IKE_SA_INIT: return begun ? COST_BEGUN_NS : COST_REFUSED_NS;
	case IKE_AUTH: return COST_AUTH_NS;
	default: return COST_OTHER_NS;
	}
}

static void work_on(struct world *w, unsigned socket)
{
	struct ike *hub = w->ike[HUB];
	struct packet p = ring_pop(&w->socket[socket]);
	uint64_t waited = w->hub_ns > p.at_ns ? w->hub_ns - p.at_ns : 0;
	uint32_t before = hub->n_sas;
	if (end_of(&p.from.addr) == PEERS) {
		w->answered[socket]++;
		w->worst_ns[socket] = waited > w->worst_ns[socket] ? waited : w->worst_ns[socket];
	}
	ike_receive(hub, &p.to, &p.from, (struct bytes){p.b, p.len}, w->hub_ns, &w->effects[HUB]);
	w->hub_ns += cost_of(&p, hub->n_sas > before);
	carry_out(w, HUB, w->hub_ns);
	if (hub->n_half_open > w->most_half_open)
		w->most_half_open = hub->n_half_open;
	free(p.b);
}

static void hub_timers(struct world *w)
{
	struct ike_effects *e = &w->effects[HUB];
	if (ike_next_deadline(w->ike[HUB]) > w->hub_ns)
		return;
	ike_expire(w->ike[HUB], w->hub_ns, e);
	w->hub_ns += (e->n + 1) * COST_SENT_NS;
	carry_out(w, HUB, w->hub_ns);
}

/* Until it has caught up with the time: so many datagrams of each socket in turn, then timers. */
static void hub_works(struct world *w)
{
	unsigned idle = 0;
	while (w->hub_ns < w->now_ns) {
		if (w->socket[w->turn].n && w->reads < READS) {
			work_on(w, w->turn);
			w->reads++;
			idle = 0;
			continue;
		}
		w->reads = 0;
		w->turn = (w->turn + 1) % SOCKETS;
		if (!w->turn)
			hub_timers(w);
		if (++idle > SOCKETS) /* nothing to do until something comes */
			w->hub_ns = w->now_ns;
	}
}

static void step(struct world *w)
{
	w->now_ns += STEP_NS;
	arrive(w);
	strangers_come(w);
	for (enum end end = PEERS; end < ENDS; end++) {
		if (ike_next_deadline(w->ike[end]) <= w->now_ns)
			ike_expire(w->ike[end], w->now_ns, &w->effects[end]);
		carry_out(w, end, w->now_ns);
	}
	hub_works(w);
}

static void run(struct world *w, uint64_t span_ns)
{
	for (uint64_t end = w->now_ns + span_ns; w->now_ns < end;)
		step(w);
}

/* ---- building ---- */

static void fill(void *owner, uint8_t *out, size_t n)
{
	struct world *w = owner;
	for (size_t i = 0; i < n; i++)
		out[i] = (uint8_t)(sim_draw(&w->random) >> 33);
}

static void up(struct world *w, enum end end, unsigned i)
{
	assert_int_equal(ike_up(w->ike[end], i + 1, w->now_ns, &w->effects[end]), 0);
	carry_out(w, end, w->now_ns);
}

static void new_engine(struct world *w, enum end end, const struct ike_options *o)
{
	assert_int_equal(ike_new(&w->ike[end], o, &(struct ike_random){fill, w}), 0);
}

static bool is_up(struct world *w, enum end end, unsigned i)
{
	static struct ike_status st;
	assert_int_equal(ike_status(w->ike[end], i + 1, &st), 0);
	return st.state == IKE_STATE_ESTABLISHED;
}

static bool all_up(struct world *w, enum end end)
{
	unsigned i = end == RESTARTING ? STEADY : 0;
	unsigned n = end == PEERS ? STEADY : STEADY + RESTARTED;
	while (i < n && is_up(w, end, i))
		i++;
	return i == n;
}

/* Every tunnel is up, and all is quiet. */
static struct world *established(const struct ike_options *o)
{
	struct world *w = calloc(1, sizeof *w);
	assert_non_null(w);
	w->random = sim_seeded(11);
	w->now_ns = w->hub_ns = NS_PER_S;
	ring_new(&w->flying, FLYING);
	for (unsigned i = 0; i < SOCKETS; i++)
		ring_new(&w->socket[i], SOCKET_ROOM);
	for (enum end end = HUB; end < ENDS; end++) {
		new_engine(w, end, end == HUB ? o : NULL);
		ike_effects_init(&w->effects[end]);
	}
	for (unsigned i = 0; i < STEADY + RESTARTED; i++) {
		enum end end = is_steady(i) ? PEERS : RESTARTING;
		add(w, HUB, i);
		add(w, end, i);
		up(w, end, i);
		if (i == 0) { /* what strangers say is what a peer said */
			w->first_len = w->flying.at[w->flying.first].len;
			memcpy(w->first, w->flying.at[w->flying.first].b, w->first_len);
		}
		step(w);
	}
	add(w, HUB, ANYBODY);
	run(w, 2 * NS_PER_S);
	for (enum end end = HUB; end < ENDS; end++)
		assert_true(all_up(w, end));
	assert_int_equal(w->steady_downs, 0);
	return w;
}

static void end_world(struct world *w)
{
	for (enum end end = HUB; end < ENDS; end++) {
		ike_free(w->ike[end]);
		ike_effects_free(&w->effects[end]);
	}
	ring_free(&w->flying);
	for (unsigned i = 0; i < SOCKETS; i++)
		ring_free(&w->socket[i]);
	free(w);
}

/* The peers forget all and begin at once. */
static void restart(struct world *w)
{
	ike_free(w->ike[RESTARTING]);
	new_engine(w, RESTARTING, NULL);
	for (unsigned i = STEADY; i < STEADY + RESTARTED; i++)
		add(w, RESTARTING, i);
	memset(w->worst_ns, 0, sizeof w->worst_ns);
	memset(w->answered, 0, sizeof w->answered);
	w->lost = w->lost_steady = w->most_half_open = 0;
	for (unsigned i = STEADY; i < STEADY + RESTARTED; i++)
		up(w, RESTARTING, i);
}

/* ---- the storms ---- */

struct row {
	const char *name;
	struct ike_options options;
	bool strangers;
	unsigned seconds; /* in which all are up again */
};
static struct row rows[] = {
	{"all come back at once", {0}, false, 15},
	{"few may be half open", {.max_half_open = 64}, false, 60},
	{"and strangers come with them", {0}, true, 20},
};

static void nobody_starved(const struct world *w, const struct row *row, uint64_t span_ns)
{
	/* each steady tunnel asks once a second, and is asked */
	uint64_t least = STEADY / 2 * (span_ns / NS_PER_S);
	/* what is in front of it in the buffer, and a turn of the other socket */
	uint64_t turn = READS * COST_AUTH_NS, whole = SOCKET_ROOM * COST_AUTH_NS + turn;
	for (unsigned i = 0; i < SOCKETS; i++)
		if (w->answered[i] < least)
			fail_msg(
				"%s: %u datagrams of steady tunnels in socket %u, expected %" PRIu64,
				row->name, w->answered[i], i, least);
	if (w->steady_downs)
		fail_msg("%s: %u times a steady tunnel went down", row->name, w->steady_downs);
	if (w->worst_ns[SOCKET_500] > whole || w->worst_ns[SOCKET_4500] > 2 * turn)
		fail_msg("%s: a datagram of a steady tunnel waited %" PRIu64 " us, by port 4500 "
			 "%" PRIu64 " us",
			 row->name, w->worst_ns[SOCKET_500] / 1000,
			 w->worst_ns[SOCKET_4500] / 1000);
}

static void nobody_left_out(struct world *w)
{
	const struct ike *hub = w->ike[HUB];
	for (enum end end = HUB; end < ENDS; end++)
		assert_true(all_up(w, end));
	/* one IKE SA each: the old ones went by INITIAL_CONTACT */
	assert_int_equal(hub->n_sas, STEADY + RESTARTED);
	assert_int_equal(hub->n_half_open, 0);
}

static void storm(void **state)
{
	const struct row *row = *state;
	struct world *w = established(&row->options);
	const struct ike *hub = w->ike[HUB];
	uint64_t cookies = ike_count(hub, IKE_COUNT_COOKIES_SENT), began = w->now_ns;
	restart(w);
	w->strangers = row->strangers;
	while (w->now_ns - began < row->seconds * NS_PER_S && !all_up(w, RESTARTING)) {
		run(w, 100 * NS_PER_MS);
		w->strangers &= w->now_ns - began < STRANGERS_NS;
	}
	uint64_t span = w->now_ns - began;
	printf("%s: %u tunnels in %.1f s, %u datagrams lost in front of the hub (%u of steady "
	       "tunnels), these waited %.1f ms at most, by port 4500 %.1f ms; %u half open\n",
	       row->name, RESTARTED, (double)span / 1e9, w->lost, w->lost_steady,
	       (double)w->worst_ns[SOCKET_500] / 1e6, (double)w->worst_ns[SOCKET_4500] / 1e6,
	       w->most_half_open);
	nobody_starved(w, row, span);
	assert_true(all_up(w, RESTARTING));
	assert_true(ike_count(hub, IKE_COUNT_COOKIES_SENT) - cookies > RESTARTED / 2);
	assert_true(w->most_half_open > hub->options.half_open_cookies);
	assert_true(w->most_half_open <= hub->options.max_half_open);
	if (row->options.max_half_open)
		assert_true(ike_count(hub, IKE_COUNT_HALF_OPEN_FULL) > 0);
	run(w, 60 * NS_PER_S);
	nobody_left_out(w);
	assert_int_equal(w->steady_downs, 0);
	end_world(w);
}

int main(void)
{
	log_set_levels(LOG_LEVEL_ERROR);
	struct CMUnitTest tests[sizeof rows / sizeof *rows];
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		tests[i] = (struct CMUnitTest){rows[i].name, storm, NULL, NULL, &rows[i]};
	return cmocka_run_group_tests_name("storm", tests, NULL, NULL);
}
