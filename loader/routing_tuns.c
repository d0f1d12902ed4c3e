/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Packets between a gateway's BGP and its tunnels: what the router's TUN device sends is a client's
 * packet to the data path, and what is for the gateway's address comes out of a client's ring.
 */
#include "loader/routing_internal.h"

#include "base/bytes.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define TUN_MTU	   1400u
#define TUN_BURST  64 /* packets in one turn of the loop */
#define TUN_PACKET 16384u

static struct routing_tun *find(struct routing *r, uint32_t id)
{
	for (unsigned i = 0; id && i < ROUTING_TUNS; i++) {
		if (r->tuns[i].id == id)
			return &r->tuns[i];
	}
	return NULL;
}

static int fd_of(const struct routing_tun *t)
{
	return router_tun_fd(t->of->router, t->device);
}

static void on_tun(evutil_socket_t fd, short what, void *owner)
{
	struct routing_tun *t = owner;
	uint8_t packet[2048];
	(void)what;
	for (int i = 0; i < TUN_BURST; i++) {
		ssize_t n = read(fd, packet, sizeof packet);
		if (n <= 0)
			return;
		if (datapath_client_deliver(t->all->h.datapath, t->id, packet, (size_t)n))
			t->lost++;
	}
}

/* Packets stand one behind the other, and in front of each its length. */
static void put_length(uint8_t out[DATAPATH_CLIENT_HEAD], bool v4, size_t len)
{
	(void)v4;
	store_be32(out, (uint32_t)len);
}

static void write_all(struct routing_tun *t, const uint8_t *bytes, size_t n)
{
	int fd = fd_of(t);
	for (size_t at = 0; at + DATAPATH_CLIENT_HEAD < n;) {
		size_t len = load_be32(bytes + at);
		at += DATAPATH_CLIENT_HEAD;
		if (fd < 0 || write(fd, bytes + at, len) != (ssize_t)len)
			t->lost++;
		at += len;
	}
}

static void on_packets(evutil_socket_t fd, short what, void *owner)
{
	struct routing *r = owner;
	uint8_t bytes[TUN_PACKET];
	uint32_t connection;
	size_t n;
	(void)fd;
	(void)what;
	while (datapath_client_next(r->h.datapath, PLAN_FIRST_TUN, &connection)) {
		struct routing_tun *t = find(r, connection);
		while (t && (n = datapath_client_take(r->h.datapath, connection, bytes,
						      sizeof bytes, put_length)))
			write_all(t, bytes, n);
	}
}

static void drop_tun(struct routing *r, struct routing_tun *t)
{
	if (t->readable)
		event_free(t->readable);
	datapath_client_remove(r->h.datapath, t->id);
	memset(t, 0, sizeof *t);
}

/* The first address of a family is its own, the others are those that it speaks from besides. */
static void add_address(struct datapath_client *to, uint32_t *n, const struct ip_addr *a)
{
	struct ip_addr *first = a->family == IP_V4 ? &to->v4 : &to->v6;
	if (!a->family)
		return;
	if (!first->family)
		*first = *a;
	else if (*n < DATAPATH_CLIENT_MORE)
		to->more[(*n)++] = *a;
}

static void set_addresses(struct datapath_client *to, const struct model_bgp *b)
{
	uint32_t n = 0;
	add_address(to, &n, &b->address);
	for (uint32_t i = 0; i < b->n_custom; i++)
		add_address(to, &n, &b->custom[i]);
}

/* The router speaks with whom its configuration says; nothing else of it is a client's. */
static const struct datapath_reach everywhere = {2, {{{IP_V4, {0}}, 0}, {{IP_V6, {0}}, 0}}};

static bool is_same(const struct datapath_client *a, const struct datapath_client *b)
{
	bool same = a->vnet == b->vnet && ip_addr_equal(&a->v4, &b->v4) &&
		    ip_addr_equal(&a->v6, &b->v6);
	for (unsigned i = 0; same && i < DATAPATH_CLIENT_MORE; i++)
		same = ip_addr_equal(&a->more[i], &b->more[i]);
	return same;
}

static int watch(struct routing *r, struct routing_tun *t, uint32_t gateway, struct fault *f)
{
	const struct model_gateway *g = &r->h.model->gateways[gateway];
	struct datapath_client is = {.connection = t->id,
				     .vnet = r->h.model->vnets[g->vnet].id,
				     .mtu = TUN_MTU,
				     .reach = &everywhere};
	int fd = fd_of(t);
	set_addresses(&is, &g->bgp);
	if (fd < 0)
		return fault_set(f, fd, "gateway %s: the device of its BGP is not there", g->name);
	if (t->readable && event_get_fd(t->readable) == fd && is_same(&t->is, &is))
		return 0;
	t->is = is;
	int err = datapath_client_set(r->h.datapath, &is);
	if (t->readable)
		event_free(t->readable);
	t->readable = event_new(r->h.base, fd, EV_READ | EV_PERSIST, on_tun, t);
	if (err || !t->readable || event_add(t->readable, NULL))
		return fault_set(f, err ? err : -ENOMEM,
				 "gateway %s: cannot carry its BGP's packets", g->name);
	if (maps_hop_up(r->h.maps, t->id, true) == 1)
		maps_bump(r->h.maps);
	return 0;
}

/* With the first gateway that speaks BGP. */
static int listen_to_workers(struct routing *r, struct fault *f)
{
	if (r->packets)
		return 0;
	int fd = datapath_clients_range(r->h.datapath, PLAN_FIRST_TUN,
					PLAN_CLIENTS_BEHIND - PLAN_FIRST_TUN);
	if (fd >= 0)
		r->packets = event_new(r->h.base, fd, EV_READ | EV_PERSIST, on_packets, r);
	if (!r->packets || event_add(r->packets, NULL))
		return fault_set(f, -ENOMEM, "not enough memory for the packets of BGP");
	return 0;
}

static int follow_gateway(struct routing *r, uint32_t gateway, struct fault *f)
{
	const struct plan_gateway *p = &r->h.plan->gateways[gateway];
	struct routing_tun *t = find(r, p->tun);
	for (unsigned i = 0; !t && i < ROUTING_TUNS; i++) {
		if (!r->tuns[i].id)
			t = &r->tuns[i];
	}
	if (!t)
		return fault_set(f, -ENOSPC, "more than %u gateways that speak BGP", ROUTING_TUNS);
	int err = listen_to_workers(r, f);
	if (err)
		return err;
	t->id = p->tun;
	t->all = r;
	t->of = routing_router(r, r->h.plan->routers[p->router].id);
	routing_tun_device(t->device, p->slot);
	return watch(r, t, gateway, f);
}

int routing_tuns_follow(struct routing *r, struct fault *f)
{
	const struct plan *p = r->h.plan;
	int err = 0;
	for (unsigned i = 0; i < ROUTING_TUNS; i++) {
		bool stays = false;
		for (uint32_t k = 0; r->tuns[i].id && k < p->n_gateways; k++)
			stays |= p->gateways[k].tun == r->tuns[i].id;
		if (r->tuns[i].id && !stays)
			drop_tun(r, &r->tuns[i]);
	}
	for (uint32_t i = 0; !err && i < p->n_gateways; i++) {
		if (p->gateways[i].tun)
			err = follow_gateway(r, i, f);
	}
	return err;
}

void routing_tuns_end(struct routing *r)
{
	if (r->packets)
		event_free(r->packets);
	r->packets = NULL;
	for (unsigned i = 0; i < ROUTING_TUNS; i++) {
		if (r->tuns[i].id)
			drop_tun(r, &r->tuns[i]);
	}
}
