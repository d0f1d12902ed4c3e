/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ESP there and back: every algorithm, encapsulation, family and size; both back ends byte for
 * byte; sizes against what esp_outer_size and esp_inner_mtu promise; headers as the RFCs want them.
 */
#include "rig.h"

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
		esp_sa_free(pair.receiver);
		pair.receiver = rig_sa(&pair.b, backend_of[b]);
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

int main(void)
{
	backend_of[n_backends++] = &esp_backend_openssl;
	if (esp_backend_ipsec_mb.available())
		backend_of[n_backends++] = &esp_backend_ipsec_mb;
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_shape),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
