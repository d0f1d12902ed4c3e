/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ESP there and back: every algorithm, encapsulation, family and size; both back ends byte for
 * byte; sizes against what esp_outer_size and esp_inner_mtu promise; headers as the RFCs want them.
 */
#include "rig.h"

#include "esp/sa.h"

#define BURST 48

static const struct esp_backend *backend_of[2];
static unsigned n_backends;

static uint8_t buffer[2][BURST][RIG_PACKET];

struct pair {
	struct child_sa a, b;
	struct esp_sa *sender, *receiver;
};

static void pair_open(struct pair *p, const struct rig_shape *s, const struct esp_backend *out,
		      const struct esp_backend *in)
{
	p->a = rig_child(s);
	p->b = rig_mirror(&p->a);
	p->sender = rig_sa(&p->a, out);
	p->receiver = rig_sa(&p->b, in);
}

static void pair_close(struct pair *p)
{
	esp_sa_free(p->sender);
	esp_sa_free(p->receiver);
}

static struct rig_shape shape_of(unsigned algorithm, unsigned bits)
{
	return (struct rig_shape){.e = rig_algorithms[algorithm].e,
				  .a = rig_algorithms[algorithm].a,
				  .esn = bits & 1,
				  .udp = bits & 2,
				  .outer6 = bits & 4};
}

/* A burst of random sizes and families through the pair; what comes out is what went in. */
static void burst_through(const struct rig_shape *s, unsigned n, uint64_t seed)
{
	static uint8_t plain[BURST][RIG_ROOM];
	struct esp_packet p[BURST], q[2][BURST];
	uint32_t len[BURST];
	struct pair pair;
	for (unsigned b = 0; b < n_backends; b++) {
		struct esp_crypto *c = rig_crypto(backend_of[b]);
		uint64_t state = seed;
		pair_open(&pair, s, backend_of[b], backend_of[b]);
		for (unsigned i = 0; i < n; i++) {
			unsigned family = rig_random(&state) & 1 ? 4 : 6;
			len[i] = (uint32_t)(40 + rig_random(&state) % 1500);
			rig_inner(plain[i], len[i], family, &state);
			memcpy(buffer[b][i] + RIG_FRONT, plain[i], len[i]);
			p[i] = rig_packet(pair.sender, buffer[b][i], len[i]);
		}
		esp_encrypt(c, p, n);
		for (unsigned i = 0; i < n; i++) {
			assert_int_equal(p[i].drop, XGW_DROP_NONE);
			assert_int_equal(p[i].len, esp_outer_size(pair.sender, len[i]));
			assert_ptr_equal(p[i].at - p[i].headroom, buffer[b][i]);
			assert_int_equal(p[i].headroom + p[i].len + p[i].tailroom, RIG_PACKET);
			q[b][i] = p[i];
			if (b) { /* both back ends, byte for byte */
				assert_int_equal(q[0][i].len, p[i].len);
				assert_ptr_equal(q[0][i].at - buffer[0][i],
						 (void *)(p[i].at - buffer[1][i]));
				assert_memory_equal(q[0][i].at, p[i].at, p[i].len);
			}
		}
		backend_of[b]->context_free(c);
		pair_close(&pair);
	}
	for (unsigned b = 0; b < n_backends; b++) {
		struct esp_crypto *c = rig_crypto(backend_of[b]);
		pair_open(&pair, s, backend_of[b], backend_of[b]);
		for (unsigned i = 0; i < n; i++) {
			q[b][i].sa = pair.receiver;
			q[b][i].esp = rig_esp_offset(&pair.a);
		}
		esp_decrypt(c, q[b], n);
		for (unsigned i = 0; i < n; i++) {
			assert_int_equal(q[b][i].drop, XGW_DROP_NONE);
			assert_int_equal(q[b][i].len, len[i]);
			assert_int_equal(q[b][i].family, plain[i][0] >> 4);
			assert_memory_equal(q[b][i].at, plain[i], len[i]);
			assert_int_equal(q[b][i].headroom + len[i] + q[b][i].tailroom, RIG_PACKET);
		}
		struct esp_counters count;
		esp_sa_counters(pair.receiver, &count);
		assert_int_equal(count.packets_in, n);
		assert_int_equal(count.auth_failed + count.replayed + count.selector, 0);
		backend_of[b]->context_free(c);
		pair_close(&pair);
	}
}

static void test_every_shape(void **state)
{
	(void)state;
	for (unsigned a = 0; a < RIG_ALGORITHMS; a++)
		for (unsigned bits = 0; bits < 8; bits++) {
			struct rig_shape s = shape_of(a, bits);
			burst_through(&s, BURST, a * 8 + bits);
			burst_through(&s, 1, a * 8 + bits + 1000);
		}
}

/* Both ends just below the edge of a subspace; the same numbers on both sides of it. */
static void test_esn_edge(void **state)
{
	static const struct rig_shape s = {ENCR_AES_GCM16_256, AUTH_NONE, true, false, false};
	struct pair pair;
	struct esp_packet p[BURST];
	(void)state;
	for (unsigned b = 0; b < n_backends; b++) {
		struct esp_crypto *c = rig_crypto(backend_of[b]);
		uint64_t seed = 1, start = (1ull << 32) - 20;
		pair_open(&pair, &s, backend_of[b], backend_of[b]);
		atomic_store(&pair.sender->out.sequence, start);
		pair.receiver->in.replay.top = start;
		for (unsigned i = 0; i < BURST; i++) {
			rig_inner(buffer[0][i] + RIG_FRONT, 100, 4, &seed);
			p[i] = rig_packet(pair.sender, buffer[0][i], 100);
		}
		esp_encrypt(c, p, BURST);
		assert_int_equal(load_be32(p[19].at + 24), 0);
		assert_int_equal(load_be64(p[19].at + 28), 1ull << 32); /* the IV */
		for (unsigned i = 0; i < BURST; i++) {
			p[i].sa = pair.receiver;
			p[i].esp = 20;
		}
		struct esp_packet late = p[5]; /* arrives after the edge */
		esp_decrypt(c, p, 5);
		esp_decrypt(c, p + 6, BURST - 6);
		esp_decrypt(c, &late, 1);
		for (unsigned i = 0; i < BURST; i++)
			assert_int_equal((i == 5 ? &late : &p[i])->drop, XGW_DROP_NONE);
		for (unsigned i = 0; i < BURST; i++)
			assert_int_equal((i == 5 ? &late : &p[i])->newest, i != 5);
		backend_of[b]->context_free(c);
		pair_close(&pair);
	}
}

/* SECURITY C21: numbers end and never wrap: without ESN at 2^32 - 1, with it at 2^64 - 1. */
static void test_numbers_end(void **state)
{
	struct esp_packet p[6];
	(void)state;
	for (int esn = 0; esn < 2; esn++) {
		struct rig_shape s = {ENCR_AES_GCM16_128, AUTH_NONE, esn, false, false};
		struct esp_crypto *c = rig_crypto(&esp_backend_openssl);
		uint64_t seed = 1, last = esn ? UINT64_MAX : UINT32_MAX;
		struct pair pair;
		pair_open(&pair, &s, &esp_backend_openssl, &esp_backend_openssl);
		atomic_store(&pair.sender->out.sequence, last - 4);
		for (unsigned round = 0; round < 2; round++) {
			for (unsigned i = 0; i < 6; i++) {
				rig_inner(buffer[0][i] + RIG_FRONT, 100, 4, &seed);
				p[i] = rig_packet(pair.sender, buffer[0][i], 100);
			}
			esp_encrypt(c, p, 6);
			for (unsigned i = 0; i < 6; i++)
				assert_int_equal(p[i].drop, round || i >= 4 ? XGW_DROP_SEQUENCE
									    : XGW_DROP_NONE);
		}
		assert_int_equal(atomic_load(&pair.sender->out.sequence), last);
		assert_true(esp_sa_take_soft_expiry(pair.sender));
		esp_backend_openssl.context_free(c);
		pair_close(&pair);
	}
}

/* With a quarter of the numbers left, each end says once that the SA has to be replaced. */
static void test_numbers_run_low(void **state)
{
	struct esp_packet p;
	(void)state;
	for (int esn = 0; esn < 2; esn++) {
		struct rig_shape s = {ENCR_AES_GCM16_128, AUTH_NONE, esn, false, false};
		struct esp_crypto *c = rig_crypto(&esp_backend_openssl);
		uint64_t seed = 1, soft = esn ? 3ull << 62 : 3ull << 30;
		struct pair pair;
		pair_open(&pair, &s, &esp_backend_openssl, &esp_backend_openssl);
		atomic_store(&pair.sender->out.sequence, soft - 4);
		pair.receiver->in.replay.top = soft - 4;
		for (unsigned i = 0; i < 6; i++) {
			rig_inner(buffer[0][0] + RIG_FRONT, 100, 4, &seed);
			p = rig_packet(pair.sender, buffer[0][0], 100);
			esp_encrypt(c, &p, 1);
			assert_int_equal(p.drop, XGW_DROP_NONE);
			assert_int_equal(esp_sa_take_soft_expiry(pair.sender), i == 3);
			p.sa = pair.receiver;
			p.esp = 20;
			esp_decrypt(c, &p, 1);
			assert_int_equal(p.drop, XGW_DROP_NONE);
			assert_int_equal(esp_sa_take_soft_expiry(pair.receiver), i == 3);
		}
		esp_backend_openssl.context_free(c);
		pair_close(&pair);
	}
}

/* The UDP source port of a packet of UDP from `port`. */
static uint16_t port_of_flow(struct esp_sa *sa, struct esp_crypto *c, unsigned family,
			     uint16_t port, uint16_t fragment)
{
	uint64_t seed = 1;
	uint32_t head = family == 4 ? 20 : 40;
	uint8_t *ip = buffer[0][0] + RIG_FRONT;
	rig_inner(ip, 100, family, &seed);
	ip[family == 4 ? 9 : 6] = 17;
	if (family == 4)
		store_be16(ip + 6, fragment);
	store_be16(ip + head, port);
	struct esp_packet p = rig_packet(sa, buffer[0][0], 100);
	esp_encrypt(c, &p, 1);
	assert_int_equal(p.drop, XGW_DROP_NONE);
	const uint8_t *udp = p.at + (p.family == 4 ? 20 : 40);
	assert_int_equal(load_be16(udp + 2), 4500);
	assert_int_equal(load_be16(udp + 4), p.len - (udp - p.at));
	return load_be16(udp);
}

/* A flow keeps its port, others have others, all of the dynamic ones; fragments go together. */
static void test_flow_ports(void **state)
{
	(void)state;
	for (unsigned bits = 0; bits < 4 * n_backends; bits++) {
		struct rig_shape s = {ENCR_AES_GCM16_128, AUTH_NONE, false, true, bits & 1};
		unsigned family = bits & 2 ? 6 : 4, others = 0;
		const struct esp_backend *b = backend_of[bits / 4];
		struct child_sa child = rig_child(&s);
		struct esp_sa *plain = rig_sa(&child, b);
		child.port_entropy = true;
		struct esp_sa *sa = rig_sa(&child, b);
		struct esp_crypto *c = rig_crypto(b);
		uint16_t first = port_of_flow(sa, c, family, 1000, 0);
		for (uint16_t port = 1000; port < 1064; port++) {
			uint16_t now = port_of_flow(sa, c, family, port, 0);
			assert_in_range(now, ESP_FLOW_PORTS, UINT16_MAX);
			assert_int_equal(now, port_of_flow(sa, c, family, port, 0));
			assert_int_equal(port_of_flow(plain, c, family, port, 0), 4500);
			others += now != first;
			if (family == 4)
				assert_int_equal(port_of_flow(sa, c, 4, port, 0x2000),
						 port_of_flow(sa, c, 4, 1000, 0x2001));
		}
		assert_in_range(others, 56, 63);
		b->context_free(c);
		esp_sa_free(plain);
		esp_sa_free(sa);
	}
}

/* DF, DSCP, ECN, TTL, identification, lengths and checksums of the outer headers. */
static void test_outer_header(void **state)
{
	(void)state;
	for (unsigned bits = 0; bits < 32; bits++) {
		bool udp = bits & 1, outer6 = bits & 2, inner6 = bits & 4, df = bits & 8;
		struct rig_shape s = {ENCR_AES_GCM16_128, AUTH_NONE, false, udp, outer6};
		struct esp_crypto *c = rig_crypto(&esp_backend_openssl);
		struct child_sa child = rig_child(&s);
		struct esp_sa_options o = {.backend = &esp_backend_openssl,
					   .dscp_copy = bits & 16 ? 1 : 0};
		struct esp_sa *sa;
		struct fault f;
		uint64_t seed = 1;
		uint8_t *ip = buffer[0][0] + RIG_FRONT;
		assert_int_equal(esp_sa_new(&sa, &child, &o, &f), 0);
		atomic_store(&sa->out.sequence, 0x12345677);
		rig_inner(ip, 100, inner6 ? 6 : 4, &seed);
		if (inner6)
			store_be16(ip, 0x6b93); /* traffic class 0xb9 */
		else
			ip[1] = 0xb9;
		ip[6] = inner6 ? ip[6] : df ? 0x40 : 0;
		struct esp_packet p = rig_packet(sa, buffer[0][0], 100);
		esp_encrypt(c, &p, 1);
		assert_int_equal(p.drop, XGW_DROP_NONE);
		unsigned tos = bits & 16 ? 0xb9 : 0x01, head = outer6 ? 40 : 20;
		const uint8_t *h = p.at;
		if (outer6) {
			assert_int_equal(load_be32(h) & ~0xfffffu, 0x60000000u | tos << 20);
			assert_int_equal(load_be16(h + 4), p.len - 40);
			assert_int_equal(h[6], udp ? 17 : 50);
			assert_int_equal(h[7], 64);
			assert_memory_equal(h + 8, child.local.addr.b, 16);
			assert_memory_equal(h + 24, child.remote.addr.b, 16);
		} else {
			bool whole = df || inner6;
			assert_int_equal(h[0], 0x45);
			assert_int_equal(h[1], tos);
			assert_int_equal(load_be16(h + 2), p.len);
			assert_int_equal(load_be16(h + 4), whole ? 0 : 0x5678);
			assert_int_equal(load_be16(h + 6), whole ? 0x4000 : 0);
			assert_int_equal(h[8], 64);
			assert_int_equal(h[9], udp ? 17 : 50);
			assert_int_equal(checksum_fold(checksum_add(0, h, 20)), 0xffff);
			assert_memory_equal(h + 12, child.local.addr.b, 4);
			assert_memory_equal(h + 16, child.remote.addr.b, 4);
		}
		if (udp) {
			assert_int_equal(load_be32(h + head), 4500u << 16 | 4500);
			assert_int_equal(load_be16(h + head + 4), p.len - head);
			if (outer6)
				assert_int_equal(checksum_fold(checksum_add(
							 checksum_add(17 + p.len - 40, h + 8, 32),
							 h + 40, p.len - 40)),
						 0xffff);
			else
				assert_int_equal(load_be16(h + 26), 0);
			head += 8;
		}
		assert_int_equal(load_be32(h + head), child.spi_out);
		assert_int_equal(load_be32(h + head + 4), 0x12345678);
		assert_int_equal(load_be64(h + head + 8), 0x12345678);
		esp_sa_free(sa);
		esp_backend_openssl.context_free(c);
	}
}

/* esp_inner_mtu is exact: that much fits, one byte more does not; proved by encrypting. */
static void test_inner_mtu(void **state)
{
	static uint8_t room[RIG_PACKET];
	(void)state;
	for (unsigned a = 0; a < RIG_ALGORITHMS; a++)
		for (unsigned bits = 0; bits < 8; bits++) {
			struct rig_shape s = shape_of(a, bits);
			struct esp_crypto *c = rig_crypto(&esp_backend_openssl);
			struct child_sa child = rig_child(&s);
			struct esp_sa *sa = rig_sa(&child, &esp_backend_openssl);
			assert_int_equal(esp_inner_mtu(sa, 40), 0);
			for (uint32_t mtu = 1280; mtu < 1312; mtu++) {
				uint32_t inner = esp_inner_mtu(sa, mtu);
				for (uint32_t over = 0; over < 2; over++) {
					uint64_t seed = 1;
					rig_inner(room + RIG_FRONT, inner + over, 4, &seed);
					struct esp_packet p = rig_packet(sa, room, inner + over);
					esp_encrypt(c, &p, 1);
					assert_int_equal(p.drop, XGW_DROP_NONE);
					assert_int_equal(p.len > mtu, over);
					assert_int_equal(p.len, esp_outer_size(sa, inner + over));
				}
			}
			esp_sa_free(sa);
			esp_backend_openssl.context_free(c);
		}
}

/* Two senders' and two receivers' packets in one burst, in a random mix of algorithms and families.
 */
static void test_mixed_burst(void **state)
{
	struct pair pair[RIG_ALGORITHMS];
	static uint8_t plain[BURST][RIG_ROOM];
	struct esp_packet p[BURST];
	uint32_t len[BURST];
	uint64_t seed = 3;
	(void)state;
	for (unsigned b = 0; b < n_backends; b++) {
		struct esp_crypto *c = rig_crypto(backend_of[b]);
		for (unsigned a = 0; a < RIG_ALGORITHMS; a++) {
			struct rig_shape s = shape_of(a, a);
			pair_open(&pair[a], &s, backend_of[b], backend_of[b]);
		}
		for (unsigned round = 0; round < 50; round++) {
			unsigned with[BURST];
			for (unsigned i = 0; i < BURST; i++) {
				with[i] = (unsigned)(rig_random(&seed) % RIG_ALGORITHMS);
				len[i] = (uint32_t)(40 + rig_random(&seed) % 600);
				rig_inner(plain[i], len[i], i & 1 ? 4 : 6, &seed);
				memcpy(buffer[0][i] + RIG_FRONT, plain[i], len[i]);
				p[i] = rig_packet(pair[with[i]].sender, buffer[0][i], len[i]);
			}
			esp_encrypt(c, p, BURST);
			for (unsigned i = 0; i < BURST; i++) {
				assert_int_equal(p[i].drop, XGW_DROP_NONE);
				p[i].sa = pair[with[i]].receiver;
				p[i].esp = rig_esp_offset(&pair[with[i]].a);
			}
			esp_decrypt(c, p, BURST);
			for (unsigned i = 0; i < BURST; i++) {
				assert_int_equal(p[i].drop, XGW_DROP_NONE);
				assert_int_equal(p[i].len, len[i]);
				assert_memory_equal(p[i].at, plain[i], len[i]);
			}
		}
		for (unsigned a = 0; a < RIG_ALGORITHMS; a++)
			pair_close(&pair[a]);
		backend_of[b]->context_free(c);
	}
}

int main(void)
{
	backend_of[n_backends++] = &esp_backend_openssl;
	if (esp_backend_ipsec_mb.available())
		backend_of[n_backends++] = &esp_backend_ipsec_mb;
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_shape),	cmocka_unit_test(test_esn_edge),
		cmocka_unit_test(test_numbers_run_low), cmocka_unit_test(test_numbers_end),
		cmocka_unit_test(test_flow_ports),	cmocka_unit_test(test_outer_header),
		cmocka_unit_test(test_inner_mtu),	cmocka_unit_test(test_mixed_burst),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
