/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory for packets: present from the start, out of core dumps, in huge pages where the kernel has
 * some. In pages of 4 KiB the TLB misses of a few packets cost as much as their cryptography.
 */
#ifndef XGW_DATAPATH_MEMORY_H
#define XGW_DATAPATH_MEMORY_H

#include <stddef.h>

/* Zeroed, aligned to a page at least; NULL when there is none. Freed by packet_memory_free with the
 * same length. */
void *packet_memory(size_t bytes);
/* The same of a BPF map that can be mapped; freed in the same way. bytes: whole huge pages, or
 * pages. */
void *mapped_memory(size_t bytes, int map_fd);
void packet_memory_free(void *area, size_t bytes);

#endif
