/* SPDX-License-Identifier: Apache-2.0 */
/* The configuration payload (RFC 7296 section 3.15): what a client asks for, what it is given. */
#ifndef XGW_IKE_CONFIG_PAYLOAD_H
#define XGW_IKE_CONFIG_PAYLOAD_H

#include "base/addr.h"
#include "base/bytes.h"
#include "base/fault.h"

#include <stdbool.h>

struct config_request {
	bool v4, v6;		     /* an address of the family is asked for */
	struct ip_addr want4, want6; /* the one that the client would like; IP_NONE: any */
};

/* Reads the body of a CP payload. 0; -ENOENT when it is no CFG_REQUEST; -EPROTO. */
int must_check config_request_parse(struct config_request *out, struct bytes body);

#define CONFIG_MAX_DNS	  4
#define CONFIG_MAX_ROUTES 64
struct config_reply {
	struct ip_addr v4, v6; /* IP_NONE: none */
	uint8_t n_dns;
	struct ip_addr dns[CONFIG_MAX_DNS];
	uint8_t n_routes; /* what is reached through the tunnel; none: everything */
	struct ip_prefix routes[CONFIG_MAX_ROUTES];
};
/* The body of a CFG_REPLY. */
void config_reply_write(struct writer *w, const struct config_reply *reply);

#endif
