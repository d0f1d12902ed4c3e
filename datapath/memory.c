/* SPDX-License-Identifier: Apache-2.0 */
#include "datapath/memory.h"

#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#define HUGE_PAGE ((size_t)2 << 20)

/* Whole huge pages: what stands around them in the mapping goes back. */
static size_t rounded(size_t bytes)
{
	size_t unit = bytes >= HUGE_PAGE ? HUGE_PAGE : 4096;
	return (bytes + unit - 1) & ~(unit - 1);
}

static void *map_aligned(size_t bytes)
{
	size_t spare = bytes >= HUGE_PAGE ? HUGE_PAGE : 0;
	uint8_t *map = mmap(NULL, bytes + spare, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (map == MAP_FAILED)
		return NULL;
	size_t front = spare ? -(uintptr_t)map & (HUGE_PAGE - 1) : 0;
	if (front)
		munmap(map, front);
	if (spare - front)
		munmap(map + front + bytes, spare - front);
	return map + front;
}

/*
 * Transparent huge pages only: reserved ones (MAP_HUGETLB) belong to whom the administrator
 * reserved them for.
 */
void *packet_memory(size_t bytes)
{
	size_t size = rounded(bytes);
	uint8_t *area = map_aligned(size);
	if (!area)
		return NULL;
	madvise(area, size, MADV_DONTDUMP);
	madvise(area, size, MADV_HUGEPAGE); /* without them it is slower, no more */
	memset(area, 0, size);		    /* present now, not at the first packet */
	return area;
}

void *mapped_memory(size_t bytes, int map_fd)
{
	void *area = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, map_fd, 0);
	if (area == MAP_FAILED)
		return NULL;
	madvise(area, bytes, MADV_DONTDUMP);
	return area;
}

void packet_memory_free(void *area, size_t bytes)
{
	if (area)
		munmap(area, rounded(bytes));
}
