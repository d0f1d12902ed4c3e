/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Key derivation (RFC 7296 sections 2.13 to 2.18) and the PSK authentication value (2.15).
 */
#ifndef XGW_IKE_KEYS_H
#define XGW_IKE_KEYS_H

#include "base/child_sa.h"
#include "base/secret.h"
#include "ike/proposal.h"

#define PRF_MAX 64

/* Keys of an IKE SA. With an AEAD ai and ar are empty and the salt stands behind the keys in ei and
 * er. */
struct ike_keys {
	struct secret d, ai, ar, ei, er, pi, pr;
	uint64_t iv; /* counter of our explicit IVs, never twice under one key */
};

/* prf(key, parts joined); out holds PRF_MAX bytes, *len is the output's length. 0, -ENOTSUP,
 * -ENOMEM. */
int keys_prf(enum prf_id prf, struct bytes key, const struct bytes *parts, unsigned n,
	     uint8_t out[PRF_MAX], size_t *len);
/* prf+ (section 2.13): n <= 255 times the PRF's length. */
int keys_prf_plus(enum prf_id prf, struct bytes key, const struct bytes *seed, unsigned n_seed,
		  uint8_t *out, size_t n);
/* SKEYSEED = prf(Ni | Nr, g^ir), then the seven keys (section 2.14). */
int keys_ike(struct ike_keys *out, const struct ike_chosen *chosen, struct bytes shared,
	     struct bytes ni, struct bytes nr, uint64_t spi_i, uint64_t spi_r);
/* SKEYSEED = prf(SK_d old, g^ir | Ni | Nr | more) with the old SA's PRF (section 2.18). more: the
 * secrets of additional key exchanges (RFC 9370 section 2.2.4), may be empty. */
int keys_ike_rekeyed(struct ike_keys *out, const struct ike_chosen *chosen,
		     const struct ike_keys *old, enum prf_id old_prf, struct bytes shared,
		     struct bytes ni, struct bytes nr, struct bytes more, uint64_t spi_i,
		     uint64_t spi_r);
/* One of SK_d, SK_pi, SK_pr, with the PPK mixed in: prf+(PPK, key), of its length (RFC 8784 3). */
int keys_mix_ppk(struct secret *key, enum prf_id prf, const struct secret *ppk);
/* KEYMAT (section 2.17); initiator's direction first. `shared` may be empty; more: as above. */
int keys_child(struct secret *initiator, struct secret *responder, const struct ike_chosen *child,
	       const struct ike_keys *ike, enum prf_id prf, struct bytes shared, struct bytes ni,
	       struct bytes nr, struct bytes more);
/* AUTH by a shared key: over our first message, the other's nonce, prf(SK_p, ID body). */
/* The same with `more` behind what is covered (RFC 9242 section 3.3.2). */
int keys_auth_psk_more(uint8_t out[PRF_MAX], size_t *len, enum prf_id prf, const struct secret *psk,
		       struct bytes init_message, struct bytes other_nonce,
		       const struct secret *sk_p, struct bytes id_body, struct bytes more);
int keys_auth_psk(uint8_t out[PRF_MAX], size_t *len, enum prf_id prf, const struct secret *psk,
		  struct bytes init_message, struct bytes other_nonce, const struct secret *sk_p,
		  struct bytes id_body);
void keys_wipe(struct ike_keys *k);
/* SHA-1 of SPIs, address and port (NAT detection, section 2.23). */
void keys_nat_hash(uint8_t out[20], uint64_t spi_i, uint64_t spi_r, const struct ip_endpoint *at);

#endif
