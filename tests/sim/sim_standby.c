/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two hosts with one gateway (nodes 0 and 2) and its peer (node 1): the address goes at any moment
 * of a handshake or later. Who lost it has no SA and says nothing more, whatever it is sent; who
 * got it begins at once, and the peer follows without waiting for silence.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "sim.h"

#define MINUTE	(60 * NS_PER_S)
#define MOMENTS 14u /* messages of a handshake of IKEv1 and what comes behind it */

static const char why[] = "standby: 192.0.2.1 is not on this host";

static struct ike_connection kind(struct sim *s, unsigned from, bool v1, enum ike_start start)
{
	struct ike_connection c = sim_connection(s, from == 2 ? 0 : from, from == 1 ? 0 : 1);
	c.start = start;
	c.dpd_timeout_ns = 45 * NS_PER_S;
	c.ikev1 = v1;
	if (v1) {
		c.ike[0].encryption[0] = ENCR_AES_CBC_128;
		c.ike[0].n_integrity = 1;
		c.ike[0].integrity[0] = AUTH_HMAC_SHA2_256_128;
		c.ike[0].group[0] = DH_ECP_256;
		c.ike_lifetime_ns = c.child_lifetime_ns = 3600 * NS_PER_S;
	}
	return c;
}

/* Node 2 stands by from its beginning and is told that it is wanted, as a daemon does. */
static struct sim *three(bool v1, enum ike_start gateway, enum ike_start peer)
{
	struct sim *s = sim_new(7, 3, NULL);
	s->node[2].addr = sim_addr("192.0.2.99");
	for (unsigned i = 0; i < 3; i++) {
		struct ike_connection c = kind(s, i, v1, i == 1 ? peer : gateway);
		c.stands_by = i == 2;
		sim_add(s, i, &c);
		sim_up(s, i);
	}
	return s;
}

static void stand_by(struct sim *s, struct sim_node *n, const struct ip_addr *address)
{
	ike_stand_by(n->ike, address, why, s->now_ns, &n->effects);
	sim_apply(n);
}

static void take_over(struct sim *s, struct sim_node *n, int was)
{
	assert_int_equal(ike_take_over(n->ike, 1, s->now_ns, &n->effects), was);
	sim_apply(n);
}

/* The address goes from node 0 to node 2. */
static void move(struct sim *s)
{
	const struct ip_addr address = s->node[0].addr;
	s->node[0].addr = s->node[2].addr;
	s->node[2].addr = address;
	stand_by(s, &s->node[0], &address);
	take_over(s, &s->node[2], 1);
}

static struct ike_status status(const struct sim_node *n)
{
	struct ike_status st;
	assert_int_equal(ike_status(n->ike, 1, &st), 0);
	return st;
}

static void assert_silent(struct sim *s, struct sim_node *n, unsigned sends)
{
	sim_run(s, s->now_ns + 5 * MINUTE);
	assert_false(s->broken);
	assert_int_equal(n->sends, sends);
	assert_int_equal(sim_installed(n), 0);
	assert_int_equal(status(n).state, IKE_STATE_IDLE);
	assert_true(status(n).wanted);
}

/* Whatever had been said when the address went, and however long the peer goes on talking to it. */
static void test_silent_at_any_moment(void **state)
{
	(void)state;
	for (unsigned k = 0; k < 4 * MOMENTS; k++) {
		bool v1 = k & 1, both = k & 2;
		struct sim *s =
			three(v1, both ? IKE_START_BOTH : IKE_START_RESPOND, IKE_START_BOTH);
		struct sim_node *n = &s->node[0];
		s->hold = true;
		for (unsigned i = 0; i < k / 4 && s->n_queue; i++) {
			int next = sim_oldest_from(s, i & 1 ? 0 : 1);
			sim_deliver(s, next < 0 ? 0 : (unsigned)next);
			sim_now(s);
		}
		unsigned sends = n->sends;
		stand_by(s, n, &n->addr);
		assert_int_equal(n->sends, sends);
		assert_int_equal(n->current, 0);
		s->hold = false;
		assert_silent(s, n, sends);
		sim_free(s);
	}
}

static void test_established_goes_without_a_word(void **state)
{
	(void)state;
	for (unsigned v1 = 0; v1 < 2; v1++) {
		struct sim *s = three(v1, IKE_START_BOTH, IKE_START_BOTH);
		struct sim_node *n = &s->node[0];
		sim_run(s, s->now_ns + 10 * NS_PER_S);
		assert_true(n->up && sim_agrees(n, &s->node[1]));
		unsigned sends = n->sends;
		stand_by(s, n, &n->addr);
		assert_false(n->up);
		assert_string_equal(n->last_fault.text, why);
		/* nor is anything begun by orders, of a person or of the data path */
		assert_int_equal(ike_rekey(n->ike, 1, s->now_ns, &n->effects), -ENOTCONN);
		sim_up(s, 0);
		assert_silent(s, n, sends);
		take_over(s, n, 1);
		take_over(s, n, 0);
		sim_run(s, s->now_ns + 5 * NS_PER_S);
		assert_true(n->up && sim_agrees(n, &s->node[1]));
		sim_free(s);
	}
}

/* As soon as the round trips of a handshake allow. */
static void test_the_other_host_goes_on(void **state)
{
	(void)state;
	for (unsigned k = 0; k < 6; k++) {
		static const enum ike_start peers[] = {IKE_START_BOTH, IKE_START_INITIATE,
						       IKE_START_RESPOND};
		struct sim *s = three(k & 1, IKE_START_BOTH, peers[k / 2]);
		sim_run(s, s->now_ns + 10 * NS_PER_S);
		assert_true(s->node[0].up && sim_agrees(&s->node[0], &s->node[1]));
		assert_int_equal(s->node[2].sends, 0);
		for (unsigned back = 0; back < 2; back++) {
			struct sim_node *n = &s->node[back ? 0 : 2],
					*other = &s->node[back ? 2 : 0];
			if (!back) {
				move(s);
			} else {
				const struct ip_addr address = s->node[2].addr;
				s->node[2].addr = s->node[0].addr;
				s->node[0].addr = address;
				stand_by(s, other, &address);
				take_over(s, n, 1);
			}
			sim_run(s, s->now_ns + 100 * NS_PER_MS);
			assert_false(s->broken);
			assert_true(n->up && s->node[1].up && sim_agrees(n, &s->node[1]));
			assert_true(sim_agrees(&s->node[1], n));
			assert_int_equal(sim_installed(other), 0);
			sim_run(s, s->now_ns + MINUTE);
			assert_true(n->up && sim_agrees(&s->node[1], n));
			assert_int_equal(sim_installed(&s->node[1]), sim_installed(n));
		}
		sim_free(s);
	}
}

static void test_what_was_taken_down_stays_down(void **state)
{
	(void)state;
	struct sim *s = three(false, IKE_START_BOTH, IKE_START_BOTH);
	sim_down(s, 2);
	move(s);
	sim_run(s, s->now_ns + MINUTE);
	assert_false(s->node[2].up);
	sim_up(s, 2);
	sim_run(s, s->now_ns + MINUTE);
	assert_true(s->node[2].up);
	sim_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_silent_at_any_moment),
		cmocka_unit_test(test_established_goes_without_a_word),
		cmocka_unit_test(test_the_other_host_goes_on),
		cmocka_unit_test(test_what_was_taken_down_stays_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
