/* SPDX-License-Identifier: Apache-2.0 */
#include "loader/apply.h"

#include "base/log.h"
#include "loader/features.h"
#include "maps/limiter.h"

#include <errno.h>
#include <string.h>

/* Asked for once: it is the kernel's. */
static uint32_t mtu_limit(void)
{
	static uint32_t limit;
	if (!limit)
		limit = features_multi_buffer() ? DATAPATH_MTU_LARGE : DATAPATH_MTU_MAX;
	return limit;
}

static void warn_of_mtu(const char *device, const char *port, uint32_t mtu)
{
	log_warn(LOG_NET,
		 "mtu device=%s port=%s mtu=%u used=%u: larger packets %s, and are dropped; give "
		 "this device and its neighbours an MTU of %u",
		 device, port, mtu, mtu_limit(),
		 mtu_limit() == DATAPATH_MTU_LARGE
			 ? "find no buffer here"
			 : "come in several buffers, which AF_XDP takes from Linux 6.6 on",
		 mtu_limit());
}

static int find_port(struct netlink *n, const struct model_port *from, struct attach_port *to,
		     struct fault *f)
{
	int err = netlink_link_by_name(n, from->device, &to->link);
	if (err == -ENODEV) {
		fault_set(f, err, "port '%s': there is no device '%s' in this network namespace",
			  from->name, from->device);
		return fault_advise(f, "`ip link` lists those there are");
	}
	if (err)
		return fault_set(f, err, "port '%s': cannot ask for device '%s': %s", from->name,
				 from->device, strerror(-err));
	if (!to->link.ethernet) {
		fault_set(f, -EMEDIUMTYPE, "port '%s': device '%s' is not an Ethernet device",
			  from->name, from->device);
		return fault_advise(f, "XDP programs of xgw read Ethernet frames");
	}
	if (!to->link.up)
		log_warn(LOG_NET, "link-down device=%s port=%s: nothing passes until it is up",
			 from->device, from->name);
	if (to->link.mtu > mtu_limit())
		warn_of_mtu(from->device, from->name, to->link.mtu);
	to->role = from->role;
	return 0;
}

uint32_t apply_mtu(const struct netlink_link *l)
{
	return l->mtu < mtu_limit() ? l->mtu : mtu_limit();
}

struct plan_port apply_fact(const struct netlink_link *l)
{
	struct plan_port fact = {l->ifindex, apply_mtu(l), {0}};
	memcpy(fact.mac, l->mac, sizeof fact.mac);
	return fact;
}

int apply_find_ports(struct netlink *n, const struct model *m, struct attach_port *ports,
		     struct plan_port *facts, struct fault *f)
{
	for (uint32_t i = 0; i < m->host.n_ports; i++) {
		int err = find_port(n, &m->host.ports[i], &ports[i], f);
		if (err)
			return err;
		facts[i] = apply_fact(&ports[i].link);
	}
	return 0;
}

/* ---- one change ---- */

/* Array maps know no deletion: an empty entry says "not there". */
static int put_attachment(const struct maps *m, const struct xgw_attachment *a, bool removal)
{
	const struct xgw_attachment none = {0};
	return maps_put(m, MAPS_attachments, &a->id, removal ? &none : a);
}

static int put_port(const struct maps *m, const struct xgw_port *p, bool removal)
{
	if (removal) {
		maps_delete(m, MAPS_tx_ports, &p->ifindex);
		return maps_delete(m, MAPS_ports, &p->ifindex);
	}
	int err = maps_put(m, MAPS_tx_ports, &p->ifindex, &p->ifindex);
	return err ? err : maps_put(m, MAPS_ports, &p->ifindex, p);
}

/* Whether it is up is not the plan's to say, and goes on. */
static bool has_state(const struct xgw_next_hop *h)
{
	return h->kind == XGW_HOP_TUNNEL || h->kind == XGW_HOP_CLIENT || h->kind == XGW_HOP_CIRCUIT;
}

static bool is_same_hop(const struct xgw_next_hop *a, const struct xgw_next_hop *b)
{
	return a->kind == b->kind && a->connection == b->connection &&
	       (a->kind != XGW_HOP_CIRCUIT ||
		(a->vnet == b->vnet && !memcmp(a->address, b->address, sizeof a->address)));
}

/* A tunnel is up by IKE's word, a link by the router's, which no plan knows. */
static int put_hop(const struct maps *m, const struct plan_entry_hop *e, bool removal)
{
	struct xgw_next_hop have, want = e->value;
	if (removal)
		return maps_delete(m, MAPS_next_hops, &e->id);
	if (has_state(&want) && maps_get(m, MAPS_next_hops, &e->id, &have) == 0 &&
	    is_same_hop(&have, &want))
		want.flags |= have.flags & XGW_HOP_UP;
	return maps_put(m, MAPS_next_hops, &e->id, &want);
}

/* Its clocks are the data path's and go on. An array: a rate of 0 says "no limit". */
static int put_limiter(const struct maps *m, const struct plan_entry_limiter *e, bool removal)
{
	const struct xgw_limiter want = limiter_of(removal ? 0 : e->mbps);
	struct xgw_limiter *l = m->limiters ? &m->limiters[e->id] : NULL;
	if (!l)
		return maps_put(m, MAPS_limiters, &e->id, &want);
	__atomic_store_n(&l->burst_ns, want.burst_ns, __ATOMIC_RELAXED);
	__atomic_store_n(&l->per_byte, want.per_byte, __ATOMIC_RELAXED);
	return 0;
}

/* Where a plan's entry goes in a map of keys and values; false: by a function of its own. */
struct cell {
	enum maps_id map;
	const void *key, *value;
	union {
		struct xgw_route4_key v4;
		struct xgw_route6_key v6;
	} route;
	struct xgw_vtep_key vtep;
};

static bool find_cell(struct cell *c, const struct plan_change *x)
{
	switch (x->map) {
	case PLAN_NAMES: {
		const struct plan_entry_name *e = x->entry;
		*c = (struct cell){MAPS_names, &e->key, &e->value};
		return true;
	}
	case PLAN_TAGS: {
		const struct plan_entry_tag *e = x->entry;
		*c = (struct cell){MAPS_attachments_in, &e->key, &e->attachment};
		return true;
	}
	case PLAN_ADDRESSES: {
		const struct plan_entry_address *e = x->entry;
		*c = (struct cell){MAPS_addresses, &e->key, &e->value};
		return true;
	}
	case PLAN_ENDPOINTS: {
		const struct plan_entry_endpoint *e = x->entry;
		*c = (struct cell){MAPS_endpoints, &e->key, &e->value};
		return true;
	}
	case PLAN_ROUTES: {
		const struct plan_entry_route *e = x->entry;
		bool v4 = e->prefix.addr.family == IP_V4;
		*c = (struct cell){v4 ? MAPS_routes4 : MAPS_routes6, &c->route, &e->value};
		if (v4)
			c->route.v4 = maps_route4_key(e->vnet, &e->prefix);
		else
			c->route.v6 = maps_route6_key(e->vnet, &e->prefix);
		return true;
	}
	case PLAN_VTEPS: {
		const struct plan_entry_vtep *e = x->entry;
		*c = (struct cell){MAPS_vteps, &c->vtep, &e->value};
		c->vtep = maps_vtep_key(e->attachment, &e->prefix);
		return true;
	}
	case PLAN_PORTS:
	case PLAN_LIMITERS:
	case PLAN_ATTACHMENTS:
	case PLAN_HOPS: return false;
	}
	return false;
}

static bool is_kept(const struct apply_keep *keep, const struct plan_change *c)
{
	const struct plan_entry_route *e = c->entry;
	return keep && c->map == PLAN_ROUTES && keep->holds(keep->owner, e->vnet, &e->prefix);
}

static int carry_out(const struct maps *m, const struct plan_change *c,
		     const struct apply_keep *keep)
{
	struct cell cell;
	int err = -EINVAL;
	if (is_kept(keep, c))
		return 0;
	if (find_cell(&cell, c))
		err = c->removal ? maps_delete(m, cell.map, cell.key)
				 : maps_put(m, cell.map, cell.key, cell.value);
	else if (c->map == PLAN_PORTS)
		err = put_port(m, c->entry, c->removal);
	else if (c->map == PLAN_LIMITERS)
		err = put_limiter(m, c->entry, c->removal);
	else if (c->map == PLAN_ATTACHMENTS)
		err = put_attachment(m, c->entry, c->removal);
	else if (c->map == PLAN_HOPS)
		err = put_hop(m, c->entry, c->removal);
	return err == -ENOENT && c->removal ? 0 : err;
}

/* ---- many at once ---- */

#define BATCH 512u

struct batch {
	enum maps_id map;
	uint32_t n;
	_Alignas(8) uint8_t keys[BATCH * 24], values[BATCH * 64];
};
_Static_assert(sizeof(struct xgw_route6_key) <= 24 && sizeof(struct xgw_vtep_key) <= 24 &&
		       sizeof(struct xgw_name) <= 64,
	       "room");

/* As many puts from changes[at] on as go into one map together; 0: not even two. */
static size_t gather(struct batch *b, const struct plan_changes *changes, size_t at,
		     const struct apply_keep *keep)
{
	struct cell cell;
	b->n = 0;
	for (size_t i = at; i < changes->n && b->n < BATCH && !changes->at[i].removal; i++) {
		if (is_kept(keep, &changes->at[i]) || !find_cell(&cell, &changes->at[i]) ||
		    (b->n && cell.map != b->map))
			break;
		const struct maps_row *row = maps_row(cell.map);
		b->map = cell.map;
		memcpy(b->keys + (size_t)b->n * row->key_size, cell.key, row->key_size);
		memcpy(b->values + (size_t)b->n * row->value_size, cell.value, row->value_size);
		b->n++;
	}
	return b->n > 1 ? b->n : 0;
}

static int tell(struct fault *f, int err, enum maps_id map)
{
	fault_set(f, err, "cannot write the map %s: %s", maps_row(map)->name, strerror(-err));
	return err == -E2BIG || err == -ENOSPC
		       ? fault_advise(f, "it is full; `xgw dump` shows sizes")
		       : err;
}

static enum maps_id map_of(const struct plan_change *c)
{
	struct cell cell;
	if (find_cell(&cell, c))
		return cell.map;
	return c->map == PLAN_PORTS	    ? MAPS_ports
	       : c->map == PLAN_LIMITERS    ? MAPS_limiters
	       : c->map == PLAN_ATTACHMENTS ? MAPS_attachments
					    : MAPS_next_hops;
}

int apply_some(const struct maps *m, const struct plan_changes *changes, size_t *at, size_t most,
	       const struct apply_keep *keep, struct fault *f)
{
	struct batch *b = malloc(sizeof *b);
	int err = 0;
	if (!b)
		return fault_set(f, -ENOMEM, "not enough memory to write the maps");
	size_t end = changes->n - *at < most ? changes->n : *at + most;
	while (!err && *at < end) {
		size_t n = gather(b, changes, *at, keep);
		const struct plan_change *c = &changes->at[*at];
		err = n ? maps_put_batch(m, b->map, b->keys, b->values, b->n)
			: carry_out(m, c, keep);
		if (err)
			tell(f, err, map_of(c));
		else
			*at += n ? n : 1;
	}
	free(b);
	maps_bump(m);
	return err;
}

int apply_plan(const struct maps *m, const struct plan *have, const struct plan *want,
	       const struct apply_keep *keep, struct fault *f)
{
	struct plan_changes changes;
	size_t at = 0;
	int err = plan_diff(&changes, have, want);
	if (err)
		return fault_set(f, err, "not enough memory to compare the plans");
	err = apply_some(m, &changes, &at, changes.n, keep, f);
	if (!err)
		log_info(LOG_MAP, "plan-applied changes=%zu", changes.n);
	plan_changes_free(&changes);
	return err;
}

static bool is_wanted(const struct model *m, const struct attach_port *ports, uint32_t ifindex,
		      const struct ip_prefix *p)
{
	for (uint32_t i = 0; i < m->n_vnets; i++) {
		for (uint32_t j = 0; j < m->vnets[i].n_attachments; j++) {
			const struct model_attachment *a = &m->vnets[i].attachments[j];
			if (a->kind == XGW_TAG_NONE && ports[a->port].link.ifindex == ifindex &&
			    ((a->has_address && ip_prefix_equal(&a->address, p)) ||
			     (a->has_address6 && ip_prefix_equal(&a->address6, p))))
				return true;
		}
	}
	return false;
}

struct wanted {
	const struct model *m;
	const struct attach_port *ports;
};

static bool keeps(void *owner, uint32_t ifindex, const struct ip_prefix *p)
{
	const struct wanted *w = owner;
	return is_wanted(w->m, w->ports, ifindex, p);
}

void apply_addresses_gone(struct attach *a, struct netlink *n, const struct model *m,
			  const struct attach_port *ports)
{
	struct wanted w = {m, ports};
	attach_addresses_keep(a, n, keeps, &w);
}

int apply_addresses(struct attach *a, struct netlink *n, const struct model *m,
		    const struct attach_port *ports, struct fault *f)
{
	int err = 0;
	for (uint32_t i = 0; i < m->n_vnets; i++) {
		const struct model_vnet *v = &m->vnets[i];
		for (uint32_t j = 0; !err && j < v->n_attachments; j++) {
			const struct model_attachment *at = &v->attachments[j];
			if (at->kind == XGW_TAG_VLAN)
				err = attach_vlan(a, n, &ports[at->port].link, f);
			if (at->kind != XGW_TAG_NONE)
				continue;
			if (at->has_address)
				err = attach_address(a, n, &ports[at->port].link, &at->address, f);
			if (!err && at->has_address6)
				err = attach_address(a, n, &ports[at->port].link, &at->address6, f);
		}
	}
	return err;
}
