/* SPDX-License-Identifier: Apache-2.0 */
/*
 * IKE_AUTH (RFC 7296 section 1.2), both sides, with the first child SA; the proofs are v2_proof.c.
 * Nothing of a peer is believed before its AUTH verifies; until then the responder does not even
 * know which connection it is.
 */
#include "ike/ike_internal.h"

#include <errno.h>
#include <string.h>

static void established(struct ike_sa *sa)
{
	struct ike *e = sa->e;
	e->counters[IKE_COUNT_ESTABLISHED]++;
	sa_set_state(sa, SA_ESTABLISHED, "authenticated");
	timers_ike_established(sa);
	sa->began = sa->is_initiator;
	reauth_plan(sa);
}

/* ---- initiator ---- */

static bool is_first_contact(const struct ike_sa *sa)
{
	for (const struct ike_sa *other = sa->c->sas; other; other = other->next)
		if (other != sa && (other->state == SA_ESTABLISHED || other->state == SA_REKEYED))
			return false;
	return true;
}

/* We can't prove who we are in a way that the peer understands. */
static int give_up(struct ike_sa *sa, const struct fault *f)
{
	struct connection *c = sa->c;
	sa_set_state(sa, SA_DEAD, "we can't authenticate");
	connection_failed(c, f);
	return -ECANCELED;
}

int v2_auth_request(struct ike_sa *sa, struct task *task, struct builder *out)
{
	struct handshake *h = sa->handshake;
	if (!sa->c || !h)
		return -ECANCELED;
	const struct ike_connection *cfg = &sa->c->cfg;
	struct fault f = {0};
	(void)task;
	if (!h->child_spi)
		h->child_spi = child_new_spi(sa->e);
	if (proof_possible(sa, cfg, &f))
		return give_up(sa, &f);
	builder_id(out, PAYLOAD_IDI, &cfg->local_id);
	proof_add_certificates(cfg, out);
	proof_add_certreq(cfg, out);
	if (!identity_is_pattern(&cfg->remote_id))
		builder_id(out, PAYLOAD_IDR, &cfg->remote_id);
	int err = ppk_add(sa, cfg, out);
	if (!err)
		err = proof_add_auth(sa, cfg, out);
	if (err)
		return err;
	if (is_first_contact(sa))
		builder_notify(out, NOTIFY_INITIAL_CONTACT, (struct bytes){NULL, 0});
	ports_say(sa, out);
	mobike_say(sa, out);
	if (h->childless)
		return 0;
	workers_ask(sa, 0, out);
	proposal_offer(out, PROPOSAL_FIRST_CHILD, cfg->child, cfg->n_child, h->child_spi);
	builder_ts(out, PAYLOAD_TSI, cfg->local_ts, cfg->n_local_ts);
	builder_ts(out, PAYLOAD_TSR, cfg->remote_ts, cfg->n_remote_ts);
	return 0;
}

/* Who the responder says it is, and whether it proves it. 0, or -EACCES with the reason. */
static int check_responder(struct ike_sa *sa, const struct ike_message *in, struct fault *f)
{
	const struct ike_connection *cfg = &sa->c->cfg;
	char want[IDENTITY_TEXT], came[IDENTITY_TEXT];
	if (!in->idr.present || !in->auth.at)
		return fault_set(f, -EPROTO,
				 "the peer's IKE_AUTH has no identity or no AUTH payload");
	if (identity_from_wire(&sa->remote_id, in->idr.kind, in->idr.name.at, in->idr.name.len))
		return fault_set(f, -EPROTO, "the peer's identity of type %u is not readable",
				 in->idr.kind);
	if (!identity_matches(&cfg->remote_id, &sa->remote_id)) {
		fault_set(f, -EACCES, "the peer is %.90s, expected %.90s",
			  identity_format(&sa->remote_id, came),
			  identity_format(&cfg->remote_id, want));
		fault_advise(f, "set the peer's `identity` to what it sends");
		return -EACCES;
	}
	struct proof proof;
	proof_begin(&proof, sa, in);
	int err = proof_check(&proof, cfg, &sa->remote_id, f);
	proof_end(&proof);
	return err;
}

/* The first child out of the response. 0 or -errno with the reason. */
static int first_child(struct ike_sa *sa, const struct ike_message *in, struct fault *f)
{
	const struct ike_connection *cfg = &sa->c->cfg;
	const struct ike_notify *error = ike_message_error(in);
	struct child_terms t = {.spi_in = sa->handshake->child_spi, .is_ours = true};
	struct child *child;
	if (sa->handshake->childless && !error) {
		task_add(sa, EXCHANGE_NEW_CHILD, 0);
		return 0;
	}
	if (error) {
		diagnose_refusal(sa, error->type, true, f);
		return f->code;
	}
	if (!ike_message_has(in, PAYLOAD_SA))
		return fault_set(f, -EPROTO,
				 "the peer's IKE_AUTH makes no child SA and does not say why");
	int err = proposal_accept(in->sa, PROPOSAL_FIRST_CHILD, cfg->child, cfg->n_child, &t.chosen,
				  f);
	if (err)
		return err;
	if (child_terms_verify(sa->c, in, &t)) {
		diagnose_selectors(sa->c, in, f);
		return f->code;
	}
	t.ni = nonce_bytes(&sa->handshake->ni);
	t.nr = nonce_bytes(&sa->handshake->nr);
	err = child_from_terms(sa, &t, &child);
	return err ? fault_set(f, err, "the child SA can't be made") : 0;
}

void v2_auth_finish(struct ike_sa *sa, struct task *task, const struct ike_message *in)
{
	struct connection *c = sa->c;
	const struct ike_notify *error = ike_message_error(in);
	struct fault f = {0};
	(void)task;
	if (!c)
		return;
	if (error && !in->auth.at) {
		diagnose_refusal(sa, error->type, true, &f);
		sa_set_state(sa, SA_DEAD, "refused");
		connection_failed(c, &f);
		return;
	}
	int err = ppk_settle(sa, in, &f);
	if (!err)
		err = check_responder(sa, in, &f);
	if (err)
		sa->e->counters[IKE_COUNT_AUTH_FAILED]++;
	established(sa);
	if (!err && redirect_by_auth(sa, in))
		return;
	if (!err) {
		ports_agree(sa, in);
		mobike_agree(sa, in);
		err = first_child(sa, in, &f);
	}
	handshake_free(sa);
	if (err) {
		/* the peer believes it is up: it is told (RFC 7296 section 2.21.2) */
		sa_delete(sa, f.text);
		connection_failed(c, &f);
		return;
	}
	workers_agreed(sa, in);
	workers_fill(sa);
	reauth_told(sa, in);
	reauth_done(sa);
	connection_settle(c, &f);
	duplicates_found(c);
}

void v2_auth_timeout(struct ike_sa *sa, struct task *task)
{
	struct connection *c = sa->c;
	struct fault f;
	(void)task;
	diagnose_silence(sa, &f);
	sa_set_state(sa, SA_DEAD, "no answer to IKE_AUTH");
	if (c)
		connection_failed(c, &f);
}

/* ---- responder ---- */

struct candidate {
	struct connection *c; /* authenticated */
	struct connection *nearest;
	struct fault f; /* why the nearest is not it */
};

static void not_this_one(struct candidate *out, struct connection *c, const struct fault *f,
			 bool better)
{
	if (out->nearest && !better)
		return;
	out->nearest = c;
	out->f = *f;
}

/* Whether the peer may be this connection's by the identities that it sent. */
static bool identities_fit(struct connection *c, const struct identity *came,
			   const struct ike_message *in, struct candidate *out)
{
	char a[IDENTITY_TEXT], b[IDENTITY_TEXT];
	struct identity asked;
	struct fault f;
	if (!identity_matches(&c->cfg.remote_id, came)) {
		fault_set(&f, -EACCES, "IKE_AUTH of the peer: it is %.90s, expected %.90s",
			  identity_format(came, a), identity_format(&c->cfg.remote_id, b));
		fault_advise(&f, "set the peer's `identity` to what it sends");
		not_this_one(out, c, &f, false);
		return false;
	}
	if (in->idr.present &&
	    !identity_from_wire(&asked, in->idr.kind, in->idr.name.at, in->idr.name.len) &&
	    !identity_matches(&c->cfg.local_id, &asked)) {
		fault_set(&f, -EACCES,
			  "IKE_AUTH of the peer: it wants to talk to %.90s, we are %.90s",
			  identity_format(&asked, a), identity_format(&c->cfg.local_id, b));
		fault_advise(&f, "set the gateway's `identity` to what the peer expects");
		not_this_one(out, c, &f, false);
		return false;
	}
	return true;
}

/* With this connection's post-quantum key, or without any: what the peer signed depends on it. */
static int check_proof(struct proof *proof, const struct ike_connection *cfg,
		       const struct identity *came, struct fault *f)
{
	const struct ike_message *in = proof->in;
	struct ike_message plain;
	bool without = false;
	int err = ppk_judge(proof->sa, cfg, in, &without, f);
	if (err)
		return err;
	if (proof->sa->handshake->ppk.agreed)
		proof->signature_done = false;
	if (without) {
		plain = *in;
		plain.auth = ike_message_notify(in, NOTIFY_NO_PPK_AUTH)->body;
		proof->in = &plain;
		proof->id = &in->idi;
	}
	err = proof_check(proof, cfg, came, f);
	proof->in = in;
	if (err && proof->sa->handshake->ppk.mixed)
		fault_advise(f, "compare the post-quantum pre-shared keys of both ends too");
	return err;
}

/* Whether the peer is this connection's: identities first, then its proof, and whether it can take
 * ours. */
static bool judge(struct proof *proof, struct connection *c, const struct identity *came,
		  struct candidate *out)
{
	struct fault f = {0};
	if (!identities_fit(c, came, proof->in, out))
		return false;
	if (!check_proof(proof, &c->cfg, came, &f) && !proof_possible(proof->sa, &c->cfg, &f)) {
		out->c = c;
		return true;
	}
	ppk_unmix(proof->sa);
	fault_prefix(&f, "IKE_AUTH of the peer");
	not_this_one(out, c, &f, true);
	return false;
}

static void search(struct proof *proof, struct candidate *out)
{
	struct ike_sa *sa = proof->sa;
	for (struct connection *c = NULL; (c = connection_candidate(sa->e, &sa->remote.addr, c));)
		if (connection_fits(c, &sa->local, &sa->remote) &&
		    judge(proof, c, &sa->remote_id, out))
			return;
}

static void find_connection(struct ike_sa *sa, const struct ike_message *in, struct candidate *out)
{
	struct proof proof;
	memset(out, 0, sizeof *out);
	if (!in->auth.at ||
	    identity_from_wire(&sa->remote_id, in->idi.kind, in->idi.name.at, in->idi.name.len))
		return;
	proof_begin(&proof, sa, in);
	search(&proof, out);
	proof_end(&proof);
}

static int refuse_peer(struct ike_sa *sa, const struct candidate *who, struct builder *out)
{
	sa->e->counters[IKE_COUNT_AUTH_FAILED]++;
	diagnose_stranger(sa->e, &sa->remote,
			  who->nearest ? who->f.text : "IKE_AUTH without a readable identity");
	if (who->nearest && !who->nearest->is_up)
		connection_blame(who->nearest, &who->f);
	builder_notify(out, NOTIFY_AUTHENTICATION_FAILED, (struct bytes){NULL, 0});
	sa_linger(sa, "the peer did not authenticate");
	return 0;
}

/* The child that came with IKE_AUTH; a refusal of it leaves the IKE SA as it is (section 1.2). */
static void answer_child(struct ike_sa *sa, const struct ike_message *in, struct builder *out)
{
	struct connection *c = sa->c;
	struct child_terms t = {.is_ours = false};
	struct child *child;
	struct fault f = {0};
	uint16_t refusal = 0;
	sa->childless = !ike_message_has(in, PAYLOAD_SA) || !ike_message_has(in, PAYLOAD_TSI);
	if (sa->childless)
		return timers_childless(sa);
	if (proposal_choose(in->sa, PROPOSAL_FIRST_CHILD, c->cfg.child, c->cfg.n_child, DH_NONE,
			    &t.chosen, &f)) {
		refusal = NOTIFY_NO_PROPOSAL_CHOSEN;
		sa->e->counters[IKE_COUNT_NO_PROPOSAL]++;
		fault_prefix(&f, "child SA that the peer asks for");
	} else if (child_terms_narrow(c, in, &t)) {
		refusal = NOTIFY_TS_UNACCEPTABLE;
		sa->e->counters[IKE_COUNT_TS_UNACCEPTABLE]++;
		diagnose_selectors(c, in, &f);
	} else {
		t.spi_in = child_new_spi(sa->e);
		t.ni = nonce_bytes(&sa->handshake->ni);
		t.nr = nonce_bytes(&sa->handshake->nr);
		if (child_from_terms(sa, &t, &child))
			refusal = NOTIFY_TEMPORARY_FAILURE;
	}
	if (refusal) {
		if (f.code && !c->is_up)
			connection_blame(c, &f);
		if (f.code)
			connection_event(c, "%.150s", f.text);
		builder_notify(out, refusal, (struct bytes){NULL, 0});
		return timers_childless(sa);
	}
	if (!c->template)
		workers_agree(sa, in, out);
	proposal_answer(out, PROPOSAL_FIRST_CHILD, &t.chosen, t.spi_in);
	builder_ts(out, PAYLOAD_TSI, t.remote, t.n_remote);
	builder_ts(out, PAYLOAD_TSR, t.local, t.n_local);
}

/* Proved, both ends: what the peer asked for in `in`, its first IKE_AUTH. */
static int accept_peer(struct ike_sa *sa, const struct ike_message *in, struct builder *out)
{
	struct connection *c = sa->c;
	struct fault f = {0};
	ppk_confirm(sa, in, out);
	ports_agree(sa, in);
	if (sa->port_entropy)
		ports_say(sa, out);
	if (mobike_agree(sa, in))
		mobike_say(sa, out);
	reauth_say(sa, out);
	if (c->template)
		client_configure(c, out);
	answer_child(sa, in, out);
	handshake_free(sa);
	fault_set(&f, -ECONNRESET, "the peer started anew");
	connection_settle(c, &f);
	duplicates_found(c);
	return 0;
}

/* It has no place here: without an address there is nothing that an IKE SA could be for. */
static int refuse_client(struct ike_sa *sa, struct connection *template, const struct fault *f,
			 struct builder *out)
{
	char text[FAULT_TEXT];
	connection_blame(template, f);
	connection_event(template, "%.150s", fault_format(f, text));
	diagnose_stranger(sa->e, &sa->remote, text);
	builder_notify(out,
		       f->code == -ENODATA ? NOTIFY_FAILED_CP_REQUIRED
					   : NOTIFY_INTERNAL_ADDRESS_FAILURE,
		       (struct bytes){NULL, 0});
	sa_linger(sa, "the client gets no address");
	handshake_free(sa);
	return 0;
}

static void attach(struct ike_sa *sa, struct connection *c)
{
	sa_attach(sa, c);
	established(sa);
}

int auth_accept_client(struct ike_sa *sa, struct connection *template,
		       const struct client_login *login, const struct ike_message *first,
		       struct builder *out)
{
	struct fault f = {0};
	struct connection *c = client_connect(sa, template, login, first, &f);
	if (!c)
		return refuse_client(sa, template, &f, out);
	attach(sa, c);
	return accept_peer(sa, first, out);
}

static int prove_ourselves(struct ike_sa *sa, const struct ike_connection *cfg, struct builder *out)
{
	builder_id(out, PAYLOAD_IDR, &cfg->local_id);
	proof_add_certificates(cfg, out);
	return proof_add_auth(sa, cfg, out);
}

/* A client that proved itself by a certificate. */
static int answer_client(struct ike_sa *sa, struct connection *template,
			 const struct ike_message *in, struct builder *out)
{
	char id[IDENTITY_TEXT];
	const struct client_login login = {identity_format(&sa->remote_id, id), "certificate"};
	struct fault f = {0};
	struct connection *c = client_connect(sa, template, &login, in, &f);
	if (!c)
		return refuse_client(sa, template, &f, out);
	attach(sa, c);
	int err = prove_ourselves(sa, &c->cfg, out);
	return err ? err : accept_peer(sa, in, out);
}

/* The template that the first message of a client with EAP means. */
static struct connection *find_template(struct ike_sa *sa, const struct ike_message *in,
					struct candidate *out)
{
	memset(out, 0, sizeof *out);
	if (identity_from_wire(&sa->remote_id, in->idi.kind, in->idi.name.at, in->idi.name.len))
		return NULL;
	for (struct connection *c = NULL; (c = connection_candidate(sa->e, &sa->remote.addr, c));) {
		struct fault f = {0};
		if (!connection_fits(c, &sa->local, &sa->remote))
			continue;
		if (eap_offered(&c->cfg) && identities_fit(c, &sa->remote_id, in, out) &&
		    !proof_possible(sa, &c->cfg, &f))
			return c;
		if (!f.code)
			fault_set(&f, -EACCES,
				  "IKE_AUTH of the peer asks for EAP, which this connection "
				  "does not offer");
		not_this_one(out, c, &f, false);
	}
	return NULL;
}

static int answer_first_of_eap(struct ike_sa *sa, const struct ike_message *in, struct builder *out)
{
	struct candidate who;
	struct connection *template = find_template(sa, in, &who);
	return template ? eap_begin(sa, template, in, out) : refuse_peer(sa, &who, out);
}

int v2_auth_answer(struct ike_sa *sa, const struct ike_message *in, struct builder *out)
{
	struct candidate who;
	if (sa->is_initiator || !sa->handshake || intermediate_next(sa) != EXCHANGE_AUTH)
		return -EPROTO;
	if (sa->handshake->eap)
		return eap_answer(sa, in, out);
	if (!in->idi.present)
		return -EPROTO;
	if (!in->auth.at)
		return answer_first_of_eap(sa, in, out);
	find_connection(sa, in, &who);
	if (!who.c)
		return refuse_peer(sa, &who, out);
	if (who.c->cfg.clients)
		return answer_client(sa, who.c, in, out);
	attach(sa, who.c);
	if (ike_message_notify(in, NOTIFY_INITIAL_CONTACT))
		duplicates_initial_contact(sa);
	int err = prove_ourselves(sa, &who.c->cfg, out);
	return err ? err : accept_peer(sa, in, out);
}
