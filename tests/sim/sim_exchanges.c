/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Exchanges one by one, both roles, on a network that is kind unless the test says otherwise. Node
 * 0 begins unless said otherwise; a row of numbers in the comment is who sends.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "sim.h"

#define ESP_PORT_OF_A_FLOW 50000

static struct sim *start(const struct ike_options *options,
			 void (*change)(struct ike_connection c[2]))
{
	struct sim *s = sim_new(7, 2, options);
	struct ike_connection c[2] = {sim_connection(s, 0, 1), sim_connection(s, 1, 0)};
	c[1].start = IKE_START_RESPOND;
	if (change)
		change(c);
	for (unsigned i = 0; i < 2; i++)
		sim_add(s, i, &c[i]);
	return s;
}

static void after(struct sim *s, double seconds)
{
	sim_run(s, s->now_ns + (uint64_t)(seconds * 1e9));
	if (s->broken)
		fail_msg("%s", s->why);
}

static struct sim *connected(void (*change)(struct ike_connection c[2]))
{
	struct sim *s = start(NULL, change);
	sim_up(s, 0);
	after(s, 1);
	assert_true(s->node[0].up && s->node[1].up);
	assert_true(sim_agrees(&s->node[0], &s->node[1]) && sim_agrees(&s->node[1], &s->node[0]));
	return s;
}

/* What each end would send every 10 ms must meet an installed inbound SA when it arrives. */
static void watch_traffic(struct sim *s, double seconds)
{
	uint64_t until = s->now_ns + (uint64_t)(seconds * 1e9);
	while (s->now_ns < until) {
		uint32_t spi[2];
		for (unsigned i = 0; i < 2; i++) {
			struct sim_child *out = sim_child_find(&s->node[i], s->node[i].current);
			assert_non_null(out);
			spi[i] = out->spi_out;
		}
		after(s, 0.01); /* twice the network's delay: later than any packet sent at the
				   beginning */
		for (unsigned i = 0; i < 2; i++)
			assert_non_null(sim_child_find(&s->node[1 - i], spi[i]));
	}
}

static void end(struct sim *s)
{
	sim_free(s);
}

/* IKE_SA_INIT 0, 1; IKE_AUTH 0, 1: four messages and no more. */
static void test_establish(void **state)
{
	(void)state;
	struct sim *s = connected(NULL);
	assert_int_equal(s->datagrams, 4);
	assert_int_equal(sim_installed(&s->node[0]), 1);
	assert_int_equal(s->node[0].current, s->node[0].children[0].spi_in);
	end(s);
}

/* Above the threshold: 0, cookie 1, 0 again with it, 1, then IKE_AUTH. */
static void test_cookie(void **state)
{
	(void)state;
	struct ike_options o = {.half_open_cookies = 1};
	struct sim *s = start(&o, NULL);
	/* a stranger's half-open SA takes the one place */
	struct ike_connection other = sim_connection(s, 0, 1);
	other.id = 2;
	sim_add(s, 0, &other);
	s->hold = true;
	(void)ike_up(s->node[0].ike, 2, s->now_ns, &s->node[0].effects);
	sim_apply(&s->node[0]);
	sim_deliver(s, 0); /* IKE_SA_INIT of the first arrives, its answer is held */
	sim_drop(s, 0);
	s->hold = false;
	sim_up(s, 0);
	after(s, 0.5);
	assert_true(ike_count(s->node[1].ike, IKE_COUNT_COOKIES_SENT) >= 1);
	assert_true(s->node[0].up);
	end(s);
}

static void other_group_first(struct ike_connection c[2])
{
	c[0].ike[0].n_group = c[1].ike[0].n_group = 2;
	c[0].ike[0].group[0] = DH_ECP_256;
	c[0].ike[0].group[1] = DH_CURVE25519;
	c[1].ike[0].group[0] = DH_CURVE25519;
	c[1].ike[0].n_group = 1;
}

/* 0 with ECP-256, INVALID_KE_PAYLOAD 1, 0 with Curve25519, 1, then IKE_AUTH. */
static void test_invalid_ke(void **state)
{
	(void)state;
	struct sim *s = connected(other_group_first);
	struct ike_status st;
	assert_int_equal(s->datagrams, 6);
	assert_int_equal(ike_status(s->node[0].ike, 1, &st), 0);
	assert_non_null(strstr(st.proposal, "CURVE25519"));
	end(s);
}

static void always(struct ike_connection c[2])
{
	c[0].always_encapsulate = true;
}

static void test_encapsulation_asked_for(void **state)
{
	(void)state;
	struct sim *s = connected(always);
	for (unsigned i = 0; i < 2; i++) {
		const struct child_sa *sa = &s->node[i].children[0].sa;
		assert_int_equal(sa->encapsulation, ESP_IN_UDP);
		assert_int_equal(sa->remote.port, IKE_NATT_PORT);
	}
	end(s);
}

/* Node 0 behind a NAT, connected to node 1, which waits for anybody. */
static struct sim *connected_by_nat_with(void (*change)(struct ike_connection c[2]))
{
	struct sim *s = sim_new(7, 2, NULL);
	s->node[0].nat = sim_addr("203.0.113.9");
	struct ike_connection c[2] = {sim_connection(s, 0, 1), sim_connection(s, 1, 0)};
	c[1].remote.family = IP_NONE;
	c[1].start = IKE_START_RESPOND;
	if (change)
		change(c);
	for (unsigned i = 0; i < 2; i++)
		sim_add(s, i, &c[i]);
	sim_up(s, 0);
	after(s, 1);
	assert_true(s->node[0].up && s->node[1].up);
	return s;
}

static struct sim *connected_by_nat(void)
{
	return connected_by_nat_with(NULL);
}

/* Behind a NAT: the peer is followed to its translated port 4500. */
static void test_nat(void **state)
{
	(void)state;
	struct sim *s = connected_by_nat();
	const struct child_sa *sa = &s->node[1].children[0].sa;
	assert_int_equal(sa->encapsulation, ESP_IN_UDP);
	assert_true(ip_addr_equal(&sa->remote.addr, &s->node[0].nat));
	assert_int_equal(sa->remote.port, IKE_NATT_PORT + 20000);
	struct ike_status st;
	assert_int_equal(ike_status(s->node[1].ike, 1, &st), 0);
	assert_true(st.nat_remote && !st.nat_local);
	end(s);
}

/* ESP of node `n`'s child comes from `at`, port `port`; whether the child was updated by that. */
static bool esp_from(struct sim *s, unsigned i, const struct ip_addr *at, uint16_t port)
{
	struct sim_node *n = &s->node[i];
	unsigned before = n->updates;
	struct ip_endpoint from = {*at, port};
	ike_child_moved(n->ike, n->current, &from, s->now_ns, &n->effects);
	sim_apply(n);
	if (n->updates != before)
		assert_true(ip_endpoint_equal(&sim_child_find(n, n->current)->sa.remote, &from));
	return n->updates != before;
}

/* Its NAT gives the peer another address; ESP tells first, then IKE finds it there. */
static void test_peer_moves(void **state)
{
	(void)state;
	struct sim *s = connected_by_nat();
	struct sim_node *a = &s->node[0], *b = &s->node[1];
	struct ip_endpoint from = {sim_addr("203.0.113.77"), IKE_NATT_PORT + 20000};
	struct ike_status st;
	ike_child_moved(b->ike, 0xdeadbeef, &from, s->now_ns, &b->effects);
	sim_apply(b);
	assert_int_equal(b->updates, 0);
	a->nat = from.addr;
	assert_true(esp_from(s, 1, &from.addr, from.port));
	assert_false(esp_from(s, 1, &from.addr, from.port)); /* known by now */
	assert_int_equal(ike_count(b->ike, IKE_COUNT_PEERS_MOVED), 1);
	assert_int_equal(ike_status(b->ike, 1, &st), 0);
	assert_true(ip_endpoint_equal(&st.remote, &from));
	/* a request of node 1 reaches node 0, which nobody told of anything */
	sim_rekey(s, 1);
	watch_traffic(s, 20);
	assert_int_equal(ike_count(b->ike, IKE_COUNT_REKEYS_IKE), 1);
	assert_int_equal(ike_count(b->ike, IKE_COUNT_RETRANSMITTED), 0);
	assert_true(sim_agrees(a, b) && sim_agrees(b, a));
	/* the port alone; an address of the other family, and no port, mean nothing */
	assert_true(esp_from(s, 1, &from.addr, 4711));
	assert_true(esp_from(s, 1, &from.addr, from.port));
	from.addr = sim_addr("2001:db8::1");
	assert_false(esp_from(s, 1, &from.addr, 4711));
	assert_false(esp_from(s, 1, &a->nat, 0));
	end(s);
}

/* All children of the IKE SA go along, those of workers too. */
static void two_workers(struct ike_connection c[2])
{
	c[0].workers = c[1].workers = 2;
	c[0].always_encapsulate = true; /* node 1 sees a NAT in front of node 0 */
}
static void test_all_children_move(void **state)
{
	(void)state;
	struct sim *s = connected(two_workers);
	const struct ip_addr to = sim_addr("203.0.113.77");
	assert_true(esp_from(s, 1, &to, 4711));
	assert_int_equal(s->node[1].updates, 3);
	assert_int_equal(sim_child_find(&s->node[1], s->node[1].lane[2])->sa.remote.port, 4711);
	end(s);
}

/* Nobody is followed without a NAT in front of it, or with one in front of us. */
static void test_peer_does_not_move(void **state)
{
	(void)state;
	const struct ip_addr to = sim_addr("203.0.113.77");
	struct sim *s = connected(NULL);
	assert_false(esp_from(s, 0, &to, 4500) || esp_from(s, 1, &to, 4500));
	end(s);
	s = connected(always);
	assert_false(esp_from(s, 0, &to, 4500));
	end(s);
	s = connected_by_nat();
	assert_false(esp_from(s, 0, &to, 4500));
	end(s);
}

/* ---- source ports by flow (v2_ports.c) ---- */

static void flow_ports(struct ike_connection c[2])
{
	always(c);
	c[0].port_entropy = c[1].port_entropy = true;
}

static bool has_event(struct sim *s, unsigned i, const char *text)
{
	struct ike_status st;
	assert_int_equal(ike_status(s->node[i].ike, 1, &st), 0);
	for (unsigned k = 0; k < st.n_events; k++)
		if (strstr(st.events[k].text, text))
			return true;
	return false;
}

static bool has_flow_ports(struct sim *s, unsigned i)
{
	const struct sim_child *c = sim_child_find(&s->node[i], s->node[i].current);
	struct ike_status st;
	assert_non_null(c);
	assert_int_equal(ike_status(s->node[i].ike, 1, &st), 0);
	assert_int_equal(st.children[0].port_entropy, c->sa.port_entropy);
	return c->sa.port_entropy;
}

/* Both want it and neither has a NAT before itself: all children have it, those of rekeys too. */
static void test_flow_ports(void **state)
{
	(void)state;
	struct sim *s = connected(flow_ports);
	for (unsigned round = 0; round < 3; round++) {
		for (unsigned i = 0; i < 2; i++) {
			assert_true(has_flow_ports(s, i));
			assert_false(has_event(s, i, "udpPortEntropy"));
		}
		sim_rekey(s, round & 1);
		after(s, 30);
	}
	end(s);
}

/* Another port is none of a peer's; to another address it is followed, at the port of IKE. */
static void test_flow_ports_move(void **state)
{
	(void)state;
	struct sim *s = connected(flow_ports);
	const struct ip_addr from = s->node[0].addr, to = sim_addr("203.0.113.77");
	assert_false(esp_from(s, 1, &from, ESP_PORT_OF_A_FLOW));
	assert_int_equal(ike_count(s->node[1].ike, IKE_COUNT_PEERS_MOVED), 0);
	ike_child_moved(s->node[1].ike, s->node[1].current,
			&(struct ip_endpoint){to, ESP_PORT_OF_A_FLOW}, s->now_ns,
			&s->node[1].effects);
	sim_apply(&s->node[1]);
	const struct child_sa *sa = &sim_child_find(&s->node[1], s->node[1].current)->sa;
	assert_true(ip_addr_equal(&sa->remote.addr, &to));
	assert_int_equal(sa->remote.port, IKE_NATT_PORT);
	end(s);
}

static void flow_ports_at_one(struct ike_connection c[2])
{
	always(c);
	c[1].port_entropy = true;
}

static void flow_ports_without_udp(struct ike_connection c[2])
{
	c[0].port_entropy = c[1].port_entropy = true;
}

static void test_no_flow_ports(void **state)
{
	(void)state;
	struct sim *s = connected(flow_ports_at_one);
	assert_false(has_flow_ports(s, 0) || has_flow_ports(s, 1));
	assert_true(has_event(s, 1, "udpPortEntropy is off: the peer does not offer it"));
	assert_false(has_event(s, 0, "udpPortEntropy"));
	end(s);
	s = connected(flow_ports_without_udp);
	assert_false(has_flow_ports(s, 0) || has_flow_ports(s, 1));
	assert_false(has_event(s, 0, "udpPortEntropy") || has_event(s, 1, "udpPortEntropy"));
	end(s);
	s = connected_by_nat_with(flow_ports);
	assert_false(has_flow_ports(s, 0) || has_flow_ports(s, 1));
	assert_true(has_event(s, 0, "udpPortEntropy is off: a NAT stands before us"));
	assert_true(has_event(s, 1, "udpPortEntropy is off: the peer does not offer it"));
	end(s);
}

/* RFC 3948 section 4: whoever is behind the NAT sends one octet every 20 s of silence, the other
 * end nothing, which does not mind. */
static void test_keepalive(void **state)
{
	(void)state;
	struct sim *s = connected_by_nat();
	struct sim_node *n = &s->node[0];
	after(s, 201);
	assert_int_equal(n->keepalives, 10);
	assert_int_equal(ike_count(n->ike, IKE_COUNT_KEEPALIVES), 10);
	assert_int_equal(s->node[1].keepalives, 0);
	assert_int_equal(s->datagrams, 4 + 10);
	assert_int_equal(ike_count(s->node[1].ike, IKE_COUNT_MALFORMED), 0);
	assert_int_equal(ike_count(s->node[1].ike, IKE_COUNT_RECEIVED), 2 + 10);
	/* not beside IKE that is there anyway */
	for (unsigned i = 0; i < 10; i++) {
		sim_rekey(s, i & 1);
		after(s, 15);
	}
	assert_int_equal(n->keepalives, 10);
	/* nor beside ESP */
	for (unsigned i = 0; i < 20; i++) {
		n->esp_sent++;
		after(s, 9);
	}
	assert_int_equal(n->keepalives, 10);
	/* whenever ESP ends, silence is never longer */
	for (unsigned i = 0; i < 40; i++) {
		n->esp_sent++;
		uint64_t since = s->now_ns;
		unsigned before = n->keepalives;
		while (n->keepalives == before)
			after(s, 0.1);
		assert_true(s->now_ns - since <= 20 * NS_PER_S + NS_PER_S / 5);
		after(s, 0.7 * i);
	}
	/* nothing to keep awake any more */
	sim_down(s, 0);
	after(s, 60);
	unsigned over = n->keepalives;
	after(s, 600);
	assert_int_equal(n->keepalives, over);
	end(s);
}

/* Without a NAT in front, or with one that is only pretended. */
static void test_no_keepalive(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct sim *s = connected(i ? always : NULL);
		after(s, 200);
		assert_int_equal(s->node[0].keepalives + s->node[1].keepalives, 0);
		end(s);
	}
}

static void test_rekey_loses_nothing(void **state)
{
	(void)state;
	for (unsigned by = 0; by < 2; by++) {
		struct sim *s = connected(NULL);
		uint32_t before = s->node[0].current;
		sim_rekey(s, by);
		watch_traffic(s, 20);
		assert_int_not_equal(s->node[0].current, before);
		assert_int_equal(sim_installed(&s->node[0]), 1);
		assert_int_equal(sim_installed(&s->node[1]), 1);
		assert_true(sim_agrees(&s->node[0], &s->node[1]));
		assert_int_equal(ike_count(s->node[by].ike, IKE_COUNT_REKEYS_IKE), 1);
		end(s);
	}
}

/* Both rekey everything at the same moment. */
static void test_child_rekey_collision(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 20; i++) {
		struct sim *s = connected(NULL);
		s->node[0].random += i;
		sim_rekey(s, 0);
		sim_rekey(s, 1);
		watch_traffic(s, 30);
		assert_true(sim_agrees(&s->node[0], &s->node[1]) &&
			    sim_agrees(&s->node[1], &s->node[0]));
		assert_int_equal(sim_installed(&s->node[0]), 1);
		assert_int_equal(sim_installed(&s->node[1]), 1);
		assert_true(ike_count(s->node[0].ike, IKE_COUNT_COLLISIONS) > 0);
		end(s);
	}
}

static void test_both_begin_at_once(void **state)
{
	(void)state;
	struct sim *s = sim_new(7, 2, NULL);
	for (unsigned i = 0; i < 2; i++) {
		struct ike_connection c = sim_connection(s, i, 1 - i);
		sim_add(s, i, &c);
	}
	sim_up(s, 0);
	sim_up(s, 1);
	after(s, 1);
	watch_traffic(s, 30);
	assert_true(sim_agrees(&s->node[0], &s->node[1]) && sim_agrees(&s->node[1], &s->node[0]));
	assert_int_equal(sim_installed(&s->node[0]), 1);
	end(s);
}

static void limited(struct ike_connection c[2])
{
	c[0].child_lifetime_packets = 1000;
	c[0].child_lifetime_bytes = 1000000;
	c[1].child_lifetime_packets = UINT64_MAX;
}

/* The data path gets both ends of each limit; the soft one, when it comes, rekeys, each time. */
static void test_limits(void **state)
{
	(void)state;
	struct sim *s = connected(limited);
	for (unsigned i = 0; i < 5; i++) {
		struct sim_node *n = &s->node[0];
		const struct child_sa *a = &sim_child_find(n, n->current)->sa;
		const struct child_sa *b = &sim_child_find(&s->node[1], s->node[1].current)->sa;
		assert_int_equal(a->hard_packets, 1000);
		assert_in_range(a->soft_packets, 800, 900);
		assert_int_equal(a->hard_bytes, 1000000);
		assert_in_range(a->soft_bytes, 800000, 900000);
		assert_true(b->hard_packets == UINT64_MAX &&
			    b->soft_packets > UINT64_MAX / 10 * 7 &&
			    b->soft_packets < UINT64_MAX / 10 * 9 + 10);
		assert_true(!b->hard_bytes && !b->soft_bytes);
		uint32_t before = n->current;
		for (unsigned twice = 0; twice < 2; twice++)
			ike_child_expiring(n->ike, before, s->now_ns, &n->effects);
		sim_apply(n);
		watch_traffic(s, 20);
		assert_int_not_equal(n->current, before);
		assert_int_equal(sim_installed(n), 1);
		assert_int_equal(ike_count(n->ike, IKE_COUNT_REKEYS_CHILD), i + 1);
	}
	end(s);
}

/* A child that the peer made and uses runs out before its life was acted on. */
static void test_limit_of_a_child_of_the_peer(void **state)
{
	(void)state;
	struct sim *s = connected(limited);
	struct sim_node *n = &s->node[1];
	ike_child_expiring(s->node[0].ike, s->node[0].current, s->now_ns, &s->node[0].effects);
	sim_apply(&s->node[0]);
	while (n->installs < 2)
		after(s, 0.001);
	uint32_t made = n->children[n->n_children - 1].spi_in;
	assert_int_not_equal(n->current, made);
	ike_child_alive(n->ike, made, s->now_ns);
	ike_child_expiring(n->ike, made, s->now_ns, &n->effects);
	sim_apply(n);
	assert_int_equal(n->current, made);
	after(s, 30);
	assert_null(sim_child_find(n, made));
	assert_true(sim_agrees(&s->node[0], &s->node[1]));
	end(s);
}

/* A time that ends before any rekeying succeeded ends the child. */
static void short_lived(struct ike_connection c[2])
{
	c[0].child_lifetime_ns = 60 * NS_PER_S;
}
static void test_time_limit(void **state)
{
	(void)state;
	struct sim *s = connected(short_lived);
	uint32_t before = s->node[0].current;
	watch_traffic(s, 70);
	assert_int_not_equal(s->node[0].current, before);
	assert_int_equal(s->node[0].downs, 0);
	before = s->node[0].current;
	s->loss = 1000;
	after(s, 70);
	assert_null(sim_child_find(&s->node[0], before));
	assert_false(s->node[0].up);
	end(s);
}

static void test_delete(void **state)
{
	(void)state;
	for (unsigned by = 0; by < 2; by++) {
		struct sim *s = connected(NULL);
		sim_down(s, by);
		after(s, 10);
		assert_false(s->node[by].up);
		assert_int_equal(sim_installed(&s->node[by]), 0);
		assert_false(s->node[1 - by].up);
		end(s);
	}
}

/* CREATE_CHILD_SA of the one, lost, or its answer is; DELETE of the same: only what is asked first
 * is answered first, so that it has to be asked again. */
static void test_delete_behind_what_was_lost(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		unsigned by = i & 1, answer = i >> 1;
		struct sim *s = connected(NULL);
		s->hold = true;
		ike_child_expiring(s->node[by].ike, s->node[by].current, s->now_ns,
				   &s->node[by].effects);
		sim_apply(&s->node[by]);
		assert_int_equal(s->n_queue, 1);
		if (answer)
			sim_deliver(s, 0);
		sim_drop(s, 0);
		sim_down(s, by);
		assert_false(s->node[by].up);
		s->hold = false;
		after(s, 10);
		assert_false(s->node[1 - by].up);
		assert_int_equal(sim_installed(&s->node[0]) + sim_installed(&s->node[1]), 0);
		assert_int_equal(ike_count(s->node[1 - by].ike, IKE_COUNT_BAD_MESSAGE_ID), 0);
		end(s);
	}
}

static void probes(struct ike_connection c[2])
{
	c[0].dpd_timeout_ns = c[1].dpd_timeout_ns = 30 * NS_PER_S;
}

static void test_dead_peer(void **state)
{
	(void)state;
	struct sim *s = connected(probes);
	s->loss = 1000;
	after(s, 25);
	assert_true(s->node[0].up);
	after(s, 30);
	assert_false(s->node[0].up);
	assert_non_null(strstr(s->node[0].last_fault.text, "no answer from"));
	end(s);
}

static void another_key(struct ike_connection c[2])
{
	assert_int_equal(secret_set(&c[1].psk, "quite another pre-shared key", 28), 0);
}
static void another_cipher(struct ike_connection c[2])
{
	c[1].ike[0].encryption[0] = ENCR_AES_GCM16_256;
}
static void another_name(struct ike_connection c[2])
{
	assert_int_equal(identity_parse(&c[1].remote_id, "somebody.example.org"), 0);
}
static void other_networks(struct ike_connection c[2])
{
	c[1].local_ts[0] = sim_ts("172.16.0.0/16");
}

/* What the two ends say of a failure: parts of the sentence that a person needs. */
static void test_failures_are_explained(void **state)
{
	(void)state;
	static const struct {
		void (*change)(struct ike_connection c[2]);
		const char *initiator, *responder[2];
	} rows[] = {
		{another_key, "AUTHENTICATION_FAILED", {"pre-shared keys differ", "IKE_AUTH"}},
		{another_cipher, "NO_PROPOSAL_CHOSEN", {"AES256GCM16", "AES128GCM16"}},
		{another_name,
		 "AUTHENTICATION_FAILED",
		 {"gw1.example.org", "somebody.example.org"}},
		{other_networks, "TS_UNACCEPTABLE", {"172.16.0.0/16", "10.2.0.0/16"}},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct sim *s = start(NULL, rows[i].change);
		struct ike_status a, b;
		sim_up(s, 0);
		after(s, 1);
		assert_false(s->node[0].up);
		assert_int_equal(ike_status(s->node[0].ike, 1, &a), 0);
		assert_int_equal(ike_status(s->node[1].ike, 1, &b), 0);
		if (!strstr(a.last_error.text, rows[i].initiator))
			fail_msg("row %zu, initiator says: %s", i, a.last_error.text);
		for (unsigned k = 0; k < 2; k++)
			if (!strstr(b.last_error.text, rows[i].responder[k]))
				fail_msg("row %zu, responder says: %s", i, b.last_error.text);
		assert_int_equal(sim_installed(&s->node[0]) + sim_installed(&s->node[1]), 0);
		end(s);
	}
}

static void test_silence_is_explained(void **state)
{
	(void)state;
	struct sim *s = start(NULL, NULL);
	struct ike_status st;
	s->loss = 1000;
	sim_up(s, 0);
	after(s, 120);
	assert_int_equal(ike_status(s->node[0].ike, 1, &st), 0);
	assert_non_null(strstr(st.last_error.text, "no answer from 192.0.2.2"));
	assert_non_null(strstr(st.last_error.text, "nothing was ever received"));
	s->loss = 0; /* it goes on trying */
	after(s, 120);
	assert_true(s->node[0].up);
	end(s);
}

/* A peer that was killed comes back: its INITIAL_CONTACT clears what it forgot. */
static void test_peer_restarts(void **state)
{
	(void)state;
	struct sim *s = connected(NULL);
	struct sim_node *n = &s->node[0];
	ike_free(n->ike);
	memset(n->children, 0, sizeof n->children);
	n->n_children = 0;
	n->current = 0;
	n->up = false;
	assert_int_equal(ike_new(&n->ike, NULL, &(struct ike_random){sim_fill, n}), 0);
	struct ike_connection c = sim_connection(s, 0, 1);
	sim_add(s, 0, &c);
	after(s, 5);
	sim_up(s, 0);
	after(s, 10);
	assert_true(sim_agrees(&s->node[0], &s->node[1]) && sim_agrees(&s->node[1], &s->node[0]));
	assert_int_equal(sim_installed(&s->node[1]), 1);
	end(s);
}

/* Garbage and half-open first messages leave neither state nor harm. */
static void test_strangers(void **state)
{
	(void)state;
	struct sim *s = connected(NULL);
	struct sim_node *n = &s->node[1];
	struct ip_endpoint local = {n->addr, IKE_PORT}, from = {sim_addr("198.51.100.7"), 500};
	uint8_t junk[300];
	for (unsigned i = 0; i < 20000; i++) {
		sim_fill(n, junk, sizeof junk);
		ike_receive(n->ike, &local, &from, (struct bytes){junk, i % sizeof junk}, s->now_ns,
			    &n->effects);
		sim_apply(n);
	}
	after(s, 1);
	assert_true(n->up);
	assert_true(ike_count(n->ike, IKE_COUNT_MALFORMED) > 19000);
	end(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_establish),
		cmocka_unit_test(test_cookie),
		cmocka_unit_test(test_invalid_ke),
		cmocka_unit_test(test_encapsulation_asked_for),
		cmocka_unit_test(test_nat),
		cmocka_unit_test(test_peer_moves),
		cmocka_unit_test(test_all_children_move),
		cmocka_unit_test(test_peer_does_not_move),
		cmocka_unit_test(test_flow_ports),
		cmocka_unit_test(test_flow_ports_move),
		cmocka_unit_test(test_no_flow_ports),
		cmocka_unit_test(test_keepalive),
		cmocka_unit_test(test_no_keepalive),
		cmocka_unit_test(test_rekey_loses_nothing),
		cmocka_unit_test(test_child_rekey_collision),
		cmocka_unit_test(test_both_begin_at_once),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_limit_of_a_child_of_the_peer),
		cmocka_unit_test(test_time_limit),
		cmocka_unit_test(test_delete),
		cmocka_unit_test(test_delete_behind_what_was_lost),
		cmocka_unit_test(test_dead_peer),
		cmocka_unit_test(test_failures_are_explained),
		cmocka_unit_test(test_silence_is_explained),
		cmocka_unit_test(test_peer_restarts),
		cmocka_unit_test(test_strangers),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
