/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Endpoints that traffic taught: how many each VNet may have, and forgetting those that were not
 * heard for long. XDP writes them (bpf/learn.h); the daemon looks at a bounded part each second.
 */
#ifndef XGW_LOADER_LEARNING_H
#define XGW_LOADER_LEARNING_H

#include "loader/places.h"
#include "maps/maps.h"

struct learning;

/* Limits into the map `learnt`, for attachments alone too. 0 or -errno with a fault. */
int must_check learning_limits(const struct maps *maps, const struct model *m, struct fault *f);
/* n endpoints of the VNet are no longer learnt ones. */
void learning_let_go(const struct maps *maps, uint32_t vnet, uint32_t n);

/* Asks a host of a VLAN attachment for a sign of life. */
typedef void learning_ask(void *owner, const struct place *p, const struct ip_addr *a);

/* NULL: no memory. */
struct learning *learning_new(const struct maps *maps, learning_ask *ask, void *owner);
void learning_free(struct learning *l);
/* The configuration is another: what it no longer lets be learnt is forgotten soon. */
void learning_changed(struct learning *l);
/* Each second. */
void learning_second(struct learning *l, const struct places *places, uint64_t now_ns);

#endif
