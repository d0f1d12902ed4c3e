/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ISAKMP messages (RFC 2408 section 3, RFC 2407 section 4): the payloads of IKEv1 from and to the
 * wire. Nothing here knows of an SA; protection is v1_keys.h.
 */
#ifndef XGW_IKE_V1_MESSAGE_H
#define XGW_IKE_V1_MESSAGE_H

#include "ike/message.h"

#define V1_VERSION 0x10

enum v1_exchange_type {
	V1_BASE = 1,
	V1_MAIN = 2, /* "identity protection" */
	V1_AUTH_ONLY = 3,
	V1_AGGRESSIVE = 4,
	V1_INFORMATIONAL = 5,
	V1_TRANSACTION = 6,
	V1_QUICK = 32,
	V1_NEW_GROUP = 33,
};
enum v1_flag { V1_FLAG_ENCRYPTED = 0x01, V1_FLAG_COMMIT = 0x02, V1_FLAG_AUTH_ONLY = 0x04 };

enum v1_payload_type {
	V1_SA = 1,
	V1_PROPOSAL,
	V1_TRANSFORM,
	V1_KE,
	V1_ID,
	V1_CERT,
	V1_CERTREQ,
	V1_HASH,
	V1_SIG,
	V1_NONCE,
	V1_NOTIFY,
	V1_DELETE,
	V1_VENDOR,
	V1_NAT_D = 20,	      /* RFC 3947 */
	V1_NAT_OA,	      /* RFC 3947 */
	V1_NAT_D_DRAFT = 130, /* draft-ietf-ipsec-nat-t-ike-02 and -03 */
	V1_NAT_OA_DRAFT,
};

enum v1_notify_type {
	V1_NOTIFY_INVALID_COOKIE = 4,
	V1_NOTIFY_INVALID_MAJOR_VERSION = 5,
	V1_NOTIFY_INVALID_EXCHANGE_TYPE = 7,
	V1_NOTIFY_ATTRIBUTES_NOT_SUPPORTED = 13,
	V1_NOTIFY_NO_PROPOSAL_CHOSEN = 14,
	V1_NOTIFY_BAD_PROPOSAL_SYNTAX = 15,
	V1_NOTIFY_PAYLOAD_MALFORMED = 16,
	V1_NOTIFY_INVALID_KEY = 17,
	V1_NOTIFY_INVALID_ID = 18,
	V1_NOTIFY_INVALID_HASH = 23,
	V1_NOTIFY_AUTHENTICATION_FAILED = 24,
	V1_NOTIFY_UNSUPPORTED_EXCHANGE = 29,
	V1_NOTIFY_FIRST_STATUS = 16384,
	V1_NOTIFY_CONNECTED = 16384,
	V1_NOTIFY_RESPONDER_LIFETIME = 24576,
	V1_NOTIFY_REPLAY_STATUS = 24577,
	V1_NOTIFY_INITIAL_CONTACT = 24578,
	V1_NOTIFY_R_U_THERE = 36136, /* RFC 3706 */
	V1_NOTIFY_R_U_THERE_ACK = 36137,
};

struct v1_payload {
	uint8_t type;
	struct bytes body;  /* behind the generic header */
	struct bytes whole; /* with it, as hashes cover it */
};

/* A message taken apart; all is borrowed from what was parsed. */
struct v1_message {
	struct ike_header h;
	struct bytes whole;
	struct bytes sealed; /* what follows the header of an encrypted message */
	unsigned n;
	struct v1_payload at[LIMIT_PAYLOADS];
	size_t used; /* bytes of the chain, without the padding behind it */
};

struct v1_notify {
	uint8_t protocol;
	uint16_t type;
	struct bytes spi, body;
};
struct v1_delete {
	uint8_t protocol, spi_bytes;
	uint16_t n;
	struct bytes spis;
};

/* "QUICK_MODE" and the like, for people. */
const char *v1_exchange_name(uint8_t type);
const char *v1_notify_name(uint16_t type, char out[32]);
const char *v1_payload_name(uint8_t type, char out[24]);

/*
 * Header, and the payloads when they are in the clear; of an encrypted message `sealed` is set and
 * there are no payloads yet. 0; -EPROTO with the place in f.
 */
int must_check v1_message_parse(struct v1_message *out, struct bytes datagram, struct fault *f);
/* The payloads that were encrypted: the first of type m->h.next, padding behind the last. */
int must_check v1_message_parse_inner(struct v1_message *m, struct bytes plain, struct fault *f);
/* The nth payload of the type, 0 the first; NULL when there are fewer. */
const struct v1_payload *v1_find(const struct v1_message *m, uint8_t type, unsigned nth);
unsigned v1_count(const struct v1_message *m, uint8_t type);
/* Body of the first of the type, {NULL, 0} without one. */
struct bytes v1_body(const struct v1_message *m, uint8_t type);

/* 0 or -EPROTO. */
int must_check v1_notify_parse(struct v1_notify *out, struct bytes body);
int must_check v1_delete_parse(struct v1_delete *out, struct bytes body);
/* The value of one attribute of the data of a RESPONDER-LIFETIME and the like. */
struct v1_life {
	uint64_t seconds, kilobytes; /* 0 = not said */
};
int must_check v1_life_parse(struct v1_life *out, struct bytes attributes);

/* ---- attributes (RFC 2408 section 3.3) ---- */

struct v1_attribute {
	uint16_t type;
	struct bytes value; /* of a long one */
	uint64_t number;    /* of a short one, or of a long one of at most 8 bytes; else all ones */
};
/* False at the end; the reader fails when the list is malformed. */
bool v1_attribute_next(struct reader *r, struct v1_attribute *out);
void v1_attribute_put(struct writer *w, uint16_t type, uint32_t value);

/* ---- identities of selectors (RFC 2407 section 4.6.2) ---- */

/* One selector from the body of an ID payload. 0, -EPROTO, -ENOTSUP (not an address kind). */
int must_check v1_selector_parse(struct traffic_selector *out, struct bytes body);
/* A selector as an ID payload's body: address, subnet or range. Returns its length. */
#define V1_SELECTOR_MAX 36
size_t v1_selector_write(uint8_t out[V1_SELECTOR_MAX], const struct traffic_selector *ts);

/* ---- building: struct builder with payloads of v1 ---- */

void v1_header(struct builder *b, const struct ike_header *h);
struct writer_mark v1_begin(struct builder *b, enum v1_payload_type type);
void v1_raw(struct builder *b, enum v1_payload_type type, struct bytes body);
void v1_notify(struct builder *b, uint8_t protocol, struct bytes spi, uint16_t type,
	       struct bytes body);
void v1_delete(struct builder *b, uint8_t protocol, struct bytes spi);

#endif
