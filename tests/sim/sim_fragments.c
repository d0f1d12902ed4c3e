/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SECURITY A6: messages in fragments (RFC 7383) on a network that loses, doubles and reorders each
 * of them, with a stranger on the path who sends changed copies of what he sees: other numbers,
 * totals, flags, bytes. No datagram may be longer than what was asked for, and both ends must come
 * to agree.
 *
 *   sim_fragments [SEEDS [FIRST]]
 */
#include "sim.h"

#define SIZE	  576
#define LONGEST	  (SIZE - 20 - 8)
#define SELECTORS 16

static uint64_t fragments, lies;

/* So many traffic selectors that each message with them is too long for one packet. */
static struct ike_connection connection_of(struct sim *s, unsigned from, unsigned to)
{
	struct ike_connection c = sim_connection(s, from, to);
	char text[32];
	for (unsigned i = 0; i < SELECTORS; i++) {
		snprintf(text, sizeof text, "10.%u.%u.0/24", from + 1, 2 * i);
		c.local_ts[i] = sim_ts(text);
		snprintf(text, sizeof text, "10.%u.%u.0/24", to + 1, 2 * i);
		c.remote_ts[i] = sim_ts(text);
	}
	c.n_local_ts = c.n_remote_ts = SELECTORS;
	c.fragment_mtu = SIZE;
	c.dpd_timeout_ns = 60 * NS_PER_S;
	c.ike_lifetime_ns = (100 + sim_below(&s->random, 600)) * NS_PER_S;
	c.child_lifetime_ns = (60 + sim_below(&s->random, 300)) * NS_PER_S;
	c.always_encapsulate = !sim_below(&s->random, 3);
	return c;
}

static size_t marker(const struct sim_datagram *d)
{
	return d->to.port % 20000 == IKE_NATT_PORT ? 4 : 0;
}

static bool is_fragment(const struct sim_datagram *d)
{
	size_t at = marker(d);
	return d->len > at + 36 && d->bytes[at + 16] == 53;
}

/* What the stranger makes of a fragment that passes. */
static void lie(struct sim *s, const struct sim_datagram *d)
{
	uint8_t copy[SIM_UDP_MAX], *m = copy + marker(d);
	size_t len = d->len, left = d->len - marker(d);
	memcpy(copy, d->bytes, d->len);
	switch (sim_below(&s->random, 7)) {
	case 0: m[33] = (uint8_t)(1 + sim_below(&s->random, 4)); break;	 /* number */
	case 1: m[35] = (uint8_t)(1 + sim_below(&s->random, 70)); break; /* total */
	case 2: m[34] = (uint8_t)sim_below(&s->random, 256); break;
	case 3: m[sim_below(&s->random, left)] ^= (uint8_t)(1u << sim_below(&s->random, 8)); break;
	case 4: m[19] ^= 0x20 /* response, or not */; break;
	case 5: m[16] = 46; break; /* SK in place of SKF */
	default:		   /* shorter */
		left -= sim_below(&s->random, left / 2);
		m[26] = (uint8_t)(left >> 8);
		m[27] = (uint8_t)left;
		m[30] = (uint8_t)((left - 28) >> 8);
		m[31] = (uint8_t)(left - 28);
		len = left + marker(d);
	}
	lies++;
	sim_enqueue(s, &d->from, &d->to, (struct bytes){copy, len});
}

/* Everything new in the queue is looked at once. */
static void watch(struct sim *s, uint64_t *seen, unsigned lying)
{
	unsigned n = s->n_queue;
	for (unsigned i = 0; i < n; i++) {
		const struct sim_datagram d = s->queue[i];
		if (d.order < *seen)
			continue;
		if (d.len > LONGEST)
			sim_broken(s, "a datagram of %zu bytes, expected at most %d", d.len,
				   LONGEST);
		if (!is_fragment(&d))
			continue;
		fragments++;
		if (d.bytes[marker(&d) + 35] < 2)
			sim_broken(s, "a fragment 1 of 1");
		if (sim_below(&s->random, 1000) < lying && s->n_queue < SIM_QUEUE / 2)
			lie(s, &d);
	}
	*seen = s->order;
}

static void run(struct sim *s, double seconds, unsigned lying)
{
	uint64_t until = s->now_ns + (uint64_t)(seconds * 1e9), seen = 0;
	while (!s->broken && s->now_ns < until) {
		sim_run(s, s->now_ns + NS_PER_MS);
		watch(s, &seen, lying);
	}
}

static void rounds(struct sim *s)
{
	for (unsigned i = 0; i < 4; i++) {
		s->loss = (unsigned)sim_below(&s->random, 250);
		s->duplicate = (unsigned)sim_below(&s->random, 300);
		s->delay_min_ns = 2 * NS_PER_MS;
		s->delay_max_ns = (3 + sim_below(&s->random, 400)) * NS_PER_MS;
		sim_up(s, (unsigned)sim_below(&s->random, 2));
		sim_rekey(s, (unsigned)sim_below(&s->random, 2));
		run(s, 8, 300);
	}
	s->loss = s->duplicate = 0;
	s->delay_max_ns = 5 * NS_PER_MS;
	sim_up(s, 0);
	run(s, 1, 0);
	sim_run(s, s->now_ns + 300 * NS_PER_S);
}

static bool one_seed(uint64_t seed)
{
	struct sim *s = sim_new(seed, 2, NULL);
	for (unsigned i = 0; i < 2; i++) {
		struct ike_connection c = connection_of(s, i, 1 - i);
		/* both suites, the same at both ends */
		c.ike[0].encryption[0] = seed % 2 ? ENCR_AES_GCM16_128 : ENCR_AES_CBC_256;
		c.ike[0].n_integrity = seed % 2 ? 0 : 1;
		c.ike[0].integrity[0] = AUTH_HMAC_SHA2_256_128;
		sim_add(s, i, &c);
	}
	rounds(s);
	if (!s->broken && !(s->node[0].up && s->node[1].up))
		sim_broken(s, "not up in the end: %.200s", s->node[0].last_fault.text);
	if (!s->broken &&
	    (!sim_agrees(&s->node[0], &s->node[1]) || !sim_agrees(&s->node[1], &s->node[0])))
		sim_broken(s, "the ends disagree on their child SA");
	bool ok = !s->broken;
	if (!ok)
		printf("seed %" PRIu64 " at %.3f s: %s\n", seed, (double)s->now_ns / 1e9, s->why);
	sim_free(s);
	return ok;
}

int main(int argc, char **argv)
{
	uint64_t n = argc > 1 ? strtoull(argv[1], NULL, 10) : 300;
	uint64_t first = argc > 2 ? strtoull(argv[2], NULL, 10) : 1, bad = 0;
	for (uint64_t seed = first; seed < first + n && bad < 20; seed++)
		bad += !one_seed(seed);
	printf("%" PRIu64 " seeds, %" PRIu64 " fragments, %" PRIu64 " lies, %" PRIu64 " failed\n",
	       n, fragments, lies, bad);
	return bad || !fragments || !lies;
}
