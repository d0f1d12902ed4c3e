/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PPP frames as SSTP carries them (RFC 1661 section 2, RFC 1662 section 3.1 without flags, escapes
 * and FCS), and the options of control protocols (RFC 1661 section 6).
 */
#ifndef XGW_P2S_PPP_FRAME_H
#define XGW_P2S_PPP_FRAME_H

#include "base/bytes.h"

enum ppp_protocol {
	PPP_IP = 0x0021,
	PPP_IPV6 = 0x0057,
	PPP_IPCP = 0x8021,
	PPP_IPV6CP = 0x8057,
	PPP_CCP = 0x80fd,
	PPP_LCP = 0xc021,
	PPP_PAP = 0xc023,
	PPP_CHAP = 0xc223,
	PPP_EAP = 0xc227,
};

#define PPP_HEADER 4 /* bytes in front of what we send: address, control, protocol */

/*
 * Address and control are left out by who negotiated it (or does so anyway), and so is the first
 * byte of a protocol below 256 (RFC 1661 sections 6.5, 6.6): both forms are read. 0 or -EBADMSG.
 */
int ppp_frame_read(struct bytes frame, uint16_t *protocol, struct bytes *information);
/* Never compressed. */
void ppp_frame_head(struct writer *w, uint16_t protocol);

struct ppp_option {
	uint8_t type;
	struct bytes data;  /* behind type and length */
	struct bytes whole; /* with them */
};

/* The next one; false at the end and when a length is below 2 or goes past the end, which makes
 * the reader fail. */
bool ppp_option_next(struct reader *r, struct ppp_option *out);
void ppp_option_write(struct writer *w, uint8_t type, const void *data, size_t len);

#endif
