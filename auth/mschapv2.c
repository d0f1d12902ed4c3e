/* SPDX-License-Identifier: Apache-2.0 */
#include "auth/mschapv2.h"

#include "base/secret.h"

#include <errno.h>
#include <openssl/evp.h>
#include <openssl/provider.h>
#include <stdlib.h>
#include <string.h>

#define SHA1_LEN 20

struct mschapv2 {
	OSSL_LIB_CTX *ctx;
	OSSL_PROVIDER *legacy, *usual;
	EVP_MD *md4, *sha1;
	EVP_CIPHER *des;
};

void mschapv2_close(struct mschapv2 *m)
{
	if (!m)
		return;
	EVP_CIPHER_free(m->des);
	EVP_MD_free(m->sha1);
	EVP_MD_free(m->md4);
	if (m->usual)
		OSSL_PROVIDER_unload(m->usual);
	if (m->legacy)
		OSSL_PROVIDER_unload(m->legacy);
	OSSL_LIB_CTX_free(m->ctx);
	free(m);
}

int mschapv2_open(struct mschapv2 **out, struct fault *f)
{
	struct mschapv2 *m = calloc(1, sizeof *m);
	*out = NULL;
	if (!m)
		return fault_set(f, -ENOMEM, "no memory for MS-CHAPv2");
	m->ctx = OSSL_LIB_CTX_new();
	if (m->ctx) {
		m->legacy = OSSL_PROVIDER_load(m->ctx, "legacy");
		m->usual = OSSL_PROVIDER_load(m->ctx, "default");
		m->md4 = EVP_MD_fetch(m->ctx, "MD4", NULL);
		m->sha1 = EVP_MD_fetch(m->ctx, "SHA1", NULL);
		m->des = EVP_CIPHER_fetch(m->ctx, "DES-ECB", NULL);
	}
	if (!m->md4 || !m->sha1 || !m->des) {
		mschapv2_close(m);
		fault_set(f, -ENOTSUP, "MS-CHAPv2 needs MD4 and DES, which OpenSSL does not give");
		fault_advise(f, "install OpenSSL's legacy provider (ossl-modules/legacy.so)");
		return -ENOTSUP;
	}
	*out = m;
	return 0;
}

static int digest(const EVP_MD *md, const struct bytes *parts, unsigned n, uint8_t *out)
{
	EVP_MD_CTX *c = EVP_MD_CTX_new();
	bool ok = c && EVP_DigestInit_ex(c, md, NULL) == 1;
	for (unsigned i = 0; ok && i < n; i++)
		ok = EVP_DigestUpdate(c, parts[i].at, parts[i].len) == 1;
	ok = ok && EVP_DigestFinal_ex(c, out, NULL) == 1;
	EVP_MD_CTX_free(c);
	return ok ? 0 : -EIO;
}

static struct bytes text(const char *s)
{
	return (struct bytes){(const uint8_t *)s, strlen(s)};
}

/* ---- the password ---- */

/* The next character; sets the reader's failure for overlong forms, surrogates and what is no
 * UTF-8 at all. */
static uint32_t utf8_next(struct reader *r)
{
	static const uint32_t least[] = {0, 0x80, 0x800, 0x10000};
	uint8_t first = reader_u8(r);
	unsigned more = first < 0x80   ? 0
			: first < 0xc0 ? 4
			: first < 0xe0 ? 1
			: first < 0xf0 ? 2
				       : 3;
	uint32_t c = first;
	if (more == 4 || first > 0xf4) {
		reader_fail(r);
		return 0;
	}
	if (more)
		c = first & (0x3fu >> more);
	for (unsigned i = 0; i < more; i++) {
		uint8_t b = reader_u8(r);
		if ((b & 0xc0) != 0x80)
			reader_fail(r);
		c = c << 6 | (b & 0x3f);
	}
	if (c < least[more] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
		reader_fail(r);
	return c;
}

static void put_unit(struct writer *w, uint32_t unit)
{
	writer_u8(w, (uint8_t)unit);
	writer_u8(w, (uint8_t)(unit >> 8));
}

int mschapv2_hash(const struct mschapv2 *m, struct bytes password, uint8_t out[MSCHAPV2_HASH])
{
	uint8_t wide[2 * MSCHAPV2_PASSWORD];
	struct reader r;
	struct writer w;
	int err = 0;
	reader_init(&r, password.at, password.len);
	writer_init(&w, wide, sizeof wide);
	while (reader_more(&r)) {
		uint32_t c = utf8_next(&r);
		if (c >= 0x10000) {
			put_unit(&w, 0xd800 + ((c - 0x10000) >> 10));
			c = 0xdc00 + (c & 0x3ff);
		}
		put_unit(&w, c);
	}
	if (!reader_ok(&r))
		err = -EILSEQ;
	else if (!writer_ok(&w))
		err = -EMSGSIZE;
	else
		err = digest(m->md4, &(struct bytes){wide, writer_len(&w)}, 1, out);
	wipe(wide, sizeof wide);
	return err;
}

/* ---- the exchange ---- */

/* ChallengeHash (section 8.2): the first 8 of 20 bytes. */
static int challenge_hash(const struct mschapv2 *m, const struct mschapv2_exchange *x,
			  uint8_t out[SHA1_LEN])
{
	const struct bytes parts[] = {{x->peer_challenge, MSCHAPV2_CHALLENGE},
				      {x->authenticator_challenge, MSCHAPV2_CHALLENGE},
				      x->user};
	return digest(m->sha1, parts, 3, out);
}

/* 56 bits of key to the 8 bytes that DES takes; it does not look at the parity bits. */
static void des_key(const uint8_t in[7], uint8_t out[8])
{
	uint64_t bits = (uint64_t)load_be32(in) << 24 | (uint64_t)in[4] << 16 |
			(uint64_t)in[5] << 8 | in[6];
	for (unsigned i = 0; i < 8; i++)
		out[i] = (uint8_t)(bits >> (49 - 7 * i) << 1);
}

static int des(const struct mschapv2 *m, const uint8_t clear[8], const uint8_t key[7],
	       uint8_t out[8])
{
	EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
	uint8_t wide[8];
	int n = 0;
	des_key(key, wide);
	bool ok = c && EVP_EncryptInit_ex2(c, m->des, wide, NULL, NULL) == 1 &&
		  EVP_CIPHER_CTX_set_padding(c, 0) == 1 &&
		  EVP_EncryptUpdate(c, out, &n, clear, 8) == 1 && n == 8;
	EVP_CIPHER_CTX_free(c);
	wipe(wide, sizeof wide);
	return ok ? 0 : -EIO;
}

int mschapv2_response(const struct mschapv2 *m, const struct mschapv2_exchange *x,
		      const uint8_t hash[MSCHAPV2_HASH], uint8_t out[MSCHAPV2_RESPONSE])
{
	uint8_t challenge[SHA1_LEN], keys[21] = {0};
	int err = challenge_hash(m, x, challenge);
	memcpy(keys, hash, MSCHAPV2_HASH);
	for (unsigned i = 0; !err && i < 3; i++)
		err = des(m, challenge, keys + (size_t)7 * i, out + (size_t)8 * i);
	wipe(keys, sizeof keys);
	return err;
}

int mschapv2_verify(const struct mschapv2 *m, const struct mschapv2_exchange *x,
		    const uint8_t hash[MSCHAPV2_HASH], const uint8_t came[MSCHAPV2_RESPONSE])
{
	uint8_t want[MSCHAPV2_RESPONSE];
	int err = mschapv2_response(m, x, hash, want);
	if (!err && !secret_equal(want, sizeof want, came, MSCHAPV2_RESPONSE))
		err = -EACCES;
	wipe(want, sizeof want);
	return err;
}

int mschapv2_proof(const struct mschapv2 *m, const struct mschapv2_exchange *x,
		   const uint8_t hash[MSCHAPV2_HASH], const uint8_t response[MSCHAPV2_RESPONSE],
		   uint8_t out[MSCHAPV2_PROOF])
{
	uint8_t twice[MSCHAPV2_HASH], inner[SHA1_LEN], challenge[SHA1_LEN];
	int err = digest(m->md4, &(struct bytes){hash, MSCHAPV2_HASH}, 1, twice);
	const struct bytes first[] = {{twice, sizeof twice},
				      {response, MSCHAPV2_RESPONSE},
				      text("Magic server to client signing constant")};
	const struct bytes second[] = {{inner, sizeof inner},
				       {challenge, 8},
				       text("Pad to make it do more than one iteration")};
	if (!err)
		err = digest(m->sha1, first, 3, inner);
	if (!err)
		err = challenge_hash(m, x, challenge);
	if (!err)
		err = digest(m->sha1, second, 3, out);
	wipe(twice, sizeof twice);
	wipe(inner, sizeof inner);
	return err;
}

/* GetAsymmetricStartKey (RFC 3079 section 3.4), 128 bits. */
static int start_key(const struct mschapv2 *m, const uint8_t master[16], const char *magic,
		     uint8_t out[16])
{
	uint8_t zeros[40] = {0}, pad[40], sum[SHA1_LEN];
	const struct bytes parts[] = {{master, 16}, {zeros, 40}, text(magic), {pad, 40}};
	memset(pad, 0xf2, sizeof pad);
	int err = digest(m->sha1, parts, 4, sum);
	if (!err)
		memcpy(out, sum, 16);
	wipe(sum, sizeof sum);
	return err;
}

int mschapv2_msk(const struct mschapv2 *m, const uint8_t hash[MSCHAPV2_HASH],
		 const uint8_t response[MSCHAPV2_RESPONSE], uint8_t out[MSCHAPV2_MSK])
{
	uint8_t twice[MSCHAPV2_HASH], master[SHA1_LEN];
	int err = digest(m->md4, &(struct bytes){hash, MSCHAPV2_HASH}, 1, twice);
	const struct bytes parts[] = {{twice, sizeof twice},
				      {response, MSCHAPV2_RESPONSE},
				      text("This is the MPPE Master Key")};
	memset(out, 0, MSCHAPV2_MSK);
	if (!err)
		err = digest(m->sha1, parts, 3, master);
	if (!err)
		err = start_key(m, master,
				"On the client side, this is the send key; "
				"on the server side, it is the receive key.",
				out);
	if (!err)
		err = start_key(m, master,
				"On the client side, this is the receive key; "
				"on the server side, it is the send key.",
				out + 16);
	wipe(twice, sizeof twice);
	wipe(master, sizeof master);
	return err;
}
