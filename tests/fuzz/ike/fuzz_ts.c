/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a TS payload's body: what is read is a range, and reads the same after it was built
 * again. */
#include "ike/message.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect(bool holds)
{
	if (!holds)
		abort();
}

static void same(const struct traffic_selector *a, const struct traffic_selector *b)
{
	expect(a->protocol == b->protocol && a->port_first == b->port_first &&
	       a->port_last == b->port_last);
	expect(!ip_addr_cmp(&a->range.first, &b->range.first) &&
	       !ip_addr_cmp(&a->range.last, &b->range.last));
	expect(ip_addr_cmp(&a->range.first, &a->range.last) <= 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct traffic_selector ts[CHILD_SA_MAX_TS], again[CHILD_SA_MAX_TS];
	uint8_t n, m, few, out[2000];
	struct builder b;
	if (ike_ts_parse((struct bytes){data, size}, ts, &n, CHILD_SA_MAX_TS))
		return 0;
	expect(n <= CHILD_SA_MAX_TS);
	expect(!ike_ts_parse((struct bytes){data, size}, again, &few, 1) && few == (n ? 1 : 0));
	builder_init(&b, out, sizeof out);
	builder_ts(&b, PAYLOAD_TSI, ts, n);
	expect(builder_ok(&b));
	struct bytes body = {out + 4, builder_bytes(&b).len - 4};
	expect(!ike_ts_parse(body, again, &m, CHILD_SA_MAX_TS) && m == n);
	for (uint8_t i = 0; i < n; i++)
		same(&ts[i], &again[i]);
	return 0;
}
