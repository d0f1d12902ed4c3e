/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Additional key exchanges of CREATE_CHILD_SA (RFC 9370 section 2.2.4): they follow it, one
 * IKE_FOLLOWUP_KE for each, tied together by what the responder puts into ADDITIONAL_KEY_EXCHANGE.
 * Nothing is made before the last one is done, so both ends keep the first message they got and
 * begin with it again then. While that goes on, a peer who wants the same thing is told
 * TEMPORARY_FAILURE: no nonces are compared.
 */
#include "ike/ike_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define LINK_OURS 16

void followup_free(struct followup *fu)
{
	if (!fu)
		return;
	dh_free(fu->dh);
	free(fu->plain);
	wipe(fu, sizeof *fu);
	free(fu);
}

static int followup_new(struct followup **out, const struct ike_message *first,
			const struct ike_chosen *chosen)
{
	struct followup *fu = calloc(1, sizeof *fu);
	if (!fu)
		return -ENOMEM;
	fu->n = chosen->n_additional;
	memcpy(fu->group, chosen->additional, sizeof fu->group);
	int err = ike_message_keep(&fu->first, &fu->plain, first);
	if (err) {
		followup_free(fu);
		return err;
	}
	*out = fu;
	return 0;
}

static uint16_t number_now(const struct followup *fu)
{
	return group_of(fu->group[fu->done])->number;
}

/* One more secret stands behind those there are. */
static void count_secret(struct followup *fu, size_t len)
{
	fu->more_len += len;
	fu->done++;
}

struct bytes followup_secrets(const struct followup *fu)
{
	return fu ? (struct bytes){fu->more, fu->more_len} : (struct bytes){NULL, 0};
}

/* ---- initiator ---- */

void followup_drop(struct task *task)
{
	followup_free(task->followup);
	task->followup = NULL;
}

static int take_link(struct followup *fu, const struct ike_message *in, struct fault *f)
{
	const struct ike_notify *n = ike_message_notify(in, NOTIFY_ADDITIONAL_KEY_EXCHANGE);
	fu->link_len = 0;
	if (fu->done == fu->n)
		return 0;
	if (!n || !n->body.len || n->body.len > sizeof fu->link)
		return fault_set(f, -EPROTO,
				 "the peer's answer has no ADDITIONAL_KEY_EXCHANGE of 1 to %zu "
				 "bytes, and %u key exchanges are still to be made",
				 sizeof fu->link, (unsigned)(fu->n - fu->done));
	memcpy(fu->link, n->body.at, n->body.len);
	fu->link_len = n->body.len;
	return 0;
}

static int take_key(struct followup *fu, const struct ike_message *in, struct fault *f)
{
	const struct group *group = group_of(fu->group[fu->done]);
	size_t len = 0;
	if (in->ke_group != group->number || !fu->dh ||
	    dh_shared(fu->dh, in->ke, fu->more + fu->more_len, &len))
		return fault_set(f, -EPROTO,
				 "the peer's public value in IKE_FOLLOWUP_KE is not valid for %s",
				 group->name);
	count_secret(fu, len);
	dh_free(fu->dh);
	fu->dh = NULL;
	return take_link(fu, in, f);
}

int followup_answered(struct task *task, const struct ike_message **in, enum proposal_kind kind,
		      const struct ike_proposal *ours, unsigned n, struct fault *f)
{
	struct ike_chosen chosen;
	struct fault ignored = {0};
	int err;
	if (task->followup) {
		err = take_key(task->followup, *in, f);
	} else {
		/* what is wrong with the answer, its own reader says */
		if (proposal_accept((*in)->sa, kind, ours, n, &chosen, &ignored) ||
		    !chosen.n_additional)
			return 0;
		err = followup_new(&task->followup, *in, &chosen);
		err = err ? fault_set(f, err, "not enough memory for the key exchanges")
			  : take_link(task->followup, *in, f);
	}
	if (err)
		return err;
	*in = &task->followup->first;
	task->again = task->followup->done < task->followup->n;
	return task->again ? -EAGAIN : 0;
}

int followup_request(struct ike_sa *sa, struct task *task, struct builder *out)
{
	struct followup *fu = task->followup;
	dh_free(fu->dh);
	fu->dh = NULL;
	int err = draw_dh(sa->e, (enum group_id)fu->group[fu->done], &fu->dh);
	if (err)
		return err;
	builder_ke(out, number_now(fu), dh_public(fu->dh));
	builder_notify(out, NOTIFY_ADDITIONAL_KEY_EXCHANGE, (struct bytes){fu->link, fu->link_len});
	return 0;
}

/* ---- responder ---- */

static void write_link(struct ike_sa *sa, struct followup *fu, struct builder *out)
{
	fu->link_len = LINK_OURS;
	random_fill(sa->e, fu->link, fu->link_len);
	fu->until_ns = sa->e->now_ns + LIMIT_FOLLOWUP_NS;
	builder_notify(out, NOTIFY_ADDITIONAL_KEY_EXCHANGE, (struct bytes){fu->link, fu->link_len});
	sa_touch(sa);
}

void followup_forget(struct ike_sa *sa)
{
	followup_free(sa->followup);
	sa->followup = NULL;
}

int followup_begin(struct ike_sa *sa, const struct ike_message *in, enum exchange_id id,
		   const struct ike_chosen *chosen, const struct create_half *half,
		   struct builder *out)
{
	struct followup *fu;
	int err = followup_new(&fu, in, chosen);
	if (err)
		return err;
	fu->id = id;
	fu->half = *half;
	followup_forget(sa); /* the peer asks one thing at a time: it gave the other one up */
	sa->followup = fu;
	write_link(sa, fu, out);
	return 0;
}

static bool belongs(const struct ike_sa *sa, const struct ike_message *in)
{
	const struct followup *fu = sa->followup;
	const struct ike_notify *n = ike_message_notify(in, NOTIFY_ADDITIONAL_KEY_EXCHANGE);
	return fu && n && sa->e->now_ns < fu->until_ns && in->ke_group == number_now(fu) &&
	       secret_equal(fu->link, fu->link_len, n->body.at, n->body.len);
}

/* All secrets are there: what was asked for is made. 0 or -errno. */
static int complete(struct ike_sa *sa, const struct followup *fu)
{
	return fu->id == EXCHANGE_REKEY_IKE ? v2_rekey_followed(sa, fu) : v2_child_followed(sa, fu);
}

int v2_followup_answer(struct ike_sa *sa, const struct ike_message *in, struct builder *out)
{
	struct followup *fu = sa->followup;
	struct dh *dh = NULL;
	size_t len = 0;
	int err = belongs(sa, in) ? draw_dh_answer(sa->e, (enum group_id)fu->group[fu->done],
						   in->ke, &dh, fu->more + fu->more_len, &len)
				  : -ENOENT;
	if (!err)
		count_secret(fu, len);
	if (!err && fu->done == fu->n)
		err = complete(sa, fu);
	if (err) {
		builder_notify(out, NOTIFY_STATE_NOT_FOUND, (struct bytes){NULL, 0});
	} else {
		builder_ke(out, in->ke_group, dh_public(dh));
		if (fu->done < fu->n)
			write_link(sa, fu, out);
	}
	if (err || fu->done == fu->n)
		followup_forget(sa);
	dh_free(dh);
	return 0;
}
