/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The life of ISAKMP SAs of one connection. IPsec SAs do not belong to the ISAKMP SA that made them
 * (RFC 2409): when another one is there they go over to it, and the old one is deleted by who began
 * the new one. Where both ends began one at once, the lower initiator's cookie goes: both see the
 * same numbers; should they disagree all the same, the first DELETE decides.
 */
#include "ike/v1_internal.h"

#include <errno.h>
#include <stdlib.h>

struct v1 *v1_new(struct ike_sa *sa)
{
	struct v1 *v = calloc(1, sizeof *v);
	struct v1_phase1 *p = calloc(1, sizeof *p);
	if (!v || !p) {
		free(v);
		free(p);
		return NULL;
	}
	v->phase1 = p;
	sa->v1 = v;
	return v;
}

void v1_free(struct ike_sa *sa)
{
	struct v1 *v = sa->v1;
	if (!v)
		return;
	v1_phase1_free(v);
	v1_quicks_free(v);
	wipe(v, sizeof *v);
	free(v);
	sa->v1 = NULL;
}

struct ike_sa *v1_leading(const struct connection *c)
{
	for (struct ike_sa *sa = c->sas; sa; sa = sa->next)
		if (sa->v1 && sa->state == SA_ESTABLISHED)
			return sa;
	return NULL;
}

void v1_again(struct ike_sa *sa, enum exchange_id id, uint32_t spi_in, uint64_t not_before_ns)
{
	struct task *task = task_add(sa, id, spi_in);
	if (task)
		task->not_before_ns = not_before_ns;
}

/* ---- beginning ---- */

static int begin(struct connection *c, const struct ip_endpoint *local,
		 const struct ip_endpoint *remote, uint64_t predecessor)
{
	struct ike_sa *sa;
	int err = sa_new(c->e, &sa, true, sa_new_spi(c->e));
	if (err)
		return err;
	sa->local = *local;
	sa->remote = *remote;
	sa->predecessor = predecessor;
	sa_attach(sa, c);
	if (!v1_new(sa) || v1_main_begin(sa)) {
		sa_set_state(sa, SA_DEAD, "main mode can't begin");
		return -ENOMEM;
	}
	return 0;
}

void v1_start(struct connection *c)
{
	struct ip_endpoint local = {c->cfg.local, IKE_PORT}, remote = {c->cfg.remote, IKE_PORT};
	struct fault f;
	c->attempts++;
	c->stray.n = 0;
	if (!begin(c, &local, &remote, 0))
		return;
	fault_set(&f, -ENOMEM, "main mode can't begin: no memory, or too many SAs");
	connection_failed(c, &f);
}

static bool in_main_mode(const struct connection *c)
{
	for (const struct ike_sa *sa = c->sas; sa; sa = sa->next)
		if (sa->state == SA_HALF_OPEN || sa->state == SA_AUTHENTICATING)
			return true;
	return false;
}

/* A main mode that gets no answer must not hold up for long what needs none. */
uint64_t v1_turn_of_quick(const struct ike_sa *sa)
{
	uint64_t at = 0;
	for (const struct ike_sa *other = sa->c ? sa->c->sas : NULL; other; other = other->next) {
		uint64_t turn = other->created_ns + LIMIT_V1_TURN_NS;
		if (other->predecessor && turn > at &&
		    (other->state == SA_HALF_OPEN || other->state == SA_AUTHENTICATING))
			at = turn;
	}
	return at;
}

int v1_rekey(struct ike_sa *sa, struct task *task)
{
	(void)task;
	if (!sa->c || in_main_mode(sa->c))
		return -ECANCELED;
	return begin(sa->c, &sa->local, &sa->remote, sa_local_spi(sa));
}

/* ---- which one leads ---- */

/*
 * Of two that crossed each other the ends may think differently, when messages overtook one
 * another. So nobody hurries then, and not both at once: a DELETE that comes while both are there
 * tells who leads.
 */
static uint64_t overlap(const struct ike_sa *from, const struct ike_sa *to, bool crossing)
{
	if (!crossing)
		return to->is_initiator ? LIMIT_V1_OVERLAP_NS : LIMIT_REKEYED_NS;
	return from->spi_i < to->spi_i ? LIMIT_REKEYED_NS / 3 * 2 : LIMIT_REKEYED_NS;
}

static void hand_over(struct ike_sa *from, struct ike_sa *to, bool crossing)
{
	struct connection *c = to->c;
	children_move(from, to);
	tasks_move(from, to);
	sa_set_state(from, SA_REKEYED, "another ISAKMP SA took over");
	from->give_up_at_ns = c->e->now_ns + overlap(from, to, crossing);
	if (to->local.port != from->local.port || !ip_endpoint_equal(&to->remote, &from->remote))
		children_update(to);
	c->rekeys_ike++;
	c->e->counters[IKE_COUNT_REKEYS_IKE]++;
	connection_event(c, "ISAKMP SA rekeyed by %s", to->is_initiator ? "us" : "the peer");
}

static void elect(struct ike_sa *fresh)
{
	struct ike_sa *lead = fresh;
	for (struct ike_sa *other = fresh->c->sas; other; other = other->next) {
		if (other == lead || !other->v1 || other->state != SA_ESTABLISHED)
			continue;
		bool crossing = other->established_ns >= fresh->created_ns;
		if (crossing)
			fresh->e->counters[IKE_COUNT_COLLISIONS]++;
		if (crossing && lead == fresh && other->spi_i > fresh->spi_i) {
			hand_over(fresh, other, true);
			lead = other;
		} else {
			hand_over(other, lead, crossing);
		}
	}
}

/* Another one that can take the lead again. */
static struct ike_sa *successor(const struct ike_sa *sa)
{
	struct ike_sa *best = NULL;
	for (struct ike_sa *other = sa->c->sas; other; other = other->next)
		if (other != sa && other->v1 &&
		    (other->state == SA_ESTABLISHED || (other->state == SA_REKEYED && !best)))
			best = other;
	return best;
}

static bool succeed(struct ike_sa *sa)
{
	struct ike_sa *next = sa->c ? successor(sa) : NULL;
	if (!next)
		return false;
	children_move(sa, next);
	tasks_move(sa, next);
	if (next->state == SA_REKEYED) {
		next->give_up_at_ns = INSTANT_NEVER;
		sa_set_state(next, SA_ESTABLISHED, "the one that took over is gone");
	}
	children_update(next);
	return true;
}

/* ---- ends ---- */

/* The peer says that it is gone. */
void v1_deleted(struct ike_sa *sa, const struct fault *why)
{
	struct connection *c = sa->c;
	if (!succeed(sa))
		children_retire(sa);
	sa_set_state(sa, SA_DEAD, why->text);
	if (c)
		connection_settle(c, why);
}

/* It is of no use any more, or never came to be. */
void v1_lost(struct ike_sa *sa, const struct fault *why)
{
	struct connection *c = sa->c;
	struct fault f = *why;
	if (sa->state == SA_ESTABLISHED && succeed(sa)) {
		connection_event(c, "%.150s", f.text);
		sa_set_state(sa, SA_DEAD, f.text);
		connection_settle(c, &f);
		return;
	}
	struct ike_sa *old = c ? v1_leading(c) : NULL;
	if (!old || old == sa) {
		sa_lost(sa, &f);
		return;
	}
	/* a rekeying that failed: what is there works on, and we try again */
	sa_set_state(sa, SA_DEAD, f.text);
	connection_event(c, "%.150s", f.text);
	if (sa->predecessor)
		v1_again(old, EXCHANGE_REKEY_IKE, 0, c->e->now_ns + LIMIT_V1_REFUSED_NS);
}

/* ---- established ---- */

static void limit_life(struct ike_sa *sa)
{
	uint64_t ours = sa->c->cfg.ike_lifetime_ns, theirs = sa->v1->phase1->life.seconds;
	if (theirs && theirs < UINT32_MAX && (!ours || theirs * NS_PER_S < ours))
		timers_ike_life(sa, theirs * NS_PER_S);
}

void v1_established(struct ike_sa *sa, bool initial_contact)
{
	struct connection *c = sa->c;
	struct fault f;
	sa->v1->expects = 0;
	sa->has_keys = true;
	sa->e->counters[IKE_COUNT_ESTABLISHED]++;
	sa_set_state(sa, SA_ESTABLISHED, "main mode complete");
	timers_ike_established(sa);
	limit_life(sa);
	v1_phase1_free(sa->v1);
	if (c->cfg.always_encapsulate && !sa->encapsulate)
		connection_event(c, "the peer does not know NAT traversal: ESP goes without UDP");
	if (initial_contact)
		duplicates_initial_contact(sa);
	elect(sa);
	struct ike_sa *leading = v1_leading(c);
	if (leading)
		v1_fill(leading);
	if (leading && !connection_usable_child(c) && !leading->tasks)
		timers_childless(leading);
	fault_set(&f, -ECONNRESET, "the peer started anew");
	connection_settle(c, &f);
}
