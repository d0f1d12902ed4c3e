/* SPDX-License-Identifier: Apache-2.0 */
/* Links of circuits: their wires, the router at the other end, and whether they are used. */
#include "loader/routing_internal.h"

#include "base/instant.h"
#include "base/log.h"
#include "loader/clock.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct routing_link *routing_link(struct routing *r, uint32_t id)
{
	for (unsigned i = 0; id && i < ROUTING_LINKS; i++) {
		if (r->links[i].id == id)
			return &r->links[i];
	}
	return NULL;
}

struct routing_link *routing_link_by_device(struct routing *r, const char *device)
{
	return device[0] == 'l' ? routing_link(r, (uint32_t)strtoul(device + 1, NULL, 10)) : NULL;
}

static const struct model_circuit *circuit_of(const struct routing *r, const struct plan_link *l)
{
	return &r->h.model->circuits[l->circuit];
}

/* ---- whether it is used ---- */

/* One flag of a next hop, and every prefix that has it moves. */
static void put_state(const struct routing *r, const struct routing_link *l,
		      const struct plan_link *p)
{
	for (unsigned i = 0; i < 2; i++) {
		if (p->end[i].hop)
			maps_hop_up(r->h.maps, p->end[i].hop, l->state.up);
	}
	maps_bump(r->h.maps);
}

static void tell_switch(const struct routing *r, const struct routing_link *l,
			const struct plan_link *p)
{
	const char *name = circuit_of(r, p)->name, *which = p->which ? "secondary" : "primary";
	if (l->state.up)
		log_info(LOG_NET, "link-up circuit=%s link=%s port=%s", name, which,
			 r->h.model->host.ports[p->port].name);
	else
		log_warn(LOG_NET, "link-down circuit=%s link=%s port=%s cause=%s: %s", name, which,
			 r->h.model->host.ports[p->port].name,
			 link_cause_key(link_state_cause(&l->state)),
			 link_cause_text(link_state_cause(&l->state)));
}

static void switched(struct routing *r, const struct routing_link *l)
{
	const struct plan_link *p = plan_link(r->h.plan, l->id);
	if (!p)
		return;
	put_state(r, l, p);
	tell_switch(r, l, p);
}

void routing_link_sign(struct routing *r, struct routing_link *l, enum link_sign s, bool good)
{
	if (link_state_sign(&l->state, s, good, clock_now_ns()))
		switched(r, l);
}

void routing_link_order(struct routing *r, struct routing_link *l, bool up)
{
	if (link_state_order(&l->state, up, clock_now_ns()))
		switched(r, l);
}

void routing_links_second(struct routing *r)
{
	for (unsigned i = 0; i < ROUTING_LINKS; i++) {
		struct routing_link *l = &r->links[i];
		if (l->id && link_state_time(&l->state, clock_now_ns()))
			switched(r, l);
	}
}

void routing_ports(struct routing *r)
{
	for (unsigned i = 0; r && i < ROUTING_LINKS; i++) {
		struct routing_link *l = &r->links[i];
		const struct plan_link *p = plan_link(r->h.plan, l->id);
		if (l->id && p)
			routing_link_sign(r, l, LINK_SIGN_CARRIER, r->h.ports[p->port].link.up);
	}
}

/* ---- the router at the other end ---- */

static void put_neighbour(const struct routing *r, const struct routing_link *l,
			  const struct plan_link *p, unsigned family)
{
	struct xgw_endpoint_key key = {.vnet = p->domain};
	struct xgw_endpoint value = {.attachment = p->id, .flags = XGW_ENDPOINT_KERNEL};
	if (!l->neighbour[family].known || !p->end[family].hop)
		return;
	ip_addr_to_mapped(&p->end[family].remote, key.addr);
	memcpy(value.mac, l->neighbour[family].mac, sizeof value.mac);
	int err = maps_put(r->h.maps, MAPS_endpoints, &key, &value);
	if (err)
		log_error(LOG_MAP, "cannot write the router at the end of circuit %s: %s",
			  circuit_of(r, p)->name, strerror(-err));
}

/* One that does not answer keeps its address: BFD and BGP say whether it is there. */
void routing_link_neighbour(struct routing *r, struct routing_link *l, const struct ip_addr *addr,
			    const uint8_t *mac)
{
	const struct plan_link *p = plan_link(r->h.plan, l->id);
	for (unsigned i = 0; p && mac && i < 2; i++) {
		if (!p->end[i].hop || !ip_addr_equal(&p->end[i].remote, addr))
			continue;
		l->neighbour[i].known = true;
		memcpy(l->neighbour[i].mac, mac, sizeof l->neighbour[i].mac);
		put_neighbour(r, l, p, i);
		maps_bump(r->h.maps);
	}
}

/* ---- wires ---- */

static int by_link(const void *a, const void *b)
{
	const struct plan_veth *x = a, *y = b;
	return x->link < y->link ? -1 : x->link > y->link;
}

uint32_t routing_veths(const struct routing *r, struct plan_veth *out)
{
	uint32_t n = 0;
	for (unsigned i = 0; r && i < ROUTING_LINKS; i++) {
		if (r->links[i].id && r->links[i].veth.ifindex)
			out[n++] = r->links[i].veth;
	}
	if (n)
		qsort(out, n, sizeof *out, by_link);
	return n;
}

static int find_wire(struct routing *r, struct routing_link *l, struct fault *f)
{
	char name[BIRD_DEVICE];
	struct router_device d;
	routing_link_device(name, l->id);
	int err = router_device(l->of->router, name, &d);
	if (err)
		return fault_set(f, err, "the wire %s of a circuit's link is not there: %s", name,
				 strerror(-err));
	struct plan_veth veth = {.link = l->id, .ifindex = d.host_ifindex};
	memcpy(veth.mac, d.mac, sizeof veth.mac);
	if (veth.ifindex == l->veth.ifindex && !memcmp(veth.mac, l->veth.mac, sizeof veth.mac))
		return 0;
	l->veth = veth;
	l->attached = false;
	r->unwired = true;
	return 0;
}

int routing_links_wire(struct routing *r, struct fault *f)
{
	int err = 0;
	for (unsigned i = 0; !err && i < ROUTING_LINKS; i++) {
		struct routing_link *l = &r->links[i];
		struct netlink_link device;
		if (!l->id || l->attached)
			continue;
		err = netlink_link_by_index(r->h.netlink, l->veth.ifindex, &device);
		if (err)
			return fault_set(f, err, "a circuit's wire is not there: %s",
					 strerror(-err));
		err = attach_wire(r->h.attach, &device, l->id, f);
		l->attached = !err;
	}
	return err;
}

static void drop_link(struct routing *r, struct routing_link *l)
{
	if (l->attached)
		attach_unwire(r->h.attach, l->veth.ifindex);
	memset(l, 0, sizeof *l);
}

static struct routing_link *new_link(struct routing *r, const struct plan_link *p)
{
	for (unsigned i = 0; i < ROUTING_LINKS; i++) {
		struct routing_link *l = &r->links[i];
		if (l->id)
			continue;
		*l = (struct routing_link){.id = p->id};
		link_state_init(&l->state, 0, clock_now_ns());
		return l;
	}
	return NULL;
}

static int follow_link(struct routing *r, const struct plan_link *p, struct fault *f)
{
	const struct model_circuit_peering *m = &circuit_of(r, p)->peerings[p->peering];
	struct routing_link *l = routing_link(r, p->id);
	if (!l)
		l = new_link(r, p);
	if (!l)
		return fault_set(f, -ENOSPC, "more than %u links of circuits", ROUTING_LINKS);
	l->of = routing_router(r, r->h.plan->routers[p->router].id);
	l->state.hold_ns = m->hold_down_seconds * NS_PER_S;
	int err = find_wire(r, l, f);
	if (err)
		return err;
	for (unsigned i = 0; i < 2; i++)
		put_neighbour(r, l, p, i);
	put_state(r, l, p);
	return 0;
}

int routing_links_follow(struct routing *r, struct fault *f)
{
	int err = 0;
	for (unsigned i = 0; i < ROUTING_LINKS; i++) {
		if (r->links[i].id && !plan_link(r->h.plan, r->links[i].id))
			drop_link(r, &r->links[i]);
	}
	for (uint32_t i = 0; !err && i < r->h.plan->n_links; i++)
		err = follow_link(r, &r->h.plan->links[i], f);
	routing_ports(r);
	return err;
}

void routing_links_end(struct routing *r)
{
	for (unsigned i = 0; i < ROUTING_LINKS; i++) {
		if (r->links[i].id)
			drop_link(r, &r->links[i]);
	}
}
