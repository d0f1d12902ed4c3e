/* SPDX-License-Identifier: Apache-2.0 */
#include "p2s/sstp_binding.h"

#include "base/secret.h"

#include <errno.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>

/* Offsets in a Call Connected message. */
#define HASH_AT	       15
#define NONCE_AT       16
#define CERTIFICATE_AT 48
#define MAC_AT	       80
#define VALUE_LEN      100 /* of its only attribute */

static const EVP_MD *digest_of(uint8_t hash)
{
	return hash == SSTP_SHA256 ? EVP_sha256() : EVP_sha1();
}

int sstp_certificate_hash(struct bytes der, struct sstp_certificate *out)
{
	memset(out, 0, sizeof *out);
	bool ok = EVP_Digest(der.at, der.len, out->sha1, NULL, EVP_sha1(), NULL) == 1 &&
		  EVP_Digest(der.at, der.len, out->sha256, NULL, EVP_sha256(), NULL) == 1;
	return ok ? 0 : -EIO;
}

static int hmac(uint8_t hash, const uint8_t *key, size_t key_len, struct bytes text,
		uint8_t out[SSTP_HASH])
{
	unsigned len = 0;
	memset(out, 0, SSTP_HASH);
	return HMAC(digest_of(hash), key, (int)key_len, text.at, text.len, out, &len) ? (int)len
										      : -EIO;
}

/* One round of PRF+ makes as many bytes as the hash has: T1 = HMAC(HLAK, seed | length | 1), the
 * length in little endian. */
static int compound_key(uint8_t hash, const uint8_t key[SSTP_KEY], uint8_t out[SSTP_HASH])
{
	static const char seed[] = "SSTP inner method derived CMK";
	uint8_t text[sizeof seed - 1 + 3];
	memcpy(text, seed, sizeof seed - 1);
	text[sizeof seed - 1] = hash == SSTP_SHA256 ? 32 : 20;
	text[sizeof seed] = 0;
	text[sizeof seed + 1] = 1;
	return hmac(hash, key, SSTP_KEY, (struct bytes){text, sizeof text}, out);
}

int sstp_compound_mac(uint8_t hash, const uint8_t key[SSTP_KEY], const uint8_t *message,
		      uint8_t out[SSTP_HASH])
{
	uint8_t cmk[SSTP_HASH], copy[SSTP_CALL_CONNECTED_LEN];
	int n = compound_key(hash, key, cmk);
	memcpy(copy, message, sizeof copy);
	memset(copy + MAC_AT, 0, SSTP_HASH);
	if (n > 0)
		n = hmac(hash, cmk, (size_t)n, (struct bytes){copy, sizeof copy}, out);
	wipe(cmk, sizeof cmk);
	return n > 0 ? 0 : -EIO;
}

unsigned sstp_keys(const char *method, const uint8_t *msk, uint8_t out[SSTP_KEYS][SSTP_KEY])
{
	memset(out, 0, (size_t)SSTP_KEYS * SSTP_KEY);
	memcpy(out[0], msk, SSTP_KEY);
	if (!strcmp(method, "EAP-TLS")) {
		memcpy(out[1], msk, 16);
		memcpy(out[1] + 16, msk + 32, 16);
		return 2;
	}
	return !strcmp(method, "EAP-MSCHAPv2") ? 2 : 1;
}

/* Every key is tried, whichever fits. */
static bool is_bound(const struct sstp_binding *b, uint8_t hash, const uint8_t *message)
{
	bool bound = false;
	for (unsigned i = 0; i < b->n_keys; i++) {
		uint8_t mac[SSTP_HASH];
		bound |= !sstp_compound_mac(hash, b->keys[i], message, mac) &&
			 secret_equal(mac, sizeof mac, message + MAC_AT, SSTP_HASH);
	}
	return bound;
}

static int wrong(struct fault *f, const char *what)
{
	return fault_set(f, -EACCES,
			 "crypto binding: %s; somebody may stand between the client and us", what);
}

int sstp_binding_verify(const struct sstp_binding *b, struct bytes message, struct fault *f)
{
	if (message.len != SSTP_CALL_CONNECTED_LEN ||
	    (load_be16(message.at + 10) & 0x0fff) != VALUE_LEN + 4)
		return fault_set(f, -EACCES, "crypto binding: malformed");
	uint8_t hash = message.at[HASH_AT];
	/* one of those that we offered, and not several (a downgrade would need that) */
	if ((hash != SSTP_SHA1 && hash != SSTP_SHA256) || !(hash & b->hashes))
		return fault_set(f, -EACCES, "crypto binding: a hash that was not offered (0x%02x)",
				 hash);
	const uint8_t *seen = hash == SSTP_SHA256 ? b->certificate->sha256 : b->certificate->sha1;
	if (!secret_equal(message.at + NONCE_AT, SSTP_NONCE, b->nonce, SSTP_NONCE))
		return wrong(f, "it does not answer our nonce");
	if (!secret_equal(message.at + CERTIFICATE_AT, SSTP_HASH, seen, SSTP_HASH))
		return wrong(f, "the client saw another certificate than ours");
	if (is_bound(b, hash, message.at))
		return 0;
	return wrong(f, "the compound MAC is wrong");
}
