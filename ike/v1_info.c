/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Informational exchanges (RFC 2408 section 4.8, RFC 2409 section 5.7): one protected message that
 * nobody answers. Notifies, deletes, and dead peer detection (RFC 3706).
 */
#include "ike/v1_internal.h"

#include <errno.h>
#include <string.h>

/* ---- ours ---- */

void v1_info_send(struct ike_sa *sa, const struct builder *payloads)
{
	uint8_t inner[1024], out[LIMIT_MESSAGE], iv[V1_IV];
	uint32_t id = v1_new_id(sa);
	struct builder b;
	size_t len = 0;
	builder_init(&b, inner, sizeof inner);
	if (v1_phase2_iv(iv, &sa->chosen, sa->v1->iv, id) ||
	    v1_add_hash(sa, id, (struct bytes){NULL, 0}, payloads, &b) ||
	    v1_seal(sa, V1_INFORMATIONAL, id, iv, &b, out, &len)) {
		log_warn(LOG_IKE, "ike-cannot-send connection=%s exchange=informational",
			 sa->c ? sa->c->name : "-");
		return;
	}
	v1_transmit(sa, (struct bytes){out, len});
}

static struct bytes cookies_of(const struct ike_sa *sa, uint8_t out[16])
{
	store_be64(out, sa->spi_i);
	store_be64(out + 8, sa->spi_r);
	return (struct bytes){out, 16};
}

/* About the ISAKMP SA, or with PROTOCOL_ESP about the child of this SPI. */
void v1_notify_send(struct ike_sa *sa, uint8_t protocol, uint32_t spi, uint16_t type)
{
	uint8_t room[64], cookies[16], four[4];
	struct builder b;
	store_be32(four, spi);
	builder_init(&b, room, sizeof room);
	v1_notify(&b, protocol,
		  protocol == PROTOCOL_IKE ? cookies_of(sa, cookies) : (struct bytes){four, 4},
		  type, (struct bytes){NULL, 0});
	v1_info_send(sa, &b);
}

static void delete_spi(struct ike_sa *sa, uint32_t spi)
{
	uint8_t room[64], four[4];
	struct builder b;
	store_be32(four, spi);
	builder_init(&b, room, sizeof room);
	v1_delete(&b, PROTOCOL_ESP, (struct bytes){four, 4});
	v1_info_send(sa, &b);
}

/* What ended main mode may still be on its way to the initiator, who can't read anything before it;
 * a delete is said once. */
static bool too_early(const struct ike_sa *sa, struct task *task)
{
	uint64_t ready = instant_after(sa->established_ns, LIMIT_V1_READY_NS);
	if (sa->is_initiator || sa->e->now_ns >= ready)
		return false;
	task->not_before_ns = ready;
	return true;
}
int v1_delete_child(struct ike_sa *sa, struct task *task)
{
	struct child *child = child_by_spi(sa->e, task->spi_in);
	struct fault f;
	if (too_early(sa, task))
		return -EAGAIN;
	delete_spi(sa, task->spi_in);
	if (!child || child->state == CHILD_DRAINING)
		return 0;
	fault_set(&f, 0, "child SA deleted");
	child_retire(child);
	if (sa->c) {
		connection_settle(sa->c, &f);
		v1_fill(sa);
	}
	return 0;
}

/* The children of an SA that we are about to delete: a peer may keep them else (RFC 2409 does not
 * tie them to it). */
void v1_delete_children(struct ike_sa *sa)
{
	if (!sa->c || sa->state != SA_ESTABLISHED)
		return;
	for (struct child *child = sa->c->children; child; child = child->next)
		if (child->sa == sa && child->state != CHILD_DRAINING)
			delete_spi(sa, child->plain.spi_in);
}

int v1_delete_ike(struct ike_sa *sa, struct task *task)
{
	uint8_t room[64], cookies[16];
	struct builder b;
	(void)task;
	builder_init(&b, room, sizeof room);
	v1_delete(&b, PROTOCOL_IKE, cookies_of(sa, cookies));
	v1_info_send(sa, &b);
	sa_set_state(sa, SA_DEAD, "deleted");
	return 0;
}

/* ---- dead peer detection ---- */

static void dpd_message(struct ike_sa *sa, uint16_t type, uint32_t number)
{
	uint8_t room[64], cookies[16], four[4];
	struct builder b;
	store_be32(four, number);
	builder_init(&b, room, sizeof room);
	v1_notify(&b, PROTOCOL_IKE, cookies_of(sa, cookies), type, (struct bytes){four, 4});
	v1_info_send(sa, &b);
}

void v1_dpd_send(struct ike_sa *sa)
{
	struct v1 *v = sa->v1;
	if (!v->dpd_asked) {
		if (!v->dpd_ours)
			random_fill(sa->e, &v->dpd_ours, sizeof v->dpd_ours);
		v->dpd_ours = (v->dpd_ours & 0x7fffffff) + 1;
		v->dpd_asked = true;
		v->dpd_sent = 0;
		v->dpd_first_ns = sa->e->now_ns;
	} else {
		sa->e->counters[IKE_COUNT_RETRANSMITTED]++;
	}
	v->dpd_resend_ns = sa->e->now_ns + timers_resend_after(sa->e, v->dpd_sent);
	v->dpd_sent++;
	dpd_message(sa, V1_NOTIFY_R_U_THERE, v->dpd_ours);
}

int v1_liveness(struct ike_sa *sa, struct task *task)
{
	(void)task;
	if (sa->v1->dpd && !sa->v1->dpd_asked && sa->c && sa->c->cfg.dpd_timeout_ns)
		v1_dpd_send(sa);
	return 0;
}

/* A question that is older than one answered before is a replay (RFC 3706 section 5.5). */
static void answer_dpd(struct ike_sa *sa, const struct v1_notify *n)
{
	struct v1 *v = sa->v1;
	if (n->body.len != 4)
		return;
	uint32_t number = load_be32(n->body.at);
	if (v->dpd_came && (int32_t)(number - v->dpd_theirs) < 0)
		return;
	v->dpd_came = true;
	v->dpd_theirs = number;
	dpd_message(sa, V1_NOTIFY_R_U_THERE_ACK, number);
}

/* ---- the peer's ---- */

static void follow(struct ike_sa *sa, const struct v1_arrival *a)
{
	/* an answer to a number that we drew just now: not a replay, so its address is the peer's
	 */
	sa_peer_moved(sa, &a->remote);
}

static void take_ack(struct ike_sa *sa, const struct v1_notify *n, const struct v1_arrival *a,
		     bool asked)
{
	if (asked && n->body.len == 4 && load_be32(n->body.at) == sa->v1->dpd_ours)
		follow(sa, a);
}

/* INITIAL-CONTACT after main mode, as some peers send it: only right behind it, a replay must not
 * count. */
static void take_initial_contact(struct ike_sa *sa)
{
	struct fault f;
	if (!sa->c || sa->state != SA_ESTABLISHED ||
	    sa->e->now_ns - sa->established_ns > LIMIT_HALF_OPEN_NS)
		return;
	fault_set(&f, -ECONNRESET, "the peer started anew");
	duplicates_initial_contact(sa);
	connection_settle(sa->c, &f);
}

static void take_notify(struct ike_sa *sa, const struct v1_notify *n, const struct v1_arrival *a,
			bool asked)
{
	char name[32];
	struct v1_life life;
	switch (n->type) {
	case V1_NOTIFY_R_U_THERE: answer_dpd(sa, n); return;
	case V1_NOTIFY_R_U_THERE_ACK: take_ack(sa, n, a, asked); return;
	case V1_NOTIFY_INITIAL_CONTACT: take_initial_contact(sa); return;
	case V1_NOTIFY_RESPONDER_LIFETIME:
		if (n->protocol == PROTOCOL_ESP && n->spi.len == 4 &&
		    !v1_life_parse(&life, n->body))
			v1_quick_life(sa, load_be32(n->spi.at), &life);
		return;
	default: break;
	}
	if (n->type < V1_NOTIFY_FIRST_STATUS && sa->v1->expects)
		v1_main_refused(sa, n->type);
	else if (n->type < V1_NOTIFY_FIRST_STATUS)
		v1_quick_refused(sa, n->type);
	else
		log_debug(LOG_IKE, "ike-notify connection=%s: %s", sa->c ? sa->c->name : "-",
			  v1_notify_name(n->type, name));
}

static struct child *child_of_peer(const struct connection *c, uint32_t spi_out)
{
	for (struct child *child = c->children; child; child = child->next)
		if (child->plain.spi_out == spi_out && child->state != CHILD_DRAINING)
			return child;
	return NULL;
}

static void delete_one(struct ike_sa *sa, uint32_t spi_out)
{
	struct child *child = child_of_peer(sa->c, spi_out);
	if (!child)
		return;
	tasks_forget_child(sa, child->plain.spi_in);
	/* the peer has what replaces it, or it would not give it up */
	v1_child_succeeds(child);
	child_retire(child);
}

static void delete_children(struct ike_sa *sa, const struct v1_delete *d)
{
	struct fault f;
	if (!sa->c)
		return;
	for (uint16_t i = 0; i < d->n && sa->c; i++)
		delete_one(sa, load_be32(d->spis.at + (size_t)4 * i));
	fault_set(&f, -ECONNRESET, "the peer deleted the child SA");
	connection_settle(sa->c, &f);
	struct ike_sa *leading = v1_leading(sa->c);
	if (!leading)
		return;
	v1_fill(leading);
	if (!connection_usable_child(sa->c) && !leading->tasks)
		timers_childless(leading);
}

static void take_deletes(struct ike_sa *sa, const struct v1_delete *d)
{
	uint8_t cookies[16];
	struct fault f;
	if (d->protocol == PROTOCOL_ESP) {
		delete_children(sa, d);
		return;
	}
	cookies_of(sa, cookies);
	for (uint16_t i = 0; d->protocol == PROTOCOL_IKE && i < d->n; i++) {
		if (memcmp(d->spis.at + (size_t)16 * i, cookies, 16) != 0)
			continue;
		fault_set(&f, -ECONNRESET, "the peer deleted the ISAKMP SA");
		v1_deleted(sa, &f);
		return;
	}
}

/* Without protection nothing is decided: a hint for people, and a reason to ask. */
static void unprotected(struct ike_sa *sa, const struct v1_message *m)
{
	struct v1_notify n;
	for (unsigned i = 0; i < m->n; i++) {
		if (m->at[i].type != V1_NOTIFY || v1_notify_parse(&n, m->at[i].body) ||
		    n.type >= V1_NOTIFY_FIRST_STATUS)
			continue;
		if (sa->is_initiator && sa->v1->expects)
			v1_main_hint(sa, n.type);
		else if (n.type == V1_NOTIFY_INVALID_COOKIE && sa->state == SA_ESTABLISHED)
			task_add(sa, EXCHANGE_LIVENESS, 0);
		return;
	}
}

static void take_payloads(struct ike_sa *sa, const struct v1_message *m, const struct v1_arrival *a)
{
	struct fault f = {0};
	bool asked = sa->v1->dpd_asked;
	v1_heard(sa);
	for (unsigned i = 0; i < m->n && sa->state != SA_DEAD; i++) {
		struct v1_notify n;
		struct v1_delete d;
		int err = 0;
		if (m->at[i].type == V1_NOTIFY && !(err = v1_notify_parse(&n, m->at[i].body)))
			take_notify(sa, &n, a, asked);
		else if (m->at[i].type == V1_DELETE && !(err = v1_delete_parse(&d, m->at[i].body)))
			take_deletes(sa, &d);
		if (!err)
			continue;
		fault_set(&f, err, "informational exchange of the peer: payload %u is malformed",
			  i + 1);
		v1_malformed(sa, &a->remote, &f);
	}
}

void v1_info_receive(struct ike_sa *sa, struct v1_message *m, const struct v1_arrival *a)
{
	uint8_t plain[LIMIT_MESSAGE], iv[V1_IV];
	struct fault f = {0};
	if (!m->sealed.at) {
		unprotected(sa, m);
		return;
	}
	/* an initiator who waits for message 6 has keys, and may be refused under them */
	bool keys = sa->has_keys || (sa->is_initiator && sa->v1->expects == V1_MAIN_MESSAGES);
	if (!keys || !m->h.id || v1_is_recent(sa->v1, m->h.id)) {
		sa->e->counters[IKE_COUNT_BAD_MESSAGE_ID]++;
		return;
	}
	if (v1_phase2_iv(iv, &sa->chosen, sa->v1->iv, m->h.id) ||
	    v1_open(&sa->v1->keys, &sa->chosen, m, iv, plain, &f) ||
	    !v1_hash_verifies(sa, m, (struct bytes){NULL, 0}, plain)) {
		sa->e->counters[IKE_COUNT_INTEGRITY]++;
		diagnose_stranger(sa->e, &a->remote,
				  "an informational exchange whose protection does not verify");
		return;
	}
	v1_remember(sa->v1, m->h.id);
	v1_show(sa, m, plain);
	take_payloads(sa, m, a);
	wipe(plain, sizeof plain);
}
