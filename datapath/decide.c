/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a packet of a VNet goes: asked of the maps, which are the one source of truth, and kept
 * until config.generation changes. A decision holds the link-layer headers ready to be written.
 */
#include "base/bytes.h"
#include "datapath/datapath_internal.h"
#include "maps/routing.h"

#include <errno.h>
#include <string.h>

#define ETH_IP	 0x0800
#define ETH_IPV6 0x86dd
#define ETH_VLAN 0x8100
#define ETH_QINQ 0x88a8

static uint8_t *ethernet(uint8_t *at, const uint8_t *to, const uint8_t *from, uint16_t proto)
{
	memcpy(at, to, 6);
	memcpy(at + 6, from, 6);
	store_be16(at + 12, proto);
	return at + 14;
}

static uint8_t *vlan_tag(uint8_t *at, uint32_t tag, uint16_t proto)
{
	store_be16(at, (uint16_t)(tag & 0xfff));
	store_be16(at + 2, proto);
	return at + 4;
}

/* Ethernet with the attachment's tags; VXLAN has its own in front. */
static uint8_t *tagged(uint8_t *at, const struct xgw_attachment *a, const uint8_t *to,
		       uint16_t proto)
{
	switch (a->kind) {
	case XGW_TAG_VLAN:
		at = ethernet(at, to, a->mac, ETH_VLAN);
		return vlan_tag(at, a->tag, proto);
	case XGW_TAG_QINQ:
		at = ethernet(at, to, a->mac, ETH_QINQ);
		at = vlan_tag(at, a->tag >> 12, ETH_VLAN);
		return vlan_tag(at, a->tag, proto);
	default: return ethernet(at, to, a->mac, proto);
	}
}

static uint16_t header_checksum(const uint8_t *ip)
{
	uint32_t sum = 0;
	for (int i = 0; i < 20; i += 2)
		sum += load_be16(ip + i);
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t) ~((sum & 0xffff) + (sum >> 16));
}

/* Outer headers of VXLAN (RFC 7348); lengths, source port and IPv4 checksum are filled in for each
 * packet. */
static uint8_t *vxlan(uint8_t *at, const struct xgw_attachment *a, const struct xgw_endpoint *e,
		      const struct xgw_neighbour *via, const uint8_t *port_mac)
{
	struct ip_addr from = ip_addr_from_mapped(a->local_vtep), to = ip_addr_from_mapped(e->vtep);
	bool v4 = to.family == IP_V4;
	at = ethernet(at, via->mac, port_mac, v4 ? ETH_IP : ETH_IPV6);
	if (v4) {
		const uint8_t fixed[12] = {0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, 17, 0, 0};
		memcpy(at, fixed, sizeof fixed);
		memcpy(at + 12, from.b, 4);
		memcpy(at + 16, to.b, 4);
		at += 20;
	} else {
		const uint8_t fixed[8] = {0x60, 0, 0, 0, 0, 0, 17, 64};
		memcpy(at, fixed, sizeof fixed);
		memcpy(at + 8, from.b, 16);
		memcpy(at + 24, to.b, 16);
		at += 40;
	}
	memset(at, 0, 8);
	memcpy(at + 2, &a->vxlan_port_be, 2);
	at += 8;
	store_be32(at, 0x08000000);
	store_be32(at + 4, a->tag << 8);
	return at + 8;
}

static const uint8_t *mac_of_port(const struct worker *w, uint32_t port_id)
{
	for (unsigned i = 0; i < w->d->o.n_ports; i++)
		if (w->d->o.port[i].id == port_id)
			return w->d->o.port[i].mac;
	return NULL;
}

static void drop_decision(struct decision *d, enum xgw_drop why)
{
	d->kind = DECIDE_DROP;
	d->drop = why;
}

static void ask_for(struct worker *w, uint32_t vnet, const struct ip_addr *host)
{
	if (w->now_ns - w->resolve_ns < RESOLVE_GAP_NS)
		return;
	w->resolve_ns = w->now_ns;
	const struct datapath_event e = {
		.kind = DATAPATH_RESOLVE, .vnet = vnet, .from = {.addr = *host}};
	worker_event(w, &e);
}

/* The packet, of a family, goes to the host `to`, which may be of another. */
static void decide_local(struct worker *w, struct decision *d, uint32_t vnet,
			 const struct ip_addr *to, uint8_t family)
{
	const struct maps *m = w->d->o.maps;
	struct xgw_endpoint e;
	struct xgw_attachment a;
	struct xgw_neighbour via;
	if (maps_endpoint(m, vnet, to, &e)) {
		ask_for(w, vnet, to);
		drop_decision(d, XGW_DROP_NO_ENDPOINT);
		return;
	}
	const uint8_t *port_mac;
	if (maps_get(m, MAPS_attachments, &e.attachment, &a) || !a.id ||
	    !(port_mac = mac_of_port(w, a.port_id))) {
		drop_decision(d, XGW_DROP_NO_ENDPOINT);
		return;
	}
	uint8_t *at = d->l2;
	uint16_t proto = family == IP_V4 ? ETH_IP : ETH_IPV6;
	if (a.kind == XGW_TAG_VXLAN) {
		struct ip_addr vtep = ip_addr_from_mapped(e.vtep);
		if (maps_neighbour(m, a.ifindex, &vtep, &via)) {
			ask_for(w, vnet, to);
			drop_decision(d, XGW_DROP_NO_NEIGHBOUR);
			return;
		}
		at = vxlan(at, &a, &e, &via, port_mac);
	}
	at = tagged(at, &a, e.mac, proto);
	d->kind = DECIDE_SEND;
	d->limiter = a.limiter < XGW_MAX_LIMITERS ? a.limiter : 0;
	d->port_id = a.port_id;
	d->mtu = a.mtu;
	d->tag = (uint8_t)a.kind;
	d->l2_len = (uint8_t)(at - d->l2);
}

/* The route that counts: of the VNet, or of the table that the tunnel's next hop names. */
static int find_route(const struct maps *m, const struct question *q, uint32_t table,
		      const struct ip_addr *to, struct xgw_route *out)
{
	struct xgw_route own, user;
	bool has_own = !maps_route(m, q->vnet, to, &own);
	bool has_user = table && !maps_route(m, table, to, &user);
	const struct xgw_route *r = routing_prefer(has_own ? &own : NULL, has_user ? &user : NULL);
	if (r)
		*out = *r;
	return r ? 0 : -ENOENT;
}

/*
 * A choice becomes the member that takes the packet, or a decision to spread over the first group
 * that has one that is up. barred: circuits are none of its members for this packet; a choice of
 * circuits alone stays one of them.
 */
static bool choose(const struct maps *m, struct decision *d, struct xgw_next_hop *hop, bool barred)
{
	struct xgw_next_hop first = {0}, member;
	unsigned n = 0;
	bool spread = hop->flags & XGW_HOP_SPREAD;
	for (unsigned i = 0; i < XGW_HOP_MEMBERS && hop->member[i]; i++) {
		if (n && routing_begins_group(hop, i))
			break;
		if (maps_get(m, MAPS_next_hops, &hop->member[i], &member) ||
		    member.kind == XGW_HOP_CHOICE)
			continue;
		if (!i || (barred && first.kind == XGW_HOP_CIRCUIT))
			first = member;
		if (!(member.flags & XGW_HOP_UP) || (barred && member.kind == XGW_HOP_CIRCUIT))
			continue;
		if (!spread) {
			*hop = member;
			return true;
		}
		d->member[n++] = hop->member[i];
	}
	if (n)
		d->kind = DECIDE_SPREAD;
	else
		*hop = first;
	return !n;
}

static void follow(struct worker *w, struct decision *d, const struct xgw_next_hop *hop,
		   const struct ip_addr *to)
{
	struct ip_addr always;
	switch (hop->kind) {
	case XGW_HOP_LOCAL: decide_local(w, d, hop->vnet, to, to->family); break;
	case XGW_HOP_APPLIANCE:
	case XGW_HOP_CIRCUIT:
		always = ip_addr_from_mapped(hop->address);
		decide_local(w, d, hop->vnet, &always, to->family);
		break;
	case XGW_HOP_TUNNEL:
	case XGW_HOP_CLIENT:
		d->kind = DECIDE_TUNNEL;
		d->connection = hop->connection;
		break;
	case XGW_HOP_DROP: drop_decision(d, XGW_DROP_ROUTE_NONE); break;
	case XGW_HOP_GATEWAY: d->kind = DECIDE_OWN; break;
	/* the kernel is given packets by XDP alone: what was decrypted has no way back to it */
	case XGW_HOP_INTERNET: drop_decision(d, XGW_DROP_INTERNET); break;
	default: drop_decision(d, XGW_DROP_NO_NEXT_HOP);
	}
}

static void ask_maps(struct worker *w, struct decision *d, const struct ip_addr *to)
{
	const struct maps *m = w->d->o.maps;
	const struct question *q = &d->about;
	struct xgw_address_key own = {.vnet = q->vnet};
	struct xgw_address own_value;
	struct xgw_route route = {.next_hop = q->hop};
	struct xgw_next_hop hop, from = {0};
	memcpy(own.addr, q->addr, sizeof own.addr);
	if (q->tunnel && maps_get(m, MAPS_next_hops, &q->tunnel, &from))
		from = (struct xgw_next_hop){0};
	bool barred = q->tunnel && !(from.flags & XGW_HOP_BRANCHES);
	if (!q->hop && !maps_get(m, MAPS_addresses, &own, &own_value)) {
		d->kind = DECIDE_OWN;
		return;
	}
	if (!q->hop && find_route(m, q, from.table, to, &route)) {
		drop_decision(d, XGW_DROP_NO_ROUTE);
		return;
	}
	if (maps_get(m, MAPS_next_hops, &route.next_hop, &hop)) {
		drop_decision(d, XGW_DROP_NO_NEXT_HOP);
		return;
	}
	if (hop.kind == XGW_HOP_CHOICE && !choose(m, d, &hop, barred))
		return;
	if (barred && hop.kind == XGW_HOP_CIRCUIT)
		drop_decision(d, XGW_DROP_BRANCH);
	else
		follow(w, d, &hop, to);
}

static uint32_t slot_of(const struct question *q)
{
	uint64_t a, b;
	memcpy(&a, q->addr, 8);
	memcpy(&b, q->addr + 8, 8);
	uint64_t h = (a ^ (b * 0x9e3779b97f4a7c15ull) ^ q->vnet ^ (uint64_t)q->tunnel << 24 ^
		      (uint64_t)q->hop << 40) *
		     0xff51afd7ed558ccdull;
	return (uint32_t)(h >> 40) & (CACHE_SLOTS - 1);
}

static bool is_unresolved(const struct decision *d)
{
	return d->kind == DECIDE_DROP &&
	       (d->drop == XGW_DROP_NO_ENDPOINT || d->drop == XGW_DROP_NO_NEIGHBOUR);
}

static struct decision *recall(struct worker *w, const struct question *q, const struct ip_addr *to)
{
	uint64_t generation = w->d->o.maps->config ? w->d->o.maps->config->generation : w->now_ns;
	struct decision *d = &w->cache[slot_of(q)];
	if (d->kind != DECIDE_NOTHING && d->generation == generation &&
	    !memcmp(&d->about, q, sizeof *q))
		/* a host that is not found yet is asked for again, at most once in RESOLVE_GAP_NS
		 */
		if (!is_unresolved(d) || w->now_ns - w->resolve_ns < RESOLVE_GAP_NS)
			return d;
	memset(d, 0, sizeof *d);
	d->generation = generation;
	d->about = *q;
	ask_maps(w, d, to);
	return d;
}

/* As bpf/route.h numbers the flow, so that both choose the same. */
static uint32_t flow_of(const struct packet *p, const struct ip_addr *to)
{
	struct ip_addr from = ip_source(p->at);
	uint32_t source[4], destination[4], ports = 0,
					    l4 = p->at[0] >> 4 == 4 ? (p->at[0] & 15u) * 4 : 40;
	uint8_t protocol = p->at[p->at[0] >> 4 == 4 ? 9 : 6];
	bool piece = p->at[0] >> 4 == 4 && load_be16(p->at + 6) & 0x3fff;
	ip_addr_to_mapped(&from, (uint8_t *)source);
	ip_addr_to_mapped(to, (uint8_t *)destination);
	if (!piece && (protocol == 6 || protocol == 17) && p->len >= l4 + 4)
		memcpy(&ports, p->at + l4, 4);
	return routing_flow(source, destination, protocol, ports);
}

const struct decision *decide(struct worker *w, const struct packet *p)
{
	struct ip_addr to = ip_destination(p->at);
	struct question q = {.vnet = p->vnet,
			     .tunnel = p->child || p->from_client ? p->connection : 0,
			     .hop = p->hop};
	ip_addr_to_mapped(&to, q.addr);
	struct decision *d = recall(w, &q, &to);
	if (d->kind != DECIDE_SPREAD)
		return d;
	uint32_t flow = flow_of(p, &to);
	q.hop = d->member[0];
	for (unsigned i = 1; i < XGW_HOP_MEMBERS && d->member[i]; i++)
		if (routing_weight(flow, d->member[i]) > routing_weight(flow, q.hop))
			q.hop = d->member[i];
	/* no member is a choice, and that is asked once */
	return recall(w, &q, &to);
}

static int keep_own(void *owner, const void *key, const void *value)
{
	struct worker *w = owner;
	const struct xgw_address_key *k = key;
	(void)value;
	if (w->n_own < OWN_ADDRESSES)
		w->own[w->n_own++] = (struct own_address){k->vnet, ip_addr_from_mapped(k->addr)};
	return 0;
}

bool decide_own_address(struct worker *w, uint32_t vnet, uint8_t family, struct ip_addr *out)
{
	uint64_t generation = w->d->o.maps->config ? w->d->o.maps->config->generation : w->now_ns;
	if (w->own_generation != generation || !w->n_own) {
		w->n_own = 0;
		w->own_generation = generation;
		maps_walk(w->d->o.maps, MAPS_addresses, keep_own, w);
	}
	for (unsigned i = 0; i < w->n_own; i++)
		if (w->own[i].vnet == vnet && w->own[i].addr.family == family) {
			*out = w->own[i].addr;
			return true;
		}
	return false;
}

/* What of the prepared outer headers depends on the packet. */
static void finish_vxlan(uint8_t *l2, uint32_t l2_len, uint32_t inner, const uint8_t *ip)
{
	bool v4 = load_be16(l2 + 12) == ETH_IP;
	uint8_t *outer = l2 + 14, *udp = outer + (v4 ? 20 : 40);
	uint32_t udp_len = l2_len - (uint32_t)(udp - l2) + inner;
	uint32_t flow = ip[0] >> 4 == 4 ? load_be32(ip + 12) ^ load_be32(ip + 16)
					: load_be32(ip + 20) ^ load_be32(ip + 36);
	store_be16(udp, (uint16_t)(49152 + ((flow * 0x9e3779b1u) >> 18)));
	store_be16(udp + 4, (uint16_t)udp_len);
	if (v4) {
		store_be16(outer + 2, (uint16_t)(udp_len + 20));
		store_be16(outer + 10, 0);
		store_be16(outer + 10, header_checksum(outer));
	} else {
		store_be16(outer + 4, (uint16_t)udp_len);
	}
}

uint8_t *decide_encapsulate(const struct worker *w, const struct decision *d, struct packet *p)
{
	if ((uint64_t)(p->at - frame_start(w, p->frame)) < d->l2_len)
		return NULL;
	uint8_t *l2 = p->at - d->l2_len;
	memcpy(l2, d->l2, d->l2_len);
	if (d->tag == XGW_TAG_VXLAN)
		finish_vxlan(l2, d->l2_len, p->len, p->at);
	return l2;
}
