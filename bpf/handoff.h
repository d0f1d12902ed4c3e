/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* To the worker of this queue: struct xgw_meta in front of the frame, then the AF_XDP socket. */
#ifndef XGW_BPF_HANDOFF_H
#define XGW_BPF_HANDOFF_H

#include "bpf/packet.h"

static __always_inline int hand_off(struct packet *p, struct xgw_meta *m)
{
	__u32 slot = p->port->id * XGW_MAX_QUEUES + p->ctx->rx_queue_index;
	if (p->tracing)
		return VERDICT_WORKER;
	/* asked for first, so that a missing socket has its own reason: fail closed */
	if (p->ctx->rx_queue_index >= XGW_MAX_QUEUES || !bpf_map_lookup_elem(&xsks, &slot))
		return XGW_DROP_NO_SOCKET;
	m->magic = XGW_META_MAGIC;
	m->family = p->h.family;
	m->l3 = p->h.l3;
	m->port_id = p->port->id;
	if (bpf_xdp_adjust_head(p->ctx, -(int)sizeof *m))
		return XGW_DROP_ENCAP_ROOM;
	struct xgw_meta *to = start(p->ctx);
	if (!HAS(p->ctx, to, sizeof *to))
		return XGW_DROP_ENCAP_ROOM;
	*to = *m;
	p->action = bpf_redirect_map(&xsks, slot, XDP_DROP);
	return p->action == XDP_REDIRECT ? VERDICT_WORKER : XGW_DROP_NO_SOCKET;
}

#endif
