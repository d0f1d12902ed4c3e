/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frames of a worker's UMEM and its AF_XDP sockets. A frame is 4 KiB; the kernel writes what
 * arrives behind FRAME_HEADROOM, so that every outer header fits in front. One thread owns all of
 * it.
 */
#ifndef XGW_DATAPATH_FRAMES_H
#define XGW_DATAPATH_FRAMES_H

#include "base/fault.h"
#include "datapath/transmit.h"

#include <stdbool.h>
#include <stdint.h>
#include <xdp/xsk.h>

#define FRAME_SIZE     4096u
#define FRAME_HEADROOM 256u
#define SOCKET_BATCH   256u

struct frames {
	uint8_t *area;
	uint64_t bytes;
	struct xsk_umem *umem;
	uint64_t *free; /* a stack of frame addresses */
	uint32_t n_free, n;
};

/* One socket: a queue of a port. */
struct queue {
	struct xsk_socket *xsk;
	struct xsk_ring_cons rx, comp;
	struct xsk_ring_prod tx, fill;
	int fd;
	uint32_t port; /* index in the options */
	uint32_t port_id, queue;
	bool zero_copy;
	/* sends in bulk by XDP while the device takes that; NULL: never */
	struct transmit *transmit;
	const _Atomic bool *transmit_ready;
	uint32_t ifindex;
	uint64_t by_xdp;    /* packets that went so */
	uint32_t fill_max;  /* frames it may hold for receiving, so that no queue starves another */
	uint32_t in_flight; /* frames the kernel has for sending */
	uint32_t n_batch;   /* frames written, not yet on the ring */
	struct xdp_desc batch[SOCKET_BATCH];
};

/* 0, -ENOMEM. n: a power of two. map_fd: of the map `frames` of XDP transmission whose memory they
 * are, -1 for memory of their own. */
int must_check frames_init(struct frames *f, uint32_t n, int map_fd, struct fault *why);
void frames_free_all(struct frames *f);
static inline bool frames_take(struct frames *f, uint64_t *frame)
{
	if (!f->n_free)
		return false;
	*frame = f->free[--f->n_free];
	return true;
}
static inline void frames_give(struct frames *f, uint64_t addr)
{
	f->free[f->n_free++] = addr & ~(uint64_t)(FRAME_SIZE - 1);
}

struct queue_options {
	const char *device;
	uint32_t queue, ring;
	bool zero_copy, busy_poll;
};
/* Binds in the mode asked for. The first queue of a worker makes the UMEM, whose mode all others
 * share. */
int must_check queue_open(struct queue *q, struct frames *f, const struct queue_options *o,
			  struct fault *why);
void queue_close(struct queue *q);

/* Packets that the kernel had no frame or no place on the ring for, since the socket was made. */
uint64_t queue_missed(const struct queue *q);
/* Takes back what was sent. */
void queue_reap(struct queue *q, struct frames *f);
/* Gives the kernel frames to receive into. */
void queue_refill(struct queue *q, struct frames *f);
/* Up to n descriptors; their frames are the caller's. */
uint32_t queue_receive(struct queue *q, struct xdp_desc *out, uint32_t n);
/*
 * Appends a packet to the batch, which is flushed when it is full; the frame is the queue's.
 * Returns how many packets found no room on the ring.
 */
uint32_t queue_send(struct queue *q, struct frames *f, uint64_t addr, uint32_t len,
		    uint64_t *wakeups);
/* True while the kernel has not taken all that is on the ring. */
bool queue_unsent(const struct queue *q);
/* Puts the batch on the ring and wakes the kernel when it asks for that. Frames that found no room:
 * their number, and they are freed. Bounded: a device that takes nothing costs a fixed number of
 * attempts. */
uint32_t queue_flush(struct queue *q, struct frames *f, uint64_t *wakeups);

#endif
