/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ICMP errors that quote a packet of ours which was too big for a router's link. All of it is
 * written by someone on the way, or by anyone who pretends to be: lengths are believed of nothing.
 */
#include "esp/esp.h"

#include "base/bytes.h"
#include "esp/checksum.h"

#include <string.h>

#define PROTO_UDP   17
#define PROTO_ESP   50
#define UNREACHABLE 3
#define FRAG_NEEDED 4
#define TOO_BIG6    2

/* SPI and sequence number, of which a router may have quoted less. */
static void read_esp(struct esp_quote *out, struct reader *r)
{
	out->has_spi = reader_left(r) >= 8;
	out->spi = out->has_spi ? reader_u32(r) : 0;
	out->sequence = out->has_spi ? reader_u32(r) : 0;
}

static bool read_transport(struct esp_quote *out, struct reader *r, uint8_t protocol)
{
	if (protocol == PROTO_ESP) {
		read_esp(out, r);
		return out->has_spi;
	}
	if (protocol != PROTO_UDP)
		return false;
	out->udp = true;
	out->local.port = reader_u16(r);
	out->remote.port = reader_u16(r);
	reader_skip(r, 4);
	if (reader_ok(r))
		read_esp(out, r);
	/* IKE stands behind four zero bytes (RFC 3948 section 2.2): no SA of ours was too big */
	return reader_ok(r) && !(out->has_spi && !out->spi);
}

static bool read_v4(struct esp_quote *out, struct reader *r)
{
	uint8_t head[20];
	reader_copy(r, head, sizeof head);
	uint32_t header = (head[0] & 15) * 4u;
	if (!reader_ok(r) || head[0] >> 4 != 4 || header < 20)
		return false;
	reader_skip(r, header - 20);
	out->len = load_be16(head + 2);
	/* ours leave whole and with DF; a fragment does not show where its SA would stand */
	if (load_be16(head + 6) & 0x1fff)
		return false;
	out->local.addr = ip_addr_from_bytes(IP_V4, head + 12);
	out->remote.addr = ip_addr_from_bytes(IP_V4, head + 16);
	return read_transport(out, r, head[9]);
}

/* Ours have no extension headers. */
static bool read_v6(struct esp_quote *out, struct reader *r)
{
	uint8_t head[40];
	reader_copy(r, head, sizeof head);
	if (!reader_ok(r) || head[0] >> 4 != 6)
		return false;
	out->len = 40u + load_be16(head + 4);
	out->local.addr = ip_addr_from_bytes(IP_V6, head + 8);
	out->remote.addr = ip_addr_from_bytes(IP_V6, head + 24);
	return read_transport(out, r, head[6]);
}

bool esp_quote_parse(struct esp_quote *out, enum ip_family family, const uint8_t *icmp, size_t len)
{
	struct reader r;
	memset(out, 0, sizeof *out);
	reader_init(&r, icmp, len);
	uint8_t type = reader_u8(&r), code = reader_u8(&r);
	reader_skip(&r, 2);
	uint32_t word = reader_u32(&r);
	if (!reader_ok(&r))
		return false;
	if (family == IP_V4) {
		/* the kernel hands ICMPv4 to raw sockets before it looks at the checksum */
		if (type != UNREACHABLE || code != FRAG_NEEDED || len > UINT16_MAX ||
		    checksum_fold(checksum_add(0, icmp, (uint32_t)len)) != 0xffff)
			return false;
		out->mtu = word & 0xffff;
		return read_v4(out, &r);
	}
	out->mtu = word;
	return family == IP_V6 && type == TOO_BIG6 && code == 0 && read_v6(out, &r);
}

uint32_t esp_quote_plateau(uint32_t len)
{
	static const uint16_t plateau[] = {65535, 32000, 17914, 8166, 4352, 2002, 1492, 1006, 508};
	for (unsigned i = 0; i < sizeof plateau / sizeof *plateau; i++)
		if (plateau[i] < len)
			return plateau[i];
	return 68;
}
