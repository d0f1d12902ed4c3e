/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Sending by XDP: what a worker tells the program xgw_transmit. Where a driver has no zero copy, an
 * AF_XDP socket sends packet by packet through an skb each; a test run with live frames
 * (BPF_F_TEST_XDP_LIVE_FRAMES, Linux 5.18) gives the driver frames in bulk instead. The program
 * runs once for each order and copies a packet out of the worker's UMEM, which for that is the
 * memory of the map `frames`. One set of these maps for each worker; not pinned.
 */
#ifndef XGW_MAPS_TRANSMIT_H
#define XGW_MAPS_TRANSMIT_H

#include "maps/layout.h"

#define XGW_TRANSMIT_ORDERS 256u
#define XGW_TRANSMIT_FRAME  4096u /* value of `frames`: a UMEM frame */
#define XGW_TRANSMIT_MOST   2048u /* of offset, and of length: longer ones go by the socket */
#define XGW_TRANSMIT_SEED   64u	  /* bytes of the frame that the run begins with */

struct xgw_transmit_order {
	__u32 frame; /* index in `frames` */
	__u16 offset, len;
};

struct xgw_transmit {
	__u32 next;    /* order of the next run */
	__u32 ifindex; /* where to */
	__u32 busy;    /* a run is under way */
	__u32 cpu;     /* of the run */
	__u64 refused; /* by the program, the kernel or the driver since the worker began */
	struct xgw_transmit_order order[XGW_TRANSMIT_ORDERS];
};
XGW_LAYOUT(struct xgw_transmit_order, 8);
XGW_LAYOUT(struct xgw_transmit, 24 + 8 * 256);

#endif
