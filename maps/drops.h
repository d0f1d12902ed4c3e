/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The drop reasons as an enum, for both sides. Includes nothing. */
#ifndef XGW_MAPS_DROPS_H
#define XGW_MAPS_DROPS_H

enum xgw_drop {
#define DROP(id, name, severity, text) XGW_DROP_##id,
#include "maps/drops.def"
#undef DROP
	XGW_DROP_COUNT
};

#endif
