/* SPDX-License-Identifier: Apache-2.0 */
/* Frames that ask for a link-layer address: ARP requests (RFC 826) and neighbour solicitations (RFC
 * 4861). */
#ifndef XGW_LOADER_DISCOVER_H
#define XGW_LOADER_DISCOVER_H

#include "base/addr.h"

#include <stddef.h>
#include <stdint.h>

#define DISCOVER_FRAME 96

struct discover {
	uint8_t mac[6];		       /* ours */
	uint16_t vlan;		       /* 0 = no tag */
	struct ip_addr source, target; /* of one family */
};
/* Length of the frame, 0 when the families differ. */
size_t discover_frame(uint8_t out[DISCOVER_FRAME], const struct discover *d);

#endif
