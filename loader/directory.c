/* SPDX-License-Identifier: Apache-2.0 */
#include "loader/directory.h"

#include "base/log.h"
#include "loader/join.h"
#include "loader/learning.h"
#include "loader/underlay.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define TRY_AGAIN_SECONDS 60u

/* The directory of one attachment: its number is that in `at`, and in the join. */
struct entry {
	uint32_t attachment, vnet, vni, limit, port;
	const struct place *place;
	char name[2][16]; /* of the devices: FDB, neighbours */
};

/* Who uses a device: a number of a directory, and which half of it. */
struct use {
	uint32_t directory, half, next; /* next: as `first` below */
};
struct device {
	char name[16];
	uint32_t ifindex, first; /* first: place in `uses` + 1, 0 = none */
};
struct by_index {
	uint32_t ifindex;
	char name[16];
};

struct behind_key {
	uint32_t directory;
	struct ip_addr vtep;
};
#define BEHIND_KEY 21u
struct behind {
	struct behind_key key;
	uint32_t endpoints;
};

struct directory {
	struct directory_host h;
	struct entry *at;
	uint32_t n;
	struct use *uses;
	uint32_t n_uses;
	struct hash devices, indices, vteps;
	struct join *join;
	uint32_t refused, seconds;
};

/* ---- endpoints into the maps ---- */

static bool in_plan(const struct directory *d, uint32_t attachment, const struct ip_addr *vtep)
{
	uint32_t low = 0, high = d->h.plan->n_vteps;
	struct plan_entry_vtep want = {.attachment = attachment};
	want.prefix = (struct ip_prefix){*vtep, (uint8_t)ip_addr_bits(vtep)};
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		const struct plan_entry_vtep *e = &d->h.plan->vteps[middle];
		int c = e->attachment != attachment
				? (e->attachment < attachment ? -1 : 1)
				: memcmp(&e->prefix, &want.prefix, sizeof want.prefix);
		if (!c)
			return true;
		if (c < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return false;
}

static struct xgw_vtep_key map_key(const struct entry *e, const struct ip_addr *vtep)
{
	struct ip_prefix alone = {*vtep, (uint8_t)ip_addr_bits(vtep)};
	return maps_vtep_key(e->attachment, &alone);
}

static struct behind_key behind_key(uint32_t directory, const struct ip_addr *vtep)
{
	struct behind_key k;
	memset(&k, 0, sizeof k);
	k.directory = directory;
	k.vtep = *vtep;
	return k;
}

/* The VTEP has one endpoint more: of the first on its packets are taken. */
static bool arrive(struct directory *d, uint32_t directory, const struct ip_addr *vtep)
{
	const struct entry *e = &d->at[directory];
	struct behind_key k = behind_key(directory, vtep);
	struct behind *b = hash_put(&d->vteps, &k);
	if (!b)
		return false;
	if (b->endpoints++)
		return true;
	struct xgw_vtep_key key = map_key(e, vtep);
	const struct xgw_vtep value = {XGW_VTEP_DIRECTORY};
	if (!in_plan(d, e->attachment, vtep))
		maps_put(d->h.maps, MAPS_vteps, &key, &value);
	underlay_vtep(d->h.underlay, e->port, vtep, true);
	return true;
}

static void leave(void *owner, uint32_t directory, const struct ip_addr *vtep)
{
	struct directory *d = owner;
	const struct entry *e = &d->at[directory];
	struct behind_key k = behind_key(directory, vtep);
	struct behind *b = hash_find(&d->vteps, &k);
	if (!b || --b->endpoints)
		return;
	hash_remove(&d->vteps, &k);
	struct xgw_vtep_key key = map_key(e, vtep);
	if (!in_plan(d, e->attachment, vtep))
		maps_delete(d->h.maps, MAPS_vteps, &key);
	underlay_vtep(d->h.underlay, e->port, vtep, false);
}

/* An address and a VTEP that a host of this VNet may have. */
static bool is_plausible(const struct place *p, const struct ip_addr *a, const struct ip_addr *vtep)
{
	const struct ip_addr *local = &p->attachment->local_vtep;
	return places_has_address(p->vnet, a) && !model_is_own_address(p->vnet, a) &&
	       vtep->family == local->family && !ip_addr_equal(vtep, local);
}

static bool put(void *owner, uint32_t directory, const struct ip_addr *a, const uint8_t mac[6],
		const struct ip_addr *vtep)
{
	struct directory *d = owner;
	const struct entry *e = &d->at[directory];
	struct xgw_endpoint_key key = {.vnet = e->vnet};
	struct xgw_endpoint had = {0},
			    want = {.attachment = e->attachment, .flags = XGW_ENDPOINT_KERNEL};
	ip_addr_to_mapped(a, key.addr);
	ip_addr_to_mapped(vtep, want.vtep);
	memcpy(want.mac, mac, 6);
	bool there = maps_get(d->h.maps, MAPS_endpoints, &key, &had) == 0;
	if (!is_plausible(e->place, a, vtep) || (there && had.flags & XGW_ENDPOINT_STATIC) ||
	    !arrive(d, directory, vtep))
		return false;
	if (there && memcmp(&had, &want, sizeof want) == 0)
		return true;
	int err = maps_put(d->h.maps, MAPS_endpoints, &key, &want);
	if (err) {
		d->refused++;
		leave(d, directory, vtep);
		return false;
	}
	if (there && had.flags & XGW_ENDPOINT_LEARNT)
		learning_let_go(d->h.maps, e->vnet, 1);
	maps_bump(d->h.maps);
	return true;
}

static void take_away(void *owner, uint32_t directory, const struct ip_addr *a)
{
	struct directory *d = owner;
	struct xgw_endpoint_key key = {.vnet = d->at[directory].vnet};
	struct xgw_endpoint had;
	ip_addr_to_mapped(a, key.addr);
	if (maps_get(d->h.maps, MAPS_endpoints, &key, &had) || !(had.flags & XGW_ENDPOINT_KERNEL) ||
	    had.attachment != d->at[directory].attachment)
		return;
	maps_delete(d->h.maps, MAPS_endpoints, &key);
	maps_bump(d->h.maps);
}

/* ---- devices ---- */

static int add_use(struct directory *d, uint32_t directory, uint32_t half)
{
	struct device *v = hash_put(&d->devices, d->at[directory].name[half]);
	if (!v)
		return -ENOMEM;
	d->uses[d->n_uses] = (struct use){directory, half, v->first};
	v->first = ++d->n_uses;
	return 0;
}

static const struct use *first_use(const struct directory *d, uint32_t ifindex)
{
	const struct by_index *x = hash_find(&d->indices, &ifindex);
	const struct device *v = x ? hash_find(&d->devices, x->name) : NULL;
	return v && v->first ? &d->uses[v->first - 1] : NULL;
}

static const struct use *use_of(const struct directory *d, const struct device *v)
{
	return v->first ? &d->uses[v->first - 1] : NULL;
}

static const struct use *next_use(const struct directory *d, const struct use *u)
{
	return u->next ? &d->uses[u->next - 1] : NULL;
}

static void set_index(struct directory *d, struct device *v, uint32_t ifindex)
{
	if (v->ifindex)
		hash_remove(&d->indices, &v->ifindex);
	v->ifindex = ifindex;
	struct by_index *x = ifindex ? hash_put(&d->indices, &ifindex) : NULL;
	if (x)
		memcpy(x->name, v->name, sizeof x->name);
}

static void on_fdb(void *owner, const struct netlink_fdb *x)
{
	directory_fdb(owner, x);
}

static void on_neighbour(void *owner, const struct netlink_neighbour *x)
{
	directory_neighbour(owner, x);
}

/* The device is another, or gone: its tables begin anew. */
static void rebind(struct directory *d, struct device *v, uint32_t ifindex)
{
	bool fdb = false, neighbours = false;
	if (v->ifindex == ifindex)
		return;
	log_info(LOG_NET, "directory-device device=%s ifindex=%u was=%u", v->name, ifindex,
		 v->ifindex);
	set_index(d, v, ifindex);
	join_begin(d->join);
	for (const struct use *u = use_of(d, v); u; u = next_use(d, u)) {
		fdb |= u->half == 0;
		neighbours |= u->half == 1;
	}
	if (fdb && ifindex)
		netlink_fdb(d->h.netlink, ifindex, on_fdb, d);
	if (neighbours && ifindex)
		netlink_neighbours_of(d->h.netlink, ifindex, on_neighbour, d);
	for (const struct use *u = use_of(d, v); u; u = next_use(d, u))
		join_end(d->join, u->directory, u->half ? JOIN_NEIGHBOURS : JOIN_FDB);
}

void directory_link(struct directory *d, const struct netlink_link *l)
{
	const struct by_index *x = d->n ? hash_find(&d->indices, &l->ifindex) : NULL;
	struct device *was = x ? hash_find(&d->devices, x->name) : NULL;
	struct device *now = d->n ? hash_find(&d->devices, l->name) : NULL;
	if (was && (l->gone || was != now))
		rebind(d, was, 0);
	if (now && !l->gone)
		rebind(d, now, l->ifindex);
}

/* ---- changes ---- */

void directory_fdb(struct directory *d, const struct netlink_fdb *x)
{
	for (const struct use *u = d->n ? first_use(d, x->ifindex) : NULL; u; u = next_use(d, u)) {
		/* a device of many networks says which one it is about */
		uint32_t vni = d->at[u->directory].vni;
		if (!u->half && (!x->vni || x->vni == vni) &&
		    (!x->remote_vni || x->remote_vni == vni))
			join_fdb(d->join, u->directory, x->mac, x->present ? &x->vtep : NULL);
	}
}

void directory_neighbour(struct directory *d, const struct netlink_neighbour *x)
{
	for (const struct use *u = d->n ? first_use(d, x->ifindex) : NULL; u; u = next_use(d, u)) {
		if (u->half)
			join_neighbour(d->join, u->directory, &x->addr, x->usable ? x->mac : NULL);
	}
}

void directory_read(struct directory *d)
{
	if (!d->n)
		return;
	uint32_t at = 0;
	for (struct device *v; (v = hash_next(&d->devices, &at));) {
		struct netlink_link l;
		int err = netlink_link_by_name(d->h.netlink, v->name, &l);
		if (err && v->ifindex == 0)
			log_warn(LOG_NET, "directory-device device=%s: not there yet", v->name);
		set_index(d, v, err ? 0 : l.ifindex);
	}
	join_begin(d->join);
	netlink_fdb(d->h.netlink, 0, on_fdb, d);
	netlink_neighbours(d->h.netlink, on_neighbour, d);
	join_end(d->join, JOIN_ALL, JOIN_FDB | JOIN_NEIGHBOURS);
	log_info(LOG_NET, "directory-read attachments=%u endpoints=%u", d->n, join_count(d->join));
}

void directory_second(struct directory *d)
{
	if (!d->n || ++d->seconds % TRY_AGAIN_SECONDS != 0)
		return;
	uint32_t refused = join_refused(d->join) + d->refused;
	d->refused = 0;
	if (!refused)
		return;
	log_warn(LOG_NET,
		 "directory-full refused=%u: above learningLimit of their virtual network, or the "
		 "map endpoints is full",
		 refused);
	directory_read(d);
}

/* ---- of the configuration ---- */

static int make_entries(struct directory *d)
{
	const struct places *p = d->h.places;
	d->at = calloc(p->n + 1, sizeof *d->at);
	d->uses = calloc(2 * (size_t)p->n + 1, sizeof *d->uses);
	if (!d->at || !d->uses)
		return -ENOMEM;
	for (uint32_t i = 0; i < p->n; i++) {
		const struct model_attachment *a = p->at[i].attachment;
		if (!a->fdb || !*a->fdb)
			continue;
		struct entry *e = &d->at[d->n];
		*e = (struct entry){.attachment = p->at[i].id,
				    .vnet = p->at[i].vnet->id,
				    .vni = a->tag,
				    .limit = p->at[i].vnet->learning_limit,
				    .port = a->port,
				    .place = &p->at[i]};
		strncpy(e->name[0], a->fdb, sizeof e->name[0] - 1);
		strncpy(e->name[1], a->neighbours, sizeof e->name[1] - 1);
		d->n++;
	}
	return 0;
}

/* owner: where d will stand when the join has something to say. */
static int fill(struct directory *d, struct directory *owner)
{
	const struct join_host h = {put, take_away, leave, owner};
	hash_init(&d->devices, sizeof((struct device *)0)->name, sizeof(struct device));
	hash_init(&d->indices, sizeof(uint32_t), sizeof(struct by_index));
	hash_init(&d->vteps, BEHIND_KEY, sizeof(struct behind));
	int err = make_entries(d);
	d->join = err ? NULL : join_new(&h, d->n);
	if (!d->join)
		return -ENOMEM;
	for (uint32_t i = 0; !err && i < d->n; i++) {
		join_limit(d->join, i, d->at[i].limit);
		err = add_use(d, i, 0);
		if (!err)
			err = add_use(d, i, 1);
	}
	return err;
}

static void empty(struct directory *d)
{
	join_free(d->join);
	hash_free(&d->devices);
	hash_free(&d->indices);
	hash_free(&d->vteps);
	free(d->at);
	free(d->uses);
}

struct directory *directory_new(const struct directory_host *h)
{
	struct directory *d = calloc(1, sizeof *d);
	if (!d)
		return NULL;
	d->h = *h;
	if (fill(d, d)) {
		directory_free(d);
		return NULL;
	}
	return d;
}

void directory_free(struct directory *d)
{
	if (!d)
		return;
	empty(d);
	free(d);
}

static bool same_entries(const struct directory *a, const struct directory *b)
{
	if (a->n != b->n)
		return false;
	for (uint32_t i = 0; i < a->n; i++) {
		const struct entry *x = &a->at[i], *y = &b->at[i];
		if (x->attachment != y->attachment || x->vnet != y->vnet || x->vni != y->vni ||
		    x->limit != y->limit || x->port != y->port ||
		    memcmp(x->name, y->name, sizeof x->name) != 0)
			return false;
	}
	return true;
}

/* What the old tables named and the new ones do not. */
struct leftovers {
	struct directory *new;
	const struct directory *old;
};

static uint32_t successor(const struct directory *new, const struct entry *e)
{
	for (uint32_t i = 0; i < new->n; i++) {
		if (new->at[i].attachment == e->attachment &&new->at[i].vnet == e->vnet)
			return i;
	}
	return JOIN_ALL;
}

static void drop_leftover(void *owner, uint32_t directory, const struct ip_addr *a)
{
	struct leftovers *x = owner;
	const struct entry *e = &x->old->at[directory];
	struct xgw_endpoint_key key = {.vnet = e->vnet};
	struct xgw_endpoint had;
	if (join_shows(x->new->join, successor(x->new, e), a))
		return;
	ip_addr_to_mapped(a, key.addr);
	if (maps_get(x->new->h.maps, MAPS_endpoints, &key, &had) == 0 &&
	    had.flags & XGW_ENDPOINT_KERNEL && had.attachment == e->attachment)
		maps_delete(x->new->h.maps, MAPS_endpoints, &key);
}

static void drop_leftovers(struct directory *new, const struct directory *old)
{
	struct leftovers x = {new, old};
	uint32_t at = 0;
	join_walk(old->join, drop_leftover, &x);
	for (struct behind *b; (b = hash_next(&old->vteps, &at));) {
		const struct entry *e = &old->at[b->key.directory];
		struct behind_key now = behind_key(successor(new, e), &b->key.vtep);
		struct xgw_vtep_key key = map_key(e, &b->key.vtep);
		if (!hash_find(&new->vteps, &now) && !in_plan(new, e->attachment, &b->key.vtep))
			maps_delete(new->h.maps, MAPS_vteps, &key);
	}
	maps_bump(new->h.maps);
}

int directory_changed(struct directory *d)
{
	struct directory was, *new = calloc(1, sizeof *new);
	if (!new)
		return -ENOMEM;
	new->h = d->h;
	int err = fill(new, d);
	if (!err && !same_entries(d, new)) {
		/* the new ones are there before the old ones go */
		was = *d;
		*d = *new;
		*new = was;
		directory_read(d);
		drop_leftovers(d, new);
	} else if (!err) {
		for (uint32_t i = 0; i < d->n; i++)
			d->at[i].place = new->at[i].place;
	}
	directory_free(new);
	return err;
}

void directory_tell(struct directory *d)
{
	const struct xgw_vtep value = {XGW_VTEP_DIRECTORY};
	uint32_t at = 0;
	for (struct behind *b; (b = hash_next(&d->vteps, &at));) {
		const struct entry *e = &d->at[b->key.directory];
		struct xgw_vtep_key key = map_key(e, &b->key.vtep);
		if (!in_plan(d, e->attachment, &b->key.vtep))
			maps_put(d->h.maps, MAPS_vteps, &key, &value);
		underlay_vtep(d->h.underlay, e->port, &b->key.vtep, true);
	}
}
