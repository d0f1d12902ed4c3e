/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The certificates that a peer sent (X.509, RFC 5280), its own first: taken apart under caps, asked
 * for identities, used to verify a signature. Nothing here says that they may be trusted: trust.h
 * does.
 */
#ifndef XGW_AUTH_CHAIN_H
#define XGW_AUTH_CHAIN_H

#include "auth/identity.h"
#include "auth/signature.h"

#define CHAIN_MAX_CERTIFICATES 8
#define CHAIN_MAX_BYTES	       32768 /* of all of them */

struct chain;

/* Certificates in DER. 0; -EPROTO malformed, -E2BIG above a cap, -ENOTSUP a key that is not
 * accepted, -ENOMEM. */
int must_check chain_parse(struct chain **out, const struct bytes *der, unsigned n,
			   struct fault *f);
void chain_free(struct chain *c);

enum key_kind chain_key_kind(const struct chain *c);
/* "RSA of 2048 bits" */
const char *chain_key_format(const struct chain *c, char out[KEY_TEXT]);
/* Subject of the peer's own certificate. */
#define SUBJECT_TEXT 160
const char *chain_subject(const struct chain *c, char out[SUBJECT_TEXT]);
/*
 * Whether the peer's own certificate is for this identity: an address, a domain name or a mail
 * address as a subjectAltName, a DN as the subject, a key id as the subjectKeyIdentifier or the
 * SHA-1 of the key. Names are compared whole: '*' in a certificate stands for itself.
 */
bool chain_has_identity(const struct chain *c, const struct identity *id);
/* The identities that it is for, "gw.example.org, 203.0.113.5, CN=gw", cut at `room`. */
const char *chain_identities(const struct chain *c, char *out, size_t room);
/* As signature_verify(), with the key of the peer's own certificate. */
int must_check chain_verify(const struct chain *c, const struct signature_scheme *s,
			    struct bytes data, struct bytes signature);

#endif
