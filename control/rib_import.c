/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Import rules: which announcements no table takes, or not this one. They are asked when a route is
 * judged, not remembered, so that a reload needs no second look at what was refused.
 */
#include "control/rib_internal.h"

#include <string.h>

struct bogon {
	uint8_t family, len;
	uint8_t addr[16];
};
/*
 * Prefixes without unicast destinations that a router forwards to: those of the special-purpose
 * registries (RFC 6890) that are not "Forwardable", multicast, and what was set aside for good.
 * Private and shared addresses are what virtual networks and sites are made of.
 */
static const struct bogon bogons[] = {
	{IP_V4, 8, {0}},	     /* this network: RFC 791 section 3.2 */
	{IP_V4, 8, {127}},	     /* loopback: RFC 1122 section 3.2.1.3 */
	{IP_V4, 16, {169, 254}},     /* link-local: RFC 3927 */
	{IP_V4, 24, {192, 0, 0}},    /* IETF protocol assignments: RFC 6890 section 2.1 */
	{IP_V4, 24, {192, 0, 2}},    /* TEST-NET-1: RFC 5737 */
	{IP_V4, 24, {198, 51, 100}}, /* TEST-NET-2 */
	{IP_V4, 24, {203, 0, 113}},  /* TEST-NET-3 */
	{IP_V4, 3, {224}}, /* multicast, reserved, broadcast: RFC 5771, RFC 1112, RFC 919 */
	{IP_V6, 96, {0}},  /* ::, ::1 and the IPv4-compatible: RFC 4291 section 2.5 */
	{IP_V6, 96, {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}}, /* IPv4-mapped: RFC 4291 */
	{IP_V6, 28, {0x20, 0x01, 0, 0x10}},			 /* ORCHID: RFC 4843 */
	{IP_V6, 32, {0x20, 0x01, 0x0d, 0xb8}},			 /* documentation: RFC 3849 */
	{IP_V6, 20, {0x3f, 0xff}},				 /* documentation: RFC 9637 */
	{IP_V6, 10, {0xfe, 0x80}},				 /* link-local: RFC 4291 */
	{IP_V6, 8, {0xff}},					 /* multicast: RFC 4291 */
};

bool rib_is_bogon(const struct ip_prefix *prefix)
{
	for (size_t i = 0; i < sizeof bogons / sizeof *bogons; i++) {
		const struct bogon *b = &bogons[i];
		if (b->family != prefix->addr.family || b->len > prefix->len)
			continue;
		unsigned whole = b->len / 8, mask = 0xff00u >> b->len % 8 & 0xff;
		if (memcmp(b->addr, prefix->addr.b, whole) == 0 &&
		    (!mask || ((b->addr[whole] ^ prefix->addr.b[whole]) & mask) == 0))
			return true;
	}
	return false;
}

/* How many rows of [first, behind) stand before (table, prefix), or at it. */
static uint32_t up_to(const struct rib_rules *rules, uint32_t first, uint32_t behind,
		      uint32_t table, const struct ip_prefix *prefix)
{
	while (first < behind) {
		uint32_t middle = first + (behind - first) / 2;
		const struct rib_own *o = &rules->own[middle];
		if (rib_place_cmp(o->table, &o->prefix, table, prefix) <= 0)
			first = middle + 1;
		else
			behind = middle;
	}
	return first;
}

static uint8_t import_address(const struct rib_rules *rules, const struct ip_prefix *prefix)
{
	if (prefix->len < ip_addr_bits(&prefix->addr))
		return 0;
	uint32_t i = up_to(rules, 0, rules->n_everywhere, 0, prefix);
	if (!i || !ip_prefix_equal(&rules->own[i - 1].prefix, prefix))
		return 0;
	/* of two kinds the first is public */
	return rules->own[i - 1].kind == RIB_OWN_PUBLIC ||
			       (i > 1 && ip_prefix_equal(&rules->own[i - 2].prefix, prefix))
		       ? RIB_REFUSED_PUBLIC
		       : RIB_REFUSED_OUTER;
}

/*
 * A virtual network's own routes count even before longer ones that are learnt, as in Azure: who
 * announces a part of it would take its hosts away from it. A larger prefix is no harm.
 */
static uint8_t import_space(const struct rib_rules *rules, uint32_t table,
			    const struct ip_prefix *prefix)
{
	uint32_t i = up_to(rules, rules->n_everywhere, rules->n_own, table, prefix);
	uint32_t at = i > rules->n_everywhere ? i - 1 : RIB_NIL;
	if (at == RIB_NIL || rules->own[at].table != table)
		return 0;
	/* what stands right before covers it, or one of those that cover that does */
	while (at != RIB_NIL && !ip_prefix_covers(&rules->own[at].prefix, prefix))
		at = rules->parents[at];
	if (at == RIB_NIL)
		return 0;
	return rules->own[at].prefix.len == prefix->len ? RIB_REFUSED_OWN : RIB_REFUSED_INSIDE;
}

uint8_t rib_import(const struct rib *r, uint32_t table, const struct ip_prefix *prefix,
		   bool is_bogon)
{
	if (is_bogon)
		return RIB_REFUSED_BOGON;
	uint8_t why = import_address(&r->rules, prefix);
	return why ? why : import_space(&r->rules, table, prefix);
}

/* None is inside another: what covers the prefix stands right before it, or is it. */
static bool is_allowed(const struct rib *r, const struct rib_slot *s,
		       const struct ip_prefix *prefix)
{
	uint32_t low = s->allowed, high = s->allowed + s->n_allowed;
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		if (rib_place_cmp(0, &r->rules.allowed[middle].prefix, 0, prefix) <= 0)
			low = middle + 1;
		else
			high = middle;
	}
	return !s->n_allowed ||
	       (low > s->allowed && ip_prefix_covers(&r->rules.allowed[low - 1].prefix, prefix));
}

uint8_t rib_import_from(const struct rib *r, const struct rib_slot *s, const struct rib_member *m,
			const struct ip_prefix *prefix)
{
	if (!is_allowed(r, s, prefix))
		return RIB_REFUSED_NOT_ADVERTISED;
	return prefix->len || m->flags & RIB_MEMBER_DEFAULT ? 0 : RIB_REFUSED_DEFAULT;
}

uint8_t rib_import_by(const struct rib *r, const struct rib_slot *s, const struct rib_member *m,
		      const struct ip_prefix *prefix, bool is_bogon)
{
	uint8_t why = rib_import(r, m->table, prefix, is_bogon);
	return why ? why : rib_import_from(r, s, m, prefix);
}
