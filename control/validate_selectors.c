/* SPDX-License-Identifier: Apache-2.0 */
/* What comes up and is found wrong later: selectors that overlap, lifetimes that can't be reached.
 */
#include "control/validate_internal.h"

#include "base/instant.h"
#include "control/offer.h"

/* ---- ranges of trafficSelectorPolicies ---- */

static void warn_of_overlap(struct judge *j, const struct model_ts_policy *t,
			    const struct ip_range *range, uint32_t n)
{
	char a[RANGE_TEXT], b[RANGE_TEXT];
	struct ip_range both;
	for (uint32_t i = 0; i < n; i++)
		for (uint32_t k = i + 1; k < n; k++)
			if (ip_range_intersect(&range[i], &range[k], &both))
				findings_warn(
					j->findings, t->place,
					"trafficSelectorPolicies: %s overlaps %s on the same side; "
					"peers that make a child SA of each pair refuse one of them",
					ip_range_format(&range[k], b),
					ip_range_format(&range[i], a));
}

void validate_overlap(struct judge *j, const struct model_connection *c)
{
	for (uint32_t i = 0; i < c->n_ts_policies; i++) {
		const struct model_ts_policy *t = &c->ts_policies[i];
		/* more of them are refused anyway */
		if (t->n_local > CHILD_SA_MAX_TS || t->n_remote > CHILD_SA_MAX_TS)
			continue;
		warn_of_overlap(j, t, t->local, t->n_local);
		warn_of_overlap(j, t, t->remote, t->n_remote);
	}
}

/* ---- lifetimes and sequence numbers ---- */

#define SEQUENCE_NUMBERS (1ull << 32)
#define TYPICAL_BYTES	 1400u /* of a packet in a tunnel at full rate */

/*
 * IKEv1 as built here has no extended sequence numbers (RFC 4304), so an SA ends with its 2^32th
 * packet whatever its lifetime says. (IKEv2 offers them.)
 */
void validate_sequence_numbers(struct judge *j, const struct model_connection *c)
{
	const struct model_gateway *g = &j->m->gateways[c->gateway];
	uint64_t a_second = (uint64_t)g->bandwidth_mbps * 1000000 / 8 / TYPICAL_BYTES;
	for (uint32_t i = 0; c->ikev1 && i < c->n_policies; i++) {
		const struct model_policy *p = &c->policies[i];
		if (a_second && p->lifetime_seconds > SEQUENCE_NUMBERS / a_second)
			findings_warn(
				j->findings, p->place,
				"saLifeTimeSeconds: at the %u Mbit/s of %s the 2^32 sequence numbers "
				"of an SA of IKEv1 are used up after about %u seconds, before its %u; "
				"take less, or IKEv2",
				g->bandwidth_mbps, g->name, (unsigned)(SEQUENCE_NUMBERS / a_second),
				p->lifetime_seconds);
	}
}
