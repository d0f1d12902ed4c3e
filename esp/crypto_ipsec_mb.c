/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ESP cryptography by intel-ipsec-mb: AES-GCM by its direct API, which has no state but the key and
 * a scratch context; all other algorithms by its burst API, which fills the SIMD lanes with several
 * packets at once. Where the library is not built in, the back end is there and not available.
 */
#include "esp/crypto_private.h"

#ifdef XGW_HAVE_IPSEC_MB

#include "base/secret.h"

#include <errno.h>
#include <intel-ipsec-mb.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BURST_JOBS 64
#define TAG_ROOM   64
#define ROUND_KEYS 15 /* round keys of AES-256 */
#define HASH_BLOCK 128
/*
 * Runs of fewer operations than this go to the code with SHA instructions, where there are any: it
 * needs two packets to be at full speed, the widest SIMD code needs sixteen. Measured on a CPU that
 * has both: docs/PERFORMANCE.md.
 */
#define WIDE_FROM 12

/* Cipher keys as a job wants them. The library wants 16-byte alignment. */
union cipher_key {
	struct {
		uint8_t enc[ROUND_KEYS * 16] __attribute__((aligned(16)));
		uint8_t dec[ROUND_KEYS * 16] __attribute__((aligned(16)));
	} aes;
	uint8_t chacha[32] __attribute__((aligned(16)));
};

/* What a job needs beside the packet. */
struct job_key {
	union cipher_key cipher_key;
	uint8_t iv_key[ROUND_KEYS * 16] __attribute__((aligned(16)));
	uint8_t inner[64] __attribute__((aligned(16)));
	uint8_t outer[64] __attribute__((aligned(16)));
	const void *enc, *dec; /* of cipher_key */
	IMB_CIPHER_MODE cipher;
	IMB_HASH_ALG hash;
	uint8_t key_len, iv_bytes, nonce_bytes, icv_bytes;
	bool aead, has_sha_instructions;
};

struct mb_key {
	aes_gcm_enc_dec_t gcm_call; /* NULL: by jobs */
	bool encrypt;
	union {
		struct gcm_key_data gcm;
		struct job_key job;
	};
};

struct mb_crypto {
	struct esp_crypto head;
	IMB_MGR *lib;
	IMB_MGR *narrow; /* with SHA instructions; NULL where `lib` is that, or the CPU has none */
	struct gcm_context_data scratch;
};

/*
 * The library's function table for this CPU and its description. Written once, read-only ever
 * after; expanding a key uses nothing else of it.
 */
static struct {
	pthread_once_t once;
	IMB_MGR *table;
	bool usable;
	char version[96];
} library = {.once = PTHREAD_ONCE_INIT};

static const char *code_path(const IMB_MGR *m)
{
	bool vaes = (m->features & (IMB_FEATURE_VAES | IMB_FEATURE_VPCLMULQDQ)) ==
		    (IMB_FEATURE_VAES | IMB_FEATURE_VPCLMULQDQ);
	switch (m->used_arch) {
	case IMB_ARCH_AVX512: return vaes ? "AVX512 with VAES" : "AVX512 without VAES";
	case IMB_ARCH_AVX2: return vaes ? "AVX2 with VAES" : "AVX2";
	case IMB_ARCH_AVX: return "AVX";
	case IMB_ARCH_SSE: return "SSE";
	default: return "no AES instructions";
	}
}

static void load_library(void)
{
	IMB_ARCH arch = IMB_ARCH_NONE;
	library.table = alloc_mb_mgr(0);
	if (library.table)
		init_mb_mgr_auto(library.table, &arch);
	library.usable = library.table && arch >= IMB_ARCH_SSE && imb_get_errno(library.table) == 0;
	snprintf(library.version, sizeof library.version, "intel-ipsec-mb %s, %s",
		 imb_get_version_str(),
		 library.usable ? code_path(library.table) : "not usable on this CPU");
}

static bool available(void)
{
	pthread_once(&library.once, load_library);
	return library.usable;
}

static const char *version(void)
{
	pthread_once(&library.once, load_library);
	return library.version;
}

/*
 * Not 3DES: with all sixteen lanes full the library is four times as fast as OpenSSL, but a lane
 * left empty costs milliseconds a packet (version 1.3, AVX512).
 */
static bool supports(enum encryption_id e, enum integrity_id a)
{
	if (!available() || e == ENCR_NONE || e == ENCR_3DES)
		return false;
	return encryption_of(e)->aead == (a == AUTH_NONE);
}

static void gcm_key(struct mb_key *k, enum encryption_id e, const uint8_t *key, bool encrypt)
{
	const IMB_MGR *m = library.table;
	switch (e) {
	case ENCR_AES_GCM16_128:
		m->gcm128_pre(key, &k->gcm);
		k->gcm_call = encrypt ? m->gcm128_enc : m->gcm128_dec;
		break;
	case ENCR_AES_GCM16_192:
		m->gcm192_pre(key, &k->gcm);
		k->gcm_call = encrypt ? m->gcm192_enc : m->gcm192_dec;
		break;
	default: m->gcm256_pre(key, &k->gcm); k->gcm_call = encrypt ? m->gcm256_enc : m->gcm256_dec;
	}
}

static const struct hash_row {
	IMB_HASH_ALG hash;
	uint8_t block;
} hash_rows[AUTH_COUNT] = {
	[AUTH_HMAC_SHA1_96] = {IMB_AUTH_HMAC_SHA_1, 64},
	[AUTH_HMAC_SHA2_256_128] = {IMB_AUTH_HMAC_SHA_256, 64},
	[AUTH_HMAC_SHA2_384_192] = {IMB_AUTH_HMAC_SHA_384, 128},
	[AUTH_HMAC_SHA2_512_256] = {IMB_AUTH_HMAC_SHA_512, 128},
};

static hash_one_block_t one_block(enum integrity_id a)
{
	const IMB_MGR *m = library.table;
	switch (a) {
	case AUTH_HMAC_SHA1_96: return m->sha1_one_block;
	case AUTH_HMAC_SHA2_256_128: return m->sha256_one_block;
	case AUTH_HMAC_SHA2_384_192: return m->sha384_one_block;
	default: return m->sha512_one_block;
	}
}

/* The hash states behind the first block of HMAC (RFC 2104): key xor ipad, key xor opad. */
static void hmac_key(struct job_key *k, enum integrity_id a, const struct esp_material *m)
{
	uint8_t block[HASH_BLOCK];
	unsigned len = hash_rows[a].block;
	for (int pass = 0; pass < 2; pass++) {
		memset(block, pass ? 0x5c : 0x36, len);
		for (unsigned i = 0; i < m->integrity_len; i++)
			block[i] ^= m->integrity[i];
		one_block(a)(block, pass ? k->outer : k->inner);
	}
	wipe(block, sizeof block);
	k->hash = hash_rows[a].hash;
	k->icv_bytes = integrity_of(a)->icv_bytes;
	k->has_sha_instructions = a == AUTH_HMAC_SHA1_96 || a == AUTH_HMAC_SHA2_256_128;
}

static void aes_key(struct job_key *k, const struct esp_material *m)
{
	const IMB_MGR *t = library.table;
	keyexp_t expand = m->key_len == 16   ? t->keyexp_128
			  : m->key_len == 24 ? t->keyexp_192
					     : t->keyexp_256;
	expand(m->key, k->cipher_key.aes.enc, k->cipher_key.aes.dec);
	k->enc = k->cipher_key.aes.enc;
	k->dec = k->cipher_key.aes.dec;
	k->cipher = IMB_CIPHER_CBC;
}

static void chacha_key(struct job_key *k, const struct esp_material *m)
{
	memcpy(k->cipher_key.chacha, m->key, sizeof k->cipher_key.chacha);
	k->enc = k->dec = k->cipher_key.chacha;
	k->cipher = IMB_CIPHER_CHACHA20_POLY1305;
	k->hash = IMB_AUTH_CHACHA20_POLY1305;
	k->icv_bytes = 16;
}

/* Of an algorithm that `supports` took: AES-CBC, NULL or ChaCha20-Poly1305. */
static int job_key(struct job_key *k, enum encryption_id e, enum integrity_id a,
		   const struct esp_material *m, const uint8_t *material, size_t len)
{
	uint8_t iv_key[ESP_IV_KEY], unused[ROUND_KEYS * 16] __attribute__((aligned(16)));
	int err = esp_iv_key(iv_key, material, len);
	if (err)
		return err;
	library.table->keyexp_128(iv_key, k->iv_key, unused);
	wipe(iv_key, sizeof iv_key);
	wipe(unused, sizeof unused);
	k->key_len = m->key_len;
	k->iv_bytes = encryption_of(e)->iv_bytes;
	k->nonce_bytes = (uint8_t)(m->salt_len + k->iv_bytes);
	k->aead = a == AUTH_NONE;
	k->cipher = IMB_CIPHER_NULL;
	if (k->aead)
		chacha_key(k, m);
	else
		hmac_key(k, a, m);
	if (encryption_is_cbc(e))
		aes_key(k, m);
	return 0;
}

static void key_free(struct esp_key *key)
{
	if (!key)
		return;
	wipe(key, sizeof(struct mb_key));
	free(key);
}

static int key_new(struct esp_key **out, enum encryption_id e, enum integrity_id a,
		   const uint8_t *material, size_t len, bool encrypt)
{
	struct esp_material m;
	if (!supports(e, a))
		return -ENOTSUP;
	int err = esp_material_split(&m, e, a, material, len);
	if (err)
		return err;
	struct mb_key *k = aligned_alloc(_Alignof(struct mb_key), sizeof *k);
	if (!k)
		return -ENOMEM;
	memset(k, 0, sizeof *k);
	k->encrypt = encrypt;
	if (encryption_is_gcm(e))
		gcm_key(k, e, m.key, encrypt);
	else
		err = job_key(&k->job, e, a, &m, material, len);
	if (err) {
		key_free((struct esp_key *)k);
		return err;
	}
	*out = (struct esp_key *)k;
	return 0;
}

static void context_free(struct esp_crypto *c)
{
	struct mb_crypto *m = (struct mb_crypto *)c;
	if (!m)
		return;
	if (m->head.second)
		m->head.second->backend->context_free(m->head.second);
	if (m->lib)
		free_mb_mgr(m->lib);
	if (m->narrow)
		free_mb_mgr(m->narrow);
	wipe(m, sizeof *m);
	free(m);
}

/* The library's code with SHA instructions, where its choice for this CPU is another one. */
static int narrow_new(struct mb_crypto *m)
{
	bool has = (m->lib->features & IMB_CPUFLAGS_SSE_T2) == IMB_CPUFLAGS_SSE_T2;
	if (!has || m->lib->used_arch == IMB_ARCH_SSE)
		return 0;
	m->narrow = alloc_mb_mgr(0);
	if (!m->narrow)
		return -ENOMEM;
	init_mb_mgr_sse(m->narrow);
	return imb_get_errno(m->narrow) ? -EIO : 0;
}

static int context_new(struct esp_crypto **out)
{
	if (!available())
		return -ENOTSUP;
	struct mb_crypto *m = calloc(1, sizeof *m);
	if (!m)
		return -ENOMEM;
	m->head.backend = &esp_backend_ipsec_mb;
	m->lib = alloc_mb_mgr(0);
	int err = m->lib ? esp_backend_openssl.context_new(&m->head.second) : -ENOMEM;
	if (!err) {
		init_mb_mgr_auto(m->lib, NULL);
		err = narrow_new(m);
	}
	if (err) {
		context_free(&m->head);
		return err;
	}
	*out = &m->head;
	return 0;
}

static const struct mb_key *inside(const struct esp_key *k)
{
	return (const struct mb_key *)k;
}

/* 16 bytes, without a branch that depends on them. */
static bool tag_equal(const uint8_t *a, const uint8_t *b)
{
	uint64_t x[2], y[2];
	memcpy(x, a, 16);
	memcpy(y, b, 16);
	return ((x[0] ^ y[0]) | (x[1] ^ y[1])) == 0;
}

/* ---- jobs: ciphers with an HMAC, ChaCha20-Poly1305 ---- */

/* A burst on its way: the tags of decryption stand apart until they are compared. */
struct job_burst {
	IMB_MGR *lib;
	struct esp_op *ops;
	unsigned n;
	bool encrypt;
	uint8_t expected[BURST_JOBS][TAG_ROOM];
	uint8_t computed[BURST_JOBS][TAG_ROOM];
};

/* From the SPI on; behind the payload, where the ICV will be or was, the high half of an ESN. */
static void fill_hmac(IMB_JOB *job, const struct job_key *k, const struct esp_op *op)
{
	bool esn = op->aad_len == 12;
	uint32_t head = 8u + k->iv_bytes;
	if (esn)
		memcpy(op->payload + op->len, op->aad + 4, 4);
	job->src = op->payload - head;
	job->cipher_start_src_offset_in_bytes = head;
	job->hash_start_src_offset_in_bytes = 0;
	job->msg_len_to_hash_in_bytes = head + op->len + (esn ? 4 : 0);
	job->u.HMAC._hashed_auth_key_xor_ipad = k->inner;
	job->u.HMAC._hashed_auth_key_xor_opad = k->outer;
}

static void fill_aead(IMB_JOB *job, const struct esp_op *op)
{
	job->src = op->payload;
	job->cipher_start_src_offset_in_bytes = 0;
	job->hash_start_src_offset_in_bytes = 0;
	job->msg_len_to_hash_in_bytes = op->len;
	job->u.CHACHA20_POLY1305.aad = op->aad;
	job->u.CHACHA20_POLY1305.aad_len_in_bytes = op->aad_len;
	job->u.CHACHA20_POLY1305.ctx = NULL;
}

static void fill_job(IMB_JOB *job, struct job_burst *b, unsigned i)
{
	struct esp_op *op = &b->ops[i];
	const struct job_key *k = &inside(op->key)->job;
	if (!b->encrypt)
		memcpy(b->expected[i], op->icv, k->icv_bytes);
	if (k->aead)
		fill_aead(job, op);
	else
		fill_hmac(job, k, op);
	job->enc_keys = k->enc;
	job->dec_keys = k->dec;
	job->key_len_in_bytes = k->key_len;
	job->dst = op->payload;
	job->msg_len_to_cipher_in_bytes = op->len;
	job->iv = op->nonce;
	job->iv_len_in_bytes = k->nonce_bytes;
	job->auth_tag_output = b->computed[i];
	job->auth_tag_output_len_in_bytes = k->icv_bytes;
	job->cipher_mode = k->cipher;
	job->cipher_direction = b->encrypt ? IMB_DIR_ENCRYPT : IMB_DIR_DECRYPT;
	job->hash_alg = k->hash;
	job->chain_order = b->encrypt ? IMB_ORDER_CIPHER_HASH : IMB_ORDER_HASH_CIPHER;
	job->user_data = op;
}

static void finish_job(struct job_burst *b, const IMB_JOB *job)
{
	struct esp_op *op = job->user_data;
	unsigned i = (unsigned)(op - b->ops), len = inside(op->key)->job.icv_bytes;
	op->ok = job->status == IMB_STATUS_COMPLETED;
	if (b->encrypt)
		memcpy(op->icv, b->computed[i], len);
	else
		op->ok &= secret_equal(b->computed[i], len, b->expected[i], len);
}

/* Runs at most BURST_JOBS operations; all have left the library when it returns. */
static int run_jobs(struct job_burst *b)
{
	IMB_JOB *jobs[BURST_JOBS];
	unsigned done = 0;
	bool good = true;
	if (IMB_GET_NEXT_BURST(b->lib, b->n, jobs) != b->n)
		return -EIO;
	for (unsigned i = 0; i < b->n; i++)
		fill_job(jobs[i], b, i);
	uint32_t got = IMB_SUBMIT_BURST(b->lib, b->n, jobs);
	if (imb_get_errno(b->lib))
		return -EIO;
	for (;;) {
		for (uint32_t i = 0; i < got; i++) {
			finish_job(b, jobs[i]);
			good &= jobs[i]->status == IMB_STATUS_COMPLETED;
		}
		done += got;
		if (done >= b->n)
			return good ? 0 : -EIO;
		got = IMB_FLUSH_BURST(b->lib, b->n - done, jobs);
		if (!got)
			return -EIO;
	}
}

/* Few operations, all of hashes that the CPU has instructions for. */
static bool suits_narrow(const struct esp_op *ops, unsigned n)
{
	if (n >= WIDE_FROM)
		return false;
	for (unsigned i = 0; i < n; i++) {
		if (!inside(ops[i].key)->job.has_sha_instructions)
			return false;
	}
	return true;
}

static int run_by_jobs(struct mb_crypto *c, struct esp_op *ops, unsigned n, bool encrypt)
{
	struct job_burst b; /* the tags are 8 KiB: not to be cleared each time */
	b.lib = c->narrow && suits_narrow(ops, n) ? c->narrow : c->lib;
	b.ops = ops;
	b.n = n;
	b.encrypt = encrypt;
	int err = run_jobs(&b);
	while (err && IMB_FLUSH_JOB(b.lib))
		; /* nothing may stay in the library that points here */
	return err;
}

/* Operations from the first on that are not GCM, at most BURST_JOBS. */
static unsigned job_run(const struct esp_op *ops, unsigned n)
{
	unsigned i = 1;
	while (i < n && i < BURST_JOBS && !inside(ops[i].key)->gcm_call)
		i++;
	return i;
}

static bool wants_iv(const struct mb_key *k)
{
	return !k->gcm_call && k->job.cipher == IMB_CIPHER_CBC;
}

/* AES-ECB of n blocks in place, in one job. */
static int encrypt_blocks(IMB_MGR *lib, const uint8_t *key, uint8_t *blocks, unsigned n)
{
	IMB_JOB *job = IMB_GET_NEXT_JOB(lib);
	job->cipher_mode = IMB_CIPHER_ECB;
	job->cipher_direction = IMB_DIR_ENCRYPT;
	job->chain_order = IMB_ORDER_CIPHER_HASH;
	job->hash_alg = IMB_AUTH_NULL;
	job->enc_keys = job->dec_keys = key;
	job->key_len_in_bytes = ESP_IV_KEY;
	job->src = job->dst = blocks;
	job->cipher_start_src_offset_in_bytes = 0;
	job->msg_len_to_cipher_in_bytes = (uint64_t)n * 16;
	job->iv_len_in_bytes = 0;
	job = IMB_SUBMIT_JOB(lib);
	if (!job)
		job = IMB_FLUSH_JOB(lib);
	return job && job->status == IMB_STATUS_COMPLETED ? 0 : -EIO;
}

static int make_ivs(struct esp_crypto *crypto, struct esp_op *ops, unsigned n)
{
	struct mb_crypto *c = (struct mb_crypto *)crypto;
	uint8_t blocks[BURST_JOBS][16] __attribute__((aligned(16)));
	for (unsigned i = 0, run; i < n; i += run) {
		const struct mb_key *k = inside(ops[i].key);
		for (run = 1; run < BURST_JOBS && i + run < n && ops[i + run].key == ops[i].key;)
			run++;
		if (!wants_iv(k))
			continue;
		for (unsigned j = 0; j < run; j++)
			memcpy(blocks[j], ops[i + j].nonce, 16);
		int err = encrypt_blocks(c->lib, k->job.iv_key, blocks[0], run);
		if (err)
			return err;
		for (unsigned j = 0; j < run; j++)
			memcpy(ops[i + j].nonce, blocks[j], 16);
	}
	return 0;
}

/* ---- both ---- */

static int encrypt(struct esp_crypto *crypto, struct esp_op *ops, unsigned n)
{
	struct mb_crypto *c = (struct mb_crypto *)crypto;
	int err = 0;
	for (unsigned i = 0; i < n;) {
		struct esp_op *op = &ops[i];
		const struct mb_key *k = inside(op->key);
		if (k->gcm_call) {
			k->gcm_call(&k->gcm, &c->scratch, op->payload, op->payload, op->len,
				    op->nonce, op->aad, op->aad_len, op->icv, 16);
			i++;
			continue;
		}
		unsigned run = job_run(op, n - i);
		int failed = run_by_jobs(c, op, run, true);
		err = failed ? failed : err;
		i += run;
	}
	return err;
}

static int decrypt(struct esp_crypto *crypto, struct esp_op *ops, unsigned n)
{
	struct mb_crypto *c = (struct mb_crypto *)crypto;
	uint8_t tag[16];
	int err = 0;
	for (unsigned i = 0; i < n;) {
		struct esp_op *op = &ops[i];
		const struct mb_key *k = inside(op->key);
		if (k->gcm_call) {
			k->gcm_call(&k->gcm, &c->scratch, op->payload, op->payload, op->len,
				    op->nonce, op->aad, op->aad_len, tag, 16);
			op->ok = tag_equal(tag, op->icv);
			i++;
			continue;
		}
		unsigned run = job_run(op, n - i);
		int failed = run_by_jobs(c, op, run, false);
		err = failed ? failed : err;
		i += run;
	}
	return err;
}

static void gcm_seal(struct esp_crypto *crypto, const struct esp_key *key,
		     const struct esp_gcm_op *ops, unsigned n, unsigned aad_len)
{
	struct gcm_context_data *scratch = &((struct mb_crypto *)crypto)->scratch;
	const struct mb_key *k = inside(key);
	const aes_gcm_enc_dec_t call = k->gcm_call;
	for (const struct esp_gcm_op *op = ops; op < ops + n; op++)
		call(&k->gcm, scratch, op->payload, op->payload, op->len, op->nonce, op->aad,
		     aad_len, op->payload + op->len, 16);
}

static uint64_t gcm_open(struct esp_crypto *crypto, const struct esp_key *key,
			 const struct esp_gcm_op *ops, unsigned n, unsigned aad_len)
{
	struct gcm_context_data *scratch = &((struct mb_crypto *)crypto)->scratch;
	const struct mb_key *k = inside(key);
	const aes_gcm_enc_dec_t call = k->gcm_call;
	uint64_t good = 0;
	uint8_t tag[16] __attribute__((aligned(16)));
	for (unsigned i = 0; i < n; i++) {
		const struct esp_gcm_op *op = &ops[i];
		call(&k->gcm, scratch, op->payload, op->payload, op->len, op->nonce, op->aad,
		     aad_len, tag, 16);
		good |= (uint64_t)tag_equal(tag, op->payload + op->len) << i;
	}
	return good;
}

const struct esp_backend esp_backend_ipsec_mb = {
	.name = "ipsec-mb",
	.version = version,
	.available = available,
	.supports = supports,
	.key_new = key_new,
	.key_free = key_free,
	.context_new = context_new,
	.context_free = context_free,
	.make_ivs = make_ivs,
	.encrypt = encrypt,
	.decrypt = decrypt,
	.gcm_seal = gcm_seal,
	.gcm_open = gcm_open,
};

#else

#include <errno.h>

static const char *version(void)
{
	return "intel-ipsec-mb is not built in";
}

static bool available(void)
{
	return false;
}

static bool supports(enum encryption_id e, enum integrity_id a)
{
	(void)e;
	(void)a;
	return false;
}

static int context_new(struct esp_crypto **out)
{
	*out = NULL;
	return -ENOTSUP;
}

const struct esp_backend esp_backend_ipsec_mb = {
	.name = "ipsec-mb",
	.version = version,
	.available = available,
	.supports = supports,
	.context_new = context_new,
};

#endif
