/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fragments (RFC 7383): which messages go in parts, how large they are, and what becomes of parts
 * that come twice, late, in another number, changed or in excess.
 */
#include "ike/ike_internal.h"
#include "tests/unit/ike/hex.h"

#include <errno.h>
#include <stdlib.h>

static void fill(void *owner, uint8_t *out, size_t n)
{
	(void)owner;
	memset(out, 0x5a, n);
}

static const struct ike_chosen suites[] = {
	{.encryption = ENCR_AES_GCM16_256, .prf = PRF_HMAC_SHA2_256},
	{.encryption = ENCR_CHACHA20_POLY1305, .prf = PRF_HMAC_SHA2_256},
	{.encryption = ENCR_AES_CBC_256,
	 .integrity = AUTH_HMAC_SHA2_512_256,
	 .prf = PRF_HMAC_SHA2_512},
	{.encryption = ENCR_3DES, .integrity = AUTH_HMAC_SHA1_96, .prf = PRF_HMAC_SHA1},
};
#define SUITES (sizeof suites / sizeof *suites)

struct pair {
	struct ike *e;
	struct ike_sa *from, *to;
	uint8_t out[FRAGMENT_SEALED], plain[LIMIT_MESSAGE];
	size_t len, n;
};

static struct ike_sa *end_of(struct ike *e, bool initiator, const struct ike_chosen *chosen)
{
	struct ike_sa *sa;
	uint8_t b[32] = {7};
	struct bytes x = {b, sizeof b};
	assert_int_equal(sa_new(e, &sa, initiator, initiator ? 1 : 2), 0);
	sa->spi_i = 1;
	sa->spi_r = 2;
	sa->chosen = *chosen;
	assert_int_equal(keys_ike(&sa->keys, chosen, x, x, x, 1, 2), 0);
	sa->has_keys = sa->fragmentation = true;
	sa->local.addr.family = sa->remote.addr.family = IP_V4;
	sa->local.port = sa->remote.port = IKE_PORT;
	return sa;
}

static void begin(struct pair *p, const struct ike_chosen *chosen)
{
	memset(p, 0, sizeof *p);
	assert_int_equal(ike_new(&p->e, NULL, &(struct ike_random){fill, NULL}), 0);
	p->from = end_of(p->e, true, chosen);
	p->to = end_of(p->e, false, chosen);
}

static void end(struct pair *p)
{
	ike_free(p->e);
}

static const struct ike_header header = {
	.spi_i = 1, .spi_r = 2, .exchange = IKE_AUTH, .flags = IKE_FLAG_INITIATOR, .id = 1};

/* One message of `inner` bytes, each at its place modulo 251. */
static void seal(struct pair *p, size_t inner)
{
	uint8_t b[LIMIT_MESSAGE];
	for (size_t i = 0; i < inner; i++)
		b[i] = (uint8_t)(i % 251);
	assert_int_equal(fragment_seal(p->from, &header, PAYLOAD_IDI, (struct bytes){b, inner},
				       p->out, &p->len),
			 0);
}

/* The i-th message in p->out; its length 0 when there is none. */
static struct bytes part(const struct pair *p, unsigned i)
{
	size_t at = 0;
	for (; at < p->len && i; i--)
		at += load_be32(p->out + at + 24);
	return at < p->len ? (struct bytes){p->out + at, load_be32(p->out + at + 24)}
			   : (struct bytes){NULL, 0};
}

static unsigned parts(const struct pair *p)
{
	unsigned n = 0;
	while (part(p, n).len)
		n++;
	return n;
}

static int take(struct pair *p, struct bytes b)
{
	struct ike_message m;
	struct fault f;
	assert_int_equal(ike_message_parse(&m, b, &f), 0);
	int err = fragment_open(p->to, &m, p->plain, sizeof p->plain, &p->n);
	if (!err)
		assert_int_equal(m.sk_first, PAYLOAD_IDI);
	return err;
}

static void is_whole(const struct pair *p, size_t inner)
{
	assert_int_equal(p->n, inner);
	for (size_t i = 0; i < inner; i++)
		assert_int_equal(p->plain[i], i % 251);
}

/* SK as long as it fits, never one fragment alone; no part longer than the limit, by family. */
static void test_sizes(void **state)
{
	static const struct {
		uint8_t family;
		uint16_t port;
		size_t limit;
	} rows[] = {{IP_V4, 500, 1252}, {IP_V4, 4500, 1248}, {IP_V6, 500, 1232}};
	(void)state;
	for (size_t k = 0; k < SUITES * 3; k++) {
		struct pair p;
		begin(&p, &suites[k / 3]);
		p.from->remote.addr.family = rows[k % 3].family;
		p.from->local.port = rows[k % 3].port;
		assert_int_equal(fragment_limit(p.from), rows[k % 3].limit);
		for (size_t inner = 1100; inner < 1300; inner++) {
			seal(&p, inner);
			unsigned n = parts(&p);
			assert_int_equal(p.out[16], n == 1 ? PAYLOAD_SK : PAYLOAD_SKF);
			bool fits = protect_length(&suites[k / 3], inner) <= rows[k % 3].limit;
			assert_int_equal(n == 1, fits);
			for (unsigned i = 0; i < n; i++)
				assert_true(part(&p, i).len <= rows[k % 3].limit);
		}
		end(&p);
	}
}

/* SECURITY A6: duplicates. Each suite, several lengths, the parts in order, in reverse, each twice.
 */
static void test_there_and_back(void **state)
{
	static const size_t lengths[] = {1300, 2500, 4096, 7000};
	(void)state;
	for (size_t k = 0; k < SUITES * 4; k++) {
		for (unsigned order = 0; order < 3; order++) {
			struct pair p;
			begin(&p, &suites[k / 4]);
			seal(&p, lengths[k % 4]);
			unsigned n = parts(&p);
			assert_true(n >= 2);
			for (unsigned i = 0; i < n; i++) {
				unsigned at = order == 1 ? n - 1 - i : i;
				int want = i + 1 == n ? 0 : -EAGAIN;
				assert_int_equal(take(&p, part(&p, at)), want);
				if (order == 2 && want)
					assert_int_equal(take(&p, part(&p, at)), -EAGAIN);
			}
			is_whole(&p, lengths[k % 4]);
			assert_null(p.to->reassembly[0]);
			assert_int_equal(ike_count(p.e, IKE_COUNT_REASSEMBLED), 1);
			assert_int_equal(ike_count(p.e, IKE_COUNT_FRAGMENT_REPEATED),
					 order == 2 ? n - 1 : 0);
			end(&p);
		}
	}
}

/* Any bit of a part counts: nothing of it is stored. */
static void test_changed(void **state)
{
	(void)state;
	struct pair p;
	begin(&p, &suites[0]);
	seal(&p, 2000);
	struct bytes b = part(&p, 0);
	for (size_t i = 28; i < b.len; i++) {
		struct ike_message m;
		struct fault f;
		uint8_t copy[LIMIT_MESSAGE];
		memcpy(copy, b.at, b.len);
		copy[i] ^= 1;
		if (ike_message_parse(&m, (struct bytes){copy, b.len}, &f))
			continue;
		assert_true(fragment_open(p.to, &m, p.plain, sizeof p.plain, &p.n) != 0);
		assert_null(p.to->reassembly[0]);
	}
	assert_true(ike_count(p.e, IKE_COUNT_FRAGMENT_INTEGRITY) > 1000);
	end(&p);
}

/* SECURITY A6: the total changes. RFC 7383 section 2.6: more parts than before begin anew, fewer
 * are dropped. */
static void test_cut_anew(void **state)
{
	(void)state;
	struct pair p, small;
	struct connection c = {.cfg = {.fragment_mtu = 576}};
	begin(&p, &suites[0]);
	begin(&small, &suites[0]);
	small.from->c = &c;
	seal(&p, 2000);
	seal(&small, 2000);
	small.from->c = NULL;
	assert_true(parts(&small) > parts(&p));
	assert_int_equal(take(&p, part(&p, 0)), -EAGAIN);
	assert_int_equal(take(&p, part(&small, 0)), -EAGAIN);
	assert_int_equal(take(&p, part(&p, 1)), -EAGAIN);
	assert_int_equal(ike_count(p.e, IKE_COUNT_FRAGMENT_OVERTAKEN), 2);
	for (unsigned i = 1; i < parts(&small); i++)
		assert_int_equal(take(&p, part(&small, i)), i + 1 < parts(&small) ? -EAGAIN : 0);
	is_whole(&p, 2000);
	end(&p);
	end(&small);
}

/* A part of its own making, with the right keys. */
static int take_made(struct pair *p, uint16_t number, uint16_t total, size_t inner)
{
	static const uint8_t iv[PROTECT_IV_RANDOM];
	uint8_t b[LIMIT_MESSAGE] = {0};
	struct ike_fragment f = {number, total};
	assert_int_equal(protect_seal_fragment(&p->from->keys, &p->from->chosen, &header, &f,
					       number == 1 ? PAYLOAD_IDI : 0,
					       (struct bytes){b, inner}, iv, p->out, sizeof p->out,
					       &p->len),
			 0);
	return take(p, (struct bytes){p->out, p->len});
}

/* SECURITY A6 (CVE-2026-12413) and D26: a peer with keys that sends too much finds caps: 65535
 * parts, one more than may be, more bytes than a message has; 1 of 1 is a message. */
static void test_caps(void **state)
{
	(void)state;
	struct pair p;
	begin(&p, &suites[0]);
	assert_int_equal(take_made(&p, 1, LIMIT_FRAGMENTS + 1, 10), -EAGAIN);
	assert_int_equal(take_made(&p, 1, UINT16_MAX, 10), -EAGAIN);
	assert_int_equal(ike_count(p.e, IKE_COUNT_FRAGMENT_TOO_MUCH), 2);
	assert_null(p.to->reassembly[0]);
	for (uint16_t i = 1; i < LIMIT_FRAGMENTS; i++)
		assert_int_equal(take_made(&p, i, LIMIT_FRAGMENTS, 1000), -EAGAIN);
	assert_int_equal(ike_count(p.e, IKE_COUNT_FRAGMENT_TOO_MUCH),
			 2 + LIMIT_FRAGMENTS - 1 - LIMIT_MESSAGE / 1000);
	assert_non_null(p.to->reassembly[0]);
	fragments_forget(p.to, false);
	assert_null(p.to->reassembly[0]);
	assert_int_equal(take_made(&p, 1, 1, 10), 0);
	assert_int_equal(p.n, 10);
	assert_int_equal(take_made(&p, 1, 1, 0), 0);
	assert_null(p.to->reassembly[0]);
	/* parts of nothing are parts */
	for (uint16_t i = 1; i <= LIMIT_FRAGMENTS; i++)
		assert_int_equal(take_made(&p, i, LIMIT_FRAGMENTS, 0),
				 i < LIMIT_FRAGMENTS ? -EAGAIN : 0);
	assert_int_equal(p.n, 0);
	end(&p);
}

/* Not agreed on: the whole goes out as one, and parts that come are dropped. */
static void test_not_agreed(void **state)
{
	(void)state;
	struct pair p;
	begin(&p, &suites[0]);
	seal(&p, 2000);
	p.to->fragmentation = p.from->fragmentation = false;
	assert_int_equal(take(&p, part(&p, 0)), -EAGAIN);
	assert_int_equal(ike_count(p.e, IKE_COUNT_FRAGMENT_NOT_AGREED), 1);
	seal(&p, 2000);
	assert_int_equal(parts(&p), 1);
	assert_int_equal(p.out[16], PAYLOAD_SK);
	end(&p);
}

/* Only the first part of a request asks for its answer again, however it was cut before. */
static void test_repeats(void **state)
{
	(void)state;
	struct pair p;
	struct fault f;
	begin(&p, &suites[0]);
	seal(&p, 3000);
	for (unsigned i = 0; i < parts(&p); i++) {
		struct ike_message m;
		assert_int_equal(ike_message_parse(&m, part(&p, i), &f), 0);
		assert_int_equal(fragment_repeats(p.to, &m), i == 0);
	}
	p.out[100] ^= 1;
	struct ike_message m;
	assert_int_equal(ike_message_parse(&m, part(&p, 0), &f), 0);
	assert_false(fragment_repeats(p.to, &m));
	end(&p);
}

/* SECURITY A6 (CVE-2016-1287): lengths below that of a fragment's header and of what protects it:
 * nothing is subtracted from them. */
static void test_lengths(void **state)
{
	(void)state;
	for (size_t k = 0; k < SUITES; k++) {
		struct pair p;
		begin(&p, &suites[k]);
		assert_int_equal(take_made(&p, 1, 2, 0), -EAGAIN);
		fragments_forget(p.to, false);
		for (size_t n = 0; n < p.len - IKE_HEADER_BYTES; n++) {
			uint8_t *exact = malloc(IKE_HEADER_BYTES + n);
			struct bytes b = {exact, IKE_HEADER_BYTES + n};
			struct ike_message m;
			struct fault f;
			memcpy(exact, p.out, b.len);
			store_be32(exact + 24, (uint32_t)b.len);
			if (n >= 4)
				store_be16(exact + IKE_HEADER_BYTES + 2, (uint16_t)n);
			int err = ike_message_parse(&m, b, &f);
			assert_int_equal(err, n < 8 ? -EPROTO : 0);
			if (!err)
				assert_int_equal(
					fragment_open(p.to, &m, p.plain, sizeof p.plain, &p.n),
					-EBADMSG);
			assert_null(p.to->reassembly[0]);
			free(exact);
		}
		end(&p);
	}
}

/* SECURITY A6: number 0, number above the total, total 0. */
static void test_numbers(void **state)
{
	static const uint16_t bad[][2] = {{0, 2}, {0, 0}, {1, 0}, {3, 2}, {65535, 1}};
	(void)state;
	struct pair p;
	begin(&p, &suites[0]);
	seal(&p, 3000);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct ike_message m;
		struct fault f;
		store_be16(p.out + 32, bad[i][0]);
		store_be16(p.out + 34, bad[i][1]);
		assert_int_equal(ike_message_parse(&m, part(&p, 0), &f), -EPROTO);
	}
	end(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sizes),	cmocka_unit_test(test_there_and_back),
		cmocka_unit_test(test_changed), cmocka_unit_test(test_cut_anew),
		cmocka_unit_test(test_caps),	cmocka_unit_test(test_not_agreed),
		cmocka_unit_test(test_repeats), cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_lengths),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
