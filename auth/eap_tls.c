/* SPDX-License-Identifier: Apache-2.0 */
/*
 * EAP-TLS (RFC 5216, with TLS 1.3 RFC 9190): the records of a TLS handshake in pieces, both ends by
 * certificate; the gateway's authorities judge the client's chain as they judge IKE's. OpenSSL is
 * the TLS, over memory only.
 */
#include "auth/eap_internal.h"
#include "auth/trust_internal.h"

#include "base/secret.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>

#define FLAG_LENGTH 0x80
#define FLAG_MORE   0x40
#define FLAG_START  0x20

#define PIECE_MAX   1000  /* TLS bytes in one message of ours */
#define MESSAGE_MAX 32768 /* of the client's, all its pieces */

struct eap_tls {
	SSL_CTX *ctx;
	struct trust *trust;
};

struct eap_tls_session {
	struct eap *e;
	SSL *ssl;
	BIO *in, *out; /* the SSL's */
	size_t came;   /* bytes of the message that is not whole yet */
	bool sending;  /* a message of ours has pieces left */
	bool done, failed;
};

/* ---- the client's certificates ---- */

static int keep_chain(struct chain **out, X509_STORE_CTX *store, struct fault *f)
{
	STACK_OF(X509) *all = X509_STORE_CTX_get0_untrusted(store);
	unsigned char *der[CHAIN_MAX_CERTIFICATES] = {NULL};
	struct bytes list[CHAIN_MAX_CERTIFICATES];
	int n = all ? sk_X509_num(all) : 0, made = 0, err = 0;
	if (n < 1 || n > CHAIN_MAX_CERTIFICATES)
		return fault_set(f, -EACCES, "the client sent %d certificates, expected 1 to %d", n,
				 CHAIN_MAX_CERTIFICATES);
	for (; made < n && !err; made++) {
		int len = i2d_X509(sk_X509_value(all, made), &der[made]);
		err = len > 0 ? 0 : -ENOMEM;
		list[made] = (struct bytes){der[made], len > 0 ? (size_t)len : 0};
	}
	if (!err)
		err = chain_parse(out, list, (unsigned)n, f);
	for (int i = 0; i < made; i++)
		OPENSSL_free(der[i]);
	return err;
}

/* In place of OpenSSL's own path validation. */
static int judge_client(X509_STORE_CTX *store, void *owner)
{
	const struct eap_tls *t = owner;
	SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
	struct eap_tls_session *s = ssl ? SSL_get_app_data(ssl) : NULL;
	struct chain *chain = NULL;
	char subject[SUBJECT_TEXT];
	if (!s)
		return 0;
	int err = keep_chain(&chain, store, &s->e->fault);
	if (!err)
		err = trust_verify(t->trust, chain, s->e->now, &s->e->fault);
	if (!err)
		eap_name(s->e, chain_subject(chain, subject));
	chain_free(chain);
	X509_STORE_CTX_set_error(store, !err		      ? X509_V_OK
					: err == -EKEYREVOKED ? X509_V_ERR_CERT_REVOKED
					: err == -EKEYEXPIRED ? X509_V_ERR_CERT_HAS_EXPIRED
							      : X509_V_ERR_CERT_REJECTED);
	return !err;
}

/* ---- the gateway's side ---- */

/* So that a client with several certificates finds the one that we take. */
static int name_authorities(SSL_CTX *ctx, const struct trust *trust)
{
	for (int i = 0; i < sk_X509_num(trust->authorities); i++)
		if (SSL_CTX_add_client_CA(ctx, sk_X509_value(trust->authorities, i)) != 1)
			return -ENOMEM;
	return 0;
}

int eap_tls_new(struct eap_tls **out, const struct credential *own, struct trust *trust,
		struct fault *f)
{
	struct eap_tls *t = calloc(1, sizeof *t);
	*out = NULL;
	if (t)
		t->ctx = SSL_CTX_new(TLS_server_method());
	if (!t || !t->ctx || name_authorities(t->ctx, trust)) {
		eap_tls_free(t);
		return fault_set(f, -ENOMEM, "no memory for EAP-TLS");
	}
	t->trust = trust;
	SSL_CTX_set_min_proto_version(t->ctx, TLS1_2_VERSION);
	SSL_CTX_set_options(t->ctx, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION |
					    SSL_OP_CIPHER_SERVER_PREFERENCE);
	SSL_CTX_set_num_tickets(t->ctx, 0);
	SSL_CTX_set_session_cache_mode(t->ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_max_cert_list(t->ctx, CHAIN_MAX_BYTES);
	SSL_CTX_set_verify(t->ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	SSL_CTX_set_cert_verify_callback(t->ctx, judge_client, t);
	int err = credential_use(own, t->ctx);
	ERR_clear_error();
	if (err) {
		eap_tls_free(t);
		return fault_set(f, err, "the gateway's certificate can't be used for TLS");
	}
	*out = t;
	return 0;
}

void eap_tls_free(struct eap_tls *t)
{
	if (!t)
		return;
	SSL_CTX_free(t->ctx);
	free(t);
}

static struct eap_tls_session *session_new(struct eap *e)
{
	struct eap_tls_session *s = calloc(1, sizeof *s);
	if (!s)
		return NULL;
	s->e = e;
	s->ssl = SSL_new(e->rules->tls->ctx);
	s->in = BIO_new(BIO_s_mem());
	s->out = BIO_new(BIO_s_mem());
	if (!s->ssl || !s->in || !s->out) {
		BIO_free(s->in);
		BIO_free(s->out);
		SSL_free(s->ssl);
		free(s);
		return NULL;
	}
	SSL_set_bio(s->ssl, s->in, s->out);
	SSL_set_app_data(s->ssl, s);
	SSL_set_accept_state(s->ssl);
	return s;
}

void eap_tls_session_free(struct eap_tls_session *s)
{
	if (!s)
		return;
	SSL_free(s->ssl); /* and the BIOs */
	free(s);
}

/* ---- pieces (RFC 5216 section 2.1.5) ---- */

void eap_tls_start(struct eap *e, struct eap_message *out)
{
	struct writer w;
	eap_request_begin(e, EAP_TYPE_TLS, &w, out);
	writer_u8(&w, FLAG_START);
	eap_request_end(&w, out);
}

static void acknowledge(struct eap *e, struct eap_message *out)
{
	struct writer w;
	eap_request_begin(e, EAP_TYPE_TLS, &w, out);
	writer_u8(&w, 0);
	eap_request_end(&w, out);
}

/* The next piece of what TLS has to say; the first names the length of all. */
static void send_piece(struct eap_tls_session *s, struct eap_message *out)
{
	size_t left = BIO_ctrl_pending(s->out), n = left > PIECE_MAX ? PIECE_MAX : left;
	bool more = n < left, first = !s->sending && more;
	struct writer w;
	eap_request_begin(s->e, EAP_TYPE_TLS, &w, out);
	writer_u8(&w, (uint8_t)((first ? FLAG_LENGTH : 0) | (more ? FLAG_MORE : 0)));
	if (first)
		writer_u32(&w, (uint32_t)left);
	uint8_t *at = writer_take(&w, n);
	if (at && n)
		BIO_read(s->out, at, (int)n);
	eap_request_end(&w, out);
	s->sending = more;
}

/* ---- keys ---- */

/* The first half of Key_Material (RFC 5216 section 2.3, RFC 9190 section 2.3). */
static int take_key(struct eap *e, SSL *ssl)
{
	static const char before[] = "client EAP encryption",
			  since_13[] = "EXPORTER_EAP_TLS_Key_Material";
	static const uint8_t type = EAP_TYPE_TLS;
	uint8_t material[2 * EAP_MSK];
	bool v13 = SSL_version(ssl) >= TLS1_3_VERSION;
	const char *label = v13 ? since_13 : before;
	bool ok = SSL_export_keying_material(ssl, material, sizeof material, label, strlen(label),
					     &type, v13, v13) == 1;
	if (ok)
		memcpy(e->msk, material, EAP_MSK);
	wipe(material, sizeof material);
	return ok ? 0 : -EIO;
}

/* With TLS 1.3 one byte of application data says that nothing more comes (RFC 9190 section 2.1.1).
 */
static int finish_handshake(struct eap_tls_session *s)
{
	static const uint8_t end = 0;
	s->done = true;
	if (SSL_version(s->ssl) >= TLS1_3_VERSION && SSL_write(s->ssl, &end, 1) != 1)
		return -EIO;
	return take_key(s->e, s->ssl);
}

static void explain(struct eap_tls_session *s)
{
	char text[160];
	unsigned long code = ERR_peek_last_error();
	s->failed = true;
	if (s->e->fault.code)
		return;
	ERR_error_string_n(code, text, sizeof text);
	const char *reason = ERR_reason_error_string(code);
	fault_set(&s->e->fault, -EACCES, "the client's TLS handshake fails: %.120s",
		  reason ? reason : text);
}

static void drive(struct eap_tls_session *s)
{
	ERR_clear_error();
	int r = SSL_do_handshake(s->ssl);
	if (r == 1) {
		if (finish_handshake(s))
			explain(s);
	} else if (SSL_get_error(s->ssl, r) != SSL_ERROR_WANT_READ) {
		explain(s);
	}
	ERR_clear_error();
}

/* ---- the conversation ---- */

/* Takes a piece in; true when the message is whole. */
static bool take_piece(struct eap_tls_session *s, struct bytes data, bool *malformed)
{
	struct reader r;
	reader_init(&r, data.at, data.len);
	uint8_t flags = reader_u8(&r);
	uint32_t total = flags & FLAG_LENGTH ? reader_u32(&r) : 0;
	struct bytes piece = reader_rest(&r);
	s->came += piece.len;
	*malformed = !reader_ok(&r) || total > MESSAGE_MAX || s->came > MESSAGE_MAX ||
		     flags & FLAG_START || (flags & FLAG_MORE && !piece.len) ||
		     (piece.len && BIO_write(s->in, piece.at, (int)piece.len) != (int)piece.len);
	return !(flags & FLAG_MORE);
}

static enum eap_state malformed(struct fault *f)
{
	fault_set(f, -EPROTO, "the client's EAP-TLS message is too long or malformed");
	return EAP_FAILED;
}

/* What comes after a whole message of the client's. */
static enum eap_state answer(struct eap_tls_session *s, bool empty, struct eap_message *out,
			     struct fault *f)
{
	struct eap *e = s->e;
	bool ours = BIO_ctrl_pending(s->out);
	if (!ours && s->done && !s->failed && empty)
		return EAP_SUCCEEDED;
	if (!ours && (s->failed || s->done)) {
		if (!e->fault.code)
			fault_set(&e->fault, -EPROTO, "the client goes on after its TLS handshake");
		*f = e->fault;
		return EAP_FAILED;
	}
	if (!ours)
		drive(s);
	if (BIO_ctrl_pending(s->out))
		send_piece(s, out);
	else if (s->failed)
		return answer(s, empty, out, f);
	else
		acknowledge(e, out);
	return EAP_GOES_ON;
}

enum eap_state eap_tls_step(struct eap *e, struct bytes data, struct eap_message *out,
			    struct fault *f)
{
	bool bad = false;
	if (!e->tls)
		e->tls = session_new(e);
	struct eap_tls_session *s = e->tls;
	if (!s) {
		fault_set(f, -ENOMEM, "no memory for a TLS session");
		return EAP_FAILED;
	}
	bool whole = take_piece(s, data, &bad);
	if (bad)
		return malformed(f);
	if (!whole) {
		acknowledge(e, out);
		return EAP_GOES_ON;
	}
	bool empty = !s->came;
	s->came = 0;
	return answer(s, empty, out, f);
}
