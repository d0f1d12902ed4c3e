/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The one exit of a packet: its verdict is carried out and counted, or explained. */
#ifndef XGW_BPF_VERDICT_H
#define XGW_BPF_VERDICT_H

#include "answer.h"
#include "capture.h"
#include "forward.h"
#include "handoff.h"
#include "maps/limiter.h"

/*
 * Benchmarks set this before load: the frame's head is put back after the verdict was carried out,
 * so that each repetition of a test run finds what the first one found. Costs nothing when 0.
 */
volatile const __u32 xgw_repeatable = 0;

/* Set before load where the kernel's AF_XDP sockets take packets of several buffers (Linux 6.6). */
volatile const __u32 xgw_multi_buffer = 0;

static __always_inline void add(struct xgw_count *c, __u32 bytes)
{
	c->packets++;
	c->bytes += bytes;
}

static __always_inline void count_drop(const struct packet *p, __u32 reason)
{
	__u32 key = p->port->id * XGW_DROP_SLOTS + reason;
	struct xgw_count *c = bpf_map_lookup_elem(&drops, &key);

	if (c)
		add(c, p->len);
}

static __always_inline void count(const struct packet *p, int verdict)
{
	__u32 key = p->port->id;
	struct xgw_traffic *t = bpf_map_lookup_elem(&traffic, &key);

	if (!t)
		return;
	add(&t->received, p->len);
	if (verdict == VERDICT_WORKER)
		add(&t->to_worker, p->len);
	else if (verdict == VERDICT_FORWARD)
		add(&t->forwarded, p->len);
	else if (verdict == VERDICT_PASS)
		add(&t->passed, p->len);
	else if (verdict > VERDICT_PASS)
		add(&t->answered, p->len);
	else
		add(&t->dropped, p->len);
}

/*
 * A packet in several buffers: workers take it, and forward it too, since not every device takes
 * such frames by redirect. It is not answered.
 */
static __always_inline int judge_pieces(struct packet *p, int verdict)
{
	if (!xgw_multi_buffer)
		return XGW_DROP_FRAGMENT;
	if (verdict == VERDICT_FORWARD)
		p->meta_kind = XGW_META_FORWARD;
	else if (verdict != VERDICT_WORKER)
		return XGW_DROP_FRAGMENT;
	return VERDICT_WORKER;
}

/* A function of its own: see struct lesson. 0 when the packet is above the circuit's bandwidth. */
__noinline int limiter_ask(__u32 number, __u32 bytes, __u32 is_out)
{
	struct xgw_limiter *l = bpf_map_lookup_elem(&limiters, &number);

	return !l || limiter_take(l, is_out ? &l->out : &l->in, bytes, bpf_ktime_get_ns());
}

/* A circuit's is for what it carries, either way; what routers say to each other is none of that.
 */
static __always_inline bool has_bandwidth(const struct packet *p, int verdict)
{
	__u32 bytes = p->ip.end - p->l3;

	if (p->in && p->in->limiter && !limiter_ask(p->in->limiter, bytes, false))
		return false;
	return verdict != VERDICT_FORWARD || !p->out->limiter ||
	       limiter_ask(p->out->limiter, bytes, true);
}

/* 0 when the frame is on its way, else the reason of its drop. */
static __always_inline int carry_out(struct packet *p, int verdict)
{
	__u32 ifindex = verdict == VERDICT_FORWARD ? p->out->ifindex : p->port->ifindex;
	int rc;

	if (!has_bandwidth(p, verdict))
		return XGW_DROP_CIRCUIT_RATE;
	if (verdict == VERDICT_WORKER) {
		rc = handoff_write(p);
		if (rc)
			return rc;
		if (handoff_send(p) == XDP_REDIRECT)
			return 0;
		return p->refusal ? (int)p->refusal : XGW_DROP_NO_SOCKET;
	}
	rc = verdict == VERDICT_FORWARD ? forward_write(p) : answer_write(p, verdict);
	if (rc)
		return rc;
	return bpf_redirect_map(&tx_ports, ifindex, XDP_DROP) == XDP_REDIRECT ? 0
									      : XGW_DROP_REDIRECT;
}

static __always_inline int explain(const struct packet *p, int verdict)
{
	struct xgw_trace *t = (void *)(long)p->xdp->data_meta;

	if ((void *)(t + 1) > p->data)
		return XDP_DROP;
	t->verdict = 0;
	t->drop = 0;
	t->vnet = p->in ? p->in->vnet : 0;
	t->next_hop = p->route ? p->route->next_hop : 0;
	t->connection = p->hop ? p->hop->connection : 0;
	t->attachment = p->out ? p->out->id : 0;
	t->plen = p->route ? p->route->plen : 0;
	t->source = p->route ? p->route->source : 0;
	t->family = p->route ? p->route->family : 0;
	t->flags = p->route ? p->route->flags : 0;
	if (p->from_table)
		t->flags |= XGW_TRACE_TABLE;
	if (p->sa) {
		t->vnet = p->sa->vnet;
		t->connection = p->sa->connection;
	}
	if (verdict < VERDICT_PASS)
		t->drop = (__u16)verdict;
	else if (p->hop && p->hop->kind)
		t->verdict = (__u16)p->hop->kind;
	else if (p->sa)
		t->verdict = XGW_HOP_TUNNEL;
	else
		t->verdict = verdict == VERDICT_PASS ? XGW_TRACE_PASS : XGW_HOP_GATEWAY;
	return XDP_DROP;
}

/* What became of the packet is counted; action: of what is not dropped. */
static __always_inline int conclude(const struct packet *p, int verdict, int action)
{
	if (xgw_repeatable)
		bpf_xdp_adjust_head(p->xdp, -p->shift);
	count(p, verdict);
	if (verdict == VERDICT_TAKEN)
		return XDP_DROP;
	if (verdict >= VERDICT_PASS) {
		if (verdict == VERDICT_FORWARD)
			capture_link(p, p->out, XGW_CAPTURED_OUT);
		return action;
	}
	count_drop(p, (__u32)verdict);
	capture_drop(p, (__u32)verdict);
	return XDP_DROP;
}

static __always_inline int finish(struct packet *p, int verdict)
{
	int action = XDP_PASS;

	if (p->tracing)
		return explain(p, verdict);
	if (verdict > VERDICT_PASS && verdict != VERDICT_TAKEN && !packet_is_linear(p))
		verdict = judge_pieces(p, verdict);
	if (verdict > VERDICT_PASS && verdict != VERDICT_TAKEN) {
		int rc = carry_out(p, verdict);

		if (rc)
			verdict = rc;
		action = XDP_REDIRECT;
	}
	return conclude(p, verdict, action);
}

#endif
