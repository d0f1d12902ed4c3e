/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Asks a loaded program where it would send a packet: a test run with a struct xgw_trace as XDP
 * metadata, which makes the program fill it in and touch nothing else. Needs CAP_BPF and
 * CAP_NET_ADMIN.
 */
#ifndef XGW_MAPS_EXPLAIN_H
#define XGW_MAPS_EXPLAIN_H

#include "maps/layout.h"

#include <stddef.h>
#include <stdint.h>

#define EXPLAIN_FRAME 2048 /* longest frame taken */

/*
 * frame: from the Ethernet header on, 14 to EXPLAIN_FRAME bytes, as it would come in on ifindex
 * (of the caller's network namespace). 0, -EINVAL, -EPROTO when the program did not fill the trace
 * (it is none of ours), or the -errno of the test run.
 */
int explain_run(int prog_fd, uint32_t ifindex, const void *frame, size_t len,
		struct xgw_trace *out);

#endif
