/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Packets to ESP. Headers and trailers of some packets first, then their cryptography. What belongs
 * to an SA (sequence numbers, counters, limits) is touched once per run of packets of that SA.
 *
 * AES-GCM of a library that takes packets one by one has a way of its own: nothing per packet but
 * what differs, and only so many packets ahead that what was just written (trailer, headers, nonce)
 * has left the store buffer when the library reads it. All else goes in chunks with full
 * operations.
 */
#include "esp/sa.h"

#include "base/bytes.h"
#include "esp/checksum.h"

#include <endian.h>
#include <string.h>

#define V4_DF 0x4000u

struct chunk {
	unsigned n; /* operations; packet[i] is op[i]'s */
	bool has_cbc;
	struct esp_op op[ESP_CHUNK];
	struct esp_packet *packet[ESP_CHUNK];
	uint8_t aad[ESP_CHUNK][12]; /* with ESN: SPI, high half, low half */
};

struct gcm_chunk {
	unsigned n;
	struct esp_gcm_op op[ESP_GRAIN];
	struct esp_packet *packet[ESP_GRAIN];
	uint8_t aad[ESP_GRAIN][16] __attribute__((aligned(16)));
};

/* What of an inner packet the outer header needs. */
struct inner {
	const uint8_t *ip;
	uint32_t len;
	uint8_t next_header;
	uint64_t head; /* the first eight bytes of an IPv4 header with its TOS and DF */
};

/* Where the parts of a packet stand that is all but encrypted. */
struct dressed {
	uint8_t *esp;
	uint32_t padded, inner_len;
};

both_ways enum xgw_drop look_inside(struct inner *out, const uint8_t *ip, uint32_t len)
{
	if (unlikely(len < 20))
		return XGW_DROP_TRUNCATED;
	uint64_t w = load_be64(ip);
	out->ip = ip;
	if (likely((w >> 56) - 0x45 <= 10)) { /* version 4, a header of 20 to 60 bytes */
		out->head = w;
		out->len = (uint32_t)(w >> 32) & 0xffff;
		out->next_header = 4;
		if (unlikely(out->len < 20))
			return XGW_DROP_MALFORMED;
	} else if (w >> 60 == 6) {
		out->head = (w >> 52 & 0xff) << 48 | V4_DF;
		out->len = 40u + ((uint32_t)(w >> 16) & 0xffff);
		out->next_header = 41;
	} else {
		return w >> 60 == 4 ? XGW_DROP_MALFORMED : XGW_DROP_NOT_IP;
	}
	return unlikely(out->len > len) ? XGW_DROP_TRUNCATED : XGW_DROP_NONE;
}

/*
 * Padding 1, 2, 3, …, its length, the next header (RFC 4303 section 2.4). Up to eight bytes are
 * written: the ICV, which comes later, has at least twelve.
 */
both_ways void write_trailer(uint8_t *at, unsigned pad, uint8_t next_header)
{
	static const uint8_t padding[16] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
	static const uint8_t small[2][4][8] = {
		{{0, 4}, {1, 1, 4}, {1, 2, 2, 4}, {1, 2, 3, 3, 4}},
		{{0, 41}, {1, 1, 41}, {1, 2, 2, 41}, {1, 2, 3, 3, 41}},
	};
	if (likely(pad < 4)) { /* by one store, so that the cipher's loads need not wait for two */
		memcpy(at, small[next_header != 4][pad], 8);
		return;
	}
	for (unsigned i = 0; i < pad; i++)
		at[i] = padding[i];
	at[pad] = (uint8_t)pad;
	at[pad + 1] = next_header;
}

/* ---- a hash of the inner flow (RFC 6438 section 3, RFC 7510 section 3) ---- */

static uint64_t mix(uint64_t a, uint64_t b)
{
	unsigned __int128 m = (unsigned __int128)a * b;
	return (uint64_t)m ^ (uint64_t)(m >> 64);
}

static bool has_ports(uint8_t protocol)
{
	return protocol == 6 || protocol == 17 || protocol == 33 || protocol == 132 ||
	       protocol == 136;
}

/*
 * Of addresses, protocol and, where all of the flow's packets show them, ports: a fragment goes the
 * way of all other fragments of its addresses. The seed is a secret of the SA, so that flows can't
 * be told from hashes, nor hashes be foreseen from flows.
 */
static uint32_t flow_hash(uint64_t seed, const struct inner *in)
{
	const uint8_t *ip = in->ip;
	uint64_t h, rest;
	uint32_t at;
	if (in->next_header == 4) {
		at = load_be16(ip + 6) & 0x3fff ? in->len : (ip[0] & 15u) * 4;
		rest = ip[9];
		h = mix(load_be64(ip + 12) ^ seed, 0x9e3779b97f4a7c15ull);
	} else {
		at = 40;
		rest = (uint64_t)(load_be32(ip) & 0xfffff) << 8 | ip[6];
		h = mix(load_be64(ip + 8) ^ seed, load_be64(ip + 16) ^ 0x9e3779b97f4a7c15ull);
		h = mix(h ^ load_be64(ip + 24), load_be64(ip + 32) ^ 0xbf58476d1ce4e5b9ull);
	}
	if (has_ports((uint8_t)rest) && at + 4 <= in->len)
		rest |= (uint64_t)load_be32(ip + at) << 32;
	h = mix(h ^ rest, seed | 1);
	return (uint32_t)(h ^ h >> 32);
}

/* ---- the outer header ---- */

/* Ports, length, no checksum (RFC 3948 section 2.1). */
both_ways void write_udp(const struct esp_out *out, uint8_t *udp, uint32_t len,
			 const struct inner *inner)
{
	uint32_t ports = out->udp_ports;
	if (unlikely(out->port_entropy))
		ports = (ports & 0xffff) | (ESP_FLOW_PORTS | flow_hash(out->flow_seed, inner) >> 18)
						   << 16;
	store_be64(udp, (uint64_t)ports << 32 | len << 16);
}

/* The ones' complement sum of four words of 16 bits, in 16 bits. */
both_ways uint32_t sum_of(uint64_t w)
{
	uint32_t half = (uint32_t)((w + (w >> 32 | w << 32)) >> 32);
	return (half + (half >> 16 | half << 16)) >> 16;
}

both_ways void write_outer_v4(const struct esp_out *out, uint8_t *h, uint64_t first)
{
	uint32_t sum = out->template_sum + sum_of(first);
	uint16_t check = (uint16_t) ~(sum + (sum >> 16));
	store_be64(h, first);
	store_be64(h + 8, out->v4_middle | (uint64_t)check << 32);
	memcpy(h + 16, out->outer + 16, 4);
}

both_ways void write_outer(const struct esp_out *out, uint8_t *h, uint32_t len,
			   const struct inner *inner, uint64_t seq)
{
	/* ECN: RFC 6040 section 4.1, normal mode */
	uint64_t w = (inner->head & out->head_keep) | out->head_add;
	if (likely(out->family == IP_V4)) {
		w |= (uint64_t)len << 32 | (w & V4_DF ? 0 : (seq & 0xffff) << 16);
		write_outer_v4(out, h, w);
		if (out->udp)
			write_udp(out, h + 20, len - 20, inner);
	} else {
		uint32_t tos = (uint8_t)(w >> 48);
		uint32_t label = flow_hash(out->flow_seed, inner) & 0xfffff;
		memcpy(h + 6, out->outer + 6, 34);
		store_be32(h, 0x60000000 | tos << 20 | label);
		store_be16(h + 4, (uint16_t)(len - 40));
		if (out->udp)
			write_udp(out, h + 40, len - 40, inner);
	}
}

/* Writes all around the payload but the ICV; the packet is then the outer one. */
both_ways enum xgw_drop dress(const struct esp_out *out, struct esp_packet *p, uint64_t seq,
			      bool gcm, struct dressed *d)
{
	struct inner inner;
	enum xgw_drop drop = look_inside(&inner, p->at, p->len);
	if (unlikely(drop))
		return drop;
	const uint32_t mask = gcm ? 3 : out->block_mask, icv = gcm ? 16 : out->icv_bytes;
	uint32_t padded = (inner.len + 2 + mask) & ~mask;
	uint32_t room = p->tailroom + p->len; /* from the inner header on */
	uint32_t total = out->head_len + padded + icv;
	if (unlikely(p->headroom < out->head_len || room < padded + icv || total > UINT16_MAX))
		return XGW_DROP_ENCAP_ROOM;
	uint8_t *head = p->at - out->head_len;
	write_trailer(p->at + inner.len, padded - inner.len - 2, inner.next_header);
	write_outer(out, head, total, &inner, seq);
	d->esp = head + out->outer_len;
	d->padded = padded;
	d->inner_len = inner.len;
	p->tailroom = room - padded - icv;
	p->at = head;
	p->len = total;
	p->headroom -= out->head_len;
	p->family = out->family;
	return XGW_DROP_NONE;
}

static void write_op(struct chunk *c, const struct esp_out *out, const struct dressed *d,
		     uint64_t seq)
{
	struct esp_op *op = &c->op[c->n];
	uint8_t *esp = d->esp;
	store_be64(esp, (uint64_t)out->spi << 32 | (uint32_t)seq);
	op->aad = esp;
	op->aad_len = 8;
	if (out->esn) {
		store_be32(c->aad[c->n], out->spi);
		store_be64(c->aad[c->n] + 4, seq);
		op->aad = c->aad[c->n];
		op->aad_len = 12;
	}
	op->key = out->key;
	op->payload = esp + 8 + out->iv_bytes;
	op->len = d->padded;
	op->icv = op->payload + d->padded;
	if (out->cbc) {
		/* not the IV yet: a number that occurs once under this key */
		memset(op->nonce, 0, 8);
		store_be64(op->nonce + 8, seq);
		c->has_cbc = true;
	} else {
		/* GCM, ChaCha: the IV is the sequence number, so it never repeats (RFC 4106
		 * section 3.1) */
		memcpy(op->nonce, out->salt, 4);
		store_be64(op->nonce + 4, seq);
		if (out->iv_bytes)
			memcpy(esp + 8, op->nonce + 4, 8);
	}
}

/*
 * Takes up to n sequence numbers; the first is *first. A number is never given twice and never
 * wraps: when they are used up the counter stays where it is.
 */
static unsigned take_sequence(struct esp_out *out, unsigned n, uint64_t *first)
{
	uint64_t last = atomic_load_explicit(&out->sequence, memory_order_relaxed);
	uint64_t left;
	do {
		left = out->last_sequence - last;
		if (left > n)
			left = n;
	} while (left && !atomic_compare_exchange_weak_explicit(&out->sequence, &last, last + left,
								memory_order_relaxed,
								memory_order_relaxed));
	*first = last + 1;
	return (unsigned)left;
}

/* Numbers that no packet used go back, unless another worker took the next ones. */
static void return_sequence(struct esp_out *out, uint64_t last_used, uint64_t last_taken)
{
	if (last_used != last_taken)
		atomic_compare_exchange_strong(&out->sequence, &last_taken, last_used);
}

/*
 * Both ends of a packet that comes soon: headers and trailer are written before the cipher has run
 * over what is between. That is left to the CPU's own prefetchers, which by hand is slower
 * (docs/PERFORMANCE.md).
 */
both_ways void prefetch(const struct esp_packet *next, const struct esp_packet *end)
{
	if (unlikely(next >= end))
		return;
	__builtin_prefetch(next->at - ESP_LINE, 1);
	__builtin_prefetch(next->at + next->len + 15, 1);
}

/* Packets of one SA that follow each other: what is taken once for all of them, and given back. */
struct run {
	struct esp_out *out;
	bool limited;		   /* by packets or bytes */
	uint64_t first, next, end; /* sequence numbers */
	uint64_t packets, bytes;   /* the SA sent before */
	uint64_t sent;		   /* bytes of this run */
};

/* Packets of one SA from p on, whose numbers follow each other when they have some already. */
static unsigned run_length(const struct esp_packet *p, unsigned n)
{
	const uint64_t step = p->sequence ? 1 : 0;
	uint64_t follows = p->sequence + step;
	unsigned run = 1;
	for (; run < n && p[run].sa == p->sa && p[run].sequence == follows; run++)
		follows += step;
	return run;
}

void esp_take_sequences(struct esp_packet *p, unsigned n)
{
	for (unsigned i = 0, run; i < n; i += run) {
		uint64_t first;
		run = run_length(p + i, n - i);
		unsigned taken = take_sequence(&p[i].sa->out, run, &first);
		for (unsigned j = 0; j < taken; j++)
			p[i + j].sequence = first + j;
	}
}

static void run_begin(struct run *r, const struct esp_packet *p, unsigned n)
{
	struct esp_out *out = r->out = &p->sa->out;
	r->limited = out->hard_packets || out->hard_bytes;
	r->packets = atomic_load_explicit(&out->packets, memory_order_relaxed);
	r->bytes = atomic_load_explicit(&out->bytes, memory_order_relaxed);
	r->first = p->sequence;
	r->end = p->sequence ? n : take_sequence(out, n, &r->first);
	r->end += r->first;
	r->next = r->first;
	r->sent = 0;
}

static void run_end(struct run *r, struct esp_sa *sa)
{
	struct esp_out *out = r->out;
	return_sequence(out, r->next - 1, r->end - 1);
	count(&out->packets, r->next - r->first);
	count(&out->bytes, r->sent);
	if (unlikely(r->next - 1 >= out->soft_sequence ||
		     (out->soft_bytes && r->bytes + r->sent >= out->soft_bytes)))
		sa_soft_expired(sa);
}

/* Limits are judged with what the SA had sent when the run began and with the run itself. */
static bool within_limits(const struct run *r)
{
	const struct esp_out *out = r->out;
	uint64_t packets = r->packets + (r->next - r->first), bytes = r->bytes + r->sent;
	return (!out->hard_packets || packets < out->hard_packets) &&
	       (!out->hard_bytes || bytes < out->hard_bytes);
}

/* True: the packet is dressed with number r->next - 1. */
both_ways bool take(struct run *r, struct esp_packet *p, bool gcm, struct dressed *d)
{
	enum xgw_drop drop;
	if (unlikely(r->limited && !within_limits(r)))
		drop = XGW_DROP_LIFETIME;
	else if (unlikely(r->next == r->end))
		drop = XGW_DROP_SEQUENCE;
	else
		drop = dress(r->out, p, r->next, gcm, d);
	p->drop = drop;
	if (unlikely(drop))
		return false;
	r->next++;
	r->sent += d->inner_len;
	return true;
}

static int crypt_run(struct esp_crypto *crypto, struct chunk *c, unsigned from, unsigned n)
{
	const struct esp_backend *b = c->packet[from]->sa->out.backend;
	struct esp_crypto *mine = crypto_for(crypto, b);
	struct esp_op *op = &c->op[from];
	int err = mine ? 0 : -1;
	if (!err && c->has_cbc) {
		err = b->make_ivs(mine, op, n);
		for (unsigned i = 0; i < n; i++) {
			const struct esp_out *out = &c->packet[from + i]->sa->out;
			if (out->cbc)
				memcpy(op[i].payload - out->iv_bytes, op[i].nonce, out->iv_bytes);
		}
	}
	return err ? err : b->encrypt(mine, op, n);
}

/*
 * UDP over IPv6 carries a checksum: RFC 6935 allows zero for tunnels only by agreement with the
 * receiver, and receivers in use (Linux's ESP-in-UDP) drop it. IPv4 sends zero as RFC 3948
 * section 2.1 wants.
 */
static void finish_udp6(struct esp_packet *p)
{
	uint32_t udp_len = p->len - 40;
	uint64_t sum = checksum_add(17 + udp_len, p->at + 8, 32);
	uint16_t check = (uint16_t)~checksum_fold(checksum_add(sum, p->at + 40, udp_len));
	store_be16(p->at + 46, check ? check : 0xffff);
}

static void crypt(struct esp_crypto *crypto, struct chunk *c)
{
	for (unsigned i = 0, run; i < c->n; i += run) {
		const struct esp_backend *b = c->packet[i]->sa->out.backend;
		for (run = 1; i + run < c->n && c->packet[i + run]->sa->out.backend == b;)
			run++;
		bool failed = crypt_run(crypto, c, i, run);
		for (unsigned j = i; j < i + run; j++) {
			const struct esp_out *out = &c->packet[j]->sa->out;
			if (failed)
				c->packet[j]->drop = XGW_DROP_CRYPTO;
			else if (out->udp && out->family == IP_V6)
				finish_udp6(c->packet[j]);
		}
	}
	c->n = 0;
	c->has_cbc = false;
}

/* ---- AES-GCM ---- */

/* The IV is the sequence number, so it never repeats (RFC 4106 section 3.1). */
both_ways void write_gcm_op(struct gcm_chunk *c, const struct esp_out *out, const struct dressed *d,
			    uint64_t seq)
{
	struct esp_gcm_op *op = &c->op[c->n];
	const uint64_t iv = htobe64(seq);
	store_be64(d->esp, (uint64_t)out->spi << 32 | (uint32_t)seq);
	memcpy(d->esp + 8, &iv, sizeof iv);
	gcm_nonce(op, out->salt, iv);
	op->payload = d->esp + 16;
	op->len = d->padded;
	op->aad = d->esp;
	if (out->esn) {
		op->aad = c->aad[c->n];
		store_be64(c->aad[c->n], (uint64_t)out->spi << 32 | seq >> 32);
		store_be32(c->aad[c->n] + 8, (uint32_t)seq);
	}
}

both_ways void seal(struct esp_crypto *crypto, struct gcm_chunk *c, const struct esp_out *out)
{
	out->backend->gcm_seal(crypto, out->key, c->op, c->n, out->esn ? 12 : 8);
	if (unlikely(out->udp && out->family == IP_V6)) {
		for (unsigned i = 0; i < c->n; i++)
			finish_udp6(c->packet[i]);
	}
	c->n = 0;
}

/* The n packets of a run; the burst goes on to `end`. */
static void seal_run(struct esp_crypto *crypto, struct run *run, struct esp_packet *p, unsigned n,
		     const struct esp_packet *end)
{
	struct run r = *run; /* a copy, so that the compiler sees what changes it */
	struct gcm_chunk c;
	struct dressed d;
	c.n = 0;
	for (unsigned i = 0; i < n; i++) {
		prefetch(&p[i + ESP_AHEAD], end);
		if (unlikely(!take(&r, &p[i], true, &d)))
			continue;
		write_gcm_op(&c, r.out, &d, r.next - 1);
		c.packet[c.n++] = &p[i];
		if (c.n == ESP_GRAIN)
			seal(crypto, &c, r.out);
	}
	if (c.n)
		seal(crypto, &c, r.out);
	*run = r;
}

/* ---- all others ---- */

static void chunk_run(struct esp_crypto *crypto, struct chunk *c, struct run *r,
		      struct esp_packet *p, unsigned n, const struct esp_packet *end)
{
	struct dressed d;
	for (unsigned i = 0; i < n; i++) {
		prefetch(&p[i + ESP_AHEAD], end);
		if (!take(r, &p[i], false, &d))
			continue;
		write_op(c, r->out, &d, r->next - 1);
		c->packet[c->n++] = &p[i];
		if (c->n == ESP_CHUNK)
			crypt(crypto, c);
	}
}

void esp_encrypt(struct esp_crypto *crypto, struct esp_packet *p, unsigned n)
{
	struct chunk c;
	c.n = 0;
	c.has_cbc = false;
	for (unsigned done = 0, run; done < n; done += run) {
		struct esp_sa *sa = p[done].sa;
		struct esp_crypto *mine = sa->out.gcm ? crypto_for(crypto, sa->out.backend) : NULL;
		struct run r;
		run = run_length(p + done, n - done);
		run_begin(&r, p + done, run);
		if (likely(mine))
			seal_run(mine, &r, p + done, run, p + n);
		else
			chunk_run(crypto, &c, &r, p + done, run, p + n);
		run_end(&r, sa);
	}
	crypt(crypto, &c);
}
