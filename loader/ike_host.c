/* SPDX-License-Identifier: Apache-2.0 */
#include "loader/ike_host.h"

#include "base/bytes.h"
#include "base/instant.h"
#include "base/log.h"
#include "loader/clients.h"
#include "loader/clock.h"
#include "loader/credentials.h"
#include "loader/outer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#define READS_PER_WAKEUP 64
#define DATAGRAM_MAX	 65536
#define CHILDREN_MAX	 32768 /* half of the data path's room: the rest is for replacing them */

struct ike_socket {
	struct ike_host *host;
	struct ip_endpoint local;
	int fd;
	struct event *readable;
};

struct ike_host {
	struct ike_host_options o;
	struct ike *engine;
	struct credentials *credentials; /* outlive the engine, which borrows them */
	struct clients *clients;
	struct ike_effects effects;
	struct event *timer;
	uint32_t n_sockets, room_sockets; /* fd -1: the place is free */
	bool mobike;
	struct ike_socket *sockets;
	struct log_limit limit;
	struct ike_watch watch; /* datagram NULL: nobody */
	uint8_t *buffer;
};

const char *ike_host_name(const struct ike_host *h, uint32_t connection)
{
	uint32_t i = connection - PLAN_FIRST_CONNECTION;
	uint32_t g = connection - PLAN_FIRST_TEMPLATE;
	struct client_info client;
	if (i < h->o.model->n_connections)
		return h->o.model->connections[i].name;
	if (g < h->o.model->n_gateways)
		return h->o.model->gateways[g].name;
	return clients_find(h->clients, connection, &client) ? "?" : client.name;
}

static uint32_t vnet_of(const struct ike_host *h, uint32_t connection)
{
	for (uint32_t i = 0; i < h->o.plan->n_connections; i++) {
		if (h->o.plan->connections[i].id == connection)
			return h->o.plan->connections[i].vnet;
	}
	struct client_info client;
	if (clients_find(h->clients, connection, &client))
		return 0;
	return h->o.model->vnets[h->o.model->gateways[client.gateway].vnet].id;
}

/* ---- randomness ---- */

static void fill_random(void *owner, uint8_t *out, size_t n)
{
	(void)owner;
	while (n) {
		ssize_t got = getrandom(out, n, 0);
		if (got < 0 && errno != EINTR)
			abort(); /* no key may be made without it */
		if (got > 0) {
			out += got;
			n -= (size_t)got;
		}
	}
}

/* ---- datagrams ---- */

static socklen_t to_sockaddr(struct sockaddr_storage *out, const struct ip_endpoint *e)
{
	memset(out, 0, sizeof *out);
	if (e->addr.family == IP_V4) {
		struct sockaddr_in *s = (struct sockaddr_in *)out;
		s->sin_family = AF_INET;
		s->sin_port = htons(e->port);
		memcpy(&s->sin_addr, e->addr.b, 4);
		return sizeof *s;
	}
	struct sockaddr_in6 *s = (struct sockaddr_in6 *)out;
	s->sin6_family = AF_INET6;
	s->sin6_port = htons(e->port);
	memcpy(&s->sin6_addr, e->addr.b, 16);
	return sizeof *s;
}

static struct ip_endpoint from_sockaddr(const struct sockaddr_storage *from)
{
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
	if (from->ss_family == AF_INET) {
		memcpy(&v4, from, sizeof v4);
		return (struct ip_endpoint){ip_addr_from_bytes(IP_V4, &v4.sin_addr),
					    ntohs(v4.sin_port)};
	}
	memcpy(&v6, from, sizeof v6);
	return (struct ip_endpoint){ip_addr_from_bytes(IP_V6, &v6.sin6_addr), ntohs(v6.sin6_port)};
}

static const struct ike_socket *socket_of(const struct ike_host *h, const struct ip_endpoint *local)
{
	for (uint32_t i = 0; i < h->n_sockets; i++) {
		if (h->sockets[i].fd >= 0 && ip_endpoint_equal(&h->sockets[i].local, local))
			return &h->sockets[i];
	}
	return NULL;
}

static void show(const struct ike_host *h, uint32_t connection, bool sent,
		 const struct ip_endpoint *local, const struct ip_endpoint *remote,
		 struct bytes datagram)
{
	const struct ike_shown m = {connection, sent, local, remote, datagram};
	if (h->watch.datagram)
		h->watch.datagram(h->watch.owner, &m);
}

static void send_datagram(struct ike_host *h, const struct ike_effect *e)
{
	struct sockaddr_storage to;
	char text[ENDPOINT_TEXT];
	const struct ike_socket *s = socket_of(h, &e->local);
	socklen_t len = to_sockaddr(&to, &e->remote);
	if (!s) {
		log_error(LOG_IKE, "no-socket local=%s", ip_endpoint_format(&e->local, text));
		return;
	}
	show(h, e->connection, true, &e->local, &e->remote, e->datagram);
	/* what is lost here, retransmission sends again */
	if (sendto(s->fd, e->datagram.at, e->datagram.len, MSG_DONTWAIT, (struct sockaddr *)&to,
		   len) < 0 &&
	    log_limit_pass(&h->limit, clock_now_ns(), 5))
		log_warn(LOG_IKE, "send-failed peer=%s: %s", ip_endpoint_format(&e->remote, text),
			 strerror(errno));
}

/* ---- effects ---- */

static void mark_hop(struct ike_host *h, uint32_t connection, bool up)
{
	struct xgw_next_hop hop;
	if (maps_get(h->o.maps, MAPS_next_hops, &connection, &hop))
		return;
	hop.flags = up ? hop.flags | XGW_HOP_UP : hop.flags & ~XGW_HOP_UP;
	maps_put(h->o.maps, MAPS_next_hops, &connection, &hop);
}

static void install_child(struct ike_host *h, const struct ike_effect *e)
{
	struct fault f = {0};
	char text[FAULT_TEXT];
	const struct child_sa *c = e->child;
	underlay_peer(h->o.underlay, e->connection, &c->local.addr, &c->remote.addr);
	int err = datapath_child_install(h->o.datapath, vnet_of(h, e->connection), c, &f);
	if (!err) {
		log_info(LOG_ESP,
			 "child-installed connection=%s spi-in=%08x spi-out=%08x encapsulation=%s",
			 ike_host_name(h, e->connection), c->spi_in, c->spi_out,
			 c->encapsulation == ESP_IN_UDP ? "udp" : "esp");
		return;
	}
	if (!f.code)
		fault_set(&f, err, "%s", strerror(-err));
	log_error(LOG_ESP, "child-refused connection=%s spi-in=%08x: %s",
		  ike_host_name(h, e->connection), c->spi_in, fault_format(&f, text));
	ike_down(h->engine, e->connection, clock_now_ns(), &h->effects);
}

static void move_outbound(struct ike_host *h, const struct ike_effect *e,
			  int (*move)(struct datapath *d, uint32_t spi_in))
{
	if (move(h->o.datapath, e->spi_in))
		log_warn(LOG_ESP, "child-unknown connection=%s", ike_host_name(h, e->connection));
}

static void update_child(struct ike_host *h, const struct ike_effect *e)
{
	char text[ENDPOINT_TEXT];
	int err = datapath_child_update(h->o.datapath, e->child);
	underlay_peer(h->o.underlay, e->connection, &e->child->local.addr, &e->child->remote.addr);
	log_info(LOG_ESP, "child-moved connection=%s spi-in=%08x peer=%s%s%s",
		 ike_host_name(h, e->connection), e->child->spi_in,
		 ip_endpoint_format(&e->child->remote, text), err ? ": " : "",
		 err ? strerror(-err) : "");
}

static void say_up(struct ike_host *h, const struct ike_effect *e)
{
	struct ike_status *s = malloc(sizeof *s);
	char peer[ENDPOINT_TEXT] = "?";
	if (s && ike_status(h->engine, e->connection, s) == 0)
		log_info(LOG_IKE, "connection-up name=%s peer=%s identity=%s proposal=%s",
			 ike_host_name(h, e->connection), ip_endpoint_format(&s->remote, peer),
			 s->remote_id, s->proposal);
	free(s);
}

static void say(const struct ike_host *h, const struct ike_effect *e, enum log_level level,
		const char *event)
{
	char text[FAULT_TEXT];
	log_write(LOG_IKE, level, "%s name=%s: %s", event, ike_host_name(h, e->connection),
		  fault_format(&e->fault, text));
}

static void carry_out_one(struct ike_host *h, const struct ike_effect *e)
{
	switch (e->kind) {
	case IKE_SEND: send_datagram(h, e); break;
	case IKE_CHILD_INSTALL: install_child(h, e); break;
	case IKE_CHILD_USE: move_outbound(h, e, datapath_child_use); break;
	case IKE_CHILD_REST: move_outbound(h, e, datapath_child_rest); break;
	case IKE_CHILD_UPDATE: update_child(h, e); break;
	case IKE_CHILD_REMOVE:
		if (datapath_child_remove(h->o.datapath, e->spi_in) == 0)
			log_info(LOG_ESP, "child-removed connection=%s spi-in=%08x",
				 ike_host_name(h, e->connection), e->spi_in);
		break;
	case IKE_UP:
		mark_hop(h, e->connection, true);
		say_up(h, e);
		break;
	case IKE_DOWN:
		mark_hop(h, e->connection, false);
		say(h, e, LOG_LEVEL_WARN, "connection-down");
		break;
	case IKE_FAILED: say(h, e, LOG_LEVEL_WARN, "connection-failed"); break;
	case IKE_CLIENT_GONE: clients_gone(h->clients, e->connection); break;
	case IKE_EVENT: say(h, e, LOG_LEVEL_DEBUG, "event"); break;
	}
}

/* Carrying out may add effects behind the last one, and so move the list. */
static void carry_out(struct ike_host *h)
{
	for (size_t i = 0; i < h->effects.n; i++) {
		struct ike_effect e = h->effects.at[i];
		carry_out_one(h, &e);
	}
	if (h->effects.lost)
		log_error(LOG_IKE,
			  "effects-lost: not enough memory; the peers' retransmissions repair it");
	ike_effects_clear(&h->effects);
	h->effects.lost = false;
}

static void arm(struct ike_host *h)
{
	uint64_t at = ike_next_deadline(h->engine), now = clock_now_ns();
	if (at == INSTANT_NEVER) {
		event_del(h->timer);
		return;
	}
	uint64_t us = at > now ? (at - now + 999) / 1000 : 0;
	struct timeval wait = {.tv_sec = (time_t)(us / 1000000),
			       .tv_usec = (suseconds_t)(us % 1000000)};
	event_add(h->timer, &wait);
}

static void settle(struct ike_host *h)
{
	carry_out(h);
	arm(h);
}

static void on_timer(evutil_socket_t fd, short what, void *owner)
{
	struct ike_host *h = owner;
	(void)fd;
	(void)what;
	ike_expire(h->engine, clock_now_ns(), &h->effects);
	settle(h);
}

/* ESP in UDP (RFC 3948) that came in pieces; whole ones are XDP's. False: it is IKE. */
static bool take_esp(struct ike_socket *s, const struct ip_endpoint *remote, uint8_t tos, size_t n)
{
	struct ike_host *h = s->host;
	const struct datapath_esp e = {.from = *remote,
				       .to = s->local,
				       .udp = true,
				       .tos = tos,
				       .at = h->buffer,
				       .len = n};
	if (s->local.port != IKE_NATT_PORT || n < 8 || load_be32(h->buffer) == 0)
		return false;
	int err = datapath_reassembled(h->o.datapath, &e);
	if (err)
		log_debug(LOG_ESP, "reassembled-esp bytes=%zu: %s", n, strerror(-err));
	return true;
}

static void on_datagram(evutil_socket_t fd, short what, void *owner)
{
	struct ike_socket *s = owner;
	struct ike_host *h = s->host;
	(void)what;
	for (int i = 0; i < READS_PER_WAKEUP; i++) {
		struct outer_info info;
		ssize_t n = outer_receive(fd, h->buffer, DATAGRAM_MAX, &info);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			break;
		if (n <= 0)
			continue; /* an ICMP error of an earlier datagram, or an empty one */
		struct ip_endpoint remote = from_sockaddr(&info.from);
		if (take_esp(s, &remote, info.tos, (size_t)n))
			continue;
		const struct bytes datagram = {h->buffer, (size_t)n};
		show(h, 0, false, &s->local, &remote, datagram);
		ike_receive(h->engine, &s->local, &remote, datagram, clock_now_ns(), &h->effects);
		carry_out(h);
	}
	arm(h);
}

/* ---- sockets ---- */

static int bind_fault(struct fault *f, const struct ip_endpoint *at, int err)
{
	char text[ENDPOINT_TEXT];
	fault_set(f, err, "cannot bind UDP %s: %s", ip_endpoint_format(at, text), strerror(-err));
	if (err == -EADDRNOTAVAIL)
		return fault_advise(
			f, "publicIPAddress must be an address of this host; put it on the uplink "
			   "with `ip addr add`");
	if (err == -EADDRINUSE)
		return fault_advise(f,
				    "another IKE program holds the port; `ss -ulnp` shows which");
	return fault_advise(f, "run as root");
}

static void close_socket(struct ike_socket *s)
{
	if (s->readable)
		event_free(s->readable);
	if (s->fd >= 0)
		close(s->fd);
	*s = (struct ike_socket){.fd = -1};
}

static int open_socket(struct ike_host *h, const struct ip_endpoint *local, struct fault *f)
{
	struct ike_socket *s = NULL;
	struct sockaddr_storage at;
	for (uint32_t i = 0; !s && i < h->n_sockets; i++)
		if (h->sockets[i].fd < 0)
			s = &h->sockets[i];
	if (!s && h->n_sockets < h->room_sockets)
		s = &h->sockets[h->n_sockets++];
	if (!s)
		return fault_set(f, -ENOSPC, "too many addresses to listen at");
	bool v4 = local->addr.family == IP_V4;
	int on = 1, room = 1 << 20;
	/* IKE messages larger than the path's MTU travel in fragments */
	int discover = v4 ? IP_PMTUDISC_DONT : IPV6_PMTUDISC_DONT;
	s->fd = socket(v4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (s->fd < 0)
		return fault_set(f, -errno, "cannot open a UDP socket: %s", strerror(errno));
	s->readable = NULL;
	s->host = h;
	s->local = *local;
	if (!v4)
		setsockopt(s->fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
	setsockopt(s->fd, v4 ? IPPROTO_IP : IPPROTO_IPV6, v4 ? IP_MTU_DISCOVER : IPV6_MTU_DISCOVER,
		   &discover, sizeof discover);
	setsockopt(s->fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room);
	outer_prepare(s->fd, v4);
	socklen_t len = to_sockaddr(&at, local);
	if (bind(s->fd, (struct sockaddr *)&at, len)) {
		int err = -errno;
		close_socket(s);
		return bind_fault(f, local, err);
	}
	s->readable = event_new(h->o.base, s->fd, EV_READ | EV_PERSIST, on_datagram, s);
	if (!s->readable || event_add(s->readable, NULL)) {
		close_socket(s);
		return fault_set(f, -ENOMEM, "not enough memory for a socket's event");
	}
	return 0;
}

static int open_sockets(struct ike_host *h, struct fault *f)
{
	static const uint16_t ports[] = {IKE_PORT, IKE_NATT_PORT};
	const struct model *m = h->o.model;
	h->room_sockets = 2 * (m->n_gateways + IKE_MAX_ADDRESSES);
	h->sockets = calloc(h->room_sockets, sizeof *h->sockets);
	if (!h->sockets)
		return fault_set(f, -ENOMEM, "not enough memory for the sockets");
	for (uint32_t i = 0; i < m->n_gateways; i++) {
		for (unsigned p = 0; p < 2; p++) {
			struct ip_endpoint local = {m->gateways[i].public_address, ports[p]};
			int err = socket_of(h, &local) ? 0 : open_socket(h, &local, f);
			if (err)
				return err;
		}
	}
	return 0;
}

/* ---- addresses that come and go (MOBIKE) ---- */

static bool is_gateway(const struct ike_host *h, const struct ip_addr *a)
{
	for (uint32_t i = 0; i < h->o.model->n_gateways; i++)
		if (ip_addr_equal(&h->o.model->gateways[i].public_address, a))
			return true;
	return false;
}

/* Listens at every address there is, and no longer at those that are gone and not configured. */
static void follow_addresses(struct ike_host *h, const struct ip_addr *own, unsigned n)
{
	static const uint16_t ports[] = {IKE_PORT, IKE_NATT_PORT};
	char text[FAULT_TEXT];
	for (uint32_t i = 0; i < h->n_sockets; i++) {
		bool there = is_gateway(h, &h->sockets[i].local.addr);
		for (unsigned k = 0; k < n && !there; k++)
			there = ip_addr_equal(&own[k], &h->sockets[i].local.addr);
		if (!there && h->sockets[i].fd >= 0)
			close_socket(&h->sockets[i]);
	}
	for (unsigned k = 0; k < 2 * n; k++) {
		const struct ip_endpoint local = {own[k / 2], ports[k % 2]};
		struct fault f = {0};
		if (!socket_of(h, &local) && open_socket(h, &local, &f))
			log_warn(LOG_IKE, "not-listening: %s", fault_format(&f, text));
	}
}

void ike_host_addresses(struct ike_host *h)
{
	struct ip_addr own[IKE_MAX_ADDRESSES];
	int n = h->mobike ? underlay_own(h->o.underlay, own, IKE_MAX_ADDRESSES) : -ENOENT;
	if (n < 0)
		return;
	follow_addresses(h, own, (unsigned)n);
	ike_addresses(h->engine, own, (unsigned)n, clock_now_ns(), &h->effects);
	settle(h);
}

/* ---- connections ---- */

/* Children of workers of each connection that there is room for: fewer when there are very many. */
static uint16_t room_for_workers(const struct plan *p)
{
	uint64_t each = p->n_connections ? CHILDREN_MAX / p->n_connections : IKE_MAX_WORKERS;
	return (uint16_t)(each < 1 ? 1 : each < IKE_MAX_WORKERS ? each : IKE_MAX_WORKERS);
}

static uint16_t workers_to_ask_for(const struct ike_host *h)
{
	unsigned n = datapath_workers_with_queues(h->o.datapath);
	uint16_t room = room_for_workers(h->o.plan);
	return n < room ? (uint16_t)n : room;
}

/* One for each gateway that has clients. */
static int add_templates(struct ike_host *h, struct fault *f)
{
	struct ike_connection *c = malloc(sizeof *c);
	int err = c ? 0 : fault_set(f, -ENOMEM, "not enough memory for the clients");
	for (uint32_t i = 0; !err && i < h->o.model->n_gateways; i++) {
		if (!h->o.model->gateways[i].clients.n_pool || !h->o.model->gateways[i].clients.ike)
			continue;
		err = ike_host_translate_clients(c, h->o.model, i, f);
		if (!err) {
			clients_template(h->clients, i, c);
			err = ike_add(h->engine, c, f);
		}
		if (err)
			fault_prefix(f, "clients of '%s'", h->o.model->gateways[i].name);
	}
	free(c);
	return err;
}

static int add_connections(struct ike_host *h, struct fault *f)
{
	struct ike_connection *c = malloc(sizeof *c);
	int err = 0;
	if (!c)
		return fault_set(f, -ENOMEM, "not enough memory for the connections");
	for (uint32_t i = 0; !err && i < h->o.plan->n_connections; i++) {
		err = ike_host_translate(c, h->o.model, &h->o.plan->connections[i], f);
		if (err)
			break;
		c->workers = workers_to_ask_for(h);
		h->mobike |= c->mobike != IKE_MOBIKE_OFF;
		credentials_give(h->credentials, h->o.model, h->o.plan->connections[i].model, c);
		err = ike_add(h->engine, c, f);
		if (err && !f->code)
			fault_set(f, err, "%s", strerror(-err));
		if (err)
			fault_prefix(f, "connection '%s'", c->name);
		else if (c->remote.family)
			underlay_peer(h->o.underlay, c->id, &c->local, &c->remote);
		secret_wipe(&c->psk);
		secret_wipe(&c->ppk);
	}
	free(c);
	return err;
}

static void start_connections(struct ike_host *h)
{
	for (uint32_t i = 0; i < h->o.plan->n_connections; i++) {
		const struct plan_connection *c = &h->o.plan->connections[i];
		int err = 0;
		if (h->o.model->connections[c->model].mode != MODEL_MODE_RESPONDER)
			err = ike_up(h->engine, c->id, clock_now_ns(), &h->effects);
		if (err)
			log_warn(LOG_IKE, "not-started name=%s: %s", ike_host_name(h, c->id),
				 strerror(-err));
	}
	settle(h);
}

static uint64_t esp_sent(void *owner, uint32_t connection)
{
	const struct ike_host *h = owner;
	struct datapath_traffic t;
	return datapath_connection_traffic(h->o.datapath, connection, &t) ? 0 : t.packets_out;
}

static int64_t wall_seconds(void *owner)
{
	(void)owner;
	return clock_wall_seconds();
}

int ike_host_start(struct ike_host **out, const struct ike_host_options *o, struct fault *f)
{
	const struct ike_random random = {fill_random, NULL};
	struct ike_host *h = calloc(1, sizeof *h);
	if (!h)
		return fault_set(f, -ENOMEM, "not enough memory for IKE");
	h->o = *o;
	const struct ike_options options = {.max_workers = room_for_workers(o->plan),
					    .esp_sent = esp_sent,
					    .esp_sent_owner = h,
					    .wall_seconds = wall_seconds};
	ike_effects_init(&h->effects);
	h->buffer = malloc(DATAGRAM_MAX);
	h->timer = evtimer_new(o->base, on_timer, h);
	int err = h->buffer && h->timer ? ike_new(&h->engine, &options, &random) : -ENOMEM;
	if (err)
		fault_set(f, err, "cannot start the IKE engine: %s", strerror(-err));
	if (!err)
		err = credentials_new(&h->credentials, o->model, NULL, f);
	if (!err)
		err = clients_new(&h->clients, o->model, h->credentials, NULL, f);
	if (!err)
		clients_serve(h->clients, o->maps, o->datapath, o->underlay);
	if (!err)
		err = open_sockets(h, f);
	if (!err)
		err = add_connections(h, f);
	if (!err)
		err = add_templates(h, f);
	if (err) {
		ike_host_free(h);
		return err;
	}
	ike_host_addresses(h);
	start_connections(h);
	*out = h;
	return 0;
}

void ike_host_shutdown(struct ike_host *h)
{
	ike_shutdown(h->engine, clock_now_ns(), &h->effects);
	carry_out(h);
}

void ike_host_free(struct ike_host *h)
{
	if (!h)
		return;
	for (uint32_t i = 0; i < h->n_sockets; i++)
		close_socket(&h->sockets[i]);
	if (h->timer)
		event_free(h->timer);
	if (h->engine)
		ike_free(h->engine);
	clients_free(h->clients);
	credentials_free(h->credentials);
	ike_effects_free(&h->effects);
	free(h->sockets);
	free(h->buffer);
	free(h);
}

static int reset(struct ike_host *h, uint32_t connection, uint64_t now)
{
	int err = ike_down(h->engine, connection, now, &h->effects);
	return err ? err : ike_up(h->engine, connection, now, &h->effects);
}

int ike_host_order(struct ike_host *h, const char *verb, uint32_t connection, struct fault *f)
{
	uint64_t now = clock_now_ns();
	int err = strcmp(verb, "up") == 0      ? ike_up(h->engine, connection, now, &h->effects)
		  : strcmp(verb, "down") == 0  ? ike_down(h->engine, connection, now, &h->effects)
		  : strcmp(verb, "rekey") == 0 ? ike_rekey(h->engine, connection, now, &h->effects)
		  : strcmp(verb, "reauthenticate") == 0
			  ? ike_reauthenticate(h->engine, connection, now, &h->effects)
		  : strcmp(verb, "reset") == 0 ? reset(h, connection, now)
					       : -EINVAL;
	settle(h);
	if (err == -ENOTCONN) {
		fault_set(f, err, "connection '%s' is not up", ike_host_name(h, connection));
		return fault_advise(f, "`xgw up %s` starts it", ike_host_name(h, connection));
	}
	if (err)
		return fault_set(f, err, "cannot %s connection '%s': %s", verb,
				 ike_host_name(h, connection), strerror(-err));
	log_info(LOG_IKE, "order verb=%s name=%s", verb, ike_host_name(h, connection));
	return 0;
}

void ike_host_expiring(struct ike_host *h, uint32_t spi_in)
{
	ike_child_expiring(h->engine, spi_in, clock_now_ns(), &h->effects);
	settle(h);
}

void ike_host_alive(struct ike_host *h, uint32_t spi_in)
{
	ike_child_alive(h->engine, spi_in, clock_now_ns());
	arm(h);
}

void ike_host_moved(struct ike_host *h, uint32_t spi_in, const struct ip_endpoint *from)
{
	ike_child_moved(h->engine, spi_in, from, clock_now_ns(), &h->effects);
	settle(h);
}

int ike_host_status(const struct ike_host *h, uint32_t connection, struct ike_status *out)
{
	return ike_status(h->engine, connection, out);
}

uint64_t ike_host_count(const struct ike_host *h, enum ike_counter c)
{
	return ike_count(h->engine, c);
}

struct clients *ike_host_clients(const struct ike_host *h)
{
	return h->clients;
}

int ike_host_next_client(const struct ike_host *h, uint32_t after, struct client_info *out)
{
	return clients_next(h->clients, after, out);
}

int ike_host_find_client(const struct ike_host *h, const char *name, uint32_t *connection)
{
	struct client_info found;
	if (clients_find_name(h->clients, name, &found))
		return -ENOENT;
	*connection = found.connection;
	return 0;
}

void ike_host_watch(struct ike_host *h, const struct ike_watch *w)
{
	h->watch = w ? *w : (struct ike_watch){0};
	const struct ike_viewer viewer = {h->watch.owner, h->watch.clear};
	ike_show(h->engine, h->watch.clear ? &viewer : NULL);
}

int ike_host_keys(const struct ike_host *h, uint32_t connection, const struct ike_key_sink *sink)
{
	return ike_tell_keys(h->engine, connection, sink);
}
