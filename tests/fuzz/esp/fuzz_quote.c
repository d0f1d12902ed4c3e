/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What routers, or anyone else, say of our packets. The input is an ICMP message in memory of
 * exactly its length; the first byte chooses the family. What is taken is within what a packet can
 * be. The IPv4 checksum is made right, since a fuzzer would hardly find one.
 */
#include "base/bytes.h"
#include "esp/checksum.h"
#include "esp/esp.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *in, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *in, size_t size)
{
	struct esp_quote q;
	if (size < 1 || size > 2048)
		return 0;
	enum ip_family family = in[0] & 1 ? IP_V6 : IP_V4;
	size_t len = size - 1;
	uint8_t *icmp = malloc(len ? len : 1);
	if (!icmp)
		abort();
	memcpy(icmp, in + 1, len);
	if (len >= 4 && in[0] & 2) {
		store_be16(icmp + 2, 0);
		store_be16(icmp + 2,
			   (uint16_t)~checksum_fold(checksum_add(0, icmp, (uint32_t)len)));
	}
	if (esp_quote_parse(&q, family, icmp, len)) {
		if (q.local.addr.family != family || q.remote.addr.family != family)
			abort();
		if ((!q.has_spi && !q.udp) || q.len > 40 + UINT16_MAX)
			abort();
		if (family == IP_V4 && (q.mtu > UINT16_MAX || len < 36))
			abort();
		if (q.len > 68 && esp_quote_plateau(q.len) >= q.len)
			abort();
	} else if (q.has_spi && len < 36) {
		abort();
	}
	free(icmp);
	return 0;
}
