/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What another configuration means for IKE, connection by connection: who sees the same as before
 * is not touched; who does not begins anew; clients stay who may.
 */
#include "loader/ike_host_internal.h"

#include "base/log.h"
#include "loader/clock.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct ike_host_changes {
	uint32_t *gateway_was, *connection_was; /* former indices, MODEL_NONE: new */
	enum clients_fate *fate;		/* by gateway */
	bool *by_ike, *was_by_ike;		/* by gateway: whether its clients come by IKE */
	uint32_t *gone;				/* ids of connections */
	uint32_t *replaced, *added, *rekeyed;	/* indices in the new plan */
	uint32_t n_gone, n_replaced, n_added, n_rekeyed;
	struct ike_host_counts counts;
	/* the new ones; after ike_host_follow() those of before */
	struct credentials *credentials;
	struct clients *clients;
	bool followed;
	const struct plan *plan;
};

static int no_memory(struct fault *f)
{
	return fault_set(f, -ENOMEM, "not enough memory to compare the configurations");
}

/* ---- in a thread of its own ---- */

struct comparing {
	struct ike_host_changes *c;
	const struct ike_host *h;
	const struct model *m, *was;
	const struct plan *p, *had;
	const bool *changed;		      /* by VNet; NULL: any may be */
	struct ike_connection *mine, *theirs; /* room */
	struct fault *f;
};

static void find_former(struct comparing *k)
{
	for (uint32_t i = 0; i < k->p->n_gateways; i++)
		k->c->gateway_was[i] = plan_gateway_index(k->had, k->p->gateways[i].slot);
	for (uint32_t i = 0; i < k->p->n_connections; i++) {
		const struct plan_connection *pc = plan_connection(k->had, k->p->connections[i].id);
		k->c->connection_was[i] = pc ? pc->model : MODEL_NONE;
	}
}

/* Of children that are made from now on, so that rekeying brings it. */
static bool same_outer(const struct model_connection *a, const struct model_connection *b)
{
	return a->dscp_copy == b->dscp_copy && a->dscp == b->dscp &&
	       a->dont_fragment == b->dont_fragment;
}

/* Nothing that the configuration says of it, and nothing that is known beside that: the address of
 * a site by name, or certificates. */
static bool is_unchanged(const struct comparing *k, const struct plan_connection *pc)
{
	const struct model_connection *c = &k->m->connections[pc->model];
	return k->changed && !k->changed[k->m->gateways[c->gateway].vnet] && !c->by_certificate &&
	       (c->site == MODEL_NONE || !k->m->sites[c->site].fqdn);
}

static int compare_connection(struct comparing *k, uint32_t i)
{
	struct ike_host_changes *c = k->c;
	const struct plan_connection *pc = &k->p->connections[i];
	const struct plan_connection *old = plan_connection(k->had, pc->id);
	if (old && is_unchanged(k, pc))
		return 0;
	int err = ike_host_translate(k->mine, k->m, pc, k->f);
	if (err)
		return err;
	credentials_give(c->credentials, k->m, pc->model, k->mine);
	err = ike_check(k->mine, k->f);
	if (err)
		return fault_prefix(k->f, "connection '%s'", k->mine->name);
	if (!old) {
		c->added[c->n_added++] = i;
		return 0;
	}
	err = ike_host_translate(k->theirs, k->was, old, k->f);
	if (err)
		return err;
	if (k->mine->credential) /* the name of the certificate counts */
		credential_adopt_identity(k->mine->credential, &k->theirs->local_id);
	if (!credentials_kept(c->credentials, i) || !ike_host_same(k->mine, k->theirs))
		c->replaced[c->n_replaced++] = i;
	else if (!same_outer(&k->m->connections[pc->model], &k->was->connections[old->model]))
		c->rekeyed[c->n_rekeyed++] = i;
	return 0;
}

static int compare_connections(struct comparing *k)
{
	int err = 0;
	for (uint32_t i = 0; !err && i < k->p->n_connections; i++)
		err = compare_connection(k, i);
	for (uint32_t i = 0; !err && i < k->had->n_connections; i++) {
		uint32_t id = k->had->connections[i].id;
		if (!plan_connection(k->p, id))
			k->c->gone[k->c->n_gone++] = id;
	}
	secret_wipe(&k->mine->psk);
	secret_wipe(&k->mine->ppk);
	secret_wipe(&k->theirs->psk);
	secret_wipe(&k->theirs->ppk);
	k->c->counts = (struct ike_host_counts){.added = k->c->n_added,
						.removed = k->c->n_gone,
						.changed = k->c->n_replaced + k->c->n_rekeyed,
						.kept = k->p->n_connections - k->c->n_added -
							k->c->n_replaced - k->c->n_rekeyed};
	return err;
}

/* Clients may come by IKE. */
static bool by_ike(const struct model *m, uint32_t gateway)
{
	return m->gateways[gateway].clients.n_pool && m->gateways[gateway].clients.ike;
}

static int compare_clients(struct comparing *k, uint32_t i)
{
	struct ike_host_changes *c = k->c;
	uint32_t was = c->gateway_was[i];
	c->fate[i] = clients_compare(c->clients, i, k->h->clients, was);
	c->by_ike[i] = by_ike(k->m, i);
	c->was_by_ike[i] = was != MODEL_NONE && by_ike(k->was, was);
	if (c->fate[i] != CLIENTS_SAME && c->fate[i] != CLIENTS_CHANGED)
		return 0;
	int err = ike_host_translate_clients(k->mine, k->m, i, k->p->gateways[i].slot, k->f);
	if (!err)
		err = ike_host_translate_clients(k->theirs, k->was, was, k->had->gateways[was].slot,
						 k->f);
	if (err)
		return err;
	if (!ip_addr_equal(&k->mine->local, &k->theirs->local))
		c->fate[i] = CLIENTS_REPLACED;
	else if (!ike_host_same(k->mine, k->theirs) || !credentials_kept_gateway(c->credentials, i))
		c->fate[i] = CLIENTS_CHANGED;
	return 0;
}

static int compare(struct comparing *k)
{
	struct ike_host_changes *c = k->c;
	find_former(k);
	int err = credentials_new(&c->credentials, k->m, NULL, k->f);
	if (err)
		return err;
	credentials_adopt(c->credentials, k->m, k->h->credentials, k->was, c->gateway_was,
			  c->connection_was);
	err = clients_new(&c->clients, k->m, k->p, c->credentials, NULL, k->f);
	if (!err)
		err = compare_connections(k);
	for (uint32_t i = 0; !err && i < k->p->n_gateways; i++)
		err = compare_clients(k, i);
	return err;
}

static bool make_room(struct comparing *k)
{
	struct ike_host_changes *c = k->c;
	size_t n = k->p->n_connections + 1u, m = k->had->n_connections + 1u,
	       g = k->p->n_gateways + 1u;
	c->gateway_was = calloc(g, sizeof *c->gateway_was);
	c->fate = calloc(g, sizeof *c->fate);
	c->by_ike = calloc(g, sizeof *c->by_ike);
	c->was_by_ike = calloc(g, sizeof *c->was_by_ike);
	c->connection_was = calloc(n, sizeof *c->connection_was);
	c->gone = calloc(m, sizeof *c->gone);
	c->replaced = calloc(n, sizeof *c->replaced);
	c->added = calloc(n, sizeof *c->added);
	c->rekeyed = calloc(n, sizeof *c->rekeyed);
	k->mine = calloc(1, sizeof *k->mine);
	k->theirs = calloc(1, sizeof *k->theirs);
	return c->gateway_was && c->fate && c->by_ike && c->was_by_ike && c->connection_was &&
	       c->gone && c->replaced && c->added && c->rekeyed && k->mine && k->theirs;
}

int ike_host_compare(struct ike_host_changes **out, const struct ike_host *h, const struct model *m,
		     const struct plan *p, const bool *changed, struct fault *f)
{
	struct comparing k = {.c = calloc(1, sizeof *k.c),
			      .h = h,
			      .m = m,
			      .was = h->o.model,
			      .p = p,
			      .had = h->o.plan,
			      .changed = changed,
			      .f = f};
	*out = k.c;
	if (!k.c)
		return no_memory(f);
	k.c->plan = p;
	int err = make_room(&k) ? compare(&k) : no_memory(f);
	free(k.mine);
	free(k.theirs);
	return err;
}

struct ike_host_counts ike_host_counts(const struct ike_host_changes *c)
{
	return c->counts;
}

struct clients_change ike_host_clients_change(const struct ike_host_changes *c,
					      const struct model *m)
{
	return (struct clients_change){m, c->clients, c->fate, c->gateway_was};
}

/* ---- on the loop ---- */

int ike_host_prepare(struct ike_host *h, const struct model *m, struct fault *f)
{
	return ike_sockets_open(h, m, f);
}

static void drop(struct ike_host *h, uint32_t id)
{
	ike_remove(h->engine, id, clock_now_ns(), &h->effects);
	ike_host_settle(h);
}

struct login {
	const struct ike_host *h;
	struct ike_status status;
};

static const char *method(void *owner, uint32_t connection, const char **user)
{
	struct login *l = owner;
	if (ike_status(l->h->engine, connection, &l->status))
		return "";
	*user = l->status.user;
	return l->status.method;
}

static void cut_off(struct ike_host *h, const struct ike_host_changes *c, uint32_t gateway)
{
	struct login *l = calloc(1, sizeof *l);
	if (!l) { /* nobody may stay for that */
		log_error(LOG_IKE, "no-memory: all clients of '%s' begin anew",
			  h->o.model->gateways[c->gateway_was[gateway]].name);
		drop(h, PLAN_FIRST_TEMPLATE + c->plan->gateways[gateway].slot);
		return;
	}
	l->h = h;
	for (uint32_t id = 0;
	     (id = clients_cut_off(c->clients, gateway, h->clients, c->gateway_was[gateway], id,
				   false, method, l));) {
		log_info(LOG_IKE, "client-cut-off name=%s", ike_host_name(h, id));
		drop(h, id);
	}
	free(l);
}

static void withdraw_clients(struct ike_host *h, const struct ike_host_changes *c)
{
	const struct plan *had = h->o.plan;
	for (uint32_t i = 0; i < had->n_gateways; i++) {
		uint32_t now = plan_gateway_index(c->plan, had->gateways[i].slot);
		enum clients_fate fate = now == MODEL_NONE ? CLIENTS_GONE : c->fate[now];
		if (!h->o.model->gateways[i].clients.n_pool)
			continue;
		bool stays = fate == CLIENTS_SAME || fate == CLIENTS_CHANGED;
		if (by_ike(h->o.model, i) && !(stays && c->by_ike[now]))
			drop(h, PLAN_FIRST_TEMPLATE + had->gateways[i].slot);
		else if (by_ike(h->o.model, i) && fate == CLIENTS_CHANGED)
			cut_off(h, c, now);
		if (stays)
			clients_leave_networks(c->clients, now, h->clients, i);
	}
}

void ike_host_withdraw(struct ike_host *h, const struct ike_host_changes *c)
{
	ike_host_start_rest(h);
	withdraw_clients(h, c);
	for (uint32_t i = 0; i < c->n_gone; i++) {
		drop(h, c->gone[i]);
		datapath_tunnel_remove(h->o.datapath, c->gone[i]);
		underlay_forget(h->o.underlay, c->gone[i]);
	}
	for (uint32_t i = 0; i < c->n_replaced; i++)
		drop(h, c->plan->connections[c->replaced[i]].id);
}

/* Credentials and clients of both configurations change places; what stays goes along. */
static void exchange(struct ike_host *h, struct ike_host_changes *c)
{
	struct credentials *credentials = h->credentials;
	struct clients *clients = h->clients;
	for (uint32_t i = 0; i < h->o.plan->n_gateways; i++)
		if (c->fate[i] == CLIENTS_SAME || c->fate[i] == CLIENTS_CHANGED)
			clients_adopt(c->clients, i, clients, c->gateway_was[i],
				      c->fate[i] == CLIENTS_SAME);
	clients_rebase(c->clients, h->o.model);
	clients_serve(c->clients, h->o.maps, h->o.datapath, h->o.underlay);
	for (uint32_t i = 0; i < h->o.plan->n_gateways; i++)
		if ((c->fate[i] == CLIENTS_SAME || c->fate[i] == CLIENTS_CHANGED) &&
		    clients_enter_networks(c->clients, i))
			log_error(LOG_MAP, "client-routes-missing gateway=%s",
				  h->o.model->gateways[i].name);
	credentials_settle(c->credentials);
	h->clients = c->clients;
	h->credentials = c->credentials;
	c->clients = clients;
	c->credentials = credentials;
	c->followed = true;
}

static int follow_clients(struct ike_host *h, const struct ike_host_changes *c, struct fault *f)
{
	int err = 0;
	for (uint32_t i = 0; i < h->o.plan->n_gateways; i++) {
		enum clients_fate fate = c->fate[i];
		struct fault why = {0};
		bool there = c->was_by_ike[i] && (fate == CLIENTS_SAME || fate == CLIENTS_CHANGED);
		if (!c->by_ike[i] || (there && fate == CLIENTS_SAME))
			continue;
		int bad = ike_host_add_template(h, i, there, &why);
		if (bad && !err)
			*f = why;
		err = err ? err : bad;
	}
	return err;
}

static int begin(struct ike_host *h, const uint32_t *which, uint32_t n, struct fault *f)
{
	int err = 0;
	char text[FAULT_TEXT];
	for (uint32_t i = 0; i < n; i++) {
		struct fault why = {0};
		int bad = ike_host_add_connection(h, which[i], &why);
		if (!bad) {
			ike_host_start_connection(h, which[i]);
			continue;
		}
		log_error(LOG_IKE, "not-added: %s", fault_format(&why, text));
		if (!err)
			*f = why;
		err = err ? err : bad;
	}
	return err;
}

int ike_host_follow(struct ike_host *h, struct ike_host_changes *c, struct fault *f)
{
	struct fault others[3] = {0};
	exchange(h, c);
	h->next_start = h->o.plan->n_connections; /* what is new is started here */
	for (uint32_t i = 0; i < c->n_added; i++) {
		if (underlay_add(h->o.underlay, h->o.plan->connections[c->added[i]].id))
			log_error(LOG_IKE, "no-memory: no way to a new connection's peer");
	}
	int err = follow_clients(h, c, &others[0]);
	int replaced = begin(h, c->replaced, c->n_replaced, &others[1]);
	int added = begin(h, c->added, c->n_added, &others[2]);
	for (uint32_t i = 0; i < c->n_rekeyed; i++)
		if (ike_rekey(h->engine, h->o.plan->connections[c->rekeyed[i]].id, clock_now_ns(),
			      &h->effects) == 0)
			ike_host_settle(h);
	if (h->mobike)
		ike_host_addresses(h);
	else
		ike_sockets_follow(h, NULL, 0);
	ike_host_settle(h);
	ike_host_wake(h); /* where the last configuration's had not come to */
	if (err || replaced || added)
		*f = err ? others[0] : replaced ? others[1] : others[2];
	return err ? err : replaced ? replaced : added;
}

/* Before it ends: what a person said of it. */
static bool is_wanted(const struct ike_host *h, uint32_t id, struct ike_status *room)
{
	return ike_status(h->engine, id, room) != 0 || room->wanted;
}

static int move_connection(struct ike_host *h, uint32_t i, bool wanted, struct fault *f)
{
	char text[FAULT_TEXT];
	int err = ike_host_add_connection(h, i, f);
	if (err)
		log_error(LOG_IKE, "not-added: %s", fault_format(f, text));
	else if (wanted)
		ike_host_start_connection(h, i);
	return err;
}

int ike_host_move_site(struct ike_host *h, uint32_t site, struct ip_addr *address,
		       const struct ip_addr *to, struct fault *f)
{
	const struct plan *p = h->o.plan;
	bool *wanted = calloc(p->n_connections + 1u, sizeof *wanted);
	struct ike_status *room = calloc(1, sizeof *room);
	int err = 0;
	if (!wanted || !room) {
		free(room);
		free(wanted);
		return no_memory(f);
	}
	ike_host_start_rest(h);
	for (uint32_t i = 0; i < p->n_connections; i++) {
		if (h->o.model->connections[p->connections[i].model].site != site)
			continue;
		wanted[i] = is_wanted(h, p->connections[i].id, room);
		drop(h, p->connections[i].id);
	}
	*address = *to;
	for (uint32_t i = 0; i < p->n_connections; i++) {
		struct fault why = {0};
		if (h->o.model->connections[p->connections[i].model].site != site)
			continue;
		int bad = move_connection(h, i, wanted[i], &why);
		if (bad && !err)
			*f = why;
		err = err ? err : bad;
	}
	free(room);
	free(wanted);
	return err;
}

void ike_host_changes_free(struct ike_host *h, struct ike_host_changes *c)
{
	if (!c)
		return;
	if (!c->followed && c->credentials)
		credentials_give_back(c->credentials, h->credentials);
	clients_free(c->clients);
	credentials_free(c->credentials);
	free(c->gateway_was);
	free(c->connection_was);
	free(c->fate);
	free(c->by_ike);
	free(c->was_by_ike);
	free(c->gone);
	free(c->replaced);
	free(c->added);
	free(c->rekeyed);
	free(c);
}
