/* SPDX-License-Identifier: Apache-2.0 */
#include "loader/credentials.h"

#include <errno.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct shared_trust {
	const struct model_trust *of; /* the first connection's */
	struct trust *trust;
};

struct credentials {
	struct credential **of_gateway; /* NULL where there is no certificate */
	uint32_t n_gateways;
	struct shared_trust **of_connection; /* NULL where a pre-shared key is used */
	struct shared_trust *shared;
	uint32_t n_connections, n_shared;
};

struct builder_of {
	const struct model *m;
	struct credentials_faults faults;
};

void credentials_wrong(struct credentials_faults *b, struct model_place at, const char *property,
		       const struct fault *why)
{
	char text[FAULT_TEXT], line[FAULT_TEXT + 64];
	snprintf(line, sizeof line, "%s: %s", property, fault_format(why, text));
	if (b->findings)
		config_findings_add(b->findings, CONFIG_ERROR, at, line);
	if (!b->err && b->first)
		*b->first = *why;
	if (!b->err && b->first)
		fault_prefix(b->first, "%s", property);
	b->err = b->err ? b->err : why->code == -ENOMEM ? -ENOMEM : -EINVAL;
}

static void wrong(struct builder_of *b, struct model_place at, const char *property,
		  const struct fault *why)
{
	credentials_wrong(&b->faults, at, property, why);
}

static struct bytes file_of(const struct model *m, uint32_t index)
{
	return (struct bytes){m->files[index].at, m->files[index].len};
}

static void add_gateways(struct credentials *c, struct builder_of *b)
{
	for (uint32_t i = 0; i < b->m->n_gateways; i++) {
		const struct model_certificate *x = &b->m->gateways[i].certificate;
		struct fault f = {0};
		if (x->chain == MODEL_NONE)
			continue;
		if (credential_new(&c->of_gateway[i], file_of(b->m, x->chain),
				   file_of(b->m, x->key), &f))
			wrong(b, x->place, "certificate", &f);
	}
}

/* ---- what peers are judged by ---- */

static int by_indices(const uint32_t *a, uint32_t n, const uint32_t *b, uint32_t m)
{
	if (n != m)
		return n < m ? -1 : 1;
	return n ? memcmp(a, b, n * sizeof *a) : 0;
}

static int by_files(const void *a, const void *b)
{
	const struct model_trust *x = ((const struct shared_trust *)a)->of;
	const struct model_trust *y = ((const struct shared_trust *)b)->of;
	if (x->authority != y->authority)
		return x->authority < y->authority ? -1 : 1;
	if (x->need_status != y->need_status)
		return x->need_status ? 1 : -1;
	int d = by_indices(x->crls, x->n_crls, y->crls, y->n_crls);
	return d ? d : by_indices(x->ocsp, x->n_ocsp, y->ocsp, y->n_ocsp);
}

static void keep_shared(void *node)
{
	(void)node; /* of the array */
}

static struct model_place place_of(const struct model_trust *t, const char *what)
{
	return !strncmp(what, "CRL", 3)	   ? t->crls_at
	       : !strncmp(what, "OCSP", 4) ? t->ocsp_at
					   : t->place;
}

static const char *property_of(const char *what)
{
	return !strncmp(what, "CRL", 3)	   ? "certificateRevocationLists"
	       : !strncmp(what, "OCSP", 4) ? "ocspResponses"
					   : "peerCertificateAuthority";
}

static void make_trust(struct shared_trust *s, struct builder_of *b)
{
	const struct model_trust *t = s->of;
	struct bytes authority = file_of(b->m, t->authority);
	struct bytes *lists = calloc(t->n_crls + t->n_ocsp + 1u, sizeof *lists);
	struct fault f = {0};
	for (uint32_t i = 0; lists && i < t->n_crls; i++)
		lists[i] = file_of(b->m, t->crls[i]);
	for (uint32_t i = 0; lists && i < t->n_ocsp; i++)
		lists[t->n_crls + i] = file_of(b->m, t->ocsp[i]);
	struct trust_files files = {.authorities = &authority,
				    .n_authorities = 1,
				    .crls = lists,
				    .n_crls = t->n_crls,
				    .ocsp = lists + t->n_crls,
				    .n_ocsp = t->n_ocsp,
				    .need_status = t->need_status};
	int err = lists ? trust_new(&s->trust, &files, &f)
			: fault_set(&f, -ENOMEM, "not enough memory for authorities");
	if (err)
		wrong(b, place_of(t, f.place), property_of(f.place), &f);
	free(lists);
}

static void add_connections(struct credentials *c, struct builder_of *b)
{
	void *known = NULL;
	for (uint32_t i = 0; b->faults.err != -ENOMEM && i < b->m->n_connections; i++) {
		const struct model_connection *x = &b->m->connections[i];
		struct shared_trust *next = &c->shared[c->n_shared];
		struct fault f = {0};
		if (!x->by_certificate || x->trust.authority == MODEL_NONE)
			continue;
		const struct credential *own = c->of_gateway[x->gateway];
		if (x->ikev1 && own && credential_key_kind(own) != KEY_RSA) {
			char key[KEY_TEXT];
			fault_set(&f, -EINVAL,
				  "IKEv1 signs by RSA keys here, the gateway's certificate has %s",
				  credential_key_format(own, key));
			fault_advise(&f, "take a certificate with an RSA key, or IKEv2");
			wrong(b, x->place, "connectionProtocol", &f);
			continue;
		}
		next->of = &x->trust;
		struct shared_trust **found =
			(struct shared_trust **)tsearch(next, &known, by_files);
		if (!found) {
			fault_set(&f, -ENOMEM, "not enough memory for authorities");
			wrong(b, x->trust.place, "peerCertificateAuthority", &f);
			break;
		}
		c->of_connection[i] = *found;
		if (*found != next)
			continue;
		c->n_shared++;
		make_trust(next, b);
	}
	tdestroy(known, keep_shared);
}

int credentials_new(struct credentials **out, const struct model *m,
		    struct config_findings *findings, struct fault *f)
{
	struct builder_of b = {m, {findings, f, 0}};
	struct credentials *c = calloc(1, sizeof *c);
	*out = c;
	if (c) {
		c->n_gateways = m->n_gateways;
		c->n_connections = m->n_connections;
		c->of_gateway = calloc(m->n_gateways + 1u, sizeof(struct credential *));
		c->of_connection = calloc(m->n_connections + 1u, sizeof(struct shared_trust *));
		c->shared = calloc(m->n_connections + 1u, sizeof *c->shared);
	}
	if (!c || !c->of_gateway || !c->of_connection || !c->shared) {
		credentials_free(c);
		*out = NULL;
		return fault_set(f, -ENOMEM, "not enough memory for certificates");
	}
	add_gateways(c, &b);
	add_connections(c, &b);
	if (b.faults.err) {
		credentials_free(c);
		*out = NULL;
	}
	return b.faults.err;
}

void credentials_free(struct credentials *c)
{
	if (!c)
		return;
	for (uint32_t i = 0; c->of_gateway && i < c->n_gateways; i++)
		credential_free(c->of_gateway[i]);
	for (uint32_t i = 0; c->shared && i < c->n_shared; i++)
		trust_free(c->shared[i].trust);
	free((void *)c->of_gateway);
	free((void *)c->of_connection);
	free(c->shared);
	free(c);
}

void credentials_give(const struct credentials *c, const struct model *m, uint32_t index,
		      struct ike_connection *out)
{
	if (!c->of_connection[index])
		return;
	out->credential = c->of_gateway[m->connections[index].gateway];
	out->trust = c->of_connection[index]->trust;
	credential_adopt_identity(out->credential, &out->local_id);
}

const struct credential *credentials_of_gateway(const struct credentials *c, uint32_t gateway)
{
	return c->of_gateway[gateway];
}

/* ---- warnings ---- */

struct warned {
	struct config_findings *findings;
	struct model_place at;
	const char *property;
};

static void warn(void *owner, const char *text)
{
	const struct warned *w = owner;
	char line[400];
	snprintf(line, sizeof line, "%s: %s", w->property, text);
	config_findings_add(w->findings, CONFIG_WARNING, w->at, line);
}

/* A peer refuses an identity that the certificate is not for. */
static void judge_identity(const struct credential *c, const struct model_gateway *g,
			   struct warned *w)
{
	struct identity id;
	char names[140], line[340];
	if (identity_parse(&id, g->identity) || credential_has_identity(c, &id))
		return;
	snprintf(line, sizeof line,
		 "it is not for the gateway's identity %.80s but for %s, so peers refuse it; set "
		 "`identity` to one of these",
		 g->identity, credential_identities(c, names, sizeof names));
	warn(w, line);
}

static bool is_used(const struct credentials *c, const struct model *m, uint32_t gateway)
{
	for (uint32_t i = 0; i < m->n_connections; i++)
		if (c->of_connection[i] && m->connections[i].gateway == gateway)
			return true;
	return m->gateways[gateway].clients.n_pool;
}

void credentials_judge(const struct credentials *c, const struct model *m, int64_t now,
		       unsigned days, struct config_findings *findings)
{
	for (uint32_t i = 0; i < c->n_gateways; i++) {
		const struct model_certificate *x = &m->gateways[i].certificate;
		struct warned w = {findings, x->chain_at, "certificate"};
		if (!c->of_gateway[i])
			continue;
		credential_judge(c->of_gateway[i], now, days, warn, &w);
		if (is_used(c, m, i))
			judge_identity(c->of_gateway[i], &m->gateways[i], &w);
	}
	for (uint32_t i = 0; i < c->n_shared; i++) {
		struct warned w = {findings, c->shared[i].of->place, "peerCertificateAuthority"};
		trust_judge(c->shared[i].trust, now, days, warn, &w);
	}
}
