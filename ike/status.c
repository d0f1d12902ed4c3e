/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a person may ask about a connection, gathered from its SAs.
 */
#include "ike/ike_internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static void append(char *out, size_t size, const char *name)
{
	size_t n = strlen(out);
	snprintf(out + n, size - n, "%s%s", n ? "-" : "", name);
}

static void status_ike_proposal(const struct ike_chosen *chosen, char *out, size_t size)
{
	out[0] = 0;
	append(out, size, encryption_of(chosen->encryption)->name);
	if (chosen->integrity != AUTH_NONE)
		append(out, size, integrity_of(chosen->integrity)->name);
	append(out, size, prf_of(chosen->prf)->name);
	append(out, size, group_of(chosen->group)->name);
	for (unsigned i = 0; i < chosen->n_additional; i++)
		append(out, size, group_of(chosen->additional[i])->name);
}

static void child_proposal(const struct child *child, char *out, size_t size)
{
	out[0] = 0;
	append(out, size, encryption_of(child->plain.encryption)->name);
	if (child->plain.integrity != AUTH_NONE)
		append(out, size, integrity_of(child->plain.integrity)->name);
	if (child->group != DH_NONE)
		append(out, size, group_of(child->group)->name);
}

/* The SA that speaks for the connection: the one over the current child, or else the furthest one.
 */
static const struct ike_sa *speaker(const struct connection *c)
{
	const struct child *child = child_by_spi(c->e, c->current);
	if (child && child->sa)
		return child->sa;
	const struct ike_sa *best = NULL;
	for (const struct ike_sa *sa = c->sas; sa; sa = sa->next)
		if (!best || (best->state != SA_ESTABLISHED && sa->state == SA_ESTABLISHED))
			best = sa;
	return best;
}

static void describe_sa(const struct ike_sa *sa, struct ike_status *out)
{
	out->local = sa->local;
	out->remote = sa->remote;
	out->nat_local = sa->nat_local;
	out->nat_remote = sa->nat_remote;
	out->is_initiator = sa->is_initiator;
	out->spi_i = sa->spi_i;
	out->spi_r = sa->spi_r;
	out->rekey_at_ns = sa->rekey_at_ns;
	if (sa->state != SA_ESTABLISHED)
		return;
	char id[IDENTITY_TEXT];
	status_ike_proposal(&sa->chosen, out->proposal, sizeof out->proposal);
	snprintf(out->remote_id, sizeof out->remote_id, "%.*s", (int)sizeof out->remote_id - 1,
		 identity_format(&sa->remote_id, id));
}

static void describe_children(const struct connection *c, struct ike_status *out)
{
	for (const struct child *child = c->children; child; child = child->next) {
		if (child->state == CHILD_DRAINING || out->n_children == IKE_MAX_CHILD_STATUS)
			continue;
		struct ike_child_status *s = &out->children[out->n_children++];
		const struct child_sa *plain = &child->plain;
		s->spi_in = plain->spi_in;
		s->spi_out = plain->spi_out;
		s->worker = plain->worker;
		child_proposal(child, s->proposal, sizeof s->proposal);
		s->encapsulation = plain->encapsulation;
		s->port_entropy = plain->port_entropy;
		s->rekey_at_ns = child->rekey_at_ns;
		s->installed_ns = child->installed_ns;
		s->n_local_ts = plain->n_local_ts;
		s->n_remote_ts = plain->n_remote_ts;
		memcpy(s->local_ts, plain->local_ts, sizeof s->local_ts);
		memcpy(s->remote_ts, plain->remote_ts, sizeof s->remote_ts);
		/* the one in use stands first */
		if (plain->spi_in == c->current && out->n_children > 1) {
			struct ike_child_status first = out->children[0];
			out->children[0] = *s;
			*s = first;
		}
	}
}

int ike_status(const struct ike *e, uint32_t connection, struct ike_status *out)
{
	const struct connection *c = connection_by_id(e, connection);
	if (!c)
		return -ENOENT;
	memset(out, 0, sizeof *out);
	out->state = c->state;
	out->wanted = c->wanted;
	out->since_ns = c->since_ns;
	out->local = (struct ip_endpoint){c->cfg.local, IKE_PORT};
	out->remote = (struct ip_endpoint){c->cfg.remote, IKE_PORT};
	out->rekeys_ike = c->rekeys_ike;
	out->rekeys_child = c->rekeys_child;
	out->attempts = c->attempts;
	out->last_error = c->last_error;
	out->last_error_ns = c->last_error_ns;
	const struct ike_sa *sa = speaker(c);
	if (sa)
		describe_sa(sa, out);
	memcpy(out->user, c->user, sizeof out->user);
	memcpy(out->method, c->method, sizeof out->method);
	memcpy(out->program, c->program, sizeof out->program);
	out->address4 = c->lease.v4;
	out->address6 = c->lease.v6;
	describe_children(c, out);
	out->n_events = c->n_events;
	for (unsigned i = 0; i < c->n_events; i++) {
		unsigned slot = (c->first_event + i) % IKE_EVENTS;
		out->events[i].at_ns = c->events[slot].at_ns;
		memcpy(out->events[i].text, c->events[slot].text, sizeof out->events[i].text);
	}
	return 0;
}

int ike_tell_keys(const struct ike *e, uint32_t connection, const struct ike_key_sink *sink)
{
	const struct connection *c = connection_by_id(e, connection);
	if (!c)
		return -ENOENT;
	for (const struct ike_sa *sa = c->sas; sa; sa = sa->next) {
		const struct ike_keys *k = &sa->keys;
		if (sa->has_keys && !sa->v1)
			sink->ike(sink->owner, sa->spi_i, sa->spi_r,
				  (enum encryption_id)sa->chosen.encryption,
				  (enum integrity_id)sa->chosen.integrity, &k->ei, &k->er, &k->ai,
				  &k->ar);
	}
	for (const struct child *child = c->children; child; child = child->next)
		sink->child(sink->owner, &child->plain);
	return 0;
}
