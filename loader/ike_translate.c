/* SPDX-License-Identifier: Apache-2.0 */
/* A connection of the model in the engine's words. */
#include "base/instant.h"
#include "control/offer.h"
#include "control/site_names.h"
#include "loader/ike_host.h"

#include <errno.h>
#include <string.h>

static void copy_ike(struct ike_proposal *to, const struct offer_ike *from)
{
	to->n_encryption = from->n_encryption;
	to->n_integrity = from->n_integrity;
	to->n_prf = from->n_prf;
	to->n_group = from->n_group;
	memcpy(to->encryption, from->encryption, sizeof from->encryption);
	memcpy(to->integrity, from->integrity, sizeof from->integrity);
	memcpy(to->prf, from->prf, sizeof from->prf);
	memcpy(to->group, from->group, sizeof from->group);
	_Static_assert(MODEL_MAX_ADDITIONAL == IKE_MAX_ADDITIONAL, "additional key exchanges");
	to->n_additional = from->n_additional;
	memcpy(to->additional, from->additional, sizeof from->additional);
}

static void copy_child(struct ike_proposal *to, const struct offer_child *from)
{
	to->n_encryption = from->n_encryption;
	to->n_integrity = from->n_integrity;
	to->n_group = from->n_group;
	to->esn = from->esn;
	memcpy(to->encryption, from->encryption, sizeof from->encryption);
	memcpy(to->integrity, from->integrity, sizeof from->integrity);
	memcpy(to->group, from->group, sizeof from->group);
	to->n_additional = from->n_additional;
	memcpy(to->additional, from->additional, sizeof from->additional);
}

static void copy_offer(struct ike_connection *to, const struct offer *from)
{
	_Static_assert(OFFER_MAX_TRANSFORMS <= IKE_MAX_PROPOSAL, "transforms");
	_Static_assert(OFFER_MAX_PROPOSALS <= IKE_MAX_PROPOSALS, "proposals");
	to->n_ike = from->n_ike;
	to->n_child = from->n_child;
	for (unsigned i = 0; i < from->n_ike; i++)
		copy_ike(&to->ike[i], &from->ike[i]);
	for (unsigned i = 0; i < from->n_child; i++)
		copy_child(&to->child[i], &from->child[i]);
	to->n_local_ts = from->n_local_ts;
	to->n_remote_ts = from->n_remote_ts;
	memcpy(to->local_ts, from->local_ts, sizeof to->local_ts);
	memcpy(to->remote_ts, from->remote_ts, sizeof to->remote_ts);
	to->ike_lifetime_ns = from->ike_lifetime_seconds * NS_PER_S;
	to->child_lifetime_ns = from->child_lifetime_seconds * NS_PER_S;
	to->child_lifetime_bytes = from->child_lifetime_bytes;
	to->child_lifetime_packets = from->child_lifetime_packets;
}

static int set_identity(struct identity *out, const char *text, const char *whose, struct fault *f)
{
	if (identity_parse(out, text) == 0)
		return 0;
	fault_set(f, -EINVAL, "'%s' is no identity of %s", text, whose);
	return fault_advise(
		f, "write an address, a domain name, a mail address or a distinguished name");
}

static int set_remote(struct ike_connection *out, const struct model *m,
		      const struct model_connection *c, struct fault *f)
{
	char text[IP_TEXT];
	const char *identity, *name;
	if (c->site != MODEL_NONE) {
		out->remote = m->sites[c->site].address;
		identity = m->sites[c->site].identity;
		name = m->sites[c->site].name;
	} else {
		out->remote = m->gateways[c->peer_gateway].public_address;
		identity = m->gateways[c->peer_gateway].identity;
		name = m->gateways[c->peer_gateway].name;
	}
	/* no packet comes from there, so nobody is taken for a site whose address is not known yet;
	 * an identity alone does not make it one */
	if (site_name_is_open(m, c->site))
		out->remote = (struct ip_addr){.family = out->local.family};
	if (!identity && out->remote.family)
		identity = ip_addr_format(&out->remote, text);
	return set_identity(&out->remote_id, identity ? identity : "%any", name, f);
}

static void set_ppk(struct ike_connection *out, const struct model_connection *c)
{
	size_t n = c->ppk_id ? strlen(c->ppk_id) : 0;
	if (!n || n > sizeof out->ppk_id)
		return;
	memcpy(out->ppk_id, c->ppk_id, n);
	out->ppk_id_len = (uint8_t)n;
	out->ppk = c->ppk;
	out->require_ppk = c->require_ppk;
}

#define CLIENT_DPD_SECONDS 45

int ike_host_translate_clients(struct ike_connection *out, const struct model *m, uint32_t gateway,
			       uint32_t slot, struct fault *f)
{
	const struct model_gateway *g = &m->gateways[gateway];
	struct offer offer;
	memset(out, 0, sizeof *out);
	if (offer_of_clients(m, gateway, &offer))
		return fault_set(f, -E2BIG, "'%s' has more than %d prefixes for its clients",
				 g->name, CHILD_SA_MAX_TS);
	copy_offer(out, &offer);
	out->id = PLAN_FIRST_TEMPLATE + slot;
	out->name = g->name;
	out->local = g->public_address;
	/* one that moves between hosts leads nowhere else: what is left of it here is another's */
	out->mobike = g->active_standby ? IKE_MOBIKE_OFF : IKE_MOBIKE_ON;
	out->rsa_pkcs1 = g->certificate.rsa_pkcs1;
	out->start = IKE_START_RESPOND;
	out->dpd_timeout_ns = CLIENT_DPD_SECONDS * NS_PER_S;
	out->remote_id.kind = IDENTITY_ANY;
	return set_identity(&out->local_id, g->identity, g->name, f);
}

int ike_host_translate(struct ike_connection *out, const struct model *m,
		       const struct plan_connection *pc, struct fault *f)
{
	static const enum ike_start starts[] = {
		[MODEL_MODE_DEFAULT] = IKE_START_BOTH,
		[MODEL_MODE_INITIATOR] = IKE_START_INITIATE,
		[MODEL_MODE_RESPONDER] = IKE_START_RESPOND,
	};
	static const enum ike_mobike mobike[] = {
		[MODEL_MOBIKE_OFF] = IKE_MOBIKE_OFF,
		[MODEL_MOBIKE_ON] = IKE_MOBIKE_ON,
		[MODEL_MOBIKE_WITHOUT_NAT] = IKE_MOBIKE_WITHOUT_NAT,
	};
	const struct model_connection *c = &m->connections[pc->model];
	const struct model_gateway *g = &m->gateways[c->gateway];
	struct offer offer;
	memset(out, 0, sizeof *out);
	int err = offer_of(m, pc->model, &offer);
	if (err)
		return fault_set(f, err, "connection '%s' has more than %d traffic selectors",
				 c->name, CHILD_SA_MAX_TS);
	copy_offer(out, &offer);
	out->id = pc->id;
	out->name = c->name;
	out->local = g->public_address;
	err = set_identity(&out->local_id, g->identity, g->name, f);
	if (!err)
		err = set_remote(out, m, c, f);
	out->psk = c->psk;
	set_ppk(out, c);
	out->ikev1 = c->ikev1;
	out->sha1_signatures = c->sha1_signatures;
	out->rsa_pkcs1 = g->certificate.rsa_pkcs1;
	out->start = out->remote.family && !ip_addr_is_unspecified(&out->remote)
			     ? starts[c->mode]
			     : IKE_START_RESPOND;
	out->dpd_timeout_ns = c->dpd_timeout_seconds * NS_PER_S;
	out->always_encapsulate = c->always_encapsulate;
	out->port_entropy = c->port_entropy;
	out->fragment_mtu = (uint16_t)c->ike_fragment_size;
	out->mobike = mobike[c->mobike];
	out->reauth_ns = c->reauthentication_seconds * NS_PER_S;
	out->childless = c->childless;
	out->allow_redirect = c->allow_redirect;
	if (err) {
		secret_wipe(&out->psk);
		secret_wipe(&out->ppk);
	}
	return err;
}

/* ---- comparison ---- */

static bool same_secret(const struct secret *a, const struct secret *b)
{
	return a->len == b->len && memcmp(a->b, b->b, a->len) == 0;
}

static bool same_selectors(const struct traffic_selector *a, uint8_t n,
			   const struct traffic_selector *b, uint8_t m)
{
	bool same = n == m;
	for (uint8_t i = 0; same && i < n; i++)
		same = ip_addr_equal(&a[i].range.first, &b[i].range.first) &&
		       ip_addr_equal(&a[i].range.last, &b[i].range.last) &&
		       a[i].protocol == b[i].protocol && a[i].port_first == b[i].port_first &&
		       a[i].port_last == b[i].port_last;
	return same;
}

/* Bytes and a flag alone: nothing lies between them. */
static bool same_proposals(const struct ike_proposal *a, uint8_t n, const struct ike_proposal *b,
			   uint8_t m)
{
	_Static_assert(sizeof(struct ike_proposal) ==
			       4 + 4 * IKE_MAX_PROPOSAL + 1 + IKE_MAX_ADDITIONAL + 1,
		       "no padding in a proposal");
	return n == m && memcmp(a, b, n * sizeof *a) == 0;
}

static bool same_ends(const struct ike_connection *a, const struct ike_connection *b)
{
	return strcmp(a->name, b->name) == 0 && ip_addr_equal(&a->local, &b->local) &&
	       ip_addr_equal(&a->remote, &b->remote) &&
	       identity_equal(&a->local_id, &b->local_id) &&
	       identity_equal(&a->remote_id, &b->remote_id) && same_secret(&a->psk, &b->psk) &&
	       same_secret(&a->ppk, &b->ppk) && a->ppk_id_len == b->ppk_id_len &&
	       memcmp(a->ppk_id, b->ppk_id, a->ppk_id_len) == 0 &&
	       a->require_ppk == b->require_ppk && a->rsa_pkcs1 == b->rsa_pkcs1 &&
	       a->sha1_signatures == b->sha1_signatures;
}

static bool same_rules(const struct ike_connection *a, const struct ike_connection *b)
{
	return a->start == b->start && a->ikev1 == b->ikev1 &&
	       a->ike_lifetime_ns == b->ike_lifetime_ns &&
	       a->child_lifetime_ns == b->child_lifetime_ns &&
	       a->child_lifetime_bytes == b->child_lifetime_bytes &&
	       a->child_lifetime_packets == b->child_lifetime_packets &&
	       a->dpd_timeout_ns == b->dpd_timeout_ns &&
	       a->always_encapsulate == b->always_encapsulate &&
	       a->port_entropy == b->port_entropy && a->fragment_mtu == b->fragment_mtu &&
	       a->mobike == b->mobike && a->childless == b->childless &&
	       a->reauth_ns == b->reauth_ns && a->allow_redirect == b->allow_redirect &&
	       a->retry_ns == b->retry_ns;
}

/*
 * A field that is not compared is a change that a reload does not see: who adds one adds it here.
 * But not stands_by, which is no setting: who sees the same goes on standing by.
 */
_Static_assert(sizeof(struct ike_connection) == 4304, "ike_host_same");

bool ike_host_same(const struct ike_connection *a, const struct ike_connection *b)
{
	return a->id == b->id && same_ends(a, b) && same_rules(a, b) &&
	       same_proposals(a->ike, a->n_ike, b->ike, b->n_ike) &&
	       same_proposals(a->child, a->n_child, b->child, b->n_child) &&
	       same_selectors(a->local_ts, a->n_local_ts, b->local_ts, b->n_local_ts) &&
	       same_selectors(a->remote_ts, a->n_remote_ts, b->remote_ts, b->n_remote_ts);
}
