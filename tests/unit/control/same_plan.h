/* SPDX-License-Identifier: Apache-2.0 */
/* Whether two plans are the same in every entry and number. */
#ifndef XGW_TESTS_SAME_PLAN_H
#define XGW_TESTS_SAME_PLAN_H

#include "control/plan_internal.h"

#include <string.h>

#define SAME_ARRAY(a, b, member, count) \
	((a)->count == (b)->count &&    \
	 (!(a)->count || !memcmp((a)->member, (b)->member, (a)->count * sizeof *(a)->member)))

static bool same_plan(const struct plan *a, const struct plan *b)
{
	for (enum plan_map map = 0; map < PLAN_TABLES; map++) {
		uint32_t n = *plan_count_const(a, map);
		if (n != *plan_count_const(b, map) ||
		    (n && memcmp(*plan_array_const(a, map), *plan_array_const(b, map),
				 n * plan_table(map)->size) != 0))
			return false;
	}
	return SAME_ARRAY(a, b, connections, n_connections) &&
	       SAME_ARRAY(a, b, gateways, n_gateways) && SAME_ARRAY(a, b, places, n_places) &&
	       SAME_ARRAY(a, b, vnets, n_vnets) && SAME_ARRAY(a, b, statics, n_statics) &&
	       SAME_ARRAY(a, b, routers, n_routers) && SAME_ARRAY(a, b, peers, n_peers) &&
	       SAME_ARRAY(a, b, members, n_members) && SAME_ARRAY(a, b, follows, n_follows) &&
	       SAME_ARRAY(a, b, announced, n_announced);
}

#endif
