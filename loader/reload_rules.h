/* SPDX-License-Identifier: Apache-2.0 */
/* What a running gateway cannot change. Pure functions of two models, two plans. */
#ifndef XGW_LOADER_RELOAD_RULES_H
#define XGW_LOADER_RELOAD_RULES_H

#include "control/plan.h"

#define RELOAD_REFUSALS 16

struct reload_refusals {
	size_t n;
	char line[RELOAD_REFUSALS][192];
};

/* One line for each such difference. */
void reload_refuse(struct reload_refusals *out, const struct model *was, const struct model *m);
/* The former index of a port, by its name; MODEL_NONE. */
uint32_t reload_former_port(const struct model *was, const struct model_port *p);
/* Whether the maps have room for what is added before what goes is gone. 0 or -ENOSPC. */
int must_check reload_judge_room(const struct plan *have, const struct plan_changes *changes,
				 struct fault *f);

#endif
