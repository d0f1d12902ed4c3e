/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a configuration payload: what is read is a wish that a reply can be written for. */
#include "ike/config_payload.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect(bool holds)
{
	if (!holds)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct config_request request;
	uint8_t out[256];
	struct writer w;
	if (config_request_parse(&request, (struct bytes){data, size}))
		return 0;
	expect(request.v4 || !request.want4.family);
	expect(request.v6 || !request.want6.family);
	expect(!request.want4.family || request.want4.family == IP_V4);
	expect(!request.want6.family || request.want6.family == IP_V6);
	const struct config_reply reply = {.v4 = request.want4, .v6 = request.want6};
	writer_init(&w, out, sizeof out);
	config_reply_write(&w, &reply);
	expect(writer_ok(&w));
	return 0;
}
