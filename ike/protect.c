/* SPDX-License-Identifier: Apache-2.0 */
/* See protect.h. */
#include "ike/protect.h"

#include <errno.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>

static const EVP_CIPHER *cipher_of(enum encryption_id id)
{
	switch (id) {
	case ENCR_3DES: return EVP_des_ede3_cbc();
	case ENCR_AES_CBC_128: return EVP_aes_128_cbc();
	case ENCR_AES_CBC_192: return EVP_aes_192_cbc();
	case ENCR_AES_CBC_256: return EVP_aes_256_cbc();
	case ENCR_AES_GCM16_128: return EVP_aes_128_gcm();
	case ENCR_AES_GCM16_192: return EVP_aes_192_gcm();
	case ENCR_AES_GCM16_256: return EVP_aes_256_gcm();
	case ENCR_CHACHA20_POLY1305: return EVP_chacha20_poly1305();
	default: return NULL;
	}
}

static const EVP_MD *hash_of(enum integrity_id id)
{
	switch (id) {
	case AUTH_HMAC_SHA1_96: return EVP_sha1();
	case AUTH_HMAC_SHA2_256_128: return EVP_sha256();
	case AUTH_HMAC_SHA2_384_192: return EVP_sha384();
	case AUTH_HMAC_SHA2_512_256: return EVP_sha512();
	default: return NULL;
	}
}

/* Where the parts of an SK payload stand in a message. */
struct layout {
	size_t aad, iv, text, text_len, icv;
};

static size_t icv_of(const struct ike_chosen *chosen)
{
	const struct encryption *e = encryption_of(chosen->encryption);
	return e->aead ? e->icv_bytes : integrity_of(chosen->integrity)->icv_bytes;
}

/* Salt behind the key, then the explicit IV (RFC 5282 section 4, RFC 7634 section 2). */
static void make_nonce(uint8_t nonce[12], const struct encryption *e, const struct secret *key,
		       const uint8_t *iv)
{
	memcpy(nonce, key->b + e->key_bytes, 4);
	memcpy(nonce + 4, iv, 8);
}

static bool aead_seal(const struct encryption *e, enum encryption_id id, const struct secret *key,
		      uint8_t *m, const struct layout *l)
{
	uint8_t nonce[12];
	int n;
	make_nonce(nonce, e, key, m + l->iv);
	EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
	bool ok = c && EVP_EncryptInit_ex(c, cipher_of(id), NULL, key->b, nonce) == 1 &&
		  EVP_EncryptUpdate(c, NULL, &n, m, (int)l->aad) == 1 &&
		  EVP_EncryptUpdate(c, m + l->text, &n, m + l->text, (int)l->text_len) == 1 &&
		  EVP_EncryptFinal_ex(c, m + l->text + n, &n) == 1 &&
		  EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_GET_TAG, e->icv_bytes, m + l->icv) == 1;
	EVP_CIPHER_CTX_free(c);
	return ok;
}

static bool aead_open(const struct encryption *e, enum encryption_id id, const struct secret *key,
		      const uint8_t *m, const struct layout *l, uint8_t *out)
{
	uint8_t nonce[12], tag[16];
	int n;
	make_nonce(nonce, e, key, m + l->iv);
	memcpy(tag, m + l->icv, sizeof tag);
	EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
	bool ok = c && EVP_DecryptInit_ex(c, cipher_of(id), NULL, key->b, nonce) == 1 &&
		  EVP_DecryptUpdate(c, NULL, &n, m, (int)l->aad) == 1 &&
		  EVP_DecryptUpdate(c, out, &n, m + l->text, (int)l->text_len) == 1 &&
		  EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_SET_TAG, sizeof tag, tag) == 1 &&
		  EVP_DecryptFinal_ex(c, out + n, &n) == 1;
	EVP_CIPHER_CTX_free(c);
	return ok;
}

bool protect_cbc(enum encryption_id id, const struct secret *key, const uint8_t *iv,
		 const uint8_t *in, size_t len, uint8_t *out, int encrypt)
{
	int n;
	EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
	bool ok = c && EVP_CipherInit_ex(c, cipher_of(id), NULL, key->b, iv, encrypt) == 1 &&
		  EVP_CIPHER_CTX_set_padding(c, 0) == 1 &&
		  EVP_CipherUpdate(c, out, &n, in, (int)len) == 1 &&
		  EVP_CipherFinal_ex(c, out + n, &n) == 1;
	EVP_CIPHER_CTX_free(c);
	return ok;
}

static bool mac(enum integrity_id id, const struct secret *key, const uint8_t *m, size_t len,
		uint8_t out[EVP_MAX_MD_SIZE])
{
	unsigned int n;
	const EVP_MD *md = hash_of(id);
	return md && HMAC(md, key->b, key->len, m, len, out, &n);
}

static bool cbc_seal(const struct ike_chosen *chosen, const struct secret *ke,
		     const struct secret *ka, uint8_t *m, const struct layout *l)
{
	uint8_t full[EVP_MAX_MD_SIZE];
	if (!protect_cbc(chosen->encryption, ke, m + l->iv, m + l->text, l->text_len, m + l->text,
			 1) ||
	    !mac(chosen->integrity, ka, m, l->icv, full))
		return false;
	memcpy(m + l->icv, full, icv_of(chosen));
	return true;
}

/* Encrypt-then-MAC: nothing is decrypted that does not verify. */
static bool cbc_open(const struct ike_chosen *chosen, const struct secret *ke,
		     const struct secret *ka, const uint8_t *m, const struct layout *l,
		     uint8_t *out)
{
	uint8_t full[EVP_MAX_MD_SIZE];
	size_t icv = icv_of(chosen);
	if (l->text_len % encryption_of(chosen->encryption)->block_bytes)
		return false;
	if (!mac(chosen->integrity, ka, m, l->icv, full) ||
	    !secret_equal(full, icv, m + l->icv, icv))
		return false;
	return protect_cbc(chosen->encryption, ke, m + l->iv, m + l->text, l->text_len, out, 0);
}

static struct layout layout_of(const struct ike_chosen *chosen, size_t inner, bool fragment)
{
	const struct encryption *e = encryption_of(chosen->encryption);
	size_t block = e->aead ? 1 : e->block_bytes;
	struct layout l = {.aad = IKE_HEADER_BYTES + IKE_PAYLOAD_BYTES};
	l.aad += fragment ? IKE_FRAGMENT_BYTES : 0;
	l.iv = l.aad;
	l.text = l.iv + e->iv_bytes;
	l.text_len = (inner + 1 + block - 1) / block * block;
	l.icv = l.text + l.text_len;
	return l;
}

size_t protect_length(const struct ike_chosen *chosen, size_t inner)
{
	return layout_of(chosen, inner, false).icv + icv_of(chosen);
}

size_t protect_fragment_room(const struct ike_chosen *chosen, size_t limit)
{
	const struct encryption *e = encryption_of(chosen->encryption);
	size_t block = e->aead ? 1 : e->block_bytes;
	size_t fixed = layout_of(chosen, 0, true).text + icv_of(chosen);
	return limit < fixed + block ? 0 : (limit - fixed) / block * block - 1;
}

int protect_seal(struct ike_keys *k, const struct ike_chosen *chosen, const struct ike_header *h,
		 uint8_t first, struct bytes inner, const uint8_t iv_random[PROTECT_IV_RANDOM],
		 uint8_t *out, size_t room, size_t *len)
{
	static const struct ike_fragment whole;
	return protect_seal_fragment(k, chosen, h, &whole, first, inner, iv_random, out, room, len);
}

/* All that stands in the clear before the IV. */
static void write_head(const struct ike_header *h, const struct ike_fragment *part, uint8_t first,
		       size_t len, uint8_t *out, size_t room)
{
	struct builder b;
	builder_init(&b, out, room);
	builder_header(&b, h);
	out[16] = part->total ? PAYLOAD_SKF : PAYLOAD_SK;
	store_be32(out + 24, (uint32_t)len);
	out[28] = first;
	out[29] = 0;
	store_be16(out + 30, (uint16_t)(len - IKE_HEADER_BYTES));
	if (part->total) {
		store_be16(out + 32, part->number);
		store_be16(out + 34, part->total);
	}
}

int protect_seal_fragment(struct ike_keys *k, const struct ike_chosen *chosen,
			  const struct ike_header *h, const struct ike_fragment *part,
			  uint8_t first, struct bytes inner,
			  const uint8_t iv_random[PROTECT_IV_RANDOM], uint8_t *out, size_t room,
			  size_t *len)
{
	const struct encryption *e = encryption_of(chosen->encryption);
	bool initiator = h->flags & IKE_FLAG_INITIATOR;
	const struct secret *ke = initiator ? &k->ei : &k->er, *ka = initiator ? &k->ai : &k->ar;
	struct layout l = layout_of(chosen, inner.len, part->total != 0);
	size_t padded = l.text_len;
	*len = l.icv + icv_of(chosen);
	if (*len > room || *len > UINT16_MAX)
		return -EMSGSIZE;
	write_head(h, part, first, *len, out, room);
	if (e->aead)
		store_be64(out + l.iv, ++k->iv);
	else
		memcpy(out + l.iv, iv_random, e->iv_bytes);
	if (inner.len)
		memcpy(out + l.text, inner.at, inner.len);
	memset(out + l.text + inner.len, 0, padded - inner.len);
	out[l.icv - 1] = (uint8_t)(padded - inner.len - 1);
	bool ok = e->aead ? aead_seal(e, chosen->encryption, ke, out, &l)
			  : cbc_seal(chosen, ke, ka, out, &l);
	return ok ? 0 : -EIO;
}

int protect_open(const struct ike_keys *k, const struct ike_chosen *chosen,
		 const struct ike_message *m, uint8_t *out, size_t room, size_t *len)
{
	const struct encryption *e = encryption_of(chosen->encryption);
	bool initiator = m->h.flags & IKE_FLAG_INITIATOR;
	const struct secret *ke = initiator ? &k->ei : &k->er, *ka = initiator ? &k->ai : &k->ar;
	size_t icv = icv_of(chosen), fixed = e->iv_bytes + icv;
	if (!m->sk_offset || m->sk.len < fixed + 1 || m->sk.len - fixed > room)
		return -EBADMSG;
	struct layout l = {.aad = m->sk_offset + IKE_PAYLOAD_BYTES};
	l.aad += m->fragment.total ? IKE_FRAGMENT_BYTES : 0;
	l.iv = l.aad;
	l.text = l.iv + e->iv_bytes;
	l.text_len = m->sk.len - fixed;
	l.icv = l.text + l.text_len;
	bool ok = e->aead ? aead_open(e, chosen->encryption, ke, m->whole.at, &l, out)
			  : cbc_open(chosen, ke, ka, m->whole.at, &l, out);
	if (!ok) {
		/* an AEAD decrypts before it verifies: leave nothing of that */
		wipe(out, l.text_len);
		return -EBADMSG;
	}
	size_t pad = out[l.text_len - 1];
	if (pad + 1 > l.text_len)
		return -EBADMSG;
	*len = l.text_len - 1 - pad;
	return 0;
}
