/* SPDX-License-Identifier: Apache-2.0 */
/* Key exchange: published vectors, agreement in every group, and what RFC 6989 says must be
 * refused. */
#include "ike/dh.h"
#include "tests/unit/ike/hex.h"

#include <errno.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>

struct vector {
	enum group_id group;
	const char *i, *gi, *r, *gr, *gir;
};

static const struct vector vectors[] = {
	/* RFC 5903 section 8.1 */
	{DH_ECP_256, "C88F01F510D9AC3F70A292DAA2316DE544E9AAB8AFE84049C62A9C57862D1433",
	 "DAD0B65394221CF9B051E1FECA5787D098DFE637FC90B9EF945D0C3772581180"
	 "5271A0461CDB8252D61F1C456FA3E59AB1F45B33ACCF5F58389E0577B8990BB3",
	 "C6EF9C5D78AE012A011164ACB397CE2088685D8F06BF9BE0B283AB46476BEE53",
	 "D12DFB5289C8D4F81208B70270398C342296970A0BCCB74C736FC7554494BF63"
	 "56FBF3CA366CC23E8157854C13C58D6AAC23F046ADA30F8353E74F33039872AB",
	 "D6840F6B42F6EDAFD13116E0E12565202FEF8E9ECE7DCE03812464D04B9442DE"},
	/* section 8.2 */
	{DH_ECP_384,
	 "099F3C7034D4A2C699884D73A375A67F7624EF7C6B3C0F160647B67414DCE655E35B538041E649EE3FAEF896"
	 "783AB194",
	 "667842D7D180AC2CDE6F74F37551F55755C7645C20EF73E31634FE72B4C55EE6DE3AC808ACB4BDB4C88732AE"
	 "E95F41AA9482ED1FC0EEB9CAFC4984625CCFC23F65032149E0E144ADA024181535A0F38EEB9FCFF3C2C947DA"
	 "E69B4C634573A81C",
	 "41CB0779B4BDB85D47846725FBEC3C9430FAB46CC8DC5060855CC9BDA0AA2942E0308312916B8ED2960E4BD5"
	 "5A7448FC",
	 "E558DBEF53EECDE3D3FCCFC1AEA08A89A987475D12FD950D83CFA41732BC509D0D1AC43A0336DEF96FDA41D0"
	 "774A3571DCFBEC7AACF3196472169E838430367F66EEBE3C6E70C416DD5F0C68759DD1FFF83FA40142209DFF"
	 "5EAAD96DB9E6386C",
	 "11187331C279962D93D604243FD592CB9D0A926F422E47187521287E7156C5C4D603135569B9E9D09CF5D4A2"
	 "70F59746"},
	/* section 8.3 */
	{DH_ECP_521,
	 "0037ADE9319A89F4DABDB3EF411AACCCA5123C61ACAB57B5393DCE47608172A095AA85A30FE1C2952C6771D9"
	 "37BA9777F5957B2639BAB072462F68C27A57382D4A52",
	 "0015417E84DBF28C0AD3C278713349DC7DF153C897A1891BD98BAB4357C9ECBEE1E3BF42E00B8E380AEAE57C"
	 "2D107564941885942AF5A7F4601723C4195D176CED3E"
	 "017CAE20B6641D2EEB695786D8C946146239D099E18E1D5A514C739D7CB4A10AD8A788015AC405D7799DC75E"
	 "7B7D5B6CF2261A6A7F1507438BF01BEB6CA3926F9582",
	 "0145BA99A847AF43793FDD0E872E7CDFA16BE30FDC780F97BCCC3F078380201E9C677D600B343757A3BDBF2A"
	 "3163E4C2F869CCA7458AA4A4EFFC311F5CB151685EB9",
	 "00D0B3975AC4B799F5BEA16D5E13E9AF971D5E9B984C9F39728B5E5739735A219B97C356436ADC6E95BB0352"
	 "F6BE64A6C2912D4EF2D0433CED2B6171640012D9460F"
	 "015C68226383956E3BD066E797B623C27CE0EAC2F551A10C2C724D9852077B87220B6536C5C408A1D2AEBB8E"
	 "86D678AE49CB57091F4732296579AB44FCD17F0FC56A",
	 "01144C7D79AE6956BC8EDB8E7C787C4521CB086FA64407F97894E5E6B2D79B04D1427E73CA4BAA240A347868"
	 "59810C06B3C715A3A8CC3151F2BEE417996D19F3DDEA"},
	/* RFC 7748 section 6.1 */
	{DH_CURVE25519, "77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a",
	 "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a",
	 "5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb",
	 "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f",
	 "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742"},
};

static const enum group_id all[] = {DH_MODP_768,      DH_MODP_1024, DH_MODP_2048, DH_MODP_3072,
				    DH_MODP_4096,     DH_ECP_256,   DH_ECP_384,	  DH_ECP_521,
				    DH_MODP_2048_256, DH_CURVE25519};
#define GROUPS (sizeof all / sizeof *all)

/* The random bytes from which dh_new makes this private key: NIST scalars are (bytes mod (n - 1))
 * + 1. */
static struct dh *key_of(enum group_id group, const char *text)
{
	struct hex h = hex(text);
	uint8_t random[DH_PRIVATE_BYTES] = {0};
	struct dh *dh = NULL;
	if (group == DH_CURVE25519) {
		memcpy(random, h.b, h.len);
	} else {
		memcpy(random + sizeof random - h.len, h.b, h.len);
		random[sizeof random - 1]--;
	}
	assert_int_equal(dh_new(&dh, group, random), 0);
	return dh;
}

static struct dh *key_from_seed(enum group_id group, unsigned seed)
{
	uint8_t random[DH_PRIVATE_BYTES];
	struct dh *dh = NULL;
	for (unsigned i = 0; i < sizeof random; i++)
		random[i] = (uint8_t)((seed = seed * 1103515245u + 12345u) >> 16);
	assert_int_equal(dh_new(&dh, group, random), 0);
	return dh;
}

static void published_vectors(void **state)
{
	(void)state;
	for (unsigned n = 0; n < sizeof vectors / sizeof *vectors; n++) {
		const struct vector *v = &vectors[n];
		struct hex gi = hex(v->gi), gr = hex(v->gr), gir = hex(v->gir);
		struct dh *i = key_of(v->group, v->i), *r = key_of(v->group, v->r);
		uint8_t out[DH_SHARED_MAX];
		size_t len;
		assert_int_equal(dh_public(i).len, gi.len);
		assert_memory_equal(dh_public(i).at, gi.b, gi.len);
		assert_int_equal(dh_public(r).len, gr.len);
		assert_memory_equal(dh_public(r).at, gr.b, gr.len);
		assert_int_equal(dh_shared(i, hex_bytes(&gr), out, &len), 0);
		assert_int_equal(len, gir.len);
		assert_memory_equal(out, gir.b, len);
		assert_int_equal(dh_shared(r, hex_bytes(&gi), out, &len), 0);
		assert_memory_equal(out, gir.b, len);
		dh_free(i);
		dh_free(r);
	}
}

static void both_ends_agree_in_every_group(void **state)
{
	(void)state;
	for (unsigned g = 0; g < GROUPS; g++) {
		assert_true(dh_supports(all[g]));
		struct dh *a = key_from_seed(all[g], 1), *b = key_from_seed(all[g], 2);
		uint8_t x[DH_SHARED_MAX], y[DH_SHARED_MAX];
		size_t nx, ny;
		assert_int_equal(dh_public(a).len, group_of(all[g])->public_bytes);
		assert_int_equal(dh_shared(a, dh_public(b), x, &nx), 0);
		assert_int_equal(dh_shared(b, dh_public(a), y, &ny), 0);
		assert_int_equal(nx, group_of(all[g])->shared_bytes);
		assert_int_equal(nx, ny);
		assert_memory_equal(x, y, nx);
		dh_free(a);
		dh_free(b);
	}
}

static BIGNUM *modulus(const char *name)
{
	char copy[20];
	BIGNUM *p = NULL;
	EVP_PKEY *key = NULL;
	snprintf(copy, sizeof copy, "%s", name);
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, copy, 0),
		OSSL_PARAM_construct_end(),
	};
	EVP_PKEY_CTX *c = EVP_PKEY_CTX_new_from_name(NULL, "DH", NULL);
	assert_int_equal(EVP_PKEY_fromdata_init(c), 1);
	assert_int_equal(EVP_PKEY_fromdata(c, &key, EVP_PKEY_KEY_PARAMETERS, params), 1);
	assert_int_equal(EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_FFC_P, &p), 1);
	EVP_PKEY_free(key);
	EVP_PKEY_CTX_free(c);
	return p;
}

/* With the private key 1 the public value is the generator, with 2 its square: the field is the
 * right one. */
static void modp_values_are_powers_of_two(void **state)
{
	static const struct {
		enum group_id group;
		const char *name;
		size_t exponent_bytes;
	} rows[] = {{DH_MODP_2048, "modp_2048", 40},
		    {DH_MODP_3072, "modp_3072", 64},
		    {DH_MODP_4096, "modp_4096", 64}};
	(void)state;
	for (unsigned n = 0; n < 3; n++) {
		uint8_t random[DH_PRIVATE_BYTES], want[512];
		for (unsigned i = 0; i < sizeof random; i++)
			random[i] = (uint8_t)(i * 7 + n);
		struct dh *dh = NULL;
		assert_int_equal(dh_new(&dh, rows[n].group, random), 0);
		BIGNUM *p = modulus(rows[n].name), *x, *two = BN_new(), *y = BN_new();
		BN_CTX *c = BN_CTX_new();
		x = BN_bin2bn(random, (int)rows[n].exponent_bytes, NULL);
		BN_set_word(two, 2);
		assert_int_equal(BN_mod_exp(y, two, x, p, c), 1);
		struct bytes got = dh_public(dh);
		assert_int_equal(BN_bn2binpad(y, want, (int)got.len), got.len);
		assert_memory_equal(got.at, want, got.len);
		BN_free(p);
		BN_free(x);
		BN_free(two);
		BN_free(y);
		BN_CTX_free(c);
		dh_free(dh);
	}
}

static void refuse(enum group_id group, const uint8_t *value, size_t len)
{
	struct dh *dh = key_from_seed(group, 3);
	uint8_t out[DH_SHARED_MAX];
	size_t n;
	assert_int_equal(dh_shared(dh, (struct bytes){value, len}, out, &n), -EPROTO);
	dh_free(dh);
}

/* SECURITY A3 and A9: absent, short, long, zero values. */
static void wrong_lengths_and_zero_are_refused(void **state)
{
	(void)state;
	for (unsigned g = 0; g < GROUPS; g++) {
		struct dh *other = key_from_seed(all[g], 4);
		size_t right = dh_public(other).len;
		uint8_t value[1024] = {0};
		refuse(all[g], value, right);
		memcpy(value, dh_public(other).at, right);
		refuse(all[g], value, 0);
		refuse(all[g], value, 1);
		refuse(all[g], value, right - 1);
		refuse(all[g], value, right + 1);
		refuse(all[g], value, 1024);
		dh_free(other);
	}
}

/* SECURITY C19: RFC 6989 section 2.1: 1, p - 1, p, more than p. */
static void modp_extremes_are_refused(void **state)
{
	(void)state;
	uint8_t value[512] = {0};
	value[255] = 1;
	refuse(DH_MODP_2048, value, 256);
	refuse(DH_MODP_2048_256, value, 256);
	memset(value, 0xff, sizeof value);
	refuse(DH_MODP_2048, value, 256);
	refuse(DH_MODP_4096, value, 512);
	BIGNUM *p = modulus("modp_2048");
	assert_int_equal(BN_bn2binpad(p, value, 256), 256);
	refuse(DH_MODP_2048, value, 256);
	value[255]--;
	refuse(DH_MODP_2048, value, 256);
	BN_free(p);
}

/* SECURITY C19: RFC 6989 section 2.2: 2 is not in the subgroup of group 24. */
static void value_outside_the_subgroup_is_refused(void **state)
{
	(void)state;
	uint8_t value[256] = {0};
	value[255] = 2;
	refuse(DH_MODP_2048_256, value, sizeof value);
}

/* SECURITY C19: RFC 6989 section 2.3: y changed, so that the point is on another curve. */
static void point_off_the_curve_is_refused(void **state)
{
	(void)state;
	for (unsigned n = 0; n < 3; n++) {
		struct hex gr = hex(vectors[n].gr);
		for (unsigned bit = 0; bit < 8; bit++) {
			gr.b[gr.len - 1] ^= (uint8_t)(1u << bit);
			refuse(vectors[n].group, gr.b, gr.len);
			gr.b[gr.len - 1] ^= (uint8_t)(1u << bit);
		}
	}
}

/* SECURITY C19: x + p names the same point; only x below p is the encoding. */
static void coordinate_not_below_p_is_refused(void **state)
{
	(void)state;
	struct hex gr = hex(vectors[2].gr);
	BIGNUM *x = BN_bin2bn(gr.b, 66, NULL), *p = BN_new();
	BN_set_bit(p, 521);
	BN_sub_word(p, 1);
	BN_add(x, x, p);
	assert_int_equal(BN_bn2binpad(x, gr.b, 66), 66);
	refuse(DH_ECP_521, gr.b, gr.len);
	BN_free(x);
	BN_free(p);
}

/* SECURITY C19: RFC 7748 section 6.1, RFC 8031 section 2.3: points of small order give zero. */
static void small_order_points_of_curve25519_are_refused(void **state)
{
	static const char *const points[] = {
		"0000000000000000000000000000000000000000000000000000000000000000",
		"0100000000000000000000000000000000000000000000000000000000000000",
		"e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
		"5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
		"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	};
	(void)state;
	for (unsigned i = 0; i < sizeof points / sizeof *points; i++) {
		struct hex h = hex(points[i]);
		refuse(DH_CURVE25519, h.b, h.len);
	}
}

/* ---- ML-KEM: where the library that runs has it ---- */

static const enum group_id kems[] = {DH_ML_KEM_512, DH_ML_KEM_768, DH_ML_KEM_1024};
#define KEMS (sizeof kems / sizeof *kems)

static bool without_mlkem(void)
{
	if (dh_supports(DH_ML_KEM_768))
		return false;
	print_message("this library has no ML-KEM\n");
	return true;
}

static struct dh *answer_to(enum group_id group, struct bytes peer, uint8_t x[DH_SHARED_MAX])
{
	uint8_t random[DH_PRIVATE_BYTES] = {7, 7, 7};
	struct dh *dh = NULL;
	size_t len = 0;
	assert_int_equal(dh_answer(&dh, group, random, peer, x, &len), 0);
	assert_int_equal(len, group_of(group)->shared_bytes);
	assert_int_equal(dh_public(dh).len, group_of(group)->answer_bytes);
	return dh;
}

static void the_answer_of_every_group_is_understood(void **state)
{
	(void)state;
	for (unsigned g = 0; g < GROUPS + KEMS; g++) {
		enum group_id group = g < GROUPS ? all[g] : kems[g - GROUPS];
		if (g >= GROUPS && without_mlkem())
			return;
		uint8_t x[DH_SHARED_MAX], y[DH_SHARED_MAX];
		size_t len = 0;
		struct dh *i = key_from_seed(group, 1), *r = answer_to(group, dh_public(i), x);
		assert_int_equal(dh_public(i).len, group_of(group)->public_bytes);
		assert_int_equal(dh_shared(i, dh_public(r), y, &len), 0);
		assert_int_equal(len, group_of(group)->shared_bytes);
		assert_memory_equal(x, y, len);
		dh_free(i);
		dh_free(r);
	}
}

/* A changed ciphertext gives another secret and no error (FIPS 203 section 6.3); one of another
 * length, a public key with coefficients of q and more, and the responder's half used as the
 * initiator's are refused. */
static void what_mlkem_refuses(void **state)
{
	(void)state;
	for (unsigned k = 0; k < KEMS && !without_mlkem(); k++) {
		uint8_t x[DH_SHARED_MAX], y[DH_SHARED_MAX], b[DH_PUBLIC_MAX];
		size_t len = 0;
		struct dh *i = key_from_seed(kems[k], 1), *none = NULL;
		struct dh *r = answer_to(kems[k], dh_public(i), x);
		struct bytes c = dh_public(r), p = dh_public(i);
		memcpy(b, c.at, c.len);
		b[c.len / 2] ^= 1;
		assert_int_equal(dh_shared(i, (struct bytes){b, c.len}, y, &len), 0);
		assert_memory_not_equal(x, y, len);
		assert_int_equal(dh_shared(i, (struct bytes){b, c.len - 1}, y, &len), -EPROTO);
		assert_int_equal(dh_shared(r, c, y, &len), -EPROTO);
		memset(b, 0xff, sizeof b);
		assert_int_equal(dh_answer(&none, kems[k], b, (struct bytes){b, p.len}, y, &len),
				 -EPROTO);
		assert_int_equal(
			dh_answer(&none, kems[k], b, (struct bytes){p.at, p.len - 1}, y, &len),
			-EPROTO);
		assert_null(none);
		dh_free(i);
		dh_free(r);
	}
}

static void an_older_library_is_no_crash(void **state)
{
	uint8_t random[DH_PRIVATE_BYTES] = {1}, peer[DH_PUBLIC_MAX] = {0}, x[DH_SHARED_MAX];
	(void)state;
	for (unsigned k = 0; k < KEMS; k++) {
		struct dh *dh = NULL;
		size_t len = 0, n = group_of(kems[k])->public_bytes;
		if (dh_supports(kems[k]))
			continue;
		assert_int_equal(dh_new(&dh, kems[k], random), -ENOTSUP);
		assert_int_equal(dh_answer(&dh, kems[k], random, (struct bytes){peer, n}, x, &len),
				 -ENOTSUP);
		assert_null(dh);
	}
}

static void unknown_group_is_not_supported(void **state)
{
	uint8_t random[DH_PRIVATE_BYTES] = {1};
	struct dh *dh = NULL;
	(void)state;
	assert_false(dh_supports(DH_NONE));
	assert_int_equal(dh_new(&dh, DH_NONE, random), -ENOTSUP);
	assert_null(dh);
	dh_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(published_vectors),
		cmocka_unit_test(both_ends_agree_in_every_group),
		cmocka_unit_test(modp_values_are_powers_of_two),
		cmocka_unit_test(wrong_lengths_and_zero_are_refused),
		cmocka_unit_test(modp_extremes_are_refused),
		cmocka_unit_test(value_outside_the_subgroup_is_refused),
		cmocka_unit_test(point_off_the_curve_is_refused),
		cmocka_unit_test(coordinate_not_below_p_is_refused),
		cmocka_unit_test(small_order_points_of_curve25519_are_refused),
		cmocka_unit_test(the_answer_of_every_group_is_understood),
		cmocka_unit_test(what_mlkem_refuses),
		cmocka_unit_test(an_older_library_is_no_crash),
		cmocka_unit_test(unknown_group_is_not_supported),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
