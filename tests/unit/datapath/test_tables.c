/* SPDX-License-Identifier: Apache-2.0 */
/* The tables of SAs and tunnels at their size: each is found, none is left, and what one costs. */
#include "datapath/slots.h"
#include "world.h"

#include <malloc.h>
#include <stdio.h>
#include <time.h>
#if defined(__SANITIZE_ADDRESS__)
size_t __sanitizer_get_current_allocated_bytes(void); /* gcc ships no header for it */
#endif

#define TUNNELS	      10000u
#define BYTES_A_CHILD (16u << 10)

/* ---- the maps take everything ---- */

static long sas;

int maps_get(const struct maps *m, enum maps_id id, const void *key, void *value)
{
	(void)m, (void)id, (void)key, (void)value;
	return -ENOENT;
}
int maps_put(const struct maps *m, enum maps_id id, const void *key, const void *value)
{
	(void)m, (void)key, (void)value;
	sas += id == MAPS_sas_in;
	return 0;
}
int maps_delete(const struct maps *m, enum maps_id id, const void *key)
{
	(void)m, (void)key;
	sas -= id == MAPS_sas_in;
	return 0;
}
int maps_walk(const struct maps *m, enum maps_id id,
	      int (*each)(void *owner, const void *key, const void *value), void *owner)
{
	(void)m, (void)id, (void)each, (void)owner;
	return 0;
}
int maps_route(const struct maps *m, uint32_t vnet, const struct ip_addr *to, struct xgw_route *out)
{
	(void)m, (void)vnet, (void)to, (void)out;
	return -ENOENT;
}
int maps_endpoint(const struct maps *m, uint32_t vnet, const struct ip_addr *host,
		  struct xgw_endpoint *out)
{
	(void)m, (void)vnet, (void)host, (void)out;
	return -ENOENT;
}
int maps_neighbour(const struct maps *m, uint32_t ifindex, const struct ip_addr *host,
		   struct xgw_neighbour *out)
{
	(void)m, (void)ifindex, (void)host, (void)out;
	return -ENOENT;
}

/* ---- */

static size_t heap(void)
{
#if defined(__SANITIZE_ADDRESS__)
	return __sanitizer_get_current_allocated_bytes();
#else
	struct mallinfo2 m = mallinfo2();
	return m.uordblks + m.hblkhd;
#endif
}

static struct child_sa child(uint32_t n)
{
	struct child_sa c = {.connection = 1024 + n,
			     .spi_in = 0x10000000 + n * 7919,
			     .spi_out = 0x20000000 + n * 104729,
			     .local = {ip_addr_v4(0xcb007101), 4500},
			     .remote = {ip_addr_v4(0xc6120000 + n), 4500},
			     .encapsulation = n % 2 ? ESP_IN_UDP : ESP_NATIVE,
			     .encryption = ENCR_AES_GCM16_256,
			     .n_local_ts = 1,
			     .n_remote_ts = 1};
	struct traffic_selector all = {.port_last = 65535,
				       .range = {ip_addr_v4(0), ip_addr_v4(UINT32_MAX)}};
	uint8_t key[36] = {(uint8_t)n, (uint8_t)(n >> 8)};
	c.local_ts[0] = c.remote_ts[0] = all;
	assert_int_equal(secret_set(&c.key_in, key, sizeof key), 0);
	assert_int_equal(secret_set(&c.key_out, key, sizeof key), 0);
	return c;
}

static void start(struct datapath *d, struct maps *m, uint32_t slots)
{
	memset(d, 0, sizeof *d);
	memset(m, 0, sizeof *m);
	d->o.maps = m;
	d->o.backend = esp_backend_choose("auto");
	d->max_slots = slots;
	assert_non_null(d->o.backend);
	assert_int_equal(tables_start(d), 0);
}

static void install(struct datapath *d, uint32_t n)
{
	const struct datapath_path path = {.usable = true, .mtu = 1500};
	struct fault f = {0};
	struct child_sa c = child(n);
	assert_int_equal(datapath_child_install(d, 1, &c, &f), 0);
	assert_int_equal(datapath_path_set(d, c.connection, &path), 0);
	assert_int_equal(datapath_child_use(d, c.spi_in), 0);
}

static void test_ten_thousand(void **state)
{
	static struct datapath d;
	struct maps m;
	struct timespec from, to;
	(void)state;
	start(&d, &m, 65536);
	size_t before = heap();
	clock_gettime(CLOCK_MONOTONIC, &from);
	for (uint32_t n = 0; n < TUNNELS; n++)
		install(&d, n);
	clock_gettime(CLOCK_MONOTONIC, &to);
	size_t each = (heap() - before) / TUNNELS;
	printf("%u tunnels: %.3f s, %zu bytes each with one AES-256-GCM child\n", TUNNELS,
	       (double)(to.tv_sec - from.tv_sec) + 1e-9 * (double)(to.tv_nsec - from.tv_nsec),
	       each);
	assert_in_range(each, 1, BYTES_A_CHILD);
	assert_int_equal(sas, TUNNELS);
	for (uint32_t n = 0; n < TUNNELS; n += 97) {
		struct child_sa c = child(n);
		struct child *by = slots_by_spi_in(&d, c.spi_in);
		assert_non_null(by);
		assert_int_equal(by->connection, c.connection);
		assert_ptr_equal(slots_by_spi_out(&d, c.spi_out, &c.local.addr, &c.remote.addr),
				 by);
		assert_null(slots_by_spi_out(&d, c.spi_out, &c.remote.addr, &c.local.addr));
		assert_ptr_equal(slots_by_peer(&d, &c.local, &c.remote), n % 2 ? by : NULL);
	}
	tables_stop(&d);
	assert_int_equal(sas, 0);
}

/* A table that fills up, empties and fills again gives every slot, and the longest rested first. */
static void test_slots(void **state)
{
	enum { SLOTS = 8 };
	static struct datapath d;
	struct maps m;
	struct fault f = {0};
	(void)state;
	start(&d, &m, SLOTS);
	for (uint32_t n = 0; n < SLOTS; n++)
		install(&d, n);
	struct child_sa more = child(SLOTS);
	assert_int_equal(datapath_child_install(&d, 1, &more, &f), -ENOSPC);
	struct child_sa again = child(3);
	assert_int_equal(datapath_child_install(&d, 1, &again, &f), -EEXIST);
	uint32_t rested[3], order[3] = {5, 0, 7};
	for (int i = 0; i < 3; i++) {
		struct child_sa c = child(order[i]);
		rested[i] = slots_by_spi_in(&d, c.spi_in)->slot;
		assert_int_equal(datapath_child_remove(&d, c.spi_in), 0);
		assert_int_equal(datapath_child_remove(&d, c.spi_in), -ENOENT);
		assert_null(slots_by_spi_in(&d, c.spi_in));
		assert_null(slots_by_spi_out(&d, c.spi_out, &c.local.addr, &c.remote.addr));
	}
	for (uint32_t i = 0; i < 3; i++) {
		struct child_sa c = child(SLOTS + i);
		assert_int_equal(datapath_child_install(&d, 1, &c, &f), 0);
		assert_int_equal(slots_by_spi_in(&d, c.spi_in)->slot, rested[i]);
	}
	tables_stop(&d);
	assert_int_equal(sas, 0);
}

/* A connection's children are a list of its own: its sums and its end concern no other. */
static void test_children_of_a_tunnel(void **state)
{
	static struct datapath d;
	struct maps m;
	struct fault f = {0};
	(void)state;
	start(&d, &m, 64);
	for (uint32_t n = 0; n < 30; n++) {
		struct child_sa c = child(n);
		c.connection = 1024 + n % 3;
		assert_int_equal(datapath_child_install(&d, 1, &c, &f), 0);
	}
	unsigned n = 0;
	for (struct child *c = slots_first(&d, d.tunnels[1025]); c; c = slots_next(&d, c)) {
		assert_int_equal(c->connection, 1025);
		n++;
	}
	assert_int_equal(n, 10);
	datapath_tunnel_remove(&d, 1025);
	assert_int_equal(sas, 20);
	for (uint32_t i = 0; i < 30; i++)
		assert_true(!slots_by_spi_in(&d, child(i).spi_in) == (i % 3 == 1));
	/* with other addresses it is found by those, and by the old ones no more */
	struct child_sa was = child(3), now = child(3);
	now.connection = was.connection = 1024;
	now.remote.addr = ip_addr_v4(0xc0000201);
	now.remote.port = 1234;
	now.encapsulation = ESP_IN_UDP;
	assert_int_equal(datapath_child_update(&d, &now), 0);
	sas--; /* put again under the key it had */
	assert_null(slots_by_spi_out(&d, was.spi_out, &was.local.addr, &was.remote.addr));
	assert_null(slots_by_peer(&d, &was.local, &was.remote));
	assert_non_null(slots_by_spi_out(&d, now.spi_out, &now.local.addr, &now.remote.addr));
	assert_non_null(slots_by_peer(&d, &now.local, &now.remote));
	tables_stop(&d);
	assert_int_equal(sas, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ten_thousand),
		cmocka_unit_test(test_slots),
		cmocka_unit_test(test_children_of_a_tunnel),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
