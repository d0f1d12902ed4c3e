/* SPDX-License-Identifier: Apache-2.0 */
/*
 * IKEv1's keys (RFC 2409 section 5 and appendix B), its hashes, and the encryption of its messages.
 * Parts are given in the order in which the RFC writes them.
 */
#ifndef XGW_IKE_V1_KEYS_H
#define XGW_IKE_V1_KEYS_H

#include "ike/keys.h"

#define V1_IV 16 /* the largest block */

struct v1_keys {
	struct secret skeyid, d, a, e;
	struct secret cipher; /* out of e, as long as the cipher's key */
};

/* What both ends put into every hash of phase 1. */
struct v1_shared {
	struct bytes secret; /* g^xy */
	uint64_t spi_i, spi_r;
};

/* The negotiated hash, bare. 0, -ENOTSUP, -EIO. */
int v1_hash(enum prf_id prf, const struct bytes *parts, unsigned n, uint8_t out[PRF_MAX],
	    size_t *len);
/* SKEYID of pre-shared keys: prf(psk, Ni | Nr). */
int v1_skeyid_psk(struct v1_keys *k, enum prf_id prf, const struct secret *psk, struct bytes ni,
		  struct bytes nr);
/* SKEYID of signatures: prf(Ni | Nr, g^xy). */
int v1_skeyid_signature(struct v1_keys *k, enum prf_id prf, struct bytes ni, struct bytes nr,
			struct bytes shared);
/* All that follows from SKEYID. */
int v1_keys_derive(struct v1_keys *k, const struct ike_chosen *chosen, const struct v1_shared *s);
/* First IV: hash(g^xi | g^xr). */
int v1_first_iv(uint8_t iv[V1_IV], enum prf_id prf, struct bytes public_i, struct bytes public_r);
/* IV of an exchange of phase 2: hash(last block of phase 1 | message ID). */
int v1_phase2_iv(uint8_t iv[V1_IV], const struct ike_chosen *chosen, const uint8_t last[V1_IV],
		 uint32_t id);
/*
 * HASH_I or HASH_R: prf(SKEYID, own | other | cookies, the owner's first | SAi | ID). `own` is the
 * public value of whose hash it is.
 */
int v1_hash_auth(const struct v1_keys *k, enum prf_id prf, bool of_initiator, struct bytes public_i,
		 struct bytes public_r, const struct v1_shared *s, struct bytes sa_i,
		 struct bytes id, uint8_t out[PRF_MAX], size_t *len);
/* HASH(1), HASH(2), HASH(3) of phase 2 by SKEYID_a over what the caller lists. */
int v1_hash_phase2(const struct v1_keys *k, enum prf_id prf, const struct bytes *parts, unsigned n,
		   uint8_t out[PRF_MAX], size_t *len);
/* KEYMAT of one direction: `spi` is that of the receiver. */
int v1_keys_child(struct secret *out, const struct ike_chosen *child, const struct v1_keys *k,
		  enum prf_id prf, uint32_t spi, struct bytes shared, struct bytes ni,
		  struct bytes nr);
/*
 * Whole blocks in place; iv becomes the last block of the ciphertext. 0, -EBADMSG (no whole
 * blocks), -EIO.
 */
int v1_encrypt(const struct v1_keys *k, const struct ike_chosen *chosen, uint8_t iv[V1_IV],
	       uint8_t *at, size_t len);
int v1_decrypt(const struct v1_keys *k, const struct ike_chosen *chosen, uint8_t iv[V1_IV],
	       struct bytes from, uint8_t *out);
void v1_keys_wipe(struct v1_keys *k);

#endif
