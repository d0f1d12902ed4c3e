/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Which VNet a frame came into: by its VLAN tag, its VXLAN network identifier, or neither. */
#ifndef XGW_BPF_ATTACHMENT_H
#define XGW_BPF_ATTACHMENT_H

#include "memory.h"
#include "parse.h"

#define VXLAN_PORT bpf_htons(4789)

struct vxlan_hdr {
	__be32 flags;
	__be32 vni; /* and 8 reserved bits */
};

static __always_inline const struct xgw_attachment *attachment_by_id(__u32 id)
{
	const struct xgw_attachment *a = bpf_map_lookup_elem(&attachments, &id);

	/* an array's entries always exist: one with id 0 stands for none */
	return a && a->id ? a : NULL;
}

static __always_inline const struct xgw_attachment *attachment_find(struct packet *p, __u32 kind,
								    __u32 tag)
{
	__u32 id = tag_find(p, kind, tag);

	return id ? attachment_by_id(id) : NULL;
}

/*
 * Outer IP of an untagged frame parsed in p->ip. 0 and p->in set: decapsulated as far as l2, l3 and
 * limit go, p->ip still that of the outer packet. 0 without: no VXLAN of ours, perhaps the
 * kernel's.
 */
static __always_inline int vxlan_find(struct packet *p, bool is_strict)
{
	const struct xgw_attachment *a;
	const struct udphdr *udp;
	const struct vxlan_hdr *vxlan;
	const struct ethhdr *inner;
	__u32 len;

	if (p->ip.protocol != PROTO_UDP || p->ip.headless)
		return 0;
	udp = packet_at(p, p->ip.l4, sizeof(*udp) + sizeof(*vxlan));
	if (!udp)
		return 0;
	vxlan = (const void *)(udp + 1);
	/* RFC 7348 section 5: only the flag I; cheap enough to ask of every datagram */
	if (vxlan->flags != bpf_htonl(0x08000000))
		return 0;
	a = attachment_find(p, XGW_TAG_VXLAN, bpf_ntohl(vxlan->vni) >> 8);
	if (!a)
		return is_strict && udp->dest == VXLAN_PORT ? XGW_DROP_NO_ATTACHMENT : 0;
	if (a->vxlan_port_be != udp->dest)
		return 0;
	if (!same_addr(a->local_vtep, p->ip.destination))
		return XGW_DROP_VTEP;
	if (p->ip.fragment)
		return XGW_DROP_FRAGMENT;
	len = bpf_ntohs(udp->len);
	if (len < sizeof(*udp) + sizeof(*vxlan) || p->ip.l4 + len > p->ip.end)
		return XGW_DROP_MALFORMED;
	p->limit = p->ip.l4 + len;
	p->l2 = p->ip.l4 + sizeof(*udp) + sizeof(*vxlan);
	inner = HEADER(p, p->l2, struct ethhdr);
	if (!inner || p->l2 + sizeof(*inner) > p->limit)
		return XGW_DROP_TRUNCATED;
	p->l3 = p->l2 + sizeof(*inner);
	p->proto = inner->h_proto;
	copy_addr(p->vtep, p->ip.source);
	p->in = a;
	return 0;
}

#endif
