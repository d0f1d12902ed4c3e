/* SPDX-License-Identifier: Apache-2.0 */
#include "loader/underlay.h"

#include "loader/apply.h"
#include "base/instant.h"
#include "base/log.h"
#include "loader/directory.h"
#include "loader/discover.h"
#include "loader/learning.h"
#include "loader/places.h"

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
#define CONFIRM_PART 20 /* one of so many parts of the VTEPs is confirmed each second */
#define NO_PORT	     UINT32_MAX
#define LOOP_MTU     1500 /* as on most wires: what crosses it fits elsewhere too */
/* Ways that are looked up in one go: each takes some questions to the kernel. */
#define REFRESH_PIECE 256u

struct peer {
	uint32_t connection;
	struct ip_addr local, remote; /* remote IP_NONE: not known yet */
	struct ip_addr next_hop;
	uint32_t ifindex;
	struct datapath_path path;
	bool told, stale;
};

struct vtep_key {
	uint32_t ifindex;
	struct ip_addr addr;
};
#define VTEP_KEY (sizeof(uint32_t) + sizeof(struct ip_addr))
_Static_assert(offsetof(struct vtep_key, addr) + sizeof(struct ip_addr) == VTEP_KEY, "no padding");

struct vtep {
	struct vtep_key key;
	struct ip_addr next_hop;
	uint32_t out;
	uint32_t told; /* by the configuration and directories; 0: traffic alone asked for it */
	bool present, stale;
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
	uint32_t n_peers, room_peers;
	uint32_t *peer_of; /* by connection: its place in peers and one, 0: none */
	struct hash vteps;
	uint32_t confirmed; /* where among them */
	struct places places;
	struct learning *learning;
	struct directory *directory;
	struct asked asked[ASKED];
	struct log_limit limit;
	int packet_fd;
	uint32_t at; /* among peers: where a refresh goes on */
	bool dirty, lost, full;
	bool addresses; /* those of the host may be others */
	bool moved_in;	/* an address came or went */
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
	const struct plan_connection *c = plan_connection(u->h.plan, connection);
	return c ? u->h.model->connections[c->model].name : "client";
}

static struct peer *peer_of(const struct underlay *u, uint32_t connection)
{
	uint32_t i = connection < PLAN_CLIENTS_BEHIND ? u->peer_of[connection] : 0;
	return i ? &u->peers[i - 1] : NULL;
}

/* ---- hosts of plain attachments ---- */

static void put_endpoint(struct underlay *u, const struct netlink_neighbour *x)
{
	struct xgw_endpoint_key key = {0};
	struct xgw_endpoint have, want = {.flags = XGW_ENDPOINT_KERNEL};
	const struct place *p = places_plain(&u->places, port_of(u, x->ifindex));
	if (!p || !places_has_address(p->vnet, &x->addr))
		return;
	want.attachment = p->id;
	key.vnet = p->vnet->id;
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
	if (there && have.flags & XGW_ENDPOINT_LEARNT)
		learning_let_go(u->h.maps, key.vnet, 1);
	if (err)
		log_warn(LOG_MAP, "endpoint-refused: cannot write the map endpoints: %s",
			 strerror(-err));
	maps_bump(u->h.maps);
}

/* Ways by this next hop, NULL: all. */
static void make_stale(struct underlay *u, const struct netlink_neighbour *x)
{
	u->addresses |= !x;
	u->dirty |= !x;
	for (uint32_t i = 0; i < u->n_peers; i++) {
		struct peer *p = &u->peers[i];
		bool hit =
			!x || (p->ifindex == x->ifindex && ip_addr_equal(&p->next_hop, &x->addr));
		p->stale |= hit;
		u->dirty |= hit;
	}
	uint32_t at = 0;
	for (struct vtep *v; (v = hash_next(&u->vteps, &at));) {
		bool hit = !x || (v->out == x->ifindex && ip_addr_equal(&v->next_hop, &x->addr));
		v->stale |= hit;
		u->dirty |= hit;
	}
}

static void on_neighbour(void *owner, const struct netlink_neighbour *x)
{
	struct underlay *u = owner;
	directory_neighbour(u->directory, x);
	if (port_of(u, x->ifindex) == NO_PORT)
		return;
	put_endpoint(u, x);
	make_stale(u, x);
}

static void on_fdb(void *owner, const struct netlink_fdb *x)
{
	directory_fdb(((struct underlay *)owner)->directory, x);
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
		path.port_id = u->h.plan->port_ids[w.port];
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
	struct xgw_neighbour_key key = {.ifindex = v->key.ifindex};
	struct xgw_neighbour value = {0};
	struct way w = find_way(u, &v->key.addr, NULL);
	ip_addr_to_mapped(&v->key.addr, key.addr);
	v->stale = false;
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

/* The VTEP, new or old; NULL when there are too many. */
static struct vtep *add_vtep(struct underlay *u, uint32_t ifindex, const struct ip_addr *addr)
{
	struct vtep_key key;
	memset(&key, 0, sizeof key);
	key.ifindex = ifindex;
	key.addr = *addr;
	struct vtep *v = hash_find(&u->vteps, &key);
	if (v || !addr->family)
		return v;
	v = u->vteps.n < MAX_VTEPS ? hash_put(&u->vteps, &key) : NULL;
	if (!v && !u->full) {
		u->full = true;
		log_warn(LOG_NET, "vteps-full: no way is kept to more than %d VXLAN hosts",
			 MAX_VTEPS);
	}
	if (v)
		v->stale = u->dirty = true;
	return v;
}

static void tell_vtep(struct underlay *u, uint32_t ifindex, const struct ip_addr *addr, bool told)
{
	struct vtep *v = add_vtep(u, ifindex, addr);
	if (v && told)
		v->told++;
	else if (v && v->told)
		v->told--;
}

void underlay_vtep(struct underlay *u, uint32_t port, const struct ip_addr *addr, bool told)
{
	tell_vtep(u, u->h.ports[port].link.ifindex, addr, told);
}

static void forget_vtep(struct underlay *u, struct vtep *v)
{
	struct xgw_neighbour_key key = {.ifindex = v->key.ifindex};
	struct vtep_key own = v->key;
	ip_addr_to_mapped(&own.addr, key.addr);
	if (v->present && maps_delete(u->h.maps, MAPS_neighbours, &key) == 0)
		maps_bump(u->h.maps);
	hash_remove(&u->vteps, &own);
	u->full = false;
}

static void refresh_vteps(struct underlay *u)
{
	uint32_t at = 0, done = 0;
	for (struct vtep *v; (v = hash_next(&u->vteps, &at));) {
		if (!v->stale)
			continue;
		if (done++ == REFRESH_PIECE) {
			u->dirty = true;
			return;
		}
		refresh_vtep(u, v);
	}
}

/* Keeps the kernel's entries alive; who was only asked for, and is not found, is let go. */
static void confirm_vteps(struct underlay *u)
{
	uint32_t part = u->vteps.room / CONFIRM_PART + 1, end;
	if (u->confirmed >= u->vteps.room)
		u->confirmed = 0;
	end = u->confirmed + part;
	for (struct vtep *v; u->confirmed < end && (v = hash_next(&u->vteps, &u->confirmed));) {
		if (v->out && v->next_hop.family)
			netlink_resolve(u->h.netlink, v->out, &v->next_hop);
		if (!v->told && !v->present && !v->stale)
			forget_vtep(u, v);
	}
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

static void send_frame(struct underlay *u, const struct netlink_link *l, const struct discover *d)
{
	uint8_t frame[DISCOVER_FRAME];
	struct sockaddr_ll where = {.sll_family = AF_PACKET, .sll_ifindex = (int)l->ifindex};
	size_t n = discover_frame(frame, d);
	if (u->packet_fd < 0)
		u->packet_fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (n && u->packet_fd >= 0 &&
	    sendto(u->packet_fd, frame, n, 0, (struct sockaddr *)&where, sizeof where) < 0)
		log_debug(LOG_NET, "ask device=%s: %s", l->name, strerror(errno));
}

/* The kernel has no address on a tagged attachment, so the gateway asks for itself. */
static void ask_on_vlan(struct underlay *u, const struct model_attachment *a,
			const struct ip_addr *to)
{
	const struct netlink_link *l = &u->h.ports[a->port].link;
	struct discover d = {.vlan = (uint16_t)a->tag, .target = *to};
	memcpy(d.mac, l->mac, sizeof d.mac);
	if (to->family == IP_V4 && a->has_address && a->address.addr.family == IP_V4)
		d.source = a->address.addr;
	else if (to->family == IP_V6 && a->has_address6)
		d.source = a->address6.addr;
	else
		return;
	send_frame(u, l, &d);
}

void underlay_announce(struct underlay *u, uint32_t ifindex, const struct ip_addr *addr)
{
	uint32_t i = port_of(u, ifindex);
	struct discover d = {.source = *addr, .target = *addr};
	if (i == NO_PORT || addr->family != IP_V4)
		return;
	memcpy(d.mac, u->h.ports[i].link.mac, sizeof d.mac);
	send_frame(u, &u->h.ports[i].link, &d);
}

/* A host of a VLAN attachment that was silent for long. */
static void ask_again(void *owner, const struct place *p, const struct ip_addr *a)
{
	ask_on_vlan(owner, p->attachment, a);
}

static void ask_on(struct underlay *u, const struct model_attachment *a, const struct ip_addr *to)
{
	if (a->kind == XGW_TAG_NONE)
		netlink_resolve(u->h.netlink, u->h.ports[a->port].link.ifindex, to);
	else if (a->kind == XGW_TAG_VLAN)
		ask_on_vlan(u, a, to);
}

/* Nobody is asked in an overlay: what is not known there is dropped and counted. */
static void resolve(struct underlay *u, const struct xgw_event *e, const struct ip_addr *to)
{
	uint32_t n;
	const struct place *p = places_of_vnet(&u->places, e->vnet, &n);
	for (uint32_t i = 0; i < n; i++) {
		if (!e->attachment || e->attachment == p[i].id)
			ask_on(u, p[i].attachment, to);
	}
}

/* The other instance's address is known before it is needed: by then nobody may be here to ask. */
static void confirm_instances(struct underlay *u)
{
	const struct model *m = u->h.model;
	for (uint32_t i = 0; i < m->n_gateways; i++) {
		const struct model_gateway *g = &m->gateways[i];
		if (!g->active_active)
			continue;
		const struct model_vnet *v = &m->vnets[g->vnet];
		uint32_t at = model_attachment_of(v, &g->other.address);
		if (at != MODEL_NONE)
			ask_on(u, &v->attachments[at], &g->other.address);
	}
}

void underlay_ask(struct underlay *u, uint32_t ifindex, const struct ip_addr *addr)
{
	struct vtep *v = add_vtep(u, ifindex, addr);
	if (v)
		v->stale = u->dirty = true;
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
		underlay_ask(u, e->ifindex, &a);
	}
}

/* ---- changes ---- */

static void on_link(void *owner, const struct netlink_link *l)
{
	struct underlay *u = owner;
	uint32_t p = port_of(u, l->ifindex);
	directory_link(u->directory, l);
	if (p == NO_PORT)
		return;
	struct netlink_link *known = &u->h.ports[p].link;
	if (known->up != l->up)
		log_warn(LOG_NET, "link device=%s state=%s", known->name, l->up ? "up" : "down");
	if (known->mtu != l->mtu && l->mtu)
		log_warn(LOG_NET, "mtu device=%s was=%u now=%u", known->name, known->mtu, l->mtu);
	known->up = l->up;
	known->mtu = l->mtu ? l->mtu : known->mtu;
	make_stale(u, NULL);
}

static void on_route(void *owner)
{
	make_stale(owner, NULL);
}

static void on_address(void *owner)
{
	((struct underlay *)owner)->moved_in = true;
}

static void on_lost(void *owner)
{
	struct underlay *u = owner;
	u->moved_in = true;
	make_stale(u, NULL);
	u->dirty = true;
	u->lost = true;
}

void underlay_watch(struct underlay *u)
{
	struct netlink_watcher w = {on_neighbour, on_fdb,  on_link, on_route,
				    on_address,	  on_lost, u};
	netlink_watch(u->h.netlink, &w);
}

bool underlay_readdressed(struct underlay *u)
{
	bool changed = u->addresses;
	u->addresses = false;
	return changed;
}

bool underlay_moved_in(struct underlay *u)
{
	bool changed = u->moved_in;
	u->moved_in = false;
	return changed;
}

bool underlay_dirty(const struct underlay *u)
{
	return u->dirty;
}

/* Those whose way may be another, so many at once; true: there are more. */
static bool refresh_peers(struct underlay *u)
{
	uint32_t done = 0, i = 0;
	for (; i < u->n_peers && done < REFRESH_PIECE; i++, u->at++) {
		if (u->at >= u->n_peers)
			u->at = 0;
		struct peer *p = &u->peers[u->at];
		if (!p->stale)
			continue;
		p->stale = false;
		done++;
		refresh_peer(u, p);
	}
	return i < u->n_peers;
}

void underlay_refresh(struct underlay *u)
{
	if (u->lost) {
		u->lost = false;
		netlink_neighbours(u->h.netlink, on_neighbour, u);
		directory_read(u->directory);
	}
	u->dirty = refresh_peers(u);
	refresh_vteps(u);
}

void underlay_confirm(struct underlay *u)
{
	const struct peer *last = NULL; /* most go by one router */
	for (uint32_t i = 0; i < u->n_peers; i++) {
		const struct peer *p = &u->peers[i];
		if (!p->ifindex || !p->next_hop.family ||
		    (last && last->ifindex == p->ifindex &&
		     ip_addr_equal(&last->next_hop, &p->next_hop)))
			continue;
		netlink_resolve(u->h.netlink, p->ifindex, &p->next_hop);
		last = p;
	}
}

void underlay_second(struct underlay *u, uint64_t now_ns)
{
	confirm_vteps(u);
	confirm_instances(u);
	directory_second(u->directory);
	learning_second(u->learning, &u->places, now_ns);
}

void underlay_peer(struct underlay *u, uint32_t connection, const struct ip_addr *local,
		   const struct ip_addr *remote)
{
	struct peer *p = peer_of(u, connection);
	if (!p || (ip_addr_equal(&p->local, local) && ip_addr_equal(&p->remote, remote)))
		return;
	p->local = *local;
	p->remote = *remote;
	refresh_peer(u, p);
}

int underlay_add(struct underlay *u, uint32_t connection)
{
	if (connection >= PLAN_CLIENTS_BEHIND)
		return -EINVAL;
	if (u->n_peers == u->room_peers) {
		uint32_t room = u->room_peers * 2 + 16;
		struct peer *grown = reallocarray(u->peers, room, sizeof *grown);
		if (!grown)
			return -ENOMEM;
		u->peers = grown;
		u->room_peers = room;
	}
	u->peers[u->n_peers++] = (struct peer){.connection = connection};
	u->peer_of[connection] = u->n_peers;
	return 0;
}

void underlay_client(struct underlay *u, uint32_t connection, const struct ip_addr *local,
		     const struct ip_addr *remote)
{
	underlay_forget(u, connection);
	if (underlay_add(u, connection)) {
		log_error(LOG_NET, "no-memory connection=%u: no way to this client", connection);
		return;
	}
	underlay_peer(u, connection, local, remote);
}

void underlay_forget(struct underlay *u, uint32_t connection)
{
	struct peer *p = peer_of(u, connection);
	if (!p)
		return;
	*p = u->peers[--u->n_peers];
	u->peer_of[p->connection] = (uint32_t)(p - u->peers) + 1;
	u->peer_of[connection] = 0;
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

/* Those of the old device are looked up by the new one. */
static void move_vteps(struct underlay *u, uint32_t was, uint32_t now)
{
	struct hash old = u->vteps;
	uint32_t at = 0;
	hash_init(&u->vteps, VTEP_KEY, sizeof(struct vtep));
	for (struct vtep *v; (v = hash_next(&old, &at));) {
		struct vtep *to =
			add_vtep(u, v->key.ifindex == was ? now : v->key.ifindex, &v->key.addr);
		if (to && v->key.ifindex == was)
			to->told = v->told;
		else if (to)
			*to = *v;
	}
	hash_free(&old);
}

void underlay_moved(struct underlay *u, uint32_t was, uint32_t now)
{
	move_vteps(u, was, now);
	on_lost(u);
}

bool underlay_path(const struct underlay *u, uint32_t connection, struct datapath_path *out)
{
	const struct peer *p = peer_of(u, connection);
	if (!p)
		return false;
	*out = p->path;
	return p->told;
}

/* The host of an endpoint that a plan names is one of its VTEPs from now on, or no longer. */
static void tell_endpoint(struct underlay *u, const struct plan *p,
			  const struct plan_entry_endpoint *e, bool there)
{
	struct ip_addr vtep = ip_addr_from_mapped(e->value.vtep);
	const struct xgw_attachment *a = plan_attachment_entry(p, e->value.attachment);
	if (a && a->kind == XGW_TAG_VXLAN)
		tell_vtep(u, a->ifindex, &vtep, there);
}

static void tell_endpoints(struct underlay *u)
{
	for (uint32_t i = 0; i < u->h.plan->n_endpoints; i++)
		tell_endpoint(u, u->h.plan, &u->h.plan->endpoints[i], true);
}

static int start_overlay(struct underlay *u)
{
	int err = places_make(&u->places, u->h.model, u->h.plan, u->h.ports);
	if (err)
		return err;
	u->learning = learning_new(u->h.maps, ask_again, u);
	const struct directory_host h = {u->h.netlink, u->h.maps, u->h.plan, &u->places, u};
	u->directory = directory_new(&h);
	return u->learning && u->directory ? 0 : -ENOMEM;
}

/* Attachments are others: who told which VTEP is counted anew, and the kernel's table tells of
 * hosts that were nobody's. */
static void tell_again(struct underlay *u)
{
	uint32_t at = 0;
	for (struct vtep *v; (v = hash_next(&u->vteps, &at));)
		v->told = 0;
	tell_endpoints(u);
	directory_tell(u->directory);
	on_lost(u);
}

/* By the changes alone: their number is what this costs, not the configuration's size. */
static void tell_changes(struct underlay *u, const struct plan *was,
			 const struct plan_changes *changes)
{
	bool again = false;
	for (size_t i = 0; i < changes->n; i++)
		again |= changes->at[i].map == PLAN_ATTACHMENTS || changes->at[i].map == PLAN_TAGS;
	if (again) {
		tell_again(u);
		return;
	}
	for (size_t i = 0; i < changes->n; i++) {
		const struct plan_change *c = &changes->at[i];
		if (c->map != PLAN_ENDPOINTS)
			continue;
		if (!c->removal)
			tell_endpoint(u, u->h.plan, c->entry, true);
		if (c->removal || c->was)
			tell_endpoint(u, was, c->removal ? c->entry : c->was, false);
	}
}

int underlay_changed(struct underlay *u, const struct plan *was, const struct plan_changes *changes,
		     struct fault *f)
{
	struct places places = u->places;
	int err = places_make(&u->places, u->h.model, u->h.plan, u->h.ports);
	if (err) {
		u->places = places;
		return fault_set(f, err, "not enough memory to follow the network");
	}
	err = directory_changed(u->directory);
	tell_changes(u, was, changes);
	learning_changed(u->learning);
	places_free(&places);
	u->dirty = true;
	if (err)
		return fault_set(f, err, "not enough memory to follow the kernel's tables");
	return learning_limits(u->h.maps, u->h.model, f);
}

int underlay_new(struct underlay **out, const struct underlay_host *h, struct fault *f)
{
	struct underlay *u = calloc(1, sizeof *u);
	if (u) {
		u->h = *h;
		u->packet_fd = -1;
		u->peer_of = calloc(PLAN_CLIENTS_BEHIND, sizeof *u->peer_of);
		hash_init(&u->vteps, VTEP_KEY, sizeof(struct vtep));
	}
	int err = u && u->peer_of ? start_overlay(u) : -ENOMEM;
	for (uint32_t i = 0; !err && i < h->plan->n_connections; i++)
		err = underlay_add(u, h->plan->connections[i].id);
	if (err) {
		underlay_free(u);
		return fault_set(f, -ENOMEM, "not enough memory to follow the network");
	}
	tell_endpoints(u);
	directory_read(u->directory);
	netlink_neighbours(h->netlink, on_neighbour, u);
	make_stale(u, NULL);
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
	free(u->peer_of);
	learning_free(u->learning);
	directory_free(u->directory);
	hash_free(&u->vteps);
	places_free(&u->places);
	free(u);
}
