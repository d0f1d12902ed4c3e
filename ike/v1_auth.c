/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Authentication of main mode: pre-shared keys (RFC 2409 section 5.4); signatures (section 5.1)
 * differ in SKEYID, and sign the hash that stands here (v1_proof.c).
 *
 * The key has to be chosen before the identity can be read (RFC 2409 section 5.4). As the responder
 * we try the keys of every connection of that address: what opens the message is the right one.
 */
#include "ike/v1_internal.h"

#include <errno.h>
#include <string.h>

#define MOST_KEYS_TRIED 64
#define ID_HEADER	4

static struct v1_shared shared_of(const struct ike_sa *sa)
{
	const struct v1_phase1 *p = sa->v1->phase1;
	return (struct v1_shared){{p->shared, p->shared_len}, sa->spi_i, sa->spi_r};
}

static int derive(const struct ike_sa *sa, const struct secret *psk, struct v1_keys *out)
{
	const struct v1_phase1 *p = sa->v1->phase1;
	struct v1_shared s = shared_of(sa);
	int err = p->auth == V1_AUTH_RSA_SIG
			  ? v1_skeyid_signature(out, sa->chosen.prf, nonce_bytes(&p->ni),
						nonce_bytes(&p->nr), s.secret)
			  : v1_skeyid_psk(out, sa->chosen.prf, psk, nonce_bytes(&p->ni),
					  nonce_bytes(&p->nr));
	return err ? err : v1_keys_derive(out, &sa->chosen, &s);
}

int v1_auth_keys(struct ike_sa *sa, const struct ike_connection *cfg)
{
	return derive(sa, &cfg->psk, &sa->v1->keys);
}

/* HASH_I or HASH_R over an ID payload's body. */
static int hash_of(const struct ike_sa *sa, const struct v1_keys *k, bool of_initiator,
		   struct bytes id, uint8_t out[PRF_MAX], size_t *len)
{
	const struct v1_phase1 *p = sa->v1->phase1;
	struct v1_shared s = shared_of(sa);
	return v1_hash_auth(
		k, sa->chosen.prf, of_initiator, (struct bytes){p->public_i, p->public_i_len},
		(struct bytes){p->public_r, p->public_r_len}, &s, p->sa_i, id, out, len);
}

/* RFC 2407 section 4.6.2: kind, protocol and port 0, and the name. */
static struct bytes id_body(const struct identity *id, uint8_t out[ID_HEADER + IDENTITY_MAX])
{
	memset(out, 0, ID_HEADER);
	out[0] = id->kind;
	memcpy(out + ID_HEADER, id->b, id->len);
	return (struct bytes){out, (size_t)ID_HEADER + id->len};
}

static bool is_first_contact(const struct ike_sa *sa)
{
	for (const struct ike_sa *other = sa->c->sas; other; other = other->next)
		if (other != sa && (other->state == SA_ESTABLISHED || other->state == SA_REKEYED))
			return false;
	return true;
}

static void add_notify(const struct ike_sa *sa, struct builder *out, uint16_t type,
		       struct bytes body)
{
	uint8_t cookies[16];
	store_be64(cookies, sa->spi_i);
	store_be64(cookies + 8, sa->spi_r);
	v1_notify(out, PROTOCOL_IKE, (struct bytes){cookies, 16}, type, body);
}

/* The peer proposed to keep the SA longer than we do (RFC 2407 section 4.6.3.1). */
static void add_lifetime(const struct ike_sa *sa, struct builder *out)
{
	uint64_t ours = sa->c->cfg.ike_lifetime_ns / NS_PER_S;
	uint64_t theirs = sa->v1->phase1->life.seconds;
	uint8_t body[12];
	struct writer w;
	if (sa->is_initiator || !ours || !theirs || theirs <= ours)
		return;
	writer_init(&w, body, sizeof body);
	v1_attribute_put(&w, 11, 1); /* life type of phase 1: seconds */
	v1_attribute_put(&w, 12, (uint32_t)ours);
	add_notify(sa, out, V1_NOTIFY_RESPONDER_LIFETIME, (struct bytes){body, writer_len(&w)});
}

/* Message 5 or 6. */
int v1_auth_write(struct ike_sa *sa, struct builder *out, struct fault *f)
{
	uint8_t body[ID_HEADER + IDENTITY_MAX], hash[PRF_MAX];
	size_t len = 0;
	struct bytes id = id_body(&sa->c->cfg.local_id, body);
	int err = hash_of(sa, &sa->v1->keys, sa->is_initiator, id, hash, &len);
	if (err)
		return fault_set(f, err, "our hash can't be computed");
	v1_raw(out, V1_ID, id);
	if (sa->v1->phase1->auth == V1_AUTH_PSK)
		v1_raw(out, V1_HASH, (struct bytes){hash, len});
	else
		err = v1_proof_sign(sa, (struct bytes){hash, len}, out, f);
	wipe(hash, sizeof hash);
	if (err)
		return err;
	if (is_first_contact(sa))
		add_notify(sa, out, V1_NOTIFY_INITIAL_CONTACT, (struct bytes){NULL, 0});
	add_lifetime(sa, out);
	return 0;
}

static int read_identity(struct ike_sa *sa, const struct v1_message *m, struct fault *f)
{
	struct bytes b = v1_body(m, V1_ID);
	if (b.len < ID_HEADER ||
	    identity_from_wire(&sa->remote_id, b.at[0], b.at + ID_HEADER, b.len - ID_HEADER))
		return fault_set(f, -EPROTO, "the peer's identity of type %u is not readable",
				 b.len ? b.at[0] : 0);
	return 0;
}

static int wrong_identity(const struct connection *c, const struct identity *came, struct fault *f)
{
	char a[IDENTITY_TEXT], b[IDENTITY_TEXT];
	fault_set(f, -EACCES, "the peer is %.90s, expected %.90s", identity_format(came, a),
		  identity_format(&c->cfg.remote_id, b));
	fault_advise(f, "set the peer's `identity` to what it sends");
	return -EACCES;
}

static int wrong_key(struct fault *f)
{
	fault_set(f, -EACCES, "the peer's hash does not verify: the pre-shared keys differ");
	return fault_advise(f, "compare the pre-shared keys of both ends");
}

/* One end PSK, the other certificates. */
static int no_proof(const struct v1_message *m, uint8_t expected, struct fault *f)
{
	fault_set(f, -EACCES, "the peer authenticates by %s, expected %s",
		  v1_find(m, V1_SIG, 0)	   ? "a signature"
		  : v1_find(m, V1_HASH, 0) ? "a pre-shared key"
					   : "nothing",
		  expected == V1_AUTH_PSK ? "a pre-shared key" : "a signature");
	return fault_advise(f, "set the same authentication on both ends");
}

/* The proof of the end that began (`of_initiator`) or that answered; `p` is for signatures only. */
static int check_proof(const struct ike_sa *sa, const struct ike_connection *cfg,
		       const struct v1_keys *k, const struct v1_message *m, struct v1_proof *p,
		       struct fault *f)
{
	uint8_t want[PRF_MAX], method = sa->v1->phase1->auth;
	size_t len = 0;
	struct bytes came = v1_body(m, V1_HASH);
	if (!v1_find(m, method == V1_AUTH_PSK ? V1_HASH : V1_SIG, 0))
		return no_proof(m, method, f);
	int err = hash_of(sa, k, !sa->is_initiator, v1_body(m, V1_ID), want, &len);
	if (err)
		return fault_set(f, err, "the peer's hash can't be computed");
	if (method != V1_AUTH_PSK)
		err = v1_proof_check(p, cfg, m, (struct bytes){want, len}, &sa->remote_id, f);
	else if (!secret_equal(want, len, came.at, came.len))
		err = wrong_key(f);
	wipe(want, sizeof want);
	return err;
}

int v1_auth_check(struct ike_sa *sa, const struct v1_message *m, struct fault *f)
{
	struct v1_proof p = {.sa = sa};
	int err = read_identity(sa, m, f);
	if (err)
		return err;
	/* the proof first: an identity that is not proven says nothing */
	err = check_proof(sa, &sa->c->cfg, &sa->v1->keys, m, &p, f);
	v1_proof_end(&p);
	if (err)
		return err;
	if (!identity_matches(&sa->c->cfg.remote_id, &sa->remote_id))
		return wrong_identity(sa->c, &sa->remote_id, f);
	return 0;
}

/* ---- responder ---- */

/* What was agreed on in the first message is this connection's too. */
static bool allows(const struct ike_connection *cfg, const struct ike_sa *sa)
{
	const struct ike_chosen *c = &sa->chosen;
	if (v1_method_of(cfg) != sa->v1->phase1->auth)
		return false;
	for (unsigned i = 0; i < cfg->n_ike; i++) {
		const struct ike_proposal *p = &cfg->ike[i];
		if (memchr(p->encryption, c->encryption, p->n_encryption) &&
		    memchr(p->integrity, c->integrity, p->n_integrity) &&
		    memchr(p->group, c->group, p->n_group))
			return true;
	}
	return false;
}

struct search {
	struct v1_message *m;
	uint8_t *plain;
	struct v1_proof proof;
	struct fault *why; /* of the nearest so far */
	unsigned near;	   /* how near: 0 nothing, 1 does not open, 2 opens, 3 is proven */
};

static void came_to(struct search *s, unsigned near, const struct fault *f)
{
	if (near <= s->near)
		return;
	s->near = near;
	*s->why = *f;
}

static int not_readable(const struct ike_sa *sa, struct fault *f)
{
	if (sa->v1->phase1->auth != V1_AUTH_PSK)
		return fault_set(f, -EACCES, "it does not decrypt to a message");
	fault_set(f, -EACCES,
		  "it does not decrypt to a message: the pre-shared keys probably differ");
	return fault_advise(f, "compare the pre-shared keys of both ends");
}

/* Whether the peer is this connection's. */
static bool judge(struct ike_sa *sa, const struct connection *c, uint8_t iv[V1_IV],
		  struct v1_keys *k, struct search *s)
{
	struct fault f = {0};
	if (derive(sa, &c->cfg.psk, k))
		return false;
	if (v1_open(k, &sa->chosen, s->m, iv, s->plain, &f)) {
		not_readable(sa, &f);
		came_to(s, 1, &f);
		return false;
	}
	v1_show(sa, s->m, s->plain);
	if (read_identity(sa, s->m, &f)) {
		came_to(s, 2, &f);
		return false;
	}
	if (check_proof(sa, &c->cfg, k, s->m, &s->proof, &f)) {
		came_to(s, 2, &f);
		return false;
	}
	if (!identity_matches(&c->cfg.remote_id, &sa->remote_id)) {
		wrong_identity(c, &sa->remote_id, &f);
		came_to(s, 3, &f);
		return false;
	}
	return true;
}

int v1_auth_find(struct ike_sa *sa, struct v1_message *m, uint8_t iv[V1_IV],
		 uint8_t plain[LIMIT_MESSAGE], struct connection **out, struct fault *f)
{
	struct search s = {.m = m, .plain = plain, .proof.sa = sa, .why = f};
	unsigned tried = 0;
	*out = NULL;
	for (struct connection *c = NULL; (c = connection_candidate(sa->e, &sa->remote.addr, c));) {
		uint8_t at[V1_IV];
		struct v1_keys k = {0};
		if (!connection_fits_v1(c, &sa->local, &sa->remote) || !allows(&c->cfg, sa) ||
		    tried++ >= MOST_KEYS_TRIED)
			continue;
		unsigned before = s.near;
		memcpy(at, iv, V1_IV);
		bool ok = judge(sa, c, at, &k, &s);
		if (ok) {
			sa->v1->keys = k;
			memcpy(iv, at, V1_IV);
		}
		wipe(&k, sizeof k);
		if (ok || s.near > before || !*out)
			*out = c;
		if (ok) {
			v1_proof_end(&s.proof);
			return 0;
		}
	}
	v1_proof_end(&s.proof);
	if (!tried)
		fault_set(f, -EACCES, "no connection of this address agrees to what was chosen");
	return f->code ? f->code : -EACCES;
}
