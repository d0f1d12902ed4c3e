/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Main mode (RFC 2409 section 5), both sides, message by message as the table v1_steps says. The
 * initiator repeats what is not answered; the responder repeats an answer only when the question is
 * repeated, so that nobody can use it to multiply traffic. Until message 5 verifies nothing of the
 * peer is believed, and only its address is known.
 */
#include "ike/v1_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void v1_phase1_free(struct v1 *v)
{
	struct v1_phase1 *p = v->phase1;
	if (!p)
		return;
	dh_free(p->dh);
	v1_drop(&p->sa_i);
	wipe(p, sizeof *p);
	free(p);
	v->phase1 = NULL;
}

uint8_t v1_method_of(const struct ike_connection *cfg)
{
	return connection_has_certificates(cfg) ? V1_AUTH_RSA_SIG : V1_AUTH_PSK;
}

static struct v1_offer offer_of(const struct ike_connection *cfg)
{
	return (struct v1_offer){.ours = cfg->ike,
				 .n = cfg->n_ike,
				 .auth = v1_method_of(cfg),
				 .seconds = cfg->ike_lifetime_ns / NS_PER_S};
}

/* ---- our messages ---- */

int v1_write_sa_offer(struct ike_sa *sa, struct builder *out, struct fault *f)
{
	struct v1_offer o = offer_of(&sa->c->cfg);
	size_t before = writer_len(&out->w);
	v1_offer_ike(out, &o);
	if (!builder_ok(out))
		return fault_set(f, -EMSGSIZE, "our proposals do not fit into a message");
	/* the body, which both hashes cover */
	struct bytes body = {out->w.start + before + IKE_PAYLOAD_BYTES,
			     writer_len(&out->w) - before - IKE_PAYLOAD_BYTES};
	if (!v1_keep(&sa->v1->phase1->sa_i, body))
		return fault_set(f, -ENOMEM, "no memory");
	v1_vendors_offer(out);
	return 0;
}

int v1_write_keys(struct ike_sa *sa, struct builder *out, struct fault *f)
{
	struct v1_phase1 *p = sa->v1->phase1;
	uint8_t *own = sa->is_initiator ? p->public_i : p->public_r;
	struct nonce *nonce = sa->is_initiator ? &p->ni : &p->nr;
	if (!p->dh && draw_dh(sa->e, sa->chosen.group, &p->dh))
		return fault_set(f, -ENOMEM, "no key exchange");
	struct bytes public = dh_public(p->dh);
	memcpy(own, public.at, public.len);
	*(sa->is_initiator ? &p->public_i_len : &p->public_r_len) = public.len;
	if (!nonce->len)
		nonce_draw(sa->e, nonce);
	v1_raw(out, V1_KE, public);
	v1_raw(out, V1_NONCE, nonce_bytes(nonce));
	if (p->auth == V1_AUTH_RSA_SIG)
		v1_proof_ask(sa, out);
	v1_natt_write(sa, out);
	return 0;
}

static int build(struct ike_sa *sa, unsigned number, uint8_t out[LIMIT_MESSAGE], size_t *len,
		 struct fault *f)
{
	const struct v1_step *step = &v1_steps[number];
	uint8_t inner[LIMIT_MESSAGE];
	struct builder b;
	if (!step->sealed) {
		struct ike_header h = {.spi_i = sa->spi_i, .spi_r = sa->spi_r, .exchange = V1_MAIN};
		builder_init(&b, out, LIMIT_MESSAGE);
		v1_header(&b, &h);
		int err = step->write(sa, &b, f);
		builder_finish(&b);
		*len = builder_bytes(&b).len;
		return err ? err : builder_ok(&b) ? 0 : fault_set(f, -EMSGSIZE, "too long");
	}
	builder_init(&b, inner, sizeof inner - 128);
	int err = step->write(sa, &b, f);
	if (!err && v1_seal(sa, V1_MAIN, 0, sa->v1->iv, &b, out, len))
		err = fault_set(f, -EIO, "our message can't be encrypted");
	wipe(inner, sizeof inner);
	return err;
}

/* Sends message `number`; the initiator waits for the one after it. */
static int say(struct ike_sa *sa, unsigned number, struct fault *f)
{
	uint8_t out[LIMIT_MESSAGE];
	size_t len = 0;
	struct window *w = &sa->window;
	int err = build(sa, number, out, &len, f);
	if (err)
		return err;
	struct bytes message = {out, len};
	if (!v1_keep(sa->is_initiator ? &w->request : &w->response, message))
		return fault_set(f, -ENOMEM, "no memory");
	sa->v1->expects = (uint8_t)(number < V1_MAIN_MESSAGES ? number + 1 : 0);
	if (sa->is_initiator) {
		w->sent = 0;
		timers_request_sent(sa);
	}
	v1_transmit(sa, message);
	return 0;
}

/* ---- the peer's messages ---- */

/* A payload that is missing, or one that has no business here. */
static int check(const struct v1_step *step, const struct v1_message *m, struct fault *f)
{
	char name[24];
	for (unsigned type = 1; type <= V1_VENDOR; type++)
		if (step->must >> type & 1 && v1_count(m, (uint8_t)type) != 1)
			return fault_set(f, -EPROTO, "expected one %s payload, came %u",
					 v1_payload_name((uint8_t)type, name),
					 v1_count(m, (uint8_t)type));
	for (unsigned i = 0; i < m->n; i++) {
		uint8_t type = m->at[i].type;
		uint32_t may = step->must | step->may | 1u << V1_VENDOR;
		bool once = type == V1_HASH || type == V1_SIG;
		if (type <= V1_VENDOR && !(may >> type & 1))
			return fault_set(f, -EPROTO, "%s does not belong there",
					 v1_payload_name(type, name));
		if (once && v1_count(m, type) > 1)
			return fault_set(f, -EPROTO, "%s came twice", v1_payload_name(type, name));
	}
	return 0;
}

int v1_take_sa_answer(struct ike_sa *sa, const struct v1_message *m, const struct v1_arrival *a,
		      struct fault *f)
{
	struct v1_offer o = offer_of(&sa->c->cfg);
	struct v1_agreed agreed;
	(void)a;
	if (!m->h.spi_r)
		return fault_set(f, -EPROTO, "the responder's cookie is 0");
	int err = v1_accept_ike(v1_body(m, V1_SA), &o, &agreed, f);
	if (err)
		return err;
	sa->chosen = agreed.chosen;
	sa->v1->phase1->life = agreed.life;
	sa->spi_r = m->h.spi_r;
	v1_vendors_take(sa, m);
	return 0;
}

/* Message 3 at the responder, 4 at the initiator, who can then make all keys. */
int v1_take_keys(struct ike_sa *sa, const struct v1_message *m, const struct v1_arrival *a,
		 struct fault *f)
{
	struct v1_phase1 *p = sa->v1->phase1;
	struct bytes ke = v1_body(m, V1_KE), nonce = v1_body(m, V1_NONCE);
	/* RFC 2409 section 5: 8 to 256 bytes; below 8 nothing is unpredictable */
	if (nonce.len < 8 || nonce.len > LIMIT_NONCE)
		return fault_set(f, -EPROTO, "expected a nonce of 8 to 256 bytes, came %zu",
				 nonce.len);
	if (!p->dh && draw_dh(sa->e, sa->chosen.group, &p->dh))
		return fault_set(f, -ENOMEM, "no key exchange");
	if (ke.len > LIMIT_KE || dh_shared(p->dh, ke, p->shared, &p->shared_len))
		return fault_set(f, -EPROTO, "the peer's public value is not valid for %s",
				 group_of(sa->chosen.group)->name);
	struct nonce *other = sa->is_initiator ? &p->nr : &p->ni;
	other->len = (uint16_t)nonce.len;
	memcpy(other->b, nonce.at, nonce.len);
	memcpy(sa->is_initiator ? p->public_r : p->public_i, ke.at, ke.len);
	*(sa->is_initiator ? &p->public_r_len : &p->public_i_len) = ke.len;
	v1_vendors_take(sa, m); /* some say it only now */
	v1_natt_detect(sa, m, &a->local, &a->remote);
	if (!sa->is_initiator)
		return 0;
	sa->encapsulate |= p->always && sa->v1->natt;
	if (v1_auth_keys(sa, &sa->c->cfg) ||
	    v1_first_iv(sa->v1->iv, sa->chosen.prf, (struct bytes){p->public_i, p->public_i_len},
			(struct bytes){p->public_r, p->public_r_len}))
		return fault_set(f, -EIO, "keys can't be derived");
	if (sa->encapsulate && sa->local.port == IKE_PORT)
		sa->local.port = sa->remote.port = IKE_NATT_PORT; /* RFC 3947 section 4 */
	sa_set_state(sa, SA_AUTHENTICATING, "keys agreed");
	return 0;
}

/* The lifetime that the responder keeps (RFC 2407 section 4.6.3.1). */
static void take_notifies(struct ike_sa *sa, const struct v1_message *m, bool *initial_contact)
{
	*initial_contact = false;
	for (unsigned i = 0; i < m->n; i++) {
		struct v1_notify n;
		struct v1_life life;
		if (m->at[i].type != V1_NOTIFY || v1_notify_parse(&n, m->at[i].body))
			continue;
		if (n.type == V1_NOTIFY_INITIAL_CONTACT)
			*initial_contact = true;
		/* the attributes of phase 1 are numbered 11 and 12, some say them as 1 and 2 */
		if (n.type != V1_NOTIFY_RESPONDER_LIFETIME)
			continue;
		struct reader r;
		struct v1_attribute at;
		uint64_t kind = 0;
		life = (struct v1_life){0};
		reader_init(&r, n.body.at, n.body.len);
		while (v1_attribute_next(&r, &at)) {
			if (at.type == 11 || at.type == 1)
				kind = at.number;
			else if ((at.type == 12 || at.type == 2) && kind == 1)
				life.seconds = at.number;
		}
		if (reader_ok(&r) && life.seconds)
			sa->v1->phase1->life.seconds = life.seconds;
	}
}

/* Message 6: the responder proves who it is. */
int v1_take_responder(struct ike_sa *sa, const struct v1_message *m, const struct v1_arrival *a,
		      struct fault *f)
{
	bool initial;
	(void)a;
	int err = v1_auth_check(sa, m, f);
	if (err)
		return err;
	take_notifies(sa, m, &initial);
	v1_established(sa, initial);
	return 0;
}

/* ---- initiator ---- */

/* An answer that is not usable decides nothing while it is not protected; a person should know. */
static void not_usable(struct ike_sa *sa, const struct fault *why, unsigned number)
{
	struct fault f = *why;
	struct v1_phase1 *p = sa->v1->phase1;
	fault_prefix(&f, "%s", v1_steps[number].name);
	sa->e->counters[f.code == -ENOENT ? IKE_COUNT_NO_PROPOSAL : IKE_COUNT_MALFORMED]++;
	if (!p)
		return;
	p->hint = f;
	if (!sa->c)
		return;
	if (!sa->c->is_up)
		connection_blame(sa->c, &f);
	connection_event(sa->c, "%.150s", f.text);
}

/* Message 6 is protected: what it says is the peer's word. */
static void refuse_responder(struct ike_sa *sa, const struct fault *why)
{
	struct fault f = *why;
	sa->e->counters[IKE_COUNT_AUTH_FAILED]++;
	v1_notify_send(sa, PROTOCOL_IKE, 0, V1_NOTIFY_AUTHENTICATION_FAILED);
	v1_lost(sa, &f);
}

static void initiator_takes(struct ike_sa *sa, struct v1_message *m, const struct v1_arrival *a)
{
	unsigned number = sa->v1->expects;
	const struct v1_step *step = &v1_steps[number];
	uint8_t plain[LIMIT_MESSAGE], iv[V1_IV];
	struct fault f = {0};
	memcpy(iv, sa->v1->iv, V1_IV);
	int err = 0;
	if (step->sealed)
		err = v1_open(&sa->v1->keys, &sa->chosen, m, iv, plain, &f);
	if (step->sealed && !err)
		v1_show(sa, m, plain);
	if (!err)
		err = check(step, m, &f);
	if (err) {
		not_usable(sa, &f, number);
		return;
	}
	uint8_t kept[V1_IV];
	memcpy(kept, sa->v1->iv, V1_IV);
	memcpy(sa->v1->iv, iv, V1_IV); /* v1_established() and what follows need the new one */
	err = step->take(sa, m, a, &f);
	wipe(plain, sizeof plain);
	if (err) {
		if (step->sealed) {
			fault_prefix(&f, "%s", step->name);
			refuse_responder(sa, &f);
			return;
		}
		memcpy(sa->v1->iv, kept, V1_IV);
		not_usable(sa, &f, number);
		return;
	}
	sa->v1->last_in = v1_message_hash(sa->e, a->datagram);
	if (!step->sealed)
		sa->heard++;
	v1_drop(&sa->window.request);
	if (number < V1_MAIN_MESSAGES && say(sa, number + 1, &f))
		v1_lost(sa, &f);
}

const char *v1_awaited(const struct ike_sa *sa)
{
	return v1_steps[sa->v1->expects].name;
}

/* Nobody answered, or nobody gave an answer that was usable. */
void v1_main_timeout(struct ike_sa *sa)
{
	struct fault f;
	struct v1_phase1 *p = sa->v1->phase1;
	char to[ENDPOINT_TEXT], heard[160];
	unsigned number = sa->v1->expects - 1u;
	sa->e->counters[IKE_COUNT_TIMEOUTS]++;
	if (p && p->hint.code) {
		f = p->hint;
		fault_prefix(&f, "main mode failed");
		v1_lost(sa, &f);
		return;
	}
	fault_set(&f, -ETIMEDOUT, "no answer from %s: %u requests of %s sent over %u s; %s",
		  ip_endpoint_format(&sa->remote, to), sa->window.sent, v1_steps[number].name,
		  (unsigned)((sa->e->now_ns - sa->window.first_sent_ns) / NS_PER_S),
		  sa->heard ? "it did answer the messages before"
			    : diagnose_heard(sa, heard, sizeof heard));
	if (number == 5 && p && p->auth == V1_AUTH_RSA_SIG)
		fault_advise(&f,
			     "it may not believe our certificate (see its log), or UDP %u, or "
			     "pieces of a long message, do not pass",
			     sa->remote.port);
	else if (number == 5)
		fault_advise(&f,
			     "a peer that is silent to message 5 could not read it: compare the "
			     "pre-shared keys of both ends; or UDP %u does not pass",
			     sa->remote.port);
	else
		fault_advise(&f, "check the peer's address, that it runs, that it speaks IKEv1, "
				 "and that UDP 500 and 4500 pass in both directions");
	v1_lost(sa, &f);
}

/* The peer refused in the clear: no proof, so we go on waiting, but say so. */
void v1_main_hint(struct ike_sa *sa, uint16_t notify)
{
	struct v1_phase1 *p = sa->v1->phase1;
	struct fault f;
	char name[32], ours[PROPOSAL_TEXT];
	if (!p || !sa->c || p->notify == notify)
		return;
	p->notify = notify;
	unsigned number = sa->v1->expects - 1u;
	fault_set(&f, -EPROTO, "the peer answered %s to %s (unprotected, so we go on waiting)",
		  v1_notify_name(notify, name), v1_steps[number].name);
	if (notify == V1_NOTIFY_NO_PROPOSAL_CHOSEN || number == 1)
		fault_advise(&f,
			     "it accepts none of our %u proposals, first %s, or knows no "
			     "connection from our address",
			     sa->c->cfg.n_ike, proposal_format(&sa->c->cfg.ike[0], ours));
	else if (number == 5)
		fault_advise(&f, "compare %s, and our identity with what the peer expects",
			     p->auth == V1_AUTH_PSK ? "the pre-shared keys"
						    : "our certificate's authority");
	p->hint = f;
	if (!sa->c->is_up)
		connection_blame(sa->c, &f);
	connection_event(sa->c, "%.150s", f.text);
}

/* The peer refused our message 5 under the keys of both: its word. */
void v1_main_refused(struct ike_sa *sa, uint16_t notify)
{
	struct fault f;
	char name[32], id[IDENTITY_TEXT];
	sa->e->counters[IKE_COUNT_AUTH_FAILED]++;
	fault_set(&f, -EACCES, "the peer answered %s to %s: it does not accept our identity %.100s",
		  v1_notify_name(notify, name), v1_steps[5].name,
		  identity_format(&sa->c->cfg.local_id, id));
	fault_advise(&f, "compare our identity with what the peer expects, and the proposals");
	v1_lost(sa, &f);
}

/* ---- responder ---- */

static struct connection *choose(struct ike *e, const struct v1_message *m,
				 const struct v1_arrival *a, struct v1_agreed *agreed)
{
	struct connection *nearest = NULL;
	struct fault f = {0}, near = {0};
	for (struct connection *c = NULL; (c = connection_candidate(e, &a->remote.addr, c));) {
		if (!connection_fits_v1(c, &a->local, &a->remote))
			continue;
		struct v1_offer o = offer_of(&c->cfg);
		if (!v1_choose_ike(v1_body(m, V1_SA), &o, agreed, &f))
			return c;
		if (!nearest) {
			nearest = c;
			near = f;
		}
	}
	if (!nearest) {
		e->counters[IKE_COUNT_UNKNOWN_PEER]++;
		diagnose_version(e, &a->local, &a->remote, true);
		diagnose_stranger(e, &a->remote,
				  "IKEv1 main mode from an address that no IKEv1 connection has");
		return NULL;
	}
	e->counters[near.code == -ENOENT ? IKE_COUNT_NO_PROPOSAL : IKE_COUNT_MALFORMED]++;
	fault_prefix(&near, "main mode of the peer");
	if (!nearest->is_up)
		connection_blame(nearest, &near);
	diagnose_stranger(e, &a->remote, near.text);
	v1_refuse_clear(e, a, &m->h, v1_sa_notify(near.code));
	return NULL;
}

/* IKEv1 has no cookies worth the name: at most half of the half-open table is its share. */
static bool admit(struct ike *e, const struct v1_message *m, const struct v1_arrival *a)
{
	struct fault f = {0};
	bool sane = m->h.spi_i && !m->h.spi_r && !m->h.id;
	if (!sane || check(&v1_steps[1], m, &f)) {
		e->counters[IKE_COUNT_MALFORMED]++;
		if (f.code)
			fault_prefix(&f, "%s", v1_steps[1].name);
		diagnose_stranger(e, &a->remote,
				  f.code ? f.text : "IKEv1 main mode with a wrong header");
		return false;
	}
	if (e->n_half_open >= (e->options.max_half_open + 1) / 2) {
		e->counters[IKE_COUNT_HALF_OPEN_FULL]++;
		return false;
	}
	return true;
}

/* Message 2 is written apart: the chosen transform is still the datagram's. */
static int answer_first(struct ike_sa *sa, const struct v1_agreed *agreed)
{
	uint8_t out[LIMIT_MESSAGE];
	struct builder b;
	struct ike_header h = {.spi_i = sa->spi_i, .spi_r = sa->spi_r, .exchange = V1_MAIN};
	builder_init(&b, out, sizeof out);
	v1_header(&b, &h);
	v1_answer_ike(&b, agreed);
	v1_vendors_answer(sa, &b);
	builder_finish(&b);
	if (!builder_ok(&b) || !v1_keep(&sa->window.response, builder_bytes(&b)))
		return -ENOMEM;
	sa->v1->expects = 3;
	v1_transmit(sa, builder_bytes(&b));
	return 0;
}

void v1_main_first(struct ike *e, const struct v1_message *m, const struct v1_arrival *a)
{
	struct v1_agreed agreed;
	struct ike_sa *sa;
	struct connection *c = admit(e, m, a) ? choose(e, m, a, &agreed) : NULL;
	if (!c || sa_new(e, &sa, false, sa_new_spi(e)))
		return;
	sa->spi_i = m->h.spi_i;
	sa->local = a->local;
	sa->remote = a->remote;
	sa->chosen = agreed.chosen;
	sa->chosen.spi = 0;
	sa_index_init(sa);
	timers_half_open(sa);
	sa_set_state(sa, SA_HALF_OPEN, "main mode of the peer");
	if (!v1_new(sa) || !v1_keep(&sa->v1->phase1->sa_i, v1_body(m, V1_SA))) {
		sa_set_state(sa, SA_DEAD, "no memory");
		return;
	}
	sa->v1->phase1->life = agreed.life;
	sa->v1->phase1->always = c->cfg.always_encapsulate;
	sa->v1->phase1->auth = v1_method_of(&c->cfg);
	sa->v1->last_in = v1_message_hash(e, a->datagram);
	v1_vendors_take(sa, m);
	if (answer_first(sa, &agreed))
		sa_set_state(sa, SA_DEAD, "no memory");
}

/* Message 1 goes out. */
int v1_main_begin(struct ike_sa *sa)
{
	struct fault f = {0};
	sa->v1->phase1->always = sa->c->cfg.always_encapsulate;
	sa->v1->phase1->auth = v1_method_of(&sa->c->cfg);
	return say(sa, 1, &f);
}

static void responder_refuses(struct ike_sa *sa, const struct v1_message *m,
			      const struct v1_arrival *a, struct connection *nearest,
			      struct fault *f)
{
	sa->e->counters[IKE_COUNT_AUTH_FAILED]++;
	fault_prefix(f, "main mode message 5 of the peer");
	diagnose_stranger(sa->e, &a->remote, f->text);
	if (nearest && !nearest->is_up)
		connection_blame(nearest, f);
	/* anybody can send what does not decrypt, so the true peer's message is still waited for */
	if (!sa->v1->phase1->told)
		v1_refuse_clear(sa->e, a, &m->h, V1_NOTIFY_AUTHENTICATION_FAILED);
	sa->v1->phase1->told = true;
}

/* Message 5: who is it, and is it? */
static void take_initiator(struct ike_sa *sa, struct v1_message *m, const struct v1_arrival *a)
{
	uint8_t plain[LIMIT_MESSAGE], iv[V1_IV];
	struct v1_phase1 *p = sa->v1->phase1;
	struct connection *c = NULL;
	struct fault f = {0};
	bool initial = false;
	if (v1_first_iv(iv, sa->chosen.prf, (struct bytes){p->public_i, p->public_i_len},
			(struct bytes){p->public_r, p->public_r_len}))
		return;
	int err = v1_auth_find(sa, m, iv, plain, &c, &f);
	if (!err)
		err = check(&v1_steps[5], m, &f);
	if (err) {
		wipe(plain, sizeof plain);
		responder_refuses(sa, m, a, c, &f);
		return;
	}
	memcpy(sa->v1->iv, iv, V1_IV);
	sa->local = a->local; /* 4500 when there is a NAT */
	sa->remote = a->remote;
	sa->encapsulate |= p->always && sa->v1->natt;
	sa->v1->last_in = v1_message_hash(sa->e, a->datagram);
	take_notifies(sa, m, &initial);
	sa_attach(sa, c);
	err = say(sa, 6, &f);
	wipe(plain, sizeof plain);
	if (err)
		v1_lost(sa, &f);
	else
		v1_established(sa, initial);
}

/* Message 3: our public value and nonce go back; which connection it is shows only later. */
static void take_key_exchange(struct ike_sa *sa, struct v1_message *m, const struct v1_arrival *a)
{
	struct fault f = {0};
	if (check(&v1_steps[3], m, &f) || v1_take_keys(sa, m, a, &f) || say(sa, 4, &f)) {
		sa->e->counters[IKE_COUNT_MALFORMED]++;
		fault_prefix(&f, "%s", v1_steps[3].name);
		diagnose_stranger(sa->e, &a->remote, f.text);
		v1_refuse_clear(sa->e, a, &m->h, V1_NOTIFY_PAYLOAD_MALFORMED);
		return;
	}
	sa->v1->expects = 5;
	sa->v1->last_in = v1_message_hash(sa->e, a->datagram);
}

void v1_main_receive(struct ike_sa *sa, struct v1_message *m, const struct v1_arrival *a)
{
	struct v1 *v = sa->v1;
	if (v->last_in == v1_message_hash(sa->e, a->datagram)) {
		if (!sa->is_initiator && sa->window.response.at)
			effects_send(sa->e, sa->connection_id, &a->local, &a->remote,
				     sa->window.response);
		return;
	}
	if (!v->expects || !v->phase1 || m->h.id || v1_steps[v->expects].sealed != !!m->sealed.at) {
		sa->e->counters[IKE_COUNT_BAD_MESSAGE_ID]++;
		return;
	}
	sa_touch(sa);
	if (sa->is_initiator)
		initiator_takes(sa, m, a);
	else if (v->expects == 3)
		take_key_exchange(sa, m, a);
	else
		take_initiator(sa, m, a);
}
