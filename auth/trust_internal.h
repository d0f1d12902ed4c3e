/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by path validation (trust.c) and revocation (revocation.c). */
#ifndef XGW_AUTH_TRUST_INTERNAL_H
#define XGW_AUTH_TRUST_INTERNAL_H

#include "auth/trust.h"
#include "auth/x509_internal.h"

#include <openssl/ocsp.h>

struct trust {
	X509_STORE *store;
	STACK_OF(X509) * authorities;
	uint8_t key_hash[TRUST_MAX_AUTHORITIES][20];
	unsigned n_crls, n_ocsp;
	X509_CRL *crl[TRUST_MAX_REVOCATIONS];
	OCSP_BASICRESP *ocsp[TRUST_MAX_REVOCATIONS];
	bool need_status, for_clients;
	unsigned n_revoked;
	uint8_t (*revoked)[20]; /* owned */
};

int revocation_read_crl(struct trust *t, struct bytes file, struct fault *f);
int revocation_read_ocsp(struct trust *t, struct bytes file, struct fault *f);
/* One of our CRLs is of this certificate's issuer. */
bool revocation_has_crl_for(const struct trust *t, const X509 *x);
/* "revoked on 2026-01-01: keyCompromise" */
void revocation_describe(X509_CRL *crl, X509 *x, char *out, size_t room);
/*
 * Asks the OCSP responses about certificate `i` of a path that was built, whose issuer is i + 1.
 * 0: it is good; -ENOENT: none speaks of it; -EKEYREVOKED, -EKEYREJECTED with the reason.
 */
int revocation_ask_ocsp(const struct trust *t, STACK_OF(X509) * path, int i, time_t now,
			struct fault *f);
/* "the peer's certificate (CN=…)", "the intermediate certificate 1 (CN=…)" */
#define WHICH_TEXT 220
const char *trust_which(X509 *x, int depth, char out[WHICH_TEXT]);

#endif
