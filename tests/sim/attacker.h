/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who lies to the engines of a random simulation. On the path, without keys: repeats, reflects,
 * cuts and changes what was seen. As a peer, with them: opens a message of an end on its way, says
 * something else, and closes it again (IKEv2).
 */
#ifndef XGW_TESTS_SIM_ATTACKER_H
#define XGW_TESTS_SIM_ATTACKER_H

#include "ike/ike_internal.h"
#include "sim.h"

#define ATTACKER_SEEN 64

struct attacker {
	uint64_t n_seen, lies, betrayals;
	struct {
		struct ip_endpoint from, to;
		size_t len;
		uint8_t b[SIM_UDP_MAX];
	} seen[ATTACKER_SEEN];
};

static inline void attacker_watch(struct attacker *a, const struct sim *s)
{
	for (unsigned i = 0; i < s->n_queue; i++) {
		unsigned slot = (unsigned)(a->n_seen++ % ATTACKER_SEEN);
		a->seen[slot].from = s->queue[i].from;
		a->seen[slot].to = s->queue[i].to;
		a->seen[slot].len = s->queue[i].len;
		memcpy(a->seen[slot].b, s->queue[i].bytes, s->queue[i].len);
	}
}

/* Bytes in the middle become others, few of them. */
static inline void attacker_scratch(struct sim *s, uint8_t *b, size_t len)
{
	uint64_t n = 1 + sim_below(&s->random, 4);
	for (uint64_t k = 0; k < n && len; k++)
		b[sim_below(&s->random, len)] ^= (uint8_t)(1 + sim_below(&s->random, 255));
}

/* Something seen before comes again: as it was, or not quite, or to who sent it. */
static inline void attacker_lie(struct attacker *a, struct sim *s)
{
	uint64_t known = a->n_seen < ATTACKER_SEEN ? a->n_seen : ATTACKER_SEEN;
	if (!known || s->n_queue > SIM_QUEUE / 2)
		return;
	unsigned slot = (unsigned)sim_below(&s->random, known);
	size_t len = a->seen[slot].len;
	uint8_t b[SIM_UDP_MAX];
	struct ip_endpoint from = a->seen[slot].from, to = a->seen[slot].to;
	memcpy(b, a->seen[slot].b, len);
	switch (sim_below(&s->random, 5)) {
	case 0: break;
	case 1: len = (size_t)sim_below(&s->random, len + 1); break;
	case 2: attacker_scratch(s, b, len); break;
	case 3: /* a length that is right again for what is left */
		if (len > 64) {
			size_t marker = to.port == IKE_NATT_PORT ? 4 : 0;
			len -= (size_t)sim_below(&s->random, len - 60);
			store_be32(b + marker + 24, (uint32_t)(len - marker));
		}
		break;
	default: from = a->seen[slot].to; to = a->seen[slot].from;
	}
	a->lies++;
	sim_enqueue(s, &from, &to, (struct bytes){b, len});
}

/* ---- with keys ---- */

/* Which of two ends this IKE SA of an end belongs to, by its header. */
static inline struct ike_sa *attacker_sa(struct sim_node *n, const struct ike_header *h)
{
	for (struct ike_sa *sa = n->ike->all; sa; sa = sa->next_all)
		if (sa->spi_i == h->spi_i && sa->spi_r == h->spi_r && sa->has_keys)
			return sa;
	return NULL;
}

/* The payloads change: bytes, a payload less, one twice, two in another order, a wrong length. */
static inline size_t attacker_twist(struct sim *s, uint8_t *b, size_t len, size_t room)
{
	size_t first = len >= 4 ? load_be16(b + 2) : 0;
	if (first < 4 || first > len)
		return len;
	switch (sim_below(&s->random, 5)) {
	case 0: attacker_scratch(s, b, len); return len;
	case 1: memmove(b, b + first, len - first); return len - first;
	case 2:
		if (len + first > room)
			return len;
		memmove(b + first, b, len);
		b[0] = b[first];
		return len + first;
	case 3: store_be16(b + 2, (uint16_t)sim_below(&s->random, 2 * len)); return len;
	default: return (size_t)sim_below(&s->random, len + 1);
	}
}

/* Some message that is on its way says something else, and verifies. */
static inline void attacker_betray(struct attacker *a, struct sim *s)
{
	uint8_t plain[LIMIT_MESSAGE], out[LIMIT_MESSAGE + 200], iv[PROTECT_IV_RANDOM] = {7};
	struct ike_message m;
	struct fault f;
	size_t len = 0;
	if (!s->n_queue)
		return;
	struct sim_datagram *d = &s->queue[sim_below(&s->random, s->n_queue)];
	size_t marker = d->from.port % 20000 == IKE_NATT_PORT ? 4 : 0;
	if (d->len <= marker ||
	    ike_message_parse(&m, (struct bytes){d->bytes + marker, d->len - marker}, &f) ||
	    !m.sk_offset || m.fragment.total)
		return;
	struct sim_node *from = sim_owner(s, &d->from.addr), *to = sim_owner(s, &d->to.addr);
	if (!from || !to)
		return;
	struct ike_sa *writer = attacker_sa(from, &m.h), *reader = attacker_sa(to, &m.h);
	if (!writer || !reader ||
	    protect_open(&reader->keys, &reader->chosen, &m, plain, sizeof plain, &len))
		return;
	len = attacker_twist(s, plain, len, sizeof plain);
	if (!sim_below(&s->random, 8))
		m.h.exchange = (uint8_t)(IKE_SA_INIT + 1 + sim_below(&s->random, 12));
	if (protect_seal(&writer->keys, &writer->chosen, &m.h, m.sk_first,
			 (struct bytes){plain, len}, iv, out, sizeof out, &len))
		return;
	a->betrayals++;
	d->bytes = realloc(d->bytes, marker + len);
	if (!d->bytes)
		abort();
	memcpy(d->bytes + marker, out, len);
	d->len = marker + len;
}

#endif
