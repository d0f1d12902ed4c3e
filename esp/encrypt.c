/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Packets to ESP. A burst goes in chunks that fit the first-level cache: headers, trailers and
 * operations of all packets first, then one call of the cryptography for all of them. What belongs
 * to an SA (sequence numbers, counters, limits) is touched once per run of packets of that SA.
 */
#include "esp/sa.h"

#include "base/bytes.h"
#include "esp/checksum.h"

#include <string.h>

#define AHEAD 4 /* packets, of the prefetch */

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
	if (pad < 4) { /* the four bytes end within the trailer and the ICV, which comes later */
		memcpy(at, padding, 4);
	} else {
		for (unsigned i = 0; i < pad; i++)
			at[i] = padding[i];
	}
	at[pad] = (uint8_t)pad;
	at[pad + 1] = next_header;
}

static void write_outer(const struct esp_out *out, uint8_t *h, uint32_t len,
			const struct inner *inner, uint64_t seq)
{
	uint8_t tos = inner->tos & out->tos_mask; /* ECN: RFC 6040 section 4.1, normal mode */
	if (out->family == IP_V4) {
		uint16_t fragment = inner->dont_fragment ? 0x4000 : 0;
		uint16_t id = inner->dont_fragment ? 0 : (uint16_t)seq;
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
		h[0] = (uint8_t)(0x60 | tos >> 4);
		h[1] = (uint8_t)(tos << 4);
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

/* Writes everything but the cipher text. XGW_DROP_NONE: op c->n is ready. */
static enum xgw_drop prepare(struct chunk *c, const struct esp_out *out, struct esp_packet *p,
			     uint64_t seq, uint32_t *inner_len)
{
	struct inner inner;
	enum xgw_drop drop = look_inside(&inner, p->at, p->len);
	if (drop)
		return drop;
	uint32_t padded = (inner.len + 2 + out->block_mask) & ~(uint32_t)out->block_mask;
	uint32_t behind = padded - inner.len + out->icv_bytes;
	uint32_t total = out->head_len + padded + out->icv_bytes;
	if (p->headroom < out->head_len || p->tailroom + (p->len - inner.len) < behind ||
	    total > UINT16_MAX)
		return XGW_DROP_ENCAP_ROOM;
	uint8_t *head = p->at - out->head_len;
	write_trailer(p->at + inner.len, padded - inner.len - 2, inner.next_header);
	write_outer(out, head, total, &inner, seq);
	write_op(c, out, head + out->outer_len, padded, seq);
	p->tailroom = p->tailroom + (p->len - inner.len) - behind;
	p->at = head;
	p->len = total;
	p->headroom -= out->head_len;
	p->family = out->family;
	*inner_len = inner.len;
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

/* What prepare() will touch of a packet that comes soon. */
static void prefetch(const struct esp_packet *p)
{
	__builtin_prefetch(p->at, 1);
	__builtin_prefetch(p->at - ESP_LINE, 1);
	__builtin_prefetch(p->at + p->len, 1);
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
static void take(struct chunk *c, struct run *r, struct esp_packet *p)
{
	uint32_t len = 0;
	if (!within_limits(r->out, r->packets, r->bytes))
		p->drop = XGW_DROP_LIFETIME;
	else if (r->next == r->first + r->taken)
		p->drop = XGW_DROP_SEQUENCE;
	else
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
		for (unsigned i = done; i < done + run; i++) {
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
