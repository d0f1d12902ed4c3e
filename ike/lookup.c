/* SPDX-License-Identifier: Apache-2.0 */
#include "ike/lookup.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_BUCKETS 64

int lookup_init(struct lookup *l)
{
	l->n = 0;
	l->buckets = FIRST_BUCKETS;
	l->bucket = calloc(l->buckets, sizeof(struct lookup_entry *));
	return l->bucket ? 0 : -ENOMEM;
}

void lookup_free(struct lookup *l)
{
	free(l->bucket);
	l->bucket = NULL;
	l->n = l->buckets = 0;
}

static void put(struct lookup *l, struct lookup_entry *entry)
{
	struct lookup_entry **b = &l->bucket[entry->hash & (l->buckets - 1)];
	entry->next = *b;
	*b = entry;
}

static void widen(struct lookup *l)
{
	struct lookup_entry **old = l->bucket;
	size_t n = l->buckets;
	struct lookup_entry **wide = calloc(2 * n, sizeof(struct lookup_entry *));
	if (!wide)
		return;
	l->bucket = wide;
	l->buckets = 2 * n;
	for (size_t i = 0; i < n; i++) {
		for (struct lookup_entry *e = old[i], *next; e; e = next) {
			next = e->next;
			put(l, e);
		}
	}
	free(old);
}

void lookup_add(struct lookup *l, struct lookup_entry *entry, uint64_t hash)
{
	if (l->n >= l->buckets)
		widen(l);
	entry->hash = hash;
	put(l, entry);
	l->n++;
}

void lookup_remove(struct lookup *l, struct lookup_entry *entry)
{
	struct lookup_entry **at = &l->bucket[entry->hash & (l->buckets - 1)];
	while (*at && *at != entry)
		at = &(*at)->next;
	if (!*at)
		return;
	*at = entry->next;
	entry->next = NULL;
	l->n--;
}

static struct lookup_entry *of_hash(struct lookup_entry *e, uint64_t hash)
{
	while (e && e->hash != hash)
		e = e->next;
	return e;
}

struct lookup_entry *lookup_first(const struct lookup *l, uint64_t hash)
{
	return of_hash(l->bucket[hash & (l->buckets - 1)], hash);
}

struct lookup_entry *lookup_next(const struct lookup_entry *entry)
{
	return of_hash(entry->next, entry->hash);
}

/* ---- SipHash ---- */

struct sip {
	uint64_t a, b, c, d;
};

static uint64_t turn_left(uint64_t x, unsigned bits)
{
	return x << bits | x >> (64 - bits);
}

static void sip_round(struct sip *s)
{
	s->a += s->b;
	s->c += s->d;
	s->b = turn_left(s->b, 13) ^ s->a;
	s->d = turn_left(s->d, 16) ^ s->c;
	s->a = turn_left(s->a, 32) + s->d;
	s->c += s->b;
	s->d = turn_left(s->d, 21) ^ s->a;
	s->b = turn_left(s->b, 17) ^ s->c;
	s->c = turn_left(s->c, 32);
}

static uint64_t load_le64(const uint8_t *p, size_t n)
{
	uint64_t v = 0;
	for (size_t i = 0; i < n; i++)
		v |= (uint64_t)p[i] << 8 * i;
	return v;
}

static void sip_word(struct sip *s, uint64_t word)
{
	s->d ^= word;
	sip_round(s);
	sip_round(s);
	s->a ^= word;
}

uint64_t lookup_hash(const uint8_t key[16], const void *at, size_t n)
{
	uint64_t k0 = load_le64(key, 8), k1 = load_le64(key + 8, 8);
	struct sip s = {k0 ^ 0x736f6d6570736575, k1 ^ 0x646f72616e646f6d, k0 ^ 0x6c7967656e657261,
			k1 ^ 0x7465646279746573};
	const uint8_t *p = at;
	size_t left = n;
	for (; left >= 8; p += 8, left -= 8)
		sip_word(&s, load_le64(p, 8));
	sip_word(&s, load_le64(p, left) | (uint64_t)n << 56);
	s.c ^= 0xff;
	for (int i = 0; i < 4; i++)
		sip_round(&s);
	return s.a ^ s.b ^ s.c ^ s.d;
}
