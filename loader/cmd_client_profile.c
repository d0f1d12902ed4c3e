/* SPDX-License-Identifier: Apache-2.0 */
/* client-profile: what the configuration says about a gateway's clients, as files for one of them.
 */
#include "auth/identity.h"
#include "control/config.h"
#include "control/offer.h"
#include "loader/command.h"
#include "loader/files.h"
#include "p2s/profile.h"

#include <errno.h>
#include <limits.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILE_MAX_BYTES (1u << 20)
#define COMMON_NAME    251

/* What the facts borrow from. */
struct making {
	const struct command_options *o;
	const struct model *m;
	const struct model_gateway *g;
	struct profile_facts facts;
	struct ip_prefix routes[CHILD_SA_MAX_TS];
	char server[IDENTITY_TEXT];
	char authority_name[COMMON_NAME], issuer_name[COMMON_NAME], certificate_name[COMMON_NAME];
	uint8_t *authority, *authority_pem, *certificate, *key, *pkcs12;
	size_t certificate_len, key_len, pkcs12_len;
};

/* NULL: told already. */
static const struct model_gateway *find_gateway(const struct command_options *o,
						const struct model *m)
{
	const char *name = o->argv[0];
	for (uint32_t i = 0; i < m->n_gateways; i++) {
		if (strcmp(m->gateways[i].name, name) != 0)
			continue;
		if (m->gateways[i].clients.n_pool)
			return &m->gateways[i];
		command_say(EXIT_USAGE,
			    "the gateway %s has no clients; give it vpnClientConfiguration", name);
		return NULL;
	}
	command_say(EXIT_USAGE, "%s has no gateway '%s'", o->config, name);
	return NULL;
}

/* A user has a password; whoever else comes needs a certificate. */
static int find_client(struct making *k)
{
	const struct model_clients *c = &k->g->clients;
	const struct model_user *user = NULL;
	for (uint32_t i = 0; i < c->n_users && !user; i++)
		if (!strcmp(c->users[i].name, k->o->client))
			user = &c->users[i];
	if (!user && !c->n_roots)
		return command_say(EXIT_USAGE,
				   "the gateway %s has no user '%s', and takes no certificates",
				   k->g->name, k->o->client);
	if (user && k->o->credentials)
		return command_say(EXIT_USAGE,
				   "--credentials: %s is a user with a password and needs none",
				   k->o->client);
	if (!user && k->o->with_password)
		return command_say(EXIT_USAGE,
				   "--with-password: the gateway %s has no user '%s'; a client "
				   "with a certificate needs none",
				   k->g->name, k->o->client);
	k->facts.by_certificate = !user;
	if (user && k->o->with_password)
		k->facts.password = (struct bytes){user->password.b, user->password.len};
	return 0;
}

static int take_routes(struct making *k, struct fault *f)
{
	struct offer offer;
	int err = offer_of_clients(k->m, (uint32_t)(k->g - k->m->gateways), &offer);
	if (err)
		return fault_set(f, err, "there are too many prefixes behind %s", k->g->name);
	for (uint8_t i = 0; i < offer.n_local_ts; i++)
		if (ip_range_to_prefix(&offer.local_ts[i].range, &k->routes[k->facts.n_routes]))
			k->facts.n_routes++;
	k->facts.routes = k->routes;
	return 0;
}

/* The name by which a client may look for the gateway and find it in its certificate. */
static void take_server(struct making *k)
{
	struct identity id;
	ip_addr_format(&k->g->public_address, k->server);
	if (!identity_parse(&id, k->g->identity) && id.kind == IDENTITY_FQDN)
		identity_format(&id, k->server);
	k->facts.server = k->server;
	k->facts.identity = k->g->identity;
	k->facts.address = k->g->public_address;
	for (uint32_t i = 0; i < k->g->clients.n_pool; i++) {
		k->facts.gives_v4 |= k->g->clients.pool[i].addr.family == IP_V4;
		k->facts.gives_v6 |= k->g->clients.pool[i].addr.family == IP_V6;
	}
}

/* Empty when there is none, or too long a one. */
static void common_name(const X509_NAME *name, char out[COMMON_NAME])
{
	unsigned char *text = NULL;
	int at = X509_NAME_get_index_by_NID(name, NID_commonName, -1);
	int n = at < 0 ? -1
		       : ASN1_STRING_to_UTF8(
				 &text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at)));
	snprintf(out, COMMON_NAME, "%s", n > 0 && n < COMMON_NAME ? (const char *)text : "");
	OPENSSL_free(text);
}

static int take_authority(struct making *k, X509 *x, struct fault *f)
{
	char *at = NULL;
	BIO *b = BIO_new(BIO_s_mem());
	int n = i2d_X509(x, &k->authority);
	long pem = b && PEM_write_bio_X509(b, x) ? BIO_get_mem_data(b, &at) : 0;
	k->authority_pem = pem > 0 ? malloc((size_t)pem) : NULL;
	if (k->authority_pem)
		memcpy(k->authority_pem, at, (size_t)pem);
	BIO_free(b);
	if (n <= 0 || !k->authority_pem)
		return fault_set(f, -ENOMEM, "not enough memory for the authority");
	k->facts.authority = (struct bytes){k->authority, (size_t)n};
	k->facts.authority_pem = (struct bytes){k->authority_pem, (size_t)pem};
	common_name(X509_get_subject_name(x), k->authority_name);
	return 0;
}

/* In PEM, the first that is its own issuer; NULL: none. */
static X509 *find_root(struct bytes pem)
{
	BIO *b = BIO_new_mem_buf(pem.at, (int)pem.len);
	char none[] = "";
	X509 *x = NULL;
	while (b && (x = PEM_read_bio_X509(b, NULL, NULL, none)) && X509_self_signed(x, 0) != 1)
		X509_free(x);
	BIO_free(b);
	return x;
}

static void take_names(struct making *k, struct bytes chain)
{
	BIO *b = BIO_new_mem_buf(chain.at, (int)chain.len);
	char none[] = "";
	X509 *x = b ? PEM_read_bio_X509(b, NULL, NULL, none) : NULL;
	if (x) {
		common_name(X509_get_issuer_name(x), k->issuer_name);
		common_name(X509_get_subject_name(x), k->certificate_name);
	}
	X509_free(x);
	BIO_free(b);
}

static int find_authority(struct making *k, struct fault *f)
{
	const struct model_file *chain = &k->m->files[k->g->certificate.chain];
	struct bytes pem = {chain->at, chain->len};
	uint8_t *given = NULL;
	int err = k->o->ca ? files_read(k->o->ca, FILE_MAX_BYTES, &given, &pem.len, f) : 0;
	if (given)
		pem.at = given;
	X509 *root = err ? NULL : find_root(pem);
	if (root)
		err = take_authority(k, root, f);
	else if (!err && k->o->ca)
		err = fault_set(f, -EINVAL, "--ca: %s has no self-signed certificate in PEM",
				k->o->ca);
	else if (!err)
		fprintf(stderr,
			"xgw: warning: the chain of %s does not hold its authority: the client "
			"must know it already; --ca FILE puts it into the profile\n",
			k->g->name);
	X509_free(root);
	free(given);
	take_names(k, (struct bytes){chain->at, chain->len});
	k->facts.authority_name = k->authority_name;
	k->facts.issuer_name = k->issuer_name;
	k->facts.certificate_name = k->certificate_name;
	return err;
}

static int read_credential(struct making *k, const char *end, bool needed, uint8_t **out,
			   size_t *len, struct fault *f)
{
	char path[PATH_MAX];
	snprintf(path, sizeof path, "%.3800s/%.250s%s", k->o->credentials, k->o->client, end);
	int err = files_read(path, FILE_MAX_BYTES, out, len, f);
	return err == -ENOENT && !needed ? 0 : err;
}

static int take_credentials(struct making *k, struct fault *f)
{
	if (!k->o->credentials)
		return 0;
	if (!profile_is_client(k->o->client)) /* it becomes a file's name */
		return 0;
	int err = read_credential(k, ".pem", true, &k->certificate, &k->certificate_len, f);
	if (!err)
		err = read_credential(k, ".key", true, &k->key, &k->key_len, f);
	if (!err)
		err = read_credential(k, ".p12", false, &k->pkcs12, &k->pkcs12_len, f);
	k->facts.certificate_pem = (struct bytes){k->certificate, k->certificate_len};
	k->facts.key_pem = (struct bytes){k->key, k->key_len};
	k->facts.pkcs12 = (struct bytes){k->pkcs12, k->pkcs12_len};
	return err;
}

static int write_profile(const struct command_options *o, const struct profile *p, struct fault *f)
{
	int err = 0;
	for (unsigned i = 0; !err && i < p->n; i++) {
		const struct profile_file *x = &p->file[i];
		err = files_write(o->directory, x->path,
				  (struct bytes){(const uint8_t *)x->at, x->len},
				  x->secret    ? 0600
				  : x->program ? 0755
					       : 0644,
				  true, f);
	}
	for (unsigned i = 0; !err && i < p->n; i++)
		printf("%s/%s\n", o->directory, p->file[i].path);
	return err;
}

static int make(struct making *k)
{
	struct profile profile = {0};
	struct fault f = {0};
	k->facts.gateway = k->g->name;
	k->facts.client = k->o->client;
	k->facts.ike = k->g->clients.ike;
	k->facts.sstp = k->g->clients.sstp;
	take_server(k);
	int err = take_routes(k, &f);
	if (!err)
		err = find_authority(k, &f);
	if (!err)
		err = take_credentials(k, &f);
	if (!err)
		err = profile_make(&profile, &k->facts, &f);
	int wrong = err == -EINVAL;
	if (!err)
		err = write_profile(k->o, &profile, &f);
	profile_free(&profile);
	return err ? command_fail(wrong ? EXIT_USAGE : EXIT_FAILED, &f) : EXIT_DONE;
}

int cmd_client_profile(const struct command_options *o)
{
	struct model m;
	struct config_former *former;
	struct making k = {.o = o, .m = &m};
	if (!o->client || !o->directory)
		return command_say(EXIT_USAGE,
				   "`xgw client-profile` needs --client NAME and -o DIR");
	int status = command_take_config(o->config, "written", &m, &former);
	config_former_free(former);
	if (status)
		return status;
	k.g = find_gateway(o, &m);
	status = k.g ? find_client(&k) : EXIT_USAGE;
	if (!status)
		status = make(&k);
	OPENSSL_free(k.authority);
	free(k.authority_pem);
	free(k.certificate);
	if (k.key)
		wipe(k.key, k.key_len);
	free(k.key);
	free(k.pkcs12);
	model_free(&m);
	return status;
}
