/* SPDX-License-Identifier: Apache-2.0 */
/* The bytes of SSTP: its HTTP request, packets and attributes, PPP frames and options, and the
 * crypto binding. Checklist E 28 and 29. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "p2s/ppp_frame.h"
#include "p2s/sstp_binding.h"
#include "p2s/sstp_http.h"

#include <errno.h>
#include <string.h>

#define POST	"SSTP_DUPLEX_POST /sra_{BA195980-CD49-458b-9E23-C84EE0ADCD75}/ HTTP/1.1\r\n"
#define FOREVER "Content-Length: 18446744073709551615\r\n"

/* ---- HTTP ---- */

static struct sstp_http http(const char *text, size_t taken)
{
	struct sstp_http h;
	assert_int_equal(sstp_http_read((struct bytes){(const uint8_t *)text, strlen(text)}, &h),
			 taken);
	return h;
}

static int status_of(const char *text)
{
	return http(text, strlen(text)).status;
}

static void a_request_of_windows(void **state)
{
	(void)state;
	const char *text = POST "SSTPCORRELATIONID: {0C38434F-AA00}\r\n" FOREVER
				"Host: gw.example.org\r\n\r\n";
	struct sstp_http h = http(text, strlen(text));
	uint8_t room[SSTP_HTTP_ANSWER];
	struct writer w;
	assert_int_equal(h.status, 200);
	assert_string_equal(h.correlation, "{0C38434F-AA00}");
	writer_init(&w, room, sizeof room);
	sstp_http_answer(&h, &w);
	assert_true(writer_ok(&w));
	assert_memory_equal(room, "HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551615\r\n",
			    54);
	assert_memory_equal(room + writer_len(&w) - 4, "\r\n\r\n", 4);
	/* what follows the request is not the request's */
	assert_int_equal(http(POST FOREVER "\r\n\x10\x01", strlen(POST FOREVER) + 2).status, 200);
}

/* SECURITY E28: lengths of a request, and whatever else asks. */
static void requests_of_others(void **state)
{
	char text[SSTP_HTTP_MAX + 100] = POST;
	(void)state;
	assert_int_equal(status_of("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), 405);
	assert_int_equal(status_of("SSTP_DUPLEX_POST / HTTP/1.1\r\n" FOREVER "\r\n"), 404);
	assert_int_equal(status_of(POST "Content-Length: 0\r\n\r\n"), 400);
	assert_int_equal(status_of(POST FOREVER FOREVER "\r\n"), 400);
	assert_int_equal(status_of(POST "Host: x\r\n\r\n"), 400);
	assert_int_equal(status_of(POST FOREVER "no colon\r\n\r\n"), 400);
	assert_int_equal(status_of(POST FOREVER ": no name\r\n\r\n"), 400);
	assert_int_equal(status_of("\r\n"), 400);
	assert_int_equal(status_of("\x16\x03\x01\n\n"), 400);
	/* not whole: nothing yet */
	assert_int_equal(http(POST FOREVER, 0).status, 0);
	/* too many fields */
	for (int i = 0; i < SSTP_HTTP_FIELDS + 1; i++)
		strcat(text, "a: b\r\n");
	strcat(text, "\r\n");
	assert_int_equal(status_of(text), 431);
	/* never ends */
	memset(text, 'a', sizeof text - 1);
	text[SSTP_HTTP_MAX] = 0;
	assert_int_equal(status_of(text), 431);
}

/* ---- packets ---- */

/* SECURITY E28: lengths of 12 bits, of attributes, and their number. */
static void packets(void **state)
{
	static const uint8_t data[] = {0x10, 0, 0, 6, 1, 2, 0x10};
	static const uint8_t reserved[] = {0x10, 0xfe, 0xf0, 4};
	static const uint8_t other[] = {0x20, 0, 0, 4};
	static const uint8_t shorter[] = {0x10, 1, 0, 3};
	bool control;
	struct bytes body;
	(void)state;
	for (size_t n = 0; n < 6; n++)
		assert_int_equal(sstp_packet_read((struct bytes){data, n}, &control, &body), 0);
	assert_int_equal(sstp_packet_read((struct bytes){data, 7}, &control, &body), 6);
	assert_false(control);
	assert_int_equal(body.len, 2);
	/* reserved bits mean nothing, lengths have 12 bits */
	assert_int_equal(sstp_packet_read((struct bytes){reserved, 4}, &control, &body), 4);
	assert_false(control);
	assert_int_equal(sstp_packet_read((struct bytes){other, 1}, &control, &body), -EBADMSG);
	assert_int_equal(sstp_packet_read((struct bytes){shorter, 4}, &control, &body), -EBADMSG);
}

static int message(const void *bytes, size_t n, struct sstp_message *m)
{
	return sstp_message_read((struct bytes){bytes, n}, m);
}

static void attributes(void **state)
{
	static const uint8_t request[] = {0, 1, 0, 1, 0, 1, 0, 6, 0, 1};
	static const uint8_t none[] = {0, 8, 0, 0};
	static const uint8_t more_than_there_are[] = {0, 1, 0, 2, 0, 1, 0, 6, 0, 1};
	static const uint8_t fewer[] = {0, 1, 0, 0, 0, 1, 0, 6, 0, 1};
	static const uint8_t length_3[] = {0, 1, 0, 1, 0, 1, 0, 3, 0, 1};
	static const uint8_t length_0[] = {0, 1, 0, 1, 0, 1, 0, 0, 0, 1};
	static const uint8_t too_long[] = {0, 1, 0, 1, 0, 1, 0, 7, 0, 1};
	static const uint8_t twice[] = {0, 1, 0, 2, 0, 1, 0, 4, 0, 1, 0, 4};
	static const uint8_t many[] = {0, 1, 0xff, 0xff};
	struct sstp_message m;
	(void)state;
	assert_int_equal(message(request, sizeof request, &m), 0);
	assert_int_equal(m.type, SSTP_CALL_CONNECT_REQUEST);
	assert_int_equal(sstp_attribute_find(&m, SSTP_ENCAPSULATED_PROTOCOL)->value.len, 2);
	assert_null(sstp_attribute_find(&m, SSTP_CRYPTO_BINDING));
	assert_int_equal(message(none, sizeof none, &m), 0);
	assert_int_equal(message(none, 3, &m), -EBADMSG);
	assert_int_equal(message(more_than_there_are, sizeof request, &m), -EBADMSG);
	assert_int_equal(message(fewer, sizeof fewer, &m), -EBADMSG);
	assert_int_equal(message(length_3, sizeof length_3, &m), -EBADMSG);
	assert_int_equal(message(length_0, sizeof length_0, &m), -EBADMSG);
	assert_int_equal(message(too_long, sizeof too_long, &m), -EBADMSG);
	assert_int_equal(message(many, sizeof many, &m), -EBADMSG);
	assert_int_equal(message(twice, sizeof twice, &m), 0);
	assert_null(sstp_attribute_find(&m, SSTP_ENCAPSULATED_PROTOCOL));
}

static void ours(void **state)
{
	static const uint8_t nonce[32] = {7};
	static const uint8_t head[] = {0x10, 1, 0, 48, 0, 2, 0, 1, 0, 4, 0, 40, 0, 0, 0, 3, 7};
	static const uint8_t abort_it[] = {0x10, 1,  0, 20, 0, 5, 0, 1, 0, 2,
					   0,	 12, 0, 0,  0, 3, 0, 0, 0, 4};
	uint8_t room[100];
	struct writer w;
	(void)state;
	writer_init(&w, room, sizeof room);
	sstp_write_connect_ack(&w, SSTP_SHA1 | SSTP_SHA256, nonce);
	assert_int_equal(writer_len(&w), 48);
	assert_memory_equal(room, head, sizeof head);
	writer_init(&w, room, sizeof room);
	sstp_write_status(&w, SSTP_CALL_ABORT, SSTP_CRYPTO_BINDING, SSTP_STATUS_VALUE);
	assert_int_equal(writer_len(&w), sizeof abort_it);
	assert_memory_equal(room, abort_it, sizeof abort_it);
}

/* ---- PPP frames ---- */

static int protocol_of(const void *frame, size_t n, size_t left)
{
	uint16_t protocol = 0;
	struct bytes b;
	int err = ppp_frame_read((struct bytes){frame, n}, &protocol, &b);
	if (!err)
		assert_int_equal(b.len, left);
	return err ? err : protocol;
}

static void frames(void **state)
{
	(void)state;
	assert_int_equal(protocol_of("\xff\x03\xc0\x21\x01", 5, 1), PPP_LCP);
	assert_int_equal(protocol_of("\xc0\x21", 2, 0), PPP_LCP);
	assert_int_equal(protocol_of("\xff\x03\x21\x45", 4, 1), PPP_IP);
	assert_int_equal(protocol_of("\x21\x45", 2, 1), PPP_IP);
	assert_int_equal(protocol_of("\xff\x03\x00\x57\x60", 5, 1), PPP_IPV6);
	assert_int_equal(protocol_of("", 0, 0), -EBADMSG);
	assert_int_equal(protocol_of("\xff\x03", 2, 0), -EBADMSG);
	assert_int_equal(protocol_of("\xff\x03\xc0", 3, 0), -EBADMSG);
	assert_int_equal(protocol_of("\xc0\x20", 2, 0), -EBADMSG);
}

static unsigned options_of(const void *bytes, size_t n, bool *ok)
{
	struct ppp_option o;
	struct reader r;
	unsigned count = 0;
	reader_init(&r, bytes, n);
	while (ppp_option_next(&r, &o))
		count++;
	*ok = reader_ok(&r);
	return count;
}

static void options(void **state)
{
	bool ok;
	(void)state;
	assert_int_equal(options_of("\x07\x02\x01\x04\x05\xdc", 6, &ok), 2);
	assert_true(ok);
	assert_int_equal(options_of("", 0, &ok), 0);
	assert_true(ok);
	assert_int_equal(options_of("\x07\x00\x01\x04", 4, &ok), 0);
	assert_false(ok);
	assert_int_equal(options_of("\x07\x01\x01\x04", 4, &ok), 0);
	assert_false(ok);
	assert_int_equal(options_of("\x01\x04\x05", 3, &ok), 0);
	assert_false(ok);
	assert_int_equal(options_of("\x07\x02\x01", 3, &ok), 1);
	assert_false(ok);
}

/* ---- crypto binding ---- */

/* By Python's hmac: key 0, 1, 2 …; nonce aa…, certificate hash bb… */
static const uint8_t mac_sha256[32] = {0xe7, 0x7a, 0x7d, 0xf7, 0x4c, 0x06, 0xcb, 0x6e,
				       0xe1, 0x46, 0x4d, 0x33, 0xcd, 0x76, 0xc0, 0x42,
				       0xa6, 0xac, 0xd3, 0x4f, 0x69, 0x07, 0xdd, 0xb2,
				       0x33, 0x8d, 0x3d, 0xe1, 0xb3, 0x52, 0x41, 0x91};
static const uint8_t mac_sha1[32] = {0xb6, 0x00, 0x50, 0x71, 0x86, 0x02, 0xea, 0x3a, 0x96, 0x3d,
				     0x09, 0x11, 0xb9, 0x4f, 0x8b, 0x7b, 0x01, 0x34, 0x73, 0x06};

struct bound {
	struct sstp_certificate certificate;
	uint8_t nonce[32], message[SSTP_CALL_CONNECTED_LEN];
	uint8_t keys[2][SSTP_KEY];
	struct sstp_binding b;
	struct fault f;
};

static void bind_with(struct bound *x, uint8_t hash)
{
	static const uint8_t head[] = {0x10, 1, 0, 112, 0, 4, 0, 1, 0, 3, 0, 104, 0, 0, 0};
	memset(x, 0, sizeof *x);
	memset(x->nonce, 0xaa, 32);
	memset(&x->certificate, 0xbb, sizeof x->certificate);
	memcpy(x->message, head, sizeof head);
	x->message[15] = hash;
	memset(x->message + 16, 0xaa, 32);
	memset(x->message + 48, 0xbb, 32);
	memcpy(x->message + 80, hash == SSTP_SHA256 ? mac_sha256 : mac_sha1, 32);
	x->b = (struct sstp_binding){.hashes = SSTP_SHA1 | SSTP_SHA256,
				     .nonce = x->nonce,
				     .certificate = &x->certificate,
				     .keys = (const uint8_t(*)[SSTP_KEY])x->keys,
				     .n_keys = 1};
	for (unsigned i = 0; i < SSTP_KEY; i++)
		x->keys[0][i] = (uint8_t)i;
}

static int verify(struct bound *x)
{
	return sstp_binding_verify(&x->b, (struct bytes){x->message, sizeof x->message}, &x->f);
}

static void is_refused(struct bound *x, const char *why)
{
	assert_int_equal(verify(x), -EACCES);
	if (!strstr(x->f.text, why))
		fail_msg("expected '%s' in '%s'", why, x->f.text);
}

/* SECURITY E28: nonce, hash and MAC. */
static void bindings(void **state)
{
	struct bound x;
	(void)state;
	bind_with(&x, SSTP_SHA256);
	assert_int_equal(verify(&x), 0);
	bind_with(&x, SSTP_SHA1);
	assert_int_equal(verify(&x), 0);
	/* every bit counts */
	for (unsigned i = 16; i < SSTP_CALL_CONNECTED_LEN; i++) {
		bind_with(&x, SSTP_SHA256);
		x.message[i] ^= 1;
		is_refused(&x, i < 48 ? "nonce" : i < 80 ? "another certificate" : "compound MAC");
	}
	bind_with(&x, SSTP_SHA256);
	x.keys[0][31] ^= 1;
	is_refused(&x, "compound MAC");
	/* what the message says of itself is under the MAC, too */
	bind_with(&x, SSTP_SHA256);
	x.message[12] = 1;
	is_refused(&x, "compound MAC");
	bind_with(&x, SSTP_SHA256);
	x.message[11] = 100;
	is_refused(&x, "malformed");
	assert_int_equal(sstp_binding_verify(&x.b, (struct bytes){x.message, 111}, &x.f), -EACCES);
}

/* SECURITY E28: the weaker hash only where it was offered. */
static void no_downgrade(void **state)
{
	static const uint8_t hashes[] = {0, 3, 4, 0xff};
	struct bound x;
	(void)state;
	bind_with(&x, SSTP_SHA1);
	x.b.hashes = SSTP_SHA256;
	is_refused(&x, "not offered");
	for (unsigned i = 0; i < sizeof hashes; i++) {
		bind_with(&x, SSTP_SHA256);
		x.message[15] = hashes[i];
		is_refused(&x, "not offered");
	}
	/* a message of SHA-256 called one of SHA-1 */
	bind_with(&x, SSTP_SHA256);
	x.message[15] = SSTP_SHA1;
	is_refused(&x, "compound MAC");
}

/* Only where the method is known for it. */
static void without_a_key(void **state)
{
	static const uint8_t zeros[SSTP_KEY];
	struct bound x;
	(void)state;
	bind_with(&x, SSTP_SHA256);
	assert_int_equal(sstp_compound_mac(SSTP_SHA256, zeros, x.message, x.message + 80), 0);
	is_refused(&x, "compound MAC");
	x.b.n_keys = 2; /* the second is zeros */
	assert_int_equal(verify(&x), 0);
	x.message[80] ^= 1;
	is_refused(&x, "compound MAC");
}

/* Which keys belong to which method; RFC 3079's own are in the first 32 bytes (test_mschapv2.c). */
static void keys(void **state)
{
	static const uint8_t zeros[SSTP_KEY];
	uint8_t msk[64], out[SSTP_KEYS][SSTP_KEY];
	(void)state;
	for (unsigned i = 0; i < 64; i++)
		msk[i] = (uint8_t)i;
	assert_int_equal(sstp_keys("MS-CHAPv2", msk, out), 1);
	assert_memory_equal(out[0], msk, 32);
	assert_int_equal(sstp_keys("EAP-TLS", msk, out), 2);
	assert_memory_equal(out[0], msk, 32);
	assert_memory_equal(out[1], msk, 16);
	assert_memory_equal(out[1] + 16, msk + 32, 16);
	assert_int_equal(sstp_keys("EAP-MSCHAPv2", msk, out), 2);
	assert_memory_equal(out[0], msk, 32);
	assert_memory_equal(out[1], zeros, 32);
}

static void a_certificate(void **state)
{
	/* SHA of "abc" (FIPS 180-2) */
	static const uint8_t sha1[] = {0xa9, 0x99, 0x3e, 0x36}, sha256[] = {0xba, 0x78, 0x16, 0xbf};
	static const uint8_t zeros[12];
	struct sstp_certificate c;
	(void)state;
	assert_int_equal(sstp_certificate_hash((struct bytes){(const uint8_t *)"abc", 3}, &c), 0);
	assert_memory_equal(c.sha1, sha1, 4);
	assert_memory_equal(c.sha1 + 20, zeros, 12);
	assert_memory_equal(c.sha256, sha256, 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_request_of_windows),
		cmocka_unit_test(requests_of_others),
		cmocka_unit_test(packets),
		cmocka_unit_test(attributes),
		cmocka_unit_test(ours),
		cmocka_unit_test(frames),
		cmocka_unit_test(options),
		cmocka_unit_test(bindings),
		cmocka_unit_test(no_downgrade),
		cmocka_unit_test(without_a_key),
		cmocka_unit_test(keys),
		cmocka_unit_test(a_certificate),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
