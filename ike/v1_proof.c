/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Certificates and signatures of main mode: RFC 2409 section 5.1 (RSA signs the hash itself,
 * without the name of its algorithm), RFC 2408 sections 3.9 and 3.10. Our whole chain goes out
 * whether it was asked for or not; we ask for what we believe, since some peers send nothing
 * unasked.
 */
#include "ike/v1_internal.h"

#include <errno.h>
#include <string.h>

#define CERT_X509_SIGNATURE 4 /* RFC 2408 section 3.9 */
#define SUBJECT_DER_MAX	    512

static const struct signature_scheme scheme = {SIGNATURE_RSA_BARE, 0, 0};

int v1_proof_sign(const struct ike_sa *sa, struct bytes hash, struct builder *out, struct fault *f)
{
	const struct credential *c = sa->c->cfg.credential;
	uint8_t signature[SIGNATURE_MAX];
	size_t len = 0;
	if (credential_sign(c, &scheme, hash, signature, &len))
		return fault_set(f, -EIO, "our key signs nothing");
	for (unsigned i = 0; i < credential_certificates(c); i++) {
		struct bytes der = credential_certificate(c, i);
		struct writer_mark m = v1_begin(out, V1_CERT);
		writer_u8(&out->w, CERT_X509_SIGNATURE);
		writer_bytes(&out->w, der.at, der.len);
		builder_end(out, m);
	}
	v1_raw(out, V1_SIG, (struct bytes){signature, len});
	return 0;
}

/* ---- what we ask for ---- */

static unsigned ask_for(const struct trust *t, unsigned asked, struct builder *out)
{
	for (unsigned i = 0; i < trust_authorities(t) && asked < LIMIT_CERTREQ_V1; i++) {
		uint8_t name[SUBJECT_DER_MAX];
		size_t len = trust_subject(t, i, name, sizeof name);
		if (!len)
			continue;
		struct writer_mark m = v1_begin(out, V1_CERTREQ);
		writer_u8(&out->w, CERT_X509_SIGNATURE);
		writer_bytes(&out->w, name, len);
		builder_end(out, m);
		asked++;
	}
	return asked;
}

void v1_proof_ask(const struct ike_sa *sa, struct builder *out)
{
	const struct trust *last = NULL;
	unsigned asked = 0;
	if (sa->c) {
		ask_for(sa->c->cfg.trust, 0, out);
		return;
	}
	/* the responder: it may be one of these */
	for (struct connection *c = NULL; (c = connection_candidate(sa->e, &sa->remote.addr, c));) {
		if (!connection_has_certificates(&c->cfg) || c->cfg.trust == last ||
		    !connection_fits_v1(c, &sa->local, &sa->remote))
			continue;
		last = c->cfg.trust;
		asked = ask_for(last, asked, out);
	}
}

/* ---- the peer's ---- */

static int no_x509(const struct v1_message *m, struct fault *f)
{
	struct bytes first = v1_body(m, V1_CERT);
	if (!first.len)
		return fault_set(f, -EACCES, "the peer sent no certificate");
	return fault_set(f, -EACCES,
			 "the peer sent a certificate of encoding %u, expected X.509 (4)",
			 first.at[0]);
}

static int read_chain(struct v1_proof *p, const struct v1_message *m, struct fault *f)
{
	struct bytes der[LIMIT_CERTS];
	unsigned n = 0;
	if (v1_count(m, V1_CERT) > LIMIT_CERTS)
		return fault_set(f, -EACCES, "the peer sent %u certificates, expected at most %d",
				 v1_count(m, V1_CERT), LIMIT_CERTS);
	for (unsigned i = 0; i < v1_count(m, V1_CERT); i++) {
		struct bytes b = v1_find(m, V1_CERT, i)->body;
		if (b.len > 1 && b.at[0] == CERT_X509_SIGNATURE)
			der[n++] = (struct bytes){b.at + 1, b.len - 1};
		else
			p->sa->e->counters[IKE_COUNT_CERT_REFUSED]++;
	}
	return n ? chain_parse(&p->chain, der, n, f) : no_x509(m, f);
}

static int check_path(struct v1_proof *p, struct trust *trust, struct fault *f)
{
	struct ike *e = p->sa->e;
	unsigned i = 0;
	while (i < p->n_paths && p->path[i].trust != trust)
		i++;
	if (i == LIMIT_PROOF_TRUSTS)
		return fault_set(f, -EACCES,
				 "the peer's certificate is of none of the first %d sets of "
				 "authorities that its address allows",
				 LIMIT_PROOF_TRUSTS);
	if (i == p->n_paths) {
		int64_t now = e->options.wall_seconds(e->options.wall_owner);
		p->path[i].trust = trust;
		p->path[i].err = trust_verify(trust, p->chain, now, &p->path[i].f);
		p->n_paths++;
	}
	*f = p->path[i].f;
	return p->path[i].err;
}

static int check_signature(const struct v1_proof *p, const struct v1_message *m, struct bytes hash,
			   struct fault *f)
{
	char key[KEY_TEXT], subject[SUBJECT_TEXT];
	int err = chain_verify(p->chain, &scheme, hash, v1_body(m, V1_SIG));
	if (!err)
		return 0;
	if (err == -EINVAL)
		return fault_set(f, -EACCES,
				 "the peer's certificate has a key of %s, expected RSA, by which "
				 "IKEv1 signs here",
				 chain_key_format(p->chain, key));
	fault_set(f, -EACCES,
		  "the peer's signature does not verify by the key of its certificate (%s)",
		  chain_subject(p->chain, subject));
	return fault_advise(f, "the peer signs with another key than its certificate's, or someone "
			       "changed main mode on its way");
}

static int check_identity(const struct v1_proof *p, const struct identity *came, struct fault *f)
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

int v1_proof_check(struct v1_proof *p, const struct ike_connection *cfg,
		   const struct v1_message *sent, struct bytes hash, const struct identity *came,
		   struct fault *f)
{
	if (!p->read)
		p->read_err = read_chain(p, sent, &p->read_fault);
	p->read = true;
	*f = p->read_fault;
	int err = p->read_err;
	if (!err)
		err = check_path(p, cfg->trust, f);
	if (!err)
		err = check_identity(p, came, f);
	if (err)
		return err;
	if (!p->judged)
		p->signature_err = check_signature(p, sent, hash, &p->signature_fault);
	p->judged = true;
	*f = p->signature_fault;
	return p->signature_err;
}

void v1_proof_end(struct v1_proof *p)
{
	chain_free(p->chain);
	p->chain = NULL;
}
