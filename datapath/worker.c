/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The thread: receive what is there, classify by XDP's metadata, ESP in bursts, send, once round
 * all queues; sleep in poll() when nothing came. Every batch is flushed at the end of its round,
 * and every wait is bounded.
 */
#include "base/instant.h"
#include "base/log.h"
#include "datapath/datapath_internal.h"
#include "datapath/clients.h"
#include "datapath/handover.h"
#include "datapath/reassembled.h"
#include "datapath/tap.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

void worker_drop(struct worker *w, const struct packet *p, enum xgw_drop why)
{
	tap_drop(w, p, why);
	frames_give(&w->frames, p->frame);
	__atomic_fetch_add(&w->status.drops[why], 1, __ATOMIC_RELAXED);
	struct tunnel *t = p->connection < MAX_CONNECTIONS
				   ? rcu_dereference(w->d->tunnels[p->connection])
				   : NULL;
	if (t)
		atomic_fetch_add_explicit(&t->count.drops[why], 1, memory_order_relaxed);
	else
		clients_count_drop(w->d, p->connection, why);
}

void worker_send(struct worker *w, uint32_t port_id, const struct packet *p, const uint8_t *at,
		 uint32_t len)
{
	struct queue *q = port_id < XGW_MAX_PORTS ? w->queue_of_port[port_id] : NULL;
	if (!q) {
		worker_drop(w, p, XGW_DROP_NO_SOCKET);
		return;
	}
	uint32_t lost =
		queue_send(q, &w->frames, (uint64_t)(at - w->frames.area), len, &w->status.wakeups);
	account_sent(w, port_id, p, len);
	account_no_room(w, q, lost);
}

bool worker_event(struct worker *w, const struct datapath_event *e)
{
	struct datapath *d = w->d;
	pthread_mutex_lock(&d->event_lock);
	bool was_empty = d->event_head == d->event_tail;
	bool room = d->event_head - d->event_tail < EVENTS;
	if (room)
		d->events[d->event_head++ % EVENTS] = *e;
	pthread_mutex_unlock(&d->event_lock);
	uint64_t one = 1;
	if (was_empty && write(d->event_fd, &one, sizeof one) < 0)
		log_debug(LOG_ESP, "event-fd error=%d", errno);
	return room;
}

/* Signs of life come again by themselves; this comes once, and without it nothing is rekeyed. */
void worker_soft_expiry(struct worker *w, const struct child *c)
{
	const struct datapath_event e = {
		.kind = DATAPATH_SOFT_EXPIRY, .connection = c->connection, .spi_in = c->spi_in};
	if (esp_sa_take_soft_expiry(c->sa) && !worker_event(w, &e))
		esp_sa_return_soft_expiry(c->sa);
}

/* XDP's metadata says what the frame is; the worker believes its offsets only within the frame. */
static void classify(struct worker *w, const struct xdp_desc *desc)
{
	struct packet p = {.frame = desc->addr & ~(uint64_t)(FRAME_SIZE - 1)};
	const struct xgw_meta *m =
		(const struct xgw_meta *)(const void *)(w->frames.area + desc->addr);
	uint32_t room = desc->len - (uint32_t)sizeof *m;
	if (desc->len < sizeof *m || m->magic != XGW_META_MAGIC || m->l3 >= room) {
		worker_drop(w, &p, XGW_DROP_META);
		return;
	}
	p.at = w->frames.area + desc->addr + sizeof *m + m->l3;
	p.len = ip_length(p.at, room - m->l3);
	if (!p.len) {
		worker_drop(w, &p, XGW_DROP_MALFORMED);
		return;
	}
	p.stamp = w->account.stamp;
	w->account.stamp = 0;
	p.vnet = m->vnet;
	p.connection = m->connection;
	switch (m->kind) {
	case XGW_META_ENCRYPT: outbound_add(w, &p); return;
	case XGW_META_DECRYPT:
		p.slot = m->slot;
		p.esp = (uint16_t)(m->esp - m->l3);
		inbound_add(w, &p);
		return;
	case XGW_META_FORWARD:
		esp_complete_checksum(p.at, p.len);
		p.hop = m->next_hop;
		inbound_deliver(w, &p);
		return;
	default: worker_drop(w, &p, XGW_DROP_META);
	}
}

/* A piece of a packet in several frames; the last one makes it a packet. */
static void gather(struct worker *w, struct queue *q, const struct xdp_desc *piece)
{
	struct xdp_desc whole;
	enum xgw_drop why;
	if (!queue_gather(q, &w->frames, piece, &whole, &why)) {
		account_piece(w, q);
		return;
	}
	if (why)
		__atomic_fetch_add(&w->status.drops[why], 1, __ATOMIC_RELAXED);
	else
		classify(w, &whole);
}

uint32_t worker_round(struct worker *w)
{
	struct xdp_desc desc[BURST];
	uint32_t total = 0;
	for (unsigned i = 0; i < w->n_queues; i++) {
		struct queue *q = &w->queues[i];
		queue_reap(q, &w->frames);
		uint32_t n = queue_receive(q, desc, BURST);
		account_received(w, q, desc, n);
		for (uint32_t j = 0; j < n; j++) {
			if (j + 2 < n)
				__builtin_prefetch(w->frames.area + desc[j + 2].addr);
			if (__builtin_expect(queue_in_pieces(q, &desc[j]), 0))
				gather(w, q, &desc[j]);
			else
				classify(w, &desc[j]);
		}
		if (n) {
			inbound_run(w);
			/* what a run adds of its own (transit, ICMP) is taken up by the next */
			while (w->n_out)
				outbound_run(w);
			total += loop_run(w);
		}
		total += n;
		queue_refill(q, &w->frames);
	}
	if (reassembled_take(w)) {
		inbound_run(w);
		while (w->n_out)
			outbound_run(w);
	}
	unsigned of_clients = clients_receive(w);
	while (w->n_out)
		outbound_run(w);
	handover_round(w, total < JOB_PACKETS);
	total += loop_run(w);
	for (unsigned i = 0; i < w->n_queues; i++) {
		uint32_t lost = queue_flush(&w->queues[i], &w->frames, &w->status.wakeups);
		account_no_room(w, &w->queues[i], lost);
	}
	account_flushed(w);
	account_add(&w->status.packets_in, total);
	account_add(&w->status.rounds, 1);
	return total + of_clients;
}

static void sleep_until_work(struct worker *w, struct pollfd *fds)
{
	int timeout = POLL_MS;
	if (!handover_may_sleep(w))
		return;
	/* what the kernel did not take yet is offered again soon, not with the next packet */
	for (unsigned i = 0; i < w->n_queues; i++)
		if (queue_unsent(&w->queues[i]))
			timeout = 1;
	rcu_thread_offline();
	account_add(&w->status.polls, 1);
	account_sleep(w);
	int n = poll(fds, w->n_queues + 1, timeout);
	account_wake(w);
	rcu_thread_online();
	handover_woken(w);
	if (n > 0 && fds[w->n_queues].revents) {
		uint64_t count;
		if (read(w->wake_fd, &count, sizeof count) < 0 && errno != EAGAIN)
			log_warn(LOG_ESP, "wake-fd worker=%u error=%d", w->index, errno);
	}
	/* a device that went away reports an error at once: no reason to spin */
	for (unsigned i = 0; n > 0 && i < w->n_queues; i++)
		if (fds[i].revents & (POLLERR | POLLHUP | POLLNVAL)) {
			const struct timespec pause = {0, 10 * (long)NS_PER_MS};
			nanosleep(&pause, NULL);
			break;
		}
}

static uint64_t clock_now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC_COARSE, &t);
	return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

void *worker_main(void *argument)
{
	struct worker *w = argument;
	struct pollfd fds[XGW_MAX_PORTS * XGW_MAX_QUEUES / 8 + 1];
	char name[16];
	snprintf(name, sizeof name, "xgw-worker-%u", w->index % 1000);
	pthread_setname_np(pthread_self(), name);
	rcu_register_thread();
	account_start(w);
	for (unsigned i = 0; i < w->n_queues; i++)
		fds[i] = (struct pollfd){.fd = w->queues[i].fd, .events = POLLIN};
	fds[w->n_queues] = (struct pollfd){.fd = w->wake_fd, .events = POLLIN};
	for (unsigned idle = 0; !atomic_load_explicit(&w->d->stop, memory_order_relaxed);) {
		w->now_ns = clock_now();
		idle = worker_round(w) ? 0 : idle + 1;
		if (handover_pending(w)) {
			idle = 0;
			continue;
		}
		rcu_quiescent_state();
		if (!idle)
			handover_busy(w);
		else if (handover_help(w) || handover_looks(w))
			continue;
		/* one more look before the sleep costs less than a sleep that was not needed */
		if (idle > 2)
			sleep_until_work(w, fds);
	}
	handover_drain(w);
	rcu_unregister_thread();
	return NULL;
}
