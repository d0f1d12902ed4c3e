/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Peers that know the keys of IKE_SA_INIT and lie: whoever can send a packet has those. Named after
 * what went wrong in other implementations (parts B and C of docs/SECURITY.md).
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
	if (for_child) {
		builder_raw(b, PAYLOAD_SA, (struct bytes){esp, sizeof esp});
		builder_raw(b, PAYLOAD_NONCE, (struct bytes){nonce, sizeof nonce});
		return;
	}
	assert_int_equal(ike_message_parse(&m, sa->handshake->init_i, &f), 0);
	builder_raw(b, PAYLOAD_SA, m.sa);
	builder_raw(b, PAYLOAD_NONCE, (struct bytes){nonce, sizeof nonce});
	builder_ke(b, m.ke_group, m.ke);
}

/* SECURITY B10 (CVE-2014-2338): rekeying an IKE SA that nobody authenticated makes none. */
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

/* SECURITY A5 (CVE-2009-0790, CVE-2020-1763): questions, and deletes, of what is not there yet. */
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

/* SECURITY B10 (CVE-2021-45079, CVE-2015-8023): a success that nobody earned. */
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

/* SECURITY B15 (CVE-2024-2357): no key for that peer, and its request comes again and again. */
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

/* SECURITY C20: nobody gets more bytes than were sent in a stranger's name, nor unasked. */
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

/* SECURITY C20: a message thrown back at its sender is none of the peer's. */
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

/*
 * ---- caps ----
 *
 * Of SECURITY D26 the half-open TLS sessions of SSTP are test_strangers_at_the_door of
 * test_sstp.py; children of workers are test_peer_takes_no_more of sim_workers.c, certificates
 * test_hostile_chains.c and test_proof.c, rounds of EAP test_eap.c and test_clients.c, fragments
 * test_fragment.c, full maps test_programs.c.
 */

/* A tunnel from node 0 to node 1; what node 1 sends from now on waits in the queue. */
static struct sim *established(const struct ike_options *o)
{
	struct sim *s = sim_new(1, 2, o);
	struct ike_connection a = sim_connection(s, 0, 1), b = sim_connection(s, 1, 0);
	b.start = IKE_START_RESPOND;
	sim_add(s, 0, &a);
	sim_add(s, 1, &b);
	sim_up(s, 0);
	sim_run(s, s->now_ns + NS_PER_S);
	assert_true(s->node[0].up && s->node[1].up);
	s->hold = true;
	return s;
}

/* SECURITY D26: a peer that is authenticated asks for child after child: the cap holds, the first
 * one works on. */
static void children_without_end(void **state)
{
	struct sim *s = established(NULL);
	struct traffic_selector here = sim_ts("10.1.0.0/16"), there = sim_ts("10.2.0.0/16");
	uint32_t first = s->node[1].current;
	(void)state;
	for (unsigned i = 0; i < 4 * LIMIT_CHILDREN_PER_SA; i++) {
		uint8_t room[1024];
		struct builder b;
		builder_init(&b, room, sizeof room);
		add_sa_and_nonce(&b, s, true);
		builder_ts(&b, PAYLOAD_TSI, &here, 1);
		builder_ts(&b, PAYLOAD_TSR, &there, 1);
		lie(s, IKE_CREATE_CHILD_SA, 2 + i, &b);
		assert_int_equal(sim_installed(&s->node[1]),
				 i + 2 < LIMIT_CHILDREN_PER_SA ? i + 2 : LIMIT_CHILDREN_PER_SA);
		while (s->n_queue)
			sim_drop(s, 0);
	}
	assert_false(s->broken);
	assert_true(s->node[1].up);
	assert_non_null(sim_child_find(&s->node[1], first));
	sim_free(s);
}

/* SECURITY D26: more IKE SAs than may be: first messages are dropped, the tunnel stays and can be
 * rekeyed when there is room again. */
static void ike_sas_without_end(void **state)
{
	struct ike_options o = {.half_open_cookies = 1000, .max_sas = 4};
	struct sim *s = established(&o);
	struct sim_node *to = &s->node[1];
	(void)state;
	ike_reauthenticate(s->node[0].ike, 1, s->now_ns, &s->node[0].effects);
	sim_apply(&s->node[0]);
	assert_int_equal(s->n_queue, 1);
	struct sim_datagram d = s->queue[0];
	for (unsigned i = 0; i < 20; i++) {
		d.bytes[0] = (uint8_t)i; /* another SPI */
		ike_receive(to->ike, &d.to, &d.from, (struct bytes){d.bytes, d.len}, s->now_ns,
			    &to->effects);
		sim_apply(to);
		assert_in_range(to->ike->n_sas, 1, o.max_sas);
	}
	assert_int_equal(to->ike->n_sas, o.max_sas);
	assert_true(to->up);
	while (s->n_queue)
		sim_drop(s, 0);
	s->hold = false;
	sim_run(s, s->now_ns + 2 * LIMIT_HALF_OPEN_NS);
	sim_rekey(s, 1);
	sim_run(s, s->now_ns + 60 * NS_PER_S);
	assert_false(s->broken);
	assert_true(s->node[0].up && s->node[1].up);
	assert_true(sim_agrees(&s->node[0], &s->node[1]));
	assert_true(ike_count(to->ike, IKE_COUNT_REKEYS_IKE) > 0);
	sim_free(s);
}

/* SECURITY A6: of a message that never becomes whole the parts go with the half-open SA, in time.
 */
static void fragments_are_forgotten(void **state)
{
	static const uint8_t iv[PROTECT_IV_RANDOM], part[1000];
	struct sim *s = before_authentication();
	struct sim_node *to = &s->node[1];
	struct ike_sa *sa = sa_of(s, 0);
	struct ike_header h = {.spi_i = sa->spi_i,
			       .spi_r = sa->spi_r,
			       .exchange = IKE_AUTH,
			       .flags = IKE_FLAG_INITIATOR,
			       .id = 1};
	struct ip_endpoint local = {to->addr, IKE_PORT}, from = {s->node[0].addr, IKE_PORT};
	uint8_t out[2048];
	size_t len = 0;
	(void)state;
	for (uint16_t i = 1; i < 6; i++) {
		assert_int_equal(protect_seal_fragment(&sa->keys, &sa->chosen, &h,
						       &(struct ike_fragment){i, 6}, PAYLOAD_IDI,
						       (struct bytes){part, sizeof part}, iv, out,
						       sizeof out, &len),
				 0);
		ike_receive(to->ike, &local, &from, (struct bytes){out, len}, s->now_ns,
			    &to->effects);
		sim_apply(to);
	}
	assert_non_null(sa_of(s, 1)->reassembly[0]);
	s->now_ns += LIMIT_HALF_OPEN_NS + NS_PER_S;
	ike_expire(to->ike, s->now_ns, &to->effects);
	sim_apply(to);
	assert_null(to->ike->all);
	assert_int_equal(to->ike->n_half_open, 0);
	nothing_is_up(s);
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
		cmocka_unit_test(children_without_end),
		cmocka_unit_test(ike_sas_without_end),
		cmocka_unit_test(fragments_are_forgotten),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
