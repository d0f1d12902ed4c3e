/* SPDX-License-Identifier: Apache-2.0 */
/*
 * IKEv1's key derivation: NIST's vectors (SP 800-135, CAVS 14.2; of pre-shared keys and of
 * signatures, with SHA-1, SHA-256 and SHA-384), what they do not cover against HMAC itself, and the
 * chain of IVs.
 */
#include "ike/v1_keys.h"
#include "tests/unit/ike/hex.h"

#include <errno.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

struct vector {
	enum prf_id prf;
	const char *psk; /* NULL: signatures */
	const char *ni, *nr, *cky_i, *cky_r, *gxy, *skeyid, *d, *a, *e;
};
static const struct vector vectors[] = {
	{PRF_HMAC_SHA1, "75", "b9a2d0e922dc66dd", "2130166863b5ddef", "83d374c30b3b5082",
	 "5afc0da06c728029", "739003ba2c11c982946c65e26acf661fbf8ebb78011a9fead79efa12fe3e71cc",
	 "62b04d112877e442fc3282fc37c076997718a0b9", "369e5aad1bdb5faf6a3d929d500cdc236710a9ab",
	 "588e957d8d790d093b3a39f121473473af78e9bb", "cd74b0c048219db81384d3fda8f6cda51e398a2b"},
	{PRF_HMAC_SHA1, NULL, "69a62284195f1680", "80c94ba25c8abda5", "8c3bcd3a69831d7f",
	 "d2d9a7ff4fbe95a7", "8ba4cbc73c0187301dc19a975823854dbd641c597f637f8d053a83b9514673eb",
	 "707197817fb2d90cf54d1842606bdea59b9f4823", "384be709a8a5e63c3ed160cfe3921c4b37d5b32d",
	 "48b327575abe3adba0f279849e289022a13e2b47", "a4a415c8e0c38c0da847c356cc61c24df8025560"},
	{PRF_HMAC_SHA2_256, NULL,
	 "b1dee62505b47b223bae14ce7a5b757402ad1587511618d09f94950d47f1d8d4ce86aca12d78db9854d86019"
	 "ad735757ae79d8932ac0c7db842c85060150ca875ea5d47e3cfcb2a05922ebb7959d49b9797a2289676ee79a"
	 "1d9a18b790f87e4771ddaf4be3376057a553162f68fe429aca73b07234543801ba2122b1bde82251770d05df"
	 "813cf556a11ca4dc43ffcb85a97dbed16e2fda6985e07e31be6364899e63c507c7c616e5eb7765a53560f767"
	 "72de43918ba07badfe85244dcdcd917cb065afb60e3b7e68b54dd94bfc7c31c8b752892781ed3cc4b7f28fbc"
	 "0ab9af908f5ae1f09f893f80100a7b3135993161b51fbba3bbb24b9f88c6147de82cd6f0",
	 "f0acfef2ad1f7add0eaafda78c1cf1097d9fc91cb04a7c145069ac426fd164cbe661b1dd2df0fb84e1951218"
	 "1f0d8ea50b7860845f332757a8e56d2a3b7be436b5718a2d49baa996a4616684a208c2d611cd65e605dca6e3"
	 "d3f116859b4410fe13679696bb2e23c08a40c7e1316d54b4c9c0286701c221151b3642cb4112ca1a53e0e597"
	 "a7e29c634caed86ca3c31973d37b4c346134fd6784cd99913feedf3d29d89a0a02a5a750f02f5738109dcc67"
	 "0bb27701fb59f78e83b76860c3fec079a1fc8c937ddb58ae7500422b7e49ce63759c65b6bc439381d56bcc15"
	 "9edede894b073841036ebfa050a5b3e7c876a3f18def26b1768a263ac66c9d83b680eb5e",
	 "6c6beb72631ddc3d", "b84e24b22cffbd14",
	 "a1ff3dc6cf9b4c04709943cb4ca1f1789bcf360b03f1d027de3ae8ee039e9155",
	 "750c5c94b9c2ec20b68033e024dadf0fa87e8b48c6561b21c72478451a06583d",
	 "a4f7ca7de913814813e3312099e7c943bd293483f387532330237f1b20957310",
	 "1d4b705746c43b0a6fcbb8db33983c0f24ff6f8b6543e3779fed227c6067f004",
	 "03e6f16cd9ce9f64b5cdc5b34cca7163483ba5389a30afebef3d14640b0a815e"},
	{PRF_HMAC_SHA2_384, NULL, "cec89d845add83ef", "cebd43ab71d17db9", "1c8aba986a00af0f",
	 "b049d9672f73c920", "1724dbd893523764bfef8c6fa927856fccfb77ae254358cce29c2769a32915c1",
	 "6e4514610bf82d0ab7bf0260096f6146a153c712071abb633ced813c572156c783e36874a65a64690ca701d4"
	 "0d56ea18",
	 "b083234e9ed7745911f93eb31faa66fcf88906266830eb17ef166d295cb1f86a3543b8b8efa5df918533df53"
	 "7e9c809c",
	 "938295a374aceb4147a8024c9a007dd313403fd8fd7070dbd0cfbe1ccd308dbfbb7b9e9c64049e4df44ff551"
	 "016cb7b5",
	 "8595b249dc1fa8599729f87eb6b9dd13bfbfdfd4f9ebd78929bab6ecc402539ad32cb6e7ef4ba6a0f53da14e"
	 "4df07ed4"},
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
		struct ike_chosen chosen = {
			.encryption = ENCR_3DES, .integrity = AUTH_HMAC_SHA1_96, .prf = v->prf};
		struct v1_keys k = {0};
		struct secret psk;
		if (v->psk) {
			struct hex key = hex(v->psk);
			assert_int_equal(secret_set(&psk, key.b, key.len), 0);
			assert_int_equal(
				v1_skeyid_psk(&k, v->prf, &psk, hex_bytes(&ni), hex_bytes(&nr)), 0);
		} else {
			assert_int_equal(v1_skeyid_signature(&k, v->prf, hex_bytes(&ni),
							     hex_bytes(&nr), hex_bytes(&gxy)),
					 0);
		}
		struct v1_shared s = {hex_bytes(&gxy), load_be64(cky_i.b), load_be64(cky_r.b)};
		assert_int_equal(v1_keys_derive(&k, &chosen, &s), 0);
		assert_secret(&k.skeyid, v->skeyid);
		assert_secret(&k.d, v->d);
		assert_secret(&k.a, v->a);
		assert_secret(&k.e, v->e);
		assert_int_equal(k.cipher.len, 24);
		if (prf_of(v->prf)->bytes >= 24) {
			assert_memory_equal(k.cipher.b, k.e.b, 24);
			continue;
		}
		/* 3DES wants 24 bytes, SHA-1 gives 20: K1 | K2 (RFC 2409 appendix B) */
		uint8_t k1[20], k2[20], zero = 0;
		unsigned n;
		assert_non_null(HMAC(EVP_sha1(), k.e.b, k.e.len, &zero, 1, k1, &n));
		assert_non_null(HMAC(EVP_sha1(), k.e.b, k.e.len, k1, 20, k2, &n));
		assert_memory_equal(k.cipher.b, k1, 20);
		assert_memory_equal(k.cipher.b + 20, k2, 4);
	}
}

/* Of these two NIST's SKEYID alone is at hand. */
static void nist_vectors_of_longer_hashes(void **state)
{
	static const struct {
		enum prf_id prf;
		const char *psk, *ni, *nr, *skeyid;
	} rows[] = {
		{PRF_HMAC_SHA2_256, "a0", "ead9ced494868f41", "f1aff4f425a94f18",
		 "558a99b299773d267cf7c8ef073bf3b7af362c206c75a538403c5ef884d4cace"},
		{PRF_HMAC_SHA2_384, "9e", "d6596b7e5b398534", "136fbdfa8d0ceb8e",
		 "b54fa27cb4251051e44a659d73591845691d11f1874bf4e4088e5df6462d28e57a3a2af3ab4f9b74"
		 "6a8f5766f8785f2b"},
	};
	(void)state;
	for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct hex key = hex(rows[i].psk), ni = hex(rows[i].ni), nr = hex(rows[i].nr);
		struct v1_keys k = {0};
		struct secret psk;
		assert_int_equal(secret_set(&psk, (const char *)key.b, key.len), 0);
		assert_int_equal(
			v1_skeyid_psk(&k, rows[i].prf, &psk, hex_bytes(&ni), hex_bytes(&nr)), 0);
		assert_secret(&k.skeyid, rows[i].skeyid);
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
		cmocka_unit_test(nist_vectors_of_longer_hashes),
		cmocka_unit_test(a_long_skeyid_e_is_cut),
		cmocka_unit_test(keymat_is_a_chain),
		cmocka_unit_test(encryption_chains_its_iv),
		cmocka_unit_test(hashes_tell_the_sides_apart),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
