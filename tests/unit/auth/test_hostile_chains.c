/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Certificates as an attacker sends them before anybody is authenticated: authorities that certify
 * each other in a ring, paths as deep as they may be, names around what constrains them, one byte
 * changed anywhere, extensions that are none, keys of other kinds, names that were cut.
 *
 * Of SECURITY B13 these have nothing here to be tried on: CVE-2021-41991, since certificates are
 * not cached; CVE-2022-40617, since nothing is fetched, which tests/lint/symbols.sh proves of all
 * of auth/; CVE-2026-35329, since PKCS#7 is an encoding that is refused unread (test_proof.c).
 */
#include "auth/trust.h"
#include "tests/pki/pki.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>

static struct pki_entity root;

static int set_up(void **state)
{
	(void)state;
	root = pki_root("root", PKI_P256);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	pki_free(&root);
	return 0;
}

static struct trust *trust_in(const struct pki_entity *authority)
{
	struct bytes ca = pki_pem(authority, NULL, NULL);
	struct trust_files files = {.authorities = &ca, .n_authorities = 1};
	struct trust *t;
	struct fault f;
	assert_int_equal(trust_new(&t, &files, &f), 0);
	pki_drop(ca);
	return t;
}

/* What becomes of these certificates where `root` is believed. */
static int judge(const struct bytes *der, unsigned n, struct fault *f)
{
	struct trust *t = trust_in(&root);
	struct chain *c;
	*f = (struct fault){0};
	int err = chain_parse(&c, der, n, f);
	if (!err)
		err = trust_verify(t, c, PKI_NOW, f);
	chain_free(c);
	trust_free(t);
	return err;
}

static int judge_entities(const struct pki_entity *const *e, unsigned n, struct fault *f)
{
	struct bytes der[CHAIN_MAX_CERTIFICATES + 1];
	assert_in_range(n, 1, CHAIN_MAX_CERTIFICATES + 1);
	for (unsigned i = 0; i < n; i++)
		der[i] = pki_der(e[i]);
	int err = judge(der, n, f);
	for (unsigned i = 0; i < n; i++)
		pki_drop(der[i]);
	return err;
}

/* Signs it once more after it was changed. */
static void seal(struct pki_entity *e, const struct pki_entity *by)
{
	assert_true(X509_sign(e->x, by->key, EVP_sha256()) > 0);
}

/* ---- paths ---- */

/* SECURITY B13: a ring of authorities, each certified by the next, ends; by the true one among them
 * it is no ring. */
static void rings_of_authorities(void **state)
{
	struct pki_entity ring[CHAIN_MAX_CERTIFICATES - 1];
	const struct pki_entity *all[CHAIN_MAX_CERTIFICATES];
	(void)state;
	for (unsigned n = 1; n <= CHAIN_MAX_CERTIFICATES - 1; n++) {
		struct fault f;
		char name[24];
		for (unsigned i = 0; i < n; i++) {
			snprintf(name, sizeof name, "ring%u", i);
			ring[i] = pki_root(name, PKI_P256);
		}
		for (unsigned i = 0; i < n; i++) {
			const struct pki_entity *next = &ring[(i + 1) % n];
			X509_set_issuer_name(ring[i].x, X509_get_subject_name(next->x));
			seal(&ring[i], next);
			all[i + 1] = &ring[i];
		}
		struct pki_entity leaf = pki_gateway(&ring[0], PKI_P256, "leaf", NULL);
		all[0] = &leaf;
		assert_int_equal(judge_entities(all, n + 1, &f), -EKEYREJECTED);
		X509_set_issuer_name(ring[n - 1].x, X509_get_subject_name(root.x));
		seal(&ring[n - 1], &root);
		assert_int_equal(judge_entities(all, n + 1, &f), 0);
		pki_free(&leaf);
		for (unsigned i = 0; i < n; i++)
			pki_free(&ring[i]);
	}
}

/* SECURITY B13 and D26: as many certificates as may come make a path, one more is refused before
 * any of them is read. */
static void as_deep_as_may_be(void **state)
{
	struct pki_entity e[CHAIN_MAX_CERTIFICATES + 1];
	(void)state;
	for (unsigned n = CHAIN_MAX_CERTIFICATES; n <= CHAIN_MAX_CERTIFICATES + 1; n++) {
		const struct pki_entity *all[CHAIN_MAX_CERTIFICATES + 1];
		struct fault f;
		for (unsigned i = n; i-- > 0;) {
			char name[24];
			struct pki_entity *by = i + 1 < n ? &e[i + 1] : &root;
			snprintf(name, sizeof name, "ca%u", i);
			e[i] = i ? pki_intermediate(by, name, NULL)
				 : pki_gateway(by, PKI_P256, "leaf", NULL);
			all[i] = &e[i];
		}
		assert_int_equal(judge_entities(all, n, &f),
				 n <= CHAIN_MAX_CERTIFICATES ? 0 : -E2BIG);
		for (unsigned i = 0; i < n; i++)
			pki_free(&e[i]);
	}
}

/* Of an authority, and what it certifies; `through`: by another one between, which has none. */
static const struct {
	const char *constraints, *san, *cn;
	bool through, accepted;
} name_rows[] = {
	{"critical,permitted;DNS:example.org", "DNS:gw.example.org", "gw", false, true},
	{"critical,permitted;DNS:example.org", "DNS:GW.EXAMPLE.ORG", "gw", false, true},
	{"critical,permitted;DNS:example.org", "DNS:gw.example.com", "gw", false, false},
	{"critical,permitted;DNS:example.org", "DNS:gw.badexample.org", "gw", false, false},
	{"critical,permitted;DNS:example.org", "DNS:example.org.evil.net", "gw", false, false},
	/* all names count, not the first alone; nor is a constraint lost on the way down */
	{"critical,permitted;DNS:example.org", "DNS:a.example.org,DNS:b.net", "gw", false, false},
	{"critical,permitted;DNS:example.org", "DNS:gw.example.com", "gw", true, false},
	{"critical,permitted;DNS:example.org", "DNS:gw.example.org", "gw", true, true},
	/* a name of a host in the subject is one too */
	{"critical,permitted;DNS:example.org", NULL, "gw.example.com", false, false},
	{"permitted;DNS:example.org", "DNS:gw.example.com", "gw", false, false},
	{"critical,excluded;DNS:example.org", "DNS:gw.example.org", "gw", false, false},
	{"critical,excluded;DNS:example.org", "DNS:GW.eXample.oRG", "gw", false, false},
	{"critical,excluded;DNS:EXAMPLE.org", "DNS:gw.example.ORG", "gw", false, false},
	{"critical,excluded;DNS:a.org,excluded;DNS:b.org", "DNS:gw.b.org", "gw", false, false},
	{"critical,excluded;DNS:example.org", "DNS:gw.example.com", "gw", false, true},
	{"critical,permitted;DNS:example.org,excluded;DNS:x.example.org", "DNS:gw.X.example.org",
	 "gw", false, false},
	{"critical,permitted;email:example.org", "email:a@example.org", "a", false, true},
	{"critical,permitted;email:example.org", "email:a@example.com", "a", false, false},
	{"critical,excluded;email:example.org", "email:a@EXAMPLE.ORG", "a", false, false},
	{"critical,permitted;IP:203.0.113.0/255.255.255.0", "IP:203.0.113.9", "gw", false, true},
	{"critical,permitted;IP:203.0.113.0/255.255.255.0", "IP:203.0.114.9", "gw", false, false},
	{"critical,permitted;IP:203.0.113.0/255.255.255.0", "IP:fd00::1", "gw", false, false},
	{"critical,excluded;IP:203.0.113.0/255.255.255.0", "IP:203.0.113.9", "gw", false, false},
};

/* SECURITY B13 (CVE-2026-35331): names beside what an authority may certify: in capitals, the
 * second of several, behind another authority, in the subject. */
static void constraints_of_names(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof name_rows / sizeof *name_rows; i++) {
		struct pki_entity bound = pki_issue(
			&root, &(struct pki_want){.cn = "bound",
						  .basic = "critical,CA:TRUE",
						  .usage = "critical,keyCertSign,cRLSign",
						  .constraints = name_rows[i].constraints});
		struct pki_entity below = pki_intermediate(&bound, "below", NULL);
		struct pki_entity leaf = pki_gateway(name_rows[i].through ? &below : &bound,
						     PKI_P256, name_rows[i].cn, name_rows[i].san);
		const struct pki_entity *all[] = {&leaf, &bound, &below};
		struct fault f;
		int err = judge_entities(all, name_rows[i].through ? 3 : 2, &f);
		if (err != (name_rows[i].accepted ? 0 : -EKEYREJECTED))
			fail_msg("%s, %s: came %d, %s", name_rows[i].constraints,
				 name_rows[i].san ? name_rows[i].san : name_rows[i].cn, err,
				 f.text);
		pki_free(&bound);
		pki_free(&below);
		pki_free(&leaf);
	}
}

/* ---- bytes ---- */

/* SECURITY B13 (CVE-2017-9023, CVE-2026-14957): one byte changed anywhere, and a certificate cut
 * anywhere: never believed, and no assertion. */
static void one_byte_changed(void **state)
{
	struct pki_entity leaf =
		pki_issue(&root, &(struct pki_want){.cn = "leaf",
						    .san = "DNS:gw.example.org,IP:203.0.113.1",
						    .basic = "CA:FALSE",
						    .usage = "digitalSignature",
						    .extended = "1.3.6.1.5.5.7.3.17"});
	struct bytes der = pki_der(&leaf);
	uint8_t *copy = malloc(der.len);
	struct trust *t = trust_in(&root);
	struct chain *c;
	struct fault f;
	(void)state;
	for (size_t i = 0; i < 4 * der.len; i++) {
		static const uint8_t tries[] = {0x01, 0x80, 0xff, 0x20};
		memcpy(copy, der.at, der.len);
		copy[i / 4] ^= tries[i % 4];
		if (chain_parse(&c, &(struct bytes){copy, der.len}, 1, &f))
			continue;
		assert_int_not_equal(trust_verify(t, c, PKI_NOW, &f), 0);
		assert_true(f.text[0] != 0);
		chain_free(c);
	}
	for (size_t n = 0; n < der.len; n++) {
		/* of exactly that size, so that a read behind it is seen */
		uint8_t *exact = malloc(n ? n : 1);
		memcpy(exact, der.at, n);
		assert_int_equal(chain_parse(&c, &(struct bytes){exact, n}, 1, &f), -EPROTO);
		free(exact);
	}
	assert_int_equal(judge(&der, 1, &f), 0);
	trust_free(t);
	free(copy);
	pki_drop(der);
	pki_free(&leaf);
}

/* An extension of these bytes, whatever they are. */
static struct pki_entity with_extension(int nid, const uint8_t *at, size_t len)
{
	struct pki_entity e = pki_gateway(&root, PKI_P256, "leaf", NULL);
	ASN1_OCTET_STRING *value = ASN1_OCTET_STRING_new();
	assert_int_equal(ASN1_OCTET_STRING_set(value, at, (int)len), 1);
	X509_EXTENSION *x = X509_EXTENSION_create_by_NID(NULL, nid, 1, value);
	assert_int_equal(X509_add_ext(e.x, x, -1), 1);
	X509_EXTENSION_free(x);
	ASN1_OCTET_STRING_free(value);
	seal(&e, &root);
	return e;
}

static void is_refused(struct pki_entity *e)
{
	struct bytes der = pki_der(e);
	struct identity id;
	struct chain *c;
	struct fault f;
	char text[400];
	assert_int_equal(judge(&der, 1, &f), -EKEYREJECTED);
	assert_int_equal(chain_parse(&c, &der, 1, &f), 0);
	assert_int_equal(identity_parse(&id, "gw.example.org"), 0);
	assert_false(chain_has_identity(c, &id));
	assert_in_range(strlen(chain_identities(c, text, sizeof text)), 1, sizeof text - 1);
	chain_free(c);
	pki_drop(der);
	pki_free(e);
}

/* SECURITY B13 (CVE-2017-9023): choices within choices without end, of definite and of indefinite
 * length, and names that lie about theirs, in each extension that is read. */
static void extensions_that_are_none(void **state)
{
	static const int kinds[] = {NID_subject_alt_name, NID_name_constraints, NID_key_usage,
				    NID_basic_constraints, NID_ext_key_usage};
	static const uint8_t first[] = {0x30, 0xa0, 0xa4, 0xa1, 0x24};
	static const uint8_t lies[][8] = {
		{0x30, 0x84, 0xff, 0xff, 0xff, 0xff, 0x82, 0x01},
		{0x30, 0x06, 0x82, 0x7f, 'g', 'w', 0x82, 0x00},
		{0x30, 0x06, 0xa4, 0x04, 0xa4, 0x80, 0x00, 0x00},
		{0x30, 0x80, 0x82, 0x02, 'g', 'w', 0x82, 0x02},
		{0x03, 0x06, 0x09, 0x80, 0x80, 0x80, 0x80, 0x80},
	};
	static uint8_t nested[4000];
	(void)state;
	for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
		struct pki_entity e;
		for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
			e = with_extension(kinds[k], lies[i], sizeof lies[i]);
			is_refused(&e);
		}
		for (size_t i = 0; i < sizeof first; i++) {
			for (size_t at = 0; at + 4 <= sizeof nested; at += 4) {
				nested[at] = at ? first[i] : 0x30;
				nested[at + 1] = 0x82;
				store_be16(nested + at + 2, (uint16_t)(sizeof nested - at - 4));
			}
			e = with_extension(kinds[k], nested, sizeof nested);
			is_refused(&e);
			for (size_t at = 0; at < sizeof nested; at++)
				nested[at] = at % 2 ? 0x80 : at ? first[i] : 0x30;
			e = with_extension(kinds[k], nested, sizeof nested);
			is_refused(&e);
		}
		e = with_extension(kinds[k], nested, 0);
		is_refused(&e);
	}
}

/* ---- keys and names ---- */

/* SECURITY B13 (CVE-2026-14957): keys of kinds that no peer of IKE has here, and RSA too short to
 * be worth a signature. */
static void keys_of_other_kinds(void **state)
{
	static const struct {
		const char *kind;
		size_t bits;
		int verdict;
	} rows[] = {{"ED448", 0, -ENOTSUP},
		    {"X25519", 0, -ENOTSUP},
		    {"RSA", 512, -EKEYREJECTED},
		    {"RSA", 1024, -EKEYREJECTED},
		    {"ED25519", 0, 0}};
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct pki_entity e = pki_gateway(&root, PKI_P256, "leaf", NULL);
		const struct pki_entity *all = &e;
		struct fault f;
		EVP_PKEY_free(e.key);
		e.key = EVP_PKEY_Q_keygen(NULL, NULL, rows[i].kind, rows[i].bits);
		assert_non_null(e.key);
		assert_int_equal(X509_set_pubkey(e.x, e.key), 1);
		seal(&e, &root);
		assert_int_equal(judge_entities(&all, 1, &f), rows[i].verdict);
		pki_free(&e);
	}
}

/* SECURITY B13 (CVE-2013-6075): a distinguished name that was cut, is longer, or of another kind,
 * is not the subject. */
static void names_that_were_cut(void **state)
{
	struct pki_entity e = pki_gateway(&root, PKI_P256, "gw", NULL);
	struct bytes der = pki_der(&e);
	uint8_t *name = NULL, longer[IDENTITY_MAX] = {0};
	int len = i2d_X509_NAME(X509_get_subject_name(e.x), &name);
	struct identity id;
	struct chain *c;
	struct fault f;
	(void)state;
	assert_in_range(len, 1, sizeof longer - 1);
	memcpy(longer, name, (size_t)len);
	assert_int_equal(chain_parse(&c, &der, 1, &f), 0);
	for (size_t n = 0; n <= (size_t)len + 1; n++) {
		bool whole = n == (size_t)len;
		if (identity_from_wire(&id, IDENTITY_DN, longer, n))
			assert_false(whole);
		else
			assert_int_equal(chain_has_identity(c, &id), whole);
	}
	for (unsigned kind = 0; kind < 256; kind++)
		if (kind != IDENTITY_DN &&
		    !identity_from_wire(&id, (uint8_t)kind, name, (size_t)len))
			assert_false(chain_has_identity(c, &id));
	OPENSSL_free(name);
	chain_free(c);
	pki_drop(der);
	pki_free(&e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rings_of_authorities),	    cmocka_unit_test(as_deep_as_may_be),
		cmocka_unit_test(constraints_of_names),	    cmocka_unit_test(one_byte_changed),
		cmocka_unit_test(extensions_that_are_none), cmocka_unit_test(keys_of_other_kinds),
		cmocka_unit_test(names_that_were_cut),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
