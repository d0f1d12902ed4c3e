/* SPDX-License-Identifier: Apache-2.0 */
/*
 * MOBIKE (RFC 4555): an IKE SA and its children go on at other addresses. The original initiator
 * decides which pair of addresses is used; the responder follows UPDATE_SA_ADDRESSES only, no
 * longer whatever authenticated message comes from elsewhere (section 3.5; a NAT that maps anew is
 * found by the initiator's probes, section 3.8).
 *
 * A responder sends its ESP to a new address only after the peer proved by COOKIE2 that it receives
 * there (section 3.7): else a peer could aim our traffic at anybody. An initiator sends ESP when
 * the answer is there, which tells whether a NAT is on the new path. What the peer sends meanwhile
 * is taken as before: inbound hangs on the SPI and our own address.
 */
#include "ike/ike_internal.h"

#include <errno.h>
#include <string.h>

static bool is_own(const struct ike *e, const struct ip_addr *a)
{
	for (unsigned i = 0; i < e->n_own; i++)
		if (ip_addr_equal(&e->own[i], a))
			return true;
	return false;
}

static bool wanted(const struct ike_sa *sa)
{
	return sa->c && sa->c->cfg.mobike != IKE_MOBIKE_OFF;
}

static bool moves(const struct ike_sa *sa)
{
	return sa->mobility.on && sa->c && sa->state == SA_ESTABLISHED;
}

/* ---- what both ends say ---- */

static void add_address(struct builder *out, const struct ip_addr *a)
{
	builder_notify(out,
		       a->family == IP_V4 ? NOTIFY_ADDITIONAL_IP4_ADDRESS
					  : NOTIFY_ADDITIONAL_IP6_ADDRESS,
		       (struct bytes){a->b, ip_addr_bytes(a)});
}

/* All of ours but the one that the message comes from (section 3.6). */
static unsigned add_addresses(const struct ike_sa *sa, struct builder *out)
{
	const struct ike *e = sa->e;
	unsigned n = 0;
	for (unsigned i = 0; i < e->n_own; i++) {
		if (ip_addr_equal(&e->own[i], &sa->local.addr) ||
		    e->own[i].family != sa->local.addr.family)
			continue;
		add_address(out, &e->own[i]);
		n++;
	}
	return n;
}

/* Section 3.9: what the header of this message should say when no NAT changes it. */
static void forbid_nat(const struct ike_sa *sa, struct builder *out)
{
	uint8_t body[2 * 16 + 4];
	size_t n = ip_addr_bytes(&sa->local.addr);
	if (sa->c->cfg.mobike != IKE_MOBIKE_WITHOUT_NAT)
		return;
	memcpy(body, sa->local.addr.b, n);
	memcpy(body + n, sa->remote.addr.b, n);
	store_be16(body + 2 * n, sa->local.port);
	store_be16(body + 2 * n + 2, sa->remote.port);
	builder_notify(out, NOTIFY_NO_NATS_ALLOWED, (struct bytes){body, 2 * n + 4});
}

/* The peer's NO_NATS_ALLOWED against where its message came from and went to; 0 or the refusal. */
uint16_t mobike_nat_forbidden(const struct ike_sa *sa, const struct ike_message *in)
{
	const struct ike_notify *said = ike_message_notify(in, NOTIFY_NO_NATS_ALLOWED);
	const struct ip_endpoint *from = &sa->e->arrived_remote, *to = &sa->e->arrived_local;
	size_t n = ip_addr_bytes(&from->addr);
	if (!said)
		return 0;
	const uint8_t *b = said->body.at;
	bool same = said->body.len == 2 * n + 4 && !memcmp(b, from->addr.b, n) &&
		    !memcmp(b + n, to->addr.b, n) && load_be16(b + 2 * n) == from->port &&
		    load_be16(b + 2 * n + 2) == to->port;
	return same ? 0 : NOTIFY_UNEXPECTED_NAT_DETECTED;
}

void mobike_say(const struct ike_sa *sa, struct builder *out)
{
	if (!wanted(sa))
		return;
	builder_notify(out, NOTIFY_MOBIKE_SUPPORTED, (struct bytes){NULL, 0});
	add_addresses(sa, out);
}

/* The peer's additional addresses, the whole list each time. False: the message says nothing of
 * them. */
static bool take_addresses(struct ike_sa *sa, const struct ike_message *in)
{
	struct mobility *m = &sa->mobility;
	struct ip_addr list[IKE_MAX_ADDRESSES];
	uint8_t n = 0;
	bool told = ike_message_notify(in, NOTIFY_NO_ADDITIONAL_ADDRESSES) != NULL;
	for (unsigned i = 0; i < in->n_notifies; i++) {
		const struct ike_notify *x = &in->notify[i];
		bool v4 = x->type == NOTIFY_ADDITIONAL_IP4_ADDRESS;
		if (!v4 && x->type != NOTIFY_ADDITIONAL_IP6_ADDRESS)
			continue;
		told = true;
		if (n < IKE_MAX_ADDRESSES && x->body.len == (v4 ? 4u : 16u))
			list[n++] = ip_addr_from_bytes(v4 ? IP_V4 : IP_V6, x->body.at);
	}
	if (!told)
		return false;
	m->n_peers = n;
	memcpy(m->peers, list, n * sizeof *list);
	return true;
}

/* In IKE_AUTH of both roles. */
bool mobike_agree(struct ike_sa *sa, const struct ike_message *in)
{
	struct mobility *m = &sa->mobility;
	if (!wanted(sa) || !ike_message_notify(in, NOTIFY_MOBIKE_SUPPORTED))
		return false;
	m->on = true;
	m->local = sa->local;
	m->remote = sa->remote;
	take_addresses(sa, in);
	return true;
}

/* Section 3.3: to port 4500 also where no NAT is found, so that one may come later. */
bool mobike_takes_port(const struct ike_sa *sa, const struct ike_message *in)
{
	return wanted(sa) && ike_message_notify(in, NOTIFY_NAT_DETECTION_SOURCE_IP);
}

/* ---- children ---- */

static void move_children(struct ike_sa *sa)
{
	struct mobility *m = &sa->mobility;
	m->local = sa->local;
	m->remote = sa->remote;
	for (struct child *child = sa->c->children; child; child = child->next) {
		uint8_t way = sa->encapsulate ? ESP_IN_UDP : ESP_NATIVE;
		if (child->sa != sa || (ip_endpoint_equal(&child->plain.local, &sa->local) &&
					ip_endpoint_equal(&child->plain.remote, &sa->remote) &&
					child->plain.encapsulation == way))
			continue;
		child->plain.local = sa->local;
		child->plain.remote = sa->remote;
		child->plain.encapsulation = way;
		effects_child(sa->e, IKE_CHILD_UPDATE, &child->plain);
	}
}

/* A child lives at both ends by its inbound SPI and our own address: the data path must know that
 * address before the peer sends to it. */
static void receive_at(struct ike_sa *sa)
{
	for (struct child *child = sa->c->children; child; child = child->next) {
		if (child->sa != sa || ip_addr_equal(&child->plain.local.addr, &sa->local.addr))
			continue;
		child->plain.local = sa->local;
		effects_child(sa->e, IKE_CHILD_UPDATE, &child->plain);
	}
}

static void tell_of_move(struct ike_sa *sa)
{
	char us[ENDPOINT_TEXT], peer[ENDPOINT_TEXT];
	sa->e->counters[IKE_COUNT_MOVES]++;
	connection_event(sa->c, "MOBIKE: from %s to %s from now on, ESP %s",
			 ip_endpoint_format(&sa->local, us), ip_endpoint_format(&sa->remote, peer),
			 sa->encapsulate ? "in UDP" : "native");
}

/* ---- initiator: UPDATE_SA_ADDRESSES ---- */

static void ask(struct ike_sa *sa, enum exchange_id row)
{
	struct task *task = task_add(sa, row, 0);
	if (task)
		task_first(sa, task);
}

static void update(struct ike_sa *sa)
{
	struct mobility *m = &sa->mobility;
	m->generation++;
	m->update = true;
	m->testing = false;
	if (sa->in_flight) { /* over the new path, as if it had not been sent yet */
		sa->window.sent = 1;
		sa->window.resend_at_ns = sa->e->now_ns;
	}
	ask(sa, EXCHANGE_UPDATE_ADDRESSES);
	sa_touch(sa);
}

static void go_to(struct ike_sa *sa, const struct ip_addr *local, const struct ip_addr *remote)
{
	char us[IP_TEXT], peer[IP_TEXT];
	connection_event(sa->c, "MOBIKE: moving, we at %s, the peer at %s",
			 ip_addr_format(local, us), ip_addr_format(remote, peer));
	sa->local.addr = *local;
	sa->remote.addr = *remote;
	update(sa);
}

int v2_update_request(struct ike_sa *sa, struct task *task, struct builder *out)
{
	struct mobility *m = &sa->mobility;
	(void)task;
	if (!m->update || !moves(sa))
		return -ECANCELED;
	m->asked = m->generation;
	m->spread = false;
	random_fill(sa->e, m->cookie, sizeof m->cookie);
	builder_notify(out, NOTIFY_UPDATE_SA_ADDRESSES, (struct bytes){NULL, 0});
	add_nat_hashes(sa, &sa->c->cfg, out);
	forbid_nat(sa, out);
	builder_notify(out, NOTIFY_COOKIE2, (struct bytes){m->cookie, sizeof m->cookie});
	if (!add_addresses(sa, out))
		builder_notify(out, NOTIFY_NO_ADDITIONAL_ADDRESSES, (struct bytes){NULL, 0});
	return 0;
}

static bool cookie_is_back(const struct mobility *m, const struct ike_message *in)
{
	const struct ike_notify *n = ike_message_notify(in, NOTIFY_COOKIE2);
	return n && secret_equal(m->cookie, sizeof m->cookie, n->body.at, n->body.len);
}

/* The peer does not want us there: back to where we were, or it is over. */
static void refused(struct ike_sa *sa, uint16_t type)
{
	struct mobility *m = &sa->mobility;
	struct connection *c = sa->c;
	char name[32], us[ENDPOINT_TEXT];
	struct fault f;
	sa->e->counters[IKE_COUNT_MOVES_REFUSED]++;
	fault_set(&f, -EACCES, "the peer answered %s to our move to %s", notify_name(type, name),
		  ip_endpoint_format(&sa->local, us));
	fault_advise(&f, "see what the peer allows; a NAT on the way is refused by "
			 "mobike: withoutNat");
	connection_blame(c, &f);
	connection_event(c, "%.150s", f.text);
	if (is_own(sa->e, &m->local.addr)) {
		sa->local = m->local;
		sa->remote = m->remote;
		return;
	}
	sa_delete(sa, f.text);
	connection_failed(c, &f);
}

void v2_update_finish(struct ike_sa *sa, struct task *task, const struct ike_message *in)
{
	struct mobility *m = &sa->mobility;
	const struct ike_notify *error = ike_message_error(in);
	struct fault f;
	if (!moves(sa))
		return;
	/* moved again while the answer was on its way, or the peer may have followed another path
	 */
	if (m->asked != m->generation || m->spread) {
		task->again = true;
		return;
	}
	m->update = false;
	if (error) {
		refused(sa, error->type);
		return;
	}
	if (!cookie_is_back(m, in)) {
		fault_set(&f, -EPROTO,
			  "the peer's answer to UPDATE_SA_ADDRESSES has no or "
			  "another COOKIE2 than ours");
		sa_lost(sa, &f);
		return;
	}
	detect_nat(sa, in, &sa->local, &sa->remote);
	sa->encapsulate |= sa->c->cfg.always_encapsulate;
	m->has_seen = false;
	mobike_probed(sa, in);
	move_children(sa);
	tell_of_move(sa);
}

/* ---- NAT that maps anew (section 3.8) ---- */

void mobike_probe(struct ike_sa *sa, struct builder *out)
{
	if (moves(sa) && sa->began && sa->nat_local)
		add_nat_hashes(sa, &sa->c->cfg, out);
}

/* An answer with NAT detection: the peer sees us as before, or elsewhere. */
void mobike_probed(struct ike_sa *sa, const struct ike_message *in)
{
	struct mobility *m = &sa->mobility;
	const struct ike_notify *n = ike_message_notify(in, NOTIFY_NAT_DETECTION_DESTINATION_IP);
	if (!moves(sa) || !sa->began || !n || n->body.len != sizeof m->seen)
		return;
	bool changed = m->has_seen && memcmp(m->seen, n->body.at, sizeof m->seen) != 0;
	memcpy(m->seen, n->body.at, sizeof m->seen);
	m->has_seen = true;
	if (changed && !m->update)
		update(sa);
}

/* ---- responder ---- */

/* Where the message came from and went to becomes where the IKE SA is; ESP waits for the check. */
static void follow(struct ike_sa *sa, const struct ike_message *in)
{
	struct mobility *m = &sa->mobility;
	const struct ike *e = sa->e;
	sa->local = e->arrived_local;
	sa->remote = e->arrived_remote;
	connection_moved(sa->c);
	detect_nat(sa, in, &sa->local, &sa->remote);
	sa->encapsulate |= sa->c->cfg.always_encapsulate;
	m->generation++;
	receive_at(sa);
	if (ip_endpoint_equal(&m->remote, &sa->remote)) { /* it proved that before */
		m->verify = false;
		move_children(sa);
		return;
	}
	m->verify = true;
	ask(sa, EXCHANGE_VERIFY_ADDRESS);
}

static uint16_t why_not(const struct ike_sa *sa, const struct ike_message *in)
{
	const struct ip_endpoint *from = &sa->e->arrived_remote;
	if (sa->began || from->addr.family != sa->remote.addr.family || !from->port)
		return NOTIFY_UNACCEPTABLE_ADDRESSES;
	return mobike_nat_forbidden(sa, in);
}

static void answer_update(struct ike_sa *sa, const struct ike_message *in, struct builder *out)
{
	uint16_t refusal = why_not(sa, in);
	char from[ENDPOINT_TEXT];
	if (refusal) {
		sa->e->counters[IKE_COUNT_MOVES_REFUSED]++;
		connection_event(sa->c, "MOBIKE: the peer's move to %s is refused: %s",
				 ip_endpoint_format(&sa->e->arrived_remote, from),
				 refusal == NOTIFY_UNEXPECTED_NAT_DETECTED
					 ? "a NAT is on the way, which the peer forbids"
					 : "only the initiator may, and within one IP version");
		builder_notify(out, refusal, (struct bytes){NULL, 0});
		return;
	}
	follow(sa, in);
}

/* Whatever of MOBIKE a request of the peer has that deletes nothing. */
void mobike_answer(struct ike_sa *sa, const struct ike_message *in, struct builder *out)
{
	const struct ike_notify *cookie = ike_message_notify(in, NOTIFY_COOKIE2);
	if (!moves(sa))
		return;
	bool told = take_addresses(sa, in);
	if (ike_message_notify(in, NOTIFY_UPDATE_SA_ADDRESSES))
		answer_update(sa, in, out);
	else if (told && sa->began &&
		 !ip_addr_equal(&sa->remote.addr, &sa->e->arrived_remote.addr) &&
		 sa->e->arrived_remote.addr.family == sa->local.addr.family)
		go_to(sa, &sa->local.addr, &sa->e->arrived_remote.addr); /* it left the other one */
	if (ike_message_notify(in, NOTIFY_NAT_DETECTION_SOURCE_IP)) {
		struct ike_sa at = {.e = sa->e,
				    .spi_i = sa->spi_i,
				    .spi_r = sa->spi_r,
				    .local = sa->e->arrived_local,
				    .remote = sa->e->arrived_remote};
		add_nat_hashes(&at, &sa->c->cfg, out);
	}
	if (cookie)
		builder_notify(out, NOTIFY_COOKIE2, cookie->body);
}

/* ---- return routability (section 3.7) ---- */

int v2_verify_request(struct ike_sa *sa, struct task *task, struct builder *out)
{
	struct mobility *m = &sa->mobility;
	(void)task;
	if (!m->verify || !moves(sa))
		return -ECANCELED;
	m->asked = m->generation;
	random_fill(sa->e, m->cookie, sizeof m->cookie);
	builder_notify(out, NOTIFY_COOKIE2, (struct bytes){m->cookie, sizeof m->cookie});
	return 0;
}

void v2_verify_finish(struct ike_sa *sa, struct task *task, const struct ike_message *in)
{
	struct mobility *m = &sa->mobility;
	struct fault f;
	if (!moves(sa) || !m->verify)
		return;
	if (m->asked != m->generation) { /* it moved on; this proves nothing of where it is now */
		task->again = true;
		return;
	}
	m->verify = false;
	if (!cookie_is_back(m, in)) {
		sa->e->counters[IKE_COUNT_MOVES_REFUSED]++;
		fault_set(&f, -EPROTO,
			  "the peer does not prove that it receives where it says it "
			  "moved to: no or another COOKIE2 than ours");
		sa_lost(sa, &f);
		return;
	}
	move_children(sa);
	tell_of_move(sa);
}

/* ---- our own addresses ---- */

int v2_tell_request(struct ike_sa *sa, struct task *task, struct builder *out)
{
	(void)task;
	if (!sa->mobility.tell || !moves(sa))
		return -ECANCELED;
	sa->mobility.tell = false;
	if (!add_addresses(sa, out))
		builder_notify(out, NOTIFY_NO_ADDITIONAL_ADDRESSES, (struct bytes){NULL, 0});
	return 0;
}

void v2_tell_finish(struct ike_sa *sa, struct task *task, const struct ike_message *in)
{
	(void)sa;
	(void)task;
	(void)in;
}

/* The configured one before all others, then the one in use, then any. NULL: there is none. */
static const struct ip_addr *best_own(const struct ike_sa *sa)
{
	const struct ike *e = sa->e;
	if (is_own(e, &sa->c->cfg.local) && sa->c->cfg.local.family == sa->remote.addr.family)
		return &sa->c->cfg.local;
	if (is_own(e, &sa->local.addr))
		return &sa->local.addr;
	for (unsigned i = 0; i < e->n_own; i++)
		if (e->own[i].family == sa->remote.addr.family)
			return &e->own[i];
	return NULL;
}

void mobike_own_changed(struct ike_sa *sa)
{
	if (!moves(sa))
		return;
	const struct ip_addr *best = best_own(sa);
	bool gone = !is_own(sa->e, &sa->local.addr);
	if (!best)
		return; /* the silence that follows is the peer's or ours to find */
	if (sa->began && !ip_addr_equal(best, &sa->local.addr)) {
		const struct ip_addr to = *best, peer = sa->remote.addr;
		receive_at(sa);
		go_to(sa, &to, &peer);
		return;
	}
	if (gone) { /* the responder says from another one where it is (section 3.6) */
		sa->local.addr = *best;
		receive_at(sa);
		if (sa->in_flight)
			sa->window.resend_at_ns = sa->e->now_ns;
	}
	sa->mobility.tell = true;
	ask(sa, EXCHANGE_TELL_ADDRESSES);
	sa_touch(sa);
}

/* ---- a silent path ---- */

#define PATHS_AT_ONCE 4

/* Pair number `i` of our and the peer's addresses; false past the last. */
static bool path_at(const struct ike_sa *sa, unsigned i, struct ip_endpoint *local,
		    struct ip_endpoint *remote)
{
	const struct mobility *m = &sa->mobility;
	unsigned n_local = sa->e->n_own ? sa->e->n_own : 1;
	*local = sa->local;
	*remote = sa->remote;
	if (i >= n_local * (m->n_peers + 1u))
		return false;
	if (sa->e->n_own)
		local->addr = sa->e->own[i % n_local];
	if (i / n_local)
		remote->addr = m->peers[i / n_local - 1];
	return true;
}

/* The request that nobody answers goes out over other pairs too (section 3.10). */
void mobike_test_paths(struct ike_sa *sa)
{
	struct mobility *m = &sa->mobility;
	struct ip_endpoint local, remote;
	if (!moves(sa) || !sa->began || sa->window.sent < 3)
		return;
	for (unsigned n = 0, looked = 0;
	     n < PATHS_AT_ONCE && looked < IKE_MAX_ADDRESSES * (IKE_MAX_ADDRESSES + 1); looked++) {
		if (!path_at(sa, m->path++, &local, &remote)) {
			if (m->path == 1)
				break;
			m->path = 0;
			continue;
		}
		if (local.addr.family != remote.addr.family ||
		    (ip_endpoint_equal(&local, &sa->local) &&
		     ip_endpoint_equal(&remote, &sa->remote)))
			continue;
		m->testing = true;
		m->spread |= sa->tasks->row->id == EXCHANGE_UPDATE_ADDRESSES;
		effects_send(sa->e, sa->connection_id, &local, &remote, sa->window.request);
		n++;
	}
}

/* A new authenticated message. The answer to a test tells which path works. */
void mobike_heard(struct ike_sa *sa, const struct ip_endpoint *local,
		  const struct ip_endpoint *remote)
{
	struct mobility *m = &sa->mobility;
	if (!moves(sa) || !m->testing)
		return;
	if (ip_addr_equal(&local->addr, &sa->local.addr) &&
	    ip_addr_equal(&remote->addr, &sa->remote.addr)) {
		m->testing = false;
		return;
	}
	struct ip_endpoint l, r;
	for (unsigned i = 0; path_at(sa, i, &l, &r); i++) {
		if (!ip_addr_equal(&l.addr, &local->addr) || !ip_addr_equal(&r.addr, &remote->addr))
			continue;
		m->testing = false;
		receive_at(sa);
		go_to(sa, &l.addr, &r.addr);
		return;
	}
}

/* ---- the rest of the engine asks ---- */

/* A rekeyed IKE SA is where the old one was, and asks what that one did not get answered. */
void mobike_succeed(const struct ike_sa *old, struct ike_sa *sa)
{
	struct mobility *m = &sa->mobility;
	if (!old->mobility.on)
		return;
	*m = old->mobility;
	m->has_seen = m->testing = false; /* SPIs are in the hashes */
	sa->local = old->local;
	sa->remote = old->remote;
	sa->nat_local = old->nat_local;
	sa->nat_remote = old->nat_remote;
	sa->encapsulate = old->encapsulate;
	if (m->update)
		ask(sa, EXCHANGE_UPDATE_ADDRESSES);
	if (m->verify)
		ask(sa, EXCHANGE_VERIFY_ADDRESS);
	if (m->tell)
		ask(sa, EXCHANGE_TELL_ADDRESSES);
}

/* A peer that moved begins anew from where it is now. */
bool mobike_at(const struct connection *c, const struct ip_endpoint *local,
	       const struct ip_endpoint *remote)
{
	for (const struct ike_sa *sa = c->sas; sa; sa = sa->next)
		if (sa->mobility.on && sa->state == SA_ESTABLISHED &&
		    ip_addr_equal(&sa->local.addr, &local->addr) &&
		    ip_addr_equal(&sa->remote.addr, &remote->addr))
			return true;
	return false;
}
