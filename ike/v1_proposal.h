/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SA payloads of IKEv1 (RFC 2408 sections 3.4 to 3.6, RFC 2407 section 4): each transform is one
 * complete combination. The comparison and its diagnosis are those of IKEv2 (proposal.c).
 */
#ifndef XGW_IKE_V1_PROPOSAL_H
#define XGW_IKE_V1_PROPOSAL_H

#include "ike/proposal.h"
#include "ike/v1_message.h"

/* IANA "IPSec Authentication Methods" of phase 1 */
enum v1_auth { V1_AUTH_PSK = 1, V1_AUTH_RSA_SIG = 3 };

/* Encapsulation modes of phase 2: RFC 2407, RFC 3947, and the drafts before it */
enum v1_mode {
	V1_MODE_TUNNEL = 1,
	V1_MODE_UDP_TUNNEL = 3,
	V1_MODE_UDP_TUNNEL_DRAFT = 61443,
};

/* What an offer carries beside the algorithms. */
struct v1_offer {
	const struct ike_proposal *ours;
	unsigned n;
	uint64_t seconds, kilobytes; /* lifetimes; 0 = none is said */
	uint8_t auth;		     /* phase 1: enum v1_auth */
	uint16_t mode;		     /* phase 2: enum v1_mode */
	uint32_t spi;		     /* phase 2 */
	/* phase 2, as initiator: only transforms with this group go out, there is one KE payload */
	enum group_id group;
};

/* What was agreed on. `transform` is borrowed from the peer's payload. */
struct v1_agreed {
	struct ike_chosen chosen;
	struct v1_life life;	/* as the peer says */
	uint8_t number;		/* of the proposal */
	struct bytes transform; /* its substructure, for the answer */
};

/* Adds an SA payload with all of ours. */
void v1_offer_ike(struct builder *b, const struct v1_offer *o);
void v1_offer_esp(struct builder *b, const struct v1_offer *o);
/* Adds an SA payload with the chosen transform as the peer wrote it (RFC 2408 section 4.2). */
void v1_answer_ike(struct builder *b, const struct v1_agreed *a);
void v1_answer_esp(struct builder *b, const struct v1_agreed *a, uint32_t spi);
/*
 * The transform of theirs that comes first in ours. 0; -ENOENT with the nearest pair; -EPROTO;
 * -ENOTSUP where a transform that could be meant says two values of one attribute: which of them it
 * means nobody can know, and the whole is refused (RFC 2407 section 4.5.2).
 * chosen.spi is the peer's in phase 2, 0 in phase 1.
 */
int must_check v1_choose_ike(struct bytes theirs, const struct v1_offer *o, struct v1_agreed *out,
			     struct fault *f);
int must_check v1_choose_esp(struct bytes theirs, const struct v1_offer *o, struct v1_agreed *out,
			     struct fault *f);
/* What tells the peer why its SA payload was refused with `err`: enum v1_notify_type. */
uint16_t v1_sa_notify(int err);
/* Initiator: the answer must be one transform, and of ours. */
int must_check v1_accept_ike(struct bytes answer, const struct v1_offer *o, struct v1_agreed *out,
			     struct fault *f);
int must_check v1_accept_esp(struct bytes answer, const struct v1_offer *o, struct v1_agreed *out,
			     struct fault *f);

#endif
