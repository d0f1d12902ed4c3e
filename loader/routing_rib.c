/* SPDX-License-Identifier: Apache-2.0 */
/* The plan in the RIB's words, and the RIB's differences into the maps. */
#include "loader/routing_internal.h"

#include "base/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PIECE  1024u /* changes that are asked for at once */
#define PIECES 8u    /* of them in one turn of the loop */

/* ---- inputs ---- */

struct inputs {
	struct rib_peer *peers;
	struct rib_member *members;
	struct rib_static *statics;
	struct rib_own *own;
	struct rib_allowed *allowed;
	uint32_t *tables; /* that have members, sorted */
	uint32_t n_peers, n_members, n_statics, n_own, n_allowed, n_tables;
};

static void free_inputs(struct inputs *x)
{
	free(x->peers);
	free(x->members);
	free(x->statics);
	free(x->own);
	free(x->allowed);
	free(x->tables);
}

static int by_number(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	return x < y ? -1 : x > y;
}

static bool has_members(const struct inputs *x, uint32_t table)
{
	return bsearch(&table, x->tables, x->n_tables, sizeof table, by_number);
}

static int by_peer(const void *a, const void *b)
{
	const struct rib_peer *x = a, *y = b;
	return x->no < y->no ? -1 : x->no > y->no;
}

static void take_peers(struct inputs *x, const struct plan *p)
{
	for (uint32_t i = 0; i < p->n_peers; i++)
		x->peers[x->n_peers++] =
			(struct rib_peer){p->peers[i].no, p->peers[i].max_prefixes};
	if (x->n_peers)
		qsort(x->peers, x->n_peers, sizeof *x->peers, by_peer);
}

static uint16_t weight_of(uint32_t weight)
{
	return weight < RIB_MAX_WEIGHT ? (uint16_t)weight : (uint16_t)RIB_MAX_WEIGHT;
}

static uint8_t class_of(uint8_t class)
{
	static const uint8_t of[] = {[PLAN_CLASS_CIRCUIT] = RIB_CLASS_CIRCUIT,
				     [PLAN_CLASS_TUNNEL] = RIB_CLASS_TUNNEL,
				     [PLAN_CLASS_INSTANCE] = RIB_CLASS_INSTANCE};
	return of[class];
}

static void take_members(struct inputs *x, const struct plan *p)
{
	uint32_t kept = 0;
	for (uint32_t i = 0; i < p->n_members; i++) {
		const struct plan_member *m = &p->members[i];
		/* by BGP's default route a site takes all that has no other way (forced
		 * tunnelling) */
		x->members[x->n_members++] = (struct rib_member){m->peer,
								 m->table,
								 m->hop,
								 weight_of(m->weight),
								 class_of(m->class),
								 RIB_MEMBER_DEFAULT};
		x->tables[x->n_tables++] = m->table;
	}
	if (x->n_tables)
		qsort(x->tables, x->n_tables, sizeof *x->tables, by_number);
	for (uint32_t i = 0; i < x->n_tables; i++) {
		if (!kept || x->tables[kept - 1] != x->tables[i])
			x->tables[kept++] = x->tables[i];
	}
	x->n_tables = kept;
}

static int by_row(const void *a, const void *b)
{
	const struct rib_static *x = a, *y = b;
	if (x->table != y->table)
		return x->table < y->table ? -1 : 1;
	int c = memcmp(&x->prefix, &y->prefix, sizeof x->prefix);
	return c ? c : x->hop < y->hop ? -1 : x->hop > y->hop;
}

static int compare_place(const struct plan_static *s, const struct plan_entry_route *r)
{
	if (s->table != r->vnet)
		return s->table < r->vnet ? -1 : 1;
	return memcmp(&s->prefix, &r->prefix, sizeof s->prefix);
}

static const struct plan_follow *find_follow(const struct plan *p, const struct plan_entry_route *r)
{
	uint32_t low = 0, high = p->n_follows;
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		const struct plan_follow *f = &p->follows[middle];
		int c = f->table != r->vnet ? (f->table < r->vnet ? -1 : 1)
					    : memcmp(&f->prefix, &r->prefix, sizeof f->prefix);
		if (!c)
			return f;
		if (c < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

static void take_fixed(struct inputs *x, const struct plan *p, const struct plan_entry_route *r)
{
	struct rib_static *s = &x->statics[x->n_statics++];
	*s = (struct rib_static){.table = r->vnet,
				 .prefix = r->prefix,
				 .hop = r->value.next_hop,
				 .class = RIB_CLASS_FIXED,
				 .value = r->value};
	const struct plan_follow *f = find_follow(p, r);
	if (!f || !has_members(x, f->of))
		return;
	s->of = f->of;
	s->least = f->least;
}

/* Tables that nothing can be learnt for are not the RIB's, but for what it still holds of before:
 * it gives that back to the plan. */
static bool concerns(const struct routing *r, const struct inputs *x, const struct plan *p,
		     const struct plan_entry_route *e)
{
	return has_members(x, e->vnet) || find_follow(p, e) ||
	       rib_holds(r->rib, e->vnet, &e->prefix);
}

/* Candidates stand beside a route of the plan where it is the choice of them. */
static void take_statics(const struct routing *of, struct inputs *x, const struct plan *p)
{
	uint32_t at = 0;
	for (uint32_t i = 0; i < p->n_routes; i++) {
		const struct plan_entry_route *r = &p->routes[i];
		bool is_choice = false;
		if (!concerns(of, x, p, r))
			continue;
		while (at < p->n_statics && compare_place(&p->statics[at], r) < 0)
			at++;
		for (; at < p->n_statics && !compare_place(&p->statics[at], r); at++) {
			const struct plan_static *s = &p->statics[at];
			if (r->value.source != XGW_ROUTE_STATIC)
				continue;
			is_choice = true;
			x->statics[x->n_statics++] =
				(struct rib_static){.table = s->table,
						    .prefix = s->prefix,
						    .hop = s->hop,
						    .weight = weight_of(s->weight),
						    .class = class_of(s->class),
						    .value = r->value};
		}
		if (!is_choice)
			take_fixed(x, p, r);
	}
	if (x->n_statics)
		qsort(x->statics, x->n_statics, sizeof *x->statics, by_row);
}

static void add_own(struct inputs *x, uint32_t table, const struct ip_prefix *prefix, uint8_t kind)
{
	x->own[x->n_own++] = (struct rib_own){table, *prefix, kind};
}

static void add_host(struct inputs *x, const struct ip_addr *a, uint8_t kind)
{
	if (!a->family)
		return;
	struct ip_prefix p = {*a, a->family == IP_V4 ? 32 : 128};
	p = ip_prefix_canonical(p);
	add_own(x, 0, &p, kind);
}

static bool is_local(uint32_t hop)
{
	return hop >= PLAN_HOP_LOCAL && hop < PLAN_HOP_LOCAL + 0x1000000u;
}

static int by_own(const void *a, const void *b)
{
	const struct rib_own *x = a, *y = b;
	if (x->table != y->table)
		return x->table < y->table ? -1 : 1;
	int c = memcmp(&x->prefix, &y->prefix, sizeof x->prefix);
	return c ? c : (int)x->kind - (int)y->kind;
}

static void take_own(struct inputs *x, const struct model *m, const struct plan *p)
{
	uint32_t kept = 0;
	for (uint32_t i = 0; i < p->n_routes; i++) {
		const struct plan_entry_route *r = &p->routes[i];
		if (has_members(x, r->vnet) &&
		    (r->value.source == XGW_ROUTE_PEERING || is_local(r->value.next_hop)))
			add_own(x, r->vnet, &r->prefix, RIB_OWN_SPACE);
	}
	for (uint32_t i = 0; i < m->n_gateways; i++)
		add_host(x, &m->gateways[i].public_address, RIB_OWN_PUBLIC);
	for (uint32_t i = 0; i < m->n_sites; i++)
		add_host(x, &m->sites[i].address, RIB_OWN_OUTER);
	if (x->n_own)
		qsort(x->own, x->n_own, sizeof *x->own, by_own);
	for (uint32_t i = 0; i < x->n_own; i++) {
		if (!kept || by_own(&x->own[kept - 1], &x->own[i]))
			x->own[kept++] = x->own[i];
	}
	x->n_own = kept;
}

/* ---- advertisedPrefixes: the customer may announce these alone ---- */

static const struct model_circuit_peering *peering_of(const struct routing *r,
						      const struct plan_peer *p)
{
	if (p->kind != PLAN_PEER_LINK)
		return NULL;
	const struct plan_link *l = &r->h.plan->links[p->of];
	return &r->h.model->circuits[l->circuit].peerings[l->peering];
}

static int by_allowed(const void *a, const void *b)
{
	const struct rib_allowed *x = a, *y = b;
	if (x->peer != y->peer)
		return x->peer < y->peer ? -1 : 1;
	return memcmp(&x->prefix, &y->prefix, sizeof x->prefix);
}

static bool take_allowed(struct inputs *x, const struct routing *r)
{
	const struct plan *p = r->h.plan;
	uint32_t n = 0, kept = 0;
	for (uint32_t i = 0; i < p->n_peers; i++) {
		const struct model_circuit_peering *m = peering_of(r, &p->peers[i]);
		n += m ? m->n_advertised : 0;
	}
	x->allowed = calloc((size_t)n + 1, sizeof *x->allowed);
	if (!x->allowed)
		return false;
	n = 0;
	for (uint32_t i = 0; i < p->n_peers; i++) {
		const struct model_circuit_peering *m = peering_of(r, &p->peers[i]);
		for (uint32_t k = 0; m && k < m->n_advertised; k++)
			x->allowed[n++] = (struct rib_allowed){
				p->peers[i].no, ip_prefix_canonical(m->advertised[k])};
	}
	if (n)
		qsort(x->allowed, n, sizeof *x->allowed, by_allowed);
	for (uint32_t i = 0; i < n; i++) {
		const struct rib_allowed *last = kept ? &x->allowed[kept - 1] : NULL;
		if (!last || last->peer != x->allowed[i].peer ||
		    !ip_prefix_covers(&last->prefix, &x->allowed[i].prefix))
			x->allowed[kept++] = x->allowed[i];
	}
	x->n_allowed = kept;
	return true;
}

int routing_rib_follow(struct routing *r, struct fault *f)
{
	const struct plan *p = r->h.plan;
	const struct model *m = r->h.model;
	struct rib_counts had;
	rib_counts(r->rib, &had);
	/* most configurations: a million routes are not looked at for nothing */
	if (!p->n_peers && !had.routes)
		return rib_follow(r->rib, &(struct rib_inputs){0}, f);
	struct inputs x = {
		.peers = calloc(p->n_peers + 1, sizeof *x.peers),
		.members = calloc(p->n_members + 1, sizeof *x.members),
		.tables = calloc(p->n_members + 1, sizeof *x.tables),
		.statics = calloc((size_t)p->n_routes + p->n_statics + 1, sizeof *x.statics),
		.own = calloc((size_t)p->n_routes + m->n_gateways + m->n_sites + 1, sizeof *x.own)};
	int err = -ENOMEM;
	if (x.peers && x.members && x.tables && x.statics && x.own && take_allowed(&x, r)) {
		take_peers(&x, p);
		take_members(&x, p);
		take_statics(r, &x, p);
		take_own(&x, m, p);
		const struct rib_inputs in = {x.peers,	 x.members,  x.statics,	  x.own,
					      x.allowed, x.n_peers,  x.n_members, x.n_statics,
					      x.n_own,	 x.n_allowed};
		err = rib_follow(r->rib, &in, f);
	} else {
		fault_set(f, err, "not enough memory for the routes that peers will announce");
	}
	free_inputs(&x);
	return err;
}

/* ---- differences ---- */

const char *routing_hop_name(const struct routing *r, uint32_t hop, char out[XGW_NAME])
{
	/* links, and other instances */
	bool is_hop = hop >= PLAN_FIRST_APPLIANCE;
	return maps_name(r->h.maps, is_hop ? XGW_NAME_HOP : XGW_NAME_CONNECTION, hop, out);
}

static void append(struct xgw_name *to, const char *text)
{
	size_t at = strnlen(to->text, sizeof to->text - 1);
	size_t n = strnlen(text, sizeof to->text - 1 - at);
	memcpy(to->text + at, text, n);
}

/* What the members are called, as the plan does it for its own. */
static void name_choice(const struct routing *r, const struct rib_change *c)
{
	struct xgw_name_key key = {XGW_NAME_HOP, c->id};
	struct xgw_name name = {0};
	char member[XGW_NAME];
	for (unsigned i = 0; i < XGW_HOP_MEMBERS && c->hop.member[i]; i++) {
		if (i)
			append(&name, "|");
		append(&name, routing_hop_name(r, c->hop.member[i], member));
	}
	maps_put(r->h.maps, MAPS_names, &key, &name);
}

static int put_choice(struct routing *r, const struct rib_change *c)
{
	for (size_t i = 0; i < r->n_idle_hops; i++) {
		if (r->idle_hops[i] == c->id)
			r->idle_hops[i] = 0;
	}
	name_choice(r, c);
	return maps_put(r->h.maps, MAPS_next_hops, &c->id, &c->hop);
}

static void delete_choice(const struct routing *r, uint32_t id)
{
	struct xgw_name_key key = {XGW_NAME_HOP, id};
	maps_delete(r->h.maps, MAPS_next_hops, &id);
	maps_delete(r->h.maps, MAPS_names, &key);
}

/* A packet under way may have read a route to it. */
static void retire_choice(struct routing *r, uint32_t id)
{
	if (r->n_idle_hops == r->room_idle_hops) {
		size_t room = r->room_idle_hops ? r->room_idle_hops * 2 : 64;
		uint32_t *at = realloc(r->idle_hops, room * sizeof *at);
		if (!at) {
			delete_choice(r, id);
			return;
		}
		r->idle_hops = at;
		r->room_idle_hops = room;
	}
	r->idle_hops[r->n_idle_hops++] = id;
}

void routing_forget_hops_now(struct routing *r)
{
	for (size_t i = 0; i < r->n_idle_hops; i++) {
		if (r->idle_hops[i])
			delete_choice(r, r->idle_hops[i]);
	}
	r->n_idle_hops = 0;
}

void routing_forget_hops(struct routing *r)
{
	if (!r->held)
		routing_forget_hops_now(r);
}

static void give_up(struct routing *r, const struct rib_change *c, int err)
{
	char text[PREFIX_TEXT];
	if (!r->unplaced++)
		log_error(LOG_MAP,
			  "route-lost prefix=%s: cannot write it: %s; `xgw dump` shows the maps' "
			  "sizes (further ones are only counted)",
			  ip_prefix_format(&c->prefix, text), strerror(-err));
	maps_route_delete(r->h.maps, c->table, &c->prefix);
	rib_lost(r->rib, c->table, &c->prefix);
}

static void put_one(struct routing *r, const struct rib_change *c)
{
	int err = maps_route_put(r->h.maps, c->table, &c->prefix, &c->value);
	if (err)
		give_up(r, c, err);
}

struct routes {
	union {
		struct xgw_route4_key four[PIECE];
		struct xgw_route6_key six[PIECE];
	} key;
	struct xgw_route value[PIECE];
};

/* How many routes of one family stand together from the first on, all put or all removed. */
static size_t gather(struct routes *b, const struct rib_change *c, size_t n)
{
	bool is_v4 = c[0].prefix.addr.family == IP_V4;
	size_t i = 0;
	if (c[0].kind != RIB_ROUTE_PUT && c[0].kind != RIB_ROUTE_REMOVE)
		return 0;
	for (; i < n && c[i].kind == c[0].kind; i++) {
		if ((c[i].prefix.addr.family == IP_V4) != is_v4)
			break;
		if (is_v4)
			b->key.four[i] = maps_route4_key(c[i].table, &c[i].prefix);
		else
			b->key.six[i] = maps_route6_key(c[i].table, &c[i].prefix);
		b->value[i] = c[i].value;
	}
	return i;
}

/* As many as can be by one call; 0: it is not worth it. */
static size_t carry_many(struct routing *r, struct routes *b, const struct rib_change *c, size_t n)
{
	size_t i = gather(b, c, n);
	if (i < 2)
		return 0;
	enum maps_id map = c[0].prefix.addr.family == IP_V4 ? MAPS_routes4 : MAPS_routes6;
	if (c[0].kind == RIB_ROUTE_REMOVE) {
		maps_delete_batch(r->h.maps, map, &b->key, (uint32_t)i);
	} else if (maps_put_batch(r->h.maps, map, &b->key, b->value, (uint32_t)i)) {
		for (size_t k = 0; k < i; k++)
			put_one(r, &c[k]);
	}
	return i;
}

static void carry_one(struct routing *r, const struct rib_change *c)
{
	int err = 0;
	switch (c->kind) {
	case RIB_HOP_PUT: err = put_choice(r, c); break;
	case RIB_HOP_REMOVE: retire_choice(r, c->id); break;
	case RIB_ROUTE_PUT: put_one(r, c); break;
	case RIB_ROUTE_REMOVE: maps_route_delete(r->h.maps, c->table, &c->prefix); break;
	}
	if (!err)
		return;
	rib_lost_choice(r->rib, c->id);
	if (!r->unplaced++)
		log_error(LOG_MAP, "choice-lost id=%u: cannot write it: %s", c->id, strerror(-err));
}

static size_t carry_piece(struct routing *r, struct routes *b, struct rib_change *c)
{
	size_t n = rib_next(r->rib, c, PIECE), at = 0;
	while (at < n) {
		size_t many = carry_many(r, b, c + at, n - at);
		if (!many)
			carry_one(r, &c[at]);
		at += many ? many : 1;
	}
	return n;
}

void routing_drain(evutil_socket_t fd, short what, void *owner)
{
	struct routing *r = owner;
	struct rib_change *c = r->held ? NULL : malloc(PIECE * sizeof *c);
	struct routes *b = r->held ? NULL : malloc(sizeof *b);
	size_t changed = 0;
	(void)fd;
	(void)what;
	for (unsigned i = 0; c && b && i < PIECES && !rib_is_settled(r->rib); i++)
		changed += carry_piece(r, b, c);
	free(c);
	free(b);
	if (changed)
		maps_bump(r->h.maps);
	routing_carry(r);
}

void routing_carry(struct routing *r)
{
	const struct timeval now = {0};
	if (!r->held && !rib_is_settled(r->rib) && !event_pending(r->drain, EV_TIMEOUT, NULL))
		event_add(r->drain, &now);
}
