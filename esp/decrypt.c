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
	unsigned n;
	struct esp_op op[ESP_CHUNK];
	struct esp_packet *packet[ESP_CHUNK];
	uint64_t seq[ESP_CHUNK];
	uint8_t aad[ESP_CHUNK][12];
};

/* The same with AES-GCM by runs: `good` has a bit for each authentic one. */
struct gcm_chunk {
	unsigned n, decrypted, finished;
	uint64_t good;
	struct esp_gcm_op op[ESP_CHUNK];
	struct esp_packet *packet[ESP_CHUNK];
	uint64_t seq[ESP_CHUNK];
	uint8_t aad[ESP_CHUNK][12];
};

/* Where the parts of a packet stand that is ready for decryption. */
struct opened {
	uint8_t *esp;
	uint32_t len; /* of the cipher text */
	uint64_t seq;
};

static void write_op(struct chunk *c, const struct esp_in *in, const struct opened *o)
{
	struct esp_op *op = &c->op[c->n];
	uint8_t *aad = o->esp;
	if (in->esn) {
		aad = c->aad[c->n];
		memcpy(aad, o->esp, 4);
		store_be64(aad + 4, o->seq);
	}
	op->key = in->key;
	op->payload = o->esp + 8 + in->iv_bytes;
	op->len = o->len;
	op->icv = op->payload + op->len;
	op->aad = aad;
	op->aad_len = in->esn ? 12 : 8;
	op->ok = false;
	if (in->aead) {
		memcpy(op->nonce, in->salt, 4);
		memcpy(op->nonce + 4, o->esp + 8, 8);
	} else {
		memcpy(op->nonce, o->esp + 8, in->iv_bytes);
	}
	c->seq[c->n] = o->seq;
}

both_ways void write_gcm_op(struct gcm_chunk *c, const struct esp_in *in, const struct opened *o)
{
	struct esp_gcm_op *op = &c->op[c->n];
	uint64_t iv;
	memcpy(&iv, o->esp + 8, sizeof iv);
	gcm_nonce(op, in->salt, iv);
	op->payload = o->esp + 16;
	op->len = o->len;
	op->aad = o->esp;
	c->seq[c->n] = o->seq;
	if (in->esn) {
		uint8_t *aad = c->aad[c->n];
		memcpy(aad, o->esp, 4);
		store_be64(aad + 4, o->seq);
		op->aad = aad;
	}
}

/* Of a number that is not simply above the highest seen. */
static bool look_up_sequence(const struct esp_in *in, uint32_t low, uint64_t *seq)
{
	*seq = replay_extend(&in->replay, low, in->esn);
	return replay_check(&in->replay, *seq);
}

/* Everything before the cryptography. `top`: the highest number seen, not newer than the window. */
both_ways enum xgw_drop open_packet(const struct esp_in *in, const struct esp_packet *p,
				    uint64_t top, bool gcm, struct opened *o)
{
	const uint32_t around = gcm ? 8 + 8 + 16 : 8u + in->iv_bytes + in->icv_bytes;
	const uint32_t mask = gcm ? 3 : in->block_mask;
	const uint32_t least = p->esp + around + 2;
	if (unlikely(p->esp < 20 || p->len < least))
		return XGW_DROP_TRUNCATED;
	uint32_t length = load_be32(p->at + 2), v4 = p->at[0] >> 4 == 4;
	uint32_t total = v4 ? length >> 16 : 40 + (length & 0xffff); /* by the outer header */
	if (unlikely(total > p->len || total < least))
		return XGW_DROP_TRUNCATED;
	uint8_t *esp = p->at + p->esp;
	uint64_t head = load_be64(esp);
	uint32_t low = (uint32_t)head;
	o->esp = esp;
	o->len = total - p->esp - around;
	if (unlikely(head >> 32 != in->spi))
		return XGW_DROP_UNKNOWN_SPI;
	if (unlikely(o->len & mask))
		return XGW_DROP_ESP_FORMAT;
	o->seq = low;
	if (unlikely(in->esn || low <= top) && !look_up_sequence(in, low, &o->seq))
		return XGW_DROP_REPLAY;
	return XGW_DROP_NONE;
}

static bool within_limits(struct esp_in *in)
{
	return (!in->hard_bytes ||
		atomic_load_explicit(&in->bytes, memory_order_relaxed) < in->hard_bytes) &&
	       (!in->hard_packets ||
		atomic_load_explicit(&in->packets, memory_order_relaxed) < in->hard_packets);
}

/* RFC 6040 section 4.2, figure 4 (an outer Not-ECT leaves the inner field as it is): the inner
 * field's new value, or -1 when the packet must be dropped. */
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

/* 1, 2, 3, … in the n bytes in front of `end`, where pad length and next header stand. */
both_ways bool padding_ok(const uint8_t *end, unsigned n)
{
	const uint8_t *pad = end - n;
	uint8_t wrong = 0;
	if (likely(n <=
		   6)) { /* the eight bytes begin in the IV or behind it: lengths are checked */
		uint64_t want = 0x010203040506ull >> (48 - 8 * n);
		uint64_t got = load_be64(end - 6) >> 16;
		return ((got ^ want) & ~(~0ull << 8 * n)) == 0;
	}
	for (unsigned i = 0; i < n; i++)
		wrong |= (uint8_t)(pad[i] ^ (i + 1));
	return !wrong;
}

/* The inner packet's length by its own header; what follows it is TFC padding (RFC 4303
 * section 2.7). */
both_ways enum xgw_drop inner_length(const uint8_t *ip, uint32_t room, uint8_t next, uint32_t *out)
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

both_ways enum xgw_drop judge(const struct esp_sa *sa, const uint8_t *ip, uint32_t len)
{
	const struct esp_in *in = &sa->in;
	if (likely(in->one_v4 && ip[0] >> 4 == 4)) {
		bool inside = load_be32(ip + 12) - in->source_v4 <= in->source_v4_span &&
			      load_be32(ip + 16) - in->destination_v4 <= in->destination_v4_span;
		return likely(inside) ? XGW_DROP_NONE : XGW_DROP_SELECTOR_IN;
	}
	return selector_judge_in(sa, ip, len);
}

/* An authentic packet. Changes nothing that matters when it turns out to be a replay. */
both_ways enum xgw_drop finish(const struct esp_sa *sa, struct esp_packet *p, uint8_t *ip,
			       uint32_t cipher_len)
{
	const uint8_t *end = ip + cipher_len - 2;
	unsigned pad = end[0], next = end[1];
	if (unlikely(pad > cipher_len - 2 || !padding_ok(end, pad)))
		return XGW_DROP_ESP_FORMAT;
	if (unlikely(next == NEXT_DUMMY))
		return XGW_DROP_DUMMY;
	if (unlikely(next != NEXT_IPV4 && next != NEXT_IPV6))
		return XGW_DROP_ESP_FORMAT;
	uint32_t len;
	enum xgw_drop drop = inner_length(ip, cipher_len - 2 - pad, (uint8_t)next, &len);
	if (likely(!drop))
		drop = judge(sa, ip, len);
	if (unlikely(drop))
		return drop;
	unsigned ecn = outer_ecn(p->at);
	if (unlikely(ecn) && (next == NEXT_IPV4 ? !pass_ecn_v4(ip, ecn) : !pass_ecn_v6(ip, ecn)))
		return XGW_DROP_MALFORMED;
	uint32_t front = (uint32_t)(ip - p->at);
	p->headroom += front;
	p->tailroom += p->len - front - len;
	p->at = ip;
	p->len = len;
	p->family = next == NEXT_IPV4 ? 4 : 6;
	return XGW_DROP_NONE;
}

/*
 * finish() of what is most of the traffic: IPv4 without options in IPv4 without ECN, between two
 * ranges of addresses, at most three bytes of padding. False: nothing was done.
 */
both_ways bool finish_usual(const struct esp_in *in, struct esp_packet *p,
			    const struct esp_gcm_op *op)
{
	/* the trailer with so much padding: 1, 2, …, its length, 4 */
	static const uint64_t want[4] = {0x0004, 0x010104, 0x01020204, 0x0102030304};
	static const uint64_t mask[4] = {0xffff, 0xffffff, 0xffffffff, 0xffffffffff};
	uint8_t *ip = op->payload;
	uint64_t end = load_be64(ip + op->len - 8), w = load_be64(ip);
	uint32_t pad = (uint32_t)(end >> 8) & 3, len = (uint32_t)(w >> 32) & 0xffff;
	if (unlikely((end & mask[pad]) != want[pad] || w >> 56 != 0x45 || op->len < 25 ||
		     (load_be16(p->at) & 0xf003) != 0x4000))
		return false;
	if (unlikely(!in->one_v4 || len - 20 > op->len - 22 - pad ||
		     load_be32(ip + 12) - in->source_v4 > in->source_v4_span ||
		     load_be32(ip + 16) - in->destination_v4 > in->destination_v4_span))
		return false;
	uint32_t front = p->esp + 16u;
	p->tailroom += p->len - front - len;
	p->headroom += front;
	p->at = ip;
	p->len = len;
	p->family = 4;
	p->drop = XGW_DROP_NONE;
	return true;
}

static void lock(struct esp_in *in)
{
	while (atomic_flag_test_and_set_explicit(&in->lock, memory_order_acquire))
		; /* held for the marking of one run */
}

static void unlock(struct esp_in *in)
{
	atomic_flag_clear_explicit(&in->lock, memory_order_release);
}

/*
 * One packet that is authentic. What is no replay keeps the drop that finish() gave it: a packet
 * that is authentic and malformed uses up its number.
 */
static bool advance_one(struct replay *r, struct esp_packet *p, uint64_t seq)
{
	p->newest = seq > r->top;
	return replay_advance(r, seq);
}

/* The window moves in the order of the burst. */
static void advance(struct chunk *c, struct esp_in *in)
{
	for (unsigned i = 0; i < c->n; i++) {
		c->packet[i]->newest = false;
		if (c->op[i].ok && !advance_one(&in->replay, c->packet[i], c->seq[i]))
			c->packet[i]->drop = XGW_DROP_REPLAY;
	}
}

static void tally_begin(struct tally *t, struct esp_sa *sa)
{
	*t = (struct tally){.sa = sa, .alive = within_limits(&sa->in)};
}

static void tally_add(struct tally *t, const struct esp_packet *p)
{
	if (likely(!p->drop)) {
		t->packets++;
		t->bytes += p->len;
		return;
	}
	t->forged += p->drop == XGW_DROP_AUTHENTICATION;
	t->replayed += p->drop == XGW_DROP_REPLAY;
	t->refused += p->drop == XGW_DROP_SELECTOR_IN;
}

/* What was counted since the last time; under the lock. */
static void tally_put(struct tally *t)
{
	struct esp_in *in = &t->sa->in;
	count_locked(&in->packets, t->packets);
	count_locked(&in->bytes, t->bytes);
	if (unlikely(t->forged | t->replayed | t->refused)) {
		count_locked(&in->auth_failed, t->forged);
		count_locked(&in->replayed, t->replayed);
		count_locked(&in->selector, t->refused);
	}
	t->packets = t->bytes = 0;
	t->forged = t->replayed = t->refused = 0;
}

static void tally_end(struct tally *t)
{
	struct esp_in *in = &t->sa->in;
	if (unlikely(t->replayed)) { /* of packets that never came as far as the window */
		lock(in);
		tally_put(t);
		unlock(in);
	}
	if (unlikely(
		    __atomic_load_n(&in->replay.top, __ATOMIC_RELAXED) >= in->soft_sequence ||
		    (in->soft_bytes &&
		     atomic_load_explicit(&in->bytes, memory_order_relaxed) >= in->soft_bytes) ||
		    (in->soft_packets &&
		     atomic_load_explicit(&in->packets, memory_order_relaxed) >= in->soft_packets)))
		sa_soft_expired(t->sa);
}

/* ---- AES-GCM ---- */

/* What turned out to be a replay was counted as something else. */
static void take_back(struct tally *t, struct esp_packet *p)
{
	t->packets -= !p->drop;
	t->bytes -= p->drop ? 0 : p->len;
	t->refused -= p->drop == XGW_DROP_SELECTOR_IN;
	p->drop = XGW_DROP_REPLAY;
	t->replayed++;
}

/* Those that came in order go in one step; finish_gcm() took each for the newest. */
static void advance_gcm(const struct gcm_chunk *c, struct tally *t)
{
	struct replay *r = &t->sa->in.replay;
	for (unsigned i = 0, n; i < c->n; i += n) {
		for (n = 0;
		     i + n < c->n && c->seq[i + n] == c->seq[i] + n && c->good >> (i + n) & 1;)
			n++;
		if (likely(n && replay_advance_run(r, c->seq[i], n)))
			continue;
		n = 1;
		if (c->good >> i & 1 && !advance_one(r, c->packet[i], c->seq[i]))
			take_back(t, c->packet[i]);
	}
}

both_ways void finish_gcm(struct gcm_chunk *c, struct tally *t, unsigned to)
{
	const struct esp_sa *sa = t->sa;
	for (unsigned i = c->finished; i < to; i++) {
		const struct esp_gcm_op *op = &c->op[i];
		struct esp_packet *p = c->packet[i];
		p->newest = c->good >> i & 1;
		if (likely(p->newest && finish_usual(&sa->in, p, op))) {
			t->packets++;
			t->bytes += p->len;
			continue;
		}
		p->drop = p->newest ? finish(sa, p, op->payload, op->len) : XGW_DROP_AUTHENTICATION;
		tally_add(t, p);
	}
	c->finished = to;
}

/*
 * Decrypts what is opened, then looks at what was decrypted the time before, which has left the
 * store buffer.
 */
both_ways void crypt_gcm(struct esp_crypto *crypto, struct gcm_chunk *c, struct tally *t)
{
	const struct esp_in *in = &t->sa->in;
	unsigned from = c->decrypted;
	c->good |=
		in->backend->gcm_open(crypto, in->key, &c->op[from], c->n - from, in->esn ? 12 : 8)
		<< from;
	c->decrypted = c->n;
	finish_gcm(c, t, from);
}

static void work_off_gcm(struct esp_crypto *crypto, struct gcm_chunk *c, struct tally *t)
{
	if (c->n != c->decrypted)
		crypt_gcm(crypto, c, t);
	if (!c->n)
		return;
	finish_gcm(c, t, c->n);
	lock(&t->sa->in);
	advance_gcm(c, t);
	tally_put(t);
	unlock(&t->sa->in);
	c->n = c->decrypted = c->finished = 0;
	c->good = 0;
}

/* The end of a packet that comes soon, where trailer and ICV stand; see esp/encrypt.c. */
both_ways void prefetch(const struct esp_packet *next, const struct esp_packet *end)
{
	if (likely(next < end))
		__builtin_prefetch(next->at + next->len - 1, 1);
}

/* The n packets of one SA; the burst goes on to `end`. */
static void open_run(struct esp_crypto *crypto, struct tally *t, struct esp_packet *p, unsigned n,
		     const struct esp_packet *end)
{
	struct gcm_chunk c;
	struct opened o;
	const struct esp_in *in = &t->sa->in;
	uint64_t top = __atomic_load_n(&in->replay.top, __ATOMIC_RELAXED);
	c.n = c.decrypted = c.finished = 0;
	c.good = 0;
	for (unsigned i = 0; i < n; i++) {
		prefetch(&p[i + ESP_AHEAD], end);
		enum xgw_drop drop = likely(t->alive) ? open_packet(in, &p[i], top, true, &o)
						      : XGW_DROP_LIFETIME;
		if (unlikely(drop)) {
			p[i].drop = drop;
			t->replayed += drop == XGW_DROP_REPLAY;
			continue;
		}
		write_gcm_op(&c, in, &o);
		c.packet[c.n++] = &p[i];
		if (c.n - c.decrypted == ESP_GRAIN)
			crypt_gcm(crypto, &c, t);
		if (c.n == ESP_CHUNK)
			work_off_gcm(crypto, &c, t);
	}
	work_off_gcm(crypto, &c, t);
}

/* ---- all others ---- */

/* Decrypts what is opened, and looks at what comes out. */
static void crypt(struct esp_crypto *crypto, struct chunk *c, const struct esp_sa *sa)
{
	struct esp_crypto *mine = crypto_for(crypto, sa->in.backend);
	bool failed = !mine || sa->in.backend->decrypt(mine, c->op, c->n);
	for (unsigned i = 0; i < c->n; i++) {
		struct esp_op *op = &c->op[i];
		op->ok &= !failed;
		if (failed)
			c->packet[i]->drop = XGW_DROP_CRYPTO;
		else
			c->packet[i]->drop = op->ok ? finish(sa, c->packet[i], op->payload, op->len)
						    : XGW_DROP_AUTHENTICATION;
	}
}

static void work_off(struct esp_crypto *crypto, struct chunk *c, struct tally *t)
{
	if (!c->n)
		return;
	crypt(crypto, c, t->sa);
	lock(&t->sa->in);
	advance(c, &t->sa->in);
	for (unsigned i = 0; i < c->n; i++)
		tally_add(t, c->packet[i]);
	tally_put(t);
	unlock(&t->sa->in);
	c->n = 0;
}

static void chunk_run(struct esp_crypto *crypto, struct tally *t, struct esp_packet *p, unsigned n,
		      const struct esp_packet *end)
{
	struct chunk c;
	struct opened o;
	uint64_t top = __atomic_load_n(&t->sa->in.replay.top, __ATOMIC_RELAXED);
	c.n = 0;
	for (unsigned i = 0; i < n; i++) {
		prefetch(&p[i + ESP_AHEAD], end);
		p[i].drop = t->alive ? open_packet(&t->sa->in, &p[i], top, false, &o)
				     : XGW_DROP_LIFETIME;
		if (p[i].drop) {
			t->replayed += p[i].drop == XGW_DROP_REPLAY;
			continue;
		}
		write_op(&c, &t->sa->in, &o);
		c.packet[c.n++] = &p[i];
		if (c.n == ESP_CHUNK)
			work_off(crypto, &c, t);
	}
	work_off(crypto, &c, t);
}

void esp_decrypt(struct esp_crypto *crypto, struct esp_packet *p, unsigned n)
{
	for (unsigned done = 0, run; done < n; done += run) {
		struct esp_sa *sa = p[done].sa;
		struct tally t;
		for (run = 1; done + run < n && p[done + run].sa == sa;)
			run++;
		tally_begin(&t, sa);
		struct esp_crypto *mine = sa->in.gcm ? crypto_for(crypto, sa->in.backend) : NULL;
		if (likely(mine))
			open_run(mine, &t, p + done, run, p + n);
		else
			chunk_run(crypto, &t, p + done, run, p + n);
		tally_end(&t);
	}
}
