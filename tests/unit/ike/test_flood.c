/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What strangers can do to memory and to a tunnel that is up: a million datagrams of garbage and a
 * million first messages of IKE_SA_INIT, each from another address with another SPI.
 */
#include "tests/sim/sim.h"

#include <setjmp.h>
#include <stdarg.h>
#include <unistd.h>
#include <cmocka.h>

#define MILLION	    1000000u
#define STEP_NS	    20000 /* 50 000 a second */
#define GROWTH_KB   4096
#define RESPONDER   1
#define INIT_LENGTH 24 /* offset of the length in an IKE header */

/* Freed memory would stay with ASan, which is not what is measured. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "quarantine_size_mb=1:thread_local_quarantine_size_kb=64";
}

static long resident_kb(void)
{
	long pages = 0, ignored;
	FILE *f = fopen("/proc/self/statm", "re");
	assert_non_null(f);
	assert_int_equal(fscanf(f, "%ld %ld", &ignored, &pages), 2);
	fclose(f);
	return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

struct flood {
	struct sim *s;
	struct ip_endpoint to;
	uint64_t random, spi_i, spi_r;
	uint8_t first[1024];
	size_t first_len;
};

/* A responder for anybody and a tunnel to node 0; the first message is one that node 2 sends. */
static void set_up(struct flood *f)
{
	struct sim *s = f->s = sim_new(1, 3, NULL);
	struct ike_connection anybody = sim_connection(s, RESPONDER, 2);
	struct ike_connection a = sim_connection(s, 0, RESPONDER),
			      b = sim_connection(s, RESPONDER, 0);
	struct ike_connection stranger = sim_connection(s, 2, RESPONDER);
	struct ike_status status;
	sim_add(s, 0, &a);
	sim_add(s, RESPONDER, &b);
	anybody.id = 2;
	anybody.remote = (struct ip_addr){0};
	anybody.start = IKE_START_RESPOND;
	sim_add(s, RESPONDER, &anybody);
	sim_up(s, 0);
	sim_run(s, s->now_ns + 2 * NS_PER_S);
	assert_true(s->node[0].up && s->node[RESPONDER].up);
	assert_int_equal(ike_status(s->node[RESPONDER].ike, 1, &status), 0);
	f->spi_i = status.spi_i;
	f->spi_r = status.spi_r;
	f->to = (struct ip_endpoint){s->node[RESPONDER].addr, IKE_PORT};
	f->random = sim_seeded(7);
	sim_add(s, 2, &stranger);
	s->hold = true;
	sim_up(s, 2);
	assert_int_equal(s->n_queue, 1);
	f->first_len = s->queue[0].len;
	assert_true(f->first_len <= sizeof f->first);
	memcpy(f->first, s->queue[0].bytes, f->first_len);
	sim_drop(s, 0);
	(void)ike_down(s->node[2].ike, 1, s->now_ns, &s->node[2].effects);
	ike_effects_clear(&s->node[2].effects);
	s->hold = false;
}

static struct ip_endpoint somebody(struct flood *f)
{
	uint64_t r = sim_draw(&f->random);
	struct ip_endpoint from = {.addr.family = IP_V4, .port = (uint16_t)(r >> 48 | 1)};
	store_be32(from.addr.b, 0x64000000u | (uint32_t)(r & 0xffffff));
	return from;
}

static void receive(struct flood *f, const struct ip_endpoint *from, const uint8_t *at, size_t len)
{
	struct sim_node *node = &f->s->node[RESPONDER];
	f->s->now_ns += STEP_NS;
	ike_receive(node->ike, &f->to, from, (struct bytes){at, len}, f->s->now_ns, &node->effects);
	if (ike_next_deadline(node->ike) <= f->s->now_ns)
		ike_expire(node->ike, f->s->now_ns, &node->effects);
	/* answers to strangers go nowhere; to node 0 nothing is due */
	ike_effects_clear(&node->effects);
}

/* INFORMATIONAL with the message ID that is next, all of it one encrypted payload (RFC 7296
 * section 3.14). */
static void forge(uint8_t *b, size_t len)
{
	if (len < 32)
		return;
	b[16] = 46;
	b[17] = 0x20;
	b[18] = 37;
	b[19] = 0x08;
	store_be32(b + 20, 2);
	b[28] = 0;
	store_be16(b + 30, (uint16_t)(len - 28));
}

/* Noise; headers with lengths that fit; the tunnel's own SPIs, as who listens on the path knows. */
static void garbage(struct flood *f)
{
	static uint8_t b[256];
	struct ip_endpoint from = somebody(f);
	uint64_t r = sim_draw(&f->random);
	size_t len = r % sizeof b;
	for (size_t i = 0; i < len; i += 8)
		store_be64(b + i, sim_draw(&f->random));
	if (len >= 28 && (r >> 8) % 4) {
		b[17] = (r >> 10) % 4 ? 0x20 : 0x10;
		store_be32(b + INIT_LENGTH, (uint32_t)len);
		if ((r >> 12) % 2) {
			store_be64(b, f->spi_i);
			store_be64(b + 8, f->spi_r);
			forge(b, len);
			from = (struct ip_endpoint){f->s->node[0].addr, IKE_PORT};
		}
	}
	receive(f, &from, b, len);
}

static void first_message(struct flood *f)
{
	struct ip_endpoint from = somebody(f);
	store_be64(f->first, sim_draw(&f->random) | 1);
	receive(f, &from, f->first, f->first_len);
}

static void flood(struct flood *f, void (*one)(struct flood *), const char *what)
{
	long before = 0;
	for (unsigned i = 0; i < MILLION; i++) {
		if (i == MILLION / 10)
			before = resident_kb();
		one(f);
	}
	long grown = resident_kb() - before;
	if (grown > GROWTH_KB)
		fail_msg("%s: memory grew by %ld kB, more than %d", what, grown, GROWTH_KB);
}

/*
 * SECURITY A8 (CVE-2026-20013, CVE-2026-20015, CVE-2025-20182): a million bad packets leave no
 * memory behind. SECURITY D25: a million first messages are answered by cookies and fill no table.
 * Puzzles (RFC 8019) are not built: before the cookies XDP holds the rate of one source and of all
 * (test_ike_of_one_source of test_programs.c).
 * SECURITY D27: what all of them may cost together is GROWTH_KB.
 */
static void test_tunnel_outlives(void **state)
{
	static struct flood f;
	struct ike_status status;
	(void)state;
	set_up(&f);
	struct ike *e = f.s->node[RESPONDER].ike;
	flood(&f, garbage, "garbage");
	flood(&f, first_message, "first messages");
	assert_true(ike_count(e, IKE_COUNT_MALFORMED) > MILLION / 10);
	assert_true(ike_count(e, IKE_COUNT_INTEGRITY) > 1000);
	assert_true(ike_count(e, IKE_COUNT_COOKIES_SENT) > MILLION / 2);
	assert_int_equal(ike_status(e, 1, &status), 0);
	assert_int_equal(status.state, IKE_STATE_ESTABLISHED);
	assert_int_equal(status.spi_i, f.spi_i);
	assert_int_equal(status.spi_r, f.spi_r);
	for (unsigned node = 0; node < 2; node++) {
		sim_rekey(f.s, node);
		sim_run(f.s, f.s->now_ns + 10 * NS_PER_S);
		assert_false(f.s->broken);
		assert_true(sim_agrees(&f.s->node[0], &f.s->node[RESPONDER]));
	}
	sim_free(f.s);
}

int main(void)
{
	log_set_levels(LOG_LEVEL_ERROR);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tunnel_outlives),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
