/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Damping of those who guess passwords. Failures are counted by source and user together, so that
 * nobody locks out a user who comes from elsewhere, and by source alone, for who tries many names.
 * One too many in a while, and no further attempt is looked at for a time, which grows with each
 * such time and is bounded. Memory is bounded, too: of too many keys the least telling are
 * forgotten. No I/O, no clock.
 */
#ifndef XGW_AUTH_GUESSES_H
#define XGW_AUTH_GUESSES_H

#include "base/addr.h"
#include "base/bytes.h"
#include "base/fault.h"

#define GUESSES_SALT	16
#define GUESSES_ROWS	4096
#define GUESSES_PAIR	5   /* failures of a user name from one source */
#define GUESSES_SOURCE	50  /* of any names from one source: many people may be behind one NAT */
#define GUESSES_WHILE	300 /* seconds in which they count */
#define GUESSES_HOLD	60  /* seconds, then twice as many, ... */
#define GUESSES_LONGEST 960
#define GUESSES_FORGET	3600 /* without a failure a key is new again */

struct guesses;

/* `salt`: nobody can predict it, else somebody could find a name that shares another's row. 0 or
 * -ENOMEM. */
int must_check guesses_new(struct guesses **out, const uint8_t salt[GUESSES_SALT]);
void guesses_free(struct guesses *g);

/*
 * Before a password is looked at: whether it may be. `now`: seconds, of any clock, always the same
 * one. False: -EACCES with its fault; that attempt is over. IPv6 sources are a /64. `g` may be NULL
 * in all of these: nothing is damped.
 */
bool must_check guesses_may(struct guesses *g, const struct ip_addr *source, struct bytes user,
			    int64_t now, struct fault *f);
/* After it. */
void guesses_failed(struct guesses *g, const struct ip_addr *source, struct bytes user,
		    int64_t now);
void guesses_succeeded(struct guesses *g, const struct ip_addr *source, struct bytes user);

struct guesses_count {
	uint64_t failed, held; /* passwords that were wrong; attempts that were not looked at */
};
struct guesses_count guesses_count(const struct guesses *g);

#endif
