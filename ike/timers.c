/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All policy about time: when a request goes out again, when a peer counts as silent or dead, when
 * an SA is rekeyed, drained, given up. Functions that set a time are named after the event that
 * sets it. The heap below gives the host its one deadline.
 */
#include "ike/ike_internal.h"

#include <errno.h>
#include <stdlib.h>

/* ---- the heap ---- */

static void place(struct timers *t, size_t slot, struct timer *timer)
{
	t->at[slot] = timer;
	timer->slot = slot;
}

static void rise(struct timers *t, size_t slot)
{
	struct timer *timer = t->at[slot];
	while (slot && t->at[(slot - 1) / 2]->at_ns > timer->at_ns) {
		place(t, slot, t->at[(slot - 1) / 2]);
		slot = (slot - 1) / 2;
	}
	place(t, slot, timer);
}

static void sink(struct timers *t, size_t slot)
{
	struct timer *timer = t->at[slot];
	for (;;) {
		size_t child = 2 * slot + 1;
		if (child >= t->n)
			break;
		if (child + 1 < t->n && t->at[child + 1]->at_ns < t->at[child]->at_ns)
			child++;
		if (t->at[child]->at_ns >= timer->at_ns)
			break;
		place(t, slot, t->at[child]);
		slot = child;
	}
	place(t, slot, timer);
}

int timers_register(struct timers *t, struct timer *timer, enum timer_kind kind)
{
	if (t->n == t->room) {
		size_t room = t->room ? 2 * t->room : 64;
		struct timer **at = realloc(t->at, room * sizeof(struct timer *));
		if (!at)
			return -ENOMEM;
		t->at = at;
		t->room = room;
	}
	timer->kind = kind;
	timer->at_ns = INSTANT_NEVER;
	place(t, t->n, timer);
	t->n++;
	return 0;
}

void timers_unregister(struct timers *t, struct timer *timer)
{
	size_t slot = timer->slot;
	struct timer *last = t->at[--t->n];
	if (last == timer)
		return;
	place(t, slot, last);
	sink(t, slot);
	rise(t, slot);
}

void timers_arm(struct timers *t, struct timer *timer, uint64_t at_ns)
{
	if (timer->at_ns == at_ns)
		return;
	timer->at_ns = at_ns;
	sink(t, timer->slot);
	rise(t, timer->slot);
}

uint64_t timers_next(const struct timers *t)
{
	return t->n ? t->at[0]->at_ns : INSTANT_NEVER;
}

void timers_free(struct timers *t)
{
	free(t->at);
	t->at = NULL;
	t->n = t->room = 0;
}

/* ---- spans ---- */

/* Between `from` and `to` percent of a span, drawn once per use: two peers rarely rekey at once. */
static uint64_t jittered(struct ike *e, uint64_t span_ns, unsigned from, unsigned to)
{
	uint32_t drawn;
	e->random.fill(e->random.owner, (uint8_t *)&drawn, sizeof drawn);
	uint64_t per_mille = from * 10 + drawn % ((to - from) * 10 + 1);
	return span_ns / 1000 * per_mille + span_ns % 1000 * per_mille / 1000;
}

static uint64_t powered(uint64_t first_ns, unsigned tenths, unsigned n, uint64_t most_ns)
{
	uint64_t span = first_ns;
	while (n-- && span < most_ns)
		span = span / 10 * tenths;
	return span < most_ns ? span : most_ns;
}

/* ---- events that set times ---- */

void timers_request_sent(struct ike_sa *sa)
{
	struct window *w = &sa->window;
	struct ike *e = sa->e;
	if (!w->sent)
		w->first_sent_ns = e->now_ns;
	w->resend_at_ns = e->now_ns + timers_resend_after(e, w->sent);
	w->sent++;
}

void timers_half_open(struct ike_sa *sa)
{
	sa->give_up_at_ns = sa->e->now_ns + LIMIT_HALF_OPEN_NS;
}

/* How long to wait for an answer to what was sent so many times before. */
uint64_t timers_resend_after(const struct ike *e, unsigned sent)
{
	return powered(e->options.retransmit_first_ns, LIMIT_RESEND_BASE_TENTHS, sent,
		       LIMIT_RESEND_LONGEST_NS);
}

void timers_ike_life(struct ike_sa *sa, uint64_t life_ns)
{
	sa->expire_at_ns = instant_after(sa->established_ns, life_ns);
	sa->rekey_at_ns = instant_after(sa->established_ns, jittered(sa->e, life_ns, 80, 92));
}

void timers_ike_established(struct ike_sa *sa)
{
	uint64_t life = sa->c->cfg.ike_lifetime_ns;
	sa->established_ns = sa->heard_ns = sa->sent_ns = sa->looked_ns = sa->e->now_ns;
	sa->give_up_at_ns = INSTANT_NEVER;
	sa->rekey_at_ns = sa->expire_at_ns = INSTANT_NEVER;
	if (life)
		timers_ike_life(sa, life);
}

void timers_child_life(struct child *child, uint64_t life_ns)
{
	if (!life_ns)
		return;
	child->expire_at_ns = instant_after(child->installed_ns, life_ns);
	child->rekey_at_ns =
		instant_after(child->installed_ns, jittered(child->c->e, life_ns, 80, 92));
	timers_arm_connection(child->c);
}

void timers_child_installed(struct child *child)
{
	struct ike *e = child->c->e;
	uint64_t life = child->c->cfg.child_lifetime_ns;
	child->installed_ns = e->now_ns;
	child->drain_until_ns = INSTANT_NEVER;
	child->rekey_at_ns = child->expire_at_ns = child->use_at_ns = INSTANT_NEVER;
	timers_child_life(child, life);
}

/* Bytes or packets after which the child is rekeyed; the rest is for the traffic while that goes
 * on. */
uint64_t timers_soft(struct ike *e, uint64_t hard)
{
	return hard ? jittered(e, hard, 80, 90) : 0;
}

/* A peer behind an SA is dead at this time unless heard until then; INSTANT_NEVER without a probe
 * out. */
static uint64_t dead_at(const struct ike_sa *sa)
{
	uint64_t timeout = sa->c ? sa->c->cfg.dpd_timeout_ns : 0;
	if (!timeout || !sa->window.request.at || sa->state != SA_ESTABLISHED)
		return INSTANT_NEVER;
	uint64_t by_silence = instant_after(sa->heard_ns, timeout);
	uint64_t by_probe = instant_after(sa->window.first_sent_ns, timeout - timeout / 3);
	return by_silence > by_probe ? by_silence : by_probe;
}

/* Quiet for a third of the timeout: ask. A request in flight asks already. */
static uint64_t probe_at(const struct ike_sa *sa)
{
	uint64_t timeout = sa->c ? sa->c->cfg.dpd_timeout_ns : 0;
	if (!timeout || sa->state != SA_ESTABLISHED || sa->tasks || sa->v1)
		return INSTANT_NEVER;
	return instant_after(sa->heard_ns, timeout / 3);
}

static bool behind_nat(const struct ike_sa *sa)
{
	return sa->state == SA_ESTABLISHED && sa->nat_local && sa->local.port == IKE_NATT_PORT;
}

/* What the data path sent is asked for twice as often, so that silence is known in time. */
static uint64_t keepalive_at(const struct ike_sa *sa)
{
	const struct ike_options *o = &sa->e->options;
	if (!behind_nat(sa))
		return INSTANT_NEVER;
	uint64_t at = instant_after(sa->sent_ns, o->keepalive_ns);
	return o->esp_sent ? instant_earlier(at, instant_after(sa->looked_ns, o->keepalive_ns / 2))
			   : at;
}

static void keepalive_due(struct ike_sa *sa)
{
	const struct ike_options *o = &sa->e->options;
	uint64_t now = sa->e->now_ns;
	uint64_t sent = o->esp_sent ? o->esp_sent(o->esp_sent_owner, sa->connection_id) : 0;
	/* sent at an unknown time since then: the earliest is assumed */
	if (sent != sa->esp_sent && sa->looked_ns > sa->sent_ns)
		sa->sent_ns = sa->looked_ns;
	sa->esp_sent = sent;
	sa->looked_ns = now;
	if (now < instant_after(sa->sent_ns, o->keepalive_ns))
		return;
	sa->sent_ns = now;
	effects_keepalive(sa);
}

void timers_task_refused(struct ike_sa *sa, struct task *task)
{
	uint64_t span =
		powered(LIMIT_REFUSED_FIRST_NS, 20, task->refused++, LIMIT_REFUSED_LONGEST_NS);
	task->not_before_ns = sa->e->now_ns + jittered(sa->e, span, 80, 150);
}

void timers_attempt_failed(struct connection *c)
{
	uint64_t span = c->cfg.retry_ns;
	if (!span)
		span = jittered(c->e,
				powered(LIMIT_RETRY_FIRST_NS, 20, c->failures ? c->failures - 1 : 0,
					LIMIT_RETRY_LONGEST_NS),
				90, 110);
	c->retry_at_ns = c->e->now_ns + span;
}

/* Who began does it first; the other one only if that did not come about. */
void timers_reauth(struct ike_sa *sa, uint64_t life_ns)
{
	unsigned from = sa->began ? 80 : 93;
	uint64_t at = instant_after(sa->e->now_ns, jittered(sa->e, life_ns, from, from + 5));
	sa->reauth_at_ns = instant_earlier(sa->reauth_at_ns, at);
	sa_touch(sa);
}

void timers_reauthenticated(struct ike_sa *old, struct task *closing)
{
	if (closing)
		closing->not_before_ns = old->e->now_ns + LIMIT_REAUTH_OVERLAP_NS;
	timers_ike_rekeyed(old);
	old->reauth_at_ns = old->reauth_end_ns = INSTANT_NEVER;
}

void timers_duplicate_found(struct ike_sa *loser)
{
	if (loser->redundant_at_ns == INSTANT_NEVER)
		loser->redundant_at_ns = loser->e->now_ns + LIMIT_REDUNDANT_NS;
}

void timers_ike_rekeyed(struct ike_sa *old)
{
	old->give_up_at_ns = old->e->now_ns + LIMIT_REKEYED_NS;
	old->rekey_at_ns = old->expire_at_ns = INSTANT_NEVER;
}

/* ---- deadlines ---- */

static uint64_t sa_deadline(const struct ike_sa *sa)
{
	uint64_t at = sa->give_up_at_ns;
	if (sa->v1) {
		at = instant_earlier(at, v1_deadline(sa));
	} else if (sa->window.request.at) {
		at = instant_earlier(at, sa->window.resend_at_ns);
		at = instant_earlier(at, dead_at(sa));
	} else if (sa->tasks) {
		at = instant_earlier(at, task_earliest(sa));
	}
	if (sa->followup)
		at = instant_earlier(at, sa->followup->until_ns);
	if (sa->state != SA_ESTABLISHED)
		return at;
	at = instant_earlier(at, probe_at(sa));
	at = instant_earlier(at, keepalive_at(sa));
	at = instant_earlier(at, sa->rekey_at_ns);
	at = instant_earlier(at, sa->expire_at_ns);
	at = instant_earlier(at, sa->reauth_at_ns);
	at = instant_earlier(at, sa->reauth_end_ns);
	at = instant_earlier(at, sa->redirect_at_ns);
	return instant_earlier(at, sa->redundant_at_ns);
}

void timers_arm_sa(struct ike_sa *sa)
{
	timers_arm(&sa->e->timers, &sa->timer, sa_deadline(sa));
}

static uint64_t child_deadline(const struct child *child)
{
	uint64_t at = instant_earlier(child->drain_until_ns, child->expire_at_ns);
	if (child->state == CHILD_STANDBY && child->alive)
		return child->c->e->now_ns;
	at = instant_earlier(at, child->use_at_ns);
	return instant_earlier(at, child->rekey_at_ns);
}

void timers_arm_connection(struct connection *c)
{
	uint64_t at = c->retry_at_ns;
	for (const struct child *child = c->children; child; child = child->next)
		at = instant_earlier(at, child_deadline(child));
	timers_arm(&c->e->timers, &c->timer, at);
}

/* ---- what is due ---- */

static void request_due(struct ike_sa *sa)
{
	struct ike *e = sa->e;
	unsigned tries =
		sa->state == SA_DELETING ? LIMIT_DELETE_TRIES : e->options.retransmit_tries;
	bool probing = sa->tasks && sa->tasks->row->id == EXCHANGE_LIVENESS &&
		       dead_at(sa) != INSTANT_NEVER;
	if (e->now_ns >= dead_at(sa) || (!probing && sa->window.sent >= tries))
		window_timeout(sa);
	else
		window_resend(sa);
}

static void sa_due(struct ike_sa *sa)
{
	uint64_t now = sa->e->now_ns;
	if (now >= keepalive_at(sa))
		keepalive_due(sa);
	if (now >= sa->give_up_at_ns) {
		sa->give_up_at_ns = INSTANT_NEVER;
		sa_gave_up(sa);
		return;
	}
	if (sa->followup && now >= sa->followup->until_ns)
		followup_forget(sa);
	if (sa->v1 && v1_due(sa))
		return;
	if (!sa->v1 && sa->window.request.at &&
	    (now >= sa->window.resend_at_ns || now >= dead_at(sa))) {
		request_due(sa);
		return;
	}
	if (sa->state != SA_ESTABLISHED)
		return;
	if (now >= sa->expire_at_ns) {
		sa_expired(sa);
		return;
	}
	if (now >= sa->redundant_at_ns) {
		sa->redundant_at_ns = INSTANT_NEVER;
		if (duplicates_any(sa)) {
			sa_delete(sa, "duplicate that its initiator did not delete");
			return;
		}
	}
	if (now >= sa->reauth_end_ns) {
		sa->reauth_end_ns = INSTANT_NEVER;
		sa_delete(sa, "the peers did not authenticate anew in time");
		return;
	}
	if (now >= sa->redirect_at_ns)
		redirect_due(sa);
	if (now >= sa->reauth_at_ns)
		reauth_due(sa);
	if (now >= sa->rekey_at_ns && reauth_pending(sa)) {
		sa->rekey_at_ns = now + LIMIT_REFUSED_FIRST_NS;
	} else if (now >= sa->rekey_at_ns) {
		sa->rekey_at_ns = INSTANT_NEVER;
		task_add(sa, EXCHANGE_REKEY_IKE, 0);
	}
	if (now >= probe_at(sa))
		task_add(sa, EXCHANGE_LIVENESS, 0);
}

static void child_due(struct child *child)
{
	uint64_t now = child->c->e->now_ns;
	if (now >= child->drain_until_ns) {
		child_remove(child);
	} else if (now >= child->expire_at_ns) {
		child_expired(child);
	} else if (now >= child->rekey_at_ns) {
		child->rekey_at_ns = INSTANT_NEVER;
		if (child->sa && child->state != CHILD_DELETING && !child->replaced_by)
			task_add(child->sa, EXCHANGE_REKEY_CHILD, child->plain.spi_in);
	} else if ((child->state == CHILD_STANDBY && child->alive) || now >= child->use_at_ns) {
		child->alive = false;
		child->use_at_ns = INSTANT_NEVER;
		bool past = child->sa && child->sa->v1 && child->replaced_by;
		if (child->sa && child->state == CHILD_STANDBY && !past)
			child_use(child);
		if (child->sa && child->sa->v1)
			v1_child_used(child);
	}
}

static void connection_due(struct connection *c)
{
	for (struct child *child = c->children, *next; child; child = next) {
		next = child->next;
		if (child_deadline(child) <= c->e->now_ns)
			child_due(child);
	}
	if (c->e->now_ns >= c->retry_at_ns) {
		c->retry_at_ns = INSTANT_NEVER;
		connection_initiate(c);
	}
	timers_arm_connection(c);
}

/* Carries out the earliest due timer. False when none is due. */
bool timers_run(struct ike *e)
{
	struct timer *timer = e->timers.n ? e->timers.at[0] : NULL;
	if (!timer || timer->at_ns > e->now_ns)
		return false;
	if (timer->kind == TIMER_CONNECTION) {
		connection_due(container_of(timer, struct connection, timer));
		return true;
	}
	struct ike_sa *sa = container_of(timer, struct ike_sa, timer);
	timers_arm(&e->timers, timer, INSTANT_NEVER); /* the end of the step arms it again */
	sa_due(sa);
	sa_touch(sa);
	return true;
}

/* An IKE SA without a child is not kept for ever. */
void timers_childless(struct ike_sa *sa)
{
	sa->give_up_at_ns = sa->e->now_ns + LIMIT_CHILDLESS_NS;
}
