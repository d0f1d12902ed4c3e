/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Post-quantum pre-shared keys (RFC 8784): both ends say USE_PPK in IKE_SA_INIT, the initiator
 * names its key in IKE_AUTH, and SK_d, SK_pi, SK_pr are then those with the key mixed in; all that
 * is derived later comes of SK_d. Unless the key is required, AUTH is there a second time, without
 * it.
 */
#include "ike/ike_internal.h"

#include <errno.h>
#include <string.h>

#define PPK_ID_FIXED 2 /* IANA "PPK Identity Types" */

static void swap(struct secret *a, struct secret *b)
{
	struct secret x = *a;
	*a = *b;
	*b = x;
	secret_wipe(&x);
}

/* The keys with the PPK for those without, or back. */
static void exchange(struct ike_sa *sa)
{
	struct handshake *h = sa->handshake;
	swap(&sa->keys.d, &h->ppk.other[0]);
	swap(&sa->keys.pi, &h->ppk.other[1]);
	swap(&sa->keys.pr, &h->ppk.other[2]);
	h->ppk.mixed = !h->ppk.mixed;
}

int ppk_mix(struct ike_sa *sa, const struct ike_connection *cfg)
{
	struct handshake *h = sa->handshake;
	struct secret *other = h->ppk.other;
	int err = 0;
	if (h->ppk.mixed)
		return 0;
	other[0] = sa->keys.d;
	other[1] = sa->keys.pi;
	other[2] = sa->keys.pr;
	for (unsigned i = 0; i < 3 && !err; i++)
		err = keys_mix_ppk(&other[i], sa->chosen.prf, &cfg->ppk);
	if (!err)
		exchange(sa);
	return err;
}

void ppk_unmix(struct ike_sa *sa)
{
	if (sa->handshake && sa->handshake->ppk.mixed)
		exchange(sa);
}

/* ---- IKE_SA_INIT ---- */

void ppk_ask(const struct ike_connection *cfg, struct builder *out)
{
	if (cfg->ppk.len)
		builder_notify(out, NOTIFY_USE_PPK, (struct bytes){NULL, 0});
}

/* Responder: whoever it turns out to be, from here it may be a connection with such a key. */
void ppk_answer_stranger(struct ike_sa *sa, const struct ike_message *in, struct builder *out)
{
	if (!ike_message_notify(in, NOTIFY_USE_PPK))
		return;
	for (const struct connection *c = NULL;
	     (c = connection_candidate(sa->e, &sa->remote.addr, c));) {
		if (!c->cfg.ppk.len || !connection_fits(c, &sa->local, &sa->remote))
			continue;
		sa->handshake->ppk.agreed = true;
		builder_notify(out, NOTIFY_USE_PPK, (struct bytes){NULL, 0});
		return;
	}
}

/* Initiator. 0; -EACCES: the peer can't, and it is required. */
int ppk_answered(struct ike_sa *sa, const struct ike_message *in, struct fault *f)
{
	const struct ike_connection *cfg = &sa->c->cfg;
	sa->handshake->ppk.agreed = cfg->ppk.len && ike_message_notify(in, NOTIFY_USE_PPK);
	if (sa->handshake->ppk.agreed || !cfg->require_ppk)
		return 0;
	fault_set(f, -EACCES,
		  "the peer uses no post-quantum pre-shared keys (RFC 8784), expected USE_PPK");
	return fault_advise(f, "give the peer the key, or set requirePostQuantum: false");
}

/* ---- IKE_AUTH, initiator ---- */

/* Mixes, and says which key. Before AUTH is written. */
int ppk_add(struct ike_sa *sa, const struct ike_connection *cfg, struct builder *out)
{
	uint8_t id[1 + sizeof cfg->ppk_id] = {PPK_ID_FIXED};
	int err = 0;
	if (!sa->handshake->ppk.agreed)
		return 0;
	ppk_unmix(sa); /* when it is built anew */
	memcpy(id + 1, cfg->ppk_id, cfg->ppk_id_len);
	builder_notify(out, NOTIFY_PPK_IDENTITY, (struct bytes){id, 1u + cfg->ppk_id_len});
	if (!cfg->require_ppk)
		err = proof_add_no_ppk_auth(sa, cfg, out);
	return err ? err : ppk_mix(sa, cfg);
}

/* Whether the peer took it; before its AUTH is judged. 0; -EACCES: not, and it is required. */
int ppk_settle(struct ike_sa *sa, const struct ike_message *in, struct fault *f)
{
	const struct ike_connection *cfg = &sa->c->cfg;
	if (sa->handshake->ppk.mixed && ike_message_notify(in, NOTIFY_PPK_IDENTITY)) {
		connection_event(sa->c, "post-quantum pre-shared key \"%.*s\" in use",
				 cfg->ppk_id_len, (const char *)cfg->ppk_id);
		return 0;
	}
	ppk_unmix(sa);
	if (!cfg->ppk.len)
		return 0;
	if (!cfg->require_ppk) {
		connection_event(sa->c, "no post-quantum pre-shared key: the peer does not have "
					"ours");
		return 0;
	}
	fault_set(f, -EACCES,
		  "the peer answers without our post-quantum pre-shared key \"%.*s\", expected its "
		  "use",
		  cfg->ppk_id_len, (const char *)cfg->ppk_id);
	return fault_advise(f, "give the peer the key, or set requirePostQuantum: false");
}

/* ---- IKE_AUTH, responder ---- */

static bool is_named(const struct ike_connection *cfg, const struct ike_notify *id)
{
	return cfg->ppk.len && id->body.len == 1u + cfg->ppk_id_len &&
	       id->body.at[0] == PPK_ID_FIXED &&
	       !memcmp(id->body.at + 1, cfg->ppk_id, cfg->ppk_id_len);
}

/*
 * Prepares the keys for this connection, with its key when the peer names it. *without: the peer's
 * AUTH for that case is in NO_PPK_AUTH. 0; -EACCES: not this connection.
 */
int ppk_judge(struct ike_sa *sa, const struct ike_connection *cfg, const struct ike_message *in,
	      bool *without, struct fault *f)
{
	const struct ike_notify *id =
		sa->handshake->ppk.agreed ? ike_message_notify(in, NOTIFY_PPK_IDENTITY) : NULL;
	*without = false;
	ppk_unmix(sa);
	if (id && is_named(cfg, id))
		return ppk_mix(sa, cfg) ? fault_set(f, -EIO, "keys can't be derived") : 0;
	if (cfg->require_ppk) {
		fault_set(f, -EACCES,
			  "the peer uses %s post-quantum pre-shared key, expected \"%.*s\"",
			  id ? "another" : "no", cfg->ppk_id_len, (const char *)cfg->ppk_id);
		return fault_advise(f, "give both ends the same key by the same id, or set "
				       "requirePostQuantum: false");
	}
	*without = id != NULL;
	if (!id || ike_message_notify(in, NOTIFY_NO_PPK_AUTH))
		return 0;
	fault_set(f, -EACCES,
		  "the peer requires a post-quantum pre-shared key that is not here by that id");
	return fault_advise(f, "compare postQuantumPreSharedKey of both ends");
}

/* Says that its key is in use. */
void ppk_confirm(const struct ike_sa *sa, const struct ike_message *in, struct builder *out)
{
	const struct ike_connection *cfg = &sa->c->cfg;
	if (sa->handshake->ppk.mixed) {
		builder_notify(out, NOTIFY_PPK_IDENTITY, (struct bytes){NULL, 0});
		connection_event(sa->c, "post-quantum pre-shared key \"%.*s\" in use",
				 cfg->ppk_id_len, (const char *)cfg->ppk_id);
	} else if (cfg->ppk.len) {
		connection_event(sa->c, "no post-quantum pre-shared key: the peer %s",
				 ike_message_notify(in, NOTIFY_PPK_IDENTITY) ? "names another one"
									     : "does not use any");
	}
}
