/* SPDX-License-Identifier: Apache-2.0 */
/* What comes up and is found wrong later: selectors that overlap, lifetimes that can't be reached.
 */
#include "control/validate_internal.h"

#include "base/instant.h"
#include "control/offer.h"

#include <stdlib.h>
#include <string.h>

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

/* ---- a prefix of one connection within another's ---- */

struct reach {
	uint32_t gateway;
	struct ip_prefix prefix;
	const struct model_connection *c;
};

/* Outer prefixes come before those within them. */
static int by_reach(const void *a, const void *b)
{
	const struct reach *x = a, *y = b;
	if (x->gateway != y->gateway)
		return x->gateway < y->gateway ? -1 : 1;
	int c = ip_addr_cmp(&x->prefix.addr, &y->prefix.addr);
	if (c)
		return c;
	if (x->prefix.len != y->prefix.len)
		return x->prefix.len < y->prefix.len ? -1 : 1;
	return x->c < y->c ? -1 : x->c > y->c;
}

static uint32_t collect(const struct judge *j, struct reach *out)
{
	uint32_t total = 0, n;
	for (uint32_t i = 0; i < j->m->n_connections; i++) {
		const struct model_connection *c = &j->m->connections[i];
		if (!validate_is_known(j->m, c))
			continue;
		const struct ip_prefix *remote = offer_remote_space(j->m, c, &n);
		for (uint32_t k = 0; k < n; k++, total++)
			if (out)
				out[total] = (struct reach){c->gateway, remote[k], c};
	}
	return total;
}

static void warn_of_nested(struct judge *j, const struct reach *inner, const struct reach *outer)
{
	char a[PREFIX_TEXT], b[PREFIX_TEXT];
	findings_warn(j->findings, inner->c->place,
		      "addressSpace: %s behind %s lies within %s behind %s; the longer prefix "
		      "takes that traffic, also when its connection is down",
		      ip_prefix_format(&inner->prefix, a), inner->c->name,
		      ip_prefix_format(&outer->prefix, b), outer->c->name);
}

/*
 * Longest prefix decides, so it works, and surprises who looks for a packet in the other tunnel. A
 * default route is meant so. One walk over the sorted prefixes, with a chain of those around.
 */
void validate_nested(struct judge *j)
{
	uint32_t n = collect(j, NULL), depth = 0;
	const struct reach *around[129];
	const struct model_connection *told = NULL;
	struct reach *at = n ? reallocarray(NULL, n, sizeof *at) : NULL;
	j->no_memory |= n && !at;
	n = at ? collect(j, at) : 0;
	if (n)
		qsort(at, n, sizeof *at, by_reach);
	for (uint32_t i = 0; i < n; i++) {
		const struct reach *x = &at[i];
		if (!x->prefix.len)
			continue;
		while (depth && (around[depth - 1]->gateway != x->gateway ||
				 !ip_prefix_covers(&around[depth - 1]->prefix, &x->prefix)))
			depth--;
		const struct reach *outer = depth ? around[depth - 1] : NULL;
		/* the same prefix twice is routingWeight's matter */
		if (outer && outer->prefix.len == x->prefix.len)
			continue;
		if (outer && outer->c != x->c && x->c != told) {
			warn_of_nested(j, x, outer);
			told = x->c;
		}
		around[depth++] = x;
	}
	free(at);
}
