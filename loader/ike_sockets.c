/* SPDX-License-Identifier: Apache-2.0 */
/* UDP 500 and 4500 at every address where IKE listens. */
#include "loader/ike_host_internal.h"

#include "base/log.h"
#include "loader/outer.h"

#include <errno.h>
#include <netinet/in.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

socklen_t ike_socket_address(struct sockaddr_storage *out, const struct ip_endpoint *e)
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

static int by_endpoint(const void *a, const void *b)
{
	const struct ip_endpoint *x = &((const struct ike_socket *)a)->local;
	const struct ip_endpoint *y = &((const struct ike_socket *)b)->local;
	if (x->port != y->port)
		return x->port < y->port ? -1 : 1;
	if (x->addr.family != y->addr.family)
		return x->addr.family < y->addr.family ? -1 : 1;
	return memcmp(x->addr.b, y->addr.b, x->addr.family == IP_V4 ? 4 : 16);
}

const struct ike_socket *ike_socket_find(const struct ike_host *h, const struct ip_endpoint *local)
{
	const struct ike_socket wanted = {.local = *local};
	struct ike_socket *const *found =
		(struct ike_socket *const *)tfind(&wanted, &h->socket_tree, by_endpoint);
	return found ? *found : NULL;
}

static int bind_fault(struct fault *f, const struct ip_endpoint *at, int err)
{
	char text[ENDPOINT_TEXT];
	fault_set(f, err, "cannot bind UDP %s: %s", ip_endpoint_format(at, text), strerror(-err));
	if (err == -EADDRNOTAVAIL)
		return fault_advise(
			f, "publicIPAddress must be an address of this host; put it on the uplink "
			   "with `ip addr add`, or say activeStandby when another host has it");
	if (err == -EADDRINUSE)
		return fault_advise(f,
				    "another IKE program holds the port; `ss -ulnp` shows which");
	return fault_advise(f, "run as root");
}

static void free_socket(struct ike_socket *s)
{
	if (s->readable)
		event_free(s->readable);
	if (s->fd >= 0)
		close(s->fd);
	free(s);
}

static int prepare(struct ike_host *h, struct ike_socket *s, const struct ip_endpoint *local,
		   bool moves, struct fault *f)
{
	struct sockaddr_storage at;
	bool v4 = local->addr.family == IP_V4;
	int on = 1, room = 1 << 20;
	/* IKE messages larger than the path's MTU travel in fragments */
	int discover = v4 ? IP_PMTUDISC_DONT : IPV6_PMTUDISC_DONT;
	s->fd = socket(v4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (s->fd < 0)
		return fault_set(f, -errno, "cannot open a UDP socket: %s", strerror(errno));
	if (!v4)
		setsockopt(s->fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
	setsockopt(s->fd, v4 ? IPPROTO_IP : IPPROTO_IPV6, v4 ? IP_MTU_DISCOVER : IPV6_MTU_DISCOVER,
		   &discover, sizeof discover);
	setsockopt(s->fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room);
	outer_prepare(s->fd, v4);
	/* one that comes and goes is bound once; nothing arrives while it is elsewhere */
	if (moves)
		setsockopt(s->fd, v4 ? IPPROTO_IP : IPPROTO_IPV6, v4 ? IP_FREEBIND : IPV6_FREEBIND,
			   &on, sizeof on);
	socklen_t len = ike_socket_address(&at, local);
	if (bind(s->fd, (struct sockaddr *)&at, len)) {
		int err = -errno;
		return bind_fault(f, local, err);
	}
	s->readable = event_new(h->o.base, s->fd, EV_READ | EV_PERSIST, ike_host_on_datagram, s);
	if (!s->readable || event_add(s->readable, NULL))
		return fault_set(f, -ENOMEM, "not enough memory for a socket's event");
	return 0;
}

static int open_socket(struct ike_host *h, const struct ip_endpoint *local, bool moves,
		       struct fault *f)
{
	struct ike_socket *s = calloc(1, sizeof *s);
	if (!s)
		return fault_set(f, -ENOMEM, "not enough memory for the sockets");
	s->host = h;
	s->local = *local;
	s->fd = -1;
	int err = prepare(h, s, local, moves, f);
	if (!err && !tsearch(s, &h->socket_tree, by_endpoint))
		err = fault_set(f, -ENOMEM, "not enough memory for the sockets");
	if (err) {
		free_socket(s);
		return err;
	}
	s->next = h->sockets;
	h->sockets = s;
	return 0;
}

/* All from the list's beginning to `end`. */
static void close_until(struct ike_host *h, const struct ike_socket *end)
{
	while (h->sockets != end) {
		struct ike_socket *s = h->sockets;
		h->sockets = s->next;
		tdelete(s, &h->socket_tree, by_endpoint);
		free_socket(s);
	}
}

static const uint16_t ports[] = {IKE_PORT, IKE_NATT_PORT};

int ike_sockets_open(struct ike_host *h, const struct model *m, struct fault *f)
{
	const struct ike_socket *had = h->sockets;
	for (uint32_t i = 0; i < 2 * m->n_gateways; i++) {
		const struct model_gateway *g = &m->gateways[i / 2];
		const struct ip_endpoint local = {g->public_address, ports[i % 2]};
		if (g->express_route)
			continue;
		const struct ike_socket *s = ike_socket_find(h, &local);
		int err = 0;
		if (!s)
			err = open_socket(h, &local, g->active_standby, f);
		else if (s->away && !g->active_standby)
			err = bind_fault(f, &local, -EADDRNOTAVAIL);
		if (!err)
			continue;
		close_until(h, had);
		return err;
	}
	return 0;
}

void ike_sockets_close(struct ike_host *h)
{
	close_until(h, NULL);
}

static int by_address(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct ip_addr));
}

/* Sorted, so that many addresses need no search each. */
static struct ip_addr *addresses_of(const struct model *m)
{
	struct ip_addr *list = calloc(m->n_gateways + 1u, sizeof *list);
	for (uint32_t i = 0; list && i < m->n_gateways; i++) {
		const struct ip_addr *a = &m->gateways[i].public_address;
		list[i].family = a->family;
		memcpy(list[i].b, a->b, a->family == IP_V4 ? 4 : 16);
	}
	if (list)
		qsort(list, m->n_gateways, sizeof *list, by_address);
	return list;
}

static bool is_among(const struct ip_addr *list, uint32_t n, const struct ip_addr *a)
{
	struct ip_addr wanted = {0};
	wanted.family = a->family;
	memcpy(wanted.b, a->b, a->family == IP_V4 ? 4 : 16);
	return bsearch(&wanted, list, n, sizeof wanted, by_address) != NULL;
}

static void close_gone(struct ike_host *h, const struct ip_addr *own, unsigned n)
{
	struct ip_addr *list = addresses_of(h->o.model);
	for (struct ike_socket **at = &h->sockets; list && *at;) {
		struct ike_socket *s = *at;
		bool there = is_among(list, h->o.model->n_gateways, &s->local.addr);
		for (unsigned k = 0; k < n && !there; k++)
			there = ip_addr_equal(&own[k], &s->local.addr);
		if (there) {
			at = &s->next;
			continue;
		}
		*at = s->next;
		tdelete(s, &h->socket_tree, by_endpoint);
		free_socket(s);
	}
	free(list);
}

void ike_sockets_follow(struct ike_host *h, const struct ip_addr *own, unsigned n)
{
	char text[FAULT_TEXT];
	close_gone(h, own, n);
	for (unsigned k = 0; k < 2 * n; k++) {
		const struct ip_endpoint local = {own[k / 2], ports[k % 2]};
		struct fault f = {0};
		if (!ike_socket_find(h, &local) && open_socket(h, &local, false, &f))
			log_warn(LOG_IKE, "not-listening: %s", fault_format(&f, text));
	}
}

void ike_sockets_away(struct ike_host *h, const struct ip_addr *address, bool away)
{
	for (struct ike_socket *s = h->sockets; s; s = s->next)
		if (ip_addr_equal(&s->local.addr, address))
			s->away = away;
}
