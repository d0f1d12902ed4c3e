/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages in parts (RFC 7383): a protected message that does not fit in one IP packet of the size
 * that passes everywhere goes as several SKF, each sealed by itself, and IP never has to fragment
 * it. Of a peer's parts only those are kept whose protection verifies, in the open window, for one
 * request and one response at a time.
 */
#include "ike/ike_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct reassembly {
	uint32_t id;
	uint8_t exchange;
	uint8_t first; /* type of the first payload inside, of fragment 1 */
	uint16_t total, n;
	size_t bytes;
	struct bytes part[LIMIT_FRAGMENTS]; /* owned; at == NULL: not here yet */
};

/* ---- sending ---- */

/* Largest IKE message in bytes that fits one IP packet on its way. */
size_t fragment_limit(const struct ike_sa *sa)
{
	size_t mtu =
		sa->c && sa->c->cfg.fragment_mtu ? sa->c->cfg.fragment_mtu : LIMIT_FRAGMENT_MTU;
	size_t ip = sa->remote.addr.family == IP_V6 ? 40 : 20, udp = 8;
	size_t marker = sa->local.port == IKE_NATT_PORT ? 4 : 0;
	return mtu - ip - udp - marker;
}

static int seal_parts(struct ike_sa *sa, const struct ike_header *h, uint8_t first,
		      struct bytes inner, uint8_t *out, size_t *len)
{
	uint8_t iv[PROTECT_IV_RANDOM];
	size_t each = protect_fragment_room(&sa->chosen, fragment_limit(sa)), one = 0;
	size_t total = each ? (inner.len + each - 1) / each : 0;
	int err = total && total <= LIMIT_FRAGMENTS ? 0 : -EMSGSIZE;
	*len = 0;
	for (size_t i = 0; i < total && !err; i++) {
		struct ike_fragment part = {(uint16_t)(i + 1), (uint16_t)total};
		struct bytes piece = {inner.at + i * each,
				      i + 1 < total ? each : inner.len - i * each};
		random_fill(sa->e, iv, sizeof iv);
		err = protect_seal_fragment(&sa->keys, &sa->chosen, h, &part,
					    i ? (uint8_t)PAYLOAD_NONE : first, piece, iv,
					    out + *len, FRAGMENT_SEALED - *len, &one);
		*len += one;
	}
	return err;
}

/* One SK where it fits, or where the peer understands nothing else; SKF where it does not. */
int fragment_seal(struct ike_sa *sa, const struct ike_header *h, uint8_t first, struct bytes inner,
		  uint8_t out[FRAGMENT_SEALED], size_t *len)
{
	uint8_t iv[PROTECT_IV_RANDOM];
	if (sa->fragmentation && protect_length(&sa->chosen, inner.len) > fragment_limit(sa))
		return seal_parts(sa, h, first, inner, out, len);
	random_fill(sa->e, iv, sizeof iv);
	return protect_seal(&sa->keys, &sa->chosen, h, first, inner, iv, out, LIMIT_MESSAGE, len);
}

/* A message, or all the fragments that it went into. */
void fragment_send(struct ike_sa *sa, const struct ip_endpoint *local,
		   const struct ip_endpoint *remote, struct bytes messages)
{
	while (messages.len >= IKE_HEADER_BYTES) {
		size_t n = load_be32(messages.at + 24);
		if (n < IKE_HEADER_BYTES || n > messages.len)
			return;
		if (messages.at[16] == PAYLOAD_SKF)
			sa->e->counters[IKE_COUNT_FRAGMENTS_SENT]++;
		effects_send(sa->e, sa->connection_id, local, remote,
			     (struct bytes){messages.at, n});
		messages.at += n;
		messages.len -= n;
	}
}

void fragment_say(struct builder *out)
{
	builder_notify(out, NOTIFY_FRAGMENTATION_SUPPORTED, (struct bytes){NULL, 0});
}

/* ---- receiving ---- */

static void empty(struct reassembly *r)
{
	for (unsigned i = 0; i < LIMIT_FRAGMENTS; i++) {
		if (r->part[i].at)
			wipe((void *)(uintptr_t)r->part[i].at, r->part[i].len);
		free((void *)(uintptr_t)r->part[i].at);
	}
	memset(r, 0, sizeof *r);
}

void fragments_forget(struct ike_sa *sa, bool response)
{
	struct reassembly *r = sa->reassembly[response];
	if (!r)
		return;
	empty(r);
	free(r);
	sa->reassembly[response] = NULL;
}

static void dropped(struct ike_sa *sa, enum ike_counter why, const char *what)
{
	sa->e->counters[why]++;
	if (!what || !sa->c || sa->fragments_told)
		return;
	sa->fragments_told = true;
	connection_event(sa->c, "fragments of the peer's message dropped: %s", what);
}

/* What can be told before anything is decrypted. 0; -EAGAIN: dropped. */
static int admit(struct ike_sa *sa, const struct ike_message *m, const struct reassembly *r)
{
	bool same = r && r->id == m->h.id && r->exchange == m->h.exchange;
	if (!sa->fragmentation) {
		dropped(sa, IKE_COUNT_FRAGMENT_NOT_AGREED, NULL);
		return -EAGAIN;
	}
	if (m->fragment.total > LIMIT_FRAGMENTS) {
		dropped(sa, IKE_COUNT_FRAGMENT_TOO_MUCH, NULL);
		return -EAGAIN;
	}
	if (same && m->fragment.total < r->total) {
		dropped(sa, IKE_COUNT_FRAGMENT_OVERTAKEN, NULL);
		return -EAGAIN;
	}
	if (same && m->fragment.total == r->total && r->part[m->fragment.number - 1].at) {
		dropped(sa, IKE_COUNT_FRAGMENT_REPEATED, NULL);
		return -EAGAIN;
	}
	return 0;
}

/* The message to which this fragment belongs; begun anew for another one, or when the peer cut it
 * into more parts than before (section 2.6). NULL: no memory. */
static struct reassembly *place_for(struct ike_sa *sa, const struct ike_message *m)
{
	struct reassembly **slot = &sa->reassembly[ike_message_is_response(m)];
	if (!*slot)
		*slot = calloc(1, sizeof **slot);
	struct reassembly *r = *slot;
	if (!r)
		return NULL;
	bool same = r->total && r->id == m->h.id && r->exchange == m->h.exchange;
	if (same && m->fragment.total == r->total)
		return r;
	if (same)
		sa->e->counters[IKE_COUNT_FRAGMENT_OVERTAKEN] += r->n;
	empty(r);
	r->id = m->h.id;
	r->exchange = m->h.exchange;
	r->total = m->fragment.total;
	return r;
}

/* 0; -EAGAIN: there is no room for it. */
static int store(struct ike_sa *sa, struct reassembly *r, const struct ike_message *m,
		 struct bytes plain)
{
	if (r->bytes + plain.len > LIMIT_MESSAGE) {
		dropped(sa, IKE_COUNT_FRAGMENT_TOO_MUCH, "it is longer than any message may be");
		return -EAGAIN;
	}
	uint8_t *copy = malloc(plain.len + 1);
	if (!copy)
		return -EAGAIN;
	if (plain.len)
		memcpy(copy, plain.at, plain.len);
	r->part[m->fragment.number - 1] = (struct bytes){copy, plain.len};
	r->bytes += plain.len;
	r->n++;
	if (m->fragment.number == 1)
		r->first = m->sk_first;
	return 0;
}

static void join(const struct reassembly *r, struct ike_message *m, uint8_t *out, size_t *len)
{
	*len = 0;
	for (unsigned i = 0; i < r->total; i++) {
		if (r->part[i].len)
			memcpy(out + *len, r->part[i].at, r->part[i].len);
		*len += r->part[i].len;
	}
	m->sk_first = r->first;
}

/*
 * One more fragment of a message in the window. 0: it was the last one missing, the payloads of all
 * are in plain; -EAGAIN: others are missing, or it is of no use; -EBADMSG: it does not verify.
 */
int fragment_open(struct ike_sa *sa, struct ike_message *m, uint8_t *plain, size_t room,
		  size_t *len)
{
	bool response = ike_message_is_response(m);
	int err = admit(sa, m, sa->reassembly[response]);
	if (err)
		return err;
	err = protect_open(&sa->keys, &sa->chosen, m, plain, room, len);
	if (err) {
		dropped(sa, IKE_COUNT_FRAGMENT_INTEGRITY, NULL);
		return err;
	}
	struct reassembly *r = place_for(sa, m);
	err = r ? store(sa, r, m, (struct bytes){plain, *len}) : -EAGAIN;
	wipe(plain, *len);
	if (err || r->n < r->total)
		return -EAGAIN;
	if (r->bytes > room)
		return -EAGAIN;
	join(r, m, plain, len);
	fragments_forget(sa, response);
	sa->e->counters[IKE_COUNT_REASSEMBLED]++;
	return 0;
}

/*
 * Whether this asks for the last answer once more: only the first fragment of a request does, else
 * each of them would (section 2.6.1). The peer may have cut it otherwise than before, so not its
 * bytes but its protection tells.
 */
bool fragment_repeats(struct ike_sa *sa, const struct ike_message *m)
{
	uint8_t plain[LIMIT_MESSAGE];
	size_t len = 0;
	if (!sa->fragmentation || !sa->has_keys || m->fragment.number != 1)
		return false;
	int err = protect_open(intermediate_repeated_keys(sa, m->h.exchange), &sa->chosen, m, plain,
			       sizeof plain, &len);
	if (err)
		dropped(sa, IKE_COUNT_FRAGMENT_INTEGRITY, NULL);
	wipe(plain, len);
	return !err;
}
