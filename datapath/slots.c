/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which slots are free and who is in the others: by SPI, by peer, by tunnel, each found without a
 * search. For the loader's thread alone; workers know a slot by its number.
 */
#include "datapath/slots.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int slots_start(struct datapath *d)
{
	struct slots *s = &d->table;
	s->buckets = 1;
	while (s->buckets < d->max_slots)
		s->buckets *= 2;
	d->slots = calloc(d->max_slots, sizeof *d->slots);
	s->links = calloc(d->max_slots, sizeof *s->links);
	s->free_slot = calloc(d->max_slots, sizeof *s->free_slot);
	if (!d->slots || !s->links || !s->free_slot)
		return -ENOMEM;
	for (uint32_t i = 0; i < d->max_slots; i++)
		s->free_slot[i] = i;
	s->n_free = d->max_slots;
	for (int by = 0; by < BY_TUNNEL; by++) {
		s->bucket[by] = malloc(s->buckets * sizeof *s->bucket[by]);
		if (!s->bucket[by])
			return -ENOMEM;
		memset(s->bucket[by], 0xff, s->buckets * sizeof *s->bucket[by]);
	}
	return 0;
}

void slots_stop(struct datapath *d)
{
	struct slots *s = &d->table;
	for (int by = 0; by < BY_TUNNEL; by++)
		free(s->bucket[by]);
	free(s->free_slot);
	free(s->links);
	free(d->slots);
	d->slots = NULL;
	memset(s, 0, sizeof *s);
}

/* ---- hashes ---- */

static uint64_t stir(uint64_t h, uint64_t more)
{
	h = (h ^ more) * 0x9e3779b97f4a7c15ull;
	return h ^ h >> 29;
}

static uint64_t stir_address(uint64_t h, const struct ip_addr *a)
{
	uint64_t half[2];
	memcpy(half, a->b, sizeof half);
	return stir(stir(h, half[0]), half[1]);
}

static uint32_t *bucket_of(const struct slots *s, int by, uint64_t hash)
{
	return &s->bucket[by][(hash >> 32) & (s->buckets - 1)];
}

static uint64_t hash_out(uint32_t spi_out, const struct ip_addr *peer)
{
	return stir_address(stir(0, spi_out), peer);
}

static uint64_t hash_peer(const struct ip_endpoint *local, const struct ip_endpoint *remote)
{
	uint64_t h = stir(0, (uint64_t)local->port << 16 | remote->port);
	return stir_address(stir_address(h, &local->addr), &remote->addr);
}

static uint32_t *chain_of(const struct slots *s, int by, const struct child *c)
{
	switch (by) {
	case BY_SPI_IN: return bucket_of(s, by, stir(0, c->spi_in));
	case BY_SPI_OUT: return bucket_of(s, by, hash_out(c->spi_out, &c->remote.addr));
	default: return bucket_of(s, by, hash_peer(&c->local, &c->remote));
	}
}

/* ---- chains ---- */

static void link_slot(struct slots *s, int by, uint32_t *head, uint32_t slot)
{
	s->links[slot].next[by] = *head;
	*head = slot;
}

static void unlink_slot(struct slots *s, int by, uint32_t *head, uint32_t slot)
{
	while (*head != NO_SLOT && *head != slot)
		head = &s->links[*head].next[by];
	if (*head == slot)
		*head = s->links[slot].next[by];
}

uint32_t slots_take(struct datapath *d)
{
	struct slots *s = &d->table;
	if (!s->n_free)
		return NO_SLOT;
	uint32_t slot = s->free_slot[s->free_at];
	s->free_at = (s->free_at + 1) % d->max_slots;
	s->n_free--;
	return slot;
}

void slots_give(struct datapath *d, uint32_t slot)
{
	struct slots *s = &d->table;
	s->free_slot[(s->free_at + s->n_free++) % d->max_slots] = slot;
}

void slots_enter(struct datapath *d, struct tunnel *t, const struct child *c)
{
	struct slots *s = &d->table;
	for (int by = 0; by < BY_TUNNEL; by++)
		link_slot(s, by, chain_of(s, by, c), c->slot);
	link_slot(s, BY_TUNNEL, &t->children, c->slot);
}

void slots_leave(struct datapath *d, struct tunnel *t, const struct child *c)
{
	struct slots *s = &d->table;
	for (int by = 0; by < BY_TUNNEL; by++)
		unlink_slot(s, by, chain_of(s, by, c), c->slot);
	unlink_slot(s, BY_TUNNEL, &t->children, c->slot);
}

/* ---- questions ---- */

struct child *slots_by_spi_in(const struct datapath *d, uint32_t spi_in)
{
	const struct slots *s = &d->table;
	uint32_t slot = *bucket_of(s, BY_SPI_IN, stir(0, spi_in));
	while (slot != NO_SLOT && d->slots[slot]->spi_in != spi_in)
		slot = s->links[slot].next[BY_SPI_IN];
	return slot == NO_SLOT ? NULL : d->slots[slot];
}

struct child *slots_by_spi_out(const struct datapath *d, uint32_t spi_out,
			       const struct ip_addr *local, const struct ip_addr *remote)
{
	const struct slots *s = &d->table;
	uint32_t slot = *bucket_of(s, BY_SPI_OUT, hash_out(spi_out, remote));
	for (; slot != NO_SLOT; slot = s->links[slot].next[BY_SPI_OUT]) {
		struct child *c = d->slots[slot];
		if (c->spi_out == spi_out && ip_addr_equal(&c->local.addr, local) &&
		    ip_addr_equal(&c->remote.addr, remote))
			return c;
	}
	return NULL;
}

struct child *slots_by_peer(const struct datapath *d, const struct ip_endpoint *local,
			    const struct ip_endpoint *remote)
{
	const struct slots *s = &d->table;
	uint32_t slot = *bucket_of(s, BY_PEER, hash_peer(local, remote));
	for (; slot != NO_SLOT; slot = s->links[slot].next[BY_PEER]) {
		struct child *c = d->slots[slot];
		if (c->udp && ip_endpoint_equal(&c->local, local) &&
		    ip_endpoint_equal(&c->remote, remote))
			return c;
	}
	return NULL;
}

struct child *slots_first(const struct datapath *d, const struct tunnel *t)
{
	return t->children == NO_SLOT ? NULL : d->slots[t->children];
}

struct child *slots_next(const struct datapath *d, const struct child *c)
{
	uint32_t slot = d->table.links[c->slot].next[BY_TUNNEL];
	return slot == NO_SLOT ? NULL : d->slots[slot];
}
