/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sentences a person reads: which connection, which side, which message; what was expected,
 * what came, what to do.
 */
#include "ike/ike_internal.h"

#include <errno.h>
#include <stdio.h>

/* For connections of that address that wait for an answer: something came, and this is what. */
static void note_stray(struct ike *e, const struct ip_addr *remote, const char *what)
{
	for (struct connection *c = NULL; (c = connection_candidate(e, remote, c));) {
		if (!ip_addr_equal(&c->cfg.remote, remote))
			return;
		if (c->is_up)
			continue;
		c->stray.n++;
		snprintf(c->stray.what, sizeof c->stray.what, "%s", what);
	}
}

void diagnose_stranger(struct ike *e, const struct ip_endpoint *remote, const char *what)
{
	char from[ENDPOINT_TEXT];
	note_stray(e, &remote->addr, what);
	if (!log_limit_pass(&e->strangers, e->now_ns, LIMIT_STRANGER_LOG))
		return;
	log_info(LOG_IKE, "ike-dropped from=%s suppressed=%u: %s", ip_endpoint_format(remote, from),
		 e->strangers.suppressed, what);
	e->strangers.suppressed = 0;
}

/* A handshake of the other version than the connection of that address has. */
void diagnose_version(struct ike *e, const struct ip_endpoint *local,
		      const struct ip_endpoint *remote, bool came_v1)
{
	struct fault f;
	for (struct connection *c = NULL; (c = connection_candidate(e, &remote->addr, c));) {
		unsigned fit = came_v1 ? connection_fits(c, local, remote)
				       : connection_fits_v1(c, local, remote);
		if (fit != 2 || c->is_up)
			continue;
		fault_set(&f, -EPROTONOSUPPORT,
			  "the peer begins by IKEv%d, this connection is by IKEv%d",
			  came_v1 ? 1 : 2, came_v1 ? 2 : 1);
		fault_advise(&f, "set connectionProtocol to the same version on both ends");
		connection_blame(c, &f);
	}
}

/* Whether anything came from the peer's address since the attempt began. */
const char *diagnose_heard(const struct ike_sa *sa, char *out, size_t size)
{
	if (!sa->c || !sa->c->stray.n)
		return "nothing was ever received from that address";
	snprintf(out, size,
		 "%u datagrams came from that address, none of them an answer; the last: %s",
		 sa->c->stray.n, sa->c->stray.what);
	return out;
}

/* A peer began, was answered, and never came to prove who it is. Nobody knows yet whom it would
 * have been; when its address has a connection, that one says so. */
void diagnose_unfinished(struct ike_sa *sa)
{
	struct fault f;
	char from[ENDPOINT_TEXT];
	if (sa->is_initiator || (sa->state != SA_HALF_OPEN && sa->state != SA_AUTHENTICATING))
		return;
	fault_set(&f, -ETIMEDOUT, "%s began and was answered, but no %s of it came in %u s",
		  ip_endpoint_format(&sa->remote, from), sa->v1 ? v1_awaited(sa) : "IKE_AUTH",
		  (unsigned)((sa->e->now_ns - sa->created_ns) / NS_PER_S));
	fault_advise(&f, "check that UDP 500 and 4500, and pieces of long messages, pass in both "
			 "directions; the peer's log says whether it had our answer");
	for (struct connection *c = NULL; (c = connection_candidate(sa->e, &sa->remote.addr, c));) {
		unsigned fit = sa->v1 ? connection_fits_v1(c, &sa->local, &sa->remote)
				      : connection_fits(c, &sa->local, &sa->remote);
		if (fit != 2)
			return;
		/* what was said since is worth more */
		if (!c->is_up && (!c->last_error.code || c->last_error_ns < sa->created_ns))
			connection_blame(c, &f);
	}
}

void diagnose_silence(const struct ike_sa *sa, struct fault *f)
{
	char to[ENDPOINT_TEXT], heard[160];
	uint64_t span = sa->e->now_ns - sa->window.first_sent_ns;
	ip_endpoint_format(&sa->remote, to);
	fault_set(f, -ETIMEDOUT, "no answer from %s: %u requests of %s sent over %u s; %s", to,
		  sa->window.sent, sa->tasks ? sa->tasks->row->name : "IKE",
		  (unsigned)(span / NS_PER_S),
		  sa->state == SA_AUTHENTICATING ? "it did answer IKE_SA_INIT"
		  : sa->state == SA_HALF_OPEN && !sa->heard
			  ? diagnose_heard(sa, heard, sizeof heard)
			  : "the peer answered before");
	if (sa->state == SA_HALF_OPEN)
		fault_advise(
			f, "check the peer's address, that it runs, and that UDP 500 and 4500 pass "
			   "in both directions");
	else
		fault_advise(
			f,
			"check that UDP %u passes in both directions and that the peer still has "
			"the connection",
			sa->remote.port);
}

/* The peer refused with an error notify. */
void diagnose_refusal(const struct ike_sa *sa, uint16_t notify, bool authenticated, struct fault *f)
{
	char name[32], id[IDENTITY_TEXT], ts_l[100], ts_r[100], ours[PROPOSAL_TEXT];
	const struct ike_connection *cfg = &sa->c->cfg;
	const char *what = notify_name(notify, name);
	const char *trust = authenticated ? "" : " (unprotected, so we go on waiting)";
	switch (notify) {
	case NOTIFY_NO_PROPOSAL_CHOSEN:
		if (sa->state == SA_HALF_OPEN) {
			fault_set(
				f, -EPROTO,
				"the peer answered NO_PROPOSAL_CHOSEN to IKE_SA_INIT%s: it accepts none of "
				"our %u IKE proposals, first %s, or knows no connection from our address",
				trust, cfg->n_ike, proposal_format(&cfg->ike[0], ours));
		} else {
			fault_set(
				f, -EPROTO,
				"the peer answered NO_PROPOSAL_CHOSEN: it accepts none of our %u child "
				"proposals, first %s",
				cfg->n_child, proposal_format(&cfg->child[0], ours));
		}
		fault_advise(
			f,
			"compare encryption, integrity, PRF and groups (also the PFS group) of both ends");
		break;
	case NOTIFY_AUTHENTICATION_FAILED:
		fault_set(
			f, -EACCES,
			"the peer answered AUTHENTICATION_FAILED: it does not accept our %s or our "
			"identity %.100s",
			connection_has_certificates(cfg) ? "certificate" : "pre-shared key",
			identity_format(&cfg->local_id, id));
		fault_advise(f,
			     connection_has_certificates(cfg)
				     ? "compare our certificate's authority with what the peer "
				       "trusts, our identity with what it expects, and both clocks"
				     : "compare the pre-shared keys, and our identity with what "
				       "the peer expects");
		break;
	case NOTIFY_TS_UNACCEPTABLE:
		selectors_format(cfg->local_ts, cfg->n_local_ts, ts_l, sizeof ts_l);
		selectors_format(cfg->remote_ts, cfg->n_remote_ts, ts_r, sizeof ts_r);
		fault_set(
			f, -EPROTO,
			"the peer answered TS_UNACCEPTABLE: ours %s, theirs %s overlap with nothing it has",
			ts_l, ts_r);
		fault_advise(f, "make the address spaces of both ends overlap");
		break;
	default: fault_set(f, -EPROTO, "the peer answered %s%s", what, trust);
	}
}

/* We refuse the peer's selectors. */
void diagnose_selectors(const struct connection *c, const struct ike_message *in, struct fault *f)
{
	struct traffic_selector i[CHILD_SA_MAX_TS], r[CHILD_SA_MAX_TS];
	uint8_t n_i = 0, n_r = 0;
	char ours_l[70], ours_r[70], theirs_l[70], theirs_r[70];
	bool readable = !ike_ts_parse(in->tsi, i, &n_i, CHILD_SA_MAX_TS) &&
			!ike_ts_parse(in->tsr, r, &n_r, CHILD_SA_MAX_TS);
	if (!readable)
		n_i = n_r = 0;
	bool answered = ike_message_is_response(in);
	selectors_format(c->cfg.local_ts, c->cfg.n_local_ts, ours_l, sizeof ours_l);
	selectors_format(c->cfg.remote_ts, c->cfg.n_remote_ts, ours_r, sizeof ours_r);
	selectors_format(answered ? i : r, answered ? n_i : n_r, theirs_l, sizeof theirs_l);
	selectors_format(answered ? r : i, answered ? n_r : n_i, theirs_r, sizeof theirs_r);
	fault_set(f, -EPROTO,
		  "traffic selectors do not fit: we have %s to %s, the peer %s %s to %s", ours_l,
		  ours_r, answered ? "answers with" : "wants", theirs_l, theirs_r);
	fault_advise(f, "make the address spaces of both ends mirror each other");
}
