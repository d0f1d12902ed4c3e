/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CREATE_CHILD_SA for the IKE SA itself (RFC 7296 sections 1.3.2, 2.18, 2.25.2): a new IKE SA that
 * inherits the children; the initiator deletes the old one.
 */
#include "ike/ike_internal.h"

#include <errno.h>
#include <string.h>

/* Our rekeying that crossed the one which made `rival`, still without an answer; NULL when there is
 * none. */
static struct ike_sa *rekeying_against(const struct ike_sa *rival)
{
	struct ike_sa *old = rival->predecessor ? sa_by_spi(rival->e, rival->predecessor) : NULL;
	/* with a successor it is decided, whatever still waits for its answer */
	bool open = old && old->c && old->in_flight && !old->successor;
	const struct task *task = open ? old->tasks : NULL;
	bool duel =
		task && task->row->id == EXCHANGE_REKEY_IKE && task->rival == sa_local_spi(rival);
	return duel && rival->state == SA_ESTABLISHED ? old : NULL;
}

bool v2_rekey_undecided(const struct ike_sa *sa)
{
	return (sa->in_flight && sa->tasks->row->id == EXCHANGE_REKEY_IKE) || rekeying_against(sa);
}

/*
 * This one may be gone before its successor is there: another is about to be authenticated in its
 * place, and would end it while the peer already holds the successor and all children over it; or
 * it is the peer's of two that crossed, and the children are not on it yet. So it is asked for
 * later.
 */
static bool waits(struct ike_sa *sa)
{
	if (!reauth_pending(sa) && !rekeying_against(sa))
		return false;
	sa->rekey_at_ns = sa->e->now_ns + LIMIT_REFUSED_FIRST_NS;
	return true;
}

int v2_rekey_request(struct ike_sa *sa, struct task *task, struct builder *out)
{
	if (!sa->c || sa->successor || waits(sa))
		return -ECANCELED;
	if (task->followup)
		return followup_request(sa, task, out);
	const struct ike_connection *cfg = &sa->c->cfg;
	uint8_t group = task->repeats ? task->group : sa->chosen.group;
	nonce_draw(sa->e, &task->nonce);
	task->rival = 0;
	task->new_ike_spi = sa_new_spi(sa->e);
	task->group = group;
	dh_free(task->dh);
	task->dh = NULL;
	int err = draw_dh(sa->e, group, &task->dh);
	if (err)
		return err;
	proposal_offer(out, PROPOSAL_IKE_REKEY, cfg->ike, cfg->n_ike, task->new_ike_spi);
	builder_raw(out, PAYLOAD_NONCE, nonce_bytes(&task->nonce));
	builder_ke(out, group_of(group)->number, dh_public(task->dh));
	return 0;
}

/* An established SA beside the old one; the children come later. */
static int make(struct ike_sa *old, bool is_initiator, uint64_t local_spi,
		const struct ike_chosen *chosen, struct bytes shared, const struct nonce *ni,
		const struct nonce *nr, struct bytes more, struct ike_sa **out)
{
	struct ike_sa *sa;
	int err = sa_new(old->e, &sa, is_initiator, local_spi);
	if (err)
		return err;
	*(is_initiator ? &sa->spi_r : &sa->spi_i) = chosen->spi;
	sa->chosen = *chosen;
	err = keys_ike_rekeyed(&sa->keys, chosen, &old->keys, old->chosen.prf, shared,
			       nonce_bytes(ni), nonce_bytes(nr), more, sa->spi_i, sa->spi_r);
	if (err) {
		sa_set_state(sa, SA_DEAD, "keys can't be derived");
		return err;
	}
	sa->has_keys = true;
	sa->local = old->local;
	sa->remote = old->remote;
	sa->nat_local = old->nat_local;
	sa->nat_remote = old->nat_remote;
	sa->encapsulate = old->encapsulate;
	sa->resources = old->resources;
	sa->resources_ours = old->resources_ours;
	sa->worker_limit = old->worker_limit;
	sa->port_entropy = old->port_entropy;
	sa->fragmentation = old->fragmentation;
	sa->remote_id = old->remote_id;
	sa->predecessor = sa_local_spi(old);
	sa->rekeys = old->rekeys + 1;
	sa_attach(sa, old->c);
	sa_set_state(sa, SA_ESTABLISHED, "rekeyed");
	timers_ike_established(sa);
	sa->began = old->began;
	sa->reauth_at_ns = old->reauth_at_ns;
	sa->reauth_end_ns = old->reauth_end_ns;
	*out = sa;
	return 0;
}

/* The old one's children and waiting tasks go over; it only waits for its deletion. */
static void succeed(struct ike_sa *old, struct ike_sa *sa)
{
	struct connection *c = old->c;
	old->successor = sa_local_spi(sa);
	children_move(old, sa);
	tasks_move(old, sa);
	redirect_move(old, sa);
	mobike_succeed(old, sa);
	sa_set_state(old, SA_REKEYED, "replaced");
	timers_ike_rekeyed(old);
	c->rekeys_ike++;
	old->e->counters[IKE_COUNT_REKEYS_IKE]++;
	connection_event(c, "IKE SA rekeyed: %016llx replaces %016llx",
			 (unsigned long long)sa_local_spi(sa),
			 (unsigned long long)sa_local_spi(old));
}

/* ---- initiator ---- */

static void refused(struct ike_sa *sa, struct task *task, const struct ike_notify *error)
{
	struct ike_sa *rival = task->rival ? sa_by_spi(sa->e, task->rival) : NULL;
	if (rival && rival->state == SA_ESTABLISHED)
		succeed(sa, rival); /* theirs came about, ours did not */
	else if (!create_take_group(task, sa->c->cfg.ike, sa->c->cfg.n_ike, error))
		create_refused(sa, task, error);
}

static int take_answer(struct ike_sa *sa, struct task *task, const struct ike_message *in,
		       struct nonce *nr, struct ike_sa **made, struct fault *f)
{
	const struct ike_connection *cfg = &sa->c->cfg;
	struct ike_chosen chosen;
	uint8_t shared[DH_SHARED_MAX];
	size_t len = 0;
	int err = proposal_accept(in->sa, PROPOSAL_IKE_REKEY, cfg->ike, cfg->n_ike, &chosen, f);
	if (err)
		return err;
	if (!chosen.spi || chosen.group != task->group ||
	    in->ke_group != group_of(task->group)->number)
		return fault_set(f, -EPROTO,
				 "the peer answered without an SPI or with another group than %s",
				 group_of(task->group)->name);
	if (!nonce_set(nr, in->nonce) || dh_shared(task->dh, in->ke, shared, &len))
		return fault_set(f, -EPROTO, "the peer's nonce or public value is not valid");
	err = make(sa, true, task->new_ike_spi, &chosen, (struct bytes){shared, len}, &task->nonce,
		   nr, followup_secrets(task->followup), made);
	wipe(shared, sizeof shared);
	return err ? fault_set(f, err, "the new IKE SA can't be made") : 0;
}

void v2_rekey_finish(struct ike_sa *sa, struct task *task, const struct ike_message *in)
{
	const struct ike_notify *error = ike_message_error(in);
	struct ike_sa *made = NULL, *rival;
	struct fault f = {0};
	struct nonce nr = {0};
	if (!sa->c)
		return;
	if (error)
		return refused(sa, task, error);
	int err = followup_answered(task, &in, PROPOSAL_IKE_REKEY, sa->c->cfg.ike, sa->c->cfg.n_ike,
				    &f);
	if (err == -EAGAIN)
		return;
	if (err || take_answer(sa, task, in, &nr, &made, &f)) {
		create_failed(sa, task, &f);
		return;
	}
	rival = task->rival ? sa_by_spi(sa->e, task->rival) : NULL;
	if (rival && rival->state == SA_ESTABLISHED &&
	    collision_lost(&task->nonce, &nr, &task->rival_nonce)) {
		/* section 2.25.2: ours goes, we delete it; the winner deletes the old one */
		succeed(sa, rival);
		sa_delete(made, "lost against the peer's rekeying");
		return;
	}
	succeed(sa, made);
	task_add(sa, EXCHANGE_DELETE_IKE, 0);
	if (rival && rival->state == SA_ESTABLISHED) {
		/* the peer deletes it; when it never learnt our SPI of it, time does */
		sa_set_state(rival, SA_REKEYED, "the peer's rekeying lost against ours");
		timers_ike_rekeyed(rival);
	}
}

/*
 * The peer deletes an IKE SA that both ends were rekeying: only the winner does that, so its new SA
 * is the one that stays, and what we asked for is moot (section 2.25.2).
 */
void v2_rekey_overtaken(struct ike_sa *sa)
{
	const struct task *task = sa->in_flight ? sa->tasks : NULL;
	struct ike_sa *rival = task && task->rival ? sa_by_spi(sa->e, task->rival) : NULL;
	if (rival && rekeying_against(rival) == sa)
		succeed(sa, rival);
}

/* The peer uses its new SA before it answers ours: so that one won. (What loses is only deleted.)
 */
void v2_rekey_proven(struct ike_sa *rival)
{
	struct ike_sa *old = rekeying_against(rival);
	if (old)
		succeed(old, rival);
}

/* ---- responder ---- */

/* The new SA beside the old one, which it replaces unless nonces are to be compared. */
static int make_theirs(struct ike_sa *sa, const struct ike_chosen *chosen,
		       const struct create_half *h, struct bytes more, enum collision what)
{
	struct ike_sa *made = NULL;
	int err = make(sa, false, h->spi, chosen, (struct bytes){h->shared, h->len}, &h->ni, &h->nr,
		       more, &made);
	if (err)
		return err;
	if (what == COLLISION_COMPARE_NONCES) {
		sa->tasks->rival = sa_local_spi(made);
		sa->tasks->rival_nonce = *nonce_lower(&h->ni, &h->nr);
	} else {
		succeed(sa, made);
	}
	return 0;
}

static int answer_with(struct ike_sa *sa, const struct ike_message *in,
		       const struct ike_chosen *chosen, enum collision what, struct builder *out)
{
	struct create_half h = {.spi = sa_new_spi(sa->e)};
	struct dh *dh = NULL;
	int err = nonce_set(&h.ni, in->nonce) ? draw_dh(sa->e, chosen->group, &dh) : -EPROTO;
	if (!err)
		err = dh_shared(dh, in->ke, h.shared, &h.len);
	if (!err) {
		nonce_draw(sa->e, &h.nr);
		if (!chosen->n_additional)
			err = make_theirs(sa, chosen, &h, (struct bytes){NULL, 0}, what);
	}
	if (!err) {
		proposal_answer(out, PROPOSAL_IKE_REKEY, chosen, h.spi);
		builder_raw(out, PAYLOAD_NONCE, nonce_bytes(&h.nr));
		builder_ke(out, group_of(chosen->group)->number, dh_public(dh));
	}
	if (!err && chosen->n_additional)
		err = followup_begin(sa, in, EXCHANGE_REKEY_IKE, chosen, &h, out);
	wipe(&h, sizeof h);
	dh_free(dh);
	return err;
}

static int choose(struct ike_sa *sa, const struct ike_message *in, struct ike_chosen *chosen,
		  struct fault *f)
{
	int err = proposal_choose(in->sa, PROPOSAL_IKE_REKEY, sa->c->cfg.ike, sa->c->cfg.n_ike,
				  group_by_number(in->ke_group), chosen, f);
	return err ? err : chosen->spi ? 0 : -EPROTO;
}

int v2_rekey_answer(struct ike_sa *sa, const struct ike_message *in, struct builder *out)
{
	struct ike_chosen chosen;
	struct fault f = {0};
	enum collision what = collision_of(sa, EXCHANGE_REKEY_IKE, 0);
	if (!sa->c || sa->successor || what == COLLISION_TEMPORARY_FAILURE)
		return create_refuse(out, NOTIFY_TEMPORARY_FAILURE);
	if (choose(sa, in, &chosen, &f)) {
		sa->e->counters[IKE_COUNT_NO_PROPOSAL]++;
		connection_event(sa->c, "rekeying of the IKE SA by the peer: %.110s", f.text);
		return create_refuse(out, NOTIFY_NO_PROPOSAL_CHOSEN);
	}
	bool duel = what == COLLISION_COMPARE_NONCES;
	if (duel && (chosen.n_additional || sa->tasks->followup))
		return create_refuse(out, NOTIFY_TEMPORARY_FAILURE);
	if (in->ke_group != group_of(chosen.group)->number)
		return create_refuse_group(sa, chosen.group, out);
	if (answer_with(sa, in, &chosen, what, out))
		return create_refuse(out, NOTIFY_TEMPORARY_FAILURE);
	return 0;
}

int v2_rekey_followed(struct ike_sa *sa, const struct followup *fu)
{
	struct ike_chosen chosen;
	struct fault f = {0};
	if (!sa->c || sa->successor || choose(sa, &fu->first, &chosen, &f))
		return -ENOENT;
	return make_theirs(sa, &chosen, &fu->half, followup_secrets(fu), COLLISION_ANSWER);
}
