/* SPDX-License-Identifier: Apache-2.0 */
/* See chain.h. */
#include "auth/chain.h"
#include "auth/x509_internal.h"

#include <errno.h>
#include <stdlib.h>

/* Before anything is verified: what verifying would cost is bounded by the keys' kinds and sizes.
 */
static int check_key(X509 *x, unsigned i, struct fault *f)
{
	char subject[SUBJECT_TEXT], key[KEY_TEXT];
	EVP_PKEY *pkey = X509_get0_pubkey(x);
	if (signature_key_kind(pkey) != KEY_OTHER)
		return 0;
	x509_name(X509_get_subject_name(x), subject, sizeof subject);
	return fault_set(
		f, -ENOTSUP,
		"certificate %u of the peer (%s) has a key of %s; accepted are RSA to 8192 "
		"bits, ECDSA on P-256, P-384, P-521 as named curves, Ed25519",
		i + 1, subject, signature_key_format(pkey, key));
}

static int parse(struct chain *c, const struct bytes *der, unsigned n, struct fault *f)
{
	size_t bytes = 0;
	for (unsigned i = 0; i < n; i++) {
		bytes += der[i].len;
		if (bytes > CHAIN_MAX_BYTES)
			return fault_set(f, -E2BIG,
					 "the peer's certificates have more than %d bytes",
					 CHAIN_MAX_BYTES);
		c->at[i] = x509_parse(der[i]);
		if (!c->at[i])
			return fault_set(f, -EPROTO, "certificate %u of the peer is malformed",
					 i + 1);
		c->n = i + 1;
		int err = check_key(c->at[i], i, f);
		if (err)
			return err;
	}
	return 0;
}

int chain_parse(struct chain **out, const struct bytes *der, unsigned n, struct fault *f)
{
	*out = NULL;
	if (!n)
		return fault_set(f, -EPROTO, "the peer sent no certificate");
	if (n > CHAIN_MAX_CERTIFICATES)
		return fault_set(f, -E2BIG, "the peer sent %u certificates, expected at most %d", n,
				 CHAIN_MAX_CERTIFICATES);
	struct chain *c = calloc(1, sizeof *c);
	if (!c)
		return fault_set(f, -ENOMEM, "no memory for the peer's certificates");
	int err = parse(c, der, n, f);
	if (err) {
		chain_free(c);
		return err;
	}
	*out = c;
	return 0;
}

void chain_free(struct chain *c)
{
	for (unsigned i = 0; c && i < c->n; i++)
		X509_free(c->at[i]);
	free(c);
}

enum key_kind chain_key_kind(const struct chain *c)
{
	return signature_key_kind(X509_get0_pubkey(c->at[0]));
}

const char *chain_key_format(const struct chain *c, char out[KEY_TEXT])
{
	return signature_key_format(X509_get0_pubkey(c->at[0]), out);
}

const char *chain_subject(const struct chain *c, char out[SUBJECT_TEXT])
{
	return x509_name(X509_get_subject_name(c->at[0]), out, SUBJECT_TEXT);
}

bool chain_has_identity(const struct chain *c, const struct identity *id)
{
	return x509_has_identity(c->at[0], id);
}

const char *chain_identities(const struct chain *c, char *out, size_t room)
{
	return x509_identities(c->at[0], out, room);
}

int chain_verify(const struct chain *c, const struct signature_scheme *s, struct bytes data,
		 struct bytes signature)
{
	return signature_verify(X509_get0_pubkey(c->at[0]), s, data, signature);
}
