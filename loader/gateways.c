/* SPDX-License-Identifier: Apache-2.0 */
#include "loader/gateways.h"

#include "base/instant.h"
#include "base/log.h"
#include "loader/clock.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define BITS_PER_MBIT 1000000ull

static void tell(const struct model_gateway *g)
{
	if (g->bandwidth_mbps)
		log_info(LOG_RUN, "bandwidth gateway=%s sku=%s mbps=%u", g->name, g->sku,
			 g->bandwidth_mbps);
}

static const enum esp_df dont_fragment[] = {[MODEL_DF_COPY] = ESP_DF_COPY,
					    [MODEL_DF_SET] = ESP_DF_SET,
					    [MODEL_DF_CLEAR] = ESP_DF_CLEAR};

/* A connection that may come of a client belongs to its gateway beforehand. */
static size_t add_clients(const struct plan *p, struct datapath_member *member, size_t n)
{
	for (uint32_t i = 0; i < p->n_gateways; i++) {
		const struct plan_gateway *g = &p->gateways[i];
		for (uint32_t k = 0; k < g->n_clients; k++)
			member[n++] = (struct datapath_member){g->first_client + k, g->slot};
	}
	return n;
}

static size_t all_clients(const struct plan *p)
{
	size_t n = 0;
	for (uint32_t i = 0; i < p->n_gateways; i++)
		n += p->gateways[i].n_clients;
	return n;
}

static uint32_t slots_of(const struct plan *p)
{
	uint32_t n = 0;
	for (uint32_t i = 0; i < p->n_gateways; i++)
		n = p->gateways[i].slot >= n ? p->gateways[i].slot + 1 : n;
	return n;
}

static int set_outer(struct datapath *d, const struct model *m, const struct plan_connection *c)
{
	const struct model_connection *from = &m->connections[c->model];
	const struct datapath_outer outer = {!from->dscp_copy, from->dscp,
					     dont_fragment[from->dont_fragment]};
	return datapath_outer_set(d, c->id, &outer);
}

static int set_all(struct daemon *d, const struct model *m, const struct plan *p, uint64_t *bits,
		   struct datapath_member *member)
{
	uint32_t n = slots_of(p);
	int err = 0;
	memset(bits, 0xff, n * sizeof *bits);
	for (uint32_t i = 0; i < p->n_gateways; i++) {
		uint32_t slot = p->gateways[i].slot;
		struct datapath_gateway_account had;
		bits[slot] = m->gateways[i].bandwidth_mbps * BITS_PER_MBIT;
		if (datapath_gateway_account(d->datapath, slot, &had) ||
		    had.bits_per_second != bits[slot])
			tell(&m->gateways[i]);
	}
	for (uint32_t i = 0; !err && i < p->n_connections; i++) {
		const struct plan_connection *c = &p->connections[i];
		member[i] = (struct datapath_member){
			c->id, p->gateways[m->connections[c->model].gateway].slot};
		err = set_outer(d->datapath, m, c);
	}
	return err ? err
		   : datapath_gateways_set(d->datapath, bits, n, member,
					   (unsigned)add_clients(p, member, p->n_connections));
}

/* Rates of the slots there are from now on, those of before among them. */
static int widen_rates(struct daemon *d, uint32_t n)
{
	if (n <= d->n_rates)
		return 0;
	struct gateway_rate *wide = calloc(n, sizeof *wide);
	if (!wide)
		return -ENOMEM;
	if (d->n_rates)
		memcpy(wide, d->rates, d->n_rates * sizeof *wide);
	free(d->rates);
	d->rates = wide;
	d->n_rates = n;
	return 0;
}

int gateways_set(struct daemon *d, const struct model *m, const struct plan *p, struct fault *f)
{
	uint64_t *bits = calloc(slots_of(p) + 1u, sizeof *bits);
	struct datapath_member *member =
		calloc(p->n_connections + all_clients(p) + 1, sizeof *member);
	int err = bits && member ? widen_rates(d, slots_of(p)) : -ENOMEM;
	if (!err)
		err = set_all(d, m, p, bits, member);
	free(bits);
	free(member);
	if (err)
		return fault_set(f, err, "cannot tell the data path of the gateways' bandwidth: %s",
				 strerror(-err));
	return 0;
}

const struct gateway_rate *gateways_rate(const struct daemon *d, uint32_t gateway)
{
	uint32_t slot = d->plan.gateways[gateway].slot;
	return slot < d->n_rates ? &d->rates[slot] : NULL;
}

static uint64_t rate(uint64_t bytes, uint64_t ns)
{
	return (uint64_t)((double)bytes * 8 * NS_PER_S / (double)ns);
}

void gateways_second(struct daemon *d)
{
	uint64_t now = clock_now_ns();
	for (uint32_t i = 0; i < d->n_rates; i++) {
		struct gateway_rate *r = &d->rates[i];
		struct datapath_gateway_account a;
		if (datapath_gateway_account(d->datapath, i, &a)) {
			*r = (struct gateway_rate){0};
			continue;
		}
		if (r->at_ns && now > r->at_ns) {
			r->in_bps = rate(a.bytes_in - r->bytes_in, now - r->at_ns);
			r->out_bps = rate(a.bytes_out - r->bytes_out, now - r->at_ns);
		}
		r->at_ns = now;
		r->bytes_in = a.bytes_in;
		r->bytes_out = a.bytes_out;
	}
}

void gateways_free(struct daemon *d)
{
	free(d->rates);
	d->rates = NULL;
}
