/* SPDX-License-Identifier: Apache-2.0 */
#include "loader/issue.h"

#include <errno.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SERIAL_BITS   127  /* RFC 5280 section 4.1.2.2: positive, at most 20 bytes */
#define CLOCKS_DIFFER 3600 /* seconds: valid from a moment ago */
#define PKCS12_ROUNDS 100000

struct root {
	X509 *certificate;
	EVP_PKEY *key;
};

static EVP_PKEY *new_key(bool rsa)
{
	return rsa ? EVP_RSA_gen(2048) : EVP_EC_gen("P-256");
}

static bool add(X509 *x, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX ctx;
	X509V3_set_ctx(&ctx, issuer, x, NULL, NULL, 0);
	X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	bool ok = e && X509_add_ext(x, e, -1);
	X509_EXTENSION_free(e);
	return ok;
}

static bool set_serial(X509 *x)
{
	BIGNUM *n = BN_new();
	bool ok = n && BN_rand(n, SERIAL_BITS, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ANY) &&
		  BN_to_ASN1_INTEGER(n, X509_get_serialNumber(x));
	BN_free(n);
	return ok;
}

/* Version, serial number, subject, issuer, public key, and the time in which it is valid. */
static X509 *begin(const struct issue_request *r, EVP_PKEY *key, const struct root *root,
		   bool *shortened)
{
	X509 *x = X509_new();
	X509_NAME *name = x ? X509_get_subject_name(x) : NULL;
	time_t begins = r->now - CLOCKS_DIFFER, ends = r->now + (time_t)r->days * 86400;
	bool ok = x && X509_set_version(x, X509_VERSION_3) && set_serial(x) &&
		  X509_NAME_add_entry_by_NID(name, NID_commonName, MBSTRING_UTF8,
					     (const unsigned char *)r->name, -1, -1, 0) &&
		  X509_set_issuer_name(x, root ? X509_get_subject_name(root->certificate) : name) &&
		  X509_set_pubkey(x, key) && ASN1_TIME_adj(X509_getm_notBefore(x), begins, 0, 0) &&
		  ASN1_TIME_adj(X509_getm_notAfter(x), ends, 0, 0);
	const ASN1_TIME *last = root ? X509_get0_notAfter(root->certificate) : NULL;
	*shortened = ok && last && ASN1_TIME_compare(X509_get0_notAfter(x), last) > 0;
	if (*shortened)
		ok = X509_set1_notAfter(x, last);
	if (ok)
		return x;
	X509_free(x);
	return NULL;
}

static int take(BIO *from, uint8_t **out, size_t *len)
{
	char *at = NULL;
	long n = BIO_get_mem_data(from, &at);
	*out = n > 0 ? malloc((size_t)n) : NULL;
	if (*out) {
		memcpy(*out, at, (size_t)n);
		*len = (size_t)n;
	}
	return *out ? 0 : -ENOMEM;
}

/* Only root's and this process's memory has the key: a BIO of secure memory wipes what it frees. */
static int give(struct issued *out, X509 *x, EVP_PKEY *key)
{
	unsigned n = sizeof out->thumbprint;
	BIO *a = BIO_new(BIO_s_mem()), *b = BIO_new(BIO_s_secmem());
	int err =
		a && b && PEM_write_bio_X509(a, x) &&
				PEM_write_bio_PKCS8PrivateKey(b, key, NULL, NULL, 0, NULL, NULL) &&
				X509_digest(x, EVP_sha1(), out->thumbprint, &n)
			? 0
			: -ENOMEM;
	if (!err)
		err = take(a, &out->certificate, &out->certificate_len);
	if (!err)
		err = take(b, &out->key, &out->key_len);
	BIO_free(a);
	BIO_free(b);
	return err;
}

/* Triple DES and SHA-1, since the importers of Windows and macOS of some years ago read nothing
 * else. The file is to be carried as one carries a key. */
static int give_pkcs12(struct issued *out, const struct issue_request *r, X509 *x, EVP_PKEY *key,
		       X509 *authority)
{
	char password[SECRET_MAX + 1] = "";
	const int cipher = NID_pbe_WithSHA1And3_Key_TripleDES_CBC;
	STACK_OF(X509) *more = sk_X509_new_null();
	BIO *b = BIO_new(BIO_s_mem());
	PKCS12 *p = NULL;
	memcpy(password, r->password->b, r->password->len);
	if (more && b && sk_X509_push(more, authority))
		p = PKCS12_create(password, r->name, key, x, more, cipher, cipher, PKCS12_ROUNDS,
				  -1, 0);
	int err = p && PKCS12_set_mac(p, password, -1, NULL, 0, PKCS12_ROUNDS, EVP_sha1()) &&
				  i2d_PKCS12_bio(b, p)
			  ? take(b, &out->pkcs12, &out->pkcs12_len)
			  : -ENOMEM;
	wipe(password, sizeof password);
	PKCS12_free(p);
	BIO_free(b);
	sk_X509_free(more);
	return err;
}

int issue_root(struct issued *out, const struct issue_request *r, struct fault *f)
{
	memset(out, 0, sizeof *out);
	EVP_PKEY *key = new_key(r->rsa);
	X509 *x = key ? begin(r, key, NULL, &out->shortened) : NULL;
	bool ok = x && add(x, x, NID_basic_constraints, "critical,CA:TRUE,pathlen:0") &&
		  add(x, x, NID_key_usage, "critical,keyCertSign,cRLSign") &&
		  add(x, x, NID_subject_key_identifier, "hash") && X509_sign(x, key, EVP_sha256());
	int err = ok ? give(out, x, key) : -ENOMEM;
	X509_free(x);
	EVP_PKEY_free(key);
	return err ? fault_set(f, err, "the authority's certificate could not be made") : 0;
}

static int read_root(struct root *out, struct bytes certificate, struct bytes key, struct fault *f)
{
	BIO *a = BIO_new_mem_buf(certificate.at, (int)certificate.len);
	BIO *b = BIO_new_mem_buf(key.at, (int)key.len);
	char none[] = ""; /* no question for a pass phrase on the terminal */
	out->certificate = a ? PEM_read_bio_X509(a, NULL, NULL, none) : NULL;
	out->key = b ? PEM_read_bio_PrivateKey(b, NULL, NULL, none) : NULL;
	BIO_free(a);
	BIO_free(b);
	if (!out->certificate || !out->key)
		return fault_set(f, -EINVAL, "the authority's %s is not PEM, or has a pass phrase",
				 out->certificate ? "root.key" : "root.pem");
	if (X509_check_ca(out->certificate) != 1)
		return fault_set(f, -EINVAL, "root.pem is no authority's certificate");
	if (!X509_check_private_key(out->certificate, out->key))
		return fault_set(f, -EINVAL, "root.key is not the key of root.pem");
	return 0;
}

static bool add_client(X509 *x, const struct root *root, const char *name)
{
	char san[300];
	snprintf(san, sizeof san, "%s:%.256s", strchr(name, '@') ? "email" : "DNS", name);
	return add(x, root->certificate, NID_basic_constraints, "critical,CA:FALSE") &&
	       add(x, root->certificate, NID_key_usage, "critical,digitalSignature") &&
	       add(x, root->certificate, NID_ext_key_usage, "clientAuth") &&
	       add(x, root->certificate, NID_subject_alt_name, san) &&
	       add(x, root->certificate, NID_subject_key_identifier, "hash") &&
	       add(x, root->certificate, NID_authority_key_identifier, "keyid:always");
}

static int certify(struct issued *out, const struct issue_request *r, const struct root *root,
		   struct fault *f)
{
	EVP_PKEY *key = new_key(r->rsa);
	X509 *x = key ? begin(r, key, root, &out->shortened) : NULL;
	bool ok = x && add_client(x, root, r->name) && X509_sign(x, root->key, EVP_sha256());
	int err = ok ? give(out, x, key) : -ENOMEM;
	if (!err && r->password)
		err = give_pkcs12(out, r, x, key, root->certificate);
	X509_free(x);
	EVP_PKEY_free(key);
	return err ? fault_set(f, err, "the client's certificate could not be made") : 0;
}

int issue_client(struct issued *out, const struct issue_request *r, struct bytes certificate,
		 struct bytes key, struct fault *f)
{
	struct root root = {0};
	memset(out, 0, sizeof *out);
	int err = read_root(&root, certificate, key, f);
	if (!err)
		err = certify(out, r, &root, f);
	X509_free(root.certificate);
	EVP_PKEY_free(root.key);
	return err;
}

void issued_free(struct issued *i)
{
	if (i->key)
		wipe(i->key, i->key_len);
	free(i->certificate);
	free(i->key);
	free(i->pkcs12);
	memset(i, 0, sizeof *i);
}
