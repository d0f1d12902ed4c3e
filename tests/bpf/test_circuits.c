// SPDX-License-Identifier: Apache-2.0
/*
 * Circuits by test runs: what comes out of their links, what goes into them from virtual networks,
 * what the router at the wire's end says; rows of {frame, port} -> {action, drop reason, frame
 * out}, the same rows cut at every length and damaged at every byte; groups of choices; the
 * bandwidth.
 */
#include "world.h"

#include <time.h>

#include <linux/bpf.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "counted.h"

#include "maps/limiter.h"

enum { TCP = 6, UDP = 17, DOMAIN = XGW_FIRST_DOMAIN + 5, OTHER_DOMAIN };
enum { BARE = 40, SINGLE, DOUBLE, ALONE, LIMITED, ELSEWHERE, NO_LINK };
enum { VIA_BARE = 3000, VIA_SINGLE, VIA_DOUBLE, VIA_NOBODY, VIA_LIMITED, VIA_ELSEWHERE };
enum { T_UP = 3100, T_DOWN, T_UP2, INTERNET, TO_APPLIANCE, TO_INSTANCE, TUNNEL_OR_INSTANCE };
enum { FIRST_CHOICE = 3200, ER_TAG = 100, OUTER = 200, INNER = 300 };

#define ROUTER_MAC "02:00:00:00:0e:99"

static struct world w;

struct row {
	const char *name;
	unsigned port;
	uint16_t outer, inner; /* tags in front; outer alone: 802.1Q, both: 802.1ad and 802.1Q */
	uint16_t vlan;	       /* another 802.1Q tag in front of all: LAN */
	const char *mac;       /* destination; NULL: ours */
	uint16_t ethertype;    /* instead of IP */
	const char *from, *to;
	uint8_t proto, ttl; /* ttl 0 = 64 */
	int payload;	    /* 0 = 64 */
	void (*tweak)(struct frame *f);
	int action;
	enum xgw_drop drop;
	void (*check)(const struct row *r, const struct frame *in, const struct frame *out);
	unsigned verdict;    /* that an explanation tells, 0: of a drop */
	uint32_t attachment; /* that it tells, or that the frame leaves by */
};

static void build(const struct row *r, struct frame *f)
{
	const char *ours = r->port == LAN ? LAN_MAC : r->port == ER ? ER_MAC : ROUTER_MAC;
	bool is_v6 = r->from && strchr(r->from, ':');

	memset(f, 0, sizeof(*f));
	frame_eth(f, r->mac ? r->mac : ours, r->port == LINK ? ER_MAC : HOST_MAC,
		  r->ethertype ? r->ethertype
		  : is_v6      ? 0x86dd
			       : 0x0800);
	if (r->outer)
		frame_tag(f, r->inner ? 0x88a8 : 0x8100, r->outer);
	if (r->inner)
		frame_vlan(f, r->inner);
	if (r->from) {
		frame_ip_options(f, r->from, r->to, r->proto ? r->proto : TCP, r->ttl ? r->ttl : 64,
				 0);
		if (r->proto == UDP)
			frame_udp(f, 1000, 53);
	}
	frame_fill(f, !r->from ? 46 : r->payload ? (size_t)r->payload : 64);
	frame_close(f);
	if (r->tweak)
		r->tweak(f);
}

static void version_7(struct frame *f)
{
	f->b[f->ip[0]] = (uint8_t)(0x70 | (f->b[f->ip[0]] & 15));
}

static void longer_than_frame(struct frame *f)
{
	uint8_t *ip = f->b + f->ip[0];
	size_t at = ip[0] >> 4 == 4 ? 2 : 4;

	store_be16(ip + at, (uint16_t)(load_be16(ip + at) + 1));
}

static void partial_sum(struct frame *f)
{
	uint8_t *ip = f->b + f->ip[0];
	size_t n = load_be16(ip + 2) - 20u;

	store_be16(ip + 20 + 6, fold(sum_of(ip + 12, 8) + ip[9] + (uint32_t)n));
}

/* Of 802.1ad alone. */
static void outer_alone(struct frame *f)
{
	store_be16(f->b + 12, 0x88a8);
}

static void cut_to_header(struct frame *f)
{
	f->len = 14;
}

/* ---- what leaves ---- */

static void tags_of(struct frame *f, uint32_t attachment)
{
	if (attachment == DOUBLE) {
		frame_tag(f, 0x88a8, OUTER);
		frame_vlan(f, INNER);
	} else if (attachment != BARE && attachment != PLAIN) {
		struct xgw_attachment a;

		assert_int_equal(maps_get(&w.maps, MAPS_attachments, &attachment, &a), 0);
		frame_vlan(f, (uint16_t)a.tag);
	}
}

/* The IP packet with a TTL less, in headers written by hand. */
static void forwarded(const struct row *r, const struct frame *in, const struct frame *out)
{
	bool to_circuit = r->attachment >= BARE;
	size_t l3 = in->ip[0];
	struct frame want = {0};
	uint8_t *ip;

	frame_eth(&want, to_circuit ? ROUTER_MAC : HOST_MAC, to_circuit ? ER_MAC : LAN_MAC,
		  strchr(r->from, ':') ? 0x86dd : 0x0800);
	tags_of(&want, r->attachment);
	ip = frame_take(&want, in->len - l3);
	memcpy(ip, in->b + l3, in->len - l3);
	if (ip[0] >> 4 == 4) {
		ip[8]--;
		store_be16(ip + 10, 0);
		store_be16(ip + 10, (uint16_t)~ipv4_sum(ip));
	} else {
		ip[7]--;
	}
	assert_int_equal(out->len, want.len);
	assert_memory_equal(out->b, want.b, want.len);
}

/* What came, without the tags and otherwise as it was. */
static void to_router(const struct row *r, const struct frame *in, const struct frame *out)
{
	size_t tags = r->inner ? 8 : r->outer ? 4 : 0;

	assert_int_equal(out->len, in->len - tags);
	assert_memory_equal(out->b, in->b, 12);
	assert_memory_equal(out->b + 12, in->b + 12 + tags, out->len - 12);
}

/* And the way back, with the tags of the link that the wire is to. */
static void on_wire(const struct row *r, const struct frame *in, const struct frame *out)
{
	struct frame want = {.len = 14};

	memcpy(want.b, in->b, 14);
	tags_of(&want, r->attachment);
	memcpy(frame_take(&want, in->len - 14), in->b + 14, in->len - 14);
	assert_int_equal(out->len, want.len);
	assert_memory_equal(out->b, want.b, want.len);
}

static void handed_over(const struct row *r, const struct frame *in, const struct frame *out,
			unsigned kind, uint32_t connection)
{
	const struct xgw_meta *m = (const void *)out->b;

	assert_int_equal(out->len, in->len + sizeof(*m));
	assert_memory_equal(out->b + sizeof(*m), in->b, in->len);
	assert_int_equal(m->magic, XGW_META_MAGIC);
	assert_int_equal(m->kind, kind);
	assert_int_equal(m->family, strchr(r->from, ':') ? 6 : 4);
	assert_int_equal(m->l3, in->ip[0]);
	assert_int_equal(m->connection, connection);
	assert_int_equal(m->port_id, r->port);
	/* of the tunnel, or of the network that the packet goes into: answers begin there */
	assert_int_equal(m->vnet, VNET);
	assert_int_equal(m->attachment, r->port == LAN ? PLAIN : r->inner ? DOUBLE : SINGLE);
}

static void encrypts(const struct row *r, const struct frame *in, const struct frame *out)
{
	handed_over(r, in, out, XGW_META_ENCRYPT, TUNNEL);
}

static void to_client(const struct row *r, const struct frame *in, const struct frame *out)
{
	handed_over(r, in, out, XGW_META_ENCRYPT, CLIENT);
}

static void completes(const struct row *r, const struct frame *in, const struct frame *out)
{
	const struct xgw_meta *m = (const void *)out->b;

	handed_over(r, in, out, XGW_META_FORWARD, 0);
	assert_int_equal(m->next_hop, r->port == LAN ? VIA_SINGLE : LOCAL + VNET);
}

static void untouched(const struct row *r, const struct frame *in, const struct frame *out)
{
	(void)r;
	assert_int_equal(out->len, in->len);
	assert_memory_equal(out->b, in->b, in->len);
}

#define PASSES	     .action = XDP_PASS, .check = untouched, .verdict = XGW_TRACE_PASS
#define DROPS(why)   .action = XDP_DROP, .drop = XGW_DROP_##why
#define ROUTER	     .action = XDP_REDIRECT, .check = to_router, .verdict = XGW_HOP_GATEWAY
#define FORWARDS(at) .action = XDP_REDIRECT, .check = forwarded, .attachment = at
#define HANDS(how)   .action = XDP_REDIRECT, .check = how
#define ON_SINGLE    .port = ER, .outer = ER_TAG
#define ON_DOUBLE    .port = ER, .outer = OUTER, .inner = INNER
#define SITE_TO(to_) .from = "10.1.2.3", .to = to_
#define HOST_TO(to_) .from = "10.11.0.4", .to = to_

static const struct row rows[] = {
	/* out of links into virtual networks */
	{"802.1Q to a host", ON_SINGLE, SITE_TO("10.11.0.4"), FORWARDS(PLAIN),
	 .verdict = XGW_HOP_LOCAL},
	{"802.1Q with a priority", .port = ER, .outer = 0x6000 | ER_TAG, SITE_TO("10.11.0.4"),
	 FORWARDS(PLAIN), .verdict = XGW_HOP_LOCAL},
	{"802.1ad to a host", ON_DOUBLE, SITE_TO("10.11.0.4"), FORWARDS(PLAIN),
	 .verdict = XGW_HOP_LOCAL},
	{"plain to a host", .port = ER, SITE_TO("10.11.0.4"), FORWARDS(PLAIN),
	 .verdict = XGW_HOP_LOCAL},
	{"a priority alone is plain", .port = ER, .outer = 0x6000, SITE_TO("10.11.0.4"),
	 FORWARDS(PLAIN), .verdict = XGW_HOP_LOCAL},
	{"to a host behind VLAN", ON_SINGLE, SITE_TO("10.11.1.4"), FORWARDS(VLAN),
	 .verdict = XGW_HOP_LOCAL},
	{"to a host behind VXLAN", ON_SINGLE, SITE_TO("10.11.2.4"), .action = XDP_REDIRECT,
	 .verdict = XGW_HOP_LOCAL, .attachment = VXLAN},
	{"to a host behind VXLAN over IPv6", ON_DOUBLE, SITE_TO("10.11.2.6"),
	 .action = XDP_REDIRECT, .verdict = XGW_HOP_LOCAL, .attachment = VXLAN6},
	{"ipv6 to a host", ON_SINGLE, .from = "fd00:1::3", .to = "fd00:11::4", FORWARDS(PLAIN),
	 .verdict = XGW_HOP_LOCAL},
	{"to an appliance", ON_SINGLE, SITE_TO("10.95.0.1"), FORWARDS(PLAIN),
	 .verdict = XGW_HOP_APPLIANCE},
	/* transit */
	{"to a site behind a tunnel", ON_SINGLE, SITE_TO("192.168.5.7"), HANDS(encrypts),
	 .verdict = XGW_HOP_TUNNEL},
	{"802.1ad to a site behind a tunnel", ON_DOUBLE, SITE_TO("192.168.5.7"), HANDS(encrypts),
	 .verdict = XGW_HOP_TUNNEL},
	{"ipv6 to a site behind a tunnel", ON_SINGLE, .from = "fd00:1::3", .to = "fd00:5::7",
	 HANDS(encrypts), .verdict = XGW_HOP_TUNNEL},
	{"to a client", ON_SINGLE, SITE_TO("172.16.201.3"), HANDS(to_client),
	 .verdict = XGW_HOP_CLIENT},
	{"to another circuit", ON_SINGLE, SITE_TO("10.93.0.1"), FORWARDS(ELSEWHERE),
	 .verdict = XGW_HOP_CIRCUIT},
	{"to the other link", ON_SINGLE, SITE_TO("10.89.0.1"), FORWARDS(DOUBLE),
	 .verdict = XGW_HOP_CIRCUIT},
	{"back into the link", ON_SINGLE, SITE_TO("10.88.0.1"), DROPS(LOOP)},
	/* who may not send */
	{"from a virtual network", ON_SINGLE, .from = "10.11.0.5", .to = "10.11.0.4",
	 DROPS(CIRCUIT_SOURCE)},
	{"from another virtual network", ON_SINGLE, .from = "10.12.0.5", .to = "10.11.0.4",
	 DROPS(CIRCUIT_SOURCE)},
	{"ipv6 from a virtual network", ON_SINGLE, .from = "fd00:11::5", .to = "fd00:11::4",
	 DROPS(CIRCUIT_SOURCE)},
	{"from the gateway itself", ON_SINGLE, .from = "172.31.0.2", .to = "10.11.0.4",
	 DROPS(CIRCUIT_SOURCE)},
	{"from the gateway in the virtual network", ON_SINGLE, .from = "10.11.0.1",
	 .to = "10.11.0.4", DROPS(CIRCUIT_SOURCE)},
	{"from a network to a tunnel", ON_SINGLE, .from = "10.11.0.5", .to = "192.168.5.7",
	 DROPS(CIRCUIT_SOURCE)},
	/* no way */
	{"no route", ON_SINGLE, SITE_TO("10.200.0.1"), DROPS(NO_ROUTE)},
	{"only the other domain has a route", ON_SINGLE, SITE_TO("10.96.0.1"), DROPS(NO_ROUTE)},
	{"route none", ON_SINGLE, SITE_TO("10.66.0.1"), DROPS(ROUTE_NONE)},
	{"next hop that is not there", ON_SINGLE, SITE_TO("10.77.0.1"), DROPS(NO_NEXT_HOP)},
	{"to the Internet", ON_SINGLE, SITE_TO("10.94.0.1"), DROPS(INTERNET)},
	{"no endpoint", ON_SINGLE, SITE_TO("10.11.3.3"), DROPS(NO_ENDPOINT)},
	{"endpoint on an attachment that is gone", ON_SINGLE, SITE_TO("10.11.9.9"),
	 DROPS(NO_ATTACHMENT)},
	{"no neighbour", ON_SINGLE, SITE_TO("10.11.2.5"), DROPS(NO_NEIGHBOUR)},
	/* a worker tells who sent them */
	{"ttl 1", ON_SINGLE, SITE_TO("10.11.0.4"), .ttl = 1, HANDS(completes),
	 .verdict = XGW_HOP_LOCAL, .attachment = PLAIN},
	{"too big", ON_SINGLE, SITE_TO("10.11.0.4"), .payload = 1481, HANDS(completes),
	 .verdict = XGW_HOP_LOCAL, .attachment = PLAIN},
	{"partial sum", ON_SINGLE, SITE_TO("10.11.0.4"), .proto = UDP, .tweak = partial_sum,
	 HANDS(completes), .verdict = XGW_HOP_LOCAL, .attachment = PLAIN},
	{"version 7", ON_SINGLE, SITE_TO("10.11.0.4"), .tweak = version_7, DROPS(MALFORMED)},
	{"longer than the frame", ON_SINGLE, SITE_TO("10.11.0.4"), .tweak = longer_than_frame,
	 DROPS(TRUNCATED)},
	{"ipv6, longer than the frame", ON_DOUBLE, .from = "fd00:1::3", .to = "fd00:11::4",
	 .tweak = longer_than_frame, DROPS(TRUNCATED)},
	/* tags of nobody */
	{"unknown vlan", .port = ER, .outer = 101, SITE_TO("10.11.0.4"), DROPS(NO_ATTACHMENT)},
	{"outer tag of another", .port = ER, .outer = OUTER + 1, .inner = INNER,
	 SITE_TO("10.11.0.4"), DROPS(NO_ATTACHMENT)},
	{"inner tag of another", .port = ER, .outer = OUTER, .inner = INNER + 1,
	 SITE_TO("10.11.0.4"), DROPS(NO_ATTACHMENT)},
	{"the inner tag alone", .port = ER, .outer = INNER, SITE_TO("10.11.0.4"),
	 DROPS(NO_ATTACHMENT)},
	{"802.1ad without a tag inside", .port = ER, .outer = OUTER, SITE_TO("10.11.0.4"),
	 .tweak = outer_alone, DROPS(NO_ATTACHMENT)},
	{"802.1Q of a link as 802.1ad", .port = ER, .outer = ER_TAG, SITE_TO("10.11.0.4"),
	 .tweak = outer_alone, DROPS(NO_ATTACHMENT)},
	{"an attachment that is no link", .port = ER, .outer = 107, SITE_TO("10.11.0.4"),
	 DROPS(NO_ATTACHMENT)},
	/* the router's */
	{"arp", ON_SINGLE, .ethertype = 0x0806, .mac = "ff:ff:ff:ff:ff:ff", ROUTER},
	{"arp, 802.1ad", ON_DOUBLE, .ethertype = 0x0806, .mac = "ff:ff:ff:ff:ff:ff", ROUTER},
	{"arp, plain", .port = ER, .ethertype = 0x0806, .mac = "ff:ff:ff:ff:ff:ff", ROUTER},
	{"arp answer", ON_SINGLE, .ethertype = 0x0806, ROUTER},
	{"solicitation", ON_DOUBLE, .mac = "33:33:ff:00:00:02", .from = "fe80::1",
	 .to = "ff02::1:ff00:2", .proto = 58, .ttl = 255, ROUTER},
	{"to the link-local address", ON_SINGLE, .from = "fe80::1", .to = "fe80::2", .proto = 58,
	 .ttl = 255, ROUTER},
	{"bgp", ON_SINGLE, .from = "172.31.0.1", .to = "172.31.0.2", ROUTER},
	{"bfd", ON_SINGLE, .from = "172.31.0.1", .to = "172.31.0.2", .proto = UDP, .ttl = 255,
	 ROUTER},
	{"bgp, 802.1ad", ON_DOUBLE, .from = "172.31.0.5", .to = "172.31.0.6", ROUTER},
	{"bgp, plain", .port = ER, .from = "172.31.0.9", .to = "172.31.0.10", ROUTER},
	{"bgp, ipv6", ON_SINGLE, .from = "fd00:e::1", .to = "fd00:e::2", ROUTER},
	{"ttl 1 to the router", ON_SINGLE, .from = "172.31.0.1", .to = "172.31.0.2", .ttl = 1,
	 ROUTER},
	{"by a route to the gateway", ON_SINGLE, SITE_TO("10.92.0.1"), ROUTER},
	{"broadcast", ON_SINGLE, SITE_TO("10.11.0.4"), .mac = "ff:ff:ff:ff:ff:ff", ROUTER},
	{"multicast", ON_SINGLE, SITE_TO("224.0.0.5"), .mac = "01:00:5e:00:00:05", ROUTER},
	{"for another mac", ON_SINGLE, SITE_TO("10.11.0.4"), .mac = "02:00:00:00:00:77",
	 DROPS(UNANSWERED)},
	{"a link without a router", .port = ER, .outer = 103, .ethertype = 0x0806,
	 .mac = "ff:ff:ff:ff:ff:ff", DROPS(NO_ROUTER), .verdict = XGW_HOP_GATEWAY},
	{"a router that is gone", .port = ER, .outer = 105, .ethertype = 0x0806,
	 .mac = "ff:ff:ff:ff:ff:ff", DROPS(NO_ROUTER), .verdict = XGW_HOP_GATEWAY},
	/* the port's own */
	{"lldp", .port = ER, .ethertype = 0x88cc, .mac = "01:80:c2:00:00:0e", PASSES},
	{"not ip", ON_SINGLE, .ethertype = 0x1234, DROPS(NOT_IP)},
	{"not ip, 802.1ad", ON_DOUBLE, .ethertype = 0x1234, DROPS(NOT_IP)},
	{"three tags", ON_DOUBLE, .ethertype = 0x8100, DROPS(NOT_IP)},
	/* from virtual networks */
	{"into a link, 802.1Q", HOST_TO("10.88.0.1"), FORWARDS(SINGLE), .verdict = XGW_HOP_CIRCUIT},
	{"into a link, 802.1ad", HOST_TO("10.89.0.1"), FORWARDS(DOUBLE),
	 .verdict = XGW_HOP_CIRCUIT},
	{"into a plain link", HOST_TO("10.90.0.1"), FORWARDS(BARE), .verdict = XGW_HOP_CIRCUIT},
	{"into a link, ipv6", .from = "fd00:11::5", .to = "fd00:88::1", FORWARDS(SINGLE),
	 .verdict = XGW_HOP_CIRCUIT},
	{"into a link, partial sum", HOST_TO("10.88.0.1"), .proto = UDP, .tweak = partial_sum,
	 HANDS(completes), .verdict = XGW_HOP_CIRCUIT, .attachment = SINGLE},
	{"into a link, router unknown", HOST_TO("10.91.0.1"), DROPS(NO_ENDPOINT)},
	{"into a link, ttl 1", HOST_TO("10.88.0.1"), .ttl = 1, HANDS(completes),
	 .verdict = XGW_HOP_CIRCUIT, .attachment = SINGLE},
	{"into a link, too big", HOST_TO("10.88.0.1"), .payload = 1481, HANDS(completes),
	 .verdict = XGW_HOP_CIRCUIT, .attachment = SINGLE},
	{"back into the link, ttl 1", ON_SINGLE, SITE_TO("10.88.0.1"), .ttl = 1, DROPS(LOOP)},
	/* anti-spoofing is what it was */
	{"into a link, of nobody", .from = "10.1.2.3", .to = "10.88.0.1", DROPS(SOURCE)},
	/* the router's end of the wire */
	{"wire, arp", .port = LINK, .ethertype = 0x0806, .mac = "ff:ff:ff:ff:ff:ff",
	 .action = XDP_REDIRECT, .check = on_wire, .verdict = XGW_HOP_GATEWAY,
	 .attachment = DOUBLE},
	{"wire, bgp", .port = LINK, .from = "172.31.0.6", .to = "172.31.0.5",
	 .action = XDP_REDIRECT, .check = on_wire, .verdict = XGW_HOP_GATEWAY,
	 .attachment = DOUBLE},
	{"wire, as large as may be", .port = LINK, .from = "172.31.0.6", .to = "172.31.0.5",
	 .payload = 1480, .action = XDP_REDIRECT, .check = on_wire, .verdict = XGW_HOP_GATEWAY,
	 .attachment = DOUBLE},
	{"wire, too big", .port = LINK, .from = "172.31.0.6", .to = "172.31.0.5", .payload = 1481,
	 DROPS(TOO_BIG)},
	{"wire, a header alone", .port = LINK, .ethertype = 0x0800, .tweak = cut_to_header,
	 DROPS(TRUNCATED)},
};
#define N_ROWS (sizeof(rows) / sizeof(rows[0]))

/* ---- the circuit of the rows ---- */

static void put_link(uint32_t id, uint32_t domain, uint32_t kind, uint32_t tag, uint32_t local)
{
	struct xgw_attachment a = {.id = id,
				   .vnet = domain,
				   .ifindex = w.ifindex[ER],
				   .port_id = ER,
				   .kind = kind,
				   .tag = tag,
				   .mtu = 1500,
				   .flags = id == NO_LINK ? 0 : XGW_ATTACHMENT_LINK,
				   .local_ifindex = local};
	struct xgw_tag_key key = {.ifindex = w.ifindex[ER], .kind = kind, .tag = tag};

	frame_mac(a.mac, ER_MAC);
	must(maps_put(&w.maps, MAPS_attachments, &id, &a) == 0);
	must(maps_put(&w.maps, MAPS_attachments_in, &key, &id) == 0);
}

/* The provider's router on a link, and the next hop by it. */
static void put_peer(uint32_t hop, uint32_t link, uint32_t domain, const char *addr)
{
	struct xgw_endpoint_key key = {.vnet = domain};
	struct xgw_endpoint e = {.attachment = link, .flags = XGW_ENDPOINT_KERNEL};
	struct xgw_next_hop h = {.kind = XGW_HOP_CIRCUIT, .vnet = domain, .flags = XGW_HOP_UP};

	world_mapped(key.addr, addr);
	frame_mac(e.mac, ROUTER_MAC);
	memcpy(h.address, key.addr, sizeof(h.address));
	must(maps_put(&w.maps, MAPS_next_hops, &hop, &h) == 0);
	if (link)
		must(maps_put(&w.maps, MAPS_endpoints, &key, &e) == 0);
}

static void put_own(const char *addr, uint32_t link)
{
	struct xgw_address_key key = {.vnet = DOMAIN};
	struct xgw_address a = {.attachment = link};
	char prefix[64];

	world_mapped(key.addr, addr);
	must(maps_put(&w.maps, MAPS_addresses, &key, &a) == 0);
	snprintf(prefix, sizeof(prefix), "%s/%d", addr, strchr(addr, ':') ? 128 : 32);
	world_route(&w, DOMAIN, prefix, GATEWAY, 0);
}

static void make_links(void)
{
	struct xgw_port link = {0};
	uint32_t here = w.ifindex[LINK];

	put_link(BARE, DOMAIN, XGW_TAG_NONE, 0, here);
	put_link(SINGLE, DOMAIN, XGW_TAG_VLAN, ER_TAG, here);
	put_link(DOUBLE, DOMAIN, XGW_TAG_QINQ, XGW_QINQ(OUTER, INNER), here);
	put_link(ALONE, DOMAIN, XGW_TAG_VLAN, 103, 0);
	put_link(LIMITED, DOMAIN, XGW_TAG_VLAN, 104, here);
	put_link(ELSEWHERE, OTHER_DOMAIN, XGW_TAG_VLAN, 105, 99999);
	put_link(NO_LINK, DOMAIN, XGW_TAG_VLAN, 107, here);
	must(maps_get(&w.maps, MAPS_ports, &here, &link) == 0);
	link.wire = DOUBLE;
	must(maps_put(&w.maps, MAPS_ports, &here, &link) == 0);
	put_peer(VIA_SINGLE, SINGLE, DOMAIN, "172.31.0.1");
	put_peer(VIA_DOUBLE, DOUBLE, DOMAIN, "172.31.0.5");
	put_peer(VIA_BARE, BARE, DOMAIN, "172.31.0.9");
	put_peer(VIA_LIMITED, LIMITED, DOMAIN, "172.31.0.13");
	put_peer(VIA_NOBODY, 0, DOMAIN, "172.31.0.17");
	put_peer(VIA_ELSEWHERE, ELSEWHERE, OTHER_DOMAIN, "172.31.0.1");
	put_own("172.31.0.2", SINGLE);
	put_own("172.31.0.6", DOUBLE);
	put_own("172.31.0.10", BARE);
	put_own("fd00:e::2", SINGLE);
}

static void make_routes(void)
{
	static const struct {
		uint32_t of;
		const char *prefix;
		uint32_t hop;
	} routes[] = {
		{DOMAIN, "10.11.0.0/16", LOCAL + VNET},
		{DOMAIN, "10.11.0.1/32", GATEWAY},
		{DOMAIN, "fd00:11::/48", LOCAL + VNET},
		{DOMAIN, "10.12.0.0/16", LOCAL + LEARNING},
		{DOMAIN, "192.168.5.0/24", TUNNEL},
		{DOMAIN, "fd00:5::/64", TUNNEL},
		{DOMAIN, "172.16.201.3/32", CLIENT},
		{DOMAIN, "10.66.0.0/16", DROPPING},
		{DOMAIN, "10.77.0.0/16", MISSING},
		{DOMAIN, "10.88.0.0/16", VIA_SINGLE},
		{DOMAIN, "10.89.0.0/16", VIA_DOUBLE},
		{DOMAIN, "10.92.0.0/16", GATEWAY},
		{DOMAIN, "10.93.0.0/16", VIA_ELSEWHERE},
		{DOMAIN, "10.94.0.0/16", INTERNET},
		{DOMAIN, "10.95.0.0/16", TO_APPLIANCE},
		{OTHER_DOMAIN, "10.96.0.0/16", LOCAL + VNET},
		{VNET, "10.88.0.0/16", VIA_SINGLE},
		{VNET, "fd00:88::/32", VIA_SINGLE},
		{VNET, "10.89.0.0/16", VIA_DOUBLE},
		{VNET, "10.90.0.0/16", VIA_BARE},
		{VNET, "10.91.0.0/16", VIA_NOBODY},
		{VNET, "10.97.0.0/16", VIA_LIMITED},
	};
	struct xgw_next_hop appliance = {.kind = XGW_HOP_APPLIANCE, .vnet = VNET};
	uint32_t id = TO_APPLIANCE;

	world_hop(&w, INTERNET, XGW_HOP_INTERNET, 0, 0);
	world_mapped(appliance.address, "10.11.0.4");
	must(maps_put(&w.maps, MAPS_next_hops, &id, &appliance) == 0);
	for (size_t i = 0; i < sizeof(routes) / sizeof(*routes); i++)
		world_route(&w, routes[i].of, routes[i].prefix, routes[i].hop, 0);
}

/* ---- runs ---- */

static unsigned drops_of(unsigned port, unsigned reason)
{
	struct xgw_count c;

	must(maps_drop_count(&w.maps, world_port_id(port), reason, &c) == 0);
	return (unsigned)c.packets;
}

/* What is dropped has a reason: no circuit teaches where hosts are, so no frame is merely taken. */
static int run(unsigned port, const struct frame *in, struct frame *out, unsigned *reason)
{
	int action = counted_run(&w, port, in, out, reason);

	assert_int_equal(action == XDP_DROP, *reason != 0);
	return action;
}

static void check_rows(void)
{
	static struct frame in, out;
	unsigned reason;

	for (size_t i = 0; i < N_ROWS; i++) {
		const struct row *r = &rows[i];
		int action;

		build(r, &in);
		action = run(r->port, &in, &out, &reason);
		if (action != r->action || reason != r->drop)
			fail_msg("%s: expected action %d, %s; came action %d, %s", r->name,
				 r->action, maps_drop_name(r->drop), action,
				 maps_drop_name(reason));
		if (r->check)
			r->check(r, &in, &out);
	}
}

/* By the maps alone, then by what is kept of them: at first while it is being kept. */
static void test_rows(void **state)
{
	(void)state;
	w.maps.config->generation = 0;
	check_rows();
	w.maps.config->generation = 1;
	check_rows();
	check_rows();
}

static void test_explanations(void **state)
{
	static struct frame in;
	struct xgw_trace t;

	(void)state;
	for (size_t i = 0; i < N_ROWS; i++) {
		const struct row *r = &rows[i];
		/* what becomes of a frame for the router is seen when it is sent */
		enum xgw_drop drop = r->drop == XGW_DROP_NO_ROUTER ? XGW_DROP_NONE : r->drop;

		build(r, &in);
		must(explain_run(world_program(&w, r->port), w.ifindex[r->port], in.b, in.len,
				 &t) == 0);
		if (t.drop != drop || t.verdict != r->verdict)
			fail_msg("%s: explained as %s, verdict %u instead of %s, %u", r->name,
				 maps_drop_name(t.drop), t.verdict, maps_drop_name(drop),
				 r->verdict);
		if (r->attachment)
			assert_int_equal(t.attachment, r->attachment);
	}
}

/* Where the kernel is emulated, one of so many lengths and places has to do. */
static size_t stride(void)
{
	const char *text = getenv("XGW_TEST_STRIDE");
	long n = text ? strtol(text, NULL, 10) : 1;

	return n > 0 ? (size_t)n : 1;
}

/* Nothing that claims more than there is goes anywhere; the wire carries what its router says. */
static void test_every_length(void **state)
{
	static struct frame in, cut, out;
	unsigned reason;

	(void)state;
	for (size_t i = 0; i < N_ROWS; i++) {
		const struct row *r = &rows[i];
		bool is_opaque = r->port == LINK || (r->ethertype == 0x0806);

		build(r, &in);
		for (size_t len = 14; len < in.len; len += stride()) {
			cut = in;
			cut.len = len;
			if (run(r->port, &cut, &out, &reason) != XDP_REDIRECT)
				continue;
			/* multicast is the router's before its headers are trusted */
			if (!is_opaque)
				fail_msg("%s cut to %zu of %zu bytes went out", r->name, len,
					 in.len);
		}
	}
}

static void test_every_byte(void **state)
{
	static const uint8_t tries[] = {0x00, 0xff, 0x01, 0x80, 0x7f};
	static struct frame in, bad, out;
	unsigned reason;

	(void)state;
	for (size_t i = 0; i < N_ROWS; i++) {
		build(&rows[i], &in);
		for (size_t at = 0; at < in.len && at < 90; at += stride()) {
			for (size_t k = 0; k < sizeof(tries); k++) {
				bad = in;
				bad.b[at] = k == 2 ? (uint8_t)(bad.b[at] + 1) : tries[k];
				run(rows[i].port, &bad, &out, &reason);
			}
		}
	}
}

static unsigned reason_of(const struct row *r)
{
	static struct frame in, out;
	unsigned reason;

	build(r, &in);
	run(r->port, &in, &out, &reason);
	return reason;
}

/* How many records a packet of this row makes while `whom` is captured; the last one is of `f`. */
static unsigned captured(struct kept *k, uint32_t whom, const struct row *row, struct frame *in,
			 struct frame *out)
{
	w.maps.config->capture = whom;
	build(row, in);
	k->n = 0;
	world_run(&w, row->port, in, out);
	ring_buffer__consume(k->ring);
	w.maps.config->capture = 0;
	return k->n;
}

static void has_frame(const struct kept *k, const struct frame *f, unsigned how)
{
	assert_int_equal(k->last.drop, how);
	assert_int_equal(k->last.port_id, ER);
	assert_int_equal(k->last.vnet, DOMAIN);
	assert_int_equal(k->last.len, f->len);
	assert_int_equal(k->last.kept, f->len);
	assert_memory_equal(k->last.bytes, f->b, f->len);
}

/* Frames of the links, with their tags: as they come, and as they leave; of the circuit that is
 * asked for, and of nobody when nobody asks. */
static void test_captures(void **state)
{
	const struct row in_rows[] = {{ON_DOUBLE, SITE_TO("10.11.0.4")},
				      {ON_SINGLE, SITE_TO("192.168.5.7")},
				      {ON_DOUBLE, .ethertype = 0x0806}};
	const struct row out_rows[] = {{HOST_TO("10.88.0.1")},
				       {HOST_TO("10.89.0.1")},
				       {.port = LINK, .ethertype = 0x0806}};
	const struct row local = {HOST_TO("10.11.1.4")},
			 refused = {ON_SINGLE, .from = "10.11.0.5", .to = "10.11.0.4"};
	static struct frame in, out;
	static struct kept k;

	(void)state;
	k.ring = ring_buffer__new(w.maps.fd[MAPS_captures], keep, &k, NULL);
	assert_non_null(k.ring);
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(captured(&k, 0, &in_rows[i], &in, &out), 0);
		assert_int_equal(captured(&k, OTHER_DOMAIN, &in_rows[i], &in, &out), 0);
		assert_int_equal(captured(&k, DOMAIN, &in_rows[i], &in, &out), 1);
		has_frame(&k, &in, XGW_CAPTURED_IN);
		assert_int_equal(captured(&k, XGW_CAPTURE_ALL, &out_rows[i], &in, &out), 1);
		has_frame(&k, &out, XGW_CAPTURED_OUT);
		assert_int_equal(captured(&k, OTHER_DOMAIN, &out_rows[i], &in, &out), 0);
	}
	assert_int_equal(captured(&k, XGW_CAPTURE_ALL, &local, &in, &out), 0);
	assert_int_equal(captured(&k, DOMAIN, &refused, &in, &out), 1);
	has_frame(&k, &in, XGW_DROP_CIRCUIT_SOURCE);
	ring_buffer__free(k.ring);
}

/* Behind a tunnel that is up, the other instance of the gateway. */
static void put_instance(void)
{
	const struct xgw_next_hop tunnel = {.kind = XGW_HOP_TUNNEL,
					    .vnet = VNET,
					    .connection = T_UP,
					    .flags = XGW_HOP_UP},
				  choice = {.kind = XGW_HOP_CHOICE,
					    .flags = XGW_HOP_SPREAD,
					    .groups = 2,
					    .member = {T_UP, TO_INSTANCE}};
	struct xgw_next_hop other = {
		.kind = XGW_HOP_APPLIANCE, .vnet = VNET, .flags = XGW_HOP_UP | XGW_HOP_INSTANCE};
	const uint32_t ids[] = {T_UP, TO_INSTANCE, TUNNEL_OR_INSTANCE};

	world_mapped(other.address, "10.11.0.4");
	must(maps_put(&w.maps, MAPS_next_hops, &ids[0], &tunnel) == 0);
	must(maps_put(&w.maps, MAPS_next_hops, &ids[1], &other) == 0);
	must(maps_put(&w.maps, MAPS_next_hops, &ids[2], &choice) == 0);
	world_route(&w, DOMAIN, "10.98.0.0/16", TUNNEL_OR_INSTANCE, 0);
	maps_bump(&w.maps);
}

/* Without the daemon's sockets, without a device, without the wire: a reason each. */
static void test_without(void **state)
{
	const struct row tunnel = {ON_SINGLE, SITE_TO("192.168.5.7")};
	const struct row either = {ON_SINGLE, SITE_TO("10.98.0.1")};
	const struct row arp = {.port = LINK, .ethertype = 0x0806};
	const struct row host = {HOST_TO("10.88.0.1")};
	const struct row old = {ON_SINGLE, SITE_TO("10.11.0.4"), .ttl = 1};
	const struct row large = {ON_SINGLE, SITE_TO("10.11.0.4"), .payload = 1481};
	uint32_t sockets = ER * XGW_MAX_QUEUES, port = w.ifindex[ER], wire = w.ifindex[LINK];
	int fd = xsk_socket__fd(w.socket[ER]);
	struct xgw_port link;

	(void)state;
	put_instance();
	must(maps_delete(&w.maps, MAPS_xsks, &sockets) == 0);
	assert_int_equal(reason_of(&tunnel), XGW_DROP_NO_SOCKET);
	assert_int_equal(reason_of(&old), XGW_DROP_TTL);
	assert_int_equal(reason_of(&large), XGW_DROP_TOO_BIG);
	assert_int_equal(reason_of(&either), XGW_DROP_NONE);
	must(maps_put(&w.maps, MAPS_xsks, &sockets, &fd) == 0);
	must(maps_delete(&w.maps, MAPS_tx_ports, &port) == 0);
	assert_int_equal(reason_of(&host), XGW_DROP_REDIRECT);
	assert_int_equal(reason_of(&arp), XGW_DROP_REDIRECT);
	must(maps_put(&w.maps, MAPS_tx_ports, &port, &port) == 0);
	must(maps_get(&w.maps, MAPS_ports, &wire, &link) == 0);
	for (uint32_t i = 0; i < 2; i++) {
		link.wire = i ? PLAIN : 9999;
		must(maps_put(&w.maps, MAPS_ports, &wire, &link) == 0);
		maps_bump(&w.maps);
		assert_int_equal(reason_of(&arp), XGW_DROP_NO_ATTACHMENT);
	}
	link.wire = DOUBLE;
	must(maps_put(&w.maps, MAPS_ports, &wire, &link) == 0);
	maps_bump(&w.maps);
	assert_int_equal(reason_of(&arp), 0);
}

/* ---- groups of a choice ---- */

struct choice {
	bool spreads;
	unsigned groups;
	uint32_t member[XGW_HOP_MEMBERS];
	uint32_t want[XGW_HOP_MEMBERS]; /* the ones that flows go to, 0 ends */
};

/* The next hop that a flow takes: of the connection, or of the link. */
static uint32_t taken(unsigned port, unsigned flow)
{
	static struct frame in;
	struct row r = {.port = port,
			.from = port == LAN ? "10.11.0.4" : "10.1.2.3",
			.to = "10.98.0.1",
			.proto = UDP,
			.outer = port == ER ? ER_TAG : 0};
	struct xgw_trace t;

	build(&r, &in);
	store_be16(in.b + in.ip[0] + 20, (uint16_t)flow);
	must(explain_run(world_program(&w, port), w.ifindex[port], in.b, in.len, &t) == 0);
	if (t.drop)
		return 0;
	return t.verdict == XGW_HOP_TUNNEL ? t.connection
	       : t.attachment == DOUBLE	   ? VIA_DOUBLE
	       : t.attachment == BARE	   ? VIA_BARE
					   : VIA_ELSEWHERE;
}

static void check_choice(const struct choice *c, unsigned number)
{
	struct xgw_next_hop h = {.kind = XGW_HOP_CHOICE,
				 .flags = c->spreads ? XGW_HOP_SPREAD : 0,
				 .groups = c->groups};
	uint32_t id = FIRST_CHOICE + number;

	memcpy(h.member, c->member, sizeof(h.member));
	must(maps_put(&w.maps, MAPS_next_hops, &id, &h) == 0);
	world_route(&w, VNET, "10.98.0.0/16", id, 0);
	world_route(&w, DOMAIN, "10.98.0.0/16", id, 0);
	maps_bump(&w.maps);
	for (unsigned port = LAN; port <= ER; port += ER - LAN) {
		unsigned met[XGW_HOP_MEMBERS] = {0}, wanted = 0;

		for (unsigned flow = 0; flow < 64; flow++) {
			uint32_t to = taken(port, flow);
			unsigned k = 0;

			while (k < XGW_HOP_MEMBERS && c->want[k] && c->want[k] != to)
				k++;
			if (k == XGW_HOP_MEMBERS || (c->want[k] != to))
				fail_msg("choice %u, port %u: flow %u went to %u", number, port,
					 flow, to);
			met[k]++;
		}
		for (unsigned k = 0; k < XGW_HOP_MEMBERS && c->want[k]; k++, wanted++)
			assert_true(met[k] > 0);
		assert_true(wanted > 0 || met[0] == 64);
	}
}

static void test_groups(void **state)
{
	static const struct choice choices[] = {
		/* as before groups were: one group, or each alone */
		{true, 0, {T_UP, T_UP2, VIA_DOUBLE}, {T_UP, T_UP2, VIA_DOUBLE}},
		{true, 1, {T_UP, T_UP2}, {T_UP, T_UP2}},
		{false, 0, {T_DOWN, VIA_DOUBLE, T_UP}, {VIA_DOUBLE}},
		{false, 0xf, {T_DOWN, VIA_DOUBLE, T_UP}, {VIA_DOUBLE}},
		/* links first, then tunnels */
		{true, 1u << 2, {VIA_DOUBLE, VIA_BARE, T_UP, T_UP2}, {VIA_DOUBLE, VIA_BARE}},
		{true, 1u << 1, {VIA_NOBODY, T_UP, T_UP2}, {T_UP, T_UP2}},
		{true, 1u << 2, {VIA_NOBODY, VIA_BARE, T_UP}, {VIA_BARE}},
		{true, 1u << 2 | 1u << 3, {VIA_NOBODY, T_DOWN, T_DOWN, T_UP}, {T_UP}},
		{true, 1u << 1 | 1u << 2, {T_DOWN, VIA_DOUBLE, T_UP}, {VIA_DOUBLE}},
		/* who is not there is in no group, but begins one */
		{true, 1u << 1, {T_UP, MISSING, T_UP2}, {T_UP}},
		{true, 1u << 1, {MISSING, T_UP, T_UP2}, {T_UP, T_UP2}},
		/* none is up: the first */
		{true, 1u << 1, {T_DOWN, VIA_NOBODY}, {T_DOWN}},
		{true, 1u << 1, {MISSING, T_DOWN}, {0}},
	};
	uint32_t id = VIA_NOBODY;
	struct xgw_next_hop h;

	(void)state;
	for (uint32_t t = T_UP; t <= T_UP2; t++) {
		world_hop(&w, t, XGW_HOP_TUNNEL, VNET, t);
		must(maps_get(&w.maps, MAPS_next_hops, &t, &h) == 0);
		h.flags = t == T_DOWN ? 0 : XGW_HOP_UP;
		must(maps_put(&w.maps, MAPS_next_hops, &t, &h) == 0);
	}
	/* here it is a link that is down */
	must(maps_get(&w.maps, MAPS_next_hops, &id, &h) == 0);
	h.flags = 0;
	must(maps_put(&w.maps, MAPS_next_hops, &id, &h) == 0);
	for (unsigned i = 0; i < sizeof(choices) / sizeof(*choices); i++)
		check_choice(&choices[i], i);
}

/* One flip of a link's state, and all flows go elsewhere; another, and they are back. */
static void test_flip(void **state)
{
	struct choice c = {true, 1u << 1, {VIA_DOUBLE, T_UP}, {VIA_DOUBLE}};
	uint32_t id = VIA_DOUBLE;
	struct xgw_next_hop h;

	(void)state;
	check_choice(&c, 20);
	must(maps_get(&w.maps, MAPS_next_hops, &id, &h) == 0);
	for (unsigned i = 0; i < 2; i++) {
		h.flags = i ? XGW_HOP_UP : 0;
		must(maps_put(&w.maps, MAPS_next_hops, &id, &h) == 0);
		maps_bump(&w.maps);
		assert_int_equal(taken(LAN, 7), i ? VIA_DOUBLE : T_UP);
		assert_int_equal(taken(ER, 7), i ? VIA_DOUBLE : T_UP);
	}
}

/* ---- the bandwidth ---- */

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* n packets of 1000 bytes of IP: how many passed; what did not is counted. */
static unsigned pass_of(const struct row *r, unsigned n)
{
	static struct frame in, out;
	unsigned before = drops_of(r->port, XGW_DROP_CIRCUIT_RATE), passed = 0;

	build(r, &in);
	assert_int_equal(in.len - in.ip[0], 1000);
	for (unsigned i = 0; i < n; i++)
		passed += world_run(&w, r->port, &in, &out) == XDP_REDIRECT;
	assert_int_equal(drops_of(r->port, XGW_DROP_CIRCUIT_RATE) - before, n - passed);
	return passed;
}

/* 8 Mbit/s are 1000 bytes a millisecond, and 65 of them at once; each direction has its own. */
static void test_bandwidth(void **state)
{
	const struct row in = {.port = ER, .outer = 104, SITE_TO("10.11.0.4"), .payload = 980};
	const struct row to_tunnel = {
		.port = ER, .outer = 104, SITE_TO("192.168.5.7"), .payload = 980};
	const struct row arp = {.port = ER, .outer = 104, .ethertype = 0x0806};
	const struct row out = {HOST_TO("10.97.0.1"), .payload = 980};
	uint32_t number = 7, id = LIMITED;
	struct xgw_limiter l = limiter_of(8);
	struct xgw_attachment a;
	uint64_t since;
	unsigned passed[2];

	(void)state;
	must(maps_put(&w.maps, MAPS_limiters, &number, &l) == 0);
	must(maps_get(&w.maps, MAPS_attachments, &id, &a) == 0);
	a.limiter = number;
	must(maps_put(&w.maps, MAPS_attachments, &id, &a) == 0);
	maps_bump(&w.maps);
	since = now_ns();
	passed[0] = pass_of(&in, 2000);
	assert_in_range(passed[0], 65, 66 + (now_ns() - since) / 1000000);
	/* to tunnels as well, but the router is heard always */
	passed[0] += pass_of(&to_tunnel, 500);
	assert_in_range(passed[0], 65, 66 + (now_ns() - since) / 1000000);
	since = now_ns();
	passed[1] = pass_of(&out, 2000);
	assert_in_range(passed[1], 65, 66 + (now_ns() - since) / 1000000);
	assert_int_equal(reason_of(&arp), 0);
	/* a number that is none is no limit */
	a.limiter = XGW_MAX_LIMITERS;
	must(maps_put(&w.maps, MAPS_attachments, &id, &a) == 0);
	maps_bump(&w.maps);
	assert_int_equal(pass_of(&in, 200), 200);
	assert_int_equal(pass_of(&out, 200), 200);
}

/* By a clock of our own: the rate is kept to, whatever the sizes, and a pause gives one burst. */
static void test_limiter(void **state)
{
	static const uint32_t rates[] = {1, 8, 100, 999, 10000, 100000, 1000000};
	static const uint32_t sizes[] = {20, 64, 577, 1500, 9000};

	(void)state;
	for (size_t r = 0; r < sizeof(rates) / sizeof(*rates); r++) {
		struct xgw_limiter l = limiter_of(rates[r]);
		uint64_t now = 1000000000000ull, end = now + 2000000000ull, bytes = 0;
		double most;

		assert_in_range(limiter_mbps(&l), rates[r] - rates[r] / 1000,
				rates[r] + rates[r] / 1000);
		/* offered: twice the rate, for two seconds */
		for (unsigned i = 0; now < end; i++) {
			uint32_t size = sizes[(i * 7 + i / 5) % 5];
			uint64_t step = (uint64_t)size * 4000 / rates[r];

			bytes += limiter_take(&l, &l.in, size, now) ? size : 0;
			now += step ? step : 1;
			if (i == 20000000)
				break;
		}
		most = (double)(now - 1000000000000ull + l.burst_ns) * rates[r] / 8000;
		assert_true((double)bytes <= most * 1.01);
		/* what is offered in steps of whole ns may be less than the rate */
		if (rates[r] <= 10000)
			assert_true((double)bytes >= most * 0.97 - 9000);
	}
	struct xgw_limiter none = limiter_of(0);

	assert_int_equal(limiter_mbps(&none), 0);
	assert_int_equal(limiter_take(&none, &none.out, 9000, 5), 1);
	assert_int_equal(none.out, 0);
}

static int setup(void **state)
{
	(void)state;
	world_open(&w, true);
	make_links();
	make_routes();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	world_close(&w);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),	     cmocka_unit_test(test_explanations),
		cmocka_unit_test(test_every_length), cmocka_unit_test(test_every_byte),
		cmocka_unit_test(test_captures),     cmocka_unit_test(test_without),
		cmocka_unit_test(test_groups),	     cmocka_unit_test(test_flip),
		cmocka_unit_test(test_bandwidth),    cmocka_unit_test(test_limiter),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
