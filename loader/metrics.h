/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `host.metrics`: the status document as Prometheus reads it (text exposition format 0.0.4), by
 * HTTP at one address. GET /metrics and nothing else; no secret is in it, and no password before
 * it.
 */
#ifndef XGW_LOADER_METRICS_H
#define XGW_LOADER_METRICS_H

#include "base/fault.h"

#include <event2/event.h>
#include <jansson.h>
#include <stdio.h>

/* Every family that the document has something for. Bytes of names that the format gives a meaning
 * to are escaped. */
void metrics_write(FILE *to, const json_t *document);

struct metrics;
/* Makes the document, the caller's; NULL when memory ran out. */
typedef json_t *metrics_document(void *owner);

/* address: "192.0.2.1:9187" or "[2001:db8::1]:9187", judged by the configuration's reader. */
int must_check metrics_open(struct metrics **out, struct event_base *base, const char *address,
			    metrics_document *document, void *owner, struct fault *f);
void metrics_close(struct metrics *m);

#endif
