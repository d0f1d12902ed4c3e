/* SPDX-License-Identifier: Apache-2.0 */
/* MS-CHAPv2 against RFC 2759 section 9.2 and RFC 3079 section 3.5.3, and passwords that are none.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "auth/mschapv2.h"

#include <errno.h>
#include <string.h>

static const uint8_t ours[16] = {0x5b, 0x5d, 0x7c, 0x7d, 0x7b, 0x3f, 0x2f, 0x3e,
				 0x3c, 0x2c, 0x60, 0x21, 0x32, 0x26, 0x26, 0x28};
static const uint8_t theirs[16] = {0x21, 0x40, 0x23, 0x24, 0x25, 0x5e, 0x26, 0x2a,
				   0x28, 0x29, 0x5f, 0x2b, 0x3a, 0x33, 0x7c, 0x7e};
static const uint8_t password_hash[16] = {0x44, 0xeb, 0xba, 0x8d, 0x53, 0x12, 0xb8, 0xd6,
					  0x11, 0x47, 0x44, 0x11, 0xf5, 0x69, 0x89, 0xae};
static const uint8_t response[24] = {0x82, 0x30, 0x9e, 0xcd, 0x8d, 0x70, 0x8b, 0x5e,
				     0xa0, 0x8f, 0xaa, 0x39, 0x81, 0xcd, 0x83, 0x54,
				     0x42, 0x33, 0x11, 0x4a, 0x3d, 0x85, 0xd6, 0xdf};
static const uint8_t proof[20] = {0x40, 0x7a, 0x55, 0x89, 0x11, 0x5f, 0xd0, 0xd6, 0x20, 0x9f,
				  0x51, 0x0f, 0xe9, 0xc0, 0x45, 0x66, 0x93, 0x2c, 0xda, 0x56};
static const uint8_t send_start_key[16] = {0x8b, 0x7c, 0xdc, 0x14, 0x9b, 0x99, 0x3a, 0x1b,
					   0xa1, 0x18, 0xcb, 0x15, 0x3f, 0x56, 0xdc, 0xcb};

/* not in the RFC: by Python's hashlib from its MasterKey */
static const uint8_t receive_start_key[16] = {0xd5, 0xf0, 0xe9, 0x52, 0x1e, 0x3e, 0xa9, 0x58,
					      0x96, 0x45, 0xe8, 0x60, 0x51, 0xc8, 0x22, 0x26};
/* of a key and an umlaut, by openssl dgst -md4 */
static const uint8_t wide_hash[16] = {0x89, 0x54, 0xf2, 0x53, 0xee, 0x07, 0xa4, 0xf2,
				      0x9c, 0x71, 0x64, 0x4f, 0x3c, 0x88, 0xc2, 0x1e};

static const struct mschapv2_exchange example = {ours, theirs, {(const uint8_t *)"User", 4}};

static int open_it(void **state)
{
	struct fault f = {0};
	struct mschapv2 *m;
	assert_int_equal(mschapv2_open(&m, &f), 0);
	*state = m;
	return 0;
}

static int close_it(void **state)
{
	mschapv2_close(*state);
	return 0;
}

static int hash_of(const struct mschapv2 *m, const char *password, uint8_t out[16])
{
	return mschapv2_hash(m, (struct bytes){(const uint8_t *)password, strlen(password)}, out);
}

static void rfc2759_section_9_2(void **state)
{
	uint8_t hash[16], out[24];
	assert_int_equal(hash_of(*state, "clientPass", hash), 0);
	assert_memory_equal(hash, password_hash, 16);
	assert_int_equal(mschapv2_response(*state, &example, hash, out), 0);
	assert_memory_equal(out, response, 24);
	assert_int_equal(mschapv2_proof(*state, &example, hash, response, out), 0);
	assert_memory_equal(out, proof, 20);
}

static void rfc3079_section_3_5_3(void **state)
{
	static const uint8_t zeros[32];
	uint8_t msk[64];
	assert_int_equal(mschapv2_msk(*state, password_hash, response, msk), 0);
	assert_memory_equal(msk + 16, send_start_key, 16);
	assert_memory_equal(msk + 32, zeros, 32);
	assert_memory_equal(msk, receive_start_key, 16);
}

static void only_the_right_response_verifies(void **state)
{
	uint8_t wrong[24], hash[16];
	struct mschapv2_exchange other = example;
	assert_int_equal(mschapv2_verify(*state, &example, password_hash, response), 0);
	for (unsigned i = 0; i < 24 * 8; i++) {
		memcpy(wrong, response, 24);
		wrong[i / 8] ^= (uint8_t)(1u << i % 8);
		assert_int_equal(mschapv2_verify(*state, &example, password_hash, wrong), -EACCES);
	}
	other.user = (struct bytes){(const uint8_t *)"user", 4};
	assert_int_equal(mschapv2_verify(*state, &other, password_hash, response), -EACCES);
	assert_int_equal(hash_of(*state, "clientpass", hash), 0);
	assert_int_equal(mschapv2_verify(*state, &example, hash, response), -EACCES);
}

static void passwords_that_are_none(void **state)
{
	static const char *const bad[] = {"\x80",	  "\xc3",	  "\xc0\x80",
					  "\xe0\x80\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80",
					  "\xff",	  "a\xe2\x82"};
	uint8_t hash[16], most[258];
	for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_int_equal(hash_of(*state, bad[i], hash), -EILSEQ);
	memset(most, 'a', sizeof most);
	assert_int_equal(mschapv2_hash(*state, (struct bytes){most, 256}, hash), 0);
	assert_int_equal(mschapv2_hash(*state, (struct bytes){most, 257}, hash), -EMSGSIZE);
	assert_int_equal(hash_of(*state, "\xf0\x9f\x94\x91\xc3\xa4", hash), 0);
	assert_memory_equal(hash, wide_hash, 16);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rfc2759_section_9_2),
		cmocka_unit_test(rfc3079_section_3_5_3),
		cmocka_unit_test(only_the_right_response_verifies),
		cmocka_unit_test(passwords_that_are_none),
	};
	return cmocka_run_group_tests(tests, open_it, close_it);
}
