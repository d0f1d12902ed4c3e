/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One hub and N spokes, each with a connection of its own, all spokes in one engine with an address
 * each: processor time of the hub for a handshake, for an hour of probes and rekeys of an idle
 * tunnel, and memory, by N. Datagrams go through a queue in memory; the clock is virtual.
 *   ike_scale [N...]
 */
#include "base/instant.h"
#include "base/log.h"
#include "ike/ike.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { HUB, SPOKES, ENDS };

struct waiting {
	struct ip_endpoint from, to;
	size_t len;
	uint8_t *at;
};

static struct {
	struct ike *ike[ENDS];
	struct ike_effects effects[ENDS];
	uint64_t spent_ns[ENDS], random, now_ns;
	unsigned ups[ENDS], downs[ENDS];
	struct waiting *queue;
	size_t n, room;
} w;

static void must(bool holds, const char *what)
{
	if (holds)
		return;
	fprintf(stderr, "ike_scale: %s failed\n", what);
	exit(1);
}

static void fill(void *owner, uint8_t *out, size_t n)
{
	(void)owner;
	for (size_t i = 0; i < n; i++) {
		w.random ^= w.random << 13;
		w.random ^= w.random >> 7;
		w.random ^= w.random << 17;
		out[i] = (uint8_t)(w.random >> 24);
	}
}

static uint64_t processor_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

static struct ip_addr spoke(unsigned i)
{
	return (struct ip_addr){IP_V4,
				{100, (uint8_t)(64 + i / 65536), (uint8_t)(i / 256), (uint8_t)i}};
}

static void add(unsigned end, unsigned i)
{
	static const struct ip_addr hub = {IP_V4, {203, 0, 113, 1}};
	struct fault f;
	struct ip_addr a = spoke(i);
	struct ike_connection c = {
		.id = i + 1,
		.name = "spoke",
		.local = end == HUB ? hub : a,
		.remote = end == HUB ? a : hub,
		.start = end == HUB ? IKE_START_RESPOND : IKE_START_INITIATE,
		.n_ike = 1,
		.n_child = 1,
		.ike[0] = {.n_encryption = 1,
			   .n_prf = 1,
			   .n_group = 1,
			   .encryption = {ENCR_AES_GCM16_256},
			   .prf = {PRF_HMAC_SHA2_256},
			   .group = {DH_CURVE25519}},
		.child[0] = {.n_encryption = 1, .encryption = {ENCR_AES_GCM16_256}},
		.n_local_ts = 1,
		.n_remote_ts = 1,
		.local_ts[0] = {.port_last = 65535,
				.range = {{IP_V4, {0}}, {IP_V4, {255, 255, 255, 255}}}},
		.remote_ts[0] = {.port_last = 65535,
				 .range = {{IP_V4, {0}}, {IP_V4, {255, 255, 255, 255}}}},
		.ike_lifetime_ns = 28800 * NS_PER_S,
		.child_lifetime_ns = 3600 * NS_PER_S,
		.dpd_timeout_ns = 90 * NS_PER_S,
	};
	char text[64];
	must(!identity_parse(&c.local_id, ip_addr_format(&c.local, text)), "identity");
	must(!identity_parse(&c.remote_id, ip_addr_format(&c.remote, text)), "identity");
	snprintf(text, sizeof text, "the pre-shared key of spoke number %u", i);
	must(!secret_set(&c.psk, text, strlen(text)), "key");
	must(!ike_add(w.ike[end], &c, &f), "ike_add");
}

static void carry_out(unsigned end)
{
	struct ike_effects *e = &w.effects[end];
	for (size_t i = 0; i < e->n; i++) {
		const struct ike_effect *x = &e->at[i];
		w.ups[end] += x->kind == IKE_UP;
		w.downs[end] += x->kind == IKE_DOWN;
		if (x->kind != IKE_SEND)
			continue;
		if (w.n == w.room) {
			w.room = w.room ? 2 * w.room : 1024;
			w.queue = realloc(w.queue, w.room * sizeof *w.queue);
			must(w.queue, "memory");
		}
		struct waiting *d = &w.queue[w.n++];
		*d = (struct waiting){x->local, x->remote, x->datagram.len,
				      malloc(x->datagram.len)};
		must(d->at, "memory");
		memcpy(d->at, x->datagram.at, d->len);
	}
	ike_effects_clear(e);
}

static void deliver(void)
{
	for (size_t i = 0; i < w.n; i++) {
		struct waiting d = w.queue[i];
		unsigned end = d.to.addr.b[0] == 203 ? HUB : SPOKES;
		uint64_t began = processor_ns();
		ike_receive(w.ike[end], &d.to, &d.from, (struct bytes){d.at, d.len}, w.now_ns,
			    &w.effects[end]);
		w.spent_ns[end] += processor_ns() - began;
		carry_out(end);
		free(d.at);
	}
	w.n = 0;
}

static void run(uint64_t until)
{
	for (;;) {
		uint64_t at = INSTANT_NEVER;
		deliver();
		for (unsigned end = 0; end < ENDS; end++)
			at = instant_earlier(at, ike_next_deadline(w.ike[end]));
		if (at > until)
			break;
		w.now_ns = at > w.now_ns ? at : w.now_ns;
		for (unsigned end = 0; end < ENDS; end++) {
			uint64_t began = processor_ns();
			if (ike_next_deadline(w.ike[end]) <= w.now_ns)
				ike_expire(w.ike[end], w.now_ns, &w.effects[end]);
			w.spent_ns[end] += processor_ns() - began;
			carry_out(end);
		}
	}
	w.now_ns = until;
}

static void measure(unsigned n)
{
	memset(&w, 0, sizeof w);
	w.random = 88172645463325252ull;
	w.now_ns = NS_PER_S;
	struct ike_options o = {
		.max_half_open = 20000, .half_open_cookies = 20000, .max_sas = 60000};
	struct ike_random random = {.fill = fill};
	must(!ike_new(&w.ike[SPOKES], &o, &random) && !ike_new(&w.ike[HUB], &o, &random),
	     "ike_new");
	for (unsigned i = 0; i < n; i++)
		add(SPOKES, i);
	size_t before = mallinfo2().uordblks;
	for (unsigned i = 0; i < n; i++)
		add(HUB, i);
	size_t idle = mallinfo2().uordblks - before, spokes = mallinfo2().uordblks;
	for (unsigned i = 0; i < n; i++) {
		ike_up(w.ike[SPOKES], i + 1, w.now_ns, &w.effects[SPOKES]);
		carry_out(SPOKES);
		deliver();
	}
	must(w.ups[HUB] == n && w.ups[SPOKES] == n, "handshakes");
	double handshake = (double)w.spent_ns[HUB] / n / 1e3;
	size_t up = (mallinfo2().uordblks - spokes) / 2; /* both ends hold the same */
	w.spent_ns[HUB] = 0;
	run(w.now_ns + 3600 * NS_PER_S);
	must(!w.downs[HUB] && !w.downs[SPOKES], "an hour");
	printf("| %u | %.1f | %.1f | %.1f | %.1f |\n", n, handshake,
	       (double)w.spent_ns[HUB] / n / 1e3, (double)idle / n / 1024, (double)up / n / 1024);
	fflush(stdout);
	for (unsigned end = 0; end < ENDS; end++) {
		ike_free(w.ike[end]);
		ike_effects_free(&w.effects[end]);
	}
	free(w.queue);
}

int main(int argc, char **argv)
{
	static const unsigned sizes[] = {10, 100, 1000, 10000};
	log_set_levels(LOG_LEVEL_ERROR);
	printf("| tunnels | µs a handshake | µs an hour, idle, each | KiB, configured | KiB more, up |\n"
	       "| --- | --- | --- | --- | --- |\n");
	for (int i = 1; i < argc; i++)
		measure((unsigned)atoi(argv[i]));
	for (unsigned i = 0; argc < 2 && i < sizeof sizes / sizeof *sizes; i++)
		measure(sizes[i]);
	return 0;
}
