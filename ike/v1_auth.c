/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Authentication of main mode: the one place that knows of methods. Pre-shared keys (RFC 2409
 * section 5.4); signatures (section 5.1) differ in SKEYID, and sign the hash that stands here.
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
	int err = v1_skeyid_psk(out, sa->chosen.prf, psk, nonce_bytes(&p->ni), nonce_bytes(&p->nr));
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
	v1_raw(out, V1_HASH, (struct bytes){hash, len});
	wipe(hash, sizeof hash);
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

static bool hash_verifies(const struct ike_sa *sa, const struct v1_keys *k, bool of_initiator,
			  const struct v1_message *m)
{
	uint8_t want[PRF_MAX];
	size_t len = 0;
	struct bytes came = v1_body(m, V1_HASH);
	bool ok = !hash_of(sa, k, of_initiator, v1_body(m, V1_ID), want, &len) &&
		  secret_equal(want, len, came.at, came.len);
	wipe(want, sizeof want);
	return ok;
}

static int no_hash(const struct v1_message *m, struct fault *f)
{
	fault_set(f, -EACCES, "the peer authenticates by %s, expected a pre-shared key",
		  v1_find(m, V1_SIG, 0) ? "a signature" : "nothing");
	return fault_advise(f, "set the same authentication on both ends");
}

static int wrong_key(struct fault *f)
{
	fault_set(f, -EACCES, "the peer's hash does not verify: the pre-shared keys differ");
	return fault_advise(f, "compare the pre-shared keys of both ends");
}

int v1_auth_check(struct ike_sa *sa, const struct v1_message *m, struct fault *f)
{
	int err = read_identity(sa, m, f);
	if (err)
		return err;
	if (!v1_find(m, V1_HASH, 0))
		return no_hash(m, f);
	/* the proof first: an identity that is not proven says nothing */
	if (!hash_verifies(sa, &sa->v1->keys, false, m))
		return wrong_key(f);
	if (!identity_matches(&sa->c->cfg.remote_id, &sa->remote_id))
		return wrong_identity(sa->c, &sa->remote_id, f);
	return 0;
}

/* ---- responder ---- */

/* What was agreed on in the first message is this connection's too. */
static bool allows(const struct ike_connection *cfg, const struct ike_chosen *c)
{
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

static int not_readable(struct fault *f)
{
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
		not_readable(&f);
		came_to(s, 1, &f);
		return false;
	}
	if (read_identity(sa, s->m, &f)) {
		came_to(s, 2, &f);
		return false;
	}
	if (!hash_verifies(sa, k, true, s->m)) {
		if (v1_find(s->m, V1_HASH, 0))
			wrong_key(&f);
		else
			no_hash(s->m, &f);
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
	struct search s = {.m = m, .plain = plain, .why = f};
	unsigned tried = 0;
	*out = NULL;
	for (unsigned fit = 2; fit >= 1; fit--) {
		for (struct connection *c = sa->e->connections; c; c = c->next) {
			uint8_t at[V1_IV];
			struct v1_keys k = {0};
			if (connection_fits_v1(c, &sa->local, &sa->remote) != fit ||
			    !allows(&c->cfg, &sa->chosen) || tried++ >= MOST_KEYS_TRIED)
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
			if (ok)
				return 0;
		}
	}
	if (!tried)
		fault_set(f, -EACCES, "no connection of this address agrees to what was chosen");
	return f->code ? f->code : -EACCES;
}
