/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Children that are made and deleted, IKE SAs that end, and IKE SAs that begin without a child,
 * message by message. Names and pictures are as in sim_child_rekey.c: child_delete_X is the
 * scenario that strongSwan tests as X, and so on.
 *
 * Not here, since there is nothing of ours that they would test:
 * - childless_failure_init and childless_failure_resp: a peer without childless IKE SAs where they
 *   are demanded. `childless` of xgw is a wish: with such a peer the child comes in IKE_AUTH
 *   (childless_wish below), and a peer that asks for a child in IKE_AUTH gets it.
 * - childless_regular_manual: an IKE SA that is to have no child until somebody asks for one. A
 *   connection of xgw is its child SAs.
 * - ike_cfg (5 tests): the address family of a list of peers' addresses. A connection has one
 *   address, and its family is part of it.
 */
#include "hand.h"

static void each(void (*picture)(unsigned a))
{
	for (unsigned a = 0; a < 2; a++)
		picture(a);
}

/* ---- child_delete ---- */

/* Nothing of the first child is left, and what is there now is new and the same at both ends. */
static void made_anew(struct hand *h)
{
	hand_settle(h);
	hand_one(h);
	for (unsigned i = 0; i < 2; i++)
		assert_int_not_equal(hand_node(h, i)->current, SPI_OF(i, 1));
	hand_end(h);
}

static struct hand *without_traffic(void)
{
	struct hand *h = hand_established(1, NULL);
	h->traffic = false;
	return h;
}

static void delete_regular(unsigned a)
{
	unsigned b = 1 - a;
	struct hand *h = without_traffic();
	hand_delete_child(h, a, SPI_OF(a, 1));
	/* INFORMATIONAL { D } --> */
	hand_said_delete(h, a);
	hand_pass(h, a);
	assert_int_equal(sim_installed(hand_node(h, b)), 0);
	/* <-- INFORMATIONAL { D }, and a new child of B's */
	hand_pass(h, b);
	assert_int_equal(sim_installed(hand_node(h, a)), 0);
	made_anew(h);
}
static void child_delete_regular(void **state)
{
	(void)state;
	each(delete_regular);
}

/*
 * delete ----\       /---- delete
 *             \-----/---->
 *        <---------/ /---- { }
 *        ----\      /
 *             \----/----->
 */
static void delete_collision(unsigned a)
{
	unsigned b = 1 - a;
	struct hand *h = without_traffic();
	hand_delete_child(h, 0, SPI_OF(0, 1));
	hand_delete_child(h, 1, SPI_OF(1, 1));
	hand_pass(h, a);
	assert_int_equal(hand_last(h, b)->n_deletes, 0); /* RFC 7296 section 1.4.1 */
	hand_pass(h, b);
	assert_int_equal(hand_last(h, a)->n_deletes, 0);
	hand_pass(h, a);
	hand_pass(h, b);
	made_anew(h);
}
static void child_delete_collision(void **state)
{
	(void)state;
	each(delete_collision);
}

/* A's DELETE is lost at first, so B knows of no collision; what comes again is of nothing. */
static void delete_collision_drop(unsigned a)
{
	unsigned b = 1 - a;
	struct hand *h = without_traffic();
	hand_delete_child(h, 0, SPI_OF(0, 1));
	hand_delete_child(h, 1, SPI_OF(1, 1));
	hand_lose(h, a);
	hand_pass(h, b);
	hand_pass(h, a);
	assert_int_equal(sim_installed(hand_node(h, a)) + sim_installed(hand_node(h, b)), 0);
	hand_run(h, 2);
	made_anew(h);
}
static void child_delete_collision_drop(void **state)
{
	(void)state;
	each(delete_collision_drop);
}

/*
 * delete ----\       /---- rekey IKE
 *             \-----/---->
 *        <---------/ /---- { D }
 *        ----\      /       TEMPORARY_FAILURE
 *             \----/----->
 */
static void delete_collision_ike_rekey(unsigned a)
{
	unsigned b = 1 - a;
	struct hand *h = without_traffic();
	hand_delete_child(h, a, SPI_OF(a, 1));
	hand_rekey_ike(h, b);
	hand_pass(h, a);
	assert_int_equal(hand_last(h, b)->n_deletes, 1);
	hand_pass(h, b);
	hand_said(h, a, NOTIFY_TEMPORARY_FAILURE);
	hand_settle(h);
	hand_run(h, 30);
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(hand_status(h, i).rekeys_ike, 1);
	made_anew(h);
}
static void child_delete_collision_ike_rekey(void **state)
{
	(void)state;
	each(delete_collision_ike_rekey);
}

static void all_gone(struct hand *h, unsigned told)
{
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(sim_installed(hand_node(h, i)), 0);
	sim_down(h->s, told); /* it would begin anew */
	hand_run(h, 90);
	for (unsigned i = 0; i < 2; i++) {
		assert_false(hand_node(h, i)->up);
		assert_int_equal(hand_ike_sas(h, i), 0);
		assert_int_equal(hand_node(h, i)->downs, 1);
	}
	hand_end(h);
}

/* B ends the IKE SA while A deletes its child: A's is answered, and then all is over. */
static void delete_collision_ike_delete(unsigned a)
{
	unsigned b = 1 - a;
	struct hand *h = without_traffic();
	hand_delete_child(h, a, SPI_OF(a, 1));
	sim_down(h->s, b);
	hand_pass(h, a);
	assert_true(hand_last(h, b)->response);
	hand_pass(h, b);
	hand_pass(h, b);
	all_gone(h, a);
}
static void child_delete_collision_ike_delete(void **state)
{
	(void)state;
	each(delete_collision_ike_delete);
}

/* ---- ike_delete ---- */

static void ike_delete_by(unsigned a)
{
	unsigned b = 1 - a;
	struct hand *h = without_traffic();
	sim_down(h->s, a);
	/* INFORMATIONAL { D } --> */
	hand_said_delete(h, a);
	assert_int_equal(sim_installed(hand_node(h, a)), 0);
	hand_pass(h, a);
	assert_non_null(strstr(hand_node(h, b)->last_fault.text, "peer deleted"));
	/* <-- INFORMATIONAL { } */
	assert_int_equal(hand_last(h, b)->n_deletes, 0);
	hand_pass(h, b);
	all_gone(h, b);
}
static void ike_delete_regular(void **state)
{
	(void)state;
	each(ike_delete_by);
}

static void ike_delete_by_both(unsigned a)
{
	struct hand *h = without_traffic();
	sim_down(h->s, 0);
	sim_down(h->s, 1);
	hand_pass(h, a);
	hand_pass(h, 1 - a);
	hand_settle(h);
	all_gone(h, a);
}
static void ike_delete_collision(void **state)
{
	(void)state;
	each(ike_delete_by_both);
}

/* ---- child_create ---- */

/* A child like one that is there: nobody asks for it. */
static void create_duplicate(unsigned a)
{
	struct hand *h = hand_established(1, NULL);
	hand_task(h, a, EXCHANGE_NEW_CHILD, 0);
	sim_up(h->s, a);
	hand_silent(h, 0);
	hand_silent(h, 1);
	hand_one(h);
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(hand_node(h, i)->installs, 1);
	hand_end(h);
}
static void child_create_duplicate(void **state)
{
	(void)state;
	each(create_duplicate);
}

/* Not of strongSwan's: both make the same new child at once. One is enough, and nonces say which.
 */
static void create_collision(unsigned a, uint64_t seed, unsigned wins[2])
{
	unsigned b = 1 - a, since;
	struct hand *h = hand_established(seed, NULL);
	h->traffic = false;
	hand_delete_child(h, 0, SPI_OF(0, 1));
	hand_delete_child(h, 1, SPI_OF(1, 1));
	since = h->n;
	for (unsigned i = 0; i < 2; i++) {
		hand_pass(h, a);
		hand_pass(h, b);
	}
	hand_said_request(h, 0, IKE_CREATE_CHILD_SA);
	hand_said_request(h, 1, IKE_CREATE_CHILD_SA);
	hand_pass(h, a);
	hand_pass(h, b);
	hand_settle(h);
	unsigned winner = hand_winner(h, since);
	wins[winner]++;
	hand_survives(h, since, winner);
	hand_one(h);
	hand_survives(h, since, winner);
	hand_end(h);
}
static void child_create_collision(void **state)
{
	unsigned wins[2] = {0, 0};
	(void)state;
	for (uint64_t seed = 1; seed <= 8; seed++)
		for (unsigned a = 0; a < 2; a++)
			create_collision(a, seed, wins);
	assert_true(wins[0] && wins[1]);
}

/* The child is gone; A makes a new one while B rekeys the IKE SA. Both are told to wait. */
static void create_collision_ike_rekey(unsigned a)
{
	unsigned b = 1 - a;
	struct hand *h = without_traffic();
	hand_delete_child(h, b, SPI_OF(b, 1));
	hand_pass(h, b);
	hand_said_request(h, a, IKE_CREATE_CHILD_SA);
	struct sim_datagram late = hand_keep(h, a); /* the answer is older than the request */
	hand_arrive(h, late);
	late = hand_keep(h, a);
	while (h->s->n_queue) /* B is of the same mind */
		hand_lose(h, b);
	hand_sa(h, b)->in_flight = false;
	tasks_free(hand_sa(h, b));
	hand_rekey_ike(h, b);
	hand_arrive(h, late);
	hand_said(h, b, NOTIFY_TEMPORARY_FAILURE);
	late = hand_keep(h, b);
	hand_arrive(h, late);
	hand_settle(h);
	hand_run(h, 60);
	made_anew(h);
}
static void child_create_collision_ike_rekey(void **state)
{
	(void)state;
	each(create_collision_ike_rekey);
}

static void multi_ke(struct ike_connection *c, unsigned node)
{
	(void)node;
	c->ike[0].n_additional = 1;
	c->ike[0].additional[0] = DH_ECP_256;
	c->child[0] = c->ike[0];
	c->child[0].n_prf = 0;
	c->childless = true;
}

/* IKE_SA_INIT, IKE_INTERMEDIATE, IKE_AUTH; then CREATE_CHILD_SA and IKE_FOLLOWUP_KE. */
static void create_multi_ke(unsigned a)
{
	unsigned b = 1 - a;
	struct hand *h = hand_new(1, multi_ke);
	sim_up(h->s, a);
	for (unsigned i = 0; i < 3; i++) {
		hand_pass(h, a);
		hand_pass(h, b);
	}
	/* CREATE_CHILD_SA { SA, Ni, KEi, TSi, TSr } --> */
	hand_said_request(h, a, IKE_CREATE_CHILD_SA);
	hand_pass(h, a);
	hand_said(h, b, NOTIFY_ADDITIONAL_KEY_EXCHANGE);
	hand_pass(h, b);
	/* IKE_FOLLOWUP_KE { KEi, ADDITIONAL_KEY_EXCHANGE } --> */
	hand_said_request(h, a, IKE_FOLLOWUP_KE);
	assert_int_equal(hand_node(h, b)->installs, 0);
	hand_pass(h, a);
	assert_int_equal(hand_node(h, b)->installs, 1);
	hand_pass(h, b);
	hand_one(h);
	assert_non_null(strstr(hand_status(h, a).children[0].proposal, "CURVE25519"));
	hand_end(h);
}
static void child_create_multi_ke(void **state)
{
	(void)state;
	each(create_multi_ke);
}

/* ---- childless ---- */

static void childless_with_group(struct ike_connection *c, unsigned node)
{
	(void)node;
	c->childless = true;
	c->child[0].n_group = 1;
	c->child[0].group[0] = DH_ECP_256;
}

static void childless_by(unsigned a)
{
	unsigned b = 1 - a;
	struct hand *h = hand_new(1, childless_with_group);
	sim_up(h->s, a);
	/* IKE_SA_INIT --> <-- IKE_SA_INIT { CHILDLESS_IKEV2_SUPPORTED } */
	hand_pass(h, a);
	hand_pass(h, b);
	/* IKE_AUTH { IDi, AUTH } --> <-- IKE_AUTH { IDr, AUTH } */
	assert_false(hand_last(h, a)->has_sa);
	hand_pass(h, a);
	assert_false(hand_last(h, b)->has_sa);
	hand_pass(h, b);
	assert_int_equal(hand_node(h, a)->installs + hand_node(h, b)->installs, 0);
	/* CREATE_CHILD_SA { SA, Ni, KEi, TSi, TSr } --> with a key exchange of its own */
	hand_said_request(h, a, IKE_CREATE_CHILD_SA);
	hand_pass(h, a);
	hand_pass(h, b);
	hand_one(h);
	assert_non_null(strstr(hand_status(h, a).children[0].proposal, "ECP256"));
	hand_end(h);
}
static void childless_regular(void **state)
{
	(void)state;
	each(childless_by);
}

/* Takes CHILDLESS_IKEV2_SUPPORTED out of the answer, as of a peer that knows nothing of it. */
static void forget_childless(struct sim_datagram *d)
{
	struct ike_message m;
	struct fault f;
	uint8_t out[SIM_UDP_MAX];
	struct builder b;
	assert_int_equal(ike_message_parse(&m, (struct bytes){d->bytes, d->len}, &f), 0);
	assert_non_null(ike_message_notify(&m, NOTIFY_CHILDLESS_IKEV2_SUPPORTED));
	builder_init(&b, out, sizeof out);
	builder_header(&b, &m.h);
	builder_raw(&b, PAYLOAD_SA, m.sa);
	builder_ke(&b, m.ke_group, m.ke);
	builder_raw(&b, PAYLOAD_NONCE, m.nonce);
	builder_finish(&b);
	d->len = builder_bytes(&b).len;
	memcpy(d->bytes, out, d->len);
}

/* A peer that does not know of it: the child comes in IKE_AUTH. */
static void childless_wish(void **state)
{
	(void)state;
	struct hand *h = hand_new(1, childless_with_group);
	sim_up(h->s, 0);
	hand_pass(h, 0);
	struct sim_datagram answer = hand_keep(h, 1);
	forget_childless(&answer);
	hand_arrive(h, answer);
	hand_said_request(h, 0, IKE_AUTH);
	assert_true(hand_last(h, 0)->has_sa);
	hand_end(h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(child_delete_regular),
		cmocka_unit_test(child_delete_collision),
		cmocka_unit_test(child_delete_collision_drop),
		cmocka_unit_test(child_delete_collision_ike_rekey),
		cmocka_unit_test(child_delete_collision_ike_delete),
		cmocka_unit_test(ike_delete_regular),
		cmocka_unit_test(ike_delete_collision),
		cmocka_unit_test(child_create_duplicate),
		cmocka_unit_test(child_create_collision),
		cmocka_unit_test(child_create_collision_ike_rekey),
		cmocka_unit_test(child_create_multi_ke),
		cmocka_unit_test(childless_regular),
		cmocka_unit_test(childless_wish),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
