/* SPDX-License-Identifier: Apache-2.0 */
/* Sorting of long arrays that are nearly in order, or in order within groups. Stable. */
#ifndef XGW_CONTROL_SORT_H
#define XGW_CONTROL_SORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef int sort_compare(const void *a, const void *b);

/* By merging the runs that are there: one pass over what is in order. false: no memory, and the
 * order is another one. */
bool sort_runs(void *at, size_t n, size_t size, sort_compare *compare);
/*
 * The same by group (below `groups`, group[i] of element i) and within it by compare. Many small
 * groups are sorted where the processor's caches hold them. *at, from malloc, is another array
 * afterwards.
 */
bool sort_groups(void **at, size_t n, size_t size, const uint32_t *group, uint32_t groups,
		 sort_compare *compare);

#endif
