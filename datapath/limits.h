/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Gateways as the workers see them: whose connections are whose, the rate they share (rate.h), and
 * what they carried.
 */
#ifndef XGW_DATAPATH_LIMITS_H
#define XGW_DATAPATH_LIMITS_H

#include "datapath/datapath_internal.h"

enum limits_direction { LIMITS_IN, LIMITS_OUT };

/*
 * Counts the inner bytes of a burst (e[i].len) for its gateways and drops what is above their
 * rates: before encryption, so that no sequence number is taken for nothing, and after decryption,
 * so that only what is authentic uses the rate up. Packets with e[i].drop are left alone. The rest
 * moves together; path may be NULL. Returns how many are left.
 */
unsigned limits_apply(struct worker *w, enum limits_direction direction, struct packet *p,
		      struct esp_packet *e, const struct outbound **path, unsigned n);
/* No worker runs any more. */
void limits_free(struct datapath *d);

#endif
