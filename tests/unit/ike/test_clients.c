/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A gateway and its clients (point-to-site): rounds of EAP in IKE_AUTH, the address that a client
 * is leased, and clients that lie. The client is an engine for IKE_SA_INIT, then this file by its
 * keys.
 */
#include "tests/pki/pki.h"
#include "tests/sim/sim.h"

#include "ike/config_payload.h"
#include "ike/ike_internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define FIRST_CLIENT 5000

static struct {
	struct pki_entity root, own;
	struct credential *credential;
	struct users *users;
	struct eap_rules eap;
	struct ike_clients clients;
	unsigned leases, most;
	struct ike_client last;
	char user[256];
} w;

static int lease(void *owner, const struct ike_client *who, struct ike_lease *out, struct fault *f)
{
	(void)owner;
	if (w.leases == w.most)
		return fault_set(f, -ENOSPC, "no address is left");
	w.last = *who;
	snprintf(w.user, sizeof w.user, "%s", who->user);
	*out = (struct ike_lease){.connection = FIRST_CLIENT + w.leases,
				  .name = "gw/bob",
				  .v4 = ip_addr_v4(0xac10c901u + w.leases)};
	w.leases++;
	return 0;
}

static int set_up(void **state)
{
	struct fault f = {0};
	(void)state;
	w.root = pki_root("root", PKI_P256);
	w.own = pki_gateway(&w.root, PKI_P256, "gw", "DNS:gw.example.org");
	struct bytes chain = pki_pem(&w.own, NULL, NULL), key = pki_key_pem(&w.own, NULL);
	assert_int_equal(credential_new(&w.credential, chain, key, &f), 0);
	pki_drop(chain);
	pki_drop(key);
	assert_int_equal(users_new(&w.users, &f), 0);
	assert_int_equal(
		users_add(w.users, "bob", (struct bytes){(const uint8_t *)"secret", 6}, &f), 0);
	w.eap = (struct eap_rules){.users = w.users, .server = "gw"};
	w.clients = (struct ike_clients){
		.eap = &w.eap, .n_dns = 2, .dns = {ip_addr_v4(0x0a010035)}, .lease = lease};
	/* whoever has no IPv6 address is not told of it */
	ip_addr_parse(&w.clients.dns[1], "fd00:11::53");
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	users_free(w.users);
	credential_free(w.credential);
	pki_free(&w.root);
	pki_free(&w.own);
	return 0;
}

/* ---- the client ---- */

struct talk {
	struct sim *s;
	uint32_t id;	      /* of the next request */
	struct ike_message m; /* the last answer */
	uint8_t plain[4096];
	bool answered;
	uint8_t nt[24], hash[16];
};

/* IKE_SA_INIT is done; node 1 is the gateway. */
static void connect_to(struct talk *t)
{
	memset(t, 0, sizeof *t);
	struct sim *s = t->s = sim_new(1, 2, NULL);
	struct ike_connection a = sim_connection(s, 0, 1), b = sim_connection(s, 1, 0);
	w.leases = 0;
	w.most = 3;
	b.start = IKE_START_RESPOND;
	b.psk.len = 0;
	b.remote = (struct ip_addr){.family = IP_NONE};
	b.remote_id = (struct identity){.kind = IDENTITY_ANY};
	b.credential = w.credential;
	b.clients = &w.clients;
	b.local_ts[0] = sim_ts("10.1.0.0/16");
	b.n_local_ts = 1;
	assert_int_equal(identity_parse(&b.local_id, "gw.example.org"), 0);
	sim_add(s, 0, &a);
	sim_add(s, 1, &b);
	s->hold = true;
	sim_up(s, 0);
	sim_deliver(s, 0);
	sim_deliver(s, 0);
	t->id = 1;
}

static struct ike_sa *ours(const struct talk *t)
{
	return t->s->node[0].ike->all;
}

static void read_answer(struct talk *t, struct bytes b)
{
	struct ike_sa *sa = ours(t);
	struct fault f;
	size_t len;
	assert_int_equal(ike_message_parse(&t->m, b, &f), 0);
	struct ike_message inner = {.h = t->m.h, .sk_first = t->m.sk_first};
	assert_int_equal(
		protect_open(&sa->keys, &sa->chosen, &t->m, t->plain, sizeof t->plain, &len), 0);
	assert_int_equal(ike_message_parse_inner(&inner, (struct bytes){t->plain, len}, &f), 0);
	t->m = inner;
	t->answered = true;
}

static void say(struct talk *t, uint8_t exchange, const struct builder *inner)
{
	struct ike_sa *sa = ours(t);
	struct ike_header h = {.spi_i = sa->spi_i,
			       .spi_r = sa->spi_r,
			       .exchange = exchange,
			       .flags = IKE_FLAG_INITIATOR,
			       .id = t->id++};
	struct sim_node *to = &t->s->node[1];
	uint8_t out[4096], iv[PROTECT_IV_RANDOM] = {0};
	size_t len = 0;
	assert_true(builder_ok(inner));
	assert_int_equal(protect_seal(&sa->keys, &sa->chosen, &h, inner->first,
				      builder_bytes(inner), iv, out, sizeof out, &len),
			 0);
	struct ip_endpoint local = {to->addr, IKE_PORT}, from = {t->s->node[0].addr, IKE_PORT};
	ike_receive(to->ike, &local, &from, (struct bytes){out, len}, t->s->now_ns, &to->effects);
	t->answered = false;
	for (size_t i = 0; i < to->effects.n; i++)
		if (to->effects.at[i].kind == IKE_SEND)
			read_answer(t, to->effects.at[i].datagram);
	sim_apply(to);
}

static void add_wishes(const struct talk *t, struct builder *b)
{
	static const uint8_t cp[] = {1, 0, 0, 0, 0, 1, 0, 0, 0, 3, 0, 0}, nonce[32] = {1};
	static const uint8_t esp[] = {0, 0, 0, 32, 1,	 3,  4, 2,   0xc0, 0, 0, 1, 3, 0, 0, 12,
				      1, 0, 0, 20, 0x80, 14, 0, 128, 0,	   0, 0, 8, 5, 0, 0, 0};
	struct traffic_selector any = sim_ts("0.0.0.0/0");
	(void)t;
	(void)nonce;
	builder_raw(b, PAYLOAD_CP, (struct bytes){cp, sizeof cp});
	builder_raw(b, PAYLOAD_SA, (struct bytes){esp, sizeof esp});
	builder_ts(b, PAYLOAD_TSI, &any, 1);
	builder_ts(b, PAYLOAD_TSR, &any, 1);
}

static struct identity my_id(void)
{
	struct identity id;
	assert_int_equal(identity_parse(&id, "bob@example.org"), 0);
	return id;
}

/* IDi and what is wanted, no AUTH: asks for EAP. */
static void begin(struct talk *t, bool wishes)
{
	uint8_t room[1024];
	struct builder b;
	struct identity id = my_id();
	builder_init(&b, room, sizeof room);
	builder_id(&b, PAYLOAD_IDI, &id);
	if (wishes)
		add_wishes(t, &b);
	builder_raw(&b, PAYLOAD_VENDOR, (struct bytes){(const uint8_t *)"\1\2\3\4", 4});
	builder_raw(&b, PAYLOAD_VENDOR, (struct bytes){(const uint8_t *)"Road Runner 1.2", 15});
	say(t, IKE_AUTH, &b);
}

static void say_eap_of(struct talk *t, uint8_t type, const void *data, size_t n)
{
	uint8_t room[1024],
		eap[256] = {2, t->m.eap.at ? t->m.eap.at[1] : 0, 0, (uint8_t)(n + 5), type};
	struct builder b;
	memcpy(eap + 5, data, n);
	builder_init(&b, room, sizeof room);
	builder_raw(&b, PAYLOAD_EAP, (struct bytes){eap, n + 5});
	say(t, IKE_AUTH, &b);
}

static void say_eap(struct talk *t, const uint8_t *data, size_t n)
{
	say_eap_of(t, 26, data, n);
}

/* Its name is asked for first, since its IKE identity is no user's. */
static void answer_challenge(struct talk *t, const char *password)
{
	assert_int_equal(t->m.eap.at[4], 1);
	say_eap_of(t, 1, "bob", 3);

	static const uint8_t peer[16] = {9};
	const struct mschapv2 *m = users_algorithms(w.users);
	uint8_t r[57] = {2, t->m.eap.at[6], 0, 57, 49};
	const struct mschapv2_exchange x = {t->m.eap.at + 10, peer, {(const uint8_t *)"bob", 3}};
	assert_int_equal(mschapv2_hash(m,
				       (struct bytes){(const uint8_t *)password, strlen(password)},
				       t->hash),
			 0);
	assert_int_equal(mschapv2_response(m, &x, t->hash, t->nt), 0);
	memcpy(r + 5, peer, 16);
	memcpy(r + 29, t->nt, 24);
	memcpy(r + 54, "bob", 3);
	say_eap(t, r, sizeof r);
}

/* Up to EAP-Success. */
static void log_in(struct talk *t, bool wishes)
{
	static const uint8_t heard = 3;
	connect_to(t);
	begin(t, wishes);
	assert_true(t->answered && t->m.auth.at && t->m.n_certs == 1 && t->m.idr.present);
	assert_int_equal(t->m.eap.at[0], 1);
	answer_challenge(t, "secret");
	assert_int_equal(t->m.eap.at[5], 3);
	say_eap(t, &heard, 1);
	assert_int_equal(t->m.eap.at[0], 3);
}

static void say_auth(struct talk *t, const uint8_t key[64])
{
	uint8_t room[1024];
	struct builder b;
	struct identity id = my_id();
	struct secret msk;
	assert_int_equal(secret_set(&msk, key, 64), 0);
	builder_init(&b, room, sizeof room);
	assert_int_equal(proof_add_key_auth(ours(t), &id, &msk, &b), 0);
	say(t, IKE_AUTH, &b);
}

static void true_key(const struct talk *t, uint8_t key[64])
{
	assert_int_equal(mschapv2_msk(users_algorithms(w.users), t->hash, t->nt, key), 0);
}

static void nobody_is_in(struct talk *t)
{
	assert_false(t->s->broken);
	assert_false(t->s->node[1].up);
	assert_int_equal(t->s->node[1].installs, 0);
	assert_int_equal(ike_count(t->s->node[1].ike, IKE_COUNT_ESTABLISHED), 0);
	assert_int_equal(ike_count(t->s->node[1].ike, IKE_COUNT_CHILDREN), 0);
	sim_free(t->s);
}

/* ---- in ---- */

static void comes_in(struct talk *t)
{
	uint8_t key[64];
	log_in(t, true);
	struct ike_id_payload idr = {0};
	struct secret msk;
	true_key(t, key);
	assert_int_equal(secret_set(&msk, key, 64), 0);
	say_auth(t, key);
	assert_true(t->answered && t->m.auth.at);
	struct identity gw;
	uint8_t body[128] = {IDENTITY_FQDN};
	assert_int_equal(identity_parse(&gw, "gw.example.org"), 0);
	memcpy(body + 4, gw.b, gw.len);
	idr.body = (struct bytes){body, 4u + gw.len};
	assert_true(proof_check_key(ours(t), &msk, &idr, &t->m));
}

/*
 * SECURITY C22 (CVE-2023-36672, CVE-2023-35838, CVE-2023-36671): the routes that a client is told
 * are those of the virtual network, neither the gateway's own address nor the network around the
 * client (test_config.c: never one that holds the former). What the client's host makes of routes
 * that its DHCP server tells (CVE-2024-3661), or of IPv6 where it has no address of ours (RFC
 * 7359), is that host's: a gateway can only tell both families, which it does when the pool has
 * them.
 */
static void a_client_with_a_password(void **state)
{
	static const uint8_t reply[] = {2,  0, 0, 0,  0, 1,  0, 4, 172, 16, 201, 1, 0,	 3,   0, 4,
					10, 1, 0, 53, 0, 13, 0, 8, 10,	1,  0,	 0, 255, 255, 0, 0};
	struct traffic_selector ts[4];
	struct ike_status st;
	struct talk t;
	uint8_t n = 0;
	(void)state;
	comes_in(&t);
	assert_int_equal(t.m.cp.len, sizeof reply);
	assert_memory_equal(t.m.cp.at, reply, sizeof reply);
	assert_int_equal(ike_ts_parse(t.m.tsi, ts, &n, 4), 0);
	assert_int_equal(n, 1);
	struct ip_addr mine = ip_addr_v4(0xac10c901);
	assert_true(ip_addr_equal(&ts[0].range.first, &mine) &&
		    ip_addr_equal(&ts[0].range.last, &mine));
	assert_string_equal(w.user, "bob");
	assert_string_equal(w.last.method, "EAP-MSCHAPv2");
	assert_int_equal(ike_status(t.s->node[1].ike, FIRST_CLIENT, &st), 0);
	assert_int_equal(st.state, IKE_STATE_ESTABLISHED);
	assert_string_equal(st.user, "bob");
	assert_string_equal(st.program, "Road Runner 1.2");
	assert_int_equal(t.s->node[1].installs, 1);
	/* it leaves */
	uint8_t room[256];
	struct builder b;
	builder_init(&b, room, sizeof room);
	builder_delete_ike(&b);
	say(&t, IKE_INFORMATIONAL, &b);
	t.s->hold = false;
	sim_run(t.s, t.s->now_ns + 90 * NS_PER_S);
	assert_int_equal(t.s->node[1].gone, 1);
	assert_int_equal(ike_status(t.s->node[1].ike, FIRST_CLIENT, &st), -ENOENT);
	assert_int_equal(sim_installed(&t.s->node[1]), 0);
	sim_free(t.s);
}

/* ike_remove of the template, ike_free with a client in it: nothing is left (ASan) */
static void the_gateway_goes(void **state)
{
	struct talk t;
	(void)state;
	comes_in(&t);
	struct sim_node *gw = &t.s->node[1];
	uint32_t template = gw->ike->connections->cfg.id;
	ike_remove(gw->ike, template, t.s->now_ns, &gw->effects);
	sim_apply(gw);
	assert_int_equal(gw->gone, 1);
	assert_null(gw->ike->connections);
	sim_free(t.s);
	comes_in(&t);
	sim_free(t.s);
	/* in the middle of EAP */
	connect_to(&t);
	begin(&t, true);
	sim_free(t.s);
}

static void no_address_is_left(void **state)
{
	struct talk t;
	uint8_t key[64];
	(void)state;
	log_in(&t, true);
	w.most = 0;
	true_key(&t, key);
	say_auth(&t, key);
	assert_non_null(ike_message_notify(&t.m, NOTIFY_INTERNAL_ADDRESS_FAILURE));
	nobody_is_in(&t);
	log_in(&t, false);
	true_key(&t, key);
	say_auth(&t, key);
	assert_non_null(ike_message_notify(&t.m, NOTIFY_FAILED_CP_REQUIRED));
	nobody_is_in(&t);
}

/* ---- who it says it is ---- */

static void programs(void **state)
{
	static uint8_t windows[20] = {0x1e, 0x2b, 0x51, 0x69, 0x05, 0x99, 0x1c, 0x7d, 0x7c, 0x96,
				      0xfc, 0xbf, 0xb5, 0x87, 0xe4, 0x61, 0,	0,    0,    9};
	static uint8_t swan[16] = {0x88, 0x2f, 0xe5, 0x6d, 0x6f, 0xd2, 0x0d, 0xbc,
				   0x22, 0x51, 0x61, 0x3b, 0x2e, 0xbe, 0x5b, 0xeb};
	static uint8_t huge[500];
	memset(huge, 'x', sizeof huge);
	const struct {
		struct bytes id;
		const char *program;
	} rows[] = {
		{{windows, 20}, "Windows, its IKE version 9"},
		{{windows, 16}, ""},
		{{swan, 16}, "strongSwan"},
		{{(const uint8_t *)"OE-Libreswan-4.10", 17}, "OE-Libreswan-4.10"},
		{{(const uint8_t *)"a\033[2Jb", 6}, ""},
		{{(const uint8_t *)"\xc3\xa4\xc3\xb6", 4}, ""},
		{{(const uint8_t *)"abc", 3}, ""},
		{{NULL, 0}, ""},
	};
	(void)state;
	for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct ike_message m = {.n_vendors = 1, .vendors = {rows[i].id}};
		char program[IKE_PROGRAM] = "";
		vendors_take(&m, program);
		assert_string_equal(program, rows[i].program);
	}
	/* more than are kept, longer than is shown; the first one counts */
	struct ike_message m = {.n_vendors = LIMIT_VENDORS + 5};
	char program[IKE_PROGRAM] = "";
	vendors_take(&m, program);
	assert_string_equal(program, "");
	m.vendors[3] = (struct bytes){huge, sizeof huge};
	m.vendors[4] = (struct bytes){swan, 16};
	vendors_take(&m, program);
	assert_int_equal(strlen(program), IKE_PROGRAM - 1);
	vendors_take(&m, program);
	assert_int_equal(program[0], 'x');
}

/* ---- liars ---- */

/* One who guesses is not listened to, with the right password neither. */
static void guesses(void **state)
{
	static const uint8_t salt[GUESSES_SALT] = {3}, heard = 4;
	struct guesses *g;
	struct talk t;
	(void)state;
	assert_int_equal(guesses_new(&g, salt), 0);
	w.eap.guesses = g;
	for (unsigned i = 0; i <= GUESSES_PAIR; i++) {
		connect_to(&t);
		begin(&t, true);
		answer_challenge(&t, i < GUESSES_PAIR ? "Secret" : "secret");
		assert_int_equal(t.m.eap.at[5], 4);
		say_eap(&t, &heard, 1);
		assert_int_equal(t.m.eap.at[0], 4);
		nobody_is_in(&t);
	}
	assert_int_equal(guesses_count(g).failed, GUESSES_PAIR);
	assert_int_equal(guesses_count(g).held, 1);
	w.eap.guesses = NULL;
	guesses_free(g);
}

static void wrong_password(void **state)
{
	static const uint8_t heard = 4;
	struct talk t;
	uint8_t key[64];
	(void)state;
	connect_to(&t);
	begin(&t, true);
	answer_challenge(&t, "Secret");
	assert_int_equal(t.m.eap.at[5], 4);
	say_eap(&t, &heard, 1);
	assert_int_equal(t.m.eap.at[0], 4);
	true_key(&t, key);
	say_auth(&t, key);
	assert_false(t.answered);
	nobody_is_in(&t);
}

/* SECURITY B10 (CVE-2021-45079, CVE-2015-8023): AUTH before EAP ended, by any key */
static void auth_too_early(void **state)
{
	static const uint8_t success = 3;
	uint8_t key[64] = {0};
	struct talk t;
	(void)state;
	for (unsigned after = 0; after < 3; after++) {
		connect_to(&t);
		begin(&t, true);
		if (after == 1)
			answer_challenge(&t, "secret"); /* success was said, not heard */
		if (after == 1)
			true_key(&t, key);
		if (after == 2) {
			say_eap(&t, &success, 1);
			assert_int_equal(t.m.eap.at[0], 4);
		}
		say_auth(&t, key);
		assert_false(t.answered && t.m.auth.at);
		nobody_is_in(&t);
	}
}

static void auth_by_another_key(void **state)
{
	uint8_t key[64];
	struct talk t;
	(void)state;
	for (unsigned kind = 0; kind < 2; kind++) {
		log_in(&t, true);
		true_key(&t, key);
		if (kind)
			memset(key, 0, sizeof key);
		else
			key[63] ^= 1; /* of zeros, but part of the key */
		say_auth(&t, key);
		assert_non_null(ike_message_notify(&t.m, NOTIFY_AUTHENTICATION_FAILED));
		nobody_is_in(&t);
	}
}

/* Other exchanges between the rounds, and rounds that say nothing */
static void out_of_order(void **state)
{
	static const uint8_t types[] = {IKE_CREATE_CHILD_SA, IKE_INFORMATIONAL, IKE_AUTH,
					IKE_INTERMEDIATE};
	(void)state;
	for (unsigned i = 0; i < sizeof types; i++) {
		struct talk t;
		uint8_t room[1024];
		struct builder b;
		connect_to(&t);
		begin(&t, true);
		builder_init(&b, room, sizeof room);
		if (types[i] == IKE_AUTH) {
			struct identity id = my_id();
			builder_id(&b, PAYLOAD_IDI, &id);
		}
		say(&t, types[i], &b);
		nobody_is_in(&t);
	}
}

static void any_eap_message(void **state)
{
	struct talk t;
	(void)state;
	for (size_t n = 0; n < 12; n++) {
		static const uint8_t data[12] = {2, 1, 0, 12, 49};
		uint8_t room[256];
		struct builder b;
		connect_to(&t);
		begin(&t, true);
		builder_init(&b, room, sizeof room);
		builder_raw(&b, PAYLOAD_EAP, (struct bytes){data, n});
		say(&t, IKE_AUTH, &b);
		nobody_is_in(&t);
	}
}

/* RFC 7296 section 2.21.2: the client does not believe our AUTH. */
static void the_client_does_not_believe_us(void **state)
{
	uint8_t room[64];
	struct builder b;
	struct talk t;
	(void)state;
	comes_in(&t);
	builder_init(&b, room, sizeof room);
	builder_notify(&b, NOTIFY_AUTHENTICATION_FAILED, (struct bytes){NULL, 0});
	say(&t, IKE_INFORMATIONAL, &b);
	assert_true(t.answered);
	assert_int_equal(t.s->node[1].gone, 1);
	assert_int_equal(sim_installed(&t.s->node[1]), 0);
	sim_free(t.s);
}

/* SECURITY D26: rounds of EAP that nobody goes on with are bounded. */
static void many_who_only_begin(void **state)
{
	struct talk t;
	(void)state;
	connect_to(&t);
	t.s->node[1].ike->n_eap = LIMIT_EAP;
	begin(&t, true);
	assert_false(t.answered);
	assert_int_equal(ike_count(t.s->node[1].ike, IKE_COUNT_HALF_OPEN_FULL), 1);
	t.s->node[1].ike->n_eap = 0;
	nobody_is_in(&t);
	/* and forgotten after a while */
	connect_to(&t);
	begin(&t, true);
	assert_int_equal(t.s->node[1].ike->n_eap, 1);
	t.s->now_ns += 2 * LIMIT_HALF_OPEN_NS;
	ike_expire(t.s->node[1].ike, t.s->now_ns, &t.s->node[1].effects);
	sim_apply(&t.s->node[1]);
	assert_int_equal(t.s->node[1].ike->n_eap, 0);
	nobody_is_in(&t);
}

/* ---- configuration payloads ---- */

static void requests(void **state)
{
	static const uint8_t good[] = {1, 0, 0, 0, 0, 1, 0, 4,	172, 16,
				       0, 9, 0, 8, 0, 0, 0, 25, 0,   0};
	struct config_request r;
	(void)state;
	assert_int_equal(config_request_parse(&r, (struct bytes){good, sizeof good}), 0);
	assert_true(r.v4 && r.v6 && r.want4.family == IP_V4 && r.want4.b[3] == 9 &&
		    !r.want6.family);
	for (size_t n = 0; n < sizeof good; n++) {
		bool whole = n == 4 || n == 12 || n == 16;
		int err = config_request_parse(&r, (struct bytes){good, n});
		assert_int_equal(err, whole ? 0 : -EPROTO);
	}
	uint8_t b[sizeof good];
	memcpy(b, good, sizeof b);
	b[0] = 3;
	assert_int_equal(config_request_parse(&r, (struct bytes){b, sizeof b}), -ENOENT);
	b[0] = 1;
	b[7] = 3;
	assert_int_equal(config_request_parse(&r, (struct bytes){b, sizeof b}), -EPROTO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_client_with_a_password),
		cmocka_unit_test(the_gateway_goes),
		cmocka_unit_test(no_address_is_left),
		cmocka_unit_test(programs),
		cmocka_unit_test(guesses),
		cmocka_unit_test(wrong_password),
		cmocka_unit_test(auth_too_early),
		cmocka_unit_test(auth_by_another_key),
		cmocka_unit_test(out_of_order),
		cmocka_unit_test(any_eap_message),
		cmocka_unit_test(the_client_does_not_believe_us),
		cmocka_unit_test(many_who_only_begin),
		cmocka_unit_test(requests),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
