/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Message IDs, retransmission and stored answers of one IKE SA (RFC 7296 sections 2.1 to 2.3): a
 * window of one in each direction, and the queue of what we still want to ask.
 */
#include "ike/ike_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- tasks ---- */

static struct task *add(struct ike_sa *sa, enum exchange_id row, uint32_t spi_in, uint16_t worker)
{
	struct task **at = &sa->tasks;
	unsigned n = 0;
	for (; *at; at = &(*at)->next, n++)
		if ((*at)->row->id == row && (*at)->spi_in == spi_in && (*at)->worker == worker)
			return *at;
	struct task *task = n < LIMIT_TASKS_PER_SA ? calloc(1, sizeof *task) : NULL;
	if (!task)
		return NULL;
	task->row = sa->v1 ? &exchanges_v1[row] : &exchanges_v2[row];
	task->spi_in = spi_in;
	task->worker = worker;
	*at = task;
	sa_touch(sa);
	return task;
}

struct task *task_add(struct ike_sa *sa, enum exchange_id row, uint32_t spi_in)
{
	return add(sa, row, spi_in, 0);
}

/* Before all that waits. */
void task_first(struct ike_sa *sa, struct task *task)
{
	struct task **at = &sa->tasks, **head;
	if (sa->in_flight && *at)
		at = &(*at)->next;
	head = at;
	while (*at && *at != task)
		at = &(*at)->next;
	if (!*at || at == head)
		return;
	*at = task->next;
	task->next = *head;
	*head = task;
}

/* A child of this worker's own. */
struct task *task_add_worker(struct ike_sa *sa, uint16_t worker)
{
	return add(sa, EXCHANGE_NEW_CHILD, 0, worker);
}

void task_free(struct task *task)
{
	dh_free(task->dh);
	followup_free(task->followup);
	wipe(task, sizeof *task);
	free(task);
}

void tasks_free(struct ike_sa *sa)
{
	window_abandon(sa);
	while (sa->tasks) {
		struct task *task = sa->tasks;
		sa->tasks = task->next;
		task_free(task);
	}
}

/* All but the one in flight. */
void tasks_free_waiting(struct ike_sa *sa)
{
	struct task **at = &sa->tasks;
	if (sa->in_flight && *at)
		at = &(*at)->next;
	while (*at) {
		struct task *task = *at;
		*at = task->next;
		task_free(task);
	}
}

/* What waited on a rekeyed IKE SA goes on over its successor, and what waits for its answer begins
 * anew there. That one stays in flight too: nothing else may be sent before its answer. */
void tasks_move(struct ike_sa *from, struct ike_sa *to)
{
	for (struct task *task = from->tasks; task; task = task->next) {
		enum exchange_id id = task->row->id;
		if (id == EXCHANGE_NEW_CHILD || id == EXCHANGE_REKEY_CHILD ||
		    id == EXCHANGE_DELETE_CHILD)
			add(to, id, task->spi_in, task->worker);
	}
	tasks_free_waiting(from);
}

/* The child is gone: nothing that still waits about it makes sense. */
void tasks_forget_child(struct ike_sa *sa, uint32_t spi_in)
{
	struct task **at = &sa->tasks;
	if (sa->in_flight && *at)
		at = &(*at)->next;
	while (*at) {
		struct task *task = *at;
		if (task->spi_in != spi_in) {
			at = &task->next;
			continue;
		}
		*at = task->next;
		task_free(task);
	}
}

uint64_t task_earliest(const struct ike_sa *sa)
{
	uint64_t at = INSTANT_NEVER;
	for (const struct task *task = sa->in_flight ? NULL : sa->tasks; task; task = task->next)
		at = instant_earlier(at, task->not_before_ns);
	return at;
}

/* ---- our requests ---- */

static void drop_bytes(struct bytes *b)
{
	free((void *)(uintptr_t)b->at);
	*b = (struct bytes){NULL, 0};
}

static bool keep_bytes(struct bytes *into, struct bytes from)
{
	uint8_t *copy = malloc(from.len ? from.len : 1);
	if (!copy)
		return false;
	memcpy(copy, from.at, from.len);
	drop_bytes(into);
	*into = (struct bytes){copy, from.len};
	return true;
}

void window_free(struct window *w)
{
	drop_bytes(&w->request);
	drop_bytes(&w->response);
}

static struct ike_header header_of(const struct ike_sa *sa, uint8_t exchange, uint32_t id,
				   bool response)
{
	return (struct ike_header){
		.spi_i = sa->spi_i,
		.spi_r = sa->spi_r,
		.exchange = exchange,
		.id = id,
		.flags = (uint8_t)((sa->is_initiator ? IKE_FLAG_INITIATOR : 0) |
				   (response ? IKE_FLAG_RESPONSE : 0)),
	};
}

static int seal(struct ike_sa *sa, const struct ike_header *h, const struct builder *inner,
		uint8_t out[FRAGMENT_SEALED], size_t *len)
{
	if (!builder_ok(inner))
		return -EMSGSIZE;
	if (h->exchange == IKE_INTERMEDIATE)
		intermediate_note(sa, h, inner->first, builder_bytes(inner));
	clear_show(sa, h, inner->first, builder_bytes(inner), CLEAR_SENT);
	int err = fragment_seal(sa, h, inner->first, builder_bytes(inner), out, len);
	if (h->exchange == IKE_INTERMEDIATE && h->flags & IKE_FLAG_RESPONSE)
		intermediate_sealed(sa);
	return err;
}

static uint8_t type_of(const struct task *task)
{
	return task->followup ? IKE_FOLLOWUP_KE : task->row->type;
}

/* Builds the request of a task into out. */
static int build(struct ike_sa *sa, struct task *task, uint8_t out[FRAGMENT_SEALED], size_t *len)
{
	struct ike_header h = header_of(sa, type_of(task), sa->window.next_id, false);
	uint8_t inner[LIMIT_MESSAGE];
	struct builder b;
	int err;
	if (task->row->type == IKE_SA_INIT) {
		builder_init(&b, out, LIMIT_MESSAGE);
		builder_header(&b, &h);
		err = task->row->request(sa, task, &b);
		builder_finish(&b);
		*len = builder_bytes(&b).len;
		return err ? err : builder_ok(&b) ? 0 : -EMSGSIZE;
	}
	builder_init(&b, inner, sizeof inner - 128);
	err = task->row->request(sa, task, &b);
	if (!err)
		err = seal(sa, &h, &b, out, len);
	wipe(inner, sizeof inner);
	return err;
}

static void transmit(struct ike_sa *sa)
{
	timers_request_sent(sa);
	sa->sent_ns = sa->e->now_ns;
	fragment_send(sa, &sa->local, &sa->remote, sa->window.request);
}

/* Takes the first task that may start now out of the queue; NULL when none may. */
static struct task *take_ready(struct ike_sa *sa)
{
	for (struct task **at = &sa->tasks; *at;) {
		struct task *task = *at;
		if (!(task->row->starts_in >> sa->state & 1)) {
			*at = task->next;
			task_free(task);
		} else if (task->not_before_ns > sa->e->now_ns) {
			at = &task->next;
		} else {
			*at = task->next;
			return task;
		}
	}
	return NULL;
}

static void put_first(struct ike_sa *sa, struct task *task)
{
	task->next = sa->tasks;
	sa->tasks = task;
}

/* Sends the next request when none is in flight. */
void window_pump(struct ike_sa *sa)
{
	uint8_t message[FRAGMENT_SEALED];
	size_t len = 0;
	if (sa->v1) {
		v1_pump(sa);
		return;
	}
	while (!sa->in_flight) {
		struct task *task = take_ready(sa);
		if (!task)
			return;
		int err = build(sa, task, message, &len);
		if (!err && !keep_bytes(&sa->window.request, (struct bytes){message, len}))
			err = -ENOMEM;
		if (err == -ECANCELED) {
			task_free(task);
			continue;
		}
		put_first(sa, task);
		if (err) {
			log_warn(LOG_IKE, "ike-cannot-send connection=%s exchange=\"%s\" error=%d",
				 sa->c ? sa->c->name : "-", task->row->name, err);
			timers_task_refused(sa, task);
			return;
		}
		sa->in_flight = true;
		sa->window.sent = 0;
		transmit(sa);
	}
}

void window_resend(struct ike_sa *sa)
{
	sa->e->counters[IKE_COUNT_RETRANSMITTED]++;
	transmit(sa);
	mobike_test_paths(sa);
	if (sa->c && !sa->c->is_up && sa->window.sent >= 3) {
		/* not final, but a person who looks now should see it */
		struct fault f;
		diagnose_silence(sa, &f);
		if (!sa->handshake || !sa->handshake->hint.code)
			connection_blame(sa->c, &f);
	}
}

/* The request in flight is built anew under the same message ID (IKE_SA_INIT with a cookie or
 * another group). */
void window_restart(struct ike_sa *sa)
{
	drop_bytes(&sa->window.request);
	sa->in_flight = false;
	sa->window.sent = 0;
	sa_touch(sa);
}

/* The answer is here: the task, for the caller to finish and free. */
struct task *window_complete(struct ike_sa *sa)
{
	struct task *task = sa->tasks;
	sa->tasks = task->next;
	task->next = NULL;
	sa->in_flight = false;
	sa->window.next_id++;
	drop_bytes(&sa->window.request);
	fragments_forget(sa, true);
	sa_touch(sa);
	return task;
}

/* Waits no longer for the answer; the next request counts on. A peer that has not seen this one
 * won't take the next (its window is one, RFC 7296 section 2.3): only for an SA that is over. */
void window_abandon(struct ike_sa *sa)
{
	if (sa->in_flight)
		task_free(window_complete(sa));
}

void window_timeout(struct ike_sa *sa)
{
	sa->e->counters[IKE_COUNT_TIMEOUTS]++;
	sa->tasks->row->timeout(sa, sa->tasks);
}

/* ---- the peer's requests ---- */

static uint64_t message_hash(const struct ike *e, struct bytes b)
{
	return lookup_hash(e->hash_key, b.at, b.len);
}

/* Stores the answer for repetitions of the request. */
void window_answered(struct ike_sa *sa, struct bytes request, struct bytes response)
{
	if (!keep_bytes(&sa->window.response, response))
		drop_bytes(&sa->window.response);
	sa->window.answered_hash = message_hash(sa->e, request);
}

/* SA_REKEYED or SA_DELETING came while the answer was on its way: nothing follows from it. */
static bool is_moot(const struct ike_sa *sa, const struct task *task)
{
	return (sa->state == SA_REKEYED || sa->state == SA_DELETING) &&
	       !(task->row->starts_in >> sa->state & 1);
}

/* True when this is the request answered last, which then gets the same answer again. */
static bool repeated(struct ike_sa *sa, const struct ip_endpoint *local,
		     const struct ip_endpoint *remote, const struct ike_message *request)
{
	struct window *w = &sa->window;
	if (!w->response.at)
		return false;
	if (request->fragment.total ? !fragment_repeats(sa, request)
				    : w->answered_hash != message_hash(sa->e, request->whole))
		return false;
	sa->sent_ns = sa->e->now_ns;
	fragment_send(sa, local, remote, w->response);
	return true;
}

/* ---- receiving ---- */

struct arrival {
	struct ip_endpoint local, remote;
	struct bytes datagram;
};

static int open_message(struct ike_sa *sa, struct ike_message *m, uint8_t *plain, size_t room,
			struct fault *f)
{
	size_t len = 0;
	int err = !sa->has_keys || !m->sk_offset ? -EBADMSG
		  : m->fragment.total		 ? fragment_open(sa, m, plain, room, &len)
				      : protect_open(&sa->keys, &sa->chosen, m, plain, room, &len);
	if (err == -EAGAIN)
		return err;
	if (err) {
		sa->e->counters[IKE_COUNT_INTEGRITY]++;
		return -EBADMSG;
	}
	fragments_forget(sa, ike_message_is_response(m));
	if (m->h.exchange == IKE_INTERMEDIATE)
		intermediate_note(sa, &m->h, m->sk_first, (struct bytes){plain, len});
	clear_show(sa, &m->h, m->sk_first, (struct bytes){plain, len}, CLEAR_RECEIVED);
	/* clear payloads beside SK were not protected: none of them counts */
	struct ike_message inner = {.h = m->h, .whole = m->whole, .sk_first = m->sk_first};
	err = ike_message_parse_inner(&inner, (struct bytes){plain, len}, f);
	inner.sk_offset = m->sk_offset;
	*m = inner;
	return err;
}

static void heard(struct ike_sa *sa, const struct arrival *a)
{
	sa->heard_ns = sa->e->now_ns;
	sa->heard++;
	if (sa->mobility.on && sa->state != SA_HALF_OPEN) {
		mobike_heard(sa, &a->local, &a->remote);
		return;
	}
	bool moved = !ip_endpoint_equal(&sa->remote, &a->remote) ||
		     !ip_endpoint_equal(&sa->local, &a->local);
	/* RFC 7296 section 2.23: follow the authenticated peer, unless the NAT is in front of us */
	if (!moved || sa->state == SA_LINGERING)
		return;
	if (sa->state != SA_HALF_OPEN && (!sa->encapsulate || sa->nat_local))
		return;
	sa->local = a->local;
	sa->remote = a->remote;
	children_update(sa);
}

static void answer_error(struct ike_sa *sa, struct builder *b, uint16_t type, uint8_t payload)
{
	builder_init(b, b->w.start, (size_t)(b->w.end - b->w.start));
	builder_notify(b, type,
		       (struct bytes){&payload, type == NOTIFY_UNSUPPORTED_CRITICAL_PAYLOAD});
	sa_touch(sa);
}

/* The peer breaks the protocol behind valid protection: say so and end (RFC 7296 section 2.21.3).
 */
static void syntax_error(struct ike_sa *sa, struct builder *b, const struct fault *why)
{
	struct fault f = *why;
	answer_error(sa, b, NOTIFY_INVALID_SYNTAX, 0);
	fault_prefix(&f, "the peer's message is malformed although its protection verifies");
	if (sa->state == SA_ESTABLISHED || sa->state == SA_REKEYED)
		sa_lost(sa, &f);
	sa_linger(sa, "malformed request");
}

/* Fills in the answer's payloads. 0, or -errno: no answer at all. */
static int answer(struct ike_sa *sa, const struct ike_message *m, int parsed,
		  const struct fault *why, struct builder *b)
{
	if (parsed == -ENOTSUP) {
		answer_error(sa, b, NOTIFY_UNSUPPORTED_CRITICAL_PAYLOAD, m->unsupported_critical);
		return 0;
	}
	enum exchange_id id = parsed ? EXCHANGE_NONE : exchange_of(m);
	struct fault f = *why;
	if (parsed || message_check(message_kind(m), m, &f) || id == EXCHANGE_NONE) {
		syntax_error(sa, b, &f);
		return 0;
	}
	if (id != EXCHANGE_DELETE_IKE)
		v2_rekey_proven(sa);
	children_proven(sa);
	const struct exchange *row = &exchanges_v2[id];
	if (row->answered_in >> sa->state & 1)
		return row->answer(sa, m, b);
	if (m->h.exchange != IKE_CREATE_CHILD_SA && m->h.exchange != IKE_FOLLOWUP_KE)
		return -EPROTO;
	answer_error(sa, b,
		     m->h.exchange == IKE_FOLLOWUP_KE ? NOTIFY_STATE_NOT_FOUND
						      : NOTIFY_TEMPORARY_FAILURE,
		     0);
	return 0;
}

static void respond(struct ike_sa *sa, struct ike_message *m, int parsed, const struct fault *why,
		    const struct arrival *a)
{
	uint8_t inner[LIMIT_MESSAGE], out[FRAGMENT_SEALED];
	struct builder b;
	size_t len = 0;
	builder_init(&b, inner, sizeof inner - 128);
	int err = answer(sa, m, parsed, why, &b);
	struct ike_header h = header_of(sa, m->h.exchange, m->h.id, true);
	if (!err)
		err = seal(sa, &h, &b, out, &len);
	wipe(inner, sizeof inner);
	if (err) {
		log_debug(LOG_IKE, "ike-no-answer spi=%016llx error=%d",
			  (unsigned long long)sa_local_spi(sa), err);
		return;
	}
	sa->window.expected_id++;
	sa->sent_ns = sa->e->now_ns;
	window_answered(sa, a->datagram, (struct bytes){out, len});
	fragment_send(sa, &a->local, &a->remote, (struct bytes){out, len});
}

static void receive_request(struct ike_sa *sa, struct ike_message *m, const struct arrival *a)
{
	uint8_t plain[LIMIT_MESSAGE];
	struct fault f = {0};
	if (m->h.id + 1 == sa->window.expected_id && repeated(sa, &a->local, &a->remote, m))
		return;
	if (m->h.id != sa->window.expected_id || sa->state == SA_LINGERING) {
		sa->e->counters[IKE_COUNT_BAD_MESSAGE_ID]++;
		return;
	}
	int parsed = open_message(sa, m, plain, sizeof plain, &f);
	if (parsed == -EAGAIN)
		return;
	if (parsed == -EBADMSG) {
		diagnose_stranger(sa->e, &a->remote, "a request whose protection does not verify");
		return;
	}
	sa_touch(sa);
	heard(sa, a);
	respond(sa, m, parsed, &f, a);
	wipe(plain, sizeof plain);
	if (sa->c)
		duplicates_settle(sa->c);
}

static void receive_response(struct ike_sa *sa, struct ike_message *m, const struct arrival *a)
{
	uint8_t plain[LIMIT_MESSAGE];
	struct fault f = {0};
	if (!sa->in_flight || m->h.id != sa->window.next_id ||
	    m->h.exchange != type_of(sa->tasks)) {
		sa->e->counters[IKE_COUNT_BAD_MESSAGE_ID]++;
		return;
	}
	int parsed = open_message(sa, m, plain, sizeof plain, &f);
	if (parsed == -EAGAIN)
		return;
	if (parsed == -EBADMSG) {
		diagnose_stranger(sa->e, &a->remote, "a response whose protection does not verify");
		return;
	}
	heard(sa, a);
	struct task *task = window_complete(sa);
	if (!parsed)
		parsed = message_check(task->followup ? MESSAGE_FOLLOWUP : task->row->kind, m, &f);
	task->again = false;
	if (parsed) {
		fault_prefix(&f, "the peer's answer to %s", task->row->name);
		sa_lost(sa, &f);
	} else if (!is_moot(sa, task)) {
		task->row->finish(sa, task, m);
	}
	wipe(plain, sizeof plain);
	if (task->again && sa->state != SA_DEAD)
		put_first(sa, task);
	else
		task_free(task);
	if (sa->c)
		duplicates_settle(sa->c);
}

/* ---- messages outside any SA ---- */

/* A clear error notify: never longer than what it answers, and a bounded number a second. */
static void reply_error(struct ike *e, const struct arrival *a, const struct ike_header *h,
			uint16_t type)
{
	uint8_t out[IKE_HEADER_BYTES + 8];
	if (h->flags & IKE_FLAG_RESPONSE || a->datagram.len < sizeof out ||
	    !log_limit_pass(&e->replies, e->now_ns, LIMIT_STRANGER_REPLY))
		return;
	struct ike_header answer = *h;
	answer.flags = (uint8_t)(IKE_FLAG_RESPONSE |
				 (h->flags & IKE_FLAG_INITIATOR ? 0 : IKE_FLAG_INITIATOR));
	struct builder b;
	builder_init(&b, out, sizeof out);
	builder_header(&b, &answer);
	builder_notify(&b, type, (struct bytes){NULL, 0});
	builder_finish(&b);
	effects_send(e, 0, &a->local, &a->remote, builder_bytes(&b));
}

static bool known_peer(const struct ike *e, const struct arrival *a)
{
	for (struct connection *c = NULL; (c = connection_candidate(e, &a->remote.addr, c));)
		if (connection_fits(c, &a->local, &a->remote))
			return true;
	return false;
}

static void unknown_sa(struct ike *e, const struct ike_message *m, const struct arrival *a)
{
	e->counters[IKE_COUNT_UNKNOWN_SA]++;
	diagnose_stranger(e, &a->remote, "a message of an IKE SA that is not there");
	if (known_peer(e, a))
		reply_error(e, a, &m->h, NOTIFY_INVALID_IKE_SPI);
}

/*
 * The peer does not know the SA, it says without protection. Nothing is decided by it (RFC 7296
 * section 2.21.4), except that nobody waits any longer for the answer to a DELETE; an established
 * SA is probed at once.
 */
static void unprotected_hint(struct ike_sa *sa, const struct ike_message *m)
{
	if (!ike_message_notify(m, NOTIFY_INVALID_IKE_SPI))
		return;
	if (sa->state == SA_DELETING)
		sa_set_state(sa, SA_DEAD, "the peer no longer knows it");
	else if (sa->state == SA_ESTABLISHED && sa->c && sa->c->cfg.dpd_timeout_ns && !sa->tasks)
		task_add(sa, EXCHANGE_LIVENESS, 0);
}

static void receive_init(struct ike *e, const struct ike_message *m, const struct arrival *a)
{
	if (!ike_message_is_response(m)) {
		struct ike_sa *sa = sa_by_init(e, m->h.spi_i, &a->remote);
		if (!sa)
			v2_sa_init_answer(e, &a->local, &a->remote, m);
		else if (m->fragment.total || !repeated(sa, &a->local, &a->remote, m))
			e->counters[IKE_COUNT_BAD_MESSAGE_ID]++;
		return;
	}
	struct ike_sa *sa = sa_by_spi(e, m->h.spi_i);
	if (!sa || sa->v1 || !sa->is_initiator || sa->state != SA_HALF_OPEN || !sa->in_flight) {
		e->counters[IKE_COUNT_UNKNOWN_SA]++;
		diagnose_stranger(e, &a->remote, "an answer to an IKE_SA_INIT that nobody sent");
		return;
	}
	v2_sa_init_answered(sa, m);
}

static struct ike_sa *owner_of(const struct ike *e, const struct ike_header *h)
{
	bool from_initiator = h->flags & IKE_FLAG_INITIATOR;
	struct ike_sa *sa = sa_by_spi(e, from_initiator ? h->spi_r : h->spi_i);
	if (!sa || sa->v1 || sa->is_initiator == from_initiator || sa->spi_i != h->spi_i ||
	    sa->spi_r != h->spi_r)
		return NULL;
	return sa;
}

/* Takes the non-ESP marker off (RFC 3948 section 2.2). False when this is not IKE. */
static bool take_marker(struct arrival *a)
{
	static const uint8_t marker[4];
	if (a->local.port != IKE_NATT_PORT)
		return true;
	if (a->datagram.len < 4 || memcmp(a->datagram.at, marker, 4) != 0)
		return false;
	a->datagram.at += 4;
	a->datagram.len -= 4;
	return true;
}

/* RFC 3948 section 2.3 */
static bool is_keepalive(const struct arrival *a)
{
	return a->local.port == IKE_NATT_PORT && a->datagram.len == 1 && a->datagram.at[0] == 0xff;
}

static void malformed(struct ike *e, const struct arrival *a, const char *what)
{
	e->counters[IKE_COUNT_MALFORMED]++;
	diagnose_stranger(e, &a->remote, what);
}

void receive(struct ike *e, const struct ip_endpoint *local, const struct ip_endpoint *remote,
	     struct bytes datagram)
{
	struct arrival a = {*local, *remote, datagram};
	struct ike_message m;
	struct fault f = {0};
	e->arrived_local = *local;
	e->arrived_remote = *remote;
	if (is_keepalive(&a))
		return;
	if (!take_marker(&a) || a.datagram.len > LIMIT_MESSAGE)
		return malformed(e, &a, "a datagram that is not IKE");
	if (ike_header_parse(&m.h, a.datagram))
		return malformed(e, &a, "a message with a wrong header");
	if (m.h.version >> 4 == 1)
		return v1_receive(e, local, remote, a.datagram);
	if (m.h.version >> 4 != 2) {
		malformed(e, &a, "a message of another IKE version");
		if (m.h.version >> 4 > 2 && known_peer(e, &a))
			reply_error(e, &a, &m.h, NOTIFY_INVALID_MAJOR_VERSION);
		return;
	}
	int err = ike_message_parse(&m, a.datagram, &f);
	if (err) {
		malformed(e, &a, f.text);
		if (err == -ENOTSUP && m.h.exchange == IKE_SA_INIT && known_peer(e, &a))
			reply_error(e, &a, &m.h, NOTIFY_UNSUPPORTED_CRITICAL_PAYLOAD);
		return;
	}
	if (m.h.exchange == IKE_SA_INIT)
		return receive_init(e, &m, &a);
	struct ike_sa *sa = owner_of(e, &m.h);
	if (!sa)
		return unknown_sa(e, &m, &a);
	if (!m.sk_offset && ike_message_is_response(&m))
		return unprotected_hint(sa, &m);
	if (ike_message_is_response(&m))
		receive_response(sa, &m, &a);
	else
		receive_request(sa, &m, &a);
}
