/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whom we believe: authorities, and what they revoked (CRLs, OCSP responses), from files that the
 * caller read. Nothing is ever fetched, whatever a certificate names. Paths are validated as
 * RFC 5280 section 6 says, the peer's own certificate as RFC 4945 section 5.1.3 says.
 */
#ifndef XGW_AUTH_TRUST_H
#define XGW_AUTH_TRUST_H

#include "auth/chain.h"
#include "auth/credential.h"

#define TRUST_MAX_AUTHORITIES 64
#define TRUST_MAX_REVOCATIONS 64   /* CRLs, and OCSP responses */
#define TRUST_MAX_REVOKED     1024 /* certificates by their SHA-1 */

/* Contents of files. A certificate among the authorities that is no authority is trusted for
 * itself alone. */
struct trust_files {
	const struct bytes *authorities; /* certificates in PEM, several in each; or one in DER */
	unsigned n_authorities;
	const struct bytes *crls; /* PEM, several in each; or one in DER */
	unsigned n_crls;
	const struct bytes *ocsp; /* one OCSPResponse in DER each */
	unsigned n_ocsp;
	bool need_status; /* a certificate that none of them speaks of is refused */
	/* point-to-site: what clients prove themselves with may be for TLS clients too
	 * (extendedKeyUsage clientAuth), and SHA-1 of certificates that are refused, 20 bytes each
	 */
	bool for_clients;
	const uint8_t (*revoked)[20];
	unsigned n_revoked;
};

struct trust;

/* 0; -EINVAL with the reason, f->place says "authority 1", "CRL 2", "OCSP response 1" (its file,
 * from 1); -ENOMEM. */
int must_check trust_new(struct trust **out, const struct trust_files *files, struct fault *f);
void trust_free(struct trust *t);

unsigned trust_authorities(const struct trust *t);
/* SHA-1 of an authority's SubjectPublicKeyInfo (RFC 7296 section 3.7). */
void trust_key_hash(const struct trust *t, unsigned i, uint8_t out[20]);
/* Subject of an authority in DER (RFC 2409's CERTREQ, RFC 2408 section 3.10). Its length, 0 when it
 * needs more than room. */
size_t trust_subject(const struct trust *t, unsigned i, uint8_t *out, size_t room);
/* Subjects of the authorities, joined, cut at `room`. */
const char *trust_subjects(const struct trust *t, char *out, size_t room);

/*
 * Whether the peer's own certificate leads to one of the authorities at `now` (seconds since 1970).
 * 0; -EKEYEXPIRED (or not valid yet), -EKEYREVOKED, -EKEYREJECTED with a fault that names the
 * certificate in the chain and the reason. Not for two threads at once.
 */
int must_check trust_verify(struct trust *t, const struct chain *c, int64_t now, struct fault *f);

/* Authorities and CRLs that expired or soon will, as credential_judge(). */
void trust_judge(const struct trust *t, int64_t now, unsigned days, auth_warning *say, void *owner);

#endif
