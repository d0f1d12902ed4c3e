/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Exchanges between two engines, message by message: the wire picture stands above each step, child
 * SPIs count up from 1 (node 0) and 101 (node 1), roles are swapped by a loop. What must happen is
 * asserted, and what must not. Rekeying of child SAs and all that may cross it: sim_child_rekey.c.
 */
#include "sim.h"

#include <setjmp.h>
#include <cmocka.h>

#define SPI_OF(node, n) ((node) ? 100u + (n) : (n))

/* Two nodes whose datagrams wait until the test passes them on. */
static struct sim *pair_with(const struct ike_options *options,
			     void (*change)(struct ike_connection *c))
{
	struct sim *s = sim_new(42, 2, NULL);
	for (unsigned i = 0; i < 2; i++) {
		struct sim_node *n = &s->node[i];
		struct ike_options o = options ? *options : (struct ike_options){0};
		o.spi_base = SPI_OF(i, 1);
		ike_free(n->ike);
		assert_int_equal(ike_new(&n->ike, &o, &(struct ike_random){sim_fill, n}), 0);
		struct ike_connection c = sim_connection(s, i, 1 - i);
		if (change)
			change(&c);
		sim_add(s, i, &c);
	}
	s->hold = true;
	return s;
}

/* The oldest datagram of `from` reaches the other end. */
static void pass(struct sim *s, unsigned from)
{
	int i = sim_oldest_from(s, (int)from);
	assert_true(i >= 0);
	sim_deliver(s, (unsigned)i);
	assert_false(s->broken);
}

static void lose(struct sim *s, unsigned from)
{
	int i = sim_oldest_from(s, (int)from);
	assert_true(i >= 0);
	sim_drop(s, (unsigned)i);
}

static void nothing_more(struct sim *s)
{
	assert_int_equal(s->n_queue, 0);
}

static void wait_s(struct sim *s, unsigned seconds)
{
	sim_run(s, s->now_ns + seconds * NS_PER_S);
	assert_false(s->broken);
}

/* Everything on its way arrives, and what that causes, until nobody has anything to say. */
static void settle(struct sim *s)
{
	for (unsigned i = 0; i < 1000 && s->n_queue; i++) {
		unsigned best = 0;
		for (unsigned k = 1; k < s->n_queue; k++)
			if (s->queue[k].order < s->queue[best].order)
				best = k;
		sim_deliver(s, best);
	}
	nothing_more(s);
	assert_false(s->broken);
}

static void both_agree(struct sim *s)
{
	assert_true(s->node[0].up && s->node[1].up);
	assert_true(sim_agrees(&s->node[0], &s->node[1]));
	assert_true(sim_agrees(&s->node[1], &s->node[0]));
}

static struct sim *established(unsigned i, void (*change)(struct ike_connection *c))
{
	struct sim *s = pair_with(NULL, change);
	sim_up(s, i);
	settle(s);
	both_agree(s);
	return s;
}

static struct ike_status status_of(struct sim *s, unsigned node)
{
	struct ike_status status;
	assert_int_equal(ike_status(s->node[node].ike, 1, &status), 0);
	return status;
}

static uint64_t count(struct sim *s, unsigned node, enum ike_counter c)
{
	return ike_count(s->node[node].ike, c);
}

/* ---- IKE_SA_INIT and IKE_AUTH ---- */

static void test_establish(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		unsigned r = 1 - i;
		struct sim *s = pair_with(NULL, NULL);
		sim_up(s, i);
		/* IKE_SA_INIT { SA, KE, Nonce, NAT hashes } --> */
		pass(s, i);
		/* <-- IKE_SA_INIT { SA, KE, Nonce, NAT hashes } */
		pass(s, r);
		assert_int_equal(s->node[i].installs + s->node[r].installs, 0);
		/* IKE_AUTH { IDi, IDr, AUTH, INITIAL_CONTACT, SA, TSi, TSr } --> */
		pass(s, i);
		assert_int_equal(s->node[r].installs, 1);
		assert_true(s->node[r].up);
		assert_false(s->node[i].up);
		/* <-- IKE_AUTH { IDr, AUTH, SA, TSi, TSr } */
		pass(s, r);
		nothing_more(s);
		both_agree(s);
		assert_int_equal(s->node[i].current, SPI_OF(i, 1));
		assert_int_equal(s->node[r].current, SPI_OF(r, 1));
		struct ike_status a = status_of(s, i), b = status_of(s, r);
		assert_int_equal(a.state, IKE_STATE_ESTABLISHED);
		assert_string_equal(a.proposal, "AES128GCM16-PRFSHA256-CURVE25519");
		assert_true(a.is_initiator && !b.is_initiator);
		assert_false(a.nat_local || a.nat_remote || b.nat_local || b.nat_remote);
		assert_int_equal(a.n_children, 1);
		assert_int_equal(a.children[0].encapsulation, ESP_NATIVE);
		assert_int_equal(a.children[0].spi_out, SPI_OF(r, 1));
		assert_int_equal(a.last_error.code, 0);
		sim_free(s);
	}
}

/* Each of the four messages is lost once; the repeated request gets the stored answer, nothing
 * twice. */
static void test_lost_messages(void **state)
{
	(void)state;
	for (unsigned lost = 0; lost < 4; lost++) {
		struct sim *s = pair_with(NULL, NULL);
		sim_up(s, 0);
		for (unsigned m = 0; m < 4; m++) {
			unsigned from = m % 2;
			if (m == lost) {
				lose(s, from);
				wait_s(s, 2);
				if (from == 1)
					pass(s, 0);
			}
			pass(s, from);
		}
		nothing_more(s);
		both_agree(s);
		assert_int_equal(s->node[0].installs, 1);
		assert_int_equal(s->node[1].installs, 1);
		assert_int_equal(count(s, 0, IKE_COUNT_RETRANSMITTED), 1);
		sim_free(s);
	}
}

static void wants_ecp_first(struct ike_connection *c)
{
	c->ike[0].n_group = 2;
	if (c->local.b[3] == 1) {
		c->ike[0].group[0] = DH_ECP_256;
		c->ike[0].group[1] = DH_CURVE25519;
	} else {
		c->ike[0].n_group = 1;
		c->ike[0].group[0] = DH_CURVE25519;
	}
}

static void test_invalid_ke(void **state)
{
	(void)state;
	struct sim *s = pair_with(NULL, wants_ecp_first);
	sim_up(s, 0);
	/* IKE_SA_INIT { SA, KE(ECP256), … } --> <-- INVALID_KE_PAYLOAD(CURVE25519) */
	pass(s, 0);
	pass(s, 1);
	/* IKE_SA_INIT { SA, KE(CURVE25519), … } --> */
	settle(s);
	both_agree(s);
	assert_int_equal(count(s, 0, IKE_COUNT_INVALID_KE), 1);
	assert_int_equal(count(s, 1, IKE_COUNT_INVALID_KE), 1);
	sim_free(s);
}

/* Above the threshold a stranger costs no state; the initiator comes back with the cookie. */
static void test_cookie(void **state)
{
	(void)state;
	struct ike_options o = {.half_open_cookies = 1};
	struct sim *s = pair_with(&o, NULL);
	sim_up(s, 0);
	pass(s, 0);
	/* one half-open SA is there now; the answer is lost, and node 0 starts anew */
	lose(s, 1);
	sim_down(s, 0);
	sim_up(s, 0);
	/* IKE_SA_INIT --> <-- COOKIE */
	pass(s, 0);
	pass(s, 1);
	assert_int_equal(count(s, 1, IKE_COUNT_COOKIES_SENT), 1);
	/* IKE_SA_INIT { COOKIE, … } --> */
	settle(s);
	both_agree(s);
	assert_int_equal(count(s, 1, IKE_COUNT_COOKIES_BAD), 0);
	sim_free(s);
}

static void encapsulate(struct ike_connection *c)
{
	c->always_encapsulate = c->local.b[3] == 1;
}

/* udpEncapsulation: always, on one side, moves both to UDP 4500. */
static void test_always_encapsulate(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct sim *s = established(i, encapsulate);
		for (unsigned k = 0; k < 2; k++) {
			struct ike_status status = status_of(s, k);
			assert_int_equal(status.children[0].encapsulation, ESP_IN_UDP);
			assert_int_equal(status.local.port, IKE_NATT_PORT);
			assert_int_equal(status.remote.port, IKE_NATT_PORT);
		}
		sim_free(s);
	}
}

/* Node 0 stands behind a NAT that changes its address and port; later the NAT changes its mind. */
static void test_nat(void **state)
{
	(void)state;
	struct sim *s = sim_new(7, 2, NULL);
	s->node[0].nat = sim_addr("203.0.113.9");
	struct ike_connection a = sim_connection(s, 0, 1), b = sim_connection(s, 1, 0);
	b.start = IKE_START_RESPOND;
	sim_add(s, 0, &a);
	sim_add(s, 1, &b);
	sim_up(s, 0);
	sim_run(s, s->now_ns + NS_PER_S);
	assert_false(s->broken);
	both_agree(s);
	struct ike_status inside = status_of(s, 0), outside = status_of(s, 1);
	assert_true(inside.nat_local && !inside.nat_remote);
	assert_true(outside.nat_remote && !outside.nat_local);
	assert_int_equal(outside.children[0].encapsulation, ESP_IN_UDP);
	assert_int_equal(outside.remote.port, IKE_NATT_PORT + 20000);
	sim_rekey(s, 1); /* from outside in, through the mapping */
	sim_run(s, s->now_ns + NS_PER_S);
	both_agree(s);
	assert_int_equal(status_of(s, 1).rekeys_child, 1);
	sim_free(s);
}

/* ---- child SAs ---- */

static void rekey_child(struct sim *s, unsigned node)
{
	struct sim_node *n = &s->node[node];
	ike_child_expiring(n->ike, n->current, s->now_ns, &n->effects);
	sim_apply(n);
}

/* The responder moves its outbound when authenticated ESP shows that the initiator has the new
 * child. */
static void test_child_rekey_alive(void **state)
{
	(void)state;
	struct sim *s = established(0, NULL);
	rekey_child(s, 0);
	pass(s, 0);
	assert_int_equal(s->node[1].current, SPI_OF(1, 1));
	ike_child_alive(s->node[1].ike, SPI_OF(1, 2), s->now_ns);
	assert_true(ike_next_deadline(s->node[1].ike) <= s->now_ns);
	sim_now(s);
	assert_int_equal(s->node[1].current, SPI_OF(1, 2));
	settle(s);
	both_agree(s);
	sim_free(s);
}

/* The answer is lost: the request comes again, and the stored answer makes the same child. */
static void test_child_rekey_lost_response(void **state)
{
	(void)state;
	struct sim *s = established(0, NULL);
	rekey_child(s, 0);
	pass(s, 0);
	lose(s, 1);
	wait_s(s, 2);
	settle(s);
	both_agree(s);
	assert_int_equal(s->node[1].installs, 2);
	sim_free(s);
}

/* ---- the IKE SA ---- */

static void test_ike_rekey(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct sim *s = established(0, NULL);
		uint64_t before = status_of(s, 0).spi_i;
		sim_rekey(s, i);
		settle(s);
		both_agree(s);
		struct ike_status a = status_of(s, 0), b = status_of(s, 1);
		assert_true(a.spi_i == b.spi_i && a.spi_r == b.spi_r && a.spi_i != before);
		assert_int_equal(a.rekeys_ike, 1);
		assert_int_equal(a.rekeys_child, 1);
		assert_int_equal(s->node[0].downs + s->node[1].downs, 0);
		/* the children are told apart from the old IKE SA: they can be rekeyed again */
		rekey_child(s, 1 - i);
		settle(s);
		both_agree(s);
		sim_free(s);
	}
}

static void test_ike_rekey_collision(void **state)
{
	(void)state;
	for (unsigned first = 0; first < 2; first++) {
		struct sim *s = established(0, NULL);
		sim_rekey(s, 0);
		sim_rekey(s, 1);
		pass(s, first);
		settle(s);
		wait_s(s, 30);
		settle(s);
		both_agree(s);
		struct ike_status a = status_of(s, 0), b = status_of(s, 1);
		assert_true(a.spi_i == b.spi_i && a.spi_r == b.spi_r);
		assert_int_equal(s->node[0].downs + s->node[1].downs, 0);
		assert_int_equal(sim_installed(&s->node[0]), 1);
		sim_free(s);
	}
}

static void test_delete(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct sim *s = established(0, NULL);
		sim_down(s, i);
		/* INFORMATIONAL { D(IKE) } --> */
		assert_false(s->node[i].up);
		assert_int_equal(sim_installed(&s->node[i]), 0);
		pass(s, i);
		assert_false(s->node[1 - i].up);
		assert_int_equal(sim_installed(&s->node[1 - i]), 0);
		assert_non_null(strstr(s->node[1 - i].last_fault.text, "peer deleted"));
		/* <-- INFORMATIONAL { } */
		pass(s, 1 - i);
		sim_free(s);
	}
}

/* Both began at once: two IKE SAs for a moment, one in the end, and outbound never without a child.
 */
static void test_simultaneous_initiation(void **state)
{
	(void)state;
	struct sim *s = pair_with(NULL, NULL);
	sim_up(s, 0);
	sim_up(s, 1);
	/* both IKE_SA_INIT, both answers, both IKE_AUTH cross */
	for (unsigned m = 0; m < 3; m++) {
		pass(s, 0);
		pass(s, 1);
	}
	settle(s);
	both_agree(s);
	wait_s(s, 20);
	settle(s);
	wait_s(s, 10);
	both_agree(s);
	assert_int_equal(sim_installed(&s->node[0]), 1);
	assert_int_equal(sim_installed(&s->node[1]), 1);
	assert_int_equal(s->node[0].downs + s->node[1].downs, 0);
	sim_free(s);
}

/* ---- peers that vanish ---- */

static void probe(struct ike_connection *c)
{
	c->dpd_timeout_ns = 30 * NS_PER_S;
}

static void test_dpd(void **state)
{
	(void)state;
	struct sim *s = established(0, probe);
	ike_free(s->node[1].ike);
	s->node[1].ike = NULL;
	/* silence for a third of the timeout: nothing; ESP counts as life */
	wait_s(s, 9);
	nothing_more(s);
	ike_child_alive(s->node[0].ike, s->node[0].current, s->now_ns);
	wait_s(s, 9);
	nothing_more(s);
	wait_s(s, 2);
	assert_true(s->n_queue >= 1);
	assert_true(s->node[0].up);
	wait_s(s, 20);
	assert_false(s->node[0].up);
	assert_int_equal(sim_installed(&s->node[0]), 0);
	assert_non_null(strstr(s->node[0].last_fault.text, "no answer from 192.0.2.2"));
	assert_int_equal(count(s, 0, IKE_COUNT_DPD_DEAD), 1);
	sim_free(s);
}

/* The peer starts anew without a word: INITIAL_CONTACT clears what it forgot, at once. */
static void test_peer_restart(void **state)
{
	(void)state;
	struct sim *s = established(0, NULL);
	struct sim_node *n = &s->node[1];
	struct ike_options o = {.spi_base = 500};
	ike_free(n->ike);
	assert_int_equal(ike_new(&n->ike, &o, &(struct ike_random){sim_fill, n}), 0);
	n->up = false;
	n->current = 0;
	n->n_children = 0;
	struct ike_connection c = sim_connection(s, 1, 0);
	sim_add(s, 1, &c);
	s->now_ns += NS_PER_S;
	sim_up(s, 1);
	settle(s);
	both_agree(s);
	assert_int_equal(sim_installed(&s->node[0]), 1);
	assert_int_equal(s->node[0].current, SPI_OF(0, 2));
	sim_free(s);
}

/* ---- hostile input ---- */

/* Every bit of an IKE_AUTH request flipped in turn, then the right one: none of the wrong ones does
 * harm. */
static void test_flipped_bits(void **state)
{
	(void)state;
	struct sim *s = pair_with(NULL, NULL);
	sim_up(s, 0);
	pass(s, 0);
	pass(s, 1);
	struct sim_datagram d = s->queue[0];
	uint8_t copy[SIM_UDP_MAX];
	for (size_t bit = 0; bit < 8 * d.len; bit++) {
		memcpy(copy, d.bytes, d.len);
		copy[bit / 8] ^= (uint8_t)(1 << bit % 8);
		ike_receive(s->node[1].ike, &d.to, &d.from, (struct bytes){copy, d.len}, s->now_ns,
			    &s->node[1].effects);
		sim_apply(&s->node[1]);
		assert_false(s->node[1].up);
		assert_int_equal(s->node[1].installs, 0);
	}
	for (size_t len = 0; len < d.len; len++) {
		ike_receive(s->node[1].ike, &d.to, &d.from, (struct bytes){d.bytes, len}, s->now_ns,
			    &s->node[1].effects);
		sim_apply(&s->node[1]);
		assert_false(s->node[1].up);
	}
	pass(s, 0);
	settle(s);
	both_agree(s);
	sim_free(s);
}

/* Old requests again: at most the stored answer, no second effect. */
static void test_replay(void **state)
{
	(void)state;
	struct sim *s = pair_with(NULL, NULL);
	uint8_t kept[8][SIM_UDP_MAX];
	struct sim_datagram d[8];
	unsigned n = 0;
	sim_up(s, 0);
	for (unsigned turn = 0; turn < 2; turn++) {
		while (s->n_queue) {
			if (sim_oldest_from(s, 0) >= 0 && n < 8) {
				d[n] = s->queue[sim_oldest_from(s, 0)];
				memcpy(kept[n], d[n].bytes, d[n].len);
				n++;
			}
			pass(s, sim_oldest_from(s, 0) >= 0 ? 0 : 1);
		}
		if (!turn)
			rekey_child(s, 0);
	}
	both_agree(s);
	unsigned installs = s->node[1].installs, removes = s->node[1].removes;
	for (unsigned i = 0; i < n; i++) {
		ike_receive(s->node[1].ike, &d[i].to, &d[i].from, (struct bytes){kept[i], d[i].len},
			    s->now_ns, &s->node[1].effects);
		sim_apply(&s->node[1]);
	}
	assert_int_equal(s->node[1].installs, installs);
	assert_int_equal(s->node[1].removes, removes);
	assert_true(s->node[1].up);
	settle(s);
	both_agree(s);
	sim_free(s);
}

/* SECURITY D25: a flood of first messages: bounded state, and it ages. */
static void test_flood(void **state)
{
	(void)state;
	struct ike_options o = {.half_open_cookies = 1000, .max_half_open = 10};
	struct sim *s = pair_with(&o, NULL);
	sim_up(s, 0);
	struct sim_datagram d = s->queue[0];
	for (unsigned i = 0; i < 50; i++) {
		d.bytes[0] = (uint8_t)i; /* another SPI */
		ike_receive(s->node[1].ike, &d.to, &d.from, (struct bytes){d.bytes, d.len},
			    s->now_ns, &s->node[1].effects);
		sim_apply(&s->node[1]);
	}
	assert_int_equal(count(s, 1, IKE_COUNT_HALF_OPEN_FULL), 40);
	while (s->n_queue)
		sim_drop(s, 0);
	wait_s(s, 35);
	settle(s);
	wait_s(s, 20);
	settle(s);
	both_agree(s);
	sim_free(s);
}

/* DELETE to every peer, once, without waiting. */
static void test_shutdown(void **state)
{
	(void)state;
	struct sim *s = established(0, NULL);
	rekey_child(s, 0); /* also with a request in flight */
	settle(s);
	ike_shutdown(s->node[0].ike, s->now_ns, &s->node[0].effects);
	sim_apply(&s->node[0]);
	assert_int_equal(s->n_queue, 1);
	pass(s, 0);
	assert_false(s->node[1].up);
	assert_int_equal(sim_installed(&s->node[0]), 0);
	assert_int_equal(ike_next_deadline(s->node[0].ike), INSTANT_NEVER);
	sim_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_establish),
		cmocka_unit_test(test_lost_messages),
		cmocka_unit_test(test_invalid_ke),
		cmocka_unit_test(test_cookie),
		cmocka_unit_test(test_always_encapsulate),
		cmocka_unit_test(test_nat),
		cmocka_unit_test(test_child_rekey_alive),
		cmocka_unit_test(test_child_rekey_lost_response),
		cmocka_unit_test(test_ike_rekey),
		cmocka_unit_test(test_ike_rekey_collision),
		cmocka_unit_test(test_delete),
		cmocka_unit_test(test_simultaneous_initiation),
		cmocka_unit_test(test_dpd),
		cmocka_unit_test(test_peer_restart),
		cmocka_unit_test(test_flipped_bits),
		cmocka_unit_test(test_replay),
		cmocka_unit_test(test_flood),
		cmocka_unit_test(test_shutdown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
