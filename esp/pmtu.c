/* SPDX-License-Identifier: Apache-2.0 */
/* Sizes: what fits through a tunnel, and what is said to senders of what does not. */
#include "esp/sa.h"

#include "base/bytes.h"
#include "esp/checksum.h"

#include <string.h>

#define PROTO_ICMP   1
#define PROTO_TCP    6
#define PROTO_UDP    17
#define PROTO_ICMPV6 58

#define TOO_BIG_V6 2

#define TCP_SYN	    0x02
#define TCP_OPT_END 0
#define TCP_OPT_NOP 1
#define TCP_OPT_MSS 2

#define ICMP4_QUOTE_TOTAL 576  /* RFC 1812 section 4.3.2.3: an ICMP error is at most this long */
#define ICMP6_QUOTE_TOTAL 1280 /* RFC 4443 section 2.4 (c) */

uint32_t esp_outer_size(const struct esp_sa *sa, uint32_t inner_len)
{
	const struct esp_out *o = &sa->out;
	uint32_t padded = (inner_len + 2 + o->block_mask) & ~(uint32_t)o->block_mask;
	return o->head_len + padded + o->icv_bytes;
}

uint32_t esp_inner_mtu(const struct esp_sa *sa, uint32_t outer_mtu)
{
	const struct esp_out *o = &sa->out;
	uint32_t fixed = (uint32_t)o->head_len + o->icv_bytes;
	if (outer_mtu > UINT16_MAX)
		outer_mtu = UINT16_MAX;
	if (outer_mtu < fixed)
		return 0;
	uint32_t padded = (outer_mtu - fixed) & ~(uint32_t)o->block_mask;
	return padded > 2 ? padded - 2 : 0;
}

/* ---- the transport segment of an unfragmented packet ---- */

struct segment {
	uint8_t *at;
	uint32_t len;
	uint8_t protocol;
	uint64_t pseudo; /* sum of addresses, protocol and length (RFC 9293 section 3.1) */
};

static bool segment_v4(struct segment *s, uint8_t *ip, uint32_t len)
{
	uint32_t head = (ip[0] & 15u) * 4, total = load_be16(ip + 2);
	if (head < 20 || total < head || total > len || load_be16(ip + 6) & 0x3fff)
		return false;
	s->at = ip + head;
	s->len = total - head;
	s->protocol = ip[9];
	s->pseudo = checksum_add(s->protocol + s->len, ip + 12, 8);
	return true;
}

/* Only hop-by-hop and destination options may stand in front: with a routing header the destination
 * differs. */
static bool segment_v6(struct segment *s, uint8_t *ip, uint32_t len)
{
	if (len < 40 || load_be16(ip + 4) > len - 40)
		return false;
	uint32_t at = 40, end = 40u + load_be16(ip + 4);
	uint8_t next = ip[6];
	while (next == 0 || next == 60) {
		if (end - at < 8 || (ip[at + 1] + 1u) * 8 > end - at)
			return false;
		next = ip[at];
		at += (ip[at + 1] + 1u) * 8;
	}
	s->at = ip + at;
	s->len = end - at;
	s->protocol = next;
	s->pseudo = checksum_add(s->protocol + s->len, ip + 8, 32);
	return true;
}

static bool find_segment(struct segment *s, uint8_t *ip, uint32_t len)
{
	if (len < 20)
		return false;
	return ip[0] >> 4 == 4 ? segment_v4(s, ip, len) : ip[0] >> 4 == 6 && segment_v6(s, ip, len);
}

/* ---- TCP ---- */

/* The MSS option's value within a TCP header, or NULL. */
static uint8_t *find_mss(uint8_t *tcp, uint32_t head)
{
	for (uint32_t i = 20; i < head;) {
		uint8_t kind = tcp[i];
		if (kind == TCP_OPT_END)
			break;
		if (kind == TCP_OPT_NOP) {
			i++;
			continue;
		}
		if (head - i < 2 || tcp[i + 1] < 2 || tcp[i + 1] > head - i)
			break;
		if (kind == TCP_OPT_MSS && tcp[i + 1] == 4)
			return tcp + i + 2;
		i += tcp[i + 1];
	}
	return NULL;
}

static void set_mss(uint8_t *tcp, uint8_t *mss, uint16_t value)
{
	uint16_t check = load_be16(tcp + 16);
	/* an option at an odd offset lies across two words of the sum: byte order of both swaps */
	bool odd = (mss - tcp) & 1;
	uint16_t was = load_be16(mss);
	uint16_t from = odd ? __builtin_bswap16(was) : was;
	uint16_t to = odd ? __builtin_bswap16(value) : value;
	store_be16(mss, value);
	store_be16(tcp + 16, checksum_change(check, from, to));
}

bool esp_clamp_mss(uint8_t *ip, uint32_t len, uint32_t mtu)
{
	struct segment s;
	if (!find_segment(&s, ip, len) || s.protocol != PROTO_TCP || s.len < 20 ||
	    !(s.at[13] & TCP_SYN))
		return false;
	uint32_t head = (s.at[12] >> 4) * 4u, headers = (ip[0] >> 4 == 4 ? 20 : 40) + 20;
	if (head < 20 || head > s.len || mtu <= headers)
		return false;
	uint8_t *mss = find_mss(s.at, head);
	uint32_t most = mtu - headers;
	if (!mss || load_be16(mss) <= most)
		return false;
	set_mss(s.at, mss, (uint16_t)most);
	return true;
}

/* ---- checksums that a sender left to its NIC ---- */

bool esp_complete_checksum(uint8_t *ip, uint32_t len)
{
	struct segment s;
	if (!find_segment(&s, ip, len))
		return false;
	uint32_t field = s.protocol == PROTO_TCP ? 16 : 6;
	uint32_t least = s.protocol == PROTO_TCP ? 20 : 8;
	if ((s.protocol != PROTO_TCP && s.protocol != PROTO_UDP) || s.len < least)
		return false;
	uint16_t found = load_be16(s.at + field);
	if (found != checksum_fold(s.pseudo))
		return false;
	uint64_t sum = checksum_add(0, s.at, s.len);
	if (checksum_fold(s.pseudo + sum) == 0xffff)
		return false; /* complete, and equal by chance */
	uint16_t check = (uint16_t)~checksum_fold(sum);
	if (!check && s.protocol == PROTO_UDP)
		check = 0xffff;
	store_be16(s.at + field, check);
	return true;
}

/* ---- "too big" ---- */

bool esp_dont_fragment(const uint8_t *ip, uint32_t len)
{
	return len >= 20 && (ip[0] >> 4 == 6 || (ip[0] >> 4 == 4 && ip[6] & 0x40));
}

static bool is_one_host_v4(const uint8_t *a)
{
	return a[0] != 0 && a[0] != 127 && a[0] < 224;
}

/* RFC 1122 section 3.2.2: no error about an error, a later fragment, a multicast, or from nobody.
 */
static bool may_answer_v4(const uint8_t *ip, uint32_t len)
{
	uint32_t head = (ip[0] & 15u) * 4;
	if (head < 20 || head > len || load_be16(ip + 6) & 0x1fff)
		return false;
	if (!is_one_host_v4(ip + 12) || ip[16] >= 224)
		return false;
	if (ip[9] != PROTO_ICMP)
		return true;
	if (len - head < 1)
		return false;
	switch (ip[head]) {
	case 0:	 /* echo reply */
	case 8:	 /* echo */
	case 13: /* timestamp */
	case 14: return true;
	default: return false;
	}
}

/* What an ICMP error says, besides the packet it quotes. */
struct error {
	uint8_t type, code;
	uint32_t word; /* behind the checksum */
};

static uint32_t error_v4(uint8_t *out, uint32_t room, const uint8_t *ip, uint32_t len,
			 const struct error *e, const struct ip_addr *source)
{
	uint32_t total = 20 + 8 + len;
	if (!may_answer_v4(ip, len))
		return 0;
	if (total > ICMP4_QUOTE_TOTAL)
		total = ICMP4_QUOTE_TOTAL;
	if (total > room)
		total = room;
	if (total < 28u + 20 + 8)
		return 0;
	memset(out, 0, 28);
	out[0] = 0x45;
	out[1] = 0xc0; /* RFC 1812 section 4.3.2.5: precedence 6 */
	store_be16(out + 2, (uint16_t)total);
	out[6] = 0x40;
	out[8] = 64;
	out[9] = PROTO_ICMP;
	memcpy(out + 12, source->b, 4);
	memcpy(out + 16, ip + 12, 4);
	store_be16(out + 10, (uint16_t)~checksum_fold(checksum_add(0, out, 20)));
	out[20] = e->type;
	out[21] = e->code;
	store_be32(out + 24, e->word);
	memcpy(out + 28, ip, total - 28);
	store_be16(out + 22, (uint16_t)~checksum_fold(checksum_add(0, out + 20, total - 20)));
	return total;
}

/* RFC 4443 section 2.4 (e): to a multicast destination only "too big" is answered. */
static bool may_answer_v6(const uint8_t *ip, uint32_t len, uint8_t type_of_answer)
{
	static const uint8_t zero[16];
	struct esp_flow f;
	if (ip[8] == 0xff || !memcmp(ip + 8, zero, 16))
		return false;
	if (ip[24] == 0xff && type_of_answer != TOO_BIG_V6)
		return false;
	if (esp_flow_parse(&f, ip, len))
		return false;
	unsigned type = f.source_port >> 8;
	return f.protocol != PROTO_ICMPV6 || f.no_ports || (type >= 128 && type != 137);
}

static uint32_t error_v6(uint8_t *out, uint32_t room, const uint8_t *ip, uint32_t len,
			 const struct error *e, const struct ip_addr *source)
{
	if (len < 40 || !may_answer_v6(ip, len, e->type))
		return 0;
	uint32_t total = 40 + 8 + len;
	if (total > ICMP6_QUOTE_TOTAL)
		total = ICMP6_QUOTE_TOTAL;
	if (total > room)
		total = room;
	if (total < 48 + 40)
		return 0;
	memset(out, 0, 48);
	out[0] = 0x60;
	store_be16(out + 4, (uint16_t)(total - 40));
	out[6] = PROTO_ICMPV6;
	out[7] = 64;
	memcpy(out + 8, source->b, 16);
	memcpy(out + 24, ip + 8, 16);
	out[40] = e->type;
	out[41] = e->code;
	store_be32(out + 44, e->word);
	memcpy(out + 48, ip, total - 48);
	uint64_t sum = checksum_add(PROTO_ICMPV6 + (total - 40), out + 8, 32);
	store_be16(out + 42, (uint16_t)~checksum_fold(checksum_add(sum, out + 40, total - 40)));
	return total;
}

static uint32_t answer(uint8_t *out, uint32_t room, const uint8_t *ip, uint32_t len,
		       const struct error *v4, const struct error *v6, const struct ip_addr *source)
{
	if (len < 20)
		return 0;
	if (ip[0] >> 4 == 4 && source->family == IP_V4)
		return error_v4(out, room, ip, len, v4, source);
	if (ip[0] >> 4 == 6 && source->family == IP_V6)
		return error_v6(out, room, ip, len, v6, source);
	return 0;
}

uint32_t esp_too_big(uint8_t *out, uint32_t room, const uint8_t *ip, uint32_t len, uint32_t mtu,
		     const struct ip_addr *source)
{
	const struct error v4 = {3, 4, mtu > UINT16_MAX ? UINT16_MAX : mtu};
	const struct error v6 = {TOO_BIG_V6, 0, mtu};
	return answer(out, room, ip, len, &v4, &v6, source);
}

uint32_t esp_time_exceeded(uint8_t *out, uint32_t room, const uint8_t *ip, uint32_t len,
			   const struct ip_addr *source)
{
	static const struct error v4 = {11, 0, 0}, v6 = {3, 0, 0};
	return answer(out, room, ip, len, &v4, &v6, source);
}
