/* SPDX-License-Identifier: Apache-2.0 */
/* RFC 1661 section 4.1: the automaton of PPP's option negotiation, as a table. */
#ifndef XGW_P2S_PPP_AUTOMATON_H
#define XGW_P2S_PPP_AUTOMATON_H

#include <stdint.h>

enum ppp_state { /* the RFC's numbers */
		 PPP_INITIAL,
		 PPP_STARTING,
		 PPP_CLOSED,
		 PPP_STOPPED,
		 PPP_CLOSING,
		 PPP_STOPPING,
		 PPP_REQ_SENT,
		 PPP_ACK_RCVD,
		 PPP_ACK_SENT,
		 PPP_OPENED,
		 PPP_STATES,
		 PPP_NO_STATE = 255, /* cannot happen: the event is ignored */
};

enum ppp_event { /* the RFC's rows, in its order */
		 PPP_UP,
		 PPP_DOWN,
		 PPP_OPEN,
		 PPP_CLOSE,
		 PPP_TIMEOUT,		/* TO+ */
		 PPP_TIMEOUT_LAST,	/* TO- */
		 PPP_REQUEST_GOOD,	/* RCR+ */
		 PPP_REQUEST_BAD,	/* RCR- */
		 PPP_ACK,		/* RCA */
		 PPP_NAK,		/* RCN */
		 PPP_TERMINATE,		/* RTR */
		 PPP_TERMINATE_ACK,	/* RTA */
		 PPP_UNKNOWN_CODE,	/* RUC */
		 PPP_REJECT_HARMLESS,	/* RXJ+ */
		 PPP_REJECT_FATAL,	/* RXJ- */
		 PPP_ECHO_AND_THE_LIKE, /* RXR */
		 PPP_EVENTS,
};

/* Actions, carried out in this order. */
enum ppp_action {
	PPP_TLD = 1 << 0,  /* this-layer-down */
	PPP_IRC = 1 << 1,  /* initialize-restart-count */
	PPP_ZRC = 1 << 2,  /* zero-restart-count */
	PPP_SCR = 1 << 3,  /* send-configure-request */
	PPP_SCA = 1 << 4,  /* send-configure-ack */
	PPP_SCN = 1 << 5,  /* send-configure-nak or -reject */
	PPP_STR = 1 << 6,  /* send-terminate-request */
	PPP_STA = 1 << 7,  /* send-terminate-ack */
	PPP_SCJ = 1 << 8,  /* send-code-reject */
	PPP_SER = 1 << 9,  /* send-echo-reply */
	PPP_TLU = 1 << 10, /* this-layer-up */
	PPP_TLS = 1 << 11, /* this-layer-started */
	PPP_TLF = 1 << 12, /* this-layer-finished */
};

struct ppp_transition {
	uint16_t actions; /* enum ppp_action, or-ed */
	uint8_t next;	  /* enum ppp_state */
};

/* Of the table; state and event are valid ones. */
struct ppp_transition ppp_transition(enum ppp_state state, enum ppp_event event);

#endif
