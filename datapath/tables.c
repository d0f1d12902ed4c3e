/* SPDX-License-Identifier: Apache-2.0 */
/* SAs and tunnels: the loader's side of what workers read by RCU. */
#include "base/log.h"
#include "datapath/datapath_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static struct tunnel *tunnel_of(const struct datapath *d, uint32_t connection)
{
	return connection < MAX_CONNECTIONS ? d->tunnels[connection] : NULL;
}

static struct tunnel *tunnel_make(struct datapath *d, uint32_t connection)
{
	struct tunnel *t = tunnel_of(d, connection);
	if (t || connection >= MAX_CONNECTIONS)
		return t;
	t = calloc(1, sizeof *t);
	if (!t)
		return NULL;
	t->id = connection;
	t->path.mtu = 1500;
	rcu_assign_pointer(d->tunnels[connection], t);
	return t;
}

/* Publishes what workers need of a tunnel as it is now. 0 or -ENOMEM (the old one stays). */
static int publish(struct tunnel *t)
{
	struct outbound *o = calloc(1, sizeof *o), *old = t->outbound;
	if (!o)
		return -ENOMEM;
	o->usable = t->path.usable;
	o->port_id = t->path.port_id;
	memcpy(o->ethernet, t->path.destination_mac, 6);
	memcpy(o->ethernet + 6, t->path.source_mac, 6);
	o->n = t->n_active;
	for (unsigned i = 0; i < o->n; i++) {
		o->child[i] = t->active[i];
		o->worker[i] = t->active[i]->worker;
		o->inner_mtu[i] = esp_inner_mtu(t->active[i]->sa, t->path.mtu);
		t->active[i]->inner_mtu = o->inner_mtu[i];
	}
	rcu_assign_pointer(t->outbound, o);
	synchronize_rcu();
	free(old);
	return 0;
}

/* Without memory for a new list the tunnel sends nothing until the next change: fail closed. */
static void unpublish(struct tunnel *t)
{
	struct outbound *old = t->outbound;
	log_error(LOG_ESP, "no-memory connection=%u: nothing is sent until an SA is used again",
		  t->id);
	rcu_assign_pointer(t->outbound, NULL);
	synchronize_rcu();
	free(old);
}

static struct child *child_of(const struct datapath *d, uint32_t spi_in)
{
	for (uint32_t i = 0; i < d->next_slot; i++)
		if (d->slots[i] && d->slots[i]->spi_in == spi_in)
			return d->slots[i];
	return NULL;
}

static bool covers_all(const struct traffic_selector *ts, unsigned n, enum ip_family family)
{
	for (unsigned i = 0; i < n; i++) {
		struct ip_prefix p;
		if (!ts[i].protocol && ts[i].port_first == 0 && ts[i].port_last == 65535 &&
		    ts[i].range.first.family == family && ip_range_to_prefix(&ts[i].range, &p) &&
		    p.len == 0)
			return true;
	}
	return false;
}

static bool is_any(const struct child_sa *c, enum ip_family family)
{
	return covers_all(c->local_ts, c->n_local_ts, family) &&
	       covers_all(c->remote_ts, c->n_remote_ts, family);
}

static struct xgw_sa_key key_of(const struct child *c)
{
	struct xgw_sa_key key = {.spi_be = htobe32(c->spi_in)};
	ip_addr_to_mapped(&c->local.addr, key.destination);
	return key;
}

static uint32_t slot_free(struct datapath *d)
{
	for (uint32_t i = 0; i < d->max_slots; i++) {
		/* the search starts behind the last one given, so that a slot rests before it is
		 * used again */
		uint32_t slot = (d->next_slot + i) % d->max_slots;
		if (!d->slots[slot])
			return slot;
	}
	return UINT32_MAX;
}

static void child_free(struct child *c)
{
	if (c && c->sa)
		esp_sa_free(c->sa);
	free(c);
}

static int child_publish(struct datapath *d, struct child *c, struct fault *f)
{
	c->slot = slot_free(d);
	if (c->slot == UINT32_MAX) {
		fault_set(f, -ENOSPC, "all %u SA slots are taken", d->max_slots);
		return -ENOSPC;
	}
	if (c->slot >= d->next_slot)
		d->next_slot = c->slot + 1;
	rcu_assign_pointer(d->slots[c->slot], c);
	struct xgw_sa_key key = key_of(c);
	struct xgw_sa_in value = {.slot = c->slot,
				  .connection = c->connection,
				  .vnet = c->vnet,
				  .flags = c->udp ? XGW_SA_UDP : 0};
	int err = maps_put(d->o.maps, MAPS_sas_in, &key, &value);
	if (err) {
		rcu_assign_pointer(d->slots[c->slot], NULL);
		synchronize_rcu();
		return fault_set(f, err, "cannot enter the SA into the map sas_in: %s",
				 strerror(-err));
	}
	return 0;
}

int datapath_child_install(struct datapath *d, uint32_t vnet, const struct child_sa *child,
			   struct fault *f)
{
	if (child_of(d, child->spi_in))
		return fault_set(f, -EEXIST, "SPI %08x is in use", child->spi_in);
	struct tunnel *t = tunnel_make(d, child->connection);
	struct child *c = t ? calloc(1, sizeof *c) : NULL;
	if (!c)
		return fault_set(f, -ENOMEM, "no memory for a child SA");
	const struct esp_sa_options o = {
		.backend = d->o.backend, .replay_window = d->o.replay_window, .dscp_copy = 1};
	int err = esp_sa_new(&c->sa, child, &o, f);
	if (err) {
		free(c);
		return err;
	}
	c->spi_in = child->spi_in;
	c->connection = child->connection;
	c->worker = child->worker;
	c->vnet = vnet;
	c->local = child->local;
	c->remote = child->remote;
	c->udp = child->encapsulation == ESP_IN_UDP;
	c->any_v4 = is_any(child, IP_V4);
	c->any_v6 = is_any(child, IP_V6);
	c->inner_mtu = esp_inner_mtu(c->sa, t->path.mtu);
	err = child_publish(d, c, f);
	if (err)
		child_free(c);
	return err;
}

int datapath_child_use(struct datapath *d, uint32_t spi_in)
{
	struct child *c = child_of(d, spi_in);
	struct tunnel *t = c ? tunnel_of(d, c->connection) : NULL;
	if (!t)
		return -ENOENT;
	/* newest first; the oldest makes room */
	unsigned n = 0;
	struct child *now[TUNNEL_CHILDREN] = {c};
	for (unsigned i = 0; i < t->n_active && n < TUNNEL_CHILDREN - 1; i++)
		if (t->active[i] != c)
			now[++n] = t->active[i];
	memcpy(t->active, now, sizeof now);
	t->n_active = n + 1;
	return publish(t);
}

/* Enters a child under its addresses of now, and takes out the entry of those it had. */
static int reenter(struct datapath *d, const struct child *c, const struct xgw_sa_key *old)
{
	struct xgw_sa_key key = key_of(c);
	struct xgw_sa_in value = {.slot = c->slot,
				  .connection = c->connection,
				  .vnet = c->vnet,
				  .flags = c->udp ? XGW_SA_UDP : 0};
	int err = maps_put(d->o.maps, MAPS_sas_in, &key, &value);
	if (!err && memcmp(&key, old, sizeof key) != 0)
		maps_delete(d->o.maps, MAPS_sas_in, old);
	return err;
}

int datapath_child_update(struct datapath *d, const struct child_sa *child)
{
	struct child *c = child_of(d, child->spi_in);
	struct tunnel *t = c ? tunnel_of(d, c->connection) : NULL;
	if (!t)
		return -ENOENT;
	struct child *changed = malloc(sizeof *changed);
	unsigned n = t->n_active;
	/* no worker sends on it while its header is rewritten */
	t->n_active = 0;
	int err = changed ? publish(t) : -ENOMEM;
	t->n_active = n;
	if (err) {
		free(changed);
		return err;
	}
	esp_sa_readdress(c->sa, &child->local, &child->remote, child->encapsulation);
	*changed = *c;
	changed->local = child->local;
	changed->remote = child->remote;
	changed->udp = child->encapsulation == ESP_IN_UDP;
	changed->moved_told = false;
	const struct xgw_sa_key old = key_of(c);
	err = reenter(d, changed, &old);
	for (unsigned i = 0; i < n; i++)
		if (t->active[i] == c)
			t->active[i] = changed;
	rcu_assign_pointer(d->slots[c->slot], changed);
	int late = publish(t);
	synchronize_rcu();
	free(c);
	return err ? err : late;
}

static void add_counters(struct esp_counters *sum, const struct esp_counters *c)
{
	sum->packets_in += c->packets_in;
	sum->bytes_in += c->bytes_in;
	sum->packets_out += c->packets_out;
	sum->bytes_out += c->bytes_out;
}

static void child_unpublish(struct datapath *d, struct child *c)
{
	struct tunnel *t = tunnel_of(d, c->connection);
	struct xgw_sa_key key = key_of(c);
	maps_delete(d->o.maps, MAPS_sas_in, &key);
	unsigned n = 0;
	for (unsigned i = 0; t && i < t->n_active; i++)
		if (t->active[i] != c)
			t->active[n++] = t->active[i];
	bool was_active = t && n != t->n_active;
	if (t)
		t->n_active = n;
	rcu_assign_pointer(d->slots[c->slot], NULL);
	if (was_active && publish(t))
		unpublish(t);
	synchronize_rcu();
	struct esp_counters last;
	esp_sa_counters(c->sa, &last);
	if (t)
		add_counters(&t->gone, &last);
}

int datapath_child_remove(struct datapath *d, uint32_t spi_in)
{
	struct child *c = child_of(d, spi_in);
	if (!c)
		return -ENOENT;
	child_unpublish(d, c);
	child_free(c);
	return 0;
}

static bool same_path(const struct datapath_path *a, const struct datapath_path *b)
{
	return a->port_id == b->port_id && a->mtu == b->mtu && a->usable == b->usable &&
	       !memcmp(a->source_mac, b->source_mac, 6) &&
	       !memcmp(a->destination_mac, b->destination_mac, 6);
}

int datapath_path_set(struct datapath *d, uint32_t connection, const struct datapath_path *path)
{
	struct tunnel *t = tunnel_make(d, connection);
	if (!t)
		return connection < MAX_CONNECTIONS ? -ENOMEM : -EINVAL;
	if (same_path(&t->path, path))
		return 0;
	t->path = *path;
	return publish(t);
}

void datapath_tunnel_remove(struct datapath *d, uint32_t connection)
{
	struct tunnel *t = tunnel_of(d, connection);
	if (!t)
		return;
	for (uint32_t i = 0; i < d->next_slot; i++)
		if (d->slots[i] && d->slots[i]->connection == connection)
			datapath_child_remove(d, d->slots[i]->spi_in);
	rcu_assign_pointer(d->tunnels[connection], NULL);
	synchronize_rcu();
	free(t->outbound);
	free(t);
}

int datapath_child_counters(const struct datapath *d, uint32_t spi_in, struct esp_counters *out,
			    uint32_t *inner_mtu)
{
	const struct child *c = child_of(d, spi_in);
	if (!c)
		return -ENOENT;
	esp_sa_counters(c->sa, out);
	if (inner_mtu)
		*inner_mtu = c->inner_mtu;
	return 0;
}

int datapath_connection_traffic(const struct datapath *d, uint32_t connection,
				struct datapath_traffic *out)
{
	const struct tunnel *t = tunnel_of(d, connection);
	memset(out, 0, sizeof *out);
	if (!t)
		return -ENOENT;
	struct esp_counters sum = t->gone;
	for (uint32_t i = 0; i < d->next_slot; i++) {
		struct esp_counters c;
		if (!d->slots[i] || d->slots[i]->connection != connection)
			continue;
		esp_sa_counters(d->slots[i]->sa, &c);
		add_counters(&sum, &c);
	}
	out->packets_in = sum.packets_in;
	out->bytes_in = sum.bytes_in;
	out->packets_out = sum.packets_out;
	out->bytes_out = sum.bytes_out;
	for (int i = 0; i < XGW_DROP_COUNT; i++)
		out->drops[i] = atomic_load_explicit(&t->count.drops[i], memory_order_relaxed);
	return 0;
}
