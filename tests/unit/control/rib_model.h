/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The RIB against a plain reference: lists without order, from which everything is worked out
 * anew, by sorting, each time somebody asks; and the maps, to which differences are applied one by
 * one. What happens is drawn from bytes (fuzzing) or from a seed (unit test).
 */
#ifndef XGW_TESTS_RIB_MODEL_H
#define XGW_TESTS_RIB_MODEL_H

#include "control/rib.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MODEL_PEERS  5u
#define MODEL_TABLES 3u
#define MODEL_HOPS   9u
#define MODEL_MOST   512u

static const char *const model_prefixes[] = {
	"0.0.0.0/0",	 "10.0.0.0/8",	    "10.1.0.0/16",    "10.1.2.0/24",
	"10.1.2.3/32",	 "10.128.0.0/9",    "192.168.0.0/16", "192.168.7.0/24",
	"100.64.0.0/10", "198.18.0.7/32",   "198.18.0.8/32",  "198.18.0.0/16",
	"127.0.0.0/8",	 "169.254.1.0/24",  "224.0.0.0/4",    "203.0.113.9/32",
	"::/0",		 "fd00::/8",	    "fd00:1::/32",    "fd00:1::7/128",
	"2001:db8::/40", "2a00:1:2:3::/64", "fe80::/10",      "ff02::1/128",
};
#define MODEL_PREFIXES (sizeof model_prefixes / sizeof *model_prefixes)

/* Where what happens comes from. */
struct model_script {
	const uint8_t *at, *end; /* NULL: drawn */
	uint64_t seed, state;
};

static inline uint32_t model_draw(struct model_script *s, uint32_t n)
{
	if (s->at)
		return s->at < s->end ? *s->at++ % n : 0;
	s->state ^= s->state << 13;
	s->state ^= s->state >> 7;
	s->state ^= s->state << 17;
	return (uint32_t)(s->state >> 33) % n;
}

struct model_heard {
	uint32_t peer, metric;
	struct ip_prefix prefix;
	bool is_fresh;
};
struct model_route {
	uint32_t table;
	struct ip_prefix prefix;
	struct xgw_route value;
};
struct model_hop {
	uint32_t id;
	struct xgw_next_hop value;
};

struct model_world {
	struct rib *rib;
	struct model_script *script;
	struct ip_prefix prefixes[MODEL_PREFIXES];
	/* what the RIB was told */
	struct rib_peer peers[MODEL_PEERS];
	struct rib_member members[MODEL_PEERS * MODEL_TABLES];
	struct rib_static statics[MODEL_MOST];
	struct rib_own own[MODEL_MOST];
	struct rib_allowed allowed[MODEL_PEERS * MODEL_PREFIXES];
	struct rib_inputs in;
	struct model_heard heard[MODEL_MOST];
	uint32_t n_heard;
	bool is_over[MODEL_PEERS + 1];
	/* the maps */
	struct model_route routes[MODEL_MOST];
	struct model_hop hops[MODEL_MOST];
	uint32_t n_routes, n_hops;
};

#define MODEL_CHECK(w, x)                                                             \
	do {                                                                          \
		if (!(x)) {                                                           \
			fprintf(stderr, "%s:%d: seed %llu: %s\n", __FILE__, __LINE__, \
				(unsigned long long)(w)->script->seed, #x);           \
			abort();                                                      \
		}                                                                     \
	} while (0)

/* ---- the reference ---- */

/* One that says something: a member with something heard, or a static route. */
struct model_candidate {
	uint32_t peer, hop, metric;
	uint32_t weight;
	uint8_t class, why;
};

static inline bool model_is_bogon(const struct ip_prefix *p)
{
	static const char *const texts[] = {"0.0.0.0/8",      "127.0.0.0/8",  "169.254.0.0/16",
					    "192.0.0.0/24",   "192.0.2.0/24", "198.51.100.0/24",
					    "203.0.113.0/24", "224.0.0.0/3",  "::/96",
					    "::ffff:0:0/96",  "2001:10::/28", "2001:db8::/32",
					    "3fff::/20",      "fe80::/10",    "ff00::/8"};
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		struct ip_prefix b;
		if (!ip_prefix_parse(&b, texts[i]) && ip_prefix_covers(&b, p))
			return true;
	}
	return false;
}

static inline uint8_t model_refusal(const struct model_world *w, const struct rib_member *m,
				    const struct ip_prefix *p)
{
	bool is_public = false, is_outer = false, is_own = false, is_inside = false;
	bool is_bound = false, is_allowed = false;
	for (uint32_t i = 0; i < w->in.n_allowed; i++) {
		const struct rib_allowed *a = &w->allowed[i];
		is_bound |= a->peer == m->peer;
		is_allowed |= a->peer == m->peer && ip_prefix_covers(&a->prefix, p);
	}
	for (uint32_t i = 0; i < w->in.n_own; i++) {
		const struct rib_own *o = &w->own[i];
		bool is_equal = ip_prefix_equal(&o->prefix, p);
		is_public |= o->kind == RIB_OWN_PUBLIC && is_equal;
		is_outer |= o->kind == RIB_OWN_OUTER && is_equal;
		if (o->kind == RIB_OWN_SPACE && o->table == m->table) {
			is_own |= is_equal;
			is_inside |= ip_prefix_covers(&o->prefix, p);
		}
	}
	return model_is_bogon(p)			     ? RIB_REFUSED_BOGON
	       : is_public				     ? RIB_REFUSED_PUBLIC
	       : is_outer				     ? RIB_REFUSED_OUTER
	       : is_own					     ? RIB_REFUSED_OWN
	       : is_inside				     ? RIB_REFUSED_INSIDE
	       : is_bound && !is_allowed		     ? RIB_REFUSED_NOT_ADVERTISED
	       : !p->len && !(m->flags & RIB_MEMBER_DEFAULT) ? RIB_REFUSED_DEFAULT
							     : 0;
}

static inline int model_order(const void *a, const void *b)
{
	const struct model_candidate *x = a, *y = b;
	if ((x->why != 0) != (y->why != 0))
		return x->why ? 1 : -1;
	if (x->class != y->class)
		return x->class - y->class;
	if (x->weight != y->weight)
		return x->weight > y->weight ? -1 : 1;
	if (!x->peer != !y->peer)
		return !x->peer ? 1 : -1;
	if (x->metric != y->metric)
		return x->metric < y->metric ? -1 : 1;
	if (x->hop != y->hop)
		return x->hop < y->hop ? -1 : 1;
	return x->peer < y->peer ? -1 : x->peer > y->peer;
}

static inline bool model_is_equal(const struct model_candidate *x, const struct model_candidate *y)
{
	return x->class == y->class && x->weight == y->weight && !x->peer == !y->peer &&
	       x->metric == y->metric;
}

static inline uint32_t model_candidates(const struct model_world *w, uint32_t table,
					const struct ip_prefix *p, struct model_candidate *out)
{
	uint32_t n = 0;
	for (uint32_t i = 0; i < w->in.n_statics; i++) {
		const struct rib_static *s = &w->statics[i];
		if (s->table == table && ip_prefix_equal(&s->prefix, p))
			out[n++] = (struct model_candidate){0,	       s->hop,	 s->order,
							    s->weight, s->class, 0};
	}
	for (uint32_t i = 0; i < w->n_heard; i++) {
		for (uint32_t k = 0; k < w->in.n_members; k++) {
			const struct rib_member *m = &w->members[k];
			if (m->table == table && m->peer == w->heard[i].peer &&
			    ip_prefix_equal(&w->heard[i].prefix, p))
				out[n++] = (struct model_candidate){
					m->peer,   m->hop,   w->heard[i].metric,
					m->weight, m->class, model_refusal(w, m, p)};
		}
	}
	qsort(out, n, sizeof *out, model_order);
	return n;
}

/* In use, in order: each next hop once, four at most, a tunnel among them; and the other instance
 * when the last two are tunnels. */
static inline uint32_t model_best(const struct model_candidate *c, uint32_t n,
				  struct model_candidate *out)
{
	uint32_t kept = 0;
	for (uint32_t i = 0; i < n && !c[i].why; i++) {
		bool is_new = true, has_tunnel = false;
		for (uint32_t k = 0; k < kept; k++) {
			is_new &= out[k].hop != c[i].hop;
			has_tunnel |= out[k].class == RIB_CLASS_TUNNEL;
		}
		if (is_new && kept < XGW_HOP_MEMBERS)
			out[kept++] = c[i];
		else if (is_new && !has_tunnel && c[i].class == RIB_CLASS_TUNNEL)
			out[kept - 1] = c[i];
		else if (is_new && c[i].class == RIB_CLASS_INSTANCE &&
			 out[kept - 1].class == RIB_CLASS_TUNNEL &&
			 out[kept - 2].class == RIB_CLASS_TUNNEL)
			out[kept - 1] = c[i];
	}
	return kept;
}

static inline const struct rib_static *model_static(const struct model_world *w, uint32_t table,
						    const struct ip_prefix *p)
{
	for (uint32_t i = 0; i < w->in.n_statics; i++) {
		if (w->statics[i].table == table && ip_prefix_equal(&w->statics[i].prefix, p))
			return &w->statics[i];
	}
	return NULL;
}

static inline bool model_counts(const struct model_candidate *c, uint32_t n)
{
	bool is_fixed = false, is_learnt = false;
	for (uint32_t i = 0; i < n; i++) {
		is_fixed |= c[i].class == RIB_CLASS_FIXED;
		is_learnt |= c[i].peer && !c[i].why;
	}
	return is_learnt && !is_fixed;
}

/*
 * A user's route to the gateway goes by the longest prefix of the other table that covers its own:
 * true, and which, when that one is learnt.
 */
static inline bool model_follows(const struct model_world *w, const struct rib_static *s,
				 struct ip_prefix *by)
{
	for (int len = s->prefix.len; len >= s->least; len--) {
		for (uint32_t i = 0; i < MODEL_PREFIXES; i++) {
			const struct ip_prefix *p = &w->prefixes[i];
			struct model_candidate c[MODEL_MOST];
			if (p->len != len || !ip_prefix_covers(p, &s->prefix))
				continue;
			*by = *p;
			if (model_counts(c, model_candidates(w, s->of, p, c)))
				return true;
			if (model_static(w, s->of, p))
				return false;
		}
	}
	return false;
}

/* What is learnt decides about a prefix: true, and what is in use, in order. */
static inline bool model_decides(const struct model_world *w, uint32_t table,
				 const struct ip_prefix *p, struct model_candidate *best,
				 uint32_t *members)
{
	struct model_candidate c[MODEL_MOST];
	struct ip_prefix by = *p;
	const struct rib_static *s = model_static(w, table, p);
	if (s && s->of) {
		if (!model_follows(w, s, &by))
			return false;
		table = s->of;
	}
	uint32_t n = model_candidates(w, table, &by, c);
	*members = model_best(c, n, best);
	return model_counts(c, n);
}

/* ---- the maps ---- */

static inline struct model_route *model_find(struct model_world *w, uint32_t table,
					     const struct ip_prefix *p)
{
	for (uint32_t i = 0; i < w->n_routes; i++) {
		if (w->routes[i].table == table && ip_prefix_equal(&w->routes[i].prefix, p))
			return &w->routes[i];
	}
	return NULL;
}

static inline const struct xgw_next_hop *model_hop(const struct model_world *w, uint32_t id)
{
	for (uint32_t i = 0; i < w->n_hops; i++) {
		if (w->hops[i].id == id)
			return &w->hops[i].value;
	}
	return NULL;
}

static inline void model_put(struct model_world *w, uint32_t table, const struct ip_prefix *p,
			     const struct xgw_route *value)
{
	struct model_route *r = model_find(w, table, p);
	MODEL_CHECK(w, w->n_routes < MODEL_MOST);
	r = r ? r : &w->routes[w->n_routes++];
	*r = (struct model_route){table, *p, *value};
}

static inline void model_remove(struct model_world *w, uint32_t table, const struct ip_prefix *p)
{
	struct model_route *r = model_find(w, table, p);
	if (r)
		*r = w->routes[--w->n_routes];
}

static inline bool model_is_ours(uint32_t hop)
{
	return hop >= RIB_FIRST_CHOICE && hop < RIB_CHOICES_BEHIND;
}

static inline void model_apply_hop(struct model_world *w, const struct rib_change *c)
{
	MODEL_CHECK(w, model_is_ours(c->id));
	if (c->kind == RIB_HOP_PUT) {
		MODEL_CHECK(w, !model_hop(w, c->id) && w->n_hops < MODEL_MOST);
		w->hops[w->n_hops++] = (struct model_hop){c->id, c->hop};
		return;
	}
	MODEL_CHECK(w, model_hop(w, c->id) != NULL);
	for (uint32_t i = 0; i < w->n_routes; i++)
		MODEL_CHECK(w, w->routes[i].value.next_hop != c->id);
	for (uint32_t i = 0; i < w->n_hops; i++) {
		if (w->hops[i].id == c->id)
			w->hops[i] = w->hops[--w->n_hops];
	}
}

static inline void model_apply(struct model_world *w, const struct rib_change *c)
{
	if (c->kind == RIB_ROUTE_REMOVE) {
		MODEL_CHECK(w, model_find(w, c->table, &c->prefix) != NULL);
		model_remove(w, c->table, &c->prefix);
	} else if (c->kind == RIB_ROUTE_PUT) {
		MODEL_CHECK(w, !model_is_ours(c->value.next_hop) ||
				       model_hop(w, c->value.next_hop) != NULL);
		model_put(w, c->table, &c->prefix, &c->value);
	} else {
		model_apply_hop(w, c);
	}
}

/* ---- no hole: addresses that have a way, and shall have one, have one at each step ---- */

struct model_ways {
	bool has[MODEL_TABLES][MODEL_PREFIXES], shall[MODEL_TABLES][MODEL_PREFIXES];
};

static inline void model_look(struct model_world *w, bool has[MODEL_TABLES][MODEL_PREFIXES])
{
	for (uint32_t t = 0; t < MODEL_TABLES; t++) {
		for (uint32_t i = 0; i < MODEL_PREFIXES; i++) {
			bool found = false;
			for (uint32_t k = 0; !found && k < w->n_routes; k++)
				found = w->routes[k].table == t + 1 &&
					ip_prefix_contains(&w->routes[k].prefix,
							   &w->prefixes[i].addr);
			has[t][i] = found;
		}
	}
}

static inline bool model_shall(const struct model_world *w, uint32_t table,
			       const struct ip_prefix *p)
{
	struct model_candidate c[MODEL_MOST];
	return model_static(w, table, p) != NULL ||
	       model_counts(c, model_candidates(w, table, p, c));
}

static inline void model_look_ahead(const struct model_world *w, struct model_ways *ways)
{
	for (uint32_t t = 0; t < MODEL_TABLES; t++) {
		bool is_wanted[MODEL_PREFIXES];
		for (uint32_t k = 0; k < MODEL_PREFIXES; k++)
			is_wanted[k] = model_shall(w, t + 1, &w->prefixes[k]);
		for (uint32_t i = 0; i < MODEL_PREFIXES; i++) {
			ways->shall[t][i] = false;
			for (uint32_t k = 0; k < MODEL_PREFIXES; k++)
				ways->shall[t][i] |=
					is_wanted[k] &&
					ip_prefix_contains(&w->prefixes[k], &w->prefixes[i].addr);
		}
	}
}

static inline void model_step(struct model_world *w, struct model_ways *ways,
			      const struct rib_change *c)
{
	bool has[MODEL_TABLES][MODEL_PREFIXES];
	model_apply(w, c);
	model_look(w, has);
	for (uint32_t t = 0; t < MODEL_TABLES; t++)
		for (uint32_t i = 0; i < MODEL_PREFIXES; i++)
			MODEL_CHECK(w, has[t][i] || !ways->has[t][i] || !ways->shall[t][i]);
	memcpy(ways->has, has, sizeof has);
}

/* One call; false: there was nothing. */
static inline void model_next(struct model_world *w, size_t room)
{
	struct rib_change changes[32];
	struct model_ways ways;
	bool removes = false;
	room = room > 32 ? 32 : room;
	size_t n = rib_next(w->rib, changes, room);
	MODEL_CHECK(w, n <= room);
	if (!n)
		return;
	model_look(w, ways.has);
	model_look_ahead(w, &ways);
	for (size_t i = 0; i < n; i++)
		removes |= changes[i].kind == RIB_HOP_REMOVE;
	for (size_t i = 0; i < n; i++) {
		MODEL_CHECK(w, !removes || changes[i].kind == RIB_HOP_REMOVE);
		model_step(w, &ways, &changes[i]);
	}
}

/* ---- comparing ---- */

static inline void model_compare_route(struct model_world *w, uint32_t table,
				       const struct ip_prefix *p)
{
	struct model_candidate best[XGW_HOP_MEMBERS];
	uint32_t members = 0;
	const struct rib_static *s = model_static(w, table, p);
	const struct model_route *r = model_find(w, table, p);
	bool is_held = model_decides(w, table, p, best, &members);
	bool is_bgp = is_held && best[0].peer && !(s && s->of);
	MODEL_CHECK(w, rib_holds(w->rib, table, p) == is_held);
	MODEL_CHECK(w, (r != NULL) == (is_held || s));
	if (!r)
		return;
	if (!is_held) {
		MODEL_CHECK(w, memcmp(&r->value, &s->value, sizeof r->value) == 0);
		return;
	}
	MODEL_CHECK(w, r->value.source == (is_bgp ? XGW_ROUTE_BGP : s->value.source));
	MODEL_CHECK(w, r->value.flags == (is_bgp ? 0 : s->value.flags));
	MODEL_CHECK(w, r->value.plen == p->len && r->value.family == p->addr.family);
	MODEL_CHECK(w, r->value.table == 0);
	if (members == 1) {
		MODEL_CHECK(w, r->value.next_hop == best[0].hop);
		return;
	}
	const struct xgw_next_hop *hop = model_hop(w, r->value.next_hop);
	MODEL_CHECK(w, hop && hop->kind == XGW_HOP_CHOICE);
	bool spreads = false, instance = false;
	for (uint32_t i = 0; i < members; i++)
		instance |= best[i].class == RIB_CLASS_INSTANCE;
	MODEL_CHECK(w, (hop->groups & 1) == instance);
	spreads |= instance;
	for (uint32_t i = 0; i < XGW_HOP_MEMBERS; i++) {
		MODEL_CHECK(w, hop->member[i] == (i < members ? best[i].hop : 0));
		bool begins = i && i < members && !model_is_equal(&best[i], &best[i - 1]);
		MODEL_CHECK(w, !i || (hop->groups >> i & 1) == begins);
		spreads |= i && i < members && !begins;
	}
	MODEL_CHECK(w, hop->flags == (spreads ? XGW_HOP_SPREAD : 0));
}

static inline void model_compare_explained(struct model_world *w, uint32_t table,
					   const struct ip_prefix *p)
{
	struct model_candidate c[MODEL_MOST], best[XGW_HOP_MEMBERS];
	struct rib_candidate told[MODEL_MOST];
	uint32_t n = model_candidates(w, table, p, c), members = model_best(c, n, best);
	bool is_fixed = n && c[0].class == RIB_CLASS_FIXED && !c[0].why;
	MODEL_CHECK(w, rib_explain(w->rib, table, p, told, MODEL_MOST) == n);
	for (uint32_t i = 0; i < n; i++) {
		uint32_t at = 0, group = 0;
		MODEL_CHECK(w, told[i].peer == c[i].peer && told[i].hop == c[i].hop &&
				       told[i].metric == c[i].metric);
		MODEL_CHECK(w, rib_is_refusal(told[i].reason) == (c[i].why != 0));
		MODEL_CHECK(w, !c[i].why || told[i].reason == c[i].why);
		while (at < members && model_order(&best[at], &c[i]) != 0) {
			at++;
			group += at < members && !model_is_equal(&best[at], &best[at - 1]);
		}
		bool is_in = at < members && !c[i].why && (!is_fixed || !i);
		MODEL_CHECK(w, told[i].group == (is_in ? group : UINT8_MAX));
		MODEL_CHECK(w, (told[i].reason <= RIB_STANDS_BY_PATH) == is_in);
		MODEL_CHECK(w, (told[i].reason == RIB_BEST) == (is_in && !at));
		MODEL_CHECK(w, (told[i].reason == RIB_SHARES) == (is_in && at && !group));
	}
}

static inline void model_compare_peer(struct model_world *w, const struct rib_peer *peer)
{
	struct rib_peer_counts counts;
	uint32_t received = 0, accepted = 0, refused = 0;
	MODEL_CHECK(w, rib_peer_counts(w->rib, peer->no, &counts) == 0);
	for (uint32_t i = 0; i < w->n_heard; i++) {
		bool is_accepted = false;
		if (w->heard[i].peer != peer->no)
			continue;
		for (uint32_t k = 0; k < w->in.n_members; k++)
			is_accepted |= w->members[k].peer == peer->no &&
				       !model_refusal(w, &w->members[k], &w->heard[i].prefix);
		received++;
		accepted += is_accepted;
	}
	for (uint32_t i = 0; i < RIB_REASONS; i++) {
		MODEL_CHECK(w, !counts.refused[i] || rib_is_refusal(i));
		refused += counts.refused[i];
	}
	MODEL_CHECK(w, counts.received == received && counts.accepted == accepted);
	MODEL_CHECK(w, received == accepted + refused);
	MODEL_CHECK(w, counts.is_over == w->is_over[peer->no]);
}

static inline void model_compare_followers(struct model_world *w)
{
	struct rib_followed f;
	uint32_t n = 0, expected = 0;
	for (; rib_followed(w->rib, n, &f); n++) {
		struct ip_prefix by;
		const struct rib_static *s = model_static(w, f.table, &f.prefix);
		MODEL_CHECK(w, s && s->of == f.of);
		MODEL_CHECK(w, f.is_learnt == model_follows(w, s, &by));
		MODEL_CHECK(w, !f.is_learnt || ip_prefix_equal(&f.by, &by));
	}
	for (uint32_t i = 0; i < w->in.n_statics; i++)
		expected += w->statics[i].of != 0;
	MODEL_CHECK(w, n == expected);
}

/* Settled: the maps are as the reference has them, and everybody says the same. */
static inline void model_compare(struct model_world *w)
{
	struct rib_counts counts;
	struct rib_cursor cursor = {0};
	struct ip_prefix prefix;
	uint32_t held = 0, used = 0, table, walked = 0, heard = 0;
	for (uint32_t t = 1; t <= MODEL_TABLES; t++) {
		for (uint32_t i = 0; i < MODEL_PREFIXES; i++) {
			struct model_candidate c[MODEL_MOST], best[XGW_HOP_MEMBERS];
			uint32_t n = model_candidates(w, t, &w->prefixes[i], c), learnt = 0,
				 members;
			model_compare_route(w, t, &w->prefixes[i]);
			model_compare_explained(w, t, &w->prefixes[i]);
			held += model_decides(w, t, &w->prefixes[i], best, &members);
			for (uint32_t k = 0; k < n; k++)
				learnt |= c[k].peer;
			heard += learnt != 0;
		}
	}
	while (rib_walk(w->rib, &cursor, &table, &prefix))
		walked++;
	for (uint32_t i = 0; i < w->n_hops; i++) {
		bool is_used = false;
		for (uint32_t k = 0; k < w->n_routes; k++)
			is_used |= w->routes[k].value.next_hop == w->hops[i].id;
		used += is_used;
	}
	rib_counts(w->rib, &counts);
	MODEL_CHECK(w, walked == heard);
	MODEL_CHECK(w, counts.routes == held && counts.learnt == w->n_heard);
	MODEL_CHECK(w, counts.choices == w->n_hops && used == w->n_hops && !counts.unused);
	for (uint32_t i = 0; i < w->in.n_peers; i++)
		model_compare_peer(w, &w->peers[i]);
	model_compare_followers(w);
}

/* ---- what happens ---- */

static inline void model_forget(struct model_world *w, uint32_t peer, bool all)
{
	for (uint32_t i = w->n_heard; i-- > 0;) {
		if (w->heard[i].peer == peer && (all || !w->heard[i].is_fresh))
			w->heard[i] = w->heard[--w->n_heard];
	}
}

static inline const struct rib_peer *model_peer(const struct model_world *w, uint32_t no)
{
	for (uint32_t i = 0; i < w->in.n_peers; i++) {
		if (w->peers[i].no == no)
			return &w->peers[i];
	}
	return NULL;
}

static inline uint32_t model_fresh(const struct model_world *w, uint32_t peer)
{
	uint32_t n = 0;
	for (uint32_t i = 0; i < w->n_heard; i++)
		n += w->heard[i].peer == peer && w->heard[i].is_fresh;
	return n;
}

static inline uint32_t model_limit(const struct rib_peer *p)
{
	return p->max_prefixes ? p->max_prefixes : RIB_MAX_PREFIXES;
}

static inline void model_learn(struct model_world *w, uint32_t no, const struct ip_prefix *p,
			       uint32_t metric)
{
	const struct rib_peer *peer = model_peer(w, no);
	int err = rib_learn(w->rib, no, p, metric), expected = 0;
	uint32_t i = 0;
	while (i < w->n_heard &&
	       (w->heard[i].peer != no || !ip_prefix_equal(&w->heard[i].prefix, p)))
		i++;
	if (!peer) {
		expected = -ENOENT;
	} else if (w->is_over[no]) {
		expected = -ESHUTDOWN;
	} else if ((i == w->n_heard || !w->heard[i].is_fresh) &&
		   model_fresh(w, no) >= model_limit(peer)) {
		expected = -EDQUOT;
		w->is_over[no] = true;
		model_forget(w, no, true);
	} else {
		w->n_heard += i == w->n_heard;
		w->heard[i] = (struct model_heard){no, metric, *p, true};
	}
	MODEL_CHECK(w, err == expected);
}

static inline void model_withdraw(struct model_world *w, uint32_t no, const struct ip_prefix *p)
{
	rib_withdraw(w->rib, no, p);
	for (uint32_t i = w->n_heard; i-- > 0;) {
		if (w->heard[i].peer == no && ip_prefix_equal(&w->heard[i].prefix, p))
			w->heard[i] = w->heard[--w->n_heard];
	}
}

static inline void model_refresh(struct model_world *w, uint32_t no)
{
	uint32_t again = model_draw(w->script, 8);
	rib_refresh_begin(w->rib, no);
	for (uint32_t i = 0; i < w->n_heard; i++)
		w->heard[i].is_fresh &= w->heard[i].peer != no;
	while (again--) {
		uint32_t which = model_draw(w->script, MODEL_PREFIXES);
		model_learn(w, no, &w->prefixes[which], model_draw(w->script, 3));
	}
	/* now and then another one begins before this one ends */
	if (!model_draw(w->script, 4))
		return;
	rib_refresh_end(w->rib, no);
	if (model_peer(w, no))
		model_forget(w, no, false);
}

/* ---- another plan ---- */

static inline int model_by_static(const void *a, const void *b)
{
	const struct rib_static *x = a, *y = b;
	if (x->table != y->table)
		return x->table < y->table ? -1 : 1;
	int c = memcmp(&x->prefix, &y->prefix, sizeof x->prefix);
	return c ? c : x->hop < y->hop ? -1 : x->hop > y->hop;
}

static inline int model_by_own(const void *a, const void *b)
{
	const struct rib_own *x = a, *y = b;
	if (x->table != y->table)
		return x->table < y->table ? -1 : 1;
	int c = memcmp(&x->prefix, &y->prefix, sizeof x->prefix);
	return c ? c : x->kind - y->kind;
}

/* A next hop is of one kind. */
static inline uint8_t model_class(uint32_t hop)
{
	return hop < 105 ? RIB_CLASS_CIRCUIT : hop < 108 ? RIB_CLASS_TUNNEL : RIB_CLASS_INSTANCE;
}

static inline void model_draw_statics(struct model_world *w)
{
	struct model_script *s = w->script;
	uint32_t n = 0;
	for (uint32_t t = 1; t <= MODEL_TABLES; t++) {
		for (uint32_t i = 0; i < MODEL_PREFIXES; i++) {
			uint32_t kind = model_draw(s, 12);
			struct rib_static row = {.table = t, .prefix = w->prefixes[i]};
			row.value = (struct xgw_route){.next_hop = 500 + model_draw(s, 4),
						       .source = XGW_ROUTE_STATIC,
						       .plen = row.prefix.len,
						       .family = row.prefix.addr.family};
			row.value.flags = model_draw(s, 2) ? XGW_ROUTE_TRANSIT : 0;
			if (kind == 0) {
				row.value.source = XGW_ROUTE_PEERING;
				row.value.flags = XGW_ROUTE_FORWARDED;
				w->statics[n++] = row;
			}
			if (kind < 3 && kind) {
				row.value.source = XGW_ROUTE_USER;
				row.value.flags = 0;
				row.of = t % MODEL_TABLES + 1;
				row.least = row.prefix.len && model_draw(s, 2);
				w->statics[n++] = row;
			}
			for (uint32_t h = 0; kind > 7 && h < MODEL_HOPS; h++) {
				row.hop = 101 + h;
				row.class = model_class(row.hop);
				row.weight = 10 * model_draw(s, 3);
				row.order = model_draw(s, 2);
				if (!model_draw(s, 3))
					w->statics[n++] = row;
			}
		}
	}
	qsort(w->statics, n, sizeof *w->statics, model_by_static);
	w->in.n_statics = n;
}

static inline void model_draw_own(struct model_world *w)
{
	struct model_script *s = w->script;
	uint32_t n = 0;
	for (uint32_t i = 0; i < MODEL_PREFIXES; i++) {
		const struct ip_prefix *p = &w->prefixes[i];
		bool is_host = p->len == ip_addr_bits(&p->addr);
		for (uint32_t t = 1; t <= MODEL_TABLES; t++) {
			if (p->len && !model_draw(s, 10))
				w->own[n++] = (struct rib_own){t, *p, RIB_OWN_SPACE};
		}
		if (is_host && !model_draw(s, 4))
			w->own[n++] = (struct rib_own){0, *p, RIB_OWN_PUBLIC};
		if (is_host && !model_draw(s, 4))
			w->own[n++] = (struct rib_own){0, *p, RIB_OWN_OUTER};
	}
	qsort(w->own, n, sizeof *w->own, model_by_own);
	w->in.n_own = n;
}

static inline int model_by_allowed(const void *a, const void *b)
{
	const struct rib_allowed *x = a, *y = b;
	if (x->peer != y->peer)
		return x->peer < y->peer ? -1 : 1;
	return memcmp(&x->prefix, &y->prefix, sizeof x->prefix);
}

/* Of one peer none is inside another. */
static inline void model_draw_allowed(struct model_world *w)
{
	struct model_script *s = w->script;
	uint32_t n = 0;
	for (uint32_t i = 0; i < w->in.n_peers; i++) {
		uint32_t first = n;
		for (uint32_t k = 0; model_draw(s, 3) == 0 && k < MODEL_PREFIXES; k++) {
			const struct ip_prefix *p = &w->prefixes[model_draw(s, MODEL_PREFIXES)];
			bool overlaps = false;
			for (uint32_t j = first; j < n; j++)
				overlaps |= ip_prefix_overlaps(&w->allowed[j].prefix, p);
			if (!overlaps)
				w->allowed[n++] = (struct rib_allowed){w->peers[i].no, *p};
		}
	}
	qsort(w->allowed, n, sizeof *w->allowed, model_by_allowed);
	w->in.n_allowed = n;
}

static inline void model_draw_peers(struct model_world *w)
{
	struct model_script *s = w->script;
	w->in.n_peers = w->in.n_members = 0;
	for (uint32_t no = 1; no <= MODEL_PEERS; no++) {
		if (!model_draw(s, 8))
			continue;
		w->peers[w->in.n_peers++] =
			(struct rib_peer){no, model_draw(s, 3) ? 0 : 2 + model_draw(s, 8)};
		for (uint32_t t = 1; t <= MODEL_TABLES; t++) {
			if (!model_draw(s, 4))
				continue;
			uint32_t hop =
				100 + (model_draw(s, 6) ? no : 1 + model_draw(s, MODEL_HOPS));
			uint32_t weight = 10 * model_draw(s, 2);
			w->members[w->in.n_members++] = (struct rib_member){
				.peer = no,
				.table = t,
				.hop = hop,
				.weight = weight,
				.class = model_class(hop),
				.flags = model_draw(s, 2) ? RIB_MEMBER_DEFAULT : 0};
		}
	}
}

/* What the RIB does with those of before that are no more, or have another limit. */
static inline void model_follow_peers(struct model_world *w, const struct rib_peer *had,
				      uint32_t n_had)
{
	for (uint32_t no = 1; no <= MODEL_PEERS; no++) {
		const struct rib_peer *before = NULL, *now = model_peer(w, no);
		for (uint32_t i = 0; i < n_had; i++)
			before = had[i].no == no ? &had[i] : before;
		if (!now || !before) {
			w->is_over[no] = false;
			model_forget(w, no, true);
			continue;
		}
		if (model_limit(now) != model_limit(before))
			w->is_over[no] = false;
		if (model_fresh(w, no) > model_limit(now)) {
			w->is_over[no] = true;
			model_forget(w, no, true);
		}
	}
}

static inline void model_settle(struct model_world *w)
{
	for (uint32_t i = 0; !rib_is_settled(w->rib); i++) {
		MODEL_CHECK(w, i < 10000);
		model_next(w, 1 + model_draw(w->script, 16));
	}
	/* the removals of the plan's difference */
	for (uint32_t i = w->n_routes; i-- > 0;) {
		const struct model_route r = w->routes[i];
		if (!model_static(w, r.table, &r.prefix) && !rib_holds(w->rib, r.table, &r.prefix))
			model_remove(w, r.table, &r.prefix);
	}
}

/* what: bits of what is drawn anew. */
static inline void model_follow(struct model_world *w, uint32_t what)
{
	struct fault f = {0};
	struct rib_peer had[MODEL_PEERS];
	uint32_t n_had = w->in.n_peers;
	memcpy(had, w->peers, sizeof had);
	if (what & 1) {
		model_draw_peers(w);
		model_draw_allowed(w);
	}
	if (what & 2)
		model_draw_statics(w);
	if (what & 4)
		model_draw_own(w);
	/* the puts of the plan's difference */
	for (uint32_t i = 0; i < w->in.n_statics; i++) {
		const struct rib_static *s = &w->statics[i];
		if (!rib_holds(w->rib, s->table, &s->prefix))
			model_put(w, s->table, &s->prefix, &s->value);
	}
	MODEL_CHECK(w, rib_follow(w->rib, &w->in, &f) == 0);
	model_follow_peers(w, had, n_had);
}

/* Another process takes the maps over: it reads them, and everything that peers say. */
static inline void model_take_over(struct model_world *w, const struct rib_limits *limits)
{
	struct fault f = {0};
	model_settle(w);
	rib_free(w->rib);
	MODEL_CHECK(w, rib_create(&w->rib, limits) == 0);
	MODEL_CHECK(w, rib_follow(w->rib, &w->in, &f) == 0);
	for (uint32_t i = 0; i < w->n_hops; i++)
		MODEL_CHECK(w, rib_adopt_choice(w->rib, w->hops[i].id, &w->hops[i].value) == 0);
	for (uint32_t i = 0; i < w->n_routes; i++) {
		const struct model_route *r = &w->routes[i];
		if (r->value.source == XGW_ROUTE_BGP || model_is_ours(r->value.next_hop))
			MODEL_CHECK(w,
				    rib_adopt_route(w->rib, r->table, &r->prefix, &r->value) == 0);
	}
	/* the puts of the plan, that is applied to what is there */
	for (uint32_t i = 0; i < w->in.n_statics; i++) {
		const struct rib_static *s = &w->statics[i];
		if (!rib_holds(w->rib, s->table, &s->prefix))
			model_put(w, s->table, &s->prefix, &s->value);
	}
	struct model_heard heard[MODEL_MOST];
	uint32_t n = w->n_heard;
	memcpy(heard, w->heard, sizeof heard);
	memset(w->is_over, 0, sizeof w->is_over);
	w->n_heard = 0;
	for (uint32_t i = 0; i < n; i++)
		model_learn(w, heard[i].peer, &heard[i].prefix, heard[i].metric);
}

static inline void model_event(struct model_world *w, const struct rib_limits *limits)
{
	struct model_script *s = w->script;
	uint32_t what = model_draw(s, 32);
	uint32_t no = 1 + model_draw(s, MODEL_PEERS);
	const struct ip_prefix *p = &w->prefixes[model_draw(s, MODEL_PREFIXES)];
	if (what < 14)
		model_learn(w, no, p, model_draw(s, 3));
	else if (what < 20)
		model_withdraw(w, no, p);
	else if (what < 22)
		model_refresh(w, no);
	else if (what < 28)
		model_next(w, 1 + model_draw(s, 8));
	else if (what < 29)
		model_follow(w, model_draw(s, 8));
	else if (what < 30) {
		rib_forget(w->rib, no);
		model_forget(w, no, true);
		w->is_over[no] = false;
	} else {
		model_settle(w);
		model_compare(w);
	}
	if (what == 31 && !model_draw(s, 3))
		model_take_over(w, limits);
}

/* events: at most; a script of bytes ends before when they do. */
static inline void model_run(struct model_script *script, uint32_t events)
{
	const struct rib_limits limits = {.peers = MODEL_PEERS,
					  .learnt = MODEL_MOST,
					  .routes = MODEL_MOST,
					  .choices = 256,
					  .seed = {script->seed, 7}};
	struct model_world *w = calloc(1, sizeof *w);
	if (!w)
		abort();
	w->script = script;
	w->in = (struct rib_inputs){.peers = w->peers,
				    .members = w->members,
				    .statics = w->statics,
				    .own = w->own,
				    .allowed = w->allowed};
	for (uint32_t i = 0; i < MODEL_PREFIXES; i++)
		MODEL_CHECK(w, ip_prefix_parse(&w->prefixes[i], model_prefixes[i]) == 0);
	MODEL_CHECK(w, rib_create(&w->rib, &limits) == 0);
	model_follow(w, 7);
	while (events-- && (!script->at || script->at < script->end))
		model_event(w, &limits);
	model_settle(w);
	model_compare(w);
	rib_free(w->rib);
	free(w);
}

#endif
