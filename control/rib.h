/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The routing information base: routes learnt from BGP peers and static routes of the plan go in;
 * what routes4, routes6 and next_hops should hold for the prefixes concerned comes out, as ordered
 * differences. Loc-RIB and decision process of RFC 4271 sections 3.2 and 9.1, but that the choice
 * is made for each table (virtual network or circuit's domain) and may keep several next hops.
 * No I/O, no clock, no globals; memory is bounded by struct rib_limits.
 *
 * Of equal prefixes in one table the order is (a longer prefix is the data path's matter):
 *   1. RIB_CLASS_FIXED: the gateway, a virtual network's own prefixes, its peerings
 *   2. RIB_CLASS_CIRCUIT before RIB_CLASS_TUNNEL before RIB_CLASS_INSTANCE
 *   3. the larger weight
 *   4. learnt before static
 *   5. the shorter AS path, of static routes the smaller order
 * What is equal in all of these is one group, whose members share flows. A group that comes later
 * stands by: it is in the same choice, so that a link that dies moves all its prefixes by one flip
 * of its next hop. A choice has XGW_HOP_MEMBERS members at most; when circuits alone would fill it
 * and there is a tunnel too, the last place is the best tunnel's; when tunnels would, that of the
 * other instance of the gateway. A choice with that one is made for each packet (XGW_HOP_SPREAD,
 * and bit 0 of groups, which means nothing else), so that it is there for a worker that is not.
 *
 * A prefix for which something learnt counts is *held*: the RIB says what the map holds, static
 * routes included, and the plan's difference for such a prefix (rib_holds) is not to be applied.
 * When it stops being held, the plan's own value is put, or the route removed. So at a reload:
 *   1. apply the puts of plan_diff, without routes that are held
 *   2. rib_follow() with the new plan's, then rib_next() until rib_is_settled()
 *   3. apply the removals of plan_diff, without routes that are held (one may be gone already)
 */
#ifndef XGW_CONTROL_RIB_H
#define XGW_CONTROL_RIB_H

#include "base/addr.h"
#include "base/fault.h"
#include "maps/layout.h"

/* Ids of choices that the RIB makes; the plan's stand elsewhere. */
#define RIB_FIRST_CHOICE   0x3020000u
#define RIB_CHOICES_BEHIND 0x3030000u
#define RIB_MAX_CHOICES	   (RIB_CHOICES_BEHIND - RIB_FIRST_CHOICE)
#define RIB_MAX_PEERS	   65535u
#define RIB_MAX_PREFIXES   4000u /* of a peer that has no limit of its own: Azure's */
#define RIB_MAX_WEIGHT	   0xffffffu

struct rib_limits {
	uint32_t peers;	  /* 1 … RIB_MAX_PEERS */
	uint32_t learnt;  /* routes of all peers together, refused ones too */
	uint32_t routes;  /* (table, prefix) that are or will be held: what the maps have room for
			     besides the plan's */
	uint32_t choices; /* 1 … RIB_MAX_CHOICES */
	/* random: a peer that could guess it could choose prefixes that all fall into one chain */
	uint64_t seed[2];
};

/* ---- what the plan says ---- */

enum rib_class { RIB_CLASS_FIXED, RIB_CLASS_CIRCUIT, RIB_CLASS_TUNNEL, RIB_CLASS_INSTANCE };

struct rib_peer {
	uint32_t no;	       /* not 0: that is what static routes have */
	uint32_t max_prefixes; /* 0: RIB_MAX_PREFIXES. One more, and all of its routes go */
};

/* Routes of `peer` go into `table` with the next hop `hop` (of its link or connection). */
struct rib_member {
	uint32_t peer, table;
	uint32_t hop;	 /* not 0, no choice; all that is said of one hop has one class */
	uint32_t weight; /* routingWeight and the like, to RIB_MAX_WEIGHT */
	uint8_t class;	 /* enum rib_class, not FIXED */
	uint8_t flags;	 /* RIB_MEMBER_* */
};
#define RIB_MEMBER_DEFAULT 1u /* takes the default route too (forced tunnelling) */

/*
 * A static route of the plan, one row for each of its next hops. All rows of one (table, prefix)
 * have the same value, which is what the plan wants in the map when nothing learnt counts. FIXED: a
 * single row, against which nothing learnt counts; its hop is not looked at. Those of other classes
 * are candidates, with value.table 0.
 *
 * A user's route to the gateway is FIXED, too, but goes where the gateway's own table `of` leads:
 * by the longest prefix there that covers its own, of `least` bits or more. When that is learnt,
 * the route has its next hops, else `value`, which the plan has found among its own.
 */
struct rib_static {
	uint32_t table;
	struct ip_prefix prefix;
	uint32_t hop; /* not 0, no choice */
	uint32_t weight;
	uint32_t order; /* stands for the AS path: of equal ones the smaller; equal: flows are
			   shared */
	uint8_t class;	/* enum rib_class */
	uint8_t least;	/* with `of` */
	uint32_t of;	/* 0: it follows no other table; not its own */
	struct xgw_route value;
};

/* What a peer may announce at all; one without such rows: everything. */
struct rib_allowed {
	uint32_t peer;
	struct ip_prefix prefix; /* of a peer none is inside another */
};

enum rib_own_kind {
	RIB_OWN_SPACE,	/* of the virtual networks that have local or peering routes in `table` */
	RIB_OWN_PUBLIC, /* a gateway's public address, full length; table 0 */
	RIB_OWN_OUTER	/* where a tunnel or a link ends on the other side, full length; table 0 */
};
struct rib_own {
	uint32_t table;
	struct ip_prefix prefix;
	uint8_t kind; /* enum rib_own_kind */
};

/*
 * Prefixes are canonical. Order, without repetitions: peers by no; members by (peer, table);
 * statics by (table, prefix, hop); own by (table, prefix, kind); allowed by (peer, prefix);
 * prefixes by family, address, length, as memcmp has it and as in struct plan. Members and what is
 * allowed refer to peers that are there.
 */
struct rib_inputs {
	const struct rib_peer *peers;
	const struct rib_member *members;
	const struct rib_static *statics;
	const struct rib_own *own;
	const struct rib_allowed *allowed;
	uint32_t n_peers, n_members, n_statics, n_own, n_allowed;
};

/* ---- reasons ---- */

/* How a candidate stands: rows of rib_reasons.def. Up to RIB_STANDS_BY_PATH it is in use. */
enum rib_reason {
#define REASON(id, key, text) RIB_##id,
#include "control/rib_reasons.def"
#undef REASON
	RIB_REASONS
};
/* A word for JSON and metrics ("refused-bogon"), and a sentence for people. Static. */
const char *rib_reason_key(enum rib_reason r);
const char *rib_reason_text(enum rib_reason r);
static inline bool rib_is_refusal(enum rib_reason r)
{
	return r >= RIB_REFUSED_MALFORMED;
}

/* ---- life ---- */

struct rib;

/* 0, -EINVAL (limits), -ENOMEM. Nothing is allocated for routes that are not there. */
int must_check rib_create(struct rib **out, const struct rib_limits *limits);
void rib_free(struct rib *r);

/*
 * First, and after each reload. Everything is copied. Routes of peers that stay are kept and judged
 * anew, those of peers that went are forgotten; a peer that was over its limit and has another one
 * now may learn again (the caller has its table read again). The judging is done by rib_next in
 * bounded steps; input equal to the one before costs nothing but the comparison.
 * 0; or, with the RIB as it was: -EINVAL (fault names the row: order, an unknown peer, a class, a
 * length), -ENOSPC (more peers than limits.peers), -ENOMEM.
 */
int must_check rib_follow(struct rib *r, const struct rib_inputs *in, struct fault *f);

/*
 * What the maps hold already when a daemon takes over, before the first rib_next: after
 * rib_follow, each choice of the RIB's ids, then each route that refers to one or has the source
 * BGP. What is not learnt before rib_next is called then goes away, and what is learnt as it was
 * makes no difference. 0; -EINVAL: not one that a RIB can have made, the caller removes it (routes
 * before choices); -EEXIST; -ENOSPC; -ENOMEM.
 */
int must_check rib_adopt_choice(struct rib *r, uint32_t id, const struct xgw_next_hop *value);
int must_check rib_adopt_route(struct rib *r, uint32_t table, const struct ip_prefix *prefix,
			       const struct xgw_route *value);

/* ---- events ---- */

/*
 * A peer's route, new or with another metric (the length of its AS path). O(tables of the peer).
 * 0: it is held in the RIB, whether it counts or is refused by an import rule (rib_explain);
 * -EINVAL: no prefix (length, host bits), counted; -ENOENT: nobody's peer; -EDQUOT: over its
 * limit: all its routes are forgotten, as if the session had gone, and none is taken until
 * rib_forget() (the caller closes the session); -ESHUTDOWN: that was before; -ENOSPC, -ENOMEM:
 * limits.learnt, no memory: counted as missing, to be read again when there is room. With an error,
 * and no route of that prefix held before, none is held after; one that was held is replaced
 * without fail.
 */
int rib_learn(struct rib *r, uint32_t peer, const struct ip_prefix *prefix, uint32_t metric);
/* One that is not there does nothing. */
void rib_withdraw(struct rib *r, uint32_t peer, const struct ip_prefix *prefix);
/* All routes of a peer: its session went. About 100 ns for each. */
void rib_forget(struct rib *r, uint32_t peer);
/*
 * A peer's table is about to be read again in full (events were lost): what is not learnt between
 * the two calls goes at the second. RFC 7313 section 4 has the same for BGP itself.
 */
void rib_refresh_begin(struct rib *r, uint32_t peer);
void rib_refresh_end(struct rib *r, uint32_t peer);

/* ---- differences ---- */

enum rib_change_kind { RIB_HOP_PUT, RIB_ROUTE_PUT, RIB_ROUTE_REMOVE, RIB_HOP_REMOVE };
struct rib_change {
	uint8_t kind;		 /* enum rib_change_kind */
	uint32_t id;		 /* HOP_*: of the choice */
	struct xgw_next_hop hop; /* HOP_PUT: complete, as the map wants it */
	uint32_t table;		 /* ROUTE_* */
	struct ip_prefix prefix; /* ROUTE_* */
	struct xgw_route value;	 /* ROUTE_PUT: likewise */
};

/*
 * Up to `room` pending differences, to be applied in their order; returns how many. Work is bounded
 * by room, so that it may return 0 before rib_is_settled(). What happened to a prefix several times
 * is one difference, or none. Order: a next hop before the first route to it; routes that are put
 * before routes that are removed; choices that nobody uses last. A return that has a RIB_HOP_REMOVE
 * has nothing else, so that packets under way can be waited for.
 */
size_t rib_next(struct rib *r, struct rib_change *out, size_t room);
bool rib_is_settled(const struct rib *r);
/*
 * A ROUTE_PUT could not be applied (no room, no memory): the caller has removed the route from the
 * map. It is tried again when something changes for that prefix, or when routes have gone.
 */
void rib_lost(struct rib *r, uint32_t table, const struct ip_prefix *prefix);
/* A HOP_PUT could not be applied: after rib_lost for each route to it that followed. One that a
 * route refers to stays. */
void rib_lost_choice(struct rib *r, uint32_t id);
/* True when the map holds, after the differences given so far, what the RIB said. */
bool rib_holds(const struct rib *r, uint32_t table, const struct ip_prefix *prefix);

/* ---- explanations ---- */

struct rib_candidate {
	uint32_t peer;	      /* 0: static */
	uint32_t hop, metric; /* metric: a static route's order */
	uint32_t weight;
	uint8_t class;	/* enum rib_class */
	uint8_t group;	/* of the choice, from 0; 255: in none */
	uint8_t reason; /* enum rib_reason */
};
/*
 * All that says something about a prefix in a table, best first, refused ones last, as of the
 * events so far (rib_next may not have told yet). Returns how many there are; the first `room` go
 * to out.
 */
size_t rib_explain(const struct rib *r, uint32_t table, const struct ip_prefix *prefix,
		   struct rib_candidate *out, size_t room);
/*
 * Walks over every (table, prefix) for which something is learnt, refused or not, in no order.
 * Starts from a zeroed cursor; false: no more. Events between two calls may make it miss or repeat
 * what they concern.
 */
struct rib_cursor {
	uint32_t at, table;
	bool is_within;
};
bool rib_walk(const struct rib *r, struct rib_cursor *c, uint32_t *table, struct ip_prefix *prefix);

/* A user's route to a gateway, and what decides about it now. */
struct rib_followed {
	uint32_t table, of;
	struct ip_prefix prefix;
	bool is_learnt;	     /* `by` is learnt in `of`; else the plan's value counts */
	struct ip_prefix by; /* covers prefix */
};
/* The i-th of them; false: no more. */
bool rib_followed(const struct rib *r, uint32_t i, struct rib_followed *out);

struct rib_peer_counts {
	uint32_t no, limit;
	bool is_over;			     /* its limit */
	uint32_t received;		     /* routes held now, refused ones too */
	uint32_t accepted;		     /* of them: that a table takes */
	uint32_t refused[RIB_REASONS];	     /* of them: that no table takes, by reason */
	uint64_t refusals[RIB_REASONS];	     /* announcements that were refused, since ever */
	uint64_t announcements, withdrawals; /* events since ever */
	uint32_t missing; /* refused for want of room, since it was last forgotten or refreshed */
};
/* -ENOENT: nobody's peer. */
int rib_peer_counts(const struct rib *r, uint32_t peer, struct rib_peer_counts *out);

struct rib_counts {
	uint32_t peers, learnt, prefixes;
	uint32_t routes;	  /* that the map holds by the RIB's word */
	uint32_t choices, unused; /* with an id; of them: that no route refers to */
	uint32_t wanting;	  /* routes that had no place, or no choice, when last looked at */
	uint64_t strangers;	  /* announcements of nobody's peers */
	size_t bytes;		  /* of memory */
};
void rib_counts(const struct rib *r, struct rib_counts *out);

#endif
