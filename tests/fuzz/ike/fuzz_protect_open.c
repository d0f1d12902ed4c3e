/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as a protected message under known keys: must be refused unless it is one that we
 * sealed. The first byte picks the suite. The same bytes are sealed as payloads too, and must come
 * back.
 */
#include "ike/protect.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct ike_chosen suites[] = {
	{.encryption = ENCR_AES_GCM16_256, .prf = PRF_HMAC_SHA2_256},
	{.encryption = ENCR_CHACHA20_POLY1305, .prf = PRF_HMAC_SHA2_256},
	{.encryption = ENCR_AES_CBC_128, .integrity = AUTH_HMAC_SHA1_96, .prf = PRF_HMAC_SHA1},
	{.encryption = ENCR_AES_CBC_256,
	 .integrity = AUTH_HMAC_SHA2_512_256,
	 .prf = PRF_HMAC_SHA2_512},
	{.encryption = ENCR_3DES, .integrity = AUTH_HMAC_SHA2_256_128, .prf = PRF_HMAC_SHA2_256},
};

static void expect(bool holds)
{
	if (!holds)
		abort();
}

static int open_bytes(const struct ike_keys *k, const struct ike_chosen *c, struct bytes datagram,
		      uint8_t *out, size_t room, size_t *n)
{
	struct ike_message m;
	struct fault f;
	int err = ike_message_parse(&m, datagram, &f);
	return err ? err : protect_open(k, c, &m, out, room, n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t plain[LIMIT_MESSAGE], sealed[LIMIT_MESSAGE + 256];
	static const uint8_t seed[32] = {1, 2, 3}, iv[PROTECT_IV_RANDOM] = {9};
	struct bytes x = {seed, sizeof seed};
	struct ike_keys k;
	size_t n, len;
	if (!size || size > LIMIT_MESSAGE)
		return 0;
	const struct ike_chosen *c = &suites[data[0] % (sizeof suites / sizeof *suites)];
	struct bytes rest = {data + 1, size - 1};
	expect(!keys_ike(&k, c, x, x, x, 1, 2));
	/* nobody but the holder of the keys makes one: reaching this would be a forgery */
	expect(open_bytes(&k, c, rest, plain, sizeof plain, &n) != 0);
	struct ike_header h = {.exchange = IKE_INFORMATIONAL,
			       .flags = data[0] & IKE_FLAG_INITIATOR};
	expect(!protect_seal(&k, c, &h, PAYLOAD_NOTIFY, rest, iv, sealed, sizeof sealed, &len));
	expect(!open_bytes(&k, c, (struct bytes){sealed, len}, plain, sizeof plain, &n));
	expect(n == rest.len && (!n || !memcmp(plain, rest.at, n)));
	sealed[data[0] * size % len] ^= 1u << (data[0] & 7);
	expect(open_bytes(&k, c, (struct bytes){sealed, len}, plain, sizeof plain, &n) != 0);
	return 0;
}
