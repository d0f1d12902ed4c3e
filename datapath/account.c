/* SPDX-License-Identifier: Apache-2.0 */
#include "datapath/account.h"
#include "base/instant.h"
#include "datapath/datapath_internal.h"

#include <errno.h>
#include <string.h>
#include <time.h>

uint64_t account_clock(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

void histogram_add(struct datapath_histogram *h, uint64_t ns)
{
	unsigned i = ns ? 63 - (unsigned)__builtin_clzll(ns) : 0;
	account_add(&h->bucket[i < DATAPATH_BUCKETS ? i : DATAPATH_BUCKETS - 1], 1);
	if (ns > h->max_ns)
		__atomic_store_n(&h->max_ns, ns, __ATOMIC_RELAXED);
}

uint64_t datapath_histogram_quantile(const struct datapath_histogram *h, double part)
{
	uint64_t total = 0, below = 0;
	for (unsigned i = 0; i < DATAPATH_BUCKETS; i++)
		total += h->bucket[i];
	for (unsigned i = 0; i < DATAPATH_BUCKETS - 1; i++) {
		below += h->bucket[i];
		if (total && (double)below >= part * (double)total) {
			uint64_t edge = (2ull << i) - 1;
			return edge < h->max_ns ? edge : h->max_ns;
		}
	}
	return h->max_ns;
}

/* ---- the worker's side ---- */

void account_received(struct worker *w, const struct queue *q, const struct xdp_desc *desc,
		      uint32_t n)
{
	struct account *a = &w->account;
	size_t i = (size_t)(q - w->queues);
	uint64_t bytes = 0, meta = (uint64_t)n * sizeof(struct xgw_meta);
	uint32_t depth = n + q->rx.cached_prod - q->rx.cached_cons;
	if (!n || i >= ACCOUNT_QUEUES)
		return;
	for (uint32_t j = 0; j < n; j++)
		bytes += desc[j].len;
	account_add(&a->queue[i].packets, n);
	account_add(&a->queue[i].bytes, bytes > meta ? bytes - meta : 0);
	if (depth > a->queue[i].deepest)
		__atomic_store_n(&a->queue[i].deepest, depth, __ATOMIC_RELAXED);
	if (a->bursts++ % ACCOUNT_SAMPLE == 0)
		a->stamp = account_clock();
}

void account_piece(struct worker *w, const struct queue *q)
{
	size_t i = (size_t)(q - w->queues);
	account_add(&w->status.packets_in, -1ull);
	if (i >= ACCOUNT_QUEUES)
		return;
	account_add(&w->account.queue[i].packets, -1ull);
	account_add(&w->account.queue[i].bytes, sizeof(struct xgw_meta));
}

void account_sent(struct worker *w, uint32_t port_id, const struct packet *p, uint32_t len)
{
	struct account *a = &w->account;
	account_add(&w->status.packets_out, 1);
	account_add(&a->port[port_id].packets, 1);
	account_add(&a->port[port_id].bytes, len);
	if (p->stamp && a->n_sent < ACCOUNT_STAMPS)
		a->sent[a->n_sent++] = p->stamp;
}

void account_no_room(struct worker *w, const struct queue *q, uint32_t lost)
{
	if (!lost)
		return;
	account_add(&w->status.tx_full, lost);
	account_add(&w->account.port[q->port_id].no_room, lost);
	__atomic_fetch_add(&w->status.drops[XGW_DROP_NO_BUFFER], lost, __ATOMIC_RELAXED);
}

void account_flushed(struct worker *w)
{
	struct account *a = &w->account;
	if (!a->n_sent)
		return;
	uint64_t now = account_clock();
	for (unsigned i = 0; i < a->n_sent; i++)
		histogram_add(&a->residence, now - a->sent[i]);
	a->n_sent = 0;
}

void account_start(struct worker *w)
{
	if (!w->account.started_ns)
		__atomic_store_n(&w->account.started_ns, account_clock(), __ATOMIC_RELAXED);
}

void account_reopened(struct worker *w)
{
	memset(w->account.queue, 0, sizeof w->account.queue);
}

void account_sleep(struct worker *w)
{
	uint64_t now = account_clock();
	__atomic_store_n(&w->account.asleep_since_ns, now, __ATOMIC_RELAXED);
}

void account_wake(struct worker *w)
{
	struct account *a = &w->account;
	account_add(&a->asleep_ns, account_clock() - a->asleep_since_ns);
	__atomic_store_n(&a->asleep_since_ns, 0, __ATOMIC_RELAXED);
}

/* ---- the reader's side ---- */

static void read_times(const struct account *a, struct datapath_worker_account *out)
{
	uint64_t now = account_clock(), started = account_read(&a->started_ns),
		 since = account_read(&a->asleep_since_ns), asleep = account_read(&a->asleep_ns);
	if (since && now > since)
		asleep += now - since;
	out->lifetime_ns = started && now > started ? now - started : 0;
	/* between the readings a sleep may have ended and be counted twice */
	out->asleep_ns = asleep < out->lifetime_ns ? asleep : out->lifetime_ns;
}

void datapath_worker_account(const struct datapath *d, unsigned worker,
			     struct datapath_worker_account *out)
{
	const struct worker *w = &d->workers[worker];
	const struct account *a = &w->account;
	memset(out, 0, sizeof *out);
	read_times(a, out);
	for (unsigned p = 0; p < XGW_MAX_PORTS; p++)
		out->bytes_out += account_read(&a->port[p].bytes);
	for (unsigned i = 0; i < w->n_queues && i < ACCOUNT_QUEUES; i++)
		out->bytes_in += account_read(&a->queue[i].bytes);
	for (unsigned i = 0; i < DATAPATH_BUCKETS; i++)
		out->residence.bucket[i] = account_read(&a->residence.bucket[i]);
	out->residence.max_ns = account_read(&a->residence.max_ns);
	out->n_queues = w->n_queues;
}

int datapath_queue_account(const struct datapath *d, unsigned worker, unsigned queue,
			   struct datapath_queue_account *out)
{
	const struct worker *w = &d->workers[worker];
	if (queue >= w->n_queues || queue >= ACCOUNT_QUEUES)
		return -ENOENT;
	const struct queue *q = &w->queues[queue];
	*out = (struct datapath_queue_account){
		.port_id = q->port_id,
		.queue = q->queue,
		.packets = account_read(&w->account.queue[queue].packets),
		.bytes = account_read(&w->account.queue[queue].bytes),
		.deepest = account_read(&w->account.queue[queue].deepest),
		.no_frame = queue_missed(q)};
	return 0;
}

void datapath_port_account(const struct datapath *d, uint32_t port_id,
			   struct datapath_port_account *out)
{
	memset(out, 0, sizeof *out);
	for (unsigned i = 0; i < d->n_workers && port_id < XGW_MAX_PORTS; i++) {
		const struct account *a = &d->workers[i].account;
		struct datapath_queue_account q;
		out->packets_out += account_read(&a->port[port_id].packets);
		out->bytes_out += account_read(&a->port[port_id].bytes);
		out->tx_full += account_read(&a->port[port_id].no_room);
		for (unsigned j = 0; datapath_queue_account(d, i, j, &q) == 0; j++) {
			if (q.port_id != port_id)
				continue;
			out->packets_in += q.packets;
			out->bytes_in += q.bytes;
			out->no_frame += q.no_frame;
		}
	}
}
