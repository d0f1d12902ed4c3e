/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as an SA payload's body. What is chosen must be of ours, and its answer be accepted by
 * itself. */
#include "ike/proposal.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define LIST(kind, ...) .n_##kind = sizeof((uint8_t[]){__VA_ARGS__}), .kind = {__VA_ARGS__}

static const struct ike_proposal ours[] = {
	{LIST(encryption, ENCR_AES_GCM16_256, ENCR_AES_CBC_256),
	 LIST(integrity, AUTH_HMAC_SHA2_256_128), LIST(prf, PRF_HMAC_SHA2_384, PRF_HMAC_SHA2_256),
	 LIST(group, DH_ECP_256, DH_MODP_2048), .esn = true},
	{LIST(encryption, ENCR_CHACHA20_POLY1305), LIST(prf, PRF_HMAC_SHA2_256),
	 LIST(group, DH_CURVE25519)},
	{LIST(encryption, ENCR_CHACHA20_POLY1305), LIST(prf, PRF_HMAC_SHA2_512),
	 LIST(group, DH_CURVE25519), LIST(additional, DH_ECP_384, DH_MODP_2048)},
};

static void expect(bool holds)
{
	if (!holds)
		abort();
}

static void judge(enum proposal_kind kind, const struct ike_chosen *c)
{
	expect(c->encryption && c->encryption < ENCR_COUNT && c->integrity < AUTH_COUNT &&
	       c->prf < PRF_COUNT && c->group < DH_COUNT);
	expect(encryption_of(c->encryption)->aead == (c->integrity == AUTH_NONE));
	bool ike = kind == PROPOSAL_IKE || kind == PROPOSAL_IKE_REKEY;
	expect(ike == (c->prf != PRF_NONE));
	expect(!ike || c->group);
	expect(kind == PROPOSAL_IKE || !c->n_additional);
	expect(kind != PROPOSAL_FIRST_CHILD || !c->group);
	/* as our own offer, and answered */
	uint8_t b[1000];
	struct builder out;
	struct ike_chosen again, first = *c;
	struct fault f = {0};
	uint64_t spi = kind == PROPOSAL_IKE ? 0 : 0xc0000001;
	first.number = c->prf == PRF_HMAC_SHA2_512		 ? 4
		       : c->encryption == ENCR_CHACHA20_POLY1305 ? 3
		       : c->encryption == ENCR_AES_CBC_256	 ? 2
								 : 1;
	builder_init(&out, b, sizeof b);
	proposal_answer(&out, kind, &first, spi);
	expect(builder_ok(&out));
	struct bytes body = {b + 4, builder_bytes(&out).len - 4};
	expect(!proposal_accept(body, kind, ours, 3, &again, &f));
	expect(again.encryption == c->encryption && again.integrity == c->integrity &&
	       again.prf == c->prf && again.group == c->group && again.esn == c->esn);
	expect(again.spi == spi && again.n_additional == c->n_additional &&
	       !memcmp(again.additional, c->additional, sizeof c->additional));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ike_chosen c;
	if (size > LIMIT_MESSAGE)
		return 0;
	for (enum proposal_kind kind = PROPOSAL_IKE; kind <= PROPOSAL_FIRST_CHILD; kind++) {
		struct fault f = {0};
		struct bytes body = {data, size};
		int err = proposal_choose(body, kind, ours, 3, DH_MODP_2048, &c, &f);
		expect(f.code == err);
		if (!err)
			judge(kind, &c);
		else
			expect(strlen(f.text) > 0);
		memset(&f, 0, sizeof f);
		err = proposal_accept(body, kind, ours, 3, &c, &f);
		expect(f.code == err);
		if (!err)
			judge(kind, &c);
	}
	return 0;
}
