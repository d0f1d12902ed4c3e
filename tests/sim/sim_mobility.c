/* SPDX-License-Identifier: Apache-2.0 */
/*
 * MOBIKE (RFC 4555): first one by one on a kind network, then over many seeds on one that loses,
 * duplicates and reorders while both ends move, rekey and lose addresses.
 *
 *   sim_mobility [SEEDS [FIRST]]      sim_mobility SEED verbose
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "ike/ike_internal.h"
#include "sim.h"

static void after(struct sim *s, double seconds)
{
	sim_run(s, s->now_ns + (uint64_t)(seconds * 1e9));
	if (s->broken)
		fail_msg("%s", s->why);
}

/* What the host tells of a node's addresses. */
static void tell_own(struct sim *s, unsigned i)
{
	struct sim_node *n = &s->node[i];
	struct ip_addr own[2];
	unsigned k = 0;
	if (n->addr.family)
		own[k++] = n->addr;
	if (n->also.family)
		own[k++] = n->also;
	ike_addresses(n->ike, own, k, s->now_ns, &n->effects);
	sim_apply(n);
}

static struct sim *connected_with(void (*change)(struct sim *s, struct ike_connection c[2]))
{
	struct sim *s = sim_new(11, 2, NULL);
	struct ike_connection c[2] = {sim_connection(s, 0, 1), sim_connection(s, 1, 0)};
	c[0].mobike = c[1].mobike = IKE_MOBIKE_ON;
	c[1].start = IKE_START_RESPOND;
	c[0].dpd_timeout_ns = c[1].dpd_timeout_ns = 45 * NS_PER_S;
	if (change)
		change(s, c);
	for (unsigned i = 0; i < 2; i++) {
		sim_add(s, i, &c[i]);
		tell_own(s, i);
	}
	sim_up(s, 0);
	after(s, 1);
	assert_true(s->node[0].up && s->node[1].up);
	return s;
}

static struct sim *connected(void)
{
	return connected_with(NULL);
}

static void move_to(struct sim *s, unsigned i, const char *text)
{
	s->node[i].addr = sim_addr(text);
	tell_own(s, i);
}

/* Both ends agree, and node `i` is where the other one sends. */
static bool meets(struct sim *s, const char *zero, const char *one)
{
	struct ip_addr a = sim_addr(zero), b = sim_addr(one);
	const struct sim_child *x = sim_child_find(&s->node[0], s->node[0].current);
	const struct sim_child *y = sim_child_find(&s->node[1], s->node[1].current);
	return sim_agrees(&s->node[0], &s->node[1]) && sim_agrees(&s->node[1], &s->node[0]) &&
	       ip_addr_equal(&x->sa.local.addr, &a) && ip_addr_equal(&x->sa.remote.addr, &b) &&
	       ip_addr_equal(&y->sa.local.addr, &b) && ip_addr_equal(&y->sa.remote.addr, &a);
}

static void assert_meet(struct sim *s, const char *zero, const char *one)
{
	const struct sim_child *x = sim_child_find(&s->node[0], s->node[0].current);
	const struct sim_child *y = sim_child_find(&s->node[1], s->node[1].current);
	char a[ENDPOINT_TEXT], b[ENDPOINT_TEXT], c[ENDPOINT_TEXT], d[ENDPOINT_TEXT];
	if (!x || !y)
		fail_msg("expected a child SA in use at both ends");
	else if (!meets(s, zero, one))
		fail_msg("expected %s and %s, came %s to %s at one end, %s to %s at the other",
			 zero, one, ip_endpoint_format(&x->sa.local, a),
			 ip_endpoint_format(&x->sa.remote, b), ip_endpoint_format(&y->sa.remote, c),
			 ip_endpoint_format(&y->sa.local, d));
	assert_int_equal(x->sa.encapsulation, y->sa.encapsulation);
}

/* Port 4500 also without a NAT, ESP native. */
static void test_agreed(void **state)
{
	(void)state;
	struct sim *s = connected();
	const struct child_sa *sa = &s->node[0].children[0].sa;
	assert_int_equal(sa->encapsulation, ESP_NATIVE);
	assert_int_equal(sa->remote.port, IKE_NATT_PORT);
	sim_free(s);
}

static void only_one(struct sim *s, struct ike_connection c[2])
{
	(void)s;
	c[1].mobike = IKE_MOBIKE_OFF;
}

/* Without it at one end nothing moves; the peer is silent in the end. */
static void test_only_one_has_it(void **state)
{
	(void)state;
	struct sim *s = connected_with(only_one);
	move_to(s, 0, "192.0.2.77");
	after(s, 60);
	assert_int_equal(ike_count(s->node[0].ike, IKE_COUNT_MOVES), 0);
	assert_int_equal(s->node[1].updates, 0);
	assert_false(s->node[0].up);
	sim_free(s);
}

/* UPDATE_SA_ADDRESSES 0, 1; COOKIE2 1, 0: four datagrams; the SPIs stay. */
static void test_initiator_moves(void **state)
{
	(void)state;
	struct sim *s = connected();
	uint64_t before = s->datagrams;
	uint32_t spi = s->node[0].current;
	move_to(s, 0, "192.0.2.77");
	after(s, 0.5);
	assert_int_equal(s->datagrams - before, 4);
	assert_int_equal(s->node[0].current, spi);
	assert_meet(s, "192.0.2.77", "192.0.2.2");
	assert_int_equal(ike_count(s->node[0].ike, IKE_COUNT_MOVES), 1);
	assert_int_equal(ike_count(s->node[1].ike, IKE_COUNT_MOVES), 1);
	assert_int_equal(s->node[0].downs + s->node[1].downs, 0);
	sim_free(s);
}

/* The configured address is the one to be at. */
static void test_initiator_comes_back(void **state)
{
	(void)state;
	struct sim *s = connected();
	move_to(s, 0, "192.0.2.77");
	after(s, 0.5);
	s->node[0].also = s->node[0].addr;
	move_to(s, 0, "192.0.2.1");
	after(s, 0.5);
	assert_meet(s, "192.0.2.1", "192.0.2.2");
	sim_free(s);
}

/* The address changes twice before the first answer is there. */
static void test_initiator_moves_twice(void **state)
{
	(void)state;
	struct sim *s = connected();
	move_to(s, 0, "192.0.2.77");
	after(s, 0.007);
	move_to(s, 0, "192.0.2.78");
	after(s, 5);
	assert_meet(s, "192.0.2.78", "192.0.2.2");
	sim_free(s);
}

/* A request is in flight from the old address: it goes out again from the new one. */
static void test_initiator_moves_during_an_exchange(void **state)
{
	(void)state;
	struct sim *s = connected();
	sim_rekey(s, 0);
	after(s, 0.001);
	move_to(s, 0, "192.0.2.77");
	after(s, 5);
	assert_meet(s, "192.0.2.77", "192.0.2.2");
	assert_int_equal(s->node[0].downs + s->node[1].downs, 0);
	sim_free(s);
}

/* After the peer rekeyed the IKE SA the one that decides is still who began (section 1.3). */
static void test_rekeyed_by_the_responder(void **state)
{
	(void)state;
	struct sim *s = connected();
	sim_rekey(s, 1);
	after(s, 10);
	move_to(s, 0, "192.0.2.77");
	after(s, 1);
	assert_meet(s, "192.0.2.77", "192.0.2.2");
	sim_free(s);
}

static void behind_nat(struct sim *s, struct ike_connection c[2])
{
	(void)s;
	c[1].remote = (struct ip_addr){.family = IP_NONE};
}

/* Onto a path with a NAT and off it again: ESP goes into UDP and out of it. */
static void test_nat_comes_and_goes(void **state)
{
	(void)state;
	struct sim *s = connected_with(behind_nat);
	s->node[0].nat = sim_addr("198.51.100.9");
	move_to(s, 0, "10.99.0.1");
	after(s, 1);
	const struct sim_child *x = sim_child_find(&s->node[0], s->node[0].current);
	const struct sim_child *y = sim_child_find(&s->node[1], s->node[1].current);
	assert_int_equal(x->sa.encapsulation, ESP_IN_UDP);
	assert_int_equal(y->sa.encapsulation, ESP_IN_UDP);
	assert_int_equal(y->sa.remote.port, IKE_NATT_PORT + 20000);
	s->node[0].nat = (struct ip_addr){.family = IP_NONE};
	move_to(s, 0, "192.0.2.78");
	after(s, 1);
	assert_meet(s, "192.0.2.78", "192.0.2.2");
	assert_int_equal(x->sa.encapsulation, ESP_NATIVE);
	sim_free(s);
}

/* The NAT maps anew: the next probe's answer says so, and an update follows (section 3.8). */
static void test_nat_maps_anew(void **state)
{
	(void)state;
	struct sim *s = connected_with(behind_nat);
	s->node[0].nat = sim_addr("198.51.100.9");
	move_to(s, 0, "10.99.0.1");
	after(s, 20);
	s->node[0].nat = sim_addr("198.51.100.10");
	after(s, 40);
	const struct sim_child *y = sim_child_find(&s->node[1], s->node[1].current);
	assert_true(ip_addr_equal(&y->sa.remote.addr, &s->node[0].nat));
	assert_int_equal(s->node[0].downs + s->node[1].downs, 0);
	sim_free(s);
}

static void forbidding(struct sim *s, struct ike_connection c[2])
{
	behind_nat(s, c);
	c[0].mobike = IKE_MOBIKE_WITHOUT_NAT;
}

/* NO_NATS_ALLOWED: UNEXPECTED_NAT_DETECTED, and back to the address that is still there. */
static void test_nat_forbidden(void **state)
{
	(void)state;
	struct sim *s = connected_with(forbidding);
	struct ike_status st;
	s->node[0].nat = sim_addr("198.51.100.9");
	s->node[0].also = s->node[0].addr;
	move_to(s, 0, "10.99.0.1");
	s->node[0].also = (struct ip_addr){.family = IP_NONE};
	tell_own(s, 0); /* the first is gone now: only the one behind the NAT is left */
	after(s, 1);
	assert_int_equal(ike_status(s->node[0].ike, 1, &st), 0);
	assert_true(ike_count(s->node[1].ike, IKE_COUNT_MOVES_REFUSED) >= 1);
	assert_non_null(strstr(st.last_error.text, "UNEXPECTED_NAT_DETECTED"));
	assert_int_equal(s->node[1].updates, 0);
	sim_free(s);
}

static void second_address(struct sim *s, struct ike_connection c[2])
{
	(void)c;
	s->node[1].also = sim_addr("192.0.2.202");
}

/* The responder's address goes: it says so from its other one, the initiator moves there. */
static void test_responder_moves(void **state)
{
	(void)state;
	struct sim *s = connected_with(second_address);
	s->node[1].addr = s->node[1].also;
	s->node[1].also = (struct ip_addr){.family = IP_NONE};
	tell_own(s, 1);
	after(s, 1);
	assert_meet(s, "192.0.2.1", "192.0.2.202");
	assert_int_equal(s->node[0].downs + s->node[1].downs, 0);
	sim_free(s);
}

/* The path to the responder's address breaks and nobody says so: tried at its additional one. */
static void test_silent_path(void **state)
{
	(void)state;
	struct sim *s = connected_with(second_address);
	s->node[1].addr = s->node[1].also; /* the host does not know */
	after(s, 60);
	assert_meet(s, "192.0.2.1", "192.0.2.202");
	assert_int_equal(s->node[0].downs, 0);
	sim_free(s);
}

/* ESP follows only a peer that shows that it receives there: COOKIE2 gets lost. */
static void test_no_esp_before_the_check(void **state)
{
	(void)state;
	struct sim *s = connected();
	struct ip_addr old = s->node[0].addr;
	s->hold = true;
	move_to(s, 0, "192.0.2.77");
	sim_deliver(s, 0); /* UPDATE_SA_ADDRESSES arrives; answer and COOKIE2 wait */
	const struct sim_child *y = sim_child_find(&s->node[1], s->node[1].current);
	assert_true(ip_addr_equal(&y->sa.remote.addr, &old));
	while (s->n_queue)
		sim_drop(s, 0);
	s->hold = false;
	after(s, 5);
	assert_meet(s, "192.0.2.77", "192.0.2.2");
	sim_free(s);
}

/* ---- a peer that lies ---- */

/* The SA of `node` that is established. */
static struct ike_sa *sa_of(struct sim *s, unsigned node)
{
	struct ike_sa *sa = s->node[node].ike->all;
	while (sa && sa->state != SA_ESTABLISHED)
		sa = sa->next_all;
	assert_non_null(sa);
	return sa;
}

/* Flips the last octet of COOKIE2 in a held message of node `from`, under valid protection. */
static void spoil_cookie(struct sim *s, unsigned at, unsigned from)
{
	uint8_t plain[LIMIT_MESSAGE], sealed[LIMIT_MESSAGE], iv[PROTECT_IV_RANDOM] = {7};
	struct sim_datagram *d = &s->queue[at];
	struct ike_sa *reader = sa_of(s, 1 - from), *sa = sa_of(s, from);
	struct ike_message m, inner;
	struct fault f;
	size_t len = 0, out = 0;
	assert_int_equal(ike_message_parse(&m, (struct bytes){d->bytes + 4, d->len - 4}, &f), 0);
	assert_int_equal(
		protect_open(&reader->keys, &reader->chosen, &m, plain, sizeof plain, &len), 0);
	inner = (struct ike_message){.h = m.h, .whole = m.whole, .sk_first = m.sk_first};
	assert_int_equal(ike_message_parse_inner(&inner, (struct bytes){plain, len}, &f), 0);
	const struct ike_notify *n = ike_message_notify(&inner, NOTIFY_COOKIE2);
	assert_non_null(n);
	plain[n->body.at - plain + (ptrdiff_t)n->body.len - 1] ^= 1;
	assert_int_equal(protect_seal(&sa->keys, &sa->chosen, &m.h, m.sk_first,
				      (struct bytes){plain, len}, iv, sealed, sizeof sealed, &out),
			 0);
	assert_int_equal(out, d->len - 4);
	memcpy(d->bytes + 4, sealed, out);
}

/* The responder's answer to the update has another COOKIE2: nobody who moved is believed. */
static void test_wrong_cookie_in_the_answer(void **state)
{
	(void)state;
	struct sim *s = connected();
	s->hold = true;
	move_to(s, 0, "192.0.2.77");
	sim_deliver(s, 0); /* UPDATE_SA_ADDRESSES */
	int answer = sim_oldest_from(s, 1);
	spoil_cookie(s, (unsigned)answer, 1);
	sim_deliver(s, (unsigned)answer);
	assert_int_equal(s->node[0].downs, 1);
	assert_non_null(strstr(s->node[0].last_fault.text, "COOKIE2"));
	sim_free(s);
}

/* The initiator does not prove that it receives where it says it moved to: no ESP goes there. */
static void test_wrong_cookie_in_the_check(void **state)
{
	(void)state;
	struct sim *s = connected();
	s->hold = true;
	move_to(s, 0, "192.0.2.77");
	sim_deliver(s, 0);
	unsigned updates = s->node[1].updates;
	while (s->n_queue && sim_oldest_from(s, 1) >= 0)
		sim_deliver(s, (unsigned)sim_oldest_from(s, 1)); /* the answer, and the check */
	int proof = sim_oldest_from(s, 0);
	spoil_cookie(s, (unsigned)proof, 0);
	sim_deliver(s, (unsigned)proof);
	assert_int_equal(s->node[1].updates, updates);
	assert_int_equal(s->node[1].downs, 1);
	assert_non_null(strstr(s->node[1].last_fault.text, "does not prove"));
	sim_free(s);
}

/* Only who began may move the IKE SA (section 3.5). */
static void test_update_of_the_responder(void **state)
{
	(void)state;
	struct sim *s = connected();
	struct ike_sa *sa = sa_of(s, 1);
	struct ip_addr old = s->node[1].addr;
	sa->began = true; /* it lies */
	sa->local.addr = s->node[1].addr = sim_addr("192.0.2.66");
	sa->mobility.update = true;
	task_add(sa, EXCHANGE_UPDATE_ADDRESSES, 0);
	ike_child_expiring(s->node[1].ike, 0, s->now_ns, &s->node[1].effects);
	sim_apply(&s->node[1]);
	after(s, 0.1);
	const struct sim_child *x = sim_child_find(&s->node[0], s->node[0].current);
	assert_true(ip_addr_equal(&x->sa.remote.addr, &old));
	assert_int_equal(ike_count(s->node[0].ike, IKE_COUNT_MOVES_REFUSED), 1);
	assert_int_equal(ike_count(s->node[1].ike, IKE_COUNT_MOVES_REFUSED), 1);
	sim_free(s);
}

/* ---- many seeds ---- */

static void trouble(struct sim *s)
{
	s->loss = (unsigned)sim_below(&s->random, 250);
	s->duplicate = (unsigned)sim_below(&s->random, 200);
	s->delay_min_ns = sim_below(&s->random, 30) * NS_PER_MS;
	s->delay_max_ns = s->delay_min_ns + sim_below(&s->random, 800) * NS_PER_MS;
}

static void disturb(struct sim *s)
{
	struct sim_node *n = &s->node[0];
	char text[32];
	switch (sim_below(&s->random, 6)) {
	case 0:
	case 1:
		snprintf(text, sizeof text, "192.0.2.%u",
			 100 + (unsigned)sim_below(&s->random, 50));
		move_to(s, 0, text);
		return;
	case 2: move_to(s, 0, "192.0.2.1"); return;
	case 3: /* of the responder's two addresses the one in front */
		if (s->node[1].also.family) {
			struct ip_addr was = s->node[1].addr;
			s->node[1].addr = s->node[1].also;
			s->node[1].also = was;
			tell_own(s, 1);
		}
		return;
	default: n = &s->node[sim_below(&s->random, 2)]; break;
	}
	ike_rekey(n->ike, 1, s->now_ns, &n->effects);
	sim_apply(n);
}

static uint64_t moved;

static void judge(struct sim *s)
{
	for (unsigned i = 0; i < 2 && !s->broken; i++) {
		struct sim_node *a = &s->node[i], *b = &s->node[1 - i];
		struct sim_child *x = sim_child_find(a, a->current);
		struct sim_child *y = x ? sim_child_find(b, x->spi_out) : NULL;
		if (!a->up || !x)
			sim_broken(s, "node %u is not up after the trouble", i);
		else if (!y || !ip_addr_equal(&x->sa.remote.addr, &y->sa.local.addr))
			sim_broken(s, "node %u sends where node %u does not receive", i, 1 - i);
		else if (x->sa.encapsulation != y->sa.encapsulation)
			sim_broken(s, "the ends differ in encapsulation");
		moved += ike_count(a->ike, IKE_COUNT_MOVES);
	}
}

static bool one_seed(uint64_t seed, bool verbose)
{
	struct sim *s = sim_new(seed, 2, NULL);
	s->verbose = verbose;
	if (seed % 2)
		s->node[1].also = sim_addr("192.0.2.202");
	for (unsigned i = 0; i < 2; i++) {
		struct ike_connection c = sim_connection(s, i, 1 - i);
		struct fault f;
		c.mobike = IKE_MOBIKE_ON;
		c.dpd_timeout_ns = 60 * NS_PER_S;
		c.start = i ? IKE_START_RESPOND : IKE_START_INITIATE;
		c.always_encapsulate = seed % 3 == 0;
		if (ike_add(s->node[i].ike, &c, &f))
			sim_broken(s, "%s", f.text);
		tell_own(s, i);
	}
	sim_up(s, 0);
	sim_run(s, s->now_ns + NS_PER_S);
	for (unsigned step = 0; step < 12 && !s->broken; step++) {
		trouble(s);
		disturb(s);
		if (!s->broken)
			sim_run(s, s->now_ns + sim_below(&s->random, 6) * NS_PER_S);
	}
	s->loss = s->duplicate = 0;
	s->delay_min_ns = s->delay_max_ns = 5 * NS_PER_MS;
	if (!s->broken)
		move_to(s, 0, "192.0.2.1"); /* where a new handshake would begin, should it be */
	if (!s->broken)
		sim_run(s, s->now_ns + 300 * NS_PER_S);
	if (!s->broken)
		judge(s);
	bool ok = !s->broken;
	if (!ok)
		printf("seed %llu: %s\n", (unsigned long long)seed, s->why);
	sim_free(s);
	return ok;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_agreed),
		cmocka_unit_test(test_only_one_has_it),
		cmocka_unit_test(test_initiator_moves),
		cmocka_unit_test(test_initiator_comes_back),
		cmocka_unit_test(test_initiator_moves_twice),
		cmocka_unit_test(test_initiator_moves_during_an_exchange),
		cmocka_unit_test(test_rekeyed_by_the_responder),
		cmocka_unit_test(test_nat_comes_and_goes),
		cmocka_unit_test(test_nat_maps_anew),
		cmocka_unit_test(test_nat_forbidden),
		cmocka_unit_test(test_responder_moves),
		cmocka_unit_test(test_silent_path),
		cmocka_unit_test(test_no_esp_before_the_check),
		cmocka_unit_test(test_wrong_cookie_in_the_answer),
		cmocka_unit_test(test_wrong_cookie_in_the_check),
		cmocka_unit_test(test_update_of_the_responder),
	};
	uint64_t n = argc > 1 ? strtoull(argv[1], NULL, 10) : 500, bad = 0;
	if (argc > 2 && !strcmp(argv[2], "verbose"))
		return one_seed(n, true) ? 0 : 1;
	uint64_t first = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	for (uint64_t seed = first; seed < first + n && bad < 20; seed++)
		bad += !one_seed(seed, false);
	printf("%llu seeds, %llu moves, %llu failed\n", (unsigned long long)n,
	       (unsigned long long)moved, (unsigned long long)bad);
	return failed || bad || !moved;
}
