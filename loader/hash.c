/* SPDX-License-Identifier: Apache-2.0 */
#include "loader/hash.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define FIRST_ROOM 16u

static uint32_t place_of(const struct hash *h, const void *key)
{
	const uint8_t *b = key;
	uint64_t v = h->seed;
	for (uint32_t i = 0; i < h->key; i++)
		v = (v ^ b[i]) * 0x100000001b3ull;
	v ^= v >> 32;
	v *= 0x9e3779b97f4a7c15ull;
	return (uint32_t)(v >> 32) & (h->room - 1);
}

static uint8_t *entry(const struct hash *h, uint32_t i)
{
	return h->entries + (size_t)i * h->size;
}

void hash_init(struct hash *h, uint32_t key, uint32_t size)
{
	*h = (struct hash){.key = key, .size = size};
	if (getrandom(&h->seed, sizeof h->seed, GRND_NONBLOCK) != (ssize_t)sizeof h->seed)
		h->seed = 0xcbf29ce484222325ull;
}

void hash_free(struct hash *h)
{
	free(h->entries);
	free(h->used);
	h->entries = NULL;
	h->used = NULL;
	h->room = h->n = 0;
}

/* Where the key stands, or the free place where it would; the table is never full. */
static uint32_t look(const struct hash *h, const void *key)
{
	uint32_t i = place_of(h, key);
	while (h->used[i] && memcmp(entry(h, i), key, h->key) != 0)
		i = (i + 1) & (h->room - 1);
	return i;
}

void *hash_find(const struct hash *h, const void *key)
{
	if (!h->n)
		return NULL;
	uint32_t i = look(h, key);
	return h->used[i] ? entry(h, i) : NULL;
}

static bool grow(struct hash *h)
{
	struct hash g = *h;
	g.room = h->room ? h->room * 2 : FIRST_ROOM;
	g.entries = calloc(g.room, g.size);
	g.used = calloc(g.room, sizeof *g.used);
	if (!g.entries || !g.used) {
		free(g.entries);
		free(g.used);
		return false;
	}
	for (uint32_t i = 0; i < h->room; i++) {
		if (!h->used[i])
			continue;
		uint32_t to = look(&g, entry(h, i));
		memcpy(entry(&g, to), entry(h, i), g.size);
		g.used[to] = true;
	}
	uint8_t *entries = h->entries;
	bool *used = h->used;
	h->entries = g.entries;
	h->used = g.used;
	h->room = g.room;
	free(entries);
	free(used);
	return true;
}

void *hash_put(struct hash *h, const void *key)
{
	void *there = hash_find(h, key);
	if (there)
		return there;
	if (h->n + 1 > h->room / 4 * 3 && !grow(h))
		return NULL;
	uint32_t i = look(h, key);
	h->used[i] = true;
	h->n++;
	memset(entry(h, i), 0, h->size);
	return memcpy(entry(h, i), key, h->key);
}

bool hash_remove(struct hash *h, const void *key)
{
	if (!h->n)
		return false;
	uint32_t hole = look(h, key), mask = h->room - 1;
	if (!h->used[hole])
		return false;
	/* what was pushed beyond this place moves back */
	for (uint32_t i = (hole + 1) & mask; h->used[i]; i = (i + 1) & mask) {
		uint32_t home = place_of(h, entry(h, i));
		if (((i - home) & mask) < ((i - hole) & mask))
			continue;
		memcpy(entry(h, hole), entry(h, i), h->size);
		hole = i;
	}
	h->used[hole] = false;
	h->n--;
	return true;
}

void *hash_next(const struct hash *h, uint32_t *at)
{
	while (*at < h->room) {
		uint32_t i = (*at)++;
		if (h->used[i])
			return entry(h, i);
	}
	return NULL;
}
