/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What decrypt refuses, and why: every byte of an ESP packet altered, every length cut, trailers
 * and inner headers that lie (built with the right key), replays, foreign selectors; and what
 * encrypt refuses: limits, used-up numbers, no room.
 */
#include "rig.h"

#include <errno.h>

struct tunnel {
	const struct esp_backend *backend;
	struct esp_crypto *crypto;
	struct child_sa a, b;
	struct esp_sa *sender, *receiver;
	uint8_t buffer[RIG_PACKET];
};

static void tunnel_open(struct tunnel *t, const struct esp_backend *b, const struct rig_shape *s)
{
	t->backend = b;
	t->crypto = rig_crypto(b);
	t->a = rig_child(s);
	t->b = rig_mirror(&t->a);
	t->sender = rig_sa(&t->a, b);
	t->receiver = rig_sa(&t->b, b);
}

static void tunnel_close(struct tunnel *t)
{
	esp_sa_free(t->sender);
	esp_sa_free(t->receiver);
	t->backend->context_free(t->crypto);
}

/* Encrypts a fresh packet into the tunnel's buffer. */
static struct esp_packet sent(struct tunnel *t, uint32_t len, unsigned family)
{
	uint64_t seed = len;
	rig_inner(t->buffer + RIG_FRONT, len, family, &seed);
	struct esp_packet p = rig_packet(t->sender, t->buffer, len);
	esp_encrypt(t->crypto, &p, 1);
	p.sa = t->receiver;
	p.esp = rig_esp_offset(&t->a);
	return p;
}

static enum xgw_drop received(struct tunnel *t, struct esp_packet *p)
{
	esp_decrypt(t->crypto, p, 1);
	return p->drop;
}

/* Every bit pattern of every byte from the ESP header on: a drop, and the true packet still passes
 * afterwards. */
static void altered(struct tunnel *t)
{
	struct esp_packet whole = sent(t, 60, 4), p;
	uint8_t copy[RIG_PACKET];
	memcpy(copy, t->buffer, sizeof copy);
	for (uint32_t i = whole.esp; i < whole.len; i++) {
		memcpy(t->buffer, copy, sizeof copy);
		p = whole;
		p.at[i] ^= (uint8_t)(1u << (i & 7));
		enum xgw_drop drop = received(t, &p);
		if (i < whole.esp + 4u)
			assert_int_equal(drop, XGW_DROP_UNKNOWN_SPI);
		else
			assert_int_equal(drop, XGW_DROP_AUTHENTICATION);
	}
	memcpy(t->buffer, copy, sizeof copy);
	p = whole;
	assert_int_equal(received(t, &p), XGW_DROP_NONE);
	memcpy(t->buffer, copy, sizeof copy);
	p = whole;
	assert_int_equal(received(t, &p), XGW_DROP_REPLAY);
}

/* SECURITY C21: the ICV truncated. Every shorter length, in memory of exactly that length, by the
 * frame and by the outer header too. */
static void truncated(struct tunnel *t)
{
	struct esp_packet whole = sent(t, 60, 4);
	bool v4 = t->a.local.addr.family == IP_V4;
	for (uint32_t len = 0; len < whole.len; len++) {
		uint8_t *frame = malloc(len ? len : 1);
		memcpy(frame, whole.at, len);
		struct esp_packet p = whole;
		p.at = frame;
		p.len = len;
		p.headroom = p.tailroom = 0;
		assert_int_equal(received(t, &p), XGW_DROP_TRUNCATED);
		if (len >= 40) { /* the outer header agrees with the frame */
			store_be16(frame + (v4 ? 2 : 4), (uint16_t)(v4 ? len : len - 40));
			p = whole;
			p.at = frame;
			p.len = len;
			assert_int_not_equal(received(t, &p), XGW_DROP_NONE);
		}
		free(frame);
	}
}

static void each_tunnel(void (*check)(struct tunnel *))
{
	static const struct esp_backend *const backends[] = {&esp_backend_openssl,
							     &esp_backend_ipsec_mb};
	for (size_t b = 0; b < 2; b++)
		for (size_t i = 0; i < RIG_ALGORITHMS * 8; i++) {
			struct rig_shape s = {rig_algorithms[i / 8].e, rig_algorithms[i / 8].a,
					      i & 1, i & 2, i & 4};
			struct tunnel t;
			if (!backends[b]->available())
				continue;
			tunnel_open(&t, backends[b], &s);
			check(&t);
			tunnel_close(&t);
		}
}

static void test_altered(void **state)
{
	(void)state;
	each_tunnel(altered);
}

static void test_truncated(void **state)
{
	(void)state;
	each_tunnel(truncated);
}

/* ---- a peer with the right key that lies: ENCR_NULL makes the packets easy to write ---- */

struct liar {
	struct tunnel t;
	uint32_t sequence;
};

static void liar_open(struct liar *l)
{
	static const struct rig_shape s = {ENCR_NULL, AUTH_HMAC_SHA2_256_128, false, false, false};
	tunnel_open(&l->t, &esp_backend_openssl, &s);
	l->sequence = 0;
}

/* Decrypts an authentic packet with exactly this plain text (payload, padding, trailer). */
static enum xgw_drop says(struct liar *l, const uint8_t *text, uint32_t len, uint8_t outer_tos,
			  struct esp_packet *out)
{
	uint8_t *ip = l->t.buffer, *esp = ip + 20;
	struct esp_key *key;
	struct esp_op op = {
		.payload = esp + 8, .len = len, .icv = esp + 8 + len, .aad = esp, .aad_len = 8};
	const struct secret *k = &l->t.b.key_in;
	assert_int_equal(esp_backend_openssl.key_new(&key, ENCR_NULL, AUTH_HMAC_SHA2_256_128, k->b,
						     k->len, true),
			 0);
	memset(ip, 0, 20);
	ip[0] = 0x45;
	ip[1] = outer_tos;
	store_be16(ip + 2, (uint16_t)(20 + 8 + len + 16));
	store_be32(esp, l->t.b.spi_in);
	store_be32(esp + 4, ++l->sequence);
	memcpy(esp + 8, text, len);
	op.key = key;
	assert_int_equal(esp_backend_openssl.encrypt(l->t.crypto, &op, 1), 0);
	esp_backend_openssl.key_free(key);
	*out = (struct esp_packet){
		.sa = l->t.receiver, .at = ip, .len = 20 + 8 + len + 16, .esp = 20};
	return received(&l->t, out);
}

/* SECURITY C21: dummies (next header 59), and trailers that lie. */
static void test_trailer(void **state)
{
	struct liar l;
	struct esp_packet p;
	uint8_t text[600];
	uint64_t seed = 1;
	(void)state;
	liar_open(&l);
	memset(text, 0, sizeof text);
	rig_inner(text, 40, 4, &seed);
	text[40] = 1;
	text[41] = 2;
	text[42] = 2;
	text[43] = 4;
	assert_int_equal(says(&l, text, 44, 0, &p), XGW_DROP_NONE);
	assert_int_equal(p.len, 40);
	assert_int_equal(p.tailroom, 4 + 16);
	text[43] = 59;
	assert_int_equal(says(&l, text, 44, 0, &p), XGW_DROP_DUMMY);
	text[43] = 41; /* IPv6, it says */
	assert_int_equal(says(&l, text, 44, 0, &p), XGW_DROP_ESP_FORMAT);
	text[43] = 6; /* transport mode is not spoken here */
	assert_int_equal(says(&l, text, 44, 0, &p), XGW_DROP_ESP_FORMAT);
	text[43] = 4;
	text[41] = 3; /* padding is 1, 2 */
	assert_int_equal(says(&l, text, 44, 0, &p), XGW_DROP_ESP_FORMAT);
	text[41] = 2;
	text[42] = 43; /* more padding than packet */
	assert_int_equal(says(&l, text, 44, 0, &p), XGW_DROP_ESP_FORMAT);
	text[42] = 2;
	assert_int_equal(says(&l, text, 43, 0, &p), XGW_DROP_ESP_FORMAT); /* not aligned */
	store_be16(text + 2, 41); /* an inner packet longer than what came */
	assert_int_equal(says(&l, text, 44, 0, &p), XGW_DROP_TRUNCATED);
	store_be16(text + 2, 19);
	assert_int_equal(says(&l, text, 44, 0, &p), XGW_DROP_MALFORMED);
	store_be16(text + 2, 40);
	text[0] = 0x44; /* header of 16 bytes */
	assert_int_equal(says(&l, text, 44, 0, &p), XGW_DROP_MALFORMED);
	uint8_t none[4] = {0, 0, 0, 4};
	none[2] = 0;
	assert_int_equal(says(&l, none, 4, 0, &p), XGW_DROP_TRUNCATED);
	tunnel_close(&l.t);
}

/* SECURITY C21: padding against traffic analysis. RFC 4303 section 2.7: bytes behind the inner
 * packet are not part of it. */
static void test_tfc(void **state)
{
	struct liar l;
	struct esp_packet p;
	uint8_t text[602];
	uint64_t seed = 1;
	(void)state;
	liar_open(&l);
	memset(text, 0xee, sizeof text);
	rig_inner(text, 100, 6, &seed);
	text[600 - 2] = 0;
	text[600 - 1] = 41;
	assert_int_equal(says(&l, text, 600, 0, &p), XGW_DROP_NONE);
	assert_int_equal(p.len, 100);
	assert_int_equal(p.family, 6);
	assert_int_equal(p.headroom, 28);
	assert_int_equal(p.headroom + p.len + p.tailroom, 20 + 8 + 600 + 16);
	tunnel_close(&l.t);
}

/* RFC 6040 figure 4, cell by cell: [inner][outer], codepoints 0 Not-ECT, 1 ECT(1), 2 ECT(0), 3 CE;
 * 9 = drop. */
static void test_ecn(void **state)
{
	static const uint8_t figure[4][4] = {
		{0, 0, 0, 9}, {1, 1, 1, 3}, {2, 1, 2, 3}, {3, 3, 3, 3}};
	struct liar l;
	struct esp_packet p;
	uint8_t text[64];
	(void)state;
	liar_open(&l);
	for (unsigned family = 4; family <= 6; family += 2)
		for (unsigned inner = 0; inner < 4; inner++)
			for (unsigned outer = 0; outer < 4; outer++) {
				uint64_t seed = 1;
				rig_inner(text, 58, family, &seed);
				text[1] = (uint8_t)(family == 4 ? 0xb8 | inner : inner << 4 | 0x85);
				if (family == 4) {
					store_be16(text + 10, 0);
					store_be16(text + 10, (uint16_t)~checksum_fold(
								      checksum_add(0, text, 20)));
				}
				text[58] = 0;
				text[59] = family == 4 ? 4 : 41;
				enum xgw_drop drop = says(&l, text, 60, (uint8_t)outer, &p);
				unsigned want = figure[inner][outer];
				assert_int_equal(drop,
						 want == 9 ? XGW_DROP_MALFORMED : XGW_DROP_NONE);
				if (drop)
					continue;
				assert_int_equal(p.at[1],
						 family == 4 ? 0xb8 | want : want << 4 | 0x85);
				if (family == 4)
					assert_int_equal(checksum_fold(checksum_add(0, p.at, 20)),
							 0xffff);
			}
	tunnel_close(&l.t);
}

/* ---- limits ---- */

static struct esp_sa *limited(struct child_sa *c)
{
	return rig_sa(c, &esp_backend_openssl);
}

static enum xgw_drop send_one(struct esp_crypto *crypto, struct esp_sa *sa, uint32_t len)
{
	static uint8_t buffer[RIG_PACKET];
	uint64_t seed = 1;
	rig_inner(buffer + RIG_FRONT, len, 4, &seed);
	struct esp_packet p = rig_packet(sa, buffer, len);
	esp_encrypt(crypto, &p, 1);
	return p.drop;
}

static void test_limits(void **state)
{
	static const struct rig_shape s = {ENCR_AES_GCM16_128, AUTH_NONE, false, false, false};
	struct esp_crypto *c = rig_crypto(&esp_backend_openssl);
	struct child_sa child = rig_child(&s);
	struct esp_counters count;
	(void)state;
	child.hard_bytes = 1000;
	child.soft_bytes = 500;
	struct esp_sa *sa = limited(&child);
	for (int i = 0; i < 10; i++) {
		assert_int_equal(send_one(c, sa, 100), XGW_DROP_NONE);
		assert_int_equal(esp_sa_take_soft_expiry(sa), i == 4);
		assert_false(esp_sa_take_soft_expiry(sa));
	}
	assert_int_equal(send_one(c, sa, 100), XGW_DROP_LIFETIME);
	esp_sa_counters(sa, &count);
	assert_int_equal(count.sequence_out, 10); /* a refused packet takes no number */
	assert_int_equal(count.bytes_out, 1000);
	esp_sa_free(sa);
	child = rig_child(&s);
	child.hard_packets = 3;
	child.soft_packets = 2;
	sa = limited(&child);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(send_one(c, sa, 100), XGW_DROP_NONE);
		assert_int_equal(esp_sa_take_soft_expiry(sa), i == 1);
	}
	assert_int_equal(send_one(c, sa, 100), XGW_DROP_LIFETIME);
	esp_sa_free(sa);
	esp_backend_openssl.context_free(c);
}

static void test_encrypt_refuses(void **state)
{
	static const struct rig_shape s = {ENCR_AES_GCM16_128, AUTH_NONE, false, true, true};
	static uint8_t buffer[RIG_PACKET];
	struct esp_crypto *c = rig_crypto(&esp_backend_openssl);
	struct child_sa child = rig_child(&s);
	struct esp_sa *sa = rig_sa(&child, &esp_backend_openssl);
	struct esp_packet p[6];
	struct esp_counters count;
	uint64_t seed = 1;
	(void)state;
	rig_inner(buffer + RIG_FRONT, 100, 4, &seed);
	for (int i = 0; i < 6; i++)
		p[i] = rig_packet(sa, buffer, 100);
	p[0].len = 19;
	p[1].len = 99;
	p[2].headroom = 40 + 8 + 8 + 8 - 1;
	p[3].tailroom = 2 + 2 + 16 - 1;
	p[4].at = buffer; /* zeros: no IP version */
	p[4].len = 60;
	esp_encrypt(c, p, 6);
	assert_int_equal(p[0].drop, XGW_DROP_TRUNCATED);
	assert_int_equal(p[1].drop, XGW_DROP_TRUNCATED);
	assert_int_equal(p[2].drop, XGW_DROP_ENCAP_ROOM);
	assert_int_equal(p[3].drop, XGW_DROP_ENCAP_ROOM);
	assert_int_equal(p[4].drop, XGW_DROP_NOT_IP);
	assert_int_equal(p[5].drop, XGW_DROP_NONE);
	assert_int_equal(load_be32(p[5].at + 48 + 4), 1);
	esp_sa_counters(sa, &count);
	assert_int_equal(count.sequence_out, 1);
	assert_int_equal(count.packets_out, 1);
	esp_sa_free(sa);
	esp_backend_openssl.context_free(c);
}

/* A worker whose context cannot serve the SA's back end drops, and never sends clear text. */
static void test_foreign_context(void **state)
{
	static const struct rig_shape s = {ENCR_AES_GCM16_128, AUTH_NONE, false, false, false};
	struct child_sa child = rig_child(&s);
	(void)state;
	if (!esp_backend_ipsec_mb.available())
		return;
	struct esp_crypto *c = rig_crypto(&esp_backend_openssl);
	struct esp_sa *sa = rig_sa(&child, &esp_backend_ipsec_mb);
	assert_int_equal(send_one(c, sa, 100), XGW_DROP_CRYPTO);
	esp_sa_free(sa);
	esp_backend_openssl.context_free(c);
}

/* SECURITY C21: CBC without integrity, NULL with NULL. */
static void test_without_integrity(void **state)
{
	static const struct esp_backend *const backends[] = {&esp_backend_openssl,
							     &esp_backend_ipsec_mb};
	(void)state;
	for (unsigned i = 0; i < 2 * (ENCR_COUNT - 1); i++) {
		struct esp_sa_options o = {.backend = backends[i % 2]};
		enum encryption_id e = (enum encryption_id)(i / 2 + 1);
		struct rig_shape s = {e, AUTH_HMAC_SHA2_256_128, false, false, false};
		struct child_sa c;
		struct esp_sa *sa;
		struct fault f = {0};
		if (encryption_of(e)->aead || !o.backend->available())
			continue;
		c = rig_child(&s);
		c.key_in.len -= integrity_of(s.a)->key_bytes;
		c.key_out.len -= integrity_of(s.a)->key_bytes;
		assert_int_equal(esp_sa_new(&sa, &c, &o, &f), -EINVAL); /* named, without a key */
		c.integrity = AUTH_NONE;
		assert_int_equal(esp_sa_new(&sa, &c, &o, &f), -ENOTSUP);
		assert_true(f.text[0] != 0);
	}
}

static void test_bad_children(void **state)
{
	static const struct rig_shape s = {ENCR_AES_GCM16_128, AUTH_NONE, false, true, false};
	struct esp_sa_options o = {.backend = &esp_backend_openssl};
	struct esp_sa *sa;
	struct fault f;
	struct child_sa c = rig_child(&s);
	(void)state;
	c.key_in.len--;
	assert_int_equal(esp_sa_new(&sa, &c, &o, &f), -EINVAL);
	c = rig_child(&s);
	c.integrity = AUTH_HMAC_SHA2_256_128;
	assert_int_equal(esp_sa_new(&sa, &c, &o, &f), -ENOTSUP);
	c = rig_child(&s);
	c.remote.addr.family = IP_V6;
	assert_int_equal(esp_sa_new(&sa, &c, &o, &f), -EINVAL);
	c = rig_child(&s);
	c.encryption = ENCR_COUNT;
	assert_int_equal(esp_sa_new(&sa, &c, &o, &f), -EINVAL);
	c = rig_child(&s);
	c.n_local_ts = CHILD_SA_MAX_TS + 1;
	assert_int_equal(esp_sa_new(&sa, &c, &o, &f), -EINVAL);
	c = rig_child(&s);
	c.remote.port = 0;
	assert_int_equal(esp_sa_new(&sa, &c, &o, &f), -EINVAL);
	c = rig_child(&s);
	o.replay_window = 65537;
	assert_int_equal(esp_sa_new(&sa, &c, &o, &f), -EINVAL);
	assert_true(f.text[0] != 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_altered),
		cmocka_unit_test(test_truncated),
		cmocka_unit_test(test_trailer),
		cmocka_unit_test(test_tfc),
		cmocka_unit_test(test_ecn),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_encrypt_refuses),
		cmocka_unit_test(test_foreign_context),
		cmocka_unit_test(test_without_integrity),
		cmocka_unit_test(test_bad_children),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
