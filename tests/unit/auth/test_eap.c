/* SPDX-License-Identifier: Apache-2.0 */
/*
 * EAP's conversations against a client that is OpenSSL's TLS, and against one that computes
 * MS-CHAPv2 by the functions that RFC 2759's vectors test; and everything a client may say out of
 * turn.
 */
#include "tests/pki/pki.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "auth/eap.h"

#include <errno.h>
#include <openssl/ssl.h>
#include <string.h>

enum { IDENTITY = 1, NAK = 3, TLS = 13, MSCHAPV2 = 26 };

static const uint8_t randomness[EAP_RANDOM] = {1, 2,  3,  4,  5,  6,  7,  8,
					       9, 10, 11, 12, 13, 14, 15, 16};

static struct {
	struct pki_entity root, people, own, alice, mallory, old;
	struct credential *credential;
	struct trust *trust, *revoking;
	struct users *users;
	struct eap_tls *tls, *tls_revoking;
} w;

static struct pki_entity person(struct pki_entity *by, const char *cn, int64_t until)
{
	return pki_issue(by, &(struct pki_want){.kind = PKI_P256,
						.cn = cn,
						.usage = "digitalSignature",
						.extended = "clientAuth",
						.from = -2 * PKI_DAY,
						.until = until});
}

static struct trust *trust(const uint8_t (*revoked)[20], unsigned n)
{
	struct bytes ca = pki_pem(&w.people, NULL, NULL);
	struct trust_files files = {.authorities = &ca,
				    .n_authorities = 1,
				    .for_clients = true,
				    .revoked = revoked,
				    .n_revoked = n};
	struct trust *t;
	struct fault f;
	assert_int_equal(trust_new(&t, &files, &f), 0);
	pki_drop(ca);
	return t;
}

static int set_up(void **state)
{
	struct fault f = {0};
	uint8_t thumbprint[1][20];
	(void)state;
	w.root = pki_root("root", PKI_P256);
	w.people = pki_root("people", PKI_P256);
	w.own = pki_gateway(&w.root, PKI_RSA2048, "gw", "DNS:gw.example.org");
	w.alice = person(&w.people, "alice", PKI_DAY);
	w.old = person(&w.people, "old", -PKI_DAY);
	w.mallory = person(&w.root, "mallory", PKI_DAY);
	struct bytes chain = pki_pem(&w.own, &w.root, NULL), key = pki_key_pem(&w.own, NULL);
	assert_int_equal(credential_new(&w.credential, chain, key, &f), 0);
	pki_drop(chain);
	pki_drop(key);
	X509_digest(w.alice.x, EVP_sha1(), thumbprint[0], NULL);
	w.trust = trust(NULL, 0);
	w.revoking = trust((const uint8_t(*)[20])thumbprint, 1);
	assert_int_equal(users_new(&w.users, &f), 0);
	assert_int_equal(
		users_add(w.users, "bob", (struct bytes){(const uint8_t *)"secret", 6}, &f), 0);
	assert_int_equal(eap_tls_new(&w.tls, w.credential, w.trust, &f), 0);
	assert_int_equal(eap_tls_new(&w.tls_revoking, w.credential, w.revoking, &f), 0);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	eap_tls_free(w.tls);
	eap_tls_free(w.tls_revoking);
	users_free(w.users);
	trust_free(w.trust);
	trust_free(w.revoking);
	credential_free(w.credential);
	struct pki_entity *all[] = {&w.root, &w.people, &w.own, &w.alice, &w.mallory, &w.old};
	for (unsigned i = 0; i < sizeof all / sizeof *all; i++)
		pki_free(all[i]);
	return 0;
}

/* ---- a conversation ---- */

struct talk {
	struct eap *eap;
	struct eap_rules rules;
	struct eap_message m;
	enum eap_state state;
	struct fault f;
};

static void begin(struct talk *t, struct users *users, struct eap_tls *tls, const char *name)
{
	memset(t, 0, sizeof *t);
	t->rules = (struct eap_rules){users, tls, "gw"};
	assert_int_equal(eap_new(&t->eap, &t->rules, randomness, PKI_NOW), 0);
	eap_start(t->eap, (struct bytes){(const uint8_t *)name, strlen(name)}, &t->m);
}

static void is_request(const struct talk *t, uint8_t type)
{
	assert_int_equal(t->state, EAP_GOES_ON);
	assert_in_range(t->m.len, 5, EAP_MESSAGE_MAX);
	assert_int_equal(t->m.b[0], 1);
	assert_int_equal(t->m.b[2] << 8 | t->m.b[3], t->m.len);
	assert_int_equal(t->m.b[4], type);
}

static void respond(struct talk *t, uint8_t type, const void *data, size_t n)
{
	uint8_t b[4096] = {2, t->m.b[1], (uint8_t)((n + 5) >> 8), (uint8_t)(n + 5), type};
	assert_true(n + 5 <= sizeof b);
	if (n)
		memcpy(b + 5, data, n);
	t->state = eap_step(t->eap, (struct bytes){b, n + 5}, &t->m, &t->f);
}

/* When it is asked. */
static void names_itself(struct talk *t, const char *name)
{
	if (t->m.b[4] == IDENTITY)
		respond(t, IDENTITY, name, strlen(name));
}

static void has_failed(struct talk *t, const char *why)
{
	assert_int_equal(t->state, EAP_FAILED);
	assert_int_equal(t->m.len, 4);
	assert_int_equal(t->m.b[0], 4);
	if (!strstr(t->f.text, why))
		fail_msg("expected '%s' in '%s'", why, t->f.text);
	for (unsigned i = 0; i < EAP_MSK; i++)
		assert_int_equal(eap_msk(t->eap)[i], 0);
	eap_free(t->eap);
}

/* ---- EAP-MSCHAPv2 ---- */

struct person {
	uint8_t hash[16], nt[24];
};

static void answer_challenge(struct talk *t, struct person *p, const char *user,
			     const char *password)
{
	static const uint8_t peer[16] = {0x77};
	uint8_t r[5 + 49 + 64] = {2, t->m.b[6], 0, 0, 49};
	const char *plain = strchr(user, '\\') ? strchr(user, '\\') + 1 : user;
	const struct mschapv2 *m = users_algorithms(w.users);
	is_request(t, MSCHAPV2);
	assert_int_equal(t->m.b[5], 1);
	assert_int_equal(t->m.b[9], 16);
	const struct mschapv2_exchange x = {
		t->m.b + 10, peer, {(const uint8_t *)plain, strlen(plain)}};
	assert_int_equal(mschapv2_hash(m,
				       (struct bytes){(const uint8_t *)password, strlen(password)},
				       p->hash),
			 0);
	assert_int_equal(mschapv2_response(m, &x, p->hash, p->nt), 0);
	memcpy(r + 5, peer, 16);
	memcpy(r + 5 + 24, p->nt, 24);
	memcpy(r + 5 + 49, user, strlen(user));
	size_t n = 5 + 49 + strlen(user);
	r[3] = (uint8_t)n;
	respond(t, MSCHAPV2, r, n);
}

static void logs_in(const char *user)
{
	struct talk t;
	struct person p;
	uint8_t want[64];
	static const uint8_t heard = 3;
	begin(&t, w.users, NULL, "");
	names_itself(&t, user);
	answer_challenge(&t, &p, user, "secret");
	is_request(&t, MSCHAPV2);
	assert_int_equal(t.m.b[5], 3);
	assert_memory_equal(t.m.b + 9, "S=", 2);
	respond(&t, MSCHAPV2, &heard, 1);
	assert_int_equal(t.state, EAP_SUCCEEDED);
	assert_int_equal(t.m.b[0], 3);
	assert_int_equal(mschapv2_msk(users_algorithms(w.users), p.hash, p.nt, want), 0);
	assert_memory_equal(eap_msk(t.eap), want, 64);
	assert_string_equal(eap_user(t.eap), "bob");
	assert_string_equal(eap_method(t.eap), "EAP-MSCHAPv2");
	eap_free(t.eap);
}

/* Who is no user by his name in IKE, or has none yet, is asked for it; a user is not. */
static void a_name_is_asked_for(void **state)
{
	static const struct {
		const char *name;
		bool asked;
	} rows[] = {{"bob", false}, {"HOME\\bob", true}, {"203.0.113.9", true}, {"", true}};
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct talk t;
		begin(&t, w.users, NULL, rows[i].name);
		assert_int_equal(t.m.b[4], rows[i].asked ? IDENTITY : MSCHAPV2);
		eap_free(t.eap);
	}
}

static void a_password(void **state)
{
	(void)state;
	logs_in("bob");
	logs_in("HOME\\bob");
}

static void is_refused(const char *user, const char *password, const char *why)
{
	struct talk t;
	struct person p;
	static const uint8_t heard[] = {4};
	begin(&t, w.users, NULL, user);
	names_itself(&t, user);
	answer_challenge(&t, &p, user, password);
	is_request(&t, MSCHAPV2);
	assert_int_equal(t.m.b[5], 4);
	assert_memory_equal(t.m.b + 9, "E=691 R=0", 9);
	respond(&t, MSCHAPV2, heard, 1);
	has_failed(&t, why);
}

static void wrong_passwords_and_users(void **state)
{
	(void)state;
	is_refused("bob", "Secret", "the password of user 'bob' is wrong");
	is_refused("bob", "", "the password of user 'bob' is wrong");
	is_refused("eve", "secret", "there is no user 'eve'");
	is_refused("bo", "secret", "there is no user 'bo'");
}

/* SECURITY B10 (CVE-2015-8023): a client that claims success, or skips the proof. */
static void success_is_not_the_clients_to_say(void **state)
{
	static const uint8_t success[] = {3};
	struct talk t;
	struct person p;
	(void)state;
	begin(&t, w.users, NULL, "bob");
	respond(&t, MSCHAPV2, success, 1);
	has_failed(&t, "out of order");
	begin(&t, w.users, NULL, "bob");
	answer_challenge(&t, &p, "bob", "wrong");
	respond(&t, MSCHAPV2, success, 1);
	has_failed(&t, "is wrong");
}

/* SECURITY B14 (CVE-2025-62291): a response cut at every length: with a length of its own that
 * fits, with that of the whole, and with one that wraps. */
static void lengths_of_a_response(void **state)
{
	(void)state;
	for (unsigned n = 0; n < 3 * 54; n++) {
		uint16_t lengths[] = {(uint16_t)(n / 3), 57, (uint16_t)(n / 3 - 5)};
		uint8_t r[64] = {2, 2, 0, 0, 49};
		struct talk t;
		begin(&t, w.users, NULL, "bob");
		r[1] = t.m.b[6];
		store_be16(r + 2, lengths[n % 3]);
		respond(&t, MSCHAPV2, r, n / 3);
		has_failed(&t, n / 3 >= 4 && n % 3 == 0 ? "malformed" : "out of order");
	}
}

/* SECURITY B14 (CVE-2025-62291): sizes of the value that are not its own, up to all that fits. */
static void sizes_of_a_value(void **state)
{
	(void)state;
	for (unsigned size = 0; size < 256; size++) {
		uint8_t r[5 + 255 + 3] = {2, 0, 1, 7, (uint8_t)size};
		struct talk t;
		begin(&t, w.users, NULL, "bob");
		r[1] = t.m.b[6];
		respond(&t, MSCHAPV2, r, sizeof r);
		if (size != 49) {
			has_failed(&t, "malformed");
			continue;
		}
		/* the rest of it is a name */
		is_request(&t, MSCHAPV2);
		assert_int_equal(t.m.b[5], 4);
		eap_free(t.eap);
	}
}

/* SECURITY B14 (CVE-2025-62291): Failure and all other packets, of every length, where Success or
 * Failure was said and is to be heard. */
static void packets_of_every_length(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2 * 6 * 70; i++) {
		bool knows = i % 2;
		uint8_t op = (uint8_t)(i / 2 % 6), r[70] = {op, 2, 0, 70};
		size_t n = i / 12;
		struct person p;
		struct talk t;
		begin(&t, w.users, NULL, "bob");
		answer_challenge(&t, &p, "bob", knows ? "secret" : "wrong");
		respond(&t, MSCHAPV2, r, n);
		if (knows && op == 3 && n) {
			assert_int_equal(t.state, EAP_SUCCEEDED);
			eap_free(t.eap);
		} else {
			has_failed(&t, !knows	      ? "is wrong"
				       : op == 4 && n ? "does not take our proof"
						      : "out of order");
		}
	}
}

/* ---- EAP-TLS ---- */

struct client {
	SSL_CTX *ctx;
	SSL *ssl;
	BIO *in, *out;
	uint8_t pending[16384];
	size_t left, at, piece;
};

static void client_new(struct client *c, const struct pki_entity *own, int version, size_t piece)
{
	memset(c, 0, sizeof *c);
	c->piece = piece;
	c->ctx = SSL_CTX_new(TLS_client_method());
	SSL_CTX_set_min_proto_version(c->ctx, version);
	SSL_CTX_set_max_proto_version(c->ctx, version);
	if (own) {
		assert_int_equal(SSL_CTX_use_certificate(c->ctx, own->x), 1);
		assert_int_equal(SSL_CTX_use_PrivateKey(c->ctx, own->key), 1);
	}
	c->ssl = SSL_new(c->ctx);
	c->in = BIO_new(BIO_s_mem());
	c->out = BIO_new(BIO_s_mem());
	SSL_set_bio(c->ssl, c->in, c->out);
	SSL_set_connect_state(c->ssl);
}

static void client_free(struct client *c)
{
	SSL_free(c->ssl);
	SSL_CTX_free(c->ctx);
}

/* One round: what the server said in, what the client says out, in pieces. */
static void client_round(struct client *c, struct talk *t)
{
	uint8_t r[4096], byte;
	is_request(t, TLS);
	uint8_t flags = t->m.b[5];
	size_t skip = flags & 0x80 ? 10 : 6;
	if (t->m.len > skip)
		BIO_write(c->in, t->m.b + skip, (int)(t->m.len - skip));
	if (flags & 0x40) {
		r[0] = 0;
		respond(t, TLS, r, 1);
		return;
	}
	if (c->at == c->left) {
		if (SSL_do_handshake(c->ssl) == 1)
			SSL_read(c->ssl, &byte, 1);
		c->at = 0;
		int n = BIO_read(c->out, c->pending, sizeof c->pending);
		c->left = n > 0 ? (size_t)n : 0;
	}
	size_t n = c->left - c->at < c->piece ? c->left - c->at : c->piece;
	bool more = c->at + n < c->left, first = !c->at && more;
	size_t at = 1;
	r[0] = (uint8_t)((more ? 0x40 : 0) | (first ? 0x80 : 0));
	if (first) {
		r[1] = r[2] = 0;
		r[3] = (uint8_t)(c->left >> 8);
		r[4] = (uint8_t)c->left;
		at = 5;
	}
	memcpy(r + at, c->pending + c->at, n);
	c->at += n;
	respond(t, TLS, r, at + n);
}

static void comes_in(int version, size_t piece)
{
	struct client c;
	struct talk t;
	uint8_t want[128];
	static const uint8_t type = TLS;
	bool v13 = version == TLS1_3_VERSION;
	const char *label = v13 ? "EXPORTER_EAP_TLS_Key_Material" : "client EAP encryption";
	begin(&t, NULL, w.tls, "alice");
	client_new(&c, &w.alice, version, piece);
	for (unsigned i = 0; i < 60 && t.state == EAP_GOES_ON; i++)
		client_round(&c, &t);
	if (t.state != EAP_SUCCEEDED)
		fail_msg("%s", t.f.text);
	assert_int_equal(SSL_version(c.ssl), version);
	assert_int_equal(SSL_export_keying_material(c.ssl, want, sizeof want, label, strlen(label),
						    &type, v13, v13),
			 1);
	assert_memory_equal(eap_msk(t.eap), want, 64);
	assert_non_null(strstr(eap_user(t.eap), "CN=alice"));
	assert_string_equal(eap_method(t.eap), "EAP-TLS");
	client_free(&c);
	eap_free(t.eap);
}

static void a_certificate(void **state)
{
	(void)state;
	comes_in(TLS1_2_VERSION, 1000);
	comes_in(TLS1_2_VERSION, 100);
	comes_in(TLS1_3_VERSION, 1000);
	comes_in(TLS1_3_VERSION, 200);
}

static void stays_out(const struct pki_entity *own, struct eap_tls *tls, int version,
		      const char *why)
{
	struct client c;
	struct talk t;
	begin(&t, NULL, tls, "alice");
	client_new(&c, own, version, 1000);
	for (unsigned i = 0; i < 60 && t.state == EAP_GOES_ON; i++)
		client_round(&c, &t);
	has_failed(&t, why);
	client_free(&c);
}

/* SECURITY B14 (CVE-2023-26463): who is refused goes on talking, and is refused. */
static void certificates_that_are_refused(void **state)
{
	static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		stays_out(&w.mallory, w.tls, versions[i], "mallory");
		stays_out(&w.old, w.tls, versions[i], "expired");
		stays_out(&w.alice, w.tls_revoking, versions[i], "revoked by its thumbprint");
		stays_out(NULL, w.tls, versions[i], "certificate");
	}
	stays_out(&w.alice, w.tls, TLS1_1_VERSION, "TLS handshake fails");
}

/* SECURITY B14 (CVE-2026-39312): a message that never ends is not kept. */
static void endless_pieces(void **state)
{
	uint8_t piece[1001] = {0x40};
	struct talk t;
	unsigned n = 0;
	(void)state;
	begin(&t, NULL, w.tls, "alice");
	for (; t.state == EAP_GOES_ON && n < 100; n++)
		respond(&t, TLS, piece, sizeof piece);
	assert_in_range(n, 30, 40);
	has_failed(&t, "too long");
}

/* SECURITY B14 (CVE-2026-39312): a length of all that is beyond every message is refused with the
 * first piece, nothing is taken for it; one that is only a lie is not waited for without end. */
static void lengths_that_lie(void **state)
{
	static const struct {
		uint32_t total;
		bool at_once;
	} rows[] = {{UINT32_MAX, true}, {0x80000000, true}, {0x7fffffff, true}, {1 << 24, true},
		    {32769, true},	{32768, false},	    {1, false},		{0, false}};
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		for (unsigned more = 0; more < 2; more++) {
			uint8_t r[6] = {(uint8_t)(more ? 0xc0 : 0x80), 0, 0, 0, 0, 22};
			unsigned n = 0;
			struct talk t;
			begin(&t, NULL, w.tls, "alice");
			store_be32(r + 1, rows[i].total);
			do {
				respond(&t, TLS, r, sizeof r);
			} while (t.state == EAP_GOES_ON && ++n < 100);
			assert_int_equal(n == 0, rows[i].at_once);
			has_failed(&t, rows[i].at_once ? "too long or malformed" : "");
		}
	}
}

static void pieces_that_are_none(void **state)
{
	static const struct {
		uint8_t flags;
		size_t n; /* bytes, the flags included */
	} rows[] = {{0, 0}, {0x80, 1}, {0x80, 4}, {0xc0, 5}, {0x40, 1}, {0x20, 1}, {0x20, 100}};
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		uint8_t r[100] = {rows[i].flags};
		struct talk t;
		begin(&t, NULL, w.tls, "alice");
		respond(&t, TLS, r, rows[i].n);
		has_failed(&t, "too long or malformed");
	}
}

/* SECURITY D26: rounds of one conversation have an end, however little each of them says. */
static void endless_rounds(void **state)
{
	static const uint8_t piece[2] = {0x40, 22}, nothing[1] = {0};
	(void)state;
	for (unsigned kind = 0; kind < 2; kind++) {
		struct talk t;
		unsigned n = 0;
		begin(&t, NULL, w.tls, "alice");
		for (; t.state == EAP_GOES_ON && n < 1000; n++)
			respond(&t, TLS, kind ? nothing : piece, kind ? 1 : 2);
		assert_in_range(n, 2, 65);
		has_failed(&t, "");
	}
}

/* The client's first flight, behind a byte for the flags. */
static size_t first_flight(uint8_t out[2048], const char *groups)
{
	struct client c;
	client_new(&c, &w.alice, TLS1_3_VERSION, sizeof c.pending);
	assert_int_equal(SSL_set1_groups_list(c.ssl, groups), 1);
	assert_int_not_equal(SSL_do_handshake(c.ssl), 1);
	int n = BIO_read(c.out, out + 1, 2047);
	client_free(&c);
	assert_in_range(n, 100, 1000);
	out[0] = 0;
	return (size_t)n + 1;
}

/* It says this, then nothing more to whatever it is told. */
static void never_comes_in(const uint8_t *first, size_t n, const char *why)
{
	static const uint8_t nothing[1] = {0};
	struct talk t;
	unsigned rounds = 0;
	begin(&t, NULL, w.tls, "alice");
	respond(&t, TLS, first, n);
	while (t.state == EAP_GOES_ON && ++rounds < 100)
		respond(&t, TLS, nothing, 1);
	has_failed(&t, why);
}

/* SECURITY B14 (CVE-2026-35328): each byte of a ClientHello changed, its supported_versions among
 * them, and the whole cut at each length. */
static void any_client_hello(void **state)
{
	uint8_t hello[2048], bad[2048];
	size_t n = first_flight(hello, "X25519");
	(void)state;
	for (size_t i = 1; i < n; i++) {
		memcpy(bad, hello, n);
		bad[i] ^= (uint8_t)(i % 2 ? 0xff : 0x01);
		never_comes_in(bad, n, "");
		never_comes_in(hello, i, "");
	}
}

static uint8_t *find(uint8_t *in, size_t n, const char *what, size_t len)
{
	uint8_t *at = memmem(in, n, what, len);
	assert_non_null(at);
	return at + len;
}

/* SECURITY B14 (CVE-2026-35332) and C19: public values of TLS: an X25519 of small order, a point
 * beside its curve, the point at infinity. */
static void public_values_of_tls(void **state)
{
	uint8_t hello[2048], *value;
	size_t n = first_flight(hello, "X25519");
	(void)state;
	value = find(hello, n, "\x00\x1d\x00\x20", 4);
	memset(value, 0, 32);
	never_comes_in(hello, n, "TLS handshake fails");
	value[0] = 1;
	never_comes_in(hello, n, "TLS handshake fails");
	n = first_flight(hello, "P-256");
	value = find(hello, n, "\x00\x17\x00\x41\x04", 5);
	value[63] ^= 1;
	never_comes_in(hello, n, "TLS handshake fails");
	memset(value - 1, 0, 65);
	never_comes_in(hello, n, "TLS handshake fails");
}

/* ---- which method ---- */

static void the_name_decides(void **state)
{
	static const uint8_t wants_tls = TLS, wants_other = 4;
	struct talk t;
	(void)state;
	begin(&t, w.users, w.tls, "bob");
	is_request(&t, MSCHAPV2);
	respond(&t, NAK, &wants_tls, 1);
	is_request(&t, TLS);
	eap_free(t.eap);
	begin(&t, w.users, w.tls, "192.0.2.1");
	is_request(&t, IDENTITY);
	respond(&t, IDENTITY, "bob", 3);
	is_request(&t, MSCHAPV2);
	respond(&t, NAK, &wants_other, 1);
	has_failed(&t, "it wants type 4; we have EAP-MSCHAPv2 (26) EAP-TLS (13)");
	begin(&t, w.users, w.tls, "192.0.2.1");
	respond(&t, IDENTITY, "alice", 5);
	is_request(&t, TLS);
	respond(&t, NAK, &wants_tls, 1);
	has_failed(&t, "it wants type 13");
}

/*
 * SECURITY B14 (CVE-2026-25075, CVE-2026-35330): of the methods that others fell over, TTLS (21),
 * SIM (18), AKA (23, 50) and PEAP (25), none is built: whoever wants one is refused, and so is its
 * message. Nor does any RADIUS server (CVE-2026-35333) or PPP (CVE-2020-8597, CVE-2020-15173,
 * CVE-2021-42054) stand behind EAP, so that no attribute of theirs is ever read.
 */
static void methods_that_are_not_built(void **state)
{
	static const uint8_t data[64] = {0x80, 0xff, 0xff, 0xff, 0xff};
	(void)state;
	for (unsigned type = 0; type < 256; type++) {
		uint8_t wanted = (uint8_t)type;
		struct talk t;
		begin(&t, w.users, w.tls, "bob");
		respond(&t, NAK, &wanted, 1);
		if (type == TLS) {
			is_request(&t, TLS);
			eap_free(t.eap);
		} else {
			has_failed(&t, "takes neither of our EAP methods");
		}
		if (type == NAK)
			continue;
		begin(&t, w.users, w.tls, "bob");
		respond(&t, wanted, data, sizeof data);
		has_failed(&t, "");
	}
}

static void what_answers_nothing(void **state)
{
	static const uint8_t cases[][6] = {
		{1, 2, 0, 5, 1},		   /* a request */
		{2, 9, 0, 5, 1},		   /* another identifier */
		{2, 2, 0, 6, 1},		   /* a length that is not so */
		{2, 2, 0, 4, 1}, {2, 2, 0, 5, 26}, /* another type */
		{3, 2, 0, 5, 1},
	};
	(void)state;
	for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
		for (size_t n = 0; n <= 5; n++) {
			struct talk t;
			begin(&t, w.users, w.tls, "?");
			t.state = eap_step(t.eap, (struct bytes){cases[i], n}, &t.m, &t.f);
			has_failed(&t, "");
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_name_is_asked_for),
		cmocka_unit_test(a_password),
		cmocka_unit_test(wrong_passwords_and_users),
		cmocka_unit_test(success_is_not_the_clients_to_say),
		cmocka_unit_test(lengths_of_a_response),
		cmocka_unit_test(sizes_of_a_value),
		cmocka_unit_test(packets_of_every_length),
		cmocka_unit_test(a_certificate),
		cmocka_unit_test(certificates_that_are_refused),
		cmocka_unit_test(endless_pieces),
		cmocka_unit_test(lengths_that_lie),
		cmocka_unit_test(pieces_that_are_none),
		cmocka_unit_test(endless_rounds),
		cmocka_unit_test(any_client_hello),
		cmocka_unit_test(public_values_of_tls),
		cmocka_unit_test(the_name_decides),
		cmocka_unit_test(methods_that_are_not_built),
		cmocka_unit_test(what_answers_nothing),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
