/* SPDX-License-Identifier: Apache-2.0 */
#include "loader/ike_host_internal.h"

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
#define STARTS_AT_ONCE	 32u

const char *ike_host_name(const struct ike_host *h, uint32_t connection)
{
	const struct plan_connection *c = plan_connection(h->o.plan, connection);
	uint32_t g = connection < PLAN_FIRST_TEMPLATE
			     ? MODEL_NONE
			     : plan_gateway_index(h->o.plan, connection - PLAN_FIRST_TEMPLATE);
	struct client_info client;
	if (c)
		return h->o.model->connections[c->model].name;
	if (g != MODEL_NONE)
		return h->o.model->gateways[g].name;
	return clients_find(h->clients, connection, &client) ? "?" : client.name;
}

static uint32_t vnet_of(const struct ike_host *h, uint32_t connection)
{
	const struct plan_connection *c = plan_connection(h->o.plan, connection);
	struct client_info client;
	if (c)
		return c->vnet;
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
	const struct ike_socket *s = ike_socket_find(h, &e->local);
	socklen_t len = ike_socket_address(&to, &e->remote);
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
	if (maps_hop_up(h->o.maps, connection, up) == 1)
		maps_bump(h->o.maps); /* choices were made by it */
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

void ike_host_settle(struct ike_host *h)
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
	ike_host_settle(h);
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

void ike_host_on_datagram(evutil_socket_t fd, short what, void *owner)
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
		if (s->away) {	  /* it came before its address went */
			h->unheard++;
			continue;
		}
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

/* ---- addresses that come and go (MOBIKE) ---- */

/* What VRRP moves is no address of this host's that an IKE SA may go on at. */
static int leave_out_moving(const struct model *m, struct ip_addr *own, int n)
{
	int kept = 0;
	for (int k = 0; k < n; k++) {
		bool moves = false;
		for (uint32_t i = 0; i < m->n_gateways && !moves; i++)
			moves = m->gateways[i].active_standby &&
				ip_addr_equal(&m->gateways[i].public_address, &own[k]);
		if (!moves)
			own[kept++] = own[k];
	}
	return kept;
}

void ike_host_addresses(struct ike_host *h)
{
	struct ip_addr own[IKE_MAX_ADDRESSES];
	int n = h->mobike ? underlay_own(h->o.underlay, own, IKE_MAX_ADDRESSES) : -ENOENT;
	if (n < 0)
		return;
	n = leave_out_moving(h->o.model, own, n);
	ike_sockets_follow(h, own, (unsigned)n);
	ike_addresses(h->engine, own, (unsigned)n, clock_now_ns(), &h->effects);
	ike_host_settle(h);
}

/* ---- gateways that come and go (activeStandby) ---- */

static bool works(const struct ike_host *h, const struct plan_connection *c)
{
	uint32_t gateway = h->o.model->connections[c->model].gateway;
	return standby_is_active(h->o.standby, h->o.plan->gateways[gateway].slot);
}

void ike_host_stand_by(struct ike_host *h, const struct ip_addr *address, const char *why)
{
	ike_sockets_away(h, address, true);
	ike_stand_by(h->engine, address, why, clock_now_ns(), &h->effects);
	ike_host_settle(h);
}

/* As at the start: each begins with a key exchange. */
static void wake_some(struct ike_host *h, uint32_t most)
{
	const struct plan *p = h->o.plan;
	uint32_t n = 0;
	while (n < most && h->next_wake < p->n_connections) {
		const struct plan_connection *c = &p->connections[h->next_wake++];
		if (works(h, c) && ike_take_over(h->engine, c->id, clock_now_ns(), &h->effects) > 0)
			n++;
	}
	ike_host_settle(h);
}

void ike_host_wake(struct ike_host *h)
{
	static const struct timeval now;
	h->next_wake = 0;
	event_add(h->starter, &now);
}

void ike_host_take_over(struct ike_host *h, const struct ip_addr *address)
{
	const struct plan *p = h->o.plan;
	ike_sockets_away(h, address, false);
	for (uint32_t i = 0; i < p->n_gateways; i++)
		if (ip_addr_equal(&h->o.model->gateways[i].public_address, address))
			(void)ike_take_over(h->engine, PLAN_FIRST_TEMPLATE + p->gateways[i].slot,
					    clock_now_ns(), &h->effects);
	h->next_wake = 0;
	wake_some(h, STARTS_AT_ONCE);
	if (h->next_wake < p->n_connections) {
		static const struct timeval soon = {.tv_usec = 1000};
		event_add(h->starter, &soon);
	}
}

uint64_t ike_host_unheard(const struct ike_host *h)
{
	return h->unheard;
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

int ike_host_add_template(struct ike_host *h, uint32_t gateway, bool change, struct fault *f)
{
	const struct model_gateway *g = &h->o.model->gateways[gateway];
	struct ike_connection *c = malloc(sizeof *c);
	if (!c)
		return fault_set(f, -ENOMEM, "not enough memory for the clients");
	int err = ike_host_translate_clients(c, h->o.model, gateway,
					     h->o.plan->gateways[gateway].slot, f);
	if (!err) {
		c->stands_by = !standby_is_active(h->o.standby, h->o.plan->gateways[gateway].slot);
		clients_template(h->clients, gateway, c);
		err = change ? ike_change(h->engine, c, clock_now_ns(), &h->effects, f)
			     : ike_add(h->engine, c, f);
	}
	if (err)
		fault_prefix(f, "clients of '%s'", g->name);
	free(c);
	return err;
}

int ike_host_add_connection(struct ike_host *h, uint32_t i, struct fault *f)
{
	const struct plan_connection *pc = &h->o.plan->connections[i];
	struct ike_connection *c = malloc(sizeof *c);
	if (!c)
		return fault_set(f, -ENOMEM, "not enough memory for the connections");
	int err = ike_host_translate(c, h->o.model, pc, f);
	if (err) {
		free(c);
		return err;
	}
	c->workers = workers_to_ask_for(h);
	c->stands_by = !works(h, pc);
	h->mobike |= c->mobike != IKE_MOBIKE_OFF;
	credentials_give(h->credentials, h->o.model, pc->model, c);
	err = ike_add(h->engine, c, f);
	if (err && !f->code)
		fault_set(f, err, "%s", strerror(-err));
	if (err)
		fault_prefix(f, "connection '%s'", c->name);
	else if (c->remote.family && !ip_addr_is_unspecified(&c->remote))
		underlay_peer(h->o.underlay, c->id, &c->local, &c->remote);
	secret_wipe(&c->psk);
	secret_wipe(&c->ppk);
	free(c);
	return err;
}

void ike_host_start_connection(struct ike_host *h, uint32_t i)
{
	const struct plan_connection *c = &h->o.plan->connections[i];
	int err = 0;
	if (h->o.model->connections[c->model].mode != MODEL_MODE_RESPONDER)
		err = ike_up(h->engine, c->id, clock_now_ns(), &h->effects);
	if (err)
		log_warn(LOG_IKE, "not-started name=%s: %s", ike_host_name(h, c->id),
			 strerror(-err));
	ike_host_settle(h);
}

/* Each begins with a key exchange: ten thousand of them are no single step of a loop. */
static void start_some(struct ike_host *h, uint32_t most)
{
	for (uint32_t n = 0; n < most && h->next_start < h->o.plan->n_connections; n++)
		ike_host_start_connection(h, h->next_start++);
}

static void on_starter(evutil_socket_t fd, short what, void *owner)
{
	static const struct timeval soon = {.tv_usec = 1000};
	struct ike_host *h = owner;
	(void)fd;
	(void)what;
	start_some(h, STARTS_AT_ONCE);
	wake_some(h, STARTS_AT_ONCE);
	if (h->next_start < h->o.plan->n_connections || h->next_wake < h->o.plan->n_connections)
		event_add(h->starter, &soon);
}

void ike_host_start_rest(struct ike_host *h)
{
	start_some(h, UINT32_MAX);
	event_del(h->starter);
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
	h->next_wake = UINT32_MAX; /* nobody has stood by yet */
	h->buffer = malloc(DATAGRAM_MAX);
	h->timer = evtimer_new(o->base, on_timer, h);
	h->starter = evtimer_new(o->base, on_starter, h);
	int err = h->buffer && h->timer && h->starter ? ike_new(&h->engine, &options, &random)
						      : -ENOMEM;
	if (err)
		fault_set(f, err, "cannot start the IKE engine: %s", strerror(-err));
	if (!err)
		err = credentials_new(&h->credentials, o->model, NULL, f);
	if (!err)
		err = clients_new(&h->clients, o->model, o->plan, h->credentials, NULL, f);
	if (!err)
		clients_serve(h->clients, o->maps, o->datapath, o->underlay);
	if (!err)
		err = ike_sockets_open(h, o->model, f);
	for (uint32_t i = 0; !err && i < o->plan->n_connections; i++)
		err = ike_host_add_connection(h, i, f);
	for (uint32_t i = 0; !err && i < o->model->n_gateways; i++)
		if (o->model->gateways[i].clients.n_pool && o->model->gateways[i].clients.ike)
			err = ike_host_add_template(h, i, false, f);
	if (err) {
		ike_host_free(h);
		return err;
	}
	ike_host_addresses(h);
	on_starter(-1, 0, h);
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
	ike_sockets_close(h);
	if (h->timer)
		event_free(h->timer);
	if (h->starter)
		event_free(h->starter);
	if (h->engine)
		ike_free(h->engine);
	clients_free(h->clients);
	credentials_free(h->credentials);
	ike_effects_free(&h->effects);
	free(h->buffer);
	free(h);
}

static int reset(struct ike_host *h, uint32_t connection, uint64_t now)
{
	int err = ike_down(h->engine, connection, now, &h->effects);
	return err ? err : ike_up(h->engine, connection, now, &h->effects);
}

/* But `down`, which says what is wanted once it works. */
static int refuse_standby(const struct ike_host *h, const char *verb, uint32_t connection,
			  struct fault *f)
{
	char text[STANDBY_TEXT];
	const struct plan_connection *c = plan_connection(h->o.plan, connection);
	if (!c || works(h, c) || strcmp(verb, "down") == 0)
		return 0;
	uint32_t gateway = h->o.model->connections[c->model].gateway;
	fault_set(f, -EADDRNOTAVAIL, "connection '%s': %s", ike_host_name(h, connection),
		  standby_text(h->o.standby, h->o.plan->gateways[gateway].slot, text));
	return fault_advise(f, "give the order on the host that has it");
}

int ike_host_order(struct ike_host *h, const char *verb, uint32_t connection, struct fault *f)
{
	uint64_t now = clock_now_ns();
	int refused = refuse_standby(h, verb, connection, f);
	if (refused)
		return refused;
	int err = strcmp(verb, "up") == 0      ? ike_up(h->engine, connection, now, &h->effects)
		  : strcmp(verb, "down") == 0  ? ike_down(h->engine, connection, now, &h->effects)
		  : strcmp(verb, "rekey") == 0 ? ike_rekey(h->engine, connection, now, &h->effects)
		  : strcmp(verb, "reauthenticate") == 0
			  ? ike_reauthenticate(h->engine, connection, now, &h->effects)
		  : strcmp(verb, "reset") == 0 ? reset(h, connection, now)
					       : -EINVAL;
	ike_host_settle(h);
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
	ike_host_settle(h);
}

void ike_host_alive(struct ike_host *h, uint32_t spi_in)
{
	ike_child_alive(h->engine, spi_in, clock_now_ns());
	arm(h);
}

void ike_host_moved(struct ike_host *h, uint32_t spi_in, const struct ip_endpoint *from)
{
	ike_child_moved(h->engine, spi_in, from, clock_now_ns(), &h->effects);
	ike_host_settle(h);
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
