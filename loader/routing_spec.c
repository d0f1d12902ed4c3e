/* SPDX-License-Identifier: Apache-2.0 */
/* A router of the plan in the words of loader/router.h and control/bird_config.h. */
#include "loader/routing_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void routing_link_device(char out[BIRD_DEVICE], uint32_t link)
{
	snprintf(out, BIRD_DEVICE, "l%u", link);
}

const char *routing_bird(void)
{
	const char *other = getenv("XGW_BIRD");
	return other ? other : ROUTER_BIRD;
}

void routing_tun_device(char out[BIRD_DEVICE], uint32_t slot)
{
	snprintf(out, BIRD_DEVICE, "g%u", slot);
}

/* A name that instances side by side do not share (FNV-1a, folded). */
static void host_device(char out[BIRD_DEVICE], const char *instance, uint32_t link)
{
	uint32_t hash = 2166136261u;
	for (const char *c = instance; *c; c++)
		hash = (hash ^ (uint8_t)*c) * 16777619u;
	snprintf(out, BIRD_DEVICE, "x%04xl%u", (hash ^ hash >> 16) & 0xffff, link);
}

static void make_link(struct router_link *out, const struct routing *r, const struct plan_link *l)
{
	const struct model_circuit_peering *p =
		&r->h.model->circuits[l->circuit].peerings[l->peering];
	host_device(out->host_device, r->h.instance->name, l->id);
	routing_link_device(out->device, l->id);
	memcpy(out->mac, r->h.ports[l->port].link.mac, sizeof out->mac);
	out->mtu = l->mtu;
	for (unsigned i = 0; i < 2; i++) {
		if (!l->end[i].hop)
			continue;
		out->local[i] = (struct ip_prefix){l->end[i].local, l->end[i].len};
		out->peer[i] = l->end[i].remote;
	}
	out->bfd = p->bfd;
	out->interval_ms = p->bfd_interval_ms;
	out->multiplier = p->bfd_multiplier;
}

static void make_tun(struct router_tun *out, const struct routing *r, uint32_t gateway)
{
	const struct model_bgp *b = &r->h.model->gateways[gateway].bgp;
	const unsigned room = sizeof out->local / sizeof *out->local;
	routing_tun_device(out->device, r->h.plan->gateways[gateway].slot);
	if (b->address.family)
		out->local[out->n_local++] = b->address;
	for (uint32_t i = 0; i < b->n_custom && out->n_local < room; i++)
		out->local[out->n_local++] = b->custom[i];
}

/* Peers that are told the same form a group: those with one table. */
struct groups {
	uint32_t table[BIRD_GROUPS];
	uint32_t n;
};

static uint32_t group_number(struct groups *g, uint32_t table)
{
	uint32_t i = 0;
	while (i < g->n && g->table[i] != table)
		i++;
	if (i == BIRD_GROUPS)
		return BIRD_GROUPS;
	g->table[i] = table;
	g->n += i == g->n;
	return i;
}

/* Groups of this router's peers whose routes are told to those with this table. */
static uint64_t heard_by(const struct plan *p, uint32_t router, struct groups *g, uint32_t table)
{
	uint64_t bits = 0;
	for (uint32_t i = 0; i < p->n_members; i++) {
		const struct plan_member *m = &p->members[i];
		if (m->table != table || !m->announced)
			continue;
		const struct plan_peer *from = plan_peer(p, m->peer);
		if (from && from->router == router)
			bits |= 1ull << group_number(g, from->table);
	}
	return bits;
}

static void take_secret(struct bird_peer *out, const struct secret *s)
{
	out->secret = s->len ? s->b : NULL;
	out->secret_len = s->len;
}

static void make_link_peer(struct bird_peer *out, const struct routing *r,
			   const struct plan_link *l, const struct router_link *links)
{
	const struct model_circuit_peering *p =
		&r->h.model->circuits[l->circuit].peerings[l->peering];
	const struct plan_router *of = &r->h.plan->routers[l->router];
	out->device = links[l - &r->h.plan->links[of->first_link]].device;
	out->bfd = p->bfd;
	take_secret(out, &p->md5);
}

/*
 * What routes of IPv6 name as their next hop over a session of IPv4: BIRD and FRR take none that is
 * an IPv4 address in the clothes of one of IPv6. Behind the tunnel any address of ours will do.
 */
static struct ip_addr next_hop_of(const struct model *m, uint32_t gateway)
{
	return model_own_address6(&m->vnets[m->gateways[gateway].vnet]);
}

static void make_peer(struct bird_peer *out, const struct routing *r, const struct plan_peer *p,
		      const struct router_link *links)
{
	*out = (struct bird_peer){.number = p->no,
				  .local_asn = p->local_asn,
				  .peer_asn = p->peer_asn,
				  .local = p->local,
				  .peer = p->remote,
				  .v4 = p->ipv4,
				  .v6 = p->ipv6,
				  .import_limit = p->max_prefixes};
	if (p->kind == PLAN_PEER_LINK) {
		make_link_peer(out, r, &r->h.plan->links[p->of], links);
		return;
	}
	if (p->ipv6 && p->local.family == IP_V4)
		out->next_hop = next_hop_of(r->h.model, p->gateway);
	if (p->kind == PLAN_PEER_INSTANCE) {
		take_secret(out, &r->h.model->gateways[p->gateway].bgp.md5);
		return;
	}
	const struct plan_connection *c = &r->h.plan->connections[p->of];
	out->disabled = !standby_is_active(r->h.standby, r->h.plan->gateways[p->gateway].slot);
	take_secret(out, &model_far_bgp(r->h.model, &r->h.model->connections[c->model])->md5);
}

static int make_peers(struct routing_spec *s, const struct routing *r, uint32_t router,
		      struct groups *g, struct fault *f)
{
	const struct plan *p = r->h.plan;
	const struct plan_router *of = &p->routers[router];
	for (uint32_t i = 0; i < of->n_peers; i++) {
		const struct plan_peer *from = &p->peers[of->first_peer + i];
		uint32_t group = group_number(g, from->table);
		if (group == BIRD_GROUPS || from->no > BIRD_PEERS)
			return fault_set(f, -ENOSPC,
					 "the router of %s has more BGP sessions than %u, or "
					 "networks with such than %u",
					 of->name, BIRD_PEERS, BIRD_GROUPS);
		make_peer(&s->peers[i], r, from, s->links);
		s->peers[i].group = group;
	}
	for (uint32_t i = 0; i < of->n_peers; i++)
		s->peers[i].hears = heard_by(p, router, g, p->peers[of->first_peer + i].table);
	return 0;
}

static int by_prefix(const void *a, const void *b)
{
	const struct bird_network *x = a, *y = b;
	return memcmp(&x->prefix, &y->prefix, sizeof x->prefix);
}

/* What is typed for a connection is told to its own peer too, who has it already and nearer. */
static void make_networks(struct routing_spec *s, const struct plan *p, struct groups *g)
{
	uint32_t n = 0, kept = 0;
	for (uint32_t i = 0; i < p->n_announced; i++) {
		const struct plan_announced *a = &p->announced[i];
		for (uint32_t k = 0; k < g->n; k++) {
			if (g->table[k] == a->table)
				s->networks[n++] = (struct bird_network){.prefix = a->prefix,
									 .groups = 1ull << k,
									 .incomplete = a->hop != 0};
		}
	}
	if (n)
		qsort(s->networks, n, sizeof *s->networks, by_prefix);
	for (uint32_t i = 0; i < n; i++) {
		if (kept && !by_prefix(&s->networks[kept - 1], &s->networks[i]))
			s->networks[kept - 1].groups |= s->networks[i].groups;
		else
			s->networks[kept++] = s->networks[i];
	}
	s->spec.n_networks = kept;
}

/* RFC 6286: any number that its neighbours do not have. */
static uint32_t router_id(const struct routing *r, const struct plan_router *of)
{
	const struct plan *p = r->h.plan;
	for (uint32_t i = 0; i < of->n_peers; i++) {
		const struct ip_addr *a = &p->peers[of->first_peer + i].local;
		if (a->family == IP_V4)
			return (uint32_t)a->b[0] << 24 | (uint32_t)a->b[1] << 16 |
			       (uint32_t)a->b[2] << 8 | a->b[3];
	}
	return of->id + 1;
}

static bool reserve(struct routing_spec *s, const struct plan *p, const struct plan_router *of)
{
	s->links = calloc(of->n_links + 1, sizeof *s->links);
	s->tuns = calloc(of->n_gateways + 1, sizeof *s->tuns);
	s->peers = calloc(of->n_peers + 1, sizeof *s->peers);
	s->networks = calloc(p->n_announced + 1, sizeof *s->networks);
	return s->links && s->tuns && s->peers && s->networks;
}

int routing_spec_make(struct routing_spec *out, const struct routing *r, uint32_t router,
		      struct fault *f)
{
	const struct plan *p = r->h.plan;
	const struct plan_router *of = &p->routers[router];
	struct groups groups = {0};
	*out = (struct routing_spec){0};
	struct router_spec *s = &out->spec;
	if (!reserve(out, p, of))
		return fault_set(f, -ENOMEM, "not enough memory for the router of %s", of->name);
	snprintf(s->instance, sizeof s->instance, "%s", r->h.instance->name);
	snprintf(s->name, sizeof s->name, "%.*s", ROUTER_NAME, of->name);
	s->bird = routing_bird();
	s->router_id = router_id(r, of);
	for (uint32_t i = 0; i < of->n_links; i++)
		make_link(&out->links[i], r, &p->links[of->first_link + i]);
	for (uint32_t i = 0; i < of->n_gateways; i++) {
		uint32_t gateway = p->router_gateways[of->first_gateway + i];
		if (p->gateways[gateway].tun)
			make_tun(&out->tuns[s->n_tuns++], r, gateway);
	}
	int err = make_peers(out, r, router, &groups, f);
	if (err)
		return err;
	make_networks(out, p, &groups);
	s->links = out->links;
	s->tuns = out->tuns;
	s->peers = out->peers;
	s->networks = out->networks;
	s->n_links = of->n_links;
	s->n_peers = of->n_peers;
	return 0;
}

void routing_spec_free(struct routing_spec *s)
{
	free(s->links);
	free(s->tuns);
	free(s->peers);
	free(s->networks);
	*s = (struct routing_spec){0};
}
