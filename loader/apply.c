/* SPDX-License-Identifier: Apache-2.0 */
#include "loader/apply.h"

#include "base/log.h"
#include "loader/features.h"

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

int apply_find_ports(struct netlink *n, const struct model *m, struct attach_port *ports,
		     struct plan_port *facts, struct fault *f)
{
	for (uint32_t i = 0; i < m->host.n_ports; i++) {
		int err = find_port(n, &m->host.ports[i], &ports[i], f);
		if (err)
			return err;
		facts[i] =
			(struct plan_port){ports[i].link.ifindex, apply_mtu(&ports[i].link), {0}};
		memcpy(facts[i].mac, ports[i].link.mac, sizeof facts[i].mac);
	}
	return 0;
}

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

static int put_route(const struct maps *m, const struct plan_entry_route *r, bool removal)
{
	return removal ? maps_route_delete(m, r->vnet, &r->prefix)
		       : maps_route_put(m, r->vnet, &r->prefix, &r->value);
}

static int put_vtep(const struct maps *m, const struct plan_entry_vtep *e, bool removal)
{
	struct xgw_vtep_key key = maps_vtep_key(e->attachment, &e->prefix);
	return removal ? maps_delete(m, MAPS_vteps, &key)
		       : maps_put(m, MAPS_vteps, &key, &e->value);
}

static int put(const struct maps *m, enum maps_id id, const void *key, const void *value,
	       bool removal)
{
	return removal ? maps_delete(m, id, key) : maps_put(m, id, key, value);
}

static int carry_out(const struct maps *m, const struct plan_change *c)
{
	switch (c->map) {
	case PLAN_NAMES: {
		const struct plan_entry_name *e = c->entry;
		return put(m, MAPS_names, &e->key, &e->value, c->removal);
	}
	case PLAN_PORTS: return put_port(m, c->entry, c->removal);
	case PLAN_ATTACHMENTS: return put_attachment(m, c->entry, c->removal);
	case PLAN_TAGS: {
		const struct plan_entry_tag *e = c->entry;
		return put(m, MAPS_attachments_in, &e->key, &e->attachment, c->removal);
	}
	case PLAN_ADDRESSES: {
		const struct plan_entry_address *e = c->entry;
		return put(m, MAPS_addresses, &e->key, &e->value, c->removal);
	}
	case PLAN_ENDPOINTS: {
		const struct plan_entry_endpoint *e = c->entry;
		return put(m, MAPS_endpoints, &e->key, &e->value, c->removal);
	}
	case PLAN_HOPS: {
		const struct plan_entry_hop *e = c->entry;
		return put(m, MAPS_next_hops, &e->id, &e->value, c->removal);
	}
	case PLAN_ROUTES: return put_route(m, c->entry, c->removal);
	case PLAN_VTEPS: return put_vtep(m, c->entry, c->removal);
	}
	return -EINVAL;
}

static const char *const table_names[] = {
	[PLAN_NAMES] = "names",
	[PLAN_PORTS] = "ports",
	[PLAN_ATTACHMENTS] = "attachments",
	[PLAN_TAGS] = "attachments_in",
	[PLAN_ADDRESSES] = "addresses",
	[PLAN_ENDPOINTS] = "endpoints",
	[PLAN_HOPS] = "next_hops",
	[PLAN_ROUTES] = "routes",
	[PLAN_VTEPS] = "vteps",
};

int apply_plan(const struct maps *m, const struct plan *have, const struct plan *want,
	       struct fault *f)
{
	struct plan_changes changes;
	int err = plan_diff(&changes, have, want);
	if (err)
		return fault_set(f, err, "not enough memory to compare the plans");
	for (size_t i = 0; !err && i < changes.n; i++) {
		const struct plan_change *c = &changes.at[i];
		err = carry_out(m, c);
		if (err == -ENOENT && c->removal)
			err = 0;
		if (err) {
			fault_set(f, err, "cannot write the map %s: %s", table_names[c->map],
				  strerror(-err));
			if (err == -E2BIG || err == -ENOSPC)
				fault_advise(f, "it is full; `xgw dump` shows sizes");
		}
	}
	if (!err)
		log_info(LOG_MAP, "plan-applied changes=%zu", changes.n);
	plan_changes_free(&changes);
	maps_bump(m);
	return err;
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
