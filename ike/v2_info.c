/* SPDX-License-Identifier: Apache-2.0 */
/* INFORMATIONAL (RFC 7296 section 1.4): delete of child and IKE SAs, liveness; and silence after
 * any request. */
#include "ike/ike_internal.h"

#include <errno.h>
#include <string.h>

/* An IKE SA that holds no child: the side that initiates makes one, the other waits for it,
 * bounded. */
void v2_without_child(struct ike_sa *sa)
{
	struct connection *c = sa->c;
	if (!c || c->current || sa->state != SA_ESTABLISHED)
		return;
	if (c->wanted && c->cfg.start != IKE_START_RESPOND)
		task_add(sa, EXCHANGE_NEW_CHILD, 0);
	else
		timers_childless(sa);
}

/* ---- delete of a child SA ---- */

int v2_delete_child_request(struct ike_sa *sa, struct task *task, struct builder *out)
{
	struct child *child = child_by_spi(sa->e, task->spi_in);
	if (child && child->state == CHILD_DRAINING)
		return -ECANCELED;
	if (child && sa->c && *child_slot(sa->c, child->plain.worker) != child->plain.spi_in)
		child->state = CHILD_DELETING;
	builder_delete_esp(out, &task->spi_in, 1);
	return 0;
}

void v2_delete_child_finish(struct ike_sa *sa, struct task *task, const struct ike_message *in)
{
	struct child *child = child_by_spi(sa->e, task->spi_in);
	struct fault f;
	(void)in;
	fault_set(&f, 0, "child SA deleted");
	if (child && child->state != CHILD_DRAINING)
		child_retire(child);
	if (sa->c)
		connection_settle(sa->c, &f);
	v2_without_child(sa);
}

/* One SPI of the peer's DELETE. Ours of the pair goes into the answer unless we deleted it at the
 * same time. */
static void delete_one(struct ike_sa *sa, uint32_t spi_out, uint32_t *answer, uint16_t *n)
{
	struct child *child = child_by_spi_out(sa, spi_out);
	if (!child)
		crossed_note(sa, spi_out);
	if (!child || child->state == CHILD_DRAINING || child->deleted_by_peer)
		return;
	uint32_t spi_in = child->plain.spi_in;
	if (collision_of(sa, EXCHANGE_DELETE_CHILD, spi_in) != COLLISION_ANSWER_EMPTY)
		answer[(*n)++] = spi_in;
	tasks_forget_child(sa, spi_in);
	if (!crossed_defer(sa, child))
		child_retire(child);
}

int v2_delete_child_answer(struct ike_sa *sa, const struct ike_message *in, struct builder *out)
{
	uint32_t answer[LIMIT_DELETE_SPIS];
	uint16_t n = 0;
	struct fault f;
	for (unsigned i = 0; i < in->n_deletes; i++) {
		const struct ike_delete *d = &in->deletes[i];
		if (d->protocol != PROTOCOL_ESP || d->spi_bytes != 4)
			continue;
		for (uint16_t k = 0; k < d->n && n < LIMIT_DELETE_SPIS; k++)
			delete_one(sa, load_be32(d->spis.at + 4 * k), answer, &n);
	}
	if (n)
		builder_delete_esp(out, answer, n);
	fault_set(&f, -ECONNRESET, "the peer deleted the child SA");
	if (sa->c)
		connection_settle(sa->c, &f);
	v2_without_child(sa);
	return 0;
}

/* ---- delete of the IKE SA ---- */

int v2_delete_ike_request(struct ike_sa *sa, struct task *task, struct builder *out)
{
	(void)sa;
	(void)task;
	builder_delete_ike(out);
	return 0;
}

void v2_delete_ike_finish(struct ike_sa *sa, struct task *task, const struct ike_message *in)
{
	(void)task;
	(void)in;
	children_retire(sa); /* of one that was authenticated anew */
	sa_set_state(sa, SA_DEAD, "deleted");
}

int v2_delete_ike_answer(struct ike_sa *sa, const struct ike_message *in, struct builder *out)
{
	struct connection *c = sa->c;
	struct fault f;
	(void)in;
	(void)out;
	if (collision_of(sa, EXCHANGE_DELETE_IKE, 0) == COLLISION_FORGET_OURS)
		v2_rekey_overtaken(sa);
	children_retire(sa);
	sa_linger(sa, "deleted by the peer");
	fault_set(&f, -ECONNRESET, "the peer deleted the IKE SA");
	if (c)
		connection_settle(c, &f);
	return 0;
}

/* ---- liveness ---- */

int v2_liveness_request(struct ike_sa *sa, struct task *task, struct builder *out)
{
	(void)task;
	mobike_probe(sa, out);
	return 0;
}

/* The initiator does not believe our AUTH (RFC 7296 section 2.21.2): there is no IKE SA. */
static bool disbelieved(struct ike_sa *sa, const struct ike_message *in)
{
	struct fault f;
	if (sa->is_initiator || sa->state != SA_ESTABLISHED ||
	    !ike_message_notify(in, NOTIFY_AUTHENTICATION_FAILED))
		return false;
	fault_set(&f, -EACCES,
		  "the peer does not accept our proof (AUTHENTICATION_FAILED in INFORMATIONAL)");
	fault_advise(&f, "the peer's log says why: our identity, or who certified us");
	sa_lost(sa, &f);
	sa_linger(sa, "the peer does not believe our AUTH");
	return true;
}

/* Of any request of the peer that deletes nothing: what it may say besides is taken here. */
int v2_liveness_answer(struct ike_sa *sa, const struct ike_message *in, struct builder *out)
{
	if (disbelieved(sa, in))
		return 0;
	mobike_answer(sa, in, out);
	reauth_told(sa, in);
	redirect_told(sa, in);
	return 0;
}

void v2_liveness_finish(struct ike_sa *sa, struct task *task, const struct ike_message *in)
{
	(void)task;
	mobike_probed(sa, in);
}

/* ---- silence ---- */

void v2_timeout(struct ike_sa *sa, struct task *task)
{
	struct fault f;
	(void)task;
	if (sa->state != SA_ESTABLISHED) {
		children_retire(sa);
		sa_set_state(sa, SA_DEAD, "the peer did not answer our DELETE");
		return;
	}
	sa->e->counters[IKE_COUNT_DPD_DEAD]++;
	diagnose_silence(sa, &f);
	sa_lost(sa, &f);
}
