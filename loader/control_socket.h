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

#include <event2/buffer.h>
#include <event2/event.h>
#include <jansson.h>

struct control_socket;

/* Answers a request; the returned object is the socket's. NULL: memory ran out, or the client is
 * kept (control_socket_keep) and gets its answer later (control_client_answer). */
typedef json_t *control_answer(void *owner, const json_t *request);

int must_check control_socket_open(struct control_socket **out, struct event_base *base,
				   const struct instance *i, control_answer *answer, void *owner,
				   struct fault *f);
/* Closes and removes it. */
void control_socket_close(struct control_socket *c);

/*
 * For an answer that goes on: only while `answer` runs, keeps its client's connection open behind
 * the answer's line. ended() is called once, when the client has gone or says that it is enough.
 */
struct control_client;
struct control_client *control_socket_keep(struct control_socket *c, void (*ended)(void *owner),
					   void *owner);
/* Takes the bytes over. */
void control_client_write(struct control_client *c, struct evbuffer *bytes);
/* How much is still on its way to the client. */
size_t control_client_backlog(const struct control_client *c);
/* The answer of a client that was kept without one, and the end. Takes the object. */
void control_client_answer(struct control_client *c, json_t *response);
/* Nothing follows; ended() is not called any more. The client is gone with the last byte. */
void control_client_finish(struct control_client *c);

/*
 * A command's side: as control_ask, for an answer that goes on: *fd, the caller's, gives its bytes.
 */
int must_check control_follow(const struct instance *i, json_t *request, int *fd, struct fault *f);
/*
 * A command's side: asks the daemon of the instance. Takes the request; *out is the caller's.
 * -ECONNREFUSED with a fault when no daemon runs; -EREMOTEIO with the daemon's own words when it
 * refuses.
 */
int must_check control_ask(const struct instance *i, json_t *request, json_t **out,
			   struct fault *f);
/* The same with patience, and with the whole answer when the daemon refuses (-EREMOTEIO): *out. */
int must_check control_ask_long(const struct instance *i, json_t *request, unsigned seconds,
				json_t **out, struct fault *f);

#endif
