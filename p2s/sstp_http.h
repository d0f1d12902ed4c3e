/* SPDX-License-Identifier: Apache-2.0 */
/* The HTTP request that opens an SSTP connection ([MS-SSTP] section 3.2.4.1, RFC 9112). */
#ifndef XGW_P2S_SSTP_HTTP_H
#define XGW_P2S_SSTP_HTTP_H

#include "base/bytes.h"

#define SSTP_HTTP_MAX	 4096 /* bytes of a request */
#define SSTP_HTTP_FIELDS 32
#define SSTP_HTTP_ANSWER 256 /* room for any answer */
#define SSTP_CORRELATION 64

struct sstp_http {
	int status;			    /* of the answer */
	const char *reason;		    /* beside it, for people too */
	char correlation[SSTP_CORRELATION]; /* what the client calls the attempt, printable */
};

/* Length of the request that `in` begins with, once its end is there; 0: not yet. Above
 * SSTP_HTTP_MAX it ends there, with status 431. */
size_t sstp_http_read(struct bytes in, struct sstp_http *out);
void sstp_http_answer(const struct sstp_http *h, struct writer *w);

#endif
