/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cutting IPv4 packets before ESP (RFC 791 section 3.2). The input is an MTU and a packet, as a
 * host of a VNet sends it. Every piece must fit, have a right header and leave the sender's
 * options in place; together they are the packet again, and no frame is lost.
 */
#include "base/bytes.h"
#include "datapath/datapath_internal.h"
#include "esp/checksum.h"
#include "esp/esp.h"

#include <stdlib.h>
#include <string.h>

#define FRAMES	       16u
#define MORE	       0x2000u
#define OFFSET	       0x1fffu
#define MUST(is_right) ((is_right) ? (void)0 : abort())

int LLVMFuzzerTestOneInput(const uint8_t *in, size_t size);

static void check_piece(const struct packet *p, const uint8_t *whole, uint32_t done, uint32_t mtu,
			bool is_last)
{
	const uint8_t *ip = p->at;
	uint32_t header = (ip[0] & 15) * 4u;
	uint16_t was = load_be16(whole + 6), at = load_be16(ip + 6);
	MUST(header == (whole[0] & 15) * 4u);
	MUST(p->len == load_be16(ip + 2) && p->len >= header);
	MUST(p->len <= mtu || is_last);
	MUST(is_last || (p->len - header) % 8 == 0);
	MUST(checksum_fold(checksum_add(0, ip, header)) == 0xffff);
	MUST((at & OFFSET) == (((was & OFFSET) + done / 8) & OFFSET));
	MUST(!!(at & MORE) == (!is_last || (was & MORE)));
	MUST(!memcmp(ip + 4, whole + 4, 2) && !memcmp(ip + 8, whole + 8, 2));
	MUST(!memcmp(ip + 12, whole + 12, 8));
	MUST(!memcmp(ip + header, whole + header + done, p->len - header));
}

static void cut(struct worker *w, struct packet *p, const uint8_t *whole, uint32_t mtu)
{
	uint32_t header = (whole[0] & 15) * 4u, done = 0, len = p->len;
	struct packet rest;
	while (p->len > mtu) {
		enum xgw_drop drop = fragment_split(w, p, &rest, mtu);
		if (drop == XGW_DROP_NO_BUFFER)
			MUST(!w->frames.n_free);
		if (drop != XGW_DROP_NONE)
			break;
		check_piece(p, whole, done, mtu, false);
		done += p->len - header;
		frames_give(&w->frames, p->frame);
		*p = rest;
	}
	check_piece(p, whole, done, mtu, true);
	MUST(done + p->len == len);
	frames_give(&w->frames, p->frame);
}

int LLVMFuzzerTestOneInput(const uint8_t *in, size_t size)
{
	static uint8_t area[FRAMES * FRAME_SIZE];
	static uint64_t stack[FRAMES];
	static struct worker w;
	struct esp_flow flow;
	if (size < 2 + 20 || size - 2 > FRAME_SIZE - 2 * FRAME_HEADROOM)
		return 0;
	uint32_t mtu = load_be16(in) % 1600, len = (uint32_t)size - 2;
	uint8_t *whole = malloc(len);
	MUST(whole);
	memcpy(whole, in + 2, len);
	/* a fuzzer would hardly find the right ones */
	store_be16(whole + 2, (uint16_t)len);
	store_be16(whole + 10, 0);
	uint32_t header = (whole[0] & 15) * 4u;
	if (header >= 20 && header <= len)
		store_be16(whole + 10, (uint16_t)~checksum_fold(checksum_add(0, whole, header)));
	if (esp_flow_parse(&flow, whole, len) == XGW_DROP_NONE && fragment_allowed(whole)) {
		w.frames = (struct frames){.area = area,
					   .bytes = sizeof area,
					   .umem_bytes = sizeof area,
					   .free = stack};
		for (w.frames.n = 0; w.frames.n < FRAMES; w.frames.n++)
			frames_give(&w.frames, (uint64_t)w.frames.n * FRAME_SIZE);
		struct packet p = {.len = len};
		MUST(frames_take(&w.frames, &p.frame));
		p.at = area + p.frame + FRAME_HEADROOM;
		memcpy(p.at, whole, len);
		cut(&w, &p, whole, mtu);
		MUST(w.frames.n_free == FRAMES);
	}
	free(whole);
	return 0;
}
