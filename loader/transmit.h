/* SPDX-License-Identifier: Apache-2.0 */
/* Loads the program that sends by XDP, once for each worker; says which devices take its frames. */
#ifndef XGW_LOADER_TRANSMIT_H
#define XGW_LOADER_TRANSMIT_H

#include "datapath/transmit.h"

/*
 * Makes a worker's maps, for a UMEM of `frames`, and its program. The descriptors are the caller's;
 * nothing else stays behind, also when the process is killed. Linux 5.18 or later.
 */
int must_check transmit_open(uint32_t frames, struct transmit_fds *out, struct fault *f);

/*
 * True when the device takes XDP frames that come from elsewhere now (NETDEV_XDP_ACT_NDO_XMIT of
 * the kernel's netdev family, Linux 6.3): a veth only while something at its other end polls.
 */
bool transmit_device_ready(uint32_t ifindex);

#endif
