/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * First messages of IKE exchanges (RFC 7296 section 3.1: the responder's SPI is zero; RFC 2408
 * section 3.1: the responder's cookie) cost the daemon work before it knows whom it talks to. Each
 * source has a bucket, so that one can't take what all share; and all sources together have one,
 * so that a flood from forged addresses leaves the daemon time for the tunnels that it has. A
 * message that brings a cookie (section 2.6) has a bucket apart: whoever answered our question
 * for one does not queue behind those who can't. All else of IKE passes.
 *
 * A bucket is one number: the time at which it is full again (generic cell rate algorithm). A CPU
 * that loses a race lets one packet more pass.
 */
#ifndef XGW_BPF_IKE_RATE_H
#define XGW_BPF_IKE_RATE_H

#include "packet.h"

#define IKE_PORT	  bpf_htons(500)
#define IKE_HEADER	  28
#define IKE_NEXT_NOTIFY	  41   /* a COOKIE stands before all else (RFC 7296 section 2.6) */
#define IKE_FLAG_RESPONSE 0x20 /* RFC 7296 section 3.1 */

#define IKE_SECOND	      1000000000ull
#define IKE_SOURCE_STEP_NS    (IKE_SECOND / 100) /* 100 a second for each source */
#define IKE_SOURCE_BURST_NS   (4 * IKE_SECOND)	 /* 400 at once: a gateway that starts anew */
#define IKE_STRANGER_STEP_NS  (IKE_SECOND / 20000)
#define IKE_STRANGER_BURST_NS (IKE_SECOND / 4)
#define IKE_SOURCES	      65536

enum ike_bucket { IKE_BUCKET_FIRST, IKE_BUCKET_COOKIE, IKE_BUCKETS };

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, IKE_SOURCES);
	__type(key, __u32[4]); /* address, IPv6: the first 64 bits, which one owner has */
	__type(value, __u64);
} ike_sources SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, IKE_BUCKETS);
	__type(key, __u32);
	__type(value, __u64);
} ike_strangers SEC(".maps");

/* True when there was room; the bucket holds one more then. */
static __always_inline bool bucket_take(__u64 *full_at, __u64 now, __u64 step, __u64 burst)
{
	__u64 was = *(volatile __u64 *)full_at, from = was > now ? was : now;

	if (from - now > burst)
		return false;
	__sync_val_compare_and_swap(full_at, was, from + step);
	return true;
}

static __always_inline bool ike_is_first(const __u8 *header)
{
	__u64 responder;

	__builtin_memcpy(&responder, header + 8, sizeof(responder));
	return !responder && !(header[19] & IKE_FLAG_RESPONSE);
}

/* header: offset of the IKE header in a whole UDP datagram. */
static __always_inline int ike_decide(struct packet *p, __u32 header)
{
	const __u8 *ike = packet_at(p, header, IKE_HEADER);
	__u32 source[4], which;
	__u64 *own, *all, now, first;

	/* shorter ones are the daemon's to refuse, and cost it nothing */
	if (!ike || p->tracing || !ike_is_first(ike))
		return VERDICT_PASS;
	which = ike[16] == IKE_NEXT_NOTIFY ? IKE_BUCKET_COOKIE : IKE_BUCKET_FIRST;
	__builtin_memcpy(source, p->ip.source, sizeof(source));
	if (p->ip.family == 6)
		source[2] = source[3] = 0;
	now = bpf_ktime_get_ns();
	own = bpf_map_lookup_elem(&ike_sources, source);
	if (own && !bucket_take(own, now, IKE_SOURCE_STEP_NS, IKE_SOURCE_BURST_NS))
		return XGW_DROP_IKE_RATE;
	all = bpf_map_lookup_elem(&ike_strangers, &which);
	if (!all || !bucket_take(all, now, IKE_STRANGER_STEP_NS, IKE_STRANGER_BURST_NS))
		return XGW_DROP_IKE_RATE;
	first = now + IKE_SOURCE_STEP_NS;
	if (!own)
		bpf_map_update_elem(&ike_sources, source, &first, BPF_ANY);
	return VERDICT_PASS;
}

#endif
