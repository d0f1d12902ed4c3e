/* SPDX-License-Identifier: Apache-2.0 */
/* Which numbers circuits, their links, routers and BGP peers have. */
#include "control/plan_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct numbering {
	struct plan *p;
	const struct model *m;
	struct fault *f;
	uint32_t *set;	     /* by gateway: see model_join_gateways */
	uint32_t *router_of; /* by set: index in routers, MODEL_NONE */
	uint32_t *gateway;   /* by circuit: of its first connection, MODEL_NONE */
};

static int take(struct numbering *k, enum plan_id_kind kind, const char *key, uint32_t of,
		uint32_t *id)
{
	return plan_ids_take(k->p->ids, kind, key, of, id, k->f);
}

static int number_domains(struct numbering *k)
{
	int err = 0;
	for (uint32_t i = 0; !err && i < k->m->n_circuits; i++) {
		if (k->gateway[i] != MODEL_NONE)
			err = take(k, PLAN_ID_DOMAIN, k->m->circuits[i].name, i, &k->p->domains[i]);
	}
	return err;
}

static int number_tuns(struct numbering *k)
{
	char key[16];
	int err = 0;
	for (uint32_t i = 0; !err && i < k->m->n_gateways; i++) {
		const struct model_gateway *g = &k->m->gateways[i];
		if (!g->enable_bgp || g->express_route)
			continue;
		snprintf(key, sizeof key, "%u", k->p->gateways[i].slot);
		err = take(k, PLAN_ID_TUN, key, i, &k->p->gateways[i].tun);
	}
	return err;
}

/* ---- routers ---- */

/* A gateway on its way into the array of all routers'. */
struct routed {
	uint32_t router, slot, gateway;
};

static int by_router(const void *a, const void *b)
{
	const struct routed *x = a, *y = b;
	if (x->router != y->router)
		return x->router < y->router ? -1 : 1;
	return x->slot < y->slot ? -1 : x->slot > y->slot;
}

/* By set the smallest slot of its gateways, or MODEL_NONE when nothing in it speaks BGP. */
static void find_routers(const struct numbering *k, uint32_t *first)
{
	for (uint32_t i = 0; i < k->m->n_gateways; i++)
		first[i] = MODEL_NONE;
	for (uint32_t i = 0; i < k->m->n_gateways; i++) {
		if (k->p->gateways[i].tun)
			first[k->set[i]] = k->p->gateways[i].slot;
	}
	for (uint32_t i = 0; i < k->m->n_circuits; i++) {
		if (k->gateway[i] != MODEL_NONE)
			first[k->set[k->gateway[i]]] = k->p->gateways[k->gateway[i]].slot;
	}
	for (uint32_t i = 0; i < k->m->n_gateways; i++) {
		uint32_t *f = &first[k->set[i]], slot = k->p->gateways[i].slot;
		if (*f != MODEL_NONE && slot < *f)
			*f = slot;
	}
}

static void add_router(struct plan *p, const struct model *m, const struct routed *x)
{
	const char *name = m->gateways[x->gateway].name;
	struct plan_router *r = &p->routers[p->n_routers++];
	*r = (struct plan_router){.id = x->router, .first_gateway = p->n_router_gateways};
	memcpy(r->name, name, strnlen(name, sizeof r->name - 1));
}

static void add_routers(struct numbering *k, const struct routed *at, uint32_t n)
{
	struct plan *p = k->p;
	for (uint32_t i = 0; i < n; i++) {
		if (!i || at[i].router != at[i - 1].router)
			add_router(p, k->m, &at[i]);
		p->routers[p->n_routers - 1].n_gateways++;
		p->router_gateways[p->n_router_gateways++] = at[i].gateway;
		p->gateways[at[i].gateway].router = p->n_routers - 1;
		k->router_of[k->set[at[i].gateway]] = p->n_routers - 1;
	}
}

static int make_routers(struct numbering *k)
{
	uint32_t n = 0, total = k->m->n_gateways;
	uint32_t *first = calloc(total + 1u, sizeof *first);
	struct routed *at = calloc(total + 1u, sizeof *at);
	bool failed = !first || !at;
	for (uint32_t i = 0; i < total; i++)
		k->router_of[i] = k->p->gateways[i].router = MODEL_NONE;
	if (!failed)
		find_routers(k, first);
	for (uint32_t i = 0; !failed && i < total; i++) {
		if (first[k->set[i]] != MODEL_NONE)
			at[n++] = (struct routed){first[k->set[i]], k->p->gateways[i].slot, i};
	}
	if (n) {
		qsort(at, n, sizeof *at, by_router);
		add_routers(k, at, n);
	}
	free(first);
	free(at);
	return failed ? fault_set(k->f, -ENOMEM, "not enough memory for the plan") : 0;
}

/* ---- links, and the peers at their other end ---- */

/* The first and the second usable address of a prefix of two hosts. */
static struct ip_addr host_of(const struct ip_prefix *p, uint8_t n)
{
	struct ip_addr a = p->addr;
	a.b[ip_addr_bytes(&a) - 1] |= n;
	return a;
}

struct xgw_tag_key plan_link_tag(const struct model_circuit_peering *p)
{
	if (p->outer_vlan)
		return (struct xgw_tag_key){.kind = XGW_TAG_QINQ,
					    .tag = XGW_QINQ(p->outer_vlan, p->vlan)};
	return (struct xgw_tag_key){.kind = p->vlan ? XGW_TAG_VLAN : XGW_TAG_NONE, .tag = p->vlan};
}

static int number_link_peer(struct numbering *k, const struct plan_link *l, unsigned v6)
{
	const struct model_circuit_peering *from = &k->m->circuits[l->circuit].peerings[l->peering];
	const struct plan_link_end *e = &l->end[v6];
	uint32_t gateway = k->gateway[l->circuit], i = k->p->n_peers++;
	char key[32];
	k->p->peers[i] = (struct plan_peer){.kind = PLAN_PEER_LINK,
					    .router = l->router,
					    .of = k->p->n_links,
					    .gateway = gateway,
					    .local_asn = k->m->gateways[gateway].bgp.asn,
					    .peer_asn = from->peer_asn,
					    .local = e->local,
					    .remote = e->remote,
					    .ipv4 = !v6,
					    .ipv6 = v6,
					    .max_prefixes = from->max_prefixes,
					    .table = l->domain};
	snprintf(key, sizeof key, "link %u/%u", l->id, v6);
	return take(k, PLAN_ID_PEER, key, i, &k->p->peers[i].no);
}

static int number_end(struct numbering *k, struct plan_link *l, unsigned v6,
		      const struct ip_prefix *prefix)
{
	struct plan_link_end *e = &l->end[v6];
	char key[32];
	e->remote = host_of(prefix, 1);
	e->local = host_of(prefix, 2);
	e->len = prefix->len;
	snprintf(key, sizeof key, "%u/%u", l->id, v6);
	int err = take(k, PLAN_ID_LINK_HOP, key, k->p->n_links, &e->hop);
	if (!err)
		err = number_link_peer(k, l, v6);
	if (!err)
		e->peer = k->p->peers[k->p->n_peers - 1].no;
	return err;
}

static int number_link(struct numbering *k, struct plan_link l)
{
	const struct model_circuit_peering *from = &k->m->circuits[l.circuit].peerings[l.peering];
	const struct model_circuit_link *link = &from->link[l.which];
	const struct xgw_tag_key tag = plan_link_tag(from);
	char key[64];
	l.port = link->port;
	snprintf(key, sizeof key, "%u/%u/%u/%u", l.domain, k->p->port_ids[l.port], tag.kind,
		 tag.tag);
	int err = take(k, PLAN_ID_ATTACHMENT, key, k->p->n_places + k->p->n_links, &l.id);
	for (unsigned v6 = 0; !err && v6 < 2; v6++) {
		if (link->prefix[v6].addr.family)
			err = number_end(k, &l, v6, &link->prefix[v6]);
	}
	k->p->links[k->p->n_links++] = l;
	return err;
}

static int number_links(struct numbering *k, uint32_t router)
{
	struct plan_router *r = &k->p->routers[router];
	int err = 0;
	r->first_link = k->p->n_links;
	for (uint32_t i = 0; i < k->m->n_circuits; i++) {
		const struct model_circuit *c = &k->m->circuits[i];
		if (k->gateway[i] == MODEL_NONE || k->router_of[k->set[k->gateway[i]]] != router)
			continue;
		for (uint32_t j = 0; !err && j < c->n_peerings * 2; j++) {
			struct plan_link l = {.domain = k->p->domains[i],
					      .router = router,
					      .circuit = i,
					      .peering = j / 2,
					      .which = j % 2};
			if (c->peerings[j / 2].link[j % 2].port != MODEL_NONE)
				err = number_link(k, l);
		}
	}
	r->n_links = k->p->n_links - r->first_link;
	return err;
}

/* ---- peers in tunnels ---- */

/* IPv6 routes come over a session of IPv4 too when there is somebody to use them. */
static int number_tunnel_peer(struct numbering *k, uint32_t i)
{
	const struct plan_connection *pc = &k->p->connections[i];
	const struct model_connection *c = &k->m->connections[pc->model];
	const struct model_bgp *near = &k->m->gateways[c->gateway].bgp,
			       *far = model_far_bgp(k->m, c);
	uint32_t at = k->p->n_peers++;
	char key[32];
	k->p->peers[at] = (struct plan_peer){
		.kind = PLAN_PEER_TUNNEL,
		.router = k->p->gateways[c->gateway].router,
		.of = i,
		.gateway = c->gateway,
		.local_asn = near->asn,
		.peer_asn = far->asn,
		.local = model_connection_bgp_local(k->m, c),
		.remote = far->address,
		.ipv4 = true,
		.ipv6 = far->address.family == IP_V6 ||
			model_vnet_has_v6(&k->m->vnets[k->m->gateways[c->gateway].vnet]),
		.max_prefixes = far->max_prefixes,
		.table = pc->vnet,
	};
	snprintf(key, sizeof key, "tunnel %u", pc->id);
	return take(k, PLAN_ID_PEER, key, at, &k->p->peers[at].no);
}

static int number_tunnel_peers(struct numbering *k, uint32_t router)
{
	int err = 0;
	for (uint32_t i = 0; !err && i < k->p->n_connections; i++) {
		const struct model_connection *c = &k->m->connections[k->p->connections[i].model];
		const struct plan_gateway *g = &k->p->gateways[c->gateway];
		if (c->enable_bgp && g->tun && g->router == router)
			err = number_tunnel_peer(k, i);
	}
	return err;
}

static int number_instance(struct numbering *k, uint32_t gateway)
{
	const struct model_gateway *g = &k->m->gateways[gateway];
	uint32_t at = k->p->n_peers++;
	char key[32];
	k->p->peers[at] = (struct plan_peer){
		.kind = PLAN_PEER_INSTANCE,
		.router = k->p->gateways[gateway].router,
		.of = gateway,
		.gateway = gateway,
		.local_asn = g->bgp.asn,
		.peer_asn = g->bgp.asn,
		.local = g->bgp.address,
		.remote = g->other.bgp_address,
		.ipv4 = true,
		.ipv6 = g->bgp.address.family == IP_V6 || model_vnet_has_v6(&k->m->vnets[g->vnet]),
		.max_prefixes = g->bgp.max_prefixes,
		.table = k->m->vnets[g->vnet].id,
	};
	snprintf(key, sizeof key, "instance %u", k->p->gateways[gateway].slot);
	return take(k, PLAN_ID_PEER, key, at, &k->p->peers[at].no);
}

static int number_instances(struct numbering *k, uint32_t router)
{
	int err = 0;
	for (uint32_t i = 0; !err && i < k->m->n_gateways; i++) {
		const struct plan_gateway *g = &k->p->gateways[i];
		if (g->tun && g->other && g->router == router &&
		    k->m->gateways[i].other.bgp_address.family)
			err = number_instance(k, i);
	}
	return err;
}

static int number_routers(struct numbering *k)
{
	int err = make_routers(k);
	for (uint32_t i = 0; !err && i < k->p->n_routers; i++) {
		struct plan_router *r = &k->p->routers[i];
		r->first_peer = k->p->n_peers;
		err = number_links(k, i);
		if (!err)
			err = number_tunnel_peers(k, i);
		if (!err)
			err = number_instances(k, i);
		r->n_peers = k->p->n_peers - r->first_peer;
	}
	return err;
}

static bool make_room(struct numbering *k)
{
	const struct model *m = k->m;
	struct plan *p = k->p;
	uint32_t links = 0;
	for (uint32_t i = 0; i < m->n_circuits; i++)
		links += m->circuits[i].n_peerings * 2;
	p->n_domains = m->n_circuits;
	p->domains = calloc(m->n_circuits + 1u, sizeof *p->domains);
	p->routers = calloc(m->n_gateways + 1u, sizeof *p->routers);
	p->router_gateways = calloc(m->n_gateways + 1u, sizeof *p->router_gateways);
	p->links = calloc(links + 1u, sizeof *p->links);
	p->peers = calloc(links * 2u + p->n_connections + m->n_gateways + 1u, sizeof *p->peers);
	k->set = calloc(m->n_gateways + 1u, sizeof *k->set);
	k->router_of = calloc(m->n_gateways + 1u, sizeof *k->router_of);
	k->gateway = calloc(m->n_circuits + 1u, sizeof *k->gateway);
	return p->domains && p->routers && p->router_gateways && p->links && p->peers && k->set &&
	       k->router_of && k->gateway && !model_join_gateways(m, k->set);
}

int plan_number_circuits(struct plan *p, const struct model *m, struct fault *f)
{
	struct numbering k = {.p = p, .m = m, .f = f};
	int err = make_room(&k) ? 0 : fault_set(f, -ENOMEM, "not enough memory for the plan");
	for (uint32_t i = 0; !err && i < m->n_circuits; i++)
		k.gateway[i] = MODEL_NONE;
	for (uint32_t i = m->n_connections; !err && i-- > 0;) {
		if (m->connections[i].express_route)
			k.gateway[m->connections[i].circuit] = m->connections[i].gateway;
	}
	if (!err)
		err = number_domains(&k);
	if (!err)
		err = number_tuns(&k);
	if (!err)
		err = number_routers(&k);
	free(k.set);
	free(k.router_of);
	free(k.gateway);
	return err;
}
