/* SPDX-License-Identifier: Apache-2.0 */
/* next-hop: builds a packet as a host of the virtual network would send it, and asks the loaded
 * program. */
#include "loader/attach.h"
#include "loader/command.h"
#include "loader/pins.h"
#include "loader/probe.h"
#include "maps/explain.h"
#include "maps/routing.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct question {
	struct maps m;
	const char *vnet_name;
	uint32_t vnet;
	struct ip_addr from, to;
	struct xgw_attachment attachment;
	struct xgw_port port;
	struct ip_addr from_vtep;
	bool itself; /* the destination may be the source too */
};

static int match_vnet(void *owner, const void *key, const void *value)
{
	struct question *q = owner;
	struct xgw_name_key k;
	struct xgw_name name;
	memcpy(&k, key, sizeof k);
	memcpy(&name, value, sizeof name);
	name.text[XGW_NAME - 1] = '\0';
	if (k.kind != XGW_NAME_VNET || strcmp(name.text, q->vnet_name) != 0)
		return 0;
	q->vnet = k.id;
	return 1;
}

/* VXLAN last: only hosts that are known may send there. */
static int match_attachment(void *owner, const void *key, const void *value)
{
	struct question *q = owner;
	struct xgw_attachment a;
	(void)key;
	memcpy(&a, value, sizeof a);
	if (!a.id || a.vnet != q->vnet)
		return 0;
	if (!q->attachment.id || q->attachment.kind == XGW_TAG_VXLAN)
		q->attachment = a;
	return a.kind != XGW_TAG_VXLAN;
}

/* A host that is known sends from where it lives; who is not, from any attachment. */
static void find_attachment(struct question *q)
{
	struct xgw_endpoint e;
	if (!q->from.family || maps_endpoint(&q->m, q->vnet, &q->from, &e) ||
	    maps_get(&q->m, MAPS_attachments, &e.attachment, &q->attachment) || !q->attachment.id ||
	    q->attachment.vnet != q->vnet) {
		q->attachment.id = 0;
		maps_walk(&q->m, MAPS_attachments, match_attachment, q);
	}
}

/* A host of the VNet, of the destination's family. */
static int match_endpoint(void *owner, const void *key, const void *value)
{
	struct question *q = owner;
	struct xgw_endpoint_key k;
	struct xgw_endpoint e;
	memcpy(&k, key, sizeof k);
	memcpy(&e, value, sizeof e);
	struct ip_addr a = ip_addr_from_mapped(k.addr);
	if (k.vnet != q->vnet || a.family != q->to.family ||
	    (!q->itself && ip_addr_equal(&a, &q->to)) || e.attachment != q->attachment.id)
		return 0;
	if (q->from.family && !ip_addr_equal(&a, &q->from))
		return 0;
	q->from = a;
	q->from_vtep = ip_addr_from_mapped(e.vtep);
	return 1;
}

static int match_any_vtep(void *owner, const void *key, const void *value)
{
	struct question *q = owner;
	struct xgw_endpoint e;
	(void)key;
	memcpy(&e, value, sizeof e);
	if (e.attachment != q->attachment.id)
		return 0;
	q->from_vtep = ip_addr_from_mapped(e.vtep);
	return 1;
}

/* The address space as routes say it: an address at its beginning that is not the gateway's own. */
static void guess_from(struct question *q, const struct ip_prefix *space)
{
	struct xgw_address own;
	struct ip_addr a = space->addr;
	unsigned last = ip_addr_bytes(&a) - 1;
	for (unsigned i = 4; i < 250; i++) {
		struct xgw_address_key key = {.vnet = q->vnet};
		a.b[last] = (uint8_t)(space->addr.b[last] + i);
		ip_addr_to_mapped(&a, key.addr);
		if (!ip_prefix_contains(space, &a))
			break;
		if (ip_addr_equal(&a, &q->to) || maps_get(&q->m, MAPS_addresses, &key, &own) == 0)
			continue;
		q->from = a;
		return;
	}
}

static int match_space4(void *owner, const void *key, const void *value)
{
	struct question *q = owner;
	struct xgw_route4_key k;
	struct xgw_route r;
	memcpy(&k, key, sizeof k);
	memcpy(&r, value, sizeof r);
	struct ip_prefix p = {ip_addr_from_bytes(IP_V4, k.addr), r.plen};
	struct xgw_route4_key want = maps_route4_key(q->vnet, &p);
	if ((r.flags & XGW_ROUTE_LOCAL) && want.vnet_be == k.vnet_be)
		guess_from(q, &p);
	return q->from.family != 0;
}

static int match_space6(void *owner, const void *key, const void *value)
{
	struct question *q = owner;
	struct xgw_route6_key k;
	struct xgw_route r;
	memcpy(&k, key, sizeof k);
	memcpy(&r, value, sizeof r);
	struct ip_prefix p = {ip_addr_from_bytes(IP_V6, k.addr), r.plen};
	struct xgw_route6_key want = maps_route6_key(q->vnet, &p);
	if ((r.flags & XGW_ROUTE_LOCAL) && want.vnet_be == k.vnet_be)
		guess_from(q, &p);
	return q->from.family != 0;
}

static int find_source(struct question *q, struct fault *f)
{
	bool named = q->from.family != 0;
	maps_walk(&q->m, MAPS_endpoints, match_endpoint, q);
	/* only known hosts may send by VXLAN: better the destination itself than none */
	q->itself = !q->from_vtep.family && q->attachment.kind == XGW_TAG_VXLAN;
	if (q->itself)
		maps_walk(&q->m, MAPS_endpoints, match_endpoint, q);
	if (!named && !q->from.family && q->to.family == IP_V4)
		maps_walk(&q->m, MAPS_routes4, match_space4, q);
	if (!named && !q->from.family && q->to.family == IP_V6)
		maps_walk(&q->m, MAPS_routes6, match_space6, q);
	if (!q->from.family) {
		fault_set(f, -ENOENT, "virtual network '%s' has no address space of this family",
			  q->vnet_name);
		return fault_advise(f, "name a source with --from");
	}
	if (!q->from_vtep.family && q->attachment.kind == XGW_TAG_VXLAN)
		maps_walk(&q->m, MAPS_endpoints, match_any_vtep, q);
	return 0;
}

static int find_place(struct question *q, struct fault *f)
{
	maps_walk(&q->m, MAPS_names, match_vnet, q);
	if (!q->vnet) {
		fault_set(f, -ENOENT, "no virtual network has the name '%s'", q->vnet_name);
		return fault_advise(f, "`xgw dump names` lists them");
	}
	find_attachment(q);
	if (!q->attachment.id)
		return fault_set(f, -ENOENT, "virtual network '%s' has no attachment",
				 q->vnet_name);
	if (maps_get(&q->m, MAPS_ports, &q->attachment.ifindex, &q->port))
		return fault_set(f, -ENOENT,
				 "the port of virtual network '%s' is not in the map ports",
				 q->vnet_name);
	return find_source(q, f);
}

static int ask_program(const struct command_options *o, struct question *q, struct xgw_trace *trace,
		       struct fault *f)
{
	uint8_t frame[PROBE_FRAME];
	struct probe p = {.kind = q->attachment.kind,
			  .tag = q->attachment.tag,
			  .from = q->from,
			  .to = q->to,
			  .from_vtep = q->from_vtep,
			  .to_vtep = ip_addr_from_mapped(q->attachment.local_vtep),
			  .vxlan_port = (uint16_t)(q->attachment.vxlan_port_be << 8 |
						   q->attachment.vxlan_port_be >> 8)};
	memcpy(p.to_mac, q->attachment.mac, sizeof p.to_mac);
	size_t len = probe_frame(frame, &p);
	if (!len)
		return fault_set(f, -EINVAL, "source and destination are not of one family");
	int fd = pins_open_program(&o->instance, attach_program_name((enum xgw_role)q->port.role),
				   f);
	if (fd < 0)
		return fd;
	int err = explain_run(fd, q->attachment.ifindex, frame, len, trace);
	close(fd);
	if (!err)
		return 0;
	fault_set(f, err, "the program %s gave no answer: %s",
		  attach_program_name((enum xgw_role)q->port.role), strerror(-err));
	if (err == -ENODEV || err == -EINVAL)
		return fault_advise(f, "run this in the network namespace of the daemon");
	return err;
}

static const char *const sources[] = {"system", "static", "user", "bgp", "peering", "client"};

static const char *verdict_text(const struct xgw_trace *t)
{
	static const char *const kinds[] = {
		[XGW_HOP_NONE] = "drop",       [XGW_HOP_DROP] = "drop",
		[XGW_HOP_LOCAL] = "local",     [XGW_HOP_TUNNEL] = "tunnel",
		[XGW_HOP_GATEWAY] = "gateway", [XGW_HOP_CIRCUIT] = "circuit",
		[XGW_HOP_CLIENT] = "client",   [XGW_HOP_APPLIANCE] = "local",
		[XGW_HOP_INTERNET] = "pass",
	};
	if (t->verdict == XGW_TRACE_PASS)
		return "pass";
	/* one by IKE is a tunnel to the data path */
	if (!t->drop && t->verdict == XGW_HOP_TUNNEL && t->source == XGW_ROUTE_CLIENT)
		return "client";
	return t->drop || t->verdict >= sizeof kinds / sizeof *kinds ? "drop" : kinds[t->verdict];
}

/* The next hop leads into the circuit's link that the packet leaves by. */
static bool is_link_taken(const struct question *q, const struct xgw_trace *t, uint32_t id,
			  struct xgw_next_hop *hop)
{
	struct xgw_endpoint_key key = {0};
	struct xgw_endpoint router;
	if (maps_get(&q->m, MAPS_next_hops, &id, hop) || hop->kind != XGW_HOP_CIRCUIT)
		return false;
	key.vnet = hop->vnet;
	memcpy(key.addr, hop->address, sizeof key.addr);
	return maps_get(&q->m, MAPS_endpoints, &key, &router) == 0 &&
	       router.attachment == t->attachment;
}

/* The id of the circuit's next hop that the packet takes, the route's or a member of its choice; 0:
 * none. */
static uint32_t link_taken(const struct question *q, const struct xgw_trace *t,
			   const struct xgw_next_hop *route_hop, struct xgw_next_hop *link)
{
	if (t->verdict != XGW_HOP_CIRCUIT || t->drop)
		return 0;
	if (is_link_taken(q, t, t->next_hop, link))
		return t->next_hop;
	for (unsigned i = 0; route_hop->kind == XGW_HOP_CHOICE && i < XGW_HOP_MEMBERS; i++)
		if (is_link_taken(q, t, route_hop->member[i], link))
			return route_hop->member[i];
	return 0;
}

static json_t *next_hop_text(const struct question *q, const struct xgw_trace *t, uint32_t link)
{
	char name[XGW_NAME];
	if (t->drop)
		return json_null();
	switch (t->verdict) {
	case XGW_HOP_CIRCUIT: return json_string(maps_name(&q->m, XGW_NAME_HOP, link, name));
	case XGW_HOP_TUNNEL:
	case XGW_HOP_CLIENT:
		return json_string(maps_name(&q->m, XGW_NAME_CONNECTION, t->connection, name));
	case XGW_HOP_LOCAL:
	case XGW_HOP_APPLIANCE:
		return json_string(maps_name(&q->m, XGW_NAME_ATTACHMENT, t->attachment, name));
	case XGW_HOP_GATEWAY: return json_string("gateway");
	case XGW_HOP_INTERNET: return json_string("Internet");
	default: return json_null();
	}
}

/* The name of the table of user routes that the route stands in; null: it is the VNet's. */
static json_t *table_of(const struct question *q, const struct xgw_trace *t)
{
	char name[XGW_NAME];
	struct xgw_route home;
	if (!(t->flags & XGW_TRACE_TABLE) || maps_route(&q->m, q->vnet, &q->from, &home))
		return json_null();
	return json_string(maps_name(&q->m, XGW_NAME_TABLE, home.table, name));
}

/* Of a choice all its connections and links, in the order in which they are asked, and in which
 * group; else null. */
static json_t *candidates_of(const struct question *q, const struct xgw_next_hop *route_hop)
{
	char name[XGW_NAME];
	if (route_hop->kind != XGW_HOP_CHOICE)
		return json_null();
	json_t *list = json_array();
	int group = 1;
	for (unsigned i = 0; i < XGW_HOP_MEMBERS && route_hop->member[i]; i++) {
		struct xgw_next_hop member = {0};
		uint32_t id = route_hop->member[i];
		group += i && routing_begins_group(route_hop, i);
		if (maps_get(&q->m, MAPS_next_hops, &id, &member))
			continue;
		bool is_tunnel = member.kind == XGW_HOP_TUNNEL;
		maps_name(&q->m, is_tunnel ? XGW_NAME_CONNECTION : XGW_NAME_HOP,
			  is_tunnel ? member.connection : id, name);
		json_array_append_new(list,
				      json_pack("{s:s,s:b,s:i}", "nextHop", name, "up",
						member.flags & XGW_HOP_UP ? 1 : 0, "group", group));
	}
	return list;
}

/* Which peered VNet a peering's route leads to; else null. */
static json_t *peer_of(const struct question *q, const struct xgw_trace *t,
		       const struct xgw_next_hop *route_hop)
{
	char name[XGW_NAME];
	if (t->source != XGW_ROUTE_PEERING || route_hop->kind != XGW_HOP_LOCAL)
		return json_null();
	return json_string(maps_name(&q->m, XGW_NAME_VNET, route_hop->vnet, name));
}

/* Of a choice it is the one member of this kind: the other instance of the gateway. */
static json_t *appliance_of(const struct question *q, const struct xgw_trace *t,
			    const struct xgw_next_hop *route_hop)
{
	char text[IP_TEXT];
	struct xgw_next_hop hop = *route_hop;
	for (unsigned i = 0; route_hop->kind == XGW_HOP_CHOICE && i < XGW_HOP_MEMBERS &&
			     route_hop->member[i] && hop.kind != XGW_HOP_APPLIANCE;
	     i++) {
		if (maps_get(&q->m, MAPS_next_hops, &route_hop->member[i], &hop))
			hop.kind = XGW_HOP_NONE;
	}
	if (t->verdict != XGW_HOP_APPLIANCE || hop.kind != XGW_HOP_APPLIANCE)
		return json_null();
	struct ip_addr a = ip_addr_from_mapped(hop.address);
	return json_string(ip_addr_format(&a, text));
}

static json_t *document_of(const struct question *q, const struct xgw_trace *t)
{
	char from[IP_TEXT], to[IP_TEXT], prefix[PREFIX_TEXT];
	struct xgw_next_hop hop = {0}, route_hop = {0}, link = {0};
	json_t *route = json_null(), *up = json_null();
	if (t->family == q->to.family && t->source < sizeof sources / sizeof *sources) {
		struct ip_prefix p = ip_prefix_canonical((struct ip_prefix){q->to, t->plen});
		route = json_pack("{s:s,s:s}", "prefix", ip_prefix_format(&p, prefix), "source",
				  sources[t->source]);
		if (maps_get(&q->m, MAPS_next_hops, &t->next_hop, &route_hop))
			route_hop.kind = XGW_HOP_NONE;
	}
	/* the next hop of a connection has the connection's id: of a choice, its member's */
	if ((t->verdict == XGW_HOP_TUNNEL || t->verdict == XGW_HOP_CLIENT) &&
	    maps_get(&q->m, MAPS_next_hops, &t->connection, &hop) == 0)
		up = json_boolean(hop.flags & XGW_HOP_UP);
	uint32_t link_id = link_taken(q, t, &route_hop, &link);
	return json_pack("{s:s,s:o,s:o,s:o,s:o,s:s,s:s,s:s,s:o,s:o,s:o,s:o,s:o}", "verdict",
			 verdict_text(t), "reason",
			 t->drop ? json_string(maps_drop_name(t->drop)) : json_null(), "route",
			 route, "nextHop", next_hop_text(q, t, link_id), "tunnelUp", up,
			 "virtualNetwork", q->vnet_name, "from", ip_addr_format(&q->from, from),
			 "to", ip_addr_format(&q->to, to), "table", table_of(q, t), "candidates",
			 candidates_of(q, &route_hop), "peer", peer_of(q, t, &route_hop),
			 "appliance", appliance_of(q, t, &route_hop), "linkUp",
			 link_id ? json_boolean(link.flags & XGW_HOP_UP) : json_null());
}

static const char *text_of(const json_t *d, const char *field)
{
	return json_string_value(json_object_get(d, field));
}

static void print_candidates(const json_t *d)
{
	const json_t *list = json_object_get(d, "candidates"), *one;
	size_t i;
	if (json_array_size(list))
		printf("; chosen of");
	json_array_foreach(list, i, one)
		printf("%s %s (%s)", i ? "," : "", text_of(one, "nextHop"),
		       json_is_true(json_object_get(one, "up")) ? "up" : "down");
}

static void print(const json_t *d, const struct xgw_trace *t)
{
	const json_t *route = json_object_get(d, "route");
	printf("%s", text_of(d, "verdict"));
	if (text_of(d, "nextHop"))
		printf(" %s", text_of(d, "nextHop"));
	if (text_of(d, "appliance"))
		printf(" to appliance %s", text_of(d, "appliance"));
	if (t->drop)
		printf(" %s: %s", maps_drop_name(t->drop), maps_drop_text(t->drop));
	if (json_is_object(route))
		printf(", by route %s (%s)", text_of(route, "prefix"), text_of(route, "source"));
	if (text_of(d, "table"))
		printf(" of route table %s", text_of(d, "table"));
	if (text_of(d, "peer"))
		printf(" to virtual network %s", text_of(d, "peer"));
	print_candidates(d);
	if (json_is_false(json_object_get(d, "tunnelUp")))
		printf("; the tunnel is down, so it would be dropped there");
	if (json_is_false(json_object_get(d, "linkUp")))
		printf("; the link is down, and there is nothing better");
	printf("\n");
}

static int read_question(const struct command_options *o, struct question *q)
{
	if (!o->vnet)
		return command_say(EXIT_USAGE,
				   "`xgw next-hop` needs --vnet VNET; usage: xgw next-hop --vnet "
				   "VNET [--from SRC] DST");
	q->vnet_name = o->vnet;
	if (ip_addr_parse(&q->to, o->argv[0]))
		return command_say(EXIT_USAGE, "'%s' is no IPv4 or IPv6 address", o->argv[0]);
	if (o->from && ip_addr_parse(&q->from, o->from))
		return command_say(EXIT_USAGE, "--from '%s' is no IPv4 or IPv6 address", o->from);
	if (o->from && q->from.family != q->to.family)
		return command_say(EXIT_USAGE, "--from and the destination must be of one family");
	return 0;
}

int cmd_next_hop(const struct command_options *o)
{
	struct question q = {0};
	struct xgw_trace trace = {0};
	struct fault f = {0};
	int err = read_question(o, &q);
	if (err)
		return err;
	err = pins_open_maps(&q.m, &o->instance, &f);
	if (err)
		return command_fail(EXIT_FAILED, &f);
	err = find_place(&q, &f);
	if (!err)
		err = ask_program(o, &q, &trace, &f);
	json_t *document = err ? NULL : document_of(&q, &trace);
	maps_close(&q.m);
	if (err)
		return command_fail(EXIT_FAILED, &f);
	if (o->json)
		return command_print_json(document);
	print(document, &trace);
	json_decref(document);
	return EXIT_DONE;
}
