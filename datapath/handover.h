/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cryptography for others: a worker with more packets than one core can encrypt cuts its bursts
 * into jobs, which workers without packets of their own claim. Only the transform is handed over.
 * Receiving, sequence numbers, routing, sending and counting stay with the owner, which takes jobs
 * back strictly in the order in which it posted them: the order of every flow is kept, and frames
 * never change hands.
 *
 * Nobody waits for a sleeper: the owner claims its own jobs from the same end, so at most the jobs
 * that helpers are at work on are waited for. A lane is a ring with one producer and many
 * consumers. Jobs hold pointers that are read under RCU, so their owner announces no quiescent
 * state while it has any (handover_pending).
 */
#ifndef XGW_DATAPATH_HANDOVER_H
#define XGW_DATAPATH_HANDOVER_H

#include "datapath/datapath_internal.h"

#define JOB_PACKETS 32u
#define LANE_JOBS   16u /* a power of two */
#define LANE_LINE   64

enum lane_id { LANE_IN, LANE_OUT, LANES };

struct job {
	_Atomic bool done __attribute__((aligned(LANE_LINE)));
	bool helped; /* by another worker than its owner */
	uint32_t n, cost_ns;
	struct esp_packet esp[JOB_PACKETS];
	struct packet packet[JOB_PACKETS];
	const struct outbound *path[JOB_PACKETS]; /* LANE_OUT */
};

struct lane {
	/* the owner's: jobs taken back; what a packet's cryptography costs of late */
	uint64_t tail;
	uint32_t packet_ns;
	/* written by the owner, read by all: jobs posted */
	_Atomic uint64_t head __attribute__((aligned(LANE_LINE)));
	/* jobs claimed, by whomever */
	_Atomic uint64_t claim __attribute__((aligned(LANE_LINE)));
	struct job job[LANE_JOBS];
};

enum rest {
	REST_BUSY,   /* has packets of its own, or somebody is waking it */
	REST_LOOKS,  /* looks for jobs */
	REST_ASLEEP, /* in poll(): its wake_fd brings it back */
};

struct handover {
	/* what others read of this worker while it is at rest */
	_Atomic int rest __attribute__((aligned(LANE_LINE)));
	/* its own */
	int rest_said;
	unsigned rounds_held; /* rounds since it had no jobs outstanding */
	uint64_t look_until_ns;
	struct lane lane[LANES];
};

/* 0 or -ENOMEM. Without a second worker there is no struct handover, and nothing below costs more
 * than a look at that. */
int must_check handover_new(struct handover **out);
void handover_free(struct handover *h);

/*
 * True: what is about to be encrypted or decrypted goes by handover_post, because it costs enough
 * and somebody has time for it (who is woken when he sleeps), or because jobs before it are still
 * outstanding. False: do it at once.
 */
bool handover_wanted(struct worker *w, enum lane_id lane, unsigned packets);
/* Copies all; waits for room by doing jobs itself. path: LANE_OUT alone. */
void handover_post(struct worker *w, enum lane_id lane, const struct packet *p,
		   const struct esp_packet *e, const struct outbound *const *path, unsigned n);
/* The transform on the spot; learns from it what a packet costs. */
void handover_here(struct worker *w, enum lane_id lane, struct esp_packet *e, unsigned n);

static inline bool handover_pending(const struct worker *w)
{
	const struct handover *h = w->handover;
	if (!h)
		return false;
	for (unsigned i = 0; i < LANES; i++)
		if (atomic_load_explicit(&h->lane[i].head, memory_order_relaxed) != h->lane[i].tail)
			return true;
	return false;
}
/*
 * Once a round: takes back what is done; does a job itself when there is little else to do
 * (`idle`); and takes back all, waiting for helpers, when jobs have been outstanding for as long as
 * RCU should be held up.
 */
void handover_round(struct worker *w, bool idle);
/* Takes back all jobs. Before anything that a job must not outlive: the thread's end, the sockets'.
 */
void handover_drain(struct worker *w);

/* Does a job of another worker. False when there is none. */
bool handover_help(struct worker *w);
/* A worker without packets: true while it should look for jobs rather than sleep. */
bool handover_looks(struct worker *w);
void handover_busy(struct worker *w);
/* Around poll(). False: there is a job, so do not sleep. */
bool handover_may_sleep(struct worker *w);
void handover_woken(struct worker *w);

/* ---- what is done with a job that is back, in order (outbound.c, inbound.c) ---- */
void outbound_finish(struct worker *w, struct packet *p, struct esp_packet *e,
		     const struct outbound *const *path, unsigned n);
void inbound_finish(struct worker *w, struct packet *p, struct esp_packet *e, unsigned n);

#endif
