/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Clients of a gateway (point-to-site): a connection with `clients` is a template. Whoever
 * authenticates by it gets a connection of its own, with an address that the host leases; that
 * connection goes when its last SA goes.
 */
#include "ike/config_payload.h"
#include "ike/ike_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct traffic_selector alone(const struct ip_addr *a)
{
	return (struct traffic_selector){.range = {*a, *a}, .port_last = 65535};
}

/* The template's settings, the client's own addresses behind it. */
static void settings(struct ike_connection *out, const struct ike_sa *sa,
		     const struct connection *template, const struct ike_lease *lease)
{
	*out = template->cfg;
	out->id = lease->connection;
	out->name = lease->name;
	out->clients = NULL;
	out->remote = sa->remote.addr;
	out->remote_id = sa->remote_id;
	out->start = IKE_START_RESPOND;
	out->n_remote_ts = 0;
	if (lease->v4.family)
		out->remote_ts[out->n_remote_ts++] = alone(&lease->v4);
	if (lease->v6.family)
		out->remote_ts[out->n_remote_ts++] = alone(&lease->v6);
}

static int ask_for_lease(const struct ike_sa *sa, const struct connection *template,
			 const struct client_login *login, const struct ike_message *in,
			 struct ike_lease *lease, struct fault *f)
{
	struct config_request request;
	memset(lease, 0, sizeof *lease);
	if (!ike_message_has(in, PAYLOAD_CP) || config_request_parse(&request, in->cp) ||
	    !(request.v4 || request.v6)) {
		fault_set(f, -ENODATA, "client %.100s asks for no address (configuration payload)",
			  login->user);
		return fault_advise(f, "let it ask for a virtual address");
	}
	const struct ike_client who = {.template = template->cfg.id,
				       .user = login->user,
				       .method = login->method,
				       .remote = sa->remote,
				       .wants_v4 = request.v4,
				       .wants_v6 = request.v6,
				       .wanted4 = request.want4,
				       .wanted6 = request.want6};
	const struct ike_clients *clients = template->cfg.clients;
	int err = clients->lease(clients->owner, &who, lease, f);
	if (err && !f->code)
		fault_set(f, err, "client %.100s gets no address", login->user);
	return err;
}

/* INITIAL_CONTACT of a client (RFC 7296 section 2.4): what it had before is gone. */
static void drop_former(const struct connection *template, const struct ike_sa *sa,
			const char *user)
{
	for (struct connection *c = sa->e->connections; c; c = c->next) {
		if (c->template != template || strcmp(c->user, user) != 0 ||
		    !identity_equal(&c->cfg.remote_id, &sa->remote_id))
			continue;
		while (c->sas) {
			struct ike_sa *old = c->sas;
			children_drop(old);
			sa_set_state(old, SA_DEAD, "the client started anew");
		}
		while (c->children)
			child_remove(c->children);
	}
}

struct connection *client_connect(struct ike_sa *sa, struct connection *template,
				  const struct client_login *login, const struct ike_message *in,
				  struct fault *f)
{
	struct ike_lease lease;
	struct ike_connection *cfg;
	if (ike_message_notify(in, NOTIFY_INITIAL_CONTACT)) {
		drop_former(template, sa, login->user);
		clients_reap(sa->e);
	}
	if (ask_for_lease(sa, template, login, in, &lease, f))
		return NULL;
	cfg = malloc(sizeof *cfg);
	if (!cfg) {
		fault_set(f, -ENOMEM, "no memory for a client");
		return NULL;
	}
	settings(cfg, sa, template, &lease);
	struct connection *c = NULL;
	if (!connection_make(sa->e, cfg, template, &c, f)) {
		snprintf(c->user, sizeof c->user, "%s", login->user);
		snprintf(c->method, sizeof c->method, "%s", login->method);
		vendors_take(in, sa->program);
		memcpy(c->program, sa->program, sizeof c->program);
		c->lease = lease;
		connection_event(c, "user %.80s, %s", login->user, login->method);
	}
	free(cfg);
	return c;
}

/* What the client is told: its addresses, name servers and what lies behind us. */
void client_configure(const struct connection *c, struct builder *out)
{
	const struct ike_clients *clients = c->template->cfg.clients;
	struct config_reply reply = {.v4 = c->lease.v4, .v6 = c->lease.v6};
	for (uint8_t i = 0; i < clients->n_dns; i++) {
		/* who has no address of the family could not ask it */
		if (clients->dns[i].family == IP_V4 ? reply.v4.family : reply.v6.family)
			reply.dns[reply.n_dns++] = clients->dns[i];
	}
	for (uint8_t i = 0; i < c->cfg.n_local_ts && reply.n_routes < CONFIG_MAX_ROUTES; i++) {
		struct ip_prefix p;
		if (ip_range_to_prefix(&c->cfg.local_ts[i].range, &p) && p.len)
			reply.routes[reply.n_routes++] = p;
	}
	struct writer_mark m = builder_begin(out, PAYLOAD_CP);
	config_reply_write(&out->w, &reply);
	builder_end(out, m);
}

/* A client's connection that lost its last SA: freed when the step ends. */
void client_unused(struct connection *c)
{
	if (!c->template || c->is_over || c->sas || c->children)
		return;
	c->is_over = true;
	c->next_over = c->e->over;
	c->e->over = c;
}

void clients_reap(struct ike *e)
{
	while (e->over) {
		struct connection *c = e->over;
		e->over = c->next_over;
		c->is_over = false;
		if (c->sas || c->children)
			continue;
		effects_fault(e, IKE_CLIENT_GONE, c->cfg.id, NULL);
		connection_free(c);
	}
}

/* Those of a template that goes. */
void clients_leave(struct connection *template,
		   void (*take_down)(struct connection *, const char *), const char *why)
{
	for (struct connection *c = template->e->connections; c; c = c->next)
		if (c->template == template)
			take_down(c, why);
	clients_reap(template->e);
}
