/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A client that does some things right and others by the input: a byte chooses, its bytes follow.
 * No packet passes before the call is connected, and nothing is connected without the key.
 */
#include "tests/unit/p2s/client.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect(bool holds)
{
	if (!holds)
		abort();
}

static void frame(struct client *c, struct reader *r, uint8_t choice)
{
	static const uint16_t protocols[] = {LCP, CHAP, EAP, IPCP, IPV6CP, CCP, PPP_IP, PPP_IPV6};
	uint16_t protocol = protocols[choice >> 4 & 7];
	uint8_t n = reader_u8(r), code = reader_u8(r);
	struct bytes b = reader_bytes(r, n < reader_left(r) ? n : reader_left(r));
	if (!reader_ok(r))
		return;
	if (protocol == PPP_IP || protocol == PPP_IPV6)
		client_frame(c, protocol, b.at, b.len);
	else
		client_code(c, protocol, code & 15, code & 16 ? c->kept[5] : c->asked[5], b.at,
			    b.len);
}

static void step(struct client *c, struct reader *r)
{
	uint8_t choice = reader_u8(r), n;
	struct bytes b;
	switch (choice & 15) {
	case 0: client_call(c); break;
	case 1: client_ask_lcp(c); break;
	case 2: client_take(c); break;
	case 3: c->is.no_lcp_answer = choice & 16; break;
	case 4: client_wait(c, (uint64_t)(choice >> 4) * 5 * NS_PER_S); break;
	case 5:
		c->key[31] ^= choice & 16 ? 1 : 0;
		c->is.zero_key = choice & 32;
		c->nonce[0] ^= choice & 64 ? 1 : 0;
		client_connected(c);
		break;
	case 6:
	case 7:
		n = reader_u8(r);
		b = reader_bytes(r, n < reader_left(r) ? n : reader_left(r));
		client_raw(c, b.at, reader_ok(r) ? b.len : 0);
		break;
	case 8:
		n = reader_u8(r);
		b = reader_bytes(r, n % 128u < reader_left(r) ? n % 128u : reader_left(r));
		client_message(c, choice >> 4, b.at, reader_ok(r) ? b.len : 0, n >> 7);
		break;
	default: frame(c, r, choice);
	}
	if (c->n_pending > sizeof c->pending / 2 && c->answered_http)
		c->n_pending = 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct client c;
	struct reader r;
	if (!world.users)
		world_begin();
	reader_init(&r, data, size);
	uint8_t how = reader_u8(&r);
	client_new(&c, how & 1 ? world.users : NULL, how & 1 && !(how & 2) ? NULL : world.tls,
		   (struct client_manner){.user = "bob",
					  .password = how & 4 ? "secret" : "wrong",
					  .by_eap = how & 8,
					  .ipv6 = how & 16});
	if (!(how & 32)) {
		client_raw(&c, CLIENT_REQUEST, strlen(CLIENT_REQUEST));
		client_take(&c);
	}
	while (reader_more(&r) && !c.closed) {
		step(&c, &r);
		expect(!c.packet.len || c.up || c.control[SSTP_CALL_ABORT] || c.closed ||
		       sstp_is_open(c.s, IP_V4) || sstp_is_open(c.s, IP_V6));
		expect(how & 4 || (!c.up && !c.leases && !c.packet.len));
		expect(how & 1 || !c.up);
	}
	client_free(&c);
	return 0;
}
