/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whole sessions with a client that the test plays, and with clients that do what nobody honest
 * does. Checklist E 28 and 29, item by item.
 */
#include "tests/unit/p2s/client.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static const struct client_manner bob = {.user = "bob", .password = "secret"};

static int set_up(void **state)
{
	(void)state;
	world_begin();
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	world_end();
	return 0;
}

static void is_connected(struct client *c)
{
	if (c->closed || !c->up)
		fail_msg("not connected: %s", c->fault.text);
	assert_true(sstp_is_open(c->s, IP_V4));
	assert_int_equal(c->leases, 1);
	assert_memory_equal(c->address, "\xac\x10\x00\x07", 4);
	assert_int_equal(c->control[SSTP_CALL_ABORT], 0);
}

static void has_ended(struct client *c, const char *why)
{
	client_wait(c, 70 * NS_PER_S);
	assert_true(c->closed);
	assert_false(sstp_is_open(c->s, IP_V4));
	if (!strstr(c->fault.text, why))
		fail_msg("expected '%s' in '%s'", why, c->fault.text);
	client_free(c);
}

/* Nothing else came of it than an abort. */
static void is_aborted(struct client *c, const char *why)
{
	client_take(c);
	assert_int_equal(c->control[SSTP_CALL_ABORT], 1);
	assert_false(c->up);
	has_ended(c, why);
}

/* ---- sessions ---- */

static const uint8_t ping[28] = {0x45, 0, 0, 28, [8] = 64, 1, [12] = 172, 16, 0, 7, 10, 11, 0, 1};

static void carries(struct client *c)
{
	uint8_t head[SSTP_DATA_HEAD];
	client_frame(c, PPP_IP, ping, sizeof ping);
	assert_int_equal(c->packet.len, sizeof ping);
	assert_memory_equal(c->packet.at, ping, sizeof ping);
	sstp_data_begin(head, true, sizeof ping);
	assert_memory_equal(head, "\x10\x00\x00\x24\xff\x03\x00\x21", 8);
}

static void by_a_password(void **state)
{
	static const uint8_t hashes[] = {SSTP_SHA1, SSTP_SHA256};
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct client c;
		client_new(&c, world.users, NULL, bob);
		c.is.hash = hashes[i];
		client_connect(&c);
		is_connected(&c);
		assert_string_equal(sstp_user(c.s), "bob");
		assert_string_equal(sstp_method(c.s), "MS-CHAPv2");
		carries(&c);
		client_free(&c);
	}
}

/* EAP is offered first where certificates are taken, and the client asks for MS-CHAPv2. */
static void by_a_password_where_certificates_are_taken(void **state)
{
	struct client c;
	(void)state;
	client_new(&c, world.users, world.tls, bob);
	client_connect(&c);
	is_connected(&c);
	assert_string_equal(sstp_method(c.s), "MS-CHAPv2");
	client_free(&c);
}

static void by_a_password_in_eap(void **state)
{
	(void)state;
	for (unsigned zero = 0; zero < 2; zero++) {
		struct client c;
		client_new(&c, world.users, world.tls, bob);
		c.is.by_eap = true;
		c.is.zero_key = zero;
		client_connect(&c);
		is_connected(&c);
		assert_string_equal(sstp_method(c.s), "EAP-MSCHAPv2");
		client_free(&c);
	}
}

static void by_a_certificate(void **state)
{
	struct client c;
	(void)state;
	client_new(&c, NULL, world.tls, (struct client_manner){.certificate = &world.alice});
	client_connect(&c);
	is_connected(&c);
	assert_non_null(strstr(sstp_user(c.s), "CN=alice"));
	assert_string_equal(sstp_method(c.s), "EAP-TLS");
	carries(&c);
	client_free(&c);
}

/* pppd before 2.5 has only half of each key (sstp_keys()). */
static void by_a_certificate_and_an_old_pppd(void **state)
{
	struct client c;
	(void)state;
	client_new(&c, NULL, world.tls, (struct client_manner){.certificate = &world.alice});
	c.is.old_pppd = true;
	client_connect(&c);
	is_connected(&c);
	client_free(&c);
}

/* Why is known before the client has heard it. */
static void the_reason_is_known_at_once(void **state)
{
	struct client c;
	(void)state;
	client_new(&c, world.users, NULL, (struct client_manner){.user = "bob", .password = "no"});
	assert_null(sstp_why(c.s));
	client_log_in(&c);
	assert_non_null(sstp_why(c.s));
	assert_non_null(strstr(sstp_why(c.s)->text, "is wrong"));
	client_free(&c);
}

static void whoever_it_is_not(void **state)
{
	struct client c;
	(void)state;
	client_new(&c, world.users, NULL, (struct client_manner){.user = "bob", .password = "no"});
	client_connect(&c);
	assert_true(c.refused);
	assert_int_equal(c.leases, 0);
	has_ended(&c, "the password of user 'bob' is wrong");
	client_new(&c, world.users, NULL, (struct client_manner){.user = "eve", .password = "no"});
	client_connect(&c);
	has_ended(&c, "there is no user 'eve'");
	client_new(&c, NULL, world.tls, (struct client_manner){.certificate = &world.stranger});
	client_connect(&c);
	assert_true(c.refused);
	assert_int_equal(c.leases, 0);
	has_ended(&c, "");
	client_new(&c, NULL, world.tls_revoking,
		   (struct client_manner){.certificate = &world.alice});
	client_connect(&c);
	assert_int_equal(c.leases, 0);
	has_ended(&c, "revoked");
}

static void no_common_authentication(void **state)
{
	static const uint8_t pap[] = {3, 4, 0xc0, 0x23};
	struct client c;
	(void)state;
	client_new(&c, world.users, NULL, bob);
	c.is.no_lcp_answer = true;
	client_log_in(&c);
	for (unsigned i = 0; i < 3; i++) {
		client_code(&c, LCP, 3, c.asked[5], pap, sizeof pap);
		client_take(&c);
	}
	assert_int_equal(c.kept[4], 5); /* Terminate-Request */
	assert_int_equal(c.leases, 0);
	has_ended(&c, "none of our ways");
	/* or refuses to be asked */
	client_new(&c, world.users, NULL, bob);
	c.is.no_lcp_answer = true;
	client_log_in(&c);
	client_code(&c, LCP, 4, c.asked[5], c.asked + 8, 5);
	has_ended(&c, "refuses to authenticate");
}

/* SECURITY E29: an address that is not its own. */
static void addresses(void **state)
{
	struct client c;
	(void)state;
	/* somebody else's */
	client_new(&c, world.users, NULL, bob);
	memcpy(c.address, "\xac\x10\x00\x08", 4);
	client_connect(&c);
	is_connected(&c);
	client_free(&c);
	/* one that is told and not taken, again and again */
	client_new(&c, world.users, NULL, bob);
	client_dial(&c);
	client_ask_lcp(&c);
	for (unsigned i = 0; !c.closed && i < 200; i++) {
		uint8_t wrong[] = {3, 6, 172, 16, 0, (uint8_t)(8 + i % 100)};
		client_code(&c, IPCP, 1, (uint8_t)i, wrong, 6);
		c.n_pending = 0;
		assert_false(sstp_is_open(c.s, IP_V4));
	}
	assert_false(c.up);
	has_ended(&c, "");
	/* none at all: told what it is */
	client_new(&c, world.users, NULL, bob);
	client_log_in(&c);
	client_code(&c, IPCP, 1, 77, NULL, 0);
	client_take(&c);
	assert_memory_equal(c.kept + 4 - 2, "\x80\x21", 2);
	client_free(&c);
	/* the pool is empty */
	client_new(&c, world.users, NULL, bob);
	c.rules.ppp.session_ns = 1;
	client_connect(&c);
	has_ended(&c, "all addresses are taken");
}

/* By MS-CHAPv2 and EAP-MSCHAPv2 together; the right password is not looked at either, from there.
 */
static void guessing_is_damped(void **state)
{
	static const uint8_t salt[GUESSES_SALT] = {7};
	struct client_manner guess = {.user = "bob", .password = "no"}, right = bob;
	struct guesses *guesses;
	struct ip_addr source, other;
	struct client c;
	(void)state;
	ip_addr_parse(&source, "198.51.100.7");
	ip_addr_parse(&other, "198.51.100.8");
	assert_int_equal(guesses_new(&guesses, salt), 0);
	for (unsigned i = 0; i < GUESSES_PAIR; i++) {
		guess.by_eap = i & 1;
		client_new(&c, world.users, NULL, guess);
		c.eap_rules.guesses = guesses;
		sstp_from(c.s, &source);
		client_connect(&c);
		has_ended(&c, "the password of user 'bob' is wrong");
	}
	for (unsigned i = 0; i < 2; i++) {
		right.by_eap = i;
		client_new(&c, world.users, NULL, right);
		c.eap_rules.guesses = guesses;
		sstp_from(c.s, &source);
		client_connect(&c);
		assert_true(c.refused);
		assert_int_equal(c.leases, 0);
		has_ended(&c, "too many wrong passwords from 198.51.100.7");
		client_new(&c, world.users, NULL, right);
		c.eap_rules.guesses = guesses;
		sstp_from(c.s, &other);
		client_connect(&c);
		is_connected(&c);
		client_free(&c);
	}
	assert_int_equal(guesses_count(guesses).failed, GUESSES_PAIR);
	assert_int_equal(guesses_count(guesses).held, 2);
	guesses_free(guesses);
}

static void names(void **state)
{
	struct client c;
	(void)state;
	client_new(&c, world.users, NULL, bob);
	ip_addr_parse(&c.rules.ppp.told.dns[0], "10.11.0.53");
	client_connect(&c);
	is_connected(&c);
	assert_int_equal(c.dns, 0x0a0b0035);
	client_free(&c);
	client_new(&c, world.users, NULL, bob);
	client_connect(&c);
	is_connected(&c);
	assert_int_equal(c.dns, UINT32_MAX);
	client_free(&c);
}

static void ipv6(void **state)
{
	static const uint8_t solicitation[48] = {0x60, [5] = 8,	    58, 255,	  0xfe,
						 0x80, [24] = 0xff, 2,	[39] = 2, 133};
	struct client c;
	(void)state;
	client_new(&c, world.users, NULL, bob);
	c.is.ipv6 = true;
	client_connect(&c);
	is_connected(&c);
	assert_true(sstp_is_open(c.s, IP_V6));
	assert_memory_equal(c.interface_id, "\0\0\0\0\0\0\0\7", 8);
	assert_int_equal(c.advertised, 1);
	client_frame(&c, PPP_IPV6, solicitation, sizeof solicitation);
	client_take(&c);
	assert_int_equal(c.advertised, 2);
	assert_int_equal(c.packet.len, 0);
	assert_int_equal(c.router.len, 16 + 32);
	client_free(&c);
	/* RFC 8106, RFC 4191: a prefix is as long as its length says */
	static const uint8_t told[] = {
		24,   2, 48, 0,	   255, 255, 255, 255, 0xfd, 0, 0, 0x11, 0,   0,   0,	0,
		24,   3, 80, 0,	   255, 255, 255, 255, 0xfd, 0, 0, 0x22, 0,   0,   0,	0,
		0,    1, 0,  0,	   0,	0,   0,	  0,   25,   3, 0, 0,	 255, 255, 255, 255,
		0xfd, 0, 0,  0x11, 0,	0,   0,	  0,   0,    0, 0, 0,	 0,   0,   0,	0x53};
	client_new(&c, world.users, NULL, bob);
	c.is.ipv6 = true;
	c.rules.ppp.told.n_routes6 = 2;
	ip_prefix_parse(&c.rules.ppp.told.routes6[0], "fd00:11::/48");
	ip_prefix_parse(&c.rules.ppp.told.routes6[1], "fd00:22::1:0:0:0/80");
	ip_addr_parse(&c.rules.ppp.told.dns6[0], "fd00:11::53");
	client_connect(&c);
	is_connected(&c);
	assert_int_equal(c.router.len, 16 + 32 + sizeof told);
	assert_memory_equal(c.router.at + 16 + 32, told, sizeof told);
	/* RFC 8200 section 8.1: the sum over the pseudo header and the message is nothing */
	uint32_t sum = (uint32_t)c.router.len + 58;
	for (size_t i = 0; i < 32 + c.router.len; i += 2)
		sum += load_be16(c.router.at - 32 + i);
	assert_int_equal(((sum & 0xffff) + (sum >> 16)) % 0xffff, 0);
	client_free(&c);
	/* where the pool has none it is not there */
	client_new(&c, world.users, NULL, bob);
	client_connect(&c);
	client_code(&c, IPV6CP, 1, 1, "\x01\x0a\0\0\0\0\0\0\0\1", 10);
	client_take(&c);
	assert_int_equal(c.kept[4], 8);
	assert_memory_equal(c.kept + 8, "\x80\x57", 2);
	client_free(&c);
}

/* SECURITY E29. */
static void compression_and_encryption_are_refused(void **state)
{
	struct client c;
	(void)state;
	client_new(&c, world.users, NULL, bob);
	client_connect(&c);
	client_code(&c, CCP, 1, 1, "\x12\x06\x01\x00\x00\x40", 6);
	client_take(&c);
	assert_memory_equal(c.kept, "\xff\x03\xc0\x21\x08", 5);
	assert_memory_equal(c.kept + 8, "\x80\xfd\x01", 3);
	/* and that is said a bounded number of times */
	for (unsigned i = 0; i < 1000; i++) {
		client_code(&c, CCP, 1, 1, NULL, 0);
		c.n_pending = 0;
	}
	assert_int_equal(c.e.len, 0);
	is_connected(&c);
	client_free(&c);
}

/* ---- crypto binding ---- */

/* SECURITY E28: none of another session. */
static void bindings(void **state)
{
	static const struct sstp_certificate other = {{1}, {1}};
	static const uint8_t no_binding[] = {0, 1, 0, 6, 0, 1};
	struct client c;
	(void)state;
	for (unsigned i = 0; i < 6; i++) {
		client_new(&c, world.users, NULL, bob);
		if (i == 3)
			c.rules.hashes = SSTP_SHA256;
		client_log_in(&c);
		assert_true(c.ipcp_up);
		client_frame(&c, PPP_IP, ping, sizeof ping);
		assert_int_equal(c.packet.len, 0);
		if (i == 0)
			c.nonce[31] ^= 1;
		if (i == 1)
			c.certificate = &other;
		if (i == 2)
			c.key[0] ^= 1;
		if (i == 3)
			c.is.hash = SSTP_SHA1;
		if (i == 4)
			c.is.zero_key = true;
		if (i == 5)
			client_message(&c, SSTP_CALL_CONNECTED, no_binding, 6, 1);
		else
			client_connected(&c);
		is_aborted(&c, "crypto binding");
	}
}

/* A certificate's key is never left out. */
static void no_key_with_a_certificate(void **state)
{
	struct client c;
	(void)state;
	client_new(&c, NULL, world.tls, (struct client_manner){.certificate = &world.alice});
	c.is.zero_key = true;
	client_connect(&c);
	is_aborted(&c, "compound MAC");
}

static void connected_too_early(void **state)
{
	struct client c;
	(void)state;
	client_new(&c, world.users, NULL, bob);
	client_dial(&c);
	client_connected(&c);
	is_aborted(&c, "before it has authenticated");
	/* or before it has called */
	client_new(&c, world.users, NULL, bob);
	client_raw(&c, CLIENT_REQUEST, strlen(CLIENT_REQUEST));
	client_take(&c);
	client_connected(&c);
	is_aborted(&c, "out of order");
	/* or twice */
	client_new(&c, world.users, NULL, bob);
	client_connect(&c);
	is_connected(&c);
	c.up = false;
	client_connected(&c);
	is_aborted(&c, "out of order");
}

/* ---- data at the wrong time ---- */

/* SECURITY E28. */
static void data_before_it_may_flow(void **state)
{
	struct client c;
	(void)state;
	/* before the call */
	client_new(&c, world.users, NULL, bob);
	client_raw(&c, CLIENT_REQUEST, strlen(CLIENT_REQUEST));
	client_take(&c);
	client_frame(&c, LCP, "\x01\x01\x00\x04", 4);
	is_aborted(&c, "data before");
	/* before LCP, before authentication: discarded */
	client_new(&c, world.users, NULL, (struct client_manner){0});
	client_dial(&c);
	client_frame(&c, PPP_IP, ping, sizeof ping);
	client_code(&c, IPCP, 1, 1, NULL, 0);
	client_take(&c);
	assert_int_equal(c.packet.len, 0);
	assert_int_equal(c.leases, 0);
	client_free(&c);
	/* between address and Call Connected: dropped and counted */
	client_new(&c, world.users, NULL, bob);
	client_log_in(&c);
	client_frame(&c, PPP_IP, ping, sizeof ping);
	assert_int_equal(c.packet.len, 0);
	assert_int_equal(sstp_early(c.s), 1);
	client_connected(&c);
	carries(&c);
	client_free(&c);
}

/* ---- HTTP ---- */

static void http(void **state)
{
	static const char text[] = CLIENT_REQUEST;
	struct client c;
	(void)state;
	/* a byte a second: what drips is given the same time */
	client_new(&c, world.users, NULL, bob);
	for (size_t n = 1; n < 20 && !c.closed; n++) {
		assert_int_equal(
			sstp_receive(c.s, (struct bytes){(const uint8_t *)text, n}, c.now, &c.e),
			0);
		client_wait(&c, NS_PER_S);
	}
	assert_true(c.closed);
	assert_int_equal(c.now / NS_PER_S, 110);
	has_ended(&c, "no HTTP request came in time");
	/* a browser */
	client_new(&c, world.users, NULL, bob);
	client_raw(&c, "GET / HTTP/1.1\r\n\r\n", 18);
	assert_memory_equal(c.pending, "HTTP/1.1 405", 12);
	c.n_pending = 0;
	has_ended(&c, "405");
	/* no SSTP afterwards */
	client_new(&c, world.users, NULL, bob);
	client_raw(&c, CLIENT_REQUEST "GET / HTTP/1.1", strlen(CLIENT_REQUEST) + 14);
	has_ended(&c, "no SSTP packet");
}

/* ---- messages ---- */

static void calls(void **state)
{
	static const uint8_t other[] = {0, 1, 0, 6, 0, 2}, ppp[] = {0, 1, 0, 6, 0, 1};
	struct client c;
	(void)state;
	client_new(&c, world.users, NULL, bob);
	client_raw(&c, CLIENT_REQUEST, strlen(CLIENT_REQUEST));
	client_take(&c);
	client_message(&c, SSTP_CALL_CONNECT_REQUEST, other, 6, 1);
	client_message(&c, SSTP_CALL_CONNECT_REQUEST, NULL, 0, 0);
	client_message(&c, SSTP_CALL_CONNECT_REQUEST, other, 6, 1);
	client_take(&c);
	assert_int_equal(c.control[SSTP_CALL_CONNECT_NAK], 3);
	client_message(&c, SSTP_CALL_CONNECT_REQUEST, other, 6, 1);
	is_aborted(&c, "no protocol");
	/* twice, or what only a server says, or what nobody says */
	static const uint8_t wrong[] = {1, 2, 3, 7, 10, 0, 255};
	for (unsigned i = 0; i < sizeof wrong; i++) {
		client_new(&c, world.users, NULL, bob);
		client_dial(&c);
		client_message(&c, wrong[i], ppp, 6, 1);
		is_aborted(&c, "out of order");
	}
	/* attributes that are not there */
	client_new(&c, world.users, NULL, bob);
	client_dial(&c);
	client_message(&c, SSTP_ECHO_REQUEST, ppp, 6, 2);
	is_aborted(&c, "malformed");
}

static void ends(void **state)
{
	struct client c;
	struct fault f = {0};
	(void)state;
	client_new(&c, world.users, NULL, bob);
	client_connect(&c);
	client_message(&c, SSTP_CALL_DISCONNECT, NULL, 0, 0);
	client_take(&c);
	assert_int_equal(c.control[SSTP_CALL_DISCONNECT_ACK], 1);
	client_frame(&c, PPP_IP, ping, sizeof ping);
	assert_int_equal(c.packet.len, 0);
	has_ended(&c, "the client ended the session");
	client_new(&c, world.users, NULL, bob);
	client_connect(&c);
	client_message(&c, SSTP_CALL_ABORT, NULL, 0, 0);
	client_take(&c);
	assert_int_equal(c.control[SSTP_CALL_ABORT], 1);
	has_ended(&c, "aborted");
	/* LCP's way */
	client_new(&c, world.users, NULL, bob);
	client_connect(&c);
	client_code(&c, LCP, 5, 9, NULL, 0);
	client_take(&c);
	has_ended(&c, "the client ended the session");
	/* ours */
	client_new(&c, world.users, NULL, bob);
	client_connect(&c);
	fault_set(&f, -ESHUTDOWN, "the gateway stops");
	sstp_close(c.s, &f, c.now, &c.e);
	client_absorb(&c);
	client_take(&c);
	assert_true(c.closed);
	has_ended(&c, "the gateway stops");
}

/* ---- time ---- */

static void negotiation_is_bounded(void **state)
{
	struct client c;
	(void)state;
	client_new(&c, world.users, NULL, bob);
	client_raw(&c, CLIENT_REQUEST, strlen(CLIENT_REQUEST));
	client_take(&c);
	client_wait(&c, 59 * NS_PER_S);
	assert_int_equal(c.control[SSTP_CALL_ABORT], 0);
	client_wait(&c, 2 * NS_PER_S);
	assert_int_equal(c.control[SSTP_CALL_ABORT], 1);
	has_ended(&c, "in time");
	/* with an address, and never connected */
	client_new(&c, world.users, NULL, bob);
	client_log_in(&c);
	client_wait(&c, 61 * NS_PER_S);
	is_aborted(&c, "in time");
	/* silent in LCP */
	client_new(&c, world.users, NULL, bob);
	c.is.no_lcp_answer = c.is.late = true;
	client_log_in(&c);
	has_ended(&c, "does not answer LCP");
	/* silent when asked who it is */
	client_new(&c, world.users, NULL, (struct client_manner){0});
	client_log_in(&c);
	has_ended(&c, "when asked who it is");
}

/* SECURITY E28: whatever waits has an end. */
static void silence_and_idleness(void **state)
{
	struct client c;
	(void)state;
	/* it answers nothing more */
	client_new(&c, world.users, NULL, bob);
	client_connect(&c);
	c.is.no_lcp_answer = true;
	client_wait(&c, 31 * NS_PER_S);
	assert_int_equal(c.kept[4], 9);
	client_wait(&c, 30 * NS_PER_S);
	assert_int_equal(c.control[SSTP_ECHO_REQUEST], 1);
	client_wait(&c, 60 * NS_PER_S);
	assert_int_equal(c.control[SSTP_CALL_ABORT], 1);
	has_ended(&c, "two minutes");
	/* it answers */
	client_new(&c, world.users, NULL, bob);
	client_connect(&c);
	for (unsigned i = 0; i < 100; i++) {
		client_wait(&c, 20 * NS_PER_S);
		client_message(&c, SSTP_ECHO_REQUEST, NULL, 0, 0);
		client_take(&c);
	}
	assert_int_equal(c.control[SSTP_ECHO_RESPONSE], 100);
	is_connected(&c);
	client_free(&c);
	/* but does nothing */
	client_new(&c, world.users, NULL, bob);
	c.rules.ppp.idle_ns = 300 * NS_PER_S;
	client_connect(&c);
	for (unsigned i = 0; i < 20 && !c.closed; i++) {
		if (i < 10)
			carries(&c);
		client_wait(&c, 20 * NS_PER_S);
		client_message(&c, SSTP_ECHO_REQUEST, NULL, 0, 0);
		client_take(&c);
		assert_false(c.closed);
	}
	for (unsigned i = 0; i < 6 && !c.closed; i++) {
		client_message(&c, SSTP_ECHO_REQUEST, NULL, 0, 0);
		client_wait(&c, 20 * NS_PER_S);
	}
	has_ended(&c, "idle");
	/* however much it does */
	client_new(&c, world.users, NULL, bob);
	c.rules.ppp.session_ns = 300 * NS_PER_S;
	client_connect(&c);
	for (unsigned i = 0; i < 20 && !c.closed; i++) {
		carries(&c);
		client_wait(&c, 15 * NS_PER_S - NS_PER_MS);
		assert_false(c.closed);
	}
	client_wait(&c, NS_PER_S);
	has_ended(&c, "time is over");
}

/* ---- LCP as nobody speaks it ---- */

/* A terminal that is not set up yet echoes; the client begins afterwards. */
static void an_echo_in_the_beginning(void **state)
{
	struct client c;
	(void)state;
	client_new(&c, world.users, NULL, bob);
	c.is.echoes = c.is.late = true;
	client_log_in(&c);
	assert_int_equal(c.n_pending, 0);
	client_wait(&c, 5 * NS_PER_S); /* we begin, and hear it again */
	assert_false(c.closed);
	client_ask_lcp(&c);
	client_take(&c);
	client_wait(&c, 7 * NS_PER_S);
	assert_true(c.authenticated);
	client_connected(&c);
	is_connected(&c);
	client_free(&c);
}

/* Our own magic number in other words: it is answered by another one (RFC 1661 section 6.4). */
static void our_magic_number(void **state)
{
	uint8_t option[6] = {5, 6};
	struct client c;
	(void)state;
	client_new(&c, world.users, NULL, bob);
	c.is.no_lcp_answer = true;
	client_log_in(&c);
	memcpy(option + 2, c.asked + 4 + 4 + 5 + 2, 4);
	client_code(&c, LCP, 1, 9, option, 6);
	client_take(&c);
	assert_int_equal(c.kept[4], 3);
	assert_int_equal(c.kept[5], 9);
	assert_memory_not_equal(c.kept + 10, option + 2, 4);
	memset(option + 2, 0, 4);
	client_code(&c, LCP, 1, 10, option, 6);
	client_take(&c);
	assert_int_equal(c.kept[4], 3);
	client_free(&c);
}

/* SECURITY E29. */
static void options_of_length_0_and_1(void **state)
{
	static const uint8_t bad[][4] = {{5, 0, 0, 0}, {5, 1, 0, 0}, {1, 255, 0, 0}, {7, 2, 8, 1}};
	static const uint16_t protocols[] = {LCP, IPCP, IPV6CP};
	(void)state;
	for (unsigned i = 0; i < 4; i++)
		for (unsigned k = 0; k < 3; k++)
			for (uint8_t code = 1; code < 5; code++) {
				struct client c;
				client_new(&c, world.users, NULL, bob);
				c.is.ipv6 = true;
				c.is.no_lcp_answer = protocols[k] == LCP;
				client_log_in(&c);
				client_code(&c, protocols[k], code, c.asked[5], bad[i], 4);
				assert_int_equal(c.n_pending, 0);
				assert_false(c.closed);
				client_free(&c);
			}
}

/* SECURITY E29. Rejects of what we did not ask, of what we must have, without end. */
static void reject_loops(void **state)
{
	static const uint8_t other[] = {1, 4, 5, 0xdc};
	struct client c;
	(void)state;
	client_new(&c, world.users, NULL, bob);
	c.is.no_lcp_answer = true;
	client_log_in(&c);
	unsigned packets = 0;
	for (unsigned i = 0; i < 1000 && !c.closed; i++) {
		client_code(&c, LCP, i % 2 ? 3 : 4, c.asked[5], other, sizeof other);
		packets += c.n_pending > 0;
		client_take(&c);
	}
	assert_in_range(packets, 1, 100);
	has_ended(&c, "does not come to an end");
	/* of the magic number: gone without, and not asked for again */
	client_new(&c, world.users, NULL, bob);
	c.is.no_lcp_answer = true;
	client_log_in(&c);
	client_code(&c, LCP, 4, c.asked[5], c.asked + 4 + 4 + 5, 6);
	client_take(&c);
	assert_int_equal(load_be16(c.asked + 6), 4 + 5);
	client_free(&c);
}

/* SECURITY E29. Answers to another request than the one that waits. */
static void identifiers(void **state)
{
	uint8_t r[64] = {49};
	struct client c;
	(void)state;
	client_new(&c, world.users, NULL, bob);
	c.is.no_lcp_answer = true;
	client_log_in(&c);
	uint8_t options[11], id = c.asked[5];
	memcpy(options, c.asked + 8, 11);
	client_code(&c, LCP, 2, (uint8_t)(id + 1), options, 11);
	client_code(&c, LCP, 2, id, options, 10);
	options[10] ^= 1;
	client_code(&c, LCP, 2, id, options, 11);
	client_take(&c);
	assert_memory_not_equal(c.kept + 2, "\xc2\x23", 2);
	options[10] ^= 1;
	client_code(&c, LCP, 2, id, options, 11);
	c.is.user = NULL;
	client_take(&c);
	assert_memory_equal(c.kept + 2, "\xc2\x23\x01", 3);
	/* CHAP: another one, then an old answer again after the verdict */
	id = c.kept[5];
	c.is.user = "bob";
	client_mschapv2(&c, c.kept + 9, r + 1);
	memcpy(r + 50, "bob", 3);
	client_code(&c, CHAP, 2, (uint8_t)(id + 1), r, 53);
	assert_int_equal(c.leases, 0);
	client_code(&c, CHAP, 2, id, r, 53);
	assert_int_equal(c.leases, 1);
	client_take(&c);
	r[30] ^= 1; /* a wrong one with the same identifier changes nothing */
	client_code(&c, CHAP, 2, id, r, 53);
	assert_int_equal(c.leases, 1);
	assert_false(c.closed);
	client_take(&c);
	assert_true(c.authenticated);
	assert_false(c.refused);
	client_free(&c);
}

/* SECURITY E29. Who is known can't become somebody else. */
static void lcp_again(void **state)
{
	struct client c;
	(void)state;
	client_new(&c, world.users, NULL, bob);
	client_connect(&c);
	is_connected(&c);
	client_ask_lcp(&c);
	client_take(&c);
	assert_false(sstp_is_open(c.s, IP_V4));
	assert_int_equal(c.leases, 1);
	has_ended(&c, "");
	/* while it is asked who it is, LCP may begin again */
	client_new(&c, world.users, NULL, (struct client_manner){0});
	client_log_in(&c);
	c.is = bob;
	client_ask_lcp(&c);
	client_take(&c);
	client_connected(&c);
	is_connected(&c);
	client_free(&c);
}

static void sizes(void **state)
{
	struct client c;
	(void)state;
	client_new(&c, world.users, NULL, bob);
	c.is.mru = 1300;
	client_connect(&c);
	is_connected(&c);
	assert_int_equal(sstp_mtu(c.s), 1300);
	client_free(&c);
	/* ours is what SSTP and the packets of Ethernet allow */
	client_new(&c, world.users, NULL, bob);
	c.is.mru = 4000;
	client_connect(&c);
	assert_int_equal(sstp_mtu(c.s), 1500);
	client_free(&c);
	/* too small: another is suggested */
	client_new(&c, world.users, NULL, bob);
	c.is.mru = 100;
	c.is.no_lcp_answer = true;
	client_log_in(&c);
	assert_int_equal(c.kept[4], 3);
	assert_memory_equal(c.kept + 8, "\x01\x04\x05\xdc", 4);
	client_free(&c);
}

static void codes(void **state)
{
	struct client c;
	(void)state;
	client_new(&c, world.users, NULL, bob);
	client_connect(&c);
	c.is.no_lcp_answer = true;
	client_code(&c, LCP, 9, 5, "\1\2\3\4hello", 9);
	client_take(&c);
	assert_memory_equal(c.kept + 4, "\x0a\x05\x00\x0d", 4);
	assert_memory_equal(c.kept + 12, "hello", 5);
	client_code(&c, LCP, 14, 6, "what", 4);
	client_take(&c);
	assert_int_equal(c.kept[4], 7);
	assert_memory_equal(c.kept + 8, "\x0e\x06\x00\x08what", 8);
	/* lengths of a packet that are not its own */
	static const uint8_t bad[][5] = {
		{9, 1, 0, 0}, {9, 1, 0, 3}, {9, 1, 0, 9}, {9, 1, 255, 255}};
	for (unsigned i = 0; i < 4; i++) {
		client_frame(&c, LCP, bad[i], 4);
		assert_int_equal(c.e.len, 0);
	}
	for (size_t n = 0; n < 4; n++)
		client_frame(&c, LCP, bad[0], n);
	is_connected(&c);
	/* codes and protocols that everybody has */
	client_code(&c, LCP, 8, 7, "\x80\xfd", 2);
	is_connected(&c);
	client_code(&c, LCP, 8, 7, "\xc0\x21", 2);
	client_take(&c);
	has_ended(&c, "rejects protocol 0xc021");
	client_new(&c, world.users, NULL, bob);
	client_connect(&c);
	client_code(&c, LCP, 7, 7, "\x01\x00\x00\x04", 4);
	client_take(&c);
	has_ended(&c, "");
	/* IP is rejected: nothing is left to do */
	client_new(&c, world.users, NULL, bob);
	client_connect(&c);
	client_code(&c, LCP, 8, 7, "\x80\x21", 2);
	client_take(&c);
	has_ended(&c, "no network protocol");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(by_a_password),
		cmocka_unit_test(by_a_password_where_certificates_are_taken),
		cmocka_unit_test(by_a_password_in_eap),
		cmocka_unit_test(by_a_certificate),
		cmocka_unit_test(by_a_certificate_and_an_old_pppd),
		cmocka_unit_test(the_reason_is_known_at_once),
		cmocka_unit_test(whoever_it_is_not),
		cmocka_unit_test(no_common_authentication),
		cmocka_unit_test(addresses),
		cmocka_unit_test(guessing_is_damped),
		cmocka_unit_test(names),
		cmocka_unit_test(ipv6),
		cmocka_unit_test(compression_and_encryption_are_refused),
		cmocka_unit_test(bindings),
		cmocka_unit_test(no_key_with_a_certificate),
		cmocka_unit_test(connected_too_early),
		cmocka_unit_test(data_before_it_may_flow),
		cmocka_unit_test(http),
		cmocka_unit_test(calls),
		cmocka_unit_test(ends),
		cmocka_unit_test(negotiation_is_bounded),
		cmocka_unit_test(silence_and_idleness),
		cmocka_unit_test(an_echo_in_the_beginning),
		cmocka_unit_test(our_magic_number),
		cmocka_unit_test(options_of_length_0_and_1),
		cmocka_unit_test(reject_loops),
		cmocka_unit_test(identifiers),
		cmocka_unit_test(lcp_again),
		cmocka_unit_test(sizes),
		cmocka_unit_test(codes),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
