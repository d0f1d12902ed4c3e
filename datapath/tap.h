/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Capture points of the workers. Nobody captures nearly always: then a burst costs one look. While
 * somebody does, workers copy packets into one bounded buffer, which the loader's thread exchanges
 * for an empty one; what finds no room there is counted, and no worker waits for it.
 */
#ifndef XGW_DATAPATH_TAP_H
#define XGW_DATAPATH_TAP_H

#include "datapath/datapath_internal.h"

/* Copies the packet when its connection is captured. spi: of the child SA, 0: none. */
void tap_put(struct worker *w, enum datapath_point point, const struct packet *p, uint32_t spi,
	     enum xgw_drop why);

static inline bool tap_is_on(const struct worker *w)
{
	return __builtin_expect(
		atomic_load_explicit(&w->d->tap.connection, memory_order_relaxed) != 0, 0);
}

static inline void tap_drop(struct worker *w, const struct packet *p, enum xgw_drop why)
{
	if (tap_is_on(w))
		tap_put(w, DATAPATH_DROPPED, p, 0, why);
}

/* IP packets before their encryption, and as they came from outside. */
void tap_burst(struct worker *w, enum datapath_point point, const struct packet *p, unsigned n);

/* Frees all; no worker runs any more. */
void tap_end(struct datapath *d);

#endif
