/* SPDX-License-Identifier: Apache-2.0 */
#include "control/model.h"

#include <stdlib.h>

static void free_vnet(struct model_vnet *v)
{
	for (uint32_t i = 0; i < v->n_subnets; i++)
		free(v->subnets[i].name);
	free(v->subnets);
	free(v->name);
	free(v->address_space);
	free(v->address_space_at);
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

static void free_site(struct model_site *s)
{
	free(s->name);
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
	secret_wipe(&c->psk);
	secret_wipe(&c->ppk);
}

static void free_gateway(struct model_gateway *g)
{
	struct model_clients *c = &g->clients;
	for (uint32_t i = 0; i < c->n_users; i++) {
		free(c->users[i].name);
		secret_wipe(&c->users[i].password);
	}
	free(c->users);
	free(c->revoked);
	free(c->roots);
	free(c->pool);
	free(c->pool_at);
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
	for (uint32_t i = 0; i < m->n_files; i++)
		free_file(&m->files[i]);
	free(m->files);
	free(m->vnets);
	free(m->gateways);
	free(m->sites);
	free(m->connections);
	*m = (struct model){0};
}
