/* SPDX-License-Identifier: Apache-2.0 */
#include "control/standby.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int by_address(const void *a, const void *b)
{
	const struct ip_addr *x = a, *y = b;
	if (x->family != y->family)
		return x->family < y->family ? -1 : 1;
	return memcmp(x->b, y->b, x->family == IP_V4 ? 4 : 16);
}

void standby_sort(struct ip_addr *own, size_t n)
{
	if (n)
		qsort(own, n, sizeof *own, by_address);
}

static bool is_here(const struct standby_gateway *g, const struct ip_addr *own, size_t n)
{
	return n && bsearch(&g->address, own, n, sizeof *own, by_address);
}

static bool works(const struct standby_gateway *g, const struct ip_addr *own, size_t n)
{
	return !g->follows || is_here(g, own, n);
}

void standby_look(struct standby *s, const struct ip_addr *own, size_t n, uint64_t now_ns)
{
	for (uint32_t i = 0; s->follows && i < s->n; i++) {
		struct standby_gateway *g = &s->at[i];
		if (!g->follows || works(g, own, n) == g->active)
			continue;
		g->active = !g->active;
		g->since_ns = now_ns;
		g->switches++;
	}
}

static uint32_t slots_of(const struct plan *p)
{
	uint32_t n = 0;
	for (uint32_t i = 0; i < p->n_gateways; i++)
		n = p->gateways[i].slot >= n ? p->gateways[i].slot + 1 : n;
	return n;
}

int standby_follow(struct standby *s, const struct model *m, const struct plan *p,
		   const struct ip_addr *own, size_t n, uint64_t now_ns)
{
	struct standby next = {.n = slots_of(p)};
	next.at = calloc(next.n + 1u, sizeof *next.at);
	if (!next.at)
		return -ENOMEM;
	for (uint32_t i = 0; i < p->n_gateways; i++) {
		const struct model_gateway *x = &m->gateways[i];
		uint32_t slot = p->gateways[i].slot;
		const struct standby_gateway *was = slot < s->n ? &s->at[slot] : NULL;
		struct standby_gateway *g = &next.at[slot];
		next.follows |= x->active_standby;
		if (was && !ip_addr_equal(&was->address, &x->public_address))
			was = NULL;
		if (was && was->follows == x->active_standby) {
			*g = *was;
			continue;
		}
		*g = (struct standby_gateway){.address = x->public_address,
					      .follows = x->active_standby,
					      .told = !was || was->told,
					      .since_ns = now_ns};
		g->active = works(g, own, n);
	}
	free(s->at);
	*s = next;
	return 0;
}

bool standby_next(struct standby *s, uint32_t *slot)
{
	for (uint32_t i = 0; i < s->n; i++) {
		if (s->at[i].told == s->at[i].active)
			continue;
		s->at[i].told = s->at[i].active;
		*slot = i;
		return true;
	}
	return false;
}

bool standby_is_active(const struct standby *s, uint32_t slot)
{
	return slot >= s->n || !s->at[slot].address.family || s->at[slot].active;
}

const char *standby_text(const struct standby *s, uint32_t slot, char text[STANDBY_TEXT])
{
	char address[IP_TEXT];
	*text = '\0';
	if (!standby_is_active(s, slot))
		snprintf(text, STANDBY_TEXT, "standby: %s is not on this host",
			 ip_addr_format(&s->at[slot].address, address));
	return text;
}

void standby_free(struct standby *s)
{
	free(s->at);
	*s = (struct standby){0};
}
