/* SPDX-License-Identifier: Apache-2.0 */
/* A packet as a host of a virtual network would send it, framed as its attachment wants it. */
#ifndef XGW_LOADER_PROBE_H
#define XGW_LOADER_PROBE_H

#include "base/addr.h"

#include <stddef.h>
#include <stdint.h>

#define PROBE_FRAME 256

struct probe {
	uint32_t kind, tag; /* enum xgw_tag */
	struct ip_addr from, to;
	struct ip_addr from_vtep, to_vtep; /* vxlan */
	uint16_t vxlan_port;		   /* vxlan, host order */
	uint8_t to_mac[6];
};
/* An empty UDP datagram to port 9. Length of the frame; 0 when addresses do not fit together. */
size_t probe_frame(uint8_t out[PROBE_FRAME], const struct probe *p);

#endif
