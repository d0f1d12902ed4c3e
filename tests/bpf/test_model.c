// SPDX-License-Identifier: Apache-2.0
/*
 * The loaded program against a plain model: random networks (address spaces that may overlap,
 * routes, tables of user routes, peerings, choices in groups, appliances, circuits and their
 * domains, hosts on all kinds of attachments) and random packets, of hosts, of others, of
 * appliances, out of circuits. The model is written from the rules, by
 * lists that are searched from end to end, and shares nothing with the program. Each packet is
 * explained, then run twice, so that what is kept of decisions is asked too; between batches the
 * networks change. XGW_SEED=N runs one seed alone.
 */
#include "world.h"

#include <linux/bpf.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum { SEEDS = 16, BATCHES = 6, PACKETS = 400, FIRST_VNET = 7, FIRST_IN = 20 };
enum { VNETS = 4, ROUTES = 500, HOPS = 64, HOSTS = 128, INS = 16, OWN = 28, VTEPS = 4 };
enum { HOP_NONE = 2000, HOP_KERNEL, HOP_WORLD, HOP_HERE = 2010, HOP_TUNNEL = 2020 };
enum { HOP_LINK = 2030, DOMAIN = XGW_FIRST_DOMAIN + 9, DOMAINS = 2, LINKS = 4 };
enum { HOP_CHOICE = 2040, HOP_APPLIANCE = 2060, HOP_GONE = 2099, TUNNELS = 6, SPACES = 6 };
enum { HOP_INSTANCE = 2068, APPLIANCES = 8, INSTANCES = 4 };

struct m_route {
	uint32_t of; /* VNet or table */
	struct ip_prefix prefix;
	struct xgw_route is;
};
struct m_hop {
	uint32_t id;
	struct xgw_next_hop is;
};
struct m_host {
	uint32_t vnet, in;
	struct ip_addr addr;
	uint8_t mac[6];
	unsigned vtep;
};
struct m_in {
	uint32_t id, vnet, kind, tag;
	uint32_t instance; /* the next hop to another instance of the gateway, 0: there is none */
};
struct m_own {
	uint32_t vnet, in;
	struct ip_addr addr;
};

static struct world w;
static struct m_route routes[ROUTES];
static struct m_hop hops[HOPS];
static struct m_host hosts[HOSTS];
static struct m_in ins[INS];
static struct m_own own[OWN];
static unsigned n_routes, n_hops, n_hosts, n_ins, n_own, first_router, n_handed, n_of_spokes;
static const char *const vteps[VTEPS] = {"192.0.2.21", "192.0.2.22", "192.0.2.23", "192.0.2.24"};
/* the last one is a stranger to the kernel */
static const bool is_neighbour[VTEPS] = {true, true, true, false};
static uint64_t seed, state;

static uint32_t draw(uint32_t below)
{
	state ^= state >> 12;
	state ^= state << 25;
	state ^= state >> 27;
	return (uint32_t)((state * 0x2545f4914f6cdd1dull) >> 32) % below;
}

/* ---- the model ---- */

struct packet {
	unsigned in, vtep; /* of ins, of vteps */
	struct ip_addr from, to;
	uint8_t mac[6];
	uint16_t port;
};

/* Interplays that packets must have met, or the model proves nothing of them. */
enum met {
	MET_DEFAULT_TO_APPLIANCE, /* by a user's default route */
	MET_FAR_APPLIANCE,	  /* in another network than the sender's */
	MET_MEMBER,		  /* of a choice that spreads flows, */
	MET_MEMBERS_OWN,	  /* which has sent the packet itself */
	MET_SENT_ON,		  /* by an appliance, to somebody */
	MET_SENT_ON_TO_PEER,
	MET_FORWARDED_REFUSED, /* a peering without FORWARDED */
	MET_FORWARDED_TAKEN,
	MET_WITHHELD_TO_USERS, /* a user's shorter route counts, or */
	MET_WITHHELD_TO_NONE,  /* none */
	MET_GATEWAYS_ANYWAY,   /* the user's route leads to the gateway */
	METS
};
static const char *const mets[METS] = {
	"a default route to an appliance",
	"an appliance of another network",
	"an appliance that a flow chooses",
	"an appliance that a flow of its own chooses",
	"what an appliance sends on",
	"what an appliance sends on into a peer",
	"a peering that takes nothing forwarded",
	"a peering that takes what is forwarded",
	"a withheld route and a user's",
	"a withheld route alone",
	"a withheld route and a user's to the gateway",
};
static unsigned met[METS];

struct answer {
	unsigned drop, kind;
	bool by_table;
	unsigned n_members; /* TUNNEL: any of these connections */
	uint32_t member[4];
	const struct m_host *host; /* LOCAL, APPLIANCE */
	const struct xgw_next_hop *appliance;
	unsigned n_apps; /* APPLIANCE, or a choice: any of these */
	const struct xgw_next_hop *app[4];
	unsigned n_links; /* CIRCUIT, or a choice: the router of any of these links */
	const struct m_host *link[4];
};

static const struct m_route *longest(uint32_t of, const struct ip_addr *a)
{
	const struct m_route *best = NULL;

	for (unsigned i = 0; i < n_routes; i++)
		if (routes[i].of == of && ip_prefix_contains(&routes[i].prefix, a) &&
		    (!best || routes[i].prefix.len > best->prefix.len))
			best = &routes[i];
	return best;
}

static bool lives_in(uint32_t vnet, const struct ip_addr *a)
{
	const struct m_route *r = longest(vnet, a);

	return r && r->is.flags & XGW_ROUTE_LOCAL;
}

static const struct xgw_next_hop *hop_of(uint32_t id)
{
	for (unsigned i = 0; i < n_hops; i++)
		if (hops[i].id == id)
			return &hops[i].is;
	return NULL;
}

static const struct m_host *host_at(uint32_t vnet, const struct ip_addr *a)
{
	for (unsigned i = 0; i < n_hosts; i++)
		if (hosts[i].vnet == vnet && ip_addr_equal(&hosts[i].addr, a))
			return &hosts[i];
	return NULL;
}

static const struct m_own *own_at(uint32_t vnet, const struct ip_addr *a)
{
	for (unsigned i = 0; i < n_own; i++)
		if (own[i].vnet == vnet && ip_addr_equal(&own[i].addr, a))
			return &own[i];
	return NULL;
}

static struct answer drop(unsigned why)
{
	return (struct answer){.drop = why};
}

static struct answer deliver(const struct packet *p, uint32_t vnet, const struct ip_addr *to,
			     unsigned kind)
{
	const struct m_host *h = host_at(vnet, to);

	(void)p;
	if (!h)
		return drop(XGW_DROP_NO_ENDPOINT);
	for (unsigned i = 0; i < n_ins; i++)
		if (ins[i].id == h->in && ins[i].kind == XGW_TAG_VXLAN && !is_neighbour[h->vtep])
			return drop(XGW_DROP_NO_NEIGHBOUR);
	return (struct answer){.kind = kind, .host = h};
}

static bool is_link(const struct m_in *in)
{
	return in->vnet >= DOMAIN;
}

static const struct m_host *router_of(const struct xgw_next_hop *h)
{
	struct ip_addr a = ip_addr_from_mapped(h->address);

	return host_at(h->vnet, &a);
}

static void may_take(struct answer *a, const struct xgw_next_hop *h)
{
	if (h->kind == XGW_HOP_CIRCUIT)
		a->link[a->n_links++] = router_of(h);
	else if (h->kind == XGW_HOP_APPLIANCE)
		a->app[a->n_apps++] = h;
	else
		a->member[a->n_members++] = h->connection;
	a->kind = h->kind;
}

static struct answer to_appliance(const struct packet *p, const struct xgw_next_hop *h)
{
	struct ip_addr to = ip_addr_from_mapped(h->address);

	return deliver(p, h->vnet, &to, XGW_HOP_APPLIANCE);
}

/* What is no choice of flows is decided before it is asked who has sent the packet. */
static struct answer alone(const struct packet *p, const struct xgw_next_hop *c, struct answer a)
{
	const struct xgw_next_hop *h = a.app[0];

	if (c->flags & XGW_HOP_SPREAD || !a.n_apps)
		return a;
	a = to_appliance(p, h);
	a.appliance = h;
	return a;
}

static struct answer choose(const struct packet *p, const struct xgw_next_hop *c, bool has_circuits)
{
	const struct xgw_next_hop *h;
	struct answer up = {0};

	for (unsigned i = 0; i < 4 && c->member[i]; i++) {
		bool begins = !(c->flags & XGW_HOP_SPREAD) || (i && c->groups & (1u << i));

		if (begins && up.kind)
			break;
		h = hop_of(c->member[i]);
		if (h && h->kind != XGW_HOP_CHOICE && h->flags & XGW_HOP_UP &&
		    (has_circuits || h->kind != XGW_HOP_CIRCUIT))
			may_take(&up, h);
	}
	if (up.kind)
		return alone(p, c, up);
	/* none is up: the first */
	h = c->member[0] ? hop_of(c->member[0]) : NULL;
	if (!h || h->kind == XGW_HOP_CHOICE || (!has_circuits && h->kind == XGW_HOP_CIRCUIT))
		return drop(XGW_DROP_NO_NEXT_HOP);
	may_take(&up, h);
	return alone(p, c, up);
}

static struct answer follow(const struct packet *p, const struct xgw_next_hop *h)
{
	const struct m_in *in = &ins[p->in];
	struct answer a = {.kind = h->kind};

	switch (h->kind) {
	case XGW_HOP_DROP: return drop(XGW_DROP_ROUTE_NONE);
	case XGW_HOP_GATEWAY: return in->kind == XGW_TAG_NONE ? a : drop(XGW_DROP_UNANSWERED);
	case XGW_HOP_INTERNET: return in->kind == XGW_TAG_VXLAN ? drop(XGW_DROP_INTERNET) : a;
	case XGW_HOP_LOCAL: return deliver(p, h->vnet, &p->to, XGW_HOP_LOCAL);
	case XGW_HOP_CHOICE: return choose(p, h, true);
	case XGW_HOP_CIRCUIT:
		a.n_links = 1;
		a.link[0] = router_of(h);
		return a;
	case XGW_HOP_TUNNEL:
		a.n_members = 1;
		a.member[0] = h->connection;
		return a;
	default: break;
	}
	a = to_appliance(p, h);
	a.appliance = h;
	return a;
}

/* Neither the network's own nor a peer's. */
static bool is_gateways(const struct m_route *r)
{
	return r->is.source != XGW_ROUTE_SYSTEM && r->is.source != XGW_ROUTE_PEERING;
}

/* The route that counts for a host of that subnet, and whether it is a user's. */
static const struct m_route *route_of(uint32_t vnet, const struct m_route *subnet,
				      const struct ip_addr *to, bool *users)
{
	const struct m_route *r = longest(vnet, to), *u = NULL;

	if (subnet && subnet->is.table)
		u = longest(subnet->is.table, to);
	if (subnet && subnet->is.flags & XGW_ROUTE_WITHHELD && r && is_gateways(r)) {
		bool anyway = u && u->is.flags & XGW_ROUTE_GATEWAY;

		met[MET_GATEWAYS_ANYWAY] += anyway && u->prefix.len < r->prefix.len;
		met[MET_WITHHELD_TO_USERS] += u && !anyway && u->prefix.len < r->prefix.len;
		met[MET_WITHHELD_TO_NONE] += !u;
		r = anyway ? r : NULL;
	}
	*users = u && (!r || u->prefix.len >= r->prefix.len);
	return *users ? u : r;
}

/* A host of the VNet sends; its subnet's route may name a table of user routes. */
static struct answer from_host(const struct packet *p, const struct m_route *subnet)
{
	const struct m_in *in = &ins[p->in];
	bool users;
	const struct m_route *r = route_of(in->vnet, subnet, &p->to, &users);
	const struct m_own *mine = own_at(in->vnet, &p->to);
	const struct xgw_next_hop *h;
	struct answer a;

	if (r && r->is.source == XGW_ROUTE_PEERING && r->is.flags & XGW_ROUTE_TRANSIT)
		return drop(XGW_DROP_PEERING);
	if (mine && in->kind == XGW_TAG_NONE && mine->in == in->id)
		return (struct answer){.kind = XGW_HOP_GATEWAY};
	if (mine)
		return drop(XGW_DROP_UNANSWERED);
	if (!r)
		return drop(XGW_DROP_NO_ROUTE);
	h = hop_of(r->is.next_hop);
	if (!h)
		return drop(XGW_DROP_NO_NEXT_HOP);
	a = follow(p, h);
	a.by_table = users;
	met[MET_DEFAULT_TO_APPLIANCE] += users && !r->prefix.len && a.kind == XGW_HOP_APPLIANCE;
	met[MET_FAR_APPLIANCE] += a.appliance && a.appliance->vnet != in->vnet;
	return a;
}

/* The source is no host of the VNet: only peerings that say so take that. */
static struct answer forwarded(const struct packet *p)
{
	const struct m_in *in = &ins[p->in];
	const struct m_route *r = longest(in->vnet, &p->to);
	const struct m_own *mine = own_at(in->vnet, &p->to);
	const struct xgw_next_hop *h;

	if (mine && in->kind == XGW_TAG_NONE && mine->in == in->id)
		return (struct answer){.kind = XGW_TRACE_PASS};
	if (!r || r->is.source != XGW_ROUTE_PEERING)
		return drop(XGW_DROP_SOURCE);
	if (r->is.flags & XGW_ROUTE_TRANSIT || !(r->is.flags & XGW_ROUTE_FORWARDED)) {
		met[MET_FORWARDED_REFUSED] += !(r->is.flags & XGW_ROUTE_FORWARDED);
		return drop(XGW_DROP_PEERING);
	}
	h = hop_of(r->is.next_hop);
	if (!h)
		return drop(XGW_DROP_NO_NEXT_HOP);
	if (h->kind != XGW_HOP_LOCAL || lives_in(h->vnet, &p->from))
		return drop(XGW_DROP_SOURCE);
	met[MET_FORWARDED_TAKEN]++;
	return follow(p, h);
}

static bool sent_by(const struct packet *p, const struct xgw_next_hop *appliance)
{
	const struct m_in *in = &ins[p->in];
	struct ip_addr addr;
	const struct m_host *h;

	if (!appliance || appliance->vnet != in->vnet)
		return false;
	addr = ip_addr_from_mapped(appliance->address);
	h = host_at(in->vnet, &addr);
	return h && h->in == in->id && !memcmp(h->mac, p->mac, 6) &&
	       (in->kind != XGW_TAG_VXLAN || h->vtep == p->vtep);
}

/* What an appliance sends on goes by its own subnet's table, and never to itself. */
static struct answer from_appliance(const struct packet *p, const struct answer *to)
{
	struct ip_addr addr = ip_addr_from_mapped(to->appliance->address);
	bool instance = to->appliance->flags & XGW_HOP_INSTANCE;
	const struct m_route *home = longest(ins[p->in].vnet, instance ? &p->from : &addr);
	struct answer a = from_host(p, home);

	met[MET_SENT_ON] += !a.drop;
	met[MET_SENT_ON_TO_PEER] += a.kind == XGW_HOP_LOCAL && a.host->vnet != ins[p->in].vnet;
	return sent_by(p, a.appliance) ? drop(XGW_DROP_LOOP) : a;
}

/*
 * Another instance of the gateway sends for somebody who is no host of the VNet: of a peered one,
 * as if its host had sent it here; else as a tunnel's packets go. Into tunnels and circuits alone.
 */
static struct answer handed(const struct packet *p, const struct xgw_next_hop *by)
{
	uint32_t vnet = ins[p->in].vnet, table = by->table;
	const struct m_route *r = longest(vnet, &p->from), *u;
	const struct xgw_next_hop *h = r ? hop_of(r->is.next_hop) : NULL;
	bool has_circuits = by->flags & XGW_HOP_BRANCHES;
	struct answer a;

	if (r && (!h || h->kind == XGW_HOP_GATEWAY))
		return drop(XGW_DROP_SOURCE);
	if (h && h->kind == XGW_HOP_LOCAL) {
		if (!lives_in(h->vnet, &p->from))
			return drop(XGW_DROP_SOURCE);
		vnet = h->vnet;
		table = longest(vnet, &p->from)->is.table;
		has_circuits = true;
	}
	r = longest(vnet, &p->to);
	u = table ? longest(table, &p->to) : NULL;
	bool users = u && (!r || u->prefix.len >= r->prefix.len);
	if (users)
		r = u;
	if (!r)
		return drop(XGW_DROP_NO_ROUTE);
	h = hop_of(r->is.next_hop);
	if (!h)
		return drop(XGW_DROP_NO_NEXT_HOP);
	if (h->kind == XGW_HOP_CIRCUIT && !has_circuits)
		return drop(XGW_DROP_BRANCH);
	if (h->kind == XGW_HOP_CHOICE)
		a = choose(p, h, has_circuits);
	else if (h->kind == XGW_HOP_TUNNEL || h->kind == XGW_HOP_CIRCUIT ||
		 h->flags & XGW_HOP_INSTANCE)
		a = follow(p, h);
	else
		return drop(XGW_DROP_SOURCE);
	a.by_table = users;
	n_handed += !a.drop;
	n_of_spokes += !a.drop && vnet != ins[p->in].vnet;
	return sent_by(p, a.appliance) ? drop(XGW_DROP_LOOP) : a;
}

/* The configuration says that the attachment has hosts behind this VTEP. */
static bool is_told(const struct m_in *in, unsigned vtep)
{
	return (in->id + vtep) % VTEPS != 0;
}

/* VXLAN comes from the host where the source lives; forwarded, from any that may be. */
static bool is_right_vtep(const struct packet *p, bool for_others)
{
	const struct m_in *in = &ins[p->in];
	const struct m_host *h = host_at(in->vnet, &p->from);

	if (in->kind != XGW_TAG_VXLAN)
		return true;
	return for_others ? is_told(in, p->vtep) : h && h->in == in->id && h->vtep == p->vtep;
}

/* Out of a circuit's link: its domain decides alone, and nobody may pretend to be inside. */
static struct answer from_link(const struct packet *p)
{
	const struct m_in *in = &ins[p->in];
	const struct m_route *r = longest(in->vnet, &p->from);
	const struct xgw_next_hop *h = r ? hop_of(r->is.next_hop) : NULL;
	struct answer a = {.kind = XGW_HOP_GATEWAY};

	if (own_at(in->vnet, &p->to))
		return a;
	if (h && (h->kind == XGW_HOP_LOCAL || h->kind == XGW_HOP_GATEWAY))
		return drop(XGW_DROP_CIRCUIT_SOURCE);
	r = longest(in->vnet, &p->to);
	if (!r)
		return drop(XGW_DROP_NO_ROUTE);
	h = hop_of(r->is.next_hop);
	if (!h)
		return drop(XGW_DROP_NO_NEXT_HOP);
	if (h->kind == XGW_HOP_GATEWAY)
		return a;
	if (h->kind == XGW_HOP_INTERNET)
		return drop(XGW_DROP_INTERNET);
	a = follow(p, h);
	a.appliance = NULL;
	return a.host && a.host->in == in->id ? drop(XGW_DROP_LOOP) : a;
}

static struct answer judge(const struct packet *p)
{
	const struct m_in *in = &ins[p->in];

	if (is_link(in))
		return from_link(p);
	bool for_others = !lives_in(in->vnet, &p->from);
	struct answer a = for_others ? forwarded(p) : from_host(p, longest(in->vnet, &p->from));

	const struct xgw_next_hop *other = in->instance ? hop_of(in->instance) : NULL;

	if (a.drop == XGW_DROP_SOURCE && sent_by(p, other))
		return handed(p, other);
	if (sent_by(p, a.appliance)) {
		a = from_appliance(p, &a);
		for_others = true;
	}
	if (a.drop != XGW_DROP_SOURCE && !is_right_vtep(p, for_others))
		return drop(XGW_DROP_VTEP);
	return a;
}

/* ---- random networks ---- */

static struct ip_addr draw_addr(uint32_t space)
{
	bool is_v4 = draw(3) != 0;
	struct ip_addr a = {.family = is_v4 ? IP_V4 : IP_V6};

	a.b[0] = is_v4 ? 10 : 0xfd;
	a.b[1] = (uint8_t)space;
	a.b[2] = (uint8_t)draw(3);
	a.b[is_v4 ? 3 : 15] = (uint8_t)draw(4);
	return a;
}

static struct ip_prefix draw_prefix(uint32_t space)
{
	static const uint8_t v4[] = {0, 8, 14, 16, 16, 22, 24, 24, 30, 31, 32, 32};
	static const uint8_t v6[] = {0, 8, 14, 16, 16, 22, 24, 24, 126, 127, 128, 128};
	struct ip_prefix p = {.addr = draw_addr(space)};

	p.len = p.addr.family == IP_V4 ? v4[draw(12)] : v6[draw(12)];
	return ip_prefix_canonical(p);
}

/* The first one of a prefix stays. */
static void add_route(uint32_t of, struct ip_prefix prefix, struct xgw_route is)
{
	for (unsigned i = 0; i < n_routes; i++)
		if (routes[i].of == of && ip_prefix_equal(&routes[i].prefix, &prefix))
			return;
	if (n_routes == ROUTES)
		return;
	is.plen = prefix.len;
	is.family = prefix.addr.family;
	must(maps_route_put(&w.maps, of, &prefix, &is) == 0);
	routes[n_routes++] = (struct m_route){of, prefix, is};
}

static void add_hop(uint32_t id, struct xgw_next_hop is)
{
	must(n_hops < HOPS);
	must(maps_put(&w.maps, MAPS_next_hops, &id, &is) == 0);
	hops[n_hops++] = (struct m_hop){id, is};
}

static uint32_t draw_member(void)
{
	uint32_t d = draw(15);

	return d == 0	? HOP_GONE
	       : d == 1 ? HOP_CHOICE + draw(4)
	       : d < 6	? HOP_LINK + draw(LINKS)
	       : d < 9	? HOP_INSTANCE + draw(INSTANCES)
			: HOP_TUNNEL + draw(TUNNELS);
}

/* Somebody on a plain or VLAN attachment that has none yet is another instance of its gateway. */
static void make_instance(uint32_t id)
{
	const struct m_host *at = &hosts[draw(n_hosts)];
	struct m_in *in = &ins[at->in - FIRST_IN];
	struct xgw_next_hop h = {.kind = XGW_HOP_APPLIANCE,
				 .vnet = at->vnet,
				 .flags = XGW_HOP_UP | XGW_HOP_INSTANCE |
					  (draw(2) ? XGW_HOP_BRANCHES : 0)};
	struct xgw_attachment a;

	while (is_link(in) || in->kind == XGW_TAG_VXLAN) {
		at = &hosts[draw(n_hosts)];
		in = &ins[at->in - FIRST_IN];
	}
	h.vnet = at->vnet;
	h.table = draw(2) ? XGW_FIRST_TABLE + draw(2 * VNETS) : 0;
	ip_addr_to_mapped(&at->addr, h.address);
	add_hop(id, h);
	in->instance = id;
	must(maps_get(&w.maps, MAPS_attachments, &in->id, &a) == 0);
	a.instance = id;
	must(maps_put(&w.maps, MAPS_attachments, &in->id, &a) == 0);
}

static void make_hops(void)
{
	add_hop(HOP_NONE, (struct xgw_next_hop){.kind = XGW_HOP_DROP});
	add_hop(HOP_KERNEL, (struct xgw_next_hop){.kind = XGW_HOP_GATEWAY});
	add_hop(HOP_WORLD, (struct xgw_next_hop){.kind = XGW_HOP_INTERNET});
	for (unsigned i = 0; i < VNETS; i++)
		add_hop(HOP_HERE + i,
			(struct xgw_next_hop){.kind = XGW_HOP_LOCAL, .vnet = FIRST_VNET + i});
	for (unsigned i = 0; i < TUNNELS; i++)
		add_hop(HOP_TUNNEL + i, (struct xgw_next_hop){.kind = XGW_HOP_TUNNEL,
							      .connection = HOP_TUNNEL + i,
							      .flags = draw(2)});
	for (unsigned i = 0; i < LINKS; i++) {
		const struct m_host *router = &hosts[first_router + i];
		struct xgw_next_hop h = {
			.kind = XGW_HOP_CIRCUIT, .vnet = router->vnet, .flags = draw(2)};

		ip_addr_to_mapped(&router->addr, h.address);
		add_hop(HOP_LINK + i, h);
	}
	for (unsigned i = 0; i < 8; i++) {
		struct xgw_next_hop h = {.kind = XGW_HOP_CHOICE,
					 .flags = i & 1 ? XGW_HOP_SPREAD : 0,
					 .groups = draw(16)};

		for (unsigned n = draw(5), k = 0; k < n; k++)
			h.member[k] = draw_member();
		add_hop(HOP_CHOICE + i, h);
	}
	for (unsigned i = 0; i < APPLIANCES; i++) {
		const struct m_host *at = &hosts[draw(n_hosts)];
		struct ip_addr nobody = draw_addr(5);
		struct xgw_next_hop h = {.kind = XGW_HOP_APPLIANCE, .vnet = at->vnet};

		ip_addr_to_mapped(draw(8) ? &at->addr : &nobody, h.address);
		add_hop(HOP_APPLIANCE + i, h);
	}
	for (unsigned i = 0; i < INSTANCES; i++)
		make_instance(HOP_INSTANCE + i);
}

static uint32_t draw_hop(void)
{
	switch (draw(11)) {
	case 10: return HOP_LINK + draw(LINKS);
	case 0: return HOP_NONE + draw(3);
	case 1: return HOP_GONE;
	case 2:
	case 3: return HOP_CHOICE + draw(8);
	case 4:
	case 5: return HOP_APPLIANCE + draw(APPLIANCES + INSTANCES);
	case 6:
	case 7: return HOP_HERE + draw(VNETS);
	default: return HOP_TUNNEL + draw(TUNNELS);
	}
}

static void add_in(uint32_t vnet, uint32_t kind)
{
	struct m_in *x = &ins[n_ins];
	struct xgw_attachment a = {.kind = kind, .vnet = vnet};

	*x = (struct m_in){FIRST_IN + n_ins, vnet, kind, kind ? 100 + n_ins : 0, 0};
	a.id = x->id;
	a.flags = kind ? XGW_ATTACHMENT_ANSWERS : 0;
	world_attachment(&w, a, kind == XGW_TAG_VXLAN ? "192.0.2.1" : NULL, x->tag);
	for (unsigned i = 0; kind == XGW_TAG_VXLAN && i < VTEPS; i++) {
		char prefix[64];

		snprintf(prefix, sizeof(prefix), "%s/32", vteps[i]);
		if (is_told(x, i))
			world_vtep(&w, x->id, prefix);
	}
	n_ins++;
}

/* The gateway's own address there, with the route that the plan gives it. */
static void add_own(const struct m_in *in, uint32_t space)
{
	struct xgw_address_key key = {.vnet = in->vnet};
	struct xgw_address value = {.attachment = in->id};
	struct ip_addr a = draw_addr(space);
	struct ip_prefix alone = {a, (uint8_t)ip_addr_bits(&a)};

	if (own_at(in->vnet, &a) || n_own == OWN)
		return;
	ip_addr_to_mapped(&a, key.addr);
	must(maps_put(&w.maps, MAPS_addresses, &key, &value) == 0);
	own[n_own++] = (struct m_own){in->vnet, in->id, a};
	add_route(in->vnet, alone, (struct xgw_route){.next_hop = HOP_KERNEL});
}

static void add_host(const struct m_in *in, uint32_t space)
{
	struct xgw_endpoint_key key = {.vnet = in->vnet};
	struct xgw_endpoint e = {.attachment = in->id, .flags = XGW_ENDPOINT_STATIC};
	struct m_host *h = &hosts[n_hosts];

	*h = (struct m_host){.vnet = in->vnet, .in = in->id, .addr = draw_addr(space)};
	if (host_at(in->vnet, &h->addr))
		return;
	must(n_hosts < HOSTS - 1);
	h->mac[0] = 2;
	h->mac[5] = (uint8_t)(1 + n_hosts);
	h->vtep = draw(VTEPS);
	ip_addr_to_mapped(&h->addr, key.addr);
	memcpy(e.mac, h->mac, 6);
	if (in->kind == XGW_TAG_VXLAN)
		world_mapped(e.vtep, vteps[h->vtep]);
	must(maps_put(&w.maps, MAPS_endpoints, &key, &e) == 0);
	n_hosts++;
}

static struct ip_prefix space_of(enum ip_family family, uint32_t space, unsigned len)
{
	struct ip_prefix p = {.len = (uint8_t)len};

	p.addr.family = (uint8_t)family;
	p.addr.b[0] = family == IP_V4 ? 10 : 0xfd;
	p.addr.b[1] = (uint8_t)space;
	p.addr.b[2] = len > 16 ? (uint8_t)draw(3) : 0;
	return p;
}

/* A link of a domain, its provider's router, and our own address there. */
static void make_link(uint32_t i)
{
	struct m_in *x = &ins[n_ins++];
	struct m_host *router = &hosts[n_hosts++];
	struct xgw_attachment a = {.id = FIRST_IN + n_ins - 1,
				   .vnet = DOMAIN + i % DOMAINS,
				   .ifindex = w.ifindex[ER],
				   .port_id = ER,
				   .kind = i & 2 ? XGW_TAG_QINQ : XGW_TAG_VLAN,
				   .tag = i & 2 ? XGW_QINQ(200 + i, 300) : 100 + i,
				   .mtu = 1500,
				   .flags = XGW_ATTACHMENT_LINK,
				   .local_ifindex = w.ifindex[LINK]};
	struct xgw_tag_key key = {w.ifindex[ER], a.kind, a.tag};
	struct xgw_endpoint_key where = {.vnet = a.vnet};
	struct xgw_endpoint e = {.attachment = a.id, .flags = XGW_ENDPOINT_KERNEL};

	frame_mac(a.mac, ER_MAC);
	*x = (struct m_in){a.id, a.vnet, a.kind, a.tag, 0};
	must(maps_put(&w.maps, MAPS_attachments, &a.id, &a) == 0);
	must(maps_put(&w.maps, MAPS_attachments_in, &key, &a.id) == 0);
	*router = (struct m_host){.vnet = a.vnet, .in = a.id, .mac = {2, 1, 0, 0, 0, (uint8_t)i}};
	router->addr = (struct ip_addr){.family = IP_V4, .b = {172, 31, 0, (uint8_t)(i * 4 + 1)}};
	ip_addr_to_mapped(&router->addr, where.addr);
	memcpy(e.mac, router->mac, 6);
	must(maps_put(&w.maps, MAPS_endpoints, &where, &e) == 0);
	add_own(x, draw(SPACES));
}

static void make_domain(uint32_t domain, const uint32_t *space)
{
	for (unsigned i = 0; i < VNETS; i++) {
		const struct xgw_route r = {.next_hop = HOP_HERE + i};

		if (draw(3))
			add_route(domain, space_of(IP_V4, space[i], 16), r);
		if (draw(3))
			add_route(domain, space_of(IP_V6, space[i], 16), r);
	}
	for (unsigned n = draw(20); n; n--)
		add_route(domain, draw_prefix(draw(SPACES)),
			  (struct xgw_route){.next_hop = draw_hop(), .source = XGW_ROUTE_BGP});
}

static void make_vnet(uint32_t i, uint32_t space)
{
	uint32_t vnet = FIRST_VNET + i, first = n_ins;

	if (i == 0)
		add_in(vnet, XGW_TAG_NONE);
	for (unsigned n = 1 + draw(2); n; n--)
		add_in(vnet, XGW_TAG_VLAN + draw(2));
	for (; first < n_ins; first++) {
		add_own(&ins[first], space);
		for (unsigned n = 0; n < 8; n++)
			add_host(&ins[first], space);
	}
}

static void make_peering(uint32_t vnet, uint32_t to, uint32_t space)
{
	const struct xgw_route r = {.next_hop = draw(8) ? HOP_HERE + to : draw_hop(),
				    .source = XGW_ROUTE_PEERING,
				    .flags = (uint8_t)((draw(2) ? XGW_ROUTE_FORWARDED : 0) |
						       (draw(4) ? 0 : XGW_ROUTE_TRANSIT))};

	struct ip_prefix prefix = space_of(draw(2) ? IP_V4 : IP_V6, space, draw(2) ? 16 : 24);
	uint32_t by = HOP_APPLIANCE + draw(8);
	const struct xgw_next_hop *h = hop_of(by);

	add_route(vnet, prefix, r);
	/* some subnets have an appliance of the network between themselves and the peer */
	if (h && h->vnet == vnet)
		add_route(XGW_FIRST_TABLE + 2 * (vnet - FIRST_VNET), prefix,
			  (struct xgw_route){.next_hop = by, .source = XGW_ROUTE_USER});
}

static void add_users(uint32_t table)
{
	add_route(table, draw_prefix(draw(SPACES)),
		  (struct xgw_route){.next_hop = draw_hop(),
				     .source = XGW_ROUTE_USER,
				     .flags = draw(3) ? 0 : XGW_ROUTE_GATEWAY});
}

static void make_routes(uint32_t i, const uint32_t *space)
{
	uint32_t vnet = FIRST_VNET + i, table = XGW_FIRST_TABLE + 2 * i;
	struct xgw_route local = {.next_hop = HOP_HERE + i, .flags = XGW_ROUTE_LOCAL};

	add_route(vnet, space_of(IP_V4, space[i], 16), local);
	add_route(vnet, space_of(IP_V6, space[i], 16), local);
	for (unsigned n = 0; n < 4; n++) {
		local.table = table + draw(2);
		local.flags = XGW_ROUTE_LOCAL | (draw(3) ? 0 : XGW_ROUTE_WITHHELD);
		add_route(vnet, space_of(n & 1 ? IP_V4 : IP_V6, space[i], 24), local);
	}
	for (unsigned n = draw(6); n; n--) {
		uint32_t to = draw(VNETS);

		make_peering(vnet, to, space[to]);
	}
	for (unsigned n = draw(20); n; n--)
		add_route(vnet, draw_prefix(draw(SPACES)),
			  (struct xgw_route){.next_hop = draw_hop(),
					     .source = draw(2) ? XGW_ROUTE_STATIC : XGW_ROUTE_BGP});
	for (unsigned n = draw(20); n; n--)
		add_users(table + draw(2));
}

static void make_networks(void)
{
	uint32_t space[VNETS];

	for (unsigned i = 0; i < VNETS; i++) {
		/* tenants may use the same addresses */
		space[i] = i && !draw(4) ? space[i - 1] : i;
		make_vnet(i, space[i]);
	}
	first_router = n_hosts;
	for (unsigned i = 0; i < LINKS; i++)
		make_link(i);
	make_hops();
	for (unsigned i = 0; i < VNETS; i++)
		make_routes(i, space);
	for (unsigned i = 0; i < DOMAINS; i++)
		make_domain(DOMAIN + i, space);
	for (unsigned i = 0; i < VTEPS; i++)
		if (is_neighbour[i])
			world_neighbour(&w, vteps[i]);
}

static void remove_route(unsigned i)
{
	must(maps_route_delete(&w.maps, routes[i].of, &routes[i].prefix) == 0);
	routes[i] = routes[--n_routes];
}

static void forget_networks(void)
{
	while (n_routes)
		remove_route(0);
	for (; n_hops; n_hops--)
		must(maps_delete(&w.maps, MAPS_next_hops, &hops[n_hops - 1].id) == 0);
	for (; n_hosts; n_hosts--) {
		struct xgw_endpoint_key key = {.vnet = hosts[n_hosts - 1].vnet};

		ip_addr_to_mapped(&hosts[n_hosts - 1].addr, key.addr);
		must(maps_delete(&w.maps, MAPS_endpoints, &key) == 0);
	}
	for (; n_own; n_own--) {
		struct xgw_address_key key = {.vnet = own[n_own - 1].vnet};

		ip_addr_to_mapped(&own[n_own - 1].addr, key.addr);
		must(maps_delete(&w.maps, MAPS_addresses, &key) == 0);
	}
	for (; n_ins; n_ins--) {
		const struct m_in *x = &ins[n_ins - 1];
		struct xgw_tag_key key = {w.ifindex[is_link(x) ? ER : LAN], x->kind, x->tag};

		must(maps_delete(&w.maps, MAPS_attachments_in, &key) == 0);
	}
}

/* Tunnels come and go, routes too; packets of before must not be judged by what was. */
static void change_networks(void)
{
	for (unsigned i = 0; i < n_hops; i++) {
		if ((hops[i].is.kind != XGW_HOP_TUNNEL && hops[i].is.kind != XGW_HOP_CIRCUIT) ||
		    draw(2))
			continue;
		hops[i].is.flags ^= XGW_HOP_UP;
		must(maps_put(&w.maps, MAPS_next_hops, &hops[i].id, &hops[i].is) == 0);
	}
	for (unsigned n = draw(8), i; n && n_routes > 20; n--) {
		i = draw(n_routes);
		/* the gateway's own addresses have theirs as long as they are there */
		if (routes[i].is.next_hop != HOP_KERNEL)
			remove_route(i);
	}
	for (unsigned n = draw(8); n; n--)
		add_route(FIRST_VNET + draw(VNETS), draw_prefix(draw(SPACES)),
			  (struct xgw_route){.next_hop = draw_hop(),
					     .source = XGW_ROUTE_PEERING - draw(4),
					     .flags = XGW_ROUTE_FORWARDED});
	for (unsigned n = draw(8); n; n--)
		add_route(DOMAIN + draw(DOMAINS), draw_prefix(draw(SPACES)),
			  (struct xgw_route){.next_hop = draw_hop(), .source = XGW_ROUTE_BGP});
	for (unsigned n = draw(8); n; n--)
		add_users(XGW_FIRST_TABLE + draw(2 * VNETS));
	maps_bump(&w.maps);
}

/* ---- packets ---- */

static struct ip_addr draw_party(uint32_t vnet)
{
	const struct m_host *h = &hosts[draw(n_hosts)];

	/* mostly somebody who is there, and half of the time of this network */
	for (unsigned i = 0; i < 4 && draw(2) && h->vnet != vnet; i++)
		h = &hosts[draw(n_hosts)];
	if (draw(12) == 0)
		return own[draw(n_own)].addr;
	return draw(3) ? h->addr : draw_addr(draw(SPACES));
}

/* Of hosts of the VNet, one whose subnet asks that table. */
static const struct m_host *sender_of(uint32_t vnet, uint32_t table)
{
	const struct m_host *found = NULL;

	for (unsigned n = 1, i = 0; i < n_hosts; i++) {
		const struct m_route *r = longest(vnet, &hosts[i].addr);

		if (hosts[i].vnet == vnet && r && r->is.table == table && !draw(n))
			found = &hosts[i], n++;
	}
	return found;
}

/*
 * What an appliance of the sender's network would send on: a route leads to it, from a subnet that
 * asks that table, or none, to somebody whom the route covers. False: this one leads to no such.
 */
static bool draw_sent_on(struct packet *p)
{
	const struct m_route *r = &routes[draw(n_routes)];
	const struct xgw_next_hop *h = hop_of(r->is.next_hop);
	bool is_table = r->of >= XGW_FIRST_TABLE;
	uint32_t vnet = is_table ? FIRST_VNET + (r->of - XGW_FIRST_TABLE) / 2 : r->of;
	const struct m_host *from, *sender;

	if (h && h->kind == XGW_HOP_CHOICE)
		h = hop_of(h->member[draw(4)]);
	if (r->of >= XGW_FIRST_DOMAIN || !h || h->kind != XGW_HOP_APPLIANCE || h->vnet != vnet)
		return false;
	sender = router_of(h);
	from = sender_of(vnet, is_table ? r->of : 0);
	if (!sender || !from || from->addr.family != r->prefix.addr.family)
		return false;
	p->from = from->addr;
	for (unsigned i = 0; i < 20 && !ip_prefix_contains(&r->prefix, &p->to); i++)
		p->to = draw_party(vnet);
	if (!ip_prefix_contains(&r->prefix, &p->to))
		return false;
	for (unsigned i = 0; i < n_ins; i++)
		if (ins[i].id == sender->in)
			p->in = i;
	memcpy(p->mac, sender->mac, 6);
	p->vtep = sender->vtep;
	return true;
}

static struct packet draw_packet(void)
{
	struct packet p = {.in = draw(n_ins), .vtep = draw(VTEPS), .port = (uint16_t)draw(65536)};
	const struct m_host *sender;

	for (unsigned i = draw(4) ? 0 : 50; i; i--)
		if (draw_sent_on(&p))
			return p;
	do {
		p.from = draw_party(ins[p.in].vnet);
		p.to = draw_party(ins[p.in].vnet);
	} while (p.from.family != p.to.family);
	sender = host_at(ins[p.in].vnet, &p.from);
	/* or what an appliance would send on */
	if (!sender || draw(3) == 0) {
		const struct xgw_next_hop *h = hop_of(HOP_APPLIANCE + draw(APPLIANCES + INSTANCES));
		must(h);
		struct ip_addr a = ip_addr_from_mapped(h->address);

		sender = host_at(h->vnet, &a) ? host_at(h->vnet, &a) : &hosts[draw(n_hosts)];
		for (unsigned i = 0; i < n_ins; i++)
			if (ins[i].id == sender->in && ins[i].vnet == ins[p.in].vnet)
				p.in = i;
	}
	memcpy(p.mac, sender->mac, 6);
	if (draw(8))
		p.vtep = sender->vtep;
	return p;
}

static void build(const struct packet *p, struct frame *f)
{
	const struct m_in *in = &ins[p->in];
	char mac[MAC_TEXT], from[IP_TEXT], to[IP_TEXT];

	f->len = f->n_ip = f->n_udp = 0;
	if (in->kind == XGW_TAG_VXLAN) {
		frame_eth(f, LAN_MAC, VTEP_MAC, 0x0800);
		frame_ip(f, vteps[p->vtep], "192.0.2.1", 17);
		frame_udp(f, 50000, 4789);
		frame_vxlan(f, in->tag);
	}
	frame_eth(f, is_link(in) ? ER_MAC : LAN_MAC, mac_format(p->mac, mac),
		  p->to.family == IP_V4 ? 0x0800 : 0x86dd);
	if (in->kind == XGW_TAG_QINQ) {
		frame_tag(f, 0x88a8, (uint16_t)(in->tag >> 12));
		frame_vlan(f, (uint16_t)(in->tag & 0xfff));
	} else if (in->kind == XGW_TAG_VLAN)
		frame_vlan(f, (uint16_t)in->tag);
	frame_ip(f, ip_addr_format(&p->from, from), ip_addr_format(&p->to, to), 17);
	frame_udp(f, p->port, 53);
	frame_fill(f, 32);
	frame_close(f);
}

static void differ(const struct packet *p, const struct answer *want, const char *what,
		   unsigned drop_is, unsigned kind_is)
{
	char from[IP_TEXT], to[IP_TEXT];
	const struct m_in *in = &ins[p->in];

	fail_msg("seed %llu: %s: VNet %u, attachment %u of kind %u, %s to %s: the model says %s, "
		 "kind %u; the program %s, kind %u; XGW_SEED=%llu repeats it",
		 (unsigned long long)seed, what, in->vnet, in->id, in->kind,
		 ip_addr_format(&p->from, from), ip_addr_format(&p->to, to),
		 maps_drop_name(want->drop), want->kind, maps_drop_name(drop_is), kind_is,
		 (unsigned long long)seed);
}

static bool is_member(const struct answer *want, uint32_t connection)
{
	for (unsigned i = 0; i < want->n_members; i++)
		if (want->member[i] == connection)
			return true;
	return false;
}

static unsigned port_of(const struct packet *p)
{
	return is_link(&ins[p->in]) ? ER : LAN;
}

/* Of several ways that flows may take, the one that this flow took. */
static void narrow(const struct packet *p, struct answer *want, const struct xgw_trace *t)
{
	for (unsigned i = 0; i < want->n_links; i++) {
		const struct m_host *h = want->link[i];
		bool is_loop = h->in == ins[p->in].id;

		if (is_loop ? t->drop == XGW_DROP_LOOP
			    : t->verdict == XGW_HOP_CIRCUIT && t->attachment == h->in) {
			*want = is_loop ? drop(XGW_DROP_LOOP)
					: (struct answer){.kind = XGW_HOP_CIRCUIT,
							  .by_table = want->by_table,
							  .host = h};
			return;
		}
	}
	for (unsigned i = 0; i < want->n_apps; i++) {
		bool is_own = sent_by(p, want->app[i]);
		struct answer a = is_own ? drop(XGW_DROP_LOOP) : to_appliance(p, want->app[i]);

		if (t->drop != a.drop ||
		    (!a.drop && (t->verdict != XGW_HOP_APPLIANCE || t->attachment != a.host->in)))
			continue;
		a.by_table = want->by_table;
		met[MET_MEMBER] += !a.drop;
		met[MET_MEMBERS_OWN] += is_own;
		*want = a;
		return;
	}
	if (want->n_members && t->verdict == XGW_HOP_TUNNEL)
		want->kind = XGW_HOP_TUNNEL;
	else if (want->n_apps || want->n_links)
		want->kind = XGW_HOP_NONE; /* it took none of them */
}

/* The connection that the explanation names, 0 for none. */
static uint32_t check_trace(const struct packet *p, struct answer *want, const struct frame *in)
{
	struct xgw_trace t;

	must(explain_run(world_program(&w, port_of(p)), w.ifindex[port_of(p)], in->b, in->len,
			 &t) == 0);
	narrow(p, want, &t);
	if (t.drop != want->drop || (!want->drop && t.verdict != want->kind))
		differ(p, want, "explained", t.drop, t.verdict);
	if (want->drop)
		return 0;
	if (want->kind == XGW_HOP_TUNNEL && !is_member(want, t.connection))
		differ(p, want, "another tunnel", t.drop, t.connection);
	if (want->host && t.attachment != want->host->in)
		differ(p, want, "another attachment", t.drop, t.attachment);
	if (!(t.flags & XGW_TRACE_TABLE) != !want->by_table)
		differ(p, want, "another table", t.drop, t.flags);
	return want->kind == XGW_HOP_TUNNEL ? t.connection : 0;
}

static unsigned drops_of(unsigned port, unsigned reason)
{
	struct xgw_count c;

	must(maps_drop_count(&w.maps, port, reason, &c) == 0);
	return (unsigned)c.packets;
}

static const uint8_t *to_mac(const struct answer *want, const struct frame *out)
{
	for (unsigned i = 0; i < n_ins; i++)
		if (ins[i].id == want->host->in && ins[i].kind == XGW_TAG_VXLAN)
			return out->b + 14 + 20 + 8 + 8;
	return out->b;
}

static void check_run(const struct packet *p, const struct answer *want, const struct frame *in,
		      uint32_t connection)
{
	static struct frame out;
	const struct xgw_meta *m = (const void *)out.b;
	unsigned port = port_of(p), before = drops_of(port, want->drop);
	bool to_router = port == ER && want->kind == XGW_HOP_GATEWAY;
	bool passes =
		!to_router && (want->kind == XGW_HOP_GATEWAY || want->kind == XGW_HOP_INTERNET ||
			       want->kind == XGW_TRACE_PASS);
	int action = world_run(&w, port, in, &out);

	if (action != (want->drop ? XDP_DROP
		       : passes	  ? XDP_PASS
				  : XDP_REDIRECT) ||
	    drops_of(port, want->drop) != before + !!want->drop)
		differ(p, want, "carried out", XGW_DROP_COUNT, (unsigned)action);
	if (want->drop || passes || to_router)
		return;
	if (connection && (m->magic != XGW_META_MAGIC || m->connection != connection))
		differ(p, want, "handed to another tunnel", 0, m->connection);
	/* what looks like a partial checksum goes by the worker */
	if (want->host && m->magic != XGW_META_MAGIC &&
	    memcmp(to_mac(want, &out), want->host->mac, 6))
		differ(p, want, "sent to another host", 0, out.b[5]);
}

static unsigned seen[XGW_TRACE_PASS + 1][XGW_DROP_COUNT];

static void check_batch(const struct packet *packets)
{
	static struct frame in;

	for (unsigned round = 0; round < 2; round++) {
		for (unsigned i = 0; i < PACKETS; i++) {
			struct answer want = judge(&packets[i]);

			build(&packets[i], &in);
			check_run(&packets[i], &want, &in, check_trace(&packets[i], &want, &in));
			seen[want.drop ? 0 : want.kind][want.drop]++;
		}
	}
}

static void check_seed(void)
{
	static struct packet packets[PACKETS];

	state = seed * 0x9e3779b97f4a7c15ull;
	make_networks();
	maps_bump(&w.maps);
	for (unsigned i = 0; i < PACKETS; i++)
		packets[i] = draw_packet();
	for (unsigned batch = 0; batch < BATCHES; batch++) {
		check_batch(packets);
		change_networks();
		/* some stay, so that old decisions about them are asked for */
		for (unsigned i = 0; i < PACKETS; i++)
			if (draw(2))
				packets[i] = draw_packet();
	}
	forget_networks();
}

/* A model that never meets a case would prove nothing of it. */
static void check_all_met(void)
{
	static const unsigned kinds[] = {XGW_HOP_LOCAL,	    XGW_HOP_TUNNEL,   XGW_HOP_GATEWAY,
					 XGW_HOP_APPLIANCE, XGW_HOP_INTERNET, XGW_TRACE_PASS,
					 XGW_HOP_CIRCUIT};
	static const unsigned drops[] = {
		XGW_DROP_SOURCE,      XGW_DROP_NO_ROUTE,    XGW_DROP_ROUTE_NONE,
		XGW_DROP_NO_NEXT_HOP, XGW_DROP_NO_ENDPOINT, XGW_DROP_NO_NEIGHBOUR,
		XGW_DROP_VTEP,	      XGW_DROP_PEERING,	    XGW_DROP_LOOP,
		XGW_DROP_INTERNET,    XGW_DROP_UNANSWERED,  XGW_DROP_CIRCUIT_SOURCE,
		XGW_DROP_BRANCH};

	for (unsigned i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
		if (!seen[kinds[i]][0])
			fail_msg("no packet met next hop kind %u", kinds[i]);
	for (unsigned i = 0; i < sizeof(drops) / sizeof(*drops); i++)
		if (!seen[0][drops[i]])
			fail_msg("no packet was dropped for %s", maps_drop_name(drops[i]));
	for (unsigned i = 0; i < METS; i++)
		if (!met[i])
			fail_msg("no packet met %s", mets[i]);
	if (!n_handed || !n_of_spokes)
		fail_msg("no packet was handed over by another instance, or none of a spoke");
}

static void test_model(void **unused)
{
	const char *one = getenv("XGW_SEED");

	(void)unused;
	if (one) {
		seed = strtoull(one, NULL, 10);
		check_seed();
		return;
	}
	for (seed = 1; seed <= SEEDS; seed++)
		check_seed();
	check_all_met();
}

static int setup(void **unused)
{
	(void)unused;
	world_open(&w, true);
	return 0;
}

static int teardown(void **unused)
{
	(void)unused;
	world_close(&w);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_model)};

	return cmocka_run_group_tests(tests, setup, teardown);
}
