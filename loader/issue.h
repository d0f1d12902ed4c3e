/* SPDX-License-Identifier: Apache-2.0 */
/* Certificates for the clients of a gateway: an authority, and what it certifies (RFC 5280). */
#ifndef XGW_LOADER_ISSUE_H
#define XGW_LOADER_ISSUE_H

#include "base/bytes.h"
#include "base/fault.h"
#include "base/secret.h"

#include <time.h>

struct issue_request {
	const char *name; /* the common name; of a client also the subjectAltName: a mail address
			     when it has an '@', else a domain name */
	bool rsa;	  /* 2048 bits; else ECDSA on P-256 */
	time_t now;
	uint32_t days;
	const struct secret *password; /* a client's: PKCS#12 too; NULL: none */
};

/* From malloc, to be freed by issued_free(), which wipes. */
struct issued {
	uint8_t *certificate, *key, *pkcs12; /* PEM, PEM (PKCS#8), DER */
	size_t certificate_len, key_len, pkcs12_len;
	uint8_t thumbprint[20];
	bool shortened; /* it ends when its authority does, before the days asked for */
};

int must_check issue_root(struct issued *out, const struct issue_request *r, struct fault *f);
/* `root`, `root_key`: PEM. -EINVAL: not an authority, or not its key. */
int must_check issue_client(struct issued *out, const struct issue_request *r, struct bytes root,
			    struct bytes root_key, struct fault *f);
void issued_free(struct issued *i);

#endif
