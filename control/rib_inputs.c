/* SPDX-License-Identifier: Apache-2.0 */
/* What the plan says: judged, copied, and made fit for being asked a million times. */
#include "control/rib_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- judging ---- */

bool rib_is_prefix(const struct ip_prefix *p)
{
	static const uint8_t nothing[12];
	if (p->addr.family == IP_V4 && memcmp(p->addr.b + 4, nothing, sizeof nothing) != 0)
		return false;
	return (p->addr.family == IP_V4 || p->addr.family == IP_V6) &&
	       p->len <= ip_addr_bits(&p->addr) && ip_prefix_is_canonical(p);
}

static bool is_choice(uint32_t hop)
{
	return hop >= RIB_FIRST_CHOICE && hop < RIB_CHOICES_BEHIND;
}

static int wrong(struct fault *f, const char *array, uint32_t i, const char *what)
{
	return fault_set(f, -EINVAL, "%s[%u] of the routing information base: %s", array, i, what);
}

static int judge_peers(const struct rib_inputs *in, struct fault *f)
{
	for (uint32_t i = 0; i < in->n_peers; i++) {
		if (!in->peers[i].no)
			return wrong(f, "peers", i, "0 is no number of a peer");
		if (i && in->peers[i - 1].no >= in->peers[i].no)
			return wrong(f, "peers", i, "out of order, or twice");
	}
	return 0;
}

static int judge_members(const struct rib_inputs *in, struct fault *f)
{
	for (uint32_t i = 0, peer = 0; i < in->n_members; i++) {
		const struct rib_member *m = &in->members[i], *before = i ? m - 1 : NULL;
		if (before && (before->peer > m->peer ||
			       (before->peer == m->peer && before->table >= m->table)))
			return wrong(f, "members", i, "out of order, or twice");
		while (peer < in->n_peers && in->peers[peer].no < m->peer)
			peer++;
		if (peer == in->n_peers || in->peers[peer].no != m->peer)
			return wrong(f, "members", i, "there is no such peer");
		if (!m->table || !m->hop || is_choice(m->hop))
			return wrong(f, "members", i, "its table or its next hop is none");
		if (m->class == RIB_CLASS_FIXED || m->class > RIB_CLASS_INSTANCE)
			return wrong(f, "members", i, "its class is none of a peer");
		if (m->weight > RIB_MAX_WEIGHT)
			return wrong(f, "members", i, "its weight is too large");
	}
	return 0;
}

/* Its value is that of the row before, when both say the same prefix. */
static int judge_static(const struct rib_static *s, const struct rib_static *before,
			const char **what)
{
	bool is_fixed = s->class == RIB_CLASS_FIXED;
	int order =
		before ? rib_place_cmp(before->table, &before->prefix, s->table, &s->prefix) : -1;
	*what = "out of order, or twice";
	if (order > 0 || (!order && before->hop >= s->hop))
		return -EINVAL;
	*what = "there is a row beside a fixed one";
	if (!order && (is_fixed || before->class == RIB_CLASS_FIXED))
		return -EINVAL;
	*what = "rows of one prefix have several values";
	if (!order && memcmp(&before->value, &s->value, sizeof s->value) != 0)
		return -EINVAL;
	*what = "its table or its next hop is none";
	if (!s->table || (!is_fixed && (!s->hop || is_choice(s->hop))))
		return -EINVAL;
	*what = "its class is none, or its weight too large";
	if (s->class > RIB_CLASS_INSTANCE || s->weight > RIB_MAX_WEIGHT)
		return -EINVAL;
	*what = "it follows its own table, or is no fixed one, or its shortest prefix is too long";
	if ((s->of && (!is_fixed || s->of == s->table)) || s->least > s->prefix.len)
		return -EINVAL;
	*what = "its value is none of a candidate";
	return is_choice(s->value.next_hop) || !s->value.next_hop || (!is_fixed && s->value.table)
		       ? -EINVAL
		       : 0;
}

static int judge_statics(const struct rib_inputs *in, struct fault *f)
{
	const char *what;
	for (uint32_t i = 0; i < in->n_statics; i++) {
		if (!rib_is_prefix(&in->statics[i].prefix))
			return wrong(f, "statics", i, "it is no prefix");
		if (judge_static(&in->statics[i], i ? &in->statics[i - 1] : NULL, &what))
			return wrong(f, "statics", i, what);
	}
	return 0;
}

static int judge_own(const struct rib_inputs *in, struct fault *f)
{
	for (uint32_t i = 0; i < in->n_own; i++) {
		const struct rib_own *o = &in->own[i], *before = i ? o - 1 : NULL;
		int order =
			before ? rib_place_cmp(before->table, &before->prefix, o->table, &o->prefix)
			       : -1;
		bool is_space = o->kind == RIB_OWN_SPACE;
		if (!rib_is_prefix(&o->prefix))
			return wrong(f, "own", i, "it is no prefix");
		if (order > 0 || (!order && before->kind >= o->kind))
			return wrong(f, "own", i, "out of order, or twice");
		if (o->kind > RIB_OWN_OUTER || is_space != (o->table != 0) ||
		    (!is_space && o->prefix.len < ip_addr_bits(&o->prefix.addr)))
			return wrong(f, "own", i, "its kind, table and length do not go together");
	}
	return 0;
}

static int judge_allowed(const struct rib_inputs *in, struct fault *f)
{
	for (uint32_t i = 0, peer = 0; i < in->n_allowed; i++) {
		const struct rib_allowed *a = &in->allowed[i], *before = i ? a - 1 : NULL;
		if (!rib_is_prefix(&a->prefix))
			return wrong(f, "allowed", i, "it is no prefix");
		if (before &&
		    rib_place_cmp(before->peer, &before->prefix, a->peer, &a->prefix) >= 0)
			return wrong(f, "allowed", i, "out of order, or twice");
		if (before && before->peer == a->peer &&
		    ip_prefix_covers(&before->prefix, &a->prefix))
			return wrong(f, "allowed", i, "it is inside the one before");
		while (peer < in->n_peers && in->peers[peer].no < a->peer)
			peer++;
		if (peer == in->n_peers || in->peers[peer].no != a->peer)
			return wrong(f, "allowed", i, "there is no such peer");
	}
	return 0;
}

/* ---- copying ---- */

/* n may be 0; NULL: no memory. */
static void *copy(const void *from, size_t n, size_t size)
{
	void *to = calloc(n + 1, size);
	if (to && n)
		memcpy(to, from, n * size);
	return to;
}

static bool starts_prefix(const struct rib_static *at, uint32_t i)
{
	return !i ||
	       rib_place_cmp(at[i - 1].table, &at[i - 1].prefix, at[i].table, &at[i].prefix) != 0;
}

static uint32_t hash_static(const struct rib *r, uint32_t table, const struct ip_prefix *p)
{
	return rib_mix_prefix(r, table, p->addr.b, p->addr.family, p->len);
}

/* Open addressing, at most half full. */
static bool index_statics(const struct rib *r, struct rib_rules *rules)
{
	uint32_t size = 16;
	while (size / 2 < rules->n_statics)
		size *= 2;
	rules->found = malloc((size_t)size * sizeof *rules->found);
	if (!rules->found)
		return false;
	memset(rules->found, 0xff, (size_t)size * sizeof *rules->found);
	rules->found_mask = size - 1;
	for (uint32_t i = 0; i < rules->n_statics; i++) {
		const struct rib_static *s = &rules->statics[i];
		if (!starts_prefix(rules->statics, i))
			continue;
		uint32_t at = hash_static(r, s->table, &s->prefix);
		while (rules->found[at & rules->found_mask] != RIB_NIL)
			at++;
		rules->found[at & rules->found_mask] = i;
	}
	return true;
}

static int compare_followers(const void *a, const void *b, void *statics)
{
	const struct rib_static *at = statics;
	uint32_t i = *(const uint32_t *)a, k = *(const uint32_t *)b;
	int c = rib_place_cmp(at[i].of, &at[i].prefix, at[k].of, &at[k].prefix);
	return c ? c : i < k ? -1 : i > k;
}

static bool find_followers(struct rib_rules *rules)
{
	rules->followers = calloc((size_t)rules->n_statics + 1, sizeof *rules->followers);
	if (!rules->followers)
		return false;
	for (uint32_t i = 0; i < rules->n_statics; i++) {
		if (rules->statics[i].of)
			rules->followers[rules->n_followers++] = i;
	}
	qsort_r(rules->followers, rules->n_followers, sizeof *rules->followers, compare_followers,
		rules->statics);
	return true;
}

/* Sorted, what covers stands before what it covers. */
static bool find_parents(struct rib_rules *rules)
{
	rules->parents = calloc((size_t)rules->n_own + 1, sizeof *rules->parents);
	if (!rules->parents)
		return false;
	for (uint32_t i = 0; i < rules->n_own; i++) {
		const struct rib_own *o = &rules->own[i];
		uint32_t at = i ? i - 1 : RIB_NIL;
		if (!o->table)
			rules->n_everywhere = i + 1;
		while (at != RIB_NIL && (rules->own[at].table != o->table ||
					 !ip_prefix_covers(&rules->own[at].prefix, &o->prefix)))
			at = rules->own[at].table == o->table ? rules->parents[at] : RIB_NIL;
		rules->parents[i] = at;
	}
	return true;
}

int rib_rules_make(const struct rib *r, struct rib_rules *out, const struct rib_inputs *in,
		   struct fault *f)
{
	int err = judge_peers(in, f);
	err = err ? err : judge_members(in, f);
	err = err ? err : judge_statics(in, f);
	err = err ? err : judge_own(in, f);
	err = err ? err : judge_allowed(in, f);
	if (err)
		return err;
	*out = (struct rib_rules){.peers = copy(in->peers, in->n_peers, sizeof *in->peers),
				  .members = copy(in->members, in->n_members, sizeof *in->members),
				  .statics = copy(in->statics, in->n_statics, sizeof *in->statics),
				  .own = copy(in->own, in->n_own, sizeof *in->own),
				  .allowed = copy(in->allowed, in->n_allowed, sizeof *in->allowed),
				  .slots = calloc((size_t)in->n_peers + 1, sizeof(uint32_t)),
				  .n_peers = in->n_peers,
				  .n_members = in->n_members,
				  .n_statics = in->n_statics,
				  .n_own = in->n_own,
				  .n_allowed = in->n_allowed};
	if (out->peers && out->members && out->statics && out->own && out->allowed && out->slots &&
	    index_statics(r, out) && find_parents(out) && find_followers(out))
		return 0;
	rib_rules_free(out);
	return fault_set(f, -ENOMEM, "not enough memory for the routing information base");
}

void rib_rules_free(struct rib_rules *rules)
{
	free(rules->peers);
	free(rules->members);
	free(rules->statics);
	free(rules->own);
	free(rules->allowed);
	free(rules->followers);
	free(rules->slots);
	free(rules->found);
	free(rules->parents);
	*rules = (struct rib_rules){0};
}

/* ---- asking ---- */

static bool same_static(const struct rib_static *a, const struct rib_static *b)
{
	return rib_place_cmp(a->table, &a->prefix, b->table, &b->prefix) == 0 && a->hop == b->hop &&
	       a->weight == b->weight && a->class == b->class && a->of == b->of &&
	       a->least == b->least && memcmp(&a->value, &b->value, sizeof a->value) == 0;
}

static bool same_own(const struct rib_own *a, const struct rib_own *b)
{
	return rib_place_cmp(a->table, &a->prefix, b->table, &b->prefix) == 0 && a->kind == b->kind;
}

static bool same_member(const struct rib_member *a, const struct rib_member *b)
{
	return a->peer == b->peer && a->table == b->table && a->hop == b->hop &&
	       a->weight == b->weight && a->class == b->class && a->flags == b->flags;
}

bool rib_rules_same(const struct rib_rules *rules, const struct rib_inputs *in)
{
	if (!rules->peers || rules->n_peers != in->n_peers || rules->n_members != in->n_members ||
	    rules->n_statics != in->n_statics || rules->n_own != in->n_own ||
	    rules->n_allowed != in->n_allowed)
		return false;
	for (uint32_t i = 0; i < in->n_allowed; i++)
		if (rib_place_cmp(rules->allowed[i].peer, &rules->allowed[i].prefix,
				  in->allowed[i].peer, &in->allowed[i].prefix) != 0)
			return false;
	for (uint32_t i = 0; i < in->n_peers; i++)
		if (rules->peers[i].no != in->peers[i].no ||
		    rules->peers[i].max_prefixes != in->peers[i].max_prefixes)
			return false;
	for (uint32_t i = 0; i < in->n_members; i++)
		if (!same_member(&rules->members[i], &in->members[i]))
			return false;
	for (uint32_t i = 0; i < in->n_statics; i++)
		if (!same_static(&rules->statics[i], &in->statics[i]))
			return false;
	for (uint32_t i = 0; i < in->n_own; i++)
		if (!same_own(&rules->own[i], &in->own[i]))
			return false;
	return true;
}

const struct rib_static *rib_statics(const struct rib *r, uint32_t table,
				     const struct ip_prefix *prefix, uint32_t *n)
{
	const struct rib_rules *rules = &r->rules;
	*n = 0;
	if (!rules->n_statics)
		return NULL;
	uint32_t i, at = hash_static(r, table, prefix);
	for (; (i = rules->found[at & rules->found_mask]) != RIB_NIL; at++) {
		const struct rib_static *s = &rules->statics[i];
		if (rib_place_cmp(s->table, &s->prefix, table, prefix) != 0)
			continue;
		for (*n = 1; i + *n < rules->n_statics; ++*n) {
			if (starts_prefix(rules->statics, i + *n))
				break;
		}
		return s;
	}
	return NULL;
}

uint32_t rib_first_follower(const struct rib_rules *rules, uint32_t table,
			    const struct ip_prefix *prefix)
{
	uint32_t low = 0, high = rules->n_followers;
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		const struct rib_static *s = &rules->statics[rules->followers[middle]];
		if (rib_place_cmp(s->of, &s->prefix, table, prefix) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

const struct rib_static *rib_follower(const struct rib_rules *rules, uint32_t i, uint32_t table,
				      const struct ip_prefix *prefix)
{
	if (i >= rules->n_followers)
		return NULL;
	const struct rib_static *s = &rules->statics[rules->followers[i]];
	return s->of == table && ip_prefix_covers(prefix, &s->prefix) ? s : NULL;
}

uint32_t rib_peer_slot(const struct rib_rules *rules, uint32_t peer)
{
	uint32_t low = 0, high = rules->n_peers;
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		if (rules->peers[middle].no < peer)
			low = middle + 1;
		else
			high = middle;
	}
	return low < rules->n_peers && rules->peers[low].no == peer ? rules->slots[low] : RIB_NIL;
}
