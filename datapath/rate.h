/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rate of a gateway, shared by all its connections and used by all workers at once, without
 * locks. A pure function of the packets and the time that comes in.
 *
 * Two levels, each a virtual clock (GCRA, the leaky bucket as a meter): the time until which what
 * passed so far pays for itself at the rate. How far it is ahead of now is the level.
 *
 *   - A connection's own clock runs at its fair share, rate / active connections, and allows a
 *     level of one burst. What it lets pass is guaranteed.
 *   - The gateway's clock is charged with everything that passes. Guaranteed packets pass up to a
 *     level of two bursts, all others up to one.
 *
 * Bounds. All connections together pass, in any time T, at most rate * T + 2 bursts, and one packet
 * for each worker. Guaranteed packets of all connections bring at most rate * T + 1 burst, so they
 * never meet the second burst's end (except by the last packets of bursts, which may overdraw a
 * clock and are paid for later): a connection that stays within its share loses nothing, whatever
 * the others send. What some do not use of theirs goes to whoever comes first.
 *
 * Active is a connection that sent or received in this EPOCH or the one before; it counts from its
 * first packet on, so that many that wake up at once do not each take the whole.
 */
#ifndef XGW_DATAPATH_RATE_H
#define XGW_DATAPATH_RATE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* Time inside: ns * RATE_TICKS, so that small packets at high rates are charged exactly enough (64
 * bytes at 400 Gbit/s: 0.4 %); wraps after nine years from the gateway's start. */
#define RATE_TICKS    64u
#define RATE_MAX_MBPS 400000u
#define RATE_EPOCH_NS 100000000ull

/*
 * What may pass at once after a silence: the larger one of this time and these bytes. Nothing is
 * queued, so on a short path TCP is slowed by timeouts alone (200 ms): with 64 KiB one stream got
 * a tenth of 40 Mbit/s, with 512 KiB most of it. From 420 Mbit/s on it is the time, and the second
 * after a silence is above the rate by 1 %.
 */
#define RATE_BURST_NS	 10000000ull
#define RATE_BURST_BYTES 524288u

/* Each on cache lines of its own: workers write them. */
struct rate_gateway {
	uint64_t bits_per_second, burst; /* burst: ticks */
	uint64_t start_ns;
	double ticks_per_byte;
	_Alignas(64) _Atomic uint64_t clock; /* ticks since start_ns */
	/* epoch in the upper 32 bits, then how many were active in the one before, and in it */
	_Alignas(64) _Atomic uint64_t active;
};
struct rate_connection {
	_Alignas(64) _Atomic uint64_t clock;
	_Atomic uint32_t epoch; /* in which it was counted as active */
};

/* bits_per_second: 1 … RATE_MAX_MBPS * 1 000 000. */
void rate_gateway_init(struct rate_gateway *g, uint64_t bits_per_second, uint64_t now_ns);
void rate_connection_init(struct rate_connection *c);

/*
 * n packets of one connection, in order, with the bytes each counts for. pass[i] says which of
 * them may go on; returns how many. now_ns is the same clock as rate_gateway_init's; workers may
 * disagree a little. From any thread; each call costs one compare-and-swap of each clock unless
 * another worker is faster.
 */
unsigned rate_take(struct rate_gateway *g, struct rate_connection *c, uint64_t now_ns,
		   const uint32_t *bytes, unsigned n, bool *pass);
/* Connections that share the rate now, at least 1. */
unsigned rate_active(const struct rate_gateway *g, uint64_t now_ns);

#endif
