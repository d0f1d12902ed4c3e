/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Verification of signatures as a filter, for tests with published vectors. Lines in, a line out
 * for each; bytes in hex, "-" for none:
 *
 *   KIND HASH SALT KEY MESSAGE SIGNATURE     Answer: "good" or "bad"
 *
 * KIND: pkcs1, pss, ecdsa, plain, ed25519; HASH: its number in IKEv2; KEY: SubjectPublicKeyInfo.
 */
#include "auth/signature.h"

#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint8_t *read_hex(char **rest, size_t *n)
{
	const char *hex = strsep(rest, " \n");
	*n = hex && strcmp(hex, "-") ? strlen(hex) / 2 : 0;
	uint8_t *out = malloc(*n + 1);
	for (size_t i = 0; out && i < *n; i++) {
		unsigned byte;
		if (sscanf(hex + 2 * i, "%2x", &byte) != 1)
			exit(1);
		out[i] = (uint8_t)byte;
	}
	return out;
}

static uint8_t kind_of(const char *word)
{
	static const char *const names[] = {
		[SIGNATURE_RSA_PKCS1] = "pkcs1", [SIGNATURE_RSA_PSS] = "pss",
		[SIGNATURE_ECDSA] = "ecdsa",	 [SIGNATURE_ECDSA_PLAIN] = "plain",
		[SIGNATURE_ED25519] = "ed25519",
	};
	for (unsigned i = 0; word && i < sizeof names / sizeof *names; i++)
		if (names[i] && !strcmp(names[i], word))
			return (uint8_t)i;
	fprintf(stderr, "signature_peer: unknown kind %s\n", word ? word : "");
	exit(1);
}

static bool verify(char *line)
{
	struct signature_scheme s = {.kind = kind_of(strsep(&line, " "))};
	size_t key_len, message_len, signature_len;
	s.hash = (uint8_t)atoi(strsep(&line, " "));
	s.salt = (uint8_t)atoi(strsep(&line, " "));
	uint8_t *der = read_hex(&line, &key_len), *message = read_hex(&line, &message_len);
	uint8_t *signature = read_hex(&line, &signature_len);
	const unsigned char *at = der;
	EVP_PKEY *key = d2i_PUBKEY(NULL, &at, (long)key_len);
	bool good = key && !signature_verify(key, &s, (struct bytes){message, message_len},
					     (struct bytes){signature, signature_len});
	EVP_PKEY_free(key);
	free(der);
	free(message);
	free(signature);
	return good;
}

int main(void)
{
	char *line = NULL;
	size_t room = 0;
	while (getline(&line, &room, stdin) > 0) {
		puts(verify(line) ? "good" : "bad");
		fflush(stdout);
	}
	free(line);
	return 0;
}
