/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP requests: every one is judged once it is whole, takes no more than it has, and only
 * [MS-SSTP]'s own gets 200. */
#include "p2s/sstp_http.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect(bool holds)
{
	if (!holds)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sstp_http h, again;
	uint8_t room[SSTP_HTTP_ANSWER];
	struct writer w;
	size_t n = sstp_http_read((struct bytes){data, size}, &h);
	expect(n <= size && (n || size < SSTP_HTTP_MAX));
	if (!n)
		return 0;
	expect(h.status == 200 || h.status == 400 || h.status == 404 || h.status == 405 ||
	       h.status == 431);
	expect(h.status != 200 ||
	       (n > 100 && !strncasecmp((const char *)data, "SSTP_DUPLEX_POST ", 17)));
	expect(strlen(h.correlation) < SSTP_CORRELATION);
	writer_init(&w, room, sizeof room);
	sstp_http_answer(&h, &w);
	expect(writer_ok(&w) && writer_len(&w) > 20);
	/* what follows does not change it */
	if (h.status != 431) {
		expect(sstp_http_read((struct bytes){data, n}, &again) == n);
		expect(again.status == h.status);
	}
	return 0;
}
