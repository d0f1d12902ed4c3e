/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Anti-replay window after RFC 6479 (blocks of 64 bits, no shifting) with 64-bit sequence numbers
 * (RFC 4303 appendix A2): check before the cryptography, recheck and advance after it. Several
 * threads may call; the window's owner serialises advance (esp/decrypt.c holds a short lock).
 */
#ifndef XGW_ESP_REPLAY_H
#define XGW_ESP_REPLAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define REPLAY_MAX_WINDOW 65536

struct replay {
	uint64_t top;	 /* highest authenticated sequence number, 0 = none */
	uint64_t lost;	 /* numbers that left the window unseen */
	uint32_t window; /* packets; 0 = no protection */
	uint32_t words;	 /* of bits, a power of two */
	uint64_t *bits;
};

/* window 0 … REPLAY_MAX_WINDOW. 0, -EINVAL, -ENOMEM. */
int replay_init(struct replay *r, uint32_t window);
void replay_free(struct replay *r);
/* The 64-bit number of a received low half (RFC 4303 appendix A2.2); without ESN the number itself.
 */
uint64_t replay_extend(const struct replay *r, uint32_t low, bool esn);
/* True when seq was not seen and is not left of the window. */
bool replay_check(const struct replay *r, uint64_t seq);
/* Rechecks and marks; false when another packet of the same number was faster. */
bool replay_advance(struct replay *r, uint64_t seq);
/*
 * The same for n numbers that follow each other, none of them 0: true when all were above the
 * highest and are marked now; false when nothing was done, and each must be advanced by itself.
 */
bool replay_advance_run(struct replay *r, uint64_t first, unsigned n);

#endif
