/* SPDX-License-Identifier: Apache-2.0 */
/* See x509_internal.h. */
#include "auth/x509_internal.h"
#include "auth/name.h"
#include "base/addr.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

X509 *x509_parse(struct bytes der)
{
	const unsigned char *at = der.at;
	X509 *x = d2i_X509(NULL, &at, (long)der.len);
	if (x && at != der.at + der.len) {
		X509_free(x);
		x = NULL;
	}
	ERR_clear_error();
	return x;
}

bool x509_read_file(struct bytes file, STACK_OF(X509) * out)
{
	X509 *x = file.len && file.at[0] == 0x30 ? x509_parse(file) : NULL;
	if (x)
		return sk_X509_push(out, x) > 0;
	BIO *in = BIO_new_mem_buf(file.at, (int)file.len);
	bool ok = in;
	while (ok && (x = PEM_read_bio_X509(in, NULL, NULL, NULL)))
		ok = sk_X509_push(out, x) > 0;
	/* the end of the file is the one error that may come */
	unsigned long e = ERR_peek_last_error();
	ok = ok && sk_X509_num(out) > 0 && ERR_GET_REASON(e) == PEM_R_NO_START_LINE;
	BIO_free(in);
	ERR_clear_error();
	return ok;
}

const char *x509_name(const X509_NAME *name, char *out, size_t room)
{
	const unsigned char *der = NULL;
	size_t n = 0;
	if (!X509_NAME_get0_der(name, &der, &n) || name_format((struct bytes){der, n}, out, room))
		snprintf(out, room, "?");
	else if (!*out)
		snprintf(out, room, "no name");
	return out;
}

const char *x509_day(const ASN1_TIME *t, char out[X509_DAY])
{
	struct tm tm;
	if (!t || !ASN1_TIME_to_tm(t, &tm))
		snprintf(out, X509_DAY, "?");
	else
		snprintf(out, X509_DAY, "%04u-%02u-%02u", (tm.tm_year + 1900u) % 10000,
			 (tm.tm_mon + 1u) % 100, (unsigned)tm.tm_mday % 100);
	return out;
}

/* ---- identities ---- */

/* A name of a certificate as an identity; false for a kind that IKE has none for. */
static bool to_identity(const GENERAL_NAME *g, struct identity *out)
{
	int type;
	const ASN1_STRING *s = GENERAL_NAME_get0_value(g, &type);
	enum identity_kind kind;
	if (type == GEN_DNS)
		kind = IDENTITY_FQDN;
	else if (type == GEN_EMAIL)
		kind = IDENTITY_EMAIL;
	else if (type == GEN_IPADD)
		kind = ASN1_STRING_length(s) == 4 ? IDENTITY_IPV4 : IDENTITY_IPV6;
	else
		return false;
	return !identity_from_wire(out, (uint8_t)kind, ASN1_STRING_get0_data(s),
				   (size_t)ASN1_STRING_length(s));
}

static bool is_subject(X509 *x, const struct identity *id)
{
	const unsigned char *at = id->b;
	X509_NAME *name = d2i_X509_NAME(NULL, &at, id->len);
	bool same = name && at == id->b + id->len && X509_NAME_entry_count(name) &&
		    X509_NAME_cmp(name, X509_get_subject_name(x)) == 0;
	X509_NAME_free(name);
	ERR_clear_error();
	return same;
}

static bool is_key_id(X509 *x, const struct identity *id)
{
	unsigned char hash[EVP_MAX_MD_SIZE];
	unsigned n = 0;
	const ASN1_OCTET_STRING *ski = X509_get0_subject_key_id(x);
	if (ski && ASN1_STRING_length(ski) == id->len &&
	    !memcmp(ASN1_STRING_get0_data(ski), id->b, id->len))
		return true;
	return X509_pubkey_digest(x, EVP_sha1(), hash, &n) == 1 && n == id->len &&
	       !memcmp(hash, id->b, n);
}

bool x509_has_identity(X509 *x, const struct identity *id)
{
	if (id->kind == IDENTITY_DN)
		return is_subject(x, id);
	if (id->kind == IDENTITY_KEY_ID)
		return is_key_id(x, id);
	GENERAL_NAMES *names = X509_get_ext_d2i(x, NID_subject_alt_name, NULL, NULL);
	bool found = false;
	for (int i = 0; !found && i < sk_GENERAL_NAME_num(names); i++) {
		struct identity own;
		found = to_identity(sk_GENERAL_NAME_value(names, i), &own) &&
			!identity_is_pattern(&own) && identity_matches(&own, id);
	}
	GENERAL_NAMES_free(names);
	ERR_clear_error();
	return found;
}

const char *x509_identities(X509 *x, char *out, size_t room)
{
	char text[IDENTITY_TEXT];
	size_t at = 0;
	GENERAL_NAMES *names = X509_get_ext_d2i(x, NID_subject_alt_name, NULL, NULL);
	out[0] = 0;
	for (int i = 0; i < sk_GENERAL_NAME_num(names) && at < room; i++) {
		struct identity own;
		if (!to_identity(sk_GENERAL_NAME_value(names, i), &own))
			continue;
		at += (size_t)snprintf(out + at, room - at, "%s, ", identity_format(&own, text));
	}
	GENERAL_NAMES_free(names);
	ERR_clear_error();
	if (at < room)
		x509_name(X509_get_subject_name(x), out + at, room - at);
	return out;
}
