/* SPDX-License-Identifier: Apache-2.0 */
/*
 * IKE_AUTH in rounds with EAP (RFC 7296 section 2.16), as its responder: the first answer proves
 * who we are, then the client's EAP method runs, and what it leaves (the MSK) makes both AUTH
 * payloads of the last round. What the client asked for stands in its first message, which is kept.
 */
#include "auth/eap.h"
#include "ike/ike_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* The first IKE_AUTH request, and how far we are. */
struct eap_rounds {
	struct ike *e;
	struct connection *template;
	struct eap *eap;
	bool succeeded, told;
	uint8_t *plain; /* owned; `first` borrows from it */
	struct ike_message first;
};

void eap_rounds_free(struct eap_rounds *r)
{
	if (!r)
		return;
	r->e->n_eap--;
	eap_free(r->eap);
	free(r->plain);
	free(r);
}

bool eap_is_by(const struct eap_rounds *r, const struct connection *template)
{
	return r && r->template == template;
}

bool eap_offered(const struct ike_connection *cfg)
{
	return cfg->clients && cfg->clients->eap;
}

/* RFC 5998: the client can do without our signature, where EAP proves us too. */
static bool by_eap_only(const struct connection *template, const struct ike_message *in)
{
	const struct eap_rules *rules = template->cfg.clients->eap;
	return ike_message_notify(in, NOTIFY_EAP_ONLY_AUTHENTICATION) && !rules->users;
}

static int begin(struct ike_sa *sa, struct connection *template, const struct ike_message *in)
{
	uint8_t random[EAP_RANDOM];
	struct ike *e = sa->e;
	if (e->n_eap >= LIMIT_EAP) {
		e->counters[IKE_COUNT_HALF_OPEN_FULL]++;
		return -ENOSPC;
	}
	struct eap_rounds *r = calloc(1, sizeof *r);
	if (!r)
		return -ENOMEM;
	r->e = e;
	e->n_eap++;
	sa->handshake->eap = r;
	r->template = template;
	random_fill(e, random, sizeof random);
	int err = ike_message_keep(&r->first, &r->plain, in);
	if (!err)
		err = eap_new(&r->eap, template->cfg.clients->eap, random,
			      e->options.wall_seconds(e->options.wall_owner));
	return err;
}

static void send_eap(struct builder *out, const struct eap_message *m)
{
	if (m->len)
		builder_raw(out, PAYLOAD_EAP, (struct bytes){m->b, m->len});
}

/* The answer to the first request, which has no AUTH. 0 or -errno. */
int eap_begin(struct ike_sa *sa, struct connection *template, const struct ike_message *in,
	      struct builder *out)
{
	const struct ike_connection *cfg = &template->cfg;
	struct eap_message *m = malloc(sizeof *m);
	int err = m ? begin(sa, template, in) : -ENOMEM;
	if (!err) {
		builder_id(out, PAYLOAD_IDR, &cfg->local_id);
		if (!by_eap_only(template, in)) {
			proof_add_certificates(cfg, out);
			err = proof_add_auth(sa, cfg, out);
		}
		eap_from(sa->handshake->eap->eap, &sa->remote.addr);
		eap_start(sa->handshake->eap->eap, in->idi.name, m);
		send_eap(out, m);
	}
	free(m);
	return err;
}

/* Once, as soon as it is decided: a client that heard it goes without a word. */
static void tell(struct ike_sa *sa, struct eap_rounds *r, const struct fault *why)
{
	char text[FAULT_TEXT];
	struct fault f = *why;
	if (r->told)
		return;
	r->told = true;
	sa->e->counters[IKE_COUNT_AUTH_FAILED]++;
	fault_prefix(&f, "client");
	connection_blame(r->template, &f);
	connection_event(r->template, "%.150s", fault_format(&f, text));
	diagnose_stranger(sa->e, &sa->remote, text);
}

static int refuse(struct ike_sa *sa, const struct fault *f)
{
	tell(sa, sa->handshake->eap, f);
	sa_linger(sa, "the client did not authenticate");
	handshake_free(sa);
	return 0;
}

static int step(struct ike_sa *sa, struct eap_rounds *r, const struct ike_message *in,
		struct builder *out)
{
	struct fault f = {0};
	struct eap_message *m = malloc(sizeof *m);
	if (!m)
		return -ENOMEM;
	enum eap_state state = eap_step(r->eap, in->eap, m, &f);
	send_eap(out, m);
	free(m);
	r->succeeded = state == EAP_SUCCEEDED;
	if (state == EAP_GOES_ON && eap_decided(r->eap))
		tell(sa, r, eap_decided(r->eap));
	return state == EAP_FAILED ? refuse(sa, &f) : 0;
}

/* AUTH by the MSK, the client's and ours. */
static int finish(struct ike_sa *sa, struct eap_rounds *r, const struct ike_message *in,
		  struct builder *out)
{
	struct secret msk = {0};
	struct fault f = {0};
	const struct client_login login = {eap_user(r->eap), eap_method(r->eap)};
	int err = secret_set(&msk, eap_msk(r->eap), EAP_MSK);
	if (!err && !proof_check_key(sa, &msk, &r->first.idi, in)) {
		secret_wipe(&msk);
		fault_set(&f, -EACCES, "%.100s: its AUTH does not verify by the key of %s",
			  login.user, login.method);
		builder_notify(out, NOTIFY_AUTHENTICATION_FAILED, (struct bytes){NULL, 0});
		return refuse(sa, &f);
	}
	if (!err)
		err = proof_add_key_auth(sa, &r->template->cfg.local_id, &msk, out);
	secret_wipe(&msk);
	return err ? err : auth_accept_client(sa, r->template, &login, &r->first, out);
}

/* Every request after the first. */
int eap_answer(struct ike_sa *sa, const struct ike_message *in, struct builder *out)
{
	struct eap_rounds *r = sa->handshake->eap;
	if (!r->eap || !connection_fits(r->template, &sa->local, &sa->remote))
		return -EPROTO;
	if (r->succeeded && in->auth.at)
		return finish(sa, r, in, out);
	if (r->succeeded || !ike_message_has(in, PAYLOAD_EAP))
		return -EPROTO;
	return step(sa, r, in, out);
}
