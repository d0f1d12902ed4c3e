/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ESP from a peer that holds the key: the input is an SA's shape, then plain text that is encrypted
 * as it stands (so that trailer and inner header are the fuzzer's), or a packet as it came. Decrypt
 * must not read or write outside the frame, what it accepts must be a whole IP packet within it,
 * and both back ends must say the same.
 */
#include "base/bytes.h"
#include "esp/esp.h"

#include <stdlib.h>
#include <string.h>

static const struct esp_backend *const backends[2] = {&esp_backend_openssl, &esp_backend_ipsec_mb};
static struct esp_crypto *crypto[2];

static struct child_sa child_of(uint8_t shape)
{
	static const enum encryption_id e[] = {ENCR_AES_GCM16_128, ENCR_AES_CBC_128, ENCR_NULL,
					       ENCR_CHACHA20_POLY1305};
	struct child_sa c = {.spi_in = 1, .spi_out = 1, .n_local_ts = 1, .n_remote_ts = 1};
	c.encryption = (uint8_t)e[shape & 3];
	c.integrity = encryption_of(c.encryption)->aead ? AUTH_NONE : AUTH_HMAC_SHA2_256_128;
	c.esn = shape & 4;
	c.local.addr = c.remote.addr = ip_addr_v4(0x01020304);
	c.local_ts[0].range.first.family = c.local_ts[0].range.last.family = IP_V4;
	memset(c.local_ts[0].range.last.b, 0xff, 4);
	c.local_ts[0].port_last = shape & 8 ? 1000 : 65535;
	c.remote_ts[0] = c.local_ts[0];
	c.key_in.len = (uint16_t)(encryption_of(c.encryption)->key_bytes +
				  encryption_of(c.encryption)->salt_bytes +
				  integrity_of(c.integrity)->key_bytes);
	c.key_out = c.key_in;
	return c;
}

/* Outer header, ESP header and IV of zeros around the input, encrypted with the SA's key. */
static uint32_t seal(const struct child_sa *c, uint8_t *frame, const uint8_t *text, uint32_t len)
{
	uint32_t iv = encryption_of(c->encryption)->iv_bytes;
	uint8_t *esp = frame + 20, aad[12] = {0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1};
	struct esp_op op = {.payload = esp + 8 + iv, .len = len, .icv = esp + 8 + iv + len};
	struct esp_key *key;
	memset(frame, 0, 28 + iv);
	frame[0] = 0x45;
	store_be16(frame + 2, (uint16_t)(28 + iv + len + 16));
	store_be32(esp, 1);
	store_be32(esp + 4, 1);
	memcpy(op.payload, text, len);
	op.aad = c->esn ? aad : esp;
	op.aad_len = c->esn ? 12 : 8;
	if (esp_backend_openssl.key_new(&key, c->encryption, c->integrity, c->key_in.b,
					c->key_in.len, true))
		abort();
	op.key = key;
	esp_backend_openssl.encrypt(crypto[0], &op, 1);
	esp_backend_openssl.key_free(key);
	return 28 + iv + len + 16;
}

static void check(const struct esp_packet *p, const uint8_t *frame, uint32_t len)
{
	if (p->drop)
		return;
	if (p->at < frame || p->at + p->len > frame + len || p->len < 20 ||
	    p->headroom + p->len + p->tailroom != len || p->at[0] >> 4 != p->family)
		abort();
}

/* One back end's answer; the frame is of exactly the packet's length. */
struct answer {
	uint8_t *frame;
	struct esp_packet p;
};

static void ask(struct answer *out, unsigned which, const uint8_t *in, uint32_t body)
{
	struct esp_sa_options o = {.backend = backends[which]};
	struct child_sa c = child_of(in[0]);
	struct esp_sa *sa;
	struct fault f;
	uint32_t len = body;
	uint8_t *frame = malloc(body + 128);
	if (!frame || esp_sa_new(&sa, &c, &o, &f))
		abort();
	if (in[0] & 16) {
		memcpy(frame, in + 1, body);
	} else {
		len = seal(&c, frame, in + 1, body);
		frame[1] = in[0] >> 6; /* ECN */
	}
	out->frame = realloc(frame, len);
	out->p = (struct esp_packet){
		.sa = sa, .at = out->frame, .len = len, .esp = in[0] & 32 ? 28 : 20};
	esp_decrypt(crypto[which], &out->p, 1);
	check(&out->p, out->frame, len);
	esp_sa_free(sa);
}

/* Their ways through the transform differ, what comes out does not. */
static void compare(const struct answer *a, const struct answer *b)
{
	if (a->p.drop != b->p.drop || a->p.newest != b->p.newest)
		abort();
	if (a->p.drop)
		return;
	if (a->p.len != b->p.len || a->p.at - a->frame != b->p.at - b->frame ||
	    a->p.headroom != b->p.headroom || a->p.tailroom != b->p.tailroom ||
	    a->p.family != b->p.family || memcmp(a->p.at, b->p.at, a->p.len) != 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *in, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *in, size_t size)
{
	struct answer a[2];
	unsigned n = esp_backend_ipsec_mb.available() ? 2 : 1;
	for (unsigned i = 0; i < n; i++)
		if (!crypto[i] && backends[i]->context_new(&crypto[i]))
			abort();
	if (size < 2 || size > 2000)
		return 0;
	for (unsigned i = 0; i < n; i++)
		ask(&a[i], i, in, (uint32_t)size - 1);
	if (n == 2)
		compare(&a[0], &a[1]);
	for (unsigned i = 0; i < n; i++)
		free(a[i].frame);
	return 0;
}
