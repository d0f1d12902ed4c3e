/* SPDX-License-Identifier: Apache-2.0 */
#include "datapath/rate.h"

#define NS_PER_SECOND 1e9
#define MANY	      0xffffu /* the counts of active connections saturate here */

void rate_gateway_init(struct rate_gateway *g, uint64_t bits_per_second, uint64_t now_ns)
{
	*g = (struct rate_gateway){.bits_per_second = bits_per_second, .start_ns = now_ns};
	g->ticks_per_byte = 8 * NS_PER_SECOND * RATE_TICKS / (double)bits_per_second;
	double least = g->ticks_per_byte * RATE_BURST_BYTES;
	g->burst = RATE_BURST_NS * RATE_TICKS;
	if (least > (double)g->burst)
		g->burst = (uint64_t)least;
}

void rate_connection_init(struct rate_connection *c)
{
	*c = (struct rate_connection){.epoch = UINT32_MAX};
}

static uint32_t epoch_of(const struct rate_gateway *g, uint64_t now_ns)
{
	return (uint32_t)((now_ns - g->start_ns) / RATE_EPOCH_NS);
}

/* The same counts as an epoch that is not before theirs sees them. */
static void counts_at(uint64_t word, uint32_t epoch, uint32_t *before, uint32_t *now)
{
	uint32_t behind = epoch - (uint32_t)(word >> 32);
	*before = (uint32_t)(word >> 16) & MANY;
	*now = (uint32_t)word & MANY;
	if (behind && behind < UINT32_MAX / 2) {
		*before = behind == 1 ? *now : 0;
		*now = 0;
	}
}

unsigned rate_active(const struct rate_gateway *g, uint64_t now_ns)
{
	uint32_t before, now;
	counts_at(atomic_load_explicit(&g->active, memory_order_relaxed), epoch_of(g, now_ns),
		  &before, &now);
	uint32_t most = before > now ? before : now;
	return most ? most : 1;
}

/* Counts the connection once an epoch, by whichever worker is first. */
static void count_active(struct rate_gateway *g, struct rate_connection *c, uint64_t now_ns)
{
	uint32_t epoch = epoch_of(g, now_ns), before, now;
	uint32_t seen = atomic_load_explicit(&c->epoch, memory_order_relaxed);
	/* a worker whose time is a little behind finds it counted already */
	if (seen != UINT32_MAX && (int32_t)(epoch - seen) <= 0)
		return;
	if (!atomic_compare_exchange_strong_explicit(&c->epoch, &seen, epoch, memory_order_relaxed,
						     memory_order_relaxed))
		return;
	uint64_t word = atomic_load_explicit(&g->active, memory_order_relaxed), next;
	do {
		uint32_t of = (uint32_t)(word >> 32);
		counts_at(word, epoch, &before, &now);
		if ((int32_t)(epoch - of) > 0)
			of = epoch;
		next = (uint64_t)of << 32 | before << 16 | (now < MANY ? now + 1 : MANY);
	} while (!atomic_compare_exchange_weak_explicit(
		&g->active, &word, next, memory_order_relaxed, memory_order_relaxed));
}

/* Ticks that the clock is ahead of now. */
static uint64_t level_of(uint64_t clock, uint64_t now)
{
	return clock > now ? clock - now : 0;
}

/* How many of the first packets are within the connection's share, which pays for them. */
static unsigned take_share(struct rate_connection *c, uint64_t now, uint64_t burst, double price,
			   const uint32_t *bytes, unsigned n)
{
	uint64_t was = atomic_load_explicit(&c->clock, memory_order_relaxed), next;
	unsigned passed;
	do {
		uint64_t level = level_of(was, now), sum = 0;
		double room = level < burst ? (double)(burst - level) / price : 0;
		for (passed = 0; passed < n && (double)sum < room; passed++)
			sum += bytes[passed];
		if (!passed)
			return 0;
		next = now + level + (uint64_t)((double)sum * price + 0.5);
	} while (!atomic_compare_exchange_weak_explicit(&c->clock, &was, next, memory_order_relaxed,
							memory_order_relaxed));
	return passed;
}

unsigned rate_take(struct rate_gateway *g, struct rate_connection *c, uint64_t now_ns,
		   const uint32_t *bytes, unsigned n, bool *pass)
{
	const double price = g->ticks_per_byte;
	const uint64_t now = (now_ns - g->start_ns) * RATE_TICKS;
	count_active(g, c, now_ns);
	unsigned own = take_share(c, now, g->burst, price * rate_active(g, now_ns), bytes, n);
	uint64_t was = atomic_load_explicit(&g->clock, memory_order_relaxed), next;
	unsigned passed;
	do {
		uint64_t level = level_of(was, now), sum = 0;
		passed = 0;
		for (unsigned i = 0; i < n; i++) {
			uint64_t limit = i < own ? 2 * g->burst : g->burst;
			double room = level < limit ? (double)(limit - level) / price : 0;
			pass[i] = (double)sum < room;
			if (pass[i]) {
				sum += bytes[i];
				passed++;
			}
		}
		if (!passed)
			return 0;
		next = now + level + (uint64_t)((double)sum * price + 0.5);
	} while (!atomic_compare_exchange_weak_explicit(&g->clock, &was, next, memory_order_relaxed,
							memory_order_relaxed));
	return passed;
}
