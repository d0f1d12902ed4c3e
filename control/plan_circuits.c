/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the maps hold of circuits. A link is an attachment of its circuit's domain; the domain leads
 * to the networks that connections join to it. What is learnt is not here: members say where that
 * goes (plan_peers.c).
 */
#include "control/plan_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- ways ---- */

static int by_way(const void *a, const void *b)
{
	const struct plan_way *x = a, *y = b;
	if (x->vnet != y->vnet)
		return x->vnet < y->vnet ? -1 : 1;
	return x->domain < y->domain ? -1 : x->domain > y->domain;
}

void plan_find_ways(struct plan_maker *k)
{
	k->ways = calloc(k->m->n_connections + 1u, sizeof *k->ways);
	k->no_memory |= !k->ways;
	for (uint32_t i = 0; k->ways && i < k->m->n_connections; i++) {
		const struct model_connection *c = &k->m->connections[i];
		if (c->express_route)
			k->ways[k->n_ways++] =
				(struct plan_way){k->m->gateways[c->gateway].vnet,
						  k->p->domains[c->circuit], i, c->circuit};
	}
	if (k->ways && k->n_ways)
		qsort(k->ways, k->n_ways, sizeof *k->ways, by_way);
}

const struct plan_way *plan_ways_of(const struct plan_maker *k, uint32_t vnet, uint32_t *n)
{
	uint32_t low = 0, high = k->n_ways;
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		if (k->ways[middle].vnet < vnet)
			low = middle + 1;
		else
			high = middle;
	}
	*n = 0;
	while (low + *n < k->n_ways && k->ways[low + *n].vnet == vnet)
		(*n)++;
	return k->ways ? k->ways + low : NULL;
}

/* ---- links ---- */

static const struct plan_veth *veth_of(const struct plan_maker *k, uint32_t link)
{
	for (uint32_t i = 0; i < k->facts->n_veths; i++) {
		if (k->facts->veths[i].link == link)
			return &k->facts->veths[i];
	}
	return NULL;
}

#define LINK_TEXT (XGW_NAME + 32)
#define TAG_LEN	  4u

/* Circuit/primary; of further peerings with their number from 2 on. */
static const char *link_name(const struct plan_maker *k, const struct plan_link *l, bool v6,
			     char out[LINK_TEXT])
{
	char number[16] = "";
	if (l->peering)
		snprintf(number, sizeof number, "%u", l->peering + 1);
	snprintf(out, LINK_TEXT, "%.40s/%s%s%s", k->m->circuits[l->circuit].name,
		 l->which ? "secondary" : "primary", number, v6 ? "/v6" : "");
	return out;
}

static void add_link_names(struct plan_maker *k, const struct plan_link *l,
			   const struct xgw_tag_key *tag)
{
	char text[LINK_TEXT];
	const char *port = k->m->host.ports[l->port].name;
	if (tag->kind == XGW_TAG_QINQ)
		snprintf(text, sizeof text, "%.40s/qinq%u.%u", port, tag->tag >> 12,
			 tag->tag & 0xfff);
	else if (tag->kind == XGW_TAG_VLAN)
		snprintf(text, sizeof text, "%.40s/vlan%u", port, tag->tag);
	else
		snprintf(text, sizeof text, "%s", port);
	plan_add_name(k, XGW_NAME_ATTACHMENT, l->id, text);
	for (unsigned v6 = 0; v6 < 2; v6++) {
		if (l->end[v6].hop)
			plan_add_name(k, XGW_NAME_HOP, l->end[v6].hop, link_name(k, l, v6, text));
	}
}

static void make_ends(struct plan_maker *k, const struct plan_link *l)
{
	for (unsigned v6 = 0; v6 < 2; v6++) {
		const struct plan_link_end *e = &l->end[v6];
		struct xgw_next_hop hop = {.kind = XGW_HOP_CIRCUIT, .vnet = l->domain};
		if (!e->hop)
			continue;
		ip_addr_to_mapped(&e->remote, hop.address);
		plan_add_hop(k, e->hop, hop);
		plan_add_address(k, l->domain, l->id, &e->local);
	}
}

static void make_link(struct plan_maker *k, struct plan_link *l, uint32_t limiter)
{
	static const uint8_t none[6];
	const struct plan_port *port = &k->facts->ports[l->port];
	const struct plan_veth *v = veth_of(k, l->id);
	struct xgw_tag_key tag = plan_link_tag(&k->m->circuits[l->circuit].peerings[l->peering]);
	struct xgw_attachment *x = plan_append(k, PLAN_ATTACHMENTS);
	struct plan_entry_tag *t = plan_append(k, PLAN_TAGS);
	if (!x || !t)
		return;
	tag.ifindex = port->ifindex;
	*t = (struct plan_entry_tag){tag, l->id};
	/* a device, and a redirect to it, lets one tag pass beyond its MTU */
	l->mtu = tag.kind == XGW_TAG_QINQ && port->mtu > TAG_LEN ? port->mtu - TAG_LEN : port->mtu;
	x->id = l->id;
	x->vnet = l->domain;
	x->ifindex = port->ifindex;
	x->port_id = k->p->port_ids[l->port];
	x->kind = tag.kind;
	x->tag = tag.tag;
	memcpy(x->mac, v && memcmp(v->mac, none, sizeof none) != 0 ? v->mac : port->mac,
	       sizeof x->mac);
	x->mtu = l->mtu;
	x->flags = XGW_ATTACHMENT_LINK;
	x->local_ifindex = v ? v->ifindex : 0;
	x->limiter = limiter;
	add_link_names(k, l, &tag);
	make_ends(k, l);
}

/* Its links share it. */
static uint32_t make_limiter(struct plan_maker *k, uint32_t circuit)
{
	const struct model_circuit *c = &k->m->circuits[circuit];
	uint32_t id = c->bandwidth_mbps ? plan_take_id(k, PLAN_ID_LIMITER, c->name, circuit) : 0;
	struct plan_entry_limiter *e = id ? plan_append(k, PLAN_LIMITERS) : NULL;
	if (e)
		*e = (struct plan_entry_limiter){id, c->bandwidth_mbps};
	return id;
}

/* ---- domains ---- */

/* What a network's hosts have, and what the gateway itself has among them. */
static void add_network(struct plan_maker *k, uint32_t domain, uint32_t vnet)
{
	const struct model_vnet *v = &k->m->vnets[vnet];
	for (uint32_t i = 0; i < v->n_address_space; i++)
		plan_add_route(k, domain, &v->address_space[i], plan_local_id(k, vnet),
			       XGW_ROUTE_SYSTEM, XGW_ROUTE_LOCAL);
	for (uint32_t i = 0; i < v->n_attachments; i++) {
		const struct model_attachment *a = &v->attachments[i];
		const struct ip_prefix four = plan_alone(&a->address.addr),
				       six = plan_alone(&a->address6.addr);
		if (a->has_address)
			plan_add_route(k, domain, &four, PLAN_HOP_GATEWAY, XGW_ROUTE_SYSTEM, 0);
		if (a->has_address6)
			plan_add_route(k, domain, &six, PLAN_HOP_GATEWAY, XGW_ROUTE_SYSTEM, 0);
	}
}

/* The gateway's network, and those that use it by their peering. */
static void add_networks(struct plan_maker *k, const struct plan_way *way)
{
	const struct model_vnet *v = &k->m->vnets[way->vnet];
	add_network(k, way->domain, way->vnet);
	for (uint32_t i = 0; i < v->n_peerings; i++) {
		if (model_peering_gives_transit(k->m, &v->peerings[i]))
			add_network(k, way->domain, v->peerings[i].remote);
	}
}

void plan_make_circuits(struct plan_maker *k)
{
	uint32_t limiter = 0;
	for (uint32_t i = 0; i < k->p->n_domains; i++) {
		if (k->p->domains[i])
			plan_add_name(k, XGW_NAME_CIRCUIT, k->p->domains[i],
				      k->m->circuits[i].name);
	}
	for (uint32_t i = 0; i < k->p->n_links; i++) {
		struct plan_link *l = &k->p->links[i];
		if (!i || l[-1].circuit != l->circuit)
			limiter = make_limiter(k, l->circuit);
		make_link(k, l, limiter);
	}
	for (uint32_t i = 0; i < k->n_ways; i++)
		add_networks(k, &k->ways[i]);
}

/* ---- tables of GatewaySubnets ---- */

/* Whether a domain's route leads to hosts behind a gateway of this network. */
static bool leads_behind(const struct plan_maker *k, const struct plan_entry_route *r,
			 uint32_t vnet)
{
	const struct model_vnet *v = &k->m->vnets[vnet];
	if (!(r->value.flags & XGW_ROUTE_LOCAL))
		return false;
	if (r->value.next_hop == plan_local_id(k, vnet))
		return true;
	for (uint32_t i = 0; i < v->n_peerings; i++) {
		if (plan_local_id(k, v->peerings[i].remote) == r->value.next_hop)
			return model_peering_gives_transit(k->m, &v->peerings[i]);
	}
	return false;
}

/* Of equal prefixes the user's counts, else the longer one. */
static void add_user_route(struct plan_maker *k, const struct plan_way *way, uint32_t chosen,
			   const struct plan_entry_route *user)
{
	struct plan_entry_route *r = plan_cover(k->p, chosen, way->domain, &user->prefix);
	if (!r || !leads_behind(k, r, way->vnet))
		return;
	if (r->prefix.len == user->prefix.len) {
		r->value.next_hop = user->value.next_hop;
		r->value.source = XGW_ROUTE_USER;
		return;
	}
	plan_add_route(k, way->domain, &user->prefix, user->value.next_hop, XGW_ROUTE_USER,
		       XGW_ROUTE_LOCAL);
}

void plan_make_domain_tables(struct plan_maker *k, uint32_t chosen)
{
	uint32_t behind = k->p->n_routes;
	for (uint32_t i = 0; i < k->n_ways; i++) {
		uint32_t table = k->gateway_tables[k->ways[i].vnet];
		for (uint32_t j = chosen; table && j < behind; j++) {
			/* a copy: the array moves when it grows */
			const struct plan_entry_route user = k->p->routes[j];
			if (user.vnet == table)
				add_user_route(k, &k->ways[i], chosen, &user);
		}
	}
}
