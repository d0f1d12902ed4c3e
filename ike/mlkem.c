/* SPDX-License-Identifier: Apache-2.0 */
/* See mlkem.h. The names of parameters are written out: the headers of 3.0 do not have them. */
#include "ike/mlkem.h"

#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>

/* OpenSSL knows these algorithms by the names that the table prints, too. */
static const char *name_of(enum group_id group)
{
	return group_of(group)->name;
}

bool mlkem_supports(enum group_id group)
{
	ERR_set_mark();
	EVP_KEM *kem = EVP_KEM_fetch(NULL, name_of(group), NULL);
	ERR_pop_to_mark();
	EVP_KEM_free(kem);
	return kem;
}

static EVP_PKEY *key_of_seed(enum group_id group, const uint8_t seed[MLKEM_SEED_BYTES])
{
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_octet_string("seed", (void *)(uintptr_t)seed,
						  MLKEM_SEED_BYTES),
		OSSL_PARAM_construct_end(),
	};
	EVP_PKEY *key = NULL;
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, name_of(group), NULL);
	if (!ctx || EVP_PKEY_fromdata_init(ctx) != 1 ||
	    EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_KEYPAIR, params) != 1)
		key = NULL;
	EVP_PKEY_CTX_free(ctx);
	return key;
}

int mlkem_new(EVP_PKEY **out, enum group_id group, const uint8_t seed[MLKEM_SEED_BYTES],
	      uint8_t *public)
{
	size_t len = 0, want = group_of(group)->public_bytes;
	if (!mlkem_supports(group))
		return -ENOTSUP;
	EVP_PKEY *key = key_of_seed(group, seed);
	if (!key ||
	    EVP_PKEY_get_octet_string_param(key, OSSL_PKEY_PARAM_PUB_KEY, public, want, &len) !=
		    1 ||
	    len != want) {
		EVP_PKEY_free(key);
		return -ENOMEM;
	}
	*out = key;
	return 0;
}

int mlkem_encapsulate(enum group_id group, struct bytes peer,
		      const uint8_t random[MLKEM_RANDOM_BYTES], uint8_t *ciphertext,
		      uint8_t shared[MLKEM_SHARED_BYTES])
{
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_octet_string("ikme", (void *)(uintptr_t)random,
						  MLKEM_RANDOM_BYTES),
		OSSL_PARAM_construct_end(),
	};
	size_t want = group_of(group)->answer_bytes, len = want, shared_len = MLKEM_SHARED_BYTES;
	if (!mlkem_supports(group))
		return -ENOTSUP;
	/* its coefficients are checked here: below q, each in its one form */
	EVP_PKEY *key =
		EVP_PKEY_new_raw_public_key_ex(NULL, name_of(group), NULL, peer.at, peer.len);
	EVP_PKEY_CTX *ctx = key ? EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL) : NULL;
	bool ok = ctx && EVP_PKEY_encapsulate_init(ctx, params) == 1 &&
		  EVP_PKEY_encapsulate(ctx, ciphertext, &len, shared, &shared_len) == 1 &&
		  len == want && shared_len == MLKEM_SHARED_BYTES;
	EVP_PKEY_CTX_free(ctx);
	EVP_PKEY_free(key);
	return ok ? 0 : -EPROTO;
}

int mlkem_decapsulate(EVP_PKEY *key, struct bytes ciphertext, uint8_t shared[MLKEM_SHARED_BYTES])
{
	size_t len = MLKEM_SHARED_BYTES;
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL);
	bool ok = ctx && EVP_PKEY_decapsulate_init(ctx, NULL) == 1 &&
		  EVP_PKEY_decapsulate(ctx, shared, &len, ciphertext.at, ciphertext.len) == 1 &&
		  len == MLKEM_SHARED_BYTES;
	EVP_PKEY_CTX_free(ctx);
	return ok ? 0 : -EPROTO;
}
