/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two IKE SAs of one connection, which both sides began at once. The one with the lower initiator's
 * SPI goes: both ends see the same numbers. Its initiator deletes it, after the other one is
 * confirmed by a message that came over it since; the other side does so itself only when that
 * takes too long.
 */
#include "ike/ike_internal.h"

#include <stdlib.h>

/* `a` is about to replace `b`, or what `b` was rekeyed from (v2_reauth.c). */
static bool replaces(const struct ike_sa *a, const struct ike_sa *b)
{
	return a->replaces && (a->replaces == sa_local_spi(b) || a->replaces == b->predecessor);
}

/* Rekeying makes pairs too; it has its own rules (collisions.c). */
static bool is_rekey_pair(const struct ike_sa *a, const struct ike_sa *b)
{
	return (a->predecessor && a->predecessor == b->predecessor) ||
	       a->predecessor == sa_local_spi(b) || b->predecessor == sa_local_spi(a) ||
	       replaces(a, b) || replaces(b, a);
}

/* The one to go and the one to stay; false when there are no two. */
static bool find(const struct connection *c, struct ike_sa **goes, struct ike_sa **stays)
{
	*goes = *stays = NULL;
	for (struct ike_sa *sa = c->sas; sa; sa = sa->next) {
		if (sa->state != SA_ESTABLISHED)
			continue;
		for (struct ike_sa *other = sa->next; other; other = other->next) {
			if (other->state != SA_ESTABLISHED || is_rekey_pair(sa, other))
				continue;
			*goes = sa->spi_i < other->spi_i ? sa : other;
			*stays = *goes == sa ? other : sa;
			return true;
		}
	}
	return false;
}

/* The other one may have gone since: rekeyed, deleted, or replaced by this one. */
bool duplicates_any(const struct ike_sa *sa)
{
	for (const struct ike_sa *other = sa->c->sas; other; other = other->next)
		if (other != sa && other->state == SA_ESTABLISHED && !is_rekey_pair(sa, other))
			return true;
	return false;
}

/*
 * Whether what stays can carry the traffic: it has a child, and an answer over it shows that its
 * initiator has that too. An answer shows nothing of a child that came after IKE_AUTH; its use
 * does, or else time.
 */
static bool carries(const struct ike_sa *sa)
{
	if (!worker_has_child(sa, 0))
		return false;
	bool used = !sa->childless;
	for (const struct child *child = sa->c->children; child && !used; child = child->next)
		used = child->sa == sa && child->state == CHILD_IN_USE;
	return used;
}

void duplicates_found(struct connection *c)
{
	struct ike_sa *goes, *stays;
	if (!find(c, &goes, &stays))
		return;
	c->e->counters[IKE_COUNT_COLLISIONS]++;
	timers_duplicate_found(goes);
	if (!goes->is_initiator)
		return;
	stays->confirm_above = stays->heard;
	task_add(stays, EXCHANGE_LIVENESS, 0);
}

void duplicates_settle(struct connection *c)
{
	struct ike_sa *goes, *stays;
	if (!find(c, &goes, &stays) || !goes->is_initiator || !stays->confirm_above ||
	    stays->heard <= stays->confirm_above)
		return;
	/* both were rekeyed since, so that their order is another one: what carries the traffic
	 * stays */
	if (!carries(stays))
		return;
	stays->confirm_above = 0;
	sa_delete(goes, "duplicate: both sides began the connection at once");
}

/*
 * INITIAL_CONTACT (RFC 7296 section 2.4): the peer knows no other IKE SA with us, so what was there
 * before its handshake began is dead. What was made since is a duplicate, not a leftover.
 */
void duplicates_initial_contact(struct ike_sa *fresh)
{
	struct connection *c = fresh->c;
	for (struct ike_sa *sa = c->sas, *next; sa; sa = next) {
		next = sa->next;
		bool before = sa->established_ns && sa->established_ns < fresh->created_ns;
		if (sa == fresh || !before ||
		    (sa->state != SA_ESTABLISHED && sa->state != SA_REKEYED))
			continue;
		children_drop(sa);
		sa_set_state(sa, SA_DEAD, "the peer started anew");
	}
}
