/* SPDX-License-Identifier: Apache-2.0 */
/* See identity.h. */
#include "auth/identity.h"
#include "base/addr.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static int set(struct identity *out, enum identity_kind kind, const void *bytes, size_t len)
{
	if (!len || len > IDENTITY_MAX)
		return -EINVAL;
	memset(out, 0, sizeof *out);
	out->kind = (uint8_t)kind;
	out->len = (uint16_t)len;
	memcpy(out->b, bytes, len);
	return 0;
}

static bool printable(const char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text <= ' ' || (unsigned char)*text >= 0x7f)
			return false;
	return true;
}

int identity_parse(struct identity *out, const char *text)
{
	struct ip_addr a;
	memset(out, 0, sizeof *out);
	if (!strcmp(text, "%any"))
		return 0;
	if (!ip_addr_parse(&a, text))
		return set(out, a.family == IP_V4 ? IDENTITY_IPV4 : IDENTITY_IPV6, a.b,
			   ip_addr_bytes(&a));
	if (!printable(text))
		return -EINVAL;
	if (text[0] == '@')
		return set(out, IDENTITY_FQDN, text + 1, strlen(text + 1));
	return set(out, strchr(text, '@') ? IDENTITY_EMAIL : IDENTITY_FQDN, text, strlen(text));
}

int identity_from_wire(struct identity *out, uint8_t kind, const uint8_t *bytes, size_t len)
{
	if ((kind == IDENTITY_IPV4 && len != 4) || (kind == IDENTITY_IPV6 && len != 16) ||
	    kind == IDENTITY_ANY)
		return -EINVAL;
	return set(out, (enum identity_kind)kind, bytes, len);
}

/* Text of a peer's choosing: anything unusual is shown as '?', so that a log line stays one. */
static void copy_text(const struct identity *id, char out[IDENTITY_TEXT])
{
	size_t n = id->len;
	for (size_t i = 0; i < n; i++)
		out[i] = id->b[i] > ' ' && id->b[i] < 0x7f ? (char)id->b[i] : '?';
	out[n] = 0;
}

static void hex_text(const struct identity *id, const char *prefix, char out[IDENTITY_TEXT])
{
	size_t at = (size_t)snprintf(out, IDENTITY_TEXT, "%s", prefix);
	for (size_t i = 0; i < id->len && at + 3 < IDENTITY_TEXT; i++)
		at += (size_t)snprintf(out + at, IDENTITY_TEXT - at, "%02x", id->b[i]);
}

const char *identity_format(const struct identity *id, char out[IDENTITY_TEXT])
{
	struct ip_addr a;
	char text[IP_TEXT];
	switch (id->kind) {
	case IDENTITY_ANY: snprintf(out, IDENTITY_TEXT, "%%any"); break;
	case IDENTITY_IPV4:
	case IDENTITY_IPV6:
		a = ip_addr_from_bytes(id->kind == IDENTITY_IPV4 ? IP_V4 : IP_V6, id->b);
		snprintf(out, IDENTITY_TEXT, "%s", ip_addr_format(&a, text));
		break;
	case IDENTITY_FQDN:
	case IDENTITY_EMAIL: copy_text(id, out); break;
	case IDENTITY_DN: hex_text(id, "dn:", out); break;
	case IDENTITY_KEY_ID: hex_text(id, "keyid:", out); break;
	default: hex_text(id, "id:", out);
	}
	return out;
}

bool identity_equal(const struct identity *a, const struct identity *b)
{
	return a->kind == b->kind && a->len == b->len && !memcmp(a->b, b->b, a->len);
}

/* Counted, unlike strncasecmp(), which ends at a zero byte. */
static bool equal_without_case(const uint8_t *a, const uint8_t *b, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		uint8_t x = a[i] >= 'A' && a[i] <= 'Z' ? a[i] | 0x20 : a[i];
		uint8_t y = b[i] >= 'A' && b[i] <= 'Z' ? b[i] | 0x20 : b[i];
		if (x != y)
			return false;
	}
	return true;
}

bool identity_matches(const struct identity *wanted, const struct identity *came)
{
	if (wanted->kind == IDENTITY_ANY)
		return true;
	if (wanted->kind != came->kind || wanted->len != came->len)
		return false;
	if (wanted->kind == IDENTITY_FQDN)
		return equal_without_case(wanted->b, came->b, wanted->len);
	if (wanted->kind != IDENTITY_EMAIL)
		return identity_equal(wanted, came);
	const uint8_t *at = memchr(wanted->b, '@', wanted->len);
	size_t local = at ? (size_t)(at - wanted->b) : 0;
	return !memcmp(wanted->b, came->b, local) &&
	       equal_without_case(wanted->b + local, came->b + local, wanted->len - local);
}
