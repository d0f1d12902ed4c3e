/* SPDX-License-Identifier: Apache-2.0 */
#include "loader/places.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct of_vnet {
	uint32_t vnet, first, n;
};
struct of_id {
	uint32_t id, index;
};

/* Ids are the plan's: which attachment of the model has which says its tag. */
static uint32_t id_of(const struct plan *plan, const struct model_attachment *a,
		      const struct attach_port *ports)
{
	struct xgw_tag_key key = {ports[a->port].link.ifindex, a->kind, a->tag};
	const struct plan_attachment *at = plan_attachment_at(plan, &key);
	return at ? at->id : 0;
}

static int add(struct places *p, const struct place *x)
{
	struct of_vnet *v = hash_put(&p->by_vnet, &x->vnet->id);
	struct of_id *i = hash_put(&p->by_id, &x->id);
	if (!v || !i)
		return -ENOMEM;
	if (!v->n)
		v->first = p->n;
	v->n++;
	i->index = p->n;
	if (x->attachment->kind == XGW_TAG_NONE && x->attachment->port < XGW_MAX_PORTS)
		p->plain[x->attachment->port] = p->n + 1;
	p->at[p->n++] = *x;
	return 0;
}

int places_make(struct places *p, const struct model *m, const struct plan *plan,
		const struct attach_port *ports)
{
	uint32_t n = 0;
	int err = 0;
	*p = (struct places){0};
	hash_init(&p->by_vnet, sizeof(uint32_t), sizeof(struct of_vnet));
	hash_init(&p->by_id, sizeof(uint32_t), sizeof(struct of_id));
	for (uint32_t i = 0; i < m->n_vnets; i++)
		n += m->vnets[i].n_attachments;
	p->at = calloc(n + 1, sizeof *p->at);
	if (!p->at)
		return -ENOMEM;
	for (uint32_t i = 0; i < m->n_vnets; i++) {
		const struct model_vnet *v = &m->vnets[i];
		for (uint32_t j = 0; !err && j < v->n_attachments; j++) {
			struct place x = {v, &v->attachments[j],
					  id_of(plan, &v->attachments[j], ports)};
			if (x.id)
				err = add(p, &x);
		}
	}
	if (err)
		places_free(p);
	return err;
}

void places_free(struct places *p)
{
	hash_free(&p->by_vnet);
	hash_free(&p->by_id);
	free(p->at);
	p->at = NULL;
	p->n = 0;
}

const struct place *places_of_vnet(const struct places *p, uint32_t vnet, uint32_t *n)
{
	const struct of_vnet *v = hash_find(&p->by_vnet, &vnet);
	*n = v ? v->n : 0;
	return v ? &p->at[v->first] : NULL;
}

const struct place *places_by_id(const struct places *p, uint32_t id)
{
	const struct of_id *i = hash_find(&p->by_id, &id);
	return i ? &p->at[i->index] : NULL;
}

const struct place *places_plain(const struct places *p, uint32_t port)
{
	uint32_t i = port < XGW_MAX_PORTS ? p->plain[port] : 0;
	return i ? &p->at[i - 1] : NULL;
}

bool places_has_address(const struct model_vnet *v, const struct ip_addr *a)
{
	for (uint32_t i = 0; i < v->n_address_space; i++) {
		if (ip_prefix_contains(&v->address_space[i], a))
			return true;
	}
	return false;
}
