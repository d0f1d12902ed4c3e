/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The public calls: each is one step, which begins by noting the time and the list of effects, and
 * ends by sending what became ready, arming timers and freeing what died.
 */
#include "ike/ike_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void fill_defaults(struct ike_options *o)
{
	if (!o->half_open_cookies)
		o->half_open_cookies = LIMIT_HALF_OPEN_COOKIES;
	if (!o->max_half_open)
		o->max_half_open = LIMIT_HALF_OPEN;
	if (!o->max_workers || o->max_workers > IKE_MAX_WORKERS)
		o->max_workers = IKE_MAX_WORKERS;
	if (!o->max_sas)
		o->max_sas = LIMIT_SAS;
	if (!o->retransmit_first_ns)
		o->retransmit_first_ns = LIMIT_RESEND_FIRST_NS;
	if (!o->keepalive_ns)
		o->keepalive_ns = LIMIT_KEEPALIVE_NS;
	if (!o->retransmit_tries)
		o->retransmit_tries = LIMIT_RESEND_TRIES;
}

static int init_tables(struct ike *e)
{
	struct lookup *all[] = {&e->by_spi, &e->by_init, &e->by_child, &e->by_id, &e->by_remote};
	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		if (lookup_init(all[i]))
			return -ENOMEM;
	return 0;
}

int ike_new(struct ike **out, const struct ike_options *options, const struct ike_random *random)
{
	struct ike *e = calloc(1, sizeof *e);
	if (!e)
		return -ENOMEM;
	if (options)
		e->options = *options;
	fill_defaults(&e->options);
	e->next_test_spi = e->options.spi_base;
	e->random = *random;
	ike_effects_init(&e->none);
	e->out = &e->none;
	random_fill(e, e->hash_key, sizeof e->hash_key);
	random_fill(e, e->cookie.key, sizeof e->cookie.key);
	if (init_tables(e)) {
		ike_free(e);
		return -ENOMEM;
	}
	*out = e;
	return 0;
}

void ike_free(struct ike *e)
{
	if (!e)
		return;
	e->out = &e->none;
	while (e->connections)
		connection_free(e->connections);
	while (e->all)
		sa_free(e->all);
	lookup_free(&e->by_spi);
	lookup_free(&e->by_init);
	lookup_free(&e->by_child);
	lookup_free(&e->by_id);
	lookup_free(&e->by_remote);
	timers_free(&e->timers);
	ike_effects_free(&e->none);
	wipe(e, sizeof *e);
	free(e);
}

void random_fill(struct ike *e, void *out, size_t n)
{
	e->random.fill(e->random.owner, out, n);
}

static void begin(struct ike *e, uint64_t now_ns, struct ike_effects *out)
{
	e->now_ns = now_ns;
	e->out = out ? out : &e->none;
}

static void end(struct ike *e)
{
	while (e->touched) {
		struct ike_sa *sa = e->touched;
		e->touched = sa->next_touched;
		sa->next_touched = NULL;
		sa->touched = false;
		if (sa->state == SA_DEAD) {
			sa_free(sa);
			continue;
		}
		window_pump(sa);
		timers_arm_sa(sa);
	}
	clients_reap(e);
	ike_effects_clear(&e->none);
	e->out = &e->none;
}

int ike_add(struct ike *e, const struct ike_connection *c, struct fault *f)
{
	return connection_new(e, c, f);
}

/* Tells the peers and takes everything down; the connection itself stays. */
static void take_down(struct connection *c, const char *why)
{
	struct fault f;
	fault_set(&f, 0, "%s", why);
	c->wanted = false;
	while (c->sas)
		sa_delete(c->sas, why);
	while (c->children)
		child_remove(c->children);
	connection_settle(c, &f);
}

/* Conversations that borrow from a template end where they are. */
static void drop_conversations(struct connection *template)
{
	for (struct ike_sa *sa = template->e->all; sa; sa = sa->next_all)
		if (sa->handshake && eap_is_by(sa->handshake->eap, template))
			sa_set_state(sa, SA_DEAD, "its template changes");
}

int ike_change(struct ike *e, const struct ike_connection *cfg, uint64_t now_ns,
	       struct ike_effects *out, struct fault *f)
{
	struct connection *c = connection_by_id(e, cfg->id);
	int err = c ? ike_check(cfg, f) : -ENOENT;
	if (err)
		return err;
	if (!cfg->clients || !c->cfg.clients || !ip_addr_equal(&cfg->local, &c->cfg.local))
		return fault_set(f, -EINVAL, "expected a template at the same address");
	begin(e, now_ns, out);
	drop_conversations(c);
	secret_wipe(&c->cfg.psk);
	secret_wipe(&c->cfg.ppk);
	c->cfg = *cfg;
	c->cfg.name = c->name;
	for (struct connection *x = e->connections; x; x = x->next) {
		if (x->template != c)
			continue;
		x->cfg.credential = cfg->credential;
		x->cfg.trust = cfg->trust;
	}
	end(e);
	return 0;
}

void ike_remove(struct ike *e, uint32_t connection, uint64_t now_ns, struct ike_effects *out)
{
	begin(e, now_ns, out);
	struct connection *c = connection_by_id(e, connection);
	if (c) {
		static const char why[] = "connection removed from the configuration";
		if (c->cfg.clients)
			drop_conversations(c);
		clients_leave(c, take_down, why);
		take_down(c, why);
		if (c->template)
			client_unused(c);
		else
			connection_free(c);
	}
	end(e);
}

/* Wanted from now on, or still. */
static void begin_connection(struct connection *c)
{
	struct fault none = {0};
	c->retry_at_ns = c->e->now_ns; /* also when an attempt waits for its turn */
	c->failures = 0;
	if (c->is_up || c->stands_by || c->cfg.start == IKE_START_RESPOND ||
	    c->cfg.remote.family == IP_NONE)
		c->retry_at_ns = INSTANT_NEVER;
	else
		connection_initiate(c);
	connection_settle(c, &none);
}

int ike_up(struct ike *e, uint32_t connection, uint64_t now_ns, struct ike_effects *out)
{
	struct connection *c = connection_by_id(e, connection);
	if (!c)
		return -ENOENT;
	begin(e, now_ns, out);
	c->refused = false;
	c->wanted = true;
	begin_connection(c);
	end(e);
	return 0;
}

int ike_down(struct ike *e, uint32_t connection, uint64_t now_ns, struct ike_effects *out)
{
	struct connection *c = connection_by_id(e, connection);
	if (!c)
		return -ENOENT;
	begin(e, now_ns, out);
	take_down(c, "taken down by the administrator");
	c->refused = true;
	end(e);
	return 0;
}

/* Without a word to the peer. */
static void forget_sa(struct ike_sa *sa, const char *why)
{
	children_drop(sa);
	sa_set_state(sa, SA_DEAD, why);
}

static void forget_all(struct connection *c, const struct fault *why)
{
	c->stands_by = !c->template;
	c->retry_at_ns = INSTANT_NEVER;
	while (c->sas)
		forget_sa(c->sas, why->text);
	while (c->children)
		child_remove(c->children);
	connection_settle(c, why);
}

void ike_stand_by(struct ike *e, const struct ip_addr *local, const char *why, uint64_t now_ns,
		  struct ike_effects *out)
{
	struct fault f = {0};
	fault_set(&f, 0, "%s", why);
	begin(e, now_ns, out);
	for (struct connection *c = e->connections; c; c = c->next)
		if (ip_addr_equal(&c->cfg.local, local) && !c->stands_by)
			forget_all(c, &f);
	/* handshakes that are nobody's yet, and SAs whose peers were still to be told */
	for (struct ike_sa *sa = e->all; sa; sa = sa->next_all)
		if (ip_addr_equal(&sa->local.addr, local) && sa->state != SA_DEAD)
			forget_sa(sa, why);
	end(e);
}

int ike_take_over(struct ike *e, uint32_t connection, uint64_t now_ns, struct ike_effects *out)
{
	struct connection *c = connection_by_id(e, connection);
	if (!c)
		return -ENOENT;
	if (!c->stands_by)
		return 0;
	begin(e, now_ns, out);
	c->stands_by = false;
	connection_event(c, "this host has taken over");
	if (c->wanted)
		begin_connection(c);
	end(e);
	return 1;
}

int ike_rekey(struct ike *e, uint32_t connection, uint64_t now_ns, struct ike_effects *out)
{
	struct connection *c = connection_by_id(e, connection);
	if (!c)
		return -ENOENT;
	begin(e, now_ns, out);
	int r = -ENOTCONN;
	for (struct child *child = c->children; child; child = child->next) {
		if (!child->sa || child->sa->state != SA_ESTABLISHED ||
		    child->state == CHILD_DELETING || child->replaced_by)
			continue;
		task_add(child->sa, EXCHANGE_REKEY_CHILD, child->plain.spi_in);
		r = 0;
	}
	for (struct ike_sa *sa = c->sas; sa; sa = sa->next) {
		if (sa->state != SA_ESTABLISHED)
			continue;
		task_add(sa, EXCHANGE_REKEY_IKE, 0);
		r = 0;
	}
	end(e);
	return r;
}

int ike_reauthenticate(struct ike *e, uint32_t connection, uint64_t now_ns, struct ike_effects *out)
{
	struct connection *c = connection_by_id(e, connection);
	if (!c)
		return -ENOENT;
	begin(e, now_ns, out);
	int r = -ENOTCONN;
	for (struct ike_sa *sa = c->sas; sa && r; sa = sa->next)
		if (!sa->v1 && sa->state == SA_ESTABLISHED)
			r = reauth_due(sa);
	end(e);
	return r;
}

void ike_shutdown(struct ike *e, uint64_t now_ns, struct ike_effects *out)
{
	begin(e, now_ns, out);
	/* there is no time to wait for an answer; most peers have the request already */
	for (struct ike_sa *sa = e->all; sa; sa = sa->next_all)
		window_abandon(sa);
	for (struct connection *c = e->connections; c; c = c->next) {
		take_down(c, "the gateway shuts down");
		c->refused = true;
	}
	end(e);
	begin(e, now_ns, out);
	for (struct ike_sa *sa = e->all; sa; sa = sa->next_all)
		sa_set_state(sa, SA_DEAD, "the gateway shuts down");
	end(e);
}

void ike_child_expiring(struct ike *e, uint32_t spi_in, uint64_t now_ns, struct ike_effects *out)
{
	begin(e, now_ns, out);
	struct child *child = child_by_spi(e, spi_in);
	if (child && child->sa && child->state == CHILD_STANDBY && child->alive)
		child_use(child); /* as is due: what nobody uses is not rekeyed */
	if (child && child->sa && child->sa->state == SA_ESTABLISHED && !child->replaced_by &&
	    child->state != CHILD_DELETING)
		task_add(child->sa, EXCHANGE_REKEY_CHILD, spi_in);
	end(e);
}

void ike_child_alive(struct ike *e, uint32_t spi_in, uint64_t now_ns)
{
	struct child *child = child_by_spi(e, spi_in);
	if (!child || !child->sa)
		return;
	begin(e, now_ns, NULL);
	child->sa->heard_ns = now_ns;
	sa_touch(child->sa);
	/* the switch of outbound needs effects: it is due at once, ike_expire carries it out */
	child->alive = child->state == CHILD_STANDBY &&
		       (child->sa->v1 ? !child->used && !child->replaced_by : !child->is_ours);
	timers_arm_connection(child->c);
	end(e);
}

void ike_child_moved(struct ike *e, uint32_t spi_in, const struct ip_endpoint *remote,
		     uint64_t now_ns, struct ike_effects *out)
{
	begin(e, now_ns, out);
	struct child *child = child_by_spi(e, spi_in);
	if (child && child->sa)
		sa_peer_moved(child->sa, remote);
	end(e);
}

void ike_addresses(struct ike *e, const struct ip_addr *own, unsigned n, uint64_t now_ns,
		   struct ike_effects *out)
{
	if (n > IKE_MAX_ADDRESSES)
		n = IKE_MAX_ADDRESSES;
	bool same = n == e->n_own;
	for (unsigned i = 0; same && i < n; i++)
		same = ip_addr_equal(&own[i], &e->own[i]);
	if (same)
		return;
	begin(e, now_ns, out);
	memcpy(e->own, own, n * sizeof *own);
	e->n_own = (uint8_t)n;
	for (struct ike_sa *sa = e->all; sa; sa = sa->next_all)
		mobike_own_changed(sa);
	end(e);
}

uint64_t ike_next_deadline(const struct ike *e)
{
	return timers_next(&e->timers);
}

void ike_expire(struct ike *e, uint64_t now_ns, struct ike_effects *out)
{
	begin(e, now_ns, out);
	while (timers_run(e))
		;
	end(e);
}

void ike_receive(struct ike *e, const struct ip_endpoint *local, const struct ip_endpoint *remote,
		 struct bytes datagram, uint64_t now_ns, struct ike_effects *out)
{
	begin(e, now_ns, out);
	e->counters[IKE_COUNT_RECEIVED]++;
	receive(e, local, remote, datagram);
	end(e);
}

uint64_t ike_count(const struct ike *e, enum ike_counter c)
{
	return c < IKE_COUNTERS ? e->counters[c] : 0;
}
