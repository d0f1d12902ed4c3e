/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every cap and every default of a timer of the IKE engine, on one page. A peer can reach each cap;
 * none of them can be passed.
 */
#ifndef XGW_IKE_LIMITS_H
#define XGW_IKE_LIMITS_H

#include "base/instant.h"

/* ---- sizes ---- */
#define LIMIT_MESSAGE		 8192 /* bytes of a message that is sent or read */
#define LIMIT_PAYLOADS		 48   /* payloads in one message */
#define LIMIT_NOTIFIES		 24
#define LIMIT_DELETE_SPIS	 64  /* in one DELETE payload */
#define LIMIT_PROPOSALS		 64  /* in one SA payload */
#define LIMIT_TRANSFORMS	 64  /* in one proposal */
#define LIMIT_NONCE		 256 /* RFC 7296 section 2.10: 16 to 256 */
#define LIMIT_NONCE_LEAST	 16
#define LIMIT_NONCE_OURS	 32
#define LIMIT_COOKIE		 64   /* RFC 7296 section 2.6 */
#define LIMIT_VENDORS		 8    /* vendor IDs in one message that are looked at */
#define LIMIT_CERTS		 8    /* CERT payloads in one message */
#define LIMIT_CERTREQ		 32   /* authorities that we name to a peer */
#define LIMIT_CERTREQ_V1	 8    /* the same in IKEv1, where each is a whole name */
#define LIMIT_FRAGMENTS		 64   /* of one message; together no more than LIMIT_MESSAGE */
#define LIMIT_FRAGMENT_MTU	 1280 /* default of the largest IP packet of an IKE message */
#define LIMIT_FRAGMENT_MTU_LEAST 576
#define LIMIT_LINK		 256 /* of a peer, in ADDITIONAL_KEY_EXCHANGE */
#define LIMIT_KE		 520 /* largest public value is that of MODP-4096 */

/* ---- state ---- */
#define LIMIT_EFFECTS		65536
#define LIMIT_HALF_OPEN		2000 /* IKE_SA_INIT answered, nobody authenticated yet */
#define LIMIT_EAP		512 /* of these, those in rounds of EAP: each holds a session of TLS */
#define LIMIT_HALF_OPEN_COOKIES 30 /* above it cookies are asked for */
#define LIMIT_SAS		25000
#define LIMIT_CHILDREN_PER_SA	8 /* that one worker may use (RFC 9611), or any */
#define LIMIT_TASKS_PER_SA	96
#define LIMIT_V1_CHILDREN	256 /* of one connection of IKEv1: one for each pair of selectors */
#define LIMIT_V1_QUICKS		48  /* quick modes of one ISAKMP SA, those that are over included */
#define LIMIT_PROOF_TRUSTS	4   /* sets of authorities that one peer is judged by */
#define LIMIT_REDIRECTS		5   /* in LIMIT_REDIRECT_SPAN_NS (RFC 5685: MAX_REDIRECTS) */
#define LIMIT_RESTARTS		6   /* of one IKE_SA_INIT by COOKIE or INVALID_KE_PAYLOAD */
#define LIMIT_KE_REPEATS	3   /* of one CREATE_CHILD_SA by INVALID_KE_PAYLOAD */
#define LIMIT_STRANGER_LOG	5   /* lines a second about what strangers send */
#define LIMIT_STRANGER_REPLY	20  /* unprotected error notifies a second */

/* ---- time ---- */
#define LIMIT_RESEND_FIRST_NS (1 * NS_PER_S)
#define LIMIT_RESEND_BASE_TENTHS \
	18 /* each pause is 1.8 times the one before: 1, 1.8, 3.2, 5.8, 10.5, 18.9 s */
#define LIMIT_RESEND_LONGEST_NS	 (30 * NS_PER_S)
#define LIMIT_RESEND_TRIES	 6 /* requests in all, so 41 s until silence is final */
#define LIMIT_DELETE_TRIES	 4 /* nobody waits for the answer to a DELETE of the IKE SA */
#define LIMIT_HALF_OPEN_NS	 (30 * NS_PER_S)
#define LIMIT_FOLLOWUP_NS	 (20 * NS_PER_S)  /* RFC 9370 section 2.2.4: 5 to 20 s */
#define LIMIT_LINGER_NS		 (20 * NS_PER_S)  /* answers to retransmissions after the end */
#define LIMIT_DRAIN_NS		 (5 * NS_PER_S)	  /* old inbound child after both ends deleted it */
#define LIMIT_REKEYED_NS	 (60 * NS_PER_S)  /* old IKE SA that its peer should delete */
#define LIMIT_REAUTH_OVERLAP_NS	 (2 * NS_PER_S)	  /* old IKE SA beside the one authenticated anew */
#define LIMIT_REAUTH_AGAIN_NS	 (20 * NS_PER_S)  /* pause between attempts to authenticate anew */
#define LIMIT_REDIRECT_SPAN_NS	 (300 * NS_PER_S) /* RFC 5685: REDIRECT_LOOP_DETECT_PERIOD */
#define LIMIT_REDUNDANT_NS	 (15 * NS_PER_S)  /* duplicate that its initiator should delete */
#define LIMIT_CHILDLESS_NS	 (30 * NS_PER_S)  /* IKE SA without a child, on the responder */
#define LIMIT_RETRY_FIRST_NS	 (2 * NS_PER_S)	  /* pause after a failed attempt, doubling */
#define LIMIT_RETRY_LONGEST_NS	 (60 * NS_PER_S)
#define LIMIT_REFUSED_FIRST_NS	 (2 * NS_PER_S) /* pause after TEMPORARY_FAILURE, doubling */
#define LIMIT_REFUSED_LONGEST_NS (60 * NS_PER_S)
#define LIMIT_V1_LINGER_NS	 (60 * NS_PER_S) /* last message of a quick mode, for repetitions */
#define LIMIT_V1_USE_NS		 (2 * NS_PER_S)	 /* until outbound moves to what replaces a child */
#define LIMIT_V1_REPLACED_NS	 (30 * NS_PER_S) /* a replaced child that its peer should delete */
#define LIMIT_V1_REFUSED_NS	 (30 * NS_PER_S) /* pause before a refused exchange is tried again */
#define LIMIT_V1_OLD_NS                                                                           \
	(1 * NS_PER_S) /* from leaving a replaced child to its deletion: what is still on its way \
			*/
#define LIMIT_V1_READY_NS      (1 * NS_PER_S)  /* from the last message of main mode to a delete */
#define LIMIT_V1_REDUNDANT_NS  (5 * NS_PER_S)  /* of two children of a pair, the one that goes */
#define LIMIT_V1_TURN_NS       (10 * NS_PER_S) /* quick mode waits for main mode under way */
#define LIMIT_V1_OVERLAP_NS    (2 * NS_PER_S)  /* old ISAKMP SA beside the one that took over */
#define LIMIT_COOKIE_SECRET_NS (60 * NS_PER_S)
#define LIMIT_KEEPALIVE_NS     (20 * NS_PER_S) /* RFC 3948 section 4 */

#endif
