/* SPDX-License-Identifier: Apache-2.0 */
/* RFC 1661 sections 4 and 5: packets to events, actions to packets, one restart timer each. */
#include "p2s/ppp_internal.h"

#include <errno.h>
#include <string.h>

#define OFFERS_MAX 512 /* bytes of options in a Nak or Reject of ours */

/* The peer's Configure-Request, judged. */
struct judged {
	bool malformed;
	uint8_t code;	      /* CONFIGURE_ACK, CONFIGURE_NAK or CONFIGURE_REJECT */
	struct bytes options; /* of the answer */
	uint8_t room[OFFERS_MAX];
};

/* What actions need of the packet that brought them about. */
struct cause {
	uint8_t id;
	const struct judged *judged;
	struct bytes packet; /* as it came */
	struct bytes data;   /* behind its header */
};

/* ---- packets of ours ---- */

static void send(const struct ppp_control *c, uint8_t code, uint8_t id, struct bytes data,
		 struct ppp_effects *e)
{
	struct writer w;
	if (!ppp_frame_begin(e, &w, c->rules->protocol))
		return;
	writer_u8(&w, code);
	writer_u8(&w, id);
	struct writer_mark length = writer_begin_u16(&w);
	writer_bytes(&w, data.at, data.len);
	writer_end_u16(&w, length, 2);
	ppp_frame_end(e, &w);
}

static void send_request(struct ppp *p, struct ppp_control *c, uint64_t now_ns,
			 struct ppp_effects *e)
{
	struct writer w;
	writer_init(&w, c->sent, sizeof c->sent);
	c->rules->request(p, &w);
	c->sent_len = writer_len(&w);
	send(c, CONFIGURE_REQUEST, ++c->id, (struct bytes){c->sent, c->sent_len}, e);
	c->deadline_ns = instant_after(now_ns, PPP_RESTART_NS);
	c->restarts -= c->restarts > 0;
}

static void send_terminate(struct ppp_control *c, uint64_t now_ns, struct ppp_effects *e)
{
	send(c, TERMINATE_REQUEST, ++c->id, (struct bytes){NULL, 0}, e);
	c->deadline_ns = instant_after(now_ns, PPP_RESTART_NS);
	c->restarts -= c->restarts > 0;
}

static void send_code_reject(struct ppp *p, struct ppp_control *c, const struct cause *why,
			     struct ppp_effects *e)
{
	struct bytes told = why->packet;
	if (p->rejects++ >= PPP_MAX_REJECTS)
		return;
	told.len = told.len > PPP_MRU - 100 ? PPP_MRU - 100 : told.len;
	send(c, CODE_REJECT, ++c->id, told, e);
}

static void send_echo_reply(const struct ppp *p, const struct ppp_control *c,
			    const struct cause *why, struct ppp_effects *e)
{
	uint8_t magic[4];
	struct writer w;
	if (!ppp_frame_begin(e, &w, c->rules->protocol))
		return;
	store_be32(magic, p->magic);
	writer_u8(&w, ECHO_REPLY);
	writer_u8(&w, why->id);
	writer_u16(&w, (uint16_t)(why->data.len + 4));
	writer_bytes(&w, magic, sizeof magic);
	writer_bytes(&w, why->data.at + 4, why->data.len - 4);
	ppp_frame_end(e, &w);
}

/* ---- actions ---- */

static bool runs(enum ppp_state s)
{
	return s == PPP_CLOSING || s == PPP_STOPPING || s == PPP_REQ_SENT || s == PPP_ACK_RCVD ||
	       s == PPP_ACK_SENT;
}

static void answer(struct ppp *p, struct ppp_control *c, unsigned actions, const struct cause *why,
		   struct ppp_effects *e)
{
	if (actions & (PPP_SCA | PPP_SCN) && why->judged)
		send(c, why->judged->code, why->id, why->judged->options, e);
	if (actions & PPP_STA)
		send(c, TERMINATE_ACK, why->id, (struct bytes){NULL, 0}, e);
	if (actions & PPP_SCJ)
		send_code_reject(p, c, why, e);
	if (actions & PPP_SER)
		send_echo_reply(p, c, why, e);
}

static void move(struct ppp *p, struct ppp_control *c, enum ppp_event event,
		 const struct cause *why, uint64_t now_ns, struct ppp_effects *e)
{
	const struct ppp_transition t = ppp_transition(c->state, event);
	if (t.next == PPP_NO_STATE)
		return;
	c->state = t.next;
	if (t.actions & PPP_TLD && c->rules->down)
		c->rules->down(p);
	if (t.actions & PPP_IRC)
		c->restarts = t.actions & PPP_STR ? PPP_MAX_TERMINATE : PPP_MAX_CONFIGURE;
	if (t.actions & PPP_ZRC) {
		c->restarts = 0;
		c->deadline_ns = instant_after(now_ns, PPP_RESTART_NS);
	}
	if (t.actions & PPP_SCR)
		send_request(p, c, now_ns, e);
	if (t.actions & PPP_STR)
		send_terminate(c, now_ns, e);
	answer(p, c, t.actions, why, e);
	if (!runs(c->state))
		c->deadline_ns = INSTANT_NEVER;
	if (t.actions & PPP_TLU) {
		c->failures = 0;
		c->rules->up(p, now_ns, e);
	}
	if (t.actions & PPP_TLF)
		c->rules->finished(p, now_ns, e);
}

void ppp_control_event(struct ppp *p, struct ppp_control *c, enum ppp_event event, uint64_t now_ns,
		       struct ppp_effects *e)
{
	const struct cause none = {0};
	move(p, c, event, &none, now_ns, e);
}

void ppp_control_expire(struct ppp *p, struct ppp_control *c, uint64_t now_ns,
			struct ppp_effects *e)
{
	if (c->deadline_ns > now_ns)
		return;
	c->deadline_ns = INSTANT_NEVER;
	if (!c->restarts && !p->fault.code)
		fault_set(&p->fault, -ETIMEDOUT, "the client does not answer %s", c->rules->name);
	ppp_control_event(p, c, c->restarts ? PPP_TIMEOUT : PPP_TIMEOUT_LAST, now_ns, e);
}

/* ---- the peer's Configure-Request ---- */

/* The first option that is not as we want it decides: rejects go before naks (section 5.4). */
static void judge(struct ppp *p, struct ppp_control *c, struct bytes options, struct judged *out)
{
	uint8_t refused[OFFERS_MAX];
	struct ppp_option o;
	struct reader r;
	struct writer nak, reject;
	uint32_t seen = 0;
	/* after so many naks a peer that insists is told no (section 4.6) */
	bool patient = c->failures < PPP_MAX_FAILURE;
	writer_init(&nak, out->room, sizeof out->room);
	writer_init(&reject, refused, sizeof refused);
	reader_init(&r, options.at, options.len);
	while (ppp_option_next(&r, &o)) {
		enum ppp_verdict v = c->rules->judge(p, &o, &nak);
		seen |= o.type < 32 ? 1u << o.type : 0;
		if (v == OPTION_REJECT || (v == OPTION_NAK && !patient))
			writer_bytes(&reject, o.whole.at, o.whole.len);
	}
	if (c->rules->missing && patient)
		c->rules->missing(p, seen, &nak);
	out->malformed = !reader_ok(&r) || !writer_ok(&reject) || !writer_ok(&nak);
	out->code = CONFIGURE_ACK;
	out->options = options;
	if (writer_len(&reject)) {
		out->code = CONFIGURE_REJECT;
		memcpy(out->room, refused, writer_len(&reject));
		out->options = (struct bytes){out->room, writer_len(&reject)};
	} else if (writer_len(&nak) && patient) {
		out->code = CONFIGURE_NAK;
		out->options = (struct bytes){out->room, writer_len(&nak)};
		c->failures++;
	}
}

/* The terminal of a client that has not set it up yet sends back what we sent. */
static bool is_echo(const struct ppp *p, const struct ppp_control *c, const struct cause *why)
{
	return c == &p->lcp && c->sent_len && why->id == c->id && why->data.len == c->sent_len &&
	       !memcmp(why->data.at, c->sent, c->sent_len);
}

static void take_request(struct ppp *p, struct ppp_control *c, const struct cause *why,
			 uint64_t now_ns, struct ppp_effects *e)
{
	struct judged judged;
	struct cause with = *why;
	if (is_echo(p, c, why))
		return;
	judge(p, c, why->data, &judged);
	if (judged.malformed)
		return;
	with.judged = &judged;
	move(p, c, judged.code == CONFIGURE_ACK ? PPP_REQUEST_GOOD : PPP_REQUEST_BAD, &with, now_ns,
	     e);
}

/* ---- the peer's answers to ours ---- */

static bool is_in_request(const struct ppp_control *c, const struct ppp_option *wanted, bool exact)
{
	struct ppp_option o;
	struct reader r;
	reader_init(&r, c->sent, c->sent_len);
	while (ppp_option_next(&r, &o))
		if (o.type == wanted->type &&
		    (!exact || (o.whole.len == wanted->whole.len &&
				!memcmp(o.whole.at, wanted->whole.at, o.whole.len))))
			return true;
	return false;
}

static void take_ack(struct ppp *p, struct ppp_control *c, const struct cause *why, uint64_t now_ns,
		     struct ppp_effects *e)
{
	if (why->id != c->id || why->data.len != c->sent_len ||
	    (c->sent_len && memcmp(why->data.at, c->sent, c->sent_len) != 0))
		return;
	move(p, c, PPP_ACK, why, now_ns, e);
}

/* A Nak may name options that we did not ask for; a Reject only what we sent (section 5.4). */
static void take_nak(struct ppp *p, struct ppp_control *c, uint8_t code, const struct cause *why,
		     uint64_t now_ns, struct ppp_effects *e)
{
	bool reject = code == CONFIGURE_REJECT;
	struct ppp_option o;
	struct reader r;
	if (why->id != c->id)
		return;
	reader_init(&r, why->data.at, why->data.len);
	while (ppp_option_next(&r, &o))
		if (reject && !is_in_request(c, &o, true))
			return;
	if (!reader_ok(&r))
		return;
	reader_init(&r, why->data.at, why->data.len);
	while (ppp_option_next(&r, &o)) {
		if (reject)
			c->rules->rejected(p, &o);
		else if (is_in_request(c, &o, false))
			c->rules->naked(p, &o);
	}
	move(p, c, PPP_NAK, why, now_ns, e);
}

/* ---- codes ---- */

/* A peer that rejects a code that every implementation has is none to talk with. */
static void take_code_reject(struct ppp *p, struct ppp_control *c, const struct cause *why,
			     uint64_t now_ns, struct ppp_effects *e)
{
	bool fatal = why->data.len && why->data.at[0] >= CONFIGURE_REQUEST &&
		     why->data.at[0] <= CODE_REJECT;
	move(p, c, fatal ? PPP_REJECT_FATAL : PPP_REJECT_HARMLESS, why, now_ns, e);
}

static bool is_endless(struct ppp *p, struct ppp_control *c, uint8_t code, uint64_t now_ns,
		       struct ppp_effects *e)
{
	struct fault f = {0};
	if (code > CONFIGURE_REJECT || ++c->rounds <= PPP_MAX_ROUNDS)
		return false;
	fault_set(&f, -ELOOP, "%s does not come to an end: %u packets about options",
		  c->rules->name, c->rounds);
	ppp_close(p, now_ns, &f, e);
	return true;
}

static void take(struct ppp *p, struct ppp_control *c, uint8_t code, const struct cause *why,
		 uint64_t now_ns, struct ppp_effects *e)
{
	if (is_endless(p, c, code, now_ns, e))
		return;
	switch (code) {
	case CONFIGURE_REQUEST: take_request(p, c, why, now_ns, e); return;
	case CONFIGURE_ACK: take_ack(p, c, why, now_ns, e); return;
	case CONFIGURE_NAK:
	case CONFIGURE_REJECT: take_nak(p, c, code, why, now_ns, e); return;
	case TERMINATE_REQUEST: move(p, c, PPP_TERMINATE, why, now_ns, e); return;
	case TERMINATE_ACK: move(p, c, PPP_TERMINATE_ACK, why, now_ns, e); return;
	case CODE_REJECT: take_code_reject(p, c, why, now_ns, e); return;
	case ECHO_REQUEST:
		/* one with our own magic number went in a circle (section 6.4) */
		if (c == &p->lcp && why->data.len >= 4 &&
		    (!p->magic || load_be32(why->data.at) != p->magic))
			move(p, c, PPP_ECHO_AND_THE_LIKE, why, now_ns, e);
		if (c == &p->lcp)
			return;
		break;
	}
	if (!c->rules->extra || !c->rules->extra(p, code, why->id, why->data, now_ns, e))
		move(p, c, PPP_UNKNOWN_CODE, why, now_ns, e);
}

void ppp_control_receive(struct ppp *p, struct ppp_control *c, struct bytes packet, uint64_t now_ns,
			 struct ppp_effects *e)
{
	struct reader r;
	struct cause why = {0};
	reader_init(&r, packet.at, packet.len);
	uint8_t code = reader_u8(&r);
	why.id = reader_u8(&r);
	uint16_t length = reader_u16(&r);
	/* what is behind the length is padding (section 5) */
	why.data = length < 4 ? (struct bytes){NULL, 0} : reader_bytes(&r, length - 4u);
	if (!reader_ok(&r) || length < 4)
		return;
	why.packet = (struct bytes){packet.at, length};
	take(p, c, code, &why, now_ns, e);
}
