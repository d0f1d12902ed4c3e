/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Peers that lie in one message, IKEv1: what sim_impair.c does for IKEv2, named after libreswan's
 * `impair` too. Where the lie stands behind HASH(1) or HASH(2) of phase 2, that hash is made anew:
 * whoever lies has the keys.
 *
 * In other files: jacob_two_two, duplicate_*, replay_*, drop_*, block_* are test_duplicates,
 * test_every_message_may_be_lost and test_dpd of tests/unit/ike/test_v1_engine.c, and the attacker
 * of sim_v1.c. What has no place here is listed at the head of sim_impair.c.
 */
#include "liar.h"

#include "ike/v1_internal.h"

/* Message of main mode or of quick mode that a row means; NOTICE: an informational exchange. */
enum place {
	MAIN_1 = 1,
	MAIN_2,
	MAIN_3,
	MAIN_4,
	MAIN_5,
	MAIN_6,
	QUICK_1,
	QUICK_2,
	QUICK_3,
	NOTICE
};

/* ---- opening and closing ---- */

static struct v1_quick *quick_of(struct ike_sa *sa, uint32_t id)
{
	for (struct v1_quick *q = sa->v1->quicks; q; q = q->next)
		if (q->id == id)
			return q;
	return NULL;
}

static void first_iv(struct ike_sa *sa, uint8_t iv[V1_IV])
{
	const struct v1_phase1 *p = sa->v1->phase1;
	assert_int_equal(v1_first_iv(iv, sa->chosen.prf,
				     (struct bytes){p->public_i, p->public_i_len},
				     (struct bytes){p->public_r, p->public_r_len}),
			 0);
}

/* The IV of a message that `reader` has not got yet. */
static void iv_of(struct ike_sa *reader, uint32_t id, uint8_t iv[V1_IV])
{
	const struct v1_quick *q = id ? quick_of(reader, id) : NULL;
	if (q)
		memcpy(iv, q->iv, V1_IV);
	else if (id)
		assert_int_equal(v1_phase2_iv(iv, &reader->chosen, reader->v1->iv, id), 0);
	else if (reader->v1->expects == 5) /* it knows only then whose key it is */
		first_iv(reader, iv);
	else
		memcpy(iv, reader->v1->iv, V1_IV);
}

static size_t write_message(struct words *w, uint8_t *out, size_t room)
{
	struct builder b;
	builder_init(&b, out, room);
	v1_header(&b, &w->h);
	out[16] = w->n ? w->at[0].type : 0;
	out[17] = w->version;
	size_t len = IKE_HEADER_BYTES + liar_write(w, out + IKE_HEADER_BYTES, room - 28);
	if (w->h.flags & V1_FLAG_ENCRYPTED)
		for (; (len - IKE_HEADER_BYTES) % V1_IV; len++)
			out[len] = 0;
	store_be32(out + 24, (uint32_t)len);
	return len;
}

/* `gone`: the liar has forgotten the SA, whose keys are the other end's too. */
static void change_it(struct hand *h, unsigned from, struct sim_datagram *d, lie how, bool gone)
{
	uint8_t plain[LIMIT_MESSAGE], out[LIMIT_MESSAGE], iv[V1_IV], next[V1_IV];
	struct words *w = calloc(1, sizeof *w);
	size_t marker = d->from.port == IKE_NATT_PORT ? 4 : 0, len = d->len - marker - 28;
	const uint8_t *b = d->bytes + marker;
	if (!w)
		abort();
	w->h = (struct ike_header){.spi_i = load_be64(b),
				   .spi_r = load_be64(b + 8),
				   .exchange = b[18],
				   .flags = b[19],
				   .id = load_be32(b + 20)};
	w->version = b[17];
	w->sa = gone ? liar_sa(h, 1 - from, &w->h) : liar_sa(h, from, &w->h);
	bool sealed = w->h.flags & V1_FLAG_ENCRYPTED;
	if (sealed) {
		struct ike_sa *reader = liar_sa(h, 1 - from, &w->h);
		iv_of(reader, w->h.id, iv);
		memcpy(next, iv, sizeof iv);
		assert_int_equal(v1_decrypt(&w->sa->v1->keys, &w->sa->chosen, next,
					    (struct bytes){b + 28, len}, plain),
				 0);
	} else {
		memcpy(plain, b + 28, len);
	}
	liar_read(w, b[16], plain, len);
	how(w);
	len = write_message(w, out, sizeof out);
	if (sealed) {
		assert_int_equal(
			v1_encrypt(&w->sa->v1->keys, &w->sa->chosen, iv, out + 28, len - 28), 0);
		struct v1_quick *q = w->h.id ? quick_of(w->sa, w->h.id) : NULL;
		if (q)
			memcpy(q->iv, iv, V1_IV);
		else if (!w->h.id)
			memcpy(w->sa->v1->iv, iv, V1_IV);
	}
	d->bytes = realloc(d->bytes, marker + len);
	if (!d->bytes)
		abort();
	memcpy(d->bytes + marker, out, len);
	d->len = marker + len;
	free(w);
}

/* HASH(1), or HASH(2) when Ni stands before the rest, over what the message says now. */
static void hash_anew(struct words *w, struct bytes before)
{
	uint8_t rest[LIMIT_MESSAGE], number[4], hash[PRF_MAX];
	struct words *tail = calloc(1, sizeof *tail);
	size_t len = 0;
	if (!tail)
		abort();
	assert_int_equal(w->at[0].type, V1_HASH);
	tail->n = w->n - 1;
	memcpy(tail->at, w->at + 1, tail->n * sizeof w->at[0]);
	size_t n = liar_write(tail, rest, sizeof rest);
	free(tail);
	store_be32(number, w->h.id);
	struct bytes parts[] = {{number, 4}, before, {rest, n}};
	assert_int_equal(v1_hash_phase2(&w->sa->v1->keys, w->sa->chosen.prf, parts, 3, hash, &len),
			 0);
	memcpy(w->at[0].b, hash, len);
	w->at[0].len = len;
}
static void hash_1(struct words *w)
{
	hash_anew(w, (struct bytes){NULL, 0});
}

/* ---- lies ---- */

static void ke_payload_omit(struct words *w)
{
	liar_omit(w, V1_KE);
}
static void ke_payload_empty(struct words *w)
{
	liar_find(w, V1_KE)->len = 0;
}
static void ke_payload_duplicate(struct words *w)
{
	struct part ke = *liar_find(w, V1_KE);
	liar_add(w, V1_KE, ke.b, ke.len);
}
static void ke_payload_0(struct words *w)
{
	struct part *ke = liar_find(w, V1_KE);
	memset(ke->b, 0, ke->len);
}

/* The attribute of the key length in the first transform: DOI and situation, proposal, its SPI,
 * transform, attributes. `type`: 14 in phase 1, 6 in phase 2. */
static size_t key_length(struct part *sa, uint16_t type)
{
	size_t transform = 8 + 8u + sa->b[8 + 6],
	       end = transform + load_be16(sa->b + transform + 2);
	for (size_t at = transform + 8; at + 4 <= end;) {
		uint16_t kind = load_be16(sa->b + at);
		if (kind == (0x8000 | type))
			return at;
		at += kind & 0x8000 ? 4 : 4u + load_be16(sa->b + at + 2);
	}
	fail_msg("no key length");
	return 0;
}
static void resize(struct part *sa, size_t at, size_t n, const void *b, size_t m)
{
	size_t transform = 8 + 8u + sa->b[8 + 6];
	store_be16(sa->b + 10, (uint16_t)(load_be16(sa->b + 10) - n + m));
	store_be16(sa->b + transform + 2, (uint16_t)(load_be16(sa->b + transform + 2) - n + m));
	liar_splice(sa, at, n, b, m);
}
static void length_omit(struct words *w, uint16_t type)
{
	struct part *sa = liar_find(w, V1_SA);
	resize(sa, key_length(sa, type), 4, NULL, 0);
}
static void length_empty(struct words *w, uint16_t type)
{
	const uint8_t empty[] = {0, (uint8_t)type, 0, 0};
	struct part *sa = liar_find(w, V1_SA);
	resize(sa, key_length(sa, type), 4, empty, 4);
}
static void length_of(struct words *w, uint16_t type, uint16_t bits)
{
	struct part *sa = liar_find(w, V1_SA);
	store_be16(sa->b + key_length(sa, type) + 2, bits);
}
/* The attribute once more, in front of itself. */
static void length_again(struct words *w, uint16_t type, uint16_t bits)
{
	uint8_t more[4];
	struct part *sa = liar_find(w, V1_SA);
	size_t at = key_length(sa, type);
	store_be16(more, (uint16_t)(0x8000 | type));
	store_be16(more + 2, bits ? bits : load_be16(sa->b + at + 2));
	resize(sa, at, 0, more, sizeof more);
}
static void ike_key_length_attribute_omit(struct words *w)
{
	length_omit(w, 14);
}
static void ike_key_length_attribute_empty(struct words *w)
{
	length_empty(w, 14);
}
static void ike_key_length_attribute_0(struct words *w)
{
	length_of(w, 14, 0);
}
static void ike_key_length_attribute_differs(struct words *w)
{
	length_again(w, 14, 128);
}
static void child_key_length_attribute_duplicate(struct words *w)
{
	length_again(w, 6, 0);
	hash_1(w);
}
static void child_key_length_attribute_differs(struct words *w)
{
	length_again(w, 6, 256);
	hash_1(w);
}
static void child_key_length_attribute_omit(struct words *w)
{
	length_omit(w, 6);
	hash_1(w);
}
static void child_key_length_attribute_empty(struct words *w)
{
	length_empty(w, 6);
	hash_1(w);
}
static void child_key_length_attribute_0(struct words *w)
{
	length_of(w, 6, 0);
	hash_1(w);
}

static void v1_hash_payload_omit(struct words *w)
{
	liar_omit(w, V1_HASH);
}
static void v1_hash_payload_empty(struct words *w)
{
	liar_find(w, V1_HASH)->len = 0;
}
static void v1_hash_payload_duplicate(struct words *w)
{
	struct part hash = *liar_find(w, V1_HASH);
	liar_add(w, V1_HASH, hash.b, hash.len);
}
static void v1_hash_payload_0(struct words *w)
{
	struct part *hash = liar_find(w, V1_HASH);
	memset(hash->b, 0, hash->len);
}

/* IDci and IDcr are the last two. */
static void v1_remote_quick_id(struct words *w)
{
	w->at[w->n - 1].b[4] ^= 1;
	hash_1(w);
}
static void v1_emit_quick_id_0(struct words *w)
{
	liar_omit(w, V1_ID);
	liar_omit(w, V1_ID);
	hash_1(w);
}
static void v1_emit_quick_id_1(struct words *w)
{
	liar_omit(w, V1_ID);
	hash_1(w);
}
static void v1_emit_quick_id_3(struct words *w)
{
	struct part id = *liar_find(w, V1_ID);
	liar_add(w, V1_ID, id.b, id.len);
	hash_1(w);
}
static void v1_delete_payload_omit(struct words *w)
{
	liar_omit(w, V1_DELETE);
	hash_1(w);
}
static void v1_delete_payload_empty(struct words *w)
{
	liar_find(w, V1_DELETE)->len = 0;
	hash_1(w);
}
static void v1_delete_payload_duplicate(struct words *w)
{
	struct part p = *liar_find(w, V1_DELETE);
	liar_add(w, V1_DELETE, p.b, p.len);
	hash_1(w);
}
/* One SPI said, 65535 counted. */
static void v1_delete_payload_count(struct words *w)
{
	store_be16(liar_find(w, V1_DELETE)->b + 6, 65535);
	hash_1(w);
}
static void ikev1_del_with_notify(struct words *w)
{
	static const uint8_t bogus[] = {0, 0, 0, 1, 3, 4, 0x13, 0x37, 1, 2, 3, 4};
	liar_add(w, V1_NOTIFY, bogus, sizeof bogus);
	hash_1(w);
}
static void bust(struct words *w)
{
	static const uint8_t much[LIAR_BODY] = {1};
	for (unsigned i = 0; i < 3; i++)
		liar_add(w, V1_VENDOR, much, sizeof much);
}
static void major_version_bump(struct words *w)
{
	w->version = 0x30;
}
static void minor_version_bump(struct words *w)
{
	w->version = 0x11;
}
static void send_bogus_isakmp_flag(struct words *w)
{
	w->h.flags |= 0xf0;
}
static void send_bogus_payload_flag(struct words *w)
{
	for (unsigned i = 0; i < w->n; i++)
		w->at[i].flags = 0xff;
	if (w->at[0].type == V1_HASH)
		hash_1(w);
}
static void copy_v1_notify_response_SPIs(struct words *w)
{
	w->h.spi_r = 0x1122334455667788;
}

/* ---- rows ---- */

static void order_delete_child(struct hand *h)
{
	struct sim_node *n = hand_node(h, 0);
	hand_expire_child(h, 0, n->current);
}
static void order_delete_ike(struct hand *h)
{
	sim_down(h->s, 0);
}

enum outcome { UP, REFUSED, STAYS, GONE };
struct row {
	const char *name;
	lie how;
	enum place place;
	enum outcome outcome;
	void (*order)(struct hand *h);
};

static struct row rows[] = {
	{"ke-payload:omit, initiator", ke_payload_omit, MAIN_3, REFUSED, NULL},
	{"ke-payload:omit, responder", ke_payload_omit, MAIN_4, REFUSED, NULL},
	{"ke-payload:empty, initiator", ke_payload_empty, MAIN_3, REFUSED, NULL},
	{"ke-payload:empty, responder", ke_payload_empty, MAIN_4, REFUSED, NULL},
	{"ke-payload:duplicate", ke_payload_duplicate, MAIN_3, REFUSED, NULL},
	{"ke-payload:0, initiator", ke_payload_0, MAIN_3, REFUSED, NULL},
	{"ke-payload:0, responder", ke_payload_0, MAIN_4, REFUSED, NULL},
	{"ike-key-length-attribute:omit", ike_key_length_attribute_omit, MAIN_1, REFUSED, NULL},
	{"ike-key-length-attribute:empty", ike_key_length_attribute_empty, MAIN_1, REFUSED, NULL},
	{"ike-key-length-attribute:0", ike_key_length_attribute_0, MAIN_1, REFUSED, NULL},
	{"ike-key-length-attribute:0, responder", ike_key_length_attribute_0, MAIN_2, REFUSED,
	 NULL},
	{"ike-key-length-attribute:duplicate, of two values", ike_key_length_attribute_differs,
	 MAIN_1, REFUSED, NULL},
	{"ike-key-length-attribute:duplicate, of two values, responder",
	 ike_key_length_attribute_differs, MAIN_2, REFUSED, NULL},
	/* AES without one is AES-128 to old routers, and so it is to us */
	{"child-key-length-attribute:omit", child_key_length_attribute_omit, QUICK_1, UP, NULL},
	{"child-key-length-attribute:empty", child_key_length_attribute_empty, QUICK_1, REFUSED,
	 NULL},
	{"child-key-length-attribute:0", child_key_length_attribute_0, QUICK_1, REFUSED, NULL},
	/* the same again is no conflict (RFC 2407 section 4.5.2) */
	{"child-key-length-attribute:duplicate", child_key_length_attribute_duplicate, QUICK_1, UP,
	 NULL},
	{"child-key-length-attribute:duplicate, of two values", child_key_length_attribute_differs,
	 QUICK_1, REFUSED, NULL},
	{"v1-hash-payload:omit, main mode", v1_hash_payload_omit, MAIN_5, REFUSED, NULL},
	{"v1-hash-payload:empty, main mode", v1_hash_payload_empty, MAIN_5, REFUSED, NULL},
	{"v1-hash-payload:duplicate, main mode", v1_hash_payload_duplicate, MAIN_5, REFUSED, NULL},
	{"v1-hash-payload:0, main mode", v1_hash_payload_0, MAIN_5, REFUSED, NULL},
	{"v1-hash-payload:0, main mode, responder", v1_hash_payload_0, MAIN_6, REFUSED, NULL},
	{"v1-hash-payload:omit, quick", v1_hash_payload_omit, QUICK_1, REFUSED, NULL},
	{"v1-hash-payload:empty, quick", v1_hash_payload_empty, QUICK_1, REFUSED, NULL},
	{"v1-hash-payload:duplicate, quick", v1_hash_payload_duplicate, QUICK_1, REFUSED, NULL},
	{"v1-hash-payload:0, quick", v1_hash_payload_0, QUICK_1, REFUSED, NULL},
	{"v1-hash-payload:omit, quick, responder", v1_hash_payload_omit, QUICK_2, REFUSED, NULL},
	{"v1-hash-payload:0, quick, responder", v1_hash_payload_0, QUICK_2, REFUSED, NULL},
	{"v1-hash-payload:omit, delete", v1_hash_payload_omit, NOTICE, STAYS, order_delete_child},
	{"v1-hash-payload:empty, delete", v1_hash_payload_empty, NOTICE, STAYS, order_delete_child},
	{"v1-hash-payload:duplicate, delete", v1_hash_payload_duplicate, NOTICE, STAYS,
	 order_delete_child},
	{"v1-hash-payload:0, delete", v1_hash_payload_0, NOTICE, STAYS, order_delete_child},
	{"v1-hash-payload:0, delete of the ISAKMP SA", v1_hash_payload_0, NOTICE, STAYS,
	 order_delete_ike},
	{"v1-remote-quick-id", v1_remote_quick_id, QUICK_1, REFUSED, NULL},
	{"v1-emit-quick-id:0", v1_emit_quick_id_0, QUICK_1, REFUSED, NULL},
	{"v1-emit-quick-id:1", v1_emit_quick_id_1, QUICK_1, REFUSED, NULL},
	{"v1-emit-quick-id:3", v1_emit_quick_id_3, QUICK_1, REFUSED, NULL},
	{"v1-ipsec-delete-payload:omit", v1_delete_payload_omit, NOTICE, STAYS, order_delete_child},
	{"v1-ipsec-delete-payload:empty", v1_delete_payload_empty, NOTICE, STAYS,
	 order_delete_child},
	{"v1-ipsec-delete-payload:duplicate", v1_delete_payload_duplicate, NOTICE, GONE,
	 order_delete_child},
	{"v1-ipsec-delete-payload, count", v1_delete_payload_count, NOTICE, STAYS,
	 order_delete_child},
	{"v1-isakmp-delete-payload:omit", v1_delete_payload_omit, NOTICE, STAYS, order_delete_ike},
	{"v1-isakmp-delete-payload:empty", v1_delete_payload_empty, NOTICE, STAYS,
	 order_delete_ike},
	{"v1-isakmp-delete-payload:duplicate", v1_delete_payload_duplicate, NOTICE, GONE,
	 order_delete_ike},
	{"ikev1-del-with-notify", ikev1_del_with_notify, NOTICE, GONE, order_delete_child},
	{"bust-mi2", bust, MAIN_3, UP, NULL},
	{"bust-mr2", bust, MAIN_4, UP, NULL},
	{"major-version-bump", major_version_bump, MAIN_1, REFUSED, NULL},
	{"minor-version-bump", minor_version_bump, MAIN_1, UP, NULL},
	{"send-bogus-isakmp-flag", send_bogus_isakmp_flag, MAIN_1, UP, NULL},
	/* RFC 2408 section 5.3: what is reserved must be zero */
	{"send-bogus-payload-flag", send_bogus_payload_flag, MAIN_1, REFUSED, NULL},
	{"send-bogus-payload-flag, quick", send_bogus_payload_flag, QUICK_1, REFUSED, NULL},
	{"copy-v1-notify-response-SPIs-to-retransmission", copy_v1_notify_response_SPIs, MAIN_1,
	 REFUSED, NULL},
};

static void with_v1(struct ike_connection *c, unsigned node)
{
	(void)node;
	c->ikev1 = true;
	c->dpd_timeout_ns = 30 * NS_PER_S;
	c->ike[0] = (struct ike_proposal){.n_encryption = 1,
					  .n_integrity = 1,
					  .n_group = 1,
					  .n_prf = 1,
					  .encryption = {ENCR_AES_CBC_256},
					  .integrity = {AUTH_HMAC_SHA2_256_128},
					  .prf = {PRF_HMAC_SHA2_256},
					  .group = {DH_CURVE25519}};
	c->child[0] = (struct ike_proposal){.n_encryption = 1,
					    .n_integrity = 1,
					    .encryption = {ENCR_AES_CBC_128},
					    .integrity = {AUTH_HMAC_SHA1_96}};
}

/* The messages up to the one that is meant arrive; false: there was none. */
static bool up_to(struct hand *h, const struct row *row, unsigned liar)
{
	if (row->place == NOTICE) {
		for (unsigned k = 0; k < h->s->n_queue; k++)
			if (h->s->queue[k].bytes[18] == V1_INFORMATIONAL)
				return true;
		return false;
	}
	for (unsigned i = 1; i < row->place; i++)
		hand_pass(h, (i + 1) % 2);
	return sim_oldest_from(h->s, (int)liar) >= 0;
}

static void expect(struct hand *h, const struct row *row, unsigned honest)
{
	struct sim_node *n = hand_node(h, honest);
	if (row->outcome == REFUSED && (n->up || sim_installed(n)))
		fail_msg("%s: it is up", row->name);
	if (row->outcome == UP && !(n->up && sim_agrees(&h->s->node[0], &h->s->node[1])))
		fail_msg("%s: it is not up: %s", row->name, hand_status(h, honest).last_error.text);
	if (row->outcome == STAYS && !(n->up && sim_child_find(n, SPI_OF(honest, 1))))
		fail_msg("%s: it is gone", row->name);
	if (row->outcome == GONE && sim_child_find(n, SPI_OF(honest, 1)))
		fail_msg("%s: it stayed", row->name);
}

static void play(const struct row *row)
{
	unsigned liar = row->place == NOTICE ? 0 : (row->place + 1) % 2, honest = 1 - liar;
	struct hand *h = row->order ? hand_established(3, with_v1) : hand_new(3, with_v1);
	h->traffic = false;
	if (row->order)
		row->order(h);
	else
		sim_up(h->s, 0);
	if (!up_to(h, row, liar))
		fail_msg("%s: there was no message to lie in", row->name);
	change_it(h, liar, &h->s->queue[hand_oldest(h, liar)], row->how,
		  row->order == order_delete_ike);
	hand_pass(h, liar);
	if (row->outcome == UP)
		hand_settle(h);
	expect(h, row, honest);
	while (h->s->n_queue)
		sim_drop(h->s, 0);
	/* and then the truth: the ends may differ on what there is, so anew */
	sim_down(h->s, 0);
	hand_settle(h);
	sim_down(h->s, 1);
	hand_settle(h);
	hand_run(h, 100);
	for (unsigned i = 0; i < 2; i++)
		sim_up(h->s, i);
	hand_run(h, 60);
	hand_one(h);
	hand_end(h);
}

static void impaired(void **state)
{
	play(*state);
}

/* The last message of main mode never comes: the initiator says so in the end, and the responder
 * keeps nothing. */
static void send_no_main_r2(void **state)
{
	(void)state;
	struct hand *h = hand_new(3, with_v1);
	sim_up(h->s, 0);
	for (unsigned i = 1; i < MAIN_6; i++)
		hand_pass(h, (i + 1) % 2);
	for (unsigned i = 0; i < 60; i++) {
		while (sim_oldest_from(h->s, 1) >= 0)
			hand_lose(h, 1);
		while (sim_oldest_from(h->s, 0) >= 0)
			hand_pass(h, 0);
		hand_time(h, 1, false);
	}
	assert_int_equal(sim_installed(hand_node(h, 0)) + sim_installed(hand_node(h, 1)), 0);
	assert_non_null(strstr(hand_status(h, 0).last_error.text, "main mode message 5"));
	hand_run(h, 120);
	hand_one(h);
	hand_end(h);
}

int main(void)
{
	const struct CMUnitTest more[] = {
		cmocka_unit_test(send_no_main_r2),
	};
	struct CMUnitTest each[sizeof rows / sizeof *rows];
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		each[i] = (struct CMUnitTest){rows[i].name, impaired, NULL, NULL, &rows[i]};
	int failed = cmocka_run_group_tests_name("messages", each, NULL, NULL);
	return failed + cmocka_run_group_tests_name("flows", more, NULL, NULL);
}
