/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What we prove ourselves with: a certificate, the chain up to its authority, and the private key.
 * The key lives in OpenSSL's object, which wipes it; no function hands it out.
 */
#ifndef XGW_AUTH_CREDENTIAL_H
#define XGW_AUTH_CREDENTIAL_H

#include "auth/chain.h"

struct credential;

/*
 * `chain`: bytes of a PEM file, our certificate first; `key`: PEM without a pass phrase. Both are
 * the caller's and may be wiped afterwards. 0; -EINVAL, -ENOTSUP with the reason; -ENOMEM.
 */
int must_check credential_new(struct credential **out, struct bytes chain, struct bytes key,
			      struct fault *f);
void credential_free(struct credential *c);

/* What is sent to a peer, our own first; self-signed authorities are left out. DER, owned by c. */
unsigned credential_certificates(const struct credential *c);
struct bytes credential_certificate(const struct credential *c, unsigned i);
enum key_kind credential_key_kind(const struct credential *c);
const char *credential_key_format(const struct credential *c, char out[KEY_TEXT]);
unsigned credential_key_bits(const struct credential *c);
const char *credential_subject(const struct credential *c, char out[SUBJECT_TEXT]);
bool credential_has_identity(const struct credential *c, const struct identity *id);
const char *credential_identities(const struct credential *c, char *out, size_t room);
/* A DN that is the certificate's subject takes the subject's own bytes, since peers may compare
 * those. */
void credential_adopt_identity(const struct credential *c, struct identity *id);
/* Whether a key of one of the authorities in the chain file has this SHA-1 (over
 * SubjectPublicKeyInfo). */
bool credential_is_under(const struct credential *c, const uint8_t key_hash[20]);

/* As signature_sign(). */
int must_check credential_sign(const struct credential *c, const struct signature_scheme *s,
			       struct bytes data, uint8_t out[SIGNATURE_MAX], size_t *len);

/* Certificate, chain and key into a TLS context, which refers to the key and never shows it. 0 or
 * -EINVAL. */
struct ssl_ctx_st;
int must_check credential_use(const struct credential *c, struct ssl_ctx_st *ctx);
/*
 * What a person should hear before it fails: expired, not valid yet, expires within `days`, a weak
 * key. `now`: seconds since 1970.
 */
typedef void auth_warning(void *owner, const char *text);
void credential_judge(const struct credential *c, int64_t now, unsigned days, auth_warning *say,
		      void *owner);

#endif
