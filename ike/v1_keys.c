/* SPDX-License-Identifier: Apache-2.0 */
/* See v1_keys.h. */
#include "ike/v1_keys.h"
#include "ike/protect.h"

#include <errno.h>
#include <openssl/evp.h>
#include <string.h>

static const EVP_MD *hash_of(enum prf_id prf)
{
	switch (prf) {
	case PRF_HMAC_SHA1: return EVP_sha1();
	case PRF_HMAC_SHA2_256: return EVP_sha256();
	case PRF_HMAC_SHA2_384: return EVP_sha384();
	case PRF_HMAC_SHA2_512: return EVP_sha512();
	default: return NULL;
	}
}

static struct bytes bytes_of(const struct secret *s)
{
	return (struct bytes){s->b, s->len};
}

int v1_hash(enum prf_id prf, const struct bytes *parts, unsigned n, uint8_t out[PRF_MAX],
	    size_t *len)
{
	const EVP_MD *md = hash_of(prf);
	unsigned made = 0;
	if (!md)
		return -ENOTSUP;
	EVP_MD_CTX *c = EVP_MD_CTX_new();
	bool ok = c && EVP_DigestInit_ex(c, md, NULL) == 1;
	for (unsigned i = 0; ok && i < n; i++)
		ok = EVP_DigestUpdate(c, parts[i].at, parts[i].len) == 1;
	ok = ok && EVP_DigestFinal_ex(c, out, &made) == 1;
	EVP_MD_CTX_free(c);
	*len = made;
	return ok ? 0 : -EIO;
}

static int into(struct secret *s, enum prf_id prf, struct bytes key, const struct bytes *parts,
		unsigned n)
{
	uint8_t out[PRF_MAX];
	size_t len = 0;
	int err = keys_prf(prf, key, parts, n, out, &len);
	if (!err)
		err = secret_set(s, out, len);
	wipe(out, sizeof out);
	return err;
}

int v1_skeyid_psk(struct v1_keys *k, enum prf_id prf, const struct secret *psk, struct bytes ni,
		  struct bytes nr)
{
	struct bytes nonces[] = {ni, nr};
	return into(&k->skeyid, prf, bytes_of(psk), nonces, 2);
}

int v1_skeyid_signature(struct v1_keys *k, enum prf_id prf, struct bytes ni, struct bytes nr,
			struct bytes shared)
{
	uint8_t key[2 * LIMIT_NONCE];
	if (ni.len > LIMIT_NONCE || nr.len > LIMIT_NONCE)
		return -EINVAL;
	memcpy(key, ni.at, ni.len);
	memcpy(key + ni.len, nr.at, nr.len);
	return into(&k->skeyid, prf, (struct bytes){key, ni.len + nr.len}, &shared, 1);
}

/* Ka = K1 | K2 | …, K1 = prf(SKEYID_e, 0), K2 = prf(SKEYID_e, K1) where SKEYID_e is too short
 * (appendix B). */
static int derive_cipher(struct v1_keys *k, const struct ike_chosen *chosen)
{
	static const uint8_t zero;
	size_t want = encryption_of(chosen->encryption)->key_bytes, have = 0, len = 0;
	uint8_t block[PRF_MAX];
	struct bytes part = {&zero, 1};
	if (k->e.len >= want)
		return secret_set(&k->cipher, k->e.b, want);
	while (have < want) {
		int err = keys_prf(chosen->prf, bytes_of(&k->e), &part, 1, block, &len);
		if (err)
			return err;
		size_t take = want - have < len ? want - have : len;
		memcpy(k->cipher.b + have, block, take);
		have += take;
		part = (struct bytes){block, len};
	}
	k->cipher.len = (uint16_t)want;
	wipe(block, sizeof block);
	return 0;
}

int v1_keys_derive(struct v1_keys *k, const struct ike_chosen *chosen, const struct v1_shared *s)
{
	static const uint8_t number[] = {0, 1, 2};
	uint8_t cookies[16];
	struct secret *const out[] = {&k->d, &k->a, &k->e};
	struct bytes before = {NULL, 0};
	store_be64(cookies, s->spi_i);
	store_be64(cookies + 8, s->spi_r);
	for (unsigned i = 0; i < 3; i++) {
		struct bytes parts[] = {before, s->secret, {cookies, 16}, {&number[i], 1}};
		int err = into(out[i], chosen->prf, bytes_of(&k->skeyid), parts, 4);
		if (err)
			return err;
		before = bytes_of(out[i]);
	}
	return derive_cipher(k, chosen);
}

static int hashed_iv(uint8_t iv[V1_IV], enum prf_id prf, const struct bytes parts[2])
{
	uint8_t out[PRF_MAX];
	size_t len = 0;
	int err = v1_hash(prf, parts, 2, out, &len);
	if (!err)
		memcpy(iv, out, V1_IV); /* the shortest hash has 20 bytes */
	return err;
}

int v1_first_iv(uint8_t iv[V1_IV], enum prf_id prf, struct bytes public_i, struct bytes public_r)
{
	struct bytes parts[] = {public_i, public_r};
	return hashed_iv(iv, prf, parts);
}

int v1_phase2_iv(uint8_t iv[V1_IV], const struct ike_chosen *chosen, const uint8_t last[V1_IV],
		 uint32_t id)
{
	uint8_t b[4];
	struct bytes parts[] = {{last, encryption_of(chosen->encryption)->block_bytes}, {b, 4}};
	store_be32(b, id);
	return hashed_iv(iv, chosen->prf, parts);
}

int v1_hash_auth(const struct v1_keys *k, enum prf_id prf, bool of_initiator, struct bytes public_i,
		 struct bytes public_r, const struct v1_shared *s, struct bytes sa_i,
		 struct bytes id, uint8_t out[PRF_MAX], size_t *len)
{
	uint8_t cookies[16];
	store_be64(cookies, of_initiator ? s->spi_i : s->spi_r);
	store_be64(cookies + 8, of_initiator ? s->spi_r : s->spi_i);
	struct bytes parts[] = {of_initiator ? public_i : public_r,
				of_initiator ? public_r : public_i,
				{cookies, 16},
				sa_i,
				id};
	return keys_prf(prf, bytes_of(&k->skeyid), parts, 5, out, len);
}

int v1_hash_phase2(const struct v1_keys *k, enum prf_id prf, const struct bytes *parts, unsigned n,
		   uint8_t out[PRF_MAX], size_t *len)
{
	return keys_prf(prf, bytes_of(&k->a), parts, n, out, len);
}

int v1_keys_child(struct secret *out, const struct ike_chosen *child, const struct v1_keys *k,
		  enum prf_id prf, uint32_t spi, struct bytes shared, struct bytes ni,
		  struct bytes nr)
{
	const struct encryption *e = encryption_of(child->encryption);
	size_t want =
		(size_t)e->key_bytes + e->salt_bytes + integrity_of(child->integrity)->key_bytes;
	uint8_t head[5] = {PROTOCOL_ESP}, block[PRF_MAX];
	size_t len = 0;
	store_be32(head + 1, spi);
	out->len = 0;
	while (out->len < want) {
		struct bytes parts[] = {{block, len}, shared, {head, 5}, ni, nr};
		int err = keys_prf(prf, bytes_of(&k->d), parts, 5, block, &len);
		if (err)
			return err;
		size_t take = want - out->len < len ? want - out->len : len;
		memcpy(out->b + out->len, block, take);
		out->len = (uint16_t)(out->len + take);
	}
	wipe(block, sizeof block);
	return 0;
}

int v1_encrypt(const struct v1_keys *k, const struct ike_chosen *chosen, uint8_t iv[V1_IV],
	       uint8_t *at, size_t len)
{
	size_t block = encryption_of(chosen->encryption)->block_bytes;
	if (!len || len % block)
		return -EBADMSG;
	if (!protect_cbc(chosen->encryption, &k->cipher, iv, at, len, at, 1))
		return -EIO;
	memcpy(iv, at + len - block, block);
	return 0;
}

int v1_decrypt(const struct v1_keys *k, const struct ike_chosen *chosen, uint8_t iv[V1_IV],
	       struct bytes from, uint8_t *out)
{
	size_t block = encryption_of(chosen->encryption)->block_bytes;
	if (!from.len || from.len % block)
		return -EBADMSG;
	if (!protect_cbc(chosen->encryption, &k->cipher, iv, from.at, from.len, out, 0))
		return -EIO;
	memcpy(iv, from.at + from.len - block, block);
	return 0;
}

void v1_keys_wipe(struct v1_keys *k)
{
	wipe(k, sizeof *k);
}
