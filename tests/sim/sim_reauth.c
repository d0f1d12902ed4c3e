/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Authenticating anew (make before break), childless initiation (RFC 6023), redirect (RFC 5685) and
 * INITIAL_CONTACT: one by one, then packets over many seeds while both ends authenticate anew.
 *
 *   sim_reauth [SEEDS [FIRST]]      sim_reauth SEED verbose
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

typedef void change_fn(struct ike_connection c[2]);

static struct sim *start(change_fn *change)
{
	struct sim *s = sim_new(5, 3, NULL);
	struct ike_connection c[2] = {sim_connection(s, 0, 1), sim_connection(s, 1, 0)};
	c[1].start = IKE_START_RESPOND;
	if (change)
		change(c);
	for (unsigned i = 0; i < 2; i++)
		sim_add(s, i, &c[i]);
	return s;
}

static struct sim *connected(change_fn *change)
{
	struct sim *s = start(change);
	sim_up(s, 0);
	after(s, 1);
	assert_true(s->node[0].up && s->node[1].up);
	return s;
}

static uint64_t spi_of(struct sim *s, unsigned i)
{
	struct ike_status st;
	assert_int_equal(ike_status(s->node[i].ike, 1, &st), 0);
	return st.spi_i;
}

static bool has_event(struct sim *s, unsigned i, const char *text)
{
	struct ike_status st;
	assert_int_equal(ike_status(s->node[i].ike, 1, &st), 0);
	for (unsigned k = 0; k < st.n_events; k++)
		if (strstr(st.events[k].text, text))
			return true;
	return false;
}

/* What each end would send every 10 ms must meet an installed inbound SA when it arrives. */
static void watch_traffic(struct sim *s, double seconds)
{
	uint64_t until = s->now_ns + (uint64_t)(seconds * 1e9);
	while (s->now_ns < until) {
		uint32_t spi[2];
		for (unsigned i = 0; i < 2; i++) {
			struct sim_child *out = sim_child_find(&s->node[i], s->node[i].current);
			assert_non_null(out);
			spi[i] = out->spi_out;
		}
		after(s, 0.01);
		for (unsigned i = 0; i < 2; i++)
			assert_non_null(sim_child_find(&s->node[1 - i], spi[i]));
	}
}

/* ---- authenticating anew ---- */

static void by_initiator(struct ike_connection c[2])
{
	c[0].reauth_ns = 600 * NS_PER_S;
}

static void by_responder(struct ike_connection c[2])
{
	c[1].reauth_ns = 600 * NS_PER_S;
}

static void by_both(struct ike_connection c[2])
{
	c[0].reauth_ns = c[1].reauth_ns = 600 * NS_PER_S;
	c[1].start = IKE_START_BOTH;
}

static void by_initiator_without_children(struct ike_connection c[2])
{
	by_initiator(c);
	c[0].childless = true;
}

/* No packet is lost, one IKE SA and one child are left, and it is another handshake's. */
static void reauthenticates(change_fn *change)
{
	struct sim *s = connected(change);
	uint64_t first = spi_of(s, 0);
	uint32_t child = s->node[0].current;
	watch_traffic(s, 620);
	after(s, 30);
	assert_true(ike_count(s->node[0].ike, IKE_COUNT_REAUTHENTICATIONS) >= 1);
	assert_true(spi_of(s, 0) != first && s->node[0].current != child);
	assert_int_equal(spi_of(s, 0), spi_of(s, 1));
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(sim_installed(&s->node[i]), 1);
		assert_int_equal(s->node[i].ups, 1);
		assert_int_equal(s->node[i].downs, 0);
	}
	assert_true(sim_agrees(&s->node[0], &s->node[1]) && sim_agrees(&s->node[1], &s->node[0]));
	sim_free(s);
}

static void test_reauthentication(void **state)
{
	(void)state;
	reauthenticates(by_initiator);
}

/* The responder says AUTH_LIFETIME (RFC 4478), the initiator does it. */
static void test_auth_lifetime(void **state)
{
	(void)state;
	reauthenticates(by_responder);
}

static void test_reauthentication_of_both(void **state)
{
	(void)state;
	reauthenticates(by_both);
}

static void test_reauthentication_childless(void **state)
{
	(void)state;
	reauthenticates(by_initiator_without_children);
}

/* Both begin within one round trip: in the end there is one, and nothing went down. */
static void test_reauthentication_collision(void **state)
{
	(void)state;
	struct sim *s = connected(by_both);
	for (unsigned i = 0; i < 2; i++) {
		struct ike *e = s->node[i].ike;
		for (struct ike_sa *sa = e->all; sa; sa = sa->next_all) {
			if (sa->state != SA_ESTABLISHED)
				continue;
			sa->reauth_at_ns = s->now_ns;
			timers_arm_sa(sa);
		}
	}
	watch_traffic(s, 60);
	for (unsigned i = 0; i < 2; i++) {
		struct ike_status st;
		assert_int_equal(ike_status(s->node[i].ike, 1, &st), 0);
		assert_int_equal(st.n_children, 1);
		assert_int_equal(s->node[i].downs, 0);
		unsigned n = 0;
		for (struct ike_sa *sa = s->node[i].ike->all; sa; sa = sa->next_all)
			n += sa->state == SA_ESTABLISHED;
		assert_int_equal(n, 1);
	}
	assert_int_equal(spi_of(s, 0), spi_of(s, 1));
	sim_free(s);
}

static void by_responder_only(struct ike_connection c[2])
{
	c[1].reauth_ns = 100 * NS_PER_S;
	c[0].retry_ns = 1000 * NS_PER_S;
}

/* A peer that does not do it is not kept. */
static void test_reauthentication_refused(void **state)
{
	(void)state;
	struct sim *s = connected(by_responder_only);
	for (struct ike_sa *sa = s->node[0].ike->all; sa; sa = sa->next_all) {
		sa->reauth_at_ns = INSTANT_NEVER; /* it did not hear AUTH_LIFETIME */
		timers_arm_sa(sa);
	}
	after(s, 90);
	assert_true(s->node[1].up);
	after(s, 15);
	assert_false(s->node[1].up);
	assert_non_null(strstr(s->node[1].last_fault.text, "did not authenticate anew"));
	sim_free(s);
}

/* ---- childless ---- */

static void childless(struct ike_connection c[2])
{
	c[0].childless = true;
}

/* IKE_SA_INIT, IKE_AUTH, CREATE_CHILD_SA: six datagrams. */
static void test_childless(void **state)
{
	(void)state;
	struct sim *s = connected(childless);
	assert_int_equal(s->datagrams, 6);
	assert_int_equal(sim_installed(&s->node[0]), 1);
	assert_true(sim_agrees(&s->node[0], &s->node[1]) && sim_agrees(&s->node[1], &s->node[0]));
	sim_free(s);
}

static void childless_with_workers(struct ike_connection c[2])
{
	childless(c);
	c[0].workers = c[1].workers = 2;
}

static void test_childless_with_workers(void **state)
{
	(void)state;
	struct sim *s = connected(childless_with_workers);
	assert_int_equal(sim_installed(&s->node[0]), 3);
	sim_free(s);
}

/* ---- INITIAL_CONTACT (RFC 7296 section 2.4) ---- */

/* Both sides: the peer forgot all, its new handshake says so, and the old SAs are gone at once. */
static void test_initial_contact(void **state)
{
	(void)state;
	struct sim *s = connected(NULL);
	struct sim_node *n = &s->node[0];
	uint32_t old = s->node[1].current;
	ike_free(n->ike);
	n->n_children = 0;
	n->current = 0;
	n->up = false;
	if (ike_new(&n->ike, &(struct ike_options){0}, &(struct ike_random){sim_fill, n}))
		abort();
	struct ike_connection c = sim_connection(s, 0, 1);
	sim_add(s, 0, &c);
	sim_up(s, 0);
	after(s, 1);
	assert_null(sim_child_find(&s->node[1], old));
	assert_int_equal(sim_installed(&s->node[1]), 1);
	assert_true(sim_agrees(&s->node[0], &s->node[1]));
	sim_free(s);
}

/* One that has an IKE SA does not say it: authenticating anew would kill the old one too soon. */
static void test_no_initial_contact(void **state)
{
	(void)state;
	struct sim *s = connected(by_initiator);
	uint32_t old = s->node[1].current;
	assert_int_equal(ike_reauthenticate(s->node[0].ike, 1, s->now_ns, &s->node[0].effects), 0);
	sim_apply(&s->node[0]);
	/* who only answers can't */
	assert_int_equal(ike_reauthenticate(s->node[1].ike, 1, s->now_ns, &s->node[1].effects),
			 -ENOTCONN);
	after(s, 1);
	assert_int_equal(ike_count(s->node[0].ike, IKE_COUNT_REAUTHENTICATIONS), 1);
	assert_non_null(sim_child_find(&s->node[1], old));
	sim_free(s);
}

/* ---- redirect ---- */

static void redirected(struct ike_connection c[2])
{
	c[0].allow_redirect = true;
	c[0].dpd_timeout_ns = 30 * NS_PER_S;
}

/* Node 2 is a gateway by the same name and key as node 1. */
static void second_gateway(struct sim *s)
{
	struct ike_connection c = sim_connection(s, 1, 0);
	c.local = s->node[2].addr;
	c.start = IKE_START_RESPOND;
	sim_add(s, 2, &c);
}

static size_t redirect_body(uint8_t out[64], uint8_t kind, const void *name, size_t len,
			    struct bytes nonce)
{
	out[0] = kind;
	out[1] = (uint8_t)len;
	memcpy(out + 2, name, len);
	memcpy(out + 2 + len, nonce.at, nonce.len);
	return 2 + len + nonce.len;
}

/* Node 0's IKE_SA_INIT is held; node 1 answers it with this REDIRECT. */
static void answer_init(struct sim *s, uint8_t kind, const void *name, size_t len, bool right_nonce)
{
	struct ike_message m;
	struct fault f;
	struct builder b;
	uint8_t out[256], body[64], nonce[64];
	unsigned i = 0;
	assert_int_equal(s->n_queue, 1);
	struct sim_datagram d = s->queue[i];
	assert_int_equal(ike_message_parse(&m, (struct bytes){d.bytes, d.len}, &f), 0);
	assert_true(ike_message_notify(&m, NOTIFY_REDIRECT_SUPPORTED) ||
		    ike_message_notify(&m, NOTIFY_REDIRECTED_FROM));
	memcpy(nonce, m.nonce.at, m.nonce.len);
	nonce[0] ^= !right_nonce;
	size_t n = redirect_body(body, kind, name, len, (struct bytes){nonce, m.nonce.len});
	struct ike_header h = {
		.spi_i = m.h.spi_i, .exchange = IKE_SA_INIT, .flags = IKE_FLAG_RESPONSE};
	builder_init(&b, out, sizeof out);
	builder_header(&b, &h);
	builder_notify(&b, NOTIFY_REDIRECT, (struct bytes){body, n});
	builder_finish(&b);
	ike_receive(s->node[0].ike, &d.from, &d.to, builder_bytes(&b), s->now_ns,
		    &s->node[0].effects);
	sim_drop(s, i);
	sim_apply(&s->node[0]);
}

static struct sim *answered(uint8_t kind, const void *name, size_t len, bool right_nonce)
{
	struct sim *s = start(redirected);
	second_gateway(s);
	s->hold = true;
	sim_up(s, 0);
	answer_init(s, kind, name, len, right_nonce);
	s->hold = false;
	return s;
}

static void test_redirect_in_init(void **state)
{
	(void)state;
	static const uint8_t to[] = {192, 0, 2, 3};
	struct sim *s = answered(1, to, sizeof to, true);
	after(s, 1);
	assert_true(s->node[0].up && s->node[2].up && !s->node[1].up);
	assert_true(has_event(s, 0, "redirected by 192.0.2.2 to 192.0.2.3"));
	/* when that one ends, the configured one is next */
	sim_down(s, 2);
	after(s, 60);
	assert_true(s->node[0].up && s->node[1].up);
	sim_free(s);
}

/* Nothing is believed with another nonce; the true answer that comes later counts. */
static void test_redirect_with_a_wrong_nonce(void **state)
{
	(void)state;
	static const uint8_t to[] = {192, 0, 2, 3};
	struct sim *s = answered(1, to, sizeof to, false);
	after(s, 5);
	assert_true(s->node[0].up && s->node[1].up && !s->node[2].up);
	sim_free(s);
}

static void test_redirect_to_a_name(void **state)
{
	(void)state;
	struct sim *s = answered(3, "gw.example.org", 14, true);
	assert_true(has_event(s, 0, "redirects us to the name gw.example.org"));
	sim_free(s);
}

static void test_redirect_malformed(void **state)
{
	(void)state;
	static const uint8_t to[16] = {192, 0, 2, 3};
	static const struct {
		uint8_t kind, len;
	} rows[] = {{1, 3}, {1, 16}, {2, 4}, {4, 4}, {0, 0}};
	for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct sim *s = answered(rows[i].kind, to, rows[i].len, true);
		assert_int_equal(ike_count(s->node[0].ike, IKE_COUNT_REDIRECTS), 0);
		sim_free(s);
	}
}

/* Round and round: after LIMIT_REDIRECTS nothing is followed any more. */
static void test_redirect_loop(void **state)
{
	(void)state;
	struct sim *s = start(redirected);
	s->hold = true;
	sim_up(s, 0);
	for (unsigned i = 0; i < LIMIT_REDIRECTS; i++) {
		const uint8_t to[] = {192, 0, 2, i % 2 ? 2 : 3};
		answer_init(s, 1, to, sizeof to, true);
	}
	const uint8_t to[] = {192, 0, 2, LIMIT_REDIRECTS % 2 ? 2 : 3};
	answer_init(s, 1, to, sizeof to, true);
	assert_int_equal(ike_count(s->node[0].ike, IKE_COUNT_REDIRECTS), LIMIT_REDIRECTS);
	assert_true(has_event(s, 0, "send us round"));
	sim_free(s);
}

static void test_redirect_not_allowed(void **state)
{
	(void)state;
	struct sim *s = start(NULL);
	struct ike_message m;
	struct fault f;
	s->hold = true;
	sim_up(s, 0);
	assert_int_equal(
		ike_message_parse(&m, (struct bytes){s->queue[0].bytes, s->queue[0].len}, &f), 0);
	assert_null(ike_message_notify(&m, NOTIFY_REDIRECT_SUPPORTED));
	sim_free(s);
}

/* Appends a REDIRECT to what is inside a message that node 1 sent and that is held. */
static void add_redirect(struct sim *s, unsigned at)
{
	uint8_t plain[LIMIT_MESSAGE], sealed[LIMIT_MESSAGE], iv[PROTECT_IV_RANDOM] = {9};
	static const uint8_t notify[] = {0, 0, 0, 14, 0, 0, 0x40, 0x17, 1, 4, 192, 0, 2, 3};
	struct sim_datagram *d = &s->queue[at];
	struct ike_sa *sa = s->node[1].ike->all;
	struct ike_message m;
	struct fault f;
	size_t len = 0, out = 0, marker = d->from.port == IKE_NATT_PORT ? 4 : 0;
	assert_int_equal(
		ike_message_parse(&m, (struct bytes){d->bytes + marker, d->len - marker}, &f), 0);
	/* protect_open is for what the peer sent: node 0's keys */
	struct ike_sa *reader = s->node[0].ike->all;
	assert_int_equal(
		protect_open(&reader->keys, &reader->chosen, &m, plain, sizeof plain, &len), 0);
	uint8_t first = m.sk_first;
	if (len) {
		size_t p = 0;
		while (plain[p])
			p += load_be16(plain + p + 2);
		plain[p] = PAYLOAD_NOTIFY;
	} else {
		first = PAYLOAD_NOTIFY;
	}
	memcpy(plain + len, notify, sizeof notify);
	assert_int_equal(protect_seal(&sa->keys, &sa->chosen, &m.h, first,
				      (struct bytes){plain, len + sizeof notify}, iv, sealed,
				      sizeof sealed, &out),
			 0);
	d->bytes = realloc(d->bytes, out + marker);
	memcpy(d->bytes + marker, sealed, out);
	d->len = out + marker;
}

static void test_redirect_in_auth(void **state)
{
	(void)state;
	struct sim *s = start(redirected);
	second_gateway(s);
	s->hold = true;
	sim_up(s, 0);
	for (unsigned i = 0; i < 3; i++)
		sim_deliver(s, 0); /* IKE_SA_INIT, its answer, IKE_AUTH */
	assert_int_equal(s->n_queue, 1);
	add_redirect(s, 0);
	s->hold = false;
	after(s, 2);
	assert_true(s->node[0].up && s->node[2].up && !s->node[1].up);
	sim_free(s);
}

/* In a request of the gateway: the new IKE SA first, then the old one goes. */
static void test_redirect_in_informational(void **state)
{
	(void)state;
	struct sim *s = connected(redirected);
	second_gateway(s);
	s->hold = true;
	struct ike_sa *sa = s->node[1].ike->all;
	task_add(sa, EXCHANGE_LIVENESS, 0);
	timers_arm_sa(sa);
	ike_child_expiring(s->node[1].ike, 0, s->now_ns, &s->node[1].effects);
	sim_apply(&s->node[1]);
	assert_int_equal(s->n_queue, 1);
	add_redirect(s, 0);
	s->hold = false;
	after(s, 1);
	assert_true(s->node[0].up && s->node[2].up);
	assert_int_equal(s->node[0].downs, 0);
	assert_int_equal(
		s->node[0].current
			? sim_child_find(&s->node[0], s->node[0].current)->sa.remote.addr.b[3]
			: 0,
		3);
	after(s, 10);
	assert_false(s->node[1].up);
	sim_free(s);
}

/* The gateway says REDIRECT in a request that is held; node 0's rekeying of the IKE SA is on its
 * way beside it when `rekeys`. */
static struct sim *told(bool rekeys)
{
	struct sim *s = connected(redirected);
	second_gateway(s);
	s->hold = true;
	for (unsigned i = 0; i < 2; i++) {
		struct ike_sa *sa = s->node[i].ike->all;
		if (!i && !rekeys)
			continue;
		task_add(sa, i ? EXCHANGE_LIVENESS : EXCHANGE_REKEY_IKE, 0);
		ike_child_expiring(s->node[i].ike, 0, s->now_ns, &s->node[i].effects);
		sim_apply(&s->node[i]);
	}
	add_redirect(s, (unsigned)sim_oldest_from(s, 1));
	return s;
}

static unsigned ike_sas(struct sim *s, unsigned i)
{
	unsigned n = 0;
	for (struct ike_sa *sa = s->node[i].ike->all; sa; sa = sa->next_all)
		n += sa->state == SA_ESTABLISHED || sa->state == SA_HALF_OPEN;
	return n;
}

/* All went over to node 2, the first gateway keeps nothing. */
static void moved_over(struct sim *s)
{
	assert_true(s->node[0].up && s->node[2].up && !s->node[1].up);
	assert_int_equal(s->node[0].downs, 0);
	assert_int_equal(ike_sas(s, 0), 1);
	assert_int_equal(ike_sas(s, 1), 0);
	assert_int_equal(ike_sas(s, 2), 1);
	assert_int_equal(sim_installed(&s->node[0]), 1);
	assert_int_equal(sim_installed(&s->node[1]), 0);
	assert_true(sim_agrees(&s->node[0], &s->node[2]) && sim_agrees(&s->node[2], &s->node[0]));
}

/*
 * The answer to our rekeying is late: the new IKE SA would be there before it, and the first
 * gateway would keep a successor, with the child, of which we know nothing.
 */
static void test_redirect_waits_for_rekeying(void **state)
{
	(void)state;
	struct sim *s = told(true);
	sim_deliver(s, (unsigned)sim_oldest_from(s, 1));
	sim_deliver(s, (unsigned)sim_oldest_from(s, 0)); /* the rekeying */
	int answer = sim_oldest_from(s, 1);
	assert_true(answer >= 0);
	struct sim_datagram late = s->queue[answer];
	s->queue[answer] = s->queue[--s->n_queue];
	s->hold = false;
	after(s, 0.5); /* enough for a handshake with the other one */
	assert_false(s->node[2].up);
	s->queue[s->n_queue++] = late;
	sim_deliver(s, s->n_queue - 1);
	watch_traffic(s, 1);
	after(s, 20);
	moved_over(s);
	assert_int_equal(ike_count(s->node[0].ike, IKE_COUNT_REDIRECTS), 1);
	sim_free(s);
}

/* While we authenticate anew with the gateway: that comes to its end, then the new one is left. */
static void test_redirect_waits_for_reauthentication(void **state)
{
	(void)state;
	struct sim *s = told(false);
	assert_int_equal(ike_reauthenticate(s->node[0].ike, 1, s->now_ns, &s->node[0].effects), 0);
	sim_apply(&s->node[0]);
	sim_deliver(s, (unsigned)sim_oldest_from(s, 1));
	assert_int_equal(ike_sas(s, 0), 2);
	s->hold = false;
	after(s, 0.5);
	assert_false(s->node[2].up);
	after(s, 20);
	moved_over(s);
	sim_free(s);
}

/* ---- many seeds ---- */

static uint64_t anew, packets;

/* One packet each way every 20 ms, delayed as it may be; none may find its SA gone. */
static void flow(struct sim *s, uint64_t span_ns)
{
	struct {
		uint64_t at_ns;
		uint32_t spi;
		unsigned to;
	} flying[64];
	unsigned n = 0;
	for (uint64_t end = s->now_ns + span_ns; s->now_ns < end && !s->broken;) {
		for (unsigned from = 0; from < 2 && n < 64; from++) {
			struct sim_child *out =
				sim_child_find(&s->node[from], s->node[from].current);
			if (!out) {
				sim_broken(s, "node %u has no outbound", from);
				return;
			}
			flying[n].at_ns =
				s->now_ns + NS_PER_MS + sim_below(&s->random, 60) * NS_PER_MS;
			flying[n].spi = out->spi_out;
			flying[n++].to = 1 - from;
		}
		sim_run(s, s->now_ns + 20 * NS_PER_MS);
		for (unsigned i = 0; i < n;) {
			if (flying[i].at_ns > s->now_ns) {
				i++;
				continue;
			}
			if (!sim_child_find(&s->node[flying[i].to], flying[i].spi))
				sim_broken(s, "a packet of SPI %08x is lost at node %u",
					   flying[i].spi, flying[i].to);
			flying[i] = flying[--n];
			packets++;
		}
	}
}

static bool one_seed(uint64_t seed, bool verbose)
{
	struct sim *s = sim_new(seed, 2, NULL);
	s->verbose = verbose;
	for (unsigned i = 0; i < 2; i++) {
		struct ike_connection c = sim_connection(s, i, 1 - i);
		struct fault f;
		/* long enough for what is lost to be sent again before the end of the time */
		c.reauth_ns = (80 + sim_below(&s->random, 40)) * NS_PER_S;
		c.ike_lifetime_ns = seed % 3 ? 0 : 100 * NS_PER_S;
		c.child_lifetime_ns = seed % 5 ? 0 : 90 * NS_PER_S;
		c.childless = seed % 4 == 1;
		c.mobike = seed % 4 == 2 ? IKE_MOBIKE_ON : IKE_MOBIKE_OFF;
		c.dpd_timeout_ns = 60 * NS_PER_S;
		if (seed % 7 == 3)
			c.workers = 2;
		if (ike_add(s->node[i].ike, &c, &f))
			sim_broken(s, "%s", f.text);
	}
	sim_up(s, 0);
	sim_run(s, s->now_ns + NS_PER_S);
	sim_up(s, 1);
	s->loss = (unsigned)sim_below(&s->random, 60);
	s->duplicate = 100;
	s->delay_min_ns = NS_PER_MS;
	s->delay_max_ns = (1 + sim_below(&s->random, 60)) * NS_PER_MS;
	flow(s, 300 * NS_PER_S);
	for (unsigned i = 0; i < 2 && !s->broken; i++) {
		anew += ike_count(s->node[i].ike, IKE_COUNT_REAUTHENTICATIONS);
		if (s->node[i].downs)
			sim_broken(s, "node %u went down: %.100s", i, s->node[i].last_fault.text);
		if (sim_installed(&s->node[i]) > 16)
			sim_broken(s, "node %u has %u child SAs left over", i,
				   sim_installed(&s->node[i]));
	}
	bool ok = !s->broken;
	if (!ok)
		printf("seed %llu: %s\n", (unsigned long long)seed, s->why);
	sim_free(s);
	return ok;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reauthentication),
		cmocka_unit_test(test_auth_lifetime),
		cmocka_unit_test(test_reauthentication_of_both),
		cmocka_unit_test(test_reauthentication_childless),
		cmocka_unit_test(test_reauthentication_collision),
		cmocka_unit_test(test_reauthentication_refused),
		cmocka_unit_test(test_childless),
		cmocka_unit_test(test_childless_with_workers),
		cmocka_unit_test(test_initial_contact),
		cmocka_unit_test(test_no_initial_contact),
		cmocka_unit_test(test_redirect_in_init),
		cmocka_unit_test(test_redirect_with_a_wrong_nonce),
		cmocka_unit_test(test_redirect_to_a_name),
		cmocka_unit_test(test_redirect_malformed),
		cmocka_unit_test(test_redirect_loop),
		cmocka_unit_test(test_redirect_not_allowed),
		cmocka_unit_test(test_redirect_in_auth),
		cmocka_unit_test(test_redirect_in_informational),
		cmocka_unit_test(test_redirect_waits_for_rekeying),
		cmocka_unit_test(test_redirect_waits_for_reauthentication),
	};
	uint64_t n = argc > 1 ? strtoull(argv[1], NULL, 10) : 500, bad = 0;
	if (argc > 2 && !strcmp(argv[2], "verbose"))
		return one_seed(n, true) ? 0 : 1;
	uint64_t first = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	for (uint64_t seed = first; seed < first + n && bad < 20; seed++)
		bad += !one_seed(seed, false);
	printf("%llu seeds, %llu authenticated anew, %llu packets, %llu failed\n",
	       (unsigned long long)n, (unsigned long long)anew, (unsigned long long)packets,
	       (unsigned long long)bad);
	return failed || bad || !anew || !packets;
}
