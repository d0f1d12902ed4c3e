/* SPDX-License-Identifier: Apache-2.0 */
/* Signature schemes: there and back with each kind of key, their AlgorithmIdentifiers, and what is
 * none of ours. Vectors of Wycheproof are tests/interop/test_signatures.py. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "auth/signature.h"
#include "tests/pki/pki.h"

#include <errno.h>

static const struct {
	enum pki_kind key;
	struct signature_scheme scheme;
	size_t len; /* 0: it varies */
	const char *text;
} rows[] = {
	{PKI_RSA2048, {SIGNATURE_RSA_PKCS1, SIGNATURE_SHA1, 0}, 256, "RSA PKCS#1 with SHA1"},
	{PKI_RSA2048, {SIGNATURE_RSA_PKCS1, SIGNATURE_SHA256, 0}, 256, "RSA PKCS#1 with SHA256"},
	{PKI_RSA2048, {SIGNATURE_RSA_BARE, 0, 0}, 256, "RSA"},
	{PKI_RSA2048, {SIGNATURE_RSA_PSS, SIGNATURE_SHA256, 32}, 256, "RSASSA-PSS with SHA256"},
	{PKI_RSA2048, {SIGNATURE_RSA_PSS, SIGNATURE_SHA512, 64}, 256, "RSASSA-PSS with SHA512"},
	{PKI_P256, {SIGNATURE_ECDSA, SIGNATURE_SHA256, 0}, 0, "ECDSA with SHA256"},
	{PKI_P256, {SIGNATURE_ECDSA, SIGNATURE_SHA512, 0}, 0, "ECDSA with SHA512"},
	{PKI_P256, {SIGNATURE_ECDSA_PLAIN, SIGNATURE_SHA256, 0}, 64, "ECDSA with SHA256"},
	{PKI_P384, {SIGNATURE_ECDSA_PLAIN, SIGNATURE_SHA384, 0}, 96, "ECDSA with SHA384"},
	{PKI_P521, {SIGNATURE_ECDSA_PLAIN, SIGNATURE_SHA512, 0}, 132, "ECDSA with SHA512"},
	{PKI_ED25519, {SIGNATURE_ED25519, SIGNATURE_IDENTITY, 0}, 64, "Ed25519"},
};
#define ROWS (sizeof rows / sizeof *rows)

static void there_and_back(void **state)
{
	static const uint8_t message[48] = "what both ends said so far";
	uint8_t other[48], signature[SIGNATURE_MAX];
	struct bytes data = {message, sizeof message}, changed = {other, sizeof other};
	char text[SCHEME_TEXT];
	(void)state;
	memcpy(other, message, sizeof other);
	other[47] ^= 1;
	for (size_t i = 0; i < ROWS; i++) {
		const struct signature_scheme *s = &rows[i].scheme;
		EVP_PKEY *key = pki_key(rows[i].key), *wrong = pki_key(rows[i].key);
		EVP_PKEY *odd = pki_key(rows[i].key == PKI_P256 ? PKI_RSA1024 : PKI_P256);
		size_t len = 0;
		assert_string_equal(signature_scheme_format(s, text), rows[i].text);
		assert_int_equal(signature_sign(key, s, data, signature, &len), 0);
		if (rows[i].len)
			assert_int_equal(len, rows[i].len);
		struct bytes sig = {signature, len};
		assert_int_equal(signature_verify(key, s, data, sig), 0);
		assert_int_equal(signature_verify(key, s, changed, sig), -EBADMSG);
		assert_int_equal(signature_verify(wrong, s, data, sig), -EBADMSG);
		/* a key of another curve is another matter: the kind is the same, the signature not
		 */
		if (rows[i].key == PKI_P384 || rows[i].key == PKI_P521)
			assert_int_equal(signature_verify(odd, s, data, sig), -EBADMSG);
		else
			assert_int_equal(signature_verify(odd, s, data, sig), -EINVAL);
		for (size_t n = 0; n < len; n += 5)
			assert_int_equal(
				signature_verify(key, s, data, (struct bytes){signature, n}),
				-EBADMSG);
		signature[len / 2] ^= 0x10;
		assert_int_equal(signature_verify(key, s, data, sig), -EBADMSG);
		EVP_PKEY_free(key);
		EVP_PKEY_free(wrong);
		EVP_PKEY_free(odd);
	}
}

static void identifiers(void **state)
{
	uint8_t der[SIGNATURE_DER_MAX];
	(void)state;
	for (size_t i = 0; i < ROWS; i++) {
		const struct signature_scheme *s = &rows[i].scheme;
		struct signature_scheme again;
		struct bytes b = signature_scheme_der(s, der);
		if (s->kind == SIGNATURE_RSA_BARE || s->kind == SIGNATURE_ECDSA_PLAIN) {
			assert_int_equal(b.len, 0);
			continue;
		}
		if (s->hash == SIGNATURE_SHA1) {
			assert_int_equal(signature_scheme_parse(&again, b), -ENOTSUP);
			continue;
		}
		assert_int_equal(signature_scheme_parse(&again, b), 0);
		assert_memory_equal(&again, s, sizeof again);
		for (size_t n = 0; n < b.len; n++)
			assert_int_not_equal(signature_scheme_parse(&again, (struct bytes){der, n}),
					     0);
	}
}

/* RSASSA-PSS with its trailer said although it is the default, as RFC 7427 appendix A.4.3 shows it;
 * sha256WithRSAEncryption without its NULL. */
static void other_encodings(void **state)
{
	static const uint8_t trailer[] = {
		0x30, 0x46, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01,
		0x0a, 0x30, 0x39, 0xa0, 0x0f, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48,
		0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0xa1, 0x1c, 0x30, 0x1a,
		0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x08, 0x30,
		0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01,
		0x05, 0x00, 0xa2, 0x03, 0x02, 0x01, 0x20, 0xa3, 0x03, 0x02, 0x01, 0x01};
	static const uint8_t no_null[] = {0x30, 0x0b, 0x06, 0x09, 0x2a, 0x86, 0x48,
					  0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0b};
	/* PSS with all defaults, that is SHA-1 */
	static const uint8_t defaults[] = {0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86,
					   0xf7, 0x0d, 0x01, 0x01, 0x0a, 0x30, 0x00};
	static const uint8_t ecdsa_sha1[] = {0x30, 0x09, 0x06, 0x07, 0x2a, 0x86,
					     0x48, 0xce, 0x3d, 0x04, 0x01};
	struct signature_scheme s;
	uint8_t mixed[sizeof trailer];
	(void)state;
	assert_int_equal(signature_scheme_parse(&s, (struct bytes){trailer, sizeof trailer}), 0);
	assert_int_equal(s.kind, SIGNATURE_RSA_PSS);
	assert_int_equal(s.salt, 32);
	assert_int_equal(signature_scheme_parse(&s, (struct bytes){no_null, sizeof no_null}), 0);
	assert_int_equal(s.kind, SIGNATURE_RSA_PKCS1);
	assert_int_equal(signature_scheme_parse(&s, (struct bytes){defaults, sizeof defaults}),
			 -ENOTSUP);
	assert_int_equal(signature_scheme_parse(&s, (struct bytes){ecdsa_sha1, sizeof ecdsa_sha1}),
			 -ENOTSUP);
	memcpy(mixed, trailer, sizeof mixed);
	mixed[59] = 3; /* MGF1 with another hash */
	assert_int_equal(signature_scheme_parse(&s, (struct bytes){mixed, sizeof mixed}), -ENOTSUP);
	memcpy(mixed, trailer, sizeof mixed);
	mixed[71] = 2; /* another trailer */
	assert_int_equal(signature_scheme_parse(&s, (struct bytes){mixed, sizeof mixed}), -ENOTSUP);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(there_and_back),
		cmocka_unit_test(identifiers),
		cmocka_unit_test(other_encodings),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
