/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The RIB alone: what a route costs to learn, to tell, to withdraw and to look at again after a
 * reload, in nanoseconds of CPU, and how much memory it takes. One peer announces N routes, a
 * second the same (so that each becomes a choice), then both go.
 *   rib_bench [ROUTES ...]      default: 100000 1000000
 */
#include "control/rib.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define BATCH 4096

static double cpu_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

#define MOST (1u << 20) /* prefixes of /24 in 16.0.0.0/4, where no import rule says anything */

/* No two are equal, and they do not come in order. */
static struct ip_prefix nth(uint32_t i)
{
	uint32_t mixed = i * 2654435761u & (MOST - 1); /* odd factor: each once */
	return (struct ip_prefix){ip_addr_v4(0x10000000u + (mixed << 8)), 24};
}

/* How long until all is told, and the longest call. */
static double drain(struct rib *r, struct rib_change *out, size_t *n, double *longest)
{
	double begin = cpu_ns();
	*n = 0;
	while (!rib_is_settled(r)) {
		double at = cpu_ns();
		*n += rib_next(r, out, BATCH);
		at = cpu_ns() - at;
		*longest = at > *longest ? at : *longest;
	}
	return cpu_ns() - begin;
}

static uint32_t learn(struct rib *r, uint32_t peer, uint32_t n)
{
	uint32_t taken = 0;
	for (uint32_t i = 0; i < n; i++) {
		const struct ip_prefix p = nth(i);
		taken += rib_learn(r, peer, &p, 1) == 0;
	}
	return taken;
}

static int run(uint32_t n)
{
	const struct rib_limits limits = {.peers = 2,
					  .learnt = 2 * n,
					  .routes = n,
					  .choices = 16,
					  .seed = {0x0123456789abcdefull, 42}};
	struct rib_peer peers[] = {{1, n}, {2, n}};
	const struct rib_member members[] = {{1, 1001, 7, 0, RIB_CLASS_CIRCUIT, 1},
					     {2, 1001, 8, 0, RIB_CLASS_TUNNEL, 1}};
	const struct rib_inputs in = {
		.peers = peers, .members = members, .n_peers = 2, .n_members = 2};
	struct rib_change *out = calloc(BATCH, sizeof *out);
	struct rib_counts counts, both;
	struct rib *r = NULL;
	struct fault f;
	double longest = 0, took[8];
	size_t told[4];
	if (!n || n > MOST || !out || rib_create(&r, &limits) || rib_follow(r, &in, &f)) {
		free(out);
		return 1;
	}
	drain(r, out, &told[0], &longest);
	took[0] = cpu_ns();
	uint32_t taken = learn(r, 1, n);
	took[0] = cpu_ns() - took[0];
	took[1] = drain(r, out, &told[0], &longest);
	rib_counts(r, &counts);
	took[2] = cpu_ns();
	taken += learn(r, 2, n);
	took[2] = cpu_ns() - took[2];
	took[3] = drain(r, out, &told[1], &longest);
	rib_counts(r, &both);
	peers[0].max_prefixes++;
	int err = rib_follow(r, &in, &f);
	took[4] = drain(r, out, &told[2], &longest);
	took[5] = cpu_ns();
	rib_forget(r, 1);
	took[5] = cpu_ns() - took[5];
	took[6] = drain(r, out, &told[3], &longest);
	printf("%8u routes, ns each: learn %.0f, tell %.0f; second peer: learn %.0f, tell %.0f; "
	       "reload %.0f; forget %.0f, tell %.0f\n",
	       n, took[0] / n, took[1] / n, took[2] / n, took[3] / n, took[4] / n, took[5] / n,
	       took[6] / n);
	printf("         %.0f bytes each, %.0f with two peers; longest call (%d differences) %.2f ms; "
	       "all of one peer: %.0f ms\n",
	       (double)counts.bytes / n, (double)both.bytes / n, BATCH, longest / 1e6,
	       (took[0] + took[1]) / 1e6);
	/* the choice of both is one difference more, put and removed; a reload says nothing */
	bool is_right = !err && taken == 2 * n && told[0] == n && told[1] == n + 1 && !told[2] &&
			told[3] == n + 1;
	rib_free(r);
	free(out);
	return is_right ? 0 : 1;
}

int main(int argc, char **argv)
{
	int failed = 0;
	for (int i = 1; i < argc; i++)
		failed |= run((uint32_t)strtoul(argv[i], NULL, 10));
	if (argc < 2)
		failed = run(100000) | run(1000000);
	if (failed)
		fprintf(stderr, "rib_bench: the RIB said something else than it was to say\n");
	return failed;
}
