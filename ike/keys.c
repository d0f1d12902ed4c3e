/* SPDX-License-Identifier: Apache-2.0 */
/* See keys.h. */
#include "ike/keys.h"

#include <errno.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>
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

int keys_prf(enum prf_id prf, struct bytes key, const struct bytes *parts, unsigned n,
	     uint8_t out[PRF_MAX], size_t *len)
{
	const EVP_MD *md = hash_of(prf);
	uint8_t small[1024], *joined = small;
	size_t total = 0, at = 0;
	if (!md)
		return -ENOTSUP;
	for (unsigned i = 0; i < n; i++)
		total += parts[i].len;
	if (total > sizeof small)
		joined = malloc(total);
	if (!joined)
		return -ENOMEM;
	for (unsigned i = 0; i < n; i++) {
		if (parts[i].len)
			memcpy(joined + at, parts[i].at, parts[i].len);
		at += parts[i].len;
	}
	unsigned int made = 0;
	/* HMAC() takes a NULL key for "keep the old one": give it a pointer for an empty key */
	const uint8_t *k = key.len ? key.at : (const uint8_t *)"";
	bool ok = HMAC(md, k, (int)key.len, joined, total, out, &made);
	*len = made;
	wipe(joined, total);
	if (joined != small)
		free(joined);
	return ok ? 0 : -ENOMEM;
}

int keys_prf_plus(enum prf_id prf, struct bytes key, const struct bytes *seed, unsigned n_seed,
		  uint8_t *out, size_t n)
{
	uint8_t block[PRF_MAX], counter = 0;
	size_t len = 0;
	struct bytes parts[8];
	if (n_seed > 6)
		return -EINVAL;
	while (n) {
		unsigned k = 0;
		if (++counter == 0)
			return -EINVAL;
		if (counter > 1)
			parts[k++] = (struct bytes){block, len};
		for (unsigned i = 0; i < n_seed; i++)
			parts[k++] = seed[i];
		parts[k++] = (struct bytes){&counter, 1};
		int err = keys_prf(prf, key, parts, k, block, &len);
		if (err) {
			wipe(block, sizeof block);
			return err;
		}
		size_t take = n < len ? n : len;
		memcpy(out, block, take);
		out += take;
		n -= take;
	}
	wipe(block, sizeof block);
	return 0;
}

/* Cuts `len` bytes off a run of key material. */
static void cut(struct secret *s, const uint8_t **at, size_t len)
{
	memcpy(s->b, *at, len);
	s->len = (uint16_t)len;
	*at += len;
}

static int expand_ike(struct ike_keys *out, const struct ike_chosen *chosen, struct bytes skeyseed,
		      struct bytes ni, struct bytes nr, uint64_t spi_i, uint64_t spi_r)
{
	const struct encryption *e = encryption_of(chosen->encryption);
	size_t prf = prf_of(chosen->prf)->bytes, integ = integrity_of(chosen->integrity)->key_bytes;
	size_t encr = (size_t)e->key_bytes + e->salt_bytes, n = 3 * prf + 2 * integ + 2 * encr;
	uint8_t spis[16], stream[3 * PRF_MAX + 2 * 64 + 2 * 40];
	store_be64(spis, spi_i);
	store_be64(spis + 8, spi_r);
	struct bytes seed[] = {ni, nr, {spis, 16}};
	if (n > sizeof stream)
		return -ENOTSUP;
	int err = keys_prf_plus(chosen->prf, skeyseed, seed, 3, stream, n);
	if (!err) {
		const uint8_t *at = stream;
		cut(&out->d, &at, prf);
		cut(&out->ai, &at, integ);
		cut(&out->ar, &at, integ);
		cut(&out->ei, &at, encr);
		cut(&out->er, &at, encr);
		cut(&out->pi, &at, prf);
		cut(&out->pr, &at, prf);
		out->iv = 0;
	}
	wipe(stream, sizeof stream);
	return err;
}

int keys_ike(struct ike_keys *out, const struct ike_chosen *chosen, struct bytes shared,
	     struct bytes ni, struct bytes nr, uint64_t spi_i, uint64_t spi_r)
{
	uint8_t key[2 * LIMIT_NONCE], skeyseed[PRF_MAX];
	size_t len = 0;
	if (ni.len > LIMIT_NONCE || nr.len > LIMIT_NONCE)
		return -EINVAL;
	memcpy(key, ni.at, ni.len);
	memcpy(key + ni.len, nr.at, nr.len);
	int err = keys_prf(chosen->prf, (struct bytes){key, ni.len + nr.len}, &shared, 1, skeyseed,
			   &len);
	if (!err)
		err = expand_ike(out, chosen, (struct bytes){skeyseed, len}, ni, nr, spi_i, spi_r);
	wipe(skeyseed, sizeof skeyseed);
	return err;
}

int keys_ike_rekeyed(struct ike_keys *out, const struct ike_chosen *chosen,
		     const struct ike_keys *old, enum prf_id old_prf, struct bytes shared,
		     struct bytes ni, struct bytes nr, struct bytes more, uint64_t spi_i,
		     uint64_t spi_r)
{
	struct bytes parts[] = {shared, ni, nr, more};
	uint8_t skeyseed[PRF_MAX];
	size_t len = 0;
	int err = keys_prf(old_prf, (struct bytes){old->d.b, old->d.len}, parts, 4, skeyseed, &len);
	if (!err)
		err = expand_ike(out, chosen, (struct bytes){skeyseed, len}, ni, nr, spi_i, spi_r);
	wipe(skeyseed, sizeof skeyseed);
	return err;
}

int keys_mix_ppk(struct secret *key, enum prf_id prf, const struct secret *ppk)
{
	struct bytes seed = {key->b, key->len};
	uint8_t mixed[PRF_MAX];
	if (key->len > sizeof mixed)
		return -EINVAL;
	int err = keys_prf_plus(prf, (struct bytes){ppk->b, ppk->len}, &seed, 1, mixed, key->len);
	if (!err)
		memcpy(key->b, mixed, key->len);
	wipe(mixed, sizeof mixed);
	return err;
}

int keys_child(struct secret *initiator, struct secret *responder, const struct ike_chosen *child,
	       const struct ike_keys *ike, enum prf_id prf, struct bytes shared, struct bytes ni,
	       struct bytes nr, struct bytes more)
{
	const struct encryption *e = encryption_of(child->encryption);
	size_t each =
		(size_t)e->key_bytes + e->salt_bytes + integrity_of(child->integrity)->key_bytes;
	uint8_t stream[2 * (64 + 64)];
	struct bytes seed[] = {shared, ni, nr, more};
	if (2 * each > sizeof stream)
		return -ENOTSUP;
	int err =
		keys_prf_plus(prf, (struct bytes){ike->d.b, ike->d.len}, seed, 4, stream, 2 * each);
	if (!err) {
		const uint8_t *at = stream;
		cut(initiator, &at, each);
		cut(responder, &at, each);
	}
	wipe(stream, sizeof stream);
	return err;
}

int keys_auth_psk_more(uint8_t out[PRF_MAX], size_t *len, enum prf_id prf, const struct secret *psk,
		       struct bytes init_message, struct bytes other_nonce,
		       const struct secret *sk_p, struct bytes id_body, struct bytes more)
{
	static const char pad[] = "Key Pad for IKEv2";
	struct bytes padding = {(const uint8_t *)pad, sizeof pad - 1};
	uint8_t key[PRF_MAX], mac[PRF_MAX];
	size_t key_len = 0, mac_len = 0;
	int err = keys_prf(prf, (struct bytes){psk->b, psk->len}, &padding, 1, key, &key_len);
	if (!err)
		err = keys_prf(prf, (struct bytes){sk_p->b, sk_p->len}, &id_body, 1, mac, &mac_len);
	struct bytes parts[] = {init_message, other_nonce, {mac, mac_len}, more};
	if (!err)
		err = keys_prf(prf, (struct bytes){key, key_len}, parts, 4, out, len);
	wipe(key, sizeof key);
	wipe(mac, sizeof mac);
	return err;
}

int keys_auth_psk(uint8_t out[PRF_MAX], size_t *len, enum prf_id prf, const struct secret *psk,
		  struct bytes init_message, struct bytes other_nonce, const struct secret *sk_p,
		  struct bytes id_body)
{
	return keys_auth_psk_more(out, len, prf, psk, init_message, other_nonce, sk_p, id_body,
				  (struct bytes){NULL, 0});
}

void keys_wipe(struct ike_keys *k)
{
	wipe(k, sizeof *k);
}

void keys_nat_hash(uint8_t out[20], uint64_t spi_i, uint64_t spi_r, const struct ip_endpoint *at)
{
	uint8_t in[16 + 16 + 2];
	unsigned n = ip_addr_bytes(&at->addr), len = 20;
	store_be64(in, spi_i);
	store_be64(in + 8, spi_r);
	memcpy(in + 16, at->addr.b, n);
	store_be16(in + 16 + n, at->port);
	if (EVP_Digest(in, 18 + n, out, &len, EVP_sha1(), NULL) != 1)
		memset(out, 0, 20);
}
