/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Identities of IKE peers (RFC 7296 section 3.5): as text in configurations, as ID payloads on
 * the wire, and whether one matches another. A leading '@' names an FQDN that could be read as
 * something else, "@@" a mail address, "@#" a key id in hex; "asn1dn:", "fqdn:", "dns:", "email:",
 * "rfc822:", "keyid:", "ipv4:" and "ipv6:" in front say the type.
 */
#ifndef XGW_AUTH_IDENTITY_H
#define XGW_AUTH_IDENTITY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Numbers are those of the wire. */
enum identity_kind {
	IDENTITY_ANY = 0,
	IDENTITY_IPV4 = 1,
	IDENTITY_FQDN = 2,
	IDENTITY_EMAIL = 3,
	IDENTITY_IPV6 = 5,
	IDENTITY_DN = 9,
	IDENTITY_KEY_ID = 11,
};

#define IDENTITY_MAX  512
#define IDENTITY_TEXT 1040 /* a key id in hex is the longest */

struct identity {
	uint8_t kind; /* enum identity_kind */
	uint16_t len;
	uint8_t b[IDENTITY_MAX]; /* as on the wire */
};

/* "203.0.113.1", "fd00::1", "gw.example.org", "user@example.org", "C=DE, O=Example, CN=gw", "%any".
 * 0 or -EINVAL. */
int identity_parse(struct identity *out, const char *text);
/* From an ID payload's body behind its header. 0 or -EINVAL (wrong length for an address, too
 * long). */
int identity_from_wire(struct identity *out, uint8_t kind, const uint8_t *bytes, size_t len);
const char *identity_format(const struct identity *id, char out[IDENTITY_TEXT]);
bool identity_equal(const struct identity *a, const struct identity *b);
/*
 * `wanted` may be IDENTITY_ANY or a pattern: "*.example.org", "*@example.org" and "*" stand for
 * everything that ends so, a DN's "CN=*" for any one value there. FQDN and mail domain compare
 * without case, DNs as X509_NAME_cmp does. A '*' that came matches no pattern.
 */
bool identity_matches(const struct identity *wanted, const struct identity *came);
/* More than one identity can match it: never sent, never our own. */
bool identity_is_pattern(const struct identity *id);

#endif
