/* SPDX-License-Identifier: Apache-2.0 */
/* The way of packets through a worker, with rings and maps of plain memory. */
#include "world.h"

#include <stdio.h>

#include "datapath/clients.h"
#include "datapath/reassembled.h"
#include "maps/limiter.h"

struct world *world_now;

/* ---- the maps ---- */

int maps_get(const struct maps *m, enum maps_id id, const void *key, void *value)
{
	const struct world_maps *s = &world_now->said;
	uint32_t n;
	(void)m;
	if (id == MAPS_addresses) {
		const struct xgw_address_key *k = key;
		struct ip_addr a = ip_addr_from_mapped(k->addr);
		for (unsigned i = 0; i < s->n_own; i++)
			if (k->vnet == VNET && ip_addr_equal(&s->own[i], &a))
				return 0;
		return -ENOENT;
	}
	memcpy(&n, key, sizeof n);
	if (id == MAPS_attachments && n < 4) {
		memcpy(value, &s->attachment[n], sizeof s->attachment[n]);
		return 0;
	}
	if (id == MAPS_next_hops && n && n == s->branches) {
		const struct xgw_next_hop from = {
			.kind = XGW_HOP_TUNNEL, .connection = n, .flags = XGW_HOP_BRANCHES};
		memcpy(value, &from, sizeof from);
		return 0;
	}
	if (id == MAPS_next_hops && n < s->n_routes) {
		memcpy(value, &s->route[n].hop, sizeof s->route[n].hop);
		return 0;
	}
	return -ENOENT;
}

static unsigned find_sa(const void *key)
{
	const struct world_maps *s = &world_now->said;
	unsigned i = 0;
	while (i < s->n_sas && memcmp(&s->sas[i], key, sizeof s->sas[i]) != 0)
		i++;
	return i;
}

int maps_put(const struct maps *m, enum maps_id id, const void *key, const void *value)
{
	struct world_maps *s = &world_now->said;
	(void)m, (void)value;
	if (id == MAPS_sas_in && find_sa(key) == s->n_sas) {
		assert_true(s->n_sas < 16);
		memcpy(&s->sas[s->n_sas++], key, sizeof s->sas[0]);
	}
	return 0;
}

int maps_delete(const struct maps *m, enum maps_id id, const void *key)
{
	struct world_maps *s = &world_now->said;
	unsigned i = find_sa(key);
	(void)m;
	assert_int_equal(id, MAPS_sas_in);
	if (i == s->n_sas)
		return -ENOENT;
	s->sas[i] = s->sas[--s->n_sas];
	return 0;
}

int maps_walk(const struct maps *m, enum maps_id id,
	      int (*each)(void *owner, const void *key, const void *value), void *owner)
{
	const struct xgw_address value = {0};
	(void)m;
	assert_int_equal(id, MAPS_addresses);
	for (unsigned i = 0; i < world_now->said.n_own; i++) {
		struct xgw_address_key key = {.vnet = VNET};
		ip_addr_to_mapped(&world_now->said.own[i], key.addr);
		each(owner, &key, &value);
	}
	return 0;
}

int maps_route(const struct maps *m, uint32_t vnet, const struct ip_addr *to, struct xgw_route *out)
{
	struct world_maps *s = &world_now->said;
	(void)m;
	s->asked++;
	for (uint32_t i = 0; vnet == VNET && i < s->n_routes; i++)
		if (ip_prefix_contains(&s->route[i].to, to)) {
			*out = (struct xgw_route){.next_hop = i};
			return 0;
		}
	return -ENOENT;
}

int maps_endpoint(const struct maps *m, uint32_t vnet, const struct ip_addr *host,
		  struct xgw_endpoint *out)
{
	const struct world_maps *s = &world_now->said;
	(void)m;
	for (unsigned i = 0; vnet == VNET && i < s->n_endpoints; i++)
		if (ip_addr_equal(&s->endpoint[i].host, host)) {
			*out = s->endpoint[i].at;
			return 0;
		}
	return -ENOENT;
}

int maps_neighbour(const struct maps *m, uint32_t ifindex, const struct ip_addr *host,
		   struct xgw_neighbour *out)
{
	(void)m, (void)ifindex, (void)host;
	*out = world_now->said.neighbour;
	return world_now->said.has_neighbour ? 0 : -ENOENT;
}

/* ---- the world ---- */

struct ip_addr world_addr(const char *text)
{
	struct ip_addr a;
	assert_int_equal(ip_addr_parse(&a, text), 0);
	return a;
}

static void ring(struct world_ring *r, struct xsk_ring_prod *p, void *slots)
{
	*p = (struct xsk_ring_prod){.cached_cons = WORLD_RING,
				    .mask = WORLD_RING - 1,
				    .size = WORLD_RING,
				    .producer = &r->producer,
				    .consumer = &r->consumer,
				    .ring = slots,
				    .flags = &r->flags};
}

static void cons(struct world_ring *r, struct xsk_ring_cons *c, void *slots)
{
	*c = (struct xsk_ring_cons){.mask = WORLD_RING - 1,
				    .size = WORLD_RING,
				    .producer = &r->producer,
				    .consumer = &r->consumer,
				    .ring = slots,
				    .flags = &r->flags};
}

static void start_queue(struct world *g, unsigned port)
{
	struct queue *q = &g->queues[port];
	q->fd = -1;
	q->port = q->port_id = port;
	q->fill_max = 128;
	ring(&g->tx[port], &q->tx, g->tx[port].desc);
	ring(&g->fill[port], &q->fill, g->fill[port].addr);
	cons(&g->rx[port], &q->rx, g->rx[port].desc);
	cons(&g->comp[port], &q->comp, g->comp[port].addr);
	g->w.queue_of_port[port] = q;
	queue_refill(q, &g->w.frames);
	g->d.o.port[port].id = port;
	memset(g->d.o.port[port].mac, (int)(0x10 + port), 6);
}

void world_start(struct world *g)
{
	struct fault f;
	memset(g, 0, sizeof *g);
	world_now = g;
	g->maps.config = &g->said.config;
	g->said.config.generation = 1;
	g->d.o.maps = &g->maps;
	g->d.o.n_ports = PORTS;
	g->d.o.backend = esp_backend_choose("openssl");
	g->d.max_slots = 64;
	g->d.n_workers = 1;
	g->d.workers = &g->w;
	assert_int_equal(tables_start(&g->d), 0);
	assert_int_equal(reassembled_start(&g->d), 0);
	g->d.event_fd = eventfd(0, EFD_NONBLOCK);
	g->w.wake_fd = eventfd(0, EFD_NONBLOCK);
	pthread_mutex_init(&g->d.event_lock, NULL);
	g->w.d = &g->d;
	g->w.now_ns = 100 * NS_PER_S;
	g->w.cache = calloc(CACHE_SLOTS, sizeof *g->w.cache);
	g->w.queues = g->queues;
	g->w.n_queues = PORTS;
	assert_int_equal(frames_init(&g->w.frames, WORLD_FRAMES, -1, &f), 0);
	g->w.frames.multi_buffer = true;
	assert_int_equal(g->d.o.backend->context_new(&g->w.crypto), 0);
	for (unsigned p = 0; p < PORTS; p++)
		start_queue(g, p);
	g->said.attachment[1] = (struct xgw_attachment){
		.id = 1, .vnet = VNET, .port_id = LAN, .mtu = 1500, .mac = {0xaa, 0, 0, 0, 0, 1}};
}

void world_stop(struct world *g)
{
	world_now = g;
	world_check_frames(g);
	tables_stop(&g->d);
	reassembled_stop(&g->d);
	close(g->w.wake_fd);
	assert_int_equal(g->said.n_sas, 0);
	g->d.o.backend->context_free(g->w.crypto);
	frames_free_all(&g->w.frames);
	close(g->d.event_fd);
	pthread_mutex_destroy(&g->d.event_lock);
	free(g->w.cache);
}

void world_route(struct world *g, const char *prefix, enum xgw_hop_kind kind, uint32_t connection)
{
	unsigned n = g->said.n_routes++;
	assert_int_equal(ip_prefix_parse(&g->said.route[n].to, prefix), 0);
	g->said.route[n].hop =
		(struct xgw_next_hop){.kind = kind, .vnet = VNET, .connection = connection};
}

void world_endpoint(struct world *g, const char *host, uint32_t attachment, const char *vtep)
{
	unsigned n = g->said.n_endpoints++;
	struct xgw_endpoint *e = &g->said.endpoint[n].at;
	g->said.endpoint[n].host = world_addr(host);
	*e = (struct xgw_endpoint){.attachment = attachment, .mac = {2, 0, 0, 0, 0, 4}};
	if (vtep) {
		struct ip_addr v = world_addr(vtep);
		ip_addr_to_mapped(&v, e->vtep);
	}
}

void world_piece(struct world *g, unsigned port, const void *data, uint32_t len, uint32_t options)
{
	struct world_ring *fill = &g->fill[port], *rx = &g->rx[port];
	assert_true(fill->consumer != fill->producer);
	assert_true(len <= RX_PIECE);
	uint64_t at = fill->addr[fill->consumer++ % WORLD_RING] + RX_HEADROOM;
	/* as with zero copy: XDP wrote the metadata into the headroom */
	if (len >= sizeof(struct xgw_meta) &&
	    ((const struct xgw_meta *)data)->magic == XGW_META_MAGIC)
		at -= sizeof(struct xgw_meta);
	memcpy(g->w.frames.area + at, data, len);
	rx->desc[rx->producer++ % WORLD_RING] =
		(struct xdp_desc){.addr = at, .len = len, .options = options};
}

void world_receive(struct world *g, unsigned port, const struct xgw_meta *meta, const void *ip,
		   uint32_t len)
{
	uint8_t whole[LARGE_SIZE + 4096];
	uint32_t total = (uint32_t)sizeof *meta + meta->l3 + len, some;
	assert_true(total <= sizeof whole);
	memcpy(whole, meta, sizeof *meta);
	memset(whole + sizeof *meta, 0xee, meta->l3);
	memcpy(whole + sizeof *meta + meta->l3, ip, len);
	for (uint32_t at = 0; at < total; at += some) {
		some = total - at < RX_PIECE ? total - at : RX_PIECE;
		world_piece(g, port, whole + at, some, at + some < total ? XDP_PKT_CONTD : 0);
	}
}

void world_run(struct world *g)
{
	world_now = g;
	worker_round(&g->w);
	rcu_quiescent_state();
}

const uint8_t *world_sent(struct world *g, unsigned port, uint32_t *len)
{
	struct world_ring *tx = &g->tx[port], *comp = &g->comp[port];
	if (tx->consumer == tx->producer)
		return NULL;
	const struct xdp_desc *d;
	*len = 0;
	do {
		/* a packet is never on the ring in part */
		assert_true(tx->consumer != tx->producer);
		d = &tx->desc[tx->consumer++ % WORLD_RING];
		comp->addr[comp->producer++ % WORLD_RING] = d->addr;
		assert_true(d->addr < g->w.frames.umem_bytes && d->len);
		assert_true(d->addr / FRAME_SIZE == (d->addr + d->len - 1) / FRAME_SIZE);
		assert_true(*len + d->len <= sizeof g->sent);
		memcpy(g->sent + *len, g->w.frames.area + d->addr, d->len);
		*len += d->len;
	} while (d->options & XDP_PKT_CONTD);
	return g->sent;
}

uint64_t world_drops(const struct world *g, enum xgw_drop why)
{
	return g->w.status.drops[why];
}

static void see(bool *seen, uint64_t addr)
{
	assert_false(seen[addr / FRAME_SIZE]);
	seen[addr / FRAME_SIZE] = true;
}

static void check_large(const struct world *g)
{
	bool seen[WORLD_FRAMES / LARGE_SHARE] = {false};
	uint32_t n = 0;
	for (uint32_t i = 0; i < g->w.frames.n_large; i++) {
		uint64_t at = g->w.frames.large[i] - g->w.frames.umem_bytes;
		assert_true(at % LARGE_SIZE == 0 && at / LARGE_SIZE < WORLD_FRAMES / LARGE_SHARE);
		assert_false(seen[at / LARGE_SIZE]);
		seen[at / LARGE_SIZE] = true;
		n++;
	}
	for (unsigned p = 0; p < PORTS; p++)
		n += g->queues[p].gather.more && !g->queues[p].gather.why;
	assert_int_equal(n, WORLD_FRAMES / LARGE_SHARE);
}

void world_check_frames(const struct world *g)
{
	bool seen[WORLD_FRAMES] = {false};
	for (uint32_t i = 0; i < g->w.frames.n_free; i++)
		see(seen, g->w.frames.free[i]);
	for (unsigned p = 0; p < PORTS; p++) {
		const struct world_ring *f = &g->fill[p], *t = &g->tx[p], *c = &g->comp[p];
		for (uint32_t i = f->consumer; i != f->producer; i++)
			see(seen, f->addr[i % WORLD_RING]);
		for (uint32_t i = t->consumer; i != t->producer; i++)
			see(seen, t->desc[i % WORLD_RING].addr);
		for (uint32_t i = c->consumer; i != c->producer; i++)
			see(seen, c->addr[i % WORLD_RING]);
	}
	for (unsigned i = 0; i < WORLD_FRAMES; i++)
		assert_true(seen[i]);
	check_large(g);
}

/* ---- packets ---- */

static uint16_t sum16(const uint8_t *p, uint32_t len)
{
	uint32_t sum = 0;
	for (uint32_t i = 0; i + 1 < len; i += 2)
		sum += load_be16(p + i);
	if (len & 1)
		sum += (uint32_t)p[len - 1] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

static uint32_t ipv4(uint8_t *ip, const char *from, const char *to, uint32_t len, uint16_t flags)
{
	struct ip_addr a = world_addr(from), b = world_addr(to);
	const uint8_t head[20] = {0x45, 0, 0, 0, 0x12, 0x34, 0, 0, 64, 253};
	memcpy(ip, head, sizeof head);
	store_be16(ip + 2, (uint16_t)len);
	store_be16(ip + 6, flags);
	memcpy(ip + 12, a.b, 4);
	memcpy(ip + 16, b.b, 4);
	store_be16(ip + 10, sum16(ip, 20));
	for (uint32_t i = 20; i < len; i++)
		ip[i] = (uint8_t)(i * 31 + i / 256);
	return len;
}

static uint32_t ipv6(uint8_t *ip, const char *from, const char *to, uint32_t len)
{
	struct ip_addr a = world_addr(from), b = world_addr(to);
	memset(ip, 0, len);
	ip[0] = 0x60;
	store_be16(ip + 4, (uint16_t)(len - 40));
	ip[6] = 253;
	ip[7] = 64;
	memcpy(ip + 8, a.b, 16);
	memcpy(ip + 24, b.b, 16);
	return len;
}

static struct traffic_selector any(enum ip_family family)
{
	struct traffic_selector ts = {.port_last = 65535};
	ts.range.first.family = ts.range.last.family = (uint8_t)family;
	memset(ts.range.last.b, 0xff, family == IP_V4 ? 4 : 16);
	return ts;
}

static struct child_sa child(uint32_t connection, uint32_t spi, bool left)
{
	struct child_sa c = {.connection = connection,
			     .spi_in = left ? spi : spi + 1,
			     .spi_out = left ? spi + 1 : spi,
			     .encryption = ENCR_AES_GCM16_128,
			     .n_local_ts = 2,
			     .n_remote_ts = 2};
	c.local.addr = world_addr(left ? "203.0.113.1" : "203.0.113.2");
	c.remote.addr = world_addr(left ? "203.0.113.2" : "203.0.113.1");
	c.local.port = c.remote.port = 4500;
	c.local_ts[0] = c.remote_ts[0] = any(IP_V4);
	c.local_ts[1] = c.remote_ts[1] = any(IP_V6);
	c.key_in.len = c.key_out.len = 20;
	memset(c.key_in.b, left ? 1 : 2, 20);
	memset(c.key_out.b, left ? 2 : 1, 20);
	return c;
}

static void tunnel(struct world *g, const struct child_sa *c)
{
	struct fault f;
	const struct datapath_path path = {.port_id = WAN,
					   .source_mac = {2, 1, 1, 1, 1, 1},
					   .destination_mac = {2, 2, 2, 2, 2, 2},
					   .mtu = 1500,
					   .usable = true};
	world_now = g;
	assert_int_equal(datapath_path_set(&g->d, c->connection, &path), 0);
	assert_int_equal(datapath_child_install(&g->d, VNET, c, &f), 0);
	assert_int_equal(datapath_child_use(&g->d, c->spi_in), 0);
}

static const struct xgw_meta encrypt_meta = {.magic = XGW_META_MAGIC,
					     .kind = XGW_META_ENCRYPT,
					     .l3 = 14,
					     .vnet = VNET,
					     .connection = 7,
					     .attachment = 1};

/* What left `from`'s uplink arrives at `to`'s, as XDP there would hand it over. */
static unsigned carry(struct world *from, struct world *to, uint32_t slot, uint16_t esp)
{
	struct xgw_meta m = {.magic = XGW_META_MAGIC,
			     .kind = XGW_META_DECRYPT,
			     .l3 = 14,
			     .esp = (uint16_t)(14 + esp),
			     .vnet = VNET,
			     .connection = 7,
			     .slot = slot};
	uint32_t len;
	unsigned n = 0;
	for (const uint8_t *f; (f = world_sent(from, WAN, &len)); n++)
		world_receive(to, WAN, &m, f + 14, len - 14);
	return n;
}

struct pair {
	struct world left, right;
};

static int set_up(void **state)
{
	struct pair *p = malloc(sizeof *p);
	const struct child_sa a = child(7, 0x1000, true), b = child(7, 0x1000, false);
	world_start(&p->right);
	world_endpoint(&p->right, "10.2.0.4", 1, NULL);
	world_route(&p->right, "10.1.0.0/16", XGW_HOP_TUNNEL, 7);
	world_route(&p->right, "10.2.0.0/16", XGW_HOP_LOCAL, 0);
	world_route(&p->right, "10.3.0.0/16", XGW_HOP_TUNNEL, 8);
	world_route(&p->right, "fd02::/16", XGW_HOP_LOCAL, 0);
	p->right.said.own[p->right.said.n_own++] = world_addr("10.2.0.1");
	tunnel(&p->right, &b);
	world_start(&p->left);
	world_endpoint(&p->left, "10.1.0.4", 1, NULL);
	world_route(&p->left, "10.1.0.0/16", XGW_HOP_LOCAL, 0);
	world_route(&p->left, "10.2.0.0/16", XGW_HOP_TUNNEL, 7);
	p->left.said.own[p->left.said.n_own++] = world_addr("10.1.0.1");
	tunnel(&p->left, &a);
	*state = p;
	return 0;
}

static int tear_down(void **state)
{
	struct pair *p = *state;
	world_stop(&p->left);
	world_stop(&p->right);
	free(p);
	return 0;
}

static void send_left(struct pair *p, const uint8_t *ip, uint32_t len)
{
	world_receive(&p->left, LAN, &encrypt_meta, ip, len);
	world_run(&p->left);
}

/* ---- tests ---- */

/* host --LAN--> left ==ESP==> right --LAN--> host: the same bytes, TTL two less */
static void test_there(void **state)
{
	struct pair *p = *state;
	uint8_t ip[1400];
	uint32_t len = ipv4(ip, "10.1.0.4", "10.2.0.4", sizeof ip, 0x4000), n;
	for (int i = 0; i < 100; i++)
		world_receive(&p->left, LAN, &encrypt_meta, ip, len);
	world_run(&p->left);
	assert_int_equal(carry(&p->left, &p->right, 0, 20), 100);
	world_run(&p->right);
	ip[8] -= 2;
	store_be16(ip + 10, 0);
	store_be16(ip + 10, sum16(ip, 20));
	const uint8_t l2[14] = {2, 0, 0, 0, 0, 4, 0xaa, 0, 0, 0, 0, 1, 8, 0};
	for (int i = 0; i < 100; i++) {
		const uint8_t *f = world_sent(&p->right, LAN, &n);
		assert_non_null(f);
		assert_int_equal(n, 14 + len);
		assert_memory_equal(f, l2, 14);
		assert_memory_equal(f + 14, ip, len);
	}
	assert_null(world_sent(&p->right, LAN, &n));
	/* one look into the maps served them all */
	assert_int_equal(p->right.said.asked, 1);
	struct datapath_traffic t;
	assert_int_equal(datapath_connection_traffic(&p->right.d, 7, &t), 0);
	assert_int_equal(t.packets_in, 100);
}

static void test_outer_header(void **state)
{
	struct pair *p = *state;
	uint8_t ip[100];
	uint32_t n;
	send_left(p, ip, ipv4(ip, "10.1.0.4", "10.2.0.4", sizeof ip, 0x4000));
	const uint8_t *f = world_sent(&p->left, WAN, &n);
	const uint8_t l2[14] = {2, 2, 2, 2, 2, 2, 2, 1, 1, 1, 1, 1, 8, 0};
	assert_memory_equal(f, l2, 14);
	assert_int_equal(f[14 + 9], 50);
	assert_int_equal(load_be32(f + 34), 0x1001);
	assert_int_equal(sum16(f + 14, 20), 0);
}

/* Cut before ESP, so that the peer's host puts it together again. */
static void test_fragments(void **state)
{
	struct pair *p = *state;
	uint8_t ip[3000], whole[3000];
	uint32_t len = ipv4(ip, "10.1.0.4", "10.2.0.4", sizeof ip, 0), n, got = 20;
	send_left(p, ip, len);
	assert_int_equal(carry(&p->left, &p->right, 0, 20), 3);
	world_run(&p->right);
	for (int i = 0; i < 3; i++) {
		const uint8_t *f = world_sent(&p->right, LAN, &n);
		assert_non_null(f);
		f += 14;
		n -= 14;
		assert_int_equal(load_be16(f + 2), n);
		assert_int_equal(sum16(f, 20), 0);
		assert_int_equal(load_be16(f + 4), 0x1234);
		assert_int_equal((load_be16(f + 6) & 0x1fff) * 8, got - 20);
		assert_int_equal(!!(load_be16(f + 6) & 0x2000), i < 2);
		assert_int_equal(f[8], 62);
		memcpy(whole + got, f + 20, n - 20);
		got += n - 20;
	}
	assert_int_equal(got, len);
	assert_memory_equal(whole + 20, ip + 20, len - 20);
	assert_int_equal(world_drops(&p->left, XGW_DROP_TOO_BIG), 0);
}

static void test_too_big_is_answered(void **state)
{
	struct pair *p = *state;
	uint8_t ip[1500];
	uint32_t len = ipv4(ip, "10.1.0.4", "10.2.0.4", sizeof ip, 0x4000), n;
	send_left(p, ip, len);
	assert_null(world_sent(&p->left, WAN, &n));
	assert_int_equal(world_drops(&p->left, XGW_DROP_TOO_BIG), 1);
	const uint8_t *f = world_sent(&p->left, LAN, &n);
	assert_non_null(f);
	struct ip_addr from = ip_source(f + 14), to = ip_destination(f + 14);
	struct ip_addr gateway = world_addr("10.1.0.1"), host = world_addr("10.1.0.4");
	assert_true(ip_addr_equal(&from, &gateway));
	assert_true(ip_addr_equal(&to, &host));
	assert_int_equal(load_be16(f + 34), 0x0304);
	/* a packet of the size that it names passes */
	uint16_t mtu = load_be16(f + 40);
	assert_in_range(mtu, 1400, 1499);
	send_left(p, ip, ipv4(ip, "10.1.0.4", "10.2.0.4", mtu, 0x4000));
	assert_non_null(world_sent(&p->left, WAN, &n));
	assert_true(n <= 1514);
	send_left(p, ip, ipv4(ip, "10.1.0.4", "10.2.0.4", mtu + 1u, 0x4000));
	assert_null(world_sent(&p->left, WAN, &n));
}

static void test_too_big_has_a_rate(void **state)
{
	struct pair *p = *state;
	uint8_t ip[1500];
	uint32_t len = ipv4(ip, "10.1.0.4", "10.2.0.4", sizeof ip, 0x4000), n;
	unsigned answers = 0;
	for (unsigned i = 0; i < ICMP_PER_SECOND + 50; i++) {
		send_left(p, ip, len);
		answers += world_sent(&p->left, LAN, &n) != NULL;
	}
	assert_int_equal(answers, ICMP_PER_SECOND);
	p->left.w.now_ns += NS_PER_S;
	send_left(p, ip, len);
	assert_non_null(world_sent(&p->left, LAN, &n));
}

/* A VNet with a smaller MTU than the tunnel: the site's host is told, through the tunnel. */
static void test_too_big_for_the_vnet(void **state)
{
	struct pair *p = *state;
	uint8_t ip[1400];
	uint32_t n;
	p->right.said.attachment[1].mtu = 1000;
	send_left(p, ip, ipv4(ip, "10.1.0.4", "10.2.0.4", sizeof ip, 0x4000));
	carry(&p->left, &p->right, 0, 20);
	world_run(&p->right);
	assert_null(world_sent(&p->right, LAN, &n));
	assert_int_equal(world_drops(&p->right, XGW_DROP_TOO_BIG), 1);
	assert_int_equal(carry(&p->right, &p->left, 0, 20), 1);
	world_run(&p->left);
	const uint8_t *f = world_sent(&p->left, LAN, &n);
	assert_non_null(f);
	assert_int_equal(load_be16(f + 34), 0x0304);
	assert_int_equal(load_be16(f + 40), 1000);
	/* one that may be cut is cut */
	send_left(p, ip, ipv4(ip, "10.1.0.4", "10.2.0.4", sizeof ip, 0));
	carry(&p->left, &p->right, 0, 20);
	world_run(&p->right);
	assert_non_null(world_sent(&p->right, LAN, &n));
	assert_true(n <= 1014);
	assert_non_null(world_sent(&p->right, LAN, &n));
	assert_null(world_sent(&p->right, LAN, &n));
}

static void test_echo_of_the_gateway(void **state)
{
	struct pair *p = *state;
	uint8_t ip[84];
	uint32_t len = ipv4(ip, "10.1.0.4", "10.2.0.1", sizeof ip, 0x4000), n;
	ip[8] = 2; /* used up on arrival: no hop behind it */
	ip[9] = 1;
	store_be16(ip + 10, 0);
	store_be16(ip + 10, sum16(ip, 20));
	memset(ip + 20, 0, 4);
	ip[20] = 8;
	store_be16(ip + 22, sum16(ip + 20, len - 20));
	send_left(p, ip, len);
	carry(&p->left, &p->right, 0, 20);
	world_run(&p->right);
	assert_int_equal(carry(&p->right, &p->left, 0, 20), 1);
	world_run(&p->left);
	const uint8_t *f = world_sent(&p->left, LAN, &n);
	assert_non_null(f);
	f += 14;
	assert_int_equal(f[20], 0);
	assert_int_equal(sum16(f, 20), 0);
	assert_int_equal(sum16(f + 20, len - 20), 0);
	assert_int_equal(f[8], 63); /* 64 at the answering gateway, one hop since */
	assert_memory_equal(f + 28, ip + 28, len - 28);
	/* anything else to the gateway goes nowhere */
	send_left(p, ip, ipv4(ip, "10.1.0.4", "10.2.0.1", sizeof ip, 0x4000));
	carry(&p->left, &p->right, 0, 20);
	world_run(&p->right);
	assert_null(world_sent(&p->right, WAN, &n));
	assert_int_equal(world_drops(&p->right, XGW_DROP_UNANSWERED), 1);
}

static void test_drops(void **state)
{
	struct pair *p = *state;
	uint8_t ip[100];
	uint32_t n, len = ipv4(ip, "10.1.0.4", "10.2.0.4", sizeof ip, 0x4000);
	struct xgw_meta m = encrypt_meta;
	m.magic = 1;
	world_receive(&p->left, LAN, &m, ip, len);
	m = encrypt_meta;
	m.kind = 99;
	world_receive(&p->left, LAN, &m, ip, len);
	m = encrypt_meta;
	m.connection = 9;
	world_receive(&p->left, LAN, &m, ip, len);
	m.connection = UINT32_MAX;
	world_receive(&p->left, LAN, &m, ip, len);
	world_receive(&p->left, LAN, &encrypt_meta, ip, 30); /* shorter than it says */
	ip[8] = 1;
	world_receive(&p->left, LAN, &encrypt_meta, ip, len);
	world_run(&p->left);
	assert_null(world_sent(&p->left, WAN, &n));
	assert_int_equal(world_drops(&p->left, XGW_DROP_META), 2);
	assert_int_equal(world_drops(&p->left, XGW_DROP_NO_SA), 2);
	assert_int_equal(world_drops(&p->left, XGW_DROP_MALFORMED), 1);
	assert_int_equal(world_drops(&p->left, XGW_DROP_TTL), 1);
}

/* Slots that are empty, out of range or another SA's; a header beyond the end; a replay. */
static void test_refused_esp(void **state)
{
	struct pair *p = *state;
	uint8_t ip[100], wire[200];
	uint32_t n;
	struct xgw_meta m = {
		.magic = XGW_META_MAGIC, .kind = XGW_META_DECRYPT, .l3 = 14, .esp = 34};
	send_left(p, ip, ipv4(ip, "10.1.0.4", "10.2.0.4", sizeof ip, 0x4000));
	const uint8_t *f = world_sent(&p->left, WAN, &n);
	memcpy(wire, f + 14, n - 14);
	const struct child_sa other = child(7, 0x2000, false);
	tunnel(&p->right, &other);
	const uint32_t slots[] = {1, 5, 64, UINT32_MAX};
	for (unsigned i = 0; i < 4; i++) {
		m.slot = slots[i];
		world_receive(&p->right, WAN, &m, wire, n - 14);
	}
	m.slot = 0;
	const uint16_t offsets[] = {0, 13, 14 + 120, UINT16_MAX};
	for (unsigned i = 0; i < 4; i++) {
		m.esp = offsets[i];
		world_receive(&p->right, WAN, &m, wire, n - 14);
	}
	world_run(&p->right);
	assert_int_equal(world_drops(&p->right, XGW_DROP_UNKNOWN_SPI), 8);
	m.esp = 34;
	world_receive(&p->right, WAN, &m, wire, n - 14);
	world_receive(&p->right, WAN, &m, wire, n - 14);
	world_run(&p->right);
	uint32_t len;
	assert_non_null(world_sent(&p->right, LAN, &len));
	assert_null(world_sent(&p->right, LAN, &len));
	assert_int_equal(world_drops(&p->right, XGW_DROP_REPLAY), 1);
}

/* Out of tunnel 7: back into it is a loop, into tunnel 8 is transit. */
static void test_transit(void **state)
{
	struct pair *p = *state;
	uint8_t ip[100];
	uint32_t n;
	send_left(p, ip, ipv4(ip, "10.1.0.4", "10.1.9.9", sizeof ip, 0x4000));
	carry(&p->left, &p->right, 0, 20);
	world_run(&p->right);
	assert_int_equal(world_drops(&p->right, XGW_DROP_LOOP), 1);
	const struct child_sa b = child(8, 0x3000, true);
	tunnel(&p->right, &b);
	send_left(p, ip, ipv4(ip, "10.1.0.4", "10.3.0.4", sizeof ip, 0x4000));
	carry(&p->left, &p->right, 0, 20);
	world_run(&p->right);
	const uint8_t *f = world_sent(&p->right, WAN, &n);
	assert_non_null(f);
	assert_int_equal(load_be32(f + 34), 0x3001);
}

static unsigned events(struct world *g, int kind, struct datapath_event *last)
{
	struct datapath_event e = {0};
	unsigned n = 0;
	while (datapath_next_event(&g->d, &e))
		if ((int)e.kind == kind) {
			*last = e;
			n++;
		}
	return n;
}

static void test_unknown_host_is_asked_for(void **state)
{
	struct pair *p = *state;
	uint8_t ip[100];
	uint32_t n;
	struct datapath_event e = {0};
	for (int i = 0; i < 20; i++)
		send_left(p, ip, ipv4(ip, "10.1.0.4", "10.2.0.99", sizeof ip, 0x4000));
	carry(&p->left, &p->right, 0, 20);
	world_run(&p->right);
	assert_int_equal(world_drops(&p->right, XGW_DROP_NO_ENDPOINT), 20);
	assert_int_equal(events(&p->right, DATAPATH_RESOLVE, &e), 1);
	struct ip_addr host = world_addr("10.2.0.99");
	assert_true(ip_addr_equal(&e.from.addr, &host));
	assert_int_equal(e.vnet, VNET);
	world_endpoint(&p->right, "10.2.0.99", 1, NULL);
	p->right.said.config.generation++;
	send_left(p, ip, ipv4(ip, "10.1.0.4", "10.2.0.99", sizeof ip, 0x4000));
	carry(&p->left, &p->right, 0, 20);
	world_run(&p->right);
	assert_non_null(world_sent(&p->right, LAN, &n));
}

static void test_vlan_and_vxlan(void **state)
{
	struct pair *p = *state;
	struct world *r = &p->right;
	uint8_t ip[100], ip6[100];
	uint32_t n;
	struct ip_addr vtep = world_addr("192.0.2.1");
	r->said.attachment[2] = (struct xgw_attachment){
		.id = 2, .port_id = LAN, .kind = XGW_TAG_VLAN, .tag = 11, .mtu = 1500};
	r->said.attachment[3] = (struct xgw_attachment){.id = 3,
							.port_id = LAN,
							.kind = XGW_TAG_VXLAN,
							.tag = 0x123456,
							.mtu = 1450,
							.vxlan_port_be = htobe16(4789)};
	ip_addr_to_mapped(&vtep, r->said.attachment[3].local_vtep);
	world_endpoint(r, "10.2.0.11", 2, NULL);
	world_endpoint(r, "fd02::3", 3, "192.0.2.11");
	send_left(p, ip, ipv4(ip, "10.1.0.4", "10.2.0.11", sizeof ip, 0x4000));
	send_left(p, ip6, ipv6(ip6, "fd01::4", "fd02::3", sizeof ip6));
	carry(&p->left, r, 0, 20);
	world_run(r);
	const uint8_t *f = world_sent(r, LAN, &n);
	assert_non_null(f);
	assert_int_equal(load_be32(f + 12), 0x8100000b);
	assert_int_equal(load_be16(f + 16), 0x0800);
	assert_int_equal(n, 18 + 100);
	/* the VXLAN host's underlay neighbour is not known at first */
	assert_null(world_sent(r, LAN, &n));
	assert_int_equal(world_drops(r, XGW_DROP_NO_NEIGHBOUR), 1);
	r->said.has_neighbour = true;
	r->w.now_ns += NS_PER_S;
	send_left(p, ip6, ipv6(ip6, "fd01::4", "fd02::3", sizeof ip6));
	carry(&p->left, r, 0, 20);
	world_run(r);
	f = world_sent(r, LAN, &n);
	assert_non_null(f);
	assert_int_equal(n, 14 + 20 + 8 + 8 + 14 + 100);
	assert_int_equal(sum16(f + 14, 20), 0);
	assert_int_equal(load_be16(f + 16), n - 14);
	assert_int_equal(load_be16(f + 36), 4789);
	assert_int_equal(load_be16(f + 38), n - 34);
	assert_int_equal(load_be32(f + 42), 0x08000000);
	assert_int_equal(load_be32(f + 46), 0x12345600);
	assert_int_equal(load_be16(f + 62), 0x86dd);
}

/* ---- circuits ---- */

static struct xgw_limiter limiters[XGW_MAX_LIMITERS];

/* Prefixes behind a link with two tags, whose router is 172.31.0.1. */
static void circuit(struct world *g)
{
	struct ip_addr router = world_addr("172.31.0.1");
	g->said.attachment[2] = (struct xgw_attachment){.id = 2,
							.port_id = LAN,
							.kind = XGW_TAG_QINQ,
							.tag = XGW_QINQ(200, 300),
							.mtu = 1500,
							.mac = {0xbb, 0, 0, 0, 0, 2},
							.flags = XGW_ATTACHMENT_LINK,
							.limiter = 3};
	world_endpoint(g, "172.31.0.1", 2, NULL);
	world_route(g, "10.9.0.0/16", XGW_HOP_CIRCUIT, 0);
	ip_addr_to_mapped(&router, g->said.route[g->said.n_routes - 1].hop.address);
	memset(limiters, 0, sizeof limiters);
	g->maps.limiters = limiters;
	g->said.branches = 7;
	g->said.config.generation++;
}

static const uint8_t to_link[22] = {2, 0,    0,	   0, 0,   4,	 0xbb, 0, 0,  0, 0,
				    2, 0x88, 0xa8, 0, 200, 0x81, 0,    1, 44, 8, 0};

static void test_tunnel_to_circuit(void **state)
{
	struct pair *p = *state;
	struct world *r = &p->right;
	uint8_t ip[1000];
	uint32_t len = ipv4(ip, "10.1.0.4", "10.9.0.4", sizeof ip, 0x4000), n, passed = 0;
	circuit(r);
	send_left(p, ip, len);
	carry(&p->left, r, 0, 20);
	world_run(r);
	const uint8_t *f = world_sent(r, LAN, &n);
	assert_non_null(f);
	assert_int_equal(n, sizeof to_link + len);
	assert_memory_equal(f, to_link, sizeof to_link);
	assert_memory_equal(f + sizeof to_link + 12, ip + 12, 8);
	/* at 1 Mbit/s: 65 536 bytes at once, and 125 a millisecond */
	limiters[3] = limiter_of(1);
	uint64_t since = account_clock();
	for (int i = 0; i < 100; i++)
		send_left(p, ip, len);
	carry(&p->left, r, 0, 20);
	world_run(r);
	while (world_sent(r, LAN, &n))
		passed++;
	assert_in_range(passed, 65, 66 + (account_clock() - since) / 8000000);
	assert_int_equal(world_drops(r, XGW_DROP_CIRCUIT_RATE), 100 - passed);
	/* what may not go from branch to branch does not */
	r->said.branches = 0;
	r->said.config.generation++;
	send_left(p, ip, len);
	carry(&p->left, r, 0, 20);
	world_run(r);
	assert_null(world_sent(r, LAN, &n));
	assert_int_equal(world_drops(r, XGW_DROP_BRANCH), 1);
	r->said.branches = 7;
	r->said.config.generation++;
	/* without the shared memory there is no limit */
	r->maps.limiters = NULL;
	send_left(p, ip, len);
	carry(&p->left, r, 0, 20);
	world_run(r);
	assert_non_null(world_sent(r, LAN, &n));
}

/* Into a tunnel, too big: its sender behind the circuit is told. */
static void test_circuit_to_tunnel(void **state)
{
	struct pair *p = *state;
	uint8_t ip[1500];
	uint32_t n;
	circuit(&p->left);
	send_left(p, ip, ipv4(ip, "10.9.0.4", "10.2.0.4", 1000, 0x4000));
	assert_int_equal(carry(&p->left, &p->right, 0, 20), 1);
	world_run(&p->right);
	assert_non_null(world_sent(&p->right, LAN, &n));
	send_left(p, ip, ipv4(ip, "10.9.0.4", "10.2.0.4", 1500, 0x4000));
	assert_int_equal(world_drops(&p->left, XGW_DROP_TOO_BIG), 1);
	const uint8_t *f = world_sent(&p->left, LAN, &n);
	assert_non_null(f);
	assert_memory_equal(f, to_link, sizeof to_link);
	const uint8_t *icmp = f + sizeof to_link;
	struct ip_addr to = ip_destination(icmp), sender = world_addr("10.9.0.4");
	assert_true(ip_addr_equal(&to, &sender));
	assert_int_equal(load_be16(icmp + 20), 0x0304);
}

/* Newest first; the old one serves when the new one is gone; none at all is a drop. */
static void test_choice_of_child(void **state)
{
	struct pair *p = *state;
	uint8_t ip[100], to9[100];
	uint32_t n, len = ipv4(ip, "10.1.0.4", "10.2.0.4", sizeof ip, 0x4000);
	struct child_sa narrow = child(7, 0x5000, true);
	narrow.remote_ts[0].range.first = narrow.remote_ts[0].range.last = world_addr("10.2.0.9");
	narrow.n_remote_ts = 1;
	tunnel(&p->left, &narrow);
	send_left(p, ip, len);
	assert_int_equal(load_be32(world_sent(&p->left, WAN, &n) + 34), 0x1001);
	send_left(p, to9, ipv4(to9, "10.1.0.4", "10.2.0.9", sizeof to9, 0x4000));
	assert_int_equal(load_be32(world_sent(&p->left, WAN, &n) + 34), 0x5001);
	const struct child_sa renewed = child(7, 0x6000, true);
	tunnel(&p->left, &renewed);
	send_left(p, ip, len);
	assert_int_equal(load_be32(world_sent(&p->left, WAN, &n) + 34), 0x6001);
	assert_int_equal(datapath_child_remove(&p->left.d, 0x6000), 0);
	assert_int_equal(datapath_child_remove(&p->left.d, 0x6000), -ENOENT);
	send_left(p, ip, len);
	assert_int_equal(load_be32(world_sent(&p->left, WAN, &n) + 34), 0x1001);
	assert_int_equal(datapath_child_remove(&p->left.d, 0x1000), 0);
	send_left(p, ip, len);
	assert_null(world_sent(&p->left, WAN, &n));
	assert_int_equal(world_drops(&p->left, XGW_DROP_SELECTOR_OUT), 1);
	assert_int_equal(datapath_child_remove(&p->left.d, 0x5000), 0);
	send_left(p, ip, len);
	assert_int_equal(world_drops(&p->left, XGW_DROP_NO_SA), 1);
	/* what removed children carried still counts */
	struct datapath_traffic t;
	assert_int_equal(datapath_connection_traffic(&p->left.d, 7, &t), 0);
	assert_int_equal(t.packets_out, 4);
	assert_int_equal(t.drops[XGW_DROP_NO_SA], 1);
}

static void test_path(void **state)
{
	struct pair *p = *state;
	uint8_t ip[100];
	uint32_t n, len = ipv4(ip, "10.1.0.4", "10.2.0.4", sizeof ip, 0x4000);
	struct datapath_path path = {.port_id = WAN, .mtu = 1500};
	assert_int_equal(datapath_path_set(&p->left.d, 7, &path), 0);
	send_left(p, ip, len);
	assert_int_equal(world_drops(&p->left, XGW_DROP_NO_OUTER_ROUTE), 1);
	path.usable = true;
	path.port_id = XGW_MAX_PORTS + 5;
	assert_int_equal(datapath_path_set(&p->left.d, 7, &path), 0);
	send_left(p, ip, len);
	assert_int_equal(world_drops(&p->left, XGW_DROP_NO_SOCKET), 1);
	assert_int_equal(datapath_path_set(&p->left.d, MAX_CONNECTIONS, &path), -EINVAL);
	assert_null(world_sent(&p->left, WAN, &n));
}

/* Other outer addresses: entered anew in the map, same slot, keys and numbers; packets go on. */
static void test_readdressed_child(void **state)
{
	struct pair *p = *state;
	uint8_t ip[100];
	uint32_t n;
	struct child_sa b = child(7, 0x1000, false);
	b.local.addr = world_addr("203.0.113.77");
	send_left(p, ip, ipv4(ip, "10.1.0.4", "10.2.0.4", sizeof ip, 0x4000));
	carry(&p->left, &p->right, 0, 20);
	world_run(&p->right);
	assert_non_null(world_sent(&p->right, LAN, &n));
	assert_int_equal(datapath_child_update(&p->right.d, &b), 0);
	assert_int_equal(p->right.said.n_sas, 1);
	struct xgw_sa_key key = {.spi_be = htobe32(0x1001)};
	ip_addr_to_mapped(&b.local.addr, key.destination);
	assert_memory_equal(&p->right.said.sas[0], &key, sizeof key);
	send_left(p, ip, ipv4(ip, "10.1.0.4", "10.2.0.4", sizeof ip, 0x4000));
	carry(&p->left, &p->right, 0, 20);
	world_receive(&p->right, LAN, &encrypt_meta, ip,
		      ipv4(ip, "10.2.0.4", "10.1.0.4", sizeof ip, 0x4000));
	world_run(&p->right);
	assert_non_null(world_sent(&p->right, LAN, &n));
	const uint8_t *f = world_sent(&p->right, WAN, &n);
	assert_non_null(f);
	struct ip_addr from = ip_source(f + 14);
	assert_true(ip_addr_equal(&from, &b.local.addr));
}

/* In UDP from another port than agreed: told once a second, not followed. Natively: no sign. */
/* The queue of events is full when the limit is passed: it is told as soon as there is room, once.
 */
static void test_soft_limit_is_told(void **state)
{
	struct pair *p = *state;
	uint8_t ip[100];
	uint32_t len = ipv4(ip, "10.1.0.4", "10.2.0.4", sizeof ip, 0x4000);
	struct datapath_event e = {.kind = DATAPATH_ALIVE};
	struct child_sa limited = child(7, 0x3000, true);
	limited.soft_packets = 2;
	tunnel(&p->left, &limited);
	send_left(p, ip, len);
	assert_int_equal(events(&p->left, DATAPATH_SOFT_EXPIRY, &e), 0);
	unsigned room = 0;
	while (worker_event(&p->left.w, &e))
		room++;
	assert_int_equal(room, EVENTS);
	send_left(p, ip, len);
	assert_int_equal(events(&p->left, DATAPATH_SOFT_EXPIRY, &e), 0);
	for (unsigned i = 0; i < 3; i++) {
		send_left(p, ip, len);
		assert_int_equal(events(&p->left, DATAPATH_SOFT_EXPIRY, &e), !i);
		assert_int_equal(e.spi_in, 0x3000);
	}
}

static void test_moved_peer(void **state)
{
	struct pair *p = *state;
	uint8_t ip[100];
	struct datapath_event e = {0};
	const struct child_sa *old = &(const struct child_sa){.spi_in = 0};
	struct child_sa a = child(7, 0x1000, true), b = child(7, 0x1000, false);
	assert_int_equal(datapath_child_update(&p->left.d, old), -ENOENT);
	b.encapsulation = ESP_IN_UDP;
	world_now = &p->right;
	assert_int_equal(datapath_child_update(&p->right.d, &b), 0);
	send_left(p, ip, ipv4(ip, "10.1.0.4", "10.2.0.4", sizeof ip, 0x4000));
	assert_int_equal(carry(&p->left, &p->right, 0, 20), 1);
	world_run(&p->right);
	assert_int_equal(events(&p->right, DATAPATH_ALIVE, &e), 1);
	assert_false(e.moved);
	a.encapsulation = ESP_IN_UDP;
	a.local.port = 40000;
	world_now = &p->left;
	assert_int_equal(datapath_child_update(&p->left.d, &a), 0);
	for (int i = 0; i < 5; i++)
		send_left(p, ip, ipv4(ip, "10.1.0.4", "10.2.0.4", sizeof ip, 0x4000));
	assert_int_equal(carry(&p->left, &p->right, 0, 28), 5);
	world_run(&p->right);
	assert_int_equal(events(&p->right, DATAPATH_ALIVE, &e), 1);
	assert_true(e.moved);
	assert_int_equal(e.from.port, 40000);
	assert_int_equal(p->right.d.slots[0]->remote.port, 4500);
}

/* In place of 0x1000 and 0x1001, with a source port for each flow. */
static void use_flow_ports(struct pair *p)
{
	for (unsigned i = 0; i < 2; i++) {
		struct child_sa c = child(7, 0x5000, !i);
		c.encapsulation = ESP_IN_UDP;
		c.port_entropy = true;
		tunnel(i ? &p->right : &p->left, &c);
	}
}

/* Where both agreed to that only another address is another place. */
static void test_flow_ports(void **state)
{
	struct pair *p = *state;
	uint8_t ip[100];
	struct datapath_event e = {0};
	struct child_sa elsewhere = child(7, 0x5000, true);
	elsewhere.encapsulation = ESP_IN_UDP;
	elsewhere.local.addr = world_addr("203.0.113.77");
	use_flow_ports(p);
	for (int moved = 0; moved < 2; moved++) {
		world_now = &p->left;
		if (moved)
			assert_int_equal(datapath_child_update(&p->left.d, &elsewhere), 0);
		send_left(p, ip, ipv4(ip, "10.1.0.4", "10.2.0.4", sizeof ip, 0x4000));
		assert_int_equal(carry(&p->left, &p->right, 1, 28), 1);
		world_run(&p->right);
		assert_int_equal(events(&p->right, DATAPATH_ALIVE, &e), 1);
		assert_in_range(e.from.port, ESP_FLOW_PORTS, UINT16_MAX);
		assert_int_equal(e.moved, moved);
	}
}

/* Somebody sends an old packet again, from elsewhere, or delays it: the peer is where its newest
 * came from. */
static void test_old_packet_from_elsewhere(void **state)
{
	struct pair *p = *state;
	uint8_t ip[100], kept[200];
	struct datapath_event e = {0};
	const struct xgw_meta m = {.magic = XGW_META_MAGIC,
				   .kind = XGW_META_DECRYPT,
				   .l3 = 14,
				   .esp = 14 + 28,
				   .vnet = VNET,
				   .connection = 7};
	uint32_t len;
	for (unsigned i = 0; i < 2; i++) {
		struct child_sa c = child(7, 0x1000, !i);
		c.encapsulation = ESP_IN_UDP;
		world_now = i ? &p->right : &p->left;
		assert_int_equal(datapath_child_update(&world_now->d, &c), 0);
	}
	for (unsigned turn = 0; turn < 2; turn++) {
		send_left(p, ip, ipv4(ip, "10.1.0.4", "10.2.0.4", sizeof ip, 0x4000));
		const uint8_t *f = world_sent(&p->left, WAN, &len);
		assert_non_null(f);
		len -= 14;
		assert_in_range(len, 1, sizeof kept);
		memcpy(kept, f + 14, len);
		store_be16(kept + 20, 40000);
		if (!turn) { /* the first is held back until a second has come */
			send_left(p, ip, ipv4(ip, "10.1.0.4", "10.2.0.4", sizeof ip, 0x4000));
			assert_int_equal(carry(&p->left, &p->right, 0, 28), 1);
			world_run(&p->right);
			assert_int_equal(events(&p->right, DATAPATH_ALIVE, &e), 1);
			assert_false(e.moved);
		}
		world_now = &p->right;
		world_receive(&p->right, WAN, &m, kept, len);
		world_run(&p->right);
		assert_int_equal(events(&p->right, DATAPATH_ALIVE, &e), turn);
		assert_int_equal(e.moved, turn);
	}
	assert_int_equal(e.from.port, 40000);
	const struct child *c = p->right.d.slots[0];
	struct esp_counters count;
	esp_sa_counters(c->sa, &count);
	assert_int_equal(count.packets_in, 3); /* all of them were authentic, and taken */
}

/* A device that takes nothing: the ring fills, the rest is dropped and counted, no frame is lost.
 */
static void test_stuck_device(void **state)
{
	struct pair *p = *state;
	uint8_t ip[100];
	uint32_t n, len = ipv4(ip, "10.1.0.4", "10.2.0.4", sizeof ip, 0x4000);
	for (int round = 0; round < 10; round++) {
		for (int i = 0; i < 60; i++)
			world_receive(&p->left, LAN, &encrypt_meta, ip, len);
		world_run(&p->left);
		world_check_frames(&p->left);
	}
	assert_int_equal(world_drops(&p->left, XGW_DROP_NO_BUFFER), 600 - WORLD_RING);
	assert_true(queue_unsent(&p->left.queues[WAN]));
	for (unsigned i = 0; i < WORLD_RING; i++)
		assert_non_null(world_sent(&p->left, WAN, &n));
	assert_false(queue_unsent(&p->left.queues[WAN]));
	world_run(&p->left);
	send_left(p, ip, len);
	assert_non_null(world_sent(&p->left, WAN, &n));
}

/* ---- the path's MTU ---- */

/* What a router before a narrower link says of a frame that left by the uplink. */
static enum datapath_pmtu router_says(struct world *g, const uint8_t *ip, uint32_t quoted,
				      uint32_t mtu, struct datapath_pmtu_news *news)
{
	uint8_t icmp[100] = {3, 4};
	store_be32(icmp + 4, mtu);
	memcpy(icmp + 8, ip, quoted);
	store_be16(icmp + 2, sum16(icmp, 8 + quoted));
	world_now = g;
	return datapath_pmtu_icmp(&g->d, IP_V4, icmp, 8 + quoted, g->w.now_ns, news);
}

static uint32_t told_mtu(struct pair *p)
{
	uint8_t ip[1500];
	uint32_t n;
	send_left(p, ip, ipv4(ip, "10.1.0.4", "10.2.0.4", sizeof ip, 0x4000));
	assert_null(world_sent(&p->left, WAN, &n));
	const uint8_t *f = world_sent(&p->left, LAN, &n);
	assert_non_null(f);
	return load_be16(f + 40);
}

static void test_path_mtu_is_learnt(void **state)
{
	struct pair *p = *state;
	struct world *g = &p->left;
	struct datapath_pmtu_news news;
	struct datapath_mtu mtu;
	uint8_t ip[1400], wire[1500];
	uint32_t n, wide = told_mtu(p);
	send_left(p, ip, ipv4(ip, "10.1.0.4", "10.2.0.4", sizeof ip, 0x4000));
	memcpy(wire, world_sent(g, WAN, &n) + 14, 100);
	assert_int_equal(router_says(g, wire, 28, 1300, &news), DATAPATH_PMTU_LEARNT);
	assert_int_equal(news.connection, 7);
	assert_int_equal(news.mtu, 1300);
	assert_int_equal(news.was, 1500);
	assert_false(news.ports_only);
	assert_int_equal(told_mtu(p), wide - 200);
	assert_int_equal(datapath_mtu(&g->d, 7, &mtu), 0);
	assert_int_equal(mtu.path, 1300);
	assert_int_equal(mtu.device, 1500);
	assert_int_equal(mtu.learnt, 1300);
	assert_int_equal(mtu.inner, wide - 200);
	/* what may be cut is cut to fit */
	send_left(p, ip, ipv4(ip, "10.1.0.4", "10.2.0.4", sizeof ip, 0));
	for (int i = 0; i < 2; i++) {
		assert_non_null(world_sent(g, WAN, &n));
		assert_true(n <= 1314);
	}
	/* said again, or wider: nothing new */
	assert_int_equal(router_says(g, wire, 28, 1300, &news), DATAPATH_PMTU_NOT_SMALLER);
	assert_int_equal(router_says(g, wire, 28, 1400, &news), DATAPATH_PMTU_NOT_SMALLER);
	/* a rekeyed child stands on the same path */
	const struct child_sa next = child(7, 0x2000, true);
	struct fault f;
	assert_int_equal(datapath_child_install(&g->d, VNET, &next, &f), 0);
	assert_int_equal(datapath_child_use(&g->d, next.spi_in), 0);
	assert_int_equal(told_mtu(p), wide - 200);
	/* ten minutes later larger ones are tried again */
	datapath_pmtu_expire(&g->d, g->w.now_ns + 599 * NS_PER_S);
	assert_int_equal(told_mtu(p), wide - 200);
	datapath_pmtu_expire(&g->d, g->w.now_ns + 600 * NS_PER_S);
	assert_int_equal(told_mtu(p), wide);
	/* a change of the way there is a new path */
	assert_int_equal(router_says(g, wire, 28, 1200, &news), DATAPATH_PMTU_LEARNT);
	struct datapath_path path = g->d.tunnels[7]->path;
	path.destination_mac[5] ^= 1;
	assert_int_equal(datapath_path_set(&g->d, 7, &path), 0);
	assert_int_equal(told_mtu(p), wide);
}

/* SECURITY C21: ICMP errors that somebody made up: of no packet of ours, of one long ago, too
 * often, or of an MTU that no host has. */
static void test_path_mtu_is_not_believed(void **state)
{
	struct pair *p = *state;
	struct world *g = &p->left;
	struct datapath_pmtu_news news;
	uint8_t ip[1400], wire[100], lie[100];
	uint32_t n, wide = told_mtu(p);
	send_left(p, ip, ipv4(ip, "10.1.0.4", "10.2.0.4", sizeof ip, 0x4000));
	memcpy(wire, world_sent(g, WAN, &n) + 14, sizeof wire);
	static const struct {
		unsigned at;
		uint8_t change;
		enum datapath_pmtu verdict;
	} rows[] = {
		{15, 1, DATAPATH_PMTU_UNKNOWN_SA},	{19, 2, DATAPATH_PMTU_UNKNOWN_SA},
		{23, 1, DATAPATH_PMTU_UNKNOWN_SA},	{27, 1, DATAPATH_PMTU_SEQUENCE},
		{27, 2, DATAPATH_PMTU_SEQUENCE},	{24, 0x80, DATAPATH_PMTU_SEQUENCE},
		{9, 50 ^ 17, DATAPATH_PMTU_UNKNOWN_SA}, {9, 50 ^ 6, DATAPATH_PMTU_FORMAT},
		{2, 5, DATAPATH_PMTU_IMPLAUSIBLE},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		memcpy(lie, wire, sizeof lie);
		lie[rows[i].at] ^= rows[i].change;
		assert_int_equal(router_says(g, lie, 28, 1300, &news), rows[i].verdict);
	}
	assert_int_equal(told_mtu(p), wide);
	/* however little the router claims to take, what every host takes is sent */
	assert_int_equal(router_says(g, wire, 28, 68, &news), DATAPATH_PMTU_LEARNT);
	assert_int_equal(news.mtu, 576);
	g->w.now_ns += NS_PER_S;
	datapath_pmtu_expire(&g->d, g->w.now_ns + 600 * NS_PER_S);
	/* a router that tells no MTU: the next usual one */
	assert_int_equal(router_says(g, wire, 28, 0, &news), DATAPATH_PMTU_LEARNT);
	assert_int_equal(news.mtu, 1006);
	/* steps down are few in a second */
	for (uint32_t i = 0; i < 3; i++)
		assert_int_equal(router_says(g, wire, 28, 1000 - i, &news), DATAPATH_PMTU_LEARNT);
	assert_int_equal(router_says(g, wire, 28, 900, &news), DATAPATH_PMTU_RATE);
	g->w.now_ns += NS_PER_S;
	assert_int_equal(router_says(g, wire, 28, 900, &news), DATAPATH_PMTU_LEARNT);
	for (unsigned i = 0; i < 1100; i++)
		router_says(g, wire, 28, 900, &news);
	assert_int_equal(router_says(g, wire, 28, 800, &news), DATAPATH_PMTU_RATE);
	assert_int_equal(datapath_pmtu_count(&g->d, DATAPATH_PMTU_SEQUENCE), 3);
	assert_int_equal(datapath_pmtu_count(&g->d, DATAPATH_PMTU_FORMAT), 1);
}

/* ESP in UDP of which a router quotes the UDP header alone: less is believed of it. */
static void test_path_mtu_by_ports(void **state)
{
	struct pair *p = *state;
	struct world *g = &p->left;
	struct datapath_pmtu_news news;
	struct child_sa c = child(7, 0x1000, true);
	uint8_t ip[1400], wire[100];
	uint32_t n;
	c.encapsulation = ESP_IN_UDP;
	c.remote.port = 40000;
	assert_int_equal(datapath_child_update(&g->d, &c), 0);
	send_left(p, ip, ipv4(ip, "10.1.0.4", "10.2.0.4", sizeof ip, 0x4000));
	memcpy(wire, world_sent(g, WAN, &n) + 14, sizeof wire);
	assert_int_equal(router_says(g, wire, 28, 1400, &news), DATAPATH_PMTU_LEARNT);
	assert_true(news.ports_only);
	wire[23] ^= 1; /* another port */
	assert_int_equal(router_says(g, wire, 28, 1300, &news), DATAPATH_PMTU_UNKNOWN_SA);
	assert_int_equal(router_says(g, wire, 36, 1300, &news), DATAPATH_PMTU_UNKNOWN_SA);
	wire[23] ^= 1;
	assert_int_equal(router_says(g, wire, 28, 600, &news), DATAPATH_PMTU_LEARNT);
	assert_int_equal(news.mtu, 1280);
	assert_int_equal(router_says(g, wire, 36, 600, &news), DATAPATH_PMTU_LEARNT);
	assert_int_equal(news.mtu, 600);
	assert_false(news.ports_only);
}

/* The same where the port quoted is one flow's, which no SA stands under. */
static void test_path_mtu_by_flow_ports(void **state)
{
	struct pair *p = *state;
	struct world *g = &p->left;
	struct datapath_pmtu_news news;
	uint8_t ip[1400], wire[100];
	uint32_t n;
	use_flow_ports(p);
	send_left(p, ip, ipv4(ip, "10.1.0.4", "10.2.0.4", sizeof ip, 0x4000));
	memcpy(wire, world_sent(g, WAN, &n) + 14, sizeof wire);
	assert_in_range(load_be16(wire + 20), ESP_FLOW_PORTS, UINT16_MAX);
	assert_int_equal(router_says(g, wire, 28, 1400, &news), DATAPATH_PMTU_LEARNT);
	assert_true(news.ports_only);
	assert_int_equal(router_says(g, wire, 36, 1200, &news), DATAPATH_PMTU_LEARNT);
	assert_false(news.ports_only);
	store_be16(wire + 20, 4711);
	assert_int_equal(router_says(g, wire, 28, 1100, &news), DATAPATH_PMTU_UNKNOWN_SA);
	assert_int_equal(router_says(g, wire, 36, 1100, &news), DATAPATH_PMTU_UNKNOWN_SA);
}

/* Of packets whose time ends at one of the gateways, both directions and families. */
static void test_time_exceeded(void **state)
{
	struct pair *p = *state;
	uint8_t ip[300];
	uint32_t n;
	ipv4(ip, "10.1.0.4", "10.2.0.4", sizeof ip, 0);
	ip[8] = 1;
	send_left(p, ip, sizeof ip);
	const uint8_t *f = world_sent(&p->left, LAN, &n);
	assert_non_null(f);
	assert_int_equal(load_be16(f + 34), 0x0b00);
	assert_memory_equal(f + 42, ip, sizeof ip);
	assert_null(world_sent(&p->left, WAN, &n));
	/* the second gateway's answer comes back through the tunnel */
	ipv4(ip, "10.1.0.4", "10.2.0.4", sizeof ip, 0);
	ip[8] = 2;
	send_left(p, ip, sizeof ip);
	carry(&p->left, &p->right, 0, 20);
	world_run(&p->right);
	assert_null(world_sent(&p->right, LAN, &n));
	assert_int_equal(world_drops(&p->right, XGW_DROP_TTL), 1);
	assert_int_equal(carry(&p->right, &p->left, 0, 20), 1);
	world_run(&p->left);
	f = world_sent(&p->left, LAN, &n);
	assert_non_null(f);
	assert_int_equal(load_be16(f + 34), 0x0b00);
	struct ip_addr from = ip_source(f + 14), gateway = world_addr("10.2.0.1");
	assert_true(ip_addr_equal(&from, &gateway));
}

/* ---- ESP that came in pieces ---- */

static void test_reassembled(void **state)
{
	struct pair *p = *state;
	struct world *g = &p->right;
	uint8_t ip[300], longest[DATAPATH_MTU_LARGE + 1] = {0};
	uint32_t n;
	ipv4(ip, "10.1.0.4", "10.2.0.4", sizeof ip, 0);
	send_left(p, ip, sizeof ip);
	const uint8_t *f = world_sent(&p->left, WAN, &n);
	assert_non_null(f);
	struct datapath_esp e = {.from = {ip_source(f + 14), 0},
				 .to = {ip_destination(f + 14), 0},
				 .at = f + 34,
				 .len = n - 34};
	assert_int_equal(datapath_reassembled(&g->d, &e), 0);
	/* the same again is a replay */
	assert_int_equal(datapath_reassembled(&g->d, &e), 0);
	world_run(g);
	assert_int_equal(world_drops(g, XGW_DROP_REPLAY), 1);
	f = world_sent(g, LAN, &n);
	assert_non_null(f);
	assert_int_equal(n, 14 + sizeof ip);
	assert_memory_equal(f + 14 + 20, ip + 20, sizeof ip - 20);
	assert_null(world_sent(g, LAN, &n));

	struct datapath_esp bad = e;
	bad.len = 7;
	assert_int_equal(datapath_reassembled(&g->d, &bad), -EBADMSG);
	bad = e;
	bad.to.addr.b[3]++;
	assert_int_equal(datapath_reassembled(&g->d, &bad), -ENOENT);
	memcpy(longest, e.at, 8);
	bad = e;
	bad.at = longest;
	bad.len = sizeof longest;
	assert_int_equal(datapath_reassembled(&g->d, &bad), -EMSGSIZE);
	bad.at = longest + 1;
	assert_int_equal(datapath_reassembled(&g->d, &bad), -ENOENT);
	/* a flood of them finds a short queue */
	int err = 0;
	unsigned took = 0;
	for (; took < 1000 && !err; took++)
		err = datapath_reassembled(&g->d, &e);
	assert_int_equal(err, -ENOBUFS);
	assert_in_range(took, 32, 128);
	world_run(g);
	assert_null(world_sent(g, LAN, &n));
	assert_int_equal(world_drops(g, XGW_DROP_NO_BUFFER), 1);
	assert_int_equal(datapath_reassembled(&g->d, &e), 0);
}

/* ---- packets of several buffers ---- */

static void large_path(struct world *g, uint32_t mtu)
{
	const struct datapath_path path = {.port_id = WAN,
					   .source_mac = {2, 1, 1, 1, 1, 1},
					   .destination_mac = {2, 2, 2, 2, 2, 2},
					   .mtu = mtu,
					   .usable = true};
	world_now = g;
	assert_int_equal(datapath_path_set(&g->d, 7, &path), 0);
	g->said.attachment[1].mtu = mtu;
}

static void large_pair(struct pair *p)
{
	large_path(&p->left, 9000);
	large_path(&p->right, 9000);
}

/* It left `right` as it came to `left`, TTL two less. */
static void assert_arrives(struct pair *p, const uint8_t *ip, uint32_t len)
{
	uint32_t n;
	const uint8_t *f = world_sent(&p->right, LAN, &n);
	assert_non_null(f);
	assert_int_equal(n, 14 + len);
	assert_memory_equal(f + 14, ip, 8);
	assert_int_equal(f[14 + 8], ip[8] - 2);
	assert_memory_equal(f + 14 + 12, ip + 12, len - 12);
}

/* Each size about the edges of a frame, small ones among large ones: in order, and the same bytes.
 */
static void test_large(void **state)
{
	static const uint32_t sizes[] = {8900, 100,  3240, 3250, 3490, 3500, 3510, 1400,
					 3540, 3560, 4000, 4050, 4096, 7100, 7122, 7136,
					 7150, 8192, 8930, 60,	 3300, 3400, 3456, 3600};
	struct pair *p = *state;
	static uint8_t ip[9000];
	large_pair(p);
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
		world_receive(&p->left, LAN, &encrypt_meta, ip,
			      ipv4(ip, "10.1.0.4", "10.2.0.4", sizes[i], 0x4000));
	world_run(&p->left);
	world_check_frames(&p->left);
	assert_int_equal(p->left.w.status.packets_in, sizeof sizes / sizeof *sizes);
	assert_int_equal(p->left.w.account.queue[LAN].packets, sizeof sizes / sizeof *sizes);
	assert_int_equal(carry(&p->left, &p->right, 0, 20), sizeof sizes / sizeof *sizes);
	world_run(&p->right);
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		ipv4(ip, "10.1.0.4", "10.2.0.4", sizes[i], 0x4000);
		assert_arrives(p, ip, sizes[i]);
	}
	assert_int_equal(p->left.w.frames.n_large, WORLD_FRAMES / LARGE_SHARE);
	assert_int_equal(p->right.w.frames.n_large, WORLD_FRAMES / LARGE_SHARE);
}

static void test_large_bytes_are_counted_once(void **state)
{
	struct pair *p = *state;
	static uint8_t ip[8000];
	large_pair(p);
	send_left(p, ip, ipv4(ip, "10.1.0.4", "10.2.0.4", sizeof ip, 0x4000));
	assert_int_equal(p->left.w.account.queue[LAN].bytes, 14 + sizeof ip);
	assert_int_equal(p->left.w.account.queue[LAN].packets, 1);
	assert_int_equal(p->left.w.status.packets_out, 1);
}

/* The ring ends within a packet: the rest comes with a later round, or never. */
static void test_large_cut_off(void **state)
{
	struct pair *p = *state;
	struct world *g = &p->left;
	static uint8_t whole[46 + 6000];
	uint32_t n;
	large_pair(p);
	memcpy(whole, &encrypt_meta, sizeof encrypt_meta);
	ipv4(whole + 46, "10.1.0.4", "10.2.0.4", 6000, 0x4000);
	world_piece(g, LAN, whole, 3584, XDP_PKT_CONTD);
	world_run(g);
	world_check_frames(g);
	assert_null(world_sent(g, WAN, &n));
	assert_int_equal(g->w.status.packets_in, 0);
	world_piece(g, LAN, whole + 3584, sizeof whole - 3584, 0);
	world_run(g);
	assert_int_equal(carry(g, &p->right, 0, 20), 1);
	world_run(&p->right);
	assert_arrives(p, whole + 46, 6000);
	/* the tail was lost: what follows is taken for it, and is no packet of that length */
	world_piece(g, LAN, whole, 3584, XDP_PKT_CONTD);
	world_piece(g, LAN, whole, 146, 0);
	world_run(g);
	assert_null(world_sent(g, WAN, &n));
	assert_int_equal(world_drops(g, XGW_DROP_MALFORMED), 1);
	send_left(p, whole + 46, 6000);
	assert_non_null(world_sent(g, WAN, &n));
}

static void test_larger_than_large(void **state)
{
	struct pair *p = *state;
	struct world *g = &p->left;
	static uint8_t ip[LARGE_SIZE];
	uint32_t n;
	large_pair(p);
	send_left(p, ip, ipv4(ip, "10.1.0.4", "10.2.0.4", sizeof ip, 0x4000));
	world_check_frames(g);
	assert_null(world_sent(g, WAN, &n));
	assert_int_equal(world_drops(g, XGW_DROP_FRAGMENT), 1);
	send_left(p, ip, ipv4(ip, "10.1.0.4", "10.2.0.4", 8000, 0x4000));
	assert_non_null(world_sent(g, WAN, &n));
	/* as much as a buffer takes is too much for the tunnel, and its sender hears that */
	send_left(p, ip, ipv4(ip, "10.1.0.4", "10.2.0.4", 15000, 0x4000));
	assert_null(world_sent(g, WAN, &n));
	assert_int_equal(world_drops(g, XGW_DROP_TOO_BIG), 1);
	const uint8_t *f = world_sent(g, LAN, &n);
	assert_non_null(f);
	assert_int_equal(load_be16(f + 34), 0x0304);
	assert_in_range(load_be16(f + 40), 8900, 8999);
}

static void test_no_large_buffer(void **state)
{
	struct pair *p = *state;
	struct world *g = &p->left;
	static uint8_t ip[8000];
	uint64_t held[WORLD_FRAMES / LARGE_SHARE];
	uint32_t n, taken = 0;
	large_pair(p);
	while (frames_take_large(&g->w.frames, &held[taken]))
		taken++;
	assert_int_equal(taken, WORLD_FRAMES / LARGE_SHARE);
	world_receive(g, LAN, &encrypt_meta, ip,
		      ipv4(ip, "10.1.0.4", "10.2.0.4", sizeof ip, 0x4000));
	world_receive(g, LAN, &encrypt_meta, ip, ipv4(ip, "10.1.0.4", "10.2.0.4", 500, 0x4000));
	world_run(g);
	assert_int_equal(world_drops(g, XGW_DROP_NO_BUFFER), 1);
	assert_non_null(world_sent(g, WAN, &n));
	assert_true(n < 700);
	assert_null(world_sent(g, WAN, &n));
	while (taken)
		frames_give(&g->w.frames, held[--taken]);
	send_left(p, ip, ipv4(ip, "10.1.0.4", "10.2.0.4", sizeof ip, 0x4000));
	assert_non_null(world_sent(g, WAN, &n));
}

/* Nobody takes what is sent: packets are lost whole, and counted as packets. */
static void test_large_stuck_device(void **state)
{
	struct pair *p = *state;
	struct world *g = &p->left;
	static uint8_t ip[9000];
	unsigned sent = 0, left = 0;
	uint32_t n;
	large_pair(p);
	for (int round = 0; round < 20; round++) {
		for (int i = 0; i < 20; i++, sent++)
			world_receive(g, LAN, &encrypt_meta, ip,
				      ipv4(ip, "10.1.0.4", "10.2.0.4", i % 4 ? 8900 : 200, 0x4000));
		world_run(g);
		world_check_frames(g);
	}
	while (world_sent(g, WAN, &n))
		left++;
	assert_in_range(left, WORLD_RING / 3, WORLD_RING / 2);
	assert_int_equal(world_drops(g, XGW_DROP_NO_BUFFER), sent - left);
	world_run(g);
	send_left(p, ip, ipv4(ip, "10.1.0.4", "10.2.0.4", 8900, 0x4000));
	assert_non_null(world_sent(g, WAN, &n));
}

/* No frames to send from, or sockets that know one frame alone: counted, and nothing is held. */
static void test_large_without_frames(void **state)
{
	struct pair *p = *state;
	struct world *g = &p->left;
	static uint8_t ip[8000];
	uint64_t held[WORLD_FRAMES];
	uint32_t n, taken = 0;
	large_pair(p);
	world_receive(g, LAN, &encrypt_meta, ip,
		      ipv4(ip, "10.1.0.4", "10.2.0.4", sizeof ip, 0x4000));
	/* its own three come back before it is sent; of these two are not enough */
	for (uint32_t q = 0; q < PORTS; q++)
		g->queues[q].fill_max = 0;
	while (frames_take(&g->w.frames, &held[taken]))
		taken++;
	struct packet big = {.connection = 7, .frame = 0};
	assert_true(frames_take_large(&g->w.frames, &big.frame));
	big.at = g->w.frames.area + big.frame + LARGE_HEADROOM;
	frames_give(&g->w.frames, held[--taken]);
	frames_give(&g->w.frames, held[--taken]);
	worker_send(&g->w, WAN, &big, big.at, 9000);
	assert_int_equal(world_drops(g, XGW_DROP_NO_BUFFER), 1);
	world_run(g);
	assert_non_null(world_sent(g, WAN, &n));
	while (taken)
		frames_give(&g->w.frames, held[--taken]);
	g->w.frames.multi_buffer = false;
	send_left(p, ip, ipv4(ip, "10.1.0.4", "10.2.0.4", sizeof ip, 0x4000));
	assert_null(world_sent(g, WAN, &n));
	assert_int_equal(world_drops(g, XGW_DROP_NO_BUFFER), 2);
	send_left(p, ip, ipv4(ip, "10.1.0.4", "10.2.0.4", 3450, 0x4000));
	assert_non_null(world_sent(g, WAN, &n));
}

/* A large packet into a small tunnel: pieces of it in the right order, none larger than told. */
static void test_large_is_cut(void **state)
{
	struct pair *p = *state;
	static uint8_t ip[9000], whole[9000];
	uint32_t len = ipv4(ip, "10.1.0.4", "10.2.0.4", sizeof ip, 0), n, got = 20;
	large_path(&p->left, 1500);
	send_left(p, ip, len);
	world_check_frames(&p->left);
	assert_int_equal(carry(&p->left, &p->right, 0, 20), 7);
	world_run(&p->right);
	for (const uint8_t *f; (f = world_sent(&p->right, LAN, &n));) {
		assert_true(n <= 1500);
		assert_int_equal(sum16(f + 14, 20), 0);
		assert_int_equal((load_be16(f + 14 + 6) & 0x1fff) * 8, got - 20);
		memcpy(whole + got, f + 14 + 20, n - 34);
		got += n - 34;
	}
	assert_int_equal(got, len);
	assert_memory_equal(whole + 20, ip + 20, len - 20);
	/* at the far end too: out of the tunnel in one piece, into a small network in many */
	large_path(&p->left, 9000);
	send_left(p, ip, ipv4(ip, "10.1.0.4", "10.2.0.4", 8800, 0));
	assert_int_equal(carry(&p->left, &p->right, 0, 20), 1);
	world_run(&p->right);
	for (got = 0; world_sent(&p->right, LAN, &n); got++)
		assert_true(n <= 1514);
	assert_int_equal(got, 6);
	assert_int_equal(p->left.w.frames.n_large, WORLD_FRAMES / LARGE_SHARE);
	assert_int_equal(p->right.w.frames.n_large, WORLD_FRAMES / LARGE_SHARE);
}

static void test_large_reassembled(void **state)
{
	struct pair *p = *state;
	static uint8_t ip[8500];
	uint32_t n;
	large_pair(p);
	send_left(p, ip, ipv4(ip, "10.1.0.4", "10.2.0.4", sizeof ip, 0x4000));
	const uint8_t *f = world_sent(&p->left, WAN, &n);
	assert_non_null(f);
	struct datapath_esp e = {.from = {ip_source(f + 14), 0},
				 .to = {ip_destination(f + 14), 0},
				 .at = f + 34,
				 .len = n - 34};
	assert_int_equal(datapath_reassembled(&p->right.d, &e), 0);
	world_run(&p->right);
	assert_arrives(p, ip, sizeof ip);
}

/* ---- clients whose packets a host carries ---- */

enum { FIRST_CLIENT = 1000, ALICE = 1003, BOB = 1004 };

static struct datapath_reach networks, everybody;

static void reach(struct datapath_reach *r, const char *prefix)
{
	assert_int_equal(ip_prefix_parse(&r->prefix[r->n++], prefix), 0);
}

static void client_of(struct world *g, uint32_t connection, const char *v4)
{
	char prefix[32];
	const struct datapath_client c = {.connection = connection,
					  .vnet = VNET,
					  .mtu = 1400,
					  .v4 = world_addr(v4),
					  .reach = &networks};
	snprintf(prefix, sizeof prefix, "%s/32", v4);
	world_route(g, prefix, XGW_HOP_CLIENT, connection);
	assert_int_equal(datapath_client_set(&g->d, &c), 0);
}

static void start_clients(struct world *g)
{
	world_now = g;
	g->d.n_io = 1;
	assert_int_equal(clients_start(&g->d), 0);
	assert_true(datapath_clients_range(&g->d, FIRST_CLIENT, 100) >= 0);
	networks.n = 0;
	reach(&networks, "10.1.0.0/16");
	reach(&networks, "10.2.0.0/24");
	everybody = networks;
	reach(&everybody, "172.16.0.0/24");
	client_of(g, ALICE, "172.16.0.3");
	client_of(g, BOB, "172.16.0.4");
}

static void stop_clients(struct world *g)
{
	datapath_client_remove(&g->d, ALICE);
	datapath_client_remove(&g->d, BOB);
	clients_stop(&g->d);
}

/* Eight bytes that say what follows. */
static void head(uint8_t out[DATAPATH_CLIENT_HEAD], bool v4, size_t len)
{
	memset(out, 0, DATAPATH_CLIENT_HEAD);
	out[0] = v4;
	store_be16(out + 2, (uint16_t)len);
}

static void from_client(struct world *g, uint32_t connection, const uint8_t *ip, size_t len)
{
	assert_int_equal(datapath_client_deliver(&g->d, connection, ip, len), 0);
	world_run(g);
}

static void to_client(struct world *g, uint32_t connection, const uint8_t *ip, uint32_t len)
{
	struct xgw_meta m = encrypt_meta;
	m.connection = connection;
	world_receive(g, LAN, &m, ip, len);
	world_run(g);
}

static void test_client_and_the_vnet(void **state)
{
	struct pair *p = *state;
	struct world *g = &p->left;
	uint8_t ip[100], out[4096];
	uint32_t connection = 0, n, len = ipv4(ip, "172.16.0.3", "10.1.0.4", sizeof ip, 0x4000);
	start_clients(g);
	from_client(g, ALICE, ip, len);
	const uint8_t *f = world_sent(g, LAN, &n);
	assert_non_null(f);
	assert_int_equal(n, len + 14);
	assert_int_equal(f[14 + 8], ip[8] - 1);
	/* and what the host answers, from XDP */
	len = ipv4(ip, "10.1.0.4", "172.16.0.3", sizeof ip, 0x4000);
	assert_false(datapath_client_next(&g->d, FIRST_CLIENT, &connection));
	to_client(g, ALICE, ip, len);
	to_client(g, ALICE, ip, len);
	assert_true(datapath_client_next(&g->d, FIRST_CLIENT, &connection));
	assert_int_equal(connection, ALICE);
	assert_false(datapath_client_next(&g->d, FIRST_CLIENT, &connection));
	assert_int_equal(datapath_client_take(&g->d, BOB, out, sizeof out, head), 0);
	assert_int_equal(datapath_client_take(&g->d, ALICE, out, len + 20, head), len + 8);
	assert_int_equal(out[0], 1);
	assert_int_equal(load_be16(out + 2), len);
	assert_memory_equal(out + 8 + 20, ip + 20, len - 20);
	assert_int_equal(out[8 + 8], ip[8] - 1);
	assert_int_equal(datapath_client_take(&g->d, ALICE, out, sizeof out, head), len + 8);
	struct datapath_traffic t;
	assert_int_equal(datapath_connection_traffic(&g->d, ALICE, &t), 0);
	assert_int_equal(t.packets_in, 1);
	assert_int_equal(t.packets_out, 2);
	assert_int_equal(t.bytes_out, 2 * len);
	/* out of a tunnel, too */
	len = ipv4(ip, "10.2.0.4", "172.16.0.4", sizeof ip, 0x4000);
	world_receive(&p->right, LAN, &encrypt_meta, ip, len);
	world_run(&p->right);
	assert_int_equal(carry(&p->right, g, 0, 20), 1);
	world_run(g);
	assert_true(datapath_client_next(&g->d, FIRST_CLIENT, &connection));
	assert_int_equal(connection, BOB);
	/* and into one */
	len = ipv4(ip, "172.16.0.4", "10.2.0.4", sizeof ip, 0x4000);
	from_client(g, BOB, ip, len);
	assert_int_equal(carry(g, &p->right, 0, 20), 1);
	world_run(&p->right);
	assert_non_null(world_sent(&p->right, LAN, &n));
	world_now = g;
	stop_clients(g);
}

/* SECURITY E31. */
static void test_what_a_client_may_not(void **state)
{
	struct pair *p = *state;
	struct world *g = &p->left;
	uint8_t ip[100];
	uint32_t n, len = ipv4(ip, "172.16.0.4", "10.1.0.4", sizeof ip, 0x4000);
	start_clients(g);
	/* another one's address, the VNet's, none */
	from_client(g, ALICE, ip, len);
	from_client(g, ALICE, ip, ipv4(ip, "10.1.0.5", "10.1.0.4", sizeof ip, 0x4000));
	assert_int_equal(world_drops(g, XGW_DROP_SOURCE), 2);
	memset(ip, 0, sizeof ip);
	from_client(g, ALICE, ip, len);
	from_client(g, ALICE, ip, 1);
	assert_int_equal(world_drops(g, XGW_DROP_MALFORMED), 2);
	/* another client, itself */
	from_client(g, ALICE, ip, ipv4(ip, "172.16.0.3", "172.16.0.4", sizeof ip, 0x4000));
	assert_int_equal(world_drops(g, XGW_DROP_CLIENT_REACH), 1);
	datapath_client_reach(&g->d, ALICE, &everybody);
	from_client(g, ALICE, ip, ipv4(ip, "172.16.0.3", "172.16.0.3", sizeof ip, 0x4000));
	assert_int_equal(world_drops(g, XGW_DROP_LOOP), 1);
	/* a site that has a route and is not offered */
	from_client(g, ALICE, ip, ipv4(ip, "172.16.0.3", "10.2.1.4", sizeof ip, 0x4000));
	assert_int_equal(world_drops(g, XGW_DROP_CLIENT_REACH), 2);
	assert_null(world_sent(g, LAN, &n));
	/* who is gone */
	len = ipv4(ip, "172.16.0.3", "10.1.0.4", sizeof ip, 0x4000);
	datapath_client_remove(&g->d, ALICE);
	from_client(g, ALICE, ip, len);
	to_client(g, ALICE, ip, len);
	assert_int_equal(world_drops(g, XGW_DROP_NO_SA), 2);
	assert_int_equal(datapath_client_deliver(&g->d, 7, ip, len), -EINVAL);
	assert_int_equal(datapath_client_deliver(&g->d, BOB, ip, 5000), -EINVAL);
	assert_null(world_sent(g, LAN, &n));
	stop_clients(g);
}

static void test_clients_that_may_meet(void **state)
{
	struct pair *p = *state;
	struct world *g = &p->left;
	uint8_t ip[100], out[4096];
	uint32_t connection = 0, len = ipv4(ip, "172.16.0.3", "172.16.0.4", sizeof ip, 0x4000);
	start_clients(g);
	datapath_client_reach(&g->d, ALICE, &everybody);
	from_client(g, ALICE, ip, len);
	assert_true(datapath_client_next(&g->d, FIRST_CLIENT, &connection));
	assert_int_equal(connection, BOB);
	assert_int_equal(datapath_client_take(&g->d, BOB, out, sizeof out, head), len + 8);
	assert_int_equal(out[8 + 8], ip[8] - 1);
	/* and no longer */
	datapath_client_reach(&g->d, ALICE, &networks);
	from_client(g, ALICE, ip, len);
	assert_int_equal(world_drops(g, XGW_DROP_CLIENT_REACH), 1);
	stop_clients(g);
}

/* One that does not read fills its own ring; the other has all of its packets. */
static void test_slow_client(void **state)
{
	struct pair *p = *state;
	struct world *g = &p->left;
	uint8_t ip[1400], out[16384];
	uint32_t connection, len;
	start_clients(g);
	len = ipv4(ip, "10.1.0.4", "172.16.0.3", sizeof ip, 0x4000);
	for (unsigned i = 0; i < 400; i++)
		to_client(g, ALICE, ip, len);
	uint64_t dropped = world_drops(g, XGW_DROP_CLIENT_QUEUE);
	assert_in_range(dropped, 200, 230);
	to_client(g, BOB, ip, ipv4(ip, "10.1.0.4", "172.16.0.4", sizeof ip, 0x4000));
	assert_int_equal(world_drops(g, XGW_DROP_CLIENT_QUEUE), dropped);
	unsigned told = 0;
	while (datapath_client_next(&g->d, FIRST_CLIENT, &connection))
		told++;
	assert_int_equal(told, 2);
	assert_int_equal(datapath_client_take(&g->d, BOB, out, sizeof out, head), len + 8);
	/* whole packets, as many as a record holds */
	uint64_t packets = 0;
	for (size_t n; (n = datapath_client_take(&g->d, ALICE, out, sizeof out, head));
	     packets += n / (len + 8))
		assert_int_equal(n % (len + 8), 0);
	assert_int_equal(packets, 400 - dropped);
	struct datapath_traffic t;
	assert_int_equal(datapath_connection_traffic(&g->d, ALICE, &t), 0);
	assert_int_equal(t.drops[XGW_DROP_CLIENT_QUEUE], dropped);
	assert_int_equal(t.packets_out, packets);
	stop_clients(g);
}

/* The next packet of Alice's ring, which has to be number n. */
static void takes_number(struct world *g, uint32_t n)
{
	uint8_t out[1500];
	size_t got = datapath_client_take(&g->d, ALICE, out, 8 + 1200, head);
	assert_true(got > 8 + 44);
	assert_int_equal(got, 8 + load_be16(out + 2));
	assert_int_equal(load_be32(out + 8 + 40), n);
}

/* In order and whole over the end of the ring, several times, while packets wait and after none
 * did. */
static void test_around_the_ring(void **state)
{
	struct pair *p = *state;
	struct world *g = &p->left;
	uint8_t ip[1200];
	uint32_t taken = 0;
	start_clients(g);
	for (uint32_t i = 0; i < 1200; i++) {
		uint32_t len = ipv4(ip, "10.1.0.4", "172.16.0.3", 601 + i * 7 % 600, 0x4000);
		store_be32(ip + 40, i);
		to_client(g, ALICE, ip, len);
		if (i % 500 >= 20)
			takes_number(g, taken++);
	}
	assert_int_equal(world_drops(g, XGW_DROP_CLIENT_QUEUE), 0);
	while (taken < 1200)
		takes_number(g, taken++);
	uint8_t out[1500];
	assert_int_equal(datapath_client_take(&g->d, ALICE, out, sizeof out, head), 0);
	to_client(g, ALICE, ip, ipv4(ip, "10.1.0.4", "172.16.0.3", 1200, 0x4000));
	assert_true(datapath_client_take(&g->d, ALICE, out, sizeof out, head) == 8 + 1200);
	stop_clients(g);
}

static void test_too_big_for_a_client(void **state)
{
	struct pair *p = *state;
	struct world *g = &p->left;
	uint8_t ip[1500], out[4096];
	uint32_t n, len = ipv4(ip, "10.1.0.4", "172.16.0.3", sizeof ip, 0x4000);
	start_clients(g);
	to_client(g, ALICE, ip, len);
	assert_int_equal(world_drops(g, XGW_DROP_TOO_BIG), 1);
	const uint8_t *f = world_sent(g, LAN, &n); /* ICMP, with the client's MTU */
	assert_non_null(f);
	assert_int_equal(f[14 + 9], 1);
	assert_int_equal(load_be16(f + 14 + 20 + 6), 1400);
	/* what may be cut comes in two */
	to_client(g, ALICE, ip, ipv4(ip, "10.1.0.4", "172.16.0.3", sizeof ip, 0));
	size_t got = datapath_client_take(&g->d, ALICE, out, sizeof out, head);
	assert_true(load_be16(out + 2) <= 1400);
	assert_int_equal(got, 1500 + 20 + 16);
	stop_clients(g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
		T(test_there),
		T(test_outer_header),
		T(test_fragments),
		T(test_tunnel_to_circuit),
		T(test_circuit_to_tunnel),
		T(test_too_big_is_answered),
		T(test_too_big_has_a_rate),
		T(test_too_big_for_the_vnet),
		T(test_echo_of_the_gateway),
		T(test_drops),
		T(test_refused_esp),
		T(test_transit),
		T(test_unknown_host_is_asked_for),
		T(test_vlan_and_vxlan),
		T(test_choice_of_child),
		T(test_path),
		T(test_readdressed_child),
		T(test_soft_limit_is_told),
		T(test_moved_peer),
		T(test_flow_ports),
		T(test_path_mtu_by_flow_ports),
		T(test_old_packet_from_elsewhere),
		T(test_stuck_device),
		T(test_path_mtu_is_learnt),
		T(test_path_mtu_is_not_believed),
		T(test_path_mtu_by_ports),
		T(test_time_exceeded),
		T(test_reassembled),
		T(test_large),
		T(test_large_bytes_are_counted_once),
		T(test_large_cut_off),
		T(test_larger_than_large),
		T(test_no_large_buffer),
		T(test_large_stuck_device),
		T(test_large_without_frames),
		T(test_large_is_cut),
		T(test_client_and_the_vnet),
		T(test_what_a_client_may_not),
		T(test_clients_that_may_meet),
		T(test_slow_client),
		T(test_around_the_ring),
		T(test_too_big_for_a_client),
		T(test_large_reassembled),
	};
	rcu_register_thread();
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	rcu_unregister_thread();
	return failed;
}
