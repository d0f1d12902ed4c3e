/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which back end computes which algorithm: the faster one here, by a short measurement, or the one
 * that the configuration names. The measurement's clock is the caller's.
 */
#ifndef XGW_ESP_CHOOSE_H
#define XGW_ESP_CHOOSE_H

#include "base/fault.h"
#include "esp/crypto.h"

/* One pair that ESP can use: an AEAD with AUTH_NONE, another cipher with an HMAC. */
struct esp_chosen {
	const struct esp_backend *backend; /* NULL: no such pair */
	/* Both ways of a packet, as measured; 0: not measured, or the back end has it not. */
	uint32_t ipsec_mb_ns, openssl_ns;
};
struct esp_choice {
	const struct esp_backend
		*workers; /* whose contexts the workers take; they serve all keys */
	struct esp_chosen of[ENCR_COUNT][AUTH_COUNT];
};

/*
 * name: "auto" measures (some hundred microseconds, now_ns in nanoseconds), "ipsec-mb" or
 * "openssl" takes that one for every algorithm it has and OpenSSL for the others. -ENOENT: unknown
 * or not available here. A pair whose measurement fails goes to OpenSSL.
 */
int must_check esp_choose(struct esp_choice *out, const char *name, uint64_t (*now_ns)(void));
/* NULL: no back end has it. */
const struct esp_backend *esp_choice_of(const struct esp_choice *c, enum encryption_id e,
					enum integrity_id a);

#endif
