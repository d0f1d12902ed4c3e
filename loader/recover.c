/* SPDX-License-Identifier: Apache-2.0 */
#include "loader/recover.h"

#include "base/log.h"
#include "loader/apply.h"
#include "loader/features.h"

#include <errno.h>
#include <string.h>

void recover_describe(const struct daemon *d, struct datapath_port *ports)
{
	for (uint32_t i = 0; i < d->model.host.n_ports; i++) {
		const struct netlink_link *l = &d->ports[i].link;
		ports[i] =
			(struct datapath_port){.id = d->plan.port_ids[i],
					       .ifindex = l->ifindex,
					       .role = d->ports[i].role,
					       .queues = l->rx_queues,
					       .mtu = l->mtu,
					       .segments = features_segments(l->ifindex),
					       .generic = d->ports[i].generic,
					       .xdp_transmit = d->model.host.ports[i].xdp_transmit};
		memcpy(ports[i].mac, l->mac, sizeof ports[i].mac);
		memcpy(ports[i].device, l->name, sizeof ports[i].device);
	}
}

/* True when the sockets of this port have to be made anew. */
static bool look(struct daemon *d, uint32_t i, bool *moved)
{
	struct netlink_link now, *known = &d->ports[i].link;
	int err = netlink_link_by_name(d->netlink, d->model.host.ports[i].device, &now);
	if (err == -ENODEV) {
		if (!known->rx_queues)
			return false;
		log_error(LOG_NET,
			  "device-gone port=%s device=%s: nothing passes by it until there is a "
			  "device of that name again",
			  d->model.host.ports[i].name, known->name);
		known->rx_queues = 0;
		known->up = false;
		return true;
	}
	if (err || !now.ethernet)
		return false;
	*moved = now.ifindex != known->ifindex || !known->rx_queues;
	if (*moved && !now.up)
		return false; /* no socket can be bound yet */
	if (!*moved && now.rx_queues == known->rx_queues)
		return false;
	log_warn(LOG_NET, "device-changed port=%s device=%s ifindex=%u was=%u queues=%u was=%u",
		 d->model.host.ports[i].name, now.name, now.ifindex, known->ifindex, now.rx_queues,
		 known->rx_queues);
	return true;
}

/* The maps name devices by their index. */
static int apply_again(struct daemon *d, struct fault *f)
{
	int err = daemon_plan_again(d, f);
	return err ? err : apply_addresses(d->attach, d->netlink, &d->model, d->ports, f);
}

static int attach_moved(struct daemon *d, uint32_t i, struct fault *f)
{
	uint32_t was = d->ports[i].link.ifindex;
	struct attach_port p = d->ports[i];
	int err = netlink_link_by_name(d->netlink, d->model.host.ports[i].device, &p.link);
	if (err)
		return fault_set(f, err, "cannot ask for device '%s': %s",
				 d->model.host.ports[i].device, strerror(-err));
	err = attach_again(d->attach, &p, d->model.host.xdp_mode, f);
	if (err)
		return err;
	d->ports[i] = p;
	underlay_moved(d->underlay, was, p.link.ifindex);
	return 0;
}

static int repair(struct daemon *d, uint32_t i, bool moved, struct fault *f)
{
	struct netlink_link now;
	if (moved) {
		int err = attach_moved(d, i, f);
		return err ? err : apply_again(d, f);
	}
	if (netlink_link_by_name(d->netlink, d->model.host.ports[i].device, &now) == 0)
		d->ports[i].link.rx_queues = now.rx_queues;
	return 0;
}

void recover_second(struct daemon *d)
{
	struct datapath_port ports[XGW_MAX_PORTS];
	struct fault f = {0};
	char text[FAULT_TEXT];
	bool changed = d->sockets_missing;
	for (uint32_t i = 0; i < d->model.host.n_ports; i++) {
		bool moved = false;
		if (!look(d, i, &moved))
			continue;
		changed = true;
		if (repair(d, i, moved, &f))
			log_error(LOG_NET, "device-not-repaired port=%s: %s; tried again",
				  d->model.host.ports[i].name, fault_format(&f, text));
	}
	if (!changed)
		return;
	recover_describe(d, ports);
	int err = datapath_reopen(d->datapath, ports, &f);
	if (err)
		log_error(LOG_XDP, "sockets-missing: %s; tried again each second",
			  fault_format(&f, text));
	d->sockets_missing = err;
}
