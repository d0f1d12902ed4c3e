/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which candidates count (RFC 4271 section 9.1.2, with the order that rib.h tells), the choices
 * that they become, and why the others do not.
 */
#include "control/rib_internal.h"

#include <errno.h>
#include <string.h>

#define CLASS_SHIFT 57 /* in a key: class, weight (24 bits), static, metric */

/* ---- picking ---- */

uint64_t rib_key(uint8_t class, uint32_t weight, bool is_static, uint32_t metric)
{
	uint64_t first = class;
	return first << CLASS_SHIFT | (uint64_t)(RIB_MAX_WEIGHT - weight) << 33 |
	       (uint64_t)is_static << 32 | metric;
}

static bool is_before(const struct rib_pick *a, const struct rib_pick *b)
{
	return a->key != b->key ? a->key < b->key : a->hop < b->hop;
}

static bool is_of(const struct rib_pick *p, enum rib_class class)
{
	return p->key >> CLASS_SHIFT == class;
}

static void note_best(struct rib_pick *best, const struct rib_pick *p)
{
	if (!best->hop || is_before(p, best))
		*best = *p;
}

/* The best ones so far, each next hop once. */
static void offer(struct rib_picks *out, struct rib_pick p)
{
	uint32_t at = 0;
	if (is_of(&p, RIB_CLASS_TUNNEL))
		note_best(&out->tunnel, &p);
	else if (is_of(&p, RIB_CLASS_INSTANCE))
		note_best(&out->instance, &p);
	for (uint32_t i = 0; i < out->n; i++) {
		if (out->at[i].hop != p.hop)
			continue;
		if (out->at[i].key <= p.key)
			return;
		memmove(&out->at[i], &out->at[i + 1], (out->n - i - 1) * sizeof p);
		out->n--;
		break;
	}
	while (at < out->n && is_before(&out->at[at], &p))
		at++;
	if (at == XGW_HOP_MEMBERS)
		return;
	out->n += out->n < XGW_HOP_MEMBERS;
	memmove(&out->at[at + 1], &out->at[at], (out->n - at - 1) * sizeof p);
	out->at[at] = p;
}

/* Circuits may not keep the tunnel out that stands by for all of them. */
static void keep_tunnel(struct rib_picks *out)
{
	if (out->n < XGW_HOP_MEMBERS || !out->tunnel.hop)
		return;
	for (uint32_t i = 0; i < out->n; i++) {
		if (is_of(&out->at[i], RIB_CLASS_TUNNEL) || out->at[i].hop == out->tunnel.hop)
			return;
	}
	out->at[out->n - 1] = out->tunnel;
}

/* Nor tunnels the other instance, but for the one that stands by for circuits. */
static void keep_instance(struct rib_picks *out)
{
	uint32_t last = XGW_HOP_MEMBERS - 1;
	if (out->n == XGW_HOP_MEMBERS && out->instance.hop &&
	    is_of(&out->at[last], RIB_CLASS_TUNNEL) && is_of(&out->at[last - 1], RIB_CLASS_TUNNEL))
		out->at[last] = out->instance;
}

static void keep_standbys(struct rib_picks *out)
{
	keep_tunnel(out);
	keep_instance(out);
}

/* s: the n static rows of the prefix, none of them fixed. */
static void pick(const struct rib *r, uint32_t table, const struct ip_prefix *prefix, uint32_t node,
		 const struct rib_static *s, uint32_t n, struct rib_picks *out)
{
	if (node == RIB_NIL || rib_import(r, table, prefix, rib_node(r, node)->is_bogon))
		return;
	for (uint32_t i = rib_node(r, node)->learnt; i != RIB_NIL; i = rib_learnt(r, i)->chain) {
		const struct rib_learnt *l = rib_learnt(r, i);
		const struct rib_member *m = rib_member_of(r, &r->slots[l->slot], table);
		if (!m || rib_import_from(r, &r->slots[l->slot], m, prefix))
			continue;
		offer(out, (struct rib_pick){rib_key(m->class, m->weight, false, l->metric), m->hop,
					     false});
	}
	for (uint32_t i = 0; out->n && i < n; i++)
		offer(out, (struct rib_pick){rib_key(s[i].class, s[i].weight, true, s[i].order),
					     s[i].hop, true});
	keep_standbys(out);
}

void rib_pick_followed(const struct rib *r, const struct rib_static *s, struct rib_picks *out,
		       struct ip_prefix *by)
{
	*out = (struct rib_picks){0};
	for (int len = s->prefix.len; len >= s->least; len--) {
		struct ip_prefix shorter = s->prefix;
		uint32_t n;
		shorter.len = (uint8_t)len;
		*by = ip_prefix_canonical(shorter);
		const struct rib_static *own = rib_statics(r, s->of, by, &n);
		if (n && own->class == RIB_CLASS_FIXED)
			return;
		pick(r, s->of, by, rib_node_find(r, by), own, n, out);
		if (out->n || n)
			return;
	}
}

void rib_pick(const struct rib *r, uint32_t table, const struct ip_prefix *prefix, uint32_t node,
	      struct rib_picks *out)
{
	uint32_t n;
	struct ip_prefix by;
	const struct rib_static *s = rib_statics(r, table, prefix, &n);
	*out = (struct rib_picks){0};
	if (n && s->of)
		rib_pick_followed(r, s, out, &by);
	else if (!n || s->class != RIB_CLASS_FIXED)
		pick(r, table, prefix, node, s, n, out);
}

bool rib_followed(const struct rib *r, uint32_t i, struct rib_followed *out)
{
	struct rib_picks picks;
	if (i >= r->rules.n_followers)
		return false;
	const struct rib_static *s = &r->rules.statics[r->rules.followers[i]];
	*out = (struct rib_followed){.table = s->table, .of = s->of, .prefix = s->prefix};
	rib_pick_followed(r, s, &picks, &out->by);
	out->is_learnt = picks.n != 0;
	return true;
}

struct rib_choice rib_choice_of(const struct rib_picks *p)
{
	struct rib_choice c = {0};
	for (uint32_t i = 0; i < p->n; i++) {
		c.member[i] = p->at[i].hop;
		if (i && p->at[i].key != p->at[i - 1].key)
			c.groups |= 1u << i;
		c.groups |= is_of(&p->at[i], RIB_CLASS_INSTANCE);
	}
	return c;
}

/* ---- choices ---- */

static uint32_t members(const struct rib_choice *c)
{
	uint32_t n = 0;
	while (n < XGW_HOP_MEMBERS && c->member[n])
		n++;
	return n;
}

struct xgw_next_hop rib_choice_value(const struct rib_choice *c)
{
	struct xgw_next_hop hop = {.kind = XGW_HOP_CHOICE, .groups = c->groups};
	/* where no group has two, and no other instance, no packet needs to be asked for its flow
	 */
	if (c->groups != (1u << members(c)) - 2)
		hop.flags = XGW_HOP_SPREAD;
	memcpy(hop.member, c->member, sizeof hop.member);
	return hop;
}

static bool same_choice(const struct rib_choice *a, const struct rib_choice *b)
{
	return a->groups == b->groups && memcmp(a->member, b->member, sizeof a->member) == 0;
}

static uint32_t find_choice(const struct rib *r, const struct rib_choice *choice)
{
	const struct rib_chosen wanted = {.choice = *choice};
	uint32_t i = rib_hash_first(&r->choices, r->choices.of(r, &wanted));
	while (i != RIB_NIL && !same_choice(&rib_chosen(r, i)->choice, choice))
		i = rib_chosen(r, i)->chain;
	return i;
}

/* Indices that were passed over while choices were adopted are free. */
static void fill_holes(struct rib *r)
{
	struct rib_pool *p = &r->choices.pool;
	for (uint32_t i = 0; r->has_holes && i < p->n; i++) {
		if (rib_chosen(r, i)->is_told != 0xff)
			continue;
		p->used++;
		rib_pool_give(p, i);
	}
	r->has_holes = false;
}

uint32_t rib_chosen_get(struct rib *r, const struct rib_choice *choice)
{
	uint32_t i = find_choice(r, choice);
	if (i != RIB_NIL)
		return i;
	fill_holes(r);
	i = rib_pool_take(&r->choices.pool);
	if (i == RIB_NIL)
		return i;
	rib_chosen(r, i)->choice = *choice;
	rib_hash_add(r, &r->choices, i);
	return i;
}

static struct rib_chosen *by_hop(const struct rib *r, uint32_t hop)
{
	if (hop < RIB_FIRST_CHOICE || hop >= RIB_CHOICES_BEHIND)
		return NULL;
	return rib_chosen(r, hop - RIB_FIRST_CHOICE);
}

void rib_chosen_idle(struct rib *r, uint32_t i)
{
	rib_chosen(r, i)->before = r->idle.last;
	rib_chosen(r, i)->after = RIB_NIL;
	if (r->idle.last != RIB_NIL)
		rib_chosen(r, r->idle.last)->after = i;
	else
		r->idle.first = i;
	r->idle.last = i;
	r->n_idle++;
}

static void leave_idle(struct rib *r, const struct rib_chosen *c)
{
	if (c->before != RIB_NIL)
		rib_chosen(r, c->before)->after = c->after;
	else
		r->idle.first = c->after;
	if (c->after != RIB_NIL)
		rib_chosen(r, c->after)->before = c->before;
	else
		r->idle.last = c->before;
	r->n_idle--;
}

void rib_chosen_free(struct rib *r, uint32_t i)
{
	leave_idle(r, rib_chosen(r, i));
	r->n_told--;
	rib_hash_remove(r, &r->choices, i);
	r->choices_wanting.freed++;
}

void rib_hop_ref(struct rib *r, uint32_t hop)
{
	struct rib_chosen *c = by_hop(r, hop);
	if (c && !c->refs++)
		leave_idle(r, c);
}

void rib_hop_unref(struct rib *r, uint32_t hop)
{
	struct rib_chosen *c = by_hop(r, hop);
	if (c && !--c->refs)
		rib_chosen_idle(r, hop - RIB_FIRST_CHOICE);
}

bool rib_choice_is_told(const struct rib *r, uint32_t id)
{
	uint32_t i = id - RIB_FIRST_CHOICE;
	return i < r->choices.pool.n && rib_chosen(r, i)->is_told == 1;
}

/* What rib_choice_value makes. */
static bool is_fit(const struct rib_choice *c, const struct xgw_next_hop *value)
{
	const struct xgw_next_hop made = rib_choice_value(c);
	uint32_t n = members(c);
	for (uint32_t i = n; i < XGW_HOP_MEMBERS; i++) {
		if (c->member[i])
			return false;
	}
	return n > 1 && !(c->groups >> n) && memcmp(&made, value, sizeof made) == 0;
}

int rib_adopt_choice(struct rib *r, uint32_t id, const struct xgw_next_hop *value)
{
	struct rib_pool *p = &r->choices.pool;
	struct rib_choice choice = {.groups = value->groups};
	memcpy(choice.member, value->member, sizeof choice.member);
	uint32_t at = id - RIB_FIRST_CHOICE;
	if (r->has_begun || id < RIB_FIRST_CHOICE || id >= RIB_CHOICES_BEHIND ||
	    !is_fit(&choice, value))
		return -EINVAL;
	if (at >= p->cap)
		return -ENOSPC;
	if ((at < p->n && rib_chosen(r, at)->is_told != 0xff) || find_choice(r, &choice) != RIB_NIL)
		return -EEXIST;
	while (p->n <= at) {
		uint32_t hole = rib_pool_take(p);
		if (hole == RIB_NIL)
			return -ENOMEM;
		p->used--;
		memset(rib_chosen(r, hole), 0xff, sizeof(struct rib_chosen));
		r->has_holes = true;
	}
	p->used++;
	*rib_chosen(r, at) = (struct rib_chosen){.choice = choice, .is_told = 1};
	rib_hash_add(r, &r->choices, at);
	rib_chosen_idle(r, at);
	r->n_told++;
	return 0;
}

/* ---- explaining ---- */

static uint64_t key_of(const struct rib_candidate *c)
{
	return rib_key(c->class, c->weight, !c->peer, c->metric);
}

/* The order in which they are shown: refused ones last. */
static bool is_shown_before(const struct rib_candidate *a, const struct rib_candidate *b)
{
	bool refused_a = rib_is_refusal(a->reason), refused_b = rib_is_refusal(b->reason);
	if (refused_a != refused_b)
		return refused_b;
	if (key_of(a) != key_of(b))
		return key_of(a) < key_of(b);
	return a->hop != b->hop ? a->hop < b->hop : a->peer < b->peer;
}

static void show(const struct rib_candidate *c, struct rib_candidate *out, size_t n, size_t room)
{
	size_t at = n < room ? n : room;
	while (at && is_shown_before(c, &out[at - 1])) {
		if (at < room)
			out[at] = out[at - 1];
		at--;
	}
	if (at < room)
		out[at] = *c;
}

static size_t show_all(const struct rib *r, uint32_t table, const struct ip_prefix *prefix,
		       struct rib_candidate *out, size_t room)
{
	uint32_t n_statics, node = rib_node_find(r, prefix);
	const struct rib_static *s = rib_statics(r, table, prefix, &n_statics);
	size_t n = 0;
	for (uint32_t i = 0; i < n_statics; i++) {
		const struct rib_candidate c = {.hop = s[i].hop,
						.metric = s[i].order,
						.weight = s[i].weight,
						.class = s[i].class};
		show(&c, out, n++, room);
	}
	uint32_t i = node != RIB_NIL ? rib_node(r, node)->learnt : RIB_NIL;
	for (; i != RIB_NIL; i = rib_learnt(r, i)->chain) {
		const struct rib_learnt *l = rib_learnt(r, i);
		const struct rib_slot *slot = &r->slots[l->slot];
		const struct rib_member *m = rib_member_of(r, slot, table);
		if (!m)
			continue;
		const struct rib_candidate c = {
			.peer = slot->counts.no,
			.hop = m->hop,
			.metric = l->metric,
			.weight = m->weight,
			.class = m->class,
			.reason = rib_import_by(r, slot, m, prefix, rib_node(r, node)->is_bogon)};
		show(&c, out, n++, room);
	}
	return n;
}

static enum rib_reason compare(const struct rib_candidate *best, const struct rib_candidate *c)
{
	if (c->class != best->class)
		return RIB_STANDS_BY_CLASS;
	if (c->weight != best->weight)
		return RIB_STANDS_BY_WEIGHT;
	return !c->peer && best->peer ? RIB_STANDS_BY_STATIC : RIB_STANDS_BY_PATH;
}

/* Candidates of one next hop stand in order: the first one is the pick. */
static bool is_second(const struct rib_candidate *out, size_t i)
{
	for (size_t k = 0; k < i; k++) {
		if (out[k].hop == out[i].hop)
			return true;
	}
	return false;
}

static void judge(const struct rib_picks *p, struct rib_candidate *out, size_t i)
{
	struct rib_candidate *c = &out[i];
	uint32_t at = 0, group = 0;
	while (at < p->n && (p->at[at].hop != c->hop || p->at[at].key != key_of(c)))
		at++;
	c->group = UINT8_MAX;
	if (is_second(out, i)) {
		c->reason = RIB_LOSES_SAME_HOP;
		return;
	}
	if (at == p->n) {
		c->reason = RIB_LOSES_ROOM;
		return;
	}
	for (uint32_t k = 1; k <= at; k++)
		group += p->at[k].key != p->at[k - 1].key;
	c->group = (uint8_t)group;
	c->reason = !at ? RIB_BEST : !group ? RIB_SHARES : compare(&out[0], c);
}

/* Static routes alone are as the plan has them, whose choice has the same order. */
static void pick_shown(const struct rib_candidate *out, size_t n, struct rib_picks *p)
{
	for (size_t i = 0; i < n && !rib_is_refusal(out[i].reason); i++)
		offer(p, (struct rib_pick){key_of(&out[i]), out[i].hop, !out[i].peer});
	keep_standbys(p);
}

size_t rib_explain(const struct rib *r, uint32_t table, const struct ip_prefix *prefix,
		   struct rib_candidate *out, size_t room)
{
	struct rib_picks picks;
	size_t n = show_all(r, table, prefix, out, room), shown = n < room ? n : room;
	bool is_fixed = shown && out[0].class == RIB_CLASS_FIXED && !rib_is_refusal(out[0].reason);
	rib_pick(r, table, prefix, rib_node_find(r, prefix), &picks);
	if (!picks.n && !is_fixed)
		pick_shown(out, shown, &picks);
	for (size_t i = 0; i < shown; i++) {
		bool is_refused = rib_is_refusal(out[i].reason);
		if (is_fixed || is_refused)
			out[i].group = is_fixed && !i ? 0 : UINT8_MAX;
		if (is_fixed && !is_refused)
			out[i].reason = i ? RIB_LOSES_FIXED : RIB_BEST;
		if (!is_fixed && !is_refused)
			judge(&picks, out, i);
	}
	return n;
}

/* ---- words ---- */

struct words {
	const char *key, *text;
};
static const struct words words[RIB_REASONS] = {
#define REASON(id, key, text) {key, text},
#include "control/rib_reasons.def"
#undef REASON
};

const char *rib_reason_key(enum rib_reason reason)
{
	return reason < RIB_REASONS ? words[reason].key : "unknown";
}

const char *rib_reason_text(enum rib_reason reason)
{
	return reason < RIB_REASONS ? words[reason].text : "unknown";
}
