/* SPDX-License-Identifier: Apache-2.0 */
/*
 * EAP-MSCHAPv2 (draft-kamath-pppext-eap-mschapv2): the packets of MS-CHAPv2 (RFC 2759 sections 3 to
 * 6) inside EAP: Challenge, Response, Success or Failure, and the peer's word that it heard that.
 */
#include "auth/eap_internal.h"

#include "base/secret.h"

#include <errno.h>
#include <string.h>

enum opcode { CHALLENGE = 1, RESPONSE = 2, SUCCESS = 3, FAILURE = 4 };

#define VALUE_BYTES 49 /* of a Response: peer challenge, reserved, NT response, flags */

static void begin(struct eap *e, enum opcode op, struct writer *w, struct eap_message *out)
{
	eap_request_begin(e, EAP_TYPE_MSCHAPV2, w, out);
	writer_u8(w, (uint8_t)op);
	writer_u8(w, e->msid);
	writer_u16(w, 0); /* MS-Length: from the opcode to the end */
}

static void end(struct writer *w, struct eap_message *out)
{
	eap_request_end(w, out);
	if (out->len)
		store_be16(out->b + 7, (uint16_t)(out->len - 5));
}

void eap_mschapv2_start(struct eap *e, struct eap_message *out)
{
	struct writer w;
	const char *name = e->rules->server ? e->rules->server : "";
	e->msid = (uint8_t)(e->identifier + 1);
	begin(e, CHALLENGE, &w, out);
	writer_u8(&w, MSCHAPV2_CHALLENGE);
	writer_bytes(&w, e->random, MSCHAPV2_CHALLENGE);
	writer_bytes(&w, name, strnlen(name, 253));
	end(&w, out);
}

static void put_hex(struct writer *w, const uint8_t *b, size_t n)
{
	static const char digits[] = "0123456789ABCDEF";
	for (size_t i = 0; i < n; i++) {
		writer_u8(w, (uint8_t)digits[b[i] >> 4]);
		writer_u8(w, (uint8_t)digits[b[i] & 15]);
	}
}

static void put_text(struct writer *w, const char *text)
{
	writer_bytes(w, text, strlen(text));
}

static void say_success(struct eap *e, const uint8_t proof[MSCHAPV2_PROOF], struct eap_message *out)
{
	struct writer w;
	begin(e, SUCCESS, &w, out);
	put_text(&w, "S=");
	put_hex(&w, proof, MSCHAPV2_PROOF);
	put_text(&w, " M=Welcome");
	end(&w, out);
}

/* RFC 2759 section 6; no retry: another attempt is another conversation. */
static void say_failure(struct eap *e, struct eap_message *out)
{
	struct writer w;
	begin(e, FAILURE, &w, out);
	put_text(&w, "E=691 R=0 C=");
	put_hex(&w, e->random, MSCHAPV2_CHALLENGE);
	put_text(&w, " V=3 M=Access denied");
	end(&w, out);
}

/* "DOMAIN\user": hash and challenge are of the user alone (RFC 2759 section 8.2). */
static struct bytes without_domain(struct bytes name)
{
	const uint8_t *slash = name.len ? memchr(name.at, '\\', name.len) : NULL;
	if (!slash)
		return name;
	size_t skip = (size_t)(slash - name.at) + 1;
	return (struct bytes){name.at + skip, name.len - skip};
}

/* The reason is in e->fault. */
static enum eap_state say_no(struct eap *e, struct eap_message *out)
{
	e->refused = true;
	say_failure(e, out);
	return EAP_GOES_ON;
}

static enum eap_state refuse(struct eap *e, struct bytes name, bool known, struct eap_message *out)
{
	int n = name.len > 64 ? 64 : (int)name.len;
	char text[65] = "";
	for (int i = 0; i < n; i++)
		text[i] = name.at[i] < 0x20 || name.at[i] == 0x7f ? '?' : (char)name.at[i];
	if (known)
		fault_set(&e->fault, -EACCES, "the password of user '%s' is wrong", text);
	else
		fault_set(&e->fault, -EACCES, "there is no user '%s'", text);
	fault_advise(&e->fault, "see `users` of the gateway's vpnClientConfiguration");
	guesses_failed(e->rules->guesses, &e->source, without_domain(name), e->now);
	return say_no(e, out);
}

/* The computations; who is no user is judged by a hash that nobody has, in the same time. */
static enum eap_state judge(struct eap *e, const struct mschapv2_exchange *x, struct bytes name,
			    const uint8_t *response, struct eap_message *out)
{
	const struct mschapv2 *m = users_algorithms(e->rules->users);
	const char *own = NULL;
	const uint8_t *hash = users_hash(e->rules->users, x->user, &own);
	uint8_t proof[MSCHAPV2_PROOF];
	if (!guesses_may(e->rules->guesses, &e->source, x->user, e->now, &e->fault))
		return say_no(e, out);
	int err = mschapv2_verify(m, x, hash ? hash : e->random, response);
	if (!hash || err)
		return refuse(e, name, hash != NULL, out);
	err = mschapv2_proof(m, x, hash, response, proof);
	if (!err)
		err = mschapv2_msk(m, hash, response, e->msk);
	if (err)
		return refuse(e, name, true, out);
	eap_name(e, own);
	guesses_succeeded(e->rules->guesses, &e->source, x->user);
	e->verified = true;
	say_success(e, proof, out);
	return EAP_GOES_ON;
}

static enum eap_state take_response(struct eap *e, struct reader *r, struct eap_message *out,
				    struct fault *f)
{
	struct bytes peer = {NULL, 0}, nt = {NULL, 0};
	if (reader_u8(r) == VALUE_BYTES) {
		peer = reader_bytes(r, MSCHAPV2_CHALLENGE);
		reader_skip(r, 8);
		nt = reader_bytes(r, MSCHAPV2_RESPONSE);
		reader_skip(r, 1);
	}
	struct bytes name = reader_rest(r);
	if (!reader_ok(r) || !nt.at) {
		fault_set(f, -EPROTO, "the client's EAP-MSCHAPv2 response is malformed");
		return EAP_FAILED;
	}
	const struct mschapv2_exchange x = {.authenticator_challenge = e->random,
					    .peer_challenge = peer.at,
					    .user = without_domain(name)};
	return judge(e, &x, name, nt.at, out);
}

enum eap_state eap_mschapv2_step(struct eap *e, struct bytes data, struct eap_message *out,
				 struct fault *f)
{
	struct reader r;
	reader_init(&r, data.at, data.len);
	uint8_t op = reader_u8(&r);
	if (e->verified && op == SUCCESS)
		return EAP_SUCCEEDED;
	if (e->refused || (e->verified && op == FAILURE)) {
		*f = e->fault;
		if (e->verified)
			fault_set(f, -EACCES, "the client does not take our proof of the password");
		return EAP_FAILED;
	}
	uint8_t id = reader_u8(&r);
	uint16_t length = reader_u16(&r);
	if (e->verified || op != RESPONSE || id != e->msid || length != data.len) {
		fault_set(f, -EPROTO, "the client's EAP-MSCHAPv2 message is out of order");
		return EAP_FAILED;
	}
	return take_response(e, &r, out, f);
}
