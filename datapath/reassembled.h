/* SPDX-License-Identifier: Apache-2.0 */
/* ESP packets that came in pieces and were put together by the kernel, on their way to worker 0. */
#ifndef XGW_DATAPATH_REASSEMBLED_H
#define XGW_DATAPATH_REASSEMBLED_H

#include "datapath/datapath_internal.h"

/* 0 or -ENOMEM. */
int must_check reassembled_start(struct datapath *d);
void reassembled_stop(struct datapath *d);
/* Worker 0, once a round: takes what waits to inbound. How many. */
unsigned reassembled_take(struct worker *w);

#endif
