/* SPDX-License-Identifier: Apache-2.0 */
/*
 * EAP as its authenticator and server (RFC 3748): Identity, EAP-MSCHAPv2
 * (draft-kamath-pppext-eap-mschapv2) and EAP-TLS (RFC 5216; with TLS 1.3 RFC 9190). A conversation
 * is a function of what the peer sent to what it is sent next; IKEv2 (RFC 7296 section 2.16) and
 * PPP carry it. OpenSSL's TLS draws its own randomness.
 */
#ifndef XGW_AUTH_EAP_H
#define XGW_AUTH_EAP_H

#include "auth/credential.h"
#include "auth/guesses.h"
#include "auth/trust.h"
#include "auth/users.h"
#include "base/bytes.h"
#include "base/fault.h"

#define EAP_MESSAGE_MAX 1200 /* bytes of a message of ours */
#define EAP_MSK		64
#define EAP_RANDOM	16
#define EAP_USER	256 /* bytes of a name, with the final 0 */

struct eap_tls; /* the gateway's side of TLS, for all its clients */

/* `own` and `trust` are borrowed and outlive it. 0, -ENOMEM, -EINVAL with the reason. */
int must_check eap_tls_new(struct eap_tls **out, const struct credential *own, struct trust *trust,
			   struct fault *f);
void eap_tls_free(struct eap_tls *t);

/* What a gateway offers its clients. Borrowed by every conversation. */
struct eap_rules {
	const struct users *users; /* EAP-MSCHAPv2; NULL: not offered */
	struct eap_tls *tls;	   /* EAP-TLS; NULL: not offered */
	const char *server;	   /* our name, for people */
	struct guesses
		*guesses; /* damps wrong passwords, MS-CHAPv2's without EAP too; may be NULL */
};

enum eap_state {
	EAP_GOES_ON,
	EAP_SUCCEEDED, /* `out` is EAP-Success */
	EAP_FAILED,    /* `out` is EAP-Failure */
};

struct eap_message {
	size_t len;
	uint8_t b[EAP_MESSAGE_MAX];
};

struct eap;

/* `random`: EAP_RANDOM bytes that nobody can predict. `now`: seconds since 1970. 0 or -ENOMEM. */
int must_check eap_new(struct eap **out, const struct eap_rules *rules, const uint8_t *random,
		       int64_t now);
void eap_free(struct eap *e);
/* Where the peer is: by that and its name wrong passwords are counted. Before eap_start(). */
void eap_from(struct eap *e, const struct ip_addr *source);
/*
 * Our first message. `name`: what the peer called itself already, may be empty: when that is a user
 * the method starts at once, else the peer is asked (Identity): clients look their password up by
 * what they answer then, and Windows' IKE identity is an address. Not asked when a certificate is
 * the only way.
 */
void eap_start(struct eap *e, struct bytes name, struct eap_message *out);
/* The peer's response to it, and our next message. With EAP_FAILED the reason is in `f`. */
enum eap_state eap_step(struct eap *e, struct bytes came, struct eap_message *out, struct fault *f);
/*
 * Why it will fail, when that is decided and the peer was told in the method's own words; it may
 * never answer those. NULL: nothing speaks against it.
 */
const struct fault *eap_decided(const struct eap *e);
/* After EAP_SUCCEEDED: the key of both ends, owned by e. */
const uint8_t *eap_msk(const struct eap *e);
/* After EAP_SUCCEEDED: who it is: a user's name, or the subject of a certificate. */
const char *eap_user(const struct eap *e);
/* "EAP-MSCHAPv2", "EAP-TLS"; "EAP" before it is decided. */
const char *eap_method(const struct eap *e);

#endif
