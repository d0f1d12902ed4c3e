/* SPDX-License-Identifier: Apache-2.0 */
/*
 * IP addresses, prefixes, ranges and transport end points as plain values: parse, print, compare.
 * Bytes are in network order; IPv4 stands in the first four bytes, the rest is zero, so that
 * values can be compared with memcmp. Nothing here asks a resolver.
 */
#ifndef XGW_BASE_ADDR_H
#define XGW_BASE_ADDR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum ip_family { IP_NONE = 0, IP_V4 = 4, IP_V6 = 6 };

struct ip_addr {
	uint8_t family; /* enum ip_family */
	uint8_t b[16];
};
struct ip_prefix {
	struct ip_addr addr;
	uint8_t len;
};
struct ip_range {
	struct ip_addr first, last; /* inclusive, of one family */
};
struct ip_endpoint {
	struct ip_addr addr;
	uint16_t port; /* host order */
};

#define IP_TEXT	      48 /* longest address as text, with its NUL */
#define PREFIX_TEXT   52
#define ENDPOINT_TEXT 56
#define RANGE_TEXT    100

/* 0, or -EINVAL when the text is not exactly one such value. */
int ip_addr_parse(struct ip_addr *out, const char *text);
/* "10.0.0.0/8", "fd00::/8", or an address alone (full length). Host bits are kept as given. */
int ip_prefix_parse(struct ip_prefix *out, const char *text);
/* Prefix, "A-B" or one address. */
int ip_range_parse(struct ip_range *out, const char *text);

/* Each writes into the caller's buffer of the size above and returns it. */
const char *ip_addr_format(const struct ip_addr *a, char out[IP_TEXT]);
const char *ip_prefix_format(const struct ip_prefix *p, char out[PREFIX_TEXT]);
/* A range that is a prefix prints as one. */
const char *ip_range_format(const struct ip_range *r, char out[RANGE_TEXT]);
const char *ip_endpoint_format(const struct ip_endpoint *e, char out[ENDPOINT_TEXT]);

static inline unsigned ip_addr_bytes(const struct ip_addr *a)
{
	return a->family == IP_V4 ? 4 : a->family == IP_V6 ? 16 : 0;
}
static inline unsigned ip_addr_bits(const struct ip_addr *a)
{
	return ip_addr_bytes(a) * 8;
}
/* <0, 0, >0; families order before bytes. */
int ip_addr_cmp(const struct ip_addr *a, const struct ip_addr *b);
bool ip_addr_equal(const struct ip_addr *a, const struct ip_addr *b);
bool ip_addr_is_unspecified(const struct ip_addr *a);
bool ip_endpoint_equal(const struct ip_endpoint *a, const struct ip_endpoint *b);
struct ip_addr ip_addr_v4(uint32_t host_order);
struct ip_addr ip_addr_from_bytes(enum ip_family family, const void *bytes);
/* 16 bytes as BPF maps hold them: IPv4 as ::ffff:a.b.c.d (RFC 4291 section 2.5.5.2). */
void ip_addr_to_mapped(const struct ip_addr *a, uint8_t out[16]);
struct ip_addr ip_addr_from_mapped(const uint8_t in[16]);

bool ip_prefix_contains(const struct ip_prefix *p, const struct ip_addr *a);
bool ip_prefix_covers(const struct ip_prefix *outer, const struct ip_prefix *inner);
bool ip_prefix_overlaps(const struct ip_prefix *a, const struct ip_prefix *b);
bool ip_prefix_equal(const struct ip_prefix *a, const struct ip_prefix *b);
/* True when no bit behind the prefix length is set. */
bool ip_prefix_is_canonical(const struct ip_prefix *p);
struct ip_prefix ip_prefix_canonical(struct ip_prefix p);
struct ip_range ip_prefix_range(const struct ip_prefix *p);
/* True when the range is exactly one prefix, which is then stored. */
bool ip_range_to_prefix(const struct ip_range *r, struct ip_prefix *out);
bool ip_range_contains(const struct ip_range *r, const struct ip_addr *a);
bool ip_range_covers(const struct ip_range *outer, const struct ip_range *inner);
bool ip_range_intersect(const struct ip_range *a, const struct ip_range *b, struct ip_range *out);

/* "02:00:00:00:00:04" -> 6 bytes; 0 or -EINVAL. */
int mac_parse(uint8_t out[6], const char *text);
#define MAC_TEXT 18
const char *mac_format(const uint8_t mac[6], char out[MAC_TEXT]);

#endif
