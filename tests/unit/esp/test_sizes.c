/* SPDX-License-Identifier: Apache-2.0 */
/* Reading inner packets, selectors, MSS clamping, completing checksums, "too big". */
#include "rig.h"

/* ---- packets ---- */

struct packet {
	uint8_t b[2048];
	uint32_t len;
	unsigned family;
};

static uint32_t head_of(const struct packet *p)
{
	return p->family == 4 ? 20 : 40;
}

static uint64_t pseudo_of(const struct packet *p, uint8_t protocol, uint32_t len)
{
	return checksum_add(protocol + len, p->b + (p->family == 4 ? 12 : 8),
			    p->family == 4 ? 8 : 32);
}

/* Sum over the whole segment and its pseudo header: 0xffff when the stored checksum is right. */
static uint16_t segment_sum(const struct packet *p, uint8_t protocol)
{
	uint32_t len = p->len - head_of(p);
	return checksum_fold(checksum_add(pseudo_of(p, protocol, len), p->b + head_of(p), len));
}

/* TCP SYN with these options, or UDP, with a right checksum and random payload. */
static void transport(struct packet *p, unsigned family, uint8_t protocol, const uint8_t *options,
		      uint32_t options_len, uint32_t payload, uint64_t *seed)
{
	uint32_t head = protocol == 6 ? 20 + options_len : 8, field = protocol == 6 ? 16 : 6;
	p->family = family;
	p->len = head_of(p) + head + payload;
	rig_inner(p->b, p->len, family, seed);
	p->b[family == 4 ? 9 : 6] = protocol;
	uint8_t *t = p->b + head_of(p);
	if (protocol == 6) {
		t[12] = (uint8_t)(head / 4 << 4);
		t[13] = 0x02;
		if (options_len)
			memcpy(t + 20, options, options_len);
	} else {
		store_be16(t + 4, (uint16_t)(head + payload));
	}
	store_be16(t + field, 0);
	store_be16(t + field, (uint16_t)~segment_sum(p, protocol));
}

/* ---- MSS ---- */

static void test_clamp(void **state)
{
	static const uint8_t plain[4] = {2, 4, 0x05, 0xb4};
	static const uint8_t odd[12] = {1, 2, 4, 0x05, 0xb4, 3, 3, 7, 1, 1, 4, 2};
	static const uint8_t last[8] = {8, 4, 0, 0, 2, 4, 0x05, 0xb4};
	static const struct {
		const uint8_t *o;
		uint32_t len, at;
	} rows[] = {{plain, 4, 2}, {odd, 12, 3}, {last, 8, 6}};
	struct packet p;
	uint64_t seed = 1;
	(void)state;
	for (unsigned family = 4; family <= 6; family += 2)
		for (size_t i = 0; i < 3; i++)
			for (uint32_t mtu = 500; mtu < 1600; mtu++) {
				transport(&p, family, 6, rows[i].o, rows[i].len, 0, &seed);
				uint32_t most = mtu - head_of(&p) - 20;
				bool did = esp_clamp_mss(p.b, p.len, mtu);
				assert_int_equal(did, most < 1460);
				assert_int_equal(load_be16(p.b + head_of(&p) + 20 + rows[i].at),
						 most < 1460 ? most : 1460);
				assert_int_equal(segment_sum(&p, 6), 0xffff);
			}
	transport(&p, 4, 6, plain, 4, 0, &seed);
	p.b[20 + 13] = 0x10; /* no SYN */
	assert_false(esp_clamp_mss(p.b, p.len, 1000));
	p.b[20 + 13] = 0x02;
	p.b[6] = 0x20; /* a fragment */
	assert_false(esp_clamp_mss(p.b, p.len, 1000));
	p.b[6] = 0;
	assert_false(esp_clamp_mss(p.b, p.len, 40));
	assert_true(esp_clamp_mss(p.b, p.len, 41));
	transport(&p, 4, 6, NULL, 0, 0, &seed);
	assert_false(esp_clamp_mss(p.b, p.len, 1000));
}

/* Options that lie about their length, and every cut: no change, no read outside (ASan sees it). */
static void test_clamp_hostile(void **state)
{
	static const uint8_t bad[][4] = {{2, 0, 5, 180}, {2, 1, 5, 180}, {2, 5, 5, 180},
					 {3, 255, 2, 4}, {0, 2, 4, 5},	 {1, 1, 1, 2},
					 {2, 3, 5, 180}};
	struct packet p;
	uint64_t seed = 1;
	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		transport(&p, 4, 6, bad[i], 4, 0, &seed);
		assert_false(esp_clamp_mss(p.b, p.len, 600));
	}
	static const uint8_t good[4] = {2, 4, 0x05, 0xb4};
	for (unsigned family = 4; family <= 6; family += 2)
		for (uint32_t len = 0;; len++) {
			transport(&p, family, 6, good, 4, 0, &seed);
			if (len >= p.len)
				break;
			uint8_t *cut = malloc(len ? len : 1);
			memcpy(cut, p.b, len);
			if (len > 6) /* the IP header agrees with the cut */
				store_be16(cut + (family == 4 ? 2 : 4),
					   (uint16_t)(family == 4 ? len
						      : len < 40  ? 0
								  : len - 40));
			assert_false(esp_clamp_mss(cut, len, 600));
			assert_false(esp_complete_checksum(cut, len));
			struct esp_flow flow;
			esp_flow_parse(&flow, cut, len);
			free(cut);
		}
}

/* ---- checksums left to the NIC ---- */

static void test_complete(void **state)
{
	struct packet p, q;
	uint64_t seed = 1;
	(void)state;
	for (unsigned i = 0; i < 4000; i++) {
		uint8_t protocol = i & 1 ? 6 : 17;
		uint32_t field = protocol == 6 ? 16 : 6;
		transport(&p, i & 2 ? 4 : 6, protocol, NULL, 0, i % 1200, &seed);
		q = p;
		assert_false(esp_complete_checksum(p.b, p.len)); /* complete already */
		assert_memory_equal(p.b, q.b, p.len);
		store_be16(p.b + head_of(&p) + field,
			   checksum_fold(pseudo_of(&p, protocol, p.len - head_of(&p))));
		assert_true(esp_complete_checksum(p.b, p.len));
		assert_int_equal(segment_sum(&p, protocol), 0xffff);
		assert_memory_equal(p.b, q.b, p.len);
	}
}

/* ---- flows and selectors ---- */

static void test_flow(void **state)
{
	struct packet p;
	struct esp_flow f;
	uint64_t seed = 1;
	(void)state;
	transport(&p, 4, 17, NULL, 0, 20, &seed);
	store_be32(p.b + 20, 0x12345678);
	assert_int_equal(esp_flow_parse(&f, p.b, p.len), XGW_DROP_NONE);
	assert_int_equal(f.protocol, 17);
	assert_int_equal(f.source_port, 0x1234);
	assert_int_equal(f.destination_port, 0x5678);
	assert_false(f.no_ports);
	store_be16(p.b + 6, 0x2001); /* not the first fragment */
	assert_int_equal(esp_flow_parse(&f, p.b, p.len), XGW_DROP_NONE);
	assert_true(f.no_ports);
	assert_int_equal(f.source_port, 0);
	store_be16(p.b + 6, 0x2000); /* the first one has ports */
	assert_int_equal(esp_flow_parse(&f, p.b, p.len), XGW_DROP_NONE);
	assert_int_equal(f.source_port, 0x1234);
	p.b[9] = 1;
	assert_int_equal(esp_flow_parse(&f, p.b, p.len), XGW_DROP_NONE);
	assert_int_equal(f.source_port, 0x1234);
	assert_int_equal(f.destination_port, 0x1234);
	p.b[0] = 0x44;
	assert_int_equal(esp_flow_parse(&f, p.b, p.len), XGW_DROP_MALFORMED);
	p.b[0] = 0x55;
	assert_int_equal(esp_flow_parse(&f, p.b, p.len), XGW_DROP_MALFORMED);
	/* IPv6: hop-by-hop (8), destination options (16), fragment (8), UDP */
	static const uint8_t chain[] = {60, 0, 1, 4, 0,	   0,	 0,    0,    44, 1, 1,	12, 0, 0,
					0,  0, 0, 0, 0,	   0,	 0,    0,    0,	 0, 17, 0,  0, 1,
					0,  0, 0, 9, 0x12, 0x34, 0x56, 0x78, 0,	 8, 0,	0};
	p.family = 6;
	p.len = 40 + sizeof chain;
	rig_inner(p.b, p.len, 6, &seed);
	p.b[6] = 0;
	memcpy(p.b + 40, chain, sizeof chain);
	assert_int_equal(esp_flow_parse(&f, p.b, p.len), XGW_DROP_NONE);
	assert_int_equal(f.protocol, 17);
	assert_int_equal(f.destination_port, 0x5678);
	store_be16(p.b + 40 + 26, 0x0008);
	assert_int_equal(esp_flow_parse(&f, p.b, p.len), XGW_DROP_NONE);
	assert_int_equal(f.protocol, 17);
	assert_true(f.no_ports);
	p.b[41] = 20; /* an extension header longer than the packet */
	assert_int_equal(esp_flow_parse(&f, p.b, p.len), XGW_DROP_TRUNCATED);
	/* an endless chain of empty options */
	p.len = 40 + 800;
	rig_inner(p.b, p.len, 6, &seed);
	memset(p.b + 40, 0, 800);
	p.b[6] = 0;
	assert_int_equal(esp_flow_parse(&f, p.b, p.len), XGW_DROP_MALFORMED);
}

static struct traffic_selector selector(const char *range, uint8_t protocol, uint16_t first,
					uint16_t last)
{
	struct traffic_selector ts = {.protocol = protocol, .port_first = first, .port_last = last};
	assert_int_equal(ip_range_parse(&ts.range, range), 0);
	return ts;
}

static void test_selectors(void **state)
{
	static const struct rig_shape s = {ENCR_AES_GCM16_128, AUTH_NONE, false, false, false};
	struct child_sa c = rig_child(&s);
	(void)state;
	c.n_local_ts = c.n_remote_ts = 2;
	c.local_ts[0] = selector("10.1.0.0/16", 0, 0, 65535);
	c.local_ts[1] = selector("fd00::/16", 0, 0, 65535);
	c.remote_ts[0] = selector("10.2.0.0-10.2.0.9", 17, 53, 53);
	c.remote_ts[1] = selector("10.3.0.0/16", 6, 65535, 0); /* OPAQUE */
	struct esp_sa *sa = rig_sa(&c, &esp_backend_openssl);
	struct esp_flow f = {.protocol = 17, .source_port = 999, .destination_port = 53};
	f.source = ip_addr_v4(0x0a010004);
	f.destination = ip_addr_v4(0x0a020004);
	assert_true(esp_select_out(sa, &f));
	assert_false(esp_select_in(sa, &f));
	f.destination = ip_addr_v4(0x0a02000a);
	assert_false(esp_select_out(sa, &f));
	f.destination = ip_addr_v4(0x0a020009);
	f.destination_port = 54;
	assert_false(esp_select_out(sa, &f));
	f.destination_port = 53;
	f.no_ports = true;
	assert_false(esp_select_out(sa, &f));
	f.destination = ip_addr_v4(0x0a030001);
	f.protocol = 6;
	assert_true(esp_select_out(sa, &f)); /* OPAQUE takes what shows no ports */
	f.no_ports = false;
	assert_false(esp_select_out(sa, &f));
	struct esp_flow back = {.protocol = 17, .source_port = 53, .destination_port = 999};
	back.source = ip_addr_v4(0x0a020000);
	back.destination = ip_addr_v4(0x0a01ffff);
	assert_true(esp_select_in(sa, &back));
	esp_sa_free(sa);
}

/* What decrypt says about packets outside the selectors, by address alone and by port. */
static void through(const struct traffic_selector *remote, enum xgw_drop want)
{
	static const struct rig_shape s = {ENCR_AES_GCM16_128, AUTH_NONE, false, false, false};
	static uint8_t buffer[RIG_PACKET];
	struct esp_crypto *crypto = rig_crypto(&esp_backend_openssl);
	struct child_sa a = rig_child(&s), b = rig_mirror(&a);
	struct esp_counters count;
	struct packet p;
	uint64_t seed = 1;
	b.n_remote_ts = 1;
	b.remote_ts[0] = *remote;
	struct esp_sa *sender = rig_sa(&a, &esp_backend_openssl);
	struct esp_sa *receiver = rig_sa(&b, &esp_backend_openssl);
	transport(&p, 4, 17, NULL, 0, 30, &seed); /* from 10.1.0.4 */
	store_be16(p.b + 20, 53);
	memcpy(buffer + RIG_FRONT, p.b, p.len);
	struct esp_packet e = rig_packet(sender, buffer, p.len);
	esp_encrypt(crypto, &e, 1);
	e.sa = receiver;
	e.esp = 20;
	esp_decrypt(crypto, &e, 1);
	assert_int_equal(e.drop, want);
	esp_sa_counters(receiver, &count);
	assert_int_equal(count.selector, want == XGW_DROP_SELECTOR_IN);
	assert_int_equal(count.packets_in, want == XGW_DROP_NONE);
	esp_sa_free(sender);
	esp_sa_free(receiver);
	esp_backend_openssl.context_free(crypto);
}

/* SECURITY C21: inner addresses that are not the peer's, by what decrypt finds inside. */
static void test_selector_in(void **state)
{
	struct traffic_selector ts = selector("10.1.0.0/16", 0, 0, 65535);
	(void)state;
	through(&ts, XGW_DROP_NONE);
	ts = selector("10.1.0.5-10.1.0.255", 0, 0, 65535);
	through(&ts, XGW_DROP_SELECTOR_IN);
	ts = selector("::/0", 0, 0, 65535);
	through(&ts, XGW_DROP_SELECTOR_IN);
	ts = selector("10.1.0.4", 17, 53, 53);
	through(&ts, XGW_DROP_NONE);
	ts = selector("10.1.0.4", 17, 54, 60);
	through(&ts, XGW_DROP_SELECTOR_IN);
	ts = selector("10.1.0.4", 6, 0, 65535);
	through(&ts, XGW_DROP_SELECTOR_IN);
}

/* ---- "too big" ---- */

static void test_too_big_v4(void **state)
{
	struct ip_addr us = ip_addr_v4(0x0a0b0001);
	struct packet p;
	uint8_t out[1500];
	uint64_t seed = 1;
	(void)state;
	transport(&p, 4, 17, NULL, 0, 1400, &seed);
	uint32_t n = esp_too_big(out, sizeof out, p.b, p.len, 1388, &us);
	assert_int_equal(n, 576);
	assert_int_equal(load_be16(out + 2), n);
	assert_int_equal(checksum_fold(checksum_add(0, out, 20)), 0xffff);
	assert_int_equal(checksum_fold(checksum_add(0, out + 20, n - 20)), 0xffff);
	assert_int_equal(load_be16(out + 20), 0x0304);
	assert_int_equal(load_be16(out + 26), 1388);
	assert_memory_equal(out + 12, us.b, 4);
	assert_memory_equal(out + 16, p.b + 12, 4);
	assert_memory_equal(out + 28, p.b, n - 28);
	assert_true(esp_dont_fragment(p.b, p.len));
	assert_int_equal(esp_too_big(out, 55, p.b, p.len, 1388, &us), 0);
	assert_int_equal(esp_too_big(out, 56, p.b, p.len, 1388, &us), 56);
	struct packet q = p;
	q.b[9] = 1;
	q.b[20] = 3; /* an error */
	assert_int_equal(esp_too_big(out, sizeof out, q.b, q.len, 1388, &us), 0);
	q.b[20] = 8; /* a question */
	assert_int_equal(esp_too_big(out, sizeof out, q.b, q.len, 1388, &us), 576);
	q = p;
	q.b[7] = 1; /* a later fragment */
	assert_int_equal(esp_too_big(out, sizeof out, q.b, q.len, 1388, &us), 0);
	static const uint8_t nobody[] = {0, 127, 224, 240, 255};
	for (size_t i = 0; i < sizeof nobody; i++) {
		q = p;
		q.b[12] = nobody[i];
		assert_int_equal(esp_too_big(out, sizeof out, q.b, q.len, 1388, &us), 0);
	}
	q = p;
	q.b[16] = 239;
	assert_int_equal(esp_too_big(out, sizeof out, q.b, q.len, 1388, &us), 0);
	us.family = IP_V6;
	assert_int_equal(esp_too_big(out, sizeof out, p.b, p.len, 1388, &us), 0);
}

static void test_too_big_v6(void **state)
{
	struct ip_addr us;
	struct packet p;
	uint8_t out[1500];
	uint64_t seed = 1;
	(void)state;
	assert_int_equal(ip_addr_parse(&us, "fd00::1"), 0);
	transport(&p, 6, 17, NULL, 0, 1400, &seed);
	uint32_t n = esp_too_big(out, sizeof out, p.b, p.len, 1388, &us);
	assert_int_equal(n, 1280);
	assert_int_equal(load_be16(out + 4), n - 40);
	assert_int_equal(load_be16(out + 40), 0x0200);
	assert_int_equal(load_be32(out + 44), 1388);
	assert_memory_equal(out + 24, p.b + 8, 16);
	assert_memory_equal(out + 48, p.b, n - 48);
	uint64_t sum = checksum_add(58 + n - 40, out + 8, 32);
	assert_int_equal(checksum_fold(checksum_add(sum, out + 40, n - 40)), 0xffff);
	p.b[6] = 58;
	p.b[40] = 1; /* an error */
	assert_int_equal(esp_too_big(out, sizeof out, p.b, p.len, 1388, &us), 0);
	p.b[40] = 137; /* redirect */
	assert_int_equal(esp_too_big(out, sizeof out, p.b, p.len, 1388, &us), 0);
	p.b[40] = 128; /* echo, also to a multicast address */
	p.b[24] = 0xff;
	assert_int_equal(esp_too_big(out, sizeof out, p.b, p.len, 1388, &us), 1280);
	p.b[8] = 0xff;
	assert_int_equal(esp_too_big(out, sizeof out, p.b, p.len, 1388, &us), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_clamp),	   cmocka_unit_test(test_clamp_hostile),
		cmocka_unit_test(test_complete),   cmocka_unit_test(test_flow),
		cmocka_unit_test(test_selectors),  cmocka_unit_test(test_selector_in),
		cmocka_unit_test(test_too_big_v4), cmocka_unit_test(test_too_big_v6),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
