/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A child SA for each worker of the data path (RFC 9611): the first child is for any worker; when
 * both ends said SA_RESOURCE_INFO with it, the end that said it first asks for one more child per
 * worker of its own, one after the other. The other end gives each the lowest worker that has none;
 * which worker of one end meets which of the other is of no importance (section 3).
 *
 * A child that the peer deleted is asked for again when the one for any worker is rekeyed: the peer
 * may have had a reason.
 */
#include "ike/ike_internal.h"

/* Says in a request that we would like children for workers, or that this one is such a child. */
void workers_ask(const struct ike_sa *sa, uint16_t worker, struct builder *out)
{
	uint8_t id[4];
	if (!worker && (sa->resources || sa->c->cfg.workers < 2))
		return;
	store_be32(id, worker);
	builder_notify(out, NOTIFY_SA_RESOURCE_INFO, (struct bytes){id, worker ? sizeof id : 0});
}

/* The answer to the first child. */
void workers_agreed(struct ike_sa *sa, const struct ike_message *in)
{
	if (sa->resources || sa->c->cfg.workers < 2 ||
	    !ike_message_notify(in, NOTIFY_SA_RESOURCE_INFO))
		return;
	sa->resources = sa->resources_ours = true;
	sa->worker_limit = IKE_MAX_WORKERS;
}

/* Responder: agrees with the first child, confirms any other. */
bool workers_agree(struct ike_sa *sa, const struct ike_message *in, struct builder *out)
{
	if (!sa->c->cfg.workers || !ike_message_notify(in, NOTIFY_SA_RESOURCE_INFO))
		return false;
	sa->resources = true;
	builder_notify(out, NOTIFY_SA_RESOURCE_INFO, (struct bytes){NULL, 0});
	return true;
}

bool workers_wanted(const struct ike_sa *sa, uint16_t worker)
{
	return sa->resources && sa->resources_ours && worker <= sa->worker_limit &&
	       worker <= sa->c->cfg.workers && !worker_has_child(sa, worker);
}

/* Asks for what is missing. The last request tells the peer that all before it are installed. */
void workers_fill(struct ike_sa *sa)
{
	bool any = false;
	for (uint16_t worker = 1; worker <= IKE_MAX_WORKERS; worker++) {
		if (!workers_wanted(sa, worker))
			continue;
		task_add_worker(sa, worker);
		any = true;
	}
	if (any)
		task_add(sa, EXCHANGE_LIVENESS, 0);
}

/* The peer takes no more, or not this one: the workers left share the child for any. */
void workers_stop(struct ike_sa *sa, const struct task *task, const char *why)
{
	sa->worker_limit = (uint16_t)(task->worker - 1);
	connection_event(sa->c, "%u child SAs of workers, not %u: the peer says %.90s",
			 sa->worker_limit, sa->c->cfg.workers, why);
}

static bool has_children(const struct ike_sa *sa)
{
	for (const struct child *child = sa->c->children; child; child = child->next)
		if (child->sa == sa)
			return true;
	return false;
}

/* Responder: whose the new child is. False when there is no room for it. */
bool workers_place(const struct ike_sa *sa, const struct ike_message *in, uint16_t *worker)
{
	*worker = 0;
	if (!ike_message_notify(in, NOTIFY_SA_RESOURCE_INFO) ||
	    (!worker_has_child(sa, 0) && (!sa->resources || !has_children(sa))))
		return true;
	if (!sa->c->cfg.workers)
		return false;
	do
		(*worker)++;
	while (*worker <= sa->e->options.max_workers && worker_has_child(sa, *worker));
	return *worker <= sa->e->options.max_workers;
}
