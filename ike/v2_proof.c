/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How both ends prove who they are in IKE_AUTH: AUTH by a pre-shared key or by the signature of a
 * certificate's key (RFC 7296 section 2.15, RFC 4754, RFC 7427, RFC 8420), CERT and CERTREQ
 * (sections 3.6, 3.7). A peer's proof is checked from cheap to costly: method, certificates,
 * their path, identity, signature; each costly step is done once, for however many connections.
 */
#include "ike/ike_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* IANA "IKEv2 Authentication Method" */
enum auth_method {
	AUTH_RSA_SHA1 = 1,
	AUTH_SHARED_KEY = 2,
	AUTH_ECDSA_256 = 9,
	AUTH_ECDSA_384 = 10,
	AUTH_ECDSA_521 = 11,
	AUTH_SIGNATURE = 14,
};

#define CERT_X509_SIGNATURE 4 /* IANA "IKEv2 Certificate Encodings" */
#define CERT_HASH_AND_URL   12
#define CERT_BUNDLE_AND_URL 13

bool connection_has_certificates(const struct ike_connection *cfg)
{
	return cfg->credential != NULL;
}

/* ---- what is covered ---- */

/* The body of an ID payload, as AUTH covers it. */
static struct bytes id_body(const struct identity *id, uint8_t out[4 + IDENTITY_MAX])
{
	out[0] = id->kind;
	out[1] = out[2] = out[3] = 0;
	memcpy(out + 4, id->b, id->len);
	return (struct bytes){out, 4u + id->len};
}

/* Of one side: `initiator` says whose. */
static int psk_value(const struct ike_sa *sa, const struct secret *psk, bool initiator,
		     struct bytes body, uint8_t out[PRF_MAX], size_t *len)
{
	const struct handshake *h = sa->handshake;
	uint8_t buffer[INTERMEDIATE_AUTH];
	struct bytes more = intermediate_auth(sa, buffer);
	return initiator ? keys_auth_psk_more(out, len, sa->chosen.prf, psk, h->init_i,
					      nonce_bytes(&h->nr), &sa->keys.pi, body, more)
			 : keys_auth_psk_more(out, len, sa->chosen.prf, psk, h->init_r,
					      nonce_bytes(&h->ni), &sa->keys.pr, body, more);
}

#define SIGNED_MAX (LIMIT_MESSAGE + LIMIT_NONCE + PRF_MAX + INTERMEDIATE_AUTH)

static int signed_octets(const struct ike_sa *sa, bool initiator, struct bytes body,
			 uint8_t out[SIGNED_MAX], size_t *len)
{
	const struct handshake *h = sa->handshake;
	const struct secret *key = initiator ? &sa->keys.pi : &sa->keys.pr;
	uint8_t mac[PRF_MAX], buffer[INTERMEDIATE_AUTH];
	struct bytes more = intermediate_auth(sa, buffer);
	size_t mac_len = 0;
	struct writer w;
	int err =
		keys_prf(sa->chosen.prf, (struct bytes){key->b, key->len}, &body, 1, mac, &mac_len);
	struct bytes first = initiator ? h->init_i : h->init_r;
	struct bytes nonce = nonce_bytes(initiator ? &h->nr : &h->ni);
	writer_init(&w, out, SIGNED_MAX);
	writer_bytes(&w, first.at, first.len);
	writer_bytes(&w, nonce.at, nonce.len);
	writer_bytes(&w, mac, mac_len);
	writer_bytes(&w, more.at, more.len);
	wipe(mac, sizeof mac);
	*len = writer_len(&w);
	return err ? err : writer_ok(&w) ? 0 : -EMSGSIZE;
}

/* ---- IKE_SA_INIT: what we understand, what the peer does ---- */

void proof_announce(struct builder *out)
{
	static const uint8_t hashes[] = {0, SIGNATURE_SHA256, 0, SIGNATURE_SHA384,
					 0, SIGNATURE_SHA512, 0, SIGNATURE_IDENTITY};
	builder_notify(out, NOTIFY_SIGNATURE_HASH_ALGORITHMS,
		       (struct bytes){hashes, sizeof hashes});
}

void proof_learn(struct handshake *h, const struct ike_message *in)
{
	const struct ike_notify *n = ike_message_notify(in, NOTIFY_SIGNATURE_HASH_ALGORITHMS);
	h->peer_hashes = 0;
	for (size_t i = 0; n && i + 1 < n->body.len; i += 2) {
		uint16_t hash = load_be16(n->body.at + i);
		if (hash < 16)
			h->peer_hashes |= (uint16_t)(1u << hash);
	}
}

struct wanted {
	unsigned n;
	uint8_t hash[LIMIT_CERTREQ][20];
};

static void want(struct wanted *w, const struct trust *t)
{
	for (unsigned i = 0; i < trust_authorities(t); i++) {
		uint8_t hash[20];
		unsigned k = 0;
		trust_key_hash(t, i, hash);
		while (k < w->n && memcmp(w->hash[k], hash, 20) != 0)
			k++;
		if (k == w->n && w->n < LIMIT_CERTREQ)
			memcpy(w->hash[w->n++], hash, 20);
	}
}

static void add_certreq(struct builder *out, const struct wanted *w)
{
	struct writer_mark m = builder_begin(out, PAYLOAD_CERTREQ);
	writer_u8(&out->w, CERT_X509_SIGNATURE);
	writer_bytes(&out->w, w->hash, (size_t)w->n * 20);
	builder_end(out, m);
}

/* Responder: whoever it turns out to be, from here it may be one of these connections. */
void proof_ask_stranger(const struct ike *e, const struct ip_endpoint *local,
			const struct ip_endpoint *remote, const struct handshake *h,
			struct builder *out)
{
	struct wanted w = {.n = 0};
	const struct trust *last = NULL;
	bool any = false;
	for (struct connection *c = NULL; (c = connection_candidate(e, &remote->addr, c));) {
		if (!c->cfg.trust || !connection_fits(c, local, remote))
			continue;
		any = true;
		if (c->cfg.trust && c->cfg.trust != last)
			want(&w, c->cfg.trust);
		last = c->cfg.trust;
	}
	if (!any)
		return;
	add_certreq(out, &w);
	if (h->peer_hashes)
		proof_announce(out);
}

/* ---- our own ---- */

struct way {
	uint8_t method; /* enum auth_method */
	struct signature_scheme scheme;
};

static uint8_t hash_bytes(uint8_t hash)
{
	return hash == SIGNATURE_SHA512 ? 64 : hash == SIGNATURE_SHA384 ? 48 : 32;
}

/* The first of a list that the peer understands, 0 = none. */
static uint8_t common_hash(const struct handshake *h, const uint8_t order[3])
{
	for (unsigned i = 0; i < 3; i++)
		if (h->peer_hashes >> order[i] & 1)
			return order[i];
	return 0;
}

static int choose_rsa(const struct handshake *h, const struct ike_connection *cfg, struct way *w,
		      struct fault *f)
{
	static const uint8_t order[] = {SIGNATURE_SHA256, SIGNATURE_SHA384, SIGNATURE_SHA512};
	uint8_t hash = common_hash(h, order);
	if (hash) {
		*w = (struct way){AUTH_SIGNATURE, {SIGNATURE_RSA_PSS, hash, hash_bytes(hash)}};
		if (cfg->rsa_pkcs1)
			w->scheme = (struct signature_scheme){SIGNATURE_RSA_PKCS1, hash, 0};
		return 0;
	}
	*w = (struct way){AUTH_RSA_SHA1, {SIGNATURE_RSA_PKCS1, SIGNATURE_SHA1, 0}};
	if (cfg->sha1_signatures)
		return 0;
	fault_set(f, -EACCES,
		  "the peer understands no signature of RSA but with SHA-1 (it does not announce "
		  "RFC 7427), which is not allowed here");
	return fault_advise(f, "teach it RFC 7427, take a certificate with an ECDSA key, or set "
			       "sha1Signatures: true");
}

static void choose_ecdsa(const struct handshake *h, enum key_kind kind, struct way *w)
{
	static const uint8_t order[][3] = {
		[KEY_P256] = {SIGNATURE_SHA256, SIGNATURE_SHA384, SIGNATURE_SHA512},
		[KEY_P384] = {SIGNATURE_SHA384, SIGNATURE_SHA512, SIGNATURE_SHA256},
		[KEY_P521] = {SIGNATURE_SHA512, SIGNATURE_SHA384, SIGNATURE_SHA256},
	};
	static const uint8_t methods[] = {[KEY_P256] = AUTH_ECDSA_256,
					  [KEY_P384] = AUTH_ECDSA_384,
					  [KEY_P521] = AUTH_ECDSA_521};
	uint8_t hash = common_hash(h, order[kind]);
	if (hash)
		*w = (struct way){AUTH_SIGNATURE, {SIGNATURE_ECDSA, hash, 0}};
	else
		*w = (struct way){methods[kind], {SIGNATURE_ECDSA_PLAIN, order[kind][0], 0}};
}

static int choose(const struct ike_sa *sa, const struct ike_connection *cfg, struct way *w,
		  struct fault *f)
{
	const struct handshake *h = sa->handshake;
	enum key_kind kind = credential_key_kind(cfg->credential);
	if (kind == KEY_RSA)
		return choose_rsa(h, cfg, w, f);
	if (kind != KEY_ED25519) {
		choose_ecdsa(h, kind, w);
		return 0;
	}
	*w = (struct way){AUTH_SIGNATURE, {SIGNATURE_ED25519, SIGNATURE_IDENTITY, 0}};
	return h->peer_hashes >> SIGNATURE_IDENTITY & 1
		       ? 0
		       : fault_set(
				 f, -EACCES,
				 "our key is Ed25519, which the peer does not understand (it does "
				 "not announce RFC 8420)");
}

int proof_possible(const struct ike_sa *sa, const struct ike_connection *cfg, struct fault *f)
{
	struct way w;
	return connection_has_certificates(cfg) ? choose(sa, cfg, &w, f) : 0;
}

void proof_add_certificates(const struct ike_connection *cfg, struct builder *out)
{
	for (unsigned i = 0; cfg->credential && i < credential_certificates(cfg->credential); i++) {
		struct bytes der = credential_certificate(cfg->credential, i);
		struct writer_mark m = builder_begin(out, PAYLOAD_CERT);
		writer_u8(&out->w, CERT_X509_SIGNATURE);
		writer_bytes(&out->w, der.at, der.len);
		builder_end(out, m);
	}
}

void proof_add_certreq(const struct ike_connection *cfg, struct builder *out)
{
	struct wanted w = {.n = 0};
	if (!cfg->trust)
		return;
	want(&w, cfg->trust);
	add_certreq(out, &w);
}

/* Our AUTH payload: method and data. */
struct auth {
	uint8_t method;
	size_t len;
	uint8_t value[1 + SIGNATURE_DER_MAX + SIGNATURE_MAX + PRF_MAX];
};

static int sign(const struct ike_sa *sa, const struct ike_connection *cfg, struct bytes body,
		struct auth *out)
{
	uint8_t octets[SIGNED_MAX], signature[SIGNATURE_MAX], der[SIGNATURE_DER_MAX];
	size_t n = 0, len = 0;
	struct way way;
	struct writer w;
	int err = choose(sa, cfg, &way, NULL);
	if (!err)
		err = signed_octets(sa, sa->is_initiator, body, octets, &n);
	if (!err)
		err = credential_sign(cfg->credential, &way.scheme, (struct bytes){octets, n},
				      signature, &len);
	if (err)
		return err;
	writer_init(&w, out->value, sizeof out->value);
	if (way.method == AUTH_SIGNATURE) {
		struct bytes a = signature_scheme_der(&way.scheme, der);
		writer_u8(&w, (uint8_t)a.len);
		writer_bytes(&w, a.at, a.len);
	}
	writer_bytes(&w, signature, len);
	out->method = way.method;
	out->len = writer_len(&w);
	return writer_ok(&w) ? 0 : -EMSGSIZE;
}

static int prove(const struct ike_sa *sa, const struct ike_connection *cfg, struct auth *out)
{
	uint8_t body[4 + IDENTITY_MAX];
	struct bytes id = id_body(&cfg->local_id, body);
	if (connection_has_certificates(cfg))
		return sign(sa, cfg, id, out);
	out->method = AUTH_SHARED_KEY;
	return psk_value(sa, &cfg->psk, sa->is_initiator, id, out->value, &out->len);
}

int proof_add_auth(const struct ike_sa *sa, const struct ike_connection *cfg, struct builder *out)
{
	struct auth a;
	int err = prove(sa, cfg, &a);
	if (!err)
		builder_auth(out, a.method, (struct bytes){a.value, a.len});
	wipe(&a, sizeof a);
	return err;
}

int proof_add_key_auth(const struct ike_sa *sa, const struct identity *own,
		       const struct secret *key, struct builder *out)
{
	uint8_t body[4 + IDENTITY_MAX], value[PRF_MAX];
	size_t len = 0;
	int err = psk_value(sa, key, sa->is_initiator, id_body(own, body), value, &len);
	if (!err)
		builder_auth(out, AUTH_SHARED_KEY, (struct bytes){value, len});
	wipe(value, sizeof value);
	return err;
}

bool proof_check_key(const struct ike_sa *sa, const struct secret *key,
		     const struct ike_id_payload *id, const struct ike_message *in)
{
	uint8_t value[PRF_MAX];
	size_t len = 0;
	bool ok = in->auth_method == AUTH_SHARED_KEY &&
		  !psk_value(sa, key, !sa->is_initiator, id->body, value, &len) &&
		  secret_equal(value, len, in->auth.at, in->auth.len);
	wipe(value, sizeof value);
	return ok;
}

int proof_add_no_ppk_auth(const struct ike_sa *sa, const struct ike_connection *cfg,
			  struct builder *out)
{
	struct auth a;
	int err = prove(sa, cfg, &a);
	if (!err)
		builder_notify(out, NOTIFY_NO_PPK_AUTH, (struct bytes){a.value, a.len});
	wipe(&a, sizeof a);
	return err;
}

/* ---- the peer's ---- */

void proof_begin(struct proof *p, struct ike_sa *sa, const struct ike_message *in)
{
	memset(p, 0, sizeof *p);
	p->sa = sa;
	p->in = in;
	p->id = sa->is_initiator ? &in->idr : &in->idi;
	for (unsigned i = 0; i < in->n_certs && i < LIMIT_CERTS; i++)
		if (in->certs[i].encoding != CERT_X509_SIGNATURE)
			sa->e->counters[IKE_COUNT_CERT_REFUSED]++;
}

void proof_end(struct proof *p)
{
	chain_free(p->chain);
	p->chain = NULL;
}

/* The signature behind the method, and what it is by. 0 or -errno with the reason. */
static int read_auth(const struct ike_message *in, struct way *w, struct bytes *signature,
		     struct fault *f)
{
	struct reader r;
	reader_init(&r, in->auth.at, in->auth.len);
	w->method = in->auth_method;
	*signature = in->auth;
	switch (in->auth_method) {
	case AUTH_RSA_SHA1:
		w->scheme = (struct signature_scheme){SIGNATURE_RSA_PKCS1, SIGNATURE_SHA1, 0};
		return 0;
	case AUTH_ECDSA_256:
		w->scheme = (struct signature_scheme){SIGNATURE_ECDSA_PLAIN, SIGNATURE_SHA256, 0};
		return 0;
	case AUTH_ECDSA_384:
		w->scheme = (struct signature_scheme){SIGNATURE_ECDSA_PLAIN, SIGNATURE_SHA384, 0};
		return 0;
	case AUTH_ECDSA_521:
		w->scheme = (struct signature_scheme){SIGNATURE_ECDSA_PLAIN, SIGNATURE_SHA512, 0};
		return 0;
	case AUTH_SIGNATURE: break;
	default:
		return fault_set(f, -EACCES,
				 "the peer authenticates by method %u, which is not known",
				 in->auth_method);
	}
	struct bytes der = reader_bytes(&r, reader_u8(&r));
	*signature = reader_rest(&r);
	if (!reader_ok(&r) || signature_scheme_parse(&w->scheme, der))
		return fault_set(f, -EACCES,
				 "the peer signs with an algorithm that is none of PKCS#1, PSS, "
				 "ECDSA, Ed25519 with SHA-2");
	return 0;
}

static const char *method_text(const struct ike_message *in, char out[SCHEME_TEXT])
{
	struct way w;
	struct bytes signature;
	if (in->auth_method == AUTH_SHARED_KEY)
		return "a pre-shared key";
	return read_auth(in, &w, &signature, NULL) ? "an unknown method"
						   : signature_scheme_format(&w.scheme, out);
}

/* One end PSK, the other certificates. */
static int different_methods(const struct proof *p, const struct ike_connection *cfg,
			     struct fault *f)
{
	char text[SCHEME_TEXT];
	const char *theirs = method_text(p->in, text);
	if (connection_has_certificates(cfg))
		fault_set(f, -EACCES,
			  "the peer authenticates by %s, expected the signature of a certificate",
			  theirs);
	else
		fault_set(f, -EACCES,
			  "the peer authenticates by a signature (%s), expected a pre-shared key",
			  theirs);
	return fault_advise(f, "make both ends authenticate alike: authenticationType is %s here",
			    connection_has_certificates(cfg) ? "Certificate" : "PSK");
}

static int check_psk(const struct proof *p, const struct ike_connection *cfg, struct fault *f)
{
	uint8_t value[PRF_MAX];
	size_t len = 0;
	if (p->in->auth_method != AUTH_SHARED_KEY)
		return different_methods(p, cfg, f);
	bool ok = !psk_value(p->sa, &cfg->psk, !p->sa->is_initiator, p->id->body, value, &len) &&
		  secret_equal(value, len, p->in->auth.at, p->in->auth.len);
	wipe(value, sizeof value);
	if (ok)
		return 0;
	fault_set(f, -EACCES, "the peer's AUTH does not verify: the pre-shared keys differ");
	return fault_advise(f, "compare the pre-shared keys of both ends");
}

static int no_x509(const struct ike_message *in, struct fault *f)
{
	uint8_t encoding = in->n_certs ? in->certs[0].encoding : 0;
	if (!in->n_certs)
		return fault_set(f, -EACCES, "the peer sent no certificate");
	if (encoding == CERT_HASH_AND_URL || encoding == CERT_BUNDLE_AND_URL)
		return fault_set(f, -EACCES,
				 "the peer sent hash and URL instead of a certificate; nothing is "
				 "ever fetched from an address that a peer names");
	return fault_set(f, -EACCES,
			 "the peer sent a certificate of encoding %u, expected X.509 (4)",
			 encoding);
}

static int parse_chain(struct proof *p, struct fault *f)
{
	struct bytes der[LIMIT_CERTS];
	unsigned n = 0;
	_Static_assert(LIMIT_CERTS == CHAIN_MAX_CERTIFICATES, "one cap");
	if (p->in->n_certs > LIMIT_CERTS)
		return fault_set(f, -EACCES, "the peer sent %u certificates, expected at most %d",
				 p->in->n_certs, LIMIT_CERTS);
	for (unsigned i = 0; i < p->in->n_certs; i++)
		if (p->in->certs[i].encoding == CERT_X509_SIGNATURE)
			der[n++] = p->in->certs[i].body;
	return n ? chain_parse(&p->chain, der, n, f) : no_x509(p->in, f);
}

/* Its result stands for all connections with the same authorities. */
static int check_path(struct proof *p, struct trust *trust, struct fault *f)
{
	struct ike *e = p->sa->e;
	for (unsigned i = 0; i < p->n_verdicts; i++) {
		if (p->verdict[i].trust != trust)
			continue;
		*f = p->verdict[i].f;
		return p->verdict[i].err;
	}
	if (p->n_verdicts == LIMIT_PROOF_TRUSTS)
		return fault_set(f, -EACCES,
				 "the peer's certificate is of none of the first %d sets of "
				 "authorities that its address allows",
				 LIMIT_PROOF_TRUSTS);
	int64_t now = e->options.wall_seconds(e->options.wall_owner);
	int err = trust_verify(trust, p->chain, now, f);
	p->verdict[p->n_verdicts].trust = trust;
	p->verdict[p->n_verdicts].err = err;
	p->verdict[p->n_verdicts++].f = *f;
	return err;
}

static int check_identity(const struct proof *p, const struct identity *came, struct fault *f)
{
	char id[IDENTITY_TEXT], names[160];
	if (chain_has_identity(p->chain, came))
		return 0;
	fault_set(f, -EACCES, "the peer says it is %.90s, but its certificate is for %s",
		  identity_format(came, id), chain_identities(p->chain, names, sizeof names));
	return fault_advise(f,
			    "certify that name as subjectAltName, or let the peer send one of its "
			    "certificate's");
}

/* Curve and method go together (RFC 4754). */
static bool fits_method(const struct chain *c, uint8_t method)
{
	enum key_kind kind = chain_key_kind(c);
	return (method != AUTH_ECDSA_256 || kind == KEY_P256) &&
	       (method != AUTH_ECDSA_384 || kind == KEY_P384) &&
	       (method != AUTH_ECDSA_521 || kind == KEY_P521);
}

static int verify_signature(struct proof *p, struct fault *f)
{
	uint8_t octets[SIGNED_MAX];
	char scheme[SCHEME_TEXT], key[KEY_TEXT], subject[SUBJECT_TEXT];
	struct way w;
	struct bytes signature;
	size_t n = 0;
	int err = read_auth(p->in, &w, &signature, f);
	if (err)
		return err;
	if (signed_octets(p->sa, !p->sa->is_initiator, p->id->body, octets, &n))
		return fault_set(f, -EIO, "the peer's signature can't be checked");
	err = fits_method(p->chain, w.method)
		      ? chain_verify(p->chain, &w.scheme, (struct bytes){octets, n}, signature)
		      : -EINVAL;
	signature_scheme_format(&w.scheme, scheme);
	if (err == -EINVAL)
		return fault_set(f, -EACCES,
				 "the peer signs by %s, but the key of its certificate is %s",
				 scheme, chain_key_format(p->chain, key));
	if (!err)
		return 0;
	fault_set(f, -EACCES,
		  "the peer's signature (%s) does not verify by the key of its certificate (%s)",
		  scheme, chain_subject(p->chain, subject));
	return fault_advise(f, "the peer signs with another key than its certificate's, or someone "
			       "changed IKE_SA_INIT on its way");
}

static int check_signature(struct proof *p, const struct ike_connection *cfg, struct fault *f)
{
	if (p->in->auth_method == AUTH_RSA_SHA1 && !cfg->sha1_signatures) {
		fault_set(f, -EACCES, "the peer signs with SHA-1, which is not allowed here");
		return fault_advise(f, "teach it RFC 7427, or set sha1Signatures: true");
	}
	if (!p->signature_done)
		p->signature_err = verify_signature(p, &p->signature_fault);
	p->signature_done = true;
	*f = p->signature_fault;
	return p->signature_err;
}

int proof_check(struct proof *p, const struct ike_connection *cfg, const struct identity *came,
		struct fault *f)
{
	memset(f, 0, sizeof *f);
	if (!connection_has_certificates(cfg))
		return check_psk(p, cfg, f);
	if (!cfg->trust)
		return fault_set(f, -EACCES,
				 "the client authenticates by %s, expected EAP, by which all "
				 "clients come",
				 p->in->auth_method == AUTH_SHARED_KEY ? "a pre-shared key"
								       : "a certificate");
	if (p->in->auth_method == AUTH_SHARED_KEY)
		return different_methods(p, cfg, f);
	if (!p->parsed)
		p->parse_err = parse_chain(p, &p->parse_fault);
	p->parsed = true;
	*f = p->parse_fault;
	int err = p->parse_err;
	if (!err)
		err = check_path(p, cfg->trust, f);
	if (!err)
		err = check_identity(p, came, f);
	if (!err)
		err = check_signature(p, cfg, f);
	return err;
}
