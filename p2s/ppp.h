/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PPP as the side that serves (RFC 1661): LCP, authentication by EAP (RFC 3748) or MS-CHAPv2
 * (RFC 2759), IPCP (RFC 1332, RFC 1877), IPV6CP (RFC 5072). Frames, time and random bytes in;
 * frames and events out. Owns no timer: ppp_next_deadline() says when ppp_expire() is due.
 */
#ifndef XGW_P2S_PPP_H
#define XGW_P2S_PPP_H

#include "auth/eap.h"
#include "base/addr.h"

#define PPP_MRU	       1500 /* that we take; the default, so it is not asked for */
#define PPP_RANDOM     48
#define PPP_KEY	       EAP_MSK /* of authentication, for who binds to it */
#define PPP_MAX_DNS    2       /* of a family */
#define PPP_MAX_ROUTES 16
#define PPP_FRAMES_MAX 8
#define PPP_ROOM       8192

struct ppp_lease {
	struct ip_addr v4, v6; /* IP_NONE: none of that family */
};

/* What clients are told of the network beside their address. IP_NONE: no such server. */
struct ppp_told {
	struct ip_addr dns[PPP_MAX_DNS];  /* IPv4, by IPCP */
	struct ip_addr dns6[PPP_MAX_DNS]; /* IPv6, by router advertisement */
	unsigned n_routes6;
	struct ip_prefix routes6[PPP_MAX_ROUTES]; /* IPv6 prefixes behind us, likewise */
};

/* What a gateway's clients get. Borrowed by every session. */
struct ppp_rules {
	const struct eap_rules *eap; /* users and certificates; its users serve MS-CHAPv2, too */
	struct ip_addr own;	     /* our IPv4 address on the link, IP_NONE: none is told */
	struct ppp_told told;
	uint64_t idle_ns, session_ns; /* 0: no limit */
	/* An address for who has authenticated. 0, or an error with its fault. `owner` is the
	 * session's. */
	int (*lease)(void *owner, const char *user, struct ppp_lease *out, struct fault *f);
};

/* What a call brought about. Frames stand in `room`, complete from the address field on. */
struct ppp_effects {
	unsigned n;
	struct bytes frame[PPP_FRAMES_MAX];
	size_t used;
	uint8_t room[PPP_ROOM];
	struct bytes packet; /* an IP packet of the client's, borrowed from its frame */
	bool authenticated;  /* since this call */
	bool up;	     /* since this call a network protocol is open */
	bool finished;	     /* the session is over; `fault` says why */
	struct fault fault;
};
void ppp_effects_clear(struct ppp_effects *e);

struct ppp;

/* `random`: nobody can predict it. `wall_s`: seconds since 1970. 0 or -ENOMEM. */
int must_check ppp_new(struct ppp **out, const struct ppp_rules *rules, void *owner,
		       const uint8_t random[PPP_RANDOM], int64_t wall_s);
void ppp_free(struct ppp *p);
/* Where the client is, for the damping of wrong passwords. */
void ppp_from(struct ppp *p, const struct ip_addr *source);

/*
 * Frames may flow. We begin when the client does, or a while later: the terminal of a client that
 * is just starting echoes what comes.
 */
void ppp_begin(struct ppp *p, uint64_t now_ns);
void ppp_receive(struct ppp *p, struct bytes frame, uint64_t now_ns, struct ppp_effects *e);
/* Ends the session in order; `finished` follows. */
void ppp_close(struct ppp *p, uint64_t now_ns, const struct fault *why, struct ppp_effects *e);
uint64_t ppp_next_deadline(const struct ppp *p);
void ppp_expire(struct ppp *p, uint64_t now_ns, struct ppp_effects *e);
/* Packets were sent to the client: it is not idle. */
void ppp_sent(struct ppp *p, uint64_t now_ns);

/* Why it ends, once that is decided; NULL: it does not. */
const struct fault *ppp_why(const struct ppp *p);
/* After `authenticated`: who, by what method, and the key of both ends (MSK). */
const char *ppp_user(const struct ppp *p);
const char *ppp_method(const struct ppp *p);
const uint8_t *ppp_key(const struct ppp *p);
const struct ppp_lease *ppp_lease_of(const struct ppp *p);
/* Largest IP packet that the client takes. */
uint32_t ppp_mtu(const struct ppp *p);
/* Whether packets of that family may flow. */
bool ppp_is_open(const struct ppp *p, enum ip_family family);

#endif
