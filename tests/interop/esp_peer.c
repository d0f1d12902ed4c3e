/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ESP transform and its cryptography as a filter, for tests against other implementations.
 * Lines in, a line out for each; bytes in hex, "-" for none:
 *
 *   sa BACKEND ENCRYPTION INTEGRITY KEY LOCAL REMOTE SPI ENCAPSULATION ESN SEQUENCE
 *       one SPI and key for both directions; SEQUENCE: the last number used. Answer: ok
 *   encrypt PACKET, decrypt PACKET OFFSET-OF-ESP     Answer: the packet, or "drop REASON"
 *   seal BACKEND ENCRYPTION INTEGRITY KEY NONCE AAD PLAIN     Answer: "CIPHER ICV"
 *   open BACKEND ENCRYPTION INTEGRITY KEY NONCE AAD CIPHER ICV     Answer: the plain text, or "bad"
 *
 * Algorithms by their names in the configuration (an AEAD stands in both places), KEY: encryption
 * key, salt, integrity key. "none": the back end does not have it.
 */
#include "esp/sa.h"
#include "maps/maps.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FRONT 128
#define ROOM  70000

static struct {
	const struct esp_backend *backend;
	struct esp_crypto *crypto;
	struct esp_sa *sa;
	uint8_t bytes[ROOM];
} peer;

static _Noreturn void die(const char *why, const char *what)
{
	fprintf(stderr, "esp_peer: %s: %s\n", why, what);
	exit(1);
}

static const char *word(char **rest)
{
	const char *w = strsep(rest, " \n");
	if (!w || !*w)
		die("a word is missing", "end of the line");
	return w;
}

static size_t read_hex(uint8_t *out, size_t room, const char *hex)
{
	size_t n = strcmp(hex, "-") ? strlen(hex) / 2 : 0;
	if (n > room)
		die("too long", hex);
	for (size_t i = 0; i < n; i++) {
		unsigned byte;
		if (sscanf(hex + 2 * i, "%2x", &byte) != 1)
			die("not hexadecimal", hex);
		out[i] = (uint8_t)byte;
	}
	return n;
}

static void write_hex(const uint8_t *at, size_t n, char end)
{
	for (size_t i = 0; i < n; i++)
		printf("%02x", at[i]);
	printf("%s%c", n ? "" : "-", end);
}

static void use_backend(const char *name)
{
	const struct esp_backend *b = esp_backend_choose(name);
	if (!b)
		die("no such back end here", name);
	if (b == peer.backend)
		return;
	if (peer.crypto)
		peer.backend->context_free(peer.crypto);
	peer.backend = b;
	if (b->context_new(&peer.crypto))
		die("no context", name);
}

/* False: the back end has it not. */
static bool read_algorithms(struct child_sa *c, char **rest)
{
	use_backend(word(rest));
	const char *e = word(rest), *a = word(rest);
	for (int i = ENCR_NONE + 1; i < ENCR_COUNT; i++)
		if (!strcmp(encryption_of((enum encryption_id)i)->contract_name, e))
			c->encryption = (uint8_t)i;
	for (int i = AUTH_NONE + 1; i < AUTH_COUNT; i++)
		if (!strcmp(integrity_of((enum integrity_id)i)->contract_name, a))
			c->integrity = (uint8_t)i;
	if (!c->encryption)
		die("no such encryption", e);
	if (encryption_of(c->encryption)->aead)
		c->integrity = AUTH_NONE;
	c->key_in.len = (uint16_t)read_hex(c->key_in.b, sizeof c->key_in.b, word(rest));
	c->key_out = c->key_in;
	return peer.backend->supports(c->encryption, c->integrity);
}

/* ---- packets ---- */

static struct traffic_selector any(uint8_t family)
{
	struct traffic_selector ts = {.port_last = UINT16_MAX};
	ts.range.first.family = ts.range.last.family = family;
	memset(ts.range.last.b, 0xff, family == IP_V4 ? 4 : 16);
	return ts;
}

static void set_sa(char *rest)
{
	struct child_sa c = {.n_local_ts = 2, .n_remote_ts = 2};
	struct fault f;
	bool has = read_algorithms(&c, &rest);
	if (ip_addr_parse(&c.local.addr, word(&rest)) || ip_addr_parse(&c.remote.addr, word(&rest)))
		die("no address", "LOCAL REMOTE");
	c.spi_in = c.spi_out = (uint32_t)strtoul(word(&rest), NULL, 0);
	c.encapsulation = strcmp(word(&rest), "udp") ? ESP_NATIVE : ESP_IN_UDP;
	c.local.port = c.remote.port = 4500;
	c.esn = strcmp(word(&rest), "0") != 0;
	c.local_ts[0] = c.remote_ts[0] = any(IP_V4);
	c.local_ts[1] = c.remote_ts[1] = any(IP_V6);
	uint64_t sequence = strtoull(word(&rest), NULL, 0);
	const struct esp_sa_options o = {.backend = peer.backend, .dscp_copy = 1};
	esp_sa_free(peer.sa);
	peer.sa = NULL;
	if (has && esp_sa_new(&peer.sa, &c, &o, &f))
		die("no SA", f.text);
	if (has) {
		peer.sa->out.sequence = sequence;
		replay_advance(&peer.sa->in.replay, sequence);
	}
	puts(has ? "ok" : "none");
}

static void transform(char *rest, bool encrypt)
{
	uint8_t *at = peer.bytes + FRONT;
	size_t n = read_hex(at, ROOM - 2 * FRONT, word(&rest));
	struct esp_packet p = {.sa = peer.sa,
			       .at = at,
			       .len = (uint32_t)n,
			       .headroom = FRONT,
			       .tailroom = (uint32_t)(ROOM - FRONT - n)};
	if (!encrypt)
		p.esp = (uint16_t)atoi(word(&rest));
	(encrypt ? esp_encrypt : esp_decrypt)(peer.crypto, &p, 1);
	if (p.drop)
		printf("drop %s\n", maps_drop_name(p.drop));
	else
		write_hex(p.at, p.len, '\n');
}

/* ---- cryptography alone ---- */

/* AAD, IV (with an HMAC), payload and ICV as they stand in a packet. */
static void raw(char *rest, bool encrypt)
{
	struct child_sa c = {0};
	struct esp_key *key;
	struct esp_op op = {0};
	if (!read_algorithms(&c, &rest)) {
		puts("none");
		return;
	}
	const struct encryption *e = encryption_of(c.encryption);
	unsigned icv = e->aead ? e->icv_bytes : integrity_of(c.integrity)->icv_bytes;
	size_t nonce = read_hex(op.nonce, sizeof op.nonce, word(&rest));
	op.aad = peer.bytes;
	op.aad_len = (uint8_t)read_hex(peer.bytes, 255, word(&rest));
	op.payload = peer.bytes + op.aad_len;
	if (!e->aead) {
		memcpy(op.payload, op.nonce, nonce);
		op.payload += nonce;
	}
	op.len = (uint32_t)read_hex(op.payload, ROOM - 512, word(&rest));
	op.icv = op.payload + op.len;
	if (!encrypt)
		read_hex(op.icv, icv, word(&rest));
	int err = peer.backend->key_new(&key, c.encryption, c.integrity, c.key_in.b, c.key_in.len,
					encrypt);
	if (err)
		die("no key", strerror(-err));
	op.key = key;
	err = (encrypt ? peer.backend->encrypt : peer.backend->decrypt)(peer.crypto, &op, 1);
	peer.backend->key_free(key);
	if (err || (!encrypt && !op.ok)) {
		puts("bad");
		return;
	}
	write_hex(op.payload, op.len, encrypt ? ' ' : '\n');
	if (encrypt)
		write_hex(op.icv, icv, '\n');
}

int main(void)
{
	char *line = NULL;
	size_t room = 0;
	while (getline(&line, &room, stdin) > 0) {
		char *rest = line;
		const char *verb = word(&rest);
		if (!strcmp(verb, "sa"))
			set_sa(rest);
		else if (!strcmp(verb, "encrypt") || !strcmp(verb, "decrypt"))
			transform(rest, verb[0] == 'e');
		else
			raw(rest, !strcmp(verb, "seal"));
		fflush(stdout);
	}
	free(line);
	esp_sa_free(peer.sa);
	if (peer.crypto)
		peer.backend->context_free(peer.crypto);
	return 0;
}
