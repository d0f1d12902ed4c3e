/* SPDX-License-Identifier: Apache-2.0 */
#include "control/model.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum model_peering_state model_peering_state(const struct model_peering *p)
{
	if (p->back != MODEL_NONE)
		return MODEL_PEERING_CONNECTED;
	return p->was_connected ? MODEL_PEERING_DISCONNECTED : MODEL_PEERING_INITIATED;
}

const char *model_peering_state_text(enum model_peering_state s)
{
	static const char *const texts[] = {"Initiated", "Connected", "Disconnected"};
	return texts[s];
}

const struct model_peering *model_peering_back(const struct model *m, const struct model_peering *p)
{
	return p->back == MODEL_NONE ? NULL : &m->vnets[p->remote].peerings[p->back];
}

bool model_peering_gives_transit(const struct model *m, const struct model_peering *p)
{
	const struct model_peering *back = model_peering_back(m, p);
	return back && p->gateway_transit && back->remote_gateways;
}

uint32_t model_gateway_of(const struct model *m, uint32_t vnet)
{
	const struct model_vnet *v = &m->vnets[vnet];
	if (v->vpn_gateway != MODEL_NONE)
		return v->vpn_gateway;
	for (uint32_t i = 0; i < v->n_peerings; i++) {
		const struct model_peering *back = model_peering_back(m, &v->peerings[i]);
		if (back && model_peering_gives_transit(m, back))
			return m->vnets[v->peerings[i].remote].vpn_gateway;
	}
	return MODEL_NONE;
}

const struct model_bgp *model_far_bgp(const struct model *m, const struct model_connection *c)
{
	return c->site != MODEL_NONE ? &m->sites[c->site].bgp : &m->gateways[c->peer_gateway].bgp;
}

bool model_is_apipa(const struct ip_addr *a)
{
	return a->family == IP_V4 && a->b[0] == 169 && a->b[1] == 254;
}

/* How many bits two addresses have in common. */
static int common(const struct ip_addr *a, const struct ip_addr *b)
{
	struct ip_prefix p = {.addr = *a, .len = (uint8_t)ip_addr_bits(a)};
	while (p.len && !ip_prefix_contains(&p, b))
		p = ip_prefix_canonical((struct ip_prefix){*a, (uint8_t)(p.len - 1)});
	return p.len;
}

struct ip_addr model_bgp_local(const struct model_bgp *near, const struct ip_addr *far)
{
	const struct ip_addr *best = NULL;
	if (!model_is_apipa(far))
		return near->address;
	for (uint32_t i = 0; i <= near->n_custom; i++) {
		const struct ip_addr *a = i < near->n_custom ? &near->custom[i] : &near->address;
		if (model_is_apipa(a) && (!best || common(a, far) > common(best, far)))
			best = a;
	}
	return best ? *best : (struct ip_addr){0};
}

struct ip_addr model_connection_bgp_local(const struct model *m, const struct model_connection *c)
{
	if (c->bgp_local.family)
		return c->bgp_local;
	return model_bgp_local(&m->gateways[c->gateway].bgp, &model_far_bgp(m, c)->address);
}

static uint32_t first_of(uint32_t *set, uint32_t i)
{
	while (set[i] != i)
		i = set[i] = set[set[i]];
	return i;
}

static void join(uint32_t *set, uint32_t a, uint32_t b)
{
	a = first_of(set, a);
	b = first_of(set, b);
	set[a > b ? a : b] = a > b ? b : a;
}

int model_join_gateways(const struct model *m, uint32_t *set)
{
	uint32_t *by_circuit = calloc(m->n_circuits + 1, sizeof *by_circuit); /* index + 1 */
	if (!by_circuit)
		return -ENOMEM;
	for (uint32_t i = 0; i < m->n_gateways; i++)
		set[i] = i;
	for (uint32_t i = 0; i < m->n_vnets; i++) {
		const struct model_vnet *v = &m->vnets[i];
		if (v->vpn_gateway != MODEL_NONE && v->express_route_gateway != MODEL_NONE)
			join(set, v->vpn_gateway, v->express_route_gateway);
	}
	for (uint32_t i = 0; i < m->n_connections; i++) {
		const struct model_connection *c = &m->connections[i];
		if (!c->express_route || c->gateway == MODEL_NONE || c->circuit == MODEL_NONE)
			continue;
		if (by_circuit[c->circuit])
			join(set, by_circuit[c->circuit] - 1, c->gateway);
		by_circuit[c->circuit] = c->gateway + 1;
	}
	for (uint32_t i = 0; i < m->n_gateways; i++)
		set[i] = first_of(set, i);
	free(by_circuit);
	return 0;
}

struct named_vnet {
	const char *name;
	const struct model_vnet *vnet;
};

static int by_name(const void *a, const void *b)
{
	const struct named_vnet *x = a, *y = b;
	return strcmp(x->name, y->name);
}

/* The peering of that name to a virtual network of that name. */
static const struct model_peering *same_peering(const struct model *m, const struct model_vnet *v,
						const char *name, const char *remote)
{
	for (uint32_t i = 0; i < v->n_peerings; i++) {
		const struct model_peering *p = &v->peerings[i];
		if (!strcmp(p->name, name) && !strcmp(m->vnets[p->remote].name, remote))
			return p;
	}
	return NULL;
}

int model_peerings_follow(struct model *now, const struct model *before)
{
	struct named_vnet *old = calloc(before->n_vnets + 1, sizeof *old);
	if (!old)
		return -ENOMEM;
	for (uint32_t i = 0; i < before->n_vnets; i++)
		old[i] = (struct named_vnet){before->vnets[i].name, &before->vnets[i]};
	qsort(old, before->n_vnets, sizeof *old, by_name);
	for (uint32_t i = 0; i < now->n_vnets; i++) {
		struct model_vnet *v = &now->vnets[i];
		const struct named_vnet key = {v->name, NULL};
		const struct named_vnet *found =
			v->n_peerings ? bsearch(&key, old, before->n_vnets, sizeof *old, by_name)
				      : NULL;
		for (uint32_t k = 0; found && k < v->n_peerings; k++) {
			const struct model_peering *was =
				same_peering(before, found->vnet, v->peerings[k].name,
					     now->vnets[v->peerings[k].remote].name);
			v->peerings[k].was_connected =
				was && model_peering_state(was) != MODEL_PEERING_INITIATED;
		}
	}
	free(old);
	return 0;
}

static void free_vnet(struct model_vnet *v)
{
	for (uint32_t i = 0; i < v->n_subnets; i++)
		free(v->subnets[i].name);
	free(v->subnets);
	for (uint32_t i = 0; i < v->n_peerings; i++)
		free(v->peerings[i].name);
	free(v->peerings);
	free(v->name);
	free(v->address_space);
	free(v->address_space_at);
	free(v->dns);
	free(v->dns_at);
	for (uint32_t i = 0; i < v->n_attachments; i++) {
		free(v->attachments[i].remote_vteps);
		free(v->attachments[i].remote_vteps_at);
		free(v->attachments[i].fdb);
		free(v->attachments[i].neighbours);
	}
	free(v->attachments);
	free(v->endpoints);
}

static void free_host(struct model_host *h)
{
	for (uint32_t i = 0; i < h->n_ports; i++) {
		free(h->ports[i].name);
		free(h->ports[i].device);
	}
	free(h->ports);
	free(h->crypto_backend);
	free(h->metrics);
}

static void free_table(struct model_route_table *t)
{
	for (uint32_t i = 0; i < t->n_routes; i++)
		free(t->routes[i].name);
	free(t->routes);
	free(t->name);
}

static void free_bgp(struct model_bgp *b)
{
	free(b->custom);
	free(b->custom_at);
	secret_wipe(&b->md5);
}

static void free_circuit(struct model_circuit *c)
{
	for (uint32_t i = 0; i < c->n_peerings; i++) {
		secret_wipe(&c->peerings[i].md5);
		free(c->peerings[i].advertised);
		free(c->peerings[i].advertised_at);
	}
	free(c->peerings);
	free(c->name);
}

static void free_site(struct model_site *s)
{
	free_bgp(&s->bgp);
	free(s->name);
	free(s->fqdn);
	free(s->identity);
	free(s->address_space);
	free(s->address_space_at);
}

static void free_connection(struct model_connection *c)
{
	for (uint32_t i = 0; i < c->n_ts_policies; i++) {
		free(c->ts_policies[i].local);
		free(c->ts_policies[i].remote);
	}
	free(c->ts_policies);
	free(c->policies);
	free(c->name);
	free(c->trust.crls);
	free(c->trust.ocsp);
	free(c->ppk_id);
	free(c->psk_file);
	free(c->ppk_file);
	secret_wipe(&c->psk);
	secret_wipe(&c->ppk);
}

bool model_is_own_address(const struct model_vnet *v, const struct ip_addr *a)
{
	for (uint32_t i = 0; i < v->n_attachments; i++) {
		const struct model_attachment *at = &v->attachments[i];
		if ((at->has_address && ip_addr_equal(&at->address.addr, a)) ||
		    (at->has_address6 && ip_addr_equal(&at->address6.addr, a)))
			return true;
	}
	return false;
}

bool model_has_v6(const struct ip_prefix *p, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		if (p[i].addr.family == IP_V6)
			return true;
	}
	return false;
}

bool model_vnet_has_v6(const struct model_vnet *v)
{
	return model_has_v6(v->address_space, v->n_address_space);
}

struct ip_addr model_own_address6(const struct model_vnet *v)
{
	for (uint32_t i = 0; i < v->n_attachments; i++) {
		if (v->attachments[i].has_address6)
			return v->attachments[i].address6.addr;
	}
	return (struct ip_addr){0};
}

uint32_t model_attachment_of(const struct model_vnet *v, const struct ip_addr *a)
{
	for (uint32_t i = 0; i < v->n_attachments; i++) {
		const struct model_attachment *x = &v->attachments[i];
		if (x->kind != XGW_TAG_VXLAN &&
		    ((x->has_address && ip_prefix_contains(&x->address, a)) ||
		     (x->has_address6 && ip_prefix_contains(&x->address6, a))))
			return i;
	}
	return MODEL_NONE;
}

static void free_gateway(struct model_gateway *g)
{
	struct model_clients *c = &g->clients;
	free(c->routes);
	free(c->routes_at);
	for (uint32_t i = 0; i < c->n_users; i++) {
		free(c->users[i].name);
		secret_wipe(&c->users[i].password);
	}
	free_bgp(&g->bgp);
	free(c->users);
	free(c->revoked);
	free(c->roots);
	free(c->pool);
	free(c->pool_at);
	free(g->other.pool);
	free(g->other.pool_at);
	free(g->name);
	free(g->identity);
	free(g->sku);
}

static void free_file(struct model_file *f)
{
	if (f->at)
		wipe(f->at, f->len);
	free(f->at);
	free(f->path);
}

void model_free(struct model *m)
{
	free_host(&m->host);
	for (uint32_t i = 0; i < m->n_vnets; i++)
		free_vnet(&m->vnets[i]);
	for (uint32_t i = 0; i < m->n_gateways; i++)
		free_gateway(&m->gateways[i]);
	for (uint32_t i = 0; i < m->n_sites; i++)
		free_site(&m->sites[i]);
	for (uint32_t i = 0; i < m->n_connections; i++)
		free_connection(&m->connections[i]);
	for (uint32_t i = 0; i < m->n_tables; i++)
		free_table(&m->tables[i]);
	for (uint32_t i = 0; i < m->n_circuits; i++)
		free_circuit(&m->circuits[i]);
	for (uint32_t i = 0; i < m->n_files; i++)
		free_file(&m->files[i]);
	free(m->tables);
	free(m->circuits);
	free(m->files);
	free(m->vnets);
	free(m->gateways);
	free(m->sites);
	free(m->connections);
	*m = (struct model){0};
}
