/* SPDX-License-Identifier: Apache-2.0 */
/* See config_payload.h. */
#include "ike/config_payload.h"

#include <errno.h>
#include <string.h>

enum { CFG_REQUEST = 1, CFG_REPLY = 2 };
enum attribute { /* RFC 7296 section 3.15.1 */
		 INTERNAL_IP4_ADDRESS = 1,
		 INTERNAL_IP4_DNS = 3,
		 INTERNAL_IP6_ADDRESS = 8,
		 INTERNAL_IP6_DNS = 10,
		 INTERNAL_IP4_SUBNET = 13,
		 INTERNAL_IP6_SUBNET = 15,
};
#define ATTRIBUTES_MAX 64

/* An address with or without its prefix length; empty or all zero is "any". */
static struct ip_addr wanted(enum ip_family family, struct bytes value)
{
	struct ip_addr a = {.family = IP_NONE};
	size_t n = family == IP_V4 ? 4 : 16;
	if (value.len >= n)
		a = ip_addr_from_bytes(family, value.at);
	return a.family && ip_addr_is_unspecified(&a) ? (struct ip_addr){.family = IP_NONE} : a;
}

static bool length_fits(uint16_t type, size_t len)
{
	if (type == INTERNAL_IP4_ADDRESS)
		return len == 0 || len == 4;
	return type != INTERNAL_IP6_ADDRESS || len == 0 || len == 17 || len == 16;
}

int config_request_parse(struct config_request *out, struct bytes body)
{
	struct reader r;
	unsigned n = 0;
	memset(out, 0, sizeof *out);
	reader_init(&r, body.at, body.len);
	uint8_t type = reader_u8(&r);
	reader_skip(&r, 3);
	while (reader_more(&r) && n++ < ATTRIBUTES_MAX) {
		uint16_t attribute = reader_u16(&r) & 0x7fff;
		struct bytes value = reader_bytes(&r, reader_u16(&r));
		if (!reader_ok(&r) || !length_fits(attribute, value.len))
			return -EPROTO;
		if (attribute == INTERNAL_IP4_ADDRESS) {
			out->v4 = true;
			out->want4 = wanted(IP_V4, value);
		} else if (attribute == INTERNAL_IP6_ADDRESS) {
			out->v6 = true;
			out->want6 = wanted(IP_V6, value);
		}
	}
	if (!reader_ok(&r) || reader_left(&r))
		return -EPROTO;
	return type == CFG_REQUEST ? 0 : -ENOENT;
}

/* The value: an address and what stands behind it. */
static void put(struct writer *w, uint16_t attribute, const struct ip_addr *a, const void *more,
		size_t n)
{
	unsigned bytes = ip_addr_bytes(a);
	writer_u16(w, attribute);
	writer_u16(w, (uint16_t)(bytes + n));
	writer_bytes(w, a->b, bytes);
	writer_bytes(w, more, n);
}

static void put_route(struct writer *w, const struct ip_prefix *p)
{
	uint8_t mask[4];
	if (p->addr.family == IP_V6) {
		put(w, INTERNAL_IP6_SUBNET, &p->addr, &p->len, 1);
		return;
	}
	store_be32(mask, p->len ? ~0u << (32 - p->len) : 0);
	put(w, INTERNAL_IP4_SUBNET, &p->addr, mask, sizeof mask);
}

void config_reply_write(struct writer *w, const struct config_reply *reply)
{
	static const uint8_t whole = 128;
	writer_u8(w, CFG_REPLY);
	writer_zero(w, 3);
	if (reply->v4.family)
		put(w, INTERNAL_IP4_ADDRESS, &reply->v4, NULL, 0);
	if (reply->v6.family)
		put(w, INTERNAL_IP6_ADDRESS, &reply->v6, &whole, 1);
	for (unsigned i = 0; i < reply->n_dns; i++)
		put(w, reply->dns[i].family == IP_V4 ? INTERNAL_IP4_DNS : INTERNAL_IP6_DNS,
		    &reply->dns[i], NULL, 0);
	for (unsigned i = 0; i < reply->n_routes; i++)
		put_route(w, &reply->routes[i]);
}
