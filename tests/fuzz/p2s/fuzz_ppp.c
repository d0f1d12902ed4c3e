/* SPDX-License-Identifier: Apache-2.0 */
/* Frames to PPP alone, each behind a byte of time and two of length; whatever comes, nobody is
 * authenticated, what is sent is whole and bounded, and every session ends. */
#include "tests/unit/p2s/client.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect(bool holds)
{
	if (!holds)
		abort();
}

static void check(const struct ppp_effects *e)
{
	uint16_t protocol;
	struct bytes b;
	expect(!e->authenticated && !e->up && !e->packet.len && e->n <= PPP_FRAMES_MAX);
	expect(!e->finished || e->fault.code);
	for (unsigned i = 0; i < e->n; i++) {
		expect(!ppp_frame_read(e->frame[i], &protocol, &b));
		expect(b.len >= 4 && load_be16(b.at + 2) == b.len);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct ppp_effects e;
	static struct eap_rules eap;
	uint8_t random[PPP_RANDOM] = {1, 2, 3, [32] = 4, 5, 6};
	struct client c = {0};
	struct ppp_rules rules = {.eap = &eap, .lease = client_lease};
	struct ppp *p;
	struct reader r;
	uint64_t now = NS_PER_S;
	if (!world.users)
		world_begin();
	reader_init(&r, data, size);
	uint8_t how = reader_u8(&r);
	eap = (struct eap_rules){how & 1 ? world.users : NULL,
				 how & 1 && !(how & 2) ? NULL : world.tls, "gw"};
	expect(!ppp_new(&p, &rules, &c, random, PKI_NOW));
	ppp_begin(p, now);
	while (reader_more(&r)) {
		now += reader_u8(&r) * NS_PER_S / 8;
		for (unsigned i = 0; i < 100 && ppp_next_deadline(p) <= now; i++) {
			ppp_effects_clear(&e);
			ppp_expire(p, now, &e);
			check(&e);
		}
		expect(ppp_next_deadline(p) > now);
		uint16_t n = reader_u16(&r);
		struct bytes frame = reader_bytes(&r, n < reader_left(&r) ? n : reader_left(&r));
		ppp_effects_clear(&e);
		ppp_receive(p, frame, now, &e);
		check(&e);
	}
	for (unsigned i = 0; i < 100 && ppp_next_deadline(p) != INSTANT_NEVER; i++) {
		now = ppp_next_deadline(p);
		ppp_effects_clear(&e);
		ppp_expire(p, now, &e);
		check(&e);
	}
	expect(ppp_next_deadline(p) == INSTANT_NEVER);
	expect(!c.leases);
	ppp_free(p);
	return 0;
}
