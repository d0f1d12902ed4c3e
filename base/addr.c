/* SPDX-License-Identifier: Apache-2.0 */
#include "base/addr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int ip_addr_parse(struct ip_addr *out, const char *text)
{
	struct ip_addr a = {0};
	if (inet_pton(AF_INET, text, a.b) == 1)
		a.family = IP_V4;
	else if (inet_pton(AF_INET6, text, a.b) == 1)
		a.family = IP_V6;
	else
		return -EINVAL;
	*out = a;
	return 0;
}

/* Decimal without sign or leading blanks, at most max; -EINVAL otherwise. */
static int parse_small(const char *text, unsigned max, unsigned *out)
{
	unsigned v = 0;
	if (!*text || strlen(text) > 3)
		return -EINVAL;
	for (; *text; text++) {
		if (*text < '0' || *text > '9')
			return -EINVAL;
		v = v * 10 + (unsigned)(*text - '0');
	}
	if (v > max)
		return -EINVAL;
	*out = v;
	return 0;
}

int ip_prefix_parse(struct ip_prefix *out, const char *text)
{
	char addr[IP_TEXT];
	const char *slash = strchr(text, '/');
	size_t n = slash ? (size_t)(slash - text) : strlen(text);
	if (n >= sizeof addr)
		return -EINVAL;
	memcpy(addr, text, n);
	addr[n] = 0;
	struct ip_prefix p = {0};
	int err = ip_addr_parse(&p.addr, addr);
	if (err)
		return err;
	unsigned len = ip_addr_bits(&p.addr);
	if (slash && parse_small(slash + 1, len, &len))
		return -EINVAL;
	p.len = (uint8_t)len;
	*out = p;
	return 0;
}

int ip_range_parse(struct ip_range *out, const char *text)
{
	const char *dash = strchr(text, '-');
	if (!dash) {
		struct ip_prefix p;
		int err = ip_prefix_parse(&p, text);
		if (!err)
			*out = ip_prefix_range(&p);
		return err;
	}
	char first[IP_TEXT];
	size_t n = (size_t)(dash - text);
	if (n >= sizeof first)
		return -EINVAL;
	memcpy(first, text, n);
	first[n] = 0;
	struct ip_range r;
	if (ip_addr_parse(&r.first, first) || ip_addr_parse(&r.last, dash + 1))
		return -EINVAL;
	if (r.first.family != r.last.family || ip_addr_cmp(&r.first, &r.last) > 0)
		return -EINVAL;
	*out = r;
	return 0;
}

const char *ip_addr_format(const struct ip_addr *a, char out[IP_TEXT])
{
	if (!a->family || !inet_ntop(a->family == IP_V4 ? AF_INET : AF_INET6, a->b, out, IP_TEXT))
		snprintf(out, IP_TEXT, "any");
	return out;
}

const char *ip_prefix_format(const struct ip_prefix *p, char out[PREFIX_TEXT])
{
	char addr[IP_TEXT];
	snprintf(out, PREFIX_TEXT, "%s/%u", ip_addr_format(&p->addr, addr), p->len);
	return out;
}

const char *ip_range_format(const struct ip_range *r, char out[RANGE_TEXT])
{
	struct ip_prefix p;
	char a[PREFIX_TEXT], b[IP_TEXT];
	if (ip_range_to_prefix(r, &p))
		snprintf(out, RANGE_TEXT, "%s", ip_prefix_format(&p, a));
	else
		snprintf(out, RANGE_TEXT, "%s-%s", ip_addr_format(&r->first, a),
			 ip_addr_format(&r->last, b));
	return out;
}

const char *ip_endpoint_format(const struct ip_endpoint *e, char out[ENDPOINT_TEXT])
{
	char a[IP_TEXT];
	snprintf(out, ENDPOINT_TEXT, e->addr.family == IP_V6 ? "[%s]:%u" : "%s:%u",
		 ip_addr_format(&e->addr, a), e->port);
	return out;
}

int ip_addr_cmp(const struct ip_addr *a, const struct ip_addr *b)
{
	if (a->family != b->family)
		return a->family < b->family ? -1 : 1;
	return memcmp(a->b, b->b, sizeof a->b);
}

bool ip_addr_equal(const struct ip_addr *a, const struct ip_addr *b)
{
	return ip_addr_cmp(a, b) == 0;
}

bool ip_addr_is_unspecified(const struct ip_addr *a)
{
	static const uint8_t zero[16];
	return memcmp(a->b, zero, sizeof zero) == 0;
}

bool ip_endpoint_equal(const struct ip_endpoint *a, const struct ip_endpoint *b)
{
	return a->port == b->port && ip_addr_equal(&a->addr, &b->addr);
}

struct ip_addr ip_addr_v4(uint32_t host_order)
{
	struct ip_addr a = {.family = IP_V4};
	uint32_t be = htonl(host_order);
	memcpy(a.b, &be, 4);
	return a;
}

struct ip_addr ip_addr_from_bytes(enum ip_family family, const void *bytes)
{
	struct ip_addr a = {.family = (uint8_t)family};
	memcpy(a.b, bytes, ip_addr_bytes(&a));
	return a;
}

static const uint8_t mapped_head[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

void ip_addr_to_mapped(const struct ip_addr *a, uint8_t out[16])
{
	if (a->family == IP_V4) {
		memcpy(out, mapped_head, 12);
		memcpy(out + 12, a->b, 4);
	} else {
		memcpy(out, a->b, 16);
	}
}

struct ip_addr ip_addr_from_mapped(const uint8_t in[16])
{
	if (memcmp(in, mapped_head, 12) == 0)
		return ip_addr_from_bytes(IP_V4, in + 12);
	return ip_addr_from_bytes(IP_V6, in);
}

/* True when the first `bits` bits agree. */
static bool same_bits(const uint8_t *a, const uint8_t *b, unsigned bits)
{
	if (memcmp(a, b, bits / 8) != 0)
		return false;
	unsigned rest = bits % 8;
	return !rest || !((a[bits / 8] ^ b[bits / 8]) >> (8 - rest));
}

bool ip_prefix_contains(const struct ip_prefix *p, const struct ip_addr *a)
{
	return p->addr.family == a->family && same_bits(p->addr.b, a->b, p->len);
}

bool ip_prefix_covers(const struct ip_prefix *outer, const struct ip_prefix *inner)
{
	return outer->len <= inner->len && ip_prefix_contains(outer, &inner->addr);
}

bool ip_prefix_overlaps(const struct ip_prefix *a, const struct ip_prefix *b)
{
	return ip_prefix_covers(a, b) || ip_prefix_covers(b, a);
}

bool ip_prefix_equal(const struct ip_prefix *a, const struct ip_prefix *b)
{
	return a->len == b->len && ip_addr_equal(&a->addr, &b->addr);
}

struct ip_prefix ip_prefix_canonical(struct ip_prefix p)
{
	unsigned n = ip_addr_bytes(&p.addr);
	for (unsigned i = 0; i < n; i++) {
		unsigned keep = p.len > i * 8 ? p.len - i * 8 : 0;
		if (keep < 8)
			p.addr.b[i] &= (uint8_t)(0xff00 >> keep);
	}
	return p;
}

bool ip_prefix_is_canonical(const struct ip_prefix *p)
{
	struct ip_prefix c = ip_prefix_canonical(*p);
	return ip_addr_equal(&c.addr, &p->addr);
}

struct ip_range ip_prefix_range(const struct ip_prefix *p)
{
	struct ip_prefix c = ip_prefix_canonical(*p);
	struct ip_range r = {c.addr, c.addr};
	unsigned n = ip_addr_bytes(&c.addr);
	for (unsigned i = 0; i < n; i++) {
		unsigned keep = p->len > i * 8 ? p->len - i * 8 : 0;
		if (keep < 8)
			r.last.b[i] |= (uint8_t)(0xff >> keep);
	}
	return r;
}

bool ip_range_to_prefix(const struct ip_range *r, struct ip_prefix *out)
{
	unsigned bits = ip_addr_bits(&r->first);
	struct ip_prefix p = {r->first, 0};
	while (p.len < bits && same_bits(r->first.b, r->last.b, p.len + 1u))
		p.len++;
	struct ip_range back = ip_prefix_range(&p);
	if (!ip_addr_equal(&back.first, &r->first) || !ip_addr_equal(&back.last, &r->last))
		return false;
	*out = p;
	return true;
}

bool ip_range_contains(const struct ip_range *r, const struct ip_addr *a)
{
	return ip_addr_cmp(&r->first, a) <= 0 && ip_addr_cmp(a, &r->last) <= 0;
}

bool ip_range_covers(const struct ip_range *outer, const struct ip_range *inner)
{
	return ip_range_contains(outer, &inner->first) && ip_range_contains(outer, &inner->last);
}

bool ip_range_intersect(const struct ip_range *a, const struct ip_range *b, struct ip_range *out)
{
	if (a->first.family != b->first.family)
		return false;
	struct ip_range r;
	r.first = ip_addr_cmp(&a->first, &b->first) > 0 ? a->first : b->first;
	r.last = ip_addr_cmp(&a->last, &b->last) < 0 ? a->last : b->last;
	if (ip_addr_cmp(&r.first, &r.last) > 0)
		return false;
	*out = r;
	return true;
}

int mac_parse(uint8_t out[6], const char *text)
{
	uint8_t mac[6];
	if (strlen(text) != 17)
		return -EINVAL;
	for (int i = 0; i < 6; i++) {
		char pair[3] = {text[i * 3], text[i * 3 + 1], 0}, *end;
		unsigned long v = strtoul(pair, &end, 16);
		if (*end || end == pair || pair[0] == '+' || pair[0] == '-' || pair[0] == ' ')
			return -EINVAL;
		if (i < 5 && text[i * 3 + 2] != ':' && text[i * 3 + 2] != '-')
			return -EINVAL;
		mac[i] = (uint8_t)v;
	}
	memcpy(out, mac, 6);
	return 0;
}

const char *mac_format(const uint8_t mac[6], char out[MAC_TEXT])
{
	snprintf(out, MAC_TEXT, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3],
		 mac[4], mac[5]);
	return out;
}
