/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The one way in and the one exit of every packet: counters, drop reasons, explanations. */
#ifndef XGW_BPF_VERDICT_H
#define XGW_BPF_VERDICT_H

#include "bpf/packet.h"

static __always_inline void count(struct xgw_count *c, __u64 bytes)
{
	c->packets++;
	c->bytes += bytes;
}

/* False when this interface is not a port of ours: the packet is the kernel's. */
static __always_inline bool begin(struct packet *p, struct xdp_md *ctx)
{
	__u32 ifindex = ctx->ingress_ifindex;
	p->ctx = ctx;
	p->h.len = frame_len(p->ctx);
	p->port = bpf_map_lookup_elem(&ports, &ifindex);
	if (!p->port)
		return false;
	/* a test run explains itself when it brings a trace to fill in (maps/layout.h) */
	struct xgw_trace *t = (void *)(long)ctx->data_meta;
	if ((void *)(t + 1) <= (void *)(long)ctx->data && t->magic == XGW_TRACE_MAGIC)
		p->tracing = true;
	return true;
}

static __always_inline int explain(struct packet *p, int verdict)
{
	struct xgw_trace *t = (void *)(long)p->ctx->data_meta;
	if ((void *)(t + 1) > (void *)(long)p->ctx->data)
		return XDP_ABORTED;
	*t = p->trace;
	t->magic = XGW_TRACE_MAGIC;
	t->vnet = p->in ? p->in->vnet : 0;
	if (verdict < (int)XGW_DROP_SLOTS) {
		t->verdict = 0;
		t->drop = verdict;
	} else if (verdict == VERDICT_PASS) {
		t->verdict = XGW_TRACE_PASS;
	}
	return verdict < (int)XGW_DROP_SLOTS ? XDP_DROP : XDP_PASS;
}

static __always_inline int finish(struct packet *p, int verdict)
{
	if (p->tracing)
		return explain(p, verdict);
	__u32 id = p->port->id;
	struct xgw_traffic *t = bpf_map_lookup_elem(&traffic, &id);
	if (t)
		count(&t->received, p->h.len);
	switch (verdict) {
	case VERDICT_PASS:
		if (t)
			count(&t->passed, p->h.len);
		return XDP_PASS;
	case VERDICT_FORWARDED:
		if (t)
			count(&t->forwarded, p->h.len);
		return p->action;
	case VERDICT_WORKER:
		if (t)
			count(&t->to_worker, p->h.len);
		return p->action;
	case VERDICT_ANSWERED:
		if (t)
			count(&t->answered, p->h.len);
		return p->action;
	}
	if (t)
		count(&t->dropped, p->h.len);
	__u32 slot = id * XGW_DROP_SLOTS + ((__u32)verdict & (XGW_DROP_SLOTS - 1));
	struct xgw_count *c = bpf_map_lookup_elem(&drops, &slot);
	if (c)
		count(c, p->h.len);
	return XDP_DROP;
}

#endif
