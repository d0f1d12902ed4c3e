/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CREATE_CHILD_SA for child SAs (RFC 7296 sections 1.3.1, 1.3.3, 2.8): a new one, or one in place
 * of an old one. No packet is lost: see child.c for when outbound moves.
 */
#include "ike/ike_internal.h"

#include <errno.h>
#include <string.h>

/* ---- terms: what was agreed on, shared with IKE_AUTH ---- */

static int read_selectors(const struct ike_message *in, struct traffic_selector *i, uint8_t *n_i,
			  struct traffic_selector *r, uint8_t *n_r)
{
	if (ike_ts_parse(in->tsi, i, n_i, CHILD_SA_MAX_TS) ||
	    ike_ts_parse(in->tsr, r, n_r, CHILD_SA_MAX_TS))
		return -EPROTO;
	return *n_i && *n_r ? 0 : -EPROTO;
}

/* Responder: what of the peer's wish we have too (section 2.9). 0, -ENOENT, -EPROTO. */
int child_terms_narrow(const struct connection *c, const struct ike_message *in,
		       struct child_terms *t)
{
	struct traffic_selector i[CHILD_SA_MAX_TS], r[CHILD_SA_MAX_TS];
	uint8_t n_i = 0, n_r = 0;
	if (read_selectors(in, i, &n_i, r, &n_r))
		return -EPROTO;
	t->n_local = selectors_narrow(c->cfg.local_ts, c->cfg.n_local_ts, r, n_r, t->local);
	t->n_remote = selectors_narrow(c->cfg.remote_ts, c->cfg.n_remote_ts, i, n_i, t->remote);
	return t->n_local && t->n_remote ? 0 : -ENOENT;
}

/* Initiator: the answer must lie within what we asked for. */
int child_terms_verify(const struct connection *c, const struct ike_message *in,
		       struct child_terms *t)
{
	if (read_selectors(in, t->local, &t->n_local, t->remote, &t->n_remote))
		return -EPROTO;
	return selectors_within(t->local, t->n_local, c->cfg.local_ts, c->cfg.n_local_ts) &&
			       selectors_within(t->remote, t->n_remote, c->cfg.remote_ts,
						c->cfg.n_remote_ts)
		       ? 0
		       : -ENOENT;
}

int child_from_terms(struct ike_sa *sa, const struct child_terms *t, struct child **out)
{
	struct child_sa plain = {.spi_in = t->spi_in,
				 .spi_out = (uint32_t)t->chosen.spi,
				 .encryption = t->chosen.encryption,
				 .integrity = t->chosen.integrity,
				 .esn = t->chosen.esn,
				 .worker = t->worker,
				 .n_local_ts = t->n_local,
				 .n_remote_ts = t->n_remote};
	memcpy(plain.local_ts, t->local, sizeof plain.local_ts);
	memcpy(plain.remote_ts, t->remote, sizeof plain.remote_ts);
	struct secret *of_initiator = t->is_ours ? &plain.key_out : &plain.key_in;
	struct secret *of_responder = t->is_ours ? &plain.key_in : &plain.key_out;
	int err = keys_child(of_initiator, of_responder, &t->chosen, &sa->keys, sa->chosen.prf,
			     t->shared, t->ni, t->nr, t->more);
	if (!err)
		err = child_new(out, sa, &plain);
	if (!err) {
		(*out)->is_ours = t->is_ours;
		(*out)->group = t->chosen.group;
		if (sa->state == SA_ESTABLISHED) /* no longer waiting for a first child */
			sa->give_up_at_ns = INSTANT_NEVER;
	}
	wipe(&plain, sizeof plain);
	return err;
}

/* ---- initiator ---- */

/* Whether there still is a reason for this exchange. */
static bool called_for(const struct ike_sa *sa, const struct task *task, const struct child *old)
{
	if (!sa->c)
		return false;
	if (task->row->id == EXCHANGE_NEW_CHILD)
		return task->worker   ? workers_wanted(sa, task->worker)
		       : sa->replaces ? !worker_has_child(sa, 0)
				      : !connection_usable_child(sa->c);
	/* one that the peer made and did not use yet may not have come to life at its end */
	return old && old->sa == sa && !old->replaced_by && !old->deleted_by_peer &&
	       (old->state == CHILD_IN_USE || (old->state == CHILD_STANDBY && old->is_ours));
}

static int begin_key_exchange(struct ike_sa *sa, struct task *task, uint8_t group)
{
	nonce_draw(sa->e, &task->nonce);
	task->rival = 0;
	dh_free(task->dh);
	task->dh = NULL;
	task->group = group;
	return group == DH_NONE ? 0 : draw_dh(sa->e, group, &task->dh);
}

int v2_child_request(struct ike_sa *sa, struct task *task, struct builder *out)
{
	struct child *old = task->spi_in ? child_by_spi(sa->e, task->spi_in) : NULL;
	if (!called_for(sa, task, old))
		return -ECANCELED;
	if (task->followup)
		return followup_request(sa, task, out);
	const struct ike_connection *cfg = &sa->c->cfg;
	uint8_t group = task->repeats		? task->group
			: cfg->child[0].n_group ? cfg->child[0].group[0]
						: (uint8_t)DH_NONE;
	int err = begin_key_exchange(sa, task, group);
	if (err)
		return err;
	task->new_spi = child_new_spi(sa->e);
	if (old)
		builder_notify_spi(out, PROTOCOL_ESP, old->plain.spi_in, NOTIFY_REKEY_SA);
	else
		workers_ask(sa, task->worker, out);
	proposal_offer(out, PROPOSAL_CHILD, cfg->child, cfg->n_child, task->new_spi);
	builder_raw(out, PAYLOAD_NONCE, nonce_bytes(&task->nonce));
	if (task->dh)
		builder_ke(out, group_of(task->group)->number, dh_public(task->dh));
	builder_ts(out, PAYLOAD_TSI, cfg->local_ts, cfg->n_local_ts);
	builder_ts(out, PAYLOAD_TSR, cfg->remote_ts, cfg->n_remote_ts);
	return 0;
}

/* Counts and tells of a rekey that came about, whoever's SA it is that stays. */
static void note_rekeyed(struct ike_sa *sa, uint32_t old, uint32_t now, bool by_us)
{
	sa->c->rekeys_child++;
	sa->e->counters[IKE_COUNT_REKEYS_CHILD]++;
	connection_event(sa->c, "child SA rekeyed by %s: %08x replaces %08x",
			 by_us ? "us" : "the peer", now, old);
}

/* The peer's rekey stays; the peer may have deleted what it replaces already. */
static void peer_replaced(struct ike_sa *sa, uint32_t spi, const struct child *made)
{
	struct child *old = child_by_spi(sa->e, spi);
	if (old)
		old->replaced_by = made->plain.spi_in;
	note_rekeyed(sa, spi, made->plain.spi_in, false);
}

/* The peer refuses; the old child works on, and we ask again later. */
static void refused(struct ike_sa *sa, struct task *task, const struct ike_notify *error,
		    struct child *old)
{
	struct fault f = {0};
	struct child *rival = task->rival ? child_by_spi(sa->e, (uint32_t)task->rival) : NULL;
	if (rival && rival->sa && task->spi_in) /* theirs came about, ours did not */
		return peer_replaced(sa, task->spi_in, rival);
	if (create_take_group(task, sa->c->cfg.child, sa->c->cfg.n_child, error))
		return;
	if (error->type == NOTIFY_CHILD_SA_NOT_FOUND && old) {
		/* section 2.25.1: the peer does not have it, so neither do we */
		fault_set(&f, -ECONNRESET, "the peer no longer has child SA %08x",
			  old->plain.spi_in);
		child_retire(old);
		connection_settle(sa->c, &f);
		task_add(sa, EXCHANGE_NEW_CHILD, 0);
		workers_fill(sa);
		return;
	}
	if (task->worker && error->type != NOTIFY_TEMPORARY_FAILURE) {
		char name[32];
		workers_stop(sa, task, notify_name(error->type, name));
		return;
	}
	create_refused(sa, task, error);
}

/* Everything of the answer. 0 or -errno with the reason. */
static int take_answer(struct ike_sa *sa, struct task *task, const struct ike_message *in,
		       struct child **made, struct nonce *nr, struct fault *f)
{
	const struct ike_connection *cfg = &sa->c->cfg;
	const struct child *old = task->spi_in ? child_by_spi(sa->e, task->spi_in) : NULL;
	struct child_terms t = {.spi_in = task->new_spi,
				.is_ours = true,
				.worker = old ? old->plain.worker : task->worker};
	uint8_t shared[DH_SHARED_MAX];
	size_t len = 0;
	int err = proposal_accept(in->sa, PROPOSAL_CHILD, cfg->child, cfg->n_child, &t.chosen, f);
	if (err)
		return err;
	if (t.chosen.group != task->group ||
	    (task->dh && in->ke_group != group_of(task->group)->number))
		return fault_set(f, -EPROTO, "the peer answered with another PFS group than %s",
				 group_of(task->group)->name);
	if (task->dh && dh_shared(task->dh, in->ke, shared, &len))
		return fault_set(f, -EPROTO, "the peer's public value is not valid for %s",
				 group_of(task->group)->name);
	if (!nonce_set(nr, in->nonce))
		return fault_set(f, -EPROTO, "the peer's answer has no valid nonce");
	if (child_terms_verify(sa->c, in, &t)) {
		diagnose_selectors(sa->c, in, f);
		return f->code ? f->code : -EPROTO;
	}
	t.shared = (struct bytes){shared, len};
	t.ni = nonce_bytes(&task->nonce);
	t.nr = nonce_bytes(nr);
	t.more = followup_secrets(task->followup);
	err = child_from_terms(sa, &t, made);
	wipe(shared, sizeof shared);
	return err ? fault_set(f, err, "the child SA can't be made") : 0;
}

/* Whether what goes over one goes over the other. */
static bool same_traffic(const struct child *a, const struct child *b)
{
	const struct child_sa *x = &a->plain, *y = &b->plain;
	return selectors_within(x->local_ts, x->n_local_ts, y->local_ts, y->n_local_ts) &&
	       selectors_within(x->remote_ts, x->n_remote_ts, y->remote_ts, y->n_remote_ts);
}

/* Both ends rekeyed at once, or made the same child: the SA with the lowest nonce goes, its creator
 * deletes it (section 2.8.1). */
static bool lost_the_duel(struct ike_sa *sa, const struct task *task, const struct nonce *nr,
			  struct child *made)
{
	struct child *rival = task->rival ? child_by_spi(sa->e, (uint32_t)task->rival) : NULL;
	if (!rival || !rival->sa || !collision_lost(&task->nonce, nr, &task->rival_nonce))
		return false;
	if (task->spi_in)
		peer_replaced(sa, task->spi_in, rival);
	else if (!same_traffic(made, rival))
		return false;
	made->state = CHILD_DELETING;
	task_add(sa, EXCHANGE_DELETE_CHILD, made->plain.spi_in);
	return true;
}

/* A child that can't be used; what there was before works on. */
static void not_made(struct ike_sa *sa, struct task *task, struct fault *why)
{
	if (task->worker)
		workers_stop(sa, task, why->text);
	else
		create_failed(sa, task, why);
}

/* The new child carries the traffic from now on. */
static void take_over(struct ike_sa *sa, struct task *task, struct child *made, struct child *old)
{
	child_use(made);
	if (task->row->id == EXCHANGE_REKEY_CHILD)
		note_rekeyed(sa, task->spi_in, made->plain.spi_in, true);
	if (!old || !old->sa)
		return;
	made->replaces = old->plain.spi_in;
	old->replaced_by = made->plain.spi_in;
	if (!old->deleted_by_peer)
		task_add(sa, EXCHANGE_DELETE_CHILD, old->plain.spi_in);
}

static void finish(struct ike_sa *sa, struct task *task, const struct ike_message *in)
{
	struct child *old = task->spi_in ? child_by_spi(sa->e, task->spi_in) : NULL, *made = NULL;
	const struct ike_notify *error = ike_message_error(in);
	struct fault f = {0};
	struct nonce nr = {0};
	if (!sa->c)
		return;
	if (error)
		return refused(sa, task, error, old);
	int err = followup_answered(task, &in, PROPOSAL_CHILD, sa->c->cfg.child, sa->c->cfg.n_child,
				    &f);
	if (err == -EAGAIN)
		return;
	if (err) {
		create_failed(sa, task, &f);
		return;
	}
	if (take_answer(sa, task, in, &made, &nr, &f) || !made) {
		/* the peer installed what we can't: it is told that this one is not */
		task_add(sa, EXCHANGE_DELETE_CHILD, task->new_spi);
		not_made(sa, task, &f);
		return;
	}
	if (crossed_gone(task, made->plain.spi_out)) {
		fault_set(&f, -ECONNRESET, "the peer deleted the child SA that it just agreed to");
		child_remove(made);
		not_made(sa, task, &f);
		return;
	}
	if (lost_the_duel(sa, task, &nr, made))
		return;
	take_over(sa, task, made, old);
	if (!made->plain.worker) {
		if (!old)
			workers_agreed(sa, in);
		workers_fill(sa);
	}
	reauth_done(sa);
	connection_settle(sa->c, &f);
}

void v2_child_finish(struct ike_sa *sa, struct task *task, const struct ike_message *in)
{
	finish(sa, task, in);
	if (crossed_settle(sa, task->spi_in))
		v2_without_child(sa);
}

/* ---- responder ---- */

/* The child that the peer wants to replace. False when it names one that is not there. */
static bool find_old(struct ike_sa *sa, const struct ike_message *in, struct child **old)
{
	const struct ike_notify *n = ike_message_notify(in, NOTIFY_REKEY_SA);
	*old = NULL;
	if (!n)
		return true;
	*old = n->spi.len == 4 ? child_by_spi_out(sa, load_be32(n->spi.at)) : NULL;
	return *old && (*old)->state != CHILD_DRAINING && !(*old)->deleted_by_peer;
}

static int agree_with_peer(struct ike_sa *sa, const struct ike_message *in, struct child_terms *t,
			   uint16_t *refusal)
{
	const struct ike_connection *cfg = &sa->c->cfg;
	struct fault f = {0};
	if (proposal_choose(in->sa, PROPOSAL_CHILD, cfg->child, cfg->n_child,
			    group_by_number(in->ke_group), &t->chosen, &f)) {
		sa->e->counters[IKE_COUNT_NO_PROPOSAL]++;
		*refusal = NOTIFY_NO_PROPOSAL_CHOSEN;
	} else if (child_terms_narrow(sa->c, in, t)) {
		sa->e->counters[IKE_COUNT_TS_UNACCEPTABLE]++;
		diagnose_selectors(sa->c, in, &f);
		*refusal = NOTIFY_TS_UNACCEPTABLE;
	}
	if (!*refusal)
		return 0;
	fault_prefix(&f, "child SA that the peer asks for");
	connection_event(sa->c, "%.150s", f.text);
	return -EPROTO;
}

/* Our half of the exchange: nonces, SPI, and g^ir when there is a group. *dh is the caller's. */
static int answer_half(struct ike_sa *sa, const struct ike_message *in, enum group_id group,
		       struct dh **dh, struct create_half *h)
{
	*dh = NULL;
	h->len = 0;
	int err = nonce_set(&h->ni, in->nonce) ? 0 : -EPROTO;
	if (!err && group != DH_NONE)
		err = draw_dh(sa->e, group, dh);
	if (*dh)
		err = dh_shared(*dh, in->ke, h->shared, &h->len);
	if (err)
		return err;
	nonce_draw(sa->e, &h->nr);
	h->spi = child_new_spi(sa->e);
	return 0;
}

static void note_collision(struct ike_sa *sa, enum collision what, struct child *old,
			   struct child *made, const struct nonce *ni, const struct nonce *nr)
{
	if (old)
		made->replaces = old->plain.spi_in;
	if (what == COLLISION_COMPARE_NONCES) {
		sa->tasks->rival = made->plain.spi_in;
		sa->tasks->rival_nonce = *nonce_lower(ni, nr);
		return;
	}
	if (old)
		peer_replaced(sa, old->plain.spi_in, made);
}

static void write_answer(struct builder *out, const struct child_terms *t, const struct nonce *nr,
			 const struct dh *dh)
{
	proposal_answer(out, PROPOSAL_CHILD, &t->chosen, t->spi_in);
	builder_raw(out, PAYLOAD_NONCE, nonce_bytes(nr));
	if (dh)
		builder_ke(out, group_of(t->chosen.group)->number, dh_public(dh));
	builder_ts(out, PAYLOAD_TSI, t->remote, t->n_remote);
	builder_ts(out, PAYLOAD_TSR, t->local, t->n_local);
}

/* Makes what was agreed on. 0 or -errno: not made. */
static int make(struct ike_sa *sa, const struct child_terms *agreed, const struct create_half *h,
		struct bytes more, enum collision what, struct child *old)
{
	struct child_terms t = *agreed;
	struct child *made = NULL;
	t.spi_in = (uint32_t)h->spi;
	t.shared = (struct bytes){h->shared, h->len};
	t.ni = nonce_bytes(&h->ni);
	t.nr = nonce_bytes(&h->nr);
	t.more = more;
	int err = child_from_terms(sa, &t, &made);
	if (err)
		return err;
	note_collision(sa, what, old, made, &h->ni, &h->nr);
	if (old && !made->plain.worker)
		workers_fill(sa);
	return 0;
}

/* What the peer asks for, and of which child. False: it is refused, and told so. */
static bool judge(struct ike_sa *sa, const struct ike_message *in, struct child_terms *t,
		  struct child **old, struct builder *out)
{
	uint16_t refusal = 0;
	if (!find_old(sa, in, old)) {
		const struct ike_notify *n = ike_message_notify(in, NOTIFY_REKEY_SA);
		builder_notify_spi(out, PROTOCOL_ESP, n->spi.len == 4 ? load_be32(n->spi.at) : 0,
				   NOTIFY_CHILD_SA_NOT_FOUND);
		return false;
	}
	if (*old && ((*old)->replaced_by || (*old)->state == CHILD_DELETING))
		refusal = NOTIFY_TEMPORARY_FAILURE;
	else if (*old)
		t->worker = (*old)->plain.worker;
	else if (!workers_place(sa, in, &t->worker))
		refusal = NOTIFY_TS_MAX_QUEUE;
	if (!refusal && !agree_with_peer(sa, in, t, &refusal))
		return true;
	create_refuse(out, refusal);
	return false;
}

/* Everything but the rest of the key exchanges. 0 or -errno: nothing was made. */
static int answer_with(struct ike_sa *sa, const struct ike_message *in, struct child_terms *t,
		       enum collision what, struct child *old, struct builder *out)
{
	struct create_half h = {0};
	struct dh *dh;
	int err = answer_half(sa, in, t->chosen.group, &dh, &h);
	t->spi_in = (uint32_t)h.spi;
	if (!err && !t->chosen.n_additional)
		err = make(sa, t, &h, (struct bytes){NULL, 0}, what, old);
	if (!err) {
		if (!old)
			workers_agree(sa, in, out);
		write_answer(out, t, &h.nr, dh);
	}
	if (!err && t->chosen.n_additional)
		err = followup_begin(sa, in, old ? EXCHANGE_REKEY_CHILD : EXCHANGE_NEW_CHILD,
				     &t->chosen, &h, out);
	wipe(&h, sizeof h);
	dh_free(dh);
	return err;
}

int v2_child_answer(struct ike_sa *sa, const struct ike_message *in, struct builder *out)
{
	struct child_terms t = {.is_ours = false};
	struct child *old;
	struct fault f = {0};
	if (!sa->c)
		return create_refuse(out, NOTIFY_TEMPORARY_FAILURE);
	if (!judge(sa, in, &t, &old, out))
		return 0;
	enum collision what = collision_of(sa, old ? EXCHANGE_REKEY_CHILD : EXCHANGE_NEW_CHILD,
					   old ? old->plain.spi_in : 0);
	if (!old && t.worker && what == COLLISION_COMPARE_NONCES)
		what = COLLISION_ANSWER; /* a worker's child and one for all: both are wanted */
	bool duel = what == COLLISION_COMPARE_NONCES;
	if (what == COLLISION_TEMPORARY_FAILURE ||
	    (duel && (t.chosen.n_additional || sa->tasks->followup)))
		return create_refuse(out, NOTIFY_TEMPORARY_FAILURE);
	if (t.chosen.group != DH_NONE && in->ke_group != group_of(t.chosen.group)->number)
		return create_refuse_group(sa, t.chosen.group, out);
	if (answer_with(sa, in, &t, what, old, out))
		return create_refuse(out, NOTIFY_TEMPORARY_FAILURE);
	connection_settle(sa->c, &f);
	return 0;
}

int v2_child_followed(struct ike_sa *sa, const struct followup *fu)
{
	uint8_t refusal[64]; /* nobody reads it: the peer is told that there is nothing any more */
	struct child_terms t = {.is_ours = false};
	struct fault f = {0};
	struct builder b;
	struct child *old;
	builder_init(&b, refusal, sizeof refusal);
	if (!sa->c || !judge(sa, &fu->first, &t, &old, &b))
		return -ENOENT;
	int err = make(sa, &t, &fu->half, followup_secrets(fu), COLLISION_ANSWER, old);
	if (!err)
		connection_settle(sa->c, &f);
	return err;
}
