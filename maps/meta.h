/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What XDP tells the worker about a packet: written in front of the Ethernet header with
 * bpf_xdp_adjust_head() (not as XDP metadata, which some drivers do not carry to AF_XDP), so the
 * frame that reaches the socket is this struct, then the frame as it came: outer headers of VXLAN
 * are left in front of the inner packet, as room for the worker's own. XDP has not touched the
 * packet: TTL and hop limit are the worker's to decrement, and the L4 checksum of a packet to
 * encrypt may still be partial (a sender on a veth leaves it to the "NIC"; XDP looks for that only
 * when it forwards by itself, and then hands over with XGW_META_FORWARD).
 */
#ifndef XGW_MAPS_META_H
#define XGW_MAPS_META_H

#include "maps/layout.h"

#define XGW_META_MAGIC 0x7867u

enum xgw_meta_kind {
	XGW_META_ENCRYPT = 1, /* inner packet for a tunnel */
	XGW_META_DECRYPT,     /* ESP for an SA of ours */
	XGW_META_FORWARD,     /* local forwarding that XDP does not do: a partial L4 checksum is
				 completed, what is too big cut, or its sender told, as when the
				 time to live ended */
};

struct xgw_meta {
	__u16 magic;
	__u8 kind;   /* enum xgw_meta_kind */
	__u8 family; /* of the packet at l3: 4 or 6 */
	__u16 l3;  /* offset of the IP header (inner one for encrypt) from the end of this struct */
	__u16 esp; /* decrypt: offset of the ESP header from the end of this struct */
	/* decrypt: VNet of the SA; else the one it came from, or, out of a circuit, the next hop's
	 */
	__u32 vnet;
	__u32 connection; /* tunnel */
	__u32 slot;	  /* decrypt: SA slot */
	__u32 attachment; /* encrypt: where it came in, for ICMP answers */
	__u32 port_id;
	__u32 next_hop; /* forward: that XDP found, in `next_hops`; a choice is still to be made */
};
XGW_LAYOUT(struct xgw_meta, 32);

#endif
