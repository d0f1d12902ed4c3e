/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A small public key infrastructure that tests make when they run: no key is in the tree. Times are
 * seconds around PKI_NOW, so that no test depends on the day it runs on.
 */
#ifndef XGW_TESTS_PKI_PKI_H
#define XGW_TESTS_PKI_PKI_H

#include "base/bytes.h"

#include <openssl/evp.h>
#include <openssl/ocsp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PKI_NOW 1800000000 /* 2027-01-15 */
#define PKI_DAY 86400

static inline void pki_must(bool holds, const char *what)
{
	if (holds)
		return;
	fprintf(stderr, "pki: %s failed\n", what);
	abort();
}

enum pki_kind { PKI_P256, PKI_P384, PKI_P521, PKI_ED25519, PKI_RSA2048, PKI_RSA1024, PKI_P224 };

static inline EVP_PKEY *pki_key(enum pki_kind kind)
{
	static const char *const curves[] = {[PKI_P256] = "P-256",
					     [PKI_P384] = "P-384",
					     [PKI_P521] = "P-521",
					     [PKI_P224] = "P-224"};
	EVP_PKEY *key;
	switch (kind) {
	case PKI_ED25519: key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"); break;
	case PKI_RSA2048: key = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)2048); break;
	case PKI_RSA1024: key = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)1024); break;
	default: key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", curves[kind]);
	}
	pki_must(key, "key");
	return key;
}

/* A certificate and its key. */
struct pki_entity {
	X509 *x;
	EVP_PKEY *key;
	long serial; /* of what it issues */
};

/* What is to be certified; extensions in the words of OpenSSL's configuration, NULL = none. */
struct pki_want {
	enum pki_kind kind;
	const char *cn, *san, *basic, *usage, *extended, *constraints;
	int64_t from, until; /* around PKI_NOW; 0, 0: a year before to a year after */
	bool sha1;
};

static inline void pki_extend(X509 *x, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX ctx;
	if (!value)
		return;
	X509V3_set_ctx_nodb(&ctx);
	X509V3_set_ctx(&ctx, issuer, x, NULL, NULL, 0);
	X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, &ctx, nid, (char *)(uintptr_t)value);
	pki_must(e && X509_add_ext(x, e, -1), value);
	X509_EXTENSION_free(e);
}

static inline struct pki_entity pki_issue(struct pki_entity *by, const struct pki_want *w)
{
	struct pki_entity out = {X509_new(), pki_key(w->kind), 1};
	EVP_PKEY *signer = by ? by->key : out.key;
	X509 *x = out.x, *issuer = by ? by->x : x;
	int64_t from = w->from || w->until ? w->from : -365 * PKI_DAY;
	int64_t until = w->from || w->until ? w->until : 365 * PKI_DAY;
	X509_NAME *name = X509_NAME_new();
	pki_must(x && name, "memory");
	X509_set_version(x, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(x), by ? ++by->serial : 1);
	X509_NAME_add_entry_by_txt(name, "C", MBSTRING_ASC, (const uint8_t *)"DE", -1, -1, 0);
	X509_NAME_add_entry_by_txt(name, "O", MBSTRING_UTF8, (const uint8_t *)"Example", -1, -1, 0);
	X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const uint8_t *)w->cn, -1, -1, 0);
	X509_set_subject_name(x, name);
	X509_set_issuer_name(x, X509_get_subject_name(issuer));
	X509_NAME_free(name);
	ASN1_TIME_set(X509_getm_notBefore(x), (time_t)(PKI_NOW + from));
	ASN1_TIME_set(X509_getm_notAfter(x), (time_t)(PKI_NOW + until));
	X509_set_pubkey(x, out.key);
	pki_extend(x, issuer, NID_subject_key_identifier, "hash");
	pki_extend(x, issuer, NID_authority_key_identifier, by ? "keyid" : NULL);
	pki_extend(x, issuer, NID_basic_constraints, w->basic);
	pki_extend(x, issuer, NID_key_usage, w->usage);
	pki_extend(x, issuer, NID_ext_key_usage, w->extended);
	pki_extend(x, issuer, NID_subject_alt_name, w->san);
	pki_extend(x, issuer, NID_name_constraints, w->constraints);
	bool ed = EVP_PKEY_get_base_id(signer) == EVP_PKEY_ED25519;
	const EVP_MD *md = ed ? NULL : w->sha1 ? EVP_sha1() : EVP_sha256();
	pki_must(X509_sign(x, signer, md) > 0, "signature");
	return out;
}

static inline struct pki_entity pki_root(const char *cn, enum pki_kind kind)
{
	return pki_issue(NULL, &(struct pki_want){.kind = kind,
						  .cn = cn,
						  .basic = "critical,CA:TRUE",
						  .usage = "critical,keyCertSign,cRLSign"});
}

static inline struct pki_entity pki_intermediate(struct pki_entity *by, const char *cn,
						 const char *basic)
{
	return pki_issue(by, &(struct pki_want){.cn = cn,
						.basic = basic ? basic : "critical,CA:TRUE",
						.usage = "critical,keyCertSign,cRLSign"});
}

static inline struct pki_entity pki_gateway(struct pki_entity *by, enum pki_kind kind,
					    const char *cn, const char *san)
{
	return pki_issue(by, &(struct pki_want){.kind = kind, .cn = cn, .san = san});
}

static inline void pki_free(struct pki_entity *e)
{
	X509_free(e->x);
	EVP_PKEY_free(e->key);
	*e = (struct pki_entity){0};
}

/* Bytes that are freed with free(). */
static inline struct bytes pki_take(BIO *from)
{
	char *at = NULL;
	long n = BIO_get_mem_data(from, &at);
	uint8_t *copy = malloc(n > 0 ? (size_t)n : 1);
	pki_must(copy && n > 0, "output");
	memcpy(copy, at, (size_t)n);
	BIO_free(from);
	return (struct bytes){copy, (size_t)n};
}

static inline void pki_drop(struct bytes b)
{
	free((void *)(uintptr_t)b.at);
}

static inline struct bytes pki_der(const struct pki_entity *e)
{
	BIO *out = BIO_new(BIO_s_mem());
	pki_must(i2d_X509_bio(out, e->x), "certificate");
	return pki_take(out);
}

/* Up to three certificates in PEM. */
static inline struct bytes pki_pem(const struct pki_entity *a, const struct pki_entity *b,
				   const struct pki_entity *c)
{
	BIO *out = BIO_new(BIO_s_mem());
	const struct pki_entity *all[] = {a, b, c};
	for (unsigned i = 0; i < 3; i++)
		pki_must(!all[i] || PEM_write_bio_X509(out, all[i]->x), "certificate");
	return pki_take(out);
}

static inline struct bytes pki_key_pem(const struct pki_entity *e, const char *pass_phrase)
{
	BIO *out = BIO_new(BIO_s_mem());
	pki_must(PEM_write_bio_PKCS8PrivateKey(out, e->key, pass_phrase ? EVP_aes_128_cbc() : NULL,
					       NULL, 0, NULL, (void *)(uintptr_t)pass_phrase),
		 "key");
	return pki_take(out);
}

/* A CRL of `by` that names `revoked` (may be NULL). */
static inline struct bytes pki_crl(const struct pki_entity *by, const struct pki_entity *revoked,
				   int64_t from, int64_t until)
{
	X509_CRL *crl = X509_CRL_new();
	ASN1_TIME *t = ASN1_TIME_new();
	X509_CRL_set_version(crl, 1);
	X509_CRL_set_issuer_name(crl, X509_get_subject_name(by->x));
	X509_CRL_set1_lastUpdate(crl, ASN1_TIME_set(t, (time_t)(PKI_NOW + from)));
	X509_CRL_set1_nextUpdate(crl, ASN1_TIME_set(t, (time_t)(PKI_NOW + until)));
	if (revoked) {
		X509_REVOKED *r = X509_REVOKED_new();
		ASN1_ENUMERATED *why = ASN1_ENUMERATED_new();
		X509_REVOKED_set_serialNumber(r, X509_get_serialNumber(revoked->x));
		X509_REVOKED_set_revocationDate(r,
						ASN1_TIME_set(t, (time_t)(PKI_NOW - 10 * PKI_DAY)));
		ASN1_ENUMERATED_set(why, 1);
		X509_REVOKED_add1_ext_i2d(r, NID_crl_reason, why, 0, 0);
		X509_CRL_add0_revoked(crl, r);
		ASN1_ENUMERATED_free(why);
	}
	bool ed = EVP_PKEY_get_base_id(by->key) == EVP_PKEY_ED25519;
	pki_must(X509_CRL_sign(crl, by->key, ed ? NULL : EVP_sha256()) > 0, "CRL");
	BIO *out = BIO_new(BIO_s_mem());
	pki_must(PEM_write_bio_X509_CRL(out, crl), "CRL");
	X509_CRL_free(crl);
	ASN1_TIME_free(t);
	return pki_take(out);
}

/* An OCSP response about `x` of `issuer`, signed by `by`. status: V_OCSP_CERTSTATUS_*. */
static inline struct bytes pki_ocsp(const struct pki_entity *x, const struct pki_entity *issuer,
				    const struct pki_entity *by, int status, int64_t from,
				    int64_t until)
{
	OCSP_BASICRESP *basic = OCSP_BASICRESP_new();
	OCSP_CERTID *id = OCSP_cert_to_id(EVP_sha1(), x->x, issuer->x);
	ASN1_TIME *revoked = ASN1_TIME_set(NULL, (time_t)(PKI_NOW - 10 * PKI_DAY));
	ASN1_TIME *a = ASN1_TIME_set(NULL, (time_t)(PKI_NOW + from));
	ASN1_TIME *b = ASN1_TIME_set(NULL, (time_t)(PKI_NOW + until));
	pki_must(OCSP_basic_add1_status(basic, id, status, OCSP_REVOKED_STATUS_KEYCOMPROMISE,
					revoked, a, b) &&
			 OCSP_basic_sign(basic, by->x, by->key, EVP_sha256(), NULL, 0),
		 "OCSP");
	OCSP_RESPONSE *r = OCSP_response_create(OCSP_RESPONSE_STATUS_SUCCESSFUL, basic);
	BIO *out = BIO_new(BIO_s_mem());
	unsigned char *der = NULL;
	int n = r ? i2d_OCSP_RESPONSE(r, &der) : -1;
	pki_must(n > 0 && BIO_write(out, der, n) == n, "OCSP");
	OPENSSL_free(der);
	OCSP_RESPONSE_free(r);
	OCSP_BASICRESP_free(basic);
	OCSP_CERTID_free(id);
	ASN1_TIME_free(revoked);
	ASN1_TIME_free(a);
	ASN1_TIME_free(b);
	return pki_take(out);
}

#endif
