/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ESP from a peer that holds the key: the input is an SA's shape, then plain text that is encrypted
 * as it stands (so that trailer and inner header are the fuzzer's), or a packet as it came. Decrypt
 * must not read or write outside the frame, and what it accepts must be a whole IP packet within
 * it.
 */
#include "base/bytes.h"
#include "esp/esp.h"

#include <stdlib.h>
#include <string.h>

static struct esp_crypto *crypto;

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
	esp_backend_openssl.encrypt(crypto, &op, 1);
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

int LLVMFuzzerTestOneInput(const uint8_t *in, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *in, size_t size)
{
	struct esp_sa_options o = {.backend = &esp_backend_openssl};
	struct esp_sa *sa;
	struct fault f;
	if (!crypto && esp_backend_openssl.context_new(&crypto))
		abort();
	if (size < 2 || size > 2000)
		return 0;
	struct child_sa c = child_of(in[0]);
	uint32_t body = (uint32_t)size - 1, len = body;
	uint8_t *frame = malloc(body + 128);
	if (!frame || esp_sa_new(&sa, &c, &o, &f))
		abort();
	if (in[0] & 16)
		memcpy(frame, in + 1, body);
	else
		len = seal(&c, frame, in + 1, body);
	uint8_t *exact = realloc(frame, len);
	struct esp_packet p = {.sa = sa, .at = exact, .len = len, .esp = in[0] & 32 ? 28 : 20};
	esp_decrypt(crypto, &p, 1);
	check(&p, exact, len);
	free(exact);
	esp_sa_free(sa);
	return 0;
}
