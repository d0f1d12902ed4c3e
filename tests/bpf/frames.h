/* SPDX-License-Identifier: Apache-2.0 */
/* Frames built from the outside in; lengths and sums are filled in by frame_close(). */
#ifndef XGW_TESTS_BPF_FRAMES_H
#define XGW_TESTS_BPF_FRAMES_H

#include "base/addr.h"
#include "base/bytes.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

struct frame {
	uint8_t b[9216];
	size_t len;
	size_t ip[4], udp[4];
	unsigned n_ip, n_udp;
};

static inline uint8_t *frame_take(struct frame *f, size_t n)
{
	uint8_t *at = f->b + f->len;

	assert(f->len + n <= sizeof(f->b));
	memset(at, 0, n);
	f->len += n;
	return at;
}

static inline void frame_mac(uint8_t *to, const char *mac)
{
	int rc = mac_parse(to, mac);

	assert(rc == 0);
	(void)rc;
}

static inline void frame_eth(struct frame *f, const char *to, const char *from, uint16_t proto)
{
	uint8_t *at = frame_take(f, 14);

	frame_mac(at, to);
	frame_mac(at + 6, from);
	store_be16(at + 12, proto);
}

/* Puts a tag behind an Ethernet header, or another tag, just written. */
static inline void frame_tag(struct frame *f, uint16_t ethertype, uint16_t tag)
{
	uint16_t proto = load_be16(f->b + f->len - 2);
	uint8_t *at;

	store_be16(f->b + f->len - 2, ethertype);
	at = frame_take(f, 4);
	store_be16(at, tag);
	store_be16(at + 2, proto);
}

static inline void frame_vlan(struct frame *f, uint16_t tag)
{
	frame_tag(f, 0x8100, tag);
}

/* Of the addresses' family; extra: bytes of IPv4 options. */
static inline void frame_ip_options(struct frame *f, const char *from, const char *to,
				    uint8_t proto, uint8_t ttl, unsigned extra)
{
	struct ip_addr s, d;
	uint8_t *at;
	int rc = ip_addr_parse(&s, from) | ip_addr_parse(&d, to);

	assert(rc == 0 && s.family == d.family);
	(void)rc;
	f->ip[f->n_ip++] = f->len;
	if (s.family == IP_V4) {
		at = frame_take(f, 20 + extra);
		at[0] = (uint8_t)(0x45 + extra / 4);
		memset(at + 20, 1, extra);
		at[8] = ttl;
		at[9] = proto;
		memcpy(at + 12, s.b, 4);
		memcpy(at + 16, d.b, 4);
	} else {
		at = frame_take(f, 40);
		at[0] = 0x60;
		at[6] = proto;
		at[7] = ttl;
		memcpy(at + 8, s.b, 16);
		memcpy(at + 24, d.b, 16);
	}
}

static inline void frame_ip(struct frame *f, const char *from, const char *to, uint8_t proto)
{
	frame_ip_options(f, from, to, proto, 64, 0);
}

static inline void frame_udp(struct frame *f, uint16_t from, uint16_t to)
{
	uint8_t *at;

	f->udp[f->n_udp++] = f->len;
	at = frame_take(f, 8);
	store_be16(at, from);
	store_be16(at + 2, to);
	store_be16(at + 6, 0x1234);
}

static inline void frame_vxlan(struct frame *f, uint32_t vni)
{
	uint8_t *at = frame_take(f, 8);

	at[0] = 8;
	store_be32(at + 4, vni << 8);
}

static inline void frame_fill(struct frame *f, size_t n)
{
	uint8_t *at = frame_take(f, n);

	for (size_t i = 0; i < n; i++)
		at[i] = (uint8_t)(i * 7 + 1);
}

static inline uint32_t sum_of(const uint8_t *at, size_t n)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += i & 1 ? at[i] : (uint32_t)at[i] << 8;
	return sum;
}

static inline uint16_t fold(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

static inline uint16_t ipv4_sum(const uint8_t *ip)
{
	return fold(sum_of(ip, (ip[0] & 15u) * 4u));
}

/* Pseudo-header of the packet at ip and its payload: 0xffff when the sum in it is right. */
static inline uint16_t l4_sum(const uint8_t *ip)
{
	size_t header = ip[0] >> 4 == 4 ? (ip[0] & 15u) * 4u : 40;
	size_t n = ip[0] >> 4 == 4 ? load_be16(ip + 2) - header : load_be16(ip + 4);
	uint32_t sum = (uint32_t)n + (ip[0] >> 4 == 4 ? ip[9] : ip[6]);

	sum += ip[0] >> 4 == 4 ? sum_of(ip + 12, 8) : sum_of(ip + 8, 32);
	return fold(sum + sum_of(ip + header, n));
}

static inline void frame_close(struct frame *f)
{
	for (unsigned i = f->n_udp; i-- > 0;)
		store_be16(f->b + f->udp[i] + 4, (uint16_t)(f->len - f->udp[i]));
	for (unsigned i = f->n_ip; i-- > 0;) {
		uint8_t *ip = f->b + f->ip[i];

		if (ip[0] >> 4 == 4) {
			store_be16(ip + 2, (uint16_t)(f->len - f->ip[i]));
			store_be16(ip + 10, 0);
			store_be16(ip + 10, (uint16_t)~ipv4_sum(ip));
		} else {
			store_be16(ip + 4, (uint16_t)(f->len - f->ip[i] - 40));
		}
	}
}

#endif
