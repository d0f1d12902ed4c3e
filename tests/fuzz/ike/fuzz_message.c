/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as an IKE datagram: header, chain, every typed body. What was read and is built again
 * must read the same: the second building is compared with the first, byte for byte.
 */
#include "ike/message.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect(bool holds)
{
	if (!holds)
		abort();
}

static void inside(struct bytes part, struct bytes whole)
{
	if (part.len)
		expect(part.at >= whole.at && part.at + part.len <= whole.at + whole.len);
}

static void build_ids(struct builder *b, const struct ike_message *m)
{
	struct identity id;
	char text[IDENTITY_TEXT];
	const struct ike_id_payload *ids[] = {&m->idi, &m->idr};
	for (unsigned i = 0; i < 2; i++) {
		const struct ike_id_payload *p = ids[i];
		if (!p->present || identity_from_wire(&id, p->kind, p->name.at, p->name.len))
			continue;
		identity_format(&id, text);
		expect(strlen(text) < sizeof text && identity_equal(&id, &id));
		/* a pattern matches no pattern, a DN that is malformed nothing */
		expect(identity_matches(&id, &id) || identity_is_pattern(&id) ||
		       id.kind == IDENTITY_DN);
		builder_id(b, i ? PAYLOAD_IDR : PAYLOAD_IDI, &id);
	}
}

static void build_ts(struct builder *b, enum ike_payload_type type, struct bytes body)
{
	struct traffic_selector ts[CHILD_SA_MAX_TS];
	uint8_t n;
	if (body.at && !ike_ts_parse(body, ts, &n, CHILD_SA_MAX_TS))
		builder_ts(b, type, ts, n);
}

static void build_lists(struct builder *b, const struct ike_message *m)
{
	char name[32];
	expect(m->n_notifies <= LIMIT_NOTIFIES && m->n_deletes <= LIMIT_NOTIFIES);
	for (unsigned i = 0; i < m->n_notifies; i++) {
		const struct ike_notify *n = &m->notify[i];
		inside(n->body, m->whole);
		inside(n->spi, m->whole);
		expect(strlen(notify_name(n->type, name)) > 0);
		if (n->spi.len == 4 && !n->body.len)
			builder_notify_spi(b, n->protocol, load_be32(n->spi.at), n->type);
		else
			builder_notify(b, n->type, n->body);
	}
	for (unsigned i = 0; i < m->n_deletes; i++) {
		const struct ike_delete *d = &m->deletes[i];
		inside(d->spis, m->whole);
		uint32_t spis[LIMIT_MESSAGE / 4];
		for (unsigned k = 0; k < d->n && d->spi_bytes == 4; k++)
			spis[k] = load_be32(d->spis.at + 4 * k);
		if (d->spi_bytes == 4)
			builder_delete_esp(b, spis, d->n);
		else
			builder_delete_ike(b);
	}
}

static void build_certs(struct builder *b, const struct ike_message *m)
{
	for (unsigned i = 0; i < m->n_certs && i < LIMIT_CERTS; i++) {
		inside(m->certs[i].body, m->whole);
		struct writer_mark mark = builder_begin(b, PAYLOAD_CERT);
		writer_u8(&b->w, m->certs[i].encoding);
		writer_bytes(&b->w, m->certs[i].body.at, m->certs[i].body.len);
		builder_end(b, mark);
	}
}

/* A message in our own order of payloads. */
static size_t build(const struct ike_message *m, uint8_t *out, size_t room)
{
	struct builder b;
	builder_init(&b, out, room);
	builder_header(&b, &m->h);
	if (m->sa.at)
		builder_raw(&b, PAYLOAD_SA, m->sa);
	if (ike_message_has(m, PAYLOAD_KE))
		builder_ke(&b, m->ke_group, m->ke);
	if (ike_message_has(m, PAYLOAD_NONCE))
		builder_raw(&b, PAYLOAD_NONCE, m->nonce);
	build_ids(&b, m);
	build_certs(&b, m);
	if (ike_message_has(m, PAYLOAD_AUTH))
		builder_auth(&b, m->auth_method, m->auth);
	build_ts(&b, PAYLOAD_TSI, m->tsi);
	build_ts(&b, PAYLOAD_TSR, m->tsr);
	build_lists(&b, m);
	builder_finish(&b);
	return builder_ok(&b) ? builder_bytes(&b).len : 0;
}

static void there_and_back(const struct ike_message *m)
{
	static uint8_t once[4 * LIMIT_MESSAGE], twice[4 * LIMIT_MESSAGE];
	struct ike_message again;
	size_t n = build(m, once, sizeof once);
	expect(n >= IKE_HEADER_BYTES);
	expect(!ike_message_parse(&again, (struct bytes){once, n}, NULL));
	expect(again.n_notifies == m->n_notifies && again.n_deletes == m->n_deletes);
	expect(again.n_certs == (m->n_certs < LIMIT_CERTS ? m->n_certs : LIMIT_CERTS));
	expect(again.ke_group == m->ke_group && again.ke.len == m->ke.len);
	expect(build(&again, twice, sizeof twice) == n && !memcmp(once, twice, n));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ike_message m;
	struct fault f = {0};
	struct bytes all = {data, size};
	if (size > LIMIT_MESSAGE)
		return 0;
	int err = ike_message_parse(&m, all, &f);
	expect(err ? f.code == err : !f.code);
	if (!err) {
		inside(m.ke, all);
		inside(m.sa, all);
		inside(m.nonce, all);
		inside(m.sk, all);
		inside(m.idi.body, all);
		inside(m.auth, all);
		there_and_back(&m);
	}
	/* the same bytes as the inside of SK, the first one the type */
	struct ike_message inner = {.sk_first = size ? data[0] : 0};
	struct bytes rest = {data + (size > 0), size - (size > 0)};
	if (!ike_message_parse_inner(&inner, rest, &f)) {
		inner.whole = rest;
		there_and_back(&inner);
	}
	return 0;
}
