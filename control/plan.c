/* SPDX-License-Identifier: Apache-2.0 */
/* A validated model and what the host says of its ports -> wanted contents of the maps. */
#include "control/plan.h"

#include "control/offer.h"
#include "control/plan_internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct maker {
	const struct model *m;
	const struct plan_port *ports;
	struct plan *p;
	uint32_t room[PLAN_TABLES];
	bool no_memory;
};

/* A new zeroed entry at the end of a table, or NULL. */
static void *append(struct maker *k, enum plan_map map)
{
	const struct plan_table *t = plan_table(map);
	uint32_t *n = plan_count(k->p, map);
	void **at = plan_array(k->p, map);
	if (*n == k->room[map]) {
		uint32_t room = k->room[map] ? k->room[map] * 2 : 16;
		void *grown = reallocarray(*at, room, t->size);
		if (!grown) {
			k->no_memory = true;
			return NULL;
		}
		*at = grown;
		k->room[map] = room;
	}
	void *entry = (uint8_t *)*at + (size_t)(*n)++ * t->size;
	return memset(entry, 0, t->size);
}

static void add_name(struct maker *k, enum xgw_name_kind kind, uint32_t id, const char *text)
{
	struct plan_entry_name *e = append(k, PLAN_NAMES);
	if (!e)
		return;
	e->key = (struct xgw_name_key){kind, id};
	memcpy(e->value.text, text, strnlen(text, sizeof e->value.text - 1));
}

static void add_hop(struct maker *k, uint32_t id, struct xgw_next_hop value)
{
	struct plan_entry_hop *e = append(k, PLAN_HOPS);
	if (e)
		*e = (struct plan_entry_hop){id, value};
}

static void add_route(struct maker *k, uint32_t vnet, const struct ip_prefix *prefix,
		      uint32_t next_hop, enum xgw_route_source source, uint8_t flags)
{
	struct plan_entry_route *e = append(k, PLAN_ROUTES);
	if (!e)
		return;
	e->vnet = vnet;
	e->prefix = ip_prefix_canonical(*prefix);
	e->value = (struct xgw_route){.next_hop = next_hop,
				      .source = (__u8)source,
				      .flags = flags,
				      .plen = prefix->len,
				      .family = prefix->addr.family};
}

static void make_ports(struct maker *k)
{
	for (uint32_t i = 0; i < k->m->host.n_ports; i++) {
		struct xgw_port *p = append(k, PLAN_PORTS);
		if (!p)
			return;
		p->id = i;
		p->role = k->m->host.ports[i].role;
		p->ifindex = k->ports[i].ifindex;
		p->mtu = k->ports[i].mtu;
		memcpy(p->mac, k->ports[i].mac, sizeof p->mac);
		add_name(k, XGW_NAME_PORT, i, k->m->host.ports[i].name);
	}
}

/* Outer headers of VXLAN: inner Ethernet 14, VXLAN 8, UDP 8, IP 20 or 40 (RFC 7348). */
static uint32_t inner_mtu(const struct model_attachment *a, uint32_t mtu)
{
	uint32_t outer = a->kind != XGW_TAG_VXLAN ? 0 : a->local_vtep.family == IP_V6 ? 70 : 50;
	return mtu > outer ? mtu - outer : 0;
}

static void name_attachment(struct maker *k, uint32_t id, const struct model_attachment *a)
{
	char text[XGW_NAME + 32];
	const char *port = k->m->host.ports[a->port].name;
	if (a->kind == XGW_TAG_NONE)
		snprintf(text, sizeof text, "%s", port);
	else
		snprintf(text, sizeof text, "%.40s/%s%u", port,
			 a->kind == XGW_TAG_VLAN ? "vlan" : "vxlan", a->tag);
	add_name(k, XGW_NAME_ATTACHMENT, id, text);
}

/* What goes to the gateway itself is not looked for among the hosts, and no host may send from
 * there. */
static void add_address(struct maker *k, const struct model_vnet *v, uint32_t attachment,
			const struct ip_prefix *address)
{
	struct plan_entry_address *e = append(k, PLAN_ADDRESSES);
	if (!e)
		return;
	e->key.vnet = v->id;
	ip_addr_to_mapped(&address->addr, e->key.addr);
	e->value.attachment = attachment;
	struct ip_prefix alone = {address->addr, (uint8_t)ip_addr_bits(&address->addr)};
	add_route(k, v->id, &alone, PLAN_HOP_GATEWAY, XGW_ROUTE_SYSTEM, 0);
}

static void add_vtep(struct maker *k, uint32_t attachment, const struct ip_prefix *prefix)
{
	struct plan_entry_vtep *e = append(k, PLAN_VTEPS);
	if (e)
		*e = (struct plan_entry_vtep){
			attachment, ip_prefix_canonical(*prefix), {XGW_VTEP_STATIC}};
}

static void make_attachment(struct maker *k, const struct model_vnet *v,
			    const struct model_attachment *a, uint32_t id)
{
	const struct plan_port *port = &k->ports[a->port];
	struct xgw_attachment *x = append(k, PLAN_ATTACHMENTS);
	struct plan_entry_tag *tag = append(k, PLAN_TAGS);
	if (!x || !tag)
		return;
	x->id = id;
	x->vnet = v->id;
	x->ifindex = port->ifindex;
	x->port_id = a->port;
	x->kind = a->kind;
	x->tag = a->tag;
	if (a->kind == XGW_TAG_VXLAN) {
		ip_addr_to_mapped(&a->local_vtep, x->local_vtep);
		x->vxlan_port_be = htons(a->udp_port);
	}
	memcpy(x->mac, port->mac, sizeof x->mac);
	x->mtu = inner_mtu(a, port->mtu);
	x->flags = (a->kind != XGW_TAG_NONE ? XGW_ATTACHMENT_ANSWERS : 0) |
		   (v->learning ? XGW_ATTACHMENT_LEARN : 0);
	tag->key = (struct xgw_tag_key){port->ifindex, a->kind, a->tag};
	tag->attachment = id;
	for (uint32_t i = 0; v->learning && i < a->n_remote_vteps; i++)
		add_vtep(k, id, &a->remote_vteps[i]);
	if (a->has_address)
		add_address(k, v, id, &a->address);
	if (a->has_address6)
		add_address(k, v, id, &a->address6);
	name_attachment(k, id, a);
}

static void make_endpoints(struct maker *k, const struct model_vnet *v, uint32_t first_attachment)
{
	for (uint32_t i = 0; i < v->n_endpoints; i++) {
		const struct model_endpoint *from = &v->endpoints[i];
		struct plan_entry_endpoint *e = append(k, PLAN_ENDPOINTS);
		if (!e)
			return;
		e->key.vnet = v->id;
		ip_addr_to_mapped(&from->address, e->key.addr);
		e->value.attachment = first_attachment + from->attachment;
		e->value.flags = XGW_ENDPOINT_STATIC;
		memcpy(e->value.mac, from->mac, sizeof e->value.mac);
		ip_addr_to_mapped(&from->host, e->value.vtep);
		const struct ip_prefix alone = {from->host, (uint8_t)ip_addr_bits(&from->host)};
		add_vtep(k, e->value.attachment, &alone);
	}
}

static void make_vnets(struct maker *k)
{
	uint32_t id = 1;
	for (uint32_t i = 0; i < k->m->n_vnets; i++) {
		const struct model_vnet *v = &k->m->vnets[i];
		uint32_t hop = PLAN_HOP_LOCAL + v->id;
		add_name(k, XGW_NAME_VNET, v->id, v->name);
		add_hop(k, hop, (struct xgw_next_hop){.kind = XGW_HOP_LOCAL, .vnet = v->id});
		for (uint32_t j = 0; j < v->n_address_space; j++)
			add_route(k, v->id, &v->address_space[j], hop, XGW_ROUTE_SYSTEM,
				  XGW_ROUTE_LOCAL);
		for (uint32_t j = 0; j < v->n_attachments; j++)
			make_attachment(k, v, &v->attachments[j], id + j);
		make_endpoints(k, v, id);
		id += v->n_attachments;
	}
	for (uint32_t i = 0; i < k->m->n_gateways; i++)
		add_name(k, XGW_NAME_GATEWAY, k->m->vnets[k->m->gateways[i].vnet].id,
			 k->m->gateways[i].name);
}

static void make_connection(struct maker *k, uint32_t i)
{
	const struct model_connection *c = &k->m->connections[i];
	uint32_t n, id = PLAN_FIRST_CONNECTION + i;
	uint32_t vnet = k->m->vnets[k->m->gateways[c->gateway].vnet].id;
	const struct ip_prefix *remote = offer_remote_space(k->m, c, &n);
	k->p->connections[k->p->n_connections++] = (struct plan_connection){id, i, vnet};
	add_name(k, XGW_NAME_CONNECTION, id, c->name);
	add_hop(k, id,
		(struct xgw_next_hop){.kind = XGW_HOP_TUNNEL, .vnet = vnet, .connection = id});
	for (uint32_t j = 0; j < n; j++)
		add_route(k, vnet, &remote[j], id, XGW_ROUTE_STATIC, 0);
}

static int make_connections(struct maker *k)
{
	uint32_t n = k->m->n_connections;
	k->p->connections = n ? calloc(n, sizeof *k->p->connections) : NULL;
	if (n && !k->p->connections)
		return -ENOMEM;
	for (uint32_t i = 0; i < n; i++)
		make_connection(k, i);
	return k->no_memory ? -ENOMEM : 0;
}

uint32_t plan_clients(const struct model *m, uint32_t gateway, uint32_t *first)
{
	uint32_t at = PLAN_FIRST_CLIENT;
	for (uint32_t i = 0; i < gateway; i++)
		if (m->gateways[i].clients.n_pool)
			at += m->gateways[i].clients.most;
	*first = at;
	if (!m->gateways[gateway].clients.n_pool || at >= PLAN_CLIENTS_BEHIND)
		return 0;
	uint32_t most = m->gateways[gateway].clients.most, room = PLAN_CLIENTS_BEHIND - at;
	return most < room ? most : room;
}

static int rank(uint32_t next_hop)
{
	return next_hop < PLAN_FIRST_CONNECTION ? 0 : next_hop >= PLAN_HOP_LOCAL ? 1 : 2;
}

/* Of two routes for one prefix: the gateway's, the VNet's own, then the larger weight, then the
 * lesser name. */
static int prefer(const struct model *m, const struct plan_entry_route *a,
		  const struct plan_entry_route *b)
{
	int ra = rank(a->value.next_hop), rb = rank(b->value.next_hop);
	if (ra != rb || ra < 2)
		return ra - rb;
	const struct model_connection *x =
		&m->connections[a->value.next_hop - PLAN_FIRST_CONNECTION];
	const struct model_connection *y =
		&m->connections[b->value.next_hop - PLAN_FIRST_CONNECTION];
	if (x->routing_weight != y->routing_weight)
		return x->routing_weight > y->routing_weight ? -1 : 1;
	return strcmp(x->name, y->name);
}

static void choose_routes(struct maker *k)
{
	struct plan *p = k->p;
	uint32_t kept = 0;
	for (uint32_t i = 0; i < p->n_routes; i++) {
		struct plan_entry_route *last = kept ? &p->routes[kept - 1] : NULL;
		if (!last || plan_compare(PLAN_ROUTES, last, &p->routes[i]) != 0)
			p->routes[kept++] = p->routes[i];
		else if (prefer(k->m, &p->routes[i], last) < 0)
			*last = p->routes[i];
	}
	p->n_routes = kept;
}

/* Many endpoints live on one host, and a list may name it too. */
static void unite_vteps(struct plan *p)
{
	uint32_t kept = 0;
	for (uint32_t i = 0; i < p->n_vteps; i++) {
		if (!kept || plan_compare(PLAN_VTEPS, &p->vteps[kept - 1], &p->vteps[i]) != 0)
			p->vteps[kept++] = p->vteps[i];
	}
	p->n_vteps = kept;
}

/* Validation leaves no doubles; a port's interface index is the host's word. */
static int check_unique(const struct plan *p, struct fault *f)
{
	for (enum plan_map map = 0; map < PLAN_TABLES; map++) {
		const struct plan_table *t = plan_table(map);
		const uint8_t *at = *plan_array_const(p, map);
		for (uint32_t i = 1; i < *plan_count_const(p, map); i++) {
			if (plan_compare(map, at + (i - 1) * t->size, at + i * t->size) != 0)
				continue;
			fault_set(f, -EINVAL, "two entries of '%s' have one key", t->name);
			return fault_advise(f, "see `xgw check`; no device may be two ports");
		}
	}
	return 0;
}

int plan_make(struct plan *out, const struct model *m, const struct plan_port *ports,
	      struct fault *f)
{
	struct maker k = {.m = m, .ports = ports, .p = out};
	*out = (struct plan){0};
	make_ports(&k);
	add_hop(&k, PLAN_HOP_NONE, (struct xgw_next_hop){.kind = XGW_HOP_DROP});
	add_hop(&k, PLAN_HOP_GATEWAY, (struct xgw_next_hop){.kind = XGW_HOP_GATEWAY});
	make_vnets(&k);
	int err = make_connections(&k);
	if (err || k.no_memory) {
		plan_free(out);
		return fault_set(f, -ENOMEM, "not enough memory for the plan");
	}
	plan_sort(out);
	choose_routes(&k);
	unite_vteps(out);
	err = check_unique(out, f);
	if (err)
		plan_free(out);
	return err;
}

void plan_free(struct plan *p)
{
	for (enum plan_map map = 0; map < PLAN_TABLES; map++)
		free(*plan_array(p, map));
	free(p->connections);
	*p = (struct plan){0};
}
