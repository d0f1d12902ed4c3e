/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two engines whose datagrams a test hands over one by one: passed on, kept for later, lost. What
 * each end says is read before it is encrypted, so that a test can say which message it is and who
 * must win. Behind every step one ESP packet of each end is on its way, chosen a step ago: it must
 * find its SA, unless the test says that there is nothing to carry it.
 */
#ifndef XGW_TESTS_SIM_HAND_H
#define XGW_TESTS_SIM_HAND_H

#include "sim.h"

#include "ike/ike_internal.h"

#include <setjmp.h>
#include <cmocka.h>

#define HAND_LOG     256
#define SPI_OF(n, k) ((n) ? 100u + (k) : (k)) /* child SPIs count up: the node's k-th */

/* Of a protected message, read where it was sealed. */
struct hand_message {
	unsigned from;
	uint8_t exchange;
	bool response, has_sa, rekeys;
	uint64_t spi; /* in the first proposal of its SA payload */
	struct nonce nonce;
	unsigned n_notifies, n_deletes;
	uint16_t notify[LIMIT_NOTIFIES];
};

struct hand {
	struct sim *s;
	struct hand_end {
		struct hand *h;
		unsigned node;
	} end[2];
	struct hand_message log[HAND_LOG];
	unsigned n;
	bool traffic;	  /* a packet must find its SA */
	uint32_t sent[2]; /* SPI of the packet of each end that is on its way, 0 = none */
};

/* ---- what is said ---- */

static inline void hand_read_sa(struct hand_message *x, struct bytes sa)
{
	if (sa.len < 8 || sa.len < 8u + sa.at[6])
		return;
	x->has_sa = true;
	for (unsigned i = 0; i < sa.at[6]; i++)
		x->spi = x->spi << 8 | sa.at[8 + i];
}

static inline void hand_hear(void *owner, const struct ike_shown *shown)
{
	struct hand_end *end = owner;
	struct hand *h = end->h;
	struct ike_message m;
	struct fault f;
	if (!shown->sent || h->n == HAND_LOG || ike_message_parse(&m, shown->message, &f))
		return;
	struct hand_message *x = &h->log[h->n++];
	*x = (struct hand_message){.from = end->node,
				   .exchange = m.h.exchange,
				   .response = ike_message_is_response(&m),
				   .rekeys = ike_message_notify(&m, NOTIFY_REKEY_SA),
				   .n_notifies = m.n_notifies,
				   .n_deletes = m.n_deletes};
	for (unsigned i = 0; i < m.n_notifies; i++)
		x->notify[i] = m.notify[i].type;
	hand_read_sa(x, m.sa);
	(void)nonce_set(&x->nonce, m.nonce);
}

/* What this end said last. */
static inline const struct hand_message *hand_last(const struct hand *h, unsigned from)
{
	for (unsigned i = h->n; i-- > 0;)
		if (h->log[i].from == from)
			return &h->log[i];
	fail_msg("node %u said nothing", from);
	return NULL;
}

static inline bool hand_notifies(const struct hand_message *x, uint16_t type)
{
	for (unsigned i = 0; i < x->n_notifies; i++)
		if (x->notify[i] == type)
			return true;
	return false;
}

/* The last thing that this end said is a refusal, or whatever else is told by this notify. */
static inline void hand_said(const struct hand *h, unsigned from, uint16_t type)
{
	char name[32];
	if (!hand_notifies(hand_last(h, from), type))
		fail_msg("node %u did not say %s", from, notify_name(type, name));
}

static inline void hand_said_request(const struct hand *h, unsigned from, uint8_t exchange)
{
	const struct hand_message *x = hand_last(h, from);
	assert_false(x->response);
	assert_int_equal(x->exchange, exchange);
}

static inline void hand_said_delete(const struct hand *h, unsigned from)
{
	hand_said_request(h, from, IKE_INFORMATIONAL);
	assert_int_equal(hand_last(h, from)->n_deletes, 1);
}

/* ---- building ---- */

typedef void (*hand_change)(struct ike_connection *c, unsigned node);

static inline struct hand *hand_new(uint64_t seed, hand_change change)
{
	struct hand *h = calloc(1, sizeof *h);
	if (!h)
		abort();
	struct sim *s = h->s = sim_new(seed, 2, NULL);
	for (unsigned i = 0; i < 2; i++) {
		struct sim_node *n = &s->node[i];
		struct ike_options o = {.spi_base = SPI_OF(i, 1)};
		ike_free(n->ike);
		assert_int_equal(ike_new(&n->ike, &o, &(struct ike_random){sim_fill, n}), 0);
		h->end[i] = (struct hand_end){h, i};
		ike_show(n->ike, &(struct ike_viewer){&h->end[i], hand_hear});
		struct ike_connection c = sim_connection(s, i, 1 - i);
		if (change)
			change(&c, i);
		sim_add(s, i, &c);
	}
	s->hold = true;
	return h;
}

static inline void hand_end(struct hand *h)
{
	assert_false(h->s->broken);
	sim_free(h->s);
	free(h);
}

static inline struct sim_node *hand_node(struct hand *h, unsigned node)
{
	return &h->s->node[node];
}

static inline uint64_t hand_count(struct hand *h, unsigned node, enum ike_counter c)
{
	return ike_count(hand_node(h, node)->ike, c);
}

static inline struct ike_status hand_status(struct hand *h, unsigned node)
{
	struct ike_status st;
	assert_int_equal(ike_status(hand_node(h, node)->ike, 1, &st), 0);
	return st;
}

/* ---- packets ---- */

static inline void hand_launch(struct hand *h)
{
	for (unsigned i = 0; i < 2; i++) {
		struct sim_child *out = sim_child_find(hand_node(h, i), hand_node(h, i)->current);
		h->sent[i] = out ? out->spi_out : 0;
		if (h->traffic && !out)
			fail_msg("node %u has no outbound", i);
	}
}

static inline void hand_flow(struct hand *h)
{
	if (h->s->broken)
		fail_msg("%s", h->s->why);
	for (unsigned i = 0; h->traffic && i < 2; i++)
		if (h->sent[i] && !sim_child_find(hand_node(h, 1 - i), h->sent[i]))
			fail_msg("a packet of node %u with SPI %08x is lost", i, h->sent[i]);
	hand_launch(h);
}

/* ---- datagrams ---- */

static inline unsigned hand_oldest(struct hand *h, unsigned from)
{
	int i = sim_oldest_from(h->s, (int)from);
	if (i < 0)
		fail_msg("node %u has nothing on its way", from);
	return (unsigned)i;
}

/* The oldest one of this end arrives. */
static inline void hand_pass(struct hand *h, unsigned from)
{
	sim_deliver(h->s, hand_oldest(h, from));
	hand_flow(h);
}

static inline void hand_lose(struct hand *h, unsigned from)
{
	sim_drop(h->s, hand_oldest(h, from));
}

/* The oldest one of this end is late: the caller's until hand_arrive. */
static inline struct sim_datagram hand_keep(struct hand *h, unsigned from)
{
	unsigned i = hand_oldest(h, from);
	struct sim_datagram d = h->s->queue[i];
	h->s->queue[i] = h->s->queue[--h->s->n_queue];
	return d;
}

static inline void hand_arrive(struct hand *h, struct sim_datagram d)
{
	assert_true(h->s->n_queue < SIM_QUEUE);
	h->s->queue[h->s->n_queue++] = d;
	sim_deliver(h->s, h->s->n_queue - 1);
	hand_flow(h);
}

static inline void hand_silent(struct hand *h, unsigned node)
{
	assert_true(sim_oldest_from(h->s, (int)node) < 0);
}

/* Whatever is on its way arrives in the order in which it was sent, and what that causes. */
static inline void hand_settle(struct hand *h)
{
	for (unsigned i = 0; i < 1000 && h->s->n_queue; i++) {
		unsigned best = 0;
		for (unsigned k = 1; k < h->s->n_queue; k++)
			if (h->s->queue[k].order < h->s->queue[best].order)
				best = k;
		sim_deliver(h->s, best);
		hand_flow(h);
	}
	assert_int_equal(h->s->n_queue, 0);
}

/* Time goes by; a network that is kind meanwhile, or one that keeps everything. */
static inline void hand_time(struct hand *h, unsigned seconds, bool kind)
{
	h->s->hold = !kind;
	for (unsigned i = 0; i < 20 * seconds; i++) {
		sim_run(h->s, h->s->now_ns + 50 * NS_PER_MS);
		hand_flow(h);
	}
	h->s->hold = true;
}

static inline void hand_run(struct hand *h, unsigned seconds)
{
	hand_time(h, seconds, true);
}

/* ---- orders ---- */

static inline struct ike_sa *hand_sa(struct hand *h, unsigned node)
{
	struct ike_sa *found = NULL;
	for (struct ike_sa *sa = hand_node(h, node)->ike->all; sa; sa = sa->next_all)
		if (sa->state == SA_ESTABLISHED)
			found = sa;
	assert_non_null(found);
	return found;
}

/* Timers that are due, and what waits to be sent. */
static inline void hand_now(struct hand *h, unsigned node)
{
	struct sim_node *n = hand_node(h, node);
	ike_child_expiring(n->ike, 0, h->s->now_ns, &n->effects);
	sim_apply(n);
}

static inline void hand_rekey_child(struct hand *h, unsigned node)
{
	struct sim_node *n = hand_node(h, node);
	ike_child_expiring(n->ike, n->current, h->s->now_ns, &n->effects);
	sim_apply(n);
}

static inline void hand_task(struct hand *h, unsigned node, enum exchange_id id, uint32_t spi_in)
{
	struct ike_sa *sa = hand_sa(h, node);
	assert_non_null(task_add(sa, id, spi_in));
	timers_arm_sa(sa);
	hand_now(h, node);
}

static inline void hand_delete_child(struct hand *h, unsigned node, uint32_t spi_in)
{
	hand_task(h, node, EXCHANGE_DELETE_CHILD, spi_in);
}

static inline void hand_rekey_ike(struct hand *h, unsigned node)
{
	hand_task(h, node, EXCHANGE_REKEY_IKE, 0);
}

/* The end of its lifetime has come for this child. */
static inline void hand_expire_child(struct hand *h, unsigned node, uint32_t spi_in)
{
	struct child *child = child_by_spi(hand_node(h, node)->ike, spi_in);
	assert_non_null(child);
	child->expire_at_ns = h->s->now_ns;
	timers_arm_connection(child->c);
	sim_now(h->s);
	assert_null(sim_child_find(hand_node(h, node), spi_in));
}

/* ---- judging ---- */

static inline void hand_agree(struct hand *h)
{
	struct sim_node *a = hand_node(h, 0), *b = hand_node(h, 1);
	assert_true(a->up && b->up);
	assert_true(sim_agrees(a, b) && sim_agrees(b, a));
}

static inline unsigned hand_ike_sas(struct hand *h, unsigned node)
{
	unsigned n = 0;
	for (struct ike_sa *sa = hand_node(h, node)->ike->all; sa; sa = sa->next_all)
		n += sa->state != SA_DEAD;
	return n;
}

/* Time for all that drains and lingers; then one IKE SA and one child at each end, the same ones,
 * and nothing to be said any more. */
static inline void hand_one(struct hand *h)
{
	hand_run(h, 70);
	hand_agree(h);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(sim_installed(hand_node(h, i)), 1);
		assert_int_equal(hand_ike_sas(h, i), 1);
		assert_null(hand_sa(h, i)->tasks);
	}
	struct ike_status a = hand_status(h, 0), b = hand_status(h, 1);
	assert_true(a.spi_i == b.spi_i && a.spi_r == b.spi_r);
	assert_int_equal(h->s->n_queue, 0);
}

static inline void hand_never_down(struct hand *h)
{
	assert_int_equal(hand_node(h, 0)->downs + hand_node(h, 1)->downs, 0);
}

/* An IKE SA of node 0's making, with a child, and packets from now on. */
static inline struct hand *hand_established(uint64_t seed, hand_change change)
{
	struct hand *h = hand_new(seed, change);
	sim_up(h->s, 0);
	hand_settle(h);
	hand_agree(h);
	sim_up(h->s, 1); /* it is there: this one, too, wants it to stay */
	hand_silent(h, 1);
	h->traffic = true;
	hand_launch(h);
	return h;
}

/*
 * Of two crossed CREATE_CHILD_SA, whose SA must stay: the exchange with the lowest of the four
 * nonces loses (RFC 7296 section 2.8.1). Reads what was said since `since`. Node 0 or 1.
 */
static inline unsigned hand_winner(const struct hand *h, unsigned since)
{
	const struct nonce *low[2] = {NULL, NULL}; /* of the exchange that node 0 or 1 began */
	for (unsigned i = since; i < h->n; i++) {
		const struct hand_message *x = &h->log[i];
		unsigned by = x->response ? 1 - x->from : x->from;
		if (x->exchange != IKE_CREATE_CHILD_SA || !x->nonce.len)
			continue;
		low[by] = low[by] ? nonce_lower(low[by], &x->nonce) : &x->nonce;
	}
	assert_true(low[0] && low[1]);
	return nonce_lower(low[0], low[1]) == low[0];
}

/* The SPI that `node` gave in the exchange that `by` began. */
static inline uint64_t hand_spi(const struct hand *h, unsigned since, unsigned by, unsigned node)
{
	for (unsigned i = h->n; i-- > since;) {
		const struct hand_message *x = &h->log[i];
		if (x->exchange == IKE_CREATE_CHILD_SA && x->has_sa && x->from == node &&
		    x->response == (by != node))
			return x->spi;
	}
	fail_msg("node %u gave no SPI", node);
	return 0;
}

/* The child of the exchange that `by` began is the one that is used. */
static inline void hand_survives(struct hand *h, unsigned since, unsigned by)
{
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(hand_node(h, i)->current, hand_spi(h, since, by, i));
}

#endif
