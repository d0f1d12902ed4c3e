/* SPDX-License-Identifier: Apache-2.0 */
/* What the back ends share and the transform knows of them; not for other folders. */
#ifndef XGW_ESP_CRYPTO_PRIVATE_H
#define XGW_ESP_CRYPTO_PRIVATE_H

#include "esp/crypto.h"

/*
 * Head of every worker context. `second` serves keys of algorithms that `backend` does not support;
 * the first context owns it.
 */
struct esp_crypto {
	const struct esp_backend *backend;
	struct esp_crypto *second;
};

/* The context for keys of b, NULL when this worker has none. */
static inline struct esp_crypto *crypto_for(struct esp_crypto *c, const struct esp_backend *b)
{
	return c->backend == b ? c : c->second && c->second->backend == b ? c->second : NULL;
}

/* Where the parts of KEYMAT stand. */
struct esp_material {
	const uint8_t *key, *salt, *integrity;
	uint8_t key_len, salt_len, integrity_len;
};
/* 0 or -EINVAL: the material has not the length that the algorithms need. */
int esp_material_split(struct esp_material *out, enum encryption_id e, enum integrity_id a,
		       const uint8_t *material, size_t len);

#define ESP_IV_KEY 16
/* Key of make_ivs: HMAC-SHA-256 of a label under all of the material. 0 or -EIO. */
int esp_iv_key(uint8_t out[ESP_IV_KEY], const uint8_t *material, size_t len);
/* The same under another label, for the hash of inner flows: what it shows tells nothing of them.
 */
int esp_flow_seed(uint64_t *out, const uint8_t *material, size_t len);

static inline bool encryption_is_gcm(enum encryption_id e)
{
	return e == ENCR_AES_GCM16_128 || e == ENCR_AES_GCM16_192 || e == ENCR_AES_GCM16_256;
}

static inline bool encryption_is_cbc(enum encryption_id e)
{
	return e == ENCR_AES_CBC_128 || e == ENCR_AES_CBC_192 || e == ENCR_AES_CBC_256 ||
	       e == ENCR_3DES;
}

#endif
