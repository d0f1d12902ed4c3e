/* SPDX-License-Identifier: Apache-2.0 */
/* The built-in benchmarks of `xgw bench`: each appends its results, as CONTRACT section 1 gives
 * them. */
#ifndef XGW_LOADER_BENCH_H
#define XGW_LOADER_BENCH_H

#include "base/fault.h"

#include <jansson.h>

/*
 * The ESP transform beside the raw library call on the same buffers in the same bursts,
 * interleaved; medians. Takes some twenty seconds of one core. `results` is an array. 0, -ENOMEM or
 * what a back end said.
 */
int must_check bench_esp(json_t *results, struct fault *f);
/* The XDP programs' decision by test run on maps of its own: nothing is attached. Needs root. */
int must_check bench_xdp(json_t *results, struct fault *f);
/* Handshakes of two IKE engines in memory beside OpenSSL's operations alone. 0, -ENOMEM or what the
 * engine said. */
int must_check bench_ike(json_t *results, struct fault *f);

#endif
