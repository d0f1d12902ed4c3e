/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One tunnel on one queue, with helpers and without, apart from the kernel: the worker's whole way
 * (receive, choose, encrypt or decrypt, send) on rings in plain memory.
 *   handover_bench [SECONDS_EACH [LAPS]]
 * `out`: a VNet's packets to ESP. `both`: and back, by the same worker. Cases are interleaved;
 * medians of all laps, with the least and the greatest.
 */
#include "tests/unit/datapath/mill.h"

#include <time.h>

#define LAPS_MAX 31

static const struct {
	const char *backend, *name;
	struct mill_cipher cipher;
} ciphers[] = {
	{"openssl", "AES256-CBC, SHA256", {ENCR_AES_CBC_256, AUTH_HMAC_SHA2_256_128}},
	{"ipsec-mb", "AES256-CBC, SHA256", {ENCR_AES_CBC_256, AUTH_HMAC_SHA2_256_128}},
	{"openssl", "AES128-GCM", {ENCR_AES_GCM16_128, AUTH_NONE}},
	{"ipsec-mb", "AES128-GCM", {ENCR_AES_GCM16_128, AUTH_NONE}},
};
#define CIPHERS (sizeof ciphers / sizeof *ciphers)
#define HELPERS 2 /* none, one */

static const uint32_t sizes[] = {64, 1400};
#define SIZES (sizeof sizes / sizeof *sizes)

struct result {
	double rate[LAPS_MAX]; /* packets a second */
	double helped;	       /* share of all jobs and bursts of the last lap */
};
static struct result results[CIPHERS][SIZES][2][HELPERS];

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void turn(struct mill_owner *o)
{
	for (unsigned n = BURST; n && mill_room(o, MILL_LAN); n--)
		mill_feed(o, 0);
	mill_turn(o, 0);
}

static void measure(struct result *r, unsigned lap, unsigned cipher, uint32_t size, bool only_out,
		    unsigned helpers, double seconds)
{
	struct mill_owner *o = &mill.owner[0];
	mill_start(1, helpers, ciphers[cipher].backend);
	mill.unwatched = true;
	mill.only_out = only_out;
	mill.size = size;
	mill_open(0, 0, &ciphers[cipher].cipher, 0);
	mill_start_helpers();
	for (unsigned i = 0; i < 200; i++)
		turn(o);
	uint64_t before = o->delivered;
	double began = now(), end = began + seconds, at;
	do {
		for (unsigned i = 0; i < 16; i++)
			turn(o);
	} while ((at = now()) < end);
	r->rate[lap] = (double)(o->delivered - before) / (at - began);
	const struct datapath_worker_status *s = &o->w->status;
	r->helped = s->jobs ? (double)s->jobs_helped / (double)s->jobs : 0;
	handover_drain(o->w);
	mill_stop_helpers();
	mill_stop();
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

static double sorted_median(struct result *r, unsigned laps)
{
	qsort(r->rate, laps, sizeof *r->rate, by_size);
	return r->rate[laps / 2];
}

static void print(unsigned laps)
{
	printf("%-9s %-19s %5s %-5s %26s %26s %6s %7s\n", "backend", "cipher", "bytes", "",
	       "k/s alone", "k/s, 1 helper", "gain", "helped");
	for (unsigned c = 0; c < CIPHERS; c++)
		for (unsigned s = 0; s < SIZES; s++)
			for (unsigned out = 0; out < 2; out++) {
				struct result *r = results[c][s][out];
				double a = sorted_median(&r[0], laps),
				       b = sorted_median(&r[1], laps);
				if (a <= 0)
					continue;
				printf("%-9s %-19s %5u %-5s %8.0f (%7.0f - %7.0f) %8.0f (%7.0f - "
				       "%7.0f) %6.2f %6.0f%%\n",
				       ciphers[c].backend, ciphers[c].name, sizes[s],
				       out ? "out" : "both", a / 1e3, r[0].rate[0] / 1e3,
				       r[0].rate[laps - 1] / 1e3, b / 1e3, r[1].rate[0] / 1e3,
				       r[1].rate[laps - 1] / 1e3, b / a, 100 * r[1].helped);
			}
}

int main(int argc, char **argv)
{
	double seconds = argc > 1 ? strtod(argv[1], NULL) : 0.3;
	unsigned laps = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 5;
	laps = laps < 1 ? 1 : laps > LAPS_MAX ? LAPS_MAX : laps;
	rcu_register_thread();
	for (unsigned lap = 0; lap < laps; lap++)
		for (unsigned c = 0; c < CIPHERS; c++)
			for (unsigned s = 0; s < SIZES; s++)
				for (unsigned i = 0; i < 2 * HELPERS; i++)
					if (esp_backend_choose(ciphers[c].backend))
						measure(&results[c][s][i / 2][i % 2], lap, c,
							sizes[s], i / 2, i % 2, seconds);
	print(laps);
	rcu_unregister_thread();
	return 0;
}
