/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Crypto binding ([MS-SSTP] sections 2.2.6 and 3.2.5.2): the client's last word of the call's
 * set-up proves that the ends of TLS are the ends of the authentication inside: nonce and hash of
 * the certificate that it saw, under a key that both ends of the authentication derived.
 */
#ifndef XGW_P2S_SSTP_BINDING_H
#define XGW_P2S_SSTP_BINDING_H

#include "base/bytes.h"
#include "base/fault.h"
#include "p2s/sstp_message.h"

#define SSTP_SHA1		1u /* bits of the hash bitmask */
#define SSTP_SHA256		2u
#define SSTP_KEY		32 /* the higher-layer authentication key, HLAK */
#define SSTP_CALL_CONNECTED_LEN 112

/* The gateway's certificate as clients see it, hashed; zeros behind SHA-1's 20 bytes. */
struct sstp_certificate {
	uint8_t sha1[SSTP_HASH], sha256[SSTP_HASH];
};
/* 0 or -EIO. */
int must_check sstp_certificate_hash(struct bytes der, struct sstp_certificate *out);

/* The compound MAC of a Call Connected message of SSTP_CALL_CONNECTED_LEN bytes, whose own MAC
 * counts as zeros. 0 or -EIO. */
int must_check sstp_compound_mac(uint8_t hash, const uint8_t key[SSTP_KEY], const uint8_t *message,
				 uint8_t out[SSTP_HASH]);

struct sstp_binding {
	uint8_t hashes;	      /* that we offered */
	const uint8_t *nonce; /* SSTP_NONCE bytes */
	const struct sstp_certificate *certificate;
	/* Any of them is taken: see sstp_keys(). */
	const uint8_t (*keys)[SSTP_KEY];
	unsigned n_keys;
};
#define SSTP_KEYS 2
/*
 * The keys that clients derive of the MSK of a method's conversation: its first 32 bytes. After
 * EAP-TLS those are the client's key to send; pppd before 2.5 knows but 16 bytes of that and 16 of
 * the other direction's. After EAP-MSCHAPv2 Windows has none and binds to zeros, and then TLS's
 * certificate alone says who we are. How many.
 */
unsigned sstp_keys(const char *method, const uint8_t *msk, uint8_t out[SSTP_KEYS][SSTP_KEY]);

/* `message`: the whole packet, from its version on. 0, -EACCES with the reason, -EIO. */
int must_check sstp_binding_verify(const struct sstp_binding *b, struct bytes message,
				   struct fault *f);

#endif
