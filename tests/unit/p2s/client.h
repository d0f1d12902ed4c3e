/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A client of SSTP that a test plays: it speaks the protocols by itself where nothing else is
 * asked of it. Its world (users, certificates, an address) is the session's, too.
 */
#ifndef XGW_TESTS_UNIT_P2S_CLIENT_H
#define XGW_TESTS_UNIT_P2S_CLIENT_H

#include "tests/pki/pki.h"

#include "base/instant.h"
#include "p2s/sstp.h"

#include <errno.h>
#include <openssl/ssl.h>

#define CLIENT_REQUEST                                                               \
	"SSTP_DUPLEX_POST /sra_{BA195980-CD49-458b-9E23-C84EE0ADCD75}/ HTTP/1.1\r\n" \
	"Content-Length: 18446744073709551615\r\nHost: gw\r\n\r\n"

enum { LCP = 0xc021, CHAP = 0xc223, EAP = 0xc227, IPCP = 0x8021, IPV6CP = 0x8057, CCP = 0x80fd };

/* What it is like. */
struct client_manner {
	const char *user, *password; /* NULL: a certificate */
	const struct pki_entity *certificate;
	bool by_eap;	    /* MS-CHAPv2 inside EAP */
	bool zero_key;	    /* binds to nothing */
	bool old_pppd;	    /* 16 bytes of each direction's key of EAP-TLS */
	bool no_lcp_answer; /* what came is in `last`, and not answered */
	bool echoes;	    /* its terminal sends back what comes, until it begins */
	bool ipv6, no_connected;
	uint8_t hash;	  /* of the binding; 0: SHA-256 */
	const char *asks; /* for this address instead of 0.0.0.0 */
	uint16_t mru;
	bool late;
};

struct client {
	struct client_manner is;
	struct sstp *s;
	/* instead of the session above: to a server elsewhere */
	void (*send)(struct client *c, const void *bytes, size_t n);
	void *owner;
	struct sstp_rules rules;
	struct sstp_effects e;
	struct eap_rules eap_rules;
	uint64_t now;
	const struct sstp_certificate *certificate;
	unsigned leases;
	bool up, closed;
	struct fault fault;
	/* its own side */
	uint8_t nonce[32], key[32], address[4], interface_id[8];
	uint8_t pending[32768]; /* of the server's stream, not taken yet */
	size_t n_pending;
	unsigned control[SSTP_TYPES]; /* messages of the server that came, by type */
	struct bytes last;	      /* frame of PPP that came last, in `kept` */
	uint8_t kept[4096];
	uint8_t asked[4096]; /* the server's last Configure-Request of LCP */
	unsigned ipcp_requests;
	bool lcp_asked, ipcp_up, refused, authenticated, answered_http;
	unsigned dns, advertised;
	struct bytes router; /* the advertisement's ICMPv6 message, behind its IPv6 header */
	uint8_t router_at[4096];
	struct bytes packet;
	uint8_t packet_at[4096];
	SSL_CTX *ctx;
	SSL *ssl;
	BIO *in, *out;
};

static struct {
	struct pki_entity root, people, own, alice, stranger;
	struct credential *credential;
	struct trust *trust, *revoking;
	struct users *users;
	struct eap_tls *tls, *tls_revoking;
	struct sstp_certificate certificate;
} world;

static inline void world_begin(void)
{
	struct fault f = {0};
	uint8_t thumbprint[1][20];
	world.root = pki_root("root", PKI_P256);
	world.people = pki_root("people", PKI_P256);
	world.own = pki_gateway(&world.root, PKI_P256, "gw", "DNS:gw.example.org");
	const struct pki_want want = {.kind = PKI_P256,
				      .cn = "alice",
				      .usage = "digitalSignature",
				      .extended = "clientAuth",
				      .from = -2 * PKI_DAY,
				      .until = PKI_DAY};
	world.alice = pki_issue(&world.people, &want);
	world.stranger = pki_issue(&world.root, &want);
	struct bytes chain = pki_pem(&world.own, NULL, NULL), key = pki_key_pem(&world.own, NULL);
	struct bytes ca = pki_pem(&world.people, NULL, NULL);
	X509_digest(world.alice.x, EVP_sha1(), thumbprint[0], NULL);
	struct trust_files files = {.authorities = &ca, .n_authorities = 1, .for_clients = true};
	pki_must(!credential_new(&world.credential, chain, key, &f), "credential");
	pki_must(!trust_new(&world.trust, &files, &f), "trust");
	files.revoked = (const uint8_t(*)[20])thumbprint;
	files.n_revoked = 1;
	pki_must(!trust_new(&world.revoking, &files, &f), "trust");
	pki_must(!users_new(&world.users, &f) &&
			 !users_add(world.users, "bob",
				    (struct bytes){(const uint8_t *)"secret", 6}, &f),
		 "users");
	pki_must(!eap_tls_new(&world.tls, world.credential, world.trust, &f) &&
			 !eap_tls_new(&world.tls_revoking, world.credential, world.revoking, &f),
		 "EAP-TLS");
	pki_must(!sstp_certificate_hash(credential_certificate(world.credential, 0),
					&world.certificate),
		 "hash");
	pki_drop(chain);
	pki_drop(key);
	pki_drop(ca);
}

static inline void world_end(void)
{
	struct pki_entity *all[] = {&world.root, &world.people, &world.own, &world.alice,
				    &world.stranger};
	eap_tls_free(world.tls);
	eap_tls_free(world.tls_revoking);
	users_free(world.users);
	trust_free(world.trust);
	trust_free(world.revoking);
	credential_free(world.credential);
	for (unsigned i = 0; i < sizeof all / sizeof *all; i++)
		pki_free(all[i]);
}

static inline int client_lease(void *owner, const char *user, struct ppp_lease *out,
			       struct fault *f)
{
	struct client *c = owner;
	(void)user;
	if (c->rules.ppp.session_ns == 1) /* a pool that is empty */
		return fault_set(f, -ENOSPC, "all addresses are taken");
	c->leases++;
	ip_addr_parse(&out->v4, "172.16.0.7");
	if (c->is.ipv6)
		ip_addr_parse(&out->v6, "fd00:16::7");
	return 0;
}

/* ---- what it says ---- */

static inline void client_take(struct client *c);

static inline void client_absorb(struct client *c)
{
	if (c->e.len) {
		pki_must(c->n_pending + c->e.len <= sizeof c->pending, "room");
		memcpy(c->pending + c->n_pending, c->e.bytes, c->e.len);
		c->n_pending += c->e.len;
	}
	c->up |= c->e.up;
	if (c->e.closed) {
		c->closed = true;
		c->fault = c->e.fault;
	}
	c->packet = (struct bytes){c->packet_at, c->e.packet.len};
	if (c->e.packet.len)
		memcpy(c->packet_at, c->e.packet.at, c->e.packet.len);
}

/* Bytes to the server, as they are. */
static inline void client_raw(struct client *c, const void *bytes, size_t n)
{
	struct bytes in = {bytes, n};
	if (c->send) {
		c->send(c, bytes, n);
		return;
	}
	while (in.len && !c->closed) {
		size_t took = sstp_receive(c->s, in, c->now, &c->e);
		if (!took)
			return;
		client_absorb(c);
		in.at += took;
		in.len -= took;
	}
}

static inline void client_frame(struct client *c, uint16_t protocol, const void *data, size_t n)
{
	uint8_t b[SSTP_PACKET_MAX] = {0x10, 0, 0, 0, 0xff, 3};
	store_be16(b + 2, (uint16_t)(n + 8));
	store_be16(b + 6, protocol);
	if (n)
		memcpy(b + 8, data, n);
	client_raw(c, b, n + 8);
}

/* A packet of a control protocol. */
static inline void client_code(struct client *c, uint16_t protocol, uint8_t code, uint8_t id,
			       const void *data, size_t n)
{
	uint8_t b[2048] = {code, id};
	store_be16(b + 2, (uint16_t)(n + 4));
	if (n)
		memcpy(b + 4, data, n);
	client_frame(c, protocol, b, n + 4);
}

static inline void client_message(struct client *c, uint8_t type, const void *attributes, size_t n,
				  uint8_t count)
{
	uint8_t b[256] = {0x10, 1, 0, (uint8_t)(n + 8), 0, type, 0, count};
	if (n)
		memcpy(b + 8, attributes, n);
	client_raw(c, b, n + 8);
}

static inline void client_call(struct client *c)
{
	static const uint8_t ppp[] = {0, 1, 0, 6, 0, 1};
	client_message(c, SSTP_CALL_CONNECT_REQUEST, ppp, sizeof ppp, 1);
}

static inline void client_ask_lcp(struct client *c)
{
	uint8_t options[] = {1, 4, 0, 0, 5, 6, 0x11, 0x22, 0x33, 0x44, 7, 2, 8, 2};
	bool mru = c->is.mru;
	store_be16(options + 2, c->is.mru);
	c->lcp_asked = true;
	client_code(c, LCP, 1, 1, options + (mru ? 0 : 4), sizeof options - (mru ? 0 : 4));
}

static inline void client_connected(struct client *c)
{
	static const uint8_t zeros[32];
	uint8_t b[SSTP_CALL_CONNECTED_LEN] = {0x10, 1, 0, 112, 0, 4, 0, 1, 0, 3, 0, 104};
	uint8_t hash = c->is.hash ? c->is.hash : SSTP_SHA256;
	b[15] = hash;
	memcpy(b + 16, c->nonce, 32);
	memcpy(b + 48, hash == SSTP_SHA256 ? c->certificate->sha256 : c->certificate->sha1, 32);
	pki_must(!sstp_compound_mac(hash, c->is.zero_key ? zeros : c->key, b, b + 80), "mac");
	client_raw(c, b, sizeof b);
}

/* ---- what it hears ---- */

static inline void client_mschapv2(struct client *c, const uint8_t *challenge, uint8_t out[49])
{
	static const uint8_t peer[16] = {0x55};
	const struct mschapv2 *m = users_algorithms(world.users);
	uint8_t hash[16], msk[64];
	const struct mschapv2_exchange x = {
		challenge, peer, {(const uint8_t *)c->is.user, strlen(c->is.user)}};
	memset(out, 0, 49);
	memcpy(out, peer, 16);
	pki_must(!mschapv2_hash(
			 m, (struct bytes){(const uint8_t *)c->is.password, strlen(c->is.password)},
			 hash) &&
			 !mschapv2_response(m, &x, hash, out + 24) &&
			 !mschapv2_msk(m, hash, out + 24, msk),
		 "MS-CHAPv2");
	memcpy(c->key, msk, 32);
}

static inline void client_chap(struct client *c, const uint8_t *p, size_t n)
{
	uint8_t r[320] = {49};
	if (p[0] == 3)
		c->authenticated = true;
	if (p[0] == 4)
		c->refused = true;
	if (p[0] != 1 || n < 21)
		return;
	client_mschapv2(c, p + 5, r + 1);
	memcpy(r + 50, c->is.user, strlen(c->is.user));
	client_code(c, CHAP, 2, p[1], r, 50 + strlen(c->is.user));
}

static inline void client_eap_tls(struct client *c, const uint8_t *p, size_t n)
{
	static const char label[] = "client EAP encryption";
	uint8_t r[1500] = {13, 0}, msk[64];
	if (!c->ssl) {
		c->ctx = SSL_CTX_new(TLS_client_method());
		SSL_CTX_set_max_proto_version(c->ctx, TLS1_2_VERSION);
		SSL_CTX_use_certificate(c->ctx, c->is.certificate->x);
		SSL_CTX_use_PrivateKey(c->ctx, c->is.certificate->key);
		c->ssl = SSL_new(c->ctx);
		c->in = BIO_new(BIO_s_mem());
		c->out = BIO_new(BIO_s_mem());
		SSL_set_bio(c->ssl, c->in, c->out);
		SSL_set_connect_state(c->ssl);
	}
	uint8_t flags = p[5];
	size_t skip = flags & 0x80 ? 10 : 6;
	if (n > skip)
		BIO_write(c->in, p + skip, (int)(n - skip));
	int len = 0;
	if (!(flags & 0x40)) {
		if (SSL_do_handshake(c->ssl) == 1 &&
		    SSL_export_keying_material(c->ssl, msk, 64, label, strlen(label), NULL, 0, 0) ==
			    1) {
			memcpy(c->key, msk, 32);
			if (c->is.old_pppd)
				memcpy(c->key + 16, msk + 32, 16);
		}
		len = BIO_read(c->out, r + 2, sizeof r - 2);
	}
	client_code(c, EAP, 2, p[1], r, (size_t)(len > 0 ? len : 0) + 2);
}

static inline void client_eap_mschapv2(struct client *c, const uint8_t *p)
{
	uint8_t r[320] = {26, 2, p[6], 0, 0, 49};
	size_t n = 6 + 49 + strlen(c->is.user);
	if (p[5] == 3 || p[5] == 4) { /* heard */
		r[1] = p[5];
		client_code(c, EAP, 2, p[1], r, 2);
		return;
	}
	client_mschapv2(c, p + 10, r + 6);
	memcpy(r + 6 + 49, c->is.user, strlen(c->is.user));
	store_be16(r + 3, (uint16_t)(n - 1));
	client_code(c, EAP, 2, p[1], r, n);
}

static inline void client_eap(struct client *c, const uint8_t *p, size_t n)
{
	static const uint8_t password_instead[] = {3, 26};
	const char *name = c->is.user ? c->is.user : "alice";
	uint8_t r[64] = {1};
	if (p[0] == 3)
		c->authenticated = true;
	if (p[0] == 4)
		c->refused = true;
	if (p[0] != 1 || n < 5)
		return;
	if (p[4] == 1) {
		memcpy(r + 1, name, strlen(name));
		client_code(c, EAP, 2, p[1], r, 1 + strlen(name));
	} else if (p[4] == 13 && c->is.user) {
		client_code(c, EAP, 2, p[1], password_instead, 2);
	} else if (p[4] == 13) {
		client_eap_tls(c, p, n);
	} else {
		client_eap_mschapv2(c, p);
	}
}

static inline void client_lcp(struct client *c, const uint8_t *p, size_t n)
{
	static const uint8_t chap[] = {3, 5, 0xc2, 0x23, 0x81};
	if (p[0] == 1 && c->is.user && !c->is.by_eap && p[6] == 0xc2 && p[7] == 0x27)
		client_code(c, LCP, 3, p[1], chap, sizeof chap);
	else if (p[0] == 1)
		client_code(c, LCP, 2, p[1], p + 4, n - 4);
	if (p[0] == 1 && !c->lcp_asked)
		client_ask_lcp(c);
	if (p[0] == 5)
		client_code(c, LCP, 6, p[1], NULL, 0);
	if (p[0] == 9)
		client_code(c, LCP, 10, p[1], "\1\2\3\4", 4);
}

static inline void client_ask_ipcp(struct client *c, uint8_t id)
{
	uint8_t options[] = {
		3, 6, c->address[0], c->address[1], c->address[2], c->address[3], 129, 6, 0, 0,
		0, 0};
	if (c->dns)
		store_be32(options + 8, c->dns);
	client_code(c, IPCP, 1, id, options, c->dns == UINT32_MAX ? 6 : 12);
}

static inline void client_ipcp(struct client *c, const uint8_t *p, size_t n)
{
	if (p[0] == 1) {
		client_code(c, IPCP, 2, p[1], p + 4, n - 4);
		if (!c->ipcp_requests++)
			client_ask_ipcp(c, 1);
	}
	for (size_t i = 4; (p[0] == 3 || p[0] == 4) && i + 2 <= n && p[i + 1] >= 2; i += p[i + 1]) {
		if (p[i] == 3)
			memcpy(c->address, p + i + 2, 4);
		if (p[i] == 129)
			c->dns = p[0] == 4 ? UINT32_MAX : load_be32(p + i + 2);
	}
	if (p[0] == 3 || p[0] == 4)
		client_ask_ipcp(c, (uint8_t)(p[1] + 1));
	if (p[0] == 5)
		client_code(c, IPCP, 6, p[1], NULL, 0);
	if (p[0] == 2)
		c->ipcp_up = true;
}

static inline void client_ipv6cp(struct client *c, const uint8_t *p, size_t n)
{
	uint8_t option[10] = {1, 10};
	if (p[0] == 1)
		client_code(c, IPV6CP, 2, p[1], p + 4, n - 4);
	if (p[0] == 3)
		memcpy(c->interface_id, p + 6, 8);
	memcpy(option + 2, c->interface_id, 8);
	if (p[0] == 1 || p[0] == 3)
		client_code(c, IPV6CP, 1, (uint8_t)(p[1] + 1), option, 10);
}

static inline void client_hear_frame(struct client *c, const uint8_t *f, size_t n)
{
	uint16_t protocol = load_be16(f + 2);
	memcpy(c->kept, f, n);
	c->last = (struct bytes){c->kept, n};
	const uint8_t *p = c->kept + 4;
	uint8_t copy[4096];
	n -= 4;
	memcpy(copy, p, n);
	if (protocol == LCP && p[0] == 1)
		memcpy(c->asked, c->kept, n + 4);
	if (protocol == LCP && !c->is.no_lcp_answer)
		client_lcp(c, copy, n);
	else if (protocol == CHAP && c->is.user)
		client_chap(c, copy, n);
	else if (protocol == EAP && (c->is.user || c->is.certificate))
		client_eap(c, copy, n);
	else if (protocol == IPCP)
		client_ipcp(c, copy, n);
	else if (protocol == IPV6CP)
		client_ipv6cp(c, copy, n);
	else if (protocol == PPP_IPV6 && n >= 88 && copy[40] == 134) {
		c->advertised++;
		memcpy(c->router_at, copy, n);
		c->router = (struct bytes){c->router_at + 40, n - 40};
	}
}

/* The server's stream, a packet at a time. */
static inline void client_take(struct client *c)
{
	while (c->n_pending) {
		uint8_t b[4096];
		size_t n;
		if (!c->answered_http) {
			n = c->n_pending;
			c->answered_http = true;
			memcpy(b, c->pending, n < sizeof b ? n : sizeof b);
			c->n_pending = 0;
			pki_must(!memcmp(b, "HTTP/1.1 200", 12) || c->closed, "HTTP");
			continue;
		}
		pki_must(c->n_pending >= 4 && c->pending[0] == 0x10, "a packet");
		n = load_be16(c->pending + 2);
		pki_must(n >= 4 && n <= c->n_pending, "a whole packet");
		memcpy(b, c->pending, n);
		memmove(c->pending, c->pending + n, c->n_pending - n);
		c->n_pending -= n;
		if (b[1] & 1) {
			c->control[b[5]]++;
			if (b[5] == SSTP_CALL_CONNECT_ACK)
				memcpy(c->nonce, b + 16, 32);
			if (b[5] == SSTP_CALL_DISCONNECT)
				client_message(c, SSTP_CALL_DISCONNECT_ACK, NULL, 0, 0);
		} else if (c->is.echoes && !c->lcp_asked) {
			client_raw(c, b, n);
		} else {
			client_hear_frame(c, b + 4, n - 4);
		}
	}
}

static inline void client_new(struct client *c, struct users *users, struct eap_tls *tls,
			      struct client_manner is)
{
	uint8_t random[SSTP_RANDOM];
	memset(c, 0, sizeof *c);
	c->is = is;
	c->now = 100 * NS_PER_S;
	c->certificate = &world.certificate;
	c->eap_rules = (struct eap_rules){users, tls, "gw"};
	c->rules = (struct sstp_rules){.ppp = {.eap = &c->eap_rules, .lease = client_lease},
				       .certificate = world.certificate,
				       .hashes = SSTP_SHA1 | SSTP_SHA256};
	ip_addr_parse(&c->rules.ppp.own, "10.11.0.1");
	for (unsigned i = 0; i < sizeof random; i++)
		random[i] = (uint8_t)(i * 7 + 3);
	pki_must(!sstp_new(&c->s, &c->rules, c, random, c->now, PKI_NOW), "session");
	if (is.asks) {
		struct ip_addr a;
		ip_addr_parse(&a, is.asks);
		memcpy(c->address, a.b, 4);
	}
}

static inline void client_free(struct client *c)
{
	sstp_free(c->s);
	SSL_free(c->ssl);
	SSL_CTX_free(c->ctx);
}

/* Time passes, and what is due happens. */
static inline void client_wait(struct client *c, uint64_t ns)
{
	uint64_t until = c->now + ns;
	while (!c->closed && sstp_next_deadline(c->s) <= until) {
		uint64_t at = sstp_next_deadline(c->s);
		c->now = at > c->now ? at : c->now;
		sstp_expire(c->s, c->now, &c->e);
		client_absorb(c);
		client_take(c);
	}
	c->now = until;
}

static inline void client_dial(struct client *c)
{
	client_raw(c, CLIENT_REQUEST, strlen(CLIENT_REQUEST));
	client_take(c);
	client_call(c);
	client_take(c);
}

/* As far as the address, by itself. */
static inline void client_log_in(struct client *c)
{
	client_dial(c);
	if (!c->is.late)
		client_ask_lcp(c);
	client_take(c);
}

static inline void client_connect(struct client *c)
{
	client_log_in(c);
	if (c->authenticated && !c->is.no_connected)
		client_connected(c);
	client_take(c);
}

#endif
