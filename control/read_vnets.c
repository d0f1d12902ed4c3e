/* SPDX-License-Identifier: Apache-2.0 */
/* Checked tree -> host and virtual networks of the model. */
#include "control/read_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int read_host(struct read *r)
{
	const struct tree_node *map = schema_value(r->tree->root, P_configuration_host);
	struct model_host *h = &r->model->host;
	static const enum xgw_role roles[] = {XGW_ROLE_UPLINK, XGW_ROLE_VNET, XGW_ROLE_CIRCUIT};
	uint32_t n = read_length(map, P_host_ports);
	h->ports = read_array(r, n, sizeof *h->ports);
	h->workers = read_number(map, P_host_workers);
	h->xdp_mode = (enum model_xdp_mode)read_choice(map, P_host_xdpMode);
	h->zero_copy = (enum model_zero_copy)read_choice(map, P_host_zeroCopy);
	h->busy_poll = read_boolean(map, P_host_busyPoll);
	h->crypto_backend = read_copy(r, read_text(map, P_host_cryptoBackend));
	h->replay_window = read_number(map, P_host_replayWindow);
	const char *metrics = read_text(map, P_host_metrics);
	h->metrics = metrics && *metrics ? read_copy(r, metrics) : NULL;
	h->export_keys = read_boolean(map, P_host_exportKeys);
	if (h->export_keys)
		findings_warn(
			r->findings, read_place(map, P_host_exportKeys),
			"exportKeys: `xgw keys` prints the keys of all tunnels; for a lab only");
	for (uint32_t i = 0; h->ports && i < n; i++) {
		const struct tree_node *item = read_item(map, P_host_ports, i);
		struct model_port *p = &h->ports[h->n_ports++];
		p->name = read_copy(r, read_text(item, P_port_name));
		p->device = read_copy(r, read_text(item, P_port_device));
		p->role = roles[read_choice(item, P_port_role)];
		p->xdp_transmit = read_choice(item, P_port_transmit) == 1;
		p->incomplete = item->is_bad;
		p->place = read_place(item, P_port_name);
		p->device_at = read_place(item, P_port_device);
	}
	return r->no_memory ? -ENOMEM
			    : read_index_names(r, P_host_ports, P_port_name, 0, &r->ports);
}

static void read_subnets(struct read *r, const struct tree_node *map, struct model_vnet *v)
{
	uint32_t n = read_length(map, P_virtualNetwork_subnets);
	v->subnets = read_array(r, n, sizeof *v->subnets);
	for (uint32_t i = 0; v->subnets && i < n; i++) {
		const struct tree_node *item = read_item(map, P_virtualNetwork_subnets, i);
		const char *prefix = read_text(item, P_subnet_addressPrefix);
		struct model_subnet *s = &v->subnets[v->n_subnets++];
		s->name = read_copy(r, read_text(item, P_subnet_name));
		s->incomplete = item->is_bad || !prefix || ip_prefix_parse(&s->prefix, prefix);
		s->place = read_place(item, P_subnet_name);
		s->prefix_at = read_place(item, P_subnet_addressPrefix);
		s->table_at = read_place(item, P_subnet_routeTable);
		s->route_table =
			read_reference(r, item, P_subnet_routeTable, &r->tables, "route table");
	}
}

/* One address of a family. */
static void take_address(struct read *r, struct model_attachment *a, const struct tree_node *value)
{
	struct ip_prefix p;
	if (value->type != TREE_SCALAR || value->is_bad || ip_prefix_parse(&p, value->text))
		return;
	bool v6 = p.addr.family == IP_V6;
	if (v6 ? a->has_address6 : a->has_address) {
		findings_error(r->findings, value->place,
			       "address: expected one IPv4 and one IPv6 address at most, "
			       "came a second IPv%d one",
			       v6 ? 6 : 4);
		a->incomplete = true;
		return;
	}
	if (v6) {
		a->address6 = p;
		a->has_address6 = true;
	} else {
		a->address = p;
		a->has_address = true;
	}
}

static void read_addresses(struct read *r, const struct tree_node *map, struct model_attachment *a)
{
	const struct tree_node *v = schema_value(map, P_attachment_address);
	a->address_at = read_place(map, P_attachment_address);
	if (v && v->type == TREE_SCALAR)
		take_address(r, a, v);
	for (uint32_t i = 0; v && v->type == TREE_LIST && i < v->n; i++)
		take_address(r, a, v->items[i].value);
}

/* A property that belongs to one encapsulation only. */
static void tag_property(struct read *r, const struct tree_node *map, struct model_attachment *a,
			 enum schema_property p, enum xgw_tag owner, enum schema_need need)
{
	static const char *const names[] = {"none", "vlan", "vxlan"};
	const struct tree_node *v = schema_value(map, p);
	if (map->is_bad || (a->kind == owner) == (v != NULL) ||
	    (a->kind == owner && need == SCHEMA_OPTIONAL))
		return;
	if (v)
		findings_error(r->findings, v->place,
			       "%s: belongs to encapsulation %s, this attachment has %s",
			       schema_row(p)->name, names[owner], names[a->kind]);
	else
		findings_error(r->findings, map->place, "%s: missing, encapsulation %s needs it",
			       schema_row(p)->name, names[owner]);
	a->incomplete = true;
}

static void read_remote_vteps(struct read *r, const struct tree_node *map,
			      struct model_attachment *a)
{
	tag_property(r, map, a, P_attachment_remoteVteps, XGW_TAG_VXLAN, SCHEMA_OPTIONAL);
	a->n_remote_vteps = read_prefixes(r, map, P_attachment_remoteVteps, &a->remote_vteps,
					  &a->remote_vteps_at);
}

static void read_directory(struct read *r, const struct tree_node *map, struct model_attachment *a)
{
	const struct tree_node *d = schema_value(map, P_attachment_directory);
	bool good = d && d->type == TREE_MAP && !d->is_bad;
	tag_property(r, map, a, P_attachment_directory, XGW_TAG_VXLAN, SCHEMA_OPTIONAL);
	a->fdb = read_copy(r, good ? read_text(d, P_directory_fdb) : NULL);
	a->neighbours = read_copy(r, good ? read_text(d, P_directory_neighbours) : NULL);
}

static void read_attachment(struct read *r, const struct tree_node *map, struct model_attachment *a)
{
	static const enum xgw_tag kinds[] = {XGW_TAG_NONE, XGW_TAG_VLAN, XGW_TAG_VXLAN};
	a->incomplete = map->is_bad;
	a->place = read_place(map, P_attachment_port);
	a->port = read_reference(r, map, P_attachment_port, &r->ports, "port");
	a->kind = kinds[read_choice(map, P_attachment_encapsulation)];
	tag_property(r, map, a, P_attachment_vlanId, XGW_TAG_VLAN, SCHEMA_REQUIRED);
	tag_property(r, map, a, P_attachment_vni, XGW_TAG_VXLAN, SCHEMA_REQUIRED);
	tag_property(r, map, a, P_attachment_localAddress, XGW_TAG_VXLAN, SCHEMA_REQUIRED);
	tag_property(r, map, a, P_attachment_udpPort, XGW_TAG_VXLAN, SCHEMA_OPTIONAL);
	if (a->kind == XGW_TAG_VLAN)
		a->tag = read_number(map, P_attachment_vlanId);
	if (a->kind == XGW_TAG_VXLAN) {
		a->tag = read_number(map, P_attachment_vni);
		a->local_vtep = read_address(map, P_attachment_localAddress);
		a->udp_port = (uint16_t)read_number(map, P_attachment_udpPort);
	}
	read_remote_vteps(r, map, a);
	read_directory(r, map, a);
	read_addresses(r, map, a);
	a->incomplete = a->incomplete || a->port == MODEL_NONE;
}

static void read_endpoints(struct read *r, const struct tree_node *map, struct model_vnet *v)
{
	uint32_t n = read_length(map, P_virtualNetwork_endpoints);
	v->endpoints = read_array(r, n, sizeof *v->endpoints);
	for (uint32_t i = 0; v->endpoints && i < n; i++) {
		const struct tree_node *item = read_item(map, P_virtualNetwork_endpoints, i);
		const char *mac = read_text(item, P_endpoint_mac);
		struct model_endpoint *e = &v->endpoints[v->n_endpoints++];
		e->address = read_address(item, P_endpoint_address);
		e->host = read_address(item, P_endpoint_host);
		e->incomplete = item->is_bad || !mac || mac_parse(e->mac, mac);
		e->place = read_place(item, P_endpoint_address);
		e->attachment = MODEL_NONE;
		for (uint32_t k = v->attachments ? v->n_attachments : 0; k-- > 0;) {
			const struct model_attachment *a = &v->attachments[k];
			if (a->kind == XGW_TAG_VXLAN && a->local_vtep.family == e->host.family)
				e->attachment = k;
		}
	}
}

static void read_peerings(struct read *r, const struct tree_node *map, struct model_vnet *v)
{
	uint32_t n = read_length(map, P_virtualNetwork_peerings);
	v->peerings = read_array(r, n, sizeof *v->peerings);
	for (uint32_t i = 0; v->peerings && i < n; i++) {
		const struct tree_node *item = read_item(map, P_virtualNetwork_peerings, i);
		struct model_peering *p = &v->peerings[v->n_peerings++];
		p->name = read_copy(r, read_text(item, P_peering_name));
		p->access = read_boolean(item, P_peering_allowVirtualNetworkAccess);
		p->forwarded = read_boolean(item, P_peering_allowForwardedTraffic);
		p->gateway_transit = read_boolean(item, P_peering_allowGatewayTransit);
		p->remote_gateways = read_boolean(item, P_peering_useRemoteGateways);
		p->remote = read_reference(r, item, P_peering_remoteVirtualNetwork, &r->vnets,
					   "virtual network");
		p->back = MODEL_NONE;
		p->place = read_place(item, P_peering_name);
		p->remote_at = read_place(item, P_peering_remoteVirtualNetwork);
		p->transit_at = read_place(item, P_peering_allowGatewayTransit);
		p->gateways_at = read_place(item, P_peering_useRemoteGateways);
		p->incomplete = item->is_bad || p->remote == MODEL_NONE;
	}
}

struct half {
	uint32_t from, to;
	struct model_peering *p;
	uint32_t index;
};

static int by_ends(const void *a, const void *b)
{
	const struct half *x = a, *y = b;
	if (x->from != y->from)
		return x->from < y->from ? -1 : 1;
	return x->to < y->to ? -1 : x->to > y->to;
}

/* Finds the other side of each; sorted, since a hub may have thousands. */
int read_match_peerings(struct model *m)
{
	uint32_t n = 0;
	for (uint32_t i = 0; m->vnets && i < m->n_vnets; i++)
		n += m->vnets[i].n_peerings;
	if (!n)
		return 0;
	struct half *at = calloc(n, sizeof *at);
	if (!at)
		return -ENOMEM;
	n = 0;
	for (uint32_t i = 0; i < m->n_vnets; i++)
		for (uint32_t k = 0; k < m->vnets[i].n_peerings; k++) {
			struct model_peering *p = &m->vnets[i].peerings[k];
			if (!p->incomplete && p->remote != i)
				at[n++] = (struct half){i, p->remote, p, k};
		}
	qsort(at, n, sizeof *at, by_ends);
	for (uint32_t i = 0; i < n; i++) {
		const struct half key = {.from = at[i].to, .to = at[i].from};
		const struct half *back = bsearch(&key, at, n, sizeof *at, by_ends);
		at[i].p->back = back ? back->index : MODEL_NONE;
	}
	free(at);
	return 0;
}

static void read_route(struct read *r, const struct tree_node *map, struct model_route *t)
{
	static const enum model_hop hops[] = {MODEL_HOP_VNET_LOCAL, MODEL_HOP_GATEWAY,
					      MODEL_HOP_INTERNET, MODEL_HOP_NONE,
					      MODEL_HOP_APPLIANCE};
	const char *prefix = read_text(map, P_route_addressPrefix);
	const struct tree_node *address = schema_value(map, P_route_nextHopIpAddress);
	t->name = read_copy(r, read_text(map, P_route_name));
	t->place = read_place(map, P_route_name);
	t->prefix_at = read_place(map, P_route_addressPrefix);
	t->hop_at = read_place(map, P_route_nextHopType);
	t->hop = hops[read_choice(map, P_route_nextHopType)];
	t->appliance = read_address(map, P_route_nextHopIpAddress);
	t->incomplete = map->is_bad || !prefix || ip_prefix_parse(&t->prefix, prefix);
	if (t->incomplete || (t->hop == MODEL_HOP_APPLIANCE) == (address != NULL))
		return;
	t->incomplete = true;
	if (address)
		findings_error(r->findings, address->place,
			       "nextHopIpAddress: belongs to nextHopType VirtualAppliance, this "
			       "route has %s",
			       read_text(map, P_route_nextHopType));
	else
		findings_error(r->findings, map->place,
			       "nextHopIpAddress: missing, nextHopType VirtualAppliance needs it");
}

void read_table(struct read *r, const struct tree_node *item, struct model_route_table *t)
{
	uint32_t routes = read_length(item, P_routeTable_routes);
	t->name = read_copy(r, read_text(item, P_routeTable_name));
	t->place = read_place(item, P_routeTable_name);
	t->withholds = read_boolean(item, P_routeTable_disableBgpRoutePropagation);
	t->incomplete = item->is_bad;
	t->routes = read_array(r, routes, sizeof *t->routes);
	for (uint32_t k = 0; t->routes && k < routes; k++)
		read_route(r, read_item(item, P_routeTable_routes, k), &t->routes[t->n_routes++]);
}

int read_tables(struct read *r)
{
	const struct tree_node *root = r->tree->root;
	struct model *m = r->model;
	uint32_t n = read_length(root, P_configuration_routeTables);
	m->tables = read_array(r, n, sizeof *m->tables);
	for (uint32_t i = 0; m->tables && i < n; i++)
		read_table(r, read_item(root, P_configuration_routeTables, i),
			   &m->tables[m->n_tables++]);
	return r->no_memory ? -ENOMEM
			    : read_index_names(r, P_configuration_routeTables, P_routeTable_name, 0,
					       &r->tables);
}

static void read_dns(struct read *r, const struct tree_node *vnet, struct model_vnet *v)
{
	const struct tree_node *map = schema_value(vnet, P_virtualNetwork_dhcpOptions);
	uint32_t n = read_length(map, P_dhcpOptions_dnsServers);
	v->dns = read_array(r, n, sizeof *v->dns);
	v->dns_at = read_array(r, n, sizeof *v->dns_at);
	for (uint32_t i = 0; v->dns && v->dns_at && i < n; i++) {
		const struct tree_node *item = read_item(map, P_dhcpOptions_dnsServers, i);
		if (item->is_bad || item->type != TREE_SCALAR ||
		    ip_addr_parse(&v->dns[v->n_dns], item->text))
			continue;
		v->dns_at[v->n_dns++] = item->place;
	}
}

void read_vnet(struct read *r, const struct tree_node *map, struct model_vnet *v)
{
	uint32_t n = read_length(map, P_virtualNetwork_attachments);
	v->name = read_copy(r, read_text(map, P_virtualNetwork_name));
	v->id = read_number(map, P_virtualNetwork_id);
	v->classic = read_choice(map, P_virtualNetwork_deploymentModel) == 1;
	v->learning = read_boolean(map, P_virtualNetwork_learning);
	v->branch_to_branch = read_boolean(map, P_virtualNetwork_allowBranchToBranchTraffic);
	v->branch_at = read_place(map, P_virtualNetwork_allowBranchToBranchTraffic);
	v->vpn_gateway = v->express_route_gateway = MODEL_NONE;
	v->learning_limit = read_number(map, P_virtualNetwork_learningLimit);
	v->learning_age_seconds = read_number(map, P_virtualNetwork_learningAgeSeconds);
	v->incomplete = map->is_bad;
	v->place = read_place(map, P_virtualNetwork_name);
	v->id_at = read_place(map, P_virtualNetwork_id);
	v->n_address_space = read_prefixes(r, map, P_virtualNetwork_addressSpace, &v->address_space,
					   &v->address_space_at);
	read_dns(r, map, v);
	read_subnets(r, map, v);
	v->attachments = read_array(r, n, sizeof *v->attachments);
	for (uint32_t i = 0; v->attachments && i < n; i++)
		read_attachment(r, read_item(map, P_virtualNetwork_attachments, i),
				&v->attachments[v->n_attachments++]);
	read_endpoints(r, map, v);
	read_peerings(r, map, v);
}

int read_vnets(struct read *r)
{
	const struct tree_node *root = r->tree->root;
	struct model *m = r->model;
	uint32_t n = read_length(root, P_configuration_virtualNetworks);
	/* before they are read: their peerings name each other */
	int err = read_index_names(r, P_configuration_virtualNetworks, P_virtualNetwork_name, 0,
				   &r->vnets);
	m->vnets = err ? NULL : read_array(r, n, sizeof *m->vnets);
	for (uint32_t i = 0; m->vnets && i < n; i++)
		read_vnet(r, read_item(root, P_configuration_virtualNetworks, i),
			  &m->vnets[m->n_vnets++]);
	return err || r->no_memory ? -ENOMEM : read_match_peerings(m);
}
