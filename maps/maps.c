// SPDX-License-Identifier: Apache-2.0
/* Typed access to the pinned maps; see maps.h. */
#include "maps/maps.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <inttypes.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "maps/drops.h"

#define PER_CPU_ARRAY	     false
#define PER_CPU_HASH	     false
#define PER_CPU_LPM_TRIE     false
#define PER_CPU_PERCPU_ARRAY true

static const struct maps_row rows[MAPS_COUNT] = {
#define MAP(name_, type_, key_, value_, entries_, flags_, meaning_) \
	{#name_, meaning_, sizeof(key_), sizeof(value_), entries_, false, PER_CPU_##type_},
#define RAW(name_, type_, key_size_, value_size_, entries_, meaning_) \
	{#name_, meaning_, key_size_, value_size_, entries_, true, false},
#include "maps/maps.def"
#undef MAP
#undef RAW
};

const struct maps_row *maps_row(enum maps_id id)
{
	return (unsigned)id < MAPS_COUNT ? &rows[id] : NULL;
}

static void start(struct maps *m)
{
	memset(m, 0, sizeof(*m));
	for (unsigned i = 0; i < MAPS_COUNT; i++)
		m->fd[i] = -1;
}

static size_t limiters_bytes(void)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t bytes = XGW_MAX_LIMITERS * sizeof(struct xgw_limiter);

	return (bytes + page - 1) / page * page;
}

void maps_close(struct maps *m)
{
	if (m->config)
		munmap((void *)(uintptr_t)m->config, (size_t)sysconf(_SC_PAGESIZE));
	if (m->limiters)
		munmap(m->limiters, limiters_bytes());
	for (unsigned i = 0; i < MAPS_COUNT; i++) {
		if (m->fd[i] >= 0)
			close(m->fd[i]);
	}
	start(m);
}

/* NULL when the map is not there, or cannot be mapped. */
static void *map_memory(const struct maps *m, enum maps_id id, size_t bytes)
{
	void *at = MAP_FAILED;

	if (m->fd[id] >= 0)
		at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, m->fd[id], 0);
	return at == MAP_FAILED ? NULL : at;
}

static void map_shared(struct maps *m)
{
	m->config = map_memory(m, MAPS_config, (size_t)sysconf(_SC_PAGESIZE));
	m->limiters = map_memory(m, MAPS_limiters, limiters_bytes());
}

int maps_adopt(struct maps *out, const int fds[MAPS_COUNT], struct fault *f)
{
	(void)f;
	start(out);
	memcpy(out->fd, fds, sizeof(out->fd));
	map_shared(out);
	return 0;
}

/* A pin whose sizes are not this program's is as foreign as one of another version. */
static int check_row(const struct maps *m, unsigned i, struct fault *f)
{
	struct bpf_map_info info = {0};
	__u32 len = sizeof(info);

	if (bpf_obj_get_info_by_fd(m->fd[i], &info, &len))
		return fault_set(f, -errno, "map %s/%s cannot be asked for its sizes: %s",
				 m->directory, rows[i].name, strerror(errno));
	if (info.key_size == rows[i].key_size && info.value_size == rows[i].value_size)
		return 0;
	fault_set(f, -EPROTO,
		  "pinned map %s/%s has keys of %u and values of %u bytes, this program's have "
		  "%u and %u",
		  m->directory, rows[i].name, info.key_size, info.value_size, rows[i].key_size,
		  rows[i].value_size);
	return fault_advise(f, "`xgw detach` clears the pins of another version");
}

static int check_version(const struct maps *m, struct fault *f)
{
	struct xgw_config config = {0};
	__u32 zero = 0;
	int rc = maps_get(m, MAPS_config, &zero, &config);

	if (rc)
		return fault_set(f, rc, "map %s/config cannot be read: %s", m->directory,
				 strerror(-rc));
	if (config.layout_version == XGW_LAYOUT_VERSION)
		return 0;
	fault_set(f, -EPROTO, "the maps pinned in %s have layout version %u, this program's is %u",
		  m->directory, config.layout_version, XGW_LAYOUT_VERSION);
	return fault_advise(f, "`xgw detach` clears the pins of another version");
}

static int open_pin(struct maps *m, unsigned i, struct fault *f)
{
	char path[192];
	int rc;

	snprintf(path, sizeof(path), "%s/%s", m->directory, rows[i].name);
	m->fd[i] = bpf_obj_get(path);
	if (m->fd[i] >= 0)
		return 0;
	rc = -errno;
	if (rc != -ENOENT)
		return fault_set(f, rc, "pinned map %s cannot be opened: %s", path, strerror(-rc));
	fault_set(f, rc, "no pinned map %s", path);
	return fault_advise(f, "no instance of this name is attached; `xgw run` or `xgw attach` "
			       "pins the maps");
}

int maps_open(struct maps *out, const char *directory, struct fault *f)
{
	int rc = 0;

	start(out);
	if (strlen(directory) >= sizeof(out->directory))
		return fault_set(f, -ENAMETOOLONG,
				 "directory of pins has %zu characters, at most %zu are taken: %s",
				 strlen(directory), sizeof(out->directory) - 1, directory);
	snprintf(out->directory, sizeof(out->directory), "%s", directory);
	/* config is the first row: its version speaks before anything else is judged */
	for (unsigned i = 0; i < MAPS_COUNT && !rc; i++) {
		rc = open_pin(out, i, f);
		if (!rc)
			rc = check_row(out, i, f);
		if (!rc && i == MAPS_config)
			rc = check_version(out, f);
	}
	if (rc) {
		maps_close(out);
		return rc;
	}
	map_shared(out);
	return 0;
}

static unsigned cpus(void)
{
	static unsigned n;

	if (!n)
		n = (unsigned)libbpf_num_possible_cpus();
	return n;
}

/* The kernel gives one value per possible CPU, each rounded up to 8 bytes. */
static void sum_cpus(const uint64_t *all, uint32_t value_size, void *value)
{
	uint32_t words = value_size / 8;
	uint64_t *sum = value;

	memset(value, 0, value_size);
	for (unsigned c = 0; c < cpus(); c++) {
		for (uint32_t w = 0; w < words; w++)
			sum[w] += all[c * words + w];
	}
}

static int get_per_cpu(const struct maps *m, enum maps_id id, const void *key, void *value)
{
	uint64_t *all = calloc(cpus(), rows[id].value_size);
	int rc = 0;

	if (!all)
		return -ENOMEM;
	if (bpf_map_lookup_elem(m->fd[id], key, all))
		rc = -errno;
	else
		sum_cpus(all, rows[id].value_size, value);
	free(all);
	return rc;
}

int maps_get(const struct maps *m, enum maps_id id, const void *key, void *value)
{
	if (rows[id].per_cpu)
		return get_per_cpu(m, id, key, value);
	return bpf_map_lookup_elem(m->fd[id], key, value) ? -errno : 0;
}

/* A per-CPU value is put on the first CPU, so that the sum is what the caller gave. */
static int put_per_cpu(const struct maps *m, enum maps_id id, const void *key, const void *value)
{
	uint8_t *all = calloc(cpus(), rows[id].value_size);
	int rc;

	if (!all)
		return -ENOMEM;
	memcpy(all, value, rows[id].value_size);
	rc = bpf_map_update_elem(m->fd[id], key, all, BPF_ANY) ? -errno : 0;
	free(all);
	return rc;
}

int maps_put(const struct maps *m, enum maps_id id, const void *key, const void *value)
{
	if (rows[id].per_cpu)
		return put_per_cpu(m, id, key, value);
	return bpf_map_update_elem(m->fd[id], key, value, BPF_ANY) ? -errno : 0;
}

int maps_delete(const struct maps *m, enum maps_id id, const void *key)
{
	return bpf_map_delete_elem(m->fd[id], key) ? -errno : 0;
}

void maps_delete_batch(const struct maps *m, enum maps_id id, const void *keys, uint32_t n)
{
	const uint8_t *key = keys;
	bool by_batch = true;

	for (uint32_t i = 0; i < n; i++) {
		__u32 done = n - i;
		const uint8_t *at = key + (size_t)i * rows[id].key_size;
		if (by_batch && !bpf_map_delete_batch(m->fd[id], at, &done, NULL))
			return;
		/* it ended at a key that is not there, behind as many as it says */
		if (by_batch && errno == ENOENT && done < n - i) {
			i += done;
			continue;
		}
		by_batch = false;
		maps_delete(m, id, at);
	}
}

int maps_put_batch(const struct maps *m, enum maps_id id, const void *keys, const void *values,
		   uint32_t n)
{
	const uint8_t *key = keys, *value = values;
	__u32 done = n;
	int rc;

	if (n && !rows[id].per_cpu) {
		if (!bpf_map_update_batch(m->fd[id], keys, values, &done, NULL))
			return 0;
		/* which kernels take batches for which types differs: what is left goes singly */
		if (errno == E2BIG || errno == ENOSPC)
			return -errno;
	}
	for (uint32_t i = 0; i < n; i++) {
		rc = maps_put(m, id, key + (size_t)i * rows[id].key_size,
			      value + (size_t)i * rows[id].value_size);
		if (rc)
			return rc;
	}
	return 0;
}

static int walk_keys(const struct maps *m, enum maps_id id, uint8_t *key, uint8_t *next,
		     void *value, int (*each)(void *, const void *, const void *), void *owner)
{
	const void *from = NULL;
	/* a map that changes meanwhile may start its walk anew: bounded by twice its size */
	uint64_t left = 2ull * rows[id].entries + 1024;
	struct bpf_map_info info = {0};
	__u32 len = sizeof(info);
	int rc;

	if (!bpf_obj_get_info_by_fd(m->fd[id], &info, &len))
		left = 2ull * info.max_entries + 1024;
	while (left-- && !bpf_map_get_next_key(m->fd[id], from, next)) {
		memcpy(key, next, rows[id].key_size);
		from = key;
		rc = maps_get(m, id, key, value);
		if (rc == -ENOENT)
			continue;
		if (rc)
			return rc;
		rc = each(owner, key, value);
		if (rc)
			return rc;
	}
	return 0;
}

int maps_walk(const struct maps *m, enum maps_id id,
	      int (*each)(void *owner, const void *key, const void *value), void *owner)
{
	uint8_t *buffer;
	int rc;

	if (rows[id].raw)
		return -EOPNOTSUPP;
	buffer = calloc(1, 2 * 64 + rows[id].value_size);
	if (!buffer)
		return -ENOMEM;
	rc = walk_keys(m, id, buffer, buffer + 64, buffer + 128, each, owner);
	free(buffer);
	return rc;
}

int maps_slice(const struct maps *m, enum maps_id id, uint32_t *cursor, bool *begun, void *keys,
	       void *values, uint32_t *n)
{
	__u32 count = *n, next = 0;
	int err = bpf_map_lookup_batch(m->fd[id], *begun ? cursor : NULL, &next, keys, values,
				       &count, NULL);

	*n = 0;
	if (err && errno != ENOENT)
		return -errno;
	*n = count;
	*cursor = next;
	*begun = true;
	return err ? -ENOENT : 0;
}

long maps_entries(const struct maps *m, enum maps_id id)
{
	uint8_t key[64] = {0}, next[64];
	const void *from = NULL;
	long n = 0;

	if (!rows[id].key_size)
		return 0;
	while (!bpf_map_get_next_key(m->fd[id], from, next)) {
		memcpy(key, next, rows[id].key_size);
		from = key;
		/* has a key for each place, and tells nobody which are taken */
		if (id == MAPS_xsks) {
			uint32_t value;

			if (bpf_map_lookup_elem(m->fd[id], key, &value))
				continue;
		}
		if (++n > (1l << 26))
			break;
	}
	return errno == ENOENT || n ? n : -errno;
}

int maps_hop_up(const struct maps *m, uint32_t id, bool up)
{
	struct xgw_next_hop hop = {0};
	int err = maps_get(m, MAPS_next_hops, &id, &hop);

	if (err || !(hop.flags & XGW_HOP_UP) == !up)
		return err;
	hop.flags ^= XGW_HOP_UP;
	err = maps_put(m, MAPS_next_hops, &id, &hop);
	return err ? err : 1;
}

void maps_bump(const struct maps *m)
{
	struct xgw_config config = {0};
	__u32 zero = 0;

	if (m->config) {
		__atomic_add_fetch(&((struct xgw_config *)(uintptr_t)m->config)->generation, 1,
				   __ATOMIC_RELEASE);
		return;
	}
	if (maps_get(m, MAPS_config, &zero, &config))
		return;
	config.generation++;
	(void)maps_put(m, MAPS_config, &zero, &config);
}

/* ---- lookups of the worker ---- */

static struct ip_prefix whole(const struct ip_addr *a)
{
	struct ip_prefix p = {.addr = *a, .len = (uint8_t)ip_addr_bits(a)};

	return p;
}

static __be32 vnet_be(uint32_t vnet)
{
	return htonl(vnet);
}

struct xgw_route4_key maps_route4_key(uint32_t vnet, const struct ip_prefix *p)
{
	struct xgw_route4_key key = {.prefixlen = 32u + p->len, .vnet_be = vnet_be(vnet)};

	memcpy(key.addr, p->addr.b, sizeof(key.addr));
	return key;
}

struct xgw_route6_key maps_route6_key(uint32_t vnet, const struct ip_prefix *p)
{
	struct xgw_route6_key key = {.prefixlen = 32u + p->len, .vnet_be = vnet_be(vnet)};

	memcpy(key.addr, p->addr.b, sizeof(key.addr));
	return key;
}

struct xgw_vtep_key maps_vtep_key(uint32_t attachment, const struct ip_prefix *p)
{
	uint32_t before = p->addr.family == IP_V4 ? 96 : 0;
	struct xgw_vtep_key key = {.prefixlen = 32u + before + p->len,
				   .attachment_be = htonl(attachment)};

	ip_addr_to_mapped(&p->addr, key.addr);
	return key;
}

int maps_route(const struct maps *m, uint32_t vnet, const struct ip_addr *to, struct xgw_route *out)
{
	struct ip_prefix p = whole(to);

	if (to->family == IP_V4) {
		struct xgw_route4_key key = maps_route4_key(vnet, &p);

		return maps_get(m, MAPS_routes4, &key, out);
	}
	if (to->family == IP_V6) {
		struct xgw_route6_key key = maps_route6_key(vnet, &p);

		return maps_get(m, MAPS_routes6, &key, out);
	}
	return -EAFNOSUPPORT;
}

int maps_route_put(const struct maps *m, uint32_t vnet, const struct ip_prefix *p,
		   const struct xgw_route *r)
{
	struct ip_prefix canonical = ip_prefix_canonical(*p);
	struct xgw_route6_key key6 = maps_route6_key(vnet, &canonical);
	struct xgw_route4_key key4 = maps_route4_key(vnet, &canonical);

	if (p->addr.family == IP_V4)
		return maps_put(m, MAPS_routes4, &key4, r);
	return p->addr.family == IP_V6 ? maps_put(m, MAPS_routes6, &key6, r) : -EAFNOSUPPORT;
}

int maps_route_delete(const struct maps *m, uint32_t vnet, const struct ip_prefix *p)
{
	struct ip_prefix canonical = ip_prefix_canonical(*p);
	struct xgw_route6_key key6 = maps_route6_key(vnet, &canonical);
	struct xgw_route4_key key4 = maps_route4_key(vnet, &canonical);

	if (p->addr.family == IP_V4)
		return maps_delete(m, MAPS_routes4, &key4);
	return p->addr.family == IP_V6 ? maps_delete(m, MAPS_routes6, &key6) : -EAFNOSUPPORT;
}

int maps_endpoint(const struct maps *m, uint32_t vnet, const struct ip_addr *host,
		  struct xgw_endpoint *out)
{
	struct xgw_endpoint_key key = {.vnet = vnet};

	ip_addr_to_mapped(host, key.addr);
	return maps_get(m, MAPS_endpoints, &key, out);
}

int maps_neighbour(const struct maps *m, uint32_t ifindex, const struct ip_addr *host,
		   struct xgw_neighbour *out)
{
	struct xgw_neighbour_key key = {.ifindex = ifindex};

	ip_addr_to_mapped(host, key.addr);
	return maps_get(m, MAPS_neighbours, &key, out);
}

const char *maps_name(const struct maps *m, enum xgw_name_kind kind, uint32_t id,
		      char out[XGW_NAME])
{
	struct xgw_name_key key = {.kind = kind, .id = id};
	struct xgw_name name;

	if (m->fd[MAPS_names] < 0 || maps_get(m, MAPS_names, &key, &name)) {
		snprintf(out, XGW_NAME, "#%" PRIu32, id);
		return out;
	}
	memcpy(out, name.text, XGW_NAME);
	out[XGW_NAME - 1] = 0;
	return out;
}

int maps_drop_count(const struct maps *m, uint32_t port_id, enum xgw_drop reason,
		    struct xgw_count *out)
{
	__u32 key = port_id * XGW_DROP_SLOTS + reason;

	return maps_get(m, MAPS_drops, &key, out);
}

/* ---- drop reasons ---- */

static const struct {
	const char *name, *severity, *text;
} drops[XGW_DROP_COUNT] = {
#define DROP(id_, name_, severity_, text_) {name_, #severity_, text_},
#include "maps/drops.def"
#undef DROP
};

const char *maps_drop_name(unsigned reason)
{
	return reason < XGW_DROP_COUNT ? drops[reason].name : "unknown";
}

const char *maps_drop_text(unsigned reason)
{
	return reason < XGW_DROP_COUNT ? drops[reason].text : "unknown";
}

const char *maps_drop_severity(unsigned reason)
{
	return reason < XGW_DROP_COUNT ? drops[reason].severity : "unknown";
}
