/* SPDX-License-Identifier: Apache-2.0 */
/* Jobs of cryptography between workers; see handover.h. */
#include "datapath/handover.h"

#include "base/instant.h"
#include "base/log.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Less than this is done before another core has the packets in its cache. */
#define PAYS_NS 30000u
/* A sleeper costs a system call to wake and takes some 50 microseconds to come. */
#define PAYS_WAKING_NS 60000u
/* How long a worker that was of use looks for more, before it sleeps. */
#define LOOK_NS 60000u
/* Rounds after which all jobs are taken back even under load, so that RCU moves on. */
#define HOLD_ROUNDS 8u
/* Looks at a helper's job before the processor is offered to it. */
#define SPINS 500u
/* Until the first burst was measured; a rate that no library falls short of by far. */
#define FIRST_GUESS_NS 300u

static inline void relax(void)
{
#if defined(__x86_64__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield");
#endif
}

static uint64_t clock_precise(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

int handover_new(struct handover **out)
{
	struct handover *h = aligned_alloc(LANE_LINE, sizeof *h);
	if (!h)
		return -ENOMEM;
	/* the jobs' own memory stays untouched until it is used */
	atomic_init(&h->rest, REST_BUSY);
	h->rest_said = REST_BUSY;
	h->rounds_held = 0;
	h->look_until_ns = 0;
	for (unsigned i = 0; i < LANES; i++) {
		struct lane *l = &h->lane[i];
		l->tail = 0;
		l->packet_ns = FIRST_GUESS_NS;
		atomic_init(&l->head, 0);
		atomic_init(&l->claim, 0);
	}
	*out = h;
	return 0;
}

void handover_free(struct handover *h)
{
	free(h);
}

/* ---- jobs ---- */

static struct job *job_at(struct lane *l, uint64_t n)
{
	return &l->job[n & (LANE_JOBS - 1)];
}

/* The oldest job that nobody has begun; NULL when there is none. */
static struct job *claim(struct lane *l)
{
	uint64_t next = atomic_load_explicit(&l->claim, memory_order_acquire);
	do {
		if (next >= atomic_load_explicit(&l->head, memory_order_acquire))
			return NULL;
	} while (!atomic_compare_exchange_weak_explicit(
		&l->claim, &next, next + 1, memory_order_acq_rel, memory_order_acquire));
	return job_at(l, next);
}

static void transform(struct esp_crypto *c, enum lane_id lane, struct esp_packet *e, unsigned n)
{
	if (lane == LANE_OUT)
		esp_encrypt(c, e, n);
	else
		esp_decrypt(c, e, n);
}

static void carry_out(struct worker *w, enum lane_id lane, struct job *j, bool helped)
{
	uint64_t began = clock_precise();
	transform(w->crypto, lane, j->esp, j->n);
	j->cost_ns = (uint32_t)(clock_precise() - began);
	j->helped = helped;
	atomic_store_explicit(&j->done, true, memory_order_release);
}

static bool do_own(struct worker *w, enum lane_id lane)
{
	struct job *j = claim(&w->handover->lane[lane]);
	if (j)
		carry_out(w, lane, j, false);
	return j;
}

/* An eighth of what was measured last: a thread that was put aside meanwhile counts for little. */
static void learn(struct lane *l, uint64_t ns, unsigned n)
{
	uint64_t each = ns / n, most = 4ull * l->packet_ns + FIRST_GUESS_NS;
	if (each > most)
		each = most;
	l->packet_ns = (uint32_t)((7ull * l->packet_ns + each) / 8);
}

void handover_here(struct worker *w, enum lane_id lane, struct esp_packet *e, unsigned n)
{
	if (!w->handover || n < JOB_PACKETS) {
		transform(w->crypto, lane, e, n);
		return;
	}
	uint64_t began = clock_precise();
	transform(w->crypto, lane, e, n);
	learn(&w->handover->lane[lane], clock_precise() - began, n);
}

/* Takes the oldest job back; false when there is none or it is not done. */
static bool retire(struct worker *w, enum lane_id lane)
{
	struct lane *l = &w->handover->lane[lane];
	if (l->tail == atomic_load_explicit(&l->head, memory_order_relaxed))
		return false;
	struct job *j = job_at(l, l->tail);
	if (!atomic_load_explicit(&j->done, memory_order_acquire))
		return false;
	/* a helper pays for fetching the packets as well: that would never make a cheap cipher look
	 * cheap again */
	if (!j->helped)
		learn(l, j->cost_ns, j->n);
	w->status.jobs_helped += j->helped;
	if (lane == LANE_OUT)
		outbound_finish(w, j->packet, j->esp, j->path, j->n);
	else
		inbound_finish(w, j->packet, j->esp, j->n);
	l->tail++;
	return true;
}

static void retire_done(struct worker *w, enum lane_id lane)
{
	while (retire(w, lane))
		;
}

/* Takes the oldest job back, by doing jobs until it is done. The wait is for a helper that is in
 * the middle of one. */
static void retire_one(struct worker *w, enum lane_id lane)
{
	for (unsigned spins = 0; !retire(w, lane);) {
		if (do_own(w, lane))
			continue;
		if (++spins < SPINS)
			relax();
		else
			sched_yield();
	}
}

static bool empty(const struct lane *l)
{
	return l->tail == atomic_load_explicit(&l->head, memory_order_relaxed);
}

void handover_post(struct worker *w, enum lane_id lane, const struct packet *p,
		   const struct esp_packet *e, const struct outbound *const *path, unsigned n)
{
	struct lane *l = &w->handover->lane[lane];
	for (unsigned from = 0; from < n; from += JOB_PACKETS) {
		unsigned some = n - from < JOB_PACKETS ? n - from : JOB_PACKETS;
		uint64_t head = atomic_load_explicit(&l->head, memory_order_relaxed);
		while (head - l->tail == LANE_JOBS)
			retire_one(w, lane);
		struct job *j = job_at(l, head);
		atomic_store_explicit(&j->done, false, memory_order_relaxed);
		j->n = some;
		memcpy(j->packet, p + from, some * sizeof *p);
		memcpy(j->esp, e + from, some * sizeof *e);
		if (path)
			memcpy(j->path, path + from, some * sizeof *path);
		/* as one with the look at who sleeps: see handover_may_sleep */
		atomic_store_explicit(&l->head, head + 1, memory_order_seq_cst);
		w->status.jobs++;
	}
}

void handover_drain(struct worker *w)
{
	struct handover *h = w->handover;
	if (!h)
		return;
	/* what comes in may go out again, not the other way round */
	while (!empty(&h->lane[LANE_IN]))
		retire_one(w, LANE_IN);
	while (w->n_out)
		outbound_run(w);
	while (!empty(&h->lane[LANE_OUT]))
		retire_one(w, LANE_OUT);
	h->rounds_held = 0;
}

void handover_round(struct worker *w, bool idle)
{
	struct handover *h = w->handover;
	if (!handover_pending(w))
		return;
	if (++h->rounds_held > HOLD_ROUNDS) {
		handover_drain(w);
		return;
	}
	if (idle && !do_own(w, LANE_IN))
		do_own(w, LANE_OUT);
	retire_done(w, LANE_IN);
	while (w->n_out)
		outbound_run(w);
	retire_done(w, LANE_OUT);
	if (!handover_pending(w))
		h->rounds_held = 0;
}

/* ---- who helps ---- */

static void wake(struct worker *w, struct worker *sleeper)
{
	int asleep = REST_ASLEEP;
	uint64_t one = 1;
	if (!atomic_compare_exchange_strong(&sleeper->handover->rest, &asleep, REST_BUSY))
		return;
	w->status.helper_wakeups++;
	if (write(sleeper->wake_fd, &one, sizeof one) < 0)
		log_debug(LOG_ESP, "wake-fd worker=%u error=%d", sleeper->index, errno);
}

/* Somebody looks for jobs, or sleeps and is woken when those who look have too much to do. */
static bool find_helper(struct worker *w, uint64_t work_ns)
{
	struct worker *sleeper = NULL;
	unsigned looking = 0;
	for (unsigned i = 1; i < w->d->n_workers; i++) {
		struct worker *other = &w->d->workers[(w->index + i) % w->d->n_workers];
		int rest = atomic_load_explicit(&other->handover->rest, memory_order_seq_cst);
		looking += rest == REST_LOOKS;
		if (rest == REST_ASLEEP && !sleeper)
			sleeper = other;
	}
	if (!sleeper || work_ns / (looking + 1) < PAYS_WAKING_NS)
		return looking;
	wake(w, sleeper);
	return true;
}

/* A small window could take what another core authenticates later for a replay. */
static bool window_is_wide(const struct worker *w)
{
	if (w->d->o.replay_off)
		return true;
	uint32_t window =
		w->d->o.replay_window ? w->d->o.replay_window : (uint32_t)ESP_REPLAY_DEFAULT;
	return window >= 2 * LANE_JOBS * JOB_PACKETS;
}

bool handover_wanted(struct worker *w, enum lane_id lane, unsigned packets)
{
	if (!w->handover || (lane == LANE_IN && !window_is_wide(w)))
		return false;
	struct lane *l = &w->handover->lane[lane];
	retire_done(w, lane);
	uint64_t waiting = atomic_load_explicit(&l->head, memory_order_relaxed) -
			   atomic_load_explicit(&l->claim, memory_order_relaxed);
	uint64_t work_ns = (waiting * JOB_PACKETS + packets) * l->packet_ns;
	bool found = packets > JOB_PACKETS && work_ns >= PAYS_NS && find_helper(w, work_ns);
	return found || !empty(l);
}

static void say(struct handover *h, enum rest rest)
{
	if (h->rest_said == (int)rest)
		return;
	h->rest_said = rest;
	atomic_store_explicit(&h->rest, rest, memory_order_seq_cst);
}

bool handover_help(struct worker *w)
{
	struct handover *h = w->handover;
	for (unsigned i = 1; h && i < w->d->n_workers; i++) {
		struct worker *other = &w->d->workers[(w->index + i) % w->d->n_workers];
		for (unsigned lane = 0; lane < LANES; lane++) {
			struct job *j = claim(&other->handover->lane[lane]);
			if (!j)
				continue;
			say(h, REST_LOOKS); /* for the next one, too */
			w->status.jobs_for_others++;
			w->status.packets_for_others += j->n;
			carry_out(w, lane, j, true);
			h->look_until_ns = clock_precise() + LOOK_NS;
			return true;
		}
	}
	return false;
}

bool handover_looks(struct worker *w)
{
	struct handover *h = w->handover;
	if (!h || clock_precise() >= h->look_until_ns)
		return false;
	say(h, REST_LOOKS);
	relax();
	return true;
}

void handover_busy(struct worker *w)
{
	if (w->handover)
		say(w->handover, REST_BUSY);
}

bool handover_may_sleep(struct worker *w)
{
	if (!w->handover)
		return true;
	say(w->handover, REST_ASLEEP);
	/* posted before its owner could see that: not to be slept through */
	if (!handover_help(w))
		return true;
	handover_woken(w);
	return false;
}

void handover_woken(struct worker *w)
{
	struct handover *h = w->handover;
	if (!h)
		return;
	/* whoever woke it has said so already */
	if (atomic_load_explicit(&h->rest, memory_order_relaxed) == REST_BUSY)
		h->look_until_ns = clock_precise() + LOOK_NS;
	h->rest_said = REST_ASLEEP;
	say(h, REST_BUSY);
}
