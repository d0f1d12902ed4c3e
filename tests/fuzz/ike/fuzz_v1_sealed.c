/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A peer that has the keys and lies: any payloads behind a hash that verifies, as quick mode or
 * informational exchange, to an established ISAKMP SA. And any bytes in the clear, as main mode to
 * an engine that waits for it. The engine must survive, and keep its promises to the host
 * (tests/sim/sim.h judges the effects).
 */
#include "ike/v1_internal.h"
#include "tests/sim/sim.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct sim *world;
static unsigned runs;

static struct sim *begin(void)
{
	struct sim *s = sim_new(7, 2, NULL);
	for (unsigned i = 0; i < 2; i++) {
		struct ike_connection c = sim_connection(s, i, 1 - i);
		c.ikev1 = true;
		c.dpd_timeout_ns = 30 * NS_PER_S;
		c.ike[0] = (struct ike_proposal){.n_encryption = 1,
						 .n_integrity = 1,
						 .n_group = 1,
						 .encryption = {ENCR_AES_CBC_128},
						 .integrity = {AUTH_HMAC_SHA1_96},
						 .group = {DH_CURVE25519}};
		c.child[0] = (struct ike_proposal){.n_encryption = 1,
						   .n_integrity = 1,
						   .encryption = {ENCR_AES_CBC_128},
						   .integrity = {AUTH_HMAC_SHA1_96}};
		sim_add(s, i, &c);
	}
	sim_up(s, 0);
	sim_run(s, s->now_ns + NS_PER_S);
	if (!s->node[0].up || !s->node[1].up)
		abort();
	return s;
}

static struct ike_sa *established(struct sim *s, unsigned node)
{
	for (struct ike_sa *sa = s->node[node].ike->all; sa; sa = sa->next_all)
		if (sa->v1 && sa->state == SA_ESTABLISHED)
			return sa;
	return NULL;
}

/* Sealed by node 0's keys, for node 1. */
static void sealed(struct sim *s, uint8_t how, const uint8_t *data, size_t size)
{
	uint8_t inner[LIMIT_MESSAGE], out[LIMIT_MESSAGE], iv[V1_IV], rest[LIMIT_MESSAGE];
	struct ike_sa *sa = established(s, 0);
	struct builder b, r;
	size_t len = 0;
	uint32_t id = 0x1000 + runs;
	if (!sa || !size || size > 4000)
		return;
	builder_init(&r, rest, sizeof rest);
	r.first = data[0];
	writer_bytes(&r.w, data + 1, size - 1);
	builder_init(&b, inner, sizeof inner - 128);
	if (v1_phase2_iv(iv, &sa->chosen, sa->v1->iv, id) ||
	    v1_add_hash(sa, id, (struct bytes){NULL, 0}, &r, &b) ||
	    v1_seal(sa, how & 1 ? V1_QUICK : V1_INFORMATIONAL, id, iv, &b, out, &len))
		return;
	sim_enqueue(s, &sa->local, &sa->remote, (struct bytes){out, len});
}

/* Main mode in the clear: the payloads are the input's, the header fits. */
static void clear(struct sim *s, uint8_t how, const uint8_t *data, size_t size)
{
	uint8_t out[LIMIT_MESSAGE];
	struct ip_endpoint from = {s->node[0].addr, IKE_PORT}, to = {s->node[1].addr, IKE_PORT};
	struct ike_header h = {.spi_i = 0x77, .exchange = V1_MAIN};
	struct builder b;
	if (!size || size > 4000)
		return;
	for (struct ike_sa *sa = s->node[1].ike->all; sa && how & 4; sa = sa->next_all)
		if (sa->v1 && sa->v1->expects)
			h.spi_i = sa->spi_i, h.spi_r = sa->spi_r;
	builder_init(&b, out, sizeof out);
	v1_header(&b, &h);
	out[16] = data[0];
	out[19] = how >> 3 & 1;
	writer_bytes(&b.w, data + 1, size - 1);
	builder_finish(&b);
	sim_enqueue(s, &from, &to, builder_bytes(&b));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 2)
		return 0;
	if (!world || ++runs % 64 == 0 || !established(world, 0)) {
		if (world)
			sim_free(world);
		world = begin();
	}
	if (data[0] & 2)
		clear(world, data[0], data + 1, size - 1);
	else
		sealed(world, data[0], data + 1, size - 1);
	sim_run(world, world->now_ns + 50 * NS_PER_MS);
	if (data[0] & 0x80)
		sim_run(world, world->now_ns + 20 * NS_PER_S);
	if (world->broken) {
		fprintf(stderr, "%s\n", world->why);
		abort();
	}
	return 0;
}
