/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `xgw bench esp`: what the ESP transform costs over the library call it cannot do without. Both go
 * over the same 16 384 buffers (32 MiB of the memory that workers' frames are of, more than the
 * caches near the core hold) in bursts, lap by lap in turns; a figure is the median lap. Between
 * laps, outside the clock, the packets are restored: encryption and decryption are in place.
 *
 * "recycled" is the same over the first burst's buffers again and again, written anew right before
 * each call: what a kernel that copies into frames, or a packet generator with a last-in first-out
 * pool, leaves in the near caches.
 *
 * Raw is, for AES-GCM, the bare call: ipsec-mb's direct API, or OpenSSL's EVP sequence in one
 * prepared context. For AES-CBC with HMAC it is the back end's own burst without headers, replay
 * and selectors.
 */
#include "loader/bench.h"

#include "base/bytes.h"
#include "base/instant.h"
#include "datapath/memory.h"
#include "esp/esp.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#ifdef XGW_HAVE_IPSEC_MB
#include <intel-ipsec-mb.h>
#endif
#ifdef __x86_64__
#include <x86intrin.h>
#endif

#define POOL   16384
#define BUFFER 2048
#define FRONT  128
#define RUNS   9
#define IP_LEN 20

struct lap {
	double ns, cycles; /* of one packet */
};

struct raw_gcm {
	EVP_CIPHER_CTX *evp;
#ifdef XGW_HAVE_IPSEC_MB
	IMB_MGR *mb;
	struct gcm_key_data *mb_key;
	struct gcm_context_data mb_scratch;
	aes_gcm_enc_dec_t mb_call;
#endif
};

struct bench {
	const struct esp_backend *backend;
	const struct encryption *encryption;
	struct child_sa child;
	bool encrypt;
	uint32_t bytes; /* of an inner packet */
	unsigned burst;
	unsigned buffers; /* that a lap goes over, POOL / buffers times */
	uint8_t *pool;
	struct esp_packet *packet; /* POOL */
	struct esp_op *op;	   /* POOL */
	struct esp_crypto *crypto;
	struct esp_key *key; /* of the raw burst where there is no bare call */
	struct raw_gcm raw;
	struct esp_sa *sender, *receiver;
};

static uint64_t now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

static uint64_t now_cycles(void)
{
#ifdef __x86_64__
	return __rdtsc();
#else
	return 0;
#endif
}

static uint8_t *buffer_of(const struct bench *b, unsigned i)
{
	return b->pool + (size_t)i * BUFFER;
}

/* ---- the raw calls ---- */

static bool raw_gcm_evp(struct raw_gcm *r, const struct esp_op *op, bool encrypt)
{
	EVP_CIPHER_CTX *c = r->evp;
	int n;
	bool ok = EVP_CipherInit_ex(c, NULL, NULL, NULL, op->nonce, -1) == 1;
	if (!encrypt)
		ok &= EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_SET_TAG, 16, op->icv) == 1;
	ok &= EVP_CipherUpdate(c, NULL, &n, op->aad, 8) == 1;
	ok &= EVP_CipherUpdate(c, op->payload, &n, op->payload, (int)op->len) == 1;
	ok &= EVP_CipherFinal_ex(c, op->payload + op->len, &n) == 1;
	if (encrypt)
		ok &= EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_GET_TAG, 16, op->icv) == 1;
	return ok;
}

static bool raw_burst_gcm(struct bench *b, struct esp_op *op, unsigned n)
{
	bool ok = true;
#ifdef XGW_HAVE_IPSEC_MB
	struct raw_gcm *r = &b->raw;
	uint8_t tag[16];
	for (unsigned i = 0; r->mb && i < n; i++)
		r->mb_call(r->mb_key, &r->mb_scratch, op[i].payload, op[i].payload, op[i].len,
			   op[i].nonce, op[i].aad, 8, b->encrypt ? op[i].icv : tag, 16);
	if (r->mb)
		return true;
#endif
	for (unsigned i = 0; i < n; i++)
		ok &= raw_gcm_evp(&b->raw, &op[i], b->encrypt);
	return ok;
}

static bool raw_burst(struct bench *b, struct esp_op *op, unsigned n)
{
	if (b->encryption->aead)
		return raw_burst_gcm(b, op, n);
	return (b->encrypt ? b->backend->encrypt : b->backend->decrypt)(b->crypto, op, n) == 0;
}

#ifdef XGW_HAVE_IPSEC_MB
static int raw_open_mb(struct bench *b, const uint8_t *key)
{
	struct raw_gcm *r = &b->raw;
	r->mb = alloc_mb_mgr(0);
	r->mb_key = aligned_alloc(64, sizeof *r->mb_key);
	if (!r->mb || !r->mb_key)
		return -ENOMEM;
	init_mb_mgr_auto(r->mb, NULL);
	if (b->encryption->key_bytes == 16) {
		r->mb->gcm128_pre(key, r->mb_key);
		r->mb_call = b->encrypt ? r->mb->gcm128_enc : r->mb->gcm128_dec;
	} else {
		r->mb->gcm256_pre(key, r->mb_key);
		r->mb_call = b->encrypt ? r->mb->gcm256_enc : r->mb->gcm256_dec;
	}
	return 0;
}
#endif

static int raw_open(struct bench *b)
{
	const struct secret *s = &b->child.key_out;
	if (!b->encryption->aead)
		return b->backend->key_new(&b->key, b->child.encryption, b->child.integrity, s->b,
					   s->len, b->encrypt);
#ifdef XGW_HAVE_IPSEC_MB
	if (b->backend == &esp_backend_ipsec_mb)
		return raw_open_mb(b, s->b);
#endif
	b->raw.evp = EVP_CIPHER_CTX_new();
	const EVP_CIPHER *c =
		b->encryption->key_bytes == 16 ? EVP_aes_128_gcm() : EVP_aes_256_gcm();
	if (!b->raw.evp || EVP_CipherInit_ex(b->raw.evp, c, NULL, s->b, NULL, b->encrypt) != 1)
		return -ENOMEM;
	return 0;
}

static void raw_close(struct bench *b)
{
	if (b->key)
		b->backend->key_free(b->key);
	EVP_CIPHER_CTX_free(b->raw.evp);
#ifdef XGW_HAVE_IPSEC_MB
	if (b->raw.mb)
		free_mb_mgr(b->raw.mb);
	free(b->raw.mb_key);
#endif
	memset(&b->raw, 0, sizeof b->raw);
	b->key = NULL;
}

/* ---- one lap over the pool ---- */

static void restore_plain(struct bench *b)
{
	static const uint8_t head[IP_LEN] = {0x45, 0, 0,  0, 0, 0, 0x40, 0, 64, 17,
					     0,	   0, 10, 1, 0, 4, 10,	 2, 0,	4};
	for (unsigned i = 0; i < b->buffers; i++) {
		uint8_t *ip = buffer_of(b, i) + FRONT;
		if (b->buffers < POOL)
			memset(ip, 0x5a, b->bytes);
		memcpy(ip, head, sizeof head);
		store_be16(ip + 2, (uint16_t)b->bytes);
		b->packet[i] = (struct esp_packet){.sa = b->sender,
						   .at = ip,
						   .len = b->bytes,
						   .headroom = FRONT,
						   .tailroom = BUFFER - FRONT - b->bytes};
	}
}

/* Fresh packets; for decryption encrypted ones, which the raw call can also take. */
static bool restore(struct bench *b)
{
	restore_plain(b);
	if (b->encrypt)
		return true;
	for (unsigned i = 0; i < b->buffers; i += b->burst)
		esp_encrypt(b->crypto, b->packet + i, b->burst);
	for (unsigned i = 0; i < b->buffers; i++) {
		if (b->packet[i].drop)
			return false;
		b->packet[i].sa = b->receiver;
		b->packet[i].esp = IP_LEN;
	}
	return true;
}

/* The operations of the raw lap: the same bytes at the same places. */
static void prepare_raw(struct bench *b)
{
	uint32_t block = b->encryption->block_bytes, iv = b->encryption->iv_bytes;
	uint32_t len = (b->bytes + 2 + block - 1) / block * block;
	for (unsigned i = 0; i < b->buffers; i++) {
		struct esp_op *op = &b->op[i];
		uint8_t *payload = buffer_of(b, i) + FRONT;
		*op = (struct esp_op){.key = b->key,
				      .payload = payload,
				      .len = len,
				      .icv = payload + len,
				      .aad = payload - iv - 8,
				      .aad_len = 8};
		if (b->encryption->aead) {
			memcpy(op->nonce, b->child.key_out.b + b->encryption->key_bytes, 4);
			memcpy(op->nonce + 4, payload - 8, 8);
		} else {
			memcpy(op->nonce, payload - 16, 16);
		}
	}
}

/* One pass over the buffers, by the bare call or by the transform; adds to the lap. */
static bool pass(struct bench *b, bool bare, struct lap *out)
{
	bool ok = restore(b);
	if (bare)
		prepare_raw(b);
	uint64_t ns = now_ns(), cycles = now_cycles();
	for (unsigned i = 0; i < b->buffers; i += b->burst) {
		if (bare)
			ok &= raw_burst(b, b->op + i, b->burst);
		else if (b->encrypt)
			esp_encrypt(b->crypto, b->packet + i, b->burst);
		else
			esp_decrypt(b->crypto, b->packet + i, b->burst);
	}
	out->cycles += (double)(now_cycles() - cycles) / POOL;
	out->ns += (double)(now_ns() - ns) / POOL;
	for (unsigned i = 0; !bare && i < b->buffers; i++)
		ok &= b->packet[i].drop == XGW_DROP_NONE;
	return ok;
}

static bool lap(struct bench *b, bool bare, struct lap *out)
{
	bool ok = true;
	*out = (struct lap){0};
	for (unsigned n = 0; ok && n < POOL; n += b->buffers)
		ok = pass(b, bare, out);
	return ok;
}

/* ---- one row ---- */

static int by_ns(const void *a, const void *b)
{
	const struct lap *x = a, *y = b;
	return (x->ns > y->ns) - (x->ns < y->ns);
}

static struct lap median(struct lap *laps)
{
	qsort(laps, RUNS, sizeof *laps, by_ns);
	return laps[RUNS / 2];
}

/* Laps of both kinds in turns; medians. */
static bool compare(struct bench *b, unsigned buffers, struct lap *raw, struct lap *esp)
{
	struct lap r[RUNS], e[RUNS], warm;
	b->buffers = buffers;
	bool ok = lap(b, true, &warm) && lap(b, false, &warm);
	for (unsigned i = 0; ok && i < RUNS; i++)
		ok = lap(b, true, &r[i]) && lap(b, false, &e[i]);
	if (!ok)
		return false;
	*raw = median(r);
	*esp = median(e);
	return true;
}

static int append(json_t *results, const struct bench *b, const struct lap raw[2],
		  const struct lap esp[2])
{
	char name[32];
	const char *integrity = integrity_of(b->child.integrity)->contract_name;
	snprintf(name, sizeof name, "%s%s%s", b->encryption->contract_name,
		 b->encryption->aead ? "" : "+", b->encryption->aead ? "" : integrity);
	json_t *row = json_pack(
		"{ss, ss, ss, si, si, sf, sf, sf, sf, sf, sf, sf}", "backend", b->backend->name,
		"algorithm", name, "direction", b->encrypt ? "encrypt" : "decrypt", "bytes",
		(int)b->bytes, "burst", (int)b->burst, "nsPerPacket", esp[0].ns, "rawNsPerPacket",
		raw[0].ns, "ratio", esp[0].ns / raw[0].ns, "cyclesPerPacket", esp[0].cycles,
		"rawCyclesPerPacket", raw[0].cycles, "recycledCyclesPerPacket", esp[1].cycles,
		"recycledRawCyclesPerPacket", raw[1].cycles);
	return row && json_array_append_new(results, row) == 0 ? 0 : -ENOMEM;
}

static int measure(struct bench *b, json_t *results, struct fault *f)
{
	struct lap raw[2], esp[2];
	if (!compare(b, POOL, &raw[0], &esp[0]) || !compare(b, b->burst, &raw[1], &esp[1]))
		return fault_set(f, -EIO, "bench esp: %s %s of %u bytes by %s failed",
				 b->encryption->contract_name, b->encrypt ? "encrypt" : "decrypt",
				 b->bytes, b->backend->name);
	return append(results, b, raw, esp);
}

static void describe(struct bench *b, enum encryption_id e, enum integrity_id a)
{
	static const struct ip_addr left = {IP_V4, {198, 51, 100, 1}};
	static const struct ip_addr right = {IP_V4, {198, 51, 100, 2}};
	struct child_sa *c = &b->child;
	b->encryption = encryption_of(e);
	*c = (struct child_sa){
		.spi_in = 0x1001, .spi_out = 0x1001, .n_local_ts = 1, .n_remote_ts = 1};
	c->encryption = (uint8_t)e;
	c->integrity = (uint8_t)a;
	c->local.addr = left;
	c->remote.addr = right;
	c->local_ts[0].port_last = c->remote_ts[0].port_last = 65535;
	c->local_ts[0].range =
		(struct ip_range){{IP_V4, {10, 0, 0, 0}}, {IP_V4, {10, 255, 255, 255}}};
	c->remote_ts[0].range = c->local_ts[0].range;
	c->key_out.len = (uint16_t)(b->encryption->key_bytes + b->encryption->salt_bytes +
				    integrity_of(a)->key_bytes);
	for (unsigned i = 0; i < c->key_out.len; i++)
		c->key_out.b[i] = (uint8_t)(i * 7 + 1);
	c->key_in = c->key_out;
}

static int run_row(struct bench *b, json_t *results, struct fault *f)
{
	struct esp_sa_options o = {.backend = b->backend, .dscp_copy = 1};
	b->sender = b->receiver = NULL;
	int err = esp_sa_new(&b->sender, &b->child, &o, f);
	if (!err)
		err = esp_sa_new(&b->receiver, &b->child, &o, f);
	if (!err) {
		err = raw_open(b);
		if (err)
			fault_set(f, err, "bench esp: %s made no key", b->backend->name);
	}
	if (!err)
		err = measure(b, results, f);
	raw_close(b);
	esp_sa_free(b->sender);
	esp_sa_free(b->receiver);
	return err;
}

static const struct {
	enum encryption_id e;
	enum integrity_id a;
} algorithms[] = {
	{ENCR_AES_GCM16_128, AUTH_NONE},
	{ENCR_AES_GCM16_256, AUTH_NONE},
	{ENCR_AES_CBC_256, AUTH_HMAC_SHA2_256_128},
};
static const uint32_t sizes[] = {64, 512, 1400};
static const unsigned bursts[] = {256, 16, 4};

#define LENGTH(a) (sizeof(a) / sizeof *(a))

/* Bursts other than the full one are measured with the first algorithm only. */
static int run_algorithm(struct bench *b, unsigned algorithm, json_t *results, struct fault *f)
{
	int err = 0;
	describe(b, algorithms[algorithm].e, algorithms[algorithm].a);
	for (size_t i = 0; !err && i < (algorithm ? 1 : LENGTH(bursts)); i++)
		for (size_t j = 0; !err && j < LENGTH(sizes); j++)
			for (int direction = 0; !err && direction < 2; direction++) {
				b->burst = bursts[i];
				b->bytes = sizes[j];
				b->encrypt = !direction;
				err = run_row(b, results, f);
			}
	return err;
}

static int run_backend(struct bench *b, json_t *results, struct fault *f)
{
	int err = b->backend->context_new(&b->crypto);
	if (err)
		return fault_set(f, err, "bench esp: %s made no context", b->backend->name);
	for (unsigned a = 0; !err && a < LENGTH(algorithms); a++)
		err = run_algorithm(b, a, results, f);
	b->backend->context_free(b->crypto);
	return err;
}

int bench_esp(json_t *results, struct fault *f)
{
	static const struct esp_backend *const backends[] = {&esp_backend_ipsec_mb,
							     &esp_backend_openssl};
	struct bench b = {.pool = packet_memory((size_t)POOL * BUFFER),
			  .packet = calloc(POOL, sizeof *b.packet),
			  .op = aligned_alloc(64, POOL * sizeof *b.op)};
	int err =
		b.pool && b.packet && b.op ? 0 : fault_set(f, -ENOMEM, "bench esp: out of memory");
	if (b.pool)
		memset(b.pool, 0x5a, (size_t)POOL * BUFFER);
	for (size_t i = 0; !err && i < LENGTH(backends); i++) {
		b.backend = backends[i];
		if (b.backend->available())
			err = run_backend(&b, results, f);
	}
	packet_memory_free(b.pool, (size_t)POOL * BUFFER);
	free(b.packet);
	free(b.op);
	return err;
}
