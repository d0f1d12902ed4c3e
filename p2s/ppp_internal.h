/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of PPP share. */
#ifndef XGW_P2S_PPP_INTERNAL_H
#define XGW_P2S_PPP_INTERNAL_H

#include "base/instant.h"
#include "p2s/ppp.h"
#include "p2s/ppp_automaton.h"
#include "p2s/ppp_frame.h"

#define PPP_RESTART_NS	  (3 * NS_PER_S) /* RFC 1661 section 4.6 */
#define PPP_MAX_CONFIGURE 10
#define PPP_MAX_TERMINATE 2
#define PPP_MAX_FAILURE	  5
#define PPP_MAX_ROUNDS	  64 /* packets about options until a protocol opens */
#define PPP_MAX_REJECTS	  64 /* Protocol-Rejects and Code-Rejects of ours in a session */
#define PPP_OPTIONS	  64 /* bytes of our Configure-Request's options */

enum ppp_code { /* RFC 1661 section 5 */
		CONFIGURE_REQUEST = 1,
		CONFIGURE_ACK,
		CONFIGURE_NAK,
		CONFIGURE_REJECT,
		TERMINATE_REQUEST,
		TERMINATE_ACK,
		CODE_REJECT,
		PROTOCOL_REJECT,
		ECHO_REQUEST,
		ECHO_REPLY,
		DISCARD_REQUEST,
};

enum ppp_verdict { OPTION_ACK, OPTION_NAK, OPTION_REJECT };

/* A control protocol's own rules. */
struct ppp_protocol_rules {
	uint16_t protocol;
	const char *name;
	/* Options of our Configure-Request. */
	void (*request)(struct ppp *p, struct writer *w);
	/* Of the peer's request. With OPTION_NAK what we would take is written to `nak`. */
	enum ppp_verdict (*judge)(struct ppp *p, const struct ppp_option *o, struct writer *nak);
	/* `seen`: bit n: option type n stood in the request; may add what must be there. May be
	 * NULL. */
	void (*missing)(struct ppp *p, uint32_t seen, struct writer *nak);
	/* The peer does not take an option of ours as it is, or at all. */
	void (*naked)(struct ppp *p, const struct ppp_option *o);
	void (*rejected)(struct ppp *p, const struct ppp_option *o);
	void (*up)(struct ppp *p, uint64_t now_ns, struct ppp_effects *e);
	void (*down)(struct ppp *p); /* may be NULL */
	void (*finished)(struct ppp *p, uint64_t now_ns, struct ppp_effects *e);
	/* Codes behind CODE_REJECT; false: unknown. May be NULL. */
	bool (*extra)(struct ppp *p, uint8_t code, uint8_t id, struct bytes data, uint64_t now_ns,
		      struct ppp_effects *e);
};

struct ppp_control {
	const struct ppp_protocol_rules *rules;
	enum ppp_state state;
	unsigned restarts, failures, rounds;
	uint64_t deadline_ns; /* of the restart timer */
	uint8_t id;	      /* of our last request */
	uint8_t sent[PPP_OPTIONS];
	size_t sent_len;
};

enum ppp_phase {
	PHASE_DEAD,
	PHASE_WAITING, /* for the client to begin */
	PHASE_ESTABLISH,
	PHASE_AUTHENTICATE,
	PHASE_NETWORK,
	PHASE_TERMINATE,
};

enum ppp_authentication { BY_NOTHING, BY_EAP, BY_MSCHAPV2 };

struct ppp {
	const struct ppp_rules *rules;
	void *owner;
	enum ppp_phase phase;
	uint64_t began_ns, heard_ns, data_ns;
	uint64_t deadline_ns; /* of the phase: waiting, authentication's repeat, echoes */
	int64_t wall_s;
	struct ip_addr source; /* IP_NONE: not known */
	uint8_t random[PPP_RANDOM];
	unsigned draws, rejects, echoes;
	struct ppp_control lcp, ipcp, ipv6cp;
	/* LCP */
	uint32_t magic, peer_magic;
	bool no_magic;
	uint16_t peer_mru;
	enum ppp_authentication authentication;
	bool tried[BY_MSCHAPV2 + 1];
	/* authentication */
	bool authenticated, failed;
	unsigned repeats;
	uint8_t chap_id;
	struct eap *eap;
	struct bytes message; /* in `said`: the last one of ours, for repeats */
	uint8_t said[EAP_MESSAGE_MAX + PPP_HEADER];
	char user[EAP_USER];
	const char *method;
	uint8_t key[PPP_KEY];
	struct ppp_lease lease;
	/* IPCP */
	bool no_own;
	struct fault fault; /* why it ends */
};

/* ppp.c */
/* Room for a frame of at most `len` bytes behind its head; NULL when the effects are full: then it
 * is as lost as any frame may be. frame_end() takes what was written. */
bool ppp_frame_begin(struct ppp_effects *e, struct writer *w, uint16_t protocol);
void ppp_frame_end(struct ppp_effects *e, struct writer *w);
uint32_t ppp_draw(struct ppp *p);
void ppp_fail(struct ppp *p, const struct fault *why);

/* ppp_control.c: RFC 1661 for any of the control protocols */
void ppp_control_event(struct ppp *p, struct ppp_control *c, enum ppp_event event, uint64_t now_ns,
		       struct ppp_effects *e);
void ppp_control_receive(struct ppp *p, struct ppp_control *c, struct bytes packet, uint64_t now_ns,
			 struct ppp_effects *e);
void ppp_control_expire(struct ppp *p, struct ppp_control *c, uint64_t now_ns,
			struct ppp_effects *e);

/* ppp_lcp.c, ppp_ipcp.c, ppp_ipv6cp.c */
extern const struct ppp_protocol_rules ppp_lcp, ppp_ipcp, ppp_ipv6cp;
void ppp_lcp_reject_protocol(struct ppp *p, uint16_t protocol, struct bytes information,
			     struct ppp_effects *e);
void ppp_lcp_echo(struct ppp *p, struct ppp_effects *e);
/* The first way of authentication that we offer and did not try; BY_NOTHING: there is none. */
enum ppp_authentication ppp_lcp_offer(const struct ppp *p);
/* Answers a router solicitation; true when the packet was one. */
bool ppp_ipv6cp_solicited(struct ppp *p, struct bytes packet, struct ppp_effects *e);

/* ppp_auth.c */
void ppp_auth_begin(struct ppp *p, uint64_t now_ns, struct ppp_effects *e);
void ppp_auth_chap(struct ppp *p, struct bytes packet, uint64_t now_ns, struct ppp_effects *e);
void ppp_auth_eap(struct ppp *p, struct bytes packet, uint64_t now_ns, struct ppp_effects *e);
void ppp_auth_repeat(struct ppp *p, uint64_t now_ns, struct ppp_effects *e);

/* ppp.c: what LCP and authentication lead to */
void ppp_lcp_opened(struct ppp *p, uint64_t now_ns, struct ppp_effects *e);
void ppp_lcp_closed(struct ppp *p);
void ppp_authenticated(struct ppp *p, uint64_t now_ns, struct ppp_effects *e);
void ppp_refused(struct ppp *p, const struct fault *why, uint64_t now_ns, struct ppp_effects *e);
void ppp_network_finished(struct ppp *p, uint64_t now_ns, struct ppp_effects *e);

#endif
