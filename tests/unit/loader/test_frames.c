/* SPDX-License-Identifier: Apache-2.0 */
/* Frames that the loader builds: questions for link-layer addresses, probes; names of instances. */
#include "base/bytes.h"
#include "loader/discover.h"
#include "loader/instance.h"
#include "loader/probe.h"
#include "maps/layout.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static struct ip_addr addr(const char *text)
{
	struct ip_addr a;
	assert_int_equal(ip_addr_parse(&a, text), 0);
	return a;
}

/* Ones' complement sum; 0xffff over a whole checked range means that its checksum is right. */
static uint32_t sum_of(const uint8_t *p, size_t n, uint32_t sum)
{
	for (size_t i = 0; i + 1 < n; i += 2)
		sum += load_be16(p + i);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

static void test_arp_with_tag(void **state)
{
	uint8_t frame[DISCOVER_FRAME];
	struct discover d = {{2, 0, 0, 0, 0, 7}, 11, addr("10.11.1.1"), addr("10.11.1.4")};
	(void)state;
	assert_int_equal(discover_frame(frame, &d), 64);
	assert_memory_equal(frame, "\xff\xff\xff\xff\xff\xff\x02\0\0\0\0\x07\x81\0\0\x0b\x08\x06",
			    18);
	assert_memory_equal(frame + 18, "\0\1\x08\0\6\4\0\1\x02\0\0\0\0\x07\x0a\x0b\1\1", 18);
	assert_memory_equal(frame + 36, "\0\0\0\0\0\0\x0a\x0b\1\4", 10);
}

static void test_arp_plain(void **state)
{
	uint8_t frame[DISCOVER_FRAME];
	struct discover d = {{2, 0, 0, 0, 0, 7}, 0, addr("10.11.1.1"), addr("10.11.1.4")};
	(void)state;
	assert_int_equal(discover_frame(frame, &d), 60);
	assert_memory_equal(frame + 12, "\x08\x06\0\1", 4);
}

static void test_solicitation(void **state)
{
	uint8_t frame[DISCOVER_FRAME];
	struct discover d = {{2, 0, 0, 0, 0, 7}, 0, addr("fd00:11::1"), addr("fd00:11::a:bcde")};
	(void)state;
	assert_int_equal(discover_frame(frame, &d), 14 + 40 + 32);
	assert_memory_equal(frame, "\x33\x33\xff\x0a\xbc\xde", 6);
	struct ip_addr group = addr("ff02::1:ff0a:bcde");
	assert_memory_equal(frame + 14 + 24, group.b, 16);
	assert_int_equal(frame[14 + 7], 255);
	assert_int_equal(sum_of(frame + 14 + 8, 32 + 32, 32 + 58), 0xffff);
}

static void test_families_differ(void **state)
{
	uint8_t frame[PROBE_FRAME];
	struct discover d = {{0}, 0, addr("10.0.0.1"), addr("fd00::1")};
	struct probe p = {.from = addr("10.0.0.1"), .to = addr("fd00::1")};
	(void)state;
	assert_int_equal(discover_frame(frame, &d), 0);
	assert_int_equal(probe_frame(frame, &p), 0);
}

static void test_probe_plain(void **state)
{
	uint8_t frame[PROBE_FRAME];
	struct probe p = {
		.from = addr("10.1.0.4"), .to = addr("10.2.0.9"), .to_mac = {2, 1, 2, 3, 4, 5}};
	(void)state;
	assert_int_equal(probe_frame(frame, &p), 14 + 28);
	assert_memory_equal(frame, p.to_mac, 6);
	assert_int_equal(load_be16(frame + 12), 0x0800);
	assert_int_equal(sum_of(frame + 14, 20, 0), 0xffff);
	assert_memory_equal(frame + 14 + 16, p.to.b, 4);
}

static void test_probe_vxlan(void **state)
{
	uint8_t frame[PROBE_FRAME];
	struct probe p = {.kind = XGW_TAG_VXLAN,
			  .tag = 1001,
			  .from = addr("fd00::4"),
			  .to = addr("fd01::4"),
			  .from_vtep = addr("192.0.2.11"),
			  .to_vtep = addr("192.0.2.1"),
			  .vxlan_port = 4789};
	(void)state;
	assert_int_equal(probe_frame(frame, &p), 14 + 20 + 8 + 8 + 14 + 48);
	assert_int_equal(load_be16(frame + 14 + 2), 20 + 8 + 8 + 14 + 48);
	assert_int_equal(load_be16(frame + 14 + 20 + 2), 4789);
	assert_int_equal(load_be32(frame + 14 + 28 + 4), 1001 << 8);
	assert_int_equal(load_be16(frame + 14 + 36 + 12), 0x86dd);
	p.from_vtep = (struct ip_addr){0};
	assert_int_equal(probe_frame(frame, &p), 0);
}

static void test_instance_names(void **state)
{
	struct instance i;
	struct fault f = {0};
	static const char *const bad[] = {"",	 ".",	"..", ".x",
					  "a/b", "a b", "ä",  "123456789012345678901234567890123"};
	(void)state;
	assert_int_equal(instance_init(&i, "branch-1", &f), 0);
	assert_string_equal(i.pins, "/sys/fs/bpf/xgw/branch-1");
	assert_string_equal(i.socket, "/run/xgw/branch-1.sock");
	for (size_t n = 0; n < sizeof bad / sizeof *bad; n++) {
		assert_int_equal(instance_init(&i, bad[n], &f), -EINVAL);
		assert_int_equal(f.code, -EINVAL);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_arp_with_tag),   cmocka_unit_test(test_arp_plain),
		cmocka_unit_test(test_solicitation),   cmocka_unit_test(test_families_differ),
		cmocka_unit_test(test_probe_plain),    cmocka_unit_test(test_probe_vxlan),
		cmocka_unit_test(test_instance_names),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
