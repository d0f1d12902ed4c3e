/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The list of effects: grows by doubling up to a cap, owns datagrams and children of its entries.
 */
#include "ike/ike_internal.h"

#include <stdlib.h>
#include <string.h>

void ike_effects_init(struct ike_effects *e)
{
	memset(e, 0, sizeof *e);
}

void ike_effects_clear(struct ike_effects *e)
{
	for (size_t i = 0; i < e->n; i++) {
		struct ike_effect *x = &e->at[i];
		free((void *)(uintptr_t)x->datagram.at);
		if (x->child) {
			wipe(x->child, sizeof *x->child);
			free(x->child);
		}
	}
	e->n = 0;
	e->lost = false;
}

void ike_effects_free(struct ike_effects *e)
{
	ike_effects_clear(e);
	free(e->at);
	ike_effects_init(e);
}

static bool grow(struct ike_effects *e)
{
	size_t room = e->room ? 2 * e->room : 16;
	if (room > LIMIT_EFFECTS)
		return false;
	struct ike_effect *at = realloc(e->at, room * sizeof *at);
	if (!at)
		return false;
	e->at = at;
	e->room = room;
	return true;
}

struct ike_effect *effects_add(struct ike *e, enum ike_effect_kind kind, uint32_t connection)
{
	struct ike_effects *out = e->out;
	if (out->n == out->room && !grow(out)) {
		out->lost = true;
		return NULL;
	}
	struct ike_effect *x = &out->at[out->n++];
	memset(x, 0, sizeof *x);
	x->kind = kind;
	x->connection = connection;
	return x;
}

static void send_datagram(struct ike *e, uint32_t connection, const struct ip_endpoint *local,
			  const struct ip_endpoint *remote, size_t marker, struct bytes message)
{
	uint8_t *copy = malloc(message.len + marker);
	struct ike_effect *x = copy ? effects_add(e, IKE_SEND, connection) : NULL;
	if (!x) {
		free(copy);
		e->out->lost = true;
		return;
	}
	memset(copy, 0, marker);
	memcpy(copy + marker, message.at, message.len);
	x->local = *local;
	x->remote = *remote;
	x->datagram = (struct bytes){copy, message.len + marker};
}

void effects_send(struct ike *e, uint32_t connection, const struct ip_endpoint *local,
		  const struct ip_endpoint *remote, struct bytes message)
{
	/* RFC 3948 section 2.2: four zero octets tell IKE from ESP on this port */
	size_t marker = local->port == IKE_NATT_PORT ? 4 : 0;
	e->counters[IKE_COUNT_SENT]++;
	send_datagram(e, connection, local, remote, marker, message);
}

/* RFC 3948 section 2.3: one octet, which the peer ignores. */
void effects_keepalive(struct ike_sa *sa)
{
	static const uint8_t octet = 0xff;
	sa->e->counters[IKE_COUNT_KEEPALIVES]++;
	send_datagram(sa->e, sa->connection_id, &sa->local, &sa->remote, 0,
		      (struct bytes){&octet, 1});
}

bool effects_child(struct ike *e, enum ike_effect_kind kind, const struct child_sa *child)
{
	struct child_sa *copy = malloc(sizeof *copy);
	struct ike_effect *x = copy ? effects_add(e, kind, child->connection) : NULL;
	if (!x) {
		free(copy);
		e->out->lost = true;
		return false;
	}
	*copy = *child;
	x->child = copy;
	x->spi_in = child->spi_in;
	x->local = child->local;
	x->remote = child->remote;
	return true;
}

void effects_remove(struct ike *e, uint32_t connection, uint32_t spi_in)
{
	struct ike_effect *x = effects_add(e, IKE_CHILD_REMOVE, connection);
	if (x)
		x->spi_in = spi_in;
}

void effects_fault(struct ike *e, enum ike_effect_kind kind, uint32_t connection,
		   const struct fault *f)
{
	struct ike_effect *x = effects_add(e, kind, connection);
	if (x && f)
		x->fault = *f;
}
