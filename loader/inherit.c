/* SPDX-License-Identifier: Apache-2.0 */
#include "loader/inherit.h"

#include "base/log.h"
#include "loader/pins.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct heir {
	const struct maps *from, *to;
	struct underlay *underlay;
	uint32_t was, now; /* attachments: the last pair that was looked for; 0: it is no more */
	uint32_t hosts;
};

/* Its number may be another, when the configuration was another. */
static uint32_t attachment_now(struct heir *h, uint32_t id)
{
	struct xgw_attachment was;
	struct xgw_tag_key key;
	struct xgw_attachment now;
	uint32_t found = 0;
	if (h->was == id)
		return h->now;
	h->was = id;
	h->now = 0;
	if (maps_get(h->from, MAPS_attachments, &id, &was) || was.id != id)
		return 0;
	key = (struct xgw_tag_key){was.ifindex, was.kind, was.tag};
	if (maps_get(h->to, MAPS_attachments_in, &key, &found) == 0 &&
	    maps_get(h->to, MAPS_attachments, &found, &now) == 0 && now.vnet == was.vnet)
		h->now = found;
	return h->now;
}

/* As XDP asks before it learns. */
static bool may_learn(const struct heir *h, const struct xgw_endpoint *e)
{
	struct xgw_attachment a;
	struct xgw_vtep found;
	struct ip_addr vtep = ip_addr_from_mapped(e->vtep);
	struct ip_prefix alone = {vtep, (uint8_t)ip_addr_bits(&vtep)};
	if (maps_get(h->to, MAPS_attachments, &e->attachment, &a))
		return false;
	if (a.kind != XGW_TAG_VXLAN)
		return a.kind == XGW_TAG_VLAN;
	struct xgw_vtep_key key = maps_vtep_key(e->attachment, &alone);
	return a.flags & XGW_ATTACHMENT_LEARN && maps_get(h->to, MAPS_vteps, &key, &found) == 0;
}

static int take_endpoint(void *owner, const void *at, const void *value)
{
	const struct xgw_endpoint_key *key = at;
	struct heir *h = owner;
	struct xgw_endpoint e, there;
	struct xgw_learnt l;
	memcpy(&e, value, sizeof e);
	if (!(e.flags & XGW_ENDPOINT_LEARNT) || maps_get(h->to, MAPS_endpoints, key, &there) == 0 ||
	    maps_get(h->to, MAPS_learnt, &key->vnet, &l) || l.count >= l.limit)
		return 0;
	e.attachment = attachment_now(h, e.attachment);
	if (!e.attachment || !may_learn(h, &e) || maps_put(h->to, MAPS_endpoints, key, &e))
		return 0;
	l.count++;
	h->hosts++;
	(void)maps_put(h->to, MAPS_learnt, &key->vnet, &l);
	return 0;
}

static int take_neighbour(void *owner, const void *at, const void *value)
{
	const struct xgw_neighbour_key *key = at;
	struct heir *h = owner;
	struct ip_addr a = ip_addr_from_mapped(key->addr);
	(void)value;
	underlay_ask(h->underlay, key->ifindex, &a);
	return 0;
}

void inherit_learnt(const struct instance *i, const struct maps *to, struct underlay *u)
{
	struct maps from;
	struct fault f = {0};
	struct heir h = {.from = &from, .to = to, .underlay = u};
	if (pins_open_maps(&from, i, &f)) {
		log_info(LOG_MAP, "nothing-inherited instance=%s: %s", i->name, f.text);
		return;
	}
	/* without pins maps are found by their names and sizes alone */
	if (from.config && from.config->layout_version == XGW_LAYOUT_VERSION) {
		if (from.fd[MAPS_endpoints] >= 0 && from.fd[MAPS_attachments] >= 0)
			(void)maps_walk(&from, MAPS_endpoints, take_endpoint, &h);
		if (from.fd[MAPS_neighbours] >= 0)
			(void)maps_walk(&from, MAPS_neighbours, take_neighbour, &h);
		maps_bump(to);
		log_info(LOG_MAP, "inherited instance=%s hosts=%u", i->name, h.hosts);
	}
	maps_close(&from);
}
