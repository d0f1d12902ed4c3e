/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Key exchange by OpenSSL, with private keys made of bytes that the caller drew. Public values are
 * those of the wire (RFC 7296 section 3.4, RFC 5903, RFC 8031, draft-ietf-ipsecme-ikev2-mlkem) and
 * are checked (RFC 6989).
 */
#ifndef XGW_IKE_DH_H
#define XGW_IKE_DH_H

#include "base/algorithms.h"
#include "base/bytes.h"
#include "ike/limits.h"

#include <stdbool.h>

#define DH_PRIVATE_BYTES 80 /* random bytes that a key is made of */
#define DH_PUBLIC_MAX	 1568
#define DH_SHARED_MAX	 512

struct dh;

/* Whether this process has it: ML-KEM is only in newer libraries. */
bool dh_supports(enum group_id group);
/* The initiator's half, and the responder's of all that is not a KEM. 0, -ENOTSUP (group), -ENOMEM.
 */
int dh_new(struct dh **out, enum group_id group, const uint8_t random[DH_PRIVATE_BYTES]);
/* The responder's half, with the shared secret (caller wipes): a KEM makes both out of the
 * initiator's value, others as dh_new and dh_shared do. 0, -ENOTSUP, -ENOMEM, -EPROTO. */
int dh_answer(struct dh **out, enum group_id group, const uint8_t random[DH_PRIVATE_BYTES],
	      struct bytes peer, uint8_t shared[DH_SHARED_MAX], size_t *len);
void dh_free(struct dh *dh); /* NULL is fine; wipes */
struct bytes dh_public(const struct dh *dh);
/* The shared secret into out (caller wipes). 0, -EPROTO: the peer's value has the wrong length or
 * is not valid; a KEM's responder has no second secret. */
int dh_shared(const struct dh *dh, struct bytes peer, uint8_t out[DH_SHARED_MAX], size_t *len);

#endif
