/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files of certificates, keys, CRLs and OCSP responses into the model: each path is read once,
 * however many connections name it. What is in them is judged by whoever knows certificates.
 */
#include "control/read_internal.h"

#include <errno.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct known_path {
	const char *path;
	uint32_t index;
};

static int by_path(const void *a, const void *b)
{
	const struct known_path *x = a, *y = b;
	return strcmp(x->path, y->path);
}

static void release(void *known)
{
	free(known);
}

void read_files_done(struct read *r)
{
	tdestroy(r->paths, release);
	r->paths = NULL;
}

/* MODEL_NONE without memory. */
static uint32_t add_file(struct read *r, const char *path, uint8_t *at, size_t len)
{
	struct model *m = r->model;
	if (m->n_files == r->room_files) {
		uint32_t room = r->room_files ? r->room_files * 2 : 8;
		struct model_file *grown = reallocarray(m->files, room, sizeof *grown);
		if (!grown) {
			r->no_memory = true;
			return MODEL_NONE;
		}
		m->files = grown;
		r->room_files = room;
	}
	char *copy = path ? read_copy(r, path) : NULL;
	if (path && !copy)
		return MODEL_NONE;
	m->files[m->n_files] = (struct model_file){copy, at, len};
	return m->n_files++;
}

static uint32_t remember(struct read *r, uint32_t index)
{
	struct known_path *known = index == MODEL_NONE ? NULL : malloc(sizeof *known);
	if (!known) {
		r->no_memory = true;
		return index;
	}
	*known = (struct known_path){r->model->files[index].path, index};
	if (!tsearch(known, &r->paths, by_path)) {
		free(known);
		r->no_memory = true;
	}
	return index;
}

static uint32_t read_file(struct read *r, const struct tree_node *n, const char *property,
			  bool secret)
{
	struct known_path wanted = {n->text, 0};
	struct fault fault = {0};
	char text[FAULT_TEXT];
	uint8_t *at = NULL;
	size_t len = 0;
	void *known = tfind(&wanted, &r->paths, by_path);
	/* a file that others may read is judged anew when it is to be a secret */
	if (known && !secret)
		return (*(struct known_path **)known)->index;
	int err = r->files && r->files->read_file
			  ? r->files->read_file(r->files->owner, n->text, secret, &at, &len, &fault)
			  : fault_set(&fault, -ENOTSUP, "files cannot be read here");
	if (err) {
		findings_error(r->findings, n->place, "%s: %.280s", property,
			       fault_format(&fault, text));
		return MODEL_NONE;
	}
	uint32_t index = add_file(r, n->text, at, len);
	if (index == MODEL_NONE) {
		wipe(at, len);
		free(at);
		return MODEL_NONE;
	}
	return secret ? index : remember(r, index);
}

#define PEM_BEGIN "-----BEGIN CERTIFICATE-----"
#define PEM_END	  "-----END CERTIFICATE-----"
#define PEM_LINE  64u

/* PEM (RFC 7468) has lines of 64 digits. */
static size_t put_pem(char *out, const char *base64, const char *end)
{
	size_t n = (size_t)sprintf(out, PEM_BEGIN "\n"), digits = 0;
	for (; base64 < end; base64++) {
		if (strchr(" \r\n", *base64))
			continue;
		out[n++] = *base64;
		if (++digits % PEM_LINE == 0)
			out[n++] = '\n';
	}
	return n + (size_t)sprintf(out + n, "%s" PEM_END "\n", digits % PEM_LINE ? "\n" : "");
}

uint32_t read_inline_certificate(struct read *r, const char *base64)
{
	const char *begin = strstr(base64, PEM_BEGIN), *end;
	base64 = begin ? begin + strlen(PEM_BEGIN) : base64;
	end = strstr(base64, PEM_END);
	size_t len = end ? (size_t)(end - base64) : strlen(base64);
	char *pem = malloc(len + len / PEM_LINE + 80);
	uint32_t index = pem ? add_file(r, NULL, (uint8_t *)pem, put_pem(pem, base64, base64 + len))
			     : MODEL_NONE;
	if (index == MODEL_NONE) {
		r->no_memory = true;
		free(pem);
	}
	return index;
}

/* The text itself, or a file. */
static uint32_t read_private_key(struct read *r, const struct tree_node *v)
{
	if (v->type != TREE_SCALAR)
		return read_file(r, v->items[0].value, "key", true);
	uint8_t *copy = malloc(strlen(v->text) + 1);
	if (!copy) {
		r->no_memory = true;
		return MODEL_NONE;
	}
	memcpy(copy, v->text, strlen(v->text));
	uint32_t index = add_file(r, NULL, copy, strlen(v->text));
	if (index == MODEL_NONE) {
		wipe(copy, strlen(v->text));
		free(copy);
	}
	return index;
}

void read_certificate(struct read *r, const struct tree_node *gateway, struct model_gateway *g)
{
	struct model_certificate *c = &g->certificate;
	const struct tree_node *map = schema_value(gateway, P_virtualNetworkGateway_certificate);
	c->chain = c->key = MODEL_NONE;
	if (!map || map->type != TREE_MAP || map->is_bad || gateway->is_bad)
		return;
	const struct tree_node *chain = schema_value(map, P_certificate_chain);
	const struct tree_node *key = schema_value(map, P_certificate_key);
	if (!chain || !key || key->is_bad)
		return;
	c->place = map->place;
	c->chain_at = chain->place;
	c->key_at = key->place;
	c->rsa_pkcs1 = read_choice(map, P_certificate_rsaPadding) == 1;
	c->chain = read_file(r, chain, "chain", false);
	c->key = read_private_key(r, key);
	if (c->chain != MODEL_NONE && c->key != MODEL_NONE)
		return;
	c->chain = c->key = MODEL_NONE;
	g->incomplete = true;
}

static uint32_t read_list(struct read *r, const struct tree_node *map, enum schema_property p,
			  uint32_t **out, bool *incomplete)
{
	uint32_t n = read_length(map, p), kept = 0;
	*out = read_array(r, n, sizeof **out);
	for (uint32_t i = 0; *out && i < n; i++) {
		const struct tree_node *item = read_item(map, p, i);
		uint32_t index = item->is_bad || item->type != TREE_SCALAR
					 ? MODEL_NONE
					 : read_file(r, item, schema_row(p)->name, false);
		if (index == MODEL_NONE)
			*incomplete = true;
		else
			(*out)[kept++] = index;
	}
	return kept;
}

uint32_t read_path(struct read *r, const struct tree_node *map, enum schema_property p)
{
	const struct tree_node *v = schema_value(map, p);
	return v && !v->is_bad && v->type == TREE_SCALAR
		       ? read_file(r, v, schema_row(p)->name, false)
		       : MODEL_NONE;
}

void read_trust(struct read *r, const struct tree_node *map, struct model_connection *c)
{
	struct model_trust *t = &c->trust;
	const struct tree_node *authority =
		schema_value(map, P_connection_peerCertificateAuthority);
	t->authority = MODEL_NONE;
	t->place = read_place(map, P_connection_peerCertificateAuthority);
	t->crls_at = read_place(map, P_connection_certificateRevocationLists);
	t->ocsp_at = read_place(map, P_connection_ocspResponses);
	t->need_status = read_boolean(map, P_connection_requireRevocationStatus);
	c->sha1_signatures = read_boolean(map, P_connection_sha1Signatures);
	if (authority)
		t->authority = read_file(r, authority, "peerCertificateAuthority", false);
	else if (!map->is_bad)
		findings_error(r->findings, map->place,
			       "peerCertificateAuthority: missing in this connection, "
			       "authenticationType Certificate needs it");
	t->n_crls = read_list(r, map, P_connection_certificateRevocationLists, &t->crls,
			      &c->incomplete);
	t->n_ocsp = read_list(r, map, P_connection_ocspResponses, &t->ocsp, &c->incomplete);
	c->incomplete = c->incomplete || t->authority == MODEL_NONE;
	if (c->gateway == MODEL_NONE || r->model->gateways[c->gateway].incomplete ||
	    r->model->gateways[c->gateway].certificate.chain != MODEL_NONE)
		return;
	findings_error(
		r->findings, c->gateway_at,
		"certificate: missing in gateway %s, authenticationType Certificate needs it",
		r->model->gateways[c->gateway].name);
	c->incomplete = true;
}
