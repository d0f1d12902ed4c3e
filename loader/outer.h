/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the kernel says of the outer paths: routers' errors that tell a path's MTU, and ESP packets
 * that it put together out of pieces.
 */
#ifndef XGW_LOADER_OUTER_H
#define XGW_LOADER_OUTER_H

#include "base/fault.h"
#include "control/plan.h"
#include "datapath/datapath.h"

#include <event2/event.h>
#include <sys/socket.h>
#include <sys/types.h>

struct outer;

/* Raw sockets of both families; an address family that the host lacks is left out. 0 or with a
 * fault. */
int must_check outer_open(struct outer **out, struct event_base *base, struct datapath *datapath,
			  const struct model *model, const struct plan *plan, struct fault *f);
void outer_close(struct outer *o);

/* Asks for what outer_receive reads besides the bytes. */
void outer_prepare(int fd, bool v4);
struct outer_info {
	struct sockaddr_storage from;
	struct ip_addr to; /* IP_NONE: not told */
	uint8_t tos;	   /* or traffic class */
};
/* recvmsg(2), never waiting. Bytes, or -1 with errno. */
ssize_t outer_receive(int fd, void *at, size_t room, struct outer_info *out);

#endif
