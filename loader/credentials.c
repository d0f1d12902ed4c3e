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
	struct shared_trust *from; /* whose trust it took over; NULL: nobody's */
};

struct credentials {
	struct credential **of_gateway; /* NULL where there is no certificate */
	uint32_t n_gateways;
	struct shared_trust **of_connection; /* NULL where a pre-shared key is used */
	struct shared_trust *shared;
	uint32_t n_connections, n_shared;
	uint32_t *gateway_from; /* as shared_trust.from: the former index, MODEL_NONE */
	bool *kept_gateway, *kept;
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
		c->gateway_from = malloc((m->n_gateways + 1u) * sizeof *c->gateway_from);
		c->kept_gateway = calloc(m->n_gateways + 1u, sizeof *c->kept_gateway);
		c->kept = calloc(m->n_connections + 1u, sizeof *c->kept);
	}
	if (!c || !c->of_gateway || !c->of_connection || !c->shared || !c->gateway_from ||
	    !c->kept_gateway || !c->kept) {
		credentials_free(c);
		*out = NULL;
		return fault_set(f, -ENOMEM, "not enough memory for certificates");
	}
	memset(c->gateway_from, 0xff, (m->n_gateways + 1u) * sizeof *c->gateway_from);
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
	free(c->gateway_from);
	free(c->kept_gateway);
	free(c->kept);
	free(c);
}

/* ---- from one configuration to the next ---- */

bool credentials_same_file(const struct model *a, uint32_t i, const struct model *b, uint32_t k)
{
	if (i == MODEL_NONE || k == MODEL_NONE)
		return i == k;
	return a->files[i].len == b->files[k].len &&
	       memcmp(a->files[i].at, b->files[k].at, a->files[i].len) == 0;
}

static bool same_files(const struct model *a, const uint32_t *i, uint32_t n, const struct model *b,
		       const uint32_t *k, uint32_t m)
{
	bool same = n == m;
	for (uint32_t x = 0; same && x < n; x++)
		same = credentials_same_file(a, i[x], b, k[x]);
	return same;
}

static bool same_trust(const struct model *a, const struct model_trust *x, const struct model *b,
		       const struct model_trust *y)
{
	return credentials_same_file(a, x->authority, b, y->authority) &&
	       x->need_status == y->need_status &&
	       same_files(a, x->crls, x->n_crls, b, y->crls, y->n_crls) &&
	       same_files(a, x->ocsp, x->n_ocsp, b, y->ocsp, y->n_ocsp);
}

static void swap_credentials(struct credential **a, struct credential **b)
{
	struct credential *x = *a;
	*a = *b;
	*b = x;
}

static void swap_trust(struct shared_trust *a, struct shared_trust *b)
{
	struct trust *x = a->trust;
	a->trust = b->trust;
	b->trust = x;
}

static void adopt_gateways(struct credentials *c, const struct model *m, struct credentials *old,
			   const struct model *was, const uint32_t *gateway_was)
{
	for (uint32_t i = 0; i < c->n_gateways; i++) {
		uint32_t k = gateway_was[i];
		if (k == MODEL_NONE)
			continue;
		const struct model_certificate *x = &m->gateways[i].certificate;
		const struct model_certificate *y = &was->gateways[k].certificate;
		c->kept_gateway[i] = credentials_same_file(m, x->chain, was, y->chain) &&
				     credentials_same_file(m, x->key, was, y->key);
		if (!c->kept_gateway[i] || !c->of_gateway[i])
			continue;
		c->gateway_from[i] = k;
		swap_credentials(&c->of_gateway[i], &old->of_gateway[k]);
	}
}

void credentials_adopt(struct credentials *c, const struct model *m, struct credentials *old,
		       const struct model *was, const uint32_t *gateway_was,
		       const uint32_t *connection_was)
{
	adopt_gateways(c, m, old, was, gateway_was);
	for (uint32_t i = 0; i < c->n_connections; i++) {
		uint32_t k = connection_was[i];
		struct shared_trust *mine = c->of_connection[i];
		struct shared_trust *theirs = k == MODEL_NONE ? NULL : old->of_connection[k];
		c->kept[i] = k != MODEL_NONE && !mine == !theirs;
		if (!mine || !theirs)
			continue;
		if (!mine->from && same_trust(m, mine->of, was, theirs->of) && !theirs->from) {
			/* both sides know of it, so that nobody else takes it */
			mine->from = theirs;
			theirs->from = theirs;
			swap_trust(mine, theirs);
		}
		c->kept[i] = mine->from == theirs && c->kept_gateway[m->connections[i].gateway];
	}
	for (uint32_t i = 0; i < old->n_shared; i++)
		old->shared[i].from = NULL;
}

void credentials_give_back(struct credentials *c, struct credentials *old)
{
	for (uint32_t i = 0; i < c->n_gateways; i++)
		if (c->gateway_from[i] != MODEL_NONE)
			swap_credentials(&c->of_gateway[i], &old->of_gateway[c->gateway_from[i]]);
	for (uint32_t i = 0; i < c->n_shared; i++)
		if (c->shared[i].from)
			swap_trust(&c->shared[i], c->shared[i].from);
}

void credentials_settle(struct credentials *c)
{
	memset(c->gateway_from, 0xff, (c->n_gateways + 1u) * sizeof *c->gateway_from);
	for (uint32_t i = 0; i < c->n_shared; i++)
		c->shared[i].from = NULL;
}

bool credentials_kept(const struct credentials *c, uint32_t connection)
{
	return c->kept[connection];
}

bool credentials_kept_gateway(const struct credentials *c, uint32_t gateway)
{
	return c->kept_gateway[gateway];
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
