/* SPDX-License-Identifier: Apache-2.0 */
#include "loader/discover.h"

#include "base/bytes.h"

#include <string.h>

#define ETHERTYPE_ARP  0x0806
#define ETHERTYPE_IPV6 0x86dd
#define ETHERTYPE_VLAN 0x8100

static void put_ethernet(struct writer *w, const struct discover *d, const uint8_t to[6],
			 uint16_t type)
{
	writer_bytes(w, to, 6);
	writer_bytes(w, d->mac, 6);
	if (d->vlan) {
		writer_u16(w, ETHERTYPE_VLAN);
		writer_u16(w, d->vlan);
	}
	writer_u16(w, type);
}

static void put_arp(struct writer *w, const struct discover *d)
{
	static const uint8_t everyone[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
	put_ethernet(w, d, everyone, ETHERTYPE_ARP);
	writer_u16(w, 1);      /* Ethernet */
	writer_u16(w, 0x0800); /* IPv4 */
	writer_u8(w, 6);
	writer_u8(w, 4);
	writer_u16(w, 1); /* request */
	writer_bytes(w, d->mac, 6);
	writer_bytes(w, d->source.b, 4);
	writer_zero(w, 6);
	writer_bytes(w, d->target.b, 4);
	writer_zero(w, 18); /* Ethernet's least length */
}

/* Sum of 16-bit words in network order (RFC 1071). */
static uint32_t sum_of(const uint8_t *p, size_t n)
{
	uint32_t sum = 0;
	for (size_t i = 0; i + 1 < n; i += 2)
		sum += load_be16(p + i);
	return sum;
}

static void put_solicitation(struct writer *w, const struct discover *d)
{
	const uint8_t *t = d->target.b;
	const uint8_t to[6] = {0x33, 0x33, 0xff, t[13], t[14], t[15]};
	uint8_t group[16] = {0xff, 2, [11] = 1, [12] = 0xff};
	uint8_t body[32] = {135};
	memcpy(group + 13, t + 13, 3);
	memcpy(body + 8, t, 16);
	body[24] = 1; /* option: source link-layer address, 8 bytes */
	body[25] = 1;
	memcpy(body + 26, d->mac, 6);
	uint32_t sum = sum_of(body, sizeof body) + sum_of(d->source.b, 16) + sum_of(group, 16) +
		       (uint32_t)sizeof body + 58;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	store_be16(body + 2, (uint16_t)~sum);
	put_ethernet(w, d, to, ETHERTYPE_IPV6);
	writer_u32(w, 0x60000000);
	writer_u16(w, sizeof body);
	writer_u8(w, 58);  /* ICMPv6 */
	writer_u8(w, 255); /* RFC 4861 section 7.1.1: came over no router */
	writer_bytes(w, d->source.b, 16);
	writer_bytes(w, group, 16);
	writer_bytes(w, body, sizeof body);
}

size_t discover_frame(uint8_t out[DISCOVER_FRAME], const struct discover *d)
{
	struct writer w;
	if (d->source.family != d->target.family)
		return 0;
	writer_init(&w, out, DISCOVER_FRAME);
	if (d->target.family == IP_V4)
		put_arp(&w, d);
	else if (d->target.family == IP_V6)
		put_solicitation(&w, d);
	return writer_ok(&w) ? writer_len(&w) : 0;
}
