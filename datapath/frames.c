/* SPDX-License-Identifier: Apache-2.0 */
#include "datapath/frames.h"

#include "datapath/datapath.h"
#include "datapath/memory.h"
#include "maps/meta.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#ifndef SO_PREFER_BUSY_POLL
#define SO_PREFER_BUSY_POLL 69
#endif
#ifndef SO_BUSY_POLL_BUDGET
#define SO_BUSY_POLL_BUDGET 70
#endif
#ifndef XDP_MAX_TX_SKB_BUDGET
#define XDP_MAX_TX_SKB_BUDGET                                              \
	9 /* Linux 6.17: packets a send call takes in copy mode; 32 before \
	   */
#endif
#define SEND_BUFFER \
	(8 << 20)      /* bytes on their way in copy mode; the default holds some 90 packets */
#define WAKEUPS_MAX 64 /* send calls for one batch, 32 packets each in copy mode */

_Static_assert(XGW_TRANSMIT_FRAME == FRAME_SIZE, "frames of the map are the UMEM's");
_Static_assert(FRAME_SIZE - FRAME_HEADROOM - 256 >= DATAPATH_MTU_MAX + 32 + 14 + 8 + 70,
	       "the largest packet fits a frame");
_Static_assert(LARGE_SIZE - 2 * LARGE_HEADROOM >= DATAPATH_MTU_LARGE + 32 + 14 + 8 + 70,
	       "the largest packet fits a large buffer");
_Static_assert(LARGE_PIECES *FRAME_SIZE >= DATAPATH_MTU_LARGE + 14 + 8 + 70,
	       "the largest packet can be sent");
_Static_assert(XGW_TRANSMIT_ORDERS >= SOCKET_BATCH, "a batch is one run");

int frames_init(struct frames *f, uint32_t n, int map_fd, struct fault *why)
{
	memset(f, 0, sizeof *f);
	f->umem_bytes = (uint64_t)n * FRAME_SIZE;
	f->bytes = (uint64_t)frames_in_all(n) * FRAME_SIZE;
	f->area = map_fd < 0 ? packet_memory(f->bytes) : mapped_memory(f->bytes, map_fd);
	if (!f->area)
		return fault_set(why, -ENOMEM, "no memory for %u packet frames of %u bytes", n,
				 FRAME_SIZE);
	f->free = calloc(n, sizeof *f->free);
	f->large = calloc(frames_large(n) + 1, sizeof *f->large);
	if (!f->free || !f->large)
		return fault_set(why, -ENOMEM, "no memory for %u packet frames", n);
	for (uint32_t i = 0; i < n; i++)
		frames_give(f, (uint64_t)i * FRAME_SIZE);
	for (uint32_t i = 0; i < frames_large(n); i++)
		frames_give(f, f->umem_bytes + (uint64_t)i * LARGE_SIZE);
	f->n = n;
	return 0;
}

void frames_free_all(struct frames *f)
{
	if (f->umem)
		xsk_umem__delete(f->umem);
	packet_memory_free(f->area, f->bytes);
	free(f->free);
	free(f->large);
	memset(f, 0, sizeof *f);
}

static int make_umem(struct queue *q, struct frames *f, const struct queue_options *o,
		     struct fault *why)
{
	const struct xsk_umem_config c = {.fill_size = o->ring * 2,
					  .comp_size = o->ring,
					  .frame_size = FRAME_SIZE,
					  .frame_headroom = FRAME_HEADROOM};
	if (f->umem)
		return 0;
	int err = xsk_umem__create(&f->umem, f->area, f->umem_bytes, &q->fill, &q->comp, &c);
	if (err)
		return fault_set(why, err, "cannot register packet memory for AF_XDP: %s",
				 strerror(-err));
	return 0;
}

/*
 * Or a program that is started, which may live on without the daemon as BIRD does, would hold the
 * queue. libxdp asks for a plain socket.
 */
static void keep_to_ourselves(int fd)
{
	fcntl(fd, F_SETFD, FD_CLOEXEC);
}

static void tune(const struct queue *q, const struct queue_options *o)
{
	int budget = (int)SOCKET_BATCH, yes = 1, usec = 20, room = SEND_BUFFER;
	/* each is an improvement where the kernel knows it, and nothing is lost where it does not
	 */
	setsockopt(q->fd, SOL_XDP, XDP_MAX_TX_SKB_BUDGET, &budget, sizeof budget);
	setsockopt(q->fd, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof room);
	if (!o->busy_poll)
		return;
	setsockopt(q->fd, SOL_SOCKET, SO_PREFER_BUSY_POLL, &yes, sizeof yes);
	setsockopt(q->fd, SOL_SOCKET, SO_BUSY_POLL, &usec, sizeof usec);
	setsockopt(q->fd, SOL_SOCKET, SO_BUSY_POLL_BUDGET, &budget, sizeof budget);
}

int queue_open(struct queue *q, struct frames *f, const struct queue_options *o, struct fault *why)
{
	int err = make_umem(q, f, o, why);
	if (err)
		return err;
	struct xsk_socket_config c = {.rx_size = o->ring,
				      .tx_size = o->ring,
				      .libxdp_flags = XSK_LIBXDP_FLAGS__INHIBIT_PROG_LOAD,
				      .bind_flags = XDP_USE_NEED_WAKEUP};
	c.bind_flags |= o->zero_copy ? XDP_ZEROCOPY : XDP_COPY;
	if (f->multi_buffer)
		c.bind_flags |= XDP_USE_SG;
	err = xsk_socket__create_shared(&q->xsk, o->device, o->queue, f->umem, &q->rx, &q->tx,
					&q->fill, &q->comp, &c);
	if (err) {
		q->xsk = NULL;
		fault_set(why, err, "cannot bind an AF_XDP socket to queue %u of %s: %s", o->queue,
			  o->device, strerror(-err));
		return fault_advise(
			why,
			"another program may hold the queue; `xgw doctor` lists sockets and programs");
	}
	q->fd = xsk_socket__fd(q->xsk);
	keep_to_ourselves(q->fd);
	keep_to_ourselves(xsk_umem__fd(f->umem));
	q->queue = o->queue;
	/* what the kernel gave, not what was asked for */
	struct xdp_options given = {0};
	socklen_t len = sizeof given;
	q->zero_copy = !getsockopt(q->fd, SOL_XDP, XDP_OPTIONS, &given, &len) &&
		       given.flags & XDP_OPTIONS_ZEROCOPY;
	tune(q, o);
	return 0;
}

void queue_close(struct queue *q)
{
	if (q->xsk)
		xsk_socket__delete(q->xsk);
	q->xsk = NULL;
}

uint64_t queue_missed(const struct queue *q)
{
	struct xdp_statistics s = {0};
	socklen_t len = sizeof s;
	if (getsockopt(q->fd, SOL_XDP, XDP_STATISTICS, &s, &len))
		return 0;
	return s.rx_dropped + s.rx_ring_full;
}

void queue_reap(struct queue *q, struct frames *f)
{
	uint32_t at, n = xsk_ring_cons__peek(&q->comp, SOCKET_BATCH * 4, &at);
	at = q->comp.cached_cons - n;
	for (uint32_t i = 0; i < n; i++)
		frames_give(f, *xsk_ring_cons__comp_addr(&q->comp, at + i));
	if (n)
		xsk_ring_cons__release(&q->comp, n);
	q->in_flight -= n;
}

/* Some frames stay back for sending what workers make themselves (ICMP). */
#define FRAMES_KEPT 64u

void queue_refill(struct queue *q, struct frames *f)
{
	uint32_t held = q->fill.size - xsk_prod_nb_free(&q->fill, q->fill.size), at = 0;
	uint32_t room = held < q->fill_max ? q->fill_max - held : 0;
	uint32_t spare = f->n_free > FRAMES_KEPT ? f->n_free - FRAMES_KEPT : 0;
	uint32_t n = room < spare ? room : spare;
	if (n > SOCKET_BATCH * 4)
		n = SOCKET_BATCH * 4;
	/* in small steps the ring's cache line would travel for every packet */
	if (n < 32 || !xsk_ring_prod__reserve(&q->fill, n, &at))
		return;
	at = q->fill.cached_prod - n;
	for (uint32_t i = 0; i < n; i++)
		*xsk_ring_prod__fill_addr(&q->fill, at + i) = f->free[--f->n_free];
	xsk_ring_prod__submit(&q->fill, n);
	/* a driver that ran out of frames waits to be told of new ones */
	if (xsk_ring_prod__needs_wakeup(&q->fill))
		recvfrom(q->fd, NULL, 0, MSG_DONTWAIT, NULL, NULL);
}

uint32_t queue_receive(struct queue *q, struct xdp_desc *out, uint32_t max)
{
	uint32_t at, n = xsk_ring_cons__peek(&q->rx, max, &at);
	at = q->rx.cached_cons - n;
	for (uint32_t i = 0; i < n; i++)
		out[i] = *xsk_ring_cons__rx_desc(&q->rx, at + i);
	if (n)
		xsk_ring_cons__release(&q->rx, n);
	return n;
}

bool queue_gather(struct queue *q, struct frames *f, const struct xdp_desc *piece,
		  struct xdp_desc *whole, enum xgw_drop *why)
{
	struct gather *g = &q->gather;
	if (!g->more) {
		g->len = 0;
		g->why = frames_take_large(f, &g->buffer) ? XGW_DROP_NONE : XGW_DROP_NO_BUFFER;
	}
	g->more = piece->options & XDP_PKT_CONTD;
	if (!g->why && piece->len > LARGE_SIZE - 2 * LARGE_HEADROOM - g->len) {
		frames_give(f, g->buffer);
		g->why = XGW_DROP_FRAGMENT;
	}
	uint64_t at = g->buffer + LARGE_HEADROOM - sizeof(struct xgw_meta);
	if (!g->why) {
		memcpy(f->area + at + g->len, f->area + piece->addr, piece->len);
		g->len += piece->len;
	}
	frames_give(f, piece->addr);
	*why = g->why;
	*whole = (struct xdp_desc){.addr = at, .len = g->len};
	return !g->more;
}

bool queue_unsent(const struct queue *q)
{
	return __atomic_load_n(q->tx.consumer, __ATOMIC_ACQUIRE) != *q->tx.producer;
}

/* Wakes the kernel until it has taken what is on the ring, or an attempt brought nothing. */
static void wake(struct queue *q, uint64_t *wakeups)
{
	for (int i = 0; i < WAKEUPS_MAX && xsk_ring_prod__needs_wakeup(&q->tx); i++) {
		++*wakeups;
		ssize_t r = sendto(q->fd, NULL, 0, MSG_DONTWAIT, NULL, 0);
		/* EAGAIN: copy mode took its budget and wants another call; others: the device is
		 * down or full */
		if (r >= 0 || (errno != EAGAIN && errno != EBUSY))
			break;
		if (!queue_unsent(q))
			break;
	}
}

/* The whole batch by XDP: true when that was done, also in part. */
static bool flush_by_xdp(struct queue *q, struct frames *f, uint64_t *wakeups, uint32_t *lost)
{
	/* behind what the socket has not sent yet a packet may not overtake */
	if (!q->transmit || !atomic_load_explicit(q->transmit_ready, memory_order_relaxed) ||
	    !transmit_fits(q->transmit, q->batch, q->n_batch) || queue_unsent(q))
		return false;
	++*wakeups;
	const uint32_t n = q->n_batch;
	int refused = transmit_run(q->transmit, q->ifindex, q->batch, n);
	if (refused < 0)
		return false;
	for (uint32_t i = 0; i < q->n_batch; i++)
		frames_give(f, q->batch[i].addr);
	q->n_batch = 0;
	*lost = (uint32_t)refused;
	__atomic_store_n(&q->by_xdp, q->by_xdp + n - (uint32_t)refused, __ATOMIC_RELAXED);
	return true;
}

static bool ends_packet(const struct xdp_desc *d)
{
	return !(d->options & XDP_PKT_CONTD);
}

/* Frees what found no room. How many packets that was. */
static uint32_t give_up(struct queue *q, struct frames *f, uint32_t from)
{
	uint32_t lost = 0;
	for (uint32_t i = from; i < q->n_batch; i++) {
		frames_give(f, q->batch[i].addr);
		lost += ends_packet(&q->batch[i]);
	}
	return lost;
}

uint32_t queue_flush(struct queue *q, struct frames *f, uint64_t *wakeups)
{
	uint32_t n = q->n_batch, at = 0, lost = 0;
	if (n && flush_by_xdp(q, f, wakeups, &lost))
		return lost;
	if (!n) {
		/* what an earlier call left on the ring must not wait for the next packet */
		if (queue_unsent(q))
			wake(q, wakeups);
		return 0;
	}
	uint32_t room = xsk_prod_nb_free(&q->tx, n);
	if (room < n) {
		wake(q, wakeups);
		room = xsk_prod_nb_free(&q->tx, n);
	}
	uint32_t put = room < n ? room : n;
	/* whole packets only */
	while (put && !ends_packet(&q->batch[put - 1]))
		put--;
	if (put && xsk_ring_prod__reserve(&q->tx, put, &at)) {
		at = q->tx.cached_prod - put;
		for (uint32_t i = 0; i < put; i++)
			*xsk_ring_prod__tx_desc(&q->tx, at + i) = q->batch[i];
		xsk_ring_prod__submit(&q->tx, put);
		q->in_flight += put;
	}
	lost = give_up(q, f, put);
	q->n_batch = 0;
	wake(q, wakeups);
	queue_reap(q, f);
	return lost;
}

/* A packet in a large buffer: copied to frames, one after the other in the batch. */
static uint32_t send_large(struct queue *q, struct frames *f, uint64_t addr, uint32_t len,
			   uint64_t *wakeups)
{
	uint32_t n = (len + FRAME_SIZE - 1) / FRAME_SIZE, lost = 0;
	if (q->n_batch + n > SOCKET_BATCH)
		lost = queue_flush(q, f, wakeups);
	if (n > LARGE_PIECES || n > f->n_free || (n > 1 && !f->multi_buffer)) {
		frames_give(f, addr);
		return lost + 1;
	}
	for (uint32_t done = 0; done < len;) {
		uint32_t some = len - done < FRAME_SIZE ? len - done : FRAME_SIZE;
		struct xdp_desc d = {.addr = f->free[--f->n_free], .len = some};
		memcpy(f->area + d.addr, f->area + addr + done, some);
		done += some;
		d.options = done < len ? XDP_PKT_CONTD : 0;
		q->batch[q->n_batch++] = d;
	}
	frames_give(f, addr);
	return lost;
}

uint32_t queue_send(struct queue *q, struct frames *f, uint64_t addr, uint32_t len,
		    uint64_t *wakeups)
{
	if (__builtin_expect(addr >= f->umem_bytes, 0))
		return send_large(q, f, addr, len, wakeups);
	uint32_t lost = q->n_batch == SOCKET_BATCH ? queue_flush(q, f, wakeups) : 0;
	q->batch[q->n_batch++] = (struct xdp_desc){.addr = addr, .len = len};
	return lost;
}
