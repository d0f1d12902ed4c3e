/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rekeying of the IKE SA with all that may cross it, message by message. Names and pictures are as
 * in sim_child_rekey.c: ike_rekey_X is the scenario that strongSwan tests as X. The child stays the
 * same all the while, and packets flow on it.
 *
 * With additional key exchanges no nonces are compared (see there): whoever is second is told
 * TEMPORARY_FAILURE, so that of collision_delayed_response_multi_ke and
 * collision_delayed_request_multi_ke nothing is left but a refusal that is late.
 *
 * Not here: ike_mid_sync (7 tests, RFC 6311): message IDs that a cluster's next node takes over.
 * xgw has no cluster of that kind, and neither says nor answers IKEV2_MESSAGE_ID_SYNC.
 */
#include "hand.h"

#define SEEDS 8

struct wins {
	unsigned of[2]; /* of A, of B */
};
typedef void (*picture)(uint64_t seed, unsigned a, struct wins *w);

static struct wins draw(picture p)
{
	struct wins w = {{0, 0}};
	for (uint64_t seed = 1; seed <= SEEDS; seed++)
		for (unsigned a = 0; a < 2; a++)
			p(seed, a, &w);
	return w;
}

static void draw_both(picture p)
{
	struct wins w = draw(p);
	assert_true(w.of[0] && w.of[1]);
}

static bool a_won(const struct hand *h, unsigned since, unsigned a, struct wins *w)
{
	bool won = hand_winner(h, since) == a;
	w->of[!won]++;
	return won;
}

/* Both ends know IKE_INTERMEDIATE and one key exchange more. */
static void multi_ke(struct ike_connection *c, unsigned node)
{
	(void)node;
	c->ike[0].n_additional = 1;
	c->ike[0].additional[0] = DH_ECP_256;
}

/* What was agreed on first is not what is agreed on later: a change of both configurations. */
static void other_group(struct hand *h, unsigned node, enum group_id first)
{
	struct ike_sa *sa = hand_sa(h, node);
	struct ike_proposal *p = &sa->c->cfg.ike[0];
	p->n_group = 2;
	p->group[0] = (uint8_t)first;
	p->group[1] = DH_ECP_256;
	sa->chosen.group = first;
}

/* The one SA that is left is of this end's making; the child is the first one. */
static void ends_with(struct hand *h, unsigned by)
{
	hand_settle(h);
	hand_one(h);
	hand_never_down(h);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(hand_node(h, i)->current, SPI_OF(i, 1));
		assert_int_equal(hand_status(h, i).rekeys_ike, 1);
		assert_int_equal(hand_sa(h, i)->is_initiator, i == by);
	}
	/* it is told of the child */
	hand_rekey_child(h, by);
	hand_settle(h);
	hand_one(h);
	assert_int_equal(hand_status(h, by).rekeys_child, 1);
	hand_end(h);
}

/* ---- regular ---- */

static void regular(uint64_t seed, unsigned a, struct wins *w)
{
	unsigned b = 1 - a;
	(void)w;
	struct hand *h = hand_established(seed, NULL);
	uint64_t before = hand_status(h, a).spi_i;
	hand_rekey_ike(h, a);
	/* CREATE_CHILD_SA { SA, Ni, KEi } --> */
	hand_said_request(h, a, IKE_CREATE_CHILD_SA);
	assert_false(hand_last(h, a)->rekeys);
	hand_pass(h, a);
	assert_int_equal(hand_ike_sas(h, b), 2);
	/* <-- CREATE_CHILD_SA { SA, Nr, KEr } */
	hand_pass(h, b);
	assert_int_equal(hand_ike_sas(h, a), 2);
	assert_true(hand_status(h, a).spi_i != before);
	/* INFORMATIONAL { D } --> over the old one */
	hand_said_delete(h, a);
	hand_pass(h, a);
	hand_pass(h, b);
	ends_with(h, a);
}
static void ike_rekey_regular(void **state)
{
	(void)state;
	(void)draw(regular);
}

static void regular_multi_ke(uint64_t seed, unsigned a, struct wins *w)
{
	unsigned b = 1 - a;
	(void)w;
	struct hand *h = hand_established(seed, multi_ke);
	hand_rekey_ike(h, a);
	hand_pass(h, a);
	hand_said(h, b, NOTIFY_ADDITIONAL_KEY_EXCHANGE);
	hand_pass(h, b);
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(hand_ike_sas(h, i), 1);
	/* IKE_FOLLOWUP_KE { KEi, ADDITIONAL_KEY_EXCHANGE } --> */
	hand_said_request(h, a, IKE_FOLLOWUP_KE);
	hand_pass(h, a);
	assert_int_equal(hand_ike_sas(h, b), 2);
	hand_pass(h, b);
	hand_said_delete(h, a);
	ends_with(h, a);
}
static void ike_rekey_regular_multi_ke(void **state)
{
	(void)state;
	(void)draw(regular_multi_ke);
}

static void regular_ke_invalid_with(uint64_t seed, unsigned a, hand_change change)
{
	unsigned b = 1 - a;
	struct hand *h = hand_established(seed, change);
	other_group(h, a, DH_ECP_384);
	other_group(h, b, DH_ECP_521);
	hand_rekey_ike(h, a);
	hand_pass(h, a);
	hand_said(h, b, NOTIFY_INVALID_KE_PAYLOAD);
	assert_int_equal(hand_ike_sas(h, b), 1);
	hand_pass(h, b);
	hand_said_request(h, a, IKE_CREATE_CHILD_SA);
	ends_with(h, a);
}
static void regular_ke_invalid(uint64_t seed, unsigned a, struct wins *w)
{
	(void)w;
	regular_ke_invalid_with(seed, a, NULL);
}
static void ike_rekey_regular_ke_invalid(void **state)
{
	(void)state;
	(void)draw(regular_ke_invalid);
}
static void regular_ke_invalid_multi_ke(uint64_t seed, unsigned a, struct wins *w)
{
	(void)w;
	regular_ke_invalid_with(seed, a, multi_ke);
}
static void ike_rekey_regular_ke_invalid_multi_ke(void **state)
{
	(void)state;
	(void)draw(regular_ke_invalid_multi_ke);
}

/* ---- collisions of two rekeyings ---- */

static struct hand *both_rekey(uint64_t seed, hand_change change, unsigned *since)
{
	struct hand *h = hand_established(seed, change);
	*since = h->n;
	hand_rekey_ike(h, 0);
	hand_rekey_ike(h, 1);
	return h;
}

static void collision(uint64_t seed, unsigned a, struct wins *w)
{
	unsigned b = 1 - a, since;
	struct hand *h = both_rekey(seed, NULL, &since);
	hand_pass(h, a);
	hand_pass(h, b);
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(hand_ike_sas(h, i), 2);
	hand_pass(h, b);
	hand_pass(h, a);
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(hand_ike_sas(h, i), 3);
	ends_with(h, a_won(h, since, a, w) ? a : b);
}
static void ike_rekey_collision(void **state)
{
	(void)state;
	draw_both(collision);
}

/* Both are refused, and one is first when they ask again. */
static void refused_and_again(struct hand *h)
{
	hand_settle(h);
	hand_run(h, 40);
	hand_one(h);
	hand_never_down(h);
	for (unsigned i = 0; i < 2; i++) {
		assert_true(hand_status(h, i).rekeys_ike >= 1);
		assert_int_equal(hand_node(h, i)->current, SPI_OF(i, 1));
	}
	hand_end(h);
}
static void collision_multi_ke(uint64_t seed, unsigned a, struct wins *w)
{
	unsigned b = 1 - a, since;
	(void)w;
	struct hand *h = both_rekey(seed, multi_ke, &since);
	hand_pass(h, a);
	hand_said(h, b, NOTIFY_TEMPORARY_FAILURE);
	hand_pass(h, b);
	hand_said(h, a, NOTIFY_TEMPORARY_FAILURE);
	refused_and_again(h);
}
static void ike_rekey_collision_multi_ke(void **state)
{
	(void)state;
	(void)draw(collision_multi_ke);
}

/* B goes without the additional one from now on. */
static void collision_mixed(uint64_t seed, unsigned a, struct wins *w)
{
	unsigned b = 1 - a;
	(void)w;
	struct hand *h = hand_established(seed, multi_ke);
	hand_sa(h, b)->c->cfg.ike[0].n_additional = 0;
	hand_rekey_ike(h, a);
	hand_rekey_ike(h, b);
	hand_pass(h, a);
	hand_pass(h, b);
	refused_and_again(h);
}
static void ike_rekey_collision_mixed(void **state)
{
	(void)state;
	(void)draw(collision_mixed);
}

/* Both are told of another group, and cross again. */
static struct hand *both_told(uint64_t seed, unsigned a, unsigned *since)
{
	struct hand *h = hand_established(seed, NULL);
	other_group(h, 0, DH_ECP_384);
	other_group(h, 1, DH_ECP_521);
	hand_rekey_ike(h, 0);
	hand_rekey_ike(h, 1);
	hand_pass(h, a);
	hand_pass(h, 1 - a);
	hand_said(h, 0, NOTIFY_INVALID_KE_PAYLOAD);
	hand_said(h, 1, NOTIFY_INVALID_KE_PAYLOAD);
	*since = h->n;
	hand_pass(h, a);
	hand_pass(h, 1 - a);
	return h;
}
static void collision_ke_invalid(uint64_t seed, unsigned a, struct wins *w)
{
	unsigned b = 1 - a, since;
	struct hand *h = both_told(seed, a, &since);
	hand_pass(h, a);
	hand_pass(h, b);
	hand_pass(h, a);
	hand_pass(h, b);
	ends_with(h, a_won(h, since, a, w) ? a : b);
}
static void ike_rekey_collision_ke_invalid(void **state)
{
	(void)state;
	draw_both(collision_ke_invalid);
}
static void collision_ke_invalid_delayed_retry(uint64_t seed, unsigned a, struct wins *w)
{
	unsigned b = 1 - a, since;
	(void)w;
	struct hand *h = both_told(seed, a, &since);
	struct sim_datagram late = hand_keep(h, a);
	hand_pass(h, b);
	hand_pass(h, a);
	hand_said_delete(h, b);
	hand_arrive(h, late);
	hand_said(h, b, NOTIFY_TEMPORARY_FAILURE);
	ends_with(h, b);
}
static void ike_rekey_collision_ke_invalid_delayed_retry(void **state)
{
	(void)state;
	(void)draw(collision_ke_invalid_delayed_retry);
}

/*
 * rekey ----\       /---- rekey
 *            \-----/---->
 *       <---------/ /----
 *       -----------/---->
 *       <---------/------ delete (old when B won, its own new one when it lost)
 *       ---------/------>
 *       <-------/
 * When B lost, A does not know that new one yet: what B says about it comes again.
 */
static void collision_delayed_response(uint64_t seed, unsigned a, struct wins *w)
{
	unsigned b = 1 - a, since;
	struct hand *h = both_rekey(seed, NULL, &since);
	hand_pass(h, a);
	hand_pass(h, b);
	struct sim_datagram late = hand_keep(h, b);
	hand_pass(h, a);
	hand_said_delete(h, b);
	hand_pass(h, b);
	hand_flow(h);
	hand_arrive(h, late);
	ends_with(h, a_won(h, since, a, w) ? a : b);
}
static void ike_rekey_collision_delayed_response(void **state)
{
	(void)state;
	draw_both(collision_delayed_response);
}

static void collision_delayed_response_multi_ke(uint64_t seed, unsigned a, struct wins *w)
{
	unsigned b = 1 - a, since;
	(void)w;
	struct hand *h = both_rekey(seed, multi_ke, &since);
	hand_pass(h, a);
	hand_pass(h, b);
	struct sim_datagram late = hand_keep(h, b);
	hand_pass(h, a);
	hand_run(h, 3);
	hand_arrive(h, late);
	refused_and_again(h);
}
static void ike_rekey_collision_delayed_response_multi_ke(void **state)
{
	(void)state;
	(void)draw(collision_delayed_response_multi_ke);
}

/* A's request is on its way for so long, or for ever, that B is through. */
static struct hand *overtaken(uint64_t seed, unsigned a, struct sim_datagram *late)
{
	unsigned since;
	struct hand *h = both_rekey(seed, NULL, &since);
	*late = hand_keep(h, a);
	hand_pass(h, 1 - a);
	hand_pass(h, a);
	hand_said_delete(h, 1 - a);
	return h;
}
static void collision_dropped_request(uint64_t seed, unsigned a, struct wins *w)
{
	struct sim_datagram late;
	(void)w;
	struct hand *h = overtaken(seed, a, &late);
	free(late.bytes);
	hand_pass(h, 1 - a);
	ends_with(h, 1 - a);
}
static void ike_rekey_collision_dropped_request(void **state)
{
	(void)state;
	(void)draw(collision_dropped_request);
}

/* It comes before B's DELETE is through: TEMPORARY_FAILURE, which A hears before the DELETE or
 * after it. */
static void delayed_request(uint64_t seed, unsigned a, bool delete_first)
{
	unsigned b = 1 - a;
	struct sim_datagram late;
	struct hand *h = overtaken(seed, a, &late);
	hand_arrive(h, late);
	hand_said(h, b, NOTIFY_TEMPORARY_FAILURE);
	late = hand_keep(h, b); /* the DELETE */
	if (delete_first)
		hand_arrive(h, late);
	hand_pass(h, b);
	if (!delete_first)
		hand_arrive(h, late);
	ends_with(h, b);
}
static void collision_delayed_request(uint64_t seed, unsigned a, struct wins *w)
{
	(void)w;
	delayed_request(seed, a, true);
}
static void ike_rekey_collision_delayed_request(void **state)
{
	(void)state;
	(void)draw(collision_delayed_request);
}
static void collision_delayed_request_and_delete(uint64_t seed, unsigned a, struct wins *w)
{
	(void)w;
	delayed_request(seed, a, false);
}
static void ike_rekey_collision_delayed_request_and_delete(void **state)
{
	(void)state;
	(void)draw(collision_delayed_request_and_delete);
}

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
	ends_with(h, a);
}
static void ike_rekey_collision_delayed_request_multi_ke(void **state)
{
	(void)state;
	(void)draw(collision_delayed_request_multi_ke);
}

/* ---- collisions with the end ---- */

static void all_gone(struct hand *h, unsigned a)
{
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(sim_installed(hand_node(h, i)), 0);
	sim_down(h->s, a); /* who was told of the end would begin anew */
	hand_run(h, 90);
	for (unsigned i = 0; i < 2; i++) {
		assert_false(hand_node(h, i)->up);
		assert_int_equal(hand_ike_sas(h, i), 0);
		assert_int_equal(hand_node(h, i)->downs, 1);
	}
	hand_end(h);
}

static void collision_delete(uint64_t seed, unsigned a, struct wins *w)
{
	unsigned b = 1 - a;
	(void)w;
	struct hand *h = hand_established(seed, NULL);
	h->traffic = false;
	hand_rekey_ike(h, a);
	sim_down(h->s, b);
	hand_pass(h, a);
	hand_said(h, b, NOTIFY_TEMPORARY_FAILURE);
	hand_pass(h, b);
	all_gone(h, a);
}
static void ike_rekey_collision_delete(void **state)
{
	(void)state;
	(void)draw(collision_delete);
}

static void collision_delete_multi_ke(uint64_t seed, unsigned a, struct wins *w)
{
	unsigned b = 1 - a;
	(void)w;
	struct hand *h = hand_established(seed, multi_ke);
	h->traffic = false;
	hand_rekey_ike(h, a);
	hand_pass(h, a);
	hand_pass(h, b);
	hand_said_request(h, a, IKE_FOLLOWUP_KE);
	sim_down(h->s, b);
	hand_pass(h, a);
	hand_pass(h, b);
	all_gone(h, a);
}
static void ike_rekey_collision_delete_multi_ke(void **state)
{
	(void)state;
	(void)draw(collision_delete_multi_ke);
}

/* The DELETE is lost at first; A would ask again later, and learns of the end meanwhile. */
static void collision_delete_drop_delete(uint64_t seed, unsigned a, struct wins *w)
{
	unsigned b = 1 - a;
	(void)w;
	struct hand *h = hand_established(seed, NULL);
	h->traffic = false;
	hand_rekey_ike(h, a);
	sim_down(h->s, b);
	hand_lose(h, b);
	hand_pass(h, a);
	hand_said(h, b, NOTIFY_TEMPORARY_FAILURE);
	hand_pass(h, b);
	hand_silent(h, a);
	assert_true(hand_node(h, a)->up);
	hand_time(h, 1, false); /* it comes again */
	hand_pass(h, b);
	all_gone(h, a);
}
static void ike_rekey_collision_delete_drop_delete(void **state)
{
	(void)state;
	(void)draw(collision_delete_drop_delete);
}

/* ---- and authenticating anew ---- */

static void authenticate_anew(struct hand *h, unsigned node)
{
	struct ike *e = hand_node(h, node)->ike;
	for (struct ike_sa *sa = e->all; sa; sa = sa->next_all) {
		if (sa->state != SA_ESTABLISHED)
			continue;
		sa->reauth_at_ns = h->s->now_ns;
		timers_arm_sa(sa);
	}
	sim_now(h->s);
}

/*
 * rekey ----\       /---- rekey
 *            \-----/---->
 *       <---------/ /----
 *       -----------/----\    A is to authenticate anew, while both answers are on their way:
 *       <---------/      \   which IKE SA it would replace is not decided, so it waits
 *                         \->
 */
static void reauthentication(uint64_t seed, unsigned a, struct wins *w)
{
	unsigned b = 1 - a, since;
	for (unsigned order = 0; order < 2; order++) {
		struct hand *h = both_rekey(seed, NULL, &since);
		hand_pass(h, a);
		hand_pass(h, b);
		struct sim_datagram late[2];
		late[a] = hand_keep(h, a);
		late[b] = hand_keep(h, b);
		unsigned rekeyed = h->n;
		authenticate_anew(h, a);
		hand_settle(h);
		assert_int_equal(h->n, rekeyed); /* nothing was said */
		(void)a_won(h, since, a, w);
		hand_arrive(h, late[order]);
		hand_arrive(h, late[!order]);
		hand_settle(h);
		hand_run(h, 10);
		assert_int_equal(hand_count(h, a, IKE_COUNT_REAUTHENTICATIONS), 1);
		hand_one(h);
		hand_never_down(h);
		hand_end(h);
	}
}
static void reauthentication_waits_for_a_collision(void **state)
{
	(void)state;
	draw_both(reauthentication);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ike_rekey_regular),
		cmocka_unit_test(ike_rekey_regular_multi_ke),
		cmocka_unit_test(ike_rekey_regular_ke_invalid),
		cmocka_unit_test(ike_rekey_regular_ke_invalid_multi_ke),
		cmocka_unit_test(ike_rekey_collision),
		cmocka_unit_test(ike_rekey_collision_multi_ke),
		cmocka_unit_test(ike_rekey_collision_mixed),
		cmocka_unit_test(ike_rekey_collision_ke_invalid),
		cmocka_unit_test(ike_rekey_collision_ke_invalid_delayed_retry),
		cmocka_unit_test(ike_rekey_collision_delayed_response),
		cmocka_unit_test(ike_rekey_collision_delayed_response_multi_ke),
		cmocka_unit_test(ike_rekey_collision_dropped_request),
		cmocka_unit_test(ike_rekey_collision_delayed_request),
		cmocka_unit_test(ike_rekey_collision_delayed_request_and_delete),
		cmocka_unit_test(ike_rekey_collision_delayed_request_multi_ke),
		cmocka_unit_test(ike_rekey_collision_delete),
		cmocka_unit_test(ike_rekey_collision_delete_multi_ke),
		cmocka_unit_test(ike_rekey_collision_delete_drop_delete),
		cmocka_unit_test(reauthentication_waits_for_a_collision),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
