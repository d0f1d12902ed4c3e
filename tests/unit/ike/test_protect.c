/* SPDX-License-Identifier: Apache-2.0 */
/* The SK payload: RFC 7634's example, every suite there and back, and whatever was changed on the
 * way refused. */
#include "ike/protect.h"
#include "tests/unit/ike/hex.h"

#include <errno.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

static const struct ike_chosen suites[] = {
	{.encryption = ENCR_AES_GCM16_128, .prf = PRF_HMAC_SHA2_256},
	{.encryption = ENCR_AES_GCM16_192, .prf = PRF_HMAC_SHA2_256},
	{.encryption = ENCR_AES_GCM16_256, .prf = PRF_HMAC_SHA2_384},
	{.encryption = ENCR_CHACHA20_POLY1305, .prf = PRF_HMAC_SHA2_256},
	{.encryption = ENCR_AES_CBC_128, .integrity = AUTH_HMAC_SHA1_96, .prf = PRF_HMAC_SHA1},
	{.encryption = ENCR_AES_CBC_192,
	 .integrity = AUTH_HMAC_SHA2_256_128,
	 .prf = PRF_HMAC_SHA2_256},
	{.encryption = ENCR_AES_CBC_256,
	 .integrity = AUTH_HMAC_SHA2_256_128,
	 .prf = PRF_HMAC_SHA2_256},
	{.encryption = ENCR_AES_CBC_256,
	 .integrity = AUTH_HMAC_SHA2_384_192,
	 .prf = PRF_HMAC_SHA2_384},
	{.encryption = ENCR_AES_CBC_256,
	 .integrity = AUTH_HMAC_SHA2_512_256,
	 .prf = PRF_HMAC_SHA2_512},
	{.encryption = ENCR_3DES, .integrity = AUTH_HMAC_SHA1_96, .prf = PRF_HMAC_SHA1},
};
#define SUITES (sizeof suites / sizeof *suites)

static const struct ike_header header = {.spi_i = 0x1111,
					 .spi_r = 0x2222,
					 .exchange = IKE_INFORMATIONAL,
					 .flags = IKE_FLAG_INITIATOR,
					 .id = 3};

static void keys_for(const struct ike_chosen *c, struct ike_keys *k)
{
	uint8_t b[32];
	memset(b, 0x42, sizeof b);
	struct bytes x = {b, sizeof b};
	assert_int_equal(keys_ike(k, c, x, x, x, 1, 2), 0);
}

static size_t seal(const struct ike_chosen *c, struct ike_keys *k, size_t inner_len, uint8_t *out)
{
	uint8_t iv[PROTECT_IV_RANDOM], inner[600];
	size_t len;
	memset(iv, 0x77, sizeof iv);
	for (size_t i = 0; i < inner_len; i++)
		inner[i] = (uint8_t)i;
	assert_int_equal(protect_seal(k, c, &header, PAYLOAD_NOTIFY,
				      (struct bytes){inner, inner_len}, iv, out, 1000, &len),
			 0);
	return len;
}

static int open_bytes(const struct ike_keys *k, const struct ike_chosen *c, const uint8_t *m,
		      size_t len, uint8_t *out, size_t *n)
{
	struct ike_message parsed;
	struct fault f;
	int err = ike_message_parse(&parsed, (struct bytes){m, len}, &f);
	return err ? err : protect_open(k, c, &parsed, out, 1000, n);
}

/* RFC 7634 appendix B. */
static void rfc7634_example_message(void **state)
{
	static const struct ike_chosen chacha = {.encryption = ENCR_CHACHA20_POLY1305};
	struct hex want =
		hex("c0c1c2c3c4c5c6c7d0d1d2d3d4d5d6d72e20250000000009000000452900002910"
		    "11121314151617610394701f8d017f7c129248896b71bfe25236efd7cdc67066906315b2");
	struct ike_keys k = {.iv = 0x1011121314151616};
	struct ike_header h = {.spi_i = 0xc0c1c2c3c4c5c6c7,
			       .spi_r = 0xd0d1d2d3d4d5d6d7,
			       .exchange = IKE_INFORMATIONAL,
			       .id = 9};
	static const uint8_t window[] = {0, 0, 0, 10};
	uint8_t inner[32], out[200], plain[200], iv[PROTECT_IV_RANDOM] = {0};
	size_t len, n;
	(void)state;
	k.er.len = 36;
	for (unsigned i = 0; i < 36; i++)
		k.er.b[i] = (uint8_t)(0x80 + i);
	struct builder b;
	builder_init(&b, inner, sizeof inner);
	builder_notify(&b, 16385, (struct bytes){window, sizeof window});
	assert_int_equal(protect_seal(&k, &chacha, &h, b.first, builder_bytes(&b), iv, out,
				      sizeof out, &len),
			 0);
	assert_int_equal(len, want.len);
	assert_memory_equal(out, want.b, len);
	assert_int_equal(open_bytes(&k, &chacha, want.b, want.len, plain, &n), 0);
	assert_int_equal(n, builder_bytes(&b).len);
	assert_memory_equal(plain, inner, n);
}

static void every_suite_and_length_there_and_back(void **state)
{
	(void)state;
	for (unsigned s = 0; s < SUITES; s++) {
		struct ike_keys k;
		keys_for(&suites[s], &k);
		for (size_t len = 0; len < 70; len++) {
			uint8_t m[1000], plain[1000];
			size_t n = 0, total = seal(&suites[s], &k, len, m);
			assert_int_equal(open_bytes(&k, &suites[s], m, total, plain, &n), 0);
			assert_int_equal(n, len);
			for (size_t i = 0; i < n; i++)
				assert_int_equal(plain[i], i);
		}
	}
}

/* Every bit of a message is under the ICV: header, SK's own header, IV, text, ICV. */
static void every_changed_byte_is_refused(void **state)
{
	(void)state;
	for (unsigned s = 0; s < SUITES; s++) {
		struct ike_keys k;
		uint8_t m[1000], plain[1000];
		size_t n, total;
		keys_for(&suites[s], &k);
		total = seal(&suites[s], &k, 40, m);
		for (size_t i = 0; i < total; i++) {
			for (unsigned bit = 0; bit < 8; bit++) {
				m[i] ^= (uint8_t)(1u << bit);
				assert_int_not_equal(
					open_bytes(&k, &suites[s], m, total, plain, &n), 0);
				m[i] ^= (uint8_t)(1u << bit);
			}
		}
		assert_int_equal(open_bytes(&k, &suites[s], m, total, plain, &n), 0);
	}
}

/* Cut anywhere, with all length fields made to fit. */
static void every_truncation_is_refused(void **state)
{
	(void)state;
	for (unsigned s = 0; s < SUITES; s++) {
		struct ike_keys k;
		uint8_t m[1000], plain[1000];
		keys_for(&suites[s], &k);
		size_t n, total = seal(&suites[s], &k, 40, m);
		for (size_t len = 0; len < total; len++) {
			uint8_t cut[1000];
			memcpy(cut, m, len);
			if (len >= IKE_HEADER_BYTES)
				store_be32(cut + 24, (uint32_t)len);
			if (len >= IKE_HEADER_BYTES + IKE_PAYLOAD_BYTES)
				store_be16(cut + 30, (uint16_t)(len - IKE_HEADER_BYTES));
			assert_int_not_equal(open_bytes(&k, &suites[s], cut, len, plain, &n), 0);
		}
	}
}

static void other_direction_is_refused(void **state)
{
	(void)state;
	for (unsigned s = 0; s < SUITES; s++) {
		struct ike_keys k, swapped;
		uint8_t m[1000], plain[1000];
		keys_for(&suites[s], &k);
		swapped = k;
		swapped.ei = k.er;
		swapped.er = k.ei;
		swapped.ai = k.ar;
		swapped.ar = k.ai;
		size_t n, total = seal(&suites[s], &k, 10, m);
		assert_int_equal(open_bytes(&swapped, &suites[s], m, total, plain, &n), -EBADMSG);
	}
}

/* The MAC written out with the library alone: over all from the header to the ciphertext. */
static void cbc_icv_is_hmac_over_the_message(void **state)
{
	const struct ike_chosen *c = &suites[6];
	struct ike_keys k;
	uint8_t m[1000], want[32];
	unsigned n;
	(void)state;
	keys_for(c, &k);
	size_t total = seal(c, &k, 33, m);
	assert_int_equal(total, 28 + 4 + 16 + 48 + 16);
	assert_non_null(HMAC(EVP_sha256(), k.ai.b, k.ai.len, m, total - 16, want, &n));
	assert_memory_equal(m + total - 16, want, 16);
}

/* A pad length of the peer's choosing behind a valid MAC. */
static void pad_length_beyond_the_text_is_refused(void **state)
{
	const struct ike_chosen *c = &suites[6];
	struct ike_keys k;
	uint8_t m[100], plain[100], text[16] = {0}, mac[32];
	unsigned n_mac;
	size_t n;
	int moved;
	(void)state;
	keys_for(c, &k);
	for (unsigned pad = 0; pad < 256; pad++) {
		struct builder b;
		struct ike_header h = header;
		builder_init(&b, m, sizeof m);
		builder_header(&b, &h);
		struct writer_mark mark = builder_begin(&b, PAYLOAD_SK);
		writer_zero(&b.w, 16 + 16 + 16);
		builder_end(&b, mark);
		builder_finish(&b);
		text[15] = (uint8_t)pad;
		EVP_CIPHER_CTX *cipher = EVP_CIPHER_CTX_new();
		EVP_EncryptInit_ex(cipher, EVP_aes_256_cbc(), NULL, k.ei.b, m + 32);
		EVP_CIPHER_CTX_set_padding(cipher, 0);
		assert_int_equal(EVP_EncryptUpdate(cipher, m + 48, &moved, text, 16), 1);
		EVP_CIPHER_CTX_free(cipher);
		HMAC(EVP_sha256(), k.ai.b, k.ai.len, m, 64, mac, &n_mac);
		memcpy(m + 64, mac, 16);
		int err = open_bytes(&k, c, m, 80, plain, &n);
		if (pad > 15) {
			assert_int_equal(err, -EBADMSG);
			continue;
		}
		assert_int_equal(err, 0);
		assert_int_equal(n, 15 - pad);
	}
}

/* An explicit IV under an AEAD never comes twice. */
static void aead_iv_counts(void **state)
{
	struct ike_keys k;
	uint8_t m[1000];
	(void)state;
	keys_for(&suites[0], &k);
	for (uint64_t i = 1; i < 100; i++) {
		seal(&suites[0], &k, 10, m);
		assert_true(load_be64(m + 32) == i);
	}
}

static void no_room_is_said_and_nothing_written_behind(void **state)
{
	(void)state;
	for (unsigned s = 0; s < SUITES; s++) {
		struct ike_keys k;
		uint8_t m[1000], iv[PROTECT_IV_RANDOM] = {0}, inner[40] = {0};
		keys_for(&suites[s], &k);
		size_t len, total = seal(&suites[s], &k, sizeof inner, m);
		memset(m, 0xee, sizeof m);
		assert_int_equal(protect_seal(&k, &suites[s], &header, PAYLOAD_NOTIFY,
					      (struct bytes){inner, sizeof inner}, iv, m, total - 1,
					      &len),
				 -EMSGSIZE);
		assert_int_equal(m[total - 1], 0xee);
		struct ike_message parsed;
		struct fault f;
		total = seal(&suites[s], &k, sizeof inner, m);
		assert_int_equal(ike_message_parse(&parsed, (struct bytes){m, total}, &f), 0);
		assert_int_equal(protect_open(&k, &suites[s], &parsed, inner, 8, &len), -EBADMSG);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rfc7634_example_message),
		cmocka_unit_test(every_suite_and_length_there_and_back),
		cmocka_unit_test(every_changed_byte_is_refused),
		cmocka_unit_test(every_truncation_is_refused),
		cmocka_unit_test(other_direction_is_refused),
		cmocka_unit_test(cbc_icv_is_hmac_over_the_message),
		cmocka_unit_test(pad_length_beyond_the_text_is_refused),
		cmocka_unit_test(aead_iv_counts),
		cmocka_unit_test(no_room_is_said_and_nothing_written_behind),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
