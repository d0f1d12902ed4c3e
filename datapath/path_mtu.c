/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The MTU of a tunnel's outer path. Anyone can send an ICMP error, so what it says is believed only
 * when it shows that its sender saw a packet of ours, and never below what every path has.
 */
#include "base/instant.h"
#include "datapath/slots.h"

#include <errno.h>
#include <string.h>

#define LEARNT_NS      (600 * NS_PER_S) /* RFC 1191 section 6.3, RFC 8201 section 5.3 */
#define LEAST_V4       576u		/* every host takes this much (RFC 791 section 3.1) */
#define LEAST_V6       1280u		/* RFC 8200 section 5 */
#define LEAST_BY_PORTS 1280u		/* what can be guessed from far away may not do more */
#define LATELY	       (1u << 18)	/* packets: a quarter of a second at a million a second */
#define ICMP_A_SECOND  1000u
#define NEWS_A_SECOND  4u /* believed for one tunnel: a path narrows in a few steps */

static struct tunnel *tunnel_of(const struct datapath *d, uint32_t connection)
{
	return connection < MAX_CONNECTIONS ? d->tunnels[connection] : NULL;
}

uint32_t path_mtu(const struct tunnel *t)
{
	return t->learnt.mtu && t->learnt.mtu < t->path.mtu ? t->learnt.mtu : t->path.mtu;
}

void path_mtu_forget(struct datapath *d, struct tunnel *t)
{
	d->n_learnt -= t->learnt.mtu != 0;
	t->learnt.mtu = 0;
}

/* ---- is it ours ---- */

/* The low half of a number that this SA sent, not long ago. */
static bool sent_lately(const struct child *c, uint32_t sequence)
{
	struct esp_counters count;
	esp_sa_counters(c->sa, &count);
	uint32_t back = (uint32_t)count.sequence_out - sequence;
	return back < LATELY && back < count.sequence_out;
}

/* Without an SPI: of all flows' ports that one which the SA stands under. */
static struct child *find_by_ports(const struct datapath *d, const struct esp_quote *q)
{
	struct child *c = slots_by_peer(d, &q->local, &q->remote);
	if (c || q->local.port < ESP_FLOW_PORTS)
		return c;
	/* the port of IKE is the same at both ends where there is no NAT */
	const struct ip_endpoint local = {q->local.addr, q->remote.port};
	c = slots_by_peer(d, &local, &q->remote);
	return c && c->port_entropy ? c : NULL;
}

static bool ports_fit(const struct child *c, const struct esp_quote *q)
{
	bool ours =
		c->port_entropy ? q->local.port >= ESP_FLOW_PORTS : c->local.port == q->local.port;
	return ours && c->remote.port == q->remote.port;
}

static enum datapath_pmtu find_child(const struct datapath *d, const struct esp_quote *q,
				     struct child **out)
{
	if (!q->has_spi) {
		*out = find_by_ports(d, q);
		return *out ? DATAPATH_PMTU_LEARNT : DATAPATH_PMTU_UNKNOWN_SA;
	}
	struct child *c = slots_by_spi_out(d, q->spi, &q->local.addr, &q->remote.addr);
	*out = c;
	if (!c || c->udp != q->udp || (q->udp && !ports_fit(c, q)))
		return DATAPATH_PMTU_UNKNOWN_SA;
	return sent_lately(c, q->sequence) ? DATAPATH_PMTU_LEARNT : DATAPATH_PMTU_SEQUENCE;
}

/* ---- what it means ---- */

static enum datapath_pmtu new_mtu(const struct tunnel *t, const struct esp_quote *q, uint32_t *out)
{
	bool v4 = q->local.addr.family == IP_V4;
	uint32_t mtu = !q->mtu && v4 ? esp_quote_plateau(q->len) : q->mtu;
	if (!v4 && mtu < LEAST_V6)
		return DATAPATH_PMTU_BELOW_MINIMUM;
	if (mtu >= q->len)
		return DATAPATH_PMTU_IMPLAUSIBLE;
	uint32_t least = !q->has_spi ? LEAST_BY_PORTS : v4 ? LEAST_V4 : LEAST_V6;
	*out = mtu < least ? least : mtu;
	return *out < path_mtu(t) ? DATAPATH_PMTU_LEARNT : DATAPATH_PMTU_NOT_SMALLER;
}

static bool too_often(uint64_t *second, uint32_t *n, uint32_t most, uint64_t now_ns)
{
	if (*second != now_ns / NS_PER_S) {
		*second = now_ns / NS_PER_S;
		*n = 0;
	}
	return ++*n > most;
}

static enum datapath_pmtu learn(struct datapath *d, const struct esp_quote *q, uint64_t now_ns,
				struct datapath_pmtu_news *out)
{
	struct child *c = NULL;
	uint32_t mtu = 0;
	enum datapath_pmtu verdict = find_child(d, q, &c);
	struct tunnel *t = c ? tunnel_of(d, c->connection) : NULL;
	if (verdict == DATAPATH_PMTU_LEARNT && t)
		verdict = new_mtu(t, q, &mtu);
	if (verdict != DATAPATH_PMTU_LEARNT || !t)
		return verdict;
	struct learnt_mtu *l = &t->learnt, was = *l;
	*out = (struct datapath_pmtu_news){c->connection, mtu, path_mtu(t), !q->has_spi};
	if (too_often(&l->second, &l->in_second, NEWS_A_SECOND, now_ns))
		return DATAPATH_PMTU_RATE;
	l->mtu = mtu;
	l->until_ns = now_ns + LEARNT_NS;
	l->ports_only = !q->has_spi;
	if (tables_publish(d, t)) {
		*l = was;
		return DATAPATH_PMTU_RATE; /* the router will say it again */
	}
	d->n_learnt += !was.mtu;
	return DATAPATH_PMTU_LEARNT;
}

enum datapath_pmtu datapath_pmtu_icmp(struct datapath *d, enum ip_family family,
				      const uint8_t *icmp, size_t len, uint64_t now_ns,
				      struct datapath_pmtu_news *out)
{
	struct esp_quote q;
	enum datapath_pmtu verdict = DATAPATH_PMTU_FORMAT;
	if (too_often(&d->icmp_second, &d->icmp_in_second, ICMP_A_SECOND, now_ns))
		verdict = DATAPATH_PMTU_RATE;
	else if (esp_quote_parse(&q, family, icmp, len))
		verdict = learn(d, &q, now_ns, out);
	d->icmp_count[verdict]++;
	return verdict;
}

void datapath_pmtu_expire(struct datapath *d, uint64_t now_ns)
{
	for (uint32_t i = 0; d->n_learnt && i < MAX_CONNECTIONS; i++) {
		struct tunnel *t = d->tunnels[i];
		if (!t || !t->learnt.mtu || t->learnt.until_ns > now_ns)
			continue;
		struct learnt_mtu was = t->learnt;
		path_mtu_forget(d, t);
		/* without memory it is tried again in a second */
		if (tables_publish(d, t)) {
			t->learnt = was;
			d->n_learnt++;
		}
	}
}

/* ---- what status asks for ---- */

uint64_t datapath_pmtu_count(const struct datapath *d, enum datapath_pmtu verdict)
{
	return d->icmp_count[verdict];
}

const char *datapath_pmtu_name(enum datapath_pmtu verdict)
{
	static const char *const names[DATAPATH_PMTU_COUNT] = {
		[DATAPATH_PMTU_LEARNT] = "learnt",
		[DATAPATH_PMTU_NOT_SMALLER] = "not-smaller",
		[DATAPATH_PMTU_FORMAT] = "format",
		[DATAPATH_PMTU_UNKNOWN_SA] = "unknown-sa",
		[DATAPATH_PMTU_SEQUENCE] = "sequence",
		[DATAPATH_PMTU_IMPLAUSIBLE] = "implausible",
		[DATAPATH_PMTU_BELOW_MINIMUM] = "below-minimum",
		[DATAPATH_PMTU_RATE] = "rate",
	};
	return names[verdict];
}

int datapath_mtu(const struct datapath *d, uint32_t connection, struct datapath_mtu *out)
{
	const struct tunnel *t = tunnel_of(d, connection);
	memset(out, 0, sizeof *out);
	if (!t)
		return -ENOENT;
	out->path = path_mtu(t);
	out->device = t->path.mtu;
	out->learnt = t->learnt.mtu;
	out->learnt_until_ns = t->learnt.until_ns;
	for (unsigned i = 0; i < t->n_active; i++) {
		uint32_t mtu = t->active[i]->inner_mtu;
		if (!i || mtu < out->inner)
			out->inner = mtu;
	}
	return 0;
}
