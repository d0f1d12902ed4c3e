/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The bandwidth of a circuit, the same for XDP and the workers: a virtual clock for each direction,
 * which all CPUs share and which stands where all that has passed would be through at that rate.
 *
 * Who passes adds his packet's time, and takes it back when that is too late: two atomic additions,
 * no lock, nothing to repeat. So never more passes than the rate and one burst; and what is refused
 * at the same moment on another CPU may cost a packet that would have had its place, no more than
 * one for each CPU, and only at the limit. Rounding favours a packet by less than 2^-6 ns: 0.3 % of
 * 64 bytes at 100 Gbit/s.
 */
#ifndef XGW_MAPS_LIMITER_H
#define XGW_MAPS_LIMITER_H

#include "maps/layout.h"

#define LIMITER		   static inline __attribute__((always_inline))
#define LIMITER_BURST_NS   10000000u /* at the least this time of the rate passes at once, and … */
#define LIMITER_BURST_SIZE 65536u    /* … as many bytes */

/* mbps: 10^6 bits a second, 1 to 1 000 000; 0: without a limit. */
LIMITER struct xgw_limiter limiter_of(__u32 mbps)
{
	struct xgw_limiter l = {0};
	__u64 burst;

	if (!mbps)
		return l;
	l.per_byte = (8000u * 65536u) / mbps;
	burst = (__u64)LIMITER_BURST_SIZE * 8000 / mbps;
	l.burst_ns = (__u32)(burst > LIMITER_BURST_NS ? burst : LIMITER_BURST_NS);
	return l;
}

/* The rate, for people; 0: without a limit. */
LIMITER __u32 limiter_mbps(const struct xgw_limiter *l)
{
	return l->per_byte ? (8000u * 65536u + l->per_byte / 2) / l->per_byte : 0;
}

/* clock: &l->in or &l->out; now: CLOCK_MONOTONIC ns. 1: the packet passes. */
LIMITER int limiter_take(const struct xgw_limiter *l, __u64 *clock, __u32 bytes, __u64 now_ns)
{
	__u64 time = ((__u64)bytes * l->per_byte) >> 10, now = now_ns << 6;
	__u64 burst = (__u64)l->burst_ns << 6, behind = now > burst ? now - burst : 0;
	__u64 stands = *(volatile __u64 *)clock;

	if (!l->per_byte)
		return 1;
	/* after a pause a burst passes, and no more; who comes second finds it done */
	if (stands < behind)
		__sync_val_compare_and_swap(clock, stands, behind);
	if (__sync_fetch_and_add(clock, time) + time <= now)
		return 1;
	__sync_fetch_and_add(clock, -time);
	return 0;
}

#endif
