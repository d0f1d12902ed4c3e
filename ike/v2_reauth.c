/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Authenticating anew, make before break (RFC 7296 section 2.8.3): rekeying proves nothing of who
 * the peer is today, so an IKE SA may have a time after which a whole new one, with children of its
 * own, replaces it. Traffic moves when the new child is there, the old IKE SA is deleted a moment
 * later, so that children of workers find their successors first; the old children work until the
 * peer has answered that. A responder tells its time by
 * AUTH_LIFETIME (RFC 4478).
 *
 * When both ends do it at once there are two new IKE SAs: one of them goes as when both begin a
 * connection at once (duplicates.c).
 */
#include "ike/ike_internal.h"

#include <errno.h>

/* A peer that only it can reach begins by itself, or is lost when the time is over. */
static bool able(const struct ike_sa *sa)
{
	const struct connection *c = sa->c;
	return c && !c->refused && (sa->began || !sa->nat_remote) &&
	       c->cfg.start != IKE_START_RESPOND && c->cfg.remote.family != IP_NONE;
}

/* Just authenticated. */
void reauth_plan(struct ike_sa *sa)
{
	uint64_t life = sa->c->cfg.reauth_ns;
	if (!life)
		return;
	sa->reauth_end_ns = instant_after(sa->e->now_ns, life);
	if (able(sa))
		timers_reauth(sa, life);
}

/* The responder's time, with which the initiator has to do it. */
void reauth_say(const struct ike_sa *sa, struct builder *out)
{
	uint8_t seconds[4];
	uint64_t life = sa->c->cfg.reauth_ns / NS_PER_S;
	if (!life)
		return;
	store_be32(seconds, life < UINT32_MAX ? (uint32_t)life : UINT32_MAX);
	builder_notify(out, NOTIFY_AUTH_LIFETIME, (struct bytes){seconds, sizeof seconds});
}

/* In IKE_AUTH, or in INFORMATIONAL later. */
void reauth_told(struct ike_sa *sa, const struct ike_message *in)
{
	const struct ike_notify *n = ike_message_notify(in, NOTIFY_AUTH_LIFETIME);
	if (!n || n->body.len != 4 || !sa->began || !able(sa) || sa->state != SA_ESTABLISHED)
		return;
	timers_reauth(sa, load_be32(n->body.at) * NS_PER_S);
}

bool reauth_under_way(const struct connection *c)
{
	for (const struct ike_sa *sa = c->sas; sa; sa = sa->next)
		if (sa->replaces || (sa->is_initiator &&
				     (sa->state == SA_HALF_OPEN || sa->state == SA_AUTHENTICATING)))
			return true;
	return false;
}

/* The one that is to be replaced, or what it was rekeyed to since. */
static struct ike_sa *replaced_by(const struct ike_sa *sa)
{
	struct ike_sa *old = sa_by_spi(sa->e, sa->replaces);
	while (old && old->successor)
		old = sa_by_spi(sa->e, old->successor);
	return old && old != sa && old->c == sa->c && old->state == SA_ESTABLISHED ? old : NULL;
}

/* Another one is about to replace this one: rekeying waits for how that ends. */
bool reauth_pending(const struct ike_sa *sa)
{
	for (const struct ike_sa *other = sa->c->sas; other; other = other->next)
		if (other->replaces && replaced_by(other) == sa)
			return true;
	return false;
}

/* It is time. What fails is tried again while the old one lives. 0; -ENOTCONN: not by us. */
int reauth_due(struct ike_sa *sa)
{
	const struct ip_addr local = sa->local.addr, remote = sa->remote.addr;
	sa->reauth_at_ns = able(sa) ? sa->e->now_ns + LIMIT_REAUTH_AGAIN_NS : INSTANT_NEVER;
	if (!able(sa))
		return -ENOTCONN;
	if (v2_rekey_undecided(sa)) {
		/* the turn of what comes out of it: an answer that finds this one replaced is moot
		 * here, while the peer has moved the children to a successor that only it has */
		sa->reauth_at_ns = sa->e->now_ns + LIMIT_REFUSED_FIRST_NS;
		return 0;
	}
	if (reauth_under_way(sa->c))
		return 0;
	connection_event(sa->c, "authenticating anew");
	v2_sa_init_start_at(sa->c, &local, &remote, sa_local_spi(sa));
	return 0;
}

/* The new IKE SA may have its child now: traffic moves there, the old one ends. */
void reauth_done(struct ike_sa *sa)
{
	if (!sa->replaces || !sa->c || !worker_has_child(sa, 0))
		return;
	struct ike_sa *old = replaced_by(sa);
	sa->replaces = 0;
	for (struct child *child = sa->c->children; child; child = child->next)
		if (child->sa == sa && !child->plain.worker)
			child_use(child);
	sa->e->counters[IKE_COUNT_REAUTHENTICATIONS]++;
	connection_event(sa->c, "authenticated anew: %016llx replaces %016llx",
			 (unsigned long long)sa_local_spi(sa),
			 old ? (unsigned long long)sa_local_spi(old) : 0ull);
	if (!old)
		return;
	redirect_move(old, sa);
	tasks_free_waiting(
		old); /* what is in flight is waited for: message IDs go on without a gap */
	sa_set_state(old, SA_REKEYED, "authenticated anew");
	timers_reauthenticated(old, task_add(old, EXCHANGE_DELETE_IKE, 0));
}
