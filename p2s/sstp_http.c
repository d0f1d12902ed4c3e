/* SPDX-License-Identifier: Apache-2.0 */
#include "p2s/sstp_http.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#define METHOD "SSTP_DUPLEX_POST"
#define PATH   "/sra_{BA195980-CD49-458b-9E23-C84EE0ADCD75}/"
#define LENGTH "18446744073709551615" /* 2^64 - 1: it never ends */

static bool is_text(struct bytes b, const char *text)
{
	return b.len == strlen(text) && !strncasecmp((const char *)b.at, text, b.len);
}

/* Up to the next `stop`, which is skipped; all that is left when there is none. */
static struct bytes until(struct reader *r, uint8_t stop)
{
	const uint8_t *end = reader_left(r) ? memchr(r->at, stop, reader_left(r)) : NULL;
	struct bytes b = reader_bytes(r, end ? (size_t)(end - r->at) : reader_left(r));
	if (end)
		reader_skip(r, 1);
	return b;
}

static struct bytes line(struct reader *r)
{
	struct bytes b = until(r, '\n');
	if (b.len && b.at[b.len - 1] == '\r')
		b.len--;
	return b;
}

static struct bytes trim(struct bytes b)
{
	while (b.len && (b.at[0] == ' ' || b.at[0] == '\t')) {
		b.at++;
		b.len--;
	}
	while (b.len && (b.at[b.len - 1] == ' ' || b.at[b.len - 1] == '\t'))
		b.len--;
	return b;
}

static void answer(struct sstp_http *h, int status, const char *reason)
{
	if (h->status)
		return;
	h->status = status;
	h->reason = reason;
}

static void read_request_line(struct bytes b, struct sstp_http *h)
{
	struct reader r;
	reader_init(&r, b.at, b.len);
	struct bytes method = until(&r, ' '), path = until(&r, ' '), version = reader_rest(&r);
	if (!is_text(version, "HTTP/1.1") && !is_text(version, "HTTP/1.0"))
		answer(h, 400, "Bad Request");
	else if (!is_text(method, METHOD))
		answer(h, 405, "Method Not Allowed");
	else if (!is_text(path, PATH))
		answer(h, 404, "Not Found");
}

static void keep(char *out, struct bytes value)
{
	size_t n = value.len < SSTP_CORRELATION - 1 ? value.len : SSTP_CORRELATION - 1;
	for (size_t i = 0; i < n; i++)
		out[i] = value.at[i] > 0x20 && value.at[i] < 0x7f ? (char)value.at[i] : '?';
	out[n] = 0;
}

static bool read_field(struct bytes b, struct sstp_http *h)
{
	struct reader r;
	reader_init(&r, b.at, b.len);
	struct bytes name = until(&r, ':'), value = trim(reader_rest(&r));
	if (name.len == b.len || !name.len)
		answer(h, 400, "Bad Request");
	if (is_text(name, "SSTPCORRELATIONID"))
		keep(h->correlation, value);
	if (!is_text(name, "Content-Length"))
		return false;
	if (!is_text(value, LENGTH))
		answer(h, 400, "Bad Request");
	return true;
}

/* Length of all up to the empty line, with it; 0: it is not there yet. */
static size_t head_length(struct bytes in)
{
	size_t start = 0;
	for (size_t i = 0; i < in.len; i++) {
		if (in.at[i] != '\n')
			continue;
		size_t n = i - start;
		if (n == 0 || (n == 1 && in.at[start] == '\r'))
			return i + 1;
		start = i + 1;
	}
	return 0;
}

size_t sstp_http_read(struct bytes in, struct sstp_http *out)
{
	struct reader r;
	unsigned fields = 0, lengths = 0;
	size_t n = head_length(in);
	memset(out, 0, sizeof *out);
	if (n > SSTP_HTTP_MAX || (!n && in.len >= SSTP_HTTP_MAX)) {
		answer(out, 431, "Request Header Fields Too Large");
		return in.len;
	}
	if (!n)
		return 0;
	reader_init(&r, in.at, n);
	read_request_line(line(&r), out);
	for (struct bytes b = line(&r); b.len; b = line(&r)) {
		lengths += read_field(b, out);
		if (++fields > SSTP_HTTP_FIELDS)
			answer(out, 431, "Request Header Fields Too Large");
	}
	if (lengths != 1)
		answer(out, 400, "Bad Request");
	answer(out, 200, "OK");
	return n;
}

void sstp_http_answer(const struct sstp_http *h, struct writer *w)
{
	char text[SSTP_HTTP_ANSWER];
	int n = snprintf(
		text, sizeof text,
		"HTTP/1.1 %d %s\r\nContent-Length: %s\r\nServer: Microsoft-HTTPAPI/2.0\r\n%s"
		"\r\n",
		h->status, h->reason, h->status == 200 ? LENGTH : "0",
		h->status == 200 ? "" : "Connection: close\r\n");
	writer_bytes(w, text, (size_t)n);
}
