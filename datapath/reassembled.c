/* SPDX-License-Identifier: Apache-2.0 */
/*
 * XDP leaves pieces of outer packets to the kernel, whose reassembly is bounded in memory and time
 * and refuses overlaps (RFC 5722), and which hands us the whole by a socket. A path that cuts ESP
 * is slow anyway, so one lock and a copy do no harm; the queue is short, and what finds no room is
 * dropped and counted.
 */
#include "datapath/reassembled.h"
#include "base/bytes.h"
#include "base/log.h"
#include "datapath/slots.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WAITING_MAX 64u
#define HEADERS_MAX 48u /* IPv6 and UDP */
#define LEN_MAX	    DATAPATH_MTU_LARGE

struct waiting {
	uint32_t slot, len;
	uint16_t esp;
	uint8_t at[LEN_MAX];
};

struct reassembled {
	pthread_mutex_t lock;
	_Atomic unsigned n;
	struct waiting waiting[WAITING_MAX];
};

int reassembled_start(struct datapath *d)
{
	d->reassembled = calloc(1, sizeof *d->reassembled);
	if (!d->reassembled)
		return -ENOMEM;
	pthread_mutex_init(&d->reassembled->lock, NULL);
	return 0;
}

void reassembled_stop(struct datapath *d)
{
	if (!d->reassembled)
		return;
	pthread_mutex_destroy(&d->reassembled->lock);
	free(d->reassembled);
	d->reassembled = NULL;
}

/* The headers that the kernel took off, as far as decryption reads them. Their length. */
static uint32_t write_headers(uint8_t *out, const struct datapath_esp *e)
{
	bool v4 = e->from.addr.family == IP_V4;
	uint32_t ip = v4 ? 20 : 40, udp = e->udp ? 8 : 0;
	uint8_t protocol = e->udp ? 17 : 50;
	memset(out, 0, ip + udp);
	if (v4) {
		out[0] = 0x45;
		out[1] = e->tos;
		store_be16(out + 2, (uint16_t)(ip + udp + e->len));
		out[8] = 64;
		out[9] = protocol;
		memcpy(out + 12, e->from.addr.b, 4);
		memcpy(out + 16, e->to.addr.b, 4);
	} else {
		out[0] = (uint8_t)(0x60 | e->tos >> 4);
		out[1] = (uint8_t)(e->tos << 4);
		store_be16(out + 4, (uint16_t)(udp + e->len));
		out[6] = protocol;
		out[7] = 64;
		memcpy(out + 8, e->from.addr.b, 16);
		memcpy(out + 24, e->to.addr.b, 16);
	}
	if (udp) {
		store_be16(out + ip, e->from.port);
		store_be16(out + ip + 2, e->to.port);
		store_be16(out + ip + 4, (uint16_t)(udp + e->len));
	}
	return ip + udp;
}

static int add(struct datapath *d, const struct datapath_esp *e, const struct child *c)
{
	struct reassembled *r = d->reassembled;
	int err = -ENOBUFS;
	pthread_mutex_lock(&r->lock);
	unsigned n = atomic_load_explicit(&r->n, memory_order_relaxed);
	if (n < WAITING_MAX) {
		struct waiting *t = &r->waiting[n];
		t->slot = c->slot;
		t->esp = (uint16_t)write_headers(t->at, e);
		memcpy(t->at + t->esp, e->at, e->len);
		t->len = t->esp + (uint32_t)e->len;
		atomic_store_explicit(&r->n, n + 1, memory_order_relaxed);
		err = 0;
	}
	pthread_mutex_unlock(&r->lock);
	return err;
}

static int refuse(struct datapath *d, enum xgw_drop why, int err)
{
	__atomic_fetch_add(&d->workers[0].status.drops[why], 1, __ATOMIC_RELAXED);
	return err;
}

int datapath_reassembled(struct datapath *d, const struct datapath_esp *e)
{
	uint64_t one = 1;
	if (e->len < 8)
		return refuse(d, XGW_DROP_TRUNCATED, -EBADMSG);
	const struct child *c = slots_by_spi_in(d, load_be32(e->at));
	if (!c || !ip_addr_equal(&c->local.addr, &e->to.addr))
		return refuse(d, XGW_DROP_UNKNOWN_SPI, -ENOENT);
	if (e->len > LEN_MAX - HEADERS_MAX)
		return refuse(d, XGW_DROP_FRAGMENT, -EMSGSIZE);
	int err = add(d, e, c);
	if (err)
		return refuse(d, XGW_DROP_NO_BUFFER, err);
	if (write(d->workers[0].wake_fd, &one, sizeof one) < 0)
		log_debug(LOG_ESP, "wake-fd worker=0 error=%d", errno);
	return 0;
}

/* ---- the worker ---- */

static void take(struct worker *w, const struct waiting *t)
{
	struct packet p = {.len = t->len, .slot = t->slot, .esp = t->esp};
	if (!frames_take_for(&w->frames, p.len, &p.frame)) {
		__atomic_fetch_add(&w->status.drops[XGW_DROP_NO_BUFFER], 1, __ATOMIC_RELAXED);
		return;
	}
	p.at = w->frames.area + p.frame + FRAME_HEADROOM;
	memcpy(p.at, t->at, t->len);
	inbound_add(w, &p);
}

unsigned reassembled_take(struct worker *w)
{
	struct reassembled *r = w->d->reassembled;
	if (!r || w->index || !atomic_load_explicit(&r->n, memory_order_relaxed))
		return 0;
	pthread_mutex_lock(&r->lock);
	unsigned n = atomic_load_explicit(&r->n, memory_order_relaxed);
	for (unsigned i = 0; i < n; i++)
		take(w, &r->waiting[i]);
	atomic_store_explicit(&r->n, 0, memory_order_relaxed);
	pthread_mutex_unlock(&r->lock);
	return n;
}
