/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See dh.h. Three families: MODP (modular exponentiation in constant time), NIST curves (affine
 * points, RFC 5903), Curve25519 (RFC 8031); and ML-KEM (mlkem.h), whose two ends differ.
 */
#include "ike/dh.h"
#include "base/secret.h"
#include "ike/mlkem.h"

#include <errno.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/obj_mac.h>
#include <stdlib.h>
#include <string.h>

struct dh {
	enum group_id group;
	size_t public_bytes;
	EVP_PKEY *key;	 /* Curve25519: with its public half, which each import would compute again;
			    ML-KEM's initiator */
	EC_GROUP *curve; /* NIST curves: made once for both steps */
	uint8_t secret[DH_PRIVATE_BYTES];
	uint8_t public[]; /* public_bytes */
};

enum family { NOT_OURS, MODP, NIST, MONTGOMERY, KEM };

static enum family family_of(enum group_id group)
{
	switch (group) {
	case DH_MODP_768:
	case DH_MODP_1024:
	case DH_MODP_2048:
	case DH_MODP_3072:
	case DH_MODP_4096:
	case DH_MODP_2048_256: return MODP;
	case DH_ECP_256:
	case DH_ECP_384:
	case DH_ECP_521: return NIST;
	case DH_CURVE25519: return MONTGOMERY;
	case DH_ML_KEM_512:
	case DH_ML_KEM_768:
	case DH_ML_KEM_1024: return KEM;
	default: return NOT_OURS;
	}
}

bool dh_supports(enum group_id group)
{
	enum family family = family_of(group);
	return family == KEM ? mlkem_supports(group) : family != NOT_OURS;
}

/* ---- MODP ---- */

struct field {
	BIGNUM *p, *g, *q; /* q: order of the subgroup, NULL where p is a safe prime */
};

static void field_free(struct field *f)
{
	BN_free(f->p);
	BN_free(f->g);
	BN_free(f->q);
}

/* RFC 5114 section 2.3: the generator is not 2; OpenSSL knows the values by name. */
static int field_of_rfc5114(struct field *f)
{
	char name[] = "dh_2048_256";
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, name, 0),
		OSSL_PARAM_construct_end(),
	};
	EVP_PKEY *key = NULL;
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "DHX", NULL);
	bool ok = ctx && EVP_PKEY_fromdata_init(ctx) == 1 &&
		  EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_KEY_PARAMETERS, params) == 1 &&
		  EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_FFC_P, &f->p) == 1 &&
		  EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_FFC_G, &f->g) == 1 &&
		  EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_FFC_Q, &f->q) == 1;
	EVP_PKEY_free(key);
	EVP_PKEY_CTX_free(ctx);
	return ok ? 0 : -ENOMEM;
}

static int field_of(enum group_id group, struct field *f)
{
	memset(f, 0, sizeof *f);
	switch (group) {
	case DH_MODP_768: f->p = BN_get_rfc2409_prime_768(NULL); break;
	case DH_MODP_1024: f->p = BN_get_rfc2409_prime_1024(NULL); break;
	case DH_MODP_2048: f->p = BN_get_rfc3526_prime_2048(NULL); break;
	case DH_MODP_3072: f->p = BN_get_rfc3526_prime_3072(NULL); break;
	case DH_MODP_4096: f->p = BN_get_rfc3526_prime_4096(NULL); break;
	default: return field_of_rfc5114(f);
	}
	f->g = BN_new();
	return f->p && f->g && BN_set_word(f->g, 2) ? 0 : -ENOMEM;
}

/* out = base^secret mod p, as wide as p. Exponents as long as RFC 3526 section 8 asks for. */
static int raise(const struct field *f, const BIGNUM *base, const uint8_t *secret, uint8_t *out,
		 size_t width)
{
	BN_CTX *ctx = BN_CTX_secure_new();
	BIGNUM *x = BN_secure_new(), *r = BN_secure_new();
	int err = -ENOMEM, bytes = width <= 256 ? 40 : 64;
	if (ctx && x && r && BN_bin2bn(secret, bytes, x)) {
		BN_set_flags(x, BN_FLG_CONSTTIME);
		if (BN_mod_exp_mont_consttime(r, base, x, f->p, ctx, NULL) &&
		    BN_bn2binpad(r, out, (int)width) == (int)width)
			err = 0;
	}
	BN_clear_free(x);
	BN_clear_free(r);
	BN_CTX_free(ctx);
	return err;
}

/* RFC 6989 section 2.1: 1 < y < p - 1, and y^q = 1 where there are small subgroups. */
static bool in_range(const struct field *f, const BIGNUM *y)
{
	BN_CTX *ctx = BN_CTX_new();
	BIGNUM *t = BN_new();
	bool ok = ctx && t && BN_copy(t, f->p) && BN_sub_word(t, 1) &&
		  BN_cmp(y, BN_value_one()) > 0 && BN_cmp(y, t) < 0;
	if (ok && f->q)
		ok = BN_mod_exp(t, y, f->q, f->p, ctx) && BN_is_one(t);
	BN_free(t);
	BN_CTX_free(ctx);
	return ok;
}

static int modp_public(struct dh *dh)
{
	struct field f;
	int err = field_of(dh->group, &f);
	if (!err)
		err = raise(&f, f.g, dh->secret, dh->public, dh->public_bytes);
	field_free(&f);
	return err;
}

static int modp_shared(const struct dh *dh, struct bytes peer, uint8_t *out, size_t *len)
{
	struct field f;
	int err = field_of(dh->group, &f);
	BIGNUM *y = BN_bin2bn(peer.at, (int)peer.len, NULL);
	if (!err && !y)
		err = -ENOMEM;
	if (!err && !in_range(&f, y))
		err = -EPROTO;
	*len = group_of(dh->group)->shared_bytes;
	if (!err)
		err = raise(&f, y, dh->secret, out, *len);
	BN_free(y);
	field_free(&f);
	return err;
}

/* ---- NIST curves ---- */

static EC_GROUP *curve_of(enum group_id group)
{
	int nid = group == DH_ECP_256	? NID_X9_62_prime256v1
		  : group == DH_ECP_384 ? NID_secp384r1
					: NID_secp521r1;
	return EC_GROUP_new_by_curve_name(nid);
}

struct curve {
	const EC_GROUP *group; /* the key's */
	BN_CTX *ctx;
	EC_POINT *in, *out;
	BIGNUM *k, *x, *y;
};

static bool curve_open(struct curve *c, const struct dh *dh)
{
	memset(c, 0, sizeof *c);
	c->group = dh->curve;
	c->ctx = BN_CTX_secure_new();
	c->k = BN_secure_new();
	c->x = BN_secure_new();
	c->y = BN_secure_new();
	if (!c->group || !c->ctx || !c->k || !c->x || !c->y)
		return false;
	c->in = EC_POINT_new(c->group);
	c->out = EC_POINT_new(c->group);
	if (!c->in || !c->out || !BN_bin2bn(dh->secret, DH_PRIVATE_BYTES, c->k))
		return false;
	BN_set_flags(c->k, BN_FLG_CONSTTIME);
	/* 1 … order - 1; the 80 bytes leave a bias below 2^-100 (FIPS 186-4 B.4.1) */
	BIGNUM *n = BN_dup(EC_GROUP_get0_order(c->group));
	bool ok = n && BN_sub_word(n, 1) && BN_mod(c->k, c->k, n, c->ctx) && BN_add_word(c->k, 1);
	BN_free(n);
	return ok;
}

static void curve_close(struct curve *c)
{
	EC_POINT_clear_free(c->in);
	EC_POINT_clear_free(c->out);
	BN_clear_free(c->k);
	BN_clear_free(c->x);
	BN_clear_free(c->y);
	BN_CTX_free(c->ctx);
}

static int nist_public(struct dh *dh)
{
	struct curve c;
	size_t half = dh->public_bytes / 2;
	int err = -ENOMEM;
	dh->curve = curve_of(dh->group);
	if (curve_open(&c, dh) && EC_POINT_mul(c.group, c.out, c.k, NULL, NULL, c.ctx) == 1 &&
	    EC_POINT_get_affine_coordinates(c.group, c.out, c.x, c.y, c.ctx) == 1 &&
	    BN_bn2binpad(c.x, dh->public, (int)half) == (int)half &&
	    BN_bn2binpad(c.y, dh->public + half, (int)half) == (int)half)
		err = 0;
	curve_close(&c);
	return err;
}

/* RFC 6989 section 2.3: coordinates below p (setting them would reduce them), and on the curve. */
static bool take_point(struct curve *c, struct bytes peer, size_t half)
{
	const BIGNUM *p = EC_GROUP_get0_field(c->group);
	return BN_bin2bn(peer.at, (int)half, c->x) && BN_bin2bn(peer.at + half, (int)half, c->y) &&
	       BN_cmp(c->x, p) < 0 && BN_cmp(c->y, p) < 0 &&
	       EC_POINT_set_affine_coordinates(c->group, c->in, c->x, c->y, c->ctx) == 1;
}

static int nist_shared(const struct dh *dh, struct bytes peer, uint8_t *out, size_t *len)
{
	struct curve c;
	size_t half = peer.len / 2;
	int err = -ENOMEM;
	*len = half;
	if (!curve_open(&c, dh))
		goto out;
	err = -EPROTO;
	if (take_point(&c, peer, half) &&
	    EC_POINT_mul(c.group, c.out, NULL, c.in, c.k, c.ctx) == 1 &&
	    !EC_POINT_is_at_infinity(c.group, c.out) &&
	    EC_POINT_get_affine_coordinates(c.group, c.out, c.x, NULL, c.ctx) == 1 &&
	    BN_bn2binpad(c.x, out, (int)half) == (int)half)
		err = 0;
out:
	curve_close(&c);
	return err;
}

/* ---- Curve25519 ---- */

static int montgomery_public(struct dh *dh)
{
	size_t n = dh->public_bytes;
	dh->key = EVP_PKEY_new_raw_private_key(EVP_PKEY_X25519, NULL, dh->secret, 32);
	return dh->key && EVP_PKEY_get_raw_public_key(dh->key, dh->public, &n) == 1 ? 0 : -ENOMEM;
}

static int montgomery_shared(const struct dh *dh, struct bytes peer, uint8_t *out, size_t *len)
{
	EVP_PKEY *other = EVP_PKEY_new_raw_public_key(EVP_PKEY_X25519, NULL, peer.at, peer.len);
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(dh->key, NULL);
	*len = 32;
	/* an all-zero result is refused by EVP_PKEY_derive (RFC 8031 section 2.3) */
	int err = -EPROTO;
	if (ctx && other && EVP_PKEY_derive_init(ctx) == 1 &&
	    EVP_PKEY_derive_set_peer(ctx, other) == 1 && EVP_PKEY_derive(ctx, out, len) == 1)
		err = 0;
	EVP_PKEY_CTX_free(ctx);
	EVP_PKEY_free(other);
	return err;
}

/* ---- all of them ---- */

static struct dh *dh_with_room(enum group_id group, size_t public_bytes)
{
	struct dh *dh = calloc(1, sizeof *dh + public_bytes);
	if (!dh)
		return NULL;
	dh->group = group;
	dh->public_bytes = public_bytes;
	return dh;
}

static int make_public(struct dh *dh)
{
	switch (family_of(dh->group)) {
	case MODP: return modp_public(dh);
	case NIST: return nist_public(dh);
	case MONTGOMERY: return montgomery_public(dh);
	default: return mlkem_new(&dh->key, dh->group, dh->secret, dh->public);
	}
}

int dh_new(struct dh **out, enum group_id group, const uint8_t random[DH_PRIVATE_BYTES])
{
	if (family_of(group) == NOT_OURS)
		return -ENOTSUP;
	struct dh *dh = dh_with_room(group, group_of(group)->public_bytes);
	if (!dh)
		return -ENOMEM;
	memcpy(dh->secret, random, DH_PRIVATE_BYTES);
	int err = make_public(dh);
	if (err) {
		dh_free(dh);
		return err;
	}
	*out = dh;
	return 0;
}

static int encapsulate(struct dh **out, enum group_id group, const uint8_t *random,
		       struct bytes peer, uint8_t *shared, size_t *len)
{
	struct dh *dh = dh_with_room(group, group_of(group)->answer_bytes);
	if (!dh)
		return -ENOMEM;
	int err = mlkem_encapsulate(group, peer, random, dh->public, shared);
	if (err) {
		dh_free(dh);
		return err;
	}
	*len = MLKEM_SHARED_BYTES;
	*out = dh;
	return 0;
}

int dh_answer(struct dh **out, enum group_id group, const uint8_t random[DH_PRIVATE_BYTES],
	      struct bytes peer, uint8_t shared[DH_SHARED_MAX], size_t *len)
{
	if (peer.len != group_of(group)->public_bytes)
		return -EPROTO;
	if (family_of(group) == KEM)
		return encapsulate(out, group, random, peer, shared, len);
	struct dh *dh = NULL;
	int err = dh_new(&dh, group, random);
	if (!err)
		err = dh_shared(dh, peer, shared, len);
	if (err) {
		dh_free(dh);
		return err;
	}
	*out = dh;
	return 0;
}

void dh_free(struct dh *dh)
{
	if (!dh)
		return;
	EVP_PKEY_free(dh->key);
	EC_GROUP_free(dh->curve);
	wipe(dh, sizeof *dh + dh->public_bytes);
	free(dh);
}

struct bytes dh_public(const struct dh *dh)
{
	return (struct bytes){dh->public, dh->public_bytes};
}

int dh_shared(const struct dh *dh, struct bytes peer, uint8_t out[DH_SHARED_MAX], size_t *len)
{
	if (peer.len != group_of(dh->group)->answer_bytes)
		return -EPROTO;
	switch (family_of(dh->group)) {
	case MODP: return modp_shared(dh, peer, out, len);
	case NIST: return nist_shared(dh, peer, out, len);
	case MONTGOMERY: return montgomery_shared(dh, peer, out, len);
	default:
		*len = MLKEM_SHARED_BYTES;
		return dh->key ? mlkem_decapsulate(dh->key, peer, out) : -EPROTO;
	}
}
