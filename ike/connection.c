/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A connection as the engine keeps it: whether it is wanted, whether it is up, when to try again,
 * and what happened to it.
 */
#include "ike/ike_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct connection *connection_by_id(const struct ike *e, uint32_t id)
{
	struct lookup_entry *x = lookup_first(&e->by_id, lookup_hash(e->hash_key, &id, sizeof id));
	for (; x; x = lookup_next(x)) {
		struct connection *c = container_of(x, struct connection, by_id);
		if (c->cfg.id == id)
			return c;
	}
	return NULL;
}

/* ---- by the peer's address ---- */

static uint64_t remote_hash(const struct ike *e, const struct ip_addr *remote)
{
	uint8_t key[1 + sizeof remote->b] = {remote->family};
	if (remote->family != IP_NONE)
		memcpy(key + 1, remote->b, remote->family == IP_V4 ? 4 : 16);
	return lookup_hash(e->hash_key, key, sizeof key);
}

/* The first connection of exactly this address, or of any for IP_NONE. */
static struct connection *first_of(const struct ike *e, const struct ip_addr *remote)
{
	struct lookup_entry *x = lookup_first(&e->by_remote, remote_hash(e, remote));
	for (; x; x = lookup_next(x)) {
		struct connection *c = container_of(x, struct connection, by_remote);
		if (c->cfg.remote.family == remote->family &&
		    (remote->family == IP_NONE || ip_addr_equal(&c->cfg.remote, remote)))
			return c;
	}
	return NULL;
}

static bool is_at(const struct connection *c, const struct ip_addr *remote)
{
	return c->cfg.remote.family == remote->family && ip_addr_equal(&c->cfg.remote, remote);
}

struct connection *connection_candidate(const struct ike *e, const struct ip_addr *remote,
					const struct connection *after)
{
	static const struct ip_addr any = {.family = IP_NONE};
	bool exact = after && is_at(after, remote);
	struct connection *c = after ? after->next_same : first_of(e, remote);
	if (after && after->cfg.remote.family == IP_NONE)
		return c;
	if (c && (!after || exact))
		return c;
	c = after && !exact ? after->next_moved : e->moved;
	while (c && is_at(c, remote))
		c = c->next_moved;
	return c ? c : first_of(e, &any);
}

void connection_moved(struct connection *c)
{
	if (c->has_moved || c->template || c->cfg.remote.family == IP_NONE)
		return;
	c->has_moved = true;
	c->next_moved = c->e->moved;
	c->e->moved = c;
}

static void forget_move(const struct connection *c)
{
	struct connection **at = &c->e->moved;
	while (c->has_moved && *at && *at != c)
		at = &(*at)->next_moved;
	if (c->has_moved && *at)
		*at = c->next_moved;
}

static void index_remote(struct connection *c)
{
	struct connection *first = first_of(c->e, &c->cfg.remote);
	if (first) {
		c->prev_same = first->last_same;
		first->last_same->next_same = c;
		first->last_same = c;
		return;
	}
	c->last_same = c;
	lookup_add(&c->e->by_remote, &c->by_remote, remote_hash(c->e, &c->cfg.remote));
}

static void unindex_remote(struct connection *c)
{
	struct connection *first = first_of(c->e, &c->cfg.remote);
	if (first != c) {
		c->prev_same->next_same = c->next_same;
		*(c->next_same ? &c->next_same->prev_same : &first->last_same) = c->prev_same;
		return;
	}
	lookup_remove(&c->e->by_remote, &c->by_remote);
	if (!c->next_same)
		return;
	c->next_same->last_same = c->last_same;
	c->next_same->prev_same = NULL;
	lookup_add(&c->e->by_remote, &c->next_same->by_remote, remote_hash(c->e, &c->cfg.remote));
}

int ike_check(const struct ike_connection *cfg, struct fault *f)
{
	if (!cfg->n_ike || cfg->n_ike > IKE_MAX_PROPOSALS || !cfg->n_child ||
	    cfg->n_child > IKE_MAX_PROPOSALS)
		return fault_set(f, -EINVAL,
				 "expected 1 to %d IKE and child proposals, came %d and %d",
				 IKE_MAX_PROPOSALS, cfg->n_ike, cfg->n_child);
	if (!cfg->n_local_ts || cfg->n_local_ts > CHILD_SA_MAX_TS || !cfg->n_remote_ts ||
	    cfg->n_remote_ts > CHILD_SA_MAX_TS)
		return fault_set(f, -EINVAL,
				 "expected 1 to %d traffic selectors on each side, came %d and %d",
				 CHILD_SA_MAX_TS, cfg->n_local_ts, cfg->n_remote_ts);
	if (cfg->remote.family == IP_NONE && cfg->start == IKE_START_INITIATE)
		return fault_set(f, -EINVAL,
				 "expected a remote address to initiate to, came \"any\"");
	if (cfg->local.family == IP_NONE)
		return fault_set(f, -EINVAL, "expected a local address, came none");
	if (cfg->clients && (!connection_has_certificates(cfg) || cfg->remote.family != IP_NONE))
		return fault_set(f, -EINVAL,
				 "expected a certificate and clients at any address, came others");
	if (!cfg->clients && connection_has_certificates(cfg) != (cfg->trust != NULL))
		return fault_set(f, -EINVAL,
				 "expected a certificate and authorities for the peer's, came one "
				 "without the other");
	if (cfg->ikev1 && connection_has_certificates(cfg) &&
	    credential_key_kind(cfg->credential) != KEY_RSA)
		return fault_set(f, -EINVAL,
				 "expected an RSA key, by which IKEv1 signs, came another");
	if (!connection_has_certificates(cfg) && !cfg->psk.len)
		return fault_set(f, -EINVAL, "expected a pre-shared key, came an empty one");
	if (!cfg->ppk.len != !cfg->ppk_id_len || cfg->ppk_id_len > sizeof cfg->ppk_id ||
	    (cfg->require_ppk && !cfg->ppk.len))
		return fault_set(f, -EINVAL,
				 "expected a post-quantum key and its id, came one without the "
				 "other");
	if (cfg->fragment_mtu && cfg->fragment_mtu < LIMIT_FRAGMENT_MTU_LEAST)
		return fault_set(f, -EINVAL,
				 "expected IP packets of at least %d bytes for IKE, came %u",
				 LIMIT_FRAGMENT_MTU_LEAST, cfg->fragment_mtu);
	if (identity_is_pattern(&cfg->local_id))
		return fault_set(f, -EINVAL,
				 "expected an identity of our own, came \"any\" or a pattern");
	return 0;
}

int connection_new(struct ike *e, const struct ike_connection *cfg, struct fault *f)
{
	int r = ike_check(cfg, f);
	if (r)
		return r;
	struct connection *made;
	if (connection_has_certificates(cfg) && !e->options.wall_seconds)
		return fault_set(f, -EINVAL, "expected a wall clock for certificates, came none");
	return connection_make(e, cfg, NULL, &made, f);
}

int connection_make(struct ike *e, const struct ike_connection *cfg, struct connection *template,
		    struct connection **out, struct fault *f)
{
	if (connection_by_id(e, cfg->id))
		return fault_set(f, -EEXIST, "connection id %u is taken", cfg->id);
	struct connection *c = calloc(1, sizeof *c);
	char *name = strdup(cfg->name ? cfg->name : "?");
	if (!c || !name || timers_register(&e->timers, &c->timer, TIMER_CONNECTION)) {
		free(c);
		free(name);
		return fault_set(f, -ENOMEM, "no memory for connection \"%s\"", cfg->name);
	}
	c->cfg = *cfg;
	c->cfg.name = c->name = name;
	c->e = e;
	c->template = template;
	c->stands_by = cfg->stands_by && !template;
	c->retry_at_ns = INSTANT_NEVER;
	lookup_add(&e->by_id, &c->by_id, lookup_hash(e->hash_key, &cfg->id, sizeof cfg->id));
	index_remote(c);
	c->prev = e->last_connection;
	*(c->prev ? &c->prev->next : &e->connections) = c;
	e->last_connection = c;
	*out = c;
	return 0;
}

void connection_free(struct connection *c)
{
	struct ike *e = c->e;
	while (c->sas) {
		struct ike_sa *sa = c->sas;
		children_drop(sa);
		sa_detach(sa);
	}
	while (c->children)
		child_remove(c->children);
	timers_unregister(&e->timers, &c->timer);
	lookup_remove(&e->by_id, &c->by_id);
	unindex_remote(c);
	forget_move(c);
	*(c->prev ? &c->prev->next : &e->connections) = c->next;
	*(c->next ? &c->next->prev : &e->last_connection) = c->prev;
	free(c->name);
	wipe(c, sizeof *c);
	free(c);
}

/* ---- what happened ---- */

static void remember(struct connection *c, const char *text)
{
	unsigned slot = (c->first_event + c->n_events) % IKE_EVENTS;
	if (c->n_events == IKE_EVENTS)
		c->first_event = (c->first_event + 1) % IKE_EVENTS;
	else
		c->n_events++;
	c->events[slot].at_ns = c->e->now_ns;
	snprintf(c->events[slot].text, sizeof c->events[slot].text, "%s", text);
}

void connection_event(struct connection *c, const char *format, ...)
{
	struct fault f = {0};
	va_list ap;
	va_start(ap, format);
	vsnprintf(f.text, sizeof f.text, format, ap);
	va_end(ap);
	remember(c, f.text);
	log_info(LOG_IKE, "ike-event connection=%s: %s", c->name, f.text);
	effects_fault(c->e, IKE_EVENT, c->cfg.id, &f);
}

/* What is wrong right now; the attempt goes on. */
void connection_blame(struct connection *c, const struct fault *f)
{
	c->last_error = *f;
	c->last_error_ns = c->e->now_ns;
}

/* An attempt came to nothing. */
void connection_failed(struct connection *c, const struct fault *f)
{
	char line[FAULT_TEXT];
	connection_blame(c, f);
	remember(c, f->text);
	log_warn(LOG_IKE, "ike-failed connection=%s: %s", c->name, fault_format(f, line));
	effects_fault(c->e, IKE_FAILED, c->cfg.id, f);
	c->failures++;
	redirect_forget(c);
	connection_settle(c, f);
}

static void set_state(struct connection *c)
{
	enum ike_state state = IKE_STATE_IDLE;
	if (c->is_up)
		state = IKE_STATE_ESTABLISHED;
	else if (c->sas || (c->wanted && !c->stands_by && c->cfg.start != IKE_START_RESPOND))
		state = IKE_STATE_CONNECTING;
	if (state == c->state)
		return;
	c->state = state;
	c->since_ns = c->e->now_ns;
}

/* An SA of the connection that may still bring it up (or has). */
static bool in_progress(const struct connection *c)
{
	for (const struct ike_sa *sa = c->sas; sa; sa = sa->next)
		if (sa->state == SA_HALF_OPEN || sa->state == SA_AUTHENTICATING ||
		    sa->state == SA_ESTABLISHED)
			return true;
	return false;
}

static void went_up(struct connection *c)
{
	c->is_up = true;
	c->failures = 0;
	c->last_error.code = 0;
	c->retry_at_ns = INSTANT_NEVER;
	remember(c, "established");
	log_info(LOG_IKE, "ike-up connection=%s", c->name);
	effects_fault(c->e, IKE_UP, c->cfg.id, NULL);
}

static void went_down(struct connection *c, const struct fault *why)
{
	char line[FAULT_TEXT];
	c->is_up = false;
	redirect_forget(c);
	remember(c, why->text);
	log_info(LOG_IKE, "ike-down connection=%s: %s", c->name, fault_format(why, line));
	effects_fault(c->e, IKE_DOWN, c->cfg.id, why);
	if (why->code)
		connection_blame(c, why);
}

/* The traffic went with one IKE SA (a duplicate, say), and another one that has no child stays: it
 * gets one, or its time. */
static void revive(struct connection *c)
{
	for (struct ike_sa *sa = c->sas; sa && !c->refused; sa = sa->next)
		if (!sa->v1)
			v2_without_child(sa);
}

/*
 * Puts a connection's state in order after anything happened to its SAs: outbound traffic on a
 * child that works, up or down said once, the next attempt planned. `why` is told when it went
 * down.
 */
void connection_settle(struct connection *c, const struct fault *why)
{
	if (!c->current) {
		struct child *child = connection_usable_child(c);
		if (child)
			child_use(child);
	}
	if (c->current && !c->is_up) {
		went_up(c);
	} else if (!connection_has_outbound(c) && c->is_up) {
		went_down(c, why);
		revive(c);
	}
	if (c->is_up || in_progress(c) || !c->wanted || c->stands_by ||
	    c->cfg.start == IKE_START_RESPOND || c->cfg.remote.family == IP_NONE)
		c->retry_at_ns = INSTANT_NEVER;
	else if (c->retry_at_ns == INSTANT_NEVER)
		timers_attempt_failed(c);
	set_state(c);
	timers_arm_connection(c);
}

/* ---- who may talk to us ---- */

/* How well a connection fits a pair of addresses: 0 not at all, 1 by "any", 2 by its remote
 * address. */
static unsigned fits(const struct connection *c, const struct ip_endpoint *local,
		     const struct ip_endpoint *remote)
{
	if (c->refused || c->stands_by || c->template)
		return 0;
	if (mobike_at(c, local, remote))
		return 2;
	if (!ip_addr_equal(&c->cfg.local, &local->addr))
		return 0;
	if (c->cfg.remote.family == IP_NONE)
		return 1;
	return ip_addr_equal(&c->cfg.remote, &remote->addr) ? 2 : 0;
}

unsigned connection_fits(const struct connection *c, const struct ip_endpoint *local,
			 const struct ip_endpoint *remote)
{
	return c->cfg.ikev1 ? 0 : fits(c, local, remote);
}

unsigned connection_fits_v1(const struct connection *c, const struct ip_endpoint *local,
			    const struct ip_endpoint *remote)
{
	return c->cfg.ikev1 ? fits(c, local, remote) : 0;
}

/* The next attempt, unless there is no need for one. An established IKE SA without a child gets
 * one. */
void connection_initiate(struct connection *c)
{
	if (c->refused || c->stands_by || !c->wanted || c->is_up)
		return;
	for (struct ike_sa *sa = c->sas; sa; sa = sa->next) {
		if (sa->state == SA_ESTABLISHED)
			task_add(sa, EXCHANGE_NEW_CHILD, 0);
	}
	if (in_progress(c))
		return;
	if (c->cfg.ikev1)
		v1_start(c);
	else
		v2_sa_init_start(c);
	set_state(c);
}
