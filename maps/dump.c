// SPDX-License-Identifier: Apache-2.0
/* Every map decoded; see dump.h. One row per map says how an entry reads. */
#include "maps/dump.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "maps/limiter.h"
#include "maps/routing.h"

static void put_text(json_t *o, const char *name, const char *text)
{
	json_object_set_new(o, name, json_string(text));
}

static void put_number(json_t *o, const char *name, uint64_t number)
{
	json_object_set_new(o, name, json_integer((json_int_t)number));
}

static void put_name(json_t *o, const char *field, const struct maps *m, enum xgw_name_kind kind,
		     uint32_t id)
{
	char text[XGW_NAME];

	put_text(o, field, maps_name(m, kind, id, text));
}

/* Whose it is: a virtual network, or a circuit, whose domain is numbered behind them. */
static void put_network(const struct maps *m, uint32_t id, json_t *o)
{
	bool is_domain = id >= XGW_FIRST_DOMAIN && id < XGW_DOMAINS_BEHIND;
	bool is_vnet = id && id < XGW_FIRST_TABLE;

	if (is_vnet)
		put_name(o, "virtualNetwork", m, XGW_NAME_VNET, id);
	else
		json_object_set_new(o, "virtualNetwork", json_null());
	if (is_domain)
		put_name(o, "circuit", m, XGW_NAME_CIRCUIT, id);
	else
		json_object_set_new(o, "circuit", json_null());
}

static void put_mac(json_t *o, const char *name, const uint8_t mac[6])
{
	char text[MAC_TEXT];

	put_text(o, name, mac_format(mac, text));
}

/* An address that is all zero stands for none. */
static void put_addr(json_t *o, const char *name, const uint8_t mapped[16])
{
	static const uint8_t none[16];
	struct ip_addr a = ip_addr_from_mapped(mapped);
	char text[IP_TEXT];

	if (memcmp(mapped, none, sizeof(none)) == 0)
		json_object_set_new(o, name, json_null());
	else
		put_text(o, name, ip_addr_format(&a, text));
}

static const char *one_of(const char *const *names, unsigned n, unsigned value)
{
	return value < n ? names[value] : "unknown";
}
#define ONE_OF(names, value) one_of(names, sizeof(names) / sizeof((names)[0]), value)

static const char *const roles[] = {"none", "uplink", "vnet", "circuit", "link"};
static const char *const tags[] = {"none", "vlan", "vxlan", "qinq"};
static const char *const sources[] = {"system", "static", "user", "bgp", "peering", "client"};
static const char *const hops[] = {"none",    "drop",	"local",  "tunnel",    "gateway",
				   "circuit", "client", "choice", "appliance", "internet"};
static const char *const kinds[] = {"none",	   "virtual network", "connection",
				    "port",	   "attachment",      "gateway",
				    "route table", "next hop",	      "circuit"};

/* Names of the flags that are set, as a list. */
static void put_flags(json_t *o, const char *const *names, unsigned n, unsigned flags)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < n; i++) {
		if (flags & 1u << i)
			json_array_append_new(list, json_string(names[i]));
	}
	json_object_set_new(o, "flags", list);
}
#define PUT_FLAGS(o, names, flags) put_flags(o, names, sizeof(names) / sizeof((names)[0]), flags)

static void decode_config(const struct maps *m, const void *key, const void *value, json_t *o)
{
	const struct xgw_config *c = value;

	(void)m, (void)key;
	put_number(o, "layoutVersion", c->layout_version);
	put_number(o, "generation", c->generation);
	put_number(o, "daemonBeat", c->daemon_beat);
}

static void decode_ports(const struct maps *m, const void *key, const void *value, json_t *o)
{
	const struct xgw_port *p = value;

	(void)key;
	put_name(o, "port", m, XGW_NAME_PORT, p->id);
	put_number(o, "id", p->id);
	put_number(o, "ifindex", p->ifindex);
	put_text(o, "role", ONE_OF(roles, p->role));
	put_mac(o, "mac", p->mac);
	put_number(o, "mtu", p->mtu);
	if (p->wire)
		put_name(o, "wire", m, XGW_NAME_ATTACHMENT, p->wire);
	else
		json_object_set_new(o, "wire", json_null());
}

static void decode_attachments_in(const struct maps *m, const void *key, const void *value,
				  json_t *o)
{
	const struct xgw_tag_key *k = key;
	const uint32_t *id = value;

	put_number(o, "ifindex", k->ifindex);
	put_text(o, "encapsulation", ONE_OF(tags, k->kind));
	put_number(o, "tag", k->tag);
	put_name(o, "attachment", m, XGW_NAME_ATTACHMENT, *id);
	put_number(o, "id", *id);
}

static void decode_attachments(const struct maps *m, const void *key, const void *value, json_t *o)
{
	static const char *const flags[] = {"learn", "answers", "link"};
	const struct xgw_attachment *a = value;

	(void)key;
	put_name(o, "attachment", m, XGW_NAME_ATTACHMENT, a->id);
	put_number(o, "id", a->id);
	put_network(m, a->vnet, o);
	put_name(o, "port", m, XGW_NAME_PORT, a->port_id);
	put_number(o, "ifindex", a->ifindex);
	put_text(o, "encapsulation", ONE_OF(tags, a->kind));
	put_number(o, "tag", a->tag);
	put_addr(o, "localAddress", a->local_vtep);
	put_number(o, "udpPort", ntohs(a->vxlan_port_be));
	put_mac(o, "mac", a->mac);
	put_number(o, "mtu", a->mtu);
	put_number(o, "localIfindex", a->local_ifindex);
	put_number(o, "limiter", a->limiter);
	put_number(o, "instance", a->instance);
	PUT_FLAGS(o, flags, a->flags);
}

static void decode_addresses(const struct maps *m, const void *key, const void *value, json_t *o)
{
	const struct xgw_address_key *k = key;
	const struct xgw_address *a = value;

	put_network(m, k->vnet, o);
	put_addr(o, "address", k->addr);
	put_name(o, "attachment", m, XGW_NAME_ATTACHMENT, a->attachment);
}

static void decode_endpoints(const struct maps *m, const void *key, const void *value, json_t *o)
{
	static const char *const flags[] = {"static", "kernel", "learnt"};
	const struct xgw_endpoint_key *k = key;
	const struct xgw_endpoint *e = value;

	put_network(m, k->vnet, o);
	put_addr(o, "address", k->addr);
	put_mac(o, "mac", e->mac);
	put_addr(o, "host", e->vtep);
	put_name(o, "attachment", m, XGW_NAME_ATTACHMENT, e->attachment);
	PUT_FLAGS(o, flags, e->flags);
	put_number(o, "seenNs", e->seen_ns);
}

static void decode_learnt(const struct maps *m, const void *key, const void *value, json_t *o)
{
	const struct xgw_learnt *l = value;

	put_name(o, "virtualNetwork", m, XGW_NAME_VNET, *(const uint32_t *)key);
	put_number(o, "endpoints", l->count);
	put_number(o, "limit", l->limit);
}

static void decode_vteps(const struct maps *m, const void *key, const void *value, json_t *o)
{
	static const char *const flags[] = {"static", "directory"};
	const struct xgw_vtep_key *k = key;
	const struct xgw_vtep *v = value;
	struct ip_prefix p = {.addr = ip_addr_from_mapped(k->addr)};
	char text[PREFIX_TEXT];

	/* a mapped address has 96 bits in front */
	p.len = (uint8_t)(k->prefixlen - 32 - (p.addr.family == IP_V4 ? 96 : 0));
	put_name(o, "attachment", m, XGW_NAME_ATTACHMENT, ntohl(k->attachment_be));
	put_text(o, "prefix", ip_prefix_format(&p, text));
	PUT_FLAGS(o, flags, v->flags);
}

static void decode_neighbours(const struct maps *m, const void *key, const void *value, json_t *o)
{
	const struct xgw_neighbour_key *k = key;
	const struct xgw_neighbour *n = value;

	(void)m;
	put_number(o, "ifindex", k->ifindex);
	put_addr(o, "address", k->addr);
	put_mac(o, "mac", n->mac);
}

/* The table's name, null for none. */
static void put_table(const struct maps *m, uint32_t table, json_t *o)
{
	if (table)
		put_name(o, "table", m, XGW_NAME_TABLE, table);
	else
		json_object_set_new(o, "table", json_null());
}

/* What the next hop leads to: a connection, a VNet, the appliance's address, a choice's name. */
static void put_goal(const struct maps *m, const char *field, uint32_t id,
		     const struct xgw_next_hop *hop, json_t *o)
{
	switch (hop->kind) {
	case XGW_HOP_TUNNEL:
	case XGW_HOP_CLIENT: put_name(o, field, m, XGW_NAME_CONNECTION, hop->connection); break;
	case XGW_HOP_LOCAL: put_name(o, field, m, XGW_NAME_VNET, hop->vnet); break;
	case XGW_HOP_CIRCUIT:
	case XGW_HOP_CHOICE: put_name(o, field, m, XGW_NAME_HOP, id); break;
	case XGW_HOP_APPLIANCE: put_addr(o, field, hop->address); break;
	default: json_object_set_new(o, field, json_null());
	}
}

static void put_route(const struct maps *m, uint32_t vnet, const struct ip_prefix *p,
		      const struct xgw_route *r, json_t *o)
{
	static const char *const flags[] = {"local", "forwarded", "transit", "withheld", "gateway"};
	struct xgw_next_hop hop = {0};
	char text[PREFIX_TEXT];
	uint32_t id = r->next_hop;
	bool is_table = vnet >= XGW_FIRST_TABLE && vnet < XGW_FIRST_DOMAIN;

	put_network(m, vnet, o);
	/* that the route stands in, or that packets from there ask too */
	put_table(m, is_table ? vnet : r->table, o);
	put_text(o, "prefix", ip_prefix_format(p, text));
	put_text(o, "source", ONE_OF(sources, r->source));
	if (maps_get(m, MAPS_next_hops, &id, &hop))
		put_text(o, "type", "missing");
	else
		put_text(o, "type", ONE_OF(hops, hop.kind));
	put_goal(m, "nextHop", id, &hop, o);
	put_number(o, "nextHopId", id);
	json_object_set_new(o, "local", json_boolean(r->flags & XGW_ROUTE_LOCAL));
	PUT_FLAGS(o, flags, r->flags);
}

/* A choice's members by the names of their connections and links, in the order in which they are
 * asked, and the group of each. */
static void put_members(const struct maps *m, const struct xgw_next_hop *h, json_t *o)
{
	json_t *list = json_array(), *groups = json_array();
	char text[XGW_NAME];
	unsigned group = 1;

	for (unsigned i = 0; i < XGW_HOP_MEMBERS && h->kind == XGW_HOP_CHOICE && h->member[i];
	     i++) {
		struct xgw_next_hop member = {0};
		uint32_t id = h->member[i];
		bool is_tunnel =
			!maps_get(m, MAPS_next_hops, &id, &member) && member.kind == XGW_HOP_TUNNEL;

		json_array_append_new(
			list,
			json_string(maps_name(m, is_tunnel ? XGW_NAME_CONNECTION : XGW_NAME_HOP,
					      is_tunnel ? member.connection : id, text)));
		group += i && routing_begins_group(h, i);
		json_array_append_new(groups, json_sprintf("%u", group));
	}
	json_object_set_new(o, "members", list);
	json_object_set_new(o, "groups", groups);
}

static void decode_routes4(const struct maps *m, const void *key, const void *value, json_t *o)
{
	const struct xgw_route4_key *k = key;
	struct ip_prefix p = {.addr = ip_addr_from_bytes(IP_V4, k->addr),
			      .len = (uint8_t)(k->prefixlen - 32)};

	put_route(m, ntohl(k->vnet_be), &p, value, o);
}

static void decode_routes6(const struct maps *m, const void *key, const void *value, json_t *o)
{
	const struct xgw_route6_key *k = key;
	struct ip_prefix p = {.addr = ip_addr_from_bytes(IP_V6, k->addr),
			      .len = (uint8_t)(k->prefixlen - 32)};

	put_route(m, ntohl(k->vnet_be), &p, value, o);
}

static void decode_next_hops(const struct maps *m, const void *key, const void *value, json_t *o)
{
	static const char *const flags[] = {"up", "spread", "branches", "instance"};
	const struct xgw_next_hop *h = value;
	uint32_t id = *(const uint32_t *)key;
	bool has_address = h->kind == XGW_HOP_APPLIANCE || h->kind == XGW_HOP_CIRCUIT;
	bool is_named = h->kind == XGW_HOP_CHOICE || has_address;

	put_number(o, "id", id);
	put_text(o, "type", ONE_OF(hops, h->kind));
	if (is_named)
		put_name(o, "name", m, XGW_NAME_HOP, id);
	else
		json_object_set_new(o, "name", json_null());
	put_network(m, h->kind == XGW_HOP_LOCAL || has_address ? h->vnet : 0, o);
	if (h->kind == XGW_HOP_TUNNEL || h->kind == XGW_HOP_CLIENT)
		put_name(o, "connection", m, XGW_NAME_CONNECTION, h->connection);
	else
		json_object_set_new(o, "connection", json_null());
	put_members(m, h, o);
	if (has_address)
		put_addr(o, "address", h->address);
	else
		json_object_set_new(o, "address", json_null());
	put_table(m, h->kind == XGW_HOP_TUNNEL || h->kind == XGW_HOP_CLIENT ? h->table : 0, o);
	PUT_FLAGS(o, flags, h->flags);
}

static void decode_sas_in(const struct maps *m, const void *key, const void *value, json_t *o)
{
	static const char *const flags[] = {"udp"};
	const struct xgw_sa_key *k = key;
	const struct xgw_sa_in *s = value;
	char spi[12];

	snprintf(spi, sizeof(spi), "%08x", ntohl(k->spi_be));
	put_text(o, "spi", spi);
	put_addr(o, "destination", k->destination);
	put_name(o, "connection", m, XGW_NAME_CONNECTION, s->connection);
	put_name(o, "virtualNetwork", m, XGW_NAME_VNET, s->vnet);
	put_number(o, "slot", s->slot);
	PUT_FLAGS(o, flags, s->flags);
}

static void decode_names(const struct maps *m, const void *key, const void *value, json_t *o)
{
	const struct xgw_name_key *k = key;
	struct xgw_name name;

	(void)m;
	memcpy(&name, value, sizeof(name));
	name.text[XGW_NAME - 1] = 0;
	put_text(o, "kind", ONE_OF(kinds, k->kind));
	put_number(o, "id", k->id);
	put_text(o, "name", name.text);
}

static void decode_drops(const struct maps *m, const void *key, const void *value, json_t *o)
{
	uint32_t index = *(const uint32_t *)key, reason = index % XGW_DROP_SLOTS;
	uint32_t port = index / XGW_DROP_SLOTS;
	const struct xgw_count *c = value;

	if (port == XGW_WORKER_PORT)
		put_text(o, "port", "workers");
	else
		put_name(o, "port", m, XGW_NAME_PORT, port);
	put_text(o, "reason", maps_drop_name(reason));
	put_text(o, "severity", maps_drop_severity(reason));
	put_number(o, "packets", c->packets);
	put_number(o, "bytes", c->bytes);
	put_text(o, "meaning", maps_drop_text(reason));
}

static void put_count(json_t *o, const char *name, const struct xgw_count *c)
{
	char bytes[32];

	put_number(o, name, c->packets);
	snprintf(bytes, sizeof(bytes), "%sBytes", name);
	put_number(o, bytes, c->bytes);
}

static void decode_traffic(const struct maps *m, const void *key, const void *value, json_t *o)
{
	const struct xgw_traffic *t = value;

	put_name(o, "port", m, XGW_NAME_PORT, *(const uint32_t *)key);
	put_count(o, "received", &t->received);
	put_count(o, "passed", &t->passed);
	put_count(o, "forwarded", &t->forwarded);
	put_count(o, "toWorker", &t->to_worker);
	put_count(o, "dropped", &t->dropped);
	put_count(o, "answered", &t->answered);
}

static void decode_limiters(const struct maps *m, const void *key, const void *value, json_t *o)
{
	const struct xgw_limiter *l = value;

	(void)m;
	put_number(o, "id", *(const uint32_t *)key);
	put_number(o, "bandwidthInMbps", limiter_mbps(l));
	put_number(o, "burstNs", l->burst_ns);
}

static void (*const decoders[MAPS_COUNT])(const struct maps *, const void *, const void *,
					  json_t *) = {
#define MAP(name, ...) [MAPS_##name] = decode_##name,
#define RAW(name, ...)
#include "maps/maps.def"
#undef MAP
#undef RAW
};

static bool has_all_keys(enum maps_id id)
{
	return id == MAPS_drops || id == MAPS_traffic || id == MAPS_attachments ||
	       id == MAPS_limiters;
}

/* Arrays have every index: entries that nobody filled are left out. */
static bool is_filled(enum maps_id id, const void *value)
{
	const uint8_t *b = value;

	if (!has_all_keys(id))
		return true;
	for (uint32_t i = 0; i < maps_row(id)->value_size; i++) {
		if (b[i])
			return true;
	}
	return false;
}

struct decoding {
	const struct maps *m;
	enum maps_id id;
	json_t *entries;
};

static int decode(void *owner, const void *key, const void *value)
{
	struct decoding *d = owner;
	json_t *entry;

	if (!is_filled(d->id, value))
		return 0;
	entry = json_object();
	if (!entry)
		return -ENOMEM;
	decoders[d->id](d->m, key, value, entry);
	return json_array_append_new(d->entries, entry) ? -ENOMEM : 0;
}

/* Sockets and devices: which places are taken. */
static int decode_raw(struct decoding *d)
{
	uint32_t key, next, value, *from = NULL;

	if (!maps_row(d->id)->key_size)
		return 0;
	while (!bpf_map_get_next_key(d->m->fd[d->id], from, &next)) {
		json_t *entry;

		key = next;
		from = &key;
		/* the kernel tells nobody what stands in a map of sockets: that one reads empty */
		if (bpf_map_lookup_elem(d->m->fd[d->id], &key, &value))
			continue;
		entry = json_object();
		if (d->id == MAPS_xsks) {
			put_name(entry, "port", d->m, XGW_NAME_PORT, key / XGW_MAX_QUEUES);
			put_number(entry, "queue", key % XGW_MAX_QUEUES);
		} else {
			put_number(entry, "ifindex", key);
		}
		if (json_array_append_new(d->entries, entry))
			return -ENOMEM;
	}
	return 0;
}

static int unknown_map(const char *name, struct fault *f)
{
	fault_set(f, -ENOENT, "no map is called '%s'; there are", name);
	for (unsigned i = 0; f && i < MAPS_COUNT; i++) {
		size_t used = strlen(f->text);

		snprintf(f->text + used, sizeof(f->text) - used, "%s %s", i ? "," : "",
			 maps_row((enum maps_id)i)->name);
	}
	return fault_advise(f, "`xgw dump` lists them with their meaning");
}

int dump_map(const struct maps *m, const char *name, json_t **out, struct fault *f)
{
	struct decoding d = {.m = m, .id = MAPS_COUNT};
	int rc;

	*out = NULL;
	for (unsigned i = 0; i < MAPS_COUNT; i++) {
		if (!strcmp(maps_row((enum maps_id)i)->name, name))
			d.id = (enum maps_id)i;
	}
	if (d.id == MAPS_COUNT) {
		unknown_map(name, f);
		return -ENOENT;
	}
	d.entries = json_array();
	rc = maps_row(d.id)->raw ? decode_raw(&d) : maps_walk(m, d.id, decode, &d);
	if (rc) {
		json_decref(d.entries);
		return fault_set(f, rc, "map %s cannot be read: %s", name, strerror(-rc));
	}
	*out = json_pack("{s:s, s:o}", "map", name, "entries", d.entries);
	return *out ? 0 : fault_set(f, -ENOMEM, "no memory for the entries of map %s", name);
}

static const char *type_name(uint32_t type)
{
	switch (type) {
	case BPF_MAP_TYPE_HASH: return "hash";
	case BPF_MAP_TYPE_ARRAY: return "array";
	case BPF_MAP_TYPE_PERCPU_ARRAY: return "percpu_array";
	case BPF_MAP_TYPE_LPM_TRIE: return "lpm_trie";
	case BPF_MAP_TYPE_XSKMAP: return "xskmap";
	case BPF_MAP_TYPE_DEVMAP_HASH: return "devmap_hash";
	case BPF_MAP_TYPE_RINGBUF: return "ringbuf";
	}
	return "unknown";
}

/* What the kernel charges for the map, by its fdinfo. */
static uint64_t memory_of(int fd)
{
	unsigned long long bytes = 0;
	char path[64], line[128];
	FILE *in;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	in = fopen(path, "re");
	if (!in)
		return 0;
	while (fgets(line, sizeof(line), in)) {
		if (sscanf(line, "memlock: %llu", &bytes) == 1)
			break;
	}
	fclose(in);
	return bytes;
}

static long count_filled(const struct maps *m, enum maps_id id)
{
	struct decoding d = {.m = m, .id = id, .entries = json_array()};
	long n;

	if (!has_all_keys(id)) {
		json_decref(d.entries);
		return maps_entries(m, id);
	}
	n = maps_walk(m, id, decode, &d);
	if (!n)
		n = (long)json_array_size(d.entries);
	json_decref(d.entries);
	return n;
}

int dump_list(const struct maps *m, json_t **out, struct fault *f)
{
	json_t *list = json_array();

	*out = NULL;
	for (unsigned i = 0; i < MAPS_COUNT; i++) {
		const struct maps_row *row = maps_row((enum maps_id)i);
		struct bpf_map_info about = {0};
		__u32 len = sizeof(about);
		long n;

		if (bpf_obj_get_info_by_fd(m->fd[i], &about, &len)) {
			json_decref(list);
			return fault_set(f, -errno, "map %s cannot be asked for its size: %s",
					 row->name, strerror(errno));
		}
		n = count_filled(m, (enum maps_id)i);
		json_array_append_new(list, json_pack("{s:s, s:s, s:I, s:I, s:I, s:s}", "name",
						      row->name, "type", type_name(about.type),
						      "entries", (json_int_t)(n < 0 ? 0 : n),
						      "maxEntries", (json_int_t)about.max_entries,
						      "bytes", (json_int_t)memory_of(m->fd[i]),
						      "meaning", row->meaning));
	}
	*out = json_pack("{s:o}", "maps", list);
	return *out ? 0 : fault_set(f, -ENOMEM, "no memory for the list of maps");
}

/* ---- tables ---- */

/* A cell as text, in the caller's buffer. */
static const char *cell(const json_t *value, char out[256])
{
	size_t used = 0;

	out[0] = 0;
	if (json_is_string(value))
		snprintf(out, 256, "%s", json_string_value(value));
	else if (json_is_integer(value))
		snprintf(out, 256, "%lld", (long long)json_integer_value(value));
	else if (json_is_boolean(value))
		snprintf(out, 256, "%s", json_is_true(value) ? "yes" : "no");
	for (size_t i = 0; i < json_array_size(value) && used < 255; i++)
		used += (size_t)snprintf(out + used, 256 - used, "%s%s", i ? "," : "",
					 json_string_value(json_array_get(value, i)));
	return out[0] ? out : "-";
}

static void print_row(FILE *to, const json_t *first, const json_t *row, const int *width)
{
	size_t column = 0, columns = json_object_size(first);
	const char *field;
	json_t *value;
	char text[256];

	json_object_foreach((json_t *)(uintptr_t)first, field, value)
	{
		const char *shown = row ? cell(json_object_get(row, field), text) : field;

		/* the last column is not padded: no blanks at line ends */
		fprintf(to, "%-*s%s", column + 1 < columns ? width[column] : 0, shown,
			column + 1 < columns ? "  " : "\n");
		column++;
	}
}

void dump_print(FILE *to, const json_t *document)
{
	const json_t *list = json_object_get(document, "entries"), *first, *row;
	int width[32] = {0};
	size_t i, column;
	const char *field;
	json_t *value;
	char text[256];

	if (!list)
		list = json_object_get(document, "maps");
	first = json_array_get(list, 0);
	if (!first)
		return;
	json_array_foreach(list, i, row)
	{
		column = 0;
		json_object_foreach((json_t *)(uintptr_t)first, field, value)
		{
			int len = (int)strlen(cell(json_object_get(row, field), text));
			int head = (int)strlen(field);

			len = len > head ? len : head;
			if (column < 32 && len > width[column])
				width[column] = len;
			column++;
		}
	}
	print_row(to, first, NULL, width);
	json_array_foreach(list, i, row) print_row(to, first, row, width);
}
