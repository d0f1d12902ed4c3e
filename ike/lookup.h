/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Chained hash table of entries that live inside what they find. The hash is keyed by random bytes,
 * so that a peer who chooses SPIs can't choose chains. Adding can't fail: when memory for more
 * buckets is not to be had, chains grow instead.
 */
#ifndef XGW_IKE_LOOKUP_H
#define XGW_IKE_LOOKUP_H

#include <stddef.h>
#include <stdint.h>

struct lookup_entry {
	struct lookup_entry *next;
	uint64_t hash;
};
struct lookup {
	struct lookup_entry **bucket;
	size_t n, buckets; /* buckets is a power of two */
};

/* 0 or -ENOMEM. */
int lookup_init(struct lookup *l);
void lookup_free(struct lookup *l);
void lookup_add(struct lookup *l, struct lookup_entry *entry, uint64_t hash);
void lookup_remove(struct lookup *l, struct lookup_entry *entry);
/* Entries of this hash, one after the other; NULL at the end. The caller compares the key itself.
 */
struct lookup_entry *lookup_first(const struct lookup *l, uint64_t hash);
struct lookup_entry *lookup_next(const struct lookup_entry *entry);

/* SipHash-2-4 (Aumasson, Bernstein 2012) of n bytes. */
uint64_t lookup_hash(const uint8_t key[16], const void *at, size_t n);

#endif
