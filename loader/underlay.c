/* SPDX-License-Identifier: Apache-2.0 */
#include "loader/underlay.h"

#include "loader/apply.h"
#include "base/instant.h"
#include "base/log.h"
#include "loader/discover.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define MAX_VTEPS    4096
#define ASKED	     256 /* slots of what was asked for lately */
#define ASK_AGAIN_NS (500 * NS_PER_MS)
#define NO_PORT	     UINT32_MAX
#define LOOP_MTU     1500 /* as on most wires: what crosses it fits elsewhere too */

struct peer {
	uint32_t connection;
	struct ip_addr local, remote; /* remote IP_NONE: not known yet */
	struct ip_addr next_hop;
	uint32_t ifindex;
	struct datapath_path path;
	bool told;
};

struct vtep {
	uint32_t ifindex;
	struct ip_addr addr, next_hop;
	uint32_t out;
	bool present;
	struct xgw_neighbour value;
};

struct asked {
	uint64_t at_ns;
	uint32_t vnet;
	struct ip_addr addr;
};

struct underlay {
	struct underlay_host h;
	struct peer *peers;
	uint32_t n_peers;
	struct vtep *vteps;
	uint32_t n_vteps;
	struct asked asked[ASKED];
	struct log_limit limit;
	int packet_fd;
	bool dirty, lost;
};

static uint32_t port_of(const struct underlay *u, uint32_t ifindex)
{
	for (uint32_t i = 0; i < u->h.model->host.n_ports; i++) {
		if (u->h.ports[i].link.ifindex == ifindex)
			return i;
	}
	return NO_PORT;
}

static const char *name_of(const struct underlay *u, uint32_t connection)
{
	uint32_t i = connection - PLAN_FIRST_CONNECTION;
	return i < u->h.model->n_connections ? u->h.model->connections[i].name : "client";
}

/* ---- hosts of plain attachments ---- */

/* The VNet of a neighbour, if it is a host of a plain attachment; id of the attachment in
 * *attachment. */
static const struct model_vnet *vnet_of(const struct underlay *u, uint32_t ifindex,
					const struct ip_addr *a, uint32_t *attachment)
{
	uint32_t id = 1;
	for (uint32_t i = 0; i < u->h.model->n_vnets; i++) {
		const struct model_vnet *v = &u->h.model->vnets[i];
		for (uint32_t j = 0; j < v->n_attachments; j++, id++) {
			if (v->attachments[j].kind != XGW_TAG_NONE ||
			    u->h.ports[v->attachments[j].port].link.ifindex != ifindex)
				continue;
			*attachment = id;
			for (uint32_t k = 0; k < v->n_address_space; k++) {
				if (ip_prefix_contains(&v->address_space[k], a))
					return v;
			}
		}
	}
	return NULL;
}

static void put_endpoint(struct underlay *u, const struct netlink_neighbour *x)
{
	struct xgw_endpoint_key key = {0};
	struct xgw_endpoint have, want = {.flags = XGW_ENDPOINT_KERNEL};
	const struct model_vnet *v = vnet_of(u, x->ifindex, &x->addr, &want.attachment);
	if (!v)
		return;
	key.vnet = v->id;
	ip_addr_to_mapped(&x->addr, key.addr);
	memcpy(want.mac, x->mac, sizeof want.mac);
	bool there = maps_get(u->h.maps, MAPS_endpoints, &key, &have) == 0;
	if (there && (have.flags & XGW_ENDPOINT_STATIC))
		return;
	int err = 0;
	if (!x->usable && there && (have.flags & XGW_ENDPOINT_KERNEL))
		maps_delete(u->h.maps, MAPS_endpoints, &key);
	else if (x->usable && (!there || memcmp(have.mac, want.mac, 6) != 0 ||
			       have.attachment != want.attachment))
		err = maps_put(u->h.maps, MAPS_endpoints, &key, &want);
	else
		return;
	if (err)
		log_warn(LOG_MAP, "endpoint-refused: cannot write the map endpoints: %s",
			 strerror(-err));
	maps_bump(u->h.maps);
}

static void on_neighbour(void *owner, const struct netlink_neighbour *x)
{
	struct underlay *u = owner;
	put_endpoint(u, x);
	u->dirty = true;
}

/* ---- the way to an address ---- */

struct way {
	uint32_t ifindex, port, mtu;
	struct ip_addr next_hop;
	uint8_t mac[6];
	bool usable, loop;
	const char *why; /* when not usable */
};

/* To another gateway of this instance: no packet leaves the host. */
static struct way loop_to(const struct underlay *u, const struct ip_addr *to)
{
	struct way w = {.port = NO_PORT, .why = "it is an address of this host, and no gateway's"};
	for (uint32_t i = 0; i < u->h.model->n_gateways; i++) {
		if (!ip_addr_equal(&u->h.model->gateways[i].public_address, to))
			continue;
		w.loop = w.usable = true;
		w.mtu = LOOP_MTU;
		w.why = NULL;
	}
	return w;
}

static struct way find_way(struct underlay *u, const struct ip_addr *to, const struct ip_addr *from)
{
	struct way w = {.port = NO_PORT};
	struct netlink_route r;
	struct netlink_neighbour x;
	int err = netlink_route_to(u->h.netlink, to, from, &r);
	if (err) {
		w.why = "no route";
		return w;
	}
	if (r.local)
		return loop_to(u, to);
	w.ifindex = r.ifindex;
	w.port = port_of(u, r.ifindex);
	w.next_hop = r.gateway.family ? r.gateway : *to;
	if (w.port == NO_PORT) {
		w.why = "its route leaves by a device that is no port of the configuration";
		return w;
	}
	const struct netlink_link *l = &u->h.ports[w.port].link;
	w.mtu = r.mtu && r.mtu < apply_mtu(l) ? r.mtu : apply_mtu(l);
	err = netlink_neighbour(u->h.netlink, r.ifindex, &w.next_hop, &x);
	if (err || !x.usable) {
		netlink_resolve(u->h.netlink, r.ifindex, &w.next_hop);
		w.why = "the next hop's link-layer address is not known yet";
		return w;
	}
	memcpy(w.mac, x.mac, sizeof w.mac);
	w.usable = l->up;
	w.why = l->up ? NULL : "the device is down";
	return w;
}

static bool same_path(const struct datapath_path *a, const struct datapath_path *b)
{
	return a->usable == b->usable && a->loop == b->loop && a->port_id == b->port_id &&
	       a->mtu == b->mtu && memcmp(a->source_mac, b->source_mac, 6) == 0 &&
	       memcmp(a->destination_mac, b->destination_mac, 6) == 0;
}

static void refresh_peer(struct underlay *u, struct peer *p)
{
	struct datapath_path path = {0};
	char to[IP_TEXT], via[IP_TEXT];
	if (!p->remote.family || !u->h.datapath)
		return;
	struct way w =
		find_way(u, &p->remote, p->local.family == p->remote.family ? &p->local : NULL);
	p->ifindex = w.ifindex;
	p->next_hop = w.next_hop;
	path.usable = w.usable;
	path.loop = w.loop;
	path.mtu = w.usable ? w.mtu : 0;
	if (w.usable && !w.loop) {
		path.port_id = w.port;
		memcpy(path.source_mac, u->h.ports[w.port].link.mac, 6);
		memcpy(path.destination_mac, w.mac, 6);
	}
	if (p->told && same_path(&path, &p->path))
		return;
	int err = datapath_path_set(u->h.datapath, p->connection, &path);
	p->told = !err;
	p->path = path;
	ip_addr_format(&p->remote, to);
	if (err)
		log_error(LOG_NET, "path connection=%s peer=%s: %s", name_of(u, p->connection), to,
			  strerror(-err));
	else if (path.loop)
		log_info(LOG_NET, "path connection=%s peer=%s: a gateway of this instance",
			 name_of(u, p->connection), to);
	else if (path.usable)
		log_info(LOG_NET, "path connection=%s peer=%s device=%s via=%s mtu=%u",
			 name_of(u, p->connection), to, u->h.ports[w.port].link.name,
			 ip_addr_format(&w.next_hop, via), path.mtu);
	else
		log_info(LOG_NET, "no-path connection=%s peer=%s: %s", name_of(u, p->connection),
			 to, w.why);
}

static void refresh_vtep(struct underlay *u, struct vtep *v)
{
	struct xgw_neighbour_key key = {.ifindex = v->ifindex};
	struct xgw_neighbour value = {0};
	struct way w = find_way(u, &v->addr, NULL);
	ip_addr_to_mapped(&v->addr, key.addr);
	v->next_hop = w.next_hop;
	v->out = w.ifindex;
	if (!w.usable || w.loop) {
		if (v->present) {
			maps_delete(u->h.maps, MAPS_neighbours, &key);
			maps_bump(u->h.maps);
		}
		v->present = false;
		return;
	}
	value.ifindex = w.ifindex;
	memcpy(value.mac, w.mac, sizeof value.mac);
	if (v->present && memcmp(&value, &v->value, sizeof value) == 0)
		return;
	int err = maps_put(u->h.maps, MAPS_neighbours, &key, &value);
	v->present = !err;
	v->value = value;
	maps_bump(u->h.maps);
	if (err)
		log_warn(LOG_MAP, "neighbour-refused: cannot write the map neighbours: %s",
			 strerror(-err));
}

static void add_vtep(struct underlay *u, uint32_t ifindex, const struct ip_addr *addr)
{
	for (uint32_t i = 0; i < u->n_vteps; i++) {
		if (u->vteps[i].ifindex == ifindex && ip_addr_equal(&u->vteps[i].addr, addr))
			return;
	}
	if (u->n_vteps == MAX_VTEPS || !addr->family)
		return;
	u->vteps[u->n_vteps++] = (struct vtep){.ifindex = ifindex, .addr = *addr};
	u->dirty = true;
}

/* ---- questions of the data path ---- */

/* True when the same was asked a moment ago. */
static bool asked_lately(struct underlay *u, uint32_t vnet, const struct ip_addr *a,
			 uint64_t now_ns)
{
	uint32_t h = vnet;
	for (unsigned i = 0; i < 16; i++)
		h = h * 31 + a->b[i];
	struct asked *slot = &u->asked[h % ASKED];
	if (slot->vnet == vnet && ip_addr_equal(&slot->addr, a) &&
	    now_ns < slot->at_ns + ASK_AGAIN_NS)
		return true;
	*slot = (struct asked){now_ns, vnet, *a};
	return false;
}

/* The kernel has no address on a tagged attachment, so the gateway asks for itself. */
static void ask_on_vlan(struct underlay *u, const struct model_attachment *a,
			const struct ip_addr *to)
{
	uint8_t frame[DISCOVER_FRAME];
	const struct netlink_link *l = &u->h.ports[a->port].link;
	struct discover d = {.vlan = (uint16_t)a->tag, .target = *to};
	memcpy(d.mac, l->mac, sizeof d.mac);
	if (to->family == IP_V4 && a->has_address && a->address.addr.family == IP_V4)
		d.source = a->address.addr;
	else if (to->family == IP_V6 && a->has_address6)
		d.source = a->address6.addr;
	else
		return;
	struct sockaddr_ll where = {.sll_family = AF_PACKET, .sll_ifindex = (int)l->ifindex};
	size_t n = discover_frame(frame, &d);
	if (u->packet_fd < 0)
		u->packet_fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (n && u->packet_fd >= 0 &&
	    sendto(u->packet_fd, frame, n, 0, (struct sockaddr *)&where, sizeof where) < 0)
		log_debug(LOG_NET, "ask device=%s: %s", l->name, strerror(errno));
}

static void resolve(struct underlay *u, const struct xgw_event *e, const struct ip_addr *to)
{
	uint32_t id = 1;
	for (uint32_t i = 0; i < u->h.model->n_vnets; i++) {
		const struct model_vnet *v = &u->h.model->vnets[i];
		for (uint32_t j = 0; j < v->n_attachments; j++, id++) {
			const struct model_attachment *a = &v->attachments[j];
			if (v->id != e->vnet || (e->attachment && e->attachment != id))
				continue;
			if (a->kind == XGW_TAG_NONE)
				netlink_resolve(u->h.netlink, u->h.ports[a->port].link.ifindex, to);
			else if (a->kind == XGW_TAG_VLAN)
				ask_on_vlan(u, a, to);
		}
	}
}

void underlay_event(struct underlay *u, const struct xgw_event *e, uint64_t now_ns)
{
	struct ip_addr a = ip_addr_from_mapped(e->addr);
	if (e->kind == XGW_EVENT_LEARNT) {
		maps_bump(u->h.maps);
		return;
	}
	/* what strangers can cause is bounded: each address twice a second, all together 500 */
	if (!a.family || asked_lately(u, e->kind == XGW_EVENT_RESOLVE ? e->vnet : 0, &a, now_ns) ||
	    !log_limit_pass(&u->limit, now_ns, 500))
		return;
	if (e->kind == XGW_EVENT_RESOLVE) {
		resolve(u, e, &a);
	} else if (e->kind == XGW_EVENT_NEIGHBOUR) {
		add_vtep(u, e->ifindex, &a);
		u->dirty = true;
	}
}

/* ---- changes ---- */

static void on_link(void *owner, const struct netlink_link *l)
{
	struct underlay *u = owner;
	uint32_t p = port_of(u, l->ifindex);
	if (p == NO_PORT)
		return;
	struct netlink_link *known = &u->h.ports[p].link;
	if (known->up != l->up)
		log_warn(LOG_NET, "link device=%s state=%s", known->name, l->up ? "up" : "down");
	if (known->mtu != l->mtu && l->mtu)
		log_warn(LOG_NET, "mtu device=%s was=%u now=%u", known->name, known->mtu, l->mtu);
	known->up = l->up;
	known->mtu = l->mtu ? l->mtu : known->mtu;
	u->dirty = true;
}

static void on_route(void *owner)
{
	((struct underlay *)owner)->dirty = true;
}

static void on_lost(void *owner)
{
	struct underlay *u = owner;
	u->dirty = true;
	u->lost = true;
}

void underlay_watch(struct underlay *u)
{
	struct netlink_watcher w = {on_neighbour, on_link, on_route, on_lost, u};
	netlink_watch(u->h.netlink, &w);
}

bool underlay_dirty(const struct underlay *u)
{
	return u->dirty;
}

void underlay_refresh(struct underlay *u)
{
	u->dirty = false;
	if (u->lost) {
		u->lost = false;
		netlink_neighbours(u->h.netlink, on_neighbour, u);
		u->dirty = false;
	}
	for (uint32_t i = 0; i < u->n_peers; i++)
		refresh_peer(u, &u->peers[i]);
	for (uint32_t i = 0; i < u->n_vteps; i++)
		refresh_vtep(u, &u->vteps[i]);
}

void underlay_confirm(struct underlay *u)
{
	for (uint32_t i = 0; i < u->n_peers; i++) {
		if (u->peers[i].ifindex && u->peers[i].next_hop.family)
			netlink_resolve(u->h.netlink, u->peers[i].ifindex, &u->peers[i].next_hop);
	}
	for (uint32_t i = 0; i < u->n_vteps; i++) {
		if (u->vteps[i].out && u->vteps[i].next_hop.family)
			netlink_resolve(u->h.netlink, u->vteps[i].out, &u->vteps[i].next_hop);
	}
}

void underlay_peer(struct underlay *u, uint32_t connection, const struct ip_addr *local,
		   const struct ip_addr *remote)
{
	for (uint32_t i = 0; i < u->n_peers; i++) {
		struct peer *p = &u->peers[i];
		if (p->connection != connection)
			continue;
		if (!ip_addr_equal(&p->local, local) || !ip_addr_equal(&p->remote, remote)) {
			p->local = *local;
			p->remote = *remote;
			refresh_peer(u, p);
		}
		return;
	}
}

void underlay_client(struct underlay *u, uint32_t connection, const struct ip_addr *local,
		     const struct ip_addr *remote)
{
	underlay_forget(u, connection);
	struct peer *grown = reallocarray(u->peers, u->n_peers + 1, sizeof *grown);
	if (!grown) {
		log_error(LOG_NET, "no-memory connection=%u: no way to this client", connection);
		return;
	}
	u->peers = grown;
	u->peers[u->n_peers++] = (struct peer){.connection = connection};
	underlay_peer(u, connection, local, remote);
}

void underlay_forget(struct underlay *u, uint32_t connection)
{
	for (uint32_t i = 0; i < u->n_peers; i++) {
		if (u->peers[i].connection != connection)
			continue;
		u->peers[i] = u->peers[--u->n_peers];
		return;
	}
}

struct own_list {
	const struct underlay *u;
	struct ip_addr *at;
	unsigned n, room;
};

static void take_own(void *owner, uint32_t ifindex, const struct ip_addr *a)
{
	struct own_list *list = owner;
	uint32_t p = port_of(list->u, ifindex);
	if (p != NO_PORT && list->u->h.model->host.ports[p].role == XGW_ROLE_UPLINK &&
	    list->u->h.ports[p].link.up && list->n < list->room)
		list->at[list->n++] = *a;
}

int underlay_own(struct underlay *u, struct ip_addr *out, unsigned room)
{
	struct own_list list = {u, out, 0, room};
	int err = netlink_addresses(u->h.netlink, take_own, &list);
	return err ? err : (int)list.n;
}

void underlay_moved(struct underlay *u, uint32_t was, uint32_t now)
{
	for (uint32_t i = 0; i < u->n_vteps; i++)
		if (u->vteps[i].ifindex == was)
			u->vteps[i].ifindex = now;
	on_lost(u);
}

bool underlay_path(const struct underlay *u, uint32_t connection, struct datapath_path *out)
{
	for (uint32_t i = 0; i < u->n_peers; i++) {
		if (u->peers[i].connection == connection) {
			*out = u->peers[i].path;
			return u->peers[i].told;
		}
	}
	return false;
}

int underlay_new(struct underlay **out, const struct underlay_host *h, struct fault *f)
{
	struct underlay *u = calloc(1, sizeof *u);
	if (u) {
		u->h = *h;
		u->packet_fd = -1;
		u->n_peers = h->plan->n_connections;
		u->peers = calloc(u->n_peers + 1, sizeof *u->peers);
		u->vteps = calloc(MAX_VTEPS, sizeof *u->vteps);
	}
	if (!u || !u->peers || !u->vteps) {
		underlay_free(u);
		return fault_set(f, -ENOMEM, "not enough memory to follow the network");
	}
	for (uint32_t i = 0; i < u->n_peers; i++)
		u->peers[i].connection = h->plan->connections[i].id;
	for (uint32_t i = 0; i < h->plan->n_endpoints; i++) {
		const struct plan_entry_endpoint *e = &h->plan->endpoints[i];
		struct ip_addr vtep = ip_addr_from_mapped(e->value.vtep);
		for (uint32_t j = 0; j < h->plan->n_attachments; j++) {
			if (h->plan->attachments[j].id == e->value.attachment)
				add_vtep(u, h->plan->attachments[j].ifindex, &vtep);
		}
	}
	netlink_neighbours(h->netlink, on_neighbour, u);
	u->dirty = true;
	*out = u;
	return 0;
}

void underlay_free(struct underlay *u)
{
	if (!u)
		return;
	if (u->packet_fd >= 0)
		close(u->packet_fd);
	free(u->peers);
	free(u->vteps);
	free(u);
}
