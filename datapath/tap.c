/* SPDX-License-Identifier: Apache-2.0 */
#include "datapath/tap.h"

#include "base/instant.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define TAP_BYTES (8u << 20)

/* In front of the bytes of each packet; records are whole multiples of its alignment. */
struct record {
	uint64_t at_ns;
	uint32_t connection, spi, len, kept;
	uint16_t point, drop;
	uint32_t is_outer;
};

static size_t record_bytes(uint32_t kept)
{
	size_t n = sizeof(struct record) + kept;
	return (n + 7) & ~(size_t)7;
}

/*
 * What an ESP packet that was refused had behind its header may be half decrypted, and nobody
 * vouches for it: it is not shown.
 */
static uint32_t shown(const struct packet *p, enum datapath_point point)
{
	uint32_t n = p->len;
	if (point == DATAPATH_DROPPED && p->esp && n > p->esp + 8u)
		n = p->esp + 8u;
	return n;
}

static void store(struct tap *t, const struct record *r, const uint8_t *bytes)
{
	pthread_mutex_lock(&t->lock);
	if (t->buffer && t->used + record_bytes(r->kept) <= TAP_BYTES) {
		memcpy(t->buffer + t->used, r, sizeof *r);
		memcpy(t->buffer + t->used + sizeof *r, bytes, r->kept);
		t->used += record_bytes(r->kept);
	} else {
		t->lost += t->buffer != NULL;
	}
	pthread_mutex_unlock(&t->lock);
}

void tap_put(struct worker *w, enum datapath_point point, const struct packet *p, uint32_t spi,
	     enum xgw_drop why)
{
	struct tap *t = &w->d->tap;
	uint32_t wanted = atomic_load_explicit(&t->connection, memory_order_relaxed);
	struct timespec now;
	if (!wanted || (wanted != DATAPATH_ALL && wanted != p->connection) || !p->at || !p->len)
		return;
	clock_gettime(CLOCK_MONOTONIC, &now);
	const struct record r = {
		.at_ns = (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec,
		.connection = p->connection,
		.spi = spi,
		.len = p->len,
		.kept = shown(p, point),
		.point = (uint16_t)point,
		.drop = (uint16_t)why,
		.is_outer = point == DATAPATH_DROPPED && p->esp,
	};
	store(t, &r, p->at);
}

void tap_burst(struct worker *w, enum datapath_point point, const struct packet *p, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		tap_put(w, point, &p[i],
			point == DATAPATH_CLEAR_OUT ? p[i].child->spi_out : p[i].child->spi_in,
			XGW_DROP_NONE);
}

/* ---- the loader's side ---- */

int datapath_capture(struct datapath *d, uint32_t connection)
{
	struct tap *t = &d->tap;
	uint8_t *first = NULL, *second = NULL;
	if (connection && !t->spare) {
		first = malloc(TAP_BYTES);
		second = malloc(TAP_BYTES);
		if (!first || !second) {
			free(first);
			free(second);
			return -ENOMEM;
		}
		t->spare = second;
		pthread_mutex_lock(&t->lock);
		t->buffer = first;
		t->used = 0;
		t->lost = 0;
		pthread_mutex_unlock(&t->lock);
	}
	atomic_store_explicit(&t->connection, connection, memory_order_relaxed);
	if (connection)
		return 0;
	pthread_mutex_lock(&t->lock);
	first = t->buffer;
	t->buffer = NULL;
	pthread_mutex_unlock(&t->lock);
	free(first);
	free(t->spare);
	t->spare = NULL;
	return 0;
}

static void tell(const uint8_t *buffer, size_t used,
		 void (*each)(void *owner, const struct datapath_captured *c), void *owner)
{
	struct record r;
	for (size_t at = 0; at < used; at += record_bytes(r.kept)) {
		memcpy(&r, buffer + at, sizeof r);
		const struct datapath_captured c = {.at_ns = r.at_ns,
						    .point = (enum datapath_point)r.point,
						    .connection = r.connection,
						    .spi = r.spi,
						    .drop = (enum xgw_drop)r.drop,
						    .is_outer = r.is_outer,
						    .len = r.len,
						    .kept = r.kept,
						    .bytes = buffer + at + sizeof r};
		each(owner, &c);
	}
}

uint64_t datapath_captured(struct datapath *d,
			   void (*each)(void *owner, const struct datapath_captured *c),
			   void *owner)
{
	struct tap *t = &d->tap;
	if (!t->spare)
		return 0;
	pthread_mutex_lock(&t->lock);
	uint8_t *full = t->buffer;
	size_t used = t->used;
	uint64_t lost = t->lost;
	t->buffer = t->spare;
	t->used = 0;
	t->lost = 0;
	pthread_mutex_unlock(&t->lock);
	t->spare = full;
	tell(full, used, each, owner);
	return lost;
}

void tap_end(struct datapath *d)
{
	(void)datapath_capture(d, 0);
	pthread_mutex_destroy(&d->tap.lock);
}
