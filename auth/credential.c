/* SPDX-License-Identifier: Apache-2.0 */
/* See credential.h. */
#include "auth/credential.h"
#include "auth/x509_internal.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WEAK_RSA_BITS 2048

struct credential {
	STACK_OF(X509) * all; /* as in the file */
	EVP_PKEY *key;
	unsigned n;
	struct bytes der[CHAIN_MAX_CERTIFICATES]; /* what is sent */
};

/* OpenSSL would ask the terminal. */
static int no_pass_phrase(char *to, int room, int writing, void *owner)
{
	(void)to;
	(void)room;
	(void)writing;
	(void)owner;
	return -1;
}

static int read_key(struct credential *c, struct bytes pem, struct fault *f)
{
	BIO *in = BIO_new_mem_buf(pem.at, (int)pem.len);
	c->key = in ? PEM_read_bio_PrivateKey(in, NULL, no_pass_phrase, NULL) : NULL;
	BIO_free(in);
	ERR_clear_error();
	if (c->key)
		return 0;
	fault_set(f, -EINVAL, "expected a private key in PEM, came something else");
	return fault_advise(f, "a key with a pass phrase is made one without by `openssl pkey`");
}

static int keep_der(struct credential *c, X509 *x, struct fault *f)
{
	unsigned char *der = NULL;
	if (c->n == CHAIN_MAX_CERTIFICATES)
		return fault_set(f, -EINVAL, "expected at most %d certificates in the chain",
				 CHAIN_MAX_CERTIFICATES);
	int n = i2d_X509(x, &der);
	if (n <= 0)
		return fault_set(f, -ENOMEM, "no memory for a certificate");
	c->der[c->n++] = (struct bytes){der, (size_t)n};
	return 0;
}

static int read_chain(struct credential *c, struct bytes file, struct fault *f)
{
	int err = 0;
	c->all = sk_X509_new_null();
	if (!c->all)
		return fault_set(f, -ENOMEM, "no memory for the certificates");
	if (!x509_read_file(file, c->all))
		return fault_set(
			f, -EINVAL,
			"expected certificates in PEM, our own first, came something else");
	for (int i = 0; !err && i < sk_X509_num(c->all); i++) {
		X509 *x = sk_X509_value(c->all, i);
		if (!i || !(X509_get_extension_flags(x) & EXFLAG_SS))
			err = keep_der(c, x, f);
	}
	return err;
}

static int check(const struct credential *c, struct fault *f)
{
	X509 *own = sk_X509_value(c->all, 0);
	char subject[SUBJECT_TEXT], key[KEY_TEXT];
	x509_name(X509_get_subject_name(own), subject, sizeof subject);
	if (X509_check_private_key(own, c->key) != 1) {
		ERR_clear_error();
		fault_set(f, -EINVAL,
			  "the key is not that of the first certificate of the chain (%s)",
			  subject);
		return fault_advise(f, "put the gateway's own certificate first");
	}
	if (signature_key_kind(c->key) == KEY_OTHER)
		return fault_set(f, -ENOTSUP,
				 "expected a key of RSA, ECDSA (P-256, P-384, P-521) or Ed25519, "
				 "came %s",
				 signature_key_format(c->key, key));
	return 0;
}

int credential_new(struct credential **out, struct bytes chain, struct bytes key, struct fault *f)
{
	*out = NULL;
	struct credential *c = calloc(1, sizeof *c);
	if (!c)
		return fault_set(f, -ENOMEM, "no memory for a certificate");
	int err = read_chain(c, chain, f);
	if (!err)
		err = read_key(c, key, f);
	if (!err)
		err = check(c, f);
	if (err) {
		credential_free(c);
		return err;
	}
	*out = c;
	return 0;
}

void credential_free(struct credential *c)
{
	if (!c)
		return;
	for (unsigned i = 0; i < c->n; i++)
		OPENSSL_free((void *)(uintptr_t)c->der[i].at);
	sk_X509_pop_free(c->all, X509_free);
	EVP_PKEY_free(c->key);
	free(c);
}

static X509 *own(const struct credential *c)
{
	return sk_X509_value(c->all, 0);
}

unsigned credential_certificates(const struct credential *c)
{
	return c->n;
}

struct bytes credential_certificate(const struct credential *c, unsigned i)
{
	return i < c->n ? c->der[i] : (struct bytes){NULL, 0};
}

enum key_kind credential_key_kind(const struct credential *c)
{
	return signature_key_kind(c->key);
}

unsigned credential_key_bits(const struct credential *c)
{
	return (unsigned)EVP_PKEY_get_bits(c->key);
}

const char *credential_key_format(const struct credential *c, char out[KEY_TEXT])
{
	return signature_key_format(c->key, out);
}

const char *credential_subject(const struct credential *c, char out[SUBJECT_TEXT])
{
	return x509_name(X509_get_subject_name(own(c)), out, SUBJECT_TEXT);
}

bool credential_has_identity(const struct credential *c, const struct identity *id)
{
	return x509_has_identity(own(c), id);
}

const char *credential_identities(const struct credential *c, char *out, size_t room)
{
	return x509_identities(own(c), out, room);
}

void credential_adopt_identity(const struct credential *c, struct identity *id)
{
	const unsigned char *der = NULL;
	size_t n = 0;
	struct identity exact;
	if (id->kind == IDENTITY_DN && x509_has_identity(own(c), id) &&
	    X509_NAME_get0_der(X509_get_subject_name(own(c)), &der, &n) == 1 &&
	    !identity_from_wire(&exact, IDENTITY_DN, der, n))
		*id = exact;
}

bool credential_is_under(const struct credential *c, const uint8_t key_hash[20])
{
	for (int i = 1; i < sk_X509_num(c->all); i++) {
		X509 *x = sk_X509_value(c->all, i);
		unsigned char *der = NULL, hash[EVP_MAX_MD_SIZE];
		int n = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(x), &der);
		bool same = n > 0 &&
			    EVP_Digest(der, (size_t)n, hash, NULL, EVP_sha1(), NULL) == 1 &&
			    !memcmp(hash, key_hash, 20);
		OPENSSL_free(der);
		if (same)
			return true;
	}
	return false;
}

int credential_sign(const struct credential *c, const struct signature_scheme *s, struct bytes data,
		    uint8_t out[SIGNATURE_MAX], size_t *len)
{
	return signature_sign(c->key, s, data, out, len);
}

static void judge_one(X509 *x, int64_t now, unsigned days, auth_warning *say, void *owner)
{
	char subject[SUBJECT_TEXT], day[X509_DAY], text[320];
	time_t at = (time_t)now, soon = at + (time_t)days * 86400;
	const ASN1_TIME *end = X509_get0_notAfter(x), *start = X509_get0_notBefore(x);
	x509_name(X509_get_subject_name(x), subject, sizeof subject);
	if (X509_cmp_time(end, &at) < 0)
		snprintf(text, sizeof text, "the certificate %s expired on %s", subject,
			 x509_day(end, day));
	else if (X509_cmp_time(start, &at) > 0)
		snprintf(text, sizeof text, "the certificate %s is not valid before %s", subject,
			 x509_day(start, day));
	else if (X509_cmp_time(end, &soon) < 0)
		snprintf(text, sizeof text,
			 "the certificate %s expires on %s, in less than %u days", subject,
			 x509_day(end, day), days);
	else
		return;
	say(owner, text);
}

void credential_judge(const struct credential *c, int64_t now, unsigned days, auth_warning *say,
		      void *owner)
{
	char text[320], key[KEY_TEXT];
	for (int i = 0; i < sk_X509_num(c->all); i++)
		judge_one(sk_X509_value(c->all, i), now, days, say, owner);
	if (signature_key_kind(c->key) != KEY_RSA || EVP_PKEY_get_bits(c->key) >= WEAK_RSA_BITS)
		return;
	snprintf(text, sizeof text, "the key is weak: %s, peers refuse less than %d bits",
		 signature_key_format(c->key, key), WEAK_RSA_BITS);
	say(owner, text);
}

int credential_use(const struct credential *c, struct ssl_ctx_st *ctx)
{
	bool ok = SSL_CTX_use_certificate(ctx, sk_X509_value(c->all, 0)) == 1 &&
		  SSL_CTX_use_PrivateKey(ctx, c->key) == 1;
	for (unsigned i = 1; ok && i < c->n; i++) {
		X509 *x = x509_parse(c->der[i]);
		ok = x && SSL_CTX_add1_chain_cert(ctx, x) == 1;
		X509_free(x);
	}
	return ok ? 0 : -EINVAL;
}
