/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The computations of MS-CHAPv2 (RFC 2759) and the keys that EAP-MSCHAPv2 gives (RFC 3079): bytes
 * in, bytes out. No messages, no state but the handle of the algorithms, no randomness.
 */
#ifndef XGW_AUTH_MSCHAPV2_H
#define XGW_AUTH_MSCHAPV2_H

#include "base/bytes.h"
#include "base/fault.h"

#include <stdbool.h>
#include <stdint.h>

#define MSCHAPV2_CHALLENGE 16
#define MSCHAPV2_HASH	   16
#define MSCHAPV2_RESPONSE  24
/* of the authenticator; "S=" and 40 upper case hex digits in messages */
#define MSCHAPV2_PROOF	  20
#define MSCHAPV2_MSK	  64
#define MSCHAPV2_PASSWORD 256 /* UTF-16 units, RFC 2759 section 4 */

/* MD4 and DES from OpenSSL's legacy provider, in a library context of its own, so that nothing else
 * of the process can come to use them. */
struct mschapv2;

/* 0, -ENOTSUP with the reason when OpenSSL has no legacy provider here, -ENOMEM. */
int must_check mschapv2_open(struct mschapv2 **out, struct fault *f);
void mschapv2_close(struct mschapv2 *m);

/*
 * NtPasswordHash (section 8.3) of a password in UTF-8. The hash is as good as the password: the
 * caller wipes it. -EILSEQ for what is not UTF-8, -EMSGSIZE above MSCHAPV2_PASSWORD, -EIO when
 * OpenSSL fails.
 */
int must_check mschapv2_hash(const struct mschapv2 *m, struct bytes password,
			     uint8_t out[MSCHAPV2_HASH]);

/* One exchange; `user` is the name as the client sent it, without a "DOMAIN\" in front. Borrowed.
 */
struct mschapv2_exchange {
	const uint8_t *authenticator_challenge, *peer_challenge; /* MSCHAPV2_CHALLENGE each */
	struct bytes user;
};

/* GenerateNTResponse (section 8.1). 0 or -EIO. */
int must_check mschapv2_response(const struct mschapv2 *m, const struct mschapv2_exchange *x,
				 const uint8_t hash[MSCHAPV2_HASH], uint8_t out[MSCHAPV2_RESPONSE]);
/* Whether `came` is the response of someone who knows the password; in constant time. 0, -EACCES,
 * -EIO. */
int must_check mschapv2_verify(const struct mschapv2 *m, const struct mschapv2_exchange *x,
			       const uint8_t hash[MSCHAPV2_HASH],
			       const uint8_t came[MSCHAPV2_RESPONSE]);
/* GenerateAuthenticatorResponse (section 8.7), our proof to the client. 0 or -EIO. */
int must_check mschapv2_proof(const struct mschapv2 *m, const struct mschapv2_exchange *x,
			      const uint8_t hash[MSCHAPV2_HASH],
			      const uint8_t response[MSCHAPV2_RESPONSE],
			      uint8_t out[MSCHAPV2_PROOF]);
/* The authenticator's receive and send key (RFC 3079 section 3.4), then zeros: the MSK of both
 * ends. The caller wipes it. 0 or -EIO. */
int must_check mschapv2_msk(const struct mschapv2 *m, const uint8_t hash[MSCHAPV2_HASH],
			    const uint8_t response[MSCHAPV2_RESPONSE], uint8_t out[MSCHAPV2_MSK]);

#endif
