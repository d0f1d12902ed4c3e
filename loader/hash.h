/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A table of fixed-size entries by the bytes at their beginning, for what the loader follows in
 * numbers that a scan does not suit. Grows; its users cap it. Pointers to entries hold until the
 * next hash_put, hash_remove.
 */
#ifndef XGW_LOADER_HASH_H
#define XGW_LOADER_HASH_H

#include <stdbool.h>
#include <stdint.h>

struct hash {
	uint8_t *entries;
	bool *used;
	uint32_t room, n; /* room: a power of two, or 0 */
	uint32_t key, size;
	uint64_t seed; /* strangers choose keys */
};

/* Entries of `size` bytes whose first `key` bytes, without padding, tell them apart. */
void hash_init(struct hash *h, uint32_t key, uint32_t size);
void hash_free(struct hash *h);
void *hash_find(const struct hash *h, const void *key);
/* The entry, new ones zeroed behind their key; NULL: no memory. */
void *hash_put(struct hash *h, const void *key);
/* False when there is none. */
bool hash_remove(struct hash *h, const void *key);
/* All entries: *at begins at 0; NULL behind the last. An entry may be removed when it is the one
 * just given and *at is then taken back by one; others may then come twice or wait for the next
 * walk. */
void *hash_next(const struct hash *h, uint32_t *at);

#endif
