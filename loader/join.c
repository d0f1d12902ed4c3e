/* SPDX-License-Identifier: Apache-2.0 */
#include "loader/join.h"

#include "loader/hash.h"

#include <stdlib.h>
#include <string.h>

struct address;

/* A MAC with its VTEP, its addresses, or both. */
struct mac {
	uint32_t directory;
	uint8_t mac[6];
	struct ip_addr vtep; /* family IP_NONE: not known */
	struct address *first;
	uint32_t round; /* when its VTEP was told last */
};

struct address {
	uint32_t directory;
	struct ip_addr addr;
	struct mac *mac;
	struct address *next, *before; /* of the same MAC */
	uint32_t round;
	bool shown; /* the host has it, behind this VTEP, with this MAC */
	struct ip_addr shown_vtep;
	uint8_t shown_mac[6];
};

struct mac_key {
	uint32_t directory;
	uint8_t mac[6];
};
#define MAC_KEY 10u
struct mac_entry {
	struct mac_key key;
	struct mac *at;
};
struct address_key {
	uint32_t directory;
	struct ip_addr addr;
};
#define ADDRESS_KEY 21u
struct address_entry {
	struct address_key key;
	struct address *at;
};
_Static_assert(offsetof(struct mac_key, mac) == 4 && sizeof(struct ip_addr) == 17 &&
		       offsetof(struct address_key, addr) == 4,
	       "keys without padding");

struct size {
	uint32_t limit, macs, addresses; /* macs: those with a VTEP */
};

struct join {
	struct join_host h;
	struct hash macs, addresses;
	struct size *sizes;
	uint32_t n, round, refused, shown;
};

struct join *join_new(const struct join_host *h, uint32_t directories)
{
	struct join *j = calloc(1, sizeof *j);
	if (!j)
		return NULL;
	j->h = *h;
	j->n = directories;
	j->sizes = calloc(directories + 1, sizeof *j->sizes);
	hash_init(&j->macs, MAC_KEY, sizeof(struct mac_entry));
	hash_init(&j->addresses, ADDRESS_KEY, sizeof(struct address_entry));
	if (!j->sizes) {
		free(j);
		return NULL;
	}
	return j;
}

void join_free(struct join *j)
{
	if (!j)
		return;
	uint32_t at = 0;
	for (struct mac_entry *e; (e = hash_next(&j->macs, &at));)
		free(e->at);
	at = 0;
	for (struct address_entry *e; (e = hash_next(&j->addresses, &at));)
		free(e->at);
	hash_free(&j->macs);
	hash_free(&j->addresses);
	free(j->sizes);
	free(j);
}

void join_limit(struct join *j, uint32_t directory, uint32_t limit)
{
	if (directory < j->n)
		j->sizes[directory].limit = limit;
}

/* ---- MACs ---- */

static struct mac_key mac_key(uint32_t directory, const uint8_t mac[6])
{
	struct mac_key k;
	memset(&k, 0, sizeof k);
	k.directory = directory;
	memcpy(k.mac, mac, 6);
	return k;
}

static struct mac *find_mac(const struct join *j, uint32_t directory, const uint8_t mac[6])
{
	struct mac_key k = mac_key(directory, mac);
	struct mac_entry *e = hash_find(&j->macs, &k);
	return e ? e->at : NULL;
}

static struct mac *get_mac(struct join *j, uint32_t directory, const uint8_t mac[6])
{
	struct mac *m = find_mac(j, directory, mac);
	struct mac_key k = mac_key(directory, mac);
	if (m)
		return m;
	m = calloc(1, sizeof *m);
	struct mac_entry *e = m ? hash_put(&j->macs, &k) : NULL;
	if (!e) {
		free(m);
		return NULL;
	}
	m->directory = directory;
	memcpy(m->mac, mac, 6);
	e->at = m;
	return m;
}

/* Neither half knows it any more. */
static void drop_mac(struct join *j, struct mac *m)
{
	struct mac_key k = mac_key(m->directory, m->mac);
	if (m->vtep.family || m->first)
		return;
	hash_remove(&j->macs, &k);
	free(m);
}

/* ---- what the host sees ---- */

static void hide(struct join *j, struct address *a, bool remove)
{
	if (!a->shown)
		return;
	a->shown = false;
	j->shown--;
	if (remove)
		j->h.remove(j->h.owner, a->directory, &a->addr);
	j->h.left(j->h.owner, a->directory, &a->shown_vtep);
}

static void show(struct join *j, struct address *a)
{
	const struct mac *m = a->mac;
	if (!m->vtep.family) {
		hide(j, a, true);
		return;
	}
	if (a->shown && ip_addr_equal(&a->shown_vtep, &m->vtep) &&
	    memcmp(a->shown_mac, m->mac, 6) == 0)
		return;
	/* the new one first, so that there is always one */
	bool taken = j->h.put(j->h.owner, a->directory, &a->addr, m->mac, &m->vtep);
	hide(j, a, !taken);
	if (!taken)
		return;
	a->shown = true;
	j->shown++;
	a->shown_vtep = m->vtep;
	memcpy(a->shown_mac, m->mac, 6);
}

static void show_all(struct join *j, const struct mac *m)
{
	for (struct address *a = m->first; a; a = a->next)
		show(j, a);
}

static void unlink_address(struct join *j, struct address *a)
{
	struct mac *m = a->mac;
	if (a->before)
		a->before->next = a->next;
	else
		m->first = a->next;
	if (a->next)
		a->next->before = a->before;
	a->next = a->before = NULL;
	a->mac = NULL;
	drop_mac(j, m);
}

static void link_address(struct address *a, struct mac *m)
{
	a->mac = m;
	a->before = NULL;
	a->next = m->first;
	if (m->first)
		m->first->before = a;
	m->first = a;
}

/* ---- what the kernel tells ---- */

static bool is_host_mac(const uint8_t mac[6])
{
	return !(mac[0] & 1) && (mac[0] | mac[1] | mac[2] | mac[3] | mac[4] | mac[5]);
}

static void withdraw_vtep(struct join *j, struct mac *m)
{
	if (m->vtep.family) {
		m->vtep = (struct ip_addr){0};
		j->sizes[m->directory].macs--;
		show_all(j, m);
	}
	drop_mac(j, m);
}

void join_fdb(struct join *j, uint32_t directory, const uint8_t mac[6], const struct ip_addr *vtep)
{
	if (directory >= j->n || !is_host_mac(mac))
		return;
	struct size *s = &j->sizes[directory];
	struct mac *m = find_mac(j, directory, mac);
	if (!vtep || !vtep->family) {
		if (m)
			withdraw_vtep(j, m);
		return;
	}
	if (!m || !m->vtep.family) {
		m = s->macs < s->limit ? get_mac(j, directory, mac) : NULL;
		if (!m) {
			j->refused++;
			return;
		}
		s->macs++;
	}
	m->vtep = *vtep;
	m->round = j->round;
	show_all(j, m);
}

static struct address *get_address(struct join *j, struct address_key *k)
{
	struct size *s = &j->sizes[k->directory];
	struct address *a = s->addresses < s->limit ? calloc(1, sizeof *a) : NULL;
	struct address_entry *e = a ? hash_put(&j->addresses, k) : NULL;
	if (!e) {
		free(a);
		return NULL;
	}
	a->directory = k->directory;
	a->addr = k->addr;
	e->at = a;
	s->addresses++;
	return a;
}

static void drop_address(struct join *j, struct address *a)
{
	struct address_key k;
	memset(&k, 0, sizeof k);
	k.directory = a->directory;
	k.addr = a->addr;
	hide(j, a, true);
	if (a->mac)
		unlink_address(j, a);
	hash_remove(&j->addresses, &k);
	j->sizes[a->directory].addresses--;
	free(a);
}

void join_neighbour(struct join *j, uint32_t directory, const struct ip_addr *addr,
		    const uint8_t mac[6])
{
	struct address_key k;
	if (directory >= j->n || !addr->family)
		return;
	memset(&k, 0, sizeof k);
	k.directory = directory;
	k.addr = *addr;
	struct address_entry *e = hash_find(&j->addresses, &k);
	struct address *a = e ? e->at : NULL;
	if (!mac || !is_host_mac(mac)) {
		if (a)
			drop_address(j, a);
		return;
	}
	if (!a)
		a = get_address(j, &k);
	struct mac *m = a ? get_mac(j, directory, mac) : NULL;
	if (!m) {
		j->refused++;
		if (a)
			drop_address(j, a);
		return;
	}
	a->round = j->round;
	if (a->mac != m) {
		if (a->mac)
			unlink_address(j, a);
		link_address(a, m);
	}
	show(j, a);
}

/* ---- reading anew ---- */

void join_begin(struct join *j)
{
	j->round++;
}

void join_end(struct join *j, uint32_t directory, unsigned halves)
{
	uint32_t at = 0;
	for (struct address_entry *e;
	     halves & JOIN_NEIGHBOURS && (e = hash_next(&j->addresses, &at));) {
		if (e->at->round == j->round ||
		    (directory != JOIN_ALL && e->at->directory != directory))
			continue;
		drop_address(j, e->at);
		at--;
	}
	at = 0;
	for (struct mac_entry *e; halves & JOIN_FDB && (e = hash_next(&j->macs, &at));) {
		struct mac *m = e->at;
		if (m->round == j->round || !m->vtep.family ||
		    (directory != JOIN_ALL && m->directory != directory))
			continue;
		bool goes = !m->first;
		withdraw_vtep(j, m);
		at -= goes;
	}
}

bool join_shows(const struct join *j, uint32_t directory, const struct ip_addr *a)
{
	struct address_key k;
	memset(&k, 0, sizeof k);
	k.directory = directory;
	k.addr = *a;
	const struct address_entry *e = hash_find(&j->addresses, &k);
	return e && e->at->shown;
}

void join_walk(const struct join *j,
	       void (*each)(void *owner, uint32_t directory, const struct ip_addr *a), void *owner)
{
	uint32_t at = 0;
	for (const struct address_entry *e; (e = hash_next(&j->addresses, &at));) {
		if (e->at->shown)
			each(owner, e->key.directory, &e->key.addr);
	}
}

uint32_t join_refused(struct join *j)
{
	uint32_t n = j->refused;
	j->refused = 0;
	return n;
}

uint32_t join_count(const struct join *j)
{
	return j->shown;
}
