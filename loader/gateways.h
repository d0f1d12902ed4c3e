/* SPDX-License-Identifier: Apache-2.0 */
/* The gateways' bandwidth in the data path, and their rates of now. */
#ifndef XGW_LOADER_GATEWAYS_H
#define XGW_LOADER_GATEWAYS_H

#include "loader/daemon.h"

/* Over the last second or so. */
struct gateway_rate {
	uint64_t at_ns, bytes_in, bytes_out; /* when it was last looked at, and what it had then */
	uint64_t in_bps, out_bps;
};

/*
 * Tells the data path which connections are whose, and what they share; what was there before and
 * stays goes on counting. 0 or with a fault: nothing has changed then.
 */
int must_check gateways_set(struct daemon *d, const struct model *m, const struct plan *p,
			    struct fault *f);
/* Of a gateway of the model; NULL: not known. */
const struct gateway_rate *gateways_rate(const struct daemon *d, uint32_t gateway);
/* Once a second. */
void gateways_second(struct daemon *d);
void gateways_free(struct daemon *d);

#endif
