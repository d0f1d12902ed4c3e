/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which connections a peer's address may mean, against a plain walk over all of them: exact ones
 * before "any", in the order in which they came, while connections come and go.
 */
#include "tests/sim/sim.h"

#include "ike/ike_internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define MOST	  200u
#define ADDRESSES 12u
#define STEPS	  4000u

static struct ip_addr address(unsigned i)
{
	char text[40];
	snprintf(text, sizeof text, i & 1 ? "2001:db8::%x" : "198.51.100.%u", i + 1);
	return sim_addr(text);
}

static void add(struct sim *s, uint32_t id, unsigned which)
{
	struct ike_connection c = sim_connection(s, 0, 1);
	struct fault f;
	c.id = id;
	c.start = IKE_START_RESPOND;
	c.remote = which == ADDRESSES ? (struct ip_addr){0} : address(which);
	assert_int_equal(ike_add(s->node[0].ike, &c, &f), 0);
}

static void compare(const struct ike *e, const struct ip_addr *remote)
{
	const struct connection *c = NULL;
	for (unsigned stage = 0; stage < 3; stage++) {
		for (const struct connection *x = stage == 1 ? e->moved : e->connections; x;
		     x = stage == 1 ? x->next_moved : x->next) {
			bool any = x->cfg.remote.family == IP_NONE;
			bool exact = !any && ip_addr_equal(&x->cfg.remote, remote);
			if (stage == 0 ? !exact : stage == 1 ? exact : !any)
				continue;
			c = connection_candidate(e, remote, c);
			assert_ptr_equal(c, x);
		}
	}
	assert_null(connection_candidate(e, remote, c));
}

static void test_model(void **state)
{
	struct sim *s = sim_new(1, 2, NULL);
	struct ike *e = s->node[0].ike;
	uint64_t random = sim_seeded(5);
	bool there[MOST + 1] = {false};
	(void)state;
	for (unsigned step = 0; step < STEPS; step++) {
		uint32_t id = 1 + (uint32_t)sim_below(&random, MOST);
		if (there[id])
			ike_remove(e, id, s->now_ns, &s->node[0].effects);
		else
			add(s, id, (unsigned)sim_below(&random, ADDRESSES + 1));
		there[id] = !there[id];
		if (there[id] && !sim_below(&random, 5))
			connection_moved(connection_by_id(e, id));
		if (step % 16)
			continue;
		for (unsigned i = 0; i < ADDRESSES; i++) {
			struct ip_addr a = address(i);
			compare(e, &a);
		}
		struct ip_addr nobody = sim_addr("203.0.113.99");
		compare(e, &nobody);
	}
	sim_free(s);
}

int main(void)
{
	log_set_levels(LOG_LEVEL_ERROR);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_model),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
