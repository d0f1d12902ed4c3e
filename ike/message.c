/* SPDX-License-Identifier: Apache-2.0 */
/* See message.h. */
#include "ike/message.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
	uint16_t type;
	const char *name;
} notify_names[] = {
	{NOTIFY_UNSUPPORTED_CRITICAL_PAYLOAD, "UNSUPPORTED_CRITICAL_PAYLOAD"},
	{NOTIFY_INVALID_IKE_SPI, "INVALID_IKE_SPI"},
	{NOTIFY_INVALID_MAJOR_VERSION, "INVALID_MAJOR_VERSION"},
	{NOTIFY_INVALID_SYNTAX, "INVALID_SYNTAX"},
	{NOTIFY_INVALID_MESSAGE_ID, "INVALID_MESSAGE_ID"},
	{NOTIFY_INVALID_SPI, "INVALID_SPI"},
	{NOTIFY_NO_PROPOSAL_CHOSEN, "NO_PROPOSAL_CHOSEN"},
	{NOTIFY_INVALID_KE_PAYLOAD, "INVALID_KE_PAYLOAD"},
	{NOTIFY_AUTHENTICATION_FAILED, "AUTHENTICATION_FAILED"},
	{NOTIFY_SINGLE_PAIR_REQUIRED, "SINGLE_PAIR_REQUIRED"},
	{NOTIFY_NO_ADDITIONAL_SAS, "NO_ADDITIONAL_SAS"},
	{NOTIFY_INTERNAL_ADDRESS_FAILURE, "INTERNAL_ADDRESS_FAILURE"},
	{NOTIFY_FAILED_CP_REQUIRED, "FAILED_CP_REQUIRED"},
	{NOTIFY_TS_UNACCEPTABLE, "TS_UNACCEPTABLE"},
	{NOTIFY_INVALID_SELECTORS, "INVALID_SELECTORS"},
	{NOTIFY_UNACCEPTABLE_ADDRESSES, "UNACCEPTABLE_ADDRESSES"},
	{NOTIFY_UNEXPECTED_NAT_DETECTED, "UNEXPECTED_NAT_DETECTED"},
	{NOTIFY_TEMPORARY_FAILURE, "TEMPORARY_FAILURE"},
	{NOTIFY_CHILD_SA_NOT_FOUND, "CHILD_SA_NOT_FOUND"},
	{NOTIFY_STATE_NOT_FOUND, "STATE_NOT_FOUND"},
	{NOTIFY_ADDITIONAL_KEY_EXCHANGE, "ADDITIONAL_KEY_EXCHANGE"},
	{NOTIFY_TS_MAX_QUEUE, "TS_MAX_QUEUE"},
	{NOTIFY_INITIAL_CONTACT, "INITIAL_CONTACT"},
	{NOTIFY_COOKIE, "COOKIE"},
	{NOTIFY_REKEY_SA, "REKEY_SA"},
	{NOTIFY_FRAGMENTATION_SUPPORTED, "IKEV2_FRAGMENTATION_SUPPORTED"},
	{NOTIFY_SIGNATURE_HASH_ALGORITHMS, "SIGNATURE_HASH_ALGORITHMS"},
	{NOTIFY_USE_PPK, "USE_PPK"},
	{NOTIFY_PPK_IDENTITY, "PPK_IDENTITY"},
	{NOTIFY_NO_PPK_AUTH, "NO_PPK_AUTH"},
	{NOTIFY_INTERMEDIATE_EXCHANGE_SUPPORTED, "INTERMEDIATE_EXCHANGE_SUPPORTED"},
	{NOTIFY_SA_RESOURCE_INFO, "SA_RESOURCE_INFO"},
	{NOTIFY_XGW_FLOW_PORTS, "XGW_FLOW_PORTS"},
};

const char *notify_name(uint16_t type, char out[32])
{
	for (size_t i = 0; i < sizeof notify_names / sizeof *notify_names; i++)
		if (notify_names[i].type == type)
			return notify_names[i].name;
	snprintf(out, 32, "notify %u", type);
	return out;
}

const char *exchange_type_name(uint8_t type)
{
	switch (type) {
	case IKE_SA_INIT: return "IKE_SA_INIT";
	case IKE_AUTH: return "IKE_AUTH";
	case IKE_CREATE_CHILD_SA: return "CREATE_CHILD_SA";
	case IKE_INFORMATIONAL: return "INFORMATIONAL";
	case IKE_INTERMEDIATE: return "IKE_INTERMEDIATE";
	case IKE_FOLLOWUP_KE: return "IKE_FOLLOWUP_KE";
	default: return "unknown exchange";
	}
}

int ike_header_parse(struct ike_header *out, struct bytes datagram)
{
	struct reader r;
	reader_init(&r, datagram.at, datagram.len);
	out->spi_i = reader_u64(&r);
	out->spi_r = reader_u64(&r);
	out->next = reader_u8(&r);
	out->version = reader_u8(&r);
	out->exchange = reader_u8(&r);
	out->flags = reader_u8(&r);
	out->id = reader_u32(&r);
	out->length = reader_u32(&r);
	if (!reader_ok(&r))
		return -EMSGSIZE;
	return out->length == datagram.len ? 0 : -EPROTO;
}

/* ---- bodies: each reads one payload's body, bounded by the caller ---- */

static void read_ke(struct ike_message *m, struct reader *r)
{
	m->ke_group = reader_u16(r);
	reader_skip(r, 2);
	m->ke = reader_rest(r);
}

static void read_id(struct ike_id_payload *id, struct reader *r, struct bytes body)
{
	id->kind = reader_u8(r);
	reader_skip(r, 3);
	id->name = reader_rest(r);
	id->body = body;
	id->present = true;
}

static void read_auth(struct ike_message *m, struct reader *r)
{
	m->auth_method = reader_u8(r);
	reader_skip(r, 3);
	m->auth = reader_rest(r);
}

static void read_notify(struct ike_message *m, struct reader *r)
{
	struct ike_notify n = {0};
	n.protocol = reader_u8(r);
	uint8_t spi_bytes = reader_u8(r);
	n.type = reader_u16(r);
	n.spi = reader_bytes(r, spi_bytes);
	n.body = reader_rest(r);
	if (!reader_ok(r))
		return;
	if (m->n_notifies < LIMIT_NOTIFIES)
		m->notify[m->n_notifies++] = n;
}

static void read_delete(struct ike_message *m, struct reader *r)
{
	struct ike_delete d = {0};
	d.protocol = reader_u8(r);
	d.spi_bytes = reader_u8(r);
	d.n = reader_u16(r);
	d.spis = reader_rest(r);
	if (d.spis.len != (size_t)d.n * d.spi_bytes || d.n > LIMIT_DELETE_SPIS)
		reader_fail(r);
	else if (d.protocol == PROTOCOL_IKE ? d.n || d.spi_bytes : d.spi_bytes != 4)
		reader_fail(r);
	else if (m->n_deletes < LIMIT_NOTIFIES)
		m->deletes[m->n_deletes++] = d;
}

static void read_cert(struct ike_message *m, struct reader *r)
{
	struct ike_cert c = {.encoding = reader_u8(r)};
	c.body = reader_rest(r);
	if (reader_ok(r) && m->n_certs++ < LIMIT_CERTS)
		m->certs[m->n_certs - 1] = c;
}

static bool may_repeat(uint8_t type)
{
	return type == PAYLOAD_NOTIFY || type == PAYLOAD_DELETE || type == PAYLOAD_VENDOR ||
	       type == PAYLOAD_CERT || type == PAYLOAD_CERTREQ;
}

/* 0 or -ENOTSUP for a critical payload that is not known. */
static int read_payload(struct ike_message *m, uint8_t type, bool critical, struct reader *r)
{
	struct bytes body = {r->at, reader_left(r)};
	if (type >= PAYLOAD_SA && type < PAYLOAD_SA + 31) {
		uint64_t bit = 1ull << (type - 32);
		if (m->present & bit && !may_repeat(type))
			m->repeated |= bit;
		m->present |= bit;
	}
	switch (type) {
	case PAYLOAD_SA: m->sa = body; break;
	case PAYLOAD_KE: read_ke(m, r); break;
	case PAYLOAD_IDI: read_id(&m->idi, r, body); break;
	case PAYLOAD_IDR: read_id(&m->idr, r, body); break;
	case PAYLOAD_AUTH: read_auth(m, r); break;
	case PAYLOAD_NONCE: m->nonce = body; break;
	case PAYLOAD_NOTIFY: read_notify(m, r); break;
	case PAYLOAD_DELETE: read_delete(m, r); break;
	case PAYLOAD_TSI: m->tsi = body; break;
	case PAYLOAD_TSR: m->tsr = body; break;
	case PAYLOAD_CERT: read_cert(m, r); break;
	case PAYLOAD_CP: m->cp = body; break;
	case PAYLOAD_EAP: m->eap = body; break;
	case PAYLOAD_VENDOR:
		if (m->n_vendors++ < LIMIT_VENDORS)
			m->vendors[m->n_vendors - 1] = body;
		break;
	case PAYLOAD_CERTREQ: break;
	default:
		if (critical) {
			m->unsupported_critical = type;
			return -ENOTSUP;
		}
	}
	return 0;
}

static int malformed(struct fault *f, const char *what)
{
	return fault_set(f, -EPROTO, "malformed message: %s", what);
}

/* The body of SK or SKF, which is the last payload of any message. */
static int read_sealed(struct ike_message *m, uint8_t type, struct reader *body, size_t behind,
		       struct fault *f)
{
	m->present |= 1ull << (PAYLOAD_SK - 32);
	if (type == PAYLOAD_SKF) {
		m->fragment.number = reader_u16(body);
		m->fragment.total = reader_u16(body);
		if (!reader_ok(body) || !m->fragment.number ||
		    m->fragment.number > m->fragment.total)
			return malformed(f, "a fragment's number");
	}
	m->sk = reader_rest(body);
	return behind ? malformed(f, "something follows SK") : 0;
}

static int read_chain(struct ike_message *m, struct reader *r, uint8_t type, bool inside,
		      struct fault *f)
{
	for (unsigned n = 0; type != PAYLOAD_NONE; n++) {
		if (n == LIMIT_PAYLOADS)
			return malformed(f, "more payloads than any exchange has");
		size_t offset = inside ? 0 : (size_t)(r->at - m->whole.at);
		uint8_t next = reader_u8(r);
		bool critical = reader_u8(r) & 0x80;
		uint16_t length = reader_u16(r);
		if (!reader_ok(r) || length < IKE_PAYLOAD_BYTES)
			return malformed(f, "a payload's header");
		struct reader body = reader_sub(r, length - IKE_PAYLOAD_BYTES);
		if (!reader_ok(r))
			return malformed(f, "a payload is longer than the message");
		if ((type == PAYLOAD_SK || type == PAYLOAD_SKF) && !inside) {
			m->sk_offset = offset;
			m->sk_first = next;
			return read_sealed(m, type, &body, reader_left(r), f);
		}
		int err = read_payload(m, type, critical, &body);
		if (err)
			return fault_set(f, err, "unknown critical payload %u", type);
		if (!reader_ok(r))
			return malformed(f, "a payload's body");
		type = next;
	}
	if (reader_left(r))
		return malformed(f, "bytes behind the last payload");
	return m->repeated ? malformed(f, "a payload came twice") : 0;
}

int ike_message_parse(struct ike_message *out, struct bytes datagram, struct fault *f)
{
	memset(out, 0, sizeof *out);
	out->whole = datagram;
	int err = ike_header_parse(&out->h, datagram);
	if (err)
		return malformed(f, "the header");
	struct reader r;
	reader_init(&r, datagram.at, datagram.len);
	reader_skip(&r, IKE_HEADER_BYTES);
	return read_chain(out, &r, out->h.next, false, f);
}

int ike_message_parse_inner(struct ike_message *m, struct bytes plain, struct fault *f)
{
	struct reader r;
	m->inner = plain;
	reader_init(&r, plain.at, plain.len);
	return read_chain(m, &r, m->sk_first, true, f);
}

bool ike_message_has(const struct ike_message *m, enum ike_payload_type type)
{
	return m->present >> (type - 32) & 1;
}

bool ike_message_is_response(const struct ike_message *m)
{
	return m->h.flags & IKE_FLAG_RESPONSE;
}

const struct ike_notify *ike_message_notify(const struct ike_message *m, uint16_t type)
{
	for (unsigned i = 0; i < m->n_notifies; i++)
		if (m->notify[i].type == type)
			return &m->notify[i];
	return NULL;
}

const struct ike_notify *ike_message_error(const struct ike_message *m)
{
	for (unsigned i = 0; i < m->n_notifies; i++)
		if (m->notify[i].type < NOTIFY_FIRST_STATUS)
			return &m->notify[i];
	return NULL;
}

enum { TS_IPV4 = 7, TS_IPV6 = 8 };

static void read_selector(struct reader *r, uint8_t type, struct traffic_selector *ts)
{
	enum ip_family family = type == TS_IPV4 ? IP_V4 : IP_V6;
	uint8_t first[16] = {0}, last[16] = {0};
	size_t n = family == IP_V4 ? 4 : 16;
	ts->protocol = reader_u8(r);
	reader_skip(r, 2); /* the length, read already */
	ts->port_first = reader_u16(r);
	ts->port_last = reader_u16(r);
	reader_copy(r, first, n);
	reader_copy(r, last, n);
	ts->range.first = ip_addr_from_bytes(family, first);
	ts->range.last = ip_addr_from_bytes(family, last);
	/* 65535 to 0 is OPAQUE (RFC 7296 section 3.13.1), any other range that runs backwards is
	 * not one */
	bool opaque = ts->port_first == 65535 && !ts->port_last;
	if (ip_addr_cmp(&ts->range.first, &ts->range.last) > 0 ||
	    (ts->port_first > ts->port_last && !opaque))
		reader_fail(r);
}

int ike_ts_parse(struct bytes body, struct traffic_selector *out, uint8_t *n, uint8_t room)
{
	struct reader r;
	reader_init(&r, body.at, body.len);
	unsigned count = reader_u8(&r);
	reader_skip(&r, 3);
	*n = 0;
	for (; count && reader_ok(&r); count--) {
		if (reader_left(&r) < 8)
			return -EPROTO;
		uint8_t type = r.at[0];
		uint16_t length = load_be16(r.at + 2);
		if (length < 8)
			return -EPROTO;
		struct reader one = reader_sub(&r, length);
		reader_skip(&one, 1);
		if (type != TS_IPV4 && type != TS_IPV6)
			continue;
		struct traffic_selector ts;
		read_selector(&one, type, &ts);
		if (!reader_ok(&one) || reader_left(&one))
			return -EPROTO;
		if (*n < room)
			out[(*n)++] = ts;
	}
	return reader_ok(&r) && !reader_left(&r) ? 0 : -EPROTO;
}

/* ---- building ---- */

int ike_message_keep(struct ike_message *out, uint8_t **plain, const struct ike_message *in)
{
	*plain = malloc(in->inner.len ? in->inner.len : 1);
	if (!*plain)
		return -ENOMEM;
	memcpy(*plain, in->inner.at, in->inner.len);
	*out = (struct ike_message){.h = in->h, .sk_first = in->sk_first};
	return ike_message_parse_inner(out, (struct bytes){*plain, in->inner.len}, NULL);
}

void builder_init(struct builder *b, void *buffer, size_t size)
{
	writer_init(&b->w, buffer, size);
	b->first = PAYLOAD_NONE;
	b->next = &b->first;
}

void builder_header(struct builder *b, const struct ike_header *h)
{
	writer_u64(&b->w, h->spi_i);
	writer_u64(&b->w, h->spi_r);
	uint8_t *next = writer_take(&b->w, 1);
	if (next) {
		*next = PAYLOAD_NONE;
		b->next = next;
	}
	writer_u8(&b->w, IKE_VERSION_2);
	writer_u8(&b->w, h->exchange);
	writer_u8(&b->w, h->flags);
	writer_u32(&b->w, h->id);
	writer_u32(&b->w, 0);
}

void builder_finish(struct builder *b)
{
	if (writer_ok(&b->w))
		writer_patch_u32(&b->w, 24, (uint32_t)writer_len(&b->w));
}

bool builder_ok(const struct builder *b)
{
	return writer_ok(&b->w);
}

struct bytes builder_bytes(const struct builder *b)
{
	return (struct bytes){b->w.start, writer_len(&b->w)};
}

struct writer_mark builder_begin(struct builder *b, enum ike_payload_type type)
{
	uint8_t *head = writer_take(&b->w, 2);
	if (head) {
		*b->next = (uint8_t)type;
		head[0] = PAYLOAD_NONE;
		head[1] = 0;
		b->next = head;
	}
	return writer_begin_u16(&b->w);
}

void builder_end(struct builder *b, struct writer_mark m)
{
	writer_end_u16(&b->w, m, 2);
}

void builder_raw(struct builder *b, enum ike_payload_type type, struct bytes body)
{
	struct writer_mark m = builder_begin(b, type);
	writer_bytes(&b->w, body.at, body.len);
	builder_end(b, m);
}

void builder_ke(struct builder *b, uint16_t group, struct bytes value)
{
	struct writer_mark m = builder_begin(b, PAYLOAD_KE);
	writer_u16(&b->w, group);
	writer_u16(&b->w, 0);
	writer_bytes(&b->w, value.at, value.len);
	builder_end(b, m);
}

void builder_id(struct builder *b, enum ike_payload_type type, const struct identity *id)
{
	struct writer_mark m = builder_begin(b, type);
	writer_u8(&b->w, id->kind);
	writer_zero(&b->w, 3);
	writer_bytes(&b->w, id->b, id->len);
	builder_end(b, m);
}

void builder_auth(struct builder *b, uint8_t method, struct bytes value)
{
	struct writer_mark m = builder_begin(b, PAYLOAD_AUTH);
	writer_u8(&b->w, method);
	writer_zero(&b->w, 3);
	writer_bytes(&b->w, value.at, value.len);
	builder_end(b, m);
}

void builder_notify(struct builder *b, uint16_t type, struct bytes body)
{
	struct writer_mark m = builder_begin(b, PAYLOAD_NOTIFY);
	writer_u8(&b->w, PROTOCOL_NONE);
	writer_u8(&b->w, 0);
	writer_u16(&b->w, type);
	writer_bytes(&b->w, body.at, body.len);
	builder_end(b, m);
}

void builder_notify_spi(struct builder *b, uint8_t protocol, uint32_t spi, uint16_t type)
{
	struct writer_mark m = builder_begin(b, PAYLOAD_NOTIFY);
	writer_u8(&b->w, protocol);
	writer_u8(&b->w, 4);
	writer_u16(&b->w, type);
	writer_u32(&b->w, spi);
	builder_end(b, m);
}

void builder_delete_ike(struct builder *b)
{
	struct writer_mark m = builder_begin(b, PAYLOAD_DELETE);
	writer_u8(&b->w, PROTOCOL_IKE);
	writer_u8(&b->w, 0);
	writer_u16(&b->w, 0);
	builder_end(b, m);
}

void builder_delete_esp(struct builder *b, const uint32_t *spis, uint16_t n)
{
	struct writer_mark m = builder_begin(b, PAYLOAD_DELETE);
	writer_u8(&b->w, PROTOCOL_ESP);
	writer_u8(&b->w, 4);
	writer_u16(&b->w, n);
	for (uint16_t i = 0; i < n; i++)
		writer_u32(&b->w, spis[i]);
	builder_end(b, m);
}

void builder_ts(struct builder *b, enum ike_payload_type type, const struct traffic_selector *ts,
		uint8_t n)
{
	struct writer_mark m = builder_begin(b, type);
	writer_u8(&b->w, n);
	writer_zero(&b->w, 3);
	for (uint8_t i = 0; i < n; i++) {
		unsigned bytes = ip_addr_bytes(&ts[i].range.first);
		writer_u8(&b->w, bytes == 4 ? TS_IPV4 : TS_IPV6);
		writer_u8(&b->w, ts[i].protocol);
		writer_u16(&b->w, (uint16_t)(8 + 2 * bytes));
		writer_u16(&b->w, ts[i].port_first);
		writer_u16(&b->w, ts[i].port_last);
		writer_bytes(&b->w, ts[i].range.first.b, bytes);
		writer_bytes(&b->w, ts[i].range.last.b, bytes);
	}
	builder_end(b, m);
}
