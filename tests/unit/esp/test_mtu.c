/* SPDX-License-Identifier: Apache-2.0 */
/* Sizes of a tunnel against what encryption makes, and what routers tell of its path. */
#include "rig.h"

static uint8_t buffer[RIG_PACKET];

static uint32_t encrypted(struct esp_crypto *crypto, struct esp_sa *sa, uint32_t inner)
{
	uint64_t seed = inner;
	rig_inner(buffer + RIG_FRONT, inner, 4, &seed);
	struct esp_packet p = rig_packet(sa, buffer, inner);
	esp_encrypt(crypto, &p, 1);
	assert_int_equal(p.drop, XGW_DROP_NONE);
	return p.len;
}

/* The largest inner packet fits, one byte more does not, at every MTU from the least to jumbo. */
static void exact(struct esp_crypto *crypto, const struct rig_shape *s)
{
	struct child_sa c = rig_child(s);
	struct esp_sa *sa = rig_sa(&c, &esp_backend_openssl);
	for (uint32_t mtu = 576; mtu <= 2048; mtu += mtu < 640 || mtu > 1440 ? 1 : 7) {
		uint32_t inner = esp_inner_mtu(sa, mtu), len = encrypted(crypto, sa, inner);
		assert_true(len <= mtu);
		assert_int_equal(len, esp_outer_size(sa, inner));
		len = encrypted(crypto, sa, inner + 1);
		assert_true(len > mtu);
		assert_int_equal(len, esp_outer_size(sa, inner + 1));
	}
	for (uint32_t mtu = 0; mtu < 100; mtu++)
		assert_true(!esp_inner_mtu(sa, mtu) ||
			    esp_outer_size(sa, esp_inner_mtu(sa, mtu)) <= mtu);
	esp_sa_free(sa);
}

static void test_inner_mtu_is_exact(void **state)
{
	struct esp_crypto *crypto = rig_crypto(&esp_backend_openssl);
	(void)state;
	for (size_t i = 0; i < RIG_ALGORITHMS; i++)
		for (unsigned k = 0; k < 4; k++) {
			const struct rig_shape s = {rig_algorithms[i].e, rig_algorithms[i].a, false,
						    k & 1, k & 2};
			exact(crypto, &s);
		}
	esp_backend_openssl.context_free(crypto);
}

/* ---- "time exceeded" ---- */

static void test_time_exceeded(void **state)
{
	struct ip_addr v4 = ip_addr_v4(0x0a0b0001), v6;
	uint8_t ip[1400], out[1500];
	uint64_t seed = 1;
	(void)state;
	assert_int_equal(ip_addr_parse(&v6, "fd00::1"), 0);
	rig_inner(ip, sizeof ip, 4, &seed);
	uint32_t n = esp_time_exceeded(out, sizeof out, ip, sizeof ip, &v4);
	assert_int_equal(n, 576);
	assert_int_equal(load_be32(out + 24), 0);
	assert_int_equal(load_be16(out + 20), 0x0b00);
	assert_int_equal(checksum_fold(checksum_add(0, out + 20, n - 20)), 0xffff);
	assert_memory_equal(out + 12, v4.b, 4);
	assert_memory_equal(out + 16, ip + 12, 4);
	assert_memory_equal(out + 28, ip, n - 28);
	store_be16(ip + 6, 1); /* not the first fragment: RFC 1122 section 3.2.2 */
	assert_int_equal(esp_time_exceeded(out, sizeof out, ip, sizeof ip, &v4), 0);
	rig_inner(ip, sizeof ip, 6, &seed);
	n = esp_time_exceeded(out, sizeof out, ip, sizeof ip, &v6);
	assert_int_equal(n, 1280);
	assert_int_equal(load_be16(out + 40), 0x0300);
	assert_int_equal(load_be32(out + 44), 0);
	uint64_t sum = checksum_add(58 + n - 40, out + 8, 32);
	assert_int_equal(checksum_fold(checksum_add(sum, out + 40, n - 40)), 0xffff);
	assert_int_equal(esp_time_exceeded(out, sizeof out, ip, sizeof ip, &v4), 0);
	/* to a multicast group only "too big" is answered (RFC 4443 section 2.4 (e.3)) */
	ip[24] = 0xff;
	assert_int_equal(esp_time_exceeded(out, sizeof out, ip, sizeof ip, &v6), 0);
	assert_int_equal(esp_too_big(out, sizeof out, ip, sizeof ip, 1300, &v6), 1280);
}

/* ---- quotes ---- */

/* An ICMP error about the packet at RIG_FRONT of `buffer` as a router makes it; its length. */
static uint32_t quote(uint8_t *out, unsigned family, const struct esp_packet *p, uint32_t quoted,
		      uint32_t mtu)
{
	memset(out, 0, 8);
	out[0] = family == 4 ? 3 : 2;
	out[1] = family == 4 ? 4 : 0;
	store_be32(out + 4, mtu);
	memcpy(out + 8, p->at, quoted);
	store_be16(out + 2, (uint16_t)~checksum_fold(checksum_add(0, out, 8 + quoted)));
	return 8 + quoted;
}

static void quoted(struct esp_crypto *crypto, const struct rig_shape *s)
{
	struct child_sa c = rig_child(s);
	struct esp_sa *sa = rig_sa(&c, &esp_backend_openssl);
	struct esp_quote q;
	uint8_t icmp[1500];
	enum ip_family family = s->outer6 ? IP_V6 : IP_V4;
	uint32_t head = rig_esp_offset(&c);
	encrypted(crypto, sa, 700);
	uint64_t seed = 7;
	rig_inner(buffer + RIG_FRONT, 700, 4, &seed);
	struct esp_packet p = rig_packet(sa, buffer, 700);
	esp_encrypt(crypto, &p, 1);
	for (uint32_t cut = 0; cut <= 600; cut += cut < 80 ? 1 : 40) {
		uint32_t n = quote(icmp, family, &p, cut, 1300);
		uint8_t *exactly = malloc(n);
		memcpy(exactly, icmp, n);
		bool enough = cut >= head + 8, ports = s->udp && cut >= head;
		assert_int_equal(esp_quote_parse(&q, family, exactly, n), enough || ports);
		assert_false(esp_quote_parse(&q, family == IP_V4 ? IP_V6 : IP_V4, exactly, n));
		esp_quote_parse(&q, family, exactly, n);
		free(exactly);
		if (!enough && !ports)
			continue;
		assert_int_equal(q.has_spi, enough);
		assert_int_equal(q.spi, enough ? c.spi_out : 0);
		assert_int_equal(q.sequence, enough ? 2 : 0);
		assert_int_equal(q.udp, s->udp);
		assert_int_equal(q.mtu, 1300);
		assert_int_equal(q.len, p.len);
		assert_true(ip_addr_equal(&q.local.addr, &c.local.addr));
		assert_true(ip_addr_equal(&q.remote.addr, &c.remote.addr));
		assert_int_equal(q.remote.port, s->udp ? c.remote.port : 0);
	}
	esp_sa_free(sa);
}

static void test_quotes(void **state)
{
	struct esp_crypto *crypto = rig_crypto(&esp_backend_openssl);
	(void)state;
	for (unsigned k = 0; k < 4; k++) {
		const struct rig_shape s = {ENCR_AES_GCM16_128, AUTH_NONE, false, k & 1, k & 2};
		quoted(crypto, &s);
	}
	esp_backend_openssl.context_free(crypto);
}

static void test_no_quotes(void **state)
{
	uint8_t ip[60] = {0x45, 0, 5,	0xdc, 0,   0, 0x40, 0,	60,  50,
			  0,	0, 198, 51,   100, 1, 198,  51, 100, 2};
	uint8_t icmp[100];
	const struct esp_packet p = {.at = ip};
	struct esp_quote q;
	(void)state;
	assert_true(esp_quote_parse(&q, IP_V4, icmp, quote(icmp, 4, &p, 28, 1400)));
	assert_int_equal(q.len, 1500);
	icmp[30] ^= 1; /* the checksum does not cover that */
	assert_false(esp_quote_parse(&q, IP_V4, icmp, 36));
	ip[9] = 6;
	assert_false(esp_quote_parse(&q, IP_V4, icmp, quote(icmp, 4, &p, 28, 1400)));
	ip[9] = 50;
	ip[7] = 1; /* a later fragment */
	assert_false(esp_quote_parse(&q, IP_V4, icmp, quote(icmp, 4, &p, 28, 1400)));
	ip[7] = 0;
	ip[0] = 0x4f; /* options up to the quote's end */
	assert_false(esp_quote_parse(&q, IP_V4, icmp, quote(icmp, 4, &p, 60, 1400)));
	ip[0] = 0x44;
	assert_false(esp_quote_parse(&q, IP_V4, icmp, quote(icmp, 4, &p, 60, 1400)));
	ip[0] = 0x45;
	ip[9] = 17; /* IKE: four zero bytes behind the ports */
	assert_false(esp_quote_parse(&q, IP_V4, icmp, quote(icmp, 4, &p, 60, 1400)));
	for (unsigned type = 0; type < 256; type++) {
		quote(icmp, 4, &p, 28, 1400);
		icmp[0] = (uint8_t)type;
		store_be16(icmp + 2, 0);
		store_be16(icmp + 2, (uint16_t)~checksum_fold(checksum_add(0, icmp, 36)));
		assert_int_equal(esp_quote_parse(&q, IP_V4, icmp, 36), type == 3);
		assert_false(esp_quote_parse(&q, IP_V6, icmp, 36));
	}
	assert_int_equal(esp_quote_plateau(1500), 1492);
	assert_int_equal(esp_quote_plateau(1492), 1006);
	assert_int_equal(esp_quote_plateau(100), 68);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_inner_mtu_is_exact),
		cmocka_unit_test(test_time_exceeded),
		cmocka_unit_test(test_quotes),
		cmocka_unit_test(test_no_quotes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
