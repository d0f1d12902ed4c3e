// SPDX-License-Identifier: Apache-2.0
/*
 * The real programs by test runs: rows of {frame, port} -> {action, drop reason, frame out}, the
 * same rows cut at every length and damaged at every byte, and explanations compared with actions.
 */
#include "world.h"

#include <time.h>

#include <linux/bpf.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "counted.h"

enum { TCP = 6, UDP = 17, ESP = 50 };
enum { IN_SPI4 = (int)0xc0000001, IN_SPI6 = (int)0xc0000002 };

static struct world w;

struct row {
	const char *name;
	unsigned port;
	uint16_t vlan;
	const char *vtep, *vtep_to; /* outer source and destination of VXLAN */
	uint32_t vni;
	const char *mac;    /* destination; NULL = ours */
	uint16_t ethertype; /* instead of IP */
	const char *from, *to;
	uint8_t proto, ttl;		/* ttl 0 = 64 */
	uint8_t options;		/* bytes of IPv4 options */
	uint16_t dport;			/* UDP */
	uint32_t first;			/* first word behind ESP's or UDP's header */
	int payload;			/* bytes of it; 0 = 64, -1 = none */
	void (*tweak)(struct frame *f); /* after lengths and sums */
	int action;
	enum xgw_drop drop;
	void (*check)(const struct row *r, const struct frame *in, const struct frame *out);
};

static void payload(struct frame *f, const struct row *r)
{
	size_t n = r->payload < 0 ? 0 : r->payload ? (size_t)r->payload : 64;
	size_t at = f->len;

	if (r->proto == UDP)
		frame_udp(f, 4500, r->dport), at = f->len;
	frame_fill(f, n);
	if ((r->proto == ESP || r->dport == 4500) && n >= 4)
		store_be32(f->b + at, r->first);
	if (r->proto == UDP && n == 1)
		f->b[at] = (uint8_t)r->first;
	if (r->proto == TCP && n >= 20)
		f->b[at + 12] = 0x50;
}

static void build(const struct row *r, struct frame *f)
{
	const char *mac = r->mac ? r->mac : r->port == WAN && !r->vtep ? WAN_MAC : LAN_MAC;
	bool is_v6 = r->from && strchr(r->from, ':');

	memset(f, 0, sizeof(*f));
	if (r->vtep) {
		frame_eth(f, LAN_MAC, VTEP_MAC, strchr(r->vtep, ':') ? 0x86dd : 0x0800);
		frame_ip(f, r->vtep, r->vtep_to, UDP);
		frame_udp(f, 50000, 4789);
		frame_vxlan(f, r->vni);
	}
	frame_eth(f, mac, HOST_MAC, r->ethertype ? r->ethertype : is_v6 ? 0x86dd : 0x0800);
	if (r->vlan)
		frame_vlan(f, r->vlan);
	if (!r->from)
		frame_fill(f, 46);
	else
		frame_ip_options(f, r->from, r->to, r->proto, r->ttl ? r->ttl : 64, r->options);
	if (r->from)
		payload(f, r);
	frame_close(f);
	if (r->tweak)
		r->tweak(f);
}

/* ---- tweaks: the innermost IP header is the last one built ---- */

static uint8_t *ip_of(struct frame *f)
{
	return f->b + f->ip[f->n_ip - 1];
}

static void fragment_field(struct frame *f, uint16_t field)
{
	uint8_t *ip = ip_of(f);

	store_be16(ip + 6, field);
	store_be16(ip + 10, 0);
	store_be16(ip + 10, (uint16_t)~ipv4_sum(ip));
}

/* A VXLAN header of another network inside. */
static void nested(struct frame *f)
{
	store_be32(f->b + f->udp[f->n_udp - 1] + 8, 0x08000000);
	store_be32(f->b + f->udp[f->n_udp - 1] + 12, 1002 << 8);
}

static void first_fragment(struct frame *f)
{
	fragment_field(f, 0x2000);
}

static void later_fragment(struct frame *f)
{
	fragment_field(f, 0x2010);
}

static void outer_fragment(struct frame *f)
{
	store_be16(f->b + f->ip[0] + 6, 0x2000);
}

static void version_7(struct frame *f)
{
	ip_of(f)[0] = (uint8_t)(0x70 | (ip_of(f)[0] & 15));
}

static void short_header(struct frame *f)
{
	ip_of(f)[0] = 0x44;
}

static void total_below_header(struct frame *f)
{
	store_be16(ip_of(f) + 2, 19);
}

static void longer_than_frame(struct frame *f)
{
	uint8_t *ip = ip_of(f);
	size_t at = ip[0] >> 4 == 4 ? 2 : 4;

	store_be16(ip + at, (uint16_t)(load_be16(ip + at) + 1));
}

static void udp_too_long(struct frame *f)
{
	store_be16(f->b + f->udp[0] + 4, (uint16_t)(load_be16(f->b + f->udp[0] + 4) + 1));
}

static void udp_too_short(struct frame *f)
{
	store_be16(f->b + f->udp[0] + 4, 7);
}

static void other_udp_port(struct frame *f)
{
	store_be16(f->b + f->udp[0] + 2, 4790);
}

/* Inserts a destination options header of 8 bytes in front of what follows IPv6. */
static void extension(struct frame *f)
{
	uint8_t *ip = ip_of(f), *at = ip + 40;

	memmove(at + 8, at, (size_t)(f->b + f->len - at));
	memset(at, 0, 8);
	at[0] = ip[6];
	at[2] = 1; /* PadN over the rest */
	at[3] = 4;
	ip[6] = 60;
	f->len += 8;
	store_be16(ip + 4, (uint16_t)(load_be16(ip + 4) + 8));
}

static void seven_extensions(struct frame *f)
{
	for (int i = 0; i < 7; i++)
		extension(f);
}

static void fragment_header(struct frame *f)
{
	extension(f);
	ip_of(f)[6] = 44;
	memset(ip_of(f) + 41, 0, 7);
	ip_of(f)[43] = 1; /* more to come */
}

static void later_fragment_header(struct frame *f)
{
	fragment_header(f);
	ip_of(f)[43] = 9;
}

static void partial_sum(struct frame *f)
{
	uint8_t *ip = ip_of(f);
	size_t n = load_be16(ip + 2) - 20u;

	store_be16(ip + 20 + (ip[9] == UDP ? 6 : 16),
		   fold(sum_of(ip + 12, 8) + ip[9] + (uint32_t)n));
}

static void arp(struct frame *f, uint16_t op, const char *sender, const char *target)
{
	uint8_t *at = f->b + f->len - 46;
	struct ip_addr s, t;

	assert_int_equal(ip_addr_parse(&s, sender) | ip_addr_parse(&t, target), 0);
	memset(at, 0, 46);
	store_be16(at, 1);
	store_be16(at + 2, 0x0800);
	at[4] = 6;
	at[5] = 4;
	store_be16(at + 6, op);
	frame_mac(at + 8, HOST_MAC);
	memcpy(at + 14, s.b, 4);
	memcpy(at + 24, t.b, 4);
}

static void arp_vlan(struct frame *f)
{
	arp(f, 1, "10.11.1.4", "10.11.1.1");
}

static void arp_vxlan(struct frame *f)
{
	arp(f, 1, "10.11.2.4", "10.11.2.1");
}

static void arp_other(struct frame *f)
{
	arp(f, 1, "10.11.1.4", "10.11.1.9");
}

static void arp_stranger(struct frame *f)
{
	arp(f, 1, "172.16.0.1", "10.11.1.1");
}

static void arp_reply(struct frame *f)
{
	arp(f, 2, "10.11.1.77", "10.11.1.1");
}

static void arp_wrong_length(struct frame *f)
{
	arp_vlan(f);
	f->b[f->len - 46 + 4] = 7;
}

static void nd(struct frame *f, uint8_t type, const char *target, uint8_t option)
{
	uint8_t *ip = ip_of(f), *at = ip + 40;
	struct ip_addr t;

	assert_int_equal(ip_addr_parse(&t, target), 0);
	memset(at, 0, 32);
	at[0] = type;
	memcpy(at + 8, t.b, 16);
	if (option) {
		at[24] = option;
		at[25] = 1;
		frame_mac(at + 26, HOST_MAC);
	}
	store_be16(at + 2, (uint16_t)~l4_sum(ip));
}

static void solicitation(struct frame *f)
{
	nd(f, 135, "fd00:11::1:1", 1);
}

static void detection(struct frame *f)
{
	f->len -= 8;
	store_be16(ip_of(f) + 4, 24);
	nd(f, 135, "fd00:11::1:1", 0);
}

static void detection_other(struct frame *f)
{
	f->len -= 8;
	store_be16(ip_of(f) + 4, 24);
	nd(f, 135, "fd00:11::1:9", 0);
}

static void solicitation_vxlan(struct frame *f)
{
	nd(f, 135, "fd00:11::2:1", 1);
}

/* A tag that is a priority alone, in front of all. */
static void priority_tag(struct frame *f)
{
	memmove(f->b + 16, f->b + 12, f->len - 12);
	f->len += 4;
	store_be32(f->b + 12, 0x8100a000);
}

static void arp_vxlan_priority(struct frame *f)
{
	arp(f, 1, "10.11.2.4", "10.11.2.1");
	priority_tag(f);
}

/* RFC 5227: the sender is the target */
static void arp_ours_claimed(struct frame *f)
{
	arp(f, 1, "10.11.1.1", "10.11.1.1");
}

static void arp_announcement(struct frame *f)
{
	arp(f, 1, "10.11.1.66", "10.11.1.66");
}

static void arp_probe(struct frame *f)
{
	arp(f, 1, "0.0.0.0", "10.11.1.1");
}

static void arp_group_mac(struct frame *f)
{
	arp(f, 1, "10.11.1.4", "10.11.1.1");
	f->b[f->len - 46 + 8] |= 1;
}

static void solicitation_bare(struct frame *f)
{
	f->len -= 8;
	store_be16(ip_of(f) + 4, 24);
	nd(f, 135, "fd00:11::1:1", 0);
}

/* RFC 4861 section 4.1: 8 bytes and an option, shorter than any message with a target */
static void router_solicitation(struct frame *f)
{
	uint8_t *ip = ip_of(f), *at = ip + 40;

	f->len -= 16;
	store_be16(ip + 4, 16);
	memset(at, 0, 16);
	at[0] = 133;
	at[8] = at[9] = 1;
	frame_mac(at + 10, HOST_MAC);
	store_be16(at + 2, (uint16_t)~l4_sum(ip));
}

static void solicitation_other(struct frame *f)
{
	nd(f, 135, "fd00:11::1:9", 1);
}

static void solicitation_bad_sum(struct frame *f)
{
	solicitation(f);
	ip_of(f)[43] ^= 1;
}

static void advertisement(struct frame *f)
{
	nd(f, 136, "fd00:11::77", 2);
}

static void echo4(struct frame *f)
{
	uint8_t *icmp = ip_of(f) + 20;
	size_t n = (size_t)(f->b + f->len - icmp);

	store_be32(icmp, 0x08000000);
	store_be16(icmp + 2, (uint16_t)~fold(sum_of(icmp, n)));
}

static void echo6(struct frame *f)
{
	uint8_t *icmp = ip_of(f) + 40;

	store_be32(icmp, 0x80000000);
	store_be16(icmp + 2, (uint16_t)~l4_sum(ip_of(f)));
}

/* ---- checks of what leaves ---- */

static const struct xgw_meta *meta_of(const struct frame *in, const struct frame *out)
{
	const struct xgw_meta *m = (const void *)out->b;

	assert_int_equal(out->len, in->len + sizeof(*m));
	assert_memory_equal(out->b + sizeof(*m), in->b, in->len);
	assert_int_equal(m->magic, XGW_META_MAGIC);
	return m;
}

static void decrypts(const struct row *r, const struct frame *in, const struct frame *out)
{
	const struct xgw_meta *m = meta_of(in, out);

	assert_int_equal(m->kind, XGW_META_DECRYPT);
	assert_int_equal(m->family, strchr(r->from, ':') ? 6 : 4);
	assert_int_equal(m->l3, 14);
	assert_int_equal(load_be32(in->b + m->esp), r->first);
	assert_int_equal(m->slot, 7);
	assert_int_equal(m->connection, TUNNEL);
	assert_int_equal(m->vnet, VNET);
	assert_int_equal(m->port_id, r->port);
}

static void to_worker(const struct row *r, const struct frame *in, const struct frame *out,
		      unsigned kind)
{
	const struct xgw_meta *m = meta_of(in, out);

	assert_int_equal(m->kind, kind);
	assert_int_equal(m->family, strchr(r->from, ':') ? 6 : 4);
	assert_int_equal(m->l3, in->ip[in->n_ip - 1]);
	assert_int_equal(m->vnet, VNET);
	assert_int_equal(m->attachment, r->vtep ? VXLAN : r->vlan ? VLAN : PLAIN);
	assert_int_equal(m->port_id, r->port);
	if (kind == XGW_META_ENCRYPT)
		assert_int_equal(m->connection, strcmp(r->to, "172.16.201.3") ? TUNNEL : CLIENT);
}

static void encrypts(const struct row *r, const struct frame *in, const struct frame *out)
{
	to_worker(r, in, out, XGW_META_ENCRYPT);
}

/* A client whose packets the host carries: the worker knows it by its connection. */
static void to_client(const struct row *r, const struct frame *in, const struct frame *out)
{
	to_worker(r, in, out, XGW_META_ENCRYPT);
}

static void completes(const struct row *r, const struct frame *in, const struct frame *out)
{
	to_worker(r, in, out, XGW_META_FORWARD);
}

/* The inner packet as it was but for the TTL, in headers written by hand. */
static void leaves(const struct frame *in, const struct frame *out, struct frame *want)
{
	size_t l3 = in->ip[in->n_ip - 1];
	uint8_t *ip;

	ip = frame_take(want, in->len - l3);
	memcpy(ip, in->b + l3, in->len - l3);
	if (ip[0] >> 4 == 4) {
		ip[8]--;
		store_be16(ip + 10, 0);
		store_be16(ip + 10, (uint16_t)~ipv4_sum(ip));
	} else {
		ip[7]--;
	}
	frame_close(want);
	assert_int_equal(out->len, want->len);
	/* the UDP source port is a hash, in the dynamic range; its sum is zero */
	if (want->n_udp) {
		uint8_t *udp = want->b + want->udp[0];

		assert_true(load_be16(out->b + want->udp[0]) >= 49152);
		memcpy(udp, out->b + want->udp[0], 2);
		store_be16(udp + 6, 0);
	}
	/* our outer IPv4 says don't fragment */
	if (want->n_ip && want->b[want->ip[0]] >> 4 == 4) {
		uint8_t *outer = want->b + want->ip[0];

		store_be16(outer + 6, 0x4000);
		store_be16(outer + 10, 0);
		store_be16(outer + 10, (uint16_t)~ipv4_sum(outer));
	}
	assert_memory_equal(out->b, want->b, want->len);
}

static uint16_t proto_of(const struct row *r)
{
	return strchr(r->from, ':') ? 0x86dd : 0x0800;
}

static void leaves_plain(const struct row *r, const struct frame *in, const struct frame *out)
{
	struct frame want = {0};

	frame_eth(&want, HOST_MAC, LAN_MAC, proto_of(r));
	leaves(in, out, &want);
}

static void leaves_vlan(const struct row *r, const struct frame *in, const struct frame *out)
{
	struct frame want = {0};

	frame_eth(&want, HOST_MAC, LAN_MAC, proto_of(r));
	frame_vlan(&want, 11);
	leaves(in, out, &want);
}

static void leaves_vxlan(const struct row *r, const struct frame *in, const struct frame *out)
{
	struct frame want = {0};

	frame_eth(&want, VTEP_MAC, LAN_MAC, 0x0800);
	frame_ip(&want, "192.0.2.1", "192.0.2.11", UDP);
	frame_udp(&want, 0, 4789);
	frame_vxlan(&want, 1001);
	frame_eth(&want, HOST_MAC, LAN_MAC, proto_of(r));
	leaves(in, out, &want);
}

static void leaves_vxlan6(const struct row *r, const struct frame *in, const struct frame *out)
{
	struct frame want = {0};

	frame_eth(&want, VTEP_MAC, LAN_MAC, 0x86dd);
	frame_ip(&want, "2001:db8::1", "2001:db8::11", UDP);
	frame_udp(&want, 0, 4789);
	frame_vxlan(&want, 1003);
	frame_eth(&want, HOST_MAC, LAN_MAC, proto_of(r));
	leaves(in, out, &want);
}

static void turned(const struct row *r, const struct frame *in, const struct frame *out)
{
	size_t l2 = r->vtep ? 50 : 0;
	uint8_t mac[6];

	assert_int_equal(out->len, in->len);
	frame_mac(mac, LAN_MAC);
	assert_memory_equal(out->b + l2, in->b + l2 + 6, 6);
	assert_memory_equal(out->b + l2 + 6, mac, 6);
	if (!r->vtep)
		return;
	assert_memory_equal(out->b, in->b + 6, 6);
	assert_memory_equal(out->b + 14 + 12, in->b + 14 + 16, 4);
	assert_memory_equal(out->b + 14 + 16, in->b + 14 + 12, 4);
	assert_int_equal(ipv4_sum(out->b + 14), 0xffff);
	assert_int_equal(load_be16(out->b + 40), 0);
}

static void answers_arp(const struct row *r, const struct frame *in, const struct frame *out)
{
	const uint8_t *q = in->b + in->len - 46, *a = out->b + out->len - 46;
	uint8_t mac[6];

	turned(r, in, out);
	frame_mac(mac, LAN_MAC);
	assert_int_equal(load_be16(a + 6), 2);
	assert_memory_equal(a + 8, mac, 6);
	assert_memory_equal(a + 14, q + 24, 4);
	assert_memory_equal(a + 18, q + 8, 10);
}

static void answers_nd(const struct row *r, const struct frame *in, const struct frame *out)
{
	const uint8_t *q = in->b + in->ip[0], *a = out->b + in->ip[0];
	uint8_t mac[6];

	turned(r, in, out);
	frame_mac(mac, LAN_MAC);
	assert_int_equal(a[7], 255);
	assert_int_equal(a[40], 136);
	assert_int_equal(load_be32(a + 44), 0xe0000000);
	assert_memory_equal(a + 8, q + 48, 16);
	assert_memory_equal(a + 24, q + 8, 16);
	assert_memory_equal(a + 48, q + 48, 16);
	assert_int_equal(l4_sum(a), 0xffff);
	if (load_be16(a + 4) == 32) {
		assert_int_equal(load_be16(a + 64), 0x0201);
		assert_memory_equal(a + 66, mac, 6);
	}
}

/* To all nodes, not solicited (RFC 4861 section 7.2.4). */
static void defends(const struct row *r, const struct frame *in, const struct frame *out)
{
	const uint8_t *q = in->b + in->ip[0], *a = out->b + in->ip[0];
	static const uint8_t all[16] = {0xff, 2, [15] = 1}, group[6] = {0x33, 0x33, 0, 0, 0, 1};
	uint8_t mac[6];

	(void)r;
	frame_mac(mac, LAN_MAC);
	assert_int_equal(out->len, in->len);
	assert_memory_equal(out->b, group, 6);
	assert_memory_equal(out->b + 6, mac, 6);
	assert_int_equal(a[7], 255);
	assert_int_equal(a[40], 136);
	assert_int_equal(load_be32(a + 44), 0xa0000000);
	assert_memory_equal(a + 8, q + 48, 16);
	assert_memory_equal(a + 24, all, 16);
	assert_memory_equal(a + 48, q + 48, 16);
	assert_int_equal(l4_sum(a), 0xffff);
}

/* Both pairs of addresses turned, the priority kept. */
static void answers_arp_priority(const struct row *r, const struct frame *in,
				 const struct frame *out)
{
	(void)r;
	assert_int_equal(out->len, in->len);
	assert_memory_equal(out->b, in->b + 6, 6);
	assert_memory_equal(out->b + 6, in->b, 6);
	assert_int_equal(load_be32(out->b + 12), 0x8100a000);
	assert_memory_equal(out->b + 18 + 12, in->b + 18 + 16, 4);
	assert_memory_equal(out->b + 18 + 16, in->b + 18 + 12, 4);
	assert_int_equal(ipv4_sum(out->b + 18), 0xffff);
	assert_int_equal(load_be16(out->b + out->len - 46 + 6), 2);
}

static void answers_nd_vxlan(const struct row *r, const struct frame *in, const struct frame *out)
{
	const uint8_t *q = in->b + in->ip[1], *a = out->b + in->ip[1];

	turned(r, in, out);
	assert_memory_equal(a + 8, q + 48, 16);
	assert_memory_equal(a + 24, q + 8, 16);
	assert_int_equal(l4_sum(a), 0xffff);
}

static void answers_echo(const struct row *r, const struct frame *in, const struct frame *out)
{
	size_t l3 = in->ip[in->n_ip - 1];
	const uint8_t *q = in->b + l3, *a = out->b + l3;

	turned(r, in, out);
	if (q[0] >> 4 == 4) {
		assert_int_equal(ipv4_sum(a), 0xffff);
		assert_memory_equal(a + 12, q + 16, 4);
		assert_memory_equal(a + 16, q + 12, 4);
		assert_int_equal(a[20], 0);
		assert_int_equal(fold(sum_of(a + 20, load_be16(a + 2) - 20u)), 0xffff);
	} else {
		assert_memory_equal(a + 8, q + 24, 16);
		assert_memory_equal(a + 24, q + 8, 16);
		assert_int_equal(a[40], 129);
		assert_int_equal(l4_sum(a), 0xffff);
	}
}

static void untouched(const struct row *r, const struct frame *in, const struct frame *out)
{
	(void)r;
	assert_int_equal(out->len, in->len);
	assert_memory_equal(out->b, in->b, in->len);
}

#define PASS	     .action = XDP_PASS, .check = untouched
#define DROPS(why)   .action = XDP_DROP, .drop = XGW_DROP_##why
#define SENDS(how)   .action = XDP_REDIRECT, .check = how
#define OVER(vni_)   .vtep = "192.0.2.11", .vtep_to = "192.0.2.1", .vni = vni_
#define OUTER4	     .port = WAN, .from = "198.51.100.5", .to = "203.0.113.1"
#define OUTER6	     .port = WAN, .from = "2001:db8:5::5", .to = "2001:db8:1::1"
#define SITE4	     .from = "10.11.0.4", .to = "192.168.5.7", .proto = TCP
#define SITE6	     .from = "fd00:11::4", .to = "fd00:5::7", .proto = TCP
#define HOST4(to_)   .from = "10.11.0.4", .to = to_, .proto = TCP
#define BROADCAST    .mac = "ff:ff:ff:ff:ff:ff"
#define MULTICAST6   .mac = "33:33:ff:01:00:01"
#define ND_FROM(who) .from = who, .proto = 58, .ttl = 255, .payload = 32

static const struct row rows[] = {
	/* uplink: ESP */
	{"esp", OUTER4, .proto = ESP, .first = IN_SPI4, SENDS(decrypts)},
	{"esp, ip options", OUTER4, .proto = ESP, .first = IN_SPI4, .options = 12, SENDS(decrypts)},
	{"esp, most ip options", OUTER4, .proto = ESP, .first = IN_SPI4, .options = 40,
	 SENDS(decrypts)},
	{"esp over ipv6", OUTER6, .proto = ESP, .first = IN_SPI6, SENDS(decrypts)},
	{"esp over ipv6, extension", OUTER6, .proto = ESP, .first = IN_SPI6, .tweak = extension,
	 SENDS(decrypts)},
	{"esp over ipv6, seven extensions", OUTER6, .proto = ESP, .first = IN_SPI6,
	 .tweak = seven_extensions, DROPS(MALFORMED)},
	{"esp in udp", OUTER4, .proto = UDP, .dport = 4500, .first = IN_SPI4, SENDS(decrypts)},
	{"esp in udp over ipv6", OUTER6, .proto = UDP, .dport = 4500, .first = IN_SPI6,
	 SENDS(decrypts)},
	{"unknown spi", OUTER4, .proto = ESP, .first = 0xc0000009, DROPS(UNKNOWN_SPI)},
	{"known spi, other destination", .port = WAN, .from = "198.51.100.5", .to = "203.0.113.2",
	 .proto = ESP, .first = IN_SPI4, DROPS(UNKNOWN_SPI)},
	{"spi 0", OUTER4, .proto = ESP, .first = 0, DROPS(UNKNOWN_SPI)},
	{"unknown spi in udp", OUTER4, .proto = UDP, .dport = 4500, .first = 1, DROPS(UNKNOWN_SPI)},
	{"esp, first fragment", OUTER4, .proto = ESP, .first = IN_SPI4, .tweak = first_fragment,
	 PASS},
	{"esp, later fragment", OUTER4, .proto = ESP, .first = IN_SPI4, .tweak = later_fragment,
	 PASS},
	{"esp over ipv6, fragment", OUTER6, .proto = ESP, .first = IN_SPI6,
	 .tweak = fragment_header, PASS},
	{"esp over ipv6, later fragment", OUTER6, .proto = ESP, .first = IN_SPI6,
	 .tweak = later_fragment_header, PASS},
	{"udp 4500, first fragment", OUTER4, .proto = UDP, .dport = 4500, .first = IN_SPI4,
	 .tweak = first_fragment, PASS},
	{"esp shorter than its header", OUTER4, .proto = ESP, .first = IN_SPI4, .payload = 7,
	 DROPS(TRUNCATED)},
	{"esp without anything", OUTER4, .proto = ESP, .payload = -1, DROPS(TRUNCATED)},
	{"keepalive", OUTER4, .proto = UDP, .dport = 4500, .first = 0xff, .payload = 1,
	 DROPS(NATT_KEEPALIVE)},
	{"one byte, but no keepalive", OUTER4, .proto = UDP, .dport = 4500, .first = 0xfe,
	 .payload = 1, DROPS(MALFORMED)},
	{"udp 4500, empty", OUTER4, .proto = UDP, .dport = 4500, .payload = -1, DROPS(MALFORMED)},
	{"udp 4500, too long", OUTER4, .proto = UDP, .dport = 4500, .first = IN_SPI4,
	 .tweak = udp_too_long, DROPS(MALFORMED)},
	{"udp 4500, too short", OUTER4, .proto = UDP, .dport = 4500, .first = IN_SPI4,
	 .tweak = udp_too_short, DROPS(MALFORMED)},
	{"no room for udp", OUTER4, .proto = 17 + 0, .dport = 4500, .payload = -1,
	 .tweak = total_below_header, DROPS(MALFORMED)},
	/* uplink: the kernel's */
	{"ike", OUTER4, .proto = UDP, .dport = 500, PASS},
	{"ike, first fragment", OUTER4, .proto = UDP, .dport = 500, .tweak = first_fragment, PASS},
	{"ike, later fragment", OUTER4, .proto = UDP, .dport = 500, .tweak = later_fragment, PASS},
	{"ike on 4500", OUTER4, .proto = UDP, .dport = 4500, .first = 0, PASS},
	{"ike on 4500 over ipv6", OUTER6, .proto = UDP, .dport = 4500, .first = 0, PASS},
	{"tcp on the uplink", OUTER4, .proto = TCP, PASS},
	/* SECURITY C24 (CVE-2019-14899): inner addresses in the clear: XDP carries nothing of it
	 * into a network; it is left for the kernel, whose rp_filter is to judge what is for its
	 * own */
	{"inner addresses on the uplink", .port = WAN, .from = "192.168.5.7", .to = "10.11.0.4",
	 .proto = TCP, PASS},
	{"inner address of ours on the uplink", .port = WAN, .from = "192.168.5.7",
	 .to = "10.11.1.1", .proto = TCP, PASS},
	{"arp on the uplink", .port = WAN, .ethertype = 0x0806, BROADCAST, PASS},
	{"uplink, version 7", OUTER4, .proto = ESP, .tweak = version_7, DROPS(MALFORMED)},
	{"uplink, header of 16 bytes", OUTER4, .proto = ESP, .tweak = short_header,
	 DROPS(MALFORMED)},
	{"uplink, longer than the frame", OUTER4, .proto = ESP, .tweak = longer_than_frame,
	 DROPS(TRUNCATED)},
	{"vxlan on the uplink", .port = WAN, OVER(1001), .from = "10.11.2.4", .to = "192.168.5.7",
	 .proto = TCP, SENDS(encrypts)},
	{"kernel's vxlan on the uplink", .port = WAN, OVER(77), HOST4("10.11.0.5"), PASS},
	/* SECURITY C23 (CVE-2024-7595, CVE-2024-7596, CVE-2025-23018, CVE-2025-23019): nothing that
	 * came in IPIP, 6in4, GRE or GUE is opened, and VXLAN from its own host and to a route of
	 * its network alone; more rows of VXLAN below. */
	{"ipip on the uplink", OUTER4, .proto = 4, PASS},
	{"6in4 on the uplink", OUTER4, .proto = 41, PASS},
	{"gre on the uplink", OUTER4, .proto = 47, PASS},
	{"gre over ipv6 on the uplink", OUTER6, .proto = 47, PASS},
	{"gue on the uplink", OUTER4, .proto = UDP, .dport = 6080, PASS},
	{"ipip to a site", .from = "10.11.0.4", .to = "192.168.5.7", .proto = 4, SENDS(encrypts)},
	{"ipip to ourselves, vlan", .vlan = 11, .from = "10.11.1.4", .to = "10.11.1.1", .proto = 4,
	 DROPS(UNANSWERED)},
	{"vxlan on the uplink from another host", .port = WAN, .vtep = "192.0.2.99",
	 .vtep_to = "192.0.2.1", .vni = 1001, .from = "10.11.2.4", .to = "192.168.5.7",
	 .proto = TCP, DROPS(VTEP)},
	{"vxlan on the uplink, of nobody", .port = WAN, OVER(1001), .from = "198.51.100.9",
	 .to = "192.168.5.7", .proto = TCP, DROPS(SOURCE)},
	{"vxlan on the uplink, to the Internet", .port = WAN, OVER(1001), .from = "10.11.2.4",
	 .to = "198.51.100.9", .proto = TCP, DROPS(NO_ROUTE)},
	{"vxlan on the uplink, of another attachment's vni", .port = WAN, OVER(1002),
	 .from = "10.11.2.4", .to = "192.168.5.7", .proto = TCP, PASS},
	/* to a tunnel */
	{"to a client", .from = "10.11.0.4", .to = "172.16.201.3", .proto = TCP, SENDS(to_client)},
	{"from a client's address in the network", .from = "172.16.201.3", .to = "10.11.0.4",
	 .proto = TCP, DROPS(SOURCE)},
	{"to a site", SITE4, SENDS(encrypts)},
	{"to a site, ipv6", SITE6, SENDS(encrypts)},
	{"to a site, options", SITE4, .options = 8, SENDS(encrypts)},
	{"to a site, fragment", SITE4, .tweak = later_fragment, SENDS(encrypts)},
	{"to a site from vlan", .vlan = 11, SITE4, SENDS(encrypts)},
	{"to a site from vxlan", OVER(1001), .from = "10.11.2.4", .to = "192.168.5.7", .proto = TCP,
	 SENDS(encrypts)},
	{"to a site, partial sum", SITE4, .tweak = partial_sum, SENDS(encrypts)},
	/* local forwarding */
	{"plain to plain", HOST4("10.11.0.4"), SENDS(leaves_plain)},
	{"plain to plain, ipv6", .from = "fd00:11::5", .to = "fd00:11::4", .proto = TCP,
	 SENDS(leaves_plain)},
	{"plain to vlan", HOST4("10.11.1.4"), SENDS(leaves_vlan)},
	{"plain to vxlan", HOST4("10.11.2.4"), SENDS(leaves_vxlan)},
	{"plain to vxlan, ipv6 inside", .from = "fd00:11::5", .to = "fd00:11::24", .proto = TCP,
	 SENDS(leaves_vxlan)},
	{"plain to vxlan over ipv6", HOST4("10.11.2.6"), SENDS(leaves_vxlan6)},
	{"vlan to plain", .vlan = 11, HOST4("10.11.0.4"), SENDS(leaves_plain)},
	{"vlan to vlan", .vlan = 11, HOST4("10.11.1.4"), SENDS(leaves_vlan)},
	{"vlan to vxlan", .vlan = 11, HOST4("10.11.2.4"), SENDS(leaves_vxlan)},
	{"vxlan to plain", OVER(1001), .from = "10.11.2.4", .to = "10.11.0.4", .proto = TCP,
	 SENDS(leaves_plain)},
	{"vxlan to vxlan over ipv6", OVER(1001), .from = "10.11.2.4", .to = "10.11.2.6",
	 .proto = TCP, SENDS(leaves_vxlan6)},
	{"vxlan over ipv6 to plain", .vtep = "2001:db8::11", .vtep_to = "2001:db8::1", .vni = 1003,
	 .from = "10.11.2.6", .to = "10.11.0.4", .proto = TCP, SENDS(leaves_plain)},
	{"fragment to plain", HOST4("10.11.0.4"), .tweak = later_fragment, SENDS(leaves_plain)},
	{"partial tcp sum", HOST4("10.11.1.4"), .tweak = partial_sum, SENDS(completes)},
	{"partial udp sum", .from = "10.11.0.4", .to = "10.11.1.4", .proto = UDP, .dport = 53,
	 .tweak = partial_sum, SENDS(completes)},
	/* drops of routing; SECURITY C24 (CVE-2019-14899): addresses from behind a tunnel, and of
	 * nobody, on a device of the virtual network */
	{"source of nobody", .from = "172.16.0.1", .to = "192.168.5.7", .proto = TCP,
	 DROPS(SOURCE)},
	{"source of the site", .from = "192.168.5.9", .to = "192.168.5.7", .proto = TCP,
	 DROPS(SOURCE)},
	{"ipv6 source of nobody", .from = "fd00:99::1", .to = "fd00:5::7", .proto = TCP,
	 DROPS(SOURCE)},
	{"no route", HOST4("172.16.0.1"), DROPS(NO_ROUTE)},
	{"route none", HOST4("10.66.0.1"), DROPS(ROUTE_NONE)},
	{"next hop that is not there", HOST4("10.77.0.1"), DROPS(NO_NEXT_HOP)},
	{"next hop that nobody serves", HOST4("10.88.0.1"), DROPS(NO_NEXT_HOP)},
	{"no endpoint", HOST4("10.11.3.3"), DROPS(NO_ENDPOINT)},
	{"endpoint on an attachment that is gone", HOST4("10.11.9.9"), DROPS(NO_ATTACHMENT)},
	{"no neighbour", HOST4("10.11.2.5"), DROPS(NO_NEIGHBOUR)},
	/* a worker tells who sent them */
	{"ttl 1", HOST4("10.11.0.4"), .ttl = 1, SENDS(completes)},
	{"hop limit 1", .from = "fd00:11::5", .to = "fd00:11::4", .proto = TCP, .ttl = 1,
	 SENDS(completes)},
	{"ttl 1 on VXLAN", OVER(1001), .from = "10.11.2.4", .to = "10.11.0.4", .proto = UDP,
	 .ttl = 1, SENDS(completes)},
	{"too big", HOST4("10.11.0.4"), .payload = 1481, SENDS(completes)},
	/* attachments */
	{"unknown vlan", .vlan = 12, SITE4, DROPS(NO_ATTACHMENT)},
	/* SECURITY C23: a VNI and a VTEP that nobody configured */
	{"unknown vni", OVER(1009), SITE4, DROPS(NO_ATTACHMENT)},
	{"802.1ad", .ethertype = 0x88a8, DROPS(NO_ATTACHMENT)},
	{"not ip", .ethertype = 0x1234, DROPS(NOT_IP)},
	{"not ip, vlan", .vlan = 11, .ethertype = 0x1234, DROPS(NOT_IP)},
	{"lldp", .ethertype = 0x88cc, .mac = "01:80:c2:00:00:0e", PASS},
	{"version 7", SITE4, .tweak = version_7, DROPS(MALFORMED)},
	{"header of 16 bytes", SITE4, .tweak = short_header, DROPS(MALFORMED)},
	{"total below header", SITE4, .tweak = total_below_header, DROPS(MALFORMED)},
	{"longer than the frame", SITE4, .tweak = longer_than_frame, DROPS(TRUNCATED)},
	{"ipv6, longer than the frame", SITE6, .tweak = longer_than_frame, DROPS(TRUNCATED)},
	{"vxlan from another host", .vtep = "192.0.2.99", .vtep_to = "192.0.2.1", .vni = 1001,
	 .from = "10.11.2.4", .to = "192.168.5.7", .proto = TCP, DROPS(VTEP)},
	{"vxlan of an unknown host", OVER(1001), .from = "10.11.2.99", .to = "192.168.5.7",
	 .proto = TCP, DROPS(VTEP)},
	{"vxlan for another address", .vtep = "192.0.2.11", .vtep_to = "192.0.2.2", .vni = 1001,
	 SITE4, DROPS(VTEP)},
	{"vxlan from our own address", .vtep = "192.0.2.1", .vtep_to = "192.0.2.1", .vni = 1001,
	 .from = "10.11.2.4", .to = "192.168.5.7", .proto = TCP, DROPS(VTEP)},
	{"vxlan in vxlan", OVER(1001), .from = "10.11.2.4", .to = "192.0.2.1", .proto = UDP,
	 .dport = 4789, .tweak = nested, DROPS(NO_ROUTE)},
	{"vxlan, inner vlan tag", OVER(1001), .vlan = 11, .from = "10.11.2.4", .to = "192.168.5.7",
	 .proto = TCP, DROPS(NOT_IP)},
	{"vxlan, inner fragment to a site", OVER(1001), .from = "10.11.2.4", .to = "192.168.5.7",
	 .proto = TCP, .tweak = later_fragment, SENDS(encrypts)},
	{"vxlan, our own address inside", OVER(1001), .from = "10.11.2.1", .to = "192.168.5.7",
	 .proto = TCP, DROPS(SOURCE)},
	{"vxlan with a priority", OVER(1001), .from = "10.11.2.4", .to = "10.11.0.4", .proto = TCP,
	 .tweak = priority_tag, .action = XDP_REDIRECT},
	{"plain with a priority", HOST4("10.11.0.4"), .tweak = priority_tag,
	 .action = XDP_REDIRECT},
	{"vxlan with a host of another attachment", OVER(1001), SITE4, DROPS(VTEP)},
	{"vxlan, outer fragment", OVER(1001), SITE4, .tweak = outer_fragment, DROPS(FRAGMENT)},
	{"vxlan, udp too long", OVER(1001), SITE4, .tweak = udp_too_long, DROPS(MALFORMED)},
	{"vxlan, udp too short", OVER(1001), SITE4, .tweak = udp_too_short, DROPS(MALFORMED)},
	{"vxlan to a port that is not its own", OVER(1001), SITE4, .tweak = other_udp_port,
	 DROPS(SOURCE)},
	{"vxlan, inner longer than outer", OVER(1001), .from = "10.11.2.4", .to = "192.168.5.7",
	 .proto = TCP, .tweak = longer_than_frame, DROPS(TRUNCATED)},
	/* the gateway itself, the link */
	{"to ourselves, plain", HOST4("10.11.0.1"), PASS},
	{"other mac, plain", SITE4, .mac = "02:00:00:00:0a:99", PASS},
	{"broadcast, plain", SITE4, BROADCAST, PASS},
	{"other mac, vlan", .vlan = 11, SITE4, .mac = "02:00:00:00:0a:99", DROPS(UNANSWERED)},
	{"multicast destination, plain", HOST4("224.0.0.5"), PASS},
	{"link-local destination, vlan", .vlan = 11, HOST4("169.254.169.254"), DROPS(UNANSWERED)},
	{"arp, plain", .ethertype = 0x0806, BROADCAST, PASS},
	{"arp, vlan", .vlan = 11, .ethertype = 0x0806, BROADCAST, .tweak = arp_vlan,
	 SENDS(answers_arp)},
	{"arp, vxlan", OVER(1001), .ethertype = 0x0806, BROADCAST, .tweak = arp_vxlan,
	 SENDS(answers_arp)},
	{"arp, vxlan with a priority", OVER(1001), .ethertype = 0x0806, BROADCAST,
	 .tweak = arp_vxlan_priority, SENDS(answers_arp_priority)},
	{"arp, unicast probe", .vlan = 11, .ethertype = 0x0806, .tweak = arp_vlan,
	 SENDS(answers_arp)},
	{"arp, vlan with a priority", .vlan = 0x600b, .ethertype = 0x0806, BROADCAST,
	 .tweak = arp_vlan, SENDS(answers_arp)},
	{"arp, our address claimed", .vlan = 11, .ethertype = 0x0806, BROADCAST,
	 .tweak = arp_ours_claimed, DROPS(SOURCE)},
	{"arp, announcement of a host", .vlan = 11, .ethertype = 0x0806, BROADCAST,
	 .tweak = arp_announcement, DROPS(UNANSWERED)},
	{"arp from a group", .vlan = 11, .ethertype = 0x0806, BROADCAST, .tweak = arp_group_mac,
	 DROPS(MALFORMED)},
	{"arp probe for our address", .vlan = 11, .ethertype = 0x0806, BROADCAST,
	 .tweak = arp_probe, SENDS(answers_arp)},
	{"arp for somebody else", .vlan = 11, .ethertype = 0x0806, BROADCAST, .tweak = arp_other,
	 DROPS(UNANSWERED)},
	{"arp from a stranger", .vlan = 11, .ethertype = 0x0806, BROADCAST, .tweak = arp_stranger,
	 DROPS(SOURCE)},
	{"arp of wrong length", .vlan = 11, .ethertype = 0x0806, BROADCAST,
	 .tweak = arp_wrong_length, DROPS(MALFORMED)},
	{"arp reply", .vlan = 11, .ethertype = 0x0806, .tweak = arp_reply, .action = XDP_DROP},
	{"solicitation, plain", MULTICAST6, ND_FROM("fd00:11::4"), .to = "ff02::1:ff01:1",
	 .tweak = solicitation, PASS},
	{"solicitation", .vlan = 11, MULTICAST6, ND_FROM("fd00:11::4"), .to = "ff02::1:ff01:1",
	 .tweak = solicitation, SENDS(answers_nd)},
	{"solicitation, link-local", .vlan = 11, MULTICAST6, ND_FROM("fe80::4"),
	 .to = "ff02::1:ff01:1", .tweak = solicitation, SENDS(answers_nd)},
	{"solicitation without option", .vlan = 11, ND_FROM("fd00:11::4"), .to = "fd00:11::1:1",
	 .tweak = solicitation_bare, SENDS(answers_nd)},
	{"duplicate address detection", .vlan = 11, MULTICAST6, ND_FROM("::"),
	 .to = "ff02::1:ff01:1", .tweak = detection, SENDS(defends)},
	{"duplicate address detection with a mac", .vlan = 11, MULTICAST6, ND_FROM("::"),
	 .to = "ff02::1:ff01:1", .tweak = solicitation, DROPS(MALFORMED)},
	{"duplicate address detection of one host", .vlan = 11, ND_FROM("::"), .to = "fd00:11::1:1",
	 .tweak = detection, DROPS(MALFORMED)},
	{"duplicate address detection of a host", .vlan = 11, MULTICAST6, ND_FROM("::"),
	 .to = "ff02::1:ff01:9", .tweak = detection_other, DROPS(UNANSWERED)},
	{"unicast probe of a neighbour", .vlan = 11, ND_FROM("fd00:11::4"), .to = "fd00:11::1:1",
	 .tweak = solicitation, SENDS(answers_nd)},
	{"solicitation, vxlan", OVER(1001), MULTICAST6, ND_FROM("fe80::4"), .to = "ff02::1:ff02:1",
	 .tweak = solicitation_vxlan, SENDS(answers_nd_vxlan)},
	{"solicitation, vxlan from another host", .vtep = "192.0.2.99", .vtep_to = "192.0.2.1",
	 .vni = 1001, MULTICAST6, ND_FROM("fe80::4"), .to = "ff02::1:ff02:1",
	 .tweak = solicitation_vxlan, DROPS(VTEP)},
	{"solicitation for somebody else", .vlan = 11, MULTICAST6, ND_FROM("fd00:11::4"),
	 .to = "ff02::1:ff01:9", .tweak = solicitation_other, DROPS(UNANSWERED)},
	{"solicitation, wrong sum", .vlan = 11, MULTICAST6, ND_FROM("fd00:11::4"),
	 .to = "ff02::1:ff01:1", .tweak = solicitation_bad_sum, DROPS(MALFORMED)},
	{"solicitation from afar", .vlan = 11, MULTICAST6, .from = "fd00:11::4",
	 .to = "ff02::1:ff01:1", .proto = 58, .ttl = 254, .payload = 32, .tweak = solicitation,
	 DROPS(MALFORMED)},
	{"router solicitation, plain", .mac = "33:33:00:00:00:02", ND_FROM("fe80::4"),
	 .to = "ff02::2", .tweak = router_solicitation, PASS},
	{"router solicitation", .vlan = 11, .mac = "33:33:00:00:00:02", ND_FROM("fe80::4"),
	 .to = "ff02::2", .tweak = router_solicitation, DROPS(UNANSWERED)},
	{"advertisement", .vlan = 11, ND_FROM("fd00:11::77"), .to = "fd00:11::1:1",
	 .tweak = advertisement, .action = XDP_DROP},
	{"ping, vlan", .vlan = 11, .from = "10.11.1.4", .to = "10.11.1.1", .proto = 1,
	 .tweak = echo4, SENDS(answers_echo)},
	{"ping, vxlan", OVER(1001), .from = "10.11.2.4", .to = "10.11.2.1", .proto = 1,
	 .tweak = echo4, SENDS(answers_echo)},
	{"ping, ipv6", .vlan = 11, .from = "fd00:11::4", .to = "fd00:11::1:1", .proto = 58,
	 .tweak = echo6, SENDS(answers_echo)},
	{"tcp to ourselves, vlan", .vlan = 11, HOST4("10.11.1.1"), DROPS(UNANSWERED)},
};
#define N_ROWS (sizeof(rows) / sizeof(rows[0]))

static int run(unsigned port, const struct frame *in, struct frame *out, unsigned *reason)
{
	return counted_run(&w, port, in, out, reason);
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

static unsigned kept_decisions(void)
{
	int fd = bpf_map__fd(w.skel->maps.known_decisions), cpus = libbpf_num_possible_cpus();
	struct known_decision {
		uint64_t generation, rest[16];
	} *all = calloc((size_t)cpus, sizeof(*all));
	unsigned n = 0;

	must(all && bpf_map__value_size(w.skel->maps.known_decisions) == sizeof(*all));
	for (uint32_t at = 0; bpf_map_lookup_elem(fd, &at, all) == 0; at++)
		for (int i = 0; i < cpus; i++)
			n += all[i].generation && all[i].generation == w.maps.config->generation;
	free(all);
	return n;
}

static unsigned verdict_now(const struct row *r)
{
	static struct frame in, out;
	unsigned reason;

	build(r, &in);
	run(r->port, &in, &out, &reason);
	return reason;
}

/* What is kept is void with the next generation: a route, a next hop, a tag, a source. */
static void test_changes(void **state)
{
	const struct row site = {SITE4}, vlan = {.vlan = 11,
						 .from = "10.11.1.4",
						 .to = "192.168.5.9",
						 .proto = TCP};
	struct xgw_tag_key tag = {.ifindex = w.ifindex[LAN], .kind = XGW_TAG_VLAN, .tag = 11};
	const uint32_t id = TUNNEL;
	struct xgw_next_hop hop, none = {.kind = XGW_HOP_DROP};
	uint32_t attachment;

	(void)state;
	maps_bump(&w.maps);
	assert_int_equal(kept_decisions(), 0);
	assert_int_equal(verdict_now(&site), 0);
	assert_int_equal(verdict_now(&vlan), 0);
	assert_true(kept_decisions() >= 2);
	assert_int_equal(maps_get(&w.maps, MAPS_next_hops, &id, &hop), 0);
	assert_int_equal(maps_put(&w.maps, MAPS_next_hops, &id, &none), 0);
	maps_bump(&w.maps);
	assert_int_equal(verdict_now(&site), XGW_DROP_ROUTE_NONE);
	assert_int_equal(maps_delete(&w.maps, MAPS_next_hops, &id), 0);
	maps_bump(&w.maps);
	assert_int_equal(verdict_now(&site), XGW_DROP_NO_NEXT_HOP);
	assert_int_equal(maps_put(&w.maps, MAPS_next_hops, &id, &hop), 0);
	maps_bump(&w.maps);
	assert_int_equal(verdict_now(&site), 0);
	assert_int_equal(maps_get(&w.maps, MAPS_attachments_in, &tag, &attachment), 0);
	assert_int_equal(maps_delete(&w.maps, MAPS_attachments_in, &tag), 0);
	maps_bump(&w.maps);
	assert_int_equal(verdict_now(&vlan), XGW_DROP_NO_ATTACHMENT);
	assert_int_equal(maps_put(&w.maps, MAPS_attachments_in, &tag, &attachment), 0);
	maps_bump(&w.maps);
	assert_int_equal(verdict_now(&vlan), 0);
}

static int explain(const struct row *r, const struct frame *in, struct xgw_trace *t)
{
	return explain_run(world_program(&w, r->port), w.ifindex[r->port], in->b, in->len, t);
}

/* An explanation says what the action does, and leaves no trace of itself. */
static void test_explanations(void **state)
{
	static struct frame in;
	struct counts before, after;
	struct xgw_trace t;

	(void)state;
	for (size_t i = 0; i < N_ROWS; i++) {
		const struct row *r = &rows[i];

		build(r, &in);
		read_counts(&w, r->port, &before);
		assert_int_equal(explain(r, &in, &t), 0);
		read_counts(&w, r->port, &after);
		assert_memory_equal(&before, &after, sizeof(before));
		if (t.drop != r->drop)
			fail_msg("%s: dropped for %s, explained as %s", r->name,
				 maps_drop_name(r->drop), maps_drop_name(t.drop));
		if (r->check == encrypts) {
			assert_int_equal(t.verdict, XGW_HOP_TUNNEL);
			assert_int_equal(t.connection, TUNNEL);
			assert_int_equal(t.plen, strchr(r->from, ':') ? 64 : 24);
			assert_int_equal(t.source, XGW_ROUTE_STATIC);
		}
		if (r->check == to_client) {
			assert_int_equal(t.verdict, XGW_HOP_CLIENT);
			assert_int_equal(t.connection, CLIENT);
			assert_int_equal(t.plen, 32);
		}
		if (r->check == leaves_vlan) {
			assert_int_equal(t.verdict, XGW_HOP_LOCAL);
			assert_int_equal(t.attachment, VLAN);
		}
		if (r->drop)
			assert_int_equal(t.verdict, 0);
		else
			assert_true(t.verdict != 0);
	}
}

/* Where the kernel is emulated, one of so many lengths and places has to do. */
static size_t stride(void)
{
	const char *text = getenv("XGW_TEST_STRIDE");
	long n = text ? strtol(text, NULL, 10) : 1;

	return n > 0 ? (size_t)n : 1;
}

/* Nothing that claims more than there is goes anywhere: a cut packet is never redirected. */
static void test_every_length(void **state)
{
	static struct frame in, cut, out;
	unsigned reason;

	(void)state;
	for (size_t i = 0; i < N_ROWS; i++) {
		build(&rows[i], &in);
		for (size_t len = 14; len < in.len; len += stride()) {
			/* ARP in a padded frame is whole as long as its own 28 bytes are there */
			bool is_arp = !in.n_ip && in.len - len <= 18;
			int action;

			cut = in;
			cut.len = len;
			action = run(rows[i].port, &cut, &out, &reason);
			if (action == XDP_REDIRECT && !is_arp)
				fail_msg("%s cut to %zu of %zu bytes went out", rows[i].name, len,
					 in.len);
		}
	}
}

/* Each byte of the headers set to what a hostile sender would try: always one counted fate. */
static void test_every_byte(void **state)
{
	static const uint8_t tries[] = {0x00, 0xff, 0x01, 0x80, 0x7f};
	static struct frame in, bad, out;
	unsigned reason;

	(void)state;
	for (size_t i = 0; i < N_ROWS; i++) {
		build(&rows[i], &in);
		for (size_t at = 0; at < in.len && at < 140; at += stride()) {
			for (size_t k = 0; k < sizeof(tries); k++) {
				bad = in;
				bad.b[at] = k == 2 ? (uint8_t)(bad.b[at] + 1) : tries[k];
				run(rows[i].port, &bad, &out, &reason);
			}
		}
	}
}

static void test_without_socket(void **state)
{
	static struct frame in, old, out;
	uint32_t key = 0;
	int fd = xsk_socket__fd(w.socket[LAN]);
	unsigned reason;

	(void)state;
	build(&(struct row){SITE4}, &in);
	build(&(struct row){HOST4("10.11.0.4"), .ttl = 1}, &old);
	assert_int_equal(maps_delete(&w.maps, MAPS_xsks, &key), 0);
	assert_int_equal(run(LAN, &in, &out, &reason), XDP_DROP);
	assert_int_equal(reason, XGW_DROP_NO_SOCKET);
	assert_int_equal(run(LAN, &old, &out, &reason), XDP_DROP);
	assert_int_equal(reason, XGW_DROP_TTL);
	assert_int_equal(maps_put(&w.maps, MAPS_xsks, &key, &fd), 0);
	assert_int_equal(run(LAN, &in, &out, &reason), XDP_REDIRECT);
}

/* One whole sum of 65 536 looks partial: it is not lost while no worker is there to complete it. */
static void test_partial_sum_without_socket(void **state)
{
	const struct row r = {HOST4("10.11.1.4"), .tweak = partial_sum};
	static struct frame in, out;
	uint32_t key = 0;
	int fd = xsk_socket__fd(w.socket[LAN]);
	unsigned reason;

	(void)state;
	build(&r, &in);
	assert_int_equal(maps_delete(&w.maps, MAPS_xsks, &key), 0);
	assert_int_equal(run(LAN, &in, &out, &reason), XDP_REDIRECT);
	leaves_vlan(&r, &in, &out);
	assert_int_equal(maps_put(&w.maps, MAPS_xsks, &key, &fd), 0);
	assert_int_equal(run(LAN, &in, &out, &reason), XDP_REDIRECT);
	completes(&r, &in, &out);
}

static void test_without_device(void **state)
{
	static struct frame in, out;
	uint32_t ifindex = w.ifindex[LAN];
	unsigned reason;

	(void)state;
	build(&(struct row){HOST4("10.11.0.4")}, &in);
	assert_int_equal(maps_delete(&w.maps, MAPS_tx_ports, &ifindex), 0);
	assert_int_equal(run(LAN, &in, &out, &reason), XDP_DROP);
	assert_int_equal(reason, XGW_DROP_REDIRECT);
	assert_int_equal(maps_put(&w.maps, MAPS_tx_ports, &ifindex, &ifindex), 0);
}

/* ---- first messages of IKE exchanges ---- */

struct ike_first {
	const char *from;
	uint16_t port;
	uint8_t responder, flags, next; /* of the IKE header; responder: a byte of its SPI */
};

static int ike_sent(const struct ike_first *m)
{
	static struct frame in, out;
	bool v6 = strchr(m->from, ':');
	uint8_t *ike;

	memset(&in, 0, sizeof(in));
	frame_eth(&in, WAN_MAC, HOST_MAC, v6 ? 0x86dd : 0x0800);
	frame_ip(&in, m->from, v6 ? "2001:db8::1" : "203.0.113.1", 17);
	frame_udp(&in, m->port, m->port);
	if (m->port == 4500)
		frame_take(&in, 4);
	ike = frame_take(&in, 28);
	ike[0] = 1;
	ike[15] = m->responder;
	ike[16] = m->next ? m->next : 33;
	ike[17] = 0x20;
	ike[18] = 34;
	ike[19] = m->flags;
	frame_close(&in);
	return world_run(&w, WAN, &in, &out);
}

static unsigned ike_passed(const struct ike_first *m, unsigned n)
{
	unsigned passed = 0;

	for (unsigned i = 0; i < n; i++)
		passed += ike_sent(m) == XDP_PASS;
	return passed;
}

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Sends n: `full` pass at once, then `rate` a second, however slow this machine is; all others are
 * counted. */
static void ike_is_held(const struct ike_first *m, unsigned n, unsigned full, unsigned rate)
{
	struct counts before, after;
	double since = seconds();
	unsigned passed;

	read_counts(&w, WAN, &before);
	passed = ike_passed(m, n);
	read_counts(&w, WAN, &after);
	assert_true(passed >= (n < full ? n : full));
	assert_true(passed <= full + 1 + (unsigned)((seconds() - since) * rate + 1));
	assert_int_equal(after.drops[XGW_DROP_IKE_RATE] - before.drops[XGW_DROP_IKE_RATE],
			 n - passed);
}

/* SECURITY D25: 400 at once, 100 a second: one source can't take more, and takes nothing from
 * others. */
static void test_ike_of_one_source(void **state)
{
	const struct ike_first one = {"198.51.100.77", 500, 0, 8, 0};
	struct ike_first more = one;

	(void)state;
	ike_is_held(&one, 700, 400, 100);
	more.port = 4500; /* the same bucket */
	ike_is_held(&more, 50, 0, 100);
	more = one;
	more.responder = 1; /* of an SA that is known, or was */
	assert_int_equal(ike_passed(&more, 50), 50);
	more = one;
	more.flags = 0x20; /* an answer to us */
	assert_int_equal(ike_passed(&more, 50), 50);
	more = one;
	more.from = "198.51.100.78";
	assert_int_equal(ike_passed(&more, 50), 50);
}

static void test_ike_of_one_network_of_ipv6(void **state)
{
	struct ike_first m = {"2001:db8:7:7::1", 500, 0, 8, 0};

	(void)state;
	ike_is_held(&m, 700, 400, 100);
	m.from = "2001:db8:7:7:1:2:3:4";
	ike_is_held(&m, 50, 0, 100);
	m.from = "2001:db8:7:8::1";
	assert_int_equal(ike_passed(&m, 50), 50);
}

/* SECURITY D25: a flood from forged sources: what is above the rate ends here, and who brings a
 * cookie passes. */
static void test_ike_of_many_sources(void **state)
{
	char text[32];
	struct ike_first m = {text, 500, 0, 8, 0};
	double since = seconds();
	unsigned passed = 0;

	(void)state;
	for (unsigned i = 0; i < 60000; i++) {
		snprintf(text, sizeof(text), "100.%u.%u.%u", 64 + i / 65536, i / 256 % 256,
			 i % 256);
		passed += ike_sent(&m) == XDP_PASS;
	}
	assert_true(passed >= 4000);
	assert_true(passed <= 5001 + (unsigned)((seconds() - since) * 20000 + 1));
	m.next = 41;
	snprintf(text, sizeof(text), "100.80.0.1");
	assert_int_equal(ike_passed(&m, 100), 100);
}

/* A device that is no port is none of our business. */
static void test_unknown_port(void **state)
{
	static struct frame in, out;
	uint32_t ifindex = w.ifindex[LAN];
	struct xgw_port port;

	(void)state;
	build(&(struct row){SITE4}, &in);
	assert_int_equal(maps_get(&w.maps, MAPS_ports, &ifindex, &port), 0);
	assert_int_equal(maps_delete(&w.maps, MAPS_ports, &ifindex), 0);
	maps_bump(&w.maps);
	assert_int_equal(world_run(&w, LAN, &in, &out), XDP_PASS);
	assert_int_equal(maps_put(&w.maps, MAPS_ports, &ifindex, &port), 0);
	maps_bump(&w.maps);
}

static int get_endpoint(uint32_t vnet, const char *text, struct xgw_endpoint *e)
{
	struct ip_addr a;

	assert_int_equal(ip_addr_parse(&a, text), 0);
	return maps_endpoint(&w.maps, vnet, &a, e);
}

/* Learnt from ARP and ND (test_rows ran them); configured ones stay as they are. */
static void test_learning(void **state)
{
	static struct frame in, out;
	struct xgw_endpoint e;
	unsigned reason;

	(void)state;
	assert_int_equal(get_endpoint(VNET, "10.11.1.77", &e), 0);
	assert_int_equal(e.flags, XGW_ENDPOINT_LEARNT);
	assert_int_equal(e.attachment, VLAN);
	assert_int_equal(get_endpoint(VNET, "fd00:11::77", &e), 0);
	assert_int_equal(get_endpoint(VNET, "10.11.1.4", &e), 0);
	assert_int_equal(e.flags, XGW_ENDPOINT_STATIC);
	/* VXLAN traffic, where learning is on: from a configured host of the underlay only */
	build(&(struct row){OVER(1002), .from = "10.12.0.7", .to = "10.12.0.8", .proto = TCP}, &in);
	run(LAN, &in, &out, &reason);
	assert_int_equal(reason, XGW_DROP_NO_ENDPOINT);
	assert_int_equal(get_endpoint(LEARNING, "10.12.0.7", &e), 0);
	assert_int_equal(e.attachment, VXLAN_LEARN);
	build(&(struct row){.vtep = "192.0.2.99",
			    .vtep_to = "192.0.2.1",
			    .vni = 1002,
			    .from = "10.12.0.9",
			    .to = "10.12.0.8",
			    .proto = TCP},
	      &in);
	run(LAN, &in, &out, &reason);
	assert_int_equal(reason, XGW_DROP_VTEP);
	assert_int_equal(get_endpoint(LEARNING, "10.12.0.9", &e), -ENOENT);
	/* and never an address that is not the VNet's */
	build(&(struct row){OVER(1002), .from = "10.11.0.7", .to = "10.12.0.8", .proto = TCP}, &in);
	run(LAN, &in, &out, &reason);
	assert_int_equal(reason, XGW_DROP_SOURCE);
	assert_int_equal(get_endpoint(LEARNING, "10.11.0.7", &e), -ENOENT);
}

/* One packet over VXLAN from a host of the learning VNet: the reason of its drop. */
static unsigned heard_from(const char *vtep, const char *from, void (*tweak)(struct frame *f))
{
	static struct frame in, out;
	unsigned reason;

	build(&(struct row){.vtep = vtep,
			    .vtep_to = "192.0.2.1",
			    .vni = 1002,
			    .from = from,
			    .to = "10.12.0.8",
			    .proto = TCP,
			    .tweak = tweak},
	      &in);
	run(LAN, &in, &out, &reason);
	return reason;
}

/* As the daemon would see it after ms of silence. */
static void silent_for(const char *addr, uint64_t ms)
{
	struct xgw_endpoint_key key = {.vnet = LEARNING};
	struct xgw_endpoint e;
	struct timespec now;

	world_mapped(key.addr, addr);
	assert_int_equal(maps_get(&w.maps, MAPS_endpoints, &key, &e), 0);
	clock_gettime(CLOCK_MONOTONIC, &now);
	e.seen_ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec - ms * 1000000u;
	assert_int_equal(maps_put(&w.maps, MAPS_endpoints, &key, &e), 0);
}

static void source_group_mac(struct frame *f)
{
	f->b[50 + 6] |= 1;
}

static void source_our_mac(struct frame *f)
{
	frame_mac(f->b + 50 + 6, LAN_MAC);
}

/* From one VTEP to another: only when it is silent where it was. */
static void test_moves(void **state)
{
	struct xgw_endpoint e;

	(void)state;
	assert_int_equal(heard_from("192.0.2.11", "10.12.0.40", NULL), XGW_DROP_NO_ENDPOINT);
	assert_int_equal(heard_from("192.0.2.12", "10.12.0.40", NULL), XGW_DROP_LEARN_MOVE);
	silent_for("10.12.0.40", 900);
	/* a sign of life there renews it */
	assert_int_equal(heard_from("192.0.2.11", "10.12.0.40", NULL), XGW_DROP_NO_ENDPOINT);
	assert_int_equal(heard_from("192.0.2.12", "10.12.0.40", NULL), XGW_DROP_LEARN_MOVE);
	silent_for("10.12.0.40", 1100);
	assert_int_equal(heard_from("192.0.2.12", "10.12.0.40", NULL), XGW_DROP_NO_ENDPOINT);
	assert_int_equal(get_endpoint(LEARNING, "10.12.0.40", &e), 0);
	assert_memory_equal(e.vtep + 12, "\xc0\x00\x02\x0c", 4);
	assert_int_equal(heard_from("192.0.2.11", "10.12.0.40", NULL), XGW_DROP_LEARN_MOVE);
	/* not from whom the list of VTEPs does not name */
	silent_for("10.12.0.40", 5000);
	assert_int_equal(heard_from("192.0.2.200", "10.12.0.40", NULL), XGW_DROP_VTEP);
	assert_int_equal(heard_from("192.0.2.12", "10.12.0.41", source_group_mac), XGW_DROP_SOURCE);
	assert_int_equal(heard_from("192.0.2.12", "10.12.0.41", source_our_mac), XGW_DROP_SOURCE);
	assert_int_equal(get_endpoint(LEARNING, "10.12.0.41", &e), -ENOENT);
}

/* What a directory says is not for traffic to change, and is taken from there alone. */
static void test_told(void **state)
{
	struct xgw_endpoint_key key = {.vnet = LEARNING};
	struct xgw_endpoint e = {.attachment = VXLAN_LEARN, .flags = XGW_ENDPOINT_KERNEL};

	(void)state;
	world_mapped(key.addr, "10.12.0.50");
	world_mapped(e.vtep, "192.0.2.130");
	frame_mac(e.mac, HOST_MAC);
	assert_int_equal(maps_put(&w.maps, MAPS_endpoints, &key, &e), 0);
	assert_int_equal(heard_from("192.0.2.130", "10.12.0.50", NULL), XGW_DROP_NO_ENDPOINT);
	assert_int_equal(heard_from("192.0.2.12", "10.12.0.50", NULL), XGW_DROP_VTEP);
	assert_int_equal(get_endpoint(LEARNING, "10.12.0.50", &e), 0);
	assert_int_equal(e.flags, XGW_ENDPOINT_KERNEL);
}

/* As many as the VNet may have; what is known goes on, and a place that becomes free is given. */
static void test_limit(void **state)
{
	const uint32_t vnet = LEARNING;
	struct xgw_endpoint_key key = {.vnet = LEARNING};
	struct xgw_learnt l;

	(void)state;
	assert_int_equal(maps_get(&w.maps, MAPS_learnt, &vnet, &l), 0);
	uint32_t before = l.count;

	world_limit(&w, LEARNING, 2);
	assert_int_equal(heard_from("192.0.2.11", "10.12.1.1", NULL), XGW_DROP_NO_ENDPOINT);
	assert_int_equal(heard_from("192.0.2.11", "10.12.1.2", NULL), XGW_DROP_NO_ENDPOINT);
	assert_int_equal(heard_from("192.0.2.11", "10.12.1.3", NULL), XGW_DROP_LEARN_LIMIT);
	assert_int_equal(heard_from("192.0.2.11", "10.12.1.1", NULL), XGW_DROP_NO_ENDPOINT);
	assert_int_equal(maps_get(&w.maps, MAPS_learnt, &vnet, &l), 0);
	assert_int_equal(l.count, 2);
	world_mapped(key.addr, "10.12.1.1");
	assert_int_equal(maps_delete(&w.maps, MAPS_endpoints, &key), 0);
	l.count--;
	assert_int_equal(maps_put(&w.maps, MAPS_learnt, &vnet, &l), 0);
	assert_int_equal(heard_from("192.0.2.11", "10.12.1.3", NULL), XGW_DROP_NO_ENDPOINT);
	/* nobody said how many: none */
	assert_int_equal(maps_delete(&w.maps, MAPS_learnt, &vnet), 0);
	assert_int_equal(heard_from("192.0.2.11", "10.12.1.4", NULL), XGW_DROP_LEARN_LIMIT);
	l.limit = 4096;
	l.count = before;
	assert_int_equal(maps_put(&w.maps, MAPS_learnt, &vnet, &l), 0);
}

static struct xgw_endpoint_key filler(uint32_t i)
{
	struct xgw_endpoint_key key = {.vnet = 77};

	store_be32(key.addr + 12, i);
	return key;
}

/* SECURITY D26: a map that is full is a drop, never a packet in the clear: an endpoint that is not
 * learnt, a child SA that does not fit. */
static void test_full_maps(void **state)
{
	static struct frame in, out;
	const struct row learnt = {OVER(1002), .from = "10.12.0.77", .to = "10.12.0.8",
				   .proto = TCP};
	const struct row esp = {OUTER4, .proto = ESP, .first = 0xc0000009};
	struct xgw_endpoint e = {.attachment = PLAIN, .flags = XGW_ENDPOINT_STATIC};
	struct xgw_sa_in sa = {.slot = 9, .connection = TUNNEL, .vnet = VNET};
	struct xgw_sa_key key = {.spi_be = 0};
	uint32_t n = 0, sas = 0;
	unsigned reason;
	int err = 0;

	(void)state;
	for (; !err && n <= maps_row(MAPS_endpoints)->entries; n++)
		err = maps_put(&w.maps, MAPS_endpoints, &(struct xgw_endpoint_key[]){filler(n)},
			       &e);
	assert_int_equal(err, -E2BIG);
	build(&learnt, &in);
	assert_int_equal(run(LAN, &in, &out, &reason), XDP_DROP);
	assert_int_equal(reason, XGW_DROP_MAP_FULL);
	build(&(struct row){SITE4}, &in);
	assert_int_equal(run(LAN, &in, &out, &reason), XDP_REDIRECT);
	while (n--)
		(void)maps_delete(&w.maps, MAPS_endpoints, &(struct xgw_endpoint_key[]){filler(n)});
	build(&learnt, &in);
	run(LAN, &in, &out, &reason);
	assert_int_equal(reason, XGW_DROP_NO_ENDPOINT);
	for (err = 0; !err && sas <= maps_row(MAPS_sas_in)->entries; sas++) {
		key.spi_be = 0x77000000 + sas;
		err = maps_put(&w.maps, MAPS_sas_in, &key, &sa);
	}
	assert_int_equal(err, -E2BIG);
	build(&esp, &in);
	assert_int_equal(run(WAN, &in, &out, &reason), XDP_DROP);
	assert_int_equal(reason, XGW_DROP_UNKNOWN_SPI);
	while (sas--) {
		key.spi_be = 0x77000000 + sas;
		(void)maps_delete(&w.maps, MAPS_sas_in, &key);
	}
}

struct heard {
	unsigned n;
	struct xgw_event last;
};

static int hear(void *owner, void *event, size_t size)
{
	struct heard *h = owner;

	assert_int_equal(size, sizeof(h->last));
	h->n++;
	memcpy(&h->last, event, size);
	return 0;
}

/* One event for a storm of packets, with what the daemon needs to resolve it. */
static void test_events(void **state)
{
	static struct frame in, out;
	struct heard h = {0};
	struct ring_buffer *ring = ring_buffer__new(w.maps.fd[MAPS_events], hear, &h, NULL);
	uint8_t addr[16];

	(void)state;
	assert_non_null(ring);
	ring_buffer__consume(ring);
	h.n = 0;
	build(&(struct row){HOST4("10.11.200.201")}, &in);
	for (int i = 0; i < 100; i++)
		world_run(&w, LAN, &in, &out);
	ring_buffer__consume(ring);
	assert_true(h.n >= 1 && h.n < 50);
	assert_int_equal(h.last.kind, XGW_EVENT_RESOLVE);
	assert_int_equal(h.last.vnet, VNET);
	world_mapped(addr, "10.11.200.201");
	assert_memory_equal(h.last.addr, addr, 16);
	ring_buffer__free(ring);
}

/* What is captured of a packet with this row while `whom` is. */
static unsigned captured(struct kept *k, uint32_t whom, const struct row *row, int port)
{
	static struct frame in, out;

	w.maps.config->capture = whom;
	build(row, &in);
	k->n = 0;
	memset(&k->last, 0, sizeof(k->last));
	world_run(&w, port, &in, &out);
	ring_buffer__consume(k->ring);
	w.maps.config->capture = 0;
	if (k->n && k->last.kept) {
		assert_int_equal(k->last.len, in.len);
		assert_memory_equal(k->last.bytes, in.b,
				    in.len < XGW_CAPTURE_BYTES ? in.len : XGW_CAPTURE_BYTES);
	}
	return k->n;
}

/* Drops alone are captured, when somebody captures, and of the connection that is asked for. */
static void test_captures(void **state)
{
	const struct row unknown = {OUTER4, .proto = ESP, .first = 0xc0000009, .payload = 600};
	const struct row host = {HOST4("10.11.200.201")}, site = {SITE4};
	struct kept k = {0};
	__u32 key = LAN * XGW_MAX_QUEUES;
	int fd = xsk_socket__fd(w.socket[LAN]);

	(void)state;
	k.ring = ring_buffer__new(w.maps.fd[MAPS_captures], keep, &k, NULL);
	assert_non_null(k.ring);
	assert_int_equal(captured(&k, 0, &unknown, WAN), 0);
	assert_int_equal(captured(&k, XGW_CAPTURE_ALL, &unknown, WAN), 1);
	assert_int_equal(k.last.drop, XGW_DROP_UNKNOWN_SPI);
	assert_int_equal(k.last.connection, 0);
	assert_int_equal(k.last.kept, XGW_CAPTURE_BYTES);
	assert_int_equal(k.last.l3, 14);
	assert_true(k.last.at_ns != 0);
	/* it may be of the connection: the daemon looks who sent it */
	assert_int_equal(captured(&k, TUNNEL, &unknown, WAN), 1);
	assert_int_equal(captured(&k, TUNNEL, &host, LAN), 1);
	assert_int_equal(k.last.drop, XGW_DROP_NO_ENDPOINT);
	assert_int_equal(k.last.vnet, VNET);
	assert_int_equal(captured(&k, XGW_CAPTURE_ALL, &site, LAN), 0);
	/* without what had been put in front of it already */
	assert_int_equal(maps_delete(&w.maps, MAPS_xsks, &key), 0);
	assert_int_equal(captured(&k, TUNNEL, &site, LAN), 1);
	assert_int_equal(k.last.connection, TUNNEL);
	assert_int_equal(k.last.drop, XGW_DROP_NO_SOCKET);
	assert_int_equal(captured(&k, TUNNEL + 1, &site, LAN), 0);
	assert_int_equal(maps_put(&w.maps, MAPS_xsks, &key, &fd), 0);
	ring_buffer__free(k.ring);
}

static void set_mtu(uint32_t attachment, uint32_t mtu)
{
	struct xgw_attachment a;

	assert_int_equal(maps_get(&w.maps, MAPS_attachments, &attachment, &a), 0);
	a.mtu = mtu;
	assert_int_equal(maps_put(&w.maps, MAPS_attachments, &attachment, &a), 0);
	maps_bump(&w.maps);
}

/* Packets of several buffers; all would be sent on if they came in one. */
static const struct row in_pieces[] = {
	{"to a site", SITE4, .payload = 8000, SENDS(encrypts)},
	{"to a site, ipv6", SITE6, .payload = 8900, SENDS(encrypts)},
	{"to a site from vlan", .vlan = 11, SITE4, .payload = 3000, SENDS(encrypts)},
	{"to a site from vxlan", OVER(1001), .from = "10.11.2.4", .to = "192.168.5.7", .proto = TCP,
	 .payload = 5000, SENDS(encrypts)},
	{"esp", OUTER4, .proto = ESP, .first = IN_SPI4, .payload = 8900, SENDS(decrypts)},
	{"esp over ipv6", OUTER6, .proto = ESP, .first = IN_SPI6, .payload = 7000, SENDS(decrypts)},
	{"esp in udp", OUTER4, .proto = UDP, .dport = 4500, .first = IN_SPI4, .payload = 8900,
	 SENDS(decrypts)},
	{"plain to vlan", HOST4("10.11.1.4"), .payload = 8000, SENDS(completes)},
	{"vlan to plain", .vlan = 11, HOST4("10.11.0.4"), .payload = 8000, SENDS(completes)},
	{"plain to vxlan", HOST4("10.11.2.4"), .payload = 8000, SENDS(completes)},
};
#define N_PIECES (sizeof(in_pieces) / sizeof(*in_pieces))

static void large_attachments(void)
{
	set_mtu(PLAIN, 9000);
	set_mtu(VLAN, 9000);
	set_mtu(VXLAN, 9000);
}

static void test_pieces(void **state)
{
	static struct frame in, out;
	unsigned reason;

	(void)state;
	large_attachments();
	for (size_t i = 0; i < N_PIECES; i++) {
		build(&in_pieces[i], &in);
		if (run(in_pieces[i].port, &in, &out, &reason) != XDP_REDIRECT)
			fail_msg("%s: %s instead of a redirect", in_pieces[i].name,
				 maps_drop_name(reason));
		in_pieces[i].check(&in_pieces[i], &in, &out);
		/* an IP packet longer than all its buffers */
		in.len -= 1;
		assert_int_equal(run(in_pieces[i].port, &in, &out, &reason), XDP_DROP);
		assert_int_equal(reason, XGW_DROP_TRUNCATED);
	}
	/* an answer would have to be written into all of it */
	build(&(struct row){.vlan = 11,
			    .from = "10.11.0.4",
			    .to = "10.11.1.1",
			    .proto = 1,
			    .payload = 5000,
			    .tweak = echo4},
	      &in);
	assert_int_equal(run(LAN, &in, &out, &reason), XDP_DROP);
	assert_int_equal(reason, XGW_DROP_FRAGMENT);
	set_mtu(VLAN, 1500);
	build(&in_pieces[7], &in);
	assert_int_equal(run(LAN, &in, &out, &reason), XDP_REDIRECT);
	completes(&in_pieces[7], &in, &out);
}

static void test_pieces_refused(void **state)
{
	static struct frame in, out;
	unsigned reason;

	(void)state;
	large_attachments();
	for (size_t i = 0; i < N_PIECES; i++) {
		build(&in_pieces[i], &in);
		assert_int_equal(run(in_pieces[i].port, &in, &out, &reason), XDP_DROP);
		assert_int_equal(reason, XGW_DROP_FRAGMENT);
	}
	build(&(struct row){SITE4}, &in);
	assert_int_equal(run(LAN, &in, &out, &reason), XDP_REDIRECT);
}

static int setup_old(void **state)
{
	(void)state;
	world_open(&w, false);
	return 0;
}

static int setup(void **state)
{
	(void)state;
	world_open(&w, true);
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
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_changes),
		cmocka_unit_test(test_explanations),
		cmocka_unit_test(test_learning),
		cmocka_unit_test(test_moves),
		cmocka_unit_test(test_told),
		cmocka_unit_test(test_limit),
		cmocka_unit_test(test_full_maps),
		cmocka_unit_test(test_events),
		cmocka_unit_test(test_captures),
		cmocka_unit_test(test_every_length),
		cmocka_unit_test(test_every_byte),
		cmocka_unit_test(test_without_socket),
		cmocka_unit_test(test_partial_sum_without_socket),
		cmocka_unit_test(test_without_device),
		cmocka_unit_test(test_ike_of_one_source),
		cmocka_unit_test(test_ike_of_one_network_of_ipv6),
		cmocka_unit_test(test_ike_of_many_sources),
		cmocka_unit_test(test_unknown_port),
		cmocka_unit_test(test_pieces),
	};
	const struct CMUnitTest old_kernel[] = {cmocka_unit_test(test_pieces_refused)};

	return cmocka_run_group_tests(tests, setup, teardown) +
	       cmocka_run_group_tests(old_kernel, setup_old, teardown);
}
