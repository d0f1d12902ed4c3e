/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a worker counts for people. Each worker writes its own counters and no one else's, so that
 * none is shared between cores; readers sum them, each value whole, together a moment's blur.
 */
#ifndef XGW_DATAPATH_ACCOUNT_H
#define XGW_DATAPATH_ACCOUNT_H

#include "datapath/datapath.h"
#include "datapath/frames.h"

struct worker;
struct packet;

/* Adds to a counter that only the calling thread writes. */
static inline void account_add(uint64_t *counter, uint64_t n)
{
	__atomic_store_n(counter, *counter + n, __ATOMIC_RELAXED);
}
static inline uint64_t account_read(const uint64_t *counter)
{
	return __atomic_load_n(counter, __ATOMIC_RELAXED);
}

/* Times by powers of two: bucket[i] counts those of 2^i to 2^(i+1) - 1 ns, the first also 0, the
 * last all above. */
void histogram_add(struct datapath_histogram *h, uint64_t ns);

#define ACCOUNT_QUEUES (XGW_MAX_PORTS * XGW_MAX_QUEUES / 8) /* of one worker */
#define ACCOUNT_STAMPS 8u
/* One burst in so many is timed: two readings of the clock cost as much as 1 % of a packet. */
#define ACCOUNT_SAMPLE 16u

struct account {
	struct {
		uint64_t packets, bytes, deepest;
	} queue[ACCOUNT_QUEUES];
	struct {
		uint64_t packets, bytes, no_room;
	} port[XGW_MAX_PORTS];
	struct datapath_histogram residence;
	uint64_t started_ns, asleep_ns, asleep_since_ns; /* since: 0 = awake */
	/* a packet's time of arrival, on its way to the packet, and those on their way out */
	uint64_t stamp, sent[ACCOUNT_STAMPS];
	unsigned n_sent, bursts;
};

/* CLOCK_MONOTONIC, exact. */
uint64_t account_clock(void);

/* A burst that came from the worker's queue q. */
void account_received(struct worker *w, const struct queue *q, const struct xdp_desc *desc,
		      uint32_t n);
/* A packet that is handed to a port, with its Ethernet header. */
/* Counted as received, but only a piece of a packet. */
void account_piece(struct worker *w, const struct queue *q);
void account_sent(struct worker *w, uint32_t port_id, const struct packet *p, uint32_t len);
/* Packets that found no room on the ring of queue q. */
void account_no_room(struct worker *w, const struct queue *q, uint32_t lost);
/* All that was sent is on the rings. */
void account_flushed(struct worker *w);
void account_start(struct worker *w);
/* Its queues are other ones: they count from 0. */
void account_reopened(struct worker *w);
/* Around the worker's sleep. */
void account_sleep(struct worker *w);
void account_wake(struct worker *w);

#endif
