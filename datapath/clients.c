/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A slow client fills its own ring alone: what finds no room is dropped and counted, and nobody
 * waits. The host is woken when a ring is no longer empty, and takes as much as a TLS record
 * holds, in whichever thread. Towards VNets a client's packets go to one worker, so that they stay
 * in order; there the source address is checked.
 */
#include "datapath/clients.h"

#include "base/bytes.h"
#include "base/log.h"
#include "datapath/limits.h"
#include "datapath/tap.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define RING_BYTES  (256u << 10) /* of a client, powers of two */
#define INBOX_BYTES (512u << 10) /* of a worker */
#define LEN_MAX	    4096u	 /* SSTP's packets are shorter */

/* Records of a length, a connection and bytes, over a power of two of memory. */
struct ring {
	pthread_mutex_t lock;
	_Atomic uint32_t head; /* written by who puts in, both under the lock */
	uint32_t tail, size;
	uint8_t *at;
};
struct record {
	uint32_t len, connection;
};

struct client {
	struct datapath_client is;
	const struct datapath_reach *reach; /* RCU */
	struct ring ring;
	_Atomic bool told; /* stands in the list of those that the host has to look at */
	_Atomic uint64_t packets_out, bytes_out, packets_in, bytes_in;
	struct connection_count count;
};

/* Connections that one host carries. */
struct range {
	uint32_t first, n;
	struct client **at; /* RCU, by connection - first */
	int fd;
	uint32_t *ready; /* connections; each once */
	unsigned n_ready;
};

#define RANGES 2u

struct clients {
	struct range of[RANGES];
	_Atomic unsigned n_ranges;
	struct ring *inbox; /* by worker */
	/* Held by the thread that takes packets for clients, and while one of them comes or goes:
	 * so that thread needs no RCU. Comes before a ring's lock. */
	pthread_mutex_t host;
	pthread_mutex_t lock; /* of what is ready */
};

/* ---- rings ---- */

static int ring_init(struct ring *r, uint32_t size)
{
	r->size = size;
	r->at = malloc(size);
	pthread_mutex_init(&r->lock, NULL);
	return r->at ? 0 : -ENOMEM;
}

static void ring_free(struct ring *r)
{
	free(r->at);
	pthread_mutex_destroy(&r->lock);
}

static void copy_in(struct ring *r, uint32_t to, const void *from, uint32_t n)
{
	uint32_t at = to & (r->size - 1), first = n < r->size - at ? n : r->size - at;
	memcpy(r->at + at, from, first);
	memcpy(r->at, (const uint8_t *)from + first, n - first);
}

static void copy_out(const struct ring *r, uint32_t from, void *to, uint32_t n)
{
	uint32_t at = from & (r->size - 1), first = n < r->size - at ? n : r->size - at;
	memcpy(to, r->at + at, first);
	memcpy((uint8_t *)to + first, r->at, n - first);
}

/* -ENOBUFS; 1: it was empty before. */
static int ring_put(struct ring *r, uint32_t connection, const uint8_t *at, uint32_t len)
{
	const struct record record = {len, connection};
	int err = -ENOBUFS;
	pthread_mutex_lock(&r->lock);
	uint32_t head = r->head;
	if (r->size - (head - r->tail) >= sizeof record + len) {
		err = head == r->tail;
		copy_in(r, head, &record, sizeof record);
		copy_in(r, head + (uint32_t)sizeof record, at, len);
		r->head = head + (uint32_t)sizeof record + len;
	}
	pthread_mutex_unlock(&r->lock);
	return err;
}

/* The next one when it has at most room bytes; its length, 0: there is none. Under the lock. */
static uint32_t ring_take(struct ring *r, uint8_t *out, uint32_t room, uint32_t *connection)
{
	struct record record;
	if (r->head == r->tail)
		return 0;
	copy_out(r, r->tail, &record, sizeof record);
	if (record.len > room)
		return 0;
	copy_out(r, r->tail + (uint32_t)sizeof record, out, record.len);
	r->tail += (uint32_t)sizeof record + record.len;
	if (r->head == r->tail) /* the next ones find this memory in the caches */
		r->head = r->tail = 0;
	if (connection)
		*connection = record.connection;
	return record.len;
}

/* ---- start and stop ---- */

int clients_start(struct datapath *d)
{
	d->clients = calloc(1, sizeof *d->clients);
	if (!d->clients)
		return -ENOMEM;
	pthread_mutex_init(&d->clients->lock, NULL);
	pthread_mutex_init(&d->clients->host, NULL);
	return 0;
}

static void client_free(struct client *c)
{
	if (!c)
		return;
	ring_free(&c->ring);
	free(c);
}

static void range_free(struct range *r)
{
	for (uint32_t i = 0; r->at && i < r->n; i++)
		client_free(r->at[i]);
	if (r->at)
		close(r->fd);
	free((void *)r->at);
	free(r->ready);
	*r = (struct range){0};
}

void clients_stop(struct datapath *d)
{
	struct clients *c = d->clients;
	if (!c)
		return;
	for (unsigned i = 0; i < RANGES; i++)
		range_free(&c->of[i]);
	for (unsigned i = 0; c->inbox && i < d->n_workers; i++)
		ring_free(&c->inbox[i]);
	pthread_mutex_destroy(&c->lock);
	pthread_mutex_destroy(&c->host);
	free(c->inbox);
	free(c);
	d->clients = NULL;
}

static int make_inboxes(struct datapath *d)
{
	struct clients *c = d->clients;
	int err = 0;
	if (c->inbox)
		return 0;
	c->inbox = calloc(d->n_workers, sizeof *c->inbox);
	for (unsigned i = 0; c->inbox && i < d->n_workers; i++)
		err |= ring_init(&c->inbox[i], INBOX_BYTES);
	return c->inbox ? err : -ENOMEM;
}

int datapath_clients_range(struct datapath *d, uint32_t first, uint32_t n)
{
	struct clients *c = d->clients;
	unsigned i = c->n_ranges;
	if (i == RANGES || clients_are(d, first) || clients_are(d, first + n - 1))
		return -EALREADY;
	struct range r = {.first = first,
			  .n = n,
			  .at = (struct client **)calloc((size_t)n + 1, sizeof *r.at),
			  .fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC),
			  .ready = calloc((size_t)n + 1, sizeof *r.ready)};
	if (make_inboxes(d) || !r.at || !r.ready || r.fd < 0) {
		if (r.fd >= 0)
			close(r.fd);
		free((void *)r.at);
		free(r.ready);
		return -ENOMEM;
	}
	c->of[i] = r;
	c->n_ranges = i + 1;
	return r.fd;
}

static struct range *range_of(const struct datapath *d, uint32_t connection)
{
	struct clients *c = d->clients;
	for (unsigned i = 0; c && i < c->n_ranges; i++) {
		if (connection - c->of[i].first < c->of[i].n)
			return &c->of[i];
	}
	return NULL;
}

bool clients_are(const struct datapath *d, uint32_t connection)
{
	return range_of(d, connection);
}

static struct client *find(const struct datapath *d, uint32_t connection)
{
	const struct range *r = range_of(d, connection);
	return r ? rcu_dereference(r->at[connection - r->first]) : NULL;
}

/* Workers see it at once; who takes packets for clients does not hold the one that was there. */
static void place_client(struct clients *all, struct client **place, struct client *c)
{
	pthread_mutex_lock(&all->host);
	rcu_assign_pointer(*place, c);
	pthread_mutex_unlock(&all->host);
}

int datapath_client_set(struct datapath *d, const struct datapath_client *is)
{
	const struct range *r = range_of(d, is->connection);
	if (!r)
		return -EINVAL;
	struct client **place = &r->at[is->connection - r->first], *was = *place;
	struct client *c = calloc(1, sizeof *c);
	if (!c || ring_init(&c->ring, RING_BYTES)) {
		free(c);
		return -ENOMEM;
	}
	c->is = *is;
	c->reach = is->reach;
	place_client(d->clients, place, c);
	if (!was)
		return 0;
	synchronize_rcu();
	c->packets_out += was->packets_out;
	c->bytes_out += was->bytes_out;
	c->packets_in += was->packets_in;
	c->bytes_in += was->bytes_in;
	client_free(was);
	return 0;
}

static void forget_ready(struct clients *c, struct range *r, uint32_t connection)
{
	unsigned n = 0;
	pthread_mutex_lock(&c->lock);
	for (unsigned i = 0; i < r->n_ready; i++)
		if (r->ready[i] != connection)
			r->ready[n++] = r->ready[i];
	r->n_ready = n;
	pthread_mutex_unlock(&c->lock);
}

void datapath_client_reach(struct datapath *d, uint32_t connection,
			   const struct datapath_reach *reach)
{
	struct client *c = find(d, connection);
	if (c)
		__atomic_store_n(&c->reach, reach, __ATOMIC_RELEASE);
}

void datapath_reach_unused(void)
{
	synchronize_rcu();
}

void datapath_client_remove(struct datapath *d, uint32_t connection)
{
	struct client *c = find(d, connection);
	if (!c)
		return;
	struct range *r = range_of(d, connection);
	place_client(d->clients, &r->at[connection - r->first], NULL);
	synchronize_rcu();
	forget_ready(d->clients, r, connection);
	client_free(c);
}

/* ---- to the client ---- */

static void tell(const struct datapath *d, struct client *c)
{
	struct clients *all = d->clients;
	struct range *r = range_of(d, c->is.connection);
	uint64_t one = 1;
	if (atomic_exchange(&c->told, true))
		return;
	pthread_mutex_lock(&all->lock);
	bool first = !r->n_ready;
	r->ready[r->n_ready++] = c->is.connection;
	pthread_mutex_unlock(&all->lock);
	if (first && write(r->fd, &one, sizeof one) < 0)
		log_debug(LOG_P2S, "client-fd error=%d", errno);
}

static void put(struct worker *w, struct client *c, struct packet *p)
{
	struct esp_packet counted = {.len = p->len};
	if (!limits_apply(w, LIMITS_OUT, p, &counted, NULL, 1))
		return;
	if (tap_is_on(w))
		tap_put(w, DATAPATH_CLEAR_OUT, p, 0, XGW_DROP_NONE);
	if (ring_put(&c->ring, c->is.connection, p->at, p->len) < 0) {
		worker_drop(w, p, XGW_DROP_CLIENT_QUEUE);
		return;
	}
	tell(w->d, c);
	frames_give(&w->frames, p->frame);
	atomic_fetch_add_explicit(&c->packets_out, 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&c->bytes_out, p->len, memory_order_relaxed);
}

/* Everything before the ring. The rest of a packet that is cut is treated alike. */
static void send_to(struct worker *w, struct client *c, struct packet *p)
{
	struct packet rest;
	while (p->len > c->is.mtu) {
		enum xgw_drop why = fragment_allowed(p->at) ? fragment_split(w, p, &rest, c->is.mtu)
							    : XGW_DROP_TOO_BIG;
		if (why) {
			if (why == XGW_DROP_TOO_BIG)
				icmp_too_big(w, p, c->is.mtu);
			worker_drop(w, p, why);
			return;
		}
		put(w, c, p);
		*p = rest;
	}
	put(w, c, p);
}

bool clients_take(struct worker *w, struct packet *p)
{
	struct client *c = find(w->d, p->connection);
	if (!c)
		return false;
	bool v4 = p->at[0] >> 4 == 4;
	if (!(v4 ? c->is.v4.family : c->is.v6.family)) {
		worker_drop(w, p, XGW_DROP_NO_ROUTE);
		return true;
	}
	if (!p->aged) {
		enum xgw_drop why = ip_decrement_ttl(p->at);
		if (why) {
			icmp_time_exceeded(w, p);
			worker_drop(w, p, why);
			return true;
		}
		p->aged = true;
		esp_complete_checksum(p->at, p->len);
	}
	esp_clamp_mss(p->at, p->len, c->is.mtu);
	send_to(w, c, p);
	return true;
}

bool datapath_client_next(struct datapath *d, uint32_t of, uint32_t *connection)
{
	struct clients *c = d->clients;
	struct range *r = range_of(d, of);
	uint64_t count;
	pthread_mutex_lock(&c->lock);
	bool some = r && r->n_ready > 0;
	if (some)
		*connection = r->ready[--r->n_ready];
	else if (r && read(r->fd, &count, sizeof count) < 0 && errno != EAGAIN)
		log_debug(LOG_P2S, "client-fd error=%d", errno);
	pthread_mutex_unlock(&c->lock);
	pthread_mutex_lock(&c->host);
	struct client *x = some ? find(d, *connection) : NULL;
	if (x)
		atomic_store(&x->told, false);
	pthread_mutex_unlock(&c->host);
	return some;
}

static size_t take_from(struct ring *r, uint8_t *out, size_t room, datapath_client_head *head)
{
	size_t n = 0;
	pthread_mutex_lock(&r->lock);
	while (room - n > DATAPATH_CLIENT_HEAD) {
		uint8_t *ip = out + n + DATAPATH_CLIENT_HEAD;
		uint32_t len = ring_take(r, ip, (uint32_t)(room - n - DATAPATH_CLIENT_HEAD), NULL);
		if (!len)
			break;
		head(out + n, ip[0] >> 4 == 4, len);
		n += DATAPATH_CLIENT_HEAD + len;
	}
	pthread_mutex_unlock(&r->lock);
	return n;
}

size_t datapath_client_take(struct datapath *d, uint32_t connection, uint8_t *out, size_t room,
			    datapath_client_head *head)
{
	pthread_mutex_lock(&d->clients->host);
	struct client *c = find(d, connection);
	size_t n = c ? take_from(&c->ring, out, room, head) : 0;
	pthread_mutex_unlock(&d->clients->host);
	return n;
}

/* ---- from the client ---- */

int datapath_client_deliver(struct datapath *d, uint32_t connection, const uint8_t *ip, size_t len)
{
	uint64_t one = 1;
	if (!clients_are(d, connection) || !len || len > LEN_MAX || !d->n_io)
		return -EINVAL;
	struct worker *w = &d->workers[connection % d->n_io];
	int was_empty = ring_put(&d->clients->inbox[w->index], connection, ip, (uint32_t)len);
	if (was_empty < 0) {
		__atomic_fetch_add(&w->status.drops[XGW_DROP_CLIENT_QUEUE], 1, __ATOMIC_RELAXED);
		clients_count_drop(d, connection, XGW_DROP_CLIENT_QUEUE);
		return was_empty;
	}
	if (was_empty && write(w->wake_fd, &one, sizeof one) < 0)
		log_debug(LOG_P2S, "wake-fd worker=%u error=%d", w->index, errno);
	return 0;
}

static bool reaches(const struct datapath_reach *r, const struct ip_addr *to)
{
	for (unsigned i = 0; i < r->n; i++)
		if (ip_prefix_contains(&r->prefix[i], to))
			return true;
	return false;
}

/* A client of point-to-site has one address of a family; a gateway's BGP may have several. */
static bool is_its_own(const struct datapath_client *is, const struct ip_addr *from)
{
	const struct ip_addr *leased = from->family == IP_V4 ? &is->v4 : &is->v6;
	bool own = leased->family && ip_addr_equal(from, leased);
	for (unsigned i = 0; !own && i < DATAPATH_CLIENT_MORE && is->more[i].family; i++)
		own = ip_addr_equal(from, &is->more[i]);
	return own;
}

/* What SAs do for clients of IKE by their selectors. */
static enum xgw_drop check(const struct client *c, struct packet *p)
{
	const struct datapath_reach *reach = __atomic_load_n(&c->reach, __ATOMIC_ACQUIRE);
	p->len = ip_length(p->at, p->len);
	if (!p->len)
		return XGW_DROP_MALFORMED;
	struct ip_addr from = ip_source(p->at);
	struct ip_addr to = ip_destination(p->at);
	if (!is_its_own(&c->is, &from))
		return XGW_DROP_SOURCE;
	return reach && reaches(reach, &to) ? XGW_DROP_NONE : XGW_DROP_CLIENT_REACH;
}

static void enter(struct worker *w, struct client *c, struct packet *p)
{
	struct esp_packet counted = {.len = p->len};
	enum xgw_drop why = check(c, p);
	p->vnet = c->is.vnet;
	if (why) {
		worker_drop(w, p, why);
		return;
	}
	atomic_fetch_add_explicit(&c->packets_in, 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&c->bytes_in, p->len, memory_order_relaxed);
	if (!limits_apply(w, LIMITS_IN, p, &counted, NULL, 1))
		return;
	if (tap_is_on(w))
		tap_put(w, DATAPATH_CLEAR_IN, p, 0, XGW_DROP_NONE);
	esp_clamp_mss(p->at, p->len, c->is.mtu);
	inbound_deliver(w, p);
}

static void take_one(struct worker *w, uint32_t connection, const uint8_t *at, uint32_t len)
{
	struct packet p = {.len = len, .connection = connection, .from_client = true};
	struct client *c = find(w->d, connection);
	if (!c || !frames_take_for(&w->frames, len, &p.frame)) {
		enum xgw_drop why = c ? XGW_DROP_NO_BUFFER : XGW_DROP_NO_SA;
		__atomic_fetch_add(&w->status.drops[why], 1, __ATOMIC_RELAXED);
		return;
	}
	p.at = w->frames.area + p.frame + FRAME_HEADROOM;
	memcpy(p.at, at, len);
	enter(w, c, &p);
}

unsigned clients_receive(struct worker *w)
{
	struct clients *c = w->d->clients;
	uint8_t packet[LEN_MAX];
	uint32_t connection = 0;
	unsigned n = 0;
	if (!c || !c->n_ranges)
		return 0;
	struct ring *r = &c->inbox[w->index];
	if (atomic_load_explicit(&r->head, memory_order_relaxed) == r->tail)
		return 0;
	for (; n < BURST; n++) {
		pthread_mutex_lock(&r->lock);
		uint32_t len = ring_take(r, packet, sizeof packet, &connection);
		pthread_mutex_unlock(&r->lock);
		if (!len)
			break;
		take_one(w, connection, packet, len);
	}
	return n;
}

/* ---- counters ---- */

void clients_count_drop(const struct datapath *d, uint32_t connection, enum xgw_drop why)
{
	struct client *c = find(d, connection);
	if (c)
		atomic_fetch_add_explicit(&c->count.drops[why], 1, memory_order_relaxed);
}

int datapath_client_traffic(const struct datapath *d, uint32_t connection,
			    struct datapath_traffic *out)
{
	const struct client *c = find(d, connection);
	if (!c)
		return -ENOENT;
	out->packets_out = c->packets_out;
	out->bytes_out = c->bytes_out;
	out->packets_in = c->packets_in;
	out->bytes_in = c->bytes_in;
	for (int i = 0; i < XGW_DROP_COUNT; i++)
		out->drops[i] = atomic_load_explicit(&c->count.drops[i], memory_order_relaxed);
	return 0;
}
