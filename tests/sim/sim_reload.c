/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connections that are added, removed and replaced at any moment of their handshakes, by names that
 * share an address, by "any", by IKEv1, with a network that loses and repeats: what stays never
 * notices, and in the end what is configured on both sides works. Node 0 is the gateway with many.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "sim.h"

#define KEPT   1u
#define FIRST  2u
#define BEHIND 7u /* 2, 3: of node 2, by two identities; 4: anybody; 5, 6: node 2 by IKEv1 */
#define SEEDS  150u
#define STEPS  50u

static struct ike_connection kind(struct sim *s, uint32_t id, bool right)
{
	struct ike_connection c = sim_connection(s, 0, id == KEPT ? 1 : 2);
	c.id = id;
	if (id == 3 && identity_parse(&c.remote_id, "another.example.org"))
		abort();
	if (id == 4) {
		c.remote = (struct ip_addr){.family = IP_NONE};
		c.remote_id = (struct identity){.kind = IDENTITY_ANY};
		c.start = IKE_START_RESPOND;
	}
	if (id == 5 || id == 6) {
		c.ikev1 = true;
		c.start = id == 5 ? IKE_START_BOTH : IKE_START_RESPOND;
		c.ike[0].encryption[0] = ENCR_AES_CBC_128;
		c.ike[0].n_integrity = 1;
		c.ike[0].integrity[0] = AUTH_HMAC_SHA2_256_128;
		c.ike[0].group[0] = DH_ECP_256;
		c.ike_lifetime_ns = c.child_lifetime_ns = 3600 * NS_PER_S;
	}
	if (!right && secret_set(&c.psk, "a key that the other does not have", 34))
		abort();
	return c;
}

static void add(struct sim *s, uint32_t id, bool right)
{
	struct sim_node *n = &s->node[0];
	struct ike_connection c = kind(s, id, right);
	sim_add(s, 0, &c);
	(void)ike_up(n->ike, id, s->now_ns, &n->effects);
	sim_apply(n);
}

static void take_away(struct sim *s, uint32_t id)
{
	struct sim_node *n = &s->node[0];
	ike_remove(n->ike, id, s->now_ns, &n->effects);
	sim_apply(n);
	for (unsigned i = 0; i < n->n_children; i++)
		if (n->children[i].connection == id && !n->children[i].removed_ns)
			sim_broken(s, "connection %u is gone, its child %08x is not", id,
				   n->children[i].spi_in);
	struct ike_status st;
	if (ike_status(n->ike, id, &st) != -ENOENT || n->up_of & 1u << id)
		sim_broken(s, "connection %u is gone and known", id);
}

/* The far end forgets all and begins anew, by IKEv2 or IKEv1. */
static void restart_peer(struct sim *s)
{
	struct sim_node *n = &s->node[2];
	struct ike_connection c = sim_connection(s, 2, 0);
	if (sim_below(&s->random, 3) == 0) {
		c = kind(s, 5, true);
		struct ike_connection turned = sim_connection(s, 2, 0);
		c.id = 1;
		c.local = turned.local;
		c.remote = turned.remote;
		c.local_id = turned.local_id;
		c.remote_id = turned.remote_id;
		c.local_ts[0] = turned.local_ts[0];
		c.remote_ts[0] = turned.remote_ts[0];
	}
	ike_remove(n->ike, 1, s->now_ns, &n->effects);
	sim_apply(n);
	sim_add(s, 2, &c);
	sim_up(s, 2);
}

static uint32_t child_of(const struct sim_node *n, uint32_t connection, unsigned *many)
{
	uint32_t spi = 0;
	*many = 0;
	for (unsigned i = 0; i < n->n_children; i++) {
		if (n->children[i].connection != connection || n->children[i].removed_ns)
			continue;
		spi = n->children[i].spi_in;
		(*many)++;
	}
	return spi;
}

static void disturb(struct sim *s, bool there[BEHIND])
{
	uint32_t id = FIRST + (uint32_t)sim_below(&s->random, BEHIND - FIRST);
	bool right = sim_below(&s->random, 4) != 0;
	if (there[id])
		take_away(s, id);
	if (!there[id] || sim_below(&s->random, 3) == 0)
		add(s, id, right);
	else
		there[id] = false;
	struct ike_status st;
	there[id] = ike_status(s->node[0].ike, id, &st) == 0;
	if (sim_below(&s->random, 6) == 0)
		restart_peer(s);
	if (sim_below(&s->random, 6) == 0)
		(void)ike_rekey(s->node[2].ike, 1, s->now_ns, &s->node[2].effects);
	sim_apply(&s->node[2]);
}

static void comes_up(struct sim *s)
{
	for (unsigned i = 0; i < 2; i++) {
		struct ike_connection c = sim_connection(s, i, 1 - i);
		sim_add(s, i, &c);
	}
	sim_up(s, 0);
	sim_run(s, s->now_ns + NS_PER_S);
}

static void settles(struct sim *s, bool there[BEHIND])
{
	unsigned many;
	s->loss = s->duplicate = 0;
	for (uint32_t id = FIRST; id < BEHIND; id++)
		if (there[id])
			take_away(s, id);
	ike_remove(s->node[2].ike, 1, s->now_ns, &s->node[2].effects);
	sim_apply(&s->node[2]);
	sim_run(s, s->now_ns + 200 * NS_PER_S);
	struct ike_connection c = sim_connection(s, 2, 0);
	sim_add(s, 2, &c);
	add(s, 2, true);
	sim_up(s, 2);
	sim_run(s, s->now_ns + 60 * NS_PER_S);
	uint32_t spi = child_of(&s->node[0], 2, &many);
	struct sim_child *far = sim_child_find(&s->node[2], s->node[2].current);
	if (!spi || !far || !sim_child_find(&s->node[0], far->spi_out) ||
	    !(s->node[0].up_of & 1u << 2) || !s->node[2].up)
		sim_broken(s, "what both sides have does not come up");
}

static void test_come_and_go(void **state)
{
	unsigned many;
	uint64_t ups = 0;
	(void)state;
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		struct sim *s = sim_new(seed, 3, NULL);
		bool there[BEHIND] = {false};
		s->node[0].many = true;
		comes_up(s);
		uint32_t spi = child_of(&s->node[0], KEPT, &many);
		assert_true(spi && s->node[1].up);
		s->loss = (unsigned)sim_below(&s->random, 300);
		s->duplicate = (unsigned)sim_below(&s->random, 200);
		s->delay_max_ns = (1 + sim_below(&s->random, 200)) * NS_PER_MS;
		s->delay_min_ns = NS_PER_MS;
		for (unsigned step = 0; step < STEPS && !s->broken; step++) {
			disturb(s, there);
			sim_run(s, s->now_ns + sim_below(&s->random, 3000) * NS_PER_MS);
			if (child_of(&s->node[0], KEPT, &many) != spi || many != 1 ||
			    !(s->node[0].up_of & 1u << KEPT) || s->node[1].ups != 1 ||
			    s->node[1].downs)
				sim_broken(s, "what stayed was disturbed");
		}
		if (!s->broken)
			settles(s, there);
		ups += s->node[0].ups;
		if (s->broken)
			fail_msg("seed %" PRIu64 ": %s", seed, s->why);
		sim_free(s);
	}
	assert_true(ups > SEEDS * 4);
}

int main(int argc, char **argv)
{
	(void)argv;
	log_set_levels(argc > 1 ? LOG_LEVEL_DEBUG : LOG_LEVEL_ERROR);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_come_and_go),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
