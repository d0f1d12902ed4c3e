/* SPDX-License-Identifier: Apache-2.0 */
/* Traffic selectors: narrowing (RFC 7296 section 2.9), comparison, text. */
#include "ike/ike_internal.h"

#include <stdio.h>
#include <string.h>

/* 65535-0 is OPAQUE: ports that can't be seen; it meets only itself and "any". */
static bool is_any_port(const struct traffic_selector *ts)
{
	return ts->port_first == 0 && ts->port_last == 65535;
}

static bool narrow_ports(const struct traffic_selector *a, const struct traffic_selector *b,
			 struct traffic_selector *out)
{
	if (is_any_port(a) || is_any_port(b)) {
		const struct traffic_selector *t = is_any_port(a) ? b : a;
		out->port_first = t->port_first;
		out->port_last = t->port_last;
		return true;
	}
	if (a->port_first > a->port_last || b->port_first > b->port_last) {
		out->port_first = a->port_first;
		out->port_last = a->port_last;
		return a->port_first == b->port_first && a->port_last == b->port_last;
	}
	out->port_first = a->port_first > b->port_first ? a->port_first : b->port_first;
	out->port_last = a->port_last < b->port_last ? a->port_last : b->port_last;
	return out->port_first <= out->port_last;
}

static bool narrow(const struct traffic_selector *a, const struct traffic_selector *b,
		   struct traffic_selector *out)
{
	memset(out, 0, sizeof *out);
	if (a->protocol && b->protocol && a->protocol != b->protocol)
		return false;
	out->protocol = a->protocol ? a->protocol : b->protocol;
	return narrow_ports(a, b, out) && ip_range_intersect(&a->range, &b->range, &out->range);
}

static bool same(const struct traffic_selector *a, const struct traffic_selector *b)
{
	return a->protocol == b->protocol && a->port_first == b->port_first &&
	       a->port_last == b->port_last && !ip_addr_cmp(&a->range.first, &b->range.first) &&
	       !ip_addr_cmp(&a->range.last, &b->range.last);
}

static bool within(const struct traffic_selector *inner, const struct traffic_selector *outer)
{
	struct traffic_selector t;
	return narrow(inner, outer, &t) && same(&t, inner);
}

uint8_t selectors_narrow(const struct traffic_selector *ours, uint8_t n_ours,
			 const struct traffic_selector *theirs, uint8_t n_theirs,
			 struct traffic_selector *out)
{
	uint8_t n = 0;
	for (uint8_t i = 0; i < n_ours; i++) {
		for (uint8_t k = 0; k < n_theirs && n < CHILD_SA_MAX_TS; k++) {
			struct traffic_selector t;
			if (narrow(&ours[i], &theirs[k], &t) && !selectors_within(&t, 1, out, n))
				out[n++] = t;
		}
	}
	return n;
}

bool selectors_within(const struct traffic_selector *inner, uint8_t n_inner,
		      const struct traffic_selector *outer, uint8_t n_outer)
{
	for (uint8_t i = 0; i < n_inner; i++) {
		uint8_t k = 0;
		while (k < n_outer && !within(&inner[i], &outer[k]))
			k++;
		if (k == n_outer)
			return false;
	}
	return true;
}

void selectors_format(const struct traffic_selector *ts, uint8_t n, char *out, size_t size)
{
	size_t at = 0;
	snprintf(out, size, "none");
	for (uint8_t i = 0; i < n && at < size; i++) {
		char range[RANGE_TEXT];
		at += (size_t)snprintf(out + at, size - at, "%s%s", i ? "," : "",
				       ip_range_format(&ts[i].range, range));
		if (ts[i].protocol && at < size)
			at += (size_t)snprintf(out + at, size - at, "[%u]", ts[i].protocol);
	}
}
