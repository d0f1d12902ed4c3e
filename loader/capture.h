/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `xgw capture`: what the workers, XDP and IKE show of a connection's packets, as one pcapng for
 * each person who asks. Nobody asks nearly always, and then nothing of it runs.
 */
#ifndef XGW_LOADER_CAPTURE_H
#define XGW_LOADER_CAPTURE_H

#include "loader/daemon.h"

#include <jansson.h>

struct capture;

/*
 * Answers {"verb":"capture","name":…} (no name: all connections), during control_answer: behind a
 * good answer's line the pcapng follows, until the client ends it.
 */
json_t *capture_begin(struct daemon *d, const json_t *request);
/* Ends every capture; NULL is none. */
void capture_free(struct capture *c);

#endif
