/* SPDX-License-Identifier: Apache-2.0 */
/*
 * LCP (RFC 1661 sections 5 and 6): the client must authenticate; what makes sense on a serial line
 * alone is taken without effect, what we do not have is rejected.
 */
#include "p2s/ppp_internal.h"

#include <errno.h>
#include <string.h>

enum lcp_option {
	MRU = 1,
	ASYNC_MAP = 2, /* RFC 1662 section 7.1; there are no escapes here */
	AUTHENTICATION = 3,
	MAGIC = 5,
	PROTOCOL_COMPRESSION = 7,
	ADDRESS_COMPRESSION = 8,
};

#define MRU_LEAST	 576
#define MSCHAPV2_BY_CHAP 0x81 /* RFC 2759 section 3 */
#define ECHOES_MAX	 4

enum ppp_authentication ppp_lcp_offer(const struct ppp *p)
{
	const struct eap_rules *r = p->rules->eap;
	/* MS-CHAPv2 by CHAP first where nothing else is needed: clients know its key, which EAP's
	 * MS-CHAPv2 of some does not give (see sstp_binding.h) */
	if (r->tls && !p->tried[BY_EAP])
		return BY_EAP;
	if (r->users && !p->tried[BY_MSCHAPV2])
		return BY_MSCHAPV2;
	return r->users && !p->tried[BY_EAP] ? BY_EAP : BY_NOTHING;
}

static void request(struct ppp *p, struct writer *w)
{
	static const uint8_t eap[] = {PPP_EAP >> 8, PPP_EAP & 0xff};
	static const uint8_t chap[] = {PPP_CHAP >> 8, PPP_CHAP & 0xff, MSCHAPV2_BY_CHAP};
	uint8_t magic[4];
	store_be32(magic, p->magic);
	if (p->authentication == BY_EAP)
		ppp_option_write(w, AUTHENTICATION, eap, sizeof eap);
	else
		ppp_option_write(w, AUTHENTICATION, chap, sizeof chap);
	if (!p->no_magic)
		ppp_option_write(w, MAGIC, magic, sizeof magic);
}

static enum ppp_verdict judge_magic(struct ppp *p, struct bytes data, struct writer *nak)
{
	uint8_t other[4];
	uint32_t magic = load_be32(data.at);
	if (magic && magic != p->magic) {
		p->peer_magic = magic;
		return OPTION_ACK;
	}
	store_be32(other, ppp_draw(p));
	ppp_option_write(nak, MAGIC, other, sizeof other);
	return OPTION_NAK;
}

static enum ppp_verdict judge_mru(struct ppp *p, struct bytes data, struct writer *nak)
{
	static const uint8_t usual[] = {PPP_MRU >> 8, PPP_MRU & 0xff};
	uint16_t mru = load_be16(data.at);
	if (mru >= MRU_LEAST) {
		p->peer_mru = mru;
		return OPTION_ACK;
	}
	ppp_option_write(nak, MRU, usual, sizeof usual);
	return OPTION_NAK;
}

static enum ppp_verdict judge(struct ppp *p, const struct ppp_option *o, struct writer *nak)
{
	switch (o->type) {
	case MRU: return o->data.len == 2 ? judge_mru(p, o->data, nak) : OPTION_REJECT;
	case ASYNC_MAP: return o->data.len == 4 ? OPTION_ACK : OPTION_REJECT;
	case MAGIC: return o->data.len == 4 ? judge_magic(p, o->data, nak) : OPTION_REJECT;
	case PROTOCOL_COMPRESSION:
	case ADDRESS_COMPRESSION: return o->data.len == 0 ? OPTION_ACK : OPTION_REJECT;
	}
	/* we prove ourselves by TLS and by the methods, so AUTHENTICATION is among these */
	return OPTION_REJECT;
}

static enum ppp_authentication wanted(struct bytes data)
{
	uint16_t protocol = data.len >= 2 ? load_be16(data.at) : 0;
	if (protocol == PPP_EAP && data.len == 2)
		return BY_EAP;
	if (protocol == PPP_CHAP && data.len == 3 && data.at[2] == MSCHAPV2_BY_CHAP)
		return BY_MSCHAPV2;
	return BY_NOTHING;
}

static void no_common_way(struct ppp *p, struct bytes data)
{
	const struct eap_rules *r = p->rules->eap;
	p->authentication = BY_NOTHING;
	fault_set(&p->fault, -EACCES,
		  "the client takes none of our ways to authenticate (%s%s), it wants protocol "
		  "0x%04x",
		  r->tls ? "EAP-TLS" : "", r->users ? " MS-CHAPv2 EAP-MSCHAPv2" : "",
		  data.len >= 2 ? load_be16(data.at) : 0);
	fault_advise(&p->fault, "set the client to a user name and password, or to a certificate");
}

/* Its own choice if we have it, else the next that we have. */
static void other_authentication(struct ppp *p, struct bytes data)
{
	const struct eap_rules *r = p->rules->eap;
	enum ppp_authentication a = wanted(data);
	p->tried[p->authentication] = true;
	if (p->tried[a] || (a == BY_MSCHAPV2 && !r->users))
		a = BY_NOTHING;
	p->authentication = a != BY_NOTHING ? a : ppp_lcp_offer(p);
	if (p->authentication == BY_NOTHING)
		no_common_way(p, data);
}

static void naked(struct ppp *p, const struct ppp_option *o)
{
	if (o->type == AUTHENTICATION)
		other_authentication(p, o->data);
	/* a new one of ours: what the peer suggests may be our own Nak coming back */
	if (o->type == MAGIC)
		p->magic = ppp_draw(p);
}

static void rejected(struct ppp *p, const struct ppp_option *o)
{
	if (o->type == MAGIC) {
		p->no_magic = true;
		p->magic = 0;
	}
	if (o->type != AUTHENTICATION)
		return;
	p->authentication = BY_NOTHING;
	fault_set(&p->fault, -EACCES, "the client refuses to authenticate");
}

static void finished(struct ppp *p, uint64_t now_ns, struct ppp_effects *e)
{
	(void)now_ns;
	p->phase = PHASE_DEAD;
	if (!p->fault.code)
		fault_set(&p->fault, -ECONNRESET, "the client ended the session");
	e->finished = true;
	e->fault = p->fault;
}

/* ---- codes of its own ---- */

static void take_protocol_reject(struct ppp *p, struct bytes data, uint64_t now_ns,
				 struct ppp_effects *e)
{
	struct fault f = {0};
	struct ppp_control *of[] = {&p->ipcp, &p->ipv6cp};
	if (data.len < 2 || p->lcp.state != PPP_OPENED)
		return;
	uint16_t protocol = load_be16(data.at);
	for (unsigned i = 0; i < 2; i++)
		if (of[i]->rules->protocol == protocol)
			ppp_control_event(p, of[i], PPP_REJECT_FATAL, now_ns, e);
	if (protocol != PPP_LCP && protocol != PPP_EAP && protocol != PPP_CHAP)
		return;
	fault_set(&f, -EPROTO, "the client rejects protocol 0x%04x that it agreed to", protocol);
	ppp_close(p, now_ns, &f, e);
}

static bool extra(struct ppp *p, uint8_t code, uint8_t id, struct bytes data, uint64_t now_ns,
		  struct ppp_effects *e)
{
	(void)id;
	if (code == PROTOCOL_REJECT)
		take_protocol_reject(p, data, now_ns, e);
	if (code == ECHO_REPLY)
		p->echoes = 0;
	return code == PROTOCOL_REJECT || code == ECHO_REPLY || code == DISCARD_REQUEST;
}

void ppp_lcp_reject_protocol(struct ppp *p, uint16_t protocol, struct bytes information,
			     struct ppp_effects *e)
{
	struct writer w;
	size_t n = information.len > PPP_MRU - 100 ? PPP_MRU - 100 : information.len;
	if (p->lcp.state != PPP_OPENED || p->rejects++ >= PPP_MAX_REJECTS ||
	    !ppp_frame_begin(e, &w, PPP_LCP))
		return;
	writer_u8(&w, PROTOCOL_REJECT);
	writer_u8(&w, ++p->lcp.id);
	writer_u16(&w, (uint16_t)(6 + n));
	writer_u16(&w, protocol);
	writer_bytes(&w, information.at, n);
	ppp_frame_end(e, &w);
}

/* Nothing was heard for a while; after several without an answer the client is gone. */
void ppp_lcp_echo(struct ppp *p, struct ppp_effects *e)
{
	struct writer w;
	if (p->echoes++ >= ECHOES_MAX) {
		fault_set(&p->fault, -ETIMEDOUT, "the client does not answer LCP's echo requests");
		p->phase = PHASE_DEAD;
		e->finished = true;
		e->fault = p->fault;
		return;
	}
	if (!ppp_frame_begin(e, &w, PPP_LCP))
		return;
	writer_u8(&w, ECHO_REQUEST);
	writer_u8(&w, ++p->lcp.id);
	writer_u16(&w, 8);
	writer_u32(&w, p->magic);
	ppp_frame_end(e, &w);
}

const struct ppp_protocol_rules ppp_lcp = {.protocol = PPP_LCP,
					   .name = "LCP",
					   .request = request,
					   .judge = judge,
					   .naked = naked,
					   .rejected = rejected,
					   .up = ppp_lcp_opened,
					   .down = ppp_lcp_closed,
					   .finished = finished,
					   .extra = extra};
