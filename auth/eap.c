/* SPDX-License-Identifier: Apache-2.0 */
/* Requests and responses, and which method; see eap.h. */
#include "auth/eap_internal.h"

#include "base/secret.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ROUNDS_MAX 64 /* of one conversation; EAP-TLS with long chains needs about 20 */

int eap_new(struct eap **out, const struct eap_rules *rules, const uint8_t *random, int64_t now)
{
	struct eap *e = calloc(1, sizeof *e);
	*out = e;
	if (!e)
		return -ENOMEM;
	e->rules = rules;
	e->now = now;
	memcpy(e->random, random, sizeof e->random);
	e->identifier = random[0];
	return 0;
}

void eap_from(struct eap *e, const struct ip_addr *source)
{
	e->source = *source;
}

void eap_free(struct eap *e)
{
	if (!e)
		return;
	eap_tls_session_free(e->tls);
	wipe(e, sizeof *e);
	free(e);
}

const uint8_t *eap_msk(const struct eap *e)
{
	return e->msk;
}

const struct fault *eap_decided(const struct eap *e)
{
	return e->fault.code ? &e->fault : NULL;
}

const char *eap_user(const struct eap *e)
{
	return e->user;
}

const char *eap_method(const struct eap *e)
{
	return e->type == EAP_TYPE_MSCHAPV2 ? "EAP-MSCHAPv2"
	       : e->type == EAP_TYPE_TLS    ? "EAP-TLS"
					    : "EAP";
}

void eap_name(struct eap *e, const char *name)
{
	size_t n = strnlen(name, sizeof e->user - 1);
	memcpy(e->user, name, n);
	e->user[n] = 0;
}

/* ---- messages (RFC 3748 section 4) ---- */

void eap_request_begin(struct eap *e, uint8_t type, struct writer *w, struct eap_message *out)
{
	e->type = type;
	writer_init(w, out->b, sizeof out->b);
	writer_u8(w, EAP_REQUEST);
	writer_u8(w, ++e->identifier);
	writer_u16(w, 0);
	writer_u8(w, type);
}

void eap_request_end(struct writer *w, struct eap_message *out)
{
	out->len = writer_ok(w) ? writer_len(w) : 0;
	store_be16(out->b + 2, (uint16_t)out->len);
}

/* Success and Failure carry the identifier of the response that they answer (section 4.2). */
static void finish(const struct eap *e, enum eap_code code, struct eap_message *out)
{
	out->len = 4;
	out->b[0] = (uint8_t)code;
	out->b[1] = e->identifier;
	store_be16(out->b + 2, 4);
}

/* ---- the method ---- */

static bool may_mschapv2(const struct eap *e)
{
	return e->rules->users && !e->tried_mschapv2;
}

static bool may_tls(const struct eap *e)
{
	return e->rules->tls && !e->tried_tls;
}

/* Starts it; false when we don't offer it, or did already. */
static bool start(struct eap *e, uint8_t type, struct eap_message *out)
{
	if (type == EAP_TYPE_MSCHAPV2 && may_mschapv2(e)) {
		e->tried_mschapv2 = true;
		eap_mschapv2_start(e, out);
		return true;
	}
	if (type == EAP_TYPE_TLS && may_tls(e)) {
		e->tried_tls = true;
		eap_tls_start(e, out);
		return true;
	}
	return false;
}

/* By the name: who is a user has a password; who is none has a certificate, if those are taken. */
static void start_for(struct eap *e, struct bytes name, struct eap_message *out)
{
	bool user = e->rules->users && users_has(e->rules->users, name);
	if (!user && start(e, EAP_TYPE_TLS, out))
		return;
	if (!start(e, EAP_TYPE_MSCHAPV2, out))
		start(e, EAP_TYPE_TLS, out);
}

void eap_start(struct eap *e, struct bytes name, struct eap_message *out)
{
	struct writer w;
	if (!e->rules->users || users_has(e->rules->users, name)) {
		start_for(e, name, out);
		return;
	}
	eap_request_begin(e, EAP_TYPE_IDENTITY, &w, out);
	eap_request_end(&w, out);
}

/* Nak (section 5.3.1): the types that the peer would take, in its order. */
static enum eap_state other_method(struct eap *e, struct bytes wanted, struct eap_message *out,
				   struct fault *f)
{
	for (size_t i = 0; i < wanted.len; i++)
		if (start(e, wanted.at[i], out))
			return EAP_GOES_ON;
	fault_set(f, -EACCES,
		  "the client takes neither of our EAP methods, it wants type %u; we have%s%s",
		  wanted.len ? wanted.at[0] : 0, e->rules->users ? " EAP-MSCHAPv2 (26)" : "",
		  e->rules->tls ? " EAP-TLS (13)" : "");
	fault_advise(f, "set the client to a user name and password, or to a certificate");
	return EAP_FAILED;
}

static enum eap_state step(struct eap *e, uint8_t type, struct bytes data, struct eap_message *out,
			   struct fault *f)
{
	if (type == EAP_TYPE_NAK && (e->type == EAP_TYPE_MSCHAPV2 || e->type == EAP_TYPE_TLS))
		return other_method(e, data, out, f);
	if (type != e->type) {
		fault_set(f, -EPROTO, "the client answered EAP type %u, expected %u", type,
			  e->type);
		return EAP_FAILED;
	}
	if (type == EAP_TYPE_MSCHAPV2)
		return eap_mschapv2_step(e, data, out, f);
	if (type == EAP_TYPE_TLS)
		return eap_tls_step(e, data, out, f);
	start_for(e, data, out);
	return EAP_GOES_ON;
}

enum eap_state eap_step(struct eap *e, struct bytes came, struct eap_message *out, struct fault *f)
{
	struct reader r;
	reader_init(&r, came.at, came.len);
	uint8_t code = reader_u8(&r), identifier = reader_u8(&r);
	uint16_t length = reader_u16(&r);
	uint8_t type = reader_u8(&r);
	struct bytes data = reader_rest(&r);
	enum eap_state state = EAP_FAILED;
	out->len = 0;
	if (!reader_ok(&r) || code != EAP_RESPONSE || length != came.len ||
	    identifier != e->identifier || ++e->rounds > ROUNDS_MAX)
		fault_set(f, -EPROTO,
			  "the client's EAP message is malformed or answers nothing we asked");
	else
		state = step(e, type, data, out, f);
	if (state == EAP_SUCCEEDED)
		finish(e, EAP_SUCCESS, out);
	if (state == EAP_FAILED) {
		finish(e, EAP_FAILURE, out);
		wipe(e->msk, sizeof e->msk);
	}
	return state;
}
