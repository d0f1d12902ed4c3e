/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a person reads when two engines do not come together: each row breaks one thing of the
 * second connection and says which words the first error of each end must hold.
 */
#include "tests/sim/sim.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

typedef void spoil(struct ike_connection *c);

static void other_key(struct ike_connection *c)
{
	assert_int_equal(secret_set(&c->psk, "quite another pre-shared key", 28), 0);
}

static void other_cipher(struct ike_connection *c)
{
	c->ike[0].encryption[0] = ENCR_AES_GCM16_256;
}

static void other_group(struct ike_connection *c)
{
	c->ike[0].group[0] = DH_ECP_256;
}

static void other_child_cipher(struct ike_connection *c)
{
	c->child[0].encryption[0] = ENCR_AES_GCM16_256;
}

static void other_identity(struct ike_connection *c)
{
	assert_int_equal(identity_parse(&c->local_id, "elsewhere.example.org"), 0);
}

static void other_selectors(struct ike_connection *c)
{
	c->local_ts[0] = sim_ts("172.20.0.0/16");
}

/* Every string must stand in text or advice of the end's last error. */
struct row {
	const char *name;
	spoil *spoil;
	const char *initiator[3], *responder[3];
};
static const struct row rows[] = {
	{"pre-shared key",
	 other_key,
	 {"AUTHENTICATION_FAILED", "pre-shared key", "gw1.example.org"},
	 {"AUTH does not verify", "pre-shared keys differ"}},
	{"encryption of the IKE SA",
	 other_cipher,
	 {"NO_PROPOSAL_CHOSEN", "AES128GCM16"},
	 {"encryption", "AES256GCM16", "AES128GCM16"}},
	{"group of the IKE SA",
	 other_group,
	 {"NO_PROPOSAL_CHOSEN", "CURVE25519"},
	 {"key exchange group", "ECP256", "CURVE25519"}},
	{"encryption of the child SA",
	 other_child_cipher,
	 {"NO_PROPOSAL_CHOSEN", "child", "AES128GCM16"},
	 {"encryption", "AES256GCM16", "AES128GCM16"}},
	{"identity",
	 other_identity,
	 {"AUTHENTICATION_FAILED", "identity"},
	 {"wants to talk to gw2.example.org", "we are elsewhere.example.org"}},
	{"selectors",
	 other_selectors,
	 {"TS_UNACCEPTABLE", "10.1.0.0/16", "10.2.0.0/16"},
	 {"selectors do not fit", "172.20.0.0/16", "10.2.0.0/16"}},
};

static void must_hold(const char *name, const char *side, const struct fault *f,
		      const char *const words[3])
{
	char line[FAULT_TEXT];
	fault_format(f, line);
	for (unsigned i = 0; i < 3 && words[i]; i++)
		if (!strstr(line, words[i]))
			fail_msg("%s, %s: expected \"%s\" in: %s", name, side, words[i], line);
}

static void test_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct sim *s = sim_new(7 + i, 2, NULL);
		struct ike_connection a = sim_connection(s, 0, 1), b = sim_connection(s, 1, 0);
		struct ike_status at_a, at_b;
		b.start = IKE_START_RESPOND;
		rows[i].spoil(&b);
		sim_add(s, 0, &a);
		sim_add(s, 1, &b);
		sim_up(s, 0);
		sim_run(s, s->now_ns + NS_PER_S);
		assert_false(s->broken);
		assert_int_equal(ike_status(s->node[0].ike, 1, &at_a), 0);
		assert_int_equal(ike_status(s->node[1].ike, 1, &at_b), 0);
		assert_false(s->node[0].up);
		assert_false(s->node[1].up);
		assert_int_equal(at_a.state, IKE_STATE_CONNECTING);
		must_hold(rows[i].name, "initiator", &at_a.last_error, rows[i].initiator);
		must_hold(rows[i].name, "responder", &at_b.last_error, rows[i].responder);
		sim_free(s);
	}
}

static void test_silence(void **state)
{
	(void)state;
	struct sim *s = sim_new(1, 2, NULL);
	struct ike_connection a = sim_connection(s, 0, 1);
	struct ike_status status;
	static const char *const early[3] = {"no answer from 192.0.2.2:500", "IKE_SA_INIT",
					     "nothing was ever received"};
	static const char *const final[3] = {"6 requests of IKE_SA_INIT", "over 41 s",
					     "UDP 500 and 4500"};
	sim_add(s, 0, &a);
	sim_up(s, 0);
	/* a person who looks after some seconds sees it already */
	sim_run(s, s->now_ns + 5 * NS_PER_S);
	assert_int_equal(ike_status(s->node[0].ike, 1, &status), 0);
	must_hold("silence", "early", &status.last_error, early);
	assert_int_equal(s->node[0].faileds, 0);
	sim_run(s, s->now_ns + 38 * NS_PER_S);
	assert_int_equal(s->node[0].faileds, 1);
	must_hold("silence", "final", &s->node[0].last_fault, final);
	assert_int_equal(s->node[0].sends, 6);
	/* and it is tried again by itself */
	sim_run(s, s->now_ns + 10 * NS_PER_S);
	assert_true(s->node[0].sends > 6);
	sim_free(s);
}

/* Something comes from the peer's address, and is no answer: it is said what. */
static void test_no_answer_but_something(void **state)
{
	(void)state;
	static const uint8_t junk[] = "GET / HTTP/1.0\r\n\r\nand so on until it is long enough";
	static const char *const words[3] = {"no answer from 192.0.2.2:500",
					     "2 datagrams came from that address, none of them",
					     "wrong header"};
	struct sim *s = sim_new(1, 2, NULL);
	struct ike_connection a = sim_connection(s, 0, 1);
	struct ip_endpoint from = {s->node[1].addr, IKE_PORT}, to = {s->node[0].addr, IKE_PORT};
	struct ip_endpoint stranger = {sim_addr("198.51.100.9"), IKE_PORT};
	sim_add(s, 0, &a);
	sim_up(s, 0);
	for (unsigned i = 0; i < 4; i++) {
		ike_receive(s->node[0].ike, &to, i % 2 ? &from : &stranger,
			    (struct bytes){junk, sizeof junk}, s->now_ns, &s->node[0].effects);
		sim_apply(&s->node[0]);
	}
	sim_run(s, s->now_ns + 43 * NS_PER_S);
	must_hold("no answer", "final", &s->node[0].last_fault, words);
	sim_free(s);
}

/* The peer answers IKE_SA_INIT, and IKE_AUTH it does not: each end says what it waited for. */
static void test_silence_behind_the_first_answer(void **state)
{
	(void)state;
	static const char *const at_a[3] = {"no answer from 192.0.2.2:500", "requests of IKE_AUTH",
					    "it did answer IKE_SA_INIT"};
	static const char *const at_b[3] = {"192.0.2.1:500 began and was answered",
					    "no IKE_AUTH of it came in 30 s", "UDP 500 and 4500"};
	struct sim *s = sim_new(1, 2, NULL);
	struct ike_connection a = sim_connection(s, 0, 1), b = sim_connection(s, 1, 0);
	struct ike_status st;
	b.start = IKE_START_RESPOND;
	sim_add(s, 0, &a);
	sim_add(s, 1, &b);
	s->hold = true;
	sim_up(s, 0);
	sim_deliver(s, 0);
	sim_deliver(s, 0);
	sim_drop(s, 0);
	s->hold = false;
	s->loss = 1000;
	sim_run(s, s->now_ns + 43 * NS_PER_S);
	must_hold("silence", "initiator", &s->node[0].last_fault, at_a);
	assert_int_equal(ike_status(s->node[1].ike, 1, &st), 0);
	must_hold("silence", "responder", &st.last_error, at_b);
	sim_free(s);
}

/* An established peer that goes silent. */
static void test_silence_of_an_established_peer(void **state)
{
	(void)state;
	static const char *const words[3] = {"no answer from 192.0.2.2:500",
					     "requests of INFORMATIONAL (liveness)",
					     "the peer answered before"};
	struct sim *s = sim_new(1, 2, NULL);
	struct ike_connection a = sim_connection(s, 0, 1), b = sim_connection(s, 1, 0);
	a.dpd_timeout_ns = 30 * NS_PER_S;
	b.start = IKE_START_RESPOND;
	sim_add(s, 0, &a);
	sim_add(s, 1, &b);
	sim_up(s, 0);
	sim_run(s, s->now_ns + NS_PER_S);
	assert_true(s->node[0].up);
	s->loss = 1000;
	sim_run(s, s->now_ns + 60 * NS_PER_S);
	must_hold("silence", "established", &s->node[0].last_fault, words);
	sim_free(s);
}

/* The last ten events, oldest first, whatever came before them. */
static void test_last_ten_events(void **state)
{
	(void)state;
	struct sim *s = sim_new(1, 2, NULL);
	struct ike_connection a = sim_connection(s, 0, 1), b = sim_connection(s, 1, 0);
	struct ike_status st;
	b.start = IKE_START_RESPOND;
	sim_add(s, 0, &a);
	sim_add(s, 1, &b);
	sim_up(s, 0);
	for (unsigned i = 0; i < 8; i++) {
		sim_run(s, s->now_ns + 10 * NS_PER_S);
		sim_rekey(s, i % 2);
	}
	sim_run(s, s->now_ns + 10 * NS_PER_S);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(ike_status(s->node[i].ike, 1, &st), 0);
		assert_int_equal(st.n_events, IKE_EVENTS);
		assert_int_equal(IKE_EVENTS, 10);
		for (unsigned k = 0; k < st.n_events; k++) {
			assert_non_null(strstr(st.events[k].text, "rekeyed"));
			assert_true(!k || st.events[k].at_ns >= st.events[k - 1].at_ns);
		}
		assert_true(s->now_ns - st.events[9].at_ns < 11 * NS_PER_S);
	}
	sim_free(s);
}

static void test_bad_connections(void **state)
{
	(void)state;
	struct sim *s = sim_new(1, 2, NULL);
	struct ike_connection good = sim_connection(s, 0, 1), c;
	struct fault f;
	c = good;
	c.psk.len = 0;
	assert_int_equal(ike_add(s->node[0].ike, &c, &f), -EINVAL);
	assert_non_null(strstr(f.text, "pre-shared key"));
	c = good;
	c.n_ike = 0;
	assert_int_equal(ike_add(s->node[0].ike, &c, &f), -EINVAL);
	c = good;
	c.n_remote_ts = CHILD_SA_MAX_TS + 1;
	assert_int_equal(ike_add(s->node[0].ike, &c, &f), -EINVAL);
	c = good;
	c.remote.family = IP_NONE;
	c.start = IKE_START_INITIATE;
	assert_int_equal(ike_add(s->node[0].ike, &c, &f), -EINVAL);
	assert_int_equal(ike_add(s->node[0].ike, &good, &f), 0);
	assert_int_equal(ike_add(s->node[0].ike, &good, &f), -EEXIST);
	struct ike_status status;
	assert_int_equal(ike_status(s->node[0].ike, 2, &status), -ENOENT);
	assert_int_equal(ike_up(s->node[0].ike, 2, s->now_ns, &s->node[0].effects), -ENOENT);
	assert_int_equal(ike_rekey(s->node[0].ike, 1, s->now_ns, &s->node[0].effects), -ENOTCONN);
	sim_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_silence),
		cmocka_unit_test(test_no_answer_but_something),
		cmocka_unit_test(test_silence_behind_the_first_answer),
		cmocka_unit_test(test_silence_of_an_established_peer),
		cmocka_unit_test(test_last_ten_events),
		cmocka_unit_test(test_bad_connections),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
