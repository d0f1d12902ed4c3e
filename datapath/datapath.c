/* SPDX-License-Identifier: Apache-2.0 */
/* Start and stop of the workers, events, and what status asks for. */
#include "datapath/datapath.h"
#include "base/log.h"
#include "datapath/datapath_internal.h"
#include "datapath/clients.h"
#include "datapath/handover.h"
#include "datapath/limits.h"
#include "datapath/reassembled.h"
#include "datapath/tap.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define FRAMES_DEFAULT 16384u
#define RING_DEFAULT   4096u
#define SAS_DEFAULT    65536u
#define REOPEN_TRIES   50u
#define START_TRIES    200u
#define REOPEN_WAIT_US 10000u
#define QUEUES_MAX     (XGW_MAX_PORTS * XGW_MAX_QUEUES / 8) /* of one worker */

static unsigned queues_of(const struct datapath *d, unsigned worker)
{
	unsigned n = 0;
	for (unsigned p = 0; worker < d->n_io && p < d->o.n_ports; p++)
		for (unsigned q = worker; q < d->o.port[p].queues; q += d->n_io)
			n++;
	return n;
}

static int open_queue(struct worker *w, unsigned port, unsigned queue, bool zero_copy,
		      struct fault *f)
{
	struct datapath *d = w->d;
	const struct datapath_port *p = &d->o.port[port];
	struct queue *q = &w->queues[w->n_queues];
	q->port = port;
	q->port_id = p->id;
	q->fill_max = w->frames.n / queues_of(d, w->index) / 4 * 3;
	const struct queue_options o = {.device = p->device,
					.queue = queue,
					.ring = d->o.ring,
					.zero_copy = zero_copy,
					.busy_poll = d->o.busy_poll};
	int err = queue_open(q, &w->frames, &o, f);
	if (err)
		return err;
	if (p->xdp_transmit && w->transmit.orders && !q->zero_copy) {
		q->transmit = &w->transmit;
		q->transmit_ready = &d->transmit_ready[p->id];
		q->ifindex = p->ifindex;
	}
	w->n_queues++;
	if (!w->queue_of_port[p->id])
		w->queue_of_port[p->id] = q;
	queue_refill(q, &w->frames);
	uint32_t slot = p->id * XGW_MAX_QUEUES + queue;
	err = maps_put(d->o.maps, MAPS_xsks, &slot, &q->fd);
	if (err)
		return fault_set(f, err, "cannot enter queue %u of %s into the map xsks: %s", queue,
				 p->device, strerror(-err));
	return 0;
}

static void close_queues(struct worker *w)
{
	for (unsigned i = 0; i < w->n_queues; i++) {
		uint32_t slot = w->queues[i].port_id * XGW_MAX_QUEUES + w->queues[i].queue;
		maps_delete(w->d->o.maps, MAPS_xsks, &slot);
		queue_close(&w->queues[i]);
	}
	w->n_queues = 0;
	memset(w->queue_of_port, 0, sizeof w->queue_of_port);
	/* what was looped stands in these frames */
	w->n_looped = 0;
	frames_free_all(&w->frames);
}

static bool is_large(const struct datapath *d, unsigned port)
{
	return d->o.multi_buffer && d->o.port[port].mtu > DATAPATH_MTU_MAX;
}

static bool has_large_port(const struct datapath *d)
{
	for (unsigned p = 0; p < d->o.n_ports; p++)
		if (is_large(d, p))
			return true;
	return false;
}

static int open_queues(struct worker *w, bool zero_copy, struct fault *f)
{
	struct datapath *d = w->d;
	memset(w->queues, 0, queues_of(d, w->index) * sizeof *w->queues);
	int err = frames_init(&w->frames, d->o.frames,
			      w->transmit.orders ? w->transmit.fds.frames : -1, f);
	/* a device whose zero copy knows one buffer alone must not lose it without need */
	w->frames.multi_buffer = d->o.multi_buffer && (!zero_copy || has_large_port(d));
	for (unsigned p = 0; p < d->o.n_ports; p++)
		for (unsigned q = w->index; !err && q < d->o.port[p].queues; q += d->n_io)
			err = open_queue(w, p, q, zero_copy, f);
	return err;
}

/* One UMEM has one mode, so one device without zero copy means copies for all of a worker's. */
static bool may_zero_copy(const struct datapath *d)
{
	for (unsigned p = 0; p < d->o.n_ports; p++) {
		if (d->o.port[p].generic)
			return false;
		if (is_large(d, p) && d->o.port[p].segments &&
		    d->o.port[p].segments < DATAPATH_SEGMENTS)
			return false;
	}
	return d->o.copy != DATAPATH_COPY_FORCE;
}

/* Where zero copy is asked for, its sockets send in bulk already. */
static int open_transmit(struct worker *w, struct fault *f)
{
	const struct datapath_options *o = &w->d->o;
	struct transmit_fds fds;
	bool wanted = false;
	w->transmit.fds = TRANSMIT_NO_FDS;
	for (unsigned p = 0; p < o->n_ports; p++)
		wanted |= o->port[p].xdp_transmit;
	if (!wanted || !o->transmit_open || o->copy == DATAPATH_ZEROCOPY_FORCE)
		return 0;
	int err = o->transmit_open(frames_in_all(o->frames), &fds, f);
	return err ? err : transmit_init(&w->transmit, &fds, f);
}

/* Sockets of all queues that are its. None: it only helps, without packet memory. */
static int open_io(struct worker *w, struct fault *f)
{
	struct datapath *d = w->d;
	unsigned n = queues_of(d, w->index);
	if (n > QUEUES_MAX)
		return fault_set(f, -E2BIG, "worker %u would serve %u queues, at most %u", w->index,
				 n, QUEUES_MAX);
	free(w->queues);
	w->queues = calloc(n ? n : 1, sizeof *w->queues);
	if (!w->queues)
		return fault_set(f, -ENOMEM, "no memory for worker %u", w->index);
	if (!n)
		return 0;
	int err = w->transmit.orders ? 0 : open_transmit(w, f);
	if (err)
		return err;
	err = fault_set(
		f, -EOPNOTSUPP,
		"zero copy is not to be had: a port is in generic mode, or its device takes "
		"fewer than %u buffers of a packet and has an MTU above %u",
		DATAPATH_SEGMENTS, DATAPATH_MTU_MAX);
	if (may_zero_copy(d))
		err = open_queues(w, true, f);
	if (err && d->o.copy != DATAPATH_ZEROCOPY_FORCE) {
		close_queues(w);
		err = open_queues(w, false, f);
	}
	return err;
}

/* The kernel lets go of a queue some milliseconds after its socket was closed: a daemon that was
 * killed leaves queues behind that are taken for a moment. */
static int open_io_patiently(struct worker *w, struct fault *f)
{
	int err = open_io(w, f);
	for (unsigned i = 0; err == -EBUSY && i < START_TRIES; i++) {
		close_queues(w);
		usleep(REOPEN_WAIT_US);
		err = open_io(w, f);
	}
	return err;
}

static int open_worker(struct worker *w, struct fault *f)
{
	struct datapath *d = w->d;
	w->cache = calloc(CACHE_SLOTS, sizeof *w->cache);
	w->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (!w->cache || w->wake_fd < 0)
		return fault_set(f, -ENOMEM, "no memory for worker %u", w->index);
	int err = d->o.backend->context_new(&w->crypto);
	if (err)
		return fault_set(f, err, "cannot start the crypto back end %s: %s",
				 d->o.backend->name, strerror(-err));
	if (d->n_workers > 1 && handover_new(&w->handover))
		return fault_set(f, -ENOMEM, "no memory for worker %u", w->index);
	return open_io_patiently(w, f);
}

/* Signals belong to the loader's thread. */
static int start_thread(struct worker *w, struct fault *f)
{
	sigset_t all, was;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &was);
	int err = pthread_create(&w->thread, NULL, worker_main, w);
	pthread_sigmask(SIG_SETMASK, &was, NULL);
	if (err)
		return fault_set(f, -err, "cannot start worker %u: %s", w->index, strerror(err));
	w->running = true;
	return 0;
}

static int start_threads(struct datapath *d, struct fault *f)
{
	for (unsigned i = 0; i < d->n_workers; i++) {
		int err = start_thread(&d->workers[i], f);
		if (err)
			return err;
	}
	return 0;
}

static void stop_threads(struct datapath *d)
{
	uint64_t one = 1;
	atomic_store(&d->stop, true);
	for (unsigned i = 0; d->workers && i < d->n_workers; i++) {
		if (!d->workers[i].running)
			continue;
		if (write(d->workers[i].wake_fd, &one, sizeof one) < 0)
			log_debug(LOG_ESP, "wake-fd worker=%u error=%d", i, errno);
		pthread_join(d->workers[i].thread, NULL);
		d->workers[i].running = false;
	}
	atomic_store(&d->stop, false);
}

static void say_modes(const struct datapath *d)
{
	for (unsigned p = 0; p < d->o.n_ports; p++) {
		char mode[64];
		log_info(LOG_XDP, "af-xdp port=%s: %s", d->o.port[p].device,
			 datapath_port_mode(d, d->o.port[p].id, mode));
	}
}

static int start_all(struct datapath *d, struct fault *f)
{
	for (unsigned i = 0; i < d->n_workers; i++) {
		d->workers[i].d = d;
		d->workers[i].index = i;
		d->workers[i].wake_fd = -1;
	}
	for (unsigned i = 0; i < d->n_workers; i++) {
		int err = open_worker(&d->workers[i], f);
		if (err)
			return err;
	}
	int err = start_threads(d, f);
	if (!err)
		say_modes(d);
	return err;
}

/* A worker sends by sockets of its own, so it needs a queue of every port to have any. */
static unsigned workers_with_queues(const struct datapath_options *o, unsigned n)
{
	for (unsigned p = 0; p < o->n_ports; p++)
		if (o->port[p].queues && o->port[p].queues < n)
			n = o->port[p].queues;
	if (n < o->workers)
		log_info(LOG_XDP,
			 "workers=%u with-queues=%u: the others help with cryptography; `ethtool "
			 "-L DEVICE combined N` gives a port more queues",
			 o->workers, n);
	return n;
}

int datapath_start(struct datapath **out, const struct datapath_options *o, struct fault *f)
{
	struct datapath *d = calloc(1, sizeof *d);
	if (!d)
		return fault_set(f, -ENOMEM, "no memory for the data path");
	d->o = *o;
	d->o.frames = o->frames ? o->frames : FRAMES_DEFAULT;
	d->o.ring = o->ring ? o->ring : RING_DEFAULT;
	d->max_slots = o->max_sas ? o->max_sas : SAS_DEFAULT;
	d->n_workers = o->workers ? o->workers : 1;
	d->n_io = workers_with_queues(o, d->n_workers);
	pthread_mutex_init(&d->event_lock, NULL);
	pthread_mutex_init(&d->tap.lock, NULL);
	d->event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	d->workers = calloc(d->n_workers, sizeof *d->workers);
	bool has_tables = tables_start(d) == 0;
	int err = d->workers && has_tables && d->event_fd >= 0 && !reassembled_start(d) &&
				  !clients_start(d)
			  ? start_all(d, f)
			  : fault_set(f, -ENOMEM, "no memory for the data path");
	if (err) {
		datapath_stop(d);
		return err;
	}
	*out = d;
	return 0;
}

static int open_all_io(struct datapath *d, struct fault *f)
{
	int err = 0;
	for (unsigned i = 0; !err && i < d->n_workers; i++)
		err = open_io(&d->workers[i], f);
	for (unsigned i = 0; err && i < d->n_workers; i++)
		close_queues(&d->workers[i]);
	return err;
}

int datapath_reopen(struct datapath *d, const struct datapath_port *ports, struct fault *f)
{
	stop_threads(d);
	for (unsigned i = 0; i < d->n_workers; i++) {
		close_queues(&d->workers[i]);
		account_reopened(&d->workers[i]);
	}
	memcpy(d->o.port, ports, d->o.n_ports * sizeof *ports);
	d->n_io = workers_with_queues(&d->o, d->n_workers);
	int err = open_all_io(d, f);
	/* the kernel lets go of a queue some milliseconds after its socket was closed */
	for (unsigned i = 0; err == -EBUSY && i < REOPEN_TRIES; i++) {
		usleep(REOPEN_WAIT_US);
		err = open_all_io(d, f);
	}
	if (!err)
		say_modes(d);
	struct fault g;
	int failed = start_threads(d, err ? &g : f);
	return err ? err : failed;
}

static void close_worker(struct worker *w)
{
	close_queues(w);
	transmit_free(&w->transmit);
	if (w->crypto)
		w->d->o.backend->context_free(w->crypto);
	if (w->wake_fd >= 0)
		close(w->wake_fd);
	free(w->queues);
	free(w->cache);
	handover_free(w->handover);
}

void datapath_port_transmit(struct datapath *d, uint32_t port_id, bool ready)
{
	bool was = port_id < XGW_MAX_PORTS && atomic_exchange(&d->transmit_ready[port_id], ready);
	for (unsigned i = 0; was != ready && i < d->o.n_ports; i++)
		if (d->o.port[i].id == port_id)
			log_info(LOG_XDP, "transmit port=%s: by %s", d->o.port[i].device,
				 ready ? "XDP" : "socket (the device takes no XDP frames)");
}

void datapath_stop(struct datapath *d)
{
	stop_threads(d);
	tables_stop(d);
	for (unsigned i = 0; d->workers && i < d->n_workers; i++)
		if (d->workers[i].d)
			close_worker(&d->workers[i]);
	if (d->event_fd >= 0)
		close(d->event_fd);
	pthread_mutex_destroy(&d->event_lock);
	tap_end(d);
	limits_free(d);
	reassembled_stop(d);
	clients_stop(d);
	free(d->workers);
	free(d);
}

int datapath_event_fd(const struct datapath *d)
{
	return d->event_fd;
}

bool datapath_next_event(struct datapath *d, struct datapath_event *out)
{
	pthread_mutex_lock(&d->event_lock);
	bool some = d->event_head != d->event_tail;
	if (some) {
		*out = d->events[d->event_tail++ % EVENTS];
	} else {
		uint64_t count;
		if (read(d->event_fd, &count, sizeof count) < 0 && errno != EAGAIN)
			log_debug(LOG_ESP, "event-fd error=%d", errno);
	}
	pthread_mutex_unlock(&d->event_lock);
	return some;
}

unsigned datapath_workers(const struct datapath *d)
{
	return d->n_workers;
}

unsigned datapath_workers_with_queues(const struct datapath *d)
{
	return d->n_io;
}

void datapath_worker_status(const struct datapath *d, unsigned worker,
			    struct datapath_worker_status *out)
{
	/* counters of a running thread: each is read whole, together they are a moment's blur */
	const struct worker *w = &d->workers[worker];
	const uint64_t *from = (const uint64_t *)&w->status;
	uint64_t *to = (uint64_t *)out;
	_Static_assert(sizeof *out % sizeof *to == 0, "nothing but counters");
	for (size_t i = 0; i < sizeof *out / sizeof *to; i++)
		to[i] = account_read(&from[i]);
	for (unsigned i = 0; i < w->n_queues; i++)
		out->no_frame += queue_missed(&w->queues[i]);
	for (unsigned i = 0; i < w->n_queues; i++)
		out->by_xdp += __atomic_load_n(&w->queues[i].by_xdp, __ATOMIC_RELAXED);
}

void datapath_flush_drops(struct datapath *d)
{
	int cpus = libbpf_num_possible_cpus();
	if (cpus <= 0)
		return;
	struct xgw_count *values = calloc((size_t)cpus, sizeof *values);
	for (unsigned i = 0; values && i < XGW_DROP_COUNT; i++) {
		uint64_t sum = 0;
		for (unsigned w = 0; w < d->n_workers; w++)
			sum += __atomic_load_n(&d->workers[w].status.drops[i], __ATOMIC_RELAXED);
		if (sum == d->flushed[i])
			continue;
		uint32_t slot = XGW_WORKER_PORT * XGW_DROP_SLOTS + i;
		values[0].packets = sum;
		if (!maps_put(d->o.maps, MAPS_drops, &slot, values))
			d->flushed[i] = sum;
	}
	free(values);
}

const char *datapath_port_mode(const struct datapath *d, uint32_t port_id, char out[64])
{
	unsigned zero_copy = 0, n = 0;
	bool generic = false;
	for (unsigned i = 0; i < d->o.n_ports; i++)
		generic |= d->o.port[i].id == port_id && d->o.port[i].generic;
	for (unsigned w = 0; w < d->n_workers; w++)
		for (unsigned i = 0; i < d->workers[w].n_queues; i++)
			if (d->workers[w].queues[i].port_id == port_id) {
				n++;
				zero_copy += d->workers[w].queues[i].zero_copy;
			}
	snprintf(out, 64, "%s, %s, %u queue%s", generic ? "generic" : "native",
		 zero_copy ? zero_copy == n ? "zero copy" : "partly zero copy" : "copy", n,
		 n == 1 ? "" : "s");
	return out;
}
