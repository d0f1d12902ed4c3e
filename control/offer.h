/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What IKE offers and accepts for a connection, as plain data that the host of IKE translates one
 * to one: the default offer or the connection's own policy, lifetimes, traffic selectors.
 */
#ifndef XGW_CONTROL_OFFER_H
#define XGW_CONTROL_OFFER_H

#include "base/algorithms.h"
#include "base/child_sa.h"
#include "base/fault.h"
#include "control/model.h"

#define OFFER_MAX_TRANSFORMS 8 /* of one kind in one proposal */
#define OFFER_MAX_PROPOSALS  4

/* One proposal of the IKE SA. Alternatives of a kind in order of preference. */
struct offer_ike {
	uint8_t n_encryption, n_integrity, n_prf, n_group;
	uint8_t encryption[OFFER_MAX_TRANSFORMS]; /* enum encryption_id */
	uint8_t integrity[OFFER_MAX_TRANSFORMS];  /* enum integrity_id; none with an AEAD */
	uint8_t prf[OFFER_MAX_TRANSFORMS];	  /* enum prf_id */
	uint8_t group[OFFER_MAX_TRANSFORMS];	  /* enum group_id */
	uint8_t n_additional, additional[MODEL_MAX_ADDITIONAL]; /* enum group_id, all of them */
};

/* One proposal of a child SA. */
struct offer_child {
	uint8_t n_encryption, n_integrity, n_group;
	uint8_t encryption[OFFER_MAX_TRANSFORMS];
	uint8_t integrity[OFFER_MAX_TRANSFORMS]; /* none with an AEAD */
	uint8_t group[OFFER_MAX_TRANSFORMS];	 /* PFS of a CREATE_CHILD_SA; none = no PFS */
	uint8_t n_additional, additional[MODEL_MAX_ADDITIONAL]; /* with PFS; or without them */
	bool esn;						/* offered, and accepted without */
};

struct offer {
	uint8_t n_ike, n_child; /* proposals, in order of preference */
	struct offer_ike ike[OFFER_MAX_PROPOSALS];
	struct offer_child child[OFFER_MAX_PROPOSALS];
	uint32_t ike_lifetime_seconds, child_lifetime_seconds;
	uint64_t child_lifetime_bytes, child_lifetime_packets; /* 0 = none */
	uint8_t n_local_ts, n_remote_ts;
	struct traffic_selector local_ts[CHILD_SA_MAX_TS], remote_ts[CHILD_SA_MAX_TS];
};

#define OFFER_IKE_LIFETIME_SECONDS   28800u
#define OFFER_CHILD_LIFETIME_SECONDS 27000u

/*
 * Offer of model.connections[connection]. Selectors: those of trafficSelectorPolicies; with
 * usePolicyBasedTrafficSelectors, and on a policy-based gateway, the prefixes of both sides, near
 * the gateway those of its VNet and of the peered ones that use it; else any-to-any, of IPv6 too
 * when either side has it. 0, or -E2BIG when there are more selectors than CHILD_SA_MAX_TS
 * (validate reports that before).
 */
int must_check offer_of(const struct model *m, uint32_t connection, struct offer *out);

/* What a gateway's clients (point-to-site) are offered: the default, and behind it its virtual
 * network, the peered ones that use it, its customRoutes, and the pool where clients reach each
 * other; the client's side is its own address. 0 or -E2BIG. */
int must_check offer_of_clients(const struct model *m, uint32_t gateway, struct offer *out);

/* Prefixes of the far end of a connection: of its site, or of the VNet behind the other gateway of
 * this file. */
const struct ip_prefix *offer_remote_space(const struct model *m, const struct model_connection *c,
					   uint32_t *n);

#endif
