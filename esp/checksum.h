/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The Internet checksum (RFC 1071) and its incremental update (RFC 1624). Sums are of 16-bit words
 * in network order, as numbers of the host.
 */
#ifndef XGW_ESP_CHECKSUM_H
#define XGW_ESP_CHECKSUM_H

#include "base/bytes.h"

static inline uint16_t checksum_fold(uint64_t sum)
{
	sum = (sum >> 32) + (sum & 0xffffffff);
	sum = (sum >> 32) + (sum & 0xffffffff);
	sum = (sum >> 16) + (sum & 0xffff);
	sum = (sum >> 16) + (sum & 0xffff);
	return (uint16_t)sum;
}

/* Adds len bytes to a sum; an odd last byte is the high half of a word. */
static inline uint64_t checksum_add(uint64_t sum, const void *from, uint32_t len)
{
	const uint8_t *p = from;
	for (; len >= 4; p += 4, len -= 4)
		sum += load_be32(p);
	if (len >= 2)
		sum += load_be16(p);
	if (len & 1)
		sum += (uint32_t)p[len - 1] << 8;
	return sum;
}

/* RFC 1624 equation 3: a stored checksum after a 16-bit word of what it covers changed. */
static inline uint16_t checksum_change(uint16_t check, uint16_t was, uint16_t is)
{
	return (uint16_t)~checksum_fold((uint64_t)(uint16_t)~check + (uint16_t)~was + is);
}

#endif
