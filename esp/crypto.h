/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Back ends of the ESP transform: tables of functions over bursts of operations. A back end owns
 * expanded keys and, per worker, a context; it knows nothing of packets.
 */
#ifndef XGW_ESP_CRYPTO_H
#define XGW_ESP_CRYPTO_H

#include "base/algorithms.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct esp_key;	   /* expanded key of one direction of one SA; read-only, shared by workers */
struct esp_crypto; /* a worker's context */

/*
 * One packet's cryptography, in place. With an HMAC the packet is contiguous: SPI and sequence
 * number, IV, payload, and the authenticated part starts with the SPI in front of the IV; the high
 * half of an extended sequence number (aad + 4 when aad_len is 12) is authenticated behind the
 * payload (RFC 4303 section 2.8). The ICV's bytes may be used as scratch memory.
 */
struct esp_op {
	const struct esp_key *key;
	uint8_t *payload; /* what is encrypted: behind the IV, up to the ICV */
	uint32_t len;
	uint8_t *icv;	    /* encrypt: written; decrypt: compared in constant time */
	const uint8_t *aad; /* SPI, sequence number (RFC 4106 section 5; the high half in between
			       with ESN) */
	uint8_t aad_len;
	bool ok;	   /* decrypt: authentic */
	uint8_t nonce[16]; /* salt and IV as the algorithm wants them: 12 bytes GCM and ChaCha, 16
			      CBC */
};

/*
 * The same for AES-GCM in runs of one key, which is most of what a gateway does; the ICV stands
 * behind the payload. Nonce (salt and IV, 12 bytes) and AAD are written by one store each: a load
 * that spans several waits until they have left the store buffer.
 */
struct esp_gcm_op {
	uint8_t nonce[16] __attribute__((aligned(16)));
	uint8_t *payload;
	const uint8_t *aad;
	uint32_t len;
};

struct esp_backend {
	const char *name;	      /* "ipsec-mb", "openssl" */
	const char *(*version)(void); /* library version and the CPU code it chose, static text */
	bool (*available)(void);
	bool (*supports)(enum encryption_id e, enum integrity_id a);
	/*
	 * 0, -ENOTSUP, -ENOMEM, -EINVAL (wrong length). `material`: key || salt || integrity key,
	 * copied as far as needed. Freed with key_free (wiped) when no worker uses it any more.
	 */
	int (*key_new)(struct esp_key **out, enum encryption_id e, enum integrity_id a,
		       const uint8_t *material, size_t len, bool encrypt);
	void (*key_free)(struct esp_key *k);
	int (*context_new)(struct esp_crypto **out);
	void (*context_free)(struct esp_crypto *c);
	/*
	 * For CBC keys made for encryption: replaces each op's nonce, a number unique under its
	 * key, by the IV that only the key's owner can foretell (NIST SP 800-38A appendix C):
	 * AES-128 of it under a key derived from the material. Leaves operations of other modes
	 * alone. 0 or -EIO.
	 */
	int (*make_ivs)(struct esp_crypto *c, struct esp_op *ops, unsigned n);
	/* All operations of a burst may have different keys. Returns 0, or -EIO when the library
	 * failed. */
	int (*encrypt)(struct esp_crypto *c, struct esp_op *ops, unsigned n);
	int (*decrypt)(struct esp_crypto *c, struct esp_op *ops, unsigned n);
	/*
	 * AES-GCM keys only; both are there, or neither. They can't fail. gcm_open: n <= 64; bit i
	 * of the result says that operation i is authentic (compared in constant time).
	 */
	void (*gcm_seal)(struct esp_crypto *c, const struct esp_key *k,
			 const struct esp_gcm_op *ops, unsigned n, unsigned aad_len);
	uint64_t (*gcm_open)(struct esp_crypto *c, const struct esp_key *k,
			     const struct esp_gcm_op *ops, unsigned n, unsigned aad_len);
};

extern const struct esp_backend esp_backend_openssl;
extern const struct esp_backend
	esp_backend_ipsec_mb; /* available() is false where it is not built in */

/* "auto", "ipsec-mb", "openssl"; NULL when unknown or not available here. auto = the fastest
 * available. */
const struct esp_backend *esp_backend_choose(const char *name);

#endif
