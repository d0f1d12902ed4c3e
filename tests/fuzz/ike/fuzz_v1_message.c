/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as an IKEv1 datagram, as the inside of an encrypted one, and as the bodies that have a
 * structure of their own: SA, notify, delete, lifetimes, selectors.
 */
#include "ike/v1_message.h"
#include "ike/v1_proposal.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define LIST(kind, ...) .n_##kind = sizeof((uint8_t[]){__VA_ARGS__}), .kind = {__VA_ARGS__}

static const struct ike_proposal ours[] = {
	{LIST(encryption, ENCR_AES_GCM16_256, ENCR_AES_CBC_256, ENCR_3DES),
	 LIST(integrity, AUTH_HMAC_SHA2_256_128, AUTH_HMAC_SHA1_96),
	 LIST(group, DH_ECP_256, DH_MODP_1024)},
	{LIST(encryption, ENCR_AES_CBC_128, ENCR_AES_GCM16_128),
	 LIST(integrity, AUTH_HMAC_SHA1_96)},
};

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

/* By its fields: what lies between them is nobody's. */
static bool same_choice(const struct ike_chosen *a, const struct ike_chosen *b)
{
	return a->encryption == b->encryption && a->integrity == b->integrity && a->prf == b->prf &&
	       a->group == b->group && !a->n_additional && !b->n_additional && a->esn == b->esn &&
	       a->number == b->number && a->spi == b->spi;
}

static bool same_selector(const struct traffic_selector *a, const struct traffic_selector *b)
{
	return a->protocol == b->protocol && a->port_first == b->port_first &&
	       a->port_last == b->port_last && ip_addr_equal(&a->range.first, &b->range.first) &&
	       ip_addr_equal(&a->range.last, &b->range.last);
}

static void judge_sa(struct bytes body)
{
	struct v1_offer o = {.ours = ours, .n = 2, .auth = V1_AUTH_PSK, .mode = V1_MODE_TUNNEL};
	struct v1_agreed agreed, again;
	uint8_t room[LIMIT_MESSAGE + 64];
	struct fault f = {0};
	struct builder b;
	o.n = 1; /* phase 1 always has a group */
	int err = v1_choose_ike(body, &o, &agreed, &f);
	expect(f.code == err);
	if (!err) {
		const struct ike_chosen *c = &agreed.chosen;
		expect(!encryption_of(c->encryption)->aead && c->integrity && c->prf && c->group);
		inside(agreed.transform, body);
		builder_init(&b, room, sizeof room);
		v1_answer_ike(&b, &agreed);
		struct bytes whole = builder_bytes(&b);
		expect(builder_ok(&b) &&
		       !v1_accept_ike((struct bytes){whole.at + 4, whole.len - 4}, &o, &again, &f));
		expect(same_choice(&again.chosen, c));
	}
	f = (struct fault){0};
	o.n = 2;
	err = v1_choose_esp(body, &o, &agreed, &f);
	expect(f.code == err);
	if (err)
		return;
	expect(encryption_of(agreed.chosen.encryption)->aead ==
	       (agreed.chosen.integrity == AUTH_NONE));
	expect(agreed.chosen.spi);
	builder_init(&b, room, sizeof room);
	v1_answer_esp(&b, &agreed, (uint32_t)agreed.chosen.spi);
	struct bytes whole = builder_bytes(&b);
	o.group = agreed.chosen.group;
	expect(builder_ok(&b) &&
	       !v1_accept_esp((struct bytes){whole.at + 4, whole.len - 4}, &o, &again, &f));
	expect(same_choice(&again.chosen, &agreed.chosen));
}

static void judge_selector(struct bytes body)
{
	struct traffic_selector ts, again;
	uint8_t back[V1_SELECTOR_MAX];
	if (v1_selector_parse(&ts, body))
		return;
	expect(ip_addr_cmp(&ts.range.first, &ts.range.last) <= 0);
	size_t n = v1_selector_write(back, &ts);
	expect(!v1_selector_parse(&again, (struct bytes){back, n}));
	expect(same_selector(&ts, &again));
}

static void judge_payload(const struct v1_payload *p, struct bytes all)
{
	struct v1_notify n;
	struct v1_delete d;
	struct v1_life life;
	char name[32];
	inside(p->whole, all);
	inside(p->body, p->whole);
	expect(strlen(v1_payload_name(p->type, name)) > 0);
	if (!v1_notify_parse(&n, p->body)) {
		inside(n.body, all);
		inside(n.spi, all);
		expect(strlen(v1_notify_name(n.type, name)) > 0);
	}
	if (!v1_delete_parse(&d, p->body))
		expect(d.spis.len == (size_t)d.n * d.spi_bytes && d.n <= LIMIT_DELETE_SPIS);
	if (!v1_life_parse(&life, p->body))
		expect(p->body.len >= 4 || (!life.seconds && !life.kilobytes));
	judge_selector(p->body);
	judge_sa(p->body);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct v1_message m;
	struct fault f = {0};
	struct bytes all = {data, size};
	if (size > LIMIT_MESSAGE)
		return 0;
	int err = v1_message_parse(&m, all, &f);
	expect(err ? f.code == err && strlen(f.text) : !f.code);
	for (unsigned i = 0; !err && i < m.n; i++)
		judge_payload(&m.at[i], all);
	/* as what was encrypted, the first byte the type of the first payload */
	struct v1_message inner = {.h = {.next = size ? data[0] : 0}};
	struct bytes rest = {data + (size > 0), size - (size > 0)};
	if (!v1_message_parse_inner(&inner, rest, &f)) {
		expect(inner.used <= rest.len);
		for (unsigned i = 0; i < inner.n; i++)
			judge_payload(&inner.at[i], rest);
	}
	judge_sa(all);
	judge_selector(all);
	return 0;
}
