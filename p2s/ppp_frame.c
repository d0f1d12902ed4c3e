/* SPDX-License-Identifier: Apache-2.0 */
#include "p2s/ppp_frame.h"

#include <errno.h>

#define ALL_STATIONS 0xff
#define UI	     0x03

int ppp_frame_read(struct bytes frame, uint16_t *protocol, struct bytes *information)
{
	struct reader r;
	reader_init(&r, frame.at, frame.len);
	/* 0xff begins no compressed protocol: those are odd and below 256, 0xff is reserved */
	if (frame.len >= 2 && frame.at[0] == ALL_STATIONS && frame.at[1] == UI)
		reader_skip(&r, 2);
	uint16_t p = reader_u8(&r);
	if (!(p & 1))
		p = (uint16_t)(p << 8 | reader_u8(&r));
	*information = reader_rest(&r);
	*protocol = p;
	/* RFC 1661 section 2: the last byte's last bit is set, the first one's clear */
	return reader_ok(&r) && p & 1 ? 0 : -EBADMSG;
}

void ppp_frame_head(struct writer *w, uint16_t protocol)
{
	writer_u8(w, ALL_STATIONS);
	writer_u8(w, UI);
	writer_u16(w, protocol);
}

bool ppp_option_next(struct reader *r, struct ppp_option *out)
{
	if (!reader_more(r))
		return false;
	const uint8_t *start = r->at;
	out->type = reader_u8(r);
	uint8_t length = reader_u8(r);
	if (length < 2)
		reader_fail(r);
	else
		out->data = reader_bytes(r, length - 2u);
	out->whole = (struct bytes){start, length};
	return reader_ok(r);
}

void ppp_option_write(struct writer *w, uint8_t type, const void *data, size_t len)
{
	writer_u8(w, type);
	writer_u8(w, (uint8_t)(len + 2));
	writer_bytes(w, data, len);
}
