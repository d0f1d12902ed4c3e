/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rekeying of child SAs with all that may cross it, message by message. The names are those of the
 * scenarios that strongSwan tests its own exchanges with, so that one can be held against the
 * other: child_rekey_X here is what X is there. In the pictures A is node `a`, B the other; each
 * scenario is played with both nodes as A and, where nonces decide, for seeds of which either end
 * wins some. Packets flow all the while, except where one end took away the only child.
 *
 * Where both ends want additional key exchanges (RFC 9370) no nonces are compared: whoever is
 * second is told TEMPORARY_FAILURE and asks again later. So of the *_multi_ke scenarios those whose
 * second half is a comparison end one step earlier here.
 *
 * In other files: lost responses and the life that ESP shows, sim_basic.c; children of workers,
 * sim_workers.c.
 */
#include "hand.h"

#define SEEDS 8

/* A picture, for both nodes as A and several seeds. Which end won a comparison of nonces. */
struct wins {
	unsigned of[2]; /* of A, of B */
};
typedef void (*picture)(uint64_t seed, unsigned a, struct wins *w);

static void draw(picture p)
{
	struct wins w = {{0, 0}};
	for (uint64_t seed = 1; seed <= SEEDS; seed++)
		for (unsigned a = 0; a < 2; a++)
			p(seed, a, &w);
}

/* The same, and each end has won at least once: both halves were played. */
static void draw_both(picture p)
{
	struct wins w = {{0, 0}};
	for (uint64_t seed = 1; seed <= SEEDS; seed++)
		for (unsigned a = 0; a < 2; a++)
			p(seed, a, &w);
	assert_true(w.of[0] && w.of[1]);
}

/* Whether A won what was said since `since`. */
static bool a_won(const struct hand *h, unsigned since, unsigned a, struct wins *w)
{
	bool won = hand_winner(h, since) == a;
	w->of[!won]++;
	return won;
}

static void multi_ke(struct ike_connection *c, unsigned node)
{
	(void)node;
	c->child[0].n_group = 1;
	c->child[0].group[0] = DH_CURVE25519;
	c->child[0].n_additional = 1;
	c->child[0].additional[0] = DH_ECP_256;
}

static void two_groups(struct ike_connection *c, enum group_id first)
{
	c->child[0].n_group = 2;
	c->child[0].group[0] = (uint8_t)first;
	c->child[0].group[1] = DH_CURVE25519;
}

/* Neither end has the group that the other one tries first. */
static void ke_invalid(struct ike_connection *c, unsigned node)
{
	two_groups(c, node ? DH_ECP_521 : DH_ECP_384);
}

static void ke_invalid_multi_ke(struct ike_connection *c, unsigned node)
{
	multi_ke(c, node);
	ke_invalid(c, node);
}

static void probes(struct ike_connection *c, unsigned node)
{
	(void)node;
	c->dpd_timeout_ns = 30 * NS_PER_S;
}

static void mixed(struct ike_connection *c, unsigned node)
{
	multi_ke(c, node);
	c->child[0].n_additional = (uint8_t)!node;
}

/* ---- regular ---- */

static void regular(uint64_t seed, unsigned a, struct wins *w)
{
	unsigned b = 1 - a;
	(void)w;
	struct hand *h = hand_established(seed, NULL);
	hand_rekey_child(h, a);
	/* CREATE_CHILD_SA { REKEY_SA, SA, Ni, TSi, TSr } --> */
	assert_true(hand_last(h, a)->rekeys);
	hand_pass(h, a);
	assert_int_equal(hand_node(h, b)->installs, 2);
	assert_int_equal(hand_node(h, b)->current, SPI_OF(b, 1)); /* not yet */
	/* <-- CREATE_CHILD_SA { SA, Nr, TSi, TSr } */
	assert_false(hand_last(h, b)->rekeys);
	hand_pass(h, b);
	assert_int_equal(hand_node(h, a)->current, SPI_OF(a, 2));
	/* INFORMATIONAL { D } --> */
	hand_said_delete(h, a);
	hand_pass(h, a);
	assert_int_equal(hand_node(h, b)->current, SPI_OF(b, 2));
	/* <-- INFORMATIONAL { D } */
	assert_int_equal(hand_last(h, b)->n_deletes, 1);
	hand_pass(h, b);
	/* the old ones drain, then go */
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(sim_installed(hand_node(h, i)), 2);
	hand_one(h);
	hand_never_down(h);
	hand_end(h);
}
static void child_rekey_regular(void **state)
{
	(void)state;
	draw(regular);
}

static void regular_multi_ke(uint64_t seed, unsigned a, struct wins *w)
{
	unsigned b = 1 - a;
	(void)w;
	struct hand *h = hand_established(seed, multi_ke);
	hand_rekey_child(h, a);
	hand_pass(h, a);
	/* <-- CREATE_CHILD_SA { SA, Nr, KEr, TSi, TSr, ADDITIONAL_KEY_EXCHANGE } */
	hand_said(h, b, NOTIFY_ADDITIONAL_KEY_EXCHANGE);
	hand_pass(h, b);
	assert_int_equal(hand_node(h, a)->installs + hand_node(h, b)->installs, 2);
	/* IKE_FOLLOWUP_KE { KEi, ADDITIONAL_KEY_EXCHANGE } --> */
	hand_said_request(h, a, IKE_FOLLOWUP_KE);
	hand_pass(h, a);
	assert_int_equal(hand_node(h, b)->installs, 2);
	assert_int_equal(hand_node(h, b)->current, SPI_OF(b, 1));
	/* <-- IKE_FOLLOWUP_KE { KEr } */
	hand_pass(h, b);
	assert_int_equal(hand_node(h, a)->current, SPI_OF(a, 2));
	hand_said_delete(h, a);
	hand_settle(h);
	hand_one(h);
	hand_never_down(h);
	hand_end(h);
}
static void child_rekey_regular_multi_ke(void **state)
{
	(void)state;
	draw(regular_multi_ke);
}

static void regular_ke_invalid(uint64_t seed, unsigned a, hand_change change)
{
	unsigned b = 1 - a;
	struct hand *h = hand_established(seed, change);
	hand_rekey_child(h, a);
	hand_pass(h, a);
	/* <-- CREATE_CHILD_SA { INVALID_KE_PAYLOAD } */
	hand_said(h, b, NOTIFY_INVALID_KE_PAYLOAD);
	assert_int_equal(hand_node(h, b)->installs, 1);
	hand_pass(h, b);
	/* CREATE_CHILD_SA { REKEY_SA, SA, Ni, KEi, TSi, TSr } --> with the other group */
	assert_true(hand_last(h, a)->rekeys);
	hand_pass(h, a);
	assert_true(hand_last(h, b)->has_sa);
	hand_settle(h);
	assert_int_equal(hand_node(h, a)->current, SPI_OF(a, 3)); /* 2 was refused */
	assert_int_equal(hand_node(h, b)->current, SPI_OF(b, 2));
	hand_one(h);
	hand_never_down(h);
	assert_int_equal(hand_status(h, a).rekeys_child, 1);
	hand_end(h);
}
static void regular_ke_invalid_one(uint64_t seed, unsigned a, struct wins *w)
{
	(void)w;
	regular_ke_invalid(seed, a, ke_invalid);
}
static void child_rekey_regular_ke_invalid(void **state)
{
	(void)state;
	draw(regular_ke_invalid_one);
}
static void regular_ke_invalid_multi(uint64_t seed, unsigned a, struct wins *w)
{
	(void)w;
	regular_ke_invalid(seed, a, ke_invalid_multi_ke);
}
static void child_rekey_regular_ke_invalid_multi_ke(void **state)
{
	(void)state;
	draw(regular_ke_invalid_multi);
}

/* A rekeys, and its answer is there: only the DELETE is missing. */
static struct hand *before_the_delete(uint64_t seed, unsigned a)
{
	struct hand *h = hand_established(seed, probes);
	hand_rekey_child(h, a);
	hand_pass(h, a);
	hand_pass(h, 1 - a);
	hand_said_delete(h, a);
	return h;
}

/* The soft limit of the old child at B, which waits for its deletion: nothing is to be done. */
static void responder_ignore_soft_expire(uint64_t seed, unsigned a, struct wins *w)
{
	unsigned b = 1 - a;
	(void)w;
	struct hand *h = before_the_delete(seed, a);
	hand_rekey_child(h, b);
	hand_silent(h, b);
	hand_settle(h);
	hand_one(h);
	hand_never_down(h);
	assert_int_equal(hand_node(h, b)->current, SPI_OF(b, 2));
	hand_end(h);
}
static void child_rekey_regular_responder_ignore_soft_expire(void **state)
{
	(void)state;
	draw(responder_ignore_soft_expire);
}

/* The hard limit of the old child at B: it goes at once, and both DELETEs cross. */
static void responder_handle_hard_expire(uint64_t seed, unsigned a, struct wins *w)
{
	unsigned b = 1 - a;
	(void)w;
	struct hand *h = before_the_delete(seed, a);
	hand_expire_child(h, b, SPI_OF(b, 1));
	assert_int_equal(hand_node(h, b)->current, SPI_OF(b, 2));
	hand_said_delete(h, b);
	hand_settle(h);
	hand_one(h);
	hand_never_down(h);
	hand_end(h);
}
static void child_rekey_regular_responder_handle_hard_expire(void **state)
{
	(void)state;
	draw(responder_handle_hard_expire);
}

/*
 *       rekey ---------------->
 *             <----------------
 *  delete old ----\       /---- delete new
 *                  \-----/---->
 *             <---------/
 * Somebody deletes the new child at B while A deletes the old one: nothing is left, and a new one
 * is made.
 */
static void responder_delete(uint64_t seed, unsigned a, struct wins *w)
{
	unsigned b = 1 - a;
	(void)w;
	struct hand *h = before_the_delete(seed, a);
	h->traffic = false;
	hand_delete_child(h, b, SPI_OF(b, 2));
	hand_said_delete(h, b);
	hand_pass(h, a);
	hand_settle(h);
	hand_one(h);
	assert_true(hand_node(h, a)->current != SPI_OF(a, 1) &&
		    hand_node(h, a)->current != SPI_OF(a, 2));
	hand_end(h);
}
static void child_rekey_regular_responder_delete(void **state)
{
	(void)state;
	draw(responder_delete);
}

/* B has no longer what A rekeys, and its DELETE was lost: CHILD_SA_NOT_FOUND, and a new one. */
static void responder_lost_sa(uint64_t seed, unsigned a, struct wins *w)
{
	unsigned b = 1 - a;
	(void)w;
	struct hand *h = hand_established(seed, NULL);
	h->traffic = false;
	hand_expire_child(h, b, SPI_OF(b, 1));
	hand_lose(h, b);
	hand_rekey_child(h, a);
	hand_pass(h, a);
	hand_said(h, b, NOTIFY_CHILD_SA_NOT_FOUND);
	hand_pass(h, b);
	assert_int_equal(sim_installed(hand_node(h, a)), 0);
	/* CREATE_CHILD_SA { SA, Ni, TSi, TSr } --> */
	hand_said_request(h, a, IKE_CREATE_CHILD_SA);
	assert_false(hand_last(h, a)->rekeys);
	hand_settle(h);
	hand_one(h);
	assert_int_equal(hand_status(h, a).rekeys_child + hand_status(h, b).rekeys_child, 0);
	hand_end(h);
}
static void child_rekey_regular_responder_lost_sa(void **state)
{
	(void)state;
	draw(responder_lost_sa);
}

/*
 * rekey ---------------->
 *                   /----
 *       <----------/----- delete old (which is A's to delete)
 *       ----------/----->
 *       <--------/
 * What A has works on until it knows of the new one.
 */
static void responder_incorrect_delete(uint64_t seed, unsigned a, struct wins *w)
{
	unsigned b = 1 - a;
	(void)w;
	struct hand *h = hand_established(seed, NULL);
	hand_rekey_child(h, a);
	hand_pass(h, a);
	struct sim_datagram late = hand_keep(h, b);
	hand_delete_child(h, b, SPI_OF(b, 1));
	hand_pass(h, b);
	assert_int_equal(hand_last(h, a)->n_deletes, 1);
	assert_int_equal(sim_installed(hand_node(h, a)), 1);
	hand_arrive(h, late);
	assert_int_equal(hand_node(h, a)->current, SPI_OF(a, 2));
	hand_settle(h);
	hand_one(h);
	hand_never_down(h);
	assert_int_equal(hand_node(h, b)->current, SPI_OF(b, 2));
	hand_end(h);
}
static void child_rekey_regular_responder_incorrect_delete(void **state)
{
	(void)state;
	draw(responder_incorrect_delete);
}

/* Nobody answers the DELETE: the IKE SA is given up, once, and is made again. */
static void delete_timeout(uint64_t seed, unsigned a, struct wins *w)
{
	(void)w;
	struct hand *h = before_the_delete(seed, a);
	h->traffic = false;
	h->s->loss = 1000;
	hand_run(h, 60);
	assert_int_equal(hand_node(h, a)->downs, 1);
	assert_int_equal(sim_installed(hand_node(h, a)), 0);
	h->s->loss = 0;
	hand_run(h, 120);
	hand_one(h);
	assert_int_equal(hand_node(h, a)->downs, 1);
	hand_end(h);
}
static void child_rekey_regular_delete_timeout(void **state)
{
	(void)state;
	draw(delete_timeout);
}

/* ---- collisions of two rekeyings ---- */

/* Both requests are on their way. */
static struct hand *both_rekey(uint64_t seed, hand_change change, unsigned *since)
{
	struct hand *h = hand_established(seed, change);
	*since = h->n;
	hand_rekey_child(h, 0);
	hand_rekey_child(h, 1);
	return h;
}

/* What is left in the end, and how often it was counted. */
static void ends_with(struct hand *h, unsigned since, unsigned by)
{
	hand_settle(h);
	hand_survives(h, since, by);
	hand_one(h);
	hand_survives(h, since, by);
	hand_never_down(h);
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(hand_status(h, i).rekeys_child, 1);
	hand_end(h);
}

/*
 * rekey ----\       /---- rekey
 *            \-----/---->
 *       <---------/ /----
 *       ----\      /
 *            \----/----->
 *       <--------/
 */
static void collision(uint64_t seed, unsigned a, struct wins *w)
{
	unsigned b = 1 - a, since;
	struct hand *h = both_rekey(seed, NULL, &since);
	hand_pass(h, a);
	hand_pass(h, b);
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(hand_node(h, i)->installs, 2);
	hand_pass(h, b);
	hand_pass(h, a);
	assert_int_equal(hand_count(h, a, IKE_COUNT_COLLISIONS), 1);
	ends_with(h, since, a_won(h, since, a, w) ? a : b);
}
static void child_rekey_collision(void **state)
{
	(void)state;
	draw_both(collision);
}

/* Both are told TEMPORARY_FAILURE; one of them is first when they ask again. */
static void collision_with(uint64_t seed, unsigned a, hand_change change)
{
	unsigned b = 1 - a, since;
	struct hand *h = both_rekey(seed, change, &since);
	hand_pass(h, a);
	hand_pass(h, b);
	assert_true(hand_notifies(hand_last(h, 0), NOTIFY_TEMPORARY_FAILURE) ||
		    hand_notifies(hand_last(h, 1), NOTIFY_TEMPORARY_FAILURE));
	hand_settle(h);
	hand_run(h, 30);
	hand_one(h);
	hand_never_down(h);
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(hand_status(h, i).rekeys_child, 1);
	hand_end(h);
}
static void collision_multi_ke(uint64_t seed, unsigned a, struct wins *w)
{
	(void)w;
	collision_with(seed, a, multi_ke);
}
static void child_rekey_collision_multi_ke(void **state)
{
	(void)state;
	draw(collision_multi_ke);
}
static void collision_mixed(uint64_t seed, unsigned a, struct wins *w)
{
	unsigned b = 1 - a, since;
	(void)w;
	struct hand *h = both_rekey(seed, mixed, &since);
	hand_pass(h, a);
	hand_pass(h, b);
	hand_settle(h);
	hand_run(h, 30);
	hand_one(h);
	hand_never_down(h);
	assert_true(hand_status(h, 0).rekeys_child >= 1);
	hand_end(h);
}
static void child_rekey_collision_mixed(void **state)
{
	(void)state;
	draw(collision_mixed);
}

/*
 * rekey ----\       /---- rekey
 *            \-----/---->
 *       <---------/ /----
 *       ----\      /
 *            \----/----->
 *       <--------/------- delete (old when B won, its own new one when it lost)
 *       --------/------->
 *       <------/
 */
static void collision_delayed_response(uint64_t seed, unsigned a, struct wins *w)
{
	unsigned b = 1 - a, since;
	struct hand *h = both_rekey(seed, NULL, &since);
	hand_pass(h, a);
	struct sim_datagram late = hand_keep(h, b); /* B's request is older */
	hand_arrive(h, late);
	late = hand_keep(h, b); /* B's answer */
	hand_pass(h, a);	/* A's answer */
	hand_said_delete(h, b);
	hand_pass(h, b);
	bool won = a_won(h, since, a, w);
	assert_int_equal(hand_node(h, a)->current, won ? SPI_OF(a, 1) : hand_spi(h, since, b, a));
	hand_pass(h, a);
	hand_arrive(h, late);
	ends_with(h, since, won ? a : b);
}
static void child_rekey_collision_delayed_response(void **state)
{
	(void)state;
	draw_both(collision_delayed_response);
}

/* The same, and B deletes the new one too before its answer arrives: A may not go on with a child
 * that B no longer has. */
static void collision_delayed_response_delete(uint64_t seed, unsigned a, struct wins *w)
{
	unsigned b = 1 - a, since;
	struct hand *h = both_rekey(seed, NULL, &since);
	hand_pass(h, a);
	hand_pass(h, b);
	struct sim_datagram late = hand_keep(h, b);
	hand_pass(h, a);
	hand_pass(h, b);
	hand_pass(h, a);
	bool won = a_won(h, since, a, w);
	h->traffic = false;
	hand_delete_child(h, b, (uint32_t)hand_spi(h, since, won ? a : b, b));
	hand_said_delete(h, b);
	hand_pass(h, b);
	hand_pass(h, a);
	hand_arrive(h, late);
	hand_settle(h);
	hand_one(h);
	hand_end(h);
}
static void child_rekey_collision_delayed_response_delete(void **state)
{
	(void)state;
	draw_both(collision_delayed_response_delete);
}

/* With additional key exchanges the late answer is a refusal. */
static void collision_delayed_response_multi_ke(uint64_t seed, unsigned a, struct wins *w)
{
	unsigned b = 1 - a, since;
	(void)w;
	struct hand *h = both_rekey(seed, multi_ke, &since);
	hand_pass(h, a);
	hand_said(h, b, NOTIFY_TEMPORARY_FAILURE);
	hand_pass(h, b);
	struct sim_datagram late = hand_keep(h, b);
	hand_pass(h, a);
	hand_time(h, 2, true);
	hand_arrive(h, late);
	hand_settle(h);
	hand_run(h, 30);
	hand_one(h);
	hand_never_down(h);
	assert_true(hand_status(h, 0).rekeys_child >= 1);
	hand_end(h);
}
static void child_rekey_collision_delayed_response_multi_ke(void **state)
{
	(void)state;
	draw(collision_delayed_response_multi_ke);
}

/*
 * rekey ----\       /---- rekey
 *            \     /
 *       <-----\---/
 *       -------\-------->
 *               \   /---- delete old
 *                \-/---->
 *       <---------/ /---- TEMPORARY_FAILURE
 *       -----------/---->
 *       <---------/
 * and with the two messages of B in the other order.
 */
static void collision_delayed_request_in(uint64_t seed, unsigned a, bool delete_first)
{
	unsigned b = 1 - a, since;
	struct hand *h = both_rekey(seed, NULL, &since);
	struct sim_datagram late = hand_keep(h, a);
	hand_pass(h, b);
	hand_pass(h, a);
	hand_said_delete(h, b);
	hand_arrive(h, late);
	hand_said(h, b, NOTIFY_TEMPORARY_FAILURE);
	late = hand_keep(h, b); /* the DELETE is older */
	if (delete_first)
		hand_arrive(h, late);
	hand_pass(h, b);
	if (!delete_first)
		hand_arrive(h, late);
	ends_with(h, since, b);
}
static void collision_delayed_request(uint64_t seed, unsigned a, struct wins *w)
{
	(void)w;
	collision_delayed_request_in(seed, a, true);
	collision_delayed_request_in(seed, a, false);
}
static void child_rekey_collision_delayed_request(void **state)
{
	(void)state;
	draw(collision_delayed_request);
}

/* The request is so late that B is through: CHILD_SA_NOT_FOUND, and nothing is missing. */
static void collision_delayed_request_more(uint64_t seed, unsigned a, struct wins *w)
{
	unsigned b = 1 - a, since;
	(void)w;
	struct hand *h = both_rekey(seed, NULL, &since);
	struct sim_datagram late = hand_keep(h, a);
	hand_pass(h, b);
	hand_pass(h, a);
	hand_pass(h, b);
	hand_pass(h, a);
	hand_arrive(h, late);
	hand_said(h, b, NOTIFY_CHILD_SA_NOT_FOUND);
	ends_with(h, since, b);
}
static void child_rekey_collision_delayed_request_more(void **state)
{
	(void)state;
	draw(collision_delayed_request_more);
}

static void collision_delayed_request_more_delete(uint64_t seed, unsigned a, struct wins *w)
{
	unsigned b = 1 - a, since;
	(void)w;
	struct hand *h = both_rekey(seed, NULL, &since);
	struct sim_datagram late = hand_keep(h, a);
	hand_pass(h, b);
	hand_pass(h, a);
	hand_pass(h, b);
	hand_pass(h, a);
	h->traffic = false;
	hand_delete_child(h, b, hand_node(h, b)->current);
	hand_pass(h, b);
	hand_pass(h, a);
	hand_arrive(h, late);
	hand_said(h, b, NOTIFY_CHILD_SA_NOT_FOUND);
	hand_settle(h);
	hand_one(h);
	hand_end(h);
}
static void child_rekey_collision_delayed_request_more_delete(void **state)
{
	(void)state;
	draw(collision_delayed_request_more_delete);
}

/* With additional key exchanges A refuses B, since it asks itself, and B takes what comes late. */
static void collision_delayed_request_multi_ke(uint64_t seed, unsigned a, struct wins *w)
{
	unsigned b = 1 - a, since;
	(void)w;
	struct hand *h = both_rekey(seed, multi_ke, &since);
	struct sim_datagram late = hand_keep(h, a);
	hand_pass(h, b);
	hand_said(h, a, NOTIFY_TEMPORARY_FAILURE);
	hand_pass(h, a);
	hand_arrive(h, late);
	ends_with(h, since, a);
}
static void child_rekey_collision_delayed_request_multi_ke(void **state)
{
	(void)state;
	draw(collision_delayed_request_multi_ke);
}

/* Both are told which group it must be; then their requests cross again. */
static void collision_ke_invalid(uint64_t seed, unsigned a, struct wins *w)
{
	unsigned b = 1 - a, since;
	struct hand *h = both_rekey(seed, ke_invalid, &since);
	hand_pass(h, a);
	hand_pass(h, b);
	hand_said(h, 0, NOTIFY_INVALID_KE_PAYLOAD);
	hand_said(h, 1, NOTIFY_INVALID_KE_PAYLOAD);
	since = h->n;
	hand_pass(h, a);
	hand_pass(h, b);
	assert_true(hand_last(h, 0)->rekeys && hand_last(h, 1)->rekeys);
	hand_pass(h, a);
	hand_pass(h, b);
	hand_pass(h, a);
	hand_pass(h, b);
	ends_with(h, since, a_won(h, since, a, w) ? a : b);
}
static void child_rekey_collision_ke_invalid(void **state)
{
	(void)state;
	draw_both(collision_ke_invalid);
}

/* The second request of A is late: to B it looks as if there were no collision. */
static void collision_ke_invalid_delayed_retry(uint64_t seed, unsigned a, struct wins *w)
{
	unsigned b = 1 - a, since;
	(void)w;
	struct hand *h = both_rekey(seed, ke_invalid, &since);
	hand_pass(h, a);
	hand_pass(h, b);
	since = h->n;
	hand_pass(h, a);
	hand_pass(h, b);
	struct sim_datagram late = hand_keep(h, a);
	hand_pass(h, b);
	hand_pass(h, a);
	hand_said_delete(h, b);
	hand_arrive(h, late);
	hand_said(h, b, NOTIFY_TEMPORARY_FAILURE);
	ends_with(h, since, b);
}
static void child_rekey_collision_ke_invalid_delayed_retry(void **state)
{
	(void)state;
	draw(collision_ke_invalid_delayed_retry);
}

/* B lost, deletes its own new one as it should, and the old one, as it should not, before A has its
 * answer. */
static void collision_responder_incorrect_delete(uint64_t seed, unsigned a, struct wins *w)
{
	unsigned b = 1 - a, since;
	struct hand *h = both_rekey(seed, NULL, &since);
	hand_pass(h, a);
	hand_pass(h, b);
	struct sim_datagram late = hand_keep(h, b);
	hand_pass(h, a);
	if (!a_won(h, since, a, w)) {
		hand_arrive(h, late);
		ends_with(h, since, b);
		return;
	}
	hand_pass(h, b);
	hand_pass(h, a);
	hand_delete_child(h, b, SPI_OF(b, 1));
	hand_said_delete(h, b);
	hand_pass(h, b);
	hand_arrive(h, late);
	ends_with(h, since, a);
}
static void child_rekey_collision_responder_incorrect_delete(void **state)
{
	(void)state;
	draw_both(collision_responder_incorrect_delete);
}

/* ---- collisions with a deletion of the child ---- */

/* B deletes what A rekeys; what comes after it is new, and nobody's rekeying. */
static void made_anew(struct hand *h)
{
	hand_settle(h);
	hand_one(h);
	assert_int_equal(hand_status(h, 0).rekeys_child + hand_status(h, 1).rekeys_child, 0);
	hand_end(h);
}

/*
 * rekey ----\       /---- delete
 *            \-----/---->
 *       <---------/ /---- TEMPORARY_FAILURE
 *       ----\      /
 *            \----/----->
 *       <--------/
 */
static void collision_delete(uint64_t seed, unsigned a, struct wins *w)
{
	unsigned b = 1 - a;
	(void)w;
	struct hand *h = hand_established(seed, NULL);
	h->traffic = false;
	hand_rekey_child(h, a);
	hand_delete_child(h, b, SPI_OF(b, 1));
	hand_pass(h, a);
	hand_said(h, b, NOTIFY_TEMPORARY_FAILURE);
	hand_pass(h, b);
	assert_int_equal(hand_last(h, a)->n_deletes, 1);
	hand_pass(h, a);
	hand_pass(h, b);
	made_anew(h);
}
static void child_rekey_collision_delete(void **state)
{
	(void)state;
	draw(collision_delete);
}

/* The DELETE crosses the additional key exchange: of the two children nothing stays, or the new
 * one. */
static void collision_delete_multi_ke(uint64_t seed, unsigned a, struct wins *w)
{
	unsigned b = 1 - a;
	(void)w;
	struct hand *h = hand_established(seed, multi_ke);
	h->traffic = false;
	hand_rekey_child(h, a);
	hand_pass(h, a);
	hand_pass(h, b);
	hand_said_request(h, a, IKE_FOLLOWUP_KE);
	hand_delete_child(h, b, SPI_OF(b, 1));
	hand_pass(h, a);
	hand_pass(h, b);
	hand_settle(h);
	hand_one(h);
	assert_int_not_equal(hand_node(h, a)->current, SPI_OF(a, 1));
	hand_end(h);
}
static void child_rekey_collision_delete_multi_ke(void **state)
{
	(void)state;
	draw(collision_delete_multi_ke);
}

/* The DELETE is lost at first: A asks again later, and does not when the DELETE has come. */
static void collision_delete_drop_delete(uint64_t seed, unsigned a, struct wins *w)
{
	unsigned b = 1 - a;
	(void)w;
	struct hand *h = hand_established(seed, NULL);
	h->traffic = false;
	hand_rekey_child(h, a);
	hand_delete_child(h, b, SPI_OF(b, 1));
	hand_lose(h, b);
	hand_pass(h, a);
	hand_said(h, b, NOTIFY_TEMPORARY_FAILURE);
	hand_pass(h, b);
	hand_silent(h, a);
	hand_run(h, 1); /* the DELETE comes again */
	made_anew(h);
}
static void child_rekey_collision_delete_drop_delete(void **state)
{
	(void)state;
	draw(collision_delete_drop_delete);
}

/* The request for a rekeying comes when B is through with its DELETE. */
static void collision_delete_drop_rekey(uint64_t seed, unsigned a, struct wins *w)
{
	unsigned b = 1 - a;
	(void)w;
	struct hand *h = hand_established(seed, NULL);
	h->traffic = false;
	hand_rekey_child(h, a);
	struct sim_datagram late = hand_keep(h, a);
	hand_delete_child(h, b, SPI_OF(b, 1));
	hand_pass(h, b);
	hand_pass(h, a);
	hand_arrive(h, late);
	hand_said(h, b, NOTIFY_CHILD_SA_NOT_FOUND);
	made_anew(h);
}
static void child_rekey_collision_delete_drop_rekey(void **state)
{
	(void)state;
	draw(collision_delete_drop_rekey);
}

/*
 * rekey ---------------->
 *                   /----
 *       <----------/----- delete new
 *       ----------/----->
 *       <--------/
 * A is told of the end of a child before it knows of its beginning, and may not send on it then.
 */
static void collision_delete_delayed_response(uint64_t seed, unsigned a, struct wins *w)
{
	unsigned b = 1 - a;
	(void)w;
	struct hand *h = hand_established(seed, NULL);
	hand_rekey_child(h, a);
	hand_pass(h, a);
	struct sim_datagram late = hand_keep(h, b);
	hand_delete_child(h, b, SPI_OF(b, 2));
	hand_pass(h, b);
	hand_pass(h, a);
	hand_arrive(h, late);
	hand_settle(h);
	hand_one(h);
	hand_never_down(h);
	assert_int_not_equal(hand_node(h, a)->current, SPI_OF(a, 2));
	hand_end(h);
}
static void child_rekey_collision_delete_delayed_response(void **state)
{
	(void)state;
	draw(collision_delete_delayed_response);
}

/* ---- collisions with exchanges of the IKE SA ---- */

/* Both are told TEMPORARY_FAILURE, and both come about later. */
static void collision_ike_rekey(uint64_t seed, unsigned a, struct wins *w)
{
	unsigned b = 1 - a;
	(void)w;
	struct hand *h = hand_established(seed, NULL);
	hand_rekey_child(h, a);
	hand_rekey_ike(h, b);
	hand_pass(h, a);
	hand_said(h, b, NOTIFY_TEMPORARY_FAILURE);
	hand_pass(h, b);
	hand_said(h, a, NOTIFY_TEMPORARY_FAILURE);
	hand_settle(h);
	hand_run(h, 30);
	hand_one(h);
	hand_never_down(h);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(hand_status(h, i).rekeys_child, 1);
		assert_int_equal(hand_status(h, i).rekeys_ike, 1);
	}
	hand_end(h);
}
static void child_rekey_collision_ike_rekey(void **state)
{
	(void)state;
	draw(collision_ike_rekey);
}

/* The end of the IKE SA is the end of all. */
static void collision_ike_delete(uint64_t seed, unsigned a, struct wins *w)
{
	unsigned b = 1 - a;
	(void)w;
	struct hand *h = hand_established(seed, NULL);
	h->traffic = false;
	hand_rekey_child(h, a);
	sim_down(h->s, b);
	hand_pass(h, a);
	hand_said(h, b, NOTIFY_TEMPORARY_FAILURE);
	hand_pass(h, b);
	for (unsigned i = 0; i < 2; i++) {
		assert_false(hand_node(h, i)->up);
		assert_int_equal(sim_installed(hand_node(h, i)), 0);
	}
	sim_down(h->s, a);
	hand_run(h, 70);
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(hand_ike_sas(h, i), 0);
	hand_end(h);
}
static void child_rekey_collision_ike_delete(void **state)
{
	(void)state;
	draw(collision_ike_delete);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(child_rekey_regular),
		cmocka_unit_test(child_rekey_regular_multi_ke),
		cmocka_unit_test(child_rekey_regular_ke_invalid),
		cmocka_unit_test(child_rekey_regular_ke_invalid_multi_ke),
		cmocka_unit_test(child_rekey_regular_responder_ignore_soft_expire),
		cmocka_unit_test(child_rekey_regular_responder_handle_hard_expire),
		cmocka_unit_test(child_rekey_regular_responder_delete),
		cmocka_unit_test(child_rekey_regular_responder_lost_sa),
		cmocka_unit_test(child_rekey_regular_responder_incorrect_delete),
		cmocka_unit_test(child_rekey_regular_delete_timeout),
		cmocka_unit_test(child_rekey_collision),
		cmocka_unit_test(child_rekey_collision_multi_ke),
		cmocka_unit_test(child_rekey_collision_mixed),
		cmocka_unit_test(child_rekey_collision_delayed_response),
		cmocka_unit_test(child_rekey_collision_delayed_response_delete),
		cmocka_unit_test(child_rekey_collision_delayed_response_multi_ke),
		cmocka_unit_test(child_rekey_collision_delayed_request),
		cmocka_unit_test(child_rekey_collision_delayed_request_more),
		cmocka_unit_test(child_rekey_collision_delayed_request_more_delete),
		cmocka_unit_test(child_rekey_collision_delayed_request_multi_ke),
		cmocka_unit_test(child_rekey_collision_ke_invalid),
		cmocka_unit_test(child_rekey_collision_ke_invalid_delayed_retry),
		cmocka_unit_test(child_rekey_collision_responder_incorrect_delete),
		cmocka_unit_test(child_rekey_collision_delete),
		cmocka_unit_test(child_rekey_collision_delete_multi_ke),
		cmocka_unit_test(child_rekey_collision_delete_drop_delete),
		cmocka_unit_test(child_rekey_collision_delete_drop_rekey),
		cmocka_unit_test(child_rekey_collision_delete_delayed_response),
		cmocka_unit_test(child_rekey_collision_ike_rekey),
		cmocka_unit_test(child_rekey_collision_ike_delete),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
