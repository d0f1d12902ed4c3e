/* SPDX-License-Identifier: Apache-2.0 */
/* The types of values of the configuration: what fits, and how to say what was expected. */
#include "control/schema_internal.h"

#include <stdio.h>
#include <string.h>

bool schema_nth_word(const char *detail, unsigned n, char out[HINT_TEXT])
{
	for (; n && detail; n--) {
		detail = strchr(detail, ' ');
		detail = detail ? detail + 1 : NULL;
	}
	if (!detail || !*detail)
		return false;
	size_t len = strcspn(detail, " ~");
	if (len >= HINT_TEXT)
		return false;
	memcpy(out, detail, len);
	out[len] = 0;
	return true;
}

int schema_word(const char *detail, const char *word, bool *later)
{
	size_t len = strlen(word);
	for (int i = 0; detail && *detail; i++) {
		size_t n = strcspn(detail, " ~");
		if (n == len && !memcmp(detail, word, n)) {
			if (later)
				*later = detail[n] == '~';
			return i;
		}
		detail = strchr(detail, ' ');
		detail = detail ? detail + 1 : NULL;
	}
	return -1;
}

bool schema_number(const char *text, uint32_t *out)
{
	uint64_t v = 0;
	if (!*text || strlen(text) > 10 || (text[0] == '0' && text[1]))
		return false;
	for (; *text; text++) {
		if (*text < '0' || *text > '9')
			return false;
		v = v * 10 + (uint64_t)(*text - '0');
	}
	*out = (uint32_t)v;
	return v <= UINT32_MAX;
}

static bool is_name(const char *t)
{
	size_t n = strlen(t);
	if (!n || n >= XGW_NAME || *t == '-' || *t == '.')
		return false;
	for (; *t; t++) {
		bool letter = (*t >= 'a' && *t <= 'z') || (*t >= 'A' && *t <= 'Z');
		if (!letter && !(*t >= '0' && *t <= '9') && !strchr("._-", *t))
			return false;
	}
	return true;
}

/* One line of printable ASCII: it goes into logs, JSON and identities as it is. */
static bool is_line(const char *t, size_t longest)
{
	if (!*t || strlen(t) > longest)
		return false;
	for (; *t; t++) {
		if ((unsigned char)*t < 0x20 || (unsigned char)*t > 0x7e)
			return false;
	}
	return true;
}

/* The kernel's rule for names of network devices. */
static bool is_device(const char *t)
{
	return is_line(t, 15) && !strpbrk(t, " /:") && strcmp(t, ".") != 0 && strcmp(t, "..") != 0;
}

/* "LOW-HIGH", or words before it: "auto 1-64". */
static bool number_fits(const char *detail, const struct tree_node *n)
{
	uint32_t low = 0, high = 0, v;
	const char *bounds = strrchr(detail, ' ');
	bounds = bounds ? bounds + 1 : detail;
	if (bounds != detail && schema_word(detail, n->text, NULL) == 0)
		return true;
	if (sscanf(bounds, "%u-%u", &low, &high) != 2 || !n->is_plain)
		return false;
	return schema_number(n->text, &v) && v >= low && v <= high;
}

static bool is_socket(const char *t)
{
	char host[IP_TEXT];
	struct ip_addr a;
	uint32_t port;
	const char *colon = strrchr(t, ':');
	if (!colon || !schema_number(colon + 1, &port) || port - 1 > 65534)
		return false;
	size_t n = (size_t)(colon - t);
	if (n > 2 && t[0] == '[' && t[n - 1] == ']') {
		t++;
		n -= 2;
	}
	if (n >= sizeof host)
		return false;
	memcpy(host, t, n);
	host[n] = 0;
	return !ip_addr_parse(&a, host);
}

/* Base64 of a certificate, with or without line ends and PEM's lines around it. */
static bool is_certificate(const char *t)
{
	size_t n = strlen(t);
	return n >= 64 && n <= 65536 &&
	       strspn(t,
		      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=- \r\n") ==
		       n;
}

static bool is_boolean(const struct tree_node *n)
{
	return n->is_plain && schema_word("true True TRUE false False FALSE", n->text, NULL) >= 0;
}

bool schema_text_fits(const struct schema_row *row, const struct tree_node *n)
{
	struct ip_addr a;
	struct ip_prefix p;
	struct ip_range r;
	uint8_t mac[6];
	switch (row->type) {
	case SCHEMA_NAME: return is_name(n->text);
	case SCHEMA_TEXT: return is_line(n->text, 253);
	case SCHEMA_IDENTITY: return is_line(n->text, 127);
	case SCHEMA_DEVICE: return is_device(n->text);
	case SCHEMA_PATH: return is_line(n->text, 4095);
	case SCHEMA_BOOLEAN: return is_boolean(n);
	case SCHEMA_NUMBER: return number_fits(row->detail, n);
	case SCHEMA_ENUM: return schema_word(row->detail, n->text, NULL) >= 0;
	case SCHEMA_ADDRESS:
		return (*row->detail && !strcmp(n->text, row->detail)) ||
		       (!ip_addr_parse(&a, n->text) && !ip_addr_is_unspecified(&a));
	case SCHEMA_PREFIX: return strchr(n->text, '/') && !ip_prefix_parse(&p, n->text);
	case SCHEMA_INTERFACE: return strchr(n->text, '/') && !ip_prefix_parse(&p, n->text);
	case SCHEMA_RANGE: return !ip_range_parse(&r, n->text);
	case SCHEMA_MAC: return !mac_parse(mac, n->text) && !(mac[0] & 1);
	case SCHEMA_SOCKET: return is_socket(n->text);
	case SCHEMA_CERTIFICATE: return is_certificate(n->text);
	case SCHEMA_OBJECT:
	case SCHEMA_SECRET: break;
	}
	return false;
}

/* "A, B or C", those that work first; shortened when it is long. */
static void list_words(const char *detail, char *out, size_t size)
{
	char word[HINT_TEXT], next[HINT_TEXT];
	size_t at = 0;
	out[0] = 0;
	for (unsigned i = 0; schema_nth_word(detail, i, word); i++) {
		bool last = !schema_nth_word(detail, i + 1, next);
		const char *comma = !i ? "" : last ? " or " : ", ";
		int n = snprintf(out + at, size - at, "%s%s", comma, word);
		if (n < 0 || (size_t)n >= size - at) {
			out[at] = 0;
			return;
		}
		at += (size_t)n;
	}
}

static void expected_number(const char *detail, char *out, size_t size)
{
	const char *bounds = strrchr(detail, ' ');
	unsigned low = 0, high = 0;
	int words = bounds ? (int)(bounds - detail) : 0;
	bounds = bounds ? bounds + 1 : detail;
	sscanf(bounds, "%u-%u", &low, &high);
	snprintf(out, size, "%.*s%sa number from %u to %u", words, detail, words ? " or " : "", low,
		 high);
}

const char *schema_expected(const struct schema_row *row, char out[EXPECTED_TEXT])
{
	static const char *const texts[] = {
		[SCHEMA_OBJECT] = "a mapping of properties",
		[SCHEMA_NAME] = "a name (letters, digits, '.', '_', '-'; at most 63)",
		[SCHEMA_TEXT] = "a text of one line in ASCII",
		[SCHEMA_IDENTITY] = "an identity of at most 127 ASCII characters",
		[SCHEMA_DEVICE] = "the name of a network device (at most 15 characters)",
		[SCHEMA_PATH] = "the path of a file in ASCII",
		[SCHEMA_BOOLEAN] = "true or false",
		[SCHEMA_ADDRESS] = "an IP address",
		[SCHEMA_PREFIX] = "a prefix such as 10.1.0.0/16",
		[SCHEMA_INTERFACE] = "an address with its length such as 10.1.0.1/24",
		[SCHEMA_RANGE] = "a prefix, an address or a range such as 10.1.0.1-10.1.0.9",
		[SCHEMA_MAC] = "a unicast MAC address such as \"02:00:00:00:00:04\" (in quotes)",
		[SCHEMA_SOCKET] = "an address and a port such as 127.0.0.1:9187",
		[SCHEMA_SECRET] = "a text or {file: PATH}",
		[SCHEMA_CERTIFICATE] = "a certificate in base64",
	};
	if (row->type == SCHEMA_ENUM)
		list_words(row->detail, out, EXPECTED_TEXT);
	else if (row->type == SCHEMA_NUMBER)
		expected_number(row->detail, out, EXPECTED_TEXT);
	else
		snprintf(out, EXPECTED_TEXT, "%s%s%s", texts[row->type],
			 row->type == SCHEMA_ADDRESS && *row->detail ? " or " : "",
			 row->type == SCHEMA_ADDRESS ? row->detail : "");
	return out;
}
