/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the router share. */
#ifndef XGW_LOADER_ROUTER_INTERNAL_H
#define XGW_LOADER_ROUTER_INTERNAL_H

#include "loader/router.h"

/* 0, or -EINVAL, -EADDRINUSE with a fault: what the kernel or BIRD would only stumble over. */
int must_check router_check(const struct router_spec *s, struct fault *f);
/* BIRD's configuration of it; *out is the caller's and has secrets. As bird_config(). */
int must_check router_text(char **out, const struct router_spec *s, const char *log,
			   struct fault *f);
void router_text_free(char *text);

#endif
