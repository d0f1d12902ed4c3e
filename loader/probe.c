/* SPDX-License-Identifier: Apache-2.0 */
#include "loader/probe.h"

#include "base/bytes.h"
#include "maps/layout.h"

#define ETHERTYPE_IPV4 0x0800
#define ETHERTYPE_IPV6 0x86dd
#define ETHERTYPE_VLAN 0x8100
#define IP_UDP	       17

static void put_ethernet(struct writer *w, const uint8_t to[6], uint16_t vlan, uint8_t family)
{
	static const uint8_t from[6] = {0x02, 0, 0, 0, 0, 0x01};
	writer_bytes(w, to, 6);
	writer_bytes(w, from, 6);
	if (vlan) {
		writer_u16(w, ETHERTYPE_VLAN);
		writer_u16(w, vlan);
	}
	writer_u16(w, family == IP_V4 ? ETHERTYPE_IPV4 : ETHERTYPE_IPV6);
}

static uint16_t header_checksum(const uint8_t *h)
{
	uint32_t sum = 0;
	for (int i = 0; i < 20; i += 2)
		sum += load_be16(h + i);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

static void put_ip(struct writer *w, const struct ip_addr *from, const struct ip_addr *to,
		   uint16_t payload)
{
	uint8_t *start = w->at;
	if (to->family == IP_V6) {
		writer_u32(w, 0x60000000);
		writer_u16(w, payload);
		writer_u8(w, IP_UDP);
		writer_u8(w, 64);
		writer_bytes(w, from->b, 16);
		writer_bytes(w, to->b, 16);
		return;
	}
	writer_u16(w, 0x4500);
	writer_u16(w, (uint16_t)(20 + payload));
	writer_u32(w, 0); /* identification, no fragment */
	writer_u8(w, 64);
	writer_u8(w, IP_UDP);
	writer_u16(w, 0);
	writer_bytes(w, from->b, 4);
	writer_bytes(w, to->b, 4);
	if (writer_ok(w))
		store_be16(start + 10, header_checksum(start));
}

/* Without a checksum where IPv4 allows it; the programs look at no UDP checksum of a probe. */
static void put_udp(struct writer *w, uint16_t to, uint16_t payload)
{
	writer_u16(w, 33434);
	writer_u16(w, to);
	writer_u16(w, (uint16_t)(8 + payload));
	writer_u16(w, 0);
}

static uint16_t ip_header(const struct ip_addr *a)
{
	return a->family == IP_V4 ? 20 : 40;
}

size_t probe_frame(uint8_t out[PROBE_FRAME], const struct probe *p)
{
	struct writer w;
	uint16_t inner = (uint16_t)(ip_header(&p->to) + 8);
	if (p->from.family != p->to.family || !p->to.family)
		return 0;
	writer_init(&w, out, PROBE_FRAME);
	if (p->kind == XGW_TAG_VXLAN) {
		if (p->from_vtep.family != p->to_vtep.family || !p->to_vtep.family)
			return 0;
		put_ethernet(&w, p->to_mac, 0, p->to_vtep.family);
		put_ip(&w, &p->from_vtep, &p->to_vtep, (uint16_t)(8 + 8 + 14 + inner));
		put_udp(&w, p->vxlan_port, (uint16_t)(8 + 14 + inner));
		writer_u32(&w, 0x08000000); /* the network identifier is valid */
		writer_u32(&w, p->tag << 8);
	}
	put_ethernet(&w, p->to_mac, p->kind == XGW_TAG_VLAN ? (uint16_t)p->tag : 0, p->to.family);
	put_ip(&w, &p->from, &p->to, 8);
	put_udp(&w, 9, 0);
	return writer_ok(&w) ? writer_len(&w) : 0;
}
