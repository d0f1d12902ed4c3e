/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The host of SSTP (p2s/sstp.h): TCP 443 on the gateways' public addresses, TLS by OpenSSL, timers,
 * and packets between clients and the data path.
 */
#ifndef XGW_LOADER_SSTP_H
#define XGW_LOADER_SSTP_H

#include "loader/clients.h"

#include <event2/event.h>

struct sstp_host;

struct sstp_host_options {
	struct event_base *base;
	const struct model *model;
	struct clients *clients; /* outlive it, or are replaced by sstp_host_follow() */
	struct datapath *datapath;
};

/* Listens where a gateway has SSTP among its protocols. */
int must_check sstp_host_start(struct sstp_host **out, const struct sstp_host_options *o,
			       struct fault *f);
/* Tells the clients that all is over. */
void sstp_host_shutdown(struct sstp_host *h);
void sstp_host_free(struct sstp_host *h);

/*
 * ---- another configuration while it runs ----
 *
 * First what may fail, with a fault and without effect: sockets and TLS.
 */
int must_check sstp_host_prepare(struct sstp_host *h, const struct clients_change *x,
				 struct fault *f);
/* Ends the sessions that have no place in the new one. The host's model is still that of before. */
void sstp_host_withdraw(struct sstp_host *h, const struct clients_change *x);
/* The model is the new one, `clients` what became of all: sessions go on, new doors open. */
int must_check sstp_host_follow(struct sstp_host *h, struct clients *clients, struct fault *f);
/* What was prepared, when nothing comes of it; else nothing. */
void sstp_host_abandon(struct sstp_host *h);

/* The gateway of this address stands by: its clients' sessions end. Nobody comes to it then. */
void sstp_host_stand_by(struct sstp_host *h, const struct ip_addr *address, const char *why);

struct sstp_client_status {
	const char *user, *method, *correlation, *tls;
	struct ip_endpoint remote;
	uint64_t since_ns;
	bool connected;
};
/* -ENOENT. */
int sstp_host_status(const struct sstp_host *h, uint32_t connection,
		     struct sstp_client_status *out);
/* Ends a client's session; `why` is for people. -ENOENT. */
int sstp_host_disconnect(struct sstp_host *h, uint32_t connection, const char *why);

/* X(id, name in status, what is counted) */
#define SSTP_HOST_COUNTERS(X)                                                            \
	X(accepted, "accepted", "TCP connections")                                       \
	X(tls_failed, "tlsFailed", "TLS handshakes that failed")                         \
	X(too_slow, "tooSlow", "TLS handshakes and requests that were not done in time") \
	X(refused_source, "refusedSource",                                               \
	  "connections above what one source may have before it authenticates")          \
	X(refused_full, "refusedFull",                                                   \
	  "connections that were given up for newer ones, or found no room")             \
	X(not_sstp, "notSstp", "requests of other programs")                             \
	X(authentication_failed, "authenticationFailed",                                 \
	  "clients that did not authenticate, or without crypto binding")                \
	X(connected, "connected", "calls that were connected")                           \
	X(early, "early", "packets before the call was connected, dropped")              \
	X(unread, "unread", "clients that did not read what they were sent")
enum sstp_host_counter {
#define X(id, name, text) SSTP_COUNT_##id,
	SSTP_HOST_COUNTERS(X)
#undef X
		SSTP_COUNTERS
};
uint64_t sstp_host_count(const struct sstp_host *h, enum sstp_host_counter c);
const char *sstp_host_counter_name(enum sstp_host_counter c);
/* Connections that have not authenticated yet. */
unsigned sstp_host_half_open(const struct sstp_host *h);

#endif
