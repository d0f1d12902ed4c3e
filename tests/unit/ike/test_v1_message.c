/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The codec of IKEv1: what is built reads back, every length is a lie once, and what history shows
 * to be sent by attackers is refused. SA payloads: the choice, its echo, and its diagnosis.
 */
#include "ike/v1_message.h"
#include "ike/v1_proposal.h"
#include "tests/unit/ike/hex.h"

#include <errno.h>

struct raw {
	uint8_t type, reserved;
	const char *body;
};

struct wire {
	uint8_t at[2000];
	size_t len;
};

static void assemble(struct wire *w, const struct raw *p, unsigned n)
{
	struct writer out;
	writer_init(&out, w->at, sizeof w->at);
	writer_u64(&out, 1);
	writer_u64(&out, 0);
	writer_u8(&out, n ? p[0].type : 0);
	writer_u8(&out, V1_VERSION);
	writer_u8(&out, V1_MAIN);
	writer_u8(&out, 0);
	writer_u32(&out, 0);
	writer_u32(&out, 0);
	for (unsigned i = 0; i < n; i++) {
		struct hex body = hex(p[i].body);
		writer_u8(&out, i + 1 < n ? p[i + 1].type : 0);
		writer_u8(&out, p[i].reserved);
		writer_u16(&out, (uint16_t)(body.len + 4));
		writer_bytes(&out, body.b, body.len);
	}
	writer_patch_u32(&out, 24, (uint32_t)writer_len(&out));
	assert_true(writer_ok(&out));
	w->len = writer_len(&out);
}

/* Parsed from a block of exactly that size, so that the sanitizer sees a read behind it. */
static int parse(const struct wire *w, struct fault *f)
{
	struct v1_message m;
	uint8_t *exact = test_malloc(w->len + !w->len);
	memcpy(exact, w->at, w->len);
	int err = v1_message_parse(&m, (struct bytes){exact, w->len}, f);
	if (err) {
		assert_int_equal(f->code, err);
		assert_true(strlen(f->text) > 0);
	}
	test_free(exact);
	return err;
}

static const struct raw chain[] = {{V1_SA, 0, "0000000100000001"},
				   {V1_NONCE, 0, "00112233445566778899"},
				   {V1_VENDOR, 0, "afcad71368a1f1c96b8696fc77570100"}};

static void a_chain_reads_back(void **state)
{
	(void)state;
	struct wire w;
	struct v1_message m;
	struct fault f = {0};
	assemble(&w, chain, 3);
	assert_int_equal(v1_message_parse(&m, (struct bytes){w.at, w.len}, &f), 0);
	assert_int_equal(m.n, 3);
	assert_int_equal(v1_body(&m, V1_NONCE).len, 10);
	assert_int_equal(v1_find(&m, V1_VENDOR, 0)->whole.len, 20);
	assert_null(v1_find(&m, V1_VENDOR, 1));
	assert_null(v1_body(&m, V1_KE).at);
	assert_int_equal(v1_count(&m, V1_SA), 1);
}

static void every_truncation_is_refused(void **state)
{
	(void)state;
	struct wire w, cut;
	struct fault f;
	assemble(&w, chain, 3);
	for (size_t n = 0; n < w.len; n++) {
		cut = w;
		cut.len = n;
		f = (struct fault){0};
		assert_int_equal(parse(&cut, &f), -EPROTO);
		/* with a length field that is right */
		if (n < IKE_HEADER_BYTES)
			continue;
		store_be32(cut.at + 24, (uint32_t)n);
		f = (struct fault){0};
		assert_int_equal(parse(&cut, &f), -EPROTO);
	}
}

static void every_payload_length_is_checked(void **state)
{
	(void)state;
	struct wire w;
	struct fault f;
	static const uint16_t lengths[] = {0, 1, 2, 3, 5, 11, 13, 100, 1000, 32767, 65535};
	for (unsigned i = 0; i < sizeof lengths / sizeof *lengths; i++) {
		assemble(&w, chain, 3);
		store_be16(w.at + IKE_HEADER_BYTES + 2, lengths[i]);
		f = (struct fault){0};
		assert_int_equal(parse(&w, &f), -EPROTO);
	}
}

/* SECURITY A1: a payload type of IKEv2 in a message of IKEv1. */
static void payloads_of_ikev2_are_refused(void **state)
{
	(void)state;
	for (unsigned type = 0; type < 256; type++) {
		struct raw p[] = {{V1_NONCE, 0, "0011223344556677"}, {(uint8_t)type, 0, "00"}};
		bool known = (type >= 4 && type <= 13) || type == 1 || type == 20 || type == 21 ||
			     type >= 128;
		struct wire w;
		struct fault f = {0};
		assemble(&w, p, 2);
		if (!type) /* ends the chain: bytes are left */
			assert_int_equal(parse(&w, &f), -EPROTO);
		else
			assert_int_equal(parse(&w, &f), known ? 0 : -EPROTO);
	}
}

static void reserved_bytes_and_floods(void **state)
{
	(void)state;
	struct wire w;
	struct fault f = {0};
	struct raw odd[] = {{V1_NONCE, 1, "0011223344556677"}};
	struct raw many[LIMIT_PAYLOADS + 1];
	assemble(&w, odd, 1);
	assert_int_equal(parse(&w, &f), -EPROTO);
	for (unsigned i = 0; i <= LIMIT_PAYLOADS; i++)
		many[i] = (struct raw){V1_VENDOR, 0, "00"};
	assemble(&w, many, LIMIT_PAYLOADS);
	f = (struct fault){0};
	assert_int_equal(parse(&w, &f), 0);
	assemble(&w, many, LIMIT_PAYLOADS + 1);
	f = (struct fault){0};
	assert_int_equal(parse(&w, &f), -EPROTO);
	/* none at all, and a sealed one without anything */
	assemble(&w, NULL, 0);
	f = (struct fault){0};
	assert_int_equal(parse(&w, &f), -EPROTO);
	w.at[19] = V1_FLAG_ENCRYPTED;
	f = (struct fault){0};
	assert_int_equal(parse(&w, &f), -EPROTO);
}

static void sealed_payloads_may_be_padded(void **state)
{
	(void)state;
	struct v1_message m = {.h = {.next = V1_HASH}};
	struct fault f = {0};
	struct hex plain = hex("000000080011223300000000");
	assert_int_equal(v1_message_parse_inner(&m, hex_bytes(&plain), &f), 0);
	assert_int_equal(m.n, 1);
	assert_int_equal(m.used, 8);
	m.h.next = 0;
	assert_int_equal(v1_message_parse_inner(&m, hex_bytes(&plain), &f), -EPROTO);
}

static void notifies_and_deletes(void **state)
{
	(void)state;
	struct v1_notify n;
	struct v1_delete d;
	static const struct {
		const char *body;
		int err;
	} notifies[] = {{"000000010100000e", 0},
			{"0000000001000018", 0}, /* DOI 0 */
			{"000000020100000e", -EPROTO},
			{"000000010104000e112233", -EPROTO},
			{"00000001030400181122334455", 0},
			{"0000000103", -EPROTO},
			{"", -EPROTO}},
	  deletes[] = {{"000000010304000111223344", 0},
		       {"00000001030400021122334455667788", 0},
		       {"000000010304000211223344", -EPROTO}, /* one is missing */
		       {"0000000103040001112233445566", -EPROTO},
		       {"0000000103080001112233445566778", -EPROTO},
		       {"000000010110000100112233445566778899aabbccddeeff", 0},
		       {"000000010108000100112233445566", -EPROTO},
		       {"00000001030400ff", -EPROTO},
		       {"0000000103000005", -EPROTO},
		       {"000000", -EPROTO}};
	for (unsigned i = 0; i < sizeof notifies / sizeof *notifies; i++) {
		struct hex b = hex(notifies[i].body);
		assert_int_equal(v1_notify_parse(&n, hex_bytes(&b)), notifies[i].err);
	}
	for (unsigned i = 0; i < sizeof deletes / sizeof *deletes; i++) {
		struct hex b = hex(deletes[i].body);
		assert_int_equal(v1_delete_parse(&d, hex_bytes(&b)), deletes[i].err);
	}
}

static void lifetimes(void **state)
{
	(void)state;
	struct v1_life l;
	struct hex both = hex("800100018002003c80010002000200040000ffff");
	assert_int_equal(v1_life_parse(&l, hex_bytes(&both)), 0);
	assert_int_equal(l.seconds, 60);
	assert_int_equal(l.kilobytes, 65535);
	struct hex alone = hex("8002003c"); /* a duration of what? */
	assert_int_equal(v1_life_parse(&l, hex_bytes(&alone)), 0);
	assert_int_equal(l.seconds + l.kilobytes, 0);
	struct hex huge = hex("800100010002000affffffffffffffffffff");
	assert_int_equal(v1_life_parse(&l, hex_bytes(&huge)), 0);
	assert_true(l.seconds == UINT64_MAX);
	struct hex cut = hex("8001000100020008ff");
	assert_int_equal(v1_life_parse(&l, hex_bytes(&cut)), -EPROTO);
}

/* SECURITY A5: identities of quick mode. */
static void selectors_of_all_kinds(void **state)
{
	(void)state;
	static const struct {
		const char *body, *text;
		int err;
	} rows[] = {{"010000000a000001", "10.0.0.1/32", 0},
		    {"040000000a00000000ffffff", NULL, -EPROTO}, /* no mask */
		    {"040000000a000000ff000000", "10.0.0.0/8", 0},
		    {"040000000a0102030ffff0000", NULL, -EPROTO},
		    {"040000000a010203ffff0000", "10.1.0.0/16", 0}, /* host bits */
		    {"040000000000000000000000", "0.0.0.0/0", 0},
		    {"0400000000000000ffffff00ff", NULL, -EPROTO},
		    {"070000000a0000010a000003", "10.0.0.1-10.0.0.3", 0},
		    {"070000000a0000030a000001", NULL, -EPROTO},
		    {"05000000fd000000000000000000000000000001", "fd00::1/128", 0},
		    {"06000000fd000000000000000000000000000000ffff0000000000000000000000000000",
		     "fd00::/16", 0},
		    {"020000006578616d706c65", NULL, -ENOTSUP},
		    {"00000000", NULL, -ENOTSUP},
		    {"ff0000000a000001", NULL, -ENOTSUP},
		    {"0100", NULL, -EPROTO},
		    {"", NULL, -EPROTO}};
	for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct hex b = hex(rows[i].body);
		struct traffic_selector ts, again;
		char text[RANGE_TEXT];
		uint8_t back[V1_SELECTOR_MAX];
		assert_int_equal(v1_selector_parse(&ts, hex_bytes(&b)), rows[i].err);
		if (rows[i].err)
			continue;
		assert_string_equal(ip_range_format(&ts.range, text), rows[i].text);
		size_t n = v1_selector_write(back, &ts);
		assert_int_equal(v1_selector_parse(&again, (struct bytes){back, n}), 0);
		assert_true(ip_addr_equal(&again.range.first, &ts.range.first) &&
			    ip_addr_equal(&again.range.last, &ts.range.last));
		assert_true(again.protocol == ts.protocol && again.port_first == ts.port_first &&
			    again.port_last == ts.port_last);
	}
	/* protocol and port */
	struct hex b = hex("011100350a000001");
	struct traffic_selector ts;
	assert_int_equal(v1_selector_parse(&ts, hex_bytes(&b)), 0);
	assert_int_equal(ts.protocol, 17);
	assert_int_equal(ts.port_first, 53);
	assert_int_equal(ts.port_last, 53);
}

/* ---- SA payloads ---- */

#define LIST(kind, ...) .n_##kind = sizeof((uint8_t[]){__VA_ARGS__}), .kind = {__VA_ARGS__}

static const struct ike_proposal ours_ike[] = {
	{LIST(encryption, ENCR_AES_CBC_256),
	 LIST(integrity, AUTH_HMAC_SHA2_256_128, AUTH_HMAC_SHA1_96),
	 LIST(group, DH_ECP_256, DH_MODP_2048)},
	{LIST(encryption, ENCR_AES_CBC_128), LIST(integrity, AUTH_HMAC_SHA1_96),
	 LIST(group, DH_MODP_2048)},
};
static const struct ike_proposal ours_esp[] = {
	{LIST(encryption, ENCR_AES_GCM16_256)},
	{LIST(encryption, ENCR_AES_CBC_256), LIST(integrity, AUTH_HMAC_SHA2_256_128)},
	{LIST(encryption, ENCR_AES_CBC_256), LIST(integrity, AUTH_HMAC_SHA2_256_128),
	 LIST(group, DH_MODP_2048)},
};
static const struct v1_offer phase1 = {
	.ours = ours_ike, .n = 2, .auth = V1_AUTH_PSK, .seconds = 28800};
static const struct v1_offer phase2 = {.ours = ours_esp,
				       .n = 3,
				       .mode = V1_MODE_TUNNEL,
				       .seconds = 3600,
				       .kilobytes = 102400000,
				       .spi = 0xc0000001};

static struct bytes body_of(const struct builder *b)
{
	struct bytes all = builder_bytes(b);
	return (struct bytes){all.at + 4, all.len - 4};
}

static void same_choice(const struct ike_chosen *a, const struct ike_chosen *b)
{
	assert_int_equal(a->encryption, b->encryption);
	assert_int_equal(a->integrity, b->integrity);
	assert_int_equal(a->prf, b->prf);
	assert_int_equal(a->group, b->group);
	assert_int_equal(a->spi, b->spi);
}

static void what_we_offer_we_accept(void **state)
{
	(void)state;
	uint8_t room[2000], answer[500];
	struct builder b, a;
	struct v1_agreed agreed, again;
	struct fault f = {0};
	builder_init(&b, room, sizeof room);
	v1_offer_ike(&b, &phase1);
	assert_true(builder_ok(&b));
	assert_int_equal(v1_choose_ike(body_of(&b), &phase1, &agreed, &f), 0);
	assert_int_equal(agreed.chosen.encryption, ENCR_AES_CBC_256);
	assert_int_equal(agreed.chosen.integrity, AUTH_HMAC_SHA2_256_128);
	assert_int_equal(agreed.chosen.prf, PRF_HMAC_SHA2_256);
	assert_int_equal(agreed.chosen.group, DH_ECP_256);
	assert_int_equal(agreed.life.seconds, 28800);
	builder_init(&a, answer, sizeof answer);
	v1_answer_ike(&a, &agreed);
	assert_int_equal(v1_accept_ike(body_of(&a), &phase1, &again, &f), 0);
	same_choice(&again.chosen, &agreed.chosen);
	/* the offer itself is no answer */
	assert_int_equal(v1_accept_ike(body_of(&b), &phase1, &again, &f), -EPROTO);

	builder_init(&b, room, sizeof room);
	v1_offer_esp(&b, &phase2);
	assert_int_equal(v1_choose_esp(body_of(&b), &phase2, &agreed, &f), 0);
	assert_int_equal(agreed.chosen.encryption, ENCR_AES_GCM16_256);
	assert_int_equal(agreed.chosen.group, DH_NONE);
	assert_int_equal(agreed.chosen.spi, 0xc0000001);
	assert_int_equal(agreed.life.kilobytes, 102400000);
	builder_init(&a, answer, sizeof answer);
	v1_answer_esp(&a, &agreed, 0xd0000001);
	assert_int_equal(v1_accept_esp(body_of(&a), &phase2, &again, &f), 0);
	assert_int_equal(again.chosen.spi, 0xd0000001);
}

/* With a group only what has it goes out; a peer's group is accepted where one of ours has it. */
static void pfs_is_one_group(void **state)
{
	(void)state;
	uint8_t room[2000];
	struct builder b;
	struct v1_offer with = phase2;
	struct v1_agreed agreed;
	struct fault f = {0};
	with.group = DH_MODP_2048;
	builder_init(&b, room, sizeof room);
	v1_offer_esp(&b, &with);
	assert_int_equal(v1_choose_esp(body_of(&b), &phase2, &agreed, &f), 0);
	assert_int_equal(agreed.chosen.group, DH_MODP_2048);
	assert_int_equal(agreed.chosen.encryption, ENCR_AES_CBC_256);
	/* as an answer to an offer without PFS it is not what was asked */
	uint8_t answer[500];
	struct builder a;
	struct v1_agreed again;
	builder_init(&a, answer, sizeof answer);
	v1_answer_esp(&a, &agreed, 5);
	assert_int_equal(v1_accept_esp(body_of(&a), &phase2, &again, &f), -EPROTO);
	assert_non_null(strstr(f.text, "PFS group"));
}

/* Begins a transform of ESP; its attributes follow. */
static struct writer_mark transform(struct writer *w, bool last, uint8_t number, uint8_t id)
{
	writer_u8(w, last ? 0 : V1_TRANSFORM);
	writer_u8(w, 0);
	struct writer_mark m = writer_begin_u16(w);
	writer_u8(w, number);
	writer_u8(w, id);
	writer_u16(w, 0);
	return m;
}

/* One proposal: DES-MD5, AES-256 with HMAC-MD5, then AES-256-SHA256 with lives of four bytes. */
static void old_device(struct writer *w)
{
	writer_u32(w, 1);
	writer_u32(w, 1);
	writer_u16(w, 0);
	struct writer_mark p = writer_begin_u16(w);
	writer_u32(w, 0x01030403);
	writer_u32(w, 0x00001000);
	struct writer_mark t = transform(w, false, 1, 2);
	v1_attribute_put(w, 4, V1_MODE_TUNNEL);
	v1_attribute_put(w, 5, 1);
	writer_end_u16(w, t, 2);
	t = transform(w, false, 2, 12);
	v1_attribute_put(w, 4, V1_MODE_TUNNEL);
	v1_attribute_put(w, 5, 1);
	v1_attribute_put(w, 6, 256);
	writer_end_u16(w, t, 2);
	t = transform(w, true, 3, 12);
	v1_attribute_put(w, 4, V1_MODE_TUNNEL);
	v1_attribute_put(w, 5, 5);
	v1_attribute_put(w, 6, 256);
	v1_attribute_put(w, 1, 1);
	v1_attribute_put(w, 2, 86400);
	v1_attribute_put(w, 1, 2);
	v1_attribute_put(w, 2, 4608000);
	writer_end_u16(w, t, 2);
	writer_end_u16(w, p, 2);
	assert_true(writer_ok(w));
}

/* SECURITY C18 (CVE-2015-7575): of what an old device offers DES and HMAC-MD5 are passed over. */
static void what_old_devices_send(void **state)
{
	(void)state;
	uint8_t room[300];
	struct writer w;
	struct v1_agreed agreed;
	struct fault f = {0};
	writer_init(&w, room, sizeof room);
	old_device(&w);
	struct bytes sa = {room, writer_len(&w)};
	assert_int_equal(v1_choose_esp(sa, &phase2, &agreed, &f), 0);
	assert_int_equal(agreed.chosen.encryption, ENCR_AES_CBC_256);
	assert_int_equal(agreed.chosen.integrity, AUTH_HMAC_SHA2_256_128);
	assert_int_equal(agreed.chosen.spi, 0x1000);
	assert_int_equal(agreed.life.seconds, 86400);
	assert_int_equal(agreed.life.kilobytes, 4608000);
	/* not a bit may be changed without the parser surviving it */
	for (size_t i = 0; i < 8 * sa.len; i++) {
		uint8_t *exact = test_malloc(sa.len);
		struct fault g = {0};
		memcpy(exact, sa.at, sa.len);
		exact[i / 8] ^= (uint8_t)(1u << i % 8);
		int err = v1_choose_esp((struct bytes){exact, sa.len}, &phase2, &agreed, &g);
		assert_int_equal(g.code, err);
		assert_true(!err || strlen(g.text) > 0);
		test_free(exact);
	}
}

static void nothing_in_common_is_explained(void **state)
{
	(void)state;
	uint8_t room[2000];
	struct builder b;
	struct v1_agreed agreed;
	struct fault f = {0};
	static const struct ike_proposal theirs = {LIST(encryption, ENCR_AES_CBC_256),
						   LIST(integrity, AUTH_HMAC_SHA2_256_128),
						   LIST(group, DH_MODP_1024)};
	struct v1_offer o = phase1;
	o.ours = &theirs;
	o.n = 1;
	builder_init(&b, room, sizeof room);
	v1_offer_ike(&b, &o);
	assert_int_equal(v1_choose_ike(body_of(&b), &phase1, &agreed, &f), -ENOENT);
	assert_non_null(strstr(f.text, "key exchange group"));
	assert_non_null(strstr(f.text, "MODP1024"));
	o = phase1;
	o.auth = V1_AUTH_RSA_SIG;
	builder_init(&b, room, sizeof room);
	v1_offer_ike(&b, &o);
	assert_int_equal(v1_choose_ike(body_of(&b), &phase1, &agreed, &f), -ENOENT);
	assert_non_null(strstr(f.text, "RSA signatures"));
	/* SECURITY C16: authentication by encryption is not built, and says so */
	o.auth = 4;
	builder_init(&b, room, sizeof room);
	v1_offer_ike(&b, &o);
	assert_int_equal(v1_choose_ike(body_of(&b), &phase1, &agreed, &f), -ENOENT);
	assert_non_null(strstr(f.text, "not built"));
	o = phase2;
	o.mode = 2;
	builder_init(&b, room, sizeof room);
	v1_offer_esp(&b, &o);
	assert_int_equal(v1_choose_esp(body_of(&b), &phase2, &agreed, &f), -ENOENT);
	assert_non_null(strstr(f.text, "transport mode"));
	o.mode = V1_MODE_UDP_TUNNEL;
	builder_init(&b, room, sizeof room);
	v1_offer_esp(&b, &o);
	assert_int_equal(v1_choose_esp(body_of(&b), &phase2, &agreed, &f), -ENOENT);
	assert_non_null(strstr(f.text, "in UDP"));
}

/* Attributes behind those of a transform that could be chosen. */
struct again {
	const char *name;
	bool ike;
	struct {
		uint16_t class;
		uint32_t value;
	} said[3];
	const char *conflict; /* what the refusal names; NULL: it is chosen */
};
static const struct again agains[] = {
	{"the cipher twice, alike", true, {{1, 7}}, NULL},
	{"another cipher", true, {{1, 5}}, "encryption algorithm"},
	{"another cipher, between", true, {{1, 5}, {1, 7}}, "encryption algorithm"},
	{"the hash twice, alike", true, {{2, 4}}, NULL},
	{"another hash", true, {{2, 2}}, "hash algorithm"},
	{"an unknown hash", true, {{2, 9}}, "hash algorithm"},
	{"another authentication", true, {{3, 3}}, "authentication method"},
	{"another group", true, {{4, 2}}, "group"},
	{"another key length", true, {{14, 128}}, "key length"},
	{"a key length of 0", true, {{14, 0}}, "key length"},
	{"a second duration of one type", true, {{12, 3600}}, "lifetime"},
	{"seconds twice, alike", true, {{11, 1}, {12, 28800}}, NULL},
	{"other seconds", true, {{11, 1}, {12, 3600}}, "lifetime"},
	{"kilobytes beside seconds", true, {{11, 2}, {12, 3600}}, NULL},
	{"the mode twice, alike", false, {{4, V1_MODE_TUNNEL}}, NULL},
	{"another mode", false, {{4, V1_MODE_UDP_TUNNEL}}, "encapsulation mode"},
	{"another mode, between", false, {{4, 2}, {4, V1_MODE_TUNNEL}}, "encapsulation mode"},
	{"another integrity", false, {{5, 2}}, "authentication algorithm"},
	{"another key length", false, {{6, 128}}, "key length"},
	{"a group", false, {{3, 14}}, NULL},
	{"two groups", false, {{3, 14}, {3, 19}}, "group"},
	{"other seconds", false, {{1, 1}, {2, 60}}, "lifetime"},
	{"a second duration of one type", false, {{1, 2}, {2, 60}, {2, 61}}, "lifetime"},
};

/* An SA of one proposal with an SPI of four bytes, a transform of DES that is passed over, and one
 * that could be chosen with what `a` adds. */
static struct bytes sa_with(struct writer *w, uint8_t *room, size_t size, const struct again *a)
{
	writer_init(w, room, size);
	writer_u32(w, 1);
	writer_u32(w, 1);
	writer_u16(w, 0);
	struct writer_mark p = writer_begin_u16(w);
	writer_u32(w, a->ike ? 0x01010402 : 0x01030402);
	writer_u32(w, 0x00001000);
	struct writer_mark t = transform(w, false, 1, a->ike ? 1 : 2);
	v1_attribute_put(w, a->ike ? 1 : 5, 1);
	writer_end_u16(w, t, 2);
	t = transform(w, true, 2, a->ike ? 1 : 12);
	static const uint16_t phase1_says[] = {1, 7, 14, 256, 2, 4, 4, 19, 3, 1, 11, 1, 12, 28800};
	static const uint16_t phase2_says[] = {4, 1, 5, 5, 6, 256, 1, 1, 2, 3600};
	const uint16_t *says = a->ike ? phase1_says : phase2_says;
	unsigned n = (unsigned)(a->ike ? sizeof phase1_says : sizeof phase2_says) / 2;
	for (unsigned i = 0; i < n; i += 2)
		v1_attribute_put(w, says[i], says[i + 1]);
	for (unsigned i = 0; i < 3 && a->said[i].class; i++)
		v1_attribute_put(w, a->said[i].class, a->said[i].value);
	writer_end_u16(w, t, 2);
	writer_end_u16(w, p, 2);
	assert_true(writer_ok(w));
	return (struct bytes){room, writer_len(w)};
}

/* RFC 2407 section 4.5.2: the same again is harmless, two values of one attribute are refused,
 * with its name; and what is answered to what was chosen is what would be accepted. */
static void attributes_that_come_again(void **state)
{
	(void)state;
	for (unsigned i = 0; i < sizeof agains / sizeof *agains; i++) {
		const struct again *a = &agains[i];
		const struct v1_offer *o = a->ike ? &phase1 : &phase2;
		uint8_t room[300], answer[300];
		struct writer w;
		struct builder b;
		struct v1_agreed agreed, back;
		struct fault f = {0};
		struct bytes sa = sa_with(&w, room, sizeof room, a);
		int err = a->ike ? v1_choose_ike(sa, o, &agreed, &f)
				 : v1_choose_esp(sa, o, &agreed, &f);
		if (err != (a->conflict ? -ENOTSUP : 0))
			fail_msg("%s: %d %s", a->name, err, f.text);
		assert_int_equal(f.code, err);
		if (a->conflict) {
			assert_non_null(strstr(f.text, "transform 2 of proposal 1"));
			assert_non_null(strstr(f.text, a->conflict));
			continue;
		}
		struct v1_offer asked = *o;
		asked.group = agreed.chosen.group;
		builder_init(&b, answer, sizeof answer);
		a->ike ? v1_answer_ike(&b, &agreed) : v1_answer_esp(&b, &agreed, 0x1000);
		err = a->ike ? v1_accept_ike(body_of(&b), &asked, &back, &f)
			     : v1_accept_esp(body_of(&b), &asked, &back, &f);
		if (err)
			fail_msg("%s: the answer: %s", a->name, f.text);
		same_choice(&back.chosen, &agreed.chosen);
	}
	assert_int_equal(v1_sa_notify(-ENOTSUP), V1_NOTIFY_ATTRIBUTES_NOT_SUPPORTED);
	assert_int_equal(v1_sa_notify(-ENOENT), V1_NOTIFY_NO_PROPOSAL_CHOSEN);
	assert_int_equal(v1_sa_notify(-EPROTO), V1_NOTIFY_PAYLOAD_MALFORMED);
}

/* A transform that is passed over anyway may say what it likes. */
static void conflicts_where_nothing_is_meant(void **state)
{
	(void)state;
	uint8_t room[300];
	struct writer w;
	struct v1_agreed agreed;
	struct fault f = {0};
	writer_init(&w, room, sizeof room);
	writer_u32(&w, 1);
	writer_u32(&w, 1);
	writer_u16(&w, 0);
	struct writer_mark p = writer_begin_u16(&w);
	writer_u32(&w, 0x01030402);
	writer_u32(&w, 0x00001000);
	struct writer_mark t = transform(&w, false, 1, 12);
	v1_attribute_put(&w, 5, 1);
	v1_attribute_put(&w, 5, 5);
	v1_attribute_put(&w, 99, 1); /* nobody knows it */
	writer_end_u16(&w, t, 2);
	t = transform(&w, true, 2, 12);
	v1_attribute_put(&w, 5, 5);
	v1_attribute_put(&w, 6, 256);
	writer_end_u16(&w, t, 2);
	writer_end_u16(&w, p, 2);
	struct bytes sa = {room, writer_len(&w)};
	assert_int_equal(v1_choose_esp(sa, &phase2, &agreed, &f), 0);
	assert_int_equal(agreed.chosen.integrity, AUTH_HMAC_SHA2_256_128);
}

/* RFC 2408 section 3.5: the cookies are phase 1's SPI, and what stands in the proposal is ignored,
 * up to 16 bytes. */
static void phase_1_has_no_spi(void **state)
{
	(void)state;
	uint8_t room[300];
	struct writer w;
	struct v1_agreed agreed;
	struct fault f = {0};
	static const struct again nothing = {.name = "nothing", .ike = true};
	struct bytes sa = sa_with(&w, room, sizeof room, &nothing);
	assert_int_equal(v1_choose_ike(sa, &phase1, &agreed, &f), 0);
	assert_int_equal(agreed.chosen.spi, 0);
}

/* AH and ESP under one number belong together: ESP alone is not what was asked. */
static void bundles_are_not_taken_apart(void **state)
{
	(void)state;
	uint8_t room[2000], twice[2000];
	struct builder b;
	struct v1_agreed agreed;
	struct fault f = {0};
	builder_init(&b, room, sizeof room);
	v1_offer_esp(&b, &phase2);
	struct bytes body = body_of(&b);
	size_t p = body.len - 8; /* the proposal, behind DOI and situation */
	memcpy(twice, body.at, body.len);
	twice[8] = V1_PROPOSAL;
	memcpy(twice + body.len, body.at + 8, p);
	assert_int_equal(v1_choose_esp((struct bytes){twice, body.len + p}, &phase2, &agreed, &f),
			 -ENOENT);
	twice[body.len + 4] = 2; /* another number: an alternative */
	assert_int_equal(v1_choose_esp((struct bytes){twice, body.len + p}, &phase2, &agreed, &f),
			 0);
}

/* Every cut of our own offer, with nothing behind it. */
static void sa_payloads_are_bounded(void **state)
{
	(void)state;
	uint8_t room[2000];
	struct builder b;
	struct v1_agreed agreed;
	builder_init(&b, room, sizeof room);
	v1_offer_ike(&b, &phase1);
	struct bytes body = body_of(&b);
	for (size_t n = 0; n < body.len; n++) {
		struct fault f = {0};
		uint8_t *exact = test_malloc(n + !n);
		memcpy(exact, body.at, n);
		assert_int_equal(v1_choose_ike((struct bytes){exact, n}, &phase1, &agreed, &f),
				 -EPROTO);
		test_free(exact);
	}
	struct fault f = {0};
	room[4 + 3] = 2; /* another DOI */
	assert_int_equal(v1_choose_ike(body, &phase1, &agreed, &f), -EPROTO);
	assert_non_null(strstr(f.text, "DOI"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_chain_reads_back),
		cmocka_unit_test(every_truncation_is_refused),
		cmocka_unit_test(every_payload_length_is_checked),
		cmocka_unit_test(payloads_of_ikev2_are_refused),
		cmocka_unit_test(reserved_bytes_and_floods),
		cmocka_unit_test(sealed_payloads_may_be_padded),
		cmocka_unit_test(notifies_and_deletes),
		cmocka_unit_test(lifetimes),
		cmocka_unit_test(selectors_of_all_kinds),
		cmocka_unit_test(what_we_offer_we_accept),
		cmocka_unit_test(pfs_is_one_group),
		cmocka_unit_test(what_old_devices_send),
		cmocka_unit_test(nothing_in_common_is_explained),
		cmocka_unit_test(attributes_that_come_again),
		cmocka_unit_test(conflicts_where_nothing_is_meant),
		cmocka_unit_test(phase_1_has_no_spi),
		cmocka_unit_test(bundles_are_not_taken_apart),
		cmocka_unit_test(sa_payloads_are_bounded),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
