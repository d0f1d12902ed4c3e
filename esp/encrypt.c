/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Packets to ESP. A burst goes in chunks that fit the first-level cache: headers, trailers and
 * operations of all packets first, then one call of the cryptography for all of them. What belongs
 * to an SA (sequence numbers, counters, limits) is touched once per run of packets of that SA.
 */
#include "esp/sa.h"

#include "base/bytes.h"
#include "esp/checksum.h"

#include <endian.h>
#include <string.h>

#define AHEAD 2 /* packets, of the prefetch */

struct chunk {
	unsigned n; /* operations; packet[i] is op[i]'s */
	bool has_cbc;
	struct esp_op op[ESP_CHUNK];
	struct esp_packet *packet[ESP_CHUNK];
	uint8_t aad[ESP_CHUNK][12]; /* with ESN: SPI, high half, low half */
};

/* What of an inner packet the outer header needs. */
struct inner {
	uint32_t len;
	uint8_t next_header, tos;
	bool dont_fragment;
	uint32_t flow; /* label of an outer IPv6 header */
};

static enum xgw_drop look_inside(struct inner *out, const uint8_t *ip, uint32_t len)
{
	if (len < 20)
		return XGW_DROP_TRUNCATED;
	if (ip[0] >> 4 == 4) {
		out->len = load_be16(ip + 2);
		out->tos = ip[1];
		out->next_header = 4;
		out->dont_fragment = ip[6] & 0x40;
		if (ip[0] < 0x45 || out->len < 20)
			return XGW_DROP_MALFORMED;
	} else if (ip[0] >> 4 == 6) {
		out->len = 40u + load_be16(ip + 4);
		out->tos = (uint8_t)(ip[0] << 4 | ip[1] >> 4);
		out->next_header = 41;
		out->dont_fragment = true;
	} else {
		return XGW_DROP_NOT_IP;
	}
	return out->len > len ? XGW_DROP_TRUNCATED : XGW_DROP_NONE;
}

/* Padding 1, 2, 3, …, its length, the next header (RFC 4303 section 2.4). */
static void write_trailer(uint8_t *at, unsigned pad, uint8_t next_header)
{
	static const uint8_t padding[16] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
	if (pad < 4) { /* one store: what is behind the trailer is the ICV, which comes later */
		uint64_t end = pad | (uint64_t)next_header << 8;
		const uint64_t all = htole64((0x030201u & ((1u << 8 * pad) - 1)) | end << 8 * pad);
		memcpy(at, &all, sizeof all);
		return;
	}
	for (unsigned i = 0; i < pad; i++)
		at[i] = padding[i];
	at[pad] = (uint8_t)pad;
	at[pad + 1] = next_header;
}

/*
 * Twenty bits that are the same for the packets of an inner flow and spread flows over the paths
 * and queues behind us (RFC 6438 section 3, RFC 6437 section 2). Addresses and, where a packet has
 * them, TCP's or UDP's ports.
 */
static uint32_t flow_label(uint64_t seed, const uint8_t *ip, uint32_t len)
{
	bool v4 = ip[0] >> 4 == 4;
	uint32_t l4 = v4 ? (ip[0] & 15u) * 4 : 40;
	uint8_t protocol = v4 ? ip[9] : ip[6];
	bool first = !v4 || !(load_be16(ip + 6) & 0x3fff);
	uint64_t h = seed ^ protocol;
	for (uint32_t i = v4 ? 12 : 8, end = v4 ? 20 : 40; i < end; i += 8)
		h = (h ^ load_be64(ip + i)) * 0x9e3779b97f4a7c15ull, h ^= h >> 32;
	if (first && (protocol == 6 || protocol == 17) && l4 + 4 <= len)
		h = (h ^ load_be32(ip + l4)) * 0x9e3779b97f4a7c15ull;
	return (uint32_t)(h >> 44);
}

static void write_outer(const struct esp_out *out, uint8_t *h, uint32_t len,
			const struct inner *inner, uint64_t seq)
{
	/* ECN: RFC 6040 section 4.1, normal mode */
	uint8_t tos = (inner->tos & out->tos_mask) | out->tos_set;
	if (out->family == IP_V4) {
		bool whole = out->df == ESP_DF_COPY ? inner->dont_fragment : out->df == ESP_DF_SET;
		uint16_t fragment = whole ? 0x4000 : 0;
		uint16_t id = whole ? 0 : (uint16_t)seq;
		memcpy(h, out->outer, 28);
		h[1] = tos;
		store_be16(h + 2, (uint16_t)len);
		store_be16(h + 4, id);
		store_be16(h + 6, fragment);
		uint32_t sum = out->template_sum + tos + len + id + fragment;
		sum = (sum & 0xffff) + (sum >> 16);
		sum = (sum & 0xffff) + (sum >> 16);
		store_be16(h + 10, (uint16_t)~sum);
		if (out->udp)
			store_be16(h + 24, (uint16_t)(len - 20));
	} else {
		memcpy(h, out->outer, OUTER_MAX);
		store_be32(h, 0x60000000u | (uint32_t)tos << 20 | inner->flow);
		store_be16(h + 4, (uint16_t)(len - 40));
		if (out->udp)
			store_be16(h + 44, (uint16_t)(len - 40));
	}
}

static void write_op(struct chunk *c, const struct esp_out *out, uint8_t *esp, uint32_t payload_len,
		     uint64_t seq)
{
	struct esp_op *op = &c->op[c->n];
	uint8_t *aad = esp;
	memcpy(esp, &out->spi_be, 4);
	store_be32(esp + 4, (uint32_t)seq);
	if (out->esn) {
		aad = c->aad[c->n];
		memcpy(aad, &out->spi_be, 4);
		store_be64(aad + 4, seq);
	}
	op->key = out->key;
	op->payload = esp + 8 + out->iv_bytes;
	op->len = payload_len;
	op->icv = op->payload + payload_len;
	op->aad = aad;
	op->aad_len = out->esn ? 12 : 8;
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

/* Where things stand in a packet that has its outer header and its trailer. */
struct layout {
	uint8_t *esp;
	uint32_t inner_len, payload_len;
};

static inline __attribute__((always_inline)) enum xgw_drop lay_out(struct layout *l,
								   const struct esp_out *out,
								   struct esp_packet *p,
								   uint64_t seq)
{
	struct inner inner;
	enum xgw_drop drop = look_inside(&inner, p->at, p->len);
	if (drop)
		return drop;
	if (out->family == IP_V6)
		inner.flow = flow_label(out->flow_seed, p->at, inner.len);
	uint32_t padded = (inner.len + 2 + out->block_mask) & ~(uint32_t)out->block_mask;
	uint32_t behind = padded - inner.len + out->icv_bytes;
	uint32_t total = out->head_len + padded + out->icv_bytes;
	if (p->headroom < out->head_len || p->tailroom + (p->len - inner.len) < behind ||
	    total > UINT16_MAX)
		return XGW_DROP_ENCAP_ROOM;
	uint8_t *head = p->at - out->head_len;
	write_trailer(p->at + inner.len, padded - inner.len - 2, inner.next_header);
	write_outer(out, head, total, &inner, seq);
	p->tailroom = p->tailroom + (p->len - inner.len) - behind;
	p->at = head;
	p->len = total;
	p->headroom -= out->head_len;
	p->family = out->family;
	*l = (struct layout){head + out->outer_len, inner.len, padded};
	return XGW_DROP_NONE;
}

/* Writes everything but the cipher text. XGW_DROP_NONE: op c->n is ready. */
static enum xgw_drop prepare(struct chunk *c, const struct esp_out *out, struct esp_packet *p,
			     uint64_t seq, uint32_t *inner_len)
{
	struct layout l;
	enum xgw_drop drop = lay_out(&l, out, p, seq);
	if (drop)
		return drop;
	write_op(c, out, l.esp, l.payload_len, seq);
	*inner_len = l.inner_len;
	return XGW_DROP_NONE;
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

static bool within_limits(const struct esp_out *out, uint64_t packets, uint64_t bytes)
{
	return (!out->hard_packets || packets < out->hard_packets) &&
	       (!out->hard_bytes || bytes < out->hard_bytes);
}

/* All of a packet that comes soon: the CPU's own prefetchers begin anew with every packet. */
static void prefetch(const struct esp_packet *p)
{
	__builtin_prefetch(p->at - ESP_LINE, 1);
	for (uint32_t i = 0; i < p->len + ESP_LINE; i += ESP_LINE)
		__builtin_prefetch(p->at + i, 1);
}

/* Packets of one SA that follow each other: what is taken once for all of them, and given back. */
struct run {
	struct esp_out *out;
	uint64_t first, taken, next; /* sequence numbers */
	uint64_t packets, bytes;     /* of the SA so far, these included */
	uint64_t packets_before, bytes_before;
};

/* Packets of one SA from p on, whose numbers follow each other when they have some already. */
static unsigned run_length(const struct esp_packet *p, unsigned n)
{
	unsigned run = 1;
	while (run < n && p[run].sa == p->sa &&
	       p[run].sequence == (p->sequence ? p->sequence + run : 0))
		run++;
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
	r->packets = r->packets_before = atomic_load_explicit(&out->packets, memory_order_relaxed);
	r->bytes = r->bytes_before = atomic_load_explicit(&out->bytes, memory_order_relaxed);
	r->first = p->sequence;
	r->taken = p->sequence ? n : take_sequence(out, n, &r->first);
	r->next = r->first;
}

static void run_end(struct run *r, struct esp_sa *sa)
{
	struct esp_out *out = r->out;
	return_sequence(out, r->next - 1, r->first + r->taken - 1);
	count(&out->packets, r->packets - r->packets_before);
	count(&out->bytes, r->bytes - r->bytes_before);
	if (r->next - 1 >= out->soft_sequence || (out->soft_bytes && r->bytes >= out->soft_bytes))
		sa_soft_expired(sa);
}

/* Limits are judged with what the SA had sent when the run began and with the run itself. */
static inline enum xgw_drop permitted(const struct run *r)
{
	if (!within_limits(r->out, r->packets, r->bytes))
		return XGW_DROP_LIFETIME;
	return r->next == r->first + r->taken ? XGW_DROP_SEQUENCE : XGW_DROP_NONE;
}

static void take(struct chunk *c, struct run *r, struct esp_packet *p)
{
	uint32_t len = 0;
	p->drop = permitted(r);
	if (!p->drop)
		p->drop = prepare(c, r->out, p, r->next, &len);
	if (p->drop)
		return;
	c->packet[c->n++] = p;
	r->next++;
	r->packets++;
	r->bytes += len;
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

/* ---- runs of AES-GCM, where the library takes packets one by one ---- */

/*
 * What was just written (trailer, headers) has left the store buffer when the library reads it a
 * few packets later.
 */
struct direct {
	unsigned n;
	struct esp_gcm_op op[ESP_DIRECT];
	uint8_t aad[ESP_DIRECT][16] __attribute__((aligned(16)));
};

static inline uint64_t pair32(uint32_t first, uint32_t second)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	return first | (uint64_t)second << 32;
#else
	return (uint64_t)first << 32 | second;
#endif
}

/* The IV is the sequence number, so it never repeats (RFC 4106 section 3.1). */
static inline void add_direct(struct direct *d, const struct esp_out *out, const struct layout *l,
			      uint64_t seq)
{
	struct esp_gcm_op *op = &d->op[d->n];
	const uint64_t iv = htobe64(seq);
	const uint32_t low = htobe32((uint32_t)seq);
	store_pair(l->esp, pair32(out->spi_be, low), iv);
	gcm_nonce(op, out->salt, iv);
	op->payload = l->esp + 16;
	op->len = l->payload_len;
	op->aad = l->esp;
	if (out->esn) {
		store_pair(d->aad[d->n], pair32(out->spi_be, htobe32((uint32_t)(seq >> 32))),
			   pair32(low, 0));
		op->aad = d->aad[d->n];
	}
	d->n++;
}

static void seal(struct esp_crypto *mine, const struct esp_out *out, struct direct *d)
{
	out->backend->gcm_seal(mine, out->key, d->op, d->n, out->esn ? 12 : 8);
	d->n = 0;
}

/* beyond: packets of the burst behind this run, which may be fetched ahead. */
static void seal_run(struct esp_crypto *crypto, struct run *r, struct esp_packet *p, unsigned n,
		     unsigned beyond)
{
	const struct esp_out *out = r->out;
	struct esp_crypto *mine = crypto_for(crypto, out->backend);
	struct direct d;
	d.n = 0;
	for (unsigned i = 0; i < n; i++) {
		struct layout l;
		if (i + AHEAD < n + beyond)
			prefetch(&p[i + AHEAD]);
		p[i].drop = mine ? permitted(r) : XGW_DROP_CRYPTO;
		if (!p[i].drop)
			p[i].drop = lay_out(&l, out, &p[i], r->next);
		if (p[i].drop)
			continue;
		add_direct(&d, out, &l, r->next++);
		r->packets++;
		r->bytes += l.inner_len;
		if (d.n == ESP_DIRECT)
			seal(mine, out, &d);
	}
	if (d.n)
		seal(mine, out, &d);
}

void esp_encrypt(struct esp_crypto *crypto, struct esp_packet *p, unsigned n)
{
	struct chunk c;
	c.n = 0;
	c.has_cbc = false;
	for (unsigned done = 0, run; done < n; done += run) {
		struct esp_sa *sa = p[done].sa;
		struct run r;
		run = run_length(p + done, n - done);
		run_begin(&r, &p[done], run);
		if (sa->out.direct)
			seal_run(crypto, &r, &p[done], run, n - done - run);
		for (unsigned i = done; !sa->out.direct && i < done + run; i++) {
			if (i + AHEAD < n)
				prefetch(&p[i + AHEAD]);
			take(&c, &r, &p[i]);
			if (c.n >= sa->out.grain)
				crypt(crypto, &c);
		}
		run_end(&r, sa);
	}
	crypt(crypto, &c);
}
