/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TLS of SSTP's clients in a thread of its own: what a handshake computes and what bulk encrypts
 * holds up no other work of the event loop, which has streams of plain bytes instead.
 *
 * Who may do what:
 * - "The loop" is the thread that starts and stops this one. All functions here are the loop's;
 *   none of them waits for the other thread longer than it copies a few records.
 * - The thread alone touches a stream's socket, its SSL object and their events, from when
 *   sstp_stream_new() has handed them over. It calls nothing of the loop's and logs nothing.
 * - What both touch of a stream is behind the stream's lock: bytes that came (bounded; the thread
 *   stops reading), bytes to be sent (bounded; the loop is refused), and what became of it.
 * - Two mailboxes, one each way, are lists of streams that the other side is to look at; a stream
 *   stands in each at most once. Their one lock comes after a stream's.
 * - The loop lets a stream go, the thread frees it; so either may use it until then.
 * - Packets to a client do not go through the loop: the thread takes them from the data path's
 *   ring for the connection that the loop has named, under the stream's lock; so none is taken
 *   any more when sstp_stream_packets() has returned with another.
 */
#ifndef XGW_LOADER_SSTP_TLS_H
#define XGW_LOADER_SSTP_TLS_H

#include "base/fault.h"
#include "datapath/datapath.h"

#include <event2/event.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SSTP_TLS_RECORD 16384 /* bytes of a TLS record */

struct sstp_tls;
struct sstp_stream;

struct sstp_tls_options {
	struct event_base *base;
	struct datapath *datapath; /* borrowed */
	uint32_t first, n;	   /* connections that clients may have */
	/* In the loop: a stream is to be looked at. It may be let go there. */
	void (*look)(void *owner);
};
/* 0 or an error with a fault. */
int must_check sstp_tls_start(struct sstp_tls **out, const struct sstp_tls_options *o,
			      struct fault *f);
/* When all streams have been let go; what they had to send is sent as far as sockets take it. */
void sstp_tls_stop(struct sstp_tls *t);

/* Takes fd, also when it fails; the handshake begins. -ENOMEM. */
int must_check sstp_stream_new(struct sstp_stream **out, struct sstp_tls *t, SSL_CTX *ctx, int fd,
			       void *owner);
/* Lets it go: what waits is sent as far as the socket takes it at once, then all is closed. */
void sstp_stream_free(struct sstp_stream *s);

enum sstp_stream_phase {
	SSTP_STREAM_HANDSHAKE,
	SSTP_STREAM_UP,
	SSTP_STREAM_ENDED,  /* after sstp_stream_end(): all is sent */
	SSTP_STREAM_BROKEN, /* no bytes will follow those that can still be read */
};
struct sstp_stream_status {
	enum sstp_stream_phase phase;
	bool was_up;
	struct fault fault;		  /* with BROKEN: why */
	const char *version;		  /* of TLS; "" before it is up */
	bool kernel_send, kernel_receive; /* the kernel does the records of that direction */
	uint64_t packets_ns;		  /* when packets were last sent; 0: never */
};
void sstp_stream_status(struct sstp_stream *s, struct sstp_stream_status *out);
/* Moves bytes that came to `out`; how many. */
size_t sstp_stream_read(struct sstp_stream *s, uint8_t *out, size_t room);
/* To be sent in front of packets. -ENOBUFS: as much waits as may; -ENOTCONN: not up. */
int must_check sstp_stream_write(struct sstp_stream *s, const uint8_t *bytes, size_t n);
/* No more is written nor wanted. */
void sstp_stream_end(struct sstp_stream *s);
/* The connection whose packets are to be sent; 0: none. */
void sstp_stream_packets(struct sstp_stream *s, uint32_t connection);
/* It is to be looked at again, after others. */
void sstp_stream_again(struct sstp_stream *s);

#endif
