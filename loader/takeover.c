/* SPDX-License-Identifier: Apache-2.0 */
#include "loader/takeover.h"

#include "base/log.h"
#include "loader/clock.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Every address that is ready, of all devices: VRRP may put it on any. */
struct own {
	struct shared_own *at;
	size_t n, room;
	bool no_memory;
};

static void take(void *owner, uint32_t ifindex, const struct ip_addr *a)
{
	struct own *o = owner;
	if (o->n == o->room) {
		size_t room = o->room * 2 + 64;
		struct shared_own *grown = reallocarray(o->at, room, sizeof *grown);
		o->no_memory |= !grown;
		if (!grown)
			return;
		o->at = grown;
		o->room = room;
	}
	o->at[o->n++] = (struct shared_own){ifindex, *a};
}

/* 0 or -errno; the lists are the caller's to free, also then. */
static int look(struct daemon *d, struct own *o, struct ip_addr **sorted)
{
	*o = (struct own){0};
	*sorted = NULL;
	int err = netlink_own_addresses(d->netlink, take, o);
	if (err || o->no_memory)
		return err ? err : -ENOMEM;
	*sorted = calloc(o->n + 1, sizeof **sorted);
	if (!*sorted)
		return -ENOMEM;
	for (size_t i = 0; i < o->n; i++)
		(*sorted)[i] = o->at[i].addr;
	standby_sort(*sorted, o->n);
	return 0;
}

int takeover_follow(struct daemon *d, struct fault *f)
{
	struct own o;
	struct ip_addr *sorted;
	int err = look(d, &o, &sorted);
	if (!err)
		err = standby_follow(&d->standby, &d->model, &d->plan, sorted, o.n, clock_now_ns());
	if (err)
		fault_set(f, err, "cannot ask for this host's addresses: %s", strerror(-err));
	free(o.at);
	free(sorted);
	return err;
}

static void stand_by(struct daemon *d, uint32_t slot, const char *name)
{
	char text[STANDBY_TEXT];
	const struct ip_addr *address = &d->standby.at[slot].address;
	standby_text(&d->standby, slot, text);
	log_warn(LOG_RUN, "gateway-standby name=%s: %s", name, text);
	/* SAs first: from here on what others encrypt for this address is dropped */
	ike_host_stand_by(d->ike, address, text);
	sstp_host_stand_by(d->sstp, address, text);
}

static void take_over(struct daemon *d, uint32_t slot, const char *name, const struct own *o)
{
	char text[IP_TEXT];
	const struct ip_addr *address = &d->standby.at[slot].address;
	log_warn(LOG_RUN, "gateway-active name=%s: %s is on this host", name,
		 ip_addr_format(address, text));
	for (size_t i = 0; i < o->n; i++)
		if (ip_addr_equal(&o->at[i].addr, address))
			underlay_announce(d->underlay, o->at[i].ifindex, address);
	/* ways to the peers, which had none from an address that was not here */
	underlay_refresh(d->underlay);
	ike_host_take_over(d->ike, address);
}

void takeover_look(struct daemon *d, bool rewritten)
{
	struct own o;
	struct ip_addr *sorted;
	uint32_t slot;
	bool changed = false;
	int err = look(d, &o, &sorted);
	if (err) {
		log_error(LOG_NET, "addresses-unknown: %s; asked again", strerror(-err));
		d->addresses_unknown = true;
	} else {
		d->addresses_unknown = false;
		standby_look(&d->standby, sorted, o.n, clock_now_ns());
		shared_follow(&d->shared, d->maps, &d->model, &d->plan, o.at, o.n, rewritten);
	}
	while (standby_next(&d->standby, &slot)) {
		uint32_t i = plan_gateway_index(&d->plan, slot);
		const char *name = i == MODEL_NONE ? "?" : d->model.gateways[i].name;
		if (standby_is_active(&d->standby, slot))
			take_over(d, slot, name, &o);
		else
			stand_by(d, slot, name);
		changed = true;
	}
	if (changed)
		routing_stand_by(d->routing);
	free(o.at);
	free(sorted);
}
