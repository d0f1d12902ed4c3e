/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A peer that lies: an engine that works, one of whose messages is opened on its way, changed, and
 * closed again with its own keys. What it signs is what it sent: a changed IKE_SA_INIT is the one
 * that its AUTH covers.
 */
#ifndef XGW_TESTS_SIM_LIAR_H
#define XGW_TESTS_SIM_LIAR_H

#include "hand.h"

#define LIAR_PARTS 64
#define LIAR_BODY  1400

struct part {
	uint8_t type, flags; /* the flags octet of the generic header */
	size_t len;
	uint16_t claims; /* length that the header says; 0: the right one */
	uint8_t b[LIAR_BODY];
};
struct words { /* a message in the clear */
	struct ike_header h;
	uint8_t version;
	unsigned n;
	struct part at[LIAR_PARTS];
	struct ike_sa *sa; /* of the liar */
	bool last_next;	   /* the last payload says that one more follows */
};
typedef void (*lie)(struct words *w);

static inline struct part *liar_find(struct words *w, uint8_t type)
{
	for (unsigned i = 0; i < w->n; i++)
		if (w->at[i].type == type)
			return &w->at[i];
	fail_msg("the message has no payload of type %u", type);
	return NULL;
}

static inline void liar_omit(struct words *w, uint8_t type)
{
	unsigned i = (unsigned)(liar_find(w, type) - w->at);
	memmove(&w->at[i], &w->at[i + 1], (w->n - i - 1) * sizeof w->at[0]);
	w->n--;
}

static inline struct part *liar_add(struct words *w, uint8_t type, const void *b, size_t len)
{
	assert_true(w->n < LIAR_PARTS && len <= LIAR_BODY);
	struct part *p = &w->at[w->n++];
	*p = (struct part){.type = type, .len = len};
	if (len)
		memcpy(p->b, b, len);
	return p;
}

static inline void liar_add_notify(struct words *w, uint16_t type)
{
	uint8_t b[4] = {0, 0, (uint8_t)(type >> 8), (uint8_t)type};
	liar_add(w, PAYLOAD_NOTIFY, b, sizeof b);
}

static inline struct part *liar_notify(struct words *w, uint16_t type)
{
	for (unsigned i = 0; i < w->n; i++)
		if (w->at[i].type == PAYLOAD_NOTIFY && load_be16(w->at[i].b + 2) == type)
			return &w->at[i];
	return NULL;
}

static inline void liar_omit_notify(struct words *w, uint16_t type)
{
	struct part *p = liar_notify(w, type);
	assert_non_null(p);
	unsigned i = (unsigned)(p - w->at);
	memmove(&w->at[i], &w->at[i + 1], (w->n - i - 1) * sizeof w->at[0]);
	w->n--;
}

/* n bytes at `at` of a payload's body become m others. */
static inline void liar_splice(struct part *p, size_t at, size_t n, const void *b, size_t m)
{
	assert_true(at + n <= p->len && p->len - n + m <= LIAR_BODY);
	memmove(p->b + at + m, p->b + at + n, p->len - at - n);
	if (m)
		memcpy(p->b + at, b, m);
	p->len = p->len - n + m;
}

/* ---- opening and closing ---- */

static inline void liar_read(struct words *w, uint8_t first, const uint8_t *b, size_t len)
{
	uint8_t type = first;
	for (size_t at = 0; at + 4 <= len && type && w->n < LIAR_PARTS;) {
		size_t n = load_be16(b + at + 2);
		assert_true(n >= 4 && at + n <= len && n - 4 <= LIAR_BODY);
		struct part *p = &w->at[w->n++];
		*p = (struct part){.type = type, .flags = b[at + 1], .len = n - 4};
		memcpy(p->b, b + at + 4, n - 4);
		type = b[at];
		at += n;
	}
}

static inline size_t liar_write(const struct words *w, uint8_t *out, size_t room)
{
	size_t at = 0;
	for (unsigned i = 0; i < w->n; i++) {
		const struct part *p = &w->at[i];
		assert_true(at + 4 + p->len <= room);
		out[at] = i + 1 < w->n ? w->at[i + 1].type : w->last_next ? PAYLOAD_NOTIFY : 0;
		out[at + 1] = p->flags;
		store_be16(out + at + 2, p->claims ? p->claims : (uint16_t)(4 + p->len));
		memcpy(out + at + 4, p->b, p->len);
		at += 4 + p->len;
	}
	return at;
}

static inline struct ike_sa *liar_sa(struct hand *h, unsigned node, const struct ike_header *of)
{
	for (struct ike_sa *sa = hand_node(h, node)->ike->all; sa; sa = sa->next_all)
		if (sa->spi_i == of->spi_i && (!of->spi_r || !sa->spi_r || sa->spi_r == of->spi_r))
			return sa;
	fail_msg("the liar has no such IKE SA");
	return NULL;
}

static inline void liar_take_bytes(struct bytes *into, const uint8_t *b, size_t len)
{
	uint8_t *copy = malloc(len);
	if (!copy)
		abort();
	memcpy(copy, b, len);
	free((void *)(uintptr_t)into->at);
	*into = (struct bytes){copy, len};
}

static inline size_t liar_clear(struct words *w, uint8_t *out, size_t room)
{
	struct builder b;
	builder_init(&b, out, room);
	builder_header(&b, &w->h);
	out[16] = w->n ? w->at[0].type : 0;
	out[17] = w->version;
	size_t len = IKE_HEADER_BYTES + liar_write(w, out + IKE_HEADER_BYTES, room - 28);
	store_be32(out + 24, (uint32_t)len);
	/* it stands by what it said */
	if (!(w->h.flags & IKE_FLAG_RESPONSE))
		liar_take_bytes(&w->sa->window.request, out, len);
	else if (w->sa->handshake)
		liar_take_bytes(&w->sa->handshake->init_r, out, len);
	return len;
}

/* Datagram `d`, which node `from` sent, says something else. */
static inline void liar_change(struct hand *h, unsigned from, struct sim_datagram *d, lie how)
{
	uint8_t plain[LIMIT_MESSAGE], out[LIMIT_MESSAGE + 200], iv[PROTECT_IV_RANDOM] = {7};
	struct words *w = calloc(1, sizeof *w);
	size_t marker = d->from.port == IKE_NATT_PORT ? 4 : 0, len = 0;
	struct ike_message m;
	struct fault f;
	if (!w)
		abort();
	assert_int_equal(
		ike_message_parse(&m, (struct bytes){d->bytes + marker, d->len - marker}, &f), 0);
	w->h = m.h;
	w->version = IKE_VERSION_2;
	w->sa = liar_sa(h, from, &m.h);
	if (m.h.exchange == IKE_SA_INIT) {
		liar_read(w, d->bytes[marker + 16], d->bytes + marker + 28, d->len - marker - 28);
		how(w);
		len = liar_clear(w, out, sizeof out);
	} else {
		/* protect_open is for what the peer sent */
		struct ike_sa *reader = liar_sa(h, 1 - from, &m.h);
		assert_int_equal(m.fragment.total, 0);
		assert_int_equal(
			protect_open(&reader->keys, &reader->chosen, &m, plain, sizeof plain, &len),
			0);
		liar_read(w, m.sk_first, plain, len);
		how(w);
		len = liar_write(w, plain, sizeof plain);
		assert_int_equal(protect_seal(&w->sa->keys, &w->sa->chosen, &w->h,
					      w->n ? w->at[0].type : 0, (struct bytes){plain, len},
					      iv, out, sizeof out, &len),
				 0);
	}
	d->bytes = realloc(d->bytes, marker + len);
	if (!d->bytes)
		abort();
	memcpy(d->bytes + marker, out, len);
	d->len = marker + len;
	free(w);
}

#endif
