/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Another configuration for the running gateway, by its difference. It is read, judged and compared
 * in a thread of its own; the loop only carries out what differs, in pieces, so that neither IKE
 * nor a packet waits. What did not change is not touched. Up to the last step every failure leads
 * back to the configuration of before.
 */
#ifndef XGW_LOADER_RELOAD_H
#define XGW_LOADER_RELOAD_H

#include "loader/daemon.h"

#include <jansson.h>

struct reload;

/* path: of the configuration in force. */
int must_check reload_open(struct reload **out, struct daemon *d, const char *path,
			   struct fault *f);
/* Waits for a thread under way. */
void reload_close(struct reload *r);
/* {"verb":"reload"[,"path":FILE]}: the client gets its answer when all is done (NULL now), or a
 * refusal at once. */
json_t *reload_order(struct reload *r, const json_t *request);
/* SIGHUP: the file in force again; behind one under way. */
void reload_again(struct reload *r);
/* While one is under way nobody else may change the model or the plan. */
bool reload_busy(const struct reload *r);

#endif
