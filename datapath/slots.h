/* SPDX-License-Identifier: Apache-2.0 */
/* The slots of child SAs and the ways to find one; see slots.c. */
#ifndef XGW_DATAPATH_SLOTS_H
#define XGW_DATAPATH_SLOTS_H

#include "datapath/datapath_internal.h"

/* max_slots is set. 0 or -ENOMEM; slots_stop in either case. */
int slots_start(struct datapath *d);
void slots_stop(struct datapath *d);
/* The slot that was free the longest, so that it rests before it is used again; NO_SLOT: none. */
uint32_t slots_take(struct datapath *d);
void slots_give(struct datapath *d, uint32_t slot);
/*
 * A child, which stands in d->slots[], and its tunnel's: found from now on, and no more. Its SPIs,
 * addresses and ports are those of when it was entered.
 */
void slots_enter(struct datapath *d, struct tunnel *t, const struct child *c);
void slots_leave(struct datapath *d, struct tunnel *t, const struct child *c);
/* NULL when there is none. */
struct child *slots_by_spi_in(const struct datapath *d, uint32_t spi_in);
struct child *slots_by_spi_out(const struct datapath *d, uint32_t spi_out,
			       const struct ip_addr *local, const struct ip_addr *remote);
/* A child in UDP between exactly these. */
struct child *slots_by_peer(const struct datapath *d, const struct ip_endpoint *local,
			    const struct ip_endpoint *remote);
/* The children of a tunnel, newest first. */
struct child *slots_first(const struct datapath *d, const struct tunnel *t);
struct child *slots_next(const struct datapath *d, const struct child *c);

#endif
