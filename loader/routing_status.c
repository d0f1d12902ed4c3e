/* SPDX-License-Identifier: Apache-2.0 */
/* Circuits, BGP sessions, and which way a prefix takes and why, as JSON. */
#include "loader/routing_internal.h"

#include "loader/clock.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define CANDIDATES 64u /* of one prefix that are told */

static json_t *when(uint64_t ns)
{
	char text[CLOCK_TEXT];
	return json_string(clock_format(ns, text));
}

static json_t *address(const struct ip_addr *a)
{
	char text[IP_TEXT];
	return a->family ? json_string(ip_addr_format(a, text)) : json_null();
}

/* ---- sessions ---- */

/* RFC 3339, of seconds since 1970. */
static json_t *seconds(uint64_t since)
{
	char text[CLOCK_TEXT];
	time_t at = (time_t)since;
	struct tm tm;
	if (!since || !gmtime_r(&at, &tm) ||
	    !strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &tm))
		return json_null();
	return json_string(text);
}

static json_t *refusals(const struct rib_peer_counts *c)
{
	json_t *o = json_object();
	for (unsigned i = 0; i < RIB_REASONS; i++) {
		if (rib_is_refusal((enum rib_reason)i) && c->refusals[i])
			json_object_set_new(o, rib_reason_key((enum rib_reason)i),
					    json_integer((json_int_t)c->refusals[i]));
	}
	return o;
}

static const char *const owner_kinds[] = {[PLAN_PEER_LINK] = "circuit",
					  [PLAN_PEER_TUNNEL] = "connection",
					  [PLAN_PEER_INSTANCE] = "gateway"};

static const char *owner_of(struct routing *r, const struct plan_peer *p)
{
	if (p->kind == PLAN_PEER_LINK)
		return r->h.model->circuits[r->h.plan->links[p->of].circuit].name;
	if (p->kind == PLAN_PEER_INSTANCE)
		return r->h.model->gateways[p->gateway].name;
	return r->h.model->connections[r->h.plan->connections[p->of].model].name;
}

static json_t *session(struct routing *r, const struct plan_peer *p)
{
	struct router_peer is = {.state = "Unknown"};
	struct rib_peer_counts counts = {0};
	const struct plan_router *of = &r->h.plan->routers[p->router];
	const struct routing_router *router = routing_router(r, of->id);
	if (router)
		router_peer(router->router, p->no, &is);
	rib_peer_counts(r->rib, p->no, &counts);
	json_t *o = json_pack("{s:s,s:o,s:o,s:I,s:I,s:s,s:b,s:o}", owner_kinds[p->kind],
			      owner_of(r, p), "peer", address(&p->remote), "local",
			      address(&p->local), "peerASN", (json_int_t)p->peer_asn, "localASN",
			      (json_int_t)p->local_asn, "state", is.state[0] ? is.state : "Unknown",
			      "up", is.up, "since", seconds(is.since));
	json_object_set_new(o, "prefixesReceived", json_integer(counts.received));
	json_object_set_new(o, "prefixesAccepted", json_integer(counts.accepted));
	json_object_set_new(o, "prefixesSent",
			    json_integer((json_int_t)is.exported[0] + is.exported[1]));
	json_object_set_new(o, "prefixLimit", json_integer(counts.limit));
	json_object_set_new(o, "overLimit", json_boolean(counts.is_over || is.over_limit));
	json_object_set_new(o, "closedForLimit", json_integer(is.n_over));
	/* what the router takes from nobody comes no farther */
	counts.refusals[RIB_REFUSED_BOGON] += is.rejected;
	counts.refusals[RIB_REFUSED_AS_LOOP] += is.as_loops;
	json_object_set_new(o, "refused", refusals(&counts));
	json_object_set_new(o, "lastError",
			    is.last_error[0] ? json_string(is.last_error) : json_null());
	return o;
}

json_t *routing_learnt(struct routing *r)
{
	struct rib_counts c = {0};
	if (r)
		rib_counts(r->rib, &c);
	return json_pack("{s:I,s:I,s:I,s:I,s:I,s:b}", "learnt", (json_int_t)c.learnt, "inMaps",
			 (json_int_t)c.routes, "withoutPlace", (json_int_t)c.wanting, "choices",
			 (json_int_t)c.choices, "memoryBytes", (json_int_t)c.bytes, "settled",
			 !r || rib_is_settled(r->rib));
}

json_t *routing_peers(struct routing *r)
{
	json_t *list = json_array();
	for (uint32_t i = 0; r && i < r->h.plan->n_peers; i++)
		json_array_append_new(list, session(r, &r->h.plan->peers[i]));
	return list;
}

/* ---- circuits ---- */

static json_t *switches(const struct link_state *s)
{
	json_t *list = json_array();
	uint64_t first = s->n_switches > LINK_SWITCHES ? s->n_switches - LINK_SWITCHES : 0;
	for (uint64_t i = s->n_switches; i > first; i--) {
		const struct link_switch *x = &s->last[(i - 1) % LINK_SWITCHES];
		bool up = x->cause == LINK_CAUSE_NONE;
		json_array_append_new(
			list, json_pack("{s:o,s:s,s:o}", "at", when(x->at_ns), "to",
					up ? "up" : "down", "cause",
					up ? json_null() : json_string(link_cause_key(x->cause))));
	}
	return list;
}

static json_t *mac_of(const struct routing_link *l, unsigned family)
{
	char text[18];
	const uint8_t *m = l->neighbour[family].mac;
	if (!l->neighbour[family].known)
		return json_null();
	snprintf(text, sizeof text, "%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3], m[4],
		 m[5]);
	return json_string(text);
}

static json_t *ends(const struct plan_link *p, const struct routing_link *l)
{
	json_t *list = json_array();
	for (unsigned i = 0; i < 2; i++) {
		if (p->end[i].hop)
			json_array_append_new(list, json_pack("{s:o,s:o,s:o}", "local",
							      address(&p->end[i].local), "peer",
							      address(&p->end[i].remote), "peerMac",
							      mac_of(l, i)));
	}
	return list;
}

static const char *bfd_text(const struct routing_link *l, bool wanted)
{
	if (!wanted)
		return "off";
	return l->state.bfd ? "up" : l->state.bfd_seen ? "down" : "not answered";
}

/* Announcements of both families outside advertisedPrefixes. */
static uint64_t not_advertised(const struct routing *r, const struct plan_link *p)
{
	uint64_t n = 0;
	for (unsigned i = 0; i < 2; i++) {
		struct rib_peer_counts c;
		if (p->end[i].peer && !rib_peer_counts(r->rib, p->end[i].peer, &c))
			n += c.refusals[RIB_REFUSED_NOT_ADVERTISED];
	}
	return n;
}

static json_t *link_of(struct routing *r, const struct plan_link *p, const struct routing_link *l)
{
	const struct model_circuit_peering *m =
		&r->h.model->circuits[p->circuit].peerings[p->peering];
	json_t *o =
		json_pack("{s:s,s:s,s:s,s:o,s:s,s:s}", "name", p->which ? "secondary" : "primary",
			  "port", r->h.model->host.ports[p->port].name, "state",
			  l->state.up ? "up" : "down", "since", when(l->state.since_ns), "cause",
			  link_cause_text(link_state_cause(&l->state)), "bfd", bfd_text(l, m->bfd));
	if (m->vlan)
		json_object_set_new(o, "vlanId", json_integer(m->vlan));
	if (m->outer_vlan)
		json_object_set_new(o, "outerVlanId", json_integer(m->outer_vlan));
	json_object_set_new(o, "carrier", json_boolean(l->state.carrier));
	json_object_set_new(o, "addresses", ends(p, l));
	json_object_set_new(o, "outsideAdvertisedPrefixes",
			    json_integer((json_int_t)not_advertised(r, p)));
	json_object_set_new(o, "lastSwitches", switches(&l->state));
	return o;
}

static json_t *connections_of(struct routing *r, uint32_t circuit)
{
	json_t *list = json_array();
	for (uint32_t i = 0; i < r->h.model->n_connections; i++) {
		const struct model_connection *c = &r->h.model->connections[i];
		if (c->express_route && c->circuit == circuit)
			json_array_append_new(list, json_string(c->name));
	}
	return list;
}

static json_t *circuit(struct routing *r, uint32_t i)
{
	const struct model_circuit *c = &r->h.model->circuits[i];
	json_t *links = json_array();
	bool up = false;
	for (uint32_t k = 0; k < r->h.plan->n_links; k++) {
		const struct plan_link *p = &r->h.plan->links[k];
		const struct routing_link *l = routing_link(r, p->id);
		if (p->circuit != i || !l)
			continue;
		up |= l->state.up;
		json_array_append_new(links, link_of(r, p, l));
	}
	json_t *o = json_pack("{s:s,s:s,s:o,s:o}", "name", c->name, "connectionStatus",
			      up ? "Connected" : "NotConnected", "connections",
			      connections_of(r, i), "links", links);
	json_object_set_new(o, "bandwidthInMbps",
			    c->bandwidth_mbps ? json_integer(c->bandwidth_mbps) : json_null());
	return o;
}

json_t *routing_circuits(struct routing *r)
{
	json_t *list = json_array();
	for (uint32_t i = 0; r && i < r->h.model->n_circuits; i++)
		json_array_append_new(list, circuit(r, i));
	return list;
}

#define DOWN_TEXT 400u

/* The last change of a link's state, and each link that is down with its cause. */
struct circuit_state {
	bool up;
	uint64_t since_ns;
	char down[DOWN_TEXT]; /* "" none */
};

static void add_down(struct circuit_state *s, struct routing *r, const struct plan_link *p,
		     const struct routing_link *l)
{
	size_t n = strlen(s->down);
	snprintf(s->down + n, sizeof s->down - n, "%s%s link at %s: %s", n ? "; " : "",
		 p->which ? "secondary" : "primary", r->h.model->host.ports[p->port].name,
		 link_cause_text(link_state_cause(&l->state)));
}

static struct circuit_state state_of(struct routing *r, uint32_t circuit)
{
	struct circuit_state s = {0};
	for (uint32_t i = 0; i < r->h.plan->n_links; i++) {
		const struct plan_link *p = &r->h.plan->links[i];
		const struct routing_link *l = routing_link(r, p->id);
		if (p->circuit != circuit || !l)
			continue;
		s.up |= l->state.up;
		if (l->state.since_ns > s.since_ns)
			s.since_ns = l->state.since_ns;
		if (!l->state.up)
			add_down(&s, r, p, l);
	}
	return s;
}

void routing_connections(struct routing *r, json_t *list)
{
	for (uint32_t i = 0; r && i < r->h.model->n_connections; i++) {
		const struct model_connection *c = &r->h.model->connections[i];
		if (!c->express_route)
			continue;
		const struct circuit_state s = state_of(r, c->circuit);
		json_t *o = json_pack(
			"{s:s,s:s,s:s,s:o,s:s,s:s,s:[]}", "name", c->name, "connectionType",
			"ExpressRoute", "connectionStatus", s.up ? "Connected" : "NotConnected",
			"since", s.since_ns ? when(s.since_ns) : json_null(),
			"virtualNetworkGateway", r->h.model->gateways[c->gateway].name,
			"expressRouteCircuit", r->h.model->circuits[c->circuit].name, "childSas");
		/* what works by its other link has a reason to be looked at, and no error */
		json_object_set_new(o, "reason",
				    s.up && s.down[0] ? json_string(s.down) : json_null());
		json_object_set_new(o, "lastError",
				    !s.up && s.down[0] ? json_string(s.down) : json_null());
		json_array_append_new(list, o);
	}
}

/* ---- candidates ---- */

static json_t *name_of(struct routing *r, enum xgw_name_kind kind, uint32_t id)
{
	char name[XGW_NAME];
	return json_string(maps_name(r->h.maps, kind, id, name));
}

static json_t *candidate(struct routing *r, const struct rib_candidate *c)
{
	char hop[XGW_NAME];
	const struct plan_peer *p = c->peer ? plan_peer(r->h.plan, c->peer) : NULL;
	json_t *o = json_pack("{s:s,s:o,s:s,s:i,s:s,s:s}", "source", c->peer ? "bgp" : "static",
			      "peer", p ? address(&p->remote) : json_null(), "nextHop",
			      routing_hop_name(r, c->hop, hop), "weight", (int)c->weight, "reason",
			      rib_reason_key((enum rib_reason)c->reason), "text",
			      rib_reason_text((enum rib_reason)c->reason));
	json_object_set_new(o, "inUse", json_boolean(c->reason <= RIB_STANDS_BY_PATH));
	if (c->peer)
		json_object_set_new(o, "asPathLength", json_integer(c->metric));
	return o;
}

static json_t *prefix_of(struct routing *r, uint32_t table, const struct ip_prefix *p)
{
	struct rib_candidate c[CANDIDATES];
	char text[PREFIX_TEXT];
	json_t *list = json_array();
	size_t n = rib_explain(r->rib, table, p, c, CANDIDATES);
	for (size_t i = 0; i < n && i < CANDIDATES; i++)
		json_array_append_new(list, candidate(r, &c[i]));
	bool is_domain = table >= XGW_FIRST_DOMAIN;
	return json_pack("{s:o,s:s,s:o}", is_domain ? "circuit" : "virtualNetwork",
			 name_of(r, is_domain ? XGW_NAME_CIRCUIT : XGW_NAME_VNET, table), "prefix",
			 ip_prefix_format(p, text), "candidates", list);
}

/* Users' routes to gateways that something learnt decides about. */
static json_t *followed(struct routing *r)
{
	struct rib_followed f;
	json_t *list = json_array();
	for (uint32_t i = 0; r && rib_followed(r->rib, i, &f); i++) {
		char text[PREFIX_TEXT];
		json_t *o = json_pack("{s:o,s:s,s:o}", "table", name_of(r, XGW_NAME_TABLE, f.table),
				      "prefix", ip_prefix_format(&f.prefix, text), "virtualNetwork",
				      name_of(r, XGW_NAME_VNET, f.of));
		json_object_set_new(o, "learntPrefix",
				    f.is_learnt ? json_string(ip_prefix_format(&f.by, text))
						: json_null());
		json_array_append_new(list, o);
	}
	return list;
}

json_t *routing_candidates(struct routing *r)
{
	struct rib_cursor cursor = {0};
	struct ip_prefix prefix;
	uint32_t table;
	json_t *list = json_array();
	while (r && rib_walk(r->rib, &cursor, &table, &prefix))
		json_array_append_new(list, prefix_of(r, table, &prefix));
	return json_pack("{s:o,s:o}", "routes", list, "userRoutes", followed(r));
}
