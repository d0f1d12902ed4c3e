/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What SA payloads of both versions have in common once they are read: lists of algorithms, their
 * comparison, and the pair that came nearest.
 */
#ifndef XGW_IKE_PROPOSAL_INTERNAL_H
#define XGW_IKE_PROPOSAL_INTERNAL_H

#include "ike/proposal.h"

/* The kinds of one proposal as lists of ids of base/algorithms.h; what the wire and the
 * configuration share. */
enum kind { ENCR, PRF, INTEG, DH, ESN, KE1, KE7 = KE1 + IKE_MAX_ADDITIONAL - 1, KINDS };
#define UNKNOWN 0xff /* on the wire, but not in base/algorithms.def: equals nothing of ours */

struct offer {
	uint8_t number, protocol, spi_bytes;
	bool other; /* a transform type that we don't know: the proposal can't be chosen */
	uint64_t spi;
	unsigned n[KINDS];
	uint8_t ids[KINDS][LIMIT_TRANSFORMS];
};

void offer_add(struct offer *o, enum kind k, unsigned id);
/* KINDS when they agree, or else the first kind that differs. */
enum kind offer_match(const struct offer *ours, const struct offer *theirs, enum group_id prefer,
		      struct ike_chosen *out);

/* The comparison that came furthest: the kind that differs, ordered by how much agrees. */
struct nearest {
	bool set;
	enum kind differs;
	struct offer ours, theirs;
};
void nearest_remember(struct nearest *near, enum kind differs, const struct offer *ours,
		      const struct offer *theirs);
/* Returns -ENOENT. */
int nearest_fault(const struct nearest *near, struct fault *f);

#endif
