/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cursors over wire data. The cursor checks every length, its caller none: a short read sets the
 * sticky `bad` flag, moves to the end and returns 0, so that a parser reads a whole structure and
 * judges once, after reader_ok(). Integers on the wire are big endian, values returned host order.
 * Both live on the stack and own nothing.
 */
#ifndef XGW_BASE_BYTES_H
#define XGW_BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bytes {
	const uint8_t *at;
	size_t len;
};

struct reader {
	const uint8_t *at, *end;
	bool bad;
	struct reader *parent; /* a sub-reader's failure is its parent's too */
};

void reader_init(struct reader *r, const void *at, size_t len);
/* True until a read went past the end. */
bool reader_ok(const struct reader *r);
/* True while bytes are left and nothing failed: the condition of a parse loop. */
bool reader_more(const struct reader *r);
size_t reader_left(const struct reader *r);
void reader_fail(struct reader *r);
uint8_t reader_u8(struct reader *r);
uint16_t reader_u16(struct reader *r);
uint32_t reader_u24(struct reader *r);
uint32_t reader_u32(struct reader *r);
uint64_t reader_u64(struct reader *r);
/* The next n bytes, borrowed from the input; {NULL, 0} when there are fewer. */
struct bytes reader_bytes(struct reader *r, size_t n);
struct bytes reader_rest(struct reader *r);
/* n bytes into out; zeros when there are fewer. */
void reader_copy(struct reader *r, void *out, size_t n);
void reader_skip(struct reader *r, size_t n);
/* A reader bounded to the next n bytes; the outer one moves behind them. r must outlive it. */
struct reader reader_sub(struct reader *r, size_t n);
/* From the end (ESP trailers): takes the last n bytes off the input. */
struct bytes reader_tail(struct reader *r, size_t n);

/* Writes into a caller's buffer; a write that does not fit sets `bad` and writes nothing. */
struct writer {
	uint8_t *start, *at, *end;
	bool bad;
};

/* Place of a length field that writer_end_*() fills in. */
struct writer_mark {
	size_t offset;
};

void writer_init(struct writer *w, void *buffer, size_t size);
bool writer_ok(const struct writer *w);
size_t writer_len(const struct writer *w);
void writer_u8(struct writer *w, uint8_t v);
void writer_u16(struct writer *w, uint16_t v);
void writer_u24(struct writer *w, uint32_t v);
void writer_u32(struct writer *w, uint32_t v);
void writer_u64(struct writer *w, uint64_t v);
void writer_bytes(struct writer *w, const void *p, size_t n);
void writer_zero(struct writer *w, size_t n);
/* n bytes to be filled by the caller, or NULL when they do not fit. */
uint8_t *writer_take(struct writer *w, size_t n);
/*
 * Back-filled 16-bit length: begin writes a placeholder, end stores the number of bytes written
 * since the placeholder, itself included, plus the header bytes that stand before it and count too.
 */
struct writer_mark writer_begin_u16(struct writer *w);
void writer_end_u16(struct writer *w, struct writer_mark m, size_t bytes_before_mark);
void writer_patch_u8(struct writer *w, size_t offset, uint8_t v);
void writer_patch_u32(struct writer *w, size_t offset, uint32_t v);

/* Unaligned loads and stores, big endian. */
static inline uint16_t load_be16(const void *p)
{
	const uint8_t *b = p;
	return (uint16_t)(b[0] << 8 | b[1]);
}
static inline uint32_t load_be32(const void *p)
{
	const uint8_t *b = p;
	return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}
static inline uint64_t load_be64(const void *p)
{
	const uint8_t *b = p;
	return (uint64_t)load_be32(b) << 32 | load_be32(b + 4);
}
static inline void store_be16(void *p, uint16_t v)
{
	uint8_t *b = p;
	b[0] = (uint8_t)(v >> 8);
	b[1] = (uint8_t)v;
}
static inline void store_be32(void *p, uint32_t v)
{
	uint8_t *b = p;
	b[0] = (uint8_t)(v >> 24);
	b[1] = (uint8_t)(v >> 16);
	b[2] = (uint8_t)(v >> 8);
	b[3] = (uint8_t)v;
}
static inline void store_be64(void *p, uint64_t v)
{
	store_be32(p, (uint32_t)(v >> 32));
	store_be32((uint8_t *)p + 4, (uint32_t)v);
}

#endif
