/* SPDX-License-Identifier: Apache-2.0 */
/* ESP packets into VNets: authenticated and in the clear first, then routed by the maps and sent.
 */
#include "base/bytes.h"
#include "base/instant.h"
#include "datapath/clients.h"
#include "datapath/datapath_internal.h"
#include "datapath/handover.h"
#include "datapath/limits.h"
#include "datapath/tap.h"
#include "maps/limiter.h"

#include <string.h>

void inbound_add(struct worker *w, const struct packet *p)
{
	w->in[w->n_in++] = *p;
	if (w->n_in == BURST)
		inbound_run(w);
}

/* XDP counts what it forwards itself; both stand in memory that they share. */
static bool has_bandwidth(const struct worker *w, const struct decision *d, uint32_t bytes)
{
	struct xgw_limiter *l = w->d->o.maps->limiters;
	if (!d->limiter || !l)
		return true;
	l += d->limiter;
	return limiter_take(l, &l->out, bytes, account_clock());
}

static void send_whole(struct worker *w, struct packet *p, const struct decision *d)
{
	uint8_t *l2 = decide_encapsulate(w, d, p);
	if (!has_bandwidth(w, d, p->len))
		worker_drop(w, p, XGW_DROP_CIRCUIT_RATE);
	else if (!l2)
		worker_drop(w, p, XGW_DROP_ENCAP_ROOM);
	else
		worker_send(w, d->port_id, p, l2, p->len + d->l2_len);
}

static void send_local(struct worker *w, struct packet *p, const struct decision *d)
{
	struct packet rest;
	while (p->len > d->mtu) {
		bool may = fragment_allowed(p->at);
		enum xgw_drop why = may ? fragment_split(w, p, &rest, d->mtu) : XGW_DROP_TOO_BIG;
		if (why) {
			uint32_t mtu = d->mtu;
			/* the answer may take the place of this decision in the cache */
			if (why == XGW_DROP_TOO_BIG)
				icmp_too_big(w, p, mtu);
			worker_drop(w, p, why);
			return;
		}
		send_whole(w, p, d);
		*p = rest;
	}
	send_whole(w, p, d);
}

/* False when the packet ended here. */
static bool age(struct worker *w, struct packet *p)
{
	enum xgw_drop why = p->aged ? XGW_DROP_NONE : ip_decrement_ttl(p->at);
	p->aged = true;
	if (why) {
		icmp_time_exceeded(w, p);
		worker_drop(w, p, why);
	}
	return !why;
}

void inbound_deliver(struct worker *w, struct packet *p)
{
	const struct decision *d = decide(w, p);
	switch (d->kind) {
	case DECIDE_SEND:
		if (age(w, p))
			send_local(w, p, d);
		return;
	case DECIDE_TUNNEL:
		if ((p->child || p->from_client) && d->connection == p->connection) {
			worker_drop(w, p, XGW_DROP_LOOP);
			return;
		}
		if (p->from_client && clients_are(w->d, d->connection)) {
			worker_drop(w, p, XGW_DROP_CLIENT_PEER);
			return;
		}
		if (age(w, p)) {
			p->connection = d->connection;
			outbound_add(w, p);
		}
		return;
	case DECIDE_OWN:
		/* the answer goes back the way it came, which is no loop */
		if ((p->child || p->from_client) && icmp_answer_echo(p)) {
			p->child = NULL;
			p->from_client = false;
			inbound_deliver(w, p);
			return;
		}
		worker_drop(w, p, XGW_DROP_UNANSWERED);
		return;
	default: worker_drop(w, p, d->drop ? d->drop : XGW_DROP_NO_ROUTE);
	}
}

/* With a source port for each flow only another address is another place: see ike/v2_ports.c. */
static bool from_elsewhere(const struct child *c, const struct ip_endpoint *from)
{
	return c->port_entropy ? !ip_addr_equal(&from->addr, &c->remote.addr)
			       : !ip_endpoint_equal(from, &c->remote);
}

/* Tells IKE that the peer lives, at most once a second, and once when it speaks from elsewhere. */
static void report(struct worker *w, const struct packet *p, bool newest)
{
	struct child *c = p->child;
	uint64_t last = atomic_load_explicit(&c->alive_ns, memory_order_relaxed);
	/* an old packet that came late, or that somebody sends again, tells of an old address */
	bool moved = c->udp && newest && p->from.port && from_elsewhere(c, &p->from);
	if (w->now_ns - last < NS_PER_S && !(moved && !atomic_exchange(&c->moved_told, true)))
		return;
	atomic_store_explicit(&c->alive_ns, w->now_ns, memory_order_relaxed);
	struct datapath_event e = {
		.kind = DATAPATH_ALIVE, .connection = c->connection, .spi_in = c->spi_in};
	e.moved = moved;
	e.from = p->from;
	worker_event(w, &e);
	worker_soft_expiry(w, c);
}

/* The SA of this slot, unless the slot has changed hands since XDP looked. */
static bool fill(struct worker *w, struct packet *p, struct esp_packet *e)
{
	struct child *c = p->slot < w->d->max_slots ? rcu_dereference(w->d->slots[p->slot]) : NULL;
	uint32_t offset = p->esp;
	if (!c || p->len < offset + 8 || load_be32(p->at + offset) != c->spi_in)
		return false;
	/* an SA in UDP may also speak natively (RFC 7296 section 2.23), which tells nothing of
	 * ports
	 */
	if (offset >= 28 && p->at[p->at[0] >> 4 == 4 ? 9 : 6] == 17) {
		p->from.addr = ip_source(p->at);
		p->from.port = load_be16(p->at + offset - 8);
	}
	uint8_t *start = frame_start(w, p->frame);
	*e = (struct esp_packet){.sa = c->sa,
				 .at = p->at,
				 .len = p->len,
				 .esp = (uint16_t)offset,
				 .headroom = (uint32_t)(p->at - start),
				 .tailroom = frame_left(w, p) - p->len};
	p->child = c;
	p->vnet = c->vnet;
	p->connection = c->connection;
	return true;
}

static void accept_packet(struct worker *w, struct packet *p, const struct esp_packet *e)
{
	if (e->drop) {
		worker_drop(w, p, e->drop);
		return;
	}
	report(w, p, e->newest);
	p->at = e->at;
	p->len = e->len;
	p->esp = 0;
	if (tap_is_on(w))
		tap_burst(w, DATAPATH_CLEAR_IN, p, 1);
	esp_clamp_mss(p->at, p->len, p->child->inner_mtu);
	inbound_deliver(w, p);
}

void inbound_finish(struct worker *w, struct packet *p, struct esp_packet *e, unsigned n)
{
	n = limits_apply(w, LIMITS_IN, p, e, NULL, n);
	for (unsigned i = 0; i < n; i++)
		accept_packet(w, &p[i], &e[i]);
}

void inbound_run(struct worker *w)
{
	struct packet burst[BURST];
	struct esp_packet esp[BURST];
	unsigned n = 0, total = w->n_in;
	w->n_in = 0;
	for (unsigned i = 0; i < total; i++) {
		if (fill(w, &w->in[i], &esp[n]))
			burst[n++] = w->in[i];
		else
			worker_drop(w, &w->in[i], XGW_DROP_UNKNOWN_SPI);
	}
	if (!n)
		return;
	if (tap_is_on(w))
		tap_burst(w, DATAPATH_WIRE_IN, burst, n);
	if (handover_wanted(w, LANE_IN, n)) {
		handover_post(w, LANE_IN, burst, esp, NULL, n);
		return;
	}
	handover_here(w, LANE_IN, esp, n);
	inbound_finish(w, burst, esp, n);
}
