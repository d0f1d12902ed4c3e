/* SPDX-License-Identifier: Apache-2.0 */
/* Text that grows, and how each format writes a value. */
#ifndef XGW_P2S_PROFILE_INTERNAL_H
#define XGW_P2S_PROFILE_INTERNAL_H

#include "p2s/profile.h"

/* What has no room any more stays as it is, and `failed` says so. */
struct profile_text {
	char *at;
	size_t len, room;
	bool failed;
};

void profile_add(struct profile_text *t, const void *bytes, size_t len);
void profile_put(struct profile_text *t, const char *text);
void profile_format(struct profile_text *t, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
void profile_base64(struct profile_text *t, struct bytes b);
void profile_hex(struct profile_text *t, struct bytes b);
/* '…' of PowerShell, which takes typographic quotes for plain ones. */
void profile_powershell(struct profile_text *t, const char *value);
/* "…" of strongSwan's and pppd's files. */
void profile_quoted(struct profile_text *t, const char *value);
/* KEY=VALUE of a key file of GLib. */
void profile_keyfile(struct profile_text *t, const char *key, const char *value);
/* Prefixes with `between` between them. */
void profile_routes(struct profile_text *t, const struct profile_facts *p, const char *between);
/* The same for the same gateway, client and purpose, so that a new profile takes the place of the
 * old one (RFC 9562 section 5.5). */
#define PROFILE_UUID 37
const char *profile_uuid(const struct profile_facts *p, const char *purpose,
			 char out[PROFILE_UUID]);

/* A file of the profile; its path is "FOLDERNAME" with the words' `format`. Takes the text. */
void profile_file(struct profile *out, struct profile_text *t, bool secret, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
/* One whose content is there already. */
void profile_copy(struct profile *out, struct bytes content, bool secret, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

void profile_windows(struct profile *out, const struct profile_facts *p);
void profile_azure(struct profile *out, const struct profile_facts *p);
void profile_apple(struct profile *out, const struct profile_facts *p);
void profile_swanctl(struct profile *out, const struct profile_facts *p);
void profile_network_manager(struct profile *out, const struct profile_facts *p);
void profile_ppp(struct profile *out, const struct profile_facts *p);

#endif
