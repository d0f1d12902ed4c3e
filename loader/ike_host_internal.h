/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the host of IKE share. */
#ifndef XGW_LOADER_IKE_HOST_INTERNAL_H
#define XGW_LOADER_IKE_HOST_INTERNAL_H

#include "base/log.h"
#include "loader/clients.h"
#include "loader/credentials.h"
#include "loader/ike_host.h"

#include <sys/socket.h>

#define CHILDREN_MAX 32768 /* half of the data path's room: the rest is for replacing them */

struct ike_socket {
	struct ike_host *host;
	struct ip_endpoint local;
	bool away; /* the gateway of this address stands by */
	int fd;
	struct event *readable;
	struct ike_socket *next;
};

struct ike_host {
	struct ike_host_options o;
	struct ike *engine;
	struct credentials *credentials; /* outlive the engine, which borrows them */
	struct clients *clients;
	struct ike_effects effects;
	struct event *timer;
	struct event *starter;
	uint32_t next_start; /* of the plan's connections: the first that was not started yet */
	uint32_t next_wake;  /* the first that was not looked at since a gateway took over */
	uint64_t unheard;
	bool mobike;
	struct ike_socket *sockets;
	void *socket_tree; /* of the same, by address and port (tsearch(3)) */
	struct log_limit limit;
	struct ike_watch watch; /* datagram NULL: nobody */
	uint8_t *buffer;
};

/* ike_host.c: effects are carried out, the timer is set */
void ike_host_settle(struct ike_host *h);
void ike_host_on_datagram(evutil_socket_t fd, short what, void *socket);
/* Of the model and the plan by index; `change`: the template is there already. With a fault. */
int must_check ike_host_add_connection(struct ike_host *h, uint32_t i, struct fault *f);
void ike_host_start_connection(struct ike_host *h, uint32_t i);
/* Those that the start has not come to yet. */
void ike_host_start_rest(struct ike_host *h);
/* Connections of gateways that work, where they stood by: soon, and so many at a time. */
void ike_host_wake(struct ike_host *h);
int must_check ike_host_add_template(struct ike_host *h, uint32_t gateway, bool change,
				     struct fault *f);

/* ike_sockets.c */
socklen_t ike_socket_address(struct sockaddr_storage *out, const struct ip_endpoint *e);
const struct ike_socket *ike_socket_find(const struct ike_host *h, const struct ip_endpoint *local);
/* At every gateway's public address of this model; on failure those that it opened are closed. */
int must_check ike_sockets_open(struct ike_host *h, const struct model *m, struct fault *f);
/* Listens at every address there is, and no longer at those that are gone and not configured. */
void ike_sockets_follow(struct ike_host *h, const struct ip_addr *own, unsigned n);
void ike_sockets_close(struct ike_host *h);
void ike_sockets_away(struct ike_host *h, const struct ip_addr *address, bool away);

#endif
