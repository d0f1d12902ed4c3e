/* SPDX-License-Identifier: Apache-2.0 */
/* Key derivation against RFC 2202, RFC 4231 and NIST's vectors for IKEv2 (SP 800-135). */
#include "ike/keys.h"
#include "tests/unit/ike/hex.h"

#include <errno.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

struct prf_vector {
	enum prf_id prf;
	const char *key, *text, *mac;
};

#define HI_THERE "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b"
#define JEFE	 "4a656665"
static const struct prf_vector prf_vectors[] = {
	{PRF_HMAC_SHA1, HI_THERE, "Hi There", "b617318655057264e28bc0b6fb378c8ef146be00"},
	{PRF_HMAC_SHA1, JEFE, "what do ya want for nothing?",
	 "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"},
	{PRF_HMAC_SHA2_256, HI_THERE, "Hi There",
	 "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"},
	{PRF_HMAC_SHA2_256, JEFE, "what do ya want for nothing?",
	 "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
	{PRF_HMAC_SHA2_384, HI_THERE, "Hi There",
	 "afd03944d84895626b0825f4ab46907f15f9dadbe4101ec682aa034c7cebc59cfaea9ea9076ede7f4af152e8"
	 "b2fa9cb6"},
	{PRF_HMAC_SHA2_384, JEFE, "what do ya want for nothing?",
	 "af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e8e2240ca5e69e2c78b3239ec"
	 "fab21649"},
	{PRF_HMAC_SHA2_512, HI_THERE, "Hi There",
	 "87aa7cdea5ef619d4ff0b4241a1d6cb02379f4e2ce4ec2787ad0b30545e17cdedaa833b7d6b8a702038b274e"
	 "aea3f4e4be9d914eeb61f1702e696c203a126854"},
	{PRF_HMAC_SHA2_512, JEFE, "what do ya want for nothing?",
	 "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65"
	 "f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737"},
};

static void prf_vectors_hold_however_the_text_is_cut(void **state)
{
	(void)state;
	for (unsigned n = 0; n < sizeof prf_vectors / sizeof *prf_vectors; n++) {
		const struct prf_vector *v = &prf_vectors[n];
		struct hex key = hex(v->key), mac = hex(v->mac);
		const uint8_t *text = (const uint8_t *)v->text;
		size_t all = strlen(v->text), len;
		for (size_t cut = 0; cut <= all; cut++) {
			struct bytes parts[] = {{text, cut}, {NULL, 0}, {text + cut, all - cut}};
			uint8_t out[PRF_MAX];
			assert_int_equal(keys_prf(v->prf, hex_bytes(&key), parts, 3, out, &len), 0);
			assert_int_equal(len, prf_of(v->prf)->bytes);
			assert_int_equal(len, mac.len);
			assert_memory_equal(out, mac.b, len);
		}
	}
}

static void unknown_prf_is_not_supported(void **state)
{
	uint8_t out[PRF_MAX];
	size_t len;
	(void)state;
	assert_int_equal(keys_prf(PRF_NONE, (struct bytes){out, 0}, NULL, 0, out, &len), -ENOTSUP);
}

/* NIST's first vector for IKEv2: HMAC-SHA-1, and 132 bytes are just the keys of AES128-SHA1. */
#define NI	 "32b50d5f4a3763f3"
#define NR	 "9206a04b26564cb1"
#define G_IR	 "4b2c1f971981a8ad8d0abeafabf38cf75fc8349c148142465ed9c8b516b8be52"
#define G_IR_2	 "863f3c9d06efd39d2b907b97f8699e5dd5251ef64a2a176f36ee40c87d4f9330"
#define SPI_I	 0x34c9e7c188868785ull
#define SPI_R	 0x3ff77d760d2b2199ull
#define SKEYSEED "a9a7b222b59f8f48645f28a1db5b5f5d7479cba7"
#define DKM                                                                                              \
	"a14293677cc80ff8f9cc0eee30d895da9d8f405666e30ef0dfcb63c634a46002a2a63080e514a062768b76606f9fa5" \
	"e992204fc5a670bde3f10d6b027113936a5c55b648a194ae587b0088d52204b702c979fa280870d2ed41efa9c549"   \
	"fd11198af1670b143d384bd275c5f594cf266b05ebadca855e4249520a441a81157435a7a56cc4"
#define DKM_CHILD                                                                                        \
	"8059e3ee8810e6c3a91bc8bcd2a7a41151b8d0e6ae239c7b38093ad85ef4c5811a8e7b5d1cdabd9560b2d5e092d1f2" \
	"4e2d4b85eccdf0ad0dc9abd94b51ee71814ca6dbc8bb51b6309f5b9545c7eb35cf5580b1e521a8fe20754a2d883b"   \
	"a0c2cf285f524aea6545b33106bc03e614296d319d41d4b50b3f510b1c0a22f3e664994d234cb4"
#define DKM_CHILD_DH                                                                                     \
	"bb43244c1860ad65ee1e211ffe8bb3661750c8f89cb9f547df7f4fa61d37301628190e38c66232eab4b3ab14c400a5" \
	"197dd3730ed4820a8a10394d51e1c0400052f63ebd36b0e7ef53aaed31eba4a5080d7d4b5666023a8bbb5ffb7857"   \
	"240f9a05884d1b7d2f933708450b7b3288f1fc863ab49fa901227cffc06e27899c7054d56fd74c"
#define SKEYSEED_REKEY "63e81194946ebd05df7df5ebf5d8750056bf1f1d"

static const struct ike_chosen aes128_sha1 = {.encryption = ENCR_AES_CBC_128,
					      .integrity = AUTH_HMAC_SHA1_96,
					      .prf = PRF_HMAC_SHA1,
					      .group = DH_MODP_2048};

static void equals(const struct secret *s, const uint8_t **at, size_t len)
{
	assert_int_equal(s->len, len);
	assert_memory_equal(s->b, *at, len);
	*at += len;
}

static void keys_equal(const struct ike_keys *k, const uint8_t *stream)
{
	const uint8_t *at = stream;
	equals(&k->d, &at, 20);
	equals(&k->ai, &at, 20);
	equals(&k->ar, &at, 20);
	equals(&k->ei, &at, 16);
	equals(&k->er, &at, 16);
	equals(&k->pi, &at, 20);
	equals(&k->pr, &at, 20);
	assert_int_equal(at - stream, 132);
}

static void derive(struct ike_keys *k)
{
	struct hex ni = hex(NI), nr = hex(NR), g = hex(G_IR);
	assert_int_equal(keys_ike(k, &aes128_sha1, hex_bytes(&g), hex_bytes(&ni), hex_bytes(&nr),
				  SPI_I, SPI_R),
			 0);
}

static void nist_vector_keys_of_the_ike_sa(void **state)
{
	struct ike_keys k;
	struct hex dkm = hex(DKM);
	(void)state;
	derive(&k);
	keys_equal(&k, dkm.b);
}

static void nist_vector_keys_of_a_child(void **state)
{
	struct ike_keys k;
	struct secret i, r;
	struct hex ni = hex(NI), nr = hex(NR), g = hex(G_IR_2);
	(void)state;
	derive(&k);
	for (unsigned with_group = 0; with_group < 2; with_group++) {
		struct hex want = hex(with_group ? DKM_CHILD_DH : DKM_CHILD);
		struct bytes shared = with_group ? hex_bytes(&g) : (struct bytes){NULL, 0};
		assert_int_equal(keys_child(&i, &r, &aes128_sha1, &k, PRF_HMAC_SHA1, shared,
					    hex_bytes(&ni), hex_bytes(&nr),
					    (struct bytes){NULL, 0}),
				 0);
		const uint8_t *at = want.b;
		equals(&i, &at, 36);
		equals(&r, &at, 36);
		struct bytes seed[] = {shared, hex_bytes(&ni), hex_bytes(&nr)};
		uint8_t all[132];
		assert_int_equal(keys_prf_plus(PRF_HMAC_SHA1, (struct bytes){k.d.b, k.d.len}, seed,
					       3, all, sizeof all),
				 0);
		assert_memory_equal(all, want.b, sizeof all);
	}
}

/* The vector ends at SKEYSEED; the keys behind it are prf+ of it, as in the vector above. */
static void nist_vector_rekeyed_ike_sa(void **state)
{
	struct ike_keys old, k;
	struct hex ni = hex(NI), nr = hex(NR), g = hex(G_IR_2), skeyseed = hex(SKEYSEED_REKEY);
	uint8_t spis[16], stream[132];
	(void)state;
	derive(&old);
	assert_int_equal(keys_ike_rekeyed(&k, &aes128_sha1, &old, PRF_HMAC_SHA1, hex_bytes(&g),
					  hex_bytes(&ni), hex_bytes(&nr), (struct bytes){NULL, 0},
					  7, 9),
			 0);
	store_be64(spis, 7);
	store_be64(spis + 8, 9);
	struct bytes seed[] = {hex_bytes(&ni), hex_bytes(&nr), {spis, 16}};
	assert_int_equal(keys_prf_plus(PRF_HMAC_SHA1, hex_bytes(&skeyseed), seed, 3, stream, 132),
			 0);
	keys_equal(&k, stream);
}

static void nist_vector_skeyseed(void **state)
{
	struct hex key = hex(NI NR), g = hex(G_IR), want = hex(SKEYSEED);
	struct bytes part = hex_bytes(&g);
	uint8_t out[PRF_MAX];
	size_t len;
	(void)state;
	assert_int_equal(keys_prf(PRF_HMAC_SHA1, hex_bytes(&key), &part, 1, out, &len), 0);
	assert_int_equal(len, want.len);
	assert_memory_equal(out, want.b, len);
}

/* The same of SHA-256 and SHA-384: SKEYSEED, the first 132 bytes behind it, SKEYSEED of a rekey. */
static const struct longer {
	enum prf_id prf;
	const char *ni, *nr, *g, *g2, *skeyseed, *dkm, *skeyseed_rekey;
	uint64_t spi_i, spi_r;
} longer[] = {
	{PRF_HMAC_SHA2_256, "3f302be1abcb28e1", "8c332ee006064c9b",
	 "0f4d257d7a58fc4545c7d7a88119eee5d5c9690c5b4c989171d3abbfd99d1d29",
	 "25f3b12d6f282739256e39bf54eda53b60ffcf379bb7bcc90c27b4c4c578616c",
	 "5f00d1bd2c58ec224b1e6b71fa0f19a1faa7a193952c444411b47c1a9d8ba6fe",
	 "0b137d669b0947d7d026d593f0305ad401ff0c471357d695778a9c7f4b4869ece98aca531188d160"
	 "41b3bb936d2dbb3b4993a6e768a809160de45d0283f273a6cdf6854379e31be72b8d3d1fa990cf9c"
	 "5b015ca9f918a7df6253c958114a09d4e1c19bdcd4db14b29d98db1a74ad405c588662c14a04d0d3"
	 "6aa4ab55e90f8986d12d4aad",
	 "2d63f6debc92048b4fef3889c4c99ca67d6496e0fac14a2bca9a2d6566ff2398", 0x40dac39e1e1a8640,
	 0x8619a1cf9a6e4c07},
	{PRF_HMAC_SHA2_384, "fd1b572a8e735591", "6013b0ef88dacd3d",
	 "d3288cd87565101e88fe3bad918f31939d8dd26ff1071f8b2d7f447524e58d7c",
	 "3358f620539473aee8d07e779764c4c6a9aabddc79a28e136b3bac021dbde44a",
	 "69fe7a1ac94adaeb711295f5fe004b1a8d6a0b65d05692758ce8ad2f7a45f59d7d0b596f51f7dfcf"
	 "3330061888f6a94f",
	 "4f904c2025c90c817ea5ff9b662a6fdb445a73b57cdf09eacd379b95e1f03cacb04cd6deeda4f952"
	 "191dd9bc1f7a9502471a648d74dc06d38112de48a42501f6b1a3ad55c2099cd9a648e5f17e5bf3e3"
	 "4bf9b5953decb768a34f875fe2b78dca0c2fcca81ec1a412006dfaed38fa06882e61f4c148105fb8"
	 "e231fdb33c4d484c001721d4",
	 "e0548c1682e13bce454026b3b1bdf42985b24e4e7408095a7c529de38c3d1fcb04c9fe6868042a34"
	 "c9614c6c99e3fcea",
	 0x2116ad07ce61f749, 0x24880e55f11a65b7},
};

static void longer_skeyseed(const struct longer *v)
{
	char both[64];
	snprintf(both, sizeof both, "%s%s", v->ni, v->nr);
	struct hex nonces = hex(both), g = hex(v->g), want = hex(v->skeyseed);
	struct bytes part = hex_bytes(&g);
	uint8_t out[PRF_MAX];
	size_t len = 0;
	assert_int_equal(keys_prf(v->prf, hex_bytes(&nonces), &part, 1, out, &len), 0);
	assert_int_equal(len, want.len);
	assert_memory_equal(out, want.b, len);
}

/* As the keys of AES256GCM16: SK_d, SK_ei and SK_er with their salts, and the beginning of SK_pi.
 */
static void longer_keys(const struct longer *v, const struct ike_keys *k)
{
	struct hex dkm = hex(v->dkm);
	const uint8_t *at = dkm.b;
	equals(&k->d, &at, prf_of(v->prf)->bytes);
	equals(&k->ei, &at, 36);
	equals(&k->er, &at, 36);
	assert_memory_equal(k->pi.b, at, (size_t)(dkm.b + dkm.len - at));
	assert_int_equal(dkm.len, 132);
}

static void nist_vectors_of_longer_hashes(void **state)
{
	(void)state;
	for (unsigned i = 0; i < sizeof longer / sizeof *longer; i++) {
		const struct longer *v = &longer[i];
		struct hex ni = hex(v->ni), nr = hex(v->nr), g = hex(v->g), g2 = hex(v->g2);
		struct hex again = hex(v->skeyseed_rekey);
		struct ike_chosen c = {.encryption = ENCR_AES_GCM16_256, .prf = v->prf};
		struct ike_keys k, next;
		uint8_t spis[16], stream[PRF_MAX];
		longer_skeyseed(v);
		assert_int_equal(keys_ike(&k, &c, hex_bytes(&g), hex_bytes(&ni), hex_bytes(&nr),
					  v->spi_i, v->spi_r),
				 0);
		longer_keys(v, &k);
		/* the vector ends at SKEYSEED: the keys behind it are prf+ of it */
		assert_int_equal(keys_ike_rekeyed(&next, &c, &k, v->prf, hex_bytes(&g2),
						  hex_bytes(&ni), hex_bytes(&nr),
						  (struct bytes){NULL, 0}, 7, 9),
				 0);
		store_be64(spis, 7);
		store_be64(spis + 8, 9);
		struct bytes parts[] = {hex_bytes(&ni), hex_bytes(&nr), {spis, 16}};
		assert_int_equal(
			keys_prf_plus(v->prf, hex_bytes(&again), parts, 3, stream, next.d.len), 0);
		assert_memory_equal(next.d.b, stream, next.d.len);
	}
}

/* RFC 7296 section 2.13: at most 255 blocks. */
static void prf_plus_ends_after_255_blocks(void **state)
{
	static uint8_t out[256 * 20];
	uint8_t key[20] = {1};
	struct bytes seed = {key, sizeof key};
	(void)state;
	assert_int_equal(keys_prf_plus(PRF_HMAC_SHA1, seed, &seed, 1, out, 255 * 20), 0);
	assert_int_equal(keys_prf_plus(PRF_HMAC_SHA1, seed, &seed, 1, out, 255 * 20 + 1), -EINVAL);
}

/* With an AEAD there are no integrity keys and the salt stands behind the key (RFC 5282
 * section 7.1). */
static void every_suite_has_its_lengths(void **state)
{
	uint8_t b[32] = {1};
	struct bytes x = {b, sizeof b};
	(void)state;
	for (unsigned e = 1; e < ENCR_COUNT; e++) {
		for (unsigned p = 1; p < PRF_COUNT; p++) {
			const struct encryption *row = encryption_of(e);
			uint8_t integ = row->aead ? AUTH_NONE : AUTH_HMAC_SHA2_512_256;
			struct ike_chosen c = {
				.encryption = (uint8_t)e, .integrity = integ, .prf = (uint8_t)p};
			struct ike_keys k;
			struct secret i, r;
			assert_int_equal(keys_ike(&k, &c, x, x, x, 1, 2), 0);
			assert_int_equal(k.ei.len, row->key_bytes + row->salt_bytes);
			assert_int_equal(k.ai.len, row->aead ? 0 : 64);
			assert_int_equal(k.pr.len, prf_of(p)->bytes);
			assert_int_equal(keys_child(&i, &r, &c, &k, p, x, x, x, x), 0);
			assert_int_equal(i.len, row->key_bytes + row->salt_bytes + k.ai.len);
			assert_memory_not_equal(i.b, r.b, i.len);
		}
	}
}

static void nonce_too_long_is_refused(void **state)
{
	uint8_t b[LIMIT_NONCE + 1] = {1};
	struct ike_keys k;
	struct bytes good = {b, 32}, bad = {b, sizeof b};
	(void)state;
	assert_int_equal(keys_ike(&k, &aes128_sha1, good, bad, good, 1, 2), -EINVAL);
	assert_int_equal(keys_ike(&k, &aes128_sha1, good, good, bad, 1, 2), -EINVAL);
}

/* RFC 7296 section 2.15, written out with the library alone. */
static void psk_auth_is_the_formula(void **state)
{
	uint8_t message[1500], nonce[32], id[8] = {1, 0, 0, 0, 192, 0, 2, 1}, pad_key[32], mac[32];
	uint8_t joined[1500 + 32 + 32], want[32], out[PRF_MAX];
	struct secret psk = {.len = 6, .b = "secret"}, sk_p = {.len = 32, .b = {9}};
	unsigned n;
	size_t len;
	(void)state;
	memset(message, 0x5a, sizeof message);
	memset(nonce, 0xa5, sizeof nonce);
	HMAC(EVP_sha256(), "secret", 6, (const uint8_t *)"Key Pad for IKEv2", 17, pad_key, &n);
	HMAC(EVP_sha256(), sk_p.b, 32, id, sizeof id, mac, &n);
	memcpy(joined, message, sizeof message);
	memcpy(joined + 1500, nonce, 32);
	memcpy(joined + 1532, mac, 32);
	HMAC(EVP_sha256(), pad_key, 32, joined, sizeof joined, want, &n);
	assert_int_equal(keys_auth_psk(out, &len, PRF_HMAC_SHA2_256, &psk,
				       (struct bytes){message, sizeof message},
				       (struct bytes){nonce, 32}, &sk_p, (struct bytes){id, 8}),
			 0);
	assert_int_equal(len, 32);
	assert_memory_equal(out, want, 32);
}

/* RFC 7296 section 2.23: SHA-1 of SPIi, SPIr, address and port in network order. */
static void nat_hash_is_the_formula(void **state)
{
	struct hex in = hex("0102030405060708"
			    "1112131415161718"
			    "c0000201"
			    "01f4");
	struct ip_endpoint at = {.port = 500};
	uint8_t want[20], out[20];
	(void)state;
	assert_int_equal(ip_addr_parse(&at.addr, "192.0.2.1"), 0);
	assert_int_equal(EVP_Digest(in.b, in.len, want, NULL, EVP_sha1(), NULL), 1);
	keys_nat_hash(out, 0x0102030405060708, 0x1112131415161718, &at);
	assert_memory_equal(out, want, 20);
	at.port = 501;
	keys_nat_hash(out, 0x0102030405060708, 0x1112131415161718, &at);
	assert_memory_not_equal(out, want, 20);
}

static void wiped_keys_are_gone(void **state)
{
	struct ike_keys k, zero;
	(void)state;
	derive(&k);
	keys_wipe(&k);
	memset(&zero, 0, sizeof zero);
	assert_memory_equal(&k, &zero, sizeof k);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(prf_vectors_hold_however_the_text_is_cut),
		cmocka_unit_test(unknown_prf_is_not_supported),
		cmocka_unit_test(nist_vector_skeyseed),
		cmocka_unit_test(nist_vector_keys_of_the_ike_sa),
		cmocka_unit_test(nist_vector_keys_of_a_child),
		cmocka_unit_test(nist_vector_rekeyed_ike_sa),
		cmocka_unit_test(nist_vectors_of_longer_hashes),
		cmocka_unit_test(prf_plus_ends_after_255_blocks),
		cmocka_unit_test(every_suite_has_its_lengths),
		cmocka_unit_test(nonce_too_long_is_refused),
		cmocka_unit_test(psk_auth_is_the_formula),
		cmocka_unit_test(nat_hash_is_the_formula),
		cmocka_unit_test(wiped_keys_are_gone),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
