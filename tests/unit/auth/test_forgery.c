/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signatures that lie: encodings that the right key signed but no signer makes, roots by a key with
 * exponent 3 that nobody signed, numbers beyond the modulus, keys that are none, parameters of PSS
 * that other implementations fell over. Vectors of Wycheproof are tests/interop/test_signatures.py.
 */
#include "auth/signature.h"
#include "tests/pki/pki.h"
#include "tests/unit/ike/hex.h"

#include <errno.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/param_build.h>

#define MODULUS 256 /* bytes */
#define HASH	32

static const struct signature_scheme pkcs1 = {SIGNATURE_RSA_PKCS1, SIGNATURE_SHA256, 0};
static const struct signature_scheme bare = {SIGNATURE_RSA_BARE, 0, 0};
static const struct signature_scheme pss = {SIGNATURE_RSA_PSS, SIGNATURE_SHA256, 32};

static const uint8_t message[] = "what both ends said so far";
static const struct bytes data = {message, sizeof message};

static struct bytes hash_of_message(uint8_t out[HASH])
{
	assert_int_equal(EVP_Digest(message, sizeof message, out, NULL, EVP_sha256(), NULL), 1);
	return (struct bytes){out, HASH};
}

static EVP_PKEY *key_with_exponent_3(void)
{
	EVP_PKEY_CTX *c = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
	BIGNUM *e = BN_new();
	EVP_PKEY *key = NULL;
	BN_set_word(e, 3);
	assert_int_equal(EVP_PKEY_keygen_init(c), 1);
	assert_int_equal(EVP_PKEY_CTX_set_rsa_keygen_bits(c, 8 * MODULUS), 1);
	assert_int_equal(EVP_PKEY_CTX_set1_rsa_keygen_pubexp(c, e), 1);
	assert_int_equal(EVP_PKEY_keygen(c, &key), 1);
	EVP_PKEY_CTX_free(c);
	BN_free(e);
	return key;
}

static BIGNUM *modulus_of(const EVP_PKEY *key)
{
	BIGNUM *n = NULL;
	assert_int_equal(EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_N, &n), 1);
	return n;
}

/* The private key over bytes as they are. */
static void sign_raw(EVP_PKEY *key, const uint8_t encoded[MODULUS], uint8_t out[MODULUS])
{
	EVP_PKEY_CTX *c = EVP_PKEY_CTX_new(key, NULL);
	size_t len = MODULUS;
	assert_int_equal(EVP_PKEY_sign_init(c), 1);
	assert_int_equal(EVP_PKEY_CTX_set_rsa_padding(c, RSA_NO_PADDING), 1);
	assert_int_equal(EVP_PKEY_sign(c, out, &len, encoded, MODULUS), 1);
	EVP_PKEY_CTX_free(c);
}

/* ---- PKCS#1 v1.5 ---- */

struct encoding {
	const char *what;
	const char *info;	    /* DigestInfo up to the hash, in hex */
	uint8_t hash, behind;	    /* bytes of the hash, bytes of junk behind it */
	uint8_t type, fill, short_; /* block type, padding, its length when it is not all */
	bool pkcs1, bare;	    /* whether it is the encoding of that scheme */
};

#define FULL	1, 0xff, 0
#define SHA256_ "608648016503040201"

static const struct encoding encodings[] = {
	{"right", "3031300d0609" SHA256_ "05000420", HASH, 0, FULL, true, false},
	{"right without DigestInfo", "", HASH, 0, FULL, false, true},
	{"a byte behind", "3031300d0609" SHA256_ "05000420", HASH, 1, FULL, false, false},
	{"a byte behind, counted", "3032300d0609" SHA256_ "05000420", HASH, 1, FULL, false, false},
	{"junk behind short padding", "3031300d0609" SHA256_ "05000420", HASH, 0, 1, 0xff, 8},
	{"bare, a byte behind", "", HASH, 1, FULL, false, false},
	{"bare, junk behind short padding", "", HASH, 0, 1, 0xff, 8},
	{"hash too short", "3031300d0609" SHA256_ "05000420", HASH - 1, 0, FULL, false, false},
	{"hash too short, counted", "3030300d0609" SHA256_ "0500041f", HASH - 1, 0, FULL},
	{"hash of one byte", "3012300d0609" SHA256_ "05000401", 1, 0, FULL, false, false},
	{"no hash", "3011300d0609" SHA256_ "05000400", 0, 0, FULL, false, false},
	{"nothing at all", "", 0, 0, FULL, false, false},
	{"hash too long", "3032300d0609" SHA256_ "05000421", HASH + 1, 0, FULL, false, false},
	{"bare, hash too short", "", HASH - 1, 0, FULL, false, false},
	{"bare, hash too long", "", HASH + 1, 0, FULL, false, false},
	{"name of another hash", "3031300d060960864801650304020205000420", HASH, 0, FULL},
	{"no parameters", "302f300b0609" SHA256_ "0420", HASH, 0, FULL, false, false},
	{"parameters that are no NULL", "3033300f0609" SHA256_ "050212340420", HASH, 0, FULL},
	{"junk as parameters",
	 "304530210609" SHA256_ "041411111111111111111111111111111111111111110420", HASH, 0, FULL},
	{"length in two bytes", "308131300d0609" SHA256_ "05000420", HASH, 0, FULL, false, false},
	{"length without end", "3080300d0609" SHA256_ "05000420", HASH, 0, FULL, false, false},
	{"padding of encryption", "3031300d0609" SHA256_ "05000420", HASH, 0, 2, 0xff, 0},
	{"padding of zeros", "3031300d0609" SHA256_ "05000420", HASH, 0, 0, 0, 0},
	{"padding that is no FF", "3031300d0609" SHA256_ "05000420", HASH, 0, 1, 0xfe, 0},
	{"bare, padding of encryption", "", HASH, 0, 2, 0xff, 0},
};

static void encode(const struct encoding *e, uint8_t out[MODULUS])
{
	uint8_t hash[HASH + 1] = {0};
	struct hex info = hex(e->info);
	size_t padding = MODULUS - 3 - info.len - e->hash - e->behind, at = 2;
	(void)hash_of_message(hash);
	memset(out, 0x11, MODULUS);
	out[0] = 0;
	out[1] = e->type;
	padding = e->short_ ? e->short_ : padding;
	memset(out + at, e->fill, padding);
	at += padding;
	out[at++] = 0;
	memcpy(out + at, info.b, info.len);
	memcpy(out + at + info.len, hash, e->hash);
}

/*
 * SECURITY B11 (CVE-2018-16151, CVE-2018-16152, CVE-2018-17540, CVE-2026-50721, CVE-2026-50722):
 * signed hashes that are too short, too long, of another kind, with bytes behind them or inside
 * their DigestInfo.
 */
static void encodings_that_no_signer_makes(void **state)
{
	EVP_PKEY *key = pki_key(PKI_RSA2048);
	uint8_t hash[HASH], encoded[MODULUS], signature[MODULUS];
	struct bytes sig = {signature, MODULUS}, hashed = hash_of_message(hash);
	(void)state;
	for (size_t i = 0; i < sizeof encodings / sizeof *encodings; i++) {
		const struct encoding *e = &encodings[i];
		encode(e, encoded);
		sign_raw(key, encoded, signature);
		if (signature_verify(key, &pkcs1, data, sig) != (e->pkcs1 ? 0 : -EBADMSG))
			fail_msg("%s, as PKCS#1", e->what);
		if (signature_verify(key, &bare, hashed, sig) != (e->bare ? 0 : -EBADMSG))
			fail_msg("%s, as IKEv1 has it", e->what);
	}
	EVP_PKEY_free(key);
}

/* SECURITY B11 (CVE-2026-50721, CVE-2026-50722): the signature itself cut, or longer than the key.
 */
static void lengths_of_a_signature(void **state)
{
	const struct signature_scheme *all[] = {&pkcs1, &bare, &pss};
	EVP_PKEY *key = pki_key(PKI_RSA2048);
	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		uint8_t room[SIGNATURE_MAX + 2] = {0}, *signature = room + 1;
		size_t len = 0;
		assert_int_equal(signature_sign(key, all[i], data, signature, &len), 0);
		assert_int_equal(len, MODULUS);
		for (size_t n = 0; n <= SIGNATURE_MAX + 1; n++)
			assert_int_equal(
				signature_verify(key, all[i], data, (struct bytes){signature, n}),
				n == MODULUS ? 0 : -EBADMSG);
		/* a zero in front does not change the number */
		assert_int_equal(
			signature_verify(key, all[i], data, (struct bytes){room, MODULUS + 1}),
			-EBADMSG);
	}
	EVP_PKEY_free(key);
}

/* The least number whose cube is not below `least`. */
static BIGNUM *cube_root(const BIGNUM *least, BN_CTX *c)
{
	BIGNUM *root = BN_new(), *cube = BN_new();
	for (int bit = BN_num_bits(least) / 3 + 1; bit >= 0; bit--) {
		BN_set_bit(root, bit);
		assert_int_equal(BN_sqr(cube, root, c) & BN_mul(cube, cube, root, c), 1);
		if (BN_cmp(cube, least) >= 0)
			BN_clear_bit(root, bit);
	}
	BN_add_word(root, 1);
	BN_free(cube);
	return root;
}

/*
 * SECURITY B11 (CVE-2018-16151, CVE-2018-16152): a cube that begins with the right encoding, made
 * without the private key of a certificate with exponent 3; it goes through where the bytes behind
 * the hash are not looked at.
 */
static void cube_roots(void **state)
{
	EVP_PKEY *key = key_with_exponent_3();
	BN_CTX *c = BN_CTX_new();
	uint8_t hash[HASH], encoded[MODULUS], signature[SIGNATURE_MAX], cubed[MODULUS];
	struct bytes sig = {signature, MODULUS}, hashed = hash_of_message(hash);
	size_t len = 0;
	(void)state;
	assert_int_equal(signature_sign(key, &pkcs1, data, signature, &len), 0);
	assert_int_equal(signature_verify(key, &pkcs1, data, sig), 0);
	for (unsigned i = 0; i < 2; i++) {
		struct encoding e = encodings[i];
		size_t prefix = 2 + 8 + 1 + strlen(e.info) / 2 + HASH;
		e.short_ = 8;
		encode(&e, encoded);
		memset(encoded + prefix, 0, MODULUS - prefix);
		BIGNUM *least = BN_bin2bn(encoded, MODULUS, NULL), *root = cube_root(least, c);
		assert_int_equal(BN_bn2binpad(root, signature, MODULUS), MODULUS);
		BN_sqr(least, root, c);
		BN_mul(least, least, root, c);
		assert_int_equal(BN_bn2binpad(least, cubed, MODULUS), MODULUS);
		assert_memory_equal(cubed, encoded, prefix);
		assert_int_equal(signature_verify(key, &pkcs1, data, sig), -EBADMSG);
		assert_int_equal(signature_verify(key, &bare, hashed, sig), -EBADMSG);
		BN_free(least);
		BN_free(root);
	}
	BN_CTX_free(c);
	EVP_PKEY_free(key);
}

/* ---- numbers ---- */

static bool verifies(EVP_PKEY *key, const BIGNUM *s)
{
	uint8_t signature[MODULUS], hash[HASH];
	struct bytes sig = {signature, MODULUS};
	assert_int_equal(BN_bn2binpad(s, signature, MODULUS), MODULUS);
	return !signature_verify(key, &pkcs1, data, sig) ||
	       !signature_verify(key, &bare, hash_of_message(hash), sig) ||
	       !signature_verify(key, &pss, data, sig);
}

/* SECURITY B12 (CVE-2017-11185): 0, 1, the modulus, its neighbours, and a good signature with the
 * modulus added, which is the same number to who reduces it. */
static void numbers_beyond_the_modulus(void **state)
{
	EVP_PKEY *key = pki_key(PKI_RSA2048);
	BIGNUM *n = modulus_of(key), *s = BN_new();
	uint8_t text[4] = {0}, signature[SIGNATURE_MAX];
	size_t len = 0;
	(void)state;
	for (unsigned i = 0; i < 5; i++) {
		BN_copy(s, n);
		if (i < 2)
			BN_set_word(s, i);
		if (i == 3)
			BN_sub_word(s, 1);
		if (i == 4)
			BN_add_word(s, 2);
		assert_false(verifies(key, s));
	}
	do {
		text[0]++;
		assert_int_not_equal(text[0], 0);
		assert_int_equal(signature_sign(key, &pkcs1, (struct bytes){text, sizeof text},
						signature, &len),
				 0);
		BN_bin2bn(signature, MODULUS, s);
		BN_add(s, s, n);
	} while (BN_num_bytes(s) > MODULUS);
	assert_int_equal(BN_bn2binpad(s, signature, MODULUS), MODULUS);
	assert_int_equal(signature_verify(key, &pkcs1, (struct bytes){text, sizeof text},
					  (struct bytes){signature, MODULUS}),
			 -EBADMSG);
	BN_free(n);
	BN_free(s);
	EVP_PKEY_free(key);
}

/* A public key as a certificate would bring it; NULL when that is refused at once. */
static EVP_PKEY *public_key(const BIGNUM *n, const BIGNUM *e)
{
	OSSL_PARAM_BLD *b = OSSL_PARAM_BLD_new();
	EVP_PKEY_CTX *c = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
	EVP_PKEY *key = NULL;
	OSSL_PARAM_BLD_push_BN(b, OSSL_PKEY_PARAM_RSA_N, n);
	OSSL_PARAM_BLD_push_BN(b, OSSL_PKEY_PARAM_RSA_E, e);
	OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(b);
	assert_int_equal(EVP_PKEY_fromdata_init(c), 1);
	if (EVP_PKEY_fromdata(c, &key, EVP_PKEY_PUBLIC_KEY, params) != 1)
		key = NULL;
	OSSL_PARAM_free(params);
	OSSL_PARAM_BLD_free(b);
	EVP_PKEY_CTX_free(c);
	return key;
}

/* SECURITY B12 (CVE-2017-9022): an even modulus, one of 0 or 1, exponents of 0 and beyond all
 * measure: nothing verifies by them, and nothing waits for them. */
static void keys_that_are_none(void **state)
{
	EVP_PKEY *good = pki_key(PKI_RSA2048);
	BIGNUM *s = BN_new(), *huge = modulus_of(good);
	(void)state;
	BN_sub_word(huge, 2);
	for (unsigned i = 0; i < 6; i++) {
		BIGNUM *n = modulus_of(good), *e = BN_new();
		BN_set_word(e, i == 3 ? 0 : i == 4 ? 65536 : 65537);
		if (i < 2)
			BN_set_word(n, i);
		if (i == 2)
			BN_clear_bit(n, 0);
		EVP_PKEY *key = public_key(n, i == 5 ? huge : e);
		for (unsigned k = 0; k < 3; k++) {
			BN_set_word(s, k);
			if (k == 2)
				BN_set_bit(s, 2000);
			assert_false(verifies(key, s));
		}
		EVP_PKEY_free(key);
		BN_free(n);
		BN_free(e);
	}
	BN_free(s);
	BN_free(huge);
	EVP_PKEY_free(good);
}

/* ---- PSS ---- */

/* SECURITY B12 (CVE-2021-41990): another length of the salt than was agreed on, and one that the
 * key has no room for. */
static void salts(void **state)
{
	static const uint8_t lengths[] = {0, 1, 20, 31, 32, 33, 64};
	EVP_PKEY *key = pki_key(PKI_RSA2048), *small = pki_key(PKI_RSA1024);
	uint8_t signature[SIGNATURE_MAX] = {1};
	size_t len = 0;
	(void)state;
	for (size_t i = 0; i < sizeof lengths; i++) {
		struct signature_scheme s = pss;
		s.salt = lengths[i];
		assert_int_equal(signature_sign(key, &s, data, signature, &len), 0);
		for (size_t k = 0; k < sizeof lengths; k++) {
			s.salt = lengths[k];
			assert_int_equal(
				signature_verify(key, &s, data, (struct bytes){signature, len}),
				i == k ? 0 : -EBADMSG);
		}
	}
	/* 64 of hash, 64 of salt and 2 more in 128 */
	const struct signature_scheme large = {SIGNATURE_RSA_PSS, SIGNATURE_SHA512, 64};
	assert_int_equal(signature_sign(small, &large, data, signature, &len), -EIO);
	assert_int_equal(signature_verify(small, &large, data, (struct bytes){signature, 128}),
			 -EBADMSG);
	EVP_PKEY_free(key);
	EVP_PKEY_free(small);
}

/* SECURITY B12 (CVE-2018-6459): a mask by another hash than the one that was named. */
static void masks_by_another_hash(void **state)
{
	const EVP_MD *masks[] = {EVP_sha1(), EVP_sha512(), EVP_sha256()};
	EVP_PKEY *key = pki_key(PKI_RSA2048);
	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		EVP_MD_CTX *c = EVP_MD_CTX_new();
		EVP_PKEY_CTX *inner = NULL;
		uint8_t signature[MODULUS];
		size_t len = sizeof signature;
		assert_int_equal(EVP_DigestSignInit(c, &inner, EVP_sha256(), NULL, key), 1);
		EVP_PKEY_CTX_set_rsa_padding(inner, RSA_PKCS1_PSS_PADDING);
		EVP_PKEY_CTX_set_rsa_pss_saltlen(inner, 32);
		assert_int_equal(EVP_PKEY_CTX_set_rsa_mgf1_md(inner, masks[i]), 1);
		assert_int_equal(EVP_DigestSign(c, signature, &len, message, sizeof message), 1);
		assert_int_equal(signature_verify(key, &pss, data, (struct bytes){signature, len}),
				 i == 2 ? 0 : -EBADMSG);
		EVP_MD_CTX_free(c);
	}
	EVP_PKEY_free(key);
}

#define P_HASH "a00f300d06096086480165030402010500"
#define P_MGF  "a11c301a06092a864886f70d010108300d06096086480165030402010500"
#define P_SALT "a203020120"

/* Parameters of id-RSASSA-PSS, without the SEQUENCE around them, and what becomes of them. */
static const struct {
	const char *params;
	int verdict;
} pss_rows[] = {
	{P_HASH P_MGF P_SALT, 0},
	/* MGF1 with nothing, NULL, an empty SEQUENCE; another function; none; twice */
	{P_HASH "a10d300b06092a864886f70d010108" P_SALT, -ENOTSUP},
	{P_HASH "a10f300d06092a864886f70d0101080500" P_SALT, -ENOTSUP},
	{P_HASH "a10f300d06092a864886f70d0101083000" P_SALT, -ENOTSUP},
	{P_HASH "a11c301a06092a864886f70d010109300d06096086480165030402010500" P_SALT, -ENOTSUP},
	{P_HASH P_SALT, -ENOTSUP},
	{P_HASH P_MGF P_MGF P_SALT, -EPROTO},
	{P_HASH "a100" P_SALT, -EPROTO},
	{P_HASH "a1023000" P_SALT, -EPROTO},
	/* no hash; MD5; SHA-1 by its name */
	{P_MGF P_SALT, -ENOTSUP},
	{"a00e300c06082a864886f70d02050500" P_MGF P_SALT, -ENOTSUP},
	{"a009300706052b0e03021a" P_MGF P_SALT, -ENOTSUP},
	/* salt: absent, negative, too long, beyond 31, 32, 63 and 64 bits, no number, empty */
	{P_HASH P_MGF, -ENOTSUP},
	{P_HASH P_MGF "a2030201ff", -ENOTSUP},
	{P_HASH P_MGF "a203020141", -ENOTSUP},
	{P_HASH P_MGF "a20602047fffffff", -ENOTSUP},
	{P_HASH P_MGF "a207020500ffffffff", -ENOTSUP},
	{P_HASH P_MGF "a20702050100000020", -ENOTSUP},
	{P_HASH P_MGF "a20a02087fffffffffffffff", -ENOTSUP},
	{P_HASH P_MGF "a20b0209010000000000000020", -ENOTSUP},
	{P_HASH P_MGF "a203040120", -EPROTO},
	{P_HASH P_MGF "a200", -EPROTO},
	/* in another order; something behind them */
	{P_MGF P_HASH P_SALT, -EPROTO},
	{P_HASH P_MGF P_SALT "0500", -EPROTO},
};

static int parse_pss(const char *params, struct signature_scheme *out)
{
	static const uint8_t oid[] = {0x06, 0x09, 0x2a, 0x86, 0x48, 0x86,
				      0xf7, 0x0d, 0x01, 0x01, 0x0a};
	struct hex p = hex(params);
	uint8_t der[HEX_MAX];
	struct writer w;
	assert_true(p.len < 120);
	writer_init(&w, der, sizeof der);
	writer_u16(&w, (uint16_t)(0x3000 | (sizeof oid + 2 + p.len)));
	writer_bytes(&w, oid, sizeof oid);
	writer_u16(&w, (uint16_t)(0x3000 | p.len));
	writer_bytes(&w, p.b, p.len);
	return signature_scheme_parse(out, (struct bytes){der, writer_len(&w)});
}

/* SECURITY B12 (CVE-2018-6459, CVE-2021-41990): parameters that are missing, lie or overflow. */
static void parameters_of_pss(void **state)
{
	struct signature_scheme s;
	(void)state;
	for (size_t i = 0; i < sizeof pss_rows / sizeof *pss_rows; i++) {
		int came = parse_pss(pss_rows[i].params, &s);
		if (came != pss_rows[i].verdict)
			fail_msg("%s: expected %d, came %d", pss_rows[i].params,
				 pss_rows[i].verdict, came);
	}
}

/* SECURITY B10 (CVE-2013-2944): a library that says "error" says neither yes nor no; everything but
 * yes is no. */
static void errors_are_no_consent(void **state)
{
	static const struct signature_scheme ecdsa = {SIGNATURE_ECDSA, SIGNATURE_SHA256, 0};
	static const struct signature_scheme plain = {SIGNATURE_ECDSA_PLAIN, SIGNATURE_SHA256, 0};
	static const char *const rows[] = {
		"3006020100020100",   /* r = s = 0 */
		"3006020101020100",   /* s = 0 */
		"300602010102010100", /* something behind it */
		"30060201ff0201ff",   /* r = s = -1 */
		"3003020101",	      /* r alone */
		"3000",
		"30",
		"00",
		"3080020101020101",
		"0500", /* NULL */
		"30840000000602010102010101",
	};
	EVP_PKEY *key = pki_key(PKI_P256);
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct hex h = hex(rows[i]);
		assert_int_equal(signature_verify(key, &ecdsa, data, hex_bytes(&h)), -EBADMSG);
	}
	for (size_t n = 0; n < 70; n++) {
		static const uint8_t zeros[70];
		assert_int_equal(signature_verify(key, &plain, data, (struct bytes){zeros, n}),
				 -EBADMSG);
	}
	EVP_PKEY_free(key);
}

/* SECURITY C18 (CVE-2015-7575): MD5, MD2 and SHA-1 are no hashes of a signature, whoever names
 * them.
 */
static void old_hashes(void **state)
{
	static const char *const rows[] = {
		"300d06092a864886f70d0101020500", /* md2WithRSAEncryption */
		"300d06092a864886f70d0101040500", /* md5WithRSAEncryption */
		"300d06092a864886f70d0101050500", /* sha1WithRSAEncryption */
		"300706052b0e03021d",		  /* sha1WithRSA, as OIW named it */
		"300906072a8648ce380403",	  /* dsa-with-sha1 */
		"300906072a8648ce3d0401",	  /* ecdsa-with-SHA1 */
		"300c06082a864886f70d02050500",	  /* md5 itself */
	};
	struct signature_scheme s;
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct hex h = hex(rows[i]);
		assert_int_equal(signature_scheme_parse(&s, hex_bytes(&h)), -ENOTSUP);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(encodings_that_no_signer_makes),
		cmocka_unit_test(lengths_of_a_signature),
		cmocka_unit_test(cube_roots),
		cmocka_unit_test(numbers_beyond_the_modulus),
		cmocka_unit_test(keys_that_are_none),
		cmocka_unit_test(salts),
		cmocka_unit_test(masks_by_another_hash),
		cmocka_unit_test(parameters_of_pss),
		cmocka_unit_test(errors_are_no_consent),
		cmocka_unit_test(old_hashes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
