/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Events to the daemon: best effort, and bounded, as anyone who sends packets can cause them. One
 * gate per hash of the address lets one event through in 100 ms.
 */
#ifndef XGW_BPF_EVENT_H
#define XGW_BPF_EVENT_H

#include "packet.h"

#define EVENT_GATES	  1024
#define EVENT_INTERVAL_NS 100000000ull

__u64 event_gates[EVENT_GATES];

static __always_inline bool event_may_pass(const struct xgw_event *e)
{
	const __u32 *w = (const __u32 *)e->addr;
	__u32 hash = w[0] ^ w[1] ^ w[2] ^ w[3] ^ e->vnet ^ e->ifindex ^ e->kind << 28;
	__u64 now = bpf_ktime_get_ns();
	__u64 *gate;

	hash *= 0x9e3779b1u;
	gate = &event_gates[(hash >> 16) & (EVENT_GATES - 1)];
	if (*gate && now - *gate < EVENT_INTERVAL_NS)
		return false;
	*gate = now;
	return true;
}

static __always_inline void event_emit(__u32 kind, __u32 vnet, __u32 attachment, __u32 ifindex,
				       const void *addr)
{
	struct xgw_event e = {
		.kind = kind, .vnet = vnet, .attachment = attachment, .ifindex = ifindex};

	__builtin_memcpy(e.addr, addr, 16);
	if (event_may_pass(&e))
		bpf_ringbuf_output(&events, &e, sizeof(e), 0);
}

static __always_inline void event_send(const struct packet *p, __u32 kind, __u32 vnet,
				       __u32 attachment, __u32 ifindex, const void *addr)
{
	if (!p->tracing)
		event_emit(kind, vnet, attachment, ifindex, addr);
}

#endif
