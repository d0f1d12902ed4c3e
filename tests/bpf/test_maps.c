// SPDX-License-Identifier: Apache-2.0
/* Typed access and dumps on the real maps, also by pins alone, and what foreign pins are told. */
#include "maps/dump.h"
#include "maps/limiter.h"
#include "world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <sys/stat.h>

#include <cmocka.h>

static struct world w;
static char pins[64];

static void pin_all(void)
{
	char path[160];

	assert_int_equal(mkdir(pins, 0700), 0);
	for (unsigned i = 0; i < MAPS_COUNT; i++) {
		snprintf(path, sizeof(path), "%s/%s", pins, maps_row((enum maps_id)i)->name);
		assert_int_equal(bpf_obj_pin(w.maps.fd[i], path), 0);
	}
}

static void unpin_all(void)
{
	char path[160];

	for (unsigned i = 0; i < MAPS_COUNT; i++) {
		snprintf(path, sizeof(path), "%s/%s", pins, maps_row((enum maps_id)i)->name);
		unlink(path);
	}
	rmdir(pins);
}

static void test_pins(void **state)
{
	struct xgw_config c = {.layout_version = XGW_LAYOUT_VERSION};
	struct fault f = {0};
	struct maps m;
	__u32 zero = 0;

	(void)state;
	assert_int_equal(maps_open(&m, pins, &f), -ENOENT);
	assert_non_null(strstr(f.advice, "xgw run"));
	pin_all();
	memset(&f, 0, sizeof(f));
	assert_int_equal(maps_open(&m, pins, &f), -EPROTO);
	assert_non_null(strstr(f.text, "layout version 0"));
	assert_non_null(strstr(f.advice, "xgw detach"));
	assert_int_equal(maps_put(&w.maps, MAPS_config, &zero, &c), 0);
	assert_int_equal(maps_open(&m, pins, &f), 0);
	assert_non_null(m.config);
	maps_bump(&m);
	maps_bump(&m);
	assert_int_equal(w.maps.config->generation, 2);
	maps_close(&m);
	unpin_all();
}

/* Each map can be dumped, as JSON and as text, and its entries are counted. */
static void test_dump_each(void **state)
{
	struct fault f = {0};
	json_t *list, *row;
	size_t i;

	(void)state;
	assert_int_equal(dump_list(&w.maps, &list, &f), 0);
	assert_int_equal(json_array_size(json_object_get(list, "maps")), MAPS_COUNT);
	json_array_foreach(json_object_get(list, "maps"), i, row)
	{
		const char *name = json_string_value(json_object_get(row, "name"));
		json_t *document;
		size_t size = 0;
		char *text = NULL;
		FILE *to = open_memstream(&text, &size);

		assert_int_equal(dump_map(&w.maps, name, &document, &f), 0);
		assert_string_equal(json_string_value(json_object_get(document, "map")), name);
		assert_int_equal(json_array_size(json_object_get(document, "entries")),
				 json_integer_value(json_object_get(row, "entries")));
		dump_print(to, document);
		fclose(to);
		if (json_array_size(json_object_get(document, "entries")))
			assert_non_null(strchr(text, '\n'));
		free(text);
		json_decref(document);
	}
	json_decref(list);
	assert_int_equal(dump_map(&w.maps, "nothing", &list, &f), -ENOENT);
	assert_non_null(strstr(f.text, "routes4"));
}

static const json_t *entry_with(const json_t *document, const char *field, const char *text)
{
	size_t i;
	json_t *row;

	json_array_foreach(json_object_get(document, "entries"), i, row)
	{
		const char *have = json_string_value(json_object_get(row, field));

		if (have && !strcmp(have, text))
			return row;
	}
	fail_msg("no entry with %s %s", field, text);
	return NULL;
}

static const char *text_of(const json_t *row, const char *field)
{
	return json_string_value(json_object_get(row, field));
}

static void test_decoding(void **state)
{
	struct xgw_name_key key = {.kind = XGW_NAME_VNET, .id = VNET};
	struct xgw_name name = {.text = "VNet1"};
	struct fault f = {0};
	const json_t *row;
	json_t *d;

	(void)state;
	assert_int_equal(maps_put(&w.maps, MAPS_names, &key, &name), 0);
	assert_int_equal(dump_map(&w.maps, "routes4", &d, &f), 0);
	row = entry_with(d, "prefix", "192.168.5.0/24");
	assert_string_equal(text_of(row, "virtualNetwork"), "VNet1");
	assert_string_equal(text_of(row, "type"), "tunnel");
	assert_string_equal(text_of(row, "nextHop"), "#1024");
	assert_string_equal(text_of(row, "source"), "static");
	json_decref(d);
	assert_int_equal(dump_map(&w.maps, "routes6", &d, &f), 0);
	entry_with(d, "prefix", "fd00:11::/48");
	json_decref(d);
	assert_int_equal(dump_map(&w.maps, "endpoints", &d, &f), 0);
	row = entry_with(d, "address", "10.11.2.4");
	assert_string_equal(text_of(row, "mac"), HOST_MAC);
	assert_string_equal(text_of(row, "host"), "192.0.2.11");
	json_decref(d);
	assert_int_equal(dump_map(&w.maps, "sas_in", &d, &f), 0);
	row = entry_with(d, "spi", "c0000001");
	assert_string_equal(text_of(row, "destination"), "203.0.113.1");
	json_decref(d);
}

static void put_named(enum xgw_name_kind kind, uint32_t id, const char *text)
{
	struct xgw_name_key key = {.kind = kind, .id = id};
	struct xgw_name name = {0};

	snprintf(name.text, sizeof(name.text), "%s", text);
	assert_int_equal(maps_put(&w.maps, MAPS_names, &key, &name), 0);
}

static const char *element(const json_t *row, const char *field, size_t i)
{
	return json_string_value(json_array_get(json_object_get(row, field), i));
}

/* What circuits add reads by their names too: a link, its domain, its next hop, groups, a rate. */
static void test_decoding_of_circuits(void **state)
{
	const uint32_t domain = XGW_FIRST_DOMAIN + 3, link = 70, number = 2, via = 4000, any = 4001;
	struct xgw_attachment a = {.id = link,
				   .vnet = domain,
				   .kind = XGW_TAG_QINQ,
				   .tag = XGW_QINQ(200, 300),
				   .flags = XGW_ATTACHMENT_LINK,
				   .local_ifindex = 77,
				   .limiter = number};
	struct xgw_next_hop hop = {.kind = XGW_HOP_CIRCUIT, .vnet = domain, .flags = XGW_HOP_UP};
	struct xgw_next_hop choice = {.kind = XGW_HOP_CHOICE,
				      .flags = XGW_HOP_SPREAD,
				      .groups = 1u << 1,
				      .member = {via, TUNNEL}};
	struct xgw_limiter l = limiter_of(500);
	struct fault f = {0};
	const json_t *row;
	json_t *d;

	(void)state;
	put_named(XGW_NAME_CIRCUIT, domain, "Circuit1");
	put_named(XGW_NAME_HOP, via, "Circuit1/primary");
	put_named(XGW_NAME_HOP, any, "Circuit1, then Site5");
	put_named(XGW_NAME_ATTACHMENT, link, "er0/qinq200.300");
	world_mapped(hop.address, "172.31.0.1");
	assert_int_equal(maps_put(&w.maps, MAPS_attachments, &link, &a), 0);
	assert_int_equal(maps_put(&w.maps, MAPS_next_hops, &via, &hop), 0);
	assert_int_equal(maps_put(&w.maps, MAPS_next_hops, &any, &choice), 0);
	assert_int_equal(maps_put(&w.maps, MAPS_limiters, &number, &l), 0);
	world_route(&w, domain, "10.199.0.0/16", via, 0);
	assert_int_equal(dump_map(&w.maps, "attachments", &d, &f), 0);
	row = entry_with(d, "attachment", "er0/qinq200.300");
	assert_string_equal(text_of(row, "circuit"), "Circuit1");
	assert_null(text_of(row, "virtualNetwork"));
	assert_string_equal(text_of(row, "encapsulation"), "qinq");
	assert_string_equal(element(row, "flags", 0), "link");
	assert_int_equal(json_integer_value(json_object_get(row, "localIfindex")), 77);
	json_decref(d);
	assert_int_equal(dump_map(&w.maps, "routes4", &d, &f), 0);
	row = entry_with(d, "prefix", "10.199.0.0/16");
	assert_string_equal(text_of(row, "circuit"), "Circuit1");
	assert_null(text_of(row, "table"));
	assert_string_equal(text_of(row, "type"), "circuit");
	assert_string_equal(text_of(row, "nextHop"), "Circuit1/primary");
	json_decref(d);
	assert_int_equal(dump_map(&w.maps, "next_hops", &d, &f), 0);
	row = entry_with(d, "name", "Circuit1/primary");
	assert_string_equal(text_of(row, "circuit"), "Circuit1");
	assert_string_equal(text_of(row, "address"), "172.31.0.1");
	row = entry_with(d, "name", "Circuit1, then Site5");
	assert_string_equal(element(row, "members", 0), "Circuit1/primary");
	assert_string_equal(element(row, "groups", 0), "1");
	assert_string_equal(element(row, "groups", 1), "2");
	json_decref(d);
	assert_int_equal(dump_map(&w.maps, "limiters", &d, &f), 0);
	assert_int_equal(json_array_size(json_object_get(d, "entries")), 1);
	row = json_array_get(json_object_get(d, "entries"), 0);
	assert_int_equal(json_integer_value(json_object_get(row, "bandwidthInMbps")), 500);
	json_decref(d);
	assert_int_equal(dump_map(&w.maps, "ports", &d, &f), 0);
	row = entry_with(d, "role", "link");
	json_decref(d);
}

static void test_drops(void **state)
{
	static struct frame in, out;
	struct xgw_count c;
	struct fault f = {0};
	const json_t *row;
	json_t *d;

	(void)state;
	frame_eth(&in, LAN_MAC, HOST_MAC, 0x1234);
	frame_fill(&in, 46);
	for (int i = 0; i < 3; i++)
		assert_int_equal(world_run(&w, LAN, &in, &out), XDP_DROP);
	assert_int_equal(maps_drop_count(&w.maps, LAN, XGW_DROP_NOT_IP, &c), 0);
	assert_int_equal(c.packets, 3);
	assert_int_equal(c.bytes, 180);
	assert_int_equal(dump_map(&w.maps, "drops", &d, &f), 0);
	assert_int_equal(json_array_size(json_object_get(d, "entries")), 1);
	row = entry_with(d, "reason", "not-ip");
	assert_int_equal(json_integer_value(json_object_get(row, "packets")), 3);
	assert_string_equal(text_of(row, "severity"), "normal");
	json_decref(d);
	assert_string_equal(maps_drop_name(XGW_DROP_COUNT), "unknown");
	assert_string_equal(maps_drop_name(XGW_DROP_NO_SA), "no-sa");
}

static int count_one(void *owner, const void *key, const void *value)
{
	(void)key, (void)value;
	return ++*(unsigned *)owner == 100 ? 42 : 0;
}

static void test_batch_and_walk(void **state)
{
	struct xgw_route4_key keys[300];
	struct xgw_route values[300];
	long before = maps_entries(&w.maps, MAPS_routes4);
	unsigned n = 0;

	(void)state;
	for (unsigned i = 0; i < 300; i++) {
		struct ip_prefix p = {.addr = ip_addr_v4(0x28000000 + i * 256), .len = 24};

		keys[i] = maps_route4_key(VNET, &p);
		values[i] = (struct xgw_route){.next_hop = i};
	}
	assert_int_equal(maps_put_batch(&w.maps, MAPS_routes4, keys, values, 300), 0);
	assert_int_equal(maps_entries(&w.maps, MAPS_routes4), before + 300);
	assert_int_equal(maps_walk(&w.maps, MAPS_routes4, count_one, &n), 42);
	assert_int_equal(n, 100);
	assert_int_equal(maps_delete(&w.maps, MAPS_routes4, &keys[7]), 0);
	assert_int_equal(maps_delete(&w.maps, MAPS_routes4, &keys[7]), -ENOENT);
	/* all of them, those that are not there among them, and the last one twice */
	assert_int_equal(maps_delete(&w.maps, MAPS_routes4, &keys[8]), 0);
	assert_int_equal(maps_delete(&w.maps, MAPS_routes4, &keys[250]), 0);
	maps_delete_batch(&w.maps, MAPS_routes4, keys, 300);
	assert_int_equal(maps_entries(&w.maps, MAPS_routes4), before);
	maps_delete_batch(&w.maps, MAPS_routes4, keys, 300);
	maps_delete_batch(&w.maps, MAPS_routes4, keys, 0);
	assert_int_equal(maps_entries(&w.maps, MAPS_routes4), before);
}

static int setup(void **state)
{
	(void)state;
	snprintf(pins, sizeof(pins), "/sys/fs/bpf/xgw-test-%d", (int)getpid());
	world_open(&w, true);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	unpin_all();
	world_close(&w);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pins),	 cmocka_unit_test(test_dump_each),
		cmocka_unit_test(test_decoding), cmocka_unit_test(test_decoding_of_circuits),
		cmocka_unit_test(test_drops),	 cmocka_unit_test(test_batch_and_walk),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
