/* SPDX-License-Identifier: Apache-2.0 */
/* See signature.h. */
#include "auth/signature.h"

#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <string.h>

#define RSA_LARGEST 8192

/* ---- keys ---- */

static enum key_kind curve_of(EVP_PKEY *key)
{
	static const struct {
		const char *name;
		enum key_kind kind;
	} rows[] = {{"prime256v1", KEY_P256}, {"secp384r1", KEY_P384}, {"secp521r1", KEY_P521}};
	char name[40];
	size_t len = 0;
	int explicit = 0;
	EVP_PKEY_get_int_param(key, OSSL_PKEY_PARAM_EC_DECODED_FROM_EXPLICIT_PARAMS, &explicit);
	if (explicit || EVP_PKEY_get_group_name(key, name, sizeof name, &len) != 1)
		return KEY_OTHER;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		if (!strcmp(name, rows[i].name))
			return rows[i].kind;
	return KEY_OTHER;
}

enum key_kind signature_key_kind(EVP_PKEY *key)
{
	switch (key ? EVP_PKEY_get_base_id(key) : EVP_PKEY_NONE) {
	case EVP_PKEY_RSA:
	case EVP_PKEY_RSA_PSS: return EVP_PKEY_get_bits(key) <= RSA_LARGEST ? KEY_RSA : KEY_OTHER;
	case EVP_PKEY_EC: return curve_of(key);
	case EVP_PKEY_ED25519: return KEY_ED25519;
	default: return KEY_OTHER;
	}
}

const char *signature_key_format(EVP_PKEY *key, char out[KEY_TEXT])
{
	switch (signature_key_kind(key)) {
	case KEY_RSA: snprintf(out, KEY_TEXT, "RSA of %d bits", EVP_PKEY_get_bits(key)); break;
	case KEY_P256: snprintf(out, KEY_TEXT, "ECDSA P-256"); break;
	case KEY_P384: snprintf(out, KEY_TEXT, "ECDSA P-384"); break;
	case KEY_P521: snprintf(out, KEY_TEXT, "ECDSA P-521"); break;
	case KEY_ED25519: snprintf(out, KEY_TEXT, "Ed25519"); break;
	default: {
		const char *name = key ? EVP_PKEY_get0_type_name(key) : NULL;
		snprintf(out, KEY_TEXT, "%.20s of %d bits", name ? name : "unknown kind",
			 key ? EVP_PKEY_get_bits(key) : 0);
	}
	}
	return out;
}

/* ---- hashes ---- */

static const struct {
	int nid;
	const char *name;
	uint8_t rsa, ecdsa, oid; /* last octets of the object identifiers */
} hashes[] = {
	[SIGNATURE_SHA1] = {NID_sha1, "SHA1", 5, 0, 0},
	[SIGNATURE_SHA256] = {NID_sha256, "SHA256", 11, 2, 1},
	[SIGNATURE_SHA384] = {NID_sha384, "SHA384", 12, 3, 2},
	[SIGNATURE_SHA512] = {NID_sha512, "SHA512", 13, 4, 3},
};
#define N_HASHES (sizeof hashes / sizeof *hashes)

static const EVP_MD *hash_of(unsigned hash)
{
	return hash && hash < N_HASHES ? EVP_get_digestbynid(hashes[hash].nid) : NULL;
}

static unsigned hash_by_nid(int nid)
{
	for (unsigned i = 1; i < N_HASHES; i++)
		if (hashes[i].nid == nid)
			return i;
	return 0;
}

/* ---- AlgorithmIdentifier ---- */

/* sha…WithRSAEncryption, NULL */
static const uint8_t pkcs1_der[] = {0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86,
				    0xf7, 0x0d, 0x01, 0x01, 0,	  0x05, 0x00};
/* ecdsa-with-SHA… */
static const uint8_t ecdsa_der[] = {0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86,
				    0x48, 0xce, 0x3d, 0x04, 0x03, 0};
static const uint8_t ed25519_der[] = {0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70};
/* id-RSASSA-PSS; hash, MGF1 with it, length of the salt; the trailer is the default */
static const uint8_t pss_der[] = {
	0x30, 0x41, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0a, 0x30,
	0x34, 0xa0, 0x0f, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04,
	0x02, 0,    0x05, 0x00, 0xa1, 0x1c, 0x30, 0x1a, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86,
	0xf7, 0x0d, 0x01, 0x01, 0x08, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65,
	0x03, 0x04, 0x02, 0,	0x05, 0x00, 0xa2, 0x03, 0x02, 0x01, 0};
enum { PKCS1_HASH = 12, ECDSA_HASH = 11, PSS_HASH = 29, PSS_MGF_HASH = 59, PSS_SALT = 66 };

struct bytes signature_scheme_der(const struct signature_scheme *s, uint8_t out[SIGNATURE_DER_MAX])
{
	_Static_assert(sizeof pss_der <= SIGNATURE_DER_MAX && sizeof pss_der == PSS_SALT + 1,
		       "PSS");
	switch (s->kind) {
	case SIGNATURE_RSA_PKCS1:
		memcpy(out, pkcs1_der, sizeof pkcs1_der);
		out[PKCS1_HASH] = hashes[s->hash].rsa;
		return (struct bytes){out, sizeof pkcs1_der};
	case SIGNATURE_ECDSA:
		memcpy(out, ecdsa_der, sizeof ecdsa_der);
		out[ECDSA_HASH] = hashes[s->hash].ecdsa;
		return (struct bytes){out, sizeof ecdsa_der};
	case SIGNATURE_RSA_PSS:
		memcpy(out, pss_der, sizeof pss_der);
		out[PSS_HASH] = out[PSS_MGF_HASH] = hashes[s->hash].oid;
		out[PSS_SALT] = s->salt;
		return (struct bytes){out, sizeof pss_der};
	case SIGNATURE_ED25519:
		memcpy(out, ed25519_der, sizeof ed25519_der);
		return (struct bytes){out, sizeof ed25519_der};
	default: return (struct bytes){NULL, 0};
	}
}

static int nid_of(const X509_ALGOR *a)
{
	const ASN1_OBJECT *o = NULL;
	if (!a)
		return NID_undef;
	X509_ALGOR_get0(&o, NULL, NULL, a);
	return OBJ_obj2nid(o);
}

/* The value behind an algorithm's identifier, a SEQUENCE; NULL when it is something else. */
static const ASN1_STRING *sequence_of(const X509_ALGOR *a)
{
	const void *value = NULL;
	int type = V_ASN1_UNDEF;
	if (a)
		X509_ALGOR_get0(NULL, &type, &value, a);
	return type == V_ASN1_SEQUENCE ? value : NULL;
}

static int mgf_hash(const X509_ALGOR *mgf)
{
	const ASN1_STRING *packed = sequence_of(mgf);
	if (nid_of(mgf) != NID_mgf1 || !packed)
		return NID_undef;
	X509_ALGOR *inner = ASN1_item_unpack(packed, ASN1_ITEM_rptr(X509_ALGOR));
	int nid = nid_of(inner);
	X509_ALGOR_free(inner);
	return nid;
}

/* RFC 4055 section 3.1. Defaults (SHA-1) are none of ours, so all must be said. */
static int read_pss(struct signature_scheme *out, const X509_ALGOR *a)
{
	const ASN1_STRING *packed = sequence_of(a);
	RSA_PSS_PARAMS *p =
		packed ? ASN1_item_unpack(packed, ASN1_ITEM_rptr(RSA_PSS_PARAMS)) : NULL;
	if (!p)
		return -EPROTO;
	int nid = nid_of(p->hashAlgorithm);
	long salt = p->saltLength ? ASN1_INTEGER_get(p->saltLength) : -1;
	long trailer = p->trailerField ? ASN1_INTEGER_get(p->trailerField) : 1;
	unsigned hash = hash_by_nid(nid);
	bool ours = hash > SIGNATURE_SHA1 && mgf_hash(p->maskGenAlgorithm) == nid && salt >= 0 &&
		    salt <= 64 && trailer == 1;
	RSA_PSS_PARAMS_free(p);
	if (!ours)
		return -ENOTSUP;
	*out = (struct signature_scheme){SIGNATURE_RSA_PSS, (uint8_t)hash, (uint8_t)salt};
	return 0;
}

static int read_algorithm(struct signature_scheme *out, const X509_ALGOR *a)
{
	int hash = NID_undef, key = NID_undef, nid = nid_of(a);
	if (nid == NID_rsassaPss)
		return read_pss(out, a);
	if (nid == NID_ED25519) {
		*out = (struct signature_scheme){SIGNATURE_ED25519, SIGNATURE_IDENTITY, 0};
		return 0;
	}
	/* SHA-1 is not announced, so that nobody may use it here */
	if (!OBJ_find_sigid_algs(nid, &hash, &key) || hash_by_nid(hash) <= SIGNATURE_SHA1)
		return -ENOTSUP;
	out->hash = (uint8_t)hash_by_nid(hash);
	out->salt = 0;
	out->kind = key == NID_rsaEncryption	      ? SIGNATURE_RSA_PKCS1
		    : key == NID_X9_62_id_ecPublicKey ? SIGNATURE_ECDSA
						      : SIGNATURE_NONE;
	return out->kind ? 0 : -ENOTSUP;
}

int signature_scheme_parse(struct signature_scheme *out, struct bytes der)
{
	const unsigned char *at = der.at;
	X509_ALGOR *a = d2i_X509_ALGOR(NULL, &at, (long)der.len);
	int err = a && at == der.at + der.len ? read_algorithm(out, a) : -EPROTO;
	X509_ALGOR_free(a);
	ERR_clear_error();
	return err;
}

const char *signature_scheme_format(const struct signature_scheme *s, char out[SCHEME_TEXT])
{
	static const char *const kinds[] = {
		[SIGNATURE_NONE] = "nothing",	 [SIGNATURE_RSA_PKCS1] = "RSA PKCS#1",
		[SIGNATURE_RSA_BARE] = "RSA",	 [SIGNATURE_RSA_PSS] = "RSASSA-PSS",
		[SIGNATURE_ECDSA] = "ECDSA",	 [SIGNATURE_ECDSA_PLAIN] = "ECDSA",
		[SIGNATURE_ED25519] = "Ed25519",
	};
	const char *hash = s->hash && s->hash < N_HASHES ? hashes[s->hash].name : NULL;
	const char *kind = s->kind < sizeof kinds / sizeof *kinds ? kinds[s->kind] : "?";
	snprintf(out, SCHEME_TEXT, "%s%s%s", kind, hash ? " with " : "", hash ? hash : "");
	return out;
}

/* ---- signing and verifying ---- */

static size_t order_bytes(enum key_kind kind)
{
	return kind == KEY_P256 ? 32 : kind == KEY_P384 ? 48 : kind == KEY_P521 ? 66 : 0;
}

static bool goes_together(EVP_PKEY *key, const struct signature_scheme *s)
{
	enum key_kind kind = signature_key_kind(key);
	switch (s->kind) {
	case SIGNATURE_RSA_PKCS1:
	case SIGNATURE_RSA_PSS: return kind == KEY_RSA && hash_of(s->hash);
	case SIGNATURE_RSA_BARE: return kind == KEY_RSA;
	case SIGNATURE_ECDSA:
	case SIGNATURE_ECDSA_PLAIN: return order_bytes(kind) && hash_of(s->hash);
	case SIGNATURE_ED25519: return kind == KEY_ED25519;
	default: return false;
	}
}

static bool set_padding(EVP_PKEY_CTX *ctx, const struct signature_scheme *s)
{
	if (s->kind == SIGNATURE_RSA_PSS)
		return EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PSS_PADDING) == 1 &&
		       EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, s->salt) == 1;
	if (s->kind == SIGNATURE_RSA_PKCS1 || s->kind == SIGNATURE_RSA_BARE)
		return EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PADDING) == 1;
	return true;
}

static const EVP_MD *digest_of(const struct signature_scheme *s)
{
	return s->kind == SIGNATURE_ED25519 ? NULL : hash_of(s->hash);
}

static bool sign_bare(EVP_PKEY *key, const struct signature_scheme *s, struct bytes data,
		      uint8_t *out, size_t *len)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(key, NULL);
	bool ok = ctx && EVP_PKEY_sign_init(ctx) == 1 && set_padding(ctx, s) &&
		  EVP_PKEY_sign(ctx, out, len, data.at, data.len) == 1;
	EVP_PKEY_CTX_free(ctx);
	return ok;
}

static bool sign_hashed(EVP_PKEY *key, const struct signature_scheme *s, struct bytes data,
			uint8_t *out, size_t *len)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	EVP_PKEY_CTX *inner = NULL;
	bool ok = ctx && EVP_DigestSignInit(ctx, &inner, digest_of(s), NULL, key) == 1 &&
		  set_padding(inner, s) && EVP_DigestSign(ctx, out, len, data.at, data.len) == 1;
	EVP_MD_CTX_free(ctx);
	return ok;
}

/* r and s in DER to r | s, in place. */
static bool to_plain(uint8_t *out, size_t *len, size_t n)
{
	const unsigned char *at = out;
	ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &at, (long)*len);
	bool ok = sig && BN_bn2binpad(ECDSA_SIG_get0_r(sig), out, (int)n) == (int)n &&
		  BN_bn2binpad(ECDSA_SIG_get0_s(sig), out + n, (int)n) == (int)n;
	ECDSA_SIG_free(sig);
	*len = 2 * n;
	return ok;
}

int signature_sign(EVP_PKEY *key, const struct signature_scheme *s, struct bytes data,
		   uint8_t out[SIGNATURE_MAX], size_t *len)
{
	if (!goes_together(key, s))
		return -EINVAL;
	*len = SIGNATURE_MAX;
	bool ok = s->kind == SIGNATURE_RSA_BARE ? sign_bare(key, s, data, out, len)
						: sign_hashed(key, s, data, out, len);
	if (ok && s->kind == SIGNATURE_ECDSA_PLAIN)
		ok = to_plain(out, len, order_bytes(signature_key_kind(key)));
	ERR_clear_error();
	return ok ? 0 : -EIO;
}

/* r | s to DER; its length, 0 when it is none. */
static size_t from_plain(struct bytes plain, size_t n, uint8_t out[SIGNATURE_MAX])
{
	ECDSA_SIG *sig = plain.len == 2 * n ? ECDSA_SIG_new() : NULL;
	BIGNUM *r = sig ? BN_bin2bn(plain.at, (int)n, NULL) : NULL;
	BIGNUM *s = sig ? BN_bin2bn(plain.at + n, (int)n, NULL) : NULL;
	int len = 0;
	if (r && s && ECDSA_SIG_set0(sig, r, s) == 1) {
		len = i2d_ECDSA_SIG(sig, &out);
	} else {
		BN_free(r);
		BN_free(s);
	}
	ECDSA_SIG_free(sig);
	return len > 0 ? (size_t)len : 0;
}

static bool verify_bare(EVP_PKEY *key, const struct signature_scheme *s, struct bytes data,
			struct bytes signature)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(key, NULL);
	bool ok = ctx && EVP_PKEY_verify_init(ctx) == 1 && set_padding(ctx, s) &&
		  EVP_PKEY_verify(ctx, signature.at, signature.len, data.at, data.len) == 1;
	EVP_PKEY_CTX_free(ctx);
	return ok;
}

static bool verify_hashed(EVP_PKEY *key, const struct signature_scheme *s, struct bytes data,
			  struct bytes signature)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	EVP_PKEY_CTX *inner = NULL;
	bool ok = ctx && EVP_DigestVerifyInit(ctx, &inner, digest_of(s), NULL, key) == 1 &&
		  set_padding(inner, s) &&
		  EVP_DigestVerify(ctx, signature.at, signature.len, data.at, data.len) == 1;
	EVP_MD_CTX_free(ctx);
	return ok;
}

int signature_verify(EVP_PKEY *key, const struct signature_scheme *s, struct bytes data,
		     struct bytes signature)
{
	uint8_t der[SIGNATURE_MAX];
	if (!goes_together(key, s))
		return -EINVAL;
	if (!signature.len || signature.len > SIGNATURE_MAX)
		return -EBADMSG;
	if (s->kind == SIGNATURE_ECDSA_PLAIN)
		signature = (struct bytes){
			der, from_plain(signature, order_bytes(signature_key_kind(key)), der)};
	bool ok = signature.len &&
		  (s->kind == SIGNATURE_RSA_BARE ? verify_bare(key, s, data, signature)
						 : verify_hashed(key, s, data, signature));
	ERR_clear_error();
	return ok ? 0 : -EBADMSG;
}
