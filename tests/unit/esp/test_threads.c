/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Workers that share an SA: every sequence number is given once, every packet decrypts once
 * whichever worker gets it, counters add up. For ThreadSanitizer (FLAVOUR=tsan) and for the
 * assertions.
 */
#include "rig.h"

#include <pthread.h>
#include <stdatomic.h>

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

/* SECURITY C21: workers that share a key never share a number, of which GCM's IV is made. */
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

/* ---- one window, the same packets at every worker, each in an order of its own ---- */

#define NUMBERS 1024
#define REPEATS 25

struct replayer {
	pthread_t thread;
	const struct esp_backend *backend;
	struct esp_sa *receiver;
	const uint8_t (*sent)[RIG_PACKET]; /* NUMBERS packets */
	const struct esp_packet *as_sent;
	_Atomic unsigned *accepted; /* of each packet */
	uint64_t seed;
	uint8_t buffer[BURST][RIG_PACKET];
	unsigned others;
};

static void shuffle(uint16_t *order, unsigned n, uint64_t *seed)
{
	for (unsigned i = 0; i < n; i++)
		order[i] = (uint16_t)i;
	for (unsigned i = n - 1; i > 0; i--) {
		unsigned j = (unsigned)(rig_random(seed) % (i + 1));
		uint16_t t = order[i];
		order[i] = order[j];
		order[j] = t;
	}
}

static void *replay(void *arg)
{
	struct replayer *w = arg;
	struct esp_crypto *c = rig_crypto(w->backend);
	struct esp_packet p[BURST];
	uint16_t order[NUMBERS];
	shuffle(order, NUMBERS, &w->seed);
	for (unsigned at = 0; at < NUMBERS; at += BURST) {
		for (unsigned i = 0; i < BURST; i++) {
			unsigned which = order[at + i];
			memcpy(w->buffer[i], w->sent[which], RIG_PACKET);
			p[i] = w->as_sent[which];
			p[i].at = w->buffer[i] + (w->as_sent[which].at - w->sent[which]);
			p[i].sa = w->receiver;
			p[i].esp = 20;
		}
		esp_decrypt(c, p, BURST);
		for (unsigned i = 0; i < BURST; i++) {
			if (p[i].drop == XGW_DROP_NONE)
				atomic_fetch_add(&w->accepted[order[at + i]], 1);
			else
				w->others += p[i].drop != XGW_DROP_REPLAY;
		}
	}
	w->backend->context_free(c);
	return NULL;
}

/* Numbers of one round are all within a window of NUMBERS: each must pass once, wherever it came
 * first. In a smaller window none may pass twice, and the highest passes. */
static void replay_round(const struct esp_backend *b, struct esp_sa *sender,
			 struct esp_sa *receiver, uint32_t window, uint64_t seed)
{
	static uint8_t sent[NUMBERS][RIG_PACKET];
	static struct esp_packet as_sent[NUMBERS];
	static struct replayer worker[WORKERS];
	static _Atomic unsigned accepted[NUMBERS];
	struct esp_crypto *c = rig_crypto(b);
	for (unsigned i = 0; i < NUMBERS; i++) {
		rig_inner(sent[i] + RIG_FRONT, 64, 4, &seed);
		as_sent[i] = rig_packet(sender, sent[i], 64);
		esp_encrypt(c, &as_sent[i], 1);
		assert_int_equal(as_sent[i].drop, XGW_DROP_NONE);
		accepted[i] = 0;
	}
	b->context_free(c);
	for (unsigned i = 0; i < WORKERS; i++) {
		worker[i] = (struct replayer){.backend = b, .receiver = receiver, .sent = sent};
		worker[i].as_sent = as_sent;
		worker[i].accepted = accepted;
		worker[i].seed = seed + i;
		assert_int_equal(pthread_create(&worker[i].thread, NULL, replay, &worker[i]), 0);
	}
	for (unsigned i = 0; i < WORKERS; i++) {
		pthread_join(worker[i].thread, NULL);
		assert_int_equal(worker[i].others, 0);
	}
	for (unsigned i = 0; i < NUMBERS; i++)
		assert_in_range(accepted[i], window >= NUMBERS, 1);
	assert_int_equal(accepted[NUMBERS - 1], 1);
}

static void replayed_at_every_worker(const struct esp_backend *b, uint32_t window, bool esn)
{
	struct rig_shape s = {ENCR_AES_GCM16_128, AUTH_NONE, esn, false, false};
	struct child_sa left = rig_child(&s), right = rig_mirror(&left);
	struct esp_sa_options o = {.backend = b, .replay_window = window};
	struct esp_sa *sender = rig_sa(&left, b), *receiver;
	struct fault f;
	assert_int_equal(esp_sa_new(&receiver, &right, &o, &f), 0);
	for (unsigned i = 0; i < REPEATS; i++)
		replay_round(b, sender, receiver, window, i * 1000 + window);
	esp_sa_free(sender);
	esp_sa_free(receiver);
}

/* SECURITY C21: replays, at all workers at once. */
static void test_replayed_at_every_worker(void **state)
{
	(void)state;
	const struct esp_backend *best =
		esp_backend_ipsec_mb.available() ? &esp_backend_ipsec_mb : &esp_backend_openssl;
	/* far left of the window a number with ESN is taken for one of the next 2^32 and fails its
	 * ICV (RFC 4303 appendix A2.2); without it is a replay */
	replayed_at_every_worker(best, 64, false);
	replayed_at_every_worker(best, NUMBERS, true);
	replayed_at_every_worker(best, 4096, false);
	replayed_at_every_worker(best, 65536, true);
	replayed_at_every_worker(&esp_backend_openssl, 4096, true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_shared_sa),
		cmocka_unit_test(test_replayed_at_every_worker),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
