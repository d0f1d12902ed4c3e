/* SPDX-License-Identifier: Apache-2.0 */
/* Path validation: who is believed, who is not, and whether the sentence names the certificate and
 * the reason. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "auth/trust.h"
#include "tests/pki/pki.h"

#include <errno.h>

/* root - middle - gateway; and a root that nobody trusts */
static struct {
	struct pki_entity root, middle, gateway, stranger;
} w;

static int set_up(void **state)
{
	(void)state;
	w.root = pki_root("root", PKI_P256);
	w.middle = pki_intermediate(&w.root, "middle", NULL);
	w.gateway = pki_gateway(&w.middle, PKI_P256, "gw.example.org", "DNS:gw.example.org");
	w.stranger = pki_root("stranger", PKI_P256);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	pki_free(&w.root);
	pki_free(&w.middle);
	pki_free(&w.gateway);
	pki_free(&w.stranger);
	return 0;
}

#define NO_FILE ((struct bytes){NULL, 0})

struct question {
	const struct pki_entity *leaf, *middle, *authority;
	struct bytes crl, more_crl, ocsp;
	bool need_status;
	int64_t at;
};

static int ask(const struct question *q, struct fault *f)
{
	struct bytes ca = pki_pem(q->authority ? q->authority : &w.root, NULL, NULL);
	struct bytes crls[2] = {q->crl, q->more_crl};
	struct trust_files files = {.authorities = &ca,
				    .n_authorities = 1,
				    .crls = crls,
				    .n_crls = (q->crl.at != NULL) + (q->more_crl.at != NULL),
				    .ocsp = &q->ocsp,
				    .n_ocsp = q->ocsp.at != NULL,
				    .need_status = q->need_status};
	struct bytes der[2] = {pki_der(q->leaf ? q->leaf : &w.gateway),
			       q->middle ? pki_der(q->middle) : NO_FILE};
	struct trust *t = NULL;
	struct chain *c = NULL;
	*f = (struct fault){0};
	assert_int_equal(trust_new(&t, &files, f), 0);
	assert_int_equal(chain_parse(&c, der, q->middle ? 2 : 1, f), 0);
	int err = trust_verify(t, c, PKI_NOW + q->at, f);
	trust_free(t);
	chain_free(c);
	pki_drop(ca);
	pki_drop(q->crl);
	pki_drop(q->more_crl);
	pki_drop(q->ocsp);
	pki_drop(der[0]);
	pki_drop(der[1]);
	return err;
}

static void refused(const struct question *q, int err, const char *text)
{
	struct fault f;
	int came = ask(q, &f);
	if (came != err || !strstr(f.text, text))
		fail_msg("expected %d and \"%s\", came %d and \"%s\"", err, text, came, f.text);
}

static void accepted(const struct question *q)
{
	struct fault f;
	int came = ask(q, &f);
	if (came)
		fail_msg("expected 0, came %d: %s", came, f.text);
}

static void good(void **state)
{
	(void)state;
	accepted(&(struct question){.middle = &w.middle});
	/* an authority need not be a root, and may be the peer's own certificate */
	accepted(&(struct question){.authority = &w.middle});
	accepted(&(struct question){.authority = &w.gateway});
	/* what the peer sends beside it is only an offer */
	accepted(&(struct question){.authority = &w.middle, .middle = &w.stranger});
}

static void time_of_validity(void **state)
{
	(void)state;
	refused(&(struct question){.middle = &w.middle, .at = 366 * PKI_DAY}, -EKEYEXPIRED,
		"CN=root) expired on 2028-01-15");
	refused(&(struct question){.middle = &w.middle, .at = -366 * PKI_DAY}, -EKEYEXPIRED,
		"not valid before 2026-01-15");
	struct pki_entity old = pki_issue(
		&w.root, &(struct pki_want){.cn = "old", .from = -9 * PKI_DAY, .until = -PKI_DAY});
	refused(&(struct question){.leaf = &old}, -EKEYEXPIRED,
		"the peer's certificate (C=DE, O=Example, CN=old) expired on 2027-01-14");
	pki_free(&old);
}

static void nobody_we_know(void **state)
{
	(void)state;
	refused(&(struct question){.middle = &w.middle, .authority = &w.stranger}, -EKEYREJECTED,
		"is not ours");
	refused(&(struct question){0}, -EKEYREJECTED,
		"was issued by (C=DE, O=Example, CN=middle), which the peer did not send");
	/* the same name with another key: the signature tells */
	struct pki_entity twin = pki_intermediate(&w.stranger, "middle", NULL);
	struct fault f;
	assert_int_not_equal(ask(&(struct question){.middle = &twin}, &f), 0);
	pki_free(&twin);
	struct pki_entity alone = pki_gateway(NULL, PKI_P256, "alone", "DNS:gw.example.org");
	refused(&(struct question){.leaf = &alone}, -EKEYREJECTED, "is not ours");
	pki_free(&alone);
}

static void path_rules(void **state)
{
	(void)state;
	struct pki_entity narrow =
		pki_intermediate(&w.root, "narrow", "critical,CA:TRUE,pathlen:0");
	struct pki_entity below = pki_intermediate(&narrow, "below", NULL);
	struct pki_entity leaf = pki_gateway(&below, PKI_P256, "leaf", NULL);
	struct pki_entity fine = pki_gateway(&narrow, PKI_P256, "fine", NULL);
	/* the peer sends both: the path is leaf, below, narrow, root */
	struct bytes ca = pki_pem(&w.root, NULL, NULL);
	struct bytes der[3] = {pki_der(&leaf), pki_der(&narrow), pki_der(&below)};
	struct trust *t;
	struct chain *c;
	struct fault f = {0};
	assert_int_equal(
		trust_new(&t, &(struct trust_files){.authorities = &ca, .n_authorities = 1}, &f),
		0);
	assert_int_equal(chain_parse(&c, der, 3, &f), 0);
	assert_int_equal(trust_verify(t, c, PKI_NOW, &f), -EKEYREJECTED);
	assert_non_null(strstr(f.text, "path length constraint"));
	chain_free(c);
	trust_free(t);
	accepted(&(struct question){.leaf = &fine, .middle = &narrow});
	/* a gateway's certificate certifies nobody */
	struct pki_entity forged = pki_gateway(&fine, PKI_P256, "forged", "DNS:gw.example.org");
	refused(&(struct question){.leaf = &forged, .middle = &fine, .authority = &narrow},
		-EKEYREJECTED, "invalid CA certificate");
	for (unsigned i = 0; i < 3; i++)
		pki_drop(der[i]);
	pki_drop(ca);
	pki_free(&narrow);
	pki_free(&below);
	pki_free(&leaf);
	pki_free(&fine);
	pki_free(&forged);
}

static void usages(void **state)
{
	static const struct {
		const char *usage, *extended;
		const char *refusal; /* NULL: accepted */
	} rows[] = {
		{NULL, NULL, NULL},
		{"digitalSignature", NULL, NULL},
		{"critical,nonRepudiation", NULL, NULL},
		{"keyEncipherment", NULL, "keyUsage"},
		{"critical,keyAgreement", NULL, "keyUsage"},
		{NULL, "1.3.6.1.5.5.7.3.17", NULL},
		{NULL, "anyExtendedKeyUsage", NULL},
		{NULL, "serverAuth,1.3.6.1.5.5.8.2.2", NULL},
		{NULL, "serverAuth,clientAuth", "extendedKeyUsage"},
		{"digitalSignature", "codeSigning", "extendedKeyUsage"},
		/* the three that RFC 4945 withdrew */
		{NULL, "1.3.6.1.5.5.7.3.5,1.3.6.1.5.5.7.3.6,1.3.6.1.5.5.7.3.7", "extendedKeyUsage"},
	};
	(void)state;
	for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct pki_entity x =
			pki_issue(&w.root, &(struct pki_want){.cn = "usage",
							      .usage = rows[i].usage,
							      .extended = rows[i].extended});
		if (rows[i].refusal)
			refused(&(struct question){.leaf = &x}, -EKEYREJECTED, rows[i].refusal);
		else
			accepted(&(struct question){.leaf = &x});
		pki_free(&x);
	}
}

static void name_constraints(void **state)
{
	(void)state;
	struct pki_entity bound = pki_issue(
		&w.root, &(struct pki_want){.cn = "bound",
					    .basic = "critical,CA:TRUE",
					    .usage = "critical,keyCertSign,cRLSign",
					    .constraints = "critical,permitted;DNS:example.org"});
	struct pki_entity in = pki_gateway(&bound, PKI_P256, "in", "DNS:gw.example.org");
	struct pki_entity out = pki_gateway(&bound, PKI_P256, "out", "DNS:gw.example.com");
	accepted(&(struct question){.leaf = &in, .middle = &bound});
	refused(&(struct question){.leaf = &out, .middle = &bound}, -EKEYREJECTED,
		"permitted subtree violation");
	pki_free(&bound);
	pki_free(&in);
	pki_free(&out);
}

static void weak(void **state)
{
	(void)state;
	struct pki_entity small = pki_gateway(&w.root, PKI_RSA1024, "small", NULL);
	struct pki_entity sha1 = pki_issue(&w.root, &(struct pki_want){.cn = "sha1", .sha1 = true});
	refused(&(struct question){.leaf = &small}, -EKEYREJECTED, "key too weak");
	refused(&(struct question){.leaf = &sha1}, -EKEYREJECTED, "digest algorithm too weak");
	pki_free(&small);
	pki_free(&sha1);
}

#define FRESH -PKI_DAY, PKI_DAY
#define STALE -9 * PKI_DAY, -PKI_DAY

static void crls(void **state)
{
	(void)state;
	accepted(&(struct question){.middle = &w.middle, .crl = pki_crl(&w.middle, NULL, FRESH)});
	refused(&(struct question){.middle = &w.middle,
				   .crl = pki_crl(&w.middle, &w.gateway, FRESH)},
		-EKEYREVOKED,
		"the peer's certificate (C=DE, O=Example, CN=gw.example.org) was revoked on "
		"2027-01-05: keyCompromise");
	refused(&(struct question){.middle = &w.middle, .crl = pki_crl(&w.root, &w.middle, FRESH)},
		-EKEYREVOKED,
		"the authority 1 steps above the peer's (C=DE, O=Example, CN=middle)");
	/* of that issuer but of no use: not as if there were none */
	refused(&(struct question){.middle = &w.middle, .crl = pki_crl(&w.middle, NULL, STALE)},
		-EKEYREJECTED, "has expired");
	struct pki_entity twin = pki_intermediate(&w.stranger, "middle", NULL);
	struct fault f;
	assert_int_not_equal(
		ask(&(struct question){.middle = &w.middle, .crl = pki_crl(&twin, NULL, FRESH)},
		    &f),
		0);
	pki_free(&twin);
	/* a CRL of someone else says nothing, unless a status is asked for */
	accepted(&(struct question){.middle = &w.middle, .crl = pki_crl(&w.stranger, NULL, FRESH)});
	refused(&(struct question){.middle = &w.middle,
				   .crl = pki_crl(&w.middle, NULL, FRESH),
				   .need_status = true},
		-EKEYREJECTED, "no CRL and no OCSP response");
	accepted(&(struct question){.middle = &w.middle,
				    .crl = pki_crl(&w.middle, NULL, FRESH),
				    .more_crl = pki_crl(&w.root, NULL, FRESH),
				    .need_status = true});
	refused(&(struct question){.middle = &w.middle, .need_status = true}, -EKEYREJECTED,
		"no CRL and no OCSP response");
}

static struct bytes about_gateway(const struct pki_entity *by, int status, int64_t from,
				  int64_t until)
{
	return pki_ocsp(&w.gateway, &w.middle, by, status, from, until);
}

static void ocsp(void **state)
{
	(void)state;
	struct pki_entity helper = pki_issue(
		&w.middle, &(struct pki_want){.cn = "responder", .extended = "OCSPSigning"});
	struct pki_entity other = pki_gateway(&w.middle, PKI_P256, "other", NULL);
	struct question q = {.middle = &w.middle};
	q.ocsp = about_gateway(&w.middle, V_OCSP_CERTSTATUS_GOOD, FRESH);
	accepted(&q);
	q.ocsp = about_gateway(&helper, V_OCSP_CERTSTATUS_GOOD, FRESH);
	accepted(&q);
	q.ocsp = about_gateway(&w.middle, V_OCSP_CERTSTATUS_REVOKED, FRESH);
	refused(&q, -EKEYREVOKED, "was revoked on 2027-01-05: keyCompromise, says OCSP");
	q.ocsp = about_gateway(&helper, V_OCSP_CERTSTATUS_REVOKED, STALE);
	refused(&q, -EKEYREVOKED, "says OCSP"); /* nothing revoked becomes good by age */
	q.ocsp = about_gateway(&w.middle, V_OCSP_CERTSTATUS_GOOD, STALE);
	refused(&q, -EKEYREJECTED, "of 2027-01-06 to an earlier day");
	q.ocsp = about_gateway(&w.middle, V_OCSP_CERTSTATUS_UNKNOWN, FRESH);
	refused(&q, -EKEYREJECTED, "does not know it");
	/* signed by a sister certificate, by a stranger */
	q.ocsp = about_gateway(&other, V_OCSP_CERTSTATUS_GOOD, FRESH);
	refused(&q, -EKEYREJECTED, "not signed by its authority");
	q.ocsp = about_gateway(&w.stranger, V_OCSP_CERTSTATUS_GOOD, FRESH);
	refused(&q, -EKEYREJECTED, "not signed by its authority");
	/* about another certificate */
	q.ocsp = pki_ocsp(&other, &w.middle, &w.middle, V_OCSP_CERTSTATUS_REVOKED, FRESH);
	accepted(&q);
	q = (struct question){.authority = &w.middle, .need_status = true};
	q.ocsp = about_gateway(&w.middle, V_OCSP_CERTSTATUS_GOOD, FRESH);
	accepted(&q);
	pki_free(&helper);
	pki_free(&other);
}

static void files_that_are_none(void **state)
{
	struct bytes ca = pki_pem(&w.root, NULL, NULL), junk = {(const uint8_t *)"junk", 4};
	struct bytes cut = {ca.at, ca.len - 40};
	struct trust *t;
	struct fault f = {0};
	(void)state;
	assert_int_equal(
		trust_new(&t, &(struct trust_files){.authorities = &junk, .n_authorities = 1}, &f),
		-EINVAL);
	assert_string_equal(f.place, "authority 1");
	assert_int_equal(
		trust_new(&t, &(struct trust_files){.authorities = &cut, .n_authorities = 1}, &f),
		-EINVAL);
	struct trust_files files = {
		.authorities = &ca, .n_authorities = 1, .crls = &junk, .n_crls = 1};
	assert_int_equal(trust_new(&t, &files, &f), -EINVAL);
	assert_string_equal(f.place, "CRL 1");
	files = (struct trust_files){
		.authorities = &ca, .n_authorities = 1, .ocsp = &junk, .n_ocsp = 1};
	assert_int_equal(trust_new(&t, &files, &f), -EINVAL);
	assert_string_equal(f.place, "OCSP response 1");
	assert_int_equal(trust_new(&t, &(struct trust_files){0}, &f), -EINVAL);
	pki_drop(ca);
}

static void chains_that_are_none(void **state)
{
	struct bytes der[CHAIN_MAX_CERTIFICATES + 1];
	struct pki_entity curve = pki_gateway(&w.root, PKI_P224, "curve", NULL);
	struct bytes odd = pki_der(&curve);
	uint8_t *big = calloc(1, CHAIN_MAX_BYTES + 1);
	struct chain *c;
	struct fault f;
	(void)state;
	for (unsigned i = 0; i <= CHAIN_MAX_CERTIFICATES; i++)
		der[i] = pki_der(&w.gateway);
	assert_int_equal(chain_parse(&c, der, 0, &f), -EPROTO);
	assert_int_equal(chain_parse(&c, der, CHAIN_MAX_CERTIFICATES + 1, &f), -E2BIG);
	assert_int_equal(chain_parse(&c, &odd, 1, &f), -ENOTSUP);
	struct bytes large = {big, CHAIN_MAX_BYTES + 1};
	assert_int_equal(chain_parse(&c, &large, 1, &f), -E2BIG);
	for (size_t n = 0; n < der[0].len; n += 7) {
		struct bytes cut = {der[0].at, n};
		assert_int_equal(chain_parse(&c, &cut, 1, &f), -EPROTO);
		assert_null(c);
	}
	for (unsigned i = 0; i <= CHAIN_MAX_CERTIFICATES; i++)
		pki_drop(der[i]);
	pki_drop(odd);
	free(big);
	pki_free(&curve);
}

static void count(void *owner, const char *text)
{
	(void)text;
	++*(unsigned *)owner;
}

static void own_credentials(void **state)
{
	struct bytes chain = pki_pem(&w.gateway, &w.middle, &w.root),
		     key = pki_key_pem(&w.gateway, NULL);
	struct bytes wrong = pki_key_pem(&w.root, NULL), closed = pki_key_pem(&w.gateway, "secret");
	struct credential *c;
	struct fault f = {0};
	uint8_t hash[20];
	unsigned n = 0;
	(void)state;
	assert_int_equal(credential_new(&c, chain, key, &f), 0);
	assert_int_equal(credential_certificates(c), 2); /* the root stays at home */
	struct bytes own = pki_der(&w.gateway);
	assert_int_equal(credential_certificate(c, 0).len, own.len);
	assert_memory_equal(credential_certificate(c, 0).at, own.at, own.len);
	struct identity id;
	assert_int_equal(identity_parse(&id, "C=DE, O=example, CN=GW.example.org"), 0);
	credential_adopt_identity(c, &id);
	char text[IDENTITY_TEXT];
	assert_string_equal(identity_format(&id, text), "C=DE, O=Example, CN=gw.example.org");
	credential_judge(c, PKI_NOW, 30, count, &n);
	assert_int_equal(n, 0);
	credential_judge(c, PKI_NOW + 340 * PKI_DAY, 30, count, &n);
	assert_int_equal(n, 3);
	struct trust *t;
	assert_int_equal(
		trust_new(&t, &(struct trust_files){.authorities = &chain, .n_authorities = 1}, &f),
		0);
	assert_int_equal(trust_authorities(t), 3);
	trust_key_hash(t, 2, hash);
	assert_true(credential_is_under(c, hash));
	trust_key_hash(t, 0, hash);
	assert_false(credential_is_under(c, hash));
	trust_free(t);
	credential_free(c);
	assert_int_equal(credential_new(&c, chain, wrong, &f), -EINVAL);
	assert_non_null(strstr(f.text, "the key is not that of the first certificate"));
	assert_int_equal(credential_new(&c, chain, closed, &f), -EINVAL);
	assert_non_null(strstr(f.advice, "pass phrase"));
	assert_int_equal(credential_new(&c, key, key, &f), -EINVAL);
	assert_int_equal(credential_new(&c, chain, chain, &f), -EINVAL);
	pki_drop(chain);
	pki_drop(key);
	pki_drop(wrong);
	pki_drop(closed);
	pki_drop(own);
}

static void identities(void **state)
{
	static const struct {
		const char *id;
		bool has;
	} rows[] = {
		{"gw.example.org", true},
		{"GW.Example.ORG", true},
		{"gw.example.com", false},
		{"a.example.net", false}, /* "*" in a certificate stands for itself */
		{"*.example.net", false}, /* and is nobody's name */
		{"alice@example.org", true},
		{"alice@EXAMPLE.org", true},
		{"Alice@example.org", false},
		{"203.0.113.1", true},
		{"203.0.113.2", false},
		{"fd00::1", true},
		{"@203.0.113.1", false},
		{"C=DE, O=Example, CN=gw", true},
		{"C=DE, O=example, CN=GW", true},
		{"C=DE, O=Example", false},
		{"CN=gw, O=Example, C=DE", false},
		{"gw", false}, /* a common name is no domain name */
		{"@#00112233", false},
	};
	struct pki_entity x =
		pki_gateway(&w.root, PKI_P256, "gw",
			    "DNS:gw.example.org,DNS:*.example.net,email:alice@example.org,"
			    "IP:203.0.113.1,IP:fd00::1");
	struct bytes der = pki_der(&x);
	struct chain *c;
	struct fault f;
	char text[400];
	(void)state;
	assert_int_equal(chain_parse(&c, &der, 1, &f), 0);
	for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct identity id;
		assert_int_equal(identity_parse(&id, rows[i].id), 0);
		if (chain_has_identity(c, &id) != rows[i].has)
			fail_msg("%s: expected %d", rows[i].id, rows[i].has);
	}
	const ASN1_OCTET_STRING *ski = X509_get0_subject_key_id(x.x);
	struct identity key_id;
	assert_int_equal(
		identity_from_wire(&key_id, IDENTITY_KEY_ID, ASN1_STRING_get0_data(ski), 20), 0);
	assert_true(chain_has_identity(c, &key_id));
	assert_string_equal(
		chain_identities(c, text, sizeof text),
		"gw.example.org, *.example.net, alice@example.org, 203.0.113.1, fd00::1, "
		"C=DE, O=Example, CN=gw");
	chain_free(c);
	pki_drop(der);
	pki_free(&x);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good),
		cmocka_unit_test(time_of_validity),
		cmocka_unit_test(nobody_we_know),
		cmocka_unit_test(path_rules),
		cmocka_unit_test(usages),
		cmocka_unit_test(name_constraints),
		cmocka_unit_test(weak),
		cmocka_unit_test(crls),
		cmocka_unit_test(ocsp),
		cmocka_unit_test(files_that_are_none),
		cmocka_unit_test(chains_that_are_none),
		cmocka_unit_test(own_credentials),
		cmocka_unit_test(identities),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
