/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The daemon's local socket: one JSON request a line, one JSON answer a line. {"verb":"status"} ->
 * {"ok":true,"status":{…}}; {"verb":"up","name":"…"} -> {"ok":true} or {"ok":false,"error":"…"}.
 * Mode 0600, and only root or the daemon's own user is heard.
 */
#ifndef XGW_LOADER_CONTROL_SOCKET_H
#define XGW_LOADER_CONTROL_SOCKET_H

#include "base/fault.h"
#include "loader/instance.h"

#include <event2/event.h>
#include <jansson.h>

struct control_socket;

/* Answers a request; the returned object is the socket's. Never NULL unless memory ran out. */
typedef json_t *control_answer(void *owner, const json_t *request);

int must_check control_socket_open(struct control_socket **out, struct event_base *base,
				   const struct instance *i, control_answer *answer, void *owner,
				   struct fault *f);
/* Closes and removes it. */
void control_socket_close(struct control_socket *c);

/*
 * A command's side: asks the daemon of the instance. Takes the request; *out is the caller's.
 * -ECONNREFUSED with a fault when no daemon runs; -EREMOTEIO with the daemon's own words when it
 * refuses.
 */
int must_check control_ask(const struct instance *i, json_t *request, json_t **out,
			   struct fault *f);

#endif
