/* SPDX-License-Identifier: Apache-2.0 */
/* Pools, hash tables, and the records that stand in them. */
#include "control/rib_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FEWEST_BUCKETS 16u

/* ---- pools ---- */

static uint8_t *record(const struct rib_pool *p, uint32_t i)
{
	return p->at + (size_t)i * p->size;
}

static uint32_t *chain_of(const struct rib_pool *p, uint32_t i)
{
	return (uint32_t *)(void *)record(p, i);
}

static bool widen(struct rib_pool *p)
{
	uint64_t room = (uint64_t)p->room + p->room / 2 + 64;
	room = room < p->cap ? room : p->cap;
	if (room <= p->n)
		return false;
	uint8_t *at = reallocarray(p->at, (size_t)room, p->size);
	if (!at)
		return false;
	p->at = at;
	p->room = (uint32_t)room;
	return true;
}

uint32_t rib_pool_take(struct rib_pool *p)
{
	uint32_t i;
	if (p->first_free != RIB_NIL && (!p->is_slow || p->n >= p->cap)) {
		i = p->first_free;
		p->first_free = *chain_of(p, i);
	} else {
		if (p->n == p->room && !widen(p))
			return RIB_NIL;
		i = p->n++;
	}
	memset(record(p, i), 0, p->size);
	p->used++;
	return i;
}

void rib_pool_give(struct rib_pool *p, uint32_t i)
{
	memset(record(p, i), 0xff, p->size);
	p->used--;
	if (p->is_slow && p->first_free != RIB_NIL) {
		*chain_of(p, p->last_free) = i;
	} else {
		*chain_of(p, i) = p->first_free;
		p->first_free = i;
	}
	p->last_free = i;
}

/* ---- linear hashing ---- */

static uint32_t bucket_of(const struct rib_hash *h, uint32_t hash)
{
	uint32_t b = hash & (h->base * 2 - 1);
	return b < h->buckets ? b : hash & (h->base - 1);
}

int rib_hash_open(struct rib_hash *h, size_t size, uint32_t cap,
		  uint32_t (*of)(const struct rib *r, const void *record))
{
	*h = (struct rib_hash){.pool = {.size = (uint32_t)size,
					.cap = cap,
					.first_free = RIB_NIL,
					.last_free = RIB_NIL},
			       .buckets = FEWEST_BUCKETS,
			       .base = FEWEST_BUCKETS,
			       .room = FEWEST_BUCKETS,
			       .of = of};
	h->heads = malloc(FEWEST_BUCKETS * sizeof *h->heads);
	if (!h->heads)
		return -ENOMEM;
	memset(h->heads, 0xff, FEWEST_BUCKETS * sizeof *h->heads);
	return 0;
}

void rib_hash_close(struct rib_hash *h)
{
	free(h->heads);
	free(h->pool.at);
}

uint32_t rib_hash_first(const struct rib_hash *h, uint32_t hash)
{
	return h->heads[bucket_of(h, hash)];
}

/* One bucket more: half of another one's records move there. Without memory chains get longer. */
static void grow(const struct rib *r, struct rib_hash *h)
{
	if (h->buckets == h->room) {
		uint32_t room = h->room + h->room / 2;
		uint32_t *heads = reallocarray(h->heads, room, sizeof *heads);
		if (!heads)
			return;
		h->heads = heads;
		h->room = room;
	}
	uint32_t to = h->buckets++, from = to - h->base, *kept = &h->heads[from];
	h->heads[to] = RIB_NIL;
	for (uint32_t i = *kept; i != RIB_NIL;) {
		uint32_t *chain = chain_of(&h->pool, i), next = *chain;
		if (bucket_of(h, h->of(r, chain)) == to) {
			*kept = next;
			*chain = h->heads[to];
			h->heads[to] = i;
		} else {
			kept = chain;
		}
		i = next;
	}
	if (h->buckets == h->base * 2)
		h->base = h->buckets;
}

static void shrink(struct rib_hash *h)
{
	if (h->buckets == h->base)
		h->base /= 2;
	uint32_t last = --h->buckets, *end = &h->heads[last - h->base];
	while (*end != RIB_NIL)
		end = chain_of(&h->pool, *end);
	*end = h->heads[last];
}

void rib_hash_add(const struct rib *r, struct rib_hash *h, uint32_t i)
{
	uint32_t *chain = chain_of(&h->pool, i);
	uint32_t *head = &h->heads[bucket_of(h, h->of(r, chain))];
	*chain = *head;
	*head = i;
	if (h->pool.used > h->buckets)
		grow(r, h);
}

void rib_hash_remove(const struct rib *r, struct rib_hash *h, uint32_t i)
{
	uint32_t *chain = chain_of(&h->pool, i);
	uint32_t *at = &h->heads[bucket_of(h, h->of(r, chain))];
	while (*at != i)
		at = chain_of(&h->pool, *at);
	*at = *chain;
	rib_pool_give(&h->pool, i);
	if (h->pool.used < h->buckets / 4 && h->buckets > FEWEST_BUCKETS)
		shrink(h);
}

/* ---- hashes ---- */

static uint64_t fold(uint64_t a, uint64_t b)
{
	__extension__ unsigned __int128 product = (unsigned __int128)a * b;
	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

uint32_t rib_mix(const struct rib *r, uint64_t a, uint64_t b)
{
	uint64_t h = fold(a ^ r->key[0], b ^ r->key[1]);
	return (uint32_t)fold(h ^ r->key[1], r->key[0]);
}

uint32_t rib_mix_prefix(const struct rib *r, uint32_t table, const uint8_t addr[16], uint8_t family,
			uint8_t len)
{
	uint64_t half[2];
	memcpy(half, addr, sizeof half);
	uint64_t rest = (uint64_t)table << 16 | (uint64_t)family << 8 | len;
	return rib_mix(r, fold(half[0] ^ r->key[1], half[1] ^ r->key[0]), rest);
}

static uint32_t hash_node(const struct rib *r, const void *of)
{
	const struct rib_node *n = of;
	return rib_mix_prefix(r, 0, n->addr, n->family, n->len);
}

static uint32_t hash_entry(const struct rib *r, const void *of)
{
	const struct rib_entry *e = of;
	return rib_mix(r, e->table, e->node);
}

static uint32_t hash_chosen(const struct rib *r, const void *of)
{
	const struct rib_choice *c = &((const struct rib_chosen *)of)->choice;
	uint64_t half[2];
	memcpy(half, c->member, sizeof half);
	return rib_mix(r, half[0] ^ (uint64_t)c->groups << 32, half[1]);
}

int rib_place_cmp(uint32_t table_a, const struct ip_prefix *a, uint32_t table_b,
		  const struct ip_prefix *b)
{
	if (table_a != table_b)
		return table_a < table_b ? -1 : 1;
	int c = ip_addr_cmp(&a->addr, &b->addr);
	return c ? c : (int)a->len - (int)b->len;
}

/* ---- prefixes ---- */

struct ip_prefix rib_node_prefix(const struct rib_node *n)
{
	struct ip_prefix p = {.addr.family = n->family, .len = n->len};
	memcpy(p.addr.b, n->addr, sizeof p.addr.b);
	return p;
}

uint32_t rib_node_find(const struct rib *r, const struct ip_prefix *p)
{
	uint32_t hash = rib_mix_prefix(r, 0, p->addr.b, p->addr.family, p->len);
	uint32_t i = rib_hash_first(&r->nodes, hash);
	for (; i != RIB_NIL; i = rib_node(r, i)->chain) {
		const struct rib_node *n = rib_node(r, i);
		if (n->len == p->len && n->family == p->addr.family &&
		    memcmp(n->addr, p->addr.b, sizeof n->addr) == 0)
			break;
	}
	return i;
}

uint32_t rib_node_get(struct rib *r, const struct ip_prefix *p)
{
	uint32_t i = rib_node_find(r, p);
	if (i != RIB_NIL)
		return i;
	i = rib_pool_take(&r->nodes.pool);
	if (i == RIB_NIL)
		return i;
	struct rib_node *n = rib_node(r, i);
	n->learnt = RIB_NIL;
	n->family = p->addr.family;
	n->len = p->len;
	n->is_bogon = rib_is_bogon(p);
	memcpy(n->addr, p->addr.b, sizeof n->addr);
	rib_hash_add(r, &r->nodes, i);
	return i;
}

void rib_node_release(struct rib *r, uint32_t i)
{
	if (rib_node(r, i)->learnt == RIB_NIL && !rib_node(r, i)->entries)
		rib_hash_remove(r, &r->nodes, i);
}

/* ---- entries ---- */

uint32_t rib_entry_find(const struct rib *r, uint32_t table, uint32_t node)
{
	uint32_t i = rib_hash_first(&r->entries, rib_mix(r, table, node));
	for (; i != RIB_NIL; i = rib_entry(r, i)->chain) {
		if (rib_entry(r, i)->node == node && rib_entry(r, i)->table == table)
			break;
	}
	return i;
}

uint32_t rib_entry_get(struct rib *r, uint32_t table, uint32_t node)
{
	uint32_t i = rib_entry_find(r, table, node);
	if (i != RIB_NIL)
		return i;
	i = rib_pool_take(&r->entries.pool);
	if (i == RIB_NIL)
		return i;
	struct rib_entry *e = rib_entry(r, i);
	e->node = node;
	e->table = table;
	e->next = RIB_NIL;
	rib_node(r, node)->entries++;
	rib_hash_add(r, &r->entries, i);
	return i;
}

void rib_entry_free(struct rib *r, uint32_t i)
{
	uint32_t node = rib_entry(r, i)->node;
	rib_hash_remove(r, &r->entries, i);
	rib_node(r, node)->entries--;
	rib_node_release(r, node);
	r->places_wanting.freed++;
}

/* ---- all of them ---- */

int rib_store_open(struct rib *r)
{
	/* each is there for a learnt route or for an entry */
	uint64_t nodes = (uint64_t)r->limits.learnt + r->limits.routes;
	uint32_t cap = nodes < RIB_NIL ? (uint32_t)nodes : RIB_NIL - 1;
	r->key[0] = r->limits.seed[0] ^ 0x9e3779b97f4a7c15ull;
	r->key[1] = r->limits.seed[1] ^ 0xd1b54a32d192ed03ull;
	r->learnt = (struct rib_pool){.size = sizeof(struct rib_learnt),
				      .cap = r->limits.learnt,
				      .first_free = RIB_NIL,
				      .last_free = RIB_NIL};
	if (rib_hash_open(&r->nodes, sizeof(struct rib_node), cap, hash_node) ||
	    rib_hash_open(&r->entries, sizeof(struct rib_entry), r->limits.routes, hash_entry) ||
	    rib_hash_open(&r->choices, sizeof(struct rib_chosen), r->limits.choices, hash_chosen))
		return -ENOMEM;
	r->choices.pool.is_slow = true;
	return 0;
}

void rib_store_close(struct rib *r)
{
	rib_hash_close(&r->nodes);
	rib_hash_close(&r->entries);
	rib_hash_close(&r->choices);
	free(r->learnt.at);
}
