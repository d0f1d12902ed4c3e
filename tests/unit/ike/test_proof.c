/* SPDX-License-Identifier: Apache-2.0 */
/* What of a peer's IKE_AUTH is refused before anything is verified, and in which words. */
#include "ike/ike_internal.h"
#include "tests/pki/pki.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static int64_t wall(void *owner)
{
	(void)owner;
	return PKI_NOW;
}

static struct {
	struct ike e;
	struct handshake h;
	struct ike_sa sa;
	struct ike_connection psk, certificate;
	struct credential *credential;
	struct bytes leaf;
} w;

static int set_up(void **state)
{
	static const uint8_t first[64] = {1};
	struct pki_entity ca = pki_root("ca", PKI_P256),
			  gw = pki_gateway(&ca, PKI_P256, "gw", "DNS:gw");
	struct bytes root = pki_pem(&ca, NULL, NULL), own = pki_pem(&gw, NULL, NULL);
	struct bytes key = pki_key_pem(&gw, NULL);
	struct trust_files files = {.authorities = &root, .n_authorities = 1};
	struct fault f;
	(void)state;
	assert_int_equal(credential_new(&w.credential, own, key, &f), 0);
	assert_int_equal(trust_new(&w.certificate.trust, &files, &f), 0);
	w.certificate.credential = w.credential;
	assert_int_equal(secret_set(&w.psk.psk, "a key", 5), 0);
	w.e.options.wall_seconds = wall;
	w.sa.e = &w.e;
	w.sa.handshake = &w.h;
	w.sa.chosen.prf = PRF_HMAC_SHA2_256;
	assert_int_equal(
		secret_set(&w.sa.keys.pi, first, 32) | secret_set(&w.sa.keys.pr, first, 32), 0);
	w.h.init_i = w.h.init_r = (struct bytes){first, sizeof first};
	w.h.ni.len = w.h.nr.len = 32;
	w.leaf = pki_der(&gw);
	pki_drop(root);
	pki_drop(own);
	pki_drop(key);
	pki_free(&ca);
	pki_free(&gw);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	credential_free(w.credential);
	trust_free(w.certificate.trust);
	pki_drop(w.leaf);
	return 0;
}

static const struct {
	unsigned n_certs;
	uint8_t encoding, method;
	bool by_psk;
	const char *words;
	unsigned counted; /* CERT payloads that are not X.509 */
} rows[] = {
	{0, 0, 14, false, "the peer sent no certificate", 0},
	{1, 12, 14, false, "hash and URL instead of a certificate; nothing is ever fetched", 1},
	{1, 13, 14, false, "hash and URL", 1},
	{1, 7, 14, false, "encoding 7, expected X.509 (4)", 1},
	{LIMIT_CERTS + 1, 4, 14, false, "sent 9 certificates, expected at most 8", 0},
	{1, 1, 14, false, "encoding 1, expected X.509 (4)", 1},
	{1, 11, 14, false, "encoding 11, expected X.509 (4)", 1},
	{1, 15, 14, false, "encoding 15, expected X.509 (4)", 1},
	{1, 4, 2, false, "by a pre-shared key, expected the signature of a certificate", 0},
	{1, 4, 14, true, "by a signature (an unknown method), expected a pre-shared key", 0},
	{1, 4, 9, true, "by a signature (ECDSA with SHA256), expected a pre-shared key", 0},
	{0, 0, 2, true, "the pre-shared keys differ", 0},
	{1, 4, 1, false, "signs with SHA-1, which is not allowed here", 0},
	{1, 4, 3, false, "method 3, which is not known", 0},
	{1, 4, 14, false, "an algorithm that is none of", 0},
	{1, 4, 10, false, "by ECDSA with SHA384, but the key of its certificate is ECDSA P-256", 0},
	{1, 4, 9, false, "does not verify by the key of its certificate", 0},
};

/*
 * SECURITY B13 (CVE-2022-40617, CVE-2026-35329, CVE-2020-16088): certificates by URL, in PKCS#7,
 * keys without a certificate, another method than is configured, a certificate without its key's
 * signature. SECURITY D26: more certificates than may come.
 */
static void refusals(void **state)
{
	static const uint8_t junk[64] = {3, 1, 2, 3};
	struct identity id;
	(void)state;
	assert_int_equal(identity_parse(&id, "gw"), 0);
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct ike_message m = {.h = {.exchange = IKE_AUTH}, .auth = {junk, sizeof junk}};
		struct proof p;
		struct fault f;
		uint64_t before = w.e.counters[IKE_COUNT_CERT_REFUSED];
		m.auth_method = rows[i].method;
		m.n_certs = rows[i].n_certs;
		for (unsigned k = 0; k < LIMIT_CERTS; k++)
			m.certs[k] = (struct ike_cert){rows[i].encoding, w.leaf};
		proof_begin(&p, &w.sa, &m);
		assert_true(proof_check(&p, rows[i].by_psk ? &w.psk : &w.certificate, &id, &f) < 0);
		proof_end(&p);
		if (!strstr(f.text, rows[i].words))
			fail_msg("%zu: expected \"%s\", came \"%s\"", i, rows[i].words, f.text);
		assert_int_equal(w.e.counters[IKE_COUNT_CERT_REFUSED] - before, rows[i].counted);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(refusals)};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
