/* SPDX-License-Identifier: Apache-2.0 */
/* What the ESP tests share: random numbers with a seed, pairs of SAs, packets, buffers with guards.
 */
#ifndef XGW_TESTS_UNIT_ESP_RIG_H
#define XGW_TESTS_UNIT_ESP_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/bytes.h"
#include "esp/checksum.h"
#include "esp/esp.h"

#define RIG_ROOM   2600
#define RIG_FRONT  128
#define RIG_PACKET (RIG_FRONT + RIG_ROOM)

/* splitmix64: the same numbers on every machine. */
static inline uint64_t rig_random(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15ull;
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return z ^ (z >> 31);
}

static inline void rig_fill(uint8_t *p, size_t n, uint64_t *state)
{
	for (size_t i = 0; i < n; i++)
		p[i] = (uint8_t)rig_random(state);
}

struct rig_shape {
	enum encryption_id e;
	enum integrity_id a;
	bool esn, udp, outer6;
};

static const struct {
	enum encryption_id e;
	enum integrity_id a;
} rig_algorithms[] = {
	{ENCR_AES_GCM16_128, AUTH_NONE},
	{ENCR_AES_GCM16_192, AUTH_NONE},
	{ENCR_AES_GCM16_256, AUTH_NONE},
	{ENCR_CHACHA20_POLY1305, AUTH_NONE},
	{ENCR_AES_CBC_128, AUTH_HMAC_SHA1_96},
	{ENCR_AES_CBC_128, AUTH_HMAC_SHA2_256_128},
	{ENCR_AES_CBC_192, AUTH_HMAC_SHA2_256_128},
	{ENCR_AES_CBC_256, AUTH_HMAC_SHA2_256_128},
	{ENCR_AES_CBC_256, AUTH_HMAC_SHA2_384_192},
	{ENCR_AES_CBC_256, AUTH_HMAC_SHA2_512_256},
	{ENCR_3DES, AUTH_HMAC_SHA1_96},
	{ENCR_NULL, AUTH_HMAC_SHA2_256_128},
};
#define RIG_ALGORITHMS (sizeof rig_algorithms / sizeof *rig_algorithms)

static inline struct traffic_selector rig_any(enum ip_family family)
{
	struct traffic_selector ts = {.port_last = 65535};
	ts.range.first.family = ts.range.last.family = (uint8_t)family;
	memset(ts.range.last.b, 0xff, family == IP_V4 ? 4 : 16);
	return ts;
}

static inline void rig_key(struct secret *s, const struct rig_shape *shape, uint64_t seed)
{
	const struct encryption *e = encryption_of(shape->e);
	s->len = (uint16_t)(e->key_bytes + e->salt_bytes + integrity_of(shape->a)->key_bytes);
	rig_fill(s->b, s->len, &seed);
}

/* Any-to-any in both families; SPI 0x101 in, 0x202 out; keys from the seed. */
static inline struct child_sa rig_child(const struct rig_shape *shape)
{
	struct child_sa c = {
		.connection = 1,
		.spi_in = 0x101,
		.spi_out = 0x202,
		.encapsulation = shape->udp ? ESP_IN_UDP : ESP_NATIVE,
		.encryption = (uint8_t)shape->e,
		.integrity = (uint8_t)shape->a,
		.esn = shape->esn,
		.n_local_ts = 2,
		.n_remote_ts = 2,
	};
	const char *local = shape->outer6 ? "2001:db8::1" : "198.51.100.1";
	const char *remote = shape->outer6 ? "2001:db8::2" : "198.51.100.2";
	assert_int_equal(ip_addr_parse(&c.local.addr, local), 0);
	assert_int_equal(ip_addr_parse(&c.remote.addr, remote), 0);
	c.local.port = 4500;
	c.remote.port = 4500;
	c.local_ts[0] = c.remote_ts[0] = rig_any(IP_V4);
	c.local_ts[1] = c.remote_ts[1] = rig_any(IP_V6);
	rig_key(&c.key_out, shape, 1);
	rig_key(&c.key_in, shape, 2);
	return c;
}

/* The other end of the same tunnel. */
static inline struct child_sa rig_mirror(const struct child_sa *c)
{
	struct child_sa m = *c;
	m.spi_in = c->spi_out;
	m.spi_out = c->spi_in;
	m.local = c->remote;
	m.remote = c->local;
	m.key_in = c->key_out;
	m.key_out = c->key_in;
	memcpy(m.local_ts, c->remote_ts, sizeof m.local_ts);
	memcpy(m.remote_ts, c->local_ts, sizeof m.remote_ts);
	m.n_local_ts = c->n_remote_ts;
	m.n_remote_ts = c->n_local_ts;
	return m;
}

static inline struct esp_sa *rig_sa(const struct child_sa *c, const struct esp_backend *b)
{
	struct esp_sa *sa;
	struct fault f;
	struct esp_sa_options o = {.backend = b, .dscp_copy = 1};
	assert_int_equal(esp_sa_new(&sa, c, &o, &f), 0);
	return sa;
}

static inline struct esp_crypto *rig_crypto(const struct esp_backend *b)
{
	struct esp_crypto *c;
	assert_int_equal(b->context_new(&c), 0);
	return c;
}

/* An inner packet of len bytes (>= 20 or 40) whose payload is random; protocol 253 (RFC 3692). */
static inline void rig_inner(uint8_t *ip, uint32_t len, unsigned family, uint64_t *seed)
{
	rig_fill(ip, len, seed);
	if (family == 4) {
		static const uint8_t head[20] = {0x45, 0, 0,  0, 0, 0, 0x40, 0, 64, 253,
						 0,    0, 10, 1, 0, 4, 10,   2, 0,  4};
		memcpy(ip, head, 20);
		store_be16(ip + 2, (uint16_t)len);
		store_be16(ip + 10, (uint16_t)~checksum_fold(checksum_add(0, ip, 20)));
	} else {
		memset(ip, 0, 40);
		ip[0] = 0x60;
		store_be16(ip + 4, (uint16_t)(len - 40));
		ip[6] = 253;
		ip[7] = 64;
		ip[8] = ip[24] = 0xfd;
		ip[23] = 1;
		ip[39] = 2;
	}
}

static inline struct esp_packet rig_packet(struct esp_sa *sa, uint8_t *buffer, uint32_t len)
{
	return (struct esp_packet){
		.sa = sa,
		.at = buffer + RIG_FRONT,
		.len = len,
		.headroom = RIG_FRONT,
		.tailroom = RIG_ROOM - len,
		.drop = XGW_DROP_COUNT,
	};
}

/* Where the ESP header stands in what encrypt made. */
static inline uint16_t rig_esp_offset(const struct child_sa *c)
{
	return (uint16_t)((c->local.addr.family == IP_V4 ? 20 : 40) +
			  (c->encapsulation == ESP_IN_UDP ? 8 : 0));
}

#endif
