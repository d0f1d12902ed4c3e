/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Workers that share an SA: every sequence number is given once, every packet decrypts once
 * whichever worker gets it, counters add up. For ThreadSanitizer (FLAVOUR=tsan) and for the
 * assertions.
 */
#include "rig.h"

#include <pthread.h>

#define WORKERS 4
#define BURST	16
#define ROUNDS	200

struct worker {
	pthread_t thread;
	const struct esp_backend *backend;
	struct esp_sa *sender, *receiver;
	uint8_t buffer[BURST][RIG_PACKET];
	uint64_t seen[ROUNDS * BURST];
	unsigned passed, replayed, others;
};

static void *work(void *arg)
{
	struct worker *w = arg;
	struct esp_crypto *c = rig_crypto(w->backend);
	struct esp_packet p[BURST];
	uint64_t seed = 1;
	static const uint16_t offset = 20;
	for (unsigned r = 0; r < ROUNDS; r++) {
		for (unsigned i = 0; i < BURST; i++) {
			rig_inner(w->buffer[i] + RIG_FRONT, 60 + i, 4, &seed);
			p[i] = rig_packet(w->sender, w->buffer[i], 60 + i);
		}
		esp_encrypt(c, p, BURST);
		for (unsigned i = 0; i < BURST; i++) {
			w->seen[r * BURST + i] = load_be32(p[i].at + offset + 4);
			p[i].sa = w->receiver;
			p[i].esp = offset;
			w->others += p[i].drop != XGW_DROP_NONE;
		}
		esp_decrypt(c, p, BURST);
		for (unsigned i = 0; i < BURST; i++) {
			w->passed += p[i].drop == XGW_DROP_NONE;
			w->replayed += p[i].drop == XGW_DROP_REPLAY;
			w->others += p[i].drop != XGW_DROP_NONE && p[i].drop != XGW_DROP_REPLAY;
		}
	}
	w->backend->context_free(c);
	return NULL;
}

static void share(const struct esp_backend *b, enum encryption_id e, enum integrity_id a)
{
	static struct worker worker[WORKERS];
	static uint8_t given[WORKERS * ROUNDS * BURST + 1];
	struct rig_shape s = {e, a, false, false, false};
	struct child_sa left = rig_child(&s), right = rig_mirror(&left);
	struct esp_sa_options o = {.backend = b, .replay_window = 65536};
	struct esp_sa *sender = rig_sa(&left, b), *receiver;
	struct esp_counters count;
	struct fault f;
	unsigned passed = 0;
	assert_int_equal(esp_sa_new(&receiver, &right, &o, &f), 0);
	memset(given, 0, sizeof given);
	for (unsigned i = 0; i < WORKERS; i++) {
		worker[i] = (struct worker){.backend = b, .sender = sender, .receiver = receiver};
		assert_int_equal(pthread_create(&worker[i].thread, NULL, work, &worker[i]), 0);
	}
	for (unsigned i = 0; i < WORKERS; i++) {
		pthread_join(worker[i].thread, NULL);
		assert_int_equal(worker[i].others, 0);
		assert_int_equal(worker[i].replayed, 0);
		passed += worker[i].passed;
		for (unsigned j = 0; j < ROUNDS * BURST; j++) {
			assert_true(worker[i].seen[j] && worker[i].seen[j] < sizeof given);
			assert_int_equal(given[worker[i].seen[j]]++, 0);
		}
	}
	assert_int_equal(passed, WORKERS * ROUNDS * BURST);
	esp_sa_counters(sender, &count);
	assert_int_equal(count.packets_out, passed);
	esp_sa_counters(receiver, &count);
	assert_int_equal(count.packets_in, passed);
	esp_sa_free(sender);
	esp_sa_free(receiver);
}

static void test_shared_sa(void **state)
{
	(void)state;
	share(&esp_backend_openssl, ENCR_AES_GCM16_128, AUTH_NONE);
	share(&esp_backend_openssl, ENCR_AES_CBC_256, AUTH_HMAC_SHA2_256_128);
	if (!esp_backend_ipsec_mb.available())
		return;
	share(&esp_backend_ipsec_mb, ENCR_AES_GCM16_256, AUTH_NONE);
	share(&esp_backend_ipsec_mb, ENCR_AES_CBC_128, AUTH_HMAC_SHA2_256_128);
	share(&esp_backend_ipsec_mb, ENCR_CHACHA20_POLY1305, AUTH_NONE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_shared_sa),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
