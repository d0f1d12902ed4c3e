/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signatures by the keys of certificates: the schemes that IKE knows (RFC 7296, RFC 4754, RFC 7427,
 * RFC 8420; RFC 2409 for IKEv1), signing and verifying. Randomness for ECDSA and PSS is OpenSSL's.
 */
#ifndef XGW_AUTH_SIGNATURE_H
#define XGW_AUTH_SIGNATURE_H

#include "base/bytes.h"
#include "base/fault.h"

typedef struct evp_pkey_st EVP_PKEY; /* OpenSSL's, of which this header needs no more */

/* Numbers are those of IANA's "IKEv2 Hash Algorithms". */
enum signature_hash {
	SIGNATURE_SHA1 = 1,
	SIGNATURE_SHA256 = 2,
	SIGNATURE_SHA384 = 3,
	SIGNATURE_SHA512 = 4,
	SIGNATURE_IDENTITY = 5, /* the message itself (RFC 8420) */
};

enum signature_kind {
	SIGNATURE_NONE,
	SIGNATURE_RSA_PKCS1,
	SIGNATURE_RSA_BARE,    /* PKCS#1 v1.5 padding without the hash's identifier around `data`,
				  which    is a hash already (RFC 2409 section 5.1) */
	SIGNATURE_RSA_PSS,     /* MGF1 with the same hash */
	SIGNATURE_ECDSA,       /* r and s in DER */
	SIGNATURE_ECDSA_PLAIN, /* r | s at the length of the curve's order (RFC 4754) */
	SIGNATURE_ED25519,
};

struct signature_scheme {
	uint8_t kind; /* enum signature_kind */
	uint8_t hash; /* enum signature_hash */
	uint8_t salt; /* bytes, PSS only */
};

enum key_kind { KEY_OTHER, KEY_RSA, KEY_P256, KEY_P384, KEY_P521, KEY_ED25519 };
/* Anything that is not accepted (another curve, explicit curve parameters, DSA, RSA above 8192
 * bits, whose verification costs too much) is KEY_OTHER. */
enum key_kind signature_key_kind(EVP_PKEY *key);
/* "RSA of 2048 bits", "ECDSA P-256" */
#define KEY_TEXT 48
const char *signature_key_format(EVP_PKEY *key, char out[KEY_TEXT]);

#define SIGNATURE_MAX	  1024 /* bytes: RSA of 8192 bits */
#define SIGNATURE_DER_MAX 80   /* bytes of an AlgorithmIdentifier */

/* The AlgorithmIdentifier in DER (RFC 7427 appendix A). Empty for schemes that have none. */
struct bytes signature_scheme_der(const struct signature_scheme *s, uint8_t out[SIGNATURE_DER_MAX]);
/* 0; -ENOTSUP when it is none of ours, or with SHA-1; -EPROTO when malformed. */
int must_check signature_scheme_parse(struct signature_scheme *out, struct bytes der);
/* "RSASSA-PSS with SHA256" */
#define SCHEME_TEXT 48
const char *signature_scheme_format(const struct signature_scheme *s, char out[SCHEME_TEXT]);

/* out holds SIGNATURE_MAX bytes. 0; -EINVAL when key and scheme do not go together; -EIO. */
int must_check signature_sign(EVP_PKEY *key, const struct signature_scheme *s, struct bytes data,
			      uint8_t out[SIGNATURE_MAX], size_t *len);
/* 0; -EINVAL when key and scheme do not go together; -EBADMSG when it does not verify. */
int must_check signature_verify(EVP_PKEY *key, const struct signature_scheme *s, struct bytes data,
				struct bytes signature);

#endif
