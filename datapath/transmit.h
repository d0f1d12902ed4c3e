/* SPDX-License-Identifier: Apache-2.0 */
/* Sending in bulk by XDP where sockets would send packet by packet: maps/transmit.h says how. */
#ifndef XGW_DATAPATH_TRANSMIT_H
#define XGW_DATAPATH_TRANSMIT_H

#include "base/fault.h"
#include "maps/transmit.h"

#include <linux/if_xdp.h>
#include <stdbool.h>
#include <stdint.h>

/* Fewer packets than this are sent sooner by the socket: a run costs as much as some ten of its. */
#define TRANSMIT_LEAST 12u

/* What the loader made for a worker. `keep`: descriptors that only have to stay open. */
struct transmit_fds {
	int program, frames, orders;
	int keep[4];
};
#define TRANSMIT_NO_FDS ((struct transmit_fds){-1, -1, -1, {-1, -1, -1, -1}})

struct transmit {
	struct transmit_fds fds;
	struct xgw_transmit *orders; /* mapped; NULL: there is none */
};

/* Takes over the descriptors, also on failure. */
int must_check transmit_init(struct transmit *t, const struct transmit_fds *fds, struct fault *f);
void transmit_free(struct transmit *t);
/* True when the packets are many and short enough. */
bool transmit_fits(const struct transmit *t, const struct xdp_desc *batch, uint32_t n);
/*
 * Sends n <= XGW_TRANSMIT_ORDERS packets of the worker's UMEM to a device. Their frames are free
 * when it returns. How many were refused, or -errno and none was sent.
 */
int transmit_run(struct transmit *t, uint32_t ifindex, const struct xdp_desc *batch, uint32_t n);

#endif
