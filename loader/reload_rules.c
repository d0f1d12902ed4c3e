/* SPDX-License-Identifier: Apache-2.0 */
#include "loader/reload_rules.h"

#include "maps/maps.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

__attribute__((format(printf, 2, 3))) static void refuse(struct reload_refusals *out,
							 const char *format, ...)
{
	if (out->n == RELOAD_REFUSALS)
		return;
	va_list ap;
	va_start(ap, format);
	vsnprintf(out->line[out->n++], sizeof out->line[0], format, ap);
	va_end(ap);
}

static bool same_text(const char *a, const char *b)
{
	return !a || !b ? a == b : strcmp(a, b) == 0;
}

static void compare(struct reload_refusals *out, bool same, const char *property)
{
	if (!same)
		refuse(out,
		       "host.%s cannot change while the gateway runs: restart it, or set it back",
		       property);
}

uint32_t reload_former_port(const struct model *was, const struct model_port *p)
{
	for (uint32_t i = 0; i < was->host.n_ports; i++)
		if (strcmp(was->host.ports[i].name, p->name) == 0)
			return i;
	return MODEL_NONE;
}

/* Sockets and packet memory are made for all ports together: another set of them would interrupt
 * every tunnel. */
static void compare_ports(struct reload_refusals *out, const struct model *was,
			  const struct model *m)
{
	for (uint32_t i = 0; i < m->host.n_ports; i++) {
		const struct model_port *p = &m->host.ports[i];
		uint32_t k = reload_former_port(was, p);
		if (k == MODEL_NONE) {
			refuse(out, "port '%s' cannot be added while the gateway runs: restart it",
			       p->name);
			continue;
		}
		const struct model_port *q = &was->host.ports[k];
		if (!same_text(p->device, q->device) || p->role != q->role ||
		    p->xdp_transmit != q->xdp_transmit)
			refuse(out,
			       "port '%s' cannot change while the gateway runs: restart it, or set "
			       "it back",
			       p->name);
	}
	for (uint32_t i = 0; i < was->host.n_ports; i++)
		if (reload_former_port(m, &was->host.ports[i]) == MODEL_NONE)
			refuse(out,
			       "port '%s' cannot be removed while the gateway runs: restart it",
			       was->host.ports[i].name);
}

void reload_refuse(struct reload_refusals *out, const struct model *was, const struct model *m)
{
	const struct model_host *a = &was->host, *b = &m->host;
	compare(out, a->workers == b->workers, "workers");
	compare(out, a->xdp_mode == b->xdp_mode, "xdpMode");
	compare(out, a->zero_copy == b->zero_copy, "zeroCopy");
	compare(out, a->busy_poll == b->busy_poll, "busyPoll");
	compare(out, same_text(a->crypto_backend, b->crypto_backend), "cryptoBackend");
	compare(out, a->replay_window == b->replay_window, "replayWindow");
	compare(out, same_text(a->metrics, b->metrics), "metrics");
	compare_ports(out, was, m);
}

static enum maps_id map_of(const struct plan_change *c)
{
	switch (c->map) {
	case PLAN_NAMES: return MAPS_names;
	case PLAN_PORTS: return MAPS_ports;
	case PLAN_LIMITERS: return MAPS_limiters;
	case PLAN_ATTACHMENTS: return MAPS_attachments;
	case PLAN_TAGS: return MAPS_attachments_in;
	case PLAN_ADDRESSES: return MAPS_addresses;
	case PLAN_ENDPOINTS: return MAPS_endpoints;
	case PLAN_HOPS: return MAPS_next_hops;
	case PLAN_VTEPS: return MAPS_vteps;
	case PLAN_ROUTES:
		return ((const struct plan_entry_route *)c->entry)->prefix.addr.family == IP_V6
			       ? MAPS_routes6
			       : MAPS_routes4;
	}
	return MAPS_COUNT;
}

int reload_judge_room(const struct plan *have, const struct plan_changes *changes, struct fault *f)
{
	uint64_t n[MAPS_COUNT] = {
		[MAPS_names] = have->n_names,	      [MAPS_attachments_in] = have->n_tags,
		[MAPS_addresses] = have->n_addresses, [MAPS_endpoints] = have->n_endpoints,
		[MAPS_next_hops] = have->n_hops,      [MAPS_vteps] = have->n_vteps};
	for (uint32_t i = 0; i < have->n_routes; i++)
		n[have->routes[i].prefix.addr.family == IP_V6 ? MAPS_routes6 : MAPS_routes4]++;
	for (size_t i = 0; i < changes->n; i++)
		if (!changes->at[i].removal && !changes->at[i].was)
			n[map_of(&changes->at[i])]++;
	for (int id = 0; id < MAPS_COUNT; id++) {
		const struct maps_row *row = maps_row((enum maps_id)id);
		if (n[id] <= row->entries)
			continue;
		fault_set(f, -ENOSPC, "the map %s has room for %u entries, not for %llu", row->name,
			  row->entries, (unsigned long long)n[id]);
		return fault_advise(f, "what goes and what comes need room side by side: make the "
				       "change in two steps");
	}
	return 0;
}
