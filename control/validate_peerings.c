/* SPDX-License-Identifier: Apache-2.0 */
/* Rules of peerings: two sides, address spaces that differ, one gateway to use. */
#include "control/validate_internal.h"

#include <stdlib.h>
#include <string.h>

static void name_twice(struct judge *j, const struct unique_item *item,
		       const struct unique_item *first)
{
	findings_error(j->findings, item->place,
		       "name: '%s' is the name of another peering, in line %u; names are unique in "
		       "their virtual network",
		       item->name, first->place.line);
}

static void remote_twice(struct judge *j, const struct unique_item *item,
			 const struct unique_item *first)
{
	findings_error(j->findings, item->place,
		       "remoteVirtualNetwork: %s is peered already, in line %u; one peering leads "
		       "to each virtual network",
		       item->name, first->place.line);
}

/* ---- address spaces ---- */

/* The spaces of a network and of its peers; `of`: the peering, NULL for the network's own. */
static struct prefix_set spaces_around(struct judge *j, const struct model_vnet *v)
{
	const struct model *m = j->m;
	struct prefix_set s = {0};
	size_t n = v->n_address_space;
	for (uint32_t i = 0; i < v->n_peerings; i++)
		n += v->peerings[i].incomplete ? 0
					       : m->vnets[v->peerings[i].remote].n_address_space;
	s.at = calloc(n + 1, sizeof *s.at);
	if (!s.at) {
		j->no_memory = true;
		return s;
	}
	for (uint32_t i = 0; i < v->n_address_space; i++)
		s.at[s.n++] = (struct placed_prefix){v->address_space[i], v->address_space_at[i],
						     v->name, NULL};
	for (uint32_t i = 0; i < v->n_peerings; i++) {
		const struct model_peering *p = &v->peerings[i];
		const struct model_vnet *far = p->incomplete ? NULL : &m->vnets[p->remote];
		if (!far || far == v)
			continue;
		for (uint32_t k = 0; k < far->n_address_space; k++)
			s.at[s.n++] = (struct placed_prefix){
				far->address_space[k], far->address_space_at[k], far->name, p};
	}
	prefix_set_sort(&s);
	return s;
}

/* Told once of two networks that are peered both ways: by the one that stands first. */
static bool is_told_elsewhere(const struct judge *j, const struct model_vnet *v,
			      const struct placed_prefix *a, const struct placed_prefix *b)
{
	const struct model_peering *p = a->of ? a->of : b->of;
	return (!a->of || !b->of) && p->back != MODEL_NONE && &j->m->vnets[p->remote] < v;
}

static void tell_overlap(struct judge *j, const struct model_vnet *v, const struct placed_prefix *a,
			 const struct placed_prefix *b)
{
	char x[PREFIX_TEXT], y[PREFIX_TEXT];
	bool twice = a->of && b->of &&
		     ((const struct model_peering *)a->of)->remote ==
			     ((const struct model_peering *)b->of)->remote;
	if (a->of == b->of || twice || is_told_elsewhere(j, v, a, b))
		return;
	/* at the peering that stands last */
	if (!b->of || (a->of && ((const struct model_peering *)a->of)->remote_at.line >
					((const struct model_peering *)b->of)->remote_at.line)) {
		const struct placed_prefix *other = a;
		a = b;
		b = other;
	}
	findings_error(j->findings, ((const struct model_peering *)b->of)->remote_at,
		       "remoteVirtualNetwork: %s of %s (line %u) overlaps %s of %s (line %u)%s; "
		       "networks that are peered need address spaces of their own",
		       ip_prefix_format(&b->prefix, x), b->name, b->place.line,
		       ip_prefix_format(&a->prefix, y), a->name, a->place.line,
		       a->of ? ", which is peered here too" : "");
}

/* Sorted, one prefix overlaps another when the outermost before it covers it. */
static void check_spaces(struct judge *j, const struct model_vnet *v)
{
	struct prefix_set s = spaces_around(j, v);
	const struct placed_prefix *outer = s.at;
	for (uint32_t i = 1; i < s.n; i++) {
		if (ip_prefix_covers(&outer->prefix, &s.at[i].prefix))
			tell_overlap(j, v, outer, &s.at[i]);
		else
			outer = &s.at[i];
	}
	free(s.at);
}

/* ---- gateways ---- */

static bool has_gateway(const struct model_vnet *v)
{
	return v->vpn_gateway != MODEL_NONE || v->express_route_gateway != MODEL_NONE;
}

static void check_remote_gateways(struct judge *j, const struct model_vnet *v,
				  const struct model_peering *p)
{
	const struct model_vnet *far = &j->m->vnets[p->remote];
	const struct model_peering *back = model_peering_back(j->m, p);
	if (p->gateway_transit)
		findings_error(
			j->findings, p->gateways_at,
			"useRemoteGateways: %s has allowGatewayTransit too; a peering either "
			"gives a gateway or uses one",
			p->name);
	if (has_gateway(v))
		findings_error(
			j->findings, p->gateways_at,
			"useRemoteGateways: %s has a gateway of its own, %s; only a virtual "
			"network without one may use its peer's",
			v->name,
			j->m->gateways[v->vpn_gateway != MODEL_NONE ? v->vpn_gateway
								    : v->express_route_gateway]
				.name);
	if (!has_gateway(far))
		findings_error(j->findings, p->gateways_at,
			       "useRemoteGateways: %s has no gateway that %s could use", far->name,
			       v->name);
	if (!back)
		findings_error(j->findings, p->gateways_at,
			       "useRemoteGateways: %s has no peering back, which would need "
			       "allowGatewayTransit",
			       far->name);
	else if (!back->gateway_transit)
		findings_error(j->findings, p->gateways_at,
			       "useRemoteGateways: the other side, %s of %s, needs "
			       "allowGatewayTransit",
			       back->name, far->name);
	else if (far->classic)
		findings_error(
			j->findings, p->gateways_at,
			"useRemoteGateways: %s is classic; the gateway that peers use is one "
			"of a resourceManager network",
			far->name);
}

static void check_one_gateway(struct judge *j, const struct model_vnet *v)
{
	const struct model_peering *first = NULL;
	for (uint32_t i = 0; i < v->n_peerings; i++) {
		const struct model_peering *p = &v->peerings[i];
		if (!p->remote_gateways)
			continue;
		if (first)
			findings_error(j->findings, p->gateways_at,
				       "useRemoteGateways: %s has it already, in line %u; one "
				       "peering of a virtual network may use its peer's gateway",
				       first->name, first->gateways_at.line);
		else
			first = p;
	}
}

static void check_peering(struct judge *j, const struct model_vnet *v,
			  const struct model_peering *p)
{
	const struct model_vnet *far = &j->m->vnets[p->remote];
	if (far == v) {
		findings_error(j->findings, p->remote_at,
			       "remoteVirtualNetwork: expected another virtual network, came %s "
			       "itself",
			       v->name);
		return;
	}
	if (p->back == MODEL_NONE && !far->incomplete)
		findings_warn(
			j->findings, p->remote_at,
			"remoteVirtualNetwork: %s is Initiated: %s has no peering back to %s; "
			"nothing passes until both sides have one",
			p->name, far->name, v->name);
	if (v->classic && far->classic && (p->back == MODEL_NONE || v < far))
		findings_error(j->findings, p->remote_at,
			       "remoteVirtualNetwork: %s and %s are both classic; one side of a "
			       "peering is a resourceManager network",
			       v->name, far->name);
	if (p->remote_gateways && !v->incomplete && !far->incomplete)
		check_remote_gateways(j, v, p);
}

void validate_peerings(struct judge *j)
{
	for (uint32_t i = 0; i < j->m->n_vnets; i++) {
		const struct model_vnet *v = &j->m->vnets[i];
		struct unique names = {0}, remotes = {0};
		for (uint32_t k = 0; k < v->n_peerings; k++) {
			const struct model_peering *p = &v->peerings[k];
			if (*p->name)
				unique_add(j, &names, p->name, strlen(p->name), p->place, p->name);
			if (p->incomplete)
				continue;
			unique_add(j, &remotes, &p->remote, sizeof p->remote, p->remote_at,
				   j->m->vnets[p->remote].name);
			check_peering(j, v, p);
		}
		unique_report(j, &names, name_twice);
		unique_report(j, &remotes, remote_twice);
		check_one_gateway(j, v);
		if (v->n_peerings)
			check_spaces(j, v);
	}
}
