/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ML-KEM (FIPS 203) as key exchange of IKEv2 (draft-ietf-ipsecme-ikev2-mlkem): the initiator sends
 * a public key, the responder a ciphertext for it. OpenSSL has it since 3.5; it is asked for by
 * name when the program runs, so that one binary has it where its library does. ike/dh.c is the
 * one user.
 */
#ifndef XGW_IKE_MLKEM_H
#define XGW_IKE_MLKEM_H

#include "base/algorithms.h"
#include "base/bytes.h"

#include <openssl/types.h>
#include <stdbool.h>

#define MLKEM_SEED_BYTES   64 /* random bytes of a key pair: d and z */
#define MLKEM_RANDOM_BYTES 32 /* of an encapsulation: m */
#define MLKEM_SHARED_BYTES 32

/* Whether the library that this process runs with has it. */
bool mlkem_supports(enum group_id group);
/* A key pair (the caller's, EVP_PKEY_free) and its public half, group_of(group)->public_bytes. 0,
 * -ENOTSUP, -ENOMEM. */
int mlkem_new(EVP_PKEY **out, enum group_id group, const uint8_t seed[MLKEM_SEED_BYTES],
	      uint8_t *public);
/* A secret for the holder of `peer`, and the ciphertext (group_of(group)->answer_bytes) that tells
 * it. 0, -ENOTSUP, -EPROTO: not a public key (FIPS 203 section 7.2). */
int mlkem_encapsulate(enum group_id group, struct bytes peer,
		      const uint8_t random[MLKEM_RANDOM_BYTES], uint8_t *ciphertext,
		      uint8_t shared[MLKEM_SHARED_BYTES]);
/* The secret. One of the right length never fails: what was not made for this key gives another
 * secret (implicit rejection), and AUTH fails then. 0, -EPROTO. */
int mlkem_decapsulate(EVP_PKEY *key, struct bytes ciphertext, uint8_t shared[MLKEM_SHARED_BYTES]);

#endif
