/* SPDX-License-Identifier: Apache-2.0 */
/* See name.h. */
#include "auth/name.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509.h>
#include <string.h>

#define NAME_VALUE 256

/* ---- text to name ---- */

struct words {
	const char *at;
	char separator;
};

static void skip_spaces(struct words *w)
{
	while (*w->at == ' ')
		w->at++;
}

static bool take_type(struct words *w, char out[64])
{
	size_t n = strcspn(w->at, "=,/ ");
	skip_spaces(w);
	if (!n || n >= 64)
		return false;
	memcpy(out, w->at, n);
	out[n] = 0;
	w->at += n;
	skip_spaces(w);
	return *w->at++ == '=';
}

static bool take_value(struct words *w, char out[NAME_VALUE])
{
	size_t n = 0, kept = 0; /* kept: spaces before it are part of the value */
	bool quoted = false;
	skip_spaces(w);
	for (; *w->at && (quoted || *w->at != w->separator); w->at++) {
		char c = *w->at;
		if (c == '"') {
			quoted = !quoted;
			kept = n;
			continue;
		}
		if (c == '\\' && w->at[1])
			c = *++w->at;
		if (n == NAME_VALUE - 1)
			return false;
		out[n++] = c;
		if (quoted || c != ' ')
			kept = n;
	}
	out[kept] = 0;
	if (*w->at)
		w->at++;
	return !quoted && kept;
}

static bool fill(X509_NAME *name, const char *text)
{
	char type[64], value[NAME_VALUE];
	struct words w = {text, ','};
	skip_spaces(&w);
	if (*w.at == '/') {
		w.separator = '/';
		w.at++;
	}
	unsigned n = 0;
	for (; *w.at; n++) {
		skip_spaces(&w);
		if (!take_type(&w, type) || !take_value(&w, value) ||
		    X509_NAME_add_entry_by_txt(name, type, MBSTRING_UTF8,
					       (const unsigned char *)value, -1, -1, 0) != 1)
			return false;
	}
	return n;
}

int name_from_text(uint8_t *out, size_t room, size_t *len, const char *text)
{
	X509_NAME *name = X509_NAME_new();
	bool ok = name && fill(name, text);
	int n = ok ? i2d_X509_NAME(name, NULL) : -1;
	ok = n > 0 && (size_t)n <= room && i2d_X509_NAME(name, &out) == n;
	*len = ok ? (size_t)n : 0;
	X509_NAME_free(name);
	ERR_clear_error();
	return ok ? 0 : -EINVAL;
}

/* ---- DER ---- */

static X509_NAME *read_name(struct bytes der)
{
	const unsigned char *at = der.at;
	X509_NAME *name = d2i_X509_NAME(NULL, &at, (long)der.len);
	if (name && at != der.at + der.len) {
		X509_NAME_free(name);
		name = NULL;
	}
	ERR_clear_error();
	return name;
}

int name_format(struct bytes der, char *out, size_t room)
{
	const unsigned long how = ASN1_STRFLGS_RFC2253 | XN_FLAG_SEP_CPLUS_SPC | XN_FLAG_FN_SN;
	X509_NAME *name = read_name(der);
	BIO *text = name ? BIO_new(BIO_s_mem()) : NULL;
	char *at = NULL;
	bool ok = text && X509_NAME_print_ex(text, name, 0, how) >= 0;
	long n = ok ? BIO_get_mem_data(text, &at) : -1;
	if (n >= 0) {
		size_t kept = (size_t)n < room - 1 ? (size_t)n : room - 1;
		if (kept)
			memcpy(out, at, kept);
		out[kept] = 0;
	}
	BIO_free(text);
	X509_NAME_free(name);
	ERR_clear_error();
	return n >= 0 ? 0 : -EINVAL;
}

static const ASN1_STRING *value_of(const X509_NAME *name, int i)
{
	return X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, i));
}

static bool is_star(const ASN1_STRING *s)
{
	return ASN1_STRING_length(s) == 1 && *ASN1_STRING_get0_data(s) == '*';
}

/* The value alone as a name: then X509_NAME_cmp compares it in its canonical form. */
static X509_NAME *alone(X509_NAME_ENTRY *entry)
{
	X509_NAME *name = X509_NAME_new();
	if (name && X509_NAME_add_entry(name, entry, -1, 0) == 1)
		return name;
	X509_NAME_free(name);
	return NULL;
}

static bool entry_matches(X509_NAME_ENTRY *wanted, X509_NAME_ENTRY *came)
{
	if (OBJ_cmp(X509_NAME_ENTRY_get_object(wanted), X509_NAME_ENTRY_get_object(came)) ||
	    X509_NAME_ENTRY_set(wanted) != X509_NAME_ENTRY_set(came))
		return false;
	if (is_star(X509_NAME_ENTRY_get_data(wanted)))
		return !is_star(X509_NAME_ENTRY_get_data(came));
	X509_NAME *a = alone(wanted), *b = alone(came);
	bool same = a && b && X509_NAME_cmp(a, b) == 0;
	X509_NAME_free(a);
	X509_NAME_free(b);
	return same;
}

bool name_matches(struct bytes wanted, struct bytes came)
{
	X509_NAME *a = read_name(wanted), *b = read_name(came);
	int n = a && b ? X509_NAME_entry_count(a) : 0;
	bool same = n && n == X509_NAME_entry_count(b);
	for (int i = 0; same && i < n; i++)
		same = entry_matches(X509_NAME_get_entry(a, i), X509_NAME_get_entry(b, i));
	X509_NAME_free(a);
	X509_NAME_free(b);
	ERR_clear_error();
	return same;
}

bool name_is_pattern(struct bytes der)
{
	X509_NAME *name = read_name(der);
	bool found = false;
	for (int i = 0; name && i < X509_NAME_entry_count(name); i++)
		found |= is_star(value_of(name, i));
	X509_NAME_free(name);
	return found;
}
