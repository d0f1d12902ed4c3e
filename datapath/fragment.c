/* SPDX-License-Identifier: Apache-2.0 */
/* IPv4 packets that are too big for what they go into, and may be fragmented (RFC 791 section 3.2).
 */
#include "base/bytes.h"
#include "datapath/datapath_internal.h"

#include <string.h>

#define DONT_FRAGMENT  0x4000u
#define MORE_FRAGMENTS 0x2000u
#define OFFSET_MASK    0x1fffu
#define OPTION_END     0
#define OPTION_NOP     1
#define OPTION_COPIED  0x80

bool fragment_allowed(const uint8_t *ip)
{
	return ip[0] >> 4 == 4 && !(load_be16(ip + 6) & DONT_FRAGMENT);
}

/* Options that belong to the first fragment alone become no-operations, so that lengths stay. */
static void blank_options(uint8_t *at, uint32_t len)
{
	for (uint32_t i = 0; i < len && at[i] != OPTION_END;) {
		uint32_t n = at[i] == OPTION_NOP ? 1 : i + 1 < len ? at[i + 1] : 0;
		if (!n || n > len - i || (n < 2 && at[i] != OPTION_NOP))
			return;
		if (!(at[i] & OPTION_COPIED))
			memset(at + i, OPTION_NOP, n);
		i += n;
	}
}

static void finish_header(uint8_t *ip, uint32_t head, uint32_t len, uint16_t offset)
{
	uint32_t sum = 0;
	store_be16(ip + 2, (uint16_t)len);
	store_be16(ip + 6, offset);
	store_be16(ip + 10, 0);
	for (uint32_t i = 0; i < head; i += 2)
		sum += load_be16(ip + i);
	sum = (sum & 0xffff) + (sum >> 16);
	store_be16(ip + 10, (uint16_t) ~((sum & 0xffff) + (sum >> 16)));
}

enum xgw_drop fragment_split(struct worker *w, struct packet *head, struct packet *rest,
			     uint32_t mtu)
{
	uint8_t *ip = head->at;
	uint32_t header = (ip[0] & 15) * 4u, keep = mtu > header ? (mtu - header) & ~7u : 0;
	uint16_t was = load_be16(ip + 6), more = was & MORE_FRAGMENTS;
	if (!keep || head->len - header <= keep)
		return XGW_DROP_TOO_BIG;
	*rest = *head;
	if (!frames_take_for(&w->frames, head->len - keep, &rest->frame)) {
		w->status.no_frame++;
		return XGW_DROP_NO_BUFFER;
	}
	rest->at = frame_start(w, rest->frame) + FRAME_HEADROOM;
	rest->len = head->len - keep;
	memcpy(rest->at, ip, header);
	memcpy(rest->at + header, ip + header + keep, rest->len - header);
	head->len = header + keep;
	/* an offset past 13 bits would be a packet of more than 64 KiB, which no length says */
	uint16_t offset = (uint16_t)((was & OFFSET_MASK) + keep / 8) & OFFSET_MASK;
	if (!(was & OFFSET_MASK))
		blank_options(rest->at + 20, header - 20);
	finish_header(rest->at, header, rest->len, offset | more);
	finish_header(ip, header, head->len, (was & OFFSET_MASK) | MORE_FRAGMENTS);
	return XGW_DROP_NONE;
}
