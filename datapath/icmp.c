/* SPDX-License-Identifier: Apache-2.0 */
/* What the gateway itself says inside a VNet: "too big", "time exceeded", echo replies; and small
 * looks at IP headers. */
#include "base/bytes.h"
#include "base/instant.h"
#include "datapath/datapath_internal.h"

#include <string.h>

#define ICMP_ROOM 1280u
#define OWN_TTL	  64 /* RFC 1700: of what starts here */

uint32_t ip_length(const uint8_t *ip, uint32_t room)
{
	if (room >= 20 && ip[0] >> 4 == 4) {
		uint32_t n = load_be16(ip + 2);
		return n >= 20 && n <= room && (ip[0] & 15) >= 5 && (ip[0] & 15) * 4u <= n ? n : 0;
	}
	if (room >= 40 && ip[0] >> 4 == 6) {
		uint32_t n = 40u + load_be16(ip + 4);
		return n <= room ? n : 0;
	}
	return 0;
}

struct ip_addr ip_destination(const uint8_t *ip)
{
	return ip[0] >> 4 == 4 ? ip_addr_from_bytes(IP_V4, ip + 16)
			       : ip_addr_from_bytes(IP_V6, ip + 24);
}

struct ip_addr ip_source(const uint8_t *ip)
{
	return ip[0] >> 4 == 4 ? ip_addr_from_bytes(IP_V4, ip + 12)
			       : ip_addr_from_bytes(IP_V6, ip + 8);
}

enum xgw_drop ip_decrement_ttl(uint8_t *ip)
{
	if (ip[0] >> 4 == 6) {
		if (ip[7] <= 1)
			return XGW_DROP_TTL;
		ip[7]--;
		return XGW_DROP_NONE;
	}
	if (ip[8] <= 1)
		return XGW_DROP_TTL;
	ip[8]--;
	/* RFC 1624 for a change of 0x0100 */
	uint32_t sum = load_be16(ip + 10) + 0x0100u;
	store_be16(ip + 10, (uint16_t)(sum + (sum >= 0xffff)));
	return XGW_DROP_NONE;
}

static bool may_answer(struct worker *w)
{
	uint64_t second = w->now_ns / NS_PER_S;
	if (w->icmp_second != second) {
		w->icmp_second = second;
		w->icmp_sent = 0;
	}
	return w->icmp_sent++ < ICMP_PER_SECOND;
}

/* A frame for an answer to a packet, from the gateway's address `ours`; false: none may be sent. */
static bool begin(struct worker *w, const struct packet *p, struct packet *answer,
		  struct ip_addr *ours)
{
	*answer = (struct packet){.vnet = p->vnet, .connection = p->connection, .aged = true};
	if (!may_answer(w) || !decide_own_address(w, p->vnet, p->at[0] >> 4, ours))
		return false;
	if (!frames_take(&w->frames, &answer->frame)) {
		w->status.no_frame++;
		return false;
	}
	answer->at = frame_start(w, answer->frame) + FRAME_HEADROOM;
	return true;
}

static void finish(struct worker *w, struct packet *answer)
{
	if (answer->len)
		inbound_deliver(w, answer);
	else
		frames_give(&w->frames, answer->frame);
}

void icmp_too_big(struct worker *w, const struct packet *p, uint32_t mtu)
{
	struct ip_addr ours;
	struct packet answer;
	if (!begin(w, p, &answer, &ours))
		return;
	answer.len = esp_too_big(answer.at, ICMP_ROOM, p->at, p->len, mtu, &ours);
	finish(w, &answer);
}

void icmp_time_exceeded(struct worker *w, const struct packet *p)
{
	struct ip_addr ours;
	struct packet answer;
	if (!begin(w, p, &answer, &ours))
		return;
	answer.len = esp_time_exceeded(answer.at, ICMP_ROOM, p->at, p->len, &ours);
	finish(w, &answer);
}

/* The answer's way begins here, so its TTL does too. */
static void fresh_ttl(uint8_t *ip)
{
	if (ip[0] >> 4 == 6) {
		ip[7] = OWN_TTL;
		return;
	}
	/* RFC 1624 */
	uint32_t sum = (uint16_t)~load_be16(ip + 10) + (uint16_t) ~(ip[8] << 8) + (OWN_TTL << 8);
	sum = (sum & 0xffff) + (sum >> 16);
	store_be16(ip + 10, (uint16_t) ~((sum & 0xffff) + (sum >> 16)));
	ip[8] = OWN_TTL;
}

bool icmp_answer_echo(struct packet *p)
{
	uint8_t *ip = p->at;
	bool v4 = ip[0] >> 4 == 4;
	uint32_t head = v4 ? (ip[0] & 15) * 4u : 40;
	uint8_t next = v4 ? ip[9] : ip[6];
	if (next != (v4 ? 1 : 58) || p->len < head + 8 || ip[head] != (v4 ? 8 : 128))
		return false;
	if (v4 && load_be16(ip + 6) & 0x3fff)
		return false; /* a fragment: the reply would need reassembly */
	uint8_t reply = v4 ? 0 : 129, swap[16];
	uint32_t sum = (uint16_t)~load_be16(ip + head + 2) + (uint16_t) ~(ip[head] << 8) +
		       (uint32_t)(reply << 8);
	sum = (sum & 0xffff) + (sum >> 16);
	store_be16(ip + head + 2, (uint16_t) ~((sum & 0xffff) + (sum >> 16)));
	ip[head] = reply;
	uint32_t n = v4 ? 4 : 16, from = v4 ? 12 : 8;
	memcpy(swap, ip + from, n);
	memcpy(ip + from, ip + from + n, n);
	memcpy(ip + from + n, swap, n);
	fresh_ttl(ip);
	p->aged = true;
	return true;
}
