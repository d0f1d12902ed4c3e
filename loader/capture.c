/* SPDX-License-Identifier: Apache-2.0 */
#include "loader/capture.h"

#include "base/bytes.h"
#include "base/instant.h"
#include "base/log.h"
#include "loader/clock.h"
#include "loader/control_socket.h"
#include "loader/pcapng.h"
#include "loader/status.h"

#include <bpf/libbpf.h>
#include <errno.h>
#include <event2/buffer.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SESSIONS  4
#define BACKLOG	  (32u << 20) /* bytes that a slow reader may owe; what comes then is counted */
#define DRAIN_MS  20
#define IKE_BYTES 65536u
#define HEADERS	  (40 + 8 + 4) /* IPv6, UDP, non-ESP marker */

/* Interfaces of the pcapng; behind the last one the ports follow, by id. */
enum place { PLACE_CLEAR, PLACE_WIRE, PLACE_IKE, PLACE_IKE_CLEAR, PLACES };

struct session {
	struct capture *capture;
	struct control_client *client; /* NULL: the place is free */
	uint32_t connection;	       /* or a circuit's domain; DATAPATH_ALL: of any */
	struct ip_addr peer;	       /* of that connection, as of the last look */
	bool begun;		       /* the head is written */
	uint64_t kept[PLACES + XGW_MAX_PORTS], lost;
};

struct capture {
	struct daemon *d;
	struct event *drain;
	struct ring_buffer *xdp;
	int64_t to_wall_ns; /* added to a monotonic instant */
	struct evbuffer *blocks;
	uint8_t *frame; /* HEADERS + IKE_BYTES: a datagram with its headers made up */
	struct session session[SESSIONS];
};

/* ---- what is written ---- */

static void write_head(struct session *s)
{
	static const struct {
		const char *name, *description;
	} places[PLACES] = {
		[PLACE_CLEAR] = {"clear",
				 "inside the tunnels: before encryption, after decryption"},
		[PLACE_WIRE] = {"wire", "outside the tunnels: ESP, as sent and as received"},
		[PLACE_IKE] = {"ike", "IKE datagrams; their IP and UDP headers are made up"},
		[PLACE_IKE_CLEAR] = {"ike-clear",
				     "protected IKE messages as if they had never been encrypted"},
	};
	struct capture *c = s->capture;
	const struct model_host *host = &c->d->model.host;
	char text[96];
	pcapng_section(c->blocks, "xgw " XGW_VERSION);
	for (unsigned i = 0; i < PLACES; i++)
		pcapng_interface(c->blocks, PCAPNG_RAW, places[i].name, places[i].description);
	for (uint32_t i = 0; i < host->n_ports; i++) {
		/* interfaces go by the ports' ids, which no reload changes */
		const struct model_port *p = &host->ports[plan_port_index(&c->d->plan, i)];
		snprintf(text, sizeof text, "%sdropped by XDP on port %.32s",
			 p->role == XGW_ROLE_CIRCUIT ? "frames of links, and what was " : "",
			 p->name);
		pcapng_interface(c->blocks, PCAPNG_ETHERNET, p->device, text);
	}
	control_client_write(s->client, c->blocks);
}

/* Not before the answer's line, which is written when capture_begin() is over. */
static void begin(struct session *s)
{
	if (s->client && !s->begun) {
		s->begun = true;
		write_head(s);
	}
}

static void put(struct session *s, uint64_t at_ns, struct pcapng_packet p)
{
	struct capture *c = s->capture;
	begin(s);
	if (control_client_backlog(s->client) > BACKLOG) {
		s->lost++;
		return;
	}
	p.at_ns = at_ns + (uint64_t)c->to_wall_ns;
	pcapng_packet(c->blocks, &p);
	control_client_write(s->client, c->blocks);
	s->kept[p.interface]++;
}

static void write_end(struct session *s)
{
	struct capture *c = s->capture;
	uint64_t now = clock_now_ns() + (uint64_t)c->to_wall_ns;
	begin(s);
	/* where what was lost would have gone is not known: it counts with the first */
	for (uint32_t i = 0; i < PLACES + c->d->model.host.n_ports; i++)
		pcapng_statistics(c->blocks, i, now, s->kept[i] + (i ? 0 : s->lost),
				  i ? 0 : s->lost);
	control_client_write(s->client, c->blocks);
}

/* ---- packets of the workers ---- */

static bool is_for(const struct session *s, uint32_t connection)
{
	return s->client && (s->connection == DATAPATH_ALL || s->connection == connection);
}

static void comment_on(const struct capture *c, const struct datapath_captured *p, char out[256])
{
	const char *name = ike_host_name(c->d->ike, p->connection);
	static const char *const what[] = {
		[DATAPATH_CLEAR_OUT] = "before encryption",
		[DATAPATH_WIRE_OUT] = "sent",
		[DATAPATH_WIRE_IN] = "received",
		[DATAPATH_CLEAR_IN] = "decrypted",
	};
	if (p->point == DATAPATH_DROPPED)
		snprintf(out, 256, "%.64s: dropped by a worker: %s (%s)", name,
			 maps_drop_name(p->drop), maps_drop_text(p->drop));
	else
		snprintf(out, 256, "%.64s: %s, SPI %08x", name, what[p->point], p->spi);
}

static void take_worker(void *owner, const struct datapath_captured *p)
{
	struct capture *c = owner;
	char comment[256];
	bool outside = p->point == DATAPATH_WIRE_OUT || p->point == DATAPATH_WIRE_IN || p->is_outer;
	bool in = p->point == DATAPATH_WIRE_IN || p->point == DATAPATH_CLEAR_IN || p->is_outer;
	comment_on(c, p, comment);
	const struct pcapng_packet packet = {.interface = outside ? PLACE_WIRE : PLACE_CLEAR,
					     .way = in ? PCAPNG_IN : PCAPNG_OUT,
					     .comment = comment,
					     .bytes = p->bytes,
					     .len = p->len,
					     .kept = p->kept};
	for (unsigned i = 0; i < SESSIONS; i++)
		if (is_for(&c->session[i], p->connection))
			put(&c->session[i], p->at_ns, packet);
}

/* ---- frames that XDP dropped, and those of circuits' links ---- */

/* The domain's circuit; "": of none. */
static const char *circuit_name(const struct capture *c, uint32_t domain)
{
	for (uint32_t i = 0; i < c->d->plan.n_domains; i++)
		if (domain && c->d->plan.domains[i] == domain)
			return c->d->model.circuits[i].name;
	return "";
}

static bool is_of_domain(const struct session *s, const struct xgw_captured *r)
{
	return s->client && r->vnet >= XGW_FIRST_DOMAIN && s->connection == r->vnet;
}

static void comment_on_frame(const struct capture *c, const struct xgw_captured *r, char out[256])
{
	const char *name =
		r->connection ? ike_host_name(c->d->ike, r->connection) : circuit_name(c, r->vnet);
	if (r->drop == XGW_CAPTURED_IN || r->drop == XGW_CAPTURED_OUT)
		snprintf(out, 256, "%.64s: %s", name,
			 r->drop == XGW_CAPTURED_IN ? "received on a link" : "sent on a link");
	else
		snprintf(out, 256, "%.64s%sdropped by XDP: %s (%s)", name, *name ? ": " : "",
			 maps_drop_name(r->drop), maps_drop_text(r->drop));
}

/* Of no connection, but from the peer of the one that is captured: an SPI nobody knows, say. */
static bool is_from_peer(const struct session *s, const struct xgw_captured *r)
{
	const uint8_t *ip = r->bytes + r->l3;
	struct ip_addr from = {0};
	if (r->connection || !s->client || !s->peer.family)
		return false;
	if (r->l3 + 40u > sizeof r->bytes || r->l3 + 20u > r->kept)
		return false;
	if (ip[0] >> 4 == 4)
		from = ip_addr_from_bytes(IP_V4, ip + 12);
	else if (ip[0] >> 4 == 6 && r->l3 + 40u <= r->kept)
		from = ip_addr_from_bytes(IP_V6, ip + 8);
	return ip_addr_equal(&from, &s->peer);
}

static int take_xdp(void *owner, void *record, size_t len)
{
	struct capture *c = owner;
	struct xgw_captured r;
	char comment[256];
	if (len < sizeof r)
		return 0;
	memcpy(&r, record, sizeof r);
	if (r.port_id >= c->d->model.host.n_ports || r.kept > sizeof r.bytes)
		return 0;
	comment_on_frame(c, &r, comment);
	const struct pcapng_packet packet = {.interface = PLACES + r.port_id,
					     .way = r.drop == XGW_CAPTURED_OUT ? PCAPNG_OUT
									       : PCAPNG_IN,
					     .comment = comment,
					     .bytes = r.bytes,
					     .len = r.len,
					     .kept = r.kept};
	for (unsigned i = 0; i < SESSIONS; i++) {
		struct session *s = &c->session[i];
		if (is_for(s, r.connection) || is_of_domain(s, &r) || is_from_peer(s, &r))
			put(s, r.at_ns, packet);
	}
	return 0;
}

static void look_for_peer(struct session *s, struct ike_status *room)
{
	if (s->client && s->connection != DATAPATH_ALL &&
	    !ike_host_status(s->capture->d->ike, s->connection, room))
		s->peer = room->remote.addr;
}

static void drain(struct capture *c)
{
	struct ike_status *room = malloc(sizeof *room);
	for (unsigned i = 0; room && i < SESSIONS; i++)
		look_for_peer(&c->session[i], room);
	free(room);
	ring_buffer__consume(c->xdp);
	uint64_t lost = datapath_captured(c->d->datapath, take_worker, c);
	for (unsigned i = 0; i < SESSIONS; i++) {
		begin(&c->session[i]);
		c->session[i].lost += lost;
	}
}

static void on_drain(evutil_socket_t fd, short what, void *owner)
{
	(void)fd;
	(void)what;
	drain(owner);
}

/* ---- IKE ---- */

static uint16_t checksum(const uint8_t *b, size_t n, uint32_t sum)
{
	for (size_t i = 0; i + 1 < n; i += 2)
		sum += load_be16(b + i);
	if (n % 2)
		sum += (uint32_t)b[n - 1] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

/* Sums of addresses, protocol and length, which UDP's checksum covers too (RFC 768, RFC 8200 8.1).
 */
static uint32_t pseudo_sum(const struct ip_addr *a, const struct ip_addr *b, uint32_t udp)
{
	uint32_t sum = 17 + udp;
	for (unsigned i = 0; i + 1 < ip_addr_bytes(a); i += 2)
		sum += load_be16(a->b + i) + (uint32_t)load_be16(b->b + i);
	return sum;
}

static size_t write_ip(uint8_t *at, const struct ip_addr *from, const struct ip_addr *to,
		       uint16_t payload)
{
	size_t n = from->family == IP_V4 ? 20 : 40;
	memset(at, 0, n);
	if (from->family == IP_V4) {
		at[0] = 0x45;
		store_be16(at + 2, (uint16_t)(n + payload));
		at[8] = 64;
		at[9] = 17;
		memcpy(at + 12, from->b, 4);
		memcpy(at + 16, to->b, 4);
		store_be16(at + 10, checksum(at, n, 0));
	} else {
		at[0] = 0x60;
		store_be16(at + 4, payload);
		at[6] = 17;
		at[7] = 64;
		memcpy(at + 8, from->b, 16);
		memcpy(at + 24, to->b, 16);
	}
	return n;
}

/* The datagram in IP and UDP, in c->frame; its length. */
static uint32_t in_udp(struct capture *c, const struct ike_shown *m, bool marker)
{
	const struct ip_endpoint *from = m->sent ? m->local : m->remote;
	const struct ip_endpoint *to = m->sent ? m->remote : m->local;
	size_t body = m->message.len + (marker ? 4 : 0);
	if (body > IKE_BYTES - 8 || from->addr.family != to->addr.family)
		return 0;
	uint16_t udp = (uint16_t)(8 + body);
	size_t n = write_ip(c->frame, &from->addr, &to->addr, udp);
	uint8_t *at = c->frame + n;
	store_be16(at, from->port);
	store_be16(at + 2, to->port);
	store_be16(at + 4, udp);
	store_be16(at + 6, 0);
	memset(at + 8, 0, 4);
	memcpy(at + 8 + (marker ? 4 : 0), m->message.at, m->message.len);
	uint16_t sum = checksum(at, udp, pseudo_sum(&from->addr, &to->addr, udp));
	store_be16(at + 6, sum ? sum : 0xffff);
	return (uint32_t)(n + udp);
}

static void take_ike(struct capture *c, const struct ike_shown *m, enum place place)
{
	bool marker = place == PLACE_IKE_CLEAR && m->local->port == IKE_NATT_PORT;
	uint64_t now = clock_now_ns();
	uint32_t len = in_udp(c, m, marker);
	char comment[128] = "";
	if (!len)
		return;
	if (m->connection)
		snprintf(comment, sizeof comment, "%.64s", ike_host_name(c->d->ike, m->connection));
	const struct pcapng_packet packet = {.interface = place,
					     .way = m->sent ? PCAPNG_OUT : PCAPNG_IN,
					     .comment = comment,
					     .bytes = c->frame,
					     .len = len,
					     .kept = len};
	for (unsigned i = 0; i < SESSIONS; i++) {
		struct session *s = &c->session[i];
		bool of_peer = !m->connection && s->client && s->peer.family &&
			       ip_addr_equal(&s->peer, &m->remote->addr);
		if (is_for(s, m->connection) || of_peer)
			put(s, now, packet);
	}
	if (place == PLACE_IKE_CLEAR)
		wipe(c->frame, len);
}

/* What the workers saw before comes first. */
static void on_datagram(void *owner, const struct ike_shown *m)
{
	drain(owner);
	take_ike(owner, m, PLACE_IKE);
}

static void on_clear(void *owner, const struct ike_shown *m)
{
	take_ike(owner, m, PLACE_IKE_CLEAR);
}

/* ---- who captures ---- */

/* The least that all sessions together want. 0 or -ENOMEM. */
static int follow(struct capture *c)
{
	const struct timeval pause = {.tv_usec = DRAIN_MS * 1000};
	const struct ike_watch watch = {c, on_datagram,
					c->d->model.host.export_keys ? on_clear : NULL};
	uint32_t all = 0;
	for (unsigned i = 0; i < SESSIONS; i++) {
		if (!c->session[i].client)
			continue;
		uint32_t one = c->session[i].connection;
		all = all && all != one ? DATAPATH_ALL : one;
	}
	_Static_assert(DATAPATH_ALL == XGW_CAPTURE_ALL, "the same word for the workers and XDP");
	int err = datapath_capture(c->d->datapath, all);
	if (err)
		return err;
	if (c->d->maps->config)
		c->d->maps->config->capture = all;
	ike_host_watch(c->d->ike, all ? &watch : NULL);
	if (all)
		event_add(c->drain, &pause);
	else
		event_del(c->drain);
	return 0;
}

static void on_ended(void *owner)
{
	struct session *s = owner;
	struct capture *c = s->capture;
	drain(c);
	write_end(s);
	log_info(LOG_RUN, "capture-ended lost=%llu", (unsigned long long)s->lost);
	control_client_finish(s->client);
	s->client = NULL;
	(void)follow(c);
}

static int make(struct daemon *d)
{
	struct capture *c = calloc(1, sizeof *c);
	if (!c)
		return -ENOMEM;
	c->d = d;
	c->blocks = evbuffer_new();
	c->frame = malloc(HEADERS + IKE_BYTES);
	c->drain = event_new(d->base, -1, EV_PERSIST, on_drain, c);
	c->xdp = ring_buffer__new(d->maps->fd[MAPS_captures], take_xdp, c, NULL);
	if (!c->blocks || !c->frame || !c->drain || !c->xdp) {
		capture_free(c);
		return -ENOMEM;
	}
	d->capture = c;
	return 0;
}

static json_t *refusal(const struct fault *f)
{
	char text[FAULT_TEXT];
	return json_pack("{s:b,s:s}", "ok", 0, "error", fault_format(f, text));
}

/* Domain of the circuit that has the name, or that a connection of that name leads to; 0: none. */
static uint32_t find_domain(const struct daemon *d, const char *name)
{
	const struct model *m = &d->model;
	for (uint32_t i = 0; i < m->n_connections; i++) {
		const struct model_connection *c = &m->connections[i];
		if (c->express_route && c->circuit < d->plan.n_domains && !strcmp(c->name, name))
			return d->plan.domains[c->circuit];
	}
	for (uint32_t i = 0; i < d->plan.n_domains; i++)
		if (!strcmp(m->circuits[i].name, name))
			return d->plan.domains[i];
	return 0;
}

static struct session *free_session(struct capture *c, struct fault *f)
{
	for (unsigned i = 0; i < SESSIONS; i++)
		if (!c->session[i].client)
			return &c->session[i];
	fault_set(f, -EBUSY, "%d captures run already", SESSIONS);
	fault_advise(f, "end one of them");
	return NULL;
}

json_t *capture_begin(struct daemon *d, const json_t *request)
{
	const char *name = json_string_value(json_object_get(request, "name"));
	struct fault f = {0};
	uint32_t connection = DATAPATH_ALL;
	uint32_t domain = name ? find_domain(d, name) : 0;
	if (domain)
		connection = domain;
	else if (name && status_find(d, name, &connection, &f))
		return refusal(&f);
	if (!d->capture && make(d)) {
		fault_set(&f, -ENOMEM, "not enough memory to capture");
		return refusal(&f);
	}
	struct capture *c = d->capture;
	struct session *s = free_session(c, &f);
	if (!s)
		return refusal(&f);
	*s = (struct session){.capture = c, .connection = connection};
	c->to_wall_ns = clock_wall_ns() - (int64_t)clock_now_ns();
	s->client = control_socket_keep(d->control, on_ended, s);
	if (!s->client || follow(c)) {
		if (s->client)
			control_client_finish(s->client);
		s->client = NULL;
		fault_set(&f, -ENOMEM, "not enough memory to capture");
		return refusal(&f);
	}
	log_warn(LOG_RUN, "capture name=%s clear-ike=%s", name ? name : "all",
		 d->model.host.export_keys ? "yes" : "no");
	return json_pack("{s:b}", "ok", 1);
}

void capture_free(struct capture *c)
{
	if (!c)
		return;
	for (unsigned i = 0; i < SESSIONS; i++)
		if (c->session[i].client)
			on_ended(&c->session[i]);
	if (c->drain)
		event_free(c->drain);
	ring_buffer__free(c->xdp);
	if (c->blocks)
		evbuffer_free(c->blocks);
	free(c->frame);
	free(c);
}
