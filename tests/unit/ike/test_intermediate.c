/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What AUTH covers of IKE_INTERMEDIATE (RFC 9242 section 3.3.2), against the formulas written out
 * here with bare HMAC.
 */
#include "ike/ike_internal.h"
#include "tests/unit/ike/hex.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

static void hmac(const struct secret *key, const uint8_t *in, size_t n, uint8_t out[32])
{
	unsigned len = 32;
	assert_non_null(HMAC(EVP_sha256(), key->b, key->len, in, n, out, &len));
	assert_int_equal(len, 32);
}

/* A and P by hand: header with Length 28 + 4 + n, SK's generic header with 4 + n, payloads. */
static size_t plain(uint8_t *out, uint8_t flags, uint32_t id, uint8_t first, const uint8_t *inner,
		    size_t n)
{
	memset(out, 0, 32);
	store_be64(out, 0x1111);
	store_be64(out + 8, 0x2222);
	out[16] = 46;
	out[17] = 0x20;
	out[18] = 43;
	out[19] = flags;
	store_be32(out + 20, id);
	store_be32(out + 24, (uint32_t)(32 + n));
	out[28] = first;
	store_be16(out + 30, (uint16_t)(4 + n));
	memcpy(out + 32, inner, n);
	return 32 + n;
}

static void test_int_auth(void **state)
{
	static const uint8_t ask[] = {0, 0, 0, 12, 0, 19, 0, 0, 1, 2, 3, 4};
	static const uint8_t reply[] = {0, 0, 0, 10, 0, 19, 0, 0, 9, 8};
	static struct handshake h;
	struct ike_sa sa = {.handshake = &h, .chosen = {.prf = PRF_HMAC_SHA2_256}};
	uint8_t value[2][32], joined[32 + 128], got[INTERMEDIATE_AUTH], want[2 * 32 + 4];
	(void)state;
	assert_int_equal(intermediate_auth(&sa, got).len, 0);
	for (uint32_t round = 1; round <= 3; round++) {
		char key[40];
		struct ike_header ask_h = {.spi_i = 0x1111,
					   .spi_r = 0x2222,
					   .exchange = IKE_INTERMEDIATE,
					   .flags = IKE_FLAG_INITIATOR,
					   .id = round};
		struct ike_header reply_h = ask_h;
		reply_h.flags = IKE_FLAG_RESPONSE;
		snprintf(key, sizeof key, "the initiator's SK_p of round %u", round);
		assert_int_equal(secret_set(&sa.keys.pi, key, 32), 0);
		key[4] = 'R';
		assert_int_equal(secret_set(&sa.keys.pr, key, 32), 0);
		size_t before = round > 1 ? 32 : 0;
		memcpy(joined, value[0], before);
		size_t n = plain(joined + before, 0x08, round, 34, ask, sizeof ask);
		hmac(&sa.keys.pi, joined, before + n, value[0]);
		memcpy(joined, value[1], before);
		n = plain(joined + before, 0x20, round, 34, reply, sizeof reply);
		hmac(&sa.keys.pr, joined, before + n, value[1]);
		intermediate_note(&sa, &ask_h, PAYLOAD_KE, (struct bytes){ask, sizeof ask});
		intermediate_note(&sa, &reply_h, PAYLOAD_KE, (struct bytes){reply, sizeof reply});
		h.more.done++;
		memcpy(want, value[0], 32);
		memcpy(want + 32, value[1], 32);
		store_be32(want + 64, round + 1);
		struct bytes b = intermediate_auth(&sa, got);
		assert_int_equal(b.len, sizeof want);
		assert_memory_equal(b.at, want, sizeof want);
	}
}

/* What was changed on its way, by one bit, is covered by another value. */
static void test_one_bit_of_what_was_sent(void **state)
{
	static struct handshake h[2];
	uint8_t inner[64] = {0}, a[INTERMEDIATE_AUTH], b[INTERMEDIATE_AUTH];
	struct ike_header head = {
		.exchange = IKE_INTERMEDIATE, .flags = IKE_FLAG_INITIATOR, .id = 1};
	(void)state;
	for (unsigned bit = 0; bit < 8 * sizeof inner; bit++) {
		memset(h, 0, sizeof h);
		for (unsigned i = 0; i < 2; i++) {
			struct ike_sa sa = {.handshake = &h[i],
					    .chosen = {.prf = PRF_HMAC_SHA2_512}};
			inner[bit / 8] ^= (uint8_t)(1u << bit % 8);
			intermediate_note(&sa, &head, PAYLOAD_KE,
					  (struct bytes){inner, sizeof inner});
			h[i].more.done = 1;
			assert_int_equal(intermediate_auth(&sa, i ? b : a).len, 2 * 64 + 4);
		}
		assert_memory_not_equal(a, b, 64);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_int_auth),
		cmocka_unit_test(test_one_bit_of_what_was_sent),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
