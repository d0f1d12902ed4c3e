/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The codec: what is built reads back, and what history shows to be sent by attackers is refused or
 * skipped. Names of the hostile cases follow the class of defect that other implementations had.
 */
#include "ike/message.h"
#include "tests/unit/ike/hex.h"

#include <errno.h>

struct wire {
	uint8_t at[2000];
	size_t len;
};

/* A message of one exchange with a chain of raw payloads {type, flags, body}. */
struct raw {
	uint8_t type, flags;
	const char *body;
};

static void assemble(struct wire *w, const struct raw *p, unsigned n)
{
	struct writer out;
	writer_init(&out, w->at, sizeof w->at);
	writer_u64(&out, 1);
	writer_u64(&out, 0);
	writer_u8(&out, n ? p[0].type : 0);
	writer_u8(&out, IKE_VERSION_2);
	writer_u8(&out, IKE_SA_INIT);
	writer_u8(&out, IKE_FLAG_INITIATOR);
	writer_u32(&out, 0);
	writer_u32(&out, 0);
	for (unsigned i = 0; i < n; i++) {
		struct hex body = hex(p[i].body);
		writer_u8(&out, i + 1 < n ? p[i + 1].type : 0);
		writer_u8(&out, p[i].flags);
		writer_u16(&out, (uint16_t)(body.len + 4));
		writer_bytes(&out, body.b, body.len);
	}
	writer_patch_u32(&out, 24, (uint32_t)writer_len(&out));
	assert_true(writer_ok(&out));
	w->len = writer_len(&out);
}

/* Parsed from a block of exactly that size, so that the sanitizer sees a read behind it. */
static int parse(const struct wire *w, struct ike_message *m)
{
	struct fault f = {0};
	uint8_t *exact = test_malloc(w->len + !w->len);
	memcpy(exact, w->at, w->len);
	int err = ike_message_parse(m, (struct bytes){exact, w->len}, &f);
	if (err)
		assert_int_equal(f.code, err);
	test_free(exact);
	return err;
}

static int parse_raw(const struct raw *p, unsigned n, struct ike_message *m)
{
	struct wire w;
	assemble(&w, p, n);
	return parse(&w, m);
}

#define PARSE(m, ...)                                \
	parse_raw((const struct raw[]){__VA_ARGS__}, \
		  sizeof((const struct raw[]){__VA_ARGS__}) / sizeof(struct raw), m)

/* ---- there and back ---- */

static void fill(struct builder *b)
{
	static const uint8_t value[64] = {4, 5, 6};
	static const uint32_t spis[] = {0xc0000001, 0xc0000002};
	struct bytes v = {value, sizeof value};
	struct identity id;
	struct traffic_selector ts[2] = {{.protocol = 6, .port_first = 80, .port_last = 80},
					 {.port_last = 65535}};
	assert_int_equal(identity_parse(&id, "gw.example.org"), 0);
	assert_int_equal(ip_addr_parse(&ts[0].range.first, "10.1.0.0"), 0);
	assert_int_equal(ip_addr_parse(&ts[0].range.last, "10.1.255.255"), 0);
	assert_int_equal(ip_addr_parse(&ts[1].range.first, "fd00::"), 0);
	assert_int_equal(ip_addr_parse(&ts[1].range.last, "fd00::ffff"), 0);
	builder_id(b, PAYLOAD_IDI, &id);
	builder_id(b, PAYLOAD_IDR, &id);
	builder_ke(b, 19, v);
	builder_raw(b, PAYLOAD_NONCE, v);
	builder_auth(b, 2, v);
	builder_ts(b, PAYLOAD_TSI, ts, 2);
	builder_ts(b, PAYLOAD_TSR, ts, 1);
	builder_notify(b, NOTIFY_COOKIE, v);
	builder_notify_spi(b, PROTOCOL_ESP, 0xc0000001, NOTIFY_REKEY_SA);
	builder_delete_esp(b, spis, 2);
	builder_delete_ike(b);
	builder_raw(b, PAYLOAD_VENDOR, v);
}

static void build(struct wire *w)
{
	struct builder b;
	struct ike_header h = {.spi_i = 0x0102030405060708,
			       .spi_r = 0x1112131415161718,
			       .exchange = IKE_AUTH,
			       .flags = IKE_FLAG_RESPONSE,
			       .id = 77};
	builder_init(&b, w->at, sizeof w->at);
	builder_header(&b, &h);
	fill(&b);
	builder_finish(&b);
	assert_true(builder_ok(&b));
	w->len = builder_bytes(&b).len;
}

static void what_is_built_reads_back(void **state)
{
	struct wire w;
	struct ike_message m;
	struct traffic_selector ts[4];
	uint8_t n;
	(void)state;
	build(&w);
	assert_int_equal(ike_message_parse(&m, (struct bytes){w.at, w.len}, NULL), 0);
	assert_true(m.h.spi_i == 0x0102030405060708 && m.h.spi_r == 0x1112131415161718);
	assert_int_equal(m.h.exchange, IKE_AUTH);
	assert_int_equal(m.h.id, 77);
	assert_true(ike_message_is_response(&m));
	assert_int_equal(m.idi.kind, IDENTITY_FQDN);
	assert_memory_equal(m.idi.name.at, "gw.example.org", 14);
	assert_int_equal(m.idi.body.len, m.idi.name.len + 4);
	assert_true(m.idr.present);
	assert_int_equal(m.ke_group, 19);
	assert_int_equal(m.ke.len, 64);
	assert_int_equal(m.nonce.len, 64);
	assert_int_equal(m.auth_method, 2);
	assert_int_equal(m.auth.len, 64);
	assert_int_equal(m.n_notifies, 2);
	assert_int_equal(ike_message_notify(&m, NOTIFY_COOKIE)->body.len, 64);
	assert_int_equal(load_be32(ike_message_notify(&m, NOTIFY_REKEY_SA)->spi.at), 0xc0000001);
	assert_null(ike_message_notify(&m, NOTIFY_INITIAL_CONTACT));
	assert_null(ike_message_error(&m));
	assert_int_equal(m.n_deletes, 2);
	assert_int_equal(m.deletes[0].n, 2);
	assert_int_equal(m.deletes[1].protocol, PROTOCOL_IKE);
	assert_int_equal(ike_ts_parse(m.tsi, ts, &n, 4), 0);
	assert_int_equal(n, 2);
	assert_int_equal(ts[0].port_first, 80);
	assert_int_equal(ts[1].range.first.family, IP_V6);
	assert_true(ike_message_has(&m, PAYLOAD_VENDOR) && !ike_message_has(&m, PAYLOAD_SA));
}

/* What the parser found, built again, is the same bytes. */
static void what_reads_builds_the_same(void **state)
{
	struct wire w, again;
	struct ike_message m;
	struct builder b;
	struct traffic_selector ts[4];
	uint8_t n;
	(void)state;
	build(&w);
	assert_int_equal(ike_message_parse(&m, (struct bytes){w.at, w.len}, NULL), 0);
	builder_init(&b, again.at, sizeof again.at);
	builder_header(&b, &m.h);
	builder_raw(&b, PAYLOAD_IDI, m.idi.body);
	builder_raw(&b, PAYLOAD_IDR, m.idr.body);
	builder_ke(&b, m.ke_group, m.ke);
	builder_raw(&b, PAYLOAD_NONCE, m.nonce);
	builder_auth(&b, m.auth_method, m.auth);
	assert_int_equal(ike_ts_parse(m.tsi, ts, &n, 4), 0);
	builder_ts(&b, PAYLOAD_TSI, ts, n);
	assert_int_equal(ike_ts_parse(m.tsr, ts, &n, 4), 0);
	builder_ts(&b, PAYLOAD_TSR, ts, n);
	builder_notify(&b, m.notify[0].type, m.notify[0].body);
	builder_notify_spi(&b, m.notify[1].protocol, load_be32(m.notify[1].spi.at),
			   m.notify[1].type);
	uint32_t spis[] = {load_be32(m.deletes[0].spis.at), load_be32(m.deletes[0].spis.at + 4)};
	builder_delete_esp(&b, spis, m.deletes[0].n);
	builder_delete_ike(&b);
	builder_raw(&b, PAYLOAD_VENDOR, m.nonce);
	builder_finish(&b);
	assert_int_equal(builder_bytes(&b).len, w.len);
	assert_memory_equal(again.at, w.at, w.len);
}

static void builder_without_room_fails_and_stays_inside(void **state)
{
	struct wire w;
	(void)state;
	build(&w);
	for (size_t room = 0; room < w.len; room++) {
		uint8_t *exact = test_malloc(room + !room);
		struct builder b;
		struct ike_header h = {.exchange = IKE_AUTH};
		builder_init(&b, exact, room);
		builder_header(&b, &h);
		fill(&b);
		builder_finish(&b);
		assert_false(builder_ok(&b));
		test_free(exact);
	}
}

/* ---- hostile ---- */

static void every_truncation_is_refused(void **state)
{
	struct wire w, cut;
	struct ike_message m;
	(void)state;
	build(&w);
	for (size_t len = 0; len < w.len; len++) {
		cut = w;
		cut.len = len;
		assert_int_not_equal(parse(&cut, &m), 0);
		if (len > IKE_HEADER_BYTES) { /* and with a length that fits */
			store_be32(cut.at + 24, (uint32_t)len);
			assert_int_equal(parse(&cut, &m), -EPROTO);
		}
	}
}

static void bytes_behind_the_message_are_refused(void **state)
{
	struct wire w;
	struct ike_message m;
	(void)state;
	build(&w);
	w.at[w.len++] = 0;
	assert_int_equal(parse(&w, &m), -EPROTO);
	store_be32(w.at + 24, (uint32_t)w.len);
	assert_int_equal(parse(&w, &m), -EPROTO);
}

/* A 1-byte-at-a-time walk of random damage: never a crash, never a read outside. */
static void damaged_messages_do_no_harm(void **state)
{
	struct wire w, bad;
	struct ike_message m;
	struct traffic_selector ts[4];
	uint8_t n;
	unsigned random = 1, refused = 0;
	(void)state;
	build(&w);
	for (unsigned round = 0; round < 20000; round++) {
		bad = w;
		for (unsigned k = 0; k <= round % 3; k++) {
			random = random * 1103515245 + 12345;
			bad.at[(random >> 8) % w.len] = (uint8_t)(random >> 24);
		}
		struct fault f;
		if (ike_message_parse(&m, (struct bytes){bad.at, bad.len}, &f)) {
			refused++;
			continue;
		}
		assert_in_range(m.n_notifies, 0, LIMIT_NOTIFIES);
		if (m.tsi.at && !ike_ts_parse(m.tsi, ts, &n, 4))
			assert_in_range(n, 0, 4);
	}
	assert_in_range(refused, 1000, 20000);
}

/* SECURITY A1: a payload type of IKEv1 in a v2 message is an unknown one: skipped, or refused when
 * critical. */
static void payloads_of_the_other_version(void **state)
{
	struct ike_message m;
	(void)state;
	for (unsigned type = 1; type <= 32; type++) {
		assert_int_equal(PARSE(&m, {(uint8_t)type, 0, "0001020304050607"}), 0);
		assert_true(m.present == 0);
		assert_int_equal(PARSE(&m, {(uint8_t)type, 0x80, "0001020304050607"}), -ENOTSUP);
		assert_int_equal(m.unsupported_critical, type);
	}
}

/* RFC 7296 section 2.5: critical counts only where the type is not known. */
static void critical_bit(void **state)
{
	struct ike_message m;
	(void)state;
	for (unsigned type = PAYLOAD_CP; type < 256; type++) {
		if (type == PAYLOAD_SKF) /* known, and never empty: test_fragment.c */
			continue;
		assert_int_equal(PARSE(&m, {(uint8_t)type, 0, ""}), 0);
		assert_int_equal(PARSE(&m, {(uint8_t)type, 0x80, ""}),
				 type <= PAYLOAD_EAP ? 0 : -ENOTSUP);
	}
	assert_int_equal(PARSE(&m, {PAYLOAD_NONCE, 0x80, "00112233445566778899aabbccddeeff"}), 0);
	assert_int_equal(PARSE(&m, {PAYLOAD_NONCE, 0x7f, "00112233445566778899aabbccddeeff"}), 0);
	assert_int_equal(m.nonce.len, 16);
}

/* SECURITY A3: absent payloads read as absent, not as empty ones; empty ones that can't be are
 * refused. */
static void missing_and_empty_payloads(void **state)
{
	struct ike_message m;
	(void)state;
	assert_int_equal(parse_raw(NULL, 0, &m), 0);
	assert_true(m.present == 0 && !m.ke.at && !m.nonce.at && !m.sa.at && !m.idi.present);
	assert_int_equal(PARSE(&m, {PAYLOAD_KE, 0, ""}), -EPROTO);
	assert_int_equal(PARSE(&m, {PAYLOAD_KE, 0, "001300"}), -EPROTO);
	assert_int_equal(PARSE(&m, {PAYLOAD_KE, 0, "00130000"}), 0);
	assert_int_equal(m.ke.len, 0);
	assert_int_equal(PARSE(&m, {PAYLOAD_IDI, 0, "010000"}), -EPROTO);
	assert_int_equal(PARSE(&m, {PAYLOAD_AUTH, 0, "0200"}), -EPROTO);
	assert_int_equal(PARSE(&m, {PAYLOAD_NOTIFY, 0, "000040"}), -EPROTO);
	assert_int_equal(PARSE(&m, {PAYLOAD_DELETE, 0, "030400"}), -EPROTO);
}

static void payload_length_below_its_header(void **state)
{
	struct wire w;
	struct ike_message m;
	const struct raw p[] = {{PAYLOAD_NONCE, 0, "00112233445566778899aabbccddeeff"}};
	(void)state;
	for (unsigned length = 0; length < 4; length++) {
		assemble(&w, p, 1);
		store_be16(w.at + 30, (uint16_t)length);
		assert_int_equal(parse(&w, &m), -EPROTO);
	}
	assemble(&w, p, 1);
	store_be16(w.at + 30, 0xffff);
	assert_int_equal(parse(&w, &m), -EPROTO);
}

/* SECURITY A6 (CVE-2026-12413): arrays of what came have caps, so that many unknown or repeated
 * payloads fill nothing. */
static void more_payloads_than_any_exchange_has(void **state)
{
	struct raw many[LIMIT_PAYLOADS + 1];
	struct ike_message m;
	(void)state;
	for (unsigned kind = 0; kind < 3; kind++) {
		uint8_t type = kind == 0 ? 200 : kind == 1 ? PAYLOAD_NOTIFY : PAYLOAD_DELETE;
		const char *body = kind == 2 ? "03040000" : "00004000";
		for (unsigned i = 0; i <= LIMIT_PAYLOADS; i++)
			many[i] = (struct raw){type, 0, body};
		assert_int_equal(parse_raw(many, LIMIT_PAYLOADS, &m), 0);
		assert_in_range(m.n_notifies, 0, LIMIT_NOTIFIES);
		assert_in_range(m.n_deletes, 0, LIMIT_NOTIFIES);
		assert_int_equal(parse_raw(many, LIMIT_PAYLOADS + 1, &m), -EPROTO);
	}
}

/* SECURITY A5: repeated DELETE payloads are a list; what may come once and came twice is refused.
 */
static void repeated_payloads(void **state)
{
	struct ike_message m;
	static const uint8_t once[] = {PAYLOAD_KE,    PAYLOAD_IDI, PAYLOAD_IDR, PAYLOAD_AUTH,
				       PAYLOAD_NONCE, PAYLOAD_TSI, PAYLOAD_TSR, PAYLOAD_SA};
	(void)state;
	for (unsigned i = 0; i < sizeof once; i++) {
		assert_int_equal(PARSE(&m, {once[i], 0, "0100000001020304"}), 0);
		assert_int_equal(PARSE(&m, {once[i], 0, "0100000001020304"},
				       {once[i], 0, "0100000001020304"}),
				 -EPROTO);
	}
	assert_int_equal(PARSE(&m, {PAYLOAD_DELETE, 0, "03040001c0000001"},
			       {PAYLOAD_DELETE, 0, "03040001c0000001"}),
			 0);
	assert_int_equal(m.n_deletes, 2);
}

/* SECURITY A5: counts and sizes of DELETE against its bytes. */
static void delete_lists_must_fill_their_payload(void **state)
{
	struct ike_message m;
	static const char *const bad[] = {
		"03040002c0000001",	    "03040000c0000001", "0304ffffc0000001",
		"03080001c000000100000000", "03000001",		"03ff0001c0000001",
		"01080001c000000100000000", "01000001",		"01080000",
	};
	(void)state;
	for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_int_equal(PARSE(&m, {PAYLOAD_DELETE, 0, bad[i]}), -EPROTO);
	assert_int_equal(PARSE(&m, {PAYLOAD_DELETE, 0, "01000000"}), 0);
}

static void delete_list_has_a_cap(void **state)
{
	static const uint32_t spis[LIMIT_DELETE_SPIS + 1];
	(void)state;
	for (uint16_t n = LIMIT_DELETE_SPIS; n <= LIMIT_DELETE_SPIS + 1; n++) {
		struct wire w;
		struct builder b;
		struct ike_message m;
		struct ike_header h = {.exchange = IKE_INFORMATIONAL};
		builder_init(&b, w.at, sizeof w.at);
		builder_header(&b, &h);
		builder_delete_esp(&b, spis, n);
		builder_finish(&b);
		w.len = builder_bytes(&b).len;
		assert_int_equal(parse(&w, &m), n == LIMIT_DELETE_SPIS ? 0 : -EPROTO);
	}
}

static void notify_spi_longer_than_its_payload(void **state)
{
	struct ike_message m;
	(void)state;
	assert_int_equal(PARSE(&m, {PAYLOAD_NOTIFY, 0, "03044009"}), -EPROTO);
	assert_int_equal(PARSE(&m, {PAYLOAD_NOTIFY, 0, "03ff4009c0000001"}), -EPROTO);
	assert_int_equal(PARSE(&m, {PAYLOAD_NOTIFY, 0, "03044009c0000001"}), 0);
	assert_int_equal(m.notify[0].body.len, 0);
}

static void first_error_notify_is_found_behind_status(void **state)
{
	struct ike_message m;
	(void)state;
	assert_int_equal(
		PARSE(&m, {PAYLOAD_NOTIFY, 0, "00004004"}, {PAYLOAD_NOTIFY, 0, "0000000e"}), 0);
	assert_int_equal(ike_message_error(&m)->type, NOTIFY_NO_PROPOSAL_CHOSEN);
}

/* SK must be the last; what is inside is read by ike_message_parse_inner only. */
static void sk_ends_the_clear_part(void **state)
{
	struct ike_message m;
	struct wire w;
	const struct raw p[] = {{PAYLOAD_SK, 0, "00112233445566778899aabbccddeeff"},
				{PAYLOAD_NONCE, 0, "00112233445566778899aabbccddeeff"}};
	(void)state;
	assemble(&w, p, 1);
	w.at[28] = PAYLOAD_IDI;
	assert_int_equal(ike_message_parse(&m, (struct bytes){w.at, w.len}, NULL), 0);
	assert_int_equal(m.sk_first, PAYLOAD_IDI);
	assert_int_equal(m.sk_offset, IKE_HEADER_BYTES);
	assert_int_equal(m.sk.len, 16);
	assert_false(m.idi.present);
	assemble(&w, p, 2);
	assert_int_equal(parse(&w, &m), -EPROTO);
}

static void sk_inside_sk_is_not_opened(void **state)
{
	struct ike_message m = {.sk_first = PAYLOAD_SK};
	static const uint8_t inner[] = {0, 0, 0, 8, 1, 2, 3, 4};
	struct fault f;
	(void)state;
	assert_int_equal(ike_message_parse_inner(&m, (struct bytes){inner, sizeof inner}, &f), 0);
	assert_int_equal(m.sk_offset, 0);
	assert_int_equal(m.sk.len, 0);
}

/* ---- traffic selectors: SECURITY A4 ---- */

static int ts_of(const char *text, unsigned *count)
{
	struct hex h = hex(text);
	struct traffic_selector ts[2];
	uint8_t n = 0;
	uint8_t *exact = test_malloc(h.len + !h.len);
	memcpy(exact, h.b, h.len);
	int err = ike_ts_parse((struct bytes){exact, h.len}, ts, &n, 2);
	*count = n;
	test_free(exact);
	return err;
}

#define V4 "070000100000ffff0a0000000a0000ff"
#define V6 "080000280000fffffd000000000000000000000000000000fd00000000000000000000000000ffff"

static void selectors_that_are_right(void **state)
{
	unsigned n;
	(void)state;
	assert_int_equal(ts_of("01000000" V4, &n), 0);
	assert_int_equal(n, 1);
	assert_int_equal(ts_of("02000000" V4 V6, &n), 0);
	assert_int_equal(n, 2);
	/* more than there is room for: the rest is left out, the syntax still judged */
	assert_int_equal(ts_of("03000000" V4 V6 V4, &n), 0);
	assert_int_equal(n, 2);
	/* a type that we don't know is skipped (RFC 7296 section 2.9) */
	assert_int_equal(ts_of("02000000"
			       "0900000c0000000000000000" V4,
			       &n),
			 0);
	assert_int_equal(n, 1);
	/* OPAQUE ports */
	assert_int_equal(ts_of("01000000"
			       "07060010ffff00000a0000000a0000ff",
			       &n),
			 0);
	assert_int_equal(n, 1);
}

static void selectors_with_wrong_numbers_and_lengths(void **state)
{
	static const char *const bad[] = {
		"",
		"01",
		"010000",
		"01000000",
		"02000000" V4,	    /* fewer than said */
		"ff000000" V4,	    /* far fewer */
		"00000000" V4,	    /* more than said */
		"01000000" V4 "00", /* bytes behind */
		"01000000"
		"07000000", /* length 0 */
		"01000000"
		"070000070000ff",
		"01000000"
		"070000080000ffff", /* no addresses */
		"01000000"
		"0700000f0000ffff0a0000000a0000", /* one short */
		"01000000"
		"070000110000ffff0a0000000a0000ff00", /* one more */
		"01000000"
		"07000028"
		"0000ffff0a0000000a0000ff", /* IPv6's length with IPv4's type */
		"01000000"
		"080000100000ffff0a0000000a0000ff",
		"01000000"
		"0700ffff0000ffff0a0000000a0000ff",
		"01000000"
		"070000100000ffff0a0001000a0000ff", /* range runs backwards */
		"01000000"
		"07060010005000140a0000000a0000ff", /* ports run backwards */
	};
	unsigned n;
	(void)state;
	for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_int_equal(ts_of(bad[i], &n), -EPROTO);
}

static void names_of_notifies(void **state)
{
	char text[32];
	(void)state;
	assert_string_equal(notify_name(NOTIFY_NO_PROPOSAL_CHOSEN, text), "NO_PROPOSAL_CHOSEN");
	assert_string_equal(notify_name(65535, text), "notify 65535");
	assert_string_equal(exchange_type_name(IKE_AUTH), "IKE_AUTH");
	assert_string_equal(exchange_type_name(0), "unknown exchange");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_built_reads_back),
		cmocka_unit_test(what_reads_builds_the_same),
		cmocka_unit_test(builder_without_room_fails_and_stays_inside),
		cmocka_unit_test(every_truncation_is_refused),
		cmocka_unit_test(bytes_behind_the_message_are_refused),
		cmocka_unit_test(damaged_messages_do_no_harm),
		cmocka_unit_test(payloads_of_the_other_version),
		cmocka_unit_test(critical_bit),
		cmocka_unit_test(missing_and_empty_payloads),
		cmocka_unit_test(payload_length_below_its_header),
		cmocka_unit_test(more_payloads_than_any_exchange_has),
		cmocka_unit_test(repeated_payloads),
		cmocka_unit_test(delete_lists_must_fill_their_payload),
		cmocka_unit_test(delete_list_has_a_cap),
		cmocka_unit_test(notify_spi_longer_than_its_payload),
		cmocka_unit_test(first_error_notify_is_found_behind_status),
		cmocka_unit_test(sk_ends_the_clear_part),
		cmocka_unit_test(sk_inside_sk_is_not_opened),
		cmocka_unit_test(selectors_that_are_right),
		cmocka_unit_test(selectors_with_wrong_numbers_and_lengths),
		cmocka_unit_test(names_of_notifies),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
