/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Handshakes a second: IKE_SA_INIT and IKE_AUTH with the first child between two engines in memory,
 * a new IKE SA each time, the one before deleted. Counted is the processor time that the responder
 * spends on both requests, which is what a gateway has in a storm of peers. Raw is what OpenSSL
 * alone needs for the same: a key pair and a shared secret, with certificates a signature made and
 * one verified. Nothing is sent, and no child reaches a data path.
 */
#include "base/instant.h"
#include "ike/ike.h"
#include "loader/bench.h"

#include <errno.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

enum { LAPS = 5, HANDSHAKES = 100, QUEUE = 32, INITIATOR = 0, RESPONDER = 1, YEAR = 365 * 86400 };

static const struct bench_case {
	const char *name;
	enum group_id group;
	const char *type, *curve; /* OpenSSL's names of the group */
	bool rsa;
} cases[] = {
	{"PSK-CURVE25519", DH_CURVE25519, "X25519", NULL, false},
	{"PSK-ECP256", DH_ECP_256, "EC", "P-256", false},
	{"RSA2048-ECP256", DH_ECP_256, "EC", "P-256", true},
};
#define CASES (sizeof cases / sizeof *cases)

struct end {
	struct ike *ike;
	struct ike_effects effects;
	struct ip_endpoint at;
	struct credential *credential;
	struct trust *trust; /* in the other's certificate */
	EVP_PKEY *key;
	uint64_t spent_ns;
	bool up;
};

struct ike_bench {
	const struct bench_case *c;
	struct end end[2];
	uint64_t now_ns; /* of the engines: it only steps, so that old SAs go */
	struct fault *why;
};

static uint64_t processor_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

static void fill(void *owner, uint8_t *out, size_t n)
{
	(void)owner;
	while (n) {
		ssize_t got = getrandom(out, n, 0);
		if (got < 0 && errno != EINTR)
			abort(); /* no randomness: nothing can go on */
		if (got > 0) {
			out += got;
			n -= (size_t)got;
		}
	}
}

static int64_t wall(void *owner)
{
	(void)owner;
	return time(NULL);
}

/* ---- certificates: each end's own, signed by itself, believed by the other ---- */

static X509 *certificate(EVP_PKEY *key, const char *name)
{
	char san[64];
	X509 *x = X509_new();
	X509_EXTENSION *e = NULL;
	snprintf(san, sizeof san, "DNS:%s", name);
	bool done = x && X509_set_version(x, 2) && ASN1_INTEGER_set(X509_get_serialNumber(x), 1) &&
		    X509_gmtime_adj(X509_getm_notBefore(x), -YEAR) &&
		    X509_gmtime_adj(X509_getm_notAfter(x), YEAR) && X509_set_pubkey(x, key) &&
		    X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC,
					       (const uint8_t *)name, -1, -1, 0) &&
		    X509_set_issuer_name(x, X509_get_subject_name(x)) &&
		    (e = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, san)) &&
		    X509_add_ext(x, e, -1) && X509_sign(x, key, EVP_sha256()) > 0;
	X509_EXTENSION_free(e);
	if (done)
		return x;
	X509_free(x);
	return NULL;
}

static struct bytes contents(BIO *bio)
{
	char *at;
	long len = BIO_get_mem_data(bio, &at);
	return (struct bytes){(const uint8_t *)at, len > 0 ? (size_t)len : 0};
}

static int certify(struct end *own, struct end *other, const char *name, struct fault *f)
{
	BIO *chain = BIO_new(BIO_s_mem()), *key = BIO_new(BIO_s_mem());
	X509 *x = NULL;
	int err = -ENOMEM;
	own->key = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)2048);
	if (own->key)
		x = certificate(own->key, name);
	if (x && chain && key && PEM_write_bio_X509(chain, x) &&
	    PEM_write_bio_PrivateKey(key, own->key, NULL, NULL, 0, NULL, NULL)) {
		struct bytes authority = contents(chain);
		struct trust_files files = {.authorities = &authority, .n_authorities = 1};
		err = credential_new(&own->credential, authority, contents(key), f);
		if (!err)
			err = trust_new(&other->trust, &files, f);
	} else {
		fault_set(f, err, "bench ike: OpenSSL made no certificate");
	}
	X509_free(x);
	BIO_free(chain);
	BIO_free(key);
	return err;
}

/* ---- two engines ---- */

static const char *const names[2] = {"gw1.example.org", "gw2.example.org"};

static struct traffic_selector any_v4(void)
{
	return (struct traffic_selector){
		.port_last = 65535,
		.range = {{IP_V4, {0}}, {IP_V4, {255, 255, 255, 255}}},
	};
}

static int describe(const struct ike_bench *b, unsigned i, struct ike_connection *c)
{
	const struct end *own = &b->end[i], *other = &b->end[1 - i];
	*c = (struct ike_connection){
		.id = 1,
		.name = "bench",
		.local = own->at.addr,
		.remote = other->at.addr,
		.credential = own->credential,
		.trust = own->trust,
		.start = i == INITIATOR ? IKE_START_INITIATE : IKE_START_RESPOND,
		.n_ike = 1,
		.n_child = 1,
		.ike[0] = {.n_encryption = 1,
			   .n_prf = 1,
			   .n_group = 1,
			   .encryption = {ENCR_AES_GCM16_256},
			   .prf = {PRF_HMAC_SHA2_256},
			   .group = {(uint8_t)b->c->group}},
		.child[0] = {.n_encryption = 1, .encryption = {ENCR_AES_GCM16_256}},
		.n_local_ts = 1,
		.n_remote_ts = 1,
		.local_ts[0] = any_v4(),
		.remote_ts[0] = any_v4(),
	};
	int err = identity_parse(&c->local_id, names[i]);
	if (!err)
		err = identity_parse(&c->remote_id, names[1 - i]);
	if (!err && !b->c->rsa)
		err = secret_set(&c->psk, "bench: a key that opens nothing", 31);
	return err;
}

static int start(struct ike_bench *b, struct fault *f)
{
	const struct ike_random random = {.fill = fill};
	const struct ike_options options = {.wall_seconds = wall};
	int err = 0;
	for (unsigned i = 0; !err && i < 2; i++) {
		struct end *e = &b->end[i];
		ike_effects_init(&e->effects);
		e->at = (struct ip_endpoint){{IP_V4, {198, 51, 100, (uint8_t)(i + 1)}}, IKE_PORT};
		if (b->c->rsa)
			err = certify(e, &b->end[1 - i], names[i], f);
	}
	for (unsigned i = 0; !err && i < 2; i++) {
		struct ike_connection c;
		err = ike_new(&b->end[i].ike, &options, &random);
		if (err)
			return fault_set(f, err, "bench ike: out of memory");
		err = describe(b, i, &c);
		err = err ? fault_set(f, err, "bench ike: wrong identity")
			  : ike_add(b->end[i].ike, &c, f);
		secret_wipe(&c.psk);
	}
	return err;
}

static void stop(struct ike_bench *b)
{
	for (unsigned i = 0; i < 2; i++) {
		struct end *e = &b->end[i];
		ike_free(e->ike);
		ike_effects_free(&e->effects);
		credential_free(e->credential);
		trust_free(e->trust);
		EVP_PKEY_free(e->key);
	}
}

/* Carries datagrams to and fro until both ends are silent. */
static void exchange(struct ike_bench *b)
{
	for (unsigned rounds = 0; rounds < QUEUE; rounds++) {
		bool moved = false;
		for (unsigned i = 0; i < 2; i++) {
			struct end *from = &b->end[i], *to = &b->end[1 - i];
			struct ike_effects now = from->effects;
			ike_effects_init(&from->effects);
			for (size_t j = 0; j < now.n; j++) {
				const struct ike_effect *x = &now.at[j];
				from->up = x->kind == IKE_UP || (from->up && x->kind != IKE_DOWN);
				if (x->kind == IKE_FAILED)
					*b->why = x->fault;
				if (x->kind != IKE_SEND)
					continue;
				uint64_t began = processor_ns();
				ike_receive(to->ike, &x->remote, &x->local, x->datagram, b->now_ns,
					    &to->effects);
				to->spent_ns += processor_ns() - began;
				moved = true;
			}
			ike_effects_free(&now);
		}
		if (!moved)
			return;
	}
}

static int handshake(struct ike_bench *b, struct fault *f)
{
	struct end *e = &b->end[INITIATOR], *other = &b->end[RESPONDER];
	ike_up(e->ike, 1, b->now_ns, &e->effects);
	exchange(b);
	if (!e->up || !other->up)
		return b->why->code ? b->why->code
				    : fault_set(f, -EPROTO, "bench ike: %s: no tunnel", b->c->name);
	uint64_t spent = other->spent_ns;
	ike_down(e->ike, 1, b->now_ns, &e->effects);
	exchange(b);
	other->spent_ns = spent; /* the end is not what is counted */
	b->now_ns += 300 * NS_PER_S;
	for (unsigned i = 0; i < 2; i++)
		ike_expire(b->end[i].ike, b->now_ns, &b->end[i].effects);
	exchange(b);
	other->spent_ns = spent;
	return 0;
}

/* ---- the library alone ---- */

static bool raw_exchange(const struct bench_case *c, EVP_PKEY *peer)
{
	uint8_t shared[64];
	size_t len = sizeof shared;
	EVP_PKEY *own = c->curve ? EVP_PKEY_Q_keygen(NULL, NULL, c->type, c->curve)
				 : EVP_PKEY_Q_keygen(NULL, NULL, c->type);
	EVP_PKEY_CTX *derive = own ? EVP_PKEY_CTX_new(own, NULL) : NULL;
	bool done = derive && EVP_PKEY_derive_init(derive) > 0 &&
		    EVP_PKEY_derive_set_peer_ex(derive, peer, 0) > 0 &&
		    EVP_PKEY_derive(derive, shared, &len) > 0;
	EVP_PKEY_CTX_free(derive);
	EVP_PKEY_free(own);
	OPENSSL_cleanse(shared, sizeof shared);
	return done;
}

static bool raw_signatures(EVP_PKEY *own, EVP_PKEY *peer, uint8_t *signature, size_t *peers)
{
	static const uint8_t said[512];
	uint8_t ours[512];
	size_t len = sizeof ours;
	EVP_MD_CTX *sign = EVP_MD_CTX_new(), *verify = EVP_MD_CTX_new();
	bool done = sign && verify && EVP_DigestSignInit(sign, NULL, EVP_sha256(), NULL, own) > 0 &&
		    EVP_DigestSign(sign, ours, &len, said, sizeof said) > 0;
	if (done && !*peers) {
		memcpy(signature, ours, len);
		*peers = len;
	}
	done = done && EVP_DigestVerifyInit(verify, NULL, EVP_sha256(), NULL, peer) > 0 &&
	       EVP_DigestVerify(verify, signature, *peers, said, sizeof said) == 1;
	EVP_MD_CTX_free(sign);
	EVP_MD_CTX_free(verify);
	return done;
}

static int raw_lap(const struct ike_bench *b, EVP_PKEY *peer, uint64_t *spent, struct fault *f)
{
	const struct end *e = &b->end[RESPONDER];
	uint8_t signature[512];
	size_t len = 0;
	uint64_t began = processor_ns();
	for (unsigned i = 0; i < HANDSHAKES; i++) {
		/* its own key pair stands for the peer's: the work is the same */
		if (!raw_exchange(b->c, peer) ||
		    (b->c->rsa && !raw_signatures(e->key, e->key, signature, &len)))
			return fault_set(f, -EIO, "bench ike: OpenSSL refused %s", b->c->name);
	}
	*spent = processor_ns() - began;
	return 0;
}

/* ---- laps ---- */

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return (x > y) - (x < y);
}

static double a_second(uint64_t laps[LAPS])
{
	const size_t middle = LAPS / 2;
	qsort(laps, LAPS, sizeof *laps, by_value);
	return HANDSHAKES * (double)NS_PER_S / (double)laps[middle];
}

static int laps(struct ike_bench *b, json_t *results, struct fault *f)
{
	uint64_t ours[LAPS], raw[LAPS];
	EVP_PKEY *peer = b->c->curve ? EVP_PKEY_Q_keygen(NULL, NULL, b->c->type, b->c->curve)
				     : EVP_PKEY_Q_keygen(NULL, NULL, b->c->type);
	int err = peer ? handshake(b, f) : fault_set(f, -ENOMEM, "bench ike: no key");
	for (unsigned lap = 0; !err && lap < LAPS; lap++) {
		b->end[RESPONDER].spent_ns = 0;
		for (unsigned i = 0; !err && i < HANDSHAKES; i++)
			err = handshake(b, f);
		ours[lap] = b->end[RESPONDER].spent_ns;
		if (!err)
			err = raw_lap(b, peer, &raw[lap], f);
	}
	EVP_PKEY_free(peer);
	if (err)
		return err;
	double handshakes = a_second(ours), library = a_second(raw);
	json_t *row = json_pack("{s:s,s:f,s:f,s:f}", "case", b->c->name, "handshakesPerSecond",
				handshakes, "rawHandshakesPerSecond", library, "ratio",
				library / handshakes);
	return json_array_append_new(results, row)
		       ? fault_set(f, -ENOMEM, "bench ike: out of memory")
		       : 0;
}

int bench_ike(json_t *results, struct fault *f)
{
	int err = 0;
	for (unsigned i = 0; !err && i < CASES; i++) {
		struct ike_bench b = {.c = &cases[i], .now_ns = NS_PER_S, .why = f};
		err = start(&b, f);
		if (!err)
			err = laps(&b, results, f);
		stop(&b);
	}
	return err;
}
