/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Entries that may have changed are worked off: all that is put comes first, then what is removed,
 * then the choices that nobody uses any more. So no address is without a route that had one and
 * shall have one. A peer that never stops announcing cannot keep the others' withdrawals waiting
 * for ever: when as many puts as there are entries have gone before, it is the removals' turn.
 */
#include "control/rib_internal.h"

#include <string.h>

#define WORK_LEAST    256u  /* per call: records looked at ... */
#define WORK_PER_ROOM 4u    /* ... and so many more for each difference that has room */
#define PATIENCE      4096u /* of removals: puts that may go before them, besides all entries */

struct batch {
	struct rib_change *out;
	size_t n, room, work;
	bool has_removed_hop;
};

/* ---- queues ---- */

static void push(const struct rib *r, struct rib_queue *q, uint32_t i)
{
	rib_entry(r, i)->next = RIB_NIL;
	if (q->first == RIB_NIL)
		q->first = i;
	else
		rib_entry(r, q->last)->next = i;
	q->last = i;
}

static void pop(const struct rib *r, struct rib_queue *q)
{
	struct rib_entry *e = rib_entry(r, q->first);
	q->first = e->next;
	e->queue = RIB_UNQUEUED;
}

void rib_mark(struct rib *r, uint32_t i)
{
	if (rib_entry(r, i)->queue != RIB_UNQUEUED)
		return;
	rib_entry(r, i)->queue = RIB_QUEUED;
	push(r, &r->due, i);
}

/* ---- judging all anew ---- */

void rib_scan(struct rib *r)
{
	r->is_scanning = true;
	r->is_scanning_learnt = false;
	r->scan_at = 0;
	r->places_wanting = r->choices_wanting = (struct rib_wanting){0};
}

static void scan(struct rib *r, struct batch *b)
{
	uint32_t n = r->is_scanning_learnt ? r->learnt.n : r->entries.pool.n, cost = 1;
	uint32_t i = r->scan_at++;
	if (i < n && r->is_scanning_learnt && rib_learnt(r, i)->node != RIB_NIL)
		cost = rib_judge(r, i);
	if (i < n && !r->is_scanning_learnt && rib_entry(r, i)->node != RIB_NIL)
		rib_mark(r, i);
	b->work -= cost < b->work ? cost : b->work;
	if (i < n)
		return;
	r->is_scanning = !r->is_scanning_learnt;
	r->is_scanning_learnt = true;
	r->scan_at = 0;
}

/* What had no place is looked for again when there is some, not at each route that goes. */
static bool is_worth_a_scan(const struct rib *r)
{
	const struct rib_wanting *places = &r->places_wanting, *choices = &r->choices_wanting;
	return (places->n && places->freed > r->entries.pool.used / 64) ||
	       (choices->n && choices->freed > r->choices.pool.used / 64);
}

/* ---- differences ---- */

static struct rib_change *tell(struct batch *b, enum rib_change_kind kind)
{
	struct rib_change *c = &b->out[b->n++];
	*c = (struct rib_change){.kind = (uint8_t)kind};
	return c;
}

static void tell_choice(struct rib *r, struct batch *b, uint32_t i)
{
	struct rib_change *c = tell(b, RIB_HOP_PUT);
	c->id = RIB_FIRST_CHOICE + i;
	c->hop = rib_choice_value(&rib_chosen(r, i)->choice);
	rib_chosen(r, i)->is_told = 1;
	rib_chosen_idle(r, i);
	r->n_told++;
}

static struct rib_change *tell_route(struct batch *b, enum rib_change_kind kind, uint32_t table,
				     const struct ip_prefix *prefix)
{
	struct rib_change *c = tell(b, kind);
	c->table = table;
	c->prefix = *prefix;
	return c;
}

/* What the map holds by the RIB's word from now on: 0, nothing. */
static void hold(struct rib *r, struct rib_entry *e, uint32_t hop)
{
	uint32_t had = e->hop;
	r->n_held += (hop != 0 && hop != RIB_NIL);
	r->n_held -= (had != 0 && had != RIB_NIL);
	e->hop = hop;
	if (hop)
		rib_hop_ref(r, hop);
	if (had)
		rib_hop_unref(r, had);
}

/* The first entry is the plan's again. True: it is done with. */
static bool give_back(struct rib *r, struct batch *b, uint32_t i, const struct ip_prefix *prefix,
		      bool is_going)
{
	uint32_t n;
	struct rib_entry *e = rib_entry(r, i);
	const struct rib_static *s = rib_statics(r, e->table, prefix, &n);
	if (!e->hop)
		return true;
	if (n)
		tell_route(b, RIB_ROUTE_PUT, e->table, prefix)->value = s->value;
	else if (is_going)
		tell_route(b, RIB_ROUTE_REMOVE, e->table, prefix);
	else
		return false;
	hold(r, e, 0);
	return true;
}

/*
 * The next hop of what counts. 0: a choice is told first, and the entry is looked at once more.
 * Without room for a choice the best is taken alone.
 */
static uint32_t hop_of(struct rib *r, struct batch *b, const struct rib_picks *p)
{
	if (p->n == 1)
		return p->at[0].hop;
	const struct rib_choice choice = rib_choice_of(p);
	uint32_t i = rib_chosen_get(r, &choice);
	if (i == RIB_NIL) {
		r->choices_wanting.n++;
		return p->at[0].hop;
	}
	if (rib_chosen(r, i)->is_told)
		return RIB_FIRST_CHOICE + i;
	tell_choice(r, b, i);
	return 0;
}

static void put(struct rib *r, struct batch *b, struct rib_entry *e, const struct ip_prefix *prefix,
		const struct xgw_route *value)
{
	if (e->hop == value->next_hop && e->source == value->source && e->flags == value->flags)
		return;
	tell_route(b, RIB_ROUTE_PUT, e->table, prefix)->value = *value;
	hold(r, e, value->next_hop);
	e->source = value->source;
	e->flags = value->flags;
}

static void look_at(struct rib *r, struct batch *b, struct rib_queue *q)
{
	uint32_t i = q->first, n;
	struct rib_entry *e = rib_entry(r, i);
	struct rib_picks picks;
	const struct ip_prefix prefix = rib_node_prefix(rib_node(r, e->node));
	b->work--;
	r->passed += q == &r->due && r->going.first != RIB_NIL;
	rib_pick(r, e->table, &prefix, e->node, &picks);
	if (!picks.n) {
		bool is_done = give_back(r, b, i, &prefix, q == &r->going);
		pop(r, q);
		if (is_done) {
			rib_entry_free(r, i);
			return;
		}
		e->queue = RIB_GOING;
		push(r, &r->going, i);
		return;
	}
	struct xgw_route value = {.next_hop = hop_of(r, b, &picks),
				  .source = XGW_ROUTE_BGP,
				  .plen = prefix.len,
				  .family = prefix.addr.family};
	if (!value.next_hop)
		return;
	const struct rib_static *s = rib_statics(r, e->table, &prefix, &n);
	if (n && (picks.at[0].is_static || s->of)) {
		value.source = s->value.source;
		value.flags = s->value.flags;
	}
	put(r, b, e, &prefix, &value);
	pop(r, q);
}

static void remove_choice(struct rib *r, struct batch *b)
{
	uint32_t i = r->idle.first;
	tell(b, RIB_HOP_REMOVE)->id = RIB_FIRST_CHOICE + i;
	rib_chosen_free(r, i);
	b->has_removed_hop = true;
}

static void remove_first(struct rib *r, struct batch *b)
{
	look_at(r, b, &r->going);
	if (r->going.first == RIB_NIL)
		r->passed = 0;
}

static bool is_removal_due(const struct rib *r)
{
	return r->going.first != RIB_NIL &&
	       (r->due.first == RIB_NIL || r->passed > PATIENCE + r->entries.pool.used);
}

/* When nothing else is left to do, or when they take the place of others. */
static bool is_hop_removal_due(const struct rib *r)
{
	if (r->idle.first == RIB_NIL || r->is_scanning)
		return false;
	return (r->due.first == RIB_NIL && r->going.first == RIB_NIL) ||
	       r->n_idle > r->limits.choices / 4 + 1; /* one may be about to be used */
}

/* False: nothing more in this call. */
static bool step(struct rib *r, struct batch *b)
{
	if (is_hop_removal_due(r) && (!b->n || b->has_removed_hop))
		remove_choice(r, b);
	else if (is_hop_removal_due(r) || b->has_removed_hop)
		return false;
	else if (r->is_scanning)
		scan(r, b);
	else if (is_removal_due(r))
		remove_first(r, b);
	else if (r->due.first != RIB_NIL)
		look_at(r, b, &r->due);
	else
		return false;
	return true;
}

size_t rib_next(struct rib *r, struct rib_change *out, size_t room)
{
	struct batch b = {.out = out, .room = room, .work = WORK_LEAST + room * WORK_PER_ROOM};
	r->has_begun = true;
	/* only here, so that no prefix is told twice in one call */
	if (!r->is_scanning && is_worth_a_scan(r))
		rib_scan(r);
	while (b.n < b.room && b.work && step(r, &b))
		continue;
	return b.n;
}

bool rib_is_settled(const struct rib *r)
{
	return !r->is_scanning && r->due.first == RIB_NIL && r->going.first == RIB_NIL &&
	       r->idle.first == RIB_NIL && !is_worth_a_scan(r);
}

/* ---- what the maps hold ---- */

static uint32_t find(const struct rib *r, uint32_t table, const struct ip_prefix *prefix)
{
	uint32_t node = rib_node_find(r, prefix);
	return node != RIB_NIL ? rib_entry_find(r, table, node) : RIB_NIL;
}

void rib_lost(struct rib *r, uint32_t table, const struct ip_prefix *prefix)
{
	uint32_t i = find(r, table, prefix), node = RIB_NIL;
	if (i == RIB_NIL && rib_is_prefix(prefix))
		node = rib_node_get(r, prefix);
	if (node != RIB_NIL) {
		i = rib_entry_get(r, table, node);
		rib_node_release(r, node);
	}
	if (i == RIB_NIL)
		return;
	hold(r, rib_entry(r, i), RIB_NIL);
	r->places_wanting.n++;
}

void rib_lost_choice(struct rib *r, uint32_t id)
{
	if (rib_choice_is_told(r, id) && !rib_chosen(r, id - RIB_FIRST_CHOICE)->refs)
		rib_chosen_free(r, id - RIB_FIRST_CHOICE);
}

bool rib_holds(const struct rib *r, uint32_t table, const struct ip_prefix *prefix)
{
	uint32_t i = find(r, table, prefix);
	return i != RIB_NIL && rib_entry(r, i)->hop && rib_entry(r, i)->hop != RIB_NIL;
}
