/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Workers as threads without a kernel: each owner grinds packets from a VNet through a tunnel and
 * back out of it (one data path is both gateways), by rings in plain memory; helpers are real
 * worker threads without queues. Every packet says which it is, so that what comes out is checked:
 * each one once, each flow in order, no sequence number twice and all rising on the wire. Shared by
 * test_handover.c and tests/bench/handover_bench.c.
 */
#ifndef XGW_TESTS_UNIT_DATAPATH_MILL_H
#define XGW_TESTS_UNIT_DATAPATH_MILL_H

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/instant.h"
#include "datapath/datapath_internal.h"
#include "datapath/handover.h"

/* Not cmocka's: these hold on every thread. */
#define MUST(condition)                                                                          \
	do {                                                                                     \
		if (!(condition)) {                                                              \
			fprintf(stderr, "%s:%d: expected %s\n", __FILE__, __LINE__, #condition); \
			abort();                                                                 \
		}                                                                                \
	} while (0)

#define MILL_RING     2048u
#define MILL_FRAMES   8192u
#define MILL_HEADROOM (256u + FRAME_HEADROOM)
#define MILL_OWNERS   2
#define MILL_WORKERS  5
#define MILL_TUNNELS  8u
#define MILL_AGES     42u /* children that a tunnel may have over time */
#define MILL_FLOWS    4u  /* of a tunnel, for each owner */
#define MILL_SPI      0x10000u
#define MILL_SPIS     (2 * MILL_TUNNELS * MILL_AGES)
#define MILL_NUMBERS  (1u << 17) /* of an SA, that are watched */
#define MILL_VNET     1001u

enum { MILL_WAN, MILL_LAN, MILL_PORTS };

struct mill_ring {
	uint32_t producer, consumer, flags;
	union {
		struct xdp_desc desc[MILL_RING];
		uint64_t addr[MILL_RING];
	};
};

/* A worker with queues, and what its thread knows. */
struct mill_owner {
	struct worker *w;
	struct mill_ring rx[MILL_PORTS], tx[MILL_PORTS], comp[MILL_PORTS], fill[MILL_PORTS];
	struct queue queues[MILL_PORTS];
	uint64_t random, fed, delivered, twice;
	uint64_t next_in[MILL_TUNNELS * MILL_FLOWS], next_out[MILL_TUNNELS * MILL_FLOWS];
	uint32_t last_number[MILL_SPIS];
	uint64_t sent_by[MILL_SPIS];
};

struct mill {
	struct datapath d;
	struct maps maps;
	struct xgw_config config;
	struct worker worker[MILL_WORKERS];
	struct mill_owner owner[MILL_OWNERS];
	_Atomic uint32_t slot[MILL_SPIS]; /* as sas_in: slot + 1 */
	_Atomic uint8_t seen[MILL_SPIS][MILL_NUMBERS / 8];
	bool lossy;	 /* tunnels come and go: packets may be dropped, not confused */
	bool duplicates; /* some frames come in twice */
	bool unwatched;	 /* a measurement: no look at what comes out */
	bool only_out;	 /* what is encrypted is thrown away */
	bool loop;	 /* both ends of a tunnel are gateways of this instance */
	bool circle;	 /* the far end routes it back into the tunnel's other direction */
	uint32_t size;	 /* of a packet, 0: random */
};

static struct mill mill;

static inline uint64_t mill_random(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15ull;
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return z ^ (z >> 31);
}

/* ---- the maps: 10.2.0.0/16 is a host of the VNet, SAs are in the table of SPIs ---- */

static _Atomic uint32_t *mill_slot(const void *key)
{
	const struct xgw_sa_key *k = key;
	return &mill.slot[be32toh(k->spi_be) - MILL_SPI];
}

int maps_get(const struct maps *m, enum maps_id id, const void *key, void *value)
{
	const struct xgw_attachment a = {.id = 1,
					 .vnet = MILL_VNET,
					 .port_id = MILL_LAN,
					 .mtu = 1500,
					 .mac = {2, 0, 0, 0, 0, 1}};
	/* the circle: what comes out of one tunnel goes into the next */
	const struct xgw_next_hop circle = {.kind = XGW_HOP_TUNNEL, .connection = 2},
				  local = {.kind = XGW_HOP_LOCAL, .vnet = MILL_VNET},
				  hop = mill.circle ? circle : local;
	struct xgw_sa_in sa = {0};
	(void)m;
	if (id == MAPS_sas_in && (sa.slot = atomic_load(mill_slot(key)))) {
		sa.slot--;
		memcpy(value, &sa, sizeof sa);
		return 0;
	}
	if (id == MAPS_attachments)
		memcpy(value, &a, sizeof a);
	else if (id == MAPS_next_hops)
		memcpy(value, &hop, sizeof hop);
	else
		return -ENOENT;
	return 0;
}

int maps_put(const struct maps *m, enum maps_id id, const void *key, const void *value)
{
	const struct xgw_sa_in *sa = value;
	(void)m;
	if (id == MAPS_sas_in)
		atomic_store(mill_slot(key), sa->slot + 1);
	return 0;
}

int maps_delete(const struct maps *m, enum maps_id id, const void *key)
{
	(void)m;
	if (id == MAPS_sas_in)
		atomic_store(mill_slot(key), 0);
	return 0;
}

int maps_walk(const struct maps *m, enum maps_id id,
	      int (*each)(void *owner, const void *key, const void *value), void *owner)
{
	(void)m, (void)id, (void)each, (void)owner;
	return 0;
}

int maps_route(const struct maps *m, uint32_t vnet, const struct ip_addr *to, struct xgw_route *out)
{
	(void)m, (void)vnet, (void)to;
	*out = (struct xgw_route){.next_hop = 0};
	return 0;
}

int maps_endpoint(const struct maps *m, uint32_t vnet, const struct ip_addr *host,
		  struct xgw_endpoint *out)
{
	(void)m, (void)vnet, (void)host;
	*out = (struct xgw_endpoint){.attachment = 1, .mac = {2, 0, 0, 0, 0, 4}};
	return 0;
}

int maps_neighbour(const struct maps *m, uint32_t ifindex, const struct ip_addr *host,
		   struct xgw_neighbour *out)
{
	(void)m, (void)ifindex, (void)host, (void)out;
	return -ENOENT;
}

/* ---- SAs ---- */

struct mill_cipher {
	enum encryption_id e;
	enum integrity_id a;
};
static const struct mill_cipher mill_mix[] = {{ENCR_AES_GCM16_128, AUTH_NONE},
					      {ENCR_AES_CBC_256, AUTH_HMAC_SHA2_256_128},
					      {ENCR_CHACHA20_POLY1305, AUTH_NONE},
					      {ENCR_AES_CBC_128, AUTH_HMAC_SHA1_96}};

static inline uint32_t mill_spi(unsigned tunnel, unsigned age, bool left)
{
	return MILL_SPI + 2 * (age * MILL_TUNNELS + tunnel) + !left;
}

static inline struct child_sa mill_child(unsigned tunnel, unsigned age, const struct mill_cipher *c,
					 bool left)
{
	const struct encryption *e = encryption_of(c->e);
	struct traffic_selector any = {.port_last = 65535};
	struct child_sa s = {.connection = 2 * tunnel + !left,
			     .spi_in = mill_spi(tunnel, age, left),
			     .spi_out = mill_spi(tunnel, age, !left),
			     .encryption = (uint8_t)c->e,
			     .integrity = (uint8_t)c->a,
			     .n_local_ts = 1,
			     .n_remote_ts = 1};
	any.range.first.family = any.range.last.family = IP_V4;
	memset(any.range.last.b, 0xff, 4);
	s.local_ts[0] = s.remote_ts[0] = any;
	MUST(!ip_addr_parse(&s.local.addr, left ? "203.0.113.1" : "203.0.113.2"));
	MUST(!ip_addr_parse(&s.remote.addr, left ? "203.0.113.2" : "203.0.113.1"));
	s.key_in.len = s.key_out.len =
		(uint16_t)(e->key_bytes + e->salt_bytes + integrity_of(c->a)->key_bytes);
	memset(s.key_in.b, (int)(tunnel + age * 16 + (left ? 1 : 101)), s.key_in.len);
	memset(s.key_out.b, (int)(tunnel + age * 16 + (left ? 101 : 1)), s.key_out.len);
	return s;
}

/* Both ends of a tunnel's child; worker as in struct child_sa. */
static inline void mill_open(unsigned tunnel, unsigned age, const struct mill_cipher *c,
			     uint16_t worker)
{
	const struct datapath_path path = {
		.port_id = MILL_WAN, .mtu = 1500, .usable = true, .loop = mill.loop};
	struct fault f;
	struct child_sa left = mill_child(tunnel, age, c, true),
			right = mill_child(tunnel, age, c, false);
	left.worker = worker;
	MUST(!datapath_path_set(&mill.d, 2 * tunnel, &path));
	MUST(!datapath_child_install(&mill.d, MILL_VNET, &right, &f));
	MUST(!datapath_child_install(&mill.d, MILL_VNET, &left, &f));
	MUST(!datapath_child_use(&mill.d, left.spi_in));
}

/* One end after the other; what is under way when the receiver goes first is lost. */
static inline void mill_shut(unsigned tunnel, unsigned age, bool left_first)
{
	MUST(!datapath_child_remove(&mill.d, mill_spi(tunnel, age, left_first)));
	MUST(!datapath_child_remove(&mill.d, mill_spi(tunnel, age, !left_first)));
}

/* ---- workers ---- */

static inline struct xsk_ring_prod mill_prod(struct mill_ring *r, void *slots)
{
	return (struct xsk_ring_prod){.cached_cons = MILL_RING,
				      .mask = MILL_RING - 1,
				      .size = MILL_RING,
				      .producer = &r->producer,
				      .consumer = &r->consumer,
				      .ring = slots,
				      .flags = &r->flags};
}

static inline struct xsk_ring_cons mill_cons(struct mill_ring *r, void *slots)
{
	return (struct xsk_ring_cons){.mask = MILL_RING - 1,
				      .size = MILL_RING,
				      .producer = &r->producer,
				      .consumer = &r->consumer,
				      .ring = slots,
				      .flags = &r->flags};
}

static inline void mill_start_owner(struct mill_owner *o, struct worker *w)
{
	struct fault f;
	o->w = w;
	o->random = w->index + 1;
	w->queues = o->queues;
	w->n_queues = MILL_PORTS;
	MUST(!frames_init(&w->frames, MILL_FRAMES, -1, &f));
	for (unsigned p = 0; p < MILL_PORTS; p++) {
		struct queue *q = &o->queues[p];
		q->fd = -1;
		q->port = q->port_id = p;
		q->fill_max = 1024;
		q->tx = mill_prod(&o->tx[p], o->tx[p].desc);
		q->fill = mill_prod(&o->fill[p], o->fill[p].addr);
		q->rx = mill_cons(&o->rx[p], o->rx[p].desc);
		q->comp = mill_cons(&o->comp[p], o->comp[p].addr);
		w->queue_of_port[p] = q;
		for (unsigned i = 0; i < 4; i++)
			queue_refill(q, &w->frames);
	}
}

static inline void mill_start(unsigned owners, unsigned helpers, const char *backend)
{
	struct datapath *d = &mill.d;
	memset(&mill, 0, sizeof mill);
	mill.maps.config = &mill.config;
	mill.config.generation = 1;
	d->o.maps = &mill.maps;
	d->o.backend = esp_backend_choose(backend);
	MUST(d->o.backend);
	d->o.n_ports = MILL_PORTS;
	for (unsigned p = 0; p < MILL_PORTS; p++)
		d->o.port[p].id = p;
	d->max_slots = 2 * MILL_SPIS;
	d->n_workers = owners + helpers;
	d->n_io = owners;
	d->workers = mill.worker;
	MUST(!tables_start(d));
	d->event_fd = eventfd(0, EFD_NONBLOCK);
	pthread_mutex_init(&d->event_lock, NULL);
	for (unsigned i = 0; i < d->n_workers; i++) {
		struct worker *w = &mill.worker[i];
		w->d = d;
		w->index = i;
		w->now_ns = 100 * NS_PER_S;
		w->wake_fd = eventfd(0, EFD_NONBLOCK);
		w->cache = calloc(CACHE_SLOTS, sizeof *w->cache);
		MUST(!d->o.backend->context_new(&w->crypto));
		MUST(d->n_workers == 1 || !handover_new(&w->handover));
		if (i < owners)
			mill_start_owner(&mill.owner[i], w);
	}
}

static inline void mill_start_helpers(void)
{
	for (unsigned i = mill.d.n_io; i < mill.d.n_workers; i++)
		MUST(!pthread_create(&mill.worker[i].thread, NULL, worker_main, &mill.worker[i]));
}

static inline void mill_stop_helpers(void)
{
	const uint64_t one = 1;
	atomic_store(&mill.d.stop, true);
	for (unsigned i = mill.d.n_io; i < mill.d.n_workers; i++) {
		MUST(write(mill.worker[i].wake_fd, &one, sizeof one) == sizeof one);
		MUST(!pthread_join(mill.worker[i].thread, NULL));
	}
}

static inline void mill_stop(void)
{
	struct datapath *d = &mill.d;
	for (uint32_t i = 0; i < 2 * MILL_TUNNELS; i++)
		datapath_tunnel_remove(d, i);
	for (unsigned i = 0; i < d->n_workers; i++) {
		struct worker *w = &mill.worker[i];
		d->o.backend->context_free(w->crypto);
		handover_free(w->handover);
		frames_free_all(&w->frames);
		close(w->wake_fd);
		free(w->cache);
	}
	close(d->event_fd);
	pthread_mutex_destroy(&d->event_lock);
	tables_stop(d);
}

/* ---- the kernel's part: what arrives, what leaves ---- */

static inline uint8_t *mill_frame(struct mill_owner *o, unsigned port, const struct xgw_meta *m,
				  uint32_t len)
{
	struct mill_ring *fill = &o->fill[port], *rx = &o->rx[port];
	MUST(fill->consumer != fill->producer);
	uint64_t at = fill->addr[fill->consumer++ % MILL_RING] + MILL_HEADROOM - sizeof *m;
	uint8_t *to = o->w->frames.area + at;
	memcpy(to, m, sizeof *m);
	rx->desc[rx->producer++ % MILL_RING] =
		(struct xdp_desc){.addr = at, .len = (uint32_t)sizeof *m + m->l3 + len};
	return to + sizeof *m + m->l3;
}

/* Room for so many frames to arrive on a port. */
static inline uint32_t mill_room(const struct mill_owner *o, unsigned port)
{
	uint32_t frames = o->fill[port].producer - o->fill[port].consumer;
	uint32_t ring = MILL_RING - (o->rx[port].producer - o->rx[port].consumer);
	return frames < ring ? frames : ring;
}

#define MILL_HEAD 40u /* IPv4, flow, owner, which one, length */

static inline uint32_t mill_length(struct mill_owner *o)
{
	return mill.size ? mill.size : MILL_HEAD + (uint32_t)(mill_random(&o->random) % 1300);
}

/* A packet of a flow for its tunnel. */
static inline void mill_feed(struct mill_owner *o, unsigned flow)
{
	const struct xgw_meta m = {.magic = XGW_META_MAGIC,
				   .kind = XGW_META_ENCRYPT,
				   .l3 = 14,
				   .vnet = MILL_VNET,
				   .connection = 2 * (flow % MILL_TUNNELS),
				   .attachment = 1};
	static const uint8_t head[20] = {0x45, 0, 0,  0, 0, 0, 0x40, 0, 64, 253,
					 0,    0, 10, 1, 0, 4, 10,   2, 0,  4};
	uint32_t len = mill_length(o);
	uint8_t *ip = mill_frame(o, MILL_LAN, &m, len);
	memcpy(ip, head, sizeof head);
	ip[19] = (uint8_t)flow;
	store_be16(ip + 2, (uint16_t)len);
	store_be32(ip + 20, flow);
	store_be32(ip + 24, o->w->index);
	store_be64(ip + 28, o->next_in[flow]++);
	store_be32(ip + 36, len);
	if (!mill.unwatched)
		memset(ip + MILL_HEAD, (int)(o->next_in[flow] & 0xff), len - MILL_HEAD);
	o->fed++;
}

static inline void mill_watch_wire(struct mill_owner *o, const uint8_t *ip)
{
	uint32_t spi = load_be32(ip + 20), number = load_be32(ip + 24), i = spi - MILL_SPI;
	MUST(i < MILL_SPIS && number && number < MILL_NUMBERS);
	MUST(number > o->last_number[i]);
	o->last_number[i] = number;
	o->sent_by[i]++;
	uint8_t bit = (uint8_t)(1u << (number & 7));
	MUST(!(atomic_fetch_or(&mill.seen[i][number / 8], bit) & bit));
}

/* ESP goes round to the other end of its tunnel, as XDP there would hand it over. */
static inline void mill_arrive(struct mill_owner *o, const uint8_t *ip, uint32_t len)
{
	uint32_t slot = atomic_load(&mill.slot[load_be32(ip + 20) - MILL_SPI]);
	const struct xgw_meta m = {.magic = XGW_META_MAGIC,
				   .kind = XGW_META_DECRYPT,
				   .l3 = 14,
				   .esp = 34,
				   .vnet = MILL_VNET,
				   .slot = slot - 1};
	memcpy(mill_frame(o, MILL_WAN, &m, len), ip, len);
}

static inline const uint8_t *mill_sent(struct mill_owner *o, unsigned port, uint32_t *len)
{
	struct mill_ring *tx = &o->tx[port], *comp = &o->comp[port];
	if (tx->consumer == tx->producer)
		return NULL;
	const struct xdp_desc *d = &tx->desc[tx->consumer++ % MILL_RING];
	comp->addr[comp->producer++ % MILL_RING] = d->addr;
	*len = d->len - 14;
	return o->w->frames.area + d->addr + 14;
}

static inline void mill_carry(struct mill_owner *o)
{
	uint32_t len;
	for (const uint8_t *ip;
	     mill_room(o, MILL_WAN) > 1 && (ip = mill_sent(o, MILL_WAN, &len));) {
		if (mill.only_out) {
			o->delivered++;
			continue;
		}
		if (!mill.unwatched)
			mill_watch_wire(o, ip);
		mill_arrive(o, ip, len);
		if (mill.duplicates && mill_random(&o->random) % 8 == 0) {
			mill_arrive(o, ip, len);
			o->twice++;
		}
	}
}

static inline void mill_collect(struct mill_owner *o)
{
	uint32_t len;
	for (const uint8_t *ip; (ip = mill_sent(o, MILL_LAN, &len));) {
		o->delivered++;
		if (mill.unwatched)
			continue;
		uint32_t flow = load_be32(ip + 20);
		uint64_t which = load_be64(ip + 28);
		MUST(flow < MILL_TUNNELS * MILL_FLOWS && load_be32(ip + 24) == o->w->index);
		MUST(load_be32(ip + 36) == len && load_be16(ip + 2) == len);
		MUST(mill.lossy ? which >= o->next_out[flow] : which == o->next_out[flow]);
		o->next_out[flow] = which + 1;
		for (uint32_t i = MILL_HEAD; i < len; i++)
			MUST(ip[i] == ((which + 1) & 0xff));
	}
}

/* What is on its way: fed and not delivered, apart from what a lossy mill dropped. */
static inline uint64_t mill_dropped(const struct mill_owner *o)
{
	uint64_t n = 0;
	for (unsigned i = 0; i < XGW_DROP_COUNT; i++)
		n += o->w->status.drops[i];
	return n;
}

static inline uint64_t mill_inside(const struct mill_owner *o)
{
	return o->fed + o->twice - o->delivered - mill_dropped(o);
}

/* A round of an owner: some packets arrive, the worker's round, what it sent goes on. */
static inline void mill_turn(struct mill_owner *o, unsigned arrive)
{
	for (; arrive && mill_room(o, MILL_LAN); arrive--)
		mill_feed(o, (unsigned)(mill_random(&o->random) % (MILL_TUNNELS * MILL_FLOWS)));
	worker_round(o->w);
	if (!handover_pending(o->w))
		rcu_quiescent_state();
	mill_collect(o);
	mill_carry(o);
}

/* Every frame of an owner is where it belongs, once. */
static inline void mill_see(bool *seen, uint64_t addr)
{
	MUST(!seen[addr / FRAME_SIZE]);
	seen[addr / FRAME_SIZE] = true;
}

static inline void mill_check_frames(const struct mill_owner *o)
{
	bool seen[MILL_FRAMES] = {false};
	for (uint32_t i = 0; i < o->w->frames.n_free; i++)
		mill_see(seen, o->w->frames.free[i]);
	for (unsigned p = 0; p < MILL_PORTS; p++) {
		const struct mill_ring *f = &o->fill[p], *t = &o->tx[p], *c = &o->comp[p],
				       *r = &o->rx[p];
		for (uint32_t i = f->consumer; i != f->producer; i++)
			mill_see(seen, f->addr[i % MILL_RING]);
		for (uint32_t i = t->consumer; i != t->producer; i++)
			mill_see(seen, t->desc[i % MILL_RING].addr);
		for (uint32_t i = c->consumer; i != c->producer; i++)
			mill_see(seen, c->addr[i % MILL_RING]);
		for (uint32_t i = r->consumer; i != r->producer; i++)
			mill_see(seen, r->desc[i % MILL_RING].addr);
		for (uint32_t i = 0; i < o->queues[p].n_batch; i++)
			mill_see(seen, o->queues[p].batch[i].addr);
	}
	for (unsigned i = 0; i < MILL_FRAMES; i++)
		MUST(seen[i]);
}

#endif
