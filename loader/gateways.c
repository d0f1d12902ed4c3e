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
static unsigned add_clients(const struct model *m, struct datapath_member *member, unsigned n)
{
	for (uint32_t i = 0; i < m->n_gateways; i++) {
		uint32_t first, many = plan_clients(m, i, &first);
		for (uint32_t k = 0; k < many; k++)
			member[n++] = (struct datapath_member){first + k, i};
	}
	return n;
}

static size_t all_clients(const struct model *m)
{
	size_t n = 0;
	for (uint32_t i = 0; i < m->n_gateways; i++) {
		uint32_t first;
		n += plan_clients(m, i, &first);
	}
	return n;
}

static int set_all(struct daemon *d, uint64_t *bits, struct datapath_member *member)
{
	for (uint32_t i = 0; i < d->model.n_gateways; i++) {
		bits[i] = d->model.gateways[i].bandwidth_mbps * BITS_PER_MBIT;
		tell(&d->model.gateways[i]);
	}
	for (uint32_t i = 0; i < d->plan.n_connections; i++) {
		const struct plan_connection *c = &d->plan.connections[i];
		const struct model_connection *m = &d->model.connections[c->model];
		const struct datapath_outer outer = {!m->dscp_copy, m->dscp,
						     dont_fragment[m->dont_fragment]};
		member[i] = (struct datapath_member){c->id, m->gateway};
		int err = datapath_outer_set(d->datapath, c->id, &outer);
		if (err)
			return err;
	}
	return datapath_gateways_set(d->datapath, bits, d->model.n_gateways, member,
				     add_clients(&d->model, member, d->plan.n_connections));
}

int gateways_start(struct daemon *d, struct fault *f)
{
	uint64_t *bits = calloc(d->model.n_gateways + 1, sizeof *bits);
	struct datapath_member *member =
		calloc(d->plan.n_connections + all_clients(&d->model) + 1, sizeof *member);
	d->rates = calloc(d->model.n_gateways + 1, sizeof *d->rates);
	int err = bits && member && d->rates ? set_all(d, bits, member) : -ENOMEM;
	free(bits);
	free(member);
	if (!err)
		return 0;
	return fault_set(f, err, "cannot tell the data path of the gateways' bandwidth: %s",
			 strerror(-err));
}

static uint64_t rate(uint64_t bytes, uint64_t ns)
{
	return (uint64_t)((double)bytes * 8 * NS_PER_S / (double)ns);
}

void gateways_second(struct daemon *d)
{
	uint64_t now = clock_now_ns();
	for (uint32_t i = 0; i < d->model.n_gateways; i++) {
		struct gateway_rate *r = &d->rates[i];
		struct datapath_gateway_account a;
		if (datapath_gateway_account(d->datapath, i, &a))
			continue;
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
