/* SPDX-License-Identifier: Apache-2.0 */
/* bgpSettings -> the model, and what a gateway's are when it says less. */
#include "control/read_internal.h"

#include <string.h>

/* What the kernel takes of an MD5 key (RFC 2385). */
#define MD5_MAX 80u

/* It goes into a configuration of the router between double quotes. */
static bool is_md5(const struct secret *s)
{
	bool good = s->len && s->len <= MD5_MAX;
	for (uint32_t i = 0; good && i < s->len; i++)
		good = s->b[i] >= 0x20 && s->b[i] <= 0x7e && s->b[i] != '"';
	return good;
}

void read_md5(struct read *r, const struct tree_node *map, enum schema_property p,
	      struct secret *out)
{
	const struct tree_node *v = schema_value(map, p);
	struct fault fault = {0};
	if (!v || v->is_bad)
		return;
	if (read_secret(r, v, out, &fault))
		findings_error(r->findings, v->place, "sharedKey: %.280s", fault.text);
	else if (!is_md5(out))
		findings_error(r->findings, v->place,
			       "sharedKey: expected a key of at most %u printable ASCII "
			       "characters without double quotes",
			       MD5_MAX);
}

static void read_custom(struct read *r, const struct tree_node *map, struct model_bgp *out)
{
	uint32_t n = read_length(map, P_bgpSettings_customBgpIpAddresses);
	out->custom = read_array(r, n, sizeof *out->custom);
	out->custom_at = read_array(r, n, sizeof *out->custom_at);
	for (uint32_t i = 0; out->custom && out->custom_at && i < n; i++) {
		const struct tree_node *v = read_item(map, P_bgpSettings_customBgpIpAddresses, i);
		if (v->is_bad || v->type != TREE_SCALAR ||
		    ip_addr_parse(&out->custom[out->n_custom], v->text))
			continue;
		out->custom_at[out->n_custom++] = v->place;
	}
}

void read_bgp(struct read *r, const struct tree_node *map, enum schema_property p,
	      struct model_bgp *out)
{
	const struct tree_node *v = schema_value(map, p);
	if (!v || v->type != TREE_MAP || v->is_bad)
		return;
	out->asn = read_number(v, P_bgpSettings_asn);
	out->address = read_address(v, P_bgpSettings_bgpPeeringAddress);
	out->peer_weight = read_number(v, P_bgpSettings_peerWeight);
	out->max_prefixes = read_number(v, P_bgpSettings_maxPrefixes);
	out->place = read_place(map, p);
	out->asn_at = read_place(v, P_bgpSettings_asn);
	out->address_at = read_place(v, P_bgpSettings_bgpPeeringAddress);
	out->md5_at = read_place(v, P_bgpSettings_sharedKey);
	read_custom(r, v, out);
	read_md5(r, v, P_bgpSettings_sharedKey, &out->md5);
}

struct ip_addr read_bgp_address(const struct model_vnet *v)
{
	for (uint32_t i = 0; i < v->n_subnets; i++) {
		const struct model_subnet *s = &v->subnets[i];
		if (s->incomplete || s->prefix.addr.family != IP_V4 || s->prefix.len > 30 ||
		    strcmp(s->name, MODEL_GATEWAY_SUBNET) != 0)
			continue;
		struct ip_addr last = ip_prefix_range(&s->prefix).last;
		last.b[3] &= 0xfe;
		return last;
	}
	return (struct ip_addr){0};
}

void read_bgp_defaults(const struct model *m, struct model_gateway *g)
{
	struct model_bgp *b = &g->bgp;
	b->asn = b->asn ? b->asn : MODEL_ASN;
	if (!b->max_prefixes)
		b->max_prefixes = read_number(NULL, P_bgpSettings_maxPrefixes);
	if (g->enable_bgp && !g->express_route && !b->address.family && g->vnet != MODEL_NONE)
		b->address = read_bgp_address(&m->vnets[g->vnet]);
}
