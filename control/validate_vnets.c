/* SPDX-License-Identifier: Apache-2.0 */
/* Rules of virtual networks: identifiers, address spaces, subnets, attachments, endpoints. */
#include "control/validate_internal.h"

#include <stdlib.h>
#include <string.h>

static void id_twice(struct judge *j, const struct unique_item *item,
		     const struct unique_item *first)
{
	findings_error(j->findings, item->place,
		       "id: virtual network %s has this id already, in line %u; ids are unique",
		       first->name, first->place.line);
}

/* Sorted by address, one prefix overlaps another exactly when the outermost one before it covers
 * it. */
static void report_overlaps(struct judge *j, const struct prefix_set *s, const char *property)
{
	char a[PREFIX_TEXT], b[PREFIX_TEXT];
	const struct placed_prefix *outer = s->at;
	for (uint32_t i = 1; i < s->n; i++) {
		const struct placed_prefix *p = &s->at[i];
		if (!ip_prefix_covers(&outer->prefix, &p->prefix)) {
			outer = p;
			continue;
		}
		bool later = p->place.line > outer->place.line ||
			     (p->place.line == outer->place.line &&
			      p->place.column > outer->place.column);
		const struct placed_prefix *at = later ? p : outer, *with = later ? outer : p;
		findings_error(j->findings, at->place, "%s: %s overlaps %s%s%s", property,
			       ip_prefix_format(&at->prefix, a), ip_prefix_format(&with->prefix, b),
			       with->name ? " of subnet " : "", with->name ? with->name : "");
	}
}

static void subnet_twice(struct judge *j, const struct unique_item *item,
			 const struct unique_item *first)
{
	findings_error(j->findings, item->place,
		       "name: '%s' is the name of another subnet, in line %u; names are unique in "
		       "their virtual network",
		       (const char *)item->key, first->place.line);
}

static void check_subnets(struct judge *j, const struct model_vnet *v,
			  const struct prefix_set *space)
{
	char text[PREFIX_TEXT];
	struct unique names = {0};
	struct prefix_set subnets = {.at = calloc(v->n_subnets + 1, sizeof *subnets.at)};
	if (!subnets.at)
		j->no_memory = true;
	for (uint32_t i = 0; subnets.at && i < v->n_subnets; i++) {
		const struct model_subnet *s = &v->subnets[i];
		if (*s->name)
			unique_add(j, &names, s->name, strlen(s->name), s->place, NULL);
		if (s->incomplete)
			continue;
		subnets.at[subnets.n++] =
			(struct placed_prefix){s->prefix, s->prefix_at, s->name, s};
		if (!v->incomplete && !prefix_set_cover(space, &s->prefix))
			findings_error(j->findings, s->prefix_at,
				       "addressPrefix: %s is not inside the address space of %s",
				       ip_prefix_format(&s->prefix, text), v->name);
		bool v4 = s->prefix.addr.family == IP_V4;
		if (!strcmp(s->name, "GatewaySubnet") && s->prefix.len > (v4 ? 29 : 125))
			findings_error(j->findings, s->prefix_at,
				       "addressPrefix: GatewaySubnet needs /%d or larger, came %s",
				       v4 ? 29 : 125, ip_prefix_format(&s->prefix, text));
	}
	unique_report(j, &names, subnet_twice);
	prefix_set_sort(&subnets);
	report_overlaps(j, &subnets, "addressPrefix");
	free(subnets.at);
}

static void tag_twice(struct judge *j, const struct unique_item *item,
		      const struct unique_item *first)
{
	findings_error(j->findings, item->place,
		       "port: another attachment has the same port, encapsulation and tag, of "
		       "virtual network %s in line %u; a frame must belong to one",
		       first->name, first->place.line);
}

static void check_tags(struct judge *j)
{
	struct unique u = {0};
	for (uint32_t i = 0; i < j->m->n_vnets; i++) {
		const struct model_vnet *v = &j->m->vnets[i];
		for (uint32_t k = 0; k < v->n_attachments; k++) {
			const struct model_attachment *a = &v->attachments[k];
			uint32_t key[3] = {a->port, a->kind, a->tag};
			if (!a->incomplete)
				unique_add(j, &u, key, sizeof key, a->place, v->name);
		}
	}
	unique_report(j, &u, tag_twice);
}

static void address_twice(struct judge *j, const struct unique_item *item,
			  const struct unique_item *first)
{
	findings_error(j->findings, item->place,
		       "address: %s is in this virtual network already, in line %u", item->name,
		       first->place.line);
}

static void check_own_address(struct judge *j, const struct model_vnet *v,
			      const struct model_attachment *a, const struct ip_prefix *own,
			      const struct prefix_set *space)
{
	char text[IP_TEXT];
	struct ip_prefix alone = {own->addr, (uint8_t)ip_addr_bits(&own->addr)};
	if (!v->incomplete && !prefix_set_cover(space, &alone))
		findings_error(j->findings, a->address_at,
			       "address: %s is not inside the address space of %s",
			       ip_addr_format(&own->addr, text), v->name);
}

/* Whose packets an attachment takes: without a list nobody could teach it anything. */
static void check_remote_vteps(struct judge *j, const struct model_vnet *v,
			       const struct model_attachment *a)
{
	char text[PREFIX_TEXT];
	if (a->kind != XGW_TAG_VXLAN)
		return;
	if (v->learning && !a->n_remote_vteps)
		findings_error(j->findings, a->place,
			       "remoteVteps: missing, %s learns endpoints: say which hosts of the "
			       "underlay may teach them",
			       v->name);
	if (!v->learning && a->n_remote_vteps)
		findings_warn(j->findings, a->remote_vteps_at[0],
			      "remoteVteps: has no effect, %s does not learn", v->name);
	for (uint32_t i = 0; i < a->n_remote_vteps; i++) {
		const struct ip_prefix *p = &a->remote_vteps[i];
		if (p->addr.family != a->local_vtep.family)
			findings_error(j->findings, a->remote_vteps_at[i],
				       "remoteVteps: %s is not of the family of localAddress",
				       ip_prefix_format(p, text));
	}
}

static void check_attachments(struct judge *j, const struct model_vnet *v,
			      const struct prefix_set *space, struct unique *addresses)
{
	for (uint32_t i = 0; i < v->n_attachments; i++) {
		const struct model_attachment *a = &v->attachments[i];
		if (a->incomplete)
			continue;
		const struct model_port *p = &j->m->host.ports[a->port];
		if (!p->incomplete && p->role != XGW_ROLE_VNET)
			findings_error(j->findings, a->place,
				       "port: %s has role %s, an attachment needs a port with "
				       "role vnet",
				       p->name, p->role == XGW_ROLE_UPLINK ? "uplink" : "circuit");
		check_remote_vteps(j, v, a);
		if (a->has_address) {
			check_own_address(j, v, a, &a->address, space);
			unique_add(j, addresses, &a->address.addr, sizeof a->address.addr,
				   a->address_at, "the gateway's own address");
		}
		if (a->has_address6) {
			check_own_address(j, v, a, &a->address6, space);
			unique_add(j, addresses, &a->address6.addr, sizeof a->address6.addr,
				   a->address_at, "the gateway's own address");
		}
	}
}

static bool attachments_known(const struct model_vnet *v)
{
	for (uint32_t i = 0; i < v->n_attachments; i++) {
		if (v->attachments[i].incomplete)
			return false;
	}
	return true;
}

static void check_endpoints(struct judge *j, const struct model_vnet *v,
			    const struct prefix_set *space, struct unique *addresses)
{
	char text[IP_TEXT];
	bool known = attachments_known(v);
	for (uint32_t i = 0; i < v->n_endpoints; i++) {
		const struct model_endpoint *e = &v->endpoints[i];
		if (e->incomplete)
			continue;
		struct ip_prefix alone = {e->address, (uint8_t)ip_addr_bits(&e->address)};
		unique_add(j, addresses, &e->address, sizeof e->address, e->place, "the address");
		if (!v->incomplete && !prefix_set_cover(space, &alone))
			findings_error(j->findings, e->place,
				       "address: endpoint %s is not inside the address space of %s",
				       ip_addr_format(&e->address, text), v->name);
		if (!known)
			continue;
		if (e->attachment == MODEL_NONE)
			findings_error(j->findings, e->place,
				       "endpoint: %s has no attachment with encapsulation vxlan "
				       "and an IPv%d localAddress, this endpoint's host needs one",
				       v->name, e->host.family == IP_V6 ? 6 : 4);
		else if (ip_addr_equal(&e->host, &v->attachments[e->attachment].local_vtep))
			findings_error(j->findings, e->place,
				       "host: %s is this machine's own localAddress",
				       ip_addr_format(&e->host, text));
	}
}

/* Azure takes no more either. */
#define MOST_DNS 20

static void check_dns(struct judge *j, const struct model_vnet *v)
{
	char text[IP_TEXT];
	if (v->n_dns > MOST_DNS)
		findings_error(j->findings, v->dns_at[MOST_DNS],
			       "dnsServers: expected at most %d addresses, came %u", MOST_DNS,
			       v->n_dns);
	for (uint32_t i = 0; i < v->n_dns; i++) {
		const struct ip_addr *a = &v->dns[i];
		ip_addr_format(a, text);
		if (a->family == IP_V4 ? a->b[0] >= 224 || a->b[0] == 127 || !a->b[0]
				       : a->b[0] == 0xff || ip_addr_is_unspecified(a))
			findings_error(j->findings, v->dns_at[i],
				       "dnsServers: %s is no address of a server", text);
		for (uint32_t k = 0; k < i; k++)
			if (ip_addr_equal(a, &v->dns[k]))
				findings_error(j->findings, v->dns_at[i],
					       "dnsServers: %s stands there twice", text);
	}
}

static void check_vnet(struct judge *j, const struct model_vnet *v)
{
	struct unique addresses = {0};
	struct prefix_set space = prefix_set_of_vnet(j, v);
	if (!space.at)
		return;
	if (!v->n_address_space && !v->incomplete)
		findings_error(j->findings, v->place,
			       "addressSpace: expected at least one prefix, came none");
	report_overlaps(j, &space, "addressSpace");
	prefix_set_reduce(&space);
	check_dns(j, v);
	check_subnets(j, v, &space);
	check_attachments(j, v, &space, &addresses);
	check_endpoints(j, v, &space, &addresses);
	unique_report(j, &addresses, address_twice);
	if (!v->n_attachments && !v->incomplete)
		findings_warn(j->findings, v->place,
			      "attachments: %s has none, its hosts cannot be reached", v->name);
	free(space.at);
}

void validate_vnets(struct judge *j)
{
	struct unique ids = {0};
	for (uint32_t i = 0; i < j->m->n_vnets; i++) {
		const struct model_vnet *v = &j->m->vnets[i];
		if (v->id)
			unique_add(j, &ids, &v->id, sizeof v->id, v->id_at, v->name);
		check_vnet(j, v);
	}
	unique_report(j, &ids, id_twice);
	check_tags(j);
}
