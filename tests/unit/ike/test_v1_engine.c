/* SPDX-License-Identifier: Apache-2.0 */
/*
 * IKEv1 between two engines, message by message: the wire picture stands above each step, roles are
 * swapped by a loop. What must happen is asserted, and what must not; then what a person reads when
 * it does not work.
 */
#include "ike/v1_internal.h"
#include "tests/sim/sim.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

typedef void change(struct ike_connection *c);

static struct ike_connection connection_of(struct sim *s, unsigned from, unsigned to)
{
	struct ike_connection c = sim_connection(s, from, to);
	c.ikev1 = true;
	c.ike_lifetime_ns = 8 * 3600 * NS_PER_S;
	c.child_lifetime_ns = 3600 * NS_PER_S;
	c.dpd_timeout_ns = 30 * NS_PER_S;
	c.ike[0] = (struct ike_proposal){.n_encryption = 1,
					 .n_integrity = 1,
					 .n_group = 1,
					 .n_prf = 1,
					 .encryption = {ENCR_AES_CBC_256},
					 .integrity = {AUTH_HMAC_SHA2_256_128},
					 .prf = {PRF_HMAC_SHA2_256},
					 .group = {DH_CURVE25519}};
	c.child[0] = (struct ike_proposal){.n_encryption = 1,
					   .n_integrity = 1,
					   .encryption = {ENCR_AES_CBC_128},
					   .integrity = {AUTH_HMAC_SHA1_96}};
	return c;
}

static struct sim *pair_with(const struct ike_options *options, change *both, change *second)
{
	struct sim *s = sim_new(42, 2, options);
	for (unsigned i = 0; i < 2; i++) {
		struct ike_connection c = connection_of(s, i, 1 - i);
		if (both)
			both(&c);
		if (second && i)
			second(&c);
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

/* A copy of the oldest of `from`, for later. */
static struct sim_datagram copy_of(struct sim *s, unsigned from)
{
	int i = sim_oldest_from(s, (int)from);
	assert_true(i >= 0);
	struct sim_datagram d = s->queue[i];
	d.bytes = test_malloc(d.len);
	memcpy(d.bytes, s->queue[i].bytes, d.len);
	return d;
}

/* Arrives now; the copy is used up. */
static void arrive(struct sim *s, struct sim_datagram *d)
{
	sim_enqueue(s, &d->from, &d->to, (struct bytes){d->bytes, d->len});
	sim_deliver(s, s->n_queue - 1);
	assert_false(s->broken);
	test_free(d->bytes);
}

static void settle(struct sim *s)
{
	for (unsigned i = 0; i < 1000 && s->n_queue; i++) {
		unsigned best = 0;
		for (unsigned k = 1; k < s->n_queue; k++)
			if (s->queue[k].order < s->queue[best].order)
				best = k;
		sim_deliver(s, best);
	}
	assert_int_equal(s->n_queue, 0);
	assert_false(s->broken);
}

static void wait_s(struct sim *s, unsigned seconds)
{
	sim_run(s, s->now_ns + seconds * NS_PER_S);
	assert_false(s->broken);
}

static void both_agree(struct sim *s)
{
	assert_true(s->node[0].up && s->node[1].up);
	assert_true(sim_agrees(&s->node[0], &s->node[1]));
	assert_true(sim_agrees(&s->node[1], &s->node[0]));
}

static struct sim *established(unsigned i, change *both)
{
	struct sim *s = pair_with(NULL, both, NULL);
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

static bool happened(struct sim *s, unsigned node, const char *words)
{
	struct ike_status status = status_of(s, node);
	for (unsigned i = 0; i < status.n_events; i++)
		if (strstr(status.events[i].text, words))
			return true;
	return false;
}

/* ---- main mode and quick mode ---- */

static void test_establish(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		unsigned r = 1 - i;
		struct sim *s = pair_with(NULL, NULL, NULL);
		sim_up(s, i);
		pass(s, i); /* HDR, SA, VID … --> */
		pass(s, r); /* <-- HDR, SA, VID … */
		pass(s, i); /* HDR, KE, Ni, NAT-D, NAT-D --> */
		pass(s, r); /* <-- HDR, KE, Nr, NAT-D, NAT-D */
		assert_int_equal(status_of(s, i).state, IKE_STATE_CONNECTING);
		pass(s, i); /* HDR*, IDii, HASH_I, INITIAL-CONTACT --> */
		assert_int_equal(count(s, r, IKE_COUNT_ESTABLISHED), 1);
		pass(s, r); /* <-- HDR*, IDir, HASH_R */
		assert_int_equal(count(s, i, IKE_COUNT_ESTABLISHED), 1);
		assert_int_equal(s->node[0].installs + s->node[1].installs, 0);
		pass(s, i); /* HDR*, HASH(1), SA, Ni, IDci, IDcr --> */
		/* inbound works before the peer can know its SPI, but nothing is sent yet */
		assert_int_equal(s->node[r].installs, 1);
		assert_int_equal(s->node[r].uses, 0);
		assert_false(s->node[r].up);
		pass(s, r); /* <-- HDR*, HASH(2), SA, Nr, IDci, IDcr */
		assert_true(s->node[i].up);
		pass(s, i); /* HDR*, HASH(3) --> */
		both_agree(s);
		assert_int_equal(s->n_queue, 0);
		struct ike_status status = status_of(s, i);
		assert_string_equal(status.proposal, "AES256-SHA256-PRFSHA256-CURVE25519");
		assert_string_equal(status.children[0].proposal, "AES128-SHA1");
		assert_string_equal(status.remote_id, r ? "gw2.example.org" : "gw1.example.org");
		sim_free(s);
	}
}

static void pfs(struct ike_connection *c)
{
	c->child[0].n_group = 1;
	c->child[0].group[0] = DH_ECP_256;
}

static void test_pfs(void **state)
{
	(void)state;
	struct sim *s = established(0, pfs);
	assert_string_equal(status_of(s, 0).children[0].proposal, "AES128-SHA1-ECP256");
	sim_free(s);
}

/* Each message is lost once: the initiator repeats it, and the answer is the stored one. */
static void test_every_message_may_be_lost(void **state)
{
	(void)state;
	for (unsigned lost = 0; lost < 9; lost++) {
		struct sim *s = pair_with(NULL, NULL, NULL);
		sim_up(s, 0);
		for (unsigned n = 0; n < 9; n++) {
			unsigned from = n % 2;
			if (n == lost) {
				lose(s, from);
				wait_s(s, 1);
				if (n == 8) { /* the third of quick mode: the second is repeated */
					pass(s, 1);
				} else if (from == 1) {
					pass(s, 0); /* the question again, then the answer */
				}
			}
			pass(s, from);
		}
		both_agree(s);
		assert_int_equal(s->node[0].installs, 1);
		assert_int_equal(s->node[1].installs, 1);
		sim_free(s);
	}
}

/* SECURITY C20: a repeated question gets one answer, not longer than it; nothing else does. */
static void test_no_amplification(void **state)
{
	(void)state;
	struct sim *s = pair_with(NULL, NULL, NULL);
	sim_up(s, 0);
	struct sim_datagram first = copy_of(s, 0), again = copy_of(s, 0);
	size_t asked = first.len;
	pass(s, 0);
	int i = sim_oldest_from(s, 1);
	assert_true(i >= 0 && s->queue[i].len <= asked);
	lose(s, 1);
	arrive(s, &first);
	assert_int_equal(s->n_queue, 1);
	lose(s, 1);
	/* the responder never speaks unasked */
	wait_s(s, 40);
	for (unsigned k = 0; k < s->n_queue; k++)
		assert_true(ip_addr_equal(&s->queue[k].from.addr, &s->node[0].addr));
	test_free(again.bytes);
	sim_free(s);
}

/* Every message comes twice, and once more at the end: nothing changes. */
static void test_duplicates(void **state)
{
	(void)state;
	struct sim *s = pair_with(NULL, NULL, NULL);
	struct sim_datagram kept[9];
	sim_up(s, 0);
	for (unsigned n = 0; n < 9; n++) {
		kept[n] = copy_of(s, n % 2);
		pass(s, n % 2);
	}
	both_agree(s);
	uint64_t installs = s->node[0].installs + s->node[1].installs;
	for (unsigned n = 0; n < 9; n++)
		arrive(s, &kept[n]);
	settle(s);
	both_agree(s);
	assert_int_equal(s->node[0].installs + s->node[1].installs, installs);
	assert_int_equal(s->node[0].downs + s->node[1].downs, 0);
	sim_free(s);
}

static void two_networks(struct ike_connection *c)
{
	for (unsigned side = 0; side < 2; side++) {
		struct traffic_selector *ts = side ? c->remote_ts : c->local_ts;
		ts[1] = ts[0];
		ts[1].range.first.b[0] = ts[1].range.last.b[0] = 172;
	}
	c->n_local_ts = c->n_remote_ts = 2;
}

/* Four quick modes, one after the other; one that the peer deletes is made again. */
static void test_a_child_for_each_pair(void **state)
{
	(void)state;
	struct sim *s = established(0, two_networks);
	assert_int_equal(sim_installed(&s->node[0]), 4);
	assert_int_equal(sim_installed(&s->node[1]), 4);
	assert_int_equal(s->node[0].uses, 4);
	struct ike_status status = status_of(s, 0);
	assert_int_equal(status.n_children, 4);
	for (unsigned i = 0; i < 4; i++)
		for (unsigned k = 0; k < i; k++)
			assert_true(memcmp(&status.children[i].local_ts[0],
					   &status.children[k].local_ts[0],
					   sizeof status.children[i].local_ts[0]) ||
				    memcmp(&status.children[i].remote_ts[0],
					   &status.children[k].remote_ts[0],
					   sizeof status.children[i].remote_ts[0]));
	sim_free(s);
}

/* ---- rekeying ---- */

static void test_rekey_of_a_child(void **state)
{
	(void)state;
	for (unsigned who = 0; who < 2; who++) {
		struct sim *s = established(0, NULL);
		uint32_t before[2] = {s->node[0].current, s->node[1].current};
		wait_s(s, 1);
		ike_child_expiring(s->node[who].ike, s->node[who].current, s->now_ns,
				   &s->node[who].effects);
		sim_apply(&s->node[who]);
		pass(s, who);
		pass(s, 1 - who);
		/* the initiator waits until the peer uses it, the responder has the third message
		 */
		assert_int_equal(s->node[who].current, before[who]);
		pass(s, who);
		assert_int_not_equal(s->node[1 - who].current, before[1 - who]);
		ike_child_alive(s->node[who].ike, s->node[who].children[1].spi_in, s->now_ns);
		s->hold = false;
		wait_s(s, 1);
		both_agree(s);
		assert_int_not_equal(s->node[who].current, before[who]);
		wait_s(s, 40);
		assert_int_equal(sim_installed(&s->node[0]), 1);
		assert_int_equal(sim_installed(&s->node[1]), 1);
		assert_int_equal(status_of(s, 0).rekeys_child, 1);
		assert_int_equal(status_of(s, 1).rekeys_child, 1);
		both_agree(s);
		sim_free(s);
	}
}

/* The children stay as they are; the old ISAKMP SA goes. */
static void test_rekey_of_the_isakmp_sa(void **state)
{
	(void)state;
	for (unsigned who = 0; who < 2; who++) {
		struct sim *s = established(0, NULL);
		struct ike_status before = status_of(s, 0);
		s->hold = false;
		struct ike *e = s->node[who].ike;
		task_add(v1_leading(connection_by_id(e, 1)), EXCHANGE_REKEY_IKE, 0);
		wait_s(s, 10);
		/* the queue is looked at when something happens */
		ike_child_alive(e, s->node[who].current, s->now_ns);
		wait_s(s, 70);
		struct ike_status after = status_of(s, 0);
		assert_true(after.spi_i != before.spi_i);
		assert_int_equal(after.children[0].spi_in, before.children[0].spi_in);
		assert_int_equal(s->node[0].installs + s->node[1].installs, 2);
		assert_int_equal(s->node[0].downs + s->node[1].downs, 0);
		unsigned sas = 0;
		for (struct ike_sa *sa = e->all; sa; sa = sa->next_all)
			sas++;
		assert_int_equal(sas, 1);
		both_agree(s);
		sim_free(s);
	}
}

static const uint8_t *header_of(const struct sim_datagram *d)
{
	return d->bytes + (d->to.port == IKE_NATT_PORT ? 4 : 0);
}

/* Datagrams of this exchange that wait. */
static unsigned waiting(const struct sim *s, uint8_t exchange)
{
	unsigned n = 0;
	for (unsigned i = 0; i < s->n_queue; i++)
		n += header_of(&s->queue[i])[18] == exchange;
	return n;
}

/*
 * Peers that end with an ISAKMP SA what was made by it after another one took over lose nothing by
 * us: both are rekeyed one after the other, the child by the new ISAKMP SA.
 */
static void test_rekey_of_both(void **state)
{
	(void)state;
	for (unsigned who = 0; who < 2; who++) {
		struct sim *s = established(0, NULL);
		uint64_t before = status_of(s, who).spi_i;
		ike_rekey(s->node[who].ike, 1, s->now_ns, &s->node[who].effects);
		sim_apply(&s->node[who]);
		for (unsigned message = 1; message <= V1_MAIN_MESSAGES; message++) {
			assert_int_equal(s->n_queue, 1);
			assert_int_equal(waiting(s, V1_MAIN), 1);
			pass(s, message % 2 ? who : 1 - who);
		}
		assert_int_equal(waiting(s, V1_QUICK), 1);
		uint64_t after = status_of(s, who).spi_i;
		assert_true(after != before);
		assert_true(load_be64(header_of(&s->queue[0])) == after);
		s->hold = false;
		wait_s(s, 70);
		both_agree(s);
		assert_int_equal(status_of(s, 0).rekeys_child, 1);
		assert_int_equal(status_of(s, 0).rekeys_ike, 1);
		sim_free(s);
	}
}

static void test_main_mode_waits_for_quick_mode(void **state)
{
	(void)state;
	struct sim *s = established(0, NULL);
	ike_child_expiring(s->node[0].ike, s->node[0].current, s->now_ns, &s->node[0].effects);
	ike_rekey(s->node[0].ike, 1, s->now_ns, &s->node[0].effects);
	sim_apply(&s->node[0]);
	assert_int_equal(s->n_queue, 1);
	pass(s, 0);
	assert_int_equal(waiting(s, V1_MAIN), 0);
	pass(s, 1);
	assert_int_equal(waiting(s, V1_QUICK), 1); /* the third message */
	assert_int_equal(waiting(s, V1_MAIN), 1);
	settle(s);
	s->hold = false;
	wait_s(s, 70);
	both_agree(s);
	assert_int_equal(status_of(s, 0).rekeys_ike, 1);
	sim_free(s);
}

/* A peer that does not answer main mode any more: the child is rekeyed all the same. */
static void test_quick_mode_does_not_wait_for_ever(void **state)
{
	(void)state;
	struct sim *s = established(0, NULL);
	ike_rekey(s->node[0].ike, 1, s->now_ns, &s->node[0].effects);
	sim_apply(&s->node[0]);
	wait_s(s, 9);
	assert_int_equal(waiting(s, V1_QUICK), 0);
	wait_s(s, 1);
	assert_int_equal(waiting(s, V1_QUICK), 1);
	sim_free(s);
}

static void short_life(struct ike_connection *c)
{
	c->ike_lifetime_ns = 1000 * NS_PER_S;
	c->child_lifetime_ns = 400 * NS_PER_S;
	c->child_lifetime_bytes = 1024 * 1024;
}

/* The lesser of both counts, whoever began (RESPONDER-LIFETIME). */
static void test_lifetimes_are_negotiated(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct sim *s = pair_with(NULL, NULL, short_life);
		sim_up(s, i);
		settle(s);
		both_agree(s);
		for (unsigned n = 0; n < 2; n++) {
			struct ike_status status = status_of(s, n);
			assert_in_range(status.rekey_at_ns - s->now_ns, 790 * NS_PER_S,
					930 * NS_PER_S);
			assert_in_range(status.children[0].rekey_at_ns - s->now_ns, 310 * NS_PER_S,
					370 * NS_PER_S);
		}
		assert_int_equal(s->node[1].children[0].sa.hard_bytes, 1024 * 1024);
		sim_free(s);
	}
}

/* ---- dead peer detection, deletes, INITIAL-CONTACT ---- */

static void test_dpd(void **state)
{
	(void)state;
	struct sim *s = established(0, NULL);
	s->hold = false;
	wait_s(s, 100);
	both_agree(s);
	assert_true(s->node[0].sends + s->node[1].sends > 9 + 2 * 8);
	/* the peer falls silent: 30 s of it end the connection */
	ike_free(s->node[1].ike);
	s->node[1].ike = NULL;
	wait_s(s, 60);
	assert_false(s->node[0].up);
	assert_int_equal(count(s, 0, IKE_COUNT_DPD_DEAD), 1);
	assert_true(happened(s, 0, "R-U-THERE"));
	sim_free(s);
}

static void test_delete(void **state)
{
	(void)state;
	for (unsigned who = 0; who < 2; who++) {
		struct sim *s = established(0, NULL);
		sim_down(s, who);
		settle(s);
		assert_false(s->node[0].up);
		assert_false(s->node[1].up);
		assert_int_equal(sim_installed(&s->node[0]), 0);
		assert_int_equal(sim_installed(&s->node[1]), 0);
		assert_true(happened(s, 1 - who, "the peer deleted"));
		sim_free(s);
	}
}

/* A peer that starts anew says so, and what was there is dropped at once. */
static void test_initial_contact(void **state)
{
	(void)state;
	struct sim *s = established(0, NULL);
	struct ike_options none = {0};
	wait_s(s, 5);
	while (s->n_queue)
		sim_drop(s, 0);
	ike_free(s->node[0].ike);
	assert_int_equal(
		ike_new(&s->node[0].ike, &none, &(struct ike_random){sim_fill, &s->node[0]}), 0);
	for (unsigned i = 0; i < s->node[0].n_children; i++)
		s->node[0].children[i].removed_ns = s->now_ns;
	s->node[0].up = false;
	s->node[0].current = 0;
	struct ike_connection c = connection_of(s, 0, 1);
	sim_add(s, 0, &c);
	s->hold = false;
	sim_up(s, 0);
	wait_s(s, 3);
	both_agree(s);
	assert_int_equal(sim_installed(&s->node[1]), 1);
	assert_true(happened(s, 1, "started anew"));
	sim_free(s);
}

/* ---- NAT ---- */

static void always(struct ike_connection *c)
{
	c->always_encapsulate = true;
}

static void test_nat_floats_to_4500(void **state)
{
	(void)state;
	for (unsigned who = 0; who < 2; who++) {
		struct sim *s = pair_with(NULL, NULL, always);
		sim_up(s, who);
		settle(s);
		both_agree(s);
		for (unsigned n = 0; n < 2; n++) {
			struct ike_status status = status_of(s, n);
			assert_int_equal(status.local.port, IKE_NATT_PORT);
			assert_int_equal(status.remote.port, IKE_NATT_PORT);
			assert_int_equal(status.children[0].encapsulation, ESP_IN_UDP);
		}
		assert_true(status_of(s, 0).nat_remote);
		sim_free(s);
	}
}

static void behind_nat(struct ike_connection *c)
{
	c->remote = (struct ip_addr){0};
	c->start = IKE_START_RESPOND;
}

static void test_a_real_nat(void **state)
{
	(void)state;
	struct sim *s = sim_new(42, 2, NULL);
	s->node[0].nat = sim_addr("198.51.100.77");
	for (unsigned i = 0; i < 2; i++) {
		struct ike_connection c = connection_of(s, i, 1 - i);
		c.dpd_timeout_ns = 0; /* its questions would keep the mapping, too */
		if (i)
			behind_nat(&c);
		sim_add(s, i, &c);
	}
	sim_up(s, 0);
	wait_s(s, 3);
	both_agree(s);
	struct ike_status a = status_of(s, 0), b = status_of(s, 1);
	assert_true(a.nat_local && !a.nat_remote);
	assert_true(b.nat_remote && !b.nat_local);
	assert_int_equal(b.remote.port, IKE_NATT_PORT + 20000);
	assert_int_equal(a.children[0].encapsulation, ESP_IN_UDP);
	/* the mapping is kept */
	wait_s(s, 100);
	assert_true(s->node[0].keepalives > 0);
	sim_free(s);
}

/* A peer that knows the draft only: its numbers are spoken. */
static void test_the_drafts_of_nat_traversal(void **state)
{
	(void)state;
	static const struct {
		uint8_t vendors; /* that are left in message 1, from the end */
		uint8_t natt;
	} rows[] = {{3, V1_NATT_DRAFT_03}, {2, V1_NATT_DRAFT_02N}, {1, V1_NATT_DRAFT_02}};
	for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct sim *s = pair_with(NULL, always, NULL);
		sim_up(s, 0);
		/* the last of our five vendor IDs are the drafts': others become unknown */
		struct sim_datagram *d = &s->queue[0];
		for (unsigned k = rows[i].vendors; k < 4; k++)
			d->bytes[d->len - 20 * (k + 1) + 4] ^= 0xff;
		pass(s, 0);
		struct ike_sa *sa = s->node[1].ike->all;
		assert_int_equal(sa->v1->natt, rows[i].natt);
		settle(s);
		both_agree(s);
		assert_int_equal(v1_leading(connection_by_id(s->node[0].ike, 1))->v1->natt,
				 rows[i].natt);
		assert_int_equal(v1_mode_of(v1_leading(connection_by_id(s->node[0].ike, 1))),
				 V1_MODE_UDP_TUNNEL_DRAFT);
		assert_int_equal(status_of(s, 1).children[0].encapsulation, ESP_IN_UDP);
		sim_free(s);
	}
}

/* ---- what a person reads ---- */

static void other_key(struct ike_connection *c)
{
	assert_int_equal(secret_set(&c->psk, "quite another pre-shared key", 28), 0);
}
static void other_cipher(struct ike_connection *c)
{
	c->ike[0].encryption[0] = ENCR_AES_CBC_128;
}
static void other_hash(struct ike_connection *c)
{
	c->ike[0].integrity[0] = AUTH_HMAC_SHA1_96;
}
static void other_group(struct ike_connection *c)
{
	c->ike[0].group[0] = DH_MODP_1024;
}
static void other_child_cipher(struct ike_connection *c)
{
	c->child[0].encryption[0] = ENCR_3DES;
}
static void other_identity(struct ike_connection *c)
{
	assert_int_equal(identity_parse(&c->local_id, "elsewhere.example.org"), 0);
}
static void other_name_for_us(struct ike_connection *c)
{
	assert_int_equal(identity_parse(&c->remote_id, "somebody.example.org"), 0);
}
static void other_selectors(struct ike_connection *c)
{
	c->local_ts[0] = sim_ts("172.20.0.0/16");
}

struct row {
	const char *name;
	change *spoil;
	const char *initiator[3], *responder[3];
};
static const struct row rows[] = {
	{"pre-shared key",
	 other_key,
	 {"AUTHENTICATION-FAILED", "message 5", "pre-shared keys"},
	 {"message 5", "does not decrypt", "pre-shared keys"}},
	{"encryption", other_cipher, {"NO-PROPOSAL-CHOSEN"}, {"encryption", "AES256", "AES128"}},
	{"hash", other_hash, {"NO-PROPOSAL-CHOSEN"}, {"integrity", "SHA256", "SHA1"}},
	{"group",
	 other_group,
	 {"NO-PROPOSAL-CHOSEN", "CURVE25519"},
	 {"key exchange group", "MODP1024", "CURVE25519"}},
	{"encryption of the child SA",
	 other_child_cipher,
	 {"NO-PROPOSAL-CHOSEN", "quick mode", "AES128-SHA1"},
	 {"quick mode of the peer", "encryption", "3DES"}},
	{"PFS",
	 pfs,
	 {"NO-PROPOSAL-CHOSEN", "PFS"},
	 {"key exchange group", "ours ECP256", "theirs none"}},
	{"our identity", other_identity, {"elsewhere.example.org", "gw2.example.org"}, {NULL}},
	{"the peer's identity",
	 other_name_for_us,
	 {"AUTHENTICATION-FAILED"},
	 {"gw1.example.org", "somebody.example.org"}},
	{"selectors",
	 other_selectors,
	 {"INVALID-ID-INFORMATION", "10.1.0.0/16", "10.2.0.0/16"},
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

static void test_diagnosis(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct sim *s = pair_with(NULL, NULL, rows[i].spoil);
		s->hold = false;
		/* only one side begins */
		sim_up(s, 0);
		wait_s(s, 1);
		struct ike_status a = status_of(s, 0), b = status_of(s, 1);
		assert_false(s->node[0].up);
		assert_false(s->node[1].up);
		must_hold(rows[i].name, "initiator", &a.last_error, rows[i].initiator);
		must_hold(rows[i].name, "responder", &b.last_error, rows[i].responder);
		sim_free(s);
	}
}

static void test_silence(void **state)
{
	(void)state;
	struct sim *s = sim_new(1, 2, NULL);
	struct ike_connection a = connection_of(s, 0, 1);
	static const char *const final[3] = {"6 requests of main mode message 1",
					     "nothing was ever", "speaks IKEv1"};
	static const char *const fifth[3] = {"main mode message 5", "it did answer",
					     "pre-shared keys"};
	sim_add(s, 0, &a);
	sim_up(s, 0);
	wait_s(s, 43);
	assert_int_equal(s->node[0].faileds, 1);
	must_hold("silence", "final", &s->node[0].last_fault, final);
	sim_free(s);
	/* a peer that goes silent at message 5 */
	s = pair_with(NULL, NULL, NULL);
	sim_up(s, 0);
	for (unsigned n = 0; n < 4; n++)
		pass(s, n % 2);
	ike_free(s->node[1].ike);
	s->node[1].ike = NULL;
	s->hold = false;
	wait_s(s, 45);
	must_hold("silence", "message 5", &s->node[0].last_fault, fifth);
	sim_free(s);
}

/* The other side of that: who answered says which message never came. */
static void test_silence_of_who_began(void **state)
{
	(void)state;
	static const char *const third[3] = {"192.0.2.1:500 began and was answered",
					     "no main mode message 3", "of it came in 30 s"};
	static const char *const fifth[3] = {"no main mode message 5", "of it came in 30 s"};
	for (unsigned passed = 2; passed <= 4; passed += 2) {
		struct sim *s = pair_with(NULL, NULL, NULL);
		sim_up(s, 0);
		for (unsigned n = 0; n < passed; n++)
			pass(s, n % 2);
		ike_free(s->node[0].ike);
		s->node[0].ike = NULL;
		while (s->n_queue)
			sim_drop(s, 0);
		s->hold = false;
		wait_s(s, 32);
		struct ike_status st = status_of(s, 1);
		must_hold("silence", "responder", &st.last_error, passed == 2 ? third : fifth);
		sim_free(s);
	}
}

/* What came from the peer's address is said when it was no answer. */
static void test_no_answer_but_something(void **state)
{
	(void)state;
	static const uint8_t junk[40] = "of another protocol altogether";
	static const char *const words[3] = {"main mode message 1",
					     "1 datagrams came from that address", "wrong header"};
	struct sim *s = sim_new(1, 2, NULL);
	struct ike_connection a = connection_of(s, 0, 1);
	struct ip_endpoint from = {s->node[1].addr, IKE_PORT}, to = {s->node[0].addr, IKE_PORT};
	sim_add(s, 0, &a);
	sim_up(s, 0);
	ike_receive(s->node[0].ike, &to, &from, (struct bytes){junk, sizeof junk}, s->now_ns,
		    &s->node[0].effects);
	sim_apply(&s->node[0]);
	wait_s(s, 43);
	must_hold("no answer", "final", &s->node[0].last_fault, words);
	sim_free(s);
}

/* ---- hostile ---- */

static struct sim_datagram message(struct sim *s, uint8_t exchange, uint64_t spi_r, uint8_t flags)
{
	uint8_t out[200];
	struct builder b;
	struct ike_header h = {
		.spi_i = 0x5151, .spi_r = spi_r, .exchange = exchange, .flags = flags};
	builder_init(&b, out, sizeof out);
	v1_header(&b, &h);
	out[19] = flags;
	v1_raw(&b, V1_NONCE, (struct bytes){(const uint8_t *)"0123456789abcdef", 16});
	v1_raw(&b, V1_VENDOR, (struct bytes){(const uint8_t *)"0123456789abcdef", 16});
	builder_finish(&b);
	struct sim_datagram d = {.from = {s->node[0].addr, IKE_PORT},
				 .to = {s->node[1].addr, IKE_PORT},
				 .len = builder_bytes(&b).len};
	d.bytes = test_malloc(d.len);
	memcpy(d.bytes, builder_bytes(&b).at, d.len);
	return d;
}

/* SECURITY C17 (CVE-2018-5389) and A5 (CVE-2023-30570): aggressive mode, which gives the hash of
 * the key to whoever asks, is refused, as is all else that is not built. */
static void test_what_is_not_built(void **state)
{
	(void)state;
	static const struct {
		uint8_t exchange;
		const char *name;
	} kinds[] = {{V1_AGGRESSIVE, "aggressive mode"},    {V1_BASE, "base exchange"},
		     {V1_AUTH_ONLY, "authentication-only"}, {V1_TRANSACTION, "XAUTH"},
		     {V1_NEW_GROUP, "new group"},	    {99, "unknown exchange"}};
	for (unsigned i = 0; i < sizeof kinds / sizeof *kinds; i++) {
		struct sim *s = pair_with(NULL, NULL, NULL);
		struct sim_datagram d = message(s, kinds[i].exchange, 0, 0);
		size_t asked = d.len;
		arrive(s, &d);
		struct ike_status status = status_of(s, 1);
		assert_non_null(strstr(status.last_error.text, kinds[i].name));
		assert_non_null(strstr(status.last_error.text, "not built"));
		assert_int_equal(count(s, 1, IKE_COUNT_MALFORMED), 1);
		assert_int_equal(s->n_queue, 1);
		assert_true(s->queue[0].len <= asked);
		sim_free(s);
	}
}

/* SECURITY A6 (CVE-2013-6076): fragments of IKEv1 are not built: as any message of no use, whatever
 * their numbers, and the handshake goes on. */
static void test_fragments_are_not_built(void **state)
{
	static const uint8_t bodies[][4] = {{0, 1, 1, 1}, {0, 1, 0, 0}, {0, 0, 255, 1}, {0}};
	(void)state;
	for (unsigned i = 0; i < 2 * sizeof bodies / sizeof *bodies; i++) {
		struct sim *s = pair_with(NULL, NULL, NULL);
		uint8_t out[200];
		struct builder b;
		struct ip_endpoint from = {s->node[0].addr, IKE_PORT},
				   to = {s->node[1].addr, IKE_PORT};
		struct ike_header h = {.spi_i = 0x5151, .exchange = V1_MAIN};
		sim_up(s, 0);
		if (i % 2) { /* in the middle of main mode */
			pass(s, 0);
			pass(s, 1);
			h.spi_i = s->node[1].ike->all->spi_i;
			h.spi_r = s->node[1].ike->all->spi_r;
		}
		builder_init(&b, out, sizeof out);
		v1_header(&b, &h);
		v1_raw(&b, 132, (struct bytes){bodies[i / 2], i / 2 == 3 ? 0 : 4});
		builder_finish(&b);
		unsigned before = s->n_queue;
		sim_enqueue(s, &from, &to, builder_bytes(&b));
		sim_deliver(s, s->n_queue - 1);
		assert_in_range(s->n_queue, before, before + 1);
		if (s->n_queue > before)
			assert_true(s->queue[before].len <= builder_bytes(&b).len);
		while (s->n_queue > before)
			sim_drop(s, s->n_queue - 1);
		settle(s);
		both_agree(s);
		assert_int_equal(s->node[1].installs, 1);
		sim_free(s);
	}
}

/* SECURITY A5: informational exchanges without state, before authentication, unprotected. */
static void test_informational_without_state(void **state)
{
	(void)state;
	struct sim *s = established(0, NULL);
	struct ike_status before = status_of(s, 1);
	uint8_t out[200], cookies[16];
	struct builder b;
	store_be64(cookies, before.spi_i);
	store_be64(cookies + 8, before.spi_r);
	for (unsigned how = 0; how < 6; how++) {
		struct ike_header h = {.spi_i = how & 1 ? before.spi_i : 0x99,
				       .spi_r = how & 1 ? before.spi_r : 0x88,
				       .exchange = V1_INFORMATIONAL,
				       .id = 77 + how};
		builder_init(&b, out, sizeof out);
		v1_header(&b, &h);
		if (how < 2)
			v1_delete(&b, PROTOCOL_IKE, (struct bytes){cookies, 16});
		else if (how < 4)
			v1_notify(&b, PROTOCOL_IKE, (struct bytes){cookies, 16},
				  V1_NOTIFY_R_U_THERE, (struct bytes){cookies, 4});
		else
			v1_notify(&b, PROTOCOL_IKE, (struct bytes){cookies, 16},
				  V1_NOTIFY_INITIAL_CONTACT, (struct bytes){NULL, 0});
		builder_finish(&b);
		struct ip_endpoint from = {s->node[0].addr, IKE_PORT},
				   to = {s->node[1].addr, IKE_PORT};
		sim_enqueue(s, &from, &to, builder_bytes(&b));
		sim_deliver(s, s->n_queue - 1);
		assert_int_equal(s->n_queue, 0);
	}
	both_agree(s);
	sim_free(s);
}

/* SECURITY B10: a quick mode before main mode is complete makes nothing. */
static void test_quick_mode_before_authentication(void **state)
{
	(void)state;
	struct sim *s = pair_with(NULL, NULL, NULL);
	sim_up(s, 0);
	for (unsigned n = 0; n < 4; n++)
		pass(s, n % 2);
	struct ike_sa *sa = s->node[1].ike->all;
	struct sim_datagram d = message(s, V1_QUICK, sa->spi_r, V1_FLAG_ENCRYPTED);
	store_be64(d.bytes, sa->spi_i);
	store_be32(d.bytes + 20, 4711);
	arrive(s, &d);
	assert_int_equal(s->node[1].installs, 0);
	assert_int_equal(sa->v1->n_quicks, 0);
	assert_int_equal(sa->state, SA_HALF_OPEN);
	settle(s);
	both_agree(s);
	sim_free(s);
}

/* Message 5 of somebody else does not end the handshake of the true peer. */
static void test_garbage_as_message_5(void **state)
{
	(void)state;
	struct sim *s = pair_with(NULL, NULL, NULL);
	sim_up(s, 0);
	for (unsigned n = 0; n < 4; n++)
		pass(s, n % 2);
	for (unsigned i = 0; i < 20; i++) {
		struct sim_datagram d = copy_of(s, 0);
		d.bytes[IKE_HEADER_BYTES + i] ^= 0x40;
		arrive(s, &d);
	}
	while (sim_oldest_from(s, 1) >= 0)
		lose(s, 1);
	pass(s, 0);
	assert_int_equal(count(s, 1, IKE_COUNT_ESTABLISHED), 1);
	settle(s);
	both_agree(s);
	sim_free(s);
}

/* The commit bit is not acted upon (RFC 2408 section 3.1). */
static void test_commit_bit(void **state)
{
	(void)state;
	struct sim *s = pair_with(NULL, NULL, NULL);
	sim_up(s, 0);
	for (unsigned n = 0; n < 9; n++) {
		struct sim_datagram *d = &s->queue[sim_oldest_from(s, (int)(n % 2))];
		d->bytes[19] |= V1_FLAG_COMMIT;
		pass(s, n % 2);
	}
	both_agree(s);
	sim_free(s);
}

/* SECURITY D25: half of the half-open table is IKEv1's share, and it ages. */
static void test_half_open_is_capped(void **state)
{
	(void)state;
	struct ike_options o = {.max_half_open = 20};
	struct sim *s = pair_with(&o, NULL, NULL);
	sim_up(s, 0);
	struct sim_datagram first = copy_of(s, 0);
	lose(s, 0);
	for (unsigned i = 0; i < 50; i++) {
		struct sim_datagram d = first;
		d.bytes = test_malloc(first.len);
		memcpy(d.bytes, first.bytes, first.len);
		store_be64(d.bytes, 0x1000 + i);
		arrive(s, &d);
	}
	assert_int_equal(s->node[1].ike->n_half_open, 10);
	assert_int_equal(count(s, 1, IKE_COUNT_HALF_OPEN_FULL), 40);
	while (s->n_queue)
		sim_drop(s, 0);
	/* they are forgotten by themselves */
	wait_s(s, 31);
	assert_int_equal(s->node[1].ike->n_half_open, 0);
	test_free(first.bytes);
	sim_free(s);
}

/* The address does not tell the peers apart, their keys do. */
static void test_keys_of_several_peers(void **state)
{
	(void)state;
	struct sim *s = sim_new(42, 2, NULL);
	struct ike_connection c = connection_of(s, 0, 1);
	sim_add(s, 0, &c);
	for (unsigned i = 0; i < 5; i++) {
		c = connection_of(s, 1, 0);
		behind_nat(&c);
		c.id = i + 1;
		if (i != 3)
			other_key(&c);
		c.psk.b[0] = (uint8_t)(i == 3 ? c.psk.b[0] : 'A' + i);
		sim_add(s, 1, &c);
	}
	sim_up(s, 0);
	wait_s(s, 3);
	assert_true(s->node[0].up && s->node[1].up);
	struct ike_status status;
	assert_int_equal(ike_status(s->node[1].ike, 4, &status), 0);
	assert_int_equal(status.state, IKE_STATE_ESTABLISHED);
	sim_free(s);
}

/* A connection of one version is not touched by the other. */
static void test_versions_do_not_mix(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct sim *s = sim_new(42, 2, NULL);
		struct ike_connection a = i ? sim_connection(s, 0, 1) : connection_of(s, 0, 1);
		struct ike_connection b = i ? connection_of(s, 1, 0) : sim_connection(s, 1, 0);
		sim_add(s, 0, &a);
		sim_add(s, 1, &b);
		sim_up(s, 0);
		wait_s(s, 2);
		assert_false(s->node[0].up || s->node[1].up);
		assert_true(count(s, 1, IKE_COUNT_UNKNOWN_PEER) > 0);
		assert_null(s->node[1].ike->all);
		struct ike_status status = status_of(s, 1);
		assert_non_null(strstr(status.last_error.text,
				       i ? "begins by IKEv2, this connection is by IKEv1"
					 : "begins by IKEv1, this connection is by IKEv2"));
		sim_free(s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_establish),
		cmocka_unit_test(test_pfs),
		cmocka_unit_test(test_every_message_may_be_lost),
		cmocka_unit_test(test_no_amplification),
		cmocka_unit_test(test_duplicates),
		cmocka_unit_test(test_a_child_for_each_pair),
		cmocka_unit_test(test_rekey_of_a_child),
		cmocka_unit_test(test_rekey_of_the_isakmp_sa),
		cmocka_unit_test(test_rekey_of_both),
		cmocka_unit_test(test_main_mode_waits_for_quick_mode),
		cmocka_unit_test(test_quick_mode_does_not_wait_for_ever),
		cmocka_unit_test(test_lifetimes_are_negotiated),
		cmocka_unit_test(test_dpd),
		cmocka_unit_test(test_delete),
		cmocka_unit_test(test_initial_contact),
		cmocka_unit_test(test_nat_floats_to_4500),
		cmocka_unit_test(test_a_real_nat),
		cmocka_unit_test(test_the_drafts_of_nat_traversal),
		cmocka_unit_test(test_diagnosis),
		cmocka_unit_test(test_silence),
		cmocka_unit_test(test_silence_of_who_began),
		cmocka_unit_test(test_no_answer_but_something),
		cmocka_unit_test(test_what_is_not_built),
		cmocka_unit_test(test_fragments_are_not_built),
		cmocka_unit_test(test_informational_without_state),
		cmocka_unit_test(test_quick_mode_before_authentication),
		cmocka_unit_test(test_garbage_as_message_5),
		cmocka_unit_test(test_commit_bit),
		cmocka_unit_test(test_half_open_is_capped),
		cmocka_unit_test(test_keys_of_several_peers),
		cmocka_unit_test(test_versions_do_not_mix),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
