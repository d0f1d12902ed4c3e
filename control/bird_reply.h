/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What BIRD answers on its control socket, piece by piece as it comes. An answer is lines that
 * begin with four digits, then '-' (more lines come) or ' ' (the last one); or with ' ', and the
 * digits of the line before. No I/O here.
 */
#ifndef XGW_CONTROL_BIRD_REPLY_H
#define XGW_CONTROL_BIRD_REPLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BIRD_LINE 512 /* longer ones are cut */

/* A session, out of "show protocols all". */
struct bird_session {
	uint32_t number; /* of "peer_NUMBER" */
	bool up;
	char state[16]; /* RFC 4271 section 8.2.2: "Established" ...; "" when not said */
	uint64_t since; /* of the protocol's state, seconds since 1970; 0: not said */
	uint32_t imported[2], exported[2]; /* prefixes, IPv4 and IPv6 */
	/* Both families' updates since the session's channels began: */
	uint32_t rejected;   /* with a prefix that BIRD takes from nobody */
	uint32_t filtered;   /* which the import filter refused */
	char last_error[80]; /* printable; "" none */
};

struct bird_reply {
	void *owner;
	/* Each session of an answer, in its order. May be NULL. */
	void (*session)(void *owner, const struct bird_session *s);
	/* An answer is whole. code: below 1000 it was done, from 8000 on not; `text` of its last
	 * line. The greeting has code 1. */
	void (*done)(void *owner, unsigned code, const char *text);
	/* the rest is the reader's */
	char line[BIRD_LINE + 1];
	size_t len;
	unsigned code;
	bool in_session;
	int channel; /* 0 IPv4, 1 IPv6, -1 none or another */
	struct bird_session at;
};

void bird_reply_init(struct bird_reply *r, void *owner,
		     void (*session)(void *owner, const struct bird_session *s),
		     void (*done)(void *owner, unsigned code, const char *text));
/* False: this is not BIRD's protocol; the connection is of no more use. */
bool bird_reply_feed(struct bird_reply *r, const void *bytes, size_t n);

#endif
