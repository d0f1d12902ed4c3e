/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* To the worker of this queue: metadata in front of the frame (maps/meta.h). */
#ifndef XGW_BPF_HANDOFF_H
#define XGW_BPF_HANDOFF_H

#include "packet.h"

static __always_inline void fill_meta(const struct packet *p, struct xgw_meta *m)
{
	m->magic = XGW_META_MAGIC;
	m->kind = p->meta_kind;
	m->family = p->ip.family;
	m->l3 = (__u16)p->l3;
	m->esp = (__u16)p->esp;
	m->vnet = 0;
	m->connection = 0;
	m->slot = 0;
	m->attachment = 0;
	m->port_id = p->port->id;
	m->next_hop = p->route ? p->route->next_hop : 0;
	if (p->sa) {
		m->vnet = p->sa->vnet;
		m->connection = p->sa->connection;
		m->slot = p->sa->slot;
	} else if (p->in) {
		/* what comes out of a circuit is answered from the network that it went into */
		m->vnet = p->in->flags & XGW_ATTACHMENT_LINK && p->hop ? p->hop->vnet : p->in->vnet;
		m->attachment = p->in->id;
		m->connection = p->hop ? p->hop->connection : 0;
	}
}

/* 0 when the metadata stands in front of the frame. */
static __always_inline int handoff_write(struct packet *p)
{
	struct xgw_meta m;
	void *at;

	fill_meta(p, &m);
	p->shift = -(int)sizeof(m);
	if (bpf_xdp_adjust_head(p->xdp, p->shift))
		return XGW_DROP_ENCAP_ROOM;
	packet_refresh(p);
	at = packet_at(p, 0, sizeof(m));
	if (!at)
		return XGW_DROP_ENCAP_ROOM;
	__builtin_memcpy(at, &m, sizeof(m));
	return 0;
}

/* A worker has a socket at this queue. */
static __always_inline bool handoff_is_possible(const struct packet *p)
{
	__u32 queue = p->xdp->rx_queue_index, key;

	if (queue >= XGW_MAX_QUEUES)
		return false;
	key = p->port->id * XGW_MAX_QUEUES + queue;
	return bpf_map_lookup_elem(&xsks, &key);
}

/* XDP_REDIRECT, or XDP_DROP where no socket listens: the kernel looks it up and says so at once. */
static __always_inline long handoff_send(const struct packet *p)
{
	__u32 queue = p->xdp->rx_queue_index;

	if (queue >= XGW_MAX_QUEUES)
		return XDP_DROP;
	return bpf_redirect_map(&xsks, p->port->id * XGW_MAX_QUEUES + queue, XDP_DROP);
}

#endif
