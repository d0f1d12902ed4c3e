/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ESP to packets, in the order of trust: format, a first look at the replay window, authentication,
 * the window again (now for good), padding, inner header, ECN, selectors. Nothing of a packet is
 * believed before its ICV was right. Chunks and runs as in esp/encrypt.c.
 */
#include "esp/sa.h"

#include "base/bytes.h"
#include "esp/checksum.h"

#include <string.h>

#define AHEAD	   2 /* packets, of the prefetch */
#define NEXT_IPV4  4
#define NEXT_IPV6  41
#define NEXT_DUMMY 59

#define ECN_MASK    3
#define ECN_NOT_ECT 0
#define ECN_ECT_1   1
#define ECN_ECT_0   2
#define ECN_CE	    3

/* What packets of one SA that follow each other add to its counters. */
struct tally {
	struct esp_sa *sa;
	bool alive; /* within the hard limits when it began */
	uint64_t packets, bytes;
	unsigned forged, replayed, refused;
};

/* Packets of one SA: opened, then decrypted, then (all at once, under the lock) entered in the
 * window. */
struct chunk {
	unsigned n, decrypted;
	uint64_t good; /* bit i: packet i is authentic */
	struct esp_op op[ESP_CHUNK];
	struct esp_gcm_op direct[ESP_CHUNK]; /* instead, where the SA says so */
	struct esp_packet *packet[ESP_CHUNK];
	uint64_t seq[ESP_CHUNK];
	uint8_t aad[ESP_CHUNK][12];
};

/* Length of the outer packet by its own header; 0 when there is no such packet in len bytes. */
static uint32_t outer_length(const uint8_t *ip, uint32_t len)
{
	if (len < 20)
		return 0;
	uint32_t total = ip[0] >> 4 == 4 ? load_be16(ip + 2) : 40u + load_be16(ip + 4);
	return total <= len ? total : 0;
}

static void write_op(struct chunk *c, const struct esp_in *in, uint8_t *esp, uint32_t len,
		     uint64_t seq)
{
	struct esp_op *op = &c->op[c->n];
	uint8_t *aad = esp;
	if (in->esn) {
		aad = c->aad[c->n];
		memcpy(aad, esp, 4);
		store_be64(aad + 4, seq);
	}
	op->key = in->key;
	op->payload = esp + 8 + in->iv_bytes;
	op->len = len - 8 - in->iv_bytes - in->icv_bytes;
	op->icv = op->payload + op->len;
	op->aad = aad;
	op->aad_len = in->esn ? 12 : 8;
	op->ok = false;
	if (in->aead) {
		memcpy(op->nonce, in->salt, 4);
		memcpy(op->nonce + 4, esp + 8, 8);
	} else {
		memcpy(op->nonce, esp + 8, in->iv_bytes);
	}
}

static void write_direct(struct chunk *c, const struct esp_in *in, uint8_t *esp, uint32_t len,
			 uint64_t seq)
{
	struct esp_gcm_op *op = &c->direct[c->n];
	uint64_t iv;
	memcpy(&iv, esp + 8, sizeof iv);
	gcm_nonce(op, in->salt, iv);
	op->payload = esp + 16;
	op->len = len - 32;
	op->aad = esp;
	if (in->esn) {
		uint8_t *aad = c->aad[c->n];
		memcpy(aad, esp, 4);
		store_be64(aad + 4, seq);
		op->aad = aad;
	}
}

/* Everything before the cryptography. XGW_DROP_NONE: op c->n is ready. */
static enum xgw_drop open_packet(struct chunk *c, const struct esp_in *in, struct esp_packet *p)
{
	uint32_t total = outer_length(p->at, p->len);
	uint32_t least = 8u + in->iv_bytes + 2 + in->icv_bytes;
	if (!total || p->esp < 20 || total < p->esp || total - p->esp < least)
		return XGW_DROP_TRUNCATED;
	uint8_t *esp = p->at + p->esp;
	uint32_t len = total - p->esp;
	if (load_be32(esp) != in->spi)
		return XGW_DROP_UNKNOWN_SPI;
	if ((len - 8 - in->iv_bytes - in->icv_bytes) & in->block_mask)
		return XGW_DROP_ESP_FORMAT;
	uint64_t seq = replay_extend(&in->replay, load_be32(esp + 4), in->esn);
	if (!replay_check(&in->replay, seq))
		return XGW_DROP_REPLAY;
	if (in->direct)
		write_direct(c, in, esp, len, seq);
	else
		write_op(c, in, esp, len, seq);
	c->seq[c->n] = seq;
	return XGW_DROP_NONE;
}

static bool within_limits(struct esp_in *in)
{
	return (!in->hard_bytes ||
		atomic_load_explicit(&in->bytes, memory_order_relaxed) < in->hard_bytes) &&
	       (!in->hard_packets ||
		atomic_load_explicit(&in->packets, memory_order_relaxed) < in->hard_packets);
}

/* RFC 6040 section 4.2, figure 4: the inner field's new value, or -1 when the packet must be
 * dropped. */
static int decapsulated_ecn(unsigned inner, unsigned outer)
{
	static const int8_t table[4][4] = {
		/* outer:	   Not-ECT      ECT(1)       ECT(0)       CE */
		[ECN_NOT_ECT] = {ECN_NOT_ECT, ECN_NOT_ECT, ECN_NOT_ECT, -1},
		[ECN_ECT_1] = {ECN_ECT_1, ECN_ECT_1, ECN_ECT_1, ECN_CE},
		[ECN_ECT_0] = {ECN_ECT_0, ECN_ECT_1, ECN_ECT_0, ECN_CE},
		[ECN_CE] = {ECN_CE, ECN_CE, ECN_CE, ECN_CE},
	};
	return table[inner][outer];
}

static unsigned outer_ecn(const uint8_t *ip)
{
	return ip[0] >> 4 == 4 ? ip[1] & ECN_MASK : ip[1] >> 4 & ECN_MASK;
}

static bool pass_ecn_v4(uint8_t *ip, unsigned outer)
{
	unsigned inner = ip[1] & ECN_MASK;
	int ecn = decapsulated_ecn(inner, outer);
	if (ecn < 0)
		return false;
	if ((unsigned)ecn != inner) {
		uint16_t was = load_be16(ip);
		ip[1] = (uint8_t)((ip[1] & ~ECN_MASK) | ecn);
		store_be16(ip + 10, checksum_change(load_be16(ip + 10), was, load_be16(ip)));
	}
	return true;
}

static bool pass_ecn_v6(uint8_t *ip, unsigned outer)
{
	int ecn = decapsulated_ecn(ip[1] >> 4 & ECN_MASK, outer);
	if (ecn < 0)
		return false;
	ip[1] = (uint8_t)((ip[1] & ~(ECN_MASK << 4)) | ecn << 4);
	return true;
}

static bool padding_ok(const uint8_t *pad, unsigned n)
{
	uint8_t wrong = 0;
	for (unsigned i = 0; i < n; i++)
		wrong |= (uint8_t)(pad[i] ^ (i + 1));
	return !wrong;
}

/* The inner packet's length by its own header; what follows it is TFC padding (RFC 4303
 * section 2.7). */
static enum xgw_drop inner_length(const uint8_t *ip, uint32_t room, uint8_t next, uint32_t *out)
{
	unsigned version = next == NEXT_IPV4 ? 4 : 6;
	if (room < (version == 4 ? 20u : 40u))
		return XGW_DROP_TRUNCATED;
	if (ip[0] >> 4 != version)
		return XGW_DROP_ESP_FORMAT;
	uint32_t head = version == 4 ? (ip[0] & 15u) * 4 : 40;
	uint32_t len = version == 4 ? load_be16(ip + 2) : 40u + load_be16(ip + 4);
	if (head < 20 || len < head)
		return XGW_DROP_MALFORMED;
	if (len > room)
		return XGW_DROP_TRUNCATED;
	*out = len;
	return XGW_DROP_NONE;
}

/* An authentic packet. Changes nothing that matters when it turns out to be a replay. */
static enum xgw_drop finish(const struct esp_sa *sa, struct esp_packet *p, uint8_t *ip,
			    uint32_t payload)
{
	unsigned pad = ip[payload - 2], next = ip[payload - 1];
	if (pad > payload - 2 || !padding_ok(ip + payload - 2 - pad, pad))
		return XGW_DROP_ESP_FORMAT;
	if (next == NEXT_DUMMY)
		return XGW_DROP_DUMMY;
	if (next != NEXT_IPV4 && next != NEXT_IPV6)
		return XGW_DROP_ESP_FORMAT;
	uint32_t len;
	enum xgw_drop drop = inner_length(ip, payload - 2 - pad, (uint8_t)next, &len);
	if (!drop)
		drop = selector_judge_in(sa, ip, len);
	if (drop)
		return drop;
	unsigned ecn = outer_ecn(p->at);
	if (next == NEXT_IPV4 ? !pass_ecn_v4(ip, ecn) : !pass_ecn_v6(ip, ecn))
		return XGW_DROP_MALFORMED;
	uint32_t front = (uint32_t)(ip - p->at);
	p->headroom += front;
	p->tailroom += p->len - front - len;
	p->at = ip;
	p->len = len;
	p->family = next == NEXT_IPV4 ? 4 : 6;
	return XGW_DROP_NONE;
}

static void lock(struct esp_in *in)
{
	while (atomic_flag_test_and_set_explicit(&in->lock, memory_order_acquire))
		; /* held for the marking of one run */
}

/*
 * The window moves in the order of the burst. What is no replay keeps the drop that finish() gave
 * it: a packet that is authentic and malformed uses up its number.
 */
static void advance(struct chunk *c, struct tally *t)
{
	struct esp_in *in = &t->sa->in;
	lock(in);
	for (unsigned i = 0; i < c->n; i++) {
		bool good = c->good >> i & 1;
		c->packet[i]->newest = good && c->seq[i] > in->replay.top;
		if (good && !replay_advance(&in->replay, c->seq[i]))
			c->packet[i]->drop = XGW_DROP_REPLAY;
	}
	atomic_flag_clear_explicit(&in->lock, memory_order_release);
}

static void tally_begin(struct tally *t, struct esp_sa *sa)
{
	*t = (struct tally){.sa = sa, .alive = within_limits(&sa->in)};
}

static void tally_end(struct tally *t)
{
	struct esp_in *in = &t->sa->in;
	count(&in->auth_failed, t->forged);
	count(&in->replayed, t->replayed);
	count(&in->selector, t->refused);
	count(&in->packets, t->packets);
	count(&in->bytes, t->bytes);
	if (__atomic_load_n(&in->replay.top, __ATOMIC_RELAXED) >= in->soft_sequence ||
	    (in->soft_bytes &&
	     atomic_load_explicit(&in->bytes, memory_order_relaxed) >= in->soft_bytes) ||
	    (in->soft_packets &&
	     atomic_load_explicit(&in->packets, memory_order_relaxed) >= in->soft_packets))
		sa_soft_expired(t->sa);
}

/* Bits of those that are authentic, from `from` on; false: nothing could be computed. */
static bool open_some(struct esp_crypto *crypto, struct chunk *c, const struct esp_in *in,
		      unsigned from, unsigned n)
{
	struct esp_crypto *mine = crypto_for(crypto, in->backend);
	if (!mine)
		return false;
	if (in->direct) {
		c->good |=
			in->backend->gcm_open(mine, in->key, &c->direct[from], n, in->esn ? 12 : 8)
			<< from;
		return true;
	}
	if (in->backend->decrypt(mine, &c->op[from], n))
		return false;
	for (unsigned i = from; i < from + n; i++)
		c->good |= (uint64_t)c->op[i].ok << i;
	return true;
}

/* Decrypts what is opened and not yet decrypted, and looks at what comes out. */
static void crypt(struct esp_crypto *crypto, struct chunk *c, const struct esp_sa *sa)
{
	const struct esp_in *in = &sa->in;
	unsigned from = c->decrypted;
	bool failed = c->n > from && !open_some(crypto, c, in, from, c->n - from);
	for (unsigned i = from; i < c->n; i++) {
		struct esp_packet *p = c->packet[i];
		if (failed)
			p->drop = XGW_DROP_CRYPTO;
		else if (!(c->good >> i & 1))
			p->drop = XGW_DROP_AUTHENTICATION;
		else if (in->direct)
			p->drop = finish(sa, p, c->direct[i].payload, c->direct[i].len);
		else
			p->drop = finish(sa, p, c->op[i].payload, c->op[i].len);
	}
	c->decrypted = c->n;
}

static void work_off(struct esp_crypto *crypto, struct chunk *c, struct tally *t)
{
	crypt(crypto, c, t->sa);
	if (c->n)
		advance(c, t);
	for (unsigned i = 0; i < c->n; i++) {
		const struct esp_packet *p = c->packet[i];
		t->packets += !p->drop;
		t->bytes += p->drop ? 0 : p->len;
		t->forged += p->drop == XGW_DROP_AUTHENTICATION;
		t->replayed += p->drop == XGW_DROP_REPLAY;
		t->refused += p->drop == XGW_DROP_SELECTOR_IN;
	}
	c->n = c->decrypted = 0;
	c->good = 0;
}

static void take(struct esp_crypto *crypto, struct chunk *c, struct tally *t, struct esp_packet *p)
{
	p->drop = t->alive ? open_packet(c, &t->sa->in, p) : XGW_DROP_LIFETIME;
	t->replayed += p->drop == XGW_DROP_REPLAY;
	if (p->drop)
		return;
	c->packet[c->n++] = p;
	if (c->n == ESP_CHUNK)
		work_off(crypto, c, t);
	else if (c->n - c->decrypted >= t->sa->in.grain)
		crypt(crypto, c, t->sa);
}

/* All of it: the CPU's own prefetchers begin anew with every packet. */
static void prefetch(const struct esp_packet *p)
{
	for (uint32_t i = 0; i < p->len; i += ESP_LINE)
		__builtin_prefetch(p->at + i, 1);
}

void esp_decrypt(struct esp_crypto *crypto, struct esp_packet *p, unsigned n)
{
	struct chunk c;
	c.n = c.decrypted = 0;
	c.good = 0;
	for (unsigned i = 0; i < n;) {
		struct tally t;
		tally_begin(&t, p[i].sa);
		for (; i < n && p[i].sa == t.sa; i++) {
			if (i + AHEAD < n)
				prefetch(&p[i + AHEAD]);
			take(crypto, &c, &t, &p[i]);
		}
		work_off(crypto, &c, &t);
		tally_end(&t);
	}
}
