/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A client's EAP responses, one after the other: a byte of options and a byte of length in front of
 * each. By the options the header is made right, so that the methods are reached. Nobody gets in:
 * there is no password and no certificate that the input could know.
 */
#include "tests/pki/pki.h"

#include "auth/eap.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct {
	struct users *users;
	struct credential *credential;
	struct trust *trust;
	struct eap_tls *tls;
} w;

static void expect(bool holds)
{
	if (!holds)
		abort();
}

static void set_up(void)
{
	struct fault f;
	struct pki_entity root = pki_root("root", PKI_P256);
	struct pki_entity own = pki_gateway(&root, PKI_P256, "gw", "DNS:gw.example.org");
	struct bytes ca = pki_pem(&root, NULL, NULL), chain = pki_pem(&own, NULL, NULL);
	struct bytes key = pki_key_pem(&own, NULL);
	struct trust_files files = {.authorities = &ca, .n_authorities = 1, .for_clients = true};
	expect(!users_new(&w.users, &f) && !credential_new(&w.credential, chain, key, &f) &&
	       !trust_new(&w.trust, &files, &f) && !eap_tls_new(&w.tls, w.credential, w.trust, &f));
	for (char name[] = "user0"; name[4] < '4'; name[4]++)
		expect(!users_add(w.users, name, (struct bytes){own.x ? key.at : NULL, 40}, &f));
	pki_drop(ca);
	pki_drop(chain);
	pki_drop(key);
	pki_free(&root);
	pki_free(&own);
}

/* The next message into b; its length, 0 at the end. */
static size_t next(struct reader *r, const struct eap_message *last, uint8_t b[600])
{
	uint8_t options = reader_u8(r);
	size_t n = (size_t)reader_u8(r) * (options & 1 ? 2 : 1);
	struct bytes piece = reader_bytes(r, n < reader_left(r) ? n : reader_left(r));
	if (!reader_ok(r))
		return 0;
	if (!(options & 2)) {
		b[0] = 2;
		b[1] = last->len > 1 ? last->b[1] : 0;
		store_be16(b + 2, (uint16_t)(piece.len + 5));
		b[4] = options & 4 && last->len > 4 ? last->b[4] : (uint8_t)(options >> 3);
		memcpy(b + 5, piece.at, piece.len);
		return piece.len + 5;
	}
	memcpy(b, piece.at, piece.len);
	return piece.len;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t random[EAP_RANDOM] = {1};
	enum eap_state state = EAP_GOES_ON;
	struct eap_message *m = malloc(sizeof *m);
	struct eap *e = NULL;
	struct reader r;
	struct fault f = {0};
	uint8_t b[600];
	size_t n;
	if (!w.users)
		set_up();
	reader_init(&r, data, size);
	uint8_t which = reader_u8(&r);
	const struct eap_rules rules = {.users = which & 1 ? w.users : NULL,
					.tls = which & 1 && !(which & 2) ? NULL : w.tls,
					.server = "gw"};
	expect(m && !eap_new(&e, &rules, random, PKI_NOW));
	eap_start(e, (struct bytes){data, size < 5 ? size : 5}, m);
	while (state == EAP_GOES_ON && (n = next(&r, m, b))) {
		state = eap_step(e, (struct bytes){b, n}, m, &f);
		expect(state != EAP_SUCCEEDED && m->len <= sizeof m->b);
		expect(state != EAP_FAILED || f.code);
		expect(!m->len || (m->len >= 4 && load_be16(m->b + 2) == m->len));
	}
	eap_free(e);
	free(m);
	return 0;
}
