/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Peers that know the keys of IKE_SA_INIT and lie: whoever can send a packet has those. Named after
 * what went wrong in other implementations (FIELD 4B and 4C).
 */
#include "tests/sim/sim.h"

#include "ike/ike_internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

/* IKE_SA_INIT is done, node 0's IKE_AUTH waits in the queue. */
static struct sim *before_authentication(void)
{
	struct sim *s = sim_new(1, 2, NULL);
	struct ike_connection a = sim_connection(s, 0, 1), b = sim_connection(s, 1, 0);
	b.start = IKE_START_RESPOND;
	sim_add(s, 0, &a);
	sim_add(s, 1, &b);
	s->hold = true;
	sim_up(s, 0);
	sim_deliver(s, 0);
	sim_deliver(s, 0);
	assert_int_equal(s->n_queue, 1);
	return s;
}

static struct ike_sa *sa_of(struct sim *s, unsigned node)
{
	struct ike_sa *sa = s->node[node].ike->all;
	assert_non_null(sa);
	assert_null(sa->next_all);
	return sa;
}

/* A message of node 0 under the keys that IKE_SA_INIT made. */
static void lie(struct sim *s, uint8_t exchange, uint32_t id, const struct builder *inner)
{
	struct ike_sa *sa = sa_of(s, 0);
	struct ike_header h = {.spi_i = sa->spi_i,
			       .spi_r = sa->spi_r,
			       .exchange = exchange,
			       .flags = IKE_FLAG_INITIATOR,
			       .id = id};
	struct sim_node *to = &s->node[1];
	uint8_t out[2048], iv[PROTECT_IV_RANDOM] = {0};
	size_t len = 0;
	assert_true(builder_ok(inner));
	assert_int_equal(protect_seal(&sa->keys, &sa->chosen, &h, inner->first,
				      builder_bytes(inner), iv, out, sizeof out, &len),
			 0);
	struct ip_endpoint local = {to->addr, IKE_PORT}, from = {s->node[0].addr, IKE_PORT};
	ike_receive(to->ike, &local, &from, (struct bytes){out, len}, s->now_ns, &to->effects);
	sim_apply(to);
}

static void nothing_is_up(struct sim *s)
{
	assert_false(s->broken);
	assert_false(s->node[1].up);
	assert_int_equal(s->node[1].installs, 0);
	assert_int_equal(ike_count(s->node[1].ike, IKE_COUNT_ESTABLISHED), 0);
	assert_int_equal(ike_count(s->node[1].ike, IKE_COUNT_CHILDREN), 0);
	assert_int_equal(ike_count(s->node[1].ike, IKE_COUNT_REKEYS_IKE), 0);
}

/* The tunnel still comes up by the peer's true IKE_AUTH. */
static void and_then_the_truth(struct sim *s)
{
	s->hold = false;
	sim_run(s, s->now_ns + 60 * NS_PER_S);
	assert_false(s->broken);
	assert_true(s->node[1].up);
	sim_free(s);
}

static void add_sa_and_nonce(struct builder *b, const struct sim *s, bool for_child)
{
	const struct ike_sa *sa = s->node[0].ike->all;
	struct ike_message m;
	struct fault f;
	uint8_t nonce[32] = {1};
	static const uint8_t esp[] = {0, 0, 0, 32, 1,	 3,  4, 2,   0xc0, 0, 0, 1, 3, 0, 0, 12,
				      1, 0, 0, 20, 0x80, 14, 0, 128, 0,	   0, 0, 8, 5, 0, 0, 0};
	assert_int_equal(ike_message_parse(&m, sa->handshake->init_i, &f), 0);
	builder_raw(b, PAYLOAD_SA, for_child ? (struct bytes){esp, sizeof esp} : m.sa);
	builder_raw(b, PAYLOAD_NONCE, (struct bytes){nonce, sizeof nonce});
	if (!for_child)
		builder_ke(b, m.ke_group, m.ke);
}

/* FIELD 4B 10 (CVE-2014-2338): rekeying an IKE SA that nobody authenticated makes none. */
static void rekey_of_the_ike_sa_before_authentication(void **state)
{
	struct sim *s = before_authentication();
	uint8_t room[1024];
	struct builder b;
	(void)state;
	builder_init(&b, room, sizeof room);
	add_sa_and_nonce(&b, s, false);
	lie(s, IKE_CREATE_CHILD_SA, 1, &b);
	nothing_is_up(s);
	and_then_the_truth(s);
}

static void child_before_authentication(void **state)
{
	struct sim *s = before_authentication();
	struct traffic_selector ts = sim_ts("10.1.0.0/16");
	uint8_t room[1024];
	struct builder b;
	(void)state;
	builder_init(&b, room, sizeof room);
	add_sa_and_nonce(&b, s, true);
	builder_ts(&b, PAYLOAD_TSI, &ts, 1);
	builder_ts(&b, PAYLOAD_TSR, &ts, 1);
	lie(s, IKE_CREATE_CHILD_SA, 1, &b);
	nothing_is_up(s);
	and_then_the_truth(s);
}

/* FIELD 4A 5 (CVE-2009-0790, CVE-2020-1763): questions, and deletes, of what is not there yet. */
static void informational_before_authentication(void **state)
{
	static const uint32_t spis[2] = {0xc0000001, 0xc0000001};
	(void)state;
	for (unsigned kind = 0; kind < 3; kind++) {
		struct sim *s = before_authentication();
		uint8_t room[256];
		struct builder b;
		builder_init(&b, room, sizeof room);
		if (kind == 1)
			builder_delete_ike(&b);
		else if (kind == 2)
			builder_delete_esp(&b, spis, 2);
		lie(s, IKE_INFORMATIONAL, 1, &b);
		nothing_is_up(s);
		and_then_the_truth(s);
	}
}

/* FIELD 4B 10 (CVE-2021-45079, CVE-2015-8023): a success that nobody earned. */
static void auth_without_proof(void **state)
{
	static const uint8_t success[] = {3, 1, 0, 4};
	(void)state;
	for (unsigned kind = 0; kind < 3; kind++) {
		struct sim *s = before_authentication();
		struct identity id;
		struct traffic_selector ts = sim_ts("10.1.0.0/16");
		uint8_t room[1024], zero[32] = {0};
		struct builder b;
		assert_int_equal(identity_parse(&id, "gw1.example.org"), 0);
		builder_init(&b, room, sizeof room);
		builder_id(&b, PAYLOAD_IDI, &id);
		if (kind == 1)
			builder_auth(&b, 2, (struct bytes){zero, sizeof zero});
		if (kind == 2)
			builder_raw(&b, PAYLOAD_EAP, (struct bytes){success, sizeof success});
		add_sa_and_nonce(&b, s, true);
		builder_ts(&b, PAYLOAD_TSI, &ts, 1);
		builder_ts(&b, PAYLOAD_TSR, &ts, 1);
		lie(s, IKE_AUTH, 1, &b);
		nothing_is_up(s);
		sim_free(s);
	}
}

/* FIELD 4B 15 (CVE-2024-2357): no key for that peer, and its request comes again and again. */
static void unknown_key_and_repetitions(void **state)
{
	struct sim *s = sim_new(1, 2, NULL);
	struct ike_connection a = sim_connection(s, 0, 1), b = sim_connection(s, 1, 0);
	(void)state;
	assert_int_equal(identity_parse(&b.remote_id, "another.example.org"), 0);
	b.start = IKE_START_RESPOND;
	sim_add(s, 0, &a);
	sim_add(s, 1, &b);
	s->hold = true;
	sim_up(s, 0);
	sim_deliver(s, 0);
	sim_deliver(s, 0);
	struct sim_datagram auth = s->queue[0];
	uint8_t copy[2048];
	assert_true(auth.len <= sizeof copy);
	memcpy(copy, auth.bytes, auth.len);
	size_t len = auth.len, answer = 0;
	sim_deliver(s, 0);
	for (unsigned i = 0; i < 50; i++) {
		struct sim_node *to = &s->node[1];
		unsigned answers = 0;
		for (; s->n_queue; sim_drop(s, 0)) {
			if (!ip_addr_equal(&s->queue[0].from.addr, &to->addr))
				continue; /* node 0 repeats its own */
			assert_true(!answer || answer == s->queue[0].len);
			answer = s->queue[0].len;
			answers++;
		}
		assert_true(answers <= 1);
		s->now_ns += NS_PER_S;
		ike_receive(to->ike, &auth.to, &auth.from, (struct bytes){copy, len}, s->now_ns,
			    &to->effects);
		sim_apply(to);
	}
	nothing_is_up(s);
	sim_free(s);
}

/* FIELD 4C 20: nobody gets more bytes than were sent in a stranger's name, nor unasked. */
static void no_amplification(void **state)
{
	struct ike_options o = {.half_open_cookies = 1};
	struct sim *s = sim_new(1, 2, &o);
	struct ike_connection a = sim_connection(s, 0, 1), b = sim_connection(s, 1, 0);
	uint8_t first[1024];
	(void)state;
	b.start = IKE_START_RESPOND;
	sim_add(s, 0, &a);
	sim_add(s, 1, &b);
	s->hold = true;
	sim_up(s, 0);
	struct sim_datagram asked = s->queue[0];
	assert_true(asked.len <= sizeof first);
	memcpy(first, asked.bytes, asked.len);
	sim_drop(s, 0);
	size_t sent = 0, came = 0;
	for (unsigned i = 0; i < 100; i++) {
		struct sim_node *to = &s->node[1];
		first[7] = (uint8_t)(i / 2); /* each twice */
		ike_receive(to->ike, &asked.to, &asked.from, (struct bytes){first, asked.len},
			    s->now_ns, &to->effects);
		sim_apply(to);
		sent += asked.len;
		while (s->n_queue) {
			came += s->queue[0].len;
			/* below the threshold a whole answer; above it a cookie, which is small */
			if (i > 4)
				assert_true(s->queue[0].len < asked.len);
			sim_drop(s, 0);
		}
	}
	assert_true(came < sent);
	ike_down(s->node[0].ike, 1, s->now_ns, &s->node[0].effects);
	sim_apply(&s->node[0]);
	while (s->n_queue)
		sim_drop(s, 0);
	for (unsigned i = 0; i < 60; i++) {
		s->now_ns += NS_PER_S;
		sim_now(s);
		for (unsigned k = 0; k < s->n_queue; k++)
			assert_false(ip_addr_equal(&s->queue[k].from.addr, &s->node[1].addr));
		while (s->n_queue)
			sim_drop(s, 0);
	}
	sim_free(s);
}

/* FIELD 4C 20: a message thrown back at its sender is none of the peer's. */
static void reflected_messages(void **state)
{
	struct sim *s = sim_new(1, 2, NULL);
	struct ike_connection a = sim_connection(s, 0, 1), b = sim_connection(s, 1, 0);
	(void)state;
	sim_add(s, 0, &a);
	sim_add(s, 1, &b);
	s->hold = true;
	sim_up(s, 0);
	for (unsigned i = 0; i < 40 && s->n_queue; i++) {
		struct sim_datagram *d = &s->queue[0];
		struct sim_node *from = sim_owner(s, &d->from.addr);
		uint8_t copy[2048];
		size_t len = d->len;
		struct ip_endpoint local = d->from, remote = d->to;
		assert_true(len <= sizeof copy);
		memcpy(copy, d->bytes, len);
		/* a first message may well be answered, as anybody's; those answers are dropped */
		unsigned before = s->n_queue;
		ike_receive(from->ike, &local, &remote, (struct bytes){copy, len}, s->now_ns,
			    &from->effects);
		sim_apply(from);
		while (s->n_queue > before)
			sim_drop(s, s->n_queue - 1);
		sim_deliver(s, 0);
	}
	assert_false(s->broken);
	assert_true(s->node[0].up && s->node[1].up);
	assert_true(sim_agrees(&s->node[0], &s->node[1]));
	sim_free(s);
}

int main(void)
{
	log_set_levels(LOG_LEVEL_ERROR);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rekey_of_the_ike_sa_before_authentication),
		cmocka_unit_test(child_before_authentication),
		cmocka_unit_test(informational_before_authentication),
		cmocka_unit_test(auth_without_proof),
		cmocka_unit_test(unknown_key_and_repetitions),
		cmocka_unit_test(no_amplification),
		cmocka_unit_test(reflected_messages),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
