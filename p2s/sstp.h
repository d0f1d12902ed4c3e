/* SPDX-License-Identifier: Apache-2.0 */
/*
 * [MS-SSTP] as the server: one client's connection behind TLS. Bytes of the TLS stream, time and
 * random bytes in; bytes, packets and events out. Owns no socket and no timer:
 * sstp_next_deadline() says when sstp_expire() is due.
 */
#ifndef XGW_P2S_SSTP_H
#define XGW_P2S_SSTP_H

#include "p2s/ppp.h"
#include "p2s/ppp_frame.h"
#include "p2s/sstp_binding.h"

#define SSTP_RANDOM    (SSTP_NONCE + PPP_RANDOM)
#define SSTP_IN_MAX    4096 /* bytes that a host must be able to keep until a packet is whole */
#define SSTP_OUT_MAX   (PPP_ROOM + 1024)
#define SSTP_DATA_HEAD (SSTP_HEADER + PPP_HEADER) /* in front of an IP packet to the client */

/* What a gateway's clients get. Borrowed by every session. */
struct sstp_rules {
	struct ppp_rules ppp;
	struct sstp_certificate certificate;
	uint8_t hashes; /* SSTP_SHA1, SSTP_SHA256 */
};

struct sstp_effects {
	size_t len; /* bytes to send, in order */
	uint8_t bytes[SSTP_OUT_MAX];
	struct bytes packet; /* an IP packet of the client's, borrowed from the input */
	bool up;	     /* packets may flow now, in the families of sstp_is_open() */
	bool closed; /* nothing more: what was to be sent goes out, then the connection ends */
	struct fault fault; /* with closed: why */
	/* work area */
	struct ppp_effects ppp;
};

struct sstp;

/* -ENOMEM. `owner` goes to the lease. */
int must_check sstp_new(struct sstp **out, const struct sstp_rules *rules, void *owner,
			const uint8_t random[SSTP_RANDOM], uint64_t now_ns, int64_t wall_s);
void sstp_free(struct sstp *s);
/* Where the client is, for the damping of wrong passwords. */
void sstp_from(struct sstp *s, const struct ip_addr *source);

/*
 * Takes one packet (or the HTTP request) off the input and returns its length; 0: it is not whole
 * yet. Call again with the rest after carrying out the effects, which are cleared first.
 */
size_t sstp_receive(struct sstp *s, struct bytes in, uint64_t now_ns, struct sstp_effects *e);
uint64_t sstp_next_deadline(const struct sstp *s);
void sstp_expire(struct sstp *s, uint64_t now_ns, struct sstp_effects *e);
/* Ends the session in order; `closed` follows. */
void sstp_close(struct sstp *s, const struct fault *why, uint64_t now_ns, struct sstp_effects *e);

/* Packets of the family may flow in both directions. */
bool sstp_is_open(const struct sstp *s, enum ip_family family);
/* Writes what stands in front of an IP packet of len bytes to the client; len <= sstp_mtu(). */
void sstp_data_begin(uint8_t out[SSTP_DATA_HEAD], bool v4, size_t len);
/* Packets were sent. */
void sstp_sent(struct sstp *s, uint64_t now_ns);
uint32_t sstp_mtu(const struct sstp *s);

/* "?" before it is known. */
const char *sstp_user(const struct sstp *s);
const char *sstp_method(const struct sstp *s);
const char *sstp_correlation(const struct sstp *s);
/* Why it ends, once that is decided; NULL: it does not. */
const struct fault *sstp_why(const struct sstp *s);
/* Data packets that came before the call was connected, dropped. */
uint64_t sstp_early(const struct sstp *s);

#endif
