/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * For `xgw capture`: what XDP drops, and the frames of circuits' links, which nobody else sees.
 * Others cost nothing. A full ring loses records, and nobody waits for it.
 */
#ifndef XGW_BPF_CAPTURE_H
#define XGW_BPF_CAPTURE_H

#include "packet.h"

static __always_inline __u32 connection_of(const struct packet *p)
{
	return p->sa ? p->sa->connection : p->hop ? p->hop->connection : 0;
}

static __always_inline bool is_link(const struct xgw_attachment *a)
{
	return a && a->flags & XGW_ATTACHMENT_LINK;
}

/*
 * A function of its own: see struct lesson. from: where the frame begins, and its IP header from
 * there; how: the port, and what became of it, as in struct xgw_captured.
 */
#define CAPTURE_PAIR(low, high) (((low)&0xffff) | (high) << 16)
__noinline int capture_frame(struct xdp_md *xdp, __u32 from, __u32 how, __u32 connection,
			     __u32 vnet)
{
	__u32 skip = from & 0xffff, n = bpf_xdp_get_buff_len(xdp);
	struct xgw_captured *r = bpf_ringbuf_reserve(&captures, sizeof(*r), 0);

	if (!r)
		return 0;
	n = n > skip ? n - skip : 0;
	r->len = n;
	if (n > sizeof(r->bytes))
		n = sizeof(r->bytes);
	if (!size_is_within(n, sizeof(r->bytes), &n) || bpf_xdp_load_bytes(xdp, skip, r->bytes, n))
		n = 0;
	r->at_ns = bpf_ktime_get_ns();
	r->port_id = how & 0xffff;
	r->connection = connection;
	r->vnet = vnet;
	r->drop = (__u16)(how >> 16);
	r->l3 = (__u16)(from >> 16);
	r->kept = n;
	bpf_ringbuf_submit(r, BPF_RB_NO_WAKEUP);
	return 0;
}

/* What has no connection yet is for the daemon to judge: it may come from that one's peer. */
static __always_inline void capture_drop(const struct packet *p, __u32 reason)
{
	/* not what was put in front of it before it was dropped */
	__u32 skip = p->shift < 0 ? (__u32)-p->shift : 0, connection = connection_of(p);
	const struct xgw_attachment *a = !is_link(p->in) && is_link(p->out) ? p->out : p->in;

	if (p->capture &&
	    (!connection || p->capture == XGW_CAPTURE_ALL || p->capture == connection))
		capture_frame(p->xdp, CAPTURE_PAIR(skip, p->l3), CAPTURE_PAIR(p->port->id, reason),
			      connection, a ? a->vnet : 0);
}

/* A frame of the link, which is looked at before it is changed, or behind that. */
static __always_inline void capture_link(const struct packet *p, const struct xgw_attachment *link,
					 __u32 way)
{
	if (p->capture && is_link(link) &&
	    (p->capture == XGW_CAPTURE_ALL || p->capture == link->vnet))
		capture_frame(p->xdp, 0, CAPTURE_PAIR(link->port_id, way), 0, link->vnet);
}

#endif
