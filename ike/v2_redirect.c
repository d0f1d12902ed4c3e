/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Redirect, the client's part (RFC 5685): a gateway sends us to another one, in its answer to
 * IKE_SA_INIT (unprotected, so with our nonce: who does not see our message can't do it), in its
 * answer to IKE_AUTH, or later in INFORMATIONAL. The other one has to prove the same identity as
 * any gateway of the connection. Off unless configured; a bounded number in a row (section 5).
 */
#include "ike/ike_internal.h"

#include <errno.h>
#include <string.h>

enum gateway_identity { GATEWAY_IPV4 = 1, GATEWAY_IPV6 = 2, GATEWAY_FQDN = 3 };

/* REDIRECT_SUPPORTED, or from where we were sent, which says the same. */
void redirect_say(const struct ike_sa *sa, struct builder *out)
{
	const struct connection *c = sa->c;
	const struct ip_addr *from = &c->redirect.from;
	uint8_t body[2 + 16];
	if (!c->cfg.allow_redirect)
		return;
	if (!c->redirect.to.family) {
		builder_notify(out, NOTIFY_REDIRECT_SUPPORTED, (struct bytes){NULL, 0});
		return;
	}
	body[0] = from->family == IP_V4 ? GATEWAY_IPV4 : GATEWAY_IPV6;
	body[1] = (uint8_t)ip_addr_bytes(from);
	memcpy(body + 2, from->b, body[1]);
	builder_notify(out, NOTIFY_REDIRECTED_FROM, (struct bytes){body, 2u + body[1]});
}

/* The gateway that a REDIRECT names. `nonce`: what must stand behind it; empty: nothing. */
static int read_redirect(const struct ike_notify *n, struct bytes nonce, struct ip_addr *to,
			 struct fault *f)
{
	struct bytes b = n->body;
	if (b.len < 2 || b.len != 2u + b.at[1] + nonce.len ||
	    (nonce.len && memcmp(b.at + 2 + b.at[1], nonce.at, nonce.len) != 0))
		return fault_set(f, -EPROTO,
				 "the peer's REDIRECT is malformed or has another "
				 "nonce than ours: ignored");
	uint8_t kind = b.at[0], len = b.at[1];
	if (kind == GATEWAY_FQDN) {
		fault_set(f, -ENOTSUP, "the peer redirects us to the name %.*s",
			  len < 90 ? len : 90, (const char *)b.at + 2);
		return fault_advise(f, "names are not looked up; let the peer send an address");
	}
	bool v4 = kind == GATEWAY_IPV4;
	if ((!v4 && kind != GATEWAY_IPV6) || len != (v4 ? 4 : 16))
		return fault_set(f, -EPROTO,
				 "the peer's REDIRECT names a gateway of type %u with "
				 "%u bytes",
				 kind, len);
	*to = ip_addr_from_bytes(v4 ? IP_V4 : IP_V6, b.at + 2);
	return 0;
}

/* Whether we go there: 0, or -errno with the reason. */
static int accept_redirect(struct connection *c, const struct ip_addr *to,
			   const struct ip_addr *from, struct fault *f)
{
	char there[IP_TEXT], here[IP_TEXT];
	uint64_t now = c->e->now_ns;
	ip_addr_format(to, there);
	ip_addr_format(from, here);
	if (!c->cfg.allow_redirect) {
		fault_set(f, -EACCES, "the peer redirects us to %s", there);
		return fault_advise(f, "set allowRedirect to follow it");
	}
	if (to->family != c->cfg.local.family || ip_addr_equal(to, from))
		return fault_set(f, -EPROTO,
				 "%s redirects us to %s: itself, or not reachable from "
				 "our address",
				 here, there);
	if (!c->redirect.n || now - c->redirect.since_ns >= LIMIT_REDIRECT_SPAN_NS) {
		c->redirect.since_ns = now;
		c->redirect.n = 0;
	}
	if (c->redirect.n >= LIMIT_REDIRECTS)
		return fault_set(f, -ELOOP,
				 "%s redirects us to %s, the gateways send us round: "
				 "redirected %d times in %u s",
				 here, there, LIMIT_REDIRECTS,
				 (unsigned)(LIMIT_REDIRECT_SPAN_NS / NS_PER_S));
	c->redirect.n++;
	c->redirect.to = *to;
	c->redirect.from = *from;
	c->e->counters[IKE_COUNT_REDIRECTS]++;
	connection_event(c, "redirected by %s to %s", here, there);
	return 0;
}

/* The answer to IKE_SA_INIT. False with the reason: we go on waiting for another one. */
bool redirect_by_init(struct ike_sa *sa, const struct ike_message *in, struct fault *f)
{
	const struct ike_notify *n = ike_message_notify(in, NOTIFY_REDIRECT);
	struct connection *c = sa->c;
	const struct ip_addr local = sa->local.addr, from = sa->remote.addr;
	uint64_t replaces = sa->replaces;
	struct ip_addr to = {.family = IP_NONE};
	if (read_redirect(n, nonce_bytes(&sa->handshake->ni), &to, f) ||
	    accept_redirect(c, &to, &from, f))
		return false;
	sa_set_state(sa, SA_DEAD, "redirected");
	v2_sa_init_start_at(c, &local, &to, replaces);
	return true;
}

/* The answer to IKE_AUTH, of a peer that has proved who it is. False: there is no REDIRECT. */
bool redirect_by_auth(struct ike_sa *sa, const struct ike_message *in)
{
	const struct ike_notify *n = ike_message_notify(in, NOTIFY_REDIRECT);
	struct connection *c = sa->c;
	const struct ip_addr local = sa->local.addr, from = sa->remote.addr;
	uint64_t replaces = sa->replaces;
	struct ip_addr to = {.family = IP_NONE};
	struct fault f = {0};
	if (!n)
		return false;
	int err = read_redirect(n, (struct bytes){NULL, 0}, &to, &f);
	if (!err)
		err = accept_redirect(c, &to, &from, &f);
	sa_delete(sa, err ? f.text : "redirected");
	if (err)
		connection_failed(c, &f);
	else
		v2_sa_init_start_at(c, &local, &to, replaces);
	return true;
}

/* In INFORMATIONAL: the new IKE SA first, then the old one goes (v2_reauth.c). */
void redirect_told(struct ike_sa *sa, const struct ike_message *in)
{
	const struct ike_notify *n = ike_message_notify(in, NOTIFY_REDIRECT);
	struct connection *c = sa->c;
	struct ip_addr to = {.family = IP_NONE};
	struct fault f = {0};
	if (!n || !c || !sa->began || sa->state != SA_ESTABLISHED)
		return;
	if (read_redirect(n, (struct bytes){NULL, 0}, &to, &f) ||
	    accept_redirect(c, &to, &sa->remote.addr, &f)) {
		connection_blame(c, &f);
		connection_event(c, "%.150s", f.text);
		return;
	}
	sa->redirect_to = to;
	redirect_due(sa);
}

/* Not while it is open which IKE SA the new one would replace, as in reauth_due. */
void redirect_due(struct ike_sa *sa)
{
	const struct ip_addr local = sa->local.addr, to = sa->redirect_to;
	sa->redirect_at_ns = INSTANT_NEVER;
	if (ip_addr_equal(&to, &sa->remote.addr))
		return; /* told twice, and there already */
	if (v2_rekey_undecided(sa) || reauth_under_way(sa->c)) {
		sa->redirect_at_ns = sa->e->now_ns + LIMIT_REFUSED_FIRST_NS;
		sa_touch(sa);
		return;
	}
	sa->c->redirect.to = to; /* an attempt that failed meanwhile made us forget it */
	sa->c->redirect.from = sa->remote.addr;
	v2_sa_init_start_at(sa->c, &local, &to, sa_local_spi(sa));
}

void redirect_move(struct ike_sa *old, struct ike_sa *sa)
{
	if (old->redirect_at_ns == INSTANT_NEVER)
		return;
	sa->redirect_to = old->redirect_to;
	sa->redirect_at_ns = old->redirect_at_ns;
	old->redirect_at_ns = INSTANT_NEVER;
	sa_touch(sa);
}

/* What we were sent to did not work, or ended: back to where the configuration says. */
void redirect_forget(struct connection *c)
{
	c->redirect.to.family = IP_NONE;
}
