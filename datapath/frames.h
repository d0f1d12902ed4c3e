/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frames of a worker's UMEM and its AF_XDP sockets. A frame is 4 KiB; the kernel writes what
 * arrives behind FRAME_HEADROOM, so that every outer header fits in front. One thread owns all of
 * it.
 *
 * Behind the UMEM stand large buffers that the kernel does not know, a capped number. A packet of
 * several frames (AF_XDP multi-buffer) is gathered into one, since cryptography wants it in one
 * piece, and is laid over frames again when it is sent. Their addresses go on where the UMEM's end,
 * so that all others handle both alike.
 */
#ifndef XGW_DATAPATH_FRAMES_H
#define XGW_DATAPATH_FRAMES_H

#include "base/fault.h"
#include "datapath/transmit.h"
#include "esp/esp.h"
#include "maps/drops.h"

#include <stdbool.h>
#include <stdint.h>
#include <xdp/xsk.h>

#define FRAME_SIZE     4096u
#define FRAME_HEADROOM 256u
#define SOCKET_BATCH   256u
/* IP bytes for which a frame has room in front and behind */
#define FRAME_ROOM (FRAME_SIZE - 2 * FRAME_HEADROOM)
/* What the kernel may have written, metadata and all, so that a trailer fits behind it */
#define FRAME_ALONE (FRAME_SIZE - 256 - FRAME_HEADROOM - ESP_MAX_TAILROOM)
/* A large buffer. */
#define LARGE_SIZE     16384u
#define LARGE_HEADROOM 512u /* as much as XDP's and ours in a frame */
#define LARGE_SHARE    16u  /* frames of the UMEM for each: as many as jobs of a helper may hold */
#define LARGE_PIECES   4u   /* frames that a packet is sent in, at most */

#ifndef XDP_USE_SG
#define XDP_USE_SG (1 << 4) /* Linux 6.6 */
#endif
#ifndef XDP_PKT_CONTD
#define XDP_PKT_CONTD 1u
#endif

struct frames {
	uint8_t *area;
	uint64_t bytes;
	uint64_t umem_bytes; /* of them; large buffers have addresses from there on */
	struct xsk_umem *umem;
	uint64_t *free; /* a stack of frame addresses */
	uint32_t n_free, n;
	uint64_t *large; /* a stack of large buffers' addresses */
	uint32_t n_large;
	bool multi_buffer; /* its sockets take packets of several frames; set before the first */
};

/* A packet that comes in several frames, as far as it is there. */
struct gather {
	uint32_t more; /* XDP_PKT_CONTD: the next descriptor belongs to it */
	enum xgw_drop why;
	uint64_t buffer;
	uint32_t len;
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
	struct gather gather;
	uint32_t ifindex;
	uint64_t by_xdp;    /* packets that went so */
	uint32_t fill_max;  /* frames it may hold for receiving, so that no queue starves another */
	uint32_t in_flight; /* frames the kernel has for sending */
	uint32_t n_batch;   /* frames written, not yet on the ring */
	struct xdp_desc batch[SOCKET_BATCH];
};

static inline uint32_t frames_large(uint32_t n)
{
	return n / LARGE_SHARE;
}
/* Frames that the memory of a UMEM of n has room for, large buffers included. */
static inline uint32_t frames_in_all(uint32_t n)
{
	return n + frames_large(n) * (LARGE_SIZE / FRAME_SIZE);
}
/* 0, -ENOMEM. n: a power of two. map_fd: of the map `frames` of XDP transmission whose memory they
 * are (frames_in_all), -1 for memory of their own. */
int must_check frames_init(struct frames *f, uint32_t n, int map_fd, struct fault *why);
void frames_free_all(struct frames *f);
static inline bool frames_take(struct frames *f, uint64_t *frame)
{
	if (!f->n_free)
		return false;
	*frame = f->free[--f->n_free];
	return true;
}
static inline bool frames_take_large(struct frames *f, uint64_t *buffer)
{
	if (!f->n_large)
		return false;
	*buffer = f->large[--f->n_large];
	return true;
}
/* What has room for an IP packet of this length. */
static inline bool frames_take_for(struct frames *f, uint32_t len, uint64_t *frame)
{
	return len <= FRAME_ROOM ? frames_take(f, frame) : frames_take_large(f, frame);
}
/* Any address within a frame or a large buffer. */
static inline void frames_give(struct frames *f, uint64_t addr)
{
	if (__builtin_expect(addr < f->umem_bytes, 1))
		f->free[f->n_free++] = addr & ~(uint64_t)(FRAME_SIZE - 1);
	else
		f->large[f->n_large++] = addr - (addr - f->umem_bytes) % LARGE_SIZE;
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
/* True: the descriptor is a piece of a packet, or its frame leaves no room behind it for what ESP
 * adds: for queue_gather. */
static inline bool queue_in_pieces(const struct queue *q, const struct xdp_desc *d)
{
	return ((d->options | q->gather.more) & XDP_PKT_CONTD) | (d->len > FRAME_ALONE);
}
/*
 * Takes a piece; its frame is freed. True with the last one: `whole` is the packet in a large
 * buffer, which is the caller's; or `why` says why there is none: XGW_DROP_NO_BUFFER, or
 * XGW_DROP_FRAGMENT for one that no buffer holds. The pieces may come in several calls of
 * queue_receive.
 */
bool queue_gather(struct queue *q, struct frames *f, const struct xdp_desc *piece,
		  struct xdp_desc *whole, enum xgw_drop *why);
/*
 * Appends a packet to the batch, which is flushed when it is full; the frame is the queue's. One in
 * a large buffer is copied to as many frames as it needs. Returns how many packets found no room on
 * the ring, or no frames.
 */
uint32_t queue_send(struct queue *q, struct frames *f, uint64_t addr, uint32_t len,
		    uint64_t *wakeups);
/* True while the kernel has not taken all that is on the ring. */
bool queue_unsent(const struct queue *q);
/* Puts the batch on the ring and wakes the kernel when it asks for that. Packets that found no room
 * for all their frames: their number, and they are freed. Bounded: a device that takes nothing
 * costs a fixed number of attempts. */
uint32_t queue_flush(struct queue *q, struct frames *f, uint64_t *wakeups);

#endif
