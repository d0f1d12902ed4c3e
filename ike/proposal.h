/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SA payloads (RFC 7296 section 3.3): our proposals on the wire, the choice among the peer's, and,
 * when there is none, which of ours came nearest and the first transform that differs.
 */
#ifndef XGW_IKE_PROPOSAL_H
#define XGW_IKE_PROPOSAL_H

#include "base/fault.h"
#include "ike/ike.h"
#include "ike/message.h"

/* What was agreed on; enum values of base/algorithms.h. */
struct ike_chosen {
	uint8_t encryption, integrity, prf, group;
	uint8_t n_additional, additional[IKE_MAX_ADDITIONAL]; /* enum group_id, in their order */
	uint8_t additional_at[IKE_MAX_ADDITIONAL]; /* of which transform type: ADDKE1 is 0 */
	bool esn;
	uint8_t number; /* of the proposal in the payload it came from */
	uint64_t spi;	/* the peer's, host order; 0 = none */
};

enum proposal_kind {
	PROPOSAL_IKE,	      /* IKE_SA_INIT: no SPI; with additional key exchanges */
	PROPOSAL_IKE_REKEY,   /* 8 bytes of SPI; additional key exchanges may be left out */
	PROPOSAL_CHILD,	      /* with its group when it has one (CREATE_CHILD_SA); the same */
	PROPOSAL_FIRST_CHILD, /* in IKE_AUTH: without a group (RFC 7296 section 1.2) */
};

/* Adds an SA payload with all of ours. `spi` 0 = none. */
void proposal_offer(struct builder *b, enum proposal_kind kind, const struct ike_proposal *ours,
		    unsigned n, uint64_t spi);
/* Adds an SA payload with just the chosen one. */
void proposal_answer(struct builder *b, enum proposal_kind kind, const struct ike_chosen *chosen,
		     uint64_t spi);
/*
 * The first of ours that one of theirs satisfies. 0; -ENOENT with a fault that names the nearest
 * pair; -EPROTO. `group`: prefer (among equals of one proposal) this one, that a KE payload came
 * for; DH_NONE = no preference.
 */
int must_check proposal_choose(struct bytes theirs, enum proposal_kind kind,
			       const struct ike_proposal *ours, unsigned n, enum group_id group,
			       struct ike_chosen *out, struct fault *f);
/* Initiator: the answer must be one proposal that fits ours, each kind once. 0, -ENOENT, -EPROTO.
 */
int must_check proposal_accept(struct bytes answer, enum proposal_kind kind,
			       const struct ike_proposal *ours, unsigned n, struct ike_chosen *out,
			       struct fault *f);
/* True when `group` is in one of ours. */
bool proposal_has_group(const struct ike_proposal *ours, unsigned n, enum group_id group);
/* "AES256GCM16-PRFSHA256-ECP256", of everything in the proposal, joined. */
#define PROPOSAL_TEXT 200
const char *proposal_format(const struct ike_proposal *p, char out[PROPOSAL_TEXT]);

#endif
