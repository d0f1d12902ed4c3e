/* SPDX-License-Identifier: Apache-2.0 */
/* See identity.h. */
#include "auth/identity.h"
#include "auth/name.h"
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

static int from_hex(struct identity *out, const char *text)
{
	uint8_t bytes[IDENTITY_MAX];
	size_t n = 0;
	for (; text[0] && text[1] && n < sizeof bytes; text += 2) {
		unsigned value;
		char pair[3] = {text[0], text[1], 0};
		if (strspn(pair, "0123456789abcdefABCDEF") != 2 || sscanf(pair, "%x", &value) != 1)
			return -EINVAL;
		bytes[n++] = (uint8_t)value;
	}
	return *text ? -EINVAL : set(out, IDENTITY_KEY_ID, bytes, n);
}

static int from_dn(struct identity *out, const char *text)
{
	uint8_t der[IDENTITY_MAX];
	size_t len = 0;
	return name_from_text(der, sizeof der, &len, text) ? -EINVAL
							   : set(out, IDENTITY_DN, der, len);
}

static int from_text(struct identity *out, enum identity_kind kind, const char *text)
{
	return printable(text) ? set(out, kind, text, strlen(text)) : -EINVAL;
}

static int from_address(struct identity *out, const char *text)
{
	struct ip_addr a;
	if (ip_addr_parse(&a, text))
		return -EINVAL;
	return set(out, a.family == IP_V4 ? IDENTITY_IPV4 : IDENTITY_IPV6, a.b, ip_addr_bytes(&a));
}

/* The type is said by a word in front. -ENOENT: none of ours is there. */
static int from_prefixed(struct identity *out, const char *text)
{
	static const struct {
		const char *prefix;
		enum identity_kind kind;
	} rows[] = {
		{"asn1dn:", IDENTITY_DN},    {"fqdn:", IDENTITY_FQDN},
		{"dns:", IDENTITY_FQDN},     {"email:", IDENTITY_EMAIL},
		{"rfc822:", IDENTITY_EMAIL}, {"keyid:", IDENTITY_KEY_ID},
		{"ipv4:", IDENTITY_IPV4},    {"ipv6:", IDENTITY_IPV6},
		{"@#", IDENTITY_KEY_ID},     {"@@", IDENTITY_EMAIL},
		{"@", IDENTITY_FQDN},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		size_t n = strlen(rows[i].prefix);
		if (strncmp(text, rows[i].prefix, n) != 0)
			continue;
		text += n;
		switch (rows[i].kind) {
		case IDENTITY_DN: return from_dn(out, text);
		case IDENTITY_KEY_ID: return from_hex(out, text);
		case IDENTITY_IPV4:
		case IDENTITY_IPV6:
			return from_address(out, text) || out->kind != rows[i].kind ? -EINVAL : 0;
		default: return from_text(out, rows[i].kind, text);
		}
	}
	return -ENOENT;
}

int identity_parse(struct identity *out, const char *text)
{
	memset(out, 0, sizeof *out);
	if (!strcmp(text, "%any") || !from_address(out, text))
		return 0;
	int err = from_prefixed(out, text);
	if (err != -ENOENT)
		return err;
	if (strchr(text, '=') && !from_dn(out, text))
		return 0;
	return from_text(out, strchr(text, '@') ? IDENTITY_EMAIL : IDENTITY_FQDN, text);
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
	case IDENTITY_DN:
		if (name_format((struct bytes){id->b, id->len}, out, IDENTITY_TEXT))
			hex_text(id, "dn:", out);
		break;
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

static bool ends_like(const struct identity *wanted, const struct identity *came)
{
	size_t n = wanted->len - 1u;
	return n <= came->len && !memchr(came->b, '*', came->len) &&
	       equal_without_case(wanted->b + 1, came->b + came->len - n, n);
}

bool identity_is_pattern(const struct identity *id)
{
	switch (id->kind) {
	case IDENTITY_ANY: return true;
	case IDENTITY_FQDN:
	case IDENTITY_EMAIL: return id->len && id->b[0] == '*';
	case IDENTITY_DN: return name_is_pattern((struct bytes){id->b, id->len});
	default: return false;
	}
}

static bool same_mailbox(const struct identity *a, const struct identity *b)
{
	const uint8_t *at = memchr(a->b, '@', a->len);
	size_t local = at ? (size_t)(at - a->b) : 0;
	return a->len == b->len && !memcmp(a->b, b->b, local) &&
	       equal_without_case(a->b + local, b->b + local, a->len - local);
}

bool identity_matches(const struct identity *wanted, const struct identity *came)
{
	if (wanted->kind == IDENTITY_ANY)
		return true;
	if (wanted->kind != came->kind)
		return false;
	switch (wanted->kind) {
	case IDENTITY_FQDN:
		if (wanted->b[0] == '*')
			return ends_like(wanted, came);
		return wanted->len == came->len &&
		       equal_without_case(wanted->b, came->b, came->len);
	case IDENTITY_EMAIL:
		return wanted->b[0] == '*' ? ends_like(wanted, came) : same_mailbox(wanted, came);
	case IDENTITY_DN:
		return name_matches((struct bytes){wanted->b, wanted->len},
				    (struct bytes){came->b, came->len});
	default: return identity_equal(wanted, came);
	}
}
