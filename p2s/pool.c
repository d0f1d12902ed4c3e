/* SPDX-License-Identifier: Apache-2.0 */
#include "p2s/pool.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define NO_SLOT UINT32_MAX

/* Addresses of one family: prefix after prefix. */
struct family {
	uint32_t n;
	struct ip_prefix *prefix;
	uint32_t *count; /* usable addresses of each */
	uint32_t total;
};

struct slot {
	uint64_t last;	/* of whom it was last, 0 = nobody */
	uint64_t freed; /* when, in calls */
	bool taken;
};

struct pool {
	struct family v4, v6;
	uint32_t size, used;
	uint64_t calls;
	struct slot *slot;
};

static uint32_t usable(const struct ip_prefix *p, uint32_t most)
{
	unsigned host = ip_addr_bits(&p->addr) - p->len;
	uint64_t n = host >= 32 ? UINT32_MAX : 1ull << host;
	if (p->addr.family == IP_V4 && host > 1)
		n -= 2;
	else if (p->addr.family == IP_V6 && host)
		n -= 1;
	return n < most ? (uint32_t)n : most;
}

static int add(struct family *f, const struct ip_prefix *p, uint32_t most)
{
	struct ip_prefix *prefix = reallocarray(f->prefix, f->n + 1, sizeof *prefix);
	if (prefix)
		f->prefix = prefix;
	uint32_t *count = reallocarray(f->count, f->n + 1, sizeof *count);
	if (count)
		f->count = count;
	if (!prefix || !count)
		return -ENOMEM;
	f->prefix[f->n] = ip_prefix_canonical(*p);
	f->count[f->n] = usable(p, most - f->total);
	f->total += f->count[f->n++];
	return 0;
}

/* Adds to the address, from its last byte on. */
static void step(struct ip_addr *a, uint32_t by)
{
	for (unsigned i = ip_addr_bytes(a); i-- && by;) {
		by += a->b[i];
		a->b[i] = (uint8_t)by;
		by >>= 8;
	}
}

static struct ip_addr address(const struct family *f, uint32_t slot)
{
	uint32_t i = 0;
	while (slot >= f->count[i])
		slot -= f->count[i++];
	struct ip_addr a = f->prefix[i].addr;
	unsigned host = ip_addr_bits(&a) - f->prefix[i].len;
	bool skip_first = a.family == IP_V4 ? host > 1 : host > 0;
	step(&a, slot + skip_first);
	return a;
}

int pool_new(struct pool **out, const struct ip_prefix *prefixes, uint32_t n, uint32_t most,
	     struct fault *f)
{
	struct pool *p = calloc(1, sizeof *p);
	int err = p ? 0 : -ENOMEM;
	*out = NULL;
	for (uint32_t i = 0; !err && i < n; i++)
		err = add(prefixes[i].addr.family == IP_V4 ? &p->v4 : &p->v6, &prefixes[i], most);
	if (!err) {
		uint32_t v4 = p->v4.n ? p->v4.total : UINT32_MAX;
		uint32_t v6 = p->v6.n ? p->v6.total : UINT32_MAX;
		p->size = v4 < v6 ? v4 : v6;
		p->size = p->size < most ? p->size : most;
		p->slot = calloc((size_t)p->size + 1, sizeof *p->slot);
		err = p->slot ? 0 : -ENOMEM;
	}
	if (!err && (!n || !p->size))
		err = fault_set(f, -EINVAL, "expected addresses for clients, came none");
	else if (err)
		fault_set(f, err, "no memory for the address pool");
	if (err) {
		pool_free(p);
		return err;
	}
	*out = p;
	return 0;
}

void pool_free(struct pool *p)
{
	if (!p)
		return;
	free(p->v4.prefix);
	free(p->v4.count);
	free(p->v6.prefix);
	free(p->v6.count);
	free(p->slot);
	free(p);
}

uint32_t pool_size(const struct pool *p)
{
	return p->size;
}

uint32_t pool_used(const struct pool *p)
{
	return p->used;
}

/* FNV-1a; two names with one hash only take turns at one remembered address. */
static uint64_t hash(const char *who)
{
	uint64_t h = 0xcbf29ce484222325ull;
	for (; *who; who++)
		h = (h ^ (uint8_t)*who) * 0x100000001b3ull;
	return h | 1;
}

/* Its own of last time; else one that nobody had, else the one that is free the longest. */
static uint32_t choose(const struct pool *p, uint64_t who, const struct ip_addr *wanted)
{
	uint32_t best = NO_SLOT;
	for (uint32_t i = 0; i < p->size; i++) {
		const struct slot *s = &p->slot[i];
		if (s->taken)
			continue;
		if (s->last == who)
			return i;
		if (best == NO_SLOT || s->freed < p->slot[best].freed)
			best = i;
	}
	if (!wanted || wanted->family != IP_V4 || !p->v4.n)
		return best;
	for (uint32_t i = 0; i < p->size; i++) {
		struct ip_addr a = address(&p->v4, i);
		if (!p->slot[i].taken && ip_addr_equal(&a, wanted))
			return i;
	}
	return best;
}

int pool_take(struct pool *p, const char *who, bool v4, bool v6, const struct ip_addr *wanted,
	      struct pool_lease *out, struct fault *f)
{
	uint64_t key = hash(who);
	memset(out, 0, sizeof *out);
	if (!(v4 && p->v4.n) && !(v6 && p->v6.n)) {
		fault_set(f, -EAFNOSUPPORT, "%.100s asks for an IPv%d address, the pool has none",
			  who, v4 ? 4 : 6);
		return fault_advise(f, "add an IPv%d prefix to vpnClientAddressPool", v4 ? 4 : 6);
	}
	uint32_t i = choose(p, key, wanted);
	if (i == NO_SLOT) {
		fault_set(f, -ENOSPC, "all %u addresses for clients are taken, %.100s gets none",
			  p->size, who);
		return fault_advise(f, "add a prefix to vpnClientAddressPool, or a larger sku");
	}
	p->slot[i].taken = true;
	p->slot[i].last = key;
	p->used++;
	out->slot = i;
	if (v4 && p->v4.n)
		out->v4 = address(&p->v4, i);
	if (v6 && p->v6.n)
		out->v6 = address(&p->v6, i);
	return 0;
}

void pool_give(struct pool *p, uint32_t slot)
{
	if (slot >= p->size || !p->slot[slot].taken)
		return;
	p->slot[slot].taken = false;
	p->slot[slot].freed = ++p->calls;
	p->used--;
}
