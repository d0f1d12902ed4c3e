/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The states of a call ([MS-SSTP] section 3.3.1) as a table of states and messages. A call is
 * negotiated in a minute or ends; PPP runs inside from the Call Connect Ack on, but packets flow
 * only after the Call Connected, whose crypto binding is judged when PPP has authenticated.
 */
#include "p2s/sstp.h"

#include "base/instant.h"
#include "base/secret.h"
#include "p2s/sstp_http.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define REQUEST_NS     (10 * NS_PER_S) /* for the HTTP request, however slowly it drips */
#define NEGOTIATION_NS (60 * NS_PER_S)
#define HELLO_NS       (60 * NS_PER_S)
#define ABORT_NS       (3 * NS_PER_S) /* for the other's answer to our abort */
#define DISCONNECT_NS  (5 * NS_PER_S)
#define LAST_NS	       (1 * NS_PER_S) /* for the other to close */
#define RETRIES_MAX    3
#define PROTOCOL_PPP   1

enum state {
	REQUESTED,   /* TLS is up, HTTP to come */
	CALLED,	     /* HTTP is answered */
	NEGOTIATING, /* Call Connect Ack is sent */
	CONNECTED,
	ABORTING, /* our abort is sent */
	ABORTED,  /* theirs is answered */
	DISCONNECTING,
	DISCONNECTED,
	CLOSED,
	STATES,
};

struct sstp {
	const struct sstp_rules *rules;
	enum state state;
	struct ppp *ppp;
	uint64_t deadline_ns, heard_ns;
	bool hello; /* we asked whether it is there */
	bool authenticated;
	unsigned retries;
	uint64_t early;
	uint8_t nonce[SSTP_NONCE];
	char correlation[SSTP_CORRELATION];
	struct fault fault;
};

/* ---- effects ---- */

static void clear(struct sstp_effects *e)
{
	e->len = 0;
	e->packet = (struct bytes){NULL, 0};
	e->up = e->closed = false;
	e->fault.code = 0;
	ppp_effects_clear(&e->ppp);
}

static struct writer out(struct sstp_effects *e)
{
	struct writer w;
	writer_init(&w, e->bytes + e->len, sizeof e->bytes - e->len);
	return w;
}

static void sent(struct sstp_effects *e, const struct writer *w)
{
	if (writer_ok(w))
		e->len += writer_len(w);
}

static void say(struct sstp_effects *e, enum sstp_type type)
{
	struct writer w = out(e);
	sstp_write_empty(&w, type);
	sent(e, &w);
}

static void say_status(struct sstp_effects *e, enum sstp_type type, enum sstp_attribute_id about,
		       enum sstp_status status)
{
	struct writer w = out(e);
	sstp_write_status(&w, type, about, status);
	sent(e, &w);
}

/* ---- ends ---- */

static void enter(struct sstp *s, enum state state, uint64_t now_ns, uint64_t within_ns)
{
	s->state = state;
	s->deadline_ns = instant_after(now_ns, within_ns);
}

static void blame(struct sstp *s, const struct fault *why)
{
	if (!s->fault.code && why)
		s->fault = *why;
}

static void close_now(struct sstp *s, struct sstp_effects *e)
{
	s->state = CLOSED;
	s->deadline_ns = INSTANT_NEVER;
	e->closed = true;
	e->fault = s->fault;
}

static void abort_call(struct sstp *s, enum sstp_attribute_id about, enum sstp_status status,
		       const struct fault *why, uint64_t now_ns, struct sstp_effects *e)
{
	blame(s, why);
	say_status(e, SSTP_CALL_ABORT, about, status);
	enter(s, ABORTING, now_ns, ABORT_NS);
}

static void disconnect(struct sstp *s, uint64_t now_ns, struct sstp_effects *e)
{
	if (s->state != NEGOTIATING && s->state != CONNECTED)
		return;
	say_status(e, SSTP_CALL_DISCONNECT, SSTP_NO_ATTRIBUTE, SSTP_STATUS_NONE);
	enter(s, DISCONNECTING, now_ns, DISCONNECT_NS);
}

/* ---- PPP inside ---- */

static void carry_frame(struct bytes frame, struct sstp_effects *e)
{
	uint8_t head[SSTP_HEADER];
	struct writer w = out(e);
	sstp_data_head(head, frame.len);
	writer_bytes(&w, head, sizeof head);
	writer_bytes(&w, frame.at, frame.len);
	sent(e, &w);
}

static void carry_out_ppp(struct sstp *s, uint64_t now_ns, struct sstp_effects *e)
{
	for (unsigned i = 0; i < e->ppp.n; i++)
		carry_frame(e->ppp.frame[i], e);
	s->authenticated |= e->ppp.authenticated;
	if (e->ppp.packet.len && s->state == CONNECTED)
		e->packet = e->ppp.packet;
	else if (e->ppp.packet.len)
		s->early++;
	e->up = e->ppp.up && s->state == CONNECTED;
	if (!e->ppp.finished)
		return;
	blame(s, &e->ppp.fault);
	disconnect(s, now_ns, e);
}

static void take_data(struct sstp *s, struct bytes frame, uint64_t now_ns, struct sstp_effects *e)
{
	struct fault f = {0};
	if (s->state == NEGOTIATING || s->state == CONNECTED) {
		ppp_receive(s->ppp, frame, now_ns, &e->ppp);
		carry_out_ppp(s, now_ns, e);
		return;
	}
	if (s->state != CALLED)
		return;
	fault_set(&f, -EPROTO, "the client sends data before it asks for a call");
	abort_call(s, SSTP_NO_ATTRIBUTE, SSTP_STATUS_UNACCEPTED_FRAME, &f, now_ns, e);
}

/* ---- messages ---- */

struct came {
	const struct sstp_message *message;
	struct bytes packet; /* whole */
	uint64_t now_ns;
};

static void unaccepted(struct sstp *s, const struct came *c, struct sstp_effects *e)
{
	struct fault f = {0};
	fault_set(&f, -EPROTO, "the client sends SSTP message %u out of order", c->message->type);
	abort_call(s, SSTP_NO_ATTRIBUTE, SSTP_STATUS_UNACCEPTED_FRAME, &f, c->now_ns, e);
}

static void ignore(struct sstp *s, const struct came *c, struct sstp_effects *e)
{
	(void)s;
	(void)c;
	(void)e;
}

static void accept_call(struct sstp *s, const struct came *c, struct sstp_effects *e)
{
	struct writer w = out(e);
	sstp_write_connect_ack(&w, s->rules->hashes, s->nonce);
	sent(e, &w);
	enter(s, NEGOTIATING, c->now_ns, NEGOTIATION_NS);
	ppp_begin(s->ppp, c->now_ns);
}

/* The only protocol that there is is PPP; the client may try again a few times. */
static void take_call(struct sstp *s, const struct came *c, struct sstp_effects *e)
{
	const struct sstp_attribute *a =
		sstp_attribute_find(c->message, SSTP_ENCAPSULATED_PROTOCOL);
	enum sstp_status status = !a		      ? SSTP_STATUS_MISSING
				  : a->value.len != 2 ? SSTP_STATUS_LENGTH
						      : SSTP_STATUS_VALUE;
	struct fault f = {0};
	if (a && a->value.len == 2 && load_be16(a->value.at) == PROTOCOL_PPP) {
		accept_call(s, c, e);
		return;
	}
	if (++s->retries <= RETRIES_MAX) {
		say_status(e, SSTP_CALL_CONNECT_NAK, SSTP_ENCAPSULATED_PROTOCOL, status);
		return;
	}
	fault_set(&f, -EPROTO, "the client asks for no protocol that we have");
	abort_call(s, SSTP_NO_ATTRIBUTE, SSTP_STATUS_RETRIES, &f, c->now_ns, e);
}

static int verify_binding(struct sstp *s, const struct came *c, struct fault *f)
{
	const struct sstp_attribute *a = sstp_attribute_find(c->message, SSTP_CRYPTO_BINDING);
	uint8_t keys[SSTP_KEYS][SSTP_KEY];
	struct sstp_binding b = {.hashes = s->rules->hashes,
				 .nonce = s->nonce,
				 .certificate = &s->rules->certificate,
				 .keys = (const uint8_t(*)[SSTP_KEY])keys};
	if (!a || c->message->n != 1)
		return fault_set(f, -EACCES, "crypto binding: missing, or not alone");
	if (!s->authenticated)
		return fault_set(f, -EACCES,
				 "the client calls itself connected before it has authenticated");
	b.n_keys = sstp_keys(ppp_method(s->ppp), ppp_key(s->ppp), keys);
	int err = sstp_binding_verify(&b, c->packet, f);
	wipe(keys, sizeof keys);
	return err;
}

static void take_connected(struct sstp *s, const struct came *c, struct sstp_effects *e)
{
	struct fault f = {0};
	if (verify_binding(s, c, &f)) {
		abort_call(s, SSTP_CRYPTO_BINDING, SSTP_STATUS_VALUE, &f, c->now_ns, e);
		return;
	}
	enter(s, CONNECTED, c->now_ns, HELLO_NS);
	e->up = sstp_is_open(s, IP_V4) || sstp_is_open(s, IP_V6);
}

static void take_abort(struct sstp *s, const struct came *c, struct sstp_effects *e)
{
	struct fault f = {0};
	fault_set(&f, -ECONNABORTED, "the client aborted the call");
	blame(s, &f);
	say_status(e, SSTP_CALL_ABORT, SSTP_NO_ATTRIBUTE, SSTP_STATUS_NONE);
	enter(s, ABORTED, c->now_ns, LAST_NS);
}

static void take_disconnect(struct sstp *s, const struct came *c, struct sstp_effects *e)
{
	struct fault f = {0};
	fault_set(&f, -ECONNRESET, "the client ended the session");
	blame(s, &f);
	say(e, SSTP_CALL_DISCONNECT_ACK);
	enter(s, DISCONNECTED, c->now_ns, LAST_NS);
}

static void answer_echo(struct sstp *s, const struct came *c, struct sstp_effects *e)
{
	(void)s;
	(void)c;
	say(e, SSTP_ECHO_RESPONSE);
}

static void end(struct sstp *s, const struct came *c, struct sstp_effects *e)
{
	(void)c;
	close_now(s, e);
}

typedef void handler(struct sstp *s, const struct came *c, struct sstp_effects *e);

/* A row without an entry ignores: those are the states in which all is said. */
/* clang-format off */
static handler *const handlers[STATES][SSTP_TYPES] = {
[CALLED] = {unaccepted, take_call, unaccepted, unaccepted, unaccepted,
	    take_abort, take_disconnect, unaccepted, unaccepted, unaccepted},
[NEGOTIATING] = {unaccepted, unaccepted, unaccepted, unaccepted, take_connected,
	    take_abort, take_disconnect, unaccepted, answer_echo, ignore},
[CONNECTED] = {unaccepted, unaccepted, unaccepted, unaccepted, unaccepted,
	    take_abort, take_disconnect, unaccepted, answer_echo, ignore},
[ABORTING] = {ignore, ignore, ignore, ignore, ignore,
	    end, ignore, ignore, ignore, ignore},
[DISCONNECTING] = {ignore, ignore, ignore, ignore, ignore,
	    take_abort, take_disconnect, end, ignore, ignore},
};
/* clang-format on */

static void take_control(struct sstp *s, struct bytes packet, struct bytes body, uint64_t now_ns,
			 struct sstp_effects *e)
{
	struct sstp_message m;
	struct fault f = {0};
	const struct came c = {&m, packet, now_ns};
	if (sstp_message_read(body, &m)) {
		fault_set(&f, -EPROTO, "the client sends a malformed SSTP message");
		if (s->state < ABORTING)
			abort_call(s, SSTP_NO_ATTRIBUTE, SSTP_STATUS_INVALID_FRAME, &f, now_ns, e);
		return;
	}
	handler *h = handlers[s->state][m.type < SSTP_TYPES ? m.type : 0];
	if (h)
		h(s, &c, e);
}

/* ---- in ---- */

static size_t take_request(struct sstp *s, struct bytes in, uint64_t now_ns, struct sstp_effects *e)
{
	struct sstp_http h;
	size_t n = sstp_http_read(in, &h);
	struct writer w = out(e);
	if (!n)
		return 0;
	sstp_http_answer(&h, &w);
	sent(e, &w);
	memcpy(s->correlation, h.correlation, sizeof s->correlation);
	if (h.status == 200) {
		enter(s, CALLED, now_ns, NEGOTIATION_NS);
		return n;
	}
	fault_set(&s->fault, -EPROTO, "not an SSTP client: its request is answered %d %s", h.status,
		  h.reason);
	close_now(s, e);
	return n;
}

size_t sstp_receive(struct sstp *s, struct bytes in, uint64_t now_ns, struct sstp_effects *e)
{
	bool is_control = false;
	struct bytes body = {NULL, 0};
	clear(e);
	if (s->state == CLOSED)
		return in.len;
	if (s->state == REQUESTED)
		return take_request(s, in, now_ns, e);
	int n = sstp_packet_read(in, &is_control, &body);
	if (n < 0) {
		struct fault f = {0};
		fault_set(&f, -EPROTO, "the client sends what is no SSTP packet");
		blame(s, &f);
		close_now(s, e);
		return in.len;
	}
	if (!n)
		return 0;
	s->heard_ns = now_ns;
	s->hello = false;
	if (is_control)
		take_control(s, (struct bytes){in.at, (size_t)n}, body, now_ns, e);
	else
		take_data(s, body, now_ns, e);
	return (size_t)n;
}

/* ---- time ---- */

static uint64_t ppp_deadline(const struct sstp *s)
{
	return s->state == NEGOTIATING || s->state == CONNECTED ? ppp_next_deadline(s->ppp)
								: INSTANT_NEVER;
}

uint64_t sstp_next_deadline(const struct sstp *s)
{
	return instant_earlier(s->deadline_ns, ppp_deadline(s));
}

/* Nothing came for a minute: is it there? After another minute it is not. */
static void hello(struct sstp *s, uint64_t now_ns, struct sstp_effects *e)
{
	struct fault f = {0};
	uint64_t due = instant_after(s->heard_ns, HELLO_NS);
	if (!s->hello && due > now_ns) {
		s->deadline_ns = due;
		return;
	}
	if (s->hello) {
		fault_set(&f, -ETIMEDOUT, "nothing came from the client for two minutes");
		abort_call(s, SSTP_NO_ATTRIBUTE, SSTP_STATUS_TIMEOUT, &f, now_ns, e);
		return;
	}
	s->hello = true;
	s->deadline_ns = instant_after(now_ns, HELLO_NS);
	say(e, SSTP_ECHO_REQUEST);
}

static void expire(struct sstp *s, uint64_t now_ns, struct sstp_effects *e)
{
	struct fault f = {0};
	switch (s->state) {
	case REQUESTED:
		fault_set(&s->fault, -ETIMEDOUT, "no HTTP request came in time");
		close_now(s, e);
		return;
	case CALLED:
	case NEGOTIATING:
		fault_set(&f, -ETIMEDOUT, "the call is not connected in time");
		abort_call(s, SSTP_NO_ATTRIBUTE, SSTP_STATUS_TIMEOUT, &f, now_ns, e);
		return;
	case CONNECTED: hello(s, now_ns, e); return;
	default: close_now(s, e);
	}
}

void sstp_expire(struct sstp *s, uint64_t now_ns, struct sstp_effects *e)
{
	clear(e);
	if (ppp_deadline(s) <= now_ns) {
		ppp_expire(s->ppp, now_ns, &e->ppp);
		carry_out_ppp(s, now_ns, e);
	}
	if (s->deadline_ns <= now_ns)
		expire(s, now_ns, e);
}

/* ---- from the host ---- */

int sstp_new(struct sstp **out, const struct sstp_rules *rules, void *owner,
	     const uint8_t random[SSTP_RANDOM], uint64_t now_ns, int64_t wall_s)
{
	struct sstp *s = calloc(1, sizeof *s);
	*out = s;
	if (!s || ppp_new(&s->ppp, &rules->ppp, owner, random + SSTP_NONCE, wall_s)) {
		free(s);
		*out = NULL;
		return -ENOMEM;
	}
	s->rules = rules;
	s->heard_ns = now_ns;
	memcpy(s->nonce, random, sizeof s->nonce);
	enter(s, REQUESTED, now_ns, REQUEST_NS);
	return 0;
}

void sstp_from(struct sstp *s, const struct ip_addr *source)
{
	ppp_from(s->ppp, source);
}

void sstp_free(struct sstp *s)
{
	if (!s)
		return;
	ppp_free(s->ppp);
	wipe(s, sizeof *s);
	free(s);
}

void sstp_close(struct sstp *s, const struct fault *why, uint64_t now_ns, struct sstp_effects *e)
{
	clear(e);
	blame(s, why);
	if (s->state == NEGOTIATING || s->state == CONNECTED)
		disconnect(s, now_ns, e);
	else if (s->state < NEGOTIATING)
		close_now(s, e);
}

bool sstp_is_open(const struct sstp *s, enum ip_family family)
{
	return s->state == CONNECTED && ppp_is_open(s->ppp, family);
}

void sstp_data_begin(uint8_t out[SSTP_DATA_HEAD], bool v4, size_t len)
{
	sstp_data_head(out, len + PPP_HEADER);
	out[4] = 0xff;
	out[5] = 0x03;
	store_be16(out + 6, v4 ? PPP_IP : PPP_IPV6);
}

void sstp_sent(struct sstp *s, uint64_t now_ns)
{
	ppp_sent(s->ppp, now_ns);
}

uint32_t sstp_mtu(const struct sstp *s)
{
	return ppp_mtu(s->ppp);
}

const char *sstp_user(const struct sstp *s)
{
	return s->authenticated ? ppp_user(s->ppp) : "?";
}

const char *sstp_method(const struct sstp *s)
{
	return ppp_method(s->ppp);
}

const char *sstp_correlation(const struct sstp *s)
{
	return s->correlation;
}

const struct fault *sstp_why(const struct sstp *s)
{
	return s->fault.code ? &s->fault : ppp_why(s->ppp);
}

uint64_t sstp_early(const struct sstp *s)
{
	return s->early;
}
