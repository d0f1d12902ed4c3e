/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who the client is: EAP (RFC 3748) by auth/eap.h's conversations, or MS-CHAPv2 (RFC 2759) in the
 * packets of CHAP (RFC 1994). A request is repeated until it is answered; an answer counts once,
 * and only with the identifier of the request that waits.
 */
#include "p2s/ppp_internal.h"

#include "base/secret.h"

#include <errno.h>
#include <string.h>

enum chap_code { CHALLENGE = 1, RESPONSE = 2, SUCCESS = 3, FAILURE = 4 };

#define REPEATS_MAX   10
#define VALUE_BYTES   49 /* of a Response: peer challenge, reserved, NT response, flags */
#define EAP_HEAD      4
#define EAP_RANDOM_AT 0
#define CHALLENGE_AT  16 /* in the session's random bytes */

static void send_again(struct ppp *p, struct ppp_effects *e)
{
	struct writer w;
	if (!p->message.len ||
	    !ppp_frame_begin(e, &w, p->authentication == BY_EAP ? PPP_EAP : PPP_CHAP))
		return;
	writer_bytes(&w, p->message.at, p->message.len);
	ppp_frame_end(e, &w);
}

static void say(struct ppp *p, struct bytes message, uint64_t now_ns, struct ppp_effects *e)
{
	if (message.len > sizeof p->said)
		return;
	memcpy(p->said, message.at, message.len);
	p->message = (struct bytes){p->said, message.len};
	p->repeats = 0;
	p->deadline_ns = instant_after(now_ns, PPP_RESTART_NS);
	send_again(p, e);
}

static void authenticated(struct ppp *p, const char *user, const char *method, const uint8_t *msk,
			  uint64_t now_ns, struct ppp_effects *e)
{
	size_t n = strnlen(user, sizeof p->user - 1);
	memcpy(p->user, user, n);
	p->user[n] = 0;
	p->method = method;
	memcpy(p->key, msk, sizeof p->key);
	p->authenticated = true;
	p->deadline_ns = INSTANT_NEVER;
	ppp_authenticated(p, now_ns, e);
}

/* ---- MS-CHAPv2 ---- */

static void put_hex(struct writer *w, const uint8_t *b, size_t n)
{
	static const char digits[] = "0123456789ABCDEF";
	for (size_t i = 0; i < n; i++) {
		writer_u8(w, (uint8_t)digits[b[i] >> 4]);
		writer_u8(w, (uint8_t)digits[b[i] & 15]);
	}
}

static void chap_begin(const struct ppp *p, enum chap_code code, struct writer *w, uint8_t *room,
		       size_t size)
{
	writer_init(w, room, size);
	writer_u8(w, (uint8_t)code);
	writer_u8(w, p->chap_id);
	writer_u16(w, 0);
}

static void chap_say(struct ppp *p, struct writer *w, uint64_t now_ns, struct ppp_effects *e)
{
	if (!writer_ok(w))
		return;
	store_be16(w->start + 2, (uint16_t)writer_len(w));
	say(p, (struct bytes){w->start, writer_len(w)}, now_ns, e);
}

static void challenge(struct ppp *p, uint64_t now_ns, struct ppp_effects *e)
{
	const char *name = p->rules->eap->server ? p->rules->eap->server : "";
	uint8_t room[300];
	struct writer w;
	p->chap_id = (uint8_t)ppp_draw(p);
	chap_begin(p, CHALLENGE, &w, room, sizeof room);
	writer_u8(&w, MSCHAPV2_CHALLENGE);
	writer_bytes(&w, p->random + CHALLENGE_AT, MSCHAPV2_CHALLENGE);
	writer_bytes(&w, name, strnlen(name, 250));
	chap_say(p, &w, now_ns, e);
}

static void chap_success(struct ppp *p, const uint8_t proof[MSCHAPV2_PROOF], uint64_t now_ns,
			 struct ppp_effects *e)
{
	static const char welcome[] = " M=Welcome";
	uint8_t room[100];
	struct writer w;
	chap_begin(p, SUCCESS, &w, room, sizeof room);
	writer_bytes(&w, "S=", 2);
	put_hex(&w, proof, MSCHAPV2_PROOF);
	writer_bytes(&w, welcome, sizeof welcome - 1);
	chap_say(p, &w, now_ns, e);
}

/* RFC 2759 section 6, without a retry. */
static void chap_failure(struct ppp *p, uint64_t now_ns, struct ppp_effects *e)
{
	static const char before[] = "E=691 R=0 C=", behind[] = " V=3 M=Access denied";
	uint8_t room[100];
	struct writer w;
	chap_begin(p, FAILURE, &w, room, sizeof room);
	writer_bytes(&w, before, sizeof before - 1);
	put_hex(&w, p->random + CHALLENGE_AT, MSCHAPV2_CHALLENGE);
	writer_bytes(&w, behind, sizeof behind - 1);
	chap_say(p, &w, now_ns, e);
}

static void say_no(struct ppp *p, const struct fault *why, uint64_t now_ns, struct ppp_effects *e)
{
	p->failed = true;
	chap_failure(p, now_ns, e);
	ppp_refused(p, why, now_ns, e);
}

static struct bytes without_domain(struct bytes name)
{
	const uint8_t *slash = name.len ? memchr(name.at, '\\', name.len) : NULL;
	if (!slash)
		return name;
	size_t skip = (size_t)(slash - name.at) + 1;
	return (struct bytes){name.at + skip, name.len - skip};
}

static void refuse(struct ppp *p, struct bytes name, bool known, uint64_t now_ns,
		   struct ppp_effects *e)
{
	int n = name.len > 64 ? 64 : (int)name.len;
	char text[65] = "";
	struct fault f = {0};
	for (int i = 0; i < n; i++)
		text[i] = name.at[i] < 0x20 || name.at[i] == 0x7f ? '?' : (char)name.at[i];
	if (known)
		fault_set(&f, -EACCES, "the password of user '%s' is wrong", text);
	else
		fault_set(&f, -EACCES, "there is no user '%s'", text);
	fault_advise(&f, "see `users` of the gateway's vpnClientConfiguration");
	guesses_failed(p->rules->eap->guesses, &p->source, without_domain(name), p->wall_s);
	say_no(p, &f, now_ns, e);
}

/* Who is no user is judged by a hash that nobody has, in the same time. */
static void judge(struct ppp *p, const struct mschapv2_exchange *x, struct bytes name,
		  const uint8_t *response, uint64_t now_ns, struct ppp_effects *e)
{
	const struct users *users = p->rules->eap->users;
	const struct mschapv2 *m = users_algorithms(users);
	const char *own = NULL;
	const uint8_t *hash = users_hash(users, x->user, &own);
	uint8_t proof[MSCHAPV2_PROOF], msk[MSCHAPV2_MSK];
	struct guesses *guesses = p->rules->eap->guesses;
	struct fault f = {0};
	if (!guesses_may(guesses, &p->source, x->user, p->wall_s, &f)) {
		say_no(p, &f, now_ns, e);
		return;
	}
	int err = mschapv2_verify(m, x, hash ? hash : p->random, response);
	if (!hash || err) {
		refuse(p, name, hash != NULL, now_ns, e);
		return;
	}
	err = mschapv2_proof(m, x, hash, response, proof);
	if (!err)
		err = mschapv2_msk(m, hash, response, msk);
	if (err) {
		refuse(p, name, true, now_ns, e);
		return;
	}
	guesses_succeeded(guesses, &p->source, x->user);
	chap_success(p, proof, now_ns, e);
	authenticated(p, own, "MS-CHAPv2", msk, now_ns, e);
	wipe(msk, sizeof msk);
}

static void take_response(struct ppp *p, struct reader *r, uint64_t now_ns, struct ppp_effects *e)
{
	struct bytes peer = {NULL, 0}, nt = {NULL, 0};
	if (reader_u8(r) == VALUE_BYTES) {
		peer = reader_bytes(r, MSCHAPV2_CHALLENGE);
		reader_skip(r, 8);
		nt = reader_bytes(r, MSCHAPV2_RESPONSE);
		reader_skip(r, 1);
	}
	struct bytes name = reader_rest(r);
	if (!reader_ok(r) || !nt.at)
		return;
	const struct mschapv2_exchange x = {.authenticator_challenge = p->random + CHALLENGE_AT,
					    .peer_challenge = peer.at,
					    .user = without_domain(name)};
	judge(p, &x, name, nt.at, now_ns, e);
}

void ppp_auth_chap(struct ppp *p, struct bytes packet, uint64_t now_ns, struct ppp_effects *e)
{
	struct reader whole, r;
	reader_init(&whole, packet.at, packet.len);
	uint8_t code = reader_u8(&whole), id = reader_u8(&whole);
	uint16_t length = reader_u16(&whole);
	struct bytes value =
		length < 4 ? (struct bytes){NULL, 0} : reader_bytes(&whole, length - 4u);
	if (!reader_ok(&whole) || length < 4 || p->authentication != BY_MSCHAPV2 ||
	    code != RESPONSE || id != p->chap_id)
		return;
	/* who did not hear the verdict asks for it again; it stands (RFC 1994 section 4.2) */
	if (p->authenticated || p->failed) {
		send_again(p, e);
		return;
	}
	reader_init(&r, value.at, value.len);
	take_response(p, &r, now_ns, e);
}

/* ---- EAP ---- */

static void eap_begin(struct ppp *p, uint64_t now_ns, struct ppp_effects *e)
{
	struct eap_message m;
	struct fault f = {0};
	eap_free(p->eap);
	if (eap_new(&p->eap, p->rules->eap, p->random + EAP_RANDOM_AT, p->wall_s)) {
		fault_set(&f, -ENOMEM, "no memory for EAP");
		ppp_refused(p, &f, now_ns, e);
		return;
	}
	eap_from(p->eap, &p->source);
	eap_start(p->eap, (struct bytes){NULL, 0}, &m);
	say(p, (struct bytes){m.b, m.len}, now_ns, e);
}

/* A response to the request that waits, without padding. False: it is none, or a late one. */
static bool is_response(const struct ppp *p, struct bytes *packet)
{
	struct reader r;
	reader_init(&r, packet->at, packet->len);
	uint8_t code = reader_u8(&r), id = reader_u8(&r);
	uint16_t length = reader_u16(&r);
	if (!reader_ok(&r) || length < EAP_HEAD + 1 || length > packet->len || code != 2 ||
	    p->message.len < EAP_HEAD || id != p->message.at[1])
		return false;
	packet->len = length;
	return true;
}

void ppp_auth_eap(struct ppp *p, struct bytes packet, uint64_t now_ns, struct ppp_effects *e)
{
	struct eap_message m;
	struct fault f = {0};
	if (p->authentication != BY_EAP || !p->eap || !is_response(p, &packet))
		return;
	if (p->authenticated || p->failed) {
		send_again(p, e);
		return;
	}
	enum eap_state state = eap_step(p->eap, packet, &m, &f);
	say(p, (struct bytes){m.b, m.len}, now_ns, e);
	if (state == EAP_SUCCEEDED)
		authenticated(p, eap_user(p->eap), eap_method(p->eap), eap_msk(p->eap), now_ns, e);
	if (state != EAP_FAILED)
		return;
	p->failed = true;
	ppp_refused(p, &f, now_ns, e);
}

/* ---- both ---- */

void ppp_auth_begin(struct ppp *p, uint64_t now_ns, struct ppp_effects *e)
{
	p->message.len = 0;
	if (p->authentication == BY_EAP)
		eap_begin(p, now_ns, e);
	else
		challenge(p, now_ns, e);
}

void ppp_auth_repeat(struct ppp *p, uint64_t now_ns, struct ppp_effects *e)
{
	struct fault f = {0};
	const struct fault *decided = p->eap ? eap_decided(p->eap) : NULL;
	if (++p->repeats < REPEATS_MAX && !(decided && p->repeats > 1)) {
		p->deadline_ns = instant_after(now_ns, PPP_RESTART_NS);
		send_again(p, e);
		return;
	}
	if (decided)
		f = *decided;
	else
		fault_set(&f, -ETIMEDOUT, "the client does not answer when asked who it is");
	ppp_refused(p, &f, now_ns, e);
}
