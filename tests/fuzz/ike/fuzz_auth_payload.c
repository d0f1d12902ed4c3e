/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as the payloads of a peer's IKE_AUTH whose protection verified, judged by a connection
 * with a pre-shared key and by one with certificates: nobody gets in, and each refusal has a
 * reason.
 */
#include "ike/ike_internal.h"
#include "tests/pki/pki.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int64_t wall(void *owner)
{
	(void)owner;
	return PKI_NOW;
}

static struct {
	struct ike e;
	struct handshake h;
	struct ike_sa sa;
	struct ike_connection psk, certificate;
} w;

static void set_up(void)
{
	static const uint8_t first[64] = {1};
	struct pki_entity ca = pki_root("ca", PKI_P256),
			  gw = pki_gateway(&ca, PKI_P256, "gw", NULL);
	struct bytes root = pki_pem(&ca, NULL, NULL), own = pki_pem(&gw, NULL, NULL);
	struct bytes key = pki_key_pem(&gw, NULL);
	struct trust_files files = {.authorities = &root, .n_authorities = 1};
	struct credential *c;
	struct fault f;
	pki_must(!credential_new(&c, own, key, &f), "credential");
	pki_must(!trust_new(&w.certificate.trust, &files, &f), "trust");
	w.certificate.credential = c;
	w.certificate.sha1_signatures = true;
	pki_must(!secret_set(&w.psk.psk, "not in any input, I hope", 24), "key");
	w.e.options.wall_seconds = wall;
	w.sa.e = &w.e;
	w.sa.handshake = &w.h;
	w.sa.chosen.prf = PRF_HMAC_SHA2_256;
	pki_must(!secret_set(&w.sa.keys.pi, first, 32) && !secret_set(&w.sa.keys.pr, first, 32),
		 "keys");
	w.h.init_i = w.h.init_r = (struct bytes){first, sizeof first};
	w.h.ni.len = w.h.nr.len = 32;
	pki_drop(root);
	pki_drop(own);
	pki_drop(key);
	pki_free(&ca);
	pki_free(&gw);
}

static void refuse(struct proof *p, const struct ike_connection *cfg, const struct identity *came)
{
	struct fault f = {0};
	if (!proof_check(p, cfg, came, &f) || !f.text[0])
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ike_message m = {.h = {.exchange = IKE_AUTH}};
	struct identity came;
	struct fault f;
	struct proof p;
	if (!w.sa.e)
		set_up();
	if (!size)
		return 0;
	m.sk_first = data[0];
	if (ike_message_parse_inner(&m, (struct bytes){data + 1, size - 1}, &f) || !m.auth.at ||
	    identity_from_wire(&came, m.idi.kind, m.idi.name.at, m.idi.name.len))
		return 0;
	proof_learn(&w.h, &m);
	proof_begin(&p, &w.sa, &m);
	refuse(&p, &w.psk, &came);
	refuse(&p, &w.certificate, &came);
	refuse(&p, &w.certificate, &came); /* what was found out before */
	proof_end(&p);
	return 0;
}
