/* SPDX-License-Identifier: Apache-2.0 */
/* What eap.c shares with its methods. */
#ifndef XGW_AUTH_EAP_INTERNAL_H
#define XGW_AUTH_EAP_INTERNAL_H

#include "auth/eap.h"

enum eap_code { EAP_REQUEST = 1, EAP_RESPONSE = 2, EAP_SUCCESS = 3, EAP_FAILURE = 4 };
enum eap_type { /* IANA "EAP Method Types" */
		EAP_TYPE_IDENTITY = 1,
		EAP_TYPE_NAK = 3,
		EAP_TYPE_TLS = 13,
		EAP_TYPE_MSCHAPV2 = 26,
};

struct eap_tls_session;

struct eap {
	const struct eap_rules *rules;
	int64_t now;
	struct ip_addr source; /* IP_NONE: not known */
	uint8_t random[EAP_RANDOM];
	uint8_t identifier; /* of the request that waits for its response */
	uint8_t type;	    /* of it */
	unsigned rounds;
	bool tried_mschapv2, tried_tls;
	/* EAP-MSCHAPv2 */
	uint8_t msid;
	bool verified, refused;
	/* EAP-TLS */
	struct eap_tls_session *tls;
	struct fault fault; /* why it will fail, once the peer took the message that says so */
	uint8_t msk[EAP_MSK];
	char user[EAP_USER];
};

/* A method's request: its type is written, its data follows; eap_request_end fills the length. */
void eap_request_begin(struct eap *e, uint8_t type, struct writer *w, struct eap_message *out);
void eap_request_end(struct writer *w, struct eap_message *out);
void eap_name(struct eap *e, const char *name);

void eap_mschapv2_start(struct eap *e, struct eap_message *out);
/* `data`: behind the type. */
enum eap_state eap_mschapv2_step(struct eap *e, struct bytes data, struct eap_message *out,
				 struct fault *f);
void eap_tls_start(struct eap *e, struct eap_message *out);
enum eap_state eap_tls_step(struct eap *e, struct bytes data, struct eap_message *out,
			    struct fault *f);
void eap_tls_session_free(struct eap_tls_session *s);

#endif
