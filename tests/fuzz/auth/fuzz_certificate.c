/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as a peer's certificates and as the files that judge them: certificates (each behind a
 * length of two octets), authorities, CRL, OCSP response. What is accepted is asked everything; a
 * chain of fuzzed bytes never leads to an authority that it is not itself.
 */
#include "auth/trust.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void ask(const struct chain *c)
{
	char text[400], subject[SUBJECT_TEXT], key[KEY_TEXT];
	struct identity id;
	uint8_t name[4] = {192, 0, 2, 1};
	const struct signature_scheme schemes[] = {{SIGNATURE_RSA_PSS, SIGNATURE_SHA256, 32},
						   {SIGNATURE_ECDSA, SIGNATURE_SHA256, 0},
						   {SIGNATURE_ED25519, SIGNATURE_IDENTITY, 0}};
	chain_identities(c, text, sizeof text);
	chain_subject(c, subject);
	chain_key_format(c, key);
	if (chain_key_kind(c) == KEY_OTHER)
		abort();
	if (!identity_from_wire(&id, IDENTITY_IPV4, name, 4))
		chain_has_identity(c, &id);
	if (!identity_parse(&id, "CN=gw"))
		chain_has_identity(c, &id);
	for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++)
		if (!chain_verify(c, &schemes[i], (struct bytes){name, 4}, (struct bytes){name, 4}))
			abort();
}

static void judge(struct bytes file, const struct chain *c)
{
	struct trust_files files = {.authorities = &file, .n_authorities = 1};
	struct trust *t;
	struct fault f = {0};
	char text[200];
	if (!trust_new(&t, &files, &f)) {
		trust_subjects(t, text, sizeof text);
		if (c && trust_verify(t, c, 1800000000, &f) && !f.text[0])
			abort();
		trust_free(t);
	}
	files = (struct trust_files){
		.authorities = &file, .n_authorities = 1, .crls = &file, .n_crls = 1};
	if (!trust_new(&t, &files, &f))
		trust_free(t);
	files = (struct trust_files){
		.authorities = &file, .n_authorities = 1, .ocsp = &file, .n_ocsp = 1};
	if (!trust_new(&t, &files, &f))
		trust_free(t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes der[CHAIN_MAX_CERTIFICATES + 1];
	struct reader r;
	struct chain *c = NULL;
	struct fault f = {0};
	struct signature_scheme scheme;
	unsigned n = 0;
	reader_init(&r, data, size);
	while (reader_more(&r) && n <= CHAIN_MAX_CERTIFICATES)
		der[n++] = reader_bytes(&r, reader_u16(&r));
	if (!reader_ok(&r) && n)
		der[n - 1] = (struct bytes){data, size};
	if (!signature_scheme_parse(&scheme, (struct bytes){data, size}) && !scheme.kind)
		abort();
	int err = chain_parse(&c, der, n, &f);
	if (!err)
		ask(c);
	else if (c || !f.text[0])
		abort();
	judge((struct bytes){data, size}, c);
	chain_free(c);
	return 0;
}
