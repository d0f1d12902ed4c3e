/* SPDX-License-Identifier: Apache-2.0 */
#include "base/bytes.h"

#include <string.h>

void reader_init(struct reader *r, const void *at, size_t len)
{
	r->at = at;
	r->end = len ? r->at + len : r->at;
	r->bad = false;
	r->parent = NULL;
}

bool reader_ok(const struct reader *r)
{
	return !r->bad;
}

bool reader_more(const struct reader *r)
{
	return !r->bad && r->at < r->end;
}

size_t reader_left(const struct reader *r)
{
	return r->bad ? 0 : (size_t)(r->end - r->at);
}

void reader_fail(struct reader *r)
{
	for (; r; r = r->parent) {
		r->bad = true;
		r->at = r->end;
	}
}

struct bytes reader_bytes(struct reader *r, size_t n)
{
	if (r->bad || (size_t)(r->end - r->at) < n) {
		reader_fail(r);
		return (struct bytes){NULL, 0};
	}
	struct bytes b = {r->at, n};
	if (n)
		r->at += n;
	return b;
}

uint8_t reader_u8(struct reader *r)
{
	struct bytes b = reader_bytes(r, 1);
	return b.at ? b.at[0] : 0;
}

uint16_t reader_u16(struct reader *r)
{
	struct bytes b = reader_bytes(r, 2);
	return b.at ? load_be16(b.at) : 0;
}

uint32_t reader_u24(struct reader *r)
{
	struct bytes b = reader_bytes(r, 3);
	return b.at ? (uint32_t)b.at[0] << 16 | load_be16(b.at + 1) : 0;
}

uint32_t reader_u32(struct reader *r)
{
	struct bytes b = reader_bytes(r, 4);
	return b.at ? load_be32(b.at) : 0;
}

uint64_t reader_u64(struct reader *r)
{
	struct bytes b = reader_bytes(r, 8);
	return b.at ? load_be64(b.at) : 0;
}

struct bytes reader_rest(struct reader *r)
{
	return reader_bytes(r, reader_left(r));
}

void reader_copy(struct reader *r, void *out, size_t n)
{
	struct bytes b = reader_bytes(r, n);
	if (b.at)
		memcpy(out, b.at, n);
	else
		memset(out, 0, n);
}

void reader_skip(struct reader *r, size_t n)
{
	reader_bytes(r, n);
}

struct reader reader_sub(struct reader *r, size_t n)
{
	struct bytes b = reader_bytes(r, n);
	struct reader sub;
	reader_init(&sub, b.at, b.len);
	sub.bad = r->bad;
	sub.parent = r;
	return sub;
}

struct bytes reader_tail(struct reader *r, size_t n)
{
	if (r->bad || (size_t)(r->end - r->at) < n) {
		reader_fail(r);
		return (struct bytes){NULL, 0};
	}
	if (n)
		r->end -= n;
	return (struct bytes){r->end, n};
}

void writer_init(struct writer *w, void *buffer, size_t size)
{
	w->start = w->at = buffer;
	w->end = size ? w->start + size : w->start;
	w->bad = false;
}

bool writer_ok(const struct writer *w)
{
	return !w->bad;
}

size_t writer_len(const struct writer *w)
{
	return (size_t)(w->at - w->start);
}

uint8_t *writer_take(struct writer *w, size_t n)
{
	if (w->bad || (size_t)(w->end - w->at) < n) {
		w->bad = true;
		return NULL;
	}
	uint8_t *p = w->at;
	if (n)
		w->at += n;
	return p;
}

void writer_u8(struct writer *w, uint8_t v)
{
	uint8_t *p = writer_take(w, 1);
	if (p)
		*p = v;
}

void writer_u16(struct writer *w, uint16_t v)
{
	uint8_t *p = writer_take(w, 2);
	if (p)
		store_be16(p, v);
}

void writer_u24(struct writer *w, uint32_t v)
{
	writer_u8(w, (uint8_t)(v >> 16));
	writer_u16(w, (uint16_t)v);
}

void writer_u32(struct writer *w, uint32_t v)
{
	uint8_t *p = writer_take(w, 4);
	if (p)
		store_be32(p, v);
}

void writer_u64(struct writer *w, uint64_t v)
{
	uint8_t *p = writer_take(w, 8);
	if (p)
		store_be64(p, v);
}

void writer_bytes(struct writer *w, const void *from, size_t n)
{
	uint8_t *p = writer_take(w, n);
	if (p && n)
		memcpy(p, from, n);
}

void writer_zero(struct writer *w, size_t n)
{
	uint8_t *p = writer_take(w, n);
	if (p && n)
		memset(p, 0, n);
}

struct writer_mark writer_begin_u16(struct writer *w)
{
	struct writer_mark m = {writer_len(w)};
	writer_u16(w, 0);
	return m;
}

void writer_end_u16(struct writer *w, struct writer_mark m, size_t bytes_before_mark)
{
	size_t n = writer_len(w) - m.offset + bytes_before_mark;
	if (w->bad || n > UINT16_MAX) {
		w->bad = true;
		return;
	}
	store_be16(w->start + m.offset, (uint16_t)n);
}

void writer_patch_u8(struct writer *w, size_t offset, uint8_t v)
{
	if (w->bad || offset >= writer_len(w))
		w->bad = true;
	else
		w->start[offset] = v;
}

void writer_patch_u32(struct writer *w, size_t offset, uint32_t v)
{
	if (w->bad || writer_len(w) < 4 || offset > writer_len(w) - 4)
		w->bad = true;
	else
		store_be32(w->start + offset, v);
}
