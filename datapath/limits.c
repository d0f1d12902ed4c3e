/* SPDX-License-Identifier: Apache-2.0 */
#include "datapath/limits.h"
#include "datapath/rate.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define NO_GATEWAY UINT32_MAX

struct member {
	struct rate_connection rate;
	uint32_t gateway;
};

/* Of one gateway by one worker; a cache line, so that workers share none. */
struct gateway_count {
	_Alignas(64) uint64_t packets[2], bytes[2], over_packets, over_bytes; /* by direction */
};

struct limits {
	unsigned n_gateways, n_connections;
	struct rate_gateway *gateways; /* bits_per_second 0: no limit */
	struct member *members;
	uint32_t *member_of;	     /* by connection, NO_GATEWAY: none */
	struct gateway_count *count; /* by worker, then gateway */
};

static void release(struct limits *l)
{
	if (!l)
		return;
	free(l->gateways);
	free(l->members);
	free(l->member_of);
	free(l->count);
	free(l);
}

static void *zeroed(size_t n, size_t size)
{
	void *p = aligned_alloc(64, (n ? n : 1) * size);
	return p ? memset(p, 0, (n ? n : 1) * size) : NULL;
}

static struct limits *make(unsigned n_gateways, unsigned n_members, uint32_t n_connections,
			   unsigned workers)
{
	struct limits *l = calloc(1, sizeof *l);
	if (!l)
		return NULL;
	l->n_gateways = n_gateways;
	l->n_connections = n_connections;
	l->gateways = zeroed(n_gateways, sizeof *l->gateways);
	l->members = zeroed(n_members, sizeof *l->members);
	l->member_of = calloc(n_connections ? n_connections : 1, sizeof *l->member_of);
	l->count = zeroed((size_t)n_gateways * workers, sizeof *l->count);
	if (l->gateways && l->members && l->member_of && l->count)
		return l;
	release(l);
	return NULL;
}

int datapath_gateways_set(struct datapath *d, const uint64_t *bits_per_second, unsigned n_gateways,
			  const struct datapath_member *member, unsigned n)
{
	uint32_t n_connections = 0;
	for (unsigned i = 0; i < n; i++) {
		if (member[i].connection >= MAX_CONNECTIONS || member[i].gateway >= n_gateways)
			return -EINVAL;
		if (member[i].connection >= n_connections)
			n_connections = member[i].connection + 1;
	}
	for (unsigned i = 0; i < n_gateways; i++)
		if (bits_per_second[i] > RATE_MAX_MBPS * 1000000ull)
			return -EINVAL;
	struct limits *l = make(n_gateways, n, n_connections, d->n_workers), *old = d->limits;
	if (!l)
		return -ENOMEM;
	for (unsigned i = 0; i < n_gateways; i++)
		if (bits_per_second[i])
			rate_gateway_init(&l->gateways[i], bits_per_second[i], account_clock());
	memset(l->member_of, 0xff, n_connections * sizeof *l->member_of);
	for (unsigned i = 0; i < n; i++) {
		rate_connection_init(&l->members[i].rate);
		l->members[i].gateway = member[i].gateway;
		l->member_of[member[i].connection] = i;
	}
	rcu_assign_pointer(d->limits, l);
	if (old)
		synchronize_rcu();
	release(old);
	return 0;
}

void limits_free(struct datapath *d)
{
	release(d->limits);
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
	uint32_t at = connection < l->n_connections ? l->member_of[connection] : NO_GATEWAY;
	memset(pass, true, n);
	if (at == NO_GATEWAY)
		return;
	struct member *m = &l->members[at];
	struct rate_gateway *g = &l->gateways[m->gateway];
	struct gateway_count *c = &l->count[w->index * l->n_gateways + m->gateway];
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
	const struct limits *l = d->limits;
	memset(out, 0, sizeof *out);
	if (!l || gateway >= l->n_gateways)
		return -ENOENT;
	out->bits_per_second = l->gateways[gateway].bits_per_second;
	if (out->bits_per_second)
		out->active = rate_active(&l->gateways[gateway], account_clock());
	for (unsigned w = 0; w < d->n_workers; w++) {
		const struct gateway_count *c = &l->count[w * l->n_gateways + gateway];
		out->packets_in += account_read(&c->packets[LIMITS_IN]);
		out->bytes_in += account_read(&c->bytes[LIMITS_IN]);
		out->packets_out += account_read(&c->packets[LIMITS_OUT]);
		out->bytes_out += account_read(&c->bytes[LIMITS_OUT]);
		out->over_packets += account_read(&c->over_packets);
		out->over_bytes += account_read(&c->over_bytes);
	}
	return 0;
}
