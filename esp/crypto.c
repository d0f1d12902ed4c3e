/* SPDX-License-Identifier: Apache-2.0 */
/* Choice of a back end, and what both back ends do with key material. */
#include "esp/crypto_private.h"

#include "base/secret.h"

#include <errno.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>

static const struct esp_backend *const backends[] = {&esp_backend_ipsec_mb, &esp_backend_openssl};

const struct esp_backend *esp_backend_choose(const char *name)
{
	for (size_t i = 0; i < sizeof backends / sizeof *backends; i++) {
		bool wanted = !strcmp(name, "auto") || !strcmp(name, backends[i]->name);
		if (wanted && backends[i]->available())
			return backends[i];
	}
	return NULL;
}

int esp_material_split(struct esp_material *out, enum encryption_id e, enum integrity_id a,
		       const uint8_t *material, size_t len)
{
	const struct encryption *enc = encryption_of(e);
	const struct integrity *auth = integrity_of(a);
	if (len != (size_t)enc->key_bytes + enc->salt_bytes + auth->key_bytes)
		return -EINVAL;
	out->key = material;
	out->key_len = enc->key_bytes;
	out->salt = out->key + enc->key_bytes;
	out->salt_len = enc->salt_bytes;
	out->integrity = out->salt + enc->salt_bytes;
	out->integrity_len = auth->key_bytes;
	return 0;
}

static int derive(void *out, size_t out_len, const char *label, const uint8_t *material, size_t len)
{
	uint8_t digest[EVP_MAX_MD_SIZE];
	unsigned n = 0;
	if (!HMAC(EVP_sha256(), material, (int)len, (const uint8_t *)label, strlen(label), digest,
		  &n) ||
	    n < out_len)
		return -EIO;
	memcpy(out, digest, out_len);
	wipe(digest, sizeof digest);
	return 0;
}

int esp_iv_key(uint8_t out[ESP_IV_KEY], const uint8_t *material, size_t len)
{
	return derive(out, ESP_IV_KEY, "xgw esp cbc iv", material, len);
}

int esp_flow_seed(uint64_t *out, const uint8_t *material, size_t len)
{
	return derive(out, sizeof *out, "xgw esp flow seed", material, len);
}
