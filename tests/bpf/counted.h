/* SPDX-License-Identifier: Apache-2.0 */
/* A run of a program whose counters are the oracle of why. After cmocka.h. */
#ifndef XGW_TESTS_BPF_COUNTED_H
#define XGW_TESTS_BPF_COUNTED_H

#include "world.h"

#include <linux/bpf.h>

struct counts {
	uint64_t drops[XGW_DROP_COUNT], all;
	struct xgw_traffic traffic;
};

static inline void read_counts(struct world *w, unsigned port, struct counts *c)
{
	uint32_t key = world_port_id(port);

	c->all = 0;
	assert_int_equal(maps_get(&w->maps, MAPS_traffic, &key, &c->traffic), 0);
	for (unsigned i = 0; i < XGW_DROP_COUNT; i++) {
		struct xgw_count one;

		assert_int_equal(maps_drop_count(&w->maps, key, i, &one), 0);
		c->drops[i] = one.packets;
		c->all += one.packets;
	}
}

/* What one run did, checked against itself: every packet counted once as received and once as its
 * fate. */
static inline int counted_run(struct world *w, unsigned port, const struct frame *in,
			      struct frame *out, unsigned *reason)
{
	struct counts before, after;
	uint64_t fates;
	int action;

	read_counts(w, port, &before);
	action = world_run(w, port, in, out);
	read_counts(w, port, &after);
	*reason = 0;
	for (unsigned i = 0; i < XGW_DROP_COUNT; i++) {
		if (after.drops[i] != before.drops[i])
			*reason = i;
	}
	assert_true(after.all - before.all <= 1);
	assert_int_equal(after.traffic.received.packets, before.traffic.received.packets + 1);
	assert_int_equal(after.traffic.received.bytes, before.traffic.received.bytes + in->len);
	assert_int_equal(after.traffic.dropped.packets - before.traffic.dropped.packets,
			 after.all - before.all);
	fates = after.traffic.passed.packets + after.traffic.forwarded.packets +
		after.traffic.to_worker.packets + after.traffic.dropped.packets +
		after.traffic.answered.packets;
	assert_int_equal(fates, after.traffic.received.packets);
	assert_true(action == XDP_PASS || action == XDP_DROP || action == XDP_REDIRECT);
	if (*reason)
		assert_int_equal(action, XDP_DROP);
	return action;
}

/* Records of `captures`: how many, and the last one. */
struct kept {
	unsigned n;
	struct xgw_captured last;
	struct ring_buffer *ring;
};

/* As ring_buffer__new takes it; owner: struct kept. */
static inline int keep(void *owner, void *record, size_t size)
{
	struct kept *k = owner;

	assert_int_equal(size, sizeof(k->last));
	k->n++;
	memcpy(&k->last, record, size);
	return 0;
}

#endif
