/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Published known answers, through every back end that has the algorithm: AES-CBC ESP packets (RFC
 * 3602 section 4 cases 5 to 8), AES-GCM ESP (draft-mcgrew-gcm-test-01), ChaCha20-Poly1305 ESP (RFC
 * 7634 appendix A), and HMAC (RFC 2202, RFC 4868: "Hi There" is as long as an ESP header).
 */
#include "rig.h"

#define MAX 256

struct row {
	const char *name;
	enum encryption_id e;
	enum integrity_id a;
	const char *material; /* key, salt, integrity key */
	const char *esp;      /* AEAD: AAD; otherwise SPI and sequence number */
	const char *iv;
	const char *plain, *cipher;
	const char *icv; /* NULL: the vector has none */
};

#define INTEGRITY_32 "0000000000000000000000000000000000000000000000000000000000000000"
#define KEY_56	     "90d382b410eeba7ad938c46cec1a82bf"
#define KEY_78	     "0123456789abcdef0123456789abcdef"
#define B8	     "0b0b0b0b0b0b0b0b"

static const struct row rows[] = {
	{"RFC 3602 case 5", ENCR_AES_CBC_128, AUTH_HMAC_SHA2_256_128, KEY_56 INTEGRITY_32,
	 "0000432100000001", "e96e8c08ab465763fd098d45dd3ff893",
	 "08000ebda70a00008e9c083db95b070008090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
	 "202122232425262728292a2b2c2d2e2f3031323334353637"
	 "0102030405060708090a0b0c0d0e0e01",
	 "f663c25d325c18c6a9453e194e120849a4870b66cc6b9965330013b4898dc856a4699e523a55db08"
	 "0b59ec3a8e4b7e52775b07d1db34ed9c538ab50c551b874aa269add047ad2d5913ac19b7cfbad4a6",
	 NULL},
	{"RFC 3602 case 6", ENCR_AES_CBC_128, AUTH_HMAC_SHA1_96,
	 KEY_56 "0000000000000000000000000000000000000000", "0000432100000008",
	 "69d08df7d203329db093fc4924e5bd80",
	 "0800b5e8a80a0500a69c083d0b660e0077777777777777777777777701020201",
	 "f51995881ec4e0c4488987ce742e8109689bb379d2d750c0d915dca346a89f75", NULL},
	{"RFC 3602 case 7", ENCR_AES_CBC_128, AUTH_HMAC_SHA2_256_128, KEY_78 INTEGRITY_32,
	 "0000876500000002", "f4e765244f6407adf13dc1380f673f37",
	 "45000054090400004001f988c0a87b03c0a87bc808009f76a90a0100b49c083d02a2040008090a0b"
	 "0c0d0e0f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f30313233"
	 "343536370102030405060708090a0a04",
	 "773b5241a4c449225e4f3ce5ed611b0c237ca96cf74a93013c1b0ea1a0cf70f8e4ecaec78ac53aad"
	 "7a0f022b859243c647752e94a859352b8a4d4d2decd136e5c177f132ad3fbfb2201ac9904c74ee0a"
	 "109e0ca1e4dfe9d5a100b842f1c22f0d",
	 NULL},
	{"RFC 3602 case 8", ENCR_AES_CBC_128, AUTH_HMAC_SHA2_384_192,
	 KEY_78 INTEGRITY_32 "00000000000000000000000000000000", "0000876500000005",
	 "85d47224b5f3dd5d2101d4ea8dffab22",
	 "45000044090c00004001f990c0a87b03c0a87bc80800d63caa0a0200c69c083da3de0300ffffffff"
	 "ffffffffffffffffffffffffffffffffffffffffffffffffffffffff0102030405060708090a0a04",
	 "15b92683819596a8047232cc00f7048fe45318e11f8a0f62ede3c3fc61203bb50f980a08c9843fd3"
	 "a1b06d5c07ff9639b7eb7dfb3512e5de435e7207ed971ef3d2726d9b5ef6affc6d17a0decbb13892",
	 NULL},
	{"GCM-128 with ESN", ENCR_AES_GCM16_128, AUTH_NONE,
	 "4c80cdefbb5d10da906ac73c3613a634"
	 "2e443b68",
	 "000043218765432100000000", "4956ed7e3b244cfe",
	 "45000048699a000080114db7c0a80102c0a801010a9bf15638d3010000010000"
	 "00000000045f736970045f756470037369700963796265726369747902646b00"
	 "0021000101020201",
	 "fecf537e729d5b07dc30df528dd22b768d1b98736696a6fd348509fa13ceac34"
	 "cfa2436f14a3f3cf65925bf1f4a13c5d15b21e1884f5ff6247aeabb786b93bce"
	 "61bc17d768fd9732",
	 "459018148f6cbe722fd04796562dfdb4"},
	{"GCM-192", ENCR_AES_GCM16_192, AUTH_NONE,
	 "feffe9928665731c6d6a8f9467308308feffe9928665731c"
	 "cafebabe",
	 "0000a5f80000000a", "facedbaddecaf888",
	 "45000028a4ad4000400678800a01038f0a010612802306b8cb712602dd6bb03e"
	 "501016d075680001",
	 "a5b1f8066029aea40e598b8122de02420938b3ab33f828e687b8858b5bfbdbd0"
	 "315b27452144cc77",
	 "95457b9652037f5318027b5b4cd7a636"},
	{"GCM-256", ENCR_AES_GCM16_256, AUTH_NONE,
	 "abbccddef00112233445566778899aababbccddef00112233445566778899aab"
	 "11223344",
	 "4a2cbfe300000002", "0102030405060708",
	 "4500003069a6400080062690c0a801029389155e0a9e008b2dc57ee000000000"
	 "7002400020bf0000020405b40101040201020201",
	 "ff425c9b724599df7a3bcd510194e00d6a78107f1b0b1cbf06efae9d65a5d763"
	 "748a637985771d347f0545659f14e99def842d8e",
	 "b335f4eecfdbf831824b4c4915956c96"},
	{"RFC 7634 appendix A", ENCR_CHACHA20_POLY1305, AUTH_NONE,
	 "808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f"
	 "a0a1a2a3",
	 "0102030400000005", "1011121314151617",
	 "45000054a6f200004001e778c6336405c000020508005b7a3a080000553bec10"
	 "0007362708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20212223"
	 "2425262728292a2b2c2d2e2f303132333435363701020204",
	 "24039428b97f417e3c13753a4f05087b67c352e6a7fab1b982d466ef407ae5c6"
	 "14ee8099d52844eb61aa95dfab4c02f72aa71e7c4c4f64c9befe2facc638e8f3"
	 "cbec163fac469b502773f6fb94e664da9165b82829f641e0",
	 "76aaa8266b7fb0f7b11b369907e1ad43"},
	{"RFC 2202 case 1", ENCR_NULL, AUTH_HMAC_SHA1_96, B8 B8 "0b0b0b0b", "4869205468657265", "",
	 "", "", "b617318655057264e28bc0b6"},
	{"RFC 4868 AUTH256-1", ENCR_NULL, AUTH_HMAC_SHA2_256_128, B8 B8 B8 B8, "4869205468657265",
	 "", "", "", "198a607eb44bfbc69903a0f1cf2bbdc5"},
	{"RFC 4868 AUTH384-1", ENCR_NULL, AUTH_HMAC_SHA2_384_192, B8 B8 B8 B8 B8 B8,
	 "4869205468657265", "", "", "", "b6a8d5636f5c6a7224f9977dcf7ee6c7fb6d0c48cbdee973"},
	{"RFC 4868 AUTH512-1", ENCR_NULL, AUTH_HMAC_SHA2_512_256, B8 B8 B8 B8 B8 B8 B8 B8,
	 "4869205468657265", "", "", "",
	 "637edc6e01dce7e6742a99451aae82df23da3e92439e590e43e761b33e910fb8"},
};

static size_t unhex(uint8_t *out, const char *hex)
{
	size_t n = 0;
	for (; hex && hex[0] && hex[1]; hex += 2) {
		const char pair[3] = {hex[0], hex[1], 0};
		assert_true(n < MAX);
		out[n++] = (uint8_t)strtoul(pair, NULL, 16);
	}
	return n;
}

/* A row's packet, contiguous as on the wire; the AAD of an AEAD apart. */
struct laid_out {
	uint8_t packet[2 * MAX], aad[MAX];
	struct esp_op op;
	size_t len;
};

static void lay_out(struct laid_out *l, const struct row *r, const char *text, struct esp_key *key)
{
	uint8_t material[MAX], body[MAX], iv[MAX];
	size_t aad = unhex(l->aad, r->esp), iv_len = unhex(iv, r->iv);
	const struct encryption *e = encryption_of(r->e);
	memset(l->packet, 0, sizeof l->packet);
	memcpy(l->packet, l->aad, 8);
	memcpy(l->packet + 8, iv, iv_len);
	l->len = unhex(body, text);
	memcpy(l->packet + 8 + iv_len, body, l->len);
	unhex(material, r->material);
	l->op = (struct esp_op){.key = key,
				.payload = l->packet + 8 + iv_len,
				.len = (uint32_t)l->len,
				.aad = l->aad,
				.aad_len = (uint8_t)aad};
	l->op.icv = l->op.payload + l->len;
	if (e->aead)
		memcpy(l->op.nonce, material + e->key_bytes, e->salt_bytes);
	memcpy(l->op.nonce + e->salt_bytes, iv, iv_len);
}

static void check_row(const struct esp_backend *b, const struct row *r)
{
	uint8_t material[MAX], cipher[MAX], icv[MAX];
	struct laid_out l;
	struct esp_key *key;
	struct esp_crypto *c = rig_crypto(b);
	size_t len = unhex(material, r->material);
	size_t icv_len = encryption_of(r->e)->aead ? 16 : integrity_of(r->a)->icv_bytes;
	assert_int_equal(b->key_new(&key, r->e, r->a, material, len, true), 0);
	lay_out(&l, r, r->plain, key);
	assert_int_equal(b->encrypt(c, &l.op, 1), 0);
	b->key_free(key);
	unhex(cipher, r->cipher);
	assert_memory_equal(l.op.payload, cipher, l.len);
	if (r->icv) {
		assert_int_equal(unhex(icv, r->icv), icv_len);
		assert_memory_equal(l.op.icv, icv, icv_len);
	}
	/* back again: what was just made must be authentic and give the plain text */
	memcpy(icv, l.op.icv, icv_len);
	assert_int_equal(b->key_new(&key, r->e, r->a, material, len, false), 0);
	lay_out(&l, r, r->cipher, key);
	memcpy(l.op.icv, icv, icv_len);
	assert_int_equal(b->decrypt(c, &l.op, 1), 0);
	assert_true(l.op.ok);
	unhex(cipher, r->plain);
	assert_memory_equal(l.op.payload, cipher, l.len);
	/* and with one bit of the ICV wrong it must not be */
	lay_out(&l, r, r->cipher, key);
	memcpy(l.op.icv, icv, icv_len);
	l.op.icv[icv_len - 1] ^= 1;
	assert_int_equal(b->decrypt(c, &l.op, 1), 0);
	assert_false(l.op.ok);
	b->key_free(key);
	b->context_free(c);
}

static void test_rows(void **state)
{
	static const struct esp_backend *const backends[] = {&esp_backend_openssl,
							     &esp_backend_ipsec_mb};
	unsigned done = 0;
	(void)state;
	for (size_t b = 0; b < 2; b++)
		for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
			if (backends[b]->supports(rows[i].e, rows[i].a)) {
				check_row(backends[b], &rows[i]);
				done++;
			}
	assert_true(done >= sizeof rows / sizeof *rows);
}

static void test_key_lengths(void **state)
{
	static const uint8_t material[128];
	struct esp_key *key;
	(void)state;
	for (size_t i = 0; i < RIG_ALGORITHMS; i++) {
		const struct encryption *e = encryption_of(rig_algorithms[i].e);
		size_t right = e->key_bytes + e->salt_bytes +
			       (size_t)integrity_of(rig_algorithms[i].a)->key_bytes;
		for (size_t len = 0; len < sizeof material; len++) {
			int err = esp_backend_openssl.key_new(&key, rig_algorithms[i].e,
							      rig_algorithms[i].a, material, len,
							      true);
			assert_int_equal(err, len == right ? 0 : -22);
			if (!err)
				esp_backend_openssl.key_free(key);
		}
	}
}

static void test_choice(void **state)
{
	(void)state;
	assert_ptr_equal(esp_backend_choose("openssl"), &esp_backend_openssl);
	assert_null(esp_backend_choose("none"));
	assert_non_null(esp_backend_choose("auto"));
	if (esp_backend_ipsec_mb.available())
		assert_ptr_equal(esp_backend_choose("auto"), &esp_backend_ipsec_mb);
	assert_false(esp_backend_openssl.supports(ENCR_NULL, AUTH_NONE));
	assert_false(esp_backend_openssl.supports(ENCR_AES_CBC_128, AUTH_NONE));
	assert_false(esp_backend_openssl.supports(ENCR_NONE, AUTH_NONE));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_key_lengths),
		cmocka_unit_test(test_choice),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
