/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What XDP drops, for `xgw capture`. Only the way of dropped packets asks for it, so that others
 * cost nothing. A full ring loses records, and nobody waits for it.
 */
#ifndef XGW_BPF_CAPTURE_H
#define XGW_BPF_CAPTURE_H

#include "packet.h"

static __always_inline __u32 connection_of(const struct packet *p)
{
	return p->sa ? p->sa->connection : p->hop ? p->hop->connection : 0;
}

/* What has no connection yet is for the daemon to judge: it may come from that one's peer. */
static __always_inline bool capture_wanted(__u32 connection)
{
	__u32 key = 0;
	const struct xgw_config *c = bpf_map_lookup_elem(&config, &key);

	return c && c->capture &&
	       (!connection || c->capture == XGW_CAPTURE_ALL || c->capture == connection);
}

static __always_inline void capture_drop(const struct packet *p, __u32 reason)
{
	/* not what was put in front of it before it was dropped */
	__u32 skip = p->shift < 0 ? (__u32)-p->shift : 0, connection = connection_of(p);
	__u32 n = p->len;
	struct xgw_captured *r;

	if (!capture_wanted(connection))
		return;
	r = bpf_ringbuf_reserve(&captures, sizeof(*r), 0);
	if (!r)
		return;
	if (n > sizeof(r->bytes))
		n = sizeof(r->bytes);
	if (!size_is_within(n, sizeof(r->bytes), &n) ||
	    bpf_xdp_load_bytes(p->xdp, skip, r->bytes, n))
		n = 0;
	r->at_ns = bpf_ktime_get_ns();
	r->port_id = p->port->id;
	r->connection = connection;
	r->vnet = p->in ? p->in->vnet : 0;
	r->drop = (__u16)reason;
	r->l3 = (__u16)p->l3;
	r->len = p->len;
	r->kept = n;
	bpf_ringbuf_submit(r, BPF_RB_NO_WAKEUP);
}

#endif
