/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The life of an IKE SA: made, found, moved from state to state by one writer, forgotten. Freed
 * only when the public call ends, so that no step has to fear that the SA under it went away.
 */
#include "ike/ike_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const char *const state_names[SA_STATES] = {
	[SA_HALF_OPEN] = "HALF_OPEN",
	[SA_AUTHENTICATING] = "AUTHENTICATING",
	[SA_ESTABLISHED] = "ESTABLISHED",
	[SA_REKEYED] = "REKEYED",
	[SA_DELETING] = "DELETING",
	[SA_LINGERING] = "LINGERING",
	[SA_DEAD] = "DEAD",
};

uint64_t sa_local_spi(const struct ike_sa *sa)
{
	return sa->is_initiator ? sa->spi_i : sa->spi_r;
}

static uint64_t spi_hash(const struct ike *e, uint64_t spi)
{
	return lookup_hash(e->hash_key, &spi, sizeof spi);
}

struct ike_sa *sa_by_spi(const struct ike *e, uint64_t local_spi)
{
	struct lookup_entry *x = lookup_first(&e->by_spi, spi_hash(e, local_spi));
	for (; x; x = lookup_next(x)) {
		struct ike_sa *sa = container_of(x, struct ike_sa, by_spi);
		if (sa_local_spi(sa) == local_spi && sa->state != SA_DEAD)
			return sa;
	}
	return NULL;
}

static uint64_t init_hash(const struct ike *e, uint64_t spi_i, const struct ip_endpoint *remote)
{
	uint8_t key[8 + 17 + 2];
	memcpy(key, &spi_i, 8);
	key[8] = remote->addr.family;
	memcpy(key + 9, remote->addr.b, 16);
	store_be16(key + 25, remote->port);
	return lookup_hash(e->hash_key, key, sizeof key);
}

struct ike_sa *sa_by_init(const struct ike *e, uint64_t spi_i, const struct ip_endpoint *remote)
{
	struct lookup_entry *x = lookup_first(&e->by_init, init_hash(e, spi_i, remote));
	for (; x; x = lookup_next(x)) {
		struct ike_sa *sa = container_of(x, struct ike_sa, by_init);
		if (sa->spi_i == spi_i && sa->state != SA_DEAD)
			return sa;
	}
	return NULL;
}

void sa_index_init(struct ike_sa *sa)
{
	lookup_add(&sa->e->by_init, &sa->by_init, init_hash(sa->e, sa->spi_i, &sa->remote));
	sa->in_init_table = true;
}

uint64_t sa_new_spi(struct ike *e)
{
	uint64_t spi;
	do {
		e->random.fill(e->random.owner, (uint8_t *)&spi, sizeof spi);
	} while (!spi || sa_by_spi(e, spi));
	return spi;
}

int sa_new(struct ike *e, struct ike_sa **out, bool is_initiator, uint64_t local_spi)
{
	if (e->n_sas >= e->options.max_sas)
		return -ENOSPC;
	struct ike_sa *sa = calloc(1, sizeof *sa);
	if (!sa)
		return -ENOMEM;
	if (timers_register(&e->timers, &sa->timer, TIMER_SA)) {
		free(sa);
		return -ENOMEM;
	}
	sa->e = e;
	sa->is_initiator = is_initiator;
	*(is_initiator ? &sa->spi_i : &sa->spi_r) = local_spi;
	sa->created_ns = sa->heard_ns = e->now_ns;
	sa->rekey_at_ns = sa->expire_at_ns = sa->give_up_at_ns = INSTANT_NEVER;
	sa->redundant_at_ns = sa->reauth_at_ns = sa->reauth_end_ns = INSTANT_NEVER;
	sa->redirect_at_ns = INSTANT_NEVER;
	sa->next_all = e->all;
	if (e->all)
		e->all->prev_all = sa;
	e->all = sa;
	e->n_sas++;
	lookup_add(&e->by_spi, &sa->by_spi, spi_hash(e, local_spi));
	sa_touch(sa);
	*out = sa;
	return 0;
}

/* Only half-open SAs that a stranger made count against the cap. */
static void count_half_open(struct ike_sa *sa)
{
	bool is = sa->state == SA_HALF_OPEN && !sa->is_initiator;
	if (is == sa->is_half_open)
		return;
	sa->is_half_open = is;
	sa->e->n_half_open += is ? 1u : -1u;
}

void sa_set_state(struct ike_sa *sa, enum sa_state state, const char *why)
{
	log_debug(LOG_IKE, "ike-sa-state connection=%s spi=%016llx %s -> %s: %s",
		  sa->c ? sa->c->name : "-", (unsigned long long)sa_local_spi(sa),
		  state_names[sa->state], state_names[state], why);
	sa->state = state;
	count_half_open(sa);
	if (state == SA_DEAD && sa->c)
		sa_detach(sa);
	sa_touch(sa);
}

/*
 * A NAT in front of the peer gave it another address or port, so its ESP tells. With a NAT in front
 * of us this could be the work of that one, and the peer's true address would be lost.
 */
void sa_peer_moved(struct ike_sa *sa, const struct ip_endpoint *remote)
{
	char from[ENDPOINT_TEXT], to[ENDPOINT_TEXT];
	struct ip_endpoint at = *remote;
	if (sa->port_entropy) /* the port is a flow's; answers go to the one of IKE */
		at.port = sa->remote.port;
	if (!sa->c || sa->mobility.on || sa->state != SA_ESTABLISHED || !sa->encapsulate ||
	    !sa->nat_remote || sa->nat_local || !at.port ||
	    at.addr.family != sa->remote.addr.family || ip_endpoint_equal(&at, &sa->remote))
		return;
	connection_event(sa->c, "the peer's NAT moved it from %s to %s",
			 ip_endpoint_format(&sa->remote, from), ip_endpoint_format(&at, to));
	sa->e->counters[IKE_COUNT_PEERS_MOVED]++;
	sa->remote = at;
	children_update(sa);
}

void sa_touch(struct ike_sa *sa)
{
	if (sa->touched)
		return;
	sa->touched = true;
	sa->next_touched = sa->e->touched;
	sa->e->touched = sa;
}

void sa_attach(struct ike_sa *sa, struct connection *c)
{
	sa->c = c;
	sa->connection_id = c->cfg.id;
	sa->next = c->sas;
	c->sas = sa;
}

void sa_detach(struct ike_sa *sa)
{
	struct connection *c = sa->c;
	if (!c)
		return;
	for (struct ike_sa **at = &c->sas; *at; at = &(*at)->next) {
		if (*at == sa) {
			*at = sa->next;
			break;
		}
	}
	sa->next = NULL;
	sa->c = NULL;
	for (struct child *child = c->children; child; child = child->next)
		if (child->sa == sa)
			child->sa = NULL;
	client_unused(c);
}

/* Over, but answers what its peer repeats, so that a lost last response does not look like silence.
 */
void sa_linger(struct ike_sa *sa, const char *why)
{
	sa_detach(sa);
	tasks_free(sa);
	sa->give_up_at_ns = sa->e->now_ns + LIMIT_LINGER_NS;
	sa_set_state(sa, SA_LINGERING, why);
}

void handshake_free(struct ike_sa *sa)
{
	struct handshake *h = sa->handshake;
	if (!h)
		return;
	dh_free(h->dh);
	eap_rounds_free(h->eap);
	free((void *)(uintptr_t)h->init_i.at);
	free((void *)(uintptr_t)h->init_r.at);
	wipe(h, sizeof *h);
	free(h);
	sa->handshake = NULL;
}

void sa_free(struct ike_sa *sa)
{
	struct ike *e = sa->e;
	sa->touched = true; /* nothing below may put it back on the list */
	sa->state = SA_DEAD;
	count_half_open(sa);
	sa_detach(sa);
	tasks_free(sa);
	window_free(&sa->window);
	fragments_forget(sa, false);
	fragments_forget(sa, true);
	followup_forget(sa);
	handshake_free(sa);
	v1_free(sa);
	timers_unregister(&e->timers, &sa->timer);
	lookup_remove(&e->by_spi, &sa->by_spi);
	if (sa->in_init_table)
		lookup_remove(&e->by_init, &sa->by_init);
	if (sa->prev_all)
		sa->prev_all->next_all = sa->next_all;
	else
		e->all = sa->next_all;
	if (sa->next_all)
		sa->next_all->prev_all = sa->prev_all;
	e->n_sas--;
	wipe(sa, sizeof *sa);
	free(sa);
}

/* ---- endings ---- */

/* We end it: the peer is told when it knows the SA, nobody waits for the answer. A request that is
 * in flight is answered first: the peer takes no other before it (RFC 7296 section 2.3). */
void sa_delete(struct ike_sa *sa, const char *why)
{
	struct connection *c = sa->c;
	struct fault f;
	bool tell = sa->has_keys && (sa->state == SA_ESTABLISHED || sa->state == SA_REKEYED);
	fault_set(&f, 0, "%s", why);
	if (sa->v1)
		v1_delete_children(sa);
	children_retire(sa);
	sa_detach(sa);
	if (sa->state == SA_DELETING)
		return;
	if (tell)
		tasks_free_waiting(sa);
	else
		tasks_free(sa);
	sa->give_up_at_ns = INSTANT_NEVER;
	sa_set_state(sa, tell ? SA_DELETING : SA_DEAD, why);
	if (tell && !task_add(sa, EXCHANGE_DELETE_IKE, 0))
		sa_set_state(sa, SA_DEAD, "no memory");
	if (c)
		connection_settle(c, &f);
}

/* It is of no use any more and the peer can't be told: silence, or a peer that breaks the protocol.
 */
void sa_lost(struct ike_sa *sa, const struct fault *why)
{
	struct connection *c = sa->c;
	children_drop(sa);
	sa_set_state(sa, SA_DEAD, why->text);
	if (!c)
		return;
	if (c->is_up)
		connection_settle(c, why);
	else
		connection_failed(c, why);
}

/* Its time to get somewhere is over. */
void sa_gave_up(struct ike_sa *sa)
{
	if (sa->state == SA_ESTABLISHED) {
		sa_delete(sa, "no child SA was made over it");
	} else if (sa->state == SA_REKEYED) {
		sa_delete(sa, "replaced, and the peer did not delete it");
	} else {
		diagnose_unfinished(sa);
		sa_set_state(sa, SA_DEAD, "given up");
	}
}

void sa_expired(struct ike_sa *sa)
{
	sa->expire_at_ns = INSTANT_NEVER;
	sa_delete(sa, "the IKE SA's lifetime is over and it could not be rekeyed");
}
