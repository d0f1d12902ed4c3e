/* SPDX-License-Identifier: Apache-2.0 */
/* SAs and tunnels: the loader's side of what workers read by RCU. */
#include "base/log.h"
#include "datapath/slots.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define RETIRED_MAX 64u

int tables_start(struct datapath *d)
{
	d->tunnels = calloc(MAX_CONNECTIONS, sizeof *d->tunnels);
	int err = slots_start(d);
	return d->tunnels ? err : -ENOMEM;
}

void tables_stop(struct datapath *d)
{
	for (uint32_t i = 0; d->tunnels && i < MAX_CONNECTIONS; i++)
		if (d->tunnels[i])
			datapath_tunnel_remove(d, i);
	free(d->tunnels);
	d->tunnels = NULL;
	slots_stop(d);
}

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
	t->children = NO_SLOT;
	t->path.mtu = 1500;
	rcu_assign_pointer(d->tunnels[connection], t);
	return t;
}

/* Waits until no worker looks at what was replaced or taken out, and frees what was retired. */
static void settle(struct datapath *d)
{
	synchronize_rcu();
	while (d->retired) {
		struct outbound *o = d->retired;
		d->retired = o->retired;
		free(o);
	}
	d->n_retired = 0;
}

/* One wait for many: it costs a round of every worker. */
static void retire(struct datapath *d, struct outbound *o)
{
	if (!o)
		return;
	o->retired = d->retired;
	d->retired = o;
	if (++d->n_retired >= RETIRED_MAX)
		settle(d);
}

/* Workers may use the old state until settle(). */
int tables_publish(struct datapath *d, struct tunnel *t)
{
	struct outbound *o = calloc(1, sizeof *o), *old = t->outbound;
	if (!o)
		return -ENOMEM;
	uint32_t mtu = path_mtu(t);
	o->usable = t->path.usable;
	o->loop = t->path.loop;
	o->port_id = t->path.port_id;
	memcpy(o->ethernet, t->path.destination_mac, 6);
	memcpy(o->ethernet + 6, t->path.source_mac, 6);
	o->n = t->n_active;
	for (unsigned i = 0; i < o->n; i++) {
		o->child[i] = t->active[i];
		o->worker[i] = t->active[i]->worker;
		o->inner_mtu[i] = esp_inner_mtu(t->active[i]->sa, mtu);
		t->active[i]->inner_mtu = o->inner_mtu[i];
	}
	rcu_assign_pointer(t->outbound, o);
	retire(d, old);
	return 0;
}

/* Without memory for a new list the tunnel sends nothing until the next change: fail closed. */
static void unpublish(struct datapath *d, struct tunnel *t)
{
	struct outbound *old = t->outbound;
	log_error(LOG_ESP, "no-memory connection=%u: nothing is sent until an SA is used again",
		  t->id);
	rcu_assign_pointer(t->outbound, NULL);
	retire(d, old);
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

static void child_free(struct child *c)
{
	if (c && c->sa)
		esp_sa_free(c->sa);
	free(c);
}

/* Enters a child under its addresses of now. */
static int enter(struct datapath *d, const struct child *c)
{
	struct xgw_sa_key key = key_of(c);
	struct xgw_sa_in value = {.slot = c->slot,
				  .connection = c->connection,
				  .vnet = c->vnet,
				  .flags = c->udp ? XGW_SA_UDP : 0};
	return maps_put(d->o.maps, MAPS_sas_in, &key, &value);
}

static int child_publish(struct datapath *d, struct tunnel *t, struct child *c, struct fault *f)
{
	c->slot = slots_take(d);
	if (c->slot == NO_SLOT) {
		fault_set(f, -ENOSPC, "all %u SA slots are taken", d->max_slots);
		return -ENOSPC;
	}
	rcu_assign_pointer(d->slots[c->slot], c);
	slots_enter(d, t, c);
	int err = enter(d, c);
	if (!err)
		return 0;
	slots_leave(d, t, c);
	rcu_assign_pointer(d->slots[c->slot], NULL);
	slots_give(d, c->slot);
	settle(d);
	return fault_set(f, err, "cannot enter the SA into the map sas_in: %s", strerror(-err));
}

static const struct esp_backend *backend_of(const struct datapath *d, const struct child_sa *child)
{
	const struct esp_backend *b =
		d->o.choice ? esp_choice_of(d->o.choice, child->encryption, child->integrity)
			    : NULL;
	return b ? b : d->o.backend;
}

int datapath_outer_set(struct datapath *d, uint32_t connection, const struct datapath_outer *o)
{
	struct tunnel *t = tunnel_make(d, connection);
	if (!t)
		return -ENOMEM;
	t->outer = *o;
	return 0;
}

int datapath_child_install(struct datapath *d, uint32_t vnet, const struct child_sa *child,
			   struct fault *f)
{
	if (slots_by_spi_in(d, child->spi_in))
		return fault_set(f, -EEXIST, "SPI %08x is in use", child->spi_in);
	struct tunnel *t = tunnel_make(d, child->connection);
	struct child *c = t ? calloc(1, sizeof *c) : NULL;
	if (!c)
		return fault_set(f, -ENOMEM, "no memory for a child SA");
	const struct esp_sa_options o = {.backend = backend_of(d, child),
					 .replay_window = d->o.replay_window,
					 .replay_off = d->o.replay_off,
					 .dscp_copy = !t->outer.dscp_set,
					 .dscp = t->outer.dscp,
					 .df = (uint8_t)t->outer.df};
	int err = esp_sa_new(&c->sa, child, &o, f);
	if (err) {
		free(c);
		return err;
	}
	c->spi_in = child->spi_in;
	c->spi_out = child->spi_out;
	c->connection = child->connection;
	c->worker = child->worker;
	c->vnet = vnet;
	c->local = child->local;
	c->remote = child->remote;
	c->udp = child->encapsulation == ESP_IN_UDP;
	c->port_entropy = child->port_entropy;
	c->any_v4 = is_any(child, IP_V4);
	c->any_v6 = is_any(child, IP_V6);
	c->inner_mtu = esp_inner_mtu(c->sa, path_mtu(t));
	err = child_publish(d, t, c, f);
	if (err)
		child_free(c);
	return err;
}

int datapath_child_use(struct datapath *d, uint32_t spi_in)
{
	struct child *c = slots_by_spi_in(d, spi_in);
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
	return tables_publish(d, t);
}

static void deactivate(struct datapath *d, struct tunnel *t, const struct child *c)
{
	unsigned n = 0;
	for (unsigned i = 0; i < t->n_active; i++)
		if (t->active[i] != c)
			t->active[n++] = t->active[i];
	bool was_active = n != t->n_active;
	t->n_active = n;
	if (was_active && tables_publish(d, t))
		unpublish(d, t);
}

int datapath_child_rest(struct datapath *d, uint32_t spi_in)
{
	struct child *c = slots_by_spi_in(d, spi_in);
	struct tunnel *t = c ? tunnel_of(d, c->connection) : NULL;
	if (!t)
		return -ENOENT;
	deactivate(d, t, c);
	return 0;
}

int datapath_child_update(struct datapath *d, const struct child_sa *child)
{
	struct child *c = slots_by_spi_in(d, child->spi_in);
	struct tunnel *t = c ? tunnel_of(d, c->connection) : NULL;
	if (!t)
		return -ENOENT;
	struct child *changed = malloc(sizeof *changed);
	unsigned n = t->n_active;
	/* no worker sends on it while its header is rewritten */
	t->n_active = 0;
	int err = changed ? tables_publish(d, t) : -ENOMEM;
	t->n_active = n;
	if (err) {
		free(changed);
		return err;
	}
	settle(d);
	if (!ip_addr_equal(&child->remote.addr, &c->remote.addr) ||
	    !ip_addr_equal(&child->local.addr, &c->local.addr))
		path_mtu_forget(d, t);
	esp_sa_readdress(c->sa, &child->local, &child->remote, child->encapsulation);
	*changed = *c;
	changed->local = child->local;
	changed->remote = child->remote;
	changed->udp = child->encapsulation == ESP_IN_UDP;
	changed->moved_told = false;
	changed->inner_mtu = esp_inner_mtu(c->sa, path_mtu(t));
	const struct xgw_sa_key old = key_of(c), now = key_of(changed);
	err = enter(d, changed);
	if (!err && memcmp(&now, &old, sizeof now) != 0)
		maps_delete(d->o.maps, MAPS_sas_in, &old);
	for (unsigned i = 0; i < n; i++)
		if (t->active[i] == c)
			t->active[i] = changed;
	slots_leave(d, t, c);
	rcu_assign_pointer(d->slots[c->slot], changed);
	slots_enter(d, t, changed);
	int late = tables_publish(d, t);
	settle(d);
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
	deactivate(d, t, c);
	slots_leave(d, t, c);
	rcu_assign_pointer(d->slots[c->slot], NULL);
	slots_give(d, c->slot);
	settle(d);
	struct esp_counters last;
	esp_sa_counters(c->sa, &last);
	add_counters(&t->gone, &last);
}

int datapath_child_remove(struct datapath *d, uint32_t spi_in)
{
	struct child *c = slots_by_spi_in(d, spi_in);
	if (!c)
		return -ENOENT;
	child_unpublish(d, c);
	child_free(c);
	return 0;
}

static bool same_path(const struct datapath_path *a, const struct datapath_path *b)
{
	return a->port_id == b->port_id && a->mtu == b->mtu && a->usable == b->usable &&
	       a->loop == b->loop && !memcmp(a->source_mac, b->source_mac, 6) &&
	       !memcmp(a->destination_mac, b->destination_mac, 6);
}

int datapath_path_set(struct datapath *d, uint32_t connection, const struct datapath_path *path)
{
	struct tunnel *t = tunnel_make(d, connection);
	if (!t)
		return connection < MAX_CONNECTIONS ? -ENOMEM : -EINVAL;
	if (same_path(&t->path, path))
		return 0;
	path_mtu_forget(d, t);
	t->path = *path;
	return tables_publish(d, t);
}

void datapath_tunnel_remove(struct datapath *d, uint32_t connection)
{
	struct tunnel *t = tunnel_of(d, connection);
	if (!t)
		return;
	for (struct child *c; (c = slots_first(d, t));)
		datapath_child_remove(d, c->spi_in);
	path_mtu_forget(d, t);
	rcu_assign_pointer(d->tunnels[connection], NULL);
	settle(d);
	free(t->outbound);
	free(t);
}

int datapath_child_counters(const struct datapath *d, uint32_t spi_in, struct esp_counters *out,
			    uint32_t *inner_mtu)
{
	const struct child *c = slots_by_spi_in(d, spi_in);
	if (!c)
		return -ENOENT;
	esp_sa_counters(c->sa, out);
	if (inner_mtu)
		*inner_mtu = c->inner_mtu;
	return 0;
}

const char *datapath_child_backend(const struct datapath *d, uint32_t spi_in)
{
	const struct child *c = slots_by_spi_in(d, spi_in);
	return c ? esp_sa_backend(c->sa) : NULL;
}

int datapath_connection_traffic(const struct datapath *d, uint32_t connection,
				struct datapath_traffic *out)
{
	const struct tunnel *t = tunnel_of(d, connection);
	memset(out, 0, sizeof *out);
	if (!t)
		return datapath_client_traffic(d, connection, out);
	struct esp_counters sum = t->gone;
	for (const struct child *c = slots_first(d, t); c; c = slots_next(d, c)) {
		struct esp_counters count;
		esp_sa_counters(c->sa, &count);
		add_counters(&sum, &count);
	}
	out->packets_in = sum.packets_in;
	out->bytes_in = sum.bytes_in;
	out->packets_out = sum.packets_out;
	out->bytes_out = sum.bytes_out;
	for (int i = 0; i < XGW_DROP_COUNT; i++)
		out->drops[i] = atomic_load_explicit(&t->count.drops[i], memory_order_relaxed);
	return 0;
}
