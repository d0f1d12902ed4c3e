/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One back end encrypts, the other one decrypts: every pair of algorithms that ESP has, inner
 * lengths 20 to 1500, bursts of 1 to 256; and SAs of all pairs and of both back ends mixed in one
 * burst, as the workers see them.
 */
#include "rig.h"

#define SHORTEST 20
#define LONGEST	 1500
#define STRIDE	 7 /* coprime to the number of lengths, so that all of them come */
#define PAIRS	 (ENCR_COUNT * AUTH_COUNT)

static uint8_t noise[2 * LONGEST];
static uint8_t plain[ESP_MAX_BURST][LONGEST];
static uint8_t buffer[ESP_MAX_BURST][RIG_PACKET];
static struct esp_packet packet[ESP_MAX_BURST];
static uint32_t length[ESP_MAX_BURST];

static const struct esp_backend *backend_of[2];
static unsigned n_backends;

static struct pair {
	struct rig_shape shape;
	struct child_sa child;
	struct esp_sa *sender, *receiver;
} pairs[PAIRS];
static unsigned n_pairs;

static void find_pairs(void)
{
	for (int e = ENCR_NONE + 1; e < ENCR_COUNT; e++)
		for (int a = AUTH_NONE; a < AUTH_COUNT; a++)
			if (esp_backend_openssl.supports((enum encryption_id)e,
							 (enum integrity_id)a))
				pairs[n_pairs++].shape = (struct rig_shape){
					(enum encryption_id)e, (enum integrity_id)a, .esn = e & 1,
					.udp = a & 1, .outer6 = (e + a) & 2};
}

static void pair_open(struct pair *p, const struct esp_backend *out, const struct esp_backend *in)
{
	p->child = rig_child(&p->shape);
	struct child_sa mirror = rig_mirror(&p->child);
	p->sender = rig_sa(&p->child, out);
	p->receiver = rig_sa(&mirror, in);
}

static void pair_close(struct pair *p)
{
	esp_sa_free(p->sender);
	esp_sa_free(p->receiver);
}

static void put(unsigned i, struct esp_sa *sa, uint32_t len, unsigned from)
{
	static const uint8_t head[20] = {0x45, 0, 0,  0, 0, 0, 0x40, 0, 64, 253,
					 0,    0, 10, 1, 0, 4, 10,   2, 0,  4};
	length[i] = len;
	memcpy(plain[i], noise + from % LONGEST, len);
	memcpy(plain[i], head, sizeof head);
	store_be16(plain[i] + 2, (uint16_t)len);
	memcpy(buffer[i] + RIG_FRONT, plain[i], len);
	packet[i] = rig_packet(sa, buffer[i], len);
}

static void expect_sent(unsigned i, struct pair *p)
{
	assert_int_equal(packet[i].drop, XGW_DROP_NONE);
	assert_int_equal(packet[i].len, esp_outer_size(p->sender, length[i]));
	packet[i].sa = p->receiver;
	packet[i].esp = rig_esp_offset(&p->child);
}

static void expect_received(unsigned i)
{
	assert_int_equal(packet[i].drop, XGW_DROP_NONE);
	assert_int_equal(packet[i].len, length[i]);
	assert_memory_equal(packet[i].at, plain[i], length[i]);
}

/* The number of packets that went through. */
static unsigned every_burst(struct pair *p, struct esp_crypto *out, struct esp_crypto *in,
			    unsigned step)
{
	unsigned counter = 0;
	for (unsigned n = 1; n <= ESP_MAX_BURST; n += step) {
		for (unsigned i = 0; i < n; i++, counter++)
			put(i, p->sender, SHORTEST + counter * STRIDE % (LONGEST - SHORTEST + 1),
			    counter);
		esp_encrypt(out, packet, n);
		for (unsigned i = 0; i < n; i++)
			expect_sent(i, p);
		esp_decrypt(in, packet, n);
		for (unsigned i = 0; i < n; i++)
			expect_received(i);
	}
	return counter;
}

static void test_every_length(void **state)
{
	(void)state;
	for (unsigned b = 0; b < n_backends; b++) {
		const struct esp_backend *out = backend_of[b],
					 *in = backend_of[(b + 1) % n_backends];
		struct esp_crypto *c_out = rig_crypto(out), *c_in = rig_crypto(in);
		for (unsigned i = 0; i < n_pairs; i++) {
			pair_open(&pairs[i], out, in);
			/* 3DES takes its time: fewer bursts, still every length */
			unsigned step = pairs[i].shape.e == ENCR_3DES ? 15 : 1;
			unsigned packets = every_burst(&pairs[i], c_out, c_in, step);
			assert_true(packets > LONGEST - SHORTEST);
			pair_close(&pairs[i]);
		}
		out->context_free(c_out);
		in->context_free(c_in);
	}
}

/* Senders of the one back end and of the other, receivers of the other way round. */
static void test_mixed(void **state)
{
	uint64_t seed = 11;
	struct pair *with[ESP_MAX_BURST];
	struct esp_crypto *c = rig_crypto(backend_of[n_backends - 1]);
	(void)state;
	for (unsigned i = 0; i < n_pairs; i++)
		pair_open(&pairs[i], backend_of[i % n_backends], backend_of[(i + 1) % n_backends]);
	for (unsigned round = 0; round < 60; round++) {
		unsigned n =
			round < 8 ? round + 1 : (unsigned)(1 + rig_random(&seed) % ESP_MAX_BURST);
		unsigned many = 1 + round % 4; /* packets of one SA behind each other */
		for (unsigned i = 0; i < n; i++) {
			with[i] = i % many ? with[i - 1] : &pairs[rig_random(&seed) % n_pairs];
			put(i, with[i]->sender,
			    (uint32_t)(SHORTEST + rig_random(&seed) % (LONGEST - SHORTEST + 1)), i);
		}
		esp_encrypt(c, packet, n);
		for (unsigned i = 0; i < n; i++)
			expect_sent(i, with[i]);
		esp_decrypt(c, packet, n);
		for (unsigned i = 0; i < n; i++)
			expect_received(i);
	}
	for (unsigned i = 0; i < n_pairs; i++)
		pair_close(&pairs[i]);
	backend_of[n_backends - 1]->context_free(c);
}

int main(void)
{
	uint64_t seed = 5;
	rig_fill(noise, sizeof noise, &seed);
	backend_of[n_backends++] = &esp_backend_openssl;
	if (esp_backend_ipsec_mb.available())
		backend_of[n_backends++] = &esp_backend_ipsec_mb;
	find_pairs();
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_length),
		cmocka_unit_test(test_mixed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
