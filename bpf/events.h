/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Requests to the daemon through the ring buffer: best effort, bounded. */
#ifndef XGW_BPF_EVENTS_H
#define XGW_BPF_EVENTS_H

#include "bpf/packet.h"

/* At most one event in this time on all CPUs together: what is lost here is asked for again by the next packet. */
#define EVENT_GAP_NS 200000ull
static __u64 last_event_ns;

static __always_inline void tell(__u32 kind, __u32 vnet, __u32 attachment, __u32 ifindex, const __u8 *addr)
{
	__u64 now = bpf_ktime_get_ns();
	if (kind != XGW_EVENT_LEARNT && now - last_event_ns < EVENT_GAP_NS)
		return;
	last_event_ns = now;
	struct xgw_event *e = bpf_ringbuf_reserve(&events, sizeof *e, 0);
	if (!e)
		return;
	e->kind = kind;
	e->vnet = vnet;
	e->attachment = attachment;
	e->ifindex = ifindex;
	__builtin_memcpy(e->addr, addr, 16);
	bpf_ringbuf_submit(e, 0);
}

#endif
