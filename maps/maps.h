/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Typed access to the pinned maps: the only user of bpf_map_* calls in userspace. One handle = one
 * instance's directory below /sys/fs/bpf/xgw/. All functions return 0 or -errno unless they say
 * otherwise.
 */
#ifndef XGW_MAPS_MAPS_H
#define XGW_MAPS_MAPS_H

#include "base/addr.h"
#include "base/fault.h"
#include "maps/layout.h"

#include <stdbool.h>
#include <stddef.h>

#define MAPS_ROOT "/sys/fs/bpf/xgw"

enum maps_id {
#define MAP(name, ...) MAPS_##name,
#define RAW(name, ...) MAPS_##name,
#include "maps/maps.def"
#undef MAP
#undef RAW
	MAPS_COUNT
};

struct maps {
	int fd[MAPS_COUNT];
	volatile struct xgw_config *config; /* memory-mapped; NULL when it could not be */
	struct xgw_limiter *limiters;	    /* XGW_MAX_LIMITERS of them, the same way */
	char directory[128];		    /* where they are pinned, may be empty */
};

/* What maps.def says of a map. */
struct maps_row {
	const char *name, *meaning;
	uint32_t key_size, value_size, entries;
	bool raw, per_cpu;
};
const struct maps_row *maps_row(enum maps_id id);

/*
 * Opens the pins of a directory. -ENOENT with a fault when there are none; -EPROTO when they are of
 * another layout version (the fault says both numbers and that `xgw detach` clears them).
 */
int must_check maps_open(struct maps *out, const char *directory, struct fault *f);
/* Takes over fds (in maps.def's order, -1 = none), which maps_close closes. */
int must_check maps_adopt(struct maps *out, const int fds[MAPS_COUNT], struct fault *f);
void maps_close(struct maps *m);

int maps_get(const struct maps *m, enum maps_id id, const void *key, void *value);
int maps_put(const struct maps *m, enum maps_id id, const void *key, const void *value);
/* -ENOENT when it was not there. */
int maps_delete(const struct maps *m, enum maps_id id, const void *key);
/* One call for n entries (BPF_MAP_UPDATE_BATCH, one by one where the kernel cannot). */
int maps_put_batch(const struct maps *m, enum maps_id id, const void *keys, const void *values,
		   uint32_t n);
/* Likewise (BPF_MAP_DELETE_BATCH); what is not there does not matter. */
void maps_delete_batch(const struct maps *m, enum maps_id id, const void *keys, uint32_t n);
/* Calls `each` for every entry until it returns non-zero, which is returned. Per-CPU values are
 * summed (they all are arrays of u64). */
int maps_walk(const struct maps *m, enum maps_id id,
	      int (*each)(void *owner, const void *key, const void *value), void *owner);
/*
 * Part of a map that holds no per-CPU values: at most *n entries into keys and values, from where
 * the cursor stands; *n becomes how many. *begun false: from the beginning. 0, -ENOENT when nothing
 * is left behind these, -errno.
 */
int maps_slice(const struct maps *m, enum maps_id id, uint32_t *cursor, bool *begun, void *keys,
	       void *values, uint32_t *n);
/* Entries in use; -errno. */
long maps_entries(const struct maps *m, enum maps_id id);
/* Whether a next hop is up. 1: that is new, and the caller bumps; 0: it was so; -ENOENT, -errno. */
int maps_hop_up(const struct maps *m, uint32_t id, bool up);
/* Bumps config.generation: cached decisions are void. */
void maps_bump(const struct maps *m);

/* Longest prefix, next hop, endpoint, attachment, neighbour: what the worker asks when its cache
 * does not know. */
int maps_route(const struct maps *m, uint32_t vnet, const struct ip_addr *to,
	       struct xgw_route *out);
int maps_endpoint(const struct maps *m, uint32_t vnet, const struct ip_addr *host,
		  struct xgw_endpoint *out);
int maps_neighbour(const struct maps *m, uint32_t ifindex, const struct ip_addr *host,
		   struct xgw_neighbour *out);
/* Keys, so that nobody forgets the prefixlen offset or the padding. */
struct xgw_route4_key maps_route4_key(uint32_t vnet, const struct ip_prefix *p);
struct xgw_route6_key maps_route6_key(uint32_t vnet, const struct ip_prefix *p);
int maps_route_put(const struct maps *m, uint32_t vnet, const struct ip_prefix *p,
		   const struct xgw_route *r);
int maps_route_delete(const struct maps *m, uint32_t vnet, const struct ip_prefix *p);
struct xgw_vtep_key maps_vtep_key(uint32_t attachment, const struct ip_prefix *p);
/* 0 and the text, or "#ID" when the id has no name. */
const char *maps_name(const struct maps *m, enum xgw_name_kind kind, uint32_t id,
		      char out[XGW_NAME]);
/* Adds to this CPU-independent reading: sum of all CPUs. */
int maps_drop_count(const struct maps *m, uint32_t port_id, enum xgw_drop reason,
		    struct xgw_count *out);

/* Names of drop reasons (drops.def). "unknown" for a number that has none. */
const char *maps_drop_name(unsigned reason);
const char *maps_drop_text(unsigned reason);
const char *maps_drop_severity(unsigned reason);

#endif
