/* SPDX-License-Identifier: Apache-2.0 */
/* A validated model and what the host says of its ports -> wanted contents of the maps. */
#include "control/plan.h"

#include "control/plan_internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void *plan_append(struct plan_maker *k, enum plan_map map)
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

void plan_add_name(struct plan_maker *k, enum xgw_name_kind kind, uint32_t id, const char *text)
{
	struct plan_entry_name *e = plan_append(k, PLAN_NAMES);
	if (!e)
		return;
	e->key = (struct xgw_name_key){kind, id};
	memcpy(e->value.text, text, strnlen(text, sizeof e->value.text - 1));
}

void plan_add_hop(struct plan_maker *k, uint32_t id, struct xgw_next_hop value)
{
	struct plan_entry_hop *e = plan_append(k, PLAN_HOPS);
	if (e)
		*e = (struct plan_entry_hop){id, value};
}

struct plan_entry_route *plan_add_route(struct plan_maker *k, uint32_t vnet,
					const struct ip_prefix *prefix, uint32_t next_hop,
					enum xgw_route_source source, uint8_t flags)
{
	struct plan_entry_route *e = plan_append(k, PLAN_ROUTES);
	if (!e)
		return NULL;
	e->vnet = vnet;
	e->prefix = ip_prefix_canonical(*prefix);
	e->value = (struct xgw_route){.next_hop = next_hop,
				      .source = (__u8)source,
				      .flags = flags,
				      .plen = prefix->len,
				      .family = prefix->addr.family};
	return e;
}

uint32_t plan_connection_id(const struct plan_maker *k, uint32_t connection)
{
	return k->p->connections[k->p->tunnels[connection]].id;
}

uint32_t plan_local_id(const struct plan_maker *k, uint32_t vnet)
{
	return PLAN_HOP_LOCAL + k->m->vnets[vnet].id;
}

uint32_t plan_take_id(struct plan_maker *k, enum plan_id_kind kind, const char *key, uint32_t of)
{
	uint32_t id;
	int err = plan_ids_take(k->p->ids, kind, key, of, &id, k->f);
	if (!err)
		return id;
	k->err = err;
	return 0;
}

static void make_ports(struct plan_maker *k)
{
	for (uint32_t i = 0; i < k->m->host.n_ports; i++) {
		struct xgw_port *p = plan_append(k, PLAN_PORTS);
		if (!p)
			return;
		p->id = k->p->port_ids[i];
		p->role = k->m->host.ports[i].role;
		p->ifindex = k->facts->ports[i].ifindex;
		p->mtu = k->facts->ports[i].mtu;
		memcpy(p->mac, k->facts->ports[i].mac, sizeof p->mac);
		plan_add_name(k, XGW_NAME_PORT, p->id, k->m->host.ports[i].name);
	}
}

/* Outer headers of VXLAN: inner Ethernet 14, VXLAN 8, UDP 8, IP 20 or 40 (RFC 7348). */
static uint32_t inner_mtu(const struct model_attachment *a, uint32_t mtu)
{
	uint32_t outer = a->kind != XGW_TAG_VXLAN ? 0 : a->local_vtep.family == IP_V6 ? 70 : 50;
	return mtu > outer ? mtu - outer : 0;
}

static void name_attachment(struct plan_maker *k, uint32_t id, const struct model_attachment *a)
{
	char text[XGW_NAME + 32];
	const char *port = k->m->host.ports[a->port].name;
	if (a->kind == XGW_TAG_NONE)
		snprintf(text, sizeof text, "%s", port);
	else
		snprintf(text, sizeof text, "%.40s/%s%u", port,
			 a->kind == XGW_TAG_VLAN ? "vlan" : "vxlan", a->tag);
	plan_add_name(k, XGW_NAME_ATTACHMENT, id, text);
}

struct ip_prefix plan_alone(const struct ip_addr *a)
{
	return (struct ip_prefix){*a, (uint8_t)ip_addr_bits(a)};
}

/* What goes to the gateway itself is not looked for among the hosts. */
void plan_add_address(struct plan_maker *k, uint32_t vnet, uint32_t attachment,
		      const struct ip_addr *address)
{
	struct plan_entry_address *e = plan_append(k, PLAN_ADDRESSES);
	const struct ip_prefix alone = plan_alone(address);
	if (!e)
		return;
	e->key.vnet = vnet;
	ip_addr_to_mapped(address, e->key.addr);
	e->value.attachment = attachment;
	if (!k->routes_kept)
		plan_add_route(k, vnet, &alone, PLAN_HOP_GATEWAY, XGW_ROUTE_SYSTEM, 0);
}

static void add_vtep(struct plan_maker *k, uint32_t attachment, const struct ip_prefix *prefix)
{
	struct plan_entry_vtep *e = plan_append(k, PLAN_VTEPS);
	if (e)
		*e = (struct plan_entry_vtep){
			attachment, ip_prefix_canonical(*prefix), {XGW_VTEP_STATIC}};
}

static void make_attachment(struct plan_maker *k, const struct model_vnet *v,
			    const struct model_attachment *a, uint32_t id)
{
	const struct plan_port *port = &k->facts->ports[a->port];
	struct xgw_attachment *x = plan_append(k, PLAN_ATTACHMENTS);
	struct plan_entry_tag *tag = plan_append(k, PLAN_TAGS);
	if (!x || !tag)
		return;
	x->id = id;
	x->vnet = v->id;
	x->ifindex = port->ifindex;
	x->port_id = k->p->port_ids[a->port];
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
		plan_add_address(k, v->id, id, &a->address.addr);
	if (a->has_address6)
		plan_add_address(k, v->id, id, &a->address6.addr);
	name_attachment(k, id, a);
}

static void make_endpoints(struct plan_maker *k, const struct model_vnet *v,
			   const struct plan_attachment *attachments)
{
	for (uint32_t i = 0; i < v->n_endpoints; i++) {
		const struct model_endpoint *from = &v->endpoints[i];
		struct plan_entry_endpoint *e = plan_append(k, PLAN_ENDPOINTS);
		if (!e)
			return;
		e->key.vnet = v->id;
		ip_addr_to_mapped(&from->address, e->key.addr);
		e->value.attachment = attachments[from->attachment].id;
		e->value.flags = XGW_ENDPOINT_STATIC;
		memcpy(e->value.mac, from->mac, sizeof e->value.mac);
		ip_addr_to_mapped(&from->host, e->value.vtep);
		const struct ip_prefix alone = plan_alone(&from->host);
		add_vtep(k, e->value.attachment, &alone);
	}
}

static void make_vnets(struct plan_maker *k)
{
	const struct plan_attachment *at = k->p->places;
	for (uint32_t i = 0; i < k->m->n_vnets; i++) {
		const struct model_vnet *v = &k->m->vnets[i];
		uint32_t hop = plan_local_id(k, i);
		plan_add_name(k, XGW_NAME_VNET, v->id, v->name);
		plan_add_hop(k, hop, (struct xgw_next_hop){.kind = XGW_HOP_LOCAL, .vnet = v->id});
		k->routes_kept = plan_is_kept(k, i);
		if (!k->routes_kept)
			plan_make_vnet_routes(k, i);
		for (uint32_t j = 0; j < v->n_attachments; j++)
			make_attachment(k, v, &v->attachments[j], at[j].id);
		make_endpoints(k, v, at);
		at += v->n_attachments;
	}
	k->routes_kept = false;
	for (uint32_t i = 0; i < k->m->n_gateways; i++) {
		const struct model_vnet *v = &k->m->vnets[k->m->gateways[i].vnet];
		if (v->vpn_gateway == i || v->vpn_gateway == MODEL_NONE)
			plan_add_name(k, XGW_NAME_GATEWAY, v->id, k->m->gateways[i].name);
	}
}

static void make_connection(struct plan_maker *k, uint32_t i)
{
	const struct model_connection *c = &k->m->connections[k->p->connections[i].model];
	uint32_t id = k->p->connections[i].id, vnet = k->p->connections[i].vnet;
	uint32_t table = k->gateway_tables[k->m->gateways[c->gateway].vnet];
	k->p->connections[i].table = table;
	plan_add_name(k, XGW_NAME_CONNECTION, id, c->name);
	plan_add_hop(k, id,
		     (struct xgw_next_hop){
			     .kind = XGW_HOP_TUNNEL,
			     .vnet = vnet,
			     .connection = id,
			     .table = table,
			     .flags = k->m->vnets[k->m->gateways[c->gateway].vnet].branch_to_branch
					      ? XGW_HOP_BRANCHES
					      : 0});
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

/* Validation leaves no doubles; a port's interface index is the host's word. Routes have been
 * chosen from, and those of a plan before were looked at then. */
static int check_unique(const struct plan *p, bool routes_kept, struct fault *f)
{
	for (enum plan_map map = 0; map < PLAN_TABLES; map++) {
		const struct plan_table *t = plan_table(map);
		const uint8_t *at = *plan_array_const(p, map);
		uint32_t n = map == PLAN_ROUTES && routes_kept ? 0 : *plan_count_const(p, map);
		for (uint32_t i = 1; i < n; i++) {
			if (plan_compare(map, at + (i - 1) * t->size, at + i * t->size) != 0)
				continue;
			fault_set(f, -EINVAL, "two entries of '%s' have one key", t->name);
			return fault_advise(f, "see `xgw check`; no device may be two ports");
		}
	}
	return 0;
}

static int make_all(struct plan_maker *k)
{
	int err = plan_number_tables(k);
	if (err)
		return err;
	plan_find_ways(k);
	make_vnets(k);
	for (uint32_t i = 0; i < k->m->n_gateways; i++) {
		k->p->gateways[i].table = k->gateway_tables[k->m->gateways[i].vnet];
		plan_add_instance(k, i);
	}
	for (uint32_t i = 0; i < k->p->n_connections; i++)
		make_connection(k, i);
	plan_make_circuits(k);
	plan_keep_choices(k);
	plan_make_gateway_routes(k);
	plan_make_peers(k);
	plan_choose_routes(k);
	plan_keep_routes(k);
	uint32_t chosen = k->p->n_routes;
	plan_make_table_routes(k);
	plan_make_domain_tables(k, chosen);
	return k->err;
}

int plan_make(struct plan *out, const struct model *m, const struct plan_facts *facts,
	      const struct plan *previous, struct fault *f)
{
	return plan_make_changed(out, m, facts, previous, NULL, f);
}

int plan_make_changed(struct plan *out, const struct model *m, const struct plan_facts *facts,
		      const struct plan *previous, const bool *changed, struct fault *f)
{
	struct plan_maker k = {
		.m = m, .facts = facts, .p = out, .changed = changed, .previous = previous, .f = f};
	*out = (struct plan){0};
	int err = plan_number(out, m, previous, f);
	if (err) {
		plan_free(out);
		return err;
	}
	if (!plan_may_keep(&k))
		k.changed = NULL;
	make_ports(&k);
	plan_add_hop(&k, PLAN_HOP_NONE, (struct xgw_next_hop){.kind = XGW_HOP_DROP});
	plan_add_hop(&k, PLAN_HOP_GATEWAY, (struct xgw_next_hop){.kind = XGW_HOP_GATEWAY});
	plan_add_hop(&k, PLAN_HOP_INTERNET, (struct xgw_next_hop){.kind = XGW_HOP_INTERNET});
	err = make_all(&k);
	plan_ids_close(out->ids);
	free(k.gateway_tables);
	free(k.pairs);
	free(k.choices);
	free(k.site_first);
	free(k.site_next);
	free(k.ways);
	if (err || k.no_memory) {
		plan_free(out);
		return err && err != -ENOMEM
			       ? err
			       : fault_set(f, -ENOMEM, "not enough memory for the plan");
	}
	plan_sort(out, k.changed != NULL);
	unite_vteps(out);
	err = check_unique(out, k.changed != NULL, f);
	if (err)
		plan_free(out);
	return err;
}

void plan_free(struct plan *p)
{
	for (enum plan_map map = 0; map < PLAN_TABLES; map++)
		free(*plan_array(p, map));
	plan_numbers_free(p);
	*p = (struct plan){0};
}
