/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Addresses for clients (point-to-site): one for each client out of the gateway's prefixes, the
 * same again for who returns while nobody else has it. No I/O, no clock.
 */
#ifndef XGW_P2S_POOL_H
#define XGW_P2S_POOL_H

#include "base/addr.h"
#include "base/fault.h"

struct pool;

struct pool_lease {
	uint32_t slot;	       /* 0 … pool_size() - 1, nobody else has it */
	struct ip_addr v4, v6; /* IP_NONE: not asked for, or the pool has no such prefix */
};

/*
 * Of both families; as many clients at once as the smaller one of them has addresses, and at most
 * `most`. The first and the last address of an IPv4 prefix below /31 are left out, the first of an
 * IPv6 prefix too (RFC 4291 section 2.6.1). 0, -EINVAL with the reason (no address at all),
 * -ENOMEM.
 */
int must_check pool_new(struct pool **out, const struct ip_prefix *prefixes, uint32_t n,
			uint32_t most, struct fault *f);
void pool_free(struct pool *p);
uint32_t pool_size(const struct pool *p);
uint32_t pool_used(const struct pool *p);

/*
 * `who`: the client's name, by which it is known when it returns. `wanted`: the IPv4 address that
 * it would like to have, or IP_NONE; given when it is free. 0; -ENOSPC when all are taken,
 * -EAFNOSUPPORT when the pool has none of the families asked for; both with a fault.
 */
int must_check pool_take(struct pool *p, const char *who, bool v4, bool v6,
			 const struct ip_addr *wanted, struct pool_lease *out, struct fault *f);
void pool_give(struct pool *p, uint32_t slot);

#endif
