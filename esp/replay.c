/* SPDX-License-Identifier: Apache-2.0 */
/* The anti-replay window; see replay.h. Bit s of the ring is word (s / 64) mod words, bit s mod 64.
 */
#include "esp/replay.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A check may run beside an advance of another thread: both see whole words. */
static uint64_t look(const uint64_t *p)
{
	return __atomic_load_n(p, __ATOMIC_RELAXED);
}

static void put(uint64_t *p, uint64_t v)
{
	__atomic_store_n(p, v, __ATOMIC_RELAXED);
}

static uint64_t *word_of(const struct replay *r, uint64_t seq)
{
	return &r->bits[(seq >> 6) & (r->words - 1)];
}

int replay_init(struct replay *r, uint32_t window)
{
	memset(r, 0, sizeof *r);
	if (window > REPLAY_MAX_WINDOW)
		return -EINVAL;
	r->window = window;
	if (!window)
		return 0;
	/* one word more than the window fills, so that a word is cleared only when it left the
	 * window */
	r->words = 2;
	while ((r->words - 1) * 64 < window)
		r->words *= 2;
	r->bits = calloc(r->words, sizeof *r->bits);
	return r->bits ? 0 : -ENOMEM;
}

void replay_free(struct replay *r)
{
	free(r->bits);
	memset(r, 0, sizeof *r);
}

uint64_t replay_extend(const struct replay *r, uint32_t low, bool esn)
{
	if (!esn)
		return low;
	uint64_t top = look(&r->top);
	uint32_t top_low = (uint32_t)top, high = (uint32_t)(top >> 32);
	uint32_t window = r->window ? r->window : REPLAY_MAX_WINDOW;
	uint32_t bottom = top_low - window + 1;
	if (top_low >= window - 1) { /* case A: the window lies in one subspace */
		if (low < bottom)
			high++;
	} else if (low >= bottom && high) { /* case B: it reaches into the one before */
		high--;
	}
	return (uint64_t)high << 32 | low;
}

bool replay_check(const struct replay *r, uint64_t seq)
{
	uint64_t top = look(&r->top);
	if (!seq)
		return false;
	if (!r->window || seq > top)
		return true;
	return top - seq < r->window && !(look(word_of(r, seq)) >> (seq & 63) & 1);
}

/* Numbers first … last, all within the ring, that were never marked. */
static uint64_t unseen(const struct replay *r, uint64_t first, uint64_t last)
{
	uint64_t n = 0;
	for (uint64_t s = first; s <= last; s = (s | 63) + 1) {
		uint64_t end = (s | 63) < last ? (s | 63) : last;
		uint64_t mask = (~0ull << (s & 63)) & (~0ull >> (63 - (end & 63)));
		n += (unsigned)__builtin_popcountll(~look(word_of(r, s)) & mask);
		if (end == last)
			break;
	}
	return n;
}

/* Counts what leaves on the left when the top goes up to seq. */
static void count_lost(struct replay *r, uint64_t seq)
{
	uint64_t top = r->top, window = r->window;
	if (seq <= window)
		return;
	uint64_t first = top >= window ? top - window + 1 : 1, last = seq - window, lost = 0;
	if (last > top) { /* jumped over: no bit was ever there for them */
		lost = last - top;
		last = top;
	}
	if (first <= last)
		lost += unseen(r, first, last);
	if (lost)
		put(&r->lost, r->lost + lost);
}

static void raise_top(struct replay *r, uint64_t seq)
{
	uint64_t from = r->top >> 6, to = seq >> 6;
	count_lost(r, seq);
	uint64_t n = to - from < r->words ? to - from : r->words;
	for (uint64_t i = 0; i < n; i++)
		put(&r->bits[(to - i) & (r->words - 1)], 0);
	put(&r->top, seq);
}

/* The usual step, in order and within a word: true when it was that and nothing was lost. */
static bool step(struct replay *r, uint64_t seq)
{
	uint64_t leaves = seq - r->window;
	if (seq != r->top + 1 || !(seq & 63) || seq <= r->window ||
	    !(look(word_of(r, leaves)) >> (leaves & 63) & 1))
		return false;
	uint64_t *w = word_of(r, seq);
	put(w, look(w) | 1ull << (seq & 63));
	put(&r->top, seq);
	return true;
}

bool replay_advance(struct replay *r, uint64_t seq)
{
	if (r->window && step(r, seq))
		return true;
	if (!replay_check(r, seq))
		return false;
	if (!r->window) {
		if (seq > r->top)
			put(&r->top, seq);
		return true;
	}
	if (seq > r->top)
		raise_top(r, seq);
	uint64_t *w = word_of(r, seq);
	put(w, look(w) | 1ull << (seq & 63));
	return true;
}

/* Bits of [first, first + n), which lie in one word. */
static void mark(struct replay *r, uint64_t first, unsigned n)
{
	uint64_t *w = word_of(r, first);
	uint64_t old = first & 63 ? look(w) : 0; /* a word that is new to the window */
	put(w, old | (~0ull >> (64 - n)) << (first & 63));
}

bool replay_advance_run(struct replay *r, uint64_t first, unsigned n)
{
	if (first != r->top + 1 || !n || n > 64 || (r->window && n > r->window))
		return false;
	uint64_t last = first + n - 1;
	if (r->window) {
		unsigned here = 64 - (unsigned)(first & 63);
		count_lost(r, last);
		mark(r, first, n < here ? n : here);
		if (n > here)
			mark(r, first + here, n - here);
	}
	put(&r->top, last);
	return true;
}
