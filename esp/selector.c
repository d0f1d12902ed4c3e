/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which packets belong to a child SA (RFC 4301 section 4.4.1.1, RFC 7296 section 3.13.1). Selectors
 * by address alone, which is what route-based tunnels have, are compared as numbers; the rest by
 * the child's own list.
 */
#include "esp/sa.h"

#include "base/bytes.h"

#include <string.h>

#define PROTO_ICMP     1
#define PROTO_TCP      6
#define PROTO_UDP      17
#define PROTO_DCCP     33
#define PROTO_ROUTING  43
#define PROTO_FRAGMENT 44
#define PROTO_AH       51
#define PROTO_ICMPV6   58
#define PROTO_DSTOPTS  60
#define PROTO_SCTP     132
#define PROTO_MOBILITY 135
#define PROTO_UDPLITE  136
#define PROTO_HIP      139
#define PROTO_SHIM6    140

#define MAX_EXTENSIONS 16

/* ---- reading a packet ---- */

static void read_ports(struct esp_flow *f, struct reader *r)
{
	switch (f->protocol) {
	case PROTO_TCP:
	case PROTO_UDP:
	case PROTO_DCCP:
	case PROTO_SCTP:
	case PROTO_UDPLITE:
		f->source_port = reader_u16(r);
		f->destination_port = reader_u16(r);
		break;
	case PROTO_ICMP:
	case PROTO_ICMPV6: f->source_port = f->destination_port = reader_u16(r); break;
	default: break;
	}
}

static enum xgw_drop parse_v4(struct esp_flow *f, const uint8_t *ip, uint32_t len)
{
	uint32_t head = (ip[0] & 15u) * 4, total = load_be16(ip + 2);
	if (head < 20 || total < head)
		return XGW_DROP_MALFORMED;
	if (total > len)
		return XGW_DROP_TRUNCATED;
	struct reader r;
	reader_init(&r, ip + head, total - head);
	f->protocol = ip[9];
	f->source = ip_addr_from_bytes(IP_V4, ip + 12);
	f->destination = ip_addr_from_bytes(IP_V4, ip + 16);
	f->no_ports = load_be16(ip + 6) & 0x1fff;
	if (!f->no_ports)
		read_ports(f, &r);
	return reader_ok(&r) ? XGW_DROP_NONE : XGW_DROP_TRUNCATED;
}

static bool is_extension(uint8_t next)
{
	switch (next) {
	case 0: /* hop-by-hop options */
	case PROTO_ROUTING:
	case PROTO_FRAGMENT:
	case PROTO_AH:
	case PROTO_DSTOPTS:
	case PROTO_MOBILITY:
	case PROTO_HIP:
	case PROTO_SHIM6: return true;
	default: return false;
	}
}

/* Skips extension headers up to the first that is none, or up to a fragment's data. */
static enum xgw_drop skip_extensions(struct esp_flow *f, struct reader *r)
{
	for (unsigned i = 0; is_extension(f->protocol); i++) {
		uint8_t kind = f->protocol, next = reader_u8(r), size = reader_u8(r);
		if (i == MAX_EXTENSIONS)
			return XGW_DROP_MALFORMED;
		if (kind == PROTO_FRAGMENT) {
			f->no_ports = reader_u16(r) & 0xfff8;
			reader_skip(r, 4);
		} else if (kind == PROTO_AH) {
			reader_skip(r, (size + 2u) * 4 - 2);
		} else {
			reader_skip(r, (size + 1u) * 8 - 2);
		}
		if (!reader_ok(r))
			return XGW_DROP_TRUNCATED;
		f->protocol = next;
		if (f->no_ports)
			break;
	}
	return XGW_DROP_NONE;
}

static enum xgw_drop parse_v6(struct esp_flow *f, const uint8_t *ip, uint32_t len)
{
	uint32_t payload;
	if (len < 40)
		return XGW_DROP_TRUNCATED;
	payload = load_be16(ip + 4);
	if (payload > len - 40)
		return XGW_DROP_TRUNCATED;
	struct reader r;
	reader_init(&r, ip + 40, payload);
	f->protocol = ip[6];
	f->source = ip_addr_from_bytes(IP_V6, ip + 8);
	f->destination = ip_addr_from_bytes(IP_V6, ip + 24);
	enum xgw_drop drop = skip_extensions(f, &r);
	if (drop)
		return drop;
	if (!f->no_ports)
		read_ports(f, &r);
	return reader_ok(&r) ? XGW_DROP_NONE : XGW_DROP_TRUNCATED;
}

enum xgw_drop esp_flow_parse(struct esp_flow *out, const uint8_t *ip, uint32_t len)
{
	memset(out, 0, sizeof *out);
	if (len < 20)
		return XGW_DROP_TRUNCATED;
	switch (ip[0] >> 4) {
	case 4: return parse_v4(out, ip, len);
	case 6: return parse_v6(out, ip, len);
	default: return XGW_DROP_MALFORMED;
	}
}

/* ---- the list as negotiated ---- */

static bool ports_match(const struct traffic_selector *ts, uint16_t port, bool no_ports)
{
	if (ts->port_first == 0 && ts->port_last == 65535)
		return true;
	if (ts->port_first > ts->port_last) /* OPAQUE: only where ports can't be seen */
		return no_ports;
	return !no_ports && port >= ts->port_first && port <= ts->port_last;
}

static bool list_match(const struct traffic_selector *ts, unsigned n, const struct ip_addr *addr,
		       const struct esp_flow *flow, uint16_t port)
{
	for (unsigned i = 0; i < n; i++)
		if ((!ts[i].protocol || ts[i].protocol == flow->protocol) &&
		    ip_range_contains(&ts[i].range, addr) &&
		    ports_match(&ts[i], port, flow->no_ports))
			return true;
	return false;
}

bool esp_select_out(const struct esp_sa *sa, const struct esp_flow *flow)
{
	const struct child_sa *c = &sa->child;
	return list_match(c->local_ts, c->n_local_ts, &flow->source, flow, flow->source_port) &&
	       list_match(c->remote_ts, c->n_remote_ts, &flow->destination, flow,
			  flow->destination_port);
}

bool esp_select_in(const struct esp_sa *sa, const struct esp_flow *flow)
{
	const struct child_sa *c = &sa->child;
	return list_match(c->remote_ts, c->n_remote_ts, &flow->source, flow, flow->source_port) &&
	       list_match(c->local_ts, c->n_local_ts, &flow->destination, flow,
			  flow->destination_port);
}

/* ---- by address alone ---- */

static unsigned __int128 load_be128(const uint8_t *p)
{
	return (unsigned __int128)load_be64(p) << 64 | load_be64(p + 8);
}

void selector_compile(struct selector_set *out, const struct traffic_selector *ts, unsigned n)
{
	memset(out, 0, sizeof *out);
	out->by_address = true;
	for (unsigned i = 0; i < n; i++) {
		const struct ip_range *r = &ts[i].range;
		if (ts[i].protocol || ts[i].port_first || ts[i].port_last != 65535)
			out->by_address = false;
		if (r->first.family == IP_V4)
			out->v4[out->n4++] =
				(struct selector_v4){load_be32(r->first.b), load_be32(r->last.b)};
		else if (r->first.family == IP_V6)
			out->v6[out->n6++] =
				(struct selector_v6){load_be128(r->first.b), load_be128(r->last.b)};
	}
}

static bool match_v4(const struct selector_set *s, const uint8_t *addr)
{
	uint32_t a = load_be32(addr);
	for (unsigned i = 0; i < s->n4; i++)
		if (a >= s->v4[i].first && a <= s->v4[i].last)
			return true;
	return false;
}

static bool match_v6(const struct selector_set *s, const uint8_t *addr)
{
	unsigned __int128 a = load_be128(addr);
	for (unsigned i = 0; i < s->n6; i++)
		if (a >= s->v6[i].first && a <= s->v6[i].last)
			return true;
	return false;
}

enum xgw_drop selector_judge_in(const struct esp_sa *sa, const uint8_t *ip, uint32_t len)
{
	bool inside;
	if (sa->local.by_address && sa->remote.by_address) {
		inside = ip[0] >> 4 == 4
				 ? match_v4(&sa->remote, ip + 12) && match_v4(&sa->local, ip + 16)
				 : match_v6(&sa->remote, ip + 8) && match_v6(&sa->local, ip + 24);
	} else {
		struct esp_flow flow;
		enum xgw_drop drop = esp_flow_parse(&flow, ip, len);
		if (drop)
			return drop;
		inside = esp_select_in(sa, &flow);
	}
	return inside ? XGW_DROP_NONE : XGW_DROP_SELECTOR_IN;
}
