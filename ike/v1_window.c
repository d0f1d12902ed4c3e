/* SPDX-License-Identifier: Apache-2.0 */
/*
 * IKEv1's way in and out: which SA a datagram is for, encryption, repetitions, what is due when.
 */
#include "ike/v1_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- bytes that are kept ---- */

void v1_drop(struct bytes *b)
{
	free((void *)(uintptr_t)b->at);
	*b = (struct bytes){NULL, 0};
}

bool v1_keep(struct bytes *into, struct bytes from)
{
	uint8_t *copy = malloc(from.len ? from.len : 1);
	if (!copy)
		return false;
	if (from.len)
		memcpy(copy, from.at, from.len);
	v1_drop(into);
	*into = (struct bytes){copy, from.len};
	return true;
}

uint64_t v1_message_hash(const struct ike *e, struct bytes b)
{
	return lookup_hash(e->hash_key, b.at, b.len);
}

/* ---- protection ---- */

int v1_seal(struct ike_sa *sa, uint8_t exchange, uint32_t id, uint8_t iv[V1_IV],
	    const struct builder *inner, uint8_t out[LIMIT_MESSAGE], size_t *len)
{
	size_t block = encryption_of(sa->chosen.encryption)->block_bytes;
	struct bytes plain = builder_bytes(inner);
	size_t padded = (plain.len + block - 1) / block * block;
	struct ike_header h = {.spi_i = sa->spi_i,
			       .spi_r = sa->spi_r,
			       .exchange = exchange,
			       .flags = V1_FLAG_ENCRYPTED,
			       .id = id};
	struct builder b;
	if (!builder_ok(inner) || !plain.len || IKE_HEADER_BYTES + padded > LIMIT_MESSAGE)
		return -EMSGSIZE;
	clear_show(sa, &h, inner->first, plain, CLEAR_SENT);
	builder_init(&b, out, LIMIT_MESSAGE);
	v1_header(&b, &h);
	out[16] = inner->first;
	writer_bytes(&b.w, plain.at, plain.len);
	writer_zero(&b.w, padded - plain.len);
	builder_finish(&b);
	*len = builder_bytes(&b).len;
	return v1_encrypt(&sa->v1->keys, &sa->chosen, iv, out + IKE_HEADER_BYTES, padded);
}

int v1_open(const struct v1_keys *k, const struct ike_chosen *chosen, struct v1_message *m,
	    uint8_t iv[V1_IV], uint8_t plain[LIMIT_MESSAGE], struct fault *f)
{
	if (m->sealed.len > LIMIT_MESSAGE || v1_decrypt(k, chosen, iv, m->sealed, plain))
		return fault_set(f, -EBADMSG, "encrypted, but not in whole blocks");
	if (v1_message_parse_inner(m, (struct bytes){plain, m->sealed.len}, f))
		return fault_prefix(f, "it does not decrypt") ? -EBADMSG : -EBADMSG;
	return 0;
}

void v1_show(const struct ike_sa *sa, const struct v1_message *m, const uint8_t *plain)
{
	clear_show(sa, &m->h, m->h.next, (struct bytes){plain, m->used}, CLEAR_RECEIVED);
}

int v1_add_hash(struct ike_sa *sa, uint32_t id, struct bytes before, const struct builder *rest,
		struct builder *out)
{
	uint8_t hash[PRF_MAX], number[4];
	size_t len = 0;
	store_be32(number, id);
	struct bytes parts[] = {{number, 4}, before, builder_bytes(rest)};
	if (!builder_ok(rest))
		return -EMSGSIZE;
	int err = v1_hash_phase2(&sa->v1->keys, sa->chosen.prf, parts, 3, hash, &len);
	if (err)
		return err;
	v1_raw(out, V1_HASH, (struct bytes){hash, len});
	if (builder_ok(out))
		*out->next = rest->first;
	writer_bytes(&out->w, parts[2].at, parts[2].len);
	return builder_ok(out) ? 0 : -EMSGSIZE;
}

bool v1_hash_verifies(const struct ike_sa *sa, const struct v1_message *m, struct bytes before,
		      const uint8_t *plain)
{
	uint8_t want[PRF_MAX], number[4];
	size_t len = 0;
	if (!m->n || m->at[0].type != V1_HASH || v1_count(m, V1_HASH) != 1)
		return false;
	size_t first = m->at[0].whole.len;
	store_be32(number, m->h.id);
	struct bytes parts[] = {{number, 4}, before, {plain + first, m->used - first}};
	return !v1_hash_phase2(&sa->v1->keys, sa->chosen.prf, parts, 3, want, &len) &&
	       secret_equal(want, len, m->at[0].body.at, m->at[0].body.len);
}

/* ---- small things of an SA ---- */

void v1_transmit(struct ike_sa *sa, struct bytes message)
{
	sa->sent_ns = sa->e->now_ns;
	effects_send(sa->e, sa->connection_id, &sa->local, &sa->remote, message);
}

void v1_heard(struct ike_sa *sa)
{
	sa->heard_ns = sa->e->now_ns;
	sa->heard++;
	sa->v1->dpd_asked = false;
	sa_touch(sa);
}

bool v1_is_recent(const struct v1 *v, uint32_t id)
{
	for (unsigned i = 0; i < V1_RECENT; i++)
		if (v->recent[i] == id)
			return true;
	return false;
}

void v1_remember(struct v1 *v, uint32_t id)
{
	v->recent[v->n_recent++ % V1_RECENT] = id;
}

uint32_t v1_new_id(struct ike_sa *sa)
{
	uint32_t id;
	do {
		random_fill(sa->e, &id, sizeof id);
	} while (!id || v1_is_recent(sa->v1, id));
	return id;
}

void v1_malformed(struct ike_sa *sa, const struct ip_endpoint *remote, const struct fault *f)
{
	sa->e->counters[IKE_COUNT_MALFORMED]++;
	diagnose_stranger(sa->e, remote, f->text);
}

/* ---- messages outside any SA ---- */

void v1_refuse_clear(struct ike *e, const struct v1_arrival *a, const struct ike_header *h,
		     uint16_t type)
{
	uint8_t out[IKE_HEADER_BYTES + 12];
	struct ike_header answer = {
		.spi_i = h->spi_i, .spi_r = h->spi_r, .exchange = V1_INFORMATIONAL};
	struct builder b;
	/* never an error for an error, never more than came, never many */
	if (h->exchange == V1_INFORMATIONAL || a->datagram.len < sizeof out ||
	    !log_limit_pass(&e->replies, e->now_ns, LIMIT_STRANGER_REPLY))
		return;
	random_fill(e, &answer.id, sizeof answer.id);
	builder_init(&b, out, sizeof out);
	v1_header(&b, &answer);
	v1_notify(&b, PROTOCOL_IKE, (struct bytes){NULL, 0}, type, (struct bytes){NULL, 0});
	builder_finish(&b);
	effects_send(e, 0, &a->local, &a->remote, builder_bytes(&b));
}

static bool known_peer(const struct ike *e, const struct v1_arrival *a)
{
	for (struct connection *c = NULL; (c = connection_candidate(e, &a->remote.addr, c));)
		if (connection_fits_v1(c, &a->local, &a->remote))
			return true;
	return false;
}

static void unknown_sa(struct ike *e, const struct v1_message *m, const struct v1_arrival *a)
{
	e->counters[IKE_COUNT_UNKNOWN_SA]++;
	diagnose_stranger(e, &a->remote, "a message of an ISAKMP SA that is not there");
	if (known_peer(e, a))
		v1_refuse_clear(e, a, &m->h, V1_NOTIFY_INVALID_COOKIE);
}

/* By our own cookie; the other one must be the peer's, which in message 2 is not known yet. */
static struct ike_sa *owner_of(const struct ike *e, const struct ike_header *h)
{
	struct ike_sa *sa = sa_by_spi(e, h->spi_i);
	if (sa && sa->v1 && sa->is_initiator && (!sa->spi_r || sa->spi_r == h->spi_r))
		return sa;
	sa = h->spi_r ? sa_by_spi(e, h->spi_r) : NULL;
	return sa && sa->v1 && !sa->is_initiator && sa->spi_i == h->spi_i ? sa : NULL;
}

static void not_built(struct ike *e, const struct v1_message *m, const struct v1_arrival *a)
{
	struct fault f = {0};
	e->counters[IKE_COUNT_MALFORMED]++;
	fault_set(&f, -EOPNOTSUPP,
		  "the peer asks for %s of IKEv1, which is not built: main mode with a pre-shared "
		  "key is expected",
		  v1_exchange_name(m->h.exchange));
	diagnose_stranger(e, &a->remote, f.text);
	for (struct connection *c = NULL; (c = connection_candidate(e, &a->remote.addr, c));) {
		if (connection_fits_v1(c, &a->local, &a->remote) != 2)
			continue;
		if (!c->is_up)
			connection_blame(c, &f);
		v1_refuse_clear(e, a, &m->h, V1_NOTIFY_UNSUPPORTED_EXCHANGE);
		return;
	}
}

static void dispatch(struct ike_sa *sa, struct v1_message *m, const struct v1_arrival *a)
{
	switch (m->h.exchange) {
	case V1_MAIN: v1_main_receive(sa, m, a); break;
	case V1_QUICK: v1_quick_receive(sa, m, a); break;
	case V1_INFORMATIONAL: v1_info_receive(sa, m, a); break;
	default: not_built(sa->e, m, a);
	}
}

/* A first message: either one that we have answered, or a new handshake. */
static void receive_first(struct ike *e, const struct v1_message *m, const struct v1_arrival *a)
{
	struct ike_sa *sa = sa_by_init(e, m->h.spi_i, &a->remote);
	if (sa && sa->v1 && sa->v1->last_in == v1_message_hash(e, a->datagram) &&
	    sa->window.response.at)
		effects_send(e, sa->connection_id, &a->local, &a->remote, sa->window.response);
	else if (sa)
		e->counters[IKE_COUNT_BAD_MESSAGE_ID]++;
	else
		v1_main_first(e, m, a);
}

void v1_receive(struct ike *e, const struct ip_endpoint *local, const struct ip_endpoint *remote,
		struct bytes datagram)
{
	struct v1_arrival a = {*local, *remote, datagram};
	struct v1_message m;
	struct fault f = {0};
	if (v1_message_parse(&m, datagram, &f)) {
		e->counters[IKE_COUNT_MALFORMED]++;
		diagnose_stranger(e, remote, f.text);
		return;
	}
	struct ike_sa *sa = owner_of(e, &m.h);
	if (sa)
		dispatch(sa, &m, &a);
	else if (m.h.exchange != V1_MAIN && m.h.exchange != V1_QUICK &&
		 m.h.exchange != V1_INFORMATIONAL)
		not_built(e, &m, &a);
	else if (!m.h.spi_r && m.h.exchange == V1_MAIN && !m.sealed.at)
		receive_first(e, &m, &a);
	else
		unknown_sa(e, &m, &a);
}

/* ---- what we want ---- */

static bool is_quick(const struct task *task)
{
	return task->row->type == V1_QUICK;
}

/*
 * One after the other, and the ISAKMP SA first: a peer that takes its IPsec SAs over to the new
 * ISAKMP SA when that is there, and ends with the old one what was made by it later (strongSwan
 * does), would lose the one that we go on with.
 */
static uint64_t starts_at(const struct ike_sa *sa, const struct task *task)
{
	if ((is_quick(task) || task->row->type == V1_MAIN) && v1_quick_in_flight(sa))
		return INSTANT_NEVER;
	uint64_t turn = is_quick(task) ? v1_turn_of_quick(sa) : 0;
	return turn > task->not_before_ns ? turn : task->not_before_ns;
}

static void unlink_task(struct ike_sa *sa, struct task *task)
{
	struct task **at = &sa->tasks;
	while (*at != task)
		at = &(*at)->next;
	*at = task->next;
}

/* The first task that may start now, main mode before quick mode; what makes no sense in this state
 * goes. */
static struct task *next_task(struct ike_sa *sa)
{
	struct task *quick = NULL;
	for (struct task *task = sa->tasks, *next; task; task = next) {
		next = task->next;
		if (!(task->row->starts_in >> sa->state & 1)) {
			unlink_task(sa, task);
			task_free(task);
		} else if (starts_at(sa, task) <= sa->e->now_ns) {
			if (!is_quick(task))
				return task;
			quick = quick ? quick : task;
		}
	}
	return quick;
}

void v1_pump(struct ike_sa *sa)
{
	struct task *task;
	while (sa->state != SA_DEAD && (task = next_task(sa))) {
		unlink_task(sa, task);
		int err = task->row->request(sa, task, NULL);
		if (!err || err == -ECANCELED || sa->state == SA_DEAD) {
			task_free(task);
			continue;
		}
		if (task->not_before_ns <= sa->e->now_ns)
			timers_task_refused(sa, task);
		task->next = sa->tasks;
		sa->tasks = task;
	}
}

/* ---- time ---- */

static uint64_t dpd_timeout(const struct ike_sa *sa)
{
	return sa->c && sa->v1->dpd && sa->state == SA_ESTABLISHED ? sa->c->cfg.dpd_timeout_ns : 0;
}

static uint64_t dead_at(const struct ike_sa *sa)
{
	uint64_t timeout = dpd_timeout(sa);
	uint64_t by_silence = instant_after(sa->heard_ns, timeout);
	uint64_t by_question = instant_after(sa->v1->dpd_first_ns, timeout - timeout / 3);
	return by_silence > by_question ? by_silence : by_question;
}

static uint64_t dpd_at(const struct ike_sa *sa)
{
	uint64_t timeout = dpd_timeout(sa);
	if (!timeout)
		return INSTANT_NEVER;
	/* ESP of the peer since we asked is an answer, too */
	if (sa->v1->dpd_asked && sa->heard_ns <= sa->v1->dpd_first_ns)
		return instant_earlier(sa->v1->dpd_resend_ns, dead_at(sa));
	return instant_after(sa->heard_ns, timeout / 3);
}

static uint64_t quick_at(const struct v1_quick *q)
{
	return q->expects ? q->resend_at_ns : q->forget_at_ns;
}

uint64_t v1_deadline(const struct ike_sa *sa)
{
	uint64_t at = dpd_at(sa);
	if (sa->window.request.at)
		at = instant_earlier(at, sa->window.resend_at_ns);
	for (const struct v1_quick *q = sa->v1->quicks; q; q = q->next)
		at = instant_earlier(at, quick_at(q));
	for (const struct task *task = sa->tasks; task; task = task->next)
		at = instant_earlier(at, starts_at(sa, task));
	return at;
}

static void main_due(struct ike_sa *sa)
{
	if (sa->window.sent >= sa->e->options.retransmit_tries) {
		v1_main_timeout(sa);
		return;
	}
	sa->e->counters[IKE_COUNT_RETRANSMITTED]++;
	timers_request_sent(sa);
	v1_transmit(sa, sa->window.request);
}

static void dpd_due(struct ike_sa *sa)
{
	struct fault f;
	char to[ENDPOINT_TEXT];
	struct v1 *v = sa->v1;
	if (v->dpd_asked && sa->heard_ns > v->dpd_first_ns)
		v->dpd_asked = false;
	if (!v->dpd_asked || sa->e->now_ns < dead_at(sa)) {
		v1_dpd_send(sa);
		return;
	}
	sa->e->counters[IKE_COUNT_DPD_DEAD]++;
	fault_set(&f, -ETIMEDOUT,
		  "no answer from %s: %u R-U-THERE sent over %u s; the peer answered before",
		  ip_endpoint_format(&sa->remote, to), v->dpd_sent,
		  (unsigned)((sa->e->now_ns - v->dpd_first_ns) / NS_PER_S));
	fault_advise(&f,
		     "check that UDP %u passes in both directions and that the peer still has the "
		     "connection",
		     sa->remote.port);
	v1_lost(sa, &f);
}

/* True: it was ours, and the SA may be gone. */
bool v1_due(struct ike_sa *sa)
{
	uint64_t now = sa->e->now_ns;
	if (sa->window.request.at && now >= sa->window.resend_at_ns) {
		main_due(sa);
		return true;
	}
	for (struct v1_quick *q = sa->v1->quicks; q; q = q->next) {
		if (now >= quick_at(q)) {
			v1_quick_due(sa, q);
			return true;
		}
	}
	if (now >= dpd_at(sa)) {
		dpd_due(sa);
		return true;
	}
	return false;
}
