/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a peer's vendor IDs (RFC 7296 section 3.12) say of its program, for people: nothing is
 * decided by it. Anybody may send any of them.
 */
#include "ike/ike_internal.h"

#include <stdio.h>
#include <string.h>

static const uint8_t strongswan[16] = {0x88, 0x2f, 0xe5, 0x6d, 0x6f, 0xd2, 0x0d, 0xbc,
				       0x22, 0x51, 0x61, 0x3b, 0x2e, 0xbe, 0x5b, 0xeb};
/* "MS NT5 ISAKMPOAKLEY", then a version in four bytes */
static const uint8_t windows[16] = {0x1e, 0x2b, 0x51, 0x69, 0x05, 0x99, 0x1c, 0x7d,
				    0x7c, 0x96, 0xfc, 0xbf, 0xb5, 0x87, 0xe4, 0x61};

/* Some programs say their name and version in plain text. */
static bool is_text(struct bytes v)
{
	for (size_t i = 0; i < v.len; i++)
		if (v.at[i] < 0x20 || v.at[i] > 0x7e)
			return false;
	return v.len >= 4;
}

static bool describe(struct bytes v, char out[IKE_PROGRAM])
{
	if (v.len == sizeof strongswan && !memcmp(v.at, strongswan, sizeof strongswan)) {
		snprintf(out, IKE_PROGRAM, "strongSwan");
		return true;
	}
	if (v.len == sizeof windows + 4 && !memcmp(v.at, windows, sizeof windows)) {
		snprintf(out, IKE_PROGRAM, "Windows, its IKE version %u",
			 load_be32(v.at + sizeof windows));
		return true;
	}
	if (!is_text(v))
		return false;
	snprintf(out, IKE_PROGRAM, "%.*s", (int)(v.len < IKE_PROGRAM ? v.len : IKE_PROGRAM - 1),
		 (const char *)v.at);
	return true;
}

void vendors_take(const struct ike_message *in, char out[IKE_PROGRAM])
{
	for (unsigned i = 0; i < in->n_vendors && i < LIMIT_VENDORS && !*out; i++)
		describe(in->vendors[i], out);
}
