/* SPDX-License-Identifier: Apache-2.0 */
/*
 * IKEv2 messages on the wire (RFC 7296 section 3): reading a datagram into borrowed parts, and
 * building one payload after the other. Lengths are checked here and nowhere else; what a payload
 * means is not known here.
 */
#ifndef XGW_IKE_MESSAGE_H
#define XGW_IKE_MESSAGE_H

#include "auth/identity.h"
#include "base/bytes.h"
#include "base/child_sa.h"
#include "base/fault.h"
#include "ike/limits.h"

#define IKE_HEADER_BYTES   28
#define IKE_PAYLOAD_BYTES  4
#define IKE_FRAGMENT_BYTES 4 /* of SKF, behind the generic header */
#define IKE_VERSION_2	   0x20

enum ike_exchange_type {
	IKE_SA_INIT = 34,
	IKE_AUTH = 35,
	IKE_CREATE_CHILD_SA = 36,
	IKE_INFORMATIONAL = 37,
	IKE_INTERMEDIATE = 43, /* RFC 9242 */
	IKE_FOLLOWUP_KE = 44,  /* RFC 9370 */
};
enum ike_flag { IKE_FLAG_INITIATOR = 0x08, IKE_FLAG_VERSION = 0x10, IKE_FLAG_RESPONSE = 0x20 };

enum ike_payload_type {
	PAYLOAD_NONE = 0,
	PAYLOAD_SA = 33,
	PAYLOAD_KE,
	PAYLOAD_IDI,
	PAYLOAD_IDR,
	PAYLOAD_CERT,
	PAYLOAD_CERTREQ,
	PAYLOAD_AUTH,
	PAYLOAD_NONCE,
	PAYLOAD_NOTIFY,
	PAYLOAD_DELETE,
	PAYLOAD_VENDOR,
	PAYLOAD_TSI,
	PAYLOAD_TSR,
	PAYLOAD_SK,
	PAYLOAD_CP,
	PAYLOAD_EAP,
	PAYLOAD_SKF = 53,
};

enum ike_protocol { PROTOCOL_NONE = 0, PROTOCOL_IKE = 1, PROTOCOL_AH = 2, PROTOCOL_ESP = 3 };

enum ike_notify_type {
	NOTIFY_UNSUPPORTED_CRITICAL_PAYLOAD = 1,
	NOTIFY_INVALID_IKE_SPI = 4,
	NOTIFY_INVALID_MAJOR_VERSION = 5,
	NOTIFY_INVALID_SYNTAX = 7,
	NOTIFY_INVALID_MESSAGE_ID = 9,
	NOTIFY_INVALID_SPI = 11,
	NOTIFY_NO_PROPOSAL_CHOSEN = 14,
	NOTIFY_INVALID_KE_PAYLOAD = 17,
	NOTIFY_AUTHENTICATION_FAILED = 24,
	NOTIFY_SINGLE_PAIR_REQUIRED = 34,
	NOTIFY_NO_ADDITIONAL_SAS = 35,
	NOTIFY_INTERNAL_ADDRESS_FAILURE = 36,
	NOTIFY_FAILED_CP_REQUIRED = 37,
	NOTIFY_TS_UNACCEPTABLE = 38,
	NOTIFY_INVALID_SELECTORS = 39,
	NOTIFY_UNACCEPTABLE_ADDRESSES = 40, /* RFC 4555 section 6 */
	NOTIFY_UNEXPECTED_NAT_DETECTED = 41,
	NOTIFY_TEMPORARY_FAILURE = 43,
	NOTIFY_CHILD_SA_NOT_FOUND = 44,
	NOTIFY_STATE_NOT_FOUND = 47, /* RFC 9370 */
	NOTIFY_TS_MAX_QUEUE = 48,    /* RFC 9611 section 5.2 */
	NOTIFY_FIRST_STATUS = 16384,
	NOTIFY_INITIAL_CONTACT = 16384,
	NOTIFY_ADDITIONAL_TS_POSSIBLE = 16386,
	NOTIFY_NAT_DETECTION_SOURCE_IP = 16388,
	NOTIFY_NAT_DETECTION_DESTINATION_IP = 16389,
	NOTIFY_COOKIE = 16390,
	NOTIFY_USE_TRANSPORT_MODE = 16391,
	NOTIFY_REKEY_SA = 16393,
	NOTIFY_ESP_TFC_PADDING_NOT_SUPPORTED = 16394,
	NOTIFY_MOBIKE_SUPPORTED = 16396, /* RFC 4555 */
	NOTIFY_ADDITIONAL_IP4_ADDRESS = 16397,
	NOTIFY_ADDITIONAL_IP6_ADDRESS = 16398,
	NOTIFY_NO_ADDITIONAL_ADDRESSES = 16399,
	NOTIFY_UPDATE_SA_ADDRESSES = 16400,
	NOTIFY_COOKIE2 = 16401,
	NOTIFY_NO_NATS_ALLOWED = 16402,
	NOTIFY_AUTH_LIFETIME = 16403,	   /* RFC 4478 */
	NOTIFY_REDIRECT_SUPPORTED = 16406, /* RFC 5685 */
	NOTIFY_REDIRECT = 16407,
	NOTIFY_REDIRECTED_FROM = 16408,
	NOTIFY_EAP_ONLY_AUTHENTICATION = 16417,	  /* RFC 5998 */
	NOTIFY_CHILDLESS_IKEV2_SUPPORTED = 16418, /* RFC 6023 */
	NOTIFY_FRAGMENTATION_SUPPORTED = 16430,	  /* RFC 7383 section 2.3 */
	NOTIFY_SIGNATURE_HASH_ALGORITHMS = 16431, /* RFC 7427 section 4 */
	NOTIFY_USE_PPK = 16435,			  /* RFC 8784 */
	NOTIFY_PPK_IDENTITY = 16436,
	NOTIFY_NO_PPK_AUTH = 16437,
	NOTIFY_INTERMEDIATE_EXCHANGE_SUPPORTED = 16438, /* RFC 9242 */
	NOTIFY_ADDITIONAL_KEY_EXCHANGE = 16441,		/* RFC 9370 */
	NOTIFY_SA_RESOURCE_INFO = 16444,		/* RFC 9611 section 5.1 */
	NOTIFY_XGW_FLOW_PORTS = 48717,			/* private use: v2_ports.c */
};
/* "NO_PROPOSAL_CHOSEN", or "notify 4711" written to out. */
const char *notify_name(uint16_t type, char out[32]);
const char *exchange_type_name(uint8_t type);

struct ike_header {
	uint64_t spi_i, spi_r; /* as on the wire, host order */
	uint8_t next, version, exchange, flags;
	uint32_t id, length;
};
struct ike_notify {
	uint8_t protocol;
	uint16_t type;
	struct bytes spi, body;
};
struct ike_delete {
	uint8_t protocol, spi_bytes;
	uint16_t n;
	struct bytes spis;
};
struct ike_id_payload {
	bool present;
	uint8_t kind;
	struct bytes name, body; /* body: with the four bytes before the name, as AUTH signs it */
};

struct ike_cert {
	uint8_t encoding;
	struct bytes body; /* behind the encoding */
};

/* Which part of a message SKF holds (RFC 7383 section 2.5); total 0: SK, the whole. */
struct ike_fragment {
	uint16_t number, total; /* the first is 1 */
};

/* A message taken apart; everything is borrowed from the datagram or from the decrypted copy. */
struct ike_message {
	struct ike_header h;
	struct bytes whole;
	uint64_t present; /* bit t - 32 for each payload type t seen once; twice below */
	uint64_t repeated;
	struct bytes inner; /* what was inside SK */
	struct bytes sa, nonce, tsi, tsr, auth, ke, cp, eap;
	uint8_t auth_method;
	uint16_t ke_group; /* IANA number */
	struct ike_id_payload idi, idr;
	unsigned n_certs; /* that came; the first LIMIT_CERTS are kept */
	struct ike_cert certs[LIMIT_CERTS];
	unsigned n_vendors; /* that came; the first LIMIT_VENDORS are kept */
	struct bytes vendors[LIMIT_VENDORS];
	unsigned n_notifies, n_deletes;
	struct ike_notify notify[LIMIT_NOTIFIES];
	struct ike_delete deletes[LIMIT_NOTIFIES];
	uint8_t unsupported_critical; /* payload type, 0 = none */
	size_t sk_offset;	      /* of the header of SK or SKF, 0 = none */
	uint8_t sk_first;	      /* type of the first payload inside */
	struct bytes sk;	      /* body of it: IV, ciphertext, ICV */
	struct ike_fragment fragment; /* of SKF */
};

/* 0, -EMSGSIZE when shorter than a header, -EPROTO when the length field differs. */
int must_check ike_header_parse(struct ike_header *out, struct bytes datagram);
/* The clear payloads, up to SK. 0, -EPROTO (malformed), -ENOTSUP (unsupported_critical is set). */
int must_check ike_message_parse(struct ike_message *out, struct bytes datagram, struct fault *f);
/* The payloads that were inside SK, added to the same message. */
int must_check ike_message_parse_inner(struct ike_message *m, struct bytes plain, struct fault *f);
bool ike_message_has(const struct ike_message *m, enum ike_payload_type type);
bool ike_message_is_response(const struct ike_message *m);
const struct ike_notify *ike_message_notify(const struct ike_message *m, uint16_t type);
/* First notify of an error type, NULL when there is none. */
const struct ike_notify *ike_message_error(const struct ike_message *m);

/* Traffic selectors of a TS payload's body (RFC 7296 section 3.13). Unknown TS types are skipped. 0
 * or -EPROTO. */
int must_check ike_ts_parse(struct bytes body, struct traffic_selector *out, uint8_t *n,
			    uint8_t room);

/* ---- building ---- */

struct builder {
	struct writer w;
	uint8_t *next; /* where the type of the following payload belongs */
	uint8_t first; /* type of the first payload */
};
/*
 * A copy of a message that was opened, which lives as long as *plain: the caller's, free() it, also
 * on failure. 0, -ENOMEM, -EPROTO.
 */
int must_check ike_message_keep(struct ike_message *out, uint8_t **plain,
				const struct ike_message *in);

/* Payloads alone (what goes inside SK), or after builder_header a whole clear message. */
void builder_init(struct builder *b, void *buffer, size_t size);
void builder_header(struct builder *b, const struct ike_header *h);
/* Fills in the length of a message begun by builder_header. */
void builder_finish(struct builder *b);
bool builder_ok(const struct builder *b);
struct bytes builder_bytes(const struct builder *b);
/* Begin and end a payload; its body is written to b->w between. */
struct writer_mark builder_begin(struct builder *b, enum ike_payload_type type);
void builder_end(struct builder *b, struct writer_mark m);
void builder_raw(struct builder *b, enum ike_payload_type type, struct bytes body);
void builder_ke(struct builder *b, uint16_t group, struct bytes value);
void builder_id(struct builder *b, enum ike_payload_type type, const struct identity *id);
void builder_auth(struct builder *b, uint8_t method, struct bytes value);
void builder_notify(struct builder *b, uint16_t type, struct bytes body);
void builder_notify_spi(struct builder *b, uint8_t protocol, uint32_t spi, uint16_t type);
void builder_delete_ike(struct builder *b);
void builder_delete_esp(struct builder *b, const uint32_t *spis, uint16_t n);
void builder_ts(struct builder *b, enum ike_payload_type type, const struct traffic_selector *ts,
		uint8_t n);

#endif
