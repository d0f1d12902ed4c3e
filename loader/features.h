/* SPDX-License-Identifier: Apache-2.0 */
/* What this kernel and its devices can do, found by asking, never by version. */
#ifndef XGW_LOADER_FEATURES_H
#define XGW_LOADER_FEATURES_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/* {"release","btf","freplace","afXdp","bpffs"}; freplace is null when it cannot be asked (no
 * privilege). */
json_t *features_of_kernel(void);

/* NETDEV_XDP_ACT_* of a device, as the kernel's netdev family says (Linux 6.3 and later). */
#define FEATURE_XDP_BASIC     1u
#define FEATURE_XDP_REDIRECT  2u
#define FEATURE_XDP_NDO_XMIT  4u
#define FEATURE_XDP_ZERO_COPY 8u
#define FEATURE_XDP_FRAGS     32u
/* False when the kernel cannot say. */
bool features_of_device(uint32_t ifindex, uint64_t *out);
/* How many buffers of a packet the device takes in zero copy; 0: none, or the kernel cannot say. */
uint32_t features_segments(uint32_t ifindex);
/* True when AF_XDP sockets take packets of several buffers (Linux 6.6 and later). */
bool features_multi_buffer(void);

#endif
