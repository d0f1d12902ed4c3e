/* SPDX-License-Identifier: Apache-2.0 */
#include "p2s/sstp_message.h"

#include <errno.h>

#define VERSION	       0x10
#define CONTROL	       0x01
#define LENGTH_MASK    0x0fff /* the bits above are reserved */
#define ATTRIBUTE_HEAD 4

int sstp_packet_read(struct bytes in, bool *is_control, struct bytes *body)
{
	if (in.len && in.at[0] != VERSION)
		return -EBADMSG;
	if (in.len < SSTP_HEADER)
		return 0;
	size_t len = load_be16(in.at + 2) & LENGTH_MASK;
	*is_control = in.at[1] & CONTROL;
	if (len < SSTP_HEADER)
		return -EBADMSG;
	if (in.len < len)
		return 0;
	*body = (struct bytes){in.at + SSTP_HEADER, len - SSTP_HEADER};
	return (int)len;
}

static bool read_attribute(struct reader *r, struct sstp_attribute *out)
{
	reader_skip(r, 1);
	out->id = reader_u8(r);
	uint16_t length = reader_u16(r) & LENGTH_MASK;
	if (length < ATTRIBUTE_HEAD)
		reader_fail(r);
	else
		out->value = reader_bytes(r, length - (size_t)ATTRIBUTE_HEAD);
	return reader_ok(r);
}

int sstp_message_read(struct bytes body, struct sstp_message *out)
{
	struct reader r;
	reader_init(&r, body.at, body.len);
	out->type = reader_u16(&r);
	out->n = reader_u16(&r);
	if (!reader_ok(&r) || out->n > SSTP_MAX_ATTRIBUTES)
		return -EBADMSG;
	for (unsigned i = 0; i < out->n; i++)
		if (!read_attribute(&r, &out->at[i]))
			return -EBADMSG;
	return reader_left(&r) ? -EBADMSG : 0;
}

const struct sstp_attribute *sstp_attribute_find(const struct sstp_message *m,
						 enum sstp_attribute_id id)
{
	const struct sstp_attribute *found = NULL;
	for (unsigned i = 0; i < m->n; i++) {
		if (m->at[i].id != id)
			continue;
		if (found)
			return NULL;
		found = &m->at[i];
	}
	return found;
}

/* ---- ours ---- */

void sstp_data_head(uint8_t out[SSTP_HEADER], size_t len)
{
	out[0] = VERSION;
	out[1] = 0;
	store_be16(out + 2, (uint16_t)(len + SSTP_HEADER));
}

static struct writer_mark begin(struct writer *w, enum sstp_type type, uint16_t attributes)
{
	writer_u8(w, VERSION);
	writer_u8(w, CONTROL);
	struct writer_mark length = writer_begin_u16(w);
	writer_u16(w, (uint16_t)type);
	writer_u16(w, attributes);
	return length;
}

static struct writer_mark begin_attribute(struct writer *w, enum sstp_attribute_id id)
{
	writer_u8(w, 0);
	writer_u8(w, (uint8_t)id);
	return writer_begin_u16(w);
}

void sstp_write_empty(struct writer *w, enum sstp_type type)
{
	writer_end_u16(w, begin(w, type, 0), 2);
}

void sstp_write_connect_ack(struct writer *w, uint8_t hashes, const uint8_t nonce[SSTP_NONCE])
{
	struct writer_mark packet = begin(w, SSTP_CALL_CONNECT_ACK, 1);
	struct writer_mark attribute = begin_attribute(w, SSTP_CRYPTO_BINDING_REQUEST);
	writer_zero(w, 3);
	writer_u8(w, hashes);
	writer_bytes(w, nonce, SSTP_NONCE);
	writer_end_u16(w, attribute, 2);
	writer_end_u16(w, packet, 2);
}

void sstp_write_status(struct writer *w, enum sstp_type type, enum sstp_attribute_id about,
		       enum sstp_status status)
{
	struct writer_mark packet = begin(w, type, 1);
	struct writer_mark attribute = begin_attribute(w, SSTP_STATUS_INFO);
	writer_zero(w, 3);
	writer_u8(w, (uint8_t)about);
	writer_u32(w, (uint32_t)status);
	writer_end_u16(w, attribute, 2);
	writer_end_u16(w, packet, 2);
}
