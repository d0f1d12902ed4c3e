/* SPDX-License-Identifier: Apache-2.0 */
/*
 * IKEv1's key derivation: NIST's vectors (SP 800-135, CAVS 14.2, the first of pre-shared keys and
 * of signatures), what they do not cover against HMAC itself, and the chain of IVs.
 */
#include "ike/v1_keys.h"
#include "tests/unit/ike/hex.h"

#include <errno.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

struct vector {
	const char *psk; /* NULL: signatures */
	const char *ni, *nr, *cky_i, *cky_r, *gxy, *skeyid, *d, *a, *e;
};
static const struct vector vectors[] = {
	{"75", "b9a2d0e922dc66dd", "2130166863b5ddef", "83d374c30b3b5082", "5afc0da06c728029",
	 "739003ba2c11c982946c65e26acf661fbf8ebb78011a9fead79efa12fe3e71cc",
	 "62b04d112877e442fc3282fc37c076997718a0b9", "369e5aad1bdb5faf6a3d929d500cdc236710a9ab",
	 "588e957d8d790d093b3a39f121473473af78e9bb", "cd74b0c048219db81384d3fda8f6cda51e398a2b"},
	{NULL, "69a62284195f1680", "80c94ba25c8abda5", "8c3bcd3a69831d7f", "d2d9a7ff4fbe95a7",
	 "8ba4cbc73c0187301dc19a975823854dbd641c597f637f8d053a83b9514673eb",
	 "707197817fb2d90cf54d1842606bdea59b9f4823", "384be709a8a5e63c3ed160cfe3921c4b37d5b32d",
	 "48b327575abe3adba0f279849e289022a13e2b47", "a4a415c8e0c38c0da847c356cc61c24df8025560"},
};

static void assert_secret(const struct secret *s, const char *text)
{
	struct hex want = hex(text);
	assert_int_equal(s->len, want.len);
	assert_memory_equal(s->b, want.b, want.len);
}

static void nist_vectors_hold(void **state)
{
	(void)state;
	for (unsigned i = 0; i < sizeof vectors / sizeof *vectors; i++) {
		const struct vector *v = &vectors[i];
		struct hex ni = hex(v->ni), nr = hex(v->nr), gxy = hex(v->gxy);
		struct hex cky_i = hex(v->cky_i), cky_r = hex(v->cky_r);
		struct ike_chosen chosen = {.encryption = ENCR_3DES,
					    .integrity = AUTH_HMAC_SHA1_96,
					    .prf = PRF_HMAC_SHA1};
		struct v1_keys k = {0};
		struct secret psk;
		if (v->psk) {
			struct hex key = hex(v->psk);
			assert_int_equal(secret_set(&psk, key.b, key.len), 0);
			assert_int_equal(v1_skeyid_psk(&k, PRF_HMAC_SHA1, &psk, hex_bytes(&ni),
						       hex_bytes(&nr)),
					 0);
		} else {
			assert_int_equal(v1_skeyid_signature(&k, PRF_HMAC_SHA1, hex_bytes(&ni),
							     hex_bytes(&nr), hex_bytes(&gxy)),
					 0);
		}
		struct v1_shared s = {hex_bytes(&gxy), load_be64(cky_i.b), load_be64(cky_r.b)};
		assert_int_equal(v1_keys_derive(&k, &chosen, &s), 0);
		assert_secret(&k.skeyid, v->skeyid);
		assert_secret(&k.d, v->d);
		assert_secret(&k.a, v->a);
		assert_secret(&k.e, v->e);
		/* 3DES wants 24 bytes, SHA-1 gives 20: K1 | K2 (RFC 2409 appendix B) */
		uint8_t k1[20], k2[20], zero = 0;
		unsigned n;
		assert_non_null(HMAC(EVP_sha1(), k.e.b, k.e.len, &zero, 1, k1, &n));
		assert_non_null(HMAC(EVP_sha1(), k.e.b, k.e.len, k1, 20, k2, &n));
		assert_int_equal(k.cipher.len, 24);
		assert_memory_equal(k.cipher.b, k1, 20);
		assert_memory_equal(k.cipher.b + 20, k2, 4);
	}
}

/* Where SKEYID_e is long enough, its beginning is the key. */
static void a_long_skeyid_e_is_cut(void **state)
{
	(void)state;
	struct v1_keys k = {0};
	struct ike_chosen chosen = {.encryption = ENCR_AES_CBC_128, .prf = PRF_HMAC_SHA2_256};
	uint8_t shared[32] = {1};
	struct v1_shared s = {{shared, sizeof shared}, 1, 2};
	assert_int_equal(secret_set(&k.skeyid, "0123456789012345", 16), 0);
	assert_int_equal(v1_keys_derive(&k, &chosen, &s), 0);
	assert_int_equal(k.cipher.len, 16);
	assert_memory_equal(k.cipher.b, k.e.b, 16);
}

/* KEYMAT: each block takes in the one before; both directions differ by the SPI alone. */
static void keymat_is_a_chain(void **state)
{
	(void)state;
	struct v1_keys k = {0};
	struct ike_chosen child = {.encryption = ENCR_AES_CBC_256,
				   .integrity = AUTH_HMAC_SHA2_512_256};
	uint8_t ni[16] = {1}, nr[16] = {2}, text[5 + 32] = {3}, block[64 + 5 + 32];
	struct secret one, other;
	unsigned n;
	assert_int_equal(secret_set(&k.d, "a key of SKEYID_d", 17), 0);
	struct bytes bi = {ni, 16}, br = {nr, 16}, none = {NULL, 0};
	assert_int_equal(
		v1_keys_child(&one, &child, &k, PRF_HMAC_SHA2_512, 0x11223344, none, bi, br), 0);
	assert_int_equal(one.len, 32 + 64);
	text[0] = PROTOCOL_ESP;
	store_be32(text + 1, 0x11223344);
	memcpy(text + 5, ni, 16);
	memcpy(text + 21, nr, 16);
	assert_non_null(HMAC(EVP_sha512(), k.d.b, k.d.len, text, sizeof text, block, &n));
	assert_memory_equal(one.b, block, 64);
	memcpy(block + 64, text, sizeof text);
	uint8_t second[64];
	assert_non_null(HMAC(EVP_sha512(), k.d.b, k.d.len, block, sizeof block, second, &n));
	assert_memory_equal(one.b + 64, second, 32);
	assert_int_equal(
		v1_keys_child(&other, &child, &k, PRF_HMAC_SHA2_512, 0x11223345, none, bi, br), 0);
	assert_memory_not_equal(one.b, other.b, 64);
	/* with PFS the shared secret comes in */
	assert_int_equal(
		v1_keys_child(&other, &child, &k, PRF_HMAC_SHA2_512, 0x11223344, br, bi, br), 0);
	assert_memory_not_equal(one.b, other.b, 64);
}

static void encryption_chains_its_iv(void **state)
{
	(void)state;
	static const enum encryption_id ids[] = {ENCR_3DES, ENCR_AES_CBC_128, ENCR_AES_CBC_192,
						 ENCR_AES_CBC_256};
	for (unsigned i = 0; i < sizeof ids / sizeof *ids; i++) {
		struct ike_chosen chosen = {.encryption = ids[i], .prf = PRF_HMAC_SHA1};
		size_t block = encryption_of(ids[i])->block_bytes;
		struct v1_keys k = {.cipher = {.len = encryption_of(ids[i])->key_bytes,
					       .b = {1, 2, 3, 4, 5, 6, 7, 8, 9}}};
		uint8_t a[V1_IV] = {7}, b[V1_IV] = {7}, text[64], clear[64], out[64];
		for (unsigned round = 0; round < 3; round++) {
			memset(text, (int)round, sizeof text);
			memcpy(clear, text, sizeof text);
			assert_int_equal(v1_encrypt(&k, &chosen, a, text, sizeof text), 0);
			assert_memory_not_equal(text, clear, sizeof text);
			assert_memory_equal(a, text + sizeof text - block, block);
			assert_int_equal(
				v1_decrypt(&k, &chosen, b, (struct bytes){text, sizeof text}, out),
				0);
			assert_memory_equal(out, clear, sizeof out);
			assert_memory_equal(a, b, block);
		}
		/* no whole blocks: refused, the IV untouched */
		uint8_t before[V1_IV];
		memcpy(before, b, sizeof b);
		for (size_t n = 0; n < 2 * block; n++) {
			if (n && n % block == 0)
				continue;
			assert_int_equal(v1_decrypt(&k, &chosen, b, (struct bytes){text, n}, out),
					 -EBADMSG);
			assert_memory_equal(b, before, sizeof b);
		}
	}
}

static void hashes_tell_the_sides_apart(void **state)
{
	(void)state;
	struct v1_keys k = {0};
	uint8_t xi[4] = {1}, xr[4] = {2}, i[PRF_MAX], r[PRF_MAX];
	struct v1_shared s = {{xi, 4}, 0x1111, 0x2222};
	struct bytes sa = {xi, 2}, id = {xr, 2}, bi = {xi, 4}, br = {xr, 4};
	size_t n, m;
	assert_int_equal(secret_set(&k.skeyid, "skeyid", 6), 0);
	assert_int_equal(v1_hash_auth(&k, PRF_HMAC_SHA2_384, true, bi, br, &s, sa, id, i, &n), 0);
	assert_int_equal(v1_hash_auth(&k, PRF_HMAC_SHA2_384, false, bi, br, &s, sa, id, r, &m), 0);
	assert_int_equal(n, 48);
	assert_int_equal(m, 48);
	assert_memory_not_equal(i, r, n);
	assert_int_equal(v1_hash(PRF_NONE, &sa, 1, i, &n), -ENOTSUP);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nist_vectors_hold),
		cmocka_unit_test(a_long_skeyid_e_is_cut),
		cmocka_unit_test(keymat_is_a_chain),
		cmocka_unit_test(encryption_chains_its_iv),
		cmocka_unit_test(hashes_tell_the_sides_apart),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
