/* SPDX-License-Identifier: Apache-2.0 */
#include "datapath/limits.h"
#include "datapath/rate.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Of one gateway by one worker; a cache line, so that workers share none. */
struct gateway_count {
	_Alignas(64) uint64_t packets[2], bytes[2], over_packets, over_bytes; /* by direction */
};

/* What outlives a change of limits: workers write it while it goes from one to the next. */
struct gateway {
	struct rate_gateway rate;    /* bits_per_second 0: no limit */
	struct gateway_count *count; /* by worker */
};

struct member {
	struct rate_connection rate;
	struct gateway *gateway;
};

struct limits {
	unsigned n_gateways, n_connections;
	struct gateway **gateways; /* by slot; NULL: there is none */
	struct member **members;   /* by connection; NULL: of no gateway */
};

static void *zeroed(size_t n, size_t size)
{
	void *p = aligned_alloc(64, (n ? n : 1) * size);
	return p ? memset(p, 0, (n ? n : 1) * size) : NULL;
}

static struct gateway *gateway_of(const struct limits *l, unsigned slot)
{
	return l && slot < l->n_gateways ? l->gateways[slot] : NULL;
}

static struct member *member_of(const struct limits *l, uint32_t connection)
{
	return l && connection < l->n_connections ? l->members[connection] : NULL;
}

static void free_gateway(struct gateway *g, bool counts)
{
	if (g && counts)
		free(g->count);
	free(g);
}

/* All of it but what `other` has, too. */
static void release(struct limits *l, const struct limits *other)
{
	if (!l)
		return;
	for (unsigned i = 0; l->gateways && i < l->n_gateways; i++) {
		struct gateway *g = l->gateways[i], *there = gateway_of(other, i);
		if (g && g != there)
			free_gateway(g, !there || there->count != g->count);
	}
	for (unsigned i = 0; l->members && i < l->n_connections; i++)
		if (l->members[i] != member_of(other, i))
			free(l->members[i]);
	free((void *)l->gateways);
	free((void *)l->members);
	free(l);
}

static struct limits *make(unsigned n_gateways, uint32_t n_connections)
{
	struct limits *l = calloc(1, sizeof *l);
	if (!l)
		return NULL;
	l->n_gateways = n_gateways;
	l->n_connections = n_connections;
	l->gateways = calloc(n_gateways + 1u, sizeof(struct gateway *));
	l->members = calloc(n_connections + 1u, sizeof(struct member *));
	if (l->gateways && l->members)
		return l;
	release(l, NULL);
	return NULL;
}

/* The one of before, its counts alone when the rate is another one, or a new one. */
static struct gateway *keep_gateway(const struct datapath *d, unsigned slot, uint64_t bits)
{
	struct gateway *was = gateway_of(d->limits, slot);
	if (was && was->rate.bits_per_second == bits)
		return was;
	struct gateway *g = zeroed(1, sizeof *g);
	if (!g)
		return NULL;
	g->count = was ? was->count : zeroed(d->n_workers, sizeof *g->count);
	if (!g->count) {
		free(g);
		return NULL;
	}
	if (bits)
		rate_gateway_init(&g->rate, bits, account_clock());
	return g;
}

static struct member *keep_member(const struct datapath *d, const struct limits *l,
				  const struct datapath_member *m)
{
	struct member *was = member_of(d->limits, m->connection);
	struct gateway *g = l->gateways[m->gateway];
	if (was && was->gateway == g)
		return was;
	struct member *x = zeroed(1, sizeof *x);
	if (!x)
		return NULL;
	rate_connection_init(&x->rate);
	x->gateway = g;
	return x;
}

static int judge(const uint64_t *bits_per_second, unsigned n_gateways,
		 const struct datapath_member *member, unsigned n, uint32_t *n_connections)
{
	for (unsigned i = 0; i < n_gateways; i++)
		if (bits_per_second[i] != DATAPATH_NO_GATEWAY &&
		    bits_per_second[i] > RATE_MAX_MBPS * 1000000ull)
			return -EINVAL;
	for (unsigned i = 0; i < n; i++) {
		if (member[i].connection >= MAX_CONNECTIONS || member[i].gateway >= n_gateways ||
		    bits_per_second[member[i].gateway] == DATAPATH_NO_GATEWAY)
			return -EINVAL;
		if (member[i].connection >= *n_connections)
			*n_connections = member[i].connection + 1;
	}
	return 0;
}

int datapath_gateways_set(struct datapath *d, const uint64_t *bits_per_second, unsigned n_gateways,
			  const struct datapath_member *member, unsigned n)
{
	uint32_t n_connections = 0;
	int err = judge(bits_per_second, n_gateways, member, n, &n_connections);
	if (err)
		return err;
	struct limits *l = make(n_gateways, n_connections), *old = d->limits;
	if (!l)
		return -ENOMEM;
	for (unsigned i = 0; !err && i < n_gateways; i++) {
		if (bits_per_second[i] == DATAPATH_NO_GATEWAY)
			continue;
		l->gateways[i] = keep_gateway(d, i, bits_per_second[i]);
		err = l->gateways[i] ? 0 : -ENOMEM;
	}
	for (unsigned i = 0; !err && i < n; i++) {
		struct member **at = &l->members[member[i].connection];
		if (!*at)
			*at = keep_member(d, l, &member[i]);
		err = *at ? 0 : -ENOMEM;
	}
	if (err) {
		release(l, old);
		return err;
	}
	rcu_assign_pointer(d->limits, l);
	if (old)
		synchronize_rcu();
	release(old, l);
	return 0;
}

void limits_free(struct datapath *d)
{
	release(d->limits, NULL);
	d->limits = NULL;
}

/* ---- workers ---- */

/* Packets i … of one connection that have not failed; where the run ends. */
static unsigned run_end(const struct packet *p, const struct esp_packet *e, unsigned i, unsigned n)
{
	uint32_t connection = p[i].connection;
	while (i < n && p[i].connection == connection && !e[i].drop)
		i++;
	return i;
}

/* One connection's packets: which pass, and what that adds to its gateway's counts. */
static void take_run(struct worker *w, struct limits *l, enum limits_direction direction,
		     uint32_t connection, const uint32_t *bytes, unsigned n, bool *pass)
{
	struct member *m = member_of(l, connection);
	memset(pass, true, n);
	if (!m)
		return;
	struct rate_gateway *g = &m->gateway->rate;
	struct gateway_count *c = &m->gateway->count[w->index];
	uint64_t passed = 0, sum = 0, all = 0;
	if (g->bits_per_second)
		rate_take(g, &m->rate, account_clock(), bytes, n, pass);
	for (unsigned i = 0; i < n; i++) {
		all += bytes[i];
		passed += pass[i];
		sum += pass[i] ? bytes[i] : 0;
	}
	account_add(&c->packets[direction], passed);
	account_add(&c->bytes[direction], sum);
	if (passed < n) {
		account_add(&c->over_packets, n - passed);
		account_add(&c->over_bytes, all - sum);
	}
}

unsigned limits_apply(struct worker *w, enum limits_direction direction, struct packet *p,
		      struct esp_packet *e, const struct outbound **path, unsigned n)
{
	struct limits *l = rcu_dereference(w->d->limits);
	uint32_t bytes[BURST];
	bool pass[BURST];
	unsigned kept = 0;
	if (!l)
		return n;
	for (unsigned i = 0; i < n; i++) {
		bytes[i] = e[i].len;
		pass[i] = true;
	}
	for (unsigned i = 0, end; i < n; i = end) {
		end = run_end(p, e, i, n);
		if (end > i)
			take_run(w, l, direction, p[i].connection, bytes + i, end - i, pass + i);
		else
			end++;
	}
	for (unsigned i = 0; i < n; i++) {
		if (!pass[i]) {
			worker_drop(w, &p[i], XGW_DROP_RATE);
			continue;
		}
		if (kept != i) {
			p[kept] = p[i];
			e[kept] = e[i];
			if (path)
				path[kept] = path[i];
		}
		kept++;
	}
	return kept;
}

/* ---- readers ---- */

int datapath_gateway_account(const struct datapath *d, unsigned gateway,
			     struct datapath_gateway_account *out)
{
	const struct gateway *g = gateway_of(d->limits, gateway);
	memset(out, 0, sizeof *out);
	if (!g)
		return -ENOENT;
	out->bits_per_second = g->rate.bits_per_second;
	if (out->bits_per_second)
		out->active = rate_active(&g->rate, account_clock());
	for (unsigned w = 0; w < d->n_workers; w++) {
		const struct gateway_count *c = &g->count[w];
		out->packets_in += account_read(&c->packets[LIMITS_IN]);
		out->bytes_in += account_read(&c->bytes[LIMITS_IN]);
		out->packets_out += account_read(&c->packets[LIMITS_OUT]);
		out->bytes_out += account_read(&c->bytes[LIMITS_OUT]);
		out->over_packets += account_read(&c->over_packets);
		out->over_bytes += account_read(&c->over_bytes);
	}
	return 0;
}
