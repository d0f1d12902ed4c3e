/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The encrypted payload SK (RFC 7296 section 3.14, RFC 5282) and its fragments SKF (RFC 7383):
 * AES-GCM, ChaCha20-Poly1305, or CBC with HMAC.
 */
#ifndef XGW_IKE_PROTECT_H
#define XGW_IKE_PROTECT_H

#include "ike/keys.h"
#include "ike/message.h"

#define PROTECT_IV_RANDOM 16

/*
 * Header + SK around `inner` (payloads, the first of type `first`). `iv_random`: PROTECT_IV_RANDOM
 * unpredictable bytes, used by CBC. Direction: the sender is the original initiator or not, as
 * h->flags says. 0, -EMSGSIZE, -EIO.
 */
int must_check protect_seal(struct ike_keys *k, const struct ike_chosen *chosen,
			    const struct ike_header *h, uint8_t first, struct bytes inner,
			    const uint8_t iv_random[PROTECT_IV_RANDOM], uint8_t *out, size_t room,
			    size_t *len);
/* The same for one fragment (RFC 7383 section 2.5): SKF, or SK when part->total is 0. */
int must_check protect_seal_fragment(struct ike_keys *k, const struct ike_chosen *chosen,
				     const struct ike_header *h, const struct ike_fragment *part,
				     uint8_t first, struct bytes inner,
				     const uint8_t iv_random[PROTECT_IV_RANDOM], uint8_t *out,
				     size_t room, size_t *len);
/* Bytes of the message that protect_seal() makes of `inner` bytes. */
size_t protect_length(const struct ike_chosen *chosen, size_t inner);
/* Most bytes of payloads in an SKF message of at most `limit` bytes; 0: it has no room for any. */
size_t protect_fragment_room(const struct ike_chosen *chosen, size_t limit);
/* Verifies and decrypts m->sk of a parsed message into out (room >= m->sk.len). 0, -EBADMSG. */
int must_check protect_open(const struct ike_keys *k, const struct ike_chosen *chosen,
			    const struct ike_message *m, uint8_t *out, size_t room, size_t *len);

/* The bare cipher in CBC mode, whole blocks; `out` may be `in`. IKEv1 has no more than this. */
bool protect_cbc(enum encryption_id id, const struct secret *key, const uint8_t *iv,
		 const uint8_t *in, size_t len, uint8_t *out, int encrypt);

#endif
