/* SPDX-License-Identifier: Apache-2.0 */
/* See v1_message.h. */
#include "ike/v1_message.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* ---- names ---- */

const char *v1_exchange_name(uint8_t type)
{
	switch (type) {
	case V1_BASE: return "base exchange";
	case V1_MAIN: return "main mode";
	case V1_AUTH_ONLY: return "authentication-only exchange";
	case V1_AGGRESSIVE: return "aggressive mode";
	case V1_INFORMATIONAL: return "informational exchange";
	case V1_TRANSACTION: return "mode configuration or XAUTH";
	case V1_QUICK: return "quick mode";
	case V1_NEW_GROUP: return "new group mode";
	default: return "unknown exchange";
	}
}

static const struct {
	uint16_t type;
	const char *name;
} notify_names[] = {
	{1, "INVALID-PAYLOAD-TYPE"},
	{2, "DOI-NOT-SUPPORTED"},
	{3, "SITUATION-NOT-SUPPORTED"},
	{V1_NOTIFY_INVALID_COOKIE, "INVALID-COOKIE"},
	{V1_NOTIFY_INVALID_MAJOR_VERSION, "INVALID-MAJOR-VERSION"},
	{V1_NOTIFY_INVALID_EXCHANGE_TYPE, "INVALID-EXCHANGE-TYPE"},
	{8, "INVALID-FLAGS"},
	{9, "INVALID-MESSAGE-ID"},
	{10, "INVALID-PROTOCOL-ID"},
	{11, "INVALID-SPI"},
	{12, "INVALID-TRANSFORM-ID"},
	{V1_NOTIFY_ATTRIBUTES_NOT_SUPPORTED, "ATTRIBUTES-NOT-SUPPORTED"},
	{V1_NOTIFY_NO_PROPOSAL_CHOSEN, "NO-PROPOSAL-CHOSEN"},
	{V1_NOTIFY_BAD_PROPOSAL_SYNTAX, "BAD-PROPOSAL-SYNTAX"},
	{V1_NOTIFY_PAYLOAD_MALFORMED, "PAYLOAD-MALFORMED"},
	{V1_NOTIFY_INVALID_KEY, "INVALID-KEY-INFORMATION"},
	{V1_NOTIFY_INVALID_ID, "INVALID-ID-INFORMATION"},
	{V1_NOTIFY_INVALID_HASH, "INVALID-HASH-INFORMATION"},
	{V1_NOTIFY_AUTHENTICATION_FAILED, "AUTHENTICATION-FAILED"},
	{25, "INVALID-SIGNATURE"},
	{V1_NOTIFY_UNSUPPORTED_EXCHANGE, "UNSUPPORTED-EXCHANGE-TYPE"},
	{30, "UNEQUAL-PAYLOAD-LENGTHS"},
	{V1_NOTIFY_CONNECTED, "CONNECTED"},
	{V1_NOTIFY_RESPONDER_LIFETIME, "RESPONDER-LIFETIME"},
	{V1_NOTIFY_REPLAY_STATUS, "REPLAY-STATUS"},
	{V1_NOTIFY_INITIAL_CONTACT, "INITIAL-CONTACT"},
	{V1_NOTIFY_R_U_THERE, "R-U-THERE"},
	{V1_NOTIFY_R_U_THERE_ACK, "R-U-THERE-ACK"},
};

const char *v1_notify_name(uint16_t type, char out[32])
{
	for (size_t i = 0; i < sizeof notify_names / sizeof *notify_names; i++)
		if (notify_names[i].type == type)
			return notify_names[i].name;
	snprintf(out, 32, "notify %u", type);
	return out;
}

const char *v1_payload_name(uint8_t type, char out[24])
{
	static const char *const names[] = {
		[V1_SA] = "SA",	      [V1_PROPOSAL] = "P",  [V1_TRANSFORM] = "T",
		[V1_KE] = "KE",	      [V1_ID] = "ID",	    [V1_CERT] = "CERT",
		[V1_CERTREQ] = "CR",  [V1_HASH] = "HASH",   [V1_SIG] = "SIG",
		[V1_NONCE] = "NONCE", [V1_NOTIFY] = "N",    [V1_DELETE] = "D",
		[V1_VENDOR] = "VID",  [V1_NAT_D] = "NAT-D", [V1_NAT_OA] = "NAT-OA",
	};
	if (type < sizeof names / sizeof *names && names[type])
		return names[type];
	snprintf(out, 24, "payload %u", type);
	return out;
}

/* ---- reading ---- */

static int malformed(struct fault *f, unsigned nth, uint8_t type, const char *what)
{
	char name[24];
	if (!nth)
		return fault_set(f, -EPROTO, "malformed IKEv1 message: %s", what);
	return fault_set(f, -EPROTO, "malformed IKEv1 message: payload %u (%s): %s", nth,
			 v1_payload_name(type, name), what);
}

/*
 * What the numbers of IKEv2 mean is not what they mean here (SECURITY A1), so a payload that is not
 * IKEv1's is an error and not skipped; private numbers (RFC 2408 section 3.1) are left alone.
 */
static bool is_ours(uint8_t type)
{
	return (type >= V1_SA && type <= V1_VENDOR && type != V1_PROPOSAL &&
		type != V1_TRANSFORM) ||
	       type == V1_NAT_D || type == V1_NAT_OA || type >= 128;
}

static int read_chain(struct v1_message *m, struct bytes chain, bool padded, struct fault *f)
{
	struct reader r;
	uint8_t type = m->h.next;
	reader_init(&r, chain.at, chain.len);
	m->n = 0;
	while (type) {
		if (m->n == LIMIT_PAYLOADS)
			return malformed(f, 0, 0, "more payloads than any exchange has");
		struct v1_payload *p = &m->at[m->n++];
		const uint8_t *start = r.at;
		uint8_t next = reader_u8(&r), reserved = reader_u8(&r);
		uint16_t length = reader_u16(&r);
		if (!reader_ok(&r) || length < IKE_PAYLOAD_BYTES)
			return malformed(f, m->n, type, "its header");
		if (reserved)
			return malformed(f, m->n, type, "its reserved byte is not 0");
		if (!is_ours(type))
			return malformed(f, m->n, type, "not a payload of IKEv1");
		p->type = type;
		p->body = reader_bytes(&r, length - IKE_PAYLOAD_BYTES);
		p->whole = (struct bytes){start, length};
		if (!reader_ok(&r))
			return malformed(f, m->n, type, "longer than the message");
		type = next;
	}
	m->used = chain.len - reader_left(&r);
	if (!m->n)
		return malformed(f, 0, 0, "no payload");
	if (reader_left(&r) && !padded)
		return malformed(f, 0, 0, "bytes behind the last payload");
	return 0;
}

int v1_message_parse(struct v1_message *out, struct bytes datagram, struct fault *f)
{
	memset(out, 0, sizeof *out);
	out->whole = datagram;
	if (ike_header_parse(&out->h, datagram))
		return malformed(f, 0, 0, "the header");
	struct bytes rest = {datagram.at + IKE_HEADER_BYTES, datagram.len - IKE_HEADER_BYTES};
	if (out->h.flags & V1_FLAG_ENCRYPTED) {
		out->sealed = rest;
		return rest.len ? 0 : malformed(f, 0, 0, "encrypted, and empty");
	}
	return read_chain(out, rest, false, f);
}

int v1_message_parse_inner(struct v1_message *m, struct bytes plain, struct fault *f)
{
	return read_chain(m, plain, true, f);
}

const struct v1_payload *v1_find(const struct v1_message *m, uint8_t type, unsigned nth)
{
	for (unsigned i = 0; i < m->n; i++)
		if (m->at[i].type == type && !nth--)
			return &m->at[i];
	return NULL;
}

unsigned v1_count(const struct v1_message *m, uint8_t type)
{
	unsigned n = 0;
	for (unsigned i = 0; i < m->n; i++)
		n += m->at[i].type == type;
	return n;
}

struct bytes v1_body(const struct v1_message *m, uint8_t type)
{
	const struct v1_payload *p = v1_find(m, type, 0);
	return p ? p->body : (struct bytes){NULL, 0};
}

#define DOI_IPSEC 1

/* DOI 0 is that of ISAKMP itself; some peers say it in notifies of phase 1. */
static bool doi_fits(uint32_t doi)
{
	return doi == DOI_IPSEC || !doi;
}

int v1_notify_parse(struct v1_notify *out, struct bytes body)
{
	struct reader r;
	reader_init(&r, body.at, body.len);
	uint32_t doi = reader_u32(&r);
	out->protocol = reader_u8(&r);
	uint8_t spi_bytes = reader_u8(&r);
	out->type = reader_u16(&r);
	out->spi = reader_bytes(&r, spi_bytes);
	out->body = reader_rest(&r);
	return reader_ok(&r) && doi_fits(doi) ? 0 : -EPROTO;
}

/* SPIs of ISAKMP are both cookies; of ESP four bytes. */
int v1_delete_parse(struct v1_delete *out, struct bytes body)
{
	struct reader r;
	reader_init(&r, body.at, body.len);
	uint32_t doi = reader_u32(&r);
	out->protocol = reader_u8(&r);
	out->spi_bytes = reader_u8(&r);
	out->n = reader_u16(&r);
	out->spis = reader_rest(&r);
	if (!reader_ok(&r) || !doi_fits(doi) || out->n > LIMIT_DELETE_SPIS ||
	    out->spis.len != (size_t)out->n * out->spi_bytes)
		return -EPROTO;
	if (out->protocol == PROTOCOL_IKE)
		return out->spi_bytes == 16 ? 0 : -EPROTO;
	return out->spi_bytes == 4 ? 0 : -EPROTO;
}

/* ---- attributes ---- */

bool v1_attribute_next(struct reader *r, struct v1_attribute *out)
{
	if (!reader_more(r))
		return false;
	uint16_t type = reader_u16(r), length = reader_u16(r);
	out->type = type & 0x7fff;
	out->value = (struct bytes){NULL, 0};
	out->number = length;
	if (!(type & 0x8000)) {
		out->value = reader_bytes(r, length);
		out->number = length <= 8 ? 0 : UINT64_MAX;
		for (size_t i = 0; i < out->value.len && length <= 8; i++)
			out->number = out->number << 8 | out->value.at[i];
	}
	return reader_ok(r);
}

void v1_attribute_put(struct writer *w, uint16_t type, uint32_t value)
{
	if (value <= UINT16_MAX) {
		writer_u16(w, type | 0x8000);
		writer_u16(w, (uint16_t)value);
		return;
	}
	writer_u16(w, type);
	writer_u16(w, 4);
	writer_u32(w, value);
}

enum { LIFE_TYPE = 1, LIFE_DURATION = 2, LIFE_SECONDS = 1, LIFE_KILOBYTES = 2 };

int v1_life_parse(struct v1_life *out, struct bytes attributes)
{
	struct reader r;
	struct v1_attribute a;
	uint64_t kind = 0;
	*out = (struct v1_life){0};
	reader_init(&r, attributes.at, attributes.len);
	while (v1_attribute_next(&r, &a)) {
		if (a.type == LIFE_TYPE) {
			kind = a.number;
		} else if (a.type == LIFE_DURATION && kind == LIFE_SECONDS) {
			out->seconds = a.number;
			kind = 0;
		} else if (a.type == LIFE_DURATION && kind == LIFE_KILOBYTES) {
			out->kilobytes = a.number;
			kind = 0;
		}
	}
	return reader_ok(&r) ? 0 : -EPROTO;
}

/* ---- selectors ---- */

enum {
	ID_IPV4 = 1,
	ID_IPV4_SUBNET = 4,
	ID_IPV6 = 5,
	ID_IPV6_SUBNET = 6,
	ID_IPV4_RANGE = 7,
	ID_IPV6_RANGE = 8
};

/* A mask must be ones, then zeros. */
static bool take_mask(const uint8_t *mask, size_t n, uint8_t *len)
{
	unsigned ones = 0;
	while (ones < 8 * n && mask[ones / 8] >> (7 - ones % 8) & 1)
		ones++;
	for (unsigned i = ones; i < 8 * n; i++)
		if (mask[i / 8] >> (7 - i % 8) & 1)
			return false;
	*len = (uint8_t)ones;
	return true;
}

static bool take_range(struct traffic_selector *ts, uint8_t kind, const uint8_t *first,
		       const uint8_t *last)
{
	bool v4 = kind == ID_IPV4 || kind == ID_IPV4_SUBNET || kind == ID_IPV4_RANGE;
	enum ip_family family = v4 ? IP_V4 : IP_V6;
	struct ip_prefix p = {.addr = ip_addr_from_bytes(family, first)};
	ts->range.first = ts->range.last = p.addr;
	if (kind == ID_IPV4 || kind == ID_IPV6)
		return true;
	if (kind == ID_IPV4_RANGE || kind == ID_IPV6_RANGE) {
		ts->range.last = ip_addr_from_bytes(family, last);
		return ip_addr_cmp(&ts->range.first, &ts->range.last) <= 0;
	}
	if (!take_mask(last, v4 ? 4 : 16, &p.len))
		return false;
	p = ip_prefix_canonical(p); /* peers that send the router's address with a mask */
	ts->range = ip_prefix_range(&p);
	return true;
}

int v1_selector_parse(struct traffic_selector *out, struct bytes body)
{
	static const uint8_t bytes_of[] = {
		[ID_IPV4] = 4,	       [ID_IPV4_SUBNET] = 8, [ID_IPV6] = 16,
		[ID_IPV6_SUBNET] = 32, [ID_IPV4_RANGE] = 8,  [ID_IPV6_RANGE] = 32};
	uint8_t value[32] = {0};
	struct reader r;
	memset(out, 0, sizeof *out);
	reader_init(&r, body.at, body.len);
	uint8_t kind = reader_u8(&r);
	out->protocol = reader_u8(&r);
	uint16_t port = reader_u16(&r);
	if (!reader_ok(&r))
		return -EPROTO;
	if (kind >= sizeof bytes_of || !bytes_of[kind])
		return -ENOTSUP;
	if (reader_left(&r) != bytes_of[kind])
		return -EPROTO;
	reader_copy(&r, value, bytes_of[kind]);
	out->port_first = port;
	out->port_last = port ? port : UINT16_MAX;
	return take_range(out, kind, value, value + bytes_of[kind] / 2) ? 0 : -EPROTO;
}

size_t v1_selector_write(uint8_t out[V1_SELECTOR_MAX], const struct traffic_selector *ts)
{
	struct ip_prefix p;
	unsigned n = ip_addr_bytes(&ts->range.first);
	bool v4 = n == 4, prefix = ip_range_to_prefix(&ts->range, &p);
	out[1] = ts->protocol;
	store_be16(out + 2, ts->port_first == ts->port_last ? ts->port_first : 0);
	memcpy(out + 4, ts->range.first.b, n);
	if (prefix && p.len == 8 * n) {
		out[0] = v4 ? ID_IPV4 : ID_IPV6;
		return 4 + n;
	}
	if (!prefix) {
		out[0] = v4 ? ID_IPV4_RANGE : ID_IPV6_RANGE;
		memcpy(out + 4 + n, ts->range.last.b, n);
		return 4 + 2 * n;
	}
	out[0] = v4 ? ID_IPV4_SUBNET : ID_IPV6_SUBNET;
	memset(out + 4 + n, 0, n);
	for (unsigned i = 0; i < p.len; i++)
		out[4 + n + i / 8] |= (uint8_t)(0x80 >> i % 8);
	return 4 + 2 * n;
}

/* ---- building ---- */

void v1_header(struct builder *b, const struct ike_header *h)
{
	builder_header(b, h);
	if (writer_ok(&b->w))
		writer_patch_u8(&b->w, 17, V1_VERSION);
}

struct writer_mark v1_begin(struct builder *b, enum v1_payload_type type)
{
	return builder_begin(b, (enum ike_payload_type)type);
}

void v1_raw(struct builder *b, enum v1_payload_type type, struct bytes body)
{
	builder_raw(b, (enum ike_payload_type)type, body);
}

void v1_notify(struct builder *b, uint8_t protocol, struct bytes spi, uint16_t type,
	       struct bytes body)
{
	struct writer_mark m = v1_begin(b, V1_NOTIFY);
	writer_u32(&b->w, DOI_IPSEC);
	writer_u8(&b->w, protocol);
	writer_u8(&b->w, (uint8_t)spi.len);
	writer_u16(&b->w, type);
	writer_bytes(&b->w, spi.at, spi.len);
	writer_bytes(&b->w, body.at, body.len);
	builder_end(b, m);
}

void v1_delete(struct builder *b, uint8_t protocol, struct bytes spi)
{
	struct writer_mark m = v1_begin(b, V1_DELETE);
	writer_u32(&b->w, DOI_IPSEC);
	writer_u8(&b->w, protocol);
	writer_u8(&b->w, (uint8_t)spi.len);
	writer_u16(&b->w, 1);
	writer_bytes(&b->w, spi.at, spi.len);
	builder_end(b, m);
}
