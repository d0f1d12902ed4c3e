/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ESP cryptography by OpenSSL's EVP: every algorithm of base/algorithms.def that ESP may use. An
 * EVP context is state of one user at a time, and setting a key into one costs more than a packet;
 * so a key keeps a pool of prepared contexts ("lanes"). A burst borrows a lane per run of
 * operations of one key with an atomic exchange, and gives it back: no lock, no two threads in one
 * context, nothing of a key outlives the key.
 */
#include "esp/crypto_private.h"

#include "base/secret.h"

#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define MAX_IDLE 16 /* lanes kept; more workers than that make and free theirs */

struct lane {
	EVP_CIPHER_CTX *cipher; /* NULL with ENCR_NULL */
	EVP_CIPHER_CTX *ivs;	/* AES-ECB under the IV key; CBC encryption only */
	EVP_MAC_CTX *mac;	/* NULL with an AEAD */
};

struct lane_pool {
	_Atomic(struct lane *) idle[MAX_IDLE];
};

struct openssl_key {
	enum encryption_id e;
	enum integrity_id a;
	uint8_t iv_bytes, icv_bytes;
	bool aead, encrypt;
	struct lane_pool *pool;
	struct secret material;
	uint8_t iv_key[ESP_IV_KEY];
};

static const char *const cipher_names[ENCR_COUNT] = {
	[ENCR_3DES] = "DES-EDE3-CBC",	      [ENCR_AES_CBC_128] = "AES-128-CBC",
	[ENCR_AES_CBC_192] = "AES-192-CBC",   [ENCR_AES_CBC_256] = "AES-256-CBC",
	[ENCR_AES_GCM16_128] = "AES-128-GCM", [ENCR_AES_GCM16_192] = "AES-192-GCM",
	[ENCR_AES_GCM16_256] = "AES-256-GCM", [ENCR_CHACHA20_POLY1305] = "ChaCha20-Poly1305",
};
static const char *const digest_names[AUTH_COUNT] = {
	[AUTH_HMAC_SHA1_96] = "SHA1",
	[AUTH_HMAC_SHA2_256_128] = "SHA2-256",
	[AUTH_HMAC_SHA2_384_192] = "SHA2-384",
	[AUTH_HMAC_SHA2_512_256] = "SHA2-512",
};

static const struct openssl_key *inside(const struct esp_key *k)
{
	return (const struct openssl_key *)k;
}

static const char *version(void)
{
	return OpenSSL_version(OPENSSL_VERSION);
}

static bool available(void)
{
	return true;
}

static bool supports(enum encryption_id e, enum integrity_id a)
{
	if (e == ENCR_NULL)
		return a != AUTH_NONE;
	return cipher_names[e] && encryption_of(e)->aead == (a == AUTH_NONE);
}

static void lane_free(struct lane *l)
{
	if (!l)
		return;
	EVP_CIPHER_CTX_free(l->cipher);
	EVP_CIPHER_CTX_free(l->ivs);
	EVP_MAC_CTX_free(l->mac);
	free(l);
}

/* "No padding" is set only where there would be some: each packet's Init pays for setting it again.
 */
static EVP_CIPHER_CTX *cipher_new(const char *name, const uint8_t *key, bool encrypt)
{
	EVP_CIPHER *type = EVP_CIPHER_fetch(NULL, name, NULL);
	EVP_CIPHER_CTX *c = type ? EVP_CIPHER_CTX_new() : NULL;
	bool pads = type && EVP_CIPHER_get_block_size(type) > 1;
	if (c && (EVP_CipherInit_ex(c, type, NULL, key, NULL, encrypt) != 1 ||
		  (pads && EVP_CIPHER_CTX_set_padding(c, 0) != 1))) {
		EVP_CIPHER_CTX_free(c);
		c = NULL;
	}
	EVP_CIPHER_free(type);
	return c;
}

static EVP_MAC_CTX *mac_new(const char *digest, const uint8_t *key, size_t len)
{
	EVP_MAC *type = EVP_MAC_fetch(NULL, "HMAC", NULL);
	EVP_MAC_CTX *c = type ? EVP_MAC_CTX_new(type) : NULL;
	char name[16];
	snprintf(name, sizeof name, "%s", digest);
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, name, 0),
		OSSL_PARAM_construct_end(),
	};
	if (c && EVP_MAC_init(c, key, len, params) != 1) {
		EVP_MAC_CTX_free(c);
		c = NULL;
	}
	EVP_MAC_free(type);
	return c;
}

static struct lane *lane_new(const struct openssl_key *k)
{
	struct esp_material m;
	struct lane *l = calloc(1, sizeof *l);
	if (!l || esp_material_split(&m, k->e, k->a, k->material.b, k->material.len))
		goto fail;
	bool wants_ivs = encryption_is_cbc(k->e) && k->encrypt;
	if (k->e != ENCR_NULL)
		l->cipher = cipher_new(cipher_names[k->e], m.key, k->encrypt);
	if (wants_ivs)
		l->ivs = cipher_new("AES-128-ECB", k->iv_key, true);
	if (!k->aead)
		l->mac = mac_new(digest_names[k->a], m.integrity, m.integrity_len);
	if ((k->e == ENCR_NULL || l->cipher) && (!wants_ivs || l->ivs) && (k->aead || l->mac))
		return l;
fail:
	lane_free(l);
	return NULL;
}

static struct lane *lane_borrow(const struct openssl_key *k)
{
	for (unsigned i = 0; i < MAX_IDLE; i++) {
		if (!atomic_load_explicit(&k->pool->idle[i], memory_order_relaxed))
			continue;
		struct lane *l =
			atomic_exchange_explicit(&k->pool->idle[i], NULL, memory_order_acquire);
		if (l)
			return l;
	}
	return lane_new(k);
}

static void lane_return(const struct openssl_key *k, struct lane *l)
{
	for (unsigned i = 0; l && i < MAX_IDLE; i++) {
		struct lane *none = NULL;
		if (atomic_compare_exchange_strong_explicit(&k->pool->idle[i], &none, l,
							    memory_order_release,
							    memory_order_relaxed))
			return;
	}
	lane_free(l);
}

static void key_free(struct esp_key *key)
{
	struct openssl_key *k = (struct openssl_key *)key;
	if (!k)
		return;
	for (unsigned i = 0; k->pool && i < MAX_IDLE; i++)
		lane_free(atomic_load(&k->pool->idle[i]));
	free(k->pool);
	wipe(k, sizeof *k);
	free(k);
}

static int key_new(struct esp_key **out, enum encryption_id e, enum integrity_id a,
		   const uint8_t *material, size_t len, bool encrypt)
{
	struct esp_material m;
	if (!supports(e, a))
		return -ENOTSUP;
	int err = esp_material_split(&m, e, a, material, len);
	if (err)
		return err;
	struct openssl_key *k = calloc(1, sizeof *k);
	if (!k)
		return -ENOMEM;
	k->e = e;
	k->a = a;
	k->encrypt = encrypt;
	k->aead = encryption_of(e)->aead;
	k->iv_bytes = encryption_of(e)->iv_bytes;
	k->icv_bytes = k->aead ? encryption_of(e)->icv_bytes : integrity_of(a)->icv_bytes;
	k->pool = calloc(1, sizeof *k->pool);
	if (secret_set(&k->material, material, len) || esp_iv_key(k->iv_key, material, len))
		err = -EINVAL;
	struct lane *first = k->pool && !err ? lane_new(k) : NULL;
	if (!first) {
		key_free((struct esp_key *)k);
		return err ? err : -ENOMEM;
	}
	lane_return(k, first);
	*out = (struct esp_key *)k;
	return 0;
}

static int context_new(struct esp_crypto **out)
{
	struct esp_crypto *c = calloc(1, sizeof *c);
	if (!c)
		return -ENOMEM;
	c->backend = &esp_backend_openssl;
	*out = c;
	return 0;
}

static void context_free(struct esp_crypto *c)
{
	free(c);
}

static bool aead_encrypt(struct lane *l, struct esp_op *op)
{
	EVP_CIPHER_CTX *c = l->cipher;
	int n;
	return EVP_EncryptInit_ex(c, NULL, NULL, NULL, op->nonce) == 1 &&
	       EVP_EncryptUpdate(c, NULL, &n, op->aad, op->aad_len) == 1 &&
	       EVP_EncryptUpdate(c, op->payload, &n, op->payload, (int)op->len) == 1 &&
	       EVP_EncryptFinal_ex(c, op->payload + op->len, &n) == 1 &&
	       EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_GET_TAG, 16, op->icv) == 1;
}

/* False when the library failed; op->ok says whether the tag was right. */
static bool aead_decrypt(struct lane *l, struct esp_op *op)
{
	EVP_CIPHER_CTX *c = l->cipher;
	int n;
	op->ok = false;
	if (EVP_DecryptInit_ex(c, NULL, NULL, NULL, op->nonce) != 1 ||
	    EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_SET_TAG, 16, op->icv) != 1 ||
	    EVP_DecryptUpdate(c, NULL, &n, op->aad, op->aad_len) != 1 ||
	    EVP_DecryptUpdate(c, op->payload, &n, op->payload, (int)op->len) != 1)
		return false;
	op->ok = EVP_DecryptFinal_ex(c, op->payload + op->len, &n) == 1;
	return true;
}

/* SPI to the end of the payload, then the high half of an extended sequence number. */
static bool hmac(const struct openssl_key *k, struct lane *l, const struct esp_op *op,
		 uint8_t out[EVP_MAX_MD_SIZE])
{
	const uint8_t *from = op->payload - k->iv_bytes - 8;
	size_t len = op->len + k->iv_bytes + 8, n;
	return EVP_MAC_init(l->mac, NULL, 0, NULL) == 1 && EVP_MAC_update(l->mac, from, len) == 1 &&
	       (op->aad_len != 12 || EVP_MAC_update(l->mac, op->aad + 4, 4) == 1) &&
	       EVP_MAC_final(l->mac, out, &n, EVP_MAX_MD_SIZE) == 1;
}

static bool cbc(struct lane *l, struct esp_op *op)
{
	int n;
	return !l->cipher ||
	       (EVP_CipherInit_ex(l->cipher, NULL, NULL, NULL, op->nonce, -1) == 1 &&
		EVP_CipherUpdate(l->cipher, op->payload, &n, op->payload, (int)op->len) == 1 &&
		(uint32_t)n == op->len);
}

static bool composed_encrypt(const struct openssl_key *k, struct lane *l, struct esp_op *op)
{
	uint8_t tag[EVP_MAX_MD_SIZE];
	if (!cbc(l, op) || !hmac(k, l, op, tag))
		return false;
	memcpy(op->icv, tag, k->icv_bytes);
	return true;
}

static bool composed_decrypt(const struct openssl_key *k, struct lane *l, struct esp_op *op)
{
	uint8_t tag[EVP_MAX_MD_SIZE];
	op->ok = false;
	if (!hmac(k, l, op, tag))
		return false;
	op->ok = CRYPTO_memcmp(tag, op->icv, k->icv_bytes) == 0;
	return !op->ok || cbc(l, op);
}

/* Operations from the first on that have its key. */
static unsigned run_of(const struct esp_op *ops, unsigned n)
{
	unsigned i = 1;
	while (i < n && ops[i].key == ops[0].key)
		i++;
	return i;
}

static bool run_encrypt(const struct openssl_key *k, struct lane *l, struct esp_op *ops, unsigned n)
{
	bool good = true;
	for (unsigned i = 0; i < n; i++)
		good &= k->aead ? aead_encrypt(l, &ops[i]) : composed_encrypt(k, l, &ops[i]);
	return good;
}

static bool run_decrypt(const struct openssl_key *k, struct lane *l, struct esp_op *ops, unsigned n)
{
	bool good = true;
	for (unsigned i = 0; i < n; i++)
		good &= k->aead ? aead_decrypt(l, &ops[i]) : composed_decrypt(k, l, &ops[i]);
	return good;
}

static bool run_ivs(const struct openssl_key *k, struct lane *l, struct esp_op *ops, unsigned n)
{
	int len;
	bool good = true;
	(void)k;
	for (unsigned i = 0; l->ivs && i < n; i++)
		good &= EVP_EncryptUpdate(l->ivs, ops[i].nonce, &len, ops[i].nonce, 16) == 1 &&
			len == 16;
	return good;
}

typedef bool run_fn(const struct openssl_key *k, struct lane *l, struct esp_op *ops, unsigned n);

static int each_run(struct esp_op *ops, unsigned n, run_fn *work)
{
	bool good = true;
	for (unsigned i = 0, run; i < n; i += run) {
		const struct openssl_key *k = inside(ops[i].key);
		run = run_of(ops + i, n - i);
		struct lane *l = lane_borrow(k);
		if (!l)
			return -EIO;
		good &= work(k, l, ops + i, run);
		lane_return(k, l);
	}
	return good ? 0 : -EIO;
}

static int make_ivs(struct esp_crypto *c, struct esp_op *ops, unsigned n)
{
	(void)c;
	return each_run(ops, n, run_ivs);
}

static int encrypt(struct esp_crypto *c, struct esp_op *ops, unsigned n)
{
	(void)c;
	return each_run(ops, n, run_encrypt);
}

static int decrypt(struct esp_crypto *c, struct esp_op *ops, unsigned n)
{
	(void)c;
	return each_run(ops, n, run_decrypt);
}

const struct esp_backend esp_backend_openssl = {
	.name = "openssl",
	.version = version,
	.available = available,
	.supports = supports,
	.key_new = key_new,
	.key_free = key_free,
	.context_new = context_new,
	.context_free = context_free,
	.make_ivs = make_ivs,
	.encrypt = encrypt,
	.decrypt = decrypt,
};
