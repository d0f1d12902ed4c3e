/* SPDX-License-Identifier: Apache-2.0 */
/*
 * IPV6CP (RFC 5072): the client's interface identifier is the last half of its leased address, and
 * a router advertisement (RFC 4861 section 4.2) tells the first half, so that its stateless
 * address is the leased one. It also names the DNS servers (RFC 8106) and what lies behind us
 * (RFC 4191), which PPP itself has no words for; all of it holds as long as the link.
 */
#include "p2s/ppp_internal.h"

#include <string.h>

#define IDENTIFIER	     1 /* the option */
#define ROUTER_SOLICITATION  133
#define ROUTER_ADVERTISEMENT 134
#define ICMPV6		     58
#define FOR_EVER	     0xffffffffu

/* Ours on the link: no universal one (RFC 5072 section 4.1), and never the client's. */
static void own_identifier(const struct ppp *p, uint8_t out[8])
{
	memcpy(out, p->random, 8);
	out[0] &= (uint8_t)~2u;
	if (!memcmp(out, p->lease.v6.b + 8, 8))
		out[7] ^= 1;
}

static void request(struct ppp *p, struct writer *w)
{
	uint8_t own[8];
	own_identifier(p, own);
	ppp_option_write(w, IDENTIFIER, own, sizeof own);
}

static enum ppp_verdict judge(struct ppp *p, const struct ppp_option *o, struct writer *nak)
{
	if (o->type != IDENTIFIER || o->data.len != 8)
		return OPTION_REJECT;
	if (!memcmp(o->data.at, p->lease.v6.b + 8, 8))
		return OPTION_ACK;
	ppp_option_write(nak, IDENTIFIER, p->lease.v6.b + 8, 8);
	return OPTION_NAK;
}

static void missing(struct ppp *p, uint32_t seen, struct writer *nak)
{
	if (!(seen & 1u << IDENTIFIER))
		ppp_option_write(nak, IDENTIFIER, p->lease.v6.b + 8, 8);
}

static void ignore(struct ppp *p, const struct ppp_option *o)
{
	(void)p;
	(void)o;
}

/* ---- router advertisement ---- */

static uint16_t checksum(const uint8_t *ip, size_t len)
{
	/* pseudo header: addresses, length, next header (RFC 8200 section 8.1) */
	uint32_t sum = (uint32_t)(len - 40) + ICMPV6;
	for (size_t i = 8; i < len; i += 2)
		sum += load_be16(ip + i);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

static void write_prefix(struct writer *w, const struct ip_addr *leased)
{
	writer_u8(w, 3); /* prefix information (RFC 4861 section 4.6.2) */
	writer_u8(w, 4);
	writer_u8(w, 64);
	writer_u8(w, 0x40); /* addresses are made of it; others are not on this link */
	writer_u32(w, FOR_EVER);
	writer_u32(w, FOR_EVER);
	writer_u32(w, 0);
	writer_bytes(w, leased->b, 8);
	writer_zero(w, 8);
}

/* Route information (RFC 4191 section 2.3): we are no default router, and yet the way to these. */
static void write_routes(struct writer *w, const struct ppp_told *told)
{
	for (unsigned i = 0; i < told->n_routes6; i++) {
		const struct ip_prefix *r = &told->routes6[i];
		const uint8_t units = r->len > 64 ? 2 : 1; /* of 8 bytes, of the prefix */
		writer_u8(w, 24);
		writer_u8(w, 1 + units);
		writer_u8(w, r->len);
		writer_u8(w, 0); /* medium preference */
		writer_u32(w, FOR_EVER);
		writer_bytes(w, r->addr.b, 8u * units);
	}
}

/* Recursive DNS servers (RFC 8106 section 5.1). */
static void write_dns(struct writer *w, const struct ppp_told *told)
{
	uint8_t n = 0;
	while (n < PPP_MAX_DNS && told->dns6[n].family == IP_V6)
		n++;
	if (!n)
		return;
	writer_u8(w, 25);
	writer_u8(w, (uint8_t)(1 + 2 * n));
	writer_u16(w, 0);
	writer_u32(w, FOR_EVER);
	for (uint8_t i = 0; i < n; i++)
		writer_bytes(w, told->dns6[i].b, 16);
}

static void advertise(struct ppp *p, struct ppp_effects *e)
{
	static const uint8_t all_nodes[16] = {0xff, 2, [15] = 1};
	uint8_t own[8];
	struct writer w;
	if (!ppp_frame_begin(e, &w, PPP_IPV6))
		return;
	uint8_t *ip = w.at;
	own_identifier(p, own);
	writer_u32(&w, 0x60000000);
	writer_u16(&w, 0); /* length, below */
	writer_u8(&w, ICMPV6);
	writer_u8(&w, 255);
	writer_u64(&w, 0xfe80000000000000ull);
	writer_bytes(&w, own, 8);
	writer_bytes(&w, all_nodes, 16);
	writer_u8(&w, ROUTER_ADVERTISEMENT);
	writer_zero(&w, 3);
	writer_u16(&w, 0); /* hop limit and flags: as the client likes */
	writer_u16(&w, 0); /* no default router: only some prefixes are behind us */
	writer_u64(&w, 0);
	write_prefix(&w, &p->lease.v6);
	write_routes(&w, &p->rules->told);
	write_dns(&w, &p->rules->told);
	if (writer_ok(&w)) {
		const size_t len = (size_t)(w.at - ip);
		store_be16(ip + 4, (uint16_t)(len - 40));
		store_be16(ip + 42, checksum(ip, len));
	}
	ppp_frame_end(e, &w);
}

bool ppp_ipv6cp_solicited(struct ppp *p, struct bytes packet, struct ppp_effects *e)
{
	if (packet.len < 48 || packet.at[6] != ICMPV6 || packet.at[7] != 255 ||
	    packet.at[40] != ROUTER_SOLICITATION || packet.at[24] != 0xff)
		return false;
	advertise(p, e);
	return true;
}

static void up(struct ppp *p, uint64_t now_ns, struct ppp_effects *e)
{
	(void)now_ns;
	e->up = true;
	advertise(p, e);
}

const struct ppp_protocol_rules ppp_ipv6cp = {.protocol = PPP_IPV6CP,
					      .name = "IPV6CP",
					      .request = request,
					      .judge = judge,
					      .missing = missing,
					      .naked = ignore,
					      .rejected = ignore,
					      .up = up,
					      .finished = ppp_network_finished};
