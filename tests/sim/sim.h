/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A network of IKE engines with a virtual clock: datagrams wait in a queue, a seeded generator
 * decides on loss, duplication, order and delay, a NAT may stand in front of a node. Each node
 * keeps a model of its data path (which child SAs are installed, which is used), and checks that
 * effects come in a legal order.
 */
#ifndef XGW_TESTS_SIM_SIM_H
#define XGW_TESTS_SIM_SIM_H

#include "base/instant.h"
#include "base/log.h"
#include "ike/ike.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SIM_NODES    3
#define SIM_CHILDREN 128
#define SIM_QUEUE    4096
#define SIM_UDP_MAX  8192

struct sim;

/* What the data path of a node would hold. */
struct sim_child {
	uint32_t connection, spi_in, spi_out;
	struct child_sa sa;
	uint64_t installed_ns, removed_ns; /* removed_ns 0: installed */
	bool used;
	uint64_t use; /* when it was used last, as a number that counts up */
};

struct sim_node {
	struct sim *s;
	struct ike *ike;
	struct ip_addr addr, nat; /* nat.family: what others see */
	struct ip_addr also;	  /* a second address; family IP_NONE: none */
	uint64_t random;
	struct ike_effects effects;
	struct sim_child children[SIM_CHILDREN];
	unsigned n_children;
	uint32_t current; /* spi_in of the child in use, 0 = none */
	/* of the worker at its number's place, 0 = it has none of its own; place 0 is not used */
	uint32_t lane[IKE_MAX_WORKERS + 1];
	bool up;
	bool many; /* connections: `up` is the last one's, all are in up_of */
	uint32_t up_of;
	unsigned ups, downs, faileds, gone, installs, uses, removes, updates, sends, keepalives;
	uint64_t uses_ever;
	uint64_t esp_sent; /* ESP packets, as the data path counts them */
	struct fault last_fault;
};

struct sim_datagram {
	uint64_t at_ns, order;
	struct ip_endpoint from, to; /* as the receiver sees them */
	size_t len;
	uint8_t *bytes;
};

struct sim {
	uint64_t now_ns, order, random;
	struct sim_node node[SIM_NODES];
	unsigned n_nodes;
	struct sim_datagram queue[SIM_QUEUE];
	unsigned n_queue;
	/* the network: per mille and spans */
	unsigned loss, duplicate;
	uint64_t delay_min_ns, delay_max_ns;
	bool with_pfs, with_workers; /* of sim_random */
	bool hold;		     /* datagrams wait for sim_deliver_* */
	bool verbose, broken;
	uint64_t datagrams, lost;
	char why[256];
};

/* xorshift64*: one per node and one for the network, so that they don't disturb each other */
static inline uint64_t sim_draw(uint64_t *state)
{
	uint64_t x = *state;
	x ^= x >> 12;
	x ^= x << 25;
	x ^= x >> 27;
	*state = x;
	return x * 0x2545f4914f6cdd1dull;
}

static inline uint64_t sim_below(uint64_t *state, uint64_t n)
{
	return n ? (sim_draw(state) >> 11) % n : 0;
}

static inline uint64_t sim_seeded(uint64_t seed)
{
	uint64_t s = seed * 0x9e3779b97f4a7c15ull + 0x1234567;
	s ^= s >> 31;
	return s ? s : 1;
}

static inline void sim_fill(void *owner, uint8_t *out, size_t n)
{
	struct sim_node *node = owner;
	for (size_t i = 0; i < n; i++)
		out[i] = (uint8_t)(sim_draw(&node->random) >> 33);
}

__attribute__((format(printf, 2, 3))) static void sim_broken(struct sim *s, const char *format, ...)
{
	if (s->broken)
		return;
	s->broken = true;
	va_list ap;
	va_start(ap, format);
	vsnprintf(s->why, sizeof s->why, format, ap);
	va_end(ap);
}

static inline uint64_t sim_esp_sent(void *owner, uint32_t connection)
{
	const struct sim_node *node = owner;
	(void)connection;
	return node->esp_sent;
}

#define SIM_WALL 1800000000 /* seconds since 1970 when the virtual clock begins */
static inline int64_t sim_wall(void *owner)
{
	const struct sim_node *node = owner;
	return SIM_WALL + (int64_t)(node->s->now_ns / NS_PER_S);
}

static inline int sim_index(const struct sim_node *node)
{
	return (int)(node - node->s->node);
}

__attribute__((format(printf, 2, 3))) static void sim_say(const struct sim *s, const char *format,
							  ...)
{
	if (!s->verbose)
		return;
	va_list ap;
	printf("%12.6f ", (double)s->now_ns / 1e9);
	va_start(ap, format);
	vprintf(format, ap);
	va_end(ap);
	putchar('\n');
}

static inline struct sim_child *sim_child_find(struct sim_node *node, uint32_t spi_in)
{
	for (unsigned i = node->n_children; i-- > 0;)
		if (node->children[i].spi_in == spi_in && !node->children[i].removed_ns)
			return &node->children[i];
	return NULL;
}

static inline unsigned sim_installed(const struct sim_node *node)
{
	unsigned n = 0;
	for (unsigned i = 0; i < node->n_children; i++)
		n += !node->children[i].removed_ns;
	return n;
}

/* ---- the network ---- */

static inline void sim_enqueue(struct sim *s, const struct ip_endpoint *from,
			       const struct ip_endpoint *to, struct bytes b)
{
	if (s->n_queue == SIM_QUEUE) {
		sim_broken(s, "the network is flooded");
		return;
	}
	struct sim_datagram *d = &s->queue[s->n_queue++];
	d->at_ns = s->now_ns + s->delay_min_ns +
		   sim_below(&s->random, s->delay_max_ns - s->delay_min_ns + 1);
	d->order = s->order++;
	d->from = *from;
	d->to = *to;
	d->len = b.len;
	d->bytes = malloc(b.len ? b.len : 1);
	if (!d->bytes)
		abort();
	memcpy(d->bytes, b.at, b.len);
}

static inline void sim_send(struct sim_node *node, const struct ike_effect *x)
{
	struct sim *s = node->s;
	struct ip_endpoint from = x->local;
	s->datagrams++;
	node->sends++;
	if (x->datagram.len == 1 && x->datagram.at[0] == 0xff && x->local.port == IKE_NATT_PORT)
		node->keepalives++;
	if (!ip_addr_equal(&from.addr, &node->addr) && !ip_addr_equal(&from.addr, &node->also)) {
		s->lost++; /* from an address that the host does not have */
		return;
	}
	if (node->nat.family) {
		from.addr = node->nat;
		from.port = (uint16_t)(from.port + 20000);
	}
	char a[ENDPOINT_TEXT], b[ENDPOINT_TEXT];
	sim_say(s, "%d sends %s -> %s %zu bytes", sim_index(node), ip_endpoint_format(&from, a),
		ip_endpoint_format(&x->remote, b), x->datagram.len);
	if (!s->hold && sim_below(&s->random, 1000) < s->loss) {
		sim_say(s, "  lost");
		s->lost++;
		return;
	}
	sim_enqueue(s, &from, &x->remote, x->datagram);
	if (!s->hold && sim_below(&s->random, 1000) < s->duplicate)
		sim_enqueue(s, &from, &x->remote, x->datagram);
}

/* ---- effects ---- */

static inline void sim_install(struct sim_node *node, const struct child_sa *sa)
{
	node->installs++;
	if (sim_child_find(node, sa->spi_in)) {
		sim_broken(node->s, "node %d installs inbound SPI %08x twice", sim_index(node),
			   sa->spi_in);
		return;
	}
	if (node->n_children == SIM_CHILDREN) { /* the oldest that is gone makes room */
		unsigned i = 0;
		while (i < SIM_CHILDREN && !node->children[i].removed_ns)
			i++;
		if (i == SIM_CHILDREN) {
			sim_broken(node->s, "node %d holds %d child SAs", sim_index(node),
				   SIM_CHILDREN);
			return;
		}
		memmove(&node->children[i], &node->children[i + 1],
			(SIM_CHILDREN - i - 1) * sizeof node->children[0]);
		node->n_children--;
	}
	struct sim_child *c = &node->children[node->n_children++];
	*c = (struct sim_child){.connection = sa->connection,
				.spi_in = sa->spi_in,
				.spi_out = sa->spi_out,
				.sa = *sa,
				.installed_ns = node->s->now_ns};
}

static inline uint32_t *sim_slot(struct sim_node *node, const struct sim_child *c)
{
	return c->sa.worker ? &node->lane[c->sa.worker] : &node->current;
}

static inline void sim_child_effect(struct sim_node *node, const struct ike_effect *x)
{
	struct sim_child *c = sim_child_find(node, x->spi_in);
	if (!c) {
		sim_broken(node->s, "node %d: effect %d on unknown SPI %08x", sim_index(node),
			   x->kind, x->spi_in);
		return;
	}
	if (x->kind == IKE_CHILD_USE) {
		node->uses++;
		*sim_slot(node, c) = c->spi_in;
		c->used = true;
		c->use = ++node->uses_ever;
	} else if (x->kind == IKE_CHILD_REST) {
		if (*sim_slot(node, c) != c->spi_in || !c->sa.worker)
			sim_broken(node->s, "node %d: %08x rests and was not in use",
				   sim_index(node), x->spi_in);
		*sim_slot(node, c) = 0;
	} else if (x->kind == IKE_CHILD_UPDATE) {
		node->updates++;
		c->sa = *x->child;
	} else {
		node->removes++;
		c->removed_ns = node->s->now_ns;
		if (*sim_slot(node, c) == c->spi_in)
			*sim_slot(node, c) = 0;
	}
}

static inline bool sim_was_up(struct sim_node *node, uint32_t connection, bool now)
{
	uint32_t bit = 1u << (connection % 32);
	bool was = node->many ? node->up_of & bit : node->up;
	node->up_of = now ? node->up_of | bit : node->up_of & ~bit;
	return was;
}

static inline void sim_apply_one(struct sim_node *node, const struct ike_effect *x)
{
	static const char *const names[] = {"SEND", "INSTALL", "USE",	 "REST", "UPDATE", "REMOVE",
					    "UP",   "DOWN",    "FAILED", "GONE", "EVENT"};
	if (x->kind != IKE_SEND)
		sim_say(node->s, "%d %s %08x %s", sim_index(node), names[x->kind],
			x->child ? x->child->spi_in : x->spi_in, x->fault.text);
	switch (x->kind) {
	case IKE_SEND: sim_send(node, x); break;
	case IKE_CHILD_INSTALL: sim_install(node, x->child); break;
	case IKE_CHILD_USE:
	case IKE_CHILD_REST:
	case IKE_CHILD_UPDATE:
	case IKE_CHILD_REMOVE: sim_child_effect(node, x); break;
	case IKE_UP:
		node->ups++;
		if (sim_was_up(node, x->connection, true))
			sim_broken(node->s, "node %d goes up twice", sim_index(node));
		node->up = true;
		break;
	case IKE_DOWN:
		node->downs++;
		if (!sim_was_up(node, x->connection, false))
			sim_broken(node->s, "node %d goes down twice", sim_index(node));
		node->up = false;
		node->last_fault = x->fault;
		break;
	case IKE_FAILED:
		node->faileds++;
		node->last_fault = x->fault;
		break;
	case IKE_CLIENT_GONE: node->gone++; break;
	case IKE_EVENT: break;
	}
}

static inline void sim_apply(struct sim_node *node)
{
	for (size_t i = 0; i < node->effects.n; i++)
		sim_apply_one(node, &node->effects.at[i]);
	if (node->effects.lost)
		sim_broken(node->s, "node %d lost effects", sim_index(node));
	ike_effects_clear(&node->effects);
}

/* ---- running ---- */

static inline struct sim_node *sim_owner(struct sim *s, const struct ip_addr *a)
{
	for (unsigned i = 0; i < s->n_nodes; i++)
		if (ip_addr_equal(&s->node[i].addr, a) ||
		    (s->node[i].also.family && ip_addr_equal(&s->node[i].also, a)) ||
		    (s->node[i].nat.family && ip_addr_equal(&s->node[i].nat, a)))
			return &s->node[i];
	return NULL;
}

/* Takes datagram `i` out of the queue and hands it to whom it is for. */
static inline void sim_deliver(struct sim *s, unsigned i)
{
	struct sim_datagram d = s->queue[i];
	s->queue[i] = s->queue[--s->n_queue];
	struct sim_node *to = sim_owner(s, &d.to.addr);
	if (to && to->ike) {
		struct ip_endpoint local = d.to;
		if (to->nat.family && ip_addr_equal(&to->nat, &d.to.addr)) {
			local.addr = to->addr;
			local.port = (uint16_t)(local.port - 20000);
		}
		ike_receive(to->ike, &local, &d.from, (struct bytes){d.bytes, d.len}, s->now_ns,
			    &to->effects);
		sim_apply(to);
	}
	free(d.bytes);
}

static inline void sim_drop(struct sim *s, unsigned i)
{
	free(s->queue[i].bytes);
	s->queue[i] = s->queue[--s->n_queue];
}

/* Oldest datagram in the queue that `node` sent; -1 when none. */
static inline int sim_oldest_from(const struct sim *s, int node)
{
	int best = -1;
	const struct sim_node *n = &s->node[node];
	for (unsigned i = 0; i < s->n_queue; i++) {
		const struct ip_addr *from = &s->queue[i].from.addr;
		if (!ip_addr_equal(from, &n->addr) &&
		    !(n->nat.family && ip_addr_equal(from, &n->nat)))
			continue;
		if (best < 0 || s->queue[i].order < s->queue[best].order)
			best = (int)i;
	}
	return best;
}

static inline uint64_t sim_next(const struct sim *s)
{
	uint64_t at = INSTANT_NEVER;
	for (unsigned i = 0; i < s->n_nodes; i++)
		if (s->node[i].ike)
			at = instant_earlier(at, ike_next_deadline(s->node[i].ike));
	if (!s->hold)
		for (unsigned i = 0; i < s->n_queue; i++)
			at = instant_earlier(at, s->queue[i].at_ns);
	return at;
}

/* Everything that is due at s->now_ns. */
static inline void sim_now(struct sim *s)
{
	for (unsigned i = 0; !s->hold && i < s->n_queue;) {
		unsigned best = s->n_queue;
		for (unsigned j = 0; j < s->n_queue; j++)
			if (s->queue[j].at_ns <= s->now_ns &&
			    (best == s->n_queue || s->queue[j].at_ns < s->queue[best].at_ns ||
			     (s->queue[j].at_ns == s->queue[best].at_ns &&
			      s->queue[j].order < s->queue[best].order)))
				best = j;
		if (best == s->n_queue)
			break;
		sim_deliver(s, best);
	}
	for (unsigned i = 0; i < s->n_nodes; i++) {
		struct sim_node *n = &s->node[i];
		unsigned rounds = 0;
		while (n->ike && ike_next_deadline(n->ike) <= s->now_ns) {
			ike_expire(n->ike, s->now_ns, &n->effects);
			sim_apply(n);
			if (++rounds > 1000) {
				sim_broken(s, "node %u: a timer that does not end", i);
				return;
			}
		}
	}
}

/* Runs until the virtual time `until`. */
static inline void sim_run(struct sim *s, uint64_t until_ns)
{
	while (!s->broken) {
		uint64_t at = sim_next(s);
		if (at > until_ns)
			break;
		if (at > s->now_ns)
			s->now_ns = at;
		sim_now(s);
	}
	s->now_ns = until_ns;
}

/* ---- building ---- */

static inline struct ip_addr sim_addr(const char *text)
{
	struct ip_addr a;
	if (ip_addr_parse(&a, text))
		abort();
	return a;
}

static inline struct sim *sim_new(uint64_t seed, unsigned nodes, const struct ike_options *options)
{
	struct sim *s = calloc(1, sizeof *s);
	if (!s)
		abort();
	s->now_ns = NS_PER_S;
	s->random = sim_seeded(seed);
	s->n_nodes = nodes;
	s->delay_min_ns = s->delay_max_ns = 5 * NS_PER_MS;
	for (unsigned i = 0; i < nodes; i++) {
		struct sim_node *n = &s->node[i];
		char text[32];
		snprintf(text, sizeof text, "192.0.2.%u", i + 1);
		n->s = s;
		n->addr = sim_addr(text);
		n->random = sim_seeded(seed * 16 + i + 1);
		ike_effects_init(&n->effects);
		struct ike_options o = options ? *options : (struct ike_options){0};
		o.esp_sent = sim_esp_sent;
		o.esp_sent_owner = n;
		o.wall_seconds = sim_wall;
		o.wall_owner = n;
		if (ike_new(&n->ike, &o, &(struct ike_random){sim_fill, n}))
			abort();
	}
	return s;
}

static inline void sim_free(struct sim *s)
{
	for (unsigned i = 0; i < s->n_nodes; i++) {
		ike_free(s->node[i].ike);
		ike_effects_free(&s->node[i].effects);
	}
	while (s->n_queue)
		sim_drop(s, 0);
	free(s);
}

static inline struct traffic_selector sim_ts(const char *text)
{
	struct traffic_selector ts = {0, 0, 65535, {{0}, {0}}};
	if (ip_range_parse(&ts.range, text))
		abort();
	return ts;
}

/* A connection of `from` to `to`: Curve25519, AES-GCM; behind node N the network 10.N.0.0/16. */
static inline struct ike_connection sim_connection(struct sim *s, unsigned from, unsigned to)
{
	struct ike_connection c = {.id = 1, .name = "site"};
	char text[32];
	c.local = s->node[from].addr;
	c.remote = s->node[to].nat.family ? s->node[to].nat : s->node[to].addr;
	snprintf(text, sizeof text, "gw%u.example.org", from + 1);
	if (identity_parse(&c.local_id, text))
		abort();
	snprintf(text, sizeof text, "gw%u.example.org", to + 1);
	if (identity_parse(&c.remote_id, text))
		abort();
	if (secret_set(&c.psk, "a long enough pre-shared key", 28))
		abort();
	c.n_ike = c.n_child = 1;
	c.ike[0] = (struct ike_proposal){.n_encryption = 1,
					 .n_prf = 1,
					 .n_group = 1,
					 .encryption = {ENCR_AES_GCM16_128},
					 .prf = {PRF_HMAC_SHA2_256},
					 .group = {DH_CURVE25519}};
	c.child[0] = (struct ike_proposal){.n_encryption = 1, .encryption = {ENCR_AES_GCM16_128}};
	c.n_local_ts = c.n_remote_ts = 1;
	snprintf(text, sizeof text, "10.%u.0.0/16", from + 1);
	c.local_ts[0] = sim_ts(text);
	snprintf(text, sizeof text, "10.%u.0.0/16", to + 1);
	c.remote_ts[0] = sim_ts(text);
	return c;
}

static inline void sim_add(struct sim *s, unsigned node, const struct ike_connection *c)
{
	struct fault f;
	if (ike_add(s->node[node].ike, c, &f)) {
		fprintf(stderr, "ike_add: %s\n", f.text);
		abort();
	}
}

static inline void sim_up(struct sim *s, unsigned node)
{
	(void)ike_up(s->node[node].ike, 1, s->now_ns, &s->node[node].effects);
	sim_apply(&s->node[node]);
}
static inline void sim_down(struct sim *s, unsigned node)
{
	(void)ike_down(s->node[node].ike, 1, s->now_ns, &s->node[node].effects);
	sim_apply(&s->node[node]);
}
static inline void sim_rekey(struct sim *s, unsigned node)
{
	(void)ike_rekey(s->node[node].ike, 1, s->now_ns, &s->node[node].effects);
	sim_apply(&s->node[node]);
}

/* What this worker sends with, 0 = nothing. */
static inline uint32_t sim_outbound(const struct sim_node *node, unsigned worker)
{
	return node->lane[worker] ? node->lane[worker] : node->current;
}

/* True when the worker's outbound of one end is an inbound SA of the other, with the same keys. */
static inline bool sim_worker_agrees(struct sim_node *a, struct sim_node *b, unsigned worker)
{
	struct sim_child *out = sim_child_find(a, sim_outbound(a, worker));
	if (!out)
		return false;
	struct sim_child *in = sim_child_find(b, out->spi_out);
	return in && in->spi_out == out->spi_in &&
	       secret_equal(in->sa.key_in.b, in->sa.key_in.len, out->sa.key_out.b,
			    out->sa.key_out.len) &&
	       secret_equal(in->sa.key_out.b, in->sa.key_out.len, out->sa.key_in.b,
			    out->sa.key_in.len);
}

static inline bool sim_agrees(struct sim_node *a, struct sim_node *b)
{
	return sim_worker_agrees(a, b, 0);
}

#endif
