/* SPDX-License-Identifier: Apache-2.0 */
/* Follows the addresses of this host: which gateways work here, and what is the gateway's own. */
#ifndef XGW_LOADER_TAKEOVER_H
#define XGW_LOADER_TAKEOVER_H

#include "loader/daemon.h"

/* The daemon's model and plan are new ones: who of their gateways works here. 0 or with a fault,
 * without effect. Carried out by the next takeover_look(). */
int must_check takeover_follow(struct daemon *d, struct fault *f);
/*
 * Addresses may have come or gone: gateways whose address went stand by at once, without a word to
 * anybody; those whose address came begin. rewritten: another plan was written into the maps.
 */
void takeover_look(struct daemon *d, bool rewritten);

#endif
