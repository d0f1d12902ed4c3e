/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether a circuit's link is used. It goes down at the first sign: no carrier, BFD (RFC 5880
 * section 6.2) says that the other side's router is gone, or no BGP session is left. It comes back
 * when all signs have been good for the hold-down time, so that a link that flaps is used as long
 * as it is steady and no packet is moved to and fro; the first time it comes up at once. A pure
 * function of events and the time that comes in.
 */
#ifndef XGW_CONTROL_LINK_STATE_H
#define XGW_CONTROL_LINK_STATE_H

#include <stdbool.h>
#include <stdint.h>

enum link_cause {
	LINK_CAUSE_NONE,    /* it is up */
	LINK_CAUSE_START,   /* nothing is known of it yet */
	LINK_CAUSE_ORDER,   /* somebody said so */
	LINK_CAUSE_CARRIER, /* the port's device is down */
	LINK_CAUSE_BFD,	    /* the other side's router does not answer */
	LINK_CAUSE_BGP,	    /* no session */
	LINK_CAUSE_HOLD,    /* good again, but not for long enough */
};
/* A word for JSON, and a sentence's end for people. Static. */
const char *link_cause_key(enum link_cause c);
const char *link_cause_text(enum link_cause c);

enum link_sign { LINK_SIGN_CARRIER, LINK_SIGN_BFD, LINK_SIGN_BGP };

#define LINK_SWITCHES 8u /* that are remembered */

struct link_switch {
	uint64_t at_ns;
	enum link_cause cause; /* of going down; NONE: it came up */
};

struct link_state {
	uint64_t hold_ns;
	bool carrier, bgp, bfd;
	bool ordered_down;
	bool bfd_seen; /* without BFD at the other side its silence says nothing */
	bool up, was_up;
	uint64_t good_since_ns; /* all signs; 0: they are not */
	uint64_t since_ns;	/* of `up` */
	uint64_t n_switches;
	struct link_switch last[LINK_SWITCHES]; /* number n at n % LINK_SWITCHES */
};

/* All signs bad. Times are those of one monotonic clock, not 0. */
void link_state_init(struct link_state *l, uint64_t hold_ns, uint64_t now_ns);
/* True when `up` changed. */
bool link_state_sign(struct link_state *l, enum link_sign s, bool good, uint64_t now_ns);
/* An order takes it down and back at once: who gives it knows. True when `up` changed. */
bool link_state_order(struct link_state *l, bool up, uint64_t now_ns);
/* The hold-down may be over. True when `up` changed. */
bool link_state_time(struct link_state *l, uint64_t now_ns);
/* When link_state_time has something to say; UINT64_MAX: not before a sign. */
uint64_t link_state_deadline(const struct link_state *l);
/* NONE while it is up. */
enum link_cause link_state_cause(const struct link_state *l);

#endif
