/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What both kinds of CREATE_CHILD_SA have in common (RFC 7296 section 1.3): refusing with a notify,
 * asking for another group, taking the one that was asked for, and asking again later.
 */
#include "ike/ike_internal.h"

int create_refuse(struct builder *out, uint16_t type)
{
	builder_notify(out, type, (struct bytes){NULL, 0});
	return 0;
}

int create_refuse_group(struct ike_sa *sa, enum group_id wanted, struct builder *out)
{
	uint8_t number[2];
	sa->e->counters[IKE_COUNT_INVALID_KE]++;
	store_be16(number, group_of(wanted)->number);
	builder_notify(out, NOTIFY_INVALID_KE_PAYLOAD, (struct bytes){number, 2});
	return 0;
}

/* Another group, which the peer named and we have too: once more, at once. */
bool create_take_group(struct task *task, const struct ike_proposal *ours, unsigned n,
		       const struct ike_notify *error)
{
	enum group_id group =
		error->body.len == 2 ? group_by_number(load_be16(error->body.at)) : DH_NONE;
	if (error->type != NOTIFY_INVALID_KE_PAYLOAD || group == DH_NONE ||
	    !proposal_has_group(ours, n, group) || task->repeats >= LIMIT_KE_REPEATS)
		return false;
	task->repeats++;
	task->group = (uint8_t)group;
	task->again = true;
	return true;
}

/* It failed for this reason; what there is works on. */
void create_failed(struct ike_sa *sa, struct task *task, struct fault *why)
{
	fault_prefix(why, "%s", task->row->name);
	followup_drop(task);
	connection_blame(sa->c, why);
	connection_event(sa->c, "%.150s", why->text);
	task->again = true;
	timers_task_refused(sa, task);
}

/* The peer refuses. TEMPORARY_FAILURE is nobody's fault (section 2.25); nor is STATE_NOT_FOUND,
 * when a key exchange came late (RFC 9370 section 2.2.4): from the beginning. */
void create_refused(struct ike_sa *sa, struct task *task, const struct ike_notify *error)
{
	struct fault f = {0};
	bool late = task->followup && error->type == NOTIFY_STATE_NOT_FOUND;
	followup_drop(task);
	if (error->type != NOTIFY_TEMPORARY_FAILURE && !late) {
		diagnose_refusal(sa, error->type, true, &f);
		create_failed(sa, task, &f);
		return;
	}
	task->again = true;
	timers_task_refused(sa, task);
}
