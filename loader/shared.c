/* SPDX-License-Identifier: Apache-2.0 */
#include "loader/shared.h"

#include "base/log.h"
#include "loader/places.h"

#include <stdlib.h>
#include <string.h>

static const struct shared_address *find(const struct shared *s, const struct shared_address *a)
{
	for (uint32_t i = 0; i < s->n; i++)
		if (s->at[i].vnet == a->vnet && s->at[i].attachment == a->attachment &&
		    ip_addr_equal(&s->at[i].addr, &a->addr))
			return &s->at[i];
	return NULL;
}

/* The plain attachment of the device, when it is one that its hosts may know as their router. */
static bool is_shared(const struct model *m, const struct plan *p, const struct shared_own *own,
		      struct shared_address *out)
{
	const struct xgw_tag_key key = {.ifindex = own->ifindex, .kind = XGW_TAG_NONE};
	const struct plan_attachment *a = plan_attachment_at(p, &key);
	if (!a || !places_has_address(&m->vnets[a->vnet], &own->addr) ||
	    model_is_own_address(&m->vnets[a->vnet], &own->addr))
		return false;
	*out = (struct shared_address){m->vnets[a->vnet].id, a->id, own->addr};
	return true;
}

static struct xgw_address_key key_of(const struct shared_address *a)
{
	struct xgw_address_key key = {.vnet = a->vnet};
	ip_addr_to_mapped(&a->addr, key.addr);
	return key;
}

static void put(const struct maps *maps, const struct shared_address *a)
{
	const struct xgw_address_key key = key_of(a);
	const struct xgw_address value = {.attachment = a->attachment};
	const struct ip_prefix alone = {a->addr, (uint8_t)ip_addr_bits(&a->addr)};
	const struct xgw_route route = {.next_hop = PLAN_HOP_GATEWAY,
					.source = XGW_ROUTE_SYSTEM,
					.plen = alone.len,
					.family = a->addr.family};
	int err = maps_put(maps, MAPS_addresses, &key, &value);
	if (!err)
		err = maps_route_put(maps, a->vnet, &alone, &route);
	if (err)
		log_warn(LOG_MAP, "shared-address-refused: cannot write the maps: %s",
			 strerror(-err));
}

/* Not when the plan has it meanwhile. */
static void take_away(const struct maps *maps, const struct model *m, const struct plan *p,
		      const struct shared_address *a)
{
	const struct xgw_address_key key = key_of(a);
	const struct ip_prefix alone = {a->addr, (uint8_t)ip_addr_bits(&a->addr)};
	const struct plan_vnet *v = plan_vnet(p, a->vnet);
	if (v && model_is_own_address(&m->vnets[v->index], &a->addr))
		return;
	maps_delete(maps, MAPS_addresses, &key);
	if (maps_route_delete(maps, a->vnet, &alone))
		log_debug(LOG_MAP, "shared-address-route-gone-already");
}

void shared_follow(struct shared *s, const struct maps *maps, const struct model *m,
		   const struct plan *p, const struct shared_own *own, size_t n, bool again)
{
	struct shared *now = calloc(1, sizeof *now);
	bool changed = false;
	if (!now)
		return; /* the next change of an address does it */
	for (size_t i = 0; i < n; i++) {
		struct shared_address a;
		if (!is_shared(m, p, &own[i], &a) || find(now, &a))
			continue;
		now->full = now->n == SHARED_MAX;
		if (now->full)
			break;
		now->at[now->n++] = a;
	}
	if (now->full && !s->full)
		log_warn(LOG_NET, "shared-addresses-full: no more than %u are looked after",
			 SHARED_MAX);
	for (uint32_t i = 0; i < s->n; i++) {
		if (find(now, &s->at[i]))
			continue;
		take_away(maps, m, p, &s->at[i]);
		changed = true;
	}
	for (uint32_t i = 0; i < now->n; i++) {
		if (!again && find(s, &now->at[i]))
			continue;
		put(maps, &now->at[i]);
		changed = true;
	}
	if (changed)
		maps_bump(maps);
	*s = *now;
	free(now);
}
