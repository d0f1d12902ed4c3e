/* SPDX-License-Identifier: Apache-2.0 */
/* The phases of a session (RFC 1661 section 3.2), its limits, and where each frame goes. */
#include "p2s/ppp_internal.h"

#include "base/secret.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define PATIENCE_NS (2 * NS_PER_S)  /* for the client's first frame, before we begin */
#define ECHO_NS	    (30 * NS_PER_S) /* of silence, then we ask */
#define DRAWS_AT    32		    /* in the random bytes: a seed for numbers */

int ppp_new(struct ppp **out, const struct ppp_rules *rules, void *owner,
	    const uint8_t random[PPP_RANDOM], int64_t wall_s)
{
	struct ppp *p = calloc(1, sizeof *p);
	*out = p;
	if (!p)
		return -ENOMEM;
	p->rules = rules;
	p->owner = owner;
	p->wall_s = wall_s;
	memcpy(p->random, random, sizeof p->random);
	p->deadline_ns = INSTANT_NEVER;
	p->peer_mru = PPP_MRU;
	p->magic = ppp_draw(p);
	p->authentication = ppp_lcp_offer(p);
	p->lcp = (struct ppp_control){.rules = &ppp_lcp, .deadline_ns = INSTANT_NEVER};
	p->ipcp = (struct ppp_control){.rules = &ppp_ipcp, .deadline_ns = INSTANT_NEVER};
	p->ipv6cp = (struct ppp_control){.rules = &ppp_ipv6cp, .deadline_ns = INSTANT_NEVER};
	return 0;
}

void ppp_from(struct ppp *p, const struct ip_addr *source)
{
	p->source = *source;
}

void ppp_free(struct ppp *p)
{
	if (!p)
		return;
	eap_free(p->eap);
	wipe(p, sizeof *p);
	free(p);
}

/* Numbers that need not be secret but differ: magic numbers and identifiers. Never 0. */
uint32_t ppp_draw(struct ppp *p)
{
	uint32_t n = load_be32(p->random + DRAWS_AT + 4u * (p->draws & 3));
	n ^= (p->draws++ >> 2) * 0x9e3779b1u;
	return n ? n : 1;
}

/* ---- effects ---- */

void ppp_effects_clear(struct ppp_effects *e)
{
	e->n = 0;
	e->used = 0;
	e->packet = (struct bytes){NULL, 0};
	e->authenticated = e->up = e->finished = false;
	e->fault.code = 0;
}

bool ppp_frame_begin(struct ppp_effects *e, struct writer *w, uint16_t protocol)
{
	if (e->n == PPP_FRAMES_MAX)
		return false;
	writer_init(w, e->room + e->used, sizeof e->room - e->used);
	ppp_frame_head(w, protocol);
	return writer_ok(w);
}

void ppp_frame_end(struct ppp_effects *e, struct writer *w)
{
	if (!writer_ok(w))
		return;
	e->frame[e->n++] = (struct bytes){w->start, writer_len(w)};
	e->used += writer_len(w);
}

/* ---- what the parts lead to ---- */

void ppp_fail(struct ppp *p, const struct fault *why)
{
	if (!p->fault.code && why)
		p->fault = *why;
}

void ppp_lcp_opened(struct ppp *p, uint64_t now_ns, struct ppp_effects *e)
{
	if (p->phase != PHASE_ESTABLISH)
		return;
	p->phase = PHASE_AUTHENTICATE;
	ppp_auth_begin(p, now_ns, e);
}

/* Before the client is known LCP may begin again; later that would be another session. */
void ppp_lcp_closed(struct ppp *p)
{
	if (p->phase == PHASE_AUTHENTICATE && !p->failed) {
		p->phase = PHASE_ESTABLISH;
		p->deadline_ns = INSTANT_NEVER;
		return;
	}
	if (p->phase != PHASE_NETWORK)
		return;
	if (!p->fault.code)
		fault_set(&p->fault, -ECONNRESET, "the client ended the session");
	p->phase = PHASE_TERMINATE;
}

void ppp_authenticated(struct ppp *p, uint64_t now_ns, struct ppp_effects *e)
{
	struct fault f = {0};
	if (p->rules->lease(p->owner, p->user, &p->lease, &f)) {
		ppp_close(p, now_ns, &f, e);
		return;
	}
	e->authenticated = true;
	p->phase = PHASE_NETWORK;
	p->data_ns = p->heard_ns = now_ns;
	p->deadline_ns = instant_after(now_ns, ECHO_NS);
	if (p->lease.v4.family) {
		ppp_control_event(p, &p->ipcp, PPP_UP, now_ns, e);
		ppp_control_event(p, &p->ipcp, PPP_OPEN, now_ns, e);
	}
	if (p->lease.v6.family) {
		ppp_control_event(p, &p->ipv6cp, PPP_UP, now_ns, e);
		ppp_control_event(p, &p->ipv6cp, PPP_OPEN, now_ns, e);
	}
}

void ppp_refused(struct ppp *p, const struct fault *why, uint64_t now_ns, struct ppp_effects *e)
{
	ppp_close(p, now_ns, why, e);
}

static bool may_open(const struct ppp_control *c)
{
	return c->state >= PPP_REQ_SENT;
}

/* Without any network protocol there is nothing to do. */
void ppp_network_finished(struct ppp *p, uint64_t now_ns, struct ppp_effects *e)
{
	struct fault f = {0};
	if (p->phase != PHASE_NETWORK || may_open(&p->ipcp) || may_open(&p->ipv6cp))
		return;
	fault_set(&f, -EPROTO, "the client agrees on no network protocol");
	ppp_close(p, now_ns, &f, e);
}

/* ---- in ---- */

void ppp_begin(struct ppp *p, uint64_t now_ns)
{
	p->began_ns = p->heard_ns = now_ns;
	p->phase = PHASE_WAITING;
	p->deadline_ns = instant_after(now_ns, PATIENCE_NS);
}

static void establish(struct ppp *p, uint64_t now_ns, struct ppp_effects *e)
{
	p->phase = PHASE_ESTABLISH;
	p->deadline_ns = INSTANT_NEVER;
	ppp_control_event(p, &p->lcp, PPP_OPEN, now_ns, e);
	ppp_control_event(p, &p->lcp, PPP_UP, now_ns, e);
}

static void take_packet(struct ppp *p, uint16_t protocol, struct bytes packet, uint64_t now_ns,
			struct ppp_effects *e)
{
	if (!ppp_is_open(p, protocol == PPP_IP ? IP_V4 : IP_V6))
		return;
	if (protocol == PPP_IPV6 && ppp_ipv6cp_solicited(p, packet, e))
		return;
	p->data_ns = now_ns;
	e->packet = packet;
}

static void take_network_control(struct ppp *p, uint16_t protocol, struct bytes packet,
				 uint64_t now_ns, struct ppp_effects *e)
{
	struct ppp_control *c = protocol == PPP_IPCP ? &p->ipcp : &p->ipv6cp;
	const struct ip_addr *leased = protocol == PPP_IPCP ? &p->lease.v4 : &p->lease.v6;
	if (!leased->family)
		ppp_lcp_reject_protocol(p, protocol, packet, e);
	else
		ppp_control_receive(p, c, packet, now_ns, e);
}

/* What belongs to a later phase is discarded (RFC 1661 section 3.4 and 3.5). */
static void take(struct ppp *p, uint16_t protocol, struct bytes information, uint64_t now_ns,
		 struct ppp_effects *e)
{
	switch (protocol) {
	case PPP_LCP: ppp_control_receive(p, &p->lcp, information, now_ns, e); return;
	case PPP_EAP:
	case PPP_CHAP:
		if (p->phase < PHASE_AUTHENTICATE || p->phase == PHASE_TERMINATE)
			return;
		(protocol == PPP_EAP ? ppp_auth_eap : ppp_auth_chap)(p, information, now_ns, e);
		return;
	}
	if (p->phase != PHASE_NETWORK)
		return;
	if (protocol == PPP_IP || protocol == PPP_IPV6)
		take_packet(p, protocol, information, now_ns, e);
	else if (protocol == PPP_IPCP || protocol == PPP_IPV6CP)
		take_network_control(p, protocol, information, now_ns, e);
	else
		ppp_lcp_reject_protocol(p, protocol, information, e);
}

void ppp_receive(struct ppp *p, struct bytes frame, uint64_t now_ns, struct ppp_effects *e)
{
	uint16_t protocol;
	struct bytes information;
	if (p->phase == PHASE_DEAD || ppp_frame_read(frame, &protocol, &information))
		return;
	p->heard_ns = now_ns;
	p->echoes = 0;
	if (p->phase == PHASE_WAITING)
		establish(p, now_ns, e);
	take(p, protocol, information, now_ns, e);
	if (p->authentication == BY_NOTHING && p->phase == PHASE_ESTABLISH)
		ppp_close(p, now_ns, NULL, e);
	/* LCP began again after the client was known */
	if (p->phase == PHASE_TERMINATE && p->lcp.state >= PPP_REQ_SENT)
		ppp_control_event(p, &p->lcp, PPP_CLOSE, now_ns, e);
}

void ppp_close(struct ppp *p, uint64_t now_ns, const struct fault *why, struct ppp_effects *e)
{
	enum ppp_phase was = p->phase;
	ppp_fail(p, why);
	if (was == PHASE_TERMINATE || was == PHASE_DEAD)
		return;
	p->phase = PHASE_TERMINATE;
	p->deadline_ns = INSTANT_NEVER;
	if (was != PHASE_WAITING) {
		ppp_control_event(p, &p->lcp, PPP_CLOSE, now_ns, e);
		return;
	}
	p->phase = PHASE_DEAD;
	e->finished = true;
	e->fault = p->fault;
}

/* ---- time ---- */

static uint64_t idle_deadline(const struct ppp *p)
{
	return p->phase == PHASE_NETWORK && p->rules->idle_ns
		       ? instant_after(p->data_ns, p->rules->idle_ns)
		       : INSTANT_NEVER;
}

static uint64_t session_deadline(const struct ppp *p)
{
	return p->phase == PHASE_NETWORK && p->rules->session_ns
		       ? instant_after(p->began_ns, p->rules->session_ns)
		       : INSTANT_NEVER;
}

uint64_t ppp_next_deadline(const struct ppp *p)
{
	if (p->phase == PHASE_DEAD)
		return INSTANT_NEVER;
	uint64_t at = instant_earlier(p->deadline_ns, p->lcp.deadline_ns);
	at = instant_earlier(at, instant_earlier(p->ipcp.deadline_ns, p->ipv6cp.deadline_ns));
	return instant_earlier(at, instant_earlier(idle_deadline(p), session_deadline(p)));
}

/* Asks when nothing came for a while. */
static void keep_alive(struct ppp *p, uint64_t now_ns, struct ppp_effects *e)
{
	uint64_t due = instant_after(p->heard_ns, ECHO_NS);
	if (due > now_ns) {
		p->deadline_ns = due;
		return;
	}
	p->deadline_ns = instant_after(now_ns, ECHO_NS);
	ppp_lcp_echo(p, e);
}

static void expire_phase(struct ppp *p, uint64_t now_ns, struct ppp_effects *e)
{
	if (p->deadline_ns > now_ns)
		return;
	p->deadline_ns = INSTANT_NEVER;
	if (p->phase == PHASE_WAITING)
		establish(p, now_ns, e);
	else if (p->phase == PHASE_AUTHENTICATE)
		ppp_auth_repeat(p, now_ns, e);
	else if (p->phase == PHASE_NETWORK)
		keep_alive(p, now_ns, e);
}

static void expire_session(struct ppp *p, uint64_t now_ns, struct ppp_effects *e)
{
	struct fault f = {0};
	if (session_deadline(p) <= now_ns)
		fault_set(&f, -ETIMEDOUT, "the session's time is over");
	else if (idle_deadline(p) <= now_ns)
		fault_set(&f, -ETIMEDOUT, "the session was idle for too long");
	if (f.code)
		ppp_close(p, now_ns, &f, e);
}

void ppp_expire(struct ppp *p, uint64_t now_ns, struct ppp_effects *e)
{
	if (p->phase == PHASE_DEAD)
		return;
	expire_session(p, now_ns, e);
	ppp_control_expire(p, &p->lcp, now_ns, e);
	ppp_control_expire(p, &p->ipcp, now_ns, e);
	ppp_control_expire(p, &p->ipv6cp, now_ns, e);
	expire_phase(p, now_ns, e);
}

void ppp_sent(struct ppp *p, uint64_t now_ns)
{
	p->data_ns = now_ns;
}

/* ---- what is known ---- */

const struct fault *ppp_why(const struct ppp *p)
{
	return p->fault.code ? &p->fault : NULL;
}

const char *ppp_user(const struct ppp *p)
{
	return p->user;
}

const char *ppp_method(const struct ppp *p)
{
	return p->method ? p->method : "none";
}

const uint8_t *ppp_key(const struct ppp *p)
{
	return p->key;
}

const struct ppp_lease *ppp_lease_of(const struct ppp *p)
{
	return &p->lease;
}

uint32_t ppp_mtu(const struct ppp *p)
{
	return p->peer_mru < PPP_MRU ? p->peer_mru : PPP_MRU;
}

bool ppp_is_open(const struct ppp *p, enum ip_family family)
{
	const struct ppp_control *c = family == IP_V4 ? &p->ipcp : &p->ipv6cp;
	return p->phase == PHASE_NETWORK && c->state == PPP_OPENED;
}
