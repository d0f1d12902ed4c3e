/* SPDX-License-Identifier: Apache-2.0 */
#include "esp/choose.h"

#include "base/secret.h"
#include "esp/crypto_private.h"

#include <errno.h>
#include <string.h>

#define PACKETS 16 /* of a burst: enough to fill the widest lanes */
#define BYTES	256
#define ROOM	(64 + BYTES + 64)
#define ROUNDS	3 /* the fastest counts: the first one also wakes the CPU's wide units */

/* A fifth faster, or ipsec-mb stays: neighbours on the machine should not decide. */
static bool clearly_faster(uint32_t a, uint32_t b)
{
	return a + a / 4 < b;
}

struct trial {
	const struct esp_backend *backend;
	struct esp_crypto *context;
	struct esp_key *encrypt, *decrypt;
	uint8_t iv_bytes;
	uint8_t buffer[PACKETS][ROOM];
	struct esp_op op[PACKETS];
};

static void prepare(struct trial *t, const struct esp_key *key)
{
	for (unsigned i = 0; i < PACKETS; i++) {
		struct esp_op *op = &t->op[i];
		memset(op, 0, sizeof *op);
		op->key = key;
		op->payload = t->buffer[i] + 64;
		op->len = BYTES;
		op->icv = op->payload + BYTES;
		op->aad = op->payload - t->iv_bytes - 8;
		op->aad_len = 8;
		op->nonce[11] = (uint8_t)i;
	}
}

/* There and back once; the time of a packet in both directions, 0 when it failed. */
static uint32_t round_trip(struct trial *t, uint64_t (*now_ns)(void))
{
	prepare(t, t->encrypt);
	uint64_t begin = now_ns();
	int err = t->backend->encrypt(t->context, t->op, PACKETS);
	uint64_t spent = now_ns() - begin;
	prepare(t, t->decrypt);
	begin = now_ns();
	if (!err)
		err = t->backend->decrypt(t->context, t->op, PACKETS);
	spent += now_ns() - begin;
	for (unsigned i = 0; i < PACKETS; i++)
		err |= !t->op[i].ok;
	return err ? 0 : (uint32_t)(spent / PACKETS) + 1;
}

static uint32_t measure(struct trial *t, enum encryption_id e, enum integrity_id a,
			uint64_t (*now_ns)(void))
{
	uint8_t material[SECRET_MAX] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
	const struct encryption *enc = encryption_of(e);
	size_t len = (size_t)enc->key_bytes + enc->salt_bytes + integrity_of(a)->key_bytes;
	uint32_t best = 0;
	t->encrypt = t->decrypt = NULL;
	t->iv_bytes = enc->iv_bytes;
	if (!t->backend->key_new(&t->encrypt, e, a, material, len, true) &&
	    !t->backend->key_new(&t->decrypt, e, a, material, len, false)) {
		for (unsigned i = 0; i < ROUNDS; i++) {
			uint32_t ns = round_trip(t, now_ns);
			best = ns && (!best || ns < best) ? ns : best;
		}
	}
	if (t->encrypt)
		t->backend->key_free(t->encrypt);
	if (t->decrypt)
		t->backend->key_free(t->decrypt);
	return best;
}

static bool is_pair(enum encryption_id e, enum integrity_id a)
{
	return esp_backend_openssl.supports(e, a);
}

/* Key lengths do not change who is faster: the first of a cipher's pairs is measured for all. */
static enum encryption_id measured_for(enum encryption_id e)
{
	switch (e) {
	case ENCR_AES_CBC_192:
	case ENCR_AES_CBC_256: return ENCR_AES_CBC_128;
	case ENCR_AES_GCM16_192:
	case ENCR_AES_GCM16_256: return ENCR_AES_GCM16_128;
	default: return e;
	}
}

static void decide(struct trial *mb, struct trial *ssl, struct esp_choice *out,
		   enum encryption_id e, enum integrity_id a, uint64_t (*now_ns)(void))
{
	struct esp_chosen *c = &out->of[e][a];
	enum encryption_id first = measured_for(e);
	if (first != e) {
		*c = out->of[first][a];
		return;
	}
	c->backend = &esp_backend_openssl;
	if (!esp_backend_ipsec_mb.supports(e, a))
		return;
	c->ipsec_mb_ns = measure(mb, e, a, now_ns);
	c->openssl_ns = measure(ssl, e, a, now_ns);
	if (c->ipsec_mb_ns && !(c->openssl_ns && clearly_faster(c->openssl_ns, c->ipsec_mb_ns)))
		c->backend = &esp_backend_ipsec_mb;
}

static void measure_all(struct esp_choice *out, uint64_t (*now_ns)(void))
{
	struct trial mb, ssl;
	memset(&mb, 0, sizeof mb);
	memset(&ssl, 0, sizeof ssl);
	mb.backend = &esp_backend_ipsec_mb;
	ssl.backend = &esp_backend_openssl;
	int err = mb.backend->context_new(&mb.context);
	if (!err)
		err = ssl.backend->context_new(&ssl.context);
	for (int e = ENCR_NONE + 1; !err && e < ENCR_COUNT; e++)
		for (int a = AUTH_NONE; a < AUTH_COUNT; a++)
			if (is_pair((enum encryption_id)e, (enum integrity_id)a))
				decide(&mb, &ssl, out, (enum encryption_id)e, (enum integrity_id)a,
				       now_ns);
	mb.backend->context_free(mb.context);
	ssl.backend->context_free(ssl.context);
}

static void take_for_all(struct esp_choice *out, const struct esp_backend *b)
{
	for (int e = ENCR_NONE + 1; e < ENCR_COUNT; e++)
		for (int a = AUTH_NONE; a < AUTH_COUNT; a++) {
			bool here = b->supports((enum encryption_id)e, (enum integrity_id)a);
			if (is_pair((enum encryption_id)e, (enum integrity_id)a))
				out->of[e][a].backend = here ? b : &esp_backend_openssl;
		}
}

int esp_choose(struct esp_choice *out, const char *name, uint64_t (*now_ns)(void))
{
	memset(out, 0, sizeof *out);
	out->workers = esp_backend_choose(name);
	if (!out->workers)
		return -ENOENT;
	take_for_all(out, out->workers);
	if (!strcmp(name, "auto") && out->workers == &esp_backend_ipsec_mb)
		measure_all(out, now_ns);
	return 0;
}

const struct esp_backend *esp_choice_of(const struct esp_choice *c, enum encryption_id e,
					enum integrity_id a)
{
	return e < ENCR_COUNT && a < AUTH_COUNT ? c->of[e][a].backend : NULL;
}
