/* SPDX-License-Identifier: Apache-2.0 */
/* Packets of [MS-SSTP] section 2.2: data packets that carry PPP, control messages of attributes. */
#ifndef XGW_P2S_SSTP_MESSAGE_H
#define XGW_P2S_SSTP_MESSAGE_H

#include "base/bytes.h"

#define SSTP_HEADER	    4
#define SSTP_PACKET_MAX	    4095 /* lengths have 12 bits */
#define SSTP_MAX_ATTRIBUTES 8
#define SSTP_NONCE	    32
#define SSTP_HASH	    32 /* room for a hash or MAC; SHA-1's are followed by zeros */

enum sstp_type {
	SSTP_CALL_CONNECT_REQUEST = 1,
	SSTP_CALL_CONNECT_ACK,
	SSTP_CALL_CONNECT_NAK,
	SSTP_CALL_CONNECTED,
	SSTP_CALL_ABORT,
	SSTP_CALL_DISCONNECT,
	SSTP_CALL_DISCONNECT_ACK,
	SSTP_ECHO_REQUEST,
	SSTP_ECHO_RESPONSE,
	SSTP_TYPES,
};

enum sstp_attribute_id {
	SSTP_NO_ATTRIBUTE,
	SSTP_ENCAPSULATED_PROTOCOL,
	SSTP_STATUS_INFO,
	SSTP_CRYPTO_BINDING,
	SSTP_CRYPTO_BINDING_REQUEST,
};

enum sstp_status { /* section 2.2.7 */
		   SSTP_STATUS_NONE,
		   SSTP_STATUS_DUPLICATE,
		   SSTP_STATUS_UNRECOGNIZED,
		   SSTP_STATUS_LENGTH,
		   SSTP_STATUS_VALUE,
		   SSTP_STATUS_UNACCEPTED_FRAME,
		   SSTP_STATUS_RETRIES,
		   SSTP_STATUS_INVALID_FRAME,
		   SSTP_STATUS_TIMEOUT,
		   SSTP_STATUS_NOT_IN_MESSAGE,
		   SSTP_STATUS_MISSING,
};

struct sstp_attribute {
	uint8_t id;
	struct bytes value;
};
struct sstp_message {
	uint16_t type;
	unsigned n;
	struct sstp_attribute at[SSTP_MAX_ATTRIBUTES];
};

/*
 * The packet that `in` begins with: its length, and whether it is a control packet; `body` is what
 * follows its header. 0: more bytes are needed. -EBADMSG: it is none.
 */
int sstp_packet_read(struct bytes in, bool *is_control, struct bytes *body);
/* Of a control packet's body. 0 or -EBADMSG: counts and lengths contradict each other. */
int sstp_message_read(struct bytes body, struct sstp_message *out);
/* The only attribute of that kind; NULL: there is none, or there are two. */
const struct sstp_attribute *sstp_attribute_find(const struct sstp_message *m,
						 enum sstp_attribute_id id);

/* Header of a data packet whose PPP frame has len bytes; len <= SSTP_PACKET_MAX - SSTP_HEADER. */
void sstp_data_head(uint8_t out[SSTP_HEADER], size_t len);
void sstp_write_empty(struct writer *w, enum sstp_type type);
void sstp_write_connect_ack(struct writer *w, uint8_t hashes, const uint8_t nonce[SSTP_NONCE]);
/* Abort, disconnect, or a Nak: about an attribute, or SSTP_NO_ATTRIBUTE. */
void sstp_write_status(struct writer *w, enum sstp_type type, enum sstp_attribute_id about,
		       enum sstp_status status);

#endif
