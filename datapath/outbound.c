/* SPDX-License-Identifier: Apache-2.0 */
/* Inner packets into tunnels: child SA by selectors, sizes, ESP, outer Ethernet, wire. */
#include "base/bytes.h"
#include "datapath/clients.h"
#include "datapath/datapath_internal.h"
#include "datapath/handover.h"
#include "datapath/limits.h"
#include "datapath/tap.h"

#include <string.h>

void outbound_add(struct worker *w, const struct packet *p)
{
	if (clients_are(w->d, p->connection)) {
		struct packet of_client = *p;
		if (clients_take(w, &of_client))
			return;
	}
	w->out[w->n_out++] = *p;
	if (w->n_out == BURST)
		outbound_run(w);
}

static bool any(const struct child *c, bool v4)
{
	return v4 ? c->any_v4 : c->any_v6;
}

/*
 * Index of the newest child of this worker whose selectors match, else of the newest for any
 * worker; never another worker's, whose peer end expects one sender alone (RFC 9611 section 3).
 * -1 and the reason when there is none.
 */
static int choose(const struct worker *w, const struct outbound *o, const struct packet *p,
		  enum xgw_drop *why)
{
	struct esp_flow flow;
	bool v4 = p->at[0] >> 4 == 4, parsed = false;
	int shared = -1;
	for (unsigned i = 0; o && i < o->n; i++) {
		const struct child *c = o->child[i];
		if (o->worker[i] ? o->worker[i] != w->index + 1 : shared >= 0)
			continue;
		if (!any(c, v4)) {
			*why = parsed ? XGW_DROP_NONE : esp_flow_parse(&flow, p->at, p->len);
			if (*why)
				return shared;
			parsed = true;
			if (!esp_select_out(c->sa, &flow))
				continue;
		}
		if (o->worker[i])
			return (int)i;
		shared = (int)i;
	}
	*why = o && o->n ? XGW_DROP_SELECTOR_OUT : XGW_DROP_NO_SA;
	return shared;
}

/* Where a later fragment's child stands, which it shares with the first; -1 when it is gone. */
static int same(const struct outbound *o, const struct child *c)
{
	for (unsigned i = 0; o && i < o->n; i++)
		if (o->child[i] == c)
			return (int)i;
	return -1;
}

/* Too big: the first fragment goes on, the rest queues up behind; or its sender is told. */
static enum xgw_drop fit(struct worker *w, struct packet *p, uint32_t mtu)
{
	struct packet rest;
	enum xgw_drop why = XGW_DROP_TOO_BIG;
	if (fragment_allowed(p->at))
		why = fragment_split(w, p, &rest, mtu);
	if (why == XGW_DROP_TOO_BIG)
		icmp_too_big(w, p, mtu);
	if (why)
		return why;
	rest.chosen = true;
	outbound_add(w, &rest);
	return XGW_DROP_NONE;
}

/* Everything before the cryptography. */
static enum xgw_drop prepare(struct worker *w, struct packet *p, const struct outbound *o)
{
	enum xgw_drop why = XGW_DROP_NONE;
	if (o && o->n && !o->usable)
		return XGW_DROP_NO_OUTER_ROUTE;
	int i = p->chosen ? same(o, p->child) : choose(w, o, p, &why);
	if (i < 0 || !o)
		return why ? why : XGW_DROP_NO_SA;
	p->child = o->child[i];
	uint32_t mtu = o->inner_mtu[i];
	if (!p->aged) {
		why = ip_decrement_ttl(p->at);
		if (why) {
			icmp_time_exceeded(w, p);
			return why;
		}
		p->aged = true;
		esp_complete_checksum(p->at, p->len);
	}
	esp_clamp_mss(p->at, p->len, mtu);
	return p->len > mtu ? fit(w, p, mtu) : XGW_DROP_NONE;
}

static void transmit(struct worker *w, struct packet *p, struct esp_packet *e,
		     const struct outbound *o)
{
	if (e->drop) {
		worker_drop(w, p, e->drop);
		return;
	}
	if (e->headroom < 14) {
		worker_drop(w, p, XGW_DROP_ENCAP_ROOM);
		return;
	}
	if (tap_is_on(w)) {
		const struct packet outer = {
			.at = e->at, .len = e->len, .connection = p->connection};
		tap_put(w, DATAPATH_WIRE_OUT, &outer, p->child->spi_out, XGW_DROP_NONE);
	}
	if (o->loop) {
		loop_add(w, p, e);
		return;
	}
	uint8_t *l2 = e->at - 14;
	memcpy(l2, o->ethernet, 12);
	store_be16(l2 + 12, e->family == 4 ? 0x0800 : 0x86dd);
	worker_send(w, o->port_id, p, l2, e->len + 14);
}

static void report_soft_expiry(struct worker *w, const struct packet *burst, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		if (!i || burst[i].child != burst[i - 1].child)
			worker_soft_expiry(w, burst[i].child);
	}
}

void outbound_finish(struct worker *w, struct packet *p, struct esp_packet *e,
		     const struct outbound *const *path, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		transmit(w, &p[i], &e[i], path[i]);
	report_soft_expiry(w, p, n);
}

/* Copies of its own of all it works on: preparing a packet may add others to w->out. */
void outbound_run(struct worker *w)
{
	const struct outbound *path[BURST];
	struct packet todo[BURST], burst[BURST];
	struct esp_packet esp[BURST];
	unsigned n = 0, total = w->n_out;
	memcpy(todo, w->out, total * sizeof *todo);
	w->n_out = 0;
	for (unsigned i = 0; i < total; i++) {
		struct packet *p = &todo[i];
		struct tunnel *t = p->connection < MAX_CONNECTIONS
					   ? rcu_dereference(w->d->tunnels[p->connection])
					   : NULL;
		path[n] = t ? rcu_dereference(t->outbound) : NULL;
		enum xgw_drop why = prepare(w, p, path[n]);
		if (why) {
			worker_drop(w, p, why);
			continue;
		}
		uint8_t *start = frame_start(w, p->frame);
		esp[n] = (struct esp_packet){.sa = p->child->sa,
					     .at = p->at,
					     .len = p->len,
					     .headroom = (uint32_t)(p->at - start),
					     .tailroom = frame_left(w, p) - p->len};
		burst[n++] = *p;
	}
	n = limits_apply(w, LIMITS_OUT, burst, esp, path, n);
	if (!n)
		return;
	if (tap_is_on(w))
		tap_burst(w, DATAPATH_CLEAR_OUT, burst, n);
	if (handover_wanted(w, LANE_OUT, n)) {
		esp_take_sequences(esp, n);
		handover_post(w, LANE_OUT, burst, esp, path, n);
		return;
	}
	handover_here(w, LANE_OUT, esp, n);
	outbound_finish(w, burst, esp, path, n);
}
