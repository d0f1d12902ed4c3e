/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What reads packets of a VNet's hosts: flow, MSS clamp, checksum completion, "too big". The input
 * is a packet in memory of exactly its length. What they change must stay right: a second pass
 * changes nothing, lengths stay.
 */
#include "base/bytes.h"
#include "esp/checksum.h"
#include "esp/esp.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *in, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *in, size_t size)
{
	static const struct ip_addr v4 = {IP_V4, {10, 0, 0, 1}}, v6 = {IP_V6, {0xfd, 1}};
	struct esp_flow flow;
	uint8_t out[1500];
	if (size < 2 || size > 4096)
		return 0;
	uint32_t mtu = load_be16(in), len = (uint32_t)size - 2;
	uint8_t *ip = malloc(len ? len : 1);
	if (!ip)
		abort();
	memcpy(ip, in + 2, len);
	enum xgw_drop drop = esp_flow_parse(&flow, ip, len);
	esp_dont_fragment(ip, len);
	esp_clamp_mss(ip, len, mtu);
	if (esp_clamp_mss(ip, len, mtu)) /* it is small enough now */
		abort();
	esp_complete_checksum(ip, len);
	if (esp_flow_parse(&flow, ip, len) != drop)
		abort();
	for (unsigned i = 0; i < 2; i++) {
		uint32_t n = esp_too_big(out, sizeof out, ip, len, mtu, i ? &v6 : &v4);
		if (n > sizeof out || (n && n < 56) || (n && i && n > 1280) || (n && !i && n > 576))
			abort();
		if (n && !i && checksum_fold(checksum_add(0, out, 20)) != 0xffff)
			abort();
	}
	free(ip);
	return 0;
}
