/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Life and events of the RIB. Each event marks the entries (table, prefix) that it may change;
 * rib_changes.c works them off.
 */
#include "control/rib_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- life ---- */

int rib_create(struct rib **out, const struct rib_limits *limits)
{
	if (!limits->peers || limits->peers > RIB_MAX_PEERS || !limits->choices ||
	    limits->choices > RIB_MAX_CHOICES || limits->learnt >= RIB_NIL ||
	    limits->routes >= RIB_NIL)
		return -EINVAL;
	struct rib *r = calloc(1, sizeof *r);
	if (!r)
		return -ENOMEM;
	r->limits = *limits;
	r->due = r->going = r->idle = (struct rib_queue){RIB_NIL, RIB_NIL};
	if (rib_store_open(r)) {
		rib_free(r);
		return -ENOMEM;
	}
	*out = r;
	return 0;
}

void rib_free(struct rib *r)
{
	if (!r)
		return;
	rib_store_close(r);
	rib_rules_free(&r->rules);
	free(r->slots);
	free(r);
}

/* ---- what an event concerns ---- */

/* How many of a peer's tables stand before this one. */
static uint32_t tables_before(const struct rib_member *m, uint32_t n, uint32_t table)
{
	uint32_t low = 0, high = n;
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		if (m[middle].table < table)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

const struct rib_member *rib_member_of(const struct rib *r, const struct rib_slot *s,
				       uint32_t table)
{
	const struct rib_member *m = r->rules.members + s->member;
	uint32_t at = tables_before(m, s->n_members, table);
	return at < s->n_members && m[at].table == table ? &m[at] : NULL;
}

uint32_t rib_table_behind(const struct rib *r, const struct rib_slot *s, uint32_t table)
{
	const struct rib_member *m = r->rules.members + s->member;
	uint32_t at = table < UINT32_MAX ? tables_before(m, s->n_members, table + 1) : s->n_members;
	return at < s->n_members ? m[at].table : 0;
}

/* Users' routes that go where this prefix of a table leads, or might. */
static void mark_followers(struct rib *r, uint32_t table, uint32_t node)
{
	const struct rib_static *s;
	if (!r->rules.n_followers)
		return;
	const struct ip_prefix prefix = rib_node_prefix(rib_node(r, node));
	uint32_t i = rib_first_follower(&r->rules, table, &prefix);
	for (; (s = rib_follower(&r->rules, i, table, &prefix)); i++) {
		uint32_t own = rib_node_get(r, &s->prefix);
		uint32_t e = own != RIB_NIL ? rib_entry_get(r, s->table, own) : RIB_NIL;
		if (e != RIB_NIL)
			rib_mark(r, e);
		else
			r->places_wanting.n++;
		if (own != RIB_NIL)
			rib_node_release(r, own);
	}
}

static void mark_tables(struct rib *r, const struct rib_slot *s, uint32_t node)
{
	for (uint32_t k = 0; k < s->n_members; k++) {
		uint32_t table = r->rules.members[s->member + k].table;
		uint32_t e = rib_entry_find(r, table, node);
		if (e != RIB_NIL)
			rib_mark(r, e);
		mark_followers(r, table, node);
	}
}

static void set_verdict(struct rib_slot *s, struct rib_learnt *l, uint8_t verdict)
{
	if (l->verdict)
		s->counts.refused[l->verdict]--;
	else
		s->counts.accepted--;
	l->verdict = verdict;
	if (l->verdict)
		s->counts.refused[l->verdict]++;
	else
		s->counts.accepted++;
}

/* Nothing learnt counts there: it needs no entry, which others may want. */
static bool is_fixed(const struct rib *r, uint32_t table, const struct ip_prefix *prefix)
{
	uint32_t n;
	const struct rib_static *s = rib_statics(r, table, prefix, &n);
	return n && s->class == RIB_CLASS_FIXED;
}

uint32_t rib_judge(struct rib *r, uint32_t i)
{
	struct rib_learnt *l = rib_learnt(r, i);
	struct rib_slot *s = &r->slots[l->slot];
	const struct ip_prefix prefix = rib_node_prefix(rib_node(r, l->node));
	bool is_bogon = rib_node(r, l->node)->is_bogon, is_accepted = false;
	uint8_t first = is_bogon ? RIB_REFUSED_BOGON : RIB_REFUSED_NO_TABLE;
	for (uint32_t k = 0; k < s->n_members; k++) {
		const struct rib_member *m = &r->rules.members[s->member + k];
		uint8_t why = rib_import_by(r, s, m, &prefix, is_bogon);
		bool may_count = !why && !is_fixed(r, m->table, &prefix);
		uint32_t e = may_count ? rib_entry_get(r, m->table, l->node)
				       : rib_entry_find(r, m->table, l->node);
		if (e != RIB_NIL)
			rib_mark(r, e);
		else if (may_count)
			r->places_wanting.n++;
		mark_followers(r, m->table, l->node);
		is_accepted |= !why;
		first = k ? first : why;
	}
	set_verdict(s, l, is_accepted ? 0 : first);
	return s->n_members + 1;
}

/* ---- routes of a peer ---- */

static uint32_t find_learnt(const struct rib *r, uint32_t node, uint32_t slot)
{
	uint32_t i = node != RIB_NIL ? rib_node(r, node)->learnt : RIB_NIL;
	while (i != RIB_NIL && rib_learnt(r, i)->slot != slot)
		i = rib_learnt(r, i)->chain;
	return i;
}

static void leave_peer(struct rib *r, struct rib_slot *s, const struct rib_learnt *l)
{
	if (l->before != RIB_NIL)
		rib_learnt(r, l->before)->after = l->after;
	else
		s->first = l->after;
	if (l->after != RIB_NIL)
		rib_learnt(r, l->after)->before = l->before;
	s->counts.received--;
	s->fresh -= l->epoch == s->epoch;
	if (l->verdict)
		s->counts.refused[l->verdict]--;
	else
		s->counts.accepted--;
}

static void drop(struct rib *r, uint32_t i)
{
	struct rib_learnt *l = rib_learnt(r, i);
	struct rib_slot *s = &r->slots[l->slot];
	uint32_t node = l->node, *at = &rib_node(r, node)->learnt;
	while (*at != i)
		at = &rib_learnt(r, *at)->chain;
	*at = l->chain;
	leave_peer(r, s, l);
	rib_pool_give(&r->learnt, i);
	mark_tables(r, s, node);
	rib_node_release(r, node);
}

static void drop_all(struct rib *r, struct rib_slot *s)
{
	while (s->first != RIB_NIL)
		drop(r, s->first);
}

static int count_refusal(struct rib_slot *s, enum rib_reason why, int err)
{
	s->counts.refusals[why]++;
	return err;
}

static int no_room(struct rib *r, struct rib_slot *s, uint32_t node)
{
	bool is_full = r->learnt.used >= r->limits.learnt;
	s->counts.missing++;
	if (node != RIB_NIL)
		rib_node_release(r, node);
	return count_refusal(s, RIB_REFUSED_TOTAL, is_full ? -ENOSPC : -ENOMEM);
}

static int add(struct rib *r, uint32_t slot, const struct ip_prefix *prefix, uint32_t metric)
{
	struct rib_slot *s = &r->slots[slot];
	if (r->learnt.used >= r->limits.learnt)
		return no_room(r, s, RIB_NIL);
	uint32_t node = rib_node_get(r, prefix);
	uint32_t i = node != RIB_NIL ? rib_pool_take(&r->learnt) : RIB_NIL;
	if (i == RIB_NIL)
		return no_room(r, s, node);
	struct rib_learnt *l = rib_learnt(r, i);
	*l = (struct rib_learnt){.chain = rib_node(r, node)->learnt,
				 .node = node,
				 .metric = metric,
				 .before = RIB_NIL,
				 .after = s->first,
				 .slot = (uint16_t)slot,
				 .epoch = s->epoch};
	rib_node(r, node)->learnt = i;
	if (s->first != RIB_NIL)
		rib_learnt(r, s->first)->before = i;
	s->first = i;
	s->fresh++;
	s->counts.received++;
	s->counts.accepted++;
	rib_judge(r, i);
	return 0;
}

int rib_learn(struct rib *r, uint32_t peer, const struct ip_prefix *prefix, uint32_t metric)
{
	uint32_t slot = rib_peer_slot(&r->rules, peer);
	if (slot == RIB_NIL) {
		r->strangers++;
		return -ENOENT;
	}
	struct rib_slot *s = &r->slots[slot];
	s->counts.announcements++;
	if (!rib_is_prefix(prefix))
		return count_refusal(s, RIB_REFUSED_MALFORMED, -EINVAL);
	if (s->counts.is_over)
		return count_refusal(s, RIB_REFUSED_LIMIT, -ESHUTDOWN);
	uint32_t node = rib_node_find(r, prefix), i = find_learnt(r, node, slot);
	bool is_more = i == RIB_NIL || rib_learnt(r, i)->epoch != s->epoch;
	if (is_more && s->fresh >= s->counts.limit) {
		s->counts.is_over = true;
		drop_all(r, s);
		return count_refusal(s, RIB_REFUSED_LIMIT, -EDQUOT);
	}
	if (i == RIB_NIL) {
		int err = add(r, slot, prefix, metric);
		if (err)
			return err;
		i = s->first;
	}
	struct rib_learnt *l = rib_learnt(r, i);
	s->fresh += l->epoch != s->epoch;
	l->epoch = s->epoch;
	if (l->metric != metric)
		mark_tables(r, s, l->node);
	l->metric = metric;
	if (l->verdict)
		s->counts.refusals[l->verdict]++;
	return 0;
}

void rib_withdraw(struct rib *r, uint32_t peer, const struct ip_prefix *prefix)
{
	uint32_t slot = rib_peer_slot(&r->rules, peer);
	if (slot == RIB_NIL || !rib_is_prefix(prefix))
		return;
	uint32_t i = find_learnt(r, rib_node_find(r, prefix), slot);
	r->slots[slot].counts.withdrawals++;
	if (i != RIB_NIL)
		drop(r, i);
}

void rib_forget(struct rib *r, uint32_t peer)
{
	uint32_t slot = rib_peer_slot(&r->rules, peer);
	if (slot == RIB_NIL)
		return;
	drop_all(r, &r->slots[slot]);
	r->slots[slot].counts.is_over = false;
	r->slots[slot].counts.missing = 0;
}

void rib_refresh_begin(struct rib *r, uint32_t peer)
{
	uint32_t slot = rib_peer_slot(&r->rules, peer);
	if (slot == RIB_NIL)
		return;
	struct rib_slot *s = &r->slots[slot];
	/* those of the refresh before, which did not end, may be of the other epoch */
	for (uint32_t i = s->first; s->is_refreshing && i != RIB_NIL; i = rib_learnt(r, i)->after)
		rib_learnt(r, i)->epoch = s->epoch;
	s->is_refreshing = true;
	s->epoch ^= 1;
	s->fresh = 0;
	s->counts.missing = 0;
}

void rib_refresh_end(struct rib *r, uint32_t peer)
{
	uint32_t slot = rib_peer_slot(&r->rules, peer);
	if (slot == RIB_NIL || !r->slots[slot].is_refreshing)
		return;
	struct rib_slot *s = &r->slots[slot];
	s->is_refreshing = false;
	for (uint32_t i = s->first, next; i != RIB_NIL; i = next) {
		next = rib_learnt(r, i)->after;
		if (rib_learnt(r, i)->epoch != s->epoch)
			drop(r, i);
	}
}

/* ---- another plan ---- */

/* Room for as many peers as there will be, besides those that go. */
static int widen_slots(struct rib *r, uint32_t n_peers)
{
	uint32_t room = r->n_slots + n_peers;
	if (room <= r->room_slots)
		return 0;
	struct rib_slot *slots = reallocarray(r->slots, room, sizeof *slots);
	if (!slots)
		return -ENOMEM;
	r->slots = slots;
	r->room_slots = room;
	return 0;
}

static uint32_t take_slot(struct rib *r, uint32_t no, uint32_t at)
{
	while (at < r->n_slots && r->slots[at].counts.no)
		at++;
	r->n_slots += at == r->n_slots;
	r->slots[at] = (struct rib_slot){.counts = {.no = no}, .first = RIB_NIL};
	return at;
}

static void set_limit(struct rib *r, struct rib_slot *s, uint32_t max_prefixes)
{
	uint32_t limit = max_prefixes ? max_prefixes : RIB_MAX_PREFIXES;
	if (limit != s->counts.limit)
		s->counts.is_over = false;
	s->counts.limit = limit;
	if (s->fresh <= limit)
		return;
	s->counts.is_over = true;
	drop_all(r, s);
}

/* Peers that stay keep their slots; what goes is forgotten while the old plan is in force. */
static void follow_peers(struct rib *r, struct rib_rules *new)
{
	const struct rib_rules *old = &r->rules;
	for (uint32_t i = 0, k = 0; i < old->n_peers; i++) {
		while (k < new->n_peers &&new->peers[k].no < old->peers[i].no)
			k++;
		if (k < new->n_peers &&new->peers[k].no == old->peers[i].no) {
			set_limit(r, &r->slots[old->slots[i]], new->peers[k].max_prefixes);
			continue;
		}
		drop_all(r, &r->slots[old->slots[i]]);
		r->slots[old->slots[i]].counts.no = 0;
	}
	for (uint32_t k = 0, m = 0, a = 0, taken = 0; k < new->n_peers; k++) {
		uint32_t no = new->peers[k].no, slot = rib_peer_slot(old, no);
		if (slot == RIB_NIL)
			slot = taken = take_slot(r, no, taken);
		struct rib_slot *s = &r->slots[slot];
		new->slots[k] = slot;
		set_limit(r, s, new->peers[k].max_prefixes);
		s->member = m;
		while (m < new->n_members &&new->members[m].peer == no)
			m++;
		s->n_members = m - s->member;
		s->allowed = a;
		while (a < new->n_allowed &&new->allowed[a].peer == no)
			a++;
		s->n_allowed = a - s->allowed;
	}
}

int rib_follow(struct rib *r, const struct rib_inputs *in, struct fault *f)
{
	struct rib_rules rules;
	if (rib_rules_same(&r->rules, in))
		return 0;
	if (in->n_peers > r->limits.peers)
		return fault_set(f, -ENOSPC, "there are %u BGP peers, no more than %u can be had",
				 in->n_peers, r->limits.peers);
	int err = rib_rules_make(r, &rules, in, f);
	if (err)
		return err;
	err = widen_slots(r, in->n_peers);
	if (err) {
		rib_rules_free(&rules);
		return fault_set(f, err, "not enough memory for BGP peers");
	}
	follow_peers(r, &rules);
	rib_rules_free(&r->rules);
	r->rules = rules;
	rib_scan(r);
	return 0;
}

int rib_adopt_route(struct rib *r, uint32_t table, const struct ip_prefix *prefix,
		    const struct xgw_route *value)
{
	bool is_choice =
		value->next_hop >= RIB_FIRST_CHOICE && value->next_hop < RIB_CHOICES_BEHIND;
	if (r->has_begun || !table || !rib_is_prefix(prefix) || !value->next_hop || value->table ||
	    (is_choice && !rib_choice_is_told(r, value->next_hop)))
		return -EINVAL;
	uint32_t node = rib_node_get(r, prefix);
	if (node == RIB_NIL)
		return -ENOMEM;
	uint32_t i = rib_entry_find(r, table, node);
	if (i != RIB_NIL && rib_entry(r, i)->hop)
		return -EEXIST;
	i = i != RIB_NIL ? i : rib_entry_get(r, table, node);
	if (i == RIB_NIL) {
		rib_node_release(r, node);
		return r->entries.pool.used >= r->limits.routes ? -ENOSPC : -ENOMEM;
	}
	struct rib_entry *e = rib_entry(r, i);
	e->hop = value->next_hop;
	e->source = value->source;
	e->flags = value->flags;
	r->n_held++;
	rib_hop_ref(r, e->hop);
	rib_mark(r, i);
	return 0;
}

/* ---- for people ---- */

bool rib_walk(const struct rib *r, struct rib_cursor *c, uint32_t *table, struct ip_prefix *prefix)
{
	for (; c->at < r->nodes.pool.n; c->at++, c->is_within = false) {
		const struct rib_node *n = rib_node(r, c->at);
		uint32_t best = 0;
		if (n->family == UINT8_MAX)
			continue;
		for (uint32_t i = n->learnt; i != RIB_NIL; i = rib_learnt(r, i)->chain) {
			uint32_t next = rib_table_behind(r, &r->slots[rib_learnt(r, i)->slot],
							 c->is_within ? c->table : 0);
			if (next && (!best || next < best))
				best = next;
		}
		if (!best)
			continue;
		c->is_within = true;
		c->table = *table = best;
		*prefix = rib_node_prefix(n);
		return true;
	}
	return false;
}

int rib_peer_counts(const struct rib *r, uint32_t peer, struct rib_peer_counts *out)
{
	uint32_t slot = rib_peer_slot(&r->rules, peer);
	if (slot == RIB_NIL)
		return -ENOENT;
	*out = r->slots[slot].counts;
	return 0;
}

static size_t bytes_of(const struct rib_hash *h)
{
	return (size_t)h->pool.room * h->pool.size + (size_t)h->room * sizeof *h->heads;
}

void rib_counts(const struct rib *r, struct rib_counts *out)
{
	const struct rib_rules *u = &r->rules;
	*out = (struct rib_counts){.peers = u->n_peers,
				   .learnt = r->learnt.used,
				   .prefixes = r->nodes.pool.used,
				   .routes = r->n_held,
				   .choices = r->n_told,
				   .unused = r->n_idle,
				   .wanting = r->places_wanting.n + r->choices_wanting.n,
				   .strangers = r->strangers};
	out->bytes =
		sizeof *r + bytes_of(&r->nodes) + bytes_of(&r->entries) + bytes_of(&r->choices) +
		(size_t)r->learnt.room * r->learnt.size + r->room_slots * sizeof *r->slots +
		u->n_peers * (sizeof *u->peers + sizeof *u->slots) +
		u->n_members * sizeof *u->members + u->n_statics * sizeof *u->statics +
		u->n_own * (sizeof *u->own + 4) + ((size_t)u->found_mask + 1) * sizeof *u->found +
		u->n_allowed * sizeof *u->allowed + u->n_followers * sizeof *u->followers;
}
