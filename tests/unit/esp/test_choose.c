/* SPDX-License-Identifier: Apache-2.0 */
/* Who computes what: by name, and by measurement with a clock that the test drives. */
#include "rig.h"

#include "esp/choose.h"

#include <errno.h>

/* Calls of the clock that one back end's measurement makes: begin and end, both ways, each round.
 */
#define CALLS 12

static struct {
	unsigned calls;
	uint64_t now, step[2]; /* ns a call; ipsec-mb is measured first, then OpenSSL */
} fake;

static uint64_t fake_now(void)
{
	fake.now += fake.step[fake.calls++ / CALLS % 2];
	return fake.now;
}

static void set_clock(uint64_t ipsec_mb, uint64_t openssl)
{
	memset(&fake, 0, sizeof fake);
	fake.step[0] = ipsec_mb;
	fake.step[1] = openssl;
}

static uint64_t no_clock(void)
{
	fail_msg("a back end that is named needs no measurement");
	return 0;
}

static const struct esp_backend *mb_or_openssl(enum encryption_id e, enum integrity_id a)
{
	return esp_backend_ipsec_mb.supports(e, a) ? &esp_backend_ipsec_mb : &esp_backend_openssl;
}

static void test_named(void **state)
{
	struct esp_choice c;
	(void)state;
	assert_int_equal(esp_choose(&c, "openssl", no_clock), 0);
	assert_ptr_equal(c.workers, &esp_backend_openssl);
	for (unsigned i = 0; i < RIG_ALGORITHMS; i++)
		assert_ptr_equal(esp_choice_of(&c, rig_algorithms[i].e, rig_algorithms[i].a),
				 &esp_backend_openssl);
	assert_int_equal(esp_choose(&c, "none", no_clock), -ENOENT);
	int err = esp_choose(&c, "ipsec-mb", no_clock);
	if (!esp_backend_ipsec_mb.available()) {
		assert_int_equal(err, -ENOENT);
		return;
	}
	assert_int_equal(err, 0);
	for (unsigned i = 0; i < RIG_ALGORITHMS; i++)
		assert_ptr_equal(esp_choice_of(&c, rig_algorithms[i].e, rig_algorithms[i].a),
				 mb_or_openssl(rig_algorithms[i].e, rig_algorithms[i].a));
	/* what the library cannot do well goes to the other one, it is not refused */
	assert_ptr_equal(esp_choice_of(&c, ENCR_3DES, AUTH_HMAC_SHA1_96), &esp_backend_openssl);
}

/* Every pair by the clock: clearly slower loses, equal and a little slower stays. */
static void test_measured(void **state)
{
	static const struct {
		uint64_t mb, ssl;
		bool ssl_wins;
	} rows[] = {
		{16000, 160, true}, {1600, 1600, false}, {1600, 1500, false}, {160, 16000, false}};
	(void)state;
	if (!esp_backend_ipsec_mb.available())
		return; /* nothing to choose from: test_named has seen that */
	for (unsigned r = 0; r < sizeof rows / sizeof *rows; r++) {
		struct esp_choice c;
		set_clock(rows[r].mb, rows[r].ssl);
		assert_int_equal(esp_choose(&c, "auto", fake_now), 0);
		assert_true(fake.calls > 0);
		assert_int_equal(fake.calls % (2 * CALLS), 0);
		for (unsigned i = 0; i < RIG_ALGORITHMS; i++) {
			const struct esp_backend *wanted =
				rows[r].ssl_wins
					? &esp_backend_openssl
					: mb_or_openssl(rig_algorithms[i].e, rig_algorithms[i].a);
			assert_ptr_equal(
				esp_choice_of(&c, rig_algorithms[i].e, rig_algorithms[i].a),
				wanted);
		}
	}
}

/* Pairs that ESP may not use have nobody; all others have one that makes their SAs. */
static void test_every_pair(void **state)
{
	struct esp_choice c;
	(void)state;
	set_clock(1000, 1000);
	assert_int_equal(esp_choose(&c, "auto", fake_now), 0);
	assert_null(esp_choice_of(&c, ENCR_COUNT, AUTH_NONE));
	assert_null(esp_choice_of(&c, ENCR_NULL, AUTH_COUNT));
	for (int e = ENCR_NONE; e < ENCR_COUNT; e++)
		for (int a = AUTH_NONE; a < AUTH_COUNT; a++) {
			const struct esp_backend *b = esp_choice_of(&c, e, a);
			bool pair = e != ENCR_NONE && encryption_of(e)->aead == (a == AUTH_NONE);
			assert_int_equal(b != NULL, pair);
			if (!b)
				continue;
			struct rig_shape s = {(enum encryption_id)e, (enum integrity_id)a};
			struct child_sa child = rig_child(&s);
			struct esp_sa *sa = rig_sa(&child, b);
			assert_string_equal(esp_sa_backend(sa), b->name);
			esp_sa_free(sa);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_named),
		cmocka_unit_test(test_measured),
		cmocka_unit_test(test_every_pair),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
