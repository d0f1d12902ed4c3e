/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Numbers that go with names: what had one in the previous plan keeps it, what is new gets one that
 * neither plan uses, so that nothing under way under a number is ever taken for something else.
 */
#ifndef XGW_CONTROL_PLAN_IDS_H
#define XGW_CONTROL_PLAN_IDS_H

#include "base/fault.h"

#include <stdint.h>

enum plan_id_kind {
	PLAN_ID_PORT,
	PLAN_ID_GATEWAY,
	PLAN_ID_CONNECTION,
	PLAN_ID_ATTACHMENT,
	PLAN_ID_TABLE,
	PLAN_ID_CHOICE,
	PLAN_ID_APPLIANCE,
	PLAN_ID_TUN,
	PLAN_ID_DOMAIN,
	PLAN_ID_LIMITER,
	PLAN_ID_LINK_HOP,
	PLAN_ID_PEER,
	PLAN_ID_KINDS
};

struct plan_ids;

/* previous may be NULL, and is read until plan_ids_close(). NULL when there is no memory. */
struct plan_ids *plan_ids_new(const struct plan_ids *previous);
void plan_ids_free(struct plan_ids *ids);
/*
 * The number of `key`, which is unique in its kind; `of` is what plan_ids_of() will find by it.
 * 0, -ENOMEM, -ENOSPC: with what goes away in the same step all are taken.
 */
int must_check plan_ids_take(struct plan_ids *ids, enum plan_id_kind kind, const char *key,
			     uint32_t of, uint32_t *id, struct fault *f);
/* All are taken: from now on it may be a previous one. */
void plan_ids_close(struct plan_ids *ids);
/* UINT32_MAX: nobody's. */
uint32_t plan_ids_of(const struct plan_ids *ids, enum plan_id_kind kind, uint32_t id);

#endif
