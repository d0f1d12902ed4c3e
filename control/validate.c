/* SPDX-License-Identifier: Apache-2.0 */
/* Rules between resources: names, ports; and the sorted sets that the other rules use. */
#include "control/validate_internal.h"

#include <stdlib.h>
#include <string.h>

void unique_add(struct judge *j, struct unique *u, const void *key, size_t len,
		struct model_place place, const char *name)
{
	if (u->n == u->room) {
		uint32_t room = u->room ? u->room * 2 : 16;
		struct unique_item *at = reallocarray(u->at, room, sizeof *at);
		if (!at) {
			j->no_memory = true;
			return;
		}
		u->at = at;
		u->room = room;
	}
	struct unique_item *x = &u->at[u->n++];
	*x = (struct unique_item){.place = place, .name = name};
	memcpy(x->key, key, len < sizeof x->key ? len : sizeof x->key);
}

static int compare_places(const struct model_place *a, const struct model_place *b)
{
	if (a->line != b->line)
		return a->line < b->line ? -1 : 1;
	return a->column < b->column ? -1 : a->column > b->column;
}

static int by_key(const void *a, const void *b)
{
	const struct unique_item *x = a, *y = b;
	int c = memcmp(x->key, y->key, sizeof x->key);
	return c ? c : compare_places(&x->place, &y->place);
}

void unique_report(struct judge *j, struct unique *u,
		   void (*twice)(struct judge *j, const struct unique_item *item,
				 const struct unique_item *first))
{
	const struct unique_item *first = u->at;
	if (u->n)
		qsort(u->at, u->n, sizeof *u->at, by_key);
	for (uint32_t i = 1; i < u->n; i++) {
		if (memcmp(first->key, u->at[i].key, sizeof first->key) != 0)
			first = &u->at[i];
		else
			twice(j, &u->at[i], first);
	}
	free(u->at);
	*u = (struct unique){0};
}

static int by_prefix(const void *a, const void *b)
{
	const struct placed_prefix *x = a, *y = b;
	int c = ip_addr_cmp(&x->prefix.addr, &y->prefix.addr);
	if (!c && x->prefix.len != y->prefix.len)
		return x->prefix.len < y->prefix.len ? -1 : 1;
	return c ? c : compare_places(&x->place, &y->place);
}

void prefix_set_sort(struct prefix_set *s)
{
	if (s->n)
		qsort(s->at, s->n, sizeof *s->at, by_prefix);
}

void prefix_set_reduce(struct prefix_set *s)
{
	uint32_t kept = 0;
	for (uint32_t i = 0; i < s->n; i++) {
		if (!kept || !ip_prefix_covers(&s->at[kept - 1].prefix, &s->at[i].prefix))
			s->at[kept++] = s->at[i];
	}
	s->n = kept;
}

struct prefix_set prefix_set_of_vnet(struct judge *j, const struct model_vnet *v)
{
	struct prefix_set s = {.at = calloc(v->n_address_space + 1, sizeof *s.at)};
	if (!s.at) {
		j->no_memory = true;
		return s;
	}
	for (; s.n < v->n_address_space; s.n++)
		s.at[s.n] = (struct placed_prefix){.prefix = v->address_space[s.n],
						   .place = v->address_space_at[s.n]};
	prefix_set_sort(&s);
	return s;
}

/* Number of prefixes whose address is not behind that of p. */
static uint32_t rank(const struct prefix_set *s, const struct ip_prefix *p)
{
	uint32_t low = 0, high = s->n;
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		if (ip_addr_cmp(&s->at[middle].prefix.addr, &p->addr) <= 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

const struct placed_prefix *prefix_set_cover(const struct prefix_set *s, const struct ip_prefix *p)
{
	uint32_t i = rank(s, p);
	return i && ip_prefix_covers(&s->at[i - 1].prefix, p) ? &s->at[i - 1] : NULL;
}

const struct placed_prefix *prefix_set_overlap(const struct prefix_set *s,
					       const struct ip_prefix *p)
{
	uint32_t i = rank(s, p);
	if (i && ip_prefix_overlaps(&s->at[i - 1].prefix, p))
		return &s->at[i - 1];
	return i < s->n && ip_prefix_overlaps(&s->at[i].prefix, p) ? &s->at[i] : NULL;
}

static void name_twice(struct judge *j, const struct unique_item *item,
		       const struct unique_item *first)
{
	findings_error(j->findings, item->place,
		       "name: '%s' is the name of another %s, in line %u; names are unique in "
		       "their kind",
		       (const char *)item->key, item->name, first->place.line);
}

static void add_name(struct judge *j, struct unique *u, const char *name, struct model_place place,
		     const char *kind)
{
	if (*name)
		unique_add(j, u, name, strlen(name), place, kind);
}

void validate_names(struct judge *j)
{
	const struct model *m = j->m;
	struct unique u = {0};
	for (uint32_t i = 0; i < m->host.n_ports; i++)
		add_name(j, &u, m->host.ports[i].name, m->host.ports[i].place, "port");
	unique_report(j, &u, name_twice);
	for (uint32_t i = 0; i < m->n_vnets; i++)
		add_name(j, &u, m->vnets[i].name, m->vnets[i].place, "virtual network");
	unique_report(j, &u, name_twice);
	for (uint32_t i = 0; i < m->n_sites; i++) {
		if (!m->sites[i].is_remote_gateway)
			add_name(j, &u, m->sites[i].name, m->sites[i].place,
				 "local network gateway");
	}
	unique_report(j, &u, name_twice);
	/* a Vnet2Vnet connection names either */
	for (uint32_t i = 0; i < m->n_gateways; i++)
		add_name(j, &u, m->gateways[i].name, m->gateways[i].place, "gateway");
	for (uint32_t i = 0; i < m->n_sites; i++) {
		if (m->sites[i].is_remote_gateway)
			add_name(j, &u, m->sites[i].name, m->sites[i].place, "gateway");
	}
	unique_report(j, &u, name_twice);
	for (uint32_t i = 0; i < m->n_connections; i++)
		add_name(j, &u, m->connections[i].name, m->connections[i].place, "connection");
	unique_report(j, &u, name_twice);
}

static void validate_more_names(struct judge *j)
{
	const struct model *m = j->m;
	struct unique u = {0};
	for (uint32_t i = 0; i < m->n_tables; i++)
		add_name(j, &u, m->tables[i].name, m->tables[i].place, "route table");
	unique_report(j, &u, name_twice);
	for (uint32_t i = 0; i < m->n_circuits; i++)
		add_name(j, &u, m->circuits[i].name, m->circuits[i].place, "circuit");
	unique_report(j, &u, name_twice);
}

static void device_twice(struct judge *j, const struct unique_item *item,
			 const struct unique_item *first)
{
	findings_error(j->findings, item->place,
		       "device: '%s' is a port already, in line %u; a device has one role",
		       (const char *)item->key, first->place.line);
}

void validate_ports(struct judge *j)
{
	const struct model_host *h = &j->m->host;
	struct unique u = {0};
	bool has_uplink = false, has_tunnel = false;
	for (uint32_t i = 0; i < h->n_ports; i++) {
		const struct model_port *p = &h->ports[i];
		if (*p->device)
			unique_add(j, &u, p->device, strlen(p->device), p->device_at, NULL);
		/* of an incomplete one the role may not be known */
		has_uplink = has_uplink || p->role == XGW_ROLE_UPLINK || p->incomplete;
	}
	unique_report(j, &u, device_twice);
	if (h->n_ports > XGW_WORKER_PORT)
		findings_error(j->findings, h->ports[XGW_WORKER_PORT].place,
			       "ports: expected at most %u, came %u", XGW_WORKER_PORT, h->n_ports);
	for (uint32_t i = 0; !has_tunnel && i < j->m->n_connections; i++)
		has_tunnel = !j->m->connections[i].express_route;
	if (has_tunnel && h->n_ports && !has_uplink)
		findings_error(j->findings, h->ports[0].place,
			       "ports: no port has role uplink, connections need one");
}

/* Counts, then fills: no list of connections is walked for each gateway. */
static bool index_connections(struct judge *j)
{
	const struct model *m = j->m;
	j->first = calloc(m->n_gateways + 2, sizeof *j->first);
	j->by_gateway = calloc(m->n_connections + 1, sizeof *j->by_gateway);
	if (!j->first || !j->by_gateway)
		return false;
	for (uint32_t i = 0; i < m->n_connections; i++) {
		if (m->connections[i].gateway != MODEL_NONE)
			j->first[m->connections[i].gateway + 2]++;
	}
	for (uint32_t g = 0; g < m->n_gateways; g++)
		j->first[g + 2] += j->first[g + 1];
	for (uint32_t i = 0; i < m->n_connections; i++) {
		if (m->connections[i].gateway != MODEL_NONE)
			j->by_gateway[j->first[m->connections[i].gateway + 1]++] = i;
	}
	return true;
}

void validate(const struct model *m, struct config_findings *findings)
{
	validate_but(m, findings, NULL, NULL);
}

void validate_but(const struct model *m, struct config_findings *findings, const bool *quiet,
		  bool *told)
{
	struct judge j = {.m = m, .findings = findings, .quiet = quiet, .told = told};
	j.no_memory = !index_connections(&j);
	if (!j.no_memory) {
		validate_names(&j);
		validate_more_names(&j);
		validate_ports(&j);
		validate_vnets(&j);
		validate_peerings(&j);
		validate_tables(&j);
		validate_gateways(&j);
		validate_instances(&j);
		validate_circuits(&j);
		validate_routers(&j);
		validate_connections(&j);
		validate_bgp(&j);
		validate_spaces(&j);
		validate_clients(&j);
	}
	free(j.first);
	free(j.by_gateway);
	if (j.no_memory)
		findings_error(findings, (struct model_place){1, 1},
			       "not enough memory to judge the configuration");
}
