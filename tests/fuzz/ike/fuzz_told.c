/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any payloads inside an INFORMATIONAL of an authenticated peer: addresses, updates, cookies
 * (MOBIKE), a redirect, AUTH_LIFETIME. The first octet says who began, where it came from, and
 * whether it is the answer to our own update or check.
 */
#include "ike/ike_internal.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void fill(void *owner, uint8_t *out, size_t n)
{
	(void)owner;
	memset(out, 0x5a, n);
}

static struct ip_addr address(const char *text)
{
	struct ip_addr a;
	if (ip_addr_parse(&a, text))
		abort();
	return a;
}

static void add(struct ike *e)
{
	static struct ike_connection c;
	struct fault f;
	c = (struct ike_connection){.id = 1,
				    .name = "fuzz",
				    .local = address("192.0.2.1"),
				    .remote = address("192.0.2.2"),
				    .n_ike = 1,
				    .n_child = 1,
				    .n_local_ts = 1,
				    .n_remote_ts = 1,
				    .mobike = IKE_MOBIKE_WITHOUT_NAT,
				    .allow_redirect = true};
	c.ike[0] = (struct ike_proposal){.n_encryption = 1,
					 .n_prf = 1,
					 .n_group = 1,
					 .encryption = {ENCR_AES_GCM16_128},
					 .prf = {PRF_HMAC_SHA2_256},
					 .group = {DH_CURVE25519}};
	c.child[0] = (struct ike_proposal){.n_encryption = 1, .encryption = {ENCR_AES_GCM16_128}};
	if (identity_parse(&c.local_id, "a.example.org") ||
	    identity_parse(&c.remote_id, "b.example.org") || secret_set(&c.psk, "0123456789", 10) ||
	    ike_add(e, &c, &f))
		abort();
}

static struct ike_sa *established(struct ike *e, uint8_t how)
{
	struct ike_sa *sa;
	if (sa_new(e, &sa, how & 1, 1))
		abort();
	sa->began = how & 1;
	sa->local = (struct ip_endpoint){address("192.0.2.1"), IKE_NATT_PORT};
	sa->remote = (struct ip_endpoint){address("192.0.2.2"), IKE_NATT_PORT};
	sa->mobility.on = true;
	sa->mobility.local = sa->local;
	sa->mobility.remote = sa->remote;
	sa->mobility.update = sa->mobility.verify = true;
	sa_attach(sa, e->connections);
	sa_set_state(sa, SA_ESTABLISHED, "fuzzed");
	e->arrived_local = sa->local;
	e->arrived_remote = sa->remote;
	if (how & 2)
		e->arrived_remote.addr = address("192.0.2.77");
	if (how & 4)
		e->arrived_remote.addr = address("2001:db8::77");
	return sa;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ike_options o = {.spi_base = 1}; /* SPIs that are not drawn */
	struct ike *e;
	struct fault f;
	struct ike_message in = {.h = {.spi_i = 1, .exchange = IKE_INFORMATIONAL}};
	if (size < 2)
		return 0;
	in.sk_first = data[1];
	if (ike_message_parse_inner(&in, (struct bytes){data + 2, size - 2}, &f))
		return 0;
	if (ike_new(&e, &o, &(struct ike_random){fill, NULL}))
		abort();
	add(e);
	struct ike_sa *sa = established(e, data[0]);
	struct task task = {.row = &exchanges_v2[EXCHANGE_UPDATE_ADDRESSES]};
	uint8_t answer[LIMIT_MESSAGE];
	struct builder out;
	builder_init(&out, answer, sizeof answer);
	if (data[0] & 8)
		v2_update_finish(sa, &task, &in);
	else if (data[0] & 16)
		v2_verify_finish(sa, &task, &in);
	else if (v2_liveness_answer(sa, &in, &out))
		abort();
	if (!builder_ok(&out) || sa->mobility.n_peers > IKE_MAX_ADDRESSES)
		abort();
	ike_free(e);
	return 0;
}
