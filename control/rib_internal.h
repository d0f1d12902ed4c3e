/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the parts of the RIB share: records by index in pools, hash tables over them that grow and
 * shrink by one bucket at a time (so that no event pays for all), and what the plan says.
 */
#ifndef XGW_CONTROL_RIB_INTERNAL_H
#define XGW_CONTROL_RIB_INTERNAL_H

#include "control/rib.h"

#define RIB_NIL UINT32_MAX /* no index */

/* ---- rib_store.c: records ---- */

/* Records of one size; each begins with its chain. Bytes of a free one are 0xff behind that. */
struct rib_pool {
	uint8_t *at;
	uint32_t size, n, room, cap; /* n: ever in use; cap: of indices */
	uint32_t used;
	uint32_t first_free, last_free;
	bool is_slow; /* what was given back is used as late as can be */
};
/* A free record's index, its bytes zeroed; RIB_NIL: none (cap, memory). */
uint32_t rib_pool_take(struct rib_pool *p);
void rib_pool_give(struct rib_pool *p, uint32_t i);

/* A pool whose records can be found by their hash (linear hashing: Litwin, VLDB 1980). */
struct rib_hash {
	struct rib_pool pool;
	uint32_t *heads;
	uint32_t buckets, base, room; /* base: a power of two, base <= buckets < 2 * base */
	uint32_t (*of)(const struct rib *r, const void *record);
};
int rib_hash_open(struct rib_hash *h, size_t size, uint32_t cap,
		  uint32_t (*of)(const struct rib *r, const void *record));
void rib_hash_close(struct rib_hash *h);
uint32_t rib_hash_first(const struct rib_hash *h, uint32_t hash);
/* The record is complete, and in no chain. */
void rib_hash_add(const struct rib *r, struct rib_hash *h, uint32_t i);
/* Takes it out and gives it back. */
void rib_hash_remove(const struct rib *r, struct rib_hash *h, uint32_t i);

/* A prefix: while something is learnt for it, or an entry refers to it. */
struct rib_node {
	uint32_t chain;
	uint32_t learnt;  /* first of its routes */
	uint32_t entries; /* how many */
	uint8_t addr[16];
	uint8_t family, len; /* family 0xff: free */
	bool is_bogon;
	uint8_t spare;
};
/* A peer's route. The verdict is for counting: 0, or why no table takes it. */
struct rib_learnt {
	uint32_t chain; /* of its node */
	uint32_t node;	/* RIB_NIL: free */
	uint32_t metric;
	uint32_t before, after; /* of its peer */
	uint16_t slot;
	uint8_t verdict, epoch;
};
/* What was told of a prefix in a table, or is about to be. */
struct rib_entry {
	uint32_t chain;
	uint32_t node; /* RIB_NIL: free */
	uint32_t table;
	uint32_t hop;  /* told: 0 nothing, RIB_NIL the map has something else */
	uint32_t next; /* in its queue */
	uint8_t source, flags;
	uint8_t queue; /* enum rib_queued */
	uint8_t spare;
};
enum rib_queued { RIB_UNQUEUED, RIB_QUEUED, RIB_GOING };
/* Next hops in order of preference; bit i of groups: member i begins another group. */
struct rib_choice {
	uint32_t member[XGW_HOP_MEMBERS]; /* 0 ends */
	uint32_t groups;		  /* bit 0: one of them is another instance */
};
struct rib_chosen {
	uint32_t chain;
	uint32_t refs;		/* entries that it was told for */
	uint32_t before, after; /* told, and nobody's: among the idle ones */
	struct rib_choice choice;
	uint8_t is_told; /* 0xff: free */
	uint8_t spare[3];
};

/* ---- rib_inputs.c: what the plan says ---- */

/* Family, length, no host bits. */
bool rib_is_prefix(const struct ip_prefix *p);

struct rib_rules {
	struct rib_peer *peers;
	struct rib_member *members;
	struct rib_static *statics;
	struct rib_own *own;
	struct rib_allowed *allowed;
	uint32_t n_peers, n_members, n_statics, n_own, n_allowed;
	/* static rows that follow another table, by it, then by prefix */
	uint32_t *followers, n_followers;
	uint32_t *slots;       /* as peers */
	uint32_t *found;       /* hash of statics: first row of each (table, prefix); RIB_NIL */
	uint32_t found_mask;   /* its size, less one */
	uint32_t *parents;     /* as own: the next larger one of its table; RIB_NIL */
	uint32_t n_everywhere; /* of own: those of table 0 */
};
/* 0, -EINVAL with a fault, -ENOMEM. Slots are not set. */
int rib_rules_make(const struct rib *r, struct rib_rules *out, const struct rib_inputs *in,
		   struct fault *f);
void rib_rules_free(struct rib_rules *rules);
bool rib_rules_same(const struct rib_rules *rules, const struct rib_inputs *in);
/* The first of n rows; NULL: none. */
const struct rib_static *rib_statics(const struct rib *r, uint32_t table,
				     const struct ip_prefix *prefix, uint32_t *n);
uint32_t rib_peer_slot(const struct rib_rules *rules, uint32_t peer); /* RIB_NIL */
/* Of the followers of a table the first whose prefix is inside this one, if any is. */
uint32_t rib_first_follower(const struct rib_rules *rules, uint32_t table,
			    const struct ip_prefix *prefix);
/* Follower i, when it is one of the table's and inside the prefix; NULL. */
const struct rib_static *rib_follower(const struct rib_rules *rules, uint32_t i, uint32_t table,
				      const struct ip_prefix *prefix);

/* ---- rib_import.c ---- */

bool rib_is_bogon(const struct ip_prefix *prefix);
/* 0, or why a table takes it from nobody. */
uint8_t rib_import(const struct rib *r, uint32_t table, const struct ip_prefix *prefix,
		   bool is_bogon);
struct rib_slot;
/* 0, or why nobody takes it from this peer as a member of a table. */
uint8_t rib_import_from(const struct rib *r, const struct rib_slot *s, const struct rib_member *m,
			const struct ip_prefix *prefix);
/* Both. */
uint8_t rib_import_by(const struct rib *r, const struct rib_slot *s, const struct rib_member *m,
		      const struct ip_prefix *prefix, bool is_bogon);

/* ---- rib_choice.c ---- */

struct rib_pick {
	uint64_t key; /* the smaller, the better; equal: one group */
	uint32_t hop;
	bool is_static;
};
struct rib_picks {
	struct rib_pick at[XGW_HOP_MEMBERS], tunnel, instance; /* these: the best of their class */
	uint32_t n;					       /* 0: it is the plan's */
};
uint64_t rib_key(uint8_t class, uint32_t weight, bool is_static, uint32_t metric);
/* What counts for a prefix; node: RIB_NIL when there is none. */
void rib_pick(const struct rib *r, uint32_t table, const struct ip_prefix *prefix, uint32_t node,
	      struct rib_picks *out);
/* A static row that follows a table: what is learnt there and covers it, and the prefix of that. */
void rib_pick_followed(const struct rib *r, const struct rib_static *s, struct rib_picks *out,
		       struct ip_prefix *by);
struct rib_choice rib_choice_of(const struct rib_picks *p);
/* As the map has it. */
struct xgw_next_hop rib_choice_value(const struct rib_choice *c);
/* Index of such a choice, new ones untold: the caller tells them; RIB_NIL: there is no room. */
uint32_t rib_chosen_get(struct rib *r, const struct rib_choice *choice);
/* By the id of a next hop, when it is one of the RIB's choices. */
void rib_hop_ref(struct rib *r, uint32_t hop);
void rib_hop_unref(struct rib *r, uint32_t hop);
/* One of the idle ones. */
void rib_chosen_free(struct rib *r, uint32_t i);
void rib_chosen_idle(struct rib *r, uint32_t i);
bool rib_choice_is_told(const struct rib *r, uint32_t id);

/* ---- rib.c ---- */

struct rib_slot {
	struct rib_peer_counts counts; /* no 0: free */
	uint32_t first;		       /* of its routes */
	uint32_t fresh;		       /* of them: learnt since the last refresh began */
	uint32_t member, n_members;    /* its rows in rules */
	uint32_t allowed, n_allowed;   /* likewise */
	uint8_t epoch;		       /* that fresh ones have */
	bool is_refreshing;
};
/* NULL: its routes do not go there. */
const struct rib_member *rib_member_of(const struct rib *r, const struct rib_slot *s,
				       uint32_t table);
/* The next table that a peer's routes go into; 0: there is none. */
uint32_t rib_table_behind(const struct rib *r, const struct rib_slot *s, uint32_t table);
/* A learnt route by the rules of now: its verdict, its entries. Returns what it cost. */
uint32_t rib_judge(struct rib *r, uint32_t i);
/* rib_changes.c: an entry may differ from what was told; everything may. */
void rib_mark(struct rib *r, uint32_t i);
void rib_scan(struct rib *r);

struct rib_queue {
	uint32_t first, last;
};
/* What there was no room for, and how much became free since. */
struct rib_wanting {
	uint32_t n, freed;
};

struct rib {
	struct rib_limits limits;
	uint64_t key[2];
	struct rib_hash nodes, entries, choices;
	struct rib_pool learnt;
	struct rib_rules rules;
	struct rib_slot *slots;
	uint32_t n_slots, room_slots;
	/* entries that may differ from what was told, and those of them that are to be removed;
	 * how many of the former were looked at while the latter waited */
	struct rib_queue due, going;
	uint32_t passed;
	struct rib_queue idle; /* choices that are told and nobody's, the oldest first */
	uint32_t n_idle, n_told, n_held;
	bool has_begun; /* to tell: nothing is adopted any more */
	bool has_holes; /* choices were adopted: indices between them are not in use */
	/* all is judged anew: entries first, then what is learnt; from where on */
	bool is_scanning, is_scanning_learnt;
	uint32_t scan_at;
	struct rib_wanting places_wanting, choices_wanting;
	uint64_t strangers;
};

static inline struct rib_node *rib_node(const struct rib *r, uint32_t i)
{
	return (struct rib_node *)(void *)r->nodes.pool.at + i;
}
static inline struct rib_learnt *rib_learnt(const struct rib *r, uint32_t i)
{
	return (struct rib_learnt *)(void *)r->learnt.at + i;
}
static inline struct rib_entry *rib_entry(const struct rib *r, uint32_t i)
{
	return (struct rib_entry *)(void *)r->entries.pool.at + i;
}
static inline struct rib_chosen *rib_chosen(const struct rib *r, uint32_t i)
{
	return (struct rib_chosen *)(void *)r->choices.pool.at + i;
}
struct ip_prefix rib_node_prefix(const struct rib_node *n);

/* Hashes that depend on the seed. */
uint32_t rib_mix(const struct rib *r, uint64_t a, uint64_t b);
uint32_t rib_mix_prefix(const struct rib *r, uint32_t table, const uint8_t addr[16], uint8_t family,
			uint8_t len);
/* (table, prefix) as memcmp orders them. */
int rib_place_cmp(uint32_t table_a, const struct ip_prefix *a, uint32_t table_b,
		  const struct ip_prefix *b);

uint32_t rib_node_find(const struct rib *r, const struct ip_prefix *prefix);
/* RIB_NIL: no memory. */
uint32_t rib_node_get(struct rib *r, const struct ip_prefix *prefix);
/* Unless it is of use. */
void rib_node_release(struct rib *r, uint32_t i);
uint32_t rib_entry_find(const struct rib *r, uint32_t table, uint32_t node);
/* RIB_NIL: no room, no memory. */
uint32_t rib_entry_get(struct rib *r, uint32_t table, uint32_t node);
void rib_entry_free(struct rib *r, uint32_t i);
int rib_store_open(struct rib *r);
void rib_store_close(struct rib *r);

#endif
