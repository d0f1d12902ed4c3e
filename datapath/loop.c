/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two gateways of one instance with a tunnel between them: what the worker encrypted for one comes
 * in for the other, in the same frame, without a device. All else is as on a wire: the SA is found
 * by destination and SPI, replay and authentication are checked, both sides count. A queue between
 * outbound and inbound keeps that from recursion; each pass costs the inner packet a hop, so that
 * routes in a circle end.
 */
#include "base/bytes.h"
#include "datapath/datapath_internal.h"

#include <string.h>

static bool is_other_end(const struct child *other, const struct child *c)
{
	return other && other->spi_in == c->spi_out &&
	       ip_addr_equal(&other->local.addr, &c->remote.addr);
}

/* As XDP finds it, and kept with the sending child while it is still the one. */
static bool find_other_end(const struct worker *w, struct child *c, uint32_t *slot)
{
	struct xgw_sa_key key = {.spi_be = htobe32(c->spi_out)};
	struct xgw_sa_in sa;
	uint32_t known = atomic_load_explicit(&c->loop_slot, memory_order_relaxed);
	*slot = known - 1;
	if (known && is_other_end(rcu_dereference(w->d->slots[*slot]), c))
		return true;
	ip_addr_to_mapped(&c->remote.addr, key.destination);
	if (maps_get(w->d->o.maps, MAPS_sas_in, &key, &sa) || sa.slot >= w->d->max_slots)
		return false;
	atomic_store_explicit(&c->loop_slot, sa.slot + 1, memory_order_relaxed);
	*slot = sa.slot;
	return true;
}

void loop_add(struct worker *w, const struct packet *p, const struct esp_packet *e)
{
	struct packet in = {.at = e->at, .len = e->len, .frame = p->frame, .stamp = p->stamp};
	bool v4 = e->at[0] >> 4 == 4;
	in.esp = (uint16_t)((v4 ? (e->at[0] & 15) * 4 : 40) + (e->at[v4 ? 9 : 6] == 17 ? 8 : 0));
	if (!find_other_end(w, p->child, &in.slot))
		worker_drop(w, p, XGW_DROP_UNKNOWN_SPI);
	else if (w->n_looped == LOOP_ROOM)
		worker_drop(w, p, XGW_DROP_NO_BUFFER);
	else
		w->looped[w->n_looped++] = in;
}

unsigned loop_run(struct worker *w)
{
	struct packet burst[BURST];
	unsigned total = w->n_looped;
	for (unsigned done = 0, n; done < total; done += n) {
		n = total - done < BURST ? total - done : BURST;
		memcpy(burst, w->looped, n * sizeof *burst);
		w->n_looped -= n;
		memmove(w->looped, w->looped + n, w->n_looped * sizeof *w->looped);
		for (unsigned i = 0; i < n; i++)
			inbound_add(w, &burst[i]);
		inbound_run(w);
		while (w->n_out)
			outbound_run(w);
	}
	return total;
}
