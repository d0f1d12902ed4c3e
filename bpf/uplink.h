/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The way of a frame from the Internet: ESP (RFC 4303), also in UDP (RFC 3948), of an SA of ours to
 * the worker; all other ESP is dropped here, but pieces of packets: the kernel puts them together
 * and hands them to the daemon. A VXLAN attachment may be on an uplink too. The rest, IKE first of
 * all, is the kernel's; beginnings of IKE at a bounded rate (ike_rate.h).
 */
#ifndef XGW_BPF_UPLINK_H
#define XGW_BPF_UPLINK_H

#include "ike_rate.h"
#include "vnet.h"

#define ESP_SPI_SEQUENCE 8
#define NATT_PORT	 bpf_htons(4500)

static __always_inline int esp_decide(struct packet *p, __u32 esp)
{
	const __be32 *spi = packet_at(p, esp, ESP_SPI_SEQUENCE);
	struct xgw_sa_key key = {};

	if (p->ip.fragment)
		return VERDICT_PASS;
	if (!spi || esp + ESP_SPI_SEQUENCE > p->ip.end)
		return XGW_DROP_TRUNCATED;
	__builtin_memcpy(key.destination, p->ip.destination, 16);
	key.spi_be = *spi;
	p->sa = bpf_map_lookup_elem(&sas_in, &key);
	if (!p->sa)
		return XGW_DROP_UNKNOWN_SPI;
	p->esp = esp;
	p->meta_kind = XGW_META_DECRYPT;
	return VERDICT_WORKER;
}

/* UDP to port 4500: ESP, IKE behind four zero bytes, or a keepalive of one byte (RFC 3948). */
static __always_inline int natt_decide(struct packet *p, __u32 len)
{
	__u32 payload = p->ip.l4 + sizeof(struct udphdr);
	const __u8 *first = packet_at(p, payload, 1);
	const __be32 *marker = packet_at(p, payload, 4);

	if (p->ip.fragment)
		return VERDICT_PASS;
	len -= sizeof(struct udphdr);
	if (len == 1 && first && *first == 0xff)
		return XGW_DROP_NATT_KEEPALIVE;
	if (len < 4)
		return XGW_DROP_MALFORMED;
	if (!marker)
		return XGW_DROP_TRUNCATED;
	return *marker ? esp_decide(p, payload) : ike_decide(p, payload + 4);
}

static __always_inline int udp_decide(struct packet *p)
{
	const struct udphdr *udp;
	__u32 len;
	int rc;

	/* which port later fragments belong to, only the kernel can find out */
	if (p->ip.headless)
		return VERDICT_PASS;
	udp = HEADER(p, p->ip.l4, struct udphdr);
	if (!udp || p->ip.l4 + sizeof(*udp) > p->ip.end)
		return XGW_DROP_TRUNCATED;
	len = bpf_ntohs(udp->len);
	if (udp->dest == NATT_PORT) {
		if (len < sizeof(*udp) || (!p->ip.fragment && p->ip.l4 + len > p->ip.end))
			return XGW_DROP_MALFORMED;
		return natt_decide(p, len);
	}
	if (udp->dest == IKE_PORT)
		return p->ip.fragment ? VERDICT_PASS : ike_decide(p, p->ip.l4 + sizeof(*udp));
	rc = vxlan_find(p, false);
	if (rc)
		return rc;
	if (!p->in)
		return VERDICT_PASS;
	rc = parse_ip(p, p->proto, p->l3, &p->ip);
	return vnet_packet(p, rc);
}

static __always_inline int uplink_decide(struct packet *p)
{
	const struct ethhdr *eth = HEADER(p, 0, struct ethhdr);
	int rc;

	if (!eth)
		return XGW_DROP_TRUNCATED;
	p->l3 = sizeof(*eth);
	rc = parse_ip(p, eth->h_proto, p->l3, &p->ip);
	if (rc == XGW_DROP_NOT_IP)
		return VERDICT_PASS;
	if (!rc && p->ip.family == 6)
		rc = parse_extensions(p, &p->ip);
	if (rc)
		return rc;
	if (p->ip.protocol == PROTO_ESP)
		return esp_decide(p, p->ip.l4);
	return p->ip.protocol == PROTO_UDP ? udp_decide(p) : VERDICT_PASS;
}

#endif
