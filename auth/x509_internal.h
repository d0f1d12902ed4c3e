/* SPDX-License-Identifier: Apache-2.0 */
/* What the files about certificates share: certificates as OpenSSL holds them. */
#ifndef XGW_AUTH_X509_INTERNAL_H
#define XGW_AUTH_X509_INTERNAL_H

#include "auth/chain.h"

#include <openssl/x509.h>

struct chain {
	unsigned n;
	X509 *at[CHAIN_MAX_CERTIFICATES];
};

/* One certificate in DER, nothing behind it; NULL when it is none. */
X509 *x509_parse(struct bytes der);
/* One line, cut at `room`. */
const char *x509_name(const X509_NAME *name, char *out, size_t room);
bool x509_has_identity(X509 *x, const struct identity *id);
const char *x509_identities(X509 *x, char *out, size_t room);
/* Certificates of a file: PEM, one after the other, or one in DER. False without memory or when
 * something in it is malformed; `out` holds what was read. */
bool x509_read_file(struct bytes file, STACK_OF(X509) * out);
/* "2026-11-24" */
#define X509_DAY 16
const char *x509_day(const ASN1_TIME *t, char out[X509_DAY]);

#endif
