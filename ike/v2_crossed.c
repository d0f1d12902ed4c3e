/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DELETEs of the peer that overtake its answer to our CREATE_CHILD_SA (RFC 7296 section 2.25): of
 * the child that we rekey, which carries our traffic until the answer names what takes over; or of
 * the very child that the answer will name, which must not be used then.
 */
#include "ike/ike_internal.h"

#include <errno.h>

static struct task *child_in_flight(const struct ike_sa *sa)
{
	struct task *task = sa->in_flight ? sa->tasks : NULL;
	bool makes = task &&
		     (task->row->id == EXCHANGE_NEW_CHILD || task->row->id == EXCHANGE_REKEY_CHILD);
	return makes ? task : NULL;
}

/* The peer deletes an SPI that we don't have: the answer on its way may have it. The last few. */
void crossed_note(struct ike_sa *sa, uint32_t spi_out)
{
	struct task *task = child_in_flight(sa);
	if (task)
		task->unknown[task->n_unknown++ % CROSSED_UNKNOWN] = spi_out;
}

bool crossed_gone(const struct task *task, uint32_t spi_out)
{
	for (unsigned i = 0; i < CROSSED_UNKNOWN && i < task->n_unknown; i++)
		if (task->unknown[i] == spi_out)
			return true;
	return false;
}

/*
 * The peer deletes `child`. True: our rekeying of it is on its way and nothing else could carry its
 * traffic, so it stays until crossed_settle. Some peers delete the old child themselves, and their
 * DELETE is here before their answer. Behind the first answer (followup) it would stay too long.
 */
bool crossed_defer(const struct ike_sa *sa, struct child *child)
{
	const struct task *task = child_in_flight(sa);
	if (!task || task->spi_in != child->plain.spi_in || task->followup)
		return false;
	const struct child *rival = task->rival ? child_by_spi(sa->e, (uint32_t)task->rival) : NULL;
	if (rival && rival->sa)
		return false;
	child->deleted_by_peer = true;
	return true;
}

/* The answer is here, whatever it says: the child that waited for it goes. True when one did. */
bool crossed_settle(struct ike_sa *sa, uint32_t spi_in)
{
	struct child *child = spi_in ? child_by_spi(sa->e, spi_in) : NULL;
	struct fault f;
	if (!child || !child->sa || !child->deleted_by_peer)
		return false;
	child_retire(child);
	fault_set(&f, -ECONNRESET, "the peer deleted the child SA");
	connection_settle(sa->c, &f);
	return true;
}
