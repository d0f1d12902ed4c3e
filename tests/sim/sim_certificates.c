/* SPDX-License-Identifier: Apache-2.0 */
/*
 * IKE_AUTH with certificates between two engines: every kind of key in both roles, and each way in
 * which one end may not be believed, with the words that a person must find at both ends.
 */
#include "sim.h"

#include "tests/pki/pki.h"

#include <setjmp.h>
#include <cmocka.h>

#define KINDS 5
#define RSA   4 /* its place, for what holds in both versions */
static const enum pki_kind kinds[KINDS] = {PKI_P256, PKI_P384, PKI_P521, PKI_ED25519, PKI_RSA2048};

/* root - middle; a credential of each kind for both gateways, all by `middle` */
static struct {
	struct pki_entity root, middle, stranger, own[2][KINDS];
	struct credential *credential[2][KINDS];
	struct credential *bare; /* node 0's first, without the intermediate certificate */
	struct credential *foreign, *expired, *misnamed;
	struct trust *trust, *revoking, *elsewhere;
} w;

static struct credential *credential(const struct pki_entity *e, const struct pki_entity *middle)
{
	struct bytes chain = pki_pem(e, middle, NULL), key = pki_key_pem(e, NULL);
	struct credential *c;
	struct fault f;
	assert_int_equal(credential_new(&c, chain, key, &f), 0);
	pki_drop(chain);
	pki_drop(key);
	return c;
}

static struct credential *one_off(struct pki_entity *by, const char *san, int64_t from,
				  int64_t until)
{
	struct pki_entity e = pki_issue(by, &(struct pki_want){.kind = PKI_RSA2048,
							       .cn = "one",
							       .san = san,
							       .from = from,
							       .until = until});
	struct credential *c = credential(&e, &w.middle);
	pki_free(&e);
	return c;
}

static struct trust *trust(const struct pki_entity *root, struct bytes crl)
{
	struct bytes ca = pki_pem(root, NULL, NULL);
	struct trust_files files = {
		.authorities = &ca, .n_authorities = 1, .crls = &crl, .n_crls = crl.at != NULL};
	struct trust *t;
	struct fault f;
	assert_int_equal(trust_new(&t, &files, &f), 0);
	pki_drop(ca);
	pki_drop(crl);
	return t;
}

static int set_up(void **state)
{
	static const char *const names[] = {"DNS:gw1.example.org", "DNS:gw2.example.org"};
	(void)state;
	w.root = pki_root("root", PKI_P256);
	w.middle = pki_intermediate(&w.root, "middle", NULL);
	w.stranger = pki_root("stranger", PKI_P256);
	for (unsigned node = 0; node < 2; node++) {
		for (unsigned k = 0; k < KINDS; k++) {
			w.own[node][k] = pki_gateway(&w.middle, kinds[k], "gw", names[node]);
			w.credential[node][k] = credential(&w.own[node][k], &w.middle);
		}
	}
	w.bare = credential(&w.own[0][RSA], NULL);
	w.foreign = one_off(&w.stranger, names[0], 0, 0);
	w.expired = one_off(&w.middle, names[0], -9 * PKI_DAY, -PKI_DAY);
	w.misnamed = one_off(&w.middle, "DNS:elsewhere.example.org", 0, 0);
	w.trust = trust(&w.root, (struct bytes){NULL, 0});
	w.revoking = trust(&w.root, pki_crl(&w.middle, &w.own[0][RSA], -PKI_DAY, PKI_DAY));
	w.elsewhere = trust(&w.stranger, (struct bytes){NULL, 0});
	return 0;
}

static int tear_down(void **state)
{
	struct credential *more[] = {w.bare, w.foreign, w.expired, w.misnamed};
	(void)state;
	for (unsigned node = 0; node < 2; node++) {
		for (unsigned k = 0; k < KINDS; k++) {
			credential_free(w.credential[node][k]);
			pki_free(&w.own[node][k]);
		}
	}
	for (unsigned i = 0; i < sizeof more / sizeof *more; i++)
		credential_free(more[i]);
	trust_free(w.trust);
	trust_free(w.revoking);
	trust_free(w.elsewhere);
	pki_free(&w.root);
	pki_free(&w.middle);
	pki_free(&w.stranger);
	return 0;
}

static struct ike_connection with_certificate(struct sim *s, unsigned node, unsigned kind)
{
	struct ike_connection c = sim_connection(s, node, 1 - node);
	c.psk.len = 0;
	c.credential = w.credential[node][kind];
	c.trust = w.trust;
	return c;
}

/* RFC 2409's: no AEAD in phase 1, one pair of selectors */
static void make_v1(struct ike_connection *c)
{
	c->ikev1 = true;
	c->ike[0].encryption[0] = ENCR_AES_CBC_256;
	c->ike[0].n_integrity = 1;
	c->ike[0].integrity[0] = AUTH_HMAC_SHA2_256_128;
}

static struct sim *run(struct sim *s, const struct ike_connection *a,
		       const struct ike_connection *b)
{
	sim_add(s, 0, a);
	sim_add(s, 1, b);
	sim_up(s, 0);
	sim_run(s, s->now_ns + NS_PER_S);
	if (s->broken)
		fail_msg("%s", s->why);
	return s;
}

/* Both are up, and stay so over a rekey from either side. */
static void comes_up(struct sim *s)
{
	struct ike_status status;
	if (!s->node[0].up || !s->node[1].up) {
		assert_int_equal(ike_status(s->node[0].ike, 1, &status), 0);
		print_error("initiator: %s\n", status.last_error.text);
		assert_int_equal(ike_status(s->node[1].ike, 1, &status), 0);
		fail_msg("responder: %s", status.last_error.text);
	}
	assert_true(sim_agrees(&s->node[0], &s->node[1]));
	for (unsigned node = 0; node < 2; node++) {
		sim_rekey(s, node);
		sim_run(s, s->now_ns + 10 * NS_PER_S);
		assert_false(s->broken);
		assert_true(sim_agrees(&s->node[0], &s->node[1]));
	}
	assert_int_equal(s->node[0].downs + s->node[1].downs, 0);
}

static void every_pair_of_keys(void **state)
{
	(void)state;
	for (unsigned i = 0; i < KINDS; i++) {
		for (unsigned k = 0; k < KINDS; k++) {
			struct sim *s = sim_new(i * KINDS + k + 1, 2, NULL);
			struct ike_connection a = with_certificate(s, 0, i);
			struct ike_connection b = with_certificate(s, 1, k);
			a.rsa_pkcs1 = k & 1;
			b.start = IKE_START_RESPOND;
			comes_up(run(s, &a, &b));
			sim_free(s);
		}
	}
}

static void identities_of_all_types(void **state)
{
	static const char *const ids[] = {"gw1.example.org", "C=DE, O=Example, CN=gw", "%key"};
	static const char *const wanted[] = {"*.example.org", "C=DE, O=Example, CN=*", "%any"};
	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		struct sim *s = sim_new(i + 1, 2, NULL);
		struct ike_connection a = with_certificate(s, 0, 0), b = with_certificate(s, 1, 0);
		const ASN1_OCTET_STRING *ski = X509_get0_subject_key_id(w.own[0][0].x);
		if (ids[i][0] == '%')
			assert_int_equal(identity_from_wire(&a.local_id, IDENTITY_KEY_ID,
							    ASN1_STRING_get0_data(ski), 20),
					 0);
		else
			assert_int_equal(identity_parse(&a.local_id, ids[i]), 0);
		assert_int_equal(identity_parse(&b.remote_id, wanted[i]), 0);
		/* a pattern is not sent as the peer's identity either */
		assert_int_equal(identity_parse(&a.remote_id, "*.example.org"), 0);
		comes_up(run(s, &a, &b));
		sim_free(s);
	}
}

/* One peer among several connections of "any" address: the one whose authority it has. */
static void among_several(void **state)
{
	(void)state;
	struct sim *s = sim_new(5, 2, NULL);
	struct ike_connection a = with_certificate(s, 0, 0), b = with_certificate(s, 1, 0);
	b.remote.family = IP_NONE;
	b.start = IKE_START_RESPOND;
	b.id = 7;
	b.name = "other";
	b.trust = w.elsewhere;
	sim_add(s, 1, &b);
	b.id = 8;
	b.name = "psk";
	b.credential = NULL;
	b.trust = NULL;
	assert_int_equal(secret_set(&b.psk, "a long enough pre-shared key", 28), 0);
	sim_add(s, 1, &b);
	struct ike_connection c = with_certificate(s, 1, 0);
	c.remote.family = IP_NONE;
	c.start = IKE_START_RESPOND;
	comes_up(run(s, &a, &c));
	sim_free(s);
}

/* ---- refusals: what node 1 does not believe of node 0, and the other way round ---- */

typedef void spoil(struct ike_connection *c, struct ike_connection *other);

static void other_authority(struct ike_connection *c, struct ike_connection *other)
{
	(void)c;
	other->trust = w.elsewhere;
}
static void foreign(struct ike_connection *c, struct ike_connection *other)
{
	(void)other;
	c->credential = w.foreign;
}
static void expired(struct ike_connection *c, struct ike_connection *other)
{
	(void)other;
	c->credential = w.expired;
}
static void revoked(struct ike_connection *c, struct ike_connection *other)
{
	(void)c;
	other->trust = w.revoking;
}
static void no_intermediate(struct ike_connection *c, struct ike_connection *other)
{
	(void)other;
	c->credential = w.bare;
}
static void misnamed(struct ike_connection *c, struct ike_connection *other)
{
	(void)other;
	c->credential = w.misnamed;
}
static void other_identity(struct ike_connection *c, struct ike_connection *other)
{
	(void)c;
	assert_int_equal(identity_parse(&other->remote_id, "gw9.example.org"), 0);
}
static void psk(struct ike_connection *c, struct ike_connection *other)
{
	(void)other;
	c->credential = NULL;
	c->trust = NULL;
	assert_int_equal(secret_set(&c->psk, "a long enough pre-shared key", 28), 0);
}

/* `deceived` is who must refuse and why. */
static const struct {
	const char *name;
	spoil *spoil;
	const char *why[3];
} rows[] = {
	{"authority", other_authority, {"which the peer did not send and is not ours", "stranger"}},
	{"foreign certificate", foreign, {"CN=one", "issued by", "stranger"}},
	{"expired", expired, {"the peer's certificate", "CN=one", "expired on 2027-01-14"}},
	{"revoked", revoked, {"the peer's certificate", "revoked on 2027-01-05", "keyCompromise"}},
	{"no intermediate certificate",
	 no_intermediate,
	 {"issued by", "CN=middle", "did not send"}},
	{"identity that is not certified",
	 misnamed,
	 {"gw1.example.org", "its certificate is for elsewhere.example.org"}},
	{"identity", other_identity, {"gw1.example.org, expected gw9.example.org"}},
	{"pre-shared key", psk, {"pre-shared key", "expected the signature of a certificate"}},
};

static void must_hold(const char *name, struct sim_node *n, const char *const words[3])
{
	struct ike_status status;
	char line[FAULT_TEXT];
	assert_int_equal(ike_status(n->ike, 1, &status), 0);
	fault_format(&status.last_error, line);
	for (unsigned i = 0; i < 3 && words[i]; i++)
		if (!strstr(line, words[i]))
			fail_msg("%s: expected \"%s\" in: %s", name, words[i], line);
}

/* IKEv1 sees the method in the first message, and names no identity that it asks for. */
static const char *const other_method[3] = {"no proposal in common", "RSA signatures",
					    "pre-shared key"};

static void responder_refuses(bool v1)
{
	static const char *const told[3] = {"AUTHENTICATION_FAILED"};
	static const char *const told_v1[3] = {"AUTHENTICATION-FAILED"};
	static const char *const told_first[3] = {"NO-PROPOSAL-CHOSEN"};
	for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct sim *s = sim_new(i + 1, 2, NULL);
		struct ike_connection a = with_certificate(s, 0, RSA);
		struct ike_connection b = with_certificate(s, 1, RSA);
		bool at_once = v1 && rows[i].spoil == psk;
		b.start = IKE_START_RESPOND;
		rows[i].spoil(&a, &b);
		if (v1) {
			make_v1(&a);
			make_v1(&b);
		}
		run(s, &a, &b);
		assert_false(s->node[0].up || s->node[1].up);
		assert_int_equal(s->node[0].installs + s->node[1].installs, 0);
		must_hold(rows[i].name, &s->node[1], at_once ? other_method : rows[i].why);
		must_hold(rows[i].name, &s->node[0], at_once ? told_first : v1 ? told_v1 : told);
		assert_true(at_once || ike_count(s->node[1].ike, IKE_COUNT_AUTH_FAILED) > 0);
		sim_free(s);
	}
}

static void initiator_refuses(bool v1)
{
	for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
		/* node 1 initiates, node 0's proof comes with the response */
		struct sim *s = sim_new(i + 1, 2, NULL);
		/* an RSA key could not sign for a peer that announces no hash, as PSK does */
		unsigned kind = !v1 && rows[i].spoil == psk ? 0 : RSA;
		struct ike_connection a = with_certificate(s, 0, kind);
		struct ike_connection b = with_certificate(s, 1, kind);
		a.start = IKE_START_RESPOND;
		rows[i].spoil(&a, &b);
		if (v1) {
			make_v1(&a);
			make_v1(&b);
		}
		sim_add(s, 0, &a);
		sim_add(s, 1, &b);
		sim_up(s, 1);
		sim_run(s, s->now_ns + NS_PER_S);
		assert_false(s->broken);
		assert_false(s->node[1].up);
		if (v1 && rows[i].spoil == psk)
			must_hold(rows[i].name, &s->node[0], other_method);
		else if (!v1 && rows[i].spoil ==
					other_identity) /* node 0 is asked for and says so itself */
			must_hold(rows[i].name, &s->node[0],
				  (const char *const[3]){"wants to talk to gw9.example.org"});
		else if (rows[i].spoil == psk) /* node 0 sees it first */
			must_hold(rows[i].name, &s->node[0],
				  (const char *const[3]){"authenticates by a signature",
							 "expected a pre-shared key",
							 "authenticationType is PSK here"});
		else
			must_hold(rows[i].name, &s->node[1], rows[i].why);
		sim_free(s);
	}
}

static void responder_refuses_v2(void **state)
{
	(void)state;
	responder_refuses(false);
}
static void initiator_refuses_v2(void **state)
{
	(void)state;
	initiator_refuses(false);
}
static void responder_refuses_v1(void **state)
{
	(void)state;
	responder_refuses(true);
}
static void initiator_refuses_v1(void **state)
{
	(void)state;
	initiator_refuses(true);
}

/* ---- IKEv1: RSA signatures (RFC 2409 section 5.1) ---- */

static void comes_up_v1(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct sim *s = sim_new(i + 1, 2, NULL);
		struct ike_connection a = with_certificate(s, 0, RSA);
		struct ike_connection b = with_certificate(s, 1, RSA);
		make_v1(&a);
		make_v1(&b);
		if (i) { /* among others of any address, for a pattern of names */
			struct ike_connection other = b;
			other.id = 7;
			other.name = "other";
			other.remote.family = b.remote.family = IP_NONE;
			other.start = b.start = IKE_START_RESPOND;
			other.trust = w.elsewhere;
			sim_add(s, 1, &other);
			assert_int_equal(identity_parse(&b.remote_id, "*.example.org"), 0);
		}
		comes_up(run(s, &a, &b));
		sim_free(s);
	}
}

static void v1_wants_an_rsa_key(void **state)
{
	struct sim *s = sim_new(1, 2, NULL);
	struct ike_connection a = with_certificate(s, 0, 0);
	struct fault f;
	(void)state;
	make_v1(&a);
	assert_int_equal(ike_add(s->node[0].ike, &a, &f), -EINVAL);
	assert_non_null(strstr(f.text, "RSA"));
	sim_free(s);
}

/* ---- peers without RFC 7427: their IKE_SA_INIT without the notify ---- */

/*
 * The notify's type changed on its way to one of nobody's: what signatures cover differs, so that
 * this must never come up, whatever method the ends fall back to.
 */
static void stripped_on_its_way(void **state)
{
	(void)state;
	for (unsigned k = 0; k < KINDS; k++) {
		struct sim *s = sim_new(k + 1, 2, NULL);
		struct ike_connection a = with_certificate(s, 0, k), b = with_certificate(s, 1, k);
		a.sha1_signatures = b.sha1_signatures = true;
		b.start = IKE_START_RESPOND;
		sim_add(s, 0, &a);
		sim_add(s, 1, &b);
		s->hold = true;
		sim_up(s, 0);
		for (unsigned i = 0; i < 20 && s->n_queue; i++) {
			struct sim_datagram *d = &s->queue[0];
			for (size_t at = 28; d->len > 28 && d->bytes[18] == 34 && at + 1 < d->len;
			     at++)
				if (load_be16(d->bytes + at) == 16431)
					store_be16(d->bytes + at, 40999);
			sim_deliver(s, 0);
		}
		assert_false(s->broken);
		assert_false(s->node[0].up || s->node[1].up);
		must_hold("stripped", &s->node[kinds[k] == PKI_ED25519 ? 0 : 1],
			  kinds[k] == PKI_ED25519
				  ? (const char *const[3]){"does not understand", "RFC 8420"}
				  : (const char *const[3]){"signature", "does not verify"});
		sim_free(s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_pair_of_keys),	cmocka_unit_test(identities_of_all_types),
		cmocka_unit_test(among_several),	cmocka_unit_test(responder_refuses_v2),
		cmocka_unit_test(initiator_refuses_v2), cmocka_unit_test(stripped_on_its_way),
		cmocka_unit_test(comes_up_v1),		cmocka_unit_test(v1_wants_an_rsa_key),
		cmocka_unit_test(responder_refuses_v1), cmocka_unit_test(initiator_refuses_v1),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
