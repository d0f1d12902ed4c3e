/* SPDX-License-Identifier: Apache-2.0 */
#include "base/secret.h"
#include "p2s/profile_internal.h"

#include <openssl/evp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_MAX (1u << 20)

/* A password may be in it: nothing is left behind where it was. */
static bool grow(struct profile_text *t, size_t need)
{
	size_t room = t->room ? t->room : 4096;
	while (room < need)
		room *= 2;
	char *grown = need > TEXT_MAX ? NULL : malloc(room);
	if (!grown) {
		t->failed = true;
		return false;
	}
	if (t->at) {
		memcpy(grown, t->at, t->len);
		wipe(t->at, t->room);
		free(t->at);
	}
	t->at = grown;
	t->room = room;
	return true;
}

void profile_add(struct profile_text *t, const void *bytes, size_t len)
{
	if (t->failed || (t->len + len >= t->room && !grow(t, t->len + len + 1)))
		return;
	if (len)
		memcpy(t->at + t->len, bytes, len);
	t->len += len;
	t->at[t->len] = 0;
}

void profile_put(struct profile_text *t, const char *text)
{
	profile_add(t, text, strlen(text));
}

void profile_format(struct profile_text *t, const char *format, ...)
{
	char line[1024];
	va_list ap;
	va_start(ap, format);
	int n = vsnprintf(line, sizeof line, format, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= sizeof line)
		t->failed = true;
	else
		profile_add(t, line, (size_t)n);
}

void profile_base64(struct profile_text *t, struct bytes b)
{
	unsigned char block[65];
	for (size_t i = 0; i < b.len; i += 48) {
		size_t n = b.len - i < 48 ? b.len - i : 48;
		profile_add(t, block, (size_t)EVP_EncodeBlock(block, b.at + i, (int)n));
	}
	wipe(block, sizeof block);
}

void profile_hex(struct profile_text *t, struct bytes b)
{
	static const char digits[] = "0123456789abcdef";
	for (size_t i = 0; i < b.len; i++) {
		char pair[2] = {digits[b.at[i] >> 4], digits[b.at[i] & 15]};
		profile_add(t, pair, 2);
	}
}

/* U+2018 to U+201B in UTF-8. */
static bool is_typographic(const char *s)
{
	return !strncmp(s, "\xe2\x80", 2) && s[2] >= (char)0x98 && s[2] <= (char)0x9b;
}

void profile_powershell(struct profile_text *t, const char *value)
{
	profile_put(t, "'");
	for (const char *s = value; *s; s++) {
		if (*s == '\'')
			profile_put(t, "'");
		if (is_typographic(s)) {
			profile_add(t, s, 3);
			profile_add(t, s, 3);
			s += 2;
			continue;
		}
		profile_add(t, s, 1);
	}
	profile_put(t, "'");
}

void profile_quoted(struct profile_text *t, const char *value)
{
	profile_put(t, "\"");
	for (const char *s = value; *s; s++) {
		if (*s == '"' || *s == '\\')
			profile_put(t, "\\");
		profile_add(t, s, 1);
	}
	profile_put(t, "\"");
}

void profile_keyfile(struct profile_text *t, const char *key, const char *value)
{
	profile_format(t, "%s=", key);
	for (const char *s = value; *s; s++) {
		if (*s == '\\')
			profile_put(t, "\\\\");
		else if (*s == ' ' && s == value)
			profile_put(t, "\\s"); /* else it would be taken off */
		else
			profile_add(t, s, 1);
	}
	profile_put(t, "\n");
}

void profile_routes(struct profile_text *t, const struct profile_facts *p, const char *between)
{
	char text[PREFIX_TEXT];
	for (uint32_t i = 0; i < p->n_routes; i++) {
		ip_prefix_format(&p->routes[i], text);
		profile_format(t, "%s%s%s", i ? between : "", text,
			       strchr(text, '/')		   ? ""
			       : p->routes[i].addr.family == IP_V6 ? "/128"
								   : "/32");
	}
}

const char *profile_uuid(const struct profile_facts *p, const char *purpose, char out[PROFILE_UUID])
{
	static const uint8_t space[16] = {0x5d, 0x0e, 0x1c, 0x4b, 0x92, 0x77, 0x4a, 0x1f,
					  0x8f, 0x3c, 0x61, 0xb8, 0x2e, 0xd4, 0x09, 0xa5};
	char address[IP_TEXT], name[1024];
	uint8_t in[16 + sizeof name], h[EVP_MAX_MD_SIZE] = {0};
	int n = snprintf(name, sizeof name, "%.250s %s %.250s %.40s", p->gateway,
			 ip_addr_format(&p->address, address), p->client, purpose);
	memcpy(in, space, sizeof space);
	memcpy(in + 16, name, (size_t)n);
	EVP_Digest(in, 16 + (size_t)n, h, NULL, EVP_sha1(), NULL);
	h[6] = (uint8_t)((h[6] & 0x0f) | 0x50);
	h[8] = (uint8_t)((h[8] & 0x3f) | 0x80);
	snprintf(out, PROFILE_UUID,
		 "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", h[0], h[1],
		 h[2], h[3], h[4], h[5], h[6], h[7], h[8], h[9], h[10], h[11], h[12], h[13], h[14],
		 h[15]);
	return out;
}
