/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any order of fragments from a peer that has the keys and lies about numbers, totals and lengths,
 * some changed on their way: what comes out is all parts of one message in their order, and never
 * more than a message may be.
 */
#include "ike/ike_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void fill(void *owner, uint8_t *out, size_t n)
{
	(void)owner;
	memset(out, 1, n);
}

static void expect(bool holds)
{
	if (!holds)
		abort();
}

/* Each part is filled with its number. */
static void in_order(const uint8_t *plain, size_t n, uint16_t total)
{
	expect(n <= LIMIT_MESSAGE && total <= LIMIT_FRAGMENTS);
	for (size_t i = 0; i < n; i++)
		expect(plain[i] && plain[i] <= total && (!i || plain[i] >= plain[i - 1]));
}

/* Five bytes: what, number, total, length. */
static void one(struct ike_sa *sa, const uint8_t *op)
{
	static uint8_t inner[LIMIT_MESSAGE], sealed[FRAGMENT_SEALED], plain[LIMIT_MESSAGE];
	static const uint8_t iv[PROTECT_IV_RANDOM];
	struct ike_fragment part = {op[1], op[2]};
	struct ike_header h = {.spi_i = 1,
			       .spi_r = 2,
			       .exchange = op[0] & 1 ? IKE_AUTH : IKE_INFORMATIONAL,
			       .flags = op[0] & 2 ? IKE_FLAG_RESPONSE | IKE_FLAG_INITIATOR
						  : IKE_FLAG_INITIATOR,
			       .id = op[0] >> 6};
	size_t n = load_be16(op + 3) % (LIMIT_MESSAGE - 256), len = 0;
	struct ike_message m;
	struct fault f;
	memset(inner, op[1], n);
	expect(!protect_seal_fragment(&sa->keys, &sa->chosen, &h, &part, PAYLOAD_NOTIFY,
				      (struct bytes){inner, n}, iv, sealed, sizeof sealed, &len));
	if (op[0] & 4)
		sealed[op[1] * 31u % len] ^= (uint8_t)(1 + op[2]);
	if (ike_message_parse(&m, (struct bytes){sealed, len}, &f) || !m.fragment.total)
		return;
	if (op[0] & 8)
		fragment_repeats(sa, &m);
	int err = fragment_open(sa, &m, plain, sizeof plain, &len);
	expect(!err || err == -EAGAIN || err == -EBADMSG);
	if (!err)
		in_order(plain, len, m.fragment.total);
	if (op[0] & 16)
		fragments_forget(sa, op[0] & 2);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t seed[32] = {1};
	static const struct ike_chosen suites[] = {
		{.encryption = ENCR_AES_GCM16_128, .prf = PRF_HMAC_SHA2_256},
		{.encryption = ENCR_AES_CBC_128,
		 .integrity = AUTH_HMAC_SHA2_256_128,
		 .prf = PRF_HMAC_SHA2_256},
	};
	struct bytes x = {seed, sizeof seed};
	struct ike *e;
	struct ike_sa *sa;
	if (!size)
		return 0;
	expect(!ike_new(&e, NULL, &(struct ike_random){fill, NULL}));
	expect(!sa_new(e, &sa, false, 2));
	sa->spi_i = 1;
	sa->chosen = suites[data[0] & 1];
	expect(!keys_ike(&sa->keys, &sa->chosen, x, x, x, 1, 2));
	sa->has_keys = sa->fragmentation = true;
	for (size_t at = 1; at + 5 <= size && at < 5 * 200; at += 5)
		one(sa, data + at);
	ike_free(e);
	return 0;
}
