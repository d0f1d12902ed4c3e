/* SPDX-License-Identifier: Apache-2.0 */
/* The default offer, and a connection's own. */
#include "control/offer.h"

#include <errno.h>
#include <string.h>

#define EVERY_GROUP .n_group = 4, .group = {DH_CURVE25519, DH_ECP_384, DH_ECP_256, DH_MODP_2048}

static const struct offer default_offer = {
	.n_ike = 3,
	.ike = {{.n_encryption = 1,
		 .encryption = {ENCR_AES_GCM16_256},
		 .n_prf = 2,
		 .prf = {PRF_HMAC_SHA2_384, PRF_HMAC_SHA2_256},
		 EVERY_GROUP},
		{.n_encryption = 1,
		 .encryption = {ENCR_AES_CBC_256},
		 .n_integrity = 1,
		 .integrity = {AUTH_HMAC_SHA2_384_192},
		 .n_prf = 1,
		 .prf = {PRF_HMAC_SHA2_384},
		 EVERY_GROUP},
		{.n_encryption = 1,
		 .encryption = {ENCR_AES_CBC_256},
		 .n_integrity = 1,
		 .integrity = {AUTH_HMAC_SHA2_256_128},
		 .n_prf = 1,
		 .prf = {PRF_HMAC_SHA2_256},
		 EVERY_GROUP}},
	.n_child = 2,
	.child = {{.n_encryption = 2,
		   .encryption = {ENCR_AES_GCM16_256, ENCR_AES_GCM16_128},
		   .esn = true},
		  {.n_encryption = 1,
		   .encryption = {ENCR_AES_CBC_256},
		   .n_integrity = 1,
		   .integrity = {AUTH_HMAC_SHA2_256_128},
		   .esn = true}},
	.ike_lifetime_seconds = OFFER_IKE_LIFETIME_SECONDS,
	.child_lifetime_seconds = OFFER_CHILD_LIFETIME_SECONDS,
};

/*
 * IKEv1: what old routers know, without what is weak. There is one key exchange for all transforms
 * of an offer, so that the proposals with a PFS group are only accepted, not offered.
 */
#define HASHES	  .n_integrity = 2, .integrity = {AUTH_HMAC_SHA2_256_128, AUTH_HMAC_SHA1_96}
#define PRFS	  .n_prf = 2, .prf = {PRF_HMAC_SHA2_256, PRF_HMAC_SHA1}
#define V1_GROUPS .n_group = 3, .group = {DH_ECP_384, DH_ECP_256, DH_MODP_2048}
#define V1_PFS	  .n_group = 4, .group = {DH_ECP_384, DH_ECP_256, DH_MODP_2048, DH_MODP_2048_256}
#define CBC	  .n_encryption = 2, .encryption = {ENCR_AES_CBC_256, ENCR_AES_CBC_128}
#define GCM	  .n_encryption = 2, .encryption = {ENCR_AES_GCM16_256, ENCR_AES_GCM16_128}

static const struct offer default_v1 = {
	.n_ike = 2,
	.ike = {{.n_encryption = 1, .encryption = {ENCR_AES_CBC_256}, HASHES, PRFS, V1_GROUPS},
		{.n_encryption = 1, .encryption = {ENCR_AES_CBC_128}, HASHES, PRFS, V1_GROUPS}},
	.n_child = 4,
	.child = {{GCM}, {CBC, HASHES}, {GCM, V1_PFS}, {CBC, HASHES, V1_PFS}},
	.ike_lifetime_seconds = OFFER_IKE_LIFETIME_SECONDS,
	.child_lifetime_seconds = OFFER_CHILD_LIFETIME_SECONDS,
};

/* Azure's policy-based gateways: no GCM, an hour and 102 400 000 KB. */
static const struct offer default_policy_based = {
	.n_ike = 2,
	.ike = {{.n_encryption = 1, .encryption = {ENCR_AES_CBC_256}, HASHES, PRFS, V1_GROUPS},
		{.n_encryption = 1, .encryption = {ENCR_AES_CBC_128}, HASHES, PRFS, V1_GROUPS}},
	.n_child = 2,
	.child = {{CBC, HASHES}, {CBC, HASHES, V1_PFS}},
	.ike_lifetime_seconds = OFFER_IKE_LIFETIME_SECONDS,
	.child_lifetime_seconds = 3600,
	.child_lifetime_bytes = 102400000ull * 1024,
};

/* Only this combination. */
static void take_policy(struct offer *o, const struct model_policy *p)
{
	struct offer_ike ike = {.n_encryption = 1, .n_group = 1};
	struct offer_child child = {.n_encryption = 1, .esn = true};
	ike.encryption[0] = (uint8_t)p->ike_encryption;
	ike.group[0] = (uint8_t)p->dh_group;
	for (uint32_t i = 0; i < p->n_additional; i++)
		ike.additional[ike.n_additional++] = (uint8_t)p->additional[i];
	for (int i = 0; i < 2 && p->ike_prf[i] != PRF_NONE; i++)
		ike.prf[ike.n_prf++] = (uint8_t)p->ike_prf[i];
	if (p->ike_integrity != AUTH_NONE)
		ike.integrity[ike.n_integrity++] = (uint8_t)p->ike_integrity;
	child.encryption[0] = (uint8_t)p->ipsec_encryption;
	if (p->ipsec_integrity != AUTH_NONE)
		child.integrity[child.n_integrity++] = (uint8_t)p->ipsec_integrity;
	if (p->pfs_group != DH_NONE) {
		child.group[child.n_group++] = (uint8_t)p->pfs_group;
		child.n_additional = ike.n_additional;
		memcpy(child.additional, ike.additional, sizeof child.additional);
	}
	o->n_ike = o->n_child = 1;
	o->ike[0] = ike;
	o->child[0] = child;
	o->child_lifetime_seconds = p->lifetime_seconds;
	o->child_lifetime_bytes = p->lifetime_kilobytes * 1024;
	o->child_lifetime_packets = p->lifetime_packets;
}

static int add_selector(struct traffic_selector *list, uint8_t *n, struct ip_range range)
{
	if (*n == CHILD_SA_MAX_TS)
		return -E2BIG;
	list[(*n)++] = (struct traffic_selector){.port_last = UINT16_MAX, .range = range};
	return 0;
}

static bool has_range(const struct traffic_selector *list, uint8_t n, const struct ip_range *r)
{
	for (uint8_t i = 0; i < n; i++) {
		if (ip_range_covers(&list[i].range, r))
			return true;
	}
	return false;
}

static int add_prefixes(struct traffic_selector *list, uint8_t *n, const struct ip_prefix *p,
			uint32_t count)
{
	int err = 0;
	for (uint32_t i = 0; !err && i < count; i++)
		err = add_selector(list, n, ip_prefix_range(&p[i]));
	return err;
}

static int add_ranges(struct traffic_selector *list, uint8_t *n, const struct ip_range *r,
		      uint32_t count)
{
	int err = 0;
	for (uint32_t i = 0; !err && i < count; i++) {
		if (!has_range(list, *n, &r[i]))
			err = add_selector(list, n, r[i]);
	}
	return err;
}

/* Those that are not covered already. */
static int add_missing(struct traffic_selector *list, uint8_t *n, const struct ip_prefix *p,
		       uint32_t count)
{
	int err = 0;
	for (uint32_t i = 0; !err && i < count; i++) {
		const struct ip_range range = ip_prefix_range(&p[i]);
		err = add_ranges(list, n, &range, 1);
	}
	return err;
}

const struct ip_prefix *offer_remote_space(const struct model *m, const struct model_connection *c,
					   uint32_t *n)
{
	*n = 0;
	if (c->site != MODEL_NONE) {
		*n = m->sites[c->site].n_address_space;
		return m->sites[c->site].address_space;
	}
	if (c->peer_gateway == MODEL_NONE || m->gateways[c->peer_gateway].vnet == MODEL_NONE)
		return NULL;
	const struct model_vnet *v = &m->vnets[m->gateways[c->peer_gateway].vnet];
	*n = v->n_address_space;
	return v->address_space;
}

static int any_to_any(struct offer *o, bool v6)
{
	const struct ip_prefix any4 = {.addr = {.family = IP_V4}},
			       any6 = {.addr = {.family = IP_V6}};
	int err = add_prefixes(o->local_ts, &o->n_local_ts, &any4, 1);
	if (!err)
		err = add_prefixes(o->remote_ts, &o->n_remote_ts, &any4, 1);
	if (!err && v6)
		err = add_prefixes(o->local_ts, &o->n_local_ts, &any6, 1);
	if (!err && v6)
		err = add_prefixes(o->remote_ts, &o->n_remote_ts, &any6, 1);
	return err;
}

/* A gateway's VNet, and those that use it by useRemoteGateways. */
static int add_near_side(const struct model *m, uint32_t gateway, struct offer *o)
{
	const struct model_vnet *v = &m->vnets[m->gateways[gateway].vnet];
	int err = add_prefixes(o->local_ts, &o->n_local_ts, v->address_space, v->n_address_space);
	for (uint32_t i = 0; !err && i < v->n_peerings; i++) {
		const struct model_vnet *far = &m->vnets[v->peerings[i].remote];
		if (model_peering_gives_transit(m, &v->peerings[i]))
			err = add_prefixes(o->local_ts, &o->n_local_ts, far->address_space,
					   far->n_address_space);
	}
	return err;
}

static bool near_side_has_v6(const struct model *m, uint32_t gateway)
{
	const struct model_vnet *v = &m->vnets[m->gateways[gateway].vnet];
	bool found = model_vnet_has_v6(v);
	for (uint32_t i = 0; !found && i < v->n_peerings; i++) {
		const struct model_vnet *far = &m->vnets[v->peerings[i].remote];
		found = model_peering_gives_transit(m, &v->peerings[i]) && model_vnet_has_v6(far);
	}
	return found;
}

static int take_selectors(const struct model *m, const struct model_connection *c, struct offer *o)
{
	uint32_t n;
	int err = 0;
	const struct ip_prefix *remote = offer_remote_space(m, c, &n);
	if (!c->n_ts_policies && !c->policy_based_selectors &&
	    !m->gateways[c->gateway].policy_based)
		return any_to_any(o, model_has_v6(remote, n) || near_side_has_v6(m, c->gateway));
	for (uint32_t i = 0; !err && i < c->n_ts_policies; i++) {
		const struct model_ts_policy *t = &c->ts_policies[i];
		err = add_ranges(o->local_ts, &o->n_local_ts, t->local, t->n_local);
		if (!err)
			err = add_ranges(o->remote_ts, &o->n_remote_ts, t->remote, t->n_remote);
	}
	if (c->n_ts_policies)
		return err;
	err = add_near_side(m, c->gateway, o);
	return err ? err : add_prefixes(o->remote_ts, &o->n_remote_ts, remote, n);
}

int offer_of(const struct model *m, uint32_t connection, struct offer *out)
{
	const struct model_connection *c = &m->connections[connection];
	if (!c->ikev1)
		*out = default_offer;
	else
		*out = m->gateways[c->gateway].policy_based ? default_policy_based : default_v1;
	if (c->n_policies)
		take_policy(out, &c->policies[0]);
	return take_selectors(m, c, out);
}

int offer_of_clients(const struct model *m, uint32_t gateway, struct offer *out)
{
	*out = default_offer;
	int err = any_to_any(out, true);
	const struct model_clients *c = &m->gateways[gateway].clients;
	const struct model_instance *other = &m->gateways[gateway].other;
	out->n_local_ts = 0;
	if (!err)
		err = add_near_side(m, gateway, out);
	if (!err)
		err = add_missing(out->local_ts, &out->n_local_ts, c->routes, c->n_routes);
	if (!err && c->to_each_other)
		err = add_missing(out->local_ts, &out->n_local_ts, c->pool, c->n_pool);
	if (!err && c->to_each_other)
		err = add_missing(out->local_ts, &out->n_local_ts, other->pool, other->n_pool);
	return err;
}
