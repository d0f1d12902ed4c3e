/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Child SAs of a connection: installed, used, replaced, drained. The order that loses no packet:
 * inbound works before the peer can know its SPI; outbound moves only to a child whose other end is
 * known to be installed; an old inbound works on for LIMIT_DRAIN_NS after both ends deleted it.
 *
 * When outbound moves: the initiator of an exchange moves when the response is there (the responder
 * installed before it answered). The responder moves when the initiator deletes the old child, or
 * when authenticated ESP arrives on the new one: both prove that the initiator has it installed.
 */
#include "ike/ike_internal.h"

#include <errno.h>
#include <stdlib.h>

static uint64_t spi_hash(const struct ike *e, uint32_t spi)
{
	return lookup_hash(e->hash_key, &spi, sizeof spi);
}

struct child *child_by_spi(const struct ike *e, uint32_t spi_in)
{
	struct lookup_entry *x = lookup_first(&e->by_child, spi_hash(e, spi_in));
	for (; x; x = lookup_next(x)) {
		struct child *child = container_of(x, struct child, by_spi);
		if (child->plain.spi_in == spi_in)
			return child;
	}
	return NULL;
}

struct child *child_by_spi_out(const struct ike_sa *sa, uint32_t spi_out)
{
	if (!sa->c)
		return NULL;
	for (struct child *child = sa->c->children; child; child = child->next)
		if (child->plain.spi_out == spi_out && child->sa &&
		    (child->sa == sa || sa_local_spi(child->sa) == sa->successor))
			return child;
	return NULL;
}

uint32_t child_new_spi(struct ike *e)
{
	uint32_t spi;
	do {
		if (e->options.spi_base)
			spi = e->next_test_spi++;
		else
			e->random.fill(e->random.owner, (uint8_t *)&spi, sizeof spi);
		/* RFC 4303 section 2.1 reserves the first 256; tests count from where they like */
	} while ((!e->options.spi_base && spi < 256) || !spi || child_by_spi(e, spi));
	return spi;
}

int child_new(struct child **out, struct ike_sa *sa, const struct child_sa *plain)
{
	struct ike *e = sa->e;
	struct connection *c = sa->c;
	unsigned n = 0;
	for (struct child *other = c->children; other; other = other->next)
		n += other->sa == sa && other->plain.worker == plain->worker;
	if (n >= (sa->v1 ? LIMIT_V1_CHILDREN : LIMIT_CHILDREN_PER_SA))
		return -ENOSPC;
	if (child_by_spi(e, plain->spi_in))
		return -EEXIST;
	struct child *child = calloc(1, sizeof *child);
	if (!child)
		return -ENOMEM;
	child->plain = *plain;
	child->plain.connection = c->cfg.id;
	/* IKEv1 negotiates them: the lesser counts */
	if (!plain->hard_bytes ||
	    (c->cfg.child_lifetime_bytes && c->cfg.child_lifetime_bytes < plain->hard_bytes))
		child->plain.hard_bytes = c->cfg.child_lifetime_bytes;
	child->plain.soft_bytes = timers_soft(e, child->plain.hard_bytes);
	child->plain.hard_packets = c->cfg.child_lifetime_packets;
	child->plain.soft_packets = timers_soft(e, c->cfg.child_lifetime_packets);
	child->plain.local = sa->local;
	child->plain.remote = sa->remote;
	child->plain.encapsulation = sa->encapsulate ? ESP_IN_UDP : ESP_NATIVE;
	child->plain.port_entropy = sa->port_entropy;
	child->c = c;
	child->sa = sa;
	child->state = CHILD_STANDBY;
	child->next = c->children;
	c->children = child;
	lookup_add(&e->by_child, &child->by_spi, spi_hash(e, plain->spi_in));
	timers_child_installed(child);
	e->counters[IKE_COUNT_CHILDREN]++;
	effects_child(e, IKE_CHILD_INSTALL, &child->plain);
	timers_arm_connection(c);
	*out = child;
	return 0;
}

/* Where the connection notes which child carries the traffic of this worker, 0 = of any. */
uint32_t *child_slot(struct connection *c, uint16_t worker)
{
	return worker ? &c->lanes[worker - 1] : &c->current;
}

bool connection_has_outbound(const struct connection *c)
{
	for (unsigned i = 0; i < IKE_MAX_WORKERS; i++)
		if (c->lanes[i])
			return true;
	return c->current;
}

static bool carries(const struct child *child)
{
	return *child_slot(child->c, child->plain.worker) == child->plain.spi_in;
}

/* Outbound of its worker (or of all that have none of their own) moves here. */
void child_use(struct child *child)
{
	struct connection *c = child->c;
	uint32_t *slot = child_slot(c, child->plain.worker);
	child->used = true;
	if (carries(child))
		return;
	struct child *old = child_by_spi(c->e, *slot);
	if (old && old->state == CHILD_IN_USE)
		old->state = CHILD_STANDBY;
	if (child->state == CHILD_STANDBY)
		child->state = CHILD_IN_USE;
	*slot = child->plain.spi_in;
	/* the peer has more workers than we: nobody here sends on this one */
	if (child->plain.worker <= c->cfg.workers)
		effects_child(c->e, IKE_CHILD_USE, &child->plain);
}

static bool usable(const struct child *child)
{
	return child->sa && child->sa->state == SA_ESTABLISHED && !child->unconfirmed &&
	       (child->state == CHILD_STANDBY || child->state == CHILD_IN_USE);
}

/* The peer is known to have it installed. (IKEv1 knows by `unconfirmed`.) */
static bool certain(const struct child *child)
{
	return child->sa->v1 || child->is_ours || child->alive || child->used || child->proven;
}

/* Another child that can carry this worker's outbound traffic: the one that replaces `to`, or else
 * the newest that is certain, or else the newest. */
static struct child *alternative(const struct connection *c, uint16_t worker,
				 const struct child *to)
{
	struct child *best = NULL;
	for (struct child *child = c->children; child; child = child->next) {
		if (child == to || !usable(child) || child->plain.worker != worker)
			continue;
		if (worker && !child->is_ours && !child->proven && !child->alive)
			continue; /* our answer is on its way */
		if (to && to->replaced_by == child->plain.spi_in)
			return child;
		if (!best || (!certain(best) && certain(child)))
			best = child;
	}
	return best;
}

static void forget(struct child *child)
{
	struct connection *c = child->c;
	for (struct child **at = &c->children; *at; at = &(*at)->next) {
		if (*at == child) {
			*at = child->next;
			break;
		}
	}
	if (carries(child))
		*child_slot(c, child->plain.worker) = 0;
	lookup_remove(&c->e->by_child, &child->by_spi);
	wipe(child, sizeof *child);
	free(child);
}

void child_remove(struct child *child)
{
	struct connection *c = child->c;
	effects_remove(c->e, c->cfg.id, child->plain.spi_in);
	forget(child);
	client_unused(c);
}

/* Moves outbound off this child when another can take it; without one its worker shares the child
 * of all, and without that the connection has no outbound. */
static void leave_outbound(struct child *child)
{
	if (!carries(child))
		return;
	struct child *other = alternative(child->c, child->plain.worker, child);
	if (other)
		child_use(other);
}

/* Its worker goes on over the child of all, and so does the peer's: what is on its way still comes.
 */
static bool shared_from_now(const struct child *child)
{
	const struct child *all = child_by_spi(child->c->e, child->c->current);
	return child->plain.worker && all && all != child && usable(all);
}

static void rest(struct child *child)
{
	struct connection *c = child->c;
	*child_slot(c, child->plain.worker) = 0;
	if (child->plain.worker <= c->cfg.workers)
		effects_child(c->e, IKE_CHILD_REST, &child->plain);
}

/* What this one was to replace goes on: it may be rekeyed again. (IKEv1 has its own ways.) */
static void replaces_nothing(const struct child *child)
{
	bool v2 = child->sa && !child->sa->v1;
	struct child *old =
		v2 && child->replaces ? child_by_spi(child->c->e, child->replaces) : NULL;
	if (old && old->replaced_by == child->plain.spi_in)
		old->replaced_by = 0;
}

/* Both ends deleted it, or the peer says that it is gone. */
void child_retire(struct child *child)
{
	struct connection *c = child->c;
	leave_outbound(child);
	replaces_nothing(child);
	bool shares = shared_from_now(child);
	if (!shares && (carries(child) || !*child_slot(c, child->plain.worker))) {
		/* nothing took over: no traffic to drain for, and none may go out on it */
		child_remove(child);
		return;
	}
	if (shares && carries(child))
		rest(child);
	child->sa = NULL;
	child->state = CHILD_DRAINING;
	child->drain_until_ns = c->e->now_ns + LIMIT_DRAIN_NS;
	child->rekey_at_ns = child->expire_at_ns = INSTANT_NEVER;
	timers_arm_connection(c);
}

/* The IKE SA above them ends. */
void children_retire(struct ike_sa *sa)
{
	struct connection *c = sa->c;
	if (!c)
		return;
	for (struct child *child = c->children, *next; child; child = next) {
		next = child->next;
		if (child->sa != sa)
			continue;
		child->sa = NULL; /* so that no sibling counts as an alternative */
		child->state = CHILD_DELETING;
	}
	/* those for all first, so that workers have what they share from now on */
	for (unsigned of_workers = 0; of_workers < 2; of_workers++)
		for (struct child *child = c->children, *next; child; child = next) {
			next = child->next;
			if (!child->sa && child->state == CHILD_DELETING &&
			    of_workers == (child->plain.worker != 0))
				child_retire(child);
		}
}

/* The peer lost them (INITIAL_CONTACT, silence): nothing in flight is worth waiting for. */
void children_drop(struct ike_sa *sa)
{
	struct connection *c = sa->c;
	if (!c)
		return;
	for (struct child *child = c->children; child; child = child->next) {
		if (child->sa != sa)
			continue;
		child->sa = NULL;
		child->state = CHILD_DELETING;
	}
	for (struct child *child = c->children; child; child = child->next)
		if (!child->sa && child->state == CHILD_DELETING)
			leave_outbound(child);
	for (struct child *child = c->children, *next; child; child = next) {
		next = child->next;
		if (!child->sa && child->state == CHILD_DELETING)
			child_remove(child);
	}
}

/* IKE SA rekeyed: its children belong to the new one (RFC 7296 section 2.8). */
void children_move(struct ike_sa *from, struct ike_sa *to)
{
	for (struct child *child = from->c->children; child; child = child->next)
		if (child->sa == from)
			child->sa = to;
}

/* The peer's address or ours changed under an IKE SA. */
void children_update(struct ike_sa *sa)
{
	if (!sa->c)
		return;
	for (struct child *child = sa->c->children; child; child = child->next) {
		if (child->sa != sa)
			continue;
		child->plain.local = sa->local;
		child->plain.remote = sa->remote;
		effects_child(sa->e, IKE_CHILD_UPDATE, &child->plain);
	}
}

struct child *connection_usable_child(const struct connection *c)
{
	return alternative(c, 0, NULL);
}

bool worker_has_child(const struct ike_sa *sa, uint16_t worker)
{
	for (const struct child *child = sa->c->children; child; child = child->next)
		if (child->sa == sa && child->plain.worker == worker && usable(child) &&
		    !child->replaced_by)
			return true;
	return false;
}

/*
 * The peer asks for something new, so it has our answers to what it asked for before (a window of
 * one): the children that it made are installed there. Those of its workers may be used by ours;
 * what is for all waits for its use or for the end of what it replaces.
 */
void children_proven(struct ike_sa *sa)
{
	if (!sa->c)
		return;
	for (struct child *child = sa->c->children; child; child = child->next) {
		if (child->sa != sa || child->is_ours || !usable(child))
			continue;
		child->proven = true;
		if (child->plain.worker && sa->resources &&
		    !*child_slot(sa->c, child->plain.worker))
			child_use(child);
	}
}

/* Hard end of its lifetime: rekeying did not succeed in time. */
void child_expired(struct child *child)
{
	struct connection *c = child->c;
	struct fault f;
	fault_set(&f, -ETIME, "child SA %08x reached the end of its lifetime before it was rekeyed",
		  child->plain.spi_in);
	leave_outbound(child);
	if (child->sa)
		task_add(child->sa, EXCHANGE_DELETE_CHILD, child->plain.spi_in);
	child_remove(child);
	connection_settle(c, &f);
}
